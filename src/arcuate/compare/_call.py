"""The one call: states of any origin, measures by name, each score with its null, ceiling and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.compare._assemble import assemble, say
from arcuate.compare._ceiling import CEILINGS
from arcuate.compare._comparison import Comparison
from arcuate.compare._folds import check_folds, folded
from arcuate.compare._inputs import listed
from arcuate.compare._measure import Measure
from arcuate.compare._registry import measure_of, settled
from arcuate.compare._scoring import Job, check_room, scores_of, total
from arcuate.compare._states import WHERE, Leaf, chosen, joined, leaves_of
from arcuate.compare._within import Plan, plan_of, samples_of
from arcuate.compare.inference import Orders, autocorrelation_time
from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import check_seed

__all__ = ["compare"]


def compare(
    states: Any,
    *,
    a: Any = None,
    b: Any = None,
    measure: Any = "cka",
    samples: Any = "stimulus",
    within: Any = "mean",
    folds: Any = None,
    ceiling: str | None = "auto",
    null: str | None = "permute",
    n_null: int = 1000,
    correction: str | None = "max",
    join: str = "exact",
    regress_out: str | None = None,
    n_boot: int | None = None,
    dims: Any = None,
    seed: int = 0,
    n_jobs: int = 1,
    progress: ProgressOption = None,
) -> Comparison:
    """Compare the states of systems: is each pair more alike than chance, and how alike could it be at best?

    Parameters
    ----------
    states : mapping of str to (Recording, DataArray, Dataset or array_like), DataTree, or list of DataArray
        The systems. A site of a Recording is the leaf ``name/site``, its trials are stimuli and repeats by
        their coordinates. Stimuli are matched by label. Spikes are to be made rates first, by
        `arcuate.analysis.spike_counts` or `filtered_rates`.
    a, b : str or sequence of str, optional
        Leaves of the two sides: names, systems, or globs such as ``"transformer/blocks.*"``. Without `b` all
        pairs of `a` are compared, without both all pairs.
    measure : str, Measure or sequence of them
        Names such as ``"cka"`` or ``"ridge"``, or what a factory such as `cka_measure` made. The delays and
        rank of ``"dsa"`` are chosen for all systems together.
    samples : "stimulus" or ("stimulus", AXIS)
        What one observation is. With AXIS (time, tick, token or layer) every step of every stimulus is one,
        and the null moves whole stimuli.
    within : {"mean", "last", "concat", "samples", "matrix", "dynamics"} or slice
        What becomes of the axis within a trial: its mean, its last step, the mean over ``slice(start,
        stop)``, all steps as units, all steps as samples, each step with each, or trials as they are.
    folds : int or str, optional
        Of measures that are cross-validated: their number, or a column of the stimuli that names them.
    ceiling : {"auto", "repeats", "seeds"} or None
        What tells how alike two systems could look: repeats where there are any, else leaves whose paths
        differ by ``seed0``, ``seed1``, ..., else nothing.
    null : {"permute", "shift"} or None
        Stimuli of the second side permuted, or, for one long recording, shifted in a circle by at least its
        autocorrelation time.
    n_null : int
        Number of orders.
    correction : {"max", "fdr"} or None
        Over all scores of the call: by the greatest standardized score of each order (family-wise error),
        or by Benjamini and Hochberg (false discovery rate).
    join : {"exact", "inner"}
        Whether a stimulus that some leaf lacks is refused or left out.
    regress_out : str, optional
        The axis whose steps are samples: the mean over stimuli at each step is taken out first. The score
        without that is kept as ``value_raw``.
    n_boot : int, optional
        Halves of the stimuli for the interval; 0 for none. By default 200, and 0 where that takes long:
        for ``within="matrix"``, for trials, and for measures that fit.
    dims : tuple of str or mapping, optional
        Dimensions of plain arrays, (stimulus, unit) by default: of trial, stimulus, repeat, time, tick,
        token, layer, unit.
    seed : int
        Of the orders and halves.
    n_jobs : int
        Threads; no number depends on it.
    progress : bool, callable or None
        A bar (by default after two seconds on a terminal), or a function of (done, in all).

    Returns
    -------
    Comparison

    Raises
    ------
    SpecError
        If states do not fit together, are not finite, do not vary or are too few, or an option does not fit.
    UnknownNameError
        If a leaf, a measure or a word does not exist.

    Warns
    -----
    ArcuateWarning
        Once, with the first of what the variable ``warning`` says of each pair.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import compare
    >>> x, z = np.random.default_rng(0).standard_normal((2, 30, 4))
    >>> result = compare({"x": x, "y": x + 0.1 * z, "z": z}, n_null=99)
    >>> result.to_frame()[["a", "b", "p_corrected"]].round(2).values.tolist()
    [['x', 'y', 0.01], ['x', 'z', 1.0], ['y', 'z', 1.0]]
    """
    check_progress(progress, where=WHERE)
    seed = check_seed(seed)
    check_int(n_jobs, where=WHERE, name="n_jobs")
    _words(correction=(correction, ("max", "fdr")), ceiling=(ceiling, CEILINGS))
    if n_boot is not None:
        check_int(n_boot, where=WHERE, name="n_boot", low=0)
    measures = _measures(measure)
    check_folds(measures, folds, where=WHERE)
    leaves = leaves_of(states, dims)
    sides = _sides(leaves, a, b)
    labels, used = joined({name: leaves[name] for name in leaves if name in {*sides[0], *sides[1]}}, join)
    plan = plan_of(used, samples=samples, within=within, regress_out=regress_out)
    for one in measures:  # what does not do is refused before anything is computed
        folded(one, used, plan, folds)
    orders = _orders(used, plan, null, n_null, seed=seed, apart=not set(sides[0]) & set(sides[1]))
    measures = [settled(one, used, plan, progress=progress) for one in measures]
    job = Job(leaves=used, labels=labels, sides=sides, plan=plan, orders=orders, seed=seed, n_jobs=n_jobs,
              ceiling=ceiling, n_boot=n_boot, correction=correction, join=join, folds=folds)  # fmt: skip
    check_room(job)
    with progress_bar(progress, total(job, measures), title="compare", unit="score") as advance:
        result = assemble([scores_of(job, one, advance) for one in measures], job)
    say(result)
    return result


def _words(**options: tuple[str | None, tuple[str, ...]]) -> None:
    """Refuse words that are neither None nor among the choices."""
    for name, (word, choices) in options.items():
        if word is not None:
            check_choice(word, choices, where=WHERE, name=name)


def _measures(measure: Any) -> list[Measure]:
    several = measure if isinstance(measure, (list, tuple)) else [measure]
    if not several:
        raise SpecError.of(where=WHERE, name="measure", value=measure, bound="must name one or more measures")
    made = [measure_of(one) for one in several]
    names = [one.name for one in made]
    if len(set(names)) < len(names):
        bound = "must have names that differ"
        fix = "give each its own by dataclasses.replace(measure, name=...)"
        raise SpecError.of(where=WHERE, name="measure", value=names, bound=bound, fix=fix)
    return made


def _sides(leaves: Mapping[str, Leaf], a: Any, b: Any) -> tuple[list[str], list[str]]:
    first = chosen(leaves, a, name="a")
    second = first if b is None else chosen(leaves, b, name="b")
    if not any(one != other for one in first for other in second):
        bound = f"leaves nothing to compare: {listed(first)} with {listed(second)}"
        raise SpecError.of(where=WHERE, name="states", bound=bound, fix="give the states of two systems")
    return first, second


def _orders(
    leaves: Mapping[str, Leaf], plan: Plan, null: str | None, n_null: int, *, seed: int, apart: bool
) -> Orders | None:
    """Check the null against what the samples are."""
    if null is None:
        return None
    check_choice(null, ("permute", "shift"), where=WHERE, name="null")
    check_int(n_null, where=WHERE, name="n_null", low=1)
    first = next(iter(leaves.values()))
    n = len(first.order)  # type: ignore[arg-type]  # joined leaves have an order
    steps = len(first.steps) if plan.within == "samples" else 1
    if null == "permute":
        if n < 2 and plan.within == "samples":
            bound = (
                "has one stimulus, so there is nothing to permute; permuting its time points would be wrong"
            )
            raise SpecError.of(where=WHERE, name="null", value=null, bound=bound, fix='say null="shift"')
        return Orders(null=null, n_stimuli=n, n_null=n_null, n_steps=steps, seed=seed, apart=apart)
    if n != 1 or plan.within != "samples":
        bound = "is for one long recording with its steps as samples"
        fix = 'say null="permute"' if n > 1 else 'say samples=("stimulus", "time")'
        raise SpecError.of(where=WHERE, name="null", value=null, bound=bound, fix=fix)
    lag = max(autocorrelation_time(samples_of(leaf, plan, "samples")[0]) for leaf in leaves.values())
    return Orders(null=null, n_stimuli=1, n_null=n_null, n_steps=steps, seed=seed, apart=apart, lag=lag)
