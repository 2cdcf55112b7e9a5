"""Turn kernel source into a compiled function, with a cache on disk that later processes share."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from arcuate._jit import cache_dir, compiled
from arcuate.mechanisms import _elementary

_LOCK = threading.RLock()

_HEADER = """\
import math

import numpy as np

from arcuate.engines._kernels import *

"""


def load_kernel(text: str) -> Callable[..., Any]:
    """Compile a kernel, or take it from the cache.

    The source was written by the emitter from parsed expressions; nothing in it is text of a user.

    Parameters
    ----------
    text : str
        Source of one function named ``kernel``.

    Returns
    -------
    callable
        The compiled function; Numba compiles at the first call unless its cache has it.
    """
    with _LOCK:  # threads that ask for one kernel get one, compiled once
        return _load_kernel(text)


@cache
def _load_kernel(text: str) -> Callable[..., Any]:
    functions = [_elementary.source(name, "numba") for name in _elementary.used(text)]
    return compiled(python_kernel(text, "\n\n".join([_HEADER, *functions])))


def python_kernel(text: str, header: str) -> Callable[..., Any]:
    """Turn kernel source into a Python function that lives in a file, as Numba's cache wants it.

    Parameters
    ----------
    text : str
        Source of one function named ``kernel``, written by an emitter.
    header : str
        The imports that it needs.

    Returns
    -------
    callable
    """
    source = header + text
    digest = hashlib.sha256(source.encode()).hexdigest()[:24]
    path = cache_dir() / "kernels" / f"kernel_{digest}.py"
    if not path.is_file() or path.read_text() != source:
        _write(path, source)
    spec = importlib.util.spec_from_file_location(f"arcuate_kernel_{digest}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load the kernel {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Numba finds a cached kernel's globals by the name of its module
    spec.loader.exec_module(module)
    function: Callable[..., Any] = module.kernel
    return function


def _write(path: Path, source: str) -> None:
    """Write beside and rename, so that two processes can do it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w") as file:
        file.write(source)
    os.replace(name, path)
