"""Bad inputs of read-outs and analyses: our error, the argument's name, the value, the bound, the way out."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from arcuate import analysis
from arcuate.errors import ArcuateError
from arcuate.readout import RLS, Delta, Ridge, TwoBankPredictor, eligibility_weights, prediction_targets

X = np.random.default_rng(0).normal(size=(4, 10, 3))
Y = X.sum(axis=2)
K = np.array([0, 1, 0, 1])
TIMES = np.arange(10) * 0.01
NAN, INF = float("nan"), float("inf")


def with_nan(array: np.ndarray, value: float = NAN) -> np.ndarray:
    out = array.copy()
    out.flat[17] = value
    return out


def two(**options: Any) -> TwoBankPredictor:
    return TwoBankPredictor(**{"n_outcomes": 2, **options}).fit(X, Y, outcome=K)


def partial(model: Any, **second: Any) -> Any:
    extra = {"outcome": K} if isinstance(model, TwoBankPredictor) else {}
    model.fit(X, Y, **extra)
    return model.partial_fit(**second)


BAD: dict[str, tuple[Callable[[], Any], str, str]] = {
    # row 62: learning rates
    "delta rate negative": (lambda: Delta(-0.1).fit(X, Y), "learning_rate", "-0.1"),
    "delta rate nan": (lambda: Delta(NAN).fit(X, Y), "learning_rate", "finite"),
    "delta rate inf": (lambda: Delta(INF).fit(X, Y), "learning_rate", "finite"),
    "delta rate text": (lambda: Delta("fast").fit(X, Y), "learning_rate", "fast"),
    "delta rate true": (lambda: Delta(True).fit(X, Y), "learning_rate", "True"),
    "delta c negative": (lambda: Delta(normalization=-1.0).fit(X, Y), "normalization", ">= 0"),
    "when rate zero": (lambda: two(eta_when=0.0), "eta_when", "> 0"),
    "what rate negative": (lambda: two(eta_what=-1.0), "eta_what", "> 0"),
    "what rate nan": (lambda: two(eta_what=NAN), "eta_what", "finite"),
    "when c negative": (lambda: two(c_when=-1.0), "c_when", ">= 0"),
    # row 63: time constants
    "trace tau zero": (
        lambda: TwoBankPredictor(eligibility="trace", trace_tau="0 ms").fit(
            X, Y, outcome=K, latency=K * 0.01
        ),
        "trace_tau",
        "> 0",
    ),
    "trace tau without unit": (
        lambda: TwoBankPredictor(eligibility="trace", trace_tau=300).fit(X, Y, outcome=K, latency=K * 0.01),
        "trace_tau",
        "300",
    ),
    "center below one trial": (lambda: Delta(center_tau=0.5).fit(X, Y), "center_tau", ">= 1"),
    "period zero": (lambda: two(period="0 ms"), "period", "> 0"),
    # rows 64 and 65: bounds
    "delta bounds crossed": (lambda: Delta(w_min=1.0, w_max=-1.0).fit(X, Y), "w_min", "w_max = -1"),
    "two-bank bounds crossed": (lambda: two(w_min=1.0, w_max=0.0), "w_min", "w_max = 0"),
    "bound nan": (lambda: Delta(w_max=NAN).fit(X, Y), "w_max", "finite"),
    "initial outside": (
        lambda: Delta(w_max=1.0, initial_weight=2.0).fit(X, Y),
        "initial_weight",
        "w_max = 1",
    ),
    "initial zero outside": (lambda: two(w_min=0.5), "initial_weight", "w_min = 0.5"),
    "initial of other shape": (
        lambda: Delta(initial_weight=np.zeros((3, 1))).fit(X, Y),
        "initial_weight",
        "(1, 3)",
    ),
    # row 66: a modulator of another length
    "gate too short": (lambda: Delta().fit(X, Y, gate=np.ones(9)), "gate", "(10,)"),
    "gate transposed": (lambda: RLS().fit(X, Y, gate=np.ones((10, 4))), "gate", "(4, 10)"),
    "gate negative": (lambda: Delta().fit(X, Y, gate=-np.ones(10)), "gate", ">= 0"),
    "gate nan": (lambda: Ridge().fit(X, Y, gate=np.full((4, 10), NAN)), "gate", "finite"),
    "gate shut for ridge": (lambda: Ridge().fit(X, Y, gate=np.zeros(10)), "gate", "> 0"),
    "latency too short": (
        lambda: TwoBankPredictor(eligibility="post").fit(X, Y, outcome=K, latency=[0.1]),
        "latency",
        "(4,)",
    ),
    "outcome too short": (lambda: TwoBankPredictor().fit(X, Y, outcome=K[:3]), "outcome", "4 integers"),
    "outcome of floats": (lambda: TwoBankPredictor().fit(X, Y, outcome=K * 1.0), "outcome", "integers"),
    "outcome below": (lambda: TwoBankPredictor().fit(X, Y, outcome=K - 2), "outcome", "-2"),
    "outcome above": (lambda: TwoBankPredictor(n_outcomes=2).fit(X, Y, outcome=K + 1), "outcome", "<= 1"),
    # row 67: the rule lacks what it needs
    "no outcome": (lambda: TwoBankPredictor().fit(X, Y), "outcome", "needed"),
    "no teacher": (lambda: TwoBankPredictor().fit(X, None, outcome=K), "y", "needed"),
    "no latency": (lambda: TwoBankPredictor(eligibility="post").fit(X, Y, outcome=K), "latency", "needed"),
    "no event in weights": (lambda: eligibility_weights("event", TIMES), "teacher", "needed"),
    "unknown eligibility": (lambda: two(eligibility="que"), "que", "'cue'"),
    "window empty": (lambda: two(cue_window=("300 ms", "100 ms")), "cue_window", "before"),
    "window without a sample": (lambda: two(cue_window=("5 s", "6 s")), "cue_window", "no sample"),
    "window one time": (lambda: two(cue_window="300 ms"), "cue_window", "two times"),
    # row 71: training sets
    "no trials": (lambda: Delta().fit(X[:0], Y[:0]), "X", "none of them 0"),
    "no samples": (lambda: RLS().fit(X[:, :0], Y[:, :0]), "X", "none of them 0"),
    "no units": (lambda: Ridge().fit(X[:, :, :0], Y), "X", "none of them 0"),
    "one class only": (lambda: TwoBankPredictor().fit(X, Y, outcome=K * 0), "outcome", "n_outcomes"),
    "only omissions": (lambda: TwoBankPredictor().fit(X, Y, outcome=K * 0 - 1), "outcome", "n_outcomes"),
    "one axis": (lambda: Ridge().fit(Y[0], Y[0]), "X", "n_units"),
    "target shorter": (lambda: Ridge().fit(X, Y[:3]), "y", "(4, 10)"),
    "target transposed": (lambda: Delta().fit(X, Y.T), "y", "(4, 10)"),
    "teacher with outputs": (lambda: TwoBankPredictor().fit(X, Y[..., None], outcome=K), "y", "output axis"),
    "states nan": (lambda: Ridge().fit(with_nan(X), Y), "X", "(0, 5, 2)"),
    "states inf": (lambda: RLS().fit(with_nan(X, INF), Y), "X", "inf"),
    "target nan": (lambda: Delta().fit(X, with_nan(Y)), "y", "(1, 7)"),
    "states complex": (lambda: Ridge().fit(X * 1j, Y), "X", "real"),
    "states text": (lambda: Ridge().fit([["a", "b"]], [1.0]), "X", "real"),
    "states ragged": (lambda: Ridge().fit([[1.0, 2.0], [3.0]], [1.0, 2.0]), "X", "regular"),
    "constant target has no score": (lambda: Ridge().fit(X, Y).score(X, Y * 0), "y", "R^2"),
    # row 72: RLS
    "rls alpha zero": (lambda: RLS(alpha=0).fit(X, Y), "alpha", "> 0"),
    "rls alpha negative": (lambda: RLS(alpha=-1.0).fit(X, Y), "alpha", "> 0"),
    "rls alpha nan": (lambda: RLS(alpha=NAN).fit(X, Y), "alpha", "finite"),
    "rls forgetting zero": (lambda: RLS(forgetting=0.0).fit(X, Y), "forgetting", "> 0"),
    "rls forgetting above one": (lambda: RLS(forgetting=1.01).fit(X, Y), "forgetting", "<= 1"),
    "rls every zero": (lambda: RLS(every=0).fit(X, Y), "every", ">= 1"),
    "rls every half": (lambda: RLS(every=0.5).fit(X, Y), "every", "integer"),
    "rls reset negative": (lambda: RLS(reset_at=[-1]).fit(X, Y), "reset_at", ">= 0"),
    "ridge alpha negative": (lambda: Ridge(alpha=-1.0).fit(X, Y), "alpha", ">= 0"),
    "ridge without penalty on dependent units": (
        lambda: Ridge(alpha=0.0).fit(X[:, :, [0, 0]], Y),
        "X",
        "alpha > 0",
    ),
    # the order of calls
    "predict before fit": (lambda: Ridge().predict(X), "Ridge", "fit(X, y) first"),
    "two-bank predict before fit": (lambda: TwoBankPredictor().predict(X), "TwoBank", "fit(X, y) first"),
    "predict other units": (lambda: Ridge().fit(X, Y).predict(X[..., :2]), "X", "3 units"),
    "learn on with other units": (lambda: partial(Delta(), X=X[..., :2], y=Y), "X", "3 units"),
    "learn on with other outputs": (lambda: partial(RLS(), X=X, y=X), "y", "3 outputs"),
    "misspelt parameter": (lambda: Delta().set_params(learning_rat=1), "learning_rat", "'learning_rate'"),
    "plain delta diverges": (
        lambda: Delta(1e6, normalization=None).fit(np.tile(X, (60, 1, 1)), np.tile(Y, (60, 1))),
        "coef_",
        "learning_rate",
    ),
    "targets of flat teacher": (lambda: prediction_targets(Y[0], K, n_outcomes=2), "teacher", "n_samples"),
    "targets of no outcomes": (lambda: prediction_targets(Y, K, n_outcomes=0), "n_outcomes", ">= 1"),
    # rows 91-95: analyses
    "cv without neuron count": (lambda: analysis.isi_cv([0.1], neuron=[0]), "n_neurons", "integer"),
    "rates without duration": (lambda: analysis.rates([0.1]), "duration", "needed"),
    "rates of no time": (lambda: analysis.rates([0.1], duration="0 s"), "duration", "> 0"),
    "spike nan": (lambda: analysis.rates([NAN], duration="1 s"), "time", "finite"),
    "neuron beyond": (
        lambda: analysis.rates([0.1], neuron=[3], n_neurons=3, duration="1 s"),
        "neuron",
        "< 3",
    ),
    "neuron negative": (
        lambda: analysis.rates([0.1], neuron=[-1], n_neurons=3, duration="1 s"),
        "neuron",
        "-1",
    ),
    "population not named": (
        lambda: analysis.rates(SimpleNamespace(spikes=len, populations=["exc", "inh"])),
        "population",
        "exc, inh",
    ),
    "filter unknown": (
        lambda: analysis.filtered_rates([0.1], times=TIMES, model="alpha"),
        "alpha",
        "two_stage",
    ),
    "filter tau missing one": (
        lambda: analysis.filtered_rates([0.1], times=TIMES, model="double_exponential"),
        "tau",
        "(rise, decay)",
    ),
    "filter times descend": (lambda: analysis.filtered_rates([0.1], times=TIMES[::-1]), "times", "ascend"),
    "constant activity": (lambda: analysis.participation_ratio(np.ones((5, 3))), "states", "constant"),
    "two samples": (lambda: analysis.covariance(X[0, :2]), "states", ">= 3"),
    "locked with one trial": (
        lambda: analysis.participation_ratio(X[:1], remove="locked"),
        "states",
        "2 trials",
    ),
    "angle of nothing": (lambda: analysis.principal_angles([0.0, 0.0], [1.0, 0.0]), "a", "zeros"),
    "angle of other units": (lambda: analysis.principal_angles(np.eye(2), np.eye(3)), "b", "2 units"),
    "angle nan": (lambda: analysis.principal_angles([NAN, 1.0], [1.0, 0.0]), "a", "finite"),
    "null without covariance": (lambda: analysis.angle_null("matched"), "cov", "needed"),
    "null of unknown kind": (lambda: analysis.angle_null("isotropi"), "isotropi", "isotropic"),
    "null wider than space": (lambda: analysis.angle_null("isotropic", n_units=1), "n_b", "<= the 1"),
    "covariance not symmetric": (
        lambda: analysis.signal_correlation([1.0, 0], [0, 1.0], cov=[[1.0, 0.5], [0.0, 1.0]]),
        "cov",
        "symmetric",
    ),
    "snr of one trial": (lambda: analysis.signal_to_noise(X[:1], times=TIMES), "states", "2 trials"),
    "decoding nan row": (lambda: analysis.time_decoding(with_nan(X), times=TIMES), "states", "finite"),
    "decoding outside": (
        lambda: analysis.time_decoding(X, times=TIMES, latencies=["2 s"]),
        "latencies",
        "[0, 0.09]",
    ),
    "decoding more folds than trials": (
        lambda: analysis.time_decoding(X, times=TIMES, latencies=["50 ms"]),
        "states",
        "n_folds = 5",
    ),
    "times of other length": (lambda: analysis.peak_times(X, times=TIMES[:9]), "times", "(10,)"),
    "criterion of nan": (lambda: analysis.criterion_trial([NAN], window=1, bound=1.0), "values", "finite"),
    "criterion bound without unit": (
        lambda: analysis.trials_to_criterion(np.zeros(20), block=np.zeros(20), bound=20),
        "bound",
        "20",
    ),
    "criterion without target": (
        lambda: analysis.trials_to_criterion(np.zeros(20), block=np.zeros(20), kind="probability"),
        "target",
        "needed",
    ),
    "criterion target no probability": (
        lambda: analysis.trials_to_criterion(
            np.zeros(20), block=np.zeros(20), kind="probability", target=np.full(20, 1.2)
        ),
        "target",
        "[0, 1]",
    ),
    "criterion block of other length": (
        lambda: analysis.trials_to_criterion(np.zeros(20), block=np.zeros(19)),
        "block",
        "(20,)",
    ),
    "timing of other latencies": (lambda: analysis.timing_error(Y, [0.1], times=TIMES), "latency", "(4,)"),
    "line through one probability": (
        lambda: analysis.amplitude_vs_probability([1.0, 2.0, 3.0], [0.5, 0.5, 0.5]),
        "probability",
        "differ",
    ),
    "bootstrap of nothing": (lambda: analysis.bootstrap_interval([]), "values", "one or more"),
    "bootstrap of nan": (lambda: analysis.bootstrap_interval([NAN]), "values", "NaN"),
    "bootstrap level": (lambda: analysis.bootstrap_interval([1.0], level=95), "level", "< 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case: str):
    call, name, bound = BAD[case]
    with pytest.raises(ArcuateError) as caught:
        call()
    message = str(caught.value)
    assert name in message
    assert bound in message
    assert len(message.splitlines()) <= 4


@pytest.mark.parametrize("rule", [Delta(), RLS(), TwoBankPredictor(n_outcomes=2)], ids=repr)
def test_a_refused_trial_leaves_the_estimator_as_it_was(rule: Any):
    extra = {"outcome": K} if isinstance(rule, TwoBankPredictor) else {}
    model = type(rule)(**rule.get_params()).fit(X, Y, **extra)
    before = {name: np.copy(value) for name, value in vars(model).items() if isinstance(value, np.ndarray)}
    with pytest.raises(ArcuateError):
        model.partial_fit(with_nan(X), Y, **extra)
    assert before
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(model, name), value)


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.uint8, bool])
def test_other_kinds_of_numbers_are_computed_in_double_precision(dtype: type):
    states = (X > 0).astype(dtype)
    one = Ridge().fit(states, Y)
    np.testing.assert_array_equal(one.coef_, Ridge().fit(states.astype(float), Y).coef_)
    assert one.coef_.dtype == np.float64
