"""Synchrony by one definition, for spikes, for ticks of a thought and for layers of a network.

A trace is what one unit does over the steps of a trial: filtered spikes on a grid, post-activations over
ticks, a residual stream over layers or tokens. Every measure here is a running sum of products of two traces
over past steps, each step with a weight that decays; it is the recursion of the Continuous Thought Machine
(`arcuate.ctm.step_synchrony`), and differs in what is multiplied and by what the sum is divided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import Floats, as_real, seconds
from arcuate.analysis._traces import Pairs, Traces, as_pairs
from arcuate.analysis.phase import phasors
from arcuate.analysis.spikes import filtered_rates
from arcuate.ctm import SynchronyState, decay_factor, pair_products, step_synchrony
from arcuate.ctm import synchrony as read_synchrony
from arcuate.errors import MemoryLimitError, SpecError, check_choice, check_int, check_real

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["spike_traces", "synchrony", "synchrony_kernel", "synchrony_matrix"]

KINDS = ("ctm", "cosine", "corr", "plv", "ppc")
MOST_BYTES = 4 << 30
"""Largest result that is made; more is refused (chosen)."""


def synchrony(
    traces: ArrayLike,
    *,
    kind: str = "cosine",
    pairs: ArrayLike | None = None,
    decay: ArrayLike = 0.0,
    lag: int = 0,
    every: int = 1,
) -> xr.DataArray:
    """How pairs of units moved together up to each step.

    With weights w(k) = exp(-decay k) over the past and G_ij(t) = sum_k w(t - k) x_i(k) x_j(k - lag):

    ========  =====================================================================================
    kind      value
    ========  =====================================================================================
    ctm       G_ij / sqrt(sum w): the representation of a Continuous Thought Machine (Darlow et al. 2025,
              arXiv 2505.05522, equation 6). Its size depends on that of the traces, so use it within one
              model only.
    cosine    G_ij / sqrt(G_ii G_jj), in [-1, 1]
    corr      the same of traces less their weighted means up to the step; over lags, the
              cross-correlogram
    plv       phase-locking value ``|G_ij| / sum w`` of ``x / |x|``, for analytic signals x (Lachaux et
              al. 1999)
    ppc       pairwise phase consistency, (n plv^2 - 1) / (n - 1) without decay: unbiased (Vinck et al. 2010)
    ========  =====================================================================================

    Parameters
    ----------
    traces : array_like, (n_trials, n_steps, n_units) or (n_steps, n_units)
        Also a DataArray of a Recording. For plv and ppc, analytic signals such as `analytic_signal` gives of
        a band; real traces are turned into them first, whatever their band.
    kind : {"ctm", "cosine", "corr", "plv", "ppc"}
        What is read from the sums.
    pairs : array_like, (2, n_pairs), optional
        Units i and j; default all with i <= j, row by row.
    decay : float or array_like, (n_pairs,)
        Per step, for all pairs or for each; clipped to 0..15 as in the model.
    lag : int
        Steps by which j is earlier than i, 0 or more; turn the pair around for the other sign.
    every : int
        Keep each so many steps only, counted back from the last.

    Returns
    -------
    DataArray, (trial, AXIS, unit)
        Units are pairs with coordinates ``pre`` (i) and ``post`` (j). NaN where a sum has no terms yet or a
        trace nothing but zeros.

    Raises
    ------
    SpecError
        If traces, pairs, decays or the lag do not fit each other; for plv and ppc, if a unit does not vary.
    MemoryLimitError
        If the result would take more than 4 GiB.

    See Also
    --------
    spike_synchrony : The same of spike times themselves: tiling, and exact coincidence.
    spike_traces : Traces of spikes on a grid.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import synchrony
    >>> k = np.arange(200) / 10
    >>> traces = np.stack([np.sin(k), 3 * np.sin(k), np.cos(k)], axis=1)
    >>> last = synchrony(traces, pairs=[[0, 0], [1, 2]], every=200)
    >>> last.values.round(2).tolist()
    [[[1.0, 0.04]]]
    """
    where = "synchrony"
    check_choice(kind, KINDS, where=where, name="kind")
    phases = kind in ("plv", "ppc")
    given = Traces(traces, where, complex_too=phases)
    cube = phasors(traces, given, where) if phases else given.cube
    i, j = chosen = as_pairs(pairs, given.n_units, where)
    step = check_int(every, where=where, name="every", high=given.n_steps)
    shift = check_int(lag, where=where, name="lag", low=0, high=given.n_steps - 1)
    kept = np.arange(given.n_steps)[::-1][::step][::-1]
    _check_memory(given.n_trials * kept.size * i.size)
    out = np.full((given.n_trials, kept.size, i.size), np.nan)
    sums = _Sums(kind, chosen, decay_factor(_decay(decay, i.size)))
    with np.errstate(divide="ignore", invalid="ignore"):  # what has no value is NaN
        for t in range(shift, given.n_steps):
            sums.add(cube[:, t], cube[:, t - shift])
            if (given.n_steps - 1 - t) % step == 0:
                out[:, (t - kept[0]) // step] = sums.read()
    given.coords = {
        name: value.isel({given.axis: kept}) if given.axis in value.dims else value
        for name, value in given.coords.items()
    }
    made = given.labeled(
        out, ("trial", "AXIS", "unit"), pre=("unit", i), post=("unit", j), unit=np.arange(i.size)
    )
    if given.axis == "step":
        made = made.assign_coords(step=kept)
    return made.rename(kind)


def _decay(decay: ArrayLike, n_pairs: int) -> Floats:
    values = as_real(decay, where="synchrony", name="decay").astype(np.float64)
    if values.shape not in ((), (n_pairs,)) or values.min(initial=0.0) < 0:
        bound = f"must be one number >= 0, or one for each of {n_pairs} pairs"
        raise SpecError.of(where="synchrony", name="decay", value=decay, bound=bound)
    return np.broadcast_to(values, (n_pairs,))


def _check_memory(n: int) -> None:
    if 8 * n > MOST_BYTES:
        bound = f"would take {8 * n / 2**30:.1f} GiB, more than {MOST_BYTES >> 30}"
        raise MemoryLimitError.of(
            where="synchrony", bound=bound, fix="choose pairs, or keep fewer steps by every="
        )


class _Sums:
    """Running sums of one kind of synchrony; each is a `SynchronyState`, products (B, P) and weights (P,)."""

    def __init__(self, kind: str, pairs: Pairs, r: Floats) -> None:
        self.kind, self.pairs, self.r = kind, pairs, r
        self.states: dict[str, SynchronyState | None] = {}

    def _step(self, name: str, products: NDArray[Any], r: Floats) -> None:
        self.states[name] = step_synchrony(self.states.get(name), products, r)

    def add(self, now: NDArray[Any], before: NDArray[Any]) -> None:
        """Add one step: all units now, and as they were a lag ago."""
        i, j = self.pairs
        both = np.concatenate((now, before.conj()), axis=1)
        self._step("ij", pair_products(both, (i, j + now.shape[1])), self.r)
        if self.kind in ("cosine", "corr"):
            self._step("ii", now[:, i] ** 2, self.r)
            self._step("jj", before[:, j] ** 2, self.r)
        if self.kind == "corr":
            self._step("i", now[:, i], self.r)
            self._step("j", before[:, j], self.r)
        if self.kind == "ppc":
            self._step("square", np.ones((1, i.size)), self.r**2)

    def read(self) -> Floats:
        """Return the value of every trial and pair (B, P)."""
        state = self.states["ij"]
        assert state is not None
        if self.kind == "ctm":
            return read_synchrony(state)
        if self.kind == "plv":
            return np.abs(state.alpha) / state.beta
        if self.kind == "ppc":
            squares = self.states["square"]
            assert squares is not None
            most = state.beta**2 - squares.beta  # 0 after a single term
            return (np.abs(state.alpha) ** 2 - squares.beta) / np.where(most > 1e-9, most, np.nan)
        above, left, right = state.alpha, self._total("ii"), self._total("jj")
        if self.kind == "corr":
            mean_i, mean_j = self._total("i") / state.beta, self._total("j") / state.beta
            above = above - mean_i * mean_j * state.beta
            left = _rest(left, mean_i**2 * state.beta)
            right = _rest(right, mean_j**2 * state.beta)
        return np.clip(above / np.sqrt(left * right), -1.0, 1.0)

    def _total(self, name: str) -> Floats:
        state = self.states[name]
        assert state is not None
        return state.alpha


def _rest(square: Floats, mean_square: Floats) -> Floats:
    """What is left of a sum of squares without its mean; NaN where that is rounding."""
    rest = square - mean_square
    return np.where(rest > 1e-12 * square, rest, np.nan)


def synchrony_matrix(values: xr.DataArray) -> xr.DataArray:
    """Arrange the synchrony of all pairs as a symmetric matrix.

    Parameters
    ----------
    values : DataArray, (..., unit)
        As `synchrony` gives it, or ``S`` of a recorded thought: units are pairs with the coordinates ``pre``
        and ``post``.

    Returns
    -------
    DataArray, (..., pre, post)
        Units that occur in a pair, ascending; NaN where a pair was not looked at.

    Raises
    ------
    SpecError
        If the units are not pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import synchrony, synchrony_matrix
    >>> last = synchrony(np.eye(3)[:, :2], every=3)
    >>> synchrony_matrix(last).values.tolist()
    [[[[1.0, 0.0], [0.0, 1.0]]]]
    """
    import xarray as xr

    if not all(name in getattr(values, "coords", ()) for name in ("pre", "post")):
        bound = "must have pairs as units, with the coordinates pre and post"
        raise SpecError.of(where="synchrony_matrix", name="values", bound=bound)
    pre, post = values["pre"].values, values["post"].values
    units = np.unique(np.concatenate((pre, post)))
    i, j = np.searchsorted(units, pre), np.searchsorted(units, post)
    numbers = values.values
    out = np.full((*numbers.shape[:-1], units.size, units.size), np.nan)
    out[..., i, j] = numbers
    out[..., j, i] = numbers
    dims = (*values.dims[:-1], "pre", "post")
    coords = {name: c for name, c in values.coords.items() if "unit" not in c.dims}
    return xr.DataArray(out, dims=dims, coords={**coords, "pre": units, "post": units}, name=values.name)


def synchrony_kernel(traces: ArrayLike, *, decay: float = 0.0) -> xr.DataArray:
    """How alike the synchrony matrices of trials are, without making one.

    The inner product of the matrices S_a and S_b of two trials with traces Z (n_steps, n_units), each
    Z' diag(w) Z / sqrt(sum w) after the last step, is ``||sqrt(w) Z_a Z_b' sqrt(w)||^2 / sum w``: steps by
    steps of work instead of units by units. Kernels of a reservoir, of a thought and of a transformer have
    the same shape and can be compared (`participation_ratio` of one, or alignment of two).

    Parameters
    ----------
    traces : array_like, (n_trials, n_steps, n_units)
        One trial for each stimulus.
    decay : float
        Per step, one for all pairs.

    Returns
    -------
    DataArray, (trial, other)
        Symmetric and positive semi-definite.

    Raises
    ------
    SpecError
        If traces or the decay are no finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import synchrony_kernel
    >>> traces = np.random.default_rng(0).normal(size=(2, 5, 30))
    >>> explicit = [trace.T @ trace / np.sqrt(5) for trace in traces]
    >>> bool(np.isclose(synchrony_kernel(traces)[0, 1], np.sum(explicit[0] * explicit[1])))
    True
    """
    given = Traces(traces, "synchrony_kernel")
    r = decay_factor(_decay(check_real(decay, where="synchrony_kernel", name="decay", low=0.0), 1))[0]
    weights = r ** np.arange(given.n_steps)[::-1]
    scaled = given.cube * np.sqrt(weights)[:, None]
    kernel = np.empty((given.n_trials, given.n_trials))
    for a, trace in enumerate(scaled):
        products = scaled[a:] @ trace.T
        kernel[a, a:] = kernel[a:, a] = np.sum(products**2, axis=(1, 2)) / weights.sum()
    return given.labeled(kernel, ("trial", "other")).rename("synchrony_kernel")


def spike_traces(
    source: Any,
    population: str | None = None,
    *,
    dt: Any,
    tau: Any,
    trial: Any,
    n_trials: int | None = None,
) -> xr.DataArray:
    """Spikes of a run as traces on a grid: each train through a causal exponential, cut into trials.

    Products of such traces count coincidences: two spikes at a distance d add
    ``(tau / 2) exp(-|d| / tau)`` to their integral (van Rossum 2001).

    Parameters
    ----------
    source : Recording
        Of trials one after the other, from time 0.
    population : str, optional
        Not needed if there is one.
    dt : quantity
        Step of the grid.
    tau : quantity
        Time constant; no coincidence is seen beyond a few of them.
    trial : quantity
        Length of a trial, a whole number of steps.
    n_trials : int, optional
        Trials; default as many as the recording holds.

    Returns
    -------
    DataArray, (trial, time, unit)
        A spike adds 1. Time in s since the start of the trial, from the first step on.

    Raises
    ------
    SpecError
        If the trial is not a whole number of steps, or the recording is shorter than the trials.

    Examples
    --------
    >>> from arcuate.analysis import spike_traces
    >>> from arcuate.recording import Recording
    >>> spikes = {"exc": {"time": [0.010, 0.130], "neuron": [0, 1], "n": 2}}
    >>> rec = Recording.build(source="numba", spikes=spikes, duration=0.2)
    >>> spike_traces(rec, dt="10 ms", tau="20 ms", trial="100 ms").sizes["trial"]
    2
    """
    import xarray as xr

    where = "spike_traces"
    if not hasattr(source, "duration"):
        raise SpecError.of(where=where, name="source", value=source, bound="must be a Recording")
    step = seconds(dt, where=where, name="dt", low_open=True)
    length = seconds(trial, where=where, name="trial", low_open=True)
    n_steps = round(length / step)
    if n_steps < 1 or abs(n_steps * step - length) > 1e-9 * length:
        raise SpecError.of(where=where, name="trial", value=trial, bound=f"must be a whole number of {dt}")
    there = 0.0 if source.duration is None else float(source.duration)
    most = int(there / length * (1 + 1e-12))
    n = check_int(most if n_trials is None else n_trials, where=where, name="n_trials", high=max(most, 0))
    times = (np.arange(n * n_steps) + 1) * step
    flat = filtered_rates(source, population, times=times, tau=tau, model="exponential", scale="trace")
    return xr.DataArray(
        flat.values.reshape(n, n_steps, -1),
        dims=("trial", "time", "unit"),
        coords={"trial": np.arange(n), "time": ("time", times[:n_steps], {"units": "s"})},
        attrs={"units": "1"},
    )
