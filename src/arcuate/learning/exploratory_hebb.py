"""Reward-modulated exploratory Hebb rule on the read-out of a chaotic rate network (Hoerzer et al. 2014)."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate import rng
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import FitError, NonFiniteError, SpecError, check_array, check_int, check_real
from arcuate.readout._base import Estimator
from arcuate.units import to_si

if TYPE_CHECKING:
    import xarray as xr

    from arcuate.recording import Recording

__all__ = ["ExploratoryHebb"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

BLOCK = 1000
"""Steps whose noise comes from one stream, and whose history is one entry."""

_STATE = ("x", "r", "z", "z_mean", "reward_mean")


class ExploratoryHebb(Estimator):
    """Rate network whose read-out learns a function of time from whether it did better than lately.

    ``tau dx/dt = -x + W r + W_fb z + W_in u``, ``r = tanh(x) + noise``, ``z = w r + xi``. With the reward
    ``P = -|z - f|^2`` and low-pass filtered ``zbar`` and ``Pbar``, ``dw = eta(t) M (z - zbar) r`` where
    ``M = 1 if P > Pbar else 0`` and ``eta(t) = learning_rate / (1 + t/decay)``. The running mean of the
    reward is its baseline; the read-out acts back on the network, so that it learns its own attractor.

    Parameters
    ----------
    n_neurons : int
        Number of neurons, at most 10 000.
    connectivity : float
        Probability of a connection, self-connections included.
    gain : float
        Standard deviation of a weight times ``sqrt(connectivity n_neurons)``.
    tau, tau_filter : str or quantity
        Time constants of x, and of the two filters, s.
    dt : str or quantity
        Step, s.
    feedback : float
        Feedback weights are uniform in ±feedback; those of the inputs, if any, in ±1.
    state_noise, exploration : float
        Noise of the rates and of the outputs is uniform in ±these.
    learning_rate : float
        Step size at the beginning.
    decay : str or quantity
        After this time the step size is half, s.
    seed : int
        Seed of weights, start (x uniform in ±0.5, chosen) and noise.

    Attributes
    ----------
    coef_ : ndarray, (n_outputs, n_neurons)
        Read-out weights.
    history_ : xarray.Dataset
        For each 1000 steps, dimension ``time`` (end, s): rmse of the output without exploration, share of
        the steps with M = 1, norm of the weights.
    n_steps_ : int
        Steps learned from.

    References
    ----------
    G. M. Hoerzer, R. Legenstein and W. Maass, Cerebral Cortex 24:677 (2014), doi:10.1093/cercor/bhs348.

    Examples
    --------
    >>> import numpy as np
    >>> target = np.sin(2 * np.pi * np.arange(3000) / 1000)
    >>> net = ExploratoryHebb(n_neurons=50, seed=1).fit(None, target)
    >>> net.coef_.shape, net.generate(100).shape
    ((1, 50), (100, 1))
    """

    coef_: Floats
    n_steps_: int
    state_: dict[str, Floats]

    def __init__(
        self,
        n_neurons: int = 1000,
        *,
        connectivity: float = 0.1,
        gain: float = 1.5,
        tau: float | str = "50 ms",
        tau_filter: float | str = "5 ms",
        dt: float | str = "1 ms",
        feedback: float = 1.0,
        state_noise: float = 0.05,
        exploration: float = 0.5,
        learning_rate: float = 5e-4,
        decay: float | str = "20 s",
        seed: int = 0,
    ) -> None:
        self.n_neurons = n_neurons
        self.connectivity = connectivity
        self.gain = gain
        self.tau = tau
        self.tau_filter = tau_filter
        self.dt = dt
        self.feedback = feedback
        self.state_noise = state_noise
        self.exploration = exploration
        self.learning_rate = learning_rate
        self.decay = decay
        self.seed = seed

    def fit(self, X: ArrayLike | None, y: ArrayLike, *, progress: ProgressOption = None) -> Self:
        """Draw a network and learn.

        Parameters
        ----------
        X : array_like, (n_steps, n_channels), or None
            Inputs; None for none.
        y : array_like, (n_steps, n_outputs) or (n_steps,)
            The function f at every step.
        progress : bool or callable, optional
            A bar after 2 s on a terminal by default; a function is called with steps done and in all.

        Returns
        -------
        ExploratoryHebb
            The estimator itself.

        Raises
        ------
        FitError
            If shapes do not go together or a value is not finite.
        SpecError
            If a parameter is out of range.
        NonFiniteError
            If an output is no longer finite; the message names the step.
        """
        for name in ("n_features_in_", "history_"):
            self.__dict__.pop(name, None)
        return self.partial_fit(X, y, progress=progress)

    def partial_fit(self, X: ArrayLike | None, y: ArrayLike, *, progress: ProgressOption = None) -> Self:
        """Go on learning where the last step ended; the same as all steps in one `fit`.

        Parameters
        ----------
        X : array_like, (n_steps, n_channels), or None
            As for `fit`.
        y : array_like, (n_steps, n_outputs) or (n_steps,)
            As for `fit`.
        progress : bool or callable, optional
            As for `fit`.

        Returns
        -------
        ExploratoryHebb
            The estimator itself.

        Raises
        ------
        FitError, SpecError, NonFiniteError
            As for `fit`.
        """
        check_progress(progress, where="ExploratoryHebb")
        settings, target = self._settings(), _series(y, "y")
        inputs = np.zeros((len(target), 0)) if X is None else _series(X, "X", n_steps=len(target))
        if not self.__sklearn_is_fitted__():
            self._start(settings, inputs.shape[1], target.shape[1])
        self._check(inputs, target)
        state = {name: array.copy() for name, array in self.state_.items()}
        w, first, rows = self.coef_.copy(), self.n_steps_, []
        with progress_bar(progress, len(target), title="exploratory Hebb") as report:
            for begin, stop in _blocks(first, len(target)):
                piece = slice(begin - first, stop - first)
                output, modulator, _ = self._run(settings, state, w, inputs[piece], target[piece], begin)
                rows.append(
                    (_rms(output - target[piece]), modulator.mean(), _rms(w) * math.sqrt(w.size), stop)
                )
                if report is not None:
                    report(stop - begin)
        self.coef_, self.state_, self.n_steps_ = w, state, first + len(target)
        self._remember(rows)
        return self

    def generate(self, n_steps: int, X: ArrayLike | None = None) -> Floats:
        """Go on alone, without exploration and learning, from where learning ended.

        Parameters
        ----------
        n_steps : int
            Number of steps.
        X : array_like, (n_steps, n_channels), optional
            Inputs, if there were some.

        Returns
        -------
        ndarray, (n_steps, n_outputs)
            Outputs.

        Raises
        ------
        FitError
            If the estimator is not fitted or the inputs do not fit.
        """
        return self._alone(n_steps, X, keep_rates=False)[0]

    def record(self, n_steps: int, X: ArrayLike | None = None) -> Recording:
        """Rates and outputs of a run alone, as `generate`.

        Parameters
        ----------
        n_steps : int
            Number of steps.
        X : array_like, (n_steps, n_channels), optional
            Inputs, if there were some.

        Returns
        -------
        Recording
            Source "learning"; sites ``reservoir`` (r) and ``output`` (z), weights ``output``.

        Raises
        ------
        FitError
            If the estimator is not fitted or the inputs do not fit.
        """
        from arcuate.recording import Recording

        output, rates = self._alone(n_steps, X, keep_rates=True)
        dt = self._settings()["dt"]
        time = np.arange(n_steps) * dt
        sites = {"reservoir": ("r", rates), "output": ("z", output)}
        post, pre = np.divmod(np.arange(self.coef_.size), self.coef_.shape[1])
        return Recording.build(
            source="learning",
            seed=self.seed,
            states={s: {k: (v, ("time", "unit"), {"time": time}, "1")} for s, (k, v) in sites.items()},
            weights={"output": {"weight": self.coef_.reshape(1, -1), "pre": pre, "post": post}},
            outcome={"status": "ok", "n_steps": self.n_steps_},
            dt=dt,
            duration=n_steps * dt,
        )

    def _alone(self, n_steps: int, X: Any, *, keep_rates: bool) -> tuple[Floats, Floats]:
        self._fitted()
        check_int(n_steps, where="ExploratoryHebb", name="n_steps", high=10**9)
        settings = self._settings() | {"exploration": 0.0}
        inputs = np.zeros((n_steps, 0)) if X is None else _series(X, "X", n_steps=n_steps)
        target = np.zeros((n_steps, self.coef_.shape[0]))
        self._check(inputs, target)
        state = {name: array.copy() for name, array in self.state_.items()}
        first, parts = self.n_steps_, []
        for begin, stop in _blocks(first, n_steps):
            piece = slice(begin - first, stop - first)
            run = self._run(
                settings, state, self.coef_, inputs[piece], target[piece], begin, learn=False, keep=keep_rates
            )
            parts.append((run[0], run[2]))
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _start(self, settings: dict[str, Any], n_channels: int, n_outputs: int) -> None:
        """Draw the network."""
        n, p, name = self.n_neurons, settings["connectivity"], "exploratory_hebb"
        there = rng.stream(self.seed, f"{name}/connections").random((n, n)) < p  # (post, pre)
        draw = rng.stream(self.seed, f"{name}/weights").standard_normal(int(there.sum()))
        pre = np.nonzero(there)[1]
        scale = settings["gain"] / math.sqrt(p * n)
        start = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        self.synapses_ = (start, pre, draw * scale)
        fb, w_in = (rng.stream(self.seed, f"{name}/{part}") for part in ("feedback", "input"))
        self.feedback_ = fb.uniform(-1.0, 1.0, (n_outputs, n)) * settings["feedback"]
        self.input_ = w_in.uniform(-1.0, 1.0, (n_channels, n))
        self.coef_, self.n_steps_, self.n_features_in_ = np.zeros((n_outputs, n)), 0, n_channels
        sizes = dict(zip(_STATE, (n, n, n_outputs, n_outputs, 1), strict=True))
        self.state_ = {part: np.zeros(size) for part, size in sizes.items()}
        self.state_["x"] = rng.stream(self.seed, f"{name}/start").uniform(-0.5, 0.5, n)
        self.state_["r"] = np.tanh(self.state_["x"])

    def _run(
        self,
        settings: dict[str, Any],
        state: dict[str, Floats],
        w: Floats,
        inputs: Floats,
        target: Floats,
        begin: int,
        *,
        learn: bool = True,
        keep: bool = False,
    ) -> tuple[Floats, Floats, Floats]:
        """Run steps within one block of noise."""
        from arcuate.learning import _hebb

        steps, n, n_outputs = len(target), self.n_neurons, w.shape[0]
        block, skip = divmod(begin, BLOCK)
        name = f"exploratory_hebb/{'' if learn else 'alone/'}block {block}"
        noise = rng.stream(self.seed, f"{name}/state").uniform(-1.0, 1.0, (skip + steps, n))[skip:]
        xi = rng.stream(self.seed, f"{name}/exploration").uniform(-1.0, 1.0, (skip + steps, n_outputs))[skip:]
        clock = np.arange(begin, begin + steps) * settings["dt"]
        rate = settings["learning_rate"] / (1.0 + clock / settings["decay"]) if learn else np.zeros(steps)
        outputs, modulator = np.empty((steps, n_outputs)), np.empty(steps)
        rates = np.empty((steps if keep else 0, n))
        bad = _hebb.hebb_steps(
            *self.synapses_,
            self.feedback_,
            self.input_,
            inputs,
            target,
            noise * settings["state_noise"],
            xi * settings["exploration"],
            rate,
            settings["leak"],
            settings["keep"],
            *(state[part] for part in _STATE),
            w,
            outputs,
            modulator,
            rates,
        )
        if bad < 0 and not np.isfinite(w).all():
            bad = steps - 1
        if bad >= 0:
            raise NonFiniteError.of(
                where="ExploratoryHebb",
                name="output, reward or weight",
                bound=f"is not finite at trial 0, step {begin + bad}",
                fix="lower learning_rate, feedback or the inputs",
            )
        return outputs, modulator, rates

    def _check(self, inputs: Floats, target: Floats) -> None:
        """Refuse channels, outputs or neurons other than those of the fit."""
        for name, got, known in (
            ("channels of X", inputs.shape[1], self.n_features_in_),
            ("outputs of y", target.shape[1], self.coef_.shape[0]),
            ("n_neurons", self.n_neurons, self.coef_.shape[1]),
        ):
            if got != known:
                raise FitError.of(
                    where="ExploratoryHebb", name=name, value=got, bound=f"must be the {known} of the fit"
                )

    def _remember(self, rows: list[tuple[float, float, float, int]]) -> None:
        """Append to the history; a block that was learned in pieces has an entry for each."""
        import xarray as xr

        table = np.array(rows)
        columns = {name: ("time", table[:, k]) for k, name in enumerate(("rmse", "modulated", "norm"))}
        new = xr.Dataset(columns, coords={"time": table[:, 3] * self._settings()["dt"]})
        old: xr.Dataset | None = getattr(self, "history_", None)
        self.history_: xr.Dataset = new if old is None else xr.concat([old, new], dim="time")

    def _settings(self) -> dict[str, Any]:
        """Check the parameters and turn them into what the kernel takes."""
        where = "ExploratoryHebb"

        def real(name: str, **bounds: Any) -> float:
            return check_real(getattr(self, name), where=where, name=name, low=0.0, **bounds)

        def seconds(name: str) -> float:
            value = to_si(getattr(self, name), "s", where=where, name=name)
            return check_real(value, where=where, name=name, low=0.0, low_open=True)

        check_int(self.n_neurons, where=where, name="n_neurons", high=10_000)
        rng.check_seed(self.seed)
        dt = seconds("dt")
        for name in ("tau", "tau_filter"):
            if seconds(name) < dt:
                value = getattr(self, name)
                raise SpecError.of(where=where, name=name, value=value, bound="must be at least dt")
        return {
            "dt": dt,
            "leak": dt / seconds("tau"),
            "keep": 1.0 - dt / seconds("tau_filter"),
            "connectivity": real("connectivity", high=1.0, low_open=True),
            "gain": real("gain"),
            "feedback": real("feedback"),
            "state_noise": real("state_noise"),
            "exploration": real("exploration"),
            "learning_rate": real("learning_rate"),
            "decay": seconds("decay"),
        }


def _blocks(first: int, n_steps: int) -> list[tuple[int, int]]:
    """Pieces of steps that each lie in one block."""
    edges = [first, *range((first // BLOCK + 1) * BLOCK, first + n_steps, BLOCK), first + n_steps]
    return list(pairwise(edges))


def _rms(values: Floats) -> float:
    """Root mean square, scaled so that no square overflows."""
    size = float(np.abs(values).max())
    return size * math.sqrt(float(np.mean((values / size) ** 2))) if size > 0.0 else 0.0


def _series(value: Any, name: str, *, n_steps: int | None = None) -> Floats:
    """Read an array of steps by channels; one channel may come without its axis."""
    where = "ExploratoryHebb"
    shape = (n_steps,) if np.ndim(value) == 1 else (n_steps, None)
    try:
        array = np.array(check_array(value, where=where, name=name, shape=shape))
    except SpecError as error:
        raise FitError(*error.args) from error
    if array.size == 0:
        raise FitError.of(where=where, name=name, value=f"shape {array.shape}", bound="must not be empty")
    return array[:, None] if array.ndim == 1 else array
