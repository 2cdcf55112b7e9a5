"""Linear dynamics fitted to trials: delays, principal axes, and the operator of one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.compare._inputs import as_trials, centered, varying
from arcuate.errors import SpecError, check_int, check_real

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Delays", "LinearDynamics", "as_inputs", "delays", "fit_dynamics", "regress"]

STEEP = 1e-3
"""Ratio of singular values above which they are taken from the matrix of products, to 1e-10."""


@dataclass(frozen=True, kw_only=True)
class LinearDynamics:
    """A linear system ``z(t+1) = A z(t) + B u(t)`` fitted to trials.

    Attributes
    ----------
    operator : ndarray, (rank, rank)
        A.
    input_operator : ndarray, (rank, n_inputs * n_delays), or None
        B, for inputs less their mean; None without inputs.
    eigenvalues : ndarray of complex, (rank,)
        Of A, largest modulus first.
    singular_values : ndarray
        All those of the delayed states.
    mean : ndarray, (n_units,)
        What was subtracted.
    input_mean : ndarray, (n_inputs,), or None
        What was subtracted from the inputs.
    n_delays, rank : int
    to_state : ndarray, (n_units * n_delays, rank)
        From delayed states (the newest first) to z.
    to_delayed : ndarray, (rank, n_units * n_delays)
        From z to delayed states.
    """

    operator: Floats
    input_operator: Floats | None
    eigenvalues: np.ndarray
    singular_values: Floats
    mean: Floats
    input_mean: Floats | None
    n_delays: int
    rank: int
    to_state: Floats
    to_delayed: Floats

    def spectrum(self, *, dt: float | None = None) -> xr.Dataset:
        """Eigenvalues as decay and rotation, sorted by modulus.

        Parameters
        ----------
        dt : float, s, optional
            Length of a step; adds frequency (Hz) and time constant (s) of each mode.

        Returns
        -------
        Dataset, (mode,)
            ``modulus`` and ``angle`` (rad per step); with `dt`, ``frequency`` and ``time_constant``, which
            is infinite at modulus 1 and negative beyond.
        """
        import xarray as xr

        modulus, angle = np.abs(self.eigenvalues), np.angle(self.eigenvalues)
        out = {"modulus": ("mode", modulus, {"units": "1"}), "angle": ("mode", angle, {"units": "rad"})}
        if dt is not None:
            length = check_real(dt, where="spectrum", name="dt", low=0.0, low_open=True)
            with np.errstate(divide="ignore"):
                constant = -length / np.log(modulus)
            out["frequency"] = ("mode", np.abs(angle) / (2 * np.pi * length), {"units": "Hz"})
            out["time_constant"] = ("mode", constant, {"units": "s"})
        return xr.Dataset(out, coords={"mode": np.arange(self.rank)})

    def predict(self, trials: ArrayLike, *, n_ahead: int = 1, inputs: ArrayLike | None = None) -> Floats:
        """Predict trials some steps ahead of each step.

        Parameters
        ----------
        trials : array_like, (n_trials, n_steps, n_units)
        n_ahead : int
        inputs : array_like, (n_trials, n_steps, n_inputs), optional
            Those of these trials, where the fit had inputs.

        Returns
        -------
        ndarray, (n_trials, n_steps - n_delays + 1 - n_ahead, n_units)
            Predictions of steps ``n_delays - 1 + n_ahead`` to the last.

        Raises
        ------
        SpecError
            If trials are too short, have another number of units, or inputs are missing.
        """
        where = "LinearDynamics.predict"
        ahead = check_int(n_ahead, where=where, name="n_ahead")
        cube = as_trials(trials, where=where, name="trials", least_steps=self.n_delays + ahead)
        if cube.shape[2] != self.mean.size:
            bound = f"must have the {self.mean.size} units of the fit"
            raise SpecError.of(where=where, name="trials", value=cube.shape[2], bound=bound)
        if (inputs is None) != (self.input_operator is None):
            bound = "must be given exactly where the fit had inputs"
            raise SpecError.of(where=where, name="inputs", bound=bound)
        z = _embedded(cube - self.mean, self.n_delays) @ self.to_state
        last = z.shape[1] - ahead
        drive = None
        if inputs is not None and self.input_operator is not None and self.input_mean is not None:
            raw = as_inputs(inputs, cube.shape, where=where)
            drive = _embedded(raw - self.input_mean, self.n_delays) @ self.input_operator.T
        state = z[:, :last]
        for step in range(ahead):
            state = state @ self.operator.T
            if drive is not None:
                state = state + drive[:, step : step + last]
        return np.asarray((state @ self.to_delayed)[..., : self.mean.size] + self.mean)


@dataclass(frozen=True, kw_only=True)
class Delays:
    """Delayed states and their principal axes: what fits of any rank are made from."""

    rows: Floats
    axes: Floats
    singular_values: Floats
    inputs: Floats | None
    mean: Floats
    input_mean: Floats | None
    n_delays: int


def as_inputs(inputs: ArrayLike, shape: tuple[int, ...], *, where: str, name: str = "inputs") -> Floats:
    """Inputs of trials, one row for each of their steps.

    Parameters
    ----------
    inputs : array_like, (n_trials, n_steps, n_inputs)
    shape : tuple of int
        Of the trials.
    where, name : str
        Who asks, and for which argument.

    Returns
    -------
    ndarray, (n_trials, n_steps, n_inputs), float64

    Raises
    ------
    SpecError
        If it is not that many trials and steps of finite numbers.
    """
    drive = as_trials(inputs, where=where, name=name, least_steps=1)
    if drive.shape[:2] != shape[:2]:
        bound = f"must be ({shape[0]} trials, {shape[1]} steps, n_inputs), as the states"
        raise SpecError.of(where=where, name=name, value=f"shape {drive.shape}", bound=bound)
    return drive


def _embedded(cube: Floats, n_delays: int) -> Floats:
    """Each step with those before it, the newest first: (trial, step, unit * n_delays)."""
    n_steps = cube.shape[1] - n_delays + 1
    return np.concatenate([cube[:, d : d + n_steps] for d in range(n_delays - 1, -1, -1)], axis=2)


def delays(
    cube: Floats, *, n_delays: int, where: str, name: str, n_components: int | None = None,
    center: bool = True, inputs: Floats | None = None, rank: int, strict: bool = True,
) -> Delays:  # fmt: skip
    """Delay checked trials and find the principal axes.

    Parameters
    ----------
    cube : ndarray, (n_trials, n_steps, n_units)
    n_delays : int
    where, name : str
        Who asks, and for which argument.
    n_components : int, optional
        Principal components of the units to keep before.
    center : bool
        Subtract the mean of each unit.
    inputs : ndarray, (n_trials, n_steps, n_inputs), optional
    rank : int
        Largest rank that will be asked for.
    strict : bool
        Refuse a rank that the data do not hold; else there are as many axes as they hold.

    Returns
    -------
    Delays

    Raises
    ------
    SpecError
        If the trials are too short, no unit varies, or the data hold fewer dimensions than asked for.
    """
    n_trials, n_steps, n_units = cube.shape
    if n_steps < n_delays + 1:
        bound = f"has {n_steps} steps, too few for {n_delays} delays and a step to predict"
        raise SpecError.of(where=where, name=name, bound=bound, fix=f"use n_delays <= {n_steps - 1}")
    flat = varying(cube.reshape(-1, n_units), where=where, name=name)
    mean = flat.mean(axis=0) if center else np.zeros(n_units)
    moved = centered(flat) if center else flat
    shrink = np.eye(n_units)
    if n_components is not None:
        shrink = _axes(moved, n_components, where=where, name=name, word="n_components")[0]
    rows = _embedded((moved @ shrink).reshape(n_trials, n_steps, -1), n_delays)
    most, n_inputs = n_trials * (n_steps - n_delays), 0 if inputs is None else inputs.shape[2] * n_delays
    rank = rank if strict else max(1, min(rank, most - n_inputs))
    if rank + n_inputs > most:
        bound = f"has {most} pairs of steps, fewer than the rank of {rank} and {n_inputs} inputs"
        raise SpecError.of(where=where, name=name, bound=bound, fix="use a lower rank or more trials")
    flat = rows.reshape(-1, rows.shape[2])
    axes, values = _axes(flat, rank, where=where, name=name, word="rank", strict=strict)
    widen = np.zeros((n_units * n_delays, rows.shape[2]))
    for d in range(n_delays):
        part = slice(d * n_units, (d + 1) * n_units), slice(d * shrink.shape[1], (d + 1) * shrink.shape[1])
        widen[part] = shrink
    drive, level = None, None
    if inputs is not None:
        level = inputs.mean(axis=(0, 1)) if center else np.zeros(inputs.shape[2])
        drive = _embedded(inputs - level, n_delays)
    return Delays(
        rows=rows @ axes,
        axes=widen @ axes,
        singular_values=values,
        inputs=drive,
        mean=mean,
        input_mean=level,
        n_delays=n_delays,
    )


def _axes(
    rows: Floats, rank: int, *, where: str, name: str, word: str, strict: bool = True
) -> tuple[Floats, Floats]:
    """Principal axes (columns) and all singular values."""
    from scipy.linalg import eigh, svd

    n, d = rows.shape
    if rank <= d <= n:
        squares, vectors = eigh(rows.T @ rows)
        values = np.sqrt(np.maximum(squares[::-1], 0.0))
        if values[rank - 1] > STEEP * values[0]:
            return np.ascontiguousarray(vectors[:, ::-1][:, :rank]), values
    _, values, turned = svd(rows, full_matrices=False)
    known = int(np.sum(values > values[0] * max(n, d) * np.finfo(np.float64).eps))
    if strict and rank > known:
        bound = f"must be <= {known}, the dimensions that {name} holds"
        raise SpecError.of(where=where, name=word, value=rank, bound=bound)
    return np.ascontiguousarray(turned[: min(rank, known)].T), values


def regress(parts: Delays, rank: int, ridge: float) -> LinearDynamics:
    """Fit the operator of one step in the first principal axes.

    Parameters
    ----------
    parts : Delays
    rank : int
    ridge : float

    Returns
    -------
    LinearDynamics
    """
    values = parts.singular_values
    driven = parts.inputs is not None
    scale = np.full(rank, values[0]) if driven else values[:rank]
    z = parts.rows[..., :rank] / scale
    before, after = z[:, :-1].reshape(-1, rank), z[:, 1:].reshape(-1, rank)
    size = np.ones(0)
    if parts.inputs is not None:
        drive = parts.inputs[:, :-1].reshape(before.shape[0], -1)
        size = np.linalg.norm(drive, axis=0)
        size[size == 0] = 1.0
        before = np.concatenate([before, drive / size], axis=1)
    penalty = ridge * np.eye(before.shape[1])
    weights = np.linalg.solve(before.T @ before + penalty, before.T @ after).T
    operator = np.ascontiguousarray(weights[:, :rank])
    eigenvalues = np.linalg.eigvals(operator)
    eigenvalues = eigenvalues[np.lexsort((np.angle(eigenvalues), -np.abs(eigenvalues).round(12)))]
    return LinearDynamics(
        operator=operator,
        input_operator=weights[:, rank:] / size if driven else None,
        eigenvalues=eigenvalues,
        singular_values=values,
        mean=parts.mean,
        input_mean=parts.input_mean,
        n_delays=parts.n_delays,
        rank=rank,
        to_state=parts.axes[:, :rank] / scale,
        to_delayed=(parts.axes[:, :rank] * scale).T,
    )


def fit_dynamics(
    trials: ArrayLike,
    *,
    n_delays: int,
    rank: int,
    n_components: int | None = None,
    inputs: ArrayLike | None = None,
    ridge: float = 1e-6,
    center: bool = True,
) -> LinearDynamics:
    """Fit linear dynamics to trials: delays, principal axes, ridge regression of the next step.

    Delays and pairs of steps never cross trials. Without inputs z is white, ``z = S^-1 U' h`` of the
    singular value decomposition of the delayed states h (Brunton et al. 2017; Ostrow et al. 2023). With
    inputs it is ``U' h``, and B takes the inputs of the same delays (DMD with control, Proctor, Brunton and
    Kutz 2016): whitening would bring what the inputs did to the states back into A.

    Parameters
    ----------
    trials : array_like, (n_trials, n_steps, n_units)
    n_delays : int
        Number of steps in a delayed state, the present one included.
    rank : int
        Dimensions of the fitted system.
    n_components : int, optional
        Principal components of the units to keep before delaying.
    inputs : array_like, (n_trials, n_steps, n_inputs), optional
        ``inputs[:, t]`` acts between steps t and t + 1.
    ridge : float
        Penalty, where z has unit norm in its largest direction.
    center : bool
        Subtract the mean of each unit, and of each input.

    Returns
    -------
    LinearDynamics

    Raises
    ------
    SpecError
        If the trials are too short, hold fewer dimensions than asked for, or do not go with the inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import fit_dynamics
    >>> t = np.arange(40)
    >>> trial = 0.9**t[:, None] * np.stack([np.cos(0.5 * t), np.sin(0.5 * t)], axis=1)
    >>> found = fit_dynamics([trial, -trial], n_delays=1, rank=2)
    >>> np.abs(found.eigenvalues).round(4).tolist(), np.angle(found.eigenvalues).round(4).tolist()
    ([0.9, 0.9], [-0.5, 0.5])
    """
    where = "fit_dynamics"
    cube = as_trials(trials, where=where, name="trials", least_steps=2)
    drive = None if inputs is None else as_inputs(inputs, cube.shape, where=where)
    wanted = check_int(rank, where=where, name="rank")
    parts = delays(
        cube,
        n_delays=check_int(n_delays, where=where, name="n_delays"),
        where=where,
        name="trials",
        n_components=None
        if n_components is None
        else check_int(n_components, where=where, name="n_components"),
        center=center,
        inputs=drive,
        rank=wanted,
    )
    return regress(parts, wanted, check_real(ridge, where=where, name="ridge", low=0.0))
