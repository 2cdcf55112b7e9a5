"""Non-negative tensor factorization: components of neurons or pairs, time and animals."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Self

import numpy as np
import xarray as xr

from arcuate._estimator import Parameters
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.connectome._ntf import files
from arcuate.connectome._ntf.input import Tensor, as_init, as_tensor, check_rank
from arcuate.connectome._ntf.passes import crew
from arcuate.connectome._ntf.solver import Fit, Rule
from arcuate.errors import FitError, SpecError, check_choice, check_int, check_real
from arcuate.rng import check_seed, stream

__all__ = ["NTF"]


class NTF(Parameters):
    """Non-negative canonical polyadic factorization, X ~ sum_r w_r a_r b_r c_r, of a tensor of any order.

    Hierarchical alternating least squares with extrapolation and restarts from many random starts; the best
    is kept. The error of what is kept never rises from one iteration to the next. Large tensors are seen
    through a basis of their longest side at first, and every start ends with exact iterations.

    Parameters
    ----------
    rank : int
        Components, from 1 to the product of all dimensions but the largest.
    n_starts : int
        Random starts; local minima are common, so take ten or more.
    max_iter : int
        Most iterations of a start.
    tol : float
        A start ends when ten iterations have lowered its error by less than this share of it.
    extrapolate : bool
        Step beyond each update along the last one, and compress large tensors at first; off for the plain
        updates.
    sparsity : float
        Weight of the sum of all factors' entries beside half the squared residual; drives small ones to 0.
    dtype : {"float32", "float64"}
        Precision of the products; errors are always summed in double precision.
    n_jobs : int
        Threads, over the starts, or where there is one, within it; the result does not depend on it.
    seed : int or None
        Of the random starts.
    progress : bool, callable or None
        A bar over the starts; None shows it on a terminal after two seconds.

    Attributes
    ----------
    factors_ : list of ndarray, (dimension, rank)
        One per mode, columns of length one.
    weights_ : ndarray, (rank,)
        Of the components, descending.
    error_ : float
        Norm of the residual over the norm of the data, of the observed entries where there is a mask.
    errors_ : ndarray, (iteration,)
        The error of the best start by exact iteration; with sparsity, its penalty included.
    starts_ : xarray.Dataset
        ``error``, ``n_iter`` and ``converged`` of every ``start``.
    start_factors_ : list of list of ndarray
        Factors of every start, as in ``factors_``.
    result_ : xarray.Dataset
        ``weight`` and ``factor_<dimension>`` over ``component``, with the coordinates of the data.

    References
    ----------
    A. Cichocki and A.-H. Phan, IEICE Trans. Fundam. E92-A (2009), doi:10.1587/transfun.E92.A.708;
    A. M. S. Ang, J. E. Cohen, N. Gillis and L. T. K. Hien, Numer. Linear Algebra Appl. 28 (2021),
    doi:10.1002/nla.2373 (extrapolation with restarts).

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import NTF
    >>> a, b, c = (np.random.default_rng(m).random((8, 2)) for m in range(3))
    >>> model = NTF(2, n_starts=3, seed=1).fit(np.einsum("ir,jr,kr->ijk", a, b, c))
    >>> model.error_ < 0.01, model.factors_[0].shape
    (True, (8, 2))
    """

    factors_: list[np.ndarray]
    weights_: np.ndarray
    error_: float
    errors_: np.ndarray
    starts_: xr.Dataset
    start_factors_: list[list[np.ndarray]]
    result_: xr.Dataset

    def __init__(
        self,
        rank: int,
        *,
        n_starts: int = 10,
        max_iter: int = 1000,
        tol: float = 1e-5,
        extrapolate: bool = True,
        sparsity: float = 0.0,
        dtype: str = "float32",
        n_jobs: int = 1,
        seed: int | None = 0,
        progress: ProgressOption = None,
    ) -> None:
        self.rank = rank
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.extrapolate = extrapolate
        self.sparsity = sparsity
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.seed = seed
        self.progress = progress

    def fit(self, X: Any, y: object = None, *, mask: Any = None, init: Any = None) -> Self:
        """Factorize a tensor.

        Parameters
        ----------
        X : ndarray, xarray.DataArray, PackedTensor or ProductTensor
            Finite numbers >= 0, two modes or more; entries that the mask leaves out may be anything. An array
            (n, n, T) that equals its mirror image is packed.
        y : None
            Ignored.
        mask : ndarray or xarray.DataArray of bool, optional
            True where the tensor was observed; the rest is filled in by the model as it grows.
        init : NTF, CPTensor or sequence of ndarray, (dimension, rank), optional
            Factors to start from, in place of the random starts.

        Returns
        -------
        NTF
            The estimator itself.

        Raises
        ------
        SpecError
            If the data, the mask or a parameter is not valid.
        MemoryLimitError
            If the work arrays would not fit.
        """
        rule, dtype = self._rule(), np.dtype(check_choice(self.dtype, DTYPES, where="NTF", name="dtype"))
        n_starts = check_int(self.n_starts, where="NTF", name="n_starts")
        n_jobs = check_int(self.n_jobs, where="NTF", name="n_jobs")
        seed = check_seed(self.seed)
        check_progress(self.progress, where="NTF", unit="starts")
        tensor = as_tensor(X, mask, where="NTF.fit", dtype=dtype)
        rank = check_rank(self.rank, tensor.shape)
        if rule.extrapolate and init is None:
            tensor = tensor.quickened(rank, seed)
        starts: list[Any]
        if init is not None:
            starts = [as_init(init, rank, tensor.shape)]
        else:
            starts = [f"ntf/start/{k}" for k in range(n_starts)]

        def run(start: Any) -> Fit:
            if isinstance(start, str):
                generator = stream(seed, start)
                start = [generator.random((rank, n)) for n in tensor.shape]
            return tensor.solve(start, rule)

        fits = []
        with (
            progress_bar(self.progress, len(starts), title="NTF", unit="start") as advance,
            ThreadPoolExecutor(n_jobs) as pool,
            crew(n_jobs if len(starts) == 1 else 1) as sharing,
        ):
            rule = replace(rule, crew=sharing)
            for fit in pool.map(run, starts) if n_jobs > 1 and len(starts) > 1 else map(run, starts):
                fits.append(fit)
                if advance:
                    advance(1)
        self._keep(tensor, fits)
        return self

    def transform(self, X: Any, *, mask: Any = None, mode: int = -1) -> np.ndarray:
        """Loadings of new data on the fitted components: one mode is fitted anew, the others stay.

        Parameters
        ----------
        X : ndarray, xarray.DataArray, PackedTensor or ProductTensor
            As the data of ``fit``, but of any length along ``mode``.
        mode : int
            The mode along which the data are new, such as other animals or another time.
        mask : ndarray or xarray.DataArray of bool, optional
            True where the tensor was observed.

        Returns
        -------
        ndarray, (length along mode, rank)
            X ~ sum_r loading_r times the other modes' ``factors_``; weights are part of the loadings.

        Raises
        ------
        FitError
            If nothing was fitted.
        SpecError
            If the data do not go with the factors.
        """
        factors = self._fitted()
        order = len(factors)
        mode = check_int(mode, where="NTF.transform", name="mode", low=-order, high=order - 1) % order
        tensor = as_tensor(X, mask, where="NTF.transform", dtype=np.dtype(self.dtype))
        wanted = tuple(len(f) for f in factors)
        if len(tensor.shape) != order or any(
            n != m for k, (n, m) in enumerate(zip(tensor.shape, wanted, strict=False)) if k != mode
        ):
            bound = f"must have shape {wanted} but for mode {mode}, not {tensor.shape}"
            raise SpecError.of(where="NTF.transform", name="X", bound=bound)
        start = [f.T for f in factors]
        start[mode] = np.ones((len(self.weights_), tensor.shape[mode]))
        fixed = frozenset(range(order)) - {mode}
        fit = tensor.solve(start, Rule(max_iter=100, tol=1e-8, fixed=fixed))
        return fit.factors[mode].T.astype(float)

    def graph(self, component: int) -> xr.DataArray:
        """Affinity of every pair of neurons in one component, as a symmetric matrix.

        Parameters
        ----------
        component : int
            Which one, from 0, the strongest.

        Returns
        -------
        xarray.DataArray, (neuron, other)
            Weight times the pair's loadings; the diagonal is 0 where the data have pairs i < j only.

        Raises
        ------
        CapabilityError
            If the data had neither a mode of pairs nor two of neurons.
        """
        self._fitted()
        index = check_int(component, where="NTF.graph", name="component", low=0, high=len(self.weights_) - 1)
        return files.graph(self.result_.isel(component=index))

    def to_tensorly(self) -> Any:
        """Give weights and factors as tensorly's type.

        Returns
        -------
        tensorly.cp_tensor.CPTensor
        """
        from tensorly.cp_tensor import CPTensor

        factors = self._fitted()
        return CPTensor((self.weights_.copy(), [f.copy() for f in factors]))

    @classmethod
    def from_tensorly(cls, cp: Any) -> Self:
        """Take over a factorization of tensorly, to transform, match, draw or save it.

        Parameters
        ----------
        cp : tensorly.cp_tensor.CPTensor
            Weights and non-negative factors.

        Returns
        -------
        NTF
            Fitted, with an error that is not known (NaN).

        Raises
        ------
        SpecError
            If a factor is negative or not finite.
        """
        weights, factors = cp
        shape = tuple(len(f) for f in factors)
        rank = np.shape(factors[0])[1]
        arrays = as_init(factors, rank, shape)
        if weights is not None:
            arrays[0] = arrays[0] * np.asarray(weights, float)[:, None]
        model = cls(rank)
        model._keep(Tensor.named(shape), [Fit(factors=arrays, error=np.nan)])
        return model

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the result to a NetCDF file.

        Parameters
        ----------
        path : path
            Name of the file.
        overwrite : bool
            Whether a file of this name may be replaced.

        Raises
        ------
        FitError
            If nothing was fitted.
        SpecError
            If the file exists or cannot be written.
        """
        self._fitted()
        params = self.get_params() | {"progress": None}
        files.save(self.result_, self.starts_, self.errors_, params=params, path=path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what ``save`` wrote; factors of starts other than the best are not kept there.

        Parameters
        ----------
        path : path
            Name of the file.

        Returns
        -------
        NTF

        Raises
        ------
        FileFormatError
            If it is no such file.
        """
        result, starts, errors, params = files.load(path)
        model = cls(**params)
        dims = result.attrs["dims"].split(",")
        model.factors_ = [result[f"factor_{d}"].transpose(d, "component").values for d in dims]
        model.weights_, model.error_ = result["weight"].values, float(result.attrs["error"])
        model.result_, model.starts_, model.errors_ = result, starts, errors
        model.start_factors_ = [model.factors_]
        return model

    def _rule(self) -> Rule:
        if not isinstance(self.extrapolate, bool):
            raise SpecError.of(
                where="NTF", name="extrapolate", value=self.extrapolate, bound="must be True or False"
            )
        return Rule(
            max_iter=check_int(self.max_iter, where="NTF", name="max_iter"),
            tol=check_real(self.tol, where="NTF", name="tol", low=0.0),
            extrapolate=self.extrapolate,
            penalty=check_real(self.sparsity, where="NTF", name="sparsity", low=0.0),
        )

    def _fitted(self) -> list[np.ndarray]:
        if not hasattr(self, "factors_"):
            raise FitError.of(where="NTF", bound="is not fitted", fix="call fit first")
        return self.factors_

    def _keep(self, tensor: Tensor, fits: list[Fit]) -> None:
        """Set what was fitted: unit columns, weights in descending order, the start of least error."""
        ends = np.array([fit.error for fit in fits])
        kept = [_normalized(fit.factors) for fit in fits]
        best = int(np.argmin(ends))
        self.start_factors_ = [factors for _, factors in kept]
        self.weights_, self.factors_ = kept[best]
        self.error_, self.errors_ = float(ends[best]), np.array(fits[best].errors)
        self.starts_ = xr.Dataset(
            {
                "error": ("start", ends),
                "n_iter": ("start", [fit.n_iter for fit in fits]),
                "converged": ("start", [fit.converged for fit in fits]),
            }
        )
        self.result_ = tensor.result(self.weights_, self.factors_, error=self.error_)


DTYPES = ("float32", "float64")


def _normalized(factors: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Weights and factors (dimension, rank) with unit columns, the strongest component first."""
    wide = [f.T.astype(float) for f in factors]
    norms = [np.linalg.norm(f, axis=0) for f in wide]
    weights = np.prod(norms, axis=0)
    order = np.argsort(-weights, kind="stable")
    units = [f / np.where(n > 0, n, 1.0) for f, n in zip(wide, norms, strict=True)]
    return weights[order], [np.ascontiguousarray(f[:, order]) for f in units]
