"""The lens at each layer is norm and read-out of its state; at the last one it is the model itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from probe_models import HEADS, LANGUAGE, LAYERS, N_WORDS, WIDTH, language, tokens

import arcuate as arc
from arcuate import _inputs
from arcuate.errors import CapabilityError, MemoryLimitError, NonFiniteError, SpecError, UnknownNameError
from arcuate.probes import _scores, lens
from arcuate.recording import Recording

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

logit_lens, tuned_lens, readout_lens = arc.probes.logit_lens, arc.probes.tuned_lens, arc.probes.readout_lens


def tiny(**more: Any) -> Any:
    options: dict[str, Any] = {
        "n_outputs": N_WORDS, "n_tokens": N_WORDS, "d_model": WIDTH, "n_layers": LAYERS, "n_heads": HEADS
    }  # fmt: skip
    return arc.nn.TinyTransformer(**options | more, seed=1)


def model_of(name: str) -> tuple[Any, Any]:
    """Return a model, and what makes logits of a state of its stream."""
    if name not in LANGUAGE:
        own = tiny(norm=name != "no norm", readout=(5,) if name == "layers" else ())
        return own, lambda h: own.logits(own.final_norm(h))
    one = language(name).model
    if name == "bert":
        return one, one.cls
    norm = one.transformer.ln_f if name == "gpt2" else one.model.norm
    return one, lambda h: one.lm_head(norm(h))


@pytest.mark.parametrize("name", ["norm", "no norm", "layers", *LANGUAGE])
def test_each_layer_is_read_by_norm_and_read_out(name: str) -> None:
    model, read = model_of(name)
    model.eval()
    words = tokens()
    inputs = {"input_ids": words} if name in LANGUAGE else words
    target = torch.randint(N_WORDS, words.shape, generator=torch.Generator().manual_seed(3))
    found = logit_lens(model, inputs, target=target, log_probabilities=True, batch_size=2)
    states = arc.probes.capture(model, inputs, sites="blocks.*.resid_post")
    with torch.no_grad():
        output = model(**inputs) if name in LANGUAGE else model(words)
        final = torch.log_softmax(output.logits if name in LANGUAGE else output, -1)
        for k, site in enumerate(found.site.values):
            h = torch.as_tensor(states.states(site)["activation"].values)
            told = torch.log_softmax(read(h), -1)
            one = found.isel(layer=k)
            close = {"rtol": 2e-4, "atol": 2e-6}
            np.testing.assert_allclose(one.log_probability, told, **close)
            wanted = torch.nn.functional.kl_div(told, final, reduction="none", log_target=True).sum(-1)
            np.testing.assert_allclose(one.kl, wanted, **close)
            np.testing.assert_allclose(
                one.entropy, torch.distributions.Categorical(logits=told).entropy(), **close
            )
            order = told.argsort(-1, descending=True)
            rank = (order == target[..., None]).float().argmax(-1)
            np.testing.assert_array_equal(one["rank"], rank)
            np.testing.assert_allclose(
                one.probability, told.exp().gather(-1, target[..., None])[..., 0], **close
            )
            np.testing.assert_array_equal(one.top, order[..., 0])
    assert float(abs(found.kl[..., -1]).max()) < 1e-5
    assert found.layer.values.tolist() == [0, 1]


def test_the_target_is_by_default_what_the_model_says() -> None:
    found = logit_lens(tiny(), tokens())
    assert not found["rank"][..., -1].any()
    assert (found.target == found.top[..., -1]).all()
    some = logit_lens(tiny(), tokens(), target=[2, -1, 3])
    assert np.isnan(some["rank"][1]).all()
    assert np.isnan(some.probability[1]).all()
    assert not np.isnan(some.kl).any()
    assert not np.isnan(some["rank"][0]).any()


def test_pads_are_nan_and_pieces_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.ones((3, 5), bool)
    mask[1, 3:] = False
    whole = logit_lens(tiny(), tokens(), mask=mask, stimulus=list("abc"))
    monkeypatch.setattr(lens, "CHUNK", 4 * N_WORDS * 2)
    parts = logit_lens(tiny(), tokens(), mask=mask, batch_size=1, stimulus=list("abc"))
    xr.testing.assert_allclose(whole, parts, atol=1e-6)
    assert (np.isnan(whole.kl).any("layer").values == ~mask).all()
    assert (whole.top[1, 3:] == -1).all()
    assert whole.stimulus.values.tolist() == ["a", "b", "c"]


def test_other_places_of_the_stream() -> None:
    found = logit_lens(tiny(), tokens(), sites=["embed", "blocks.*.resid_mid"])
    assert found.layer.values.tolist() == [-1, 0, 1]
    assert found.site.values.tolist() == ["embed", "blocks.0.resid_mid", "blocks.1.resid_mid"]


def test_what_has_no_lens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CapabilityError, match="no read-out"):
        logit_lens(torch.nn.Sequential(torch.nn.Linear(2, 2)), np.zeros((1, 3, 2)))
    with pytest.raises(UnknownNameError, match="resid_post"):
        logit_lens(tiny(), tokens(), sites="blocks.0.resid_pots")
    with pytest.raises(CapabilityError, match=r"mlp.pre: holds 32 units"):
        logit_lens(tiny(), tokens(), sites="blocks.0.mlp.pre")
    for target in (N_WORDS, -2, [0.5, 1.0, 2.0], [1, 2]):
        with pytest.raises(SpecError, match="target"):
            logit_lens(tiny(), tokens(), target=target)
    monkeypatch.setattr(lens, "check_bytes", lambda need, **more: _inputs.check_bytes(need * 10**9, **more))
    with pytest.raises(MemoryLimitError, match="log_probabilities=False"):
        logit_lens(tiny(), tokens(), log_probabilities=True)


def test_models_without_a_head_are_refused() -> None:
    model = language("gpt2").model.transformer
    with pytest.raises(CapabilityError, match="ForCausalLM"):
        logit_lens(model, tokens())


class Affine(torch.nn.Module):
    """Two blocks, of which the second is affine: what a tuned lens can learn to the end."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.embed = torch.nn.Embedding(9, 6)
            self.blocks = torch.nn.ModuleList(
                torch.nn.ModuleDict({"map": torch.nn.Linear(6, 6), "resid_post": torch.nn.Identity()})
                for _ in range(2)
            )
            self.final_norm = torch.nn.LayerNorm(6)
            self.logits = torch.nn.Linear(6, 9)
        self.scale: Any = 1.0

    def forward(self, x: Any) -> Any:
        h = self.embed(x)
        for block in self.blocks:
            h = block["resid_post"](h + block["map"](h) + 0.5)
        return self.logits(self.final_norm(h * self.scale))


