"""Transformers that learn in context: their figures, quick and in full. All are slow: they train."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcuate.study.reproduction import default_seeds, load_reproduce

MODELS = ("abrupt_icl", "icl_strategies", "icl_systems")

pytestmark = [pytest.mark.slow, pytest.mark.torch]


def silent(*_: object) -> None:
    """Take progress and say nothing."""


@pytest.mark.parametrize("name", MODELS)
def test_a_quick_run_shows_the_figures(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = load_reproduce(name)(default_seeds(name, quick=True), True, tmp_path, silent)
    assert found.holds, [(figure.name, figure.measured) for figure in found.figures if not figure.holds]
    assert found.plots or name == "icl_systems"  # a table of shares, no picture


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", MODELS)
def test_all_seeds_show_the_figures(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = load_reproduce(name)(default_seeds(name), False, tmp_path, silent)
    assert found.holds, [(figure.name, figure.measured) for figure in found.figures if not figure.holds]
