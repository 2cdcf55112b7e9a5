"""Symmetric tensors of pairs of neurons over time, packed or as products that are never multiplied out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from arcuate._inputs import check_bytes
from arcuate._jit import compiled
from arcuate.connectome._ntf import _kernels as kernels
from arcuate.errors import SpecError, check_array, check_choice

__all__ = ["PackedTensor", "ProductTensor"]


@dataclass(frozen=True, eq=False)
class PackedTensor:
    """A symmetric tensor (n, n, T) as its upper triangle, half the memory and half the work.

    Parameters
    ----------
    values : ndarray, (n (n + 1) / 2, T), float32 or float64
        Pairs i <= j, row by row, with the diagonal; finite and >= 0. It is not copied.
    labels : sequence of str, optional
        Names of the neurons.
    times : ndarray, (T,), optional
        In s.
    diagonal : bool
        Whether a neuron's affinity with itself counts; if not, a factorization fills it in by the model.

    Raises
    ------
    SpecError
        If shape, type or values are not as said.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import PackedTensor
    >>> dense = np.array([[1.0, 2.0], [2.0, 3.0]])[:, :, None]
    >>> PackedTensor.from_dense(dense).values.ravel().tolist()
    [1.0, 2.0, 3.0]
    """

    values: np.ndarray
    _: KW_ONLY
    labels: Sequence[str] | None = None
    times: np.ndarray | None = None
    diagonal: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _floats(self.values, "PackedTensor", "values", ndim=2))
        rows, n = len(self.values), self.shape[0]
        if n * (n + 1) // 2 != rows:
            bound = f"must have n (n + 1) / 2 rows, not {rows}"
            raise SpecError.of(where="PackedTensor", name="values", bound=bound)
        _check(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Dimensions, (n, n, T)."""
        n = int(((1 + 8 * len(self.values)) ** 0.5 - 1) / 2)
        return n, n, self.values.shape[1]

    @classmethod
    def from_dense(cls, dense: Any, *, dtype: str = "float64", diagonal: bool = True) -> Self:
        """Pack a symmetric array.

        Parameters
        ----------
        dense : ndarray, (n, n, T)
            ``dense[i, j]`` equal to ``dense[j, i]`` but for rounding, finite and >= 0.
        dtype : {"float64", "float32"}
            Of the packed values.
        diagonal : bool
            As above.

        Returns
        -------
        PackedTensor

        Raises
        ------
        SpecError
            If it is not symmetric, finite and >= 0.
        UnknownNameError
            If there is no such dtype.
        """
        array = np.asarray(dense)
        if array.ndim != 3 or array.shape[0] != array.shape[1] or array.dtype.kind not in "fiu":
            bound = f"must be real numbers of shape (n, n, T), not {array.dtype} of {array.shape}"
            raise SpecError.of(where="PackedTensor.from_dense", name="dense", bound=bound)
        check_choice(dtype, ("float64", "float32"), where="PackedTensor.from_dense", name="dtype")
        n, _, n_times = array.shape
        need = n * (n + 1) // 2 * n_times * np.dtype(dtype).itemsize
        check_bytes(need, where="PackedTensor.from_dense", fix="use dtype='float32' or fewer times")
        values = np.empty((n * (n + 1) // 2, n_times), dtype)
        facts = np.zeros(4)
        compiled(kernels.pack, reassociate=True)(as_float(array), values, facts)
        if facts[0] or facts[3]:
            bound = "must be finite, >= 0 and symmetric: dense[i, j] equal to dense[j, i]"
            raise SpecError.of(where="PackedTensor.from_dense", name="dense", bound=bound)
        return cls(values, diagonal=diagonal)

    def to_dense(self) -> np.ndarray:
        """Give the whole tensor.

        Returns
        -------
        ndarray, (n, n, T)
        """
        n, _, n_times = self.shape
        check_bytes(n * n * n_times * self.values.itemsize, where="PackedTensor.to_dense", fix="select times")
        dense = np.empty((n, n, n_times), self.values.dtype)
        first, second = np.triu_indices(n)
        dense[first, second] = dense[second, first] = self.values
        return dense


@dataclass(frozen=True, eq=False)
class ProductTensor:
    """A symmetric tensor that is a sum of products, X[i, j, t] = sum_k parts[k, i, t] parts[k, j, t].

    It is never multiplied out: 10 000 neurons over 1000 times take 80 MB in place of 400 GB.

    Parameters
    ----------
    parts : ndarray, (K, n, T), float32 or float64
        Finite and >= 0. It is not copied.
    labels : sequence of str, optional
        Names of the neurons.
    times : ndarray, (T,), optional
        In s.
    diagonal : bool
        Whether a neuron's affinity with itself counts; if not, a factorization fills it in by the model.

    Raises
    ------
    SpecError
        If shape, type or values are not as said.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import ProductTensor
    >>> ProductTensor(np.array([[[1.0], [2.0]]])).to_dense()[:, :, 0].tolist()
    [[1.0, 2.0], [2.0, 4.0]]
    """

    parts: np.ndarray
    _: KW_ONLY
    labels: Sequence[str] | None = None
    times: np.ndarray | None = None
    diagonal: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _floats(self.parts, "ProductTensor", "parts", ndim=3))
        _check(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Dimensions, (n, n, T)."""
        _, n, n_times = self.parts.shape
        return n, n, n_times

    def to_dense(self) -> np.ndarray:
        """Multiply it out.

        Returns
        -------
        ndarray, (n, n, T)
        """
        n, _, n_times = self.shape
        fix = "keep it as a product: NTF takes it as it is"
        check_bytes(n * n * n_times * self.parts.itemsize, where="ProductTensor.to_dense", fix=fix)
        return np.einsum("kit,kjt->ijt", self.parts, self.parts)


def _check(tensor: PackedTensor | ProductTensor) -> None:
    """Refuse names, times or a diagonal that do not go with the values."""
    where, (n, _, n_times), diagonal = type(tensor).__name__, tensor.shape, vars(tensor)["diagonal"]
    if not isinstance(diagonal, bool):
        bound = "must be True or False"
        raise SpecError.of(where=where, name="diagonal", value=diagonal, bound=bound)
    if n < 2:
        raise SpecError.of(where=where, bound="must have two neurons or more")
    if tensor.labels is not None:
        labels = tuple(map(str, tensor.labels))
        if len(set(labels)) != n or len(labels) != n:
            bound = f"must be {n} different names"
            raise SpecError.of(where=where, name="labels", value=labels, bound=bound)
        object.__setattr__(tensor, "labels", labels)
    if tensor.times is not None:
        times = check_array(tensor.times, where=where, name="times", shape=(n_times,))
        object.__setattr__(tensor, "times", times)


def as_float(array: np.ndarray) -> np.ndarray:
    """Contiguous floats, without a copy where they are."""
    return np.ascontiguousarray(array, array.dtype if array.dtype in (np.float32, np.float64) else np.float64)


def _floats(values: Any, where: str, name: str, *, ndim: int) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.ndim != ndim or not array.size:
        bound = f"must be an array of real numbers with {ndim} axes, not {array.dtype} of shape {array.shape}"
        raise SpecError.of(where=where, name=name, bound=bound)
    array = as_float(array)
    facts = np.zeros(3)
    compiled(kernels.survey, reassociate=True)(array.reshape(-1), facts)
    if facts[0]:
        bound = f"must be finite and >= 0; {int(facts[0])} entries are not"
        raise SpecError.of(where=where, name=name, bound=bound)
    return array
