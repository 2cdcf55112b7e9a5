"""Affinities against their formulas, written out pair by pair; bad traces by name."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import xarray as xr

from arcuate.connectome import AFFINITIES, SharedEvents, affinity, affinity_product
from arcuate.errors import MemoryLimitError, SpecError, UnitsError, UnknownNameError

RATE = 4.0
FRAMES = {"2 s": 9, "15 s": 61}


def drawn(n: int = 6, animals: int = 2, frames: int = 120, missing: float = 0.0) -> xr.DataArray:
    task = SharedEvents(n_neurons=n, n_animals=animals, n_frames=frames, size=3, missing=missing)
    return task.draw(4).traces


def slopes(x: np.ndarray, frames: int, rate: float) -> np.ndarray:
    """Slope of the parabola through a window by least squares; at the ends of the one through the last."""
    half, n = frames // 2, len(x)
    out = np.empty(n)
    for t in range(n):
        middle = min(max(t, half), n - 1 - half)
        at = np.arange(middle - half, middle + half + 1)
        out[t] = np.polyval(np.polyder(np.polyfit((at - t) / rate, x[at], 2)), 0.0)
    return out


def truth(kind: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Affinity of one pair, as the formula says it."""
    if kind == "edge_series":
        a, b = ((v - v.mean()) / v.std() for v in (x, y))
        return np.maximum(a * b, 0)
    if kind == "coactivity":
        a, b = (np.maximum(v - np.percentile(v, 20), 0) for v in (x, y))
        return np.sqrt(a / a.max() * b / b.max())
    if kind == "sliding":
        half, n = FRAMES["15 s"] // 2, len(x)
        parts = [slice(max(t - half, 0), t + half + 1) for t in range(n)]
        return np.array([max(np.corrcoef(x[part], y[part])[0, 1], 0) for part in parts])
    a, b = (slopes(v, FRAMES["2 s"], RATE) for v in (x, y))
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    if kind == "comotion":
        return np.sqrt(np.maximum(a * b, 0))
    if kind == "corise":
        return np.sqrt(np.maximum(a, 0) * np.maximum(b, 0))
    if kind == "slope_product":
        return np.maximum(a * b, 0)
    return np.where(a * b > 0, np.minimum(np.abs(a), np.abs(b)), 0)


@pytest.mark.parametrize("kind", AFFINITIES)
def test_each_kind_is_its_formula(kind: str) -> None:
    traces = drawn()
    found = affinity(traces, kind)
    assert found.dims == ("pair", "time", "animal")
    assert found.attrs["kind"] == kind
    assert (found.values >= 0).all()
    for pair in (0, 7, 14):
        for animal in range(2):
            first, second = (str(found[side].values[pair]) for side in ("first", "second"))
            x, y = (traces.sel(neuron=name).values[animal] for name in (first, second))
            np.testing.assert_allclose(found.values[pair, :, animal], truth(kind, x, y), atol=2e-8)


@pytest.mark.parametrize("kind", AFFINITIES)
def test_pairs_of_missing_neurons_are_nan_and_nothing_else(kind: str) -> None:
    traces = drawn(n=8, animals=5, missing=0.3)
    gone = traces.isnull().all("time").values
    assert gone.any()
    first, second = np.triu_indices(8, 1)
    lacking = (gone[:, first] | gone[:, second]).T
    holes = np.isnan(affinity(traces, kind).values)
    assert (holes.all(axis=1) == lacking).all()
    assert (holes.any(axis=1) == lacking).all()


@pytest.mark.parametrize("kind", AFFINITIES)
def test_units_of_traces_and_order_of_neurons_do_not_matter(kind: str) -> None:
    traces = drawn(animals=1)
    found = affinity(traces, kind).values[:, :, 0]
    np.testing.assert_allclose(affinity(traces * 250.0 + 3.0, kind).values[:, :, 0], found, atol=1e-6)
    turned = affinity(traces.isel(neuron=slice(None, None, -1)), kind)
    first, second = turned["first"].values, turned["second"].values
    place = {frozenset(pair): k for k, pair in enumerate(zip(first, second, strict=True))}
    pairs = affinity(traces, kind)
    rows = [
        place[frozenset(pair)] for pair in zip(pairs["first"].values, pairs["second"].values, strict=True)
    ]
    np.testing.assert_allclose(turned.values[rows, :, 0], found, atol=1e-12)


