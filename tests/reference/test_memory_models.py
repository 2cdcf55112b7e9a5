"""Memories that are published as models: their figures, in a quick run, and in full (slow)."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcuate.study.reproduction import default_seeds, load_reproduce

MODELS = ("consciousness_bottleneck", "pavlovian_attention", "replay_consolidation", "tensor_brain")
LONG = ("pavlovian_attention", "tensor_brain")


def silent(*_: object) -> None:
    """Take progress and say nothing."""


@pytest.mark.parametrize("name", [pytest.param(m, marks=[pytest.mark.slow] * (m in LONG)) for m in MODELS])
def test_a_quick_run_shows_the_figures(name: str, tmp_path: Path) -> None:
    found = load_reproduce(name)(default_seeds(name, quick=True), True, tmp_path, silent)
    assert found.holds, [(figure.name, figure.measured) for figure in found.figures if not figure.holds]
    assert found.plots


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", MODELS)
def test_all_seeds_show_the_figures(name: str, tmp_path: Path) -> None:
    if name == "consciousness_bottleneck":
        pytest.importorskip("sklearn")
    found = load_reproduce(name)(default_seeds(name), False, tmp_path, silent)
    assert found.holds, [(figure.name, figure.measured) for figure in found.figures if not figure.holds]
