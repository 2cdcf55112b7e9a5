"""Learning rules as plain functions over float64 arrays.

These functions are the one place where a rule is written. The engines compile them into their time loop
and the read-out estimators compile them for stored states, so both give the same weights. They loop in
ascending index order, write only into the arrays they are given and allocate nothing; they also run
uncompiled. Each is self-contained, so that it compiles unchanged.

Shapes: `n` features, `n_outputs` outputs; weights are (n_outputs, n).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "center_decay",
    "center_update",
    "delta_update",
    "eligibility_add",
    "eligibility_finish",
    "predict",
    "rls_reset",
    "rls_update",
    "what_update",
]

Array = npt.NDArray[np.float64]


def predict(w: Array, x: Array, z: Array) -> None:
    """Read out: ``z = w x``, summed in ascending feature index.

    Parameters
    ----------
    w : (n_outputs, n) array
        Weights.
    x : (n,) array
        Features.
    z : (n_outputs,) array
        Written: the outputs.

    Examples
    --------
    >>> z = np.empty(1)
    >>> predict(np.array([[1.0, 2.0]]), np.array([3.0, 4.0]), z)
    >>> float(z[0])
    11.0
    """
    for k in range(w.shape[0]):
        total = 0.0
        for i in range(w.shape[1]):
            total += w[k, i] * x[i]
        z[k] = total


def delta_update(
    w: Array, x: Array, error: Array, learning_rate: float, c: float, w_min: float, w_max: float
) -> None:
    """Delta rule: ``w += learning_rate * error x``, divided by ``c + |x|^2`` when ``c >= 0``.

    Three factors meet: the trace ``x`` before the synapse, the error of its output, and an attention
    gate that the caller multiplies into `learning_rate`.

    Parameters
    ----------
    w : (n_outputs, n) array
        Weights, updated in place and clipped.
    x : (n,) array
        Features.
    error : (n_outputs,) array
        Target minus output.
    learning_rate : float
        Step size, times the gate.
    c : float
        Constant of the normalization; a negative value means no normalization.
    w_min, w_max : float
        Bounds of a weight; infinite for none.

    References
    ----------
    Widrow and Hoff 1960, IRE WESCON Convention Record 4:96; normalized form: Nagumo and Noda 1967,
    IEEE Trans. Autom. Control 12:282, doi:10.1109/TAC.1967.1098599.

    Examples
    --------
    >>> w = np.zeros((1, 2))
    >>> delta_update(w, np.array([1.0, 1.0]), np.array([0.5]), 1.0, 0.0, -np.inf, np.inf)
    >>> w.tolist()
    [[0.25, 0.25]]
    """
    scale = learning_rate
    if c >= 0.0:
        total = 0.0
        for i in range(x.shape[0]):
            total += x[i] * x[i]
        if c + total == 0.0:
            return
        scale = learning_rate / (c + total)
    for k in range(w.shape[0]):
        step = scale * error[k]
        for i in range(w.shape[1]):
            value = w[k, i] + step * x[i]
            if value < w_min:
                value = w_min
            if value > w_max:
                value = w_max
            w[k, i] = value


def rls_reset(p: Array, alpha: float) -> None:
    """Start recursive least squares: ``P = I/alpha``.

    Parameters
    ----------
    p : (n, n) array
        Written: the inverse of the regularized correlation matrix of the features.
    alpha : float
        Regularization, > 0.

    Examples
    --------
    >>> p = np.empty((2, 2))
    >>> rls_reset(p, 0.5)
    >>> p.tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    for i in range(p.shape[0]):
        for j in range(p.shape[1]):
            p[i, j] = 0.0
        p[i, i] = 1.0 / alpha


def rls_update(
    p: Array, w: Array, x: Array, error: Array, forgetting: float, k_buf: Array, normalized: bool = True
) -> None:
    """Recursive least squares (FORCE): one update of ``P`` and ``w``.

    ``k = P x``; ``w += error k/(forgetting + x k)``; ``P = (P - k k/(forgetting + x k))/forgetting``.
    ``P`` stays symmetric to the bit, because each entry subtracts a product of two scaled gains; that
    is why its rows may be added up as if they were columns, which vectorizes in a fixed order.

    Parameters
    ----------
    p : (n, n) array, C order
        Symmetric matrix, updated in place. It depends on the features only, so all outputs share it.
    w : (n_outputs, n) array
        Weights, updated in place.
    x : (n,) array
        Features.
    error : (n_outputs,) array
        Target minus output, before the update.
    forgetting : float
        Forgetting factor in (0, 1]; 1 remembers everything.
    k_buf : (n,) array
        Work space; holds ``k`` scaled by ``1/sqrt(forgetting + x k)`` afterwards.
    normalized : bool
        True divides the gain of the weights by ``forgetting + x k``, which is least squares. False
        leaves it out, as the published FORCE code for spiking networks does.

    References
    ----------
    Sussillo and Abbott 2009, Neuron 63:544, doi:10.1016/j.neuron.2009.07.018; Nicola and Clopath 2017,
    Nat. Commun. 8:2208, doi:10.1038/s41467-017-01827-3.

    Examples
    --------
    >>> p, w, k = np.eye(1), np.zeros((1, 1)), np.empty(1)
    >>> rls_update(p, w, np.array([1.0]), np.array([1.0]), 1.0, k)
    >>> float(w[0, 0]), round(float(p[0, 0]), 12)
    (0.5, 0.5)
    """
    n = x.shape[0]
    for j in range(n):
        k_buf[j] = 0.0
    for i in range(n):
        x_i = x[i]
        for j in range(n):
            k_buf[j] += p[i, j] * x_i
    denominator = forgetting
    for i in range(n):
        denominator += x[i] * k_buf[i]
    for k in range(w.shape[0]):
        step = error[k]
        if normalized:
            step = error[k] / denominator
        for i in range(n):
            w[k, i] += step * k_buf[i]
    root = np.sqrt(1.0 / denominator)
    for i in range(n):
        k_buf[i] = k_buf[i] * root
    if forgetting == 1.0:
        for i in range(n):
            k_i = k_buf[i]
            for j in range(n):
                p[i, j] -= k_i * k_buf[j]
    else:
        grow = 1.0 / forgetting
        for i in range(n):
            k_i = k_buf[i]
            for j in range(n):
                p[i, j] = (p[i, j] - k_i * k_buf[j]) * grow


