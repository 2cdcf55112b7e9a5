"""One self-contained HTML page of a parameter study: maps, marginals, points, failures and their origin."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from arcuate.errors import FileFormatError, StoreError
from arcuate.study.report import STYLE, render_facts, write_file
from arcuate.units import format_si, parse_quantity

if TYPE_CHECKING:
    import pandas as pd

    from arcuate.study.results import Results

__all__ = ["render_page", "short_names", "study_facts", "usual_unit", "write_page"]

_OURS = ("index", "seed", "status", "wall_seconds", "recording", "reason", "traceback", "tries")
_FEW = 12


def render_page(
    table: pd.DataFrame,
    fields: Sequence[str],
    facts: Mapping[str, str],
    *,
    name: str = "parameter study",
    planned: int | None = None,
    recordings: str = "",
) -> str:
    """Render the points of a study as one HTML page that needs nothing beside it.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per point, in any order: a column per varied field and per metric, and, where they are known,
        ``index``, ``status`` (``done`` or ``failed``), ``wall_seconds`` (s), ``recording`` (a file name),
        ``reason``, ``traceback`` and ``tries``. A metric that is not finite is shown as a gap. Quantities are
        in SI, their units in ``table.attrs["units"]``.
    fields : sequence of str
        The columns that were varied, ``seed`` among them if it was.
    facts : mapping of str to str
        Where the study came from: fact and value.
    name : str, optional
        Name of the study.
    planned : int, optional
        Points of the whole design; default as many as the table has.
    recordings : str, optional
        Folder of the recordings as seen from the page, with ``/`` between its parts.

    Returns
    -------
    str
        The page. It makes no request, and works from a disk without a network.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"gain": [1.0, 2.0], "rate": [3.0, 4.0]})
    >>> page = render_page(table, ["gain"], {"seed": "0"}, name="demo")
    >>> page.startswith("<!doctype html>") and "2 of 2" in page
    True
    """
    data = _encode(table, fields, recordings)
    script = _asset("page.js")
    return Template(_asset("page.html")).substitute(
        title=html.escape(name),
        digest=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
        style=STYLE + _asset("page.css"),
        summary=_summary(table, planned),
        failures=f"<div id='failures'>{'' if data['failures'] else '<p>None.</p>'}</div>",
        varied="".join(_varied(field) for field in data["fields"]),
        facts=render_facts(facts),
        data=_json(data),
        script=script,
    )


def study_facts(results: Results) -> dict[str, str]:
    """Say where the results of a study came from.

    Parameters
    ----------
    results : Results
        What was found.

    Returns
    -------
    dict of str to str
        Fact and value: what was run and measured, hashes, options, versions and dates.

    Examples
    --------
    >>> import tempfile
    >>> import arcuate as arc
    >>> study = arc.Study(lambda x: {"square": x * x}, {"x": [1, 2]}, name="squares")
    >>> table = study.run(tempfile.mkdtemp(), n_jobs=1)
    >>> study_facts(study.results())["study"]
    'squares'
    """
    about = results.description
    target, measure, made = (about.get(name) or {} for name in ("target", "measure", "fingerprint"))
    network = target.get("spec") or {}
    facts = {
        "study": about.get("name"),
        "model": network.get("name") or target.get("path"),
        "model sha256": made.get("model"),
        "measure": measure.get("path"),
        "measure sha256": made.get("measure"),
        "design": results.design.kind,
        **_options(about.get("options") or {}, network=bool(network)),
    }
    rows = list(results.rows.values())
    dates = sorted(row.committed_utc for row in rows)
    makers = {row.fingerprint for row in rows}
    if dates:
        facts["arcuate"] = ", ".join(sorted({row.version for row in rows}))
        facts["results from, UTC"] = f"{dates[0][:19]} to {dates[-1][:19]}".replace("T", " ")
    if len(makers) > 1:
        facts["mixed"] = f"{len(makers)} states of model, measure, options or version made these results"
    facts["page written, UTC"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {name: str(value) for name, value in facts.items() if value not in (None, "")}


def _options(options: Mapping[str, Any], *, network: bool) -> dict[str, Any]:
    """Return the options that decide on the numbers."""
    names = ("engine", "order", "precision", "seed") if network else ("seed",)
    found = {name: options.get(name) for name in names}
    duration = options.get("duration")
    return found if duration is None else {"duration": format_si(duration, "s"), **found}


def write_page(
    folder: str | os.PathLike[str], path: str | os.PathLike[str] | None = None, *, overwrite: bool = False
) -> Path:
    """Write the page of a study; its store is only read.

    Parameters
    ----------
    folder : path
        Folder of the study.
    path : path, optional
        The page; default ``report.html`` in that folder.
    overwrite : bool, optional
        Replace a file that exists.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    FileFormatError
        If the folder holds no study, or the page exists and `overwrite` is false.
    StoreError
        If the page cannot be written; nothing partial stays.

    Examples
    --------
    >>> import tempfile
    >>> import arcuate as arc
    >>> folder = tempfile.mkdtemp()
    >>> table = arc.Study(lambda x: {"square": x * x}, {"x": [1, 2, 3]}).run(folder, n_jobs=1)
    >>> write_page(folder).name
    'report.html'
    """
    from arcuate.study.results import Results

    target = Path(folder) / "report.html" if path is None else Path(path)
    if os.path.exists(target) and (os.path.isdir(target) or not overwrite):
        raise FileFormatError.of(
            where="Study report",
            name="path",
            value=str(target),
            bound="must be a file that does not exist yet",
            fix="name another file, or replace it with overwrite=True",
        )
    results = Results.open(folder)
    table, failed = results.table(), results.failed()
    table = table.join(failed[["reason", "traceback", "tries"]])
    page = render_page(
        table.reset_index(names="index"),
        results.design.names,
        study_facts(results),
        name=str(results.description.get("name", "")) or "parameter study",
        planned=len(results.design),
        recordings=Path(os.path.relpath(folder, target.parent)).as_posix(),
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, page.encode("utf-8"))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise StoreError.of(
            where="Study report",
            name="path",
            value=str(target),
            bound=f"cannot be written ({getattr(error, 'strerror', '') or error})",
            fix="free space there, or name a file elsewhere that may be written",
        ) from error
    return target


def _asset(name: str) -> str:
    """Return one of the files that the page is made of."""
    return resources.files("arcuate.study").joinpath("_page", name).read_text(encoding="utf-8")


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the element it stands in."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _summary(table: pd.DataFrame, planned: int | None) -> str:
    """Return the state of the study in a few numbers."""
    failed = sum(_failed(table))
    count = len(table) if planned is None else planned
    numbers = {
        "points": f"{len(table) - failed:,} of {count:,} done",
        "failed": f"{failed:,}",
        "still to run": f"{max(count - len(table), 0):,}",
    }
    if "wall_seconds" in table:
        numbers["computing time"] = _time(float(table["wall_seconds"].sum()))
    parts = "".join(f"<div><dt>{key}</dt><dd>{value}</dd></div>" for key, value in numbers.items())
    return f"<dl class='summary'>{parts}</dl>"


def _time(seconds: float) -> str:
    """Return a time as one reads it."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.3g} s"


