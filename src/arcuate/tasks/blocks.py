"""Blocks of a task: which cues are shown, when the outcome comes, and how likely each outcome is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from arcuate.errors import TaskError, check_int, check_real, unknown
from arcuate.units import format_si, to_si

MAX_TRIALS = 10_000_000
T = TypeVar("T")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Seconds(float):
    """A time that went through the unit check, so that `dataclasses.replace` can pass it again."""

    __slots__ = ()


def seconds(value: object, *, where: str, name: str, low: float = 0.0, low_open: bool = False) -> float:
    """Return a time, s, that is at least `low`; a time that was checked before passes again."""
    si = value if isinstance(value, Seconds) else to_si(value, "s", where=where, name=name)
    if si < low or (low_open and si == low):
        sign = ">" if low_open else ">="
        raise TaskError.of(where=where, name=name, value=value, bound=f"must be {sign} {low * 1e3:g} ms")
    return Seconds(si)


def time_text(seconds: float | str) -> str:
    """Write a time so that reading it again gives the same float."""
    return format_si(float(seconds), "s")


def _label(value: object, *, where: str, name: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 100 or not value.isprintable():
        raise TaskError.of(
            where=where, name=name, value=value, bound="must be a name of 1 to 100 printable characters"
        )
    return value


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One cue of a trial.

    Parameters
    ----------
    name : str
        Identity; each identity gets a channel of its own.
    onset : str or quantity
        Time from the start of the trial, s.

    Examples
    --------
    >>> Cue(name="tone", onset="200 ms").onset
    0.2
    """

    name: str = "cue"
    onset: float | str = "0 ms"

    def __post_init__(self) -> None:
        where = "Cue"
        object.__setattr__(self, "name", _label(self.name, where=where, name="name"))
        object.__setattr__(self, "onset", seconds(self.onset, where=where, name="onset"))


CueLike = Cue | str | Sequence[Any] | Mapping[str, Any]
Probabilities = Mapping[str, float] | Sequence[Any]


def _cues(value: object, where: str) -> tuple[Cue, ...]:
    if isinstance(value, (str, Cue, Mapping)):
        value = (value,)
    if not isinstance(value, Iterable):
        raise TaskError.of(where=where, name="cues", value=value, bound="must be a sequence of cues")
    cues = []
    for item in value:
        if isinstance(item, Cue):
            cues.append(item)
        elif isinstance(item, str):
            cues.append(Cue(name=item))
        elif isinstance(item, Mapping):
            known_keys(item, ("name", "onset"), where=f"{where} cues")
            cues.append(Cue(**item))
        elif isinstance(item, Sequence) and len(item) == 2:
            cues.append(Cue(name=item[0], onset=item[1]))
        else:
            raise TaskError.of(
                where=where,
                name="cues",
                value=item,
                bound="must be a cue, a name, or a pair (name, onset)",
                fix='use cues=[("A", "0 ms"), ("B", "200 ms")]',
            )
    if not cues:
        raise TaskError.of(where=where, name="cues", value=value, bound="must hold at least one cue")
    return tuple(sorted(cues, key=lambda cue: float(cue.onset)))


def _probabilities(value: object, where: str) -> tuple[tuple[str, float], ...]:
    """Return ((outcome, probability), ...) after checking the range, the names and the sum."""
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str):
        items = list(value)
        named = bool(items) and all(isinstance(i, (tuple, list)) and len(i) == 2 for i in items)
        if not named and len(items) > len(_LETTERS):
            raise TaskError.of(
                where=where,
                name="probabilities",
                value=f"{len(items)} values",
                bound=f"a plain list names at most {len(_LETTERS)} outcomes",
                fix='use a table {"name": probability, ...}',
            )
        pairs = [tuple(i) for i in items] if named else list(zip(_LETTERS, items, strict=False))
    else:
        raise TaskError.of(
            where=where,
            name="probabilities",
            value=value,
            bound="must be a list of numbers or a table {outcome: probability}",
            fix='use probabilities={"A": 0.8, "B": 0.2}',
        )
    checked = []
    for outcome, p in pairs:
        label = _label(outcome, where=where, name="probabilities")
        checked.append(
            (label, check_real(p, where=where, name=f"probabilities[{label!r}]", low=0.0, high=1.0))
        )
    names = [label for label, _ in checked]
    if len(set(names)) != len(names):
        raise TaskError.of(
            where=where, name="probabilities", value=names, bound="must name each outcome once"
        )
    total = sum(p for _, p in checked)
    if abs(total - 1.0) > 1e-9:
        raise TaskError.of(
            where=where,
            name="probabilities",
            value=value,
            bound=f"must sum to 1, they sum to {total:.6g}",
            fix="use omission= for trials without an outcome",
        )
    return tuple(checked)


