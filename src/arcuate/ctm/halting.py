"""When a Continuous Thought Machine has thought enough: policies, and what they save.

A policy looks at one tick of the trials that are still thinking and says for each of them how probable it is
that it stops here, and that it then gives no answer. `halt` asks it about a finished thought,
`forward_halting` while the thought goes on: trials that have stopped leave the batch, so that they cost
nothing any more.

The answer of a trial is read at the most certain of its ticks, as that of a whole thought is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from arcuate.ctm._answers import Floats, classes_of, plain
from arcuate.ctm._layout import Arrays, Walk
from arcuate.ctm.dynamics import certainty
from arcuate.ctm.inference import Thought, predict, prepare, start
from arcuate.errors import SpecError, check_choice, check_int, check_real

__all__ = [
    "CertaintyOrAbstain",
    "CertaintyThreshold",
    "Decision",
    "FirstFinish",
    "FixedTicks",
    "Halted",
    "NormChange",
    "Patience",
    "Policy",
    "TickState",
    "forward_halting",
    "halt",
]

HALF = 0.5
"""Probability from which a trial stops, or abstains (as the gates of Regol et al. 2023 do)."""


SHRINK = 0.85
"""Share of trials left at which arrays are made smaller: a copy costs about a fifth of a tick (chosen)."""


class Decision(NamedTuple):
    """What a policy says of one tick.

    Parameters
    ----------
    stop : ndarray, (B,)
        Probability that a trial stops here; from 0.5 on, it does.
    abstain : ndarray, (B,)
        Probability that it gives no answer if this was its last tick; from 0.5 on, it does not.

    Examples
    --------
    >>> Decision(stop=np.array([1.0, 0.2]), abstain=np.zeros(2)).stop >= 0.5
    array([ True, False])
    """

    stop: np.ndarray
    abstain: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class TickState:
    """What a policy sees: one tick of the trials that still think.

    Parameters
    ----------
    tick : int
        From 1 on.
    trial : ndarray of int, (B,)
        Which trials of the batch these are.
    prediction : ndarray, (B, O)
        Logits.
    certainty : ndarray, (B,)
    post_activation : ndarray, (B, D)
    synchrony : ndarray, (B, P)
        That the predictions are read from.
    shape : tuple of int
        Positions and classes of a prediction.
    memo : dict of str to ndarray, (B, ...)
        What the policy itself noted at ticks before; empty at the first. It may write here; trials that stop
        are taken out of every array.

    Examples
    --------
    >>> state = TickState(
    ...     tick=1, trial=np.arange(1), prediction=np.array([[0.0, 2.0, 3.0, 0.0]]), certainty=np.ones(1),
    ...     post_activation=np.zeros((1, 4)), synchrony=np.zeros((1, 2)), shape=(2, 2),
    ... )
    >>> state.answer()
    array([[1, 0]])
    """

    tick: int
    trial: np.ndarray
    prediction: np.ndarray
    certainty: np.ndarray
    post_activation: np.ndarray
    synchrony: np.ndarray
    shape: tuple[int, ...] = (-1,)
    memo: dict[str, np.ndarray] = field(default_factory=dict)

    def logits(self) -> np.ndarray:
        """Return the prediction by position (B, positions, classes)."""
        return self.prediction.reshape((len(self.prediction), -1, self._classes()))

    def answer(self) -> np.ndarray:
        """Return the class of every position (B, positions)."""
        return np.asarray(self.logits().argmax(-1))

    def _classes(self) -> int:
        return classes_of(self.prediction.shape[1], self.shape)


class Policy(Protocol):
    """What says when a trial has thought enough; any callable of a `TickState`.

    Examples
    --------
    >>> def sure_enough(state: TickState) -> Decision:
    ...     return Decision(stop=state.certainty > 0.9, abstain=state.certainty < 0.2)
    >>> policy: Policy = sure_enough
    """

    def __call__(self, state: TickState, /) -> Decision:
        """Decide about one tick.

        Parameters
        ----------
        state : TickState

        Returns
        -------
        Decision
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Halted:
    """When trials stopped, and what they answered.

    Parameters
    ----------
    ticks : ndarray of int, (B,)
        Ticks that each trial thought.
    read : ndarray of int, (B,)
        Tick its answer is of: the most certain up to there, ties to the first.
    predictions : ndarray, (B, O)
        Logits of that tick.
    certainties : ndarray, (B,)
        Certainty of that tick.
    abstained : ndarray of bool, (B,)
        Trials that give no answer.
    stopped : ndarray of bool, (B,)
        Trials that the policy stopped; the others ran out of ticks.
    n_ticks : int
        Ticks that there were.
    shape : tuple of int
        Positions and classes of a prediction.

    Examples
    --------
    >>> halted = Halted(
    ...     ticks=np.array([2, 4]), read=np.array([2, 3]), predictions=np.eye(2), certainties=np.ones(2),
    ...     abstained=np.zeros(2, bool), stopped=np.array([True, False]), n_ticks=4, shape=(-1,),
    ... )
    >>> halted.share, halted.answers().tolist(), halted.right([0, 0]).tolist()
    (0.75, [[0], [1]], [True, False])
    """

    ticks: np.ndarray
    read: np.ndarray
    predictions: np.ndarray
    certainties: np.ndarray
    abstained: np.ndarray
    stopped: np.ndarray
    n_ticks: int
    shape: tuple[int, ...]

    @property
    def share(self) -> float:
        """Mean ticks over those that there were."""
        return float(self.ticks.mean() / self.n_ticks)

    def answers(self) -> np.ndarray:
        """Return the class of every position (B, positions), also of trials that abstain."""
        classes = classes_of(self.predictions.shape[1], self.shape)
        return np.asarray(self.predictions.reshape((len(self.predictions), -1, classes)).argmax(-1))

    def right(self, targets: Any) -> np.ndarray:
        """Return which trials have all positions right (B,).

        Parameters
        ----------
        targets : array_like of int, (B,) or (B, positions)

        Returns
        -------
        ndarray of bool

        Raises
        ------
        SpecError
            If the targets do not fit the answers.
        """
        answers, wanted = self.answers(), np.asarray(targets)
        if wanted.shape not in (answers.shape, answers.shape[:1]) or wanted.size != answers.size:
            bound = f"must be {answers.shape}, not {wanted.shape}"
            raise SpecError.of(where="Halted", name="targets", bound=bound)
        return np.asarray((answers == wanted.reshape(answers.shape)).all(1))


