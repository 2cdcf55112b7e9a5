"""Numbers come from somewhere: every value of a published model names its source."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house import ROOT

MODELS = sorted(path for path in (ROOT / "models").glob("*/*.toml") if path.name != "expected.toml")
# Names, kinds and links between parts are structure; everything else is a value.
STRUCTURE = frozenset(
    "name description model kind dist rule source target pre post populations readout weight_name sign mode "
    "method modulator feedback_target title paper doi url citation version "
    "estimator".split()
)


def unsourced(node: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the dotted path of every value without a source."""
    if isinstance(node, dict):
        if _has_source(node):
            return
        for key, child in node.items():
            if key == "sources" and not path:
                continue
            yield from unsourced(child, (*path, key))
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        for index, item in enumerate(node):
            yield from unsourced(item, (*path, str(index)))
    elif not (path[-1] in STRUCTURE and isinstance(node, str)):
        yield ".".join(path)


def _has_source(node: dict[str, Any]) -> bool:
    """Return whether a leaf table (a value or a distribution) says where it is from."""
    return ("value" in node or "dist" in node) and good_source(node.get("source"))


def good_source(text: Any) -> bool:
    """Return whether a source is a place in a paper, or "chosen" with the reason in a sentence."""
    if not isinstance(text, str) or not text.strip():
        return False
    if text.strip().lower().startswith("chosen"):
        return len(re.findall(r"\w+", text)) >= 4
    return len(text.strip()) >= 4


def missing_sources(text: str) -> list[str]:
    """Return the paths of a model file that have no source, in the leaf or in a table named sources."""
    tree = tomllib.loads(text)
    listed = {path for path, source in tree.get("sources", {}).items() if good_source(source)}
    return [path for path in unsourced(tree) if path not in listed]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_value_has_a_source(path: Path) -> None:
    missing = missing_sources(path.read_text(encoding="utf-8"))
    assert not missing, f"{path.relative_to(ROOT)}: no source for {missing}"


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODELS}), ids=lambda folder: folder.name)
def test_the_folder_is_complete(folder: Path) -> None:
    missing = [
        name for name in ("README.md", "expected.toml", "reproduce.py") if not (folder / name).is_file()
    ]
    assert not missing


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ('dt = "1 ms"', ["dt"]),
        ('dt = {value = "1 ms", source = "spec 1.2"}', []),
        ('dt = {value = "1 ms", source = "chosen"}', ["dt.value"]),
        ('dt = {value = "1 ms", source = "chosen: small against every time constant"}', []),
        ('[populations.exc]\nn = 80\nsign = "excitatory"', ["populations.exc.n"]),
        ('[w]\ndist = "uniform"\nlow = 0.0', ["w.low"]),
        ('w = {dist = "uniform", low = 0.0, source = "paper, table 2"}', []),
        ('dt = "1 ms"\n[sources]\ndt = "paper, table 2"', []),
    ],
)
def test_the_source_check_sees_what_it_should(text: str, missing: list[str]) -> None:
    assert missing_sources(text) == missing
