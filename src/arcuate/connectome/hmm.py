"""Hidden Markov chains: posteriors of the states, the best path, and matching states between fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from arcuate._jit import compiled
from arcuate.connectome._hmm_kernels import best_path, smooth
from arcuate.errors import NonFiniteError, SpecError, check_array, check_int

__all__ = ["StatePosterior", "forward_backward", "match_states", "viterbi"]

NO_WAY = -1e300
"""Log probability of what cannot happen."""


@dataclass(frozen=True, kw_only=True)
class StatePosterior:
    """What a sequence says about its states.

    Attributes
    ----------
    posterior : ndarray, (T, S)
        Probability of each state in each bin, given the whole sequence.
    transitions : ndarray, (S, S)
        Expected number of steps from each state (rows) to each.
    log_likelihood : float
        Log probability of the sequence, in nats.
    """

    posterior: np.ndarray
    transitions: np.ndarray
    log_likelihood: float


def _chain(
    log_emission: ArrayLike, transition: ArrayLike, initial: ArrayLike | None, where: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check what a chain is made of."""
    emission = check_array(log_emission, where=where, name="log_emission", shape=(None, None), finite=False)
    n_bins, n_states = emission.shape
    if not n_bins or not n_states:
        raise SpecError.of(
            where=where, name="log_emission", value=emission, bound="must have a bin and a state"
        )
    finite = np.isfinite(emission)
    if not finite.all() and (not finite.any(1).all() or not (emission[~finite] == -np.inf).all()):
        bound = "must be < inf and, in each bin, finite in one state at least"
        raise SpecError.of(where=where, name="log_emission", value=emission, bound=bound)
    matrix = check_array(transition, where=where, name="transition", shape=(n_states, n_states))
    first = np.full(n_states, 1 / n_states) if initial is None else initial
    first = check_array(first, where=where, name="initial", shape=(n_states,))
    for name, rows in (("transition", matrix), ("initial", first[None])):
        if (rows < 0).any() or (np.abs(rows.sum(1) - 1) > 1e-6).any():
            bound = "must be probabilities: >= 0, each row with the sum 1"
            raise SpecError.of(where=where, name=name, value=rows, bound=bound)
    return emission, matrix, first


def forward_backward(
    log_emission: ArrayLike, transition: ArrayLike, *, initial: ArrayLike | None = None
) -> StatePosterior:
    """Posterior of the states of a hidden Markov chain, exact log-likelihood included.

    The scaled recursion of Rabiner (1989, doi:10.1109/5.18626), in which each bin is first divided by its
    largest emission probability: it neither underflows nor needs logarithms of sums.

    Parameters
    ----------
    log_emission : array_like, (T, S)
        Log probability of what was seen in each bin, given each state.
    transition : array_like, (S, S)
        Probability of a step from each state (rows) to each; rows have the sum 1.
    initial : array_like, (S,), or None
        Probabilities of the first state; None for equal ones.

    Returns
    -------
    StatePosterior

    Raises
    ------
    SpecError
        If shapes do not fit, a row is no distribution, or a bin is impossible in every state.
    NonFiniteError
        If the sequence is impossible under the chain.

    Examples
    --------
    >>> result = forward_backward([[0.0, -3.0], [-3.0, 0.0]], [[0.9, 0.1], [0.1, 0.9]])
    >>> result.posterior.round(3)
    array([[0.763, 0.237],
           [0.237, 0.763]])
    >>> round(result.log_likelihood, 4)
    -2.3546
    """
    emission, matrix, first = _chain(log_emission, transition, initial, "forward_backward")
    result = run_chain(emission, matrix, first)
    if not np.isfinite(result.log_likelihood):
        raise NonFiniteError.of(
            where="forward_backward",
            name="log-likelihood",
            value=result.log_likelihood,
            bound="is not finite: no path through the states can give this sequence",
            fix="give each transition a small probability",
        )
    return result


def run_chain(emission: np.ndarray, matrix: np.ndarray, first: np.ndarray) -> StatePosterior:
    """Forward-backward over arrays that are known to be right."""
    n_bins, n_states = emission.shape
    top = emission[:, 0].copy()
    for column in emission.T[1:]:
        np.maximum(top, column, out=top)
    with np.errstate(invalid="ignore"):  # a bin that is impossible in every state makes all NaN
        scaled = emission - top[:, None]  # nothing underflows, whatever the number of neurons
    np.exp(scaled, out=scaled)
    posterior = np.empty((n_bins, n_states))
    transitions, message = np.empty((n_states, n_states)), np.empty((2, n_states))
    total = compiled(smooth)(scaled, matrix, first, posterior, transitions, message)
    return StatePosterior(
        posterior=posterior, transitions=transitions, log_likelihood=float(total + top.sum())
    )


def viterbi(
    log_emission: ArrayLike, transition: ArrayLike, *, initial: ArrayLike | None = None
) -> np.ndarray:
    """Most probable path through the states (Viterbi 1967, doi:10.1109/TIT.1967.1054010).

    Parameters
    ----------
    log_emission, transition, initial : array_like
        As in `forward_backward`.

    Returns
    -------
    ndarray of int, (T,)
        State of each bin; of equal paths the one of lower numbers.

    Raises
    ------
    SpecError
        As in `forward_backward`.

    Examples
    --------
    >>> viterbi([[0.0, -1.0], [-1.0, 0.0], [0.0, -1.0]], [[0.9, 0.1], [0.1, 0.9]])
    array([0, 0, 0])
    """
    emission, matrix, first = _chain(log_emission, transition, initial, "viterbi")
    n_bins, n_states = emission.shape
    path = np.empty(n_bins, np.int64)
    with np.errstate(divide="ignore"):
        logs = [np.maximum(np.log(rows), NO_WAY) for rows in (matrix, first)]
    came = np.zeros((n_bins, n_states), np.int64)
    compiled(best_path)(emission, *logs, np.empty((2, n_states)), came, path)
    return path


def match_states(truth: ArrayLike, found: ArrayLike, *, n_states: int | None = None) -> np.ndarray:
    """Match the states of two labelings of the same bins: most bins agree (Hungarian algorithm).

    Parameters
    ----------
    truth, found : array_like of int, (T,)
        State of each bin, from 0.
    n_states : int or None
        Number of states; None for the largest label of either plus one.

    Returns
    -------
    ndarray of int, (n_states,)
        For each state of ``truth`` the state of ``found`` that it is.

    Raises
    ------
    SpecError
        If the lengths differ, or a label is negative or not below ``n_states``.

    Examples
    --------
    >>> match_states([0, 0, 1, 1], [1, 1, 0, 1])
    array([1, 0])
    """
    from scipy.optimize import linear_sum_assignment

    where = "match_states"
    left = check_array(truth, where=where, name="truth", shape=(None,), dtype=int)
    right = check_array(found, where=where, name="found", shape=left.shape, dtype=int)
    if not left.size:
        raise SpecError.of(where=where, name="truth", value=left, bound="must have at least one bin")
    n = int(max(left.max(), right.max())) + 1 if n_states is None else n_states
    n = check_int(n, where=where, name="n_states")
    for name, labels in (("truth", left), ("found", right)):
        if labels.min() < 0 or labels.max() >= n:
            raise SpecError.of(where=where, name=name, value=labels, bound=f"must be >= 0 and < {n}")
    table = np.bincount(left * n + right, minlength=n * n).reshape(n, n)
    return np.asarray(linear_sum_assignment(-table)[1])
