"""Edges and values drawn in blocks are those drawn at once, and single weights the double ones rounded."""

from __future__ import annotations

import numpy as np
import pytest

import arcuate as arc
from arcuate import rng
from arcuate.engines._connect import _jumps, draw_edges
from arcuate.engines._resolve import BLOCK, Resolver
from arcuate.engines.build import build_plan


@pytest.mark.parametrize(
    ("n", "k"), [(400, 15), (400, 20), (400, 300), (2000, 44), (30_000, 100), (5, 0), (5, 4)]
)
@pytest.mark.parametrize("same", [True, False])
def test_in_degrees_are_the_choices_of_one_neuron_after_the_other(n: int, k: int, same: bool) -> None:
    n_post = min(n, 300)
    pre, post = draw_edges(
        arc.FixedInDegree(k), n, n_post, same=same, generator=rng.stream(3, "edges"), where="test"
    )
    generator, expected = rng.stream(3, "edges"), []
    for target in range(n_post):
        drawn = generator.choice(n - same, k, replace=False, shuffle=False)
        expected += [(int(source + (same and source >= target)), target) for source in drawn]
    assert list(zip(pre.tolist(), post.tolist(), strict=True)) == sorted(expected)
    assert pre.dtype == post.dtype == np.int32


def test_sparse_edges_are_jumps_of_one_geometric_stream() -> None:
    n, p = 900, 0.3  # 243 000 edges: several blocks
    pre, post = draw_edges(
        arc.Sparse(p, allow_self=True), n, n, same=True, generator=rng.stream(3, "edges"), where="test"
    )
    places = np.cumsum(rng.stream(3, "edges").geometric(p, size=n * n)) - 1
    np.testing.assert_array_equal(pre.astype(np.int64) * n + post, places[places < n * n])
    assert pre.size > 3 * BLOCK


@pytest.mark.parametrize("p", [1e-12, 1e-7, 0.004, 0.02, 0.1, 0.25, 0.329, 1 / 3, 0.5, 0.9])
def test_jumps_are_the_numbers_that_numpy_draws(p: float) -> None:
    ours, theirs = rng.stream(1, f"jumps/{p}"), rng.stream(1, f"jumps/{p}")
    np.testing.assert_array_equal(_jumps(p, 200_000, ours), theirs.geometric(p, size=200_000))
    assert ours.random() == theirs.random()


def test_values_in_blocks_are_those_at_once() -> None:
    n = 2 * BLOCK + 7
    resolver = Resolver(5, "exc", n, {"k": 2.0})
    xi = resolver.draw("latents", {"xi": arc.Normal(1, 2)})["xi"]
    np.testing.assert_array_equal(xi, arc.Normal(1, 2).sample(rng.stream(5, "exc/latents/xi"), n))
    text = "3*xi/sqrt(k)"
    np.testing.assert_array_equal(resolver.full("weight", "weight", text), 3 * xi / np.sqrt(2.0))
    single = resolver.full("weight", "weight", text, dtype=np.float32)
    np.testing.assert_array_equal(single, (3 * xi / np.sqrt(2.0)).astype(np.float32))


@pytest.mark.parametrize("weight", [0.1, "0.1*xi", arc.Uniform(0, 1)])
@pytest.mark.parametrize("delay", ["1 ms", arc.Uniform("0 ms", "3 ms")])
def test_a_plan_in_single_precision_has_the_double_weights_rounded(weight: object, delay: object) -> None:
    network = arc.Network(
        name="net", dt="0.5 ms", populations=[arc.Population(name="exc", n=20, neuron=arc.izh2003())],
        projections=[arc.Projection(
            pre="exc", post="exc", connectivity=arc.FixedInDegree(7), weight=weight, delay=delay,
            latents={"xi": arc.Normal(0, 1)},
        )],
    )  # fmt: skip
    double, single = (
        build_plan(network, seed=1, duration="1 ms", precision=precision).projections["exc->exc"]
        for precision in ("float64", "float32")
    )
    assert single.weight.dtype == np.float32 and double.weight.dtype == np.float64
    np.testing.assert_array_equal(single.weight, double.weight.astype(np.float32))
    for key in ("delays", "indptr", "index"):
        np.testing.assert_array_equal(getattr(single, key), getattr(double, key))
