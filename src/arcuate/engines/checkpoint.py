"""Save a running simulation and go on with the same bits. Arrays in an npz file, facts in JSON; no pickle."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import CapabilityError, FileFormatError

if TYPE_CHECKING:
    from arcuate.engines.plan import Array, Plan
    from arcuate.spec import Network

FORMAT = "arcuate.checkpoint"
VERSION = 1
_FACTS = "facts"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a checkpoint file holds."""

    engine: str
    seed: int
    step: int
    n_steps: int
    order: str
    precision: str
    arrays: dict[str, Array]

    def restore(self, plan: Plan, run: Any) -> None:
        """Put the saved state into a freshly started run.

        Parameters
        ----------
        plan : Plan
            The plan of the run.
        run : object
            The engine's run, at step 0.

        Raises
        ------
        FileFormatError
            If the arrays do not fit the plan.
        """
        for key, value in run.moving.items():
            saved = self.arrays.get(key)
            if saved is None or saved.shape != value.shape or saved.dtype != value.dtype:
                raise FileFormatError.of(
                    where="checkpoint",
                    name=key,
                    value=None if saved is None else f"{saved.dtype}{saved.shape}",
                    bound=f"must be {value.dtype}{value.shape}",
                    fix="resume with the specification that was saved",
                )
            np.copyto(value, saved)
        run.step = self.step


def write_checkpoint(path: str | os.PathLike[str], *, engine: Any, plan: Plan, run: Any) -> None:
    """Write the state of a run, beside the target first and then renamed.

    Parameters
    ----------
    path : path
        File to write; must not exist.
    engine : Engine
        The engine that runs.
    plan : Plan
        Its plan.
    run : object
        Its run.

    Raises
    ------
    CapabilityError
        If the engine cannot be saved.
    FileFormatError
        If the file exists or cannot be written.
    """
    if "checkpoint" not in engine.capabilities():
        raise CapabilityError.of(
            where=f"Engine {engine.name!r}",
            name="checkpoint",
            bound="is not possible with this engine",
            fix='use engine="numba"',
        )
    from arcuate import __version__

    target = _path(path)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "arcuate_version": __version__,
        "engine": engine.name,
        "seed": str(plan.seed),
        "step": run.step,
        "n_steps": plan.n_steps,
        "order": run.order,
        "precision": run.precision,
        "dt": plan.dt,
        "spec_sha256": plan.network.sha256,
    }
    facts["sha256"] = _digest(facts, run.moving)
    arrays = {**run.moving, _FACTS: np.frombuffer(json.dumps(facts).encode(), np.uint8)}
    try:
        if target.exists():
            raise FileExistsError(errno.EEXIST, "it exists already, and is not overwritten")
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileFormatError.of(
            where="checkpoint",
            name="path",
            value=str(target),
            bound=f"could not be written: {error.strerror}",
            fix="choose a new name in a folder that exists, with room, that you may write to",
        ) from error


def read_checkpoint(path: str | os.PathLike[str], network: Network) -> Checkpoint:
    """Read a checkpoint and make sure that it belongs to a specification.

    Parameters
    ----------
    path : path
        File to read.
    network : Network
        The specification that it should belong to.

    Returns
    -------
    Checkpoint

    Raises
    ------
    FileFormatError
        If the file is missing, alien, damaged, from a newer version, or of another specification.
    """
    where = f"checkpoint {str(_path(path))!r}"
    arrays = _read_arrays(path, where)
    try:
        facts = json.loads(bytes(arrays.pop(_FACTS)))
        whole = facts["format"] == FORMAT
        version, digest = int(facts["version"]), facts.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _alien(where) from error
    if not whole or version < 1:
        raise _alien(where)
    if version > VERSION:
        raise FileFormatError.of(
            where=where, name="version", value=version, bound=f"must be <= {VERSION}", fix="update arcuate"
        )
    if digest != _digest(facts, arrays):
        raise FileFormatError.of(
            where=where,
            bound="is damaged: its checksum does not match its contents",
            fix="go back to an earlier checkpoint",
        )
    if facts["spec_sha256"] != network.sha256:
        other_dt = facts["dt"] != network.dt
        raise FileFormatError.of(
            where=where,
            name="dt" if other_dt else "network",
            value=str(network.dt) if other_dt else network.name,
            bound=f"must be {facts['dt']:g} s, as it was saved"
            if other_dt
            else "must be the specification that was saved; its content differs",
            fix="resume with the very network that was simulated",
        )
    return Checkpoint(
        engine=facts["engine"],
        seed=int(facts["seed"]),
        step=int(facts["step"]),
        n_steps=int(facts["n_steps"]),
        order=str(facts.get("order", "strict")),
        precision=str(facts.get("precision", "float64")),
        arrays=arrays,
    )


def _path(path: object) -> Path:
    if isinstance(path, (str, os.PathLike)) and "\0" not in str(path):
        return Path(path)
    raise FileFormatError.of(
        where="checkpoint", name="path", value=path, bound="must be the path of a file", fix='use "run.npz"'
    )


def _alien(where: str) -> FileFormatError:
    return FileFormatError.of(
        where=where,
        bound="is not a whole checkpoint of this package",
        fix="write it again with checkpoint()",
    )


def _read_arrays(path: str | os.PathLike[str], where: str) -> dict[str, Array]:
    """Arrays of an archive that holds them as they are: nothing in it can be larger than the file."""
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode):  # opening one would wait for a writer
            raise _alien(where)
        with open(path, "rb") as file:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                    raise _alien(where)
                if sum(entry.file_size for entry in entries) > os.fstat(file.fileno()).st_size:
                    raise _alien(where)
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return {key: np.asarray(arrays[key]) for key in arrays.files}
    except OSError as error:
        raise FileFormatError.of(
            where=where,
            name="path",
            value=str(path),
            bound=f"could not be read: {error.strerror or error}",
            fix="name a file that checkpoint() wrote",
        ) from error
    except (ValueError, KeyError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile) as error:
        raise _alien(where) from error  # NotImplementedError, for a damaged header, is a RuntimeError


def _digest(facts: dict[str, Any], arrays: dict[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for key in sorted(arrays):
        digest.update(f"{key}:{arrays[key].dtype}:{arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    return digest.hexdigest()
