"""A small causal transformer whose parts have the names under which probes look for them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from arcuate._inputs import check_bytes
from arcuate.errors import NonFiniteError, SpecError, check_choice, check_int
from arcuate.nn._causal import ACTIVATIONS, ATTENTIONS, Block, CausalAttention, Embedding, FeedForward
from arcuate.nn._layers import as_whole
from arcuate.nn.pmi import check_input, initialize_linear
from arcuate.rng import check_seed

__all__ = ["TinyTransformer"]

POSITIONS = ("learned", "rotary", "none")


class TinyTransformer(nn.Module):  # type: ignore[misc]
    r"""A causal transformer with a norm before each part, small enough to be trained in minutes.

    With tokens that are numbers or vectors, each block adds to the residual stream what its attention and its
    feed-forward part make of it:

    .. math:: x \leftarrow x + W_O \, [P_h V_h]_h, \qquad x \leftarrow x + W_2 f(W_1 x)

    each behind a layer norm. The pattern P of a head, from queries q, keys k and values v, is

    - ``"softmax"``: :math:`\mathrm{softmax}(q_t \cdot k_s / \sqrt d)` over :math:`s \le t` (Vaswani et al.
      2017, arXiv 1706.03762);
    - ``"linear"``: :math:`q_t \cdot k_s`, which is what a matrix returns that is written by
      :math:`S \leftarrow S + k v^\top` (Katharopoulos et al. 2020, arXiv 2006.16236, without features and
      normalizer), a Hebbian rule;
    - ``"delta"``: that of a matrix written by :math:`S \leftarrow S + \beta k (v - S^\top k)^\top`, with a
      rate :math:`\beta` between 0 and 1 of each token and head (Schlag, Irie and Schmidhuber 2021, arXiv
      2102.11174; Yang et al. 2024, arXiv 2406.06484).

    In the latter two, queries and keys have length one, and the rules are those of
    `arcuate.memory.AssociativeMemory`.

    Parameters
    ----------
    n_outputs : int
        O, of each token: the vocabulary, or classes.
    n_tokens : int or None
        Vocabulary of an input of numbers.
    n_features : int or None
        Width of an input of vectors; exactly one of both must be given.
    d_model : int or None
        D, width of the residual stream. None: vectors enter it as they are, D = n_features.
    n_layers : int
    n_heads : int
        H.
    d_head : int or None
        Width of a head; None: d_model / n_heads.
    d_mlp : int or None
        Neurons of a feed-forward part; None: 4 d_model; 0: attention alone.
    attention : {"softmax", "linear", "delta"}
    positions : {"learned", "rotary", "none"}
        Added to the tokens; turning queries and keys by angles, for an even ``d_head`` (Su et al. 2021, arXiv
        2104.09864); or not told.
    max_tokens : int
        Most tokens of a sequence, where positions are learned.
    activation : {"gelu", "relu"}
    norm : bool
        Whether there are layer norms.
    tied : bool
        Whether the read-out has the weights of the embedding, for ``n_outputs == n_tokens``.
    readout : sequence of int
        Widths of layers of ReLU between the residual stream and the logits.
    seed : int
        Start values, from streams named ``transformer/...``: those of `torch.nn.Linear`, and normal ones of
        variance 1 / D for embeddings.

    Raises
    ------
    SpecError
        If an argument is out of bounds or does not fit another.
    MemoryLimitError
        If the parameters would not fit into memory.

    Notes
    -----
    Sites are outputs of modules, which plain forward hooks see: ``embed`` (with positions), in every block
    ``blocks.i.`` ``resid_pre``, ``attn.q``, ``attn.k``, ``attn.v`` (B, T, H, d; before they are turned),
    ``attn.pattern`` (B, H, T, T), ``attn.z`` (B, T, H, d; what heads read), ``attn.out``, ``resid_mid``,
    ``mlp.pre``, ``mlp.post``, ``mlp.out``, ``resid_post``, then ``final_norm`` and ``logits``; ``attn.rate``
    (B, T, H) with the delta rule.

    Examples
    --------
    >>> model = TinyTransformer(n_outputs=11, n_tokens=11, d_model=16, n_layers=2, n_heads=2, seed=1)
    >>> model([[1, 2, 3], [4, 5, 6]]).shape
    torch.Size([2, 3, 11])
    >>> seen = []
    >>> hook = model.get_submodule("blocks.1.attn.pattern").register_forward_hook(
    ...     lambda module, inputs, output: seen.append(output.shape)
    ... )
    >>> _ = model([[1, 2, 3]])
    >>> hook.remove()
    >>> seen
    [torch.Size([1, 2, 3, 3])]
    """

    def __init__(
        self,
        *,
        n_outputs: int,
        n_tokens: int | None = None,
        n_features: int | None = None,
        d_model: int | None = None,
        n_layers: int = 2,
        n_heads: int = 1,
        d_head: int | None = None,
        d_mlp: int | None = None,
        attention: str = "softmax",
        positions: str = "learned",
        max_tokens: int = 256,
        activation: str = "gelu",
        norm: bool = True,
        tied: bool = False,
        readout: Sequence[int] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        numbers = {"n_outputs": n_outputs, "n_layers": n_layers, "n_heads": n_heads, "max_tokens": max_tokens}
        for name, value in numbers.items():
            _check_int(value, name)
        self.attention = _check_choice(attention, ATTENTIONS, "attention")
        self.positions = _check_choice(positions, POSITIONS, "positions")
        _check_choice(activation, ACTIVATIONS, "activation")
        for name, flag in (("norm", norm), ("tied", tied)):
            if not isinstance(flag, bool):
                raise _wrong(name, "must be True or False", flag)
        width = _width(n_tokens, n_features, d_model)
        d_head = _head(width, n_heads, d_head, rotary=positions == "rotary")
        d_mlp = 4 * width if d_mlp is None else _check_int(d_mlp, "d_mlp", low=0)
        widths = [width, *_layers(readout), n_outputs]
        if tied and (n_tokens != n_outputs or len(widths) > 2):
            bound = "needs n_tokens == n_outputs and no layers between (readout=())"
            raise _wrong("tied", bound, tied)
        n_parameters = n_layers * width * (4 * n_heads * d_head + 2 * d_mlp)
        n_parameters += (n_tokens or n_features or 0) * width + sum(a * b for a, b in pairwise(widths))
        n_parameters += max_tokens * width * (positions == "learned")
        check_bytes(4 * n_parameters, where="TinyTransformer", fix="use smaller widths or fewer layers")
        self.n_tokens, self.n_features, self.d_model, self.n_outputs = n_tokens, n_features, width, n_outputs
        self.n_layers, self.n_heads, self.d_head, self.d_mlp = n_layers, n_heads, d_head, d_mlp
        self.max_tokens, self.seed = max_tokens, check_seed(seed)
        with torch.random.fork_rng(devices=[]):  # start values come from streams of their own, below
            self.embed = Embedding(
                _tokens(n_tokens, n_features, d_model), max_tokens if positions == "learned" else None, width
            )
            self.blocks = nn.ModuleList(self._block(activation, norm) for _ in range(n_layers))
            self.final_norm = nn.LayerNorm(width) if norm else nn.Identity()
            self.logits = _readout(widths, bias=not tied)
        initialize_linear(self, self.seed, prefix="transformer")
        with torch.no_grad():
            for part in self.embed.modules():
                if isinstance(part, nn.Embedding):
                    part.weight.mul_(width**-0.5)
        if tied:
            self.logits.weight = self.embed.tokens.weight

    def _block(self, activation: str, norm: bool) -> Block:
        attn = CausalAttention(
            self.d_model, n_heads=self.n_heads, d_head=self.d_head, kind=self.attention,
            rotary=self.positions == "rotary",
        )  # fmt: skip
        mlp = FeedForward(self.d_model, self.d_mlp, activation) if self.d_mlp else None
        return Block(attn, mlp, width=self.d_model, norm=norm)

    def forward(self, x: Any) -> torch.Tensor:
        """Answer at every token, from it and those before.

        Parameters
        ----------
        x : tensor or array, (B, T) or (B, T, n_features)
            Whole numbers below n_tokens, or vectors. Where sequences have several lengths, what stands behind
            the shorter ones changes no answer before it.

        Returns
        -------
        tensor, (B, T, O)
            Logits.

        Raises
        ------
        SpecError
            If the input does not fit.
        NonFiniteError
            If an input or an answer is not finite.
        MemoryLimitError
            If the patterns of one layer would not fit into memory.

        Examples
        --------
        >>> model = TinyTransformer(
        ...     n_outputs=3, n_features=5, attention="delta", positions="none", d_mlp=0, readout=(8,)
        ... )
        >>> model(torch.ones(2, 4, 5)).shape, model.d_model
        (torch.Size([2, 4, 3]), 5)
        """
        where, own = "TinyTransformer", next(self.parameters())
        if self.n_tokens is None:
            x = check_input(x, (None, None, self.n_features), like=own, name="x", where=where)
        else:
            x = as_whole(x, own.device, ndim=2, n=self.n_tokens, where=where, kind="tokens")
        batch, n = x.shape[:2]
        if self.positions == "learned" and n > self.max_tokens:
            bound = f"has {n} tokens, more than max_tokens = {self.max_tokens}"
            raise _wrong("x", bound)
        check_bytes(
            4 * own.element_size() * batch * self.n_heads * n * n,
            where=where,
            fix="give fewer trials at once",
        )
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        logits = self.logits(self.final_norm(x))
        if not torch.isfinite(logits).all():
            raise NonFiniteError.of(
                where=where, name="logits", bound="are not finite", fix="look at the weights"
            )
        return logits


def _wrong(name: str, bound: str, *value: Any) -> SpecError:
    told = {"value": value[0]} if value else {}
    return SpecError.of(where="TinyTransformer", name=name, bound=bound, **told)


def _check_int(value: object, name: str, *, low: int = 1) -> int:
    return check_int(value, where="TinyTransformer", name=name, low=low)


def _check_choice(value: object, choices: Any, name: str) -> str:
    return check_choice(value, tuple(choices), where="TinyTransformer", name=name)


def _width(n_tokens: int | None, n_features: int | None, d_model: int | None) -> int:
    """Return the width of the residual stream."""
    if (n_tokens is None) == (n_features is None):
        bound = f"must be given, or else n_features, not both; n_features is {n_features}"
        raise _wrong("n_tokens", bound, n_tokens)
    for name, value in (("n_tokens", n_tokens), ("n_features", n_features), ("d_model", d_model)):
        if value is not None:
            _check_int(value, name)
    width = d_model or n_features
    if width is None:
        raise _wrong("d_model", "must be given for tokens that are numbers", d_model)
    return width


def _head(width: int, n_heads: int, d_head: int | None, *, rotary: bool) -> int:
    """Return the width of a head."""
    if d_head is None:
        if width % n_heads:
            bound = f"must divide d_model = {width}, or d_head must be given"
            raise _wrong("n_heads", bound, n_heads)
        d_head = width // n_heads
    _check_int(d_head, "d_head")
    if rotary and d_head % 2:
        raise _wrong("d_head", "must be even for rotary positions", d_head)
    return d_head


def _layers(readout: Any) -> list[int]:
    if isinstance(readout, (str, bytes)) or not isinstance(readout, Sequence):
        raise _wrong("readout", "must be widths, as in readout=(128, 128)", readout)
    return [_check_int(width, "readout") for width in readout]


def _tokens(n_tokens: int | None, n_features: int | None, d_model: int | None) -> nn.Module:
    """Return what takes tokens to the residual stream."""
    if n_tokens is not None:
        return nn.Embedding(n_tokens, d_model)
    return nn.Identity() if d_model is None else nn.Linear(n_features, d_model)


def _readout(widths: list[int], *, bias: bool) -> nn.Module:
    """Return what makes logits of the residual stream: affine, or with layers of ReLU between."""
    *hidden, n_outputs = widths
    parts: list[nn.Module] = []
    for n_in, n_out in pairwise(hidden):
        parts += [nn.Linear(n_in, n_out), nn.ReLU()]
    last = nn.Linear(hidden[-1], n_outputs, bias=bias)
    return nn.Sequential(*parts, last) if parts else last
