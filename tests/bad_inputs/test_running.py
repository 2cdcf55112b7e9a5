"""Rows 23 to 50 of the table of bad inputs as far as only a plan or a run can know them.

Each case says what is run, the class of the error, the name that it must carry, and what the message must
say besides. Nothing may be allocated for it, no kernel compiled, no file touched, and it may not take long.
"""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.engines import numba_engine
from arcuate.errors import (
    ArcuateError,
    CapabilityError,
    EngineError,
    FileFormatError,
    MemoryLimitError,
    SpecError,
    UnitsError,
    UnknownNameError,
)

NAN, INF = float("nan"), float("inf")
Case = tuple[Callable[[], Any], type[ArcuateError], str, tuple[str, ...]]


def net(n: int = 10, **options: Any) -> arc.Network:
    cells = [arc.Population(name="exc", n=n, neuron=arc.izh2003(), bias=10.0)]
    return arc.Network(**{"name": "net", "dt": "0.5 ms", "populations": cells, **options})


def cells(**options: Any) -> arc.Network:
    given = {"name": "exc", "n": 200, "neuron": arc.izh2003(), **options}
    return net(populations=[arc.Population(**given)])


def link(*, sign: str | None = None, **options: Any) -> arc.Network:
    given = {"pre": "exc", "post": "exc", "connectivity": arc.Dense(), "weight": 0.1, **options}
    return net(
        populations=[arc.Population(name="exc", n=10, neuron=arc.izh2003(), sign=sign)],
        projections=[arc.Projection(**given)],
    )


def driven(kind: str = "current") -> arc.Network:
    return net(inputs=[arc.Input(name="drive", target="exc", n_channels=2, kind=kind, weight=1.0)])


def read(**options: Any) -> arc.Network:
    return net(readouts=[arc.Readout(**{"name": "out", "source": "exc", **options})])


def run(network: Any, duration: Any = "100 ms", **options: Any) -> Any:
    return arc.simulate(network, duration, **{"seed": 1, **options})


def drive(values: Any, kind: str = "current") -> Callable[[], Any]:
    return lambda: run(driven(kind), inputs={"drive": values})


def with_value(value: float) -> np.ndarray:
    values = np.zeros((200, 2))
    values[5, 1] = value
    return values


XI = {"xi": arc.Normal(0, 1)}
TAUGHT = {"rule": arc.Delta(learning_rate=0.1)}
LARGE = net(10**6, record=arc.Record(states={"exc": ["v"]}, every="0.5 ms"))
RANDOM = arc.LowRank(1, arc.Normal(0, 1), arc.Normal(0, 1))

CONNECTIONS: dict[str, Case] = {
    "25 drawn below 0": (
        lambda: run(link(delay=arc.Normal("0 ms", "1 ms"))),
        SpecError,
        "delay",
        ("-0.00", ">= 0 s", "Uniform"),
    ),
    "26 drawn far too long": (
        lambda: run(link(delay=arc.Exponential("1e6 s"))),
        SpecError,
        "delay",
        ("<= 60 s", "Uniform"),
    ),
    "34 drawn weight of the wrong sign": (
        lambda: run(link(weight="xi", latents=XI, sign="excitatory")),
        SpecError,
        "weight",
        ("-0.", ">= 0", "Dale", "abs("),
    ),
    "34 inhibitory": (
        lambda: run(link(weight="xi", latents=XI, sign="inhibitory")),
        SpecError,
        "weight",
        ("<= 0", "Dale"),
    ),
    "36 nan in an expression": (
        lambda: run(link(weight="log(xi)", latents=XI)),
        SpecError,
        "weight",
        ("nan", "finite", "element 0", "log(xi)"),
    ),
    "59 division by 0": (
        lambda: run(link(weight="1/(n_pre - 10)")),
        SpecError,
        "weight",
        ("inf", "finite", "division by 0"),
    ),
    "59 division by 0, low rank": (
        lambda: run(link(weight="1/(n_pre - 10)", connectivity=RANDOM)),
        SpecError,
        "weight",
        ("inf", "finite", "division by 0"),
    ),
    "drawn parameter out of bounds": (
        lambda: run(cells(neuron=arc.lif(tau_m=arc.Normal("1 ms", "5 ms")))),
        SpecError,
        "tau_m",
        ("ms", "> 0 ms", "element"),
    ),
    "drawn reset above the threshold": (
        lambda: run(cells(neuron=arc.lif(v_reset=arc.Normal("-60 mV", "10 mV")))),
        SpecError,
        "v_reset",
        ("below v_thresh",),
    ),
    "drawn noise below 0": (
        lambda: run(cells(noise=arc.Noise(sigma=arc.Normal(0, 1)))),
        SpecError,
        "noise.sigma",
        ("-", ">= 0"),
    ),
}

