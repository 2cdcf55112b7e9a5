"""Blocks of values that a design is made of, checked, and constraints on them."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import ArcuateError, ExpressionError, SpecError, unknown
from arcuate.mechanisms.expressions import parse
from arcuate.rng import check_seed
from arcuate.spec import Distribution
from arcuate.spec.distributions import value_from
from arcuate.spec.part import Part, plain
from arcuate.spec.values import FrozenDict, Quantity, Values
from arcuate.units import Dimension, dimension, is_quantity_text, parse_quantity

if TYPE_CHECKING:
    from arcuate.study.design import Design, Point

SEED = "seed"
"""The one name of a design that is no path of a specification."""

LIMIT = 1_000_000
"""Points above which a design is refused unless one asks for it."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Fields that vary together; every row of one block meets every row of the others.

    Attributes
    ----------
    names : tuple of str
        The fields.
    rows : sequence
        Values: one per row if there is one field, else a tuple.

    Examples
    --------
    >>> Block(names=("n", "seed"), rows=((10, 1), (20, 2))).row(1)
    (20, 2)
    """

    names: tuple[str, ...]
    rows: Sequence[Any]

    def row(self, index: int) -> tuple[Any, ...]:
        """Return the values of a row.

        Parameters
        ----------
        index : int
            Which.

        Returns
        -------
        tuple
            One value per field.
        """
        row = self.rows[index]
        return (row,) if len(self.names) == 1 else tuple(row)

    def column(self, name: str) -> Sequence[Any]:
        """Return all values of a field.

        Parameters
        ----------
        name : str
            One of the fields.

        Returns
        -------
        sequence
        """
        if len(self.names) == 1:
            return self.rows
        place = self.names.index(name)
        return [row[place] for row in self.rows]


def check_fields(where: str, name: str, table: object, example: str) -> None:
    """Refuse what is not a mapping from at least one path."""
    if not isinstance(table, Mapping) or not table:
        raise SpecError.of(
            where=where,
            name=name,
            value=table,
            bound="must be a mapping that names at least one field",
            fix=f"write {example}",
        )
    for path in table:
        if not isinstance(path, str) or not path:
            raise SpecError.of(
                where=where,
                name=name,
                value=path,
                bound="must have dotted paths as keys",
                fix='use for example "populations.exc.n"',
            )


def check_count(where: str, lengths: Sequence[int], *, allow_large: bool) -> None:
    count = math.prod(lengths)
    if count <= LIMIT or (allow_large and count <= sys.maxsize):
        return
    asked = f"; {' x '.join(map(str, lengths))} were asked for" if len(lengths) > 1 else ""
    raise SpecError.of(
        where=where,
        name="points",
        value=count,
        bound=f"must be <= {LIMIT}{asked}",
        fix="give fewer values, or allow_large=True" if where == "Design.grid" else "give fewer",
    )


def read_axis(where: str, name: str, axis: Any) -> Sequence[Any]:
    """Return the values of one axis as a tuple (or the range), checked for kind but not for doubles."""
    if isinstance(axis, np.ndarray) and axis.ndim == 1 and axis.dtype.kind in "biufU":
        axis = tuple(axis.tolist())
    if not isinstance(axis, list | tuple | range):
        raise SpecError.of(
            where=where,
            name=name,
            value=axis,
            bound="must be a list, a range or a one-dimensional array of values",
            fix=_listed(name, axis),
        )
    if len(axis) == 0:
        raise SpecError.of(where=where, name=name, value=axis, bound="must have at least one value")
    return axis if isinstance(axis, range) else tuple(_scalar(value) for value in axis)


def _listed(name: str, value: Any) -> str:
    """What to write in place of a single value."""
    if not isinstance(value, (int, float, str)):
        return ""
    return f"write range({value})" if name == "seeds" and type(value) is int else f"write [{value!r}]"


def _scalar(value: Any) -> Any:
    """A number of NumPy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def make_block(where: str, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> Block:
    """A block of rows that differ."""
    clean = [tuple(_scalar(value) for value in row) for row in rows]
    block = Block(names=names, rows=tuple(row[0] for row in clean) if len(names) == 1 else tuple(clean))
    no_doubles(where, block)
    return block


def no_doubles(where: str, block: Block) -> None:
    """Refuse a row that comes twice or cannot be told from another by its content, and what is no seed."""
    if SEED in block.names:
        column = block.column(SEED)
        for seed in (column[0], column[-1]) if isinstance(column, range) else column:
            if seed is None:
                raise SpecError.of(where=where, name=SEED, value=seed, bound="must be an integer")
            check_seed(seed)
    if isinstance(block.rows, range):
        return
    seen: set[Any] = set()
    for number in range(len(block.rows)):
        row = block.row(number)
        content = tuple(_content(where, path, value) for path, value in zip(block.names, row, strict=True))
        if content in seen:
            alone = len(row) == 1
            raise SpecError.of(
                where=where,
                name=f"values[{block.names[0]!r}]" if alone else f"point {number}",
                value=row[0] if alone else dict(zip(block.names, row, strict=True)),
                bound="must come once",
                fix="vary the seed to repeat a point: design.repeat(range(8))",
            )
        seen.add(content)


def _content(where: str, path: str, value: Any) -> Any:
    """What makes two values the same: a number and its dimension, or the value itself."""
    name = f"values[{path!r}]"
    if callable(value) or not isinstance(value, Hashable):
        raise _no_content(where, name, value)
    try:
        hash(value)
    except TypeError:  # a tuple with a list inside
        raise _no_content(where, name, value) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError.of(where=where, name=name, value=value, bound="must be finite")
    if isinstance(value, str) and any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value):
        raise SpecError.of(
            where=where, name=name, value=value, bound="must be text without NUL that UTF-8 can hold"
        )
    if isinstance(value, str) and is_quantity_text(value):
        return parse_quantity(value)
    if isinstance(value, Quantity):
        return float(value), dimension(value.unit)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value, Dimension()
    if isinstance(value, Values):
        return "values", value.array.shape, value.array.tobytes(), value.unit
    if not _is_data(value):
        raise _no_content(where, name, value)
    return type(value).__name__, value


