"""Read-outs with one weight matrix: ridge regression, the delta rule, recursive least squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from arcuate.errors import FitError, check_int, check_real
from arcuate.readout._base import (
    EMPTY,
    Array,
    Bounds,
    Floats,
    LinearReadout,
    as_gate,
    as_target,
    center_tau,
    check_converging,
)

__all__ = ["RLS", "Delta", "Ridge"]


class Ridge(LinearReadout):
    """Ridge regression of a target on all samples at once, (X'X + alpha I)^-1 X'Y.

    Parameters
    ----------
    alpha : float
        Penalty, >= 0; 0 needs states of full rank.
    fit_intercept : bool
        Take the means off states and target first. Off by default, so that it is what recursive least
        squares computes.

    Attributes
    ----------
    coef_ : ndarray, (n_outputs, n_units)
    intercept_ : ndarray, (n_outputs,)
        0 without an intercept.
    mean_ : ndarray, (n_units,)
        Mean of the states, taken off before the weights apply; 0 without an intercept.

    References
    ----------
    A. E. Hoerl and R. W. Kennard, Technometrics 12 (1970), doi:10.1080/00401706.1970.10488634.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.readout import Ridge
    >>> X = np.random.default_rng(0).normal(size=(4, 50, 3))
    >>> Ridge(alpha=1e-9).fit(X, X @ [1.0, 2.0, 3.0]).coef_.round(6).tolist()
    [[1.0, 2.0, 3.0]]
    """

    def __init__(self, alpha: float = 1.0, *, fit_intercept: bool = False) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def fit(self, X: ArrayLike, y: ArrayLike, *, gate: ArrayLike | None = None) -> Self:
        """Solve for the weights.

        Parameters
        ----------
        X : array_like, (n_trials, n_samples, n_units) or (n_samples, n_units)
            States.
        y : array_like, (n_trials, n_samples[, n_outputs]) or (n_samples[, n_outputs])
            Target.
        gate : array_like, (n_samples,) or (n_trials, n_samples), optional
            Weight of each sample.

        Returns
        -------
        Ridge
            The estimator itself.

        Raises
        ------
        FitError
            If shapes do not go together, a value is not finite, or the equations have no solution.
        SpecError
            If a parameter is out of range.
        """
        alpha = check_real(self.alpha, where="Ridge", name="alpha", low=0.0)
        states = self._states(X, known=False)
        target, single = as_target(y, states.shape, where="Ridge")
        weight = as_gate(gate, states.shape, where="Ridge")
        if not weight.sum() > 0:
            raise FitError.of(where="Ridge", name="gate", value=0.0, bound="must be > 0 somewhere")
        mean, offset = np.zeros(states.shape[2]), np.zeros(target.shape[2])
        if self.fit_intercept:
            for s, y_t, g in zip(states, target, weight / weight.sum(), strict=True):
                mean += g @ s
                offset += g @ y_t
        gram, cross = np.diag(np.full(mean.size, alpha)), np.zeros((mean.size, offset.size))
        block = max(1, 8192 // states.shape[1])  # trials at a time, so that memory stays small
        for k in range(0, states.shape[0], block):
            root = np.sqrt(weight[k : k + block])[..., None]
            rows = ((states[k : k + block] - mean) * root).reshape(-1, mean.size)
            gram += rows.T @ rows
            cross += rows.T @ ((target[k : k + block] - offset) * root).reshape(-1, offset.size)
        self.coef_ = np.ascontiguousarray(_solve(gram, cross).T)
        self.mean_, self.intercept_ = mean, offset
        self.single_output_, self.n_features_in_ = single, states.shape[2]
        return self


def _solve(gram: Floats, cross: Floats) -> Floats:
    """Solve symmetric positive definite equations."""
    from scipy import linalg

    try:
        factor = linalg.cho_factor(gram, lower=True)
    except linalg.LinAlgError as cause:
        raise FitError.of(
            where="Ridge", name="X", value="singular", bound="has dependent units", fix="use alpha > 0"
        ) from cause
    return np.asarray(linalg.cho_solve(factor, cross))


class _Sequential(LinearReadout):
    """Trial-by-trial learning: what Delta and RLS share.

    A trial's probe outputs are those of the weights frozen at its start, taken before the trial's
    target was used. The online outputs follow the target within the trial and must not be scored.
    """

    center_tau: float | None
    keep_weights: bool
    n_trials_: int
    probe_: Floats
    online_: Floats
    weights_: Floats

    def fit(self, X: ArrayLike, y: ArrayLike, *, gate: ArrayLike | None = None) -> Self:
        """Learn from the beginning, trial after trial.

        Parameters
        ----------
        X : array_like, (n_trials, n_samples, n_units) or (n_samples, n_units)
            States in the order in which they came; two dimensions are one trial.
        y : array_like, (n_trials, n_samples[, n_outputs]) or (n_samples[, n_outputs])
            Target.
        gate : array_like, (n_samples,) or (n_trials, n_samples), optional
            Attention gate; nothing is learned where it is 0.

        Returns
        -------
        Delta or RLS
            The estimator itself.

        Raises
        ------
        FitError
            If shapes do not go together, a value is not finite, or learning diverges.
        SpecError
            If a parameter is out of range.
        """
        return self._learn(X, y, gate, fresh=True)

    def partial_fit(self, X: ArrayLike, y: ArrayLike, *, gate: ArrayLike | None = None) -> Self:
        """Learn on, from one trial or several.

        Parameters
        ----------
        X : array_like, (n_trials, n_samples, n_units) or (n_samples, n_units)
            States; two dimensions are one trial.
        y : array_like, (n_trials, n_samples[, n_outputs]) or (n_samples[, n_outputs])
            Target.
        gate : array_like, (n_samples,) or (n_trials, n_samples), optional
            Attention gate.

        Returns
        -------
        Delta or RLS
            The estimator itself; ``probe_``, ``online_`` and ``weights_`` are those of these trials.

        Raises
        ------
        FitError
            If shapes do not go together, a value is not finite, or learning diverges.
        SpecError
            If a parameter is out of range.
        """
        return self._learn(X, y, gate, fresh=not self.__sklearn_is_fitted__())

    def _learn(self, X: ArrayLike, y: ArrayLike, gate: ArrayLike | None, *, fresh: bool) -> Self:
        name = type(self).__name__
        tau = center_tau(self.center_tau, where=name)
        options = self._options()
        states = self._states(X, known=not fresh)
        target, single = as_target(y, states.shape, where=name)
        gates = as_gate(gate, states.shape, where=name)
        if not fresh and target.shape[2] != self.coef_.shape[0]:
            raise FitError.of(
                where=name,
                name="y",
                value=f"{target.shape[2]} outputs",
                bound=f"must have {self.coef_.shape[0]}",
            )
        if fresh:
            coef = self._start(target.shape[2], states.shape[2])
            mean, first = np.zeros(states.shape[2]), 0
        else:
            coef, mean, first = self.coef_.copy(), self.mean_.copy(), self.n_trials_
        probe, online = np.empty(target.shape), np.empty(target.shape)
        history = np.empty((states.shape[0], *coef.shape)) if self.keep_weights else EMPTY
        self._run(states, target, gates, options, tau, first, coef, mean, probe, online, history)
        check_converging(coef, where=name, fix=self._remedy)
        self.coef_, self.mean_, self.intercept_ = coef, mean, np.zeros(coef.shape[0])
        self.n_trials_, self.single_output_, self.n_features_in_ = first + states.shape[0], single, mean.size
        self.probe_, self.online_ = (probe[..., 0], online[..., 0]) if single else (probe, online)
        if self.keep_weights:
            self.weights_ = history
        return self

    _remedy = ""

    def _options(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def _start(self, n_outputs: int, n_units: int) -> Floats:
        raise NotImplementedError

    def _run(self, states: Array, target: Floats, gate: Floats, options: tuple[Any, ...], *rest: Any) -> None:
        raise NotImplementedError


class Delta(_Sequential):
    """Delta rule with an attention gate, plain or normalized (a three-factor rule: trace, error, gate).

    At each sample ``w += learning_rate * gate * error * x / (c + |x|^2)``; without normalization the
    divisor is 1.

    Parameters
    ----------
    learning_rate : float
        Step size, > 0. Stable below ``2 / mean(|x|^2)`` (plain) or below 2 (normalized).
    normalization : float or None
        The constant c, >= 0; None for the plain rule.
    center_tau : float or None
        Time constant, in trials, of the running mean that is taken off the states; None for none.
    w_min, w_max : float or None
        Bounds of a weight; None for none.
    initial_weight : float or array_like, (n_outputs, n_units)
        Weights to start from.
    keep_weights : bool
        Keep the weights of the start of every trial in ``weights_``.

    Attributes
    ----------
    coef_ : ndarray, (n_outputs, n_units)
    probe_ : ndarray, (n_trials, n_samples[, n_outputs])
        Outputs of the weights frozen at the start of each trial: what to score.
    online_ : ndarray, (n_trials, n_samples[, n_outputs])
        Outputs while the weights moved, each before its own update.
    mean_ : ndarray, (n_units,)
        Running trial mean.
    weights_ : ndarray, (n_trials, n_outputs, n_units)
        Weights at the start of each trial, if they were kept.
    n_trials_ : int
        Trials learned from.

    References
    ----------
    Defaults are those of the what/when model (our choice there).

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.readout import Delta
    >>> X = np.random.default_rng(0).normal(size=(40, 50, 3))
    >>> readout = Delta(normalization=1.0).fit(X, X @ [1.0, 2.0, 3.0])
    >>> readout.coef_.round(3).tolist(), readout.probe_.shape
    ([[1.0, 2.0, 3.0]], (40, 50))
    """

    _remedy = "lower learning_rate, below 2 / mean |x|^2 for the plain rule, or set normalization"

    def __init__(
        self,
        learning_rate: float = 0.3,
        *,
        normalization: float | None = 30.0,
        center_tau: float | None = None,
        w_min: float | None = None,
        w_max: float | None = None,
        initial_weight: float | ArrayLike = 0.0,
        keep_weights: bool = False,
    ) -> None:
        self.learning_rate = learning_rate
        self.normalization = normalization
        self.center_tau = center_tau
        self.w_min = w_min
        self.w_max = w_max
        self.initial_weight = initial_weight
        self.keep_weights = keep_weights

    def _options(self) -> tuple[Any, ...]:
        rate = check_real(self.learning_rate, where="Delta", name="learning_rate", low=0.0, low_open=True)
        c = self.normalization
        c = -1.0 if c is None else check_real(c, where="Delta", name="normalization", low=0.0)
        bounds = Bounds.of(self.w_min, self.w_max, where="Delta")
        return rate, c, bounds.low, bounds.high

    def _start(self, n_outputs: int, n_units: int) -> Floats:
        bounds = Bounds.of(self.w_min, self.w_max, where="Delta")
        return bounds.start(self.initial_weight, (n_outputs, n_units), where="Delta")

    def _run(self, states: Array, target: Floats, gate: Floats, options: tuple[Any, ...], *rest: Any) -> None:
        from arcuate.readout import _kernels

        _kernels.delta_trials(states, target, gate, *options, *rest)


class RLS(_Sequential):
    """Recursive least squares, the rule of FORCE learning.

    After n updates from zero weights, without forgetting, the weights are those of ridge regression
    with the same alpha on the n samples. A later sample moves them by about 1/n: that is why FORCE
    does not adapt to a change unless it forgets or is reset.

    Parameters
    ----------
    alpha : float
        Penalty, > 0; P starts at I / alpha.
    forgetting : float
        Forgetting factor in (0, 1]; 1 for none.
    every : int
        Update at every so many samples of a trial, from its first.
    reset_at : sequence of int
        Trials, counted from the first of the fit, before which P starts again; the weights stay.
    normalized : bool
        False for the published FORCE code, which moves the weights by P x of before the update.
    center_tau : float or None
        Time constant, in trials, of the running mean that is taken off the states; None for none.
    keep_weights : bool
        Keep the weights of the start of every trial in ``weights_``.

    Attributes
    ----------
    coef_ : ndarray, (n_outputs, n_units)
    p_ : ndarray, (n_units, n_units)
        Inverse of the penalized, discounted Gram matrix; shared by all outputs.
    probe_ : ndarray, (n_trials, n_samples[, n_outputs])
        Outputs of the weights frozen at the start of each trial: what to score.
    online_ : ndarray, (n_trials, n_samples[, n_outputs])
        Outputs while the weights moved, each before its own update.
    mean_ : ndarray, (n_units,)
        Running trial mean.
    weights_ : ndarray, (n_trials, n_outputs, n_units)
        Weights at the start of each trial, if they were kept.
    n_trials_ : int
        Trials learned from.

    References
    ----------
    D. Sussillo and L. F. Abbott, Neuron 63 (2009), doi:10.1016/j.neuron.2009.07.018.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.readout import RLS, Ridge
    >>> X = np.random.default_rng(0).normal(size=(4, 50, 3))
    >>> y = X @ [1.0, 2.0, 3.0]
    >>> bool(np.allclose(RLS(alpha=0.5, every=1).fit(X, y).coef_, Ridge(alpha=0.5).fit(X, y).coef_))
    True
    """

    _remedy = "raise alpha or forgetting"
    p_: Floats

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        forgetting: float = 1.0,
        every: int = 2,
        reset_at: Sequence[int] = (),
        normalized: bool = True,
        center_tau: float | None = None,
        keep_weights: bool = False,
    ) -> None:
        self.alpha = alpha
        self.forgetting = forgetting
        self.every = every
        self.reset_at = reset_at
        self.normalized = normalized
        self.center_tau = center_tau
        self.keep_weights = keep_weights

    def _options(self) -> tuple[Any, ...]:
        alpha = check_real(self.alpha, where="RLS", name="alpha", low=0.0, low_open=True)
        forgetting = check_real(
            self.forgetting, where="RLS", name="forgetting", low=0.0, high=1.0, low_open=True
        )
        every = check_int(self.every, where="RLS", name="every")
        resets = [check_int(trial, where="RLS", name="reset_at", low=0) for trial in self.reset_at]
        return every, np.asarray(resets, dtype=np.int64), alpha, forgetting, bool(self.normalized)

    def _start(self, n_outputs: int, n_units: int) -> Floats:
        return np.zeros((n_outputs, n_units))

    def _run(self, states: Array, target: Floats, gate: Floats, options: tuple[Any, ...], *rest: Any) -> None:
        from arcuate.readout import _kernels

        every, resets, alpha, forgetting, normalized = options
        tau, first, coef, *arrays = rest
        p = self.p_.copy() if first else np.eye(states.shape[2]) / alpha
        reset = np.isin(first + np.arange(states.shape[0]), resets)
        _kernels.rls_trials(
            states, target, gate, every, reset, alpha, forgetting, normalized, tau, first, p, coef, *arrays
        )
        self.p_ = p
