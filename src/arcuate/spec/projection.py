"""How populations are connected: connectivity and projections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from arcuate.errors import SpecError, check_array, check_choice, check_int, check_real, unknown
from arcuate.mechanisms.expressions import check_name as check_variable
from arcuate.spec.checks import MAX_COUNT, check_flag, check_name, names_in
from arcuate.spec.distributions import Distribution, value_from
from arcuate.spec.part import Part, tagged
from arcuate.spec.plasticity import Plasticity
from arcuate.spec.synapse import Synapse, TsodyksMarkram
from arcuate.spec.values import FrozenDict, Values, check_bounds, quantity

__all__ = [
    "Dense",
    "Edges",
    "FixedInDegree",
    "LowRank",
    "Projection",
    "Sparse",
]

#: Longest delay, s. Delays are kept in a ring buffer of this many steps of every target.
MAX_DELAY = 60.0


@dataclass(frozen=True, eq=False)
class Connectivity(Part):
    """Base of the ways to choose which neurons are connected."""

    def _fit_sizes(self, n_pre: int, n_post: int, *, same: bool, where: str) -> None:
        """Refuse what does not fit the two populations."""


@dataclass(frozen=True, eq=False)
class Sparse(Connectivity):
    """Every ordered pair is connected with probability `p`, independently.

    Parameters
    ----------
    p : float
        Probability, 0 to 1.
    allow_self : bool
        Whether a neuron may connect to itself.

    Examples
    --------
    >>> Sparse(0.1).p
    0.1
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "sparse")

    p: float
    allow_self: bool = False

    def __post_init__(self) -> None:
        self._set(
            p=check_real(self.p, where="Sparse", name="p", low=0.0, high=1.0) + 0.0,
            allow_self=check_flag(self.allow_self, where="Sparse", name="allow_self"),
        )


@dataclass(frozen=True, eq=False)
class Dense(Connectivity):
    """Every ordered pair is connected.

    Parameters
    ----------
    allow_self : bool
        Whether a neuron connects to itself.

    Examples
    --------
    >>> Dense().allow_self
    False
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "dense")

    allow_self: bool = False

    def __post_init__(self) -> None:
        self._set(allow_self=check_flag(self.allow_self, where="Dense", name="allow_self"))


@dataclass(frozen=True, eq=False)
class FixedInDegree(Connectivity):
    """Every target gets `k` different sources.

    Parameters
    ----------
    k : int
        Sources per target.
    allow_self : bool
        Whether a neuron may connect to itself.

    Examples
    --------
    >>> FixedInDegree(10).k
    10
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "fixed_in_degree")

    k: int
    allow_self: bool = False

    def __post_init__(self) -> None:
        self._set(
            k=check_int(self.k, where="FixedInDegree", name="k", low=0),
            allow_self=check_flag(self.allow_self, where="FixedInDegree", name="allow_self"),
        )

    def _fit_sizes(self, n_pre: int, n_post: int, *, same: bool, where: str) -> None:
        available = n_pre - 1 if same and not self.allow_self else n_pre
        if self.k > available:
            raise SpecError.of(
                where=where,
                name="k",
                value=self.k,
                bound=f"must be <= {available}, the number of possible sources",
                fix="lower k, or use Dense()",
            )


