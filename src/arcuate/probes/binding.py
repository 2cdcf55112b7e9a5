"""How a system finds what is bound to what: by place, by the other part, or by a pointer to the answer.

What a system holds when it is about to answer is taken over from a second context, in which the three
mechanisms point to different groups of the first (`arcuate.tasks.BindingTrials.interchanged`). The answers
that then come are fitted by a mixture of the three.

References
----------
Gur-Arieh, Geva and Geiger, Mixing mechanisms: how language models retrieve bound entities in-context (2025).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate.errors import SpecError, check_choice, check_int, check_real
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "BindingFit",
    "answer_sources",
    "binding_answers",
    "binding_mechanisms",
    "fit_binding",
    "patch_bindings",
]

MECHANISMS = ("positional", "lexical", "reflexive")
SOURCES = (*MECHANISMS, "original", "other")
SHARES = (0.7, 0.15, 0.15)
"""Of items from which the mixture is learned, by which a start is chosen, and on which it is judged."""

STRONGEST = 30.0
"""Bound of a weight: a factor of 1e13 between two groups."""

NARROWEST = 1e-6
STARTS = ((1.0, 3.0, 1.0), (6.0, 0.5, 6.0), (6.0, 3.0, 0.0))
"""Weight of the place, its width, and weight of the pointers from which the search begins."""


def binding_answers(
    swap: Callable[[Any, str], ArrayLike], pairs: Any, *, sites: Sequence[str] = ("state",)
) -> xr.Dataset:
    """Collect what a system answers when part of its state comes from the second context of each pair.

    Parameters
    ----------
    swap : callable
        From the pairs and the name of a site to probabilities or scores that are not negative (n_trials,
        n_answers): what is answered in the first context when what stands at the site, as the question is to
        be answered, is that of the second. A reservoir or a Continuous Thought Machine swaps its state, a
        memory its query, its slots or its matrix.
    pairs : arcuate.tasks.BindingPairs
    sites : sequence of str
        Names, for ``swap`` to read.

    Returns
    -------
    xarray.Dataset
        ``probability`` (site, trial, group) among the groups of the first context; ``outside`` (site, trial),
        the share that went to other answers; coordinates ``positional``, ``lexical``, ``reflexive`` and
        ``original`` (trial), the group that each points to.

    Raises
    ------
    SpecError
        If there is no site, or answers do not have that shape, are negative, not finite or nothing at all.

    Examples
    --------
    A lookup by the question, which is all that is swapped:

    >>> from arcuate.tasks import Bindings
    >>> def swap(pairs, site):
    ...     first, question = pairs.original, pairs.counterfactual.queries
    ...     found = (first.objects == question[:, None]).argmax(axis=1)
    ...     return np.eye(first.n_answers)[first.names[np.arange(len(found)), found]]
    >>> answers = binding_answers(swap, Bindings().draw(50, seed=1).interchanged(seed=1))
    >>> bool((answers.probability[0].argmax("group") == answers.lexical).all())
    True
    """
    import xarray as xr

    where, first = "binding_answers", pairs.original
    if isinstance(sites, str) or not len(sites):
        raise SpecError.of(where=where, name="sites", value=sites, bound="must be one name or more")
    shape, rows = (first.n_trials, first.n_answers), np.arange(first.n_trials)[:, None]
    probability, outside = [], []
    for site in sites:
        given = np.asarray(swap(pairs, site), dtype=np.float64)
        if given.shape != shape or not np.isfinite(given).all() or (given < 0).any():
            bound = f"must be finite, not negative and {shape} at {site}; its shape is {given.shape}"
            raise SpecError.of(where=where, name="swap", bound=bound)
        among, total = given[rows, first.candidates], given.sum(axis=1)
        if not (among.sum(axis=1) > 0).all():
            bound = f"must give some probability to the groups of every trial at {site}"
            raise SpecError.of(where=where, name="swap", bound=bound)
        probability.append(among / among.sum(axis=1, keepdims=True))
        outside.append(1 - among.sum(axis=1) / total)
    pointers = {name: ("trial", getattr(pairs, name)) for name in MECHANISMS}
    return xr.Dataset(
        {"probability": (("site", "trial", "group"), probability), "outside": (("site", "trial"), outside)},
        {
            "site": list(sites),
            "group": np.arange(first.n_groups),
            **pointers,
            "original": ("trial", first.asked),
        },
    )


def patch_bindings(
    model: Any,
    pairs: Any,
    *,
    sites: str | Sequence[str] = "blocks.*.resid_post",
    only_right: bool = True,
) -> xr.Dataset:
    """Take what stands at the last word over from the second context into the first, site by site.

    Parameters
    ----------
    model : torch.nn.Module
        Gives logits (trial, word, class) for the words of ``pairs.original.tokens()``; the classes of answers
        come first.
    pairs : arcuate.tasks.BindingPairs
    sites : str or sequence of str
        Names or patterns, as `arcuate.probes.capture` takes them. Only sites before the last block tell
        something: with all that stands behind it at the last word, the answer comes along, in any model.
    only_right : bool
        Keep the pairs in which the model answers both contexts right; all otherwise, as the control of a
        model that has not learned needs it.

    Returns
    -------
    xarray.Dataset
        As `binding_answers` gives it, with the coordinate ``pair`` (trial), which of the pairs were kept, and
        the attribute ``accuracy``, the share of contexts that were answered right.

    Raises
    ------
    SpecError
        If the model answers no pair right, and only such are kept.
    UnknownNameError
        If there is no such site.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.tasks import Bindings
    >>> pairs = Bindings(n_groups=4, n_names=4, n_objects=4).draw(200, seed=1).interchanged(seed=1)
    >>> answers = patch_bindings(TinyTransformer(n_outputs=4, n_tokens=9, d_model=8, seed=2), pairs)
    >>> answers.site.values.tolist(), bool(answers.attrs["accuracy"] < 0.5)
    (['blocks.0.resid_post', 'blocks.1.resid_post'], True)
    """
    import torch

    from arcuate.probes._hooks import evaluated
    from arcuate.probes.patch import Edit, intervene
    from arcuate.probes.record import capture

    first, second = (torch.from_numpy(part.tokens().tokens.copy()) for part in _both(pairs))
    with evaluated(model):
        said = [np.asarray(model(words)[:, -1].argmax(dim=-1)) for words in (first, second)]
        right = np.stack([one == part.answers for one, part in zip(said, _both(pairs), strict=True)])
        kept = torch.from_numpy(np.flatnonzero(right.all(axis=0) if only_right else np.ones(pairs.n_trials)))
        pairs = pairs.chosen(kept.numpy())
        if not pairs.n_trials:
            bound = "answers no pair of contexts right"
            raise SpecError.of(where="patch_bindings", name="model", bound=bound, fix="train it first")
        donors = capture(model, second[kept], sites=sites, reduce="last")

        def swap(pairs: Any, site: str) -> np.ndarray:
            donor = donors.states(site)["activation"].values.reshape(len(kept), 1, -1)
            with intervene(model, Edit(site, "replace", donor, where={"positions": [-1]})):
                logits = model(first[kept])[:, -1, : pairs.original.n_answers]
            return np.asarray(torch.softmax(logits.double(), dim=-1))

        answers = binding_answers(swap, pairs, sites=donors.sites)
    return answers.assign_coords(pair=("trial", kept.numpy())).assign_attrs(accuracy=float(right.mean()))


def _both(pairs: Any) -> tuple[Any, Any]:
    return pairs.original, pairs.counterfactual


def answer_sources(answers: xr.Dataset) -> xr.Dataset:
    """Say which pointer the answers followed, by the group that the second context asked about.

    Parameters
    ----------
    answers : xarray.Dataset
        As `binding_answers` gives it.

    Returns
    -------
    xarray.Dataset
        ``share`` (site, index, source): mean probability of the group that was named by its place, its
        question or its answer, of the one that the first context asked about (nothing was taken over), and of
        all others. ``index`` is the place of the group asked about in the second context; one that no trial
        has is NaN.

    Raises
    ------
    SpecError
        If these are no such answers.

    Examples
    --------
    >>> from arcuate.tasks import Bindings
    >>> pairs = Bindings(n_groups=4).draw(200, seed=1).interchanged(seed=1)
    >>> even = binding_answers(lambda pairs, site: np.ones((200, 24)), pairs)
    >>> answer_sources(even).share[0, 0].values.round(2).tolist()
    [0.25, 0.25, 0.25, 0.25, 0.0]
    """
    import xarray as xr

    where = "answer_sources"
    probability, pointers = _given(answers, where)
    original = np.asarray(answers["original"].values) if "original" in answers.coords else None
    if original is None:
        raise SpecError.of(where=where, name="answers", bound="must have the coordinate original")
    n_groups, columns = probability.shape[2], np.column_stack((pointers, original))
    places = np.broadcast_to(columns, (len(probability), *columns.shape))
    named = np.take_along_axis(probability, places, axis=2)
    each = np.concatenate((named, 1 - named.sum(axis=2, keepdims=True)), axis=2)
    share = np.full((len(each), n_groups, len(SOURCES)), np.nan)
    for index in range(n_groups):
        if (chosen := pointers[:, 0] == index).any():
            share[:, index] = each[:, chosen].mean(axis=1)
    coordinates = {"site": answers["site"].values, "index": np.arange(n_groups), "source": list(SOURCES)}
    return xr.Dataset({"share": (("site", "index", "source"), share)}, coordinates)


def _given(answers: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (site, trial, group) and pointers (trial, 3) of a result of `binding_answers`."""
    if "probability" not in getattr(answers, "data_vars", {}) or not set(MECHANISMS) <= set(answers.coords):
        bound = "must be a result of arcuate.probes.binding_answers"
        raise SpecError.of(where=where, name="answers", bound=bound)
    return answers["probability"].values, np.column_stack([answers[name].values for name in MECHANISMS])


