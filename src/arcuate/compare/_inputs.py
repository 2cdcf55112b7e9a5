"""What every measure asks of its arrays: checked samples, matched pairs, accurate centring, warnings."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, as_real, check_unmasked
from arcuate.errors import ArcuateWarning, SpecError

__all__ = [
    "as_pair",
    "as_repeats",
    "as_samples",
    "as_trials",
    "centered",
    "dims_of",
    "labels_of",
    "laid_out",
    "listed",
    "one_size",
    "ordered",
    "plain_array",
    "rank_of",
    "varying",
    "warn",
]

LEAST = 4
"""Fewest samples of a comparison: the debiased estimates divide by n - 3."""

_SAMPLES, _UNITS = ("stimulus", "trial"), ("unit", "neuron")
"""Names of dimensions that are samples, and that are none, wherever they stand."""


def as_samples(value: ArrayLike, *, where: str, name: str, least: int = LEAST) -> Floats:
    """Samples of one system as float64; a vector is one unit.

    Parameters
    ----------
    value : array_like or DataArray, (n_samples, n_units) or (n_samples,)
        A dimension of a DataArray called ``"stimulus"`` or ``"trial"`` may be anywhere.
    where, name : str
        Who asks, and for which argument.
    least : int
        Fewest samples that will do.

    Returns
    -------
    ndarray, (n_samples, n_units), float64
        The input itself where it already fits.

    Raises
    ------
    SpecError
        If it is not an array of real numbers, a value is not finite (the message names the sample), an
        axis is empty, there are fewer than `least` samples, or the first dimension is called ``"unit"`` or
        ``"neuron"`` and none says that it is of samples.

    Examples
    --------
    >>> from arcuate.compare._inputs import as_samples
    >>> as_samples([1, 2, 3, 5], where="cka", name="x").shape
    (4, 1)
    """
    value = laid_out(value, where=where, name=name)
    array = _floats(value, (1, 2), "(n_samples, n_units) or (n_samples,)", where=where, name=name)
    return _enough(array.reshape(len(array), -1), least, where=where, name=name)


def as_repeats(
    value: ArrayLike, *, where: str, name: str, least: int = LEAST, least_repeats: int = 2
) -> Floats:
    """Samples that were seen several times.

    Parameters
    ----------
    value : array_like or DataArray, (n_samples, n_repeats, n_units) or (n_samples, n_repeats)
        Dimensions of a DataArray called ``"stimulus"``, ``"trial"`` or ``"repeat"`` may be anywhere.
    where, name : str
        Who asks, and for which argument.
    least, least_repeats : int
        Fewest samples and repeats that will do.

    Returns
    -------
    ndarray, (n_samples, n_repeats, n_units), float64

    Raises
    ------
    SpecError
        As `as_samples`, or if there are too few repeats.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare._inputs import as_repeats
    >>> as_repeats(np.zeros((5, 2)), where="f", name="x").shape
    (5, 2, 1)
    """
    value = laid_out(value, where=where, name=name)
    words = "(n_samples, n_repeats, n_units) or (n_samples, n_repeats)"
    array = _floats(value, (2, 3), words, where=where, name=name)
    array = _enough(array.reshape(*array.shape[:2], -1), least, where=where, name=name)
    if array.shape[1] < least_repeats:
        bound = f"needs >= {least_repeats} repeats of each sample"
        raise SpecError.of(where=where, name=name, value=array.shape[1], bound=bound)
    return array


def as_trials(value: ArrayLike, *, where: str, name: str, least: int = 1, least_steps: int = LEAST) -> Floats:
    """Trials of one length.

    Parameters
    ----------
    value : array_like or DataArray, (n_trials, n_steps, n_units) or (n_steps, n_units)
        Two dimensions are one trial. Of a DataArray, one called ``"trial"`` or ``"stimulus"`` becomes the
        first, and ``"unit"`` or ``"neuron"`` the last.
    where, name : str
        Who asks, and for which argument.
    least, least_steps : int
        Fewest trials, and fewest steps in each, that will do.

    Returns
    -------
    ndarray, (n_trials, n_steps, n_units), float64

    Raises
    ------
    SpecError
        As `as_samples`; also trials of unequal lengths.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare._inputs import as_trials
    >>> as_trials(np.zeros((50, 3)), where="dsa", name="x").shape
    (1, 50, 3)
    """
    if len(dims := dims_of(value)) > 1:
        first = next((dim for dim in _SAMPLES if dim in dims), None)
        last = next((dim for dim in _UNITS if dim in dims), None)
        middle = [dim for dim in dims if dim not in (first, last)]
        value = value.transpose(*filter(None, (first, *middle, last)))  # type: ignore[union-attr]
    if isinstance(value, (list, tuple)) and len(lengths := {_length(trial) for trial in value}) > 1:
        steps = sorted(length[0] for length in lengths if length)
        bound = f"must be trials of one length, has {listed(steps)} steps"
        raise SpecError.of(where=where, name=name, bound=bound, fix="cut them to the shortest")
    array = _floats(
        value, (2, 3), "(n_trials, n_steps, n_units) or (n_steps, n_units)", where=where, name=name
    )
    array = _enough(array if array.ndim == 3 else array[None], least, where=where, name=name, word="trials")
    if array.shape[1] < least_steps:
        raise SpecError.of(
            where=where, name=name, value=array.shape[1], bound=f"needs >= {least_steps} steps"
        )
    return array


def as_pair(
    x: ArrayLike, y: ArrayLike, *, where: str, least: int = LEAST, names: tuple[str, str] = ("x", "y")
) -> tuple[Floats, Floats]:
    """Samples of two systems, row by row of the same stimulus.

    Two DataArrays whose first dimensions are labeled are matched by label: the rows of the second are put
    into the order of the first.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units) or (n_samples,)
    where : str
        Who asks.
    least : int
        Fewest samples that will do.
    names : (str, str)
        Names of the two arguments.

    Returns
    -------
    (ndarray, (n_samples, p), ndarray, (n_samples, q)), float64

    Raises
    ------
    SpecError
        As `as_samples`; if the numbers of samples differ, or a label is missing or stands twice.

    Examples
    --------
    >>> from arcuate.compare._inputs import as_pair
    >>> [a.shape for a in as_pair([1, 2, 3, 5], [[1, 0]] * 4, where="cka")]
    [(4, 1), (4, 2)]
    """
    first = as_samples(x, where=where, name=names[0], least=least)
    second = as_samples(y, where=where, name=names[1], least=least)
    order = ordered(x, y, where=where, names=names)
    one_size(first, second, where=where, names=names)
    return first, second[order]


def one_size(first: Floats, second: Floats, *, where: str, names: tuple[str, str] = ("x", "y")) -> None:
    """Refuse two systems with different numbers of samples.

    Parameters
    ----------
    first, second : ndarray, (n_samples, ...)
    where : str
        Who asks.
    names : (str, str)
        Names of the two arguments.

    Raises
    ------
    SpecError
        If they differ.
    """
    if len(first) != len(second):
        bound = f"must have the {len(first)} samples of {names[0]}"
        raise SpecError.of(
            where=where, name=names[1], value=len(second), bound=bound, fix="give the same stimuli to both"
        )


def plain_array(value: Any, *, where: str, name: str) -> np.ndarray:
    """Entries of any type, such as labels, as one array.

    Parameters
    ----------
    value : array_like
    where, name : str
        Who asks, and for which argument.

    Returns
    -------
    ndarray

    Raises
    ------
    SpecError
        If they do not make a regular array.
    """
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as cause:
        bound = "must be a regular array, or a list of entries"
        raise SpecError.of(where=where, name=name, value=value, bound=bound) from cause


def rank_of(value: Any) -> int:
    """Number of dimensions; 0 of what is no array, which is refused where its values are read.

    Parameters
    ----------
    value : object

    Returns
    -------
    int
    """
    if isinstance(rank := getattr(value, "ndim", None), int):
        return rank
    try:
        return np.asarray(value, dtype=object).ndim
    except (ValueError, TypeError):
        return 0


def dims_of(value: Any) -> tuple[str, ...]:
    """Names of the dimensions of a DataArray; none of anything else.

    Parameters
    ----------
    value : object

    Returns
    -------
    tuple of str
    """
    dims = getattr(value, "dims", ())
    return dims if isinstance(dims, tuple) and hasattr(value, "transpose") else ()


def laid_out(value: Any, *, where: str, name: str) -> Any:
    """Put the samples of a DataArray first and its repeats second, by their names.

    Parameters
    ----------
    value : array_like or DataArray
        What has no names is left as it is.
    where, name : str
        Who asks, and for which argument.

    Returns
    -------
    object
        The input, transposed where it must be.

    Raises
    ------
    SpecError
        If the first dimension is of units, and none is named ``"stimulus"`` or ``"trial"``.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from arcuate.compare._inputs import laid_out
    >>> laid_out(xr.DataArray(np.zeros((2, 5)), dims=("unit", "stimulus")), where="cka", name="x").shape
    (5, 2)
    """
    dims = dims_of(value)
    if (first := _sample_dim(value)) is None:
        return value
    if first in _UNITS:
        bound = f"has dimensions {dims}: units come first, and none says that it is of samples"
        fix = 'name the dimension of samples "stimulus" or "trial"'
        raise SpecError.of(where=where, name=name, bound=bound, fix=fix)
    front = [first, *(dim for dim in dims if dim == "repeat")]
    order = (*front, *(dim for dim in dims if dim not in front))
    return value if order == dims else value.transpose(*order)


def _sample_dim(value: Any) -> str | None:
    """Name of the dimension of samples: that of a name that says so, or the first."""
    rest = [dim for dim in dims_of(value) if dim != "repeat"]
    return next((dim for dim in _SAMPLES if dim in rest), rest[0] if rest else None)


def labels_of(value: Any) -> np.ndarray | None:
    """Labels of the samples, where a DataArray has them along that dimension.

    Parameters
    ----------
    value : object

    Returns
    -------
    ndarray, (n_samples,), or None
    """
    dim = _sample_dim(value)
    return np.asarray(value.indexes[dim]) if dim is not None and dim in value.indexes else None


def ordered(x: Any, y: Any, *, where: str, names: tuple[str, str] = ("x", "y")) -> Any:
    """Order of the samples of one system in which they match those of another.

    Parameters
    ----------
    x, y : array_like or DataArray
        As they were given.
    where : str
        Who asks.
    names : (str, str)
        Names of the two arguments.

    Returns
    -------
    slice or ndarray of int
        To index the rows of the second with; all as they are where one has no labels.

    Raises
    ------
    SpecError
        If a label is missing or stands twice.
    """
    dim, first, second = _sample_dim(x), labels_of(x), labels_of(y)
    if first is None or second is None or dim != _sample_dim(y):
        return slice(None)
    for labels, name in zip((first, second), names, strict=True):
        doubled = [label for label, count in Counter(labels.tolist()).items() if count > 1]
        if doubled:
            bound = f"must have each {dim} once, and these are doubled: {listed(doubled)}"
            raise SpecError.of(where=where, name=name, bound=bound, fix="average the repeats first")
    if np.array_equal(first, second):
        return slice(None)
    place = {label: row for row, label in enumerate(second.tolist())}
    fix = "give the same stimuli to both"
    missing = [label for label in first.tolist() if label not in place]
    if missing:
        bound = f"must have the {dim} of {names[0]}, lacks {listed(missing)}"
        raise SpecError.of(where=where, name=names[1], bound=bound, fix=fix)
    beyond = sorted(place.keys() - set(first.tolist()), key=place.__getitem__)
    if beyond:
        bound = f"must have the {dim} of {names[1]}, lacks {listed(beyond)}"
        raise SpecError.of(where=where, name=names[0], bound=bound, fix=fix)
    return np.array([place[label] for label in first.tolist()])


def centered(array: Floats) -> Floats:
    """Subtract the mean over the first axis, exactly enough for values far from zero.

    The rounding of the mean is taken out by a second pass; what does not vary becomes exactly 0.

    Parameters
    ----------
    array : ndarray, (n_samples, ...)

    Returns
    -------
    ndarray, same shape

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare._inputs import centered
    >>> centered(np.array([[1e8 + 1, 0.1], [1e8 - 1, 0.1]])).tolist()
    [[1.0, 0.0], [-1.0, 0.0]]
    """
    shifted = array - array[0]
    shifted -= shifted.mean(axis=0)
    shifted -= shifted.mean(axis=0)
    still = array.min(axis=0) == array.max(axis=0)
    if still.any():
        shifted[:, still] = 0
    return shifted


def varying(array: Floats, *, where: str, name: str, drop: bool = False) -> Floats:
    """Refuse samples of which no unit varies; drop the constant ones with a warning where they matter.

    Parameters
    ----------
    array : ndarray, (n_samples, n_units)
    where, name : str
        Who asks, and for which argument.
    drop : bool
        Leave constant units out.

    Returns
    -------
    ndarray, (n_samples, n_kept)

    Raises
    ------
    SpecError
        If no unit varies.

    Warns
    -----
    ArcuateWarning
        With the number and the first indices of the units that were left out.
    """
    still = array.min(axis=0) == array.max(axis=0)
    if still.all():
        bound = f"has {array.shape[1]} units and none varies over the {len(array)} samples"
        raise SpecError.of(where=where, name=name, bound=bound, fix="compare states that differ by sample")
    if not drop or not still.any():
        return array
    units = np.flatnonzero(still)
    warn(f"{where}: {name}: {units.size} of {still.size} units are constant and left out: {listed(units)}")
    return np.ascontiguousarray(array[:, ~still])


def listed(values: Any, most: int = 6) -> str:
    """First few values in one line, with the number of the others.

    Parameters
    ----------
    values : sequence
    most : int
        How many are written.

    Returns
    -------
    str

    Examples
    --------
    >>> from arcuate.compare._inputs import listed
    >>> listed([3, 5, 8], most=2)
    '3, 5 and 1 more'
    """
    plain = list(values)
    text = ", ".join(str(value)[:40] for value in plain[:most])
    return text if len(plain) <= most else f"{text} and {len(plain) - most} more"


def warn(text: str) -> None:
    """Warn at the line outside of this package that led here.

    Parameters
    ----------
    text : str
        What is probably not wanted, by name, and the way out.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("arcuate."):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, ArcuateWarning, stacklevel=level)


