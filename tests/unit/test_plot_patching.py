"""Pictures of cutting, patching and pushing show the numbers that they were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import arcuate as arc
from arcuate.errors import SpecError, UnknownNameError

pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close() -> Any:
    yield
    pyplot.close("all")


def saved(ax: Any, path: Path) -> Any:
    assert ax.get_xlabel()
    ax.figure.savefig(path / "one.png", dpi=60)
    assert (path / "one.png").stat().st_size > 2000
    return ax


def patched(*dims: str) -> xr.Dataset:
    sizes = {"direction": ["denoise", "noise"], "site": ["blocks.0.attn.z", "blocks.1.attn.z", "embed"]}
    sizes |= {"position": [0, 1, 2, 3], "head": [-1, 0, 1]}
    dims = ("direction", "site", *dims)
    shape = [len(sizes[dim]) for dim in dims]
    values = np.random.default_rng(0).standard_normal(shape)
    return xr.Dataset({"effect": (dims, values)}, {dim: sizes[dim] for dim in dims})


def test_a_map_of_patches(tmp_path: Path) -> None:
    found = patched("position")
    ax = saved(arc.plot.patching_map(found, direction="noise"), tmp_path)
    np.testing.assert_array_equal(ax.images[0].get_array(), found.effect[1].values)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("position", "site")
    assert ax.figure.axes[1].get_ylabel() == "effect (noise, 1: all)"
    assert ax.images[0].norm.vmin == -ax.images[0].norm.vmax
    heads = saved(arc.plot.patching_map(patched("head")), tmp_path)
    assert [tick.get_text() for tick in heads.get_xticklabels()] == ["none", "0", "1"]
    both = patched("position", "head")
    ax = arc.plot.patching_map(both, head=1)
    np.testing.assert_array_equal(ax.images[0].get_array(), both.effect[0, :, :, 2].values)
    assert saved(arc.plot.patching_map(patched()), tmp_path).images[0].get_array().shape == (3, 1)
    with pytest.raises(SpecError, match="must be one of -1, 0, 1"):
        arc.plot.patching_map(both)
    with pytest.raises(UnknownNameError, match="denoise"):
        arc.plot.patching_map(found, direction="denoised")
    empty = found.assign(effect=found.effect * np.nan)
    assert arc.plot.patching_map(empty).texts[0].get_text() == "nothing was patched here"


def ablated(**more: Any) -> xr.Dataset:
    return xr.Dataset({"effect": -0.5, **more}, attrs={"removed": "0.1 0.2"})


def test_bars_of_ablations(tmp_path: Path) -> None:
    null = np.linspace(-0.2, 0.2, 21)
    one = ablated(random_effect=("set", null), p=1 / 22)
    ax = saved(arc.plot.ablation_effects({"these": one, "those": ablated()}), tmp_path)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["these", "those"]
    assert ax.patches[0].get_width() == -0.5
    np.testing.assert_allclose(ax.lines[0].get_xdata(), null)
    band = ax.patches[1]
    np.testing.assert_allclose(
        [band.get_x(), band.get_x() + band.get_width()], np.percentile(null, (2.5, 97.5))
    )
    assert [text.get_text() for text in ax.texts] == ["p = 0.0455"]
    assert [tick.get_text() for tick in arc.plot.ablation_effects(one).get_yticklabels()] == ["0.1 0.2"]
    assert arc.plot.ablation_effects({}).texts[0].get_text() == "no ablations in this result"
    with pytest.raises((SpecError, UnknownNameError)):
        arc.plot.ablation_effects({"these": {"p": 3}})


def test_doses(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dose = np.array([0.5, 0.0, 1.0])
    parts: dict[str, Any] = {
        name: (("dose", "trial"), rng.random((3, 4))) for name in ("metric", "kl", "entropy")
    }
    parts |= {
        f"random_{name}": (("direction", "dose"), rng.random((25, 3))) for name in ("metric", "kl", "entropy")
    }
    parts |= {name: ("dose", rng.random(3)) for name in ("off_target", "off_target_kl")}
    found = xr.Dataset(parts, {"dose": dose})
    for score, curves in (("metric", 3), ("kl", 3), ("entropy", 2)):
        ax = saved(arc.plot.dose_response(found, score=score), tmp_path)
        assert len(ax.lines) == curves
        np.testing.assert_allclose(ax.lines[1].get_xdata(), [0.0, 0.5, 1.0])
        np.testing.assert_allclose(ax.lines[1].get_ydata(), found[score].mean("trial").values[[1, 0, 2]])
    assert ax.get_ylabel() == "entropy (nat)"
    assert len(arc.plot.dose_response(found[["metric"]], label="answers").lines) == 1
    with pytest.raises(SpecError, match="score"):
        arc.plot.dose_response(found, score="loss")
