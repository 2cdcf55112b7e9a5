"""Communities: time of a fit with 20 starts, and agreement beside Leiden on the same graphs."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from arcuate.connectome import BlockModel, PlantedGraph, exponential_blocks, leiden, lfr_graph, nmi

pytestmark = pytest.mark.slow
SEEDS = range(10, 15)
CASES: dict[str, tuple[Callable[[int], PlantedGraph], float]] = {
    "k25 mu_t.25 mu_w.5": (lambda seed: lfr_graph(mixing=0.25, seed=seed), 0.75),
    "k25 mu_t.5 mu_w.25": (lambda seed: lfr_graph(weight_mixing=0.25, seed=seed), 0.42),
    "k25 mu_t.75 mu_w.5": (lambda seed: lfr_graph(mixing=0.75, seed=seed), 0.16),
    "k25 mu_t.5 mu_w.75": (lambda seed: lfr_graph(weight_mixing=0.75, seed=seed), 0.12),
    "k25 mu_t.5 mu_w.5 beta2": (lambda seed: lfr_graph(beta=2.0, seed=seed), 0.06),
    "k10 mu_t.5 mu_w.5": (lambda seed: lfr_graph(mean_degree=10.0, seed=seed), 0.16),
    "dense, ratio 3": (lambda seed: exponential_blocks(ratio=3.0, seed=seed), 0.91),
    "dense, ratio 2": (lambda seed: exponential_blocks(ratio=2.0, seed=seed), 0.0),
    "dense, ratio 1.5": (lambda seed: exponential_blocks(ratio=1.5, seed=seed), 0.0),
}


def cpu(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def test_time_of_twenty_starts() -> None:
    graph = lfr_graph(weight_mixing=0.25, seed=10).graph
    alone = BlockModel(prior="planted", n_rounds=0, weights="exponential", progress=False)
    whole = BlockModel(progress=False)
    whole.fit(graph), alone.fit(graph)
    times = [(cpu(lambda: alone.fit(graph)), cpu(lambda: whole.fit(graph))) for _ in range(5)]
    search, everything = np.median(times, axis=0)
    print(f"\nn=125, 20 starts: {search:.3f} CPU s one prior, {everything:.3f} s all priors with evidence")


def test_agreement_beside_leiden() -> None:
    pytest.importorskip("leidenalg")
    print("\ncase | ours | Leiden | graph-tool (its own graphs) | CPU s")
    for name, (draw, reference) in CASES.items():
        ours, theirs, times = [], [], []
        for seed in SEEDS:
            drawn = draw(seed)
            model = BlockModel(progress=False)
            times.append(cpu(lambda model=model, drawn=drawn: model.fit(drawn.graph)))
            ours.append(nmi(drawn.labels, model.labels_))
            theirs.append(nmi(drawn.labels, leiden(drawn.graph, n_runs=10, seed=seed).labels))
        row = np.mean(ours), np.mean(theirs), reference, np.median(times)
        print(f"{name} | {row[0]:.2f} | {row[1]:.2f} | {row[2]:.2f} | {row[3]:.2f}")
        assert row[0] >= reference


def test_noise_is_one_block_nine_times_in_ten() -> None:
    pytest.importorskip("leidenalg")
    graphs = [exponential_blocks(ratio=1.0, seed=seed).graph for seed in range(10, 20)]
    ones = sum(BlockModel(progress=False).fit(graph).n_blocks_ == 1 for graph in graphs)
    print(f"\nnoise: one block in {ones} of 10; Leiden {[leiden(graph).n_blocks for graph in graphs]}")
    assert ones >= 9
