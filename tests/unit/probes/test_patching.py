"""Patching: what follows from its definition, a forward pass written by hand, models of every layout."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from probe_models import LANGUAGE, case, language, normal

import arcuate as arc
from arcuate.errors import CapabilityError, NonFiniteError, SpecError, UnknownNameError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

activation_patching, attribution_patching = arc.probes.activation_patching, arc.probes.attribution_patching
path_patching, logit_difference = arc.probes.path_patching, arc.probes.logit_difference

CLEAN = np.random.default_rng(0).integers(7, size=(6, 5))
CORRUPT = np.where(np.arange(5) == 1, (CLEAN + 2) % 7, CLEAN)
METRIC = logit_difference([0, 1, 2, 3, 4, 5], 6)
DENOISE, NOISE = 0, 1


def transformer(**more: Any) -> Any:
    sizes = {"n_outputs": 7, "n_tokens": 7, "d_model": 12, "n_heads": 3, "n_layers": 2, "seed": 1}
    return arc.nn.TinyTransformer(**(sizes | more))


def patched(model: Any = None, **more: Any) -> Any:
    return activation_patching(model or transformer(), CLEAN, CORRUPT, metric=METRIC, **more)


def test_logit_difference() -> None:
    logits = normal(3, 4, 5)
    found = logit_difference([0, 1, 2], 4, position=[1, -1, 2])(logits)
    wanted = [
        logits[0, 1, 0] - logits[0, 1, 4],
        logits[1, 3, 1] - logits[1, 3, 4],
        logits[2, 2, 2] - logits[2, 2, 4],
    ]
    assert found.tolist() == [float(one) for one in wanted]
    assert torch.equal(logit_difference(1, 2)(logits[:, 0]), logits[:, 0, 1] - logits[:, 0, 2])
    for wrong in ({"answer": 0.5}, {"foil": -1}, {"answer": [[1]]}, {"position": "last"}):
        with pytest.raises(SpecError):
            logit_difference(**({"answer": 0, "foil": 1} | wrong))


class TestIdentities:
    def test_all_of_a_run_is_all_of_its_effect(self) -> None:
        for site in ("embed", "blocks.0.resid_pre", "blocks.1.resid_post", "final_norm", "logits"):
            np.testing.assert_allclose(patched(sites=site, over=())["effect"], 1, atol=1e-5)

    def test_what_does_not_differ_has_no_effect(self) -> None:
        found = patched(sites="embed")["effect"]
        np.testing.assert_allclose(found.sel(position=[0, 2, 3, 4]), 0, atol=1e-5)
        np.testing.assert_allclose(found.sel(position=1), 1, atol=1e-5)

    def test_the_end_of_the_stream_acts_where_the_answer_is_read(self) -> None:
        found = patched(sites="blocks.1.resid_post")["effect"]
        np.testing.assert_allclose(found[:, 0], np.eye(5)[[4, 4]], atol=1e-5)

    def test_nothing_goes_back_in_time(self) -> None:
        found = patched()["effect"]
        np.testing.assert_allclose(found.sel(position=0), 0, atol=1e-5)

    def test_a_place_is_one_edit(self) -> None:
        model = transformer()
        found = patched(model, sites=["blocks.0.attn.z", "blocks.1.attn.q"], over=("position", "head"))
        assert found["effect"].dims == ("direction", "site", "position", "head")
        runs = [(CLEAN, CORRUPT), (CORRUPT, CLEAN)]
        places = [("blocks.1.attn.q", 4, 2), ("blocks.0.attn.z", 1, 0), ("blocks.0.attn.z", 4, 1)]
        for (k, (source, base)), (site, position, head) in itertools.product(enumerate(runs), places):
            value = arc.probes.capture(model, source, sites=site).states(site)["activation"].values
            edit = arc.probes.Edit(site, "replace", value, {"positions": position, "heads": head})
            with torch.no_grad():
                plain = METRIC(model(base)).numpy()
                with arc.probes.intervene(model, edit):
                    wanted = METRIC(model(base)).numpy()
            got = found["metric"].isel(direction=k, position=position, head=head).sel(site=site)
            np.testing.assert_allclose(got, wanted, atol=1e-6)
            assert np.abs(wanted - plain).max() > 1e-4  # the place does something
        means = found["metric"].mean("trial")
        clean, corrupt = float(found["clean"].mean()), float(found["corrupt"].mean())
        np.testing.assert_allclose(found["effect"][0], (means[0] - corrupt) / (clean - corrupt))
        np.testing.assert_allclose(found["effect"][1], (clean - means[1]) / (clean - corrupt))

    def test_batches_change_nothing(self) -> None:
        options: dict[str, Any] = {"sites": "blocks.0.attn.z", "over": ("position", "head")}
        one, other = patched(**options), patched(**options, batch_size=6)
        np.testing.assert_allclose(one["metric"], other["metric"], atol=1e-5)

    def test_both_directions_agree_where_all_is_linear(self) -> None:
        model, (x, y) = linear(), (normal(4, 3, 5), normal(4, 3, 5, seed=1))
        found = activation_patching(model, x, y, metric=total, sites="?:out")
        np.testing.assert_allclose(found["effect"][0], found["effect"][1], atol=1e-5)
        np.testing.assert_allclose(found["effect"].sum("position"), 1, atol=1e-5)


def linear() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Linear(6, 4))


def total(output: Any) -> Any:
    return output[..., 0].sum(-1)


class TestAttribution:
    def test_it_is_patching_where_all_is_linear(self) -> None:
        model, (x, y) = linear(), (normal(4, 3, 5), normal(4, 3, 5, seed=1))
        options: dict[str, Any] = {"metric": total, "sites": "?:out"}
        truth = activation_patching(model, x, y, **options)
        found = attribution_patching(model, x, y, **options, truth=truth)
        np.testing.assert_allclose(found["metric"], truth["metric"], atol=1e-5)
        np.testing.assert_allclose(found["effect"], truth["effect"], atol=1e-5)
        np.testing.assert_allclose(found["correlation"], 1)

    def test_it_is_exact_behind_the_last_norm(self) -> None:
        found = attribution_patching(transformer(), CLEAN, CORRUPT, metric=METRIC, sites="final_norm")
        np.testing.assert_allclose(found["effect"][:, 0], np.eye(5)[[4, 4]], atol=1e-5)

    def test_it_tends_to_patching_for_small_steps(self) -> None:
        """The error is of second order: a tenth of the step has about a hundredth of the error."""
        model = arc.nn.TinyTransformer(n_outputs=7, n_features=6, d_model=12, n_heads=3, n_layers=2, seed=1)
        x, step, errors = normal(6, 5, 6), normal(6, 5, 6, seed=1), []
        for size in (0.3, 0.03):
            options: dict[str, Any] = {
                "metric": METRIC, "sites": "blocks.*.attn.z", "over": ("position", "head"),
            }  # fmt: skip
            model.double()
            pair = (x.double(), x.double() + size * step.double())
            truth = activation_patching(model, *pair, **options)
            found = attribution_patching(model, *pair, **options, truth=truth)
            errors.append(float(abs(found["metric"] - truth["metric"]).mean()))
        assert errors[1] < errors[0] / 50
        assert (found["correlation"] > 0.999).all()

    def test_slopes_are_not_left_behind(self) -> None:
        model = transformer().train()
        attribution_patching(model, CLEAN, CORRUPT, metric=METRIC)
        assert model.training and all(parameter.grad is None for parameter in model.parameters())

    def test_truth_of_some_sites(self) -> None:
        model = transformer()
        truth = patched(model, sites="blocks.0.resid_post", directions="denoise")
        found = attribution_patching(model, CLEAN, CORRUPT, metric=METRIC, truth=truth)
        assert np.isfinite(found["correlation"][0]) and np.isnan(found["correlation"][1])
        with pytest.raises(SpecError, match="shares no place"):
            attribution_patching(model, CLEAN, CORRUPT, metric=METRIC, sites="embed", truth=truth)
        with pytest.raises(SpecError, match="over direction, site, position"):
            attribution_patching(model, CLEAN, CORRUPT, metric=METRIC, truth=truth["effect"])

    def test_a_metric_without_slope(self) -> None:
        def metric(logits: Any) -> Any:
            return METRIC(logits.detach())

        with pytest.raises(SpecError, match="no slope"):
            attribution_patching(transformer(), CLEAN, CORRUPT, metric=metric, sites="embed")


def by_hand(model: Any, tokens: Any, z: Any = None, change: Any = None) -> tuple[Any, Any, Any]:
    """Return logits, reads of all heads, and values of the second block, of a forward pass written out.

    `z` are the reads of the first block, (B, T, H, d); `change` turns the values of the second.
    """
    first, second = model.blocks
    x = model.embed.tokens.weight[torch.as_tensor(tokens)] + model.embed.positions.weight[:5]
    reads = []
    for k, block in enumerate((first, second)):
        normed = torch.nn.functional.layer_norm(x, (12,), block.attn_norm.weight, block.attn_norm.bias)
        q, k_, v = (
            (normed @ part.weight.T + part.bias).reshape(*x.shape[:2], 3, 4)
            for part in (block.attn.q, block.attn.k, block.attn.v)
        )
        if k == 1 and change is not None:
            v = change(v)
        scores = torch.einsum("bthd,bshd->bhts", q, k_) / 2
        scores = scores + torch.full((5, 5), -torch.inf).triu(1)
        read = torch.einsum("bhts,bshd->bthd", scores.softmax(-1), v)
        read = z if k == 0 and z is not None else read
        reads.append(read)
        x = x + read.flatten(2) @ block.attn.out.weight.T + block.attn.out.bias
        normed = torch.nn.functional.layer_norm(x, (12,), block.mlp_norm.weight, block.mlp_norm.bias)
        neurons = torch.nn.functional.gelu(normed @ block.mlp.pre.weight.T + block.mlp.pre.bias)
        x = x + neurons @ block.mlp.out.weight.T + block.mlp.out.bias
    normed = torch.nn.functional.layer_norm(x, (12,), model.final_norm.weight, model.final_norm.bias)
    return normed @ model.logits.weight.T + model.logits.bias, reads, v


class TestPaths:
    @pytest.mark.parametrize("way", ["denoise", "noise"])
    def test_a_forward_pass_by_hand(self, way: str) -> None:
        """Head 2 of the first block, to the values of heads 0 and 2 of the second, through its own MLP."""
        model = transformer().double()
        found = path_patching(
            model, CLEAN, CORRUPT, metric=METRIC, directions=way,
            senders="blocks.0.attn.z", receivers={"blocks.1.attn.v": [0, 2]},
        )  # fmt: skip
        source, base = (CLEAN, CORRUPT) if way == "denoise" else (CORRUPT, CLEAN)
        with torch.no_grad():
            z = by_hand(model, base)[1][0].clone()
            z[:, :, 2] = by_hand(model, source)[1][0][:, :, 2]
            arrived = by_hand(model, base, z)[2]

            def change(v: Any) -> Any:
                return torch.where(torch.tensor([True, False, True])[:, None], arrived, v)

            logits = by_hand(model, base, change=change)[0]
            np.testing.assert_allclose(model(base), by_hand(model, base)[0], atol=1e-12)
        np.testing.assert_allclose(found["metric"][0, 0, 2], METRIC(logits), rtol=0, atol=1e-6)
        assert abs(METRIC(logits) - METRIC(model(base))).min() > 1e-4

    def test_paths_into_values_add_up_where_there_is_no_norm(self) -> None:
        """Into values of heads with their own patterns all is linear: the parts give the whole."""
        model = transformer(norm=False, d_mlp=0).double()
        options: dict[str, Any] = {"metric": METRIC, "senders": ["embed", "blocks.0.attn.z"]}
        found = path_patching(model, CLEAN, CORRUPT, receivers="blocks.1.attn.v", **options)
        whole = patched(model, sites="blocks.1.attn.v", over=())
        parts = found["effect"].sel(site="embed", head=-1) + found["effect"].sel(site="blocks.0.attn.z").sum(
            "head"
        )
        np.testing.assert_allclose(parts, whole["effect"].sel(site="blocks.1.attn.v"), atol=1e-6)
        assert np.isnan(found["effect"].sel(site="embed", head=0)).all()
        alone = [
            path_patching(model, CLEAN, CORRUPT, receivers={"blocks.1.attn.v": [h]}, **options)["effect"]
            for h in range(3)
        ]
        np.testing.assert_allclose(sum(alone), found["effect"], atol=1e-6)

    def test_the_direct_way_to_the_end(self) -> None:
        """Without norms, what a head says directly is its change times its own output weights."""
        model = transformer(norm=False).double()
        found = path_patching(
            model, CLEAN, CORRUPT, metric=METRIC, senders="blocks.*.attn.z", receivers="final_norm",
            freeze_mlps=True,
        )  # fmt: skip
        for layer in (0, 1):
            site = f"blocks.{layer}.attn.z"
            z = [
                arc.probes.capture(model, x, sites=site).states(site)["activation"].values
                for x in (CLEAN, CORRUPT)
            ]
            moved = (
                np.where(np.arange(12) // 4 == 1, z[0] - z[1], 0)
                @ model.blocks[layer].attn.out.weight.detach().numpy().T
            )
            said = METRIC(torch.from_numpy(moved) @ model.logits.weight.detach().T)
            got = found["metric"].sel(site=site, head=1, direction="denoise") - found["corrupt"]
            np.testing.assert_allclose(got, said, atol=1e-6)

    def test_senders_without_heads_and_receivers_of_two_kinds(self) -> None:
        found = path_patching(
            transformer(), CLEAN, CORRUPT, metric=METRIC, senders=["embed", "blocks.0.mlp.out"],
            receivers=["blocks.1.attn.q", "blocks.1.mlp.pre"], positions=[1], batch_size=6,
        )  # fmt: skip
        assert found["effect"].dims == ("direction", "site", "head") and np.isfinite(found["effect"]).all()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"receivers": "blocks.1.attn.z"}, "held still"),
            ({"receivers": "blocks.1.mlp.out", "freeze_mlps": True}, "held still"),
            ({"senders": "blocks.1.attn.z", "receivers": "blocks.0.attn.q"}, "stands behind"),
            ({"senders": "blocks.0.attn.z", "receivers": "blocks.0.attn.q"}, "stands behind"),
            ({"senders": "blocks.0.mlp.out", "receivers": "blocks.0.mlp.pre"}, "stands behind"),
            ({"receivers": {"blocks.1.attn.q": [3]}}, "heads from 0 to 2"),
            ({"receivers": {"blocks.1.attn.q": []}}, "heads from 0 to 2"),
            ({"receivers": {"blocks.1.mlp.pre": [0]}}, "has none"),
            ({"senders": {"blocks.0.attn.z": [-1]}}, "heads from 0 to 2"),
            ({"positions": [5]}, "below 5"),
        ],
    )
    def test_bad_input(self, options: dict[str, Any], words: str) -> None:
        ends = {"senders": "blocks.0.attn.z", "receivers": "blocks.1.attn.q"}
        with pytest.raises(SpecError, match=words):
            path_patching(transformer(), CLEAN, CORRUPT, metric=METRIC, **(ends | options))


@pytest.mark.parametrize("name", LANGUAGE)
def test_models_of_transformers(name: str) -> None:
    one, tokens = language(name), language(name).inputs["input_ids"]
    other = torch.where(torch.arange(5) == 1, (tokens + 3) % 13, tokens)
    clean, corrupt = ({"input_ids": ids, "attention_mask": torch.ones_like(ids)} for ids in (tokens, other))
    metric = logit_difference(4, 6, position=2)
    options: dict[str, Any] = {"metric": metric, "over": ("position", "head")}
    found = activation_patching(one.model, clean, corrupt, sites="blocks.*.attn.z", **options)
    guess = attribution_patching(one.model, clean, corrupt, sites="blocks.*.attn.z", truth=found, **options)
    assert (guess["correlation"] > 0.5).all()
    end = activation_patching(one.model, clean, corrupt, metric=metric, sites="blocks.1.resid_post")
    np.testing.assert_allclose(end["effect"][:, 0], np.eye(5)[[2, 2]], atol=1e-4)
    path = path_patching(
        one.model, clean, corrupt, metric=metric, senders="blocks.0.attn.z", receivers="blocks.1.attn.v"
    )
    assert np.isfinite(path["effect"]).all()


class TestBadInput:
    def test_lengths(self) -> None:
        for wrong in (CORRUPT[:, :4], CORRUPT[:3]):
            with pytest.raises(SpecError, match="same number and length"):
                activation_patching(transformer(), CLEAN, wrong, metric=METRIC)

    def test_pads(self) -> None:
        one, mask = language("gpt2"), torch.ones(3, 5, dtype=int)
        other = mask.clone()
        other[0, -1] = 0
        clean, corrupt = ({**one.inputs, "attention_mask": part} for part in (mask, other))
        with pytest.raises(SpecError, match="attention_mask"):
            activation_patching(one.model, clean, corrupt, metric=METRIC)

    def test_the_same_answer_in_both(self) -> None:
        with pytest.raises(SpecError, match="same in both runs"):
            activation_patching(transformer(), CLEAN, CLEAN, metric=METRIC)
        with pytest.raises(SpecError, match="same in both runs"):
            patched_metric = logit_difference([0] * 6, 6, position=0)
            activation_patching(transformer(), CLEAN, CORRUPT, metric=patched_metric)

    def test_metrics(self) -> None:
        with pytest.raises(SpecError, match=r"not shape \(6, 7\)"):
            activation_patching(transformer(), CLEAN, CORRUPT, metric=lambda logits: logits[:, -1])
        with pytest.raises(NonFiniteError, match="nan in trial 0"):
            activation_patching(
                transformer(), CLEAN, CORRUPT, metric=lambda logits: logits[:, 0, 0] * torch.nan
            )
        with pytest.raises(SpecError, match="does not take outputs"):
            activation_patching(transformer(), CLEAN, CORRUPT, metric=logit_difference([0, 1], 2))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"over": ("head",)}, "has none"),
            ({"over": "layer"}, "over"),
            ({"directions": ()}, "directions"),
            ({"positions": [7]}, "below 5"),
            ({"positions": []}, "one or more"),
            ({"batch_size": 0}, "batch_size"),
        ],
    )
    def test_options(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(SpecError, match=words):
            patched(**options)

    def test_sites(self) -> None:
        with pytest.raises(UnknownNameError, match=r"blocks\.1\.resid_post"):
            patched(sites="blocks.1.resid_pots")
        model, x = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Linear(6, 2)), normal(3, 4)
        metric: Any = lambda y: y[:, 0]  # noqa: E731
        with pytest.raises(SpecError, match="no positions"):
            activation_patching(model, x, x + 1, metric=metric, sites="0:out")
        found = activation_patching(model, x, x + 1, metric=metric, sites="0:out", over=())
        np.testing.assert_allclose(found["effect"], 1, atol=1e-5)
        one = language("gpt2")
        with pytest.raises(CapabilityError, match="not changed"):
            activation_patching(
                one.model, one.inputs, {"input_ids": 12 - one.inputs["input_ids"]},
                metric=logit_difference(0, 1), sites="blocks.0.attn.pattern",
            )  # fmt: skip

    def test_a_site_that_is_never_reached(self) -> None:
        one = case("encoder")
        with pytest.raises(SpecError, match="never"):
            activation_patching(
                one.model, one.inputs, one.inputs.flip(1), metric=lambda y: y[:, 0, 0],
                sites="layers.0.self_attn.out_proj:out",
            )  # fmt: skip

    def test_the_model_is_left_as_it_was(self) -> None:
        model, told = transformer().train(), list[tuple[int, int]]()
        patched(model, progress=lambda *n: told.append(n))
        assert told[-1] == (20, 20)
        assert model.training and not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_module_without_parameters_has_slopes_too() -> None:
    class Sum(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.here = torch.nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.here(x).cumsum(1)

    clean, corrupt = torch.ones(1, 3, 2), torch.zeros(1, 3, 2)
    found = arc.probes.attribution_patching(
        Sum(), clean, corrupt, metric=lambda out: out[:, -1, 0], sites="here:out"
    )
    assert found["effect"].sel(direction="denoise").values.ravel().tolist() == pytest.approx([1 / 3] * 3)
