"""What is measured of one response: subspaces of "what" and "when" beside nulls, read-out, geometry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate.flagships._what_and_when_systems import CUES, TICK, Response
from arcuate.rng import stream

__all__ = ["FACTORS", "WINDOW", "demixed", "geometry", "readout", "readout_angle", "subspaces", "weights"]

Floats = NDArray[np.float64]

FACTORS = ("identity", "delay", "probability")
WINDOW = (1, 4)
"""Ticks after the cue in which subspaces are looked for: the cue is over, no outcome can have come."""

N_DIMENSIONS = 2
"""Of each subspace (chosen: three probabilities span two; two identities one at each tick)."""


PENALTY = 0.01
"""Of the ridge regression, by the mean variance of a unit (chosen)."""


def demixed(states: Floats, labels: NDArray[np.intp]) -> tuple[Floats, list[Floats]]:
    """Return states without what all cues share at each tick, and the mean of each level of each property.

    The marginal means of demixed principal component analysis (Kobak et al. 2016, doi:10.7554/eLife.10989), a
    property with its interaction with time; the design is balanced.

    Parameters
    ----------
    states : ndarray, (n_cues, n_ticks, n_units)
    labels : ndarray, (n_cues,), int
        The cue whose place in the design each row takes; ``arange`` for the true one.

    Returns
    -------
    centered : ndarray, (n_cues, n_ticks, n_units)
    means : list of ndarray, (n_levels, n_ticks, n_units)
        In the order of `FACTORS`.
    """
    centered = states[labels] - states.mean(axis=0)
    cube = centered.reshape(*CUES.shape, *centered.shape[1:])
    return centered, [cube.mean(axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]


def _shares(centered: Floats, means: list[Floats]) -> Floats:
    """Share of each property in the variance over cues."""
    total = float((centered**2).mean(axis=0).sum())
    return np.array([float((mean**2).mean(axis=0).sum()) / total for mean in means])


def _axes(mean: Floats) -> Floats:
    """Rows that span most of the marginal means of a property."""
    _, _, rows = np.linalg.svd(mean.reshape(-1, mean.shape[-1]), full_matrices=False)
    return np.asarray(rows[:N_DIMENSIONS])


def _angle(first: Floats, second: Floats) -> float:
    """Smallest principal angle of two sets of orthonormal rows, degrees."""
    from arcuate.analysis import principal_angles

    return float(principal_angles(first, second)[0])


def weights(response: Response) -> tuple[Floats, Floats]:
    """Return read-out weights of "when" and "what": the system's own, or those of ridge regression.

    Targets of the regression are those of the reservoir's rule, over all ticks of all trials: a pulse in the
    tick before the outcome, whatever it is; and from the cue to the outcome the chance of each outcome.

    Parameters
    ----------
    response : Response

    Returns
    -------
    when : ndarray, (1, n_units)
    what : ndarray, (2, n_units)
    """
    from arcuate.readout import Ridge

    if response.when is not None and response.what is not None:
        return np.atleast_2d(response.when), response.what
    n, repeats, ticks, units = response.states.shape
    tick = np.arange(ticks)
    pulse = (tick == CUES.delay[:, None] - 1).astype(float)
    first = np.where(CUES.identity == 0, CUES.probability, 1 - CUES.probability)
    chance = np.stack((first, 1 - first), axis=1)[:, None, :] * (tick < CUES.delay[:, None])[..., None]
    targets = np.concatenate((pulse[..., None], chance), axis=2)
    targets = np.broadcast_to(targets[:, None], (n, repeats, ticks, 3)).reshape(-1, 3)
    states = response.states.reshape(-1, units).astype(np.float64)
    penalty = PENALTY * float(states.var(axis=0).sum()) * len(states) / units
    coef = np.asarray(Ridge(alpha=penalty, fit_intercept=True).fit(states, targets).coef_)
    return coef[:1], coef[1:]


def readout_angle(response: Response, *, n_null: int, seed: int) -> dict[str, Any]:
    """Measure the angle of the read-out weights of "when" and "what" beside two nulls.

    Parameters
    ----------
    response : Response
    n_null : int
        Draws of each null.
    seed : int

    Returns
    -------
    dict
        ``angle``, smallest principal angle, degrees, and ``regressed``, that of weights by ridge regression
        alone; ``isotropic`` and ``matched``, medians of random weights
        of as many vectors, even in all directions and with the covariance of the states; ``correlation``, of
        the outputs of "when" and of the first outcome; ``dimensions``, participation ratio of the states.
    """
    from arcuate.analysis import compare_subspaces, principal_angles

    when, what = weights(response)
    states = response.states.reshape(-1, *response.states.shape[2:]).astype(np.float64)
    times = np.arange(states.shape[1]) * TICK
    report = compare_subspaces(when, what, states, times=times, exclude="0 ms", n_null=n_null, seed=seed).full
    return {
        "angle": float(report.angles[0]),
        "regressed": float(principal_angles(*weights(replace(response, when=None, what=None)))[0]),
        "isotropic": float(report.isotropic[1]),
        "matched": float(report.matched[1]),
        "correlation": float(report.correlation[0, 0]),
        "dimensions": report.participation_ratio,
    }


def subspaces(response: Response, *, n_null: int, seed: int) -> dict[str, Any]:
    """Measure the angles of the demixed subspaces of the three properties, and what chance gives.

    Parameters
    ----------
    response : Response
    n_null : int
        Draws of the null.
    seed : int

    Returns
    -------
    dict
        ``share`` (3,), of the variance over cues; ``share_null`` (3,), its 95th percentile with that property
        shuffled among cues that agree in the other two; ``demixed`` (3,), smallest angles of identity and
        delay, identity and probability, delay and probability, degrees; ``shuffled``, median of the first
        with identities shuffled so; ``itself`` (2,), the angle of identity and of delay with themselves,
        found in either half of the repeats.
    """
    every = response.states[:, :, slice(*WINDOW)].astype(np.float64)
    states = every.mean(axis=1)
    order = np.arange(len(states))
    centered, means = demixed(states, order)
    axes = [_axes(mean) for mean in means]
    generator = stream(seed, "flagship/what_and_when/shuffled")
    shuffled, shares = np.empty(n_null), np.empty((n_null, len(FACTORS)))
    for draw in range(n_null):
        for k in range(len(FACTORS)):
            other, moved = demixed(states, _shuffled(generator, k))
            shares[draw, k] = _shares(other, moved)[k]
            if k == 0:
                shuffled[draw] = _angle(_axes(moved[0]), axes[1])
    halves = [demixed(every[:, k::2].mean(axis=1), order)[1] for k in (0, 1)]
    return {
        "share": _shares(centered, means),
        "share_null": np.percentile(shares, 95, axis=0),
        "demixed": np.array([_angle(axes[i], axes[j]) for i, j in ((0, 1), (0, 2), (1, 2))]),
        "shuffled": float(np.median(shuffled)),
        "itself": np.array([_angle(*(_axes(half[k]) for half in halves)) for k in (0, 1)]),
    }


def _shuffled(generator: np.random.Generator, factor: int) -> NDArray[np.intp]:
    """Return cues with one property shuffled among those that agree in the other two."""
    cube = np.arange(len(CUES.delay)).reshape(CUES.shape)
    return np.asarray(generator.permuted(cube, axis=factor).ravel())


def readout(response: Response) -> dict[str, Any]:
    """Measure what the read-out says: when, and how its size goes with the probability.

    Parameters
    ----------
    response : Response

    Returns
    -------
    dict
        ``timed``, share of the trials in which the expectation is largest within a tick of the one before the
        outcome; ``amplitude`` (n_probabilities,), the largest expectation of the likelier outcome; ``slope``
        of the amplitude against the probability.
    """
    peak = response.expected.sum(axis=3).argmax(axis=2)
    early = CUES.delay[:, None] - peak
    largest = response.expected.max(axis=2).mean(axis=1)
    likelier = largest[np.arange(len(largest)), CUES.identity]
    levels = np.unique(CUES.probability)
    return {
        "timed": float(((early >= 0) & (early <= 2)).mean()),
        "amplitude": np.array([likelier[CUES.probability == p].mean() for p in levels]),
        "slope": float(np.polyfit(CUES.probability, likelier, 1)[0]),
    }


def geometry(response: Response, *, n_null: int, seed: int) -> dict[str, Any]:
    """Fit the dissimilarities of the cues by those of their three properties.

    Parameters
    ----------
    response : Response
    n_null : int
        Orders of the cues.
    seed : int

    Returns
    -------
    dict
        ``fit``, score on cues left out; ``fit_null``, its mean over orders; ``weight`` (3,), share of each
        property in what is predicted; ``rdm`` (n_cues, n_cues).
    """
    from arcuate.compare import fit_rdm, model_rdm, rdm

    states = response.states[:, :, slice(*WINDOW)].mean(axis=(1, 2)).astype(np.float64)
    data = rdm(states)
    models = {
        "identity": model_rdm(CUES.identity, kind="identity"),
        "delay": model_rdm(CUES.delay.astype(float), kind="time"),
        "probability": model_rdm(CUES.probability, kind="probability"),
    }
    fit = fit_rdm(data, models, n_null=n_null, seed=seed, progress=False)
    parts = np.array([float(fit.weights.sel(model=name)) * float(models[name].mean()) for name in FACTORS])
    total = parts.sum()
    return {
        "fit": fit.score,
        "fit_null": float(np.nanmean(fit.null)),
        "weight": parts / total if total > 0 else np.full(len(parts), np.nan),
        "rdm": data.values,
    }
