"""Published models as data: find them, list them, load them.

A model is a folder with ``model.toml`` (every value with its source), ``README.md`` (the card),
``expected.toml`` (the figures it must show) and ``reproduce.py`` (how to measure them). Any other TOML file
of the folder is a variant, loaded as ``"name/variant"``. The folder ``studies`` holds parameter studies of
the model, loaded by `arcuate.study.load_study`. A network that is made by training has a table of
parameters, ``training.toml``, in the place of ``model.toml``. The folders lie in ``models/`` of a checkout
and in ``arcuate/_models`` of an installed wheel.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcuate.errors import FileFormatError, SpecError, unknown

if TYPE_CHECKING:
    from arcuate.spec import Network

_SPECIFICATION = "model.toml"
_TRAINING = "training.toml"
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


def list_trainings() -> tuple[str, ...]:
    """List the published trainings that `load_training` knows.

    Returns
    -------
    tuple of str
        Names in alphabetical order.

    Examples
    --------
    >>> "eprop_pattern" in list_trainings()
    True
    """
    return tuple(
        sorted(folder.name for folder in models_folder().iterdir() if (folder / _TRAINING).is_file())
    )


def list_studies() -> tuple[str, ...]:
    """List the published parameter studies that `arcuate.study.load_study` knows.

    Returns
    -------
    tuple of str
        Names in alphabetical order, as ``"model/study"``.

    Examples
    --------
    >>> "what_when_reservoir/gain_time_constant" in list_studies()
    True
    """
    return tuple(sorted(f"{path.parts[-3]}/{path.stem}" for path in models_folder().glob("*/studies/*.toml")))


def load_training(name: str) -> dict[str, Any]:
    """Load the table of a published training.

    Parameters
    ----------
    name : str
        A name from `list_trainings`, such as ``"eprop_pattern"``.

    Returns
    -------
    dict
        ``name``, ``description``, ``estimator`` (of `arcuate.compare`, `arcuate.connectome`,
        `arcuate.learning`, `arcuate.memory` or `arcuate.nn`), its ``parameters``, and tables that say what
        it is trained on. Values come without their sources.

    Raises
    ------
    SpecError
        If the name is not text.
    UnknownNameError
        If there is no such training; the message names the nearest.

    Examples
    --------
    >>> load_training("eprop_pattern")["parameters"]["n_neurons"]
    100
    """
    path = models_folder() / _check_name(name, list_trainings()) / _TRAINING
    return _values(tomllib.loads(path.read_text(encoding="utf-8")))


def model_sha256(name: str) -> str:
    """Return the hash of what a published model says.

    Parameters
    ----------
    name : str
        A name from `list_models` or `list_trainings`.

    Returns
    -------
    str
        Hash of the specification, or of the values of a training.

    Raises
    ------
    SpecError
        If the name is not text.
    UnknownNameError
        If there is no such model; the message names the nearest.

    Examples
    --------
    >>> len(model_sha256("eprop_pattern"))
    64
    """
    if _check_name(name, (*list_models(), *list_trainings())) in list_models():
        return load_model(name).sha256
    return hashlib.sha256(json.dumps(load_training(name), sort_keys=True).encode()).hexdigest()


def _values(node: Any) -> Any:
    """Take the sources off a table."""
    if isinstance(node, dict):
        return node["value"] if "value" in node else {key: _values(child) for key, child in node.items()}
    return node


def model_folder(name: str) -> Path:
    """Return the folder of a published model.

    Parameters
    ----------
    name : str
        A name from `list_models` or `list_trainings`; of ``"name/variant"`` the folder of ``name``.

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
    known = _check_name(name, (*list_models(), *list_trainings()))
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

    _check_name(name, list_models())
    folder, variant = model_folder(name), name.partition("/")[2]
    return Network.from_toml(folder / (f"{variant}.toml" if variant else _SPECIFICATION))


def _check_name(name: str, known: tuple[str, ...]) -> str:
    """Return the name if it is one of the published models; never a path of the caller's making."""
    if not isinstance(name, str):
        raise SpecError.of(
            where="load_model",
            name="name",
            value=name,
            bound="must be the name of a model as text",
            fix="use one of list_models()",
        )
    if name not in known:
        raise unknown("load_model", name, known, kind="model")
    return name
