"""The Recording: building, selecting, joining, files; against plain numpy and other readers of netCDF."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import arcuate as arc
from arcuate.errors import FileFormatError, RecordingError, UnknownNameError
from arcuate.recording import AXES, Recording, files, schema
from arcuate.tasks import Block, WhatWhen

RNG = np.random.default_rng(20261124)


def sample(**changes: Any) -> Recording:
    """A recording with everything in it, of 2 s."""
    n = 500
    states = {
        "reservoir/exc": {
            "v": (
                RNG.normal(size=(200, 3)),
                ("time", "unit"),
                {"time": np.arange(200) * 0.01, "unit": [4, 7, 9]},
                "V",
            ),
            "spiking": (RNG.random((200, 3)) < 0.5, ("time", "unit"), {}, "1"),
        },
        "readout/features": {
            "r": {
                "data": RNG.normal(size=(4, 5, 2)).astype(np.float32),
                "dims": ("trial", "time", "unit"),
                "coords": {
                    "time": np.arange(5) * 0.1,
                    "stimulus": ["tone", "light", "tone", "é"],
                    "latency": ("trial", [0.1, 0.2, 0.3, 0.4]),
                },
                "units": "Hz",
            }
        },
        "ctm/sync": {"s": (np.arange(12).reshape(2, 3, 2), ("trial", "tick", "unit"), {}, "1")},
    }
    values: dict[str, Any] = {
        "source": "numba",
        "seed": 2**100,
        "spec_json": json.dumps({"name": "x" * 100_000}),
        "spec_sha256": "ab" * 32,
        "spikes": {
            "exc": {
                "time": RNG.uniform(0, 2, n),
                "neuron": RNG.integers(0, 80, n),
                "trial": RNG.integers(-1, 4, n),
                "n": 80,
            },
            "silent": {"time": [], "neuron": [], "n": 20},
        },
        "states": states,
        "weights": {
            "exc->exc": {
                "weight": RNG.normal(size=(2, 6)),
                "pre": [0, 0, 1, 2, 3, 3],
                "post": [1, 2, 0, 0, 1, 2],
                "delay": np.arange(6) * 1e-3,
                "time": [0.0, 2.0],
                "units": "A",
            }
        },
        "events": {"time": [0.0, 0.4, 1.0], "kind": ["cue", "outcome", "cue"], "trial": [0, 0, 1]},
        "outcome": {
            "status": "ok",
            "rates": {"exc": 3.1},
            "wall_s": 0.5,
            "threads": 2,
            "first": None,
            "fine": True,
        },
        "dt": 0.0005,
        "duration": 2.0,
        "created_utc": "2026-11-24T12:00:00+00:00",
    }
    return Recording.build(**values | changes)


@pytest.fixture(scope="module")
def rec() -> Recording:
    return sample()


def test_spikes_are_sorted_by_trial_time_and_neuron() -> None:
    time, neuron, trial = [0.2, 0.1, 0.1, 0.1, 0.3], [1, 9, 2, 0, 0], [0, 1, 0, 0, 0]
    spikes = Recording.build(
        source="x", spikes={"p": {"time": time, "neuron": neuron, "trial": trial}}
    ).spikes("p")
    rows = list(zip(spikes["trial"].values, spikes["time"].values, spikes["neuron"].values, strict=True))
    assert rows == sorted(zip(trial, time, neuron, strict=True))
    assert spikes["time"].attrs["units"] == "s"


@given(st.lists(st.tuples(st.integers(-1, 3), st.floats(-5, 5), st.integers(0, 5)), max_size=40))
def test_any_spikes_come_out_sorted_and_complete(rows: list[tuple[int, float, int]]) -> None:
    columns = {"trial": [r[0] for r in rows], "time": [r[1] for r in rows], "neuron": [r[2] for r in rows]}
    columns = {
        name: np.array(column, dtype=float if name == "time" else int) for name, column in columns.items()
    }
    spikes = Recording.build(source="x", spikes={"p": columns}).spikes("p")
    got = list(zip(spikes["trial"].values, spikes["time"].values, spikes["neuron"].values, strict=True))
    assert got == sorted(rows)


def test_the_order_of_given_spikes_does_not_count() -> None:
    time, neuron = RNG.uniform(0, 1, 300), RNG.integers(0, 9, 300)
    shuffled = RNG.permutation(300)
    a = Recording.build(source="x", spikes={"p": {"time": time, "neuron": neuron}})
    b = Recording.build(source="y", spikes={"p": {"time": time[shuffled], "neuron": neuron[shuffled]}})
    assert a == b
    assert a.digest() == b.digest()


def test_what_a_recording_says_of_itself(rec: Recording) -> None:
    assert rec.source == "numba"
    assert rec.seed == 2**100
    assert rec.spec == {"name": "x" * 100_000}
    assert rec.duration == 2.0
    assert rec.dt == 0.0005
    assert rec.start == 0.0
    assert set(rec.populations) == {"exc", "silent"}
    assert set(rec.sites) == {"reservoir/exc", "readout/features", "ctm/sync"}
    assert rec.weight_names == ("exc->exc",)
    assert rec.n_neurons("silent") == 20
    assert rec.spikes("exc").attrs["duration"] == 2.0
    assert rec.outcome == {
        "status": "ok", "rates": {"exc": 3.1}, "wall_s": 0.5, "threads": 2, "first": None, "fine": True
    }  # fmt: skip
    assert rec.tree.attrs["schema"] == "arcuate.recording"
    assert rec.tree.attrs["schema_version"] == "1.0"
    assert rec.validate() is rec


def test_attributes_are_text_and_numbers_only(rec: Recording) -> None:
    kinds = {type(value) for node in rec.tree.subtree for value in node.attrs.values()}
    assert kinds <= {str, int, float}


def test_states_have_trial_axis_and_unit(rec: Recording) -> None:
    v = rec.states("reservoir/exc")["v"]
    assert v.dims == ("trial", "time", "unit")
    assert v.shape == (1, 200, 3)
    assert v.attrs["units"] == "V"
    assert v["unit"].values.tolist() == [4, 7, 9]
    r = rec.states("readout/features")["r"]
    assert r.dtype == np.float32
    assert r["stimulus"].values.tolist() == ["tone", "light", "tone", "é"]
    assert r["repeat"].values.tolist() == [0, 0, 1, 0]
    assert r["latency"].values.tolist() == [0.1, 0.2, 0.3, 0.4]
    assert rec.states("ctm/sync")["s"].dims == ("trial", "tick", "unit")


@pytest.mark.parametrize("axis", AXES)
def test_every_axis_is_taken(axis: str) -> None:
    data = xr.DataArray(
        RNG.normal(size=(2, 4, 3)), dims=("trial", axis, "unit"), coords={axis: np.arange(4.0)}
    )
    rec = Recording.build(source="torch:gpt", states={"blocks.3.resid_post": {"x": data}})
    np.testing.assert_array_equal(rec.states("blocks.3.resid_post")["x"].values, data.values)


def test_a_pair_of_units_has_pre_and_post() -> None:
    coords = {"time": [0.0], "pre": ("unit", [0, 0, 1]), "post": ("unit", [1, 2, 2])}
    rec = Recording.build(source="x", states={"w": {"w": (np.ones((1, 3)), ("time", "unit"), coords, "1")}})
    assert rec.states("w")["post"].values.tolist() == [1, 2, 2]


def test_a_single_trace_needs_no_unit_axis() -> None:
    rec = Recording.build(
        source="x", states={"g": {"gate": (np.ones(4), ("time",), {"time": np.arange(4.0)})}}
    )
    assert rec.states("g")["gate"].shape == (1, 4, 1)


# ---- files


def test_a_file_gives_back_every_bit(rec: Recording, tmp_path: Path) -> None:
    path = rec.save(tmp_path / "with space é.nc")
    again = Recording.load(path)
    assert again.tree.identical(rec.tree)
    assert again == rec
    assert again.outcome == rec.outcome
    for node in rec.tree.subtree:
        other = again.tree[node.path] if node.path != "/" else again.tree
        for name, variable in node.variables.items():
            assert other.variables[name].dtype == variable.dtype
    assert os.listdir(tmp_path) == [path.name]


@settings(max_examples=20)
@given(
    st.lists(st.floats(width=64), max_size=6),
    st.lists(st.text(max_size=8).map(lambda s: s.rstrip("\0")), max_size=4),
)
def test_any_numbers_and_text_survive_a_file(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float], words: list[str]
) -> None:
    words = [word.encode("utf-8", "ignore").decode().replace("\0", "") for word in words]
    state = (
        np.array([numbers, numbers]).T.reshape(len(numbers), 2),
        ("time", "unit"),
        {"time": np.arange(len(numbers)) * 1.0},
    )
    rec = Recording.build(
        source="x",
        states={"s": {"x": state}} if numbers else {},
        events={"word": np.array(words, dtype=str)} if words else {},
    )
    path = tmp_path_factory.mktemp("any") / "r.nc"
    again = Recording.load(rec.save(path))
    assert again == rec
    if numbers:
        assert again.states("s")["x"].values.tobytes() == rec.states("s")["x"].values.tobytes()
    if words:
        assert again.events["word"].values.tolist() == words


def test_other_programs_can_read_the_file(rec: Recording, tmp_path: Path) -> None:
    path = rec.save(tmp_path / "r.nc")
    with xr.open_dataset(path, group="/spikes/exc", engine="h5netcdf") as spikes:
        np.testing.assert_array_equal(spikes["time"].values, rec.spikes("exc")["time"].values)
    with h5py.File(path) as file:
        assert file.attrs["schema"] == "arcuate.recording"
        np.testing.assert_array_equal(
            file["states/reservoir/exc/v"][:], rec.states("reservoir/exc")["v"].values
        )


def test_every_numeric_array_carries_checksums(rec: Recording, tmp_path: Path) -> None:
    with h5py.File(rec.save(tmp_path / "r.nc")) as file:
        seen = {}

        def look(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.size and item.dtype.kind in "iuf":
                bare = b"not a netCDF variable" in bytes(item.attrs.get("NAME", b""))
                if not bare:
                    seen[name] = item.fletcher32

        file.visititems(look)
    assert len(seen) > 10
    assert all(seen.values())


def test_a_file_is_never_replaced_silently(rec: Recording, tmp_path: Path) -> None:
    path = tmp_path / "r.nc"
    path.write_text("precious")
    with pytest.raises(RecordingError, match="exists"):
        rec.save(path)
    assert path.read_text() == "precious"
    rec.save(path, overwrite=True)
    assert Recording.load(path) == rec
    assert os.listdir(tmp_path) == ["r.nc"]


def test_a_file_that_appears_while_saving_stays(
    rec: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.nc"
    write = files._write

    def late(*args: Any) -> None:
        write(*args)
        path.write_text("precious")

    monkeypatch.setattr(files, "_write", late)
    with pytest.raises(RecordingError, match=r"r\.nc"):
        rec.save(path)
    assert path.read_text() == "precious"
    assert os.listdir(tmp_path) == ["r.nc"]


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), OSError(5, "Input/output error")]
)
def test_a_failed_write_leaves_nothing(
    rec: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: OSError
) -> None:
    def fail(_: int) -> None:
        raise failure

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(RecordingError, match=failure.strerror) as caught:
        rec.save(tmp_path / "r.nc")
    assert "bytes are free" in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("room", [0, 1, 100, 5_000, 60_000, 150_000])
def test_a_disk_that_fills_up_leaves_nothing(
    rec: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    write, left = os.write, [room]

    def limited(file: int, data: Any) -> int:
        if left[0] <= 0:
            raise OSError(28, "No space left on device")
        done = write(file, bytes(data)[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr(files.os, "write", limited)
    with pytest.raises(RecordingError, match="No space left"):
        rec.save(tmp_path / "r.nc")
    assert os.listdir(tmp_path) == []


def test_hdf5_reads_back_what_it_wrote_after_the_disk_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # on a file that forgets what it could not write, the library crashes the process now and then
    write, left = os.write, [4]

    def limited(file: int, data: Any) -> int:
        if left[0] <= 0:
            raise OSError(28, "No space left on device")
        done = write(file, bytes(data)[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr(files.os, "write", limited)
    shield = files._Shield(tmp_path / "r.nc")
    try:
        assert shield.write(b"0123456789") == 10
        assert shield.error is not None and shield.tell() == 10
        shield.truncate(14)
        assert shield.seek(2) == 2
        assert shield.write(b"ab") == 2
        assert shield.seek(0) == 0
        assert shield.read() == b"01ab456789" + bytes(4)
    finally:
        shield.close()
    assert (tmp_path / "r.nc").read_bytes() == b"0123"


def test_writes_that_come_back_short_are_finished(
    rec: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(files.os, "write", lambda file, data: write(file, bytes(data)[:1000]))
    assert Recording.load(rec.save(tmp_path / "r.nc")) == rec


def test_space_is_checked_before_writing(
    rec: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = rec.save(tmp_path / "r.nc").stat().st_size
    usage = type("usage", (), {"free": size})
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(files, "_write", lambda *_: pytest.fail("it wrote"))
    with pytest.raises(RecordingError, match=f"{size} are free"):
        rec.save(tmp_path / "s.nc")
    assert os.listdir(tmp_path) == ["r.nc"]


def test_an_interrupt_leaves_nothing(rec: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_seal", interrupt)
    with pytest.raises(KeyboardInterrupt):
        rec.save(tmp_path / "r.nc")
    assert os.listdir(tmp_path) == []


def test_one_damaged_bit_is_refused(rec: Recording, tmp_path: Path) -> None:
    whole = rec.save(tmp_path / "r.nc").read_bytes()
    bad = tmp_path / "bad.nc"
    for place in np.linspace(0, len(whole) - 1, 300).astype(int):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(place) % 8
        bad.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"bad\.nc"):
            Recording.load(bad)


def test_a_file_cut_short_is_refused(rec: Recording, tmp_path: Path) -> None:
    whole = rec.save(tmp_path / "r.nc").read_bytes()
    bad = tmp_path / "bad.nc"
    for length in [*np.linspace(0, len(whole) - 1, 60).astype(int), len(whole) - 1, len(whole) - 81]:
        bad.write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=r"bad\.nc"):
            Recording.load(bad)
    bad.write_bytes(whole + b"x")
    with pytest.raises(FileFormatError, match="cut short, or changed"):
        Recording.load(bad)


# ---- digest


def test_the_digest_changes_with_every_array(rec: Recording) -> None:
    base = rec.digest()
    changed = 0
    for node in rec.tree.subtree:
        for name in node.variables:
            tree = rec.tree.copy(deep=True)
            data = tree[node.path].variables[name] if node.path != "/" else tree.variables[name]
            if not data.size or name in data.dims:
                continue
            values = data.values.copy()
            values.flat[0] = (
                "changed"
                if values.dtype.kind == "U"
                else ~values.flat[0]
                if values.dtype.kind == "b"
                else values.flat[0] + 1
            )
            group = tree[node.path].to_dataset(inherit=False)
            group[name] = (data.dims, values, data.attrs)
            tree[node.path] = xr.DataTree(group)
            assert files.digest_tree(tree) != base, (node.path, name)
            changed += 1
    assert changed >= 15


def test_the_digest_knows_signed_zero_type_and_shape() -> None:
    def digest(values: Any) -> str:
        return Recording.build(source="x", events={"v": values}).digest()

    variants = [
        np.array([0.0, 1.0]),
        np.array([-0.0, 1.0]),
        np.array([0, 1]),
        np.array([0, 1], dtype=np.int32),
        np.array([0.0, 1.0, 0.0]),
        np.array(["0.0", "1.0"]),
        np.array(["0.01.", "0"]),
    ]
    assert len({digest(v) for v in variants}) == len(variants)
    assert digest(np.array([np.nan])) == digest(np.array([np.nan]))


# ---- parts


def test_selecting_spikes_is_masking(rec: Recording) -> None:
    spikes = {name: rec.spikes("exc")[name].values for name in ("time", "neuron", "trial")}
    part = rec.select(time=slice("0.5 s", "1 s"), neuron=range(10, 40), trial=[0, 2]).spikes("exc")
    keep = (spikes["time"] >= 0.5) & (spikes["time"] < 1.0)
    keep &= (spikes["neuron"] >= 10) & (spikes["neuron"] < 40) & np.isin(spikes["trial"], [0, 2])
    for name in spikes:
        np.testing.assert_array_equal(part[name].values, spikes[name][keep])
    assert 0 < keep.sum() < keep.size


def test_selecting_states_events_and_the_clock(rec: Recording) -> None:
    part = rec.select(time=("0.5 s", "1 s"))
    v = rec.states("reservoir/exc")["v"].values
    np.testing.assert_array_equal(part.states("reservoir/exc")["v"].values, v[:, 50:100])
    assert part.events["kind"].values.tolist() == []
    assert (part.start, part.duration) == (0.5, 0.5)
    assert part.states("ctm/sync").sizes == rec.states("ctm/sync").sizes
    assert rec.select(time=slice("0.4 s", None)).events["kind"].values.tolist() == ["outcome", "cue"]
    by_trial = rec.select(trial=slice(1, 3))
    assert by_trial.states("readout/features")["trial"].values.tolist() == [1, 2]
    assert by_trial.events["trial"].values.tolist() == [1]
    assert by_trial.duration is None
    assert rec.duration == 2.0


def test_selecting_names(rec: Recording) -> None:
    assert rec.select(population="exc").populations == ("exc",)
    assert rec.select(population="exc").sites == rec.sites
    assert rec.select(site=["ctm/sync"]).sites == ("ctm/sync",)
    assert rec.select(neuron=7).states("reservoir/exc")["unit"].values.tolist() == [7]
    assert rec.select() == rec


def test_pieces_make_the_whole(rec: Recording) -> None:
    v = rec.states("reservoir/exc")["v"].values
    spikes = {name: rec.spikes("exc")[name].values for name in ("time", "neuron")}
    states = {"exc": {"v": (v, ("trial", "time", "unit"), {"time": np.arange(200) * 0.01}, "V")}}
    whole = sample(spikes={"exc": spikes | {"n": 80}}, states=states, weights={})
    cuts = ["0 s", "0.3 s", "1.1 s", "2 s"]
    joined = Recording.concatenate([whole.select(time=ends) for ends in pairwise(cuts)])
    assert joined == whole
    assert joined.duration == pytest.approx(2.0)


def test_pieces_with_different_trials_join_along_the_trial(rec: Recording) -> None:
    first, last = rec.select(trial=[0, 1]), rec.select(trial=[2, 3])
    sites = ("readout/features",)
    joined = Recording.concatenate([p.select(site=sites, population=[]) for p in (first, last)])
    xr.testing.assert_identical(joined.states("readout/features"), rec.states("readout/features"))


def test_separate_runs_become_trials() -> None:
    a, b = (sample(seed=s, outcome={"status": s_, "wall_s": 1.0, "rates_hz": {"exc": r}})
            for s, s_, r in ((1, "ok", 2.0), (2, "stopped", 4.0)))  # fmt: skip
    joined = Recording.concatenate([a, b], dim="trial")
    assert joined.seed is None
    assert joined.tree.attrs["seeds"] == "1 2"
    assert joined.duration == 4.0
    assert joined.outcome == {"status": "stopped", "wall_s": 2.0, "rates_hz": {"exc": 3.0}}
    for run, offset in ((a, 0), (b, 4)):
        own, all_ = run.spikes("exc"), joined.spikes("exc")
        for trial in range(4):
            np.testing.assert_array_equal(
                all_["time"].values[all_["trial"].values == trial + offset],
                own["time"].values[own["trial"].values == trial],
            )
    features = joined.states("readout/features")
    assert features["trial"].values.tolist() == list(range(8))
    np.testing.assert_array_equal(features["r"].values[4:], b.states("readout/features")["r"].values)
    labels = list(zip(features["stimulus"].values.tolist(), features["repeat"].values.tolist(), strict=True))
    assert len(set(labels)) == 8
    assert joined.events["trial"].values.tolist() == [0, 0, 1, 4, 4, 5]


def test_a_snapshot_at_the_seam_is_kept_once() -> None:
    def piece(start: float, weights: list[list[float]]) -> Recording:
        table = {"weight": weights, "pre": [0, 1], "post": [0, 0], "time": [start, start + 1]}
        return Recording.build(source="x", weights={"w": table}, start=start, duration=1.0)

    joined = Recording.concatenate([piece(0.0, [[1, 2], [3, 4]]), piece(1.0, [[3, 4], [5, 6]])])
    assert joined.weights("w")["weight"].values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert joined.weights("w")["time"].values.tolist() == [0.0, 1.0, 2.0]


def test_epochs_are_plain_slices(rec: Recording) -> None:
    v = rec.states("reservoir/exc")["v"].values[0]
    cuts = rec.epochs("reservoir/exc", "v", [0.5, 1.004], window=("-100 ms", "200 ms"))
    assert cuts.dims == ("trial", "time", "unit")
    np.testing.assert_array_equal(cuts.values[0], v[40:70])
    np.testing.assert_array_equal(cuts.values[1], v[90:120])  # to the nearest sample
    np.testing.assert_allclose(cuts["time"].values, np.arange(-10, 20) * 0.01, rtol=0, atol=1e-12)
    assert cuts["start"].values.tolist() == [0.5, 1.004]
    assert cuts.attrs["units"] == "V"


def test_epochs_of_a_task(tmp_path: Path) -> None:
    block = Block(n_trials=5, latency="400 ms", probabilities=[1.0])
    trials = WhatWhen(blocks=[block]).trials("1 ms", seed=0)
    steps = np.arange(0, trials.n_steps, 10)
    signal = (trials.teacher_at(steps), ("time",), {"time": steps * 1e-3}, "1")
    rec = Recording.build(source="x", states={"s": {"s": signal}}, events=trials.events())
    starts = rec.events["time"].values[rec.events["kind"].values == "trial"]
    cuts = rec.epochs("s", "s", starts, window="1200 ms")
    np.testing.assert_allclose(
        cuts.values[:, :, 0], trials.teachers(cuts["time"].values), rtol=1e-9, atol=1e-300
    )
    peaks = cuts["time"].values[cuts.values[:, :, 0].argmax(axis=1)]
    np.testing.assert_allclose(peaks, 0.4, rtol=0, atol=1e-12)


# ---- views


def test_tables(rec: Recording) -> None:
    table = rec.to_pandas("spikes")
    assert len(table) == 500
    assert set(table["population"]) == {"exc"}
    assert rec.to_pandas("events")["kind"].tolist() == ["cue", "outcome", "cue"]
    assert len(rec.to_pandas("states/reservoir/exc")) == 600
    flat = rec.to_dataset()
    np.testing.assert_array_equal(flat["spikes/exc/time"].values, rec.spikes("exc")["time"].values)
    assert flat["states/ctm/sync/s"].shape == (2, 3, 2)
    assert flat.attrs["source"] == "numba"


def test_the_card_shows_what_there_is(rec: Recording) -> None:
    card = rec._repr_html_()
    for word in (
        "numba",
        "2 s",
        "exc",
        "500",
        "3.12 Hz",
        "reservoir/exc",
        "v [V]",
        "trial 1",
        "unit 3",
        "ok",
    ):
        assert word in card, word
    assert "3.12 Hz" in repr(rec)
    assert "exc-&gt;exc" in card
    assert len(card) < 6000


def test_the_card_escapes_names() -> None:
    rec = Recording.build(
        source="<script>", spikes={"<b>": {"time": [], "neuron": []}}, outcome={"status": "<i>"}
    )
    card = rec._repr_html_()
    assert not any(tag in card for tag in ("<script>", "<b><", "<i>"))


def test_the_rate_counts_chosen_neurons(rec: Recording) -> None:
    part = rec.select(neuron=range(40))
    expected = part.spikes("exc").sizes["spike"] / (40 * 2.0)
    assert f"{expected:.3g} Hz" in repr(part)


def test_importing_it_does_not_load_xarray() -> None:
    code = (
        "import sys, arcuate.recording, arcuate.tasks, arcuate.datasets;"
        "print([name for name in ('xarray', 'pandas', 'h5py', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


FIRST_LOOK = """
import sys, arcuate as arc
cells = arc.Population(name="exc", n=5, neuron=arc.lif(), bias="0.5 nA")
net = arc.Network(name="five", dt="0.1 ms", populations=[cells], record=arc.Record(states={"exc": ["v"]}))
rec = arc.simulate(net, "20 ms", seed=1, progress=False)
time, neuron = rec.spike_arrays("exc")
told = rec.source, rec.seed, rec.dt, rec.start, rec.duration, rec.populations, rec.n_neurons("exc"), rec.spec
notes = rec.outcome
assert not {"xarray", "pandas"} & set(sys.modules), "loaded before anything was labeled"
labeled, values = rec.spikes("exc"), rec.states("exc")["v"]
assert "xarray" in sys.modules and time.size > 0 and values.sizes["unit"] == 5
assert labeled["time"].values.tolist() == time.tolist()
assert labeled["neuron"].values.tolist() == neuron.tolist()
assert told == (
    rec.source, rec.seed, rec.dt, rec.start, rec.duration, rec.populations, rec.n_neurons("exc"), rec.spec
)
assert notes == rec.outcome
"""


def test_a_run_gives_its_spikes_before_anything_is_labeled() -> None:
    subprocess.run([sys.executable, "-c", FIRST_LOOK], check=True)


@pytest.mark.filterwarnings("ignore:population 'exc' did not fire")
def test_what_a_run_leaves_is_labeled_once_and_not_held_twice() -> None:
    cells = arc.Population(name="exc", n=50, neuron=arc.lif())
    record = arc.Record(states={"exc": ["v"]}, every="0.1 ms")
    net = arc.Network(name="fifty", dt="0.1 ms", populations=[cells], record=record)
    arc.simulate(net, "1 ms", seed=1).validate()
    tracemalloc.start()
    try:
        rec = arc.simulate(net, "500 ms", seed=1)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        with ThreadPoolExecutor(4) as pool:
            trees = list(pool.map(lambda _: rec.tree, range(8)))
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    size = rec.states("exc")["v"].nbytes
    assert size == 2_000_000
    assert all(tree is trees[0] for tree in trees)
    assert before > size and after - before < size / 4 and peak - before < size / 4
    with pytest.raises(UnknownNameError, match="Did you mean 'exc'"):
        rec.spike_arrays("exz")
    assert pickle.loads(pickle.dumps(arc.simulate(net, "10 ms", seed=1))) == arc.simulate(
        net, "10 ms", seed=1
    )


def test_an_interrupted_look_at_a_run_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = arc.Population(name="exc", n=2, neuron=arc.lif(), bias="0.5 nA")
    net = arc.Network(name="two", dt="0.1 ms", populations=[cells], record=arc.Record(states={"exc": ["v"]}))
    rec, whole = arc.simulate(net, "50 ms", seed=1), arc.simulate(net, "50 ms", seed=1)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "events_dataset", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rec.states("exc")
    assert rec == whole
