"""The report: self-contained, escaped, atomic, with where it came from."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure as Picture

import arcuate.models
from arcuate.errors import FileFormatError, SpecError
from arcuate.study import report as report_module
from arcuate.study.report import check_output, provenance, render_report, write_report
from arcuate.study.reproduction import Figure, Reproduction, as_columns

SPECIFICATION = (
    'name = "tiny"\ndt = "0.1 ms"\n[populations.exc]\nn = 2\n[populations.exc.neuron]\nmodel = "lif"\n'
)
FACTS = {"seeds": "0, 1", "specification sha256": "0" * 64}


def figure(name: str = "error", **changes: Any) -> Figure:
    """Return a figure that holds."""
    options: dict[str, Any] = {
        "name": name,
        "what": "median <error>",
        "statistic": "median",
        "low": float("-inf"),
        "high": 20.0,
        "unit": "ms",
        "source": "card, table 1",
        "expected_seeds": (0, 1),
        "values": {0: 3.0, 1: 4.0},
    }
    return Figure(**{**options, **changes})


def reproduction(**changes: Any) -> Reproduction:
    """Return a reproduction with everything in it."""
    picture = Picture(figsize=(2, 1))
    picture.subplots().plot([0, 1])
    options: dict[str, Any] = {
        "model": "tiny",
        "figures": (figure(), figure("other", values={0: 30.0, 1: 40.0})),
        "plots": {"one/two": picture},
        "captions": {"one/two": 'Say "no" & <go>.'},
        "caveats": ("Read <this> first.",),
        "tables": {"per seed": {"seed": [0, 1], "value": [0.123456, 2.0]}},
    }
    return Reproduction(**{**options, **changes})


class Page(HTMLParser):
    """Collects tags, references and text; counts what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish the model that the reports are about."""
    folder = tmp_path / "models"
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny" / "model.toml").write_text(SPECIFICATION, encoding="utf-8")
    monkeypatch.setattr(arcuate.models, "models_folder", lambda: folder)


class TestPage:
    def test_it_needs_nothing_beside_it(self) -> None:
        page = Page(render_report(reproduction(), facts=FACTS))
        assert page.open == []
        assert not {"script", "link", "iframe"} & set(page.tags)
        (source,) = page.references
        kind, data = source.split(",", 1)
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
        assert "@import" not in render_report(reproduction(), facts=FACTS)
        assert "url(" not in render_report(reproduction(), facts=FACTS)

    def test_words_are_words_and_not_markup(self) -> None:
        page = Page(render_report(reproduction(model="<script>x</script>"), facts={"<b>": "</table>"}))
        for words in (
            "median <error>",
            "Read <this> first.",
            'Say "no" & <go>.',
            "<script>x</script>",
            "</table>",
        ):
            assert words in page.words
        assert "script" not in page.tags

    def test_verdicts_are_computed(self) -> None:
        words = Page(render_report(reproduction(), facts=FACTS, wall_seconds=12.4)).words
        assert "1 of 2 judged figures hold. It took 12 s." in words
        assert re.search(r"median 3.5 ms \(2 seeds\)holds", words)
        assert re.search(r"median 35 ms \(2 seeds\)fails", words)

    def test_tables_have_four_digits(self) -> None:
        words = Page(render_report(reproduction(), facts=FACTS)).words
        assert "0.1235" in words
        assert "per seed" in words

    def test_one_picture_after_another_gives_the_same_page(self) -> None:
        result = reproduction()
        assert render_report(result, facts=FACTS) == render_report(result, facts=FACTS)


@pytest.mark.usefixtures("published")
class TestFiles:
    def test_what_is_written(self, tmp_path: Path) -> None:
        path = write_report(reproduction(), tmp_path / "a" / "b", seeds=[0, 1], quick=True, wall_seconds=1.0)
        assert path == tmp_path / "a" / "b" / "report.html"
        assert sorted(p.name for p in path.parent.iterdir()) == ["figures.json", "one_two.png", "report.html"]
        summary = json.loads((path.parent / "figures.json").read_text(encoding="utf-8"))
        assert summary["holds"] is False
        assert summary["figures"][0]["low"] == "-inf"
        assert summary["provenance"]["protocol"] == "quick"

    def test_it_does_not_overwrite(self, tmp_path: Path) -> None:
        (tmp_path / "kept.txt").write_text("mine", encoding="utf-8")
        with pytest.raises(FileFormatError, match="--force"):
            write_report(reproduction(), tmp_path)
        assert not (tmp_path / "report.html").exists()
        write_report(reproduction(), tmp_path, force=True)
        assert (tmp_path / "kept.txt").read_text(encoding="utf-8") == "mine"

    def test_a_file_in_place_of_the_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine", encoding="utf-8")
        with pytest.raises(FileFormatError, match="folder"):
            check_output(tmp_path / "file", force=True)

    def test_a_failure_leaves_no_half_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(report_module.os, "fsync", full)
        with pytest.raises(OSError, match="space"):
            write_report(reproduction(), tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []

    def test_provenance_names_specification_versions_seeds_and_no_place(self, tmp_path: Path) -> None:
        facts = provenance("tiny", seeds=[3, 4])
        assert facts["specification sha256"] == arcuate.models.load_model("tiny").sha256
        assert facts["seeds"] == "3, 4"
        assert re.fullmatch(r"\d+\.\d+.*", facts["numpy"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", facts["created_utc"])
        assert not [value for value in facts.values() if str(Path.home()) in value or str(tmp_path) in value]


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(SpecError, match="one length"):
        as_columns({"a": [1], "b": [1, 2]})


def test_a_frame_is_a_table() -> None:
    import pandas as pd

    assert as_columns(pd.DataFrame({"a": [1, 2], "b": [3, 4]})) == (["a", "b"], [(1, 3), (2, 4)])
