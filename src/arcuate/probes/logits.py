"""Which parts of a model speak for an answer: its logit as a sum over everything that writes into the stream.

The last residual stream is a sum: embedding, every head, every feed-forward part. The final norm, with its
scale held at the value that it has, is affine, and so is the read-out. So the logit is a sum over the parts
too (direct logit attribution; Elhage and others 2021).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from arcuate._inputs import check_bytes
from arcuate._progress import ProgressOption, check_progress
from arcuate.ctm._recording import trial_labels
from arcuate.errors import CapabilityError, SpecError, check_int
from arcuate.probes._adapters import Site
from arcuate.probes._given import Given, given
from arcuate.probes._hooks import Flat
from arcuate.probes._readout import Readout, readout_of, tolerance
from arcuate.probes._run import passes
from arcuate.probes.sites import check_module

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["logit_attribution"]

WHERE = "logit_attribution"


def logit_attribution(
    model: Any,
    inputs: Any,
    *,
    target: ArrayLike,
    against: ArrayLike | None = None,
    mask: Any = None,
    batch_size: int = 8,
    stimulus: Any = None,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Split a logit, or the difference of two, into what each part of a model adds to it.

    A part that adds x to the residual stream adds ((x - mean x) * g / s) . w to the logit, with the gain g
    and the scale s of the final norm at this token, and the row w of the read-out; without the mean for a
    root-mean-square norm, and with g / s = 1 for none.

    Parameters
    ----------
    model : torch.nn.Module
        A `arcuate.nn.TinyTransformer` with a linear read-out, or one in the layout of GPT-2 or Llama with its
        head.
    inputs : array, tensor, tuple or mapping
        As `arcuate.probes.capture` takes them.
    target : array_like of int, (), (trial,) or (trial, token)
        Word or class whose logit it is.
    against : array_like of int, optional
        As `target`: its logit is subtracted.
    mask : array_like of bool, (trial, token), optional
        As in `arcuate.probes.capture`: results at pads are NaN.
    batch_size : int
    stimulus : sequence, optional
        Labels of the trials.
    progress : bool, callable or None

    Returns
    -------
    Dataset, (trial, token, component)
        ``contribution``, and their sum ``logit`` (trial, token). Components are "embed.tokens",
        "embed.positions", "blocks.i.head.j", "blocks.i.attn.bias", "blocks.i.mlp.out", "final_norm.bias",
        "logits.bias", as far as the model has them, with the coordinates ``layer`` and ``head`` (-1 for
        none) and ``kind``. ``error`` (trial, token) is the sum less the logit of the model.

    Raises
    ------
    SpecError
        If a target is outside the vocabulary, or an argument does not fit.
    CapabilityError
        If the norms come behind the parts, as in BERT, the read-out is not linear, or there are other parts:
        the sum is not the logit.
    MemoryLimitError, NonFiniteError
        As `arcuate.probes.capture`.

    References
    ----------
    N. Elhage et al., "A mathematical framework for transformer circuits", Transformer Circuits (2021).

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import logit_attribution
    >>> model = TinyTransformer(n_outputs=11, n_tokens=11, d_model=16, n_layers=2, n_heads=2, seed=1)
    >>> found = logit_attribution(model, np.arange(10).reshape(2, 5), target=[3, 4])
    >>> dict(found.contribution.sizes), bool(abs(found.error).max() < 1e-4)
    ({'trial': 2, 'token': 5, 'component': 12}, True)
    """
    size = check_int(batch_size, where=WHERE, name="batch_size")
    check_progress(progress, where=WHERE, unit="trials")
    check_module(model, where=WHERE)
    readout = readout_of(model, where=WHERE)
    if readout.norm is None:
        bound = "has norms behind its parts, so that what a part adds is scaled by each norm that follows"
        raise CapabilityError.of(where=WHERE, name="model", bound=bound, fix="use logit_lens, or edits")
    head = _Linear.of(readout.head, "logits")
    data = given(model, inputs, mask, batch_first=True)
    trial = trial_labels({"stimulus": stimulus}, data.n_trials, where=WHERE)
    parts = _parts(model, readout)
    table = _Table(readout, head, parts, data, (target, against))
    sites = {site.name: site for part in parts for site in part.sites}
    sites |= {site.name: site for site in (readout.last, readout.logits)}
    passes(model, data, list(sites.values()), table.see, size=size, where=WHERE, progress=progress)
    return table.result(trial)