@dataclass(frozen=True, eq=False)
class Edges(Connectivity):
    """Explicit synapses, one per pair of indices; a pair that occurs twice is two synapses.

    Parameters
    ----------
    pre, post : array_like of int
        Index of source and target of every synapse.
    allow_self : bool
        Whether a neuron may connect to itself.

    Examples
    --------
    >>> Edges([0, 1], [1, 0]).pre
    array([0, 1])
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "edges")

    pre: Any
    post: Any
    allow_self: bool = True

    def __post_init__(self) -> None:
        sides = {}
        for name in ("pre", "post"):
            array = check_array(getattr(self, name), where="Edges", name=name, shape=(None,), dtype=int)
            if array.size and array.min() < 0:
                index = int(np.flatnonzero(array < 0)[0])
                raise SpecError.of(
                    where="Edges",
                    name=name,
                    value=int(array[index]),
                    bound=f"must be >= 0; element {index} is not",
                    fix="indices count from 0 and never from the end",
                )
            sides[name] = array
        if len(sides["pre"]) != len(sides["post"]):
            raise SpecError.of(
                where="Edges",
                name="post",
                value=len(sides["post"]),
                bound=f"must have as many elements as pre ({len(sides['pre'])})",
            )
        if len(sides["pre"]) > MAX_COUNT:
            raise SpecError.of(
                where="Edges", name="pre", value=len(sides["pre"]), bound=f"must be at most {MAX_COUNT}"
            )
        self._set(**sides, allow_self=check_flag(self.allow_self, where="Edges", name="allow_self"))

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return len(self.pre)

    def _fit_sizes(self, n_pre: int, n_post: int, *, same: bool, where: str) -> None:
        for name, size in (("pre", n_pre), ("post", n_post)):
            array = getattr(self, name)
            if array.size and array.max() >= size:
                index = int(np.flatnonzero(array >= size)[0])
                raise SpecError.of(
                    where=where,
                    name=name,
                    value=int(array[index]),
                    bound=f"must be < {size}, the size of the population; element {index} is not",
                    fix="indices count from 0",
                )
        if same and not self.allow_self and np.any(self.pre == self.post):
            index = int(np.flatnonzero(self.pre == self.post)[0])
            raise SpecError.of(
                where=where,
                name="pre",
                value=int(self.pre[index]),
                bound=f"must differ from post when allow_self is False; element {index} does not",
                fix="drop that synapse, or use allow_self=True",
            )


@dataclass(frozen=True, eq=False)
class LowRank(Connectivity):
    """All pairs connected by a matrix of low rank that is never written out.

    The weight from source j to target i is the projection's weight times the sum over r of
    ``left[i, r]*right[j, r]``; a neuron connects to itself like to any other.

    Parameters
    ----------
    rank : int
        Rank.
    left : Distribution or array of shape (n_post, rank)
        Factor on the side of the targets.
    right : Distribution or array of shape (n_pre, rank)
        Factor on the side of the sources.

    Examples
    --------
    >>> from arcuate.spec import Normal
    >>> LowRank(1, Normal(0, 1), Normal(0, 1)).rank
    1
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "low_rank")

    rank: int
    left: Any
    right: Any

    def __post_init__(self) -> None:
        rank = check_int(self.rank, where="LowRank", name="rank", low=1)
        sides = {}
        for name in ("left", "right"):
            value = value_from(getattr(self, name), "1", where="LowRank", name=name)
            if not isinstance(value, (Distribution, Values)):
                raise SpecError.of(
                    where="LowRank", name=name, value=value, bound="must be a distribution or an array"
                )
            if isinstance(value, Values) and (len(value.shape) != 2 or value.shape[1] != rank):
                raise SpecError.of(
                    where="LowRank", name=name, value=value.shape, bound=f"must have shape (neurons, {rank})"
                )
            sides[name] = value
        self._set(rank=rank, **sides)

    def _fit_sizes(self, n_pre: int, n_post: int, *, same: bool, where: str) -> None:
        for name, size in (("left", n_post), ("right", n_pre)):
            value = getattr(self, name)
            if isinstance(value, Values) and value.shape[0] != size:
                raise SpecError.of(
                    where=where, name=name, value=value.shape, bound=f"must have shape ({size}, {self.rank})"
                )
        if self.rank > min(n_pre, n_post):
            raise SpecError.of(
                where=where,
                name="rank",
                value=self.rank,
                bound=f"must be <= {min(n_pre, n_post)}",
                fix="use Dense()",
            )


