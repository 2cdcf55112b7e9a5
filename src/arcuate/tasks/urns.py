"""Balls from an urn: what comes next is told by the urns one knows, or by counting.

References
----------
D. Wurgaft, E. Lubana, C. Park, H. Tanaka, G. Reddy and N. Goodman, In-context learning strategies emerge
rationally (2025), arXiv 2506.17859. Sizes are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from arcuate.errors import check_choice, check_int
from arcuate.rng import check_seed, stream
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["UrnTrials", "Urns"]

SOURCES = ("urns", "prior")
MAX_NUMBERS = 50_000_000
MAX_SIZE = 65_536


@dataclass(frozen=True, kw_only=True, eq=False)
class UrnTrials:
    """Trials of `Urns`. Arrays are read-only.

    Parameters
    ----------
    balls : ndarray, (n_trials, length + 1), int64
        Symbols as they were drawn; after each but the last the next one is asked for.
    laws : ndarray, (n_trials, n_symbols), float64
        Probabilities of the urn of each trial.

    Examples
    --------
    >>> trials = Urns(n_urns=4).draw(3, seed=1)
    >>> trials.balls.shape, trials.laws.shape
    ((3, 49), (3, 8))
    """

    balls: np.ndarray
    laws: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.balls, self.laws):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.balls)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what is read and what comes next.

        Returns
        -------
        x : ndarray, (n_trials, length), int64
        targets : ndarray, (n_trials, length), int64

        Examples
        --------
        >>> x, targets = Urns().draw(3, seed=1).frames()
        >>> x.shape, bool((x[:, 1:] == targets[:, :-1]).all())
        ((3, 48), True)
        """
        return self.balls[:, :-1], self.balls[:, 1:]

    def tokens(self) -> Tokens:
        """Return the trials as sequences of words, in which every next one is asked for.

        Returns
        -------
        Tokens

        Examples
        --------
        >>> read = Urns(n_symbols=3).draw(2, seed=1).tokens()
        >>> read.tokens.shape, read.vocabulary
        ((2, 48), ('symbol 0', 'symbol 1', 'symbol 2'))
        """
        x, targets = self.frames()
        names = tuple(f"symbol {k}" for k in range(self.laws.shape[1]))
        return Tokens(tokens=x.copy(), targets=targets.copy(), vocabulary=names)

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: one channel for each symbol, one ball after the other.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a ball is shown; a whole number of steps.

        Returns
        -------
        Drive
            One output for each symbol: the ball that comes next.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = Urns().draw(2, seed=1).drive("1 ms", hold="10 ms")
        >>> shown.inputs.shape, shown.targets.shape
        ((2, 480, 8), (2, 480, 8))
        """
        x, targets = self.frames()
        size = self.laws.shape[1]
        held(dt, hold, shape=(*x.shape, size), n_outputs=size)
        one = np.eye(size)
        names = [f"symbol {k}" for k in range(size)]
        return drive(one[x], dt, hold=hold, channels=names, targets=one[targets], outputs=names)


@dataclass(frozen=True, kw_only=True)
class Urns(DrawnTask[UrnTrials]):
    """Balls drawn from one of some urns, with replacement (Wurgaft et al. 2025).

    The probabilities of an urn are drawn from the flat Dirichlet law. Who knows the urns guesses which one it
    is; who does not, counts. `arcuate.probes.urn_predictors` are both of them at their best.

    Parameters
    ----------
    n_urns : int
        D, all equally frequent.
    n_symbols : int
        V.
    length : int
        Balls that are read; one more is drawn, which is asked for at the end.
    source : {"urns", "prior"}
        "prior": every trial has an urn of its own, which nobody has seen.
    world : int
        Seed of the urns.

    Raises
    ------
    SpecError
        If a number is out of bounds.

    Examples
    --------
    >>> Urns(n_urns=4).laws.shape
    (4, 8)
    """

    kind = "urns"

    n_urns: int = 8
    n_symbols: int = 8
    length: int = 48
    source: str = "urns"
    world: int = 0

    def __post_init__(self) -> None:
        for name, low in (("n_urns", 1), ("n_symbols", 2), ("length", 1)):
            check_int(getattr(self, name), where="Urns", name=name, low=low, high=MAX_SIZE)
        check_choice(self.source, SOURCES, where="Urns", name="source")
        check_seed(self.world)

    @property
    def _most(self) -> int:
        return MAX_NUMBERS // ((self.length + 1) * self.n_symbols)

    @cached_property
    def laws(self) -> np.ndarray:
        """Probabilities of the urns (n_urns, n_symbols)."""
        laws = stream(self.world, f"task/{self.kind}/laws").dirichlet(np.ones(self.n_symbols), self.n_urns)
        laws.flags.writeable = False
        return laws

    def _drawn(self, generator: np.random.Generator, n: int) -> UrnTrials:
        if self.source == "prior":
            laws = generator.dirichlet(np.ones(self.n_symbols), n)
        else:
            laws = self.laws[generator.integers(self.n_urns, size=n)]
        steps = np.cumsum(laws[:, :-1], axis=1)
        drawn = generator.random((n, self.length + 1))
        balls = (drawn[..., None] >= steps[:, None]).sum(axis=2)
        return UrnTrials(balls=balls.astype(np.int64), laws=laws)
