"""Measures by name, for `compare`."""

from __future__ import annotations

import importlib
from typing import Any

from arcuate.compare._measure import Measure
from arcuate.errors import SpecError, unknown

__all__ = ["FACTORIES", "measure_of"]

FACTORIES: dict[str, str] = {}
"""Name of each measure, and its factory as "module:name" within this package."""


def measure_of(measure: Any) -> Measure:
    """Make a measure of its name, with the default options.

    Parameters
    ----------
    measure : str or Measure

    Returns
    -------
    Measure

    Raises
    ------
    UnknownNameError
        If there is no measure of that name.
    """
    if isinstance(measure, Measure):
        return measure
    if not isinstance(measure, str):
        bound = "must be the name of a measure, or a Measure such as cka_measure() gives"
        raise SpecError.of(where="compare", name="measure", value=measure, bound=bound)
    if measure not in FACTORIES:
        raise unknown("compare", measure, FACTORIES, kind="measure")
    module, name = FACTORIES[measure].split(":")
    factory = getattr(importlib.import_module(f"arcuate.compare.{module}"), name)
    return factory()
