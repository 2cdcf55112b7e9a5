"""Sphinx configuration: MyST pages, numpydoc reference, cards of the models and stored notebooks."""

from __future__ import annotations

import shutil
import sys
import tomllib
import types
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _figures import draw

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SOURCE = ROOT / "src" / "arcuate"

project = "arcuate"
author = "The arcuate developers"
project_copyright = "2026, The arcuate developers"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
version = release

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "**/reproduce.py"]

# Notebooks are stored with their outputs; the checks run them on small parameters elsewhere.
nb_execution_mode = "off"
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # numpydoc says types, shapes and units in words
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_validation_checks: set[str] = set()

html_theme = "pydata_sphinx_theme"
html_title = f"arcuate {release}"
html_static_path = ["_static"]
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

# ---- pages made from the tree: a page for each public module, the models' cards, the notebooks

# (title, modules) in the order of the layers; a module that is not there has no page
SECTIONS = [
    ("Describe", ["spec", "distributions", "mechanisms", "units", "models"]),
    ("Run", ["simulate", "engines", "verify"]),
    ("Exchange", ["recording", "tasks", "datasets"]),
    ("Learn and analyze", ["readout", "learning", "memory", "ctm", "connectome", "analysis", "compare"]),
    ("Networks in PyTorch", ["nn", "probes"]),
    ("Show and organize", ["plot", "study", "io", "flagships"]),
    ("Ground", ["errors", "rng"]),
]


_PAGE = """# {heading}

```{{eval-rst}}
.. automodule:: {module}
   :members:
```
"""


def _modules(name: str) -> list[str]:
    """Return the modules with pages: the package if it says what it passes on, or its modules."""
    if (SOURCE / f"{name}.py").is_file():
        return [f"arcuate.{name}"]
    package = SOURCE / name / "__init__.py"
    if package.is_file() and "\n__all__" in package.read_text(encoding="utf-8"):
        return [f"arcuate.{name}"]  # it passes on what a user needs
    found = []
    for path in sorted((SOURCE / name).rglob("*.py"), key=lambda path: (path.name != "__init__.py", path)):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            found.append(".".join(parts))
    return found


def _write(path: Path, text: str) -> None:
    """Write a page only if it changed, so that an incremental build stays incremental."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _reference() -> None:
    folder = HERE / "reference" / "generated"
    lines = [
        "# Reference",
        "",
        "What a user names, by what it is for. Everything is importable from its module;",
    ]
    lines += ["the common names are also in `arcuate` itself.", ""]
    kept = set()
    for title, names in SECTIONS:
        modules = [module for name in names for module in _modules(name)]
        if not modules:
            continue
        lines += [f"## {title}", "", "```{toctree}", ":maxdepth: 1", ""]
        lines += [*(f"{module}" for module in modules), "```", ""]
        for module in modules:
            heading = module.removeprefix("arcuate.")
            _write(folder / f"{module}.md", _PAGE.format(heading=heading, module=module))
            kept.add(f"{module}.md")
    _write(folder / "index.md", "\n".join(lines))
    for stale in set(folder.glob("*.md")) - {folder / name for name in kept} - {folder / "index.md"}:
        stale.unlink()


def _cards() -> None:
    folder = HERE / "models"
    shutil.rmtree(folder, ignore_errors=True)
    lines = ["# Models", "", "Published models as data: every value with its unit and its source."]
    lines += ["Each folder is also installed with the package, so `arcuate.load_model(name)` finds it.", ""]
    lines += ["```{toctree}", ":maxdepth: 1", ""]
    for card in sorted((ROOT / "models").glob("*/README.md")):
        target = folder / card.parent.name
        target.mkdir(parents=True, exist_ok=True)
        for path in card.parent.iterdir():
            if path.suffix in {".md", ".toml", ".py", ".png"}:
                shutil.copyfile(path, target / path.name)
        lines.append(f"{card.parent.name}/README")
    _write(folder / "index.md", "\n".join([*lines, "```", ""]))


def _notebooks() -> None:
    folder = HERE / "notebooks"
    shutil.rmtree(folder, ignore_errors=True)
    lines = ["# Notebooks", "", "Stored with their outputs, and run by the checks on small parameters.", ""]
    lines += ["```{toctree}", ":maxdepth: 1", ""]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        folder.mkdir(exist_ok=True)
        shutil.copyfile(path, folder / path.name)
        lines.append(path.stem)
    _write(folder / "index.md", "\n".join([*lines, "```", ""]))


(HERE / "_static").mkdir(exist_ok=True)  # the picture is made by `make run`
draw(HERE / "concepts" / "figures")
_reference()
_cards()
_notebooks()


def _skip_aliases(_app: object, _what: str, _name: str, obj: object, skip: bool, _options: object) -> bool:
    """Leave type aliases such as ``Array = NDArray[Any]`` out: autodoc takes them for functions."""
    return skip or isinstance(obj, types.GenericAlias)


def setup(app: Sphinx) -> None:
    """Connect what autodoc calls."""
    app.connect("autodoc-skip-member", _skip_aliases)
