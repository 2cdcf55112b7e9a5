"""Reproducing a published model: expected figures, measured figures, and the verdict computed from both.

``expected.toml`` of a model says what must come out::

    [[figure]]
    name = "timing_error_L700"
    what = "median timing error of the probe, latency 700 ms"
    statistic = "median"            # over seeds: median, mean, std, min, max, all
    high = 20                       # low and/or high, or value and tolerance
    unit = "ms"
    seeds = "0-9"
    source = "acceptance list of the model card"
    quick = true                    # false: not judged by a quick run

and ``reproduce.py`` of the same folder measures it::

    def reproduce(seeds, quick, out, progress):
        measured = {"timing_error_L700": {seed: run(seed) for seed in seeds}}
        return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots={"timing": figure})

A model that is shown at a reduced size may have a function of the same form, ``reproduce_full``, for the
published one, with an ``expected.toml`` of its own in the folder ``full``.

No verdict is written by hand: `Figure.verdict` compares the two.
"""

from __future__ import annotations

import importlib.util
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from arcuate.errors import CapabilityError, FileFormatError, SpecError, check_choice, check_real, unknown
from arcuate.models import model_folder

STATISTICS: Mapping[str, Callable[[np.ndarray], float]] = {
    "median": lambda values: float(np.median(values)),
    "mean": lambda values: float(np.mean(values)),
    "std": lambda values: float(np.std(values, ddof=1)) if values.size > 1 else math.nan,
    "min": lambda values: float(np.min(values)),
    "max": lambda values: float(np.max(values)),
}
"""How the values of several seeds become one number; ``all`` demands the bounds of every seed instead."""

_KEYS = frozenset(
    {"name", "what", "statistic", "low", "high", "value", "tolerance", "unit", "seeds", "source", "quick"}
)

Progress = Callable[[float, float, str], None]
"""Called as ``progress(done, total, label)`` by whatever takes long."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number a model must show: what was expected, what came out, and whether it holds.

    Attributes
    ----------
    name, what, unit, source : str
        From ``expected.toml``.
    statistic : str
        Median, mean, std, min or max over the seeds, or ``all``: every seed within the bounds.
    low, high : float
        Bounds, both included; infinite where there is none.
    expected_seeds : tuple of int
        Seeds the bounds were set for.
    values : mapping of int to float
        One value per seed that ran.
    judged : bool
        False if this run was too short to judge it.
    """

    name: str
    what: str
    statistic: str
    low: float
    high: float
    unit: str
    source: str
    expected_seeds: tuple[int, ...]
    values: Mapping[int, float] = field(default_factory=dict)
    judged: bool = True

    @property
    def got(self) -> float:
        """The statistic over the seeds; for ``all`` the value furthest outside (or nearest to) the bounds."""
        values = np.array(list(self.values.values()), dtype=float)
        if values.size == 0 or np.isnan(values).any():
            return math.nan
        if self.statistic == "all":
            with np.errstate(invalid="ignore"):
                margin = np.minimum(values - self.low, self.high - values)
            return float(values[np.argmin(np.where(np.isnan(margin), math.inf, margin))])
        return STATISTICS[self.statistic](values)

    @property
    def holds(self) -> bool:
        """Whether the value lies within the bounds; a NaN or a missing value never does."""
        return bool(self.values) and self.low <= self.got <= self.high

    @property
    def verdict(self) -> str:
        """``holds``, ``fails`` or ``not judged``, computed."""
        if not self.judged:
            return "not judged"
        return "holds" if self.holds else "fails"

    @property
    def expected(self) -> str:
        """The bounds as a reader writes them, such as ``<= 20 ms``."""
        unit = f" {self.unit}" if self.unit else ""
        if math.isinf(self.low):
            return f"<= {self.high:.4g}{unit}"
        if math.isinf(self.high):
            return f">= {self.low:.4g}{unit}"
        return f"{self.low:.4g} to {self.high:.4g}{unit}"

    @property
    def measured(self) -> str:
        """What came out, with the number of seeds, such as ``median 4 ms (10 seeds)``."""
        if not self.values:
            return "not measured"
        unit = f" {self.unit}" if self.unit else ""
        count = len(self.values)
        seeds = "1 seed" if count == 1 else f"{count} seeds"
        word = "worst" if self.statistic == "all" else self.statistic
        return f"{word if count > 1 else ''} {self.got:.4g}{unit} ({seeds})".lstrip()


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What a model's ``reproduce`` returns: figures with verdicts, pictures, caveats and tables.

    Attributes
    ----------
    model : str
        Name of the published model.
    figures : tuple of Figure
        From `judge`.
    plots : mapping of str to matplotlib.figure.Figure
        Pictures by file name without suffix; a caption follows in `captions`.
    captions : mapping of str to str
        Sentence below each picture.
    caveats : tuple of str
        What a reader must know before believing the figures.
    tables : mapping of str to table
        Each a mapping of column name to values of equal length, or a pandas frame.

    Examples
    --------
    >>> Reproduction(model="demo", figures=()).holds
    False
    """

    model: str
    figures: tuple[Figure, ...]
    plots: Mapping[str, Any] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    tables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether at least one figure was judged and every judged figure holds."""
        judged = [figure for figure in self.figures if figure.judged]
        return bool(judged) and all(figure.holds for figure in judged)


