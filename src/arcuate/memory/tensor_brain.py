"""The Tensor Brain: one state that senses, symbols that read it and write into it, and memories of both.

After Tresp et al. 2020, arXiv 2001.11027, in the form of later papers (2109.13392, 2409.12846): a symbol has
one vector, by which it is read from the state and fed back into it. Perception senses, reads a symbol and
feeds it back; an episode is a state that is kept; knowledge is what a symbol alone brings to the state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arcuate._inputs import check_bytes
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import NonFiniteError, SpecError, check_array, check_choice, check_int, check_real
from arcuate.rng import check_seed, stream

__all__ = ["Decoding", "TensorBrain"]

WHERE = "TensorBrain"
OPERATIONS = ("sense", "measure", "feed", "evolve")

DECAYS = (0.9, 0.999)
EPSILON = 1e-8
"""Adam, Kingma and Ba 2015, arXiv 1412.6980."""


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """What a program read, and the state it ended in.

    Parameters
    ----------
    state : ndarray, (n, d)
        Pre-activation of the representation layer.
    probabilities : mapping of str to ndarray, (n, symbols of the group)
        What was measured, by label.

    Examples
    --------
    >>> brain = TensorBrain({"entity": 3}, d_sensory=2, seed=1)
    >>> found = brain.run(["sense", "measure entity"], sensory=[[1.0, 0.0]])
    >>> found.state.shape, found.probabilities["entity"].shape
    ((1, 48), (1, 3))
    """

    state: np.ndarray
    probabilities: Mapping[str, np.ndarray]


class TensorBrain:
    """A state q, and the operations sense, measure, feed and evolve (Tresp et al. 2020).

    With ``u = sigmoid(q)`` and one vector ``a_k`` for each symbol::

        sense     q <- q + nu G
        measure   P(k) = softmax over a group of (b_k + a_k . u)
        feed      q <- q + a_k
        evolve    q <- q + sigmoid(v0 + u V) W

    A program is a list of operations. ``["feed entity", "evolve", "measure color"]`` asks for what is known;
    with ``"sense", "measure entity"`` before it, it perceives. Two symbols of one group get labels:
    ``"feed entity as object"``.

    Parameters
    ----------
    groups : mapping of str to int
        Number of symbols of each group.
    d_sensory : int
        Width of what is sensed.
    d_model : int
        Width of the state (48, chosen).
    n_hidden : int
        Units through which the state evolves (48, chosen).
    seed : int
        Address of the start weights: ``memory/tensor_brain``.

    Raises
    ------
    SpecError
        If a number is out of bounds or a group has no plain name.
    MemoryLimitError
        If the weights would not fit into memory.

    Notes
    -----
    The published evolution has a state of its own; this is its feed-forward form, added to the state.

    Examples
    --------
    >>> brain = TensorBrain({"entity": 3, "color": 3}, d_sensory=2, seed=1)
    >>> knows = ["feed entity", "evolve", "measure color"]
    >>> labels = {"entity": [0, 1, 2], "color": [2, 0, 1]}
    >>> brain = brain.fit([knows], labels, n_steps=300, learning_rate=0.01)
    >>> brain.run(knows, {"entity": [0, 1, 2]}).probabilities["color"].argmax(axis=1)
    array([2, 0, 1])
    """

    def __init__(
        self,
        groups: Mapping[str, int],
        *,
        d_sensory: int,
        d_model: int = 48,
        n_hidden: int = 48,
        seed: int = 0,
    ) -> None:
        if not isinstance(groups, Mapping) or not groups:
            fix = 'use {"entity": 24, "color": 8}'
            raise SpecError.of(where=WHERE, name="groups", value=groups, bound="must name a group", fix=fix)
        for name, size in groups.items():
            if not isinstance(name, str) or len(name.split()) != 1:
                raise SpecError.of(
                    where=WHERE, name="groups", value=name, bound="must be words without spaces"
                )
            check_int(size, where=WHERE, name=f"groups[{name!r}]")
        for name, value in (("d_sensory", d_sensory), ("d_model", d_model), ("n_hidden", n_hidden)):
            check_int(value, where=WHERE, name=name)
        n_symbols = sum(int(size) for size in groups.values())
        need = 16 * d_model * (n_symbols + d_sensory + 2 * n_hidden)
        check_bytes(need, where=WHERE, fix="use fewer symbols or smaller widths")
        ends = np.cumsum([0, *groups.values()])
        self.groups = {name: slice(*ends[i : i + 2].tolist()) for i, name in enumerate(groups)}
        rng = stream(check_seed(seed), "memory/tensor_brain")

        def draw(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape) / math.sqrt(shape[0])

        self.parameters = {
            "symbols": draw(d_model, int(ends[-1])),
            "bias": np.zeros(int(ends[-1])),
            "start": np.zeros(d_model),
            "sense": draw(d_sensory, d_model),
            "evolve_in": draw(d_model, n_hidden),
            "evolve_bias": np.zeros(n_hidden),
            "evolve_out": draw(n_hidden, d_model),
        }
        self.episodes = np.empty((0, d_model))

    def start(self, n: int) -> np.ndarray:
        """Give the state before anything is sensed or fed.

        Parameters
        ----------
        n : int

        Returns
        -------
        ndarray, (n, d_model)

        Examples
        --------
        >>> TensorBrain({"entity": 3}, d_sensory=2, d_model=4).start(2).shape
        (2, 4)
        """
        start = self.parameters["start"]
        check_bytes(8 * check_int(n, where=WHERE, name="n") * len(start), where=WHERE, fix="use a smaller n")
        return np.repeat(start[None], n, axis=0)

    def sense(self, state: Any, sensory: Any) -> np.ndarray:
        """Add what is sensed to the state.

        Parameters
        ----------
        state : array_like, (n, d_model)
        sensory : array_like, (n, d_sensory)

        Returns
        -------
        ndarray, (n, d_model)

        Examples
        --------
        >>> brain = TensorBrain({"entity": 3}, d_sensory=2, d_model=4)
        >>> bool((brain.sense(brain.start(1), [[0.0, 0.0]]) == 0).all())
        True
        """
        q = self._state(state)
        return q + self._sensory(sensory, len(q)) @ self.parameters["sense"]

    def measure(self, state: Any, group: str) -> np.ndarray:
        """Give the probability of every symbol of a group.

        Parameters
        ----------
        state : array_like, (n, d_model)
        group : str

        Returns
        -------
        ndarray, (n, symbols of the group)

        Examples
        --------
        >>> brain = TensorBrain({"entity": 3}, d_sensory=2, seed=1)
        >>> float(brain.measure(brain.start(1), "entity").sum().round(6))
        1.0
        """
        where = self.groups[check_choice(group, self.groups, where=WHERE, name="group")]
        return self._read(_sigmoid(self._state(state)), where)

    def feed(self, state: Any, group: str, symbols: Any) -> np.ndarray:
        """Add the vectors of symbols to the state, or their mean under probabilities (attention).

        Parameters
        ----------
        state : array_like, (n, d_model)
        group : str
        symbols : array_like of int, (n,), or of float, (n, symbols of the group)

        Returns
        -------
        ndarray, (n, d_model)

        Examples
        --------
        >>> brain = TensorBrain({"entity": 3}, d_sensory=2, seed=1)
        >>> one = brain.feed(brain.start(1), "entity", [2])
        >>> bool(np.allclose(one, brain.feed(brain.start(1), "entity", [[0.0, 0.0, 1.0]])))
        True
        """
        q = self._state(state)
        where = self.groups[check_choice(group, self.groups, where=WHERE, name="group")]
        width = where.stop - where.start
        if np.ndim(symbols) == 2:
            weights = check_array(symbols, where=WHERE, name="symbols", shape=(len(q), width))
        else:
            weights = np.eye(width)[self._symbols(symbols, group, "symbols", len(q))]
        return q + weights @ self.parameters["symbols"][:, where].T

    def evolve(self, state: Any) -> np.ndarray:
        """Let the state act on itself once.

        Parameters
        ----------
        state : array_like, (n, d_model)

        Returns
        -------
        ndarray, (n, d_model)

        Examples
        --------
        >>> brain = TensorBrain({"entity": 3}, d_sensory=2, d_model=4)
        >>> brain.evolve(brain.start(2)).shape
        (2, 4)
        """
        q, w = self._state(state), self.parameters
        return q + _sigmoid(w["evolve_bias"] + _sigmoid(q) @ w["evolve_in"]) @ w["evolve_out"]

    def run(
        self,
        program: Sequence[str],
        labels: Mapping[str, Any] | None = None,
        *,
        sensory: Any = None,
        state: Any = None,
    ) -> Decoding:
        """Follow a program.

        Parameters
        ----------
        program : sequence of str
        labels : mapping of str to array_like of int, (n,)
            Symbols to be fed. What is not given is fed as it was measured before: the likeliest symbol.
        sensory : array_like, (n, d_sensory)
            What ``"sense"`` takes.
        state : array_like, (n, d_model)
            Where to begin, such as an episode; without one, the start.

        Returns
        -------
        Decoding

        Raises
        ------
        SpecError
            If an operation lacks what it needs.

        Examples
        --------
        >>> brain = TensorBrain({"entity": 3}, d_sensory=2, seed=1)
        >>> brain.run(["sense", "measure entity"], sensory=np.eye(2)).probabilities["entity"].shape
        (2, 3)
        """
        steps, given = self._program(program), dict(labels or {})
        sizes = [len(np.atleast_1d(part)) for part in (*given.values(), sensory, state) if part is not None]
        n = sizes[0] if sizes else 1
        q = self.start(n) if state is None else self._state(state)
        seen: dict[str, np.ndarray] = {}
        for operation, group, label in steps:
            if operation == "sense":
                q = self.sense(q, sensory)
            elif operation == "measure":
                seen[label] = self.measure(q, group)
            elif operation == "evolve":
                q = self.evolve(q)
            elif label in given:
                q = self.feed(q, group, self._symbols(given[label], group, label, n))
            elif label in seen:
                q = self.feed(q, group, seen[label].argmax(axis=1))
            else:
                bound = "is fed, but neither given nor measured before"
                raise SpecError.of(where=WHERE, name=label, bound=bound, fix=f"give labels[{label!r}]")
        return Decoding(state=q, probabilities=seen)

    def remember(self, state: Any) -> np.ndarray:
        """Keep states as episodes, each once.

        Parameters
        ----------
        state : array_like, (n, d_model)

        Returns
        -------
        ndarray of int, (n,)
            Numbers of the episodes.

        Examples
        --------
        >>> brain = TensorBrain({"entity": 3}, d_sensory=2, d_model=4)
        >>> brain.remember(brain.start(2))
        array([0, 1])
        """
        q, before = self._state(state), len(self.episodes)
        self.episodes = np.vstack((self.episodes, q))
        return np.arange(before, len(self.episodes))

    def recall(self, episodes: Any) -> np.ndarray:
        """Put episodes in the place of the state.

        Parameters
        ----------
        episodes : array_like of int, (n,)

        Returns
        -------
        ndarray, (n, d_model)

        Raises
        ------
        SpecError
            If an episode was not remembered.

        Examples
        --------
        >>> brain = TensorBrain({"entity": 3}, d_sensory=2, d_model=4)
        >>> brain.recall(brain.remember(brain.start(2))).shape
        (2, 4)
        """
        return self.episodes[_indices(episodes, "episodes", len(self.episodes), None)]

    def loss(
        self, program: Sequence[str], labels: Mapping[str, Any], *, sensory: Any = None
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Give the cross entropy of what a program measures, and its gradient.

        Symbols are fed as they are, whatever was measured (teacher forcing).

        Parameters
        ----------
        program : sequence of str
        labels : mapping of str to array_like of int, (n,)
            For everything that is fed or measured.
        sensory : array_like, (n, d_sensory)

        Returns
        -------
        tuple of float and dict
            Sum over measurements of the mean over trials, and its derivative for each of ``parameters``.

        Raises
        ------
        SpecError
            If a label is missing, or a symbol does not exist.

        Examples
        --------
        >>> brain = TensorBrain({"entity": 3}, d_sensory=2, seed=1)
        >>> loss, gradient = brain.loss(["measure entity"], {"entity": [1, 1]})
        >>> gradient["symbols"].shape
        (48, 3)
        """
        steps, said, senses = self._checked([program], labels, sensory)
        return self._loss(steps[0], said, senses)

    def fit(
        self,
        programs: Sequence[Sequence[str]],
        labels: Mapping[str, Any],
        *,
        sensory: Any = None,
        n_steps: int = 2000,
        batch: int = 64,
        learning_rate: float = 0.003,
        seed: int = 0,
        progress: ProgressOption = None,
    ) -> TensorBrain:
        """Learn by Adam from scenes whose symbols are known.

        Parameters
        ----------
        programs : sequence of programs
            The losses of all of them are added.
        labels : mapping of str to array_like of int, (n,)
        sensory : array_like, (n, d_sensory)
        n_steps, batch : int
            Each step takes so many scenes, drawn with replacement (2000 and 64, chosen).
        learning_rate : float
            At the beginning; it falls to zero along a line (0.003, chosen).
        seed : int
            Address of the draws: ``memory/tensor_brain/batches``.
        progress : bool, callable or None
            A bar after two seconds on a terminal, by default.

        Returns
        -------
        TensorBrain
            Itself, with ``losses_`` (n_steps,).

        Raises
        ------
        SpecError
            If a program, a label or a number is not valid.
        NonFiniteError
            If the loss grows beyond all bounds, with the step.
        MemoryLimitError
            If a batch would not fit into memory.

        Examples
        --------
        >>> brain = TensorBrain({"entity": 2}, d_sensory=2, seed=1)
        >>> sees = ["sense", "measure entity"]
        >>> brain = brain.fit([sees], {"entity": [0, 1]}, sensory=np.eye(2), n_steps=200)
        >>> bool(brain.losses_[-1] < brain.losses_[0])
        True
        """
        for name, value in (("n_steps", n_steps), ("batch", batch)):
            check_int(value, where=WHERE, name=name)
        check_real(learning_rate, where=WHERE, name="learning_rate", low=0, low_open=True)
        check_progress(progress, where=WHERE)
        widths = sum(sum(value.shape) for value in self.parameters.values())
        check_bytes(8 * (n_steps + 8 * batch * widths), where=WHERE, fix="use fewer steps or a smaller batch")
        steps, said, senses = self._checked(programs, labels, sensory)
        n = len(next(iter(said.values())))
        rng = stream(check_seed(seed), "memory/tensor_brain/batches")
        moments = {name: np.zeros((2, *value.shape)) for name, value in self.parameters.items()}
        losses = np.empty(n_steps)
        with progress_bar(progress, n_steps, title="tensor brain") as tell:
            for step in range(n_steps):
                chosen = rng.integers(n, size=batch)
                scenes = {label: symbols[chosen] for label, symbols in said.items()}
                seen = None if senses is None else senses[chosen]
                with np.errstate(over="ignore", invalid="ignore"):
                    parts = [self._loss(program, scenes, seen) for program in steps]
                losses[step] = sum(part[0] for part in parts)
                if not np.isfinite(losses[step]):
                    fix = "use a smaller learning_rate"
                    bound = f"is not finite at step {step + 1}"
                    raise NonFiniteError.of(where=WHERE, name="loss", bound=bound, fix=fix)
                gradient = {name: sum(part[1][name] for part in parts) for name in self.parameters}
                self._descend(gradient, moments, step=step, rate=learning_rate * (1 - step / n_steps))
                if tell:
                    tell(1)
        self.losses_ = losses
        return self

    def _descend(
        self, gradient: Mapping[str, Any], moments: dict[str, np.ndarray], *, step: int, rate: float
    ) -> None:
        """One step of Adam."""
        first, second = DECAYS
        for name, g in gradient.items():
            m, v = moments[name]
            m += (1 - first) * (g - m)
            v += (1 - second) * (g**2 - v)
            root = np.sqrt(v / (1 - second ** (step + 1))) + EPSILON
            self.parameters[name] -= rate * m / (1 - first ** (step + 1)) / root

    def _loss(
        self,
        steps: Sequence[tuple[str, str, str]],
        labels: Mapping[str, np.ndarray],
        sensory: np.ndarray | None,
    ) -> tuple[float, dict[str, np.ndarray]]:
        w = self.parameters
        n = len(next(iter(labels.values())))
        q, loss, tape = np.repeat(w["start"][None], n, axis=0), 0.0, []
        for operation, group, label in steps:
            u = _sigmoid(q)
            hidden = wrong = u
            if operation == "sense":
                q = q + sensory @ w["sense"]
            elif operation == "feed":
                q = q + w["symbols"][:, self.groups[group].start + labels[label]].T
            elif operation == "measure":
                wrong = self._read(u, self.groups[group])
                right = np.arange(n), labels[label]
                loss -= float(np.log(np.maximum(wrong[right], np.finfo(float).tiny)).mean())
                wrong[right] -= 1
                wrong /= n
            else:
                hidden = _sigmoid(w["evolve_bias"] + u @ w["evolve_in"])
                q = q + hidden @ w["evolve_out"]
            tape.append((u, hidden, wrong))
        return loss, self._backward(steps, tape, labels=labels, sensory=sensory)

    def _backward(
        self,
        steps: Sequence[tuple[str, str, str]],
        tape: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
        *,
        labels: Mapping[str, np.ndarray],
        sensory: np.ndarray | None,
    ) -> dict[str, np.ndarray]:
        """Gradient of the loss: the program, backwards."""
        w = self.parameters
        g = {name: np.zeros_like(value) for name, value in w.items()}
        dq = np.zeros((len(tape[0][0]), len(w["start"])))
        for (operation, group, label), (u, hidden, wrong) in zip(
            reversed(steps), reversed(tape), strict=True
        ):
            if operation == "sense":
                g["sense"] += sensory.T @ dq  # type: ignore[union-attr]
            elif operation == "feed":
                np.add.at(g["symbols"].T, self.groups[group].start + labels[label], dq)
            elif operation == "measure":
                where = self.groups[group]
                g["symbols"][:, where] += u.T @ wrong
                g["bias"][where] += wrong.sum(axis=0)
                dq = dq + (wrong @ w["symbols"][:, where].T) * u * (1 - u)
            else:
                g["evolve_out"] += hidden.T @ dq
                inner = (dq @ w["evolve_out"].T) * hidden * (1 - hidden)
                g["evolve_in"] += u.T @ inner
                g["evolve_bias"] += inner.sum(axis=0)
                dq = dq + (inner @ w["evolve_in"].T) * u * (1 - u)
        g["start"] += dq.sum(axis=0)
        return g

    def _read(self, u: np.ndarray, where: slice) -> np.ndarray:
        logits = self.parameters["bias"][where] + u @ self.parameters["symbols"][:, where]
        p: np.ndarray = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def _program(self, program: Sequence[str]) -> list[tuple[str, str, str]]:
        """Operation, group and label of each step."""
        steps = []
        if isinstance(program, str) or not program:
            fix = 'use ["feed entity", "evolve", "measure color"]'
            bound = "must be a list of operations"
            raise SpecError.of(where=WHERE, name="program", value=program, bound=bound, fix=fix)
        for text in program:
            words = text.split() if isinstance(text, str) and text.strip() else [str(text)]
            operation = check_choice(words[0], OPERATIONS, where=WHERE, name="operation")
            named = operation in ("measure", "feed")
            if len(words) not in ((2, 4) if named else (1,)) or (len(words) == 4 and words[2] != "as"):
                shape = f"'{operation} GROUP' or '{operation} GROUP as LABEL'" if named else f"'{operation}'"
                raise SpecError.of(where=WHERE, name="program", value=text, bound=f"must be {shape}")
            if named:
                check_choice(words[1], self.groups, where=WHERE, name="group")
            steps.append((operation, words[1], words[-1]) if named else (operation, "", ""))
        return steps

    def _checked(
        self, programs: Sequence[Sequence[str]], labels: Mapping[str, Any], sensory: Any
    ) -> tuple[list[list[tuple[str, str, str]]], dict[str, np.ndarray], np.ndarray | None]:
        if isinstance(programs, str) or not programs or any(isinstance(part, str) for part in programs):
            bound = "must be a list of programs, each a list of operations"
            raise SpecError.of(where=WHERE, name="programs", value=programs, bound=bound)
        every, said, n = [self._program(program) for program in programs], {}, None
        for operation, group, label in (step for steps in every for step in steps):
            if operation in ("measure", "feed"):
                if label not in labels:
                    bound = "is measured or fed, but has no labels"
                    raise SpecError.of(where=WHERE, name=label, bound=bound, fix=f"give labels[{label!r}]")
                said[label] = self._symbols(labels[label], group, label, n)
                n = len(said[label])
        if n is None or not all(any(step[0] == "measure" for step in steps) for steps in every):
            raise SpecError.of(where=WHERE, name="programs", value=programs, bound="must measure something")
        senses = any(operation == "sense" for steps in every for operation, _, _ in steps)
        return every, said, self._sensory(sensory, n) if senses else None

    def _symbols(self, value: Any, group: str, label: str, n: int | None) -> np.ndarray:
        where = self.groups[group]
        return _indices(value, label, where.stop - where.start, n)

    def _state(self, value: Any) -> np.ndarray:
        shape = (None, len(self.parameters["start"]))
        return check_array(value, where=WHERE, name="state", shape=shape)

    def _sensory(self, value: Any, n: int) -> np.ndarray:
        if value is None:
            fix = "give sensory="
            raise SpecError.of(where=WHERE, name="sensory", bound="is needed by the program", fix=fix)
        return check_array(value, where=WHERE, name="sensory", shape=(n, len(self.parameters["sense"])))


def _indices(value: Any, name: str, below: int, n: int | None) -> np.ndarray:
    array = check_array(value, where=WHERE, name=name, shape=(n,), dtype=int)
    if not len(array):
        raise SpecError.of(where=WHERE, name=name, value=array, bound="must have at least one element")
    if array.min() < 0 or array.max() >= below:
        raise SpecError.of(where=WHERE, name=name, value=array, bound=f"must be >= 0 and < {below}")
    return array


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))
