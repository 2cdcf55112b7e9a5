"""Synapses and filters against the matrix exponential, closed forms and published steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from arcuate.mechanisms.expressions import parse, parse_program
from arcuate.mechanisms.synapses import FILTERS, SYNAPSES
from arcuate.units import dimension

MS = 1e-3
TAUS = [
    (10.0, 5.0), (5.0, 10.0), (10.0, 10.0), (10.0, 10.0 + 1e-9), (10.0, 10.001), (2.0, 80.0), (1.0, 1.0),
]  # fmt: skip
TRIPLES = [
    (10.0, 2.0, 20.0), (10.0, 20.0, 2.0), (20.0, 2.0, 20.0), (2.0, 2.0, 20.0), (5.0, 5.0, 5.0),
    (5.0, 5.0, 5.0 + 1e-8), (5.0, 5.001, 4.999), (0.5, 2.0, 0.4), (10.0, 10.0, 0.2), (0.2, 100.0, 100.0),
]  # fmt: skip


def constants(texts: Mapping[str, str], **known: Any) -> dict[str, Any]:
    values = dict(known)
    for name, text in texts.items():
        values[name] = parse(text, where="test").evaluate(values)
    return values


def run(program: str, values: dict[str, Any], steps: int) -> dict[str, Any]:
    update = parse_program(program, where="test")
    for _ in range(steps):
        values = update.evaluate(values)
    return values


@pytest.mark.parametrize("dt", [0.1, 0.5, 1.0])
def test_exponential_decays_exactly(dt: float) -> None:
    model = SYNAPSES["exponential"]
    values = constants(model.constants["exact"], dt=dt * MS, tau_syn=7 * MS) | {"s": 2.0}
    steps = round(10 / dt)
    assert run(model.updates["exact"], values, steps)["s"] == pytest.approx(2 * np.exp(-10 / 7), rel=1e-13)


@pytest.mark.parametrize(("tau_m", "tau_syn"), TAUS)
@pytest.mark.parametrize("dt", [0.01, 0.1, 1.0])
def test_exact_membrane_step_with_an_exponential_current(tau_m: float, tau_syn: float, dt: float) -> None:
    model, resistance = SYNAPSES["exponential"], 40e6
    values = constants(
        {**model.constants["exact"], **model.leak_constants},
        dt=dt * MS, tau_syn=tau_syn * MS, leak_tau=tau_m * MS, leak_resistance=resistance,
    )  # fmt: skip
    values["s"] = 1e-9
    got = parse(model.leak_contribution, where="test").evaluate(values)
    system = np.array([[-1 / tau_m, 1 / tau_m], [0.0, -1 / tau_syn]])
    assert got == pytest.approx(resistance * 1e-9 * expm(system * dt)[0, 1], rel=1e-11)


@pytest.mark.parametrize("tau_m", [1.0, 20.0])
def test_exact_membrane_step_with_a_pulse_is_that_of_a_constant_current(tau_m: float) -> None:
    model, resistance = SYNAPSES["pulse"], 40e6
    values = constants(model.leak_constants, dt=0.5 * MS, leak_tau=tau_m * MS, leak_resistance=resistance)
    values["s"] = 1e-9
    got = parse(model.leak_contribution, where="test").evaluate(values)
    assert got == pytest.approx(resistance * 1e-9 * -np.expm1(-0.5 / tau_m), rel=1e-13)


@pytest.mark.parametrize(("tau_m", "tau_rise", "tau_decay"), TRIPLES)
@pytest.mark.parametrize("dt", [0.01, 0.1, 0.2])
def test_exact_membrane_step_with_a_double_exponential_current(
    tau_m: float, tau_rise: float, tau_decay: float, dt: float
) -> None:
    model, resistance = SYNAPSES["double_exponential"], 40e6
    values = constants(
        {**model.constants["exact"], **model.leak_constants},
        dt=dt * MS, tau_rise=tau_rise * MS, tau_decay=tau_decay * MS,
        leak_tau=tau_m * MS, leak_resistance=resistance,
    )  # fmt: skip
    system = np.array([[-1 / tau_m, 1 / tau_m, 0.0], [0.0, -1 / tau_rise, 1.0], [0.0, 0.0, -1 / tau_decay]])
    propagator = expm(system * dt)
    gain = parse(model.leak_contribution, where="test")
    from_s = gain.evaluate({**values, "s": 1.0, "h": 0.0})
    from_h = gain.evaluate({**values, "s": 0.0, "h": 1.0})
    assert from_s == pytest.approx(resistance * propagator[0, 1], rel=1e-11)
    assert from_h == pytest.approx(resistance * propagator[0, 2] * MS, rel=1e-11)
    assert values["kappa"] == pytest.approx(propagator[1, 2] * MS, rel=1e-12)


def test_constants_take_one_value_per_neuron() -> None:
    model = SYNAPSES["double_exponential"]
    taus = np.array([0.5, 2.0, 10.0, 20.0]) * MS
    shared = {"dt": 0.1 * MS, "tau_rise": 2 * MS, "tau_decay": 20 * MS, "leak_resistance": 1e6}
    texts = {**model.constants["exact"], **model.leak_constants}
    together = constants(texts, **shared, leak_tau=taus)["leak_gain_h"]
    alone = [constants(texts, **shared, leak_tau=tau)["leak_gain_h"] for tau in taus]
    assert together.tolist() == alone


@pytest.mark.parametrize("tau_m", [0.3, 2.0, 2.0 + 1e-9, 30.0])
@pytest.mark.parametrize("dt", [0.01, 0.1])
def test_exact_membrane_step_with_an_alpha_current(tau_m: float, dt: float) -> None:
    model, resistance = SYNAPSES["alpha"], 40e6
    values = constants(
        {**model.constants["exact"], **model.leak_constants},
        dt=dt * MS, tau_syn=2 * MS, leak_tau=tau_m * MS, leak_resistance=resistance,
    )  # fmt: skip
    system = np.array([[-1 / tau_m, 1 / tau_m, 0.0], [0.0, -0.5, 1.0], [0.0, 0.0, -0.5]])
    propagator, gain = expm(system * dt), parse(model.leak_contribution, where="test")
    assert gain.evaluate({**values, "s": 1.0, "h": 0.0}) == pytest.approx(
        resistance * propagator[0, 1], rel=1e-12
    )
    assert gain.evaluate({**values, "s": 0.0, "h": 1.0}) == pytest.approx(
        resistance * propagator[0, 2] * MS, rel=1e-12
    )


def waveform(name: str, dt: float, steps: int, **parameters: float) -> np.ndarray:
    """The conductance after each step that follows a spike of weight 1."""
    model = SYNAPSES[name]
    values = constants(model.constants["exact"], dt=dt, **parameters) | {"g": 0.0, "h": 0.0, "w": 1.0}
    variable, amount = model.on_spike
    values[variable] += parse(amount, where="test").evaluate(values)
    update, found = parse_program(model.updates["exact"], where="test"), []
    for _ in range(steps):
        values = update.evaluate(values)
        found.append(values["g"])
    return np.array(found)


def test_an_alpha_conductance_peaks_at_the_weight_and_follows_its_formula() -> None:
    t = 0.05 * MS * np.arange(1, 401)
    found = waveform("alpha_conductance", 0.05 * MS, 400, tau_syn=2 * MS)
    np.testing.assert_allclose(found, t / (2 * MS) * np.exp(1 - t / (2 * MS)), rtol=1e-12)
    assert found.max() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("taus", [(2.0, 20.0), (20.0, 2.0), (5.0, 5.0), (5.0, 5.0 + 1e-9), (3.0, 5.0)])
def test_a_double_exponential_conductance_peaks_at_the_weight(taus: tuple[float, float]) -> None:
    rise, decay = (tau * MS for tau in taus)
    found = waveform("double_exponential_conductance", 0.05 * MS, 800, tau_rise=rise, tau_decay=decay)
    assert found.max() == pytest.approx(1.0, rel=1e-3)  # the peak falls between two steps
    t = 0.05 * MS * np.arange(1, 801)
    if rise == decay:
        wanted = t / rise * np.exp(1 - t / rise)
    elif abs(rise - decay) > 1e-9:
        peak = rise * decay / (decay - rise) * np.log(decay / rise)
        wanted = (np.exp(-t / decay) - np.exp(-t / rise)) / (np.exp(-peak / decay) - np.exp(-peak / rise))
    else:
        wanted = waveform("alpha_conductance", 0.05 * MS, 800, tau_syn=rise)
    np.testing.assert_allclose(found, wanted, rtol=1e-8 if 0 < abs(rise - decay) < 1e-9 else 1e-11)


@pytest.mark.parametrize(("tau_rise", "tau_decay"), [(2.0, 20.0), (20.0, 2.0), (5.0, 5.0)])
def test_double_exponential_area_is_the_weight(tau_rise: float, tau_decay: float) -> None:
    model = SYNAPSES["double_exponential"]
    values = constants(
        model.constants["exact"], dt=0.05 * MS, tau_rise=tau_rise * MS, tau_decay=tau_decay * MS
    )
    variable, amount = model.on_spike
    values |= {"s": 0.0, "h": 0.0, "w": 3e-12}
    values[variable] += parse(amount, where="test").evaluate(values)
    update, area = parse_program(model.updates["exact"], where="test"), 0.0
    for _ in range(4_000):
        values = update.evaluate(values)
        area += 0.05 * MS * values["s"]
    assert area == pytest.approx(3e-12, rel=1e-3)


def test_semi_exact_step_is_that_of_the_published_code() -> None:
    model = SYNAPSES["double_exponential"]
    dt, tr, td = 0.04, 2.0, 20.0
    values = constants(model.constants["semi_exact"], dt=dt * MS, tau_rise=tr * MS, tau_decay=td * MS)
    values |= {"s": 0.0, "h": 0.0}
    ipsc, h = 0.0, 0.0
    for n in range(200):
        spike = 1.0 if n % 50 == 0 else 0.0
        ipsc = ipsc * np.exp(-dt / tr) + h * dt
        h = h * np.exp(-dt / td) + spike / (tr * td)
        values = parse_program(model.updates["semi_exact"], where="test").evaluate(values)
        values["h"] += spike * values["jump"]
        # per ms there, per s here
        assert values["s"] * MS == pytest.approx(ipsc, rel=1e-12)


def test_two_stage_filter_is_the_discrete_recursion() -> None:
    model = FILTERS["two_stage"]
    values = constants(model.constants["exact"], dt=0.5 * MS, tau=30 * MS) | {"rs": 0.0, "r": 0.0}
    e, rs, r = np.exp(-0.5 / 30), 0.0, 0.0
    for n in range(300):
        values = parse_program(model.updates["exact"], where="test").evaluate(values)
        rs *= e
        r = e * r + (1 - e) * rs
        if n % 37 == 0:
            values = parse_program(model.on_spike, where="test").evaluate(values)
            rs += 1
        assert values["r"] == pytest.approx(r, rel=1e-13)


@pytest.mark.parametrize(
    ("name", "method"), [(name, how) for name in FILTERS for how in FILTERS[name].updates]
)
def test_the_mean_of_a_filter_is_rate_times_area(name: str, method: str) -> None:
    model = FILTERS[name]
    dt, rate = 0.1 * MS, 50.0
    parameters = {key: float(parameter.default) for key, parameter in model.parameters.items()}  # type: ignore[arg-type]
    area = parameters.get("area", parameters.get("tau"))
    values = constants(model.constants[method], dt=dt, **parameters) | dict.fromkeys(model.variables, 0.0)
    update, spike = parse_program(model.updates[method], where="t"), parse_program(model.on_spike, where="t")
    total, counted = 0.0, 0
    for n in range(5_000):
        values = update.evaluate(values)
        if n % 200 == 0:
            values = spike.evaluate(values)
        if n >= 3_000:
            total, counted = total + values[model.output], counted + 1
    assert total / counted == pytest.approx(rate * area, rel=0.03)


@pytest.mark.parametrize(
    ("name", "input_unit"),
    [
        (name, unit)
        for name in SYNAPSES
        for unit in ("A", "1")
        if unit == "A" or not SYNAPSES[name].conductance
    ],
)
def test_synapses_are_consistent_in_their_units(name: str, input_unit: str) -> None:
    model = SYNAPSES[name]
    inputs, second = dimension(input_unit), dimension("s")
    kinds = {"input": inputs, "input/s": inputs / second, "input*s": inputs * second, "v": dimension("V")}
    kinds |= {"S": dimension("S"), "S/s": dimension("S") / second}
    units = {
        "v": dimension("V"),
        "dt": second,
        "leak_tau": second,
        "leak_resistance": dimension("V") / inputs,
        "w": kinds[model.weight_unit],
    }
    units |= {key: dimension(parameter.unit) for key, parameter in model.parameters.items()}
    units |= {key: kinds[variable.unit] for key, variable in model.variables.items()} | {
        "post.v": dimension("V")
    }
    for method, texts in model.constants.items():
        local = dict(units)
        for key, text in {**texts, **model.leak_constants}.items():
            local[key] = parse(text, where=name).dimension(local)
        if model.updates[method].strip():
            for target, value in parse_program(model.updates[method], where=name).statements:
                zero = value.text.strip() == "0.0"  # fits every unit
                assert zero or value.dimension(local) == local[target]
        variable, amount = model.on_spike
        assert parse(amount, where=name).dimension(local) == local[variable]
        if model.current:
            assert parse(model.current, where=name).dimension(local) == inputs
        if model.leak_contribution:
            assert parse(model.leak_contribution, where=name).dimension(local) == dimension("V")
        if model.conductance:
            assert parse(model.conductance, where=name).dimension(local) == dimension("S")
            assert parse(model.driven, where=name).dimension(local) == inputs


@pytest.mark.parametrize("table", [SYNAPSES, FILTERS])
def test_every_parameter_has_a_source_and_bounds(table: Mapping[str, Any]) -> None:
    for model in table.values():
        assert model.source and set(model.updates) == set(model.constants)
        for key, parameter in model.parameters.items():
            assert parameter.source and parameter.doc and parameter.low is not None, (model.name, key)
            assert set(model.time_constants) <= set(model.parameters)