TIMES: dict[str, Case] = {
    "38 duration 0": (lambda: run(net(), "0 s"), SpecError, "duration", ("'0 s'", "> 0")),
    "38 bare 0": (lambda: run(net(), 0), UnitsError, "duration", ("0", "unit", '"0 ms"')),
    "38 bare 1": (lambda: run(net(), 1), UnitsError, "duration", ("1", '"1 ms"')),
    "38 -1 s": (lambda: run(net(), "-1 s"), SpecError, "duration", ("'-1 s'", "> 0")),
    "38 nan": (lambda: run(net(), NAN), SpecError, "duration", ("nan", "finite")),
    "38 inf": (lambda: run(net(), INF), SpecError, "duration", ("inf", "finite")),
    "38 1 s s": (lambda: run(net(), "1 s s"), UnitsError, "duration", ("'1 s s'", "20 ms")),
    "38 1 mV": (lambda: run(net(), "1 mV"), UnitsError, "duration", ("'1 mV'", "in s")),
    "38 list": (lambda: run(net(), [1]), SpecError, "duration", ("[1]", "real")),
    "38 none": (lambda: run(net(), None), SpecError, "duration", ("None", "no task", '"1 s"')),
    "39 dt > duration": (
        lambda: run(net(), "0.2 ms"),
        SpecError,
        "duration",
        ("0.2 ms", "0.0005", "lower dt"),
    ),
    "39 dt 0": (lambda: net(dt="0 ms"), SpecError, "dt", ("'0 ms'", "> 0")),
    "39 dt negative": (lambda: net(dt="-0.1 ms"), SpecError, "dt", ("-100 us", "> 0")),
    "40 steps": (
        lambda: run(net(dt="1e-9 ms"), "10 s"),
        SpecError,
        "duration",
        ("1e+13 steps", "2**31", "dt"),
    ),
    "40 denormal dt": (lambda: run(net(dt="1e-320 s")), SpecError, "duration", ("inf steps", "2**31")),
    "42 seed -1": (lambda: run(net(), seed=-1), SpecError, "seed", ("-1", ">= 0", "seed=1")),
    "42 seed 1.5": (lambda: run(net(), seed=1.5), SpecError, "seed", ("1.5", "integer")),
    "42 seed 'a'": (lambda: run(net(), seed="a"), SpecError, "seed", ("'a'", "integer")),
    "42 seed 2**200": (lambda: run(net(), seed=2**200), SpecError, "seed", ("1606938", "2**128")),
    "42 seed True": (lambda: run(net(), seed=True), SpecError, "seed", ("True", "integer")),
    "43 threads 0": (lambda: run(net(), threads=0), SpecError, "threads", ("0", ">= 1")),
    "43 threads -3": (lambda: run(net(), threads=-3), SpecError, "threads", ("-3", ">= 1")),
    "43 threads 10000": (lambda: run(net(), threads=10_000), SpecError, "threads", ("10000", "<= 1024")),
    "43 threads 1.5": (lambda: run(net(), threads=1.5), SpecError, "threads", ("1.5", "integer")),
    "44 engine": (lambda: run(net(), engine="numbra"), UnknownNameError, "numbra", ("'numba'",)),
    "44 engine None": (lambda: run(net(), engine=None), UnknownNameError, "None", ("brian2", "numba")),
    "45 rule": (
        lambda: run(read(rule=arc.RLS(alpha=1.0)), engine="brian2"),
        CapabilityError,
        "network",
        ("RLS", "'out'", 'engine="numba"'),
    ),
    "46 variable": (
        lambda: run(net(), record=arc.Record(states={"exc": ["w"]})),
        UnknownNameError,
        "w",
        ("states.exc", "u, v"),
    ),
    "46 population": (
        lambda: run(net(), record=arc.Record(spikes=["inh"])),
        UnknownNameError,
        "inh",
        ("exc",),
    ),
    "46 no record": (lambda: run(net(), record="all"), SpecError, "record", ("'all'", "Record")),
    "47 an hour of 1e6 neurons": (
        lambda: run(LARGE, "3600 s"),
        MemoryLimitError,
        "memory",
        ("GB", "recorded states", "Record less"),
    ),
    "47 limit": (lambda: run(net(), memory_limit=1), MemoryLimitError, "memory", ("GB", "memory_limit")),
    "47 limit -1": (lambda: run(net(), memory_limit=-1), SpecError, "memory_limit", ("-1", ">= 1")),
    "47 limit as text": (
        lambda: run(net(), memory_limit="1 GB"),
        SpecError,
        "memory_limit",
        ("'1 GB'", "integer"),
    ),
    "network": (lambda: run({"name": "net"}), SpecError, "network", ("Network", "load_model")),
    "progress": (lambda: run(net(), progress=3), SpecError, "progress", ("3", "function")),
}

