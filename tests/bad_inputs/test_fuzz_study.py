"""Fuzz of designs, studies, descriptions and what a measure returns: taken or refused in our words.

The short form runs by default; the slow form draws other cases at every run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arcuate as arc
from arcuate.errors import ArcuateError
from arcuate.study import Design, Study, study_from_description
from arcuate.study._metrics import measured

CELLS = arc.Population(name="exc", n=5, neuron=arc.lif(tau_m="20 ms"), bias="0.5 nA")
LOOP = arc.Projection(
    pre="exc",
    post="exc",
    connectivity=arc.Sparse(0.5),
    weight="0.1 nA",
    synapse=arc.exponential(tau_syn="5 ms"),
)
NET = arc.Network(name="small", dt="0.1 ms", populations=[CELLS], projections=[LOOP])
MORE = "record populations.exc.neuron populations.exc.noise task populations name sources description"
PATHS = [*NET.paths(), "seed", *MORE.split()]
GRID = Design.grid({"populations.exc.n": [1, 2], "populations.exc.neuron.tau_m": ["1 ms", "2 ms"]})

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["20 ms", "0.02 s", "1 mV", "-3 nA", "1e400 s", "nan", "5", "5 apples", "exc", "lif"]),
    st.sampled_from([b"x", 3j, abs, object(), np.float32(2), np.int64(3), np.array(3.0), arc.lif()]),
    st.sampled_from([arc.Normal(0, 1), arc.Uniform("5 ms", "9 ms"), arc.spec.Values([1, 2], "ms")]),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4), inner, max_size=2)
        | st.sets(st.integers(), max_size=2)
    ),
    max_leaves=4,
)
names = st.sampled_from(PATHS) | st.text(max_size=6) | st.integers()
tables = st.dictionaries(names, values | st.lists(scalars, max_size=4), max_size=3)
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def answer(call: Callable[[], Any]) -> Any:
    """Return what a call gives, or None if it is refused in our words."""
    try:
        return call()
    except ArcuateError as error:
        assert len(str(error).splitlines()) <= 4
        return None


@st.composite
def mutated(draw: Any, tree: Any) -> Any:
    """Return a tree in which one node is left out or is another."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(tree)))
        if not draw(st.integers(0, 5)):
            return {name: item for name, item in tree.items() if name != key}
        return {**tree, key: draw(mutated(tree[key]))}
    if isinstance(tree, list) and tree and draw(st.integers(0, 5)):
        place = draw(st.integers(0, len(tree) - 1))
        return [draw(mutated(item)) if i == place else item for i, item in enumerate(tree)]
    return draw(trees)


def check_designs(table: Any, n: Any, seed: Any) -> None:
    """A design that is taken can be read, shown, written down and read back."""
    made = [answer(lambda: Design.grid(table)), answer(lambda: Design.points(table))]
    for make in (Design.random, Design.sobol, Design.latin_hypercube):
        made.append(answer(lambda make=make: make(table, n, seed=seed)))
    for design in made:
        if design is None or len(design) > 1000:
            continue
        description = json.loads(json.dumps(design.describe(), allow_nan=False))
        again = Design.from_description(description)
        assert [point.index for point in again] == list(range(len(design)))
        assert again.describe() == design.describe()
        assert again.names == tuple(table if isinstance(table, dict) else table[0])
        assert repr(design) == repr(again)
        assert design._repr_html_().startswith("<table>")
        answer(lambda design=design: design.repeat(n))


def check_study(table: dict[str, Any]) -> None:
    """A study that is taken has the keys of the networks that it builds."""
    study = answer(lambda: Study(NET, table, duration="10 ms"))
    if study is None:
        return
    for point in study.design:
        built = answer(lambda point=point: point.apply(NET).sha256)
        key = answer(lambda point=point: study.key(point))
        again = answer(lambda point=point: Study(NET, Design.points([point.values]), duration="10 ms"))
        assert built is None or key is not None
        assert again is None or key == again.key(again.design[0])
    keys = answer(study.keys)
    if keys is not None:
        described = json.loads(json.dumps(study.describe(), allow_nan=False))
        assert study_from_description(described).keys() == keys


def check_texts(constraint: Any, description: Any, design: Any) -> None:
    """A constraint or a description is taken or refused."""
    answer(lambda: GRID.where(constraint))
    answer(lambda: study_from_description(description))
    answer(lambda: Design.from_description(design))


def check_metrics(value: Any) -> None:
    """What is taken of a measure can be written down."""
    found = answer(lambda: measured(None, value, name="f"))
    assert found is None or json.dumps(found, allow_nan=False)


FEW = st.lists(scalars, min_size=1, max_size=3)
WORDS = st.text("ntau_mexc0123456789.+-*/()<>= &|,_[]'", max_size=20)
DESCRIPTION = json.loads(json.dumps(Study(NET, {"dt": ["0.1 ms"]}, duration="1 ms").describe()))
CHECKS: dict[str, tuple[Callable[..., None], list[Any]]] = {
    "designs": (check_designs, [tables | values, st.integers(0, 5) | values, st.integers(0, 3) | values]),
    "points": (
        check_designs,
        [
            st.lists(st.dictionaries(st.sampled_from("ab"), values, max_size=2), max_size=3),
            st.just(1),
            st.just(1),
        ],
    ),
    "studies": (
        check_study,
        [
            st.dictionaries(
                st.sampled_from(PATHS), st.lists(scalars, min_size=1, max_size=3), min_size=1, max_size=3
            )
        ],
    ),
    "texts": (check_texts, [WORDS | values, mutated(DESCRIPTION), mutated(GRID.describe())]),
    "metrics": (check_metrics, [values]),
}


CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a machine that is busy


@pytest.mark.parametrize("name", CHECKS)
def test_it_is_taken_or_refused(name: str) -> None:
    check, drawn = CHECKS[name]
    settings(CALM, max_examples=60, derandomize=True)(given(*drawn)(check))()


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_it_is_taken_or_refused_whatever_is_drawn(name: str) -> None:
    check, drawn = CHECKS[name]
    settings(CALM, max_examples=3000)(given(*drawn)(check))()
