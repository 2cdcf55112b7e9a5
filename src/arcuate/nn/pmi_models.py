"""Networks around a PMI memory: the PMI-TR transformer with its baselines, and a convolutional network.

Equations are those of `arcuate.memory.encode` and `encode_plain`; names and shapes of parameters those of the
official code (https://github.com/zengxyyu/PMI-TR, MIT, commit a094ee3), so that weights go both ways.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from arcuate.errors import NonFiniteError, SpecError, check_choice, check_int, check_real
from arcuate.memory import Encoding, PMIConfig, draw_parameters, encode, positions
from arcuate.memory.pmi import weighted
from arcuate.memory.transformer import encode_plain
from arcuate.nn.pmi import (
    PMIModule,
    beginning,
    check_input,
    derived_seed,
    initialize_linear,
    named,
    plant,
)
from arcuate.rng import check_seed, stream

__all__ = ["BASELINES", "CNNPMI", "PMITransformer"]

MIXINGS = ("memory", "attention", "sparse attention", "induced attention")

BASELINES: dict[str, dict[str, Any]] = {
    "TR": {"mixing": "attention", "shared": True},
    "TR+HC": {"mixing": "attention", "shared": False},
    "STR": {"mixing": "sparse attention", "shared": True},
    "TR+HSW": {"mixing": "memory", "shared": True, "config": {"ltm_rule": "none"}},
    "TR+SSW": {"mixing": "memory", "shared": True, "config": {"ltm_rule": "none", "top_k": None}},
    "ISAB": {"mixing": "induced attention", "shared": False},
}
"""What the paper compares with, by its names: options of `PMITransformer`, and what differs in the memory."""


class PMITransformer(nn.Module):  # type: ignore[misc]
    """A transformer whose layers read and write PMI memories, or one that it is compared with.

    A summary token, a question if there is one, and tokens or patches of an image are encoded; the answer is
    an affine map of the summary token (Zeng et al. 2023, arXiv 2310.09297).

    Parameters
    ----------
    config : PMIConfig
        Width, heads and memories. What a baseline does not have is not looked at.
    n_outputs : int
        O, classes.
    n_features : int
        Width of a token; channels of an image.
    patch : int or None
        Side of a patch, in pixels, which must divide the image; None: the input is tokens.
    n_question : int or None
        Width of a question, which then is the second of two inputs.
    n_layers : int
    d_hidden : int
        Width within the feed-forward part of a layer (512, official code).
    mixing : {"memory", "attention", "sparse attention", "induced attention"}
        How tokens see each other: by the memories, by attending to themselves (all, or the ``top_k`` largest
        weights of a row), or by ``n_slots`` learned queries between (Lee et al. 2019, arXiv 1810.00825).
    shared : bool
        Whether all layers have the same weights; memories then pass from layer to layer, and begin anew in
        each otherwise, as in the official code.
    dropout : float
        Share that is dropped of what either part of a layer adds (0.1, official code).
    max_tokens : int
        Positions that are known (300, official code).
    seed : int
        Start values, from streams named ``pmi/...``.

    Raises
    ------
    SpecError
        If an argument is out of bounds or does not fit another.

    Examples
    --------
    >>> config = PMIConfig(d_model=16, n_heads=4, n_slots=6)
    >>> model = PMITransformer(config, n_outputs=10, n_features=28, n_layers=2, d_hidden=32, seed=1)
    >>> model(torch.ones(3, 7, 28)).shape
    torch.Size([3, 10])
    """

    def __init__(
        self,
        config: PMIConfig,
        *,
        n_outputs: int,
        n_features: int,
        patch: int | None = None,
        n_question: int | None = None,
        n_layers: int = 4,
        d_hidden: int = 512,
        mixing: str = "memory",
        shared: bool = True,
        dropout: float = 0.1,
        max_tokens: int = 300,
        seed: int = 0,
    ) -> None:
        super().__init__()
        where = "PMITransformer"
        if not isinstance(config, PMIConfig):
            raise SpecError.of(where=where, name="config", value=config, bound="must be a PMIConfig")
        numbers = {
            "n_outputs": n_outputs, "n_features": n_features, "n_layers": n_layers, "d_hidden": d_hidden,
            "max_tokens": max_tokens, "patch": 1 if patch is None else patch,
            "n_question": 1 if n_question is None else n_question,
        }  # fmt: skip
        for name, value in numbers.items():
            check_int(value, where=where, name=name)
        if config.d_input not in (None, config.d_model):
            bound = f"must be None or d_model = {config.d_model}: tokens are embedded before"
            raise SpecError.of(where=where, name="config.d_input", value=config.d_input, bound=bound)
        if not isinstance(shared, bool):
            raise SpecError.of(where=where, name="shared", value=shared, bound="must be True or False")
        self.mixing = check_choice(mixing, MIXINGS, where=where, name="mixing")
        if shared and mixing == "induced attention":
            bound = "must be False for induced attention"
            raise SpecError.of(where=where, name="shared", value=shared, bound=bound)
        self.dropout = check_real(dropout, where=where, name="dropout", low=0, high=1, high_open=True)
        self.config, self.n_layers, self.seed = config, n_layers, check_seed(seed)
        self.patch, self.n_features, self.n_question = patch, n_features, n_question
        self.shared, self.max_tokens, d = shared, max_tokens, config.d_model
        with torch.random.fork_rng(devices=[]):  # start values come from streams of their own, below
            self.patch_to_embedding = nn.Linear(n_features * (patch or 1) ** 2, d)
            if n_question is not None:
                self.question_to_embedding = nn.Linear(n_question, d)
            self.mlp_head = nn.Linear(d, n_outputs)
            self.net = _Net(config, self, d_hidden)
        initialize_linear(self, self.seed)
        drawn = stream(self.seed, "pmi/cls_token").standard_normal((1, 1, d))
        self.cls_token = nn.Parameter(torch.from_numpy(drawn).float())

    @classmethod
    def baseline(cls, name: str, config: PMIConfig, **options: Any) -> PMITransformer:
        """Build what the paper compares with, at the same width, depth and tokens.

        Parameters
        ----------
        name : {"TR", "TR+HC", "STR", "TR+HSW", "TR+SSW", "ISAB"}
            Transformer with shared layers; with layers of their own; with sparse attention; with a shared
            workspace of hard or soft competition; of induced set attention.
        config : PMIConfig
        **options : object
            Of the class, other than ``mixing`` and ``shared``.

        Returns
        -------
        PMITransformer

        Examples
        --------
        >>> config = PMIConfig(d_model=16, n_heads=4, n_slots=6)
        >>> model = PMITransformer.baseline("TR+SSW", config, n_outputs=2, n_features=3)
        >>> model.config.ltm_rule, model.config.top_k
        ('none', None)
        """
        check_choice(name, tuple(BASELINES), where="PMITransformer.baseline", name="name")
        chosen = dict(BASELINES[name])
        for option in ("mixing", "shared"):
            if option in options:
                bound = f"is {chosen[option]!r} in {name}"
                fix = "leave it out"
                raise SpecError.of(where="PMITransformer.baseline", name=option, bound=bound, fix=fix)
        changes = chosen.pop("config", {})
        return cls(replace(config, **changes) if changes else config, **chosen, **options)

    def forward(self, x: Any) -> torch.Tensor:
        """Answer.

        Parameters
        ----------
        x : tensor, or (tensor, tensor)
            Tokens (B, T, n_features), or images (B, n_features, h, w); with a question (B, n_question)
            behind it, if the model has one.

        Returns
        -------
        tensor, (B, O)
            Scores of the answers, not normalized.

        Raises
        ------
        SpecError
            If an input does not fit.
        NonFiniteError
            If an input or the answer is not finite.

        Examples
        --------
        >>> config = PMIConfig(d_model=16, n_heads=4, n_slots=6)
        >>> model = PMITransformer(config, n_outputs=2, n_features=3, patch=5, n_question=4, n_layers=1)
        >>> model((torch.ones(2, 3, 10, 10), torch.ones(2, 4))).shape
        torch.Size([2, 2])
        """
        tokens = self.tokens(x)
        encoded = self._read(tokens) if self.mixing != "memory" else self._encode(tokens, n_read=1).encoded
        answers = self.mlp_head(encoded[:, 0])
        if not torch.isfinite(answers).all():
            bound = "is not finite"
            raise NonFiniteError.of(
                where="PMITransformer", name="answer", bound=bound, fix="look at the weights"
            )
        return answers

    def encode(self, x: Any) -> Encoding:
        """Show what the memory of each layer did with an input.

        Parameters
        ----------
        x : tensor, or (tensor, tensor)
            As for `forward`.

        Returns
        -------
        Encoding
            Its steps go to `arcuate.memory.record_steps`, once detached.

        Raises
        ------
        SpecError
            If the model has no memory, or the input does not fit.

        Examples
        --------
        >>> model = PMITransformer(PMIConfig(d_model=16, n_heads=4), n_outputs=2, n_features=3, n_layers=2)
        >>> len(model.encode(torch.ones(1, 4, 3)).steps)
        2
        """
        if self.mixing != "memory":
            bound = f"has no memory to show, but {self.mixing}"
            raise SpecError.of(where="PMITransformer.encode", name="model", bound=bound)
        return self._encode(self.tokens(x))

    def _encode(self, tokens: torch.Tensor, n_read: int | None = None) -> Encoding:
        starts = range(1 if self.shared else self.n_layers)
        states = [beginning(self.config, len(tokens), like=tokens, module=self) for _ in starts]
        return encode(
            tokens, named(self.net), config=self.config, n_layers=self.n_layers, states=states,
            drop=self._drop, n_read=n_read,
        )  # fmt: skip

    def _read(self, tokens: torch.Tensor) -> torch.Tensor:
        """Encode without a memory, the first token at least."""
        if self.mixing == "induced attention":
            return self.net(tokens)
        top_k = self.config.top_k if self.mixing == "sparse attention" else None
        return encode_plain(
            tokens, named(self.net), n_heads=self.config.n_heads, n_layers=self.n_layers, top_k=top_k,
            drop=self._drop, n_read=1,
        )  # fmt: skip

    def _drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.dropout, self.training)

    def tokens(self, x: Any) -> torch.Tensor:
        """Embed an input: the summary token, the question, then tokens or patches, row by row.

        Parameters
        ----------
        x : tensor, or (tensor, tensor)
            As for `forward`.

        Returns
        -------
        tensor, (B, T, D)

        Examples
        --------
        >>> model = PMITransformer(PMIConfig(d_model=16, n_heads=4), n_outputs=2, n_features=3)
        >>> model.tokens(torch.ones(1, 4, 3)).shape
        torch.Size([1, 5, 16])
        """
        where, own = "PMITransformer", self.cls_token
        asked = None
        if self.n_question is not None:
            if not isinstance(x, (tuple, list)) or len(x) != 2:
                raise SpecError.of(
                    where=where, name="x", bound="must be two: tokens or images, and questions"
                )
            x, asked = x
            asked = check_input(asked, (None, self.n_question), like=own, name="question", where=where)
        if self.patch is None:
            x = check_input(x, (None, None, self.n_features), like=own, name="x", where=where)
        else:
            x = check_input(x, (None, self.n_features, None, None), like=own, name="x", where=where)
            x = _patches(x, self.patch)
        parts = [self.cls_token.expand(len(x), -1, -1)]
        if asked is not None:
            if len(asked) != len(x):
                bound = f"must be one for each of {len(x)} trials, not {len(asked)}"
                raise SpecError.of(where=where, name="question", bound=bound)
            parts.append(self.question_to_embedding(asked)[:, None])
        tokens = torch.cat((*parts, self.patch_to_embedding(x)), dim=1)
        if tokens.shape[1] > self.max_tokens:
            bound = f"gives {tokens.shape[1]} tokens, more than max_tokens = {self.max_tokens}"
            raise SpecError.of(where=where, name="x", bound=bound)
        return tokens


def _patches(x: torch.Tensor, side: int) -> torch.Tensor:
    """Cut images (B, C, h, w) into patches (B, n, side * side * C): rows, columns, channels."""
    if x.shape[2] % side or x.shape[3] % side:
        bound = f"must be an image whose sides are multiples of patch = {side}, not {tuple(x.shape[2:])}"
        raise SpecError.of(where="PMITransformer", name="x", bound=bound)
    cut = x.unflatten(3, (-1, side)).unflatten(2, (-1, side))  # (B, C, rows, side, columns, side)
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


class _Net(nn.Module):  # type: ignore[misc]
    """Parameters of the encoder, by the official names below ``net.``."""

    def __init__(self, config: PMIConfig, model: PMITransformer, d_hidden: int) -> None:
        super().__init__()
        table = positions(model.max_tokens, config.d_model)
        plant(self, {"pe.pos_emb_weight": np.ones_like(table)})
        self.pe.register_buffer("pe", torch.from_numpy(table).float())
        self.n_heads = config.n_heads
        if model.mixing == "induced attention":
            self.layers = nn.ModuleList(
                _InducedLayer(config, derived_seed(model.seed, f"net.layers.{n}"))
                for n in range(model.n_layers)
            )
            return
        build = partial(_layer, config, d_hidden=d_hidden, memory=model.mixing == "memory")
        if model.shared:
            self.enc = build(seed=derived_seed(model.seed, "net.enc"))
        else:
            seeds = [derived_seed(model.seed, f"net.layers.{n}") for n in range(model.n_layers)]
            self.layers = nn.ModuleList(build(seed=seed) for seed in seeds)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Encode by induced set attention."""
        n = tokens.shape[1]
        x = tokens + self.pe.pe[:, :n] * torch.sigmoid(self.pe.pos_emb_weight[:, :n])
        for layer in self.layers:
            x = layer(x)
        return x


