"""Draw connectivity: from a rule and a stream to sorted edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
    pre = (flat // max(width, 1)).astype(np.int32)
    post = (flat % max(width, 1)).astype(np.int32)
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
        gaps = generator.geometric(p, size=int(expected + 4.0 * np.sqrt(expected) + 16.0))
        places = last + np.cumsum(gaps)
        pieces.append(places)
        last = int(places[-1])
    flat = np.concatenate(pieces)
    return flat[flat < total]


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
    pre = np.empty((n_post, k), np.int32)
    for i in range(n_post):
        pre[i] = generator.choice(choices, k, replace=False, shuffle=False)
    post = np.repeat(np.arange(n_post, dtype=np.int32), k)
    flat = pre.ravel()
    if skip_self:
        flat += flat >= post
    order = np.lexsort((post, flat))
    return flat[order], post[order]


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
