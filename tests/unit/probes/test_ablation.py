"""Ablations take away what they say and no more, and random sets of the same size stand beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from probe_models import language, normal

import arcuate as arc
from arcuate.errors import NonFiniteError, SpecError, UnknownNameError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

ablate, rank_components = arc.probes.ablate, arc.probes.rank_components
Edit, capture, intervene = arc.probes.Edit, arc.probes.capture, arc.probes.intervene

TOKENS = np.random.default_rng(0).integers(7, size=(10, 5))


def transformer(**more: Any) -> Any:
    sizes = {"n_outputs": 7, "n_tokens": 7, "d_model": 12, "n_heads": 3, "n_layers": 2, "seed": 1}
    return arc.nn.TinyTransformer(**(sizes | more))


def metric(logits: Any) -> Any:
    return logits[:, -1, 3] - logits[:, -1, 4]


def by_hand(model: Any, *edits: Any) -> np.ndarray:
    with torch.no_grad(), intervene(model, *edits):
        return metric(model(TOKENS)).double().numpy()


def test_zero_is_what_edits_do() -> None:
    model = transformer()
    found = ablate(model, TOKENS, metric, heads=[(0, 1), (1, 0), (1, 2)], mode="zero", n_random=0)
    edits = [Edit(f"blocks.{i}.attn.z", "zero", where={"heads": h}) for i, h in ((0, [1]), (1, [0, 2]))]
    np.testing.assert_array_equal(found["ablated"], by_hand(model, *edits))
    with torch.no_grad():
        np.testing.assert_array_equal(found["intact"], metric(model(TOKENS)).double())
    assert float(found["effect"]) == pytest.approx(float((found["ablated"] - found["intact"]).mean()))
    assert "random" not in found
    last = ablate(model, TOKENS, metric, heads=[(0, 1)], mode="zero", n_random=0, positions=-1)
    edit = Edit("blocks.0.attn.z", "zero", where={"heads": 1, "positions": -1})
    np.testing.assert_array_equal(last["ablated"], by_hand(model, edit))


def test_the_mean_is_that_of_the_reference() -> None:
    model, reference = transformer(), TOKENS[::-1, ::-1][:6].copy()
    z = capture(model, reference, sites="blocks.1.attn.z").states("blocks.1.attn.z")["activation"]
    mean = z.mean(("trial", "token")).values
    found = ablate(model, TOKENS, metric, heads=[(1, 2)], mode="mean", reference=reference, n_random=0)
    wanted = by_hand(model, Edit("blocks.1.attn.z", "replace", mean, {"heads": 2}))
    np.testing.assert_allclose(found["ablated"], wanted, rtol=1e-5, atol=1e-6)


def test_resampling_everything_gives_the_answer_to_another_trial() -> None:
    """At the stream's end nothing else is left of a trial, and no trial may stand in for itself."""
    model = transformer()
    with torch.no_grad():
        own = metric(model(TOKENS)).double().numpy()
    found = ablate(model, TOKENS, metric, units={"blocks.1.resid_post": range(12)}, n_random=0)
    np.testing.assert_allclose(np.sort(found["ablated"]), np.sort(own), atol=1e-6)
    assert (np.abs(found["ablated"].values - own) > 1e-6).all()
    one = TOKENS[:1]
    found = ablate(model, TOKENS, metric, units={"blocks.1.resid_post": range(12)}, reference=one, n_random=0)
    np.testing.assert_allclose(found["ablated"], own[0], atol=1e-6)


def test_a_layer_is_all_that_it_adds() -> None:
    model = transformer()
    found = ablate(model, TOKENS, metric, layers=[0], mode="zero", n_random=3)
    wanted = by_hand(model, Edit("blocks.0.attn.out", "zero"), Edit("blocks.0.mlp.out", "zero"))
    np.testing.assert_array_equal(found["ablated"], wanted)
    assert set(found["set"].values) <= {"0", "1"}
    ablate(transformer(d_mlp=0), TOKENS, metric, layers=[1], mode="zero", n_random=0)


