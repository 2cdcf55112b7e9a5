"""How alike two factorizations are: congruence, factor match scores, aligned components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from arcuate.errors import SpecError, check_choice

__all__ = ["align_components", "congruence", "factor_match_score"]


def congruence(first: Any, second: Any) -> np.ndarray:
    """Tucker's congruence of every component of one factorization with every one of another.

    Parameters
    ----------
    first, second : NTF, CPTensor or sequence of ndarray, (dimension, component)
        Fitted models or their factors, one per mode; scales do not matter.

    Returns
    -------
    ndarray, (component of first, component of second)
        Product over modes of the absolute cosines; 0 with a component that is zero.

    Raises
    ------
    SpecError
        If modes or dimensions differ.

    References
    ----------
    U. Lorenzo-Seva and J. M. F. ten Berge, Methodology 2 (2006), doi:10.1027/1614-2241.2.2.57.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import congruence
    >>> congruence([np.eye(2), np.eye(2)], [np.eye(2), np.ones((2, 2))]).round(3)
    array([[0.707, 0.   ],
           [0.   , 0.707]])
    """
    return np.prod(_cosines(first, second, where="congruence"), axis=0)


def factor_match_score(first: Any, second: Any, *, kind: str = "product") -> float:
    """Mean similarity of the components of two factorizations, matched one to one.

    Parameters
    ----------
    first, second : NTF, CPTensor or sequence of ndarray, (dimension, component)
        Fitted models or their factors; at unequal rank the best match of the smaller one counts.
    kind : {"product", "mean"}
        Product over modes of the cosines (as in tensorly, the stricter one), or their mean (as in
        tensortools, which leaves out components that are zero).

    Returns
    -------
    float
        From 0 to 1, the greatest over all matchings.

    Raises
    ------
    SpecError
        If modes or dimensions differ, or the kind is unknown.

    References
    ----------
    E. Acar, D. M. Dunlavy and T. G. Kolda, J. Chemometrics 25 (2011), doi:10.1002/cem.1335.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import factor_match_score
    >>> factors = [np.eye(3), np.tri(3)]
    >>> factor_match_score(factors, [2 * f[:, ::-1] for f in factors])
    1.0
    """
    check_choice(kind, ("product", "mean"), where="factor_match_score", name="kind")
    cosines = _cosines(first, second, where="factor_match_score")
    if kind == "product":
        similarity = np.prod(cosines, axis=0)
    else:
        alive = [cosines.any(axis=(0, 2)), cosines.any(axis=(0, 1))]
        similarity = np.mean(cosines, axis=0)[np.ix_(*alive)]
    if not similarity.size:
        return 0.0
    return float(similarity[linear_sum_assignment(-similarity)].mean().clip(0.0, 1.0))


def align_components(model: Any, reference: Any) -> np.ndarray:
    """Order in which the components of a model match those of a reference.

    Parameters
    ----------
    model, reference : NTF, CPTensor or sequence of ndarray, (dimension, component)
        Fitted models or their factors.

    Returns
    -------
    ndarray of int, (component of model,)
        ``factors[mode][:, order]`` puts the model's components in the order of the reference; those without
        a partner come last.

    Raises
    ------
    SpecError
        If modes or dimensions differ.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import align_components
    >>> align_components([np.eye(3)[:, [2, 0, 1]]], [np.eye(3)]).tolist()
    [1, 2, 0]
    """
    similarity = np.prod(_cosines(model, reference, where="align_components"), axis=0)
    own, others = linear_sum_assignment(-similarity)
    matched = own[np.argsort(others)]
    return np.concatenate([matched, np.setdiff1d(np.arange(len(similarity)), matched)]).astype(int)


def _factors(model: Any, where: str) -> list[np.ndarray]:
    """Factors of a fitted model, or as they are given."""
    factors = getattr(model, "factors_", getattr(model, "factors", model))
    arrays = [np.asarray(f, float) for f in factors] if isinstance(factors, Sequence) else []
    if not arrays or any(f.ndim != 2 or f.shape[1] != arrays[0].shape[1] for f in arrays):
        bound = "must be a fitted model or its factors, one (dimension, component) array per mode"
        raise SpecError.of(where=where, name="factors", value=type(model).__name__, bound=bound)
    return arrays


def _cosines(first: Any, second: Any, *, where: str) -> np.ndarray:
    """Absolute cosines, (mode, component of first, component of second)."""
    one, two = _factors(first, where), _factors(second, where)
    shapes = [f.shape[0] for f in one], [f.shape[0] for f in two]
    if shapes[0] != shapes[1]:
        raise SpecError.of(
            where=where, bound=f"both must have the same dimensions, not {shapes[0]} and {shapes[1]}"
        )
    return np.array([np.abs(_unit(f).T @ _unit(g)) for f, g in zip(one, two, strict=True)])


def _unit(factor: np.ndarray) -> np.ndarray:
    """Columns of length one; zero stays zero."""
    norms = np.linalg.norm(factor, axis=0)
    return factor / np.where(norms > 0, norms, 1.0)
