"""Everything that moves in a run, side by side in memory: looked through and copied as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from arcuate.engines._precision import LINE, aligned

if TYPE_CHECKING:
    from arcuate.engines.plan import Array

MODERATE = {"d": 1e100, "f": 1e10}
"""Size below which products of three numbers are finite, in double and in single precision.

Chosen: far above what a network reaches.
"""


class State:
    """Arrays that move, those of one type in one block.

    Parameters
    ----------
    table : mapping of str to ndarray
        The arrays at step 0.
    apart : collection of str
        Keys of large ones that stay outside the blocks and are not looked through.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The same arrays; those in a block are copies, aligned to cache lines.
    blocks : dict of str to ndarray
        Blocks by the letter of their type, and the arrays that are apart by their key.

    Examples
    --------
    >>> state = State({"v": np.zeros(3), "ring": np.zeros(2, np.int32)}, apart=())
    >>> before = state.copy()
    >>> state.arrays["v"][0] = np.nan
    >>> state.is_moderate()
    False
    >>> state.restore(before)
    >>> state.arrays["v"].tolist(), state.is_moderate()
    ([0.0, 0.0, 0.0], True)
    """

    def __init__(self, table: Mapping[str, Array], *, apart: Collection[str]) -> None:
        self.blocks = {key: table[key] for key in apart}
        self.arrays = dict(table)
        kinds: dict[str, list[str]] = {}
        for key, value in table.items():
            if key not in self.blocks:
                kinds.setdefault(value.dtype.char, []).append(key)
        for kind, keys in kinds.items():
            step = LINE // table[keys[0]].itemsize
            rooms = [-(-table[key].size // step) * step for key in keys]
            block = self.blocks[kind] = aligned(np.zeros(sum(rooms), kind), np.dtype(kind).type)
            first = 0
            for key, room in zip(keys, rooms, strict=True):
                place = block[first : first + table[key].size].reshape(table[key].shape)
                np.copyto(place, table[key])
                self.arrays[key], first = place, first + room

    def is_moderate(self) -> bool:
        """Whether all numbers are far from infinity, and so is what is computed from two or three of them.

        Returns
        -------
        bool
            False also where a number is not one.
        """
        return all(
            -size < np.minimum.reduce(block) and np.maximum.reduce(block) < size
            for block, size in ((self.blocks.get(kind), size) for kind, size in MODERATE.items())
            if block is not None and block.size
        )

    def copy(self) -> dict[str, Array]:
        """Copy the blocks.

        Returns
        -------
        dict of str to ndarray
        """
        return {key: block.copy() for key, block in self.blocks.items()}

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Put back what was copied.

        Parameters
        ----------
        saved : mapping of str to ndarray
            From `copy`.
        """
        for key, block in self.blocks.items():
            np.copyto(block, saved[key])
