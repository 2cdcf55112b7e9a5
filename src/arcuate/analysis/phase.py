"""Phases: analytic signals, agreement of a population in phase, amplitudes that follow a slow phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import Floats, as_real
from arcuate.analysis._traces import Traces
from arcuate.errors import SpecError, check_int, check_real

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "PhaseAmplitude",
    "analytic_signal",
    "golomb_chi",
    "order_parameter",
    "phase_amplitude_coupling",
]


def analytic_signal(
    traces: ArrayLike, *, band: Sequence[float] | None = None, dt: float = 1.0
) -> xr.DataArray:
    """Give each trace its analytic signal: amplitude and phase at every step.

    The mean of each trial is taken away, and negative frequencies, and those outside the band, are set to
    zero in the spectrum (Hilbert transform). The trial is taken as one period: phases near its ends are the
    least certain, and no frequency below 1 / (n_steps dt) can be told.

    Parameters
    ----------
    traces : array_like, (n_trials, n_steps, n_units) or (n_steps, n_units)
    band : (low, high), optional
        Frequencies to keep, in cycles per unit of `dt`; all by default.
    dt : float
        Length of a step: 1 for cycles per tick, seconds for Hz.

    Returns
    -------
    DataArray, (trial, AXIS, unit), complex

    Raises
    ------
    SpecError
        If there are fewer than 4 steps, or the band holds no frequency of the spectrum or goes beyond half of
        the sampling rate.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import analytic_signal
    >>> wave = np.cos(2 * np.pi * np.arange(100) / 20)[:, None]
    >>> abs(analytic_signal(wave)).values.round(6).min().item()
    1.0
    """
    where = "analytic_signal"
    given = Traces(traces, where, least=4)
    step = check_real(dt, where=where, name="dt", low=0.0, low_open=True)
    n = given.n_steps
    frequencies = np.fft.fftfreq(n, step)
    gain = np.where(frequencies > 0, 2.0, 0.0)
    if n % 2 == 0:
        gain[n // 2] = 1.0
    if band is not None:
        low, high = _band(band, where)
        if high > 0.5 / step * (1 + 1e-9):
            bound = f"must end at {0.5 / step:.4g} or below, half of the sampling rate"
            raise SpecError.of(where=where, name="band", value=(low, high), bound=bound)
        gain = np.where((np.abs(frequencies) >= low) & (np.abs(frequencies) <= high), gain, 0.0)
        if not gain.any():
            bound = f"must hold a multiple of {1 / (n * step):.4g} up to {0.5 / step:.4g}"
            raise SpecError.of(where=where, name="band", value=(low, high), bound=bound)
    centered = given.cube - given.cube.mean(axis=1, keepdims=True)
    signal = np.fft.ifft(np.fft.fft(centered, axis=1) * gain[None, :, None], axis=1)
    return given.labeled(signal, ("trial", "AXIS", "unit"))


def _band(band: Sequence[float], where: str) -> tuple[float, float]:
    edges = np.asarray(band, dtype=object)
    if edges.shape != (2,):
        raise SpecError.of(where=where, name="band", value=band, bound="must be (low, high)")
    low = check_real(edges[0], where=where, name="band", low=0.0)
    return low, check_real(edges[1], where=where, name="band", low=low, low_open=True)


def order_parameter(traces: ArrayLike) -> xr.DataArray:
    """How far a population agrees in phase at each step: ``R = |mean exp(i phase)|`` (Kuramoto 1984).

    Parameters
    ----------
    traces : array_like, (n_trials, n_steps, n_units) or (n_steps, n_units)
        Analytic signals, or real traces, which become such.

    Returns
    -------
    DataArray, (trial, AXIS)
        1: all units in one phase; about sqrt(pi / (4 n_units)) for phases at random.

    Raises
    ------
    SpecError
        If traces are not finite or too short, or a unit does not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import order_parameter
    >>> k = 2 * np.pi * np.arange(40) / 20
    >>> order_parameter(np.stack([np.cos(k), np.cos(k + np.pi / 2)], axis=1)).values[0, :2].round(4).tolist()
    [0.7071, 0.7071]
    """
    given = Traces(traces, "order_parameter", complex_too=True)
    value = np.abs(phasors(traces, given, "order_parameter").mean(axis=2))
    return given.labeled(value, ("trial", "AXIS")).rename("order_parameter")


def phasors(traces: ArrayLike, given: Traces, where: str) -> NDArray[np.complex128]:
    """Give x / |x| of analytic signals, which real traces become first; 0 where the amplitude is 0.

    Parameters
    ----------
    traces : array_like
        As they came.
    given : Traces
        The same, read.
    where : str
        Who asks.

    Returns
    -------
    ndarray of complex, (n_trials, n_steps, n_units)

    Raises
    ------
    SpecError
        If a unit is silent: then it has no phase.
    """
    signal = given.cube if given.cube.dtype.kind == "c" else analytic_signal(traces).values
    size = np.abs(signal)
    silent = size.max(axis=1) <= 1e-12 * np.abs(given.cube).max(initial=0.0)
    if silent.any():
        trial, unit = (int(k) for k in np.argwhere(silent)[0])
        bound = f"unit {unit} of trial {trial} does not vary, so that it has no phase"
        raise SpecError.of(where=where, name="traces", bound=bound, fix="leave silent units out")
    return np.divide(signal, size, out=np.zeros_like(signal), where=size > 1e-12 * size.max())


def golomb_chi(traces: ArrayLike) -> xr.DataArray:
    """Synchrony of a population (Golomb and Rinzel 1994): chi^2 = Var(mean of units) / mean of units' Var.

    Parameters
    ----------
    traces : array_like, (n_trials, n_steps, n_units) or (n_steps, n_units)
        Potentials, filtered spikes, or activations.

    Returns
    -------
    DataArray, (trial,)
        1 when all units do the same, 1 / sqrt(n_units) when they are independent. NaN if nothing varies.

    Raises
    ------
    SpecError
        If traces are not finite or have fewer than 2 steps.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import golomb_chi
    >>> golomb_chi(np.sin(np.arange(50.0))[:, None] * np.ones(7)).values.round(6).tolist()
    [1.0]
    """
    given = Traces(traces, "golomb_chi", least=2)
    together, apart = given.cube.mean(axis=2).var(axis=1), given.cube.var(axis=1).mean(axis=1)
    varies = np.ptp(given.cube, axis=1).any(axis=1)  # a variance of equal numbers may be above 0 by rounding
    chi = given.labeled(chi_of(together, np.where(varies, apart, 0.0)), ("trial",))
    return chi.rename("chi").assign_attrs(units="1")


def chi_of(together: Floats, apart: Floats) -> Floats:
    """Golomb and Rinzel's chi from the variance of the mean of units and the mean of their variances.

    Parameters
    ----------
    together, apart : ndarray, (n,)

    Returns
    -------
    ndarray, (n,)
        NaN where nothing varies.
    """
    ratio = np.full(np.shape(apart), np.nan)
    np.divide(np.maximum(together, 0.0), apart, out=ratio, where=apart > 0)
    return np.asarray(np.sqrt(ratio))


@dataclass(frozen=True, kw_only=True)
class PhaseAmplitude:
    """How the phase of a slow signal sets the amplitude of a fast one.

    Attributes
    ----------
    modulation_index : float
        1 + sum p ln p / ln n_bins of the mean amplitudes by phase, 0 (flat) to 1 (Tort et al. 2010).
    mean_vector_length : float
        ``|mean A exp(i phase)| / mean A`` (Canolty et al. 2006, over the mean amplitude).
    preferred_phase : float, rad
        Where the amplitude is largest.
    phase : ndarray, (n_bins,), rad
        Middles of the bins.
    amplitude : ndarray, (n_bins,)
        Share of the amplitude in each bin; they add up to 1.
    """

    modulation_index: float
    mean_vector_length: float
    preferred_phase: float
    phase: Floats
    amplitude: Floats


def phase_amplitude_coupling(phase: ArrayLike, amplitude: ArrayLike, *, n_bins: int = 18) -> PhaseAmplitude:
    """Coupling of a fast amplitude to a slow phase, over all samples given.

    Some ten slow cycles are needed; pool trials where one has fewer. Compare with `surrogate_test`, for the
    modulation index is above 0 by chance.

    Parameters
    ----------
    phase : array_like, rad
        Phase of the slow signal, such as ``np.angle(analytic_signal(x, band=slow))``.
    amplitude : array_like
        Amplitude of the fast signal at the same samples, not negative.
    n_bins : int
        Bins of the phase (18 in Tort et al. 2010).

    Returns
    -------
    PhaseAmplitude

    Raises
    ------
    SpecError
        If shapes differ, an amplitude is negative, all are 0, or a bin is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import phase_amplitude_coupling
    >>> phase = np.linspace(-np.pi, np.pi, 3600, endpoint=False)
    >>> coupled = phase_amplitude_coupling(phase, 1 + 0.5 * np.cos(phase))
    >>> round(coupled.modulation_index, 4), round(coupled.mean_vector_length, 4)
    (0.0221, 0.25)
    """
    where = "phase_amplitude_coupling"
    n = check_int(n_bins, where=where, name="n_bins", low=2)
    angles = as_real(phase, where=where, name="phase").astype(np.float64).ravel()
    sizes = as_real(amplitude, where=where, name="amplitude").astype(np.float64).ravel()
    if angles.size != sizes.size:
        bound = f"must have {angles.size} samples, as the phase has"
        raise SpecError.of(where=where, name="amplitude", value=sizes.size, bound=bound)
    if not sizes.size or sizes.min() < 0 or sizes.sum() == 0:
        raise SpecError.of(where=where, name="amplitude", value=sizes, bound="must be >= 0, and not all 0")
    turns = np.floor((angles + np.pi) / (2 * np.pi) * n).astype(np.int64) % n
    count = np.bincount(turns, minlength=n)
    if not count.all():
        bound = f"leaves {np.sum(count == 0)} of {n} bins empty"
        raise SpecError.of(where=where, name="phase", bound=bound, fix="use fewer bins or more samples")
    mean = np.bincount(turns, weights=sizes, minlength=n) / count
    share = mean / mean.sum()
    some = share[share > 0]
    vector = np.mean(sizes * np.exp(1j * angles))
    return PhaseAmplitude(
        modulation_index=float(1.0 + np.sum(some * np.log(some)) / np.log(n)),
        mean_vector_length=float(np.abs(vector) / sizes.mean()),
        preferred_phase=float(np.angle(vector)),
        phase=(np.arange(n) + 0.5) / n * 2 * np.pi - np.pi,
        amplitude=share,
    )
