"""Sequences that are stored once and run through again, forward or backward, faster than they were seen.

As places do in sharp-wave ripples (Foster and Wilson 2006; Diba and Buzsaki 2007): each state is tied to
the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._inputs import check_bytes
from arcuate.errors import SpecError, check_array, check_int, check_real
from arcuate.memory.associative import AssociativeMemory
from arcuate.units import to_si

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SequenceStore"]

WHERE = "SequenceStore"


class SequenceStore:
    """Sequences of patterns of -1 and +1, each tied to the one after it.

    ``J = 1/d sum_t xi^{t+1} (xi^t)'``; a replay is ``s <- sign(J s)``, backward ``s <- sign(J' s)`` (Amari
    1972). All sequences share one matrix; of long random sequences it holds up to about 0.27 d steps (Düring,
    Coolen and Sherrington 1998).

    Parameters
    ----------
    d : int
        Width of a pattern.
    interval : quantity
        Time from one pattern to the next when they were seen ("100 ms", chosen).

    Raises
    ------
    SpecError
        If a number is out of bounds.
    MemoryLimitError
        If the matrix would not fit into memory.

    Examples
    --------
    >>> way = np.sign(np.random.default_rng(0).standard_normal((5, 100)))
    >>> store = SequenceStore(100).write(way)
    >>> back = store.replay(way[4], 4, reverse=True)
    >>> bool((back.values == way[3::-1]).all())
    True
    """

    def __init__(self, d: int, *, interval: Any = "100 ms") -> None:
        check_int(d, where=WHERE, name="d")
        check_bytes(16 * d**2, where=WHERE, fix="use a smaller d")
        self.links = AssociativeMemory(d, d, rule="hopfield")
        seconds = to_si(interval, "s", where=WHERE, name="interval")
        self.interval = check_real(seconds, where=WHERE, name="interval", low=0, low_open=True)

    def write(self, sequence: Any) -> SequenceStore:
        """Tie every pattern of a sequence to the next.

        Parameters
        ----------
        sequence : array_like of -1 and +1, (n_steps, d)
            Two steps or more.

        Returns
        -------
        SequenceStore
            Itself.

        Raises
        ------
        SpecError
            If the shape does not fit, or an element is neither -1 nor +1.

        Examples
        --------
        >>> SequenceStore(2).write([[1, 1], [1, -1]]).links.weights
        array([[ 0.5, -0.5],
               [ 0.5, -0.5]])
        """
        xi = self._patterns(sequence, "sequence", (None, self.links.d_key))
        if len(xi) < 2:
            raise SpecError.of(where=WHERE, name="sequence", value=xi, bound="must have at least two steps")
        self.links.write(xi[:-1], xi[1:])
        return self

    def replay(
        self, cue: Any, n_steps: int, *, reverse: bool = False, compression: float = 10.0
    ) -> xr.DataArray:
        """Run through what was stored, from a cue on.

        Parameters
        ----------
        cue : array_like of -1 and +1, (d,)
            A pattern, or most of it.
        n_steps : int
            Patterns to bring back.
        reverse : bool
            Backward, each pattern by the one after it.
        compression : float
            How many times faster than the patterns were seen (10, chosen; some 5 to 20 in ripples).

        Returns
        -------
        xarray.DataArray, (time, unit)
            Patterns, and when each comes, in s after the cue.

        Raises
        ------
        SpecError
            If nothing is stored, the cue does not fit, or a number is out of bounds.
        MemoryLimitError
            If the patterns would not fit into memory.

        Examples
        --------
        >>> store = SequenceStore(2, interval="50 ms").write([[1, 1], [1, -1]])
        >>> found = store.replay([1, 1], 1, compression=5)
        >>> found.values, found.time.values
        (array([[ 1., -1.]]), array([0.01]))
        """
        import xarray as xr

        state = self._patterns(cue, "cue", (self.links.d_key,))
        n = check_int(n_steps, where=WHERE, name="n_steps")
        check_bytes(8 * n * len(state), where=f"{WHERE}.replay", fix="ask for fewer steps")
        check_real(compression, where=WHERE, name="compression", low=0, low_open=True)
        if not self.links.weights.any():
            fix = "write a sequence first"
            raise SpecError.of(where=WHERE, name="replay", bound="has nothing to bring back", fix=fix)
        weights = self.links.weights.T if reverse else self.links.weights
        found = np.empty((n, len(state)))
        for step in range(n):
            field = state @ weights
            state = np.where(field == 0, state, np.sign(field))
            found[step] = state
        time = self.interval / compression * np.arange(1, n + 1)
        return xr.DataArray(found, dims=("time", "unit"), coords={"time": time}, name="pattern")

    def _patterns(self, value: Any, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        array = check_array(value, where=WHERE, name=name, shape=shape)
        if not (np.abs(array) == 1).all():
            raise SpecError.of(where=WHERE, name=name, value=array, bound="must be of -1 and +1")
        return array
