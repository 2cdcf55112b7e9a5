"""Pictures over depth are drawn, labeled, and show what the result holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate import plot
from arcuate.errors import SpecError
from arcuate.probes import activation_ratio, find_voids, fit_growth

STATES = np.random.default_rng(0).normal(size=(2, 6, 5, 4))


def saved(ax: Any, path: Path) -> None:
    assert ax.get_xlabel() and ax.get_ylabel()
    ax.figure.savefig(path)
    assert path.stat().st_size > 3000


def test_voids(tmp_path: Path) -> None:
    states = STATES.copy()
    states[1, 4:] = np.nan
    result = find_voids(states)
    ax = plot.voids(result, trial=1, prompt=2)
    saved(ax, tmp_path / "a.png")
    shown = ax.collections[0].get_array()
    np.testing.assert_array_equal(shown.mask.any(0), [False] * 4 + [True] * 2)
    np.testing.assert_array_equal(shown[:, :4], result["active"].values[1, :4].T)
    with pytest.raises(SpecError, match="trial"):
        plot.voids(result, trial=2)
    ticks = find_voids(xr.DataArray(STATES[:, 0], dims=("trial", "tick", "unit")))
    ax = plot.voids(ticks)
    assert ax.get_xlabel() == "trial" and ax.get_ylabel() == "tick"
    saved(ax, tmp_path / "b.png")


def test_skip_curve(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"kept": ("alpha", [0.9, 0.5]), "score": ("alpha", [1.0, 0.8]), "whole": 1.0}
    columns["random"] = (("alpha", "draw"), [[0.9, 0.8], [0.2, 0.4]])
    ax = plot.skip_curve(xr.Dataset(columns, {"alpha": [0.1, 0.8]}), score="accuracy")
    saved(ax, tmp_path / "a.png")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.3, 0.85])
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [0.5, 0.9])


def test_activation_ratio(tmp_path: Path) -> None:
    sites = {f"blocks.{i}.resid_post": STATES[:, :, i] for i in range(3)}
    result = activation_ratio(sites, above=3)
    ax = plot.activation_ratio(result)
    saved(ax, tmp_path / "a.png")
    np.testing.assert_allclose(ax.lines[2].get_ydata(), result["ratio"])
    assert [label.get_text() for label in ax.get_xticklabels()] == list(sites)
    with pytest.raises(SpecError):
        plot.activation_ratio({"other": 1})


def test_activation_growth(tmp_path: Path) -> None:
    step = np.linspace(0, 1000, 40)
    x = 0.1 * step + 1.5
    early = fit_growth(step, 40 * np.exp(-0.05 * x) * np.log(x), n_starts=4, n_resamples=0)
    late = fit_growth(step, np.log(x), n_starts=4, n_resamples=0)
    ax = plot.activation_growth({"blocks.0": early, "blocks.1": late})
    saved(ax, tmp_path / "a.png")
    assert early.peak_inside and not late.peak_inside and len(ax.lines) == 5
    with pytest.raises(SpecError, match="at least one fit"):
        plot.activation_growth({})
