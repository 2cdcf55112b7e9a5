"""The package's papers agree with each other: version, dependencies, pins."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable

from house import ROOT, modules

import arcuate

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# The name one imports, where it is not the name one installs.
IMPORT_NAMES = {"scikit_learn": "sklearn", "dask": "distributed", "numba": "llvmlite"}
# cuda is for another Python, and all is made of the other extras.
PINNED_EXTRAS = sorted(set(EXTRAS) - {"cuda", "all"})


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=;! ]", requirement)[0].lower().replace("-", "_")


def _names(extras: Iterable[str]) -> set[str]:
    return {
        _name(item) for item in [*PROJECT["dependencies"], *(item for key in extras for item in EXTRAS[key])]
    }


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [(node.module or "").split(".")[0]]
    return []


def test_the_version_is_the_same_everywhere() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert arcuate.__version__ == PROJECT["version"]
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\n## [{PROJECT['version']}]" in changelog


def test_every_direct_dependency_is_pinned() -> None:
    lines = (ROOT / "constraints" / "py311.txt").read_text(encoding="utf-8").splitlines()
    pinned = {_name(line) for line in lines if "==" in line}
    assert _names(PINNED_EXTRAS) <= pinned, sorted(_names(PINNED_EXTRAS) - pinned)


def test_third_party_imports_are_declared() -> None:
    declared = _names(EXTRAS)
    declared |= {IMPORT_NAMES[name] for name in declared & set(IMPORT_NAMES)}
    known = declared | set(sys.stdlib_module_names) | {"arcuate"}
    found = {
        f"{module.name}: {name}"
        for module in modules()
        for node in ast.walk(module.tree)
        for name in _imported(node)
        if name not in known
    }
    assert not found
