"""Multinomial logistic regression with an L2 penalty, in the principal components of its samples.

The penalty does not change when the axes are turned, so that as many weights are sought as there are
components: never more than samples. Each is scaled by how strongly the loss bends along it.
"""

from __future__ import annotations

import numpy as np

from arcuate._inputs import Floats
from arcuate.compare._ridge import Folded, Split

__all__ = ["Fit", "choose", "fit", "held_out", "log_softmax"]

LOOSE = 1e-4
"""Largest slope at the end of fits that only choose a penalty (chosen)."""


def log_softmax(logits: Floats) -> Floats:
    """Return log-probabilities (n, K) of logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


class Fit:
    """A fitted regression: log-probabilities of components or of states.

    Parameters
    ----------
    split : Split
        Training states, decomposed.
    weight : ndarray, (k, K)
        Of the components.
    intercept : ndarray, (K,)
    """

    def __init__(self, split: Split, weight: Floats, intercept: Floats) -> None:
        self.split, self.weight, self.intercept = split, weight, intercept

    def of_components(self, parts: Floats) -> Floats:
        """Return log-probabilities (n, K) of components (n, k)."""
        return log_softmax(parts @ self.weight + self.intercept)

    def __call__(self, x: Floats) -> Floats:
        """Return log-probabilities (n, K) of states (n, p)."""
        return self.of_components(self.split.components(x))

    def of_units(self) -> tuple[Floats, Floats]:
        """Return weights (p, K) and intercept (K,) for states as they came."""
        weight = (self.split.right @ self.weight) / self.split.scale[:, None]
        return weight, self.intercept - self.split.mean @ weight


def fit(
    split: Split, parts: Floats, y: np.ndarray, *, n_classes: int, penalty: float, prior: float = 0.0,
    start: Fit | None = None, tol: float = 1e-6,
) -> Fit:  # fmt: skip
    """Minimize the mean of ``-log p(y)`` plus ``penalty / 2 |W|^2``, for units of variance 1.

    Parameters
    ----------
    split : Split
        Training states, decomposed.
    parts : ndarray, (n, k)
        Their components.
    y : ndarray of int, (n,)
    n_classes : int
        K.
    penalty : float
    prior : float
        Observations of each class at the mean state that are added, so that none has probability 0.
    start : Fit, optional
        Of the same samples, to start from.
    tol : float
        Largest slope at the end.

    Returns
    -------
    Fit
    """
    from scipy.optimize import minimize

    n, k = parts.shape
    norm = np.linalg.norm(split.right, axis=0)  # 1, or in the dual form the spread of the component
    spread = np.sqrt(np.einsum("ij,ij->j", parts, parts) / n) / norm
    scale = 1 / (norm * np.sqrt(spread**2 + penalty))
    scaled = parts * scale
    bend = penalty * (scale * norm) ** 2
    hot = np.eye(n_classes)[y]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weight, intercept = flat[:-n_classes].reshape(k, n_classes), flat[-n_classes:]
        told = log_softmax(scaled @ weight + intercept)
        rest = (np.exp(told) - hot) / n
        shrink = bend[:, None] * weight
        value = -np.einsum("ij,ij->", told, hot) / n + 0.5 * np.einsum("ij,ij->", shrink, weight)
        of_intercept = rest.sum(axis=0)
        if prior:
            alone = log_softmax(intercept[None])[0]
            value -= prior * alone.sum() / n
            of_intercept = of_intercept + prior * (n_classes * np.exp(alone) - 1) / n
        return value, np.concatenate(((scaled.T @ rest + shrink).ravel(), of_intercept))

    first = np.zeros((k + 1) * n_classes)
    if start is not None:
        first[:-n_classes] = (start.weight / scale[:, None]).ravel()
        first[-n_classes:] = start.intercept
    options = {"maxiter": 1000, "ftol": 1e-12, "gtol": tol}
    flat = minimize(loss, first, jac=True, method="L-BFGS-B", options=options).x
    return Fit(split, flat[:-n_classes].reshape(k, n_classes) * scale[:, None], flat[-n_classes:])


def choose(folds: Folded, y: np.ndarray, n_classes: int) -> Floats:
    """Return the penalty of every fold, by the log loss of the others; of equal ones the largest.

    Parameters
    ----------
    folds : Folded
        Its ``alphas`` are penalties.
    y : ndarray of int, (n,)
    n_classes : int

    Returns
    -------
    ndarray, (n_folds,)
    """
    losses = np.zeros((folds.n_folds, folds.alphas.size))
    for f, g, train, split, of_f, of_g in folds.inner:
        parts, found = split.components(folds.x[train]), None
        for row in range(folds.alphas.size - 1, -1, -1):
            penalty = float(folds.alphas[row])
            found = fit(split, parts, y[train], n_classes=n_classes, penalty=penalty, start=found, tol=LOOSE)
            for serves, held, seen in ((f, g, of_g), (g, f, of_f)):
                told, wanted = found.of_components(seen), y[folds.fold == held]
                losses[serves, row] -= told[np.arange(len(wanted)), wanted].sum()
    return folds.alphas[::-1][losses[:, ::-1].argmin(axis=1)]


def held_out(folds: Folded, y: np.ndarray, n_classes: int, penalty: Floats) -> Floats:
    """Return the log-probabilities of every sample, by the folds that it is not in.

    Parameters
    ----------
    folds : Folded
    y : ndarray of int, (n,)
    n_classes : int
    penalty : ndarray, (n_folds,)

    Returns
    -------
    ndarray, (n, K)
    """
    told = np.empty((len(y), n_classes))
    for number, (train, test, split, seen) in enumerate(folds.outer):
        parts = split.components(folds.x[train])
        found = fit(split, parts, y[train], n_classes=n_classes, penalty=float(penalty[number]))
        told[test] = found.of_components(seen)
    return told
