"""Thought machines that get another input as their ticks go on.

`QuestionThoughtMachine` looks at images one after the other, is then told which of them to add and to
subtract, and answers after that, with nothing but its memory (digits question answering, Darlow et al. 2025,
arXiv 2505.05522). `SeriesThoughtMachine` gets a row of numbers in each tick and says in each what it expects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from arcuate.ctm import (
    Thought,
    attention_read,
    pair_list,
    pair_products,
    project_keys_values,
    step_synchrony,
    synchrony,
)
from arcuate.errors import NonFiniteError, SpecError, check_int
from arcuate.nn._layers import as_tensor, initialize
from arcuate.nn._pass import Ticks
from arcuate.nn.backbones import features_of, pixel_backbone
from arcuate.nn.ctm import ContinuousThoughtMachine

__all__ = ["QuestionThoughtMachine", "SeriesThoughtMachine"]

MAX_INDEX = 50
"""Images that a question can tell apart (official code)."""

N_OPERATORS = 2
"""Plus, -1 in a question, and minus, -2."""

Feed = Any
"""What one tick gets: a tensor (B, E) for the synapses, or a pair, keys and values, that attention reads."""


class QuestionThoughtMachine(ContinuousThoughtMachine):
    """A thought machine that sees images, hears a question about them, and answers from memory.

    Each image is looked at by attention for some ticks; its keys and values are made once. Each part of the
    question (an index, an operator, an index, ...) is embedded and goes to the synapses in place of what the
    attention reads. While the answer is asked for, that place is zero. Weights have the official names.

    Parameters
    ----------
    n_ticks : int
        Ticks in which the answer is asked for.
    ticks_per_image, ticks_per_part : int
        Ticks for each image, and for each part of a question.
    n_channels : int
        Channels of an image.
    seed : int
        Of start values and pairs.
    **arguments
        ``n_outputs``, ``n_neurons``, ``width`` (even), ``heads`` (at least 1), ``n_out``, ``n_action`` and
        the others of `ContinuousThoughtMachine`, but for ``backbone``, ``n_features`` and ``positions``.

    Raises
    ------
    SpecError
        If an argument is out of bounds or does not fit another.

    Examples
    --------
    >>> import torch
    >>> model = QuestionThoughtMachine(
    ...     n_outputs=10, n_ticks=3, ticks_per_image=2, ticks_per_part=2, n_neurons=32, width=8, heads=2,
    ...     n_out=8, n_action=8, history=4, hidden=4, seed=1,
    ... )
    >>> images, question = torch.rand(5, 2, 1, 8, 8), torch.tensor([[0, -2, 1]] * 5)  # first minus second
    >>> thought = model((images, question))
    >>> thought.predictions.shape, thought.last(3).predictions.shape
    (torch.Size([5, 10, 13]), torch.Size([5, 10, 3]))
    """

    def __init__(
        self,
        *,
        n_ticks: int,
        ticks_per_image: int,
        ticks_per_part: int,
        n_channels: int = 1,
        seed: int = 0,
        **arguments: Any,
    ) -> None:
        where = "QuestionThoughtMachine"
        for name, low in (("heads", 1), ("n_action", 1), ("width", 2)):
            check_int(arguments.get(name, 0), where=where, name=name, low=low)
        if arguments["width"] % 2:
            bound = "must be even: an index is a row of sines and cosines"
            raise SpecError.of(where=where, name="width", value=arguments["width"], bound=bound)
        for name in ("backbone", "n_features", "positions"):
            if name in arguments:
                raise SpecError.of(where=where, name=name, bound="is given by the kind of model")
        width: int = arguments["width"]
        super().__init__(n_ticks=n_ticks, seed=seed, backbone="features", n_features=width, **arguments)
        self.ticks_per_image = check_int(ticks_per_image, where=where, name="ticks_per_image")
        self.ticks_per_part = check_int(ticks_per_part, where=where, name="ticks_per_part")
        self.n_channels = check_int(n_channels, where=where, name="n_channels")
        with torch.random.fork_rng(devices=[]):  # start values come from streams of their own, below
            self.backbone_digit = nn.Module()
            self.backbone_digit.layers = pixel_backbone(n_channels, width)
            self.index_backbone = nn.Module()
            self.index_backbone.register_buffer("embedding", sinusoids(MAX_INDEX, width))
            self.operator_backbone = nn.Module()
            self.operator_backbone.embedding = nn.Embedding(N_OPERATORS, width)
        initialize(self, seed)

    def forward(self, x: tuple[torch.Tensor, torch.Tensor], *, n_ticks: int | None = None) -> Thought:
        """Look at images, hear a question, answer.

        Parameters
        ----------
        x : pair of tensors
            Images (B, images, channels, h, w), and the parts of a question (B, parts): the index of an image,
            then an operator (-1 plus, -2 minus) and an index as often as wanted.
        n_ticks : int or None
            Ticks for the answer; None: those of the model.

        Returns
        -------
        Thought
            Of all ticks: images, question, answer; ``last(n_ticks)`` is the answer. ``reads`` is what the
            synapses got, ``attention`` is zero where nothing is looked at, and ``key_values`` holds the
            tokens of all images one after the other.

        Raises
        ------
        SpecError
            If images, question or ticks do not fit.
        NonFiniteError
            If the images or the activity are not finite.

        Examples
        --------
        >>> model = QuestionThoughtMachine(
        ...     n_outputs=10, n_ticks=3, ticks_per_image=2, ticks_per_part=1, n_neurons=32, width=8, heads=2,
        ...     n_out=8, n_action=8, history=4, hidden=4,
        ... )
        >>> model((torch.rand(1, 1, 1, 8, 8), torch.tensor([[0]])), n_ticks=4).predictions.shape
        torch.Size([1, 10, 7])
        """
        ticks = check_int(self.n_ticks if n_ticks is None else n_ticks, where="CTM", name="n_ticks")
        images, question = self._checked_pair(x)
        attention = dict(self.attention.named_parameters())
        feeds: list[Feed] = []
        tokens: list[torch.Tensor] = []
        for place in range(images.shape[1]):
            if place and torch.equal(images[:, place], images[:, place - 1]):  # nothing changed
                tokens.append(tokens[-1])
            else:
                features = features_of(self.backbone_digit.layers, images[:, place])
                tokens.append(self.kv_proj(features.flatten(2).transpose(1, 2)))
                seen = project_keys_values(tokens[-1], attention)
            feeds += [seen] * self.ticks_per_image
        for place, part in enumerate(question.unbind(1)):
            if place % 2:
                embedded = self.operator_backbone.embedding(-part - 1)
            else:
                embedded = self.index_backbone.embedding[part]
            feeds += [embedded] * self.ticks_per_part
        feeds += [images.new_zeros(len(images), self.width)] * ticks
        return _think(self, feeds, torch.cat(tokens, dim=1))

    def _checked_pair(self, x: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images in the precision of the model, and the question, or refuse them."""
        where, own = "QuestionThoughtMachine", self.start_trace
        if not isinstance(x, (tuple, list)) or len(x) != 2:
            raise SpecError.of(where=where, name="x", bound="must be a pair of images and questions")
        images, question = (
            as_tensor(part, own.device, where=where, name=name)
            for part, name in zip(x, ("images", "question"), strict=True)
        )
        if images.ndim != 5 or images.shape[2] != self.n_channels or not images.numel():
            bound = f"must have shape (trials, images, {self.n_channels}, h, w), not {tuple(images.shape)}"
            raise SpecError.of(where=where, name="images", bound=bound)
        if min(images.shape[3:]) < 4:
            bound = f"must have at least 4 x 4 pixels, not {tuple(images.shape[3:])}"
            raise SpecError.of(where=where, name="images", bound=bound)
        if not torch.isfinite(images).all():
            place = torch.nonzero(~torch.isfinite(images))[0].tolist()
            bound = f"must be finite; images{place} is {images[tuple(place)].item()}"
            raise NonFiniteError.of(where=where, name="images", bound=bound)
        if question.ndim != 2 or len(question) != len(images) or question.shape[1] % 2 == 0:
            bound = f"must be one row for each of {len(images)} trials, of an odd number of parts"
            raise SpecError.of(where=where, name="question", value=tuple(question.shape), bound=bound)
        if question.is_floating_point():
            raise SpecError.of(where=where, name="question", bound="must be whole numbers")
        for first, low, high in ((0, 0, MAX_INDEX - 1), (1, -N_OPERATORS, -1)):
            parts = question[:, first::2]
            bad = parts[(parts < low) | (parts > high)]
            if len(bad):
                bound = f"must be from {low} to {high} in parts {first}, {first + 2}, ..."
                raise SpecError.of(where=where, name="question", value=bad[0].item(), bound=bound)
        return images.to(own.dtype), question.long()


