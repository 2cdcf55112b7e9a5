"""What a parameter study varies: points in the values of some fields, not bound to any model."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arcuate.errors import SpecError, check_int
from arcuate.rng import check_seed, stream
from arcuate.spec import Network
from arcuate.study._axes import (
    LIMIT,
    SEED,
    Block,
    Constraint,
    check_count,
    check_fields,
    draw_shares,
    holds,
    make_block,
    no_doubles,
    plain_value,
    read_axis,
    revived,
    values_at,
)

__all__ = ["LIMIT", "SEED", "Block", "Design", "Point"]

_CHUNK = 65_536
"""Points whose constraint is worked out at once."""


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
        UnknownNameError
            If a path leads nowhere; the message names the nearest.
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
        return network.replace(changes) if changes else network


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Design:
    """The points of a study: an ordered, finite list that is worked out only as it is read.

    Made by `grid`, `points`, `random`, `sobol` or `latin_hypercube`; `repeat` crosses it with seeds, `where`
    keeps the points that fulfil a constraint. A design knows no model: whether its paths lead anywhere is
    checked by the `Study` that uses it.

    Attributes
    ----------
    kind : str
        How it was made.
    blocks : tuple of Block
        What meets what; the last block varies fastest.
    kept : array of int or None
        Places, among all combinations, of the points that a constraint left.

    Examples
    --------
    >>> import arcuate as arc
    >>> design = arc.Design.grid({"populations.exc.n": [50, 100], "dt": ["0.1 ms", "0.2 ms"]})
    >>> len(design), design[1].values
    (4, {'populations.exc.n': 50, 'dt': '0.2 ms'})
    >>> design.repeat(range(3))
    <Design of 12 points, grid: populations.exc.n 2, dt 2, seed 3>
    """

    kind: str
    blocks: tuple[Block, ...]
    kept: np.ndarray | None = None

    @classmethod
    def grid(cls, values: Mapping[str, Sequence[Any]], *, allow_large: bool = False) -> Design:
        """Every combination of some values of some fields.

        Parameters
        ----------
        values : mapping of str to sequence
            Values by dotted path, such as ``{"populations.exc.neuron.a": [0.02, 0.1], "seed": range(8)}``;
            the last one varies fastest.
        allow_large : bool, optional
            Accept more than a million points.

        Returns
        -------
        Design

        Raises
        ------
        SpecError
            If there is no field, no value of one, the same value twice (``"20 ms"`` and ``"0.02 s"`` are the
            same), a value that cannot be compared by content, or too many points.

        Examples
        --------
        >>> len(Design.grid({"seed": range(8)}))
        8
        """
        where = "Design.grid"
        check_fields(where, "values", values, '{"seed": range(8)}')
        blocks = tuple(
            Block(names=(path,), rows=read_axis(where, f"values[{path!r}]", axis))
            for path, axis in values.items()
        )
        lengths = [len(block.rows) for block in blocks]
        check_count(where, lengths, allow_large=allow_large)
        for block in blocks:
            no_doubles(where, block)
        return cls(kind="grid", blocks=blocks)

    @classmethod
    def points(cls, rows: Sequence[Mapping[str, Any]]) -> Design:
        """The points that are listed, in their order.

        Parameters
        ----------
        rows : sequence of mapping
            One mapping from dotted path to value per point, all with the same paths.

        Returns
        -------
        Design

        Raises
        ------
        SpecError
            If there is no point, a point names other fields than the first, the same point comes twice, or
            a value cannot be compared by content.

        Examples
        --------
        >>> Design.points([{"dt": "0.1 ms", "seed": 1}, {"dt": "0.2 ms", "seed": 2}])[1].values
        {'dt': '0.2 ms', 'seed': 2}
        """
        where = "Design.points"
        if not isinstance(rows, (list, tuple)) or not rows:
            raise SpecError.of(
                where=where,
                name="rows",
                value=rows,
                bound="must be a list of at least one point",
                fix='write [{"seed": 1}, {"seed": 2}]',
            )
        check_count(where, [len(rows)], allow_large=False)
        for number, row in enumerate(rows):
            check_fields(where, f"rows[{number}]", row, '{"seed": 1}')
            if set(row) != set(rows[0]):
                raise SpecError.of(
                    where=where,
                    name=f"rows[{number}]",
                    value=sorted(map(str, row)),
                    bound=f"must name the fields of the first point, {sorted(map(str, rows[0]))}",
                )
        return cls(
            kind="points",
            blocks=(
                make_block(where, tuple(rows[0]), [tuple(row[name] for name in rows[0]) for row in rows]),
            ),
        )

    @classmethod
    def random(cls, ranges: Mapping[str, Any], n: int, *, seed: int) -> Design:
        """Points drawn independently of each other.

        Parameters
        ----------
        ranges : mapping of str to Distribution or sequence
            By dotted path, what a value is drawn from: ``arc.Uniform("5 ms", "50 ms")``,
            ``arc.LogUniform(1, 100)``, a normal, log-normal or exponential distribution, or a list, each
            entry of which is as likely as another.
        n : int
            Number of points.
        seed : int
            Seed of the draw; the same seed gives the same points.

        Returns
        -------
        Design

        Raises
        ------
        SpecError
            If a range is neither a distribution nor a list, or the same point was drawn twice.

        Examples
        --------
        >>> import arcuate as arc
        >>> ranges = {"populations.exc.neuron.tau_m": arc.Uniform("5 ms", "50 ms"), "seed": range(100)}
        >>> Design.random(ranges, 20, seed=1)
        <Design of 20 points, random: (populations.exc.neuron.tau_m, seed) 20>
        """
        return cls._drawn("random", ranges, n, seed=seed)

    @classmethod
    def sobol(cls, ranges: Mapping[str, Any], n: int, *, seed: int) -> Design:
        """Points of a scrambled Sobol' sequence, which cover the ranges more evenly than random ones.

        The first n points of a longer design with the same seed are the points of a shorter one, so a study
        can be refined; the cover is most even where n is a power of two.

        Parameters
        ----------
        ranges : mapping of str to Distribution or sequence
            As in `random`.
        n : int
            Number of points.
        seed : int
            Seed of the scrambling.

        Returns
        -------
        Design

        Raises
        ------
        SpecError
            As `random`.

        Examples
        --------
        >>> import arcuate as arc
        >>> design = Design.sobol({"populations.exc.bias": arc.Uniform("0.2 nA", "0.4 nA")}, 4, seed=1)
        >>> sorted(int(4 * (point.values["populations.exc.bias"] - 2e-10) / 2e-10) for point in design)
        [0, 1, 2, 3]
        """
        return cls._drawn("sobol", ranges, n, seed=seed)

    @classmethod
    def latin_hypercube(cls, ranges: Mapping[str, Any], n: int, *, seed: int) -> Design:
        """Points of which every one has its own n-th part of every range.

        Parameters
        ----------
        ranges : mapping of str to Distribution or sequence
            As in `random`.
        n : int
            Number of points.
        seed : int
            Seed of the draw.

        Returns
        -------
        Design

        Raises
        ------
        SpecError
            As `random`.

        Examples
        --------
        >>> import arcuate as arc
        >>> design = Design.latin_hypercube({"gain": arc.Uniform(0, 5)}, 5, seed=1)
        >>> sorted(int(point.values["gain"]) for point in design)
        [0, 1, 2, 3, 4]
        """
        return cls._drawn("latin_hypercube", ranges, n, seed=seed)

    @classmethod
    def _drawn(cls, kind: str, ranges: Mapping[str, Any], n: int, *, seed: int) -> Design:
        where = f"Design.{kind}"
        check_fields(where, "ranges", ranges, '{"dt": arc.Uniform("0.1 ms", "0.5 ms")}')
        count = check_int(n, where=where, name="n", low=1, high=LIMIT)
        if seed is None:
            raise SpecError.of(where=where, name="seed", value=seed, bound="must be an integer")
        generator = stream(check_seed(seed), f"design/{kind}")
        shares = draw_shares(kind, len(ranges), count, generator)
        columns = [
            values_at(where, f"ranges[{path!r}]", share, given=given)
            for (path, given), share in zip(ranges.items(), shares.T, strict=True)
        ]
        return cls(kind=kind, blocks=(make_block(where, tuple(ranges), list(zip(*columns, strict=True))),))

    def repeat(self, seeds: Sequence[int]) -> Design:
        """Cross with seeds, which vary fastest.

        Parameters
        ----------
        seeds : sequence of int
            Such as ``range(8)``.

        Returns
        -------
        Design
            Every point with every seed.

        Raises
        ------
        SpecError
            If the design has a seed already, or a seed is not valid or comes twice.

        Examples
        --------
        >>> [point.values["seed"] for point in Design.grid({"dt": ["0.1 ms"]}).repeat([3, 5])]
        [3, 5]
        """
        where = "Design.repeat"
        if SEED in self.names:
            raise SpecError.of(
                where=where, name="seeds", value=seeds, bound="the design varies the seed already"
            )
        block = Block(names=(SEED,), rows=read_axis(where, "seeds", seeds))
        no_doubles(where, block)
        check_count(where, [len(self), len(block.rows)], allow_large=len(self) > LIMIT)
        kept = self.kept
        if kept is not None:
            kept = np.add.outer(kept * len(block.rows), np.arange(len(block.rows))).ravel()
        return Design(kind=self.kind, blocks=(*self.blocks, block), kept=kept)

    def where(self, constraint: str | Callable[[Mapping[str, Any]], bool]) -> Design:
        """Keep the points that fulfil a constraint.

        Parameters
        ----------
        constraint : str or callable
            An expression such as ``"tau_m > 10*ms and n < 100"``, in which a field is named by the last
            words of its path, as many as make it unique, joined by ``_`` (``exc_n`` and ``inh_n``), and
            values are in SI; or a function from the mapping of values to True or False.

        Returns
        -------
        Design
            The points that are left, in their order.

        Raises
        ------
        ExpressionError
            If the expression is none, or names a field that is not there or not unique.
        SpecError
            If no point is left, or the function fails.

        Examples
        --------
        >>> design = Design.grid({"populations.exc.n": [10, 20, 30], "populations.inh.n": [10, 20, 30]})
        >>> len(design.where("inh_n < exc_n")), len(design.where(lambda values: sum(values.values()) == 40))
        (3, 3)
        """
        where = "Design.where"
        if len(self) > LIMIT:
            raise SpecError.of(
                where=where, name="points", value=len(self), bound=f"must be <= {LIMIT} to be sifted"
            )
        if isinstance(constraint, str):
            fulfils = Constraint(self, constraint)
            chunks = (
                np.arange(first, min(first + _CHUNK, len(self))) for first in range(0, len(self), _CHUNK)
            )
            places = np.concatenate([chunk[fulfils(chunk)] for chunk in chunks])
        elif callable(constraint):
            places = np.array([point.index for point in self if holds(constraint, point)], np.int64)
        else:
            raise SpecError.of(
                where=where,
                name="constraint",
                value=constraint,
                bound="must be an expression or a function of the values",
                fix='write for example where("tau_m > 10*ms")',
            )
        if not places.size:
            raise SpecError.of(
                where=where,
                name="constraint",
                value=constraint,
                bound=f"none of the {len(self)} points fulfils it",
            )
        return Design(
            kind=self.kind, blocks=self.blocks, kept=places if self.kept is None else self.kept[places]
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The varied fields, in order."""
        return tuple(name for block in self.blocks for name in block.names)

    @property
    def axes(self) -> Mapping[str, Sequence[Any]] | None:
        """Values by field if every field varies by itself, as in a grid; else None."""
        if any(len(block.names) > 1 for block in self.blocks):
            return None
        return {block.names[0]: block.rows for block in self.blocks}

    def __len__(self) -> int:
        if self.kept is not None:
            return int(self.kept.size)
        return math.prod(len(block.rows) for block in self.blocks)

    def __getitem__(self, index: int) -> Point:
        place = check_int(index, where="Design", name="index", low=0, high=len(self) - 1)
        rest = place if self.kept is None else int(self.kept[place])
        rows = []
        for block in reversed(self.blocks):
            rest, position = divmod(rest, len(block.rows))
            rows.append(block.row(position))
        values = (value for row in reversed(rows) for value in row)
        return Point(index=place, values=dict(zip(self.names, values, strict=True)))

    def __iter__(self) -> Iterator[Point]:
        for index in range(len(self)):
            yield self[index]

    def positions(self, places: np.ndarray) -> tuple[np.ndarray, ...]:
        """Row of every block at some points.

        Parameters
        ----------
        places : array of int, (n,)
            Indices of points.

        Returns
        -------
        tuple of array of int, (n,)
            One per block.

        Examples
        --------
        >>> [rows.tolist() for rows in Design.grid({"n": [1, 2], "seed": range(3)}).positions(np.array([4]))]
        [[1], [1]]
        """
        rest = places if self.kept is None else self.kept[places]
        found = []
        for block in reversed(self.blocks):
            rest, position = np.divmod(rest, len(block.rows))
            found.append(position)
        return tuple(reversed(found))

    def describe(self) -> dict[str, Any]:
        """Return the design as numbers, texts, lists and tables; `from_description` reads it back.

        Returns
        -------
        dict

        Examples
        --------
        >>> Design.grid({"seed": range(3)}).describe()["blocks"]
        [{'names': ['seed'], 'range': [0, 3, 1]}]
        """
        blocks: list[dict[str, Any]] = []
        for block in self.blocks:
            if isinstance(block.rows, range):
                rows: Any = {"range": [block.rows.start, block.rows.stop, block.rows.step]}
            else:
                rows = {"rows": [plain_value(row) for row in block.rows]}
            blocks.append({"names": list(block.names), **rows})
        kept = {} if self.kept is None else {"kept": self.kept.tolist()}
        return {"kind": self.kind, "blocks": blocks, **kept}

    @classmethod
    def from_description(cls, table: Mapping[str, Any]) -> Design:
        """Read what `describe` gave.

        Parameters
        ----------
        table : mapping
            The description.

        Returns
        -------
        Design
            With the same points in the same order.

        Raises
        ------
        SpecError
            If it is no description of a design.

        Examples
        --------
        >>> Design.from_description(Design.grid({"seed": range(3)}).describe())[2].values
        {'seed': 2}
        """
        where = "Design.from_description"
        try:
            blocks = []
            for entry in table["blocks"]:
                if "range" in entry:
                    rows: Any = range(*entry["range"])
                else:
                    rows = revived(list(entry["rows"]))
                blocks.append(Block(names=tuple(map(str, entry["names"])), rows=rows))
            kept = np.array(table["kept"], np.int64) if "kept" in table else None
            design = cls(kind=str(table["kind"]), blocks=tuple(blocks), kept=kept)
            design[len(design) - 1]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise SpecError.of(
                where=where, name="table", value=table, bound="is no description of a design"
            ) from error
        return design

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(_preview(block.column(name)))}</td></tr>"
            for block in self.blocks
            for name in block.names
        ]
        return f"<table><caption>{html.escape(self._title())}</caption><tbody>{''.join(rows)}</tbody></table>"

    def _title(self) -> str:
        return f"Design of {len(self)} points, {self.kind}{'' if self.kept is None else ' (sifted)'}"

    def varied(self) -> str:
        """Say what is varied, and over how many values.

        Returns
        -------
        str

        Examples
        --------
        >>> Design.grid({"n": [10, 20], "seed": range(8)}).varied()
        'n 2, seed 8'
        """
        parts = [
            (block.names[0] if len(block.names) == 1 else f"({', '.join(block.names)})")
            + f" {len(block.rows)}"
            for block in self.blocks
        ]
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"<{self._title()}: {self.varied()}>"


def _preview(values: Sequence[Any]) -> str:
    """The first values of a field, and the last."""
    shown = [str(value) for value in values[:4]]
    if len(values) > 5:
        shown += ["...", f"{values[-1]} ({len(values)} values)"]
    else:
        shown += [str(value) for value in values[4:]]
    return ", ".join(shown)
