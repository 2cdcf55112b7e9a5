"""One self-contained HTML page of a parameter study: maps, marginals, points, failures and their origin."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from arcuate.study.report import STYLE, render_facts
from arcuate.units import is_quantity_text, parse_quantity

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["render_page"]

_OURS = ("index", "seed", "status", "wall_seconds", "recording", "reason", "traceback", "tries")
_DIGITS = 7
_FEW = 12
_QUANTITY = re.compile(r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(.*)")


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
        ``reason``, ``traceback`` and ``tries``. A metric that is not finite is shown as a gap.
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
    labels = _labels(fields)
    failed = _failed(table)
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
        "fields": [_field(name, labels[name], list(table[name])) for name in fields],
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


def _number(value: Any) -> float | int | None:
    """Return a finite number to seven digits, else None."""
    if not hasattr(value, "__float__") or _missing(value):
        return None
    number = float(value)
    if not math.isfinite(number):
        return None
    if number.is_integer() and abs(number) < 2**53:
        return int(number)
    return float(f"{number:.{_DIGITS}g}")


def _link(folder: str, file: Any) -> str | None:
    """Return the address of a recording as seen from the page; never one with a scheme."""
    return (
        None if _missing(file) or not file else quote(f"{folder}/{file}".lstrip("/") if folder else str(file))
    )


def _labels(fields: Sequence[str]) -> dict[str, str]:
    """Return the shortest ending of every path that no other path has."""
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


def _field(name: str, label: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return a field with its different values in order, and for every point which of them it has.

    Numbers, and quantities of one unit, have places on an axis; quantities of several units are ordered by
    size, all else by first appearance.
    """
    keys = [value if isinstance(value, Hashable) else str(value) for value in values]
    read = {key: _read(key) for key in dict.fromkeys(keys)}
    levels = list(read)
    units = {level.unit for level in read.values()}
    sized = all(level.size is not None for level in read.values())
    if sized:
        levels.sort(key=lambda key: read[key].size)  # type: ignore[arg-type, return-value]
    one = len(units) == 1
    code = {key: place for place, key in enumerate(levels)}
    return {
        "name": name,
        "label": label,
        "unit": units.pop() if one else "",
        "levels": [read[key].text if one else f"{read[key].text} {read[key].unit}".strip() for key in levels],
        "numbers": [read[key].number for key in levels] if sized and one else None,
        "codes": [code[key] for key in keys],
    }


class _Level(NamedTuple):
    """One value of a field: its text without the unit, the number there, the unit, and the size in SI."""

    text: str
    number: float | None = None
    unit: str = ""
    size: float | None = None


def _read(value: Any) -> _Level:
    """Read a value of a field."""
    if isinstance(value, str) and is_quantity_text(value):
        match = _QUANTITY.fullmatch(value.strip())
        if match is not None:
            return _Level(match[1], float(match[1]), match[2], parse_quantity(value)[0])
    number = None if isinstance(value, bool) else _number(value)
    if number is not None:
        text = str(number) if isinstance(number, int) else f"{number:.6g}"
        return _Level(text, float(number), "", float(value))
    return _Level(str(value))


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
