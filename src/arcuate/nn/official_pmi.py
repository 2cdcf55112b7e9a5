"""Models with the weights of the official PMI code (https://github.com/zengxyyu/PMI-TR, commit a094ee3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from arcuate.errors import SpecError, check_choice, check_int
from arcuate.memory import PMIConfig
from arcuate.nn.ctm import load_weights, read_weights
from arcuate.nn.pmi_models import CNNPMI, PMITransformer

__all__ = ["OFFICIAL_PMI_ARGUMENTS", "load_official_cnn_pmi", "load_official_pmi"]

_MEMORY = {
    "mem_slots": "config.n_slots",
    "long_mem_segs": "config.n_segments",
    "key_size": "config.d_key",
    "alpha": "config.alpha",
    "mlp_layers": "config.mlp_layers",
    "mlp_shared": "config.mlp_shared",
}

OFFICIAL_PMI_ARGUMENTS: dict[str, str] = {
    "embed_dim": "config.d_model",
    "num_heads": "config.n_heads",
    **_MEMORY,
    "patch_size": "patch",
    "num_layers": "n_layers",
    "share_vanilla_parameters": "shared",
    "ffn_dim": "d_hidden",
}
"""Arguments of the official code, and what they are called here. Four more choose the configuration:
``use_topk`` and ``topk`` (``top_k``), ``long_mem_aggre`` (``integration``: correction or direct), and
``use_wm_inference`` (false: ``alpha`` is 0)."""

_CHOICES = ("use_topk", "topk", "long_mem_aggre", "use_wm_inference")
_IGNORED = ("image_size", "lr", "num_tokens")  # of the data and the optimizer
_FIXED = {
    "shared_memory_attention": True,
    "use_long_men": True,
    "null_attention": False,
    "functional": False,
}
_COPIES = tuple(f"attention_mlp.{layer}." for layer in range(1, 16))


def load_official_pmi(weights: Any, configuration: Mapping[str, Any]) -> PMITransformer:
    """Build the official PMI-TR for images with questions, and give it the official weights.

    Weights have the same names here as there: ``cls_token``, ``patch_to_embedding.*``,
    ``question_to_embedding.*``, ``net.enc.*`` or ``net.layers.N.*``, ``net.pe.*`` and ``mlp_head.*``.
    Arguments are renamed as `OFFICIAL_PMI_ARGUMENTS` says. The copies ``attention_mlp.1`` and on, the same
    tensor as ``attention_mlp.0`` there, and what the official code keeps but never reads
    (``net.pe_state.*``, ``*.mem_att.*``, ``*_projector.pe.*``) are left out. Positions are learned here;
    there they have no gradient.

    Parameters
    ----------
    weights : mapping or path
        A state dict (tensors or arrays), or a safetensors file of one.
    configuration : mapping
        Arguments of the official code; those that are missing have its values.

    Returns
    -------
    PMITransformer

    Raises
    ------
    SpecError
        If an argument is not known or not built here, or weights are of another configuration: the first that
        does not fit is named.
    FileFormatError
        If the file is not a safetensors file.

    Examples
    --------
    >>> config = PMIConfig.official("sort_of_clevr", d_model=16)
    >>> model = PMITransformer(config, n_outputs=10, n_features=3, patch=5, n_question=18, n_layers=2)
    >>> told = {"embed_dim": 16, "num_heads": 4, "patch_size": 5, "num_layers": 2}
    >>> again = load_official_pmi(model.state_dict(), told)
    >>> x = torch.ones(1, 3, 10, 10), torch.ones(1, 18)
    >>> torch.equal(again.eval()(x), model.eval()(x))
    True
    """
    where, names = "load_official_pmi", OFFICIAL_PMI_ARGUMENTS
    given = read_weights(weights)
    memory, rest = _renamed(configuration, names, where=where, ignored=_IGNORED)
    config = PMIConfig.official("sort_of_clevr", **memory)
    arguments = {"patch": 15, **rest}
    kept = {name: value for name, value in given.items() if not _is_unread(name, config)}
    head, embedding = (_require(kept, f"{name}.weight") for name in ("mlp_head", "patch_to_embedding"))
    asked = "question_to_embedding.weight"
    check_int(arguments["patch"], where=where, name="patch_size")
    model = PMITransformer(
        config, n_outputs=len(head), n_features=max(1, embedding.shape[1] // arguments["patch"] ** 2),
        n_question=_require(kept, asked).shape[1] if asked in kept else None, **arguments,
    )  # fmt: skip
    _fill(model, kept, like="mlp_head.weight")
    return model


def load_official_cnn_pmi(weights: Any, configuration: Mapping[str, Any]) -> CNNPMI:
    """Build the official network of convolutions before a PMI memory, and give it the official weights.

    Weights have the same names here as there: ``conv.*``, ``patch_to_embedding.*``, ``relational_memory.*``,
    ``f_fc1.*`` and ``fcout.*``. Left out are the copies and what is never read, as `load_official_pmi` says,
    and ``mlp_head.*``, which that network does not read. ``h_dim`` is its name of the width; it has eight
    heads whatever ``num_heads`` says, and ``alpha`` is 0.55. Answers are scores here, there logarithms of
    probabilities.

    Parameters
    ----------
    weights : mapping or path
        A state dict (tensors or arrays), or a safetensors file of one.
    configuration : mapping
        Arguments of the official code; those that are missing have its values.

    Returns
    -------
    CNNPMI

    Raises
    ------
    SpecError
        If an argument is not known or not built here, or weights are of another configuration: the first that
        does not fit is named.
    FileFormatError
        If the file is not a safetensors file.

    Examples
    --------
    >>> model = CNNPMI(PMIConfig.official("cifar10", d_model=16, n_heads=8), n_outputs=10)
    >>> again = load_official_cnn_pmi(model.state_dict(), {"h_dim": 16, "use_topk": True, "topk": 5})
    >>> x = torch.ones(1, 3, 32, 32)
    >>> torch.equal(again.eval()(x), model.eval()(x))
    True
    """
    given = read_weights(weights)
    memory, _ = _renamed(
        configuration, {"h_dim": "config.d_model", **_MEMORY}, where="load_official_cnn_pmi",
        ignored=(*_IGNORED, "num_heads"),
    )  # fmt: skip
    config = PMIConfig.official("cifar10", **{"n_heads": 8, **memory})
    kept = {
        name: value
        for name, value in given.items()
        if not name.startswith("mlp_head.") and not _is_unread(name, config)
    }
    first, last = _require(kept, "conv.conv1.weight", axes=4), _require(kept, "fcout.fc3.weight")
    model = CNNPMI(config, n_outputs=len(last), n_channels=first.shape[1])
    _fill(model, kept, like="fcout.fc3.weight")
    return model


def _renamed(
    configuration: Mapping[str, Any], names: Mapping[str, str], *, where: str, ignored: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of a memory's configuration, and other arguments, from the official ones."""
    options = dict(configuration)
    known = (*names, *_CHOICES, *ignored, *_FIXED)
    for name, value in options.items():
        check_choice(name, known, where=where, name="argument")
        if name in _FIXED and value != _FIXED[name]:
            fix = "use PMITransformer.baseline for what the paper compares with"
            raise SpecError.of(where=where, name=name, value=value, bound=f"must be {_FIXED[name]}", fix=fix)
    memory: dict[str, Any] = {"top_k": options.get("topk", 5) if options.get("use_topk", True) else None}
    memory["integration"] = "correction" if options.get("long_mem_aggre", True) else "direct"
    rest: dict[str, Any] = {}
    for name, ours in names.items():
        if name in options:
            place = memory if ours.startswith("config.") else rest
            place[ours.removeprefix("config.")] = options[name]
    if not options.get("use_wm_inference", True):
        memory["alpha"] = 0.0
    return memory, rest


def _require(given: Mapping[str, torch.Tensor], name: str, axes: int = 2) -> torch.Tensor:
    """A weight whose shape says how large the model is."""
    if name not in given:
        raise SpecError.of(where="PMI weights", name=name, bound="is missing")
    if given[name].ndim != axes:
        bound = f"must have {axes} axes, not {given[name].ndim}"
        raise SpecError.of(where="PMI weights", name=name, bound=bound)
    return given[name]


def _is_unread(name: str, config: PMIConfig) -> bool:
    """Whether the official code keeps a weight that it does not read, or a second name for another."""
    copies = config.mlp_shared and any(part in name for part in _COPIES)
    return copies or name.startswith("net.pe_state.") or ".mem_att." in name or "_projector.pe." in name


def _fill(model: nn.Module, kept: dict[str, torch.Tensor], *, like: str) -> None:
    """Give a model weights, in the precision of one of them."""
    own = model.state_dict()
    for name, value in kept.items():  # biases of the gates are one number there, and no axis here
        if name in own and value.numel() == 1:
            kept[name] = value.reshape(own[name].shape)
    model.to(kept[like].dtype)
    load_weights(model, kept, where="PMI weights")