CONNECTIVITY: Mapping[str, type[Connectivity]] = {
    kind.tag[1]: kind for kind in (Sparse, Dense, FixedInDegree, Edges, LowRank)
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection(Part):
    """Synapses from one population to another.

    Parameters
    ----------
    pre, post : str
        Names of the populations.
    connectivity : Sparse, Dense, FixedInDegree, Edges or LowRank
        Who is connected to whom.
    weight : value
        A number, a distribution (one draw per synapse), an array (one element per edge, or of shape
        (n_pre, n_post) for `Dense`), or an expression of `constants`, `latents`, ``p``, ``k``, ``n_pre``
        and ``n_post``. Its unit follows from the synapse and the target: the input unit, for a
        double exponential times s, for a delta synapse that of ``v``.
    synapse : Synapse
        Model and time constants.
    delay : value
        One time, a distribution, or an array with one element per edge; rounded to steps, 0 allowed.
    name : str or None
        Defaults to ``"pre->post"``.
    constants : mapping
        Numbers that the weight may read.
    latents : mapping
        Distributions drawn per synapse that the weight may read.
    balance : str or None
        ``"row"`` subtracts from each target's weights their mean.
    plasticity : Plasticity or None
        Rule by which the weights change.
    short_term : TsodyksMarkram or None
        How the effect of a spike depends on those shortly before it.

    Raises
    ------
    SpecError
        If a value is out of bounds or reads an unknown name.

    Examples
    --------
    >>> Projection(pre="exc", post="inh", connectivity=Sparse(0.1), weight=0.5, delay="1.5 ms").delay
    1.5 ms
    """

    pre: str
    post: str
    connectivity: Any
    weight: Any
    synapse: Any = field(default_factory=Synapse)
    delay: Any = "0 ms"
    name: Any = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    latents: Mapping[str, Any] = field(default_factory=dict)
    balance: str | None = None
    plasticity: Any = None
    short_term: Any = None

    def __post_init__(self) -> None:
        for side in ("pre", "post"):
            check_name(getattr(self, side), where="Projection", name=side)
        name = f"{self.pre}->{self.post}" if self.name is None else self.name
        check_name(name, where="Projection", link=True)
        where = f"Projection {name!r}"
        connectivity = tagged(self.connectivity, CONNECTIVITY, Connectivity, where=where, name="connectivity")
        constants = self._table("constants", where)
        latents = self._table("latents", where)
        for key in set(constants) & set(latents):
            raise SpecError.of(
                where=where, name=f"latents.{key}", value=latents[key], bound="is also a constant"
            )
        weight = value_from(self.weight, None, where=where, name="weight")
        delay = value_from(self.delay, "s", where=where, name="delay")
        self._check_delay(delay, connectivity, where)
        if self.balance is not None:
            check_choice(self.balance, ("row",), where=where, name="balance")
        synapse = Synapse.from_tree(self.synapse, where=where)
        if self.plasticity is not None:
            self._set(plasticity=Plasticity.from_tree(self.plasticity, where=where))
        if self.short_term is not None:
            self._set(short_term=self._short_term(where))
        self._set(
            name=name,
            connectivity=connectivity,
            weight=weight,
            synapse=synapse,
            delay=delay,
            constants=constants,
            latents=latents,
        )
        if isinstance(connectivity, LowRank):
            self._check_low_rank(where)
        if isinstance(weight, str):
            for read in sorted(names_in(weight, where=where, name="weight")):
                if read not in self.weight_names:
                    raise unknown(f"{where}, weight = {weight!r}", read, self.weight_names, kind="name")
        self._check_arrays(where)

    @property
    def weight_names(self) -> Mapping[str, str]:
        """Names that the weight may read, with their units."""
        built_in = {"n_pre": "1", "n_post": "1"}
        if isinstance(self.connectivity, Sparse):
            built_in["p"] = "1"
        if isinstance(self.connectivity, FixedInDegree):
            built_in["k"] = "1"
        own = {**self.constants, **self.latents}
        return {**built_in, **{key: getattr(value, "unit", "1") for key, value in own.items()}}

    def _table(self, which: str, where: str) -> FrozenDict[str, Any]:
        given = getattr(self, which)
        if not isinstance(given, Mapping):
            raise SpecError.of(where=where, name=which, value=given, bound="must be a table of name to value")
        found = {}
        for key, value in given.items():
            check_variable(key, where=f"{where}, {which}", units=True)
            if key in ("p", "k", "n_pre", "n_post"):
                raise SpecError.of(
                    where=where, name=f"{which}.{key}", value=value, bound="has a meaning already"
                )
            if which == "constants":
                found[key] = quantity(value, None, where=where, name=f"constants.{key}")
                continue
            found[key] = value_from(value, None, where=where, name=f"latents.{key}")
            if not isinstance(found[key], Distribution):
                raise SpecError.of(
                    where=where, name=f"latents.{key}", value=value, bound="must be a distribution"
                )
        return FrozenDict(found)

    def _short_term(self, where: str) -> TsodyksMarkram:
        kinds = {TsodyksMarkram.tag[1]: TsodyksMarkram}
        if self.plasticity is not None:
            raise SpecError.of(
                where=where,
                name="short_term",
                value=self.short_term,
                bound="cannot be given together with plasticity",
                fix="use two projections: a plastic one, and one with short-term plasticity",
            )
        found: TsodyksMarkram = tagged(self.short_term, kinds, TsodyksMarkram, where=where, name="short_term")
        return found

    def _check_delay(self, delay: Any, connectivity: Connectivity, where: str) -> None:
        if isinstance(delay, str):
            raise SpecError.of(
                where=where,
                name="delay",
                value=delay,
                bound="must be a time, a distribution or an array",
                fix='use for example delay="1.5 ms"',
            )
        if isinstance(connectivity, LowRank) and not isinstance(delay, float):
            raise SpecError.of(where=where, name="delay", value=delay, bound="must be one time for LowRank")
        if isinstance(delay, Distribution):
            edges = np.asarray([edge for edge in delay.support if np.isfinite(edge)])
            if not edges.size:
                return
        else:
            edges = np.asarray(delay)
        try:
            check_bounds(edges, "s", where=where, name="delay", low=0.0, high=MAX_DELAY)
        except SpecError as error:
            raise SpecError.of(
                where=where,
                name="delay",
                value=delay,
                bound=f"must be >= 0 s and <= {MAX_DELAY:g} s",
                fix='use delay="0 ms" for none',
            ) from error

    def _check_low_rank(self, where: str) -> None:
        """Refuse what speaks of single synapses, which a low-rank projection does not have."""
        weight = self.weight if isinstance(self.weight, (Distribution, Values)) else None
        for name, value in (
            ("weight", weight),
            ("latents", self.latents or None),
            ("balance", self.balance),
            ("plasticity", self.plasticity),
        ):
            if value is not None:
                raise SpecError.of(
                    where=where,
                    name=name,
                    value=value,
                    bound="speaks of single synapses, which LowRank has none of",
                    fix="give one number as the weight, and put the randomness into left and right",
                )

    def _check_arrays(self, where: str) -> None:
        """Refuse arrays that cannot fit the connectivity, whatever the sizes of the populations."""
        for key in ("weight", "delay"):
            value = getattr(self, key)
            if not isinstance(value, Values):
                continue
            if isinstance(self.connectivity, Edges):
                wanted = (self.connectivity.n_synapses,)
                if value.shape != wanted:
                    raise SpecError.of(
                        where=where,
                        name=key,
                        value=value.shape,
                        bound=f"must have one element per edge, shape {wanted}",
                    )
            elif not (isinstance(self.connectivity, Dense) and len(value.shape) == 2):
                raise SpecError.of(
                    where=where,
                    name=key,
                    value=value.shape,
                    bound="must be a number, a distribution or an expression for this connectivity",
                    fix="use Edges(pre, post) with one element each, or Dense() with shape (n_pre, n_post)",
                )
