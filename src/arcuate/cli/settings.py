"""Reading of what is typed: a model by name or file, ``--set`` values, output paths."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcuate.errors import FileFormatError, SpecError

if TYPE_CHECKING:
    from arcuate.spec import Network

_LONGEST = 2000
_LONGEST_SEED = 60
_LONGEST_WHOLE = 9


def find_network(text: str, settings: Sequence[str] = ()) -> Network:
    """Load a published model, or a TOML file, and change fields of it.

    Parameters
    ----------
    text : str
        A name from `arcuate.models.list_models`, or the path of a file that ends in ``.toml``.
    settings : sequence of str, optional
        Changes as typed, such as ``"populations.exc.n=100"``.

    Returns
    -------
    Network
        The specification with all changes made at once.

    Raises
    ------
    UnknownNameError
        If there is no such model or field; the message names the nearest.
    SpecError
        If a value is of the wrong type or out of bounds.

    Examples
    --------
    >>> find_network("what_when_reservoir").name
    'what_when_reservoir'
    """
    from arcuate.models import load_model
    from arcuate.spec import Network

    network = Network.from_toml(Path(text)) if text.endswith(".toml") else load_model(text)
    changes = parse_settings(settings)
    return network.replace(**changes) if changes else network


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Read ``a.b=value`` texts.

    Parameters
    ----------
    settings : sequence of str
        The part before the first ``=`` is a dotted path; the value is read as TOML, and as plain text if it
        is not TOML, so that ``dt=0.1 ms`` needs no quotes.

    Returns
    -------
    dict of str to value
        Value by path.

    Raises
    ------
    SpecError
        If there is no ``=``, no path, no value, or a path comes twice.

    Examples
    --------
    >>> parse_settings(["populations.exc.n=100", "dt=0.1 ms"])
    {'populations.exc.n': 100, 'dt': '0.1 ms'}
    """
    changes: dict[str, Any] = {}
    for text in settings:
        path, equals, value = (piece.strip() for piece in text.partition("="))
        if not (path and equals and value) or len(text) > _LONGEST:
            raise SpecError.of(
                where="--set",
                name="set",
                value=text,
                bound="must be a.b=value",
                fix="write --set populations.exc.n=100",
            )
        if path in changes:
            raise SpecError.of(where="--set", name=path, value=value, bound="must be set once")
        changes[path] = _value(path, value)
    return changes


def parse_seed(text: str) -> int:
    """Read a seed.

    Parameters
    ----------
    text : str
        A whole number, 0 or more.

    Returns
    -------
    int
        The seed.

    Raises
    ------
    SpecError
        If the text is something else.

    Examples
    --------
    >>> parse_seed("7")
    7
    """
    from arcuate.rng import check_seed

    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_SEED:
        raise SpecError.of(where="--seed", name="seed", value=text, bound="must be a whole number, 0 or more")
    return check_seed(int(text))


def parse_whole(text: str, name: str, *, low: int = 0) -> int:
    """Read a whole number.

    Parameters
    ----------
    text : str
        As typed.
    name : str
        Of the option, without its dashes.
    low : int, optional
        Least that is taken.

    Returns
    -------
    int

    Raises
    ------
    SpecError
        If the text is something else.

    Examples
    --------
    >>> parse_whole("4", "n-jobs", low=1)
    4
    """
    whole = text.isascii() and text.isdigit() and len(text) <= _LONGEST_WHOLE
    if not whole or int(text) < low:
        raise SpecError.of(
            where=f"--{name}", name=name, value=text, bound=f"must be a whole number, {low} or more"
        )
    return int(text)


def parse_pythons(texts: Sequence[str]) -> dict[str, str]:
    """Read ``peer=path`` texts.

    Parameters
    ----------
    texts : sequence of str
        A peer of the benchmarks and the interpreter that has it.

    Returns
    -------
    dict of str to str
        Interpreter by peer; a ``~`` stands for the home folder.

    Raises
    ------
    SpecError
        If there is no ``=``, no peer, no path, or a peer comes twice.

    Examples
    --------
    >>> parse_pythons(["nest=/opt/nest/bin/python"])
    {'nest': '/opt/nest/bin/python'}
    """
    found: dict[str, str] = {}
    for text in texts:
        peer, equals, path = (piece.strip() for piece in text.partition("="))
        if not (peer and equals and path) or peer in found:
            raise SpecError.of(
                where="--python",
                name="python",
                value=text,
                bound="must be peer=path, each peer once",
                fix="write --python nest=/path/bin/python",
            )
        found[peer] = str(Path(path).expanduser())
    return found


def _value(path: str, text: str) -> Any:
    """Return the value as TOML reads it, else the text itself."""
    try:
        value = tomllib.loads(f"value = {text}\n")["value"] if "\n" not in text else text
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    if not isinstance(value, bool | int | float | str | list | dict):
        raise SpecError.of(
            where="--set", name=path, value=text, bound="must be a number, text, true, false or a list"
        )
    return value


def check_output_file(path: Path | None, *, force: bool) -> None:
    """Refuse an output file that exists or cannot be, before anything is run.

    Parameters
    ----------
    path : pathlib.Path or None
        Where a Recording is to go; None for nowhere.
    force : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    FileFormatError
        If it exists and `force` is false, if it is a folder, or a file stands where its folder should.

    Examples
    --------
    >>> check_output_file(None, force=False)
    """
    if path is None:
        return
    if path.is_dir():
        raise FileFormatError.of(
            where="output", name="out", value=str(path), bound="must be a file, not a folder"
        )
    if path.exists() and not force:
        raise FileFormatError.of(
            where="output",
            name="out",
            value=str(path),
            bound="must not exist yet",
            fix="name another file, or add --force to replace it",
        )
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
    if not nearest.is_dir():
        raise FileFormatError.of(
            where="output",
            name="out",
            value=str(path),
            bound=f"cannot be made, because {nearest.name} is a file",
        )
