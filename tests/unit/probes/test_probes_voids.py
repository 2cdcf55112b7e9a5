"""Voids are what the rule says, word for word; planted ones are found; skipping leaves blocks out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.errors import SpecError, UnknownNameError
from arcuate.probes import find_voids, random_voids

RNG = np.random.default_rng(0)
STATES = RNG.normal(size=(2, 4, 7, 5)) * np.linspace(1, 3, 7)[:, None]


def by_hand(states: np.ndarray, alpha: float) -> np.ndarray:
    """Apply the rule token by token."""
    active = np.zeros((*states.shape[:2], states.shape[2] - 1), bool)
    for trial, token in np.ndindex(*states.shape[:2]):
        norm = [float(np.sqrt((h**2).sum())) for h in states[trial, token]]
        change = [b - a for a, b in pairwise(norm)]
        for step, delta in enumerate(change):
            earlier = change[:step] or [delta]
            active[trial, token, step] = not delta < alpha * (max(earlier) - min(earlier))
    return active


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.8, 2.0])
def test_the_rule(alpha: float) -> None:
    found, wanted = find_voids(STATES, alpha=alpha), by_hand(STATES, alpha)
    np.testing.assert_array_equal(found["active"].values, wanted)
    assert float(found["fraction"]) == pytest.approx(wanted.mean())
    np.testing.assert_allclose(found["by_step"], wanted.mean((0, 1)))
    np.testing.assert_allclose(found["by_place"], wanted.mean(2))


def test_what_stands_beside() -> None:
    found = find_voids(STATES)
    before, after = STATES[1, 2, 3], STATES[1, 2, 4]
    place = {"trial": 1, "token": 2, "layer": 3}
    relative, cosine = (float(found[name].isel(place)) for name in ("relative", "cosine"))
    assert relative == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before))
    assert cosine == pytest.approx(before @ after / np.linalg.norm(before) / np.linalg.norm(after))


def planted() -> tuple[np.ndarray, list[int], int]:
    """Return states with three steps that do nothing and one that only turns."""
    rng, h = np.random.default_rng(1), [np.ones(8)]
    for step in range(9):
        if step in (3, 5, 8):
            h.append(h[-1])
        elif step == 6:
            h.append(np.roll(h[-1], 4) * np.array([-1, 1] * 4))
        else:
            h.append(h[-1] + rng.uniform(0.5, 2.0, 8) * (1 + 0.2 * step))
    return np.stack(h)[None, None], [3, 5, 8], 6


def test_planted_voids_are_found_and_a_turn_is_one_by_the_norm_alone() -> None:
    states, idle, turn = planted()
    active = find_voids(states, alpha=0.1)["active"].values[0, 0]
    assert np.flatnonzero(~active).tolist() == sorted([*idle, turn])
    aware = find_voids(states, alpha=0.1, rule="change")
    assert np.flatnonzero(~aware["active"].values[0, 0]).tolist() == idle
    assert float(aware["cosine"][0, 0, turn]) < 0.9


def test_sites_come_in_the_order_of_depth() -> None:
    names = ["embed", *(f"blocks.{i}.resid_post" for i in range(12))]
    states = RNG.normal(size=(2, 3, 13, 4))
    sites = {name: states[:, :, k] for k, name in enumerate(names)}
    shuffled = {name: sites[name] for name in sorted(names)}
    found = find_voids(shuffled)
    assert found["site"].values.tolist() == names[1:]
    np.testing.assert_array_equal(found["active"], find_voids(states)["active"])
    recording = arc.recording.Recording.build(
        source="x", states={k: {"activation": (v, ("trial", "token", "unit"))} for k, v in shuffled.items()}
    )
    assert find_voids(recording).identical(found)


def test_pads_are_neither_active_nor_void() -> None:
    states = STATES.copy()
    states[1, 2:] = np.nan
    found = find_voids(states)
    assert not found["active"][1, 2:].any() and np.isnan(found["delta"][1, 2:]).all()
    whole = find_voids(STATES)["active"].values
    kept = np.concatenate([whole[0], whole[1, :2]])
    assert float(found["fraction"]) == pytest.approx(kept.mean())
    np.testing.assert_allclose(found["by_step"], kept.mean(0))
    assert np.isnan(found["by_place"].values[1]).tolist() == [False, False, True, True]


def test_ticks_with_their_certainty_and_moments_of_a_reservoir() -> None:
    ticks = (STATES[:, 0], ("trial", "tick", "unit"), {"tick": np.arange(1, 8)}, "1")
    time = (STATES[:, 0], ("trial", "time", "unit"), {"time": np.arange(7) * 1e-3}, "Hz")
    recording = arc.recording.Recording.build(
        source="x", states={"ctm/post": {"post": ticks}, "exc": {"rate": time}}
    )
    certainty = np.linspace(0, 1, 14).reshape(2, 7)
    found = find_voids(recording.states("ctm/post"), certainty=certainty)
    assert found["active"].dims == ("trial", "tick") and found["tick"].values.tolist() == [2, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(found["active"], find_voids(STATES[:, :1])["active"][:, 0])
    np.testing.assert_array_equal(found["certainty"], certainty[:, 1:])
    found = find_voids(recording.states("exc"), rule="change")
    assert found["time"].values.tolist() == pytest.approx(np.arange(1, 7) * 1e-3)
    np.testing.assert_allclose(found["delta"], np.linalg.norm(np.diff(STATES[:, 0], axis=1), axis=2))


def test_random_voids_are_as_many() -> None:
    active = find_voids(STATES)["active"].values
    drawn = random_voids(active, seed=3, n_draws=50)
    np.testing.assert_array_equal(drawn.sum(-1), np.broadcast_to(active.sum(-1), (50, 2, 4)))
    assert abs(drawn.mean((0, 1, 2)) - active.mean()).max() < 0.1
    np.testing.assert_array_equal(drawn, random_voids(active, seed=3, n_draws=50))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: find_voids(STATES, alpha=-1), "alpha"),
        (lambda: find_voids(STATES, alpha=np.nan), "alpha"),
        (lambda: find_voids(STATES, rule="angle"), "rule"),
        (lambda: find_voids(STATES[:, :, :1]), "at least 2 states"),
        (lambda: find_voids({"a": STATES[:, :, 0]}), "at least 2 states"),
        (lambda: find_voids({}), "no site"),
        (lambda: find_voids({"a": STATES[:, :, 0], "b": STATES[:, :2, 0]}), "must have the shape"),
        (lambda: find_voids(np.where(STATES > 3, np.inf, STATES)), "must be finite"),
        (lambda: find_voids("text"), "states"),
        (lambda: find_voids(STATES, certainty=np.zeros((2, 7))), "certainty"),
        (lambda: find_voids(STATES[:, 0], certainty=np.zeros((2, 6))), "certainty"),
        (lambda: random_voids(np.ones((2, 3)), seed=1), "active"),
        (lambda: random_voids(np.ones((2, 3), bool), seed=1, n_draws=0), "n_draws"),
    ],
)
def test_what_is_refused(call: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        call()


@pytest.mark.torch
class TestSkipping:
    @pytest.fixture
    def model(self) -> Any:
        pytest.importorskip("torch")
        return arc.nn.TinyTransformer(
            n_tokens=7, n_outputs=7, d_model=8, n_layers=3, n_heads=2, seed=1
        ).eval()

    TOKENS = RNG.integers(7, size=(2, 5))

    def logits(self, model: Any, *contexts: Any) -> np.ndarray:
        from contextlib import ExitStack

        import torch

        with torch.no_grad(), ExitStack() as stack:
            for context in contexts:
                stack.enter_context(context)
            return np.asarray(model(self.TOKENS))

    def test_a_block_that_is_left_out_adds_nothing(self, model: Any) -> None:
        from arcuate.probes import Edit, intervene, skip_blocks

        flags = np.array([[[True, False, True]]])
        zero = intervene(model, Edit("blocks.1.attn.out", "zero"), Edit("blocks.1.mlp.out", "zero"))
        found = self.logits(model, skip_blocks(model, flags))
        np.testing.assert_allclose(found, self.logits(model, zero), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(
            self.logits(model, skip_blocks(model, flags | True)), self.logits(model)
        )

    def test_tokens_before_do_not_notice(self, model: Any) -> None:
        from arcuate.probes import capture, skip_blocks

        flags = np.ones((2, 5, 3), bool)
        flags[1, 3, 0] = False
        found, plain = self.logits(model, skip_blocks(model, flags)), self.logits(model)
        np.testing.assert_array_equal(found[0], plain[0])
        np.testing.assert_array_equal(found[1, :3], plain[1, :3])
        assert abs(found[1, 3:] - plain[1, 3:]).min(0).max() > 1e-4
        with skip_blocks(model, flags):
            states = capture(model, self.TOKENS, sites=["blocks.0.resid_pre", "blocks.0.resid_post"])
        before, after = (states.states(site)["activation"].values for site in states.sites)
        np.testing.assert_array_equal(after[1, 3], before[1, 3])
        assert not np.array_equal(after[1, 2], before[1, 2])

    def test_no_hook_is_left(self, model: Any) -> None:
        from arcuate.probes import skip_blocks

        for flags, words in ((np.ones((3, 5, 3), bool), "3, 5"), (np.ones((2, 5, 2), bool), "3 blocks")):
            with pytest.raises(SpecError, match=words):
                self.logits(model, skip_blocks(model, flags))
        assert sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()) == 0
        import torch

        with pytest.raises(UnknownNameError), skip_blocks(torch.nn.Linear(2, 2), np.ones((1, 1, 1), bool)):
            pass

    def test_a_curve(self, model: Any) -> None:
        from arcuate.probes import skip_curve

        plain = self.logits(model)

        def near(logits: Any) -> float:
            return -float(((np.asarray(logits) - plain) ** 2).mean())

        found = skip_curve(model, self.TOKENS, near, alphas=[0.0, 0.5, 5.0], n_random=3)
        assert found["random"].shape == (3, 3) and float(found["whole"]) == 0
        assert (np.diff(found["kept"].values) <= 0).all() and float(found["kept"][-1]) < 1
        assert float(found["score"][-1]) < 0
        again = skip_curve(model, self.TOKENS, near, alphas=[0.0, 0.5, 5.0], n_random=3)
        assert found.identical(again)
        with pytest.raises(SpecError, match="n_random"):
            skip_curve(model, self.TOKENS, near, n_random=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_pads_of_one_site_leave_the_other_steps_as_they_are(side):
    states = np.random.default_rng(4).standard_normal((3, 7, 5)).cumsum(1)
    alone = find_voids(states)
    pads = np.full((3, 2, 5), np.nan)
    padded = find_voids(np.concatenate([pads, states] if side == "left" else [states, pads], axis=1))
    real = slice(2, None) if side == "left" else slice(None, -2)
    np.testing.assert_array_equal(padded["active"].values[:, real], alone["active"].values)
    assert not padded["active"].values[:, : 2 if side == "left" else 0].any()
    assert float(padded["fraction"]) == pytest.approx(float(alone["fraction"]))


def test_the_random_control_leaves_the_first_two_blocks_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from arcuate.probes import skipping

    model = arc.nn.TinyTransformer(n_outputs=5, n_tokens=5, d_model=8, n_layers=6, seed=1)
    tokens = np.array([[1, 2, 3, 4], [4, 3, 2, 1]])
    used: list[np.ndarray] = []
    whole = skipping.skip_blocks
    monkeypatch.setattr(
        skipping, "skip_blocks", lambda net, active: (used.append(active), whole(net, active))[1]
    )
    skipping.skip_curve(model, tokens, lambda logits: float(logits.mean()), alphas=[0.8], n_random=6)
    by_rule, *random = used
    for one in random:
        np.testing.assert_array_equal(one[..., :2], by_rule[..., :2])
        np.testing.assert_array_equal(one.sum(-1), by_rule.sum(-1))
    assert any((one != by_rule).any() for one in random)
