"""From spikes to tokens: a spiking recording drives a memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._inputs import check_bytes
from arcuate._jit import compiled
from arcuate.errors import SpecError, check_array, check_int, check_real
from arcuate.memory._kernels import trace_spikes
from arcuate.memory.pmi import standardize
from arcuate.rng import check_seed, stream
from arcuate.units import to_si

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SpikeStateTokenizer", "bursts"]


class SpikeStateTokenizer:
    """Filtered spike trains, projected by fixed random weights, one token every few steps.

    Each spike adds one to its neuron's trace, which decays with ``tau``; every ``sample_every`` the traces of
    all neurons give one token, ``norm(P r)`` with zero mean and unit variance over its features.

    Parameters
    ----------
    n_neurons, d_out : int
        Neurons of the population, and width of a token.
    tau : quantity
        Time constant of the traces ("20 ms", chosen).
    sample_every : quantity
        Time between tokens ("50 ms", chosen).
    seed : int
        Address of the projection: ``memory/tokenizer``.

    Raises
    ------
    SpecError
        If a number is out of bounds.
    MemoryLimitError
        If the projection would not fit into memory.

    Examples
    --------
    >>> tokenizer = SpikeStateTokenizer(3, 4, seed=1)
    >>> tokenizer.tokens([0.01, 0.02], [0, 2], duration="100 ms").shape
    (2, 4)
    """

    def __init__(
        self,
        n_neurons: int,
        d_out: int,
        *,
        tau: Any = "20 ms",
        sample_every: Any = "50 ms",
        seed: int = 0,
    ) -> None:
        where = "SpikeStateTokenizer"
        self.n_neurons = check_int(n_neurons, where=where, name="n_neurons")
        self.d_out = check_int(d_out, where=where, name="d_out", low=2)
        self.tau = _duration(tau, where, "tau")
        self.sample_every = _duration(sample_every, where, "sample_every")
        check_bytes(16 * d_out * n_neurons, where=where, fix="use fewer neurons or a smaller d_out")
        drawn = stream(check_seed(seed), "memory/tokenizer").standard_normal((d_out, n_neurons))
        self.projection = drawn / math.sqrt(n_neurons)

    def tokens(self, times: Any, neurons: Any, *, duration: Any) -> xr.DataArray:
        """Turn spikes into tokens.

        Parameters
        ----------
        times : array_like, (n_spikes,), s
            In ascending order, as `Recording.spike_arrays` gives them.
        neurons : array_like of int, (n_spikes,)
        duration : quantity
            Length of the recording.

        Returns
        -------
        xarray.DataArray, (token, unit)
            With the time of each token, in s. A token is zero where no neuron has fired yet.

        Raises
        ------
        SpecError
            If times are not ascending or negative, a neuron does not exist, or there is not one token.
        MemoryLimitError
            If the tokens would not fit into memory.

        Examples
        --------
        >>> tokens = SpikeStateTokenizer(3, 4).tokens([0.06], [1], duration="100 ms")
        >>> bool(tokens[0].any()), bool(tokens[1].any())
        (False, True)
        """
        import xarray as xr

        where = "SpikeStateTokenizer"
        t, index = _spikes(times, neurons, where, self.n_neurons)
        n = math.floor(_duration(duration, where, "duration") / self.sample_every + 1e-9)
        if n < 1:
            fix = "use a longer recording or a shorter sample_every"
            bound = f"must be >= sample_every = {self.sample_every:g} s"
            raise SpecError.of(where=where, name="duration", value=str(duration), bound=bound, fix=fix)
        need = 8 * n * (self.n_neurons + 3 * self.d_out + 2)
        check_bytes(need, where=where, fix="take a part of the recording, or use a longer sample_every")
        sampled = self.sample_every * np.arange(1, n + 1)
        traces = np.empty((n, self.n_neurons))
        compiled(trace_spikes)(t, index, sampled, self.tau, traces)
        x = standardize(traces @ self.projection.T)
        x[~traces.any(axis=1)] = 0.0
        return xr.DataArray(x, dims=("token", "unit"), coords={"time": ("token", sampled)}, name="token")


def bursts(
    times: Any,
    *,
    duration: Any,
    bin_width: Any = "5 ms",
    shortest: Any = "20 ms",
    threshold: float = 3.0,
) -> xr.DataArray:
    """Find when a population fires together, as in a ripple: the moments to consolidate.

    Parameters
    ----------
    times : array_like, (n_spikes,), s
        Of all neurons.
    duration : quantity
        Length of the recording.
    bin_width : quantity
        Of the population's rate ("5 ms", chosen).
    shortest : quantity
        A burst lasts at least that ("20 ms", chosen).
    threshold : float
        Standard deviations over the mean of the rate (3, chosen).

    Returns
    -------
    xarray.DataArray, (event, edge)
        Start and stop of each burst, s.

    Raises
    ------
    SpecError
        If times or a number are not valid.
    MemoryLimitError
        If the rate would not fit into memory.

    Examples
    --------
    >>> calm, burst = np.arange(0.0, 1.0, 0.01), np.linspace(0.5, 0.53, 300)
    >>> bursts(np.sort(np.concatenate((calm, burst))), duration="1 s").values.round(3)
    array([[0.5 , 0.53]])
    """
    import xarray as xr

    t, _ = _spikes(times, None, "bursts", 1)
    width, least = _duration(bin_width, "bursts", "bin_width"), _duration(shortest, "bursts", "shortest")
    check_real(threshold, where="bursts", name="threshold", low=0)
    n = math.ceil(_duration(duration, "bursts", "duration") / width - 1e-9)
    n_bins = max(n, math.ceil(float(t[-1]) / width) + 1) if len(t) else n
    check_bytes(40 * n_bins, where="bursts", fix="use a longer bin_width")
    counts = np.bincount((t / width + 1e-9).astype(int), minlength=n)[:n]
    over = counts > counts.mean() + threshold * counts.std()
    edges = np.flatnonzero(np.diff(np.concatenate(([False], over, [False]))))
    spans = edges.reshape(-1, 2) * width
    spans = spans[spans[:, 1] - spans[:, 0] >= least - 1e-9]
    return xr.DataArray(spans, dims=("event", "edge"), coords={"edge": ["start", "stop"]}, name="burst")


def _duration(value: Any, where: str, name: str) -> float:
    return check_real(to_si(value, "s", where=where, name=name), where=where, name=name, low=0, low_open=True)


def _spikes(times: Any, neurons: Any, where: str, n_neurons: int) -> tuple[np.ndarray, np.ndarray]:
    t = check_array(times, where=where, name="times", shape=(None,))
    index = np.zeros(len(t), int)
    if neurons is not None:
        index = check_array(neurons, where=where, name="neurons", shape=(len(t),), dtype=int)
    if len(t) and (t[0] < 0 or (np.diff(t) < 0).any()):
        raise SpecError.of(where=where, name="times", value=t, bound="must be >= 0 and ascend")
    if len(index) and (index.min() < 0 or index.max() >= n_neurons):
        worst = int(index.max() if index.max() >= n_neurons else index.min())
        raise SpecError.of(where=where, name="neurons", value=worst, bound=f"must be 0 to {n_neurons - 1}")
    return t, index
