"""What the HMM-GLM is given wrongly is refused by name, before any work; what is odd but right is fitted."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate.analysis import spike_counts
from arcuate.connectome import (
    HMMGLM,
    exponential_basis,
    firing_rates,
    forward_backward,
    gaussian_log_density,
    gumbel_softmax_log_density,
    log_emission,
    match_states,
    one_hot_weights,
    sample_counts,
    select_n_states,
    spike_history,
    switching_network,
    viterbi,
)
from arcuate.errors import (
    ArcuateWarning,
    FitError,
    MemoryLimitError,
    NonFiniteError,
    SpecError,
    UnknownNameError,
)

COUNTS = np.random.default_rng(0).poisson(0.5, (2, 60, 3))
EYE = np.eye(2)


def refused(call: Any, *words: str, error: type[Exception] = SpecError) -> None:
    with warnings.catch_warnings(), pytest.raises(error) as caught:
        warnings.simplefilter("error")
        call()
    message = str(caught.value)
    assert message.count("\n") < 4
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("spikes", "words"),
    [
        (COUNTS[0], ("list", "one matrix")),
        ([], ("at least one",)),
        ("spikes", ("list",)),
        (None, ("list",)),
        ([COUNTS[0, :, 0]], ("spikes[0]", "shape")),
        ([COUNTS[0] * 0.5], ("spikes[0]", "counts")),
        ([COUNTS[0] - 1], ("counts", "-1")),
        ([np.where(COUNTS[0] > 0, np.nan, 0.0)], ("finite",)),
        ([COUNTS[0], COUNTS[1][:, :2]], ("spikes[1]", "3 neurons", "same neurons")),
        ([COUNTS[0], COUNTS[1].T], ("spikes[1]", "Transpose")),
        ([COUNTS[0].T], ("transposed",)),
        ([COUNTS[0][:1]], ("two bins", "shorter bins")),
        ([np.zeros((40, 0))], ("one neuron",)),
        ([COUNTS[0].astype(str)], ("real numbers",)),
        ([COUNTS[0] > 0], ("real numbers",)),
        ([[[1, 2], [3]]], ("rectangular",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_are_no_sequences_of_counts(spikes: Any, words: tuple[str, ...]) -> None:
    refused(lambda: HMMGLM(2).fit(spikes), *words)


def test_axes_of_labeled_counts_go_by_name() -> None:
    """Square, so that positions would not tell."""
    square = xr.DataArray(np.random.default_rng(1).poisson(0.5, (5, 5)), dims=("time", "neuron"))
    plain = HMMGLM(1, max_iter=2).fit([square.values])
    for given in (square, [square], square.T, [square.T], square.rename(time="bin").T):
        model = HMMGLM(1, max_iter=2).fit(given)
        assert (model.weights_ == plain.weights_).all()
        assert model.score(given) == plain.score([square.values])
        assert model.bits_per_spike(given) == plain.bits_per_spike([square.values])
    for given in (square.rename(neuron="cell"), [square.values, square.rename(time="x")], square[0]):
        refused(lambda given=given: HMMGLM(1).fit(given), "dimensions", "neuron")
    several = xr.concat([square, square], "trial")
    refused(lambda: HMMGLM(1).fit(several), "trial", "list")
    refused(lambda: HMMGLM(1).fit(square.to_dataset(name="spikes")), "a Dataset", "list")


def test_counts_of_spikes_are_one_sequence_of_different_length_than_neurons() -> None:
    counts = spike_counts(
        np.arange(0.01, 1.0, 0.03), bin_width="20 ms", neuron=np.arange(33) % 3, n_neurons=3, duration="1 s"
    )
    model = HMMGLM(1, max_iter=2).fit(counts)
    assert model.weights_.shape == (1, 3, 3)
    assert np.isclose(model.score(counts), model.log_likelihood_ / 50)


@pytest.mark.parametrize(
    ("candidates", "options", "words", "error"),
    [
        ([1], {"foo": 3}, ("foo", "parameter"), UnknownNameError),
        ([1], {"max_iters": 3}, ("max_iter",), UnknownNameError),
        ([1], {"n_states": 3}, ("n_states", "candidates"), SpecError),
        (2, {}, ("candidates", "[1, 2, 3]"), SpecError),
        (None, {}, ("candidates",), SpecError),
    ],
    ids=range(5),
)
def test_options_of_a_choice_of_states(
    candidates: Any, options: dict[str, Any], words: tuple[str, ...], error: type[Exception]
) -> None:
    refused(lambda: select_n_states(list(COUNTS), candidates, n_folds=2, **options), *words, error=error)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"n_states": 0}, "n_states"),
        ({"n_states": 2.0}, "n_states"),
        ({"n_states": True}, "n_states"),
        ({"prior": "one_hot"}, "onehot"),
        ({"prior": None}, "prior"),
        ({"nonlinearity": "relu"}, "nonlinearity"),
        ({"basis": []}, "basis"),
        ({"basis": [0.0, 0.0]}, "basis"),
        ({"basis": [[1.0]]}, "basis"),
        ({"basis": [np.nan]}, "basis"),
        ({"shared_bias": 1}, "shared_bias"),
        ({"prior_std": 0.0}, "prior_std"),
        ({"prior_std": np.inf}, "prior_std"),
        ({"n_starts": 0}, "n_starts"),
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1.0}, "tol"),
        ({"seed": -1}, "seed"),
        ({"seed": "x"}, "seed"),
        ({"progress": "yes"}, "progress"),
    ],
    ids=str,
)
def test_parameters_are_checked_when_fitted(options: dict[str, Any], name: str) -> None:
    model = HMMGLM(**({"n_states": 2} | options))
    refused(lambda: model.fit(list(COUNTS)), name)


def test_more_states_than_bins() -> None:
    refused(lambda: HMMGLM(61).fit(list(COUNTS)), "60", "n_states", error=FitError)


def test_more_neurons_than_memory_holds() -> None:
    counts = np.zeros((1201, 1200), np.int8)
    refused(lambda: HMMGLM(5).fit([counts]), "1200 neurons", "GiB", error=MemoryLimitError)


def test_one_state_is_allowed() -> None:
    model = HMMGLM(1, max_iter=3).fit(list(COUNTS))
    assert model.weights_.shape == (1, 3, 3)


@pytest.mark.parametrize("call", ["score", "posterior", "viterbi", "log_likelihood", "bits_per_spike"])
def test_nothing_is_asked_of_a_model_that_is_not_fitted(call: str) -> None:
    refused(lambda: getattr(HMMGLM(2), call)(list(COUNTS)), "Call fit first", error=FitError)
    refused(lambda: HMMGLM(2).sample(10), "Call fit first", error=FitError)


def test_other_neurons_than_those_fitted() -> None:
    model = HMMGLM(1, max_iter=1).fit(list(COUNTS))
    refused(lambda: model.score([COUNTS[0][:, :2]]), "3 neurons")


@pytest.mark.parametrize("prior", ["none", "gaussian", "onehot"])
@pytest.mark.parametrize("nonlinearity", ["sigmoid", "softplus", "exp"])
def test_silent_neurons_are_warned_of_and_stay_finite(prior: str, nonlinearity: str) -> None:
    counts = COUNTS.copy()
    counts[..., 1] = 0
    model = HMMGLM(2, prior=prior, nonlinearity=nonlinearity, n_starts=1, max_iter=5)
    with pytest.warns(ArcuateWarning, match=r"never fire \(1\)"):
        model.fit(list(counts))
    assert np.isfinite(model.weights_).all() and np.isfinite(model.score(list(counts)))
    assert np.abs(model.weights_[:, :, 1]).max() < (0.1 if prior == "onehot" else 1e-6)  # the prior's mean
    assert (model.connectome_["adjacency"][:, 1] == 0).all()
    assert firing_rates(model.bias_[:, 1], nonlinearity=nonlinearity).max() < 0.05


def test_no_spike_at_all() -> None:
    with pytest.warns(ArcuateWarning):
        model = HMMGLM(2, n_starts=1, max_iter=5).fit(list(np.zeros((2, 50, 2))))
    assert np.isfinite(model.score(list(np.zeros((2, 50, 2))))) and model.weights_.shape == (2, 2, 2)


@pytest.mark.parametrize("nonlinearity", ["sigmoid", "softplus", "exp"])
def test_bursts_of_many_spikes_do_not_blow_up(nonlinearity: str) -> None:
    counts = COUNTS.copy()
    counts[0, 30] = 500
    model = HMMGLM(2, nonlinearity=nonlinearity, n_starts=1, max_iter=10)
    try:
        model.fit(list(counts))
    except NonFiniteError as error:
        assert "epoch" in str(error)
    else:
        assert np.isfinite(model.weights_).all() and np.isfinite(model.log_likelihood_)


def test_sequences_of_different_length_and_two_bins() -> None:
    model = HMMGLM(2, n_starts=1, max_iter=3).fit([COUNTS[0], COUNTS[1][:3]])
    assert [len(each) for each in model.viterbi([COUNTS[0], COUNTS[1][:3]])] == [60, 3]


def test_labels_have_an_order_whatever_the_seed() -> None:
    spikes, _ = switching_network(2, 4, sparsity=0.8, seed=1).sample(1500, n_sequences=2, seed=1)
    first, second = (HMMGLM(2, prior="gaussian", seed=seed).fit(list(spikes)) for seed in (0, 1))
    assert (np.diff(first.occupancy_) <= 0).all() and (np.diff(second.occupancy_) <= 0).all()
    np.testing.assert_allclose(first.weights_, second.weights_, atol=0.05)


@pytest.mark.parametrize("call", [forward_backward, viterbi])
@pytest.mark.parametrize(
    ("emission", "transition", "options", "name"),
    [
        (np.zeros((0, 2)), EYE, {}, "log_emission"),
        (np.zeros((3, 0)), np.zeros((0, 0)), {}, "log_emission"),
        (np.full((3, 2), np.nan), EYE, {}, "log_emission"),
        (np.full((3, 2), -np.inf), EYE, {}, "log_emission"),
        (np.full((3, 2), np.inf), EYE, {}, "log_emission"),
        (np.zeros((3, 2)), np.eye(3), {}, "transition"),
        (np.zeros((3, 2)), [[0.5, 0.6], [0.5, 0.5]], {}, "transition"),
        (np.zeros((3, 2)), [[1.5, -0.5], [0.5, 0.5]], {}, "transition"),
        (np.zeros((3, 2)), EYE, {"initial": [0.5, 0.4]}, "initial"),
        (np.zeros((3, 2)), EYE, {"initial": [1.0]}, "initial"),
    ],
    ids=range(10),
)
def test_chains(call: Any, emission: Any, transition: Any, options: dict[str, Any], name: str) -> None:
    refused(lambda: call(emission, transition, **options), name)


def test_a_sequence_that_cannot_be() -> None:
    emission = [[0.0, -np.inf], [-np.inf, 0.0]]
    refused(lambda: forward_backward(emission, EYE), "no path", error=NonFiniteError)


@pytest.mark.parametrize(
    "call",
    [
        lambda: exponential_basis(0),
        lambda: exponential_basis(3, tau=0.0),
        lambda: spike_history([1, 2], [1.0]),
        lambda: spike_history([[1.0, np.nan]], [1.0]),
        lambda: firing_rates([np.nan]),
        lambda: firing_rates([0.0], nonlinearity="tanh"),
        lambda: log_emission([[1.5]], [[[0.0]]], [0.0], basis=[1.0]),
        lambda: log_emission([[1]], [[[0.0, 0.0]]], [0.0], basis=[1.0]),
        lambda: log_emission([[1]], [[[0.0]]], [0.0, 1.0], basis=[1.0]),
        lambda: log_emission([[1]], [[[0.0]]], [[0.0], [0.0]], basis=[1.0]),
        lambda: gaussian_log_density([[[0.0]]], [[0.0]], std=0.0),
        lambda: gaussian_log_density([[[0.0]]], [[0.0, 0.0]], std=1.0),
        lambda: gumbel_softmax_log_density([0.0, 1.0], [0.0, 0.0], tau=1.0),
        lambda: gumbel_softmax_log_density([0.5, 0.5], [0.0, 0.0], tau=0.0),
        lambda: gumbel_softmax_log_density([0.5, 0.5], [0.0], tau=1.0),
        lambda: one_hot_weights([[0, 0, 1]], [-1.0]),
        lambda: one_hot_weights([[0, 1]], [1.0]),
        lambda: match_states([0, 1], [0]),
        lambda: match_states([], []),
        lambda: match_states([0, -1], [0, 1]),
        lambda: match_states([0, 2], [0, 1], n_states=2),
        lambda: switching_network(0),
        lambda: switching_network(sparsity=1.0),
        lambda: switching_network(2, 3).sample(0),
        lambda: sample_counts([[[0.0]]], [0.0], [[0.5]], basis=[1.0], n_bins=3),
        lambda: sample_counts([[[0.0]]], [0.0, 0.0], [[1.0]], basis=[1.0], n_bins=3),
        lambda: select_n_states([COUNTS[0]], [1, 2]),
        lambda: select_n_states(list(COUNTS), [], n_folds=2),
        lambda: select_n_states(list(COUNTS), [1, 1], n_folds=2),
        lambda: select_n_states(list(COUNTS), [0, 1], n_folds=2),
        lambda: select_n_states(list(COUNTS), [1], n_folds=1),
    ],
    ids=range(31),
)
def test_functions_refuse_what_they_cannot_use(call: Any) -> None:
    refused(call)


def test_a_simulation_that_blows_up_is_told_with_its_bin() -> None:
    refused(
        lambda: sample_counts(
            [[[5.0]]], [2.0], [[1.0]], basis=[1.0], nonlinearity="exp", n_bins=100, n_sequences=3
        ),
        "bin",
        error=NonFiniteError,
    )
