"""What the read-out estimators share: parameters as scikit-learn expects them, and checks of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._estimator import Parameters
from arcuate._inputs import as_real, as_states
from arcuate._optional import require
from arcuate.errors import FitError, SpecError, check_array, check_real

Array = NDArray[Any]
Floats = NDArray[np.float64]

EMPTY = np.empty((0, 0, 0))
"""Stands for weights that are not kept."""


class Estimator(Parameters):
    """What the read-outs share: the data they take, and what scikit-learn asks of them."""

    coef_: Floats
    mean_: Floats
    n_features_in_: int

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what this is; called by scikit-learn only."""
        utils = require("sklearn.utils", extra="sklearn", purpose="scikit-learn's tags")
        return utils.Tags(
            estimator_type="regressor",
            target_tags=utils.TargetTags(required=True, multi_output=True),
            regressor_tags=utils.RegressorTags(),
            input_tags=utils.InputTags(two_d_array=True, three_d_array=True),
        )

    def _fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise FitError.of(
                where=type(self).__name__, bound="is not fitted yet", fix="call fit(X, y) first"
            )

    def _states(self, X: ArrayLike, *, known: bool) -> Array:
        """States (n_trials, n_samples, n_units), with the units of the fit if there was one."""
        states = as_states(X, where=type(self).__name__, name="X", error=FitError)
        if known and states.shape[2] != self.n_features_in_:
            raise FitError.of(
                where=type(self).__name__,
                name="X",
                value=f"{states.shape[2]} units",
                bound=f"must have the {self.n_features_in_} units of the fit",
            )
        return states


