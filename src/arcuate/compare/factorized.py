"""A read-out of trials with one weight for each unit and one mask over time, not one for each pair."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from arcuate._estimator import Parameters
from arcuate._inputs import Floats
from arcuate.compare._inputs import as_samples, as_trials, centered, one_size, warn
from arcuate.errors import FitError, SpecError, check_int, check_real

__all__ = ["FactorizedReadout"]


class FactorizedReadout(Parameters):
    """Responses as unit weights times a time mask, r = sum_u w_u sum_t m_t x_tu, with m >= 0.

    Parameters
    ----------
    alpha : float
        Penalty, for units of variance 1; > 0.
    max_iter : int
        Most rounds of weights and mask.
    tol : float
        A round that lowers the objective by less than this part of it is the last.

    Attributes
    ----------
    coef_ : ndarray, (n_targets, n_units)
        Weights w, for the states as they are.
    mask_ : ndarray, (n_targets, n_steps)
        Masks m, each with sum 1, or 0 throughout where nothing is predicted.
    intercept_ : ndarray, (n_targets,)
    objective_ : list of ndarray
        For each target the objective after every round; it never rises.
    n_features_in_ : int
        Units.

    Notes
    -----
    Minimizes ``||y - X(w, m)||^2 + alpha ||w||^2 (sum_t m_t)^2`` by turns: w by ridge regression with m
    fixed, m by non-negative least squares with w fixed. The penalty does not depend on how a factor is split
    between the two; it shrinks weights as ridge regression does and leaves out times as the lasso does. There
    are n_units + n_steps parameters, not their product.

    References
    ----------
    D. Klindt, A. Ecker, T. Euler and M. Bethge, NeurIPS 30 (2017) (what and where, over space).

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import FactorizedReadout
    >>> X = np.random.default_rng(0).standard_normal((200, 6, 3))
    >>> y = X[:, 2:4].mean(axis=1) @ [1.0, -2.0, 0.5]
    >>> FactorizedReadout(alpha=1e-6).fit(X, y).mask_.round(2).tolist()
    [[0.0, 0.0, 0.5, 0.5, 0.0, 0.0]]
    """

    coef_: Floats
    mask_: Floats
    intercept_: Floats
    objective_: list[Floats]
    n_features_in_: int

    def __init__(self, *, alpha: float = 1.0, max_iter: int = 200, tol: float = 1e-6) -> None:
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Find weights and mask of each target.

        Parameters
        ----------
        X : array_like, (n_trials, n_steps, n_units)
            States of every trial.
        y : array_like, (n_trials,) or (n_trials, n_targets)
            One response for each trial.

        Returns
        -------
        FactorizedReadout
            The estimator itself.

        Raises
        ------
        SpecError
            If the data or a parameter are not valid.

        Warns
        -----
        ArcuateWarning
            If it has not converged.
        """
        where = "FactorizedReadout"
        alpha = check_real(self.alpha, where=where, name="alpha", low=0.0, low_open=True)
        rounds = check_int(self.max_iter, where=where, name="max_iter")
        tol = check_real(self.tol, where=where, name="tol", low=0.0)
        states = as_trials(X, where=where, name="X", least=4, least_steps=1)
        targets = as_samples(y, where=where, name="y")
        one_size(states, targets, where=where, names=("X", "y"))
        scale = states.std(axis=(0, 1))
        scale = np.where(scale > 0, scale, 1.0)
        z, middle = centered(states) / scale, states.mean(axis=0)
        found = [_alternate(z, t, alpha, rounds=rounds, tol=tol) for t in centered(targets).T]
        open_ = [number for number, (_, _, path) in enumerate(found) if len(path) > rounds]
        if open_:
            warn(f"{where}: targets {open_[:6]} have not converged after {rounds} rounds; raise max_iter")
        weights, masks = (np.stack([entry[k] for entry in found]) for k in (0, 1))
        self.mask_, self.coef_ = masks, weights / scale
        self.objective_ = [path for _, _, path in found]
        self.intercept_ = targets.mean(axis=0) - np.einsum("kt,tu,ku->k", self.mask_, middle, self.coef_)
        self.n_features_in_, self._single = states.shape[2], np.ndim(y) == 1
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    def predict(self, X: ArrayLike) -> Floats:
        """Responses to other trials.

        Parameters
        ----------
        X : array_like, (n_trials, n_steps, n_units)

        Returns
        -------
        ndarray, (n_trials,) or (n_trials, n_targets)

        Raises
        ------
        FitError
            If it was not fitted.
        SpecError
            If the trials have other steps or units than those of the fit.
        """
        where = "FactorizedReadout"
        if not self.__sklearn_is_fitted__():
            raise FitError.of(where=where, bound="is not fitted yet", fix="call fit(X, y) first")
        states = as_trials(X, where=where, name="X", least_steps=1)
        wanted = (self.mask_.shape[1], self.coef_.shape[1])
        if states.shape[1:] != wanted:
            bound = f"must have the {wanted[0]} steps and {wanted[1]} units of the fit"
            raise SpecError.of(where=where, name="X", value=f"shape {states.shape}", bound=bound)
        out = np.einsum("ntu,kt,ku->nk", states, self.mask_, self.coef_, optimize=True) + self.intercept_
        return out[:, 0] if self._single else out


def _alternate(
    z: Floats, y: Floats, alpha: float, *, rounds: int, tol: float
) -> tuple[Floats, Floats, Floats]:
    """Weights, mask and the objective after every round, with a NaN at its end if it has not converged."""
    n_steps, n_units = z.shape[1:]
    mask, weights = np.full(n_steps, 1.0 / n_steps), np.zeros(n_units)
    path: list[float] = []
    for _ in range(rounds):
        seen = np.einsum("ntu,t->nu", z, mask)
        weights = np.linalg.solve(seen.T @ seen + alpha * np.eye(n_units), seen.T @ y)
        mask = _mask(z @ weights, y, alpha * float(weights @ weights))
        total = float(mask.sum())
        if total == 0:
            return np.zeros(n_units), mask, np.array([*path, float(y @ y)])
        mask, weights = mask / total, weights * total
        rest = y - (z @ weights) @ mask
        path.append(float(rest @ rest + alpha * weights @ weights))
        if len(path) > 1 and path[-2] - path[-1] <= tol * path[-2]:
            return weights, mask, np.array(path)
    return weights, mask, np.array([*path, np.nan])


def _mask(inside: Floats, y: Floats, penalty: float) -> Floats:
    """Non-negative m that minimizes ||y - inside m||^2 + penalty (sum m)^2."""
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import nnls

    gram = inside.T @ inside + penalty
    ground = 1e-12 * max(float(np.trace(gram)), 1e-300)
    lower = cholesky(gram + ground * np.eye(len(gram)), lower=True)
    return np.asarray(nnls(lower.T, solve_triangular(lower, inside.T @ y, lower=True))[0])
