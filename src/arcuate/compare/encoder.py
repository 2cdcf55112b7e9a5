"""Ridge regression with a penalty for every target, as an estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from arcuate._estimator import Parameters
from arcuate._inputs import Floats
from arcuate.compare._inputs import as_pair, as_samples, centered
from arcuate.compare._ridge import ALPHAS, Split, as_alphas, as_folds, best_alpha, path_errors
from arcuate.errors import FitError, check_int

__all__ = ["RidgeEncoder", "lagged"]


def lagged(x: ArrayLike, n_lags: int) -> Floats:
    """Past of a time series as states, to predict what follows from it.

    Parameters
    ----------
    x : array_like, (n_samples,) or (n_samples, n_units)
        Samples in the order of time.
    n_lags : int
        Samples that each state looks back, itself counted.

    Returns
    -------
    ndarray, (n_samples, n_units * n_lags)
        Of each unit the oldest first. Before the beginning stands the first sample.

    Raises
    ------
    SpecError
        If there are not more samples than lags, or a value is not finite.

    Examples
    --------
    >>> lagged([1, 2, 3, 5], 2).tolist()
    [[1.0, 1.0], [1.0, 2.0], [2.0, 3.0], [3.0, 5.0]]
    """
    states = as_samples(x, where="lagged", name="x", least=1)
    count = check_int(n_lags, where="lagged", name="n_lags", high=len(states) - 1)
    before = np.pad(states, ((count - 1, 0), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(before, count, axis=0)
    return np.ascontiguousarray(windows.reshape(len(states), -1))


class RidgeEncoder(Parameters):
    """Ridge regression with a penalty for every target, chosen on folds of the training samples.

    Parameters
    ----------
    alphas : array_like
        Penalties to choose from, for standardized units.
    folds : int or array_like, (n_samples,)
        For the choice: number of folds, or the fold of each sample.
    n_components : int, optional
        Principal components of the training samples that are kept.
    seed : int
        Of the folds.

    Attributes
    ----------
    alpha_ : ndarray, (n_targets,)
    coef_ : ndarray, (n_targets, n_units)
        Weights of the states as they are.
    intercept_ : ndarray, (n_targets,)
    n_features_in_ : int

    References
    ----------
    A. E. Hoerl and R. W. Kennard, Technometrics 12 (1970), doi:10.1080/00401706.1970.10488634.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import RidgeEncoder
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> RidgeEncoder().fit(X, X @ [1.0, 2.0, 3.0]).predict([[1.0, 1.0, 1.0]]).round(3)
    array([6.])
    """

    alpha_: Floats
    coef_: Floats
    intercept_: Floats
    n_features_in_: int

    def __init__(
        self, *, alphas: Any = ALPHAS, folds: Any = 5, n_components: int | None = None, seed: int = 0
    ) -> None:
        self.alphas = alphas
        self.folds = folds
        self.n_components = n_components
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, *, groups: ArrayLike | None = None) -> Self:
        """Choose the penalties and solve for the weights.

        Parameters
        ----------
        X : array_like, (n_samples, n_units)
            States.
        y : array_like, (n_samples,) or (n_samples, n_targets)
        groups : array_like, (n_samples,), optional
            What must not straddle folds.

        Returns
        -------
        RidgeEncoder
            The estimator itself.

        Raises
        ------
        SpecError
            If the data or a parameter are not valid.
        """
        where = "RidgeEncoder"
        states, target = as_pair(X, y, where=where, names=("X", "y"))
        alphas, k = as_alphas(self.alphas, where=where), self.n_components
        if k is not None:
            check_int(k, where=where, name="n_components")
        x, z = centered(states), centered(target)
        alpha = np.full(z.shape[1], alphas[-1])
        if alphas.size > 1:
            fold = as_folds(self.folds, len(x), groups=groups, seed=self.seed, where=where, least=2)
            errors = np.zeros((alphas.size, z.shape[1]))
            for number in range(int(fold.max()) + 1):
                train, test = fold != number, fold == number
                split, mean = Split.of(x[train], k), z[train].mean(axis=0)
                errors += path_errors(
                    split.left @ z[train], z[test] - mean, split.components(x[test]),
                    values=split.values, alphas=alphas,
                )  # fmt: skip
            alpha = best_alpha(errors, alphas)
        split = Split.of(x, k)
        weights = split.right @ ((split.left @ z) / (split.values[:, None] + alpha))
        self.alpha_, self.coef_ = alpha, np.ascontiguousarray((weights / split.scale[:, None]).T)
        self.intercept_ = target.mean(axis=0) - self.coef_ @ (states.mean(axis=0))
        self.n_features_in_, self._single = x.shape[1], np.ndim(y) == 1
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    def predict(self, X: ArrayLike) -> Floats:
        """Predict the targets of other states.

        Parameters
        ----------
        X : array_like, (n_samples, n_units)

        Returns
        -------
        ndarray, (n_samples,) or (n_samples, n_targets)

        Raises
        ------
        FitError
            If it was not fitted, or to other units.
        """
        where = "RidgeEncoder"
        if not self.__sklearn_is_fitted__():
            raise FitError.of(where=where, bound="is not fitted yet", fix="call fit(X, y) first")
        states = as_samples(X, where=where, name="X", least=1)
        if states.shape[1] != self.n_features_in_:
            bound = f"must have the {self.n_features_in_} units of the fit"
            raise FitError.of(where=where, name="X", value=f"{states.shape[1]} units", bound=bound)
        out = states @ self.coef_.T + self.intercept_
        return out[:, 0] if self._single else out
