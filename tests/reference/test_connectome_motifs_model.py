"""The published model of motifs in simulated worms: its figures, in a quick run and in full (slow)."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcuate.study.reproduction import default_seeds, load_reproduce

NAME = "worm_connectome_motifs"


def silent(*_: object) -> None:
    """Take progress and say nothing."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("quick", [True, False], ids=["quick", "full"])
def test_the_figures_hold(quick: bool, tmp_path: Path) -> None:
    found = load_reproduce(NAME)(default_seeds(NAME, quick=quick), quick, tmp_path, silent)
    missed = {figure.name: figure.measured for figure in found.figures if not figure.holds}
    assert not missed
    assert set(found.plots) == {"components"}
    assert quick or len(found.tables["kinds"]["kind"]) == 21
