"""The progress of a flagship: labeled steps of unequal length, told to a bar or to a function."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from arcuate._progress import check_progress, progress_bar

__all__ = ["Progress", "ShownProgress", "Steps"]

Progress = Callable[[float, float, str], None]
"""Called as ``progress(done, total, label)``."""

_PARTS = 1000


class ShownProgress:
    """What `run` hands to a flagship: the caller's function, a bar with the label of the step, or nothing.

    Parameters
    ----------
    option : bool, callable or None
        A function of ``(done, total, label)``; True: always a bar; None: a bar on a terminal; False: nothing.
    title : str
        Text before the bar until the first label.

    Examples
    --------
    >>> with ShownProgress(False, "toy") as progress:
    ...     progress(1, 2, "half")
    """

    def __init__(self, option: bool | Progress | None, title: str) -> None:
        check_progress(option, where="flagships.run")
        self._function = option if callable(option) else None
        self._bar = None if callable(option) else progress_bar(option, _PARTS, title=title, unit="part")
        self._draw: Callable[[int], None] | None = None
        self._done = 0

    def __enter__(self) -> ShownProgress:
        self._draw = None if self._bar is None else self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, traceback)

    def __call__(self, done: float, total: float, label: str = "") -> None:
        """Say how far it is.

        Parameters
        ----------
        done, total : float
            In any unit.
        label : str
            What is being done now.
        """
        if self._function is not None:
            self._function(done, total, label)
        elif self._draw is not None and self._bar is not None:
            reached = int(_PARTS * done / total) if total > 0 else 0
            self._bar.label(label)
            self._draw(max(reached - self._done, 0))
            self._done = max(reached, self._done)


class Steps:
    """Counts the steps of a flagship, each with a label and a cost.

    Parameters
    ----------
    progress : callable
        Called as ``progress(done, total, label)``.
    total : float
        Sum of the costs of all steps.

    Examples
    --------
    >>> steps = Steps(lambda done, total, label: print(done, total, label), 3)
    >>> steps("train", cost=2)
    0.0 3 train
    >>> steps("measure")
    2.0 3 measure
    """

    def __init__(self, progress: Progress, total: float) -> None:
        self._progress, self._total = progress, total
        self._done = self._running = 0.0
        self._label = ""

    def __call__(self, label: str, *, cost: float = 1.0) -> None:
        """Begin a step; the one before it is over.

        Parameters
        ----------
        label : str
            What is being done.
        cost : float
            Its share of the total.
        """
        self._done += self._running
        self._running, self._label = cost, label
        self._progress(self._done, self._total, label)

    def inner(self, done: int, total: int) -> None:
        """Say how far the running step is; hand it to whatever takes ``progress(done, total)``.

        Parameters
        ----------
        done, total : int
            Of the running step.
        """
        self._progress(self._done + self._running * done / max(total, 1), self._total, self._label)
