"""Block models: evidence against sums over all partitions and integrals, search, nulls, reproducibility."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import expon, gamma, poisson

from arcuate.connectome import BlockModel, ari, exponential_blocks, lfr_graph
from arcuate.connectome._block_likelihood import expected_edges, likelihood, strength_factors
from arcuate.connectome._block_search import Workspace, modular_communities, temper
from arcuate.connectome._graphs import as_graph
from arcuate.errors import ArcuateWarning


def small_graph(n: int, seed: int, *, density: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.exponential(size=(n, n)) * (rng.random((n, n)) < density), 1)
    return upper + upper.T


def set_partitions(n: int) -> Iterator[np.ndarray]:
    """Give every partition of n nodes once, as labels in the order of appearance."""
    stack = [[0]]
    while stack:
        labels = stack.pop()
        if len(labels) == n:
            yield np.array(labels, dtype=np.int64)
        else:
            stack.extend([*labels, k] for k in range(max(labels) + 2))


def space(graph: np.ndarray, weights: str = "exponential", edges: str = "auto", **more: float) -> Workspace:
    return Workspace(likelihood(graph, weights, edges, **more), len(graph))


def planted(n: int) -> np.ndarray:
    return np.zeros(n, dtype=np.int64)


def flat(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64)


def test_prior_of_partitions_sums_to_one() -> None:
    here = space(small_graph(7, 0))
    assert sum(math.exp(here.log_prior(labels)) for labels in set_partitions(7)) == pytest.approx(1.0)


@pytest.mark.parametrize("density", [1.0, 0.6])
def test_evidence_of_two_blocks_is_the_integral_over_their_rates(density: float) -> None:
    graph = small_graph(6, 3, density=density)
    here = space(graph)
    labels = np.array([0, 0, 0, 1, 1, 1])
    present, x, _, exposure = np.moveaxis(here.data.pairs, 2, 0)
    total = here.log_prior(labels)
    for inside in (True, False):
        pairs = np.triu((labels[:, None] == labels) == inside, 1)
        m, s, e = int(present[pairs].sum()), x[pairs].sum(), exposure[pairs].sum()
        total += math.log(quad(lambda r, m=m, s=s: r**m * math.exp(-r * s) * expon.pdf(r), 0, 60)[0])
        if density < 1.0:
            total += math.log(quad(lambda r, m=m, e=e: r**m * math.exp(-r * e) * expon.pdf(r), 0, 60)[0])
    assert here.joint(labels, planted(6)) == pytest.approx(total, abs=1e-7)


def test_evidence_of_counts_is_the_integral_over_their_rate() -> None:
    counts = np.array([[0, 3, 1, 0], [3, 0, 2, 1], [1, 2, 0, 4], [0, 1, 4, 0]], float)
    here = space(counts, "poisson", corrected=False)
    _, x, _, exposure = here.data.pairs[np.triu_indices(4, 1)].T
    known = sum(
        poisson.logpmf(k, e) - k * math.log(e) + math.lgamma(k + 1) + e
        for k, e in zip(x, exposure, strict=True)
    )
    assert known == pytest.approx(0.0, abs=1e-12)  # what depends on the rate is r^k exp(-r e)
    value = quad(lambda r: r ** x.sum() * math.exp(-r * exposure.sum()) * gamma.pdf(r, 1.0), 0, 60)[0]
    zero = np.zeros(4, np.int64)
    assert here.joint(zero, planted(4)) - here.log_prior(zero) == pytest.approx(math.log(value), abs=1e-7)


def test_shape_of_weights_and_bernoulli_edges() -> None:
    graph = small_graph(6, 3, density=0.6)
    here = space(graph, "exponential", "bernoulli", shape=2.0, corrected=False)
    present, x, _, exposure = here.data.pairs[np.triu_indices(6, 1)].T
    m, s, n = present.sum(), x.sum(), exposure.sum()
    value = math.log(quad(lambda r: r ** (2 * m) * math.exp(-r * s) * expon.pdf(r), 0, 80)[0])
    value += math.log(quad(lambda p: p**m * (1 - p) ** (n - m), 0, 1)[0])
    zero = np.zeros(6, np.int64)
    assert here.joint(zero, planted(6)) - here.log_prior(zero) == pytest.approx(value, abs=1e-7)


def test_normal_weights_do_not_depend_on_order_and_beat_one_block_where_means_differ() -> None:
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1], 10)
    mean = np.where(truth[:, None] == truth, 0.8, -0.8)
    graph = as_graph(mean * (1 - np.eye(20)) + 0.0, where="t", signed=True)
    noise = np.triu(rng.normal(size=(20, 20)) * 0.5, 1)
    graph = graph + noise + noise.T
    here = space(graph, "normal")
    order = rng.permutation(20)
    moved = space(graph[np.ix_(order, order)], "normal")
    assert here.joint(truth, planted(20)) == pytest.approx(moved.joint(truth[order], planted(20)))
    assert BlockModel(weights="normal", n_starts=6).fit(graph).labels_.tolist() == truth.tolist()


@pytest.mark.parametrize("prior", [planted, flat])
@pytest.mark.parametrize("density", [1.0, 0.6])
def test_exchange_monte_carlo_gives_the_sum_over_all_partitions(prior: object, density: float) -> None:
    assert callable(prior)
    n = 7
    here = space(small_graph(n, 5, density=density))
    group = prior(n)
    values = np.array([here.joint(labels, group) for labels in set_partitions(n)])
    together = np.zeros((n, n))
    weights = np.exp(values - np.logaddexp.reduce(values))
    for labels, weight in zip(set_partitions(n), weights, strict=True):
        together += weight * (labels[:, None] == labels)
    log_z, samples, _ = temper(here, [np.zeros(n, np.int64)], group, rounds=1500, seed=1, name="t")
    assert log_z == pytest.approx(np.logaddexp.reduce(values), abs=0.1)
    sampled = np.mean([row[:, None] == row for row in samples], axis=0)
    assert np.abs(sampled - together).max() < 0.08


@pytest.mark.parametrize("most", [2, 3, 7])
def test_evidence_is_the_sum_over_partitions_of_no_more_blocks_than_allowed(most: int) -> None:
    graph = small_graph(7, 5)
    here = space(graph)
    zero = np.zeros(7, np.int64)
    allowed = [z for z in set_partitions(7) if z.max() < most]
    exact = np.logaddexp.reduce([here.joint(z, planted(7)) for z in allowed])  # prior 1/7 of each number
    exact -= here.joint(zero, planted(7)) - here.log_prior(zero)
    model = BlockModel(prior="planted", max_blocks=most, n_starts=2, n_rounds=900).fit(graph)
    assert model.log_evidence_["planted"] == pytest.approx(exact, abs=0.1)


def test_tails_that_look_like_blocks_are_told_and_their_logarithms_are_one_block() -> None:
    upper = np.triu(np.random.default_rng(0).lognormal(0.0, 1.5, size=(40, 40)), 1)
    graph = upper + upper.T
    with pytest.warns(ArcuateWarning, match='weights="normal"'):
        assert BlockModel(n_starts=4, n_rounds=6).fit(graph).n_blocks_ > 1
    logs = np.log(graph, where=graph > 0, out=np.zeros_like(graph))
    assert BlockModel(weights="normal", n_starts=4, n_rounds=6).fit(logs).n_blocks_ == 1


def test_exponential_blocks_and_products_of_loadings_give_no_warning() -> None:
    loading = np.where(np.arange(24) < 8, 1.0, 0.1) * np.random.default_rng(0).uniform(0.7, 1.3, 24)
    product = np.outer(loading, loading) * (1 - np.eye(24))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ArcuateWarning)
        drawn = exponential_blocks(40, 4, ratio=8.0, seed=1)
        assert BlockModel(n_starts=4, n_rounds=6).fit(drawn.graph).n_blocks_ > 1
        assert BlockModel(corrected=False, n_starts=4, n_rounds=6).fit(product, None).n_blocks_ > 1


def test_correction_gives_every_node_the_same_mean_weight() -> None:
    graph = small_graph(30, 1, density=0.5) * np.outer(np.arange(1, 31), np.arange(1, 31))
    factors = strength_factors(graph)
    corrected = graph / np.outer(factors, factors)
    np.testing.assert_allclose(corrected.sum(axis=1) / (graph > 0).sum(axis=1), 1.0, rtol=1e-5)


def test_expected_edges_meet_the_degrees() -> None:
    edges = (small_graph(40, 4, density=0.4) > 0).astype(float)
    np.testing.assert_allclose(expected_edges(edges).sum(axis=1), edges.sum(axis=1), rtol=1e-5)


def test_modular_communities_find_two_cliques() -> None:
    block = np.kron(np.eye(2), np.ones((8, 8))) - 0.5
    labels = modular_communities(block, np.random.default_rng(0))
    assert ari(labels, np.repeat([0, 1], 8)) == 1.0


@pytest.mark.parametrize("prior", ["auto", "planted", "nested", "flat"])
def test_blocks_are_found_and_believed(prior: str) -> None:
    drawn = exponential_blocks(60, 4, ratio=5.0, seed=3)
    model = BlockModel(prior=prior, n_starts=8).fit(drawn.graph)
    assert ari(model.labels_, drawn.labels) == 1.0
    assert ari(model.map_labels_, drawn.labels) == 1.0
    assert model.log_bayes_factor_ > 50
    result = model.result_
    weight = result.block_weight.values
    assert np.diagonal(weight).min() > weight[~np.eye(4, dtype=bool)].max()
    assert np.allclose(result.block_density, 1.0)
    assert model.entropy_.max() < 0.5


def test_blocks_that_avoid_themselves_are_found() -> None:
    drawn = exponential_blocks(60, 3, ratio=0.2, seed=1)
    assert ari(BlockModel(n_starts=8).fit(drawn.graph).labels_, drawn.labels) == 1.0


def test_sparse_blocks_with_hubs_are_found() -> None:
    drawn = lfr_graph(weight_mixing=0.25, seed=20)
    model = BlockModel(n_starts=8, n_rounds=9).fit(drawn.graph)
    assert model.edges_ == "poisson"
    assert ari(model.labels_, drawn.labels) > 0.9


@pytest.mark.parametrize("seed", [30, 31, 32])
def test_noise_is_one_block(seed: int) -> None:
    model = BlockModel(n_starts=8, n_rounds=12).fit(exponential_blocks(50, 1, ratio=1.0, seed=seed).graph)
    assert model.n_blocks_ == 1
    assert model.log_bayes_factor_ < 0
    assert model.coassignment_.min() == 1.0
    assert model.entropy_.max() == 0.0


def test_hubs_alone_are_one_block() -> None:
    rng = np.random.default_rng(8)
    level = np.exp(rng.normal(size=50))
    graph = exponential_blocks(50, 1, ratio=1.0, seed=40).graph * np.outer(level, level)
    assert BlockModel(n_starts=8, n_rounds=12).fit(graph).n_blocks_ == 1
    assert BlockModel(n_starts=8, n_rounds=12, corrected=False).fit(graph).n_blocks_ > 1


def test_threads_and_scale_do_not_matter_and_seeds_are_kept() -> None:
    graph = exponential_blocks(40, 2, ratio=2.0, seed=5).graph
    first = BlockModel(n_starts=6, n_rounds=6, seed=3).fit(graph)
    second = BlockModel(n_starts=6, n_rounds=6, seed=3, n_jobs=2).fit(graph)
    third = BlockModel(n_starts=6, n_rounds=6, seed=3).fit(graph * 4.0)
    assert first.log_evidence_ == second.log_evidence_
    assert first.labels_.tolist() == second.labels_.tolist() == third.labels_.tolist()
    assert first.log_bayes_factor_ == pytest.approx(third.log_bayes_factor_, abs=1e-6)
    np.testing.assert_array_equal(first.coassignment_, second.coassignment_)


def test_a_disconnected_graph_and_a_lonely_node() -> None:
    graph = np.zeros((21, 21))
    graph[:10, :10] = graph[10:20, 10:20] = 1.0
    np.fill_diagonal(graph, 0.0)
    model = BlockModel(n_starts=8).fit(graph)
    assert len(set(model.labels_[:10])) == len(set(model.labels_[10:20])) == 1
    assert model.labels_[0] != model.labels_[10]
    assert np.isfinite(list(model.log_evidence_.values())).all()


def test_labels_of_nodes_are_kept_and_the_estimator_is_a_clone() -> None:
    xr = pytest.importorskip("xarray")
    graph = xr.DataArray(
        exponential_blocks(10, 2, ratio=4.0, seed=1).graph,
        dims=("neuron", "other"),
        coords={"neuron": list("abcdefghij")},
    )
    model = BlockModel(n_starts=4, n_rounds=3, max_blocks=4).fit(graph)
    assert model.result_.node.values.tolist() == list("abcdefghij")
    again = type(model)(**model.get_params())
    assert again.get_params() == model.get_params()
    assert repr(again) == "BlockModel(n_starts=4, n_rounds=3, max_blocks=4)"


def test_generators_plant_what_they_say() -> None:
    shares, weight_shares = [], []
    for seed in range(6):
        drawn = lfr_graph(
            mean_degree=12.0, max_degree=20.0, mixing=0.4, weight_mixing=0.2, sizes=(30, 40), seed=seed
        )
        away = drawn.labels[:, None] != drawn.labels
        shares.append((drawn.graph > 0)[away].sum() / (drawn.graph > 0).sum())
        weight_shares.append(drawn.graph[away].sum() / drawn.graph.sum())
        assert np.array_equal(drawn.graph, drawn.graph.T)
    assert np.mean(shares) == pytest.approx(0.4, abs=0.04)
    assert np.mean(weight_shares) == pytest.approx(0.2, abs=0.04)
    dense = exponential_blocks(200, 4, ratio=3.0, seed=0)
    same = (dense.labels[:, None] == dense.labels) & ~np.eye(200, dtype=bool)
    assert dense.graph[same].mean() / dense.graph[~same & ~np.eye(200, dtype=bool)].mean() == pytest.approx(
        3.0, rel=0.05
    )
