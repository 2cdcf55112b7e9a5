"""Generated waveforms: the sine closest to a signal, and the shift at which its periods match a pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import as_real, as_times
from arcuate.errors import SpecError, check_real

__all__ = ["PeriodMatch", "SineFit", "period_match", "sine_fit"]

Floats = NDArray[np.float64]

FEWEST = 8
"""Samples below which no sine is fitted."""

PADDING = 8
"""The spectrum is read at this many points per frequency bin before the frequency is refined."""


@dataclass(frozen=True, kw_only=True)
class SineFit:
    """A sine beside a signal: ``amplitude*sin(2 pi frequency (t - t_0) + phase)``, t_0 the first sample.

    Attributes
    ----------
    frequency : float, Hz
    amplitude : float
        In the unit of the signal; the one given, or the best.
    phase : float, rad
        At the first sample, between -pi and pi.
    rmse : float
        Root mean square of signal minus sine, in the unit of the signal.
    """

    frequency: float
    amplitude: float
    phase: float
    rmse: float


def sine_fit(
    times: ArrayLike, values: ArrayLike, *, frequency: float | None = None, amplitude: float | None = None
) -> SineFit:
    """Fit one sine to a signal by least squares.

    A generator that holds its waveform but not its phase has a large error against its teacher and a small
    `rmse` here.

    Parameters
    ----------
    times : array_like, (n_samples,), s
        Evenly spaced.
    values : array_like, (n_samples,)
        The signal; its mean belongs to it and is not removed.
    frequency : float, optional, Hz
        Fix it; by default the one that leaves the least, near the highest peak of the spectrum.
    amplitude : float, optional
        Fix it; by default the one that leaves the least.

    Returns
    -------
    SineFit

    Raises
    ------
    SpecError
        If there are fewer than 8 samples, or their times are not evenly spaced.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import sine_fit
    >>> t = np.arange(0, 2, 1e-3)
    >>> fit = sine_fit(t, 0.9 * np.sin(2 * np.pi * 4.97 * t + 0.3), amplitude=1.0)
    >>> round(fit.frequency, 3), round(fit.phase, 3), round(fit.rmse, 3)
    (4.97, 0.3, 0.071)
    """
    where = "sine_fit"
    signal = as_real(values, where=where, name="values").astype(np.float64, copy=False)
    if signal.ndim != 1 or signal.size < FEWEST:
        raise SpecError.of(
            where=where,
            name="values",
            value=signal.shape,
            bound=f"must be a row of at least {FEWEST}",
        )
    grid = as_times(times, signal.size, where=where)
    since = grid - grid[0]
    step = since[-1] / (signal.size - 1)
    if np.abs(np.diff(grid) - step).max() > 1e-3 * step:
        raise SpecError.of(where=where, name="times", value=grid, bound="must be evenly spaced")
    if frequency is None:
        frequency = _best_frequency(since, signal, step)
    else:
        frequency = check_real(frequency, where=where, name="frequency", low=0.0, low_open=True)
    sine, cosine = _project(since, signal, frequency)
    size = float(np.hypot(sine, cosine))
    phase = float(np.arctan2(cosine, sine))
    if amplitude is not None:
        size = check_real(amplitude, where=where, name="amplitude", low=0.0)
    left = signal - size * np.sin(2.0 * np.pi * frequency * since + phase)
    return SineFit(
        frequency=float(frequency), amplitude=size, phase=phase, rmse=float(np.sqrt(np.mean(left**2)))
    )


@dataclass(frozen=True, kw_only=True)
class PeriodMatch:
    """How well each period of a signal matches a pattern, at the shift that suits it best.

    Attributes
    ----------
    correlation : ndarray, (n_periods,)
        Correlation coefficient with the shifted pattern.
    shift : ndarray, (n_periods,), int
        The shift in samples, from 0 to the length of the pattern; it grows where the signal lags more.
    rmse : ndarray, (n_periods,)
        Root mean square of period minus shifted pattern, over the standard deviation of the pattern.
    """

    correlation: Floats
    shift: NDArray[np.int64]
    rmse: Floats


def period_match(values: ArrayLike, pattern: ArrayLike) -> PeriodMatch:
    """Compare every period of a signal with a periodic pattern, whatever its phase.

    A network that generates a pattern alone holds its form but not its phase, so each period is compared at
    its own best circular shift.

    Parameters
    ----------
    values : array_like, (n_samples,)
        The signal; what is left after the last whole period is not looked at.
    pattern : array_like, (n_period,)
        One period.

    Returns
    -------
    PeriodMatch

    Raises
    ------
    SpecError
        If there is no whole period, or the pattern is constant.

    Examples
    --------
    >>> import numpy as np
    >>> pattern = np.sin(2 * np.pi * np.arange(100) / 100) + 0.5 * np.cos(4 * np.pi * np.arange(100) / 100)
    >>> match = period_match(0.9 * np.tile(np.roll(pattern, 7), 3), pattern)
    >>> match.shift.tolist(), match.correlation.round(3).tolist(), match.rmse.round(3).tolist()
    ([7, 7, 7], [1.0, 1.0, 1.0], [0.1, 0.1, 0.1])
    """
    where = "period_match"
    wave = as_real(pattern, where=where, name="pattern").astype(np.float64, copy=False)
    signal = as_real(values, where=where, name="values").astype(np.float64, copy=False)
    if wave.ndim != 1 or wave.size < 2 or not np.ptp(wave) > 0:
        bound = "must be a row of at least 2 that is not constant"
        raise SpecError.of(where=where, name="pattern", value=wave, bound=bound)
    count = signal.size // wave.size if signal.ndim == 1 else 0
    if count < 1:
        bound = f"must be a row of at least one period, {wave.size}"
        raise SpecError.of(where=where, name="values", value=signal.shape, bound=bound)
    periods = signal[: count * wave.size].reshape(count, wave.size)
    centered, spread = wave - wave.mean(), wave.std()
    product = np.fft.irfft(np.fft.rfft(periods) * np.conj(np.fft.rfft(centered)), wave.size) / wave.size
    shift = product.argmax(axis=1)
    size = periods.std(axis=1) * spread
    best = product[np.arange(count), shift]
    left = periods - np.stack([np.roll(wave, k) for k in shift])
    return PeriodMatch(
        correlation=np.divide(best, size, out=np.zeros(count), where=size > 0),
        shift=shift,
        rmse=np.sqrt(np.mean(left**2, axis=1)) / spread,
    )


def _project(since: Floats, signal: Floats, frequency: float) -> Floats:
    """Coefficients of sine and cosine that leave the least."""
    angle = 2.0 * np.pi * frequency * since
    design = np.column_stack([np.sin(angle), np.cos(angle)])
    return np.asarray(np.linalg.lstsq(design, signal, rcond=None)[0])


def _best_frequency(since: Floats, signal: Floats, step: float) -> float:
    """Frequency of the sine that leaves the least, within one bin of the spectrum's highest peak."""
    from scipy.optimize import minimize_scalar

    size = PADDING * signal.size
    power = np.abs(np.fft.rfft(signal - signal.mean(), size))
    peak = 1 + int(np.argmax(power[1:]))
    width = 1.0 / (size * step)

    def left(frequency: float) -> float:
        sine, cosine = _project(since, signal, frequency)
        angle = 2.0 * np.pi * frequency * since
        return float(np.sum((signal - sine * np.sin(angle) - cosine * np.cos(angle)) ** 2))

    found = minimize_scalar(
        left, bounds=((peak - 1 + 1e-6) * width, (peak + 1) * width), method="bounded",
        options={"xatol": 1e-6 * width},
    )  # fmt: skip
    return float(found.x)
