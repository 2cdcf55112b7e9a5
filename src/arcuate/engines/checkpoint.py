"""Save a running simulation and go on with the same bits. Arrays in an npz file, facts in JSON; no pickle."""

from __future__ import annotations

import hashlib
import json
import os
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

    target = Path(path)
    if target.exists():
        raise FileFormatError.of(
            where="checkpoint", name="path", value=str(target), bound="must not exist yet"
        )
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "arcuate_version": __version__,
        "engine": engine.name,
        "seed": str(plan.seed),
        "step": run.step,
        "n_steps": plan.n_steps,
        "spec_sha256": plan.network.sha256,
        "state_sha256": _digest(run.moving),
    }
    arrays = {**run.moving, _FACTS: np.frombuffer(json.dumps(facts).encode(), np.uint8)}
    try:
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
            fix="choose a folder that exists, with room, that you may write to",
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
    where = f"checkpoint {os.fspath(path)!r}"
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        facts = json.loads(bytes(arrays.pop(_FACTS)))
        if facts["format"] != FORMAT:
            raise ValueError("another format")
        version, digest = int(facts["version"]), facts["state_sha256"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise FileFormatError.of(
            where=where,
            bound="is not a whole checkpoint of this package",
            fix="write it again with checkpoint()",
        ) from error
    if version > VERSION:
        raise FileFormatError.of(
            where=where, name="version", value=version, bound=f"must be <= {VERSION}", fix="update arcuate"
        )
    if digest != _digest(arrays):
        raise FileFormatError.of(where=where, bound="is damaged: its checksum does not match its contents")
    if facts["spec_sha256"] != network.sha256:
        raise FileFormatError.of(
            where=where,
            name="network",
            value=network.name,
            bound="must be the specification that was saved; its content, dt included, differs",
            fix="resume with the very network that was simulated",
        )
    return Checkpoint(
        engine=facts["engine"],
        seed=int(facts["seed"]),
        step=int(facts["step"]),
        n_steps=int(facts["n_steps"]),
        arrays=arrays,
    )


def _digest(arrays: dict[str, Array]) -> str:
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(f"{key}:{arrays[key].dtype}:{arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    return digest.hexdigest()
