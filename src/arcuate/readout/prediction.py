"""The two-bank read-out: what will happen, when, and with what probability, from one population."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import as_real, as_times, seconds
from arcuate.errors import FitError, SpecError, check_choice, check_int, check_real
from arcuate.mechanisms import eligibility
from arcuate.readout._base import (
    EMPTY,
    Array,
    Bounds,
    Estimator,
    Floats,
    as_gate,
    as_target,
    center_tau,
    check_converging,
)

__all__ = ["TwoBankPredictor", "eligibility_weights", "prediction_targets"]


def prediction_targets(teacher: ArrayLike, outcome: ArrayLike, *, n_outcomes: int) -> Floats:
    """Targets of a single-bank read-out: the teacher on the row of the outcome that came, else 0.

    Parameters
    ----------
    teacher : array_like, (n_trials, n_samples)
        The pulse s(t) of each trial.
    outcome : array_like of int, (n_trials,)
        Index of the outcome; -1 for an omission.
    n_outcomes : int
        Number of outcomes.

    Returns
    -------
    ndarray, (n_trials, n_samples, n_outcomes)

    Raises
    ------
    FitError
        If shapes do not go together or an outcome is not an index.

    Examples
    --------
    >>> from arcuate.readout import prediction_targets
    >>> prediction_targets([[0.0, 1.0], [0.5, 0.0]], [1, -1], n_outcomes=2).tolist()
    [[[0.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    """
    where = "prediction_targets"
    count = check_int(n_outcomes, where=where, name="n_outcomes")
    pulse = as_real(teacher, where=where, name="teacher", error=FitError).astype(np.float64, copy=False)
    if pulse.ndim != 2:
        raise FitError.of(
            where=where, name="teacher", value=f"shape {pulse.shape}", bound="must be (n_trials, n_samples)"
        )
    index = _outcomes(outcome, pulse.shape[0], count, where=where)
    return np.asarray(pulse[:, :, None] * (index[:, None] == np.arange(count))[:, None, :])


def _outcomes(value: ArrayLike | None, n_trials: int, count: int | None, *, where: str) -> NDArray[np.int64]:
    if value is None:
        raise FitError.of(
            where=where, name="outcome", value=None, bound="is needed: which outcome came, by trial"
        )
    index = np.asarray(value)
    if index.ndim == 0 and n_trials == 1:
        index = index[None]
    if index.shape != (n_trials,) or index.dtype.kind not in "iu":
        raise FitError.of(
            where=where,
            name="outcome",
            value=f"{index.dtype} of shape {index.shape}",
            bound=f"must be {n_trials} integers, one per trial",
        )
    index = index.astype(np.int64)
    high = np.iinfo(np.int64).max if count is None else count - 1
    if index.min() < -1 or index.max() > high:
        bad = int(index.min()) if index.min() < -1 else int(index.max())
        raise FitError.of(
            where=where, name="outcome", value=bad, bound=f"must be >= -1 (an omission) and <= {high}"
        )
    return index


def eligibility_weights(
    kind: str,
    times: ArrayLike,
    *,
    cue_window: tuple[Any, Any] = ("0 ms", "300 ms"),
    post_window: tuple[Any, Any] = ("100 ms", "300 ms"),
    trace_tau: Any = "300 ms",
    latency: ArrayLike | None = None,
    teacher: ArrayLike | None = None,
) -> Floats:
    """Weight of each sample in the eligibility that a trial leaves behind.

    Parameters
    ----------
    kind : {"cue", "event", "trace", "post"}
        "cue": 1 in `cue_window` after the trial's start; "event": the teacher; "trace":
        exp(-(latency - t) / trace_tau) up to the event; "post": 1 in `post_window` after the event.
    times : array_like, (n_samples,) or (n_trials, n_samples), s
        Time of each sample since the start of its trial.
    cue_window, post_window : (start, stop), quantities
        Half-open.
    trace_tau : quantity
        Time constant of "trace".
    latency : array_like, (n_trials,), s, optional
        When the outcome comes, for "trace" and "post"; NaN for no event, which leaves no eligibility.
    teacher : array_like, (n_trials, n_samples), optional
        For "event".

    Returns
    -------
    ndarray, (n_trials, n_samples), or the shape of `times` for "cue"

    Raises
    ------
    FitError
        If what the kind needs is missing.
    SpecError
        If the kind is unknown or the window is empty.

    Examples
    --------
    >>> from arcuate.readout import eligibility_weights
    >>> eligibility_weights("post", [0.0, 0.1, 0.2, 0.3], latency=[0.1]).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    where = "eligibility_weights"
    check_choice(kind, eligibility.ELIGIBILITIES, where=where, name="eligibility")
    needed, value = {"event": ("teacher", teacher)}.get(kind, ("latency", latency))
    if kind != "cue" and value is None:
        raise FitError.of(where=where, name=needed, value=None, bound=f'is needed for "{kind}"')
    event = None
    if latency is not None:
        event = np.asarray(latency, dtype=np.float64).reshape(-1, 1)
    if teacher is not None:
        teacher = as_real(teacher, where=where, name="teacher", error=FitError)
    return eligibility.eligibility_weights(
        kind,
        as_real(times, where=where, name="times", error=FitError).astype(np.float64, copy=False),
        cue_window=_window(cue_window, where=where, name="cue_window"),
        post_window=_window(post_window, where=where, name="post_window"),
        trace_tau=seconds(trace_tau, where=where, name="trace_tau", low_open=True),
        latency=event,
        teacher=teacher,
    )


def _window(window: tuple[Any, Any], *, where: str, name: str) -> tuple[float, float]:
    """Start and stop of a window, s."""
    if isinstance(window, str) or len(window) != 2:
        raise SpecError.of(
            where=where, name=name, value=window, bound='must be two times, such as ("0 ms", "300 ms")'
        )
    low, high = (seconds(edge, where=where, name=name) for edge in window)
    if not low < high:
        raise SpecError.of(where=where, name=name, value=window, bound="must start before it stops")
    return low, high


def _events(latency: ArrayLike | None, outcome: NDArray[np.int64]) -> ArrayLike | None:
    """Latencies of the trials in which something came, NaN for the others."""
    if latency is None or np.shape(latency) not in ((), outcome.shape):
        return latency
    return np.where(outcome >= 0, np.asarray(latency, dtype=np.float64), np.nan)


class TwoBankPredictor(Estimator):
    """Two banks of weights on the same states: "when" learns in real time, "what" after the outcome.

    ``z(t) = w x(t)`` says when; ``q = V e`` says what and with what probability; the prediction of
    outcome k is ``max(z(t), 0) q_k``. Within a trial, ``w += eta_when * gate * (s - z) x / (c_when +
    |x|^2)`` at each sample. After the trial, ``V_k += eta_what * (1[k = outcome] - q_k) e / (c_what +
    |e|^2)``, where e is the mean state of the eligibility window. That the two modulators act in
    different phases of a trial is a design of the rule, not a finding.

    Parameters
    ----------
    eta_when, eta_what : float
        Learning rates, > 0.
    c_when, c_what : float
        Constants of the normalizations, >= 0.
    eligibility : {"cue", "event", "trace", "post"}
        What e averages; see :func:`eligibility_weights`.
    when_window : (start, stop), quantities
        The when-bank learns inside it only.
    cue_window, post_window : (start, stop), quantities
        Windows of the eligibilities "cue" and "post".
    trace_tau : quantity
        Time constant of the eligibility "trace".
    period : quantity
        Time between samples; the first is at the start of the trial. ``times=`` in ``fit`` wins.
    n_outcomes : int or None
        Number of outcomes; None takes it from the outcomes of the first fit.
    center_tau : float or None
        Time constant, in trials, of the running mean that is taken off the states; None for none.
    w_min, w_max : float or None
        Bounds of every weight; None for none.
    keep_weights : bool
        Keep the weights of the start of every trial in ``when_weights_`` and ``what_weights_``.

    Attributes
    ----------
    when_coef_ : ndarray, (n_units,)
    what_coef_ : ndarray, (n_outcomes, n_units)
    probe_when_ : ndarray, (n_trials, n_samples)
        z of the weights frozen at the start of each trial: what to score.
    probe_what_ : ndarray, (n_trials, n_outcomes)
        q of the weights frozen at the start of each trial, the estimate of the probabilities.
    online_when_ : ndarray, (n_trials, n_samples)
        z while the weights moved, each before its own update. It follows the teacher: do not score it.
    modulator_when_ : ndarray, (n_trials, n_samples)
        Gate times ``|s - z|``.
    modulator_what_ : ndarray, (n_trials, n_outcomes)
        1[k = outcome] - q_k, which acts after the trial.
    mean_ : ndarray, (n_units,)
        Running trial mean.
    when_weights_, what_weights_ : ndarray, (n_trials, n_units), (n_trials, n_outcomes, n_units)
        Weights at the start of each trial, if they were kept.
    n_trials_ : int
        Trials learned from.

    Notes
    -----
    With eligibility of fixed length q_k converges to the probability p of outcome k, and varies about
    it by ``eta / (2 - eta) p (1 - p)``, where ``eta = eta_what |e|^2 / (c_what + |e|^2)``.

    References
    ----------
    The idea: A. Yamada and Z. C. Chao, arXiv:2510.14382, of which only the abstract was read; rule and
    constants are our choice.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import gaussian_pulse, timing_error
    >>> from arcuate.readout import TwoBankPredictor
    >>> times = np.arange(100) * 0.01
    >>> X = np.tile(gaussian_pulse(times, np.linspace(0, 1, 50)).T, (40, 1, 1))
    >>> y = gaussian_pulse(times, np.full(40, 0.4))
    >>> model = TwoBankPredictor(n_outcomes=2, eta_what=0.3).fit(X, y, outcome=np.zeros(40, int))
    >>> float(timing_error(model.probe_when_, 0.4, times=times)[-1])
    0.0
    >>> model.probe_what_[-1].round(2).tolist()
    [1.0, 0.0]
    """

    when_coef_: Floats
    what_coef_: Floats
    probe_when_: Floats
    probe_what_: Floats
    online_when_: Floats
    modulator_when_: Floats
    modulator_what_: Floats
    when_weights_: Floats
    what_weights_: Floats
    n_trials_: int

    def __init__(
        self,
        *,
        eta_when: float = 0.3,
        eta_what: float = 0.06,
        c_when: float = 30.0,
        c_what: float = 1.0,
        eligibility: str = "cue",
        when_window: tuple[Any, Any] = ("0 ms", "1200 ms"),
        cue_window: tuple[Any, Any] = ("0 ms", "300 ms"),
        post_window: tuple[Any, Any] = ("100 ms", "300 ms"),
        trace_tau: Any = "300 ms",
        period: Any = "10 ms",
        n_outcomes: int | None = None,
        center_tau: float | None = None,
        w_min: float | None = None,
        w_max: float | None = None,
        keep_weights: bool = False,
    ) -> None:
        self.eta_when = eta_when
        self.eta_what = eta_what
        self.c_when = c_when
        self.c_what = c_what
        self.eligibility = eligibility
        self.when_window = when_window
        self.cue_window = cue_window
        self.post_window = post_window
        self.trace_tau = trace_tau
        self.period = period
        self.n_outcomes = n_outcomes
        self.center_tau = center_tau
        self.w_min = w_min
        self.w_max = w_max
        self.keep_weights = keep_weights

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        outcome: ArrayLike | None = None,
        latency: ArrayLike | None = None,
        gate: ArrayLike | None = None,
        times: ArrayLike | None = None,
    ) -> Self:
        """Learn from the beginning, trial after trial.

        Parameters
        ----------
        X : array_like, (n_trials, n_samples, n_units) or (n_samples, n_units)
            States in the order in which they came; two dimensions are one trial.
        y : array_like, (n_trials, n_samples)
            Teacher s(t): a pulse when the outcome comes, 0 on an omission trial.
        outcome : array_like of int, (n_trials,)
            Index of the outcome; -1 for an omission. Needed.
        latency : array_like, (n_trials,), s, optional
            When the outcome comes; needed for the eligibilities "trace" and "post". An omission trial
            leaves no eligibility in them.
        gate : array_like, (n_samples,) or (n_trials, n_samples), optional
            Attention gate of the when-bank.
        times : array_like, (n_samples,) or (n_trials, n_samples), s, optional
            Time of each sample since the start of its trial.

        Returns
        -------
        TwoBankPredictor
            The estimator itself.

        Raises
        ------
        FitError
            If shapes do not go together, a value is not finite, something needed is missing, or all
            trials have one outcome and `n_outcomes` was not given.
        SpecError
            If a parameter is out of range.
        """
        return self._learn(X, y, outcome, latency=latency, gate=gate, times=times, fresh=True)

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        outcome: ArrayLike | None = None,
        latency: ArrayLike | None = None,
        gate: ArrayLike | None = None,
        times: ArrayLike | None = None,
    ) -> Self:
        """Learn on, from one trial or several; needs `n_outcomes`.

        Parameters
        ----------
        X : array_like, (n_trials, n_samples, n_units) or (n_samples, n_units)
            States; two dimensions are one trial.
        y : array_like, (n_trials, n_samples) or (n_samples,)
            Teacher s(t).
        outcome : array_like of int, (n_trials,) or ()
            Index of the outcome; -1 for an omission. Needed.
        latency : array_like, (n_trials,) or (), s, optional
            When the outcome comes.
        gate : array_like, (n_samples,) or (n_trials, n_samples), optional
            Attention gate of the when-bank.
        times : array_like, (n_samples,) or (n_trials, n_samples), s, optional
            Time of each sample since the start of its trial.

        Returns
        -------
        TwoBankPredictor
            The estimator itself; probes and modulators are those of these trials.

        Raises
        ------
        FitError
            As `fit`.
        SpecError
            If a parameter is out of range.
        """
        fresh = not self.__sklearn_is_fitted__()
        return self._learn(X, y, outcome, latency=latency, gate=gate, times=times, fresh=fresh)

    def predict(
        self,
        X: ArrayLike,
        *,
        y: ArrayLike | None = None,
        latency: ArrayLike | None = None,
        times: ArrayLike | None = None,
    ) -> Floats:
        """Prediction of each outcome, max(z(t), 0) q_k, by the weights as they are now.

        Parameters
        ----------
        X : array_like, (n_trials, n_samples, n_units) or (n_samples, n_units)
            States.
        y : array_like, (n_trials, n_samples), optional
            Teacher, for the eligibility "event".
        latency : array_like, (n_trials,), s, optional
            For the eligibilities "trace" and "post".
        times : array_like, (n_samples,) or (n_trials, n_samples), s, optional
            Time of each sample since the start of its trial.

        Returns
        -------
        ndarray, (n_trials, n_samples, n_outcomes)
            Without the first axis for states of two dimensions.

        Raises
        ------
        FitError
            If the estimator is not fitted, or the states have other units or are not finite.
        """
        from arcuate.readout import _kernels

        self._fitted()
        states = self._states(X, known=True)
        eligible = self._eligible(self._grid(states.shape, times), y, latency)
        z = np.empty((*states.shape[:2], 1))
        _kernels.read_trials(states, self.when_coef_[None], self.mean_, z)
        total = eligible.sum(axis=1, keepdims=True)
        share = np.divide(eligible, total, out=np.zeros_like(eligible), where=total > 0)
        e = np.einsum("ts,tsi->ti", share, states, optimize=True) - share.sum(axis=1)[:, None] * self.mean_
        out = np.maximum(z, 0.0) * (e @ self.what_coef_.T)[:, None, :]
        return np.asarray(out[0] if np.ndim(X) == 2 else out)

    def _grid(self, shape: tuple[int, ...], times: ArrayLike | None) -> Floats:
        """Time of each sample, (n_trials, n_samples)."""
        where = type(self).__name__
        if times is None:
            grid = np.arange(shape[1]) * seconds(self.period, where=where, name="period", low_open=True)
        else:
            grid = as_times(times, shape[:2], where=where, error=FitError)
        return np.broadcast_to(grid, shape[:2])

    def _eligible(self, grid: Floats, y: ArrayLike | None, latency: ArrayLike | None) -> Floats:
        where = type(self).__name__
        if latency is not None and np.shape(latency) not in ((), grid.shape[:1]):
            raise FitError.of(
                where=where,
                name="latency",
                value=f"shape {np.shape(latency)}",
                bound=f"must be ({grid.shape[0]},), one per trial",
            )
        weights = eligibility_weights(
            self.eligibility,
            grid,
            cue_window=self.cue_window,
            post_window=self.post_window,
            trace_tau=self.trace_tau,
            latency=latency,
            teacher=None if y is None else as_target(y, (*grid.shape, 1), where=where)[0][..., 0],
        )
        if self.eligibility == "cue" and not weights.any():
            raise FitError.of(where=where, name="cue_window", value=self.cue_window, bound="holds no sample")
        return np.ascontiguousarray(weights)

    def _rates(self) -> Floats:
        where = type(self).__name__
        rates = [
            check_real(getattr(self, name), where=where, name=name, low=0.0, low_open=name.startswith("eta"))
            for name in ("eta_when", "c_when", "eta_what", "c_what")
        ]
        bounds = Bounds.of(self.w_min, self.w_max, where=where)
        bounds.start(0.0, (1, 1), where=where)
        return np.array([*rates, bounds.low, bounds.high])

    def _count(self, outcome: NDArray[np.int64]) -> int:
        if self.n_outcomes is not None:
            return int(self.n_outcomes)
        if np.unique(outcome[outcome >= 0]).size < 2:
            raise FitError.of(
                where=type(self).__name__,
                name="outcome",
                value=outcome,
                bound="has fewer than two outcomes, so their number is not known",
                fix="give n_outcomes",
            )
        return int(outcome.max()) + 1

    def _learn(
        self,
        X: ArrayLike,
        y: ArrayLike,
        outcome: ArrayLike | None,
        *,
        latency: ArrayLike | None,
        gate: ArrayLike | None,
        times: ArrayLike | None,
        fresh: bool,
    ) -> Self:
        where = type(self).__name__
        rates, tau = self._rates(), center_tau(self.center_tau, where=where)
        count = (
            None if self.n_outcomes is None else check_int(self.n_outcomes, where=where, name="n_outcomes")
        )
        states = self._states(X, known=not fresh)
        teacher, single = as_target(y, states.shape, where=where)
        if not single:
            raise FitError.of(
                where=where, name="y", value=f"shape {np.shape(y)}", bound="must have no output axis"
            )
        known = count if fresh else self.what_coef_.shape[0]
        index = _outcomes(outcome, states.shape[0], known, where=where)
        grid = self._grid(states.shape, times)
        eligible = self._eligible(grid, y, _events(latency, index))
        gates = as_gate(gate, states.shape, where=where)
        low, high = _window(self.when_window, where=where, name="when_window")
        gates = gates * ((grid >= low - eligibility.SLACK) & (grid < high - eligibility.SLACK))
        n_trials, n_samples, n_units = states.shape
        if fresh:
            weights, mean, first = np.zeros((1 + self._count(index), n_units)), np.zeros(n_units), 0
        else:
            weights, mean, first = (
                np.vstack([self.when_coef_, self.what_coef_]),
                self.mean_.copy(),
                self.n_trials_,
            )
        history = np.empty((n_trials, *weights.shape)) if self.keep_weights else EMPTY
        per_sample = [np.empty((n_trials, n_samples)) for _ in range(3)]
        per_trial = [np.empty((n_trials, weights.shape[0] - 1)) for _ in range(2)]
        self._run(
            (states, np.ascontiguousarray(teacher[..., 0]), gates, eligible, index, rates, tau, first),
            (weights, mean, per_sample[0], per_trial[0], per_sample[1], per_sample[2], per_trial[1], history),
        )
        check_converging(weights, where=where, fix="lower eta_when and eta_what, below 2")
        self.when_coef_, self.what_coef_ = weights[0].copy(), weights[1:].copy()
        self.mean_, self.n_trials_, self.n_features_in_ = mean, first + n_trials, n_units
        self.probe_when_, self.online_when_, self.modulator_when_ = per_sample
        self.probe_what_, self.modulator_what_ = per_trial
        if self.keep_weights:
            self.when_weights_, self.what_weights_ = history[:, 0], history[:, 1:]
        return self

    def _run(self, given: tuple[Array | float, ...], written: tuple[Array, ...]) -> None:
        from arcuate.readout import _kernels

        _kernels.two_bank_trials(*given, *written)
