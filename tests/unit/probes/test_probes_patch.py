"""Edits do what they say, on every kind of model, and nothing else; those that are never made are told."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from probe_models import HEADS, LANGUAGE, PLAIN, case, language, normal, plain

import arcuate as arc
from arcuate.errors import CapabilityError, SpecError, UnknownNameError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

Edit, capture, intervene = arc.probes.Edit, arc.probes.capture, arc.probes.intervene
X = normal(4, 5, 6)


def activation(recording: Any, site: str) -> Any:
    return torch.from_numpy(recording.states(site)["activation"].values)


def edited(mode: str, value: Any = None, where: Any = None, seed: int = 0) -> Any:
    """Return what becomes of X at a site."""
    model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Identity())
    with intervene(model, Edit("0:out", mode, value, where, seed)):
        return model(X)


@pytest.mark.parametrize("name", [*PLAIN, *LANGUAGE])
@pytest.mark.parametrize("mode", ["scale", "add", "replace"])
def test_an_edit_that_changes_nothing_changes_no_bit(name: str, mode: str) -> None:
    one = case(name)
    sites = "blocks.*.resid_p*" if name in LANGUAGE else one.last
    before = one.logits()
    seen = capture(one.model, one.inputs, sites=one.last, batch_first=one.batch_first)
    shape = activation(seen, one.last)
    if mode == "replace":
        sites = one.last
    value = {"scale": 1.0, "add": 0.0, "replace": shape[:, 0] if name == "sequential" else shape}[mode]
    with intervene(one.model, Edit(sites, mode, value), batch_first=one.batch_first):
        assert torch.equal(one.logits(), before)
    assert torch.equal(one.logits(), before)


@pytest.mark.parametrize("name", [*PLAIN, *LANGUAGE])
def test_the_last_site_of_another_run_gives_its_answer(name: str) -> None:
    one, other = case(name, seed=1), case(name, seed=2)
    value = activation(
        capture(one.model, other.inputs, sites=one.last, batch_first=one.batch_first), one.last
    )
    value = value[:, 0] if name == "sequential" else value
    assert not torch.equal(one.logits(), other.logits())
    with intervene(one.model, Edit(one.last, "replace", value), batch_first=one.batch_first):
        assert torch.equal(one.logits(), other.logits())


@pytest.mark.parametrize("name", LANGUAGE)
def test_without_heads_only_the_bias_of_attention_is_left(name: str) -> None:
    one = language(name)
    paths = {"gpt2": "attn.c_proj", "llama": "self_attn.o_proj", "bert": "attention.output.dense"}
    found = [m for path, m in one.model.named_modules() if path.endswith(paths[name])]
    biases = [0.0 if m.bias is None else m.bias.detach() for m in found]
    with intervene(one.model, Edit("blocks.*.attn.z", "zero")):
        without = one.logits()
    with intervene(one.model, *(Edit(f"blocks.{i}.attn.out", "replace", b) for i, b in enumerate(biases))):
        torch.testing.assert_close(one.logits(), without, rtol=1e-5, atol=1e-5)
    with intervene(one.model, *(Edit("blocks.*.attn.z", "zero", where={"heads": h}) for h in range(HEADS))):
        torch.testing.assert_close(one.logits(), without)


@pytest.mark.parametrize("name", LANGUAGE)
def test_parts_of_one_product_are_changed_alone(name: str) -> None:
    one = language(name)
    sites = [f"blocks.0.attn.{kind}" for kind in "qkv"]
    before = capture(one.model, one.inputs, sites=sites)
    with intervene(one.model, Edit(sites[1], "zero", where={"heads": 0})):
        after = capture(one.model, one.inputs, sites=sites)
    for kind in (0, 2):
        assert torch.equal(activation(before, sites[kind]), activation(after, sites[kind]))
    wanted = activation(before, sites[1]).clone()
    wanted[:, :, before.states(sites[1])["head"].values == 0] = 0
    assert torch.equal(activation(after, sites[1]), wanted)


@pytest.mark.parametrize("name", LANGUAGE)
def test_weights_that_the_model_has_used_already_are_not_changed(name: str) -> None:
    with (
        pytest.raises(CapabilityError, match="not changed"),
        intervene(language(name).model, Edit("blocks.0.attn.pattern", "zero")),
    ):
        pass


@pytest.mark.parametrize("name", LANGUAGE)
def test_the_middle_of_the_stream_is_changed_whole_or_not_at_all(name: str) -> None:
    """GPT-2 and Llama hand it to the norm alone; BERT goes on with what is there."""
    one, site, wanted = language(name), "blocks.1.resid_mid", language(name, seed=2)
    value = activation(capture(one.model, wanted.inputs, sites=site), site)
    if name != "bert":
        with pytest.raises(CapabilityError, match="not changed"), intervene(one.model, Edit(site, "zero")):
            pass
        return
    with intervene(one.model, Edit(site, "replace", value)):
        torch.testing.assert_close(one.logits(), wanted.logits())


def test_a_small_transformer() -> None:
    model = arc.nn.TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=2, seed=1)
    one, other = ([[1, 2, 3]], [[4, 5, 6]])
    with torch.no_grad():
        wanted = model(other)
    value = activation(capture(model, other, sites="blocks.1.resid_post"), "blocks.1.resid_post")
    with torch.no_grad(), intervene(model, Edit("blocks.1.resid_post", "replace", value)):
        assert torch.equal(model(one), wanted)
    with torch.no_grad(), intervene(model, Edit("blocks.*.attn.pattern", "zero")):
        without = model(one)
    with torch.no_grad(), intervene(model, Edit("blocks.*.attn.z", "zero")):
        assert torch.equal(model(one), without)
    with intervene(model, Edit("blocks.0.attn.z", "zero", where={"heads": 1})):
        z = activation(capture(model, one, sites="blocks.0.attn.z"), "blocks.0.attn.z")
    assert (z[..., 4:] == 0).all() and (z[..., :4] != 0).any()
    total = sum(
        activation(recorded, site)
        for recorded in [capture(model, one, sites=["embed", "blocks.*.out"])]
        for site in recorded.sites
    )
    last = activation(capture(model, one, sites="blocks.1.resid_post"), "blocks.1.resid_post")
    torch.testing.assert_close(total, last, rtol=1e-5, atol=1e-6)


class TestModes:
    def test_simple_ones(self) -> None:
        v = normal(6, seed=3)
        assert torch.equal(edited("replace", v), v.expand_as(X))
        assert torch.equal(edited("add", v), X + v)
        assert torch.equal(edited("scale", 2.0), 2 * X)
        assert torch.equal(edited("zero"), 0 * X)
        torch.testing.assert_close(edited("mean", X), X.mean((0, 1)).expand_as(X))

    def test_where(self) -> None:
        where = {"batch": [0, 2], "positions": -1, "units": slice(0, 2)}
        wanted = X.clone()
        wanted[[0, 2], -1, :2] = 0
        assert torch.equal(edited("zero", where=where), wanted)

    def test_resample_takes_whole_trials_of_others(self) -> None:
        found = [edited("resample", seed=seed) for seed in (0, 0, 1)]
        assert torch.equal(found[0], found[1])
        donors = [[int((row == X).all((1, 2)).nonzero()) for row in one] for one in found]
        assert sorted(donors[0]) == [0, 1, 2, 3]
        assert all(k != donor for one in donors for k, donor in enumerate(one))
        pool = normal(2, 5, 6, seed=5)
        assert all(any(torch.equal(row, one) for one in pool) for row in edited("resample", pool))

    def test_project_out_leaves_nothing_along_the_directions(self) -> None:
        v = normal(2, 6, seed=4)
        once = edited("project_out", v)
        assert float((once @ v.T).abs().max()) < 1e-5
        rest = torch.linalg.lstsq(v.T, (X - once).reshape(-1, 6).T).residuals
        assert rest.numel() == 0 or float(rest.abs().max()) < 1e-8
        part = edited("project_out", v[0], {"units": [0, 1, 2]})
        assert torch.equal(part[..., 3:], X[..., 3:])
        assert float((part[..., :3] @ v[0, :3]).abs().max()) < 1e-5

    def test_steer_keeps_the_length(self) -> None:
        v = normal(6, seed=3)
        found = edited("steer", v)
        torch.testing.assert_close(found.norm(dim=-1), X.norm(dim=-1))
        torch.testing.assert_close(torch.cosine_similarity(found, X + v, dim=-1), torch.ones(4, 5))

    def test_order_and_records(self) -> None:
        model = torch.nn.Sequential(torch.nn.Identity())
        with intervene(model, Edit("0:out", "add", 1.0), Edit("0:out", "scale", 2.0)):
            assert torch.equal(activation(capture(model, X, sites="0:out"), "0:out"), 2 * (X + 1))

    def test_gradients_flow(self) -> None:
        model, x = torch.nn.Sequential(torch.nn.Identity()), X.clone().requires_grad_()
        with intervene(model, Edit("0:in", "scale", 3.0, {"units": 0})):
            model(x).sum().backward()
        assert x.grad is not None and x.grad[0, 0].tolist() == [3, 1, 1, 1, 1, 1]


Pair = namedtuple("Pair", ["first", "second"])


@pytest.mark.parametrize(
    "output", [lambda x: (x, 7), lambda x: [x, 7], lambda x: Pair(x, 7), lambda x: {"logits": x, "n": 7}]
)
def test_outputs_come_back_as_they_came(output: Any) -> None:
    class Several(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return output(x)

    model = Several()
    with intervene(model, Edit(":out", "zero")):
        found = model(X)
    wanted = output(0 * X)
    assert type(found) is type(wanted)
    first = next(iter(found.values())) if isinstance(found, dict) else found[0]
    assert torch.equal(first, 0 * X)
    assert (found["n"] if isinstance(found, dict) else found[1]) == 7


class TestBadInput:
    def test_an_edit_that_is_never_made(self) -> None:
        model = plain("encoder").model
        with (
            pytest.raises(SpecError, match="never made"),
            intervene(model, Edit("layers.0.self_attn.out_proj:out", "zero")),
        ):
            model(normal(1, 2, 8))

    def test_hooks_go_after_an_exception(self) -> None:
        model = torch.nn.Sequential(torch.nn.Identity())
        for _ in range(2):
            with pytest.raises(ZeroDivisionError), intervene(model, Edit("0:out", "zero")):
                raise ZeroDivisionError
        assert torch.equal(model(X), X)

    def test_one_within_another(self) -> None:
        model = torch.nn.Sequential(torch.nn.Identity())
        with intervene(model, Edit("0:out", "zero")):
            model(X)
            with pytest.raises(SpecError, match="all edits"), intervene(model, Edit("0:out", "zero")):
                pass

    def test_unknown_site(self) -> None:
        model = torch.nn.Sequential(torch.nn.Identity())
        with pytest.raises(UnknownNameError), intervene(model, Edit("7:out", "zero")):
            pass

    @pytest.mark.parametrize(
        "arguments",
        [("cut",), ("replace",), ("zero", 1.0), ("zero", None, {"place": 1}), ("zero", None, 3)],
    )
    def test_edits(self, arguments: Any) -> None:
        with pytest.raises(SpecError):
            Edit("0:out", *arguments)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("replace", np.zeros(5)), "does not fit"),
            (("add", np.nan), "finite"),
            (("add", "much"), "numbers"),
            (("resample", np.zeros((2, 5))), "value"),
            (("project_out", np.zeros(6)), "depend"),
            (("project_out", np.zeros(5)), "6 units"),
            (("zero", None, {"positions": 5}), "below 5"),
            (("zero", None, {"units": []}), "below 6"),
            (("zero", None, {"units": slice(0, 0)}), "none of 6"),
            (("zero", None, {"heads": 0}), "no meaning"),
        ],
    )
    def test_values(self, arguments: Any, words: str) -> None:
        with pytest.raises(SpecError, match=words):
            edited(*arguments)
