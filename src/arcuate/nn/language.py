"""Language models with their tokenizers, from a user's own files; nothing is fetched."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from arcuate import datasets
from arcuate._inputs import check_bytes
from arcuate._optional import require
from arcuate.errors import ArcuateWarning, CapabilityError, FileFormatError, SpecError
from arcuate.nn import _gguf_llama
from arcuate.nn._gguf import GGUF

__all__ = ["LanguageModel", "load_language_model"]

_WHERE = "load_language_model"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_INDEX = "model.safetensors.index.json"
_BATCH = 32  # texts at a time
_SPARE = 1 << 28  # values that a model may hold besides its weights, such as masks


@dataclass(frozen=True)
class LanguageModel:
    """A torch module and the tokenizer that it was trained with.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        In evaluation mode, float32.
    tokenizer : tokenizers.Tokenizer
        Of the same vocabulary.

    Examples
    --------
    >>> language = shipped("smollm2")  # doctest: +SKIP
    >>> tokens = language.tokens(["The capital of France is"])  # doctest: +SKIP
    >>> best = language.model(**tokens).logits[0, -1].argmax()  # doctest: +SKIP
    >>> language.tokenizer.decode([int(best)])  # doctest: +SKIP
    ' Paris'
    """

    model: Any
    tokenizer: Any

    @property
    def causal(self) -> bool:
        """Whether each token sees only those before it, so that the model goes on with a text."""
        return bool(self.model.can_generate())

    def tokens(self, texts: str | Sequence[str]) -> dict[str, torch.Tensor]:
        """Return what the model takes for texts, of one length by pads.

        Parameters
        ----------
        texts : str or sequence of str
            One row each.

        Returns
        -------
        dict of str to torch.Tensor, (text, token)
            "input_ids" and "attention_mask", which is 0 at pads: on the left for a causal model, so that the
            last token of every row is real, else on the right. Where a causal model counts positions and the
            texts are of different lengths also "position_ids", from 0 at the first real token.

        Raises
        ------
        SpecError
            If there is no text, one has no tokens, or more than the context of the model holds.
        """
        rows = [encoding.ids for encoding in self._encoded(texts, where="tokens")]
        longest = max(map(len, rows))
        shifts = [longest - len(row) if self.causal else 0 for row in rows]
        config = self.model.config
        known = range(getattr(config, "vocab_size", 1))
        named = (config.pad_token_id, config.eos_token_id)
        pads = [one for one in named if type(one) is int and one in known]
        ids = torch.full((len(rows), longest), pads[0] if pads else 0)
        mask = torch.zeros_like(ids)
        for i, (row, shift) in enumerate(zip(rows, shifts, strict=True)):
            ids[i, shift : shift + len(row)] = torch.tensor(row)
            mask[i, shift : shift + len(row)] = 1
        made = {"input_ids": ids, "attention_mask": mask}
        if any(shifts) and "position_ids" in _arguments(self.model):
            made["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
        return {name: value.to(self.model.device) for name, value in made.items()}

    def words(self, texts: str | Sequence[str]) -> tuple[list[list[str]], np.ndarray]:
        """Return the words of texts, and the word to which each token belongs.

        Tokens are parts of words, or hold a space and the word after it. What was measured word by word, as
        reading times or a recording of a listening brain, is joined to states of tokens by this map.

        Parameters
        ----------
        texts : str or sequence of str

        Returns
        -------
        words : list of list of str
            Of each text, by the spaces.
        index : numpy.ndarray of int, (text, token)
            Number of the word in which a token ends; -1 for pads, marks of the model, and spaces alone. The
            tokens are those of `tokens`.

        Raises
        ------
        SpecError
            As `tokens`.
        """
        given = [texts] if isinstance(texts, str) else list(texts)
        encoded = self._encoded(given, where="words")
        index = np.full((len(given), max(len(one.ids) for one in encoded)), -1)
        for row, text, encoding in zip(index, given, encoded, strict=True):
            word_of = np.full(len(text), -1)
            at = 0
            for number, word in enumerate(text.split()):
                at = text.index(word, at)
                word_of[at : at + len(word)] = number
                at += len(word)
            own = [word_of[end - 1] if end > start else -1 for start, end in encoding.offsets]
            row[len(row) - len(own) if self.causal else 0 :][: len(own)] = own
        return [text.split() for text in given], index

    def sentence_embeddings(self, texts: str | Sequence[str]) -> xr.DataArray:
        """Return one vector per text: the mean of its last states over its tokens.

        Parameters
        ----------
        texts : str or sequence of str

        Returns
        -------
        xarray.DataArray, (stimulus, unit)
            Not scaled to unit length; ``stimulus`` holds the texts.

        Raises
        ------
        SpecError
            As `tokens`.
        """
        given = [texts] if isinstance(texts, str) else list(texts)
        vectors = []
        with torch.no_grad():
            for first in range(0, max(len(given), 1), _BATCH):
                tokens = self.tokens(given[first : first + _BATCH])
                states = self.model.base_model(**tokens).last_hidden_state
                real = tokens["attention_mask"][:, :, None]
                vectors.append(((states * real).sum(1) / real.sum(1)).cpu())
        return xr.DataArray(torch.cat(vectors).numpy(), dims=("stimulus", "unit"), coords={"stimulus": given})

    def _encoded(self, texts: str | Sequence[str], *, where: str) -> list[Any]:
        """Return the encodings of texts, checked."""
        given = [texts] if isinstance(texts, str) else texts
        if not isinstance(given, Sequence) or not given or not all(isinstance(one, str) for one in given):
            raise SpecError.of(where=where, name="texts", value=texts, bound="must be one or more texts")
        encoded = self.tokenizer.encode_batch(list(given))
        most = getattr(self.model.config, "max_position_embeddings", None)
        for text, encoding in zip(given, encoded, strict=True):
            if not encoding.ids:
                raise SpecError.of(where=where, name="texts", value=text, bound="has no tokens")
            if isinstance(most, int) and len(encoding.ids) > most:
                bound = f"has {len(encoding.ids)} tokens, more than the {most} of the model's context"
                raise SpecError.of(
                    where=where, name="texts", value=text, bound=bound, fix="give shorter pieces"
                )
        return encoded


def load_language_model(path: str | os.PathLike[str]) -> LanguageModel:
    """Load a language model from your own files. Nothing is fetched, unpickled or run.

    Parameters
    ----------
    path : path
        A Hugging Face folder (``config.json``, ``tokenizer.json`` and ``model.safetensors``, which may be in
        several parts), a ``.safetensors`` file with the two others beside it, or a ``.gguf`` file of Llama
        architecture (F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K), whose tokenizer is
        within; where that is of a kind that is not read, a ``tokenizer.json`` beside it is taken.

    Returns
    -------
    LanguageModel
        On the CPU, in float32, in evaluation mode. The class is the one that the configuration names, from
        `transformers`.

    Raises
    ------
    FileFormatError
        If a file is missing, cut short, a pickle, or the weights are not those of the configuration.
    CapabilityError
        If the architecture, the tokenizer or the type of a tensor is one that is not read.
    MissingExtraError
        Without the extra ``lm``.
    MemoryLimitError
        If the weights in float32 would not fit into memory.

    Examples
    --------
    >>> language = load_language_model("my-models/SmolLM2-360M")  # doctest: +SKIP
    >>> load_language_model("nowhere")
    Traceback (most recent call last):
    arcuate.errors.FileFormatError: load_language_model: path = 'nowhere': does not exist.
    """
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise _refuse(path, "must be the path of a folder or a file")
    place = Path(path).expanduser()
    if not place.exists():
        raise _refuse(place, "does not exist")
    if place.is_dir():
        return _from_folder(place, _parts(place))
    if place.suffix == ".safetensors":
        return _from_folder(place.parent, [place])
    if place.suffix == ".gguf":
        return _from_gguf(place)
    if place.suffix in _PICKLES:
        raise _pickled(place)
    raise _refuse(place, "must be a folder, a .safetensors or a .gguf file")


def _refuse(path: object, bound: str, fix: str = "") -> FileFormatError:
    return FileFormatError.of(where=_WHERE, name="path", value=str(path), bound=bound, fix=fix)


def _pickled(path: Path) -> FileFormatError:
    fix = "write it as safetensors where you trust it: model.save_pretrained(folder)"
    return _refuse(path, "is a pickle, which can run any code", fix)


def _arguments(model: Any) -> Mapping[str, Any]:
    from inspect import signature

    return signature(model.forward).parameters


def _parts(folder: Path) -> list[Path]:
    """Return the files of the weights in a folder."""
    if (folder / _INDEX).is_file():
        index = datasets.read(folder / _INDEX)
        named = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(named, dict) or not named:
            raise _refuse(folder / _INDEX, "must hold a weight_map")
        names = sorted({str(name) for name in named.values()})
        for name in names:
            if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
                raise _refuse(
                    folder / _INDEX, f"names {name[:80]!r}, which is no .safetensors file of the folder"
                )
        return [folder / name for name in names]
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    pickles = [one for one in sorted(folder.iterdir()) if one.suffix in _PICKLES]
    if pickles:
        raise _pickled(pickles[0])
    raise _refuse(folder, "holds neither model.safetensors nor its index")


def _from_folder(folder: Path, parts: Sequence[Path]) -> LanguageModel:
    """Build what config.json describes, with the weights of the parts."""
    require("transformers", extra="lm", purpose="a language model")
    told = datasets.read(folder / "config.json")
    if not isinstance(told, dict):
        raise _refuse(folder / "config.json", "must hold an object")
    tokenizer = _tokenizer(folder / "tokenizer.json")
    weights: dict[str, torch.Tensor] = {}
    for part in parts:
        weights |= _tensors(part)
    return _together(_built(told, weights, path=folder), tokenizer, path=folder)


def _from_gguf(path: Path) -> LanguageModel:
    require("transformers", extra="lm", purpose="a language model")
    file = GGUF(path, where=_WHERE)
    told = _gguf_llama.configuration(file)
    try:
        tokenizer = _gguf_llama.tokenizer(file)
    except CapabilityError:
        if not (path.parent / "tokenizer.json").is_file():
            raise
        tokenizer = _tokenizer(path.parent / "tokenizer.json")
    need = sum(4 * int(np.prod(place.shape, dtype=object)) for place in file.places.values())
    check_bytes(need, where=_WHERE, fix="take a smaller model")
    return _together(_built(told, _gguf_llama.state(file, told), path=path), tokenizer, path=path)


def _tokenizer(file: Path) -> Any:
    """Read a tokenizer.json; pads and cuts that it asks for are left out."""
    require("tokenizers", extra="lm", purpose="a language model")
    from tokenizers import Tokenizer

    if not file.is_file():
        fix = "a fast tokenizer of transformers writes it: tokenizer.save_pretrained(folder)"
        raise _refuse(file, "does not exist", fix)
    try:
        made = Tokenizer.from_file(str(file))
    except Exception as error:  # the class that tokenizers raises
        raise _refuse(file, f"is no tokenizer ({error})") from error
    made.no_padding()
    made.no_truncation()
    return made


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file; numbers become float32."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with datasets.open_checked(file, where=_WHERE, limit=1 << 60) as stream:
        if stream.read(2) in (b"PK", b"\x80\x02"):
            raise _pickled(file)
    check_bytes(file.stat().st_size, where=_WHERE, fix="take a smaller model")
    try:
        read = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise _refuse(file, f"is no whole safetensors file ({error})") from error
    return {name: value.float() if value.is_floating_point() else value for name, value in read.items()}


def _built(told: Mapping[str, Any], weights: dict[str, torch.Tensor], *, path: Path) -> Any:
    """Build the model of a configuration around its weights."""
    import transformers

    if told.get("quantization_config"):
        raise CapabilityError.of(
            where=_WHERE,
            name="path",
            value=str(path),
            bound="holds quantized weights",
            fix="take the full ones",
        )
    named = told.get("architectures")
    name = str(named[0]) if isinstance(named, list) and named else ""
    kind: Any = getattr(transformers, name, None)
    is_model = isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)
    if not is_model:
        bound = f"is of an architecture that transformers {transformers.__version__} does not have: {name!r}"
        raise CapabilityError.of(where=_WHERE, name="path", value=str(path), bound=bound)
    unsound = [
        key for key, value in weights.items() if not value.sum().isfinite() and not value.isfinite().all()
    ]
    if unsound:
        raise _refuse(path, f"holds weights that are not finite: {unsound[0]}")
    own = {key: value for key, value in told.items() if not key.startswith("_") and key not in _LEFT_OUT}
    try:
        config = kind.config_class.from_dict(own)
        _check_size(kind, config, weights, path=path)
        with _no_bar():
            model, info = kind.from_pretrained(
                None, config=config, state_dict=weights, dtype=torch.float32, output_loading_info=True
            )
    except (FileFormatError, MemoryError):
        raise
    except Exception as error:  # whatever the class raises at a configuration not its own
        raise _refuse(path, f"tells of a model that its weights do not make ({error})") from error
    lost = sorted(map(str, (*info["missing_keys"], *info["mismatched_keys"])))
    if lost:
        raise _refuse(path, f"lacks weights of {name}, or holds them of another shape: {', '.join(lost[:3])}")
    if info["unexpected_keys"]:
        left = ", ".join(sorted(info["unexpected_keys"])[:3])
        warnings.warn(f"{_WHERE}: weights that {name} does not have are left out: {left}", ArcuateWarning, 2)
    return model.eval()


_LEFT_OUT = ("architectures", "auto_map", "attn_implementation", "dtype", "torch_dtype")


def _check_size(kind: Any, config: Any, weights: Mapping[str, torch.Tensor], *, path: Path) -> None:
    """Refuse a configuration of more than the files hold, before a model of its size is made."""
    layers = getattr(config, "num_hidden_layers", None)
    if isinstance(layers, int) and layers > len(weights):
        raise _refuse(path, f"tells of {layers} layers, but holds {len(weights)} tensors")
    with torch.device("meta"):
        empty = kind(config)
    needed = sum(value.numel() for value in empty.parameters())
    spare = sum(value.numel() for value in empty.buffers())
    held = sum(value.numel() for value in weights.values())
    if needed > held or spare > held + _SPARE:
        raise _refuse(path, f"tells of {needed + spare} numbers, but holds {held}")


@contextmanager
def _no_bar() -> Iterator[None]:
    """Keep transformers from drawing a bar for what takes less than a second."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _together(model: Any, tokenizer: Any, *, path: Path) -> LanguageModel:
    most = tokenizer.get_vocab_size()
    known = getattr(model.config, "vocab_size", None)
    if isinstance(known, int) and most > known:
        raise _refuse(path, f"has a tokenizer of {most} tokens, more than the {known} of its model")
    return LanguageModel(model, tokenizer)
