"""Bad designs of parameter studies (rows 111 to 115): refused before anything is built."""

from __future__ import annotations

import itertools
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arcuate.errors import ExpressionError, SpecError, UnknownNameError
from arcuate.spec import Network, Population, Uniform, lif
from arcuate.study.design import Design
from arcuate.study.study import Study

N = "populations.exc.n"


@pytest.fixture(scope="module")
def net() -> Network:
    """Return a small specification."""
    cells = Population(name="exc", n=10, neuron=lif(tau_m="20 ms"), bias="0.3 nA")
    return Network(name="small", dt="0.1 ms", populations=[cells])


BAD: dict[str, tuple[Any, type[Exception], list[str]]] = {
    "111 no field": ({}, SpecError, ["values", "at least one field"]),
    "111 no value": ({N: []}, SpecError, [N, "at least one value"]),
    "111 empty range": ({"seed": range(0)}, SpecError, ["seed", "at least one value"]),
    "111 not a mapping": ([1, 2], SpecError, ["values"]),
    "112 1e9 points": ({"seed": range(10**9)}, SpecError, ["1000000000", "allow_large=True"]),
    "112 1e9 by three fields": (
        {"seed": range(1000), N: range(1, 1001), "dt": tuple(f"{i} us" for i in range(1, 1001))},
        SpecError,
        ["1000000000", "1000 x 1000 x 1000"],
    ),
    "113 misspelt path": ({"populations.exc.neuron.tua_m": ["10 ms"]}, UnknownNameError, ["tua_m", "tau_m"]),
    "113 unknown population": (
        {"populations.exz.n": [1]},
        UnknownNameError,
        ["populations.exz.n", "populations.exc.n"],
    ),
    "113 not a text": ({3: [1]}, SpecError, ["3"]),
    "114 the same value": ({N: [5, 6, 5]}, SpecError, [N, "5", "once", "seed"]),
    "114 the same seed": ({"seed": [1, 1]}, SpecError, ["seed", "once"]),
    "114 the same time": ({"dt": ["0.1 ms", "100 us"]}, SpecError, ["dt", "100 us", "once"]),
    "115 list": ({N: [[1], [2]]}, SpecError, [N, "content"]),
    "115 array": ({N: [np.zeros(2)]}, SpecError, [N, "content"]),
    "115 list in a tuple": ({N: [(1, [2])]}, SpecError, [N, "content"]),
    "115 function": ({N: [abs]}, SpecError, [N, "content"]),
    "115 class": ({N: [int]}, SpecError, [N, "content"]),
    "115 one number": ({N: 5}, SpecError, [N, "list"]),
    "115 one text": ({"dt": "0.1 ms"}, SpecError, ["dt", "list"]),
    "115 endless": ({N: itertools.count(1)}, SpecError, [N, "list"]),
    "115 set": ({N: {1, 2}}, SpecError, [N, "list"]),
    "115 object array": ({N: np.array([1, "a"], dtype=object)}, SpecError, [N, "list"]),
    "115 table": ({N: np.zeros((2, 2))}, SpecError, [N, "list"]),
    "NaN": ({"dt": [float("nan")]}, SpecError, ["dt", "finite"]),
    "negative seed": ({"seed": range(-1, 3)}, SpecError, ["seed = -1", ">= 0"]),
    "no seed": ({"seed": [1, None]}, SpecError, ["seed = None", "integer"]),
    "seed of another kind": ({"seed": [1, 1.5]}, SpecError, ["seed = 1.5", "integer"]),
    "last point refused": ({N: [5, 7, -5]}, SpecError, ["point 2", "n = -5"]),
    "first point refused": ({N: [-5]}, SpecError, ["n", "-5"]),
    "wrong unit": ({"dt": ["1 mV"]}, SpecError, ["dt", "1 mV"]),
}


@pytest.mark.parametrize("row", BAD)
def test_it_is_refused_with_name_value_and_way_out(net: Network, row: str) -> None:
    values, kind, words = BAD[row]
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(kind) as caught:
            Study(net, values, duration="10 ms")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert time.process_time() - start < 2.0
    assert peak < 20e6
    assert len(message.splitlines()) <= 4
    assert [word for word in words if word not in message] == []


def test_more_points_than_can_be_counted_are_refused_even_with_the_flag(net: Network) -> None:
    with pytest.raises(SpecError, match="points"):
        Design.grid({"seed": range(2**62), N: range(1, 2**62)}, allow_large=True)


