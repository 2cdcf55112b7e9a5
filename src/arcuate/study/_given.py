"""Checks of what a study is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from arcuate._progress import check_progress
from arcuate.errors import SpecError, check_int, unknown
from arcuate.models import models_folder
from arcuate.spec import Network
from arcuate.study._file_function import FileFunction
from arcuate.study._identity import find, importable, is_installed, path_of
from arcuate.study._metrics import check_name, name_of
from arcuate.study.design import SEED, Design, Point
from arcuate.units import to_si


def check_target(spec: object, measure: object) -> None:
    """Refuse what cannot be run or measured."""
    if not isinstance(spec, Network) and not callable(spec):
        raise SpecError.of(
            where="Study",
            name="spec",
            value=spec,
            bound="must be a Network or a function",
            fix='load one with arcuate.load_model("what_when_reservoir")',
        )
    if measure is not None and not callable(measure):
        raise SpecError.of(
            where="Study",
            name="measure",
            value=measure,
            bound="must be a function of a Recording",
            fix="use for example arcuate.analysis.summary",
        )
    for name, function in (("spec", spec), ("measure", measure)):
        if _is_unfinished(function):
            raise SpecError.of(
                where="Study",
                name=name,
                value=name_of(function),
                bound="must return its result, not yield or await it",
                fix="wrap it in a function that runs it to its end",
            )


def _is_unfinished(function: Any) -> bool:
    """Whether a call only begins: of a generator or a coroutine function."""
    if not callable(function):
        return False
    code = function.__wrapped__ if isinstance(function, FileFunction) else function
    return any(
        check(item)
        for check in (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        for item in (code, type(code).__call__)
    )


def default_measure() -> Callable[[Any], Any]:
    """Rates and variability of every population."""
    from arcuate.analysis import summary

    return summary


def study_name(given: Any) -> str:
    """Name of a study: given, or that of what it runs."""
    if isinstance(given, Network):
        return given.name
    if callable(given):
        return name_of(given)
    if not isinstance(given, str) or not given.strip() or len(given) > 200:
        raise SpecError.of(
            where="Study", name="name", value=given, bound="must be a text of 1 to 200 characters"
        )
    return given


def parameters_of(function: Callable[..., Any]) -> tuple[list[str], list[str], bool]:
    """Parameters of a function, those without a default, and whether it takes any other."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a function of C tells nothing
        return [], [], True
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return (
        [p.name for p in named],
        [p.name for p in named if p.default is p.empty],
        any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


def _nameless(function: Callable[..., Any]) -> dict[str, bool]:
    """Parameters that have no name for a caller, and whether each must be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a function of C tells nothing
        return {}
    return {p.name: p.default is p.empty for p in parameters if p.kind is p.POSITIONAL_ONLY}


def describe_function(function: Callable[..., Any]) -> dict[str, Any]:
    """Where a function stands, and whether it can be imported from there."""
    table = {"path": path_of(function), "name": name_of(function), "importable": importable(function)}
    return table | ({"file": str(function.path)} if isinstance(function, FileFunction) else {})


def described_function(table: Mapping[str, Any], *, what: str) -> Callable[..., Any]:
    """Find a function again by what `describe_function` gave."""
    if "file" not in table:
        return find(table["path"], what=what)
    path = Path(table["file"])
    if not path.is_file():
        raise SpecError.of(
            where="Study",
            name=what,
            value=table["path"],
            bound=f"is not at {path} any more",
            fix="run the file of the study again; it goes on where it stopped",
        )
    found = FileFunction(path, table["name"])
    foreign = is_installed(path) and not path.resolve().is_relative_to(models_folder().resolve())
    if foreign or getattr(found.__wrapped__, "__module__", "") != found.module_name:
        raise SpecError.of(
            where="Study",
            name=what,
            value=table["path"],
            bound="is not a function that was written in a file of yours",
            fix="run the file of the study again; it goes on where it stopped",
        )
    return found


NETWORK_ALONE = {
    "duration": None,
    "record": None,
    "engine": "numba",
    "order": "strict",
    "precision": "float64",
}
"""Options that mean nothing to a function, and what they are then."""


def check_call(function: Callable[..., Any], design: Design, options: Mapping[str, Any]) -> None:
    """Refuse values that a function has no parameter for, parameters that get none, options of a network."""
    known, needed, takes_any = parameters_of(function)
    where = f"Study of {name_of(function)!r}"
    nameless = _nameless(function)
    unnamed = next((n for n, free in nameless.items() if free or (n in design.names and not takes_any)), None)
    if unnamed is not None:
        raise SpecError.of(
            where=where,
            name=unnamed,
            bound="must be a parameter that can be given by name",
            fix="leave the / out of its parameters, or wrap it in a function of your own",
        )
    for name in design.names:
        if name != SEED:
            check_name(name, where=where, what="parameter")
        if name not in known and not takes_any:
            raise unknown(where, name, known or ["nothing"], kind="parameter")
    missing = next((name for name in needed if name not in (*design.names, SEED)), None)
    if missing is not None:
        raise SpecError.of(
            where=where,
            name=missing,
            bound="has no default and is not varied",
            fix=f"add it to the design, or bind it: functools.partial(f, {missing}=...)",
        )
    for name, plain in NETWORK_ALONE.items():
        if options[name] != plain:
            raise SpecError.of(
                where=where,
                name=name,
                value=options[name],
                bound="is an option of a network, and this is a function",
                fix="leave it out",
            )


def at_point(error: SpecError, point: Point) -> SpecError:
    """The same error, saying at which point."""
    label = ", ".join(f"{name} = {value!r}" for name, value in point.values.items())
    named = type(error)(f"Study, point {point.index} ({label[:80]}): {error}")
    for key in ("where", "name", "value", "bound", "fix"):
        setattr(named, key, getattr(error, key))
    return named


RUN = ("n_jobs", "time_limit", "retries")
"""Options of a run that a study may bring along."""


def check_defaults(given: Any) -> dict[str, Any]:
    """Options of a run that a study brings along."""
    if not isinstance(given, Mapping):
        raise SpecError.of(
            where="Study",
            name="defaults",
            value=given,
            bound="must be a mapping",
            fix='write for example {"time_limit": "60 s"}',
        )
    for name in given:
        if name not in RUN:
            raise unknown("Study, defaults", name, RUN, kind="option")
    run_options(given, {})
    return dict(given)


def run_options(
    defaults: Mapping[str, Any], given: Mapping[str, Any], progress: Any = None
) -> dict[str, Any]:
    """What the runner needs, checked: what is given, else what the study brings along."""
    where = "Study.run"
    told = {name: value for name, value in given.items() if value is not None}
    n_jobs, time_limit, retries = (told.get(name, defaults.get(name)) for name in RUN)
    if n_jobs is not None:
        low = "must be a whole number >= 1"
        if not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or n_jobs < 1:
            raise SpecError.of(
                where=where, name="n_jobs", value=n_jobs, bound=low, fix="leave it out for all processors"
            )
    if time_limit is not None:
        time_limit = to_si(time_limit, "s", where=where, name="time_limit", low=0.0, low_open=True)
    check_progress(progress, where=where, unit="points")
    return {
        "n_jobs": n_jobs,
        "time_limit": time_limit,
        "retries": check_int(2 if retries is None else retries, where=where, name="retries", low=0, high=100),
        "progress": progress,
    }