class SeriesThoughtMachine(ContinuousThoughtMachine):
    """A thought machine without attention that gets a row of numbers in each tick.

    Parameters
    ----------
    width : int
        Numbers in a row.
    ticks_per_row : int
        Ticks for each row.
    seed : int
        Of start values and pairs.
    **arguments
        ``n_outputs``, ``n_neurons``, ``n_out`` and the others of `ContinuousThoughtMachine`, but for
        ``heads``, ``n_ticks``, ``n_action``, ``backbone``, ``n_features`` and ``positions``.

    Raises
    ------
    SpecError
        If an argument is out of bounds or does not fit another.

    Examples
    --------
    >>> import torch
    >>> model = SeriesThoughtMachine(n_outputs=3, width=2, n_neurons=32, n_out=8, history=4, hidden=4, seed=1)
    >>> model(torch.zeros(5, 20, 2)).predictions.shape
    torch.Size([5, 3, 20])
    """

    def __init__(self, *, width: int, ticks_per_row: int = 1, seed: int = 0, **arguments: Any) -> None:
        where = "SeriesThoughtMachine"
        for name in ("heads", "n_ticks", "n_action", "backbone", "n_features", "positions"):
            if name in arguments:
                raise SpecError.of(where=where, name=name, bound="is given by the kind of model")
        self_ticks = check_int(ticks_per_row, where=where, name="ticks_per_row")
        super().__init__(n_ticks=self_ticks, width=width, heads=0, seed=seed, **arguments)

    def forward(self, x: torch.Tensor, *, n_ticks: int | None = None) -> Thought:
        """Think about a row of numbers at a time.

        Parameters
        ----------
        x : tensor, (B, rows, E)
            What is shown.
        n_ticks : int or None
            Ticks for each row; None: those of the model.

        Returns
        -------
        Thought
            Of all ticks; ``reads`` is what was shown in each.

        Raises
        ------
        SpecError
            If the input or the number of ticks does not fit.
        NonFiniteError
            If the input or the activity is not finite.

        Examples
        --------
        >>> model = SeriesThoughtMachine(n_outputs=3, width=2, n_neurons=16, n_out=4, history=3, hidden=None)
        >>> model(torch.zeros(1, 6, 2), n_ticks=2).predictions.shape
        torch.Size([1, 3, 12])
        """
        ticks = check_int(self.n_ticks if n_ticks is None else n_ticks, where="CTM", name="n_ticks")
        own = self.start_trace
        x = as_tensor(x, own.device, where="SeriesThoughtMachine")
        if x.ndim != 3 or x.shape[2] != self.width or not x.numel():
            bound = f"must have shape (trials, rows, {self.width}), not {tuple(x.shape)}"
            raise SpecError.of(where="SeriesThoughtMachine", name="x", bound=bound)
        if not torch.isfinite(x).all():
            place = torch.nonzero(~torch.isfinite(x))[0].tolist()
            bound = f"must be finite; x{place} is {x[tuple(place)].item()}"
            raise NonFiniteError.of(where="SeriesThoughtMachine", name="x", bound=bound)
        return _think(self, [row for row in x.to(own.dtype).unbind(1) for _ in range(ticks)], None)


