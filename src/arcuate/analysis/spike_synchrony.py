"""Synchrony of spikes from their times: tiling, coincidence, and chi of a population.

Results have pairs as units, with the coordinates ``pre`` and ``post``, as those of `synchrony` have;
`synchrony_matrix` arranges any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import Floats, check_bytes, seconds
from arcuate._jit import compiled
from arcuate.analysis import _spike_kernels as kernels
from arcuate.analysis._traces import as_pairs, labeled_pairs
from arcuate.analysis._trains import SpikeTrains, check_some, read_record
from arcuate.analysis.interval import Interval, check_level, segment_interval, with_interval
from arcuate.analysis.phase import chi_of
from arcuate.analysis.spikes import filtered_rates, number_of_bins
from arcuate.errors import SpecError, check_choice, check_int

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["exponential_products", "spike_chi", "spike_synchrony"]

_LESS = "choose fewer neurons"
_EDGE = 1e-9  # part of a window by which rounding may keep two spikes apart


def spike_synchrony(
    source: Any,
    population: str | None = None,
    *,
    width: Any,
    kind: str = "sttc",
    pairs: ArrayLike | None = None,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """How pairs of neurons spike together, from the times themselves.

    ===========  ====================================================================================
    kind         value
    ===========  ====================================================================================
    sttc         spike time tiling coefficient, 1/2 [(P_A - T_B) / (1 - P_A T_B) + (P_B - T_A) /
                 (1 - P_B T_A)]: P_A is the share of the spikes of A within `width` of one of B, T_A the
                 share of the record within `width` of a spike of A. It does not depend on rates (Cutts
                 and Eglen 2014). A term is 1 where P T = 1.
    coincidence  G_AB / sqrt(G_AA G_BB), where two spikes at a distance d add
                 ``(width / 2) exp(-|d| / width)`` to G: the cosine `synchrony` of `spike_traces` on an
                 endlessly fine grid (Schreiber et al. 2003)
    ===========  ====================================================================================

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times from 0.
    population : str, optional
        Population of the Recording; not needed if it has one.
    width : quantity
        How far apart spikes may be: half of the tile for "sttc", the time constant for "coincidence".
    kind : {"sttc", "coincidence"}
    pairs : array_like, (2, n_pairs), optional
        Neurons of each pair; default all with i <= j, row by row.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.
    duration : quantity or float in s, optional
        Length of the whole record. A Recording knows it.
    level : float
        Coverage of the interval.
    seed : int
        Seed of the bootstrap over neurons.

    Returns
    -------
    Dataset
        The values by the name of their kind (unit), NaN for a neuron without a spike; ``mean``, ``low`` and
        ``high`` over pairs of two neurons.

    Raises
    ------
    SpecError
        If an option is out of range.
    RecordingError
        If there is no spike, or one lies outside the record.

    References
    ----------
    C. S. Cutts and S. J. Eglen, Journal of Neuroscience 34 (2014), doi:10.1523/JNEUROSCI.2767-14.2014.
    S. Schreiber et al., Neurocomputing 52-54 (2003), doi:10.1016/S0925-2312(02)00838-X.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import spike_synchrony
    >>> times = np.r_[0.1, 0.5, 0.9, 0.102, 0.498, 0.9]
    >>> found = spike_synchrony(times, neuron=np.repeat([0, 1], 3), n_neurons=2, duration="1 s", width="5 ms")
    >>> found.sttc.values.tolist()
    [1.0, 1.0, 1.0]
    """
    where = "spike_synchrony"
    cover = check_level(level, where)
    check_choice(kind, ("sttc", "coincidence"), where=where, name="kind")
    span = seconds(width, where=where, name="width", low_open=True)
    train = read_record(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    check_some(train.time.size, where, "a spike")
    chosen = as_pairs(pairs, train.n_neurons, where)
    table = _tiling(train, span) if kind == "sttc" else _cosine(exponential_products(train, span, where))
    return with_interval(labeled_pairs(table[chosen], chosen, kind), level=cover, seed=seed)


def _in_order(train: SpikeTrains) -> NDArray[np.int64]:
    """Places of the spikes in the order of time."""
    return np.argsort(train.time, kind="stable")


def _tiling(train: SpikeTrains, window: float) -> Floats:
    """Spike time tiling coefficient of all pairs (n, n)."""
    n = train.n_neurons
    check_bytes(5 * 8 * n * n, where="spike_synchrony", fix=_LESS)
    following = np.full(train.time.size, np.inf)
    same = train.neuron[1:] == train.neuron[:-1]
    following[:-1][same] = train.time[1:][same]
    order = _in_order(train)
    near, tiled = np.zeros((n, n)), np.empty(n)
    slack = window * (1.0 + _EDGE) + 4.0 * np.spacing(train.duration)  # times read off a decimal grid
    compiled(kernels.tiled_counts)(train.time[order], train.neuron[order], following[order], slack, near)
    compiled(kernels.tiled_time)(train.time, train.first, window, train.duration, tiled)
    share = tiled / train.duration
    with np.errstate(divide="ignore", invalid="ignore"):
        p = near / train.counts[:, None]
        term = (p - share) / (1.0 - p * share)
    term[p * share == 1.0] = 1.0
    return np.asarray(0.5 * (term + term.T))


def exponential_products(train: SpikeTrains, tau: float, where: str) -> Floats:
    """Sum of exp(-|d| / tau) over the pairs of spikes of every two neurons.

    Parameters
    ----------
    train : SpikeTrains
        Sorted by neuron, then time.
    tau : float, s
    where : str
        Who asks.

    Returns
    -------
    ndarray, (n_neurons, n_neurons)
        Symmetric. Times tau / 2 it is the integral of the products of trains through causal exponentials.

    Raises
    ------
    MemoryLimitError
        If the matrix would not fit.
    """
    n = train.n_neurons
    check_bytes(4 * 8 * n * n, where=where, fix=_LESS)
    out, order = np.zeros((n, n)), _in_order(train)
    compiled(kernels.exponential_products)(train.time[order], train.neuron[order], tau, np.empty(n), out)
    out += out.T.copy()
    out[np.diag_indices(n)] += train.counts
    return out


def _cosine(products: Floats) -> Floats:
    size = np.sqrt(np.diagonal(products))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.minimum(products / np.outer(size, size), 1.0)


def spike_chi(
    source: Any,
    population: str | None = None,
    *,
    tau: Any = "10 ms",
    dt: Any = "1 ms",
    n_segments: int = 20,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Golomb and Rinzel's chi of spike trains, each through a causal exponential: see `golomb_chi`.

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times from 0.
    population : str, optional
        Population of the Recording; not needed if it has one.
    tau : quantity
        Time constant of the filter.
    dt : quantity
        Step of the grid on which traces are compared.
    n_segments : int
        Pieces of the record that are drawn again for the interval; each should be many `tau` long.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.
    duration : quantity or float in s, optional
        Length of the whole record. A Recording knows it.
    level : float
        Coverage of the interval.
    seed : int
        Seed of the bootstrap over pieces of the record.

    Returns
    -------
    Interval
        1 when all neurons spike together, about 1 / sqrt(n_neurons) when they are independent. Pieces that
        are drawn without any spike say nothing and are left out of the interval.

    Raises
    ------
    SpecError
        If an option is out of range, or the record has fewer steps than pieces.
    RecordingError
        If there is no spike, or one lies outside the record.

    References
    ----------
    D. Golomb and J. Rinzel, Physica D 72 (1994), doi:10.1016/0167-2789(94)90214-3.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import spike_chi
    >>> times = np.random.default_rng(0).uniform(0, 10, 100)
    >>> band = spike_chi(np.tile(times, 3), neuron=np.repeat([0, 1, 2], 100), n_neurons=3, duration="10 s")
    >>> round(band.estimate, 6), round(band.low, 6)
    (1.0, 1.0)
    """
    where = "spike_chi"
    step = seconds(dt, where=where, name="dt", low_open=True)
    n = check_int(n_segments, where=where, name="n_segments", low=2)
    cover = check_level(level, where)
    train = read_record(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    check_some(train.time.size, where, "a spike")
    n_steps = number_of_bins(step, train.duration, where)
    if n_steps < 2 * n:
        bound = f"must leave 2 steps or more in each of {n} pieces of {train.duration:g} s"
        raise SpecError.of(where=where, name="dt", value=dt, bound=bound)
    check_bytes(5 * 8 * n_steps * train.n_neurons, where=where, fix="use a coarser dt")
    traces = filtered_rates(
        train.time,
        times=(np.arange(n_steps) + 1) * step,
        tau=tau,
        model="exponential",
        scale="trace",
        neuron=train.neuron,
        n_neurons=train.n_neurons,
    ).values
    starts = np.linspace(0, n_steps, n, endpoint=False).astype(np.int64)
    together = traces.mean(axis=1, keepdims=True)
    terms = np.concatenate((np.ones_like(together), together, together**2, traces, traces**2), axis=1)
    sums = np.add.reduceat(terms, starts, axis=0)
    width = train.n_neurons

    def chi(total: Floats) -> Floats:
        size = total[:, :1]
        whole = total[:, 2] / size[:, 0] - (total[:, 1] / size[:, 0]) ** 2
        mean, square = total[:, 3 : 3 + width] / size, total[:, 3 + width :] / size
        return chi_of(whole, np.mean(square - mean**2, axis=1))

    band = segment_interval(sums, chi, level=cover, seed=seed)
    check_some(int(not np.isnan(band.estimate)), where, "a spike before the last step")
    return band
