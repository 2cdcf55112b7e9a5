"""Centered kernel alignment: linear or RBF, debiased by default, and across repeats.

The biased alignment of two independent systems is about ``sqrt(p q / ((n + p) (n + q)))``: near 1 where there
are more units than samples. The debiased one has mean 0. Neither takes out the noise of single repeats:
that is what :func:`cka_cross` is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.compare._gram import Gram, empty_gram, gram_type, inner, linear_gram, permuted_inner
from arcuate.compare._inputs import as_pair, as_samples, centered, labels_of, listed, varying, warn
from arcuate.compare._measure import Measure
from arcuate.errors import SpecError, check_choice, check_real

__all__ = ["cka", "cka_measure", "cka_minibatch", "high_leverage", "leverage"]

SHARE = 0.2
"""Share of the squared norm of the centered Gram above which one sample decides the score."""

FEW = 8.0
"""Times the mean share that is bearable where samples are few (chosen: five is common among ten of noise)."""

GROUP = 0.07
"""Part of the samples that decides the score if fewer hold half of the squared norm (chosen: Gaussian samples
stay above in 99 of 100 cases, from 10 to 1000 samples; the first of 15 tokens, if huge, is caught)."""

KERNELS = ("linear", "rbf")


def cka(
    x: ArrayLike,
    y: ArrayLike,
    *,
    kernel: str = "linear",
    debiased: bool = True,
    width: float = 1.0,
    normalize: str | None = None,
    exclude: str | None = None,
) -> float:
    """Centered kernel alignment of two systems.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
        States of two systems for the same samples; DataArrays are matched by label.
    kernel : {"linear", "rbf"}
    debiased : bool
        Use the unbiased statistic in the numerator and in both denominators; its mean is 0 for independent
        systems. Without it, independent systems with many units look alike.
    width : float
        Width of the RBF kernel, in median distances between two samples of the system itself.
    normalize : {"unit"} or None
        Scale every sample to norm 1 first, so that no single one decides.
    exclude : {"leverage"} or None
        Leave out, of both systems, the samples that `high_leverage` finds in either; a warning names them.

    Returns
    -------
    float
        1 for equal geometry; from -1 debiased, from 0 biased.

    Raises
    ------
    SpecError
        If an option is unknown, the states cannot be compared, fewer than 4 samples are left, or all
        samples are equally far from each other.

    Warns
    -----
    ArcuateWarning
        If few samples decide the score; see `high_leverage`.

    References
    ----------
    S. Kornblith et al., ICML 2019, arXiv:1905.00414, equation 1. The unbiased statistic: L. Song et al.,
    J Mach Learn Res 13, 1393 (2012), equation 5.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import cka
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 50, 200))
    >>> turned = x @ np.linalg.qr(rng.normal(size=(200, 200)))[0]
    >>> round(cka(x, turned), 6), round(cka(x, y), 2), round(cka(x, y, debiased=False), 2)
    (1.0, 0.08, 0.82)
    """
    where = "cka"
    measure = cka_measure(kernel=kernel, debiased=debiased, width=width, normalize=normalize)
    if exclude is not None:
        check_choice(exclude, ("leverage",), where=where, name="exclude")
    first, second = as_pair(x, y, where=where)
    labels = labels_of(x)
    if exclude:
        first, second, labels = _without(first, second, labels, normalize)
    options = {key: measure.options[key] for key in ("kernel", "debiased", "width", "normalize")}
    prepared = [
        _prepare(states, **options, where=where, name=name, labels=labels)
        for states, name in ((first, "x"), (second, "y"))
    ]
    return measure.score(*prepared)


def cka_measure(
    *, kernel: str = "linear", debiased: bool = True, width: float = 1.0, normalize: str | None = None
) -> Measure:
    """Centered kernel alignment as a `Measure`.

    Parameters
    ----------
    kernel : {"linear", "rbf"}
    debiased : bool
    width : float
    normalize : {"unit"} or None
        As in `cka`.

    Returns
    -------
    Measure
        Permutations cost one inner product each.

    Raises
    ------
    SpecError
        If an option is unknown or out of range.

    Examples
    --------
    >>> from arcuate.compare import cka_measure
    >>> cka_measure(debiased=False).name
    'cka_biased'
    """
    where = "cka"
    check_choice(kernel, KERNELS, where=where, name="kernel")
    if not isinstance(debiased, (bool, np.bool_)):
        raise SpecError.of(where=where, name="debiased", value=debiased, bound="must be True or False")
    width = check_real(width, where=where, name="width", low=0, low_open=True)
    if normalize is not None:
        check_choice(normalize, ("unit",), where=where, name="normalize")
    name = "cka" + ("_rbf" if kernel == "rbf" else "") + ("" if debiased else "_biased")
    options: dict[str, Any] = {"kernel": kernel, "debiased": bool(debiased), "width": width}
    options["normalize"] = normalize
    return Measure(
        name=name,
        kind="similarity",
        low=-1.0 if debiased else 0.0,
        high=1.0,
        symmetric=True,
        invariances=("rotation", "scale", "permutation") + (() if normalize else ("shift",)),
        prepare=partial(_prepare, **options, where=name),
        score=partial(_score, low=-1.0 if debiased else 0.0),
        null=permuted_inner,
        pooled=True,
        options=options,
    )


def _score(first: Gram, second: Gram, *, low: float) -> float:
    return float(np.clip(inner(first, second), low, 1.0))


def _prepare(
    states: Floats,
    *,
    kernel: str,
    debiased: bool,
    width: float,
    normalize: str | None,
    where: str,
    name: str = "",
    labels: np.ndarray | None = None,
) -> Gram:
    states = varying(states, where=where, name=name)
    if normalize:
        states = unit_rows(states, where=where, name=name)
        varying(states, where=where, name=name)
    features = centered(states)
    features /= np.max(np.abs(features))
    if kernel == "rbf":
        gram = Gram.of_matrix(_rbf(features, width), debiased=debiased, where=where)
        shares = _row_shares(gram.matrix)
    else:
        shares = _shares(features)
        gram = Gram.of_features(features, debiased=debiased, where=where)
    high = deciding(shares)
    if high.size:
        _warn_of(high, shares, labels, where=where, name=name)
    return gram


def _warn_of(high: np.ndarray, shares: Floats, labels: np.ndarray | None, *, where: str, name: str) -> None:
    which, share = listed(high if labels is None else labels[high]), 100 * shares[high].sum()
    noun, verb = ("sample", "s") if high.size == 1 else (f"{high.size} of {shares.size} samples:", "")
    fix = 'leave out (exclude="leverage")' if name else "leave out of both systems"
    warn(
        f"{where}: {name and name + ': '}{noun} {which} hold{verb} {share:.3g} % of the squared norm of the "
        f'centered Gram and decide{verb} the score; {fix}, or bring all to one norm (normalize="unit")'
    )


def unit_rows(states: Floats, *, where: str, name: str) -> Floats:
    """Scale every sample to norm 1.

    Parameters
    ----------
    states : ndarray, (n_samples, n_units)
    where, name : str
        Who asks, and for which argument.

    Returns
    -------
    ndarray, (n_samples, n_units)

    Raises
    ------
    SpecError
        If a sample is all 0: it has no direction.
    """
    largest = np.max(np.abs(states), axis=1)
    if not largest.all():
        bound = f"has no direction in samples {listed(np.flatnonzero(largest == 0))}: they are all 0"
        raise SpecError.of(where=where, name=name, bound=bound, fix="leave these out of both systems")
    states = states / largest[:, None]
    return states / np.linalg.norm(states, axis=1)[:, None]


def _rbf(features: Floats, width: float) -> np.ndarray:
    """RBF Gram whose width is in median distances; the squares are made twice, as they need not be kept."""
    squares = np.einsum("ij,ij->i", features, features)
    n = len(features)
    values, start = np.empty(n * (n - 1) // 2, gram_type(n)), 0
    for row, distances in _square_distances(features, squares):
        values[start : start + row] = distances[:row]
        start += row
    middle = [(values.size - 1) // 2, values.size // 2]
    values.partition(middle)
    median = float(values[middle].astype(np.float64).mean())
    del values
    if not median > 0:
        bound = "has a median distance of 0: more than half of the pairs of samples are equal"
        raise SpecError.of(where="cka", name="width", bound=bound, fix='use kernel="linear"')
    matrix = empty_gram(n)
    for row, distances in _square_distances(features, squares):
        matrix[row] = np.exp(distances / (-2 * width**2 * median))
    return matrix


def _square_distances(features: Floats, squares: Floats) -> Iterator[tuple[int, Floats]]:
    """Each sample with its squared distances from all, 0 from itself."""
    for start in range(0, len(features), 512):
        block = (
            squares[start : start + 512, None] + squares - 2 * (features[start : start + 512] @ features.T)
        )
        np.maximum(block, 0, out=block)
        for row, distances in enumerate(block, start):
            distances[row] = 0
            yield row, distances


def leverage(x: ArrayLike) -> Floats:
    """Share of each sample in the squared norm of the centered Gram.

    A single sample with a huge norm can hold nearly all of it; any two systems that both have such a
    sample then look alike, whatever the other samples do.

    Parameters
    ----------
    x : array_like, (n_samples, n_units)

    Returns
    -------
    ndarray, (n_samples,)
        Sums of squares of the rows of the centered linear Gram, divided by their sum.

    Raises
    ------
    SpecError
        As `cka` for the states.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import leverage
    >>> x = np.random.default_rng(0).normal(size=(100, 5))
    >>> x[7] *= 100
    >>> float(leverage(x)[7]) > 0.9
    True
    """
    states = varying(as_samples(x, where="leverage", name="x"), where="leverage", name="x")
    features = centered(states)
    return _shares(features / np.max(np.abs(features)))


def high_leverage(x: ArrayLike) -> np.ndarray:
    """Samples that decide a linear alignment by themselves, one alone or a few together.

    A sample does with a `leverage` above 20 %, and above 8 times the mean where samples are few. A group does
    if the fewest samples that hold half are less than 7 % of all: such as the first tokens of some sequences.
    What is found is taken out, until the rest has none.

    Parameters
    ----------
    x : array_like, (n_samples, n_units)

    Returns
    -------
    ndarray of int
        Ascending.

    Raises
    ------
    SpecError
        As `cka` for the states.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import high_leverage
    >>> x = np.random.default_rng(0).normal(size=(100, 5))
    >>> x[7] *= 100
    >>> high_leverage(x).tolist()
    [7]
    >>> x[:7] += 40
    >>> high_leverage(x).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    states = varying(as_samples(x, where="leverage", name="x"), where="leverage", name="x")
    kept = np.arange(len(states))
    while kept.size:
        features = centered(states[kept])
        largest = np.max(np.abs(features))
        found = deciding(_shares(features / largest)) if largest > 0 else np.empty(0, dtype=int)
        if not found.size:
            break
        kept = np.delete(kept, found)
    return np.setdiff1d(np.arange(len(states)), kept)


