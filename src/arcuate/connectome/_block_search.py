"""Search and sampling of block models: starts, climbs, and chains at several powers of the likelihood."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.special import gammaln, logsumexp

from arcuate._jit import compiled
from arcuate.connectome import _block_kernels
from arcuate.connectome._block_likelihood import Likelihood
from arcuate.connectome._graphs import Floats, Labels
from arcuate.rng import stream

__all__ = ["Found", "Workspace", "climb", "modular_communities", "nested_groups", "temper", "warm_starts"]

HEATS = np.linspace(0.0, 1.0, 12) ** 0.8
"""Powers of the likelihood of the chains that exchange states (chosen: dense near 1, where blocks melt)."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A partition and the logarithm of its joint probability with the graph."""

    labels: Labels
    group: Labels
    value: float


class Workspace:
    """A likelihood, the number of blocks there is room for, and arrays to work in.

    Parameters
    ----------
    data : Likelihood
    slots : int
        Most blocks.
    """

    def __init__(self, data: Likelihood, slots: int) -> None:
        self.data, self.slots, self.n = data, slots, len(data.pairs)
        self._room = (
            np.empty((self.n, slots, 4)),
            np.empty((2 * slots + slots * slots, 4)),
            np.empty(slots, dtype=np.int64),
        )

    def joint(self, labels: Labels, group: Labels) -> float:
        """Logarithm of the joint probability of graph and partition, up to what the graph alone gives."""
        kernel = compiled(_block_kernels.joint)
        d = self.data
        return float(kernel(d.pairs, labels, group, *self._room, d.rule, d.table))

    def log_prior(self, labels: Labels) -> float:
        """Logarithm of the prior of a partition."""
        sizes = np.unique(labels, return_counts=True)[1]
        n, b = self.n, len(sizes)
        ways = gammaln(n) - gammaln(b) - gammaln(n - b + 1.0)
        return float(gammaln(b + 1.0) + gammaln(sizes + 1.0).sum() - gammaln(n + 1.0) - ways - np.log(n))

    def run(
        self,
        labels: Labels,
        group: Labels,
        heats: Floats,
        draw: np.random.Generator,
        *,
        climbs: tuple[int, int] = (0, 1),
        opens: bool = True,
    ) -> tuple[float, Labels, Floats]:
        """Run a chain; ``labels`` is changed.

        Parameters
        ----------
        labels, group : ndarray
            Blocks of nodes and groups of blocks.
        heats : ndarray, (sweep,)
            Power of the likelihood of each sweep.
        draw : numpy.random.Generator
        climbs : (int, int)
            Rounds of a climb afterwards, and splits tried in each.
        opens : bool
            Whether a node may open a new block.

        Returns
        -------
        float, ndarray (sweep, n), ndarray (sweep,)
            The joint probability at the end, labels and log likelihoods after each sweep.
        """
        d = self.data
        kept, trace = np.empty((len(heats), self.n), dtype=np.int64), np.empty(len(heats))
        value = compiled(_block_kernels.run_chain)(
            d.pairs,
            labels,
            group,
            *self._room,
            d.rule,
            d.table,
            heats,
            draw.random((len(heats), self.n)),
            draw.random((*climbs, self.n + 1)),
            opens,
            kept,
            trace,
        )
        return float(value), kept, trace


def _spectral(residual: Floats, vectors: Floats, values: Floats, k: int, draw: np.random.Generator) -> Labels:
    """k-means on the leading eigenvectors by absolute value, rows normalized."""
    order = np.argsort(-np.abs(values), kind="stable")[: max(k - 1, 1)]
    points = vectors[:, order] * np.abs(values[order])
    if k > 2:
        points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    n = len(residual)
    centers = points[draw.choice(n, size=k, replace=False)]
    _, labels = kmeans2(points, centers, minit="matrix", iter=10, missing="warn")
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def modular_communities(excess: Floats, draw: np.random.Generator) -> Labels:
    """Communities within which pairs exceed their expectation, by moving nodes, then whole communities.

    The scheme of Blondel et al. 2008, begun anew from the nodes after each round, as Traag et al. 2019 do.

    Parameters
    ----------
    excess : ndarray, (n, n)
        Weights less their expectation.
    draw : numpy.random.Generator
        Gives the order of moves.

    Returns
    -------
    ndarray, (n,), int64
    """
    move = compiled(_block_kernels.move_modular)
    n = len(excess)
    labels = np.arange(n, dtype=np.int64)
    for _ in range(5):
        moved = move(excess, labels, draw.permutation(n))
        while True:
            labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
            one = np.eye(int(labels.max()) + 1)[labels]
            above = np.arange(one.shape[1], dtype=np.int64)
            if move(np.ascontiguousarray(one.T @ excess @ one), above, draw.permutation(one.shape[1])) == 0:
                break
            labels = above[labels]
        if moved == 0:
            break
    return labels


