"""Backbones: what makes features of an input, before a Continuous Thought Machine looks at them.

Submodules and parameters have the names of the official implementation
(https://github.com/SakanaAI/continuous-thought-machines, Apache-2.0), so that its weights fit.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import torch
from torch import nn

from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import check_seed, stream

__all__ = [
    "BACKBONES",
    "Backbone",
    "ControlBackbone",
    "GridBackbone",
    "ParityBackbone",
    "ResNet",
    "ShallowWide",
    "TokenBackbone",
    "backbone_of",
    "features_of",
    "pixel_backbone",
    "residual_backbone",
]

RESNETS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 4, 36, 3),
}
"""Blocks in each of the four stages (He et al. 2016, table 1); of 152 as the official code has them."""

BACKBONES = (
    "features",
    "parity",
    "tokens",
    "pixels",
    "shallow-wide",
    *(f"resnet{depth}-{stages}" for depth in RESNETS for stages in range(1, 5)),
)
"""Backbones that a model can be told by name."""


class ParityBackbone(nn.Module):  # type: ignore[misc]
    """A sequence of +1 and -1 as embedded tokens.

    Parameters
    ----------
    width : int
        E.

    Examples
    --------
    >>> ParityBackbone(4)(torch.tensor([[1, -1, 1]])).shape
    torch.Size([1, 4, 3])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(2, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, E, L) of a sequence (B, L)."""
        return self.embedding((x == 1).long()).transpose(1, 2)


class TokenBackbone(nn.Module):  # type: ignore[misc]
    """Whole numbers as embedded tokens.

    Parameters
    ----------
    vocabulary : int
        Number of different tokens.
    width : int
        E.

    Examples
    --------
    >>> TokenBackbone(7, 4)(torch.tensor([[0, 6, 3]])).shape
    torch.Size([1, 4, 3])
    """

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, E, L) of tokens (B, L)."""
        return self.embedding(x.long()).transpose(1, 2)