@pytest.mark.parametrize("kind", [kind for kind in AFFINITIES if kind not in ("slope_min", "sliding")])
def test_products_are_the_affinities(kind: str) -> None:
    traces = drawn(n=8, animals=4, missing=0.3)
    pairs = affinity(traces, kind)
    for animal in pairs.animal.values:
        product = affinity_product(traces, kind, animal=str(animal))
        names = traces.sel(animal=animal).dropna("neuron").neuron.values.tolist()
        assert list(product.labels or ()) == names
        dense = product.to_dense()
        whole = pairs.sel(animal=animal).dropna("pair")
        assert len(whole) == len(names) * (len(names) - 1) // 2
        first, second = ([names.index(name) for name in whole[side].values] for side in ("first", "second"))
        np.testing.assert_allclose(dense[first, second], whole.values, rtol=0, atol=1e-12)


def test_products_of_what_is_none_are_refused() -> None:
    traces = drawn()
    with pytest.raises(SpecError, match="is no sum of products"):
        affinity_product(traces, "slope_min")
    with pytest.raises(SpecError, match="there are 2 animals"):
        affinity_product(traces)
    with pytest.raises(UnknownNameError, match="animal 1"):
        affinity_product(traces, animal="animal 11")


def test_slopes_that_oppose_have_no_affinity() -> None:
    time = np.arange(80) / RATE
    up = np.sin(time)
    traces = xr.DataArray(
        np.stack((up, up, -up)),
        dims=("neuron", "time"),
        coords={"neuron": ["a", "b", "c"], "time": time},
    )
    for kind in ("comotion", "corise", "slope_product", "slope_min", "edge_series", "sliding"):
        together, *opposed = affinity(traces, kind).values[:, :, 0]
        assert together.max() > 0.9, kind
        assert np.abs(opposed).max() < 1e-12, kind


def test_a_window_without_any_change_has_no_correlation() -> None:
    traces = drawn(animals=1)
    traces.values[0, 0, 30:110] = traces.values[0, 0, 30]
    found = affinity(traces, "sliding", window="5 s").sel(animal="animal 0")
    still = found.values[:5, 45:95]
    assert (still == 0).all()
    assert (found.values >= 0).all() and (found.values <= 1).all()


def test_one_artefact_moves_the_percentile_less_than_the_maximum() -> None:
    traces = drawn(animals=1, frames=4000)
    clean = {scale: affinity(traces, scale=scale).values for scale in ("max", "percentile")}
    traces.values[0, 0, 500] += 100.0
    change = {
        scale: np.abs(affinity(traces, scale=scale).values - clean[scale])[:5, :480].max()
        for scale in ("max", "percentile")
    }
    assert change["percentile"] < 0.2 * change["max"]


def test_smoothing_takes_noise_away() -> None:
    task = {"n_animals": 2, "noise": 0.3}
    noisy, clean = (SharedEvents(**{**task, "noise": sd}).draw(2).traces for sd in (0.3, 0.0))
    wanted = affinity(clean).values
    rough, smooth = (np.corrcoef(affinity(noisy, smooth=sd).values.ravel(), wanted.ravel())[0, 1]
                     for sd in ("0 s", "1 s"))  # fmt: skip
    assert smooth > rough + 0.05


def test_what_cannot_be_computed_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = drawn()
    with pytest.raises(UnknownNameError, match="comotion"):
        affinity(traces, "comotions")
    with pytest.raises(UnknownNameError, match="percentile"):
        affinity(traces, scale="percentil")
    with pytest.raises(UnitsError, match="window"):
        affinity(traces, window=2)
    with pytest.raises(SpecError, match="161 frames, more than the 120"):
        affinity(traces, window="40 s")
    with pytest.raises(SpecError, match="two neurons"):
        affinity(traces.isel(neuron=[0]))
    with pytest.raises(SpecError, match="orientation is never guessed"):
        affinity(traces.values)
    hole = traces.copy()
    hole[1, 2, 5:9] = np.nan
    with pytest.raises(SpecError, match="'N2' of animal 'animal 1' has 4 NaN in a row"):
        affinity(hole)
    flat = traces.copy()
    flat[0, 3] = 1.0
    with pytest.raises(SpecError, match="'N3' of animal 'animal 0' never changes"):
        affinity(flat)
    monkeypatch.setattr(import_module("arcuate.connectome.affinity"), "LARGEST", 1000)
    with pytest.raises(MemoryLimitError, match="6 neurons"):
        affinity(traces)
