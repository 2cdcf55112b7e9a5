"""Ranges, symmetry and invariances of the geometric measures on random cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arcuate import compare

pytestmark = pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")

MEASURES: dict[str, compare.Measure] = {
    "cka": compare.cka_measure(),
    "cka_biased": compare.cka_measure(debiased=False),
    "cka_rbf": compare.cka_measure(kernel="rbf"),
    "cka_unit": compare.cka_measure(normalize="unit"),
    "cca": compare.cca_measure(),
    "cca_square": compare.cca_measure(summary="mean_square"),
    "svcca": compare.svcca_measure(variance=0.8),
    "pwcca": compare.pwcca_measure(),
    "procrustes": compare.procrustes_measure(),
    "chordal": compare.shape_measure(metric="chordal"),
    "soft_matching": compare.soft_matching_measure(),
    "one_to_one": compare.one_to_one_measure(),
    "knn": compare.mutual_knn_measure(k=2),
    "itda": compare.itda_measure(n_orders=1),
}
LIKE_ITSELF = 1e-7
"""A distance is a square root: rounding of 1e-15 below it is 3e-8."""


def check(name: str, seed: int, sizes: tuple[int, int, int], scale: float) -> None:
    measure, rng = MEASURES[name], np.random.default_rng(seed)
    n, p, q = sizes
    if name == "pwcca":  # several correlations of 1 leave its weights open
        n += p + q
    mixing = rng.uniform(0, 1)
    latent = rng.normal(size=(n, 2))
    x, y = (
        scale * (mixing * latent @ rng.normal(size=(2, w)) + rng.normal(size=(n, w)) + rng.normal(size=w))
        for w in (p, q)
    )
    first, second = measure.prepare(x), measure.prepare(y)
    score = measure.score(first, second)
    assert measure.low <= score <= measure.high
    if measure.symmetric:
        assert measure.score(second, first) == pytest.approx(score, abs=1e-10)
    itself = measure.score(first, first)
    assert itself == pytest.approx(
        0 if measure.kind == "distance" else 1, abs=LIKE_ITSELF if measure.kind == "distance" else 1e-10
    )
    order = rng.permutation(n)
    together = measure.score(measure.prepare(x[order]), measure.prepare(y[order]))
    if name != "itda":  # the order of the samples is what a dictionary is made by
        assert together == pytest.approx(score, abs=1e-10)
    changed = {
        "rotation": lambda: y @ np.linalg.qr(rng.normal(size=(q, q)))[0],
        "scale": lambda: 2.0 ** rng.integers(-20, 20) * y,
        "shift": lambda: y + scale * rng.normal(size=q),
        "permutation": lambda: y[:, rng.permutation(q)],
        "linear": lambda: y @ (np.eye(q) + 0.2 * rng.uniform(-1, 1, size=(q, q)) / q),
    }
    for change in measure.invariances:
        got = measure.score(first, measure.prepare(changed[change]()))
        assert got == pytest.approx(score, abs=1e-10), change


CASE = {
    "seed": st.integers(0, 2**32 - 1),
    "sizes": st.tuples(st.integers(5, 30), st.integers(2, 12), st.integers(2, 12)),
    "scale": st.sampled_from([1e-100, 1e-3, 1.0, 1e4, 1e100]),
}


@pytest.mark.parametrize("name", MEASURES)
@settings(max_examples=25)
@given(**CASE)
def test_range_symmetry_invariance(name: str, seed: int, sizes: tuple[int, int, int], scale: float) -> None:
    check(name, seed, sizes, scale)


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURES)
@settings(max_examples=10_000, suppress_health_check=list(HealthCheck))
@given(**CASE)
def test_in_ten_thousand_cases(name: str, seed: int, sizes: tuple[int, int, int], scale: float) -> None:
    check(name, seed, sizes, scale)