def _layer(config: PMIConfig, *, d_hidden: int, memory: bool, seed: int) -> nn.Module:
    """Parameters of a layer by the official names; affine maps are drawn by who builds the model."""
    d = config.d_model
    if not memory:
        return attention_layer(d, d_hidden)
    layer, drawn = nn.Module(), draw_parameters(config, seed=seed)
    plant(layer, {f"self_attn.relational_memory.{name}": value for name, value in drawn.items()})
    return _surround(layer, d, d_hidden)


def attention_layer(d: int, d_hidden: int) -> nn.Module:
    """Parameters of a layer of `arcuate.memory.transformer.encode_plain`, by the official names.

    Parameters
    ----------
    d, d_hidden : int
        Widths of a token and within the feed-forward part.

    Returns
    -------
    torch.nn.Module
    """
    layer = nn.Module()
    layer.self_attn = nn.ModuleDict({f"{name}_proj": nn.Linear(d, d) for name in ("q", "k", "v", "out")})
    return _surround(layer, d, d_hidden)


def _surround(layer: nn.Module, d: int, d_hidden: int) -> nn.Module:
    """Add what every layer has: two norms and a feed-forward part."""
    layer.self_attn_layer_norm, layer.final_layer_norm = nn.LayerNorm(d), nn.LayerNorm(d)
    layer.fc1, layer.fc2 = nn.Linear(d, d_hidden), nn.Linear(d_hidden, d)
    return layer