def read_expected(path: str | Path) -> tuple[Figure, ...]:
    """Read an ``expected.toml``.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    tuple of Figure
        The figures in the order of the file, without values.

    Raises
    ------
    FileFormatError
        If the file is missing, is not TOML, or an entry lacks a bound, a source or a sentence.

    Examples
    --------
    >>> from arcuate.models import model_folder
    >>> figures = read_expected(model_folder("what_when_reservoir") / "expected.toml")
    >>> all(figure.source for figure in figures)
    True
    """
    path = Path(path)
    where = f"{path.parent.name}/{path.name}"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileFormatError.of(
            where=where, name="file", value=type(error).__name__, bound=f"must be readable TOML ({error})"
        ) from error
    entries = table.get("figure")
    if set(table) - {"figure"} or not isinstance(entries, list) or not entries:
        raise FileFormatError.of(
            where=where,
            name="tables",
            value=sorted(table),
            bound="must be one or more [[figure]] tables, nothing else",
        )
    figures = tuple(_figure(entry, where) for entry in entries)
    names = [figure.name for figure in figures]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise FileFormatError.of(
            where=where, name="name", value=doubled[0], bound="must name one figure only"
        )
    return figures


def judge(model: str, measured: Mapping[str, Any], *, quick: bool = False) -> tuple[Figure, ...]:
    """Put measured values beside the expected figures of a model.

    Parameters
    ----------
    model : str
        Name of a published model, or path of an ``expected.toml``.
    measured : mapping of str to values
        For each figure's name a mapping of seed to value, or one value. A figure that is expected and not
        measured fails, except in a quick run if its entry says ``quick = false``.
    quick : bool, optional
        Whether this was a quick run.

    Returns
    -------
    tuple of Figure
        The expected figures with their values.

    Raises
    ------
    UnknownNameError
        If a measured name is not in ``expected.toml``.
    FileFormatError
        If ``expected.toml`` cannot be used.

    Examples
    --------
    >>> judge("what_when_reservoir", {}, quick=False)[0].verdict
    'fails'
    """
    path = Path(model) if model.endswith(".toml") else model_folder(model) / "expected.toml"
    figures = read_expected(path)
    known = [figure.name for figure in figures]
    for name in measured:
        if name not in known:
            raise unknown("judge", name, known, kind="figure")
    return tuple(
        replace(
            figure,
            values=_values(figure.name, measured.get(figure.name, {})),
            judged=figure.judged or not quick,
        )
        for figure in figures
    )


def judge_seeds(
    model: str, rows: Mapping[int, Mapping[str, float]], *, quick: bool = False
) -> dict[str, Any]:
    """Judge the figures that are expected of a model, and keep all that was measured as a table.

    Parameters
    ----------
    model : str
        As in `judge`.
    rows : mapping of int to mapping of str to float
        For each seed what was measured, by name.
    quick : bool
        Whether this was a quick run.

    Returns
    -------
    dict
        ``figures`` and ``tables`` of a `Reproduction`: the table ``measured`` has a row for each name and a
        column for each seed.

    Raises
    ------
    FileFormatError
        If ``expected.toml`` cannot be used.

    Examples
    --------
    >>> found = judge_seeds("what_when_reservoir", {0: {"another": 1.5}, 1: {"another": 2.5}})
    >>> found["tables"]["measured"]
    {'figure': ['another'], 'seed 0': [1.5], 'seed 1': [2.5]}
    """
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    by_name = {name: {seed: row[name] for seed, row in rows.items() if name in row} for name in names}
    known = [figure.name for figure in judge(model, {}, quick=quick)]
    table: dict[str, list[Any]] = {"figure": names}
    table |= {f"seed {seed}": [row.get(name, math.nan) for name in names] for seed, row in rows.items()}
    measured = {name: by_name[name] for name in names if name in known}
    return {"figures": judge(model, measured, quick=quick), "tables": {"measured": table}}