def _varied(field: Mapping[str, Any]) -> str:
    """Return the line of a field: its whole name, how many values it took, and which."""
    levels, unit = field["levels"], f" {field['unit']}" if field["unit"] else ""
    if not levels:
        text = ""
    elif len(levels) <= _FEW:
        text = ", ".join(levels) + unit
    else:
        text = (
            f"{levels[0]} to {levels[-1]}{unit}" if field["numbers"] else ", ".join(levels[:_FEW]) + ", ..."
        )
    return (
        f"<tr><td><code>{html.escape(field['name'])}</code></td><td class='number'>{len(levels)}</td>"
        f"<td>{html.escape(text)}</td></tr>"
    )


def _encode(table: pd.DataFrame, fields: Sequence[str], recordings: str) -> dict[str, Any]:
    """Return all that the page draws, by columns."""
    labels = short_names(fields)
    failed, units = _failed(table), table.attrs.get("units", {})
    rest = [column for column in table.columns if column not in fields and column not in _OURS]
    metrics, notes = [], []
    for column in rest:
        found = [value for value in table[column] if not _missing(value)]
        if all(hasattr(value, "__float__") for value in found):
            metrics.append({"name": str(column), "values": _column(table, column, _number), "derived": False})
        else:
            notes.append({"name": str(column), "values": _column(table, column, _plain)})
    wall = _column(table, "wall_seconds", _number)
    if any(value is not None for value in wall):
        metrics.append({"name": "computing time (s)", "values": wall, "derived": True})
    if any(failed):
        metrics.append({"name": "share that failed", "values": failed, "derived": True})
    failures, tracebacks = _group_failures(table, failed)
    return {
        "rows": len(table),
        "index": _column(table, "index", int) if "index" in table else list(range(len(table))),
        "fields": [_field(name, labels[name], list(table[name]), units.get(name, "")) for name in fields],
        "metrics": metrics,
        "notes": notes,
        "failed": failed,
        "wall": wall,
        "recording": _column(table, "recording", lambda value: _link(recordings, value)),
        "failures": failures,
        "tracebacks": tracebacks,
    }


def _column(table: pd.DataFrame, name: str, read: Callable[[Any], Any]) -> list[Any]:
    """Return a column that need not be there, each value read."""
    return [read(value) for value in table[name]] if name in table else [None] * len(table)


