"""Calcium traces with known communities: neurons that join shared events while their community is active.

What a factorization of affinities should find is known here: who belongs to a community, when it is
active, and in which animals. A neuron can be silenced, and nothing else changes by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arcuate.connectome.match import align_components, congruence
from arcuate.errors import SpecError, check_int, check_real
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SharedEvents", "SimulatedTraces"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedTraces:
    """Traces drawn by `SharedEvents`, and what made them. Arrays are read-only.

    Parameters
    ----------
    traces : xarray.DataArray, (animal, neuron, time)
        Calcium traces, in units of the peak of a transient of amplitude 1; NaN where a neuron is missing.
    members : ndarray, (n_communities, n_neurons), bool
        Who belongs to a community.
    active : ndarray, (n_communities, n_frames), bool
        When a community is active.
    present : ndarray, (n_communities, n_animals), bool
        In which animals a community is active.

    Examples
    --------
    >>> drawn = SharedEvents(n_animals=2).draw(1)
    >>> drawn.traces.dims, drawn.members.shape, drawn.pairs.shape
    (('animal', 'neuron', 'time'), (5, 40), (5, 780))
    """

    traces: xr.DataArray
    members: NDArray[np.bool_]
    active: NDArray[np.bool_]
    present: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for array in (self.members, self.active, self.present):
            array.flags.writeable = False

    @property
    def pairs(self) -> NDArray[np.bool_]:
        """Pairs within a community, in the order of `affinity`: (n_communities, n_pairs)."""
        first, second = np.triu_indices(self.members.shape[1], 1)
        return self.members[:, first] & self.members[:, second]

    def recovery(self, model: Any) -> xr.Dataset:
        """Hold the components of a factorization against what made the traces.

        Parameters
        ----------
        model : NTF or sequence of ndarray
            Fitted to affinities (pair, time, animal) of these traces, with as many components as there are
            communities, or more.

        Returns
        -------
        xarray.Dataset
            For each ``community`` the ``component`` that matches it best (each is used once), the cosines
            ``pair``, ``time`` and ``animal`` of its factors with who, when and in which animals, and ``auc``,
            the probability that a pair within the community has the larger loading than one that is not.

        Raises
        ------
        SpecError
            If dimensions do not fit, or there are fewer components than communities.

        Examples
        --------
        >>> drawn = SharedEvents(n_animals=2).draw(1)
        >>> truth = [rows.T.astype(float) for rows in (drawn.pairs, drawn.active, drawn.present)]
        >>> float(drawn.recovery(truth).auc.min())
        1.0
        """
        import xarray as xr
        from scipy.stats import rankdata

        truth = [rows.T.astype(np.float64) for rows in (self.pairs, self.active, self.present)]
        factors = [np.asarray(factor) for factor in getattr(model, "factors_", model)]
        n = truth[0].shape[1]
        if factors[0].shape[1] < n:
            bound = f"must have a component for each of the {n} communities"
            raise SpecError.of(where="recovery", name="model", value=factors[0].shape[1], bound=bound)
        order = align_components(factors, truth)[:n]
        found = {"component": order}
        for name, factor, known in zip(("pair", "time", "animal"), factors, truth, strict=True):
            found[name] = congruence([factor[:, order]], [known]).diagonal()
        within = self.pairs.sum(axis=1)
        ranks = rankdata(factors[0][:, order], axis=0).T
        above = (ranks * self.pairs).sum(axis=1) - within * (within + 1) / 2
        found["auc"] = above / (within * (self.pairs.shape[1] - within))
        return xr.Dataset({name: ("community", values) for name, values in found.items()})


@dataclass(frozen=True, kw_only=True)
class SharedEvents:
    """Draw traces of neurons in communities that are active for a part of the time, in some of the animals.

    While a community is active it has events at random, in every animal its own. A member joins an event
    with some probability, a little earlier or later, with an amplitude of its own. An event becomes a
    transient ``exp(-t / decay) - exp(-t / rise)`` of peak 1; white noise is added. Neurons have private
    events too. Defaults are chosen, except where a sentence says otherwise.

    Parameters
    ----------
    n_neurons, n_animals, n_frames : int
        Sizes.
    rate_hz : float, Hz
        Frames a second.
    n_communities, size : int
        Number of communities, and of neurons in each. Members are drawn for each community by themselves, so
        that communities overlap by chance.
    active_share : float
        Share of the time that a community is active, in one piece, in all animals at the same time. These
        pieces lie evenly from start to end, in an order drawn by chance.
    present_share : float
        Probability that a community is active in an animal; it is active in at least one.
    event_rate, private_rate : float
        Events of a community, and private events of a neuron, per frame.
    join : float
        Probability that a member joins an event.
    jitter : float, s
        Standard deviation of the time at which it joins.
    rise, decay : float, s
        Time constants of a transient.
    noise : float
        Standard deviation of white noise, relative to the peak of a transient of amplitude 1.
    missing : float
        Probability that a neuron is missing in an animal; every neuron is there in at least one.
    stimulus : sequence of (float, float), s
        Start and end of epochs of a stimulus. If there are any, the first community is active in these
        epochs, in all animals, and no other is changed by it.
    silenced : sequence of int
        Neurons that join no event of any community. All else is as it would be without.

    Examples
    --------
    >>> whole = SharedEvents(n_animals=2, noise=0.05).draw(3).traces
    >>> silent = SharedEvents(n_animals=2, noise=0.05, silenced=(7,)).draw(3).traces
    >>> changed = (whole != silent).any(("animal", "time")).values
    >>> changed.nonzero()[0].tolist()
    [7]
    """

    n_neurons: int = 40
    n_animals: int = 8
    n_frames: int = 960
    rate_hz: float = 4.0
    n_communities: int = 5
    size: int = 10
    active_share: float = 0.22
    present_share: float = 0.7
    event_rate: float = 0.06
    private_rate: float = 0.01
    join: float = 0.85
    jitter: float = 0.25
    rise: float = 0.3
    decay: float = 3.0
    noise: float = 0.15
    missing: float = 0.0
    stimulus: Sequence[tuple[float, float]] = ()
    silenced: Sequence[int] = ()

    def __post_init__(self) -> None:
        where = "SharedEvents"
        check_int(self.n_neurons, where=where, name="n_neurons", low=2)
        for name in ("n_animals", "n_communities"):
            check_int(getattr(self, name), where=where, name=name)
        check_int(self.n_frames, where=where, name="n_frames", low=8)
        check_int(self.size, where=where, name="size", low=2, high=self.n_neurons)
        for name in ("rate_hz", "rise", "decay"):
            check_real(getattr(self, name), where=where, name=name, low=0, low_open=True)
        if self.decay <= self.rise:
            bound = f"must be longer than the rise, {self.rise} s"
            raise SpecError.of(where=where, name="decay", value=self.decay, bound=bound)
        for name in ("active_share", "present_share", "join"):
            check_real(getattr(self, name), where=where, name=name, low=0, high=1)
        check_real(self.missing, where=where, name="missing", low=0, high=1, high_open=True)
        for name in ("event_rate", "private_rate", "jitter", "noise"):
            check_real(getattr(self, name), where=where, name=name, low=0)
        for neuron in self.silenced:
            check_int(neuron, where=where, name="silenced", low=0, high=self.n_neurons - 1)
        for epoch in self.stimulus:
            if len(epoch) != 2 or not 0 <= epoch[0] < epoch[1] <= self.n_frames / self.rate_hz:
                bound = f"must be (start, end) within 0 to {self.n_frames / self.rate_hz:g} s"
                raise SpecError.of(where=where, name="stimulus", value=epoch, bound=bound)

    def draw(self, seed: int) -> SimulatedTraces:
        """Draw traces of all animals.

        Parameters
        ----------
        seed : int
            Seed of everything that is drawn.

        Returns
        -------
        SimulatedTraces

        Examples
        --------
        >>> SharedEvents(n_animals=3, missing=0.2).draw(1).traces.sizes["animal"]
        3
        """
        import xarray as xr

        members, active, present = self._communities(seed)
        values = np.empty((self.n_animals, self.n_neurons, self.n_frames))
        for animal in range(self.n_animals):
            impulses = self._impulses(members, active & present[:, animal, None], f"{animal}", seed)
            values[animal] = self._transients(impulses)
            values[animal] += self.noise * stream(seed, f"events/{animal}/noise").normal(
                size=values.shape[1:]
            )
        gone = stream(seed, "events/missing").random((self.n_animals, self.n_neurons)) < self.missing
        gone[0, gone.all(axis=0)] = False
        values[gone] = np.nan
        traces = xr.DataArray(
            values,
            dims=("animal", "neuron", "time"),
            coords={
                "animal": [f"animal {k}" for k in range(self.n_animals)],
                "neuron": [f"N{k:0{len(str(self.n_neurons - 1))}d}" for k in range(self.n_neurons)],
                "time": np.arange(self.n_frames) / self.rate_hz,
            },
            attrs={"units": "peak of a transient", "rate_hz": float(self.rate_hz)},
        )
        return SimulatedTraces(traces=traces, members=members, active=active, present=present)

    def _communities(self, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Who, when, and in which animals."""
        members = np.zeros((self.n_communities, self.n_neurons), bool)
        active = np.zeros((self.n_communities, self.n_frames), bool)
        present = np.zeros((self.n_communities, self.n_animals), bool)
        long = round(self.active_share * self.n_frames)
        starts = np.linspace(0, self.n_frames - long, self.n_communities).astype(int)
        starts = stream(seed, "events/order").permutation(starts)
        for k in range(self.n_communities):
            rng = stream(seed, f"events/community {k}")
            members[k, rng.choice(self.n_neurons, self.size, replace=False)] = True
            active[k, starts[k] : starts[k] + long] = True
            present[k] = rng.random(self.n_animals) < self.present_share
            if not present[k].any():
                present[k, rng.integers(self.n_animals)] = True
        if self.stimulus:
            time = np.arange(self.n_frames) / self.rate_hz
            active[0] = np.any([(time >= start) & (time < end) for start, end in self.stimulus], axis=0)
            present[0] = True
        return members, active, present

    def _impulses(
        self, members: NDArray[np.bool_], active: NDArray[np.bool_], animal: str, seed: int
    ) -> Floats:
        """Amplitudes of what each neuron of an animal joins, at every frame: (n_neurons, n_frames)."""
        rng = stream(seed, f"events/{animal}/private")
        counts = rng.poisson(self.private_rate, size=(self.n_neurons, self.n_frames))
        impulses = np.where(counts > 0, rng.gamma(4 * np.maximum(counts, 1), 0.25), 0.0)
        spread = self.jitter * self.rate_hz
        for k, (who, when) in enumerate(zip(members, active, strict=True)):
            rng = stream(seed, f"events/{animal}/community {k}")
            frames = np.repeat(np.arange(self.n_frames), rng.poisson(self.event_rate, self.n_frames) * when)
            shape = (self.n_neurons, frames.size)
            joins = (rng.random(shape) < self.join) & who[:, None]
            joins[list(self.silenced)] = False
            amplitude = rng.gamma(4, 0.25, size=shape)
            at = np.rint(frames + spread * rng.normal(size=shape)).astype(np.int64)
            neuron, event = np.nonzero(joins & (at >= 0) & (at < self.n_frames))
            np.add.at(impulses, (neuron, at[neuron, event]), amplitude[neuron, event])
        return impulses

    def _transients(self, impulses: Floats) -> Floats:
        """Every impulse as a transient of its amplitude."""
        from scipy.signal import lfilter

        peak_at = np.log(self.decay / self.rise) * self.rise * self.decay / (self.decay - self.rise)
        peak = np.exp(-peak_at / self.decay) - np.exp(-peak_at / self.rise)
        slow, fast = (np.exp(-1 / (self.rate_hz * tau)) for tau in (self.decay, self.rise))
        whole: Floats = lfilter([1.0], [1, -slow], impulses) - lfilter([1.0], [1, -fast], impulses)
        return whole / peak
