"""Published networks: the step of their programs, their figures (slow), every engine (slow)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance.cases import compared, plan_of

import arcuate as arc
from arcuate.engines.plan import Plan
from arcuate.study.reproduction import load_reproduce, read_expected

MODELS = {"cuba": "5 s", "cobahh": "1 s", "izhikevich2003": "15 s"}
"""Names, and how long they must run for a hundred thousand spikes."""

ENGINES = ("numba", "brian2", "brian2-cpp")


def matrix(plan: Plan, pre: str) -> np.ndarray:
    """Which neuron of a population reaches which of all 4000, (n_pre, n)."""
    blocks = []
    for post, population in plan.populations.items():
        projection = plan.projections[f"{pre}->{post}"]
        block = np.zeros((plan.populations[pre].n, population.n), bool)
        block[projection.edges()[0], projection.index] = True
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def spikes_of(recording: arc.Recording, dt: float, n_exc: int) -> list[tuple[int, int]]:
    """(step, neuron) of all spikes, excitatory neurons first."""
    found, offset = [], 0
    for name, n in (("exc", n_exc), ("inh", 0)):
        spikes = recording.spikes(name)
        steps = np.rint(np.asarray(spikes["time"]) / dt).astype(int)
        found += list(zip(steps.tolist(), (np.asarray(spikes["neuron"]) + offset).tolist(), strict=True))
        offset += n
    return sorted(found)


def test_cuba_takes_the_step_of_the_published_script() -> None:
    network = arc.load_model("cuba")
    plan = plan_of(network, "150 ms", seed=2)
    reach = {name: matrix(plan, name) for name in ("exc", "inh")}
    v = 1e3 * np.concatenate([plan.populations[name].initial["v"] for name in ("exc", "inh")])
    ge, gi, last, dt, expected = np.zeros(4000), np.zeros(4000), np.full(4000, -1000), 0.1, []
    for step in range(plan.n_steps):
        free = step - last >= 50
        # tau v' = ge + gi - (v + 49) in mV and ms, solved exactly
        gain = [tau / (20.0 - tau) * (np.exp(-dt / 20.0) - np.exp(-dt / tau)) for tau in (5.0, 10.0)]
        exact = -49.0 + (v + 49.0) * np.exp(-dt / 20.0) + gain[0] * ge + gain[1] * gi
        v = np.where(free, exact, v)
        ge, gi = ge * np.exp(-dt / 5.0), gi * np.exp(-dt / 10.0)
        fired = free & (v > -50.0)
        expected += [(step, int(neuron)) for neuron in np.flatnonzero(fired)]
        ge += 1.62 * reach["exc"][fired[:3200]].sum(axis=0)
        gi += -9.0 * reach["inh"][fired[3200:]].sum(axis=0)
        v, last = np.where(fired, -60.0, v), np.where(fired, step, last)
    recording = arc.simulate(network, "150 ms", seed=2, progress=False)
    found = spikes_of(recording, network.dt, 3200)
    assert len(found) > 2000
    assert found == sorted(expected)


def test_cobahh_takes_the_step_of_the_published_script() -> None:
    network = arc.load_model("cobahh")
    plan = plan_of(network, "25 ms", seed=2)
    reach = {name: matrix(plan, name) for name in ("exc", "inh")}
    v = 1e3 * np.concatenate([plan.populations[name].initial["v"] for name in ("exc", "inh")])
    m, h, n, ge, gi = (np.zeros(4000) for _ in range(5))
    last, dt, expected = np.full(4000, -1000), 0.1, []
    for step in range(plan.n_steps):  # mV, ms, nS, pF
        x = v + 63.0
        rates = {
            "m": (0.32 * (13 - x) / np.expm1((13 - x) / 4), 0.28 * (x - 40) / np.expm1((x - 40) / 5)),
            "h": (0.128 * np.exp((17 - x) / 18), 4 / (1 + np.exp((40 - x) / 5))),
            "n": (0.032 * (15 - x) / np.expm1((15 - x) / 5), 0.5 * np.exp((10 - x) / 40)),
        }
        na, k = 20_000.0 * m**3 * h, 6_000.0 * n**4
        total = 10.0 + na + k + ge + gi
        rest = (10.0 * -60.0 + na * 50.0 + k * -90.0 + ge * 0.0 + gi * -80.0) / total
        v = rest + (v - rest) * np.exp(-dt * total / 200.0)
        m, h, n = (
            a / (a + b) + (gate - a / (a + b)) * np.exp(-dt * (a + b))
            for gate, (a, b) in ((m, rates["m"]), (h, rates["h"]), (n, rates["n"]))
        )
        ge, gi = ge * np.exp(-dt / 5.0), gi * np.exp(-dt / 10.0)
        fired = (v > -20.0) & (step - last >= 30)
        expected += [(step, int(neuron)) for neuron in np.flatnonzero(fired)]
        ge += 6.0 * reach["exc"][fired[:3200]].sum(axis=0)
        gi += 67.0 * reach["inh"][fired[3200:]].sum(axis=0)
        last = np.where(fired, step, last)
    found = spikes_of(arc.simulate(network, "25 ms", seed=2, progress=False), network.dt, 3200)
    assert len(found) > 2000
    assert found == sorted(expected)


def test_izhikevich_takes_the_step_of_the_printed_program() -> None:
    network = arc.load_model("izhikevich2003").replace(
        {"populations.exc.noise.mode": "frozen", "populations.inh.noise.mode": "frozen"}
    )
    plan = plan_of(network, "1 s", seed=3)
    cells = list(plan.populations.values())
    a, b, c, d = (
        np.concatenate([np.broadcast_to(p.values[key], p.n) for p in cells]) for key in ("a", "b", "c", "d")
    )
    s = np.zeros((1000, 1000))  # (post, pre), as in the program
    place = {"exc": slice(0, 800), "inh": slice(800, 1000)}
    for projection in plan.projections.values():
        block = s[place[projection.post], place[projection.pre]]
        block[projection.index, projection.edges()[0]] = projection.weight
    noise = np.concatenate([k * p.noise.frozen[:, : p.n] for k, p in zip((5, 2), cells, strict=True)], axis=1)
    v, expected = np.full(1000, -65.0), []
    u = b * v
    for t in range(plan.n_steps + 1):
        fired = np.flatnonzero(v >= 30)
        expected += [(t - 1, int(neuron)) for neuron in fired]
        if t == plan.n_steps:
            break
        v[fired], u[fired] = c[fired], u[fired] + d[fired]
        current = noise[t] + s[:, fired].sum(axis=1)
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        u = u + a * (b * v - u)
    found = spikes_of(arc.simulate(network, "1 s", seed=3, progress=False), network.dt, 800)
    assert len(found) > 5000
    assert found == sorted(expected)


@pytest.mark.parametrize("name", MODELS)
def test_the_expected_figures_are_the_ones_measured(name: str) -> None:
    module = load_reproduce(name).__globals__
    duration = f"{module['SECONDS']} s"
    small = {"populations.exc.n": 160, "populations.inh.n": 40}
    recording = arc.simulate(arc.load_model(name).replace(small), duration, seed=1, progress=False)
    figures = module["evaluate"](recording)
    assert set(figures) == {f.name for f in read_expected(arc.models.model_folder(name) / "expected.toml")}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", MODELS)
def test_figures(name: str, tmp_path: Any) -> None:
    result = load_reproduce(name)((1, 2, 3, 4, 5), False, tmp_path, lambda done, total, label: None)
    assert result.holds, [(figure.name, figure.got) for figure in result.figures if not figure.holds]


@pytest.mark.slow
@pytest.mark.brian
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("name", "duration"), list(MODELS.items()))
def test_a_hundred_thousand_spikes_on_every_engine(name: str, duration: str) -> None:
    verification = compared(plan_of(arc.load_model(name), duration), ENGINES)
    assert verification.identical, str(verification)
    assert verification.n_spikes >= 100_000