def center_decay(trial: int, tau_trials: float) -> float:
    """Weight of the past in the running trial mean after trial number `trial`.

    The plain average of the trials so far until there are `tau_trials` of them, exponential from then.

    Parameters
    ----------
    trial : int
        Number of the trial that just ended, from 0.
    tau_trials : float
        Time constant in trials, >= 1.

    Returns
    -------
    float
        0 after the first trial, rising to ``1 - 1/tau_trials``.

    Examples
    --------
    >>> [center_decay(0, 50.0), center_decay(1, 50.0), center_decay(999, 50.0)]
    [0.0, 0.5, 0.98]
    """
    fresh = 1.0 / (trial + 1.0)
    floor = 1.0 / tau_trials
    if fresh < floor:
        fresh = floor
    return 1.0 - fresh


def center_update(mu: Array, trial_mean: Array, decay: float) -> None:
    """Running trial mean of the features: ``mu += (1 - decay) (trial_mean - mu)``.

    Parameters
    ----------
    mu : (n,) array
        Running mean, updated in place.
    trial_mean : (n,) array
        Mean of the features over the trial that just ended.
    decay : float
        Weight of the past, in [0, 1); see `center_decay`.

    Examples
    --------
    >>> mu = np.array([1.0])
    >>> center_update(mu, np.array([3.0]), 0.5)
    >>> float(mu[0])
    2.0
    """
    fresh = 1.0 - decay
    for i in range(mu.shape[0]):
        mu[i] += fresh * (trial_mean[i] - mu[i])


def eligibility_add(eligibility: Array, x: Array, weight: float) -> None:
    """Collect eligibility: ``eligibility += weight * x``.

    Parameters
    ----------
    eligibility : (n,) array
        Sum so far, updated in place.
    x : (n,) array
        Features.
    weight : float
        Weight of this sample; the caller adds the weights up for `eligibility_finish`.

    Examples
    --------
    >>> e = np.zeros(1)
    >>> eligibility_add(e, np.array([2.0]), 0.5)
    >>> float(e[0])
    1.0
    """
    for i in range(eligibility.shape[0]):
        eligibility[i] += weight * x[i]


def eligibility_finish(eligibility: Array, total: float) -> None:
    """Turn the collected sum into a weighted mean; a total of 0 leaves no eligibility.

    Parameters
    ----------
    eligibility : (n,) array
        Weighted sum, replaced by the mean.
    total : float
        Sum of the weights.

    Examples
    --------
    >>> e = np.array([4.0])
    >>> eligibility_finish(e, 2.0)
    >>> float(e[0])
    2.0
    """
    for i in range(eligibility.shape[0]):
        if total > 0.0:
            eligibility[i] /= total
        else:
            eligibility[i] = 0.0


def what_update(
    v: Array,
    eligibility: Array,
    outcome: int,
    learning_rate: float,
    c: float,
    w_min: float,
    w_max: float,
    delta: Array,
) -> None:
    """Offline identity rule: one update of the "what" bank after the outcome is known.

    ``q = v e``; ``delta_k = 1[k = outcome] - q_k``; ``v += learning_rate * delta e/(c + |e|^2)``.

    Parameters
    ----------
    v : (n_outputs, n) array
        Weights, updated in place and clipped.
    eligibility : (n,) array
        Stored eligibility of the trial.
    outcome : int
        Index of the outcome; -1 for an omission, whose target is 0 for every identity.
    learning_rate : float
        Step size, times the gate.
    c : float
        Constant of the normalization, >= 0.
    w_min, w_max : float
        Bounds of a weight; infinite for none.
    delta : (n_outputs,) array
        Written: the identity errors before the update.

    Examples
    --------
    >>> v, delta = np.zeros((2, 1)), np.empty(2)
    >>> what_update(v, np.array([1.0]), 1, 0.5, 1.0, -np.inf, np.inf, delta)
    >>> v.tolist(), delta.tolist()
    ([[0.0], [0.25]], [0.0, 1.0])
    """
    total = 0.0
    for i in range(eligibility.shape[0]):
        total += eligibility[i] * eligibility[i]
    for k in range(v.shape[0]):
        q = 0.0
        for i in range(eligibility.shape[0]):
            q += v[k, i] * eligibility[i]
        delta[k] = (1.0 if k == outcome else 0.0) - q
        if c + total > 0.0:
            step = learning_rate / (c + total) * delta[k]
            for i in range(eligibility.shape[0]):
                value = v[k, i] + step * eligibility[i]
                if value < w_min:
                    value = w_min
                if value > w_max:
                    value = w_max
                v[k, i] = value


#: Functions of this module by name, for whoever compiles them.
FUNCTIONS: dict[str, Any] = {
    function.__name__: function
    for function in (
        predict,
        delta_update,
        rls_reset,
        rls_update,
        center_decay,
        center_update,
        eligibility_add,
        eligibility_finish,
        what_update,
    )
}
