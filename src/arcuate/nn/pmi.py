"""PMI memories as torch modules: parameters that are trained, equations that are those of `arcuate.memory`.

`arcuate.memory.pmi_step` computes what is computed here, of tensors instead of arrays; nothing is written
twice. Parameters have the names of the official code (https://github.com/zengxyyu/PMI-TR, MIT, commit
a094ee3) below ``relational_memory.``, so that `arcuate.memory.PMIMemory` runs trained ones without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from arcuate.errors import NonFiniteError, SpecError, check_int
from arcuate.memory import (
    PMIConfig,
    PMIMemory,
    PMIState,
    PMIStep,
    draw_parameters,
    memorize,
    pmi_step,
    retrieve,
)
from arcuate.memory.inference import check_state, initial_state
from arcuate.nn._layers import as_tensor
from arcuate.rng import check_seed, stream

__all__ = ["PMIModule", "beginning", "check_input", "derived_seed", "initialize_linear", "named", "plant"]


class PMIModule(nn.Module):  # type: ignore[misc]
    """A working memory and a long-term memory whose parameters are trained.

    Parameters
    ----------
    config : PMIConfig
    seed : int
        Start values are those of `arcuate.memory.draw_parameters`, in single precision.

    Examples
    --------
    >>> module = PMIModule(PMIConfig(d_model=8, n_heads=2, n_slots=5), seed=1)
    >>> step = module(torch.ones(2, 3, 8))
    >>> step.understanding.shape, module(torch.ones(2, 3, 8), step.state).state.step
    (torch.Size([2, 3, 8]), 2)
    """

    def __init__(self, config: PMIConfig, *, seed: int = 0) -> None:
        super().__init__()
        if not isinstance(config, PMIConfig):
            raise SpecError.of(where="PMIModule", name="config", value=config, bound="must be a PMIConfig")
        self.config, self.seed = config, check_seed(seed)
        plant(self, draw_parameters(config, seed=self.seed))

    def extra_repr(self) -> str:
        """Say which rules it follows."""
        return f"{self.config.ltm_rule}, {self.config.integration}"

    def initial_state(self, batch: int) -> PMIState:
        """Begin, as `arcuate.memory.PMIMemory.initial_state` does.

        The official rule begins with random numbers: while training with others at each pass, from torch's
        generator; in evaluation with the same for every trial, from the seed.

        Parameters
        ----------
        batch : int

        Returns
        -------
        PMIState
            Of tensors, in the precision and place of the parameters.

        Examples
        --------
        >>> module = PMIModule(PMIConfig(d_model=8, n_heads=2, n_slots=5, ltm_rule="ring"))
        >>> module.initial_state(3).long_term_memory.shape
        torch.Size([3, 5, 5, 8])
        """
        return beginning(self.config, batch, like=self.get_parameter("value_proj.weight"), module=self)

    def forward(self, tokens: torch.Tensor, state: PMIState | None = None) -> PMIStep:
        """Take in tokens of a batch, and say what is understood.

        Parameters
        ----------
        tokens : tensor, (B, T, d_input)
        state : PMIState or None
            What the memories held before; None begins.

        Returns
        -------
        PMIStep
            Its ``state`` is what the next step may begin from; its gradient goes back through all of them.

        Raises
        ------
        SpecError
            If tokens or state do not fit the configuration.
        NonFiniteError
            If tokens are not finite, or what comes of them.

        Examples
        --------
        >>> module = PMIModule(PMIConfig(d_model=8, n_heads=2, n_slots=5))
        >>> module(torch.ones(1, 3, 8)).write.probabilities.shape
        torch.Size([1, 2, 5, 3])
        """
        x, state = self._checked(tokens, state)
        step = pmi_step(x, state, named(self), config=self.config)
        _check_finite(step.state, step.understanding)
        return step

    def memorize(self, tokens: torch.Tensor, state: PMIState | None = None) -> PMIState:
        """Take in tokens of a batch without asking what they mean.

        Parameters
        ----------
        tokens : tensor, (B, T, d_input)
        state : PMIState or None
            As for `forward`.

        Returns
        -------
        PMIState
            As after `forward`.

        Raises
        ------
        SpecError, NonFiniteError
            As `forward`.

        Examples
        --------
        >>> module = PMIModule(PMIConfig(d_model=8, n_heads=2, n_slots=5))
        >>> module.memorize(torch.ones(1, 3, 8)).step
        1
        """
        x, state = self._checked(tokens, state)
        new = memorize(x, state, named(self), config=self.config)
        _check_finite(new)
        return new

    def retrieve(self, tokens: torch.Tensor, state: PMIState) -> torch.Tensor:
        """Ask what the memories say of tokens, and write nothing.

        Parameters
        ----------
        tokens : tensor, (B, T, d_input)
        state : PMIState
            After at least one write for the rule ``ring``.

        Returns
        -------
        tensor, (B, T, D)

        Raises
        ------
        SpecError, NonFiniteError
            As `forward`.

        Examples
        --------
        >>> module = PMIModule(PMIConfig(d_model=8, n_heads=2, n_slots=5))
        >>> step = module(torch.ones(1, 3, 8))
        >>> torch.equal(module.retrieve(torch.ones(1, 3, 8), step.state), step.understanding)
        True
        """
        x, state = self._checked(tokens, state)
        understanding: torch.Tensor = retrieve(x, state, named(self), config=self.config)
        _check_finite(state, understanding)
        return understanding

    def _checked(self, tokens: torch.Tensor, state: PMIState | None) -> tuple[torch.Tensor, PMIState]:
        width = self.config.d_input or self.config.d_model
        own = self.get_parameter("value_proj.weight")
        x = check_input(tokens, (None, None, width), like=own, name="tokens", where="PMIModule")
        if state is None:
            return x, self.initial_state(len(x))
        check_state(state, self.config, len(x), where="PMIModule", kind=torch.Tensor)
        return x, state

    def to_numpy(self) -> PMIMemory:
        """Give the same memory without torch.

        Returns
        -------
        PMIMemory

        Examples
        --------
        >>> PMIModule(PMIConfig(d_model=8, n_heads=2, n_slots=5)).to_numpy()
        PMIMemory(delta, residual, 5227 parameters)
        """
        arrays = {name: value.detach().cpu().numpy() for name, value in named(self).items()}
        precision = "float64" if arrays["value_proj.weight"].dtype == np.float64 else "float32"
        return PMIMemory(self.config, arrays, precision=precision)

    @classmethod
    def from_numpy(cls, memory: Any) -> PMIModule:
        """Take over a memory that was made without torch.

        Parameters
        ----------
        memory : PMIMemory

        Returns
        -------
        PMIModule
            In the precision of the memory.

        Examples
        --------
        >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5), seed=3)
        >>> PMIModule.from_numpy(memory)(torch.ones(1, 2, 8)).understanding.dtype
        torch.float64
        """
        if not isinstance(memory, PMIMemory):
            bound = f"must be a PMIMemory, not {type(memory).__name__}"
            raise SpecError.of(where="PMIModule.from_numpy", name="memory", bound=bound)
        module = cls(memory.config).to(getattr(torch, memory.precision))
        with torch.no_grad():
            for name, value in module.named_parameters():
                value.copy_(torch.from_numpy(memory.parameters[name]).reshape(value.shape))
        return module


def plant(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Give a module parameters, in single precision, by names with dots.

    Parameters
    ----------
    module : torch.nn.Module
    arrays : mapping of str to ndarray
    """
    for name, value in arrays.items():
        *path, last = name.split(".")
        place = module
        for part in path:
            if part not in dict(place.named_children()):
                place.add_module(part, nn.Module())
            place = place.get_submodule(part)
        place.register_parameter(last, nn.Parameter(torch.from_numpy(np.array(value, dtype="float32"))))


