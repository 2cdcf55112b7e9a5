"""Draw connectivity: from a rule and a stream to sorted edges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from arcuate.engines._resolve import BLOCK
from arcuate.engines.plan import Array
from arcuate.errors import SpecError
from arcuate.spec import Dense, Edges, FixedInDegree, Sparse

if TYPE_CHECKING:
    from arcuate.spec.projection import Connectivity


def draw_edges(
    rule: Connectivity, n_pre: int, n_post: int, *, same: bool, generator: np.random.Generator, where: str
) -> tuple[Array, Array]:
    """Draw the edges of a projection.

    Parameters
    ----------
    rule : Connectivity
        How to connect.
    n_pre, n_post : int
        Sizes.
    same : bool
        Whether both ends are the same population, where self-connections may be forbidden.
    generator : numpy.random.Generator
        Stream to draw from.
    where : str
        For the message.

    Returns
    -------
    tuple of ndarray
        ``(pre, post)``, int32, sorted by (pre, post).

    Raises
    ------
    SpecError
        If indices or degrees do not fit the populations.
    """
    if isinstance(rule, Edges):
        return _explicit(rule, n_pre, n_post, where=where)
    skip_self = same and not getattr(rule, "allow_self", True)
    width = n_post - 1 if skip_self else n_post
    if isinstance(rule, FixedInDegree):
        return _in_degree(rule.k, n_pre, n_post, skip_self=skip_self, generator=generator, where=where)
    if isinstance(rule, Dense):
        flat = np.arange(n_pre * width, dtype=np.int64)
    elif isinstance(rule, Sparse):
        flat = _bernoulli(n_pre * width, float(rule.p), generator)
    else:
        raise TypeError(f"{where}: no way to draw {type(rule).__name__}")
    pre, post = _split(flat, width)
    if skip_self:
        post += post >= pre
    return pre, post


def _bernoulli(total: int, p: float, generator: np.random.Generator) -> Array:
    """Ascending indices below `total`, each in with probability p, by jumping from one to the next."""
    if p >= 1.0:
        return np.arange(total, dtype=np.int64)
    if p <= 0.0 or total == 0:
        return np.empty(0, np.int64)
    pieces, last = [], -1
    while last < total - 1:
        expected = (total - 1 - last) * p
        places = _jumps(p, min(BLOCK, int(expected + 4.0 * np.sqrt(expected) + 16.0)), generator)
        places[0] += last
        np.cumsum(places, out=places)
        last = int(places[-1])
        pieces.append(places[: np.searchsorted(places, total)])
    return np.concatenate(pieces)


def _jumps(p: float, n: int, generator: np.random.Generator) -> Array:
    """The numbers that ``generator.geometric`` gives, from the same formula, three times as fast.

    NumPy inverts the distribution if p < 1/3, and takes the logarithm of p anew for every number.
    """
    if not 1e-9 < p < 0.33:
        return generator.geometric(p, size=n)
    jumps = generator.standard_exponential(n)
    jumps /= -math.log1p(-p)
    return np.ceil(jumps, out=jumps).astype(np.int64)


def _in_degree(
    k: int, n_pre: int, n_post: int, *, skip_self: bool, generator: np.random.Generator, where: str
) -> tuple[Array, Array]:
    choices = n_pre - 1 if skip_self else n_pre
    if k > choices:
        raise SpecError.of(
            where=where,
            name="connectivity.k",
            value=k,
            bound=f"must be <= {choices}, the neurons to choose from",
            fix="lower k, or enlarge the presynaptic population",
        )
    key = np.empty(n_post * k, np.int64)  # pre * n_post + post: sorted in place, without a table of places
    rows = max(1, BLOCK // max(k, 1))
    for first in range(0, n_post, rows):
        last = min(first + rows, n_post)
        pre = _distinct(choices, k, last - first, generator)
        post = np.arange(first, last)[:, None]
        if skip_self:
            pre += pre >= post
        key[first * k : last * k] = (pre * n_post + post).ravel()
    key.sort()
    return _split(key, n_post)


def _split(key: Array, width: int) -> tuple[Array, Array]:
    """Quotients and remainders of numbers >= 0, int32, in blocks."""
    pre, post = np.empty(key.size, np.int32), np.empty(key.size, np.int32)
    for first in range(0, key.size, BLOCK):
        part = slice(first, first + BLOCK)
        quotient = key[part] // max(width, 1)
        pre[part], post[part] = quotient, key[part] - quotient * max(width, 1)
    return pre, post


def _distinct(n: int, k: int, rows: int, generator: np.random.Generator) -> Array:
    """For each row k different numbers below n, each set as likely as any other, in no order.

    Where sets seldom hold a number twice they are drawn all at once, by Floyd's algorithm (Bentley and Floyd
    1987, doi:10.1145/30401.315746): number c of a row is drawn from 0 to n - k + c, and is n - k + c if the
    row has what was drawn. These are the numbers that ``generator.choice`` gives row by row.
    """
    if k * k > n:
        drawn = np.empty((rows, k), np.int64)
        for row in drawn:
            row[:] = generator.choice(n, k, replace=False, shuffle=False)
        return drawn
    drawn = generator.integers(0, np.arange(n - k + 1, n + 1), size=(rows, k))
    ordered = np.sort(drawn, axis=1)
    twice = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    again = drawn[twice]
    for c in range(1, k):
        again[(again[:, :c] == again[:, c, None]).any(axis=1), c] = n - k + c
    drawn[twice] = again
    return drawn


def _explicit(rule: Edges, n_pre: int, n_post: int, *, where: str) -> tuple[Array, Array]:
    pre, post = np.asarray(rule.pre, dtype=np.int64), np.asarray(rule.post, dtype=np.int64)
    for name, index, n in (("pre", pre, n_pre), ("post", post, n_post)):
        if index.size and int(index.max()) >= n:
            raise SpecError.of(
                where=where,
                name=f"connectivity.{name}",
                value=int(index.max()),
                bound=f"must be < {n}, the size of the population",
                fix="indices count from 0",
            )
    return pre.astype(np.int32), post.astype(np.int32)
