"""Who may import whom, and what a module may load when it is itself loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest
from house import ROOT, Module, modules

# Loaded inside functions only, wherever they are used: they are optional or slow.
NEVER_AT_IMPORT = frozenset(
    "brian2 brian2cuda dask distributed h5netcdf h5py hdmf joblib matplotlib neo netCDF4 nir optuna pyarrow "
    "igraph leidenalg pynwb rich safetensors sklearn sympy tensorly torch tqdm typer zarr".split()
)
# The ground, the description and the doors also load none of these when they are imported.
HEAVY = NEVER_AT_IMPORT | frozenset("numba llvmlite pandas scipy xarray".split())
LIGHT_MODULES = (
    *("arcuate", "arcuate.errors", "arcuate.units", "arcuate.rng", "arcuate._optional", "arcuate._jit"),
    *("arcuate.spec", "arcuate.mechanisms", "arcuate.cli"),
)
# nn and probes subclass torch.nn.Module, so they cannot wait.
# cli.app is loaded by the script alone, and is made of typer.
OWNERS = {
    "torch": ("arcuate.nn", "arcuate.probes"),
    "safetensors": ("arcuate.nn",),
    "typer": ("arcuate.cli",),
    "rich": ("arcuate.cli",),
}


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def _imports_at_load(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield (top-level package, line) of imports that run when the module is loaded."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0], node.lineno
        else:
            yield from _imports_at_load(node)


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_heavy_packages_are_imported_late(module: Module) -> None:
    light = module.name == "arcuate" or _within(module.name, LIGHT_MODULES[1:])
    refused = HEAVY if light else NEVER_AT_IMPORT
    early = [
        f"line {line}: {package}"
        for package, line in _imports_at_load(module.tree)
        if package in refused and not _within(module.name, OWNERS.get(package, ()))
    ]
    assert not early, f"{module.name} imports at load: {early}; move it into the function that needs it"


def test_the_late_import_check_sees_what_it_should() -> None:
    tree = ast.parse(
        "import torch.nn\n"
        "if TYPE_CHECKING:\n    import scipy\n"
        "try:\n    from numba import njit\nexcept ImportError:\n    pass\n"
        "def late():\n    import brian2\n"
        "class Holder:\n    import pandas\n"
    )
    assert list(_imports_at_load(tree)) == [("torch", 1), ("numba", 5), ("pandas", 11)]


def test_relative_and_star_imports_are_not_used() -> None:
    found = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and (node.level > 0 or node.names[0].name == "*")
    ]
    assert not found, f"write absolute imports of names: {found}"


def test_the_layer_contracts_hold() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
