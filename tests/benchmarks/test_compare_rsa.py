"""RSA against rsatoolbox 0.3.2, which must be installed beside; without it this is skipped.

All run in turns in one process, in processor seconds, and the best counts. For one thread set
``OMP_NUM_THREADS=1`` before Python starts.
"""

from __future__ import annotations

import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import squareform

from arcuate import compare

rsatoolbox = pytest.importorskip("rsatoolbox", reason="rsatoolbox 0.3.2 is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.filterwarnings("ignore")]

N, REPEATS, UNITS = 500, 4, 500


def best(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the least processor seconds of each call, made in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if number:  # the first is not counted
                seconds[name].append(time.process_time() - start)
    return {name: min(column) for name, column in seconds.items()}


def peak(call: Callable[[], object]) -> float:
    """Most MiB that a call holds at once, beside its input."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 2**20


def told(seconds: dict[str, float], ours: str, theirs: str) -> None:
    ratio = seconds[theirs] / seconds[ours]
    print(f"\n{theirs}: {seconds[theirs]:.3f} s; {ours}: {seconds[ours]:.4f} s; {ratio:.1f} times as fast")


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, Any]:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(N, REPEATS, UNITS)) + 0.5 * rng.normal(size=(N, 1, UNITS))
    rows = {"stimulus": np.repeat(np.arange(N), REPEATS), "run": np.tile(np.arange(REPEATS), N)}
    dataset = rsatoolbox.data.Dataset(states.reshape(-1, UNITS), obs_descriptors=rows)
    return states, dataset


def theirs(dataset: Any, noise: np.ndarray | None) -> np.ndarray:
    found = rsatoolbox.rdm.calc_rdm(
        dataset, method="crossnobis", descriptor="stimulus", noise=noise, cv_descriptor="run"
    )
    return found.get_vectors()[0]  # type: ignore[no-any-return]


def test_crossnobis(data: tuple[np.ndarray, Any]) -> None:
    states, dataset = data
    precision = compare.noise_precision(states)
    calls: dict[str, Callable[[], object]] = {
        "rsatoolbox, precision given": lambda: theirs(dataset, precision),
        "arcuate, precision given": lambda: compare.rdm(states, kind="crossnobis", noise=precision),
        "rsatoolbox, no noise": lambda: theirs(dataset, None),
        "arcuate, no noise": lambda: compare.rdm(states, kind="crossnobis", noise=None),
    }
    for noise in (precision, None):
        got = squareform(compare.rdm(states, kind="crossnobis", noise=noise).values)
        np.testing.assert_allclose(got, theirs(dataset, noise), rtol=1e-9, atol=1e-12)
    seconds = best(calls, 5)
    for words in ("precision given", "no noise"):
        told(seconds, f"arcuate, {words}", f"rsatoolbox, {words}")
    for name, call in calls.items():
        print(f"{name}: {peak(call):.0f} MiB beside states of {states.nbytes / 2**20:.0f} MiB")


def test_crossnobis_with_estimated_noise(data: tuple[np.ndarray, Any]) -> None:
    """Ours estimates the noise of each fold from the others, which is four times the work."""
    states, dataset = data

    def official() -> np.ndarray:
        noise = rsatoolbox.data.noise.prec_from_measurements(dataset, "stimulus", method="shrinkage_eye")
        return theirs(dataset, noise)

    seconds = best(
        {
            "rsatoolbox, noise estimated": official,
            "arcuate, noise estimated": lambda: compare.rdm(states, kind="crossnobis"),
        },
        2,
    )
    told(seconds, "arcuate, noise estimated", "rsatoolbox, noise estimated")


@pytest.mark.parametrize("comparator", ["rho-a", "corr", "cosine_cov", "tau-a"])
def test_a_thousand_orders_of_two_hundred_stimuli(comparator: str) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 200, 50))
    orders = np.array([rng.permutation(200) for _ in range(1000)])
    measure = compare.rsa_measure(comparator=comparator)
    first, second = measure.prepare(x), measure.prepare(y)
    a, b = compare.rdm(x).values, compare.rdm(y).values

    def official(some: np.ndarray) -> np.ndarray:
        stack = np.stack([b[np.ix_(order, order)] for order in some])
        one, many = rsatoolbox.rdm.RDMs(a[None]), rsatoolbox.rdm.RDMs(stack)
        return rsatoolbox.rdm.compare(one, many, method=comparator)[0]  # type: ignore[no-any-return]

    few = orders[:20]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(measure.null(first, second, few), official(few), atol=1e-10)
        some = 20 if comparator == "tau-a" else 200
        seconds = best(
            {
                f"rsatoolbox, {comparator}": lambda: official(orders[:some]),
                f"arcuate, {comparator}": lambda: measure.null(first, second, orders),
            },
            2,
        )
    seconds[f"rsatoolbox, {comparator}"] *= 1000 / some
    told(seconds, f"arcuate, {comparator}", f"rsatoolbox, {comparator}")
