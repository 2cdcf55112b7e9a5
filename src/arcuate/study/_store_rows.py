"""What a study's store holds: rows that carry their own checksum, and the names of their owners.

A row is written as JSON with sorted keys. The sha256 of that text stands beside it, so that a row that was
altered is noticed and never returned.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from arcuate.errors import StoreError

KEY = re.compile(r"[0-9a-f]{64}")
_RECORDING = re.compile(r"recordings/[^/\0]+")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One point of a study as the store keeps it.

    Attributes
    ----------
    key : str
        Hash of what was computed, 64 hexadecimal digits.
    index : int
        Place of the point in the design.
    values : dict of str to value
        What was varied, by dotted path.
    seed : int
        Seed of the run.
    status : str
        "done" or "failed".
    metrics : dict of str to number, bool, text or None
        What the measure gave.
    reason, traceback : str
        Why the point failed; empty if it did not.
    tries : int
        How often it was tried.
    wall_seconds : float
        What it took, s.
    recording : str or None
        File of its recording, relative to the folder of the store. The store fills it in, and what follows.
    recording_bytes : int
        Size of that file.
    recording_sha256 : str
        Checksum of that file.
    fingerprint : str
        Short hash of the model, the measure, the version and the options that made the row.
    version : str
        Version of arcuate.
    committed_utc : str
        When it was committed, ISO 8601.

    Examples
    --------
    >>> Row(key="0" * 64, index=0, values={"dt": "0.1 ms"}, seed=1, metrics={"rate": 5.0}).status
    'done'
    """

    key: str
    index: int
    values: dict[str, Any]
    seed: int
    status: Literal["done", "failed"] = "done"
    metrics: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    traceback: str = ""
    tries: int = 1
    wall_seconds: float = 0.0
    recording: str | None = None
    recording_bytes: int = 0
    recording_sha256: str = ""
    fingerprint: str = ""
    version: str = ""
    committed_utc: str = ""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Something in a store that is not as it was written.

    Attributes
    ----------
    kind : str
        "row" (a point is lost), "recording" (its file is missing or altered, so the point is lost), "index"
        (the index is harmed; points that are not listed are safe), "description" (what the study was is lost)
        or "leftover" (a file without a row, as a killed process leaves it; no harm).
    path : str
        File, relative to the folder of the store.
    problem : str
        What is wrong with it.
    key : str or None
        The point; None if no point is lost.

    Examples
    --------
    >>> print(Damage(kind="recording", path="recordings/a.nc", problem="is missing", key="0" * 64))
    recordings/a.nc: is missing (point 0000000000000000)
    """

    kind: Literal["row", "recording", "index", "description", "leftover"]
    path: str
    problem: str
    key: str | None = None

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" + (f" (point {self.key[:16]})" if self.key else "")


def plain(value: Any, name: str) -> Any:
    """Return a value as JSON can hold it; numbers that are not finite become a table with their name."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item, name) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, name) for item in value]
    raise StoreError.of(
        where="Study store",
        name=name,
        value=value,
        bound="must be a number, a bool, text, None, or a list or table of these",
    )


def _restored(table: dict[str, Any]) -> Any:
    """Turn the name of a number that is not finite back into the number."""
    return float(table["float"]) if len(table) == 1 and "float" in table else table


def encode(content: Mapping[str, Any]) -> tuple[str, str]:
    """Return a table as canonical JSON, and the sha256 of that text."""
    checked = {name: plain(value, name) for name, value in content.items()}
    text = json.dumps(checked, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text, hashlib.sha256(text.encode()).hexdigest()


def decode(text: bytes, sha256: bytes) -> dict[str, Any] | None:
    """Return what was encoded; None if it was altered, or names a file that no store wrote."""
    if hashlib.sha256(text).hexdigest().encode() != sha256:
        return None
    content: dict[str, Any] = json.loads(text, object_hook=_restored)
    recording = content.get("recording")
    if recording is not None and not _RECORDING.fullmatch(str(recording)):
        return None  # a path that leads out of the folder: what it names would be read, moved or removed
    return content


def row_table(row: Row) -> dict[str, Any]:
    """Return a row as a table of its fields."""
    return {item.name: getattr(row, item.name) for item in fields(Row)}


def decode_row(content: dict[str, Any]) -> Row:
    """Build a row from its table; fields that a later version added are left out."""
    known = {item.name for item in fields(Row)}
    return Row(**{name: value for name, value in content.items() if name in known})


def short_hash(table: Mapping[str, Any]) -> str:
    """Return the first 16 digits of the sha256 of a table."""
    return encode(table)[1][:16]


def this_process() -> str:
    """Name this process so that no other is ever called the same: host, number, start."""
    return f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())}"


def is_alive(owner: str) -> bool:
    """Say whether the process that `this_process` named still runs on this host.

    A process of another host counts as gone: two hosts cannot share an SQLite file.
    """
    host, number, start = owner.split()[:3]
    return host == socket.gethostname() and start == _started(int(number))


def _started(number: int) -> str:
    """When a process started, in the clock of the system; empty if there is none of that number."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
    else:
        state, *numbers = stat.rpartition(")")[2].split()
        return "" if state in "ZX" else numbers[18]
    try:  # a system without /proc
        os.kill(number, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "0"
