"""The first impression: importing the package is quick and loads nothing heavy."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import Any

import pytest

import arcuate

BUDGET_S = 0.5
HEAVY = frozenset(
    {"numba", "llvmlite", "brian2", "torch", "matplotlib", "xarray", "scipy", "pandas", "sympy"}
)

PROBE = """
import json, sys, time
begin = time.perf_counter()
import arcuate
seconds = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "loaded": sorted({name.split(".")[0] for name in sys.modules})}))
"""


def probe() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-I", "-c", PROBE], capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_import_stays_within_its_budget() -> None:
    # The best of several processes: a busy machine slows some of them, never all to the same measure.
    best = min(probe()["seconds"] for _ in range(5))
    assert best <= BUDGET_S, f"import arcuate took {best:.2f} s at best, the budget is {BUDGET_S} s"


def test_import_loads_nothing_heavy() -> None:
    loaded = HEAVY & set(probe()["loaded"])
    assert not loaded, f"import arcuate loads {sorted(loaded)}"


def test_every_public_name_is_there() -> None:
    missing = [name for name in arcuate.__all__ if not hasattr(arcuate, name)]
    assert not missing
    assert len(set(arcuate.__all__)) == len(arcuate.__all__)
    assert set(arcuate.__all__) <= set(dir(arcuate))


def test_a_name_that_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="simulat_e"):
        _ = arcuate.simulat_e


def test_the_package_travels_with_a_function_that_uses_it() -> None:
    """Functions of a notebook are sent to other processes by value, with the modules that they name."""
    cloudpickle = pytest.importorskip("cloudpickle")
    namespace = {"arc": arcuate, "__name__": "__main__"}
    function = eval("lambda: arc.__version__", namespace)
    assert pickle.loads(cloudpickle.dumps(arcuate)) is arcuate
    assert pickle.loads(cloudpickle.dumps(function))() == arcuate.__version__
