"""Dissimilarities between stimuli: how far apart a system holds each two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cholesky
from scipy.spatial.distance import squareform

from arcuate._inputs import Floats, as_real, check_bytes
from arcuate._jit import compiled
from arcuate.compare._inputs import (
    as_repeats,
    as_samples,
    dims_of,
    labels_of,
    listed,
    plain_array,
    rank_of,
    varying,
    warn,
)
from arcuate.compare._precision import ESTIMATORS, factor_of, whitened
from arcuate.compare._rsa_kernels import contrasts
from arcuate.errors import SpecError, check_choice, check_real
from arcuate.spec.checks import check_flag

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["KINDS", "REPEATED", "as_cube", "as_rdm", "dissimilarities", "labeled", "matched", "rdm"]

LEAST = 3
"""Fewest stimuli: two have one dissimilarity, and nothing to compare it with."""

_ROWS = 2048

KINDS = ("euclidean", "correlation", "cosine", "mahalanobis", "crossnobis", "poisson", "poisson_cv")
REPEATED = ("mahalanobis", "crossnobis", "poisson_cv")
"""Dissimilarities that need repeats of each stimulus."""


def rdm(
    states: ArrayLike,
    *,
    kind: str = "euclidean",
    noise: str | ArrayLike | None = "ledoit-wolf",
    folds: ArrayLike | None = None,
    remove_mean: bool = False,
    prior: tuple[float, float] = (1.0, 0.1),
) -> xr.DataArray:
    r"""Matrix of the dissimilarities between all stimuli (RDM).

    Parameters
    ----------
    states : array_like or DataArray, (n_stimuli, n_units) or (n_stimuli, n_repeats, n_units)
        A DataArray may have its dimensions ``"stimulus"`` (or ``"trial"``) and ``"repeat"`` anywhere; labels
        of the stimuli become those of the result. Repeats are averaged, but for the cross-validated kinds.
    kind : str
        ``"euclidean"``: squared distance over the number of units. ``"correlation"``: 1 - r over units.
        ``"cosine"``: 1 - cosine. ``"mahalanobis"``: squared distance of whitened means, over the number of
        units. ``"crossnobis"``: the same, cross-validated over repeats, so that noise adds nothing and the
        mean without a difference is 0; it may be negative (Walther et al. 2016, eq. 12). Of each fold the
        noise is estimated from the others.
        ``"poisson"``: symmetrized divergence of Poisson rates, for counts; ``"poisson_cv"``:
        cross-validated (Schuett et al. 2023).
    noise : str, array_like (n_units, n_units) or None
        Of ``"mahalanobis"`` and ``"crossnobis"``: an estimator of `noise_covariance`, or a precision
        matrix, or None for none.
    folds : array_like, (n_repeats,), optional
        Fold of each repeat, such as its run; as a default each repeat is one.
    remove_mean : bool
        Subtract its mean over units from each pattern first; ``"correlation"`` always does.
    prior : (float, float)
        Rate m0 > 0 and weight w >= 0 of what is known beforehand of a Poisson rate m, which becomes
        (m + w m0) / (1 + w).

    Returns
    -------
    DataArray, (stimulus, stimulus_2)
        Symmetric with a diagonal of 0; the attribute ``kind`` names the dissimilarity.

    Raises
    ------
    SpecError
        If a value is not finite, there are fewer than 3 stimuli, no unit varies, a label stands twice,
        repeats or folds are too few, or a pattern has no direction (constant, or 0).
    MemoryLimitError
        If the matrix would not fit.

    Warns
    -----
    ArcuateWarning
        If units are constant and so left out: they would pull correlations and cosines up, and have no
        noise to be whitened by. If a fold has a single other repeat, from which no noise can be estimated.

    Examples
    --------
    >>> rdm([[0.0, 0.0], [0.0, 2.0], [2.0, 2.0]]).values.tolist()
    [[0.0, 2.0, 4.0], [2.0, 0.0, 2.0], [4.0, 2.0, 0.0]]
    """
    where = "rdm"
    check_choice(kind, KINDS, where=where, name="kind")
    labels = _labels(states, where, "states")
    check_flag(remove_mean, where=where, name="remove_mean")
    cube = as_cube(states, kind, noise, where)
    check_bytes(24 * len(cube) ** 2, where=where, fix="compare fewer stimuli at a time")
    pairs = dissimilarities(
        cube, kind=kind, noise=noise, folds=folds, remove_mean=remove_mean, prior=prior, where=where
    )
    return labeled(pairs, labels, kind)


def as_cube(states: ArrayLike, kind: str, noise: Any, where: str) -> Floats:
    """States as (n_stimuli, n_repeats, n_units)."""
    repeated = kind in REPEATED and not (kind == "mahalanobis" and not isinstance(noise, str))
    if repeated or rank_of(states) == 3 or "repeat" in dims_of(states):
        least = 2 if repeated else 1
        return as_repeats(states, where=where, name="states", least=LEAST, least_repeats=least)
    return as_samples(states, where=where, name="states", least=LEAST)[:, None]


def dissimilarities(
    cube: Floats,
    *,
    kind: str,
    noise: Any = "ledoit-wolf",
    folds: ArrayLike | None = None,
    remove_mean: bool = False,
    prior: tuple[float, float] = (1.0, 0.1),
    where: str = "rdm",
    name: str = "states",
) -> Floats:
    """Dissimilarities of checked states (n_stimuli, n_repeats, n_units), pair by pair.

    The order of pairs is that of the upper triangle, row by row.
    """
    whitens = kind in ("mahalanobis", "crossnobis") and noise is not None
    drop = kind in ("correlation", "cosine") or (whitens and isinstance(noise, str))
    cube = _varying(cube, drop, where, name)
    crossed = kind in ("crossnobis", "poisson_cv")
    fold = _folds(folds, cube.shape[1], where) if crossed else np.zeros(cube.shape[1], dtype=int)
    counts = np.bincount(fold)
    if kind == "crossnobis" and not _independent(noise, fold):
        factors, n_negative = _factors(cube, fold)
        if remove_mean:
            factors -= factors.mean(axis=-1, keepdims=True)
        factors -= factors.mean(axis=0)
        return _contrasts(_squares(_whitened(factors, cube, noise, where, name), n_negative), cube.shape[2])
    means = np.stack([cube[:, fold == k].mean(axis=1) for k in range(len(counts))])
    if kind in ("poisson", "poisson_cv"):
        return _contrasts(_divergences(means, counts, prior, where, name), cube.shape[2])
    if remove_mean or kind == "correlation":
        means -= means[..., :1].copy()
        means -= means.mean(axis=-1, keepdims=True)
    if kind in ("correlation", "cosine"):
        unit = _shifted(_directions(means, kind, where, name))[0]
        return np.maximum(_contrasts([(unit, unit, 1.0)], 2), 0)
    means = _shifted(means)
    if crossed:
        return _contrasts(_by_others(means, cube, fold, noise, where, name), cube.shape[2])
    states = _whitened(means[0], cube, noise, where, name) if whitens else means[0]
    return np.maximum(_contrasts([(states, states, 1.0)], cube.shape[2]), 0)


_Terms = list[tuple[Floats, Floats, float]]
"""Products A B' with their weights, the sum of which is a kernel K."""