def deciding(shares: Floats) -> np.ndarray:
    """Samples that decide a score: those with too large a share each, else a few that hold half together.

    Parameters
    ----------
    shares : ndarray, (n_samples,)
        As of `leverage`.

    Returns
    -------
    ndarray of int
    """
    alone = np.flatnonzero(shares > max(SHARE, FEW / shares.size))
    order = np.argsort(-shares, kind="stable")
    half = 1 + int(np.searchsorted(np.cumsum(shares[order]), 0.5))
    return alone if alone.size or half >= GROUP * shares.size else np.sort(order[:half])


def _shares(features: Floats) -> Floats:
    n, p = features.shape
    if p > n:
        return _row_shares(linear_gram(features))
    rows = np.einsum("ij,ij->i", features @ (features.T @ features), features)
    return np.maximum(rows, 0) / np.sum(np.maximum(rows, 0))


def _row_shares(matrix: np.ndarray) -> Floats:
    rows = np.array([np.vdot(row, row) for row in matrix], dtype=np.float64)
    return rows / rows.sum()


def _without(
    first: Floats, second: Floats, labels: np.ndarray | None, normalize: str | None
) -> tuple[Floats, Floats, np.ndarray | None]:
    """Both systems without the samples of high leverage in either."""
    found = [
        high_leverage(unit_rows(part, where="cka", name=name) if normalize else part)
        for part, name in ((first, "x"), (second, "y"))
    ]
    high = np.union1d(*found)
    if not high.size:
        return first, second, labels
    which = listed(high if labels is None else labels[high])
    warn(f"cka: {high.size} of {len(first)} samples are left out for their leverage: {which}")
    kept = np.setdiff1d(np.arange(len(first)), high)
    if kept.size < 4:
        raise SpecError.of(where="cka", name="exclude", value=kept.size, bound="leaves fewer than 4 samples")
    return first[kept], second[kept], None if labels is None else labels[kept]