def _is_data(value: Any) -> bool:
    """Whether a value can be written down and read back."""
    if isinstance(value, tuple):
        return all(_is_data(item) for item in value)
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_data(item) for key, item in value.items())
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (bool, int, str, Part, Distribution, Values))


def _no_content(where: str, name: str, value: Any) -> SpecError:
    """Build the error for functions, lists and other values without a content to compare."""
    return SpecError.of(
        where=where,
        name=name,
        value=value,
        bound="must be a number, a text or another value that can be compared by content",
        fix="use a tuple for a list of numbers",
    )


def plain_value(value: Any) -> Any:
    """A value, or a row of them, as JSON can hold it."""
    if isinstance(value, tuple):
        return [plain_value(item) for item in value]
    return plain(value.tree() if isinstance(value, Part) else value)


def revived(value: Any) -> Any:
    """A value, or a row of them, as it was before `plain_value`: frozen, and no table where it was none."""
    if isinstance(value, list):
        return tuple(revived(item) for item in value)
    if isinstance(value, Mapping) and ("dist" in value or "values" in value):
        return value_from(value, None, where="Design", name="value")
    if isinstance(value, Mapping):
        return FrozenDict({str(key): revived(item) for key, item in value.items()})
    return value


def draw_shares(kind: str, n_fields: int, n: int, generator: np.random.Generator) -> np.ndarray:
    """Numbers between 0 and 1, (n, n_fields)."""
    from scipy.stats import qmc

    if kind == "random":
        return generator.random((n, n_fields))
    seed = int(generator.integers(2**63))  # what scipy takes of a stream that cannot spawn others
    if kind == "latin_hypercube":
        return np.asarray(qmc.LatinHypercube(n_fields, seed=seed).random(n))
    engine = qmc.Sobol(n_fields, scramble=True, seed=seed)
    return np.asarray(engine.random_base2(math.ceil(math.log2(n)))[:n])


