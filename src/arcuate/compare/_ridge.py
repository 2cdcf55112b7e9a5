"""Ridge regression for all penalties and targets from one decomposition, and folds that keep groups whole.

With Z the training states, each unit to mean 0 and variance 1, ridge regression of centered targets Y is
Z (Z'Z + alpha I)^-1 Z'Y, or the same in the dual form, Z Z' (Z Z' + alpha I)^-1 Y. One eigendecomposition of
the smaller of Z'Z and ZZ' serves every alpha and every column of Y.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, as_real
from arcuate.compare._inputs import listed, plain_array, rank_of, warn
from arcuate.errors import SpecError, check_int
from arcuate.rng import stream

__all__ = ["ALPHAS", "Folded", "Split", "as_alphas", "as_folds", "best_alpha", "path_errors", "warn_of_twins"]

ALPHAS = tuple(10.0**power for power in range(-3, 7))
"""Penalties to choose from, for standardized units."""


def as_alphas(value: Any, *, where: str) -> Floats:
    """Penalties in ascending order, all of them above 0.

    Parameters
    ----------
    value : float or sequence of float
    where : str
        Who asks.

    Returns
    -------
    ndarray, (n_alphas,)

    Raises
    ------
    SpecError
        If there is none, or one is not above 0.

    Examples
    --------
    >>> as_alphas([10, 1], where="ridge").tolist()
    [1.0, 10.0]
    """
    alphas = np.unique(as_real(value, where=where, name="alphas").astype(np.float64))
    if not alphas.size or alphas[0] <= 0:
        bound = "must be one or more penalties above 0"
        raise SpecError.of(where=where, name="alphas", value=value, bound=bound, fix="such as [1e-3, 1, 1e3]")
    return alphas


def as_folds(
    folds: Any, n: int, *, groups: ArrayLike | None, seed: int, where: str, least: int = 3
) -> np.ndarray:
    """Fold of every sample, such that a group never straddles two folds.

    Parameters
    ----------
    folds : int or array_like, (n,)
        Number of folds, dealt at random and evenly, or the fold of every sample.
    n : int
        Samples.
    groups : array_like, (n,), optional
        What must stay together, such as the stimulus of every sample; dealt whole, the largest first.
    seed : int
        Of the dealing.
    where : str
        Who asks.
    least : int
        Fewest folds that will do.

    Returns
    -------
    ndarray, (n,), int
        0 to the number of folds - 1.

    Raises
    ------
    SpecError
        If there are too few folds or groups, an array has another length, or a group lies in several folds.

    Examples
    --------
    >>> as_folds(3, 6, groups=list("aabbcc"), seed=0, where="ridge").tolist()
    [2, 2, 1, 1, 0, 0]
    """
    names = None if groups is None else _labels(groups, n, name="groups", where=where)
    if not isinstance(folds, (int, np.integer)) and rank_of(folds):
        given = _labels(folds, n, name="folds", where=where)
        kinds, fold = np.unique(given, return_inverse=True)
        _enough_folds(kinds.size, least, where=where)
        if names is not None:
            pairs = {(name, int(place)) for name, place in zip(names.tolist(), fold, strict=True)}
            torn = sorted(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
            if torn:
                bound = f"must keep each group in one fold, tears {listed(torn)}: train rows would be tested"
                raise SpecError.of(where=where, name="folds", bound=bound, fix="give a number of folds")
        return fold.reshape(-1)
    units, place = (np.arange(n),) * 2 if names is None else np.unique(names, return_inverse=True)
    count = check_int(folds, where=where, name="folds", low=least)
    if units.size < count:
        what = "samples" if names is None else "groups (stimuli)"
        bound = f"must be at most the {units.size} {what}"
        raise SpecError.of(where=where, name="folds", value=count, bound=bound, fix="give more stimuli")
    sizes = np.bincount(place.reshape(-1), minlength=units.size)
    order = stream(seed, "compare/folds").permutation(units.size)
    of_unit, full = np.empty(units.size, dtype=np.intp), np.zeros(count)
    for unit in order[np.argsort(-sizes[order], kind="stable")]:
        of_unit[unit] = full.argmin()
        full[of_unit[unit]] += sizes[unit]
    return of_unit[place.reshape(-1)]


def _labels(value: Any, n: int, *, name: str, where: str) -> np.ndarray:
    labels = plain_array(value, where=where, name=name)
    if labels.shape != (n,):
        raise SpecError.of(
            where=where,
            name=name,
            value=f"shape {labels.shape}",
            bound=f"must have one entry for each of {n}",
        )
    return labels if labels.dtype.kind in "iubfUS" else labels.astype(str)


def _enough_folds(count: int, least: int, *, where: str) -> None:
    if count < least:
        fix = "the penalty is chosen on the folds that are left" if least > 2 else ""
        raise SpecError.of(where=where, name="folds", value=count, bound=f"needs >= {least} folds", fix=fix)


def warn_of_twins(x: Floats, y: Floats, fold: np.ndarray, *, where: str) -> None:
    """Warn of samples that are the same in both systems and lie in different folds.

    Parameters
    ----------
    x, y : ndarray, (n, p) and (n, q)
    fold : ndarray, (n,)
    where : str
        Who asks.

    Warns
    -----
    ArcuateWarning
        With the numbers of the samples: one of them is tested after its twin was learned.
    """
    seen: dict[bytes, int] = {}
    found = []
    for row in range(len(x)):
        first = seen.setdefault(x[row].tobytes() + y[row].tobytes(), row)
        if fold[first] != fold[row]:
            found.append(f"{first} = {row}")
    if found:
        warn(
            f"{where}: {len(found)} samples are the same in x and y and lie in different folds, so that what"
            f" was learned is tested: {listed(found)}; groups= keeps them together"
        )


@dataclass(frozen=True, kw_only=True)
class Split:
    """A training set, decomposed once.

    Attributes
    ----------
    mean, scale : ndarray, (p,)
        Of the units in training.
    values : ndarray, (k,)
        Eigenvalues, largest first.
    left : ndarray, (k, n_train)
        Takes targets to the components.
    right : ndarray, (p, k)
        Takes standardized states to the components.
    """

    mean: Floats
    scale: Floats
    values: Floats
    left: Floats
    right: Floats

    @classmethod
    def of(cls, x: Floats, k: int | None = None) -> Split:
        """Decompose training states.

        Parameters
        ----------
        x : ndarray, (n_train, p)
        k : int, optional
            Principal components that are kept; all by default.

        Returns
        -------
        Split

        Examples
        --------
        >>> Split.of(np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]])).right.shape
        (2, 2)
        """
        from scipy.linalg import eigh

        mean, scale = x.mean(axis=0), x.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        z = (x - mean) / scale
        n, p = z.shape
        dual = p > n
        gram = z @ z.T if dual else z.T @ z
        values, vectors = eigh(gram, check_finite=False)
        values, vectors = values[::-1], vectors[:, ::-1]
        keep = values > max(n, p) * np.finfo(float).eps * max(float(values[0]), 1e-300)
        if k is not None:
            keep[k:] = False
        values, vectors = values[keep], np.ascontiguousarray(vectors[:, keep])
        left, right = (vectors.T, z.T @ vectors) if dual else ((z @ vectors).T, vectors)
        return cls(mean=mean, scale=scale, values=values, left=left, right=right)

    def components(self, x: Floats) -> Floats:
        """Components of other states.

        Parameters
        ----------
        x : ndarray, (n, p)

        Returns
        -------
        ndarray, (n, k)
        """
        return ((x - self.mean) / self.scale) @ self.right


def path_errors(inside: Floats, y: Floats, targets: Floats, *, values: Floats, alphas: Floats) -> Floats:
    """Squared errors of held-out samples for each penalty.

    Parameters
    ----------
    inside : ndarray, (k, q)
        Training targets in components.
    y : ndarray, (n_test, q)
        Held-out targets, less the mean of training.
    targets : ndarray, (n_test, k)
        Components of the held-out samples.
    values, alphas : ndarray, (k,) and (n_alphas,)

    Returns
    -------
    ndarray, (n_alphas, q)
    """
    errors = np.empty((alphas.size, y.shape[1]))
    for row, alpha in enumerate(alphas):
        rest = targets @ (inside / (values + alpha)[:, None])
        rest -= y
        errors[row] = np.einsum("ij,ij->j", rest, rest)
    return errors


def best_alpha(errors: Floats, alphas: Floats) -> Floats:
    """Penalty with the smallest error for each target; of equal ones the largest.

    Parameters
    ----------
    errors : ndarray, (n_alphas, q)
    alphas : ndarray, (n_alphas,), ascending

    Returns
    -------
    ndarray, (q,)
    """
    return alphas[::-1][errors[::-1].argmin(axis=0)]


@dataclass(frozen=True, kw_only=True)
class Folded:
    """One system, ready to predict others: every training set of the nested folds is decomposed once.

    The penalty of a fold is chosen on the others: the training set without folds f and g serves fold f, with
    g held out, and fold g, with f held out.

    Attributes
    ----------
    x : ndarray, (n, p)
        Centered states.
    fold : ndarray, (n,)
    alphas : ndarray, (n_alphas,)
    k : int or None
        Principal components that are kept.
    """

    x: Floats
    fold: np.ndarray
    alphas: Floats
    k: int | None = None

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1

    @cached_property
    def outer(self) -> list[tuple[np.ndarray, np.ndarray, Split, Floats]]:
        """For each fold: training and held-out rows, the split, components of what is held out."""
        return [self._split(self.fold == number) for number in range(self.n_folds)]

    @cached_property
    def inner(self) -> list[tuple[int, int, np.ndarray, Split, Floats, Floats]]:
        """For each pair of folds f < g: training rows, the split, components of f and of g."""
        if self.alphas.size == 1:
            return []
        found = []
        for f in range(self.n_folds):
            for g in range(f + 1, self.n_folds):
                train = np.flatnonzero((self.fold != f) & (self.fold != g))
                split = Split.of(self.x[train], self.k)
                parts = [split.components(self.x[self.fold == number]) for number in (f, g)]
                found.append((f, g, train, split, parts[0], parts[1]))
        return found

    def _split(self, held: np.ndarray) -> tuple[np.ndarray, np.ndarray, Split, Floats]:
        train, test = np.flatnonzero(~held), np.flatnonzero(held)
        split = Split.of(self.x[train], self.k)
        return train, test, split, split.components(self.x[test])

    def choose(self, y: Floats) -> Floats:
        """Penalty of every fold and target.

        Parameters
        ----------
        y : ndarray, (n, q)

        Returns
        -------
        ndarray, (n_folds, q)
        """
        if self.alphas.size == 1:
            return np.full((self.n_folds, y.shape[1]), self.alphas[0])
        errors = np.zeros((self.n_folds, self.alphas.size, y.shape[1]))
        for f, g, train, split, of_f, of_g in self.inner:
            learned = y[train]
            inside, mean = split.left @ learned, learned.mean(axis=0)
            for serves, held, parts in ((f, g, of_g), (g, f, of_f)):
                rest = y[self.fold == held] - mean
                errors[serves] += path_errors(inside, rest, parts, values=split.values, alphas=self.alphas)
        return np.stack([best_alpha(part, self.alphas) for part in errors])

    def predict(self, y: Floats, alpha: Floats) -> tuple[Floats, Floats]:
        """Predict every sample from the folds that it is not in.

        Parameters
        ----------
        y : ndarray, (n, q)
        alpha : ndarray, (n_folds, q)

        Returns
        -------
        prediction, base : ndarray, (n, q)
            And the means of the training targets, what a predictor without states would say.
        """
        prediction, base = np.empty_like(y), np.empty_like(y)
        for number, (train, test, _, parts) in enumerate(self.outer):
            base[test] = y[train].mean(axis=0)
            prediction[test] = base[test] + parts @ self.weights(y, alpha, number)
        return prediction, base

    def weights(self, y: Floats, alpha: Floats, number: int) -> Floats:
        """Weights of the components in one fold.

        Parameters
        ----------
        y : ndarray, (n, q)
        alpha : ndarray, (n_folds, q)
        number : int
            Of the fold.

        Returns
        -------
        ndarray, (k, q)
        """
        train, _, split, _ = self.outer[number]
        return (split.left @ y[train]) / (split.values[:, None] + alpha[number])
