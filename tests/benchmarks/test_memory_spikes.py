"""A memory that spikes drive, against real time: 1000 neurons, a token every 50 ms, delta rule, width 256."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.memory import AssociativeMemory, SpikeStateTokenizer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SECONDS, WIDTH = 20, 256


def spikes(recording: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return times and numbers of all neurons, excitatory ones first, in the order of time."""
    parts, offset = [], 0
    for name, n in (("exc", 800), ("inh", 200)):
        times, neurons = recording.spike_arrays(name)[:2]
        parts.append((times, neurons + offset))
        offset += n
    times, neurons = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(times, kind="stable")
    return times[order], neurons[order]


def test_spikes_drive_a_memory_faster_than_they_come(benchmark: Any) -> None:
    recording = arc.simulate(arc.load_model("izhikevich2003"), f"{SECONDS} s", seed=1, progress=False)
    times, neurons = spikes(recording)
    tokenizer = SpikeStateTokenizer(1000, WIDTH, seed=1)
    memory = AssociativeMemory(WIDTH, WIDTH, rule="delta", learning_rate=1 / WIDTH)

    def update() -> float:
        start = time.process_time()
        tokens = tokenizer.tokens(times, neurons, duration=f"{SECONDS} s").values
        memory.reset()
        for now, then in pairwise(tokens):  # one pair each 50 ms, as they come
            memory.write(now[None], then[None])
        return time.process_time() - start

    update()  # compiles
    seconds = benchmark.pedantic(lambda: min(update() for _ in range(5)), rounds=1)
    benchmark.extra_info["spikes"] = len(times)
    benchmark.extra_info["real time over ours"] = SECONDS / seconds
    ratio = f"{SECONDS / seconds:.0f} times real time"
    print(f"\n{len(times)} spikes of {SECONDS} s: {seconds * 1e3:.0f} ms, {ratio}")
    read = memory.read(tokenizer.tokens(times, neurons, duration=f"{SECONDS} s").values)
    assert np.isfinite(read).all()
    assert read.std() > 0
