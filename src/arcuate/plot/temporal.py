"""Pictures of time in states, and of what locality of experience does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, unknown
from arcuate.plot._axes import GRAY, HATCHES, axes, color, legend_above, marker, numbers, part, say, tidy

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["distance_laws", "interval_codes", "interval_rdm", "locality", "tuning_widths"]


def distance_laws(profile: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw how well each law of distance fits, at every place, below the noise ceiling.

    Parameters
    ----------
    profile : Dataset, (place, model)
        As `arcuate.probes.distance_profile` gives.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Bars of the held-out share of variance with intervals, places along the axis; a gray line above each
        place is its ceiling, if there is one.

    Raises
    ------
    SpecError
        If it is no such profile.

    Examples
    --------
    >>> from arcuate.probes import distance_profile
    >>> distance_laws(distance_profile({"one": np.arange(8.0)[:, None]}, np.arange(1.0, 9.0))).get_ylabel()
    'variance explained'
    """
    where = "plot.distance_laws"
    score = numbers(part(profile, "r_squared", where=where), where=where, name="r_squared", ndim=(2,))
    low, high = (
        numbers(part(profile, name, where=where), where=where, name=name, ndim=(2,))
        for name in ("low", "high")
    )
    ceiling = numbers(part(profile, "ceiling", where=where), where=where, name="ceiling", ndim=(1,))
    places, models = (list(map(str, part(profile, name, where=where).values)) for name in ("place", "model"))
    ax, at = axes(ax), np.arange(len(places))
    ax.set(xlabel="place", ylabel="variance explained")
    if not places:
        return say(ax, "no place in this profile")
    width = 0.8 / len(models)
    for k, name in enumerate(models):
        spot = at + (k - (len(models) - 1) / 2) * width
        reach = np.abs(np.stack([score[:, k] - low[:, k], high[:, k] - score[:, k]]))
        ax.bar(
            spot, score[:, k], width, yerr=reach.tolist(), color=color(k), hatch=HATCHES[k % len(HATCHES)],
            label=name.replace("_", "-"),
            edgecolor="white", error_kw={"linewidth": 1},
        )  # fmt: skip
    known = np.isfinite(ceiling)
    if known.any():
        ax.hlines(ceiling[known], at[known] - 0.45, at[known] + 0.45, color=GRAY, label="noise ceiling")
    ax.set_xticks(at, places)
    ax.set_ylim(min(0.0, float(np.nanmin(score)) * 1.05), 1.05)
    legend_above(ax, columns=4)
    return tidy(ax, legend=False)


