"""An associative memory: one way to write pairs of vectors and to read them, by six rules.

A pair is a key (what is asked with; a conditioned stimulus) and a value (what is recalled; its outcome). What
each rule can hold stands in `arcuate.memory.capacity`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from arcuate._inputs import check_bytes
from arcuate._jit import compiled
from arcuate.errors import (
    NonFiniteError,
    SpecError,
    check_array,
    check_choice,
    check_int,
    check_real,
    unknown,
)
from arcuate.memory._kernels import learn_pairs
from arcuate.memory._rows import check_rows

__all__ = ["RULES", "AssociativeMemory"]

RULES = ("hebb", "delta", "ridge", "hopfield", "dense", "softmax")
"""Ways to store pairs and to read them."""

_OPTIONS: dict[str, dict[str, float]] = {
    "hebb": {"learning_rate": 1.0, "decay": 1.0, "eligibility": 0.0},
    "delta": {"learning_rate": 1.0, "decay": 1.0, "eligibility": 0.0},
    "ridge": {"ridge": 0.0},
    "hopfield": {},
    "dense": {"degree": 3},
    "softmax": {"beta": math.nan},  # 4 sqrt(d_key)
}
_LINEAR = ("hebb", "delta", "hopfield")
_RECURRENT = ("hopfield", "dense", "softmax")


class AssociativeMemory:
    """Pairs of keys and values, stored by one of six rules.

    ``hebb``, ``delta``: a matrix S, for each pair ``S <- decay S + rate gain e v'`` with the eligibility
    ``e <- eligibility e + k``; delta writes ``v - S' k`` in the place of v (Widrow and Hoff 1960; Rescorla
    and Wagner 1972). ``ridge``: the least-squares matrix of all pairs, which many passes of delta tend to.
    ``hopfield``: signs of a Hebbian matrix over d_key, without its diagonal where patterns are stored with
    themselves (Hopfield 1982). ``dense``: sign of ``sum_p v_p (k_p . q / d_key)^(degree - 1)`` (Krotov and
    Hopfield 2016, F(z) = z^degree). ``softmax``: ``V' softmax(beta K q)``, which is attention (Ramsauer and
    others 2021, arXiv 2008.02217).

    Parameters
    ----------
    d_key, d_value : int
        Widths of a key and a value.
    rule : {"hebb", "delta", "ridge", "hopfield", "dense", "softmax"}
    **options : float
        ``learning_rate`` (1), ``decay`` (1: nothing is forgotten) and ``eligibility`` (0) for hebb and delta;
        ``ridge`` (0) for ridge; ``degree`` (3) for dense; ``beta`` (4 sqrt(d_key), for unit keys) for
        softmax.

    Raises
    ------
    SpecError
        If a width, the rule or an option is not valid, or the rule has no such option.
    MemoryLimitError
        If its matrix would not fit into memory.

    Examples
    --------
    >>> memory = AssociativeMemory(2, 1, rule="delta").write([[1.0, 0.0], [0.0, 1.0]], [[3.0], [4.0]])
    >>> memory.read([[1.0, 1.0]])
    array([[7.]])
    """

    def __init__(self, d_key: int, d_value: int, *, rule: str = "delta", **options: float) -> None:
        where = "AssociativeMemory"
        self.d_key = check_int(d_key, where=where, name="d_key")
        self.d_value = check_int(d_value, where=where, name="d_value")
        self.rule = check_choice(rule, RULES, where=where, name="rule")
        self.options = _checked_options(self.rule, options)
        if "beta" in self.options and math.isnan(self.options["beta"]):
            self.options["beta"] = 4 * math.sqrt(self.d_key)
        if self.rule not in ("dense", "softmax"):  # while pairs are written, the matrix is there twice
            check_bytes(16 * self.d_key * self.d_value, where=where, fix="use smaller widths")
        self.reset()

    def __repr__(self) -> str:
        options = "".join(f", {name}={value:.6g}" for name, value in self.options.items())
        return f"AssociativeMemory({self.d_key}, {self.d_value}, rule={self.rule!r}{options})"

    def reset(self) -> AssociativeMemory:
        """Forget everything.

        Returns
        -------
        AssociativeMemory
            Itself.
        """
        matrix = self.rule not in ("dense", "softmax")
        self._weights = np.zeros((self.d_key, self.d_value) if matrix else (0, 0))
        self._trace = np.zeros(self.d_key)
        self._keys, self._values = np.empty((0, self.d_key)), np.empty((0, self.d_value))
        self._gains = np.empty(0)
        self._solved = True
        return self

    @property
    def weights(self) -> np.ndarray:
        """Matrix (d_key, d_value) of a rule that has one: a read-only view."""
        if self.rule in ("dense", "softmax"):
            raise SpecError.of(where=repr(self), name="weights", bound="are not what this rule stores")
        if not self._solved:
            self._weights = self._least_squares()
            self._solved = True
        view = self._weights.view()
        view.flags.writeable = False
        return view

    def write(self, keys: Any, values: Any = None, *, gain: Any = None) -> AssociativeMemory:
        """Store pairs, in their order.

        Parameters
        ----------
        keys : array_like, (n, d_key)
        values : array_like, (n, d_value), or None
            None stores keys with themselves.
        gain : array_like, (n,), or None
            Third factor: multiplies the learning rate of each pair (hebb, delta, hopfield), its weight in the
            sum (dense, softmax) or in the squared error (ridge).

        Returns
        -------
        AssociativeMemory
            Itself.

        Raises
        ------
        SpecError
            If shapes do not fit, there is no pair, or a key is zero where nothing could come of it.
        NonFiniteError
            If the memory grows beyond all bounds; what was stored before the call is kept.
        """
        alone = values is None
        k = check_rows(keys, self.d_key, repr(self), name="keys")
        v = k if alone else check_rows(values, self.d_value, repr(self), name="values")
        if len(k) != len(v) or v.shape[1] != self.d_value:
            bound = f"must fit {len(k)} keys: ({len(k)}, {self.d_value})"
            raise SpecError.of(where=repr(self), name="values", value=v, bound=bound)
        g = np.ones(len(k)) if gain is None else self._gain(gain, len(k))
        self._refuse_zero_keys(k)
        if self.rule in _LINEAR:
            self._learn(k, v, g, alone)
        else:
            self._keys, self._values = np.vstack((self._keys, k)), np.vstack((self._values, v))
            self._gains = np.append(self._gains, g)
            self._solved = False
        return self

    def _gain(self, gain: Any, n: int) -> np.ndarray:
        g = check_array(gain, where=repr(self), name="gain", shape=(n,))
        if self.rule in ("ridge", "softmax") and (g < 0).any():
            raise SpecError.of(where=repr(self), name="gain", value=float(g.min()), bound="must be >= 0")
        return g

    def _refuse_zero_keys(self, keys: np.ndarray) -> None:
        zero = ~keys.any(axis=1)
        if zero.any() and not self.options.get("eligibility"):
            bound = f"row {int(zero.argmax())} is zero: nothing could ever be read by it"
            fix = "leave it out, or use eligibility > 0 for a value that comes after its key"
            raise SpecError.of(where=repr(self), name="keys", bound=bound, fix=fix)

    def _learn(self, k: np.ndarray, v: np.ndarray, g: np.ndarray, alone: bool) -> None:
        rate = 1 / self.d_key if self.rule == "hopfield" else self.options["learning_rate"]
        weights, trace = self._weights.copy(), self._trace.copy()
        n = compiled(learn_pairs)(
            weights,
            trace,
            k,
            v,
            rate * g,
            self.options.get("decay", 1.0),
            self.options.get("eligibility", 0.0),
            self.rule == "delta",
        )
        if n < len(k) or not np.isfinite(weights).all():
            bound = f"grew beyond all bounds at pair {min(n, len(k) - 1)}"
            fix = "learning_rate times gain times the squared length of a key must be < 2"
            raise NonFiniteError.of(where=repr(self), name="weights", bound=bound, fix=fix)
        if self.rule == "hopfield" and alone:
            np.fill_diagonal(weights, 0.0)
        self._weights, self._trace = weights, trace

    def _least_squares(self) -> np.ndarray:
        root = np.sqrt(self._gains)[:, None]
        k, v = root * self._keys, root * self._values
        if self.options["ridge"]:
            k = np.vstack((k, math.sqrt(self.options["ridge"]) * np.eye(self.d_key)))
            v = np.vstack((v, np.zeros((self.d_key, self.d_value))))
        return np.linalg.lstsq(k, v)[0]

    def read(self, queries: Any, *, steps: int = 1) -> np.ndarray:
        """Recall what belongs to queries.

        Parameters
        ----------
        queries : array_like, (m, d_key)
        steps : int
            How often to ask again with what was recalled, for hopfield, dense and softmax with
            ``d_key == d_value``; all elements change at once.

        Returns
        -------
        ndarray, (m, d_value)

        Raises
        ------
        SpecError
            If the shape does not fit, or steps are asked of a rule that has one.
        MemoryLimitError
            If what is compared would not fit into memory.
        """
        state = check_rows(queries, self.d_key, repr(self), name="queries")
        check_int(steps, where=repr(self), name="steps")
        if steps > 1 and (self.rule not in _RECURRENT or self.d_key != self.d_value):
            bound = "must be 1 for this rule and these widths"
            raise SpecError.of(where=repr(self), name="steps", value=steps, bound=bound)
        need = 8 * len(state) * (2 * len(self._keys) * (self.rule != "ridge") + self.d_value)
        check_bytes(need, where=repr(self), fix="ask in smaller parts")
        for _ in range(steps):
            new = self._read(state)
            if np.array_equal(new, state):
                break
            state = new
        return new

    def _read(self, q: np.ndarray) -> np.ndarray:
        if self.rule == "softmax":
            if not len(self._keys):
                return np.zeros((len(q), self.d_value))
            scores = self.options["beta"] * (q @ self._keys.T)
            scores = self._gains * np.exp(scores - scores.max(axis=1, keepdims=True))
            return (scores @ self._values) / np.maximum(scores.sum(axis=1, keepdims=True), 1e-300)
        if self.rule == "dense":
            overlap = (q @ self._keys.T) / self.d_key
            return self._sign((self._gains * overlap ** (self.options["degree"] - 1)) @ self._values, q)
        recalled = q @ self.weights
        return self._sign(recalled, q) if self.rule == "hopfield" else recalled

    def _sign(self, field: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Sign of a field; where it is zero, an element stays what it was, or is +1 if there is no such."""
        before = state if self.d_key == self.d_value else np.ones_like(field)
        return np.where(field == 0, before, np.sign(field))


def _checked_options(rule: str, given: dict[str, float]) -> dict[str, float]:
    where, options = f"AssociativeMemory {rule!r}", dict(_OPTIONS[rule])
    for name, value in given.items():
        if name not in options:
            raise unknown(where, name, options, kind="option")
        if name == "degree":
            options[name] = check_int(value, where=where, name=name, low=2)
        elif name in ("learning_rate", "beta"):
            options[name] = check_real(value, where=where, name=name, low=0, low_open=True)
        else:
            high = None if name == "ridge" else 1
            options[name] = check_real(
                value, where=where, name=name, low=0, high=high, high_open=name == "eligibility"
            )
    return options
