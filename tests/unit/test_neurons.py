"""Neuron models against closed forms, hand-written steps and published facts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from arcuate.mechanisms.expressions import parse, parse_program
from arcuate.mechanisms.neurons import MODELS, PRESETS, NeuronModel
from arcuate.spec import check_parameters, izh2003, izh2007, lif, theta
from arcuate.units import dimension


class Cell:
    """One neuron run by the step programs, in plain NumPy: S2 update, S3 spike, S5 reset."""

    def __init__(self, neuron: Any, dt: float, **initial: float) -> None:
        self.model: NeuronModel = neuron.mechanism
        self.values: dict[str, Any] = {"dt": dt, "dt_ms": dt * 1e3, "P": 0.0, "I": 0.0, "G": 0.0}
        self.values |= {name: float(value) for name, value in neuron.parameters.items()}
        for name, text in self.model.constants.items():
            self.values[name] = parse(text, where="test", units=True).evaluate(self.values)
        for name, variable in self.model.variables.items():
            self.values[name] = parse(variable.initial, where="test").evaluate(self.values)
        self.values |= initial
        self.update = parse_program(self.model.updates[neuron.method], where="test")
        self.reset = parse_program(self.model.reset, where="test")
        self.threshold = parse(self.model.threshold, where="test")

    def step(self, current: float = 0.0, kick: float = 0.0) -> bool:
        self.values = self.update.evaluate({**self.values, "I": current, "P": kick})
        fired = bool(self.threshold.evaluate(self.values))
        if fired:
            self.values = self.reset.evaluate(self.values)
        return fired

    def spikes(self, current: float, n: int) -> list[int]:
        return [step for step in range(n) if self.step(current)]

    @property
    def v(self) -> float:
        return float(self.values["v"])


@pytest.mark.parametrize("name", MODELS)
def test_programs_are_consistent_in_their_units(name: str) -> None:
    model = MODELS[name]
    second = "1" if model.input_unit == "1" and model.time_unit == 1e-3 else "s"
    units = {"dt": dimension("s"), "dt_ms": dimension("1"), "I": dimension(model.input_unit)}
    units |= {key: dimension(parameter.unit) for key, parameter in model.parameters.items()}
    assert second in ("1", "s")
    for key, text in model.constants.items():
        units[key] = parse(text, where=name, units=True).dimension(units)
    for key, variable in model.variables.items():
        initial = parse(variable.initial, where=name)
        if initial.names:
            assert initial.dimension(units) == dimension(variable.unit), key
        units[key] = dimension(variable.unit)
    units |= {"P": units["v"], "G": units["I"] / units["v"]}
    for text in (*model.updates.values(), model.reset):
        local = dict(units)
        for target, value in parse_program(text, where=name).statements:
            found = value.dimension(local)
            if target in units and value.names:
                assert found == units[target], (target, value.text)
            local[target] = found if value.names else local.get(target, found)
    assert parse(model.threshold, where=name).is_condition


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_has_unit_text_source_and_bounds(name: str) -> None:
    for key, parameter in MODELS[name].parameters.items():
        assert parameter.doc and parameter.source and dimension(parameter.unit) is not None, key
        assert parameter.low is not None and parameter.high is not None and parameter.low < parameter.high, (
            key
        )
        assert isinstance(parameter.default, float) and parameter.low <= parameter.default <= parameter.high


def test_izh2003_euler_takes_both_equations_from_old_values() -> None:
    cell = Cell(izh2003(), 0.5e-3, v=-60.0, u=-12.0)
    cell.step(7.0)
    assert cell.v == pytest.approx(-60 + 0.5 * (0.04 * 3600 - 300 + 140 + 12 + 7), abs=1e-12)
    assert cell.values["u"] == pytest.approx(-12 + 0.5 * 0.02 * (0.2 * -60 + 12), abs=1e-12)


def test_izh2003_legacy_order_takes_two_half_steps_and_the_new_v() -> None:
    cell = Cell(izh2003(method="legacy2003"), 1e-3, v=-60.0, u=-10.0)
    cell.step(3.0)
    v = -60.0
    for _ in range(2):
        v = v + 0.5 * (0.04 * v * v + 5 * v + 140 + 10 + 3)
    assert cell.v == pytest.approx(v, abs=1e-12)
    assert cell.values["u"] == pytest.approx(-10 + 0.02 * (0.2 * v + 10), abs=1e-12)


def test_izh2003_resting_point_is_a_root_of_its_equations() -> None:
    cell = Cell(izh2003(), 0.1e-3)
    assert cell.spikes(0.0, 8_000) == []
    assert cell.v == pytest.approx(-70.0, abs=1e-3)  # 0.04 v^2 + 4.8 v + 140 = 0
    assert cell.values["u"] == pytest.approx(-14.0, abs=1e-3)


def test_izh2003_presets_fire_as_they_are_named() -> None:
    counts, first = {}, {}
    for name in ("RS", "IB", "CH", "FS"):
        spikes = Cell(izh2003(preset=name), 0.25e-3).spikes(10.0, 2_000)
        counts[name], first[name] = len(spikes), np.diff(spikes)[:2] * 0.25
    assert counts["FS"] > 2 * counts["RS"]
    assert first["CH"].min() < 5.0 < first["RS"].min()  # chattering fires bursts
    assert first["IB"].min() < 10.0


@pytest.mark.parametrize("b", [-2e-9, 0.0, 1e-9])  # b < a*c_m, so that rest ends in a saddle-node
def test_izh2007_rheobase_is_the_saddle_node(b: float) -> None:
    k, gap = 2.5e-6, 40e-3
    neuron = izh2007(
        c_m="250 pF", k="2.5 nS/mV", v_r="-60 mV", v_t=f"{(-60e-3 + gap - b / k)!r} V", v_peak="30 mV",
        b=f"{b!r} S", c="-65 mV", d="200 pA", a="0.01 /ms",
    )  # fmt: skip
    rheobase = (k * gap) ** 2 / (4 * k)
    assert rheobase == pytest.approx(1000e-12)  # for every b, since v_t contains -b/k
    assert Cell(neuron, 0.04e-3).spikes(0.99 * rheobase, 15_000) == []
    assert len(Cell(neuron, 0.04e-3).spikes(1.05 * rheobase, 15_000)) > 1


def test_izh2007_step_by_hand() -> None:
    cell = Cell(izh2007(preset="RS"), 0.1e-3, v=-55e-3, u=1e-12)
    cell.step(100e-12)
    dv = (0.7e-6 * (5e-3) * (-15e-3) - 1e-12 + 100e-12) / 100e-12
    assert cell.v == pytest.approx(-55e-3 + 0.1e-3 * dv, rel=1e-13)
    assert cell.values["u"] == pytest.approx(1e-12 + 0.1e-3 * 30 * (-2e-9 * 5e-3 - 1e-12), rel=1e-12)


def test_lif_frequency_follows_the_closed_form() -> None:
    neuron = lif(tau_m="20 ms", resistance="10 Mohm", v_rest="0 mV", v_thresh="20 mV", v_reset="10 mV")
    dt, current = 0.01e-3, 3e-9
    spikes = Cell(neuron, dt, v=0.010).spikes(current, 30_000)
    period = 2e-3 + 20e-3 * math.log((30e-3 - 10e-3) / (30e-3 - 20e-3))
    assert np.diff(spikes) * dt == pytest.approx(period, abs=2 * dt)


@pytest.mark.parametrize("dt", [0.05e-3, 0.2e-3, 1e-3])
def test_lif_exact_has_no_error_of_the_step(dt: float) -> None:
    cell = Cell(lif(tau_m="10 ms", v_thresh="0 mV"), dt, v=-70e-3)
    steps = round(8e-3 / dt)
    cell.spikes(0.3e-9, steps)
    target = -65e-3 + 40e6 * 0.3e-9
    assert cell.v == pytest.approx(target + (-70e-3 - target) * math.exp(-0.8), rel=1e-12)


def test_lif_euler_converges_with_order_one() -> None:
    target = -65e-3 + 40e6 * 0.3e-9
    exact = target + (-70e-3 - target) * math.exp(-0.8)
    errors = []
    for halving in range(4):
        cell = Cell(lif(method="euler", v_thresh="0 mV"), 0.4e-3 / 2**halving, v=-70e-3)
        cell.spikes(0.3e-9, 20 * 2**halving)
        errors.append(abs(cell.v - exact))
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("method", ["exact", "euler"])
@pytest.mark.parametrize("steps", [0, 1, 2, 7])
def test_lif_is_free_again_when_the_refractory_steps_have_passed(method: str, steps: int) -> None:
    dt = 0.5e-3
    cell = Cell(lif(method=method, t_ref=f"{steps * dt!r} s"), dt)
    spikes = cell.spikes(1.0, 40)  # a current that fires a free neuron at once
    assert spikes[0] == 0
    assert set(np.diff(spikes)) == {max(steps, 1)}


def test_lif_holds_v_while_refractory() -> None:
    cell = Cell(lif(t_ref="1 ms"), 0.5e-3)
    assert cell.step(1.0)
    assert not cell.step(1.0)
    assert cell.v == -65e-3


def test_lif_rounds_the_refractory_time_to_steps() -> None:
    assert Cell(lif(t_ref="1.24 ms"), 0.5e-3).values["ref_steps"] == 2.0
    assert Cell(lif(t_ref="1.25 ms"), 0.5e-3).values["ref_steps"] == 3.0


@pytest.mark.parametrize("current", [4.0, 100.0, 2500.0])
def test_theta_fires_at_the_square_root_of_its_input(current: float) -> None:
    dt = 1e-3 / math.sqrt(current)
    spikes = Cell(theta(), dt).spikes(current, 4_000)
    rate = (len(spikes) - 1) / ((spikes[-1] - spikes[0]) * dt)
    assert rate == pytest.approx(math.sqrt(current), rel=0.01)


def test_theta_is_silent_below_zero() -> None:
    assert Cell(theta(), 1e-3).spikes(-0.1, 2_000) == []


def test_presets_are_within_bounds_and_named_after_their_model() -> None:
    for model, presets in PRESETS.items():
        for name, preset in presets.items():
            neuron = {"izh2003": izh2003, "izh2007": izh2007}[model](preset=name)
            assert preset.model == model and neuron.model == model and preset.source


def test_check_parameters_names_the_element_that_breaks_a_relation() -> None:
    values = {"v_reset": np.array([-65e-3, -40e-3]), "v_thresh": np.array([-50e-3, -50e-3])}
    with pytest.raises(ValueError, match=r"v_reset = .*-40 mV"):
        check_parameters(MODELS["lif"], values, where="Population 'exc'")