def differences(values: Mapping[str, Any], reference: str) -> dict[str, list[Any]]:
    """Compare variants with one of them, seed by seed: mean difference, 95 % interval, verdict.

    Parameters
    ----------
    values : mapping of str to sequence of float
        For each variant a value for each seed, in the same order.
    reference : str
        The variant that others are compared with.

    Returns
    -------
    dict of str to list
        Columns ``variant``, ``difference``, ``half_width`` (Student's t over seeds; infinite with one seed)
        and ``verdict``: "ahead" or "behind" if the interval leaves out 0, "no difference" otherwise.

    Raises
    ------
    UnknownNameError
        If the reference is none of the variants.
    SpecError
        If a variant has no value for each seed of the reference.

    Examples
    --------
    >>> differences({"old": [1.0, 2.0, 3.0], "new": [2.1, 3.0, 3.9]}, "old")["verdict"]
    ['no difference', 'ahead']
    """
    from scipy.stats import t as student

    if reference not in values:
        raise unknown("differences", reference, list(values), kind="variant")
    rows: dict[str, list[Any]] = {"variant": [], "difference": [], "half_width": [], "verdict": []}
    for name, value in values.items():
        if not 0 < len(value) == len(values[reference]):
            bound = f"must have {len(values[reference])} values, one for each seed of {reference}"
            raise SpecError.of(where="differences", name=name, value=len(value), bound=bound)
        gain = np.asarray(value, dtype=float) - np.asarray(values[reference], dtype=float)
        mean, half, n = float(gain.mean()), math.inf, len(gain)
        if n > 1:
            half = float(student.ppf(0.975, n - 1) * gain.std(ddof=1) / math.sqrt(n))
        verdict = "ahead" if mean > half else "behind" if mean < -half else "no difference"
        for column, entry in zip(rows.values(), (name, mean, half, verdict), strict=True):
            column.append(entry)
    return rows


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read seeds as a person writes them.

    Parameters
    ----------
    text : str
        Numbers and ranges such as ``"0-9"`` or ``"1,4,7-9"``; at most 10 000 seeds.

    Returns
    -------
    tuple of int
        The seeds in the order given.

    Raises
    ------
    SpecError
        If the text is something else, a seed is doubled, or there are too many.

    Examples
    --------
    >>> parse_seeds("0-2,7")
    (0, 1, 2, 7)
    """
    seeds: list[int] = []
    for part in str(text).split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        ends = (first, last) if dash else (first, first)
        if not all(end.isascii() and end.isdigit() and len(end) <= 39 for end in ends):
            raise _bad_seeds(text, "must be numbers or ranges, such as 0-9 or 1,4,7-9")
        low, high = int(ends[0]), int(ends[1])
        if high < low or high - low >= 10_000 - len(seeds):
            raise _bad_seeds(text, "must be rising ranges, together at most 10000 seeds")
        seeds.extend(range(low, high + 1))
    if len(set(seeds)) < len(seeds):
        raise _bad_seeds(text, "must name each seed once")
    return tuple(seeds)


def default_seeds(model: str, *, quick: bool = False, full: bool = False) -> tuple[int, ...]:
    """Return the seeds that a model's figures were set for.

    Parameters
    ----------
    model : str
        Name of a published model.
    quick : bool, optional
        Only the first of them.
    full : bool, optional
        Those of the published size, of a model that is shown at a smaller one.

    Returns
    -------
    tuple of int
        The seeds of all entries of ``expected.toml``, sorted.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    FileFormatError
        If ``expected.toml`` cannot be used.

    Examples
    --------
    >>> len(default_seeds("what_when_reservoir", quick=True))
    1
    """
    folder = model_folder(model)
    figures = read_expected((folder / "full" if full else folder) / "expected.toml")
    seeds = sorted({seed for figure in figures for seed in figure.expected_seeds})
    return tuple(seeds[:1] if quick else seeds)


def load_reproduce(model: str, *, full: bool = False) -> Callable[..., Reproduction]:
    """Load the ``reproduce`` function of a published model.

    Parameters
    ----------
    model : str
        Name of a published model; only the files that came with the package are ever run.
    full : bool, optional
        The published size, of a model that is shown at a smaller one.

    Returns
    -------
    callable
        ``reproduce(seeds, quick, out, progress)``, or ``reproduce_full`` of the same form.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    FileFormatError
        If the model has no ``reproduce.py``, or that defines no ``reproduce``.
    CapabilityError
        If it is shown at its published size anyway.

    Examples
    --------
    >>> callable(load_reproduce("what_when_reservoir"))
    True
    """
    folder = model_folder(model)
    path = folder / "reproduce.py"
    name = f"arcuate_model_{folder.name}"
    if not path.is_file():
        raise FileFormatError.of(
            where=f"model {folder.name!r}",
            name="reproduce.py",
            value="missing",
            bound="must be in the model's folder",
        )
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise FileFormatError.of(
            where=name, name="reproduce.py", value=path.name, bound="must be a Python module"
        )
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    function = getattr(module, "reproduce_full" if full else "reproduce", None)
    if full and function is None:
        bound = "is shown at its published size anyway"
        raise CapabilityError.of(where=f"model {folder.name!r}", bound=bound, fix="leave out --full")
    if not callable(function):
        raise FileFormatError.of(
            where=f"model {folder.name!r}",
            name="reproduce",
            value=function,
            bound="must be a function of reproduce.py",
        )
    return function


def _bad_seeds(text: str, bound: str) -> SpecError:
    """Build the error for seeds that cannot be read."""
    return SpecError.of(
        where="seeds", name="seeds", value=text, bound=bound, fix="write --seeds 0-9 for ten seeds"
    )


def _figure(entry: Any, where: str) -> Figure:
    """Check one ``[[figure]]`` table."""
    if not isinstance(entry, dict):
        raise FileFormatError.of(where=where, name="figure", value=entry, bound="must be a [[figure]] table")
    for key in entry:
        if key not in _KEYS:
            raise unknown(where, key, sorted(_KEYS), kind="key")
    for key in ("name", "what", "source"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise FileFormatError.of(
                where=where, name=key, value=entry.get(key), bound="must be text in every figure"
            )
    where = f"{where}, figure {entry['name']!r}"
    low, high = _bounds(entry, where)
    statistic = check_choice(
        entry.get("statistic", "median"), (*STATISTICS, "all"), where=where, name="statistic"
    )
    seeds = entry.get("seeds", "0")
    quick = entry.get("quick", True)
    if (
        not isinstance(seeds, str)
        or not isinstance(quick, bool)
        or not isinstance(entry.get("unit", ""), str)
    ):
        raise FileFormatError.of(
            where=where, name="seeds, quick, unit", value=entry, bound="must be text, true or false, and text"
        )
    return Figure(
        name=entry["name"],
        what=entry["what"],
        statistic=statistic,
        low=low,
        high=high,
        unit=entry.get("unit", ""),
        source=entry["source"],
        expected_seeds=parse_seeds(seeds),
        judged=quick,
    )


def _bounds(entry: Mapping[str, Any], where: str) -> tuple[float, float]:
    """Return low and high from either way of writing them."""
    by_value, by_bounds = {"value", "tolerance"} & set(entry), {"low", "high"} & set(entry)
    if bool(by_value) == bool(by_bounds) or len(by_value) == 1:
        raise FileFormatError.of(
            where=where,
            name="bounds",
            value=sorted(by_value | by_bounds),
            bound="must be low and/or high, or value and tolerance",
        )
    if by_value:
        value = check_real(entry["value"], where=where, name="value")
        tolerance = check_real(entry["tolerance"], where=where, name="tolerance", low=0.0)
        return value - tolerance, value + tolerance
    low = check_real(entry["low"], where=where, name="low") if "low" in entry else -math.inf
    high = check_real(entry["high"], where=where, name="high") if "high" in entry else math.inf
    if low > high:
        raise FileFormatError.of(where=where, name="low", value=low, bound=f"must be <= high = {high}")
    return low, high


def _values(name: str, values: Any) -> dict[int, float]:
    """Return one float per seed; a single number counts as seed 0."""
    pairs = values if isinstance(values, Mapping) else {0: values}
    try:
        return {int(seed): float(value) for seed, value in pairs.items()}
    except (TypeError, ValueError) as error:
        raise SpecError.of(
            where="judge", name=name, value=values, bound="must be a number, or a mapping of seed to number"
        ) from error


def as_columns(table: Any) -> tuple[list[str], list[Sequence[Any]]]:
    """Return the column names and the rows of a table of a `Reproduction`.

    Parameters
    ----------
    table : mapping or pandas.DataFrame
        Columns of equal length.

    Returns
    -------
    names : list of str
        Column names.
    rows : list of sequences
        The rows.

    Raises
    ------
    SpecError
        If the columns differ in length.

    Examples
    --------
    >>> as_columns({"p": [0.1, 0.2], "amplitude": [0.11, 0.19]})
    (['p', 'amplitude'], [(0.1, 0.11), (0.2, 0.19)])
    """
    columns = {str(name): list(table[name]) for name in table}
    if len({len(values) for values in columns.values()}) > 1:
        lengths = {name: len(values) for name, values in columns.items()}
        raise SpecError.of(where="table", name="columns", value=lengths, bound="must have one length")
    return list(columns), list(zip(*columns.values(), strict=True))
