"""Agreement of partitions, alignment and consensus, against scikit-learn and against trying all ways."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from arcuate.connectome import align, ami, ari, consensus, leiden, nmi
from arcuate.errors import MissingExtraError


def partitions(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    first = rng.integers(0, rng.integers(1, 9), n)
    return first, np.where(rng.random(n) < 0.5, first, rng.integers(0, 4, n))


@pytest.mark.parametrize("seed", range(12))
def test_agreement_is_that_of_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    first, second = partitions(seed)
    assert nmi(first, second) == pytest.approx(metrics.normalized_mutual_info_score(first, second), abs=1e-12)
    assert ami(first, second) == pytest.approx(metrics.adjusted_mutual_info_score(first, second), abs=1e-12)
    assert ari(first, second) == pytest.approx(metrics.adjusted_rand_score(first, second), abs=1e-12)


@pytest.mark.parametrize("score", [nmi, ami, ari])
def test_names_of_blocks_do_not_matter(score: object) -> None:
    assert callable(score)
    assert score([0, 0, 1, 2], ["x", "x", "b", "a"]) == pytest.approx(1.0)
    assert score([3, 3, 3], [1, 1, 1]) == 1.0


def test_adjusted_scores_are_zero_on_average_for_unrelated_partitions() -> None:
    rng = np.random.default_rng(5)
    pairs = [(rng.integers(0, 5, 40), rng.integers(0, 8, 40)) for _ in range(300)]
    assert abs(np.mean([ami(a, b) for a, b in pairs])) < 0.01
    assert abs(np.mean([ari(a, b) for a, b in pairs])) < 0.01
    assert np.mean([nmi(a, b) for a, b in pairs]) > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_alignment_is_the_best_of_all_ways_to_rename(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, labels = rng.integers(0, 4, 30), rng.integers(0, 4, 30)
    best = max((np.array(way)[labels] == reference).sum() for way in permutations(range(4)))
    assert (align(labels, reference) == reference).sum() == best


def test_blocks_without_a_partner_get_new_numbers() -> None:
    assert align([0, 1, 2, 2], [1, 1, 7, 7]).tolist() == [1, 8, 7, 7]


def test_consensus_finds_what_noisy_copies_share() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1, 2], [20, 12, 8])
    copies = []
    for _ in range(30):
        noisy = np.where(rng.random(40) < 0.15, rng.integers(0, 3, 40), truth)
        copies.append(rng.permutation(3)[noisy])
    found = consensus(copies)
    assert found.labels.tolist() == truth.tolist()
    assert found.n_blocks == 3
    assert found.score == pytest.approx(np.mean([nmi(truth, copy) for copy in copies]))
    assert 0.8 < found.persistence.mean() < 1.0
    assert np.allclose(np.diagonal(found.coassignment), 1.0)
    inside = found.coassignment[truth[:, None] == truth].mean()
    assert inside > 0.7 > 0.3 > found.coassignment[truth[:, None] != truth].mean()


def test_consensus_of_what_is_always_one_block_is_one_block() -> None:
    found = consensus([[0, 0, 0], [1, 1, 1]])
    assert found.n_blocks == 1
    assert found.score == 1.0
    assert found.persistence.tolist() == [1.0, 1.0, 1.0]


def test_leiden_finds_cliques_and_its_modularity_is_the_formula() -> None:
    pytest.importorskip("leidenalg")
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1, 2], 10)
    upper = np.triu(rng.random((30, 30)) * np.where(truth[:, None] == truth, 1.0, 0.2), 1)
    graph = upper + upper.T
    found = leiden(graph, n_runs=4, seed=2)
    assert ari(found.labels, truth) == 1.0
    strength = graph.sum(axis=1)
    excess = graph - np.outer(strength, strength) / strength.sum()
    by_hand = excess[found.labels[:, None] == found.labels].sum() / strength.sum()
    assert found.modularity == pytest.approx(by_hand)
    assert len(found.partitions) == 4
    assert leiden(graph, n_runs=4, seed=2).labels.tolist() == found.labels.tolist()


def test_without_the_extra_leiden_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "igraph", None)
    with pytest.raises(MissingExtraError, match=r"arcuate\[communities\]"):
        leiden(np.ones((4, 4)) - np.eye(4))
