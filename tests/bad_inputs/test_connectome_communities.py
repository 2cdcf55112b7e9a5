"""What communities refuse, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate import connectome
from arcuate.errors import ArcuateError, FitError, SpecError

GRAPH = np.ones((4, 4)) - np.eye(4)
CONNECTOME = connectome.DynamicConnectome([GRAPH], [[1.0]])


def connectome_of(graphs: Any = (GRAPH,), **more: Any) -> connectome.DynamicConnectome:
    return connectome.DynamicConnectome(graphs, [[1.0] * len(graphs)] * 2, **more)


def named(names: str) -> xr.DataArray:
    return xr.DataArray(GRAPH, dims=("a", "b"), coords={"a": list(names), "b": list(names)})


def changed(place: tuple[int, int], value: float, *, both: bool = True) -> np.ndarray:
    graph = GRAPH.copy()
    graph[place] = value
    if both:
        graph[place[::-1]] = value
    return graph


def refusal(call: Callable[[], Any], kind: type[ArcuateError] = SpecError) -> str:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert text.count("\n") < 4
    return text


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "description_length": lambda graph: connectome.description_length(graph, [0] * len(graph)),
    "shortest_description": connectome.shortest_description,
    "leiden": connectome.leiden,
    "BlockModel": lambda graph: connectome.BlockModel().fit(graph),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (changed((0, 2), np.nan), "must be finite, at index (0, 2)"),
        (changed((0, 2), np.inf), "must be finite"),
        (changed((1, 2), -1.0), "at pair (1, 2)"),
        (changed((1, 2), 5.0, both=False), "(graph + graph.T) / 2"),
        (changed((3, 3), 1.0), "node 3 must not be tied to itself"),
        (np.zeros((1, 1)), ">= 2 nodes"),
        (np.zeros((5, 5)), "must have an edge"),
        (np.ones((3, 4)), "square"),
        (np.ones(6), "Fold a vector of pairs"),
        (np.full((2, 2), "a"), "real numbers"),
    ],
    ids=["nan", "inf", "negative", "directed", "loop", "one", "empty", "oblong", "vector", "text"],
)
def test_graphs(name: str, graph: Any, words: str) -> None:
    text = refusal(lambda: FUNCTIONS[name](graph))
    assert words in text
    assert name in text


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: connectome.nmi([0, 1], [0, 1, 2]), "3 labels"),
        (lambda: connectome.ami([0.5, 1.0], [0, 1]), "first"),
        (lambda: connectome.ari([], []), "first"),
        (lambda: connectome.align([0, 1], ["a", "b"]), "reference"),
        (lambda: connectome.align([0, 1], [-1, 0]), "reference"),
        (lambda: connectome.consensus([]), "at least one"),
        (lambda: connectome.consensus(3), "list of partitions"),
        (lambda: connectome.consensus([[0, 1], [0, 1, 1]]), "partitions[1]"),
        (lambda: connectome.consensus([[0, 1]], max_blocks=0), "max_blocks = 0"),
        (lambda: connectome.description_length(GRAPH, [0, 1]), "labels"),
        (lambda: connectome.description_length(GRAPH, [0] * 4, weights="normal"), "weights"),
        (lambda: connectome.description_length(GRAPH, [0] * 4, copies=0), "copies = 0"),
        (lambda: connectome.description_length(GRAPH, [0] * 4, counting="all"), "counting"),
        (lambda: connectome.description_length(GRAPH, [0, 0, 1, 1], upper=[[0]]), "upper[0]"),
        (lambda: connectome.description_length(np.ones((200, 200)) - np.eye(200), [0] * 200), "19900 edges"),
        (lambda: connectome.shortest_description(GRAPH, n_starts=0), "n_starts = 0"),
        (lambda: connectome.shortest_description(GRAPH, seed=-1), "seed"),
        (lambda: connectome.DynamicConnectome([], [[1.0]]), "at least one component"),
        (lambda: connectome.DynamicConnectome([GRAPH], [[1.0, 2.0]]), "one column for each of 1"),
        (lambda: connectome.DynamicConnectome([GRAPH], [[-1.0]]), "times = -1"),
        (lambda: connectome.DynamicConnectome([GRAPH], [[1.0]], [[np.nan]]), "animals"),
        (lambda: connectome.DynamicConnectome([GRAPH], [[1.0]], neurons=["a"]), "neurons"),
        (lambda: connectome_of([GRAPH, np.ones((3, 3)) - np.eye(3)]), "graphs[1] = '3 nodes'"),
        (lambda: connectome_of([GRAPH, -GRAPH]), "graphs[1]"),
        (lambda: connectome_of(time=["a", "b"]), "time"),
        (lambda: connectome_of(time=[0.0, np.nan]), "must be finite"),
        (lambda: connectome_of(time=[1.0, 0.0]), "must ascend"),
        (lambda: connectome_of(time=[0.0]), "must have shape (2,)"),
        (lambda: connectome_of(neurons=["a", "b", "a", "c"]), "neurons = 'a': stands twice"),
        (lambda: connectome_of(animals=[[1.0], [1.0]], animal=["a", "a"]), "animal = 'a'"),
        (lambda: connectome.DynamicConnectome.from_ntf(GRAPH), "must be an NTF"),
        (lambda: CONNECTOME.find_communities("leiden"), "model = 'leiden': must be a BlockModel"),
        (lambda: CONNECTOME.compare_with_anatomy(0, -GRAPH), "anatomy = -1"),
        (lambda: CONNECTOME.compare_with_anatomy(0, named("012x")), "not so: 3"),
        (lambda: CONNECTOME.compare_with_anatomy(0, named("0122")), "not so: 2, 3"),
        (lambda: connectome.BlockModel(corrected="no").fit(GRAPH), "corrected = 'no'"),
        (lambda: CONNECTOME.at(3.0), "t = 3"),
        (lambda: CONNECTOME.at(0.0, animal="x"), "Use 0"),
        (lambda: CONNECTOME.motifs(), "find_communities"),
        (lambda: CONNECTOME.overlap(0, 1), "s = 1"),
        (lambda: CONNECTOME.interval(), "at least 2"),
        (lambda: CONNECTOME.compare_with_anatomy(0, GRAPH), "connects all pairs"),
        (lambda: CONNECTOME.compare_with_anatomy(0, np.ones((3, 3)) - np.eye(3)), "must be (4, 4)"),
        (lambda: connectome.leiden(GRAPH, resolution=0.0), "resolution = 0"),
        (lambda: connectome.leiden(GRAPH, n_runs=0), "n_runs = 0"),
        (lambda: connectome.BlockModel(weights="gaussian").fit(GRAPH), "weights"),
        (lambda: connectome.BlockModel(edges="all").fit(GRAPH), "edges"),
        (lambda: connectome.BlockModel(prior="plantet").fit(GRAPH), "'planted'"),
        (lambda: connectome.BlockModel(shape=0.0).fit(GRAPH), "shape = 0"),
        (lambda: connectome.BlockModel(n_starts=0).fit(GRAPH), "n_starts = 0"),
        (lambda: connectome.BlockModel(n_rounds=-1).fit(GRAPH), "n_rounds = -1"),
        (lambda: connectome.BlockModel(max_blocks=5).fit(GRAPH), "max_blocks = 5"),
        (lambda: connectome.BlockModel(n_jobs=0).fit(GRAPH), "n_jobs = 0"),
        (lambda: connectome.BlockModel(weights="poisson").fit(GRAPH / 2), "integers"),
        (lambda: connectome.exponential_blocks(4, 5), "n_blocks = 5"),
        (lambda: connectome.lfr_graph(mixing=1.0), "mixing = 1"),
        (lambda: connectome.lfr_graph(mean_degree=80.0), "mean_degree = 80"),
        (
            lambda: connectome.lfr_graph(20, mean_degree=4.0, max_degree=10.0, sizes=(15, 18)),
            "cannot hold 20",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options(call: Callable[[], Any], words: str) -> None:
    assert words in refusal(call)


def test_a_factorization_must_be_fitted() -> None:
    call = lambda: connectome.DynamicConnectome.from_ntf(connectome.NTF(2))  # noqa: E731
    assert "is not fitted" in refusal(call, FitError)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda plot: plot.chords(changed((0, 1), np.nan), [0, 0, 1, 1]), "must be finite"),
        (lambda plot: plot.chords(GRAPH, [0, 0, 1, 1], most=0), "most = 0"),
    ],
    ids=["nan", "most"],
)
def test_chords(call: Callable[[Any], Any], words: str) -> None:
    plot = pytest.importorskip("arcuate.plot")
    assert words in refusal(lambda: call(plot))