@pytest.mark.parametrize("within", ["layer", "model"])
def test_random_sets_are_as_large_and_the_same_for_each_metric(within: str) -> None:
    model = transformer(n_heads=6)
    heads = [(0, 1), (1, 0), (1, 2)]
    first = ablate(model, TOKENS, metric, heads=heads, n_random=12, within=within)
    other = ablate(model, TOKENS, lambda logits: logits[:, 0, 0], heads=heads, n_random=12, within=within)
    assert first["set"].values.tolist() == other["set"].values.tolist()
    sets = [[tuple(map(int, one.split("."))) for one in row.split()] for row in first["set"].values]
    assert all(len(set(row)) == 3 for row in sets)
    per_layer = {sum(layer == 0 for layer, _ in row) for row in sets}
    assert per_layer == {1} if within == "layer" else len(per_layer) > 1
    for k in (0, 7):
        again = ablate(model, TOKENS, metric, heads=sets[k], n_random=0)
        np.testing.assert_array_equal(again["ablated"], first["random"][k])


def test_p_counts_sets_that_do_as_much() -> None:
    model = transformer(n_heads=6)
    found = {
        kind: ablate(model, TOKENS, metric, heads=[(0, 0)], n_random=20, alternative=kind, mode="zero")
        for kind in ("less", "greater", "two-sided")
    }
    effect, null = float(found["less"]["effect"]), found["less"]["random_effect"].values
    same = np.isclose(null, effect, atol=1e-12)
    wanted = {
        "less": (null < effect) | same,
        "greater": (null > effect) | same,
        "two-sided": (abs(null) > abs(effect)) | same,
    }
    for kind, as_much in wanted.items():
        assert float(found[kind]["p"]) == (1 + as_much.sum()) / 21
    np.testing.assert_allclose(null, (found["less"]["random"] - found["less"]["intact"]).mean("trial"))


def test_one_head_that_alone_carries_the_answer() -> None:
    """A head whose output weights are the only ones is found, with the smallest p that there can be."""
    model = transformer(n_layers=1, n_heads=12, d_mlp=0)
    with torch.no_grad():
        weights = model.blocks[0].attn.out.weight
        keep = weights[:, 4:5].clone()
        weights.zero_()
        weights[:, 4:5] = 10 * keep
    found = rank_components(model, TOKENS, lambda logits: logits[:, -1, 3].abs(), mode="zero")
    assert int(abs(found["effect"]).argmax("head")[0]) == 4
    assert (found["effect"][0].drop_sel(head=4) == 0).all()
    one = ablate(model, TOKENS, metric, heads=[(0, 4)], mode="zero", alternative="two-sided", n_random=49)
    with_it = ["0.4" in name for name in one["set"].values]
    assert float(one["p"]) == (1 + sum(with_it)) / 50


def test_each_component_alone_is_ablated_as_by_itself() -> None:
    model = transformer()
    heads = rank_components(model, TOKENS, metric)
    assert dict(heads["ablated"].sizes) == {"layer": 2, "head": 3, "trial": 10}
    alone = ablate(model, TOKENS, metric, heads=[(1, 2)], n_random=0)
    np.testing.assert_array_equal(heads["ablated"].sel(layer=1, head=2), alone["ablated"])
    layers = rank_components(model, TOKENS, metric, components="layers", mode="mean")
    alone = ablate(model, TOKENS, metric, layers=[1], mode="mean", n_random=0)
    np.testing.assert_array_equal(layers["ablated"].sel(layer=1), alone["ablated"])


def test_units_of_any_module() -> None:
    model, x = (
        torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2)),
        normal(8, 4),
    )
    found = ablate(model, x, lambda y: y[:, 0], units={"1:out": [0, 5]}, n_random=4, mode="zero")
    with torch.no_grad():
        hidden = model[1](model[0](x))
        hidden[:, [0, 5]] = 0
        np.testing.assert_array_equal(found["ablated"], model[2](hidden)[:, 0].double())
    assert all(name.startswith("1:out[") for name in found["set"].values)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_models_of_transformers(name: str) -> None:
    one = language(name)
    found = ablate(one.model, one.inputs, metric, heads=[(0, 1)], mode="zero", n_random=2)
    with torch.no_grad(), intervene(one.model, Edit("blocks.0.attn.z", "zero", where={"heads": 1})):
        np.testing.assert_array_equal(found["ablated"], metric(one.logits()).double())


