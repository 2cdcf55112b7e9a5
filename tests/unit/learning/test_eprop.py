"""E-prop against autodiff, against its own traces, and as an estimator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcuate.errors import FitError, NonFiniteError, SpecError
from arcuate.learning import EProp

LOSSES = Path(__file__).parents[2] / "data" / "eprop_losses.json"
TASKS = ("regression", "classification")


def network(**options: Any) -> EProp:
    sizes = {"n_inputs": 12, "n_neurons": 15, "n_outputs": 3}
    return EProp(**{**sizes, "rate_target": "20 Hz", "tau_out": "15 ms", "seed": 4, **options})


def spikes(trials: int = 4, steps: int = 80, inputs: int = 12) -> np.ndarray:
    return np.random.default_rng(7).random((trials, steps, inputs)) < 0.1


def waves(trials: int = 4, steps: int = 80, outputs: int = 3) -> np.ndarray:
    return np.random.default_rng(8).normal(size=(trials, steps, outputs))


def started(**options: Any) -> EProp:
    """Return a network with weights that learned nothing yet."""
    model = network(n_iterations=0, **options)
    targets = np.array([0, 2, 1, 2]) if options.get("task") == "classification" else waves()
    return model.fit(spikes(), targets)


@pytest.mark.torch
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["lif", "alif"])
@pytest.mark.parametrize("rest", [{}, {"window": "25 ms"}, {"scale_input": True}], ids=str)
def test_the_gradient_is_that_of_autodiff_without_transmission(name: str, task: str, rest: Any) -> None:
    import torch
    from unit.learning import torch_eprop as reference

    case, arrays = reference.CASES[name], reference.start()
    gain, window = 1.0, reference.STEPS
    if "scale_input" in rest:
        gain = 1 - float(np.exp(-1 / reference._ms(case["tau_m"])))
        arrays["w_in"], arrays["w_rec"] = arrays["w_in"] * 20, arrays["w_rec"] * 20
    if "window" in rest:
        window = 25
    weights = reference.tensors(arrays)
    loss, penalty, z = reference.losses(weights, task, case, window=window, gain=gain)
    wanted = torch.autograd.grad(loss + penalty, list(weights.values()))
    assert z.sum() > 100
    x, y = reference.data(task)
    model = EProp(
        **reference.SIZES, **reference.SHARED, **case, **rest, task=task, initial=arrays, n_iterations=0
    )
    found = model.fit(x, y).gradient(x, y)
    for key, gradient in zip(weights, wanted, strict=True):
        expected = gradient.numpy()
        if key == "w_rec":
            expected = expected - np.diag(np.diag(expected))
        assert np.abs(expected).max() > 0
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[key], expected, rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.torch
def test_the_stored_losses_are_those_of_autodiff() -> None:
    from unit.learning import torch_eprop as reference

    stored = json.loads(LOSSES.read_text())
    for name, task in ((name, task) for name in reference.CASES for task in TASKS):
        np.testing.assert_allclose(
            stored[f"{name}/{task}"], reference.train(task, reference.CASES[name]), rtol=1e-12
        )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["lif", "alif"])
def test_five_iterations_have_the_losses_of_the_reference(name: str, task: str) -> None:
    stored = json.loads(LOSSES.read_text())
    case, setup = stored["cases"][name], stored["setup"]
    x, y = (np.array(stored[key]) for key in ("inputs", f"targets/{task}"))
    model = EProp(
        **setup, **case, task=task, optimizer="sgd", initial=stored["initial"], n_iterations=5,
        learning_rate=stored["learning_rate"],
    )  # fmt: skip
    history = model.fit(x, y).history_
    np.testing.assert_allclose(history["loss"] + history["rate_loss"], stored[f"{name}/{task}"], rtol=1e-7)
    assert np.ptp(stored[f"{name}/{task}"]) > 1e-3 * stored[f"{name}/{task}"][0]


@pytest.mark.parametrize("beta", [0.0, 0.2])
def test_the_gradient_is_the_sum_of_signal_times_trace(beta: float) -> None:
    model = started(beta=beta, tau_a="200 ms", t_ref="3 ms", feedback="random")
    pairs = np.argwhere(~np.eye(15, dtype=bool))  # (before, after)
    recording = model.states(spikes(), targets=waves(), synapses=pairs)
    filtered = np.asarray(recording.states("eprop/synapses")["filtered"])
    signal = np.asarray(recording.states("eprop/neurons")["learning_signal"])
    summed = np.einsum("bts,bts->s", signal[:, :, pairs[:, 1]], filtered)
    found = model.gradient(spikes(), waves())["w_rec"]
    np.testing.assert_allclose(found[pairs[:, 1], pairs[:, 0]], summed, rtol=1e-9, atol=1e-12)
    assert np.abs(summed).max() > 1e-3
    assert np.all(np.diag(found) == 0)


@pytest.mark.parametrize("feedback", ["symmetric", "random", "adaptive"])
def test_every_feedback_learns(feedback: str) -> None:
    t = np.arange(200) / 200
    target = np.stack([np.sin(2 * np.pi * t), np.cos(4 * np.pi * t), t - 0.5], axis=1)[None]
    model = network(feedback=feedback, feedback_decay=1e-3, n_neurons=40, n_iterations=80, learning_rate=0.01)
    first = model.fit(spikes(1, 200), target).history_["loss"]
    assert float(first[-1]) < 0.4 * float(first[0])
    aligned = np.corrcoef(model.feedback_.ravel(), model.w_out_.T.ravel())[0, 1]
    if feedback == "symmetric":
        np.testing.assert_array_equal(model.feedback_, model.w_out_.T)
    elif feedback == "random":
        before = network(n_neurons=40, feedback=feedback, n_iterations=0).fit(spikes(1, 200), target)
        np.testing.assert_array_equal(model.feedback_, before.feedback_)
    else:
        assert aligned > 0.3


def test_adaptive_feedback_takes_the_steps_of_the_output_weights() -> None:
    model = started(feedback="adaptive", feedback_decay=0.1)
    w_out, feedback = model.w_out_.copy(), model.feedback_.copy()
    model.partial_fit(spikes(), waves())
    np.testing.assert_allclose(model.feedback_ - 0.9 * feedback, (model.w_out_ - 0.9 * w_out).T, atol=1e-15)


def test_the_penalty_draws_rates_to_the_target() -> None:
    still = network(c_reg=0.0, learning_rate=0.01, n_iterations=1).fit(spikes(), np.zeros((4, 80, 3)))
    pulled = network(c_reg=1e4, learning_rate=0.01, n_iterations=150).fit(spikes(), np.zeros((4, 80, 3)))
    assert abs(float(pulled.history_["rate"][-1]) - 20.0) < 4.0
    assert abs(float(still.history_["rate"][-1]) - 20.0) > 8.0


def test_absent_synapses_stay_absent_and_there_are_no_autapses() -> None:
    table = np.random.default_rng(0).random((15, 15)) < 0.5
    model = network(connectivity=table, input_connectivity=0.4, n_iterations=10, c_reg=1.0)
    model.fit(spikes(), waves())
    present = model.w_rec_ != 0
    assert not present[~table].any() and not np.diag(present).any()
    assert present.sum() > 0.8 * (table.sum() - np.diag(table).sum())
    assert 0.2 < np.mean(model.w_in_ != 0) < 0.6


def test_refractory_neurons_wait() -> None:
    loud = np.full((1, 400, 12), 1.0)
    model = network(initial={"w_in": np.full((15, 12), 1.0)}, t_ref="7 ms", n_iterations=0)
    recording = model.fit(loud, np.zeros((1, 400, 3))).states(loud)
    table = recording.spikes("neurons")
    for neuron in range(15):
        steps = np.rint(np.asarray(table["time"])[np.asarray(table["neuron"]) == neuron] * 1e3)
        assert np.diff(steps).min() == 7


def test_threads_change_nothing() -> None:
    one, three = (network(n_iterations=4).fit(spikes(20), waves(20), threads=n) for n in (1, 3))
    for name in ("w_in_", "w_rec_", "w_out_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))


def test_fit_is_partial_fit_repeated() -> None:
    whole, parts = network(n_iterations=3), network()
    whole.fit(spikes(), waves())
    for _ in range(3):
        parts.partial_fit(spikes(), waves())
    np.testing.assert_array_equal(whole.w_rec_, parts.w_rec_)
    assert parts.n_iterations_ == 3 and parts.history_.sizes["iteration"] == 3


def test_batches_take_each_trial_once_in_an_epoch() -> None:
    from arcuate.learning.eprop import _batch

    epoch = np.concatenate([_batch(12, i, 4, seed=1) for i in range(3)])
    assert sorted(epoch.tolist()) == list(range(12))
    assert epoch.tolist() != np.concatenate([_batch(12, i, 4, seed=1) for i in range(3, 6)]).tolist()


def test_a_classifier_learns_which_half_fires() -> None:
    generator = np.random.default_rng(1)
    classes = generator.integers(0, 2, 40)
    rates = np.where(np.arange(12)[None] // 6 == classes[:, None], 0.15, 0.02)
    x = generator.random((40, 60, 12)) < rates[:, None]
    model = network(task="classification", n_outputs=2, window="20 ms", n_iterations=40, batch_size=20)
    model.fit(x, classes)
    assert model.score(x, classes) >= 0.95
    assert model.predict(x[:3]).shape == (3,)
    assert float(model.history_["error"][0]) > 0.2


def test_it_is_an_estimator() -> None:
    sklearn = pytest.importorskip("sklearn.base")
    model = network(beta=np.full(15, 0.1), n_iterations=2)
    again = sklearn.clone(model)
    assert again.get_params()["beta"] is not model.beta
    np.testing.assert_array_equal(again.fit(spikes(), waves()).w_in_, model.fit(spikes(), waves()).w_in_)
    assert sklearn.is_classifier(network(task="classification")) and not sklearn.is_classifier(network())


def test_what_is_not_finite_is_named() -> None:
    model = started()
    model.w_in_ = np.where(np.arange(15)[:, None] == 3, 1e308, model.w_in_)
    with pytest.raises(NonFiniteError, match=r"iteration 0.*trial \d.*step \d+, neuron 3"):
        model.predict(spikes())
    with pytest.raises(NonFiniteError, match=r"iteration 0.*w_in_|iteration \d+: [vy] ="):
        network(optimizer="sgd", learning_rate=1e308, n_iterations=3).fit(spikes(), 1e3 * waves())


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"n_neurons": 0}, SpecError, "n_neurons = 0"),
    ({"tau_m": 20}, SpecError, "tau_m"),
    ({"tau_m": "0 ms"}, SpecError, "tau_m"),
    ({"task": "regresion"}, SpecError, "regression"),
    ({"feedback": "symetric"}, SpecError, "symmetric"),
    ({"optimizer": "adm"}, SpecError, "adam"),
    ({"beta": -1.0}, SpecError, "beta"),
    ({"beta": [0.1, 0.2]}, SpecError, "beta"),
    ({"connectivity": 0.0}, SpecError, "connectivity"),
    ({"connectivity": np.ones((3, 3), bool)}, SpecError, "connectivity"),
    ({"initial": {"w_inn": 0}}, SpecError, "w_in"),
    ({"initial": {"w_in": np.zeros((2, 2))}}, SpecError, "w_in"),
    ({"learning_rate": float("nan")}, SpecError, "learning_rate"),
    ({"window": "0.1 ms"}, SpecError, "window"),
    ({"scale_input": 1}, SpecError, "scale_input"),
    ({"seed": None}, SpecError, "seed"),
    ({"batch_size": 0}, SpecError, "batch_size"),
    ({"task": "classification", "n_outputs": 1}, SpecError, "n_outputs"),
    ({"rate_target": "10"}, SpecError, "rate_target"),
    ({"n_inputs": 11}, FitError, "inputs"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "kind", "words"), BAD, ids=[str(row[0]) for row in BAD])
def test_bad_parameters_are_refused(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        network(**options).fit(spikes(), waves())


@pytest.mark.parametrize(
    ("inputs", "targets", "options", "words"),
    [
        (np.full((1, 5, 12), np.nan), np.zeros((1, 5, 3)), {}, "inputs"),
        (np.zeros((1, 0, 12)), np.zeros((1, 0, 3)), {}, "inputs"),
        (np.zeros((2, 5, 12)), np.zeros((1, 5, 3)), {}, "targets"),
        (np.zeros((2, 5, 12)), np.full((2, 5, 3), np.inf), {}, "targets"),
        (np.zeros((2, 5, 12)), np.array([0, 3]), {"task": "classification"}, "from 0 to 2"),
        (np.zeros((2, 5, 12)), np.array([0.0, 1.0]), {"task": "classification"}, "integer"),
    ],
)
def test_bad_data_is_refused(inputs: Any, targets: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(FitError, match=words):
        network(**options).fit(inputs, targets)


def test_what_is_not_fitted_says_so() -> None:
    for call in (lambda m: m.predict(spikes()), lambda m: m.history_, lambda m: m.states(spikes())):
        with pytest.raises(FitError, match="not fitted"):
            call(network())
    with pytest.raises(FitError, match="Call fit to start anew"):
        started().set_params(n_neurons=7).predict(spikes())
