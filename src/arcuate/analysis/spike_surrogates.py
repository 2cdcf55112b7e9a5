"""Surrogates of spike trains: what stays of a measure when the timing that is asked about is destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, check_bytes, seconds
from arcuate.analysis._trains import SpikeTrains, check_some, read_record
from arcuate.analysis.spikes import number_of_bins
from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["spike_surrogate"]

KINDS = ("jitter", "interval", "trial")


def spike_surrogate(
    source: Any,
    population: str | None = None,
    *,
    kind: str,
    width: Any = None,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
    seed: int = 0,
    draw: int = 0,
) -> xr.Dataset:
    """Draw spike trains that keep some of the statistics of each neuron, and lose the rest.

    ========  ================================================================================================
    kind      what it does, and keeps
    ========  ================================================================================================
    jitter    Each spike falls anew within its window of `width`: counts in windows stay, timing within them
              does not (interval jitter, Amarasingham et al. 2012).
    interval  The intervals of each neuron come in another order after its first spike: the rate and the
              distribution of intervals stay, slow changes and all that neurons do together do not.
    trial     The trials of `width` of each neuron come in another order: the mean over trials stays, and the
              timing within each; what neurons do together in a trial does not.
    ========  ================================================================================================

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times from 0.
    population : str, optional
        Population of the Recording; not needed if it has one.
    kind : {"jitter", "interval", "trial"}
    width : quantity, optional
        Length of the windows of "jitter" or the trials of "trial"; these must fill the record.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.
    duration : quantity or float in s, optional
        Length of the whole record. A Recording knows it.
    seed : int
        Each neuron has a stream of its own, so that leaving one out moves no other.
    draw : int
        Number of the surrogate: every number gives another one.

    Returns
    -------
    Dataset, (spike,)
        ``time`` in s from the start of the record, and ``neuron``, with the attributes ``n_neurons`` and
        ``duration``: a table that every measure of spikes takes.

    Raises
    ------
    SpecError
        If a width is missing, or trials do not fill the record.
    RecordingError
        If there is no spike, or one lies outside the record.

    References
    ----------
    A. Amarasingham et al., Journal of Neurophysiology 107 (2012), doi:10.1152/jn.00633.2011.
    S. Louis, C. Borgelt and S. Grün, Analysis of Parallel Spike Trains (2010), chapter 17.

    Examples
    --------
    >>> from arcuate.analysis import spike_surrogate
    >>> times = [0.011, 0.052, 0.058]
    >>> found = spike_surrogate(times, kind="jitter", width="10 ms", duration="0.1 s")
    >>> (found.time.values // 0.01).astype(int).tolist()
    [1, 5, 5]
    """
    import xarray as xr

    where = "spike_surrogate"
    check_choice(kind, KINDS, where=where, name="kind")
    number = check_int(draw, where=where, name="draw", low=0)
    if (width is None) != (kind == "interval"):
        bound = 'is needed for "jitter" and "trial", and for them alone'
        raise SpecError.of(where=where, name="width", value=width, bound=bound)
    train = read_record(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    check_some(train.time.size, where, "a spike")
    span = 0.0 if width is None else seconds(width, where=where, name="width", low_open=True)
    n_trials = _trials(train, span, width) if kind == "trial" else 0
    time, first = np.empty_like(train.time), train.first
    for k in range(train.n_neurons):
        own = slice(first[k], first[k + 1])
        rng = stream(seed, f"analysis/spike_surrogate/{kind}/{number}/{k}")
        if kind == "jitter":
            time[own] = _jittered(train.time[own], span, train.duration, rng)
        elif kind == "interval":
            time[own] = _shuffled(train.time[own], rng)
        else:
            trial = np.minimum((train.time[own] / span * (1 + 1e-12)).astype(np.int64), n_trials - 1)
            moved = train.time[own] + (rng.permutation(n_trials)[trial] - trial) * span
            time[own] = np.sort(np.clip(moved, 0.0, train.duration))
    return xr.Dataset(
        {"time": ("spike", time, {"units": "s"}), "neuron": ("spike", train.neuron)},
        attrs={"n_neurons": train.n_neurons, "duration": train.duration},
    )


def _trials(train: SpikeTrains, span: float, width: Any) -> int:
    n = number_of_bins(span / 2, train.duration, "spike_surrogate")
    check_bytes(8 * n, where="spike_surrogate", fix="use longer trials")
    n = round(train.duration / span)
    if n < 2 or abs(n * span - train.duration) > 1e-9 * train.duration:
        bound = f"must fill the record of {train.duration:g} s two times or more"
        raise SpecError.of(where="spike_surrogate", name="width", value=width, bound=bound)
    return n


def _jittered(time: Floats, span: float, duration: float, rng: np.random.Generator) -> Floats:
    window = np.floor(time / span * (1 + 1e-12))
    low = window * span
    high = np.minimum(low + span, duration)
    return np.sort(np.minimum(low + rng.random(time.size) * np.maximum(high - low, 0.0), duration))


def _shuffled(time: Floats, rng: np.random.Generator) -> Floats:
    if time.size < 3:
        return time
    moved = time[0] + np.r_[0.0, np.cumsum(rng.permutation(np.diff(time)))]
    return np.asarray(np.minimum(moved, time[-1]))