ARRAYS: dict[str, Case] = {
    "49 short": (drive(np.zeros((199, 2))), SpecError, "values", ("199", "200 steps", "pad with zeros")),
    "49 wrong sampling": (
        drive(np.zeros((1000, 2))),
        SpecError,
        "values",
        ("1000", "200 steps", "once a step"),
    ),
    "49 nan": (drive(with_value(NAN)), SpecError, "values", ("finite", "[5, 1] is nan")),
    "49 inf": (drive(with_value(INF)), SpecError, "values", ("finite", "[5, 1] is inf")),
    "49 transposed": (drive(np.zeros((2, 200))), SpecError, "values", ("(2, 200)", "(n_steps, 2)")),
    "49 one axis": (drive(np.zeros(200)), SpecError, "values", ("(200,)", "(n_steps, 2)")),
    "49 three axes": (drive(np.zeros((1, 200, 2))), SpecError, "values", ("(1, 200, 2)", "(n_steps, 2)")),
    "49 complex": (drive(np.zeros((200, 2)) * 1j), SpecError, "values", ("complex128", "real")),
    "49 objects": (drive(np.full((200, 2), None)), SpecError, "values", ("object", "real")),
    "49 ragged": (drive([[1, 2], [3]]), SpecError, "values", ("rectangular",)),
    "49 number": (drive(1.0), SpecError, "values", ("()", "(n_steps, 2)")),
    "49 empty": (drive([]), SpecError, "values", ("(0,)", "(n_steps, 2)")),
    "49 missing": (lambda: run(driven()), SpecError, "values", ("None", "drive", "(n_steps, 2)")),
    "49 unknown": (
        lambda: run(driven(), inputs={"drvie": np.zeros((200, 2))}),
        UnknownNameError,
        "drvie",
        ("'drive'",),
    ),
    "49 no mapping": (
        lambda: run(driven(), inputs=np.zeros((200, 2))),
        SpecError,
        "inputs",
        ("(200, 2)", "mapping", "inputs={"),
    ),
    "49 targets no mapping": (
        lambda: run(read(**TAUGHT), targets=[np.zeros((10, 1))]),
        SpecError,
        "targets",
        ("mapping", "targets={"),
    ),
    "49 target missing": (lambda: run(read(**TAUGHT)), SpecError, "target", ("None", "(10, 1)")),
    "49 target short": (
        lambda: run(read(**TAUGHT), targets={"out": np.zeros((9, 1))}),
        SpecError,
        "target",
        ("(9, 1)", "(10, 1)", "10 ms apart"),
    ),
    "49 target a row a step": (
        lambda: run(read(**TAUGHT), targets={"out": np.zeros((200, 1))}),
        SpecError,
        "target",
        ("(200, 1)", "(10, 1)", "10 ms apart"),
    ),
    "49 target nan": (
        lambda: run(read(**TAUGHT), targets={"out": np.full((10, 1), NAN)}),
        SpecError,
        "target",
        ("finite", "[0, 0] is nan"),
    ),
    "49 target without a rule": (
        lambda: run(read(), targets={"out": np.zeros((10, 1))}),
        SpecError,
        "target",
        ("left out", "no rule", "Delta"),
    ),
    "49 target of nobody": (
        lambda: run(read(**TAUGHT), targets={"ot": np.zeros((10, 1))}),
        UnknownNameError,
        "ot",
        ("'out'",),
    ),
    "49 gate short": (
        lambda: run(read(**TAUGHT), targets={"out": np.zeros((10, 1))}, gates={"out": np.zeros(9)}),
        SpecError,
        "gate",
        ("(9,)", "(10,)"),
    ),
    "49 gate beside the rule's own times": (
        lambda: run(
            read(rule=arc.Delta(learning_rate=0.1, active=[("0 s", "1 s")])),
            targets={"out": np.zeros((10, 1))},
            gates={"out": np.ones(10)},
        ),
        SpecError,
        "gate",
        ("left out", "active"),
    ),
    "50 two spikes in one step": (
        drive(with_value(2.0), "spikes"),
        SpecError,
        "values",
        ("2.0", "0 or 1", "step 5"),
    ),
    "50 negative": (drive(with_value(-1.0), "spikes"), SpecError, "values", ("-1.0", "0 or 1", "channel 1")),
    "50 half a spike": (drive(with_value(0.5), "spikes"), SpecError, "values", ("0.5", "0 or 1", "weight")),
    "50 beyond the end": (
        drive(np.zeros((201, 2)), "spikes"),
        SpecError,
        "values",
        ("201", "200 steps", "values[:200]"),
    ),
    "50 times in place of steps": (
        drive([[0.01, 0.02]], "spikes"),
        SpecError,
        "values",
        ("1 rows", "200 steps"),
    ),
}

