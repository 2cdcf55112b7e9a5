"""Machine code of compiled functions, kept on disk in a form that is loaded without Numba and checked first.

Numba compiles a function once for the kinds of its arguments. What it made is an object file that needs
nothing of Numba to run, so a later process loads it through LLVM alone: no import of Numba, no pickle. A file
begins with the sha256 of the rest; one that is cut short or altered is compiled again.

The machine code gets one argument: a table of 64-bit words, the first for the result, then each argument as
Numba passes it (a number in one word; an array as two empty words, size, item size, address, shape, strides).
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate, chain
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

__all__ = ["NativeFunction", "fingerprint", "lean"]

ENTRY = "arcuate_entry"
"""Symbol of the function in an object file."""

FORMAT = "2"
"""Layout of the table of arguments and of the files."""

FOREIGN = ("numba", "NRT", "Py", "_Py", "__svml", "_Z")
"""Beginnings of symbols that are there only when Numba is."""

_LOCK = threading.RLock()
_LOADED: dict[str, Any] = {}
_SCALARS = {bool: "?", int: "<i8", float: "<f8"}


class NativeFunction:
    """A function of arrays and numbers that runs as machine code.

    Parameters
    ----------
    text : str
        What identifies the function and everything that it calls.
    python : callable
        Gives the Python function; called only if it has to be compiled.
    folder : callable
        Gives the folder of the cache.
    names : sequence of str
        Names of the arguments, where they may be left out or named.
    defaults : sequence
        Values of the last ones.
    reassociate : bool
        Whether sums may be taken in another order and products be added with one rounding.

    Examples
    --------
    >>> from arcuate._jit import compiled
    >>> from arcuate.mechanisms.plasticity import center_decay
    >>> isinstance(compiled(center_decay), NativeFunction), compiled(center_decay)(0, 50.0)
    (True, 0.0)
    """

    def __init__(
        self,
        text: str,
        python: Callable[[], Callable[..., Any]],
        folder: Callable[[], Path],
        *,
        names: Sequence[str] = (),
        defaults: Sequence[Any] = (),
        reassociate: bool = False,
    ) -> None:
        self._text, self._python, self._folder = text, python, folder
        self._math = ("contract", "reassoc") if reassociate else ()
        self._names, self._defaults = tuple(names), tuple(defaults)
        self._entries: dict[str, _Entry | None] = {}
        self._slow: Callable[..., Any] | None = None

    @property
    def py_func(self) -> Callable[..., Any]:
        """The Python function itself."""
        return self._python()

    def __call__(self, *values: Any, **named: Any) -> Any:
        """Run on some arguments; other Python threads run meanwhile."""
        rest = self._names[len(values) :]
        if rest:
            given = dict(zip(reversed(self._names), reversed(self._defaults), strict=False)) | named
            values = (*values, *(given[name] for name in rest))
        return Call(self)(*values)

    def entry(self, signature: str) -> _Entry | None:
        """Give the machine code for some kinds of arguments; None where only Numba itself can run it.

        Parameters
        ----------
        signature : str
            Kinds of the arguments, as `Call` writes them.

        Returns
        -------
        object or None
        """
        if signature not in self._entries:
            with _LOCK:
                self._entries[signature] = _obtain(
                    self._text, signature, self._python, folder=self._folder(), math=self._math
                )
        return self._entries[signature]

    def slow(self) -> Callable[..., Any]:
        """Compile with Numba's own machinery, for what cannot stand alone.

        Returns
        -------
        callable
        """
        with _LOCK:
            if self._slow is None:
                self._slow = _dispatcher(self._python())
            return self._slow


class Call:
    """A function and the arguments that it was last called with: what did not change is not looked at again.

    Parameters
    ----------
    function : NativeFunction
        What to call.
    """

    def __init__(self, function: NativeFunction) -> None:
        self._function = function
        self._last: list[Any] = []
        self._slow: Callable[..., Any] | None = None

    def __call__(self, *values: Any) -> Any:
        """Run on some arguments."""
        if not self._last and self._slow is None:
            self._prepare(values)
        if self._slow is not None:
            return self._slow(*values)
        for place, value in enumerate(values):
            if value is not self._last[place]:
                if _kind(value) != self._kinds[place]:  # another type than last time
                    self._last = []
                    return self(*values)
                self._put(place, value)
        return self._entry.run(self._words, self._address)

    def _prepare(self, values: Sequence[Any]) -> None:
        kinds = [_kind(value) for value in values]
        known = "" not in kinds
        entry = self._function.entry(";".join(kinds)) if known else None
        if entry is None:
            self._slow = self._function.slow()
            return
        self._entry, self._kinds = entry, kinds
        pieces = [_table(value, kind) for value, kind in zip(values, kinds, strict=True)]
        self._places = list(accumulate(map(len, pieces), initial=1))
        self._words = np.array([0, *chain.from_iterable(pieces)], np.int64)
        self._address = self._words.ctypes.data
        self._last = list(values)

    def _put(self, place: int, value: Any) -> None:
        """Write one argument into the table, and keep it alive until another takes its place."""
        self._words[self._places[place] : self._places[place + 1]] = _table(value, self._kinds[place])
        self._last[place] = value


def _table(value: Any, kind: str) -> tuple[int, ...]:
    """Words by which an argument is passed."""
    if isinstance(value, np.ndarray):
        address = value.__array_interface__["data"][0]
        return 0, 0, value.size, value.itemsize, address, *value.shape, *value.strides
    if kind == "<i8":
        return (int(value),)
    return (int.from_bytes(np.array(value, kind).tobytes(), "little", signed=True),)


def _kind(value: Any) -> str:
    """The kind of an argument: the type of a number; of an array also dimensions, order and writability."""
    kind = _SCALARS.get(type(value))
    if kind is not None:
        return kind
    if isinstance(value, float):  # a quantity
        return "<f8"
    if isinstance(value, np.ndarray):
        dtype, flags = value.dtype, value.flags
        if dtype.kind in "biuf" and dtype.isnative and flags.aligned and value.ndim:
            order = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
            return f"{dtype.str}:{value.ndim}{order}{'w' if flags.writeable else 'r'}"
        return ""
    return value.dtype.str if isinstance(value, np.number) and value.dtype.kind in "iuf" else ""


@dataclass(frozen=True, kw_only=True)
class _Code:
    """An object file, the kind of its result, what it needs; no bytes where Numba itself must run it."""

    code: bytes = b""
    result: str = ""
    needs: tuple[str, ...] = ()

    def whole(self) -> bytes:
        head = json.dumps({"result": self.result, "needs": self.needs})
        return head.encode() + b"\n" + self.code

    @classmethod
    def of(cls, data: bytes) -> _Code:
        head, _, code = data.partition(b"\n")
        facts = json.loads(head)
        return cls(code=code, result=facts["result"], needs=tuple(facts["needs"]))


class _Entry:
    """Machine code in memory."""

    def __init__(self, found: _Code) -> None:
        self._engine = _load(found.code)
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)
        self._run = kind(self._engine.get_function_address(ENTRY))
        self._result = found.result

    def run(self, words: Any, address: int) -> Any:
        if self._run(address):  # the only thing that the code can raise
            raise MemoryError("compiled code found no room for its work arrays")
        return words[:1].view(self._result)[0].item() if self._result else None


def _obtain(
    text: str,
    signature: str,
    python: Callable[[], Callable[..., Any]],
    *,
    folder: Path,
    math: tuple[str, ...],
) -> _Entry | None:
    """Take machine code from the cache, or compile it and put it there."""
    key = hashlib.sha256("\0".join((text, signature, *math, *_platform())).encode()).hexdigest()
    if key not in _LOADED:
        path = folder / "native" / f"{key[:32]}.o"
        found = _read(path, key)
        if found is None:
            found = _translate(python(), signature, math)
            _write(path, key, found)
        _LOADED[key] = _Entry(found) if found.code and _resolved(found.needs) else None
    return _LOADED[key]


@cache
def _platform() -> tuple[str, ...]:
    """What machine code depends on besides its source."""
    import llvmlite.binding as llvm

    release = ""
    for entry in sys.path:  # what importlib.metadata would say, without loading it
        with suppress(OSError, ValueError):
            release = release or next((n for n in os.listdir(entry or ".") if n.startswith("numba-")), "")
    options = [f"{key}={value}" for key, value in sorted(os.environ.items()) if key.startswith("NUMBA_")]
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return (
        FORMAT,
        sys.version,
        release,
        np.__version__,
        ".".join(map(str, llvm.llvm_version_info)),
        cpu,
        features,
        *options,
    )


def _read(path: Path, key: str) -> _Code | None:
    """Machine code from a file; None if it is not there, not whole, or not what the key says."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, body = data[:32], data[32:]
    if hashlib.sha256(body).digest() != digest or body[:64] != key.encode():
        return None
    return _Code.of(body[64:])


