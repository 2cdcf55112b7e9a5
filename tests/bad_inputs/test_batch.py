"""Bad input of a batch: refused in our words, before a network is built or a kernel compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.errors import ArcuateError, MemoryLimitError, SpecError, UnknownNameError

NAN, INF = float("nan"), float("inf")


def net(n: int = 10, **options: Any) -> arc.Network:
    cells = [arc.Population(name="exc", n=n, neuron=arc.izh2003(), bias=10.0)]
    return arc.Network(**{"name": "net", "dt": "0.5 ms", "populations": cells, **options})


def driven() -> arc.Network:
    return net(inputs=[arc.Input(name="drive", target="exc", n_channels=2, weight=1.0)])


def run(network: Any = None, duration: Any = "50 ms", **options: Any) -> Callable[[], Any]:
    return lambda: arc.simulate_many(network or net(), duration, **{"seeds": [1], **options})


BIAS = "populations.exc.bias"
TABLE = {"drive": np.zeros((100, 2))}
LARGE = net(10**6, record=arc.Record(states={"exc": ["v"]}, every="0.5 ms"))

CASES: dict[str, tuple[Callable[[], Any], type[ArcuateError], str, tuple[str, ...]]] = {
    "network of no kind": (run("net"), SpecError, "network", ("Network",)),
    "no network": (lambda: arc.simulate_many([], "1 s"), SpecError, "network", ("at least one",)),
    "one of the networks": (run([net(), 3]), SpecError, "network", ("Network",)),
    "vary is a list": (run(vary=[BIAS]), SpecError, "vary", ("mapping",)),
    "a path that is not there": (run(vary={"populations.exc.bios": [1.0]}), UnknownNameError, "", (BIAS,)),
    "a seed among the paths": (run(vary={"seed": [1]}), UnknownNameError, "", ("seeds=",)),
    "no values": (run(vary={BIAS: []}), SpecError, BIAS, ("at least one",)),
    "text as values": (run(vary={BIAS: "4.0"}), SpecError, BIAS, ("list",)),
    "a value twice": (run(vary={BIAS: [4.0, 5.0, 4.0]}), SpecError, BIAS, ("4.0", "once")),
    "a value that the network refuses": (
        run(vary={"populations.exc.n": [5, 0]}),
        SpecError,
        "n",
        ("0", ">= 1"),
    ),
    "38 duration 0": (run(duration="0 s"), SpecError, "duration", ("> 0",)),
    "38 duration -1": (run(duration="-1 s"), SpecError, "duration", ("> 0",)),
    "38 duration nan": (run(duration=NAN), SpecError, "duration", ()),
    "38 duration inf": (run(duration="inf s"), SpecError, "duration", ()),
    "38 duration twice a unit": (run(duration="1 s s"), SpecError, "duration", ()),
    "38 no duration": (run(duration=None), SpecError, "duration", ("task",)),
    "40 too many steps": (run(duration="1e9 s"), SpecError, "duration", ("2**31",)),
    "39 dt longer than the run": (run(duration="0.1 ms"), SpecError, "duration", ("dt",)),
    "42 seed -1": (run(seeds=[-1]), SpecError, "seed", (">= 0",)),
    "42 seed 1.5": (run(seeds=[1.5]), SpecError, "seed", ("integer",)),
    "42 seed a": (run(seeds=["a"]), SpecError, "seed", ("integer",)),
    "42 seed 2**200": (run(seeds=[2**200]), SpecError, "seed", ("2**128",)),
    "42 one seed": (run(seeds=1), SpecError, "seeds", ("range(8)",)),
    "42 no seeds": (run(seeds=[]), SpecError, "seeds", ("at least one",)),
    "42 a seed of None": (run(seeds=[None]), SpecError, "seeds", ("integers",)),
    "42 a seed twice": (run(seeds=[1, 1]), SpecError, "seeds", ("once",)),
    "42 too many": (run(seeds=range(10**12)), SpecError, "runs", ("1000000", "Study")),
    "43 threads 0": (run(threads=0), SpecError, "threads", (">= 1",)),
    "43 threads -3": (run(threads=-3), SpecError, "threads", (">= 1",)),
    "43 threads 10 000": (run(threads=10_000), SpecError, "threads", ("1024",)),
    "43 threads 1.5": (run(threads=1.5), SpecError, "threads", ()),
    "46 record what is not there": (
        run(record=arc.Record(states={"exc": ["w"]})),
        SpecError,
        "",
        ("w",),
    ),
    "47 record all of 1e6 neurons": (
        run(LARGE, "3600 s", record=LARGE.record),
        MemoryLimitError,
        "memory",
        ("GB", "memory_limit"),
    ),
    "45 order of another engine": (run(order="quick"), UnknownNameError, "quick", ("fast",)),
    "memory limit": (run(memory_limit=0), SpecError, "memory_limit", (">= 1",)),
    "progress": (run(progress="yes"), SpecError, "progress", ("function",)),
    "49 a table too few": (
        run(driven(), inputs=[TABLE], seeds=[1, 2]),
        SpecError,
        "inputs",
        ("1 tables", "2 runs"),
    ),
    "49 tables of two lengths": (
        run(driven(), inputs=[TABLE] * 3, targets=[{}] * 2),
        SpecError,
        "targets",
        ("2 tables", "3 runs"),
    ),
    "49 input too short": (
        run(driven(), inputs={"drive": np.zeros((99, 2))}),
        SpecError,
        "values",
        ("drive", "100"),
    ),
    "49 input with nan": (
        run(driven(), inputs=[TABLE, {"drive": np.full((100, 2), NAN)}]),
        SpecError,
        "values",
        ("drive", "Run 1 of 2", "nan"),
    ),
    "49 input that is not there": (
        run(driven(), inputs={**TABLE, "drift": np.zeros(100)}, seeds=[1, 2]),
        SpecError,
        "",
        ("drift", "Run 0"),
    ),
    "49 no table": (run(driven(), inputs=5), SpecError, "inputs", ("mapping",)),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_by_name(case: str) -> None:
    call, kind, name, words = CASES[case]
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert name in f"{caught.value.name}"
    assert all(word in message for word in words), message
    assert message.count("\n") < 4
