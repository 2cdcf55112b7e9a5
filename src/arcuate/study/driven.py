"""The trials of a drawn task through a spiking network, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from arcuate._progress import ProgressOption
from arcuate.analysis import filtered_rates
from arcuate.errors import SpecError
from arcuate.simulate import simulate
from arcuate.spec import Network, Record
from arcuate.tasks import Drive
from arcuate.tasks.blocks import time_text

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["driven_rates"]


def driven_rates(
    network: Network,
    shown: Drive,
    *,
    steps: ArrayLike | None = None,
    tau: str = "30 ms",
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.DataArray:
    """Run trials through a network and read the filtered rates of all its neurons at moments of each.

    Parameters
    ----------
    network : Network
        With one input, which gets a channel for each of the drive; its law of weights must hold for any
        number of them. Its task and read-outs are left out.
    shown : Drive
        Such as ``trials.drive("0.5 ms", hold="50 ms")``, with the step of the network.
    steps : int or array_like of int, (n_trials,) or (n_trials or 1, n_moments), optional
        The step of each trial at whose start the rates are read, from the end where it is negative; by
        default the first that asks. With two dimensions, several steps of each, in ascending order.
    tau : str or quantity
        Of the filter, two exponential stages.
    seed : int
        Of the network; its noise runs on from trial to trial.
    progress : bool, callable or None
        As everywhere.

    Returns
    -------
    DataArray, (trial, neuron) or (trial, step, neuron)
        In Hz; moments in the order in which they were given, neurons of all populations, with the coordinate
        ``population``.

    Raises
    ------
    SpecError
        If the network has not one input or another step, or a moment is not within its trial.

    Examples
    --------
    >>> import arcuate as arc
    >>> from arcuate.tasks import IntervalComparison
    >>> trials = IntervalComparison(low=2, high=6, reference=3.5).draw(3, seed=1)
    >>> shown = trials.drive("0.5 ms", hold="50 ms")
    >>> rates = driven_rates(arc.load_model("what_when_reservoir"), shown, seed=1)
    >>> rates.sizes["trial"], rates.sizes["neuron"]
    (3, 600)
    """
    import xarray as xr

    where = "driven_rates"
    n_trials, n_steps, n_channels = shown.inputs.shape
    if len(network.inputs) != 1:
        bound = f"must have one input, not {len(network.inputs)}"
        raise SpecError.of(where=where, name="network", value=network.name, bound=bound)
    if abs(float(network.dt) - shown.dt) > 1e-12:
        bound = f"must be the step of the network, {time_text(float(network.dt))}"
        raise SpecError.of(where=where, name="shown.dt", value=time_text(shown.dt), bound=bound)
    at = shown.asked.argmax(axis=1) if steps is None else np.asarray(steps)
    fits = at.shape in ((), (n_trials,)) or (at.ndim == 2 and len(at) in (1, n_trials) and at.size > 0)
    if not fits or at.dtype.kind not in "iu" or (abs(at + 0.5) > n_steps).any():
        bound = f"must be one or {n_trials} whole numbers from -{n_steps} to {n_steps - 1}, or rows of these"
        raise SpecError.of(where=where, name="steps", value=at.shape, bound=bound)
    at = at.astype(np.int64) % n_steps  # of whole numbers without a sign a difference is never below 0
    if at.ndim == 2 and (np.diff(at, axis=1) <= 0).any():
        raise SpecError.of(where=where, name="steps", bound="must ascend in each trial")
    (name, feed) = next(iter(network.inputs.items()))
    net = replace(
        network,
        inputs=[replace(feed, n_channels=n_channels)],
        readouts=(),
        task=None,
        sources={},
        record=Record(spikes=True),
    )
    duration = f"{n_trials * n_steps * shown.dt} s"
    run = simulate(net, duration, seed=seed, inputs={name: shown.series()}, progress=progress)
    starts = np.arange(n_trials) * n_steps
    times = (starts[:, None] + at if at.ndim == 2 else starts + at).reshape(-1) * shown.dt
    rates = [filtered_rates(run, one, times=times, tau=tau, dt=f"{shown.dt!r} s") for one in net.populations]
    population = np.repeat(list(net.populations), [part.shape[1] for part in rates])
    found = np.concatenate([part.values for part in rates], axis=1)
    several = at.ndim == 2
    return xr.DataArray(
        found.reshape(n_trials, -1, found.shape[1]) if several else found,
        dims=("trial", "step", "neuron") if several else ("trial", "neuron"),
        coords={"population": ("neuron", population)},
        attrs={"units": "Hz"},
    )
