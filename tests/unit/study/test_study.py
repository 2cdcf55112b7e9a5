"""Parameter studies: keys, fingerprints, runs that go on, tables, forecasts."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import arcuate as arc
from arcuate.errors import ArcuateError, ArcuateWarning, FileFormatError, SpecError, UnknownNameError
from arcuate.study import Design, Results, Study, study_from_description
from arcuate.study._identity import code_sha256, find, importable
from arcuate.units import format_si

BIAS, TAU, N = "populations.exc.bias", "populations.exc.neuron.tau_m", "populations.exc.n"


def network(**options: Any) -> arc.Network:
    """Return a small network that fires."""
    cells = arc.Population(name="exc", n=5, neuron=arc.lif(tau_m="20 ms"), bias="0.5 nA")
    return arc.Network(**{"name": "small", "dt": "0.1 ms", "populations": [cells], **options})


def small(design: Any, measure: Any = None, **options: Any) -> Study:
    """Return a study of the small network."""
    return Study(options.pop("net", network()), design, measure or count, **{"duration": "50 ms", **options})


def count(recording: Any) -> dict[str, int]:
    """Return the number of spikes."""
    return {"spikes": recording.spike_arrays("exc")[1].size}


def square(x: float, y: float = 0.0) -> dict[str, float]:
    """Return a number."""
    return {"square": x * x + y}


def with_seed(x: float, seed: int) -> dict[str, float]:
    """Return the seed."""
    return {"got": seed + x}


@pytest.fixture
def calls() -> Iterator[list[Any]]:
    """Return what `counted` was called with."""
    CALLS.clear()
    yield CALLS
    CALLS.clear()


CALLS: list[Any] = []


def counted(x: int) -> dict[str, int]:
    """Return a number, and remember the call."""
    CALLS.append(x)
    return {"double": 2 * x}


def remembered(recording: Any) -> dict[str, int]:
    """Return the number of spikes, and remember the call."""
    CALLS.append(recording.seed)
    return count(recording)


# ------------------------------------------------------------------ keys

FIELDS = {
    BIAS: st.one_of(
        st.floats(1e-10, 1e-9).map(lambda value: f"{value!r} A"),
        st.sampled_from(["0.4 nA", "400 pA", arc.Normal("0.3 nA", "0.1 nA"), arc.spec.Values([1] * 5, "nA")]),
    ),
    TAU: st.sampled_from(["10 ms", "0.02 s", "2e4 us", "0.05 s"]),
    "populations.exc.neuron.v_thresh": st.sampled_from(["-50 mV", "-0.05 V", "-45 mV"]),
    "dt": st.sampled_from(["0.1 ms", "1e-4 s", "0.2 ms"]),
    "record.spikes": st.sampled_from([True, False, ("exc",)]),
    "populations.exc.neuron.t_ref": st.sampled_from(["0 ms", "2 ms"]),
}


@settings(deadline=None, max_examples=40)
@given(data=st.data(), names=st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3, unique=True))
def test_the_key_of_a_network_is_that_of_its_content(data: st.DataObject, names: list[str]) -> None:
    """Independent truth: the hash of the network that is built."""
    rows = data.draw(st.lists(st.tuples(*(FIELDS[name] for name in names)), min_size=1, max_size=6))
    net = network()
    keys: dict[str, str] = {}
    points = [Design.points([dict(zip(names, row, strict=True))])[0] for row in rows]
    study = small(Design.points([dict(points[0].values)]), net=net)
    for point in points:
        content = point.apply(net).sha256
        assert keys.setdefault(study.key(point), content) == content
    assert len(set(keys.values())) == len(keys)


def test_equal_content_has_an_equal_key_and_other_content_another() -> None:
    same = [small({TAU: [text]}) for text in ("20 ms", "0.02 s", "20000 us")]
    same += [
        small({"seed": [0]}),
        small({BIAS: ["500 pA"], N: [5]}),
        small({TAU: ["20 ms"]}, duration="0.05 s"),
    ]
    assert len({study.keys()[0] for study in same}) == 1
    others = [
        same[0],
        small({TAU: ["21 ms"]}),
        small({TAU: ["20 ms"]}, seed=1),
        small({TAU: ["20 ms"]}, duration="60 ms"),
        small({TAU: ["20 ms"]}, order="fast"),
        small({TAU: ["20 ms"]}, precision="float32"),
        small({TAU: ["20 ms"]}, record=arc.Record(spikes=False)),
        small({TAU: ["20 ms"]}, net=network(dt="0.2 ms")),
    ]
    assert len({study.keys()[0] for study in others}) == len(others)


def test_fields_that_depend_on_each_other_have_the_keys_of_the_built_network() -> None:
    thresh, reset = "populations.exc.neuron.v_thresh", "populations.exc.neuron.v_reset"
    rows = [{thresh: f"{-50 + i} mV", reset: f"{-60 + i} mV"} for i in range(5)]
    whole = [{"populations.exc.neuron": arc.lif(tau_m=f"{10 + i} ms"), N: 5} for i in range(3)]
    for listed in (rows, whole):
        study = small(Design.points(listed))
        alone = [small(Design.points([row])).keys()[0] for row in listed]
        assert study.keys() == alone


def test_a_path_and_what_it_leads_through_may_vary_together() -> None:
    rows = [{"populations.exc.neuron": arc.lif(), TAU: text} for text in ("10 ms", "20 ms")]
    study = small(Design.points(rows))
    assert study.network(study.design[0]).get(TAU) == 0.01
    assert study.keys() == [small({TAU: [text]}).keys()[0] for text in ("10 ms", "20 ms")]


def test_the_key_of_a_call_is_that_of_its_values() -> None:
    keys = [Study(square, {"x": [x]}).keys()[0] for x in (1, 1.0, "1 ms", "0.001 s", 2, (1, 2), "text")]
    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert len(set(keys)) == 5
    seeded = [Study(with_seed, {"x": [1]}, seed=seed).keys()[0] for seed in (1, 2)]
    assert seeded[0] != seeded[1]
    assert Study(square, {"x": [1]}, seed=1).keys() == Study(square, {"x": [1]}, seed=2).keys()
    assert Study(with_seed, {"x": [1], "seed": [5]}).keys() == Study(with_seed, {"x": [1]}, seed=5).keys()


def test_two_points_that_say_the_same_are_refused() -> None:
    study = Study(square, Design.points([{"x": (1, "20 ms")}, {"x": (1, "0.02 s")}]))
    with pytest.raises(SpecError, match=r"point 1.*says the same as point 0"):
        study.keys()


def test_keys_do_not_depend_on_the_process(tmp_path: Path) -> None:
    code = (
        "import arcuate as arc; net = arc.load_model('what_when_reservoir');"
        "study = arc.Study(net, {'populations.exc.bias': [arc.Normal(6.0, 1.0), 5.0], 'seed': range(3)});"
        "print(*study.keys())"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
        ).stdout
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert len(set(found[0].split())) == 6


def test_ten_thousand_keys_build_few_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is bounded through the number of networks that are built."""
    design = Design.random(
        {BIAS: arc.Uniform("0.1 nA", "1 nA"), TAU: arc.Uniform("5 ms", "50 ms")}, 10_000, seed=1
    )
    study = small(design)
    built = 0
    replace = arc.Network.replace

    def counting(self: Any, *args: Any, **values: Any) -> Any:
        nonlocal built
        built += 1
        return replace(self, *args, **values)

    monkeypatch.setattr(arc.Network, "replace", counting)
    assert len(study.keys()) == 10_000
    assert built < 10


