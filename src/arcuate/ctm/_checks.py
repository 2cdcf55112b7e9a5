"""What the equations of a Continuous Thought Machine refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arcuate.errors import SpecError, check_int

__all__ = ["check_heads", "check_widths", "part"]


def part(parameters: Mapping[str, Any], name: str) -> Any:
    """Return a parameter, or say that it is missing."""
    if name not in parameters:
        raise SpecError.of(where="CTM parameters", name=name, bound="is missing")
    return parameters[name]


def check_widths(found: Sequence[int], wanted: Sequence[int], name: str) -> None:
    """Lengths of the last axes of an array are those that its partners have."""
    last = tuple(found)[-len(wanted) :] if wanted else ()
    if last != tuple(wanted):
        bound = f"must end in axes {tuple(wanted)} to fit the others, not have shape {tuple(found)}"
        raise SpecError.of(where="CTM", name=name, bound=bound)


def check_heads(heads: int, width: int) -> None:
    """Heads of the attention divide its width."""
    check_int(heads, where="CTM", name="heads", high=width)
    if width % heads:
        raise SpecError.of(where="CTM", name="heads", value=heads, bound=f"must divide the width {width}")
