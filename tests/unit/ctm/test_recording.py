"""A thought as a Recording: what stands where, files, labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate import ctm
from arcuate.errors import RecordingError, SpecError, UnknownNameError

RNG = np.random.default_rng(5)
T, B, D, L, H = 4, 3, 6, 5, 2
PAIRS = {
    "out_neuron_indices_left": np.array([0, 1]),
    "out_neuron_indices_right": np.array([3, 4]),
    "decay_params_out": np.array([0.0, 0.1, 0.2]),
    "action_neuron_indices_left": np.array([5]),
    "action_neuron_indices_right": np.array([5]),
    "decay_params_action": np.array([0.5]),
}


def thought(**changed: Any) -> ctm.Thought:
    """A thought of random numbers."""
    parts: dict[str, Any] = {
        "predictions": RNG.normal(size=(B, 8, T)),
        "certainties": RNG.random((B, 2, T)),
        "sync_out": RNG.normal(size=(T, B, 3)),
        "sync_action": RNG.normal(size=(T, B, 1)),
        "pre_activations": RNG.normal(size=(T, B, D)),
        "post_activations": RNG.normal(size=(T, B, D)),
        "attention": RNG.random((T, B, H, 1, L)),
        "reads": None,
        "key_values": None,
        "trace": np.zeros((B, D, 2)),
    }
    return ctm.Thought(**(parts | changed))


def test_every_number_stands_at_its_trial_tick_and_unit(tmp_path: Path) -> None:
    seen = thought()
    made = seen.recording(PAIRS, source="numpy", seed=7, spec_json='{"model": "m"}', stimulus=["a", "b", "a"])
    rec = arc.Recording.load(made.save(tmp_path / "thought.nc"))
    assert rec.equals(made)
    assert rec.sites == ctm._recording.SITES
    assert (rec.source, rec.seed, rec.spec) == ("numpy", 7, {"model": "m"})
    post = rec.states("ctm/post")["z"].sel(trial=2, tick=3, unit=5)
    assert float(post) == seen.post_activations[2, 2, 5]
    assert float(rec.states("ctm/pre")["a"].sel(trial=0, tick=1, unit=4)) == seen.pre_activations[0, 0, 4]
    out = rec.states("ctm/sync_out")
    pairs = list(zip(out["pre"].values.tolist(), out["post"].values.tolist(), strict=True))
    assert pairs == [(0, 3), (0, 4), (1, 4)]
    assert out["decay"].values.tolist() == [0.0, 0.1, 0.2]
    np.testing.assert_array_equal(out["S"].values, seen.sync_out.swapaxes(0, 1))
    asked = rec.states("ctm/sync_action")
    assert (int(asked["pre"][0]), int(asked["post"][0])) == (5, 5)
    attention = rec.states("ctm/attention")
    assert seen.attention is not None
    for unit in (0, 4, 9):
        head, token = int(attention["head"][unit]), int(attention["token"][unit])
        np.testing.assert_array_equal(
            attention["weight"].values[:, :, unit], seen.attention[:, :, head, 0, token].T
        )
    sure = rec.states("ctm/certainty")
    np.testing.assert_array_equal(sure["certainty"].values[..., 0], seen.certainties[:, 1])
    np.testing.assert_array_equal(sure["entropy"].values[..., 0], seen.certainties[:, 0])
    np.testing.assert_array_equal(
        rec.states("ctm/prediction")["y"].values, seen.predictions.transpose(0, 2, 1)
    )
    assert rec.states("ctm/post")["stimulus"].values.tolist() == ["a", "b", "a"]
    assert rec.states("ctm/post")["repeat"].values.tolist() == [0, 0, 1]


def test_without_attention_its_sites_are_missing() -> None:
    rec = thought(attention=None, sync_action=None).recording(PAIRS, source="numpy", condition="long")
    assert "ctm/attention" not in rec.sites and "ctm/sync_action" not in rec.sites
    assert rec.states("ctm/post")["condition"].values.tolist() == ["long"] * B


def test_sites_are_chosen() -> None:
    rec = thought().recording({}, source="numpy", sites=["ctm/post", "ctm/certainty"])
    assert rec.sites == ("ctm/post", "ctm/certainty")
    with pytest.raises(UnknownNameError, match="ctm/post"):
        thought().recording(PAIRS, source="numpy", sites=["ctm/pots"])


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(SpecError, match="stimulus") as caught:
        thought().recording(PAIRS, source="numpy", stimulus=["a"])
    assert "3 trials" in str(caught.value)
    with pytest.raises(SpecError, match="out_neuron_indices_left"):
        thought().recording({}, source="numpy")
    with pytest.raises(SpecError, match="4"):
        thought().recording(PAIRS | {"decay_params_out": np.zeros(4)}, source="numpy")
    with pytest.raises(RecordingError, match="source"):
        thought().recording(PAIRS, source="")