def _pairs(batches: Any, where: str) -> Iterator[tuple[ArrayLike, ArrayLike]]:
    """Pairs of states, one after the other; anything else is refused."""
    bound = "must be pairs (x, y) of states, one for each batch"
    if not isinstance(batches, Iterable) or getattr(batches, "ndim", 1) == 0:
        raise SpecError.of(where=where, name="batches", value=batches, bound=bound)
    for number, pair in enumerate(batches):
        if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
            fix = "give one batch as [(x, y)]"
            raise SpecError.of(where=where, name=f"batches[{number}]", value=pair, bound=bound, fix=fix)
        yield pair[0], pair[1]


def cka_minibatch(batches: Iterable[tuple[ArrayLike, ArrayLike]]) -> float:
    """Debiased linear alignment of more samples than can be held at once.

    The unbiased statistics of the batches are averaged, numerator and denominators each, and divided once.

    Parameters
    ----------
    batches : iterable of (x, y)
        States of two systems for the samples of one batch, (n_samples, n_units), at least 4 in each.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        If there is no batch, or one cannot be compared.

    References
    ----------
    T. Nguyen, M. Raghu, S. Kornblith, ICLR 2021, arXiv:2010.15327, equation 3.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import cka, cka_minibatch
    >>> x = np.random.default_rng(0).normal(size=(80, 6))
    >>> y = np.tanh(x[:, :3])
    >>> abs(cka_minibatch([(x, y)]) - cka(x, y)) < 1e-12
    True
    >>> round(cka_minibatch(zip(x.reshape(4, 20, 6), y.reshape(4, 20, 3))), 2)
    0.62
    """
    where = "cka_minibatch"
    sums = np.zeros(3)
    for x, y in _pairs(batches, where):
        first, second = (
            Gram(debiased=True, features=centered(states)) for states in as_pair(x, y, where=where)
        )
        scale = len(first) * (len(first) - 3)
        with np.errstate(over="ignore", invalid="ignore"):
            sums += np.array([inner(first, second), inner(first, first), inner(second, second)]) / scale
    if not np.isfinite(sums).all():
        fix = "divide each system by a constant"
        raise SpecError.of(where=where, name="batches", bound="have values too large to be squared", fix=fix)
    if not (sums[1] > 0 and sums[2] > 0):
        bound = "must be one or more pairs of states in which distances differ"
        raise SpecError.of(where=where, name="batches", bound=bound)
    return float(np.clip(sums[0] / np.sqrt(sums[1]) / np.sqrt(sums[2]), -1, 1))