@dataclass(frozen=True, kw_only=True, eq=False)
class BindingFit:
    """A mixture of the mechanisms as it was fitted by `fit_binding`.

    Attributes
    ----------
    mechanisms : tuple of str
        Those that it has.
    weight : float
        w, of the place.
    width : ndarray, (3,)
        c0, c1 and c2 of the width of the place, in groups.
    lexical, reflexive : ndarray, (n_groups,)
        g and g', by the group that is pointed to.
    agreement : float
        1 minus the mean Jensen-Shannon divergence (base 2) from the items on which it is judged.
    intervals : mapping of str to tuple of float
        Ends of the bootstrap intervals of ``agreement``, ``weight``, ``lexical`` and ``reflexive`` (means
        over groups); empty without resamples.

    Examples
    --------
    >>> fit = BindingFit(
    ...     mechanisms=("lexical",), weight=0.0, width=np.array([3.0, 0.0, 0.0]), lexical=np.full(4, 5.0),
    ...     reflexive=np.zeros(4), agreement=1.0, intervals={},
    ... )
    >>> fit.predict([[0, 2, 3]]).round(2).tolist()
    [[0.01, 0.01, 0.98, 0.01]]
    """

    mechanisms: tuple[str, ...]
    weight: float
    width: np.ndarray
    lexical: np.ndarray
    reflexive: np.ndarray
    agreement: float
    intervals: dict[str, tuple[float, float]]

    def spread(self) -> np.ndarray:
        """Return the width of the place by the group that it points to.

        Returns
        -------
        ndarray, (n_groups,)
            In groups.

        Examples
        --------
        >>> pointers = np.tile([0, 1, 2], (40, 1))
        >>> fit = fit_binding(np.full((40, 4), 0.25), pointers, mechanisms=("positional",))
        >>> fit.spread().shape
        (4,)
        """
        return _spread(self.width, len(self.lexical))

    def predict(self, pointers: ArrayLike) -> np.ndarray:
        """Return the answers that follow from pointers.

        Parameters
        ----------
        pointers : array_like of int, (n_trials, 3)
            Groups that place, question and answer point to.

        Returns
        -------
        ndarray, (n_trials, n_groups)
            Probabilities.

        Raises
        ------
        SpecError
            If they are no groups, or not three of each trial.

        Examples
        --------
        >>> fit = fit_binding(np.full((40, 4), 0.25), np.tile([0, 1, 2], (40, 1)), mechanisms=())
        >>> fit.predict([[0, 1, 2]]).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
        """
        n = len(self.lexical)
        theta = np.concatenate(([self.weight], self.width, self.lexical, self.reflexive))
        return np.asarray(_softmax(_logits(theta, _pointers(pointers, n, "BindingFit.predict"), n)))


