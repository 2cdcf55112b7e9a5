"""Mechanisms that are published as models: their figures, in a quick run and in full (slow)."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcuate.models import model_folder
from arcuate.study.reproduction import default_seeds, load_reproduce

pytest.importorskip("torch")
MODELS = ("binding_mechanisms", "locality_of_experience", "recall_vs_reasoning", "temporal_cognition")
FAILED = {
    "locality_of_experience": {"full_gap"},
    "temporal_cognition": {
        "reservoir_right", "reservoir_sided_last", "transformer_reference_log_last", "other_reservoir_tuned"
    }
}  # fmt: skip
"""Bounds that were chosen beforehand and did not hold on the judged seeds, as the cards say."""

pytestmark = [pytest.mark.slow, pytest.mark.torch]


def silent(*_: object) -> None:
    """Take progress and say nothing."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("quick", [True, False], ids=["quick", "all seeds"])
@pytest.mark.parametrize("name", MODELS)
def test_a_run_shows_the_figures(name: str, quick: bool, tmp_path: Path) -> None:
    found = load_reproduce(name)(default_seeds(name, quick=quick), quick, tmp_path, silent)
    judged = [figure for figure in found.figures if figure.judged and figure.name not in FAILED.get(name, ())]
    assert judged
    assert all(figure.holds for figure in judged), [(f.name, f.measured) for f in judged if not f.holds]
    card = (model_folder(name) / "README.md").read_text(encoding="utf-8")
    assert card.count("**fails**") == len(FAILED.get(name, ()))
    assert found.plots
