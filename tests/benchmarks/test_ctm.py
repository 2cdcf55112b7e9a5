"""A training step of the Continuous Thought Machine: against its limit, and against the official code.

The environment variable ARCUATE_CTM_OFFICIAL names a checkout of
https://github.com/SakanaAI/continuous-thought-machines; without it that half is skipped. Both run in turns in
one process, one thread, in processor seconds, and the best of each counts.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.nn import ContinuousThoughtMachine, tick_loss  # noqa: E402
from arcuate.nn.losses import errors_per_tick  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1800)]

OFFICIAL = "ARCUATE_CTM_OFFICIAL"
SIZES: dict[str, dict[str, int]] = {
    "A": {"batch": 32, "neurons": 512, "ticks": 25, "history": 25, "hidden": 16, "width": 512, "length": 64},
    "B": {"batch": 32, "neurons": 1024, "ticks": 50, "history": 25, "hidden": 16, "width": 512, "length": 64},
    "C": {"batch": 8, "neurons": 2048, "ticks": 75, "history": 25, "hidden": 16, "width": 512, "length": 64},
    "parity 8": {
        "batch": 64, "neurons": 128, "ticks": 10, "history": 8, "hidden": 8, "width": 32, "length": 8,
    },
    "parity 16": {
        "batch": 64, "neurons": 256, "ticks": 25, "history": 15, "hidden": 8, "width": 64, "length": 16,
    },
}  # fmt: skip
PAIRS = 32 * 33 // 2


def build(name: str) -> tuple[Any, Any, Any]:
    """Return a model, its input and targets."""
    size = SIZES[name]
    model = ContinuousThoughtMachine(
        n_outputs=2 * size["length"], n_ticks=size["ticks"], n_neurons=size["neurons"], width=size["width"],
        heads=8 if size["width"] == 512 else 4, n_out=32, n_action=32, selection="random",
        history=size["history"], hidden=size["hidden"], backbone="parity", positions="rotational",
        shape=(size["length"], 2), seed=1,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.choice([-1.0, 1.0], size=(size["batch"], size["length"])), dtype=torch.float32)
    return model, x, torch.tensor(rng.integers(2, size=x.shape))


def official(model: Any, name: str, x: Any) -> Any:
    """Return the official model with the same weights."""
    folder = os.environ.get(OFFICIAL)
    if not folder:
        pytest.skip(f"{OFFICIAL} does not name a checkout of the official code")
    sys.path.insert(0, folder)
    try:
        from models.ctm import ContinuousThoughtMachine as Official
    except ImportError as error:
        pytest.skip(f"{OFFICIAL} = {folder}: {error}")
    finally:
        sys.path.remove(folder)
    size = SIZES[name]
    with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        theirs = Official(
            iterations=size["ticks"], d_model=size["neurons"], d_input=size["width"], heads=model.heads,
            n_synch_out=32, n_synch_action=32, synapse_depth=1, memory_length=size["history"],
            deep_nlms=True, memory_hidden_dims=size["hidden"], do_layernorm_nlm=False,
            backbone_type="parity_backbone", positional_embedding_type="custom-rotational-1d",
            out_dims=2 * size["length"], prediction_reshaper=[size["length"], 2], dropout=0,
            neuron_select_type="random",
        )  # fmt: skip
        theirs(x[:1])  # it builds its layers when it sees an input
        theirs.load_state_dict(model.state_dict())
    return theirs


class Both:
    """What both models give at ticks that were chosen once: where rounding decides, a choice may flip."""

    def __init__(self, targets: Any, ticks: tuple[Any, Any] | None = None) -> None:
        self.targets, self.ticks = targets, ticks

    def loss(self, predictions: Any, certainties: Any) -> Any:
        """Loss at two ticks, from predictions (B, O, T) and certainties (B, 2, T)."""
        thought: Any = type("", (), {"predictions": predictions, "certainties": certainties})
        errors = errors_per_tick(thought, self.targets)
        if self.ticks is None:
            self.ticks = errors.detach().argmin(1), certainties[:, 1].detach().argmax(1)
        rows = torch.arange(len(errors))
        return sum(errors[rows, tick] for tick in self.ticks).mean() / 2


def cpu(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def best(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return the least seconds of each call, made in turns."""
    for call in calls:
        call()
    seconds = [[cpu(call) for call in calls] for _ in range(rounds)]
    return [min(column) for column in zip(*seconds, strict=True)]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", SIZES)
