"""Pictures of probes show the numbers that they were given, with names and units on their axes."""

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


def lens() -> xr.Dataset:
    draw = np.random.default_rng(0)
    dims = ("trial", "token", "layer")
    values = {name: (dims, draw.random((2, 5, 3))) for name in ("kl", "entropy", "rank", "probability")}
    values["top"] = (dims, draw.integers(9, size=(2, 5, 3)))
    values["kl"][1][1, 4] = np.nan
    values["top"][1][1, 4] = -1
    return xr.Dataset(values, coords={"layer": range(3), "token": range(5)})


def test_a_lens_shows_each_layer_at_each_token(tmp_path: Path) -> None:
    found = lens()
    ax = saved(arc.plot.lens_map(found, trial=1, words=lambda k: f"w{k}"), tmp_path)
    np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), found.kl[1].values.T)
    assert [text.get_text() for text in ax.texts][:2] == [f"w{k}" for k in found.top[1, :2, 0].values]
    assert len(ax.texts) == 12
    assert ax.figure.axes[1].get_ylabel() == "divergence from the answer (nat)"
    assert arc.plot.lens_map(found, score="rank").figure.axes[1].get_ylabel() == "rank of the target"
    with pytest.raises(SpecError, match="trial"):
        arc.plot.lens_map(found, trial=2)
    with pytest.raises(UnknownNameError):
        arc.plot.lens_map(found, score="kll")


def test_bars_add_up(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 20))
    names = [f"part {k}" for k in range(20)]
    found = xr.Dataset(
        {"contribution": (("trial", "token", "component"), values)},
        coords={"component": names},
        attrs={"quantity": "logit difference"},
    )
    ax = saved(arc.plot.attribution_bars(found, trial=1, token=-2, n_parts=6), tmp_path)
    widths = [bar.get_width() for bar in ax.patches]
    assert len(widths) == 7
    assert sum(widths) == pytest.approx(values[1, 1].sum())
    assert (np.diff(np.abs(widths[:6])) <= 0).all()
    assert ax.get_yticklabels()[0].get_text() == names[int(np.abs(values[1, 1]).argmax())]
    assert ax.get_xlabel() == "contribution to the logit difference"
    found.contribution[0, 0] = np.nan
    assert "pad" in arc.plot.attribution_bars(found, token=0).texts[0].get_text()


def test_heads_are_where_they_are(tmp_path: Path) -> None:
    table = np.random.default_rng(0).random((4, 3))
    found = xr.Dataset(
        dict.fromkeys(("induction", "previous_token"), (("layer", "head"), table)),
        coords={"layer": [0, 1, 2, 5], "head": range(3)},
    )
    ax = saved(arc.plot.head_map(found), tmp_path)
    np.testing.assert_array_equal(ax.images[0].get_array(), table)
    k, h = np.unravel_index(table.argmax(), table.shape)
    assert ax.get_title().startswith(f"highest: {[0, 1, 2, 5][k]}.{h}")
    assert "do not repeat" in arc.plot.head_map(found * np.nan).texts[0].get_text()
    with pytest.raises(SpecError):
        arc.plot.head_map(found.isel(layer=0))


def test_a_profile_shows_chance_and_control(tmp_path: Path) -> None:
    parts = ("score", "chance", "instances", "control", "selectivity")
    values = {
        f"{name}{end}": ("site", np.full(3, 0.2 * k + add))
        for k, name in enumerate(parts)
        for end, add in (("", 0.1), ("_low", 0.05), ("_high", 0.2))
    }
    found = xr.Dataset(values, coords={"site": ["a", "b", "c"]}, attrs={"score": "accuracy"})
    ax = saved(arc.plot.probe_profile(found), tmp_path)
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["chance", "texts not seen", "instances not seen", "control task"]
    assert ax.get_ylabel() == "accuracy"
    alone = found.isel(site=0, drop=True).assign(control=np.nan, instances=np.nan)
    ax = arc.plot.probe_profile(alone)
    assert ax.get_legend_handles_labels()[1] == ["chance", "texts not seen"]
    with pytest.raises(UnknownNameError):
        arc.plot.probe_profile(found.drop_vars("score"))
