"""Captured activity is what hooks see and what the layers' own outputs are; the model is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from probe_models import CONTEXT, HEADS, LANGUAGE, N_WORDS, PLAIN, case, language, normal, plain, tokens

import arcuate as arc
from arcuate import _inputs
from arcuate.errors import CapabilityError, MemoryLimitError, NonFiniteError, SpecError, UnknownNameError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

capture = arc.probes.capture


def values(recording: Any, site: str, name: str = "activation") -> np.ndarray:
    return np.asarray(recording.states(site)[name].values)


def hooks(model: Any) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.mark.parametrize("name", [*PLAIN, *LANGUAGE])
@pytest.mark.parametrize("batch_size", [2, 32])
def test_the_last_site_is_what_comes_out(name: str, batch_size: int) -> None:
    one = case(name)
    site = "logits" if name in LANGUAGE else one.last
    recording = capture(one.model, one.inputs, sites=site, batch_size=batch_size, batch_first=one.batch_first)
    wanted = one.logits() if one.batch_first else one.logits().transpose(0, 1)
    wanted = wanted[:, None] if wanted.ndim == 2 else wanted
    np.testing.assert_allclose(values(recording, site), wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_axes_follow_the_inputs() -> None:
    one = plain("encoder")
    inputs = one.inputs
    states = capture(one.model, inputs, sites="layers.1:out", stimulus=list("abc"), repeat=[0, 1, 2])
    assert states.states("layers.1:out").sizes == {"trial": 3, "tick": 5, "unit": 8}
    assert states.states("layers.1:out")["stimulus"].values.tolist() == ["a", "b", "c"]
    assert states.states("layers.1:out")["repeat"].values.tolist() == [0, 1, 2]
    assert states.source == "torch:TransformerEncoder"
    named = capture(one.model, inputs, sites="layers.1:out", axis="token")
    assert named.states("layers.1:out").sizes["token"] == 5
    flat = plain("sequential")
    assert capture(flat.model, flat.inputs, sites="0:out").states("0:out").sizes["layer"] == 1


def test_words_have_tokens() -> None:
    model = torch.nn.Sequential(torch.nn.Embedding(N_WORDS, 4), torch.nn.Linear(4, 3))
    recording = capture(model, tokens().numpy(), sites=("0:in", "0:out"))
    assert recording.states("0:out").sizes == {"trial": 3, "token": 5, "unit": 4}


class Cells(torch.nn.Module):
    """Calls one cell at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = torch.nn.GRUCell(4, 6)

    def forward(self, x: Any) -> Any:
        h = x.new_zeros(len(x), 6)
        for step in range(x.shape[1]):
            h = self.cell(x[:, step], h)
        return h


def test_a_cell_that_is_called_at_every_step_has_ticks() -> None:
    model, x = Cells(), normal(3, 5, 4)
    states = capture(model, x, sites="cell:out", batch_size=2).states("cell:out")
    assert states["tick"].values.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(states["activation"].values[:, -1], model(x).detach().numpy(), atol=1e-6)


class Ramp(torch.nn.Module):
    """Gives (trial, token, 1), the token's place, infinite behind the real ones."""

    def forward(self, x: Any, length: Any) -> Any:
        place = torch.arange(x.shape[1], dtype=torch.float32).expand(len(x), -1)
        return torch.where(place < length, place, torch.inf)[:, :, None]


