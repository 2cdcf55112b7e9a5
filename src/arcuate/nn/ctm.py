"""The Continuous Thought Machine as a torch module: ticks, neurons with a memory, synchrony that is read.

The equations are those of `arcuate.ctm` (Darlow et al. 2025, arXiv 2505.05522), arranged for training: keys
and values are projected once for all ticks, the query map is folded into the attention's own, neuron-level
models are one batched product, both synchrony vectors share one recursion, and predictions of all ticks are
read at once.

Parameters have the names and shapes of the official implementation
(https://github.com/SakanaAI/continuous-thought-machines, Apache-2.0), so that weights go both ways and
`arcuate.ctm.forward` runs them without torch.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from arcuate.ctm import Thought, certainty, draw_neurons, pair_list
from arcuate.ctm.dynamics import DECAY_MAX, SELECTIONS
from arcuate.errors import (
    FileFormatError,
    NonFiniteError,
    SpecError,
    check_choice,
    check_int,
    check_real,
)
from arcuate.nn._attention import Reader, Tokens, reading
from arcuate.nn._layers import (
    NeuronModels,
    Positions,
    as_tensor,
    initialize,
    synapses,
)
from arcuate.nn._pass import Neurons, Ticks, run
from arcuate.nn.backbones import BACKBONES, Backbone, backbone_of, features_of
from arcuate.rng import check_seed

__all__ = ["OFFICIAL_ARGUMENTS", "ContinuousThoughtMachine", "load_official"]

READOUTS = ("synchrony", "state")
KINDS_MAX = 8
"""Up to so many kinds of tokens, keys and values are made once for each kind and place."""

POSITIONS = ("none", "rotational", "rotational-2d", "fourier", "fourier-mixture")

OFFICIAL_ARGUMENTS: dict[str, str] = {
    "out_dims": "n_outputs",
    "iterations": "n_ticks",
    "d_model": "n_neurons",
    "d_input": "width",
    "heads": "heads",
    "n_synch_out": "n_out",
    "n_synch_action": "n_action",
    "neuron_select_type": "selection",
    "n_random_pairing_self": "n_self",
    "synapse_depth": "synapse_depth",
    "memory_length": "history",
    "memory_hidden_dims": "hidden",
    "do_layernorm_nlm": "layer_norm",
    "prediction_reshaper": "shape",
    "dropout": "dropout",
    "dropout_nlm": "neuron_dropout",
}
"""Arguments of the official class, and what they are called here; ``deep_nlms=False`` is ``hidden=None``."""

QUESTION_ARGUMENTS: dict[str, str] = {
    "iterations_per_digit": "ticks_per_image",
    "iterations_per_question_part": "ticks_per_part",
    "iterations_for_answering": "n_ticks",
}
"""Three more of the official class that answers questions; it does not look at ``iterations``."""

_OFFICIAL_BACKBONES = {"none": "features", "parity_backbone": "parity"} | {
    name: name for name in BACKBONES if name.startswith(("resnet", "shallow"))
}
_OFFICIAL_POSITIONS = {
    "none": "none",
    "custom-rotational-1d": "rotational",
    "custom-rotational": "rotational-2d",
    "learnable-fourier": "fourier",
    "multi-learnable-fourier": "fourier-mixture",
}


class ContinuousThoughtMachine(nn.Module):  # type: ignore[misc]
    """A Continuous Thought Machine (Darlow et al. 2025, arXiv 2505.05522).

    Weights that are used in every tick get their gradient in one product after the last; therefore there are
    no gradients of gradients.

    Parameters
    ----------
    n_outputs : int
        O, numbers in a prediction.
    n_ticks : int
        T, internal ticks of a pass; `forward` may be asked for another number.
    n_neurons : int
        D.
    width : int
        E, width of the attention; without attention, of the input.
    heads : int
        Heads of the attention; must divide ``width``. 0: no attention, the input goes to the synapses.
    n_out, n_action : int
        Neurons chosen for the synchrony that answers and the one that asks; with an ``n_action`` of 0 the
        query is the same in every tick, and learned.
    selection : {"random-pairing", "random", "first-last"}
        How they are chosen, once, at construction (`arcuate.ctm.draw_neurons`).
    n_self : int
        Pairs of a neuron with itself, for ``random-pairing``.
    synapse_depth : int
        1: one gated layer; more: a U-Net with so many widths.
    history : int
        M, pre-activations that a neuron sees.
    hidden : int or None
        H, hidden width of a neuron-level model; None: one layer.
    layer_norm : bool
        Layer norm before each layer of the neuron-level models.
    backbone : str or torch.nn.Module
        What makes features (B, C, ...) of the input: ``"features"``, nothing; ``"parity"``, embedded +1 and
        -1; ``"tokens"``, embedded whole numbers; of images ``"pixels"``, two blocks of convolution,
        ``"shallow-wide"``, or ``"resnet18-2"`` and its like, a residual network of 18, 34, 50, 101 or 152 up
        to stage 1 to 4 (`arcuate.nn.backbones`); or a module of your own.
    n_features : int or None
        C of ``"features"`` and of your own module, channels of an image, vocabulary of ``"tokens"``.
    positions : {"none", "rotational", "rotational-2d", "fourier", "fourier-mixture"}
        What is added to the features: the first for a sequence, the others for an image
        (`arcuate.ctm.positional_code`).
    shape : sequence of int
        How a prediction falls into positions and classes, for its certainty.
    readout : {"synchrony", "state"}
        What a prediction is a linear map of: the synchrony that answers, or, to compare, the post-activations
        of the tick. The synchrony that asks is there in both; `arcuate.ctm.forward` knows the first alone.
    dropout, neuron_dropout : float
        Shares that are dropped while training in synapses and attention, and in neuron-level models
        (None: the same).
    seed : int
        Start values and pairs come from streams of this seed, named ``ctm/...``.

    Raises
    ------
    SpecError
        If an argument is out of bounds or does not fit another.

    Examples
    --------
    >>> import torch
    >>> model = ContinuousThoughtMachine(
    ...     n_outputs=8, n_ticks=5, n_neurons=32, width=16, heads=2, n_out=8, n_action=8, selection="random",
    ...     history=4, hidden=4, backbone="parity", positions="rotational", shape=(4, 2), seed=1,
    ... )
    >>> thought = model(torch.tensor([[1, -1, -1, 1]]))
    >>> thought.predictions.shape, thought.certainties.shape, thought.post_activations.shape
    (torch.Size([1, 8, 5]), torch.Size([1, 2, 5]), torch.Size([5, 1, 32]))
    """

    def __init__(
        self,
        *,
        n_outputs: int,
        n_ticks: int,
        n_neurons: int,
        width: int,
        heads: int,
        n_out: int,
        n_action: int = 0,
        selection: str = "random-pairing",
        n_self: int = 0,
        synapse_depth: int = 1,
        history: int = 25,
        hidden: int | None = 16,
        layer_norm: bool = False,
        backbone: str | nn.Module = "features",
        n_features: int | None = None,
        positions: str = "none",
        shape: Sequence[int] = (-1,),
        readout: str = "synchrony",
        dropout: float = 0.0,
        neuron_dropout: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        numbers = {
            "n_outputs": n_outputs, "n_ticks": n_ticks, "n_neurons": n_neurons, "width": width,
            "synapse_depth": synapse_depth, "history": history,
        }  # fmt: skip
        for name, value in numbers.items():
            check_int(value, where="CTM", name=name)
        if hidden is not None:
            check_int(hidden, where="CTM", name="hidden")
        check_int(heads, where="CTM", name="heads", low=0)
        if heads and width % heads:
            raise SpecError.of(where="CTM", name="heads", value=heads, bound=f"must divide width = {width}")
        check_choice(selection, SELECTIONS, where="CTM", name="selection")
        self.readout = check_choice(readout, READOUTS, where="CTM", name="readout")
        neuron_dropout = dropout if neuron_dropout is None else neuron_dropout
        for name, share in (("dropout", dropout), ("neuron_dropout", neuron_dropout)):
            check_real(share, where="CTM", name=name, low=0, high=1, high_open=True)
        seed = check_seed(seed)
        self.n_ticks, self.heads, self.shape = n_ticks, heads, _checked_shape(shape, n_outputs)
        self.dropout, self.width, self.n_neurons = dropout, width, n_neurons
        self._draw_pairs(selection, n_out=n_out, n_action=n_action, n_self=n_self, seed=seed)
        with torch.random.fork_rng(devices=[]):  # start values come from streams of their own, below
            self.start_activated_state = nn.Parameter(torch.zeros(n_neurons))
            self.start_trace = nn.Parameter(torch.zeros(n_neurons, history))
            if heads:
                self._build_attention(backbone, n_features, positions)
            self.synapses = synapses(width + n_neurons, n_neurons, depth=synapse_depth, dropout=dropout)
            self.trace_processor = NeuronModels(
                n_neurons, history=history, hidden=hidden, layer_norm=layer_norm, dropout=neuron_dropout
            )
            n_read = n_neurons if readout == "state" else self.decay_params_out.numel()
            self.output_projector = nn.Sequential(nn.Linear(n_read, n_outputs))
        initialize(self, seed, skip="" if isinstance(backbone, str) else "backbone.")

    def _draw_pairs(self, selection: str, *, n_out: int, n_action: int, n_self: int, seed: int) -> None:
        """Choose the pairs of both synchrony vectors; they are buffers, and never drawn again."""
        d, one_by_one = self.n_neurons, selection == "random-pairing"
        if self.heads and selection == "first-last" and n_out + n_action > d:
            bound = f"must be <= n_neurons = {d} together with n_action = {n_action} for first-last"
            raise SpecError.of(where="CTM", name="n_out", value=n_out, bound=bound)
        kinds = {"action": n_action, "out": n_out} if self.heads else {"out": n_out}
        for kind, n in kinds.items():
            left, right = draw_neurons(
                selection, n, n_neurons=d, action=kind == "action", n_self=n_self, seed=seed
            )
            self.register_buffer(f"{kind}_neuron_indices_left", torch.from_numpy(left).long())
            self.register_buffer(f"{kind}_neuron_indices_right", torch.from_numpy(right).long())
            decays = torch.zeros(n if one_by_one else n * (n + 1) // 2)
            self.register_parameter(f"decay_params_{kind}", nn.Parameter(decays))
        self.register_buffer("_pairs", torch.zeros(0, dtype=torch.long), persistent=False)
        self.register_load_state_dict_post_hook(_after_load)
        self._list_pairs()

    def _list_pairs(self) -> None:
        """List neurons i of all pairs, those that ask first, then neurons j."""
        sides = [
            pair_list(
                getattr(self, f"{kind}_neuron_indices_left"),
                getattr(self, f"{kind}_neuron_indices_right"),
                getattr(self, f"decay_params_{kind}").numel(),
            )
            for kind in (("action", "out") if self.heads else ("out",))
        ]
        self._pairs = torch.cat([left for left, _ in sides] + [right for _, right in sides])

    def _build_attention(self, backbone: str | nn.Module, n_features: int | None, positions: str) -> None:
        """Make what turns the input into keys and values, and what asks them."""
        if isinstance(backbone, str):
            made = backbone_of(backbone, n_features, width=self.width)
        else:
            own = check_int(n_features, where="CTM", name="n_features")
            made = Backbone(backbone, nn.Identity(), own)
        self.backbone, self.initial_rgb, channels = made
        self._channels = channels
        self._input = (backbone if isinstance(backbone, str) else "own", n_features or 0)
        check_choice(positions, POSITIONS, where="CTM", name="positions")
        self.positional_embedding = None if positions == "none" else Positions(positions, channels)
        self.kv_proj = nn.Sequential(nn.Linear(channels, self.width), nn.LayerNorm(self.width))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # where nobody asks
            self.q_proj = nn.Linear(self.decay_params_action.numel(), self.width)
        self.attention = nn.MultiheadAttention(self.width, self.heads, self.dropout, batch_first=True)

    # ------------------------------------------------------------------ a pass

    def forward(self, x: torch.Tensor, *, n_ticks: int | None = None) -> Thought:
        """Think for a number of ticks about an input.

        Parameters
        ----------
        x : tensor
            One row per trial: features (B, C, L) or (B, C, h, w), a sequence of +1 and -1 or of tokens
            (B, L), pixels (B, C, h, w); without attention (B, E).
        n_ticks : int or None
            Ticks; None: those of the model.

        Returns
        -------
        Thought
            Predictions, certainties, synchrony, activations and attention of every tick, as tensors.

        Raises
        ------
        SpecError
            If the input or the number of ticks does not fit.
        NonFiniteError
            If the input or the activity is not finite; the tick is named.

        Examples
        --------
        >>> model = ContinuousThoughtMachine(
        ...     n_outputs=3, n_ticks=4, n_neurons=16, width=2, heads=0, n_out=4, history=3, hidden=None
        ... )
        >>> model(torch.zeros(5, 2), n_ticks=6).predictions.shape
        torch.Size([5, 3, 6])
        """
        ticks = check_int(self.n_ticks if n_ticks is None else n_ticks, where="CTM", name="n_ticks")
        x = self._checked(x)
        tokens = self._tokens(x) if self.heads else None
        seen = (self._run if self._is_written_out() else self._think)(x, ticks, tokens)
        return self._thought(seen, None if tokens is None else tokens.each)

    def _thought(self, seen: Ticks, key_values: torch.Tensor | None) -> Thought:
        """Read the predictions of all ticks, and check that they are numbers."""
        predictions = self.output_projector(seen.post if self.readout == "state" else seen.sync_out)
        _check_activity(predictions, seen.post)
        certainties = certainty(predictions.flatten(0, 1), self.shape).unflatten(0, seen.post.shape[:2])
        return Thought(
            predictions=predictions.permute(1, 2, 0),
            certainties=certainties.permute(1, 2, 0),
            sync_out=seen.sync_out,
            sync_action=seen.sync_action,
            pre_activations=seen.pre,
            post_activations=seen.post,
            attention=None if seen.attention is None else seen.attention.unsqueeze(3),
            reads=seen.reads,
            key_values=key_values,
            trace=seen.trace,
        )

    def _think(self, x: torch.Tensor, ticks: int, tokens: Tokens | None) -> Ticks:
        """Run all ticks with operations of torch."""
        reader = None if tokens is None else Reader(self, tokens.each)
        batch, n_action = len(x), self.decay_params_action.numel() if self.heads else 0
        decay, scale = self._decays(ticks)
        scales, ready, affine = scale.unbind(0), self.trace_processor.ready(), self.synapses.ready()
        z = self.start_activated_state.expand(batch, -1)
        window = self.start_trace.unsqueeze(-1).expand(-1, -1, batch)
        total = self._products(z)
        asked, totals, before, after = [], [], [], []
        drive = x
        for tick in range(ticks):
            if reader is not None:
                asked.append(total[:, :n_action] * scales[tick][:n_action])
                drive = reader.read(asked[-1])
            before.append(self.synapses(torch.cat((drive, z), dim=1), affine))
            window = torch.cat((window[:, 1:], before[-1].t().unsqueeze(1)), dim=1)
            z = self.trace_processor(window, ready)
            after.append(z)
            total = torch.addcmul(self._products(z), total, decay)
            totals.append(total[:, n_action:])
        return Ticks(
            sync_out=torch.stack(totals) * scale[1:, None, n_action:],
            sync_action=torch.stack(asked) if reader else None,
            pre=torch.stack(before),
            post=torch.stack(after),
            attention=torch.stack(reader.weights).squeeze(3) if reader else None,
            reads=torch.stack(reader.reads) if reader else None,
            trace=window.permute(2, 0, 1),
        )

    def _is_written_out(self) -> bool:
        """Whether the ticks of this model and moment are those of `arcuate.nn._pass`."""
        parts = (self.synapses, self.trace_processor)
        return (
            self.start_trace.device.type == "cpu"
            and self.start_trace.dtype in (torch.float32, torch.float64)
            and all(part.is_written_out() for part in parts)
            and not (self.training and self.dropout)
            and not _has_hooks(*parts)
        )

    def _run(self, x: torch.Tensor, ticks: int, tokens: Tokens | None) -> Ticks:
        """Run all ticks as one step of autograd."""
        r, scale = self._decays(ticks)
        (first, first_bias), (second, second_bias) = self.trace_processor.laid_out()
        affine, norm = self.synapses[1], self.synapses[3]
        neurons = Neurons(
            affine.weight, affine.bias, norm.weight, norm.bias, first, first_bias,
            second.transpose(1, 2).contiguous(), second_bias,
            self.start_activated_state, self.start_trace, r, scale,
        )  # fmt: skip
        return run(
            x if tokens is None else None, None if tokens is None else reading(self, tokens), neurons,
            pairs=self._pairs.view(2, -1), heads=self.heads,
            n_asked=0 if tokens is None else self.decay_params_action.numel(),
        )  # fmt: skip

    def _products(self, z: torch.Tensor) -> torch.Tensor:
        """Products of the post-activations of all pairs (B, P_action + P_out)."""
        left, right = z.index_select(1, self._pairs).chunk(2, dim=1)
        return left * right

    def _decays(self, ticks: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Factor of the past per tick (P,), and 1 / sqrt(beta) after 0 to T ticks (T + 1, P).

        As in the official code, a decay out of bounds counts as the bound; with attention it still gets the
        gradient there, without it none.
        """
        if self.heads:
            raw = torch.cat((self.decay_params_action, self.decay_params_out))
            decay = raw + (raw.clamp(0, DECAY_MAX) - raw).detach()
        else:
            decay = self.decay_params_out.clamp(0, DECAY_MAX)
        steps = torch.arange(ticks + 1, dtype=decay.dtype, device=decay.device)
        return torch.exp(-decay), torch.exp(-torch.outer(steps, decay)).cumsum(0).rsqrt()

    def _tokens(self, x: torch.Tensor) -> Tokens:
        """What is attended to."""
        kinds = _kinds(self._input)
        looked_at = _has_hooks(self.backbone, self.positional_embedding, self.kv_proj)
        if looked_at or not 0 < kinds <= min(KINDS_MAX, len(x)):
            return Tokens(self._attended(x))
        symbols = torch.arange(kinds, dtype=x.dtype, device=x.device)
        choice = x.long() if self._input[0] == "tokens" else (x == 1).long()
        table = self._attended(symbols.unsqueeze(1).expand(-1, x.shape[1]))
        return Tokens(table[choice, torch.arange(x.shape[1], device=x.device)], table, choice)

    def _attended(self, x: torch.Tensor) -> torch.Tensor:
        features = features_of(self.backbone, self.initial_rgb(x))
        if features.ndim < 3 or features.shape[1] != self._channels:
            bound = f"must give (trials, {self._channels}, ...), not {tuple(features.shape)}"
            raise SpecError.of(where="CTM", name="backbone", bound=bound, fix="look at n_features=")
        if self.positional_embedding is not None:
            features = features + self.positional_embedding(features)
        return self.kv_proj(features.flatten(2).transpose(1, 2))

    def _checked(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input in the precision of the model, or refuse it."""
        own = self.start_trace
        x = as_tensor(x, own.device, where="CTM")
        kind, n_features = self._input if self.heads else ("plain", self.width)
        wanted: dict[str, tuple[tuple[int, ...], int | None, str]] = {
            "plain": ((2,), n_features, f"(trials, {n_features})"),
            "features": (
                (3, 4),
                n_features,
                f"(trials, {n_features}, tokens) or (trials, {n_features}, h, w)",
            ),
            "pixels": ((4,), n_features, f"(trials, {n_features}, h, w)"),
            "parity": ((2,), None, "(trials, length)"),
            "tokens": ((2,), None, "(trials, length)"),
        }
        if kind != "own":
            axes, second, words = wanted.get(kind, wanted["pixels"])
            if x.ndim not in axes or (second is not None and x.shape[1] != second) or not x.numel():
                raise SpecError.of(
                    where="CTM", name="x", bound=f"must have shape {words}, not {tuple(x.shape)}"
                )
        if kind == "pixels" and min(x.shape[2:]) < 4:
            bound = f"must be an image of at least 4 by 4, not {tuple(x.shape[2:])}"
            raise SpecError.of(where="CTM", name="x", bound=bound)
        if not torch.isfinite(x).all():
            place = torch.nonzero(~torch.isfinite(x))[0].tolist()
            bound = f"must be finite; x{place} is {x[tuple(place)].item()}, and tick 1 would read it"
            raise NonFiniteError.of(where="CTM", name="x", bound=bound)
        if kind == "tokens" and not ((x >= 0) & (x < n_features)).all():
            bad = x[(x < 0) | (x >= n_features)][0].item()
            bound = f"must be from 0 to {n_features - 1}"
            raise SpecError.of(where="CTM", name="token", value=bad, bound=bound, fix="look at n_features=")
        return x.to(own.dtype) if kind != "own" else x

    def constrain_(self) -> None:
        """Put decays that left their bounds back; the trainer calls it after every step.

        Examples
        --------
        >>> model = ContinuousThoughtMachine(n_outputs=3, n_ticks=4, n_neurons=16, width=2, heads=0, n_out=4)
        >>> _ = model.decay_params_out.data.fill_(-0.1)
        >>> model.constrain_()
        >>> model.decay_params_out.abs().max().item()
        0.0
        """
        for name, value in self.named_parameters(recurse=False):
            if name.startswith("decay_params_"):
                value.data.clamp_(0, DECAY_MAX)


def _after_load(model: ContinuousThoughtMachine, _: Any) -> None:
    """Follow the pairs of weights that were loaded; a function with a name travels to other processes."""
    model._list_pairs()


def _kinds(given: tuple[str, int]) -> int:
    """How many kinds of tokens a kind of input has; 0: they are no kinds."""
    return {"parity": 2, "tokens": given[1]}.get(given[0], 0)


def _has_hooks(*parts: nn.Module | None) -> bool:
    """Whether somebody looks into a part, which must then be called as it stands."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules = (module for part in parts if part is not None for module in part.modules())
    return any(getattr(module, kind) for module in modules for kind in kinds)


def _checked_shape(shape: Sequence[int], n_outputs: int) -> tuple[int, ...]:
    """Return the shape of a prediction if it holds the outputs."""
    sizes = tuple(shape)
    known = math.prod(size for size in sizes if size != -1)
    if (
        not sizes
        or sizes.count(-1) > 1
        or known < 1
        or n_outputs % known
        or (-1 not in sizes and known != n_outputs)
    ):
        bound = f"must hold n_outputs = {n_outputs} numbers"
        raise SpecError.of(where="CTM", name="shape", value=sizes, bound=bound)
    return sizes


def _check_activity(predictions: torch.Tensor, z: torch.Tensor) -> None:
    """Name the first tick at which a number was not finite."""
    if torch.isfinite(predictions).all():
        return
    for name, values in (("post-activation", z), ("prediction", predictions)):
        bad = torch.nonzero(~torch.isfinite(values))
        if len(bad):
            tick, trial, unit = bad[0].tolist()
            bound = f"is {values[tick, trial, unit].item()} at tick {tick + 1}, trial {trial}, unit {unit}"
            raise NonFiniteError.of(where="CTM", name=name, bound=bound, fix="look at the weights")


# ---------------------------------------------------------------------- official weights


def load_official(
    weights: Mapping[str, Any] | str | os.PathLike[str],
    configuration: Mapping[str, Any],
    *,
    n_features: int | None = None,
) -> ContinuousThoughtMachine:
    """Build a model of the official implementation and give it the official weights.

    Weights have the same names here as there: ``start_activated_state``, ``start_trace``,
    ``decay_params_{action,out}``, ``{action,out}_neuron_indices_{left,right}``, ``initial_rgb.*``,
    ``backbone.*``, ``positional_embedding.*``, ``kv_proj.*``, ``q_proj.*``, ``attention.*``, ``synapses.*``,
    ``trace_processor.*`` and ``output_projector.*``. Arguments are renamed as `OFFICIAL_ARGUMENTS` says.

    Parameters
    ----------
    weights : mapping or path
        A state dict (tensors or arrays), or a safetensors file of one.
    configuration : mapping
        Arguments of the official class, such as ``iterations`` and ``d_model``; with those of
        ``QUESTION_ARGUMENTS``, of the class that answers questions about digits.
    n_features : int or None
        Width of the features; None: as the weights say.

    Returns
    -------
    ContinuousThoughtMachine
        For questions about digits, a `QuestionThoughtMachine`.

    Raises
    ------
    SpecError
        If an argument is missing, not known or not built here, or weights are of another configuration: the
        first one that does not fit is named.
    FileFormatError
        If the file is not a safetensors file.

    Examples
    --------
    >>> configuration = {
    ...     "iterations": 4, "d_model": 16, "d_input": 2, "heads": 0, "n_synch_out": 4, "n_synch_action": 0,
    ...     "synapse_depth": 1, "memory_length": 3, "deep_nlms": True, "memory_hidden_dims": 2,
    ...     "do_layernorm_nlm": False, "backbone_type": "none", "positional_embedding_type": "none",
    ...     "out_dims": 3, "prediction_reshaper": [-1], "neuron_select_type": "random-pairing",
    ... }
    >>> model = ContinuousThoughtMachine(
    ...     n_outputs=3, n_ticks=4, n_neurons=16, width=2, heads=0, n_out=4, history=3, hidden=2
    ... )
    >>> again = load_official(model.state_dict(), configuration)
    >>> torch.equal(again(torch.ones(1, 2)).predictions, model(torch.ones(1, 2)).predictions)
    True
    """
    given = read_weights(weights)
    options = dict(configuration)
    asks = any(name in options for name in QUESTION_ARGUMENTS)
    if asks:
        options.pop("iterations", None)
    deep = options.pop("deep_nlms", True)
    named = {
        "backbone": (options.pop("backbone_type", "none"), _OFFICIAL_BACKBONES),
        "positions": (options.pop("positional_embedding_type", "none"), _OFFICIAL_POSITIONS),
    }
    known = OFFICIAL_ARGUMENTS | (QUESTION_ARGUMENTS if asks else {})
    arguments: dict[str, Any] = {}
    for name, value in options.items():
        check_choice(name, known, where="load_official", name="argument")
        arguments[known[name]] = value
    for name, (value, choices) in named.items():
        arguments[name] = choices[check_choice(value, choices, where="load_official", name=name)]
    arguments["hidden"] = arguments.get("hidden", 4) if deep else None
    if arguments.get("selection") in ("random", "first-last"):
        arguments.pop("n_self", None)  # the official class takes it and does not look at it
    needed = ["out_dims", "d_model", "d_input", "heads", "n_synch_out"]
    needed += list(QUESTION_ARGUMENTS) if asks else ["iterations"]
    missing = [name for name in needed if name not in configuration]
    if missing:
        raise SpecError.of(where="load_official", name=missing[0], bound="is missing from the configuration")
    if asks:
        model = _question_model(arguments, given)
    else:
        if n_features is None:
            sources = ("initial_rgb.weight", "backbone.layers.0.weight", "kv_proj.0.weight")
            n_features = next((given[name].shape[1] for name in sources if name in given), None)
        model = ContinuousThoughtMachine(**arguments, n_features=n_features)
    if "start_trace" in given:
        model.to(given["start_trace"].dtype)
    load_weights(model, given)
    return model


def _question_model(
    arguments: Mapping[str, Any], given: Mapping[str, torch.Tensor]
) -> ContinuousThoughtMachine:
    """Return a model of the official class that answers questions about digits."""
    from arcuate.nn.sequence import QuestionThoughtMachine

    own = {name: value for name, value in arguments.items() if name not in ("backbone", "positions")}
    if own.setdefault("selection", "first-last") != "random-pairing":
        own.pop("n_self", None)
    first = given.get("backbone_digit.layers.0.weight")
    return QuestionThoughtMachine(**own, n_channels=1 if first is None else first.shape[1])


def load_weights(model: nn.Module, given: Mapping[str, torch.Tensor], *, where: str = "CTM weights") -> None:
    """Copy weights into a model, or name the first that does not fit."""
    own = model.state_dict()
    fix = "use the configuration that the weights were trained with"
    for name, value in own.items():
        if name not in given:
            raise SpecError.of(where=where, name=name, bound="is missing", fix=fix)
        if given[name].shape != value.shape:
            bound = f"must have shape {tuple(value.shape)}, not {tuple(given[name].shape)}"
            raise SpecError.of(where=where, name=name, bound=bound, fix=fix)
        if value.is_floating_point() and not torch.isfinite(given[name]).all():
            raise NonFiniteError.of(where=where, name=name, bound="must be finite")
        if "_neuron_indices_" in name and not ((given[name] >= 0) & (given[name] < model.n_neurons)).all():
            bound = f"must be neurons from 0 to {model.n_neurons - 1}"
            raise SpecError.of(where=where, name=name, bound=bound, fix=fix)
    for name in given:
        if name not in own:
            raise SpecError.of(where=where, name=name, bound="is not part of the model", fix=fix)
    model.load_state_dict(dict(given))


def read_weights(weights: Mapping[str, Any] | str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Return tensors by name, from a mapping or a safetensors file."""
    if isinstance(weights, Mapping):
        return {name: torch.as_tensor(value) for name, value in weights.items()}
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(os.fspath(weights)))
    except (SafetensorError, OSError) as error:
        raise FileFormatError.of(
            where="load_official", name="weights", value=os.fspath(weights), bound=f"cannot be read ({error})"
        ) from error