# ---------------------------------------------------------------------- policies


@dataclass(frozen=True, kw_only=True)
class FixedTicks:
    """Stop after so many ticks.

    Parameters
    ----------
    n : int

    Raises
    ------
    SpecError
        If it is not a whole number of 1 or more.

    Examples
    --------
    >>> FixedTicks(n=3)
    FixedTicks(n=3)
    """

    n: int

    def __post_init__(self) -> None:
        check_int(self.n, where="FixedTicks", name="n")

    def __call__(self, state: TickState, /) -> Decision:
        """Decide about one tick."""
        return _answering(np.full(len(state.trial), state.tick >= self.n))


@dataclass(frozen=True, kw_only=True)
class CertaintyThreshold:
    """Stop as soon as the certainty reaches a threshold (Darlow et al. 2025, figure 5).

    The certainty is an average over positions, so that one position in doubt hardly shows in a long answer.

    Parameters
    ----------
    threshold : float
        Above 1 no trial ever stops.

    Examples
    --------
    >>> CertaintyThreshold(threshold=0.8)
    CertaintyThreshold(threshold=0.8)
    """

    threshold: float

    def __post_init__(self) -> None:
        check_real(self.threshold, where="CertaintyThreshold", name="threshold", low=0)

    def __call__(self, state: TickState, /) -> Decision:
        """Decide about one tick."""
        return _answering(state.certainty >= self.threshold)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Stop when the whole answer has been the same for some ticks in a row.

    Parameters
    ----------
    n : int
        Ticks with the same answer, the present one among them.
    threshold : float
        The certainty that the present tick must have besides.

    Examples
    --------
    >>> Patience(n=3)
    Patience(n=3, threshold=0.0)
    """

    n: int
    threshold: float = 0.0

    def __post_init__(self) -> None:
        check_int(self.n, where="Patience", name="n")
        check_real(self.threshold, where="Patience", name="threshold", low=0)

    def __call__(self, state: TickState, /) -> Decision:
        """Decide about one tick."""
        answer, memo = state.answer(), state.memo
        if memo:
            same = (answer == memo["answer"]).all(1)
            memo["run"] = np.where(same, memo["run"] + 1, 1)
        else:
            memo["run"] = np.ones(len(answer), dtype=np.int64)
        memo["answer"] = answer
        return _answering((memo["run"] >= self.n) & (state.certainty >= self.threshold))


@dataclass(frozen=True, kw_only=True)
class NormChange:
    """Stop when a norm changes little against how it has changed before: L2 adaptive computation.

    With D the change of the L2 norm since the tick before (0 at the first), a trial stops when D is smaller
    than ``alpha`` times the range of all D so far ("Void in Language Models", arXiv 2505.14467, and the rule
    of the code before it). Without parameters to be learned.

    Parameters
    ----------
    alpha : float
    of : {"post_activation", "synchrony"}
        Whose norm.
    signed : bool
        True: D with its sign, so that a norm that falls stops too; False: its size.

    Examples
    --------
    >>> NormChange(alpha=0.1, of="synchrony")
    NormChange(alpha=0.1, of='synchrony', signed=False)
    """

    alpha: float
    of: str = "post_activation"
    signed: bool = False

    def __post_init__(self) -> None:
        check_real(self.alpha, where="NormChange", name="alpha", low=0)
        check_choice(self.of, ("post_activation", "synchrony"), where="NormChange", name="of")

    def __call__(self, state: TickState, /) -> Decision:
        """Decide about one tick."""
        norm = np.linalg.norm(getattr(state, self.of), axis=1)
        memo = state.memo
        change = norm - memo.get("norm", norm)
        zero = np.zeros_like(norm)
        memo["norm"] = norm
        memo["largest"] = np.maximum(memo.get("largest", zero), change)
        memo["smallest"] = np.minimum(memo.get("smallest", zero), change)
        size = change if self.signed else np.abs(change)
        return _answering(size < self.alpha * (memo["largest"] - memo["smallest"]))


@dataclass(frozen=True, kw_only=True)
class CertaintyOrAbstain:
    """Stop when certain enough; stop without an answer when the certainty stays low.

    A trial that runs out of ticks abstains too if its certainty is below the bound then.

    Parameters
    ----------
    threshold : float
        Certainty that stops with an answer.
    bound : float
        Certainty that is too low for one; at most ``threshold``.
    n : int
        Ticks in a row below the bound that stop without an answer.

    Examples
    --------
    >>> CertaintyOrAbstain(threshold=0.9, bound=0.3, n=10)
    CertaintyOrAbstain(threshold=0.9, bound=0.3, n=10)
    """

    threshold: float
    bound: float
    n: int

    def __post_init__(self) -> None:
        where = "CertaintyOrAbstain"
        check_real(self.threshold, where=where, name="threshold", low=0)
        check_real(self.bound, where=where, name="bound", low=0, high=self.threshold)
        check_int(self.n, where=where, name="n")

    def __call__(self, state: TickState, /) -> Decision:
        """Decide about one tick."""
        low = state.certainty < self.bound
        before = state.memo.get("low", np.zeros(len(low), dtype=np.int64))
        state.memo["low"] = np.where(low, before + 1, 0)
        stop = (state.certainty >= self.threshold) | (state.memo["low"] >= self.n)
        return Decision(stop.astype(np.float64), low.astype(np.float64))


@dataclass(frozen=True, kw_only=True)
class FirstFinish:
    """Of several starts of each question, take the first that are done (arXiv 2505.18149).

    Rows of the batch are starts: the first ``starts`` rows are of the first question, and so on. When ``k``
    of a question's starts have stopped by the policy, the others stop and abstain.

    Parameters
    ----------
    policy : Policy
        When a start is done.
    starts : int
        Rows for each question.
    k : int
        Starts that are waited for, at most ``starts``.

    Examples
    --------
    >>> FirstFinish(policy=CertaintyThreshold(threshold=0.9), starts=8, k=2).k
    2
    """

    policy: Policy
    starts: int
    k: int = 1

    def __post_init__(self) -> None:
        check_int(self.starts, where="FirstFinish", name="starts")
        check_int(self.k, where="FirstFinish", name="k", high=self.starts)

    def __call__(self, state: TickState, /) -> Decision:
        """Decide about one tick."""
        memo, question = state.memo, state.trial // self.starts
        finished = memo.pop("finished", np.zeros(len(question), dtype=np.int64))
        said = self.policy(state)
        done = np.asarray(said.stop) >= HALF
        memo["finished"] = finished + np.bincount(question, done)[question].astype(np.int64)
        left = ~done & (memo["finished"] >= self.k)
        return Decision(np.where(left, 1.0, said.stop), np.where(left, 1.0, said.abstain))


def _answering(stop: np.ndarray) -> Decision:
    return Decision(stop.astype(np.float64), np.zeros(len(stop)))


# ---------------------------------------------------------------------- running


def halt(thought: Thought, policy: Policy, *, shape: Sequence[int] = (-1,)) -> Halted:
    """Say when each trial of a finished thought would have stopped.

    Parameters
    ----------
    thought : Thought
    policy : Policy
    shape : sequence of int
        Positions and classes of a prediction.

    Returns
    -------
    Halted

    Raises
    ------
    SpecError
        If the shape does not hold the outputs or the policy says something else than probabilities.

    Examples
    --------
    >>> y = np.array([[[0.0, 4.0, 0.0], [1.0, 0.0, 2.0]]])
    >>> sure, empty = certainty(y[0].T).T[None], np.zeros((3, 1, 1))
    >>> thought = Thought(
    ...     predictions=y, certainties=sure, sync_out=empty, sync_action=None, pre_activations=empty,
    ...     post_activations=empty, attention=None, reads=None, key_values=None, trace=empty,
    ... )
    >>> halted = halt(thought, CertaintyThreshold(threshold=0.8))
    >>> int(halted.ticks[0]), halted.answers().tolist()
    (2, [[0]])
    """
    classes_of(thought.predictions.shape[1], shape)
    n, _, ticks = thought.predictions.shape
    return _run(_Finished(thought, n), policy, ticks=ticks, n=n, shape=tuple(shape))


def forward_halting(
    x: np.ndarray,
    parameters: Mapping[str, Any],
    policy: Policy,
    *,
    ticks: int,
    heads: int = 1,
    shape: Sequence[int] = (-1,),
    precision: str = "float64",
    engine: str = "numba",
) -> Halted:
    """Think about a batch, each trial only as long as a policy lets it.

    Trials that stop leave the batch, and the others go on in a smaller one. The numbers of a trial do not
    depend on the others, up to rounding.

    Parameters
    ----------
    x : ndarray
        As `forward` takes it.
    parameters : mapping of str to array
    policy : Policy
    ticks : int
        At most so many.
    heads : int
    shape : sequence of int
        Positions and classes of a prediction.
    precision : {"float64", "float32"}
    engine : {"numpy", "numba"}

    Returns
    -------
    Halted

    Raises
    ------
    SpecError
        As `forward`, and if the policy says something else than probabilities.
    NonFiniteError
        If the input, a parameter or the activity is not finite; the tick is named.

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
    >>> forward_halting(np.array([[0.5], [0.1]]), weights, FixedTicks(n=2), ticks=5, engine="numpy").ticks
    array([2, 2])
    """
    check_int(ticks, where="CTM", name="ticks")
    w, given = prepare(x, parameters, heads=heads, shape=shape, precision=precision)
    walk = start(w, given, ticks=ticks, heads=heads, engine=engine, record=False)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is named by its tick
        source = _Walked(walk, w, len(given), tuple(shape))
        return _run(source, policy, ticks=ticks, n=len(given), shape=tuple(shape))


class _Seen(NamedTuple):
    """One tick of the trials that still think: (B, ...)."""

    prediction: np.ndarray
    certainty: np.ndarray
    post: np.ndarray
    out: np.ndarray


class _Source(Protocol):
    """Where ticks come from."""

    def step(self) -> _Seen: ...

    def keep(self, rows: np.ndarray) -> None: ...


class _Finished:
    """Ticks of a thought that is there already."""

    def __init__(self, thought: Thought, n: int) -> None:
        self._thought, self._rows, self._tick = thought, np.arange(n), -1

    def step(self) -> _Seen:
        self._tick += 1
        seen, tick, rows = self._thought, self._tick, self._rows
        predicted = plain(seen.predictions)[rows, :, tick], plain(seen.certainties)[rows, 1, tick]
        neurons = plain(seen.post_activations[tick]), plain(seen.sync_out[tick])
        return _Seen(*predicted, *(part[rows] for part in neurons))

    def keep(self, rows: np.ndarray) -> None:
        self._rows = self._rows[rows]


class _Walked:
    """Ticks of a thought under way; its arrays shrink when enough trials have left them."""

    def __init__(self, walk: Walk, w: Arrays, n: int, shape: tuple[int, ...]) -> None:
        self._walk, self._shape, self._tick = walk, shape, 0
        self._rows, self._width = np.arange(n), n
        self._w = w

    def step(self) -> _Seen:
        self._tick += 1
        post, out = self._walk.step()
        if len(self._rows) < self._width:
            post, out = post[self._rows], out[self._rows]
        prediction = predict(out, self._w, self._tick)
        return _Seen(prediction, certainty(prediction, self._shape)[:, 1], post, out)

    def keep(self, rows: np.ndarray) -> None:
        self._rows = self._rows[rows]
        if len(self._rows) <= SHRINK * self._width:
            self._walk.keep(self._rows)
            self._width = len(self._rows)
            self._rows = np.arange(self._width)


def _run(source: _Source, policy: Policy, *, ticks: int, n: int, shape: tuple[int, ...]) -> Halted:
    """Let trials think until they stop."""
    live, memo = np.arange(n), dict[str, np.ndarray]()
    spent, read = np.full(n, ticks), np.zeros(n, dtype=np.int64)
    best: Floats = np.full(n, -math.inf)
    abstained, stopped = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    predictions: np.ndarray | None = None
    for tick in range(1, ticks + 1):
        seen = source.step()
        if predictions is None:
            predictions = np.empty((n, seen.prediction.shape[1]), seen.prediction.dtype)
        better = seen.certainty > best[live]
        rows = live[better]
        best[rows], read[rows], predictions[rows] = seen.certainty[better], tick, seen.prediction[better]
        state = TickState(
            tick=tick, trial=live, prediction=seen.prediction, certainty=seen.certainty,
            post_activation=seen.post, synchrony=seen.out, shape=shape, memo=memo,
        )  # fmt: skip
        stop, abstain = _decided(policy(state), len(live), tick)
        done = stop if tick < ticks else np.ones(len(live), dtype=bool)
        rows = live[done]
        spent[rows], stopped[rows], abstained[rows] = tick, stop[done], abstain[done]
        if done.all():
            break
        if done.any():
            live = live[~done]
            for name, value in memo.items():
                memo[name] = value[~done]
            source.keep(np.flatnonzero(~done))
    assert predictions is not None
    return Halted(
        ticks=spent, read=read, predictions=predictions, certainties=best, abstained=abstained,
        stopped=stopped, n_ticks=ticks, shape=shape,
    )  # fmt: skip


def _decided(said: Decision, n: int, tick: int) -> tuple[np.ndarray, np.ndarray]:
    """Which trials stop and abstain, if the policy spoke of each in probabilities."""
    found = []
    given: object = said
    if not isinstance(given, tuple) or len(given) != 2:
        bound = f"must return a Decision, not {type(given).__name__}"
        raise SpecError.of(where="policy", name="decision", bound=bound, fix="return Decision(stop, abstain)")
    for name, value in zip(("stop", "abstain"), said, strict=True):
        p = np.asarray(value, dtype=np.float64)
        if p.shape != (n,) or not ((p >= 0) & (p <= 1)).all():
            bound = f"must be {n} probabilities at tick {tick}, one for each trial that thinks"
            raise SpecError.of(where="policy", name=name, value=value, bound=bound)
        found.append(p >= HALF)
    return found[0], found[1]
