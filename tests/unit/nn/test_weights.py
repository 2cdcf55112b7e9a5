"""Trained models that come with the package: every row of signs, with torch and without, and bad files."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcuate import ctm, datasets
from arcuate.errors import FileFormatError, StoreError, UnknownNameError

torch = pytest.importorskip("torch")

from arcuate.nn import (  # noqa: E402
    ContinuousThoughtMachine,
    SeriesThoughtMachine,
    TinyTransformer,
    residual_backbone,
    shipped,
    write_weights,
)

pytestmark = pytest.mark.torch

ATTENDING = {"n_outputs": 3, "n_ticks": 2, "n_neurons": 16, "width": 4, "heads": 2, "n_out": 4, "n_action": 4}
BACKBONE = {"n_inputs": 4, "channels": 6, "blocks": 1, "stride": 2}
SETTINGS = {"n_outputs": 3, "n_ticks": 4, "n_neurons": 16, "width": 2, "heads": 0, "n_out": 4}
ROWS = np.array(list(itertools.product((1.0, -1.0), repeat=8)))


def answers(thought: ctm.Thought) -> np.ndarray:
    """Of each place, at the most certain tick."""
    tick = np.asarray(thought.certainties)[:, 1].argmax(axis=1)
    y = np.asarray(thought.predictions)[np.arange(len(tick)), :, tick]
    return y.reshape(len(y), -1, 2).argmax(axis=2)


def test_all_rows_of_8_signs_are_answered_right_with_torch_and_without() -> None:
    odd = np.cumprod(ROWS, axis=1) < 0
    model, told = shipped("ctm_parity_8"), datasets.attributes("ctm_parity_8")["settings"]
    assert not model.training
    with torch.no_grad():
        seen = model(torch.from_numpy(ROWS))
    alone = ctm.forward(
        ROWS,
        datasets.load("ctm_parity_8"),
        ticks=told["n_ticks"],
        heads=told["heads"],
        shape=told["shape"],
        precision="float32",
    )
    assert (answers(seen) == odd).all()
    assert (answers(alone) == odd).all()
    np.testing.assert_allclose(np.asarray(seen.predictions), alone.predictions, rtol=1e-3, atol=1e-3)


def folder(place: Path, told: Any, model: Any = None) -> Path:
    """A folder with a file of weights, and its manifest."""
    write_weights(model or ContinuousThoughtMachine(**SETTINGS), place / "w.safetensors", told=told)
    content = (place / "w.safetensors").read_bytes()
    table = {
        "file": "w.safetensors", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(),
        "license": "CC0-1.0", "origin": "here", "made_by": "this test", "description": "a small model",
    }  # fmt: skip
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    (place / "MANIFEST.toml").write_text("[small]\n" + "\n".join(lines) + "\n")
    return place


def test_a_transformer_comes_back_as_it_was_written(tmp_path: Path) -> None:
    settings = {"n_outputs": 5, "n_tokens": 7, "d_model": 8, "n_layers": 2, "n_heads": 2, "max_tokens": 4}
    model = TinyTransformer(**settings, seed=3)
    again, words = shipped("small", folder=folder(tmp_path, {"settings": settings}, model)), [[1, 6, 0]]
    assert not again.training and torch.equal(again(words), model.eval()(words))


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    model = ContinuousThoughtMachine(**SETTINGS, seed=4)
    again = shipped("small", folder=folder(tmp_path, {"settings": SETTINGS}, model))
    x = torch.ones(2, 2)
    assert torch.equal(again(x).predictions, model(x).predictions)


def test_a_residual_backbone_is_built_from_its_table(tmp_path: Path) -> None:
    settings = ATTENDING | {"n_features": 6}
    model = ContinuousThoughtMachine(**settings, backbone=residual_backbone(**BACKBONE, seed=3))
    x = torch.rand(5, 4, 9, 9)
    model(x)  # moves the running means of the batch norms
    again = shipped("small", folder=folder(tmp_path, {"settings": settings | {"backbone": BACKBONE}}, model))
    assert torch.equal(again(x).predictions, model.eval()(x).predictions)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"settings": 5},
        {"settings": SETTINGS | {"neurons": 3}},
        {"settings": SETTINGS | {"n_neurons": 17}},
        {"settings": SETTINGS | {"n_neurons": "many"}},
        {"settings": {"n_outputs": 3}},
        {"settings": SETTINGS | {"backbone": {"depth": 3}}},
    ],
    ids=str,
)
def test_weights_of_other_settings_are_refused(tmp_path: Path, told: Any) -> None:
    with pytest.raises(FileFormatError, match="settings"):
        shipped("small", folder=folder(tmp_path, told))


def test_damage_a_missing_file_and_a_misspelt_name_are_told(tmp_path: Path) -> None:
    place = folder(tmp_path, {"settings": SETTINGS})
    content = bytearray((place / "w.safetensors").read_bytes())
    content[-1] ^= 1
    (place / "w.safetensors").write_bytes(content)
    with pytest.raises(FileFormatError, match="not the file of the manifest"):
        shipped("small", folder=place)
    (place / "w.safetensors").unlink()
    with pytest.raises(FileFormatError, match="does not exist"):
        shipped("small", folder=place)
    with pytest.raises(UnknownNameError, match="ctm_parity_8"):
        shipped("ctm_parity_9")
    with pytest.raises(StoreError, match="cannot be written"):
        write_weights(ContinuousThoughtMachine(**SETTINGS), place / "no" / "a.safetensors", told={})


def test_machines_whose_input_goes_on_are_read_again_as_what_they_are(tmp_path: Path) -> None:
    settings = {"n_outputs": 3, "width": 2, "n_neurons": 16, "n_out": 4, "history": 3, "ticks_per_row": 2}
    model = SeriesThoughtMachine(**settings, seed=4)
    again = shipped("small", folder=folder(tmp_path, {"settings": settings}, model))
    assert type(again) is SeriesThoughtMachine
    x = torch.ones(2, 5, 2)
    assert torch.equal(again(x).predictions, model.eval()(x).predictions)


@pytest.mark.parametrize("kind", ["Sequential", ["x"]], ids=str)
def test_weights_of_another_kind_are_refused(tmp_path: Path, kind: Any) -> None:
    with pytest.raises(FileFormatError, match="settings"):
        shipped("small", folder=folder(tmp_path, {"settings": SETTINGS, "kind": kind}))
