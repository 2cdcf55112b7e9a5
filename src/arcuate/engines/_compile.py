"""Turn kernel source into a compiled function, with a cache on disk that later processes share."""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from arcuate._jit import cache_dir
from arcuate._native import NativeFunction
from arcuate.mechanisms import _elementary

_HEADER = """\
import math

import numpy as np

from arcuate.engines._kernels import *

"""


@cache
def load_kernel(text: str) -> NativeFunction:
    """Compile a kernel, or take it from the cache.

    The source was written by the emitter from parsed expressions; nothing in it is text of a user.

    Parameters
    ----------
    text : str
        Source of one function named ``kernel``.

    Returns
    -------
    NativeFunction
        The compiled function; it is compiled at the first call unless the cache has it.
    """
    functions = [_elementary.source(name, "numba") for name in _elementary.used(text)]
    header = "\n\n".join([_HEADER, *functions])
    return NativeFunction(header + text, lambda: python_kernel(text, header), cache_dir)


def python_kernel(text: str, header: str) -> Callable[..., Any]:
    """Turn kernel source into a Python function that lives in a file, so that nothing is executed as text.

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
    path = _written(path, source)
    spec = importlib.util.spec_from_file_location(f"arcuate_kernel_{digest}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load the kernel {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    function: Callable[..., Any] = module.kernel
    return function


def _written(path: Path, source: str) -> Path:
    """Where the source stands: in the cache, written beside and renamed, or where there is still room."""
    try:
        if path.is_file() and path.read_bytes() == source.encode():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            file.write(source)
        os.replace(name, path)
    except OSError:  # full, or taken away since it was made
        folder = Path(tempfile.mkdtemp(prefix="arcuate-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = folder / path.name
        path.write_text(source)
    return path
