"""Functions of a Python file beside a study file: found by the file, told apart by its content."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.abc import SourceLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from arcuate.errors import FileFormatError, unknown

__all__ = ["FileFunction", "public_function"]


@dataclass(frozen=True)
class FileFunction:
    """A function of a Python file beside a study file, which worker processes load by the file.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    name : str
        Of the function.
    code_sha256 : str
        Hash of the whole file, so that a change of anything the function uses is noticed.

    Examples
    --------
    >>> from arcuate.models import models_folder
    >>> path = models_folder() / "what_when_reservoir" / "studies" / "measure.py"
    >>> FileFunction(path, "relearning").__qualname__
    'relearning'
    """

    path: Path
    name: str
    code_sha256: str = field(default="")

    def __post_init__(self) -> None:
        for name, value in (
            ("code_sha256", self.code_sha256 or hashlib.sha256(self.path.read_bytes()).hexdigest()),
            ("__name__", self.name),
            ("__qualname__", self.name),
            ("__module__", self.path.name),
        ):
            object.__setattr__(self, name, value)

    @property
    def module_name(self) -> str:
        """Name of the module that the file becomes, which no other has."""
        return f"arcuate_study_{hashlib.sha256(f'{self.path} {self.code_sha256}'.encode()).hexdigest()[:16]}"

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The function itself; what asks for a signature finds it here."""
        module = _module_of(self.path, self.code_sha256, name=self.module_name)
        return public_function(module, self.name, where=self.path.name)

    def __call__(self, *args: Any, **values: Any) -> Any:
        """Call the function."""
        return self.__wrapped__(*args, **values)


def public_function(module: ModuleType, name: str, *, where: str) -> Callable[..., Any]:
    """A function of a module by its name."""
    known = [key for key in dir(module) if not key.startswith("_") and callable(getattr(module, key))]
    if name not in known:
        raise unknown(where, name, known, kind="function")
    found: Callable[..., Any] = getattr(module, name)
    return found


class _Text(SourceLoader):
    """Loads the text that was hashed; no bytecode is kept, which could be that of an older file."""

    def __init__(self, path: Path, text: bytes) -> None:
        self._path, self._text = path, text

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: str) -> bytes:
        return self._text


def _module_of(path: Path, sha256: str, *, name: str) -> ModuleType:
    """The module of a file, run once a process; a file that changed since it was read is refused."""
    if name in sys.modules:
        return sys.modules[name]
    where = f"Python file {path.name!r}"
    text = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(text).hexdigest() != sha256:
        raise FileFormatError.of(where=where, bound="is not the file that the study was made with")
    made = importlib.util.spec_from_file_location(name, path, loader=_Text(path, text))
    if made is None or made.loader is None:
        raise FileFormatError.of(where=where, bound="must be a Python module")
    module = importlib.util.module_from_spec(made)
    sys.modules[name] = module
    try:
        made.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise FileFormatError.of(
            where=where, bound=f"fails when it is read: {type(error).__name__}: {error}"[:300]
        ) from error
    return module
