"""Do two systems need the same samples as a dictionary: decomposition by inference-time dictionaries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate._jit import compiled
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.compare._cka import unit_rows
from arcuate.compare._geometry_kernels import pursue
from arcuate.compare._gram import linear_gram
from arcuate.compare._inputs import as_pair, as_samples, varying, warn
from arcuate.compare._measure import Measure
from arcuate.compare.inference import p_value
from arcuate.errors import check_int, check_real
from arcuate.rng import check_seed, stream

__all__ = ["DictionaryOverlap", "dictionary_overlap", "itda", "itda_dictionary", "itda_measure"]

CROWDED = 0.5
"""Share of the samples above which a dictionary tells nothing."""


@dataclass(frozen=True, eq=False)
class _Dictionaries:
    """A system's products (n, n), the orders of the samples, and which were chosen in each (n_orders, n)."""

    gram: np.ndarray
    orders: np.ndarray
    threshold: float
    n_atoms: int
    member: np.ndarray


@dataclass(frozen=True, kw_only=True)
class DictionaryOverlap:
    """What the dictionaries of two systems have in common, over several orders of the samples.

    Attributes
    ----------
    value : float
        Mean Jaccard index corrected for chance, as `itda` gives it.
    low, high : float
        Percentile bootstrap interval of that mean over orders, 95 %.
    jaccard, chance : float
        Mean Jaccard index, and mean of what dictionaries of these sizes share by chance.
    null_mean, null_sd : float
        Corrected index with the samples of the second system shuffled.
    p : float
        Share of shuffles, the observed one counted, that reach `value`.
    sizes : (float, float)
        Mean numbers of atoms.
    """

    value: float
    low: float
    high: float
    jaccard: float
    chance: float
    null_mean: float
    null_sd: float
    p: float
    sizes: tuple[float, float]


def itda(
    x: ArrayLike,
    y: ArrayLike,
    *,
    threshold: float = 0.3,
    n_atoms: int = 40,
    n_orders: int = 10,
    seed: int = 0,
) -> float:
    """Overlap of the samples that two systems need as a dictionary, corrected for chance.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
        States of two systems for the same samples; DataArrays are matched by label. Each sample is scaled to
        norm 1.
    threshold : float
        Squared norm that may be left of a sample, above 0 and below 1; one that keeps more joins the
        dictionary. It sets the size.
    n_atoms : int
        Steps of matching pursuit for each sample.
    n_orders : int
        Random orders of the samples, the same for both systems, over which the index is averaged.
    seed : int

    Returns
    -------
    float
        Mean of ``(J - J0) / (1 - J0)``, with J0 the Jaccard index of random dictionaries of these sizes: 1
        for equal dictionaries.

    Raises
    ------
    SpecError
        If an option is out of range, a sample is all 0, or the states cannot be compared.

    Warns
    -----
    ArcuateWarning
        If a dictionary holds more than half of the samples.

    Notes
    -----
    Samples that come first join the dictionaries of both systems, whatever the systems are. So independent
    ones come out above 0 (0.5 below): hold the value against the null of `dictionary_overlap`, which
    has the same order.

    References
    ----------
    P. Leask, N. Nanda, N. Al Moubayed, ICML 2025, arXiv:2505.17769. The correction for chance is our own.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import itda
    >>> x, y = np.random.default_rng(0).normal(size=(2, 200, 10))
    >>> itda(x, x), round(itda(x, y), 1)
    (1.0, 0.5)
    """
    options = {"threshold": threshold, "n_atoms": n_atoms, "n_orders": n_orders, "seed": seed}
    measure = itda_measure(**options)  # type: ignore[arg-type]
    first, second = as_pair(x, y, where="itda")
    return measure.score(
        _prepare(first, **measure.options, name="x"), _prepare(second, **measure.options, name="y")
    )


