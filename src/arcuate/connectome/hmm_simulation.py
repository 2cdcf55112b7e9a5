"""Networks whose coupling switches, with the truth known: the simulation of the one-hot HMM-GLM's paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from arcuate.connectome.glm import NONLINEARITIES, check_bias, exponential_basis, rates_in_place
from arcuate.errors import NonFiniteError, SpecError, check_array, check_choice, check_int, check_real
from arcuate.rng import check_seed, stream

__all__ = ["SwitchingNetwork", "sample_counts", "switching_network"]

MOST = 1e6
"""Spikes per bin at which a simulation has blown up."""


@dataclass(frozen=True, kw_only=True)
class SwitchingNetwork:
    """Parameters of a network that switches between couplings.

    Attributes
    ----------
    weights : ndarray, (S, N, N)
        By state, neuron that receives, neuron that sends.
    bias : ndarray, (N,)
    transition : ndarray, (S, S)
    basis : ndarray, (K,)
    probability : ndarray, (N, N, 3)
        Of each pair being inhibitory, absent, excitatory; the same in all states.
    """

    weights: np.ndarray
    bias: np.ndarray
    transition: np.ndarray
    basis: np.ndarray
    probability: np.ndarray

    @property
    def adjacency(self) -> np.ndarray:
        """Signs of the weights (S, N, N): -1, 0 or 1."""
        return np.sign(self.weights).astype(int)

    def sample(
        self, n_bins: int, *, n_sequences: int = 1, seed: int | None = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw states and spike counts.

        Parameters
        ----------
        n_bins, n_sequences : int
        seed : int or None

        Returns
        -------
        spikes : ndarray of int, (n_sequences, n_bins, N)
        states : ndarray of int, (n_sequences, n_bins)
        """
        return sample_counts(
            self.weights,
            self.bias,
            self.transition,
            basis=self.basis,
            n_bins=n_bins,
            n_sequences=n_sequences,
            seed=seed,
        )


def switching_network(
    n_states: int = 5,
    n_neurons: int = 20,
    *,
    sparsity: float = 0.2,
    excitatory: float = 0.5,
    stay: float = 0.98,
    seed: int | None = 0,
) -> SwitchingNetwork:
    """Draw a network as in the simulation of the one-hot HMM-GLM (Li and others 2024, arXiv 2310.15263).

    The probabilities of a pair are Dirichlet with ``2 [sparsity (1 - excitatory), 1 - sparsity, sparsity
    excitatory]``; each state draws its categories from them. A present weight has the size ``ln(1 + 3u)``
    with u uniform, biases lie uniformly within 0.05 of zero, and the basis has five bins.

    Parameters
    ----------
    n_states, n_neurons : int
    sparsity : float
        Mean share of pairs that are connected.
    excitatory : float
        Mean share of excitatory ones among them.
    stay : float
        Probability per bin that a state stays.
    seed : int or None

    Returns
    -------
    SwitchingNetwork

    Raises
    ------
    SpecError
        If a value is out of bounds.

    Examples
    --------
    >>> network = switching_network(2, 4, seed=1)
    >>> spikes, states = network.sample(100, n_sequences=3, seed=1)
    >>> spikes.shape, states.shape
    ((3, 100, 4), (3, 100))
    """
    where = "switching_network"
    s = check_int(n_states, where=where, name="n_states")
    n = check_int(n_neurons, where=where, name="n_neurons")
    shares = [
        check_real(value, where=where, name=name, low=0, high=1, low_open=True, high_open=True)
        for name, value in (("sparsity", sparsity), ("excitatory", excitatory), ("stay", stay))
    ]
    rng = stream(check_seed(seed), "hmmglm/network")
    mean = np.array([shares[0] * (1 - shares[1]), 1 - shares[0], shares[0] * shares[1]])
    probability = rng.dirichlet(2 * mean, size=(n, n))
    edges = probability.cumsum(-1)[..., :2]
    signs = (rng.random((s, n, n, 1)) > edges).sum(-1) - 1
    matrix = np.full((s, s), (1 - shares[2]) / max(s - 1, 1))
    np.fill_diagonal(matrix, shares[2] if s > 1 else 1.0)
    return SwitchingNetwork(
        weights=signs * np.log1p(3 * rng.random((s, n, n))),
        bias=0.1 * (rng.random(n) - 0.5),
        transition=matrix,
        basis=exponential_basis(5),
        probability=probability,
    )