def fit_binding(
    probability: ArrayLike,
    pointers: ArrayLike,
    *,
    mechanisms: Sequence[str] = MECHANISMS,
    n_resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> BindingFit:
    r"""Fit the mixture of mechanisms to answers.

    With p, k and i for the groups that place, question and answer point to, the logit of group a is

    .. math:: w \exp\left(-\frac{(a - p)^2}{2 \sigma(p)^2}\right) + g_k [a = k] + g'_i [a = i], \qquad
        \sigma(p) = \left|c_0 + c_1 x + c_2 x^2\right| + 10^{-6}, \quad x = p / P

    for P groups. The mean Jensen-Shannon divergence from 70 % of the items is brought to its minimum from
    three starts, 15 % choose among them, and 15 % judge.

    Parameters
    ----------
    probability : array_like, (n_trials, n_groups)
        Answers of any system, as probabilities among the groups.
    pointers : array_like of int, (n_trials, 3)
        p, k and i.
    mechanisms : sequence of {"positional", "lexical", "reflexive"}
        Those of the mixture; the others have no weight.
    n_resamples : int
        Bootstrap resamples of the items that are learned from and of those that judge, the mixture fitted to
        each; 0: no intervals.
    level : float
        Coverage of the intervals.
    seed : int
        Of the split and the resamples, streams ``probes/binding/...``.

    Returns
    -------
    BindingFit

    Raises
    ------
    SpecError
        If answers are no probabilities, pointers no groups, there are fewer than 20 trials, or an option is
        out of bounds.

    Notes
    -----
    The minimum is found by L-BFGS-B with the exact gradient, weights between -30 and 30; the published
    account descends by Adam at a rate of 0.05.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> pointers = rng.permuted(np.tile(np.arange(6), (300, 1)), axis=1)[:, :3]
    >>> true = BindingFit(
    ...     mechanisms=("positional", "lexical"), weight=4.0, width=np.array([1.0, 0.0, 0.0]),
    ...     lexical=np.full(6, 3.0), reflexive=np.zeros(6), agreement=1.0, intervals={},
    ... )
    >>> fit = fit_binding(true.predict(pointers), pointers)
    >>> round(fit.agreement, 3), round(fit.weight, 1), round(float(fit.lexical.mean()), 1)
    (1.0, 4.0, 3.0)
    """
    where = "fit_binding"
    target = np.asarray(probability, dtype=np.float64)
    if target.ndim != 2 or len(target) < 20 or target.shape[1] < 2:
        bound = f"must be (n_trials, n_groups), 20 trials or more, not {target.shape}"
        raise SpecError.of(where=where, name="probability", bound=bound)
    sums_to_one = (
        np.isfinite(target).all() and (target >= 0).all() and np.allclose(target.sum(axis=1), 1, atol=1e-4)
    )
    if not sums_to_one:
        bound = "must be probabilities, which add up to 1 in every trial"
        raise SpecError.of(where=where, name="probability", bound=bound)
    pointed = _pointers(pointers, target.shape[1], where)
    if len(pointed) != len(target):
        bound = f"must be of {len(target)} trials, as the probabilities are, not of {len(pointed)}"
        raise SpecError.of(where=where, name="pointers", bound=bound)
    for mechanism in mechanisms:
        check_choice(mechanism, MECHANISMS, where=where, name="mechanisms")
    check_int(n_resamples, where=where, name="n_resamples", low=0)
    check_real(level, where=where, name="level", low=0, high=1, low_open=True, high_open=True)
    order = stream(check_seed(seed), "probes/binding/split").permutation(len(target))
    n_train, n_chosen = (round(share * len(target)) for share in SHARES[:2])
    train, choose, test = np.split(order, [n_train, n_train + n_chosen])
    n, allowed = target.shape[1], _allowed(mechanisms, target.shape[1])
    found = [_descend(_start(start, n, allowed), target[train], pointed[train], allowed) for start in STARTS]
    theta = min(found, key=lambda one: _divergence(one, target[choose], pointed[choose]))
    draw, drawn = stream(seed, "probes/binding/bootstrap"), []
    for _ in range(n_resamples):
        some, judges = (part[draw.integers(len(part), size=len(part))] for part in (train, test))
        again = _descend(theta, target[some], pointed[some], allowed)
        drawn.append(_told(again, 1 - _divergence(again, target[judges], pointed[judges]), n))
    tails = ((1 - level) / 2, (1 + level) / 2)
    ends = {name: np.quantile([row[name] for row in drawn], tails) for name in (drawn[0] if drawn else ())}
    return BindingFit(
        mechanisms=tuple(mechanisms), weight=float(theta[0]), width=theta[1:4], lexical=theta[4 : 4 + n],
        reflexive=theta[4 + n :], agreement=1 - _divergence(theta, target[test], pointed[test]),
        intervals={name: (float(low), float(high)) for name, (low, high) in ends.items()},
    )  # fmt: skip


def _pointers(pointers: ArrayLike, n: int, where: str) -> np.ndarray:
    pointed = np.asarray(pointers)
    whole = pointed.ndim == 2 and pointed.shape[1] == 3 and pointed.dtype.kind in "iu"
    if not whole or (pointed < 0).any() or (pointed >= n).any():
        bound = f"must be whole numbers (n_trials, 3) from 0 to {n - 1}"
        raise SpecError.of(where=where, name="pointers", bound=bound)
    return pointed


def _told(theta: np.ndarray, agreement: float, n: int) -> dict[str, float]:
    """Return the figures of a fit that have intervals."""
    lexical, reflexive = float(theta[4 : 4 + n].mean()), float(theta[4 + n :].mean())
    return {"agreement": agreement, "weight": float(theta[0]), "lexical": lexical, "reflexive": reflexive}


def _allowed(mechanisms: Sequence[str], n: int) -> np.ndarray:
    """Return which parameters belong to the mechanisms: w, three of the width, g, g'."""
    of = np.repeat(np.arange(3), (4, n, n))
    return np.isin(of, [MECHANISMS.index(mechanism) for mechanism in mechanisms])


def _start(start: tuple[float, float, float], n: int, allowed: np.ndarray) -> np.ndarray:
    weight, width, pointer = start
    theta = np.concatenate(([weight, width, 0.0, 0.0], np.full(2 * n, pointer)))
    idle = np.concatenate(([0.0, width, 0.0, 0.0], np.zeros(2 * n)))
    return np.where(allowed, theta, idle)


def _spread(width: np.ndarray, n: int) -> np.ndarray:
    x = np.arange(n) / n
    return np.asarray(np.abs(width[0] + width[1] * x + width[2] * x**2) + NARROWEST)


def _logits(theta: np.ndarray, pointed: np.ndarray, n: int) -> np.ndarray:
    p, k, i = pointed.T
    rows, away = np.arange(len(pointed)), np.arange(n) - p[:, None]
    logits = theta[0] * np.exp(-(away**2) / (2 * _spread(theta[1:4], n)[p, None] ** 2))
    logits[rows, k] += theta[4 + k]
    logits[rows, i] += theta[4 + n + i]
    return np.asarray(logits)


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _divergence(theta: np.ndarray, target: np.ndarray, pointed: np.ndarray) -> float:
    """Return the mean Jensen-Shannon divergence in bits."""
    return _loss(theta, target, pointed)[0]


def _loss(theta: np.ndarray, target: np.ndarray, pointed: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean divergence and its gradient along all parameters.

    With q = softmax(z) and m = (t + q) / 2, dD/dq = log2(q / m) / 2 as far as q adds up to 1.
    """
    n, count = target.shape[1], len(target)
    p, k, i = pointed.T
    q = _softmax(_logits(theta, pointed, n))
    middle = (target + q) / 2
    tiny = np.finfo(float).tiny
    up, down = np.log2(np.maximum(q, tiny) / np.maximum(middle, tiny)), np.zeros_like(q)
    np.log2(np.divide(target, middle, out=down, where=target > 0), out=down, where=target > 0)
    value = float(((target * down) + (q * up)).sum() / (2 * count))
    slope = q * (up - (q * up).sum(axis=1, keepdims=True)) / (2 * count)
    gradient, rows, x = np.zeros_like(theta), np.arange(count), p / n
    away2, spread = (np.arange(n) - p[:, None]) ** 2, _spread(theta[1:4], n)[p]
    bump = np.exp(-away2 / (2 * spread[:, None] ** 2))
    gradient[0] = (slope * bump).sum()
    sign = np.sign(theta[1] + theta[2] * x + theta[3] * x**2)
    along = theta[0] * (slope * bump * away2).sum(axis=1) / spread**3 * sign
    gradient[1:4] = along.sum(), (along * x).sum(), (along * x**2).sum()
    np.add.at(gradient, 4 + k, slope[rows, k])
    np.add.at(gradient, 4 + n + i, slope[rows, i])
    return value, gradient


def _descend(theta: np.ndarray, target: np.ndarray, pointed: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return the parameters at the minimum that is reached from a start."""
    from scipy.optimize import minimize

    if not allowed.any():
        return theta

    def loss(free: np.ndarray) -> tuple[float, np.ndarray]:
        whole = theta.copy()
        whole[allowed] = free
        value, gradient = _loss(whole, target, pointed)
        return value, gradient[allowed]

    ends = np.full(len(theta), STRONGEST)
    bounds = list(zip(-ends[allowed], ends[allowed], strict=True))
    options = {"maxiter": 500, "ftol": 1e-10, "gtol": 1e-7}
    best = minimize(loss, theta[allowed], jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    whole = theta.copy()
    whole[allowed] = best.x
    return whole


def binding_mechanisms(
    answers: xr.Dataset, *, n_resamples: int = 100, level: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """Fit the mixture, and what is left of it without a mechanism, at each site.

    Parameters
    ----------
    answers : xarray.Dataset
        As `binding_answers` gives it.
    n_resamples, level, seed
        As in `fit_binding`; intervals are of the whole mixture.

    Returns
    -------
    xarray.Dataset
        ``agreement`` (site, mixture) of the whole, of each mechanism alone, of each pair and of none;
        ``weight`` (site, mechanism), w and the means of g and g'; ``agreement_interval`` (site, end) and
        ``weight_interval`` (site, mechanism, end); ``spread`` (site, group), the width of the place;
        ``pointer`` (site, mechanism, group), w, g and g' by group.

    Raises
    ------
    SpecError
        If these are no such answers, or an option is out of bounds.

    Examples
    --------
    >>> from arcuate.tasks import Bindings
    >>> pairs = Bindings(n_groups=4).draw(100, seed=1).interchanged(seed=1)
    >>> answers = binding_answers(lambda pairs, site: np.ones((100, 24)), pairs)
    >>> found = binding_mechanisms(answers, n_resamples=0)
    >>> round(float(found.agreement.sel(site="state", mixture="none")), 3)
    1.0
    """
    import xarray as xr

    probability, pointers = _given(answers, "binding_mechanisms")
    pairs = [tuple(m for m in MECHANISMS if m != left) for left in MECHANISMS]
    parts: list[tuple[str, ...]] = [MECHANISMS, *((m,) for m in MECHANISMS), *pairs, ()]
    names = ["all", *MECHANISMS, *(f"no {m}" for m in MECHANISMS), "none"]
    rows: dict[str, list[Any]] = {
        name: [] for name in ("agreement", "weight", "ends", "bars", "spread", "pointer")
    }
    for each in probability:
        whole = fit_binding(each, pointers, n_resamples=n_resamples, level=level, seed=seed)
        rest = [fit_binding(each, pointers, mechanisms=part, seed=seed).agreement for part in parts[1:]]
        ends = whole.intervals or dict.fromkeys(
            ("agreement", "weight", "lexical", "reflexive"), (np.nan, np.nan)
        )
        rows["agreement"].append([whole.agreement, *rest])
        rows["weight"].append([whole.weight, whole.lexical.mean(), whole.reflexive.mean()])
        rows["ends"].append(ends["agreement"])
        rows["bars"].append([ends[name] for name in ("weight", "lexical", "reflexive")])
        rows["spread"].append(whole.spread())
        rows["pointer"].append([np.full(len(whole.lexical), whole.weight), whole.lexical, whole.reflexive])
    variables = {
        "agreement": (("site", "mixture"), rows["agreement"]),
        "agreement_interval": (("site", "end"), rows["ends"]),
        "weight": (("site", "mechanism"), rows["weight"]),
        "weight_interval": (("site", "mechanism", "end"), rows["bars"]),
        "spread": (("site", "group"), rows["spread"]),
        "pointer": (("site", "mechanism", "group"), rows["pointer"]),
    }
    coordinates = {"site": answers["site"].values, "mixture": names, "mechanism": list(MECHANISMS)}
    return xr.Dataset(variables, {**coordinates, "end": ["low", "high"]})
