"""Errors say what, the value, the bound and the way out; checks refuse what they should."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest

from arcuate import errors
from arcuate.errors import (
    ArcuateError,
    SpecError,
    UnknownNameError,
    check_array,
    check_choice,
    check_int,
    check_real,
    unknown,
)

PARENTS = {
    "SpecError": ValueError,
    "UnitsError": ValueError,
    "ExpressionError": ValueError,
    "TaskError": ValueError,
    "UnknownNameError": LookupError,
    "CapabilityError": NotImplementedError,
    "MemoryLimitError": MemoryError,
    "NonFiniteError": FloatingPointError,
    "RecordingError": ValueError,
    "FileFormatError": ValueError,
    "MissingExtraError": ImportError,
    "EngineError": RuntimeError,
    "FitError": ValueError,
}
W = {"where": "Population 'exc'", "name": "n"}


@pytest.mark.parametrize(("name", "parent"), PARENTS.items())
def test_every_error_is_ours_and_a_builtin_and_crosses_processes(name, parent):
    cls = getattr(errors, name)
    error = cls.of(where="W", name="x", value=[1, 2], bound="must be y", fix="use z")
    assert isinstance(error, ArcuateError)
    assert isinstance(error, parent)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert str(again) == "W: x = [1, 2]: must be y. Use z."
    assert (again.where, again.name, again.value, again.bound, again.fix) == (
        "W", "x", "[1, 2]", "must be y", "use z",
    )  # fmt: skip


def test_the_message_of_the_contract():
    error = SpecError.of(
        where="Projection 'exc->exc'",
        name="delay",
        value=-0.001,
        bound="must be >= 0 ms",
        fix='use delay="0 ms"',
    )
    assert str(error) == "Projection 'exc->exc': delay = -0.001: must be >= 0 ms. Use delay=\"0 ms\"."
    assert error.value == -0.001


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6, 10**10_000, np.zeros((1000, 1000)), dict.fromkeys(range(1000), "y" * 1000),
        "\u202e\n\x00" * 50, np.array([object()] * 9), type("Odd", (), {"__repr__": lambda self: 1 / 0})(),
    ],
    ids=["text", "integer", "array", "dict", "bidi", "objects", "repr"],
)  # fmt: skip
def test_any_value_gives_a_short_message(value):
    text = str(SpecError.of(where="W" * 500, name="n" * 500, value=value, bound="must be small"))
    assert len(text) < 400
    assert text.isprintable()


def test_an_unknown_name_gets_the_nearest_or_the_list():
    near = unknown("Neuron 'lif'", "tua_m", ["tau_m", "v_reset"])
    assert isinstance(near, UnknownNameError)
    assert str(near) == "Neuron 'lif': unknown parameter 'tua_m'. Did you mean 'tau_m'?"
    assert "choose from a, b" in str(unknown("W", "zzz", ["b", "a"])).lower()
    many = str(unknown("W", 3, [f"field_{k:03}" for k in range(100)], kind="engine"))
    assert "unknown engine 3" in many
    assert many.count("field_") == 12
    assert "no engine" in str(unknown("W", "x", [], kind="engine"))


@pytest.mark.parametrize(("value", "kept"), [(5, 5), (np.int32(7), 7), (1, 1)])
def test_check_int_keeps_integers(value, kept):
    result = check_int(value, **W)
    assert type(result) is int
    assert result == kept


@pytest.mark.parametrize("value", [0, -5, True, np.True_, 2.5, 100.0, "100", None, math.nan, 1j])
def test_check_int_refuses(value):
    with pytest.raises(SpecError, match=r"Population 'exc': n = .*must be"):
        check_int(value, **W)


def test_check_int_bounds_are_inclusive():
    assert check_int(3, **W, low=3, high=3) == 3
    assert check_int(-7, **W, low=None) == -7
    with pytest.raises(SpecError, match=r"must be >= 1 and <= 4"):
        check_int(5, **W, high=4)
    with pytest.raises(SpecError, match="Use n=100"):
        check_int(100.0, **W)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, 1j, "0.5", None, [0.5], 10**400])
def test_check_real_refuses(value):
    with pytest.raises(SpecError, match=r"n = "):
        check_real(value, **W)


@pytest.mark.parametrize(
    ("value", "kept"), [(0.25, 0.25), (1, 1.0), (np.float32(0.5), 0.5), (Fraction(1, 4), 0.25)]
)
def test_check_real_keeps_numbers(value, kept):
    result = check_real(value, **W, low=0, high=1)
    assert type(result) is float
    assert result == kept


def test_check_real_bounds_may_be_open():
    assert check_real(0, **W, low=0) == 0.0
    with pytest.raises(SpecError, match="must be > 0"):
        check_real(0, **W, low=0, low_open=True)
    with pytest.raises(SpecError, match="must be >= 0 and < 1"):
        check_real(1.0, **W, low=0, high=1, high_open=True)
    with pytest.raises(SpecError, match="<= 1"):
        check_real(1.2, **W, low=0, high=1)


def test_check_choice():
    assert check_choice("row", ("row", "none"), where="P", name="balance") == "row"
    with pytest.raises(UnknownNameError, match=r"unknown balance 'rows'\. Did you mean 'row'"):
        check_choice("rows", ("row", "none"), where="P", name="balance")
    with pytest.raises(UnknownNameError, match="unknown balance 3"):
        check_choice(3, ("row", "none"), where="P", name="balance")


def test_check_array_copies_and_freezes():
    mine = np.array([1.0, 2.0])
    kept = check_array(mine, **W, shape=(None,))
    mine[0] = 9.0
    assert kept.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 5.0
    assert check_array([[1, 2]], **W, shape=(1, 2)).dtype == np.float64
    assert check_array([1, 2], **W, dtype=int).tolist() == [1, 2]
    assert check_array([], **W, shape=(0,)).shape == (0,)


@pytest.mark.parametrize(
    ("value", "keywords", "message"),
    [
        ([1.0, math.nan], {}, r"element \[1\] is nan"),
        ([[1.0, math.inf]], {}, r"element \[0, 1\] is inf"),
        ([1j], {}, "not of complex128"),
        (np.array([object()]), {}, "not of object"),
        (["1", "2"], {}, "real numbers"),
        ([True], {}, "not of bool"),
        ([[1], [1, 2]], {}, "rectangular"),
        ([1, 2], {"shape": (3,)}, r"shape \(3,\), not \(2,\)"),
        ([1, 2], {"shape": (None, 2)}, r"shape \(any, 2\)"),
        ([1.5], {"dtype": int}, "integers"),
        (np.ma.masked_equal([1.0, 2.0], 2.0), {}, "masked"),
    ],
)
def test_check_array_refuses(value, keywords, message):
    with pytest.raises(SpecError, match=message):
        check_array(value, **W, **keywords)


def test_check_array_refuses_a_quantity_instead_of_dropping_its_unit():
    pint = pytest.importorskip("pint")
    with pytest.raises(SpecError, match="without a unit"):
        check_array(pint.UnitRegistry().Quantity([1.0, 2.0], "ms"), **W)
