"""Measures of spike trains give the numbers of elephant 1.2.1, also where there are hardly any spikes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcuate.analysis import (
    count_correlation,
    cross_correlation_histogram,
    fano_factor,
    filtered_rates,
    isi_cv,
    local_variation,
    rates,
    spike_counts,
    spike_synchrony,
    synchrony_matrix,
    van_rossum_distance,
    victor_purpura_distance,
)
from arcuate.errors import RecordingError

with np.load(Path(__file__).resolve().parents[1] / "data/analysis/spikes_elephant.npz") as file:
    GOLDEN = dict(file)

TRAINS = (
    "poisson",
    "regular_gamma",
    "bursty_gamma",
    "bursts",
    "jittered_copy_of_poisson",
    "clock",
    "two",
    "three",
    "one",
    "empty",
    "at_edges",
)
SIX = TRAINS[:6]
SHORT = ("two", "one", "empty")
PAIRS = ("poisson__jittered_copy_of_poisson", "bursts__poisson", "regular_gamma__clock")
DURATION = 2.0


def population(names: tuple[str, ...] = TRAINS) -> dict[str, Any]:
    parts = [GOLDEN[f"in/{name}"] for name in names]
    return {
        "source": np.concatenate(parts),
        "neuron": np.repeat(np.arange(len(names)), [part.size for part in parts]),
        "n_neurons": len(names),
        "duration": DURATION,
    }


def close(found: Any, key: str) -> None:
    np.testing.assert_allclose(found, GOLDEN[f"out/{key}"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", TRAINS)
def test_rates_and_intervals_are_theirs(name: str) -> None:
    times = GOLDEN[f"in/{name}"]
    close(rates(times, duration=DURATION)[0], f"{name}/mean_rate_hz")
    close(isi_cv(times, min_intervals=1)[0], f"{name}/cv")
    counts = spike_counts(times, bin_width="10 ms", duration=DURATION)[:, 0]
    np.testing.assert_array_equal(counts, GOLDEN[f"out/{name}/counts_10ms"])


@pytest.mark.parametrize("name", [name for name in TRAINS if name not in SHORT])
def test_rates_through_a_gaussian_are_theirs(name: str) -> None:
    times = np.arange(400) * 0.005  # they bin spikes by the sampling period; the last bin is closed
    place = np.minimum(np.floor(GOLDEN[f"in/{name}"] / 0.005 * (1 + 1e-12)), 399)
    found = filtered_rates(place * 0.005, times=times, tau="20 ms", model="gaussian")
    np.testing.assert_allclose(found[:, 0], GOLDEN[f"out/{name}/rate_gauss20ms"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in TRAINS if name not in SHORT])
def test_local_variation_is_theirs(name: str) -> None:
    found = local_variation(GOLDEN[f"in/{name}"])
    close(found.cv2[0], f"{name}/cv2")
    close(found.lv[0], f"{name}/lv")
    close(found.lvr[0], f"{name}/lvr_5ms")
    close(local_variation(GOLDEN[f"in/{name}"], refractory="2 ms").lvr[0], f"{name}/lvr_2ms")


@pytest.mark.parametrize("name", SHORT)
def test_too_few_spikes_are_refused_where_they_refuse_and_nan_beside_others(name: str) -> None:
    with pytest.raises(RecordingError, match="3 spikes or more; there is none"):
        local_variation(GOLDEN[f"in/{name}"])
    both = population(("poisson", name))
    del both["duration"]
    found = local_variation(**both)
    assert np.isnan(found.cv2[1]) and np.isnan(GOLDEN[f"out/{name}/cv2_with_nan"])
    assert np.isnan(found.lv[1]) and np.isnan(GOLDEN[f"out/{name}/lv_with_nan"])
    close(found.cv2[0], "poisson/cv2")


@pytest.mark.parametrize("group", ["poisson", "regular", "bursty"])
def test_fano_factors_over_trials_are_theirs(group: str) -> None:
    trials = [GOLDEN[f"in/fano_{group}/{k}"] for k in range(15)]
    times = np.concatenate([trial + DURATION * k for k, trial in enumerate(trials)])
    found = fano_factor(times, windows=f"{DURATION} s", duration=15 * DURATION, ddof=0)
    close(found.fano[0, 0], f"fano_{group}")


def test_the_tiling_coefficients_are_theirs() -> None:
    for k, width in enumerate(GOLDEN["in/sttc_dt_s"].tolist()):
        found = synchrony_matrix(spike_synchrony(**population(), width=f"{width} s").sttc)
        np.testing.assert_allclose(found, GOLDEN["out/sttc"][k], rtol=1e-10, atol=1e-12)


def test_distances_are_theirs() -> None:
    found = victor_purpura_distance(**population(SIX), cost="20 Hz")
    close(synchrony_matrix(found.distance), "victor_purpura_q20")
    found = van_rossum_distance(**population(SIX), tau="20 ms")
    expected = GOLDEN["out/van_rossum_tau20ms"]
    np.testing.assert_allclose(synchrony_matrix(found.distance), expected, rtol=1e-10, atol=3e-7)


@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("binary", [False, True])
def test_correlations_of_counts_are_theirs(width: int, binary: bool) -> None:
    options: dict[str, Any] = {"bin_width": f"{width} ms", "binary": binary}
    for kind, key in (("correlation", "corrcoef"), ("covariance", "covariance")):
        found = count_correlation(**population(SIX), kind=kind, **options)
        close(synchrony_matrix(found[kind]), f"{key}_{width}ms" + "_binary" * binary)
    counts = spike_counts(**population(SIX), bin_width=f"{width} ms")
    np.testing.assert_array_equal(counts.T, GOLDEN[f"in/counts_{width}ms"])


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("width", [1, 5])
def test_cross_correlation_histograms_are_theirs(pair: str, width: int) -> None:
    i, j = (TRAINS.index(name) for name in pair.split("__"))
    variants: dict[str, dict[str, Any]] = {
        "win20": {"window": f"{20 * width} ms"},
        "win20_border": {"window": f"{20 * width} ms", "scale": "corrected"},
        "win20_binary": {"window": f"{20 * width} ms", "binary": True},
        "win20_coef": {"window": f"{20 * width} ms", "scale": "coefficient"},
        "asym": {"window": (f"{-5 * width} ms", f"{30 * width} ms")},
        "valid": {"window": "0 s"},
    }
    if width == 5:
        variants["full"] = {"window": "1.995 s"}
    for name, options in variants.items():
        found = cross_correlation_histogram(
            **population(), pairs=[[i], [j]], bin_width=f"{width} ms", **options
        )
        key = f"out/cch_{width}ms/{pair}/{name}"
        values = found[options.get("scale", "count")].values[0]
        np.testing.assert_allclose(found.lag / (width * 1e-3), GOLDEN[f"{key}/lags"], atol=1e-9)
        if "scale" in options:
            np.testing.assert_allclose(values, GOLDEN[f"{key}/memory"], rtol=1e-10, atol=1e-12)
        else:
            np.testing.assert_array_equal(values, GOLDEN[f"{key}/memory"])


def test_fano_of_no_spikes_is_refused_and_nan_beside_others() -> None:
    assert np.isnan(GOLDEN["out/fano_all_empty"])
    with pytest.raises(RecordingError, match="a spike"):
        fano_factor([], windows="1 s", duration=DURATION)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fano_factor(**population(("poisson", "empty")), windows="500 ms")
    assert np.isnan(found.fano[1, 0]) and np.isfinite(found["mean"][0])
