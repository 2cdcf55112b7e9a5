"""Bad input of a comparison: refused by the leaf, the stimulus and the unit, or defined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from toy_measure import toy

import arcuate as arc
from arcuate.compare import compare
from arcuate.errors import ArcuateError, SpecError, UnknownNameError
from arcuate.recording import Recording

X = np.random.default_rng(0).standard_normal((8, 5))
Y = np.random.default_rng(1).standard_normal((8, 4))
CUBE = np.random.default_rng(2).standard_normal((8, 6, 4))


def call(states: Any = None, **options: Any) -> Callable[[], Any]:
    both = {"x": X, "y": Y} if states is None else states
    return lambda: compare(both, **({"measure": toy(), "n_null": 19, "n_boot": 0} | options))


def named(array: np.ndarray, labels: Any, *dims: str) -> xr.DataArray:
    return xr.DataArray(array, dims=("stimulus", *(dims or ("unit",))), coords={"stimulus": labels})


def changed(array: np.ndarray, value: Any, *place: int) -> np.ndarray:
    out = array.copy()
    out[place] = value
    return out


def recording(stimulus: Any, repeat: Any = None, n: int = 8, **more: Any) -> Recording:
    coords: dict[str, Any] = {"stimulus": stimulus} if stimulus is not None else {}
    coords |= {"repeat": repeat} if repeat is not None else {}
    state = (np.random.default_rng(3).standard_normal((n, 3, 4)), ("trial", "tick", "unit"), coords, "1")
    return Recording.build(source="numba", seed=1, states={"exc": {"v": state}}, **more)


SPIKES = Recording.build(source="numba", seed=1, spikes={"exc": {"time": [0.1], "neuron": [0], "n": 2}})
TICKS = {"dims": ("stimulus", "tick", "unit")}
LONG = {name: xr.DataArray(CUBE[k], dims=("time", "unit")) for k, name in enumerate("xy")}
STEPS: dict[str, Any] = {"samples": ("stimulus", "tick")}

CASES: dict[str, tuple[Callable[[], Any], type[ArcuateError], tuple[str, ...]]] = {
    "91 spikes alone": (
        call({"net": SPIKES, "y": Y}),
        SpecError,
        ("spikes of exc", "spike_counts", "filtered_rates"),
    ),
    "92 no unit varies": (
        call({"x": np.ones((8, 5)), "y": Y}),
        SpecError,
        ("'x'", "5 units and none varies"),
    ),
    "93 three samples": (call({"x": X[:3], "y": Y[:3]}), SpecError, ("3 samples", ">= 4")),
    "93 one stimulus": (call({"x": X[:1], "y": Y[:1]}), SpecError, ("1 samples",)),
    "94 another number": (call({"x": X, "y": Y[:7]}), SpecError, ("'y' lacks 1 of 8", "same number")),
    "94 labels and none": (
        call({"x": named(X, range(8)), "y": Y}),
        SpecError,
        ("'y' has no stimulus labels", "'x'"),
    ),
    "94 other labels": (
        call({"x": named(X, range(8)), "y": named(Y, range(8, 16))}),
        SpecError,
        ("lacks 8 of 16", "No label"),
    ),
    "94 text and numbers": (
        call({"x": named(X, range(8)), "y": named(Y, list("01234567"))}),
        SpecError,
        ("'0'",),
    ),
    "a missing label": (
        call({"x": named(X, range(8)), "y": named(Y[1:], range(1, 8))}),
        SpecError,
        ("lacks 1 of 8", "inner"),
    ),
    "a doubled label": (
        call({"x": named(X, [0, 1, 2, 3, 4, 5, 6, 6]), "y": Y}),
        SpecError,
        ("'x'", "doubled: 6"),
    ),
    "a doubled label in both": (
        call({"x": named(X, [0] * 8), "y": named(Y, [0] * 8)}, join="inner"),
        SpecError,
        ("doubled: 0",),
    ),
    "a label that is none": (
        call({"x": named(X, [*range(7), np.nan]), "y": Y}),
        SpecError,
        ("text or numbers",),
    ),
    "95 NaN": (
        call({"x": changed(X, np.nan, 3, 1), "y": Y}),
        SpecError,
        ("'x'", "1 of 8 stimuli: 3, unit 1"),
    ),
    "95 infinite, by label": (
        call({"x": named(changed(X, np.inf, 2, 0), list("abcdefgh")), "y": named(Y, list("abcdefgh"))}),
        SpecError,
        ("'c'",),
    ),
    "complex": (call({"x": X * 1j, "y": Y}), SpecError, ("'x'", "complex128", "real and imaginary")),
    "objects": (call({"x": X.astype(object), "y": Y}), SpecError, ("object", "real numbers")),
    "text": (call({"x": X.astype(str), "y": Y}), SpecError, ("real numbers",)),
    "unequal trials": (call({"x": [[1.0, 2.0], [1.0]], "y": Y}), SpecError, ("'x'", "regular", "one length")),
    "unequal steps as samples": (
        call({"x": CUBE, "y": CUBE[:, :5]}, **TICKS, **STEPS),
        SpecError,
        ("'y'", "5 steps", "'x' 6"),
    ),
    "trials padded with NaN": (
        call({"x": changed(CUBE, np.nan, 1, 5), "y": CUBE}, **TICKS),
        SpecError,
        ("cut to one length",),
    ),
    "three dimensions without names": (call({"x": CUBE, "y": CUBE}), SpecError, ("'x'", "dims=")),
    "dims of another number": (call({"x": X, "y": Y}, **TICKS), SpecError, ("2 dimensions", "(8, 5)")),
    "dims that are unknown": (call(dims=("stimulus", "neurons")), UnknownNameError, ("neurons",)),
    "dims that are text": (call(dims="stimulus"), SpecError, ("tuple of names",)),
    "two axes": (call({"x": CUBE, "y": CUBE}, dims=("time", "layer", "unit")), SpecError, ("time, layer",)),
    "one dimension twice": (call(dims=("unit", "unit")), SpecError, ("once",)),
    "trials and stimuli": (call(dims=("stimulus", "trial")), SpecError, ("either trial",)),
    "an empty array": (call({"x": X[:0], "y": Y}), SpecError, ("empty", "(0, 5)")),
    "trials without stimulus": (
        call({"net": recording(None), "y": Y}),
        SpecError,
        ("'net/exc'", "stimulus=[...]"),
    ),
    "a repeat twice": (
        call({"net": recording(list("aabbccdd"), [0] * 8), "y": Y}),
        SpecError,
        ("('a', 0)", "doubled"),
    ),
    "unequal repeats": (
        call({"net": recording(list("aabbccde")), "y": Y}),
        SpecError,
        ("unequal repeats", "('d', 1)"),
    ),
    "one system": (call({"x": X}), SpecError, ("nothing to compare",)),
    "no system": (call({}), SpecError, ("must hold",)),
    "a number": (call(3), SpecError, ("dict of recordings",)),
    "a list of arrays": (call([X, Y]), SpecError, ("named DataArrays",)),
    "arrays without a name": (call([named(X, range(8)), named(Y, range(8))]), SpecError, ("name",)),
    "a name that is none": (call({1: X, "y": Y}), SpecError, ("text",)),
    "a leaf that is not there": (call(a="z"), UnknownNameError, ("'z'",)),
    "a pattern that is none": (call(b=3), SpecError, ("glob",)),
    "the same on both sides": (call(a="x", b="x"), SpecError, ("nothing to compare",)),
    "a measure that is unknown": (call(measure="ccka"), UnknownNameError, ("ccka",)),
    "a measure that is none": (call(measure=3), SpecError, ("Measure",)),
    "dynamics of states without steps": (call(measure="dsa"), SpecError, ("dsa: states", ">= 2 steps")),
    "no measure": (call(measure=[]), SpecError, ("one or more",)),
    "one measure twice": (call(measure=[toy(), toy()]), SpecError, ("differ",)),
    "within that is unknown": (call(within="median"), UnknownNameError, ("median",)),
    "within without an axis": (call(within="matrix"), SpecError, ("needs states with one of time",)),
    "a slice with a step": (
        call({"x": CUBE, "y": CUBE}, **TICKS, within=slice(0, 4, 2)),
        SpecError,
        ("without a step",),
    ),
    "a slice that ends first": (
        call({"x": CUBE, "y": CUBE}, **TICKS, within=slice(4, 2)),
        SpecError,
        ("end after",),
    ),
    "a slice of nothing": (
        call({"x": CUBE, "y": CUBE}, **TICKS, within=slice(9, 12)),
        SpecError,
        ("no step", "0 to 5"),
    ),
    "dynamics for samples": (
        call({"x": CUBE, "y": CUBE}, **TICKS, within="dynamics"),
        SpecError,
        ("takes samples",),
    ),
    "single time points": (call(LONG, samples="time"), SpecError, ("neighbors", "(\"stimulus\", 'time')")),
    "permuted time points": (
        call(LONG, samples=("stimulus", "time")),
        SpecError,
        ("one stimulus", 'null="shift"'),
    ),
    "samples of another axis": (
        call({"x": CUBE, "y": CUBE}, **TICKS, samples=("stimulus", "time")),
        SpecError,
        ("tick",),
    ),
    "samples that are unknown": (call(samples=("time", "stimulus")), SpecError, ('("stimulus", "time")',)),
    "samples against within": (
        call({"x": CUBE, "y": CUBE}, **TICKS, **STEPS, within="last"),
        SpecError,
        ("contradicts",),
    ),
    "shifts of several stimuli": (
        call({"x": CUBE, "y": CUBE}, **TICKS, **STEPS, null="shift"),
        SpecError,
        ("one long recording",),
    ),
    "shifts of nothing": (call(null="shift"), SpecError, ("one long recording", "permute")),
    "regressing out what is no sample": (
        call({"x": CUBE, "y": CUBE}, **TICKS, regress_out="tick"),
        SpecError,
        ("samples=",),
    ),
    "regressing out another axis": (
        call({"x": CUBE, "y": CUBE}, **TICKS, **STEPS, regress_out="token"),
        UnknownNameError,
        ("token",),
    ),
    "null that is unknown": (call(null="shuffle"), UnknownNameError, ("shuffle",)),
    "100 no order": (call(n_null=0), SpecError, ("n_null",)),
    "orders that are no number": (call(n_null=10.0), SpecError, ("integer",)),
    "correction that is unknown": (call(correction="bonferroni"), UnknownNameError, ("bonferroni",)),
    "join that is unknown": (call(join="outer"), UnknownNameError, ("outer",)),
    "ceiling that is unknown": (call(ceiling="one"), UnknownNameError, ("one",)),
    "a negative number of halves": (call(n_boot=-1), SpecError, ("n_boot",)),
    "no thread": (call(n_jobs=0), SpecError, ("n_jobs",)),
    "a seed that is none": (call(seed=1.5), SpecError, ("seed",)),
    "progress that is none": (call(progress="bar"), SpecError, ("progress",)),
    "folds of what has none": (call(folds=5), SpecError, ("cross-validated",)),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_our_words(name: str) -> None:
    function, error, words = CASES[name]
    with pytest.raises(error) as caught:
        function()
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert len(message.splitlines()) <= 4


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "bool"])
def test_97_other_numbers_are_computed_in_float64(dtype: str) -> None:
    x = (np.round(X * 3) if dtype != "bool" else X > 0).astype(dtype)
    got = call({"x": x, "y": Y})().data["value"]
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, call({"x": x.astype(float), "y": Y})().data["value"])


def test_98_values_of_size_1e8_are_centered_first() -> None:
    near = call({"x": X, "y": Y})().data["value"]
    far = call({"x": X + 1e8, "y": Y - 1e8})().data["value"]
    np.testing.assert_allclose(far, near, atol=1e-6)


def test_it_leaves_its_input_alone() -> None:
    before = CUBE.copy()
    call({"x": CUBE, "y": CUBE[:, ::-1]}, **TICKS, **STEPS, regress_out="tick")()
    np.testing.assert_array_equal(CUBE, before)


def test_the_module_takes_states_alone_by_position() -> None:
    with pytest.raises(TypeError):
        arc.compare({"x": X, "y": Y}, "x")