def _write(path: Path, key: str, found: _Code) -> None:
    """Write beside and rename; a cache that cannot be written is no reason to stop."""
    body = key.encode() + found.whole()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(body).digest() + body)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _resolved(needs: Sequence[str]) -> bool:
    """Whether every symbol can be found, in this process and, for its own, in Numba, which is loaded then."""
    import llvmlite.binding as llvm

    if any(name.startswith(FOREIGN) for name in needs):
        from numba.core.registry import cpu_target
        from numba.core.runtime.nrt import rtsys

        rtsys.initialize(cpu_target.target_context)
    _engine()  # until there is one LLVM sees nothing of the process, not even a square root
    return all(llvm.address_of_symbol(name) for name in needs)


def _load(code: bytes) -> Any:
    """Put an object file into memory, ready to run."""
    import llvmlite.binding as llvm

    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def _engine() -> Any:
    """Make an engine without code; LLVM can then find what the process has loaded."""
    import llvmlite.binding as llvm

    if hasattr(llvm, "initialize"):  # needed up to LLVM 14, an error later
        with suppress(RuntimeError):
            llvm.initialize()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), codemodel="jitdefault", jit=True
    )
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Compile without the garbage collector, which would find nothing and takes a fifth of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _translate(function: Callable[..., Any], signature: str, math: tuple[str, ...]) -> _Code:
    """Compile to an object file: without Numba's memory management if it can be."""
    from numba.core import errors
    from numba.core.compiler_lock import global_compiler_lock

    with global_compiler_lock, _uncollected():
        for managed in (False, True):
            with suppress(errors.NumbaError):
                return _object_file(function, signature, math, managed=managed)
    return _Code()


