"""Orders of the integration methods: the step is halved three times against an exact solution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import arcuate as arc

PI = np.pi


def izh2003(t: float, x: np.ndarray) -> list[float]:
    v, u = x
    return [1e3 * (0.04 * v * v + 5 * v + 140 - u + 3.0), 1e3 * 0.02 * (0.2 * v - u)]


def izh2007(t: float, x: np.ndarray) -> list[float]:
    v, u = x
    k, c_m, v_r, v_t, a, b = 0.7e-6, 100e-12, -60e-3, -40e-3, 30.0, -2e-9
    return [(k * (v - v_r) * (v - v_t) - u + 100e-12) / c_m, a * (b * (v - v_r) - u)]


def lif(t: float, x: np.ndarray) -> list[float]:
    return [(-65e-3 - x[0] + 40e6 * 0.3e-9) / 10e-3]


def theta(t: float, x: np.ndarray) -> list[float]:
    return [(1 - np.cos(x[0]) + PI**2 * (1 + np.cos(x[0])) * 0.1) / 10e-3]


def adex(t: float, x: np.ndarray) -> list[float]:
    v, w = x
    dv = 30e-9 * (-70.6e-3 - v) + 60e-12 * np.exp((v + 50.4e-3) / 2e-3) - w + 500e-12
    return [dv / 281e-12, (4e-9 * (v + 70.6e-3) - w) / 144e-3]


def qif(t: float, x: np.ndarray) -> list[float]:
    return [(x[0] ** 2 + 0.5) / 10e-3]


def hh(t: float, x: np.ndarray) -> list[float]:
    """The rates as the benchmark's paper writes them, per ms and mV."""
    v, m, h, n = x
    u = 1e3 * v + 63
    up = [0.32 * (13 - u) / np.expm1((13 - u) / 4), 0.128 * np.exp((17 - u) / 18)]
    up.append(0.032 * (15 - u) / np.expm1((15 - u) / 5))
    down = [0.28 * (u - 40) / np.expm1((u - 40) / 5), 4 / (1 + np.exp((40 - u) / 5))]
    down.append(0.5 * np.exp((10 - u) / 40))
    current = 10e-9 * (-60e-3 - v) + 20e-6 * m**3 * h * (50e-3 - v) + 6e-6 * n**4 * (-90e-3 - v) + 50e-12
    gates = [1e3 * (a * (1 - g) - b * g) for a, b, g in zip(up, down, (m, h, n), strict=True)]
    return [current / 200e-12, *gates]


CASES: dict[str, tuple[arc.Neuron, Callable[..., list[float]], dict[str, float], object]] = {
    "izh2003 euler": (
        arc.izh2003(initial={"v": -70.0, "u": -14.0}),
        izh2003,
        {"v": -70.0, "u": -14.0},
        3.0,
    ),
    "izh2003 legacy2003": (
        arc.izh2003(method="legacy2003", initial={"v": -70.0, "u": -14.0}),
        izh2003,
        {"v": -70.0, "u": -14.0},
        3.0,
    ),
    "izh2007 euler": (
        arc.izh2007(initial={"v": "-62 mV", "u": "5 pA"}),
        izh2007,
        {"v": -62e-3, "u": 5e-12},
        "100 pA",
    ),
    "lif euler": (arc.lif(method="euler"), lif, {"v": -65e-3}, "0.3 nA"),
    "adex euler": (
        arc.adex(initial={"v": "-65 mV", "w": "20 pA"}),
        adex,
        {"v": -65e-3, "w": 20e-12},
        "0.5 nA",
    ),
    "adex heun": (
        arc.adex(method="heun", initial={"v": "-65 mV", "w": "20 pA"}),
        adex,
        {"v": -65e-3, "w": 20e-12},
        "0.5 nA",
    ),
    "qif euler": (arc.qif(initial={"v": -1.0}), qif, {"v": -1.0}, 0.5),
    "hh exponential_euler": (
        arc.hh(initial={"v": "-65 mV", "m_na": 0.01, "h_na": 0.99, "n_k": 0.03}),
        hh,
        {"v": -65e-3, "m_na": 0.01, "h_na": 0.99, "n_k": 0.03},
        "50 pA",
    ),
    "theta euler": (arc.theta(tau="10 ms", initial={"v": -2.0}), theta, {"v": -2.0}, 0.1),
}


def errors(case: str, duration: float) -> np.ndarray:
    """Largest error of the state at the end, relative to its size, for dt and its three halves."""
    neuron, equation, start, bias = CASES[case]
    exact = solve_ivp(
        equation,
        (0.0, duration),
        list(start.values()),
        method="DOP853",
        rtol=1e-13,
        atol=1e-20,
        max_step=1e-4,
    ).y[:, -1]
    found = []
    for halving in range(4):
        dt = 0.05e-3 / 2**halving
        network = arc.Network(
            name="one",
            dt=f"{dt * 1e3!r} ms",
            populations=[arc.Population(name="exc", n=1, neuron=neuron, bias=bias)],
        )
        simulation = arc.Simulation(network, f"{duration!r} s", seed=1)
        assert simulation.advance().spikes("exc").sizes["spike"] == 0  # a smooth piece of the solution
        state = np.array([simulation.state[f"exc/{name}"][0] for name in start])
        found.append(float(np.max(np.abs(state - exact) / np.abs(exact))))
    return np.array(found)


@pytest.mark.parametrize("case", CASES)
def test_order_of_the_method(case: str) -> None:
    found = errors(case, 10e-3)
    orders = np.log2(found[:-1] / found[1:])
    assert found[-1] > 1e-10  # above rounding, or there would be no order to see
    np.testing.assert_allclose(orders, 2.0 if case.endswith("heun") else 1.0, atol=0.1)


def test_the_exact_method_has_no_error_to_converge() -> None:
    for dt in (1e-3, 0.5e-3, 0.1e-3):
        network = arc.Network(
            name="one",
            dt=f"{dt * 1e3!r} ms",
            populations=[arc.Population(name="exc", n=1, neuron=arc.lif(), bias="0.3 nA")],
        )
        simulation = arc.Simulation(network, "20 ms", seed=1)
        simulation.advance()
        wanted = -65e-3 + 40e6 * 0.3e-9 * -np.expm1(-2.0)
        np.testing.assert_allclose(simulation.state["exc/v"], wanted, rtol=1e-12)
