"""Parts of the torch models: synapses, neuron-level models, positions, seeded start values.

Submodules and parameters have the names of the official implementation, so that its weights fit.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from arcuate.ctm import positional_code
from arcuate.errors import SpecError
from arcuate.nn._product import Product
from arcuate.rng import stream

__all__ = ["NeuronModels", "Positions", "SynapseUNet", "as_tensor", "as_whole", "initialize", "synapses"]

NARROWEST = 16
"""Width of a U-Net at its bottom (official code)."""


def as_tensor(value: Any, device: torch.device, *, where: str, name: str = "x") -> torch.Tensor:
    """Return what a model was given as a tensor, or refuse what cannot be one."""
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        value = value.copy()  # torch shares memory, and warns where it must not write
    try:
        return torch.as_tensor(value, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        bound = f"must be a tensor or an array of numbers, not {type(value).__name__}"
        raise SpecError.of(where=where, name=name, bound=bound) from error


def as_whole(x: Any, device: torch.device, *, ndim: int, n: int, where: str, kind: str) -> torch.Tensor:
    """Return words or tokens by their numbers as a tensor, or refuse what is outside the vocabulary of n."""
    x = as_tensor(x, device, where=where)
    if x.ndim != ndim or not x.numel() or x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
        shape = ", ".join(["any"] * ndim)
        bound = f"must be whole numbers of shape ({shape}), none of them 0; it is {tuple(x.shape)}"
        raise SpecError.of(where=where, name="x", bound=bound)
    low, high = int(x.min()), int(x.max())
    if low < 0 or high >= n:
        bound = f"must be {kind} from 0 to {n - 1}"
        raise SpecError.of(where=where, name="x", value=low if low < 0 else high, bound=bound)
    return x


def synapses(n_in: int, n_neurons: int, *, depth: int, dropout: float) -> nn.Module:
    """One gated layer for depth 1, else a U-Net; both end in a layer norm."""
    if depth > 1:
        return SynapseUNet(n_in, n_neurons, depth=depth, dropout=dropout)
    return GatedSynapse(n_in, n_neurons, dropout=dropout)


class GatedSynapse(nn.Sequential):  # type: ignore[misc]
    """Synapses as one affine map, a gate and a layer norm."""

    def __init__(self, n_in: int, n_neurons: int, *, dropout: float) -> None:
        affine = nn.Linear(n_in, 2 * n_neurons)
        super().__init__(nn.Dropout(dropout), affine, nn.GLU(), nn.LayerNorm(n_neurons))

    def is_written_out(self) -> bool:
        """Whether `arcuate.nn._pass` has this part."""
        return True

    def ready(self) -> list[Product]:
        """Return the products of a pass, in the order in which they are used."""
        return [affine_product(self[1])]

    def forward(self, x: torch.Tensor, ready: list[Product]) -> torch.Tensor:
        """Return the pre-activations (B, D) of inputs (B, E + D)."""
        return self[3](self[2](ready[0](self[0](x))))


class SynapseUNet(nn.Module):  # type: ignore[misc]
    """Synapses as a U-Net of any depth, from the width of the neurons down to 16 and back."""

    def __init__(self, n_in: int, n_neurons: int, *, depth: int, dropout: float) -> None:
        super().__init__()
        widths = [int(width) for width in np.linspace(n_neurons, NARROWEST, depth)]
        pairs = list(itertools.pairwise(widths))
        self.first_projection = nn.Sequential(nn.Linear(n_in, widths[0]), nn.LayerNorm(widths[0]), nn.SiLU())
        self.down_projections = nn.ModuleList(_step(wide, narrow, dropout) for wide, narrow in pairs)
        self.up_projections = nn.ModuleList(_step(narrow, wide, dropout) for wide, narrow in pairs)
        self.skip_lns = nn.ModuleList(nn.LayerNorm(wide) for wide, _ in pairs)

    def is_written_out(self) -> bool:
        """Whether `arcuate.nn._pass` has this part."""
        return False

    def ready(self) -> list[Product]:
        """Return the products of a pass, in the order in which they are used."""
        steps = [*self.down_projections, *reversed(self.up_projections)]
        return [affine_product(self.first_projection[0]), *(affine_product(step[1]) for step in steps)]

    def forward(self, x: torch.Tensor, ready: list[Product]) -> torch.Tensor:
        """Return the pre-activations (B, D) of inputs (B, E + D)."""
        first, *products = ready
        _, norm, gate = self.first_projection
        levels = [gate(norm(first(x)))]
        for step in self.down_projections:
            levels.append(_run(step, products.pop(0), levels[-1]))
        y = levels.pop()
        for step, norm in zip(reversed(self.up_projections), reversed(self.skip_lns), strict=True):
            y = norm(_run(step, products.pop(0), y) + levels.pop())
        return y


def affine_product(affine: nn.Linear) -> Product:
    """Return an affine map as the product of a pass."""
    return Product(affine.weight.t(), affine.bias)


def _run(step: nn.Sequential, product: Product, x: torch.Tensor) -> torch.Tensor:
    drop, _, norm, gate = step
    return gate(norm(product(drop(x))))


def _step(n_in: int, n_out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.SiLU())


class NeuronLayer(nn.Module):  # type: ignore[misc]
    """Parameters of one layer of all neuron-level models: each neuron has its own weights."""

    def __init__(self, n_in: int, n_out: int, n_neurons: int, *, layer_norm: bool, dropout: float) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.empty(n_in, n_out, n_neurons))
        self.b1 = nn.Parameter(torch.zeros(1, n_neurons, n_out))
        self.T = nn.Parameter(torch.ones(1))
        self.layernorm = nn.LayerNorm(n_in) if layer_norm else None
        self.dropout = dropout

    def laid_out(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights (D, in, out) and bias (D, out), both divided by the temperature."""
        return self.w1.permute(2, 0, 1).contiguous() / self.T, self.b1[0] / self.T

    def ready(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights (D, out, in) and bias (D, out, 1), both divided by the temperature."""
        return self.w1.permute(2, 1, 0).contiguous() / self.T, (self.b1[0] / self.T).unsqueeze(-1)

    def forward(self, x: torch.Tensor, ready: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Return the gated output (D, out / 2, B) of inputs (D, in, B)."""
        if self.dropout:
            x = F.dropout(x, self.dropout, self.training)
        if self.layernorm is not None:
            x = self.layernorm(x.transpose(1, 2)).transpose(1, 2)
        weight, bias = ready
        return F.glu(torch.baddbmm(bias, weight, x), dim=1)


class NeuronModels(nn.Sequential):  # type: ignore[misc]
    """Neuron-level models: from the history of each neuron to its post-activation.

    All neurons are one batched matrix product: neurons come first in every array and trials last.
    """

    def __init__(
        self, n_neurons: int, *, history: int, hidden: int | None, layer_norm: bool, dropout: float
    ) -> None:
        widths = [(history, 2)] if hidden is None else [(history, 2 * hidden), (hidden, 2)]
        layers: list[nn.Module] = []
        for n_in, n_out in widths:
            layers += [
                NeuronLayer(n_in, n_out, n_neurons, layer_norm=layer_norm, dropout=dropout),
                nn.Identity(),  # the gate, which the layer applies itself; it keeps the official numbers
            ]
        super().__init__(nn.Sequential(*layers))

    @property
    def layers(self) -> list[NeuronLayer]:
        """The layers that have parameters."""
        return [layer for layer in self[0] if isinstance(layer, NeuronLayer)]

    def is_written_out(self) -> bool:
        """Whether `arcuate.nn._pass` has this part."""
        layers = self.layers
        plain = all(layer.layernorm is None and not (layer.training and layer.dropout) for layer in layers)
        return plain and len(layers) == 2

    def laid_out(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return weights (D, in, out) and biases (D, out) in the order in which they are used."""
        return [layer.laid_out() for layer in self.layers]

    def ready(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return what no tick changes: weights and biases in the order in which they are used."""
        return [layer.ready() for layer in self.layers]

    def forward(self, window: torch.Tensor, ready: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """Return the post-activations (B, D) of the histories (D, M, B), oldest first."""
        x = window
        for layer, prepared in zip(self.layers, ready, strict=True):
            x = layer(x, prepared)
        return x[:, 0].t()


class Positions(nn.Module):  # type: ignore[misc]
    """Parameters of a code of position by their official names, for `positional_code`."""

    def __init__(self, kind: str, channels: int, *, gamma: float = 1 / 2.5) -> None:
        super().__init__()
        if kind == "rotational":
            self.projection = nn.Linear(2, channels)
        elif kind == "rotational-2d":
            self.start_vector = nn.Parameter(torch.tensor([0.0, 1.0]))
            self.projection = nn.Sequential(nn.Linear(4, channels))
        elif kind == "fourier":
            self.Wr = Directions(2, 128, bias=False)
            self.Wr.spread = gamma**-2
            self.mlp = nn.Sequential(
                nn.Linear(256, 128), nn.GLU(), nn.Linear(64, channels), nn.LayerNorm(channels)
            )
        else:
            gammas = np.linspace(1.0, 0.1, 10)
            self.embedders = nn.ModuleList(Positions("fourier", channels, gamma=float(g)) for g in gammas)
            self.combination = nn.Parameter(torch.ones(len(gammas)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return what is added to features (B, C, ...): (C, ...)."""
        grid = tuple(features.shape[2:])
        return positional_code(grid, dict(self.named_parameters())).t().unflatten(1, grid)


class Directions(nn.Linear):  # type: ignore[misc]
    """Directions of waves, normally distributed at the start."""

    spread = 1.0


def initialize(model: nn.Module, seed: int, *, skip: str = "") -> None:
    """Give every parameter its start value from a stream of its own name, as the official code scales it."""
    for name, module in model.named_modules():
        if skip and (name + ".").startswith(skip):
            continue
        if isinstance(module, Directions):
            values = stream(seed, f"ctm/init/{name}.weight").standard_normal(module.weight.shape)
            _set(module.weight, module.spread * values)
        elif isinstance(module, (nn.Linear, nn.Conv2d)):
            bound = module.weight[0].numel() ** -0.5 if module.weight.numel() else 0.0
            _uniform(module.weight, bound, f"{name}.weight", seed)
            if module.bias is not None:
                _uniform(module.bias, bound, f"{name}.bias", seed)
        elif isinstance(module, NeuronLayer):
            n_in, n_out, _ = module.w1.shape
            _uniform(module.w1, 1 / math.sqrt(n_in + n_out), f"{name}.w1", seed)
        elif isinstance(module, nn.Embedding):
            values = stream(seed, f"ctm/init/{name}.weight").standard_normal(module.weight.shape)
            _set(module.weight, values)
    for name, module in model.named_modules():
        if isinstance(module, nn.MultiheadAttention) and not (skip and (name + ".").startswith(skip)):
            width = module.embed_dim
            _uniform(module.in_proj_weight, math.sqrt(6 / (4 * width)), f"{name}.in_proj_weight", seed)
            nn.init.zeros_(module.in_proj_bias)
            nn.init.zeros_(module.out_proj.bias)
    for name, value in model.named_parameters(recurse=False):
        if name.startswith("start_"):
            _uniform(value, 1 / math.sqrt(sum(value.shape)), name, seed)


def _uniform(parameter: nn.Parameter, bound: float, name: str, seed: int) -> None:
    _set(parameter, stream(seed, f"ctm/init/{name}").uniform(-bound, bound, size=tuple(parameter.shape)))


def _set(parameter: nn.Parameter, values: np.ndarray) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))
