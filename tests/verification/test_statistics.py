"""Random numbers, noise and connectivity against what theory says of them, within 4 standard errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

import arcuate as arc
from arcuate._philox import fill_normals, padded_normals, standard_normals, stream_key
from arcuate.engines.build import build_plan
from arcuate.engines.plan import ProjectionPlan
from arcuate.errors import SpecError

MASK = 0xFFFFFFFF


def philox(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """Philox 4x32-10 from its definition, in whole numbers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        high = [(0xD2511F53 * c[0]) >> 32, (0xCD9E8D57 * c[2]) >> 32]
        low = [(0xD2511F53 * c[0]) & MASK, (0xCD9E8D57 * c[2]) & MASK]
        c = [high[1] ^ c[1] ^ k[0], low[1], high[0] ^ c[3] ^ k[1], low[0]]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return tuple(c)


def words(first: int, key: tuple[int, int, int], blocks: int) -> tuple[np.ndarray, np.ndarray]:
    bits = np.empty((4, blocks), np.uint64)
    out = np.empty((1, 4 * blocks))
    fill_normals(out, first, np.array(key, np.uint64), bits)
    return bits, out[0]


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_philox_known_answers() -> None:
    zero = (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox((0,) * 4, (0,) * 2) == zero
    assert philox((MASK,) * 4, (MASK,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)
    assert philox(*pi) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)
    assert tuple(int(word) for word in words(0, (0, 0, 0), 1)[0][:, 0]) == zero


def test_the_counter_is_block_and_step_and_the_key_its_stream() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        step = int(generator.integers(0, 2**40))
        key = tuple(int(k) for k in generator.integers(0, 2**32, 3))
        bits, _ = words(step, key, 3)
        for block in range(3):
            wanted = philox((block, step & MASK, step >> 32, key[2]), key[:2])
            assert tuple(int(word) for word in bits[:, block]) == wanted


def test_the_normals_are_those_of_box_and_muller() -> None:
    blocks = 500
    bits, normals = words(7, (1, 2, 3), blocks)
    for half in range(2):
        radius = np.sqrt(-2.0 * np.log((bits[2 * half].astype(float) + 1.0) * 2.0**-32))
        turn = 2.0 * math.pi * bits[2 * half + 1].astype(float) * 2.0**-32
        lanes = normals.reshape(4, blocks)[2 * half : 2 * half + 2]
        # the cosine is a Taylor series up to t**10 for |t| <= pi/4: off by at most (pi/4)**12/12!
        bound = radius.max() * (math.pi / 4) ** 12 / math.factorial(12) * 1.01
        np.testing.assert_allclose(lanes[0], radius * np.cos(turn), rtol=0, atol=bound)
        np.testing.assert_allclose(lanes[1], radius * np.sin(turn), rtol=0, atol=bound)


def draw(seed: int = 1, name: str = "exc/noise", n_steps: int = 4000, n: int = 250) -> np.ndarray:
    return standard_normals(seed, name, 0, n_steps, n=n)


def test_moments_and_distribution_of_the_normals() -> None:
    x = draw().ravel()
    size = x.size
    assert abs(x.mean()) < 4 / math.sqrt(size)
    assert abs(x.var() - 1) < 4 * math.sqrt(2 / size)
    assert abs(stats.skew(x)) < 4 * math.sqrt(6 / size)
    assert abs(stats.kurtosis(x)) < 4 * math.sqrt(24 / size)
    assert stats.kstest(x, "norm").pvalue > 1e-3
    for bound in (3.0, 4.0):
        expected = size * 2 * stats.norm.sf(bound)
        assert abs(np.count_nonzero(np.abs(x) > bound) - expected) < 4 * math.sqrt(expected)


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation in standard errors."""
    return float(np.mean(x * y) * math.sqrt(x.size))


def test_normals_do_not_depend_on_one_another() -> None:
    x = draw()
    across_neurons = [correlation(x[:, :-k], x[:, k:]) for k in (1, 2, 3, 4, 62, 63, 64, 125)]
    across_time = [correlation(x[:-k], x[k:]) for k in (1, 2, 3, 10, 100)]
    others = [correlation(x, draw(seed=2)), correlation(x, draw(name="inh/noise"))]
    squares = [correlation((x[:-1] ** 2 - 1) / math.sqrt(2), (x[1:] ** 2 - 1) / math.sqrt(2))]
    assert np.abs(across_neurons + across_time + others + squares).max() < 4
    pairs = np.corrcoef(x[:, :60].T)[np.triu_indices(60, 1)] * math.sqrt(len(x))
    assert abs(pairs.std() - 1) < 4 / math.sqrt(2 * pairs.size)


def test_a_number_has_an_address_and_no_history() -> None:
    whole = padded_normals(3, "exc/noise", 0, 50, n=10)
    for first, stop in ((0, 1), (17, 33), (49, 50)):
        np.testing.assert_array_equal(padded_normals(3, "exc/noise", first, stop, n=10), whole[first:stop])
    assert len({tuple(stream_key(seed, name)) for seed in range(50) for name in ("a", "b")}) == 100


def noisy(dt: str, **options: Any) -> arc.Network:
    cells = arc.Population(
        name="exc",
        n=1000,
        neuron=arc.lif(v_thresh="1 V", **options),
        noise=arc.Noise(sigma="10 pA*s**0.5"),
    )
    record = arc.Record(spikes=False, states={"exc": ["v"]}, every="50 ms")
    return arc.Network(name="noisy", dt=dt, populations=[cells], record=record)


@pytest.mark.parametrize("dt", ["0.5 ms", "2 ms"])
def test_variance_of_the_membrane_under_white_noise(dt: str) -> None:
    v = arc.simulate(noisy(dt), "1 s", seed=5).states("exc")["v"].values[0, 3:]
    step = noisy(dt).dt
    decay = math.exp(-step / 10e-3)
    theory = (40e6 * 10e-12) ** 2 / step * (1 - decay) / (1 + decay)
    continuous = (40e6 * 10e-12) ** 2 / (2 * 10e-3)
    assert theory == pytest.approx(continuous, rel=4e-3)
    deviation = v + 65e-3
    assert abs(deviation.mean()) < 4 * math.sqrt(theory / v.size)
    assert abs(deviation.var() - theory) < 4 * theory * math.sqrt(2 / v.size)


def edges(connectivity: Any, **options: Any) -> tuple[np.ndarray, np.ndarray, ProjectionPlan]:
    """Pre, post and the plan of a projection among 400 neurons."""
    cells = arc.Population(name="exc", n=400, neuron=arc.izh2003(), sign=options.pop("sign", None))
    given = {"pre": "exc", "post": "exc", "connectivity": connectivity, "weight": 0.5, **options}
    network = arc.Network(name="net", dt="0.5 ms", populations=[cells], projections=[arc.Projection(**given)])
    projection = build_plan(network, seed=11, duration="1 ms").projections["exc->exc"]
    return projection.edges()[0], projection.index, projection


@pytest.mark.parametrize("p", [0.003, 0.1, 0.7])
def test_sparse_connects_every_pair_with_its_probability(p: float) -> None:
    pre, post, _ = edges(arc.Sparse(p))
    pairs = 400 * 399
    assert abs(pre.size - p * pairs) < 4 * math.sqrt(p * (1 - p) * pairs)
    assert not (pre == post).any()
    assert np.unique(pre * 400 + post).size == pre.size
    for side in (pre, post):
        degree = np.bincount(side, minlength=400)
        spread = ((degree - p * 399) ** 2).sum() / (399 * p * (1 - p))
        assert abs(spread - 400) < 4 * math.sqrt(800)


def test_sparse_may_connect_neurons_to_themselves() -> None:
    pre, post, _ = edges(arc.Sparse(0.5, allow_self=True))
    assert abs(np.count_nonzero(pre == post) - 200) < 4 * 10


def test_fixed_in_degree_is_exact_and_even() -> None:
    pre, post, _ = edges(arc.FixedInDegree(37))
    assert (np.bincount(post, minlength=400) == 37).all()
    assert not (pre == post).any() and np.unique(pre * 400 + post).size == pre.size
    degree = np.bincount(pre, minlength=400)
    share = 37 / 399
    assert abs(((degree - 37) ** 2).sum() / (399 * share * (1 - share)) - 400) < 4 * math.sqrt(800)


def test_dense_has_every_pair_once() -> None:
    pre, post, _ = edges(arc.Dense())
    assert pre.size == 400 * 399 and not (pre == post).any()
    assert edges(arc.Dense(allow_self=True))[0].size == 400 * 400


def test_drawn_weights_and_delays_have_their_distribution() -> None:
    pre, _, projection = edges(
        arc.Sparse(0.3),
        latents={"xi": arc.Normal(0, 1)},
        weight="2*xi/sqrt(p)",
        delay=arc.Uniform("0 ms", "4.7 ms"),
    )
    weight = projection.weight * math.sqrt(0.3) / 2
    assert stats.kstest(weight, "norm").pvalue > 1e-3
    delay = projection.edges()[1]
    counts = np.bincount(delay, minlength=10)
    chance = np.array([0.25, *[0.5] * 8, 0.45]) / 4.7
    assert counts.size == 10
    assert np.abs((counts - pre.size * chance) / np.sqrt(pre.size * chance)).max() < 4
    assert abs(np.corrcoef(weight, delay)[0, 1]) < 4 / math.sqrt(pre.size)


def test_row_balance_leaves_no_mean() -> None:
    _, post, projection = edges(
        arc.Sparse(0.2), latents={"xi": arc.Normal(0.3, 1)}, weight="xi", balance="row"
    )
    total = np.bincount(post, projection.weight, 400)
    assert np.abs(total).max() < 1e-12
    assert projection.weight.std() == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize(("sign", "weight"), [("excitatory", "abs(xi)"), ("inhibitory", "-abs(xi)")])
def test_dale(sign: str, weight: str) -> None:
    xi = {"xi": arc.Normal(0, 1)}
    projection = edges(arc.Sparse(0.2), latents=xi, weight=weight, sign=sign)[2]
    assert (projection.weight * (1 if sign == "excitatory" else -1) >= 0).all()
    with pytest.raises(SpecError, match="Dale"):
        edges(arc.Sparse(0.2), latents=xi, weight="xi", sign=sign)