CASES = {**CONNECTIONS, **TIMES, **ARRAYS}


@pytest.fixture
def no_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder to be in, and an engine that must not be reached."""

    def reached(*_: object) -> None:
        raise AssertionError("a kernel was written for a run that must be refused")

    monkeypatch.setattr(numba_engine, "emit_kernel", reached)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(case: Case) -> None:
    build, kind, name, words = case
    start = time.process_time()
    with pytest.raises(kind) as caught:
        build()
    assert time.process_time() - start < 2.0
    error, message = caught.value, str(caught.value)
    assert (error.name or "") == name, message
    for word in words:
        assert word in message, message
    assert len(message) < 1000 and message.count("\n") < 4
    assert error.bound


@pytest.mark.parametrize("row", CASES)
def test_is_refused(row: str, no_run: Path) -> None:
    check(CASES[row])
    assert not list(no_run.iterdir())


def test_the_table_is_complete() -> None:
    rows = {int(word) for word in (row.split()[0] for row in CASES) if word.isdigit()}
    defined_or_below = {41, 48}
    assert rows >= set(range(38, 51)) - defined_or_below


def test_row_47_nothing_is_allocated(no_run: Path) -> None:
    arc.simulate  # noqa: B018  imported before the measurement
    tracemalloc.start()
    try:
        with pytest.raises(MemoryLimitError):
            run(LARGE, "3600 s")
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("dt", "duration", "steps"),
    [
        ("0.5 ms", "100 ms", 200),
        ("0.5 ms", "100.2 ms", 201),  # rounded up
        ("0.1 ms", "0.3 ms", 3),  # 0.3/0.1 is 2.9999999999999996
        ("0.1 ms", "5000 s", 50_000_000),
        ("0.3 ms", "600 s", 2_000_000),
    ],
)
def test_row_41_a_duration_between_steps_is_rounded_up(dt: str, duration: str, steps: int) -> None:
    from arcuate.engines.build import _n_steps

    assert _n_steps(net(dt=dt), duration, None) == steps


def test_row_41_no_whole_number_of_steps_is_rounded_up() -> None:
    from arcuate.engines.build import _n_steps

    for dt in ("0.1 ms", "0.05 ms", "0.04 ms", "0.3 ms"):
        network = net(dt=dt)
        for steps in (1, 7, 10_001, 4_999_999, 123_456_789, 2**31 - 1):
            assert _n_steps(network, f"{steps * network.dt!r} s", None) == steps


def test_row_42_no_seed_is_drawn_and_recorded() -> None:
    recordings = [run(net(), seed=None) for _ in range(2)]
    seeds = [recording.seed for recording in recordings]
    assert all(isinstance(seed, int) and 0 <= seed < 2**63 for seed in seeds)
    assert seeds[0] != seeds[1]
    assert run(net(), seed=seeds[0]).digest() == recordings[0].digest()


def test_row_50_spikes_may_be_booleans() -> None:
    values = np.random.default_rng(0).random((200, 2)) < 0.1
    network = driven("spikes")
    given = [run(network, inputs={"drive": kind}) for kind in (values, values.astype(float))]
    assert given[0].digest() == given[1].digest()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    simulation = arc.Simulation(net(), "100 ms", seed=1)
    simulation.advance("50 ms")
    path = tmp_path_factory.mktemp("checkpoint") / "run.npz"
    simulation.checkpoint(path)
    return path


def edited(path: Path, **changes: Any) -> Path:
    """A copy whose facts differ."""
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    facts = {**json.loads(bytes(arrays["facts"])), **changes}
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    copy = path.with_name("edited.npz")
    np.savez(copy, **arrays)
    return copy


def compressed(path: Path) -> Path:
    """An archive that declares a thousand times its size."""
    copy = path.with_name("bomb.npz")
    np.savez_compressed(copy, facts=np.zeros(10**7, np.uint8))
    return copy


def fifo(path: Path) -> Path:
    pipe = path.with_name("pipe")
    if not pipe.exists():
        os.mkfifo(pipe)
    return pipe


def text(path: Path) -> Path:
    copy = path.with_name("text.npz")
    copy.write_text("hello")
    return copy


RESUMED: dict[str, tuple[Callable[[Path], Any], str, tuple[str, ...]]] = {
    "another spec": (
        lambda p: arc.Simulation.resume(p, net(n=11)),
        "network",
        ("'net'", "specification that was saved"),
    ),
    "another dt": (lambda p: arc.Simulation.resume(p, net(dt="0.25 ms")), "dt", ("250 us", "0.0005 s")),
    "a newer version": (
        lambda p: arc.Simulation.resume(edited(p, version=2), net()),
        "version",
        ("2", "<= 1", "Update arcuate"),
    ),
    "another step": (lambda p: arc.Simulation.resume(edited(p, step=7), net()), "", ("damaged", "checksum")),
    "another seed": (
        lambda p: arc.Simulation.resume(edited(p, seed="2"), net()),
        "",
        ("damaged", "checksum"),
    ),
    "another format": (lambda p: arc.Simulation.resume(edited(p, format="x"), net()), "", ("not a whole",)),
    "no version": (lambda p: arc.Simulation.resume(edited(p, version=None), net()), "", ("not a whole",)),
    "a bomb": (lambda p: arc.Simulation.resume(compressed(p), net()), "", ("not a whole",)),
    "a pipe": (lambda p: arc.Simulation.resume(fifo(p), net()), "", ("not a whole",)),
    "text": (lambda p: arc.Simulation.resume(text(p), net()), "", ("not a whole",)),
    "nothing": (lambda p: arc.Simulation.resume("/dev/null", net()), "", ("not a whole",)),
    "a missing file": (
        lambda p: arc.Simulation.resume(p.with_name("none.npz"), net()),
        "path",
        ("none.npz", "No such file"),
    ),
    "a folder": (lambda p: arc.Simulation.resume(p.parent, net()), "path", ("could not be read",)),
    "no path": (lambda p: arc.Simulation.resume(None, net()), "path", ("None", "path of a file")),
    "over a file": (lambda p: arc.Simulation(net(), "1 ms").checkpoint(p), "path", ("exists already",)),
    "into no folder": (
        lambda p: arc.Simulation(net(), "1 ms").checkpoint(p.parent / "no" / "x.npz"),
        "path",
        ("No such file", "folder that exists"),
    ),
    "under too long a name": (
        lambda p: arc.Simulation(net(), "1 ms").checkpoint(p.with_name("x" * 300)),
        "path",
        ("too long",),
    ),
}


@pytest.mark.parametrize("row", RESUMED)
def test_row_48_checkpoints_that_do_not_belong_are_refused(row: str, saved: Path) -> None:
    build, name, words = RESUMED[row]
    before = saved.read_bytes()
    check((lambda: build(saved), FileFormatError, name, words))
    assert saved.read_bytes() == before
    assert not list(saved.parent.glob("*.tmp"))


def test_row_48_a_damaged_checkpoint_is_never_read_as_another(saved: Path, tmp_path: Path) -> None:
    from arcuate.engines.checkpoint import read_checkpoint

    whole, good = saved.read_bytes(), read_checkpoint(saved, net())
    generator = np.random.default_rng(0)
    path, refused = tmp_path / "damaged.npz", 0
    for number in range(500):
        data = bytearray(whole)
        if number % 5:
            data[int(generator.integers(len(data)))] ^= 1 << int(generator.integers(8))
        else:
            del data[int(generator.integers(len(data))) :]
        path.write_bytes(data)
        try:
            read = read_checkpoint(path, net())
        except FileFormatError:
            refused += 1
            continue
        assert (read.step, read.seed, read.n_steps) == (good.step, good.seed, good.n_steps)
        assert read.arrays.keys() == good.arrays.keys()
        assert all(np.array_equal(read.arrays[key], good.arrays[key]) for key in good.arrays)
    assert refused > 350


@pytest.mark.parametrize(
    ("duration", "kind", "words"),
    [
        ("0 s", SpecError, ("'0 s'", "> 0")),
        (5, UnitsError, ("5", '"5 ms"')),
        (NAN, SpecError, ("nan", "finite")),
        ("51 ms", EngineError, ("0.05 s are left",)),
        ("1e305 s", EngineError, ("0.05 s are left",)),
    ],
)
def test_pieces_that_cannot_be_run_are_refused(duration: Any, kind: type, words: tuple[str, ...]) -> None:
    simulation = arc.Simulation(net(), "100 ms", seed=1)
    simulation.advance("50 ms")
    check((lambda: simulation.advance(duration), kind, "duration", words))
    assert simulation.time == pytest.approx(0.05)
