"""Published models as data: find them, list them, load them.

A model is a folder with ``model.toml`` (every value with its source), ``README.md`` (the card),
``expected.toml`` (the figures it must show) and ``reproduce.py`` (how to measure them). Any other TOML file
of the folder is a variant, loaded as ``"name/variant"``. The folders lie in ``models/`` of a checkout and in
``arcuate/_models`` of an installed wheel.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from arcuate.errors import FileFormatError, SpecError, unknown

if TYPE_CHECKING:
    from arcuate.spec import Network

_SPECIFICATION = "model.toml"
_NOT_A_VARIANT = frozenset({_SPECIFICATION, "expected.toml"})


def models_folder() -> Path:
    """Return the folder that holds the published models.

    Returns
    -------
    pathlib.Path
        ``arcuate/_models`` of an installed wheel, otherwise ``models`` of the checkout.

    Raises
    ------
    FileFormatError
        If neither is there, which means a broken installation.

    Examples
    --------
    >>> models_folder().is_dir()
    True
    """
    package = Path(__file__).resolve().parent
    installed = package / "_models"
    if installed.is_dir():
        return installed
    checkout = package.parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / "models").is_dir():
        return checkout / "models"
    raise FileFormatError.of(
        where="models_folder",
        name="models",
        value="missing",
        bound="must be installed with the package",
        fix='reinstall it: pip install --force-reinstall "arcuate"',
    )


def list_models() -> tuple[str, ...]:
    """List the published models that `load_model` knows, variants after their model.

    Returns
    -------
    tuple of str
        Names in alphabetical order, a variant as ``"name/variant"``.

    Examples
    --------
    >>> "what_when_reservoir" in list_models()
    True
    """
    names: list[str] = []
    for folder in sorted(models_folder().iterdir()):
        if not (folder / _SPECIFICATION).is_file():
            continue
        names.append(folder.name)
        variants = sorted(path.stem for path in folder.glob("*.toml") if path.name not in _NOT_A_VARIANT)
        names.extend(f"{folder.name}/{variant}" for variant in variants)
    return tuple(names)


def model_folder(name: str) -> Path:
    """Return the folder of a published model.

    Parameters
    ----------
    name : str
        A name from `list_models`; of ``"name/variant"`` the folder of ``name``.

    Returns
    -------
    pathlib.Path
        The folder with the model's files.

    Raises
    ------
    SpecError
        If the name is not text.
    UnknownNameError
        If there is no such model; the message names the nearest.

    Examples
    --------
    >>> model_folder("what_when_reservoir").name
    'what_when_reservoir'
    """
    known = _check_name(name)
    return models_folder() / known.partition("/")[0]


def load_model(name: str) -> Network:
    """Load a published model.

    Parameters
    ----------
    name : str
        A name from `list_models`, such as ``"what_when_reservoir"``.

    Returns
    -------
    Network
        The specification, with the source of every value in ``sources``.

    Raises
    ------
    SpecError
        If the name is not text.
    UnknownNameError
        If there is no such model; the message names the nearest.

    Examples
    --------
    >>> load_model("what_when_reservoir").name
    'what_when_reservoir'
    """
    from arcuate.spec import Network

    folder = model_folder(name)
    variant = name.partition("/")[2]
    return Network.from_toml(folder / (f"{variant}.toml" if variant else _SPECIFICATION))


def _check_name(name: str) -> str:
    """Return the name if it is one of the published models; never a path of the caller's making."""
    if not isinstance(name, str):
        raise SpecError.of(
            where="load_model",
            name="name",
            value=name,
            bound="must be the name of a model as text",
            fix="use one of list_models()",
        )
    known = list_models()
    if name not in known:
        raise unknown("load_model", name, known, kind="model")
    return name