def known_keys(table: Mapping[str, Any], allowed: Sequence[str], *, where: str) -> None:
    """Refuse a key that is not a field, naming the nearest field."""
    for key in table:
        if key not in allowed:
            raise unknown(where, key, list(allowed), kind="field")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One kind of trial: which cues are shown, when the outcome comes, and how likely each outcome is.

    Parameters
    ----------
    latency : str or quantity
        Time from the start of the trial to the outcome, s.
    probabilities : mapping or sequence
        Probability of each outcome; a plain list names them A, B, C, ... They sum to 1.
    cues : sequence
        Cues with their onsets; one cue at 0 by default.
    weight : float
        Relative frequency of this condition within its block.
    name : str
        Label; by default the cues in order, joined by ">".

    Examples
    --------
    >>> ab = Condition(latency="600 ms", probabilities=[0.8, 0.2], cues=[("A", "0 ms"), ("B", "200 ms")])
    >>> ab.name, ab.outcomes
    ('A>B', ('A', 'B'))
    """

    latency: float | str
    probabilities: Probabilities
    cues: Sequence[CueLike] | CueLike = "cue"
    weight: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        where = f"Condition {self.name!r}" if self.name else "Condition"
        cues = _cues(self.cues, where)
        latency = seconds(self.latency, where=where, name="latency", low_open=True)
        weight = check_real(self.weight, where=where, name="weight", low=0.0, low_open=True)
        name = _label(self.name or ">".join(cue.name for cue in cues), where=where, name="name")
        for field, value in (
            ("cues", cues),
            ("latency", latency),
            ("weight", weight),
            ("name", name),
            ("probabilities", _probabilities(self.probabilities, where)),
        ):
            object.__setattr__(self, field, value)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of the outcomes, in order."""
        return tuple(name for name, _ in self.pairs)

    @property
    def cue_list(self) -> tuple[Cue, ...]:
        """The cues by onset."""
        return cast(tuple[Cue, ...], self.cues)

    @property
    def pairs(self) -> tuple[tuple[str, float], ...]:
        """Outcomes with their probabilities."""
        return cast(tuple[tuple[str, float], ...], self.probabilities)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and text, as they stand in a TOML file.

        Returns
        -------
        dict
            Reading it again gives an equal condition.
        """
        return {
            "name": self.name,
            "latency": time_text(self.latency),
            "probabilities": dict(self.pairs),
            "cues": [[cue.name, time_text(cue.onset)] for cue in self.cue_list],
            "weight": self.weight,
        }


@dataclass(frozen=True, kw_only=True)
class Block:
    """A run of trials with fixed contingencies.

    Give either `latency` and `probabilities` (and `cues`), or `conditions` that are mixed at random.

    Parameters
    ----------
    n_trials : int
        Number of trials, at least 1.
    latency, probabilities, cues
        As in `Condition`, for a block of one condition.
    conditions : sequence of Condition
        Kinds of trial, drawn by their `weight`.
    omission : float, optional
        Probability that the outcome is withheld; the task's value by default.
    name : str
        Label used in tables; by default the number of the block.

    Examples
    --------
    >>> Block(n_trials=150, latency="400 ms", probabilities=[0.8, 0.2]).kinds[0].latency
    0.4
    """

    n_trials: int
    latency: float | str | None = None
    probabilities: Probabilities | None = None
    cues: Sequence[CueLike] | CueLike | None = None
    conditions: Sequence[Condition | Mapping[str, Any]] = ()
    omission: float | None = None
    name: str = ""

    def __post_init__(self) -> None:
        where = f"Block {self.name!r}" if self.name else "Block"
        check_int(self.n_trials, where=where, name="n_trials", low=1)
        if self.n_trials > MAX_TRIALS:
            raise TaskError.of(
                where=where, name="n_trials", value=self.n_trials, bound=f"must be <= {MAX_TRIALS}"
            )
        if self.omission is not None:
            object.__setattr__(
                self, "omission", check_real(self.omission, where=where, name="omission", low=0.0, high=1.0)
            )
        if self.name:
            _label(self.name, where=where, name="name")
        if isinstance(self.conditions, (str, Mapping)) or not isinstance(self.conditions, Sequence):
            raise TaskError.of(
                where=where, name="conditions", value=self.conditions, bound="must be a list of conditions"
            )
        object.__setattr__(self, "conditions", tuple(as_condition(c, where) for c in self.conditions))
        own = {"latency": self.latency, "probabilities": self.probabilities, "cues": self.cues}
        given = [name for name, value in own.items() if value is not None]
        if self.conditions and given:
            raise TaskError.of(
                where=where, name=given[0], value=own[given[0]], bound="must not be given beside conditions"
            )
        if not self.conditions:
            self._keep_own(where, own)

    def _keep_own(self, where: str, own: Mapping[str, Any]) -> None:
        for name in ("latency", "probabilities"):
            if own[name] is None:
                raise TaskError.of(
                    where=where, name=name, value=None, bound="must be given, or else conditions"
                )
        cues = "cue" if own["cues"] is None else own["cues"]
        object.__setattr__(self, "cues", _cues(cues, where))
        latency = seconds(own["latency"], where=where, name="latency", low_open=True)
        object.__setattr__(self, "latency", latency)
        object.__setattr__(self, "probabilities", _probabilities(own["probabilities"], where))

    @property
    def kinds(self) -> tuple[Condition, ...]:
        """The conditions of the block, also when it was given as a single one."""
        if self.conditions:
            return cast(tuple[Condition, ...], self.conditions)
        assert self.latency is not None and self.probabilities is not None and self.cues is not None
        return (Condition(latency=self.latency, probabilities=self.probabilities, cues=self.cues),)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and text, as they stand in a TOML file.

        Returns
        -------
        dict
            Reading it again gives an equal block.
        """
        table: dict[str, Any] = {"n_trials": self.n_trials}
        if self.name:
            table["name"] = self.name
        if self.omission is not None:
            table["omission"] = self.omission
        if self.conditions:
            return table | {"conditions": [kind.to_dict() for kind in self.kinds]}
        own = self.kinds[0].to_dict()
        return table | {name: own[name] for name in ("latency", "probabilities", "cues")}


def field_names(cls: type[Any]) -> list[str]:
    """Return the names of the fields of a dataclass."""
    return [field.name for field in dataclasses.fields(cls)]


def as_condition(value: object, where: str) -> Condition:
    """Return a condition as it is, or build it from a table."""
    if isinstance(value, Condition):
        return value
    if not isinstance(value, Mapping):
        raise TaskError.of(where=where, name="conditions", value=value, bound="must hold Condition objects")
    known_keys(value, field_names(Condition), where=f"{where} conditions")
    return from_table(Condition, value, where=f"{where} conditions")


def as_block(value: object, where: str) -> Block:
    """Return a block as it is, or build it from a table."""
    if isinstance(value, Block):
        return value
    if not isinstance(value, Mapping):
        raise TaskError.of(where=where, name="blocks", value=value, bound="must hold Block objects")
    known_keys(value, field_names(Block), where=f"{where} blocks")
    return from_table(Block, value, where=f"{where} blocks")


def from_table(cls: type[T], table: Mapping[str, Any], *, where: str) -> T:
    """Build a dataclass from a table that has every required field."""
    for field in dataclasses.fields(cast(Any, cls)):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in table:
            raise TaskError.of(where=where, name=field.name, value=None, bound="must be given")
    return cls(**table)
