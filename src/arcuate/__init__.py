"""Spiking networks that learn, described once and run on engines that agree spike for spike.

Names are imported when they are first used, so ``import arcuate`` loads only the standard library.

Examples
--------
>>> import arcuate as arc
>>> arc.__version__
'0.1.0'
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_MODULES: tuple[str, ...] = (
    "analysis",
    "compare",
    "connectome",
    "ctm",
    "datasets",
    "engines",
    "errors",
    "flagships",
    "io",
    "learning",
    "memory",
    "nn",
    "plot",
    "probes",
    "readout",
    "recording",
    "rng",
    "spec",
    "study",
    "tasks",
    "units",
)
_NAMES: dict[str, str] = {
    **dict.fromkeys(
        (
            "Center",
            "Delta",
            "Dense",
            "Edges",
            "Exponential",
            "Feedback",
            "Filter",
            "FixedInDegree",
            "Input",
            "LogNormal",
            "LogUniform",
            "LowRank",
            "Modulator",
            "Network",
            "Neuron",
            "Noise",
            "Normal",
            "Plasticity",
            "Population",
            "Projection",
            "RLS",
            "Readout",
            "Record",
            "Sparse",
            "Synapse",
            "TsodyksMarkram",
            "TwoBank",
            "Uniform",
            "alpha",
            "delta",
            "double_exponential",
            "exponential",
            "inhibitory_stdp",
            "izh2003",
            "izh2007",
            "lif",
            "neuron_from_ode",
            "pulse",
            "stdp",
            "synaptic_scaling",
            "theta",
            "triplet_stdp",
            "voltage_stdp",
            "adex",
            "alif",
            "hh",
            "qif",
        ),
        "spec",
    ),
    "Batch": "batch",
    "Design": "study.design",
    "Recording": "recording",
    "Simulation": "simulate",
    "Study": "study.study",
    "Verification": "verify",
    "list_models": "models",
    "list_studies": "models",
    "load_model": "models",
    "load_study": "study.files",
    "simulate": "simulate",
    "simulate_many": "batch",
    "verify": "verify",
}

__all__ = ["__version__", *_MODULES, *_NAMES]


class _Package(ModuleType):
    """Keeps the functions ``simulate`` and ``verify`` when the modules of the same names are imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _NAMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process by name, as part of a notebook's function that uses the package."""
        return importlib.import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Package


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
