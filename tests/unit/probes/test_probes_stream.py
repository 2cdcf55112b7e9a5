"""A streamed capture is the recording that memory would hold; half of one never has its name."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from probe_models import plain

import arcuate as arc
from arcuate.errors import ArcuateWarning, FileFormatError, MissingExtraError, RecordingError, SpecError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

capture = arc.probes.capture
LENGTHS = np.array([5, 3, 5])
MASK = np.arange(5) < LENGTHS[:, None]


def encoder(seed: int = 0) -> tuple[Any, Any]:
    one = plain("encoder", seed)
    return one.model, one.inputs


class TestStream:
    @pytest.fixture(autouse=True)
    def _zarr(self) -> None:
        pytest.importorskip("zarr", reason='needs pip install "arcuate[io]"')

    @pytest.mark.parametrize("batch_size", [1, 2, 3])
    def test_holds_what_memory_would(self, tmp_path: Path, batch_size: int) -> None:
        model, x = encoder()
        given: dict[str, Any] = {
            "sites": ["layers.?:out", ":in"],
            "stimulus": ["a", "bcd", "é"],
            "mask": MASK,
        }
        memory = capture(model, x, **given)
        stream = capture(model, x, to=tmp_path / "a.zarr", batch_size=batch_size, **given)
        again = arc.Recording.load(tmp_path / "a.zarr")
        assert stream.equals(memory) and again.equals(memory)
        assert again.source == memory.source and again.outcome == memory.outcome
        assert again.outcome["bytes"] == 3 * 3 * 5 * 8 * 4
        assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
        states = again.states("layers.1:out")
        assert states["stimulus"].values.tolist() == ["a", "bcd", "é"]
        assert states["activation"].attrs["units"] == "1"

    def test_numbers_stay_on_the_disk(self, tmp_path: Path) -> None:
        model, x = encoder()
        stream = capture(model, x, to=tmp_path / "a", sites="layers.1:out")
        variable = stream.states("layers.1:out")["activation"].variable
        assert not isinstance(variable._data, np.ndarray)
        part = stream.select(trial=[1]).states("layers.1:out")["activation"]
        np.testing.assert_array_equal(part.values, stream.states("layers.1:out")["activation"].values[1:2])
        stream.save(tmp_path / "a.nc")
        assert arc.Recording.load(tmp_path / "a.nc").equals(stream)

    def test_numbers_that_go_later_are_told(self, tmp_path: Path) -> None:
        model, x = encoder()
        stream = capture(model, x, to=tmp_path / "a", sites="layers.1:out")
        (tmp_path / "a/states/layers.1:out/activation/c/0/0/0").write_bytes(b"short")
        with pytest.raises(FileFormatError, match="moved, or damaged"):
            stream.states("layers.1:out")["activation"].load()

    def test_nothing_half_is_left(self, tmp_path: Path) -> None:
        class Fails(torch.nn.Module):
            calls = 0

            def forward(self, x: Any) -> Any:
                Fails.calls += 1
                if Fails.calls == 3:
                    raise RuntimeError("broken")
                return x

        model = torch.nn.Sequential(torch.nn.Linear(2, 2), Fails())
        with pytest.raises(SpecError, match="broken"):
            capture(model, np.zeros((4, 2)), sites="0:out", batch_size=1, to=tmp_path / "a")
        assert list(tmp_path.iterdir()) == []
        capture(model, np.zeros((4, 2)), sites="0:out", batch_size=1, to=tmp_path / "a")

    def test_what_exists_is_never_replaced(self, tmp_path: Path) -> None:
        model, x = encoder()
        (tmp_path / "a").mkdir()
        seen: list[int] = []
        model.register_forward_pre_hook(lambda *_: seen.append(1))
        with pytest.raises(RecordingError, match="exists"):
            capture(model, x, sites=":out", to=tmp_path / "a")
        with pytest.raises(RecordingError, match="folder does not exist"):
            capture(model, x, sites=":out", to=tmp_path / "b" / "c")
        with pytest.raises(RecordingError, match="path of a folder"):
            capture(model, x, sites=":out", to=3)
        assert seen == []

    def test_a_full_disk_is_told_within_the_first_batch(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, x = encoder()
        seen: list[int] = []
        model.register_forward_pre_hook(lambda *_: seen.append(1))
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * 5 * 8 * 4 - 1))
        with pytest.raises(RecordingError, match=r"needs 4\.8e-07 GB.*reduce="):
            capture(model, x, sites="layers.1:out", batch_size=1, to=tmp_path / "a")
        assert len(seen) == 1 and list(tmp_path.iterdir()) == []

    def test_a_disk_that_fails_is_told(self, tmp_path: Path) -> None:
        model, x = encoder()

        def full(batch: Any, mask: Any) -> Any:
            if len(list(tmp_path.glob(".*.partial/states/*/*/c"))):
                for path in tmp_path.glob(".*.partial/states/*/*/c"):
                    shutil.rmtree(path)
                    path.write_text("no folder any more")
            return batch[:, 0]

        with pytest.raises(RecordingError, match="could not be written"):
            capture(model, x, sites="layers.1:out", batch_size=1, to=tmp_path / "a", reduce=full)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("harm", ["altered", "cut", "missing", "other", "version"])
    def test_damage_is_noticed(self, tmp_path: Path, harm: str) -> None:
        model, x = encoder()
        capture(model, x, to=tmp_path / "a", sites="layers.1:out", batch_size=1)
        piece = tmp_path / "a/states/layers.1:out/activation/c/1/0/0"
        label = tmp_path / "a/zarr.json"
        content = piece.read_bytes()
        if harm == "altered":
            piece.write_bytes(content[:9] + bytes([content[9] ^ 1]) + content[10:])
        elif harm == "cut":
            piece.write_bytes(content[:-1])
        elif harm == "missing":
            piece.unlink()
        elif harm == "other":
            label.write_text(label.read_text().replace("arcuate.recording", "other"))
        else:
            label.write_text(label.read_text().replace('"schema_version": "1.0"', '"schema_version": "9.0"'))
        with pytest.raises(FileFormatError):
            arc.Recording.load(tmp_path / "a")

    def test_half_precision(self, tmp_path: Path) -> None:
        model, x = encoder()
        full = capture(model, x, sites=":out").states(":out")["activation"].values
        stream = capture(model, x, sites=":out", dtype="float16", to=tmp_path / "a")
        half = stream.states(":out")["activation"].values
        assert half.dtype == np.float16
        np.testing.assert_array_equal(half, full.astype(np.float16))


def test_without_zarr_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "zarr", None)
    model, x = encoder()
    with pytest.raises(MissingExtraError, match=r"arcuate\[io\]"):
        capture(model, x, sites=":out", to=tmp_path / "a")


class Constant(torch.nn.Module):
    """Gives the same numbers whatever comes in."""

    def __init__(self, values: Any) -> None:
        super().__init__()
        self.register_buffer("values", torch.as_tensor(values))

    def forward(self, x: Any) -> Any:
        return self.values.expand(len(x), *self.values.shape)


def held(values: Any, **options: Any) -> Any:
    model = torch.nn.Sequential(Constant(values))
    return capture(model, np.zeros((2, 1)), sites="0:out", **options).states("0:out")["activation"]


class TestHalfPrecision:
    def test_numbers_beyond_it_are_refused(self) -> None:
        with pytest.raises(SpecError, match=r"reaches 7e\+04 at 0:out.*Record float32"):
            held([[1.0, 7e4]], dtype="float16")

    def test_massive_activations_are_warned_of(self) -> None:
        values = [[1.0, -1.5, 2.0, 9000.0]]
        with pytest.warns(ArcuateWarning, match=r"0:out, 9e\+03, by up to 4.4, more than the typical 1.5"):
            found = held(values, dtype="float16")
        assert found.dtype == np.float16
        assert held(values).dtype == np.float32

    def test_a_loss_below_the_typical_is_not(self, recwarn: pytest.WarningsRecorder) -> None:
        held([[1.0, -1.5, 2.0, 2000.0]], dtype="float16")
        assert [w for w in recwarn if issubclass(w.category, ArcuateWarning)] == []

    def test_doubles_stay_unless_asked(self) -> None:
        values = np.array([[1.0, 2.0]])
        assert held(values).dtype == np.float64
        assert held(values, dtype="float32").dtype == np.float32
        with pytest.raises(SpecError, match="dtype"):
            held(values, dtype="float8")


class TestPositions:
    VALUES = np.arange(10.0).reshape(5, 2)

    @pytest.mark.parametrize(
        ("positions", "wanted"),
        [(1, [1]), (-1, [4]), ([0, -2], [0, 3]), (slice(1, None, 2), [1, 3]), (np.array([4, 4]), [4, 4])],
        ids=["one", "last", "several", "slice", "array"],
    )
    def test_are_kept_with_their_places(self, positions: Any, wanted: list[int]) -> None:
        found = held(self.VALUES, positions=positions, axis="token")
        assert found["token"].values.tolist() == wanted
        np.testing.assert_array_equal(found.values[1], self.VALUES[wanted])

    def test_reductions_see_them_alone(self) -> None:
        found = held(self.VALUES, positions=[0, 1], reduce="mean")
        assert found.values[0].tolist() == [[1.0, 2.0]]

    def test_of_a_cell_that_is_called_at_every_step(self) -> None:
        class Cells(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.cell = torch.nn.Identity()

            def forward(self, x: Any) -> Any:
                return [self.cell(x[:, step]) for step in range(x.shape[1])][-1]

        states = capture(Cells(), np.arange(5.0)[None, :, None], sites="cell:out", positions=[-1, 1])
        found = states.states("cell:out")
        assert found["tick"].values.tolist() == [5, 2]
        assert found["activation"].values[0, :, 0].tolist() == [4, 1]

    def test_with_pads(self) -> None:
        model, x = encoder()
        found = capture(model, x, sites=":out", mask=MASK, positions=[2, 3]).states(":out")["activation"]
        assert np.isnan(found.values[1]).any(1).tolist() == [False, True]
        last = capture(model, x, sites=":out", mask=MASK, positions=[2, 3], reduce="last").states(":out")
        np.testing.assert_array_equal(last["activation"].values[1, 0], found.values[1, 0])
        with pytest.raises(SpecError, match="no real token"):
            capture(model, x, sites=":out", mask=MASK, positions=[3, 4], reduce="mask-mean")

    @pytest.mark.parametrize("positions", [5, -6, [0, 9], slice(7, None), [], "last", [1.5], [[1], [2]]])
    def test_that_are_not_there(self, positions: Any) -> None:
        with pytest.raises(SpecError, match="positions"):
            held(self.VALUES, positions=positions)


def test_the_size_is_in_the_title_of_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    from arcuate.probes import record

    bars: list[Any] = []

    class Bar(record.progress_bar):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            bars.append(self)

    monkeypatch.setattr(record, "progress_bar", Bar)
    model, titles = torch.nn.Linear(2, 1000), []
    capture(model, np.zeros((500, 2)), sites=":out", progress=lambda *_: titles.append(bars[0].title))
    assert titles[0] == "capture, 2 MB"
