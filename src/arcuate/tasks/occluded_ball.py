"""A ball in a box, hidden after a while: who goes on knowing where it is?

It moves evenly and is thrown back by the walls, so that its place is that of a straight line, folded at them.
A simulated population of neurons goes on following it: what the states of a system are to predict.

References
----------
Ball, occluder and comparison with recorded neurons follow Nayebi et al. (2023), arXiv 2305.11772. Sizes and
the tuning of the simulated neurons are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from arcuate._inputs import check_bytes
from arcuate.errors import SpecError, check_choice, check_int, check_real
from arcuate.rng import check_seed, stream
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, drive, held

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BallTrials", "OccludedBall"]

MAX_NUMBERS = 50_000_000
MAX_STEPS = 65_536
MAX_PIXELS = 256
NOISE = ("poisson", "gaussian", "none")


def folded(path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fold a straight path into the box from 0 to 1.

    Parameters
    ----------
    path : ndarray
        Places as if there were no walls.

    Returns
    -------
    place, direction : ndarray
        Where the ball is, and 1 where it goes as at first, -1 where it was thrown back an odd number of
        times.
    """
    around = np.mod(path, 2.0)
    return 1.0 - np.abs(1.0 - around), np.where(around <= 1.0, 1.0, -1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class BallTrials:
    """Trials of `OccludedBall`. Arrays are read-only.

    Parameters
    ----------
    positions, velocities : ndarray, (n_trials, n_steps, n_dims), float64
        Where the ball is in the box from 0 to 1, seen or not, and how far it goes in a step.
    pixels : ndarray, (n_trials, n_steps, n_pixels ** n_dims), float64
        What is seen, 0 to 1; the last dimension of space varies fastest.
    n_visible : int
        Steps before the ball is hidden.
    top_speed : float
        Fastest that a ball of this task may go.

    Examples
    --------
    >>> trials = OccludedBall(n_steps=10, n_visible=6).draw(3, seed=1)
    >>> trials.positions.shape, trials.pixels.shape, float(trials.pixels[:, 6:].max())
    ((3, 10, 1), (3, 10, 12), 0.0)
    """

    positions: np.ndarray
    velocities: np.ndarray
    pixels: np.ndarray
    n_visible: int
    top_speed: float

    def __post_init__(self) -> None:
        for array in (self.positions, self.velocities, self.pixels):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.positions)

    @cached_property
    def hidden(self) -> np.ndarray:
        """Steps in which the ball is hidden (n_steps,), bool."""
        return np.arange(self.positions.shape[1]) >= self.n_visible

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what is seen in each step, and where the ball is.

        Returns
        -------
        x : ndarray, (n_trials, n_steps, n_channels), float32
        targets : ndarray, (n_trials, n_steps, n_dims), float32
            Its place, seen or not.

        Examples
        --------
        >>> x, targets = OccludedBall(n_dims=2, n_pixels=5).draw(3, seed=1).frames()
        >>> x.shape, targets.shape
        ((3, 24, 25), (3, 24, 2))
        """
        return self.pixels.astype(np.float32), self.positions.astype(np.float32)

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents, a channel for each pixel; asked is the place of the hidden ball.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a step of the ball lasts; a whole number of steps.

        Returns
        -------
        Drive

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = OccludedBall().draw(2, seed=1).drive("1 ms", hold="10 ms")
        >>> shown.inputs.shape, shown.outputs, int(shown.asked[0].argmax())
        ((2, 240, 12), ('position 0',), 120)
        """
        n_dims = self.positions.shape[2]
        held(dt, hold, shape=self.pixels.shape, n_outputs=n_dims)
        return drive(
            self.pixels,
            dt,
            hold=hold,
            channels=[f"pixel {k}" for k in range(self.pixels.shape[2])],
            targets=self.positions,
            asked=np.broadcast_to(self.hidden, self.positions.shape[:2]),
            outputs=[f"position {k}" for k in range(n_dims)],
        )

    def population(
        self,
        n_units: int = 40,
        *,
        n_repeats: int = 8,
        peak: float = 6.0,
        width: float = 0.15,
        depth: float = 0.8,
        noise: str = "poisson",
        seed: int = 0,
    ) -> xr.DataArray:
        """Draw the responses of simulated neurons that follow the ball, seen or hidden.

        A neuron prefers a place c and a direction d, both drawn: it is expected to give
        ``peak * exp(-|x - c|^2 / (2 width^2)) * (1 + depth * v.d / top_speed)`` spikes in a step.

        Parameters
        ----------
        n_units, n_repeats : int
            Neurons, and how often each trial is shown to them.
        peak : float
            Spikes in a step at the preferred place, of a ball that rests.
        width : float
            Of the tuning to place, in boxes.
        depth : float
            Of the tuning to velocity, 0 to 1.
        noise : {"poisson", "gaussian", "none"}
            "gaussian": of the same variance as "poisson". "none": what is expected.
        seed : int
            Of neurons and noise, streams ``"task/occluded_ball/units"`` and
            ``"task/occluded_ball/noise"``: trials of another draw meet the same neurons,
            and the same draws of noise in the same places, so that noise of two draws is not independent.

        Returns
        -------
        DataArray, (trial, repeat, step, unit)
            Spikes in a step.

        Raises
        ------
        SpecError
            If a number is out of bounds.
        MemoryLimitError
            If the responses would not fit into memory.

        Examples
        --------
        >>> OccludedBall().draw(5, seed=1).population(10, n_repeats=3).shape
        (5, 3, 24, 10)
        """
        import xarray as xr

        where = "BallTrials.population"
        for name, count in (("n_units", n_units), ("n_repeats", n_repeats)):
            check_int(count, where=where, name=name, high=MAX_STEPS)
        for name, value in (("peak", peak), ("width", width)):
            check_real(value, where=where, name=name, low=0, low_open=True, high=1e6)
        check_real(depth, where=where, name="depth", low=0, high=1)
        check_choice(noise, NOISE, where=where, name="noise")
        check_seed(seed)
        trials, steps, n_dims = self.positions.shape
        need = 16 * trials * n_repeats * steps * n_units
        check_bytes(need, where=where, fix="take fewer trials, repeats or units")
        draw = stream(seed, "task/occluded_ball/units")
        center = draw.random((n_units, n_dims))
        way = draw.standard_normal((n_units, n_dims))
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        square = sum((self.positions[..., k, None] - center[:, k]) ** 2 for k in range(n_dims))
        along = self.velocities @ way.T / self.top_speed
        expected = peak * np.exp(-square / (2 * width**2)) * (1 + depth * along)
        shape = (trials, n_repeats, steps, n_units)
        means = np.broadcast_to(expected[:, None], shape)
        draw = stream(seed, "task/occluded_ball/noise")
        if noise == "poisson":
            values = draw.poisson(means).astype(np.float64)
        elif noise == "gaussian":
            values = means + np.sqrt(means) * draw.standard_normal(shape)
        else:
            values = means.copy()
        return xr.DataArray(
            values,
            dims=("trial", "repeat", "step", "unit"),
            name="spikes",
            attrs={"units": "spikes in a step"},
        )


