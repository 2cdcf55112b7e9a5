"""How irregular spike trains are: local variation of intervals, Fano factors, the distribution of rates."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, as_real, seconds, seconds_array
from arcuate.analysis._trains import check_some, read_record, read_spikes
from arcuate.analysis.interval import RESAMPLES, check_level, with_interval
from arcuate.analysis.spikes import count_table, gini, rates
from arcuate.errors import ArcuateWarning, SpecError, check_int, check_real
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fano_factor", "local_variation", "rate_distribution"]


def local_variation(
    source: Any,
    population: str | None = None,
    *,
    refractory: Any = "5 ms",
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    trial: ArrayLike | None = None,
    min_intervals: int = 2,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Irregularity of neighboring intervals, which a slow change of the rate does not feign.

    Of two intervals I and J that follow each other:

    ====  ================================================================================  ================
    cv2   mean of ``2 |J - I| / (I + J)``                                                   Holt et al. 1996
    lv    mean of ``3 ((J - I) / (I + J))^2``                                               Shinomoto et al.
                                                                                            2003
    lvr   mean of ``3 (1 - 4 I J / (I + J)^2) (1 + 4 R / (I + J))``, R being `refractory`   Shinomoto et al.
                                                                                            2009
    ====  ================================================================================  ================

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times.
    population : str, optional
        Population of the Recording; not needed if it has one.
    refractory : quantity
        Refractory time that ``lvr`` takes into account (5 ms: Shinomoto et al. 2009).
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.
    trial : array_like, (n_spikes,), optional
        Trial of each spike, with spike times. Intervals across trials, and pairs of intervals, count only if
        time runs on through the trials.
    min_intervals : int
        Fewest intervals for a value.
    level : float
        Coverage of the intervals.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Dataset
        ``cv2``, ``lv`` and ``lvr`` (neuron), 0 for a clock and about 1 for a Poisson process, NaN with fewer
        intervals; ``mean``, ``low`` and ``high`` (measure), the mean over neurons with its bootstrap
        interval over neurons.

    Raises
    ------
    RecordingError
        If no neuron has enough spikes, or spikes are not finite or name a neuron that is not there.

    References
    ----------
    G. R. Holt et al., Journal of Neurophysiology 75 (1996), doi:10.1152/jn.1996.75.5.1806.
    S. Shinomoto et al., Neural Computation 15 (2003), doi:10.1162/089976603322518759.
    S. Shinomoto et al., PLoS Computational Biology 5 (2009), doi:10.1371/journal.pcbi.1000433.

    Examples
    --------
    >>> from arcuate.analysis import local_variation
    >>> found = local_variation([0.0, 0.1, 0.2, 0.5, 0.6])
    >>> found.cv2.values.round(4).tolist(), found.lv.values.round(4).tolist()
    ([0.6667], [0.5])
    """
    import xarray as xr

    where = "local_variation"
    cover = check_level(level, where)
    least = check_int(min_intervals, where=where, name="min_intervals", low=2)
    pause = seconds(refractory, where=where, name="refractory")
    train = read_spikes(
        source, population, where, neuron=neuron, n_neurons=n_neurons, duration="1 s", trial=trial
    )
    owner_of_two, before, after = train.interval_pairs()
    lasting = before + after > 0
    owner_of_two, before, after = owner_of_two[lasting], before[lasting], after[lasting]
    total = before + after
    ratio = (after - before) / total
    terms = {
        "cv2": 2.0 * np.abs(ratio),
        "lv": 3.0 * ratio**2,
        "lvr": 3.0 * ratio**2 * (1.0 + 4.0 * pause / total),
    }
    n_intervals = np.bincount(train.intervals()[0], minlength=train.n_neurons)
    count = np.bincount(owner_of_two, minlength=train.n_neurons)
    enough = (n_intervals >= least) & (count > 0)
    check_some(int(enough.sum()), where, f"a neuron with {least + 1} spikes or more")
    out, bands = xr.Dataset(), []
    for name, term in terms.items():
        value = np.full(train.n_neurons, np.nan)
        np.divide(np.bincount(owner_of_two, term, minlength=train.n_neurons), count, out=value, where=enough)
        values = xr.DataArray(value, dims="neuron", attrs={"units": "1"}, name=name)
        found = with_interval(values, level=cover, seed=seed)
        out[name] = values
        bands.append(found[["mean", "low", "high"]].expand_dims(measure=[name]))
    return out.merge(xr.concat(bands, "measure")).assign_attrs(found.attrs)