@pytest.mark.parametrize(
    "name", ["point", "index", "status", "wall_seconds", "recording", "reason", "tries", "traceback", "best"]
)
def test_a_parameter_or_a_metric_has_no_name_of_the_tables(name: str, tmp_path: Path) -> None:
    def any_name(**values: int) -> dict[str, int]:
        return {"sum": sum(values.values())}

    with pytest.raises(SpecError, match=rf"{name}: is a column"):
        Study(any_name, {name: [1, 2]})
    with pytest.warns(ArcuateWarning, match="1 of 1 points failed") as warned:
        table = Study(lambda x: {name: x}, {"x": [1]}).run(tmp_path, n_jobs=1)
    assert table["status"].tolist() == ["failed"] and warned[0].filename == __file__


def test_what_only_begins_when_it_is_called_is_no_target_and_no_measure() -> None:
    def yields(x: int) -> Iterator[int]:
        yield x

    async def waits(x: int) -> int:
        return x

    async def both(x: int) -> AsyncIterator[int]:
        yield x

    class Called:
        def __call__(self, x: int) -> Iterator[int]:
            yield x

    @functools.wraps(waits)
    def finished(x: int) -> int:
        return asyncio.run(waits(x))

    for function in (yields, waits, both, Called(), functools.partial(yields)):
        with pytest.raises(SpecError, match=r"spec = .*must return its result"):
            Study(function, {"x": [1, 2]})
        with pytest.raises(SpecError, match=r"measure = .*must return its result"):
            Study(lambda x: x, {"x": [1, 2]}, function)
    study = Study(finished, {"x": [1, 2]})
    assert study.metrics(finished(**study.arguments(study.design[1]))) == {"waits": 2}


def test_a_parameter_that_has_no_name_for_a_caller_is_refused() -> None:
    def placed(x: int, /) -> int:
        return x

    def with_more(x: int, /, **more: int) -> int:
        return x + sum(more.values())

    def optional(x: int = 1, /, **more: int) -> int:
        return x + sum(more.values())

    for function in (placed, with_more, math.sqrt):
        with pytest.raises(SpecError, match=r"x: must be a parameter that can be given by name"):
            Study(function, {"x": [1, 2]})
    assert len(Study(optional, {"x": [1, 2]}).design) == 2
    bound = functools.partial(with_more, 1)
    assert len(Study(bound, {"y": [1, 2]}).design) == 2


def test_a_metric_does_not_replace_the_seed(tmp_path: Path) -> None:
    with pytest.warns(ArcuateWarning, match="failed"):
        table = Study(lambda x: {"seed": 10 * x}, {"x": [1]}, seed=0).run(tmp_path, n_jobs=1)
    assert table["seed"].tolist() == [0]


@pytest.mark.parametrize("name", ["a/b", "/", "a\0b", "a\nb", ".", "..", " a", "a ", " ", "\ud800"])
def test_a_metric_or_a_parameter_has_a_name_that_files_can_hold(name: str, tmp_path: Path) -> None:
    def any_name(**values: int) -> int:
        return sum(values.values())

    with pytest.raises(SpecError, match=r"name of a parameter = .*must be printable"):
        Study(any_name, {name: [1, 2]})
    study = Study(lambda x: {name: x} if x else {"other": x}, {"x": [0, 1]})
    with pytest.warns(ArcuateWarning, match="1 of 2 points failed"):
        study.run(tmp_path / "store", n_jobs=1)
    assert "name of a metric" in study.results().failed()["reason"][1]
    study.dataset().to_netcdf(tmp_path / "data.nc")


