"""Capacities that are known: delay lines, linear and polynomial filters, states that know nothing."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from arcuate.analysis import information_processing_capacity, memory_capacity
from arcuate.analysis.capacity import legendre_products
from arcuate.errors import ArcuateWarning, SpecError


def inputs(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, n)


def shifted(u: np.ndarray, *delays: int) -> np.ndarray:
    return np.stack([np.roll(u, k) for k in delays], axis=1)


def linear_states(u: np.ndarray, n: int, *, radius: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    weights = radius * np.linalg.qr(rng.normal(size=(n, n)))[0]
    into, x = rng.normal(size=n), np.zeros(n)
    out = np.empty((len(u), n))
    for k, value in enumerate(u):
        x = weights @ x + into * value
        out[k] = x
    return out


@pytest.mark.parametrize("length", [1, 7, 25])
def test_delay_line_remembers_its_length(length):
    u = inputs(6000)
    found = memory_capacity(shifted(u, *range(1, length + 1)), u, max_delay=40)
    assert found.capacity.values[:length] == pytest.approx(1.0, abs=1e-9)
    assert found.capacity.values[length:].max(initial=0) < 0.01
    assert float(found.total) == pytest.approx(length, abs=0.05)
    assert float(found.total_low) <= length <= float(found.total_high)
    assert int(found["rank"]) == length


@pytest.mark.parametrize(
    ("length", "noise", "truth"), [(5, 0.0, 5.0), (1, 1.0, 0.5), (0, 1.0, 0.0)], ids=["line", "noisy", "none"]
)
def test_memory_capacity_has_no_bias_and_intervals_that_hold(length, noise, truth):
    """Over 40 data sets and 100 delays, of which at most five are known: chance adds up to nothing."""
    totals, held = [], 0
    for seed in range(200, 240):
        rng = np.random.default_rng(seed)
        u = rng.uniform(-1, 1, 1500)
        states = shifted(u, *range(1, length + 1)) if length else np.zeros((1500, 1))
        states = states + noise * rng.normal(scale=np.sqrt(1 / 3), size=states.shape)
        found = memory_capacity(states, u)
        totals.append(float(found.total))
        held += bool(float(found.total_low) <= truth <= float(found.total_high))
        assert float(found.total_low) <= totals[-1] <= float(found.total_high)
    assert abs(np.mean(totals) - truth) < 3.5 * np.std(totals) / np.sqrt(40)
    assert held >= 34


def test_the_input_itself_counts_at_delay_0_only_if_it_is_asked_for():
    u = inputs(3000)
    line = shifted(u, 0, 1)
    assert float(memory_capacity(line, u, max_delay=5).total) == pytest.approx(1, abs=0.02)
    assert float(memory_capacity(line, u, max_delay=5, first_delay=0).total) == pytest.approx(2, abs=0.02)


def test_noisy_line_has_the_capacity_of_its_noise_within_the_interval():
    """Of a delayed input with noise of as large a variance, half of the variance is known."""
    u = inputs(20_000, seed=1)
    noise = np.random.default_rng(2).normal(scale=np.sqrt(1 / 3), size=u.size)
    found = memory_capacity(np.roll(u, 3)[:, None] + noise[:, None], u, max_delay=10)
    at = found.sel(delay=3)
    assert float(at.low) < 0.5 < float(at.high)
    assert float(at.high - at.low) < 0.08


def test_states_of_noise_remember_nothing():
    states = np.random.default_rng(3).normal(size=(8000, 20))
    assert float(memory_capacity(states, inputs(8000), max_delay=20).total) < 0.05


def test_affine_maps_of_the_states_change_nothing():
    u = inputs(3000)
    states = linear_states(u, 8, radius=0.8, seed=1)
    other = 1e6 + states @ np.random.default_rng(4).normal(size=(8, 8))
    one, two = (memory_capacity(x, u, max_delay=30, alpha=0.0) for x in (states, other))
    np.testing.assert_allclose(one.capacity, two.capacity, atol=1e-5)
    options = {"max_degree": 2, "max_delay": 20}
    one, two = (information_processing_capacity(x, u, **options) for x in (states, other))
    np.testing.assert_allclose(one.capacity, two.capacity, atol=1e-5)


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("delay", [0, 1, 3])
def test_products_are_all_there_are_and_each_once(degree, delay):
    """Against counting in another way: non-decreasing lists of delays, one entry for each degree."""
    from itertools import combinations_with_replacement

    wanted = {
        tuple(sorted(Counter(delays).items()))
        for delays in combinations_with_replacement(range(delay + 1), degree)
        if delay in delays
    }
    found = list(legendre_products(degree, delay))
    assert len(found) == len(set(found)) == math.comb(degree - 1 + delay, delay)
    assert set(found) == wanted


def test_linear_states_that_forget_have_their_rank_at_degree_1():
    """And, over eight inputs, intervals that hold it; nothing at other degrees."""
    held = []
    for seed in range(8):
        u = inputs(6000, seed=seed)
        found = information_processing_capacity(linear_states(u, 20, radius=0.6, seed=5), u, max_delay=40)
        assert int(found["rank"]) == 20
        assert float(found.by_degree[0]) == pytest.approx(20, abs=0.3)
        assert found.by_degree.values[1:] == pytest.approx(0.0, abs=0.1)
        assert found.saturated.all()
        held.append(float(found.total_low) < 20 < float(found.total_high))
    assert sum(held) >= 6


@pytest.mark.parametrize(
    ("function", "name", "degree", "lag"),
    [
        (lambda u: np.roll(u, 7), "P1(u[n-7])", 1, 7),
        (lambda u: np.roll(u, 4) ** 2, "P2(u[n-4])", 2, 4),
        (lambda u: np.roll(u, 2) * np.roll(u, 5), "P1(u[n-2]) P1(u[n-5])", 2, 5),
        (lambda u: 5 * u**3 - 3 * u, "P3(u[n])", 3, 0),
        (lambda u: (3 * u**2 - 1) * np.roll(u, 3), "P2(u[n]) P1(u[n-3])", 3, 3),
        (lambda u: u * np.roll(u, 1) * np.roll(u, 2), "P1(u[n]) P1(u[n-1]) P1(u[n-2])", 3, 2),
    ],
    ids=["linear", "square", "product", "cubic", "mixed", "triple"],
)
def test_polynomial_filter_has_its_capacity_at_its_own_degree_and_delay(function, name, degree, lag):
    u = inputs(6000, seed=8)
    found = information_processing_capacity(function(u)[:, None], u, max_delay=12, p=1e-6)
    assert found.function.values.tolist() == [name]
    assert found.capacity.values == pytest.approx(1.0, abs=1e-5)
    assert found.product_degree.values.tolist() == [degree]
    assert float(found.by_delay.sel(degree=degree, lag=lag)) == pytest.approx(1.0, abs=0.01)


def test_a_unit_of_two_functions_splits_its_variance_between_them():
    """P1 has variance 1/3 and P2 has 1/5, so u + P2 gives 5/8 and 3/8."""
    u = inputs(20_000, seed=9)
    found = information_processing_capacity((u + (3 * u**2 - 1) / 2)[:, None], u, max_delay=3, max_degree=2)
    shares = dict(zip(found.function.values.tolist(), found.capacity.values.tolist(), strict=True))
    assert shares["P1(u[n])"] == pytest.approx(5 / 8, abs=0.02)
    assert shares["P2(u[n])"] == pytest.approx(3 / 8, abs=0.02)
    assert float(found.by_degree_low[0]) < 5 / 8 < float(found.by_degree_high[0])


def test_states_of_noise_have_no_capacity():
    states = np.random.default_rng(10).normal(size=(4000, 40))
    with pytest.warns(ArcuateWarning, match=r"degrees \[2, 3\] before anything was found"):
        found = information_processing_capacity(states, inputs(4000, seed=11), max_delay=20)
    assert float(found.total) == 0.0
    assert found.sizes["product"] == 0
    assert found.by_degree.values.tolist() == [0.0, 0.0, 0.0]


def test_chance_lets_through_as_much_as_it_says():
    """At p = 0.05, of degrees and delays that the states know nothing of 5 in 100 count, or twice that."""
    counted = tested = 0
    for seed in range(40):
        states = np.random.default_rng(seed).normal(size=(600, 10))
        found = information_processing_capacity(
            states, inputs(600, seed=100 + seed), max_degree=2, max_delay=9, patience=50, p=0.05
        )
        counted += int(np.count_nonzero(found.by_delay))
        tested += 20
    assert 0.02 < counted / tested < 0.11


def test_raw_capacity_is_that_of_plain_regression():
    u = inputs(2000, seed=14)
    states = np.tanh(linear_states(u, 12, radius=0.7, seed=6))
    found = information_processing_capacity(states, u, max_delay=15, max_degree=1)
    x, total = states[15:] - states[15:].mean(axis=0), 0.0
    for delay, value in zip(found.product_delay.values.tolist(), found.capacity.values, strict=True):
        y = u[15 - delay : 2000 - delay]
        y = y - y.mean()
        residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        raw = 1 - residual @ residual / (y @ y)
        total += raw
        assert value == pytest.approx(raw - (1 - raw) * 12 / (len(y) - 13), abs=0.01)
    assert float(found.raw_total) == pytest.approx(total, abs=1e-4)


def test_many_small_capacities_do_not_add_up_to_more_than_the_rank():
    """Forty units, each a sum of 210 products of degree 2 with random weights: no product has much of it."""
    u, rng = inputs(4000, seed=15), np.random.default_rng(16)
    terms = [term for delay in range(20) for term in legendre_products(2, delay)]
    polynomials = [np.ones_like(u), u, (3 * u**2 - 1) / 2]
    features = np.stack(
        [np.prod([np.roll(polynomials[d], k) for k, d in term], axis=0) for term in terms], axis=1
    )
    states = features / features.std(axis=0) @ rng.normal(size=(len(terms), 40))
    found = information_processing_capacity(states, u, max_delay=30, max_degree=2)
    assert float(found.total_low) < 40 < float(found.total_high)
    assert float(found.total_high - found.total_low) < 3


def test_intervals_hold_what_they_promise():
    """Of 60 data sets, the share of the variance 1/2 lies within the interval in near 57."""
    held = 0
    for seed in range(60):
        u, noise = inputs(1500, seed=seed), np.random.default_rng(100 + seed).normal(size=(1500, 5))
        noise[:, 0] = np.sqrt(1 / 3) * noise[:, 0] + np.roll(u, 1)
        found = information_processing_capacity(noise, u, max_delay=2, max_degree=1, p=1e-9)
        held += bool(float(found.total_low) < 0.5 < float(found.total_high))
    assert 51 <= held <= 60


def test_progress_is_told():
    told: list[tuple[int, int]] = []
    u = inputs(500)
    information_processing_capacity(
        shifted(u, 1), u, max_delay=5, max_degree=1, progress=lambda done, whole: told.append((done, whole))
    )
    assert told[-1][0] == 6


def test_inputs_of_another_distribution_are_told():
    n = 2000
    two = np.sign(np.random.default_rng(0).normal(size=n))
    slow = np.repeat(inputs(n // 10), 10)
    for u in (two, slow):
        with pytest.warns(ArcuateWarning, match="not independent and uniform"):
            information_processing_capacity(shifted(u, 1), u, max_delay=2, max_degree=1)


def test_samples_that_repeat_count_less():
    """An input held for ten samples and states as slow: a tenth of the samples."""
    u = np.repeat(inputs(1000), 10)
    states = np.repeat(np.random.default_rng(1).normal(size=(1000, 3)), 10, axis=0)
    with pytest.warns(ArcuateWarning, match="not independent"):
        found = information_processing_capacity(states, u, max_delay=2, max_degree=1)
    assert 600 < found.attrs["n_effective"] < 2000


def test_constant_units_are_left_out_and_told():
    u = inputs(1000)
    states = np.column_stack([np.roll(u, 1), np.full(1000, 3.7), np.roll(u, 2)])
    for call in (
        lambda: memory_capacity(states, u, max_delay=5),
        lambda: information_processing_capacity(states, u, max_delay=5, max_degree=1),
    ):
        with pytest.warns(ArcuateWarning, match=r"1 of 3 units are constant and left out: \[1\]"):
            found = call()
        assert int(found["rank"]) == 2


def test_doubled_units_do_not_count_twice():
    u = inputs(2000)
    line = shifted(u, 1, 2)
    states = np.column_stack([line, line @ [[1.0, 2.0], [3.0, -1.0]]])
    assert int(information_processing_capacity(states, u, max_delay=5, max_degree=1)["rank"]) == 2
    assert int(memory_capacity(states, u, max_delay=5)["rank"]) == 2


@pytest.mark.parametrize("n_values", [2, 3])
def test_products_that_are_constant_are_refused(n_values):
    """P2 of -1 and 1 is 1 throughout, and so is P3 of three values the same as P1."""
    u = np.linspace(-1, 1, n_values)[np.random.default_rng(0).integers(0, n_values, 2000)]
    states = shifted(u, 1, 2)
    with pytest.raises(SpecError, match=f"below {n_values}, the number of values"):
        information_processing_capacity(states, u, max_delay=5, max_degree=n_values)


def test_products_that_hardly_vary_give_nothing():
    """Two values but for rounding: the variance of P2 is that of rounding, and its capacity nothing."""
    rng = np.random.default_rng(0)
    u = np.sign(rng.normal(size=2000)) * (1 - 1e-9 * rng.random(2000))
    states = np.column_stack([shifted(u, 1, 2), np.roll(u, 1) * np.roll(u, 2)])
    with pytest.warns(ArcuateWarning, match="not independent and uniform"):
        found = information_processing_capacity(states, u, max_delay=5, max_degree=2)
    assert float(found.total) == pytest.approx(3.0, abs=0.05)
    assert found.function.values.tolist() == ["P1(u[n-1])", "P1(u[n-2])", "P1(u[n-1]) P1(u[n-2])"]


def test_a_delay_beyond_a_gap_is_found_at_degree_1_and_missed_ones_above_are_told():
    u = inputs(3000)
    found = information_processing_capacity(shifted(u, 15), u, max_delay=40, max_degree=2)
    assert float(found.total) == pytest.approx(1.0, abs=0.01)
    assert found.last_delay.values.tolist() == [40, 9]
    square = shifted(u, 15) ** 2
    with pytest.warns(ArcuateWarning, match=r"degrees \[2\] before anything"):
        information_processing_capacity(square, u, max_delay=40, max_degree=2)
    found = information_processing_capacity(square, u, max_delay=40, max_degree=2, patience=20)
    assert float(found.total) == pytest.approx(1.0, abs=0.01)


def test_samples_worth_less_than_the_rank_are_refused():
    """An input and states held for ten samples: 600 are worth some 60, too few for 50 units."""
    u = np.repeat(inputs(60), 10)
    states = np.repeat(np.random.default_rng(1).normal(size=(60, 50)), 10, axis=0)
    with pytest.warns(ArcuateWarning, match="not independent"), pytest.raises(SpecError, match="are worth"):
        information_processing_capacity(states, u, max_delay=2, max_degree=1)


def test_products_end_at_their_largest_number():
    u = inputs(1000)
    found = information_processing_capacity(shifted(u, 1, 2), u, max_delay=30, max_degree=2, max_products=20)
    assert found.tested.values.tolist() == [20, 15]
    assert found.saturated.values.tolist() == [True, False]


def test_too_few_samples_for_the_units_are_refused():
    with pytest.raises(SpecError, match="units"):
        information_processing_capacity(np.random.default_rng(0).normal(size=(300, 200)), inputs(300))