def named(module: nn.Module) -> dict[str, torch.Tensor]:
    """Give parameters and buffers by name, as the functions of `arcuate.memory` take them.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    dict of str to tensor
    """
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def beginning(config: PMIConfig, batch: int, *, like: torch.Tensor, module: Any) -> PMIState:
    """Give a state to begin with, as `PMIModule.initial_state` says.

    Parameters
    ----------
    config : PMIConfig
    batch : int
    like : tensor
        Precision and place.
    module : object
        With ``seed`` and ``training``.

    Returns
    -------
    PMIState
    """
    check_int(batch, where="PMIModule", name="batch")
    first = initial_state(config, 1, seed=module.seed)

    def spread(array: np.ndarray) -> torch.Tensor:
        one = torch.from_numpy(array).to(like.device, like.dtype)
        return one.expand(batch, *one.shape[1:])

    long = None if first.long_term_memory is None else spread(first.long_term_memory)
    if config.ltm_rule == "official" and module.training and long is not None:
        long = torch.rand(long.shape, dtype=like.dtype, device=like.device)
    return PMIState(working_memory=spread(first.working_memory), long_term_memory=long)


def check_input(
    x: Any, shape: tuple[int | None, ...], *, like: torch.Tensor, name: str, where: str
) -> torch.Tensor:
    """Return an input in the precision of a model, or refuse it.

    Parameters
    ----------
    x : tensor or array
    shape : tuple of int or None
        Length of each axis; None: any but 0.
    like : tensor
        Precision and place.
    name, where : str
        For the message.

    Returns
    -------
    tensor

    Raises
    ------
    SpecError
        If it is no tensor of real numbers of that shape.
    NonFiniteError
        If a number is not finite; the first is named.
    """
    x = as_tensor(x, like.device, where=where, name=name)
    fits = x.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, x.shape, strict=True))
    if not fits or not x.numel() or x.is_complex():
        words = ", ".join("any" if n is None else str(n) for n in shape)
        bound = f"must be real numbers of shape ({words}), none of them 0; it is {tuple(x.shape)}"
        raise SpecError.of(where=where, name=name, bound=bound)
    if not torch.isfinite(x).all():
        place = torch.nonzero(~torch.isfinite(x))[0].tolist()
        bound = f"must be finite; {name}{place} is {x[tuple(place)].item()}"
        raise NonFiniteError.of(where=where, name=name, bound=bound)
    return x.to(like.dtype)