def values_at(where: str, name: str, share: np.ndarray, *, given: Any) -> list[Any]:
    """Values of a range at some shares of its probability."""
    if isinstance(given, Distribution):
        drawn = given.quantile(np.clip(share, 2.0**-53, 1 - 2.0**-53)).tolist()
        numbers = [float(f"{number:.12g}") for number in drawn]  # twelve digits can be read, and suffice
        return numbers if given.unit == "1" else [Quantity(number, given.unit) for number in numbers]
    if not isinstance(given, (list, tuple, range, np.ndarray)):
        raise SpecError.of(
            where=where,
            name=name,
            value=given,
            bound="must be a distribution or a list of values",
            fix='use for example arc.Uniform("5 ms", "50 ms")',
        )
    choices = read_axis(where, name, given)
    return [choices[int(place)] for place in np.minimum(share * len(choices), len(choices) - 1)]


class Constraint:
    """An expression over the fields of a design, for many points at once."""

    def __init__(self, design: Design, text: str) -> None:
        where = "Design.where"
        self._expression = parse(text, where=where, units=True)
        if not self._expression.is_condition:
            raise ExpressionError.of(
                where=where,
                name="constraint",
                value=text,
                bound="must be true or false, not a number",
                fix='write for example "tau_m > 10*ms"',
            )
        names = _short_names(design.names)
        for word in re.findall(r"(?<![\w.])[^\W\d]\w*", text):
            if word in names and word not in self._expression.names:
                raise ExpressionError.of(
                    where=where,
                    name=word,
                    bound=f"may be the field {names[word][0]} or a unit, a constant or a function",
                    fix="use more of the path, or give a function of the values",
                )
        self._design, self._columns = design, {}
        for name in sorted(self._expression.names):
            path = self._path(name, text, names)
            place, block = next((i, b) for i, b in enumerate(design.blocks) if path in b.names)
            column = block.column(path)
            self._columns[name] = place, np.array([_number(path, value) for value in column])

    @staticmethod
    def _path(name: str, text: str, names: Mapping[str, list[str]]) -> str:
        if name not in names:
            error = unknown(f"Design.where: {text[:60]!r}", name, names, kind="field")
            raise ExpressionError.of(where=error.where or "", bound=error.bound or "", fix=error.fix or "")
        if len(names[name]) > 1:
            longer = sorted(
                other
                for other, paths in names.items()
                if len(paths) == 1 and paths[0] in names[name] and other.endswith(f"_{name}")
            )
            raise ExpressionError.of(
                where="Design.where",
                name=name,
                bound=f"may be any of {', '.join(names[name])}",
                fix=f"use more of the path, such as {longer[0]}" if longer else "",
            )
        return names[name][0]

    def __call__(self, places: np.ndarray) -> np.ndarray:
        rows = self._design.positions(places)
        values = {name: column[rows[place]] for name, (place, column) in self._columns.items()}
        return np.broadcast_to(np.asarray(self._expression.evaluate(values), bool), places.shape)


def _short_names(paths: Sequence[str]) -> dict[str, list[str]]:
    """Paths by what an expression may call them: their last words, joined by ``_``."""
    names: dict[str, list[str]] = {}
    for path in paths:
        words = [re.sub(r"\W+", "_", word) for word in path.split(".")]
        for first in range(len(words)):
            names.setdefault("_".join(words[first:]), []).append(path)
    return names


def _number(path: str, value: Any) -> float:
    """A value in SI, for an expression."""
    if isinstance(value, str) and is_quantity_text(value):
        return parse_quantity(value)[0]
    if isinstance(value, (int, float)):
        return float(value)
    raise SpecError.of(
        where="Design.where",
        name=path,
        value=value,
        bound="must be a number or a quantity to stand in an expression",
        fix="give a function of the values",
    )


def holds(constraint: Callable[[Mapping[str, Any]], bool], point: Point) -> bool:
    """Whether a function says that a point stays."""
    where = f"Design.where, point {point.index}"
    try:
        answer = constraint(dict(point.values))
    except ArcuateError:
        raise
    except Exception as error:  # whatever a function of the user may raise
        raise SpecError.of(
            where=where,
            name="constraint",
            bound=f"failed with {type(error).__name__}: {error}"[:200],
        ) from error
    if not isinstance(answer, (bool, np.bool_)):
        raise SpecError.of(where=where, name="constraint", value=answer, bound="must return True or False")
    return bool(answer)
