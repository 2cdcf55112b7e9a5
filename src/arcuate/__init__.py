"""Spiking reservoirs, what/when prediction, and their comparison with trained networks.

Names are imported when they are first used, so ``import arcuate`` loads only the standard library.

Examples
--------
>>> import arcuate as arc
>>> arc.__version__
'0.1.0'
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES: tuple[str, ...] = ("errors", "units", "rng")
_NAMES: dict[str, str] = {}

__all__ = ["__version__", *_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use."""
    if name in _NAMES:
        value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
