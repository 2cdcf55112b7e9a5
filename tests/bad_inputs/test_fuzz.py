"""Fuzz of everything that reads a user's equations: read or refused in our words, at once, in little memory.

The short form runs by default; the slow form draws other cases at every run.
"""

from __future__ import annotations

import dataclasses
import re
import resource
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arcuate as arc
from arcuate.engines.build import build_plan
from arcuate.errors import ArcuateError
from arcuate.mechanisms.expressions import FUNCTIONS, parse, parse_program
from arcuate.mechanisms.neurons import MODELS
from arcuate.spec.own_neuron import RESERVED

UNITS = ["mV", "ms", "/ms", "pA", "nS", "nS/mV", "Mohm", "V", "1", "mV**2", "", "\u00b5A"]
TOKENS = [
    *FUNCTIONS, *sorted(RESERVED), "v", "w", "x", "tau", "v_r", "pi", "0", "1", "0.5", "1e3", "1e308",
    "1e-308", "16", "**", "*", "/", "+", "-", "(", ")", ",", "<", ">=", "==", "!=", "and", "or", "not", " ",
    "\n", "=", ":=", "[", "]", "{", "}", ".", "lambda", "for", "in", "if", "else", "__import__", "'", '"',
    "#", "\\", "@", "%", "~", "\u202e", "\x00", "yield", "await", "dv/dt", "dw/dt", "dt/dt", "d/dt", "0x",
    "1_", "ode_v", "next_v", "rate_v", "gain_0_0", "arc_exp", *UNITS,
]  # fmt: skip
WORDS = [*TOKENS[: len(FUNCTIONS)], "v", "w", "x", "tau", "v_r", "I", "dt", "0.0", "1.0", "2", "0.5", "1e300"]
PIECES = re.compile(r"\w+|\s|[^\w\s]+")

ODES: list[dict[str, Any]] = [
    {"equations": "tau*dv/dt = v_r - v + I", "reset": "v = v_r", "parameters": {"tau": "9 ms", "v_r": "0 V"},
     "initial": {"v": "0 mV"}, "input_unit": "V"},
    {"equations": "tau*dv/dt = v_r - v - w + exp(v) + I\ntau*dw/dt = tanh(v) - w",
     "reset": "v = 0\nw = w + 1", "parameters": {"tau": "9 ms", "v_r": 1.0}},
    {"equations": "dv/dt = v**2 + I - w  # fast\ndw/dt = 0.1*(v - w)", "reset": "v = v_r", "time_unit": "ms",
     "parameters": {"v_r": -1.0}},
]  # fmt: skip


@st.composite
def grown(draw: Any, depth: int = 4) -> str:
    """An expression of the grammar, or nearly one."""
    kind = draw(st.integers(0, 6 if depth == 4 else 5)) if depth else 0
    if kind <= 1:
        return str(draw(st.sampled_from(WORDS)))
    inner = [draw(grown(depth - 1)) for _ in range(3)]
    if kind <= 3:
        return f"({inner[0]} {draw(st.sampled_from(['+', '-', '*', '/', '**']))} {inner[1]})"
    if kind == 4:
        name = draw(st.sampled_from(sorted(FUNCTIONS)))
        return f"{name}({', '.join(inner[: FUNCTIONS[name]])})"
    if kind == 5:
        return f"where({inner[0]} > {inner[1]}, {inner[2]}, -{inner[0]})"
    return f"{inner[0]} {draw(st.sampled_from(['<', '>=', '==', 'and', 'or']))} {inner[1]}"


@st.composite
def mutated(draw: Any, texts: list[str]) -> str:
    """A valid text in which pieces are left out, doubled, exchanged, repeated often or replaced."""
    pieces = PIECES.findall(draw(st.sampled_from(texts)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(pieces)))
        if at < len(pieces) and pieces[at].isalnum() and draw(st.booleans()):
            pieces[at] = draw(st.sampled_from(WORDS) | st.just(f"({pieces[at]})"))
            continue
        old = pieces[at : at + draw(st.integers(0, 6))]
        new = draw(
            st.sampled_from([[], old * 2, old[::-1], old * 50, ["("] * 40])
            | st.lists(st.sampled_from(TOKENS), max_size=3)
            | grown().map(lambda text: [text])
        )
        pieces[at : at + len(old)] = new
    return "".join(pieces)


def text_like(*texts: str) -> st.SearchStrategy[str]:
    tokens = st.lists(st.sampled_from(TOKENS), max_size=40)
    noise = st.text(max_size=200) | tokens.map("".join) | tokens.map(" ".join)
    return st.integers(0, 5).flatmap(lambda k: noise if k == 0 else grown() if k == 1 else mutated([*texts]))


