"""Bayes nets of binary variables of which experience shows only local neighborhoods.

References
----------
Prystawski, Li and Goodman, Why think step by step? Reasoning emerges from the locality of experience,
NeurIPS 2023, arXiv 2304.03843: nets, local samples, held-out pairs and controls. Sizes here are chosen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from arcuate import rng
from arcuate.errors import SpecError, check_choice, check_int, check_real
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.blocks import MAX_TRIALS
from arcuate.tasks.forms import Drive, Tokens, drive

__all__ = ["BayesNet", "LocalExperience", "LocalTrials"]

MAX_VARIABLES = 512
MAX_JOINT = 16
"""Variables of a net with several parents whose pairs are found by summing over all states."""

OBSERVED = ("local", "full", "wrong")
RADII = ("geometric", "zipf")


@dataclass(frozen=True, kw_only=True, eq=False)
class BayesNet:
    """A Bayes net of binary variables, numbered so that parents come first.

    Parameters
    ----------
    parents : sequence of tuple of int
        Parents of each variable, each with a smaller number.
    tables : sequence of array_like
        Probability that a variable is 1, for each state of its parents: one axis of length 2 a parent.

    Raises
    ------
    SpecError
        If a parent does not come before, or a table has another shape or is no probability.

    Examples
    --------
    >>> net = BayesNet(parents=[(), (0,)], tables=[0.5, [0.1, 0.9]])
    >>> net.conditional[1, 0].tolist(), net.marginal.tolist()
    ([0.1, 0.9], [0.5, 0.5])
    """

    parents: Sequence[tuple[int, ...]]
    tables: Sequence[np.ndarray]

    def __post_init__(self) -> None:
        where = "BayesNet"
        check_int(len(self.parents), where=where, name="parents", high=MAX_VARIABLES)
        tables = tuple(np.array(table, dtype=np.float64) for table in self.tables)
        if len(tables) != len(self.parents):
            bound = f"must be as many as variables, {len(self.parents)}"
            raise SpecError.of(where=where, name="tables", value=len(tables), bound=bound)
        parents = tuple(
            tuple(check_int(p, where=where, name=f"parents[{k}]", low=0, high=k - 1) for p in of)
            for k, of in enumerate(self.parents)
        )
        for k, (of, table) in enumerate(zip(parents, tables, strict=True)):
            if table.shape != (2,) * len(of) or not ((table >= 0) & (table <= 1)).all():
                bound = f"must be probabilities of shape {(2,) * len(of)}"
                raise SpecError.of(where=where, name=f"tables[{k}]", value=table.tolist(), bound=bound)
            table.flags.writeable = False
        object.__setattr__(self, "parents", parents)
        object.__setattr__(self, "tables", tables)

    @classmethod
    def chain(cls, n_variables: int, *, flip: float) -> BayesNet:
        """Return a chain in which each variable is a copy of the one before, with errors.

        Parameters
        ----------
        n_variables : int
        flip : float
            Probability of an error, from 0 to 1.

        Returns
        -------
        BayesNet

        Examples
        --------
        >>> BayesNet.chain(3, flip=0.1).conditional[2, 0].round(2).tolist()
        [0.18, 0.82]
        """
        n = check_int(n_variables, where="BayesNet.chain", name="n_variables", high=MAX_VARIABLES)
        flip = check_real(flip, where="BayesNet.chain", name="flip", low=0.0, high=1.0)
        parents = [(k - 1,) if k else () for k in range(n)]
        return cls(parents=parents, tables=[[flip, 1 - flip] if of else 0.5 for of in parents])  # type: ignore[misc]

    @classmethod
    def random(
        cls, n_variables: int, *, seed: int, n_edges: int | None = None, strength: float = 0.2
    ) -> BayesNet:
        """Draw a net: a random tree, and edges beyond it.

        Parameters
        ----------
        n_variables : int
        seed : int
            Stream ``"bayes_net/random"``.
        n_edges : int or None
            Edges in all; None: those of the tree, one less than variables. The others join variables at
            random, to at most 3 parents.
        strength : float
            a > 0: probabilities in tables are drawn from Beta(a, a); the smaller, the closer to 0 or 1.

        Returns
        -------
        BayesNet

        Raises
        ------
        SpecError
            If a number is out of bounds.

        Examples
        --------
        >>> net = BayesNet.random(12, seed=1)
        >>> net.n_variables, sum(len(of) for of in net.parents)
        (12, 11)
        """
        where = "BayesNet.random"
        n = check_int(n_variables, where=where, name="n_variables", low=2, high=MAX_VARIABLES)
        most = sum(min(3, k) for k in range(n))
        edges = check_int(
            n_edges if n_edges is not None else n - 1, where=where, name="n_edges", low=n - 1, high=most
        )
        a = check_real(strength, where=where, name="strength", low=0.0, low_open=True)
        generator = rng.stream(rng.check_seed(seed), "bayes_net/random")
        parents = [{int(generator.integers(k))} if k else set() for k in range(n)]
        while sum(map(len, parents)) < edges:
            child = int(generator.integers(1, n))
            if len(parents[child]) < min(3, child):
                parents[child].add(int(generator.integers(child)))
        ordered = [tuple(sorted(of)) for of in parents]
        return cls(parents=ordered, tables=[generator.beta(a, a, size=(2,) * len(of)) for of in ordered])

    @property
    def n_variables(self) -> int:
        """Number of variables."""
        return len(self.parents)

    @cached_property
    def distances(self) -> np.ndarray:
        """Edges between each two variables, whatever their direction; -1 where no path joins them."""
        return np.array([self._from(k)[0] for k in range(self.n_variables)])

    @cached_property
    def joint(self) -> np.ndarray:
        """P(X_i = a, X_j = b), exact (n, n, 2, 2); the diagonal holds P(X_i = a) where a = b.

        On a tree one product of matrices each, in order of the variables; of other nets the sum over all
        states, for at most 16 variables.
        """
        n = self.n_variables
        if max(map(len, self.parents)) > 1:
            return self._summed()
        joint = np.empty((n, n, 2, 2))
        for k, (of, table) in enumerate(zip(self.parents, self.tables, strict=True)):
            if of:
                step = np.stack([1 - table, table], axis=-1)  # P(X_k | parent)
                joint[:k, k] = joint[:k, of[0]] @ step
                own = joint[of[0], of[0]].sum(axis=0) @ step
            else:
                own = np.array([1 - table, table])
                joint[:k, k] = joint[range(k), range(k)].sum(axis=1)[:, :, None] * own
            joint[k, :k] = joint[:k, k].swapaxes(1, 2)
            joint[k, k] = np.diag(own)
        return joint

    def _summed(self) -> np.ndarray:
        """The same by summing over all states."""
        n = self.n_variables
        if n > MAX_JOINT:
            bound = f"must be <= {MAX_JOINT} where a variable has several parents"
            raise SpecError.of(where="BayesNet.joint", name="n_variables", value=n, bound=bound)
        states = np.array(list(product((0, 1), repeat=n)))
        weights = np.ones(len(states))
        for k, (of, table) in enumerate(zip(self.parents, self.tables, strict=True)):
            one = table[tuple(states[:, p] for p in of)]
            weights *= np.where(states[:, k] == 1, one, 1 - one)
        is_at = np.stack([1 - states, states], axis=-1).astype(np.float64)
        return np.einsum("s,sia,sjb->ijab", weights, is_at, is_at, optimize=True)

    @cached_property
    def marginal(self) -> np.ndarray:
        """P(X_i = 1) (n,)."""
        return np.asarray(self.joint[:, :, 1, :].sum(axis=2).diagonal())

    @cached_property
    def conditional(self) -> np.ndarray:
        """P(X_i = 1 given X_j = b) (n, n, 2); the marginal where X_j is never b."""
        joint = self.joint
        total = joint.sum(axis=2)
        given = np.divide(joint[:, :, 1], total, out=np.zeros_like(total), where=total > 0)
        return np.where(total > 0, given, self.marginal[:, None, None])

    @cached_property
    def mutual_information(self) -> np.ndarray:
        """Between each two variables, bit (n, n); on the diagonal their entropy."""
        joint = self.joint
        apart = joint.sum(axis=3, keepdims=True) * joint.sum(axis=2, keepdims=True)
        ratio = np.divide(joint, apart, out=np.ones_like(joint), where=(joint > 0) & (apart > 0))
        return np.asarray((joint * np.log2(ratio)).sum(axis=(2, 3)))

    def path(self, start: int, stop: int) -> tuple[int, ...]:
        """Return a shortest path between two variables.

        On a tree the variables between its ends separate them.

        Parameters
        ----------
        start, stop : int

        Returns
        -------
        tuple of int
            With both ends; empty where no path joins them.

        Examples
        --------
        >>> BayesNet.chain(5, flip=0.1).path(4, 1)
        (4, 3, 2, 1)
        """
        ends = [
            check_int(end, where="BayesNet.path", name=name, low=0, high=self.n_variables - 1)
            for name, end in (("start", start), ("stop", stop))
        ]
        steps, before = self._from(ends[1])
        if steps[ends[0]] < 0:
            return ()
        found = [ends[0]]
        while found[-1] != ends[1]:
            found.append(before[found[-1]])
        return tuple(found)

    def far_pairs(self, n_pairs: int, *, least: int = 2) -> tuple[tuple[int, int], ...]:
        """Return the pairs with the highest mutual information among those that are not neighbors.

        Parameters
        ----------
        n_pairs : int
            How many.
        least : int
            Edges between them, at least.

        Returns
        -------
        tuple of (int, int)
            The highest first.

        Raises
        ------
        SpecError
            If there are fewer such pairs.

        Examples
        --------
        >>> BayesNet.chain(5, flip=0.1).far_pairs(3)
        ((0, 2), (1, 3), (2, 4))
        """
        one, other = np.nonzero(
            np.triu(self.distances >= check_int(least, where="BayesNet.far_pairs", name="least"))
        )
        n = check_int(n_pairs, where="BayesNet.far_pairs", name="n_pairs", high=one.size)
        order = np.argsort(-self.mutual_information[one, other].round(12), kind="stable")[:n]
        return tuple((int(one[k]), int(other[k])) for k in order)

    def sample(self, generator: np.random.Generator, n: int) -> np.ndarray:
        """Draw states.

        Parameters
        ----------
        generator : numpy.random.Generator
        n : int
            How many.

        Returns
        -------
        ndarray, (n, n_variables), int64
            0 and 1.

        Examples
        --------
        >>> BayesNet.chain(3, flip=0.0).sample(np.random.default_rng(0), 2).tolist()
        [[0, 0, 0], [1, 1, 1]]
        """
        states = np.zeros((n, self.n_variables), dtype=np.int64)
        for k, (of, table) in enumerate(zip(self.parents, self.tables, strict=True)):
            states[:, k] = generator.random(n) < table[tuple(states[:, p] for p in of)]
        return states

    def _from(self, start: int) -> tuple[list[int], list[int]]:
        """Distances from a variable, and the neighbor of each that is on the way back."""
        near: list[set[int]] = [set(of) for of in self.parents]
        for k, of in enumerate(self.parents):
            for p in of:
                near[p].add(k)
        steps, before, left = [-1] * self.n_variables, [-1] * self.n_variables, deque([start])
        steps[start] = 0
        while left:
            here = left.popleft()
            for other in sorted(near[here]):
                if steps[other] < 0:
                    steps[other], before[other] = steps[here] + 1, here
                    left.append(other)
        return steps, before


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalTrials:
    """Trials of `LocalExperience`. Arrays are read-only.

    Parameters
    ----------
    states : ndarray, (n_trials, n_variables), int64
        Values of all variables, also of those that are not shown.
    order : ndarray, (n_trials, n_variables), int64
        Variables in the order in which they are shown; -1 behind the last.
    goal : ndarray, (n_trials,), int64
        The variable named at the start, one of those shown.

    Examples
    --------
    >>> trials = LocalExperience(net=BayesNet.chain(4, flip=0.1)).draw(5, seed=1)
    >>> trials.shown.shape, bool(trials.shown[range(5), trials.goal].all())
    ((5, 4), True)
    """

    states: np.ndarray
    order: np.ndarray
    goal: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.states, self.order, self.goal):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.states)

    @property
    def shown(self) -> np.ndarray:
        """Which variables are shown (n_trials, n_variables), bool."""
        found = np.zeros(self.states.shape, dtype=bool)
        row, place = np.nonzero(self.order >= 0)
        found[row, self.order[row, place]] = True
        return found

    def tokens(self) -> Tokens:
        """Return the trials as sequences: a word that names the goal, one for each value shown, and an end.

        Returns
        -------
        Tokens
            Each place asks for the next word; nothing is asked behind the end.

        Examples
        --------
        >>> trials = LocalExperience(net=BayesNet.chain(3, flip=0.1), drop=0.0).draw(1, seed=2)
        >>> read = trials.tokens()
        >>> " / ".join(read.vocabulary[k] for k in read.tokens[0])
        'goal X2 / X2=0 / X0=1 / X1=1'
        """
        n, n_variables = self.states.shape
        end = 3 * n_variables
        words = np.full((n, n_variables + 2), end)
        words[:, 0] = 2 * n_variables + self.goal
        row, place = np.nonzero(self.order >= 0)
        names = self.order[row, place]
        words[row, place + 1] = 2 * names + self.states[row, names]
        targets = words[:, 1:].copy()
        targets[np.arange(n_variables + 1) > (self.order >= 0).sum(axis=1, keepdims=True)] = -1
        names_of = [f"X{k}" for k in range(n_variables)]
        told = [f"{name}={value}" for name in names_of for value in (0, 1)]
        vocabulary = (*told, *(f"goal {name}" for name in names_of), "end")
        return Tokens(tokens=words[:, :-1], targets=targets, vocabulary=vocabulary)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the trials for a network that is trained on the next word.

        Returns
        -------
        x, targets : ndarray, (n_trials, length), int64
            As in `tokens`.

        Examples
        --------
        >>> x, targets = LocalExperience(net=BayesNet.chain(4, flip=0.1)).draw(5, seed=1).frames()
        >>> x.shape, targets.shape
        ((5, 5), (5, 5))
        """
        read = self.tokens()
        return read.tokens, read.targets

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents, a channel for each word; the next word is asked where there is one.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a word is shown; a whole number of steps.

        Returns
        -------
        Drive

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.

        Examples
        --------
        >>> trials = LocalExperience(net=BayesNet.chain(4, flip=0.1)).draw(5, seed=1)
        >>> trials.drive("1 ms", hold="10 ms").inputs.shape
        (5, 50, 13)
        """
        read = self.tokens()
        words = np.arange(len(read.vocabulary))
        return drive(
            read.tokens[..., None] == words,
            dt,
            hold=hold,
            channels=read.vocabulary,
            targets=read.targets[..., None] == words,
            asked=read.asked,
            outputs=read.vocabulary,
        )


@dataclass(frozen=True, kw_only=True)
class LocalExperience(DrawnTask[LocalTrials]):
    """States of a Bayes net of which each trial shows only some variables, in random order.

    Parameters
    ----------
    net : BayesNet
    observed : {"local", "full", "wrong"}
        What a trial shows: the variables around one that is drawn; all; or those around it in another net,
        which is this one with its variables exchanged at random.
    radius : {"geometric", "zipf"}
        How far around: geometric with ``p``, from 1, or Zipf with exponent 2.
    p : float
        Of the geometric radius.
    drop : float
        Each variable is left out with this probability; one always stays.
    held_out : sequence of (int, int)
        Pairs that are never shown together: of both, one is left out at random.
    seed : int
        Of the exchange for ``"wrong"``, stream ``"bayes_net/wrong"``.

    Raises
    ------
    SpecError
        If an argument is out of bounds.

    Examples
    --------
    >>> net = BayesNet.random(12, seed=1)
    >>> task = LocalExperience(net=net, held_out=net.far_pairs(4))
    >>> shown = task.draw(2000, seed=0).shown
    >>> any(bool((shown[:, a] & shown[:, b]).any()) for a, b in task.held_out)
    False
    """

    kind = "local_experience"

    net: BayesNet
    observed: str = "local"
    radius: str = "geometric"
    p: float = 0.33
    drop: float = 0.2
    held_out: Sequence[tuple[int, int]] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        where = "LocalExperience"
        if not isinstance(self.net, BayesNet):
            raise SpecError.of(where=where, name="net", value=self.net, bound="must be a BayesNet")
        check_choice(self.observed, OBSERVED, where=where, name="observed")
        check_choice(self.radius, RADII, where=where, name="radius")
        check_real(self.p, where=where, name="p", low=0.0, high=1.0, low_open=True)
        check_real(self.drop, where=where, name="drop", low=0.0, high=1.0, high_open=True)
        rng.check_seed(self.seed)
        pairs, n = np.array(self.held_out, dtype=np.int64).reshape(-1, 2), self.net.n_variables
        if ((pairs < 0) | (pairs >= n)).any() or (pairs[:, 0] == pairs[:, 1]).any():
            bound = f"must be pairs of two variables, from 0 to {n - 1}"
            raise SpecError.of(where=where, name="held_out", value=pairs.tolist(), bound=bound)

    @property
    def _most(self) -> int:
        return MAX_TRIALS // (2 * self.net.n_variables + 3)

    def _drawn(self, generator: np.random.Generator, n: int) -> LocalTrials:
        n_variables = self.net.n_variables
        states = self.net.sample(generator, n)
        center = generator.integers(n_variables, size=n)
        steps = (
            generator.geometric(self.p, size=n) if self.radius == "geometric" else generator.zipf(2.0, size=n)
        )
        near = self._distances[center]
        shown = (
            (near >= 0) & (near <= steps[:, None]) if self.observed != "full" else np.ones_like(near, bool)
        )
        kept = shown & (generator.random(shown.shape) >= self.drop)
        kept[np.arange(n), center] |= ~kept.any(axis=1)
        for pair in self.held_out:
            both = np.flatnonzero(kept[:, pair].all(axis=1))
            kept[both, np.asarray(pair)[generator.integers(2, size=both.size)]] = False
        keys = np.where(kept, generator.random(kept.shape), 2.0)
        order = keys.argsort(axis=1)
        order[np.take_along_axis(keys, order, axis=1) > 1] = -1
        place = (generator.random(n) * kept.sum(axis=1)).astype(np.int64)
        return LocalTrials(states=states, order=order, goal=order[np.arange(n), place])

    @cached_property
    def _distances(self) -> np.ndarray:
        """Distances in the net whose neighborhoods are shown."""
        if self.observed != "wrong":
            return self.net.distances
        other = rng.stream(self.seed, "bayes_net/wrong").permutation(self.net.n_variables)
        return self.net.distances[np.ix_(other, other)]