class Inner(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ramp = Ramp()

    def forward(self, x: Any, length: Any) -> Any:
        return self.ramp(x, length)


LENGTHS = torch.tensor([[1], [3], [5]])
REAL = torch.arange(5) < LENGTHS


@pytest.mark.parametrize(
    ("reduce", "wanted"),
    [
        ("last", [0, 2, 4]),
        ("mask-mean", [0, 1, 2]),
        (lambda v, m: torch.where(m[:, :, None], v, 0).sum(1), [0, 3, 10]),
    ],
    ids=["last", "mask-mean", "function"],
)
def test_reductions_leave_pads_out(reduce: Any, wanted: list[int]) -> None:
    inputs = (torch.zeros(3, 5), LENGTHS)
    states = capture(Inner(), inputs, sites="ramp:out", mask=REAL, reduce=reduce).states("ramp:out")
    assert states["activation"].values[:, 0, 0].tolist() == wanted


def test_pads_are_not_numbers() -> None:
    states = capture(Inner(), (torch.zeros(3, 5), LENGTHS), sites="ramp:out", mask=REAL.numpy())
    found = values(states, "ramp:out")[:, :, 0]
    assert (np.isnan(found) == ~REAL.numpy()).all()
    assert found[2].tolist() == [0, 1, 2, 3, 4]


def test_pads_on_the_left() -> None:
    mask = np.array([[0, 0, 1, 1]])
    model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Identity())
    x = torch.arange(4.0)[None, :, None]
    assert values(capture(model, x, sites="0:out", mask=mask, reduce="last"), "0:out").item() == 3
    assert values(capture(model, x, sites="0:out", mask=mask, reduce="mask-mean"), "0:out").item() == 2.5


def test_what_would_average_pads_is_refused() -> None:
    with pytest.raises(SpecError, match="mask-mean"):
        capture(Inner(), (torch.zeros(3, 5), LENGTHS), sites="ramp:out", mask=REAL, reduce="mean")


@pytest.mark.parametrize("name", LANGUAGE)
def test_language_models_have_canonical_sites(name: str) -> None:
    one = language(name)
    recording = capture(one.model, one.inputs, sites=["embed", "blocks.*", "logits"])
    kinds = "resid_pre attn.q attn.k attn.v attn.pattern attn.z attn.out resid_mid mlp.pre mlp.post mlp.out"
    wanted = {f"blocks.{i}.{kind}" for i in (0, 1) for kind in [*kinds.split(), "resid_post"]}
    assert set(recording.sites) == wanted | {"embed", "logits"}
    weight = recording.states("blocks.1.attn.pattern")
    assert weight.sizes == {"trial": 3, "token": 5, "unit": HEADS * 5}
    np.testing.assert_allclose(weight["weight"].groupby("head").sum().values, 1, rtol=1e-5)
    assert recording.states("blocks.0.attn.z")["head"].values.tolist() == [0] * 4 + [1] * 4
    keys = recording.states("blocks.0.attn.k")
    assert keys.sizes["unit"] == (4 if name == "llama" else 8)
    assert keys["head"].values.max() == (0 if name == "llama" else 1)
    np.testing.assert_array_equal(
        values(recording, "blocks.0.resid_post"), values(recording, "blocks.1.resid_pre")
    )


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_parts_add_up_to_the_residual_stream(name: str) -> None:
    one = language(name)
    recording = capture(
        one.model, one.inputs, sites=["embed", "blocks.*.attn.out", "blocks.*.mlp.out", one.last]
    )
    total = sum(values(recording, site) for site in recording.sites if site != one.last)
    np.testing.assert_allclose(total, values(recording, one.last), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LANGUAGE)
