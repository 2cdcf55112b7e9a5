"""What a parameter study varies: a grid over fields of a specification, checked before anything is built."""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_int
from arcuate.units import is_quantity_text, parse_quantity

if TYPE_CHECKING:
    from arcuate.spec import Network

SEED = "seed"
"""The one name of a design that is no path of the specification."""

LIMIT = 1_000_000
"""Points above which a design is refused unless one asks for it."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a design.

    Attributes
    ----------
    index : int
        Its place in the design.
    values : mapping of str to value
        Value by dotted path; may hold ``seed``.

    Examples
    --------
    >>> Point(index=0, values={"dt": "0.5 ms", "seed": 1}).values["seed"]
    1
    """

    index: int
    values: Mapping[str, Any]

    def apply(self, network: Network) -> Network:
        """Return the specification at this point.

        Parameters
        ----------
        network : Network
            What is varied.

        Returns
        -------
        Network
            With all values set at once, so that values that depend on each other may change together.

        Raises
        ------
        SpecError
            If a value is refused by the specification.

        Examples
        --------
        >>> from arcuate.models import load_model
        >>> net = load_model("what_when_reservoir")
        >>> Point(index=0, values={"seed": 3}).apply(net) == net
        True
        """
        changes = {path: value for path, value in self.values.items() if path != SEED}
        return network.replace(**changes) if changes else network


@dataclass(frozen=True, kw_only=True)
class Design:
    """Every combination of some values of some fields; made by `Design.grid`.

    Attributes
    ----------
    axes : mapping of str to sequence
        Values by dotted path, the last one varying fastest.

    Examples
    --------
    >>> from arcuate.models import load_model
    >>> net = load_model("what_when_reservoir")
    >>> design = Design.grid(net, {"dt": ["0.25 ms", "0.5 ms"], "seed": range(3)})
    >>> len(design), design[5].values
    (6, {'dt': '0.5 ms', 'seed': 2})
    """

    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @classmethod
    def grid(
        cls, network: Network, values: Mapping[str, Sequence[Any]], *, allow_large: bool = False
    ) -> Design:
        """Check a grid against a specification.

        Parameters
        ----------
        network : Network
            What is varied; every path must lead to a field of it.
        values : mapping of str to sequence
            Values by dotted path, such as ``{"populations.exc.neuron.a": [0.02, 0.1], "seed": range(8)}``.
        allow_large : bool, optional
            Accept more than a million points.

        Returns
        -------
        Design
            Nothing is built but the first point, to see that the specification takes it.

        Raises
        ------
        UnknownNameError
            If a path leads nowhere; the message names the nearest.
        SpecError
            If there is no axis, no value on one, the same value twice (``"20 ms"`` and ``"0.02 s"`` are the
            same), a value that cannot be compared by content, or too many points.

        Examples
        --------
        >>> from arcuate.models import load_model
        >>> len(Design.grid(load_model("what_when_reservoir"), {"seed": range(8)}))
        8
        """
        where = "Design.grid"
        if not isinstance(values, Mapping) or not values:
            raise SpecError.of(
                where=where,
                name="values",
                value=values,
                bound="must name at least one field",
                fix='write {"seed": range(8)} to vary the seed alone',
            )
        for path in values:
            if path != SEED:
                network.get(path)
        axes = {path: _axis(where, path, axis) for path, axis in values.items()}
        count = math.prod(len(axis) for axis in axes.values())
        if count > LIMIT and (not allow_large or count > sys.maxsize):
            lengths = " x ".join(str(len(axis)) for axis in axes.values())
            raise SpecError.of(
                where=where,
                name="points",
                value=count,
                bound=f"must be <= {LIMIT}; {lengths} were asked for",
                fix="give fewer values, or allow_large=True",
            )
        for path, axis in axes.items():
            _no_doubles(where, path, axis)
        design = cls(axes=axes)
        design[0].apply(network)
        return design

    def __len__(self) -> int:
        return math.prod(len(axis) for axis in self.axes.values())

    def __getitem__(self, index: int) -> Point:
        place = check_int(index, where="Design", name="index", low=0, high=len(self) - 1)
        values, rest = {}, place
        for path, axis in reversed(list(self.axes.items())):
            rest, position = divmod(rest, len(axis))
            values[path] = axis[position]
        return Point(index=place, values={path: values[path] for path in self.axes})

    def __iter__(self) -> Iterator[Point]:
        for index in range(len(self)):
            yield self[index]


def _axis(where: str, path: str, axis: Any) -> Sequence[Any]:
    """Return the values of one axis as a tuple (or the range), checked for kind but not for doubles."""
    name = f"values[{path!r}]"
    if isinstance(axis, np.ndarray) and axis.ndim == 1 and axis.dtype.kind in "biufU":
        axis = tuple(axis.tolist())
    if not isinstance(axis, list | tuple | range):
        raise SpecError.of(
            where=where,
            name=name,
            value=axis,
            bound="must be a list, a range or a one-dimensional array of values",
        )
    if len(axis) == 0:
        raise SpecError.of(where=where, name=name, value=axis, bound="must have at least one value")
    return axis if isinstance(axis, range) else tuple(axis)


def _no_doubles(where: str, path: str, axis: Sequence[Any]) -> None:
    """Refuse a value that comes twice, or that cannot be told from another by its content."""
    if isinstance(axis, range):
        return
    name = f"values[{path!r}]"
    seen: set[Any] = set()
    for value in axis:
        if callable(value) or not isinstance(value, Hashable):
            raise _no_content(where, name, value)
        try:
            content = parse_quantity(value) if isinstance(value, str) and is_quantity_text(value) else value
            double = content in seen
        except TypeError:  # a tuple with a list inside
            raise _no_content(where, name, value) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise SpecError.of(where=where, name=name, value=value, bound="must be finite")
        if double:
            raise SpecError.of(
                where=where,
                name=name,
                value=value,
                bound="must come once",
                fix="vary the seed to repeat a point",
            )
        seen.add(content)


def _no_content(where: str, name: str, value: Any) -> SpecError:
    """Build the error for functions, lists and other values without a content to compare."""
    return SpecError.of(
        where=where,
        name=name,
        value=value,
        bound="must be a number, a text or another value that can be compared by content",
        fix="use a tuple for a list of numbers",
    )
