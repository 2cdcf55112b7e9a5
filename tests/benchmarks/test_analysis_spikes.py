"""Measures of pairs of spike trains beside elephant: 100 trains of 60 s at 10 Hz, one thread, interleaved.

Ours is all 5050 pairs with labels and an interval; elephant's is timed on pairs that are drawn anew in each
round, and scaled to the 4950 of two trains.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arcuate import analysis

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:The 'copy' argument"),  # quantities, called by elephant
]

N, SECONDS, RATE, ROUNDS, DRAWN = 100, 60.0, 10.0, 5, 20
PAIRS = N * (N - 1) // 2


def spikes() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    counts = rng.poisson(RATE * SECONDS, N)
    return {
        "source": rng.uniform(0, SECONDS, counts.sum()),
        "neuron": np.repeat(np.arange(N), counts),
        "n_neurons": N,
        "duration": SECONDS,
    }


def peer(name: str, trains: list[Any], pq: Any) -> Callable[[int, int], float]:
    """Elephant's value of one pair; histograms are of trains that are binned already."""
    from elephant import conversion, spike_train_correlation, spike_train_dissimilarity

    if name == "tiling":
        coefficient = spike_train_correlation.spike_time_tiling_coefficient
        return lambda i, j: float(coefficient(trains[i], trains[j], dt=5 * pq.ms))
    if name == "histogram":
        binned = [conversion.BinnedSpikeTrain(train, bin_size=1 * pq.ms) for train in trains]
        histogram = spike_train_correlation.cross_correlation_histogram
        return lambda i, j: float(
            histogram(binned[i], binned[j], window=[-50, 50], method="memory")[0].magnitude.sum()
        )
    if name == "victor_purpura":
        purpura = spike_train_dissimilarity.victor_purpura_distance
        return lambda i, j: float(purpura([trains[i], trains[j]], 20 * pq.Hz)[0, 1])
    raise AssertionError(name)


OURS: dict[str, Callable[..., Any]] = {
    "tiling": lambda **given: analysis.spike_synchrony(**given, width="5 ms").sttc,
    "histogram": lambda **given: analysis.cross_correlation_histogram(**given)["count"].sum("lag"),
    "victor_purpura": lambda **given: analysis.victor_purpura_distance(**given, cost="20 Hz").distance,
    "van_rossum": lambda **given: analysis.van_rossum_distance(**given, tau="20 ms").distance,
}


@pytest.mark.parametrize("name", OURS)
def test_pairs_against_elephant(benchmark: Any, name: str) -> None:
    pytest.importorskip("elephant", reason="elephant is what this is measured against")
    neo, pq = pytest.importorskip("neo"), pytest.importorskip("quantities")
    given = spikes()
    trains = [
        neo.SpikeTrain(np.sort(given["source"][given["neuron"] == k]), units="s", t_stop=SECONDS)
        for k in range(N)
    ]
    found = analysis.synchrony_matrix(OURS[name](**given)).values  # compiles
    rng, ours, theirs = np.random.default_rng(2), [], []
    value = None if name == "van_rossum" else peer(name, trains, pq)

    def measure() -> float:
        for _ in range(ROUNDS):
            start = time.process_time()
            OURS[name](**given)
            ours.append(time.process_time() - start)
            if value is None:  # all trains in one call, as it is made for
                from elephant.spike_train_dissimilarity import van_rossum_distance

                start = time.process_time()
                table = van_rossum_distance(trains, 20 * pq.ms)
                theirs.append(time.process_time() - start)
                np.testing.assert_allclose(found, table, rtol=1e-9, atol=1e-6)
                continue
            pairs = np.sort(np.argsort(rng.random((DRAWN, N)), axis=1)[:, :2], axis=1)
            start = time.process_time()
            drawn = [value(int(i), int(j)) for i, j in pairs]
            theirs.append((time.process_time() - start) * PAIRS / DRAWN)
            # Elephant widens a tile by 1e-5 of the time of the spike.
            np.testing.assert_allclose(
                found[tuple(pairs.T)], drawn, rtol=1e-9, atol=0.02 * (name == "tiling")
            )
        return float(np.median(ours))

    seconds = benchmark.pedantic(measure, rounds=1)
    ratio = float(np.median(theirs)) / seconds
    benchmark.extra_info["ratio"] = ratio
    print(f"\n{name}: {seconds * 1e3:.0f} ms, elephant {np.median(theirs):.2f} s: {ratio:.0f} times")
    assert np.isfinite(found).all()
