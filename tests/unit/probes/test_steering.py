"""Directions between classes, and pushes along them, against what follows from their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from probe_models import language, normal

import arcuate as arc
from arcuate.errors import SpecError, UnknownNameError

steering_vector = arc.probes.steering_vector


class TestVector:
    def test_difference_of_means(self) -> None:
        rng = np.random.default_rng(0)
        x, labels = rng.standard_normal((20, 6)), np.arange(20) % 3 == 0
        found = steering_vector(x, labels)
        np.testing.assert_allclose(found, x[labels].mean(0) - x[~labels].mean(0))
        assert found.attrs["mean_norm"] == pytest.approx(np.linalg.norm(x, axis=1).mean())
        assert (found.attrs["start"], found.attrs["end"]) == ("False", "True")
        np.testing.assert_allclose(steering_vector(x, ~labels), -found)

    def test_positions(self) -> None:
        x = np.random.default_rng(0).standard_normal((6, 4, 5))
        labels = np.array(["b", "a", "a", "b", "b", "a"])
        found = steering_vector(x, labels, position=-2)
        np.testing.assert_allclose(found, steering_vector(x[:, 2], labels))
        x[0, 3], x[4, 2:] = np.nan, np.nan
        means = np.stack([row[~np.isnan(row[:, 0])].mean(0) for row in x])
        found = steering_vector(x, labels)
        np.testing.assert_allclose(found, means[labels == "b"].mean(0) - means[labels == "a"].mean(0))
        assert found.attrs["mean_norm"] == pytest.approx(np.nanmean(np.linalg.norm(x, axis=2)))
        with pytest.raises(SpecError, match="pad in trial 4"):
            steering_vector(x, labels, position=2)

    def test_principal_component_of_pairs(self) -> None:
        """What pairs share is found, though its size varies from pair to pair and the pairs lie far apart."""
        rng = np.random.default_rng(1)
        v = np.array([0.6, -0.8, 0.0, 0.0])
        start = 10 * rng.standard_normal((40, 4))
        end = start + rng.uniform(1, 3, 40)[:, None] * v + 0.01 * rng.standard_normal((40, 4))
        found = steering_vector(np.concatenate([start, end]), np.arange(80) >= 40, method="pca")
        np.testing.assert_allclose(found, v, atol=0.01)
        assert found.attrs["explained"] > 0.99
        back = steering_vector(np.concatenate([end, start]), np.arange(80) >= 40, method="pca")
        np.testing.assert_allclose(back, -v, atol=0.01)

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"labels": [0, 1, 2, 0]}, "two classes, not 3"),
            ({"labels": [0, 0, 0, 0]}, "two classes, not 1"),
            ({"labels": [0, 1]}, "each of the 4 trials"),
            ({"labels": [0, 0, 0, 1], "method": "pca"}, "pairs"),
            ({"method": "median"}, "method"),
            ({"position": 3}, "position"),
            ({"states": np.ones((4, 3))}, "do not differ"),
            ({"states": np.full((4, 3), np.inf)}, "finite"),
        ],
    )
    def test_bad_input(self, changed: dict[str, Any], words: str) -> None:
        given = {"states": np.arange(12.0).reshape(4, 3) ** 2, "labels": [0, 1, 0, 1]} | changed
        with pytest.raises(SpecError, match=words):
            steering_vector(given.pop("states"), given.pop("labels"), **given)


torch = pytest.importorskip("torch")
largest_dose, steer_curve = arc.probes.largest_dose, arc.probes.steer_curve


def linear(seed: int = 0) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return a linear read-out of six units, its inputs and a direction."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(6, 4)).double()
    return model, normal(8, 6).double().numpy(), np.arange(6.0) - 1


def first(logits: Any) -> Any:
    return logits[:, 0]


@pytest.mark.torch
class TestDoses:
    def test_closed_form(self) -> None:
        model, x, v = linear()
        doses = np.array([-1.0, 0.0, 0.5, 2.0])
        found = steer_curve(model, x, v, site="0:out", metric=first, doses=doses, n_random=25)
        weights, bias = (one.detach().numpy() for one in (model[1].weight, model[1].bias))
        norm = np.linalg.norm(x, axis=1).mean()
        logits = (x + doses[:, None, None] * norm * v / np.linalg.norm(v)) @ weights.T + bias
        log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        p = np.exp(log_p)
        np.testing.assert_allclose(found["metric"], logits[..., 0])
        np.testing.assert_allclose(found["kl"], (p[1] * (log_p[1] - log_p)).sum(-1), atol=1e-12)
        np.testing.assert_allclose(found["entropy"], -(p * log_p).sum(-1))
        assert (found["kl"].sel(dose=0.0) == 0).all() and found.attrs["mean_norm"] == pytest.approx(norm)

    def test_random_directions_are_as_long(self) -> None:
        """Pushes by d move a linear metric by d w.u: over random directions u, by d |w| / sqrt(n)."""
        model, x, v = linear()
        found = steer_curve(model, x, v, site="0:out", metric=first, doses=[0.0, 1.0], n_random=150)
        moved = found["random_metric"].sel(dose=1.0) - found["random_metric"].sel(dose=0.0)
        row = np.linalg.norm(model[1].weight.detach().numpy()[0]) * found.attrs["mean_norm"]
        assert abs(moved).max() <= row
        assert float((moved**2).mean()) == pytest.approx(row**2 / 6, rel=0.25)
        again = steer_curve(model, x, v, site="0:out", metric=first, doses=[1.0], n_random=9)
        np.testing.assert_array_equal(again["random_metric"][:, 0], found["random_metric"].sel(dose=1.0)[:9])

    def test_the_length_that_a_direction_brings(self) -> None:
        model, x, _ = linear()
        vector = steering_vector(x, np.arange(8) > 3)
        vector.attrs["mean_norm"] = 3.0
        found = steer_curve(model, x, vector, site="0:out", metric=first, doses=[1.0], n_random=0)
        moved = 3 * (vector.values / np.linalg.norm(vector)) @ model[1].weight.detach().numpy()[0]
        before = first(model(torch.from_numpy(x))).detach().numpy()
        np.testing.assert_allclose(found["metric"][0] - before, moved)
        assert "random_metric" not in found

    def test_off_target(self) -> None:
        model, x, v = linear()
        found = steer_curve(
            model, x, v, site="0:out", metric=first, doses=[0.0, 1.0], n_random=0, off_target=(x[:3], first)
        )
        np.testing.assert_allclose(found["off_target"], found["metric"][:, :3].mean("trial"))
        np.testing.assert_allclose(found["off_target_kl"], found["kl"][:, :3].mean("trial"), atol=1e-12)

    def test_positions_and_reading(self) -> None:
        model = arc.nn.TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_layers=1, n_heads=2, seed=1)
        tokens, v = np.arange(10).reshape(2, 5) % 7, np.arange(8.0)
        options: dict[str, Any] = {
            "site": "embed",
            "metric": lambda y: y[:, 0, 0],
            "doses": [1.0],
            "n_random": 0,
        }
        for read in range(5):
            found = steer_curve(model, tokens, v, positions=[2], read=read, **options)
            assert (found["kl"] < 1e-12).all() == (read < 2)
        every = [steer_curve(model, tokens, v, read=k, **options)["kl"] for k in range(5)]
        mean = steer_curve(model, tokens, v, read=None, **options)["kl"]
        np.testing.assert_allclose(mean, sum(every) / 5)

    def test_the_largest_dose_uses_up_the_budget(self) -> None:
        model, x, v = linear()
        for budget in (0.001, 0.05):
            dose = largest_dose(model, x, v, site="0:out", budget=budget)
            around = steer_curve(
                model, x, v, site="0:out", metric=first, doses=[dose, 1.002 * dose], n_random=0
            )
            kl = around["kl"].mean("trial")
            assert kl[0] <= budget < kl[1]
        assert largest_dose(model, x, v, site="0:out", budget=1e9, most=3.0) == 3.0

    def test_a_model_of_transformers(self) -> None:
        one = language("gpt2")
        site = "blocks.0.resid_post"
        vector = steering_vector(
            arc.probes.capture(one.model, one.inputs, sites=site).states(site), [0, 1, 0]
        )
        metric = arc.probes.logit_difference(0, 1)
        found = steer_curve(one.model, one.inputs, vector, site=site, metric=metric, n_random=2)
        assert np.isfinite(found["kl"]).all() and (found["kl"].sel(dose=0.0) == 0).all()

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"vector": np.zeros(6)}, "length"),
            ({"vector": np.ones(5)}, "vector"),
            ({"vector": [np.nan] * 6}, "vector"),
            ({"doses": []}, "one or more"),
            ({"doses": [np.inf]}, "doses"),
            ({"n_random": -1}, "n_random"),
            ({"site": "*:out"}, "one site"),
            ({"read": 0.5}, "read"),
            ({"off_target": 3}, "pair"),
            ({"off_target": (np.ones((2, 6)), 3)}, "must be a function"),
            ({"metric": lambda y: y}, "one number for each"),
            ({"positions": [0]}, "no meaning"),
        ],
    )
    def test_bad_input(self, changed: dict[str, Any], words: str) -> None:
        model, x, v = linear()
        given: dict[str, Any] = {"vector": v, "site": "0:out", "metric": first, "doses": [1.0], "n_random": 1}
        given |= changed
        with pytest.raises(SpecError, match=words):
            steer_curve(model, x, given.pop("vector"), **given)

    def test_other_bad_input(self) -> None:
        model, x, v = linear()
        with pytest.raises(UnknownNameError):
            steer_curve(model, x, v, site="7:out", metric=first)
        with pytest.raises(SpecError, match="budget"):
            largest_dose(model, x, v, site="0:out", budget=0)
        tiny = arc.nn.TinyTransformer(n_outputs=7, n_tokens=7, d_model=6, n_layers=1, seed=1)
        with pytest.raises(SpecError, match="read"):
            steer_curve(tiny, [[1, 2]], v, site="embed", metric=lambda y: y[:, 0, 0], read=2)


def test_trials_with_pads_are_refused():
    given = {"input_ids": [[1, 2, 3], [1, 2, 0]], "attention_mask": [[1, 1, 1], [1, 1, 0]]}

    class Masked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = arc.nn.TinyTransformer(
                n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=1, seed=1
            )

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.net(input_ids)

    with pytest.raises(SpecError, match="one length"):
        steer_curve(
            Masked(),
            given,
            np.ones(8),
            site="net.blocks.0.resid_post:out",
            metric=lambda logits: logits[:, -1, 0],
        )
