"""Canonical correlations, shapes, matchings, neighbors, dictionaries: closed forms and brute force."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from arcuate import compare
from arcuate.compare import _matching
from arcuate.errors import ArcuateWarning, SpecError

quiet = pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")


def draw(n: int, p: int, q: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 2))
    x, y = (latent @ rng.normal(size=(2, w)) + rng.normal(size=(n, w)) for w in (p, q))
    return x, y


MEASURES: dict[str, compare.Measure] = {
    "cca": compare.cca_measure(),
    "cca_square": compare.cca_measure(summary="mean_square"),
    "svcca": compare.svcca_measure(variance=0.8),
    "pwcca": compare.pwcca_measure(),
    "procrustes": compare.procrustes_measure(),
    "shape": compare.shape_measure(),
    "shape_half": compare.shape_measure(alpha=0.5, metric="euclidean"),
    "shape_permutation": compare.shape_measure(group="permutation"),
    "shape_train": compare.shape_measure(train=range(10)),
    "soft_matching": compare.soft_matching_measure(),
    "one_to_one": compare.one_to_one_measure(),
    "knn": compare.mutual_knn_measure(k=3),
    "itda": compare.itda_measure(n_orders=2),
}


@quiet
@pytest.mark.parametrize("name", MEASURES)
def test_null_is_the_score_of_another_order(name: str) -> None:
    measure = MEASURES[name]
    x, y = draw(30, 4, 6)
    first, second = measure.prepare(x), measure.prepare(y)
    orders = np.array([np.random.default_rng(1).permutation(30) for _ in range(3)])
    direct = [measure.score(first, measure.prepare(y[order])) for order in orders]
    np.testing.assert_allclose(measure.null(first, second, orders), direct, atol=1e-12)
    same = measure.null(first, second, np.arange(30)[None])
    np.testing.assert_allclose(same, measure.score(first, second), atol=1e-12)


# Canonical correlations.


def test_correlations_that_were_put_in_are_found() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(np.c_[np.ones(200), rng.normal(size=(200, 6))])[0][:, 1:]
    rhos = np.array([0.9, 0.5, 0.1])
    x = basis[:, :3]
    y = x * rhos + basis[:, 3:] * np.sqrt(1 - rhos**2)
    mixed = y @ rng.normal(size=(3, 3)) + 7
    np.testing.assert_allclose(compare.canonical_correlations(x, mixed), rhos, atol=1e-12)
    assert compare.cca(x, mixed) == pytest.approx(0.5)
    assert compare.cca(x, mixed, summary="mean_square") == pytest.approx(np.mean(rhos**2))


@quiet
def test_trap_canonical_correlations_saturate_and_say_so() -> None:
    rng = np.random.default_rng(0)
    with pytest.warns(ArcuateWarning, match="cca: x: 49 dimensions for 50 samples"):
        assert compare.cca(*rng.normal(size=(2, 50, 60))) == pytest.approx(1)
    with pytest.warns(ArcuateWarning, match="high by chance"):
        independent = np.mean([compare.cca(*rng.normal(size=(2, 50, 11))) for _ in range(5)])
    assert independent > 0.35
    few = np.mean([compare.cca(*rng.normal(size=(2, 50, 10))) for _ in range(40)])
    assert abs(few - 0.394) < 0.03
    with pytest.warns(ArcuateWarning, match="svcca: x: .* components"):
        compare.svcca(*rng.normal(size=(2, 50, 60)))


def test_leading_components_are_those_that_hold_the_variance() -> None:
    x, y = draw(80, 6, 7)
    kept = []
    for states in (x, y):
        c = states - states.mean(axis=0)
        u, s, _ = np.linalg.svd(c, full_matrices=False)
        k = next(k for k in range(1, 8) if np.sum(s[:k] ** 2) >= 0.9 * np.sum(s**2))
        kept.append(u[:, :k])
    rhos = np.linalg.svd(kept[0].T @ kept[1], compute_uv=False)
    assert compare.svcca(x, y, variance=0.9) == pytest.approx(rhos.mean())
    assert compare.svcca(x, y, variance=1.0) == pytest.approx(compare.cca(x, y))


def test_projection_weights_are_their_definition_and_not_symmetric() -> None:
    x, y = draw(80, 3, 5)
    c, d = x - x.mean(axis=0), y - y.mean(axis=0)
    qx, qy = np.linalg.qr(c)[0], np.linalg.qr(d)[0]
    u, rhos, _ = np.linalg.svd(qx.T @ qy, full_matrices=False)
    weights = np.abs((qx @ u).T @ c).sum(axis=1)
    assert compare.pwcca(x, y) == pytest.approx(weights @ rhos / weights.sum())
    assert abs(compare.pwcca(x, y) - compare.pwcca(y, x)) > 0.01
    assert not compare.pwcca_measure().symmetric


# Shapes.


@pytest.mark.parametrize(("n", "p", "bias"), [(50, 10, 0.373), (50, 50, 0.753), (50, 500, 0.975)])
def test_trap_independent_shapes_are_alike(n: int, p: int, bias: float) -> None:
    pairs = np.random.default_rng(0).normal(size=(8, 2, n, p))
    assert abs(np.mean([compare.procrustes(x, y) for x, y in pairs]) - bias) < 0.03


def test_distances_of_shapes_agree_with_each_other() -> None:
    x, y = draw(40, 4, 6)
    similarity = compare.procrustes(x, y)
    assert compare.shape_distance(x, y) == pytest.approx(np.arccos(similarity))
    assert compare.shape_distance(x, y, metric="chordal") == pytest.approx(np.sqrt(2 - 2 * similarity))
    c, d = x - x.mean(axis=0), y - y.mean(axis=0)
    euclidean = compare.shape_distance(c / np.linalg.norm(c), d / np.linalg.norm(d), metric="euclidean")
    assert euclidean == pytest.approx(np.sqrt(2 - 2 * similarity))


def test_full_whitening_forgets_how_long_directions_are() -> None:
    x, y = draw(60, 5, 5)
    rhos = compare.canonical_correlations(x, y)
    assert compare.shape_distance(x, y, alpha=0) == pytest.approx(np.arccos(rhos.mean()))


def test_alignment_is_scored_on_samples_it_has_not_seen() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    turned = x @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 5
    assert compare.shape_distance(x, turned, train=range(30)) < 1e-6
    noise = rng.normal(size=(2, 60, 30))
    assert compare.shape_distance(*noise) < 1.0
    assert compare.shape_distance(*noise, train=range(30)) > 1.4


def test_angles_obey_the_triangle() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        x, y, z = (rng.normal(size=(20, 2)) @ rng.normal(size=(2, w)) for w in (3, 4, 5))
        a, b, c = (compare.shape_distance(*two) for two in ((x, y), (y, z), (x, z)))
        assert c <= a + b + 1e-9


def test_best_permutation_is_the_best_of_all() -> None:
    x, y = draw(30, 4, 4)
    c, d = x - x.mean(axis=0), y - y.mean(axis=0)
    best = max(np.vdot(c, d[:, list(order)]) for order in permutations(range(4)))
    cosine = best / np.linalg.norm(c) / np.linalg.norm(d)
    assert compare.shape_distance(x, y, group="permutation") == pytest.approx(np.arccos(cosine))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metric": "cosine"}, "metric"),
        ({"alpha": 1.5}, "alpha"),
        ({"alpha": 0.5, "group": "permutation"}, "alpha"),
        ({"group": "rotation"}, "group"),
        ({"train": [0, 0]}, "different indices"),
        ({"train": [0.5, 1]}, "different indices"),
        ({"train": range(29)}, "leave out"),
        ({"train": [0, 99]}, "indices of 30 samples"),
    ],
    ids=str,
)
def test_bad_options_of_shapes_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        compare.shape_distance(*draw(30, 3, 3), **options)


# Matchings.


def test_soft_matching_of_equal_numbers_is_the_best_permutation() -> None:
    x, y = draw(30, 5, 5)
    table = np.corrcoef(x.T, y.T)[:5, 5:]
    best = max(np.mean([table[i, j] for i, j in enumerate(order)]) for order in permutations(range(5)))
    assert compare.soft_matching(x, y) == pytest.approx(best)
    assert compare.one_to_one(x, y) == pytest.approx(best)
    assert compare.one_to_one(x, y[:, :3]) == pytest.approx(
        max(np.mean([table[i, j] for j, i in enumerate(order)]) for order in permutations(range(5), 3))
    )


@pytest.mark.parametrize("shape", [(4, 6), (7, 5), (9, 3), (11, 13)], ids=str)
def test_transport_is_the_same_by_copies_and_by_program(shape: tuple[int, int]) -> None:
    table = np.random.default_rng(0).uniform(-1, 1, size=shape)
    assert _matching._transport(table) == pytest.approx(_matching._program(table), abs=1e-9)


def test_matching_sees_rotations_and_leaves_constant_units_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 8))
    turned = x @ np.linalg.qr(rng.normal(size=(8, 8)))[0]
    assert compare.procrustes(x, turned) == pytest.approx(1)
    assert compare.soft_matching(x, turned) < 0.9
    with pytest.warns(ArcuateWarning, match="soft_matching: y: 1 of 9 units are constant and left out: 8"):
        assert compare.soft_matching(x, np.c_[x, np.ones(60)]) == pytest.approx(1)


# Neighbors.


def test_mutual_neighbors_are_counted() -> None:
    x, y = draw(25, 4, 5)
    near = []
    for states in (x, y):
        rows = states / np.linalg.norm(states, axis=1)[:, None]
        cosine = rows @ rows.T - 3 * np.eye(25)
        near.append([set(np.argsort(-row)[:4]) for row in cosine])
    shared = np.mean([len(a & b) for a, b in zip(*near, strict=True)]) / 4
    assert compare.mutual_knn(x, y, k=4, corrected=False) == pytest.approx(shared)
    chance = 4 / 24
    assert compare.mutual_knn(x, y, k=4) == pytest.approx((shared - chance) / (1 - chance))


def test_neighbors_of_independent_systems_meet_by_chance() -> None:
    rng = np.random.default_rng(0)
    found = [compare.mutual_knn(*rng.normal(size=(2, 60, 5)), k=10) for _ in range(40)]
    assert abs(np.mean(found)) < 0.02


def test_bad_numbers_of_neighbors_are_refused() -> None:
    x, y = draw(12, 3, 3)
    for k, words in ((0, "k = 0"), (11, "<= 10"), (2.5, "integer")):
        with pytest.raises(SpecError, match=words):
            compare.mutual_knn(x, y, k=k)  # type: ignore[arg-type]
    x[3] = 0
    with pytest.raises(SpecError, match="no direction in samples 3"):
        compare.mutual_knn(x, y, k=3)


# Dictionaries.


def naive(states: np.ndarray, threshold: float, n_atoms: int) -> list[int]:
    """Matching pursuit as it is written down."""
    rows = states / np.linalg.norm(states, axis=1)[:, None]
    chosen: list[int] = []
    for i, sample in enumerate(rows):
        left = sample.copy()
        for _ in range(n_atoms):
            products = rows[chosen] @ left if chosen else np.zeros(0)
            if not np.any(products > 0):
                break
            left = left - products.max() * rows[chosen[int(products.argmax())]]
        if left @ left > threshold:
            chosen.append(i)
    return chosen


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("n_atoms", [1, 3, 40])
def test_dictionary_is_that_of_matching_pursuit(threshold: float, n_atoms: int) -> None:
    x = draw(60, 8, 2)[0]
    got = compare.itda_dictionary(x, threshold=threshold, n_atoms=n_atoms)
    assert got.tolist() == naive(x, threshold, n_atoms)


def test_dictionaries_of_independent_systems_meet_because_of_the_order() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 100, 8))
    found = compare.dictionary_overlap(x, y, n_null=40)
    assert found.value > 0.2
    assert found.p > 0.05
    assert abs(found.value - found.null_mean) < 3 * found.null_sd
    assert found.low <= found.value <= found.high
    assert found.value == compare.itda(x, y)
    same = compare.dictionary_overlap(x, 2 * x, n_null=19)
    assert (same.value, same.jaccard, same.p) == (1.0, 1.0, 0.05)


def test_dictionary_of_nearly_all_samples_is_warned_of() -> None:
    with pytest.warns(ArcuateWarning, match="dictionaries hold (9.|100) % of the samples"):
        compare.itda_measure(n_orders=1).prepare(np.random.default_rng(0).normal(size=(40, 60)))


@quiet
def test_progress_of_the_null_is_told() -> None:
    x, y = draw(20, 3, 3)
    told: list[tuple[int, int]] = []
    compare.dictionary_overlap(x, y, n_null=3, n_orders=1, progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "options", [{"threshold": 0}, {"threshold": 1}, {"n_atoms": 0}, {"n_orders": 0}, {"seed": -1}], ids=str
)
def test_bad_options_of_dictionaries_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=next(iter(options))):
        compare.itda(*draw(20, 3, 3), **options)