def test_names_that_are_only_unusual_are_kept(tmp_path: Path) -> None:
    names = ["rate.exc", "größe", "a b", "-1", "0.5", "log(x)", "best of all"]
    study = Study(lambda x: dict.fromkeys(names, x), {"x": [1, 2]})
    study.run(tmp_path / "store", n_jobs=1)
    study.dataset().to_netcdf(tmp_path / "data.nc")
    with xr.open_dataset(tmp_path / "data.nc") as data:
        assert set(data.data_vars) == {*names, "status", "wall_seconds"}


def test_odd_metrics_and_values_can_be_read_and_written(tmp_path: Path) -> None:
    def odd(x: int) -> dict[str, Any]:
        return {"huge": 10**400, "half": "\ud800", "nul": "a\0b", "kinds": [1, "one", True][x % 3]}

    study = Study(odd, {"x": [2**70, 1, 2]})
    with pytest.warns(ArcuateWarning, match="'huge' at 3 of 3"):
        table = study.run(tmp_path, n_jobs=1)
    assert table["huge"].isna().all() and set(table["half"]) == {"\\ud800"}
    assert table["x"].tolist() == [str(2**70), "1", "2"]
    study.results().export(tmp_path / "table.parquet")
    study.dataset().to_netcdf(tmp_path / "data.nc")
    with xr.open_dataset(tmp_path / "data.nc") as data:
        assert set(data["nul"].values.tolist()) == {"a\\x00b"}
        assert data["kinds"].values.tolist() == [str([1, "one", True][x % 3]) for x in (2**70, 1, 2)]


def test_a_value_with_a_nul_is_refused() -> None:
    with pytest.raises(SpecError, match="without NUL"):
        Study(lambda word: len(word), {"word": ["a", "a\0b"]})


def test_why_a_point_failed_can_be_read_whatever_it_says(tmp_path: Path) -> None:
    def fail(x: int) -> None:
        raise ValueError("\ud800")

    study = Study(fail, {"x": [1]})
    with pytest.warns(ArcuateWarning, match="failed"):
        study.run(tmp_path, n_jobs=1)
    assert study.results().failed()["reason"].tolist() == ["ValueError: \\ud800"]


# ------------------------------------------------------------------ fingerprint and description


def test_the_hash_of_code_is_that_of_its_text_and_of_what_it_has_bound() -> None:
    def make(factor: int) -> Callable[[int], int]:
        return lambda x: factor * x

    assert code_sha256(make(2)) == code_sha256(make(2)) != code_sha256(make(3))
    assert code_sha256(square) != code_sha256(with_seed)
    bound = [code_sha256(functools.partial(square, y=y)) for y in (1, 1, 2)]
    assert bound[0] == bound[1] != bound[2]
    first, second = (lambda x: x + 1), (lambda x: x + 2)
    assert code_sha256(first) != code_sha256(second)  # on one line

    def plain(x: float) -> float:
        return x + 1  # a remark

    once = code_sha256(plain)

    def plain(x: float) -> float:  # type: ignore[no-redef]
        # another remark

        return (x
                + 1)  # fmt: skip

    assert code_sha256(plain) == once
    scope: dict[str, Any] = {}
    for number, text in enumerate(("x + 1", "x + 1", "x + 2")):
        exec(f"def f{number}(x): return {text}", scope)  # no source text: bytecode
    assert code_sha256(scope["f0"]) == code_sha256(scope["f1"]) != code_sha256(scope["f2"])


def test_what_an_object_or_an_array_holds_counts_as_bound(tmp_path: Path) -> None:
    class Scaled:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        def __call__(self, x: int) -> dict[str, float]:
            return {"y": self.factor * x}

    def make(weights: np.ndarray) -> Callable[[int], float]:
        return lambda x: float(weights.sum() * x)

    def keyword(factor: int) -> Callable[[int], int]:
        def f(x: int, *, by: int = factor) -> int:
            return by * x

        return f

    for build in (
        Scaled,
        lambda factor: Scaled(factor).__call__,
        lambda factor: make(np.full(3, factor)),
        lambda factor: make(np.ones(int(factor))),
        keyword,
    ):
        assert code_sha256(build(2.0)) == code_sha256(build(2.0)) != code_sha256(build(3.0))
    Study(Scaled(2.0), {"x": [1, 2]}).run(tmp_path, n_jobs=1)
    with pytest.raises(SpecError, match="'Scaled' was changed"):
        Study(Scaled(3.0), {"x": [1, 2]}).run(tmp_path, n_jobs=1)


def test_what_can_be_imported_is_known() -> None:
    assert importable(arc.analysis.summary)
    assert not importable(lambda recording: 1)
    assert not importable(functools.partial(square, y=1))


def test_the_fingerprint_says_what_changed() -> None:
    design = {TAU: ["10 ms"]}
    base = small(design).fingerprint
    changes = {
        "model": small(design, net=network(dt="0.2 ms")),
        "measure": small(design, remembered),
        "options": small(design, duration="60 ms"),
    }
    for part, study in changes.items():
        other = study.fingerprint
        assert [name for name in base if other[name] != base[name]] == [part]
    assert base["version"] == arc.__version__


