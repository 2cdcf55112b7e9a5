"""The door to compiled code: plain Python functions, compiled with a cache on disk.

What is in the cache is run, so the folder belongs to one user and nobody else can write to it.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from functools import cache, update_wrapper
from pathlib import Path
from typing import Any

from arcuate._native import NativeFunction, fingerprint

__all__ = ["cache_dir", "compiled"]

CACHE_VARIABLE = "ARCUATE_CACHE"
"""Environment variable that names another cache folder."""


@cache
def cache_dir() -> Path:
    """Find the folder for compiled code, and create it.

    It is ``$ARCUATE_CACHE`` when set, else the user's cache folder. A folder that cannot be written, or
    that somebody else could write to, is replaced by a temporary one for this process.

    Returns
    -------
    Path
        A folder of this user with permissions 0700, one for each version of this package.

    Examples
    --------
    >>> cache_dir().is_dir()
    True
    """
    from arcuate import __version__

    chosen = os.environ.get(CACHE_VARIABLE)
    try:
        if chosen:
            base = Path(chosen).expanduser().absolute()
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "arcuate"
        folder = base / f"compiled-{__version__}-{_stamp()}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _is_private(folder):
            return folder
    except (OSError, RuntimeError, ValueError):  # not writable; no home folder; a name with a NUL
        pass
    folder = Path(tempfile.mkdtemp(prefix="arcuate-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _stamp() -> str:
    """Short hash of every function that a kernel may call: of all files that hold any."""
    digest = hashlib.sha256()
    for folder, inside, names in os.walk(Path(__file__).parent):
        inside.sort()
        for name in sorted(names):
            if name.endswith(".py"):
                with open(os.path.join(folder, name), "rb", buffering=0) as file:
                    text = file.readall()
                if folder.endswith("mechanisms") or b"_jit" in text:
                    digest.update(text)
    return digest.hexdigest()[:8]


def _is_private(folder: Path) -> bool:
    """Close a folder to others and try it; False where somebody else owns it or could put another there.

    What lay in a folder that others could write to is not trusted, and thrown away.
    """
    if hasattr(os, "getuid"):
        own, above = folder.lstat(), folder.parent.stat()
        swappable = above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX
        if own.st_uid != os.getuid() or above.st_uid not in (0, os.getuid()) or swappable:
            return False
        if own.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            shutil.rmtree(folder)
            folder.mkdir(mode=0o700)
    folder.chmod(0o700)
    with tempfile.TemporaryFile(dir=folder):
        return True


@cache
def compiled(function: Callable[..., Any], *, reassociate: bool = False) -> NativeFunction:
    """Compile a plain Python function, once per process and once per cache folder.

    Parameters
    ----------
    function : callable
        Loops over arrays and scalars, at module level, calling nothing but arithmetic, ``math`` and NumPy
        (or functions of this package that do the same).
    reassociate : bool
        Let sums be taken in another order and products be added with one rounding, so that a sum along an
        array uses the whole width of the machine. NaN and infinity mean what they always mean.

    Returns
    -------
    NativeFunction
        The same function, compiled at its first call: strict IEEE arithmetic unless told otherwise,
        division by zero gives infinity, no bounds checks, and other Python threads run meanwhile.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.mechanisms.plasticity import predict
    >>> output = np.empty(1)
    >>> compiled(predict)(np.array([[1.0, 2.0]]), np.array([3.0, 4.0]), output)
    >>> output
    array([11.])
    """
    if isinstance(function, NativeFunction):
        return function
    code: Any = function.__code__
    names, defaults = code.co_varnames[: code.co_argcount], function.__defaults__ or ()
    native = NativeFunction(
        fingerprint(function),
        lambda: function,
        cache_dir,
        names=names,
        defaults=defaults,
        reassociate=reassociate,
    )
    update_wrapper(native, function)  # name and documentation, for readers and their examples
    return native
