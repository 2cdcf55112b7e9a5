"""Exact Lyapunov exponents of networks of quadratic neurons, from spike to spike by its derivative."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, as_real, seconds
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.analysis.interval import check_level
from arcuate.errors import SpecError, check_int
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["lyapunov_tangent"]


def lyapunov_tangent(
    weights: ArrayLike,
    drive: ArrayLike,
    *,
    tau: Any,
    n_spikes: int = 10_000,
    transient: int = 1_000,
    n_exponents: int = 1,
    every: int = 20,
    level: float = 0.95,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Lyapunov exponents of a network of quadratic or theta neurons with pulses, without any grid of time.

    ``tau dV_i/dt = V_i^2 + I_i``, from minus to plus infinity, where neuron i spikes; each spike of j adds
    ``J_ij`` to V_i at once. With ``V = sqrt(I) tan(phi / 2)`` the phase of a theta neuron runs at
    ``omega = 2 sqrt(I) / tau``, so that the next spike and the derivative of what follows from it are known
    exactly. On a spike of j a small change becomes, with ``d = dphi_i(after)/dphi_i(before)``,
    ``d dphi_i + (omega_i / omega_j) (1 - d) dphi_j``.

    Parameters
    ----------
    weights : array_like, (n, n)
        J, without unit: row, postsynaptic neuron; column, presynaptic one.
    drive : array_like, (n,) or ()
        I > 0, without unit: each neuron alone fires at ``sqrt(I) / (pi tau)``.
    tau : quantity
        Time constant of the membrane.
    n_spikes : int
        Spikes of the network that count.
    transient : int
        Spikes before them.
    n_exponents : int
        How many, largest first.
    every : int
        Spikes between two orthonormalizations.
    level : float
        Coverage of the intervals: a bootstrap over stretches of the run.
    seed : int
        Of the first phases, the first directions and the bootstrap.
    progress : bool, callable or None
        Progress bar.

    Returns
    -------
    Dataset
        ``exponent``, ``low``, ``high`` (component), 1/s; one of all n is 0, that along the run. ``rate``, Hz,
        mean over neurons; ``duration``, s.

    Raises
    ------
    SpecError
        If a drive is not positive or shapes do not go together.

    References
    ----------
    M. Monteforte and F. Wolf, Physical Review Letters 105 (2010), doi:10.1103/PhysRevLett.105.268104.

    Examples
    --------
    Neurons without synapses neither forget nor amplify:

    >>> import numpy as np
    >>> from arcuate.analysis import lyapunov_tangent
    >>> found = lyapunov_tangent(np.zeros((5, 5)), 1.0, tau="10 ms", n_spikes=500, n_exponents=5)
    >>> bool(np.allclose(found.exponent, 0.0))
    True
    """
    import xarray as xr

    where = "lyapunov_tangent"
    given = as_real(weights, where=where, name="weights").astype(np.float64)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or not given.size:
        bound = "must be square: a weight for each pair of neurons"
        raise SpecError.of(where=where, name="weights", value=f"shape {given.shape}", bound=bound)
    n = given.shape[0]
    current = as_real(drive, where=where, name="drive").astype(np.float64)
    if current.shape not in ((), (n,)) or current.min() <= 0:
        bound = f"must be positive, one number or ({n},)"
        raise SpecError.of(where=where, name="drive", value=drive, bound=bound)
    membrane = seconds(tau, where=where, name="tau", low_open=True)
    counts = check_int(n_spikes, where=where, name="n_spikes", low=100)
    before = check_int(transient, where=where, name="transient", low=0)
    wanted = check_int(n_exponents, where=where, name="n_exponents", high=n)
    stride = check_int(every, where=where, name="every")
    cover = check_level(level, where)
    check_progress(progress, where=where, unit="spikes")
    network = _Network(given, np.broadcast_to(current, (n,)), membrane)
    rng = stream(seed, "analysis/lyapunov_tangent")
    network.phase = np.asarray(rng.uniform(-math.pi, math.pi, n))
    change = np.linalg.qr(rng.standard_normal((n, wanted)))[0]
    with progress_bar(progress, before + counts, title=where, unit="spike") as step:
        for first in range(0, before, stride):
            change, _ = network.stretch(change, min(stride, before - first), step)
        start, grown, ends = network.time, [], []
        for first in range(0, counts, stride):
            change, growth = network.stretch(change, min(stride, counts - first), step)
            grown.append(growth)
            ends.append(network.time)
    growths, length = np.array(grown), np.diff([start, *ends])
    low, high = _interval(growths, length, rng, cover)
    unit, whole = {"units": "1/s"}, float(length.sum())
    return xr.Dataset(
        {
            "exponent": ("component", growths.sum(axis=0) / whole, unit),
            "low": ("component", low, unit),
            "high": ("component", high, unit),
            "rate": ((), counts / whole / n, {"units": "Hz"}),
            "duration": ((), whole, {"units": "s"}),
        },
        attrs={"level": cover, "n": n},
    )


def _interval(growth: Floats, length: Floats, rng: np.random.Generator, level: float) -> Any:
    """Ends of the interval of sums of growth over sums of length, over runs of stretches drawn again."""
    n = len(length)
    parts = np.linspace(0, n, min(n, max(4, math.isqrt(n))) + 1).astype(int)[:-1]
    sums, times = np.add.reduceat(growth, parts, axis=0), np.add.reduceat(length, parts)
    picks = rng.integers(0, len(parts), size=(1000, len(parts)))
    draws = sums[picks].sum(axis=1) / times[picks].sum(axis=1)[:, None]
    return np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)


class _Network:
    """Phases of all neurons, from spike to spike."""

    def __init__(self, weights: Floats, drive: Floats, tau: float) -> None:
        self.speed = 2 * np.sqrt(drive) / tau
        self.phase: Floats = np.zeros(len(drive))
        self.time: float = 0.0
        self.targets = [np.flatnonzero(column) for column in weights.T]
        self.kicks = [weights[rows, j] / np.sqrt(drive[rows]) for j, rows in enumerate(self.targets)]

    def stretch(self, change: Floats, n_spikes: int, step: Any) -> tuple[Floats, Floats]:
        """Go on by some spikes; return small changes made orthonormal, and the logarithms of their growth."""
        for _ in range(n_spikes):
            self.next_spike(change)
        change, triangle = np.linalg.qr(change)
        if step is not None:
            step(n_spikes)
        return change, np.log(np.maximum(np.abs(np.diag(triangle)), 1e-300))

    def next_spike(self, change: Floats) -> None:
        """Go on to the next spike and carry small changes, the columns, along; both in place."""
        wait = (math.pi - self.phase) / self.speed
        j = int(np.argmin(wait))
        self.phase += self.speed * wait[j]
        self.time += float(wait[j])
        self.phase[j] = -math.pi
        rows = self.targets[j]
        if not rows.size:
            return
        half = self.phase[rows] / 2
        cosine = np.cos(half)
        sine = np.sin(half) + self.kicks[j] * cosine
        self.phase[rows] = 2 * np.arctan2(sine, cosine)
        factor = 1 / (cosine**2 + sine**2)
        lead = (1 - factor) * self.speed[rows] / self.speed[j]
        change[rows] = factor[:, None] * change[rows] + lead[:, None] * change[j]
