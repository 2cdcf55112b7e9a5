"""RSA: comparators, their nulls without recomputation, ranges, invariances, and ceilings."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import squareform

from arcuate import _inputs, compare
from arcuate.compare._comparators import COMPARATORS, _ranks
from arcuate.errors import ArcuateWarning, MemoryLimitError

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(2, 8, 12))
TIED = np.round(X * 2) / 2


@pytest.mark.parametrize("states", [X, TIED], ids=["untied", "tied"])
def test_comparators_as_scipy_computes_them(states: np.ndarray) -> None:
    a, b = (squareform(compare.rdm(s).values) for s in (states, Y))
    want = {
        "spearman": stats.spearmanr(a, b)[0],
        "corr": stats.pearsonr(a, b)[0],
        "tau-b": stats.kendalltau(a, b)[0],
        "tau-a": np.mean([np.sign(p * q) for p, q in zip(*map(differences, (a, b)), strict=True)]),
    }
    for name, value in want.items():
        assert compare.rdm_similarity(a, b, comparator=name) == pytest.approx(value, abs=1e-12)


def differences(pairs: np.ndarray) -> list[float]:
    return [p - q for p, q in itertools.combinations(pairs, 2)]


def test_rho_a_is_what_spearman_is_on_average_over_ways_to_break_ties() -> None:
    a, b = np.array([1.0, 2, 2, 2, 3, 4]), np.array([3.0, 1, 2, 4, 4, 6])
    ways = [
        stats.spearmanr(p, q)[0]
        for p in broken(a)
        for q in broken(b)
    ]  # fmt: skip
    assert compare.rdm_similarity(a, b) == pytest.approx(np.mean(ways), abs=1e-12)


def broken(pairs: np.ndarray) -> list[np.ndarray]:
    """Every order of all that does not contradict the order of those that differ."""
    orders = itertools.permutations(range(len(pairs)))
    return [np.argsort(o) for o in orders if (np.diff(pairs[list(o)]) >= 0).all()]


@pytest.mark.parametrize("comparator", list(COMPARATORS))
@pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")
def test_the_null_is_that_of_states_in_other_orders(comparator: str) -> None:
    orders = np.array([np.arange(8), *(RNG.permutation(8) for _ in range(4))])
    for x in (X, TIED):
        measure = compare.rsa_measure(comparator=comparator)
        first, second = measure.prepare(x), measure.prepare(Y)
        want = [measure.score(first, measure.prepare(Y[order])) for order in orders]
        got = measure.null(first, second, orders)
        np.testing.assert_allclose(got, want, rtol=1e-5 if comparator == "neg_riem_dist" else 1e-9)
        assert got[0] == pytest.approx(compare.rsa(x, Y, comparator=comparator), rel=1e-6)


@pytest.mark.parametrize("dissimilarity", ["mahalanobis", "crossnobis", "poisson_cv"])
def test_the_null_of_repeats(dissimilarity: str) -> None:
    x, y = RNG.poisson(4.0, size=(2, 7, 3, 6)).astype(float)
    measure = compare.rsa_measure(dissimilarity=dissimilarity)
    assert measure.takes == "repeats"
    orders = np.array([RNG.permutation(7) for _ in range(5)])
    want = [compare.rsa(x, y[order], dissimilarity=dissimilarity) for order in orders]
    got = measure.null(measure.prepare(x), measure.prepare(y), orders)
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_crossnobis_has_a_name_of_its_own() -> None:
    x, y = RNG.normal(size=(2, 7, 3, 6))
    measure = compare.rsa_crossnobis_measure(comparator="cosine_cov", noise=None)
    score = measure.score(measure.prepare(x), measure.prepare(y))
    assert score == pytest.approx(compare.rsa_crossnobis(x, y, comparator="cosine_cov", noise=None))
    assert measure.options == {"dissimilarity": "crossnobis", "comparator": "cosine_cov", "noise": None}


@pytest.mark.parametrize("dissimilarity", ["euclidean", "crossnobis"])
@pytest.mark.parametrize("comparator", ["rho-a", "corr_cov"])
def test_p_values_of_systems_without_relation_are_uniform(dissimilarity: str, comparator: str) -> None:
    rng = np.random.default_rng(11)
    measure = compare.rsa_measure(dissimilarity=dissimilarity, comparator=comparator)
    p = []
    for _ in range(200):
        x, y = rng.normal(size=(2, 10, 3, 6)) + 3 * rng.normal(size=(2, 10, 1, 6))
        if measure.takes == "samples":
            x, y = x[:, 0], y[:, 0]
        orders = np.array([rng.permutation(10) for _ in range(99)])
        first, second = measure.prepare(x), measure.prepare(y)
        null = measure.null(first, second, orders)
        p.append((1 + np.sum(null >= measure.score(first, second))) / 100)
    # p is one of .01, .02, ..., 1: spread evenly over each step, as the uniform distribution would be
    assert stats.kstest(np.array(p) - rng.uniform(0, 0.01, size=200), "uniform").pvalue > 0.01


def check_ranges_and_invariances(seed: int, n: int, p: int, dissimilarity: str) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, p)), rng.normal(size=(n, p + 1))
    changed, order = x.copy(), rng.permutation(n)
    if dissimilarity == "euclidean":
        changed = changed @ np.linalg.qr(rng.normal(size=(p, p)))[0] * 3.7 + rng.normal(size=p)
    elif dissimilarity == "correlation":
        changed = changed * rng.uniform(0.5, 2, size=(n, 1)) + rng.normal(size=(n, 1))
    else:
        changed = changed @ np.linalg.qr(rng.normal(size=(p, p)))[0] * rng.uniform(0.5, 2, size=(n, 1))
    for comparator in ("rho-a", "spearman", "corr", "corr_cov", "tau-a", "bures"):
        measure = compare.rsa_measure(dissimilarity=dissimilarity, comparator=comparator)
        a, b, c = (measure.prepare(states) for states in (x, y, changed[:, rng.permutation(p)]))
        score = measure.score(a, b)
        assert measure.low - 1e-9 <= score <= measure.high + 1e-9
        slack = 1e-5 if comparator == "bures" else 1e-7  # roots of rounded eigenvalues
        assert measure.score(c, b) == pytest.approx(score, abs=slack)
        assert measure.score(a, c) == pytest.approx(1, abs=slack)
        if measure.symmetric:
            assert measure.score(b, a) == pytest.approx(score, abs=1e-12)
        both = measure.score(measure.prepare(x[order]), measure.prepare(y[order]))
        assert both == pytest.approx(score, abs=slack)


CASE = given(
    st.integers(0, 2**32 - 1),
    st.integers(4, 14),
    st.integers(3, 9),
    st.sampled_from(["euclidean", "correlation", "cosine"]),
)


@CASE
@settings(max_examples=200)
def test_ranges_and_invariances(seed: int, n: int, p: int, dissimilarity: str) -> None:
    check_ranges_and_invariances(seed, n, p, dissimilarity)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@CASE
@settings(max_examples=10_000)
def test_ranges_and_invariances_of_many(seed: int, n: int, p: int, dissimilarity: str) -> None:
    check_ranges_and_invariances(seed, n, p, dissimilarity)


@given(st.integers(0, 2**32 - 1), st.integers(4, 10))
@settings(max_examples=100)
def test_crossnobis_scores_stay_in_range(seed: int, n: int) -> None:
    x, y = np.random.default_rng(seed).normal(size=(2, n, 3, 5))
    for comparator in ("rho-a", "cosine", "corr_cov", "tau-b"):
        measure = compare.rsa_crossnobis_measure(comparator=comparator, noise=None)
        assert -1 <= measure.score(measure.prepare(x), measure.prepare(y)) <= 1


def test_stimuli_are_matched_by_label() -> None:
    labels = list("abcdefgh")
    x = xr.DataArray(X, dims=("stimulus", "unit"), coords={"stimulus": labels})
    y = xr.DataArray(Y, dims=("stimulus", "unit"), coords={"stimulus": labels})
    order = RNG.permutation(8)
    assert compare.rsa(x, y[order]) == pytest.approx(compare.rsa(X, Y), abs=1e-12)
    matrix = compare.rdm(y[order])
    assert compare.rdm_similarity(compare.rdm(x), matrix) == pytest.approx(compare.rsa(X, Y), abs=1e-12)
    assert compare.rdm_similarity(compare.rdm(X), matrix.values) != pytest.approx(compare.rsa(X, Y))
    ceiling = compare.rdm_noise_ceiling([compare.rdm(x), matrix])
    assert ceiling.lower == pytest.approx(compare.rsa(X, Y), abs=1e-12)


def noisy_subjects() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    signal = rng.normal(size=(12, 60))
    return [compare.rdm(signal + 2.2 * rng.normal(size=(12, 60))).values for _ in range(8)]


def test_the_cosine_of_positive_dissimilarities_says_nothing() -> None:
    rdms = noisy_subjects()
    with pytest.warns(ArcuateWarning, match="the cosine of .* is high whatever"):
        cosine = compare.rdm_noise_ceiling(rdms, comparator="cosine")
    assert cosine.lower > 0.95
    for comparator in ("corr", "rho-a"):
        ceiling = compare.rdm_noise_ceiling(rdms, comparator=comparator)
        assert 0 < ceiling.lower < ceiling.upper < 0.6
        assert ceiling.upper - ceiling.lower > 10 * (cosine.upper - cosine.lower)
    with pytest.warns(ArcuateWarning, match="cosine"):
        assert (
            compare.rsa(*RNG.normal(size=(2, 20, 60)), comparator="cosine") > 0.9
        )  # of systems without relation
    with pytest.warns(ArcuateWarning, match="cosine"):
        compare.rsa_measure(comparator="cosine")
    with pytest.warns(ArcuateWarning, match="the cosine_cov of"):
        whitened = compare.rdm_noise_ceiling(rdms, comparator="cosine_cov")
    assert whitened.lower > 0.85
    compare.rsa_crossnobis_measure(comparator="cosine")  # of which zero means something: no warning


@pytest.mark.parametrize("comparator", ["rho-a", "spearman", "corr", "tau-a", "corr_cov"])
def test_the_ceiling_lies_where_the_truth_does(comparator: str) -> None:
    """Of many subjects the truth scores between the two bounds, which then nearly meet."""
    rng = np.random.default_rng(4)
    signal = rng.normal(size=(10, 40))
    rdms = [compare.rdm(signal + rng.normal(size=(10, 40))).values for _ in range(40)]
    ceiling = compare.rdm_noise_ceiling(rdms, comparator=comparator)
    truth = np.mean([compare.rdm_similarity(compare.rdm(signal), one, comparator=comparator) for one in rdms])
    assert ceiling.lower - 0.02 < truth < ceiling.upper
    assert ceiling.each_lower.shape == ceiling.each_upper.shape == (40,)
    assert ceiling.each_lower.mean() == pytest.approx(ceiling.lower)


def test_a_thousand_orders_of_two_hundred_stimuli_need_no_states() -> None:
    a, b = RNG.random((2, 199 * 100))
    compared = COMPARATORS["rho-a"]
    first, second = compared.prepare(a), compared.prepare(b)
    orders = np.array([RNG.permutation(200) for _ in range(1000)])
    null = compared.null(first, second, orders)
    assert abs(null.mean()) < 4 * null.std() / np.sqrt(1000)
    matrix = squareform(b)[np.ix_(orders[5], orders[5])]
    assert null[5] == pytest.approx(compared.score(first, compared.prepare(squareform(matrix))))


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_preparing_takes_no_more_memory_than_is_said(comparator: str) -> None:
    n = 400
    pairs = compare.rdm(np.random.default_rng(0).normal(size=(n, n + 5))).values[np.triu_indices(n, 1)]
    one = COMPARATORS[comparator]
    one.prepare(pairs)  # imports and compiles
    tracemalloc.start()
    one.prepare(pairs)
    peak = tracemalloc.get_traced_memory()[1] + pairs.nbytes
    tracemalloc.stop()
    assert peak < one.peak * n**2


def test_ranks_share_ties_as_in_scipy() -> None:
    for top in (5, 10**6):
        pairs = np.random.default_rng(top).integers(0, top, size=300).astype(float)
        np.testing.assert_array_equal(_ranks(pairs), stats.rankdata(pairs) - 301 / 2)


def test_more_stimuli_than_fit_are_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_inputs, "_SMALL", 0)
    monkeypatch.setattr(_inputs, "MOST_BYTES", 10**6)
    with pytest.raises(MemoryLimitError, match=r"rsa: would take .* fewer stimuli"):
        compare.rsa_measure().prepare(np.random.default_rng(0).normal(size=(300, 5)))
