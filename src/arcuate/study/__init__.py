"""Many runs and their reports: parameter studies, reproductions of published models, benchmarks."""

from __future__ import annotations

from typing import Any

__all__ = [
    "Design",
    "Forecast",
    "Point",
    "Results",
    "Study",
    "driven_rates",
    "load_study",
    "search",
    "study_from_description",
    "write_page",
]

_NAMES = {
    "Design": "design",
    "Forecast": "forecast",
    "Point": "design",
    "Results": "results",
    "Study": "study",
    "driven_rates": "driven",
    "load_study": "files",
    "search": "_search",
    "study_from_description": "study",
    "write_page": "html_report",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use."""
    import importlib

    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
