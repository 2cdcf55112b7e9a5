"""What every test shares: a compile cache kept between runs, no display, fixed examples, markers."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from language_models import shipped_or_skip

ROOT = Path(__file__).resolve().parents[1]

try:
    from hypothesis import settings
except ImportError:
    pass
else:
    settings.register_profile("default", deadline=None, derandomize=True, max_examples=50)
    settings.register_profile("thorough", deadline=None, max_examples=1000)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    """Fix the environment before any module of the library is imported."""
    if not os.environ.get("ARCUATE_CACHE"):
        cache = config.rootpath / ".pytest_cache" / "arcuate"
        cache.mkdir(parents=True, exist_ok=True)
        cache.chmod(0o700)
        os.environ["ARCUATE_CACHE"] = str(cache)
    os.environ["MPLBACKEND"] = "Agg"
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")


@pytest.fixture(autouse=True)
def _no_figure_is_left() -> Iterator[None]:
    """Close what a test has drawn, so that the next ones are not warned of many figures."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def _has_gpu() -> bool:
    from arcuate.engines.brian_cuda import find_gpu

    return find_gpu() is not None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Benchmarks are slow; what a marker asks for and the machine lacks is skipped with the reason."""
    missing = {
        "torch": importlib.util.find_spec("torch") is None,
        "brian": importlib.util.find_spec("brian2") is None,
    }
    if any(item.get_closest_marker("gpu") for item in items):
        missing["gpu"] = not _has_gpu()
    for item in items:
        if (ROOT / "tests" / "benchmarks") in item.path.parents:
            item.add_marker("slow")
        for name, absent in missing.items():
            if absent and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"no {name} here"))


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def smollm2() -> Any:
    """Return SmolLM2-135M with its tokenizer, or skip."""
    return shipped_or_skip("smollm2")


@pytest.fixture(scope="session")
def minilm() -> Any:
    """Return the MiniLM of sentence vectors with its tokenizer, or skip."""
    return shipped_or_skip("minilm")


@pytest.fixture(scope="session")
def textgenrnn() -> Any:
    """Return the LSTM of letters, or skip."""
    return shipped_or_skip("textgenrnn")
