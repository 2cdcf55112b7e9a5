"""Linear probes with their control task, and how shortly labels can be told with their help.

What a probe finds may be what it memorizes. So no text is learned from and tested on, and beside the task
stands one with labels that say nothing (Hewitt and Liang 2019), which a probe can only know by heart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.analysis.interval import check_level, segment_interval
from arcuate.compare._inputs import plain_array, warn
from arcuate.compare._ridge import Folded, Split, as_alphas, as_folds
from arcuate.errors import SpecError, check_int
from arcuate.probes._samples import Samples, by_site, samples_of
from arcuate.probes._softmax import choose, fit, held_out
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["control_task", "linear_probe", "online_code_length"]

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Of squared weights beside the mean loss, for units of variance 1 (chosen)."""

FRACTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Shares of the samples at which a probe learns anew (Voita and Titov 2020)."""


@dataclass(frozen=True, kw_only=True)
class _Options:
    folds: int
    penalties: Floats
    n_controls: int
    level: float
    seed: int
    tell: Callable[[int], None] = lambda done: None


def linear_probe(
    states: Any,
    labels: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    types: ArrayLike | None = None,
    n_folds: int = 5,
    penalties: ArrayLike = PENALTIES,
    n_controls: int = 3,
    level: float = 0.95,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """What a linear map can read from states, on texts it has not seen, beyond what it can memorize.

    Labels of whole numbers, truth values or words are classes: multinomial logistic regression, whose score
    is the accuracy. Labels of type float are values: ridge regression, with R² against the mean of training.
    Either has an L2 penalty that folds within the training folds choose.

    Parameters
    ----------
    states : Dataset, DataArray, array_like, Recording, or mapping of sites to such
        (trial, step, unit) as `Recording.states` gives them, NaN at pads, or (sample, unit). A Recording
        stands for all of its sites.
    labels : array_like, (trial,) or (trial, step)
    groups : array_like, (trial,) or (trial, step), optional
        The text of each trial. All of a text is on one side of a split; by default the coordinate
        ``stimulus``.
    types : array_like, (trial,) or (trial, step), optional
        What the control task labels at random: the words in texts, say, or classes of stimuli; by default the
        groups.
    n_folds : int
        At least 3.
    penalties : array_like
        To choose from, on weights of units of variance 1; those of values are multiplied by the number of
        samples.
    n_controls : int
        Control tasks, whose scores are averaged; 0 for none.
    level : float
        Of the intervals: percentiles over bootstrap samples of groups.
    seed : int
        Of folds, control labels and intervals.
    progress : bool, callable or None
        A bar over sites and tasks; None shows it on a terminal after two seconds.

    Returns
    -------
    Dataset, of one site without dimensions, of several over ``site``
        With ``low`` and ``high`` each: ``score``, on texts not seen; ``chance``, that of the most frequent
        class of training, or 0 for values; ``instances``, ``control`` and ``selectivity``, their difference,
        on held-out instances of types that were seen. Where every type has one text, whole trials are held
        out for these; otherwise whole texts, and ``new_types`` is the score on types that were not seen, in
        texts that were not seen. NaN where there is no such split. For one site also ``weight`` (class or
        value, unit) and ``intercept`` of a fit to all samples, as the states came. Attributes tell
        ``target``, ``n_samples``, ``n_groups``.

    Raises
    ------
    SpecError
        If groups are not known or tear a trial or a stimulus apart; there are fewer groups than folds; a
        label is NaN, there is a single class, or one in a single text; or shapes do not fit.

    Warns
    -----
    ArcuateWarning
        If no type stands in two trials, so that there can be no control task.

    References
    ----------
    J. Hewitt and P. Liang, EMNLP 2019, doi:10.18653/v1/D19-1275.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import linear_probe
    >>> draw = np.random.default_rng(0)
    >>> kind = np.arange(120) % 2
    >>> states = draw.standard_normal((120, 6)) + 2.0 * kind[:, None] * np.eye(6)[0]
    >>> found = linear_probe(states, kind, groups=np.arange(120) // 3, n_controls=0)
    >>> round(float(found.score), 2), found.attrs["target"]
    (0.8, 'classes')
    """
    import xarray as xr

    where = "linear_probe"
    options = _Options(
        folds=check_int(n_folds, where=where, name="n_folds", low=3),
        penalties=as_alphas(penalties, where=where),
        n_controls=check_int(n_controls, where=where, name="n_controls", low=0),
        level=check_level(level, where),
        seed=check_seed(seed),
    )
    check_progress(progress, where=where, unit="tasks")
    several = by_site(states)
    sites = {None: states} if several is None else several
    if not sites:
        raise SpecError.of(where=where, name="states", bound="must hold one or more sites")
    for site, one in sites.items():  # all are looked at before the first is learned from; none is kept
        told = where if site is None else f"{where}: {site}"
        samples_of(one, labels, groups=groups, types=types, where=told)
    rows: list[Any] = []
    n_tasks = len(sites) * (1 + options.n_controls)
    with progress_bar(progress, n_tasks, title="linear probe", unit="task") as tell:
        options = replace(options, tell=tell or options.tell)
        for one in sites.values():
            samples = samples_of(one, labels, groups=groups, types=types, where=where)
            rows.append(_probe(samples, options, whole=several is None, told=bool(rows), where=where))
    if several is None:
        return rows[0]
    return xr.concat(rows, dim="site", combine_attrs="override").assign_coords(site=list(sites))


def _probe(samples: Samples, options: _Options, *, whole: bool, told: bool, where: str) -> xr.Dataset:
    """All scores of one site."""
    import xarray as xr

    task = _task(samples.labels, where=where)
    _check_classes(samples, task, where=where)
    n = len(samples.x)
    fold = as_folds(options.folds, n, groups=samples.groups, seed=options.seed, where=where)
    place = np.unique(samples.groups, return_inverse=True)[1].reshape(-1)
    scores = task.scores(samples.x, fold, options.penalties)
    options.tell(1)
    everywhere = np.ones(n, bool)
    table = {
        "score": (scores.wrong, scores.base, everywhere),
        "chance": (scores.plain, scores.base, everywhere),
    }
    values: dict[str, Any] = {}
    for name, (wrong, base, rows) in table.items():
        values |= _with_interval(name, [(wrong, 1.0)], base, rows, place, options)
    values |= _control(samples, task, scores, place, options, told=told, where=where)
    coords: dict[str, Any] = {}
    if whole:
        weight, intercept = task.whole(samples.x, scores.penalty)
        values |= {"weight": (("class", "unit"), weight.T), "intercept": ("class", intercept)}
        coords = {"class": task.classes if task.classes is not None else ["value"]}
    attrs = {
        "target": "values" if task.classes is None else "classes",
        "score": "R2" if task.classes is None else "accuracy",
        "level": options.level,
        "n_samples": n,
        "n_groups": int(place.max()) + 1,
    }
    return xr.Dataset(values, coords=coords, attrs=attrs)


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """What each sample adds: to the error of a probe, of a guess, and to what errors are divided by."""

    wrong: Floats
    plain: Floats
    base: Floats
    penalty: Floats


@dataclass(frozen=True, kw_only=True)
class _Task:
    """Labels as numbers: the score of any rows is 1 - sum(wrong) / sum(base)."""

    y: np.ndarray
    classes: np.ndarray | None

    def of(self, y: np.ndarray) -> _Task:
        """Return the task of other labels of the same kind."""
        return _Task(y=y, classes=self.classes)

    def scores(self, x: Floats, fold: np.ndarray, penalties: Floats) -> _Scores:
        """Score every sample by the folds that it is not in."""
        if self.classes is None:
            folds = Folded(x=x, fold=fold, alphas=penalties * len(x))
            alpha = folds.choose(self.y[:, None])
            told, base = folds.predict(self.y[:, None], alpha)
            rest, guess = (self.y - told[:, 0]) ** 2, (self.y - base[:, 0]) ** 2
            return _Scores(wrong=rest, plain=guess, base=guess, penalty=alpha[:, 0])
        folds = Folded(x=x, fold=fold, alphas=penalties)
        penalty = choose(folds, self.y, len(self.classes))
        told = held_out(folds, self.y, len(self.classes), penalty)
        common = [int(np.bincount(self.y[train]).argmax()) for train, _, _, _ in folds.outer]
        wrong, plain = told.argmax(axis=1) != self.y, np.array(common)[fold] != self.y
        return _Scores(
            wrong=wrong.astype(float), plain=plain.astype(float), base=np.ones(len(x)), penalty=penalty
        )

    def errors(self, x: Floats, train: np.ndarray, test: np.ndarray, penalty: float) -> tuple[Floats, Floats]:
        """Return error and base of test rows, learned from training rows."""
        split = Split.of(x[train])
        if self.classes is None:
            mean = self.y[train].mean()
            weight = (split.left @ (self.y[train] - mean)) / (split.values + penalty)
            told = mean + split.components(x[test]) @ weight
            return (self.y[test] - told) ** 2, (self.y[test] - mean) ** 2
        parts = split.components(x[train])
        found = fit(split, parts, self.y[train], n_classes=len(self.classes), penalty=penalty)
        return (found(x[test]).argmax(axis=1) != self.y[test]).astype(float), np.ones(len(test))

    def whole(self, x: Floats, penalty: Floats) -> tuple[Floats, Floats]:
        """Return weights (p, K) and intercept (K,) of a fit to all samples."""
        split, middle = Split.of(x), float(np.exp(np.log(penalty).mean()))
        if self.classes is None:
            inside = (split.left @ (self.y - self.y.mean())) / (split.values + middle)
            weight = (split.right @ inside) / split.scale
            return weight[:, None], np.array([self.y.mean() - split.mean @ weight])
        parts = split.components(x)
        return fit(split, parts, self.y, n_classes=len(self.classes), penalty=middle).of_units()


def _task(labels: np.ndarray, *, where: str) -> _Task:
    if labels.dtype.kind == "f":
        if np.ptp(labels) == 0:
            bound = f"must take two values or more, all are {labels[0]:g}"
            raise SpecError.of(where=where, name="labels", bound=bound)
        return _Task(y=labels.astype(np.float64), classes=None)
    classes, y = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise SpecError.of(
            where=where, name="labels", bound=f"must be of two classes or more, all are {classes[0]!s}"
        )
    return _Task(y=y.reshape(-1), classes=classes)


def _check_classes(samples: Samples, task: _Task, *, where: str) -> None:
    if task.classes is None:
        return
    for number, name in enumerate(task.classes):
        if len(np.unique(samples.groups[task.y == number])) < 2:
            bound = f"have class {name!s} in one group (text) only, so that it cannot be learned and tested"
            raise SpecError.of(
                where=where, name="labels", bound=bound, fix="leave the class out, or add texts"
            )


def _with_interval(
    name: str,
    signed: list[tuple[Floats, float]],
    base: Floats,
    rows: np.ndarray,
    place: np.ndarray,
    options: _Options,
) -> dict[str, Any]:
    """Return a score, or a signed sum of scores, and its interval over groups."""
    n = int(place.max()) + 1
    columns = [np.bincount(place[rows], part[rows], minlength=n) for part in (base, *(w for w, _ in signed))]
    sums = np.stack(columns, axis=1).astype(np.float64)
    sums = sums[np.bincount(place[rows], minlength=n) > 0]
    signs = np.array([sign for _, sign in signed])

    def statistic(total: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((1 - total[:, 1:] / total[:, :1]) @ signs)

    band = segment_interval(sums, statistic, level=options.level, seed=options.seed)
    unit = {"units": "1"}
    found = {name: band.estimate, f"{name}_low": band.low, f"{name}_high": band.high}
    return {key: ((), value, unit) for key, value in found.items()}


def _control(
    samples: Samples,
    task: _Task,
    scores: _Scores,
    place: np.ndarray,
    options: _Options,
    *,
    told: bool,
    where: str,
) -> dict[str, Any]:
    """Return the scores of the task and of control tasks on held-out instances, and on types not seen."""
    n = len(samples.x)
    names = [
        f"{part}{end}" for part in ("instances", "control", "selectivity") for end in ("", "_low", "_high")
    ]
    found: dict[str, Any] = dict.fromkeys([*names, "new_types"], ((), np.nan, {"units": "1"}))
    types = samples.groups if samples.types is None else samples.types
    kind = np.unique(types, return_inverse=True)[1].reshape(-1)
    nested = len(np.unique(np.stack((kind, place)), axis=1).T) == int(kind.max()) + 1
    if not nested and int(kind.max()) + 1 >= options.folds:
        found["new_types"] = (
            (),
            _new_types(samples, task, scores, kind, options, where=where),
            {"units": "1"},
        )
    if not options.n_controls:
        return found
    units = samples.trial if nested else samples.groups
    if len(np.unique(np.stack((kind, np.unique(units, return_inverse=True)[1].reshape(-1))), axis=1).T) == (
        int(kind.max()) + 1
    ):
        if not told:
            warn(
                f"{where}: each type stands in one trial only, so that there is no control task and no"
                " selectivity; give types=, or n_controls=0 to do without"
            )
        options.tell(options.n_controls)
        return found
    fold = as_folds(options.folds, n, groups=units, seed=options.seed, where=where)
    seen = _seen(kind, fold)
    own = scores if not nested else task.scores(samples.x, fold, options.penalties)
    wrong, base = _control_errors(samples, task, kind, fold, options)
    if np.isnan(wrong).all() and not told:
        warn(f"{where}: {int(kind.max()) + 1} types are too few for labels that say nothing of the task")
    rates = {
        "instances": [(own.wrong / _mean(own.base, seen), 1.0)],
        "control": [(wrong / _mean(base, seen), 1.0)],
        "selectivity": [(own.wrong / _mean(own.base, seen), 1.0), (wrong / _mean(base, seen), -1.0)],
    }
    for name, signed in rates.items():
        found |= _with_interval(name, signed, np.ones(n), seen, place, options)
    return found


def _control_errors(
    samples: Samples, task: _Task, kind: np.ndarray, fold: np.ndarray, options: _Options
) -> tuple[Floats, Floats]:
    """Return the mean errors of the control tasks, and those without states; NaN if no task says nothing."""
    drawn = [
        _control_labels(task.y, kind, seed=options.seed, number=number)
        for number in range(options.n_controls)
    ]
    fair = [given for given in drawn if _says_nothing(given, task.y)]
    options.tell(len(drawn) - len(fair))
    wrong, base = np.zeros((2, len(kind))) if fair else np.full((2, len(kind)), np.nan)
    for given in fair:
        other = task.of(given).scores(samples.x, fold, options.penalties)
        wrong += other.wrong / len(fair)
        base += other.base / len(fair)
        options.tell(1)
    return wrong, base


def _mean(values: Floats, rows: np.ndarray) -> float:
    return float(values[rows].mean())


def _seen(kind: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Tell which samples are of a type that other folds have too."""
    table = np.zeros((int(kind.max()) + 1, int(fold.max()) + 1), bool)
    table[kind, fold] = True
    return np.asarray(table.sum(axis=1)[kind] > 1)


def _new_types(
    samples: Samples, task: _Task, scores: _Scores, kind: np.ndarray, options: _Options, *, where: str
) -> float:
    """Score on types that were not seen, in texts that were not seen."""
    n, wrong, base = len(samples.x), 0.0, 0.0
    text = as_folds(options.folds, n, groups=samples.groups, seed=options.seed, where=where)
    word = as_folds(options.folds, n, groups=kind, seed=options.seed, where=where)
    for number in range(options.folds):
        train = np.flatnonzero((text != number) & (word != number))
        test = np.flatnonzero((text == number) & (word == number))
        if len(test) and len(np.unique(task.y[train])) > 1:
            of_wrong, of_base = task.errors(samples.x, train, test, float(scores.penalty[number]))
            wrong, base = wrong + float(of_wrong.sum()), base + float(of_base.sum())
    return 1 - wrong / base if base else float("nan")


def _control_labels(y: np.ndarray, kind: np.ndarray, *, seed: int, number: int) -> np.ndarray:
    """Lay the types side by side in random order, each as wide as its samples, along the sorted labels."""
    counts = np.bincount(kind)
    order = stream(seed, f"probes/control/{number}").permutation(len(counts))
    middle = np.cumsum(counts[order]) - (counts[order] + 1) // 2
    levels = np.empty(len(counts), y.dtype)
    levels[order] = np.sort(y)[middle]
    return np.asarray(levels[kind])


def _says_nothing(given: np.ndarray, y: np.ndarray) -> bool:
    """Tell whether control labels differ between samples, and not just as those of the task do."""
    pairs = {(a, b) for a, b in zip(given.tolist(), y.tolist(), strict=True)}
    one, other = len({a for a, _ in pairs}), len({b for _, b in pairs})
    return one > 1 and not len(pairs) == one == other


def control_task(labels: ArrayLike, types: ArrayLike, *, seed: int = 0) -> np.ndarray:
    """Labels that say nothing: one for each type, about as frequent over samples as those of the task.

    As nearly as types of several sizes allow; with two or three types there may be none that say nothing.

    Parameters
    ----------
    labels : array_like
        Of the task.
    types : array_like, as `labels`
        Word, or identity of the stimulus, of each sample.
    seed : int
        The stream is ``probes/control/0``.

    Returns
    -------
    ndarray, as `labels`

    Raises
    ------
    SpecError
        If shapes differ.

    References
    ----------
    J. Hewitt and P. Liang, EMNLP 2019, doi:10.18653/v1/D19-1275.

    Examples
    --------
    >>> from arcuate.probes import control_task
    >>> control_task(["noun", "verb", "noun", "noun"], ["dog", "runs", "dog", "cat"]).shape
    (4,)
    """
    where = "control_task"
    label = plain_array(labels, where=where, name="labels")
    kind = plain_array(types, where=where, name="types")
    if label.shape != kind.shape or not label.size:
        bound = f"must have the shape of labels, {label.shape}, and one entry or more, not {kind.shape}"
        raise SpecError.of(where=where, name="types", bound=bound)
    values, y = np.unique(label, return_inverse=True)
    place = np.unique(kind, return_inverse=True)[1].reshape(-1)
    given = _control_labels(y.reshape(-1), place, seed=check_seed(seed), number=0)
    return np.asarray(values[given].reshape(label.shape))


def online_code_length(
    states: Any,
    labels: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    fractions: ArrayLike = FRACTIONS,
    penalties: ArrayLike = PENALTIES,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """How many bits tell the labels to somebody who has the states and learns as the labels come in.

    The first block is told by a uniform code; each next one by a logistic regression on those before:

    .. math:: L = t_1 \\log_2 K - \\sum_i \\log_2 p_{\\theta_i}(y_{t_i + 1 .. t_{i+1}} | x)

    Parameters
    ----------
    states
        As `linear_probe` takes them.
    labels : array_like, (trial,) or (trial, step)
        Classes.
    groups : array_like, optional
        As in `linear_probe`. Texts come in random order, and no text is parted by the end of a block.
    fractions : array_like, ascending to 1
        Ends of the blocks, as shares of the samples.
    penalties : array_like
        To choose from by folds among the texts that came in; the largest while there are fewer than three.
    seed : int
        Of the order of texts and the folds.
    progress : bool, callable or None
        A bar over blocks and sites.

    Returns
    -------
    Dataset, of one site without dimensions, of several over ``site``
        ``code_length`` (bit), ``uniform`` (bit), that is N log2 K, and ``compression``, uniform / code
        length: near 1 or below for states that say nothing of classes that are equally frequent. Of one site
        also ``block_length`` (bit) over ``block``, with the coordinate ``end``, samples told at its end.

    Raises
    ------
    SpecError
        As `linear_probe`, but that a class may stand in one text; for labels that are no classes, or for
        fractions that do not rise to 1.

    Notes
    -----
    Each class counts as seen once at the mean state, so that one that was not seen yet has a finite length.

    References
    ----------
    E. Voita and I. Titov, EMNLP 2020, doi:10.18653/v1/2020.emnlp-main.14.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import online_code_length
    >>> kind = np.arange(400) % 2
    >>> told = online_code_length(np.eye(2)[kind], kind, groups=np.arange(400))
    >>> bool(told.compression > 5), float(told.uniform)
    (True, 400.0)
    """
    import xarray as xr

    where = "online_code_length"
    shares = np.asarray(plain_array(fractions, where=where, name="fractions"))
    rising = shares.ndim == 1 and shares.size > 1 and shares.dtype.kind == "f" and shares[0] > 0
    if not rising or shares[-1] != 1 or not (np.diff(shares) > 0).all():
        raise SpecError.of(
            where=where, name="fractions", value=fractions, bound="must rise from above 0 to 1"
        )
    alphas, start = as_alphas(penalties, where=where), check_seed(seed)
    check_progress(progress, where=where, unit="blocks")
    several = by_site(states)
    sites = {None: states} if several is None else several
    given = {site: samples_of(one, labels, groups=groups, where=where) for site, one in sites.items()}
    rows = []
    with progress_bar(progress, len(sites) * len(shares), title="code length", unit="block") as tell:
        for samples in given.values():
            rows.append(_code(samples, shares, alphas, start, tell, whole=several is None, where=where))
    if several is None:
        return rows[0]
    return xr.concat(rows, dim="site", combine_attrs="override").assign_coords(site=list(sites))


def _code(
    samples: Samples, shares: Floats, penalties: Floats, seed: int, tell: Any, *, whole: bool, where: str
) -> xr.Dataset:
    import xarray as xr

    task = _task(samples.labels, where=where)
    if task.classes is None:
        bound = "must be classes (whole numbers, truth values or words), not of type float"
        raise SpecError.of(where=where, name="labels", bound=bound)
    n, n_classes = len(samples.x), len(task.classes)
    place = np.unique(samples.groups, return_inverse=True)[1].reshape(-1)
    rank = stream(seed, "probes/code").permutation(int(place.max()) + 1)[place]
    order = np.argsort(rank, kind="stable")
    x, y, text = samples.x[order], task.y[order], rank[order]
    ends = np.append(np.flatnonzero(np.diff(text)) + 1, n)  # where a text is over
    cuts = np.unique(ends[np.searchsorted(ends, np.ceil(shares * n - 1e-9))])
    lengths = [float(cuts[0] * np.log2(n_classes))]
    for first, last in pairwise(cuts):
        split = Split.of(x[:first])
        penalty = _penalty(x[:first], y[:first], text[:first], n_classes, penalties, seed, where=where)
        parts = split.components(x[:first])
        found = fit(split, parts, y[:first], n_classes=n_classes, penalty=penalty, prior=1.0)
        told = found(x[first:last])[np.arange(last - first), y[first:last]]
        lengths.append(float(-told.sum() / np.log(2)))
        if tell is not None:
            tell(1)
    if tell is not None:
        tell(len(shares) - len(cuts) + 1)
    length, uniform, bit = sum(lengths), n * float(np.log2(n_classes)), {"units": "bit"}
    values: dict[str, Any] = {
        "code_length": ((), length, bit),
        "uniform": ((), uniform, bit),
        "compression": ((), uniform / length, {"units": "1"}),
    }
    if whole:
        values["block_length"] = ("block", lengths, bit)
    coords = {"end": ("block", cuts)} if whole else {}
    return xr.Dataset(values, coords=coords, attrs={"n_samples": n, "n_groups": len(ends)})


def _penalty(
    x: Floats, y: np.ndarray, text: np.ndarray, n_classes: int, penalties: Floats, seed: int, *, where: str
) -> float:
    """Choose a penalty among the texts that came in: the middle of those that three folds choose."""
    if len(np.unique(text)) < 3 or penalties.size == 1:
        return float(penalties[-1])
    fold = as_folds(3, len(y), groups=text, seed=seed, where=where)
    chosen = choose(Folded(x=x, fold=fold, alphas=penalties), y, n_classes)
    return float(np.median(chosen))
