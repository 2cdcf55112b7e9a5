"""Rules that learn from a reward by perturbing what neurons or read-outs do, as plain functions.

Node perturbation (Miconi 2017) and the reward-modulated exploratory Hebb rule (Hoerzer, Legenstein and Maass
2014). They loop in ascending index order, write only into the arrays they are given and allocate nothing;
the estimators of `arcuate.learning` compile them unchanged, and they also run uncompiled.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["deviate", "hebb_modulator", "hebb_update", "outer_add", "reward_update"]

Array = npt.NDArray[np.float64]


def deviate(x: Array, mean: Array, keep: float, deviation: Array) -> None:
    """Fluctuation about a running mean: ``d = x - mean``, then ``mean <- keep mean + (1 - keep) x``.

    Parameters
    ----------
    x : (n,) array
        Activations.
    mean : (n,) array
        Running mean, changed in place.
    keep : float
        Weight of the old mean, the paper's alpha.
    deviation : (n,) array
        Written.

    References
    ----------
    T. Miconi, eLife 6:e20899 (2017), equation 2, doi:10.7554/eLife.20899.

    Examples
    --------
    >>> mean, d = np.zeros(1), np.empty(1)
    >>> deviate(np.array([2.0]), mean, 0.25, d)
    >>> float(d[0]), float(mean[0])
    (2.0, 1.5)
    """
    for j in range(x.shape[0]):
        deviation[j] = x[j] - mean[j]
        mean[j] = keep * mean[j] + (1.0 - keep) * x[j]


def outer_add(e: Array, pre: Array, post: Array) -> None:
    """Eligibility of several steps: ``e_ij += sum_t pre_i(t) post_j(t)``.

    With the cubes of the rate one step before and of the deviation this is the eligibility of the paper,
    ``sum (r_i d_j)^3``; with the rate and the kick itself it is node perturbation. Eight steps are added at
    a time, so that e is read and written once for them.

    Parameters
    ----------
    e : (n_pre, n_post) array
        Eligibility, changed in place.
    pre : (n_steps, n_pre) array
        Factor of the presynaptic neuron.
    post : (n_steps, n_post) array
        Factor of the postsynaptic neuron.

    Examples
    --------
    >>> e = np.zeros((1, 2))
    >>> outer_add(e, np.array([[1.0], [2.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]))
    >>> e.tolist()
    [[7.0, 2.0]]
    """
    n_steps, n = post.shape
    first = n_steps % 8
    for t in range(first):
        for i in range(e.shape[0]):
            for j in range(n):
                e[i, j] += pre[t, i] * post[t, j]
    for t in range(first, n_steps, 8):
        for i in range(e.shape[0]):
            p0, p1, p2, p3 = pre[t, i], pre[t + 1, i], pre[t + 2, i], pre[t + 3, i]
            p4, p5, p6, p7 = pre[t + 4, i], pre[t + 5, i], pre[t + 6, i], pre[t + 7, i]
            for j in range(n):
                early = p0 * post[t, j] + p1 * post[t + 1, j] + p2 * post[t + 2, j] + p3 * post[t + 3, j]
                late = p4 * post[t + 4, j] + p5 * post[t + 5, j] + p6 * post[t + 6, j] + p7 * post[t + 7, j]
                e[i, j] += early + late


def reward_update(w: Array, e: Array, scale: float, limit: float) -> None:
    """Change of the weights at the end of a trial: ``w += clip(scale e, -limit, limit)``.

    Parameters
    ----------
    w : (n_pre, n_post) array
        Weights, changed in place.
    e : (n_pre, n_post) array
        Eligibility of the trial.
    scale : float
        Learning rate times modulator; ``-eta Rbar (R - Rbar)`` for an error R and its mean Rbar.
    limit : float
        Largest change of a weight in a trial; infinite for none.

    References
    ----------
    T. Miconi, eLife 6:e20899 (2017), equation 3; the factor Rbar and the limit are those of the program.

    Examples
    --------
    >>> w = np.zeros((1, 2))
    >>> reward_update(w, np.array([[1.0, -4.0]]), 0.5, 1.0)
    >>> w.tolist()
    [[0.5, -1.0]]
    """
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            step = scale * e[i, j]
            if step > limit:
                step = limit
            if step < -limit:
                step = -limit
            w[i, j] += step


def hebb_modulator(z: Array, target: Array, z_mean: Array, state: Array, keep: float) -> float:
    """Whether the reward is above its running mean, which moves on: 1 or 0.

    ``P = -|z - f|^2``; ``zbar`` and ``Pbar`` are low-pass filtered; ``M = 1 if P > Pbar``.

    Parameters
    ----------
    z : (n_outputs,) array
        Outputs with their exploration.
    target : (n_outputs,) array
        The function f.
    z_mean : (n_outputs,) array
        zbar, changed in place.
    state : (1,) array
        Pbar, changed in place.
    keep : float
        ``1 - dt/tau`` of the two filters.

    Returns
    -------
    float
        M.

    References
    ----------
    G. M. Hoerzer, R. Legenstein and W. Maass, Cerebral Cortex 24:677 (2014), doi:10.1093/cercor/bhs348.

    Examples
    --------
    >>> mean, state = np.zeros(1), np.array([-1.0])
    >>> hebb_modulator(np.array([0.5]), np.array([1.0]), mean, state, 0.8)
    1.0
    """
    reward = 0.0
    for k in range(z.shape[0]):
        reward -= (z[k] - target[k]) * (z[k] - target[k])
        z_mean[k] = keep * z_mean[k] + (1.0 - keep) * z[k]
    state[0] = keep * state[0] + (1.0 - keep) * reward
    return 1.0 if reward > state[0] else 0.0


def hebb_update(w: Array, r: Array, z: Array, z_mean: Array, scale: float) -> None:
    """Reward-modulated exploratory Hebb rule: ``w_k += scale (z_k - zbar_k) r``.

    Parameters
    ----------
    w : (n_outputs, n) array
        Read-out weights, changed in place.
    r : (n,) array
        Rates.
    z, z_mean : (n_outputs,) array
        Outputs with their exploration, and their running means.
    scale : float
        ``eta(t) M``.

    References
    ----------
    G. M. Hoerzer, R. Legenstein and W. Maass, Cerebral Cortex 24:677 (2014), doi:10.1093/cercor/bhs348.

    Examples
    --------
    >>> w = np.zeros((1, 2))
    >>> hebb_update(w, np.array([1.0, 2.0]), np.array([0.5]), np.array([0.25]), 2.0)
    >>> w.tolist()
    [[0.5, 1.0]]
    """
    for k in range(w.shape[0]):
        step = scale * (z[k] - z_mean[k])
        for i in range(w.shape[1]):
            w[k, i] += step * r[i]
