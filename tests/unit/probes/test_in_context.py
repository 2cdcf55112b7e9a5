"""Progress of an induction head on patterns made by hand, and the nested logits against their definitions."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import arcuate.probes
from arcuate.errors import SpecError
from arcuate.probes import NestedLogit, crossing, induction_progress, label_margin
from arcuate.tasks import ItemLabel

TASK = ItemLabel()
TRIALS = TASK.draw(20, seed=1)


def head(labels_to, target_to) -> np.ndarray:
    """Return patterns in which labels and target attend to the places told, for each trial."""
    pattern = np.zeros((20, 1, 17, 17))
    for trial in range(20):
        pattern[trial, 0, range(17), 0] = 1
        for place in range(1, 17, 2):
            pattern[trial, 0, place, 0] = 0
            pattern[trial, 0, place, labels_to(place)] = 1
        pattern[trial, 0, 16, 0] = 0
        for place, weight in target_to(trial).items():
            pattern[trial, 0, 16, place] = weight
    return pattern


def matching(trial) -> dict[int, float]:
    places = 2 * np.flatnonzero(TRIALS.classes[trial, :-1] == TRIALS.classes[trial, -1]) + 1
    return dict.fromkeys(places.tolist(), 1 / len(places))


def other(trial) -> dict[int, float]:
    places = 2 * np.flatnonzero(TRIALS.classes[trial, :-1] != TRIALS.classes[trial, -1]) + 1
    return {int(places[0]): 0.75, 16: 0.25} if len(places) else {16: 1.0}


def test_a_perfect_head_scores_one_and_a_blind_one_nothing():
    perfect = head(lambda place: place - 1, matching)
    blind = head(lambda place: place, other)
    found = induction_progress([perfect, blind], TRIALS)
    assert found["item_label"].values.tolist() == [[1.0], [0.0]]
    np.testing.assert_allclose(found["target_label"][0], 1)
    np.testing.assert_allclose(found["context_label"][0], 1)
    mixed = np.mean([0.75 if not TRIALS.matches[k].all() else 0 for k in range(20)])
    np.testing.assert_allclose(found["target_label"][1], -mixed)
    np.testing.assert_allclose(found["context_label"][1], mixed)


def test_even_attention_scores_what_chance_gives():
    even = np.broadcast_to(np.tril(np.ones((17, 17))) / np.arange(1, 18)[:, None], (20, 3, 17, 17))
    found = induction_progress({5: even}, TRIALS)
    np.testing.assert_allclose(found["item_label"], np.mean([1 / n for n in range(2, 17, 2)]))
    np.testing.assert_allclose(found["context_label"], 8 / 17)
    share = (2 * TRIALS.matches.sum(axis=1) - 8).mean() / 17
    np.testing.assert_allclose(found["target_label"], share, atol=1e-12)
    assert found["layer"].values.tolist() == [5] and found.sizes["head"] == 3


def test_trials_without_a_match_tell_nothing_of_matches():
    trials = replace(TASK, test="weights").draw(20, seed=3)
    assert not trials.matches.any()
    even = np.full((20, 1, 17, 17), 1 / 17)
    found = induction_progress([even], trials)
    assert np.isnan(found["target_label"]).all() and np.isfinite(found["context_label"]).all()


def test_margins_are_differences_of_means():
    logits = np.random.default_rng(0).standard_normal((20, 16))
    found = label_margin(logits, TRIALS)
    for trial in range(20):
        inside = sorted(set(TRIALS.labels[trial, :-1].tolist()))
        outside = [k for k in range(16) if k not in inside]
        assert found[trial] == pytest.approx(logits[trial, inside].mean() - logits[trial, outside].mean())


@pytest.mark.parametrize(
    "patterns", [[], {}, [np.zeros((20, 17, 17))], [np.zeros((19, 1, 17, 17))], [np.zeros((20, 1, 16, 16))]]
)
def test_patterns_of_other_trials_are_refused(patterns):
    with pytest.raises(SpecError, match="patterns"):
        induction_progress(patterns, TRIALS)


def test_logits_of_other_trials_are_refused():
    with pytest.raises(SpecError, match="logits"):
        label_margin(np.zeros((20, 15)), TRIALS)


def test_a_curve_is_above_a_level_when_it_first_is():
    curve = xr.DataArray([0.1, 0.6, 0.4, 0.9, np.nan], {"step": [1, 3, 5, 7, 9]})
    assert [crossing(curve, level) for level in (0.0, 0.5, 0.6)] == [1, 3, 7]
    assert np.isnan(crossing(curve, 0.9))
    with pytest.raises(SpecError, match="curve"):
        crossing(np.zeros(3), 0.5)


MODEL = NestedLogit(n_context=4, n_labels=16, n_others=8)


def test_nested_logits_are_softmaxes_within_softmaxes():
    values = MODEL.evaluate(1.5, 6.0, 7.0)
    q1 = np.exp(1.5) / (np.exp(1.5) + 8)
    q2 = np.exp(6 * q1) / (np.exp(6 * q1) + 3)
    scores = np.exp([7 * q2, *3 * [7 * (1 - q2) / 3], *12 * [0.0]])
    assert values["q1"] == pytest.approx(q1) and values["q2"] == pytest.approx(q2)
    assert values["probability"] == pytest.approx(scores[0] / scores.sum())
    assert values["loss"] == pytest.approx(-np.log(scores[0] / scores.sum()))


def test_the_flow_goes_down_the_numerical_gradient():
    at, step = np.array([0.7, 1.1, 2.3]), 1e-6
    numerical = [
        (MODEL.evaluate(*(at - step * e))["loss"] - MODEL.evaluate(*(at + step * e))["loss"]) / (2 * step)
        for e in np.eye(3)
    ]
    course = MODEL.flow([0, 1e-4], start=tuple(at))
    moved = [float(course[name][1] - course[name][0]) / 1e-4 for name in ("beta", "kappa", "xi")]
    np.testing.assert_allclose(moved, numerical, rtol=1e-3)


@pytest.mark.parametrize("n_context", [4, 8])
def test_learning_is_abrupt_and_comes_as_the_first_layer_rises(n_context):
    times = np.linspace(0, 200, 4001)
    course = NestedLogit(n_context=n_context, n_labels=16, n_others=8).flow(times)
    loss, q1, p = (course[name].values for name in ("loss", "q1", "probability"))
    assert (np.diff(loss) < 1e-9).all() and loss[0] == pytest.approx(np.log(16), abs=0.01)
    rise = times[np.argmax(p > 0.8)] - times[np.argmax(p > 0.2)]
    assert rise < 0.15 * times[np.argmax(p > 0.8)] if n_context == 8 else rise < 6
    assert times[np.argmax(q1 > 0.5)] < times[np.argmax(p > 0.75)]
    steepest = times[np.argmin(np.gradient(loss))]
    assert 0.3 < q1[times == steepest][0] < 0.75  # halfway up, far from saturated
    assert abs(steepest - times[np.argmax(np.gradient(q1))]) < 0.02 * steepest


def test_two_classes_in_a_context_have_no_plateau_and_the_first_layer_comes_last():
    times = np.linspace(0, 200, 4001)
    course = NestedLogit(n_context=2, n_labels=16, n_others=8).flow(times)
    loss, q1, p = (course[name].values for name in ("loss", "q1", "probability"))
    assert times[np.argmin(np.gradient(loss))] < 1
    assert times[np.argmax(q1 > 0.5)] == pytest.approx(21.5, abs=0.1)
    assert times[np.argmax(p > 0.75)] == pytest.approx(19.1, abs=0.1)


def test_all_labels_once_in_each_context_fail_to_teach():
    """N = L and B = 1: the gain alone gains nothing, so that nothing starts."""
    nothing = NestedLogit(n_context=8, n_labels=8, n_others=8)
    assert np.ptp(nothing.evaluate(0.0, 0.0, np.linspace(0, 20, 5))["loss"]) < 1e-12
    times = np.linspace(0, 150, 301)
    stuck = nothing.flow(times)
    taught = NestedLogit(n_context=8, n_labels=16, n_others=8).flow(times)
    assert float(stuck["loss"][-1]) > np.log(8) - 1e-2
    assert float(taught["loss"][-1]) < 0.05
    start = nothing.flow([0, 1e5], start=(0, 0, 0))
    assert float(start["loss"][-1]) == pytest.approx(np.log(8))


def test_a_fit_turns_the_model_around():
    beta, kappa, xi = np.meshgrid([0.0, 3.0], [0.5, 8.0], [1.0, 9.0])
    values = MODEL.evaluate(beta, kappa, xi)
    found = MODEL.fit(values["q1"], values["q2"], values["probability"])
    for name, wanted in (("beta", beta), ("kappa", kappa), ("xi", xi)):
        np.testing.assert_allclose(found[name], wanted, rtol=1e-6, atol=1e-9)
    ends = MODEL.fit([0.0, 1.0], [0.1, 1.0], [0.9, 1.0])
    assert np.isnan(ends["xi"][0]) and abs(ends["beta"]).max() == 50 and np.isfinite(ends["kappa"]).all()


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda: NestedLogit(n_context=1, n_labels=16, n_others=8), "n_context"),
        (lambda: NestedLogit(n_context=4, n_labels=3, n_others=8), "n_labels"),
        (lambda: NestedLogit(n_context=4, n_labels=16, n_others=0), "n_others"),
        (lambda: MODEL.evaluate(np.nan, 0, 0), "beta"),
        (lambda: MODEL.flow([0, 0]), "times"),
        (lambda: MODEL.flow([0, 1], start=(0, 0)), "start"),
        (lambda: MODEL.fit([0.5], [1.5], [0.5]), "q2"),
        (lambda: MODEL.fit([0.5], [0.5, 0.5], [0.5]), "q2"),
    ],
    ids=["classes", "labels", "others", "nan", "times", "start", "share", "shape"],
)
def test_bad_values_are_named(ask, name):
    with pytest.raises(SpecError, match=name):
        ask()


@pytest.mark.parametrize("module", ["in_context", "predictors"])
def test_modules_of_arrays_import_no_torch(module):
    tree = ast.parse((Path(arcuate.probes.__file__).parent / f"{module}.py").read_text())
    names = [
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert not [name for name in names if name.startswith(("torch", "arcuate.nn"))]


@pytest.mark.torch
def test_what_capture_records_gives_what_the_arrays_give():
    torch = pytest.importorskip("torch")
    from arcuate.nn import TinyTransformer

    model = TinyTransformer(
        n_outputs=16, n_features=49, n_layers=2, n_heads=7, d_mlp=0, positions="none", seed=1
    )
    seen = []
    hooks = [
        model.get_submodule(f"blocks.{k}.attn.pattern").register_forward_hook(
            lambda module, inputs, output: seen.append(output.detach().numpy())
        )
        for k in (0, 1)
    ]
    with torch.no_grad():
        model(torch.tensor(TRIALS.x))
    for hook in hooks:
        hook.remove()
    recording = arcuate.probes.capture(model, np.array(TRIALS.x), sites="blocks.*.attn.pattern")
    found, direct = induction_progress(recording, TRIALS), induction_progress(seen, TRIALS)
    for name in direct:
        np.testing.assert_allclose(found[name], direct[name], rtol=1e-5)
