"""Bad inputs of spike analyses: our error, the argument's name, the bound, the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate import analysis
from arcuate.errors import ArcuateError, ArcuateWarning, MemoryLimitError

ONE = {"duration": "1 s"}
TWO = {"neuron": [0, 1], "n_neurons": 2, "duration": "1 s"}
NAN = float("nan")
ZEROS = np.zeros((20, 2))
K = np.arange(40) / 3
WAVES = np.stack([np.sin(K), np.sin(2 * K)], axis=1)
SILENT = WAVES * [1.0, 0.0] + [0.0, 5.0]

MEASURES: dict[str, Callable[..., Any]] = {
    "fano_factor": lambda *a, **k: analysis.fano_factor(*a, windows="100 ms", **k),
    "rates": analysis.rates,
    "rate_distribution": analysis.rate_distribution,
    "spike_synchrony": lambda *a, **k: analysis.spike_synchrony(*a, width="5 ms", **k),
    "spike_chi": analysis.spike_chi,
    "count_correlation": analysis.count_correlation,
    "cross_correlation_histogram": analysis.cross_correlation_histogram,
    "van_rossum_distance": lambda *a, **k: analysis.van_rossum_distance(*a, tau="5 ms", **k),
    "victor_purpura_distance": lambda *a, **k: analysis.victor_purpura_distance(*a, cost="5 Hz", **k),
    "avalanches": analysis.avalanches,
    "spike_surrogate": lambda *a, **k: analysis.spike_surrogate(*a, kind="interval", **k),
}
UNSURE = ("avalanches", "rates", "spike_surrogate")  # without an interval

# What every measure of a record refuses: the call, the name, the bound.
COMMON: dict[str, tuple[tuple[Any, ...], dict[str, Any], str, str]] = {
    "negative time": (([-0.1, 0.5],), ONE, "time = -0.1", "0 to 1 s"),
    "time beyond": (([0.1, 20.0],), ONE, "time = 20", "in s"),
    "nan": (([NAN],), ONE, "time", "finite"),
    "infinite": (([np.inf],), ONE, "time", "finite"),
    "text": ((["a"],), ONE, "time", "real numbers"),
    "ragged": (([[0.1], [0.2, 0.3]],), ONE, "time", "regular"),
    "two dimensions": (([[0.1, 0.2]],), ONE, "time", "(n_spikes,)"),
    "truth values": (([True],), ONE, "time", "real numbers"),
    "masked": ((np.ma.masked_less([0.1, 0.2], 0.15),), ONE, "1 masked", "none masked"),
    "masked neurons": (
        ([0.1, 0.2],),
        {**TWO, "neuron": np.ma.masked_less([0, 1], 1)},
        "neuron",
        "none masked",
    ),
    "complex": (([0.1j],), ONE, "time", "real numbers"),
    "duration missing": (([0.1],), {}, "duration", "needed"),
    "duration in mV": (([0.1],), {"duration": "3 mV"}, "duration", "unit"),
    "duration negative": (([0.1],), {"duration": -1.0}, "duration", "> 0"),
    "duration infinite": (([0.1],), {"duration": np.inf}, "duration", "finite"),
    "neurons of other length": (([0.1],), TWO, "neuron", "1 integers"),
    "neuron beyond": (([0.1, 0.2],), {**TWO, "neuron": [0, 2]}, "neuron", "< 2"),
    "neurons as floats": (([0.1, 0.2],), {**TWO, "neuron": [0.0, 1.0]}, "neuron", "integers"),
    "no neuron count": (([0.1, 0.2],), {"neuron": [0, 1], **ONE}, "n_neurons", "integer"),
    "level of 1": (([0.1, 0.2],), {**TWO, "level": 1.0}, "level", "< 1"),
    "table without neurons": (
        (xr.Dataset({"time": ("spike", [0.1])}, attrs={"duration": 1.0}),),
        {},
        "source",
        "time and neuron",
    ),
    "time starts again": (
        (
            xr.Dataset(
                {
                    "time": ("spike", [0.1, 0.9, 0.2]),
                    "neuron": ("spike", [0, 0, 0]),
                    "trial": ("spike", [0, 0, 1]),
                },
                attrs={"duration": 1.0, "n_neurons": 1},
            ),
        ),
        {},
        "time",
        "one trial",
    ),
}

BAD: dict[str, tuple[Callable[[], Any], str, str]] = {
    # row 91: no spikes, one spike
    "local variation of nothing": (lambda: analysis.local_variation([]), "time", "3 spikes"),
    "local variation of one spike": (lambda: analysis.local_variation([0.1]), "time", "3 spikes"),
    "fano of nothing": (lambda: analysis.fano_factor([], windows="1 ms", **ONE), "time", "a spike"),
    "tiling of nothing": (lambda: analysis.spike_synchrony([], width="1 ms", **ONE), "time", "a spike"),
    "chi of a spike at the end": (
        lambda: analysis.spike_chi([1.0005], duration=1.0005),
        "time",
        "before the last",
    ),
    "chi of nothing": (lambda: analysis.spike_chi([], **ONE), "time", "a spike"),
    "correlation of nothing": (lambda: analysis.count_correlation([], **ONE), "time", "a spike"),
    "histogram of nothing": (lambda: analysis.cross_correlation_histogram([], **ONE), "time", "a spike"),
    # options
    "min_intervals of 1": (lambda: analysis.local_variation([0.1], min_intervals=1), "min_intervals", ">= 2"),
    "refractory in mV": (lambda: analysis.local_variation([0.1], refractory="1 mV"), "refractory", "unit"),
    "window of the record": (lambda: analysis.fano_factor([0.1], windows="1 s", **ONE), "windows", "half"),
    "bins ragged": (lambda: analysis.rate_distribution([0.1], bins=[[1], [0, 2]], **ONE), "bins", "regular"),
    "bins of text": (lambda: analysis.rate_distribution([0.1], bins="x", **ONE), "bins", "real numbers"),
    "interval of text": (
        lambda: analysis.neuron_interval(xr.DataArray(["a", "b"], dims="neuron")),
        "values",
        "real numbers",
    ),
    "interval of nothing": (
        lambda: analysis.neuron_interval(xr.DataArray(np.empty(0), dims="neuron")),
        "values",
        "one or more",
    ),
    "interval of complex": (
        lambda: analysis.neuron_interval(xr.DataArray([1j, 2], dims="neuron")),
        "values",
        "real numbers",
    ),
    "interval of infinity": (
        lambda: analysis.neuron_interval(xr.DataArray([np.inf, 2], dims="neuron")),
        "values",
        "finite or NaN",
    ),
    "interval of a seed of text": (
        lambda: analysis.neuron_interval(xr.DataArray([1.0], dims="neuron"), seed="x"),
        "seed",
        "x",
    ),
    "fano ddof": (lambda: analysis.fano_factor([0.1], windows="1 ms", ddof=2, **ONE), "ddof", "<= 1"),
    "window without unit": (lambda: analysis.fano_factor([0.1], windows=0.1, **ONE), "windows", "unit"),
    "bins descend": (lambda: analysis.rate_distribution([0.1], bins=[1, 0], **ONE), "bins", "ascend"),
    "no bins": (lambda: analysis.rate_distribution([0.1], bins=0, **ONE), "bins", ">= 1"),
    "width of 0": (lambda: analysis.spike_synchrony([0.1], width="0 s", **ONE), "width", "> 0"),
    "width without unit": (lambda: analysis.spike_synchrony([0.1], width=5, **ONE), "width", "unit"),
    "kind unknown": (
        lambda: analysis.spike_synchrony([0.1], width="5 ms", kind="stc", **ONE),
        "stc",
        "sttc",
    ),
    "pair beyond": (
        lambda: analysis.spike_synchrony([0.1], width="5 ms", pairs=[[0], [1]], **ONE),
        "pairs",
        "from 0 to 0",
    ),
    "grid too coarse": (lambda: analysis.spike_chi([0.1], dt="100 ms", **ONE), "dt", "20 pieces"),
    "one piece": (lambda: analysis.spike_chi([0.1], n_segments=1, **ONE), "n_segments", ">= 2"),
    "bin of the record": (
        lambda: analysis.count_correlation([0.1], bin_width="0.8 s", **ONE),
        "bin_width",
        "half",
    ),
    "lag of half a bin": (
        lambda: analysis.cross_correlation_histogram([0.1], window="1.5 ms", **ONE),
        "window",
        "whole numbers of bins",
    ),
    "lag of the record": (
        lambda: analysis.cross_correlation_histogram([0.1], window="1 s", **ONE),
        "window",
        "shorter than the record",
    ),
    "lags turned": (
        lambda: analysis.cross_correlation_histogram([0.1], window=("5 ms", "-5 ms"), **ONE),
        "window",
        "from low to high",
    ),
    "three lags": (
        lambda: analysis.cross_correlation_histogram([0.1], window=("1 ms", "2 ms", "3 ms"), **ONE),
        "window",
        "(low, high)",
    ),
    "scale unknown": (
        lambda: analysis.cross_correlation_histogram([0.1], scale="counts", **ONE),
        "counts",
        "count",
    ),
    "tau of 0": (lambda: analysis.van_rossum_distance([0.1], tau="0 s", **ONE), "tau", "> 0"),
    "cost as a time": (lambda: analysis.victor_purpura_distance([0.1], cost="5 ms", **ONE), "cost", "unit"),
    "cost negative": (lambda: analysis.victor_purpura_distance([0.1], cost="-5 Hz", **ONE), "cost", ">= 0"),
    "cost nan": (lambda: analysis.victor_purpura_distance([0.1], cost=NAN, **ONE), "cost", "finite"),
    "too many neurons": (
        lambda: analysis.spike_synchrony([0.1], width="5 ms", n_neurons=10**6, **ONE, pairs=[[0], [1]]),
        "GiB",
        "fewer neurons",
    ),
    "avalanches of nothing": (lambda: analysis.avalanches([], **ONE), "time", "2 spikes"),
    "avalanches of one spike": (lambda: analysis.avalanches([0.1], **ONE), "time", "2 spikes"),
    "avalanches at once": (lambda: analysis.avalanches([0.1, 0.1], **ONE), "time", "different times"),
    "bin beyond the record": (
        lambda: analysis.avalanches([0.1, 0.2], bin_width="2 s", **ONE),
        "bin_width",
        "1 s",
    ),
    "power law of fractions": (lambda: analysis.power_law([1.5] * 99), "values", "whole numbers"),
    "power law of zeros": (lambda: analysis.power_law([0] * 99), "values", "1 or more"),
    "power law of few": (lambda: analysis.power_law([1, 2, 3]), "values", "50 values"),
    "power law of one value": (lambda: analysis.power_law([7] * 99), "values", "not all the same"),
    "tail beyond": (lambda: analysis.power_law([1, 2] * 99, x_min=3), "values", "in the tail"),
    "tail from 0": (lambda: analysis.power_law([1, 2] * 99, x_min=0), "x_min", ">= 1"),
    "crackling of other lengths": (lambda: analysis.crackling([1, 2], [1]), "duration", "2 values"),
    "crackling of no duration": (
        lambda: analysis.crackling(np.arange(1, 200), np.ones(199)),
        "values",
        "not all the same",
    ),
    "branching of a table": (lambda: analysis.branching_parameter(np.ones((9, 9))), "activity", "row"),
    "branching of few steps": (lambda: analysis.branching_parameter(np.arange(100)), "activity", "861"),
    "branching of negative counts": (
        lambda: analysis.branching_parameter(np.arange(2000) - 1),
        "activity",
        ">= 0",
    ),
    "branching of a constant": (lambda: analysis.branching_parameter(np.ones(2000)), "activity", "vary"),
    "branching of one lag": (lambda: analysis.branching_parameter(np.ones(9), max_lag=1), "max_lag", ">= 2"),
    "branching of a see-saw": (
        lambda: analysis.branching_parameter(np.tile([0, 0, 1], 700), max_lag=2),
        "activity",
        "no slope",
    ),
    "surrogate of nothing": (lambda: analysis.spike_surrogate([], kind="interval", **ONE), "time", "a spike"),
    "surrogate of unknown kind": (
        lambda: analysis.spike_surrogate([0.1], kind="jiter", **ONE),
        "jiter",
        "jitter",
    ),
    "jitter without width": (
        lambda: analysis.spike_surrogate([0.1], kind="jitter", **ONE),
        "width",
        "needed",
    ),
    "intervals with width": (
        lambda: analysis.spike_surrogate([0.1], kind="interval", width="1 ms", **ONE),
        "width",
        "them alone",
    ),
    "trials that do not fill": (
        lambda: analysis.spike_surrogate([0.1], kind="trial", width="0.3 s", **ONE),
        "width",
        "fill the record",
    ),
    "surrogate of negative number": (
        lambda: analysis.spike_surrogate([0.1], kind="interval", draw=-1, **ONE),
        "draw",
        ">= 0",
    ),
    "interval of an array": (lambda: analysis.neuron_interval(np.ones(3)), "values", "DataArray"),
    # rows 101 and 102
    "band above Nyquist": (lambda: analysis.analytic_signal(WAVES, band=(0.3, 0.6)), "band", "0.5"),
    "band far above": (lambda: analysis.analytic_signal(WAVES, band=(30, 80), dt=0.01), "band", "50"),
    "phases of silence": (lambda: analysis.synchrony(SILENT, kind="plv"), "traces", "unit 1 of trial 0"),
    "order of silence": (lambda: analysis.order_parameter(ZEROS), "traces", "no phase"),
    "silent analytic signal": (
        lambda: analysis.synchrony(SILENT * (1 + 0j) * [1, 0], kind="ppc"),
        "traces",
        "no phase. Leave silent units out",
    ),
}


def check(call: Callable[[], Any], name: str, bound: str) -> None:
    with pytest.raises(ArcuateError) as caught:
        call()
    message = str(caught.value)
    assert name in message
    assert bound in message
    assert len(message.splitlines()) <= 4


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case: str) -> None:
    check(*BAD[case])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("case", COMMON)
def test_every_measure_refuses_a_bad_record(measure: str, case: str) -> None:
    given, options, name, bound = COMMON[case]
    if "level" in options and measure in UNSURE:
        return
    check(lambda: MEASURES[measure](*given, **options), name, bound)


def test_silence_has_distances() -> None:
    found = analysis.victor_purpura_distance([], n_neurons=2, cost="5 Hz", **ONE)
    assert (found.distance == 0).all()
    assert (analysis.van_rossum_distance([], n_neurons=2, tau="5 ms", **ONE).distance == 0).all()
    table = analysis.rate_distribution([], n_neurons=3, **ONE)
    assert table.value.sel(measure="silent") == 1.0 and np.isnan(table.value.sel(measure="gini"))


LONG: dict[str, Any] = {"source": [0.1, 0.2], "duration": "1000000 s"}
HUGE: dict[str, Any] = {"source": [0.1, 0.2], "neuron": [0, 1], "n_neurons": 1_000_000, "duration": "1 s"}
LARGE: dict[str, Callable[[], Any]] = {
    "pairs of synchrony": lambda: analysis.spike_synchrony(**HUGE, width="5 ms"),
    "pairs of a histogram": lambda: analysis.cross_correlation_histogram(**HUGE),
    "pairs of van Rossum": lambda: analysis.van_rossum_distance(**HUGE, tau="10 ms"),
    "pairs of Victor and Purpura": lambda: analysis.victor_purpura_distance(**HUGE, cost="10 Hz"),
    "bins of a histogram": lambda: analysis.cross_correlation_histogram(**LONG, bin_width="1e-320 s"),
}
for _width in ("1 ns", "1e-320 s"):
    LARGE |= {
        f"windows of {_width}": lambda w=_width: analysis.fano_factor(**LONG, windows=w),
        f"avalanches of {_width}": lambda w=_width: analysis.avalanches(**LONG, bin_width=w),
        f"correlation of {_width}": lambda w=_width: analysis.count_correlation(**LONG, bin_width=w),
        f"counts of {_width}": lambda w=_width: analysis.spike_counts(**LONG, bin_width=w),
        f"chi of {_width}": lambda w=_width: analysis.spike_chi(**LONG, dt=w),
        f"trials of {_width}": lambda w=_width: analysis.spike_surrogate(**LONG, kind="trial", width=w),
    }


@pytest.mark.parametrize("case", LARGE)
def test_what_would_not_fit_is_refused_before_it_is_made(case: str) -> None:
    with pytest.raises(MemoryLimitError, match="GiB"):
        LARGE[case]()


def test_rates_beyond_the_edges_are_told() -> None:
    given: dict[str, Any] = {"neuron": [0, 0, 1], "n_neurons": 2, "duration": "1 s"}
    with pytest.warns(ArcuateWarning, match="1 of 2 rates lie outside"):
        found = analysis.rate_distribution([0.1, 0.2, 0.3], bins=[0.0, 0.5, 1.5], **given)
    assert found.share.values.tolist() == [0.0, 0.5]
