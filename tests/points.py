"""Functions that the studies of the tests call, in other processes too: good ones and bad ones."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any


class Clinging(int):
    """A number that cannot be pickled."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        raise TypeError("not this one, either")


class Stubborn(Exception):
    """An error that cannot be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()

    def __reduce__(self) -> Any:
        raise TypeError("not this one")


def square(x: int, seed: int = 0) -> dict[str, float]:
    """Return what is easy to check."""
    return {"square": float(x * x), "used": seed}


def nothing(x: int, y: int) -> dict[str, int]:
    """Do nothing."""
    return {"sum": x + y}


def learning_reservoir(gain: float, seed: int) -> Any:
    """Run one network of W4."""
    import arcuate as arc
    from arcuate.study.workloads import learning_reservoir, sines

    targets = {"out": sines(20_000, 1e-4)}
    return arc.simulate(learning_reservoir(500, gain=gain), "2 s", seed=seed, targets=targets, progress=False)


def spikes(recording: Any) -> dict[str, int]:
    """Count all spikes."""
    return {"spikes": sum(recording.spike_arrays(name)[1].size for name in recording.populations)}


def slow(x: int, seconds: float = 0.1, log: str = "") -> dict[str, float]:
    """Take a while, and leave a line for every call."""
    if log:
        with Path(log).open("a") as file:
            file.write(f"{x}\n")
    time.sleep(seconds)
    return {"square": float(x * x)}


def bad(x: int, what: str) -> dict[str, Any]:
    """Go wrong at 3."""
    if x == 3:
        _BAD[what]()
    return {"square": float(x * x)}


def clinging(x: int) -> dict[str, Any]:
    """Return at 3 what cannot be sent."""
    return {"square": Clinging(9) if x == 3 else float(x * x)}


def threads(x: int) -> dict[str, int]:
    """Tell how many threads numpy may use."""
    from threadpoolctl import threadpool_info

    return {"most": max([item["num_threads"] for item in threadpool_info()], default=1)}


def once(x: int, folder: str) -> dict[str, float]:
    """Die at 3, but only at the first call."""
    mark = Path(folder) / "died"
    if x == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": float(x * x)}


def _raise_unpicklable() -> None:
    raise Stubborn("cannot be pickled")


def _raise_odd() -> None:
    raise ExceptionGroup("two", [ValueError("one"), KeyError("other")])


def _recurse() -> None:
    _recurse()


def _swallow() -> None:
    while True:
        with contextlib.suppress(Exception):
            time.sleep(60)


def _deaf() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)


_BAD = {
    "raise": _raise_unpicklable,
    "group": _raise_odd,
    "recurse": _recurse,
    "sys.exit": lambda: sys.exit(0),
    "exit": lambda: os._exit(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "interrupt": lambda: os.kill(os.getpid(), signal.SIGINT),
    "hang": _swallow,
    "deaf": _deaf,
}
