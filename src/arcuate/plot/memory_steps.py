"""Pictures of a PMI memory at work: who writes where, which gates open, how much the segments hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_choice, check_int
from arcuate.plot._axes import (
    DASHES,
    MARKERS,
    axes,
    color,
    legend_above,
    numbers,
    say,
    states_of,
    steps_of,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES = ("norm", "rank")
"""What is said of a segment: how large it is, or in how many directions its rows go."""


def slot_attention(
    result: Any,
    *,
    steps: Sequence[int] | None = None,
    trial: int = 0,
    head: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw from which tokens each slot of a working memory is written, one step beside the other.

    Parameters
    ----------
    result : Recording or sequence of PMIStep
        As `arcuate.memory.record_steps` arranges steps, or the steps themselves.
    steps : sequence of int, optional
        Which steps, by position; default the first, the middle and the last.
    trial : int
        By position.
    head : int, optional
        Default the mean over heads.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Token against slot; weights that are not among the ``top_k`` largest of their row are 0.

    Raises
    ------
    SpecError
        If a step, a trial or a head does not exist, or the result is of another kind.
    UnknownNameError
        If nothing was written in the recording.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.memory import PMIConfig, PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5), seed=1)
    >>> ax = slot_attention(memory.run(np.ones((3, 2, 4, 8))))
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['tick 1', 'tick 2', 'tick 3']
    """
    where = "plot.slot_attention"
    ax = axes(ax, width=9.0, height=3.0)
    ax.set(xlabel="token", ylabel="slot")
    recording = _recording(result, where)
    weights, places, label = _quantity(recording, "write", "probability", where=where)
    if "mask" in recording.states("pmi/write"):
        weights = weights * _quantity(recording, "write", "mask", where=where)[0]
    weights = _of_trial(weights, trial, where)[0]  # (step, head, slot, token)
    if not np.isfinite(weights).any():
        return say(ax, "no attention to show")
    last, heads = len(weights) - 1, weights.shape[1]
    if head is None:
        weights = weights.mean(axis=1)
    else:
        weights = weights[:, check_int(head, where=where, name="head", low=0, high=heads - 1)]
    wanted = sorted({0, last // 2, last}) if steps is None else steps
    shown = [check_int(step, where=where, name="step", low=0, high=last) for step in wanted]
    if not shown:
        return say(ax, "no steps to show")
    n_slots, n_tokens = weights.shape[1:]
    gap = max(n_tokens // 8, 1)
    picture = np.full((n_slots, len(shown) * (n_tokens + gap) - gap), np.nan)
    for k, step in enumerate(shown):
        picture[:, k * (n_tokens + gap) : k * (n_tokens + gap) + n_tokens] = weights[step]
    image = ax.imshow(picture, cmap="cividis", vmin=0, interpolation="nearest", aspect="auto")
    ax.figure.colorbar(image, ax=ax).set_label("weight")
    middles = [k * (n_tokens + gap) + (n_tokens - 1) / 2 for k in range(len(shown))]
    ax.set_xticks(middles, [f"{label.partition(' ')[0]} {places[step]:g}" for step in shown])
    ax.yaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    ax.spines[:].set_visible(False)
    return ax


def slot_gates(result: Any, *, trial: int | None = None, ax: Axes | None = None) -> Axes:
    """Draw how far the gates of each slot are open, step by step: what comes in above, what stays below.

    Parameters
    ----------
    result : Recording or sequence of PMIStep
        As for `slot_attention`; of a memory with gates.
    trial : int, optional
        By position; default the mean over trials.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Step against slot, input gates above forget gates, each the mean over its features.

    Raises
    ------
    SpecError
        If there is no such trial, or the result is of another kind.
    UnknownNameError
        If the memory has no gates.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.memory import PMIConfig, PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5), seed=1)
    >>> ax = slot_gates(memory.run(np.ones((3, 2, 4, 8))))
    >>> [text.get_text() for text in ax.texts]
    ['input', 'forget']
    """
    where = "plot.slot_gates"
    ax = axes(ax)
    recording, both = _recording(result, where), []
    for name in ("input", "forget"):
        gate, places, label = _quantity(recording, "gates", name, where=where)
        both.append(_of_trial(gate, trial, where).mean(axis=(0, -1)))  # (step, slot)
    ax.set(xlabel=label, ylabel="slot")
    if not np.isfinite(both).any():
        return say(ax, "no gates to show")
    n_slots = both[0].shape[1]
    blank = np.full((len(places), 1), np.nan)
    picture = np.hstack((both[0], blank, both[1])).T
    edges = (places[0] - 0.5, places[-1] + 0.5, len(picture) - 0.5, -0.5)
    image = ax.imshow(
        picture, cmap="cividis", vmin=0, vmax=1, extent=edges, interpolation="nearest", aspect="auto"
    )
    ax.figure.colorbar(image, ax=ax).set_label("gate")
    rows = np.arange(n_slots)
    ax.set_yticks([*rows, *(rows + n_slots + 1)], [str(row) for row in (*rows, *rows)])
    ax.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    for word, row in (("input", -0.6), ("forget", n_slots + 0.35)):
        ax.text(places[0] - 0.5, row, word, ha="left", va="bottom", fontsize="small")
    ax.spines[:].set_visible(False)
    return ax


def memory_occupancy(
    result: Any, *, measure: str = "norm", trial: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how much each segment of a long-term memory holds, step by step.

    The norm is that of Frobenius. The rank is the effective one, the exponential of the entropy of the
    singular values over their sum (Roy and Vetterli 2007); an empty segment has rank 0.

    Parameters
    ----------
    result : Recording or sequence of PMIStep
        As for `slot_attention`; of a memory with a long-term memory.
    measure : {"norm", "rank"}
    trial : int, optional
        By position; default the mean over trials.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Step against norm or effective rank, a line for each segment.

    Raises
    ------
    SpecError
        If there is no such trial or measure, or the result is of another kind.
    UnknownNameError
        If there is no long-term memory in the recording.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.memory import PMIConfig, PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5, n_segments=3, ltm_rule="ring"), seed=1)
    >>> ax = memory_occupancy(memory.run(np.ones((3, 2, 4, 8))))
    >>> [bool(line.get_ydata()[0] > 0) for line in ax.lines]  # the first step fills the first segment
    [True, False, False]
    """
    where = "plot.memory_occupancy"
    check_choice(measure, MEASURES, where=where, name="measure")
    ax = axes(ax)
    stored, places, label = _quantity(_recording(result, where), "long_term_memory", "M_l", where=where)
    stored = _of_trial(stored, trial, where)  # (trial, step, segment, row, feature)
    ax.set(xlabel=label, ylabel="norm" if measure == "norm" else "effective rank")
    if not np.isfinite(stored).all():
        return say(ax, "no long-term memory to show, or NaN in it")
    held = np.linalg.norm(stored, axis=(-2, -1)) if measure == "norm" else _effective_rank(stored)
    for segment, line in enumerate(held.mean(axis=0).T):
        style: dict[str, Any] = {
            "linestyle": DASHES[segment % len(DASHES)],
            "marker": MARKERS[segment % len(MARKERS)],
        }
        ax.plot(places, line, color=color(segment), markersize=4, label=f"segment {segment}", **style)
    ax.set_ylim(0, 1.08 * held.max() or 1.0)
    ax.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    legend_above(ax, columns=5)
    return tidy(ax, legend=False)


def _effective_rank(matrices: np.ndarray) -> np.ndarray:
    """Return the effective rank of matrices (..., rows, columns); 0 of zeros."""
    sizes = np.linalg.svd(matrices, compute_uv=False)
    total = sizes.sum(axis=-1, keepdims=True)
    share = sizes / np.where(total > 0, total, 1)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=-1)
    return np.where(total[..., 0] > 0, np.exp(entropy), 0.0)


def _recording(result: Any, where: str) -> Any:
    """Return the recording of steps, arranged if they are given bare."""
    if hasattr(result, "sites") and hasattr(result, "states"):
        return result
    from arcuate.memory import record_steps
    from arcuate.memory.pmi import PMIStep

    if isinstance(result, Sequence) and result and all(isinstance(step, PMIStep) for step in result):
        return record_steps(result)
    bound = "must be a Recording of steps, or a list of PMIStep"
    fix = "draw what PMIMemory.run returns"
    raise SpecError.of(where=where, name="result", value=type(result).__name__, bound=bound, fix=fix)


def _quantity(recording: Any, site: str, name: str, *, where: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Return a quantity (trial, step, ...units), the steps and their label."""
    data = states_of(recording, f"pmi/{site}", name, where)
    values = numbers(data, where=where, name=name, ndim=(3,))
    units = [part for part in ("head", "query", "slot", "segment", "row", "feature") if part in data.coords]
    shape = [int(data[part].values.max()) + 1 for part in units]
    return values.reshape(*values.shape[:2], *shape), *steps_of(data, values.shape[1])


def _of_trial(values: np.ndarray, trial: int | None, where: str) -> np.ndarray:
    """Return one trial, or all; the trials stay the first axis."""
    if trial is None:
        return values
    which = check_int(trial, where=where, name="trial", low=0, high=len(values) - 1)
    return values[which : which + 1]
