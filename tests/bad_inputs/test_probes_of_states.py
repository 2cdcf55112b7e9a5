"""Row 109 of the table of bad inputs: labels that leak from one position of a text to another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate.errors import SpecError
from arcuate.probes import linear_probe, match_features, online_code_length, readout_lens, step_dictionary


def texts(n: int = 40, length: int = 8) -> tuple[Any, Any]:
    """States that tell the text at each of its positions, and a label of each text that says nothing."""
    draw = np.random.default_rng(0)
    code = draw.standard_normal((n, 1, 30))
    return code + 0.1 * draw.standard_normal((n, length, 30)), draw.permutation(np.arange(n) % 2)


def test_positions_of_a_text_would_tell_each_other() -> None:
    """Dealt by position the probe would be near 1; by text it is at chance, however it is asked."""
    states, label = texts()
    flat, each = states.reshape(-1, 30), np.repeat(label, 8)
    leaking = linear_probe(flat, each, groups=np.arange(320), n_controls=0, penalties=[1e-3])
    assert float(leaking.score) > 0.95  # the caller says that each sample is a text of its own
    by_text = linear_probe(states, label, groups=np.arange(40), n_controls=0, penalties=[1e-3])
    assert float(by_text.score) < 0.75
    labeled = xr.DataArray(
        states, dims=("trial", "token", "unit"), coords={"stimulus": ("trial", np.arange(40))}
    )
    assert float(linear_probe(labeled, label, n_controls=0, penalties=[1e-3]).score) == float(by_text.score)


@pytest.mark.parametrize("probe", [linear_probe, online_code_length])
def test_groups_that_let_labels_leak_are_refused(probe: Any) -> None:
    states, label = texts()
    with pytest.raises(SpecError, match=r"groups: must tell the text.*Give groups="):
        probe(states, label)
    with pytest.raises(SpecError, match="put trial 0 into 8 groups"):
        probe(states, label, groups=np.arange(320).reshape(40, 8))
    twice = xr.DataArray(
        states, dims=("trial", "token", "unit"), coords={"stimulus": ("trial", np.arange(40) // 2)}
    )
    with pytest.raises(SpecError, match="put stimulus 0 into 2 groups"):
        probe(twice, label, groups=np.arange(40))


@pytest.mark.parametrize(
    "states",
    [
        [["a", "b"], ["c", "d"]],
        [[1, 2], [3]],
        np.zeros((2, 3), complex),
        np.zeros(5),
        np.zeros((2, 3, 4, 5)),
        np.zeros((0, 3)),
        np.array([[1.0, np.inf], [2.0, 3.0]]),
        np.ma.masked_greater([[1.0, 5.0], [2.0, 3.0]], 4.0),
        xr.Dataset({"a": ("x", [1.0]), "b": ("x", [1.0])}),
        None,
    ],
    ids=["text", "ragged", "complex", "1d", "4d", "empty", "inf", "masked", "two", "none"],
)
def test_states_that_are_none(states: Any) -> None:
    with pytest.raises(SpecError):
        linear_probe(states, [0, 1], groups=[0, 1])
    with pytest.raises(SpecError):
        step_dictionary(states, 2)
    with pytest.raises(SpecError):
        match_features(states, [0, 1])
    with pytest.raises(SpecError):
        readout_lens(states, np.eye(2))


def test_pads_must_be_whole() -> None:
    states, label = texts()
    states[3, 5, 7] = np.nan
    with pytest.raises(SpecError, match=r"finite, at index \(3, 5, 7\)"):
        linear_probe(states, label, groups=np.arange(40))
