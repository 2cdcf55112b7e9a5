"""A conscious bottleneck: of many variables a few are chosen, and say what another one will be.

After Bengio 2017, arXiv 1709.08568: knowledge is a sparse factor graph, so that a thought of few elements is
enough to predict another. The shared workspace, in which many tokens compete for few slots, is `PMIMemory`
with ``ltm_rule="none"``.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import FitError, SpecError, check_array, check_int

__all__ = ["ConsciousBottleneck"]

MOST_CELLS = 1 << 24
"""Samples times sets of elements that are looked at at once."""

MOST_SETS = 2_000_000
"""Largest number of sets of elements that is searched."""

PRIOR = 0.5
"""Counts that are added to each cell of a table (Krichevsky and Trofimov 1981)."""


class ConsciousBottleneck:
    """The k variables that say most about each of some others, by likelihood.

    For every set of k variables a table of 2^k cells gives the probability of the target; the set under whose
    table the data are likeliest is chosen.

    Parameters
    ----------
    k : int
        Elements of a thought.

    Raises
    ------
    SpecError
        If k is out of bounds.

    Examples
    --------
    >>> x = np.random.default_rng(0).integers(2, size=(60, 6))
    >>> x[:, 5] = x[:, 1] ^ x[:, 3]
    >>> thought = ConsciousBottleneck(k=2).fit(x, targets=[5])
    >>> thought.select(5)
    array([1, 3])
    """

    def __init__(self, k: int = 2) -> None:
        self.k = check_int(k, where="ConsciousBottleneck", name="k", high=12)
        self.elements_: dict[int, np.ndarray] = {}
        self.tables_: dict[int, np.ndarray] = {}

    def fit(self, x: Any, *, targets: Any, progress: ProgressOption = None) -> ConsciousBottleneck:
        """Search the sets of elements for each target.

        Parameters
        ----------
        x : array_like of 0 and 1, (n_samples, n_variables)
        targets : sequence of int
            Variables to be predicted, each from k of all the others.
        progress : bool, callable or None
            A bar over the sets of elements after two seconds on a terminal, by default.

        Returns
        -------
        ConsciousBottleneck
            Itself, with ``elements_`` and ``tables_`` (probability of 1, by cell) for each target.

        Raises
        ------
        SpecError
            If x is not of 0 and 1, a target does not exist, or there are too few variables or too many sets.

        Examples
        --------
        >>> ConsciousBottleneck(k=1).fit([[0, 0], [1, 1]], targets=[1]).elements_[1]
        array([0])
        """
        data = _binary(x)
        n = data.shape[1]
        check_int(self.k, where="ConsciousBottleneck", name="k", high=n - 1)
        n_sets = math.comb(n - 1, self.k)
        if n_sets > MOST_SETS:
            bound = f"gives {n_sets} sets of {n - 1} variables, more than {MOST_SETS}"
            raise SpecError.of(where="ConsciousBottleneck", name="k", value=self.k, bound=bound)
        check_progress(progress, where="ConsciousBottleneck", unit="sets")
        asked = [
            check_int(one, where="ConsciousBottleneck", name="targets", low=0, high=n - 1) for one in targets
        ]
        size = max(1, min(4096, MOST_CELLS // len(data)))
        with progress_bar(progress, n_sets * len(asked), title="elements", unit="set") as tell:
            for target in asked:
                others = [j for j in range(n) if j != target]
                best, most = others[: self.k], -np.inf
                every = itertools.combinations(others, self.k)
                while sets := list(itertools.islice(every, size)):
                    score = _likelihood(data, np.array(sets), data[:, target])
                    if score.max() > most:
                        best, most = list(sets[int(score.argmax())]), float(score.max())
                    if tell:
                        tell(len(sets))
                self.elements_[target] = np.array(best)
                self.tables_[target] = _table(data, np.array([best]), data[:, target])[0]
        return self

    def select(self, query: int) -> np.ndarray:
        """Give the elements that are attended to when a variable is asked for.

        Parameters
        ----------
        query : int
            One of the targets.

        Returns
        -------
        ndarray of int, (k,)

        Raises
        ------
        FitError
            If it was no target.

        Examples
        --------
        >>> ConsciousBottleneck(k=1).fit([[0, 0], [1, 1]], targets=[1]).select(1)
        array([0])
        """
        if query not in self.elements_:
            bound = "was no target of fit"
            raise FitError.of(where="ConsciousBottleneck", name="query", value=query, bound=bound)
        return self.elements_[query]

    def predict_proba(self, x: Any, *, query: int) -> np.ndarray:
        """Give the probability that a variable is 1, from the elements attended to alone.

        Parameters
        ----------
        x : array_like of 0 and 1, (n, n_variables)
        query : int

        Returns
        -------
        ndarray, (n,)

        Examples
        --------
        >>> ConsciousBottleneck(k=1).fit([[0, 0], [1, 1]], targets=[1]).predict_proba([[1, 0]], query=1)
        array([0.75])
        """
        elements = self.select(query)
        data = _binary(x)
        if data.shape[1] <= max(elements.max(), query):
            bound = f"must have more than {max(elements.max(), query)} variables"
            raise SpecError.of(where="ConsciousBottleneck", name="x", value=data, bound=bound)
        return self.tables_[query][_cells(data, elements[None])[:, 0]]

    def verify(self, x: Any, *, query: int) -> np.ndarray:
        """Say how likely what is now is, given the thought: the logarithm of its probability.

        Parameters
        ----------
        x : array_like of 0 and 1, (n, n_variables)
        query : int

        Returns
        -------
        ndarray, (n,)
            Zero at most; near it where the variable is as the elements say.

        Examples
        --------
        >>> thought = ConsciousBottleneck(k=1).fit([[0, 0], [1, 1]], targets=[1])
        >>> thought.verify([[1, 1], [1, 0]], query=1).round(2)
        array([-0.29, -1.39])
        """
        p, now = self.predict_proba(x, query=query), _binary(x)[:, query]
        return np.log(np.where(now == 1, p, 1 - p))


def _binary(x: Any) -> np.ndarray:
    data = check_array(x, where="ConsciousBottleneck", name="x", shape=(None, None))
    if not data.size or not np.isin(data, (0, 1)).all():
        raise SpecError.of(where="ConsciousBottleneck", name="x", value=data, bound="must be of 0 and 1")
    return data.astype(int)


def _cells(data: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Cell of each sample in the table of each set: (samples, sets)."""
    return data[:, sets] @ (1 << np.arange(sets.shape[1]))


def _counts(data: np.ndarray, sets: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cells = 1 << sets.shape[1]
    where = (_cells(data, sets) + cells * np.arange(len(sets))).ravel()
    n = np.bincount(where, minlength=cells * len(sets))
    ones = np.bincount(where, weights=np.repeat(target, len(sets)), minlength=cells * len(sets))
    return n.reshape(-1, cells), ones.reshape(-1, cells)


def _table(data: np.ndarray, sets: np.ndarray, target: np.ndarray) -> np.ndarray:
    n, ones = _counts(data, sets, target)
    return (ones + PRIOR) / (n + 2 * PRIOR)


def _likelihood(data: np.ndarray, sets: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Largest log likelihood of a target under the table of each set."""
    n, ones = _counts(data, sets, target)
    zeros = n - ones
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = ones * np.log(ones / n), zeros * np.log(zeros / n)
    return sum(np.nan_to_num(term).sum(axis=1) for term in terms)
