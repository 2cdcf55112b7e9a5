"""Codes of position, place by place from their definitions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcuate import ctm
from arcuate.errors import CapabilityError, SpecError

RNG = np.random.default_rng(6)
ROTATIONAL = {
    "start_vector": np.array([0.3, 1.2]),
    "projection.0.weight": RNG.normal(size=(5, 4)),
    "projection.0.bias": RNG.normal(size=5),
}


def fourier() -> dict[str, np.ndarray]:
    return {
        "Wr.weight": RNG.normal(size=(3, 2)),
        "mlp.0.weight": RNG.normal(size=(8, 6)),
        "mlp.0.bias": RNG.normal(size=8),
        "mlp.2.weight": RNG.normal(size=(5, 4)),
        "mlp.2.bias": RNG.normal(size=5),
        "mlp.3.weight": RNG.normal(size=5),
        "mlp.3.bias": RNG.normal(size=5),
    }


def turn(start: np.ndarray, angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]]) @ start


def test_rotations_of_a_square_image() -> None:
    code = ctm.positional_code((4, 4), ROTATIONAL)
    for row in range(4):
        for column in range(4):
            vectors = [turn(ROTATIONAL["start_vector"], math.pi * k / 3) for k in (row, column)]
            expected = ROTATIONAL["projection.0.weight"] @ np.concatenate(vectors)
            expected += ROTATIONAL["projection.0.bias"]
            np.testing.assert_allclose(code[4 * row + column], expected, rtol=1e-12, atol=1e-14)


def one_place(part: dict[str, np.ndarray], x: float, y: float) -> np.ndarray:
    phase = part["Wr.weight"] @ [x, y]
    waves = np.concatenate((np.cos(phase), np.sin(phase))) / math.sqrt(6)
    u = part["mlp.0.weight"] @ waves + part["mlp.0.bias"]
    hidden = u[:4] / (1 + np.exp(-u[4:]))
    out = part["mlp.2.weight"] @ hidden + part["mlp.2.bias"]
    return (out - out.mean()) / np.sqrt(out.var() + 1e-5) * part["mlp.3.weight"] + part["mlp.3.bias"]


def test_fourier_features_and_their_mixture() -> None:
    parts = [fourier(), fourier()]
    mixture = {f"embedders.{k}.{name}": value for k, part in enumerate(parts) for name, value in part.items()}
    mixture["combination"] = np.log([1.0, 3.0])
    alone, mixed = ctm.positional_code((3, 5), parts[0]), ctm.positional_code((3, 5), mixture)
    for row in range(3):
        for column in range(5):
            one, two = (one_place(part, column / 4, row / 2) for part in parts)
            np.testing.assert_allclose(alone[5 * row + column], one, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(
                mixed[5 * row + column], 0.25 * one + 0.75 * two, rtol=1e-12, atol=1e-13
            )


@pytest.mark.torch
@pytest.mark.parametrize(("grid", "part"), [((4, 4), ROTATIONAL), ((3, 5), fourier())])
def test_torch_gives_the_same(grid: tuple[int, int], part: Any) -> None:
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(value) for name, value in part.items()}
    found = ctm.positional_code(grid, tensors).numpy()
    np.testing.assert_allclose(found, ctm.positional_code(grid, part), rtol=1e-12, atol=1e-14)


def test_grids_that_do_not_fit() -> None:
    row = {"projection.weight": np.ones((5, 2)), "projection.bias": np.zeros(5)}
    for grid, part in (((3, 4), ROTATIONAL), ((4,), ROTATIONAL), ((4, 1), fourier()), ((2, 2), row)):
        with pytest.raises(SpecError, match="grid"):
            ctm.positional_code(grid, part)
    with pytest.raises(CapabilityError, match=r"table\.weight"):
        ctm.positional_code((4,), {"table.weight": np.ones(3)})


def test_a_thought_adds_the_code_to_its_features() -> None:
    path = Path(__file__).parents[2] / "data" / "ctm" / "ctm_feat2d_pairing_unet3_lnnlm.npz"
    with np.load(path) as file:
        w, x = {name[2:]: file[name] for name in file.files if name.startswith("w/")}, file["in/x"]
    part = fourier()
    part |= {name: RNG.normal(size=(6, *part[name].shape[1:])) for name in part if name[4:5] in "23"}
    code = ctm.positional_code(x.shape[2:], part)
    added = x + code.T.reshape(1, *x.shape[1:])
    expected = ctm.forward(added, w, ticks=3)
    coded = w | {f"positional_embedding.{name}": value for name, value in part.items()}
    np.testing.assert_allclose(ctm.forward(x, coded, ticks=3).predictions, expected.predictions, rtol=1e-9)
    with pytest.raises(SpecError, match=r"mlp\.3\.bias"):
        ctm.forward(x, coded | {"positional_embedding.mlp.3.bias": np.ones(7)}, ticks=3)
