"""What every task has whose trials come from a generator: drawing them, and batches without end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from arcuate import rng
from arcuate.errors import check_int

__all__ = ["DrawnTask", "as_batch"]


class _HasFrames(Protocol):
    def frames(self) -> tuple[Any, np.ndarray]: ...


T = TypeVar("T", bound=_HasFrames)


class DrawnTask(ABC, Generic[T]):
    """A task that says how its trials are drawn and how many may be drawn at once."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def _most(self) -> int:
        """Trials that may be drawn at once."""

    @abstractmethod
    def _drawn(self, generator: np.random.Generator, n: int) -> T:
        """Draw trials."""

    def draw(self, n_trials: int, *, seed: int) -> T:
        """Draw trials.

        Parameters
        ----------
        n_trials : int
            How many.
        seed : int
            Seed of the draws, stream ``"task/"`` and the kind of the task.

        Returns
        -------
        trials
            In all their forms.

        Raises
        ------
        SpecError
            If the number of trials is out of bounds.

        Examples
        --------
        >>> from arcuate.tasks import Parity
        >>> Parity(length=5).draw(2, seed=3).n_trials
        2
        """
        where = f"{type(self).__name__}.draw"
        n = check_int(n_trials, where=where, name="n_trials", high=self._most)
        return self._drawn(rng.stream(rng.check_seed(seed), f"task/{self.kind}"), n)

    def batches(self, size: int) -> Callable[[np.random.Generator], tuple[Any, np.ndarray]]:
        """Return what `arcuate.nn.fit` draws its batches from.

        Parameters
        ----------
        size : int
            Trials of a batch.

        Returns
        -------
        callable
            Makes (x, targets), as ``frames()`` of new trials, from a NumPy generator.

        Raises
        ------
        SpecError
            If the size is out of bounds.

        Examples
        --------
        >>> from arcuate.tasks import Parity
        >>> x, targets = Parity(length=8).batches(64)(np.random.default_rng(0))
        >>> x.shape, targets.shape
        ((64, 8), (64, 8))
        """
        n = check_int(size, where=f"{type(self).__name__}.batches", name="size", high=self._most)
        return lambda generator: as_batch(self._drawn(generator, n))


def as_batch(trials: _HasFrames) -> tuple[Any, np.ndarray]:
    """Frames of trials, in arrays that torch may take: those of trials are read-only.

    Parameters
    ----------
    trials : object with ``frames()``

    Returns
    -------
    x : ndarray or tuple of ndarray
    targets : ndarray
    """
    x, targets = trials.frames()
    parts = tuple(map(_writable, x)) if isinstance(x, tuple) else _writable(x)
    return parts, _writable(targets)


def _writable(array: np.ndarray) -> np.ndarray:
    return array if array.flags.writeable else array.copy()