CONSTRAINTS: dict[str, tuple[Any, type[Exception], list[str]]] = {
    "nothing is left": ("n > 100", SpecError, ["none of the 4 points"]),
    "no condition": ("n + 1", ExpressionError, ["n + 1", "true or false"]),
    "misspelt field": ("tua_m > 1*ms", ExpressionError, ["tua_m", "tau_m"]),
    "not unique": ("n > 1", ExpressionError, ["populations.exc.n, populations.inh.n", "exc_n"]),
    "text in an expression": ("model == 1", SpecError, ["model", "'lif'", "number"]),
    "code": ("__import__('os') == 1", ExpressionError, ["__import__"]),
    "function fails": (lambda values: values["x"] > 1, SpecError, ["point 0", "KeyError"]),
    "function answers with a number": (lambda values: 1, SpecError, ["constraint = 1", "True or False"]),
    "neither": (7, SpecError, ["constraint = 7", "expression or a function"]),
}


@pytest.mark.parametrize("row", CONSTRAINTS)
def test_a_bad_constraint_is_refused(row: str) -> None:
    constraint, kind, words = CONSTRAINTS[row]
    values: dict[str, Any] = {N: [1, 2], "populations.exc.neuron.tau_m": ["10 ms", "20 ms"]}
    if row == "not unique":
        values |= {"populations.inh.n": [3]}
    if row == "text in an expression":
        values |= {"populations.exc.neuron.model": ["lif"]}
    with pytest.raises(kind) as caught:
        Design.grid(values).where(constraint)
    assert [word for word in words if word not in str(caught.value)] == []


ONE = {"x": Uniform(0, 1)}
CALLS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "no points": (lambda: Design.points([]), ["rows = []", "at least one point"]),
    "a mapping": (lambda: Design.points({"x": 1}), ["rows", "list"]),  # type: ignore[arg-type]
    "other fields": (lambda: Design.points([{"x": 1}, {"y": 1}]), ["rows[1]", "'x'"]),
    "twice": (lambda: Design.points([{"x": 1, "y": 2}, {"x": 1.0, "y": 2}]), ["point 1", "once", "seed"]),
    "a list inside": (lambda: Design.points([{"x": [1]}]), ["content", "tuple"]),
    "n = 0": (lambda: Design.random(ONE, 0, seed=1), ["n = 0", ">= 1"]),
    "n of a kind": (lambda: Design.sobol(ONE, 2.5, seed=1), ["n = 2.5"]),  # type: ignore[arg-type]
    "n = 1e7": (lambda: Design.latin_hypercube(ONE, 10**7, seed=1), ["n = 10000000", "1000000"]),
    "no seed": (lambda: Design.random(ONE, 5, seed=None), ["seed = None"]),  # type: ignore[arg-type]
    "no ranges": (lambda: Design.random({}, 5, seed=1), ["ranges = {}", "at least one field"]),
    "no range": (lambda: Design.random({"x": 3}, 5, seed=1), ["ranges['x'] = 3", "distribution"]),
    "drawn twice": (lambda: Design.random({"x": [1, 2]}, 5, seed=1), ["values['x']", "once"]),
    "seeds as a number": (lambda: Design.grid(ONE_VALUE).repeat(3), ["range(3)"]),  # type: ignore[arg-type]
    "no seeds": (lambda: Design.grid(ONE_VALUE).repeat([]), ["seeds = []", "at least one"]),
    "same seed": (lambda: Design.grid(ONE_VALUE).repeat([1, 1]), ["seed", "once"]),
    "seed is varied": (lambda: Design.grid({"seed": [1]}).repeat([2]), ["varies the seed already"]),
    "too many": (lambda: Design.grid({"x": range(1000)}).repeat(range(1001)), ["1001000", "1000 x 1001"]),
    "no description": (lambda: Design.from_description({"kind": "grid"}), ["table", "no description"]),
}
ONE_VALUE = {"x": [1]}


@pytest.mark.parametrize("row", CALLS)
def test_a_bad_design_is_refused(row: str) -> None:
    call, words = CALLS[row]
    with pytest.raises(SpecError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == []
    assert len(str(caught.value).splitlines()) <= 4


@pytest.mark.parametrize("index", [-1, 6, 1.5, True, "0"])
def test_a_point_outside_is_refused(net: Network, index: Any) -> None:
    with pytest.raises(SpecError, match="index"):
        Design.grid({"seed": range(6)})[index]