class _SetAttention(nn.Module):  # type: ignore[misc]
    """Rows that read others and are kept beside what they read (Lee et al. 2019, equations 6 and 7).

    As in the official code, scores are divided by the root of the whole width.
    """

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads, self.scale = n_heads, width**-0.5
        self.fc_q, self.fc_k, self.fc_v, self.fc_o = (nn.Linear(width, width) for _ in range(4))
        self.ln0, self.ln1 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, queries: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Read rows (B, n, D) by queries (B, m, D): (B, m, D)."""
        q = self.fc_q(queries)
        heads = (
            part.unflatten(2, (self.n_heads, -1)).transpose(1, 2)
            for part in (q, self.fc_k(rows), self.fc_v(rows))
        )
        read = weighted(*heads, scale=self.scale, top_k=None).read
        seen = self.ln0(q + read)
        return self.ln1(seen + F.relu(self.fc_o(seen)))


class _InducedLayer(nn.Module):  # type: ignore[misc]
    """Learned queries read the tokens, and the tokens read what those have read."""

    def __init__(self, config: PMIConfig, seed: int) -> None:
        super().__init__()
        n, d = config.n_slots, config.d_model
        bound = (6 / ((n + 1) * d)) ** 0.5
        drawn = stream(seed, "pmi/I").uniform(-bound, bound, (1, n, d))
        self.I = nn.Parameter(torch.from_numpy(drawn).float())
        self.mab0, self.mab1 = _SetAttention(d, config.n_heads), _SetAttention(d, config.n_heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give tokens (B, T, D) for tokens."""
        return self.mab1(x, self.mab0(self.I.expand(len(x), -1, -1), x))


