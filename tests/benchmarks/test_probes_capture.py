"""What it costs to record the residual stream of a language model, in processor time and in memory.

A Llama of the shape of SmolLM2-135M with random weights reads 768 tokens; ``blocks.*.resid_post`` of all 30
blocks is recorded. Both sides run in turns in one process, one thread, in processor seconds of all threads;
the middle of the ratios of neighbors counts. Memory is the largest resident size of a process of its own. Run
with ``pytest tests/benchmarks/test_probes_capture.py -m slow -s``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers", reason='needs pip install "arcuate[lm]"')

import arcuate as arc  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1800)]

N_TOKENS, REPEATS = 768, 3
SITES = "blocks.*.resid_post"


def language_model() -> tuple[Any, Any]:
    """Return a model of the shape of SmolLM2-135M, and tokens."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=True,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).eval()
    return model, torch.randint(0, 49152, (1, N_TOKENS), generator=torch.Generator().manual_seed(0))


def plain(model: Any, tokens: Any) -> None:
    with torch.no_grad():
        model(input_ids=tokens)


def recorded(model: Any, tokens: Any, to: Path | None = None) -> Any:
    return arc.probes.capture(model, {"input_ids": tokens}, sites=SITES, to=to, progress=False)


def seconds(call: Any, *args: Any) -> float:
    start = time.process_time()
    call(*args)
    return time.process_time() - start


def test_time(tmp_path: Path) -> None:
    pytest.importorskip("zarr", reason='needs pip install "arcuate[io]"')
    model, tokens = language_model()
    recorded(model, tokens, tmp_path / "first")  # imports and first touches are not counted
    ratios: dict[str, list[float]] = {"memory": [], "stream": []}
    times = []
    for k in range(REPEATS):
        times.append(seconds(plain, model, tokens))
        ratios["memory"].append(seconds(recorded, model, tokens) / times[-1])
        again = seconds(plain, model, tokens)
        ratios["stream"].append(seconds(recorded, model, tokens, tmp_path / str(k)) / again)
        times.append(again)
    print(f"\nplain {statistics.median(times):.2f} CPU s ({min(times):.2f} to {max(times):.2f})")
    for name, found in ratios.items():
        print(f"{name}: {statistics.median(found):.3f} of it ({min(found):.3f} to {max(found):.3f})")
    states = arc.Recording.load(tmp_path / "0").states("blocks.29.resid_post")
    assert states["activation"].shape == (1, N_TOKENS, 576)
    assert np.isfinite(states["activation"].values).all()


def peak(kind: str, folder: str) -> None:
    """Run one side; print the largest resident size in MB. Called in a process of its own."""
    model, tokens = language_model()
    if kind == "plain":
        plain(model, tokens)
    else:
        recorded(model, tokens, Path(folder) / kind if kind == "stream" else None)
    status = Path("/proc/self/status").read_text()  # the figures of getrusage would be those of the parent
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)


def test_memory(tmp_path: Path) -> None:
    pytest.importorskip("zarr", reason='needs pip install "arcuate[io]"')
    found = {}
    for kind in ("plain", "memory", "stream"):
        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
        code += f"import test_probes_capture as t; t.peak({kind!r}, {str(tmp_path)!r})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        found[kind] = float(done.stdout.split()[-1])
    print(f"\nplain {found['plain']:.0f} MB", end="")
    for kind in ("memory", "stream"):
        print(f", {kind} {found[kind]:.0f} MB ({found[kind] / found['plain']:.3f} of it)", end="")
    print()