def derived_seed(seed: int, name: str) -> int:
    """Give a part of a model a seed of its own.

    Parameters
    ----------
    seed : int
    name : str
        Address of the draw: ``pmi/<name>``.

    Returns
    -------
    int
    """
    return int(stream(seed, f"pmi/{name}").integers(2**63))


def initialize_linear(model: nn.Module, seed: int, *, prefix: str = "pmi") -> None:
    """Draw weights of affine maps, convolutions and embeddings as torch does, from streams by their names.

    Parameters
    ----------
    model : torch.nn.Module
    seed : int
    prefix : str
        Address of the draws: ``<prefix>/<name>``.
    """
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, nn.Embedding):
                drawn = stream(seed, f"{prefix}/{name}.weight").standard_normal(tuple(module.weight.shape))
                module.weight.copy_(torch.from_numpy(drawn))
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                bound = module.weight[0].numel() ** -0.5
                for part, value in module.named_parameters(recurse=False):
                    drawn = stream(seed, f"{prefix}/{name}.{part}").uniform(-bound, bound, tuple(value.shape))
                    value.copy_(torch.from_numpy(drawn))


def _check_finite(state: PMIState, understanding: torch.Tensor | None = None) -> None:
    """Name what is not finite after a step."""
    found = {
        "working memory": state.working_memory,
        "long-term memory": state.long_term_memory,
        "understanding": understanding,
    }
    for name, value in found.items():
        if value is not None and not torch.isfinite(value).all():
            bound = f"is not finite after step {state.step}"
            raise NonFiniteError.of(where="PMIModule", name=name, bound=bound, fix="look at the weights")
