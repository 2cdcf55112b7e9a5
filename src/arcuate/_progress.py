"""The progress bar of long calls: shown after two seconds where somebody looks, or handed to a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arcuate.errors import SpecError

__all__ = ["ProgressOption", "check_progress", "progress_bar"]

ProgressOption = bool | Callable[[int, int], None] | None


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
        if callable(self.option):
            return self._call
        from tqdm.auto import tqdm

        shown = None if self.option is None else False
        self._bar = tqdm(
            total=self.total, desc=self.title, unit=self.unit, unit_scale=True, delay=2.0, disable=shown
        )
        return self._bar.update

    def _call(self, steps: int) -> None:
        self.done += steps
        self.option(self.done, self.total)  # type: ignore[operator, misc]

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
