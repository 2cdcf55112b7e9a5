"""Measures by name, for `compare`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from arcuate._progress import ProgressOption
from arcuate.compare._measure import Measure
from arcuate.compare._states import Leaf
from arcuate.compare._within import Plan, samples_of
from arcuate.errors import SpecError, unknown

__all__ = ["FACTORIES", "measure_of", "settled"]

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
        If it is neither name nor measure.
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
    return getattr(importlib.import_module(f"arcuate.compare.{module}"), name)(**options)


def settled(measure: Measure, leaves: Mapping[str, Leaf], plan: Plan, *, progress: ProgressOption) -> Measure:
    """A measure with what it leaves open chosen for all leaves together.

    Parameters
    ----------
    measure : Measure
    leaves : mapping
        All leaves of the call.
    plan : Plan
    progress : bool, callable or None
        A function is told of scores, not of this.

    Returns
    -------
    Measure

    Raises
    ------
    SpecError
        If nothing fits the leaves.
    """
    if measure.choose is None:
        return measure
    arrays = [samples_of(leaf, plan, measure.takes)[0] for leaf in leaves.values()]
    return replace(measure.choose(arrays, False if callable(progress) else progress), name=measure.name)
