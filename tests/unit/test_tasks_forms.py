"""The forms of drawn trials: tokens, and currents that hold each item."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.errors import TaskError
from arcuate.tasks.forms import Tokens, drive


def test_each_item_is_held_for_its_steps():
    items = np.arange(12.0).reshape(2, 3, 2)
    shown = drive(items, "0.5 ms", hold="2 ms", channels=["a", "b"], targets=items[:, :, :1], outputs=["y"])
    assert shown.inputs.shape == (2, 12, 2)
    for item in range(3):
        assert (shown.inputs[:, 4 * item : 4 * item + 4] == items[:, item : item + 1]).all()
        assert (shown.targets[:, 4 * item : 4 * item + 4, 0] == items[:, item, :1]).all()
    assert shown.asked.all()
    assert (shown.series()[12:] == shown.inputs[1]).all()


def test_what_is_asked_is_held_too():
    asked = np.array([[False, True]])
    shown = drive(np.zeros((1, 2, 1)), "1 ms", hold="3 ms", channels=["a"], asked=asked)
    assert shown.asked.tolist() == [[False] * 3 + [True] * 3]


def test_arrays_cannot_be_changed():
    shown = drive(np.zeros((1, 2, 1)), "1 ms", hold="3 ms", channels=["a"])
    with pytest.raises(ValueError, match="read-only"):
        shown.inputs[0] = 1
    tokens = Tokens(tokens=np.zeros((1, 2), int), targets=np.zeros((1, 2), int), vocabulary=("a",))
    with pytest.raises(ValueError, match="read-only"):
        tokens.tokens[0] = 1


@pytest.mark.parametrize("hold", ["1.5 ms", "0.2 ms"])
def test_an_item_that_is_no_whole_number_of_steps_is_refused(hold):
    with pytest.raises(TaskError, match="whole number of steps of 1 ms"):
        drive(np.zeros((1, 2, 1)), "1 ms", hold=hold, channels=["a"])