@dataclass(frozen=True, kw_only=True)
class OccludedBall(DrawnTask[BallTrials]):
    """A ball bounces in a box and is hidden after a while.

    Its first place is uniform in the box, its speed uniform between two bounds, its direction uniform.
    Walls throw it back without loss. It is seen as a smooth bump on a row, or a square, of pixels.

    Parameters
    ----------
    n_steps : int
        Steps of a trial.
    n_visible : int
        Steps before the ball is hidden, up to ``n_steps``: then it never is.
    n_dims : {1, 2}
        A line or a square.
    n_pixels : int
        On a side of the box.
    width : float
        Standard deviation of the bump, in boxes.
    slowest, fastest : float
        Bounds of the speed, in boxes a step.

    Raises
    ------
    SpecError
        If a number is out of bounds.

    Examples
    --------
    >>> trials = OccludedBall(slowest=0.1, fastest=0.1).draw(1, seed=2)
    >>> trials.positions[0, :4, 0].round(2).tolist(), trials.velocities[0, :4, 0].round(2).tolist()
    ([0.78, 0.88, 0.98, 0.92], [0.1, 0.1, 0.1, -0.1])
    """

    kind = "occluded_ball"

    n_steps: int = 24
    n_visible: int = 12
    n_dims: int = 1
    n_pixels: int = 12
    width: float = 0.08
    slowest: float = 0.03
    fastest: float = 0.1

    def __post_init__(self) -> None:
        where = "OccludedBall"
        steps = check_int(self.n_steps, where=where, name="n_steps", low=2, high=MAX_STEPS)
        check_int(self.n_visible, where=where, name="n_visible", high=steps)
        check_int(self.n_dims, where=where, name="n_dims", high=2)
        check_int(self.n_pixels, where=where, name="n_pixels", low=2, high=MAX_PIXELS)
        check_real(self.width, where=where, name="width", low=0, low_open=True, high=1)
        fastest = check_real(self.fastest, where=where, name="fastest", low=0, low_open=True, high=1)
        check_real(self.slowest, where=where, name="slowest", low=0, high=fastest)
        if not self._most:
            bound = f"must be <= {MAX_NUMBERS} for one trial"
            value = self.n_steps * self.n_pixels**self.n_dims
            raise SpecError.of(where=where, name="n_steps * n_pixels ** n_dims", value=value, bound=bound)

    @property
    def _most(self) -> int:
        return MAX_NUMBERS // (self.n_steps * self.n_pixels**self.n_dims)

    def _drawn(self, generator: np.random.Generator, n: int) -> BallTrials:
        start = generator.random((n, 1, self.n_dims))
        speed = generator.uniform(self.slowest, self.fastest, (n, 1, 1))
        angle = generator.random((n, 1)) * 2 * np.pi
        if self.n_dims == 1:
            way = np.where(angle < np.pi, 1.0, -1.0)[..., None]
        else:
            way = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        place, sign = folded(start + np.arange(self.n_steps)[:, None] * speed * way)
        middle = (np.arange(self.n_pixels) + 0.5) / self.n_pixels
        bumps = np.exp(-((place[..., None] - middle) ** 2) / (2 * self.width**2))
        seen = bumps[:, :, 0]
        if self.n_dims == 2:
            seen = (seen[..., :, None] * bumps[:, :, 1, None, :]).reshape(n, self.n_steps, -1)
        pixels = np.ascontiguousarray(seen)
        pixels[:, self.n_visible :] = 0.0
        return BallTrials(
            positions=place,
            velocities=speed * way * sign,
            pixels=pixels,
            n_visible=self.n_visible,
            top_speed=float(self.fastest),
        )
