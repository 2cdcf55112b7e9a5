"""The orthogonal change of basis in which two matrices are most alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcuate._inputs import Floats
from arcuate._jit import compiled
from arcuate.compare import _alignment_kernels
from arcuate.rng import stream

__all__ = ["Alignment", "best_alignment", "guessed_rotations", "least_distance"]

N_STEPS = 300
"""Most steps of one start; some 10 to 40 are taken."""

TOLERANCE = 1e-9
"""Gradient at which a start ends, as a share of the sum of squares of both matrices."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """The best of several searches for an orthogonal matrix.

    Attributes
    ----------
    rotation : ndarray, (r, r)
        C of the smallest ``|a - C b C'|``.
    distance : float
        That Frobenius norm.
    distances : ndarray, (n_starts,)
        What each start led to; after a start that ends at 0 no other is tried.
    """

    rotation: Floats
    distance: float
    distances: Floats


def best_alignment(a: Floats, b: Floats, *, n_starts: int, seed: int) -> Alignment:
    """Minimize ``|a - C b C'|_F`` over orthogonal C, reflections included.

    Parameters
    ----------
    a, b : ndarray, (r, r)
    n_starts : int
        Number of random starts, half of them reflections, after the guessed ones.
    seed : int
        Of the random starts.

    Returns
    -------
    Alignment

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare._alignment import best_alignment
    >>> a, turn = np.array([[0.9, 0.3], [-0.2, 0.5]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> best_alignment(a, turn @ a @ turn, n_starts=2, seed=0).distance < 1e-12
    True
    """
    starts = np.concatenate([guessed_rotations(a, b), _random_rotations(len(a), n_starts, seed)])
    values = np.empty(len(starts))
    search = compiled(_alignment_kernels.align, reassociate=True)
    used = search(np.ascontiguousarray(a), np.ascontiguousarray(b), starts, values, N_STEPS, TOLERANCE)
    best = int(np.argmin(values[:used]))
    found = np.sqrt(values[:used])
    return Alignment(rotation=starts[best], distance=float(found[best]), distances=found)


def guessed_rotations(a: Floats, b: Floats) -> Floats:
    """Starts that are right where one matrix is an exact rotation or reflection of the other.

    The identity; its first two axes swapped; and alignments of the eigenvectors of both matrices, of their
    symmetric and of their antisymmetric parts. Eigenvectors come with free signs or phases: those that
    agree best with the rest of the matrix are the leading eigenvector of the matrix of their products
    (angular synchronization, Singer 2011).

    Parameters
    ----------
    a, b : ndarray, (r, r)

    Returns
    -------
    ndarray, (n_guesses, r, r)
    """
    r = len(a)
    swap = np.eye(r)
    swap[:2] = swap[:2][::-1]
    guesses = [np.eye(r), swap]
    for part in (lambda m: m, lambda m: (m + m.T) / 2, lambda m: 1j * (m - m.T) / 2):
        left, right = (_eigenvectors(part(m), m) for m in (a, b))
        order = _matched(left[0], right[0])
        phases = _phases(left[1], right[1][:, order], a, b)
        guesses.append(_nearest(np.real((left[1] * phases) @ np.linalg.pinv(right[1][:, order]))))
    return np.stack(guesses)


def _eigenvectors(part: NDArray, whole: Floats) -> tuple[NDArray, NDArray]:
    """Eigenvalues and unit eigenvectors."""
    if part is whole:
        return np.linalg.eig(part)
    return np.linalg.eigh(part)


def _matched(left: NDArray, right: NDArray) -> NDArray[np.int64]:
    """For each eigenvalue of one matrix that of the other, at the least sum of squares."""
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(np.abs(left[:, None] - right[None, :]) ** 2)[1]


def _phases(left: NDArray, right: NDArray, a: Floats, b: Floats) -> NDArray:
    """Phases d for which ``left d`` stands to a as `right` stands to b, and among themselves."""
    agree = np.zeros((len(a), len(a)), dtype=complex)
    for ours, theirs in ((np.eye(len(a)), np.eye(len(a))), (a, b), (a.T, b.T)):
        agree += (left.conj().T @ ours @ left) * (right.conj().T @ theirs @ right).conj()
    agree = agree + agree.conj().T
    leading = np.linalg.eigh(agree)[1][:, -1].conj()
    size = np.abs(leading)
    return np.where(size > 1e-12, leading / np.where(size > 1e-12, size, 1.0), 1.0)


def _nearest(matrix: Floats) -> Floats:
    """The nearest orthogonal matrix."""
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)


def _random_rotations(r: int, n: int, seed: int) -> Floats:
    """Uniform rotations and reflections in turn."""
    draws = stream(seed, "compare/dsa/starts").standard_normal((n, r, r))
    q, upper = np.linalg.qr(draws)
    q *= np.sign(np.diagonal(upper, axis1=1, axis2=2))[:, None, :]
    wrong = np.sign(np.linalg.det(q)) != np.where(np.arange(n) % 2, -1.0, 1.0)
    q[wrong, :, 0] *= -1.0
    return np.asarray(q)


def least_distance(a: Floats, b: Floats) -> float:
    """A distance that no orthogonal C can go below.

    The symmetric and the antisymmetric part of a matrix are turned by the same C; the bound lets each
    choose its own, where the best is known: spectra in the same order (von Neumann 1937).

    Parameters
    ----------
    a, b : ndarray, (r, r)

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare._alignment import least_distance
    >>> least_distance(np.diag([0.9, 0.1]), np.diag([0.1, 0.5])).__round__(6)
    0.4
    """
    total = 0.0
    for sign in (1.0, -1.0):
        spectra = [np.linalg.eigvalsh((m + sign * m.T) * (0.5 if sign > 0 else 0.5j)) for m in (a, b)]
        total += float(np.sum((spectra[0] - spectra[1]) ** 2))
    return float(np.sqrt(total))
