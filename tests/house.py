"""The library's source, parsed once: what the checks in tests/docs look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "arcuate"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of the library."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    @property
    def name(self) -> str:
        parts = self.path.relative_to(SOURCE.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def public(self) -> bool:
        return not any(part.startswith("_") for part in self.name.split("."))

    @property
    def face(self) -> frozenset[str] | None:
        """Return the names that a user reads about: what the package passes on, or its own ``__all__``."""
        package = self.path.parent / "__init__.py"
        if package not in (self.path, SOURCE / "__init__.py") and package.is_file():
            passed_on = Module(package).exported
            if passed_on is not None:
                return passed_on
        return self.exported

    @cached_property
    def exported(self) -> frozenset[str] | None:
        """Return the names in a literal ``__all__``, or None where the module has none."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
            ):
                try:
                    return frozenset(ast.literal_eval(node.value))
                except ValueError:
                    return None
        return None


@dataclass(frozen=True)
class Public:
    """A public function, class or method and where it stands."""

    module: Module
    node: Function | ast.ClassDef
    owner: ast.ClassDef | None = None

    @property
    def label(self) -> str:
        owner = f"{self.owner.name}." if self.owner else ""
        return f"{self.module.name}.{owner}{self.node.name}"

    @property
    def on_face(self) -> bool:
        """Return whether it is part of the interface, and not only of its package's machinery."""
        face = self.module.face
        return face is None or (self.owner or self.node).name in face

    @property
    def doc(self) -> str:
        return ast.get_docstring(self.node) or self._inherited_doc() or ""

    def _inherited_doc(self) -> str | None:
        """Return what a base class says of the same method, as ``help`` shows it."""
        for base in bases(self.owner) if self.owner else ():
            for child in base.body:
                if isinstance(child, Function) and child.name == self.node.name:
                    return ast.get_docstring(child)
        return None

    def decorated(self, *names: str) -> bool:
        """Return whether one of the decorators ends in one of the names."""
        found = {ast.unparse(item).split("(")[0].split(".")[-1] for item in self.node.decorator_list}
        return bool(found & set(names))


@lru_cache
def modules() -> tuple[Module, ...]:
    """Return every module of the library."""
    return tuple(Module(path) for path in sorted(SOURCE.rglob("*.py")))


@lru_cache
def public_objects() -> tuple[Public, ...]:
    """Return every function, class and method in public modules whose name has no underscore."""
    return tuple(item for module in modules() if module.public for item in _public_in(module))


def _public_in(module: Module) -> Iterator[Public]:
    for node in module.tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        yield Public(module, node)
        if isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, Function) and not child.name.startswith("_"):
                    yield Public(module, child, node)


@lru_cache
def classes() -> dict[str, ast.ClassDef]:
    """Return every class of the library by its name."""
    return {
        node.name: node for module in modules() for node in module.tree.body if isinstance(node, ast.ClassDef)
    }


def bases(node: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """Return the library's own classes that a class is derived from, nearest first."""
    for base in node.bases:
        name = ast.unparse(base).split("[")[0].split(".")[-1]
        if name in classes() and name != node.name:
            yield classes()[name]
            yield from bases(classes()[name])


def arguments(node: Function) -> list[ast.arg]:
    """Return the arguments of a function or method without self and cls."""
    spec = node.args
    found = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    found += [extra for extra in (spec.vararg, spec.kwarg) if extra is not None]
    return [arg for arg in found if arg.arg not in ("self", "cls")]


def functions(module: Module) -> Iterator[Function]:
    """Return every function of a module, nested ones and methods too."""
    return (node for node in ast.walk(module.tree) if isinstance(node, Function))
