"""The dynamic connectome: graphs at a time, motifs, overlap, bootstrap, anatomy under rewiring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arcuate.connectome import NTF, BlockModel, DynamicConnectome, ari, exponential_blocks
from arcuate.connectome.dynamic import _rewired

FAST = BlockModel(n_starts=6, n_rounds=6)


def example(seed: int = 0) -> tuple[DynamicConnectome, list[np.ndarray]]:
    """Return two components with blocks of their own, active one after the other, the second in half of the
    animals.
    """
    first = exponential_blocks(40, 4, ratio=6.0, seed=seed)
    second = exponential_blocks(40, 2, ratio=6.0, seed=seed + 1)
    t = np.linspace(0.0, 9.0, 10)
    times = np.stack([np.exp(-((t - 2) ** 2)), np.exp(-((t - 7) ** 2))], axis=1)
    animals = np.array([[1.0, 1.0], [0.9, 0.0], [1.1, 0.8], [1.0, 0.0]])
    names = [f"n{k}" for k in range(40)]
    made = DynamicConnectome(
        [first.graph, second.graph], times, animals, neurons=names, time=t, animal=["a", "b", "c", "d"]
    )
    return made, [first.labels, second.labels]


def test_the_graph_at_a_time_is_the_sum_of_the_components() -> None:
    made, _ = example()
    by_hand = sum(
        made.times.values[3, r] * made.animals.values[1, r] * made.graphs.values[r] for r in range(2)
    )
    np.testing.assert_allclose(made.at(3.2, animal="b").values, by_hand)
    np.testing.assert_allclose(
        made.at(3.0).values, np.mean([made.at(3.0, animal=a).values for a in "abcd"], axis=0)
    )


def test_communities_motifs_and_overlap() -> None:
    made, truth = example()
    made.find_communities(FAST)
    assert made.labels_ is not None
    assert [ari(row, labels) for row, labels in zip(made.labels_, truth, strict=True)] == [1.0, 1.0]
    motifs = made.motifs()
    assert motifs.sizes["motif"] == 6
    assert set(motifs.peak.values) == {2.0, 7.0}
    assert motifs.contrast.values.min() > 3.0
    assert sorted(motifs.member.sum("neuron").values.tolist()) == [10, 10, 10, 10, 20, 20]
    same, other = made.overlap(0, 0), made.overlap(0, 1)
    assert float(same["graph"]) == pytest.approx(1.0)
    assert float(same["ami"]) == pytest.approx(1.0)
    assert float(other["time"]) < 0.01
    assert 0.2 < float(other["ami"]) < 0.9


def test_numbers_of_communities_agree_from_one_component_to_the_next() -> None:
    drawn = exponential_blocks(30, 3, ratio=6.0, seed=2)
    order = np.arange(30)[::-1]
    made = DynamicConnectome([drawn.graph, drawn.graph[np.ix_(order, order)]], np.ones((2, 2)))
    made.find_communities(FAST)
    assert made.labels_ is not None
    assert (made.labels_[0] == made.labels_[1]).mean() > 0.3
    assert set(made.labels_[1]) == set(made.labels_[0])


def test_bootstrap_covers_the_mean_and_says_in_how_many_animals() -> None:
    made, _ = example()
    found = made.interval(n_draws=4000, seed=1)
    loads = made.animals.values
    np.testing.assert_allclose(found["mean"], loads.mean(axis=0))
    assert found["share"].values.tolist() == [1.0, 0.5]
    error = loads[:, 1].std() / 2.0
    width = float(found["high"][1] - found["low"][1])
    assert width == pytest.approx(2 * 1.96 * error, rel=0.2)
    assert (found["low"] <= found["mean"]).all()


def test_anatomy_that_shapes_a_component_is_told_from_a_rewired_one() -> None:
    rng = np.random.default_rng(4)
    wires = np.triu(rng.random((30, 30)) < 0.2, 1).astype(float)
    wires = wires + wires.T
    noise = np.triu(rng.exponential(size=(30, 30)), 1)
    graph = (noise + noise.T) * (1.0 + 3.0 * wires)
    made = DynamicConnectome([graph, noise + noise.T], np.ones((2, 2)))
    shaped = made.compare_with_anatomy(0, wires, n_null=99, seed=1)
    alone = made.compare_with_anatomy(1, wires, n_null=99, seed=1)
    assert shaped.auroc > 0.75
    assert shaped.p_auroc == shaped.p_rank == 0.01
    assert abs(alone.auroc - 0.5) < 0.1
    assert alone.p_auroc > 0.05


def test_area_under_the_curve_is_that_of_all_comparisons() -> None:
    rng = np.random.default_rng(0)
    upper = np.triu(rng.random((8, 8)), 1)
    wires = np.triu(rng.random((8, 8)) < 0.4, 1).astype(float)
    made = DynamicConnectome([upper + upper.T], [[1.0]])
    found = made.compare_with_anatomy(0, wires + wires.T, n_null=1)
    pairs = np.triu_indices(8, 1)
    on = wires[pairs] > 0
    wins = (upper[pairs][on][:, None] > upper[pairs][~on][None, :]).mean()
    assert found.auroc == pytest.approx(wins)


def test_rewiring_keeps_degrees_and_weights_and_changes_the_rest() -> None:
    rng = np.random.default_rng(1)
    upper = np.triu(rng.random((40, 40)) * (rng.random((40, 40)) < 0.2), 1)
    matrix = upper + upper.T
    new = _rewired(matrix, np.random.default_rng(2))
    assert np.array_equal(new, new.T)
    assert np.diagonal(new).max() == 0.0
    np.testing.assert_array_equal((new > 0).sum(axis=0), (matrix > 0).sum(axis=0))
    np.testing.assert_allclose(np.sort(new, axis=None), np.sort(matrix, axis=None))
    assert ((new > 0) & (matrix > 0)).sum() < 0.5 * (matrix > 0).sum()


def test_labels_of_an_anatomy_count_and_not_its_order() -> None:
    import xarray as xr

    rng = np.random.default_rng(4)
    wires = np.triu(rng.random((12, 12)) < 0.3, 1).astype(float)
    wires = wires + wires.T
    names = [f"n{k}" for k in range(12)]
    made = DynamicConnectome([wires + 0.1 * (1 - np.eye(12))], [[1.0]], neurons=names)
    order = rng.permutation(12)
    coords = {"a": np.array(names)[order], "b": np.array(names)[order]}
    shuffled = xr.DataArray(wires[np.ix_(order, order)], dims=("a", "b"), coords=coords)
    assert made.compare_with_anatomy(0, shuffled, n_null=1).auroc == 1.0
    assert made.compare_with_anatomy(0, shuffled.drop_vars("b"), n_null=1).auroc == 1.0
    assert made.compare_with_anatomy(0, shuffled.values, n_null=1).auroc < 0.9


def test_communities_of_components_that_are_products_of_loadings() -> None:
    rng = np.random.default_rng(3)
    graphs, truth = [], []
    for k in range(3):
        member = np.arange(24) // 8 == k
        loading = np.where(member, 1.0, 0.1) * rng.uniform(0.7, 1.3, 24)
        graphs.append(np.outer(loading, loading) * (1 - np.eye(24)))
        truth.append(member)
    made = DynamicConnectome(graphs, np.eye(3)).find_communities()
    assert made.labels_ is not None
    for row, member in zip(made.labels_, truth, strict=True):
        alike = [(member & (row == b)).sum() / (member | (row == b)).sum() for b in np.unique(row)]
        assert max(alike) >= 0.7


def test_a_component_without_edges_has_no_communities() -> None:
    a = np.repeat([1.0, 0.2], 6)
    data = np.einsum("i,j,t->ijt", a, a, np.linspace(1.0, 2.0, 7))
    model = NTF(3, n_starts=1, sparsity=0.5, seed=1, progress=False).fit(data)
    assert model.weights_[-1] == 0.0
    made = DynamicConnectome([model.graph(r).values * (1 - np.eye(12)) for r in range(3)], np.ones((2, 3)))
    made.find_communities(FAST)
    assert made.labels_ is not None
    assert made.models_[-1] is None
    assert set(made.labels_[-1]) == {0}
    assert 2 not in made.motifs().component


def test_it_comes_from_a_factorization() -> None:
    import xarray as xr

    rng = np.random.default_rng(0)
    first, second = np.triu_indices(6, 1)
    data = np.einsum("pr,tr,wr->ptw", rng.random((15, 2)), rng.random((20, 2)), rng.random((3, 2)))
    names = np.array(list("abcdef"))
    array: Any = xr.DataArray(
        data,
        dims=("pair", "time", "animal"),
        coords={
            "first": ("pair", names[first]),
            "second": ("pair", names[second]),
            "time": np.arange(20) * 0.5,
            "animal": ["x", "y", "z"],
        },
    )
    model = NTF(2, n_starts=3, seed=1).fit(array)
    made = DynamicConnectome.from_ntf(model)
    assert made.graphs.neuron.values.tolist() == list("abcdef")
    rebuilt = made.at(4.5, animal="y").values[first, second]
    np.testing.assert_allclose(rebuilt, data[:, 9, 1], rtol=0.1, atol=0.05)
