"""Ctrl-C and the signals of a scheduler during a study: what is being written is written, then it ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Signals", "Stop"]


class Stop(BaseException):
    """A signal asked the study to end.

    Parameters
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def as_exit(self) -> BaseException:
        """Return what a program expects: KeyboardInterrupt, or the exit with 128 and the signal's number."""
        return KeyboardInterrupt() if self.number == signal.SIGINT else SystemExit(128 + self.number)


class Signals:
    """A context in which signals raise `Stop`, but not within `held`; a second one raises at once.

    A handler of the user's own stays, and so does a signal that is ignored. In another thread than the
    main one nothing is changed.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._held = False
        self._pending: int | None = None

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number, usual in (
                (signal.SIGINT, signal.default_int_handler),
                (signal.SIGTERM, signal.SIG_DFL),
                (signal.SIGHUP, signal.SIG_DFL),
            ):
                if signal.getsignal(number) is usual:
                    self._before[number] = signal.signal(number, self._come)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _come(self, number: int, frame: FrameType | None) -> None:
        if self._held and self._pending is None:
            self._pending = number
        else:
            raise Stop(number)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Do something to its end; a signal that came meanwhile takes effect afterwards."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending is not None:
            number, self._pending = self._pending, None
            raise Stop(number)
