"""How a specification is written to and read from TOML and JSON.

Files are data. They are read by the standard library, and what they contain goes through the same checks
as what a program passes. Nothing is evaluated, nothing is unpickled.
"""

from __future__ import annotations

import json
import math
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arcuate.errors import FileFormatError, SpecError
from arcuate.spec.part import MAX_DEPTH

__all__ = ["read_json", "read_toml", "split_sources", "write_toml"]

#: Largest file that is read, bytes.
MAX_BYTES = 50_000_000
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


def read_text(source: str | Path, *, suffix: str) -> str:
    """Return text given as such, or the text of a file.

    Parameters
    ----------
    source : str or Path
        A path, or a text that has a newline or does not end in `suffix`.
    suffix : str
        ``".toml"`` or ``".json"``.

    Returns
    -------
    str

    Raises
    ------
    FileFormatError
        If the file is missing, no regular file, too large, or not UTF-8.
    """
    if isinstance(source, str) and ("\n" in source or not source.endswith(suffix)):
        return source
    if not isinstance(source, (str, Path)):
        raise FileFormatError.of(where="read", name="source", value=source, bound="must be a path or a text")
    path = Path(source)
    where = f"File {path.name!r}"
    try:
        info = path.stat()
    except (OSError, ValueError) as error:
        raise FileFormatError.of(where=where, bound="cannot be read", fix="check the path") from error
    if not stat.S_ISREG(info.st_mode):
        raise FileFormatError.of(where=where, bound="must be a regular file", fix="check the path")
    if info.st_size > MAX_BYTES:
        raise FileFormatError.of(
            where=where, name="size", value=info.st_size, bound=f"must be at most {MAX_BYTES} bytes"
        )
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise FileFormatError.of(where=where, bound="cannot be read", fix="check its permissions") from error
    except UnicodeDecodeError as error:
        raise FileFormatError.of(where=where, bound="must be UTF-8 text", fix="save it as UTF-8") from error


def read_toml(source: str | Path) -> dict[str, Any]:
    """Read TOML from a path or a text.

    Parameters
    ----------
    source : str or Path
        A path, or TOML text.

    Returns
    -------
    dict

    Raises
    ------
    FileFormatError
        If it is not TOML.

    Examples
    --------
    >>> read_toml('dt = "0.1 ms"')
    {'dt': '0.1 ms'}
    """
    text = read_text(source, suffix=".toml")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise FileFormatError.of(
            where="TOML", bound=f"cannot be parsed: {error}"[:200], fix="correct that line"
        ) from error


def read_json(source: str | Path) -> dict[str, Any]:
    """Read strict JSON from a path or a text: no NaN, no infinity, no doubled key.

    Parameters
    ----------
    source : str or Path
        A path, or JSON text.

    Returns
    -------
    dict

    Raises
    ------
    FileFormatError
        If it is not strict JSON or not a table.

    Examples
    --------
    >>> read_json('{"dt": "0.1 ms"}')
    {'dt': '0.1 ms'}
    """
    text = read_text(source, suffix=".json")

    def refuse(word: str) -> float:
        raise FileFormatError.of(where="JSON", name="number", value=word, bound="must be finite")

    def number(word: str) -> float:
        value = float(word)
        return value if math.isfinite(value) else refuse(word)

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            doubled = next(key for key in keys if keys.count(key) > 1)
            raise FileFormatError.of(where="JSON", name="key", value=doubled, bound="must occur once")
        return found

    try:
        data = json.loads(text, parse_constant=refuse, parse_float=number, object_pairs_hook=table)
    except FileFormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FileFormatError.of(
            where="JSON", bound=f"cannot be parsed: {error}"[:200], fix="correct that place"
        ) from error
    if not isinstance(data, dict):
        raise FileFormatError.of(where="JSON", value=data, bound="must be a table at the top")
    return data


def split_sources(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Take the sources out of a table.

    Any value may be written ``{value = ..., source = "..."}``; a distribution or an array may have a
    ``source`` among its entries. A table ``sources`` at the top maps dotted paths to texts, too.

    Parameters
    ----------
    table : mapping
        As read from a file.

    Returns
    -------
    tuple of dict
        The table without sources, and the sources by dotted path.

    Examples
    --------
    >>> split_sources({"dt": {"value": "0.1 ms", "source": "chosen: fits the delays"}})
    ({'dt': '0.1 ms'}, {'dt': 'chosen: fits the delays'})
    """
    sources: dict[str, str] = {}

    def note(path: str, text: object) -> None:
        if not isinstance(text, str) or not text.strip():
            raise SpecError.of(where="sources", name=path, value=text, bound="must be a text")
        sources[path] = text

    def strip(value: Any, path: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise SpecError.of(name=path[:80], bound=f"must be nested at most {MAX_DEPTH} deep")
        if isinstance(value, Mapping):
            keys = set(value)
            if "value" in keys and keys <= {"value", "source"}:
                if "source" in keys:
                    note(path, value["source"])
                return strip(value["value"], path, depth + 1)
            if "source" in keys and keys & {"dist", "values"}:
                note(path, value["source"])
                value = {key: item for key, item in value.items() if key != "source"}
            return {
                key: strip(item, f"{path}.{key}" if path else str(key), depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [strip(item, f"{path}.{index}", depth + 1) for index, item in enumerate(value)]
        return value

    rest = {key: item for key, item in table.items() if key != "sources"}
    stripped = strip(rest, "", 0)
    given = table.get("sources", {})
    if not isinstance(given, Mapping):
        raise SpecError.of(where="sources", value=given, bound="must be a table of dotted path to text")
    for path, text in given.items():
        note(str(path), text)
    return stripped, sources


def write_toml(table: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> str:
    """Write plain tables as TOML that reads back as the same tables.

    Parameters
    ----------
    table : mapping
        Texts, numbers, booleans, lists and tables.
    sources : mapping of str to str or None
        Sources by dotted path; a value with one is written ``{value = ..., source = "..."}``, and what is
        no single value goes to a table ``sources`` at the end.

    Returns
    -------
    str

    Examples
    --------
    >>> print(write_toml({"dt": "0.1 ms", "record": {"spikes": True}}))
    dt = "0.1 ms"
    <BLANKLINE>
    [record]
    spikes = true
    <BLANKLINE>
    """
    left = dict(sources or {})
    lines = _lines(table, (), left)
    if left:
        lines += ["", "[sources]"] + [f"{_key(path)} = {_inline(text)}" for path, text in left.items()]
    return "\n".join(lines).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...], sources: dict[str, str]) -> list[str]:
    values, tables = [], []
    for key, item in table.items():
        here = (*path, key)
        if isinstance(item, Mapping) and not {"dist", "values"} & set(item):
            inner = _lines(item, here, sources)
            head = f"[{'.'.join(map(_key, here))}]"
            has_values = any(line and not line.startswith("[") for line in inner[:1])
            tables += (["", head] if has_values or not inner else []) + inner
            continue
        text = _inline(item)
        source = sources.pop(".".join(here), None)
        if source is not None:
            text = f"{{value = {text}, source = {_inline(source)}}}"
        values.append(f"{_key(key)} = {text}")
    return values + tables


def _key(key: str) -> str:
    return key if _BARE_KEY.match(key) else _inline(key)


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON escapes are TOML escapes, but for the delete character, which TOML wants escaped too.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    raise SpecError.of(name="value", value=value, bound="cannot be written to a file")
