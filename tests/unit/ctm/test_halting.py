"""Policies against loops over single trials, and thoughts that stop against whole ones."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcuate import ctm
from arcuate.ctm.halting import (
    CertaintyOrAbstain,
    CertaintyThreshold,
    Decision,
    FirstFinish,
    FixedTicks,
    Halted,
    NormChange,
    Patience,
    Policy,
    TickState,
    forward_halting,
    halt,
)
from arcuate.errors import ArcuateError, NonFiniteError, SpecError, UnknownNameError

Array = np.ndarray[Any, Any]
FOLDER = Path(__file__).parents[2] / "data" / "ctm"
TICKS = 21  # more than a history is moved for at once, twice


def model(name: str) -> tuple[dict[str, Array], Array, dict[str, Any]]:
    """Weights of the official code drawn at random, inputs, and options of a pass."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    told = json.loads(arrays["meta"].item())["configuration"]
    rng = np.random.default_rng(5)
    shape = arrays["in/x"].shape[1:]
    x = rng.choice([-1, 1], (12, *shape)) if "parity" in name else rng.normal(size=(12, *shape))
    weights = {key[2:]: value for key, value in arrays.items() if key.startswith("w/")}
    return weights, x, {"heads": max(told["heads"], 1), "shape": tuple(told["prediction_reshaper"])}


MODELS = ("ctm_parity_random", "ctm_feat2d_pairing_unet3_lnnlm", "ctm_sort_noheads")


def scattered(state: TickState) -> Decision:
    """Stop trial b at tick 2 + 3 b mod 17, whatever it thinks; every fifth without an answer."""
    stop = state.tick >= 2 + 3 * state.trial % 17
    return Decision(stop.astype(float), (state.trial % 5 == 0).astype(float))


def thought(predictions: Array, post: Array | None = None, shape: tuple[int, ...] = (-1,)) -> ctm.Thought:
    """A thought of predictions (B, O, T) and perhaps post-activations (T, B, D)."""
    batch, outputs, ticks = predictions.shape
    certainties = ctm.certainty(predictions.transpose(2, 0, 1).reshape(-1, outputs), shape)
    rest = np.zeros((ticks, batch, 1))
    return ctm.Thought(
        predictions=predictions,
        certainties=certainties.reshape(ticks, batch, 2).transpose(1, 2, 0),
        sync_out=rest,
        sync_action=None,
        pre_activations=rest,
        post_activations=rest if post is None else post,
        attention=None,
        reads=None,
        key_values=None,
        trace=rest,
    )


def noise(batch: int = 30, outputs: int = 6, ticks: int = 12) -> Array:
    rng = np.random.default_rng(3)
    return np.asarray(np.cumsum(rng.normal(size=(batch, outputs, ticks)), axis=2))


# ------------------------------------------------------------------ running


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("name", MODELS)
def test_a_threshold_above_one_is_the_whole_thought(name: str, engine: str) -> None:
    weights, x, options = model(name)
    whole = ctm.forward(x, weights, ticks=TICKS, **options)
    found = forward_halting(
        x, weights, CertaintyThreshold(threshold=1.5), ticks=TICKS, engine=engine, **options
    )
    assert (found.ticks == TICKS).all()
    assert not found.stopped.any()
    assert found.share == 1.0
    best = whole.certainties[:, 1].argmax(1)
    np.testing.assert_array_equal(found.read, best + 1)
    np.testing.assert_allclose(found.predictions, whole.predictions[np.arange(12), :, best], atol=1e-10)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("name", MODELS)
def test_trials_that_leave_change_nothing_for_the_others(name: str, engine: str) -> None:
    weights, x, options = model(name)
    together = forward_halting(x, weights, scattered, ticks=TICKS, engine=engine, **options)
    finished = halt(ctm.forward(x, weights, ticks=TICKS, **options), scattered, shape=options["shape"])
    np.testing.assert_array_equal(together.ticks, 2 + 3 * np.arange(12) % 17)
    for field in ("ticks", "read", "abstained", "stopped"):
        np.testing.assert_array_equal(getattr(together, field), getattr(finished, field))
    np.testing.assert_allclose(together.predictions, finished.predictions, atol=1e-10)
    for b in range(12):
        single = FixedTicks(n=int(together.ticks[b]))
        alone = forward_halting(x[b : b + 1], weights, single, ticks=TICKS, engine=engine, **options)
        assert alone.read[0] == together.read[b]
        np.testing.assert_allclose(alone.predictions[0], together.predictions[b], atol=1e-10)
        np.testing.assert_allclose(alone.certainties[0], together.certainties[b], atol=1e-10)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_more_ticks_do_not_change_the_first(engine: str) -> None:
    weights, x, options = model("ctm_parity_random")
    short, long = (ctm.forward(x, weights, ticks=ticks, engine=engine, **options) for ticks in (5, TICKS))
    np.testing.assert_allclose(long.predictions[..., :5], short.predictions, atol=1e-12)
    policy = FixedTicks(n=5)
    found = [
        forward_halting(x, weights, policy, ticks=ticks, engine=engine, **options) for ticks in (5, TICKS)
    ]
    np.testing.assert_allclose(found[0].predictions, found[1].predictions, atol=1e-12)


