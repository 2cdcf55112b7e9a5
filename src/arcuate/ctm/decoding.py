"""What a machine wrote in its ticks: greedy decoding of connectionist temporal classification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arcuate.errors import SpecError

__all__ = ["Decoded", "decode"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """Lists that were written, as long as there are ticks, filled up with -1.

    Parameters
    ----------
    items : ndarray, (B, T), int64
        What was written, in order.
    waits : ndarray, (B, T), int64
        Ticks spent on blanks and repeats before each item was written.

    Examples
    --------
    >>> written = decode(np.eye(3)[[2, 0, 0, 1]].T[None])
    >>> written.items.tolist(), written.waits.tolist()
    ([[0, 1, -1, -1]], [[1, 1, -1, -1]])
    """

    items: np.ndarray
    waits: np.ndarray


def decode(predictions: np.ndarray) -> Decoded:
    """Read the likeliest output of every tick, without repeats and blanks; the last output is the blank.

    Greedy decoding of A. Graves, S. Fernandez, F. Gomez and J. Schmidhuber, Connectionist temporal
    classification, ICML (2006), section 3.2: an item that follows itself counts again only after a blank.

    Parameters
    ----------
    predictions : ndarray, (B, O, T)
        As a `Thought` has them.

    Returns
    -------
    Decoded

    Raises
    ------
    SpecError
        If there are fewer than two outputs, or an axis is missing.

    Examples
    --------
    >>> decode(np.eye(3)[[0, 2, 0]].T[None]).items
    array([[ 0,  0, -1]])
    """
    y = np.asarray(predictions)
    if y.ndim != 3 or y.shape[1] < 2:
        bound = f"must have shape (trials, outputs, ticks) with two outputs or more, not {y.shape}"
        raise SpecError.of(where="decode", name="predictions", bound=bound)
    blank, said = y.shape[1] - 1, y.argmax(axis=1)
    before = np.concatenate((np.full((len(said), 1), blank), said[:, :-1]), axis=1)
    new = (said != blank) & (said != before)
    trial, tick = np.nonzero(new)
    place = new.cumsum(axis=1)[trial, tick] - 1
    items, ticks = (np.full(said.shape, -1, dtype=np.int64) for _ in range(2))
    items[trial, place], ticks[trial, place] = said[trial, tick], tick
    gaps = np.diff(ticks, axis=1, prepend=-1) - 1
    return Decoded(items=items, waits=np.where(items >= 0, gaps, -1))
