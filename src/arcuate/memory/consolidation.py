"""Complementary learning systems: a store that learns at once, a network that learns slowly, and replay.

After McClelland, McNaughton and O'Reilly 1995: the hippocampus separates patterns and stores them in one
presentation, and reactivates them while the cortex learns something else.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from arcuate._inputs import check_bytes
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import NonFiniteError, SpecError, check_array, check_int, check_real
from arcuate.memory._rows import check_rows
from arcuate.rng import check_seed, stream

__all__ = ["HippocampalStore", "SlowLearner", "consolidate", "replay"]


class HippocampalStore:
    """Pairs stored at once by few active units of many (pattern separation).

    Code ``c`` of x: the ``n_active`` largest of ``P x``, P drawn from a normal law. Each active unit keeps
    the mean of the [x, y] it took part in (Hebbian, with a rate of one over their number); a cue recalls the
    mean of what its active units keep. Where codes overlap much, everything is recalled at once.

    Parameters
    ----------
    d_in, d_out : int
        Widths of x and y.
    n_units : int
        Units of the expansion (1500, chosen: some 40 for each feature).
    n_active : int
        How many of them are active (30, chosen: 2 %).
    seed : int
        Address of the expansion: ``memory/hippocampus``.

    Raises
    ------
    SpecError
        If a number is out of bounds.
    MemoryLimitError
        If the expansion would not fit into memory.

    Examples
    --------
    >>> store = HippocampalStore(4, 1, n_units=100, n_active=5, seed=1)
    >>> store = store.write(np.eye(4), np.arange(4.0)[:, None])
    >>> x, y = store.recall(np.eye(4)[3:])
    >>> float(y[0, 0].round(1))
    3.0
    """

    def __init__(
        self, d_in: int, d_out: int, *, n_units: int = 1500, n_active: int = 30, seed: int = 0
    ) -> None:
        where = "HippocampalStore"
        self.d_in = check_int(d_in, where=where, name="d_in")
        self.d_out = check_int(d_out, where=where, name="d_out")
        self.n_units = check_int(n_units, where=where, name="n_units")
        self.n_active = check_int(n_active, where=where, name="n_active", high=self.n_units)
        need = 8 * n_units * (2 * d_in + d_out + 1)
        check_bytes(need, where=where, fix="use smaller widths or fewer units")
        expansion = stream(check_seed(seed), "memory/hippocampus").standard_normal((d_in, n_units))
        self.expansion = expansion
        self.sums = np.zeros((n_units, d_in + d_out))
        self.counts = np.zeros(n_units)
        self.stored = np.empty((0, d_in))

    def encode(self, x: Any) -> np.ndarray:
        """Give the units that are active for a pattern.

        Parameters
        ----------
        x : array_like, (n, d_in)

        Returns
        -------
        ndarray of float, (n, n_units)
            Ones and zeros.

        Raises
        ------
        MemoryLimitError
            If they would not fit into memory.

        Examples
        --------
        >>> HippocampalStore(3, 1, n_units=50, n_active=4).encode(np.eye(3)).sum(axis=1)
        array([4., 4., 4.])
        """
        given = check_rows(x, self.d_in, "HippocampalStore", name="x")
        check_bytes(
            32 * len(given) * self.n_units, where="HippocampalStore", fix="take fewer patterns at once"
        )
        driven = given @ self.expansion
        winners = np.argpartition(-driven, self.n_active - 1, axis=1)[:, : self.n_active]
        code = np.zeros_like(driven)
        np.put_along_axis(code, winners, 1.0, axis=1)
        return code

    def write(self, x: Any, y: Any) -> HippocampalStore:
        """Store pairs, each once.

        Parameters
        ----------
        x : array_like, (n, d_in)
        y : array_like, (n, d_out)

        Returns
        -------
        HippocampalStore
            Itself.

        Examples
        --------
        >>> HippocampalStore(2, 1).write([[1.0, 0.0]], [[2.0]]).stored
        array([[1., 0.]])
        """
        given = check_rows(x, self.d_in, "HippocampalStore", name="x")
        said = check_array(y, where="HippocampalStore", name="y", shape=(len(given), self.d_out))
        code = self.encode(given)
        self.sums += code.T @ np.hstack((given, said))
        self.counts += code.sum(axis=0)
        self.stored = np.vstack((self.stored, given))
        return self

    def recall(self, cue: Any) -> tuple[np.ndarray, np.ndarray]:
        """Complete a cue.

        Parameters
        ----------
        cue : array_like, (n, d_in)

        Returns
        -------
        tuple of ndarray
            x (n, d_in) and y (n, d_out) of what the cue brings back; zeros if none of its units took part in
            anything.

        Examples
        --------
        >>> store = HippocampalStore(2, 1).write([[1.0, 0.0]], [[2.0]])
        >>> store.recall([[0.9, 0.1]])[1].shape
        (1, 1)
        """
        code = self.encode(cue) * (self.counts > 0)
        means = self.sums / np.maximum(self.counts, 1.0)[:, None]
        found = (code @ means) / np.maximum(code.sum(axis=1, keepdims=True), 1.0)
        return found[:, : self.d_in], found[:, self.d_in :]


class SlowLearner:
    """A network with one hidden layer that learns by gradient descent: ``softmax(W2 tanh(W1 x + b1) + b2)``.

    Parameters
    ----------
    d_in, d_out : int
    n_hidden : int
        60 (chosen).
    learning_rate : float
        0.3 (chosen), for the mean cross entropy of what is written at once.
    seed : int
        Address of the start weights: ``memory/slow_learner``.

    Raises
    ------
    SpecError
        If a number is out of bounds.
    MemoryLimitError
        If the weights would not fit into memory.

    Examples
    --------
    >>> slow = SlowLearner(2, 2, seed=1)
    >>> for _ in range(200):
    ...     slow = slow.write(np.eye(2), np.eye(2))
    >>> slow.read(np.eye(2)).argmax(axis=1)
    array([0, 1])
    """

    def __init__(
        self, d_in: int, d_out: int, *, n_hidden: int = 60, learning_rate: float = 0.3, seed: int = 0
    ) -> None:
        where = "SlowLearner"
        for name, value in (("d_in", d_in), ("d_out", d_out), ("n_hidden", n_hidden)):
            check_int(value, where=where, name=name)
        check_real(learning_rate, where=where, name="learning_rate", low=0, low_open=True)
        self.learning_rate = float(learning_rate)
        check_bytes(16 * n_hidden * (d_in + d_out), where=where, fix="use smaller widths")
        rng = stream(check_seed(seed), "memory/slow_learner")
        self.w1 = rng.standard_normal((d_in, n_hidden)) / math.sqrt(d_in)
        self.w2 = rng.standard_normal((n_hidden, d_out)) / math.sqrt(n_hidden)
        self.b1, self.b2 = np.zeros(n_hidden), np.zeros(d_out)

    def read(self, x: Any) -> np.ndarray:
        """Give the probability of every response.

        Parameters
        ----------
        x : array_like, (n, d_in)

        Returns
        -------
        ndarray, (n, d_out)

        Raises
        ------
        NonFiniteError
            If they are no numbers, for weights or patterns beyond all bounds.

        Examples
        --------
        >>> SlowLearner(2, 3).read([[0.0, 0.0]]).round(3)
        array([[0.333, 0.333, 0.333]])
        """
        given = check_rows(x, len(self.w1), "SlowLearner", name="x")
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is named below
            found = self._respond(np.tanh(given @ self.w1 + self.b1))
        _check_finite("probabilities", found, fix="scale the patterns")
        return found

    def _respond(self, hidden: np.ndarray) -> np.ndarray:
        logits = hidden @ self.w2 + self.b2
        p: np.ndarray = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def write(self, x: Any, y: Any) -> SlowLearner:
        """Take one step down the mean cross entropy of some pairs.

        Parameters
        ----------
        x : array_like, (n, d_in)
        y : array_like, (n, d_out)
            Probabilities, or what a store recalls of them.

        Returns
        -------
        SlowLearner
            Itself.

        Raises
        ------
        NonFiniteError
            If the weights grow beyond all bounds; those before are kept.

        Examples
        --------
        >>> slow = SlowLearner(1, 2)
        >>> before = slow.read([[1.0]])[0, 1]
        >>> bool(slow.write([[1.0]], [[0.0, 1.0]]).read([[1.0]])[0, 1] > before)
        True
        """
        given = check_rows(x, len(self.w1), "SlowLearner", name="x")
        said = check_array(y, where="SlowLearner", name="y", shape=(len(given), len(self.b2)))
        rate = self.learning_rate
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is named below
            hidden = np.tanh(given @ self.w1 + self.b1)
            error = (self._respond(hidden) * said.sum(axis=1, keepdims=True) - said) / len(given)
            back = (error @ self.w2.T) * (1 - hidden**2)
            new = (
                self.w1 - rate * given.T @ back,
                self.b1 - rate * back.sum(axis=0),
                self.w2 - rate * hidden.T @ error,
                self.b2 - rate * error.sum(axis=0),
            )
        _check_finite("weights", *new, fix="use a smaller learning_rate, or scale the patterns")
        self.w1, self.b1, self.w2, self.b2 = new
        return self


def _check_finite(name: str, *arrays: np.ndarray, fix: str) -> None:
    """Name what is not finite after a step of the slow learner."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise NonFiniteError.of(where="SlowLearner", name=name, bound="are not finite", fix=fix)


