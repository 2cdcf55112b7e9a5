"""Losses of models that answer at every tick, and how often they are right."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional as F

from arcuate.ctm import Thought
from arcuate.errors import SpecError, check_int

__all__ = ["accuracy", "asked_loss", "ctc_loss", "errors_per_tick", "route_loss", "series_loss", "tick_loss"]


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
    errors = _errors(_classes(thought, targets), targets)
    return errors if targets.ndim == 1 else errors.mean(1)


def _errors(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits (B, classes, ..., T) for targets (B, ...), in nats (B, ..., T)."""
    wanted = targets.long().unsqueeze(-1).expand(*targets.shape, logits.shape[-1])
    return F.cross_entropy(logits, wanted, reduction="none")


def _half_best(errors: torch.Tensor, thought: Thought, *, most_certain: bool) -> torch.Tensor:
    """Half the error (B, T) at each trial's best tick, half at its most certain or last; mean over trials."""
    best = errors.detach().argmin(1, keepdim=True)
    certainties: torch.Tensor = thought.certainties
    if most_certain:
        chosen = certainties[:, 1].detach().argmax(1, keepdim=True)
    else:
        chosen = torch.full_like(best, errors.shape[1] - 1)
    return (errors.gather(1, best) + errors.gather(1, chosen)).mean() / 2


def tick_loss(
    thought: Thought, targets: torch.Tensor, *, most_certain: bool = True, fewest: int | None = None
) -> torch.Tensor:
    """Half the error at each trial's best tick, half at its most certain one (Darlow et al. 2025).

    Parameters
    ----------
    thought : Thought
        What a model gave.
    targets : tensor of int
        Class of each trial (B,), or of each of its positions (B, L), as parity has it.
    most_certain : bool
        False: the last tick instead of the most certain one.
    fewest : int or None
        Tick dropout, as traces are dropped by Su et al. 2025 (Dualformer, arXiv 2410.09918): the loss sees
        only so many of the first ticks, a number drawn from ``fewest`` to all for each call, by torch's
        generator. What is learned answers early. None: all ticks.

    Returns
    -------
    tensor, ()
        Mean over trials; ticks are chosen without gradient, ties take the first.

    Raises
    ------
    SpecError
        If the targets do not fit the predictions, or there are fewer ticks than ``fewest``.

    Examples
    --------
    >>> from arcuate.nn import ContinuousThoughtMachine
    >>> model = ContinuousThoughtMachine(n_outputs=3, n_ticks=1, n_neurons=16, width=2, heads=0, n_out=4)
    >>> thought, targets = model(torch.zeros(5, 2)), torch.tensor([0, 1, 2, 0, 1])
    >>> bool(tick_loss(thought, targets) == errors_per_tick(thought, targets).mean())
    True
    """
    errors = errors_per_tick(thought, targets)
    if fewest is not None:
        check_int(fewest, where="tick_loss", name="fewest", high=errors.shape[1])
        seen = int(torch.randint(fewest, errors.shape[1] + 1, ()))
        errors, thought = errors[:, :seen], replace(thought, certainties=thought.certainties[..., :seen])
    return _half_best(errors, thought, most_certain=most_certain)


def route_loss(
    thought: Thought, targets: torch.Tensor, *, lookahead: int = 5, most_certain: bool = True
) -> torch.Tensor:
    """`tick_loss` of a route, of which only the moves up to a few after the first mistake count.

    The curriculum of Darlow et al. 2025 (arXiv 2505.05522) for mazes: at the tick at which a trial's first
    moves are right for longest, with a the index of the last of them (0 if there is none), moves 0 to
    a + lookahead - 1 count.

    Parameters
    ----------
    thought : Thought
        What a model gave.
    targets : tensor of int, (B, R)
        Move of each step of the route.
    lookahead : int
        How far the counted moves reach beyond the last right one.
    most_certain : bool
        False: the last tick instead of the most certain one.

    Returns
    -------
    tensor, ()
        Mean over trials.

    Raises
    ------
    SpecError
        If the targets do not fit the predictions, or ``lookahead`` is below 1.

    Examples
    --------
    >>> from arcuate.nn import ContinuousThoughtMachine
    >>> model = ContinuousThoughtMachine(n_outputs=50, n_ticks=4, n_neurons=16, width=2, heads=0, n_out=4)
    >>> thought, targets = model(torch.zeros(5, 2)), torch.zeros(5, 10, dtype=torch.long)
    >>> bool(route_loss(thought, targets, lookahead=10) == tick_loss(thought, targets))
    True
    """
    check_int(lookahead, where="route_loss", name="lookahead")
    if targets.ndim != 2:
        bound = "must be a row of moves per trial"
        raise SpecError.of(where="route_loss", name="targets", value=tuple(targets.shape), bound=bound)
    logits = _classes(thought, targets)
    right = (logits.argmax(1) == targets.unsqueeze(-1)).long().cumprod(1).sum(1).amax(1)
    asked = (right - 1).clamp(min=0) + lookahead
    counts = torch.arange(targets.shape[1], device=targets.device) < asked.unsqueeze(1)
    errors = (_errors(logits, targets) * counts.unsqueeze(-1)).sum(1) / counts.sum(1, keepdim=True)
    return _half_best(errors, thought, most_certain=most_certain)