STUDIES = {
    "network": lambda: small({TAU: ["10 ms", "20 ms"], "seed": range(3)}, arc.analysis.summary, keep=True),
    "record": lambda: small({N: [3, 5]}, arc.analysis.summary, record=arc.Record(states={"exc": ["v"]})),
    "drawn": lambda: small(
        Design.sobol({TAU: arc.Uniform("5 ms", "50 ms")}, 8, seed=1), arc.analysis.summary
    ),
    "distributions": lambda: small({BIAS: [arc.Normal("0.3 nA", "0.1 nA"), "0.5 nA"]}, arc.analysis.summary),
    "task": lambda: Study(arc.load_model("what_when_reservoir"), {"populations.exc.n": [100, 480]}, seed=4),
    "function": lambda: Study(format_si, {"value": [1.5, 2.0], "unit": ["s", None]}),
}


@pytest.mark.parametrize("name", STUDIES)
def test_a_description_goes_through_json_and_makes_the_study_again(name: str) -> None:
    study = STUDIES[name]()
    table = json.loads(json.dumps(study.describe(), allow_nan=False))
    again = study_from_description(table)
    assert again.keys() == study.keys()
    assert again.fingerprint == study.fingerprint
    assert repr(again) == repr(study)
    assert json.loads(json.dumps(again.describe())) == table


def test_what_a_study_brings_along_is_kept_and_checked() -> None:
    study = Study(format_si, {"value": [1.5], "unit": ["s"]}, defaults={"time_limit": "9 s", "n_jobs": 2})
    table = json.loads(json.dumps(study.describe(), allow_nan=False))
    assert study_from_description(table).defaults == {"time_limit": "9 s", "n_jobs": 2}
    del table["run"]  # as stores of before have it
    assert study_from_description(table).defaults == {}
    for defaults, word in (
        ({"retry": 1}, "retries"),
        ({"time_limit": 9}, "unit"),
        ({"n_jobs": 0}, ">= 1"),
        (["n_jobs"], "mapping"),
    ):
        with pytest.raises(ArcuateError, match=word):
            Study(format_si, {"value": [1.5], "unit": ["s"]}, defaults=defaults)  # type: ignore[arg-type]


def test_a_study_of_a_script_says_that_the_script_must_be_run() -> None:
    table = small({TAU: ["10 ms"]}, lambda recording: 1).describe()
    with pytest.raises(SpecError, match="Run the script") as caught:
        study_from_description(table)
    assert "measure" in str(caught.value)
    with pytest.raises(FileFormatError, match="format = 2"):
        study_from_description({**table, "format": 2})
    with pytest.raises(FileFormatError, match="description"):
        study_from_description({"format": 1})


