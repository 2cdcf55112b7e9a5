"""What a factorization takes: tensors checked, named and made ready for the solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Self

import numpy as np
import xarray as xr

from arcuate._inputs import check_bytes
from arcuate._jit import compiled
from arcuate.connectome._ntf import _kernels as kernels
from arcuate.connectome._ntf.compressed import compress
from arcuate.connectome._ntf.dense import Dense
from arcuate.connectome._ntf.solver import Fit, Operator, Rule, finish, solve, tie
from arcuate.connectome._ntf.symmetric import Packed, Product
from arcuate.connectome.operators import PackedTensor, ProductTensor, as_float
from arcuate.errors import SpecError, check_int

__all__ = ["Tensor", "as_init", "as_tensor", "check_rank"]

SYMMETRIC = ("neuron", "neuron", "time")
"""Modes of a symmetric tensor."""

CANCELS = {"float32": 1e-2, "float64": 1e-6}
"""Relative errors below which the error is computed from the residual itself."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor as the solver sees it, with the names and coordinates of its modes."""

    shape: tuple[int, ...]
    dims: tuple[str, ...]
    operator: Operator | None = None
    quick: Operator | None = None
    coords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tied(self) -> bool:
        """Whether the first two modes are the same neurons, and have one factor."""
        return isinstance(self.operator, (Packed, Product))

    def solve(self, start: Sequence[np.ndarray], rule: Rule) -> Fit:
        """Run one start; a symmetric tensor's two factors of neurons end as one."""
        assert self.operator is not None
        if self.quick is None:
            fit = solve(self.operator, start, rule)
        else:
            fit = finish(self.quick, self.operator, start, rule)
        if self.tied and not rule.fixed:
            fit = tie(self.operator, fit, rule)
        return fit if rule.penalty else self._seen_closely(fit)

    def _seen_closely(self, fit: Fit) -> Fit:
        """Where the data are met so well that sums of products cancel, look at the entries themselves."""
        assert self.operator is not None
        if fit.error > CANCELS[self.operator.dtype.name]:
            return fit
        square = self.operator.residual2(fit.factors)
        return fit if square is None else replace(fit, error=(square / self.operator.norm2) ** 0.5)

    def quickened(self, rank: int, seed: int) -> Self:
        """The same with a compressed form beside it, where that is worth while."""
        assert self.operator is not None
        return replace(self, quick=compress(self.operator, rank, seed))

    @classmethod
    def named(cls, shape: tuple[int, ...]) -> Self:
        """Modes without names."""
        return cls(shape=shape, dims=tuple(f"mode_{k}" for k in range(len(shape))))

    def result(self, weights: np.ndarray, factors: list[np.ndarray], *, error: float) -> xr.Dataset:
        """Label weights and factors."""
        variables: dict[str, Any] = {"weight": ("component", weights)}
        for dim, factor in zip(self.dims, factors, strict=True):
            variables[f"factor_{dim}"] = ((dim, "component"), factor)
        attrs: dict[str, Any] = {"error": error, "rank": len(weights), "dims": ",".join(self.dims)}
        return xr.Dataset(variables, coords=dict(self.coords), attrs=attrs)