def pixel_backbone(channels: int, width: int) -> nn.Sequential:
    """Two blocks of convolution, batch norm, rectifier and pooling: (B, C, h, w) -> (B, E, h / 4, w / 4).

    Parameters
    ----------
    channels, width : int
        C and E.

    Returns
    -------
    torch.nn.Sequential
        The layers of the official backbone for MNIST, by their numbers.

    Examples
    --------
    >>> pixel_backbone(1, 4)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 4, 2, 2])
    """
    layers: list[nn.Module] = []
    for n_in in (channels, width):
        layers += [
            nn.Conv2d(n_in, width, kernel_size=3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    return nn.Sequential(*layers)


class ShallowWide(nn.Module):  # type: ignore[misc]
    """Two wide gated convolutions, the second in 32 groups: (B, C, h, w) -> (B, 2048, h / 2, w / 2).

    Parameters
    ----------
    channels : int
        C.

    Examples
    --------
    >>> ShallowWide(1)(torch.zeros(2, 1, 3, 4)).shape
    torch.Size([2, 2048, 2, 2])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 4096, kernel_size=3, stride=2, padding=1),
            nn.GLU(dim=1),
            nn.BatchNorm2d(2048),
            nn.Conv2d(2048, 4096, kernel_size=3, padding=1, groups=32),
            nn.GLU(dim=1),
            nn.BatchNorm2d(2048),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, 2048, h / 2, w / 2), halves rounded up."""
        return self.layers(x)


class _Residual(nn.Module):  # type: ignore[misc]
    """A block of convolutions beside a way past it: two of 3x3, or 1x1, 3x3, 1x1 to four times the width."""

    def __init__(self, n_in: int, width: int, *, deep: bool, stride: int) -> None:
        super().__init__()
        n_out = 4 * width if deep else width
        if deep:
            kernels = [(n_in, width, 1, 1), (width, width, 3, stride), (width, n_out, 1, 1)]
        else:
            kernels = [(n_in, width, 3, stride), (width, n_out, 3, 1)]
        self.depth = len(kernels)
        for k, (before, after, size, step) in enumerate(kernels, start=1):
            self.add_module(f"conv{k}", _convolution(before, after, size=size, stride=step))
            self.add_module(f"bn{k}", nn.BatchNorm2d(after))
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            past = _convolution(n_in, n_out, size=1, stride=stride)
            self.downsample = nn.Sequential(past, nn.BatchNorm2d(n_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        past = self.downsample(x)
        for k in range(1, self.depth + 1):
            x = getattr(self, f"bn{k}")(getattr(self, f"conv{k}")(x))
            x = torch.relu(x if k < self.depth else x + past)
        return x


def _convolution(before: int, after: int, *, size: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False)


class ResNet(nn.Module):  # type: ignore[misc]
    """A residual network (He et al. 2016, arXiv 1512.03385) up to one of its stages.

    Its stem is a 3x3 convolution of stride 1, so that a feature sees little of the image, then a pooling of
    stride 2; each stage after the first halves height and width. As in the official code, depth 152 has 4
    blocks in its second stage (He et al.: 8), and it is 140 layers deep.

    Parameters
    ----------
    depth : {18, 34, 50, 101, 152}
    stages : int
        How many of the four stages are kept.

    Examples
    --------
    >>> ResNet(18, 2)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 128, 2, 2])
    """

    def __init__(self, depth: int, stages: int) -> None:
        super().__init__()
        check_choice(str(depth), [str(known) for known in RESNETS], where="ResNet", name="depth")
        check_int(stages, where="ResNet", name="stages", high=4)
        self.conv1 = _convolution(3, 64, size=3, stride=1)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        n, deep = 64, depth >= 50
        self.stages = stages
        for stage, blocks in enumerate(RESNETS[depth][:stages]):
            width, made = 64 * 2**stage, []
            for k in range(blocks):
                made.append(_Residual(n, width, deep=deep, stride=2 if stage and not k else 1))
                n = 4 * width if deep else width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*made))
        self.channels = n

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, channels, ...) of an image of three channels."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return x


def residual_backbone(
    n_inputs: int, channels: int, *, blocks: int, stride: int = 1, seed: int = 0
) -> nn.Sequential:
    """Build a small residual network over a grid: 3 x 3 convolutions with batch norm.

    The first one may halve the grid; after it come residual blocks (He et al. 2016, arXiv 1512.03385): two
    convolutions each, and their input added to what they give. Serves as ``backbone=`` of
    `ContinuousThoughtMachine` with ``n_features=channels``.

    Parameters
    ----------
    n_inputs : int
        Channels of the input.
    channels : int
        Channels of the features.
    blocks : int
        Residual blocks, which keep the grid.
    stride : int
        1: a feature per cell, with zeros around the grid; 2: a feature per cell of odd row and column (a room
        of a maze), made of the 3 x 3 cells around it.
    seed : int
        Start values come from the stream ``backbone`` of this seed.

    Returns
    -------
    torch.nn.Sequential
        (trials, n_inputs, h, w) -> (trials, channels, h, w), or half of h and w, rounded down.

    Raises
    ------
    SpecError
        If a number is out of bounds.

    Examples
    --------
    >>> features = residual_backbone(4, 64, blocks=2, stride=2)
    >>> features(torch.zeros(1, 4, 9, 9)).shape
    torch.Size([1, 64, 4, 4])
    """
    where = "residual_backbone"
    check_int(n_inputs, where=where, name="n_inputs")
    check_int(channels, where=where, name="channels")
    check_int(blocks, where=where, name="blocks", low=0)
    check_int(stride, where=where, name="stride", high=2)
    start = int(stream(check_seed(seed), "backbone").integers(2**63))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(start)
        first = nn.Conv2d(n_inputs, channels, 3, stride=stride, padding=2 - stride, bias=False)
        return nn.Sequential(
            first,
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            *(_Residual(channels, channels, deep=False, stride=1) for _ in range(blocks)),
        )


class GridBackbone(nn.Module):  # type: ignore[misc]
    """Cells of a grid world, each of an object, a color and a state, as one vector for each cell.

    Parameters
    ----------
    width : int
        E.
    size : int
        Cells on a side of what is seen at most.

    Examples
    --------
    >>> GridBackbone(4)(torch.zeros(2, 7, 7, 3)).shape
    torch.Size([2, 7, 7, 4])
    """

    SORTS = 11, 6, 3
    """Objects, colors and states there are (MiniGrid, Chevalier-Boisvert et al. 2023)."""

    def __init__(self, width: int, *, size: int = 7) -> None:
        super().__init__()
        self.width = check_int(width, where="GridBackbone", name="width")
        self.object_embedding, self.color_embedding, self.state_embedding = (
            nn.Embedding(n, 8) for n in self.SORTS
        )
        self.position_embedding = nn.Embedding(check_int(size, where="GridBackbone", name="size") ** 2, 8)
        self.project_to_d_projection = nn.Sequential(*_gated(32, width), *_gated(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, h, w, E) of cells (B, h, w, 3)."""
        if x.ndim != 4 or x.shape[3] != 3 or x[0, ..., 0].numel() > self.position_embedding.num_embeddings:
            bound = f"must be (trials, h, w, 3), at most {self.position_embedding.num_embeddings} cells"
            raise SpecError.of(where="GridBackbone", name="x", value=tuple(x.shape), bound=bound)
        x = x.long()
        for k, (name, n) in enumerate(zip(("objects", "colors", "states"), self.SORTS, strict=True)):
            if not ((x[..., k] >= 0) & (x[..., k] < n)).all():
                bound = f"{name} must be from 0 to {n - 1}"
                raise SpecError.of(where="GridBackbone", name="x", bound=bound)
        place = torch.arange(x.shape[1] * x.shape[2], device=x.device).view(1, *x.shape[1:3])
        parts = (
            self.object_embedding(x[..., 0]),
            self.color_embedding(x[..., 1]),
            self.state_embedding(x[..., 2]),
            self.position_embedding(place).expand(len(x), -1, -1, -1),
        )
        return self.project_to_d_projection(torch.cat(parts, dim=-1))


class ControlBackbone(nn.Module):  # type: ignore[misc]
    """Two gated layers on what a few sensors measure.

    Parameters
    ----------
    n_observations : int
        Numbers in an observation.
    width : int
        E.

    Examples
    --------
    >>> ControlBackbone(2, 4)(torch.zeros(3, 2)).shape
    torch.Size([3, 4])
    """

    def __init__(self, n_observations: int, width: int) -> None:
        super().__init__()
        self.n_observations = check_int(n_observations, where="ControlBackbone", name="n_observations")
        self.width = check_int(width, where="ControlBackbone", name="width")
        layers = *_gated(n_observations, width), *_gated(width, width)
        self.input_projector = nn.Sequential(nn.Flatten(), *layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, E) of observations (B, ...)."""
        if x.ndim < 2 or x[0].numel() != self.n_observations:
            bound = f"must hold {self.n_observations} numbers for each trial"
            raise SpecError.of(where="ControlBackbone", name="x", value=tuple(x.shape), bound=bound)
        return self.input_projector(x)


def _gated(n_in: int, n_out: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Linear(n_in, 2 * n_out), nn.GLU(), nn.LayerNorm(n_out)


class Backbone(NamedTuple):
    """A backbone, what it is given, and what it gives.

    Parameters
    ----------
    module : torch.nn.Module
    first : torch.nn.Module
        What the input passes before it: for a `ResNet` a learned map to three channels, else nothing.
    channels : int
        Features in a place.

    Examples
    --------
    >>> backbone_of("parity", 0, width=4).channels
    4
    """

    module: nn.Module
    first: nn.Module
    channels: int


def features_of(backbone: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Let a backbone look at an input.

    Parameters
    ----------
    backbone : torch.nn.Module
    x : tensor, (B, ...)

    Returns
    -------
    tensor, (B, C, ...)

    Raises
    ------
    SpecError
        If batch norm is to learn from one number per channel, which has no variance.

    Examples
    --------
    >>> features_of(pixel_backbone(1, 4).eval(), torch.zeros(1, 1, 4, 4)).shape
    torch.Size([1, 4, 1, 1])
    """
    try:
        return backbone(x)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        bound = "leaves one number per channel, from which batch norm cannot learn"
        fix = "train with more trials or larger images, or call eval()"
        raise SpecError.of(where="CTM", name="x", value=tuple(x.shape), bound=bound, fix=fix) from error


def backbone_of(name: str, n_features: int | None, *, width: int) -> Backbone:
    """Build a backbone by its name.

    Parameters
    ----------
    name : str
        One of `BACKBONES`.
    n_features : int or None
        Width of features, channels of an image, vocabulary of tokens; ``"parity"`` has none.
    width : int
        E, width of the attention.

    Returns
    -------
    Backbone

    Raises
    ------
    SpecError
        If a number is missing or out of bounds, or the name is not known.

    Examples
    --------
    >>> backbone_of("resnet18-2", 1, width=16).channels
    128
    """
    check_choice(name, BACKBONES, where="CTM", name="backbone")
    if name == "parity":
        return Backbone(ParityBackbone(width), nn.Identity(), width)
    n = check_int(n_features, where="CTM", name="n_features")
    if name == "tokens":
        return Backbone(TokenBackbone(n, width), nn.Identity(), width)
    if name == "pixels":
        return Backbone(pixel_backbone(n, width), nn.Identity(), width)
    if name == "shallow-wide":
        return Backbone(ShallowWide(n), nn.Identity(), 2048)
    if name == "features":
        return Backbone(nn.Identity(), nn.Identity(), n)
    depth, stages = (int(digits) for digits in re.findall(r"\d+", name))
    net = ResNet(depth, stages)
    return Backbone(net, nn.Conv2d(n, 3, 1), net.channels)