def _object_file(
    function: Callable[..., Any], signature: str, math: tuple[str, ...], *, managed: bool
) -> _Code:
    from numba.core import compiler, types
    from numba.core.registry import cpu_target

    flags: Any = compiler.Flags()
    flags.error_model, flags.nrt, flags.no_compile = "numpy", managed, True
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    if math:
        flags.fastmath = type(flags.fastmath)(set(math))
    target: Any = cpu_target.target_context
    typing: Any = cpu_target.typing_context
    build: Any = compiler.compile_extra
    kinds = tuple(_numba_type(kind) for kind in signature.split(";")) if signature else ()
    typing.refresh(), target.refresh()
    made = build(typing, target, lean(function, managed=managed), kinds, None, flags, {})
    results = {types.none: "", types.int64: "<i8", types.float64: "<f8"}
    result = results.get(made.signature.return_type)
    if result is None:
        return _Code()
    made.library.add_ir_module(_door(target, made.fndesc, bool(result)))
    made.library.enable_object_caching()
    made.library.finalize()
    outside = [f.name for f in made.library._final_module.functions if f.is_declaration]
    needs = tuple(name for name in outside if not name.startswith("llvm."))
    return _Code(code=made.library._get_compiled_object(), result=result, needs=needs)


def _numba_type(kind: str) -> Any:
    """Numba's type of a kind of argument."""
    import numba
    from numba.core import types

    array: Any = types.Array
    dtype, _, rest = kind.partition(":")
    scalar = numba.from_dtype(np.dtype(dtype))
    if not rest:
        return scalar
    return array(scalar, int(rest[:-2]), rest[-2], readonly=rest[-1] == "r")