def fano_factor(
    source: Any,
    population: str | None = None,
    *,
    windows: Any = ("50 ms", "100 ms", "200 ms", "500 ms", "1 s"),
    ddof: int = 1,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Variance of the counts in windows over their mean, for several lengths of the window.

    For counts over trials, let time run on through the trials and give their length as the window.

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times from 0.
    population : str, optional
        Population of the Recording; not needed if it has one.
    windows : quantity, or several
        Lengths; at least two windows must fit into the record.
    ddof : {1, 0}
        The variance over n windows has n - `ddof` in its denominator. With 1 the mean over Poisson processes
        is 1 for any number of windows; with 0, as in elephant, it is (n - 1) / n.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.
    duration : quantity or float in s, optional
        Length of the whole record. A Recording knows it.
    level : float
        Coverage of the intervals.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Dataset
        ``fano`` (neuron, window): 0 for a clock, 1 for a Poisson process, CV^2 of a renewal process in long
        windows, NaN without a spike; ``mean``, ``low`` and ``high`` (window), the mean over neurons with its
        bootstrap interval over neurons; ``window`` in s.

    Raises
    ------
    SpecError
        If a window is no time or longer than half of the record, or `ddof` is neither 0 nor 1.
    RecordingError
        If there is no spike, or one lies outside the record.

    References
    ----------
    U. Fano, Physical Review 72 (1947), doi:10.1103/PhysRev.72.26.

    Examples
    --------
    >>> from arcuate.analysis import fano_factor
    >>> found = fano_factor([0.1, 0.2, 0.3, 1.1], windows="1 s", duration="2 s")
    >>> found.fano.values.tolist()
    [[1.0]]
    """
    import xarray as xr

    where = "fano_factor"
    cover = check_level(level, where)
    widths = seconds_array(windows, where=where, name="windows")
    less = check_int(ddof, where=where, name="ddof", low=0, high=1)
    train = read_record(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    check_some(train.time.size, where, "a spike")
    if widths.min() <= 0 or widths.max() > train.duration / 2 * (1 + 1e-9):
        bound = f"must be > 0 and at most {train.duration / 2:g} s, half of the record"
        raise SpecError.of(where=where, name="windows", value=windows, bound=bound)
    fano = np.full((train.n_neurons, widths.size), np.nan)
    for k, width in enumerate(widths.tolist()):
        counts = count_table(train, width, where)
        mean = counts.mean(axis=0)
        np.divide(counts.var(axis=0, ddof=less), mean, out=fano[:, k], where=mean > 0)
    values = xr.DataArray(
        fano,
        dims=("neuron", "window"),
        coords={"window": ("window", widths, {"units": "s"})},
        attrs={"units": "1", "long_name": "Fano factor"},
        name="fano",
    )
    return with_interval(values, level=cover, seed=seed)


def rate_distribution(
    source: Any,
    population: str | None = None,
    *,
    bins: ArrayLike | int = 20,
    min_rate: float = 0.1,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """How rates are distributed over a population: histogram, inequality, and who is silent.

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times.
    population : str, optional
        Population of the Recording; not needed if it has one.
    bins : int or array_like, Hz
        Number of bins of equal width from 0 to the highest rate, or their edges.
    min_rate : float, Hz
        A neuron below it counts as silent (0.1 Hz, as in `summary`).
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons, silent ones included. A Recording knows it.
    duration : quantity or float in s, optional
        Length of the whole record. A Recording knows it.
    level : float
        Coverage of the intervals.
    seed : int
        Seed of the bootstrap over neurons.

    Returns
    -------
    Dataset
        ``share`` (rate) of the neurons in each bin, with ``share_low`` and ``share_high``; ``rate`` is the
        middle of a bin in Hz. ``value``, ``low`` and ``high`` (measure) of "mean" and "median" in Hz, "gini"
        (0: all rates equal) and "silent", the fraction of silent neurons.

    Raises
    ------
    SpecError
        If edges do not ascend, or the duration or the number of neurons is missing.
    RecordingError
        If a spike lies outside the record.

    Warns
    -----
    ArcuateWarning
        If rates lie outside the edges.

    Examples
    --------
    >>> from arcuate.analysis import rate_distribution
    >>> found = rate_distribution([0.1, 0.2, 0.3, 0.4], neuron=[0, 0, 1, 1], n_neurons=4, duration="1 s")
    >>> found.value.sel(measure=["gini", "silent"]).values.tolist()
    [0.5, 0.5]
    """
    import xarray as xr

    where = "rate_distribution"
    limit = check_real(min_rate, where=where, name="min_rate", low=0.0)
    cover = check_level(level, where)
    train = read_record(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    rate = rates(train.time, neuron=train.neuron, n_neurons=train.n_neurons, duration=train.duration).values
    edges = _edges(bins, float(rate.max()), where)
    place = np.searchsorted(edges, rate, side="right") - 1
    place[rate == edges[-1]] = edges.size - 2
    beyond = int(np.sum((place < 0) | (place >= edges.size - 1)))
    if beyond:
        text = f"{where}: {beyond} of {rate.size} rates lie outside the edges of bins and count in no share"
        warnings.warn(text, ArcuateWarning, stacklevel=2)
    member = (place[:, None] == np.arange(edges.size - 1)).astype(np.float64)
    picks = stream(seed, "analysis/bootstrap/neurons").integers(0, rate.size, size=(RESAMPLES, rate.size))
    names = ("mean", "median", "gini", "silent")
    draws = np.empty((RESAMPLES, len(names)))
    shares = np.empty((RESAMPLES, edges.size - 1))
    for k, pick in enumerate(picks):
        draws[k] = _four(rate[pick], limit)
        shares[k] = np.bincount(pick, minlength=rate.size) @ member / rate.size
    ends = [(1 - cover) / 2, (1 + cover) / 2]
    low, high = _quantiles(draws, ends)
    share_low, share_high = np.quantile(shares, ends, axis=0)
    return xr.Dataset(
        {
            "share": ("rate", member.mean(axis=0)),
            "share_low": ("rate", share_low),
            "share_high": ("rate", share_high),
            "value": ("measure", list(_four(rate, limit))),
            "low": ("measure", low),
            "high": ("measure", high),
        },
        coords={
            "rate": ("rate", (edges[1:] + edges[:-1]) / 2, {"units": "Hz"}),
            "measure": list(names),
            "units": ("measure", ["Hz", "Hz", "1", "1"]),
        },
        attrs={"level": cover, "n_neurons": rate.size, "min_rate": limit},
    )


def _four(rate: Floats, limit: float) -> tuple[float, float, float, float]:
    return float(rate.mean()), float(np.median(rate)), gini(rate), float(np.mean(rate < limit))


def _quantiles(draws: Floats, ends: list[float]) -> tuple[Floats, Floats]:
    """Quantiles of each column; a resample in which all are silent has no Gini coefficient."""
    low, high = np.full((2, draws.shape[1]), np.nan)
    for k, column in enumerate(draws.T):
        some = column[~np.isnan(column)]
        if some.size:
            low[k], high[k] = np.quantile(some, ends)
    return low, high


def _edges(bins: Any, top: float, where: str) -> Floats:
    if isinstance(bins, (int, np.integer)) and not isinstance(bins, bool):
        n = check_int(bins, where=where, name="bins", high=10_000)
        return np.linspace(0.0, top if top > 0 else 1.0, n + 1)
    edges = as_real(bins, where=where, name="bins").astype(np.float64)
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0):
        bound = "must be a number of bins, or edges in Hz that ascend"
        raise SpecError.of(where=where, name="bins", value=bins, bound=bound)
    return edges