class CNNPMI(nn.Module):  # type: ignore[misc]
    """A convolutional network whose features are read by one step of a PMI memory.

    Four convolutions (3 by 3, stride 2, 24 channels), each with ReLU and batch norm; their places are the
    tokens; the first token's understanding goes to two more layers. Unlike the official code, memories begin
    anew at each pass, so that no trial sees another, and dropout ends with training.

    Parameters
    ----------
    config : PMIConfig
    n_outputs : int
        O, classes.
    n_channels : int
        Of the image.
    dropout : float
        Before the last layer (0.5, official code).
    seed : int
        Start values, from streams named ``pmi/...``.

    Examples
    --------
    >>> model = CNNPMI(PMIConfig(d_model=16, n_heads=4), n_outputs=10, seed=1).eval()
    >>> model(torch.ones(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, config: PMIConfig, *, n_outputs: int, n_channels: int = 3, dropout: float = 0.5, seed: int = 0
    ) -> None:
        super().__init__()
        if not isinstance(config, PMIConfig):
            raise SpecError.of(where="CNNPMI", name="config", value=config, bound="must be a PMIConfig")
        for name, value in {"n_outputs": n_outputs, "n_channels": n_channels}.items():
            check_int(value, where="CNNPMI", name=name)
        if config.d_input not in (None, config.d_model):
            bound = f"must be None or d_model = {config.d_model}: features are embedded before"
            raise SpecError.of(where="CNNPMI", name="config.d_input", value=config.d_input, bound=bound)
        self.dropout = check_real(dropout, where="CNNPMI", name="dropout", low=0, high=1, high_open=True)
        self.n_channels, d = n_channels, config.d_model
        seed = check_seed(seed)
        with torch.random.fork_rng(devices=[]):  # start values come from streams of their own, below
            self.conv, self.fcout = nn.Module(), nn.Module()
            for layer in range(1, 5):
                first = n_channels if layer == 1 else 24
                self.conv.add_module(f"conv{layer}", nn.Conv2d(first, 24, 3, stride=2, padding=1))
                self.conv.add_module(f"batchNorm{layer}", nn.BatchNorm2d(24))
            self.patch_to_embedding, self.f_fc1 = nn.Linear(24, d), nn.Linear(d, d)
            self.fcout.fc2, self.fcout.fc3 = nn.Linear(d, d), nn.Linear(d, n_outputs)
            self.relational_memory = PMIModule(config, seed=seed)
        initialize_linear(self, seed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Answer.

        Parameters
        ----------
        x : tensor, (B, n_channels, h, w)

        Returns
        -------
        tensor, (B, O)
            Scores of the answers, not normalized.

        Raises
        ------
        SpecError
            If the input does not fit.
        NonFiniteError
            If the input or what the memory makes of it is not finite.

        Examples
        --------
        >>> model = CNNPMI(PMIConfig(d_model=16, n_heads=4), n_outputs=2, n_channels=1).eval()
        >>> model(torch.ones(1, 1, 20, 20)).shape
        torch.Size([1, 2])
        """
        own = self.f_fc1.weight
        x = check_input(x, (None, self.n_channels, None, None), like=own, name="x", where="CNNPMI")
        for layer in range(1, 5):
            convolve, norm = (self.conv.get_submodule(f"{name}{layer}") for name in ("conv", "batchNorm"))
            x = norm(F.relu(convolve(x)))
        tokens = self.patch_to_embedding(x.flatten(2).transpose(1, 2))
        understood = self.relational_memory(tokens).understanding[:, 0]
        y = F.relu(self.fcout.fc2(F.relu(self.f_fc1(understood))))
        return self.fcout.fc3(F.dropout(y, self.dropout, self.training))
