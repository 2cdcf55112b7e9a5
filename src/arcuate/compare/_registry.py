"""Measures by name, for `compare`."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from arcuate.compare._measure import Measure
from arcuate.errors import SpecError, unknown

__all__ = ["FACTORIES", "measure_of"]

FACTORIES: dict[str, tuple[str, dict[str, Any]]] = {
    "cca": ("_cca:cca_measure", {}),
    "cka": ("_cka:cka_measure", {}),
    "cka_biased": ("_cka:cka_measure", {"debiased": False}),
    "cka_cross": ("_cka_cross:cka_cross_measure", {}),
    "cka_rbf": ("_cka:cka_measure", {"kernel": "rbf"}),
    "dsa": ("dynamics:dsa_measure", {}),
    "itda": ("_itda:itda_measure", {}),
    "knn": ("_neighbors:mutual_knn_measure", {}),
    "one_to_one": ("_matching:one_to_one_measure", {}),
    "procrustes": ("_shape:procrustes_measure", {}),
    "pwcca": ("_cca:pwcca_measure", {}),
    "ridge": ("encoding:ridge_measure", {}),
    "rsa": ("_rsa:rsa_measure", {}),
    "rsa_crossnobis": ("_rsa:rsa_crossnobis_measure", {}),
    "shape": ("_shape:shape_measure", {}),
    "soft_matching": ("_matching:soft_matching_measure", {}),
    "svcca": ("_cca:svcca_measure", {}),
}
"""Name of each measure, its factory as "module:name" within this package, and what the factory is given."""


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
    SpecError
        If it is neither name nor measure, or has options without a default.
    """
    if isinstance(measure, Measure):
        return measure
    where = "compare"
    if not isinstance(measure, str):
        bound = "must be the name of a measure, or a Measure such as cka_measure() gives"
        raise SpecError.of(where=where, name="measure", value=measure, bound=bound)
    if measure not in FACTORIES:
        raise unknown(where, measure, FACTORIES, kind="measure")
    path, options = FACTORIES[measure]
    module, name = path.split(":")
    factory = getattr(importlib.import_module(f"arcuate.compare.{module}"), name)
    open_ = [
        key
        for key, parameter in inspect.signature(factory).parameters.items()
        if parameter.default is parameter.empty and key not in options
    ]
    if open_:
        given = ", ".join(f"{key}=..." for key in open_)
        bound = f"has no default for {', '.join(open_)}"
        raise SpecError.of(
            where=where, name="measure", value=measure, bound=bound, fix=f"give {name}({given})"
        )
    return factory(**options)
