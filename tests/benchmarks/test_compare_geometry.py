"""Geometric measures: a null of debiased alignment against what other packages need, and what it takes.

``ckatorch`` computes the debiased alignment, and is called once for each permutation. ``dcor`` has the inner
product of U-centered matrices (``u_product``), which gives the same number once somebody has made Grams,
cleared their diagonals, centered and reordered them. Both are skipped where they are absent. All run in turns
in one process, one thread, in processor seconds; the best of some rounds counts.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from arcuate import compare

pytestmark = pytest.mark.slow
ROUNDS = 5


def cpu(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def null_by_us(x: np.ndarray, y: np.ndarray, orders: np.ndarray) -> np.ndarray:
    measure = compare.cka_measure()
    return measure.null(measure.prepare(x), measure.prepare(y), orders)


def test_null_of_a_thousand_permutations() -> None:
    torch = pytest.importorskip("torch", reason="ckatorch needs torch")
    core = pytest.importorskip("ckatorch.core", reason="ckatorch is not installed: pip install ckatorch")
    dcor = pytest.importorskip("dcor", reason="dcor is not installed: pip install dcor")
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1000, 512))
    orders = np.array([rng.permutation(1000) for _ in range(1000)])
    few = orders[:3]

    def by_torch() -> list[float]:
        first, second = torch.from_numpy(x), torch.from_numpy(y)
        return [float(core.cka_base(first, second[list(order)], unbiased=True)) for order in few]

    first, second = x @ x.T, y @ y.T
    np.fill_diagonal(first, 0)
    np.fill_diagonal(second, 0)
    first, second = dcor.u_centered(first), dcor.u_centered(second)

    def by_dcor() -> list[float]:
        norm = np.sqrt(dcor.u_product(first, first) * dcor.u_product(second, second))
        return [float(dcor.u_product(first, second[np.ix_(order, order)]) / norm) for order in few]

    ours = null_by_us(x, y, orders)
    np.testing.assert_allclose(by_torch(), ours[:3], atol=1e-12)
    np.testing.assert_allclose(by_dcor(), ours[:3], atol=1e-12)
    times = [(cpu(lambda: null_by_us(x, y, orders)), cpu(by_torch), cpu(by_dcor)) for _ in range(ROUNDS)]
    whole, per_torch, per_dcor = np.min(times, axis=0) / (1, 3, 3)
    print(f"\nn=1000, p=q=512, 1000 permutations: {whole:.3f} CPU s with preparation ({whole:.3f} ms each)")
    print(f"ckatorch, called for each: {1e3 * per_torch:.1f} ms, ratio {1e3 * per_torch / whole:.0f}")
    print(f"dcor.u_product of Grams kept: {1e3 * per_dcor:.2f} ms, ratio {1e3 * per_dcor / whole:.1f}")
    assert 1e3 * per_torch >= 20 * whole


def test_null_beside_a_mantel_test() -> None:
    """The correlation of two U-centered Grams is their alignment: a Mantel test of them has the same null."""
    distance = pytest.importorskip("skbio.stats.distance", reason="scikit-bio is not installed")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1000, 512))
    measure = compare.cka_measure()
    first, second = measure.prepare(x), measure.prepare(y)
    orders = np.array([rng.permutation(1000) for _ in range(100)])
    one, two = (distance.DistanceMatrix((g.matrix + g.matrix.T) / 2) for g in (first, second))

    def by_mantel(n: int) -> float:
        return float(distance.mantel(one, two, permutations=n, seed=0)[0])

    assert by_mantel(10) == pytest.approx(measure.score(first, second), abs=1e-12)
    times = []
    for _ in range(ROUNDS):
        few, many = cpu(lambda: by_mantel(10)), cpu(lambda: by_mantel(110))
        times.append((many - few, cpu(lambda: measure.null(first, second, orders))))
    theirs, ours = np.min(times, axis=0) * 10
    print(f"\nMantel test of scikit-bio on our Grams: {theirs:.2f} ms, ours {ours:.2f} ms each")


@pytest.mark.parametrize("p", [8, 32, 64, 128, 512])
def test_where_features_pay(p: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1000, p))
    orders = np.array([rng.permutation(1000) for _ in range(50)])
    measure = compare.cka_measure()
    first, second = measure.prepare(x), measure.prepare(y)
    from arcuate.compare import _gram

    both = []
    for narrow in (True, False):
        way = pytest.MonkeyPatch()
        way.setattr(_gram, "narrow", lambda *_, narrow=narrow: narrow)
        measure.null(first, second, orders)
        both.append(min(cpu(lambda: measure.null(first, second, orders)) for _ in range(ROUNDS)) / 50)
        way.undo()
    print(f"\nn=1000, p=q={p}: {1e3 * both[0]:.3f} ms by features, {1e3 * both[1]:.3f} ms by Grams")


LARGE = """
import resource, sys, time
import numpy as np
from arcuate import compare
way = sys.argv[1]
rng = np.random.default_rng(0)
x, y = (rng.normal(size=(20_000, 512)) for _ in range(2))
measure = {
    "linear": compare.cka_measure(),
    "rbf": compare.cka_measure(kernel="rbf"),
    "svcca": compare.svcca_measure(),
    "knn": compare.mutual_knn_measure(),
    "procrustes": compare.procrustes_measure(),
}[way]
start = time.process_time()
first, second = measure.prepare(x), measure.prepare(y)
made = time.process_time() - start
score = measure.score(first, second)
start = time.process_time()
null = measure.null(first, second, np.array([rng.permutation(20_000) for _ in range(3)]))
each = (time.process_time() - start) / 3
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"{way}: {made:.1f} CPU s to prepare, {each:.2f} s a permutation, peak {peak:.2f} GiB, {score:.4f}")
assert peak < 4
"""


@pytest.mark.parametrize("way", ["linear", "rbf", "svcca", "knn", "procrustes"])
def test_twenty_thousand_samples_fit_into_four_gigabytes(way: str) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", LARGE, way], capture_output=True, text=True)
    print("\n" + done.stdout, done.stderr[-500:])
    assert done.returncode == 0
