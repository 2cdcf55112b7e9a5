"""Recursive least squares in NumPy for :mod:`arcuate.study.bench`; runs as a process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arcuate.study._bench_serve import Case, Sample, serve, timed


def prepare(case: Case) -> Callable[[], Sample]:
    """As the scripts of published models have it, or with the outer product in place."""
    x, target, in_place = case["features"], case["target"], case.way == "in place"
    n = x.shape[1]
    product = np.empty((n, n)) if in_place else None

    def run() -> Sample:
        p, w = np.eye(n), np.zeros((target.shape[1], n))

        def updates() -> None:
            nonlocal p, w
            for row, wanted in zip(x, target, strict=True):
                k = p @ row
                gain, error = 1.0 / (1.0 + row @ k), wanted - w @ row
                if product is None:
                    p = p - gain * np.outer(k, k)
                    w = w + np.outer(error, gain * k)
                else:
                    np.multiply(k[:, None], gain * k[None], out=product)
                    np.subtract(p, product, out=p)
                    w += error[:, None] * (gain * k)[None]

        cpu, _ = timed(updates)
        return Sample(cpu=cpu / len(x), count=float(np.linalg.norm(w)))

    return run


if __name__ == "__main__":
    serve(prepare, package="numpy")
