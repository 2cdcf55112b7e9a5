"""Compiled loops that align two matrices by an orthogonal change of basis, see `arcuate._jit`."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["align"]


def _multiply(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """``out = a b``."""
    r = a.shape[0]
    for i in range(r):
        for j in range(r):
            out[i, j] = 0.0
        for k in range(r):
            factor = a[i, k]
            for j in range(r):
                out[i, j] += factor * b[k, j]


def _bracket(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """``out = a b - b a``."""
    r = a.shape[0]
    for i in range(r):
        for j in range(r):
            out[i, j] = 0.0
        for k in range(r):
            left, right = a[i, k], b[i, k]
            for j in range(r):
                out[i, j] += left * b[k, j] - right * a[k, j]


def _transpose(a: np.ndarray, out: np.ndarray) -> None:
    for i in range(a.shape[0]):
        for j in range(a.shape[0]):
            out[j, i] = a[i, j]


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[0]):
            total += a[i, j] * b[i, j]
    return total


def _add(a: np.ndarray, factor: float, b: np.ndarray, out: np.ndarray) -> None:
    """``out = a + factor b``."""
    for i in range(a.shape[0]):
        for j in range(a.shape[0]):
            out[i, j] = a[i, j] + factor * b[i, j]


def _skew(a: np.ndarray, factor: float, out: np.ndarray) -> None:
    """``out = factor (a - a')``."""
    for i in range(a.shape[0]):
        for j in range(a.shape[0]):
            out[i, j] = factor * (a[i, j] - a[j, i])


def _curvature(
    a: np.ndarray,
    b: np.ndarray,
    b_turned: np.ndarray,
    step: np.ndarray,
    out: np.ndarray,
    work: np.ndarray,
) -> None:
    """Second derivative of ``|a - exp(s) b exp(-s)|^2`` at s = 0, applied to a skew-symmetric step."""
    first, second, third = work[0], work[1], work[2]
    _bracket(step, b, first)
    _transpose(first, second)
    _bracket(a, second, third)
    _bracket(a, step, first)
    _bracket(first, b_turned, second)
    _add(third, 1.0, second, first)
    _skew(first, -0.5, out)


def _rotate(step: np.ndarray, out: np.ndarray, work: np.ndarray) -> None:
    """``out = exp(step)`` of a skew-symmetric step: a series, squared, its orthogonality restored."""
    r = step.shape[0]
    scaled, term, other = work[0], work[1], work[2]
    size, halvings = math.sqrt(_dot(step, step)), 0
    while size > 0.25:
        size, halvings = 0.5 * size, halvings + 1
    shrink = 0.5**halvings
    for i in range(r):
        for j in range(r):
            scaled[i, j] = shrink * step[i, j]
            term[i, j] = scaled[i, j]
            out[i, j] = scaled[i, j] + (1.0 if i == j else 0.0)
    for order in range(2, 8):
        _multiply(term, scaled, other)
        for i in range(r):
            for j in range(r):
                term[i, j] = other[i, j] / order
                out[i, j] += term[i, j]
    for _ in range(halvings):
        _multiply(out, out, other)
        _add(other, 0.0, other, out)


def _orthogonal(matrix: np.ndarray, work: np.ndarray) -> None:
    """Newton's step to the nearest orthogonal matrix, ``m (3 - m' m) / 2``."""
    r = matrix.shape[0]
    turned, gram, product = work[0], work[1], work[2]
    _transpose(matrix, turned)
    _multiply(turned, matrix, gram)
    for i in range(r):
        for j in range(r):
            gram[i, j] = (1.5 if i == j else 0.0) - 0.5 * gram[i, j]
    _multiply(matrix, gram, product)
    _add(product, 0.0, product, matrix)


def _carry(rotation: np.ndarray, b: np.ndarray, out: np.ndarray, work: np.ndarray) -> None:
    """``out = rotation b rotation'``."""
    _multiply(rotation, b, work[0])
    _transpose(rotation, work[1])
    _multiply(work[0], work[1], out)


def _to_radius(step: np.ndarray, direction: np.ndarray, radius: float) -> float:
    """How far along a direction until the step is as long as the radius."""
    a, b = _dot(direction, direction), 2.0 * _dot(step, direction)
    c = _dot(step, step) - radius * radius
    return (-b + math.sqrt(max(b * b - 4.0 * a * c, 0.0))) / (2.0 * a)


def _model_step(
    parts: np.ndarray, gradient: np.ndarray, radius: float, n_steps: int, step: np.ndarray, work: np.ndarray
) -> float:
    """Truncated conjugate gradients (Steihaug 1983) within a radius; returns the decrease of the model."""
    residual, direction, bent, total = work[3], work[4], work[5], work[6]
    for i in range(step.shape[0]):
        for j in range(step.shape[0]):
            step[i, j] = 0.0
            total[i, j] = 0.0
            residual[i, j] = gradient[i, j]
            direction[i, j] = -gradient[i, j]
    size = _dot(residual, residual)
    enough = size * min(0.01, size)
    for _ in range(n_steps):
        _curvature(parts[0], parts[1], parts[2], direction, bent, work)
        bend = _dot(direction, bent)
        length = size / bend if bend > 0.0 else -1.0
        if length > 0.0:
            _add(step, length, direction, work[0])
        if length <= 0.0 or _dot(work[0], work[0]) >= radius * radius:
            length = _to_radius(step, direction, radius)
            _add(step, length, direction, step)
            _add(total, length, bent, total)
            break
        _add(step, length, direction, step)
        _add(total, length, bent, total)
        _add(residual, length, bent, residual)
        before, size = size, _dot(residual, residual)
        if size <= enough:
            break
        for i in range(step.shape[0]):
            for j in range(step.shape[0]):
                direction[i, j] = size / before * direction[i, j] - residual[i, j]
    return -_dot(gradient, step) - 0.5 * _dot(step, total)


def align(
    a: np.ndarray, b: np.ndarray, rotations: np.ndarray, values: np.ndarray, n_steps: int, tolerance: float
) -> int:
    """Minimize ``|a - c b c'|^2`` over orthogonal c from several starts.

    A trust-region Newton method on the rotations (Absil, Baker and Gallivan 2007): steps are
    skew-symmetric, c becomes exp(step) c, so no start leaves its half of O(r).

    ``rotations`` (starts, r, r) holds the starts and then what they led to, ``values`` (starts,) the minima;
    returns the number of starts that were used: none after one that ends at zero.
    """
    r = a.shape[0]
    parts, work = np.empty((3, r, r)), np.empty((7, r, r))
    gradient, step, turn = np.empty((r, r)), np.empty((r, r)), np.empty((r, r))
    error, moved = np.empty((r, r)), np.empty((r, r))
    parts[0] = a
    scale = _dot(a, a) + _dot(b, b)
    for start in range(rotations.shape[0]):
        c = rotations[start]
        _carry(c, b, parts[1], work)
        _add(a, -1.0, parts[1], error)
        value, radius = _dot(error, error), 1.0
        for _ in range(n_steps):
            if value <= 1e-28 * scale:
                break
            _transpose(parts[1], parts[2])
            _bracket(error, parts[2], work[0])
            _skew(work[0], -1.0, gradient)
            if _dot(gradient, gradient) <= (tolerance * scale) ** 2:
                break
            expected = _model_step(parts, gradient, radius, r * (r - 1) // 2 + 1, step, work)
            if expected <= 1e-15 * value:
                break
            _rotate(step, turn, work)
            _orthogonal(turn, work)
            _carry(turn, parts[1], moved, work)
            _add(a, -1.0, moved, error)
            reached = _dot(error, error)
            ratio = (value - reached) / expected
            if ratio < 0.25:
                radius *= 0.25
            elif ratio > 0.75 and _dot(step, step) > 0.9 * radius * radius:
                radius = min(2.0 * radius, 4.0)
            if reached < value:
                value = reached
                _multiply(turn, c, work[0])
                _add(work[0], 0.0, work[0], c)
                _orthogonal(c, work)
                _carry(c, b, parts[1], work)
            _add(a, -1.0, parts[1], error)
        values[start] = value
        if value <= 1e-28 * scale:
            return start + 1
    return rotations.shape[0]
