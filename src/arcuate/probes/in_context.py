"""Where a learner of items with labels stands on the way to reading the context, and the least model of it.

References
----------
G. Reddy, The mechanistic basis of data dependence and abrupt learning in an in-context classification task
(2023), arXiv 2312.03002. The form of the nested logits is our reading.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import as_real
from arcuate.errors import NonFiniteError, SpecError, check_int, check_real
from arcuate.recording import Recording
from arcuate.tasks import ItemLabelTrials

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NestedLogit", "crossing", "induction_progress", "label_margin"]

PATTERN = re.compile(r"(?:.*\.)?(\d+)\.attn\.pattern")
LOGITS = ("beta", "kappa", "xi")
LARGEST = 50.0
"""Logits above this are not told from it: a probability is 1 within rounding."""


def induction_progress(
    patterns: Recording | Mapping[int, ArrayLike] | Sequence[ArrayLike], trials: ItemLabelTrials
) -> xr.Dataset:
    """Measure in attention patterns how far an induction head has come (Reddy 2023).

    Parameters
    ----------
    patterns : Recording, mapping or sequence of array_like
        What `capture` recorded at ``blocks.*.attn.pattern`` of these trials, or an array (trial, head, query,
        key) for each layer.
    trials : ItemLabelTrials
        What was read.

    Returns
    -------
    xarray.Dataset
        Over ``layer`` and ``head``, means over trials: ``item_label``, the attention of a label to its own
        item; ``target_label``, the attention of the target to the labels of items of its class less that to
        other labels, over trials with such items (NaN if there are none); ``context_label``, its attention to
        all labels. ILA1 is ``item_label`` of the first layer, TILA2 and CLA the other two of the second.

    Raises
    ------
    SpecError
        If there is no pattern, or one is not of these trials.

    Examples
    --------
    >>> from arcuate.tasks import ItemLabel
    >>> trials = ItemLabel().draw(4, seed=1)
    >>> even = np.tril(np.ones((17, 17))) / np.arange(1, 18)[:, None]
    >>> found = induction_progress([np.broadcast_to(even, (4, 1, 17, 17))], trials)
    >>> round(float(found["context_label"][0, 0]), 3)  # 8 labels among 17
    0.471
    """
    import xarray as xr

    where = "induction_progress"
    length = 2 * trials.classes.shape[1] - 1
    labels, matches = np.arange(1, length, 2), trials.matches
    some = matches.any(axis=1)
    rows = []
    layers = _layers(patterns, where)
    for layer, given in layers.items():
        pattern = as_real(given, where=where, name=f"patterns[{layer}]")
        if pattern.ndim != 4 or pattern.shape[:1] + pattern.shape[2:] != (trials.n_trials, length, length):
            bound = f"must be (trial, head, query, key) of {trials.n_trials} trials and {length} places"
            raise SpecError.of(where=where, name=f"patterns[{layer}]", value=pattern.shape, bound=bound)
        target = pattern[:, :, -1, labels]
        signed = np.where(matches, 1.0, -1.0)[:, None]
        rows.append(
            (
                pattern[:, :, labels, labels - 1].mean(axis=(0, 2)),
                (target * signed)[some].sum(axis=2).mean(axis=0) if some.any() else np.nan * target[0, :, 0],
                target.sum(axis=2).mean(axis=0),
            )
        )
    if len({len(row[0]) for row in rows}) > 1:
        raise SpecError.of(where=where, name="patterns", bound="must have as many heads in every layer")
    names = ("item_label", "target_label", "context_label")
    found = {name: (("layer", "head"), np.array([row[k] for row in rows])) for k, name in enumerate(names)}
    return xr.Dataset(found, {"layer": list(layers), "head": np.arange(len(rows[0][0]))})


def _layers(patterns: Any, where: str) -> dict[int, Any]:
    """Return the pattern (trial, head, query, key) of each layer."""
    if isinstance(patterns, Recording):
        sites = {site: PATTERN.fullmatch(site) for site in patterns.sites}
        return _some(
            {int(found[1]): _unfold(patterns.states(site)) for site, found in sites.items() if found}, where
        )
    if isinstance(patterns, Mapping):
        return _some({int(layer): given for layer, given in patterns.items()}, where)
    return _some(dict(enumerate(patterns)), where)


def _some(layers: dict[int, Any], where: str) -> dict[int, Any]:
    if not layers:
        fix = 'capture the sites "blocks.*.attn.pattern"'
        raise SpecError.of(where=where, name="patterns", bound="holds no attention pattern", fix=fix)
    return layers


def _unfold(state: xr.Dataset) -> np.ndarray:
    """Return the weights of a site as (trial, head, query, key)."""
    weights = state["weight"].values
    n_heads = len(np.unique(state["head"].values))
    return np.moveaxis(weights.reshape(*weights.shape[:2], n_heads, -1), 2, 1)


def label_margin(logits: ArrayLike, trials: ItemLabelTrials) -> xr.DataArray:
    """Tell by how much labels of the context are preferred to the others.

    Parameters
    ----------
    logits : array_like, (trial, label)
        What any system answers to the target.
    trials : ItemLabelTrials
        What was read.

    Returns
    -------
    xarray.DataArray
        Of each ``trial``: mean logit of the labels that stand in the context less that of those that do not;
        NaN if there are none of either.

    Raises
    ------
    SpecError
        If the logits are not of these trials.

    Examples
    --------
    >>> from arcuate.tasks import ItemLabel
    >>> trials = ItemLabel().draw(4, seed=1)
    >>> label_margin(np.eye(16)[trials.labels[:, -1]], trials).values.round(2)
    array([0.5, 0.5, 0.5, 0.5])
    """
    import xarray as xr

    where = "label_margin"
    given = as_real(logits, where=where, name="logits")
    if given.shape != (trials.n_trials, trials.n_labels):
        bound = f"must be ({trials.n_trials}, {trials.n_labels}), trials and labels"
        raise SpecError.of(where=where, name="logits", value=given.shape, bound=bound)
    inside = (trials.labels[:, :-1, None] == np.arange(trials.n_labels)).any(axis=1)
    with np.errstate(invalid="ignore"):
        means = [(given * part).sum(axis=1) / part.sum(axis=1) for part in (inside, ~inside)]
    return xr.DataArray(means[0] - means[1], {"trial": np.arange(len(given))}, name="margin")


def crossing(curve: xr.DataArray, level: float) -> float:
    """Tell when a curve is above a level for the first time.

    Parameters
    ----------
    curve : xarray.DataArray
        Along one dimension with a coordinate, as a history along ``step``.
    level : float

    Returns
    -------
    float
        Its coordinate there; NaN if it never is.

    Raises
    ------
    SpecError
        If the curve has not one dimension with a coordinate.

    Examples
    --------
    >>> import xarray as xr
    >>> crossing(xr.DataArray([0.1, 0.6, 0.9], {"step": [100, 200, 300]}), 0.5)
    200.0
    """
    dims = tuple(getattr(curve, "dims", ()))
    if len(dims) != 1 or dims[0] not in curve.coords:
        bound = "must have one dimension, with a coordinate"
        raise SpecError.of(where="crossing", name="curve", value=dims, bound=bound)
    above = np.flatnonzero(curve.values > check_real(level, where="crossing", name="level"))
    return float(curve[dims[0]][above[0]]) if above.size else math.nan


@dataclass(frozen=True, kw_only=True)
class NestedLogit:
    r"""The least model of abrupt learning in context: three logits, each within the next.

    .. math::
        q_1 &= \frac{e^\beta}{e^\beta + c}, \qquad q_2 = \frac{e^{\kappa q_1}}{e^{\kappa q_1} + M - 1}, \\
        p &= \frac{e^{\xi q_2}}{e^{\xi q_2} + (M - 1)\, e^{\xi (1 - q_2) / (M - 1)} + L - M}

    A label attends to its own item with :math:`q_1`, against c other places. What it carries of the item is
    matched by the target, whose attention to labels of its class, :math:`q_2`, stands against M - 1 other
    classes of the context. The read-out gives each label :math:`\xi` times the attention to it; p is the
    probability of the right one among L. The loss is :math:`-\log p`.

    The paper has three nested logits; their form is our reading. The labels of other classes take part in p
    by what attention they get: without them the gain alone would bring the loss to zero.

    Parameters
    ----------
    n_context : int
        M, classes of a context: pairs divided by the burstiness.
    n_labels : int
        L, at least M.
    n_others : float
        c, other places to which a label may attend; with N pairs N in the mean.

    Raises
    ------
    SpecError
        If a number is out of bounds.

    Examples
    --------
    >>> model = NestedLogit(n_context=4, n_labels=16, n_others=8)
    >>> course = model.flow(np.linspace(0, 60, 301))
    >>> bool(course["q1"].idxmax() > 0), round(float(course["loss"][0]), 2), float(course["loss"][-1]) < 0.1
    (True, 2.77, True)
    """

    n_context: int
    n_labels: int
    n_others: float

    def __post_init__(self) -> None:
        where = "NestedLogit"
        check_int(self.n_context, where=where, name="n_context", low=2)
        check_int(self.n_labels, where=where, name="n_labels", low=self.n_context)
        check_real(self.n_others, where=where, name="n_others", low=0, low_open=True)

    def _attention(self, beta: Any, kappa: Any) -> tuple[Any, Any]:
        """Return q1 and q2."""
        q1 = 1 / (1 + self.n_others * np.exp(-beta))
        return q1, 1 / (1 + (self.n_context - 1) * np.exp(-kappa * q1))

    def _answer(self, q2: Any, xi: Any) -> tuple[Any, Any]:
        """Return p and the probability of each other label of the context."""
        others, rest = self.n_context - 1, self.n_labels - self.n_context
        right, wrong = xi * q2, xi * (1 - q2) / others
        top = np.maximum(np.maximum(right, wrong), 0)
        every = np.exp(right - top) + others * np.exp(wrong - top) + rest * np.exp(-top)
        return np.exp(right - top) / every, np.exp(wrong - top) / every

    def evaluate(self, beta: ArrayLike, kappa: ArrayLike, xi: ArrayLike) -> dict[str, np.ndarray]:
        """Return what logits make of attention and answers.

        Parameters
        ----------
        beta, kappa, xi : array_like
            Of shapes that go together.

        Returns
        -------
        dict of str to ndarray
            ``q1``, ``q2``, ``probability`` and ``loss`` in nats.

        Raises
        ------
        SpecError
            If they are not finite numbers.

        Examples
        --------
        >>> model = NestedLogit(n_context=2, n_labels=2, n_others=8)
        >>> float(model.evaluate(0, 0, [0, 5])["loss"].std())  # no gain tells two labels apart
        0.0
        """
        given = [
            as_real(value, where="NestedLogit.evaluate", name=name).astype(float)
            for name, value in zip(LOGITS, (beta, kappa, xi), strict=True)
        ]
        beta, kappa, xi = np.broadcast_arrays(*given)
        q1, q2 = self._attention(beta, kappa)
        p, _ = self._answer(q2, xi)
        return {"q1": q1, "q2": q2, "probability": p, "loss": -np.log(p)}

    def _slope(self, state: np.ndarray) -> np.ndarray:
        """Return the downward gradient of the loss."""
        beta, kappa, xi = state
        q1, q2 = self._attention(beta, kappa)
        p, wrong = self._answer(q2, xi)
        by_q2 = xi * (1 - p + wrong)
        by_gain = q2 - p * q2 - wrong * (1 - q2)
        by_match = by_q2 * q2 * (1 - q2)
        return np.array([by_match * kappa * q1 * (1 - q1), by_match * q1, by_gain])

    def flow(self, times: ArrayLike, *, start: tuple[float, float, float] = (0.0, 0.01, 0.01)) -> xr.Dataset:
        """Follow the gradient of the loss downward from a start.

        Parameters
        ----------
        times : array_like
            Rising, from the start on; a time of 1 is a rate of learning times as many steps.
        start : tuple of float
            Of beta, kappa and xi.

        Returns
        -------
        xarray.Dataset
            Along ``time``: ``beta``, ``kappa``, ``xi``, ``q1``, ``q2``, ``probability``, ``loss`` (nats).

        Raises
        ------
        SpecError
            If the times do not rise or the start is not three numbers.
        NonFiniteError
            If the flow cannot be followed; the time is named.

        Examples
        --------
        Where all labels stand once in each context, the gain alone gains nothing, and little is learned:

        >>> times = np.linspace(0, 100, 101)
        >>> for n_labels in (8, 16):
        ...     course = NestedLogit(n_context=8, n_labels=n_labels, n_others=8).flow(times)
        ...     print(round(float(course["loss"][0] - course["loss"][-1]), 1))
        0.0
        2.7
        """
        import xarray as xr
        from scipy.integrate import solve_ivp

        where = "NestedLogit.flow"
        at = as_real(times, where=where, name="times").astype(float)
        if at.ndim != 1 or len(at) < 2 or not (np.diff(at) > 0).all():
            raise SpecError.of(where=where, name="times", bound="must be two or more, and rise")
        state = as_real(start, where=where, name="start").astype(float)
        if state.shape != (3,):
            raise SpecError.of(where=where, name="start", value=start, bound="must be beta, kappa and xi")
        found = solve_ivp(
            lambda _, y: self._slope(y),
            at[[0, -1]],
            state,
            method="LSODA",
            t_eval=at,
            rtol=1e-8,
            atol=1e-10,
        )
        if not found.success or not np.isfinite(found.y).all():
            reached = float(found.t[-1]) if len(found.t) else float(at[0])
            raise NonFiniteError.of(
                where=where, name="flow", value=reached, bound="is the last time it could be followed to"
            )
        columns = dict(zip(LOGITS, found.y, strict=True)) | self.evaluate(*found.y)
        return xr.Dataset({name: ("time", value) for name, value in columns.items()}, {"time": at})

    def fit(self, q1: ArrayLike, q2: ArrayLike, probability: ArrayLike) -> dict[str, np.ndarray]:
        """Find the logits that a network behaves by: `evaluate` turned around.

        Parameters
        ----------
        q1 : array_like
            Attention of a label to its own item, as ILA1.
        q2 : array_like
            Share of labels of the target's class in its attention to labels, from `induction_progress`:
            ``(1 + target_label / context_label) / 2`` of the second layer.
        probability : array_like
            Of the right label.

        Returns
        -------
        dict of str to ndarray
            ``beta``, ``kappa``, ``xi``; NaN where no gain gives the probability, as where attention does not
            prefer the right labels and answers do. No logit is beyond 50 in size.

        Raises
        ------
        SpecError
            If they are not from 0 to 1, or not of one shape.

        Examples
        --------
        >>> model = NestedLogit(n_context=4, n_labels=16, n_others=8)
        >>> values = model.evaluate(2.0, 5.0, 8.0)
        >>> found = model.fit(values["q1"], values["q2"], values["probability"])
        >>> [round(float(found[name]), 6) for name in ("beta", "kappa", "xi")]
        [2.0, 5.0, 8.0]
        """
        where, names = "NestedLogit.fit", ("q1", "q2", "probability")
        given = [
            as_real(value, where=where, name=name).astype(float)
            for name, value in zip(names, (q1, q2, probability), strict=True)
        ]
        for name, value in zip(names, given, strict=True):
            if value.shape != given[0].shape or ((value < 0) | (value > 1)).any():
                bound = f"must be from 0 to 1, and of the shape {given[0].shape} of q1"
                raise SpecError.of(where=where, name=name, bound=bound)
        with np.errstate(divide="ignore", invalid="ignore"):
            beta = np.log(self.n_others * given[0] / (1 - given[0]))
            kappa = np.log((self.n_context - 1) * given[1] / (1 - given[1])) / given[0]
        xi = np.array([self._gain(a, p) for a, p in zip(given[1].flat, given[2].flat, strict=True)])
        logits = (np.clip(beta, -LARGEST, LARGEST), np.clip(kappa, -LARGEST, LARGEST), xi)
        return {
            name: np.asarray(value).reshape(given[0].shape)
            for name, value in zip(LOGITS, logits, strict=True)
        }

    def _gain(self, q2: float, probability: float) -> float:
        """Return the gain xi from 0 to 50 that gives a probability, NaN if there is none."""
        from scipy.optimize import brentq

        def excess(xi: float) -> float:
            return float(self._answer(q2, xi)[0]) - probability

        if excess(0.0) > 0 or excess(LARGEST) < 0:
            return LARGEST if probability == 1 and excess(LARGEST) > -1e-6 else math.nan
        return float(brentq(excess, 0.0, LARGEST))