def test_the_tuned_lens_learns_an_affine_rest() -> None:
    model, words = Affine(), np.random.default_rng(0).integers(9, size=(40, 10))
    tuned = tuned_lens(model, words, steps=150, rate=0.03, tokens_per_step=128, seed=1)
    kl = tuned.evaluation.kl
    assert float(kl.sel(lens="logit")[0]) > 0.05
    assert float(kl.sel(lens="tuned")[0]) < 0.002
    assert float(kl.sel(lens="logit")[1]) < 1e-6
    assert float(kl.sel(lens="tuned")[1]) <= float(kl.sel(lens="logit")[1])  # nothing to learn: A stays 0
    assert tuned.history.kl[0, 0] > 10 * tuned.history.kl[-1, 0]
    plain, better = logit_lens(model, words[:5]), logit_lens(model, words[:5], lens=tuned)
    assert float(better.kl[..., 0].mean()) < 0.01 * float(plain.kl[..., 0].mean())
    one, again = (tuned_lens(model, words, sites="blocks.0.resid_post", steps=3, seed=1) for _ in range(2))
    assert torch.equal(again.matrix["blocks.0.resid_post"], one.matrix["blocks.0.resid_post"])
    assert not any(parameter.grad is not None for parameter in model.parameters())


def test_what_a_model_does_more_is_noticed() -> None:
    model = Affine()
    model.scale = torch.arange(6.0)
    with pytest.raises(CapabilityError, match="more to its last state"):
        logit_lens(model, [[1, 2, 3]])