def test_a_policy_sees_the_trials_that_still_think() -> None:
    weights, x, options = model("ctm_parity_random")
    whole = ctm.forward(x, weights, ticks=TICKS, **options)
    seen: list[int] = []

    def watching(state: TickState) -> Decision:
        tick, rows = state.tick - 1, state.trial
        seen.append(len(rows))
        np.testing.assert_allclose(state.prediction, whole.predictions[rows, :, tick], atol=1e-10)
        np.testing.assert_allclose(state.certainty, whole.certainties[rows, 1, tick], atol=1e-10)
        np.testing.assert_allclose(state.post_activation, whole.post_activations[tick, rows], atol=1e-10)
        np.testing.assert_allclose(state.synchrony, whole.sync_out[tick, rows], atol=1e-10)
        if state.memo:
            np.testing.assert_array_equal(state.memo["trial"], rows)
        state.memo["trial"] = rows
        return scattered(state)

    forward_halting(x, weights, watching, ticks=TICKS, **options)
    assert seen[0] == 12
    assert seen[-1] < 3


def test_what_is_read_and_saved() -> None:
    y = np.array([[[0.0, 3.0, 5.0, 1.0], [1.0, 0.0, 0.0, 0.0]], [[9.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 3.0]]])
    found = halt(thought(y), FixedTicks(n=2))
    assert found.ticks.tolist() == [2, 2]
    assert found.read.tolist() == [2, 1]
    assert found.answers().tolist() == [[0], [0]]
    assert found.share == 0.5
    assert found.right([0, 1]).tolist() == [True, False]
    assert found.stopped.all()


# ------------------------------------------------------------------ policies


def stops(policy: Policy, seen: ctm.Thought, shape: tuple[int, ...] = (-1,)) -> list[int]:
    return [int(tick) for tick in halt(seen, policy, shape=shape).ticks]


def test_certainty_and_fixed_ticks() -> None:
    seen = thought(noise())
    sure = seen.certainties[:, 1]
    for threshold in (0.0, 0.3, 0.6, 0.99):
        expected = [next((t + 1 for t in range(12) if row[t] >= threshold), 12) for row in sure]
        assert stops(CertaintyThreshold(threshold=threshold), seen) == expected
    assert stops(FixedTicks(n=7), seen) == [7] * 30
    assert stops(FixedTicks(n=70), seen) == [12] * 30


def test_patience_against_a_loop() -> None:
    seen = thought(noise(), shape=(2, 3))
    answers = seen.predictions.reshape(30, 2, 3, 12).argmax(2)
    sure = seen.certainties[:, 1]
    for n, threshold in ((1, 0.0), (2, 0.0), (4, 0.0), (3, 0.5)):
        expected = []
        for b in range(30):
            for t in range(12):
                same = t + 1 >= n and all((answers[b, :, t - k] == answers[b, :, t]).all() for k in range(n))
                if (same and sure[b, t] >= threshold) or t == 11:
                    expected.append(t + 1)
                    break
        assert stops(Patience(n=n, threshold=threshold), seen, (2, 3)) == expected
        assert len(set(expected)) > 3 or n == 1


@pytest.mark.parametrize("signed", [False, True])
def test_change_of_a_norm_against_a_loop(signed: bool) -> None:
    rng = np.random.default_rng(0)
    post = np.cumsum(rng.normal(size=(12, 30, 4)), axis=0)
    seen = thought(noise(), post)
    expected = []
    for b in range(30):
        deltas = [0.0]
        for t in range(12):
            if t:
                deltas.append(math.hypot(*post[t, b]) - math.hypot(*post[t - 1, b]))
            bound = 0.3 * abs(max(deltas) - min(deltas))
            if (deltas[-1] if signed else abs(deltas[-1])) < bound or t == 11:
                expected.append(t + 1)
                break
    assert stops(NormChange(alpha=0.3, signed=signed), seen) == expected
    assert len(set(expected)) > 3
    assert 1 not in expected


def test_a_norm_that_falls_stops_the_signed_rule_alone() -> None:
    post = np.array([1.0, 2.0, 3.0, 1.0, -0.5, -0.4])[:, None, None]
    seen = thought(np.zeros((1, 2, 6)), post)
    assert stops(NormChange(alpha=0.1, signed=True), seen) == [4]
    assert stops(NormChange(alpha=0.1), seen) == [6]  # the last change is 0.1 of a range of 3


