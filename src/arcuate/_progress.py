"""The progress bar of long calls: shown after two seconds where somebody looks, or handed to a function."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from arcuate.errors import SpecError

__all__ = ["ProgressOption", "check_progress", "progress_bar"]

ProgressOption = bool | Callable[[int, int], None] | None

BAR_AFTER = 2.0
"""Seconds before a bar appears (chosen: what is over sooner needs none)."""


def check_progress(option: object, *, where: str, unit: str = "steps") -> None:
    """Refuse what is neither a bar nor a function.

    Parameters
    ----------
    option : bool, callable or None
        What the user gave as ``progress=``.
    where, unit : str
        For the message.

    Raises
    ------
    SpecError
    """
    if option is not None and not isinstance(option, bool) and not callable(option):
        raise SpecError.of(
            where=where,
            name="progress",
            value=option,
            bound=f"must be True, False, None or a function of ({unit} done, {unit} in all)",
        )


class progress_bar:
    """A bar after two seconds where somebody looks, a callable, or nothing; a context that is called.

    Parameters
    ----------
    option : bool, callable or None
        True: always a bar; None: a bar on a terminal; False: nothing.
    total : int
        How many there are to do.
    title, unit : str
        Text before the bar, and the word for one of them.
    """

    def __init__(self, option: ProgressOption, total: int, *, title: str, unit: str = "step") -> None:
        self.option, self.total, self.title, self.unit, self.done = option, total, title, unit, 0
        self._bar: Any = None

    def __enter__(self) -> Callable[[int], None] | None:
        if self.option is False:
            return None
        self._start = time.monotonic()
        return self._call if callable(self.option) else self._draw

    def _call(self, steps: int) -> None:
        self.done += steps
        self.option(self.done, self.total)  # type: ignore[operator, misc]

    def _draw(self, steps: int) -> None:
        """Move the bar; what is over before it would appear never loads what draws it."""
        self.done += steps
        if self._bar is not None:
            self._bar.update(steps)
        elif time.monotonic() - self._start > BAR_AFTER:
            from tqdm import TqdmWarning

            with warnings.catch_warnings():  # a notebook without widgets gets the bar of a terminal
                warnings.simplefilter("ignore", TqdmWarning)
                from tqdm.auto import tqdm

            self._bar = tqdm(
                total=self.total,
                initial=self.done,
                desc=self.title,
                unit=self.unit,
                unit_scale=True,
                disable=None if self.option is None else False,
            )

    def label(self, text: str) -> None:
        """Change the text before the bar.

        Parameters
        ----------
        text : str
            What is being done now; nothing changes with an empty one.
        """
        self.title = text or self.title
        if self._bar is not None:
            self._bar.set_description(self.title)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
