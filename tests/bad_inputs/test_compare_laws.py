"""What signals of trajectories and laws of magnitude refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate.compare import (
    combined_auroc,
    perceived_distance,
    readout_signals,
    reference_coding,
    scalar_law,
    signal_auroc,
    trajectory_signals,
    tuning_curves,
)
from arcuate.errors import SpecError

STATES = np.random.default_rng(0).standard_normal((3, 6, 4))
SIGNALS = xr.Dataset({"net": ("trial", np.arange(6.0))})
Y = np.arange(1.0, 9.0)
RDM = np.abs(Y[:, None] - Y)
NAN = np.where(np.arange(6) == 2, np.nan, 0.0)[None, :, None] + STATES
TUNING = xr.Dataset({k: ("unit", np.arange(4.0)) for k in ("preferred", "width", "tuned")})

CASES: dict[str, tuple[Any, str]] = {
    "nan": (lambda: trajectory_signals(NAN), "finite"),
    "complex": (lambda: trajectory_signals(STATES + 0j), "real numbers"),
    "objects": (lambda: trajectory_signals(STATES.astype(object)), "real numbers"),
    "flat": (lambda: trajectory_signals(STATES[0]), "n_steps, n_units"),
    "none": (lambda: trajectory_signals([]), "one or more trials"),
    "number": (lambda: trajectory_signals(3.0), "one or more trials"),
    "other_units": (lambda: trajectory_signals([STATES[0], STATES[1][:, :3]]), "same in every trial"),
    "segments": (lambda: trajectory_signals(STATES, n_segments=7), "fewer than 7 segments"),
    "one_segment": (lambda: trajectory_signals(STATES, n_segments=1), "n_segments"),
    "readout_units": (lambda: readout_signals(STATES, np.eye(3)), "4 units"),
    "readout_classes": (lambda: readout_signals(STATES, np.ones((4, 1))), "two classes"),
    "readout_rows": (lambda: readout_signals(STATES, lambda x: x[1:]), "logits"),
    "readout_nan": (lambda: readout_signals(STATES, lambda x: x * np.nan), "finite"),
    "readout_ragged": (lambda: readout_signals([STATES[0], STATES[1][:4]], np.eye(4)), "one number"),
    "label_length": (lambda: signal_auroc(SIGNALS, [True] * 5), "6 truth values"),
    "label_values": (lambda: signal_auroc(SIGNALS, np.arange(6)), "truth values"),
    "label_constant": (lambda: signal_auroc(SIGNALS, [True] * 6), "both true and false"),
    "label_missing": (lambda: signal_auroc({"a": SIGNALS}, {"b": [True] * 6}), "none for 'a'"),
    "no_signals": (lambda: signal_auroc(STATES, [True] * 3), "Dataset"),
    "no_systems": (lambda: signal_auroc({}, [True]), "one or more systems"),
    "folds": (lambda: combined_auroc(SIGNALS, [True, False] * 3), "10 trials or more each"),
    "level": (lambda: signal_auroc(SIGNALS, [True, False] * 3, level=1.0), "level"),
    "rdm_shape": (lambda: perceived_distance(RDM[:, :5], Y), "n, n"),
    "rdm_length": (lambda: perceived_distance(np.arange(4.0), Y), "above the diagonal"),
    "rdm_skewed": (lambda: perceived_distance(np.triu(RDM), Y), "symmetric"),
    "rdm_constant": (lambda: perceived_distance(np.ones((8, 8)), Y), "vary"),
    "rdm_nan": (lambda: perceived_distance(RDM * np.nan, Y), "finite"),
    "values_length": (lambda: perceived_distance(RDM, Y[:7]), "8 stimuli"),
    "values_few": (lambda: perceived_distance(RDM, np.arange(8) % 3), "5 different values"),
    "kind": (lambda: perceived_distance(RDM, Y, kind="likeness"), "similarity"),
    "references": (lambda: perceived_distance(RDM, Y, references=[3.0]), "from every value"),
    "coding_rows": (lambda: reference_coding(np.ones((7, 2)), Y), "8 values"),
    "tuning_nan": (lambda: tuning_curves(Y[:, None] * np.nan, Y), "finite"),
    "tuning_least": (lambda: tuning_curves(Y[:, None], Y, least=2.0), "least"),
    "law_few": (lambda: scalar_law(TUNING), "8 or more tuned"),
    "law_names": (lambda: scalar_law(TUNING.drop_vars("width")), "lacks width"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(case: str) -> None:
    call, words = CASES[case]
    with pytest.raises(SpecError, match=words) as caught:
        call()
    assert len(str(caught.value).splitlines()) <= 4
