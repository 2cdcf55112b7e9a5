"""House rules that a reader would otherwise have to check by eye."""

from __future__ import annotations

import ast
import re

import pytest
from house import ROOT, Function, Module, Public, functions, modules, public_objects

MODULE_LINES = 700
FUNCTION_LINES = 60  # of code; with its docstring, and for a kernel, the limit is LONGEST_LINES
LONGEST_LINES = 120
POSITIONAL = 3
# Compiled functions take arrays and scalars by position: numba knows no keyword-only arguments.
KERNEL_MODULES = frozenset(
    {
        "arcuate.mechanisms.perturbation",
        "arcuate.mechanisms.plasticity",
    }
)

FORBIDDEN_CALLS = frozenset({"eval", "exec", "compile", "__import__"})
FORBIDDEN_KEYWORDS = {"allow_pickle": True, "weights_only": False, "fastmath": True}
FORBIDDEN_MODULES = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"})


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
class TestModule:
    def test_it_is_short_enough(self, module: Module) -> None:
        assert module.text.count("\n") <= MODULE_LINES

    def test_its_functions_are_short_enough(self, module: Module) -> None:
        kernels = module.path.name == "_kernels.py"
        long = [
            f"{node.name}: {_code_lines(node)} lines of code in {_lines(node)}"
            for node in functions(module)
            if _lines(node) > LONGEST_LINES
            or (_code_lines(node) > FUNCTION_LINES and not kernels and not _compiled(node))
        ]
        assert not long

    def test_nothing_is_left_undone(self, module: Module) -> None:
        found = re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b", module.text)
        assert not found

    def test_nothing_unsafe_is_called(self, module: Module) -> None:
        assert not list(_unsafe(module.tree))

    def test_it_has_a_docstring(self, module: Module) -> None:
        assert ast.get_docstring(module.tree)


def _lines(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _code_lines(node: Function) -> int:
    first = node.body[0]
    documented = ast.get_docstring(node) is not None
    return _lines(node) - ((first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0)


def _compiled(node: Function) -> bool:
    return any(
        ast.unparse(item).split("(")[0].split(".")[-1] in {"njit", "jit", "compiled"}
        for item in node.decorator_list
    )


def _unsafe(tree: ast.AST) -> list[str]:
    """Return what evaluates text, unpickles, hides errors or reorders sums."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                found.append(f"line {node.lineno}: {node.func.id}()")
            found += [
                f"line {node.lineno}: {word.arg}={word.value.value}"
                for word in node.keywords
                if word.arg in FORBIDDEN_KEYWORDS
                and isinstance(word.value, ast.Constant)
                and word.value.value is FORBIDDEN_KEYWORDS[word.arg]
            ]
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f"line {node.lineno}: bare except")
        elif isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
            found += [f"line {node.lineno}: {name}" for name in sorted(names & FORBIDDEN_MODULES)]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            found.append(f"line {node.lineno}: {node.module}")
    return found


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "exec('x = 1')",
        "np.load(path, allow_pickle=True)",
        "torch.load(path, weights_only=False)",
        "@njit(fastmath=True)\ndef f(): pass",
        "try:\n    pass\nexcept:\n    pass",
        "import pickle",
        "from cloudpickle import loads",
    ],
)
def test_the_safety_check_sees_what_it_should(text: str) -> None:
    assert _unsafe(ast.parse(text))


def _positional(item: Public) -> int:
    assert isinstance(item.node, Function)
    spec = item.node.args
    return len([arg for arg in [*spec.posonlyargs, *spec.args] if arg.arg not in ("self", "cls")])


def _call_objects() -> list[Public]:
    return [item for item in public_objects() if isinstance(item.node, Function)]


def test_public_functions_take_at_most_three_positional_arguments() -> None:
    many = [
        f"{item.label}: {_positional(item)}"
        for item in _call_objects()
        if _positional(item) > POSITIONAL and item.module.name not in KERNEL_MODULES
    ]
    assert not many, f"make options keyword-only: {many}"


def test_scripts_of_models_are_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {path.read_text(encoding='utf-8').count(chr(10))} lines"
        for path in sorted((ROOT / "models").glob("*/reproduce.py"))
        if path.read_text(encoding="utf-8").count("\n") > FUNCTION_LINES
    ]
    assert not long
