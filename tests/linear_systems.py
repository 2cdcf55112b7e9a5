"""Linear systems with known operators, and trials of them."""

from __future__ import annotations

import numpy as np


def oscillators(angles: tuple[float, ...], decay: float = 0.95) -> np.ndarray:
    """Damped rotations, one for each angle (rad per step)."""
    out = np.zeros((2 * len(angles), 2 * len(angles)))
    for k, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        out[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = decay * np.array([[c, -s], [s, c]])
    return out


def trials(
    operator: np.ndarray,
    rng: np.random.Generator,
    n: int = 10,
    steps: int = 200,
    noise: float = 0.1,
    drive: np.ndarray | None = None,
) -> np.ndarray:
    """States of a noisy linear system; ``drive`` (n, steps, r) is added in each step."""
    state, out = rng.standard_normal((n, len(operator))), []
    for t in range(steps):
        out.append(state)
        state = state @ operator.T + noise * rng.standard_normal(state.shape)
        if drive is not None:
            state = state + drive[:, t]
    return np.stack(out, axis=1)


def turn(r: int, rng: np.random.Generator, *, mirror: bool = False) -> np.ndarray:
    """A random rotation, or a reflection."""
    q = np.linalg.qr(rng.standard_normal((r, r)))[0]
    if (np.linalg.det(q) < 0) != mirror:
        q[:, 0] *= -1
    return q
