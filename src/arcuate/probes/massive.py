"""Massive activations: how far the largest number of a state stands above the typical one, and its growth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._inputs import Floats
from arcuate.errors import FitError, SpecError, check_array, check_int, check_real
from arcuate.probes._depth import in_depth
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["GrowthFit", "activation_ratio", "fit_growth"]

PARAMETERS = ("amplitude", "decay", "speed", "shift", "offset")
DECAY, SHIFT, SPAN = (1e-6, 1.0), (1.0, 100.0), (1.0, 1e3)


def activation_ratio(states: Any, *, above: float = 500.0) -> xr.Dataset:
    """Compare the largest number of a state with the typical one, at each depth.

    Parameters
    ----------
    states : Recording, mapping of str to states, or array_like
        Sites, each (trial, token, unit), as `arcuate.probes.capture` gives ``["embed",
        "blocks.*.resid_post"]``; or an array (trial, token, layer, unit); or one site (trial, step, unit),
        such as rates of a reservoir, each of whose steps is a state. Pads are NaN and left out.
    above : float
        Ratio from which an activation counts as massive.

    Returns
    -------
    xarray.Dataset
        Over ``layer``, or the axis of one site: ``ratio``, the mean over trials of ``ratio_by_trial``
        (largest absolute number over the median of all, inf where that is 0), and over (``trial``, ``layer``)
        ``token`` and ``unit`` of the largest, ``n_massive`` (numbers at or above the bound) and ``n_tokens``
        (tokens with one).

    Raises
    ------
    SpecError
        If the states are not of such a shape, or `above` is not positive.

    References
    ----------
    M. Sun et al., Massive activations in large language models (2024), arXiv 2402.17762.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import activation_ratio
    >>> states = np.ones((1, 3, 2, 4))
    >>> states[0, 0, 1, 2] = -800
    >>> found = activation_ratio(states)
    >>> found["ratio"].values.tolist(), found["token"].values.tolist(), found["unit"].values.tolist()
    ([1.0, 800.0], [[0, 0]], [[0, 2]])
    """
    import xarray as xr

    where = "activation_ratio"
    bound = check_real(above, where=where, name="above", low=0.0)
    depth = in_depth(states, where=where)
    names = ("ratio_by_trial", "token", "unit", "n_massive", "n_tokens")
    rows: dict[str, list[list[float]]] = {name: [] for name in names}
    for cube, there in depth.all():
        found = [_of_trial(one[real], real, bound) for one, real in zip(np.abs(cube), there, strict=True)]
        for name, column in zip(rows, zip(*found, strict=True), strict=True):
            rows[name].append(list(column))
    coords: dict[str, Any] = {"trial": depth.trials}
    if depth.word == "layer":
        coords["site"] = ("layer", [str(name) for name in depth.names])
    else:
        coords[depth.word] = depth.names
    columns: dict[str, Any] = {}
    for name, row in rows.items():
        table = np.array(row).T
        columns[name] = ("trial", depth.word), table if name == "ratio_by_trial" else table.astype(int)
    ratio = columns["ratio_by_trial"][1]
    with np.errstate(invalid="ignore"):
        columns["ratio"] = depth.word, np.array([_mean(column) for column in ratio.T])
    return xr.Dataset(columns, coords, {"above": bound})


def _mean(values: np.ndarray) -> float:
    real = values[~np.isnan(values)]
    return float(real.mean()) if real.size else math.nan


def _of_trial(size: Floats, real: np.ndarray, bound: float) -> tuple[float, int, int, int, int]:
    """Return ratio, token and unit of the largest, and how many are massive; -1 where there is nothing."""
    if not size.size:
        return math.nan, -1, -1, 0, 0
    token, unit = np.unravel_index(int(size.argmax()), size.shape)
    typical = float(np.median(size))
    most = float(size.max())
    ratio = most / typical if typical else (math.inf if most else math.nan)
    massive = size >= bound * typical if typical else size > 0
    return ratio, int(np.flatnonzero(real)[token]), int(unit), int(massive.sum()), int(massive.any(1).sum())


@dataclass(frozen=True, kw_only=True)
class GrowthFit:
    """The curve f(t) = A exp(-l x) ln x + K with x = g t + t0, fitted to ratios over training.

    Attributes
    ----------
    amplitude, decay, speed, shift, offset : float
        A, l, g (1 / step), t0 and K; K is what f goes to in the end.
    r2 : float
        Share of the variance that the curve explains.
    peak : float
        Step of the largest value, from x* = exp(W(1 / l)).
    peak_inside : bool
        Whether it lies within the steps that were fitted and is a peak, A > 0.
    spread : dict of str to float
        For each parameter, the standard deviation over the median size of fits to resampled residuals. The
        curve is well determined and its parameters are not: read the curve.
    r2_resampled : (float, float)
        5 and 95 % quantile of the share explained in these fits.
    step, ratio : ndarray, (n,)
        What was fitted.
    """

    amplitude: float
    decay: float
    speed: float
    shift: float
    offset: float
    r2: float
    peak: float
    peak_inside: bool
    spread: dict[str, float]
    r2_resampled: tuple[float, float]
    step: np.ndarray
    ratio: np.ndarray

    def __call__(self, step: Any) -> Floats:
        """Return the curve at these steps.

        Parameters
        ----------
        step : array_like

        Returns
        -------
        ndarray
        """
        x = self.speed * np.asarray(step, dtype=float) + self.shift
        return self.amplitude * np.exp(-self.decay * x) * np.log(x) + self.offset


def fit_growth(
    step: Any, ratio: Any, *, n_starts: int = 12, n_resamples: int = 20, seed: int = 0
) -> GrowthFit:
    """Fit the growth of massive activations during training by an exponentially modulated logarithm.

    Parameters
    ----------
    step : array_like, (n,)
        Steps of training, ascending, at least eight.
    ratio : array_like, (n,)
        Ratio of one layer at each, as `activation_ratio` gives it.
    n_starts : int
        Starts of the search, drawn log-uniformly within the bounds.
    n_resamples : int
        Fits to resampled residuals, for the spread; 0: none.
    seed : int
        The streams are ``probes/growth/start`` and ``probes/growth/resample``.

    Returns
    -------
    GrowthFit

    Raises
    ------
    SpecError
        If the data or an option do not fit.
    FitError
        If the ratio does not vary.

    Notes
    -----
    Bounds: l from 1e-6 to 1, t0 from 1 to 100 and g such that g times the last step is from 1 to 1000. A and
    K are linear and solved for exactly within the search for the other three (Golub and Pereyra 1973).

    References
    ----------
    The five-parameter curve is that of a study of massive activations over training in the Pythia models,
    with a mean R2 of 0.984 over 188 layers: an early peak in shallow and deep layers, a slow rise in between.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import fit_growth
    >>> step = np.linspace(0, 1000, 40)
    >>> x = 0.05 * step + 1.5
    >>> found = fit_growth(step, 30 * np.exp(-0.02 * x) * np.log(x) + 5, n_resamples=0)
    >>> round(found.r2, 6), found.peak_inside
    (1.0, True)
    """
    where = "fit_growth"
    t = check_array(step, where=where, name="step", shape=(None,))
    y = check_array(ratio, where=where, name="ratio", shape=(None,))
    if len(t) != len(y) or len(t) < 8 or (np.diff(t) <= 0).any() or t[0] < 0:
        bound = f"must be at least 8 ascending steps >= 0, one for each ratio, not {len(t)} for {len(y)}"
        raise SpecError.of(where=where, name="step", bound=bound)
    if np.ptp(y) == 0:
        raise FitError.of(where=where, name="ratio", bound="is the same at all steps: nothing to fit")
    n = check_int(n_starts, where=where, name="n_starts")
    m = check_int(n_resamples, where=where, name="n_resamples", low=0)
    number = check_seed(seed)
    rng = stream(number, "probes/growth/start")
    low, high = _bounds(t)
    starts = rng.uniform(low, high, (n, 3))
    best = min((_search(t, y, start) for start in starts), key=lambda found: found[1])[0]
    values, curve = _solve(t, y, best)
    spread, quantiles = _spread(t, y, curve, best, stream(number, "probes/growth/resample"), m)
    x = math.exp(_lambert(1 / values["decay"]))
    peak = (x - values["shift"]) / values["speed"]
    inside = values["amplitude"] > 0 and bool(t[0] < peak < t[-1])
    return GrowthFit(
        **values,
        r2=_explained(y, curve),
        peak=peak,
        peak_inside=inside,
        spread=spread,
        r2_resampled=quantiles,
        step=t,
        ratio=y,
    )


def _bounds(t: Floats) -> tuple[Floats, Floats]:
    """Return the bounds of the logarithms of decay, speed and shift."""
    pairs = (DECAY, (SPAN[0] / t[-1], SPAN[1] / t[-1]), SHIFT)
    return tuple(np.log([pair[k] for pair in pairs]) for k in (0, 1))  # type: ignore[return-value]


def _basis(t: Floats, theta: Floats) -> Floats:
    """Return the curve of unit amplitude, scaled so that its factor starts at 1."""
    decay, speed, shift = np.exp(theta)
    return np.exp(-decay * speed * t) * np.log(speed * t + shift)


def _linear(basis: Floats, y: Floats) -> tuple[float, float]:
    """Return amplitude and offset of the best line through a basis."""
    centered = basis - basis.mean()
    power = float(centered @ centered)
    amplitude = float(centered @ y) / power if power > 1e-300 else 0.0
    return amplitude, float(y.mean() - amplitude * basis.mean())


def _search(t: Floats, y: Floats, start: Floats) -> tuple[Floats, float]:
    """Return the best decay, speed and shift near a start, as logarithms, and what they leave."""
    from scipy.optimize import least_squares

    def residual(theta: Floats) -> Floats:
        basis = _basis(t, theta)
        amplitude, offset = _linear(basis, y)
        return amplitude * basis + offset - y

    low, high = _bounds(t)
    found = least_squares(residual, np.clip(start, low + 1e-9, high - 1e-9), bounds=(low, high), max_nfev=200)
    return found.x, float(found.cost)


def _solve(t: Floats, y: Floats, theta: Floats) -> tuple[dict[str, float], Floats]:
    """Return all five parameters and the curve."""
    decay, speed, shift = (float(value) for value in np.exp(theta))
    basis = _basis(t, theta)
    amplitude, offset = _linear(basis, y)
    values = (amplitude * math.exp(decay * shift), decay, speed, shift, offset)
    return dict(zip(PARAMETERS, values, strict=True)), amplitude * basis + offset


def _explained(y: Floats, curve: Floats) -> float:
    return 1 - float(((y - curve) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def _spread(
    t: Floats, y: Floats, curve: Floats, theta: Floats, rng: np.random.Generator, n: int
) -> tuple[dict[str, float], tuple[float, float]]:
    """Return how far the parameters vary between fits to resampled residuals, and how well these fit."""
    if n == 0:
        return dict.fromkeys(PARAMETERS, math.nan), (math.nan, math.nan)
    left, low_high = y - curve, _bounds(t)
    found, explained = [], []
    for _ in range(n):
        again = curve + rng.choice(left, len(left))
        starts = (theta, rng.uniform(*low_high))
        best = min((_search(t, again, start) for start in starts), key=lambda one: one[1])[0]
        values, line = _solve(t, again, best)
        found.append(list(values.values()))
        explained.append(_explained(again, line))
    table = np.array(found)
    middle = np.abs(np.median(table, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = table.std(axis=0) / middle
    low, high = np.quantile(explained, (0.05, 0.95))
    return dict(zip(PARAMETERS, map(float, ratio), strict=True)), (float(low), float(high))


def _lambert(z: float) -> float:
    from scipy.special import lambertw

    return float(lambertw(z).real)