@dataclass(frozen=True, kw_only=True)
class _Linear:
    """An affine map: of weights (in, out), whichever way round its module holds them."""

    weight: torch.Tensor
    bias: torch.Tensor | None

    @classmethod
    def of(cls, module: Any, name: str) -> _Linear:
        weight = getattr(module, "weight", None)
        kind = type(module).__name__
        if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
            bound = f"must be linear, not {kind}"
            raise CapabilityError.of(where=WHERE, name=name, bound=bound, fix="use logit_lens, or edits")
        turned = weight.detach() if kind == "Conv1D" else weight.detach().T
        bias = getattr(module, "bias", None)
        return cls(weight=turned, bias=None if bias is None else bias.detach())


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One or more components, from what is at some sites."""

    names: list[str]
    kind: str
    sites: list[Site]
    layer: int = -1
    out: _Linear | None = None


def _parts(model: torch.nn.Module, readout: Readout) -> list[_Part]:
    """Return everything that writes into the residual stream."""
    sites, found = readout.sites, _embeddings(model, readout)
    blocks = sorted({int(m[1]) for name in sites if (m := re.match(r"blocks\.(\d+)\.", name))})
    for i in blocks:
        z, out = sites.get(f"blocks.{i}.attn.z"), sites.get(f"blocks.{i}.attn.out")
        if z is None or out is None:
            bound = f"has no attn.z or attn.out in block {i}"
            raise CapabilityError.of(where=WHERE, name="model", bound=bound)
        linear = _Linear.of(model.get_submodule(out.path), out.name)
        found.append(_Part(names=[], kind="head", sites=[z], layer=i, out=linear))
        if linear.bias is not None:
            found.append(
                _Part(names=[f"blocks.{i}.attn.bias"], kind="attn.bias", sites=[], layer=i, out=linear)
            )
        if (mlp := sites.get(f"blocks.{i}.mlp.out")) is not None:
            found.append(_Part(names=[mlp.name], kind="mlp", sites=[mlp], layer=i))
    return found


def _embeddings(model: torch.nn.Module, readout: Readout) -> list[_Part]:
    """Return tokens and, where they are added, positions."""
    embed = readout.sites["embed"]
    paths = {path for path, _ in model.named_modules()}
    beside = embed.path.removesuffix("drop") + "wte" if embed.path.endswith("drop") else "embed.tokens"
    if beside not in paths:
        return [_Part(names=["embed.tokens"], kind="embed", sites=[embed])]
    tokens = Site(f"{beside}:out", beside, "out")
    return [
        _Part(names=["embed.tokens"], kind="embed", sites=[tokens]),
        _Part(names=["embed.positions"], kind="embed", sites=[embed, tokens]),
    ]


class _Table:
    """Contributions, filled batch by batch."""

    def __init__(
        self, readout: Readout, head: _Linear, parts: list[_Part], data: Given, targets: tuple[Any, Any]
    ) -> None:
        self.readout, self.head, self.parts, self.data, self.given = readout, head, parts, data, targets
        self.columns: list[tuple[str, str, int, int]] = []
        self.contribution: np.ndarray = np.zeros(0)
        self.logit: np.ndarray = self.contribution
        self.error: np.ndarray = self.contribution
        self.constants: list[tuple[str, Any]] = []
        self.targets: list[np.ndarray] = []

    def _start(self, held: Mapping[str, Flat]) -> None:
        """Name the components, once it is known how many heads there are."""
        for part in self.parts:
            if part.kind == "head":
                heads = held[part.sites[0].name].heads or 1
                names = [(f"blocks.{part.layer}.head.{j}", "head", part.layer, j) for j in range(heads)]
                self.columns += names
            else:
                self.columns += [(name, part.kind, part.layer, -1) for name in part.names]
        self.constants = [("final_norm.bias", getattr(self.readout.norm, "bias", None))]
        self.constants += [("logits.bias", self.head.bias)]
        self.columns += [(name, "bias", -1, -1) for name, bias in self.constants if bias is not None]
        length = held[self.readout.logits.name].value.shape[1]
        shape = (self.data.n_trials, length)
        need = 4 * shape[0] * length * (len(self.columns) + 2)
        check_bytes(need, where=WHERE, fix="give fewer trials")
        self.contribution = np.full((*shape, len(self.columns)), np.nan, np.float32)
        self.logit, self.error = (np.full(shape, np.nan, np.float32) for _ in range(2))
        n_words = self.head.weight.shape[1]
        named = zip(("target", "against"), self.given, strict=True)
        self.targets = [_words(word, shape, n_words, name) for name, word in named if word is not None]

    def see(self, rows: slice, batch: Given, held: Mapping[str, Flat]) -> None:
        """Split the logits of one batch."""
        if not self.columns:
            self._start(held)
        logits, last = held[self.readout.logits.name].value, held[self.readout.last.name].value
        picked = [torch.as_tensor(words[rows], device=last.device) for words in self.targets]
        # a difference of logits is the logit of a difference of rows
        direction = self.head.weight.T[picked[0]].double()
        wanted = logits.gather(2, picked[0][..., None])[..., 0].double()
        if len(picked) > 1:
            direction = direction - self.head.weight.T[picked[1]].double()
            wanted = wanted - logits.gather(2, picked[1][..., None])[..., 0].double()
        through = _Norm.of(self.readout.norm, last).back(direction)
        found = torch.stack([*self._written(held, through), *self._constant(direction, picked)], dim=-1)
        error = found.sum(-1) - wanted
        self._check(found, error, logits, batch)
        self.contribution[rows], self.logit[rows] = found.cpu().numpy(), found.sum(-1).cpu().numpy()
        self.error[rows] = error.cpu().numpy()
        if batch.mask is not None and batch.mask.shape == error.shape:
            pad = ~batch.mask.cpu().numpy()
            for array in (self.contribution, self.logit, self.error):
                array[rows][pad] = np.nan

    def _written(self, held: Mapping[str, Flat], through: torch.Tensor) -> list[torch.Tensor]:
        """Return what each part that writes into the stream adds."""
        found = []
        for part in self.parts:
            if part.kind == "head" and part.out is not None:
                z, heads = held[part.sites[0].name]
                each = z.double() * (through @ part.out.weight.T.double())
                found += list(each.unflatten(-1, (heads or 1, -1)).sum(-1).unbind(-1))
            elif part.out is not None and part.out.bias is not None:
                found.append(through @ part.out.bias.double())
            else:
                values = [held[site.name].value.double() for site in part.sites]
                value = values[0] if len(values) == 1 else values[0] - values[1]
                found.append((value * through).sum(-1))
        return found

    def _constant(self, direction: torch.Tensor, picked: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return what the bias of the norm and that of the read-out add."""
        found = []
        (_, of_norm), (_, of_head) = self.constants
        if of_norm is not None:
            found.append(direction @ of_norm.detach().double())
        if of_head is not None:
            signed = [of_head.double()[words] for words in picked]
            found.append(signed[0] if len(signed) == 1 else signed[0] - signed[1])
        return found

    def _check(self, found: torch.Tensor, error: torch.Tensor, logits: torch.Tensor, batch: Given) -> None:
        """Refuse a model that has parts which are not among these."""
        far, most = error.abs(), torch.maximum(logits.abs().amax(-1), found.abs().amax(-1)).double()
        if batch.mask is not None and batch.mask.shape == far.shape:
            far, most = far[batch.mask], most[batch.mask]
        share = float((far / most.clamp_min(1.0)).max())
        if not share <= tolerance(logits):
            bound = (
                f"has other parts than heads, feed-forward parts and a norm: the sum is off by {share:.2g}"
            )
            raise CapabilityError.of(where=WHERE, name="model", bound=bound)

    def result(self, trial: Mapping[str, Any]) -> xr.Dataset:
        """Return everything with its names."""
        import xarray as xr

        dims = ("trial", "token")
        coords: dict[str, Any] = {
            **trial,
            "token": np.arange(self.error.shape[1]),
            "component": [name for name, _, _, _ in self.columns],
            "kind": ("component", [kind for _, kind, _, _ in self.columns]),
            "layer": ("component", [layer for _, _, layer, _ in self.columns]),
            "head": ("component", [head for _, _, _, head in self.columns]),
        }
        found = {
            "contribution": ((*dims, "component"), self.contribution, {"units": "1"}),
            "logit": (dims, self.logit, {"units": "1"}),
            "error": (dims, self.error, {"units": "1"}),
        }
        quantity = "logit" if len(self.targets) == 1 else "logit difference"
        return xr.Dataset(found, coords=coords, attrs={"quantity": quantity})