PROGRAMS = [text for model in MODELS.values() for text in (*model.updates.values(), model.reset)]
CONDITIONS = [model.threshold for model in MODELS.values()]


def compiles(source: str) -> None:
    compile(source or "pass", "<source>", "exec")


def expression(text: str, units: bool) -> None:
    found = parse(text, where="Neuron 'q'", units=units)
    for target in ("numba", "brian"):
        compiles(found.emit(target))
    found.evaluate(dict.fromkeys(found.names, 0.5), finite=False)


def program(text: str) -> None:
    found = parse_program(text, where="Neuron 'q'")
    for target in ("numba", "brian"):
        compiles(found.emit(target))
    found.evaluate(dict.fromkeys(found.reads, 0.5))


def planned(neuron: arc.Neuron) -> None:
    """What is accepted is written, read back, planned, and has source for both kinds of engine."""
    population = arc.Population(name="exc", n=2, neuron=neuron)
    network = arc.Network(name="fuzz", dt="0.1 ms", populations=[population])
    assert arc.Network.from_toml(network.to_toml()) == network
    build_plan(network, seed=1, duration="1 ms")
    model = neuron.mechanism
    for text in (*model.updates.values(), model.reset):
        program(text)


def own_model(name: str, field: str, text: str) -> None:
    model = MODELS[name]
    value: Any = text
    if field in ("updates", "constants"):
        old = getattr(model, field)
        value = {**old, next(iter(old), "k"): text}
    planned(arc.Neuron(model=dataclasses.replace(model, **{"name": "mine", field: value})))


def changed(name: str) -> st.SearchStrategy[tuple[str, str, str]]:
    """A model of the library, the field of it that is changed, and the new text."""
    model = MODELS[name]
    texts = {
        "updates": [*model.updates.values()], "reset": [model.reset], "threshold": [model.threshold],
        "constants": ["dt/tau", *model.constants.values()], "input_unit": [model.input_unit], "name": ["own"],
    }  # fmt: skip
    return st.sampled_from(sorted(texts)).flatmap(
        lambda field: st.tuples(st.just(name), st.just(field), text_like(*texts[field]))
    )


def own_ode(case: dict[str, Any], change: dict[str, Any]) -> None:
    planned(arc.neuron_from_ode(**{"threshold": "v >= v_r", **case, **change}))


QUANTITIES = (
    st.builds("{} {}".format, st.sampled_from([0, 1, -5, 1e308, "nan"]), st.sampled_from(UNITS)) | st.floats()
)
CHANGES = st.fixed_dictionaries(
    {"method": st.sampled_from(["euler", "heun", "exponential_euler", "exact"])},
    optional={
        "equations": text_like(*[case["equations"] for case in ODES]),
        "threshold": text_like("v >= v_r", "v > 1.0"),
        "reset": text_like("v = v_r", "v = 0\nw = w + 1"),
        "parameters": st.dictionaries(st.sampled_from(WORDS) | text_like("tau"), QUANTITIES, max_size=3),
        "initial": st.dictionaries(st.sampled_from(["v", "w", "x"]), QUANTITIES, max_size=3),
        "input_unit": st.sampled_from(UNITS) | st.text(max_size=5),
        "time_unit": st.sampled_from(["s", "ms", "h"]),
        "name": st.text(max_size=5),
    },
)
TARGETS: dict[str, tuple[Callable[..., None], st.SearchStrategy[Any]]] = {
    "expression": (expression, st.tuples(text_like(*CONDITIONS, "v_r + 40*mV - b/k"), st.booleans())),
    "program": (program, st.tuples(text_like(*PROGRAMS))),
    "model": (own_model, st.sampled_from(sorted(MODELS)).flatmap(changed)),
    "ode": (own_ode, st.tuples(st.sampled_from(ODES), CHANGES)),
}


def fuzz(target: str, options: settings) -> None:
    call, values_of = TARGETS[target]
    counted = {"read": 0, "refused": 0}

    @options
    @given(values_of)
    def case(values: tuple[Any, ...]) -> None:
        start = time.process_time()
        try:
            call(*values)
            counted["read"] += 1
        except ArcuateError as error:
            counted["refused"] += 1
            assert len(str(error).splitlines()) <= 4
            assert len(str(error)) < 1000
        assert time.process_time() - start < 2.0

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    case()
    print(target, counted)
    assert min(counted.values()) > 0, counted
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kB more than before"


@pytest.mark.parametrize("target", TARGETS)
def test_any_text_is_read_or_refused(target: str) -> None:
    fuzz(target, settings())


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS)
def test_any_text_is_read_or_refused_at_length(target: str) -> None:
    fuzz(target, settings(max_examples=20_000, derandomize=False, database=None))
