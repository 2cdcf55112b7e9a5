"""Distances between spike trains: van Rossum, and Victor and Purpura."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import seconds
from arcuate._jit import compiled
from arcuate.analysis import _spike_kernels as kernels
from arcuate.analysis._traces import as_pairs, labeled_pairs
from arcuate.analysis._trains import read_record
from arcuate.analysis.interval import check_level, with_interval
from arcuate.analysis.spike_synchrony import exponential_products
from arcuate.errors import SpecError
from arcuate.units import to_si

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["van_rossum_distance", "victor_purpura_distance"]

_ROUNDING = 1e-13  # part of the squares below which a squared distance is rounding
_STEEP = 1e300  # cost at which spikes at different times can have nothing in common


def van_rossum_distance(
    source: Any,
    population: str | None = None,
    *,
    tau: Any,
    pairs: ArrayLike | None = None,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Distance of two spike trains through a causal exponential.

    ``D^2 = 2 / tau * integral of (f - g)^2``: one spike more is a distance of 1, two spikes at a distance d
    are ``sqrt(2 (1 - exp(-d / tau)))`` apart. The paper has half of this square. The sums over pairs of
    spikes run along a trace that decays, so that the time grows with the number of spikes, not its square.

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times from 0.
    population : str, optional
        Population of the Recording; not needed if it has one.
    tau : quantity
        Time constant: spikes much closer are the same, much farther apart unrelated.
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
        ``distance`` (unit); ``mean``, ``low`` and ``high`` over pairs of two neurons.

    Raises
    ------
    SpecError
        If an option is out of range.
    RecordingError
        If a spike lies outside the record.

    References
    ----------
    M. C. W. van Rossum, Neural Computation 13 (2001), doi:10.1162/089976601300014321.
    C. Houghton and T. Kreuz, Network 23 (2012), doi:10.3109/0954898X.2012.673048.

    Examples
    --------
    >>> from arcuate.analysis import van_rossum_distance
    >>> found = van_rossum_distance([0.1, 0.12], neuron=[0, 1], n_neurons=3, duration="1 s", tau="20 ms",
    ...                             pairs=[[0, 0], [1, 2]])
    >>> found.distance.values.round(6).tolist()
    [1.124385, 1.0]
    """
    where = "van_rossum_distance"
    cover = check_level(level, where)
    span = seconds(tau, where=where, name="tau", low_open=True)
    train = read_record(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    i, j = chosen = as_pairs(pairs, train.n_neurons, where)
    products = exponential_products(train, span, where)
    own = np.diagonal(products)
    squares = own[i] + own[j]
    square = squares - 2.0 * products[i, j]
    distance = np.sqrt(np.where((square > _ROUNDING * squares) & (i != j), square, 0.0))
    return with_interval(labeled_pairs(distance, chosen, "distance"), level=cover, seed=seed)


def victor_purpura_distance(
    source: Any,
    population: str | None = None,
    *,
    cost: Any,
    pairs: ArrayLike | None = None,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Least cost of turning one spike train into another.

    To delete or insert a spike costs 1, to move it by d costs ``cost * d``. Only spikes closer than 2 / cost
    are worth moving, so that the search runs along a band: for a given cost the time grows with the number
    of spikes.

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times from 0.
    population : str, optional
        Population of the Recording; not needed if it has one.
    cost : quantity, Hz
        Of moving a spike by a second (the q of the paper), such as ``"20 Hz"``. At 0 the distance is the
        difference of the counts; at infinity, all spikes that do not coincide.
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
        ``distance`` (unit); ``mean``, ``low`` and ``high`` over pairs of two neurons.

    Raises
    ------
    SpecError
        If an option is out of range.
    RecordingError
        If a spike lies outside the record.

    References
    ----------
    J. D. Victor and K. P. Purpura, Journal of Neurophysiology 76 (1996), doi:10.1152/jn.1996.76.2.1310.

    Examples
    --------
    >>> from arcuate.analysis import victor_purpura_distance
    >>> found = victor_purpura_distance([0.1, 0.12, 0.8], neuron=[0, 1, 1], n_neurons=2, duration="1 s",
    ...                                 cost="10 Hz", pairs=[[0], [1]])
    >>> found.distance.values.round(6).tolist()
    [1.2]
    """
    where = "victor_purpura_distance"
    cover = check_level(level, where)
    q = _cost(cost, where)
    train = read_record(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    i, j = chosen = as_pairs(pairs, train.n_neurons, where)
    count = train.counts
    gain = np.empty(i.size)
    if q == 0.0:
        gain = 2.0 * np.minimum(count[i], count[j])
    else:
        both = np.ascontiguousarray(np.stack(chosen).astype(np.int64))
        compiled(kernels.shared_gain)(train.time, train.first, both, q, gain)
    distance = np.maximum(count[i] + count[j] - gain, 0.0)
    return with_interval(labeled_pairs(distance, chosen, "distance"), level=cover, seed=seed)


def _cost(cost: Any, where: str) -> float:
    if isinstance(cost, float) and cost == np.inf:
        return _STEEP
    if isinstance(cost, (int, float)) and not isinstance(cost, bool) and cost == 0:
        return 0.0
    value = to_si(cost, "Hz", where=where, name="cost")
    if value < 0:
        raise SpecError.of(where=where, name="cost", value=cost, bound="must be >= 0 Hz")
    return min(value, _STEEP)
