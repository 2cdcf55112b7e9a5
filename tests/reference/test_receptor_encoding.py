"""An auditory receptor, predicted by what was fitted to its other recording: ridge regression, a neuron."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcuate.study.reproduction import default_seeds, load_reproduce

NAME = "receptor_encoding"


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_neuron_hears_better_than_ridge_regression(quick: bool, tmp_path: Path) -> None:
    seeds = default_seeds(NAME, quick=quick)
    found = load_reproduce(NAME)(seeds, quick, tmp_path, lambda *_: None)
    assert found.holds, [(figure.name, figure.got) for figure in found.figures if not figure.holds]
    assert found.plots and "no noise ceiling" in found.caveats[0]