def test_against_the_official_code(benchmark: Any, name: str) -> None:
    model, x, targets = build(name)
    theirs = official(model, name, x)
    both = Both(targets)

    def pass_of(one: Any) -> Callable[[], object]:
        def call() -> None:
            with torch.no_grad():
                one(x)

        return call

    def ours_with_gradient() -> None:
        model.zero_grad()
        thought = model(x)
        both.loss(thought.predictions, thought.certainties).backward()

    def theirs_with_gradient() -> None:
        theirs.zero_grad()
        both.loss(*theirs(x)[:2]).backward()

    calls = [pass_of(theirs), pass_of(model), theirs_with_gradient, ours_with_gradient]
    found = benchmark.pedantic(best, args=(calls, 3), rounds=1)
    benchmark.extra_info["forward, ratio"] = found[0] / found[1]
    benchmark.extra_info["forward and backward, ratio"] = found[2] / found[3]
    benchmark.extra_info["seconds"] = found
    print(
        f"\n{name}: forward {found[0] * 1e3:.0f} / {found[1] * 1e3:.1f} ms = {found[0] / found[1]:.2f}, "
        f"with gradient {found[2] * 1e3:.0f} / {found[3] * 1e3:.1f} ms = {found[2] / found[3]:.2f}"
    )
    expected_of = dict(theirs.named_parameters())
    for key, one in model.named_parameters():
        expected = expected_of[key].grad
        assert (one.grad - expected).abs().max() <= 1e-5 * expected.abs().max(), key


def flops(name: str) -> tuple[float, float]:
    """Return the floating-point operations of a pass and the bytes of weights that its ticks read."""
    s = SIZES[name]
    b, d, e, h, m = s["batch"], s["neurons"], s["width"], s["hidden"], s["history"]
    tick = 4 * b * d * (e + d) + 2 * b * d * (2 * m * h + 2 * h) + 2 * b * e * PAIRS + 2 * b * e * e
    tick += 4 * b * s["length"] * e + 4 * b * s["length"] * PAIRS
    weights = 2 * d * (e + d) + 2 * m * h * d + e * PAIRS + e * e
    return float(s["ticks"] * tick + 6 * 2 * s["length"] * e * e), 4.0 * s["ticks"] * weights


@pytest.mark.parametrize("name", SIZES)
def test_against_the_limit(benchmark: Any, name: str) -> None:
    """The larger of arithmetic and of reading weights, at the speed that this machine has in the same run."""
    model, x, targets = build(name)
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    stream = torch.randn(2 * SIZES[name]["neurons"], SIZES[name]["width"] + SIZES[name]["neurons"])

    def step() -> None:
        model.zero_grad()
        tick_loss(model(x), targets).backward()

    def only_forward() -> None:
        with torch.no_grad():
            model(x)

    calls = [lambda: a @ b, stream.sum, only_forward, step]
    product, read, forward, both = benchmark.pedantic(best, args=(calls, 5), rounds=1)
    operations, weights = flops(name)
    rate, bandwidth = 2 * 1024**3 / product, 4 * stream.numel() / read
    limit = max(operations / rate, weights / bandwidth)
    distances = forward / limit, both / max(3 * operations / rate, 2 * weights / bandwidth)
    benchmark.extra_info["forward over its limit"], benchmark.extra_info["step over its limit"] = distances
    benchmark.extra_info["seconds"] = forward, both
    print(
        f"\n{name}: {rate / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.0f} GB/s, forward {forward * 1e3:.1f} ms = "
        f"{distances[0]:.2f} limits, step {both * 1e3:.1f} ms = {distances[1]:.2f} limits"
    )
    assert all(distance > 0.5 for distance in distances)  # else the limit is wrong


STEP = """
import sys
def peak():  # of this program alone; getrusage also knows the one that started it
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
sys.path.insert(0, {folder!r})
import test_ctm as t
import torch
torch.set_num_threads(1)
model, x, targets = t.build({name!r})
if {theirs}:
    model = t.official(model, {name!r}, x)
else:
    t.tick_loss(model(x[:1], n_ticks=2), targets[:1]).backward()  # loads compiled code
model.zero_grad()
before = peak()
if {theirs}:
    t.Both(targets).loss(*model(x)[:2]).backward()
else:
    t.tick_loss(model(x), targets).backward()
print(before, peak())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_peak_memory_of_a_step(benchmark: Any, name: str) -> None:
    def measure(*, theirs: bool) -> tuple[float, float]:
        code = STEP.format(folder=str(Path(__file__).parent), name=name, theirs=theirs)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        before, peak = map(float, done.stdout.split())
        return peak, peak - before

    ours = benchmark.pedantic(measure, kwargs={"theirs": False}, rounds=1)
    benchmark.extra_info["peak and rise, MB"] = ours
    print(f"\n{name}: peak {ours[0]:.0f} MB, of which the step {ours[1]:.0f}")
    if os.environ.get(OFFICIAL):
        theirs = measure(theirs=True)
        benchmark.extra_info["official peak and rise, MB"] = theirs
        print(f"official {theirs[0]:.0f} and {theirs[1]:.0f} MB: {ours[0] / theirs[0]:.2f} of the peak")
        assert ours[0] < theirs[0]
