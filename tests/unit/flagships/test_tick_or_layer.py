"""The flagship that asks whether a tick is a layer."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import arcuate.flagships.tick_or_layer as subject
from arcuate import flagships
from arcuate.flagships._tick_systems import CERTAIN, rows_of, stimuli_of

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A run of the smallest size, too short for anything to be learned."""
    small = {
        "lengths": (3, 4), "stimuli": 48, "orders": 19, "ctm_steps": {3: 2, 4: 2},
        "transformer_steps": {3: 2, 4: 2},
    }  # fmt: skip
    patch = pytest.MonkeyPatch()
    patch.setattr(subject, "SETTINGS", subject.SETTINGS | small)
    try:
        yield flagships.run("tick_or_layer", seeds=(0, 1), progress=False)
    finally:
        patch.undo()


def test_rows_are_answered_by_the_signs_that_are_shown():
    shown, odd = rows_of(np.random.default_rng(0), 50, 5)
    assert all((odd[k, j] == (shown[k, : j + 1] < 0).sum() % 2) for k in range(50) for j in range(5))
    labels = stimuli_of(20, 5)[2]
    assert len(set(labels)) == 20 and labels == stimuli_of(20, 5)[2]


def test_partial_correlation_takes_out_what_both_share():
    rng = np.random.default_rng(1)
    shared = rng.standard_normal(2000)
    x, y = (shared + 0.3 * rng.standard_normal(2000) for _ in range(2))
    assert subject._partial(x, y, np.empty((2000, 0))) > 0.8
    assert abs(subject._partial(x, y, shared[:, None])) < 0.1
    assert np.isnan(subject._partial(np.ones(2000), y, shared[:, None]))


def test_every_number_is_there_for_every_length_and_seed(result):
    data = result.data
    assert data.sizes["length"] == 2 and data.sizes["seed"] == 2
    assert (
        data["similarity_ctm_transformer"].sel(length=3).dropna("step_ctm", how="all").sizes["step_ctm"] == 5
    )
    assert np.isfinite(data["diagonality_ctm_ctm"]).all()
    assert set(data.attrs) >= {"spec_json", "seeds", "versions"}
    assert data["certain_transformer"].min() >= 1 and CERTAIN == 0.1
    assert "arcuate.comparison" in result.comparisons["4_signs"].data.attrs["schema"]


def test_nothing_is_judged_of_what_did_not_learn(result):
    assert result.claim("learned/ctm/3").verdict == "contradicted"
    assert any("reservoir does not count" in caveat for caveat in result.caveats)
    assert not any("reservoir" in claim.name and "learned" not in claim.name for claim in result.claims)


def test_the_page_has_labels_and_is_saved(result, tmp_path):
    page = result.plots["ticks_and_layers"]
    named = [ax for ax in page.axes if ax.get_xlabel() or ax.get_ylabel()]
    assert len(named) >= 6
    report = result.save(tmp_path / "out")
    assert report.stat().st_size > 10_000 and (tmp_path / "out" / "result.nc").exists()


@pytest.mark.slow
def test_both_learn_in_the_quick_form():
    result = flagships.run("tick_or_layer", seeds=(3,), quick=True, progress=False)
    assert float(result.data["whole_ctm"].min()) > 0.8
    assert float(result.data["whole_transformer"].min()) > 0.9
    assert float(result.data["right_reservoir"].sel(place=1).min()) > 0.9
