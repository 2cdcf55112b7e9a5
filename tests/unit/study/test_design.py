"""Designs of parameter studies: order, size, laziness, application."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcuate.spec import Network, Population, lif
from arcuate.study.design import Design

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
