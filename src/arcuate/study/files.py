"""Studies described in TOML files: read strictly, with functions only from this package or beside the file.

A study file says what is run, at which points, and what is measured::

    name = "gain"
    model = "what_when_reservoir"         # a published model, a file such as "net.toml", or "measure.py:make"
    measure = "measure.py:time_code"      # a function beside the file, or "arcuate.analysis:summary"

    [set]                                 # fields that are the same at all points
    "populations.exc.n" = 240

    [design]
    kind = "grid"                         # or points, random, sobol, latin_hypercube

    [design.values]
    "populations.exc.noise.sigma" = [0.2, 1.0]
    seed = [0, 1, 2]

    [run]                                 # how it is run where one does not say otherwise
    time_limit = "60 s"
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from arcuate.errors import FileFormatError, SpecError, unknown
from arcuate.models import list_models, list_studies, load_model, models_folder
from arcuate.spec import Network, Record
from arcuate.spec.distributions import value_from
from arcuate.spec.files import read_toml
from arcuate.spec.part import freeze
from arcuate.study._file_function import FileFunction, public_function
from arcuate.study._given import RUN
from arcuate.study.design import Design
from arcuate.study.reproduction import parse_seeds
from arcuate.study.study import Study

__all__ = ["load_study"]

_TEXTS = ("name", "duration", "engine", "order", "precision")
_OPTIONS = (*_TEXTS, "seed", "keep")
_TABLES = ("set", "record", "design", "run")
_KEYS = ("description", "model", "measure", *_OPTIONS, *_TABLES)
_DESIGN_KEYS = {
    "grid": ("values",),
    "points": ("points",),
    **dict.fromkeys(("random", "sobol", "latin_hypercube"), ("ranges", "n", "seed")),
}


def load_study(source: str | os.PathLike[str], *, changes: Mapping[str, Any] | None = None) -> Study:
    """Read a study from a TOML file.

    Parameters
    ----------
    source : str or path
        A file that ends in ``.toml``, or a published study such as
        ``"what_when_reservoir/learning_rate_latency"``, one of `arcuate.models.list_studies`.
    changes : mapping of str to value, optional
        Fields of the network, by dotted path, to set after those of the table ``[set]``.

    Returns
    -------
    Study
        Nothing has been run yet.

    Raises
    ------
    FileFormatError
        If the file cannot be read, or says something that no study has.
    UnknownNameError
        If a name in it does not exist; the message has the nearest.
    SpecError
        If a value is refused.

    Examples
    --------
    >>> load_study("what_when_reservoir/learning_rate_latency").design.names[0]
    'readouts.prediction.rule.eta_when'
    """
    path = _find(source)
    table = _read(path)
    where = _where(path)
    spec = _target(table, path.parent, where)
    settings = {**table.get("set", {}), **(changes or {})}
    if settings and not isinstance(spec, Network):
        raise SpecError.of(
            where=where,
            name="set",
            value=sorted(settings),
            bound="changes fields of a network, and this study runs a function",
            fix="vary a parameter of the function in [design] instead",
        )
    measure = table.get("measure")
    options = {name: table[name] for name in _OPTIONS if name in table}
    if "record" in table:
        options["record"] = Record.from_tree(table["record"], where=f"{where}, record")
    return Study(
        spec.replace(settings) if isinstance(spec, Network) and settings else spec,
        _design(table, where),
        None if measure is None else _function(measure, path.parent, where=where, name="measure"),
        **{"name": path.stem, **options},
        defaults=table.get("run"),
    )


def _where(path: Path) -> str:
    return f"Study file {path.name!r}"


def _find(source: object) -> Path:
    """Path of a study file, or of a published study."""
    if isinstance(source, os.PathLike) or (isinstance(source, str) and source.endswith(".toml")):
        path = Path(source)
        if path.suffix != ".toml":
            raise FileFormatError.of(where=_where(path), bound="must end in .toml")
        return path
    if not isinstance(source, str):
        raise SpecError.of(
            where="load_study",
            name="source",
            value=source,
            bound="must be the path of a TOML file, or the name of a published study",
        )
    if source not in list_studies():
        raise unknown("load_study", source, list_studies(), kind="study")
    model, _, name = source.partition("/")
    return models_folder() / model / "studies" / f"{name}.toml"


def _read(path: Path) -> Mapping[str, Any]:
    """The file as frozen tables: dates, numbers that are not finite and unknown keys are refused."""
    where = _where(path)
    table = freeze(read_toml(path), where=where, name="file")
    _only(table, _KEYS, where)
    for name in _TABLES:
        if not isinstance(table.get(name, {}), Mapping):
            raise FileFormatError.of(
                where=where, name=name, value=table[name], bound="must be a table", fix=f"write [{name}]"
            )
    for name in ("model", "design"):
        if name not in table:
            raise FileFormatError.of(where=where, name=name, value="missing", bound="must be in every study")
    for name in ("description", *_TEXTS):
        if name in table and not isinstance(table[name], str):
            raise FileFormatError.of(where=where, name=name, value=table[name], bound="must be text")
    _only(table.get("run", {}), RUN, f"{where}, run")
    return dict(table)


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise unknown(where, key, sorted(known), kind="key")


def _target(table: Mapping[str, Any], folder: Path, where: str) -> Any:
    """What the study runs: a network or a function."""
    model = table["model"]
    if isinstance(model, str) and ":" in model:
        return _function(model, folder, where=where, name="model")
    if isinstance(model, str) and model.endswith(".toml"):
        return Network.from_toml(folder / model)
    if not isinstance(model, str) or model not in list_models():
        raise unknown(where, model, list_models(), kind="model")
    return load_model(model)


def _design(table: Mapping[str, Any], where: str) -> Design:
    """The points of a study file."""
    given, where = table["design"], f"{where}, design"
    kind = given.get("kind", "grid")
    if kind not in _DESIGN_KEYS:
        raise unknown(where, kind, sorted(_DESIGN_KEYS), kind="kind")
    keys = _DESIGN_KEYS[kind]
    _only(given, ("kind", "repeat", "where", *keys), where)
    for name in keys:
        if name not in given:
            raise FileFormatError.of(
                where=where, name=name, value="missing", bound=f'must be there for kind = "{kind}"'
            )
    if kind == "grid":
        design = Design.grid(_by_path(given["values"], where, read=_values))
    elif kind == "points":
        rows = given["points"]
        listed = rows if isinstance(rows, tuple) else ()
        design = Design.points([_by_path(row, where, read=_value) for row in listed])
    else:
        ranges = _by_path(given["ranges"], where, read=_value)
        make: Callable[..., Design] = getattr(Design, kind)
        design = make(ranges, given["n"], seed=given["seed"])
    if "repeat" in given:
        repeat = given["repeat"]
        design = design.repeat(parse_seeds(repeat) if isinstance(repeat, str) else repeat)
    return design.where(given["where"]) if "where" in given else design


def _by_path(table: Any, where: str, *, read: Callable[[Any, str, str], Any]) -> Any:
    """A table by dotted path with its values read; what is no table is left to the design to refuse."""
    if not isinstance(table, Mapping):
        return table
    return {path: read(value, where, path) for path, value in table.items()}


def _values(axis: Any, where: str, path: str) -> Any:
    return tuple(_value(item, where, path) for item in axis) if isinstance(axis, tuple) else axis


def _value(value: Any, where: str, path: str) -> Any:
    """A distribution or an array from its table; anything else as it is."""
    if isinstance(value, Mapping) and {"dist", "values"} & set(value):
        return value_from(value, None, where=where, name=path)
    return value


def _function(text: Any, folder: Path, *, where: str, name: str) -> Callable[..., Any]:
    """A function of this package, or of a Python file in the folder; from nowhere else."""
    module, colon, function = text.partition(":") if isinstance(text, str) else ("", "", "")
    if colon and module.endswith(".py") and module == Path(module).name:
        path = folder / module
        if not path.is_file():
            raise FileFormatError.of(
                where=where, name=name, value=text, bound=f"there is no file {module!r} beside the study"
            )
        found = FileFunction(path.resolve(), function)
        found.__wrapped__  # noqa: B018 - the file is read and the function found before anything runs
        return found
    if not colon or module.split(".")[0] != "arcuate":
        raise FileFormatError.of(
            where=where,
            name=name,
            value=text,
            bound="must be a function of a file beside the study, or of this package",
            fix='write "measure.py:function" or "arcuate.analysis:summary"',
        )
    try:
        home = importlib.import_module(module)
    except ImportError as error:
        raise FileFormatError.of(
            where=where, name=name, value=text, bound=f"there is no module {module!r}"
        ) from error
    return public_function(home, function, where=where)
