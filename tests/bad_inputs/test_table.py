"""The table of bad inputs, row by row: what each one is answered with.

A row is refused (our error, with the words that its message must have) or defined (a call and its result).
Variants of the rows are in the other files of this folder.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import arcuate as arc
from arcuate.errors import (
    ArcuateError,
    CapabilityError,
    ExpressionError,
    FileFormatError,
    FitError,
    MemoryLimitError,
    NonFiniteError,
    SpecError,
    TaskError,
    UnitsError,
    UnknownNameError,
)
from arcuate.study.store import Row, Store
from arcuate.study.study import Study

NAN, INF = float("nan"), float("inf")
TIMES = np.random.default_rng(0).normal(size=(4, 10, 3))


@dataclass(frozen=True)
class Refused:
    """A call that must raise an error whose message has these words."""

    call: Callable[[], Any]
    error: type[ArcuateError]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Defined:
    """A call that is allowed, and what it gives."""

    call: Callable[[], Any]
    result: Any


def refused(call: Callable[[], Any], error: type[ArcuateError], *words: str) -> Refused:
    return Refused(call, error, words)


def cells(name: Any = "exc", n: Any = 10, **options: Any) -> arc.Population:
    return arc.Population(**{"name": name, "n": n, "neuron": arc.izh2003(), **options})


def link(connectivity: Any = None, **options: Any) -> arc.Projection:
    given = {"pre": "exc", "post": "exc", "connectivity": connectivity or arc.Dense(), "weight": 0.5}
    return arc.Projection(**{**given, **options})


def net(*projections: arc.Projection, **options: Any) -> arc.Network:
    given: dict[str, Any] = {"name": "net", "dt": "0.5 ms", "populations": [cells()]}
    return arc.Network(**{**given, "projections": projections, **options})


def two(*projections: arc.Projection, **options: Any) -> arc.Network:
    return net(*projections, populations=[cells(**options), cells("inh", 4)])


def driven(kind: str = "current") -> arc.Network:
    return net(inputs=[arc.Input(name="drive", target="exc", kind=kind)])


def learner(rule: Any, **options: Any) -> arc.Network:
    return net(readouts=[arc.Readout(name="z", source="exc", rule=rule, **options)])


def run(network: arc.Network, duration: Any = "10 ms", **options: Any) -> arc.Simulation:
    """Plan a run as `simulate` does; nothing is stepped."""
    return arc.Simulation(network, duration, **{"seed": 1, **options})


def seconds(sim: arc.Simulation) -> float:
    return round(sim.remaining, 9)


def spikes(values: Any) -> arc.Simulation:
    return run(driven("spikes"), "2 ms", inputs={"drive": np.asarray(values, dtype=float)})


def block(**changes: Any) -> dict[str, Any]:
    return {"n_trials": 4, "latency": "400 ms", "probabilities": [0.8, 0.2], **changes}


def task(**changes: Any) -> Any:
    return arc.tasks.build({"kind": "what_when", "blocks": [block(**changes)]})


def grid(values: Any) -> Study:
    return Study(net(), values, duration="10 ms")


def squares(**options: Any) -> Study:
    return Study(lambda x: {"square": x * x}, {"x": [1, 2]}, **options)


def measured(value: Any) -> dict[str, Any]:
    return Study(net(), {"seed": [1]}, lambda recording: value, duration="10 ms").metrics(None)


def store_first(study: Study, folder: str) -> None:
    """Make a store that holds the first point of a study."""
    with Store.open(folder, study.describe(), fingerprint=study.fingerprint) as store:
        store.commit([Row(key=study.keys()[0], index=0, values={"x": 1}, seed=0, metrics={"square": 1})])


def changed_measure() -> Any:
    def other(found: Any) -> dict[str, int]:
        return {"other": 1}

    with tempfile.TemporaryDirectory() as folder:
        study = squares(name="one")
        store_first(study, folder)
        return Study(study.spec, {"x": [1]}, other, name="one").run(folder, n_jobs=1)


def another_study() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        store_first(squares(name="first"), folder)
        return squares(name="second").run(folder, n_jobs=1)


def store_of_another_program() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "index.sqlite")
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.close()
        return squares().run(folder, n_jobs=1)


def changed_by_the_caller() -> list[float]:
    values = np.full(10, 0.1)
    population = cells(neuron=arc.izh2003(a=values))
    values[:] = 5.0
    return population.neuron.parameters["a"].array.tolist()


def changed_after_freezing() -> str:
    network = net()
    for change in (
        lambda: setattr(network, "dt", 1.0),
        lambda: setattr(network.populations["exc"], "n", 3),
        lambda: network.populations["exc"].neuron.parameters.update(a=1.0),
    ):
        with pytest.raises(AttributeError):
            change()
    return network.sha256


def stored(rule: Any, **options: Any) -> list[list[float]]:
    """Rows (pre, post, weight) of the synapses that an engine gets."""
    projection = run(net(link(rule, **options))).plan.projections["exc->exc"]
    pre, _ = projection.edges()
    return np.stack([pre, projection.index, projection.weight], axis=1).tolist()


def resumed(network: arc.Network, **facts: Any) -> arc.Simulation:
    """Resume a network from a checkpoint of `net()`, some facts of which were written over."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.npz")
        run(net()).checkpoint(path)
        with np.load(path) as archive:
            arrays = dict(archive)
        told = {**json.loads(bytes(arrays["facts"])), **facts}
        arrays["facts"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
        np.savez(path, **arrays)
        return arc.Simulation.resume(path, network)


def own(**changes: Any) -> arc.Neuron:
    """A neuron of a user, of whose arguments or parameters some are changed."""
    given: dict[str, Any] = {
        "equations": "tau*dv/dt = v_rest - v + I", "threshold": "v >= v_peak", "reset": "v = v_rest",
        "initial": {"v": "-65 mV"}, "input_unit": "V", "name": "mine",
    }  # fmt: skip
    parameters = {"tau": "9 ms", "v_rest": "-65 mV", "v_peak": "-50 mV"}
    for key, value in changes.items():
        (parameters if key in parameters else given)[key] = value
    return arc.neuron_from_ode(**{**given, "parameters": parameters})


def tables(*path: str, value: Any) -> arc.Neuron:
    """The same as tables, in which one entry is changed."""
    model = json.loads(net(populations=[cells(neuron=own())]).to_json())["populations"]["exc"]["neuron"][
        "model"
    ]
    inner = model
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value
    return arc.Neuron(model=model)


def notes(neuron: arc.Neuron) -> tuple[str, ...]:
    return net(populations=[cells(neuron=neuron)], dt="0.05 ms").notes


def changed_array_of_hh() -> list[float]:
    values = np.full(10, 2e-6)
    neuron = arc.hh(g_k=arc.spec.Values(values, "S"))
    values[:] = 5.0
    return neuron.parameters["g_k"].array.tolist()


def stepped(neuron: arc.Neuron, **options: Any) -> arc.Recording:
    return arc.simulate(net(populations=[cells(neuron=neuron, **options)], dt="0.1 ms"), "20 ms", seed=1)


def fires_at_every_step() -> float:
    """Spikes a step of 10 cells that are reset to their threshold."""
    with pytest.warns(arc.errors.ArcuateWarning, match="fires at 10000 Hz"):
        found = stepped(own(reset="v = v_peak"), bias="10 V").spikes("exc").sizes["spike"]
    return found / 200


HUGE = net(link(arc.Dense()), populations=[cells(n=1_000_000)])
RECORD_ALL = net(populations=[cells(n=1_000_000)], record=arc.Record(states={"exc": ["v"]}, every="0.5 ms"))
LEAST_SQUARES = net(readouts=[arc.Readout(name="out", source="exc", rule=arc.RLS(alpha=1.0))])

ROWS: dict[int, list[Refused | Defined]] = {
    # specifications and neurons
    1: [refused(lambda: cells(n=0), SpecError, "n = 0", ">= 1")],
    2: [refused(lambda: cells(n=-5), SpecError, "n = -5", ">= 1")],
    3: [refused(lambda: cells(n=2.5), SpecError, "n = 2.5", "integer")],
    4: [refused(lambda: cells(n=True), SpecError, "n = True", "integer")],
    5: [refused(lambda: cells(n=10**12), SpecError, "n = 1000000000000", "<= 2147483647")],
    6: [refused(lambda: cells(n="100"), SpecError, "n = '100'", "integer")],
    7: [refused(lambda: arc.lif(tau_m="0 ms"), SpecError, "tau_m = '0 ms'", "> 0 ms")],
    8: [refused(lambda: arc.lif(tau_m="-5 ms"), SpecError, "tau_m = '-5 ms'", "> 0 ms")],
    9: [refused(lambda: arc.lif(tau_m=20), UnitsError, "tau_m = 20", 'ou mean "20 ms"?')],
    10: [refused(lambda: arc.lif(tau_m="20 mV"), UnitsError, "tau_m = '20 mV'", "in s")],
    11: [refused(lambda: arc.lif(tau_m=NAN), SpecError, "tau_m = nan", "finite")],
    12: [refused(lambda: arc.lif(tau_m=INF), SpecError, "tau_m = inf", "finite")],
    13: [
        refused(lambda: arc.lif(v_reset="-50 mV"), SpecError, "v_reset", "-50 mV", "below v_thresh"),
        refused(lambda: arc.lif(v_reset="-40 mV"), SpecError, "v_reset", "-40 mV", "below v_thresh"),
    ],
    14: [refused(lambda: arc.lif(t_ref="-1 ms"), SpecError, "t_ref = '-1 ms'", ">= 0 ms")],
    15: [
        Defined(
            lambda: net(populations=[cells(neuron=arc.lif(t_ref="1.25 ms"))]).notes,
            ("Population 'exc': t_ref = 1.25 ms is rounded to 3 steps, 1.5 ms",),
        )
    ],
    16: [refused(lambda: cells(neuron=arc.izh2003(a=[0.1, 0.2])), SpecError, "a = ", "(2,)", "(10,)")],
    17: [
        refused(lambda: arc.izh2003(a=np.ones(10) * 1j), SpecError, "a = ", "complex"),
        refused(lambda: arc.izh2003(a=np.array([None] * 10)), SpecError, "a = ", "object"),
    ],
    18: [
        refused(lambda: arc.lif(tua_m="20 ms"), UnknownNameError, "'tua_m'", "'tau_m'"),
        refused(lambda: arc.Population(name="exc", nn=5), UnknownNameError, "'nn'", "'n'"),
        refused(lambda: net(populatoins=[]), UnknownNameError, "'populatoins'", "'populations'"),
    ],
    19: [refused(lambda: net(populations=[cells(), cells()]), SpecError, "'exc'", "different names")],
    20: [
        refused(lambda: cells(""), SpecError, "name = ''", "ASCII"),
        refused(lambda: cells("a/b"), SpecError, "name = 'a/b'", "ASCII"),
        refused(lambda: cells("a" * 300), SpecError, "name = 'aaa", "1 to 64"),
        refused(lambda: cells("\u0435xc"), SpecError, "name = ", "ASCII"),
    ],
    21: [Defined(changed_after_freezing, net().sha256)],
    22: [Defined(changed_by_the_caller, [0.1] * 10)],
    # connectivity
    23: [
        refused(lambda: arc.Sparse(1.2), SpecError, "p = 1.2", "<= 1"),
        refused(lambda: arc.Sparse(-0.1), SpecError, "p = -0.1", ">= 0"),
        refused(lambda: arc.Sparse(NAN), SpecError, "p = nan", "finite"),
    ],
    24: [Defined(lambda: run(net(link(delay="0 ms"))).plan.projections["exc->exc"].delays.tolist(), [0])],
    25: [refused(lambda: link(delay="-1 ms"), SpecError, "delay = -1 ms", ">= 0 s", '"0 ms"')],
    26: [refused(lambda: link(delay="1e6 s"), SpecError, "delay = 1e+06 s", "<= 60 s")],
    27: [refused(lambda: net(link(arc.Edges([0, 10], [1, 2]))), SpecError, "pre = 10", "< 10", "element 1")],
    28: [refused(lambda: arc.Edges([0, -1], [1, 2]), SpecError, "pre = -1", ">= 0", "element 1")],
    29: [
        Defined(
            lambda: stored(arc.Edges([0, 0], [1, 1]), weight=[0.5, 0.25]),
            [[0.0, 1.0, 0.5], [0.0, 1.0, 0.25]],
        )
    ],
    30: [
        refused(
            lambda: net(link(arc.Edges([0, 3], [1, 3], allow_self=False))),
            SpecError,
            "pre = 3",
            "element 1",
            "allow_self=True",
        )
    ],
    31: [refused(lambda: net(link(post="exx")), UnknownNameError, "'exx'", "'exc'")],
    32: [
        refused(
            lambda: two(link(post="inh", weight=np.ones((4, 10)))),
            SpecError,
            "(4, 10)",
            "(10, 4)",
            "weight.T",
        )
    ],
    33: [
        Defined(
            lambda: stored(arc.Edges([3, 0, 3], [2, 1, 1]), weight=[1.0, 2.0, 3.0]),
            [[0.0, 1.0, 2.0], [3.0, 1.0, 3.0], [3.0, 2.0, 1.0]],
        ),
        refused(lambda: link(weight=scipy.sparse.csr_array(np.eye(10))), SpecError, "weight", "must be"),
        refused(lambda: run(HUGE), MemoryLimitError, "memory = ", "GB", "projection exc->exc"),
    ],
    34: [
        refused(lambda: two(link(weight=0.1), sign="inhibitory"), SpecError, "weight = 0.1", "<= 0", "Dale"),
    ],
    35: [refused(lambda: net(link(arc.FixedInDegree(11))), SpecError, "k = 11", "<= 9", "Lower k")],
    36: [refused(lambda: link(weight=NAN), SpecError, "weight = nan", "finite")],
    37: [refused(lambda: link(spectral_radius=0.9), UnknownNameError, "'spectral_radius'", "balance")],
    # time and running
    38: [
        refused(lambda: run(net(), "0 s"), SpecError, "duration", "0 s", "> 0"),
        refused(lambda: run(net(), "-1 s"), SpecError, "duration", "-1 s", "> 0"),
        refused(lambda: run(net(), NAN), SpecError, "duration = nan"),
        refused(lambda: run(net(), INF), SpecError, "duration = inf"),
        refused(lambda: run(net(), "1 s s"), SpecError, "duration", "1 s s"),
        refused(lambda: run(net(), 1.0), UnitsError, "duration = 1.0", '"1'),
    ],
    39: [
        refused(lambda: net(dt="0 ms"), SpecError, "dt = '0 ms'", "> 0 ms"),
        refused(lambda: net(dt="-0.1 ms"), SpecError, "dt = '-100 us'", "> 0 ms"),
        refused(lambda: net(link(), dt="20 ms"), SpecError, "dt = 20 ms", "10 ms", "tau_syn"),
        refused(lambda: run(net(), "0.1 ms"), SpecError, "duration", "0.1 ms", "dt"),
    ],
    40: [refused(lambda: run(net(dt="1 ns"), "3 s"), SpecError, "3 s", "3e+09 steps", "2**31")],
    41: [Defined(lambda: seconds(run(net(), "0.75 ms")), 0.001)],
    42: [
        refused(lambda: run(net(), seed=-1), SpecError, "seed = -1", ">= 0"),
        refused(lambda: run(net(), seed=1.5), SpecError, "seed = 1.5", "integer"),
        refused(lambda: run(net(), seed="a"), SpecError, "seed = 'a'", "integer"),
        refused(lambda: run(net(), seed=2**200), SpecError, "seed = ", "2**128"),
        Defined(lambda: type(run(net(), seed=None).plan.seed), int),
    ],
    43: [
        refused(lambda: run(net(), threads=0), SpecError, "threads = 0", ">= 1"),
        refused(lambda: run(net(), threads=-3), SpecError, "threads = -3", ">= 1"),
        refused(lambda: run(net(), threads=10_000), SpecError, "threads = 10000", "<= "),
    ],
    44: [refused(lambda: run(net(), engine="nunba"), UnknownNameError, "'nunba'", "'numba'")],
    45: [
        refused(
            lambda: run(LEAST_SQUARES, engine="brian2"), CapabilityError, "brian2", "RLS", 'engine="numba"'
        )
    ],
    46: [
        refused(lambda: run(net(), record=arc.Record(states={"exc": ["w"]})), UnknownNameError, "'w'", "u, v")
    ],
    47: [
        refused(
            lambda: run(RECORD_ALL, "3600 s"),
            MemoryLimitError,
            "memory = ",
            "recorded states",
            "GB",
            "less often",
        )
    ],
    48: [
        Defined(lambda: seconds(resumed(net())), 0.01),
        refused(
            lambda: resumed(net(populations=[cells(n=11)])), FileFormatError, "network = 'net'", "differs"
        ),
        refused(lambda: resumed(net(dt="1 ms")), FileFormatError, "dt = '1 ms'", "0.0005 s"),
        refused(lambda: resumed(net(), version=99), FileFormatError, "version = 99", "<= "),
    ],
    49: [
        refused(
            lambda: run(driven(), "2 ms", inputs={"drive": np.zeros(3)}),
            SpecError,
            "3 rows",
            "4 steps",
            "pad",
        ),
        refused(
            lambda: run(driven(), "2 ms", inputs={"drive": [0, NAN, 0, 0]}), SpecError, "finite", "[1] is nan"
        ),
        refused(
            lambda: run(driven(), "2 ms", inputs={"drive": np.zeros((4, 2))}),
            SpecError,
            "(4, 2)",
            "n_steps, 1",
        ),
    ],
    50: [
        refused(lambda: spikes([0, -1, 0, 0]), SpecError, "drive", "-1"),
        refused(lambda: spikes([0, 2, 0, 0]), SpecError, "drive", "2", "different channels"),
        refused(lambda: spikes([0.25, 0, 0, 0]), SpecError, "drive", "0.25"),
    ],
    # texts of equations
    51: [refused(lambda: arc.lif(tau_m="__import__('os')"), ExpressionError, "tau_m", "'__import__'")],
    52: [refused(lambda: arc.lif(tau_m="v.real"), ExpressionError, "tau_m", "attribute")],
    53: [
        refused(lambda: arc.lif(tau_m="(lambda: 1)()"), ExpressionError, "tau_m", "lambda"),
        refused(lambda: arc.lif(tau_m="[x for x in y]"), ExpressionError, "tau_m", "list comp"),
        refused(lambda: arc.lif(tau_m="(x := 1)"), ExpressionError, "tau_m", "walrus"),
    ],
    54: [
        refused(lambda: arc.lif(tau_m="(" * 4_000 + "a" + ")" * 4_000), ExpressionError, "tau_m", "50 deep")
    ],
    55: [refused(lambda: arc.lif(tau_m="9**9**9**9"), ExpressionError, "tau_m", "exponent")],
    56: [refused(lambda: cells(neuron=arc.izh2003(c="15*roh")), UnknownNameError, "'roh'", "15*roh")],
    57: [refused(lambda: arc.lif(tau_m="open"), ExpressionError, "tau_m", "'open'", "Python")],
    58: [
        refused(
            lambda: cells(neuron=arc.lif(v_thresh="v_rest + tau_m")),
            UnitsError,
            "v_thresh",
            "combines V and s",
        )
    ],
    59: [
        refused(
            lambda: run(net(populations=[cells(neuron=arc.izh2003(a="0.02/rho"), latents={"rho": 0})])),
            SpecError,
            "a = inf",
            "finite",
        )
    ],
    60: [refused(lambda: arc.lif(tau_m="x+" * 500_000 + "x"), ExpressionError, "tau_m", "10000 characters")],
    61: [refused(lambda: arc.lif(tau_m="a\u202e + b"), ExpressionError, "tau_m", "U+202E")],
    # plasticity and tasks
    62: [
        refused(lambda: arc.Delta(learning_rate=-0.1), SpecError, "learning_rate = -0.1", ">= 0"),
        refused(lambda: arc.Delta(learning_rate=NAN), SpecError, "learning_rate = nan", "finite"),
    ],
    63: [refused(lambda: arc.TwoBank(trace_tau="0 ms"), SpecError, "trace_tau = '0 ms'", "> 0 ms")],
    64: [
        refused(
            lambda: arc.Delta(learning_rate=0.1, w_min=1, w_max=-1), SpecError, "w_min = 1.0", "<= w_max (-1)"
        )
    ],
    65: [
        refused(
            lambda: learner(arc.Delta(learning_rate=0.1, w_max=1), initial_weight=2),
            SpecError,
            "initial_weight = 2.0",
            "<= w_max (1)",
        )
    ],
    66: [
        refused(
            lambda: run(
                learner(arc.Delta(learning_rate=0.1)), "20 ms", targets={"z": [0, 0]}, gates={"z": [1, 1, 1]}
            ),
            SpecError,
            "gate",
            "(2,)",
            "(3,)",
        )
    ],
    67: [refused(lambda: learner(arc.TwoBank()), SpecError, "rule = 'TwoBank'", "task", "what_when")],
    68: [
        refused(lambda: task(probabilities=[0.8, 0.4]), TaskError, "probabilities", "1.2"),
        refused(lambda: task(probabilities=[-0.2, 1.2]), SpecError, "probabilities", "-0.2"),
    ],
    69: [
        refused(lambda: task(latency="1300 ms"), TaskError, "latency", "1.3 s", "1.2 s"),
        refused(
            lambda: task(cues=[["A", "0 ms"], ["B", "30 ms"]]), TaskError, "cues['B'].onset", "30 ms", "50 ms"
        ),
    ],
    70: [refused(lambda: task(n_trials=0), SpecError, "n_trials = 0", ">= 1")],
    71: [
        refused(lambda: arc.readout.Ridge().fit(TIMES[:0], TIMES[:0, :, 0]), FitError, "X", "none of them 0"),
        refused(
            lambda: arc.readout.TwoBankPredictor().fit(TIMES, TIMES[:, :, 0], outcome=[0, 0, 0, 0]),
            ArcuateError,
            "outcome",
            "n_outcomes",
        ),
    ],
    72: [
        refused(lambda: arc.RLS(alpha=0), SpecError, "alpha = 0", "> 0"),
        refused(
            lambda: arc.readout.RLS(alpha=0).fit(TIMES, TIMES[:, :, 0]), ArcuateError, "alpha = 0", "> 0"
        ),
    ],
    # studies
    111: [
        refused(lambda: grid({}), SpecError, "values = {}", "at least one field"),
        refused(lambda: grid({"seed": []}), SpecError, "seed", "at least one value"),
    ],
    112: [refused(lambda: grid({"seed": range(10**9)}), SpecError, "1000000000", "allow_large=True")],
    113: [refused(lambda: grid({"populations.exc.m": [1]}), UnknownNameError, "exc.m'", "populations.exc.n")],
    114: [refused(lambda: grid({"dt": ["0.1 ms", "100 us"]}), SpecError, "'100 us'", "once", "seed")],
    115: [
        refused(lambda: grid({"populations.exc.n": [[1]]}), SpecError, "[1]", "content", "tuple"),
        refused(lambda: grid({"populations.exc.n": [abs]}), SpecError, "abs", "content"),
    ],
    116: [
        Defined(lambda: measured({"a": NAN, "b": None, "c": "text"}), {"a": None, "b": None, "c": "text"}),
        refused(
            lambda: measured(np.zeros(3)), SpecError, "ndarray of shape (3,)", "must be a number", "Return"
        ),
        refused(lambda: measured({"a": [1, 2]}), SpecError, "a = [1, 2]", "must be a number", "Return"),
    ],
    117: [refused(changed_measure, SpecError, "measure 'other'", "changed", "recompute", "another folder")],
    118: [
        refused(another_study, SpecError, "'first'", "'second'"),
        refused(store_of_another_program, FileFormatError, "index.sqlite"),
    ],
    119: [
        refused(lambda: squares().run("never", n_jobs=0), SpecError, "n_jobs = 0", ">= 1"),
        refused(
            lambda: squares().run("never", n_jobs=-1), SpecError, "n_jobs = -1", ">= 1", "all processors"
        ),
    ],
    120: [
        refused(lambda: squares().run("never", time_limit="0 s"), SpecError, "time_limit = '0 s'", "> 0"),
        refused(lambda: squares().run("never", time_limit=0), UnitsError, "time_limit = 0", "unit"),
    ],
}

NEURONS: dict[int, list[Refused | Defined]] = {
    7: [
        refused(lambda: arc.alif(tau_m="0 ms"), SpecError, "tau_m = '0 ms'", "> 0 ms"),
        refused(lambda: arc.adex(tau_w="0 ms"), SpecError, "tau_w = '0 ms'", "> 0 ms"),
        refused(lambda: arc.qif(tau="0 ms"), SpecError, "tau = '0 ms'", "> 0 ms"),
        refused(lambda: arc.hh(c_m="0 pF"), SpecError, "c_m = '0 pF'", "> 0 pF"),
        refused(lambda: own(tau="0 ms"), SpecError, "tau = '0 ms'", "> 0 ms"),
    ],
    8: [
        refused(lambda: arc.alif(tau_a="-5 ms"), SpecError, "tau_a = '-5 ms'", "> 0 ms"),
        refused(lambda: arc.adex(tau_w="-5 ms"), SpecError, "tau_w = '-5 ms'", "> 0 ms"),
        refused(lambda: arc.qif(tau="-5 ms"), SpecError, "tau = '-5 ms'", "> 0 ms"),
        refused(lambda: arc.hh(g_leak="-1 nS"), SpecError, "g_leak = '-1 nS'", "> 0 nS"),
        refused(lambda: own(tau="-5 ms"), SpecError, "tau = '-5 ms'", "> 0 ms"),
    ],
    9: [
        refused(lambda: arc.alif(tau_m=20), UnitsError, "tau_m = 20", '"20 ms"?'),
        refused(lambda: arc.adex(tau_w=144), UnitsError, "tau_w = 144", '"144 ms"?'),
        refused(lambda: arc.qif(tau=10), UnitsError, "tau = 10", '"10 ms"?'),
        refused(lambda: arc.hh(c_m=200), UnitsError, "c_m = 200", '"200 pF"?'),
        refused(lambda: own(tau=9), UnitsError, "dv/dt", "V per s is needed"),
    ],
    10: [
        refused(lambda: arc.alif(tau_m="20 mV"), UnitsError, "tau_m = '20 mV'", "in s"),
        refused(lambda: arc.adex(a="4 pA"), UnitsError, "a = '4 pA'", "in S"),
        refused(lambda: arc.qif(v_peak="20 mV"), UnitsError, "v_peak = '20 mV'"),
        refused(lambda: arc.hh(v_t="-63 ms"), UnitsError, "v_t = '-63 ms'", "in V"),
        refused(lambda: own(tau="9 mV"), UnitsError, "dv/dt", "V per s is needed"),
    ],
    11: [
        refused(lambda: arc.alif(beta=NAN), SpecError, "beta = nan", "finite"),
        refused(lambda: arc.adex(b=NAN), SpecError, "b = nan", "finite"),
        refused(lambda: arc.qif(v_peak=NAN), SpecError, "v_peak = nan", "finite"),
        refused(lambda: arc.hh(g_na=NAN), SpecError, "g_na = nan", "finite"),
        refused(lambda: own(v_rest=NAN), SpecError, "v_rest = nan", "finite"),
    ],
    12: [
        refused(lambda: arc.alif(beta=INF), SpecError, "beta = inf", "finite"),
        refused(lambda: arc.adex(b=INF), SpecError, "b = inf", "finite"),
        refused(lambda: arc.qif(v_peak=INF), SpecError, "v_peak = inf", "finite"),
        refused(lambda: arc.hh(g_na=INF), SpecError, "g_na = inf", "finite"),
        refused(lambda: own(v_rest=INF), SpecError, "v_rest = inf", "finite"),
    ],
    13: [
        refused(lambda: arc.adex(v_reset="20 mV"), SpecError, "v_reset = '20 mV'", "below v_peak"),
        refused(lambda: arc.qif(v_reset=200.0), SpecError, "v_reset = 200.0", "below v_peak"),
        # no order is known of the names of a user: a cell above its threshold fires at every step
        Defined(fires_at_every_step, 10),
    ],
    14: [
        refused(lambda: arc.alif(t_ref="-1 ms"), SpecError, "t_ref = '-1 ms'", ">= 0 ms"),
        refused(lambda: arc.hh(t_ref="-1 ms"), SpecError, "t_ref = '-1 ms'", ">= 0 ms"),
    ],
    15: [
        Defined(
            partial(notes, make(t_ref="1.26 ms")),
            ("Population 'exc': t_ref = 1.26 ms is rounded to 25 steps, 1.25 ms",),
        )
        for make in (arc.alif, arc.hh)
    ],
    16: [
        refused(lambda: cells(neuron=arc.alif(beta=[0.1, 0.2])), SpecError, "beta = ", "(2,)", "(10,)"),
        refused(lambda: cells(neuron=arc.qif(v_peak=[10.0, 20.0])), SpecError, "v_peak = ", "(2,)", "(10,)"),
        refused(lambda: cells(neuron=arc.adex(b=arc.spec.Values([1.0], "pA"))), SpecError, "b = ", "(10,)"),
        refused(lambda: cells(neuron=arc.hh(g_k=arc.spec.Values([1.0], "uS"))), SpecError, "g_k = ", "(10,)"),
        refused(lambda: own(v_rest=[0.1, 0.2]), SpecError, "v_rest = [0.1, 0.2]", "a number"),
    ],
    17: [
        *(
            refused(partial(make, **{key: np.ones(10) * 1j}), SpecError, key, "complex")
            for make, key in (
                (arc.alif, "beta"), (arc.adex, "b"), (arc.qif, "tau"), (arc.hh, "g_k"), (own, "tau")
            )
        ),
        refused(lambda: own(tau=np.array([None] * 10)), SpecError, "tau = ", "object"),
    ],
    18: [
        *(
            refused(partial(make, **{wrong: 1.0}), UnknownNameError, repr(wrong), repr(near))
            for make, wrong, near in (
                (arc.alif, "betta", "beta"), (arc.adex, "tau_v", "tau_w"), (arc.qif, "v_peek", "v_peak"),
                (arc.hh, "g_kk", "g_k"),
            )
        ),
        refused(lambda: tables("parameters", "tua", value=1.0), SpecError, "parameters.tua", "Parameter"),
        refused(
            lambda: arc.Neuron(model=own().model, parameters={"tua": 1.0}), UnknownNameError, "'tua'", "'tau'"
        ),
        refused(lambda: tables("parameters", "tau", "hihg", value=1.0), UnknownNameError, "'hihg'", "'high'"),
        refused(lambda: tables("parameters", "tau", "unit", value=3), SpecError, "unit = 3", "text"),
        refused(lambda: tables("parameters", "tau", "high", value="9"), SpecError, "high = '9'", "number"),
        refused(lambda: tables("time_constants", value=1), SpecError, "time_constants = 1", "list of names"),
        refused(lambda: tables("max_dt", value="1 ms"), SpecError, "max_dt = '1 ms'", "number"),
    ],
    22: [Defined(changed_array_of_hh, [2e-6] * 10)],
    39: [
        refused(partial(net, populations=[cells(neuron=cell)]), SpecError, "dt = 500 us", "100 us", word)
        for cell, word in ((own(tau="0.1 ms"), "the tau"), (arc.hh(), "'hh'"))
    ],
    51: [refused(lambda: own(reset="v = __import__('os')"), ExpressionError, "reset", "'__import__'")],
    52: [refused(lambda: own(threshold="v.real > 0"), ExpressionError, "threshold", "attribute")],
    53: [
        refused(lambda: own(reset="v = (lambda: 1)()"), ExpressionError, "reset", "lambda"),
        refused(lambda: own(threshold="(x := 1) > 0"), ExpressionError, "threshold", "walrus"),
    ],
    54: [refused(lambda: own(threshold="(" * 4_000 + "v"), ExpressionError, "threshold", "50 deep")],
    55: [refused(lambda: own(reset="v = 9**9**9**9"), ExpressionError, "reset", "exponent")],
    56: [refused(lambda: own(threshold="v >= v_peek"), UnknownNameError, "'v_peek'", "'v_peak'")],
    57: [refused(lambda: own(reset="open = 1.0"), ExpressionError, "name = 'open'", "Python")],
    58: [refused(lambda: own(reset="v = v_rest + tau"), UnitsError, "combines V and s")],
    59: [
        refused(lambda: arc.alif(beta="1/0"), SpecError, "beta = inf", "finite"),
        refused(lambda: stepped(own(equations="tau*dv/dt = v_rest*v_rest/(v - v_rest) + I")), NonFiniteError,
                "'exc', neuron 0, step 0", "v = inf", "finite"),
        refused(lambda: stepped(own(reset="v = v_rest*v_rest/(v_rest - v_rest)"), bias="1 V"), NonFiniteError,
                "'exc', neuron 0", "v = inf", "finite"),
    ],
    60: [refused(lambda: own(reset="v = v" + "+v" * 500_000), ExpressionError, "reset", "10000 characters")],
    61: [refused(lambda: own(threshold="v\u202e >= v_peak"), ExpressionError, "threshold", "U+202E")],
}  # fmt: skip
"""The same rows for the neurons alif, adex, qif and hh, and for those of a user."""

for row, count in {1: 0, 2: -5, 3: 2.5, 4: True, 5: 10**12, 6: "100"}.items():
    ROWS[row] += [
        refused(partial(cells, n=count, neuron=make()), SpecError, f"n = {count!r}")
        for make in (arc.alif, arc.adex, arc.qif, arc.hh, own)
    ]
for row, cases in NEURONS.items():
    ROWS[row] += cases

CASES = [(row, case) for row, cases in ROWS.items() for case in cases]


def test_no_row_is_missing() -> None:
    assert sorted(ROWS) == [*range(1, 73), *range(111, 121)]
    assert [row for row, cases in ROWS.items() if not cases] == []


@pytest.mark.parametrize(("row", "case"), CASES, ids=[str(row) for row, _ in CASES])
def test_row(row: int, case: Refused | Defined) -> None:
    if isinstance(case, Defined):
        assert case.call() == case.result
        return
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(case.error) as caught:
            case.call()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert time.process_time() - start < 2.0
    assert peak < 50e6, "something was allocated first"
    assert [word for word in case.words if word not in message] == [], message
    assert len(message.splitlines()) <= 4
    assert len(message) < 1000
    assert caught.value.bound
