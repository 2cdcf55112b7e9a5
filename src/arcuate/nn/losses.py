"""Losses of models that answer at every tick, and how often they are right."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from arcuate.ctm import Thought
from arcuate.errors import SpecError

__all__ = ["accuracy", "ctc_loss", "errors_per_tick", "tick_loss"]


def _classes(thought: Thought, targets: torch.Tensor) -> torch.Tensor:
    """Return logits (B, classes, ..., T) that fit targets (B,) or (B, positions)."""
    logits: torch.Tensor = thought.predictions
    batch, n_outputs, ticks = logits.shape
    positions = 1 if targets.ndim == 1 else targets.shape[-1]
    if targets.ndim > 2 or len(targets) != batch or n_outputs % positions:
        bound = f"must be one per trial, or a row per trial, for predictions of shape {tuple(logits.shape)}"
        raise SpecError.of(where="tick_loss", name="targets", value=tuple(targets.shape), bound=bound)
    n_classes = n_outputs // positions
    if targets.is_floating_point() or not ((targets >= 0) & (targets < n_classes)).all():
        bound = f"must be whole numbers from 0 to {n_classes - 1}"
        raise SpecError.of(where="tick_loss", name="targets", bound=bound)
    if targets.ndim == 1:
        return logits
    return logits.view(batch, positions, n_classes, ticks).transpose(1, 2)


def errors_per_tick(thought: Thought, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every trial and tick, averaged over positions.

    Parameters
    ----------
    thought : Thought
        What a model gave.
    targets : tensor of int
        Class of each trial (B,), or of each of its positions (B, L).

    Returns
    -------
    tensor, (B, T)
        In nats.

    Examples
    --------
    >>> from arcuate.nn import ContinuousThoughtMachine
    >>> model = ContinuousThoughtMachine(n_outputs=3, n_ticks=4, n_neurons=16, width=2, heads=0, n_out=4)
    >>> errors_per_tick(model(torch.zeros(5, 2)), torch.tensor([0, 1, 2, 0, 1])).shape
    torch.Size([5, 4])
    """
    logits = _classes(thought, targets)
    ticks = logits.shape[-1]
    wanted = targets.long().unsqueeze(-1).expand(*targets.shape, ticks)
    errors = F.cross_entropy(logits, wanted, reduction="none")
    return errors if targets.ndim == 1 else errors.mean(1)


def tick_loss(thought: Thought, targets: torch.Tensor, *, most_certain: bool = True) -> torch.Tensor:
    """Half the error at each trial's best tick, half at its most certain one (spec 2.2).

    Parameters
    ----------
    thought : Thought
        What a model gave.
    targets : tensor of int
        Class of each trial (B,), or of each of its positions (B, L), as parity has it.
    most_certain : bool
        False: the last tick instead of the most certain one.

    Returns
    -------
    tensor, ()
        Mean over trials; ticks are chosen without gradient, ties take the first.

    Raises
    ------
    SpecError
        If the targets do not fit the predictions.

    Examples
    --------
    >>> from arcuate.nn import ContinuousThoughtMachine
    >>> model = ContinuousThoughtMachine(n_outputs=3, n_ticks=1, n_neurons=16, width=2, heads=0, n_out=4)
    >>> thought, targets = model(torch.zeros(5, 2)), torch.tensor([0, 1, 2, 0, 1])
    >>> bool(tick_loss(thought, targets) == errors_per_tick(thought, targets).mean())
    True
    """
    errors = errors_per_tick(thought, targets)
    best = errors.detach().argmin(1, keepdim=True)
    certainties: torch.Tensor = thought.certainties
    if most_certain:
        chosen = certainties[:, 1].detach().argmax(1, keepdim=True)
    else:
        chosen = torch.full_like(best, errors.shape[1] - 1)
    return (errors.gather(1, best) + errors.gather(1, chosen)).mean() / 2


def ctc_loss(thought: Thought, targets: torch.Tensor) -> torch.Tensor:
    """Connectionist temporal classification over the ticks (spec 2.4); the last output is the blank.

    Parameters
    ----------
    thought : Thought
        What a model gave.
    targets : tensor of int, (B, N)
        The list to be written, such as the indices that sort the input.

    Returns
    -------
    tensor, ()

    Raises
    ------
    SpecError
        If there are fewer ticks than items, or a target is no output.

    Examples
    --------
    >>> from arcuate.nn import ContinuousThoughtMachine
    >>> model = ContinuousThoughtMachine(n_outputs=3, n_ticks=6, n_neurons=16, width=2, heads=0, n_out=4)
    >>> ctc_loss(model(torch.zeros(1, 2)), torch.tensor([[1, 0]])).shape
    torch.Size([])
    """
    batch, n_outputs, ticks = thought.predictions.shape
    if targets.ndim != 2 or len(targets) != batch or targets.shape[1] > ticks:
        bound = f"must be a row of at most {ticks} items (one per tick) for each of {batch} trials"
        raise SpecError.of(where="ctc_loss", name="targets", value=tuple(targets.shape), bound=bound)
    if targets.is_floating_point() or not ((targets >= 0) & (targets < n_outputs - 1)).all():
        bound = f"must be whole numbers from 0 to {n_outputs - 2}; {n_outputs - 1} is the blank"
        raise SpecError.of(where="ctc_loss", name="targets", bound=bound)
    log_p = F.log_softmax(thought.predictions, dim=1).permute(2, 0, 1)
    lengths = torch.full((batch,), ticks), torch.full((batch,), targets.shape[1])
    return F.ctc_loss(log_p, targets, *lengths, blank=n_outputs - 1)


def accuracy(thought: Thought, targets: torch.Tensor) -> dict[str, float]:
    """Shares of positions and of whole trials that are right at the most certain tick.

    Parameters
    ----------
    thought : Thought
        What a model gave.
    targets : tensor of int
        As `tick_loss` takes them.

    Returns
    -------
    dict
        ``"element"`` and ``"whole"``.

    Examples
    --------
    >>> from arcuate.nn import ContinuousThoughtMachine
    >>> model = ContinuousThoughtMachine(n_outputs=3, n_ticks=4, n_neurons=16, width=2, heads=0, n_out=4)
    >>> sorted(accuracy(model(torch.zeros(5, 2)), torch.tensor([0, 1, 2, 0, 1])))
    ['element', 'whole']
    """
    logits = _classes(thought, targets)
    tick = thought.certainties[:, 1].argmax(1)
    answers = logits[torch.arange(len(logits)), ..., tick].argmax(1)
    right = (answers == targets).view(len(targets), -1)
    return {"element": right.double().mean().item(), "whole": right.all(1).double().mean().item()}