def _contrasts(terms: _Terms, divisor: float) -> Floats:
    """Pairs (K_ii + K_jj - K_ij - K_ji) / divisor of a kernel, in blocks of its rows."""
    n = len(terms[0][0])
    own = sum(weight * np.einsum("ij,ij->i", a, b) for a, b, weight in terms)
    pairs = np.empty(n * (n - 1) // 2)
    for first in range(0, n, _ROWS):
        last = min(first + _ROWS, n)
        both = np.zeros((last - first, n - first))
        for a, b, weight in terms:
            product = a[first:last] @ b[first:].T
            if a is not b:  # the one of all rows is its own other half
                product = product + (product.T if len(product) == n else b[first:last] @ a[first:].T)
            product *= 2 * weight if a is b else weight
            both += product
        compiled(contrasts)(both, own, first, float(divisor), pairs)
    return pairs


def _factors(cube: Floats, fold: np.ndarray) -> tuple[Floats, int]:
    r"""Combinations C_k of repeats, (n_stimuli, n_folds, n_units), whose squares make a crossed kernel.

    With n_f repeats of mean M_f in fold f, of N in all, the mean over the F folds of M_f with the mean of all
    other repeats is the sum over f != g of W_fg M_f M_g', W_fg = n_g / ((N - n_f) F). Only K + K' is asked
    for, so W may be made symmetric; its eigenvectors leave squares C_k C_k' alone, with the signs of the
    eigenvalues, which take half of the work of products.
    """
    counts = np.bincount(fold).astype(float)
    weights = counts / (counts.sum() - counts)[:, None] / len(counts)
    np.fill_diagonal(weights, 0)
    values, vectors = np.linalg.eigh((weights + weights.T) / 2)
    mixing = np.sqrt(np.abs(values))[:, None] * (vectors / counts[:, None])[fold].T
    return np.matmul(mixing, cube), int((values < 0).sum())


def _squares(factors: Floats, n_negative: int) -> _Terms:
    """Terms of squares of which the first few count as negative."""
    parts = factors[:, :n_negative], factors[:, n_negative:]
    first, second = (part.reshape(len(factors), -1) for part in parts)
    return [(first, first, -1.0), (second, second, 1.0)]


def _independent(noise: Any, fold: np.ndarray) -> bool:
    """Whether noise is to be estimated, and can be from the other folds of each."""
    return isinstance(noise, str) and len(fold) - np.bincount(fold).max() > 1


def _by_others(means: Floats, cube: Floats, fold: np.ndarray, noise: str, where: str, name: str) -> _Terms:
    """Terms of the kernel of each fold with the mean of all the others, whitened by the noise of the others.

    Noise that was estimated from the fold too would not be independent of it: distances would lie above 0
    where there is no difference.
    """
    check_choice(noise, ESTIMATORS, where=where, name="noise")
    counts = np.bincount(fold)
    total = np.einsum("f,fij->ij", counts.astype(float), means)
    terms: _Terms = []
    for k, count in enumerate(counts):
        factor = factor_of(cube.compress(fold != k, axis=1), noise, where=where, name=name)
        others = (total - count * means[k]) / (len(fold) - count)
        first, second = whitened(np.stack([others, means[k]]), factor)
        terms.append((first, second, 1 / len(counts)))
    return terms


def _divergences(
    means: Floats, counts: np.ndarray, prior: tuple[float, float], where: str, name: str
) -> _Terms:
    """Terms of the symmetrized divergence of Poisson rates: (a_i - a_j) (log b_i - log b_j)."""
    if (means < 0).any():
        bound = f"must hold counts or rates >= 0, has {(means < 0).sum()} negative means"
        raise SpecError.of(where=where, name=name, value=float(means.min()), bound=bound)
    rate = check_real(prior[0], where=where, name="prior[0]", low=0, low_open=True)
    weight = check_real(prior[1], where=where, name="prior[1]", low=0)
    n_folds, total = len(counts), counts.sum()
    others = means
    if n_folds > 1:
        others = np.einsum("f,fij->ij", counts.astype(float), means) - counts[:, None, None] * means
        others /= (total - counts)[:, None, None]
    test = (means + weight * rate) / (1 + weight)
    train = (others + weight * rate) / (1 + weight)
    if not (test > 0).all():
        bound = "has a rate of 0, of which there is no logarithm"
        raise SpecError.of(
            where=where, name=name, bound=bound, fix="a prior with a weight > 0: prior=(1, 0.1)"
        )
    logs = np.log(test)
    return [
        (_shifted(a[None])[0], _shifted(b[None])[0], 1 / n_folds) for a, b in zip(train, logs, strict=True)
    ]


def _shifted(means: Floats) -> Floats:
    """Subtract the pattern nearest to the mean: integers stay integers, so equal distances stay ties."""
    over = means.mean(axis=0)
    gap = over - over[0]
    gap -= gap.mean(axis=0)
    nearest = int(np.argmin(np.einsum("ij,ij->i", gap, gap)))
    return means - over[nearest]


def _directions(means: Floats, kind: str, where: str, name: str) -> Floats:
    """Patterns of unit length."""
    size = np.sqrt(np.einsum("fij,fij->fi", means, means))
    none = np.flatnonzero(size[0] == 0)
    if none.size:
        word = "constant over units" if kind == "correlation" else "0 in all units"
        bound = f"has {none.size} patterns that are {word}, so without direction: stimuli {listed(none)}"
        raise SpecError.of(where=where, name=name, bound=bound, fix='leave them out, or kind="euclidean"')
    return means / size[..., None]


def _whitened(means: Floats, cube: Floats, noise: Any, where: str, name: str) -> Floats:
    if noise is None:
        return means
    if isinstance(noise, str):
        check_choice(noise, ESTIMATORS, where=where, name="noise")
        if means.ndim == 3:
            warn(
                f"{where}: {name}: the noise of 2 repeats is estimated from both, so that crossnobis "
                "distances lie above 0 where there is no difference; give 3 repeats, a precision matrix, "
                "or noise=None"
            )
        return whitened(means, factor_of(cube, noise, where=where, name=name))
    precision = as_real(noise, where=where, name="noise").astype(np.float64, copy=False)
    p = cube.shape[2]
    if precision.shape != (p, p):
        bound = f"must be a precision matrix of shape ({p}, {p})"
        raise SpecError.of(where=where, name="noise", value=f"shape {precision.shape}", bound=bound)
    try:
        if np.abs(precision - precision.T).max() > 1e-8 * np.abs(precision).max():
            raise np.linalg.LinAlgError
        upper = cholesky(precision)
    except np.linalg.LinAlgError as cause:
        bound = "must be symmetric and positive definite"
        raise SpecError.of(where=where, name="noise", bound=bound, fix="see noise_precision") from cause
    return whitened(means, upper, lower=False)


def _varying(cube: Floats, drop: bool, where: str, name: str) -> Floats:
    flat = cube.reshape(-1, cube.shape[2])
    return varying(flat, where=where, name=name, drop=drop).reshape(*cube.shape[:2], -1)


def _folds(folds: ArrayLike | None, n_repeats: int, where: str) -> np.ndarray:
    """Index of the fold of each repeat."""
    if folds is None:
        return np.arange(n_repeats)
    given = plain_array(folds, where=where, name="folds")
    if given.shape != (n_repeats,):
        bound = f"must name the fold of each of the {n_repeats} repeats"
        raise SpecError.of(where=where, name="folds", value=f"shape {given.shape}", bound=bound)
    names, fold = np.unique(given, return_inverse=True)
    if len(names) < 2:
        raise SpecError.of(where=where, name="folds", value=len(names), bound="needs >= 2 folds")
    return fold


def _labels(value: Any, where: str, name: str) -> np.ndarray | None:
    """Labels of the stimuli, each of which must stand once."""
    labels = labels_of(value)
    if labels is not None:
        doubled = [label for label, count in Counter(labels.tolist()).items() if count > 1]
        if doubled:
            bound = f"must have each stimulus once, and these are doubled: {listed(doubled)}"
            fix = "give repeats a dimension of their own"
            raise SpecError.of(where=where, name=name, bound=bound, fix=fix)
    return labels


def labeled(pairs: Floats, labels: np.ndarray | None, kind: str) -> xr.DataArray:
    """Matrix of the dissimilarities of all pairs, with the labels of the stimuli."""
    import xarray as xr

    matrix = squareform(pairs, checks=False)
    coords = None if labels is None else {"stimulus": labels, "stimulus_2": labels}
    return xr.DataArray(
        matrix, dims=("stimulus", "stimulus_2"), coords=coords, name="dissimilarity", attrs={"kind": kind}
    )


def as_rdm(value: Any, *, where: str, name: str) -> tuple[Floats, np.ndarray | None]:
    """Pairs of a matrix of dissimilarities, and the labels of its stimuli where it has any.

    A vector holds the pairs of the upper triangle, row by row.
    """
    labels = _labels(value, where, name)
    array = as_real(value, where=where, name=name).astype(np.float64, copy=False)
    if array.ndim == 1:
        n = round((1 + (1 + 8 * array.size) ** 0.5) / 2)
        if n * (n - 1) // 2 != array.size or n < LEAST:
            bound = f"must hold n (n - 1) / 2 pairs of n >= {LEAST} stimuli"
            raise SpecError.of(where=where, name=name, value=array.size, bound=bound)
        return array, None
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < LEAST:
        bound = f"must be a square matrix of n >= {LEAST} stimuli, or the vector of its pairs"
        raise SpecError.of(where=where, name=name, value=f"shape {array.shape}", bound=bound)
    slack = 1e-8 * np.abs(array).max()
    off = np.abs(np.diag(array)) > slack
    if off.any():
        bound = f"must have a diagonal of 0, has not for stimuli {listed(np.flatnonzero(off))}"
        fix = "give dissimilarities, not similarities"
        raise SpecError.of(
            where=where, name=name, value=float(array[off.argmax(), off.argmax()]), bound=bound, fix=fix
        )
    if np.abs(array - array.T).max() > slack:
        raise SpecError.of(where=where, name=name, bound="must be symmetric")
    return squareform(array, checks=False), labels


def matched(
    rdms: Sequence[Any], *, where: str, names: Sequence[str]
) -> tuple[list[Floats], np.ndarray | None]:
    """Pairs of several matrices of the same stimuli, in the order of the first one that has labels.

    Where two have labels, these must be the same, in any order; else the order counts.
    """
    found = [as_rdm(value, where=where, name=name) for value, name in zip(rdms, names, strict=True)]
    size = found[0][0].size
    labels = next((own for _, own in found if own is not None), None)
    place = {} if labels is None else {label: row for row, label in enumerate(labels.tolist())}
    out = []
    for (pairs, own), name in zip(found, names, strict=True):
        if own is not None and labels is not None and not np.array_equal(own, labels):
            mine = {label: row for row, label in enumerate(own.tolist())}
            lacks, more = [x for x in place if x not in mine], [x for x in mine if x not in place]
            if lacks or more:
                text = " and ".join(
                    f"{word} {listed(which)}" for word, which in (("lacks", lacks), ("has", more)) if which
                )
                bound = f"must have the stimuli of the first, {text}"
                raise SpecError.of(where=where, name=name, bound=bound, fix="give the same stimuli to all")
            order = [mine[label] for label in labels.tolist()]
            pairs = squareform(squareform(pairs, checks=False)[np.ix_(order, order)], checks=False)
        if pairs.size != size:
            bound = f"must have the {size} pairs of {names[0]}"
            raise SpecError.of(where=where, name=name, value=pairs.size, bound=bound)
        out.append(pairs)
    return out, labels