def _failed(table: pd.DataFrame) -> list[int]:
    """Return 1 for every point that failed, else 0."""
    return [int(status == "failed") for status in table["status"]] if "status" in table else [0] * len(table)


def _missing(value: Any) -> bool:
    """Tell whether a cell holds nothing: None, or what is not equal to itself."""
    return value is None or value != value or str(value) == "<NA>"


def _number(value: Any, *, digits: int = 7) -> float | int | None:
    """Return a finite number to some digits, else None."""
    if not hasattr(value, "__float__") or _missing(value):
        return None
    number = float(value)
    if not math.isfinite(number):
        return None
    if number.is_integer() and abs(number) < 2**53:
        return int(number)
    return float(f"{number:.{digits}g}")


def _link(folder: str, file: Any) -> str | None:
    """Return the address of a recording as seen from the page; never one with a scheme."""
    return (
        None if _missing(file) or not file else quote(f"{folder}/{file}".lstrip("/") if folder else str(file))
    )


def short_names(fields: Sequence[str]) -> dict[str, str]:
    """Return the shortest ending of every path that no other path has.

    Parameters
    ----------
    fields : sequence of str
        Dotted paths.

    Returns
    -------
    dict of str to str
        Name by path.

    Examples
    --------
    >>> short_names(["populations.exc.n", "populations.inh.n", "dt"])
    {'populations.exc.n': 'exc.n', 'populations.inh.n': 'inh.n', 'dt': 'dt'}
    """
    parts = {name: name.split(".") for name in fields}
    labels = {}
    for name, words in parts.items():
        lengths = range(1, len(words) + 1)
        others = [other for other in parts if other != name]
        alone = (
            length
            for length in lengths
            if not any(parts[other][-length:] == words[-length:] for other in others)
        )
        labels[name] = ".".join(words[-next(alone, len(words)) :])
    return labels


def _field(name: str, label: str, values: Sequence[Any], unit: str) -> dict[str, Any]:
    """Return a field with its different values in order, and for every point which of them it has.

    Numbers are ordered by size and shown in a usual unit, all else by first appearance.
    """
    keys = [value if isinstance(value, Hashable) else str(value) for value in values]
    levels = list(dict.fromkeys(keys))
    sizes = {level: None if isinstance(level, bool) else _number(level, digits=15) for level in levels}
    numbers = [size for size in sizes.values() if size is not None]
    if len(numbers) == len(levels):
        levels.sort(key=lambda level: sizes[level])  # type: ignore[arg-type, return-value]
        scale, unit = usual_unit(numbers, unit)
        shown = (
            [sizes[level] for level in levels] if scale == 1.0 else [size / scale for size in sorted(numbers)]
        )
        texts = [str(size) if isinstance(size, int) else f"{size:.6g}" for size in shown]
    else:
        shown, texts, unit = None, [str(level) for level in levels], ""
    code = {level: place for place, level in enumerate(levels)}
    return {
        "name": name,
        "label": label,
        "unit": unit,
        "levels": texts,
        "numbers": shown,
        "codes": [code[key] for key in keys],
    }


def usual_unit(numbers: Sequence[float], unit: str) -> tuple[float, str]:
    """Return the unit that people would use for numbers in SI.

    Parameters
    ----------
    numbers : sequence of float
        In SI.
    unit : str
        Their SI unit; empty for none.

    Returns
    -------
    tuple of float and str
        The size of the unit in SI, and its symbol.

    Examples
    --------
    >>> usual_unit([0.005, 0.02, 0.1], "s")
    (0.001, 'ms')
    """
    sizes = sorted(abs(number) for number in numbers if number)
    if not unit or not sizes:
        return 1.0, unit
    usual = format_si(float(f"{sizes[len(sizes) // 2]:.2g}"), unit).partition(" ")[2]
    return parse_quantity(f"1 {usual}")[0], usual


def _group_failures(table: pd.DataFrame, failed: Sequence[int]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the failed points by reason, the commonest first, and every different traceback once."""
    rows = [row for row, bad in enumerate(failed) if bad]
    reasons, tracebacks = _column(table, "reason", _plain), _column(table, "traceback", _plain)
    tries = _column(table, "tries", _number)
    places = {text: place for place, text in enumerate(dict.fromkeys(tracebacks[row] for row in rows))}
    groups: dict[str, list[list[Any]]] = {}
    for row in rows:
        groups.setdefault(reasons[row] or "no reason was kept", []).append(
            [row, tries[row], places[tracebacks[row]]]
        )
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    found = [{"reason": reason, "points": points} for reason, points in ordered]
    return found, [text or "" for text in places]


def _plain(value: Any) -> str | None:
    """Return a text, or None for nothing."""
    return None if _missing(value) else str(value)
