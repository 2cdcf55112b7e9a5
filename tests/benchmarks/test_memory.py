"""A training step of a PMI transformer against the official code's.

The environment variable ARCUATE_PMI_OFFICIAL names a checkout of https://github.com/zengxyyu/PMI-TR; without
it that is skipped. Both run in turns in one process, one thread, in processor seconds; the best counts.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from arcuate.memory import PMIConfig  # noqa: E402
from arcuate.nn import PMITransformer  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1800)]

OFFICIAL = "ARCUATE_PMI_OFFICIAL"
ARGUMENTS: dict[str, Any] = {
    "image_size": 75, "patch_size": 15, "embed_dim": 256, "functional": False, "num_layers": 4,
    "num_heads": 4, "share_vanilla_parameters": True, "shared_memory_attention": True, "use_topk": True,
    "topk": 5, "mem_slots": 8, "use_long_men": True, "long_mem_segs": 5, "long_mem_aggre": True,
    "use_wm_inference": True, "null_attention": False, "lr": 1e-4,
}  # fmt: skip


def official() -> Any:
    """Return the official model of 27 tokens."""
    folder = os.environ.get(OFFICIAL)
    if not folder:
        pytest.skip(f"{OFFICIAL} does not name a checkout of the official code")
    code = Path(folder) / "sort_of_clevr_and_babi"
    einops = types.ModuleType("einops")  # two of its functions are asked for, each for one pattern
    einops.rearrange = lambda x, _, p1, p2: (  # type: ignore[attr-defined]
        x.unfold(2, p1, p1).unfold(3, p2, p2).permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
    )
    einops.repeat = lambda x, _, b: x.expand(b, -1, -1)  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.syspath_prepend(folder)
        patch.syspath_prepend(str(code))
        patch.setitem(sys.modules, "einops", einops)
        try:
            from model import Transformer
        except ImportError as error:
            pytest.skip(f"{OFFICIAL} = {folder}: {error}")
        return Transformer(types.SimpleNamespace(**ARGUMENTS))


def best(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return the least processor seconds of each call, made in turns."""
    seconds: list[list[float]] = [[] for _ in calls]
    for number in range(rounds + 1):
        for call, column in zip(calls, seconds, strict=True):
            start = time.process_time()
            call()
            if number:  # the first is not counted
                column.append(time.process_time() - start)
    return [min(column) for column in seconds]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_training_step_against_the_official_code(benchmark: Any) -> None:
    theirs = official()
    ours = PMITransformer(
        PMIConfig.official("sort_of_clevr"), n_outputs=10, n_features=3, patch=15, n_question=18, n_layers=4,
        seed=1,
    )  # fmt: skip
    own = ours.state_dict()
    given = {
        name: value.reshape(own[name].shape) for name, value in theirs.state_dict().items() if name in own
    }
    ours.load_state_dict(given)
    x, targets = (torch.rand(64, 3, 75, 75), torch.rand(64, 18)), torch.randint(10, (64,))

    def step_of(model: Any, *inputs: Any) -> Callable[[], object]:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

        def step() -> None:
            optimizer.zero_grad()
            with contextlib.redirect_stdout(io.StringIO()):
                torch.nn.functional.cross_entropy(model(*inputs), targets).backward()
            optimizer.step()

        return step

    expected = theirs.eval()(*x).softmax(1)  # long-term memories begin with other random numbers
    found = ours.eval()(x).softmax(1)
    assert (found - expected).abs().max() < 0.05
    theirs.train(), ours.train()
    calls = [step_of(theirs, *x), step_of(ours, x)]
    seconds = benchmark.pedantic(best, args=(calls, 8), rounds=1)
    benchmark.extra_info["official over ours"] = seconds[0] / seconds[1]
    benchmark.extra_info["seconds"] = seconds
    print(
        f"\nofficial {seconds[0] * 1e3:.0f} / ours {seconds[1] * 1e3:.0f} ms = {seconds[0] / seconds[1]:.2f}"
    )
