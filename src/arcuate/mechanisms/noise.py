"""White current noise.

Each step adds ``gain * xi`` to the input of a neuron, with ``xi`` drawn from N(0, 1) and
``gain = sigma/sqrt(dt)``, so that the integral over a given time does not depend on the step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MODES", "noise_gain", "noise_unit"]

#: How the numbers reach the engine: drawn in blocks while it runs, or resolved in the plan beforehand.
#: Both give the same numbers.
MODES: tuple[str, ...] = ("native", "frozen")


def noise_gain(
    sigma: float | npt.NDArray[np.float64], dt: float, *, time_unit: float
) -> npt.NDArray[np.float64]:
    """Factor from N(0, 1) to the current noise of one step.

    Parameters
    ----------
    sigma : float or array
        Amplitude, in the input unit times the square root of time.
    dt : float
        Time step, s.
    time_unit : float
        Seconds in the unit of time that the model counts in: 1e-3 for ``izh2003``, else 1.

    Returns
    -------
    array
        ``sigma/sqrt(dt/time_unit)``.

    Examples
    --------
    >>> float(noise_gain(0.2, 0.25e-3, time_unit=1e-3))
    0.4
    """
    return np.asarray(sigma, dtype=float) / np.sqrt(dt / time_unit)


def noise_unit(input_unit: str) -> str:
    """Unit of `sigma` for a model with this input unit.

    Parameters
    ----------
    input_unit : str
        Unit of the input; ``"1"`` for a model in its own units.

    Returns
    -------
    str
        ``"1"`` stays ``"1"``; ``"A"`` becomes ``"A*s**0.5"``.

    Examples
    --------
    >>> noise_unit("A")
    'A*s**0.5'
    """
    return "1" if input_unit == "1" else f"{input_unit}*s**0.5"