def sinusoids(n: int, width: int) -> torch.Tensor:
    """Code of whole numbers: sines in even and cosines in odd columns, of ever lower frequency (n, width).

    Vaswani et al. 2017, section 3.5.
    """
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = torch.arange(n, dtype=torch.float32).unsqueeze(1) * rates
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)


def _pairs(model: ContinuousThoughtMachine, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    left, right = (getattr(model, f"{kind}_neuron_indices_{side}") for side in ("left", "right"))
    return pair_list(left, right, getattr(model, f"decay_params_{kind}").numel())


def _think(
    model: ContinuousThoughtMachine, feeds: Sequence[Feed], key_values: torch.Tensor | None
) -> Thought:
    """Run one tick for each feed."""
    batch = next(len(feed) for feed in feeds if isinstance(feed, torch.Tensor))
    drop = nn.Dropout(model.dropout if model.training else 0.0)
    affine, ready = model.synapses.ready(), model.trace_processor.ready()
    r, n_action = model._decays(0)[0], model.decay_params_action.numel() if model.heads else 0
    out_pairs, r_out, r_action = _pairs(model, "out"), r[n_action:], r[:n_action]
    if model.heads:
        action_pairs = _pairs(model, "action")
        attention = dict(model.attention.named_parameters())
    z = model.start_activated_state.expand(batch, -1)
    window = model.start_trace.unsqueeze(-1).expand(-1, -1, batch)
    out, action = step_synchrony(None, pair_products(z, out_pairs), r_out), None
    looks: list[Any] = []
    asked, reads, before, after, read_out = [], [], [], [], []
    for feed in feeds:
        if model.heads:
            action = step_synchrony(action, pair_products(z, action_pairs), r_action)
            asked.append(synchrony(action))
        read, look = feed, None
        if isinstance(feed, tuple):
            query = model.q_proj(asked[-1])
            read, look = attention_read(query, feed, attention, heads=model.heads, drop=drop)
        reads.append(read)
        looks.append(look)
        before.append(model.synapses(torch.cat((read, z), dim=1), affine))
        window = torch.cat((window[:, 1:], before[-1].t().unsqueeze(1)), dim=1)
        z = model.trace_processor(window, ready)
        after.append(z)
        out = step_synchrony(out, pair_products(z, out_pairs), r_out)
        read_out.append(synchrony(out))
    looked = _stacked(looks)
    seen = Ticks(
        sync_out=torch.stack(read_out),
        sync_action=torch.stack(asked) if asked else None,
        pre=torch.stack(before),
        post=torch.stack(after),
        attention=None if looked is None else looked.squeeze(3),
        reads=torch.stack(reads),
        trace=window.permute(2, 0, 1),
    )
    return model._thought(seen, key_values)


def _stacked(looks: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """Attention of all ticks, zero where nothing was looked at; None if that is always."""
    known = next((look for look in looks if look is not None), None)
    if known is None:
        return None
    return torch.stack([torch.zeros_like(known) if look is None else look for look in looks])
