"""Node perturbation: recurrent weights learned from one error a trial (Miconi 2017), rate or spiking."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate import rng
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import (
    FitError,
    NonFiniteError,
    SpecError,
    check_array,
    check_choice,
    check_int,
    check_real,
)
from arcuate.learning.baseline import Baseline, Critic, NoBaseline, as_baseline
from arcuate.readout._base import Estimator
from arcuate.units import to_si

if TYPE_CHECKING:
    import xarray as xr

    from arcuate.recording import Recording

__all__ = ["NodePerturbation"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

TAU_M, T_REF, TAU_SYN, DRIVE = 0.010, 0.005, 0.100, 2.54
"""Cells of the spiking version: time constants, s, and constant input. Chosen: with this drive (threshold 1)
a cell fires at half of 1/T_REF, so that its rate saturates on both sides as tanh does; near 100 Hz, 100 ms
(a slow synapse) leave little noise of counting, 30 ms left too much to learn from."""

_LEARN_FROM = 3
_KICK_FROM = 4
"""First steps of a trial with eligibility and with kicks, as in the program."""


class NodePerturbation(Estimator):
    """Recurrent network that learns from perturbations of its units and one error at the end of a trial.

    ``tau dx/dt = -x + J r + W u + kick``, ``r = tanh(x)``. Each unit is kicked at random; an eligibility
    correlates what came in with the fluctuation that followed; at the end of the trial the weights move along
    it if the error was below its mean, and against it if above.

    Parameters
    ----------
    units : str
        ``"rate"``, or ``"spiking"``: LIF neurons driven by the current x, with ``r = s/r_0 - 1``, s their
        filtered spikes and r_0 their rate at x = 0. Subtracting r_0 is a constant current to every target.
    n_neurons : int
        Number of units, at most 10 000.
    gain : float
        Standard deviation of the initial weights times the root of their number.
    tau : str or quantity
        Time constant of x, s.
    dt : str or quantity
        Step, s.
    kick_rate : str or quantity
        Mean number of kicks of a unit, Hz.
    kick : float
        Kicks are uniform in ±kick; a kick moves x by ``kick dt / tau``.
    eligibility : str
        ``"cubed"``: ``sum (r_i(t-1) (x_j - xbar_j))^3``, which a synapse can know, or ``"kick"``:
        ``sum r_i(t-1) kick_j``.
    keep : float
        Weight of the old mean in ``xbar <- keep xbar + (1 - keep) x``.
    learning_rate : float
        Step size; the program has 0.1 for cubed and 0.001 for kick.
    max_change : float
        Largest change of a weight in a trial.
    baseline : Baseline, str or mapping
        What the error is compared with, for each stimulus. With a baseline the change is scaled by the
        expected error as in the program; without one it is ``-learning_rate R e``. A critic gets 1 and the
        mean input of each channel as features.
    warm_up : int
        Trials before the first change, in which only the baseline learns.
    fixed : mapping of int to float
        Units whose x is held, the biases.
    output : int
        The unit whose rate is the answer.
    seed : int
        Seed of weights, starts and kicks.

    Attributes
    ----------
    recurrent_ : ndarray, (n_neurons, n_neurons)
        Weights (pre, post).
    input_ : ndarray, (n_channels, n_neurons)
        Weights of the input, uniform in ±1, not learned.
    baseline_ : ndarray
        State of the baseline.
    history_ : xarray.Dataset
        For each ``trial``: error, expected, answer (mean output while it counts), stimulus.
    n_trials_ : int
        Trials learned from.

    References
    ----------
    T. Miconi, eLife 6:e20899 (2017), doi:10.7554/eLife.20899; constants from its program. Node perturbation:
    I. R. Fiete and H. S. Seung, Phys. Rev. Lett. 97:048104 (2006), doi:10.1103/PhysRevLett.97.048104.

    Examples
    --------
    >>> from arcuate.tasks import DelayedNonMatch
    >>> trials = DelayedNonMatch(n_trials=8, duration="700 ms", response="100 ms").trials("1 ms", seed=1)
    >>> net = NodePerturbation(n_neurons=20, warm_up=4, seed=1)
    >>> net = net.fit(trials.inputs, trials.target, stimulus=trials.stimulus, answer=trials.answer)
    >>> net.history_.sizes["trial"], net.recurrent_.shape
    (8, (20, 20))
    """

    recurrent_: Floats
    input_: Floats
    baseline_: Floats
    n_trials_: int

    def __init__(
        self,
        units: str = "rate",
        *,
        n_neurons: int = 200,
        gain: float = 1.5,
        tau: float | str = "30 ms",
        dt: float | str = "1 ms",
        kick_rate: float | str = "3 Hz",
        kick: float = 16.0,
        eligibility: str = "cubed",
        keep: float = 0.05,
        learning_rate: float = 0.1,
        max_change: float = 3e-4,
        baseline: Baseline | str | Mapping[str, Any] = "running_mean",
        warm_up: int = 101,
        fixed: Mapping[int, float] | Sequence[tuple[int, float]] = ((1, 1.0), (10, 1.0), (11, -1.0)),
        output: int = 0,
        seed: int = 0,
    ) -> None:
        self.units = units
        self.n_neurons = n_neurons
        self.gain = gain
        self.tau = tau
        self.dt = dt
        self.kick_rate = kick_rate
        self.kick = kick
        self.eligibility = eligibility
        self.keep = keep
        self.learning_rate = learning_rate
        self.max_change = max_change
        self.baseline = baseline
        self.warm_up = warm_up
        self.fixed = fixed
        self.output = output
        self.seed = seed

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        stimulus: ArrayLike | None = None,
        answer: slice | None = None,
        progress: ProgressOption = None,
    ) -> Self:
        """Draw a network and learn trial by trial.

        Parameters
        ----------
        X : array_like, (n_stimuli, n_steps, n_channels)
            What each stimulus shows.
        y : array_like, (n_stimuli, n_steps)
            What is to be answered.
        stimulus : array_like, (n_trials,), int, optional
            Which stimulus each trial shows; each once by default.
        answer : slice, optional
            Steps in which the answer counts; all by default.
        progress : bool or callable, optional
            A bar after 2 s on a terminal by default; a function is called with trials done and in all.

        Returns
        -------
        NodePerturbation
            The estimator itself.

        Raises
        ------
        FitError
            If shapes do not go together or a value is not finite.
        SpecError
            If a parameter is out of range.
        NonFiniteError
            If an activation is no longer finite; the message names trial and step.
        """
        for name in ("n_trials_", "history_"):
            self.__dict__.pop(name, None)
        return self._learn(X, y, stimulus, answer, progress)

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        stimulus: ArrayLike | None = None,
        answer: slice | None = None,
        progress: ProgressOption = None,
    ) -> Self:
        """Go on learning where the last trial ended; the same as all trials in one `fit`.

        A fit that is interrupted by Ctrl-C keeps the trials that were over, ``n_trials_`` of them.

        Parameters
        ----------
        X : array_like, (n_stimuli, n_steps, n_channels)
            As for `fit`.
        y : array_like, (n_stimuli, n_steps)
            As for `fit`.
        stimulus : array_like, (n_trials,), int, optional
            As for `fit`.
        answer : slice, optional
            As for `fit`.
        progress : bool or callable, optional
            As for `fit`.

        Returns
        -------
        NodePerturbation
            The estimator itself.

        Raises
        ------
        FitError, SpecError, NonFiniteError
            As for `fit`.
        """
        return self._learn(X, y, stimulus, answer, progress)

    def predict(self, X: ArrayLike) -> Floats:
        """Output for each stimulus, without kicks.

        Parameters
        ----------
        X : array_like, (n_stimuli, n_steps, n_channels)
            Stimuli.

        Returns
        -------
        ndarray, (n_stimuli, n_steps)
            Rate of the output unit.

        Raises
        ------
        FitError
            If the estimator is not fitted or the channels are others.
        """
        rates, _ = self._test(X)
        return rates[:, :, self.output].copy()

    def score(self, X: ArrayLike, y: ArrayLike, *, answer: slice | None = None) -> float:
        """Share of the stimuli whose mean answer has the sign of the target.

        Parameters
        ----------
        X : array_like, (n_stimuli, n_steps, n_channels)
            Stimuli.
        y : array_like, (n_stimuli, n_steps)
            Targets.
        answer : slice, optional
            Steps in which the answer counts.

        Returns
        -------
        float
            1 for all.
        """
        output = self.predict(X)
        window = slice(None) if answer is None else answer
        right = np.sign(output[:, window].mean(axis=1)) == np.sign(np.asarray(y)[:, window].mean(axis=1))
        return float(right.mean())

    def record(self, X: ArrayLike, *, names: Sequence[str] | None = None) -> Recording:
        """States of every unit for each stimulus, without kicks.

        Parameters
        ----------
        X : array_like, (n_stimuli, n_steps, n_channels)
            Stimuli.
        names : sequence of str, optional
            Their names.

        Returns
        -------
        Recording
            Source "learning"; site ``recurrent`` with r, spikes of the spiking version, weights.

        Raises
        ------
        FitError
            If the estimator is not fitted or the channels are others.
        """
        from arcuate.recording import Recording

        rates, spikes = self._test(X)
        n_stimuli, n_steps, n = rates.shape
        dt = self._settings()["dt"]
        labels = [str(k) for k in range(n_stimuli)] if names is None else list(names)
        time = np.arange(n_steps) * dt
        coords = {"time": time, "unit": np.arange(n), "stimulus": ("trial", np.array(labels))}
        fired = {}
        if self.units == "spiking":
            trial, step, neuron = np.nonzero(spikes)
            at = (trial * n_steps + step) * dt
            fired = {"recurrent": {"time": at, "neuron": neuron, "trial": trial, "n": n}}
        pre, post = np.divmod(np.arange(n * n), n)
        return Recording.build(
            source="learning",
            seed=self.seed,
            states={"recurrent": {"r": (rates, ("trial", "time", "unit"), coords, "1")}},
            spikes=fired,
            weights={"recurrent": {"weight": self.recurrent_.reshape(1, -1), "pre": pre, "post": post}},
            outcome={"status": "ok", "n_trials": self.n_trials_},
            dt=dt,
        )

    def _learn(self, X: Any, y: Any, stimulus: Any, answer: slice | None, progress: ProgressOption) -> Self:
        from arcuate.learning import _perturbation as kernels

        check_progress(progress, where="NodePerturbation", unit="trials")
        settings, baseline = self._settings(), as_baseline(self.baseline, where="NodePerturbation")
        inputs, target, order, window = _trials(X, y, stimulus, answer)
        features = _features(inputs, baseline)
        if not hasattr(self, "n_trials_"):
            self._start(settings, inputs.shape[2], baseline.start(features.shape[1]))
        self._check_channels(inputs, features)
        first, n, n_steps = self.n_trials_, self.n_neurons, inputs.shape[1]
        rates, pre, post = (np.zeros((n_steps, n)) for _ in range(3))
        spikes, e, rows = np.zeros((n_steps, n), np.uint8), np.zeros((n, n)), np.empty((order.size, 3))
        w, state, kept = self.recurrent_.copy(), self.baseline_.copy(), (self.recurrent_, self.baseline_, 0)
        try:
            with progress_bar(progress, order.size, title="node perturbation", unit="trial") as report:
                for k, s in enumerate(order):
                    trial, drawn = first + k, self._draw(settings, first + k, n_steps)
                    self._run(kernels, settings, w, inputs[s], drawn, (rates, spikes, pre, post), trial)
                    output, expected = rates[window, self.output], baseline.expect(state, features[s])
                    error = float(np.abs(output - target[s, window]).mean())
                    surprise = baseline.learn(state, features[s], error)
                    rows[k] = error, expected, output.mean()
                    if trial >= settings["warm_up"]:
                        e[:] = 0.0
                        kernels.outer_add(e, pre[_LEARN_FROM:], post[_LEARN_FROM:])
                        factor = 1.0 if isinstance(baseline, NoBaseline) else expected
                        kernels.reward_update(w, e, -settings["rate"] * factor * surprise, settings["limit"])
                        if not np.isfinite(w).all():
                            self._not_finite(trial, "weights")
                    kept = w.copy(), state.copy(), k + 1
                    if report is not None:
                        report(1)
        finally:  # what was learned by the last whole trial is kept, whatever ends the loop
            self._keep(*kept, rows, order)
        return self

    def _keep(self, w: Floats, state: Floats, count: int, rows: Floats, order: Array) -> None:
        """Keep what was learned by the last whole trial."""
        first = self.n_trials_
        self.recurrent_, self.baseline_, self.n_trials_ = w, state, first + count
        self._remember(rows[:count], order[:count], first)

    def _start(self, settings: dict[str, Any], n_channels: int, state: Floats) -> None:
        """Draw the network."""
        n = self.n_neurons
        draw = rng.stream(self.seed, "node_perturbation/recurrent").standard_normal((n, n))
        self.recurrent_ = draw * (settings["gain"] / math.sqrt(n))
        self.input_ = rng.stream(self.seed, "node_perturbation/input").uniform(-1.0, 1.0, (n_channels, n))
        self.baseline_, self.n_trials_, self.n_features_in_ = state, 0, n_channels

    def _draw(self, settings: dict[str, Any], trial: int, n_steps: int) -> tuple[Floats, Floats, Floats]:
        """Start of x, start of v and kicks of a trial, from streams of its own."""
        name, n = f"node_perturbation/trial {trial}", self.n_neurons
        start = rng.stream(self.seed, f"{name}/start")
        when = rng.stream(self.seed, f"{name}/kick times").random((n_steps, n)) < settings["kick_chance"]
        when[:_KICK_FROM] = False
        kicks = np.zeros((n_steps, n))
        sizes = rng.stream(self.seed, f"{name}/kick sizes").uniform(-1.0, 1.0, int(when.sum()))
        kicks[when] = settings["kick"] * sizes
        return start.uniform(-0.1, 0.1, n), start.random(n), kicks

    def _run(
        self,
        kernels: Any,
        settings: dict[str, Any],
        w: Floats,
        inputs: Floats,
        drawn: Any,
        out: Any,
        trial: int,
    ) -> None:
        """Run one trial into the arrays of `out`."""
        start, v_start, kicks = drawn
        rates, spikes, pre, post = out
        same = (
            settings["fixed"],
            settings["fixed_value"],
            settings["leak"],
            settings["keep"],
            settings["cubed"],
        )
        if self.units == "spiking":
            args = (
                w,
                self.input_,
                inputs,
                kicks,
                start,
                v_start,
                *same,
                settings["cell"],
                rates,
                spikes,
                pre,
                post,
            )
            bad = kernels.spiking_trial(*args)
        else:
            bad = kernels.rate_trial(w, self.input_, inputs, kicks, start, *same, rates, pre, post)
        if bad >= 0:
            self._not_finite(trial, "activation x", bad)

    def _not_finite(self, trial: int, what: str, step: int | None = None) -> None:
        place = f"trial {trial}" + ("" if step is None else f", step {step}")
        raise NonFiniteError.of(
            where="NodePerturbation",
            name=what,
            bound=f"is not finite at {place}",
            fix="lower learning_rate, max_change or the inputs",
        )

    def _test(self, X: Any) -> tuple[Floats, Array]:
        """Rates and spikes of every stimulus without kicks; starts from streams of their own."""
        from arcuate.learning import _perturbation as kernels

        self._fitted()
        settings, inputs = self._settings(), _stimuli(X)
        self._check_channels(inputs, None)
        n_stimuli, n_steps, n = *inputs.shape[:2], self.n_neurons
        rates, spikes = np.zeros((n_stimuli, n_steps, n)), np.zeros((n_stimuli, n_steps, n), np.uint8)
        none, kicks = np.zeros((0, n)), np.zeros((n_steps, n))
        for k in range(n_stimuli):
            draw = rng.stream(self.seed, f"node_perturbation/test {k}/start")
            drawn = draw.uniform(-0.1, 0.1, n), draw.random(n), kicks
            out = (rates[k], spikes[k], none, none)
            self._run(kernels, settings, self.recurrent_, inputs[k], drawn, out, self.n_trials_)
        return rates, spikes

    def _check_channels(self, inputs: Floats, features: Floats | None) -> None:
        """Refuse stimuli with other channels, or more of them than the baseline knows."""
        for name, got, known in (
            ("channels", inputs.shape[2], self.n_features_in_),
            ("stimuli of the baseline", None if features is None else features.shape[1], self.baseline_.size),
        ):
            if got is not None and got != known:
                bound = f"must be the {known} of the fit"
                raise FitError.of(where="NodePerturbation", name=name, value=got, bound=bound)
        if self.recurrent_.shape[0] != self.n_neurons:
            bound = f"must be the {self.recurrent_.shape[0]} of the fit"
            raise FitError.of(where="NodePerturbation", name="n_neurons", value=self.n_neurons, bound=bound)

    def _remember(self, rows: Floats, order: Array, first: int) -> None:
        """Append to the history."""
        import xarray as xr

        names = ("error", "expected", "answer")
        columns: dict[str, Any] = {name: ("trial", rows[:, k]) for k, name in enumerate(names)}
        columns["stimulus"] = ("trial", order)
        new = xr.Dataset(columns, coords={"trial": np.arange(first, first + order.size)})
        old: xr.Dataset | None = getattr(self, "history_", None)
        self.history_: xr.Dataset = new if old is None else xr.concat([old, new], dim="trial")

    def _settings(self) -> dict[str, Any]:
        """Check the parameters and turn them into what the kernels take."""
        where = "NodePerturbation"

        def real(name: str, **bounds: Any) -> float:
            return check_real(getattr(self, name), where=where, name=name, **bounds)

        def positive(name: str, unit: str) -> float:
            value = to_si(getattr(self, name), unit, where=where, name=name)
            return check_real(value, where=where, name=name, low=0.0, low_open=unit == "s")

        n = check_int(self.n_neurons, where=where, name="n_neurons", high=10_000)
        rng.check_seed(self.seed)
        check_choice(self.units, ("rate", "spiking"), where=where, name="units")
        check_choice(self.eligibility, ("cubed", "kick"), where=where, name="eligibility")
        check_int(self.output, where=where, name="output", low=0, high=n - 1)
        dt, tau, chance = positive("dt", "s"), positive("tau", "s"), positive("kick_rate", "Hz")
        if dt > tau:
            raise SpecError.of(where=where, name="dt", value=self.dt, bound="must be at most tau")
        if chance * dt > 1:
            bound = "must be at most one kick a step"
            raise SpecError.of(where=where, name="kick_rate", value=self.kick_rate, bound=bound)
        fixed = dict(self.fixed)
        units = [check_int(unit, where=where, name="fixed", low=0, high=n - 1) for unit in fixed]
        return {
            "dt": dt,
            "leak": dt / tau,
            "kick_chance": chance * dt,
            "kick": real("kick", low=0.0),
            "cubed": self.eligibility == "cubed",
            "keep": real("keep", low=0.0, high=1.0, high_open=True),
            "gain": real("gain", low=0.0),
            "rate": real("learning_rate", low=0.0),
            "limit": real("max_change", low=0.0, low_open=True),
            "warm_up": check_int(self.warm_up, where=where, name="warm_up", low=0),
            "fixed": np.array(units, dtype=np.int64),
            "fixed_value": np.array(
                [check_real(v, where=where, name="fixed") for v in fixed.values()], float
            ),
            "cell": _cell(dt),
        }


def _cell(dt: float) -> Floats:
    """Numbers of the LIF cells; gain and rate at rest from the closed form of the rate of a driven cell.

    ``f(b) = 1/(t_ref + dt/2 + tau_m ln(b/(b - 1)))``: a spike is found half a step late on average. The gain
    makes the slope of r against x equal to 1 at 0, that of tanh.
    """
    refractory = round(T_REF / dt)
    rest = 1.0 / (refractory * dt + dt / 2 + TAU_M * math.log(DRIVE / (DRIVE - 1.0)))
    slope = rest * TAU_M / (DRIVE * (DRIVE - 1.0))
    fade = math.exp(-dt / TAU_SYN)
    return np.array([math.exp(-dt / TAU_M), DRIVE, 1.0 / slope, refractory, fade, (1.0 - fade) / (rest * dt)])


def _features(inputs: Floats, baseline: Baseline) -> Floats:
    """Features of each stimulus: its own indicator, or for a critic 1 and the mean input of each channel."""
    if isinstance(baseline, Critic):
        return np.column_stack([np.ones(inputs.shape[0]), inputs.mean(axis=1)])
    return np.eye(inputs.shape[0])


def _stimuli(X: Any) -> Floats:
    shape = (None, None, None)
    try:
        inputs = np.array(check_array(X, where="NodePerturbation", name="X", shape=shape))
    except SpecError as error:
        raise FitError(*error.args) from error
    if 0 in inputs.shape[:2]:
        bound = "must hold at least one stimulus of one step"
        raise FitError.of(where="NodePerturbation", name="X", value=f"shape {inputs.shape}", bound=bound)
    return inputs


def _trials(X: Any, y: Any, stimulus: Any, answer: slice | None) -> tuple[Floats, Floats, Array, slice]:
    """Check what a fit gets."""
    where, inputs = "NodePerturbation", _stimuli(X)
    n_stimuli, n_steps = inputs.shape[:2]
    try:
        target = np.array(check_array(y, where=where, name="y", shape=(n_stimuli, n_steps)))
        order = np.arange(n_stimuli) if stimulus is None else stimulus
        order = np.array(check_array(order, where=where, name="stimulus", shape=(None,), dtype=int))
    except SpecError as error:
        raise FitError(*error.args) from error
    if order.size == 0 or order.min() < 0 or order.max() >= n_stimuli:
        wrong = order[(order < 0) | (order >= n_stimuli)]
        value = wrong[0] if order.size else "no trials"
        bound = f"must be indices of the {n_stimuli} stimuli"
        raise FitError.of(where=where, name="stimulus", value=value, bound=bound)
    window = slice(None) if answer is None else answer
    if not isinstance(window, slice) or not np.arange(n_steps)[window].size:
        bound = f"must be a slice of the {n_steps} steps that is not empty"
        raise FitError.of(where=where, name="answer", value=answer, bound=bound)
    return inputs, target, order, window