@dataclass(frozen=True)
class _Norm:
    """The final norm with its scale held at the value that it has: x -> (x - mean x) * gain + bias."""

    gain: torch.Tensor
    centered: bool

    @classmethod
    def of(cls, norm: Any, last: torch.Tensor) -> _Norm:
        """Take the scale from what goes into the norm, (trial, token, unit)."""
        x = last.double()
        if isinstance(norm, torch.nn.Identity):
            return cls(torch.ones_like(x), False)
        centered = isinstance(norm, torch.nn.LayerNorm)
        x = x - x.mean(-1, keepdim=True) if centered else x
        eps = next((getattr(norm, key) for key in ("eps", "variance_epsilon") if hasattr(norm, key)), None)
        if not isinstance(eps, float) or getattr(norm, "weight", None) is None:
            bound = f"must be a LayerNorm or a root-mean-square norm with a gain, not {type(norm).__name__}"
            raise CapabilityError.of(where=WHERE, name="final_norm", bound=bound)
        return cls(
            norm.weight.detach().double() * (x.square().mean(-1, keepdim=True) + eps).rsqrt(), centered
        )

    def back(self, direction: torch.Tensor) -> torch.Tensor:
        """Return the direction before the norm that is one behind it."""
        turned = direction * self.gain
        return turned - turned.mean(-1, keepdim=True) if self.centered else turned


def _words(word: Any, shape: tuple[int, int], n_words: int, name: str) -> np.ndarray:
    """Return the word of each place."""
    array = np.asarray(word.cpu() if isinstance(word, torch.Tensor) else word)
    if array.dtype.kind not in "iu" or array.shape not in ((), shape[:1], shape):
        bound = f"must be whole numbers, one, ({shape[0]},) or {shape}, not {array.dtype} {array.shape}"
        raise SpecError.of(where=WHERE, name=name, bound=bound)
    if int(array.min()) < 0 or int(array.max()) >= n_words:
        bound = (
            f"must be from 0 to {n_words - 1}, the vocabulary, not {int(array.min())} to {int(array.max())}"
        )
        raise SpecError.of(where=WHERE, name=name, bound=bound)
    array = array[:, None] if array.ndim == 1 else array
    return np.array(np.broadcast_to(array, shape), dtype=np.int64)
