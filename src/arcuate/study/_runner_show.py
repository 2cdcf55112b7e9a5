"""How far a study is: points done, failed and left, on a terminal, in a notebook, or told to a function."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from typing import Any

from arcuate._progress import BAR_AFTER, ProgressOption

__all__ = ["StudyBar"]

_EVERY = 0.2
"""Seconds between two drawings."""


class StudyBar:
    """A bar after two seconds where somebody looks, a callable, or nothing; a context.

    Parameters
    ----------
    option : bool, callable or None
        True: always a bar; None: a bar on a terminal or in a notebook; False: nothing. A callable gets
        (points done, points in all), the failed ones among them.
    total : int
        Points of the study.
    done : int
        Points that were done before.
    title : str
        Text before the bar.

    Examples
    --------
    >>> with StudyBar(print, 3, done=1, title="gain") as bar:
    ...     bar.update(2, failed=0)
    2 3
    """

    def __init__(self, option: ProgressOption, total: int, *, done: int, title: str) -> None:
        self.option, self.total, self.title = option, total, title
        self._first = self._said = done
        self._start = self._drawn = time.monotonic()
        self._rich: Any = None
        self._tqdm: Any = None

    def __enter__(self) -> StudyBar:
        return self

    def __exit__(self, *error: object) -> None:
        for bar in (self._rich, self._tqdm):
            if bar is not None:
                with contextlib.suppress(OSError, ValueError):  # the terminal is gone
                    (bar.stop if bar is self._rich else bar.close)()

    def update(self, done: int, *, failed: int) -> None:
        """Say how many points are done, with the failed ones among them.

        Parameters
        ----------
        done, failed : int
            Of all points of the study.
        """
        if callable(self.option):
            if done != self._said:
                self._said = done
                self.option(done, self.total)
            return
        now = time.monotonic()
        if self.option is False or now - self._start < BAR_AFTER:
            return
        if now - self._drawn >= _EVERY or done == self.total:
            self._drawn = now
            try:
                self._draw(done, failed, (done - self._first) / (now - self._start))
            except (OSError, ValueError):  # the terminal is gone
                self.option = False

    def _draw(self, done: int, failed: int, rate: float) -> None:
        if self._rich is None and self._tqdm is None:
            if sys.stderr.isatty():
                self._rich = self._rich_bar()
            else:
                self._tqdm = self._tqdm_bar()
        if self._rich is not None:
            self._rich.update(
                self._rich.task_ids[0],
                completed=done,
                failed=f"{failed} failed" if failed else "",
                rate=f"{rate:.3g} points/s",
                refresh=True,
            )
        else:
            self._tqdm.update(done - self._said)
            self._said = done
            if failed:
                self._tqdm.set_postfix_str(f"{failed} failed")

    def _rich_bar(self) -> Any:
        from rich import progress
        from rich.console import Console

        bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[failed]}", style="red"),
            progress.TextColumn("{task.fields[rate]}"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
        )
        bar.add_task(self.title, total=self.total, completed=self._first, failed="", rate="")
        bar.start()
        return bar

    def _tqdm_bar(self) -> Any:
        from tqdm import TqdmWarning

        with warnings.catch_warnings():  # a notebook without widgets gets the bar of a terminal
            warnings.simplefilter("ignore", TqdmWarning)
            from tqdm.auto import tqdm

        return tqdm(
            total=self.total,
            initial=self._first,
            desc=self.title,
            unit="point",
            disable=None if self.option is None else False,
        )