def itda_measure(*, threshold: float = 0.3, n_atoms: int = 40, n_orders: int = 10, seed: int = 0) -> Measure:
    """Overlap of dictionaries as a `Measure`.

    Parameters
    ----------
    threshold : float
    n_atoms, n_orders : int
    seed : int
        As in `itda`.

    Returns
    -------
    Measure
        Its null chooses the second system's dictionaries anew for shuffled samples in the same order.

    Raises
    ------
    SpecError
        If an option is out of range.

    Examples
    --------
    >>> from arcuate.compare import itda_measure
    >>> itda_measure(n_orders=3).options["n_orders"]
    3
    """
    where = "itda"
    options: dict[str, Any] = {
        "threshold": check_real(
            threshold, where=where, name="threshold", low=0, high=1, low_open=True, high_open=True
        ),
        "n_atoms": check_int(n_atoms, where=where, name="n_atoms"),
        "n_orders": check_int(n_orders, where=where, name="n_orders"),
        "seed": check_seed(seed),
    }
    return Measure(
        name=where,
        kind="similarity",
        low=-1.0,
        high=1.0,
        symmetric=True,
        invariances=("rotation", "scale", "permutation"),
        prepare=partial(_prepare, **options),
        score=lambda first, second: float(_corrected(first.member, second.member).mean()),
        null=_null,
        options=options,
    )


def itda_dictionary(x: ArrayLike, *, threshold: float = 0.3, n_atoms: int = 40) -> np.ndarray:
    """Samples of one system from which the others can be composed.

    Samples are taken as they come. Matching pursuit composes each from those chosen so far: the atom with
    the largest product is taken away, again and again; a sample of which more than `threshold` of the
    squared norm is left joins the dictionary. The first one always does.

    Parameters
    ----------
    x : array_like, (n_samples, n_units)
    threshold : float
    n_atoms : int
        As in `itda`.

    Returns
    -------
    ndarray of int, (n_chosen,)
        In the order in which they were chosen.

    Raises
    ------
    SpecError
        As `itda`.

    Examples
    --------
    >>> from arcuate.compare import itda_dictionary
    >>> itda_dictionary([[1, 0], [2, 0], [0, 1], [1, 1]])
    array([0, 2])
    """
    options = itda_measure(threshold=threshold, n_atoms=n_atoms).options
    states = varying(as_samples(x, where="itda", name="x"), where="itda", name="x")
    gram = linear_gram(unit_rows(states, where="itda", name="x"))
    return _choose(gram, np.arange(len(gram)), options["threshold"], options["n_atoms"])


def dictionary_overlap(
    x: ArrayLike,
    y: ArrayLike,
    *,
    threshold: float = 0.3,
    n_atoms: int = 40,
    n_orders: int = 10,
    n_null: int = 99,
    seed: int = 0,
    progress: ProgressOption = None,
) -> DictionaryOverlap:
    """Overlap of dictionaries with its interval over orders, its chance and its null.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
    threshold : float
    n_atoms, n_orders : int
        As in `itda`.
    n_null : int
        Shuffles of the second system's samples.
    seed : int
        Of orders, shuffles and bootstrap.
    progress : bool, callable or None
        True: always a bar; None: a bar on a terminal after two seconds; False: nothing; or a function of
        (shuffles done, shuffles in all).

    Returns
    -------
    DictionaryOverlap

    Raises
    ------
    SpecError
        As `itda`.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import dictionary_overlap
    >>> x = np.random.default_rng(0).normal(size=(100, 10))
    >>> found = dictionary_overlap(x, x + 0.1, n_null=99)
    >>> found.low <= found.value <= found.high, found.p
    (True, 0.01)
    """
    options = {"threshold": threshold, "n_atoms": n_atoms, "n_orders": n_orders, "seed": seed}
    measure = itda_measure(**options)  # type: ignore[arg-type]
    n_null = check_int(n_null, where="itda", name="n_null")
    check_progress(progress, where="itda", unit="shuffles")
    first, second = (
        _prepare(states, **measure.options, name=name)
        for states, name in zip(as_pair(x, y, where="itda"), "xy", strict=True)
    )
    each = _corrected(first.member, second.member)
    draws = stream(seed, "compare/itda/bootstrap").integers(0, each.size, size=(2000, each.size))
    low, high = np.quantile(each[draws].mean(axis=1), [0.025, 0.975])
    shuffles = stream(seed, "compare/itda/null")
    n = len(first.gram)
    null = np.empty(n_null)
    with progress_bar(progress, n_null, title="null of dictionaries", unit="shuffle") as tell:
        for k in range(n_null):
            null[k : k + 1] = measure.null(first, second, shuffles.permutation(n)[None])
            if tell:
                tell(1)
    jaccard, chance = _jaccard(first.member, second.member)
    return DictionaryOverlap(
        value=float(each.mean()),
        low=float(low),
        high=float(high),
        jaccard=float(jaccard.mean()),
        chance=float(chance.mean()),
        null_mean=float(null.mean()),
        null_sd=float(null.std()),
        p=p_value(float(each.mean()), null),
        sizes=(float(first.member.sum(axis=1).mean()), float(second.member.sum(axis=1).mean())),
    )