def series_loss(thought: Thought, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of what is expected after each row of a series, over all rows.

    Parameters
    ----------
    thought : Thought
        What a model gave.
    targets : tensor of int, (B, rows)
        Class after each row; where a row has several ticks, the last of them answers.

    Returns
    -------
    tensor, ()
        In nats.

    Raises
    ------
    SpecError
        If the targets do not fit the predictions.

    Examples
    --------
    >>> from arcuate.nn import SeriesThoughtMachine
    >>> model = SeriesThoughtMachine(n_outputs=3, width=2, n_neurons=16, n_out=4)
    >>> series_loss(model(torch.zeros(5, 8, 2)), torch.zeros(5, 8, dtype=torch.long)).shape
    torch.Size([])
    """
    batch, n_classes, ticks = thought.predictions.shape
    if targets.ndim != 2 or len(targets) != batch or not targets.numel() or ticks % targets.shape[1]:
        bound = f"must be a row for each of {batch} trials, whose length divides {ticks} ticks"
        raise SpecError.of(where="series_loss", name="targets", value=tuple(targets.shape), bound=bound)
    if targets.is_floating_point() or not ((targets >= 0) & (targets < n_classes)).all():
        bound = f"must be whole numbers from 0 to {n_classes - 1}"
        raise SpecError.of(where="series_loss", name="targets", bound=bound)
    each = ticks // targets.shape[1]
    return F.cross_entropy(thought.predictions[..., each - 1 :: each], targets.long())


def asked_loss(said: torch.Tensor | Thought, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy at the places of a sequence that ask for an answer.

    Parameters
    ----------
    said : tensor, (B, places, classes), or Thought
        Logits of a transformer, or what a machine thought with one tick for each place.
    targets : tensor of int, (B, places)
        Classes; -1 where nothing is asked.

    Returns
    -------
    tensor, ()
        In nats, the mean over places that ask.

    Raises
    ------
    SpecError
        If the targets do not fit, or nothing is asked.

    Examples
    --------
    >>> round(float(asked_loss(torch.zeros(2, 3, 4), torch.tensor([[-1, 1, -1], [0, 3, -1]]))), 4)
    1.3863
    """
    logits = said.predictions if isinstance(said, Thought) else said.transpose(1, 2)
    classes, places = logits.shape[1:]
    if targets.shape != (len(logits), places):
        bound = f"must have shape {(len(logits), places)}"
        raise SpecError.of(where="asked_loss", name="targets", value=tuple(targets.shape), bound=bound)
    if (
        targets.is_floating_point()
        or not ((targets >= -1) & (targets < classes)).all()
        or (targets < 0).all()
    ):
        bound = f"must be whole numbers from 0 to {classes - 1}, or -1 where nothing is asked, not everywhere"
        raise SpecError.of(where="asked_loss", name="targets", bound=bound)
    return F.cross_entropy(logits, targets.long(), ignore_index=-1)


def ctc_loss(thought: Thought, targets: torch.Tensor) -> torch.Tensor:
    """Connectionist temporal classification over the ticks; the last output is the blank.

    A. Graves, S. Fernandez, F. Gomez and J. Schmidhuber, Connectionist temporal classification, ICML (2006).

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