def test_the_mean_leaves_out_pads() -> None:
    one = language("gpt2")
    mask = np.ones(one.inputs["input_ids"].shape, int)
    mask[0, -2:] = 0
    inputs = {**one.inputs, "attention_mask": mask}
    z = capture(one.model, inputs, sites="blocks.0.attn.z").states("blocks.0.attn.z")["activation"]
    mean = z.mean(("trial", "token")).values
    found = ablate(one.model, inputs, metric, heads=[(0, 1)], mode="mean", n_random=0)
    with torch.no_grad(), intervene(one.model, Edit("blocks.0.attn.z", "replace", mean, {"heads": 1})):
        given = {key: torch.as_tensor(value) for key, value in inputs.items()}
        wanted = metric(one.model(**given).logits).double()
    np.testing.assert_allclose(found["ablated"], wanted, atol=1e-5)
    with pytest.raises(SpecError, match="one length"):
        ablate(one.model, inputs, metric, heads=[(0, 1)])


def test_the_model_is_left_as_it_was() -> None:
    model = transformer().train()
    ablate(model, TOKENS, metric, heads=[(0, 1)], n_random=2)
    assert model.training and not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with pytest.raises(ZeroDivisionError):
        ablate(model, TOKENS, lambda logits: 1 / 0, heads=[(0, 1)], n_random=2)
    assert model.training and not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    model = transformer()
    ablate(model, TOKENS, metric, heads=[(0, 1)], n_random=3, progress=lambda *n: told.append(n))
    rank_components(model, TOKENS, metric, progress=lambda *n: told.append(n))
    assert told[2] == (3, 3) and told[-1] == (6, 6)


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({}, "exactly one"),
            ({"heads": [(0, 1)], "layers": [0]}, "exactly one"),
            ({"heads": []}, "one or more"),
            ({"heads": [0, 1]}, "pairs"),
            ({"heads": [(0, 1), (0, 1)]}, "once"),
            ({"heads": [(0, 3)]}, "3 is none of the 3 of layer 0"),
            ({"heads": [(2, 0)]}, "layer 2 is none of the 2"),
            ({"layers": [-1]}, "-1 is none of the 2"),
            ({"layers": "all"}, "whole numbers"),
            ({"units": {"blocks.0.mlp.post": [48]}}, "48 is none of the 48 of blocks.0.mlp.post"),
            ({"units": [3]}, "map sites"),
            ({"heads": [(0, 1)], "mode": "knock"}, "mode"),
            ({"heads": [(0, 1)], "alternative": "more"}, "alternative"),
            ({"heads": [(0, 1)], "within": "site"}, "within"),
            ({"heads": [(0, 1)], "n_random": -1}, "n_random"),
            ({"heads": [(0, h) for h in range(3)]}, "all there is"),
            ({"layers": [0, 1]}, "all there is"),
            ({"heads": [(0, 1)], "mode": "zero", "reference": TOKENS}, "no meaning"),
            ({"heads": [(0, 1)], "reference": TOKENS[:, :3]}, "does not fit"),
            ({"heads": [(0, 1)], "positions": [9]}, "below 5"),
            ({"heads": [(0, 1)], "progress": 3}, "progress"),
        ],
    )
    def test_options(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(SpecError, match=words):
            ablate(transformer(), TOKENS, metric, **options)

    def test_unknown_site(self) -> None:
        with pytest.raises(UnknownNameError, match=r"blocks\.0\.mlp\.post"):
            ablate(transformer(), TOKENS, metric, units={"blocks.0.mlp.past": [0]})

    def test_one_trial_cannot_be_resampled_from_itself(self) -> None:
        with pytest.raises(SpecError, match="two or more"):
            ablate(transformer(), TOKENS[:1], metric, heads=[(0, 1)])

    def test_model_without_blocks_or_heads(self) -> None:
        with pytest.raises(UnknownNameError, match="site"):
            ablate(torch.nn.Linear(3, 2), normal(4, 3), lambda y: y[:, 0], layers=[0])
        with pytest.raises(SpecError, match="Module"):
            ablate(3, TOKENS, metric, heads=[(0, 1)])

    @pytest.mark.parametrize(
        ("wrong", "error", "words"),
        [
            (lambda logits: logits.mean(), SpecError, r"each of the 10 trials, not shape \(\)"),
            (lambda logits: logits[:, -1], SpecError, r"not shape \(10, 7\)"),
            (lambda logits: logits[:, -1, 99], SpecError, "does not take outputs"),
            (lambda logits: "good", SpecError, "does not take outputs"),
            (lambda logits: torch.full((10,), torch.nan), NonFiniteError, "nan in trial 0"),
            (3, SpecError, "must be a function"),
        ],
    )
    def test_metrics(self, wrong: Any, error: Any, words: str) -> None:
        with pytest.raises(error, match=words):
            ablate(transformer(), TOKENS, wrong, heads=[(0, 1)])
