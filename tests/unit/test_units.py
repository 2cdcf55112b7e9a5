"""Quantities become SI floats, rounded once; everything else is refused with the likely meaning."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcuate.errors import ArcuateError, SpecError, UnitsError
from arcuate.units import (
    UNITS,
    dimension,
    format_si,
    is_quantity_text,
    parse_quantity,
    to_si,
    to_si_array,
)

W = {"where": "Neuron 'lif'", "name": "tau_m"}


@pytest.mark.parametrize(
    ("value", "unit", "si"),
    [
        ("20 ms", "s", 0.02),
        ("20ms", "s", 0.02),
        (" 20 * ms ", "s", 0.02),
        ("1.1 ms", "s", 0.0011),
        ("-65 mV", "V", -0.065),
        ("0.02 /ms", "1/s", 20.0),
        ("5 Hz", "1/s", 5.0),
        ("5e3 pA*ms", "A*s", 5e-12),
        ("0.7 uS/V", "S/V", 7e-7),
        ("0.7 nS/mV", "S/V", 7e-7),
        ("250 pF", "A*s/V", 2.5e-10),
        ("100 Mohm", "V/A", 1e8),
        ("4 ms^2", "s**2", 4e-6),
        ("1 cm", "m", 0.01),
        ("2 uM", "mM", 2e-3),
        ("0.5", "1", 0.5),
        (0.5, "1", 0.5),
        (np.float64(2), "1", 2.0),
        (3, "1", 3.0),
    ],
)
def test_quantities(value, unit, si):
    assert to_si(value, unit, **W) == si


def test_square_roots_of_time():
    # 3 pA sqrt(ms) in A sqrt(s), by hand.
    assert to_si("3 pA*ms**0.5", "A*s**0.5", **W) == pytest.approx(3e-12 * math.sqrt(1e-3), rel=1e-15)


@pytest.mark.parametrize(
    ("value", "unit", "message"),
    [
        (20, "s", r'tau_m = 20: has no unit; a quantity in s is needed. Did you mean "20 ms"\?'),
        (0, "s", r'Did you mean "0 ms"\?'),
        (-65.0, "V", r'Did you mean "-65 mV"\?'),
        (100.0, "A", r'Did you mean "100 pA"\?'),
        ("20", "s", "has no unit"),
        ("20 mV", "s", "has the unit of V; a quantity in s is needed"),
        ("3 pA", "1", "a number without a unit is needed"),
        ("20 msec", "s", "unknown unit 'msec'. Did you mean 'ms'"),
        ("1 s s", "s", r"joined by \* or /"),
        ("1 s*", "s", "joined by"),
        ("1 **s", "s", "joined by"),
        ("20 1", "s", "a number and a unit"),
        ("", "s", "a number and a unit"),
        ("ms", "s", "a number and a unit"),
        ("nan ms", "s", "a number and a unit"),
        ("inf ms", "s", "a number and a unit"),
        ("1e400 ms", "s", "finite"),
        ("1e-9999999999 ms", "s", "finite"),
        ("9" * 10**6 + " ms", "s", "a number and a unit"),
        ("1 s**99999", "s", "joined by"),
        ("1 ms\u202e", "s", "tau_m"),
        ("١ ms", "s", "a number and a unit"),
        (math.nan, "s", "must be finite"),
        (math.inf, "1", "must be finite"),
        (True, "1", "real number"),
        (None, "s", "real number"),
        ([1.0], "s", "real number"),
        (1j, "1", "real number"),
    ],
)
def test_refusals(value, unit, message):
    with pytest.raises(SpecError, match=message) as caught:
        to_si(value, unit, **W)
    assert str(caught.value).startswith("Neuron 'lif': tau_m = ")
    assert len(str(caught.value)) < 300


def test_bounds_are_said_in_the_users_unit():
    keywords = {"low": 1e-4, "high": 10.0}
    assert to_si("0.1 ms", "s", **W, **keywords) == 1e-4
    with pytest.raises(SpecError, match=r"tau_m = '20000 ms': must be >= 100 us and <= 10 s"):
        to_si("20000 ms", "s", **W, **keywords)
    with pytest.raises(SpecError, match=r"must be > 0 ms"):
        to_si("0 ms", "s", **W, low=0.0, low_open=True)


def test_dimensions_form_a_group():
    assert dimension("V") / dimension("A") == dimension("ohm")
    assert dimension("F") * dimension("ohm") == dimension("s")
    assert dimension("S") ** -1 == dimension("ohm")
    assert dimension("1") == dimension("s") / dimension("s")
    assert {str(dimension(unit)) for unit in ("pA*ms", "A*s")} == {"A*s"}
    assert str(dimension("m**2*K")) == "m**2*K"


def test_brian2_units_agree():
    """Every symbol that Brian2 also has, has the same value and dimension there."""
    brian2 = pytest.importorskip("brian2")
    compared = 0
    for symbol, (factor, dim) in UNITS.items():
        if symbol == "1" or symbol.endswith("M"):
            continue
        name = symbol if len(symbol) > 1 else {
            "s": "second", "V": "volt", "A": "amp", "F": "farad", "S": "siemens", "m": "meter", "K": "kelvin",
        }[symbol]  # fmt: skip
        unit = getattr(brian2, name, None) or getattr(brian2.units.allunits, _long(symbol))
        assert float(unit) == pytest.approx(factor, rel=1e-15), symbol
        assert to_si(2 * unit, str(dim), **W) == pytest.approx(2 * factor, rel=1e-15)
        compared += 1
    assert compared >= 35


def _long(symbol: str) -> str:
    prefix, base = symbol[0], symbol[1:]
    words = {
        "s": "second",
        "V": "volt",
        "A": "amp",
        "F": "farad",
        "S": "siemens",
        "m": "metre",
        "Hz": "hertz",
    }
    return prefix + words.get(base, base)


def test_quantities_of_brian2():
    brian2 = pytest.importorskip("brian2")
    assert to_si(20 * brian2.ms, "s", **W) == 0.02
    with pytest.raises(UnitsError, match="has the unit of V"):
        to_si(20 * brian2.mV, "s", **W)
    with pytest.raises(UnitsError, match="not an array"):
        to_si([1, 2] * brian2.ms, "s", **W)
    assert to_si_array([1, 2] * brian2.ms, "s", **W).tolist() == [0.001, 0.002]
    with pytest.raises(UnitsError, match="quantities in s are needed"):
        to_si_array([1, 2] * brian2.mV, "s", **W)


def test_quantities_of_pint():
    pint = pytest.importorskip("pint")
    registry = pint.UnitRegistry()
    assert to_si(registry.Quantity(20, "ms"), "s", **W) == 0.02
    assert to_si(registry.Quantity(5, "nS/mV"), "S/V", **W) == pytest.approx(5e-6, rel=1e-14)
    assert to_si(registry.Quantity(0.5, ""), "1", **W) == 0.5
    with pytest.raises(UnitsError, match="has the unit of V"):
        to_si(registry.Quantity(20, "mV"), "s", **W)


def test_arrays_of_quantities():
    assert to_si_array(["1 ms", "2 s"], "s", **W, shape=(2,)).tolist() == [0.001, 2.0]
    assert to_si_array([1, 2.5], "1", **W).tolist() == [1.0, 2.5]
    for value in ([1.0, 2.0], np.ones(3), 5.0):
        with pytest.raises(UnitsError, match="quantities in s are needed"):
            to_si_array(value, "s", **W)
    with pytest.raises(UnitsError, match=r"tau_m\[1\] = 2"):
        to_si_array(["1 ms", 2], "s", **W)
    with pytest.raises(SpecError, match=r"shape \(3,\)"):
        to_si_array(["1 ms"], "s", **W, shape=(3,))


def test_text_of_quantities_is_told_from_expressions():
    assert all(map(is_quantity_text, ["20 ms", "0.5", "-1e3 pA*ms", "1/s"]))
    assert not any(map(is_quantity_text, ["20*rho", "v_r", "v_r + 40*mV", "ms", "", None, 20]))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.02, "s", "20 ms"), (0.0011, "s", "1.1 ms"), (0.0, "V", "0 mV"), (-0.065, "V", "-65 mV"),
        (2.5e-10, "F", "250 pF"), (20.0, "1/s", "20 Hz"), (1e8, "ohm", "100 Mohm"), (60.0, "s", "60 s"),
        (0.1, "1", "0.1"), (7e-7, "S/V", "7e-07 S/V"), (800.0, "1", "800"), (1e-3, "s", "1 ms"),
    ],
)  # fmt: skip
def test_format(value, unit, text):
    assert format_si(value, unit) == text


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["s", "V", "A", "F", "S", "1/s", "1", "S/V", "A*s", "ohm", "pA*ms", "pA*ms**0.5"]),
)
def test_format_reads_back_exactly(value, unit):
    text = format_si(value, unit)
    again, dim = parse_quantity(text)
    assert again == value
    assert dim == dimension(unit)


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**6), max_value=10**6),
    st.sampled_from(["ms", "us", "mV", "pA", "nS", "uF", "kHz", "Mohm"]),
)
def test_reading_rounds_once(number, unit):
    """Decimal arithmetic is exact here, so its float is the correctly rounded truth."""
    power = Decimal(10) ** {"m": -3, "u": -6, "p": -12, "n": -9, "k": 3, "M": 6}[unit[0]]
    assert parse_quantity(f"{number} {unit}")[0] == float(number * power)


@given(st.text(max_size=40) | st.from_regex(r"[-0-9.eE]{1,6} ?[a-zA-Z*/^ 0-9]{0,10}", fullmatch=True))
def test_any_text_is_read_or_refused(text):
    try:
        value, _ = parse_quantity(text)
    except ArcuateError as error:
        assert isinstance(error, UnitsError)
    else:
        assert math.isfinite(value)