def _floats(value: Any, ranks: tuple[int, ...], shape: str, *, where: str, name: str) -> Floats:
    """Real numbers as float64 in one of some numbers of dimensions, each axis with at least one entry."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as cause:
        bound = "must be a regular array of numbers"
        raise SpecError.of(where=where, name=name, value=value, bound=bound) from cause
    if array.dtype.kind not in "fiub":
        fix = "take real and imaginary part as units" if array.dtype.kind == "c" else ""
        bound = "must hold real numbers"
        raise SpecError.of(where=where, name=name, value=f"array of {array.dtype}", bound=bound, fix=fix)
    check_unmasked(value, where=where, name=name)
    if array.ndim not in ranks or 0 in array.shape:
        bound = f"must be {shape}, none of them 0"
        raise SpecError.of(where=where, name=name, value=f"shape {array.shape}", bound=bound)
    if array.dtype.kind == "f":
        _finite(array, labels_of(value), where=where, name=name)
    return as_real(array.astype(np.float64, copy=False), where=where, name=name)


def _finite(array: np.ndarray, labels: np.ndarray | None, *, where: str, name: str) -> None:
    """Refuse what is not finite by the samples where it stands."""
    if not np.isfinite(array).all():
        rows = [row for row, sample in enumerate(array) if not np.isfinite(sample).all()]
        which = f" ({listed(labels[rows])})" if labels is not None else ""
        value = float(array[rows[0]].reshape(-1)[np.argmin(np.isfinite(array[rows[0]].reshape(-1)))])
        bound = f"must be finite, is not in {len(rows)} of {len(array)} rows: {listed(rows)}{which}"
        raise SpecError.of(
            where=where, name=name, value=value, bound=bound, fix="leave these out of both systems"
        )


def _length(trial: Any) -> tuple[int, ...]:
    """Number of steps of a trial; none of what is ragged or has no steps, which is refused later."""
    try:
        return np.shape(trial)[:1]
    except ValueError:
        return ()


def _enough(array: Floats, least: int, *, where: str, name: str, word: str = "samples") -> Floats:
    if len(array) < least:
        raise SpecError.of(where=where, name=name, value=len(array), bound=f"needs >= {least} {word}")
    return array