def _prepare(
    states: Floats, *, threshold: float, n_atoms: int, n_orders: int, seed: int, name: str = ""
) -> _Dictionaries:
    rows = unit_rows(varying(states, where="itda", name=name), where="itda", name=name)
    draw, n = stream(seed, "compare/itda/orders"), len(rows)
    orders = np.array([draw.permutation(n) for _ in range(n_orders)])
    gram = linear_gram(rows)
    member = _members(gram, orders, np.arange(n), threshold=threshold, n_atoms=n_atoms)
    if member.mean() > CROWDED:
        start = f"itda: {name}" if name else "itda"
        warn(
            f"{start}: dictionaries hold {100 * member.mean():.0f} % of the samples, so any two systems "
            f"agree; use a threshold above {threshold:g}"
        )
    return _Dictionaries(gram, orders, threshold, n_atoms, member)


def _members(
    gram: np.ndarray, orders: np.ndarray, stimuli: np.ndarray, *, threshold: float, n_atoms: int
) -> np.ndarray:
    """Which stimuli are chosen for each order (n_orders, n), if stimulus i is answered by ``stimuli[i]``."""
    member = np.zeros(orders.shape, dtype=bool)
    places = np.argsort(stimuli)
    for row, order in zip(member, orders, strict=True):
        row[places[_choose(gram, stimuli[order], threshold, n_atoms)]] = True
    return member


def _choose(gram: np.ndarray, order: np.ndarray, threshold: float, n_atoms: int) -> np.ndarray:
    chosen = np.empty(len(order), np.int64)
    size = compiled(pursue)(gram, order.astype(np.int64), n_atoms, threshold, chosen)
    return chosen[:size]


def _jaccard(first: np.ndarray, second: np.ndarray) -> tuple[Floats, Floats]:
    """Jaccard index for each order, and what dictionaries of these sizes share by chance."""
    n = first.shape[1]
    a, b, both = first.sum(axis=1), second.sum(axis=1), (first & second).sum(axis=1)
    met = a * b / n
    return both / (a + b - both), met / (a + b - met)


def _corrected(first: np.ndarray, second: np.ndarray) -> Floats:
    """Corrected index; 1 where both dictionaries hold all samples."""
    jaccard, chance = _jaccard(first, second)
    full = chance > 1 - 1e-12
    return np.where(full, 1.0, (jaccard - chance) / np.where(full, 1.0, 1 - chance))


def _null(first: _Dictionaries, second: _Dictionaries, orders: np.ndarray) -> Floats:
    """Chosen anew: the samples that come first join more often, in both systems."""
    draw = partial(_members, threshold=second.threshold, n_atoms=second.n_atoms)
    members = (draw(second.gram, second.orders, np.asarray(order)) for order in orders)
    return np.array([_corrected(first.member, member).mean() for member in members])
