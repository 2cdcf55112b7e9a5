"""Many networks in one call: the numbers of single runs, whatever the threads; errors by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

import numpy as np
import pytest
from networks import reservoir

import arcuate as arc
from arcuate.errors import MemoryLimitError, NonFiniteError

GAIN = "projections.exc->exc.weight"
VARY = {"populations.exc.noise.sigma": [0.1, 0.3], GAIN: ["0.3*abs(xi)", "0.5*abs(xi)"]}


def driven(n: int = 20) -> arc.Network:
    return arc.Network(
        name="driven",
        dt="0.5 ms",
        populations=[arc.Population(name="exc", n=n, neuron=arc.izh2003(), bias=5.0)],
        inputs=[arc.Input(name="drive", target="exc", n_channels=n, weight=np.eye(n))],
        record=arc.Record(states={"exc": ["v"]}, every="1 ms"),
    )


@pytest.fixture(scope="module")
def one_thread() -> arc.Batch:
    return arc.simulate_many(reservoir(), "1.5 s", vary=VARY, seeds=[3, 8], threads=1)


@pytest.mark.parametrize("threads", [2, 4, 8])
def test_threads_change_nothing(one_thread: arc.Batch, threads: int) -> None:
    other = arc.simulate_many(reservoir(), "1.5 s", vary=VARY, seeds=[3, 8], threads=threads)
    assert [rec.digest() for rec in other] == [rec.digest() for rec in one_thread]
    assert len({rec.digest() for rec in other}) == 8


def test_each_run_is_what_simulate_gives(one_thread: arc.Batch) -> None:
    for label, rec in zip(one_thread.labels, one_thread, strict=True):
        values = dict(label)
        single = arc.simulate(reservoir(), "1.5 s", seed=values["seed"]) if not values else None
        seed = values.pop("seed")
        single = arc.simulate(reservoir().replace(values), "1.5 s", seed=seed)
        assert rec == single
        assert (rec.seed, rec.spec_sha256) == (single.seed, single.spec_sha256)


def test_runs_stand_in_order_on_their_axes(one_thread: arc.Batch) -> None:
    assert list(one_thread.axes) == [*VARY, "seed"]
    assert [tuple(label.values()) for label in one_thread.labels] == [
        (sigma, gain, seed)
        for sigma in (0.1, 0.3)
        for gain in ("0.3*abs(xi)", "0.5*abs(xi)")
        for seed in (3, 8)
    ]
    table = one_thread.summary()
    assert dict(table.sizes) == {"populations.exc.noise.sigma": 2, GAIN: 2, "seed": 2, "population": 2}
    rec = one_thread[5]
    place = {"populations.exc.noise.sigma": 0.3, GAIN: "0.3*abs(xi)", "seed": 8, "population": "inh"}
    assert int(table["n_spikes"].sel(place)) == rec.spikes("inh").sizes["spike"]
    assert float(table["rate"].sel(place)) == pytest.approx(rec.outcome["rates_hz"]["inh"])
    counts = one_thread.counts("exc")
    assert counts.dims == ("populations.exc.noise.sigma", GAIN, "seed", "neuron")
    np.testing.assert_array_equal(
        counts.values[1, 0, 1], np.bincount(rec.spikes("exc")["neuron"], minlength=48)
    )


def test_networks_and_their_tables_may_be_a_list() -> None:
    networks = [driven(3), driven(4).replace(name="other")]
    drives = [
        {"drive": np.full((200, network.populations["exc"].n), 3.0 * k)} for k, network in enumerate(networks)
    ]
    batch = arc.simulate_many(networks, "100 ms", seeds=[5], inputs=drives)
    assert batch.axes == {"network": ("driven", "other"), "seed": (5,)}
    for network, drive, rec in zip(networks, drives, batch, strict=True):
        assert rec == arc.simulate(network, "100 ms", seed=5, inputs=drive)


def test_tables_alone_are_runs() -> None:
    drives = [{"drive": np.full((200, 20), value)} for value in (0.0, 2.0, 4.0)]
    batch = arc.simulate_many(driven(), "100 ms", inputs=drives)
    assert len(batch) == 3 and batch.axes["run"] == (0, 1, 2)
    assert len({rec.seed for rec in batch}) == 1
    assert batch.summary()["n_spikes"].values.ravel().tolist() == sorted(
        batch.summary()["n_spikes"].values.ravel()
    )
    assert batch[2] == arc.simulate(driven(), "100 ms", seed=batch[0].seed, inputs=drives[2])


def test_one_table_is_shared_and_record_is_passed_on() -> None:
    drive = {"drive": np.ones((200, 20))}
    batch = arc.simulate_many(driven(), "100 ms", seeds=[1, 2], inputs=drive, record=arc.Record(states={}))
    assert [rec.sites for rec in batch] == [(), ()]


def test_progress_counts_networks() -> None:
    said: list[tuple[int, int]] = []
    arc.simulate_many(
        driven(),
        "20 ms",
        seeds=range(5),
        inputs={"drive": np.zeros((40, 20))},
        threads=2,
        progress=lambda done, total: said.append((done, total)),
    )
    assert said == [(done, 5) for done in range(1, 6)]


@pytest.mark.parametrize("threads", [1, 4])
def test_an_error_names_its_run_and_keeps_what_is_done(threads: int) -> None:
    drives = [{"drive": np.zeros((400, 20))} for _ in range(8)]
    drives[5]["drive"][30, 7] = -1e200
    drives[3]["drive"][333, 2] = -1e200  # blows up later, but stands first
    with pytest.raises(
        NonFiniteError, match=r"Run 3 of 8 \(seed = 4, run = 3\).*neuron 2, step 33[345]"
    ) as caught:
        arc.simulate_many(driven(), "200 ms", seeds=[4], inputs=drives, threads=threads)
    batch = caught.value.batch
    assert batch[2] == arc.simulate(driven(), "200 ms", seed=4, inputs=drives[2])
    assert batch.recordings[3] is None and "done" in repr(batch)
    assert int(batch.summary()["n_spikes"].values[0, 3, 0]) == 0
    with pytest.raises(arc.errors.SpecError, match="was not done"):
        batch[3]


def test_the_interpreter_switches_soon_while_threads_run_and_as_before_afterwards() -> None:
    before, seen = sys.getswitchinterval(), []
    arc.simulate_many(
        driven(),
        "50 ms",
        inputs={"drive": np.zeros((100, 20))},
        seeds=range(3),
        threads=2,
        progress=lambda done, total: seen.append(sys.getswitchinterval()),
    )
    assert len(seen) == 3 and max(seen) < before
    bad = [{"drive": np.full((100, 20), -1e200)}] * 2
    with pytest.raises(NonFiniteError):
        arc.simulate_many(driven(), "50 ms", inputs=bad, seeds=range(2), threads=2)
    assert sys.getswitchinterval() == before


def test_threads_end_with_the_call() -> None:
    before = threading.active_count()
    for _ in range(3):
        arc.simulate_many(driven(), "20 ms", seeds=range(4), inputs={"drive": np.zeros((40, 20))}, threads=4)
    assert threading.active_count() == before


def test_memory_limits_the_networks_in_flight_and_the_batch() -> None:
    wide = arc.Network(
        name="wide",
        dt="0.5 ms",
        populations=[arc.Population(name="exc", n=30_000, neuron=arc.izh2003(), bias=4.0)],
        projections=[
            arc.Projection(pre="exc", post="exc", connectivity=arc.Sparse(0.001), weight=arc.Normal(0, 0.01))
        ],
        record=arc.Record(spikes=False),
    )
    one = sum(arc.engines.memory.estimate_memory(wide, 20).values())
    arc.simulate_many(wide, "10 ms", seeds=[0], threads=1)  # compiled before the measurement
    for share, most in ((1.5, 1.15), (2.5, 2.15)):
        tracemalloc.start()
        batch = arc.simulate_many(wide, "10 ms", seeds=range(4), threads=4, memory_limit=int(share * one))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(batch) == 4
        assert peak < most * one
    with pytest.raises(
        MemoryLimitError, match=r"4 runs: memory = .* GB.: must be <= .* one run of network 'wide'"
    ):
        arc.simulate_many(wide, "10 ms", seeds=range(4), memory_limit=int(0.9 * one))
    kept = arc.Record(spikes=False, states={"exc": ["v"]}, every="0.5 ms")
    with pytest.raises(MemoryLimitError, match="the recordings take"):
        arc.simulate_many(wide, "100 ms", seeds=range(400), record=kept, memory_limit=20 * one)


def test_an_interrupt_returns_within_a_second() -> None:
    script = """
        import sys, time, arcuate as arc
        cells = arc.Population(name="exc", n=2000, neuron=arc.izh2003(), bias=4.0)
        net = arc.Network(name="long", dt="0.1 ms", populations=[cells])
        arc.simulate_many(net, "10 ms", seeds=[0])
        print("ready", flush=True)
        try:
            arc.simulate_many(net, "4000 s", seeds=range(4), threads=2, memory_limit=10**15)
        except KeyboardInterrupt as stop:
            print("stopped", len(stop.batch), time.time(), flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    sent = time.time()
    answer = process.communicate(timeout=20)[0].split()
    assert answer[:2] == ["stopped", "4"]
    assert float(answer[2]) - sent < 1.0
    assert process.returncode == 0