def interval_rdm(profile: xr.Dataset, place: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the dissimilarities between values at one place.

    Parameters
    ----------
    profile : Dataset
        As `arcuate.probes.distance_profile` gives.
    place : label
        One of its places.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecError
        If it is no such profile.
    UnknownNameError
        If there is no such place.

    Examples
    --------
    >>> from arcuate.probes import distance_profile
    >>> found = distance_profile({"one": np.arange(8.0)[:, None]}, np.arange(1.0, 9.0))
    >>> interval_rdm(found, "one").get_xlabel()
    'value'
    """
    where = "plot.interval_rdm"
    tables = numbers(part(profile, "rdm", where=where), where=where, name="rdm", ndim=(3,))
    places, values = (part(profile, name, where=where).values for name in ("place", "value"))
    if place not in places:
        raise unknown(where, str(place), list(map(str, places)), kind="place")
    ax = axes(ax, width=4.4, height=3.6)
    half = (values[1] - values[0]) / 2
    ends = (values[0] - half, values[-1] + half)
    table = tables[list(places).index(place)]
    image = ax.imshow(table, origin="lower", extent=(*ends, *ends), cmap="cividis", aspect="equal")
    ax.figure.colorbar(image, ax=ax, label="dissimilarity")
    ax.set(xlabel="value", ylabel="value", title=str(place))
    return ax


def tuning_widths(tuning: Any, *, unit: str = "places", ax: Axes | None = None) -> Axes:
    """Draw the width of tuning against the preferred value, with a line through the origin for each system.

    Parameters
    ----------
    tuning : mapping of str to Dataset, (unit,)
        For each system what `arcuate.compare.tuning_curves` gives; only tuned units are drawn.
    unit : str
        Of the values, for the labels.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Units as marks; the dashed line of a system has the median of width over preferred value as its slope,
        where all units would lie under the scalar law.

    Raises
    ------
    SpecError
        If something is missing.

    Examples
    --------
    >>> from arcuate.compare import tuning_curves
    >>> y = np.arange(1.0, 11.0)
    >>> tuning_widths({"one": tuning_curves(np.exp(-((y - 4.0) ** 2) / 8.0), y)}).get_xlabel()
    'preferred value (places)'
    """
    where = "plot.tuning_widths"
    if not isinstance(tuning, Mapping):
        bound = "must be, for each system, what tuning_curves gives"
        raise SpecError.of(where=where, name="tuning", value=tuning, bound=bound)
    ax, drawn = axes(ax), False
    ax.set(xlabel=f"preferred value ({unit})", ylabel=f"width of tuning ({unit})")
    for k, (name, found) in enumerate(tuning.items()):
        good = np.asarray(part(found, "tuned", where=where)).astype(bool)
        place, width = (
            numbers(part(found, word, where=where), where=where, name=word, ndim=(1,))[good]
            for word in ("preferred", "width")
        )
        if place.size == 0:
            continue
        drawn = True
        ax.plot(
            place, width, marker(k), color=color(k), markersize=4, alpha=0.6, label=f"{name}, {place.size}"
        )
        slope = float(np.median(width[place > 0] / place[place > 0])) if (place > 0).any() else np.nan
        ends = np.array([0.0, place.max()])
        ax.plot(ends, slope * ends, "--", color=color(k), linewidth=1)
    if not drawn:
        return say(ax, "no tuned unit")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    legend_above(ax, columns=3)
    return tidy(ax, legend=False)


def locality(scores: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the error of each way of asking, after each kind of experience.

    Parameters
    ----------
    scores : mapping of str to Dataset, (estimator,)
        For each kind of experience what `arcuate.probes.locality_scores` gives.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Bars of the mean squared error; a gray line is the error of marginals.

    Raises
    ------
    SpecError
        If something is missing.

    Examples
    --------
    >>> from arcuate.probes import locality_scores, step_by_step
    >>> from arcuate.tasks import BayesNet
    >>> net = BayesNet.chain(4, flip=0.1)
    >>> found = step_by_step(lambda q: np.full(q.n_draws, 0.5), net, [(0, 3)])
    >>> locality({"none": locality_scores(found)}).get_ylabel()
    'mean squared error'
    """
    where = "plot.locality"
    if not isinstance(scores, Mapping):
        bound = "must be, for each kind of experience, what locality_scores gives"
        raise SpecError.of(where=where, name="scores", value=scores, bound=bound)
    ax, at = axes(ax), np.arange(len(scores))
    ax.set(xlabel="experience", ylabel="mean squared error")
    if not scores:
        return say(ax, "no scores")
    names = [str(name) for name in part(next(iter(scores.values())), "estimator", where=where).values]
    errors = np.array(
        [
            numbers(part(one, "mse_true", where=where), where=where, name="mse_true", ndim=(1,))
            for one in scores.values()
        ]
    )
    width = 0.8 / len(names)
    for k, name in enumerate(names):
        spot = at + (k - (len(names) - 1) / 2) * width
        ax.bar(
            spot, errors[:, k], width, color=color(k), hatch=HATCHES[k % len(HATCHES)], edgecolor="white",
            label=name,
        )  # fmt: skip
    base = [float(part(one, "marginal_mse", where=where)) for one in scores.values()]
    ax.hlines(base, at - 0.45, at + 0.45, color=GRAY, label="marginals")
    ax.set_xticks(at, list(scores))
    legend_above(ax, columns=5)
    return tidy(ax, legend=False)


def interval_codes(codes: Any) -> Figure:
    """Draw how systems have intervals: answers, dissimilarities of the last place, laws, and tuning.

    Parameters
    ----------
    codes : mapping of str to IntervalCode
        For each system what `arcuate.probes.interval_code` gives.

    Returns
    -------
    matplotlib.figure.Figure
        Two rows: right answers by duration, the laws at every place of all systems and widths of tuning; then
        the dissimilarities of the last place of each system.

    Raises
    ------
    SpecError
        If it is no such mapping.

    Examples
    --------
    >>> from arcuate.probes import interval_code
    >>> from arcuate.tasks import IntervalComparison
    >>> trials = IntervalComparison(low=4, high=20, reference=10.5).draw(200, seed=1)
    >>> code = interval_code({"log": np.log(trials.duration)[:, None]}, trials, trials.more, n_resamples=20)
    >>> len(interval_codes({"one": code}).axes) >= 4
    True
    """
    import xarray as xr
    from matplotlib.figure import Figure

    if not isinstance(codes, Mapping) or not codes:
        bound = "must be, for each system, what interval_code gives"
        raise SpecError.of(where="plot.interval_codes", name="codes", value=codes, bound=bound)
    columns = max(3, len(codes))
    figure = Figure(figsize=(4.2 * columns, 7), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False)[:, 0]
    answers, laws, widths = above.subplots(1, 3)
    for k, (name, code) in enumerate(codes.items()):
        answers.plot(code.accuracy.value, code.accuracy, marker(k), linestyle="-", color=color(k), label=name)
    answers.axvline(next(iter(codes.values())).accuracy.attrs["reference"], color=GRAY, linestyle="--")
    answers.set(xlabel="duration (places)", ylabel="share of right answers", ylim=(0, 1.03))
    tidy(answers)
    named = [
        code.laws.drop_vars("rdm").drop_dims(["value", "other"], errors="ignore") for code in codes.values()
    ]
    parts = [
        one.assign_coords(place=[f"{name} {k + 1}" for k in range(one.sizes["place"])])
        for name, one in zip(codes, named, strict=True)
    ]
    distance_laws(xr.concat(parts, dim="place"), ax=laws)
    laws.tick_params(axis="x", rotation=45)
    tuning_widths({name: code.tuning for name, code in codes.items()}, ax=widths)
    for ax, (name, code) in zip(below.subplots(1, columns), codes.items(), strict=False):
        interval_rdm(code.laws, code.laws.place.values[-1], ax=ax).set_title(name)
    for ax in below.axes:
        if not ax.has_data():
            ax.remove()
    return figure
