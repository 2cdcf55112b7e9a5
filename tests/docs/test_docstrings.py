"""Everything public is typed and documented: parameters by name, what returns, an example that runs.

Types and a summary are asked of every name without an underscore; the rest of what the package passes on.
"""

from __future__ import annotations

import ast
import re
import warnings

import pytest
from house import Function, Public, arguments, bases, classes, public_objects
from numpydoc.docscrape import NumpyDocString

PLACEHOLDERS = re.compile(r"_summary_|_type_|_description_|\b(?:TODO|FIXME|TBD)\b|lorem ipsum", re.IGNORECASE)


def _ids(item: Public) -> str:
    return item.label


def _parse(item: Public) -> NumpyDocString:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return NumpyDocString(item.doc)


def _documented(parsed: NumpyDocString, *sections: str) -> set[str]:
    names: set[str] = set()
    for section in sections:
        for entry in parsed[section]:
            names |= {name.strip().lstrip("*") for name in entry.name.split(",")}
    return names


def _returns_something(node: Function) -> bool:
    return node.returns is not None and ast.unparse(node.returns) not in {
        "None",
        "NoReturn",
        "typing.NoReturn",
    }


def _is_exception(item: Public) -> bool:
    assert isinstance(item.node, ast.ClassDef)
    return item.node.name.endswith(("Error", "Warning"))


def _fields(node: ast.ClassDef) -> set[str]:
    """Return what a user passes to make one: arguments of ``__init__``, or the fields of a dataclass."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            return {arg.arg for arg in arguments(child)}
    if any("dataclass" in ast.unparse(item) for item in node.decorator_list):
        return {
            child.target.id
            for child in node.body
            if isinstance(child, ast.AnnAssign)
            and isinstance(child.target, ast.Name)
            and not child.target.id.startswith("_")
            and "ClassVar" not in ast.unparse(child.annotation)
            and "init=False" not in ast.unparse(child)
        }
    return set()


FUNCTIONS = [item for item in public_objects() if isinstance(item.node, Function)]
CLASSES = [item for item in public_objects() if isinstance(item.node, ast.ClassDef)]
# A property setter or an overload is documented where the getter or the implementation stands.
CALLABLES = [item for item in FUNCTIONS if not item.decorated("setter", "overload")]
# What an engine gets is read by whoever writes one; an example would be a whole run.
FACE = [
    item
    for item in [*CALLABLES, *CLASSES]
    if item.on_face and not item.module.name.startswith("arcuate.engines.")
]


@pytest.mark.parametrize("item", FUNCTIONS, ids=_ids)
def test_it_is_typed(item: Public) -> None:
    assert isinstance(item.node, Function)
    bare = [arg.arg for arg in arguments(item.node) if arg.annotation is None]
    assert not bare, f"no annotation: {bare}"
    assert item.node.returns is not None, "no return annotation"


@pytest.mark.parametrize("item", [*CALLABLES, *CLASSES], ids=_ids)
def test_it_has_a_summary(item: Public) -> None:
    assert item.doc, "no docstring"
    assert not PLACEHOLDERS.search(item.doc)
    summary = " ".join(_parse(item)["Summary"]).strip()
    assert summary.endswith((".", "?", ":")), f"the summary is a sentence: {summary!r}"


@pytest.mark.parametrize("item", [item for item in FACE if isinstance(item.node, Function)], ids=_ids)
def test_it_says_what_it_takes_and_gives(item: Public) -> None:
    assert isinstance(item.node, Function)
    names = {arg.arg for arg in arguments(item.node)}
    parsed = _parse(item)
    documented = _documented(parsed, "Parameters", "Other Parameters")
    assert documented <= names, f"documented, but not taken: {sorted(documented - names)}"
    if len(names) >= 2 or (item.owner is None and names):
        assert names <= documented, f"not documented: {sorted(names - documented)}"
    if _returns_something(item.node) and len(names) >= 2:
        assert parsed["Returns"] or parsed["Yields"], "no Returns section"


@pytest.mark.parametrize("item", [item for item in FACE if isinstance(item.node, ast.ClassDef)], ids=_ids)
def test_a_class_says_what_it_takes(item: Public) -> None:
    assert isinstance(item.node, ast.ClassDef)
    if _is_exception(item):
        return
    missing = _fields(item.node) - _documented(_parse(item), "Parameters", "Other Parameters", "Attributes")
    assert not missing, f"not documented: {sorted(missing)}"


def _words(node: ast.AST | None) -> set[str]:
    return set(re.findall(r"\w+", ast.unparse(node))) if node is not None else set()


def _package(item: Public) -> str:
    return ".".join(item.module.name.split(".")[:2])


def _made_by_others(item: Public, *, depth: int = 0) -> bool:
    """Return whether a function of its package returns it, or something it is a part of."""
    name, package = item.node.name, _package(item)
    for other in public_objects():
        if other.owner is not None or _package(other) != package or other is item:
            continue
        if isinstance(other.node, Function):
            if name in _words(other.node.returns):
                return True
        elif depth < 3 and any(
            isinstance(child, ast.AnnAssign) and name in _words(child.annotation) for child in other.node.body
        ):
            return _made_by_others(other, depth=depth + 1)
    return False


def _is_base(node: ast.ClassDef) -> bool:
    return any(node in bases(other) for other in classes().values())


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).split("[")[0].endswith("Protocol") for base in node.bases)


@pytest.mark.parametrize("item", [item for item in FACE if item.owner is None], ids=_ids)
def test_it_has_an_example(item: Public) -> None:
    if isinstance(item.node, ast.ClassDef) and (
        _is_exception(item) or _is_protocol(item.node) or _is_base(item.node) or _made_by_others(item)
    ):
        return
    assert ">>> " in item.doc, "no example"
    assert _parse(item)["Examples"], "the example stands in a section named Examples"
