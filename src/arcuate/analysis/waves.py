"""What is left of a measure in surrogates, and travelling waves without an embedding.

A wave that is seen in a map which was made of the same activity proves nothing. Here the order of the units
is fitted on half of the trials, and how far activity travels along it is measured on the other half, beside
surrogates that go through both steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import Floats, as_real
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.analysis._traces import Traces
from arcuate.analysis.interval import check_level, jackknife
from arcuate.analysis.phase import analytic_signal
from arcuate.analysis.subspace import participation_ratio
from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["dimensionality", "surrogate", "surrogate_test", "travelling_wave"]

METHODS = ("phase", "trial")


def surrogate(traces: ArrayLike, *, method: str, seed: int = 0) -> Any:
    """Draw traces that keep what each unit does by itself, and lose what units do together.

    Parameters
    ----------
    traces : array_like, (n_trials, n_steps, n_units) or (n_steps, n_units)
    method : {"phase", "trial"}
        "phase" gives every frequency of every unit and trial a phase at random and keeps the spectrum and the
        mean (Theiler et al. 1992). "trial" shuffles the trials of each unit: what stays is what all trials
        have in common.
    seed : int
        Of the draws.

    Returns
    -------
    DataArray, (trial, AXIS, unit)

    Raises
    ------
    SpecError
        If there are too few steps or, for "trial", fewer than 2 trials.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import surrogate
    >>> traces = np.random.default_rng(0).normal(size=(3, 16, 4))
    >>> other = surrogate(traces, method="phase", seed=1)
    >>> np.allclose(abs(np.fft.rfft(other, axis=1)), abs(np.fft.rfft(traces, axis=1)))
    True
    """
    where = "surrogate"
    check_choice(method, METHODS, where=where, name="method")
    given = Traces(traces, where, least=4)
    rng = stream(seed, f"analysis/surrogate/{method}")
    if method == "phase":
        drawn = _phases_at_random(given.cube, rng)
    else:
        if given.n_trials < 2:
            bound = "must have 2 trials or more to shuffle"
            raise SpecError.of(where=where, name="traces", value=given.cube.shape, bound=bound)
        order = np.argsort(rng.random((given.n_trials, given.n_units)), axis=0)
        drawn = np.take_along_axis(given.cube, order[:, None], axis=0)
    return given.labeled(drawn, ("trial", "AXIS", "unit"))


def _phases_at_random(cube: NDArray[Any], rng: np.random.Generator) -> Floats:
    n = cube.shape[1]
    spectrum = np.fft.rfft(cube, axis=1)
    turn = np.exp(2j * np.pi * rng.random(spectrum.shape))
    turn[:, 0] = 1.0
    if n % 2 == 0:
        turn[:, -1] = np.where(rng.random(turn[:, -1].shape) < 0.5, -1.0, 1.0)
    return np.fft.irfft(spectrum * turn, n=n, axis=1)


def surrogate_test(
    measure: Callable[[Any], float],
    traces: ArrayLike,
    *,
    method: str,
    n: int = 200,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Hold a measure of traces against the same measure of surrogates.

    Parameters
    ----------
    measure : callable
        From traces (trial, AXIS, unit) to one number, never NaN.
    traces : array_like, (n_trials, n_steps, n_units) or (n_steps, n_units)
    method : {"phase", "trial"}
        As in `surrogate`.
    n : int
        Surrogates.
    seed : int
        Of the draws.
    progress : bool, callable or None
        Progress bar.

    Returns
    -------
    Dataset
        ``observed``; ``surrogate`` (n,); ``p``, the share of surrogates at least as large, one added to both
        numbers; ``z``, the distance from their mean in standard deviations.

    Raises
    ------
    SpecError
        If the measure gives no finite number, or an argument is out of bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import golomb_chi, surrogate_test
    >>> common = np.random.default_rng(0).normal(size=(4, 100, 1))
    >>> traces = common + np.random.default_rng(1).normal(size=(4, 100, 10))
    >>> test = surrogate_test(lambda x: golomb_chi(x).mean(), traces, method="phase", n=49)
    >>> round(float(test.p), 2)
    0.02
    """
    import xarray as xr

    where = "surrogate_test"
    count = check_int(n, where=where, name="n")
    check_progress(progress, where=where, unit="surrogates")
    given = Traces(traces, where)
    observed = _number(measure(given.labeled(given.cube, ("trial", "AXIS", "unit"))))
    values = np.empty(count)
    with progress_bar(progress, count, title=where, unit="surrogate") as step:
        for k in range(count):
            draw = int(stream(seed, f"analysis/surrogate_test/{k}").integers(2**31))
            values[k] = _number(measure(surrogate(traces, method=method, seed=draw)))
            if step is not None:
                step(1)
    return xr.Dataset(
        {"observed": observed, "surrogate": ("surrogate", values), **_against(observed, values)}
    )


