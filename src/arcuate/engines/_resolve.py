"""Turn the values of a specification into arrays: numbers, arrays, distributions, expressions."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np

from arcuate import rng
from arcuate.engines.plan import Array
from arcuate.errors import SpecError
from arcuate.mechanisms.expressions import Expression, parse
from arcuate.spec import Distribution, Values

BLOCK = 2**16
"""Elements that are worked on at once, so that what lies between takes little memory."""


class Resolver:
    """Draws and evaluates the values of one owner, all of the same length.

    Parameters
    ----------
    seed : int
        Seed of the plan.
    owner : str
        Population or projection; the first part of the streams' names.
    n : int
        Length of a value that differs from element to element.
    known : mapping of str to float
        Names that expressions may use besides the owner's own values.
    where : str
        The owner as messages call it.
    """

    def __init__(self, seed: int, owner: str, n: int, known: Mapping[str, float], *, where: str = "") -> None:
        self.seed, self.owner, self.n, self.where = seed, owner, n, where or owner
        self.namespace: dict[str, Array] = {key: np.asarray(float(value)) for key, value in known.items()}

    def draw(self, group: str, values: Mapping[str, Any], *, dtype: type = np.float64) -> dict[str, Array]:
        """Resolve a group of values that may name one another.

        Parameters
        ----------
        group : str
            Second part of the streams' names: ``"parameters"``, ``"latents"``, ``"initial"``.
        values : mapping
            Values by name, in SI.
        dtype : type
            Of what is drawn or computed for each element; it is float64 until it is kept.

        Returns
        -------
        dict of str to ndarray
            Each () or (n,), in the order given; also added to the namespace.

        Raises
        ------
        SpecError
            If values define one another in a circle, or a value is not finite.
        """
        texts = {
            key: parse(value, where=self.where, units=True)
            for key, value in values.items()
            if isinstance(value, str)
        }
        graph = {key: texts[key].names & values.keys() if key in texts else set() for key in values}
        try:
            order = list(TopologicalSorter(graph).static_order() if any(graph.values()) else values)
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise SpecError.of(
                where=self.where,
                name=error.args[1][0],
                value=circle,
                bound="values must not define one another",
                fix="give one of them a number",
            ) from error
        for key in order:
            value = values[key]
            if key in texts:
                array = self._evaluate(texts[key], dtype)
            elif isinstance(value, Distribution):
                array = self._sample(value, rng.stream(self.seed, f"{self.owner}/{group}/{key}"), dtype)
            elif isinstance(value, Values):
                array = value.array
            else:
                array = np.asarray(float(value))
            self._check(key, array, text=value if key in texts else "")
            self.namespace[key] = array
        return {key: self.namespace[key] for key in values}

    def _evaluate(self, text: Expression, dtype: type) -> Array:
        """Value of an expression, () or a new (n,), computed in blocks."""
        long = {key: value for key, value in self.namespace.items() if key in text.names and value.ndim}
        if not long or any(value.shape != (self.n,) for value in long.values()):
            return np.array(text.evaluate(self.namespace, finite=False), dtype=float)
        array: Array = np.empty(self.n, dtype)
        for first in range(0, self.n, BLOCK):
            part = slice(first, first + BLOCK)
            given = {**self.namespace, **{key: value[part] for key, value in long.items()}}
            array[part] = text.evaluate(given, finite=False)
        return array

    def _sample(self, distribution: Distribution, generator: np.random.Generator, dtype: type) -> Array:
        """Draw n numbers in blocks; the same as all at once."""
        array: Array = np.empty(self.n, dtype)
        for first in range(0, self.n, BLOCK):
            part = array[first : first + BLOCK]
            part[:] = distribution.sample(generator, part.size)
        return array

    def _check(self, key: str, array: Array, *, text: str = "") -> None:
        if array.shape not in ((), (self.n,)):
            raise SpecError.of(
                where=self.where,
                name=key,
                value=f"{array.shape[0]} values",
                bound=f"must be 1 or {self.n} values",
            )
        if not np.isfinite(array).all():
            place = int(np.flatnonzero(~np.isfinite(np.atleast_1d(array)))[0])
            cause = "look for a division by 0, a logarithm or root of a negative number, or an overflow"
            raise SpecError.of(
                where=self.where,
                name=key,
                value=float(np.atleast_1d(array)[place]),
                bound=f"must be finite; element {place} is not",
                fix=f"{cause} in {text!r}" if text else "",
            )

    def one(self, group: str, key: str, value: Any) -> Array:
        """Resolve a single value.

        Parameters
        ----------
        group, key : str
            Parts of the stream's name.
        value : number, text, array or Distribution
            The value, in SI.

        Returns
        -------
        ndarray, () or (n,)
        """
        return self.draw(group, {key: value})[key]

    def full(self, group: str, key: str, value: Any, *, dtype: type = np.float64) -> Array:
        """Resolve a single value to one number for each element.

        Parameters
        ----------
        group, key : str
            Parts of the stream's name.
        value : number, text, array or Distribution
            The value, in SI.
        dtype : type
            Of the result.

        Returns
        -------
        ndarray, (n,)
            Shared with nothing but the namespace.
        """
        array = self.draw(group, {key: value}, dtype=dtype)[key]
        if array.shape == (self.n,) and not isinstance(value, Values):
            return array  # drawn or computed just now
        return np.broadcast_to(array, (self.n,)).astype(dtype)

    def constants(self, texts: Mapping[str, str]) -> dict[str, Array]:
        """Evaluate a mechanism's constants one after the other.

        Parameters
        ----------
        texts : mapping of str to str
            Expressions over everything resolved so far.

        Returns
        -------
        dict of str to ndarray
        """
        from arcuate.engines._programs import constant

        for key, text in texts.items():
            array = np.asarray(constant(text).evaluate(self.namespace), dtype=float)
            self._check(key, array)
            self.namespace[key] = array
        return {key: self.namespace[key] for key in texts}