def sample_counts(
    weights: ArrayLike,
    bias: ArrayLike,
    transition: ArrayLike,
    *,
    basis: ArrayLike,
    nonlinearity: str = "sigmoid",
    n_bins: int,
    n_sequences: int = 1,
    seed: int | None = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw states and Poisson counts of an HMM-GLM, all sequences side by side.

    Parameters
    ----------
    weights : array_like, (S, N, N)
    bias : array_like, (N,) or (S, N)
    transition : array_like, (S, S)
    basis : array_like, (K,)
    nonlinearity : {"sigmoid", "softplus", "exp"}
    n_bins, n_sequences : int
    seed : int or None

    Returns
    -------
    spikes : ndarray of int, (n_sequences, n_bins, N)
    states : ndarray of int, (n_sequences, n_bins)

    Raises
    ------
    SpecError
        If shapes do not fit.
    NonFiniteError
        If a rate exceeds a million spikes per bin; it names the bin.

    Examples
    --------
    >>> spikes, states = sample_counts([[[0.0]]], [0.0], [[1.0]], basis=[1.0], n_bins=4)
    >>> spikes.shape, states.tolist()
    ((1, 4, 1), [[0, 0, 0, 0]])
    """
    where = "sample_counts"
    kind = check_choice(nonlinearity, NONLINEARITIES, where=where, name="nonlinearity")
    w = check_array(weights, where=where, name="weights", shape=(None, None, None))
    n_states, n = w.shape[:2]
    if w.shape[2] != n or not n or not n_states:
        raise SpecError.of(where=where, name="weights", value=w, bound="must have shape (S, N, N)")
    level = check_bias(bias, n_states, n, where=where)
    matrix = check_array(transition, where=where, name="transition", shape=(n_states, n_states))
    if (matrix < 0).any() or not np.allclose(matrix.sum(1), 1, atol=1e-6):
        raise SpecError.of(where=where, name="transition", value=matrix, bound="rows must have the sum 1")
    past = check_array(basis, where=where, name="basis", shape=(None,))
    bins = check_int(n_bins, where=where, name="n_bins")
    many = check_int(n_sequences, where=where, name="n_sequences")
    rng = stream(check_seed(seed), "hmmglm/sample")
    states = _chains(matrix, bins, many, rng)
    spikes = np.zeros((many, len(past) + bins, n))
    for t in range(bins):
        history = np.einsum("k,qkn->qn", past[::-1], spikes[:, t : t + len(past)])
        drive = level[states[:, t]] + np.einsum("qij,qj->qi", w[states[:, t]], history)
        rates = rates_in_place(drive, kind)
        if not rates.max() < MOST:
            bound = f"a rate exceeds {MOST:g} spikes per bin in bin {t}"
            fix = 'use nonlinearity="sigmoid" or weaker weights'
            raise NonFiniteError.of(where=where, bound=bound, fix=fix)
        spikes[:, t + len(past)] = rng.poisson(rates)
    return spikes[:, len(past) :].astype(np.int64), states


def _chains(matrix: np.ndarray, bins: int, many: int, rng: np.random.Generator) -> np.ndarray:
    """States (many, bins) of Markov chains that begin anywhere."""
    n_states = len(matrix)
    edges = matrix.cumsum(1)[:, :-1]
    states = np.empty((many, bins), np.int64)
    states[:, 0] = rng.integers(n_states, size=many)
    for t in range(1, bins):
        states[:, t] = (rng.random(many)[:, None] > edges[states[:, t - 1]]).sum(1)
    return states