def _door(target: Any, description: Any, has_result: bool) -> Any:
    """A function of one pointer that reads the arguments from the table and calls the compiled one."""
    from llvmlite import ir

    word, single = ir.IntType(64), ir.IntType(32)
    kind = target.call_conv.get_function_type(description.restype, description.argtypes)
    module = target.create_module(ENTRY)
    inner = ir.Function(module, kind, description.llvm_func_name)
    door = ir.Function(module, ir.FunctionType(single, [word.as_pointer()]), ENTRY)
    builder = ir.IRBuilder(door.append_basic_block())
    out, trouble = (builder.alloca(pointer.pointee) for pointer in kind.args[:2])
    values = [out, trouble]
    for place, wanted in enumerate(kind.args[2:], start=1):
        value = builder.load(builder.gep(door.args[0], [ir.Constant(word, place)]))
        if isinstance(wanted, ir.PointerType):
            value = builder.inttoptr(value, wanted)
        elif isinstance(wanted, ir.FloatType):
            value = builder.bitcast(builder.trunc(value, single), wanted)
        elif wanted != word:
            value = (builder.trunc if isinstance(wanted, ir.IntType) else builder.bitcast)(value, wanted)
        values.append(value)
    status = builder.call(inner, values, attrs=("noinline",))
    if has_result:
        builder.store(builder.load(builder.bitcast(out, word.as_pointer())), door.args[0])
    builder.ret(status)
    return module


def lean(function: Callable[..., Any], *, managed: bool = False) -> Callable[..., Any]:
    """Copy a function for Numba: what it calls is compiled into it and cannot be called from Python.

    Parameters
    ----------
    function : callable
        A Python function whose globals may be `NativeFunction` objects or functions of this package.
    managed : bool
        Whether it may make arrays.

    Returns
    -------
    callable
        A Python function.

    Examples
    --------
    >>> from arcuate.mechanisms.plasticity import center_decay
    >>> lean(center_decay).__name__
    'center_decay'
    """
    return _with_callees(function, partial(_lean_callee, managed=managed))


def _with_callees(function: Callable[..., Any], translate: Callable[[Any], Any]) -> Callable[..., Any]:
    """Copy a function with the functions that it calls replaced."""
    names = {}
    for key, value in _globals(function).items():
        plain = value.py_func if isinstance(value, NativeFunction) else value
        if isinstance(plain, FunctionType):
            names[key] = translate(plain)
    code, before = function.__code__, function.__globals__
    return FunctionType(code, before | names, function.__name__, function.__defaults__)


@cache
def _lean_callee(function: Any, *, managed: bool) -> Any:
    import numba

    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": managed}
    return numba.njit(error_model="numpy", fastmath=False, **options)(lean(function, managed=managed))


@cache
def _dispatcher(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as Numba compiles it for Python, without a cache."""
    import numba

    whole = _with_callees(function, _dispatcher)
    return numba.njit(error_model="numpy", fastmath=False, boundscheck=False, nogil=True)(whole)


def _globals(function: Callable[..., Any]) -> dict[str, Any]:
    """Global names that a function uses, and their values."""
    code, names = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    return {key: names[key] for key in (code.co_names if code else ()) if key in names}


def fingerprint(function: Callable[..., Any]) -> str:
    """Write down what a function does, with everything of its module or package that it calls.

    Parameters
    ----------
    function : callable
        A Python function.

    Returns
    -------
    str
        Changes when the code, a constant, or a function that is called changes.

    Examples
    --------
    >>> from arcuate.mechanisms.plasticity import center_decay, center_update
    >>> fingerprint(center_decay) == fingerprint(center_update)
    False
    """
    parts: list[str] = []
    queue, seen = [function], set()
    while queue:
        one = queue.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        code = getattr(one, "__code__", None)
        if code is None:
            parts.append(repr(one))
            continue
        parts.append(f"{one.__qualname__} {code.co_code.hex()} {code.co_consts!r} {code.co_names!r}")
        for key, value in sorted(_globals(one).items()):
            if isinstance(value, NativeFunction):
                queue.append(value.py_func)
            elif isinstance(value, FunctionType):
                queue.append(value)
            elif isinstance(value, (int, float, np.generic, np.ndarray, tuple)):
                parts.append(f"{key}={value!r}")
    return "\n".join(parts)