def test_a_store_cannot_name_any_function_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may come from anybody: only this package's functions and the user's own are found."""
    (tmp_path / "my_study.py").write_text("import os\nfrom subprocess import getoutput\ndef f(x): return x\n")
    (tmp_path / "broken_study.py").write_text("1/0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find("my_study:f", what="spec")(3) == 3
    assert find("arcuate.analysis.spikes:summary", what="measure") is arc.analysis.summary
    for path in (
        "os:system", "subprocess:getoutput", "builtins:exec", "posix:system", "numpy:load", "joblib:load",
        "my_study:os.system", "my_study:getoutput", "my_study:g", "no_such_module:f", "broken_study:f",
        "my_study:", ":f", "", "my_study", ".:f", "..my_study:f", "__main__:f",
        "arcuate.study._identity:importlib.import_module",
    ):  # fmt: skip
        with pytest.raises(SpecError, match="Run the script"):
            find(path, what="spec")


# ------------------------------------------------------------------ runs


def test_a_network_is_run_at_every_point(tmp_path: Path) -> None:
    """Independent truth: `simulate`, point by point."""
    study = small({BIAS: ["0.4 nA", "0.6 nA"], N: [3, 4], "seed": [1, 2]}, keep=True)
    table = study.run(tmp_path / "a study", n_jobs=1, progress=False)
    for point in study.design:
        rec = arc.simulate(point.apply(network()), "50 ms", seed=point.values["seed"], progress=False)
        assert table.loc[point.index, "spikes"] == rec.spike_arrays("exc")[1].size
        assert study.results().recording(point.index) == rec
    assert table[BIAS].tolist() == [4e-10] * 4 + [6e-10] * 4
    assert table.attrs["units"] == {BIAS: "A"}
    assert set(table["status"]) == {"done"}
    assert list(table.columns) == [BIAS, N, "seed", "spikes", "status", "wall_seconds", "recording"]
    found = study.dataset()["spikes"]
    assert found.dims == (BIAS, N, "seed")
    assert found.coords[BIAS].attrs["units"] == "A"
    chosen = found.sel({BIAS: 6e-10, N: 4, "seed": 2}).item()
    assert chosen == table["spikes"][(table[BIAS] == 6e-10) & (table[N] == 4) & (table["seed"] == 2)].item()


def test_a_function_is_run_and_measured(tmp_path: Path) -> None:
    study = Study(square, {"x": [1, 2, 3], "y": [0.5]}, lambda result: {"half": result["square"] / 2})
    assert study.run(tmp_path, n_jobs=1)["half"].tolist() == [0.75, 2.25, 4.75]
    table = Study(with_seed, Design.grid({"x": [1, 2]}).repeat([5, 6])).run(tmp_path / "seeds", n_jobs=1)
    assert table["got"].tolist() == [6, 7, 7, 8]
    assert table["seed"].tolist() == [5, 6, 5, 6]
    assert Study(with_seed, {"x": [1]}, seed=9).run(tmp_path / "one", n_jobs=1)["got"].tolist() == [10]


def test_two_processes_give_the_same_table(tmp_path: Path) -> None:
    design = Design.latin_hypercube({BIAS: arc.Uniform("0.4 nA", "0.8 nA")}, 6, seed=1).repeat([1, 2])
    one, two = (
        small(design).run(tmp_path / str(n), n_jobs=n, progress=False).drop(columns="wall_seconds")
        for n in (1, 2)
    )
    pd.testing.assert_frame_equal(one, two)


def test_more_points_compute_the_new_ones_alone(tmp_path: Path, calls: list[Any]) -> None:
    Study(counted, {"x": [2, 4]}).run(tmp_path, n_jobs=1)
    assert calls == [2, 4]
    table = Study(counted, {"x": [1, 2, 3, 4]}).run(tmp_path, n_jobs=1)
    assert calls == [2, 4, 1, 3]
    assert table["double"].tolist() == [2, 4, 6, 8]
    assert table.index.tolist() == [0, 1, 2, 3]
    assert Study(counted, {"x": [4, 1]}).run(tmp_path, n_jobs=1)["double"].tolist() == [8, 2]
    assert len(calls) == 4
    assert len(Results.open(tmp_path)) == 2


def test_more_points_of_a_network_simulate_the_new_ones_alone(tmp_path: Path, calls: list[Any]) -> None:
    small({BIAS: ["0.4 nA", "0.6 nA"], "seed": [1]}, remembered).run(tmp_path, n_jobs=1)
    study = small({BIAS: ["0.5 nA", "600 pA", "0.4 nA"], "seed": [2, 1]}, remembered)
    table = study.run(tmp_path, n_jobs=1)
    assert sorted(calls) == [1] * 3 + [2] * 3
    fresh = small({BIAS: ["0.5 nA", "600 pA", "0.4 nA"], "seed": [2, 1]}, remembered)
    again = fresh.run(tmp_path / "fresh", n_jobs=1)
    pd.testing.assert_frame_equal(table.drop(columns="wall_seconds"), again.drop(columns="wall_seconds"))


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, calls: list[Any]) -> None:
    def stopped(x: int) -> dict[str, int]:
        CALLS.append(x)
        if x == 3 and len(CALLS) == 3:
            raise KeyboardInterrupt
        return {"double": 2 * x}

    study = Study(stopped, {"x": [1, 2, 3, 4]})
    with pytest.raises(KeyboardInterrupt):
        study.run(tmp_path, n_jobs=1)
    assert study.table()["double"].tolist() == [2, 4]
    assert study.run(tmp_path, n_jobs=1)["double"].tolist() == [2, 4, 6, 8]
    assert calls == [1, 2, 3, 3, 4]


def test_a_failed_point_is_told_and_tried_again_by_the_next_run(tmp_path: Path, calls: list[Any]) -> None:
    def fails_once(x: int) -> dict[str, float]:
        CALLS.append(x)
        if CALLS.count(x) == 1 and x == 2:
            raise RuntimeError("the moon was full")
        return {"inverse": 1 / x}

    study = Study(fails_once, {"x": [1, 2, 4]})
    with pytest.warns(ArcuateWarning, match="1 of 3"):
        table = study.run(tmp_path, n_jobs=1)
    assert table["status"].tolist() == ["done", "failed", "done"]
    np.testing.assert_array_equal(table["inverse"], [1.0, np.nan, 0.25])
    failed = study.results().failed()
    assert failed.index.tolist() == [1]
    assert failed["x"].tolist() == [2]
    assert failed["reason"].tolist() == ["RuntimeError: the moon was full"]
    assert "fails_once" in failed["traceback"].item()
    assert repr(study.results()).startswith("<Results of 'fails_once': 2 of 3 points done, 1 failed; ")
    with pytest.raises(SpecError, match="the moon was full"):
        study.results().recording(1)
    assert study.run(tmp_path, n_jobs=1)["inverse"].tolist() == [1.0, 0.5, 0.25]
    assert calls == [1, 2, 4, 2]


# ------------------------------------------------------------------ what changed (row 117)


def test_a_changed_measure_is_refused_kept_or_computed_again(tmp_path: Path) -> None:
    design = {BIAS: ["0.4 nA", "0.6 nA"]}
    first = small(design).run(tmp_path, n_jobs=1)
    before = snapshot(tmp_path)

    def count(recording: Any) -> dict[str, int]:
        return {"spikes": 1000 + recording.spike_arrays("exc")[1].size}

    with pytest.raises(SpecError) as caught:
        small(design, count).run(tmp_path, n_jobs=1)
    for word in ("measure 'count'", "changed since it made 2 results", "recompute", "keep", "another folder"):
        assert word in str(caught.value)
    assert snapshot(tmp_path) == before
    wider = {BIAS: ["0.4 nA", "0.5 nA", "0.6 nA"]}
    kept = small(wider, count).run(tmp_path, n_jobs=1, changed="keep")["spikes"].tolist()
    assert [kept[0], kept[2]] == first["spikes"].tolist()
    assert kept[1] > 1000
    again = small(wider, count).run(tmp_path, n_jobs=1, changed="recompute")["spikes"].tolist()
    assert again == [1000 + kept[0], kept[1], 1000 + kept[2]]
    assert small(wider, count).run(tmp_path, n_jobs=1)["spikes"].tolist() == again


def test_a_measure_that_failed_everywhere_may_be_mended(tmp_path: Path) -> None:
    design = {BIAS: ["0.4 nA", "0.6 nA"]}
    with pytest.warns(ArcuateWarning, match="2 of 2"):
        small(design, lambda recording: recording.no_such_thing).run(tmp_path, n_jobs=1)
    assert set(small(design).run(tmp_path, n_jobs=1)["status"]) == {"done"}


def test_distributions_and_drawn_quantities_are_run_and_stored(tmp_path: Path) -> None:
    design = Design.points(
        [
            {BIAS: arc.Normal("0.5 nA", "0.1 nA"), TAU: "10 ms"},
            {BIAS: arc.spec.Values([0.5] * 5, "nA"), TAU: arc.Uniform("5 ms", "50 ms")},
        ]
    )
    table = small(design).run(tmp_path / "a", n_jobs=1)
    for point in design:
        rec = arc.simulate(point.apply(network()), "50 ms", seed=0, progress=False)
        assert table.loc[point.index, "spikes"] == rec.spike_arrays("exc")[1].size
    assert "Normal" in table[BIAS][0]
    drawn = Design.random({TAU: arc.Uniform("5 ms", "50 ms")}, 3, seed=1)
    table = small(drawn).run(tmp_path / "b", n_jobs=1)
    assert table[TAU].tolist() == [float(point.values[TAU]) for point in drawn]


def test_what_changed_is_named(tmp_path: Path) -> None:
    design = {BIAS: ["0.4 nA"]}
    small(design).run(tmp_path, n_jobs=1)
    for words, study in {
        ("populations.exc.n was 5 and is 6",): small(design, net=network().with_(N, 6)),
        ("duration was 0.05 and is 0.06",): small(design, duration="60 ms"),
        ("order was 'strict' and is 'fast'",): small(design, order="fast"),
        ("seed was 0 and is 3",): small(design, seed=3),
        ("keep was False and is True",): small(design, keep=True),
    }.items():
        with pytest.raises(SpecError) as caught:
            study.run(tmp_path, n_jobs=1)
        assert [word for word in words if word not in str(caught.value)] == []
    table = small(design, keep=True).run(tmp_path, n_jobs=1, changed="recompute")
    assert table["recording"].notna().all()


def test_a_changed_model_computes_its_own_points_beside_the_old(tmp_path: Path, calls: list[Any]) -> None:
    design = {BIAS: ["0.6 nA"]}
    small(design, remembered).run(tmp_path, n_jobs=1)
    changed = small(design, remembered, net=network().with_(N, 10))
    small_n = small(design, remembered).table(tmp_path)["spikes"].item()
    assert changed.run(tmp_path, n_jobs=1, changed="keep")["spikes"].item() == 2 * small_n
    assert changed.run(tmp_path, n_jobs=1)["spikes"].item() == 2 * small_n  # told once
    assert small(design, remembered).run(tmp_path, n_jobs=1, changed="keep")["spikes"].item() == small_n
    assert len(calls) == 2


def test_another_version_of_the_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Study(square, {"x": [1]}).run(tmp_path, n_jobs=1)
    monkeypatch.setattr("arcuate.study.study.__version__", "99.0")
    with pytest.raises(SpecError, match=r"arcuate 0\.1\.0 made 1 result of the folder, this is 99\.0"):
        Study(square, {"x": [1]}).run(tmp_path, n_jobs=1)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".sqlite-wal", ".sqlite-shm")
    }


def test_recordings_whose_rows_are_lost_are_measured_again(tmp_path: Path, calls: list[Any]) -> None:
    study = small({BIAS: ["0.4 nA", "0.6 nA"], "seed": [1, 2]}, remembered, keep=True)
    before = study.run(tmp_path, n_jobs=1)
    for path in tmp_path.glob("index.sqlite*"):
        path.unlink()
    calls.clear()
    simulated = []
    simulate = arc.Simulation.advance
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arc.Simulation, "advance", lambda *a, **k: simulated.append(1) or simulate(*a, **k))
        after = study.run(tmp_path, n_jobs=1)
    assert (len(calls), simulated) == (4, [])
    pd.testing.assert_frame_equal(before.drop(columns="wall_seconds"), after.drop(columns="wall_seconds"))


# ------------------------------------------------------------------ what a measure may return (row 116)


def test_small_datasets_become_columns(tmp_path: Path) -> None:
    def measure(recording: Any) -> xr.Dataset:
        return xr.Dataset(
            {"rate": ("population", [1.0, np.nan]), "n": ((), 3), "kind": ("population", ["a", "b"])},
            coords={"population": ["exc", "inh"]},
        )

    with pytest.warns(ArcuateWarning, match=r"'rate\.inh' at 2 of 2") as caught:
        table = small({N: [1, 2]}, measure).run(tmp_path, n_jobs=1)
    assert len(caught) == 1
    assert table["rate.exc"].tolist() == [1.0, 1.0]
    assert table["rate.inh"].isna().all()
    assert (table["n"].tolist(), table["kind.exc"].tolist()) == ([3, 3], ["a", "a"])


@pytest.mark.parametrize(
    ("value", "metrics"),
    [
        (5, {"measure": 5}),
        (np.float32(0.5), {"measure": 0.5}),
        (np.array(3), {"measure": 3}),
        (True, {"measure": True}),
        ("high", {"measure": "high"}),
        (None, {"measure": None}),
        ({"a": float("nan"), "b": -np.inf, "c": None}, {"a": None, "b": None, "c": None}),
        (xr.DataArray([1, 2], dims="x", name="w"), {"w.0": 1, "w.1": 2}),
        (xr.DataArray(1.5), {"measure": 1.5}),
        ({"a": xr.DataArray(2)}, {"a": 2}),
        ({"a": 2**70}, {"a": float(2**70)}),
    ],
)
def test_what_a_measure_returns(value: Any, metrics: dict[str, Any]) -> None:
    assert small({N: [1]}, lambda recording: value).metrics(None) == metrics


@pytest.mark.parametrize(
    "value",
    [np.zeros(3), [1, 2], {}, {"a": [1]}, {1: 2}, {"": 2}, 3j, object(), {"status": 1}, {N: 1},
     {"a": {"b": 1}}, xr.DataArray(np.zeros(2000), dims="x"), {str(i): i for i in range(2000)}],
)  # fmt: skip
def test_a_point_whose_measure_returns_something_else_fails(tmp_path: Path, value: Any) -> None:
    study = small({N: [1]}, lambda recording: value)
    with pytest.warns(ArcuateWarning, match="1 of 1"):
        table = study.run(tmp_path, n_jobs=1)
    assert table["status"].tolist() == ["failed"]
    reason = study.results().failed()["reason"].item()
    assert "measure" in reason
    assert any(word in reason for word in ("eturn", "another name", "at most 1000"))
    with pytest.raises(SpecError):
        study.metrics(None)


# ------------------------------------------------------------------ results


def test_a_sifted_grid_has_gaps_and_another_design_a_point_dimension(tmp_path: Path) -> None:
    sifted = Study(square, Design.grid({"x": [1, 2, 3], "y": [0, 1]}).where("x + y < 4"))
    sifted.run(tmp_path / "a", n_jobs=1)
    found = sifted.dataset()
    np.testing.assert_array_equal(found["square"], [[1, 2], [4, 5], [9, np.nan]])
    assert found["status"].values.tolist() == [["done", "done"], ["done", "done"], ["done", ""]]

    def seeded(x: float, y: float, seed: int) -> dict[str, float]:
        return square(x, y)

    drawn = Study(seeded, Design.sobol({"x": arc.Uniform(0, 1), "y": [1, 2]}, 4, seed=1).repeat([1, 2]))
    table = drawn.run(tmp_path / "b", n_jobs=1)
    data = drawn.dataset()
    assert data.sizes == {"point": 8}
    np.testing.assert_array_equal(data["square"], table["square"])
    np.testing.assert_array_equal(data["x"], table["x"])
    np.testing.assert_array_equal(data["square"], data["x"] ** 2 + data["y"])


def test_a_store_that_is_not_finished_gives_what_is_there(tmp_path: Path) -> None:
    study = Study(square, {"x": [1, 2, 3], "y": [0, 1]})
    Study(square, Design.points([{"x": 2, "y": 1}, {"x": 3, "y": 0}])).run(tmp_path, n_jobs=1)
    with arc.study.store.Store.open(tmp_path, study.describe(), fingerprint=study.fingerprint):
        pass
    results = Results.open(tmp_path)
    assert results.table().index.tolist() == [3, 4]
    np.testing.assert_array_equal(results.dataset()["square"], [[np.nan, np.nan], [np.nan, 5], [9, np.nan]])
    assert repr(results) == f"<Results of 'square': 2 of 6 points done; {tmp_path}>"


def test_columns_hold_what_was_varied(tmp_path: Path) -> None:
    def show(a: Any, b: Any, c: Any) -> dict[str, Any]:
        return {"flag": a, "word": str(b), "whole": 3, "mixed": 1 if a else "one", "part": 0.5 if a else None}

    design = Design.points([{"a": True, "b": "20 ms", "c": (1, 2)}, {"a": False, "b": "0.03 s", "c": "z"}])
    study = Study(show, design)
    with pytest.warns(ArcuateWarning, match="'part' at 1 of 2"):
        table = study.run(tmp_path, n_jobs=1)
    assert table["a"].tolist() == [True, False]
    assert table["b"].tolist() == [0.02, 0.03]
    assert table["c"].tolist() == ["(1, 2)", "z"]
    assert table["flag"].dtype == bool
    assert table["whole"].dtype.kind == "i"
    assert table["mixed"].tolist() == [1, "one"]
    np.testing.assert_array_equal(table["part"], [0.5, np.nan])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_table_is_exported_and_never_overwritten_silently(tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    study = Study(square, {"x": [1, 2], "y": ["0.5 s"]}, lambda found: {"n": 1, "mixed": 1})
    study = Study(
        lambda x, word: {"n": x, "mixed": x if x > 1 else "one"}, {"x": [1, 2], "word": ["ä b", "c,d"]}
    )
    table = study.run(tmp_path / "store", n_jobs=1)
    path = study.results().export(tmp_path / f"table.{suffix}")
    read = pd.read_csv(path, index_col="point") if suffix == "csv" else pd.read_parquet(path)
    for name in ("x", "word", "seed", "n", "status", "wall_seconds"):
        assert read[name].tolist() == table[name].tolist()
    assert read["mixed"].astype(str).tolist() == table["mixed"].astype(str).tolist()
    with pytest.raises(SpecError, match="exists"):
        study.results().export(path)
    assert study.results().export(path, overwrite=True) == path
    assert [p.name for p in tmp_path.iterdir()] in (["store", path.name], [path.name, "store"])


def test_a_bad_export_or_recording_is_refused(tmp_path: Path) -> None:
    study = Study(square, {"x": [1]})
    with pytest.raises(SpecError, match="nothing was run"):
        study.table()
    study.run(tmp_path / "store", n_jobs=1)
    results = study.results()
    with pytest.raises(SpecError, match=r"must end in \.csv or \.parquet"):
        results.export(tmp_path / "table.xlsx")
    with pytest.raises(arc.errors.StoreError, match="cannot be written"):
        results.export(tmp_path / "no" / "table.csv")
    with pytest.raises(SpecError, match="keep=True"):
        results.recording(0)
    with pytest.raises(SpecError, match="index = 1"):
        results.recording(1)
    with pytest.raises(FileFormatError):
        Results.open(tmp_path)


# ------------------------------------------------------------------ forecast


def test_a_dry_run_counts_and_changes_nothing(tmp_path: Path) -> None:
    study = small({BIAS: ["0.4 nA", "0.5 nA"], "seed": range(5)}, keep=True)
    small({BIAS: ["0.4 nA"], "seed": range(5)}, keep=True).run(tmp_path, n_jobs=1)
    before = snapshot(tmp_path)
    found = study.dry_run(tmp_path, n_jobs=2)
    assert snapshot(tmp_path) == before
    assert (found.points, found.done, found.n_jobs) == (10, 5, 2)
    assert found.probe_seconds is not None and found.seconds == pytest.approx(2.5 * found.probe_seconds)
    first = study.network(study.design[5])
    rec = arc.simulate(first, "50 ms", seed=0, progress=False)
    assert found.disk == 5 * (rec.save(tmp_path / "one.nc").stat().st_size + 1000)
    assert found.memory is not None and 2e7 < found.memory < 2e9
    lines = str(found).splitlines()
    assert lines[0] == "10 points, 5 done already; 2 processes"
    assert [line.split()[0] for line in lines] == ["10", "about", "memory", "disk"]


def test_a_dry_run_without_a_probe_runs_nothing(calls: list[Any]) -> None:
    found = Study(counted, {"x": [1, 2]}).dry_run(probe=False)
    assert calls == []
    assert (found.seconds, found.memory) == (None, None)
    assert "time not known" in str(found)
    Study(counted, {"x": [1, 2]}).dry_run()
    assert set(calls) == {1}


def test_a_dry_run_of_a_finished_study_runs_nothing(tmp_path: Path, calls: list[Any]) -> None:
    study = Study(counted, {"x": [1, 2]})
    study.run(tmp_path, n_jobs=1)
    found = study.dry_run(tmp_path)
    assert calls == [1, 2]
    assert (found.seconds, found.disk) == (0.0, 0)
    assert str(found).splitlines()[:2] == ["2 points, 2 done already; this process", "nothing is left to run"]


def test_the_memory_of_a_dry_run_grows_with_the_network() -> None:
    little, large = (small({N: [n]}).dry_run(probe=False).memory for n in (10, 10**6))
    assert little is not None and large is not None
    assert large - little > 20e6


# ------------------------------------------------------------------ a person at a notebook


def test_a_study_shows_itself() -> None:
    study = small({BIAS: ["0.4 nA", "0.5 nA"], "seed": range(5)}, arc.analysis.summary)
    assert repr(study) == ("<Study 'small', 10 points: populations.exc.bias 2, seed 5; measure summary>")
    assert "<td>0.4 nA, 0.5 nA</td>" in study._repr_html_()
    assert Study(network(), {N: [1]}, duration="1 ms").measure is arc.analysis.summary


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Study("net", {N: [1]}), ["spec = 'net'", "Network or a function"]),  # type: ignore[arg-type]
        (lambda: small({N: [1]}, 5), ["measure = 5", "function of a Recording"]),
        (lambda: Study(network(), {N: [1]}), ["duration = None"]),
        (lambda: small({N: [1]}, seed=None), ["seed = None"]),
        (lambda: small({N: [1]}, keep=1), ["keep = 1"]),
        (lambda: small({N: [1]}, name=" "), ["name = ' '"]),
        (lambda: small({N: [1]}, record=5), ["record = 5"]),
        (lambda: small({N: [1]}, engine="nubma"), ["'nubma'", "'numba'"]),
        (lambda: small({N: [1]}, order="slow"), ["order", "'slow'"]),
        (lambda: Study(square, {"z": [1]}), ["'z'", "x, y"]),
        (lambda: Study(square, {"y": [1]}), ["x", "no default", "partial"]),
        (lambda: Study(square, {"x": [1]}, duration="1 s"), ["duration", "option of a network"]),
        (lambda: Study(square, {"x": [1]}).network(Design.grid({"x": [1]})[0]), ["not a network"]),
    ],
)
def test_a_bad_study_is_refused(make: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises((SpecError, UnknownNameError)) as caught:
        make()
    assert [word for word in words if word not in str(caught.value)] == []
    assert len(str(caught.value).splitlines()) <= 4


def test_warnings_of_a_run_come_once(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small({N: range(1, 21)}, lambda recording: {"a": None, "b": float("inf")}).run(tmp_path, n_jobs=1)
    assert len([w for w in caught if "missing" in str(w.message)]) == 1
