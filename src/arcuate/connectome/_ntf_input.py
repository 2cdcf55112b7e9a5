"""What a factorization takes: tensors checked, named and made ready for the solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Self

import numpy as np
import xarray as xr

from arcuate.connectome._ntf_dense import Dense
from arcuate.errors import SpecError, check_int
from arcuate.tasks.forms import check_bytes

__all__ = ["Tensor", "as_init", "as_tensor", "check_rank"]


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor as the solver sees it, with the names and coordinates of its modes."""

    shape: tuple[int, ...]
    dims: tuple[str, ...]
    operator: Any = None
    coords: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def named(cls, shape: tuple[int, ...]) -> Self:
        """Modes without names."""
        return cls(shape=shape, dims=tuple(f"mode_{k}" for k in range(len(shape))))

    def result(self, weights: np.ndarray, factors: list[np.ndarray], *, error: float) -> xr.Dataset:
        """Label weights and factors."""
        variables: dict[str, Any] = {"weight": ("component", weights)}
        for dim, factor in zip(self.dims, factors, strict=True):
            variables[f"factor_{dim}"] = ((dim, "component"), factor)
        attrs = {"error": error, "rank": len(weights), "dims": ",".join(self.dims)}
        return xr.Dataset(variables, coords=dict(self.coords), attrs=attrs)


def as_tensor(data: Any, mask: Any, *, where: str, dtype: np.dtype) -> Tensor:
    """Check a tensor and its mask, before anything is allocated."""
    array = _numbers(data, where)
    seen = _mask(mask, array.shape, where)
    check_bytes(
        array.size * dtype.itemsize * (1 if seen is None else 2), where=where, fix="use fewer entries"
    )
    _values(array, seen, where)
    if isinstance(data, xr.DataArray):
        dims = tuple(map(str, data.dims))
        coords = {str(k): v.variable for k, v in data.coords.items() if v.ndim == 1}
    else:
        dims, coords = Tensor.named(array.shape).dims, {}
    operator = Dense(array, dtype, seen)
    return Tensor(shape=array.shape, dims=dims, operator=operator, coords=coords)


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
        data = np.from_dlpack(data.detach() if hasattr(data, "detach") else data)
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


def _values(array: np.ndarray, seen: np.ndarray | None, where: str) -> None:
    """Refuse what is not finite, negative, or zero throughout."""
    observed = array if seen is None else array[seen]
    low, high = observed.min(), observed.max()
    if not np.isfinite(low) or not np.isfinite(high):
        bad = ~np.isfinite(array) if seen is None else ~np.isfinite(array) & seen
        bound = f"must be finite; {int(bad.sum())} entries are not, the first at {_first(bad)}"
        raise SpecError.of(where=where, name="X", bound=bound, fix="leave them out: mask=np.isfinite(X)")
    if low < 0:
        bad = array < 0 if seen is None else (array < 0) & seen
        bound = f"must be >= 0; {int(bad.sum())} entries are not, the first at {_first(bad)}"
        raise SpecError.of(
            where=where, name="X", bound=bound, fix="take an affinity, or mask=X >= 0 to leave them out"
        )
    if high == 0:
        raise SpecError.of(where=where, name="X", bound="is zero throughout: there is nothing to factorize")


def _first(bad: np.ndarray) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(np.argmax(bad), bad.shape))
