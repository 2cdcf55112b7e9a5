"""A small measure for tests of `compare`: debiased alignment of Grams, written down by its definition."""

from __future__ import annotations

from typing import Any

import numpy as np

from arcuate.compare import Measure, refit


def gram(x: np.ndarray) -> np.ndarray:
    """Return the U-centered Gram of norm 1."""
    x = x - x.mean(axis=0)
    k = x @ x.T
    n = len(k)
    np.fill_diagonal(k, 0)
    rows = k.sum(axis=1)
    k = k - rows[:, None] / (n - 2) - rows / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(k, 0)
    norm = np.linalg.norm(k)
    return k / norm if norm else k


def score(first: np.ndarray, second: np.ndarray) -> float:
    """Return the inner product."""
    return float(np.vdot(first, second))


def null(first: np.ndarray, second: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return the inner products for other orders."""
    return np.array([np.vdot(first, second[order][:, order]) for order in orders])


def toy(**options: Any) -> Measure:
    """Return the measure."""
    about: dict[str, Any] = {
        "name": "toy",
        "kind": "similarity",
        "low": -1,
        "high": 1,
        "symmetric": True,
        "invariances": ("rotation", "scale", "shift"),
        "prepare": gram,
        "score": score,
        "null": null,
        "pooled": True,
    }
    return Measure(**(about | options))


def distance() -> Measure:
    """Return one minus the measure, as a distance."""
    return toy(
        name="toy distance",
        kind="distance",
        low=0,
        high=2,
        score=lambda x, y: 1 - score(x, y),
        null=lambda x, y, orders: 1 - null(x, y, orders),
    )


def trials() -> Measure:
    """Return the difference of mean speeds, which takes trials and does not ask which is which."""
    speed = lambda x: float(np.abs(np.diff(x, axis=1)).mean())  # noqa: E731
    away = lambda x, y: abs(x - y)  # noqa: E731
    return toy(
        name="speed",
        kind="distance",
        low=0,
        high=np.inf,
        takes="trials",
        prepare=speed,
        score=away,
        null=refit(away, lambda x, order: x),
    )