class LinearReadout(Estimator):
    """An estimator that predicts by one weight matrix.

    Attributes
    ----------
    coef_ : ndarray, (n_outputs, n_units)
    mean_ : ndarray, (n_units,)
        What is taken off the states first.
    """

    intercept_: Floats
    single_output_: bool

    def predict(self, X: ArrayLike) -> Floats:
        """Outputs of the weights as they are now.

        Parameters
        ----------
        X : array_like, (n_trials, n_samples, n_units) or (n_samples, n_units)
            States.

        Returns
        -------
        ndarray, (n_trials, n_samples, n_outputs)
            Without the first axis for states of two dimensions, without the last for a target that had
            none.

        Raises
        ------
        FitError
            If the estimator is not fitted, or the states have other units or are not finite.
        """
        from arcuate.readout import _kernels

        self._fitted()
        states = self._states(X, known=True)
        out = np.empty((*states.shape[:2], self.coef_.shape[0]))
        _kernels.read_trials(states, self.coef_, self.mean_, out)
        out += self.intercept_
        if np.ndim(X) == 2:
            out = out[0]
        return out[..., 0] if self.single_output_ else out

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Coefficient of determination of ``predict(X)``, the mean over outputs.

        Parameters
        ----------
        X : array_like, (n_trials, n_samples, n_units) or (n_samples, n_units)
            States.
        y : array_like, as the prediction
            Target.

        Returns
        -------
        float
            1 for a perfect prediction, 0 for that of the mean.

        Raises
        ------
        FitError
            If shapes do not go together or the target is constant.
        """
        target, _ = as_target(y, self._states(X, known=False).shape, where=type(self).__name__)
        output = np.asarray(self.predict(X)).reshape(-1, target.shape[2])
        flat = target.reshape(-1, target.shape[2])
        spread = np.sum((flat - flat.mean(axis=0)) ** 2, axis=0)
        if not np.all(spread > 0):
            raise FitError.of(where=type(self).__name__, name="y", value="a constant", bound="has no R^2")
        return float(np.mean(1.0 - np.sum((flat - output) ** 2, axis=0) / spread))


@dataclass(frozen=True)
class Bounds:
    """Bounds of a weight, infinite for none."""

    low: float
    high: float

    @classmethod
    def of(cls, w_min: Any, w_max: Any, *, where: str) -> Bounds:
        """Check two bounds; None stands for none."""
        low = -np.inf if w_min is None else check_real(w_min, where=where, name="w_min")
        high = np.inf if w_max is None else check_real(w_max, where=where, name="w_max")
        if low > high:
            raise SpecError.of(where=where, name="w_min", value=low, bound=f"must be <= w_max = {high:g}")
        return cls(low, high)

    def start(self, value: Any, shape: tuple[int, int], *, where: str) -> Floats:
        """Weights to start from: one number or an array of `shape`, within the bounds."""
        if np.ndim(value) == 0:
            weights = np.full(shape, check_real(value, where=where, name="initial_weight"))
        else:
            weights = np.array(check_array(value, where=where, name="initial_weight", shape=shape))
        if np.any(weights < self.low) or np.any(weights > self.high):
            raise SpecError.of(
                where=where,
                name="initial_weight",
                value=float(weights.flat[np.argmax(np.abs(weights))]),
                bound=f"must lie within w_min = {self.low:g} and w_max = {self.high:g}",
            )
        return weights


def as_target(y: ArrayLike | None, shape: tuple[int, ...], *, where: str) -> tuple[Floats, bool]:
    """Target as (n_trials, n_samples, n_outputs), and whether it came without the last axis.

    Parameters
    ----------
    y : array_like
        As many axes as the states, or one fewer; for one trial the trial axis may be missing.
    shape : tuple of int
        Shape of the states, (n_trials, n_samples, n_units).
    where : str
        Who asks.

    Returns
    -------
    tuple of ndarray and bool

    Raises
    ------
    FitError
        If the target is missing, has another shape or is not finite.
    """
    if y is None:
        raise FitError.of(where=where, name="y", value=None, bound="is needed: the target of every sample")
    target = as_real(y, where=where, name="y", error=FitError).astype(np.float64, copy=False)
    trials, samples = shape[:2]
    if trials == 1 and target.shape[:1] == (samples,) and target.shape[:2] != (1, samples):
        target = target[None]
    if target.shape[:2] != (trials, samples) or target.ndim > 3 or 0 in target.shape:
        raise FitError.of(
            where=where,
            name="y",
            value=f"shape {np.shape(y)}",
            bound=f"must be ({trials}, {samples}) or ({trials}, {samples}, n_outputs), as X",
        )
    single = target.ndim == 2
    return np.ascontiguousarray(target[..., None] if single else target), single


def as_gate(gate: ArrayLike | None, shape: tuple[int, ...], *, where: str) -> Floats:
    """Attention gate as (n_trials, n_samples); 1 everywhere if there is none.

    Parameters
    ----------
    gate : array_like, (n_samples,) or (n_trials, n_samples), or None
        Not negative.
    shape : tuple of int
        Shape of the states.
    where : str
        Who asks.

    Returns
    -------
    ndarray, (n_trials, n_samples)

    Raises
    ------
    FitError
        If the gate has another length, is negative or is not finite.
    """
    if gate is None:
        return np.ones(shape[:2])
    values = as_real(gate, where=where, name="gate", error=FitError).astype(np.float64, copy=False)
    if values.shape not in (shape[:2], shape[1:2]):
        raise FitError.of(
            where=where,
            name="gate",
            value=f"shape {values.shape}",
            bound=f"must be ({shape[1]},) or ({shape[0]}, {shape[1]}), one per sample",
        )
    if np.any(values < 0):
        raise FitError.of(where=where, name="gate", value=float(values.min()), bound="must be >= 0")
    return np.ascontiguousarray(np.broadcast_to(values, shape[:2]))


def center_tau(value: Any, *, where: str) -> float:
    """Time constant of the running trial mean; 0 stands for no centering.

    Parameters
    ----------
    value : float or None
        In trials, >= 1.
    where : str
        Who asks.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        If it is below 1 or not finite.
    """
    return 0.0 if value is None else check_real(value, where=where, name="center_tau", low=1.0)


def check_converging(weights: Floats, *, where: str, fix: str) -> None:
    """Refuse weights that are not finite.

    Parameters
    ----------
    weights : ndarray
    where : str
        Who asks.
    fix : str
        What usually helps.

    Raises
    ------
    FitError
    """
    if not np.isfinite(weights).all():
        raise FitError.of(
            where=where,
            name="coef_",
            value="not finite",
            bound="must stay finite: learning diverged",
            fix=fix,
        )
