"""Constraints of a design: which points stay."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import ArcuateError, ExpressionError, SpecError, unknown
from arcuate.mechanisms.expressions import parse
from arcuate.units import is_quantity_text, parse_quantity

if TYPE_CHECKING:
    from arcuate.study.design import Design, Point

__all__ = ["Constraint", "holds"]


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