def _number(value: Any) -> float:
    array = as_real(value, where="surrogate_test", name="what the measure gives")
    if array.size != 1:
        bound = f"must give one number, not an array of shape {array.shape}"
        raise SpecError.of(where="surrogate_test", name="measure", bound=bound)
    return float(array.ravel()[0])


def _against(observed: float, values: Floats) -> dict[str, float]:
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return {
        "p": (1 + np.sum(values >= observed)) / (1 + values.size),
        "z": (observed - values.mean()) / spread if spread > 0 else np.nan,
    }


def travelling_wave(
    traces: ArrayLike,
    *,
    band: tuple[float, float] | None = None,
    dt: float = 1.0,
    n_surrogates: int = 100,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Fit an order of the units to half of the trials, and measure on the other half what travels along it.

    Each unit is taken over its standard deviation. The first complex principal component of the analytic
    signals (Barnett 1983) gives every unit a phase: its place on the wave. On trials that it was not fitted
    to, each sample is read by the component and by the component run backward. In one dimension the phase
    gradient points either forward or backward, so that the length of its mean direction,
    ``|mean exp(i angle(gradient))|``, is the share forward less the share backward; here samples
    count by their power.

    Parameters
    ----------
    traces : array_like, (n_trials, n_steps, n_units)
        Two trials or more.
    band : (low, high), optional
        Frequencies to look at, in cycles per unit of `dt`.
    dt : float
        Length of a step.
    n_surrogates : int
        Phase-randomized surrogates, each fitted and measured anew.
    seed : int
        Of the halves and the surrogates.
    progress : bool, callable or None
        Progress bar.

    Returns
    -------
    Dataset
        ``phase`` (unit), rad, and ``weight`` (unit), the component; ``share``, the variance that it explains
        on the held-out trials; ``directionality``, on them, from 0 (standing, or none) to 1 (all one way);
        ``frequency``, at which it turns there, cycles per unit of `dt`; ``share_surrogate`` and
        ``directionality_surrogate``; ``share_p``, ``directionality_p``, and z of both; ``activity``
        (AXIS, unit), mean of the held-out trials, in standard deviations of each unit.

    Raises
    ------
    SpecError
        If there are fewer than 2 trials, 4 steps or 3 units, or nothing varies.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import travelling_wave
    >>> place = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    >>> steps = 2 * np.pi * np.arange(40) / 20
    >>> wave = np.cos(steps[:, None] - place) * np.ones((6, 1, 1))
    >>> found = travelling_wave(wave, n_surrogates=19)
    >>> round(float(found.directionality), 3), round(float(found.share), 3), float(found.share_p)
    (1.0, 1.0, 0.05)
    """
    import xarray as xr

    where = "travelling_wave"
    given = Traces(traces, where, least=4)
    count = check_int(n_surrogates, where=where, name="n_surrogates", low=0)
    check_progress(progress, where=where, unit="surrogates")
    if given.n_trials < 2 or given.n_units < 3:
        bound = "must have 2 trials and 3 units or more"
        raise SpecError.of(where=where, name="traces", value=given.cube.shape, bound=bound)
    if not np.ptp(given.cube, axis=1).any():
        raise SpecError.of(where=where, name="traces", bound="must vary over the steps")
    spread = given.cube.std(axis=(0, 1))
    cube = np.divide(given.cube, spread, out=np.zeros_like(given.cube), where=spread > 0)
    order = stream(seed, "analysis/travelling_wave/halves").permutation(given.n_trials)
    halves = np.sort(order[::2]), np.sort(order[1::2])
    component, scores = _wave(analytic_signal(cube, band=band, dt=dt).values, halves, dt)
    nulls = np.empty((count, 2))
    with progress_bar(progress, count, title=where, unit="surrogate") as step:
        for k in range(count):
            rng = stream(seed, f"analysis/travelling_wave/{k}")
            signal = analytic_signal(_phases_at_random(cube, rng), band=band, dt=dt).values
            nulls[k] = _wave(signal, halves, dt)[1][:2]
            if step is not None:
                step(1)
    activity = cube[halves[1]].mean(axis=0)
    activity -= activity.mean(axis=0)
    result = xr.Dataset(
        {
            "phase": ("unit", np.angle(component), {"units": "rad"}),
            "weight": ("unit", np.abs(component)),
            "frequency": scores[2],
            "activity": given.labeled(activity, ("AXIS", "unit")),
        }
    )
    for k, name in enumerate(("share", "directionality")):
        result[name] = scores[k]
        result[f"{name}_surrogate"] = ("surrogate", nulls[:, k])
        if count:
            for key, value in _against(scores[k], nulls[:, k]).items():
                result[f"{name}_{key}"] = value
    return result


def _wave(
    signal: NDArray[np.complex128], halves: tuple[Any, Any], dt: float
) -> tuple[NDArray[np.complex128], tuple[float, float, float]]:
    """Return the component of one half, and share, directionality and frequency on the other."""
    fitted = signal[halves[0]].reshape(-1, signal.shape[2])
    component = np.linalg.eigh(fitted.conj().T @ fitted)[1][:, -1]  # a sample is a score times its conjugate
    held = signal[halves[1]]
    forward, backward = held @ component, held @ component.conj()
    power = float(np.sum(np.abs(held) ** 2))
    one, other = float(np.sum(np.abs(forward) ** 2)), float(np.sum(np.abs(backward) ** 2))
    turn = np.angle(np.sum(forward[:, 1:] * forward[:, :-1].conj()))
    directionality = abs(one - other) / (one + other) if one + other > 0 else 0.0
    return component, (one / power if power > 0 else 0.0, directionality, float(turn / (2 * np.pi * dt)))


def dimensionality(traces: ArrayLike, *, level: float = 0.95) -> xr.DataArray:
    """Participation ratio over trials, step by step.

    Parameters
    ----------
    traces : array_like, (n_trials, n_steps, n_units)
        Three trials or more.
    level : float
        Coverage of the intervals, which leave out a tenth of the trials in turn (jackknife of the logarithm).

    Returns
    -------
    DataArray, (AXIS,)
        NaN where trials do not differ. Coordinates ``low`` and ``high`` (AXIS), NaN for fewer than 4 trials.
        Attribute ``pooled``: that of all steps together. Neither can exceed the number of samples less one:
        with few trials both are too low.

    Raises
    ------
    SpecError
        If there are fewer than 3 trials.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import dimensionality
    >>> traces = np.random.default_rng(0).normal(size=(4000, 2, 20))
    >>> dimensionality(traces).values.round(1).tolist()
    [19.9, 19.9]
    """
    given = Traces(traces, "dimensionality")
    if given.n_trials < 3:
        bound = "must have 3 trials or more"
        raise SpecError.of(where="dimensionality", name="traces", value=given.cube.shape, bound=bound)
    cover = check_level(level, "dimensionality")

    def measure(kept: NDArray[np.intp]) -> Floats:
        return np.log([_ratio(given.cube[kept, t]) for t in range(given.n_steps)])

    if given.n_trials > 3:
        value, half = jackknife(measure, given.n_trials, level=cover)
    else:
        value, half = measure(np.arange(given.n_trials)), np.full(given.n_steps, np.nan)
    ends = {name: (given.axis, np.exp(value + sign * half)) for name, sign in (("low", -1), ("high", 1))}
    made = given.labeled(np.exp(value), ("AXIS",), **ends).rename("participation_ratio")
    return made.assign_attrs(units="1", pooled=_ratio(given.cube.reshape(-1, given.n_units)))


def _ratio(samples: NDArray[Any]) -> float:
    return participation_ratio(samples) if np.ptp(samples, axis=0).any() else float("nan")
