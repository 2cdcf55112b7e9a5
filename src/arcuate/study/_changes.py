"""What changed since the results of a store were made, and what follows."""

from __future__ import annotations

import os
import reprlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcuate.errors import SpecError
from arcuate.spec import Network
from arcuate.study._axes import plain_value
from arcuate.study._store_folder import has_store
from arcuate.study._store_rows import Row

if TYPE_CHECKING:
    from arcuate.recording import Recording
    from arcuate.study.store import Store
    from arcuate.study.study import Study

__all__ = ["outdated", "recover"]


def outdated(study: Study, folder: str | os.PathLike[str], *, changed: str) -> set[str]:
    """Keys of the points that must be computed again because what made them changed.

    Parameters
    ----------
    study : Study
        What is to be run.
    folder : path
        Of its store, which may not be there yet; it is only read.
    changed : {"refuse", "keep", "recompute"}
        What to do with such points.

    Returns
    -------
    set of str
        Empty unless they are to be computed again.

    Raises
    ------
    SpecError
        If something changed and `changed` is ``"refuse"``; names what, and from what to what.
    """
    from arcuate.study.store import Store

    keys = set(study.keys())
    if not has_store(folder):
        return set()
    store = Store.read(folder)
    if store.description.get("name") != study.name:
        return set()  # another study, which opening the store refuses
    done = [row for row in store.rows() if row.status == "done"]
    mine, made = study.fingerprint, store.fingerprints
    before = store.description.get("fingerprint", mine)
    told = ("options", "model") if isinstance(study.spec, Network) else ("options",)
    parts = Counter({part: len(done) for part in told if before.get(part) != mine[part] and done})
    if done and "target" in store.description and _function(store.description) != _function(study.describe()):
        parts["model"] = len(done)  # other keys, so that both would stand side by side
    again: set[str] = set()
    for row in done:
        if row.key in keys:
            different = _different(study, row, made.get(row.fingerprint, mine), mine)
            parts.update(different)
            again.update({row.key} if different else ())
    if parts and changed == "refuse":
        raise _refusal(study, store.description, parts, folder=store.folder)
    return again if changed == "recompute" else set()


def _different(study: Study, row: Row, made: Mapping[str, str], mine: Mapping[str, str]) -> list[str]:
    """What would make another row of equal key now; the key of a network holds its model and options."""
    parts = ["measure", "version"]
    if not isinstance(study.spec, Network):
        parts.append("model")
    if study.keep and row.recording is None:
        parts.append("options")
    return [part for part in parts if made.get(part) != mine[part]]


def _function(description: Mapping[str, Any]) -> str | None:
    """Path of the function that a study runs; None for a network."""
    path: str | None = description["target"].get("path")
    return path


def recover(study: Study, store: Store) -> None:
    """Measure the recordings that a store holds of points whose row it lost.

    Parameters
    ----------
    study : Study
        What is to be run.
    store : Store
        Open for writing.
    """
    if not isinstance(study.spec, Network) or not study.keep:
        return
    places = {key: index for index, key in enumerate(study.keys())}
    known = {row.key for row in store.rows()}

    def measured(key: str, recording: Recording) -> Row | None:
        point = study.design[places[key]]
        seed = study.seed_at(point)
        if recording.seed != seed or recording.spec_sha256 != study.network(point).sha256:
            return None
        try:
            metrics = study.metrics(recording)
        except Exception:  # noqa: BLE001  the point is run again, and its error recorded there
            return None
        values = {name: plain_value(value) for name, value in point.values.items()}
        return Row(key=key, index=point.index, values=values, seed=seed, metrics=metrics)

    store.recover([key for key in places if key not in known], measured)


def _refusal(
    study: Study, description: Mapping[str, Any], parts: Mapping[str, int], *, folder: Path
) -> SpecError:
    """Say what changed."""
    part = next(iter(parts))
    now = study.describe()
    count = f"{parts[part]} {'result' if parts[part] == 1 else 'results'} of the folder"
    if part == "version":
        before, after = (table.get("fingerprint", {}).get("version", "") for table in (description, now))
        said = f"arcuate {before} made {count}, this is {after}"
    elif part == "options" or (part == "model" and isinstance(study.spec, Network)):
        place = "options" if part == "options" else "target"
        found = _difference(description.get(place, {}), now[place]) or ("keep", "False", "True")
        said = f"{found[0].removeprefix('spec.')} was {found[1]} and is {found[2]} since it made {count}"
    else:
        name = (now["measure"] if part == "measure" else now["target"])["name"]
        said = f"{'measure' if part == 'measure' else 'function'} {name!r} was changed since it made {count}"
        if part == "model" and _function(description) != _function(now):
            said = f"it ran {_function(description) or 'a network'} for {count}, and now {_function(now)}"
    return SpecError.of(
        where=f"Study {study.name!r} in {folder.name!r}",
        bound=said,
        fix='use changed="recompute" to compute those points again, changed="keep" to leave them, '
        "or another folder",
    )


def _difference(before: Any, after: Any, path: str = "") -> tuple[str, str, str] | None:
    """First place where two tables differ, and what stands there."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            if key in ("sources", "description"):
                continue
            here = f"{path}.{key}" if path else str(key)
            found = _difference(before.get(key), after.get(key), here)
            if found is not None:
                return found
        return None
    same = before == after and type(before) is type(after)
    return None if same else (path, reprlib.repr(before), reprlib.repr(after))