class Learner(Protocol):
    """What replay can teach: `SlowLearner`, `AssociativeMemory`, anything that writes pairs."""

    def write(self, x: np.ndarray, y: np.ndarray) -> Any:
        """Learn some pairs.

        Parameters
        ----------
        x, y : ndarray
        """


def replay(
    store: HippocampalStore, n: int, *, rng: np.random.Generator, noise: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Reactivate what is stored: noisy states bring back whole patterns.

    Parameters
    ----------
    store : HippocampalStore
    n : int
        How many.
    rng : numpy.random.Generator
    noise : float
        Standard deviation of what is added to a cue, over that of the patterns (0.5, chosen).

    Returns
    -------
    tuple of ndarray
        x (n, d_in) and y (n, d_out).

    Raises
    ------
    SpecError
        If nothing is stored or a number is out of bounds.
    MemoryLimitError
        If the patterns would not fit into memory.

    Examples
    --------
    >>> store = HippocampalStore(2, 1).write([[1.0, 0.0]], [[2.0]])
    >>> replay(store, 3, rng=np.random.default_rng(0))[1].shape
    (3, 1)
    """
    check_int(n, where="replay", name="n")
    check_real(noise, where="replay", name="noise", low=0)
    _check_store(store, "replay")
    given: object = rng
    if not isinstance(given, np.random.Generator):
        bound, fix = "must be a generator of NumPy", "as in rng=numpy.random.default_rng(1)"
        raise SpecError.of(where="replay", name="rng", value=given, bound=bound, fix=fix)
    if not len(store.stored):
        raise SpecError.of(where="replay", name="store", bound="holds nothing", fix="write to it first")
    need = 8 * n * (4 * store.n_units + 3 * store.d_in + store.d_out)
    check_bytes(need, where="replay", fix="replay fewer patterns at once")
    cue = store.stored[rng.integers(len(store.stored), size=n)]
    cue = cue + noise * store.stored.std() * rng.standard_normal(cue.shape)
    return store.recall(cue)


def _check_store(store: object, where: str) -> None:
    if not isinstance(store, HippocampalStore):
        raise SpecError.of(where=where, name="store", value=store, bound="must be a HippocampalStore")


def consolidate(
    store: HippocampalStore,
    learner: Learner,
    *,
    events: int,
    batch: int = 20,
    noise: float = 0.5,
    seed: int = 0,
    progress: ProgressOption = None,
) -> None:
    """Sleep: replay what is stored to a learner.

    Parameters
    ----------
    store : HippocampalStore
    learner : object
        With ``write(x, y)``; it is changed.
    events : int
        Replay events.
    batch : int
        Patterns in each (20, chosen).
    noise : float
        As for `replay`.
    seed : int
        Address of the draws: ``memory/replay``.
    progress : bool, callable or None
        A bar after two seconds on a terminal, by default.

    Raises
    ------
    SpecError
        If nothing is stored, the learner cannot write, or a number is out of bounds.

    Examples
    --------
    >>> store = HippocampalStore(3, 3).write(np.eye(3), np.eye(3))
    >>> slow = SlowLearner(3, 3, seed=1)
    >>> consolidate(store, slow, events=300)
    >>> slow.read(np.eye(3)).argmax(axis=1)
    array([0, 1, 2])
    """
    _check_store(store, "consolidate")
    for name, value in (("events", events), ("batch", batch)):
        check_int(value, where="consolidate", name=name)
    check_real(noise, where="consolidate", name="noise", low=0)
    if not callable(getattr(learner, "write", None)):
        bound = "must have write(x, y)"
        raise SpecError.of(where="consolidate", name="learner", value=learner, bound=bound)
    check_progress(progress, where="consolidate", unit="events")
    rng = stream(check_seed(seed), "memory/replay")
    with progress_bar(progress, events, title="replay", unit="event") as tell:
        for _ in range(events):
            learner.write(*replay(store, batch, rng=rng, noise=noise))
            if tell:
                tell(1)
