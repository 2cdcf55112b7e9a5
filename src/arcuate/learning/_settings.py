"""The parameters of an e-prop network, checked and in the numbers that the kernels take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate.errors import SpecError, check_array, check_choice, check_int, check_real
from arcuate.units import to_si

__all__ = ["FEEDBACKS", "OPTIMIZERS", "TASKS", "Settings", "connectivity"]

Array = NDArray[Any]

FEEDBACKS = ("symmetric", "random", "adaptive")
OPTIMIZERS = ("adam", "sgd")
TASKS = ("regression", "classification")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a trainer's parameters come to; times in steps or as decays per step."""

    n_inputs: int
    n_neurons: int
    n_outputs: int
    task: str
    dt: float
    alpha: float
    rho: float
    kappa: float
    beta: Array
    gain: float
    v_thresh: float
    n_ref: int
    dampening: float
    window: int | None
    feedback: str
    feedback_scale: float
    feedback_decay: float
    c_reg: float
    rate_target: float
    optimizer: str
    learning_rate: float
    n_iterations: int
    batch_size: int | None

    @classmethod
    def of(cls, model: Any) -> Settings:
        """Check the parameters of an estimator.

        Parameters
        ----------
        model : EProp
            The estimator.

        Returns
        -------
        Settings

        Raises
        ------
        SpecError
            Naming the first parameter that is out of bounds.
        """
        where = type(model).__name__

        def count(name: str, low: int = 1) -> int:
            return check_int(getattr(model, name), where=where, name=name, low=low)

        def real(name: str, **bounds: Any) -> float:
            return check_real(getattr(model, name), where=where, name=name, **bounds)

        def time(name: str, low_open: bool = True) -> float:
            value = to_si(getattr(model, name), "s", where=where, name=name, low=0.0, low_open=low_open)
            return float(value)

        task = check_choice(model.task, TASKS, where=where, name="task")
        n_neurons, dt = count("n_neurons"), time("dt")
        n_outputs = count("n_outputs", 2 if task == "classification" else 1)
        alpha = math.exp(-dt / time("tau_m"))
        scaled = _flag(model.scale_input, where=where, name="scale_input")
        window = None if model.window is None else round(time("window") / dt)
        if window == 0:
            raise SpecError.of(
                where=where, name="window", value=model.window, bound=f"must be >= dt = {dt} s"
            )
        scale = model.feedback_scale
        return cls(
            n_inputs=count("n_inputs"),
            n_neurons=n_neurons,
            n_outputs=n_outputs,
            task=task,
            dt=dt,
            alpha=alpha,
            rho=math.exp(-dt / time("tau_a")),
            kappa=math.exp(-dt / time("tau_out")),
            beta=_beta(model.beta, n_neurons, where=where),
            gain=1.0 - alpha if scaled else 1.0,
            v_thresh=real("v_thresh", low=0.0, low_open=True),
            n_ref=math.floor(time("t_ref", low_open=False) / dt + 0.5),
            dampening=real("dampening", low=0.0),
            window=window,
            feedback=check_choice(model.feedback, FEEDBACKS, where=where, name="feedback"),
            feedback_scale=1 / math.sqrt(n_neurons) if scale is None else real("feedback_scale", low=0.0),
            feedback_decay=real("feedback_decay", low=0.0, high=1.0),
            c_reg=real("c_reg", low=0.0),
            rate_target=1e-3 * to_si(model.rate_target, "Hz", where=where, name="rate_target", low=0.0),
            optimizer=check_choice(model.optimizer, OPTIMIZERS, where=where, name="optimizer"),
            learning_rate=real("learning_rate", low=0.0),
            n_iterations=count("n_iterations", 0),
            batch_size=None if model.batch_size is None else count("batch_size"),
        )


def _flag(value: Any, *, where: str, name: str) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise SpecError.of(where=where, name=name, value=value, bound="must be True or False")
    return bool(value)


def _beta(value: Any, n_neurons: int, *, where: str) -> Array:
    """Adaptation of each neuron, from one number or one for each."""
    if np.ndim(value) == 0:
        return np.full(n_neurons, check_real(value, where=where, name="beta", low=0.0))
    beta = check_array(value, where=where, name="beta", shape=(n_neurons,))
    if np.any(beta < 0):
        raise SpecError.of(where=where, name="beta", value=float(beta.min()), bound="must be >= 0")
    return beta


def connectivity(value: Any, shape: tuple[int, int], draw: Array, *, where: str, name: str) -> Array:
    """Which synapses there are, from a probability or a table of them.

    Parameters
    ----------
    value : float or array_like of bool
        Probability in (0, 1], or the table itself, (after, before).
    shape : tuple of int
        (after, before).
    draw : ndarray of that shape
        Uniform numbers in [0, 1).
    where, name : str
        For the message.

    Returns
    -------
    ndarray of bool, (after, before)

    Raises
    ------
    SpecError
        If it is neither.
    """
    if np.ndim(value) == 0:
        return draw < check_real(value, where=where, name=name, low=0.0, low_open=True, high=1.0)
    return check_array(value, where=where, name=name, shape=shape, dtype=bool)
