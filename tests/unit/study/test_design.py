"""Designs of parameter studies: order, size, laziness, application."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcuate.errors import ExpressionError, SpecError
from arcuate.spec import Exponential, LogNormal, LogUniform, Network, Normal, Population, Uniform, lif
from arcuate.study.design import Design
from arcuate.units import is_quantity_text, parse_quantity

TAU = "populations.exc.neuron.tau_m"


def network() -> Network:
    """Return a small specification."""
    cells = Population(name="exc", n=10, neuron=lif(tau_m="20 ms"), bias="0.3 nA")
    return Network(name="small", dt="0.1 ms", populations=[cells])


def test_points_are_every_combination_the_last_field_fastest() -> None:
    axes = {TAU: ["10 ms", "20 ms"], "populations.exc.n": (1, 2, 3), "seed": range(2)}
    design = Design.grid(axes)
    wanted = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    assert [dict(point.values) for point in design] == wanted
    assert [point.index for point in design] == list(range(12))
    assert len(design) == 12


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_a_point_is_found_by_its_index(sizes: list[int]) -> None:
    names = ["populations.exc.n", "seed", TAU]
    values = {
        name: [f"{i + 1} ms" if name == TAU else i + 1 for i in range(size)]
        for name, size in zip(names, sizes, strict=False)
    }
    design = Design.grid(values)
    assert [design[index] for index in range(len(design))] == list(design)


def test_a_point_changes_the_specification_and_nothing_else() -> None:
    net = network()
    design = Design.grid({TAU: ["10 ms"], "populations.exc.n": [7], "seed": [3]})
    (point,) = design
    changed = point.apply(net)
    assert changed.get(TAU) == 0.010
    assert changed.get("populations.exc.n") == 7
    assert changed.with_(TAU, "20 ms").with_("populations.exc.n", 10) == net
    assert point.values["seed"] == 3


def test_values_that_depend_on_each_other_change_together() -> None:
    net = network()
    thresh, reset = "populations.exc.neuron.v_thresh", "populations.exc.neuron.v_reset"
    (point,) = Design.grid({thresh: ["-100 mV"], reset: ["-110 mV"]})
    assert point.apply(net).get(reset) == pytest.approx(-0.110)


def test_arrays_become_plain_numbers() -> None:
    design = Design.grid({"populations.exc.n": np.array([2, 4])})
    assert [type(point.values["populations.exc.n"]) for point in design] == [int, int]


def test_a_large_design_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        design = Design.grid({"seed": range(10**9)}, allow_large=True)
        assert len(design) == 10**9
        assert design[123_456_789].values == {"seed": 123_456_789}
        assert next(iter(design)).values == {"seed": 0}
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------ points that are drawn or listed


def test_listed_points_keep_their_order() -> None:
    rows = [{TAU: "10 ms", "seed": 3}, {"seed": 1, TAU: "20 ms"}]
    design = Design.points(rows)
    assert [dict(point.values) for point in design] == rows
    assert design.axes is None


RANGES = {
    TAU: Uniform("5 ms", "50 ms"),
    "gain": LogUniform(1, 100),
    "weight": Normal(2.0, 0.5),
    "rate": LogNormal(10.0, 5.0),
    "wait": Exponential("2 s"),
    "kind": ["a", "b", "c"],
}


@pytest.mark.parametrize("make", [Design.random, Design.sobol, Design.latin_hypercube])
def test_drawn_points_have_the_distributions_that_were_asked_for(make: Any) -> None:
    """Against the moments and bounds of the distributions, 4096 points."""
    design = make(RANGES, 4096, seed=1)
    columns = {name: [point.values[name] for point in design] for name in RANGES}
    tau, gain, weight, rate, wait = (np.array(columns[name], float) for name in list(RANGES)[:5])
    assert tau.min() >= 0.005 and tau.max() <= 0.050
    assert gain.min() >= 1.0 and gain.max() <= 100.0
    for drawn, mean, sd in (
        (tau, 0.0275, 0.045 / 12**0.5),
        (np.log(gain), np.log(10), np.log(100) / 12**0.5),
        (weight, 2.0, 0.5),
        (rate, 10.0, 5.0),
        (wait, 2.0, 2.0),
    ):
        assert drawn.mean() == pytest.approx(mean, abs=5 * sd / 64)
        assert drawn.std() == pytest.approx(sd, rel=0.15)
    assert all(1200 < columns["kind"].count(word) < 1530 for word in "abc")
    assert {str(value)[-2:] for value in columns[TAU]} == {"ms"}


@pytest.mark.parametrize("make", [Design.random, Design.sobol, Design.latin_hypercube])
def test_the_seed_decides_on_the_draw(make: Any) -> None:
    ranges = {"x": Uniform(0, 1), "y": Uniform(0, 1)}
    first, again, other = (
        [dict(point.values) for point in make(ranges, 32, seed=seed)] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_latin_hypercube_has_one_point_in_every_part_of_every_range() -> None:
    design = Design.latin_hypercube({"x": Uniform(0, 10), "y": Uniform(0, 10)}, 10, seed=4)
    for name in ("x", "y"):
        assert sorted(int(point.values[name]) for point in design) == list(range(10))


def test_a_longer_sobol_design_begins_with_the_shorter_one() -> None:
    ranges = {"x": Uniform(0, 1), "y": Normal(0, 1)}
    short, long = ([dict(point.values) for point in Design.sobol(ranges, n, seed=3)] for n in (7, 50))
    assert long[:7] == short


def test_sobol_points_cover_every_cell_of_a_grid() -> None:
    """16 points of two fields: one in each cell of 4 x 4, which random points miss."""
    points = [point.values for point in Design.sobol({"x": Uniform(0, 4), "y": Uniform(0, 4)}, 16, seed=2)]
    assert len({(int(values["x"]), int(values["y"])) for values in points}) == 16


@given(
    dist=st.sampled_from(
        [Uniform(-1, 3), LogUniform(0.1, 10), Normal(1, 2), LogNormal(3, 1), Exponential(2)]
    ),
    p=st.floats(0.001, 0.999),
)
def test_a_quantile_is_where_the_share_of_draws_lies(dist: Any, p: float) -> None:
    drawn = dist.sample(np.random.default_rng(0), 4000)
    share = float(np.mean(drawn <= dist.quantile(p)))
    assert share == pytest.approx(p, abs=5 * (p * (1 - p) / 4000) ** 0.5 + 1e-3)


# ------------------------------------------------------------------ repeat and where


def test_repeat_crosses_with_seeds_that_vary_fastest() -> None:
    design = Design.points([{"x": 1, "y": 2}, {"x": 3, "y": 4}]).repeat([7, 9])
    assert [tuple(point.values.values()) for point in design] == [(1, 2, 7), (1, 2, 9), (3, 4, 7), (3, 4, 9)]
    assert design.names == ("x", "y", "seed")


@given(
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=3),
    low=st.integers(0, 6),
    seeds=st.integers(1, 3),
)
def test_where_keeps_what_a_loop_would_keep(sizes: list[int], low: int, seeds: int) -> None:
    """As text, as a function, before and after `repeat`, and twice."""
    names = ["pops.exc.n", "pops.inh.n", "links.exc->inh.weight"]
    grid = Design.grid({name: range(size) for name, size in zip(names, sizes, strict=False)})
    wanted = [dict(p.values) for p in grid if 2 * p.values[names[0]] + p.values[names[1]] >= low]
    if not wanted:
        with pytest.raises(SpecError, match="none of the"):
            grid.where(f"2*exc_n + inh_n >= {low}")
        return
    by_text = grid.where(f"2*exc_n + inh_n >= {low}")
    by_function = grid.where(lambda values: 2 * values[names[0]] + values[names[1]] >= low)
    assert [dict(point.values) for point in by_text] == wanted
    assert [dict(point.values) for point in by_function] == wanted
    assert [point.index for point in by_text] == list(range(len(wanted)))
    repeated = [{**values, "seed": seed} for values in wanted for seed in range(seeds)]
    assert [dict(point.values) for point in by_text.repeat(range(seeds))] == repeated
    after = grid.repeat(range(seeds)).where(f"2*exc_n + inh_n >= {low}")
    assert [dict(point.values) for point in after] == repeated
    twice = after.where("seed == 0")
    assert [dict(point.values) for point in twice] == [{**values, "seed": 0} for values in wanted]


def test_a_constraint_reads_quantities_in_si() -> None:
    design = Design.grid({TAU: ["5 ms", "0.02 s", "3e4 us"], "dt": ["0.1 ms", "10 ms"]})
    kept = design.where("tau_m > 10*ms and dt < tau_m/10")
    assert [tuple(point.values.values()) for point in kept] == [("0.02 s", "0.1 ms"), ("3e4 us", "0.1 ms")]


def test_a_million_points_are_sifted_without_building_them() -> None:
    tracemalloc.start()
    try:
        design = Design.grid({"x": range(1000), "y": range(1000)}).where("x == y")
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert len(design) == 1000
    assert design[999].values == {"x": 999, "y": 999}


# ------------------------------------------------------------------ description and text

DESIGNS = {
    "grid": Design.grid({TAU: ["10 ms", "20 ms"], "populations.exc.n": (1, 2, 3), "seed": range(2)}),
    "sifted": Design.grid({"x": range(5), "y": (0.1, 0.2)}).where("x > 2").repeat([4, 2**100]),
    "points": Design.points([{"x": True, "y": "a"}, {"x": False, "y": "b"}]),
    "sobol": Design.sobol(RANGES, 10, seed=1),
    "parts": Design.grid({"populations.exc.bias": [Normal("0.3 nA", "0.1 nA"), "0.3 nA", (1, (2.5, "a"))]}),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_a_description_goes_through_json_and_back(name: str) -> None:
    design = DESIGNS[name]
    again = Design.from_description(json.loads(json.dumps(design.describe(), allow_nan=False)))
    assert (again.names, len(again), again.kind) == (design.names, len(design), design.kind)
    assert again.describe() == design.describe()
    for point, other in zip(design, again, strict=True):
        if name != "parts":
            assert {key: _number(value) for key, value in other.values.items()} == {
                key: _number(value) for key, value in point.values.items()
            }


def _number(value: Any) -> Any:
    return parse_quantity(value)[0] if isinstance(value, str) and is_quantity_text(value) else value


def test_it_says_what_it_varies() -> None:
    assert repr(DESIGNS["grid"]) == (
        "<Design of 12 points, grid: populations.exc.neuron.tau_m 2, populations.exc.n 3, seed 2>"
    )
    assert repr(DESIGNS["sifted"]) == "<Design of 8 points, grid (sifted): x 5, y 2, seed 2>"
    page = DESIGNS["sobol"]._repr_html_()
    assert "<caption>Design of 10 points, sobol</caption>" in page
    assert "(10 values)" in page
    assert "<td>populations.exc.&lt;b&gt;</td>" in Design.grid({"populations.exc.<b>": [1]})._repr_html_()


@pytest.mark.parametrize(("name", "text"), [("s", "s < 2"), ("mV", "mV < 2"), ("pi", "pi < 2")])
def test_a_field_is_not_taken_for_a_unit_in_a_constraint(name: str, text: str) -> None:
    with pytest.raises(ExpressionError, match=f"{name}: may be the field"):
        Design.grid({name: [1, 2]}).where(text)
    assert len(Design.grid({f"cell.{name}": [1, 2]}).where(f"cell_{name} < 2")) == 1


def test_an_exponent_is_not_taken_for_a_field() -> None:
    assert len(Design.grid({"e": [1, 2], "x": [0, 1]}).where("x < 1e-3 and e < 1.5e0")) == 1
