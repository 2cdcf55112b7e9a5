"""Time in states: laws that were built in are found, under a ceiling that is known."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.errors import SpecError
from arcuate.probes import distance_profile, interval_code, time_preference, value_orientation
from arcuate.tasks import IntervalComparison

K = np.repeat(np.arange(4.0, 21.0), 8)


def test_preference_is_the_difference_in_standard_deviations():
    draw = np.random.default_rng(1)
    time, number = draw.standard_normal((2, 10_000, 2)) * [1.0, 3.0]
    time[:, 1] += 2.0
    found = time_preference(time, number, n_null=20)
    assert found.d_prime.values == pytest.approx([0, 2 / 3], abs=0.05)
    a, b = time[:, 1], number[:, 1]
    assert float(found.d_prime[1]) == pytest.approx((a.mean() - b.mean()) / np.sqrt((a.var() + b.var()) / 2))
    assert time_preference(number, time, n_null=20).d_prime.values == pytest.approx(-found.d_prime.values)


def test_preference_without_a_difference_is_rarely_found_in_any_unit():
    draw = np.random.default_rng(2)
    found = [
        time_preference(*draw.standard_normal((2, 30, 15)), n_null=99, seed=k).p.min() < 0.05
        for k in range(60)
    ]
    assert sum(found) <= 9  # 5 % of 60 is 3; binomial, p < 0.003


def test_what_trials_share_does_not_hide_a_preference():
    draw = np.random.default_rng(3)
    stream = draw.normal(0, 5, (50, 1))
    time, number = stream + draw.normal(0, 0.1, (2, 50, 1)) + [[[0.2]], [[0.0]]]
    found = time_preference(time, number, n_null=500)
    assert abs(float(found.d_prime[0])) < 0.2
    assert float(found.p[0]) < 0.05


def test_constant_units_have_no_preference():
    time = np.ones((10, 2))
    time[:, 1] = np.arange(10)
    found = time_preference(time, time)
    assert np.isnan(found.d_prime[0])
    assert np.isnan(found.p[0])
    assert float(found.d_prime[1]) == 0


@pytest.mark.parametrize(
    ("law", "code"),
    [
        ("linear", lambda k: k), ("log", lambda k: np.log(k)),
        ("reference_log", lambda k: np.log(np.abs(k - 10.5))),
    ],
    ids=["linear", "log", "reference"],
)  # fmt: skip
def test_laws_are_found_through_a_random_map(law, code):
    draw = np.random.default_rng(4)
    states = code(K)[:, None] @ draw.standard_normal((1, 30)) + draw.normal(0, 0.05, (K.size, 30))
    found = distance_profile({"only": states}, K, n_resamples=100)
    assert found.best.item() == law
    assert found.decided.item()
    assert float(found.r_squared.sel(model=law, place="only")) > 0.97
    if law == "reference_log":
        assert found.reference.item() == pytest.approx(10.5, abs=0.3)


def test_no_law_explains_more_than_the_ceiling_of_noise():
    draw = np.random.default_rng(5)
    states = np.log(K)[:, None] * np.ones(4) + draw.normal(0, 0.6, (K.size, 4))
    found = distance_profile(np.stack([states, np.log(K)[:, None] * np.ones(4)], axis=1), K, n_resamples=20)
    low, high = found.ceiling.values
    assert low < 0.95
    assert high == pytest.approx(1)
    assert float(found.r_squared.sel(place=0).max()) < low + 0.1
    assert found.rdm.shape == (2, 17, 17)


def test_one_trial_of_a_value_has_no_ceiling():
    found = distance_profile({"only": np.arange(4.0, 12.0)[:, None]}, np.arange(4.0, 12.0), n_resamples=20)
    assert np.isnan(found.ceiling.item())


def test_line_side_and_both_are_told_apart():
    side = np.sign(K - 10.5)
    states = {"line": K[:, None], "side": side[:, None], "both": np.stack([K, side], axis=1)}
    found = value_orientation(states, K, 10.5).r_squared.round(6)
    assert found.sel(target="value", place=["line", "both"]).values == pytest.approx(1)
    assert found.sel(target="orientation", place=["side", "both"]).values == pytest.approx(1)
    assert found.sel(place="both").values == pytest.approx(1)
    assert float(found.sel(place="line", target="step")) < 0.05
    assert float(found.sel(place="side", target="graded")) < 0.05
    # of a line, what is graded is its share of the variance between values
    assert float(found.sel(place="line", target="graded")) == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("width", [2.0, 3.0])
@pytest.mark.parametrize("reference", [7.5, 10.5])
def test_a_smooth_code_of_values_has_a_step_but_no_side(width, reference):
    draw, preferred = np.random.default_rng(7), np.arange(2, 24.0)
    smooth = np.exp(-((K[:, None] - preferred) ** 2) / 2 / width**2)
    side = np.where(reference < K, 1.0, -1.0)[:, None] * draw.standard_normal(preferred.size)
    states = {"smooth": smooth, "sided": side, "both": smooth + side}
    states = {name: value + draw.normal(0, 0.05, value.shape) for name, value in states.items()}
    found = value_orientation(states, K, reference)
    assert float(found.r_squared.sel(place="smooth", target="step")) > 0.3
    assert float(found.sided.sel(place="smooth")) < 0
    assert (found.sided.sel(place=["sided", "both"]) > 0.05).all()
    assert found.false_reference.values.tolist() == [at for at in np.arange(6.5, 18) if at != reference]


def test_false_references_are_asked_as_the_true_one_is():
    draw = np.random.default_rng(8)
    states = {"a": np.sqrt(K)[:, None] + draw.normal(0, 0.1, (K.size, 5))}
    found, other = value_orientation(states, K, 10.5), value_orientation(states, K, 12.5)
    assert float(found.false_step.sel(place="a", false_reference=12.5)) == pytest.approx(
        float(other.r_squared.sel(place="a", target="step"))
    )
    few = K < 10
    assert np.isnan(value_orientation({"a": states["a"][few]}, K[few], 6.5).sided.item())


@pytest.mark.parametrize(
    ("states", "values", "name"),
    [
        (np.zeros((4, 3)), np.arange(4), "states"), ({"a": np.zeros((4, 3))}, np.arange(5), "values"),
        ({}, np.arange(5), "states"),
    ],
    ids=["flat", "uneven", "none"],
)  # fmt: skip
def test_states_that_do_not_fit_are_refused_by_name(states, values, name):
    with pytest.raises(SpecError, match=name):
        distance_profile(states, values)


def test_a_reference_at_the_edge_is_refused():
    with pytest.raises(SpecError, match="reference"):
        value_orientation({"a": K[:, None]}, K, 19.5)
    with pytest.raises(SpecError, match="number"):
        time_preference(np.zeros((5, 2)), np.zeros((4, 2)))


def test_a_code_is_what_its_parts_say():
    task = IntervalComparison(low=4, high=20, reference=10.5, number_reference=4.5)
    time, number = task.matched(400, seed=1)
    draw = np.random.default_rng(6)
    early, late = time.duration[:, None] / 5.0, np.sign(time.duration - 10.5)[:, None]
    states = {"early": early + draw.normal(0, 0.05, (400, 6)), "late": late + draw.normal(0, 0.05, (400, 6))}
    other = {place: value + draw.normal(0, 0.05, value.shape) for place, value in states.items()}
    other["late"][:, 2] += 2.0
    answers = np.where(time.duration == 10, 1 - time.more, time.more)
    code = interval_code(states, time, answers, other=other, n_resamples=20)
    told = code.figures()
    assert code.accuracy.sel(value=10).item() == 0
    assert told["right"] == pytest.approx(16 / 17)
    assert told["right_far"] == 1
    assert code.laws.best.values[0] == "linear"
    assert told["step_gain"] > 0.05
    assert told["sided_gain"] == pytest.approx(told["sided_last"] - told["sided_first"])
    assert told["law_first"] == told["linear_first"] > told["log_first"]
    assert told["short_first"] == pytest.approx(told["ceiling_first"] - told["law_first"])
    assert np.isnan([told["slope"], told["slope_low"], told["trend"]]).all()  # 6 units are too few
    assert (told["prefer_first"], told["prefer_last"]) == (0, pytest.approx(1 / 6))
    assert "prefer_last" not in interval_code(states, time, answers, n_resamples=20).figures()
    with pytest.raises(SpecError, match="trials"):
        interval_code(states, number, answers)


def test_widths_that_grow_with_what_units_prefer_have_their_slope_told():
    trials = IntervalComparison(low=4, high=20, reference=10.5).draw(400, seed=2)
    prefer, k = np.linspace(6, 16, 20), trials.duration[:, None]
    for fraction in (0.2, 0.35):
        states = {"only": np.exp(-((k - prefer) ** 2) / (2 * (fraction * prefer) ** 2))}
        told = interval_code(states, trials, trials.more, n_resamples=20).figures()
        assert (told["slope"], told["weber"]) == pytest.approx((fraction, fraction), abs=0.01)
        assert 0 < told["slope_low"] <= told["slope"]
    states = {"only": np.exp(-((k - prefer) ** 2) / (2 * 3.0**2))}
    told = interval_code(states, trials, trials.more, n_resamples=20).figures()
    assert (told["slope"], told["trend"]) == pytest.approx((0, -1), abs=0.01)
