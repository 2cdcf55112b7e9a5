"""What happens inside any torch module, recorded and changed by plain hooks, and what can be read from it.

Probes of states take arrays, those of a reservoir as those of a transformer, and need no torch. The others
import it when they are first used; without it they raise `MissingExtraError`.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "Edit",
    "ablate",
    "capture",
    "control_task",
    "intervene",
    "linear_probe",
    "online_code_length",
    "rank_components",
    "site_names",
]

_NAMES = {
    "Edit": "patch",
    "ablate": "ablation",
    "capture": "record",
    "intervene": "patch",
    "rank_components": "ablation",
    "site_names": "sites",
}

_ARRAYS = {
    "control_task": "linear",
    "linear_probe": "linear",
    "online_code_length": "linear",
}
"""Names whose modules need no torch."""


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use."""
    import importlib

    from arcuate._optional import require

    if name not in _NAMES and name not in _ARRAYS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _NAMES:
        require("torch", extra="torch", purpose=f"arcuate.probes.{name}")
    return getattr(importlib.import_module(f"{__name__}.{(_NAMES | _ARRAYS)[name]}"), name)
