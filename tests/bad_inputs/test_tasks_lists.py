"""What parity and sorting refuse, by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from arcuate.errors import MemoryLimitError, SpecError
from arcuate.tasks import Parity, Sort

ROWS: list[tuple[str, Callable[[], object], str]] = [
    ("no sign", lambda: Parity(length=0), "length"),
    ("half a sign", lambda: Parity(length=2.5), "length"),
    ("too many signs", lambda: Parity(length=10**6), "length"),
    ("one number", lambda: Sort(length=1), "length"),
    ("true", lambda: Sort(length=True), "length"),
    ("too many numbers", lambda: Sort(length=1000), "length"),
    ("no trial of parity", lambda: Parity().draw(0, seed=1), "n_trials"),
    ("no trial of sorting", lambda: Sort().draw(-1, seed=1), "n_trials"),
    ("more than memory", lambda: Parity(length=4096).draw(10**6, seed=1), "n_trials"),
    ("no seed", lambda: Parity().draw(2, seed=-1), "seed"),
    ("no batch", lambda: Parity().batches(0), "size"),
    ("batch as text", lambda: Sort().batches("64"), "size"),  # type: ignore[arg-type]
    ("answers of another shape", lambda: Parity().draw(2, seed=1).score(np.zeros((2, 7))), "answers"),
    ("answers of other trials", lambda: Sort().draw(2, seed=1).score(np.zeros((3, 6))), "answers"),
    ("answers without rows", lambda: Sort().draw(2, seed=1).score(np.zeros(6)), "answers"),
    ("ragged parities", lambda: Parity().draw(2, seed=1).score([[1], [1, 0]]), "answers"),  # type: ignore[arg-type]
    ("ragged orders", lambda: Sort().draw(2, seed=1).score([[1], [1, 0]]), "answers"),  # type: ignore[arg-type]
    ("held for half a step", lambda: Parity().draw(2, seed=1).drive("1 ms", hold="1.5 ms"), "hold"),
    ("a bare step", lambda: Sort().draw(2, seed=1).drive(1, hold="5 ms"), "dt"),
]


@pytest.mark.parametrize(("call", "name"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_refused(call: Callable[[], object], name: str) -> None:
    with pytest.raises(SpecError) as caught:
        call()
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    assert name in message


def test_currents_that_would_not_fit() -> None:
    with pytest.raises(MemoryLimitError, match=r"GiB.*\n?.*hold"):
        Parity().draw(2, seed=1).drive("1 ms", hold="1000000 s")