def as_tensor(data: Any, mask: Any, *, where: str, dtype: np.dtype) -> Tensor:
    """Check a tensor and its mask, before anything is allocated."""
    if isinstance(data, (PackedTensor, ProductTensor)):
        return _symmetric(data, mask, where=where, dtype=dtype)
    array = _numbers(data, where)
    seen = _mask(mask, array.shape, where)
    need = array.size * dtype.itemsize * (1 if seen is None else 2)
    check_bytes(need, where=where, fix="use fewer entries, or dtype='float32'")
    names: dict[str, Any] = {}
    if isinstance(data, xr.DataArray):
        coords = {str(k): v.variable for k, v in data.coords.items() if v.ndim == 1}
        names = {"dims": tuple(map(str, data.dims)), "coords": coords}
    if seen is None and array.ndim == 3 and _mirrored(array):
        values = np.empty((array.shape[0] * (array.shape[0] + 1) // 2, array.shape[2]), dtype)
        facts = np.zeros(4)
        compiled(kernels.pack, reassociate=True)(as_float(array), values, facts)
        if not facts[3]:
            _values(array, None, where, refused=int(facts[0]), most=facts[1])
            names.setdefault("dims", SYMMETRIC)
            return Tensor(shape=array.shape, operator=Packed(values, norm2=float(facts[2])), **names)
    operator = Dense(array, dtype, seen)
    _values(array, seen, where, refused=operator.refused, most=operator.most)
    names.setdefault("dims", Tensor.named(array.shape).dims)
    return Tensor(shape=array.shape, operator=operator, **names)


def _mirrored(array: np.ndarray) -> bool:
    """Whether it looks like (n, n, T) with equal halves; a first time tells most others apart."""
    first = array[:, :, 0]
    return len(array) > 1 and first.shape[0] == first.shape[1] and np.allclose(first, first.T, equal_nan=True)


def _symmetric(data: PackedTensor | ProductTensor, mask: Any, *, where: str, dtype: np.dtype) -> Tensor:
    """What knows that it is symmetric."""
    if mask is not None:
        fix = "use diagonal=False for the diagonal, else fit an array (n, n, T) or pairs x time x animal"
        raise SpecError.of(where=where, name="mask", bound="does not go with a symmetric tensor", fix=fix)
    n = data.shape[0]
    coords: dict[str, Any] = {}
    if data.labels is not None:
        coords["neuron"] = list(data.labels)
    if data.times is not None:
        coords["time"] = data.times
    operator: Operator
    if isinstance(data, PackedTensor):
        values = data.values.astype(dtype, copy=not data.diagonal)
        own = np.cumsum(np.r_[0, np.arange(n, 1, -1)])
        if not data.diagonal:
            values[own] = 0
        facts = np.zeros(3)
        compiled(kernels.survey, reassociate=True)(values.reshape(-1), facts)
        norm2 = 2 * float(facts[2]) - float(np.vdot(values[own].astype(float), values[own]))
        operator = Packed(values, norm2=norm2, diagonal=data.diagonal)
    else:
        operator = Product(data.parts.astype(dtype, copy=False), diagonal=data.diagonal)
    if not operator.norm2 > 0:
        raise SpecError.of(where=where, name="X", bound="is zero throughout: there is nothing to factorize")
    return Tensor(shape=data.shape, dims=SYMMETRIC, operator=operator, coords=coords)


def check_rank(rank: object, shape: tuple[int, ...]) -> int:
    """Refuse a rank that no tensor of this shape has."""
    most = prod(shape) // max(shape)
    return check_int(rank, where="NTF", name="rank", high=most)


def as_init(factors: Any, rank: int, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Check factors to start from; each as (rank, dimension)."""
    model = factors
    factors = getattr(model, "factors_", getattr(model, "factors", model))
    wanted = [(n, rank) for n in shape]
    found = [np.shape(f) for f in factors] if isinstance(factors, Sequence) else []
    if found != wanted:
        bound = f"must be factors of shapes {wanted}, not {found}"
        raise SpecError.of(where="NTF.fit", name="init", bound=bound)
    arrays = [np.array(f, float).T for f in factors]
    if any(not np.isfinite(f).all() or (f < 0).any() for f in arrays):
        raise SpecError.of(where="NTF.fit", name="init", bound="must be finite and >= 0")
    weights = getattr(model, "weights_", getattr(model, "weights", None))
    if weights is not None:
        arrays[0] = arrays[0] * np.asarray(weights, float)[:, None]
    return arrays


def _numbers(data: Any, where: str) -> np.ndarray:
    """Any array of real numbers, without a copy where none is needed."""
    if not isinstance(data, (np.ndarray, xr.DataArray)) and hasattr(data, "__dlpack__"):
        try:
            data = np.from_dlpack(data.detach() if hasattr(data, "detach") else data)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            bound, fix = f"cannot be seen as an array: {error}", "move it to the memory of the CPU"
            raise SpecError.of(where=where, name="X", bound=bound, fix=fix) from error
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as error:
        raise SpecError.of(where=where, name="X", bound="must be an array of numbers") from error
    if array.dtype.kind not in "fiu":
        bound = f"must be an array of real numbers, not of {array.dtype}"
        raise SpecError.of(where=where, name="X", bound=bound)
    if array.ndim < 2 or not array.size:
        bound = f"must have two modes or more, none of them empty, not shape {array.shape}"
        raise SpecError.of(where=where, name="X", bound=bound)
    return array


def _mask(mask: Any, shape: tuple[int, ...], where: str) -> np.ndarray | None:
    if mask is None:
        return None
    seen = np.asarray(mask)
    if seen.dtype != bool:
        bound = f"must be an array of booleans, True where observed, not of {seen.dtype}"
        raise SpecError.of(where=where, name="mask", bound=bound, fix="use mask=np.isfinite(X)")
    if seen.shape != shape:
        bound = f"must have the shape {shape} of the data, not {seen.shape}"
        raise SpecError.of(where=where, name="mask", bound=bound)
    if not seen.any():
        raise SpecError.of(where=where, name="mask", bound="leaves out every entry")
    return None if seen.all() else seen


def _values(array: np.ndarray, seen: np.ndarray | None, where: str, *, refused: int, most: float) -> None:
    """Say what is wrong with entries that were refused: not finite, negative, or zero throughout."""
    if not refused:
        if most == 0:
            raise SpecError.of(
                where=where, name="X", bound="is zero throughout: there is nothing to factorize"
            )
        return
    for wrong, bound, fix in (
        (~(array < 1e38), "must be finite and below 1e38", "leave them out: mask=np.isfinite(X)"),
        (array < 0, "must be >= 0", "take an affinity, or mask=X >= 0 to leave them out"),
    ):
        bad = wrong if seen is None else wrong & seen
        if bad.any():
            bound += f"; {int(bad.sum())} entries are not, the first at {_first(bad)}"
            raise SpecError.of(where=where, name="X", bound=bound, fix=fix)


def _first(bad: np.ndarray) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(np.argmax(bad), bad.shape))
