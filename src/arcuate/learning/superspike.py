"""SuperSpike: layers of LIF neurons that learn to spike at given times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate import rng
from arcuate._inputs import as_states
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import FitError, NonFiniteError, SpecError, check_choice, check_int, check_real
from arcuate.learning._data import as_inputs
from arcuate.learning._descent import adam_step
from arcuate.readout._base import Estimator
from arcuate.units import to_si

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SuperSpike"]

Array = NDArray[Any]

FEEDBACKS = ("symmetric", "random", "uniform")


class SuperSpike(Estimator):
    """Output neurons, with or without a hidden layer, trained by SuperSpike to fire given spike trains.

    In each step of `dt` a layer follows its synaptic currents I, potentials u and spikes z::

        I = syn I + W x(t)       u = mem u + (1 - mem) I - v_thresh z(t-1)       z = 1 where u > v_thresh

    A spike train is smoothed by alpha, the double exponential of `tau_rise` and `tau_decay`. The loss (van
    Rossum) is half the sum over steps of the squared errors ``e = alpha * (target - z)``, mean over trials.
    Each weight grows by the sum over steps of an error signal times its eligibility
    ``alpha * (sigma'(u) (epsilon * x))`` with ``sigma'(u) = (1 + beta |u - v_thresh|)^-2`` and epsilon the
    response of u to a spike. The error signal of an output is e; that of a hidden neuron is ``B e``.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs : int
        Sizes; `n_hidden` = 0 connects the inputs to the outputs.
    dt : quantity
        Step.
    tau_m, tau_syn : quantity
        Time constants of potential and synapse.
    tau_rise, tau_decay : quantity
        Time constants of alpha.
    v_thresh : float
        Threshold above rest, in the unit of the weights; chosen: the unit itself.
    t_ref : quantity
        Refractory period: the least time from a spike to the next.
    beta : float
        Steepness of the surrogate derivative, per unit of u: the paper's 1/mV at 10 mV from rest to
        threshold.
    feedback : {"symmetric", "random", "uniform"}
        B: the output weights transposed; normal numbers, drawn once; or ones.
    learning_rate : float
        Size of a step of Adam; chosen: that of `EProp`. The paper has a rate for each weight as well.
    n_iterations : int
        Steps that `fit` makes, each from all trials.
    seed : int
        Seed of weights and feedback.

    Attributes
    ----------
    w_hidden_ : ndarray, (n_hidden, n_inputs)
    w_out_ : ndarray, (n_outputs, n_hidden or n_inputs)
    feedback_ : ndarray, (n_hidden, n_outputs)
    n_iterations_ : int
        Steps made.
    history_ : xarray.Dataset
        For each iteration, before its step: ``loss`` and ``rate`` (Hz, mean over outputs).

    Notes
    -----
    Weights start normal with standard deviation one over the root of the neurons before. The sum for the
    outputs is the gradient of the loss when the reset is no function of the weights; that for the hidden
    layer is not a gradient: it leaves out what lies between the hidden spikes and the error.

    References
    ----------
    Zenke and Ganguli 2018, Neural Comput. 30:1514, doi:10.1162/neco_a_01086; time constants are theirs.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.learning import SuperSpike
    >>> inputs = np.random.default_rng(0).random((1, 200, 50)) < 0.01
    >>> target = np.zeros((1, 200, 1))
    >>> target[0, [60, 150]] = 1
    >>> model = SuperSpike(n_inputs=50, n_outputs=1, dt="1 ms", learning_rate=0.02).fit(inputs, target)
    >>> bool(model.history_["loss"][-1] < 0.5 * model.history_["loss"][0])
    True
    """

    w_hidden_: Array
    w_out_: Array
    feedback_: Array
    n_iterations_: int
    _moments: dict[str, Array]
    _rows: list[tuple[float, float]]

    def __init__(
        self,
        *,
        n_inputs: int,
        n_outputs: int,
        n_hidden: int = 0,
        dt: Any = "0.1 ms",
        tau_m: Any = "10 ms",
        tau_syn: Any = "5 ms",
        tau_rise: Any = "5 ms",
        tau_decay: Any = "10 ms",
        v_thresh: float = 1.0,
        t_ref: Any = "5 ms",
        beta: float = 10.0,
        feedback: str = "symmetric",
        learning_rate: float = 0.005,
        n_iterations: int = 100,
        seed: int = 0,
    ) -> None:
        self.n_inputs = n_inputs
        self.n_outputs = n_outputs
        self.n_hidden = n_hidden
        self.dt = dt
        self.tau_m = tau_m
        self.tau_syn = tau_syn
        self.tau_rise = tau_rise
        self.tau_decay = tau_decay
        self.v_thresh = v_thresh
        self.t_ref = t_ref
        self.beta = beta
        self.feedback = feedback
        self.learning_rate = learning_rate
        self.n_iterations = n_iterations
        self.seed = seed

    def fit(self, inputs: ArrayLike, targets: ArrayLike, *, progress: ProgressOption = None) -> Self:
        """Learn from the beginning, `n_iterations` steps.

        Parameters
        ----------
        inputs : array_like, (n_trials, n_steps, n_inputs)
            Spikes, 0 or 1, or any values; two axes are one trial.
        targets : array_like, (n_trials, n_steps, n_outputs)
            Wanted spikes, 0 or 1.
        progress : bool, callable or None
            A bar after two seconds on a terminal; True always; or a function of (done, total).

        Returns
        -------
        SuperSpike
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
        check_progress(progress, where="SuperSpike.fit", unit="iterations")
        values = self._values()
        x, y = self._data(inputs, targets)
        self._start()
        with progress_bar(progress, self.n_iterations, title="SuperSpike", unit="iteration") as report:
            for _ in range(self.n_iterations):
                found, row = self._differentiate(x, y, values)
                self._step(found, values["learning_rate"])
                self._rows.append(row)
                self.n_iterations_ += 1
                if report is not None:
                    report(1)
        return self

    def predict(self, inputs: ArrayLike) -> Array:
        """Spikes of the outputs.

        Parameters
        ----------
        inputs : array_like, (n_trials, n_steps, n_inputs)
            As in `fit`.

        Returns
        -------
        ndarray, (n_trials, n_steps, n_outputs)
            0 or 1.

        Raises
        ------
        FitError, NonFiniteError
            As in `fit`.
        """
        values = self._ready()
        x = as_inputs(inputs, self.n_inputs, where="SuperSpike")
        return np.array([self._run(trial, number, values)[-1][2] for number, trial in enumerate(x)])

    def score(self, inputs: ArrayLike, targets: ArrayLike) -> float:
        """One minus the loss over that of silence: 1 is every spike in its step, 0 as good as none.

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
            If the estimator is not fitted, the data do not fit or no spike is wanted.
        """
        values = self._ready()
        x, y = self._data(inputs, targets)
        if not y.any():
            raise FitError.of(where="SuperSpike", name="targets", value="no spikes", bound="has no score")
        z = self.predict(x)
        loss, silent = (sum(float(np.sum(_smooth(d, values) ** 2)) for d in part) for part in (y - z, y))
        return 1.0 - loss / silent

    def gradient(self, inputs: ArrayLike, targets: ArrayLike) -> dict[str, Array]:
        """Minus the direction in which SuperSpike moves the weights; nothing is changed.

        Parameters
        ----------
        inputs, targets : array_like
            As in `fit`.

        Returns
        -------
        dict of str to ndarray
            "w_out", and "w_hidden" where there is a hidden layer, in the shapes of the attributes.

        Raises
        ------
        FitError, NonFiniteError
            As in `fit`.
        """
        values = self._ready()
        return self._differentiate(*self._data(inputs, targets), values)[0]

    @property
    def history_(self) -> xr.Dataset:
        """Losses and rates, one for each iteration."""
        import xarray as xr

        self._ready()
        table = np.array(self._rows, dtype=np.float64).reshape(-1, 2)
        columns = {name: ("iteration", table[:, k]) for k, name in enumerate(("loss", "rate"))}
        return xr.Dataset(columns, coords={"iteration": np.arange(len(table))})

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "w_out_")

    def _values(self) -> dict[str, Any]:
        """Check the parameters; times become decays per step."""
        where = "SuperSpike"
        for name, low in (("n_inputs", 1), ("n_outputs", 1), ("n_hidden", 0), ("n_iterations", 0)):
            check_int(getattr(self, name), where=where, name=name, low=low)
        check_choice(self.feedback, FEEDBACKS, where=where, name="feedback")
        if self.seed is None:
            raise SpecError.of(where=where, name="seed", value=None, bound="must be an integer")
        rng.check_seed(self.seed)

        def time(name: str, low_open: bool = True) -> float:
            value = to_si(getattr(self, name), "s", where=where, name=name, low=0.0, low_open=low_open)
            return float(value)

        dt = time("dt")
        names = {"syn": "tau_syn", "mem": "tau_m", "rise": "tau_rise", "decay": "tau_decay"}
        values: dict[str, Any] = {key: math.exp(-dt / time(name)) for key, name in names.items()}
        for name, low_open in (("v_thresh", True), ("beta", False), ("learning_rate", False)):
            value = getattr(self, name)
            values[name] = check_real(value, where=where, name=name, low=0.0, low_open=low_open)
        return {**values, "dt": dt, "n_ref": math.floor(time("t_ref", low_open=False) / dt + 0.5)}

    def _shapes(self) -> dict[str, tuple[int, int]]:
        h, m, k = self.n_hidden, self.n_inputs, self.n_outputs
        return {"w_hidden": (h, m), "w_out": (k, h or m), "feedback": (h, k)}

    def _start(self) -> None:
        """Draw the weights; forget what was learned."""
        for name, shape in self._shapes().items():
            draw = rng.stream(self.seed, f"superspike/{name}").standard_normal(shape)
            setattr(self, f"{name}_", draw / math.sqrt(1 if name == "feedback" else shape[1]))
        if self.feedback == "uniform":
            self.feedback_ = np.ones_like(self.feedback_)
        if self.feedback == "symmetric":
            self.feedback_ = self.w_out_.T[: self.n_hidden]
        self._moments = {name: np.zeros((2, *shape)) for name, shape in self._shapes().items()}
        self._rows, self.n_iterations_, self.n_features_in_ = [], 0, self.n_inputs

    def _ready(self) -> dict[str, Any]:
        if not self.__sklearn_is_fitted__():
            raise FitError.of(
                where="SuperSpike", bound="is not fitted yet", fix="call fit(inputs, targets) first"
            )
        values, wanted = self._values(), self._shapes()
        for name in ("w_hidden", "w_out"):
            own = getattr(self, f"{name}_").shape
            if own != wanted[name]:
                raise FitError.of(
                    where="SuperSpike",
                    name=name,
                    value=wanted[name],
                    bound=f"must be {own}, the size of the fit",
                    fix="call fit to start anew",
                )
        return values

    def _data(self, inputs: ArrayLike, targets: ArrayLike) -> tuple[Array, Array]:
        x = as_inputs(inputs, self.n_inputs, where="SuperSpike")
        if isinstance(targets, np.ndarray) and targets.dtype == bool:
            targets = targets.view(np.uint8)
        y = as_states(targets, where="SuperSpike", name="targets", error=FitError)
        wanted = (*x.shape[:2], self.n_outputs)
        if y.shape != wanted or not np.isin(y, (0, 1)).all():
            found = f"shape {y.shape}" if y.shape != wanted else "other numbers"
            bound = f"must be 0 or 1 in the shape {wanted}"
            raise FitError.of(where="SuperSpike", name="targets", value=found, bound=bound)
        return x, y.astype(np.float64)

    def _run(self, x: Array, trial: int, values: dict[str, Any]) -> list[tuple[Array, Array, Array]]:
        """Input, potential and spikes of each layer."""
        from arcuate.learning._superspike_kernels import forward

        layers, drive = [], np.ascontiguousarray(x, dtype=np.float64)
        for name in ("w_hidden", "w_out") if self.n_hidden else ("w_out",):
            weights = np.ascontiguousarray(getattr(self, f"{name}_").T)
            u, z = (np.empty((len(x), weights.shape[1])) for _ in range(2))
            forward(drive, weights, *(values[key] for key in ("syn", "mem", "v_thresh", "n_ref")), u, z)
            if not np.isfinite(u[-1]).all():
                step, neuron = (int(k) for k in np.argwhere(~np.isfinite(u))[0])
                place = f"trial {trial}, step {step}, neuron {neuron} after {name}_"
                self._refuse("u", float(u[step, neuron]), place)
            layers.append((drive, u, z))
            drive = z
        return layers

    def _differentiate(
        self, x: Array, y: Array, values: dict[str, Any]
    ) -> tuple[dict[str, Array], tuple[float, float]]:
        """Minus the rule's sums, mean over trials, and a row of the history."""
        from arcuate.learning._superspike_kernels import backward

        names = ("w_hidden", "w_out") if self.n_hidden else ("w_out",)
        sums = {name: np.zeros(getattr(self, f"{name}_").shape[::-1]) for name in names}
        back = self.w_out_ if self.feedback == "symmetric" else self.feedback_.T
        keys = ("beta", "syn", "mem", "rise", "decay", "v_thresh")
        loss = spikes = 0.0
        for trial in range(len(x)):
            layers = self._run(x[trial], trial, values)
            error = _smooth(layers[-1][2] - y[trial], values)
            loss += 0.5 * float(np.sum(error**2))
            spikes += float(layers[-1][2].sum())
            for name, (drive, u, _) in zip(names, layers, strict=True):
                signal = error if name == "w_out" else error @ back
                backward(drive, u, signal, *(values[key] for key in keys), sums[name])
        found = {name: value.T / len(x) for name, value in sums.items()}
        return found, (loss / len(x), spikes / (y.size * values["dt"]))

    def _step(self, found: dict[str, Array], rate: float) -> None:
        for name, gradient in found.items():
            with np.errstate(over="ignore", invalid="ignore"):
                direction = adam_step(gradient, self._moments[name], self.n_iterations_ + 1)
                weights = getattr(self, f"{name}_") - rate * direction
            if not np.isfinite(weights).all():
                index = tuple(int(k) for k in np.argwhere(~np.isfinite(weights))[0])
                self._refuse(f"weight {name}_", float(weights[index]), f"synapse (after, before) {index}")
            setattr(self, f"{name}_", weights)
        if self.feedback == "symmetric":
            self.feedback_ = self.w_out_.T[: self.n_hidden]

    def _refuse(self, name: str, value: float, place: str) -> None:
        raise NonFiniteError.of(
            where=f"SuperSpike, iteration {self.n_iterations_}",
            name=name,
            value=value,
            bound=f"must be finite; first at {place}",
            fix="lower learning_rate or the inputs",
        )


def _smooth(trains: Array, values: dict[str, Any]) -> Array:
    """Spike trains of one trial through alpha."""
    from arcuate.learning._superspike_kernels import smooth

    out = np.empty_like(trains)
    smooth(trains, values["rise"], values["decay"], out)
    return out
