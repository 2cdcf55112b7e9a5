"""The neurons alif, adex, qif and hh: the same spikes and the same bits from every engine."""

from __future__ import annotations

from typing import Any

import pytest
from conformance.cases import assert_identical, plan_of

import arcuate as arc

pytestmark = pytest.mark.brian

CPP = ("numba", "brian2-cpp")

#: Neuron, bias, weight and synapse of a random recurrent network.
CELLS: dict[str, tuple[Any, Any, Any, Any]] = {
    "alif": (arc.alif(t_ref="2 ms", beta=0.3), arc.Uniform(0.01, 0.03), arc.Normal(0, 0.05), arc.pulse()),
    "adex": (
        arc.adex(b=arc.Uniform("20 pA", "80 pA")), arc.Uniform("0.8 nA", "1.2 nA"),
        arc.Normal("0 pA", "60 pA"), arc.exponential("5 ms"),
    ),
    "heun": (
        arc.adex(method="heun", b="40 pA"), arc.Uniform("0.8 nA", "1.2 nA"),
        arc.Normal("0 pA", "60 pA"), arc.exponential("5 ms"),
    ),
    "qif": (
        arc.qif(initial={"v": arc.Uniform(-2, 2)}), arc.Uniform(1, 4), arc.Normal(0, 0.5),
        arc.exponential("5 ms"),
    ),
    "hh": (
        arc.hh(initial={"v": arc.Uniform("-70 mV", "-50 mV")}), arc.Uniform("200 pA", "500 pA"),
        arc.Uniform("0 nS", "5 nS"), arc.exponential("5 ms", e_rev="0 mV"),
    ),
}  # fmt: skip


def network(cells: tuple[str, ...], n: int) -> arc.Network:
    return arc.Network(
        name="catalogue",
        dt="0.05 ms",
        populations=[
            arc.Population(name=name, n=n, neuron=CELLS[name][0], bias=CELLS[name][1]) for name in cells
        ],
        projections=[
            arc.Projection(
                pre=name, post=name, connectivity=arc.Sparse(0.1), weight=CELLS[name][2],
                synapse=CELLS[name][3], delay=arc.Uniform("0 ms", "1 ms"),
            )
            for name in cells
        ],
    )  # fmt: skip


def test_every_model_in_one_network() -> None:
    plan = plan_of(network(tuple(CELLS), 20), "60 ms", everything=True)
    verification = assert_identical(plan, n_spikes=200)
    assert verification.n_spikes >= 200


@pytest.mark.slow
@pytest.mark.parametrize("engines", [("numba", "brian2"), CPP])
@pytest.mark.parametrize("cell", CELLS)
def test_a_hundred_thousand_spikes(cell: str, engines: tuple[str, ...]) -> None:
    duration = {"alif": "0.5 s", "adex": "1.3 s", "heun": "1.2 s", "qif": "1.2 s", "hh": "0.25 s"}[cell]
    assert_identical(plan_of(network((cell,), 2000), duration), engines, n_spikes=100_000)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["brian2", "brian2-cython", "brian2-cpp"])
def test_elementary_functions_have_the_same_bits_where_they_meet_zero(engine: str) -> None:
    """The state starts at 0, where exprel divides 0 by 0 and chooses its limit."""
    cell = arc.neuron_from_ode(
        "dv/dt = (-v + tanh(w) + exp(-v*v) + I)/tau\ndw/dt = (exprel(v) - w)/tau",
        threshold="v > 1", reset="v = 0", parameters={"tau": "5 ms"}, method="heun", name="mine",
    )  # fmt: skip
    cells = arc.Population(name="exc", n=10, neuron=cell, bias=arc.Uniform(0.5, 3))
    network = arc.Network(name="elementary", dt="0.1 ms", populations=[cells])
    assert_identical(plan_of(network, "60 ms"), ("numba", engine), n_spikes=100)
