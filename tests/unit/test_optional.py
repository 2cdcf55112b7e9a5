"""The doors to optional packages and to Numba."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from arcuate import _jit
from arcuate._optional import require
from arcuate.errors import MissingExtraError


def test_a_package_that_is_there():
    assert require("json", extra="io", purpose="tables") is sys.modules["json"]


def test_a_missing_package_names_the_extra():
    with pytest.raises(MissingExtraError) as caught:
        require("no_such_package_arcuate.part", extra="torch", purpose="probes")
    assert str(caught.value) == (
        'probes: no_such_package_arcuate: is not installed. Install it with: pip install "arcuate[torch]".'
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_broken_package_says_so(tmp_path, monkeypatch):
    (tmp_path / "broken_arcuate.py").write_text("import no_such_dependency_arcuate\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        MissingExtraError, match=r"does not import \(No module named 'no_such_dependency_arcuate'\)"
    ):
        require("broken_arcuate", extra="io", purpose="tables")


def half_sum(values, scale):
    """Plain Python: a sum in ascending order, then a division."""
    total = 0.0
    for i in range(values.shape[0]):
        total += values[i]
    return total / scale


def test_compiled_code_equals_python():
    values = np.random.default_rng(0).standard_normal(1001)
    fast = _jit.compiled(half_sum)
    assert fast(values, 3.0) == half_sum(values, 3.0)
    assert fast is _jit.compiled(half_sum)
    assert _jit.compiled(fast) is fast
    assert np.isinf(fast(values, 0.0))


def test_numba_keeps_its_own_settings():
    numba = pytest.importorskip("numba")
    before = numba.config.CACHE_DIR
    _jit.compiled.__wrapped__(half_sum)
    assert before == numba.config.CACHE_DIR


@pytest.fixture
def fresh_cache(monkeypatch):
    """Let `cache_dir` choose again, and forget afterwards."""
    _jit.cache_dir.cache_clear()
    yield monkeypatch
    _jit.cache_dir.cache_clear()


def test_the_cache_is_private(fresh_cache, tmp_path):
    fresh_cache.setenv("ARCUATE_CACHE", str(tmp_path / "place with spaces ü"))
    folder = _jit.cache_dir()
    assert folder.parent == tmp_path / "place with spaces ü"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o755])
def test_an_open_folder_is_closed_and_not_trusted(fresh_cache, tmp_path, mode):
    fresh_cache.setenv("ARCUATE_CACHE", str(tmp_path))
    folder = _jit.cache_dir()
    (folder / "native").mkdir()
    (folder / "native" / "planted.o").write_bytes(b"code")
    folder.chmod(mode)
    _jit.cache_dir.cache_clear()
    assert _jit.cache_dir() == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "native" / "planted.o").exists() == (mode == 0o755)  # which others could only read


def test_a_folder_that_others_could_swap_is_not_used(fresh_cache, tmp_path):
    (tmp_path / "everybody's").mkdir()
    (tmp_path / "everybody's").chmod(0o777)
    fresh_cache.setenv("ARCUATE_CACHE", str(tmp_path / "everybody's"))
    folder = _jit.cache_dir()
    assert folder.name.startswith("arcuate-")
    folder.rmdir()


@pytest.mark.parametrize("kind", ["file", "nul", "long"])
def test_an_unusable_folder_is_replaced(fresh_cache, tmp_path, kind):
    if kind == "nul":
        fresh_cache.setattr(os, "environ", {"ARCUATE_CACHE": "a\0b"})
    else:
        (tmp_path / "file").write_text("")
        fresh_cache.setenv("ARCUATE_CACHE", str(tmp_path / ("file" if kind == "file" else "x" * 300)))
    folder = _jit.cache_dir()
    assert folder.is_dir()
    assert folder.name.startswith("arcuate-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()


def test_somebody_elses_folder_is_not_used(fresh_cache, tmp_path):
    fresh_cache.setenv("ARCUATE_CACHE", str(tmp_path))
    mine = os.getuid()
    fresh_cache.setattr(os, "getuid", lambda: mine + 1)
    folder = _jit.cache_dir()
    assert tmp_path not in folder.parents
    folder.rmdir()


def test_ground_imports_nothing_heavy():
    code = (
        "import sys, arcuate.errors, arcuate.units, arcuate.rng, arcuate._jit;"
        "import arcuate.mechanisms.expressions;"
        "print([m for m in ('numba', 'brian2', 'torch', 'matplotlib', 'scipy', 'pandas', 'xarray', 'pint')"
        " if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
