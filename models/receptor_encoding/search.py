"""Find the values of training.toml on one recording alone, in half an hour: ``python search.py 1``."""

from __future__ import annotations

import sys

import numpy as np
from reproduce import N_BINS, NAME, neuron, recordings
from scipy.optimize import minimize

from arcuate import rng
from arcuate.models import load_training

TABLE = load_training(NAME)["search"]
NAMES = list(TABLE["low"])
LOW, HIGH = (np.array([TABLE[side][name] for name in NAMES]) for side in ("low", "high"))


def values(x, power):
    """Values in the box from any numbers."""
    return dict(zip(NAMES, (LOW + (HIGH - LOW) / (1 + np.exp(-x))).tolist(), strict=True)) | {"power": power}


def score(p, sound, response, rows):
    """Correlation of prediction and response in some bins; 0 for a silent neuron."""
    predicted = neuron(p, sound, n=TABLE["copies"], seed=0)[rows]
    return np.corrcoef(predicted, response[rows])[0, 1] if predicted.std() > 0 else 0.0


def fit(sound, response, rows, *, power, starts):
    """Best values of several starts: the best of random ones, then Nelder and Mead."""
    found = []
    for start in range(starts):
        draw = rng.stream(start, f"{NAME}/search")
        loss = lambda x: -score(values(x, power), sound, response, rows)  # noqa: E731
        first = min(draw.normal(0, 1.2, (TABLE["random"], len(NAMES))), key=loss)
        corners = first + np.vstack([np.zeros(len(NAMES)), 0.7 * np.eye(len(NAMES))])
        options = {"maxfev": TABLE["evaluations"], "adaptive": True, "initial_simplex": corners}
        best = minimize(loss, first, method="Nelder-Mead", options=options)
        found.append((-best.fun, values(best.x, power)))
    return max(found, key=lambda item: item[0])


sound, response = recordings()[int(sys.argv[1]) - 1]
block = np.arange(N_BINS) * TABLE["folds"] // N_BINS
for power in TABLE["powers"]:
    inner = []
    for k in range(TABLE["folds"]):
        _, best = fit(sound, response, block != k, power=power, starts=TABLE["inner_starts"])
        inner.append(score(best, sound, response, block == k))
    r, best = fit(sound, response, block >= 0, power=power, starts=TABLE["starts"])
    shown = {name: float(f"{value:.4g}") for name, value in best.items()}
    print(f"inner folds {np.mean(inner):.4f}, recording {r:.4f}", shown, flush=True)