def test_abstention_against_a_loop() -> None:
    seen = thought(noise())
    sure = seen.certainties[:, 1]
    found = halt(seen, CertaintyOrAbstain(threshold=0.6, bound=0.2, n=3))
    for b in range(30):
        for t in range(12):
            low = t >= 2 and (sure[b, t - 2 : t + 1] < 0.2).all()
            if sure[b, t] >= 0.6 or low or t == 11:
                assert found.ticks[b] == t + 1
                assert found.abstained[b] == (sure[b, t] < 0.2)
                break
    assert 0 < found.abstained.sum() < 30


def test_first_finish_leaves_the_others() -> None:
    y = np.zeros(
        (6, 2, 4)
    )  # two questions with three starts; logits that make a start certain from a tick on
    for row, tick in enumerate((3, 1, 4, 2, 2, 9)):
        y[row, 0, tick - 1 :] = 20.0
    found = halt(thought(y), FirstFinish(policy=CertaintyThreshold(threshold=0.9), starts=3))
    assert found.ticks.tolist() == [1, 1, 1, 2, 2, 2]
    assert found.abstained.tolist() == [True, False, True, False, False, True]
    second = halt(thought(y), FirstFinish(policy=Patience(n=1, threshold=0.9), starts=3, k=2))
    assert second.ticks.tolist() == [3, 1, 3, 2, 2, 2]
    assert second.abstained.tolist() == [False, False, True, False, False, True]


def test_what_policies_refuse() -> None:
    weights, x, options = model("ctm_parity_random")
    seen = thought(noise())

    def run(policy: Policy, **changed: Any) -> Halted:
        return forward_halting(x, weights, policy, **{"ticks": 3, **options, **changed})

    fixed = FixedTicks(n=1)
    refused: list[tuple[type[ArcuateError], str, Any]] = [
        (SpecError, "n", lambda: FixedTicks(n=0)),
        (SpecError, "threshold", lambda: CertaintyThreshold(threshold=math.nan)),
        (SpecError, "n", lambda: Patience(n=1.5)),  # type: ignore[arg-type]
        (SpecError, "alpha", lambda: NormChange(alpha=-0.1)),
        (UnknownNameError, "post_activation", lambda: NormChange(alpha=0.1, of="post_activations")),
        (SpecError, "bound", lambda: CertaintyOrAbstain(threshold=0.5, bound=0.6, n=1)),
        (SpecError, "k", lambda: FirstFinish(policy=fixed, starts=2, k=3)),
        (SpecError, "shape", lambda: halt(seen, fixed, shape=(4, 2))),
        (SpecError, "stop", lambda: halt(seen, lambda state: Decision(np.ones(3), np.zeros(30)))),
        (SpecError, "Decision", lambda: halt(seen, lambda state: np.ones(30))),  # type: ignore[arg-type]
        (SpecError, "abstain", lambda: halt(seen, lambda state: Decision(np.ones(30), np.full(30, 2.0)))),
        (SpecError, "tick 1", lambda: run(lambda state: Decision(np.full(12, math.nan), np.zeros(12)))),
        (SpecError, "ticks", lambda: run(fixed, ticks=0)),
        (SpecError, "shape", lambda: run(fixed, shape=(5, 7))),
        (UnknownNameError, "numba", lambda: run(fixed, engine="numbaa")),
        (SpecError, "targets", lambda: halt(seen, fixed).right(np.zeros((30, 2), int))),
    ]
    for kind, word, call in refused:
        with pytest.raises(kind, match=word) as caught:
            call()
        assert str(caught.value).count("\n") < 4


def test_activity_that_blows_up_is_told_with_its_tick() -> None:
    weights, x, options = model("ctm_sort_noheads")
    largest = ctm.forward(x, weights, ticks=9, **options).sync_out.max(1)  # (T, P)
    pair = int(np.flatnonzero(largest.argmax(0) > 0)[0])  # one that grows
    first = int(largest[:, pair].argmax())
    between = (largest[first, pair] + largest[:first, pair].max()) / 2
    limit = float(np.finfo(np.float32).max)
    weight, bias = (weights[f"output_projector.0.{name}"] for name in ("weight", "bias"))
    weight[:] = np.where(np.arange(weight.shape[1]) == pair, limit / 4, 0.0)
    bias[:] = limit * (1 - between / 4)
    with pytest.raises(NonFiniteError, match=f"tick {first + 1}"):
        forward_halting(x, weights, FixedTicks(n=9), ticks=9, precision="float32", **options)
