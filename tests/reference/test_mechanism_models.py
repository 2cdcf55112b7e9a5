"""Mechanisms that are published as models: their figures, in a quick run and in full (slow)."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcuate.study.reproduction import default_seeds, load_reproduce

pytest.importorskip("torch")
MODELS = ("binding_mechanisms",)
pytestmark = [pytest.mark.slow, pytest.mark.torch]


def silent(*_: object) -> None:
    """Take progress and say nothing."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("quick", [True, False], ids=["quick", "all seeds"])
@pytest.mark.parametrize("name", MODELS)
def test_a_run_shows_the_figures(name: str, quick: bool, tmp_path: Path) -> None:
    found = load_reproduce(name)(default_seeds(name, quick=quick), quick, tmp_path, silent)
    assert found.holds, [(figure.name, figure.measured) for figure in found.figures if not figure.holds]
    assert found.plots
