"""Pictures of what is predicted: read-outs by block, amplitude against probability, neurons over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError
from arcuate.plot._axes import (
    GRAY,
    MARKERS,
    axes,
    color,
    has_part,
    legend_beside,
    marker,
    numbers,
    part,
    say,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def prediction_by_block(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the read-out of every outcome against its target, block after block.

    Parameters
    ----------
    result : Dataset or mapping
        ``time`` (n_samples,) in s since the cue; ``prediction`` and ``target``, both
        (n_blocks, n_samples, n_outcomes); optionally ``block`` (n_blocks,) and ``outcome`` (n_outcomes,), the
        words written beside them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Time since the cue in ms, one stretch per block, against the read-out; targets dashed.

    Raises
    ------
    SpecError
        If the shapes do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 1.2, 121)
    >>> bump = np.exp(-((t - 0.4) ** 2) / (2 * 0.03**2))[None, :, None]
    >>> ax = prediction_by_block({"time": t, "prediction": 0.8 * bump, "target": bump})
    >>> ax.get_ylabel()
    'read-out'
    """
    where = "plot.prediction_by_block"
    ax = axes(ax, width=9.0)
    ax.set_xlabel("time since the cue (ms), one block after another")
    ax.set_ylabel("read-out")
    times = numbers(part(result, "time", where=where), where=where, name="time", ndim=(1,)) * 1e3
    curves = numbers(part(result, "prediction", where=where), where=where, name="prediction", ndim=(3,))
    targets = numbers(part(result, "target", where=where), where=where, name="target", ndim=(3,))
    if curves.shape != targets.shape or curves.shape[1] != times.size:
        raise SpecError.of(
            where=where,
            name="target",
            value=targets.shape,
            bound=f"must have the shape of prediction {curves.shape} and {times.size} samples",
        )
    if curves.size == 0:
        return say(ax, "no predictions in this result")
    n_blocks, _, n_outcomes = curves.shape
    blocks = _words(result, "block", n_blocks, "block")
    outcomes = _words(result, "outcome", n_outcomes, "outcome")
    if not np.isfinite(curves).any():
        return say(ax, "all predictions are NaN")
    span = times[-1] - times[0] if times.size > 1 else 1.0
    gap = 0.08 * span
    for block in range(n_blocks):
        shift = block * (span + gap) - times[0]
        _block(ax, times + shift, curves[block], targets[block], labels=outcomes if block == 0 else [])
        middle = shift + times[0] + span / 2
        above = ax.get_xaxis_transform()
        ax.text(middle, 1.01, blocks[block], transform=above, ha="center", fontsize="small")
        if block:
            ax.axvline(shift + times[0] - gap / 2, color=GRAY, linewidth=0.8)
    ax.set_xlim(-gap / 2, n_blocks * (span + gap) - gap / 2)
    _block_ticks(ax, times, n_blocks, span + gap)
    tidy(ax, legend=False)
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _block(
    ax: Axes, times: np.ndarray, curves: np.ndarray, targets: np.ndarray, *, labels: list[str]
) -> None:
    """Draw the read-outs and the targets of one block."""
    for outcome in range(curves.shape[1]):
        ax.plot(
            times,
            curves[:, outcome],
            color=color(outcome),
            marker=MARKERS[outcome % len(MARKERS)],
            markevery=max(times.size // 8, 1),
            markersize=3.5,
            linewidth=1.6,
            label=labels[outcome] if labels else None,
        )
        ax.plot(
            times,
            targets[:, outcome],
            color="black",
            linestyle="--",
            linewidth=1.2,
            zorder=3,
            label="target" if labels and outcome == 0 else None,
        )


def _words(result: Any, name: str, count: int, prefix: str) -> list[str]:
    """Return the words of an axis, or the prefix with a number."""
    if has_part(result, name):
        words = [str(word) for word in np.asarray(part(result, name, where="plot"))]
        if len(words) == count:
            return words
    return [f"{prefix} {index + 1}" for index in range(count)]


def _block_ticks(ax: Axes, times: np.ndarray, n_blocks: int, width: float) -> None:
    """Label every block's own time: start, middle, end of round numbers."""
    span = times[-1] - times[0] if times.size > 1 else 1.0
    step = 10.0 ** np.floor(np.log10(span)) if span > 0 else 1.0
    step = next(s for s in (step / 2, step, 2 * step, 5 * step) if span / s <= max(2, 12 // n_blocks))
    own = np.arange(np.ceil(times[0] / step) * step, times[-1] + 1e-9 * step, step)
    ax.set_xticks(
        [tick - times[0] + block * width for block in range(n_blocks) for tick in own],
        [f"{tick:g}" for _ in range(n_blocks) for tick in own],
        fontsize="small",
    )


def amplitude_vs_probability(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the amplitude of the prediction against the probability of the outcome, with the fitted line.

    Parameters
    ----------
    result : Dataset or mapping
        ``probability`` (n_conditions,) and ``amplitude``, (n_conditions,) or (n_seeds, n_conditions); the
        line is that of `arcuate.analysis.amplitude_vs_probability`, which needs three conditions that differ.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Probability against amplitude; the slope and R squared stand in the legend, beside the identity.

    Raises
    ------
    SpecError
        If the shapes do not go together.

    Examples
    --------
    >>> result = {"probability": [0.1, 0.5, 0.9], "amplitude": [0.1, 0.45, 0.8]}
    >>> amplitude_vs_probability(result).get_xlabel()
    'probability of the outcome'
    """
    from arcuate.analysis.prediction import amplitude_vs_probability as fit_line

    where = "plot.amplitude_vs_probability"
    ax = axes(ax, width=4.6, height=4.2)
    ax.set_xlabel("probability of the outcome")
    ax.set_ylabel("amplitude of the prediction")
    chance = numbers(part(result, "probability", where=where), where=where, name="probability", ndim=(1,))
    amplitude = numbers(part(result, "amplitude", where=where), where=where, name="amplitude", ndim=(1, 2))
    if amplitude.shape[-1] != chance.size:
        raise SpecError.of(
            where=where, name="amplitude", value=amplitude.shape, bound=f"must have {chance.size} conditions"
        )
    if not np.isfinite(amplitude).any():
        return say(ax, "no amplitudes in this result")
    rows = np.atleast_2d(amplitude)
    known = rows[:, np.isfinite(rows).all(axis=0)]
    where_known = chance[np.isfinite(rows).all(axis=0)]
    ends = np.array([min(0.0, float(chance.min())), max(1.0, float(chance.max()))])
    ax.plot(ends, ends, color=GRAY, linestyle=":", linewidth=1, label="identity")
    if where_known.size >= 3 and np.ptp(where_known) > 0:
        line = fit_line(known, where_known)
        words = f"slope {line.slope:.2f}, intercept {line.intercept:+.2f}, $R^2$ {line.r_squared:.3f}"
        ax.plot(ends, line.intercept + line.slope * ends, color=color(1), label=words)
    if rows.shape[0] > 1:
        for index, row in enumerate(rows):
            label = "each seed" if index == 0 else None
            ax.plot(chance, row, ".", color=color(5), markersize=4, label=label)
    label = "mean over seeds" if rows.shape[0] > 1 else "measured"
    ax.plot(where_known, known.mean(axis=0), "o", color=color(0), label=label)
    return tidy(ax)


def predictivity_over_time(scores: Any, *, since: int | None = None, ax: Axes | None = None) -> Axes:
    """Draw how well each system predicts responses, step after step.

    Parameters
    ----------
    scores : mapping of str to Dataset, (step,)
        For each system what `arcuate.compare.encode_over_time` gives of the same responses.
    since : int, optional
        Step from which time is counted, such as the first in which something is hidden.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A line for each system with its interval over units: corrected scores where all have them. The band
        is the ceiling: from what uncorrected scores can reach to 1, which corrected ones can.

    Raises
    ------
    SpecError
        If it is no such mapping.
    UnknownNameError
        If a Dataset has no scores.

    Examples
    --------
    >>> from arcuate.compare import encode_over_time
    >>> from arcuate.tasks import OccludedBall
    >>> trials = OccludedBall(n_steps=6, n_visible=3).draw(50, seed=1)
    >>> found = encode_over_time(trials.pixels, trials.population(5, seed=2))
    >>> predictivity_over_time({"frames": found}, since=3).get_xlabel()
    'steps since step 3'
    """
    where = "plot.predictivity_over_time"
    if not isinstance(scores, Mapping):
        bound = "must be, for each system, what encode_over_time gives"
        raise SpecError.of(where=where, name="scores", value=scores, bound=bound)
    fixed = bool(scores) and all(has_part(one, "r_corrected") for one in scores.values())
    name = "r_corrected" if fixed else "r"
    ax, zero, drawn = axes(ax), 0 if since is None else since, False
    ax.set(
        xlabel="step" if since is None else f"steps since step {since}",
        ylabel="median correlation, held out" + (",\ncorrected for noise" if fixed else ""),
    )
    for k, (label, one) in enumerate(scores.items()):
        steps, middle, low, high = (
            numbers(part(one, word, where=where), where=where, name=word, ndim=(1,))
            for word in ("step", name, f"{name}_low", f"{name}_high")
        )
        if not np.isfinite(middle).any():
            continue
        if fixed and not drawn:
            least = numbers(part(one, "ceiling", where=where), where=where, name="ceiling", ndim=(1,))
            ax.fill_between(steps - zero, least, 1.0, color=GRAY, alpha=0.3, linewidth=0, label="ceiling")
        drawn = True
        ax.fill_between(steps - zero, low, high, color=color(k), alpha=0.2, linewidth=0)
        ax.plot(steps - zero, middle, marker(k), linestyle="-", color=color(k), markersize=4, label=label)
    if not drawn:
        return say(ax, "no scores")
    if since is not None:
        ax.axvline(-0.5, color=GRAY, linewidth=1, linestyle="--")
    ax.axhline(0, color="black", linewidth=0.8)
    return legend_beside(tidy(ax, legend=False), last=("ceiling",))
