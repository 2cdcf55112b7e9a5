"""What tells one study from another: hashes of code, keys of points."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from arcuate.errors import SpecError
from arcuate.spec import Distribution, Network, Record
from arcuate.spec.part import Part, canonical_json
from arcuate.spec.values import Quantity
from arcuate.study._file_function import FileFunction
from arcuate.study.design import SEED, Point
from arcuate.units import Dimension, dimension, is_quantity_text, parse_quantity

__all__ = [
    "CallKeys",
    "NetworkKeys",
    "PointKeys",
    "arithmetic_of",
    "code_sha256",
    "find",
    "importable",
    "path_of",
    "sha256_of",
]


def code_sha256(function: Callable[..., Any]) -> str:
    """Hash of the code of a function: its source, else its bytecode, and the values that it has bound.

    Comments and layout do not count, nor what it calls, nor what it reads of its module.

    Of a function beside a study file, the hash of the whole file.

    Parameters
    ----------
    function : callable
        A function, a partial, a class, or an object that can be called.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> code_sha256(len) == code_sha256(len) != code_sha256(sum)
    True
    """
    if isinstance(function, partial):
        parts = [code_sha256(function.func), *map(_bound, (function.args, dict(function.keywords)))]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()
    if isinstance(function, FileFunction):
        return function.code_sha256
    code: Any = function if hasattr(function, "__qualname__") else type(function)
    text = _source(code) or _bytecode(getattr(code, "__code__", None)) or path_of(function)
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or () if _is_filled(cell)]
    defaults = [getattr(function, name, None) for name in ("__defaults__", "__kwdefaults__")]
    bound = [_bound(value) for value in (*cells, *defaults, _attributes(function))]
    return hashlib.sha256("\0".join([text, *bound]).encode()).hexdigest()


def _attributes(function: Any) -> dict[str, Any]:
    """What an object that can be called, or the object of a bound method, holds."""
    holder = getattr(function, "__self__", None) if hasattr(function, "__qualname__") else function
    if holder is None or inspect.isclass(holder) or inspect.ismodule(holder):
        return {}
    return dict(getattr(holder, "__dict__", {}))


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a function that calls itself, before it has its name
        return False


def _bound(value: Any) -> str:
    """Text of a bound value: the content of data, the code of a function, the kind of anything else."""
    if isinstance(value, (Part, Distribution, Quantity, bool, int, float, str)) or value is None:
        return _content(value)
    if isinstance(value, np.generic):
        return _bound(value.item())
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.dtype}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_bound(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key!r}:{_bound(item)}" for key, item in value.items()) + "}"
    if inspect.isfunction(value) and not value.__closure__:
        return code_sha256(value)
    return type(value).__qualname__


def _source(code: Any) -> str:
    """Source of a function or a class without comments; nothing where it is not known for certain."""
    if code.__name__ == "<lambda>":
        return ""  # what Python gives is the line, which may hold others
    try:
        return ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(code))))
    except (OSError, TypeError, SyntaxError, ValueError, RecursionError):
        return ""


def _bytecode(code: Any) -> str:
    """Bytecode and constants of a function; nothing for one that is not written in Python."""
    if code is None:
        return ""
    constants = []
    for item in code.co_consts:
        if hasattr(item, "co_code"):
            constants.append(_bytecode(item))
        else:  # the order of a set is another one in every process
            constants.append(repr(sorted(map(repr, item)) if isinstance(item, frozenset) else item))
    return "\0".join([code.co_code.hex(), *code.co_names, *constants])


def _content(value: Any) -> str:
    """Text of a value that tells it from others by content."""
    return json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))


def _canonical(value: Any) -> Any:
    """A value of a point as JSON, equal for equal content: ``"20 ms"`` is ``"0.02 s"``."""
    if isinstance(value, str) and is_quantity_text(value):
        number, unit = parse_quantity(value)
        return [number, str(unit)]
    if isinstance(value, Quantity):
        return [float(value), value.unit]
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    tree = value.tree() if isinstance(value, Part) else value
    return json.loads(canonical_json(tree)) if _is_plain(tree) else repr(value)


def _is_plain(tree: Any) -> bool:
    try:
        canonical_json(tree)
    except (TypeError, ValueError):
        return False
    return True


def sha256_of(table: Mapping[str, Any]) -> str:
    """Hash of a table of numbers and texts.

    Parameters
    ----------
    table : mapping
        What JSON can hold.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> sha256_of({"a": 1, "b": 2}) == sha256_of({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical_json(table).encode()).hexdigest()


def path_of(function: Callable[..., Any]) -> str:
    """Where a function stands, as ``"module:qualname"``.

    Parameters
    ----------
    function : callable
        What one wants to find again.

    Returns
    -------
    str

    Examples
    --------
    >>> from arcuate.analysis import summary
    >>> path_of(summary)
    'arcuate.analysis.spikes:summary'
    """
    if isinstance(function, partial):
        return path_of(function.func)
    code: Any = function if hasattr(function, "__qualname__") else type(function)
    return f"{code.__module__}:{code.__qualname__}"


def importable(function: Callable[..., Any]) -> bool:
    """Whether another process finds the very same function by its path.

    Parameters
    ----------
    function : callable
        A partial, a lambda or a function of a notebook is not.

    Returns
    -------
    bool

    Examples
    --------
    >>> importable(json.dumps), importable(lambda x: x)
    (True, False)
    """
    module, _, name = path_of(function).partition(":")
    node: Any = sys.modules.get(module) if module != "__main__" else None
    for word in name.split("."):
        node = getattr(node, word, None)
    return node is function


def find(path: str, *, what: str) -> Callable[..., Any]:
    """Import a function by its path, if it is one of this package or of the user's own modules.

    A store is data that may come from anybody: what it names must not be any function that is installed.

    Parameters
    ----------
    path : str
        ``"module:qualname"``.
    what : str
        What it is for, such as ``"measure"``.

    Returns
    -------
    callable

    Raises
    ------
    SpecError
        If it is none of these; the way out is to run the script again.

    Examples
    --------
    >>> find("arcuate.analysis.spikes:summary", what="measure").__name__
    'summary'
    """
    module, _, name = path.partition(":") if isinstance(path, str) else ("", "", "")
    node: Any = None
    reason = "is defined in a script or a notebook"
    if not all(word.isidentifier() for word in (*module.split("."), *name.split("."))):
        reason = reason if "<" in name else "is no path of a function"
    elif module != "__main__" and not _is_own(module):
        reason = "is of a module that is not there, or not this package's or yours"
    elif module != "__main__":
        try:
            node = importlib.import_module(module)
            for word in name.split("."):
                node = getattr(node, word)
            if not (callable(node) and path_of(node) == path and importable(node)):
                node, reason = None, "is no function of that module"
        except Exception as error:  # noqa: BLE001  whatever the module raises
            node, reason = None, f"cannot be imported ({type(error).__name__}: {error})"[:200]
    if node is None:
        raise SpecError.of(
            where="Study",
            name=what,
            value=path,
            bound=reason,
            fix="run the script that made the study again; it goes on where it stopped",
        )
    found: Callable[..., Any] = node
    return found


def _is_own(module: str) -> bool:
    """Whether a module is of this package, or lies where neither Python nor its packages are installed."""
    top = module.partition(".")[0]
    if top == "arcuate":
        return True
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    places = (
        [spec.origin] if spec and spec.origin else list(spec.submodule_search_locations or ()) if spec else []
    )
    return bool(places) and not any(
        place in ("built-in", "frozen") or is_installed(place) for place in places
    )


def is_installed(place: str | os.PathLike[str]) -> bool:
    """Whether a file or a folder lies where Python or its packages are installed."""
    path = Path(place).resolve()
    roots = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return any(path.is_relative_to(Path(root).resolve()) for root in roots)


class NetworkKeys:
    """Content hashes of a network with some fields changed, without building it where that can be avoided.

    The text that the hash is taken of is cut at the varied fields, and the text of a value is put in. How a
    network writes a value is learned from a network that is built with the first of its kind; numbers of the
    same kind are then written in the same way. Where a change shows anywhere but in its own field, every
    network is built.

    Parameters
    ----------
    network : Network
        What is varied.
    paths : sequence of str
        The varied fields.

    Examples
    --------
    >>> from arcuate.models import load_model
    >>> net = load_model("what_when_reservoir")
    >>> point = Point(index=0, values={"dt": "0.4 ms"})
    >>> NetworkKeys(net, ["dt"]).content(point) == point.apply(net).sha256
    True
    """

    def __init__(self, network: Network, paths: Sequence[str]) -> None:
        self._network = network
        self._marks = {path: f"\0{path}\0" for path in paths if path != SEED}
        self._forms: dict[tuple[str, str], Any] = {}
        self._pieces: dict[tuple[str, str], str] = {}
        self._text = self._cut(_tree(network), {})
        self._between, self._order = _split(self._text, self._marks)

    def content(self, point: Point) -> str:
        """Hash of the network at a point.

        Parameters
        ----------
        point : Point
            Values of the varied fields.

        Returns
        -------
        str
            As `Network.sha256` of the network that ``point.apply`` gives.

        Raises
        ------
        SpecError
            If the network must be built and refuses a value.
        """
        if not self._text:
            return point.apply(self._network).sha256
        parts = [self._between[0]]
        for path, after in zip(self._order, self._between[1:], strict=True):
            piece = self._piece(path, point.values[path])
            if piece is None:
                return self._built(point)
            parts += (piece, after)
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def _piece(self, path: str, value: Any) -> str | None:
        """Text of a value as the network would hold it, if it is known."""
        number = _like(self._forms.get((path, _kind(value))), value)
        return _dump(number) if number is not None else self._pieces.get((path, _content(value)))

    def _built(self, point: Point) -> str:
        """Hash of the built network, which teaches how its values are written."""
        network = point.apply(self._network)
        leaves: dict[str, Any] = {}
        if self._cut(_tree(network), leaves) != self._text:
            self._text = ""
        for path, leaf in leaves.items():
            value = point.values[path]
            known, piece = self._piece(path, value), _dump(leaf)
            if known not in (None, piece):
                self._text = ""
            self._forms.setdefault((path, _kind(value)), leaf)
            self._pieces[path, _content(value)] = piece
        return network.sha256

    def _cut(self, tree: Any, leaves: dict[str, Any]) -> str:
        """Text of a tree with marks for the varied fields, which are taken out; empty if one is not there."""
        for path, mark in self._marks.items():
            *front, last = path.split(".")
            node = tree
            for word in front:
                node = node.get(word) if isinstance(node, dict) else None
            if not isinstance(node, dict) or last not in node:
                return ""
            leaves[path], node[last] = node[last], mark
        return _dump(tree)


def _tree(network: Network) -> Any:
    """What the content hash of a network is taken of."""
    tree = {key: item for key, item in network.tree().items() if key not in ("sources", "description")}
    return json.loads(canonical_json(tree))


def _dump(tree: Any) -> str:
    return json.dumps(tree, sort_keys=True, separators=(",", ":"))


def _split(text: str, marks: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """What stands between the marks of a text, and the order of the marks."""
    if not text:
        return [], []
    found = sorted((text.index(json.dumps(mark)), path) for path, mark in marks.items())
    between, start = [], 0
    for place, path in found:
        between.append(text[start:place])
        start = place + len(json.dumps(marks[path]))
    return [*between, text[start:]], [path for _, path in found]


def _kind(value: Any) -> str:
    """What decides how a network writes a value."""
    if isinstance(value, Quantity) or (isinstance(value, str) and is_quantity_text(value)):
        return "quantity"
    return type(value).__name__


def _like(form: Any, value: Any) -> Any:
    """A number in the form in which a network held another of its kind; None if it is no number."""
    if isinstance(value, str) and is_quantity_text(value):
        number, unit = parse_quantity(value)
    elif isinstance(value, Quantity):
        number, unit = float(value), dimension(value.unit)
    elif type(value) is int and type(form) is int:
        return value
    elif type(value) in (int, float):
        number, unit = float(value), Dimension()
    else:
        return None
    if type(form) is float and unit == Dimension():
        return number + 0.0
    if isinstance(form, list) and len(form) == 2 and isinstance(form[1], str) and type(form[0]) is float:
        return [number + 0.0, form[1]] if unit == dimension(form[1]) else None
    return None


class CallKeys:
    """Content hashes of the calls of a function: where it stands, and the values it gets.

    Parameters
    ----------
    path : str
        ``"module:qualname"`` of the function; its code does not count.

    Examples
    --------
    >>> keys = CallKeys("study:train")
    >>> first, second = (Point(index=0, values={"tau": text}) for text in ("20 ms", "0.02 s"))
    >>> keys.content(first) == keys.content(second)
    True
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def content(self, point: Point) -> str:
        """Hash of a call.

        Parameters
        ----------
        point : Point
            Values that the function gets; the seed does not count.

        Returns
        -------
        str
        """
        values = {name: value for name, value in point.values.items() if name != SEED}
        return hashlib.sha256(_content({"call": self._path, "values": values}).encode()).hexdigest()


class PointKeys:
    """Keys of the points of a study, which a store can work out from the description it keeps.

    Parameters
    ----------
    content : NetworkKeys or CallKeys
        Hashes of what is run.
    seed : int or None
        Seed of the points that have none of their own; None where no seed is used.
    arithmetic : mapping
        Options that decide on the numbers.

    Examples
    --------
    >>> keys = PointKeys(CallKeys("study:train"), seed=1, arithmetic={})
    >>> len(keys.key(Point(index=0, values={"rate": 0.1})))
    64
    """

    def __init__(
        self, content: NetworkKeys | CallKeys, *, seed: int | None, arithmetic: Mapping[str, Any]
    ) -> None:
        self._content, self._seed, self._arithmetic = content, seed, dict(arithmetic)

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> PointKeys:
        """Read a description, as `Study.describe` gives it.

        Parameters
        ----------
        description : mapping
            What a store keeps.

        Returns
        -------
        PointKeys

        Raises
        ------
        KeyError, TypeError, SpecError
            If it is not one.
        """
        target, options = description["target"], description["options"]
        if target["kind"] != "network":
            seed = options["seed"] if target["seeded"] else None
            return cls(CallKeys(target["path"]), seed=seed, arithmetic={})
        network = Network.from_dict(target["spec"])
        if options["record"] is not None:
            network = network.replace(record=Record.from_tree(options["record"], where="Study"))
        names = [name for block in description["design"]["blocks"] for name in block["names"]]
        return cls(NetworkKeys(network, names), seed=options["seed"], arithmetic=arithmetic_of(options))

    def key(self, point: Point) -> str:
        """Key of a point.

        Parameters
        ----------
        point : Point
            One of the design.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        seed = None if self._seed is None else int(point.values.get(SEED, self._seed))
        return sha256_of({"content": self._content.content(point), "seed": seed, **self._arithmetic})


def arithmetic_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the options of a study that decide on the numbers of a network.

    Parameters
    ----------
    options : mapping
        All options.

    Returns
    -------
    dict

    Examples
    --------
    >>> arithmetic_of({"duration": 1.0, "engine": "numba", "order": "strict", "precision": "float64"})
    {'duration': 1.0, 'engine': 'numba', 'order': 'strict', 'precision': 'float64'}
    """
    return {name: options[name] for name in ("duration", "engine", "order", "precision")}
