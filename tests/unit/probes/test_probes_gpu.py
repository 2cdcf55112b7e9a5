"""On a GPU, captures and edits give the numbers of the CPU, and arrive in its memory."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arcuate as arc

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.gpu]

capture, intervene, Edit = arc.probes.capture, arc.probes.intervene, arc.probes.Edit
SITES = ["blocks.*.resid_post", "blocks.*.attn.pattern", "logits"]
TOKENS = np.random.default_rng(0).integers(11, size=(5, 7))


@pytest.fixture
def models() -> tuple[Any, Any]:
    own = arc.nn.TinyTransformer(n_tokens=11, n_outputs=11, d_model=16, n_layers=2, n_heads=2, seed=1)
    return own, copy.deepcopy(own).to("cuda")


def same(one: Any, other: Any, rtol: float = 1e-3) -> None:
    assert one.sites == other.sites
    for site in one.sites:
        for name, value in one.states(site).data_vars.items():
            found = other.states(site)[name]
            assert isinstance(found.values, np.ndarray) and found.dtype == value.dtype
            np.testing.assert_allclose(found.values, value.values, rtol=rtol, atol=1e-4)


@pytest.mark.parametrize(
    "options", [{}, {"reduce": "last"}, {"positions": [0, -1]}, {"dtype": "float16"}], ids=str
)
def test_captures(models: tuple[Any, Any], options: dict[str, Any]) -> None:
    cpu, gpu = (capture(model, TOKENS, sites=SITES, batch_size=2, **options) for model in models)
    same(cpu, gpu, rtol=1e-2 if "dtype" in options else 1e-3)


def test_masks(models: tuple[Any, Any]) -> None:
    mask = np.arange(7) < np.array([[7], [3], [1], [7], [5]])
    for reduce in (None, "last", "mask-mean"):
        cpu, gpu = (
            capture(model, TOKENS, sites="blocks.*.resid_post", mask=mask, reduce=reduce) for model in models
        )
        same(cpu, gpu)


def test_streams(models: tuple[Any, Any], tmp_path: Path) -> None:
    pytest.importorskip("zarr", reason='needs pip install "arcuate[io]"')
    memory = capture(models[1], TOKENS, sites=SITES, batch_size=2)
    same(memory, capture(models[1], TOKENS, sites=SITES, batch_size=2, to=tmp_path / "a"))


@pytest.mark.parametrize(
    "mode", ["replace", "add", "scale", "zero", "mean", "resample", "project_out", "steer"]
)
def test_edits(models: tuple[Any, Any], mode: str) -> None:
    value: Any = {
        "replace": np.ones((5, 7, 16), np.float32),
        "scale": 0.5, "zero": None, "mean": np.ones(16, np.float32), "resample": None,
    }.get(mode, np.linspace(-1, 1, 16, dtype=np.float32))  # fmt: skip
    found = []
    for model in models:
        edit = (
            Edit("blocks.0.resid_post", mode, value)
            if value is not None
            else Edit("blocks.0.resid_post", mode)
        )
        with intervene(model, edit):
            found.append(capture(model, TOKENS, sites=["blocks.0.resid_post", "logits"]))
    same(*found)
