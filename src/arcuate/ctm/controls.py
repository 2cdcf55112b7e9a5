"""Controls of thinking: ticks without an input, and ticks with another trial's.

If further ticks help because the machine goes on looking, they must stop helping when there is nothing to
look at; if its answer follows what it looks at, it must follow an input that is changed on the way. Each
control changes the input after one tick and asks what that did to the answer, which is read at the most
certain of all ticks as usual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate.ctm._answers import Floats, classes_of
from arcuate.ctm._intervals import check_level, wilson
from arcuate.ctm._layout import Arrays
from arcuate.ctm.dynamics import certainty
from arcuate.ctm.inference import predict, prepare, start
from arcuate.errors import SpecError, check_int
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["filler_ticks", "shuffled_content"]

MEASURES = ("element", "whole")


def filler_ticks(
    x: np.ndarray,
    targets: ArrayLike,
    parameters: Mapping[str, Any],
    *,
    at: Sequence[int],
    ticks: int,
    blank: np.ndarray | None = None,
    heads: int = 1,
    shape: Sequence[int] = (-1,),
    precision: str = "float64",
    engine: str = "numba",
    level: float = 0.95,
) -> xr.Dataset:
    """Accuracy if the input goes after some tick, and the ticks go on.

    Parameters
    ----------
    x : ndarray
        As `forward` takes it.
    targets : array_like of int
        (B,) or (B, positions).
    parameters : mapping of str to array
    at : sequence of int
        Ticks after which the input goes; 0: there is none from the start.
    ticks : int
        In all.
    blank : ndarray or None
        One input that stands for none, without the axis of trials. None: what the attention reads is its bias
        alone (a model without attention gets zeros).
    heads, shape, precision, engine
        As `forward` takes them.
    level : float
        Coverage of the intervals (Wilson).

    Returns
    -------
    xarray.Dataset
        Over (measure, tick): ``filler``, all ticks, the input gone after that one; ``stopped``, none after
        that one (NaN at 0); over measure: ``full``. With ``_low`` and ``_high``. Measures are ``element`` and
        ``whole``.

    Raises
    ------
    SpecError, NonFiniteError
        As `forward`, and if a tick, the blank or the targets do not fit.

    Examples
    --------
    >>> weights = {
    ...     "start_activated_state": np.ones(2), "start_trace": np.zeros((2, 1)),
    ...     "decay_params_out": np.zeros(1), "out_neuron_indices_left": np.array([0]),
    ...     "out_neuron_indices_right": np.array([1]),
    ...     "synapses.1.weight": np.eye(4, 3), "synapses.1.bias": np.zeros(4),
    ...     "synapses.3.weight": np.ones(2), "synapses.3.bias": np.zeros(2),
    ...     "trace_processor.0.0.w1": np.ones((1, 2, 2)), "trace_processor.0.0.b1": np.zeros((1, 2, 2)),
    ...     "trace_processor.0.0.T": np.ones(1),
    ...     "output_projector.0.weight": np.array([[0.0], [9.0]]), "output_projector.0.bias": np.zeros(2),
    ... }
    >>> x = np.array([[0.5], [-0.5]])
    >>> found = filler_ticks(x, [1, 0], weights, at=[1, 2], ticks=4, engine="numpy")
    >>> dict(found["filler"].sizes)
    {'measure': 2, 'tick': 2}
    """
    import xarray as xr

    check_level(level)
    run = _Run(x, targets, parameters, ticks, at, heads, shape, precision, engine)
    nothing = None
    if blank is not None:
        one = np.asarray(blank)[None]
        nothing = run.given_of(np.repeat(one, len(run.given), axis=0))
    full = run.right(ticks, None)
    columns: dict[str, Any] = {}
    for name, rows in (
        ("filler", [run.right(tick, nothing) for tick in run.at]),
        ("stopped", [run.right(tick, None, stop=True) for tick in run.at]),
        ("full", [full]),
    ):
        share = np.array([[np.nan] * 2 if row is None else _shares(row) for row in rows]).T
        low, high = wilson(share, len(run.given), level)
        for suffix, values in (("", share), ("_low", low), ("_high", high)):
            columns[name + suffix] = (
                ("measure", values[:, 0]) if name == "full" else (("measure", "tick"), values)
            )
    coords = {"measure": list(MEASURES), "tick": run.at}
    attributes = {"n_trials": len(run.given), "ticks": ticks, "level": level, "blank": str(blank is not None)}
    return xr.Dataset(columns, coords, attributes)


def shuffled_content(
    x: np.ndarray,
    targets: ArrayLike,
    parameters: Mapping[str, Any],
    *,
    at: Sequence[int],
    ticks: int,
    n_null: int = 200,
    seed: int = 0,
    heads: int = 1,
    shape: Sequence[int] = (-1,),
    precision: str = "float64",
    engine: str = "numba",
    level: float = 0.95,
) -> xr.Dataset:
    """Whose answer it is, if after some tick a trial has the input of another.

    Parameters
    ----------
    x, targets, parameters, ticks, heads, shape, precision, engine, level
        As for `filler_ticks`; at least two trials.
    at : sequence of int
        Ticks after which each trial has the input of another one.
    n_null : int
        Permutations of the targets over trials.
    seed : int
        Of who gets whose input, and of the permutations.

    Returns
    -------
    xarray.Dataset
        Over (measure, tick): share of answers right for the trial's ``own`` input and for the ``other``, with
        ``_low``, ``_high`` and ``_p``, the share of permutations that do as well (Phipson and Smyth 2010);
        ``null``, the mean over permutations.

    Raises
    ------
    SpecError, NonFiniteError
        As `forward`, and if a tick or the targets do not fit.

    Examples
    --------
    >>> weights = {
    ...     "start_activated_state": np.ones(2), "start_trace": np.zeros((2, 1)),
    ...     "decay_params_out": np.zeros(1), "out_neuron_indices_left": np.array([0]),
    ...     "out_neuron_indices_right": np.array([1]),
    ...     "synapses.1.weight": np.eye(4, 3), "synapses.1.bias": np.zeros(4),
    ...     "synapses.3.weight": np.ones(2), "synapses.3.bias": np.zeros(2),
    ...     "trace_processor.0.0.w1": np.ones((1, 2, 2)), "trace_processor.0.0.b1": np.zeros((1, 2, 2)),
    ...     "trace_processor.0.0.T": np.ones(1),
    ...     "output_projector.0.weight": np.array([[0.0], [9.0]]), "output_projector.0.bias": np.zeros(2),
    ... }
    >>> x = np.array([[0.5], [-0.5]])
    >>> found = shuffled_content(x, [1, 0], weights, at=[1], ticks=4, engine="numpy")
    >>> sorted(found["own"].dims)
    ['measure', 'tick']
    """
    import xarray as xr

    check_level(level)
    check_int(n_null, where="shuffled_content", name="n_null")
    run = _Run(x, targets, parameters, ticks, at, heads, shape, precision, engine)
    n = len(run.given)
    if n < 2:
        raise SpecError.of(where="shuffled_content", name="x", value=n, bound="must hold two trials or more")
    rng = stream(check_seed(seed), "ctm/shuffled_content")
    order = rng.permutation(n)
    donor = np.empty(n, dtype=np.int64)
    donor[order] = np.roll(order, 1)  # one cycle: nobody has the own input
    orders = [rng.permutation(n) for _ in range(n_null)]
    found: dict[str, list[Any]] = {name: [] for name in ("own", "other", "null", "own_p", "other_p")}
    for tick in run.at:
        answers = run.answers(tick, run.given[donor])
        own, other = (_shares(answers == targets) for targets in (run.targets, run.targets[donor]))
        null = np.array([_shares(answers == run.targets[row]) for row in orders])
        found["own"].append(own)
        found["other"].append(other)
        found["null"].append(null.mean(0))
        found["own_p"].append((1 + (null >= own).sum(0)) / (1 + n_null))
        found["other_p"].append((1 + (null >= other).sum(0)) / (1 + n_null))
    columns: dict[str, Any] = {name: (("measure", "tick"), np.array(rows).T) for name, rows in found.items()}
    for name in ("own", "other"):
        for suffix, values in zip(("_low", "_high"), wilson(columns[name][1], n, level), strict=True):
            columns[name + suffix] = (("measure", "tick"), values)
    attributes = {"n_trials": n, "ticks": ticks, "level": level, "n_null": n_null, "seed": str(seed)}
    return xr.Dataset(columns, {"measure": list(MEASURES), "tick": run.at}, attributes)


class _Run:
    """One model and its trials, to be run with an input that changes."""

    def __init__(
        self, x: np.ndarray, targets: ArrayLike, parameters: Mapping[str, Any], ticks: int, *rest: Any
    ) -> None:
        at, heads, shape, precision, engine = rest
        check_int(ticks, where="CTM", name="ticks")
        self._ticks, self._engine, self._shape = ticks, engine, tuple(shape)
        self._options = {"heads": heads, "shape": shape, "precision": precision}
        self._parameters = parameters
        self.w: Arrays
        self.w, self.given = prepare(x, parameters, **self._options)
        self.at = [check_int(tick, where="CTM", name="at", low=0, high=ticks) for tick in at]
        outputs = len(self.w["output_projector.0.bias"])
        self._classes = classes_of(outputs, self._shape)
        wanted, size = np.asarray(targets), (len(self.given), outputs // self._classes)
        fits = wanted.shape == size or (size[1] == 1 and wanted.shape == size[:1])
        if wanted.dtype.kind not in "iu" or not fits:
            bound = f"must be whole numbers {size}, not {wanted.dtype} of shape {wanted.shape}"
            raise SpecError.of(where="CTM", name="targets", bound=bound)
        if (wanted < 0).any() or (wanted >= self._classes).any():
            bound = f"must be classes from 0 to {self._classes - 1}"
            raise SpecError.of(where="CTM", name="targets", bound=bound)
        self.targets = wanted.reshape(size)

    def given_of(self, x: np.ndarray) -> np.ndarray:
        """Return another input as it goes to the model."""
        given = prepare(x, self._parameters, **self._options)[1]
        if given.shape != self.given.shape:
            bound = (
                f"must have the shape of one trial; it gives {given.shape[1:]}, not {self.given.shape[1:]}"
            )
            raise SpecError.of(where="CTM", name="blank", bound=bound)
        return given

    def answers(self, at: int, other: np.ndarray | None, *, stop: bool = False) -> NDArray[Any]:
        """Return the answers (B, positions) if the input changes, or the thought ends, after a tick."""
        w, heads = self.w, self._options["heads"]
        walk = start(w, self.given, ticks=self._ticks, heads=heads, engine=self._engine, record=False)
        best: Floats = np.full(len(self.given), -np.inf)
        read = np.zeros((len(self.given), len(w["output_projector.0.bias"])))
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is named by its tick
            for tick in range(at if stop else self._ticks):
                if tick == at:
                    walk.look(other)
                y = predict(walk.step().out, w, tick + 1)
                sure = certainty(y, self._shape)[:, 1]
                better = sure > best
                best[better], read[better] = sure[better], y[better]
        return np.asarray(read.reshape((*self.targets.shape, self._classes)).argmax(-1))

    def right(self, at: int, other: np.ndarray | None, *, stop: bool = False) -> NDArray[np.bool_] | None:
        """Return which positions are right (B, positions); None without any tick."""
        return None if stop and not at else np.asarray(self.answers(at, other, stop=stop) == self.targets)


def _shares(right: NDArray[np.bool_]) -> Floats:
    """Shares of right positions and of whole trials."""
    return np.array([right.mean(), right.all(1).mean()])
