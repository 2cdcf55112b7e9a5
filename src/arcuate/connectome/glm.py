"""Spike counts of coupled neurons: history, firing rates, log-likelihood, and the priors of weights.

The emission of an HMM-GLM (Li and others, ICLR 2024, arXiv 2310.15263): in state s, neuron n gives in bin t
Poisson counts with the mean ``f(bias_n + sum_m weight_snm history_tm)``, and ``history_tm = sum_k basis_k
x_(t-k)m`` over the K bins before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._jit import compiled
from arcuate.connectome._hmm_kernels import emission, spread
from arcuate.errors import SpecError, check_array, check_choice, check_int, check_real

__all__ = [
    "NONLINEARITIES",
    "exponential_basis",
    "firing_rates",
    "gaussian_log_density",
    "gumbel_softmax_log_density",
    "log_emission",
    "one_hot_weights",
    "spike_history",
]

NONLINEARITIES = ("sigmoid", "softplus", "exp")
"""From drive to spikes per bin."""

RATE_FLOOR = 1e-8
"""Least rate of the sigmoid, and what is added to a rate before its logarithm (as in the official code)."""

CHUNK = 4096
"""Bins that are worked on at a time (chosen: the rates of five states and twenty neurons stay in 4 MB)."""


def exponential_basis(n_bins: int, *, tau: float = 1.0) -> np.ndarray:
    """Weights of the last bins that decay exponentially and have the sum 1.

    Parameters
    ----------
    n_bins : int
        How many bins back; the bin itself is never part.
    tau : float
        Time constant in bins.

    Returns
    -------
    ndarray, (n_bins,)
        Newest bin first.

    Raises
    ------
    SpecError
        If a value is out of bounds.

    Examples
    --------
    >>> exponential_basis(5).round(4)
    array([0.6364, 0.2341, 0.0861, 0.0317, 0.0117])
    """
    n = check_int(n_bins, where="exponential_basis", name="n_bins")
    tau = check_real(tau, where="exponential_basis", name="tau", low=0, low_open=True)
    basis = np.exp(-np.arange(n) / tau)
    return np.asarray(basis / basis.sum())


def spike_history(spikes: ArrayLike, basis: ArrayLike) -> np.ndarray:
    """Past spikes, seen through a basis; strictly causal.

    Parameters
    ----------
    spikes : array_like, (T, N)
        Counts.
    basis : array_like, (K,)
        Weight of the bin before, of the one before that, and so on.

    Returns
    -------
    ndarray, (T, N)

    Raises
    ------
    SpecError
        If something is no array of numbers.

    Examples
    --------
    >>> spike_history([[1], [0], [2], [0]], [0.5, 0.25]).ravel()
    array([0.  , 0.5 , 0.25, 1.  ])
    """
    counts = check_array(spikes, where="spike_history", name="spikes", shape=(None, None))
    weights = check_array(basis, where="spike_history", name="basis", shape=(None,))
    return history_rows(counts, weights)[:, :-1]


def firing_rates(drive: ArrayLike, *, nonlinearity: str = "sigmoid") -> np.ndarray:
    """Mean count of a bin by its drive.

    Parameters
    ----------
    drive : array_like
        Bias plus weighted history.
    nonlinearity : {"sigmoid", "softplus", "exp"}

    Returns
    -------
    ndarray
        Same shape; a sigmoid lies between 1e-8 and 1.

    Raises
    ------
    SpecError
        If the drive is no array of finite numbers or the nonlinearity has no such name.

    Examples
    --------
    >>> firing_rates([0.0, 2.0]).round(4)
    array([0.5   , 0.8808])
    """
    kind = check_choice(nonlinearity, NONLINEARITIES, where="firing_rates", name="nonlinearity")
    return rates_in_place(np.array(check_array(drive, where="firing_rates", name="drive")), kind)


def rates_in_place(drive: np.ndarray, kind: str) -> np.ndarray:
    """Turn a drive into rates, in its own memory."""
    if kind == "sigmoid":
        np.negative(drive, out=drive)
        with np.errstate(over="ignore"):
            np.exp(drive, out=drive)
        drive += 1
        np.divide(1 - RATE_FLOOR, drive, out=drive)
        drive += RATE_FLOOR
    elif kind == "softplus":
        np.logaddexp(0, drive, out=drive)
    else:
        with np.errstate(over="ignore"):
            np.exp(drive, out=drive)
    return drive


def slopes(rates: np.ndarray, kind: str) -> np.ndarray:
    """Derivative of a rate by its drive, from the rate."""
    if kind == "sigmoid":
        return (rates - RATE_FLOOR) * (1 - rates) / (1 - RATE_FLOOR)
    return -np.expm1(-rates) if kind == "softplus" else rates


def log_emission(
    spikes: ArrayLike,
    weights: ArrayLike,
    bias: ArrayLike,
    *,
    basis: ArrayLike,
    nonlinearity: str = "sigmoid",
) -> np.ndarray:
    """Log probability of the counts of each bin, given each state and all bins before.

    Parameters
    ----------
    spikes : array_like, (T, N)
        Counts.
    weights : array_like, (S, N, N)
        Weight by state, neuron that receives, neuron that sends.
    bias : array_like, (N,) or (S, N)
    basis : array_like, (K,)
        As in `spike_history`.
    nonlinearity : {"sigmoid", "softplus", "exp"}

    Returns
    -------
    ndarray, (T, S)

    Raises
    ------
    SpecError
        If shapes do not fit.

    Examples
    --------
    >>> log_emission([[0], [1]], [[[0.0]], [[1.0]]], [0.0], basis=[1.0]).round(4)
    array([[-0.5   , -0.5   ],
           [-1.1931, -1.1931]])
    """
    where = "log_emission"
    kind = check_choice(nonlinearity, NONLINEARITIES, where=where, name="nonlinearity")
    matrix = check_array(weights, where=where, name="weights", shape=(None, None, None))
    n_states, n = matrix.shape[:2]
    if not n_states or matrix.shape[2] != n:
        raise SpecError.of(where=where, name="weights", value=matrix, bound="must have shape (S, N, N)")
    counts = check_array(spikes, where=where, name="spikes", shape=(None, n))
    if (counts < 0).any() or (counts != np.floor(counts)).any():
        raise SpecError.of(where=where, name="spikes", value=counts, bound="must be counts: 0, 1, 2, ...")
    level = check_bias(bias, n_states, n, where=where)
    rows = history_rows(counts, check_array(basis, where=where, name="basis", shape=(None,)))
    coupling = np.concatenate([matrix, level[..., None]], axis=2)
    return emissions(rows, counts, coupling, kind=kind) - log_factorials(counts).sum(1)[:, None]


def check_bias(bias: Any, n_states: int, n_neurons: int, *, where: str) -> np.ndarray:
    """Take one bias per neuron, or one per state and neuron: (S, N)."""
    shape: tuple[int | None, ...] = (n_neurons,)
    if isinstance(bias, (Sequence, np.ndarray)) and len(bias) and np.ndim(bias[0]):
        shape = (n_states, n_neurons)
    return np.broadcast_to(check_array(bias, where=where, name="bias", shape=shape), (n_states, n_neurons))


def history_rows(counts: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """History of each bin with a last column of ones, for the bias: (T, N + 1)."""
    rows = np.ones((len(counts), counts.shape[1] + 1))
    compiled(spread)(counts, basis, rows)
    return rows


def emissions(rows: np.ndarray, counts: np.ndarray, coupling: np.ndarray, *, kind: str) -> np.ndarray:
    """Log probability of each bin in each state, without the factorials of the counts: (T, S).

    ``coupling`` (S, N, N + 1): the weights, and last the bias.
    """
    n_states, n = coupling.shape[:2]
    flat = np.ascontiguousarray(coupling.reshape(n_states * n, n + 1).T)
    result = np.empty((len(rows), n_states))
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        rates = rates_in_place(rows[part] @ flat, kind).reshape(-1, n_states, n)
        compiled(emission)(rates, counts[part], RATE_FLOOR, result[part])
    return result


def log_factorials(counts: np.ndarray) -> np.ndarray:
    """Logarithm of the factorial of each count."""
    table = np.cumsum(np.log(np.maximum(np.arange(int(counts.max(initial=0)) + 1), 1)))
    return np.asarray(table[counts.astype(np.intp)])


def gaussian_log_density(weights: ArrayLike, mean: ArrayLike, *, std: float) -> float:
    """Log density of the weights of all states under a Gaussian around one mean per pair.

    Parameters
    ----------
    weights : array_like, (S, N, N)
    mean : array_like, (N, N)
    std : float
        Standard deviation of every pair.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        If shapes do not fit or the deviation is not positive.

    Examples
    --------
    >>> round(gaussian_log_density([[[0.0]]], [[0.0]], std=1.0), 4)
    -0.9189
    """
    where = "gaussian_log_density"
    w = check_array(weights, where=where, name="weights", shape=(None, None, None))
    center = check_array(mean, where=where, name="mean", shape=w.shape[1:])
    std = check_real(std, where=where, name="std", low=0, low_open=True)
    return float(-0.5 * np.sum((w - center) ** 2) / std**2 - w.size * np.log(std * np.sqrt(2 * np.pi)))


def gumbel_softmax_log_density(share: ArrayLike, log_prior: ArrayLike, *, tau: float) -> np.ndarray:
    """Log density of relaxed categories (Maddison and others 2017, arXiv 1611.00712, equation 10).

    The prior of the one-hot HMM-GLM as it was published: shares that are a softmax lie around the prior, the
    nearer to a corner of the simplex the lower the temperature.

    Parameters
    ----------
    share : array_like, (..., K)
        Points of the simplex, every coordinate > 0.
    log_prior : array_like, (..., K)
        Logarithms of the prior's probabilities, up to a constant.
    tau : float
        Temperature.

    Returns
    -------
    ndarray
        One log density per point.

    Raises
    ------
    SpecError
        If a share is not positive or the temperature is not.

    Examples
    --------
    >>> gumbel_softmax_log_density([[0.2, 0.3, 0.5]], np.log([[0.2, 0.3, 0.5]]), tau=1.0).round(4)
    array([0.9039])
    """
    from scipy.special import gammaln, logsumexp

    where = "gumbel_softmax_log_density"
    x = check_array(share, where=where, name="share")
    p = check_array(log_prior, where=where, name="log_prior")
    tau = check_real(tau, where=where, name="tau", low=0, low_open=True)
    if not x.ndim or not p.ndim or x.shape[-1] != p.shape[-1] or (x <= 0).any():
        raise SpecError.of(where=where, name="share", value=x, bound="must be > 0 and fit log_prior")
    k, log_x = x.shape[-1], np.log(x)
    constant = gammaln(k) + (k - 1) * np.log(tau)
    return np.asarray(constant - k * logsumexp(p - tau * log_x, axis=-1) + (p - (tau + 1) * log_x).sum(-1))


def one_hot_weights(category: ArrayLike, strength: ArrayLike) -> np.ndarray:
    """Signed weights from categories (inhibitory, absent, excitatory) and strengths.

    Parameters
    ----------
    category : array_like, (..., 3)
        Probability, or one-hot choice, of each category.
    strength : array_like, (...)
        Size of the weight where it is present.

    Returns
    -------
    ndarray, (...)
        ``(excitatory - inhibitory) * strength``.

    Raises
    ------
    SpecError
        If shapes do not fit or a strength is negative.

    Examples
    --------
    >>> one_hot_weights([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0.5, 0.5, 2.0])
    array([-0.5,  0. ,  2. ])
    """
    where = "one_hot_weights"
    size = check_array(strength, where=where, name="strength")
    share = check_array(category, where=where, name="category", shape=(*size.shape, 3))
    if (size < 0).any():
        raise SpecError.of(where=where, name="strength", value=size, bound="must be >= 0")
    return np.asarray((share[..., 2] - share[..., 0]) * size)


def check_sequences(value: Any, where: str, *, n_neurons: int | None = None) -> list[np.ndarray]:
    """Take sequences of spike counts, each (T, N), with the same neurons.

    Parameters
    ----------
    value : sequence of array_like, (T, N), or DataArray
        Axes of a DataArray go by name, ``time`` (or ``bin``) and ``neuron``; one alone is one sequence.
    where : str
        For the message.
    n_neurons : int or None
        How many neurons there must be.

    Returns
    -------
    list of ndarray of float, (T, N)

    Raises
    ------
    SpecError
        If there is none, one is no matrix of counts, or numbers of neurons differ.
    """
    if _is_labeled(value):
        value = [_by_name(value, "spikes", where)]
    given = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))
    if not given or not len(value):
        bound = "must be a list of at least one array of counts, each (bins, neurons)"
        table = hasattr(value, "dims") or hasattr(value, "columns")
        shown = f"a {type(value).__name__}" if table else value
        raise SpecError.of(where=where, name="spikes", value=shown, bound=bound, fix="put it into a list")
    if isinstance(value, np.ndarray) and value.ndim == 2:
        bound = "must be a list of sequences, not one matrix"
        raise SpecError.of(where=where, name="spikes", value=value, bound=bound, fix="put it into a list")
    named = [
        _by_name(each, f"spikes[{i}]", where) if _is_labeled(each) else each for i, each in enumerate(value)
    ]
    return [_sequence(each, f"spikes[{i}]", where, n_neurons, named[0]) for i, each in enumerate(named)]


def _is_labeled(value: Any) -> bool:
    """Whether something is a DataArray."""
    return hasattr(value, "dims") and isinstance(getattr(value, "values", None), np.ndarray)


def _by_name(value: Any, name: str, where: str) -> np.ndarray:
    """Values of a DataArray with time first."""
    for time in ("time", "bin"):
        if set(value.dims) == {time, "neuron"}:
            return np.asarray(value.transpose(time, "neuron").values)
    bound = f"has the dimensions ({', '.join(map(str, value.dims))}), must have time (or bin) and neuron"
    fix = "rename them, and put several sequences into a list"
    raise SpecError.of(where=where, name=name, bound=bound, fix=fix)


def _sequence(value: Any, name: str, where: str, n_neurons: int | None, first: Any) -> np.ndarray:
    counts = check_array(value, where=where, name=name, shape=(None, None))
    n_bins, n = counts.shape
    if n_bins < 2 or not n:
        bound = "must have at least two bins and one neuron, as (bins, neurons)"
        fix = "take shorter bins or a longer recording"
        raise SpecError.of(where=where, name=name, value=counts, bound=bound, fix=fix)
    wrong = (counts < 0) | (counts != np.floor(counts))
    if wrong.any():
        t, m = (int(k) for k in np.argwhere(wrong)[0])
        bound = f"must be counts, 0, 1, 2, ...; element [{t}, {m}] is {counts[t, m]:g}"
        fix = "count spikes in bins; rates, traces and times of spikes are no counts"
        raise SpecError.of(where=where, name=name, value=counts, bound=bound, fix=fix)
    wanted = np.shape(first)[1] if n_neurons is None else n_neurons
    if n != wanted:
        fix = "transpose it" if n_bins == wanted else "give every sequence the same neurons in the same order"
        bound = f"must have {wanted} neurons (columns), not {n}"
        raise SpecError.of(where=where, name=name, value=counts, bound=bound, fix=fix)
    if n > n_bins:
        bound = f"has {n} neurons in {n_bins} bins: it looks transposed, rows are bins"
        raise SpecError.of(where=where, name=name, value=counts, bound=bound, fix="transpose it")
    return counts
