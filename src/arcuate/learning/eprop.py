"""E-prop: networks of LIF and ALIF neurons that learn from eligibility traces and a learning signal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate import rng
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import FitError, NonFiniteError, SpecError, check_array, check_int, unknown
from arcuate.learning import _descent, _export
from arcuate.learning._data import as_inputs, as_targets, check_threads
from arcuate.learning._settings import Settings, connectivity
from arcuate.readout._base import Estimator

if TYPE_CHECKING:
    import xarray as xr

    from arcuate.learning._trials import Activity, Weights
    from arcuate.recording import Recording
    from arcuate.spec import Network

__all__ = ["EProp"]

Array = NDArray[Any]

_TRAINED = ("w_in", "w_rec", "w_out")
_HISTORY = ("loss", "rate_loss", "rate", "error")


class EProp(Estimator):
    """Recurrent network of LIF and ALIF neurons trained by e-prop.

    In each step of `dt`, with input x, spikes z and outputs y::

        v = alpha v + W_in x(t) + W_rec z(t-1) - v_thresh z(t-1)        a = rho a + z(t-1)
        z = 1 where v > A = v_thresh + beta a, and not refractory       y = kappa y + (1 - kappa) W_out z

    After each batch of trials every weight follows minus the sum over steps of learning signal times
    eligibility trace (see the page on e-prop among the concepts). There are no autapses.

    Parameters
    ----------
    n_inputs, n_neurons, n_outputs : int
        Sizes. A classifier has one output for each class.
    task : {"regression", "classification"}
        Squared error, half the sum over steps; or cross-entropy of the softmax, the mean over steps. Both are
        means over trials.
    window : quantity or None
        The loss counts this last part of each trial only; None counts all of it.
    dt : quantity
        Step.
    tau_m, tau_a, tau_out : quantity
        Time constants of potential, adaptation and output.
    v_thresh : float
        Threshold, in the unit of the weights.
    beta : float or array_like, (n_neurons,)
        Rise of the threshold per spike; 0 makes a neuron LIF.
    t_ref : quantity
        Refractory period: the least time from a spike to the next.
    scale_input : bool
        Multiply the currents by ``1 - alpha``, as the authors' code for LIF networks does.
    dampening : float
        Height gamma of the surrogate derivative.
    feedback : {"symmetric", "random", "adaptive"}
        Weights that carry the errors back: the output weights; fixed random ones; or random ones that
        take the same steps as the output weights, both decaying.
    feedback_scale : float or None
        Standard deviation of random feedback; None is ``1/sqrt(n_neurons)``.
    feedback_decay : float
        Share of output and feedback weights lost after each iteration of adaptive feedback.
    c_reg : float
        Coefficient of the firing rates' penalty, half the squared distance from the target in spikes per ms.
    rate_target : quantity
        Firing rate that the penalty draws each neuron to.
    connectivity, input_connectivity : float or array_like of bool
        Probability of each recurrent and input synapse, or a table (after, before). Others stay absent.
    initial : mapping of str to array_like, or None
        Weights to start from, among "w_in", "w_rec", "w_out" and "feedback", in the shapes of the
        attributes. Others are normal with standard deviation one over the root of their mean number per
        neuron or output.
    optimizer : {"adam", "sgd"}
        How a gradient becomes a step.
    learning_rate : float
        Size of the step.
    n_iterations : int
        Steps that `fit` makes.
    batch_size : int or None
        Trials for one step of `fit`; None takes all.
    seed : int
        Seed of weights, synapses and the order of trials.

    Attributes
    ----------
    w_in_ : ndarray, (n_neurons, n_inputs)
    w_rec_ : ndarray, (n_neurons, n_neurons)
    w_out_ : ndarray, (n_outputs, n_neurons)
    feedback_ : ndarray, (n_neurons, n_outputs)
    n_iterations_ : int
        Steps made.
    history_ : xarray.Dataset
        For each iteration, before its step: ``loss``, ``rate_loss``, ``rate`` (Hz, mean over neurons) and
        ``error`` (share of trials classified wrongly; NaN for regression).

    Notes
    -----
    Trials start from rest. A batch needs about 8 bytes for each trial, step and neuron.

    References
    ----------
    Bellec et al. 2020, Nat. Commun. 11:3625, doi:10.1038/s41467-020-17236-y; defaults are those of the
    authors' published code for evidence accumulation, unless a parameter says otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.learning import EProp
    >>> inputs = np.random.default_rng(0).random((1, 200, 20)) < 0.05
    >>> target = np.sin(np.arange(200) / 20)[None]
    >>> model = EProp(n_inputs=20, n_neurons=30, n_outputs=1, learning_rate=0.01, n_iterations=40)
    >>> loss = model.fit(inputs, target).history_["loss"]
    >>> bool(loss[-1] < 0.5 * loss[0])
    True
    """

    w_in_: Array
    w_rec_: Array
    w_out_: Array
    feedback_: Array
    n_iterations_: int
    _masks: dict[str, Array]
    _moments: dict[str, Array]
    _rows: list[tuple[float, ...]]

    def __init__(
        self,
        *,
        n_inputs: int,
        n_neurons: int,
        n_outputs: int,
        task: str = "regression",
        window: Any = None,
        dt: Any = "1 ms",
        tau_m: Any = "20 ms",
        tau_a: Any = "2000 ms",
        tau_out: Any = "20 ms",
        v_thresh: float = 0.6,
        beta: Any = 0.0,
        t_ref: Any = "5 ms",
        scale_input: bool = False,
        dampening: float = 0.3,
        feedback: str = "symmetric",
        feedback_scale: float | None = None,
        feedback_decay: float = 0.0,
        c_reg: float = 0.0,
        rate_target: Any = "10 Hz",
        connectivity: Any = 1.0,
        input_connectivity: Any = 1.0,
        initial: Mapping[str, Any] | None = None,
        optimizer: str = "adam",
        learning_rate: float = 0.005,
        n_iterations: int = 100,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        self.n_inputs = n_inputs
        self.n_neurons = n_neurons
        self.n_outputs = n_outputs
        self.task = task
        self.window = window
        self.dt = dt
        self.tau_m = tau_m
        self.tau_a = tau_a
        self.tau_out = tau_out
        self.v_thresh = v_thresh
        self.beta = beta
        self.t_ref = t_ref
        self.scale_input = scale_input
        self.dampening = dampening
        self.feedback = feedback
        self.feedback_scale = feedback_scale
        self.feedback_decay = feedback_decay
        self.c_reg = c_reg
        self.rate_target = rate_target
        self.connectivity = connectivity
        self.input_connectivity = input_connectivity
        self.initial = initial
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.n_iterations = n_iterations
        self.batch_size = batch_size
        self.seed = seed

    def fit(
        self,
        inputs: ArrayLike,
        targets: ArrayLike,
        *,
        threads: int | None = None,
        progress: ProgressOption = None,
    ) -> Self:
        """Learn from the beginning, `n_iterations` steps.

        Parameters
        ----------
        inputs : array_like, (n_trials, n_steps, n_inputs)
            Spikes, 0 or 1, or any values; two axes are one trial.
        targets : array_like, (n_trials, n_steps, n_outputs) or (n_trials,) of int
            Wanted outputs; one output may go without its axis. Or the class of each trial.
        threads : int or None
            Threads for the trials of a batch; None takes the processor's. Results do not depend on it.
        progress : bool, callable or None
            A bar after two seconds on a terminal; True always; or a function of (done, total).

        Returns
        -------
        EProp
            The estimator itself.

        Raises
        ------
        SpecError
            If a parameter is out of bounds.
        FitError
            If inputs and targets do not fit.
        NonFiniteError
            If a number is not finite; the message names iteration, trial, step and neuron.
        """
        check_progress(progress, where="EProp.fit", unit="iterations")
        settings = self._start(Settings.of(self))
        x, y = self._data(inputs, targets, settings)
        threads = check_threads(threads, where="EProp.fit")
        with progress_bar(progress, settings.n_iterations, title="EProp", unit="iteration") as report:
            for iteration in range(settings.n_iterations):
                chosen = _batch(len(x), iteration, settings.batch_size, seed=self.seed)
                self._step(x[chosen], y[chosen], settings, threads=threads)
                if report is not None:
                    report(1)
        return self

    def partial_fit(self, inputs: ArrayLike, targets: ArrayLike, *, threads: int | None = None) -> Self:
        """Make one step from these trials; the first call draws the weights.

        Parameters
        ----------
        inputs : array_like, (n_trials, n_steps, n_inputs)
            As in `fit`.
        targets : array_like
            As in `fit`.
        threads : int or None
            As in `fit`.

        Returns
        -------
        EProp
            The estimator itself.

        Raises
        ------
        SpecError, FitError, NonFiniteError
            As in `fit`.
        """
        settings = Settings.of(self)
        x, y = self._data(inputs, targets, settings)
        threads = check_threads(threads, where="EProp.partial_fit")
        if not self.__sklearn_is_fitted__():
            self._start(settings)
        self._step(x, y, settings, threads=threads)
        return self

    def predict(self, inputs: ArrayLike, *, threads: int | None = None) -> Array:
        """Outputs, or classes.

        Parameters
        ----------
        inputs : array_like, (n_trials, n_steps, n_inputs)
            As in `fit`.
        threads : int or None
            As in `fit`.

        Returns
        -------
        ndarray, (n_trials, n_steps, n_outputs) or (n_trials,) of int
            The class is that of the largest output, averaged over the window.

        Raises
        ------
        FitError
            If the estimator is not fitted or the inputs do not fit.
        """
        settings = self._ready()
        output = self._run(as_inputs(inputs, settings.n_inputs, where="EProp"), settings, threads).output
        if settings.task == "regression":
            return output
        return np.asarray(np.argmax(_descent.decision(output, settings), axis=1))

    def score(self, inputs: ArrayLike, targets: ArrayLike) -> float:
        """Share of trials classified rightly; for regression the coefficient of determination.

        Parameters
        ----------
        inputs, targets : array_like
            As in `fit`.

        Returns
        -------
        float

        Raises
        ------
        FitError
            If the estimator is not fitted, the data do not fit or a target is constant.
        """
        settings = self._ready()
        x, y = self._data(inputs, targets, settings)
        found = self.predict(x)
        if settings.task == "classification":
            return float(np.mean(found == y))
        width = y.shape[1] if settings.window is None else settings.window
        wanted, found = (part[:, -width:].reshape(-1, settings.n_outputs) for part in (y, found))
        spread = np.sum((wanted - wanted.mean(axis=0)) ** 2, axis=0)
        if not np.all(spread > 0):
            raise FitError.of(where="EProp", name="targets", value="a constant", bound="has no R^2")
        return float(np.mean(1.0 - np.sum((wanted - found) ** 2, axis=0) / spread))

    def gradient(
        self, inputs: ArrayLike, targets: ArrayLike, *, threads: int | None = None
    ) -> dict[str, Array]:
        """E-prop's gradient of loss and penalty at the present weights; nothing is changed.

        Parameters
        ----------
        inputs, targets : array_like
            As in `fit`.
        threads : int or None
            As in `fit`.

        Returns
        -------
        dict of str to ndarray
            "w_in", "w_rec" and "w_out", in the shapes of the attributes.

        Raises
        ------
        FitError, NonFiniteError
            As in `fit`.
        """
        settings = self._ready()
        x, y = self._data(inputs, targets, settings)
        return self._differentiate(x, y, settings, check_threads(threads, where="EProp.gradient"))[0]

    def states(
        self, inputs: ArrayLike, *, targets: ArrayLike | None = None, synapses: ArrayLike | None = None
    ) -> Recording:
        """Record what the network does: spikes, potentials, outputs and eligibility traces.

        Parameters
        ----------
        inputs : array_like, (n_trials, n_steps, n_inputs)
            As in `fit`.
        targets : array_like, optional
            As in `fit`; adds the learning signal.
        synapses : array_like of int, (n, 2), optional
            Pairs (neuron before, neuron after) of the recurrent network, for their traces.

        Returns
        -------
        Recording
            Spikes of "inputs" and "neurons"; states "eprop/neurons" (``v``, ``threshold``, ``psi``,
            ``learning_signal``), "eprop/output" (``y``) and "eprop/synapses" (``eps_v``, ``eps_a``,
            ``eligibility``, ``filtered``; `synapses` in their order).

        Raises
        ------
        FitError, SpecError
            If the estimator is not fitted or an argument does not fit.
        """
        settings = self._ready()
        x = as_inputs(inputs, settings.n_inputs, where="EProp")
        error = None
        activity = self._run(x, settings, None, states=True)
        if targets is not None:
            error = _descent.loss_and_error(activity.output, self._data(x, targets, settings)[1], settings)[1]
        pairs = None if synapses is None else _pairs(synapses, settings.n_neurons)
        signal = None if error is None else error @ self.feedback_.T
        return _export.recording(x, activity, settings, signal=signal, pairs=pairs, seed=self.seed)

    def network(self) -> Network:
        """Trained network as a specification, for every engine.

        Population "neurons" of `alif` cells, input "inputs", read-out "output". A spike of an input reaches
        the cells in the following step, so each spike and output comes one step after that of `states`,
        and a run takes one step more than the trial. An input counts as a spike wherever it is not 0.

        Returns
        -------
        Network

        Raises
        ------
        FitError
            If the estimator is not fitted.

        Examples
        --------
        >>> inputs = np.random.default_rng(0).random((1, 50, 20)) < 0.2
        >>> model = EProp(n_inputs=20, n_neurons=30, n_outputs=1, n_iterations=2)
        >>> network = model.fit(inputs, np.ones((1, 50))).network()
        >>> network.populations["neurons"].n, network.inputs["inputs"].n_channels
        (30, 20)
        """
        return _export.network(self, self._ready())

    @property
    def history_(self) -> xr.Dataset:
        """Losses, rates and errors, one for each iteration."""
        import xarray as xr

        self._fitted()
        table = np.array(self._rows, dtype=np.float64).reshape(-1, len(_HISTORY))
        columns = {name: ("iteration", table[:, k]) for k, name in enumerate(_HISTORY)}
        return xr.Dataset(columns, coords={"iteration": np.arange(len(table))})

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "w_out_")

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what this is; called by scikit-learn only."""
        from arcuate._optional import require

        tags = super().__sklearn_tags__()
        if self.task == "classification":
            utils = require("sklearn.utils", extra="sklearn", purpose="scikit-learn's tags")
            tags.estimator_type, tags.classifier_tags = "classifier", utils.ClassifierTags()
        return tags

    def _fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise FitError.of(
                where="EProp", bound="is not fitted yet", fix="call fit or partial_fit(inputs, targets) first"
            )

    def _ready(self) -> Settings:
        """Settings of a network that has weights of their sizes."""
        self._fitted()
        settings = Settings.of(self)
        shape = (settings.n_neurons, settings.n_inputs, settings.n_outputs)
        own = (*self.w_in_.shape, self.w_out_.shape[0])
        if own != shape:
            raise FitError.of(
                where="EProp",
                name="n_neurons, n_inputs, n_outputs",
                value=shape,
                bound=f"must be {own}, the sizes of the fit",
                fix="call fit to start anew",
            )
        return settings

    def _data(self, inputs: ArrayLike, targets: ArrayLike, settings: Settings) -> tuple[Array, Array]:
        x = as_inputs(inputs, settings.n_inputs, where="EProp")
        return x, as_targets(targets, x.shape, settings, where="EProp")

    def _start(self, settings: Settings) -> Settings:
        """Draw synapses and weights; forget what was learned."""
        seed = rng.check_seed(self.seed) if self.seed is not None else None
        if seed is None:
            raise SpecError.of(where="EProp", name="seed", value=None, bound="must be an integer")
        n, m, k = settings.n_neurons, settings.n_inputs, settings.n_outputs
        shapes = {"w_in": (n, m), "w_rec": (n, n), "w_out": (k, n), "feedback": (n, k)}
        given = {} if self.initial is None else dict(self.initial)
        for name in given:
            if name not in shapes:
                raise unknown("EProp", name, shapes, kind="initial weight")
        masks = {}
        for name, option in (("w_in", "input_connectivity"), ("w_rec", "connectivity")):
            draw = rng.stream(seed, f"eprop/{option}").random(shapes[name])
            masks[name] = connectivity(getattr(self, option), shapes[name], draw, where="EProp", name=option)
        masks["w_rec"] = masks["w_rec"] & ~np.eye(n, dtype=bool)
        for name, shape in shapes.items():
            if name in given:
                values = check_array(given[name], where="EProp", name=f"initial[{name!r}]", shape=shape)
            else:
                values = rng.stream(seed, f"eprop/{name}").standard_normal(shape)
                values = values * self._spread(name, masks, settings)
            if name in masks:
                values = np.where(masks[name], values, 0.0)
            setattr(self, f"{name}_", np.array(values.T, order="C").T)
        if settings.feedback == "symmetric":
            self.feedback_ = self.w_out_.T
        self._masks = masks
        self._moments = {name: np.zeros((2, *shapes[name])) for name in _TRAINED}
        self._rows, self.n_iterations_, self.n_features_in_ = [], 0, m
        return settings

    def _spread(self, name: str, masks: Mapping[str, Array], settings: Settings) -> float:
        """Standard deviation of the first weights: one over the root of the mean in-degree."""
        if name == "feedback":
            return settings.feedback_scale
        if name == "w_out":
            return 1 / math.sqrt(settings.n_neurons)
        return 1 / math.sqrt(max(masks[name].sum() / settings.n_neurons, 1.0))

    def _weights(self) -> Weights:
        from arcuate.learning._trials import Weights

        arrays = {name: getattr(self, f"{name}_") for name in (*_TRAINED, "feedback")}
        return Weights(**{name: np.ascontiguousarray(value.T) for name, value in arrays.items()})

    def _run(self, x: Array, settings: Settings, threads: int | None, *, states: bool = False) -> Activity:
        from arcuate.learning._trials import run_trials

        count = check_threads(threads, where="EProp")
        activity = run_trials(x, self._weights(), settings, threads=count, states=states)
        self._check(activity, x, settings)
        return activity

    def _differentiate(
        self, x: Array, y: Array, settings: Settings, threads: int
    ) -> tuple[dict[str, Array], tuple[float, ...]]:
        """Gradients, and a row of the history."""
        from arcuate.learning._trials import gradients

        activity = self._run(x, settings, threads)
        loss, error = _descent.loss_and_error(activity.output, y, settings)
        penalty, coefficient = _descent.rate_penalty(activity.counts, x.shape[1], settings)
        found = gradients(
            activity, self._weights(), settings, error=error, regularizer=coefficient, threads=threads
        )
        found = {name: value.T for name, value in found.items()}
        for name, mask in self._masks.items():
            found[name] = np.where(mask, found[name], 0.0)
        wrong = math.nan
        if settings.task == "classification":
            wrong = float(np.mean(np.argmax(_descent.decision(activity.output, settings), axis=1) != y))
        rate = float(activity.counts.mean()) / (x.shape[1] * settings.dt)
        return found, (loss, penalty, rate, wrong)

    def _step(self, x: Array, y: Array, settings: Settings, *, threads: int) -> None:
        """One iteration: gradient, step, adaptive feedback."""
        found, row = self._differentiate(x, y, settings, threads)
        count = self.n_iterations_ + 1
        for name, gradient in found.items():
            with np.errstate(over="ignore", invalid="ignore"):
                direction = gradient
                if settings.optimizer == "adam":
                    direction = _descent.adam_step(gradient, self._moments[name], count)
                weights = getattr(self, f"{name}_") - settings.learning_rate * direction
            if not np.isfinite(weights).all():
                raise self._diverged(f"weight {name}_", weights, "synapse (after, before)")
            if name == "w_out" and settings.feedback == "adaptive":
                change = weights - self.w_out_
                self.feedback_ = (1 - settings.feedback_decay) * (self.feedback_ + change.T)
                weights = (1 - settings.feedback_decay) * weights
            setattr(self, f"{name}_", weights)
        if settings.feedback == "symmetric":
            self.feedback_ = self.w_out_.T
        self._rows.append(row)
        self.n_iterations_ = count

    def _check(self, activity: Activity, x: Array, settings: Settings) -> None:
        """Refuse potentials and outputs that are not finite, and say where they began."""
        from arcuate.learning._trials import run_trials

        last = np.concatenate([activity.final, activity.output[:, -1]], axis=1)
        if np.isfinite(last).all():
            return
        trial = int(np.argwhere(~np.isfinite(last))[0, 0])
        again = run_trials(x[trial : trial + 1], self._weights(), settings, states=True)
        v = np.concatenate([again.potential[0], again.output[0]], axis=1)
        step, unit = (int(value) for value in np.argwhere(~np.isfinite(v))[0])
        n = settings.n_neurons
        place = f"neuron {unit}" if unit < n else f"output {unit - n}"
        raise NonFiniteError.of(
            where=f"EProp, iteration {self.n_iterations_}",
            name="v" if unit < n else "y",
            value=float(v[step, unit]),
            bound=f"must be finite; first in trial {trial}, step {step}, {place}",
            fix="lower learning_rate or the weights",
        )

    def _diverged(self, name: str, values: Array, what: str) -> NonFiniteError:
        index = tuple(int(k) for k in np.argwhere(~np.isfinite(values))[0])
        return NonFiniteError.of(
            where=f"EProp, iteration {self.n_iterations_}",
            name=name,
            value=float(values[index]),
            bound=f"must stay finite; first at {what} {index}",
            fix="lower learning_rate",
        )


def _batch(n_trials: int, iteration: int, size: int | None, *, seed: int) -> Array:
    """Trials of an iteration: each once in an epoch, in an order drawn for it."""
    if size is None or size >= n_trials:
        return np.arange(n_trials)
    per_epoch = n_trials // size
    epoch, number = divmod(iteration, per_epoch)
    order = rng.stream(seed, f"eprop/order/{epoch}").permutation(n_trials)
    return np.asarray(order[number * size : (number + 1) * size])


def _pairs(synapses: ArrayLike, n_neurons: int) -> Array:
    pairs = check_array(synapses, where="EProp.states", name="synapses", shape=(None, 2), dtype=int)
    for value in (int(pairs.min(initial=0)), int(pairs.max(initial=0))):
        check_int(value, where="EProp.states", name="synapses", low=0, high=n_neurons - 1)
    return pairs