def test_patterns_times_values_are_what_heads_read(name: str) -> None:
    one = language(name)
    recording = capture(one.model, one.inputs, sites="blocks.0.attn.*")
    weight = values(recording, "blocks.0.attn.pattern", "weight").reshape(3, 5, HEADS, 5)
    v = values(recording, "blocks.0.attn.v").reshape(3, 5, -1, 4)
    v = np.broadcast_to(v, (3, 5, HEADS, 4))
    z = np.einsum("bqhk,bkhd->bqhd", weight, v).reshape(3, 5, -1)
    np.testing.assert_allclose(z, values(recording, "blocks.0.attn.z"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LANGUAGE)
def test_pads_change_nothing_that_is_real(name: str) -> None:
    one = language(name)
    ids, mask = tokens(n=2), torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    padded = {"input_ids": ids, "attention_mask": mask}
    both = values(capture(one.model, padded, sites=one.last), one.last)
    alone = values(capture(one.model, {"input_ids": ids[:1, :3]}, sites=one.last), one.last)
    np.testing.assert_allclose(both[:1, :3], alone, rtol=1e-4, atol=1e-5)
    assert np.isnan(both[0, 3:]).all() and np.isfinite(both[1]).all()
    last = values(capture(one.model, padded, sites=one.last, reduce="last"), one.last)
    np.testing.assert_array_equal(last[:, 0], [both[0, 2], both[1, 4]])


def test_attention_that_is_not_computed_is_told() -> None:
    one = language("gpt2")
    one.model.set_attn_implementation("sdpa")
    with pytest.raises(CapabilityError, match="eager"):
        capture(one.model, one.inputs, sites="blocks.0.attn.pattern")


@pytest.mark.parametrize("name", LANGUAGE)
def test_what_a_language_model_cannot_read_is_refused(name: str) -> None:
    one = language(name)
    with pytest.raises(SpecError, match=f"more than the {CONTEXT} of the model's context"):
        capture(one.model, {"input_ids": tokens(length=CONTEXT + 1)}, sites=one.last)
    with pytest.raises(SpecError, match=f"from 0 to {N_WORDS - 1}"):
        capture(one.model, {"input_ids": tokens() + 7}, sites=one.last)


GPT2 = {
    "embed": "transformer.drop:in",
    "blocks.0.resid_pre": "transformer.h.0:in",
    "blocks.0.attn.z": "transformer.h.0.attn.c_proj:in",
    "blocks.0.attn.out": "transformer.h.0.attn.c_proj:out",
    "blocks.0.resid_mid": "transformer.h.0.ln_2:in",
    "blocks.0.mlp.post": "transformer.h.0.mlp.c_proj:in",
    "blocks.0.resid_post": "transformer.h.0:out",
    "final_norm": "transformer.ln_f:out",
}
LLAMA = {
    "embed": "model.embed_tokens:out",
    "blocks.0.resid_pre": "model.layers.0:in",
    "blocks.0.attn.z": "model.layers.0.self_attn.o_proj:in",
    "blocks.0.attn.out": "model.layers.0.self_attn.o_proj:out",
    "blocks.0.resid_mid": "model.layers.0.post_attention_layernorm:in",
    "blocks.0.mlp.post": "model.layers.0.mlp.down_proj:in",
    "blocks.0.resid_post": "model.layers.0:out",
    "final_norm": "model.norm:out",
}
BERT = {
    "embed": "embeddings:out",
    "blocks.0.resid_pre": "encoder.layer.0:in",
    "blocks.0.attn.z": "encoder.layer.0.attention.output.dense:in",
    "blocks.0.attn.out": "encoder.layer.0.attention.output.dense:out",
    "blocks.0.resid_mid": "encoder.layer.0.attention.output:out",
    "blocks.0.mlp.post": "encoder.layer.0.output.dense:in",
    "blocks.0.resid_post": "encoder.layer.0:out",
}
MARKS = (
    "transformer.h.0.attn.c_attn",
    "model.layers.0.self_attn.q_proj",
    "encoder.layer.0.attention.self.query",
)


@pytest.mark.parametrize(("table", "mark"), list(zip((GPT2, LLAMA, BERT), MARKS, strict=True)), ids=LANGUAGE)
def test_layouts_are_known_by_their_paths(table: dict[str, str], mark: str) -> None:
    from arcuate.probes._adapters import canonical

    model = torch.nn.Module()
    for path in [mark, *(place.partition(":")[0] for place in table.values())]:
        inner = model
        for part in path.split("."):
            if part not in inner._modules:
                inner.add_module(part, torch.nn.Module())
            inner = inner._modules[part]
    found = {name: f"{site.path}:{site.side}" for name, site in canonical(model).items()}
    assert {name: found.get(name) for name in table} == table


class TestTheModelIsLeftAlone:
    def test_training_of_each_part_and_hooks(self) -> None:
        model = plain("sequential").model.train()
        model[0].eval()
        capture(model, torch.zeros(2, 4), sites="*:out")
        assert [part.training for part in model] == [False, True, True, True]
        assert hooks(model) == 0

    def test_after_an_exception(self) -> None:
        class Broken(torch.nn.Module):
            def forward(self, x: Any) -> Any:
                raise RuntimeError("broken")

        model = torch.nn.Sequential(torch.nn.Linear(2, 2), Broken()).train()
        for _ in range(2):
            with pytest.raises(SpecError, match="broken"):
                capture(model, torch.zeros(2, 2), sites="0:out")
            assert hooks(model) == 0 and model.training

    def test_dropout_is_off(self) -> None:
        model = plain("sequential").model.train()
        first, second = (capture(model, torch.ones(2, 4), sites=":out") for _ in range(2))
        assert first.equals(second)

    def test_a_capture_within_a_capture(self) -> None:
        model, x = torch.nn.LSTM(4, 4), torch.zeros(2, 3, 4)

        def again(values: Any, mask: Any) -> Any:
            return capture(model, x, sites=":out")

        with pytest.raises(SpecError, match="in another capture already"):
            capture(model, x, sites=":out", reduce=again)
        assert hooks(model) == 0
        capture(model, x, sites=":out")


class TestBadInput:
    def test_a_site_that_does_not_exist(self) -> None:
        with pytest.raises(UnknownNameError, match=r"Did you mean 'layers\.1:out'"):
            capture(plain("encoder").model, torch.zeros(1, 2, 8), sites="layer.1:out")
        with pytest.raises(UnknownNameError):
            capture(plain("encoder").model, torch.zeros(1, 2, 8), sites="nothing.*:out")

    def test_a_site_that_is_not_reached(self) -> None:
        model = plain("encoder").model
        with pytest.raises(SpecError, match=r"out_proj:out.*never reached"):
            capture(model, torch.zeros(1, 2, 8), sites="layers.0.self_attn.out_proj:out")

    def test_what_does_not_fit_into_memory_is_refused_before_the_second_batch(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_inputs, "_SMALL", 0)
        monkeypatch.setattr(_inputs, "MOST_BYTES", 10 * 4 * 6 * 4 - 1)
        model, seen = torch.nn.LSTM(4, 6, batch_first=True), []
        model.register_forward_pre_hook(lambda *_: seen.append(1))
        with pytest.raises(MemoryLimitError, match="reduce="):
            capture(model, torch.zeros(10, 4, 4), sites=":out", batch_size=2)
        assert len(seen) == 1
        capture(model, torch.zeros(10, 4, 4), sites=":out", batch_size=2, reduce="last")

    def test_half_precision_on_the_cpu(self) -> None:
        with pytest.raises(SpecError, match="half precision"):
            capture(torch.nn.Linear(2, 2).half(), torch.zeros(2, 2), sites=":out")

    def test_numbers_that_are_not_finite(self) -> None:
        model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Identity())
        torch.nn.init.constant_(model[0].bias, torch.nan)
        with pytest.raises(NonFiniteError, match="0:out"):
            capture(model, torch.zeros(2, 2), sites="*:out")
        with pytest.raises(SpecError, match="finite"):
            capture(model, torch.full((2, 2), torch.inf), sites="*:out")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"sites": []}, "sites"),
            ({"sites": 3}, "sites"),
            ({"reduce": "max"}, "reduce"),
            ({"reduce": lambda v, m: v}, "reduce"),
            ({"axis": "depth"}, "axis"),
            ({"batch_size": 0}, "batch_size"),
            ({"stimulus": ["a"]}, "stimulus"),
            ({"mask": np.ones((2, 3))}, "mask"),
            ({"mask": np.zeros((3, 5))}, "no real token in trial 0"),
            ({"progress": 3}, "progress"),
        ],
    )
    def test_arguments(self, arguments: dict[str, Any], words: str) -> None:
        model = torch.nn.LSTM(4, 6, batch_first=True)
        with pytest.raises(SpecError, match=words):
            capture(model, torch.zeros(3, 5, 4), **({"sites": ":out"} | arguments))

    @pytest.mark.parametrize("inputs", [torch.zeros(3, 7), "text", (torch.zeros(3, 4), torch.zeros(2, 4))])
    def test_inputs(self, inputs: Any) -> None:
        with pytest.raises(SpecError, match="inputs"):
            capture(plain("sequential").model, inputs, sites="0:out")

    def test_what_is_no_module(self) -> None:
        with pytest.raises(SpecError, match=r"torch\.nn\.Module"):
            capture(lambda x: x, torch.zeros(2, 2), sites="0:out")
