"""Flagship comparisons: one question, several systems, and a verdict computed from intervals over seeds.

Each flagship trains or runs its systems on the same stimuli, several seeds each, and asks questions that may
come out either way. `run` does one; `FlagshipResult.save` writes its numbers, its pictures and one page. In a
shell, ``arcuate compare NAME`` does both.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from arcuate.errors import SpecError, check_int, unknown
from arcuate.flagships._result import SCHEMA, Claim, FlagshipResult, Hypothesis
from arcuate.flagships._statistics import claim_over_seeds, paired, seed_interval
from arcuate.flagships._steps import ShownProgress, Steps

__all__ = [
    "NAMES",
    "Claim",
    "FlagshipResult",
    "Hypothesis",
    "Steps",
    "claim_over_seeds",
    "default_seeds",
    "paired",
    "run",
    "seed_interval",
]

NAMES: tuple[str, ...] = ("what_and_when", "tick_or_layer", "three_memories")
"""The flagships that `run` knows; each is a module of this package."""


def run(
    name: str,
    *,
    seeds: Sequence[int] | None = None,
    quick: bool = False,
    progress: bool | Callable[[float, float, str], None] | None = None,
) -> FlagshipResult:
    """Run a flagship comparison.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    seeds : sequence of int, optional
        Seeds of every system; default those of the flagship.
    quick : bool
        Fewer seeds and shorter training: under three minutes on two cores. Its intervals are wide.
    progress : bool or callable, optional
        True: always a bar; None: a bar on a terminal; False: nothing; or a function of
        ``(done, total, label)``.

    Returns
    -------
    FlagshipResult

    Raises
    ------
    UnknownNameError
        If there is no such flagship; the message names the nearest.
    SpecError
        If the seeds are no different whole numbers.

    Examples
    --------
    >>> result = run("what_and_when", quick=True)  # doctest: +SKIP
    >>> print(result.verdict)  # doctest: +SKIP
    """
    module = _module(name)
    chosen = default_seeds(name, quick=quick) if seeds is None else _checked(seeds)
    with ShownProgress(progress, name) as shown:
        result: FlagshipResult = module.flagship(chosen, quick, shown)
    from arcuate.study.report import run_facts

    about = {
        "schema": SCHEMA,
        "flagship": name,
        "seeds": ", ".join(map(str, chosen)),
        "quick": int(quick),
        "versions": json.dumps(run_facts(chosen, quick=quick)),
    }
    return dataclasses.replace(result, data=result.data.assign_attrs(about), seeds=chosen, quick=quick)


def default_seeds(name: str, *, quick: bool = False) -> tuple[int, ...]:
    """Return the seeds that a flagship runs if none are given.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    quick : bool
        Those of the quick form.

    Returns
    -------
    tuple of int

    Raises
    ------
    UnknownNameError
        If there is no such flagship; the message names the nearest.

    Examples
    --------
    >>> default_seeds("what_and_when")
    (1, 2, 3, 4, 5)
    """
    module = _module(name)
    return tuple(module.QUICK_SEEDS if quick else module.SEEDS)


def _module(name: str) -> Any:
    """Return the module of a flagship."""
    if name not in NAMES:
        raise unknown("flagships", name, NAMES, kind="flagship")
    return importlib.import_module(f"{__name__}.{name}")


def _checked(seeds: object) -> tuple[int, ...]:
    """Return different seeds, at least one."""
    where = "flagships.run"
    if isinstance(seeds, str) or not isinstance(seeds, Sequence) or not len(seeds):
        raise SpecError.of(where=where, name="seeds", value=seeds, bound="must be one or more whole numbers")
    chosen = tuple(check_int(seed, where=where, name="seeds", low=0) for seed in seeds)
    if len(set(chosen)) < len(chosen):
        raise SpecError.of(where=where, name="seeds", value=seeds, bound="must name each seed once")
    return chosen
