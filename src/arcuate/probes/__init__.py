"""What happens inside any torch module, recorded and changed by plain hooks.

torch is imported when one of the names is first used; without it they raise `MissingExtraError`.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Edit", "capture", "intervene", "site_names"]

_NAMES = {
    "Edit": "patch",
    "capture": "record",
    "intervene": "patch",
    "site_names": "sites",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use."""
    import importlib

    from arcuate._optional import require

    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("torch", extra="torch", purpose=f"arcuate.probes.{name}")
    return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
