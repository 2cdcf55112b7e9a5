"""Accuracy, calibration and thinking time by tick, against counting by hand and other packages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from arcuate import ctm
from arcuate.ctm import evaluation
from arcuate.ctm._intervals import wilson
from arcuate.errors import ArcuateError, NonFiniteError, SpecError, UnknownNameError

Array = np.ndarray[Any, Any]


def thought(predictions: Array, positions: int = 1) -> ctm.Thought:
    """A thought of nothing but predictions (B, O, T)."""
    batch, outputs, ticks = predictions.shape
    y = predictions.transpose(2, 0, 1).reshape(-1, outputs)
    certainties = ctm.certainty(y, (positions, outputs // positions)).reshape(ticks, batch, 2)
    rest = np.zeros((ticks, batch, 1))
    return ctm.Thought(
        predictions=predictions,
        certainties=certainties.transpose(1, 2, 0),
        sync_out=rest,
        sync_action=None,
        pre_activations=rest,
        post_activations=rest,
        attention=None,
        reads=None,
        key_values=None,
        trace=np.zeros((batch, 1, 1)),
    )


def drawn(batch: int = 40, positions: int = 3, classes: int = 4, ticks: int = 6) -> tuple[ctm.Thought, Array]:
    rng = np.random.default_rng(4)
    y = 2 * rng.normal(size=(batch, positions * classes, ticks))
    return thought(y, positions), rng.integers(classes, size=(batch, positions))


def softmax(x: Array) -> Array:
    return np.asarray(np.exp(x) / np.exp(x).sum())


def test_every_read_out_against_a_loop() -> None:
    found, _ = drawn()
    logits = found.predictions.reshape(40, 3, 4, 6)
    for b in range(40):
        for t in range(6):
            sure = found.certainties[b, 1, : t + 1]
            best = max(range(t + 1), key=lambda k: (sure[k], -k))
            for place in range(3):
                so_far = [logits[b, place, :, k] for k in range(t + 1)]
                expected = {
                    "last": so_far[-1],
                    "most certain": so_far[best],
                    "mean probability": sum(softmax(y) for y in so_far),
                    "mean logits": sum(so_far),
                    "certainty-weighted": sum(y * c for y, c in zip(so_far, sure, strict=True)),
                }
                assert set(expected) == set(evaluation.READOUTS)
                for name, value in expected.items():
                    answer = ctm.answers_by_tick(found, name, positions=3)[b, place, t]
                    assert answer == np.argmax(value), name


def test_equal_certainties_go_to_the_first_tick() -> None:
    y = np.array([[[3.0, 0.0, 3.0], [0.0, 3.0, 0.0]]])
    assert ctm.answers_by_tick(thought(y))[0, 0].tolist() == [0, 0, 0]


def test_accuracy_counts_positions_and_whole_trials() -> None:
    found, targets = drawn()
    table = ctm.accuracy_by_tick(found, targets)
    right = ctm.answers_by_tick(found, "last", positions=3) == targets[..., None]
    last = table.sel(readout="last")
    np.testing.assert_allclose(last["element"], right.mean((0, 1)))
    np.testing.assert_allclose(last["whole"], right.all(1).mean(0))
    sure = (found.certainties[:, 1] >= 0.5).mean(0)
    np.testing.assert_allclose(table["sure"].sel(threshold=0.5), sure)
    exact = binomtest(int(right.all(1)[:, 2].sum()), 40).proportion_ci(0.95, "wilson")
    at = last.sel(tick=3)
    assert (float(at["whole_low"]), float(at["whole_high"])) == pytest.approx((exact.low, exact.high))


def test_one_position_needs_no_row() -> None:
    found, _ = drawn(positions=1)
    targets = np.arange(40) % 4
    assert ctm.accuracy_by_tick(found, targets).equals(ctm.accuracy_by_tick(found, targets[:, None]))


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_of_a_share(level: float) -> None:
    for n, k in ((1, 0), (7, 7), (20, 3)):
        exact = binomtest(k, n).proportion_ci(level, "wilson")
        assert np.allclose(wilson(k / n, n, level), (exact.low, exact.high))


@pytest.mark.parametrize("kind", ["at the tick", "mean so far"])
def test_calibration_against_a_loop(kind: str) -> None:
    found, targets = drawn(batch=120)
    table = ctm.calibration(found, targets, bins=10).sel(probability=kind)
    logits = found.predictions.reshape(120, 3, 4, 6)
    for t in (0, 3, 5):
        bins: list[list[tuple[float, bool]]] = [[] for _ in range(10)]
        for b in range(120):
            for place in range(3):
                p = [softmax(logits[b, place, :, k]) for k in range(t + 1)]
                answer = int(np.argmax(p[-1]))
                value = p[-1][answer] if kind == "at the tick" else np.mean([q[answer] for q in p])
                bins[int(value * 10)].append((float(value), answer == targets[b, place]))
        error = 0.0
        for number, members in enumerate(bins):
            at = table.isel(tick=t, bin=number)
            assert int(at["count"]) == len(members)
            if members:
                confidence, right = (float(np.mean([m[k] for m in members])) for k in (0, 1))
                assert float(at["confidence"]) == pytest.approx(confidence)
                assert float(at["accuracy"]) == pytest.approx(right)
                error += len(members) / 360 * abs(confidence - right)
            else:
                assert math.isnan(at["accuracy"])
        assert float(table["ece"][t]) == pytest.approx(error)


def test_answers_drawn_from_their_probabilities_are_calibrated() -> None:
    rng = np.random.default_rng(1)
    y = 2 * rng.normal(size=(6000, 3, 1))
    p = np.exp(y[..., 0])
    targets = (rng.random((6000, 1)) > np.cumsum(p / p.sum(1, keepdims=True), 1)).sum(1)
    table = ctm.calibration(thought(y), targets).sel(probability="at the tick", tick=1)
    assert float(table["ece"]) < 0.02
    assert float(table["ece_low"]) <= float(table["ece"]) <= float(table["ece_high"])
    known = table.isel(bin=slice(4, 10))
    assert (known["accuracy_low"] < known["confidence"] + 0.03).all()
    assert (known["accuracy_high"] > known["confidence"] - 0.03).all()
    overconfident = ctm.calibration(thought(5 * y), targets).sel(probability="at the tick", tick=1)
    assert float(overconfident["ece_low"]) > 0.1


def test_auroc_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    right = rng.random(300) < 0.7
    certainty = np.round(0.5 * right + rng.normal(size=300), 1)  # with ties
    table = ctm.risk_coverage(certainty, right)
    assert float(table["auroc"]) == pytest.approx(metrics.roc_auc_score(right, certainty))
    assert float(table["auroc_low"]) < float(table["auroc"]) < float(table["auroc_high"])


def test_risk_of_what_is_answered() -> None:
    rng = np.random.default_rng(0)
    right, certainty = rng.random(50) < 0.7, np.round(rng.random(50), 1)
    table = ctm.risk_coverage(certainty, right)
    for coverage, bound, risk in zip(
        table["coverage"].values, table["threshold"].values, table["risk"].values, strict=True
    ):
        kept = certainty >= bound
        assert coverage == kept.mean()
        assert risk == pytest.approx(1 - right[kept].mean())
    assert float(table["risk"][-1]) == pytest.approx(1 - right.mean())
    assert math.isnan(ctm.risk_coverage(certainty, np.ones(50, dtype=bool))["auroc"])
    same = ctm.risk_coverage(np.ones(50), right)
    assert float(same["aurc"]) == pytest.approx(1 - right.mean())  # nothing to choose by
    assert float(same["auroc"]) == 0.5


def test_thinking_time_against_a_loop() -> None:
    found, _ = drawn()
    table = ctm.thinking_time(found, shape=(3, 4), threshold=0.5)
    logits = found.predictions.reshape(40, 3, 4, 6)
    for b in range(40):
        assert table["most_certain"][b] == 1 + found.certainties[b, 1].argmax()
        for place in range(3):
            p = [softmax(logits[b, place, :, t]) for t in range(6)]
            entropy = [-float((q * np.log(q)).sum()) / math.log(4) for q in p]
            assert table["surest"][b, place] == 1 + int(np.argmin(entropy))
            first = next((t + 1.0 for t, value in enumerate(entropy) if value < 0.5), math.nan)
            np.testing.assert_equal(float(table["settled"][b, place]), first)
    surest = table["surest"].values[:, 1]
    assert float(table["surest_mean"][1]) == pytest.approx(surest.mean())
    half = 1.959964 * surest.std(ddof=1) / math.sqrt(40)
    assert float(table["surest_high"][1] - table["surest_mean"][1]) == pytest.approx(half)


def test_the_curve_of_policies() -> None:
    found, targets = drawn()
    policies = {
        "three": ctm.FixedTicks(n=3),
        "all": ctm.FixedTicks(n=6),
        "sure": ctm.CertaintyOrAbstain(threshold=0.7, bound=0.4, n=9),
    }
    table = ctm.halting_curve(found, targets, policies)
    whole = ctm.accuracy_by_tick(found, targets).sel(readout="most certain")
    for name, tick in (("three", 3), ("all", 6)):
        at = table.sel(policy=name)
        assert float(at["ticks"]) == tick
        assert float(at["share"]) == tick / 6
        for measure in ("element", "whole", "whole_low", "whole_high"):
            assert float(at[measure]) == pytest.approx(float(whole[measure].sel(tick=tick)))
    halted = ctm.halt(found, policies["sure"], shape=(3, 4))
    at, kept = table.sel(policy="sure"), ~halted.abstained
    assert 0 < kept.sum() < 40
    assert float(at["abstained"]) == halted.abstained.mean()
    assert float(at["whole"]) == halted.right(targets)[kept].mean()
    assert float(at["element"]) == pytest.approx((halted.answers() == targets)[kept].mean())
    assert float(at["ticks"]) == halted.ticks.mean()


def test_what_is_refused() -> None:
    found, targets = drawn()
    refused: list[tuple[type[ArcuateError], str, Any]] = [
        (SpecError, "targets", lambda: ctm.accuracy_by_tick(found, targets[:-1])),
        (SpecError, "targets", lambda: ctm.accuracy_by_tick(found, targets + 1)),
        (SpecError, "targets", lambda: ctm.calibration(found, targets / 2)),
        (SpecError, "positions", lambda: ctm.accuracy_by_tick(found, np.zeros((40, 5), int))),
        (SpecError, "level", lambda: ctm.accuracy_by_tick(found, targets, level=1.0)),
        (SpecError, "bins", lambda: ctm.calibration(found, targets, bins=0)),
        (UnknownNameError, "most certain", lambda: ctm.answers_by_tick(found, "mostcertain", positions=3)),
        (SpecError, "shape", lambda: ctm.thinking_time(found, shape=(5, 2))),
        (SpecError, "shape", lambda: ctm.thinking_time(found, shape=(12, 1))),
        (SpecError, "right", lambda: ctm.risk_coverage([0.5, 0.6], [1, 0])),
        (SpecError, "right", lambda: ctm.risk_coverage([0.5, 0.6], np.array([True]))),
        (NonFiniteError, "certainty", lambda: ctm.risk_coverage([math.nan], np.array([True]))),
    ]
    for kind, word, call in refused:
        with pytest.raises(kind, match=word) as caught:
            call()
        assert str(caught.value).count("\n") < 4
