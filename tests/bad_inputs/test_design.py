"""Bad designs of parameter studies (rows 111 to 115): refused before anything is built."""

from __future__ import annotations

import itertools
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

from arcuate.errors import SpecError, UnknownNameError
from arcuate.spec import Network, Population, lif
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
    "NaN": ({"seed": [float("nan")]}, SpecError, ["seed", "finite"]),
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


@pytest.mark.parametrize("index", [-1, 6, 1.5, True, "0"])
def test_a_point_outside_is_refused(net: Network, index: Any) -> None:
    with pytest.raises(SpecError, match="index"):
        Design.grid({"seed": range(6)})[index]