def test_the_tuned_lens_starts_as_the_logit_lens_and_leaves_texts_whole() -> None:
    words = np.random.default_rng(0).integers(N_WORDS, size=(6, 5))
    words = words[[0, 1, 2, 3, 4, 5, 0, 1]]  # two texts stand twice
    tuned = tuned_lens(tiny(), words, steps=1, rate=1e-12)
    np.testing.assert_allclose(
        logit_lens(tiny(), words, lens=tuned).kl, logit_lens(tiny(), words).kl, rtol=1e-4, atol=1e-6
    )
    data = lens.given(tiny(), words, None, batch_first=True)
    for seed in range(5):
        held = lens._held_out(None, data, 0.4, seed, "tuned_lens")
        assert held[0] == held[6]
        assert held[1] == held[7]
        assert 0 < held.sum() < 8
    with pytest.raises(SpecError, match="two texts"):
        tuned_lens(tiny(), words[[0, 0]])
    with pytest.raises(SpecError, match="groups"):
        tuned_lens(tiny(), words, groups=[1, 2])
    with pytest.raises(SpecError, match="not tuned for"):
        logit_lens(tiny(), words, lens=tuned, sites="embed")
    with pytest.raises(NonFiniteError, match="step"):
        tuned_lens(tiny(norm=False), words, steps=3, rate=1e37)


def test_the_lens_of_any_system_is_its_read_out() -> None:
    draw = np.random.default_rng(0)
    states, weights = draw.standard_normal((4, 6, 5)), draw.standard_normal((5, 3))
    states[1, 4:] = np.nan
    time = np.arange(6) * 1e-3
    recording = Recording.build(
        source="numba",
        states={
            "exc": {
                "rate": (
                    states,
                    ("trial", "time", "unit"),
                    {"time": time, "stimulus": ("trial", list("abcd"))},
                    "1",
                )
            }
        },
    )
    found = readout_lens(recording.states("exc"), weights, target=[0, 1, 2, 0])
    from scipy.special import rel_entr, softmax

    told = softmax(states @ weights, axis=-1)
    last = told[np.arange(4), [5, 3, 5, 5]]
    np.testing.assert_allclose(found.kl, rel_entr(last[:, None], told).sum(-1))
    np.testing.assert_allclose(found.entropy, -(told * np.log(told)).sum(-1))
    np.testing.assert_allclose(
        found.probability, told[np.arange(4)[:, None], np.arange(6), [[0], [1], [2], [0]]]
    )
    assert dict(found.sizes) == {"trial": 4, "time": 6}
    assert found.stimulus.values.tolist() == list("abcd")
    with pytest.raises(SpecError, match="classes of the read-out"):
        readout_lens(states, weights, target=[0, 1, 2, 3])
    with pytest.raises(SpecError, match="5 units"):
        readout_lens(states, weights[:4])
    with pytest.raises(SpecError, match="nothing but NaN in trial 1"):
        readout_lens(np.where(np.arange(4)[:, None, None] == 1, np.nan, 1.0) * np.ones((4, 6, 5)), weights)


def test_scores_are_those_of_arrays_and_tensors_alike() -> None:
    logits = np.random.default_rng(0).standard_normal((2, 7, 4)) * 30
    target = np.arange(7) % 4
    told = [_scores.log_softmax(np, one) for one in logits]
    other = [_scores.log_softmax(torch, torch.as_tensor(one)) for one in logits]
    first = _scores.scores(np, *told, target)
    second = _scores.scores(torch, *other, torch.as_tensor(target))
    assert list(first) == list(_scores.SCORES)
    for name in first:
        np.testing.assert_allclose(first[name], second[name])
