"""Every example in a docstring, in the README and in the documentation runs."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import ROOT, Module, modules

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
WITH_EXAMPLES = [module for module in modules() if ">>> " in module.text]
# that need a GPU, downloads, a cluster, or minutes
ELSEWHERE = {"flagships.md", "gpu.md", "real_weights.md", "studies_where.md"}
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "concepts").glob("*.md")),
    *(page for page in sorted((ROOT / "docs" / "howto").glob("*.md")) if page.name not in ELSEWHERE),
]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.parametrize("module", WITH_EXAMPLES, ids=lambda module: module.name)
def test_docstring_examples(module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if module.name.startswith(("arcuate.nn", "arcuate.probes")):
        pytest.importorskip("torch")
    loaded = importlib.import_module(module.name)
    output = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    for test in doctest.DocTestFinder(exclude_empty=True).find(loaded, module.name):
        runner.run(test, out=output.write)
    assert runner.failures == 0, output.getvalue()
    assert runner.tries > 0


def _blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if _blocks(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_page_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The python blocks of a page, run one after the other as a reader would."""
    if any(name in "".join(_blocks(page)) for name in ("arc.nn.", "arc.probes.")):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for number, block in enumerate(_blocks(page), start=1):
            exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