def _starts(space: Workspace, n_starts: int, seed: int, name: str) -> list[Labels]:
    """Of every four: one modular, two spectral with 2 blocks and more, one random; residuals in turn."""
    residuals = space.data.residuals
    spectra = [np.linalg.eigh(residual) for residual in residuals]
    most = max(2, min(space.slots, 10, space.n - 1))
    starts = []
    for k in range(n_starts):
        draw = stream(seed, f"{name}/start/{k}")
        size = 2 + k % max(most - 1, 1)
        which = (k // 4 if k % 4 == 0 else k) % len(residuals)
        if k % 4 == 0:
            labels = modular_communities(residuals[which], draw)
            starts.append(np.minimum(labels, space.slots - 1))
        elif k % 4 == 3 or space.n <= size:
            first = draw.integers(0, min(size, space.slots), space.n)
            starts.append(np.unique(first, return_inverse=True)[1].astype(np.int64))
        else:
            values, vectors = spectra[which]
            with warnings.catch_warnings():  # a center without points is no trouble
                warnings.simplefilter("ignore", UserWarning)
                starts.append(_spectral(residuals[which], vectors, values, size, draw))
    return starts


def climb(
    data: Likelihood,
    group: Labels,
    *,
    n_starts: int,
    n_sweeps: int,
    seed: int,
    name: str,
    threads: int,
    progress: Callable[[int], None] | None,
) -> list[Found]:
    """Local maxima of the joint probability, the best first; the same for any number of threads.

    Parameters
    ----------
    data : Likelihood
    group : ndarray, (slot,)
        Groups of blocks: all 0 for a planted partition, all different for a flat prior.
    n_starts, n_sweeps : int
        Starts, and Gibbs sweeps of each before it climbs.
    seed : int
    name : str
        Address of the random numbers.
    threads : int
        Starts that run side by side.
    progress : callable or None
        Told of each start.

    Returns
    -------
    list of Found
    """
    starts = _starts(Workspace(data, len(group)), n_starts, seed, name)
    starts.append(np.zeros(len(data.pairs), dtype=np.int64))

    def run(k: int) -> Found:
        space = Workspace(data, len(group))
        labels = starts[k].copy()
        sweeps = np.ones(n_sweeps if k < n_starts else 0)
        draw = stream(seed, f"{name}/chain/{k}")
        value, _, _ = space.run(labels, group, sweeps, draw, climbs=(4, 6))
        if progress is not None:
            progress(1)
        return Found(labels=labels, group=group, value=value)

    if threads == 1:
        found = [run(k) for k in range(len(starts))]
    else:
        with ThreadPoolExecutor(max_workers=threads) as pool:
            found = list(pool.map(run, range(len(starts))))
    return sorted(found, key=lambda one: -one.value)


def warm_starts(space: Workspace, group: Labels, *, n_starts: int, seed: int, name: str) -> list[Labels]:
    """Where short chains from starts of several blocks are, those with the highest likelihood first.

    Parameters
    ----------
    space : Workspace
    group : ndarray, (slot,)
    n_starts : int
    seed, name
        Address of the random numbers.

    Returns
    -------
    list of ndarray, (n,)
    """
    found = []
    for k, labels in enumerate(_starts(space, n_starts, seed, f"{name}/warm")):
        if k % 4 == 3:  # random
            continue
        draw = stream(seed, f"{name}/warm/{k}")
        _, _, trace = space.run(labels, group, np.ones(12), draw)
        found.append((-float(trace[6:].mean()), k, labels))
    return [labels for _, _, labels in sorted(found, key=lambda one: one[:2])]


def temper(
    space: Workspace, starts: list[Labels], group: Labels, *, rounds: int, seed: int, name: str
) -> tuple[float, Labels, Floats]:
    """Chains at several powers of the likelihood that exchange states: evidence over all partitions, samples.

    Exchange Monte Carlo (Hukushima and Nemoto 1996). The logarithm of the evidence is that of the multistate
    Bennett acceptance ratio over all chains (Shirts and Chodera 2008), against the prior at power 0.

    Parameters
    ----------
    space : Workspace
    starts : list of ndarray
        Partitions that the chains begin with, in turn.
    group : ndarray, (slot,)
    rounds : int
        Rounds of two sweeps of every chain and an exchange; the first third is thrown away.
    seed, name
        Address of the random numbers.

    Returns
    -------
    float, ndarray (sample, n), ndarray (sample,)
        Log evidence, and the samples at power 1 with their log likelihoods.
    """
    n_heats = len(HEATS)
    draw = stream(seed, f"{name}/temper")
    states = [np.ascontiguousarray(starts[k % len(starts)]).copy() for k in range(n_heats)]
    kept: list[list[Floats]] = [[] for _ in HEATS]
    samples, traces = [], []
    for turn in range(rounds):
        ends = np.empty(n_heats)
        for k, heat in enumerate(HEATS):
            _, labels, trace = space.run(states[k], group, np.full(2, heat), draw)
            ends[k] = trace[-1]
            if turn >= rounds // 3:
                kept[k].append(trace)
                if k == n_heats - 1:
                    samples.append(labels)
                    traces.append(trace)
        for k in range(turn % 2, n_heats - 1, 2):
            rise = (HEATS[k + 1] - HEATS[k]) * (ends[k] - ends[k + 1])
            if np.log(draw.random()) < rise:
                states[k], states[k + 1] = states[k + 1], states[k]
                ends[k], ends[k + 1] = ends[k + 1], ends[k]
    values = np.concatenate([np.concatenate(chain) for chain in kept])
    return _evidence(values, n_heats), np.concatenate(samples), np.concatenate(traces)


def _evidence(values: Floats, n_heats: int) -> float:
    """Logarithm of the normalizer at power 1 over that at power 0, from log likelihoods of equally many
    each.
    """
    each = np.log(len(values) / n_heats)
    terms = HEATS[:, None] * values[None, :]
    log_z = np.zeros(n_heats)
    for _ in range(200):
        below = logsumexp(terms - log_z[:, None] + each, axis=0)
        new = logsumexp(terms - below[None, :], axis=1)
        new -= new[0]
        done = np.abs(new - log_z).max() < 1e-4
        log_z = new
        if done:
            break
    return float(log_z[-1])


def nested_groups(space: Workspace, best: Found, *, seed: int, name: str) -> tuple[Found, float]:
    """Groups of blocks that share their rates: greedy merges of groups, then nodes move under the groups.

    Parameters
    ----------
    space : Workspace
    best : Found
        Partition to start from.
    seed, name
        Address of the random numbers.

    Returns
    -------
    Found, float
        Partition with groups, and the logarithm of its joint probability including the prior of the groups.
    """
    labels = np.unique(best.labels, return_inverse=True)[1].astype(np.int64)
    n_blocks = int(labels.max()) + 1
    group = np.arange(space.slots, dtype=np.int64)

    def value(z: Labels, y: Labels) -> float:
        return space.joint(z, y) + _log_groups(y[:n_blocks])

    now = value(labels, group)
    better = True
    while better:
        better = False
        names = np.unique(group[:n_blocks])
        for k, g in enumerate(names):
            for h in names[:k]:
                trial = np.where(group == g, h, group)
                new = value(labels, trial)
                if new > now + 1e-9:
                    now, group, better = new, trial, True
                    break
            if better:
                break
    trial_labels = labels.copy()
    draw = stream(seed, f"{name}/nested")
    space.run(trial_labels, group, np.empty(0), draw, climbs=(2, 1), opens=False)
    if len(np.unique(trial_labels)) == n_blocks and value(trial_labels, group) > now:
        labels, now = trial_labels, value(trial_labels, group)
    return Found(labels=labels, group=group, value=now), now


def _log_groups(group: Labels) -> float:
    """Prior of the groups of blocks, of the form that blocks of nodes have."""
    sizes = np.unique(group, return_counts=True)[1]
    b, g = len(group), len(sizes)
    ways = gammaln(b) - gammaln(g) - gammaln(b - g + 1.0)
    return float(gammaln(g + 1.0) + gammaln(sizes + 1.0).sum() - gammaln(b + 1.0) - ways - np.log(b))
