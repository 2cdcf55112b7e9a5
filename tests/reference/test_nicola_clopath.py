"""FORCE training of Nicola and Clopath 2017: the preset's identities, its step, and its figures (slow)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.analysis import sine_fit
from arcuate.engines.build import build_plan
from arcuate.study.reproduction import default_seeds, load_reproduce, read_expected

NAME = "nicola_clopath_force"
VARIANTS = (NAME, f"{NAME}/lif", f"{NAME}/theta")


def teacher(network: arc.Network, end: float) -> tuple[np.ndarray, np.ndarray]:
    every = round(network.readouts["z"].period / network.dt)
    t = (np.arange(0, round(end / network.dt), every) + 1) * network.dt
    return t, np.sin(2 * np.pi * 5 * t)


def small(name: str, n: int, active: tuple[str, str]) -> arc.Network:
    return arc.load_model(name).replace({"populations.res.n": n, "readouts.z.rule.active": [list(active)]})


def output(recording: arc.Recording) -> np.ndarray:
    return np.asarray(recording.states("z/output")["z"]).ravel()


@pytest.mark.parametrize("b", ["-2 nS", "0 nS", "5 nS"])
def test_the_bias_is_the_rheobase_for_every_b(b: str) -> None:
    network = arc.load_model(NAME).replace({"populations.res.n": 10, "populations.res.neuron.b": b})
    plan = build_plan(network, seed=1, duration="0.8 ms", targets={"z": np.zeros(1)})
    v = {key: float(plan.populations["res"].values[key]) for key in ("k", "v_r", "v_t", "b")}
    # steady v: 0 = k (v - v_r)(v - v_t) - b (v - v_r) + I has its two roots meet at the rheobase
    rheobase = (v["k"] * (v["v_t"] - v["v_r"]) + v["b"]) ** 2 / (4 * v["k"])
    assert rheobase == pytest.approx(1e-9, rel=1e-12)
    assert float(plan.populations["res"].bias) == pytest.approx(rheobase, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "unit", "p_start"), [(NAME, 1e-3, 2.0), (VARIANTS[1], 1.0, 5e-6), (VARIANTS[2], 1.0, 1e-5)]
)
def test_features_and_first_gain_have_the_published_scale(name: str, unit: float, p_start: float) -> None:
    network = arc.load_model(name)
    readout = network.readouts["z"]
    assert 1 / readout.rule.alpha == pytest.approx(p_start, rel=1e-12)
    assert not readout.rule.normalized
    plan = build_plan(
        network.replace({"populations.res.n": 10}), seed=1, duration="10 ms",
        targets={"z": np.zeros_like(teacher(network, 0.01)[1])},
    )  # fmt: skip
    (bank,) = plan.features.values()
    assert float(bank.values["jump"]) == pytest.approx(unit / (2e-3 * 20e-3), rel=1e-12)
    assert float(bank.values["kappa"]) == network.dt


@pytest.mark.parametrize("name", VARIANTS)
def test_learning_begins_and_ends_with_the_published_sample(name: str) -> None:
    network = arc.load_model(name).replace({"populations.res.n": 2})
    plan = build_plan(network, seed=1, duration="15 s", targets={"z": teacher(network, 15.0)[1]})
    readout = plan.readouts["z"]
    step = readout.sample_steps[readout.gate > 0] + 1  # counted from 1, as the published code does
    every = {NAME: 20, f"{NAME}/lif": 50, f"{NAME}/theta": 50}[name]
    counted = np.arange(1, round(15 / network.dt) + 1, every)
    expected = counted[(counted > round(5 / network.dt)) & (counted < round(10 / network.dt))]
    np.testing.assert_array_equal(step, expected)


def test_static_weights_have_the_published_spread() -> None:
    network = arc.load_model(NAME).replace({"populations.res.n": 400})
    weight = (
        build_plan(network, seed=1, duration="0.8 ms", targets={"z": np.zeros(1)})
        .projections["res->res"]
        .weight
    )
    sd = 5000e-12 * 1e-3 / (0.1 * np.sqrt(400))
    assert weight.size == pytest.approx(0.1 * 400**2, rel=0.05)
    assert weight.std() == pytest.approx(sd, rel=0.03)
    assert abs(weight.mean()) < 4 * sd / np.sqrt(weight.size)


@pytest.mark.parametrize("name", VARIANTS[1:])
def test_rows_of_the_other_presets_are_balanced(name: str) -> None:
    network = arc.load_model(name).replace({"populations.res.n": 100})
    n_samples = teacher(network, 0.01)[1].size
    projection = build_plan(
        network, seed=1, duration="10 ms", targets={"z": np.zeros(n_samples)}
    ).projections["res->res"]
    rows = np.bincount(projection.index, projection.weight, 100)
    assert np.abs(rows).max() < 1e-12 * np.abs(projection.weight).sum()


def published_step(network: arc.Network, duration: float, y: np.ndarray) -> dict[str, Any]:
    """The loop of the paper in pA, mV and ms, one statement after the other, on the plan's random numbers."""
    plan = build_plan(network, seed=3, duration=f"{duration} s", targets={"z": y})
    projection, n = plan.projections["res->res"], plan.populations["res"].n
    omega = np.zeros((n, n))
    np.add.at(omega, (projection.index, projection.edges()[0]), projection.weight * 1e15)
    e = plan.readouts["z"].feedback["res"][0] * 1e12
    v, u = plan.populations["res"].initial["v"] * 1e3, np.zeros(n)
    current, h, r, hr, phi = (np.zeros(n) for _ in range(5))
    p, z, dt, spikes, outputs = 2.0 * np.eye(n), 0.0, 0.04, [], []
    learn = plan.readouts["z"].gate
    for step in range(plan.n_steps):
        total = current + e * z + 1000.0
        v_old = v
        v = v + dt * (2.5 * (v + 60.0) * (v + 19.2) - u + total) / 250.0
        u = u + dt * 0.01 * (-2.0 * (v_old + 60.0) - u)
        fired = v >= 30.0
        spikes += [(step, neuron) for neuron in np.flatnonzero(fired)]
        current = current * np.exp(-dt / 2) + h * dt
        h = h * np.exp(-dt / 20) + omega[:, fired].sum(axis=1) / 40.0
        r = r * np.exp(-dt / 2) + hr * dt
        hr = hr * np.exp(-dt / 20) + fired / 40.0
        z = phi @ r
        if step % 20 == 0:
            outputs.append(z)
            if learn[step // 20]:
                gain = p @ r
                phi = phi - gain * (z - y[step // 20])
                p = p - np.outer(gain, gain) / (1 + r @ gain)
        u, v = u + 200.0 * fired, np.where(fired, -65.0, v)
    return {"spikes": spikes, "z": np.array(outputs), "weights": phi}


def test_the_engine_takes_the_published_step() -> None:
    network = small(NAME, 150, ("60 ms", "140 ms"))
    y = teacher(network, 0.2)[1]
    expected = published_step(network, 0.2, y)
    recording = arc.simulate(network, "200 ms", seed=3, targets={"z": y}, progress=False)
    spikes = recording.spikes("res")
    steps = np.rint(np.asarray(spikes["time"]) / network.dt).astype(int)
    found = list(zip(steps.tolist(), np.asarray(spikes["neuron"]).tolist(), strict=True))
    assert len(found) > 500
    assert sorted(found) == sorted(expected["spikes"])
    np.testing.assert_allclose(output(recording), expected["z"], rtol=1e-8, atol=1e-10)
    assert np.abs(output(recording)).max() > 0.5


@pytest.mark.parametrize(("name", "n"), [(NAME, 400), (VARIANTS[1], 400), (VARIANTS[2], 200)])
def test_a_second_is_enough_to_follow_the_teacher(name: str, n: int) -> None:
    network = small(name, n, ("300 ms", "1 s"))
    t, y = teacher(network, 1.0)
    z = output(arc.simulate(network, "1 s", seed=1, targets={"z": y}, progress=False))
    assert np.all(z[t < 0.3] == 0)
    assert np.sqrt(np.mean((z - y)[t > 0.8] ** 2)) < 0.2 * np.sqrt(np.mean(y[t > 0.8] ** 2))


def test_the_expected_figures_are_the_ones_measured() -> None:
    evaluate = load_reproduce(NAME).__globals__["evaluate"]
    t, y = teacher(arc.load_model(NAME), 15.0)
    slipping = np.sin(2 * np.pi * (5 * t - 0.03 * np.clip(t - 10, 0, None)))
    figures, beside = evaluate(t, slipping, y)
    assert set(figures) == {
        figure.name for figure in read_expected(arc.models.model_folder(NAME) / "expected.toml")
    }
    assert figures["frequency"] == pytest.approx(4.97, abs=1e-4)
    assert figures["test_rmse"] < 1e-3 < 0.3 < beside["plain RMSE"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", default_seeds(NAME))
def test_figures_of_the_izhikevich_preset(seed: int, tmp_path: Any) -> None:
    result = load_reproduce(NAME)((seed,), False, tmp_path, lambda done, total, label: None)
    assert result.holds, [(figure.name, figure.got) for figure in result.figures if not figure.holds]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", VARIANTS[1:])
def test_the_other_presets_go_on_alone(name: str) -> None:
    network = arc.load_model(name)
    t, y = teacher(network, 15.0)
    z = output(arc.simulate(network, "15 s", seed=1, targets={"z": y}, progress=False))
    alone = sine_fit(t[t > 10], z[t > 10])
    assert alone.frequency == pytest.approx(5.0, rel=0.05)
    assert alone.amplitude == pytest.approx(1.0, rel=0.2)
    assert np.sqrt(np.mean((z - y)[(t > 9) & (t <= 10)] ** 2)) < 0.05
    # LIF networks do not even slip at a constant rate, so the waveform is judged cycle by cycle
    cycles = zip(t[t > 10].reshape(25, -1), z[t > 10].reshape(25, -1), strict=True)
    left = [sine_fit(times, wave, frequency=5.0, amplitude=1.0).rmse for times, wave in cycles]
    assert np.sqrt(np.mean(np.square(left))) < 0.1
