"""Rows 51 to 61 of the table of bad inputs, and a fuzz: text that is hostile, malformed or enormous."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arcuate.errors import ArcuateError, ExpressionError, NonFiniteError, UnitsError, UnknownNameError
from arcuate.mechanisms.expressions import FUNCTIONS, parse, parse_program
from arcuate.units import dimension

PARENTHESES = "(" * 10_000 + "x" + ")" * 10_000

ROWS = {
    "51 import": ("__import__('os')", "unknown function '__import__'"),
    "51 import of a module": ("__import__('os').system('true')", "not allowed"),
    "52 attribute": ("v.real", "attribute"),
    "52 attribute of a number": ("(1).__class__", "attribute"),
    "52 attribute of a call": ("exp(1).__class__.__bases__", "attribute"),
    "53 lambda": ("(lambda: 1)()", "lambda"),
    "53 list": ("[x for x in y]", "list comp"),
    "53 generator": ("(x for x in y)", "generator exp"),
    "53 walrus": ("(x := 1)", "walrus"),
    "54 parentheses": (PARENTHESES, "at most 10000 characters, not 20001"),
    "54 fewer parentheses": (PARENTHESES[7_000:13_001], "nested at most 50 deep, not 3000"),
    "54 brackets": ("[" * 3_000, "nested at most 50 deep"),
    "54 minus signs": ("-" * 5_000 + "x", "is not an expression|nested"),
    "54 a long sum": ("+".join("x" * 5_000), "is not an expression|nested"),
    "54 a sum of 300": ("+".join("x" * 300), "nested at most 100 deep"),
    "54 not not not": ("not " * 2_000 + "x", "is not an expression|nested"),
    "55 tower": ("9**9**9**9", "exponent"),
    "55 power": ("2**1000000", "exponent"),
    "55 repeated products": ("((((x**16)**16)**16)**16)**16", "at most 5000 operations"),
    "55 nested choices": ("max(x, " * 12 + "x" + ")" * 12, "at most 5000 operations"),
    "55 long integer": ("9" * 6_000, "is not an expression|too large"),
    "55 large integer": ("9" * 400, "too large"),
    "55 large float": ("1e400", "too large"),
    "57 builtin": ("open", "Python or arcuate uses"),
    "57 builtin called": ("eval(x)", "unknown function 'eval'"),
    "57 dunder": ("__builtins__", "must be a letter"),
    "57 keyword": ("lambda", "is not an expression"),
    "60 one megabyte": ("x+" * 500_000 + "x", "at most 10000 characters, not 1000001"),
    "61 right-to-left override": ("a\u202e + b", r"not U\+202E"),
    "61 isolate": ("a \u2066+ b", r"not U\+2066"),
    "61 nul": ("a\0b", r"not U\+0000"),
    "61 look-alike": ("\u0430 + b", r"not U\+0430"),
    "61 full-width": ("\uff41 + b", r"not U\+FF41"),
    "61 no-break space": ("a\u00a0+ b", r"not U\+00A0"),
    "61 escape": ("a\x1b[31m", r"not U\+001B"),
    "empty": ("", "empty"),
    "blank": (" \t\n", "empty"),
    "not text": (5, "must be text"),
    "bytes": (b"x", "must be text"),
    "nothing": (None, "must be text"),
    "text in text": ("'a'", "not a real number"),
    "format": ("f'{x}'", "not allowed"),
    "true": ("True", "not a real number"),
    "complex": ("1j", "not a real number"),
    "ellipsis": ("...", "not allowed"),
    "index": ("a[0]", "subscript"),
    "tuple": ("a, b", "tuple"),
    "statement": ("a; b", "is not an expression"),
    "comment": ("a # b", "comment"),
    "two lines": ("a\nb", "is not an expression"),
    "star": ("exp(*a)", "not allowed|argument"),
    "keyword argument": ("exp(x=1)", "1 argument"),
    "too few": ("where(a > b, 1)", "3 argument"),
    "ternary": ("a if b else c", "if ... else"),
    "modulo": ("a % b", "%"),
    "matrix": ("a @ b", "mat mult"),
    "shift": ("a << b", "shift"),
    "chain": ("a < b < c", "chains comparisons"),
    "is": ("a is b", "not allowed"),
    "condition as number": ("(a < b) + 1", "uses a condition as a number"),
    "number as condition": ("a and b", "uses a number as a condition"),
    "number in where": ("where(a, b, c)", "uses a number as a condition"),
    "call of a number": ("2(x)", "not allowed"),
    "misspelt function": ("tahn(x)", "Did you mean 'tanh'"),
}


@pytest.mark.parametrize("row", ROWS)
def test_refused_at_once_and_in_our_words(row):
    text, message = ROWS[row]
    start = time.process_time()
    with pytest.raises(ExpressionError, match=message) as caught:
        parse(text, where="Neuron 'q'")
    assert time.process_time() - start < 2.0
    shown = str(caught.value)
    assert shown.startswith("Neuron 'q'")
    assert shown.count("\n") < 4
    assert len(shown) < 500
    assert shown.isprintable()


def test_56_undefined_name():
    with pytest.raises(UnknownNameError, match="unknown name 'rho'"):
        parse("15*rho", where="Neuron 'q'").evaluate({"xi": 1.0})


def test_58_wrong_dimensions():
    with pytest.raises(UnitsError, match="v \\+ tau: combines V and s"):
        parse("v + tau", where="Neuron 'q'").dimension({"v": dimension("V"), "tau": dimension("s")})


@pytest.mark.parametrize(
    ("text", "shown"), [("1/x", "inf"), ("x/x", "nan"), ("x**-2", "inf"), ("log(x)", "-inf")]
)
def test_59_division_that_can_be_zero(text, shown):
    with pytest.raises(NonFiniteError, match=rf"must be finite; element \[2\] is {shown}"):
        parse(text, where="Neuron 'q'").evaluate({"x": [1.0, 2.0, 0.0, 0.0]})


ALPHABET = [
    *FUNCTIONS, "x", "v_r", "mV", "1", "0.5", "1e3", "9", "**", "*", "/", "+", "-", "(", ")", ",", "<",
    ">=", "==", "!=", "and", "or", "not", " ", "\n", "=", ":=", "[", "]", "{", "}", ".", "lambda", "for",
    "in", "if", "else", "__import__", "'", '"', "#", "\\", "@", "%", "~", "\u202e", "\x00", "yield", "await",
    "*args", "print", "0x", "1_",
]  # fmt: skip


@given(st.text(max_size=200) | st.lists(st.sampled_from(ALPHABET), max_size=40).map("".join), st.booleans())
@example("1if x else y", False)
@example("0_7", True)
def test_fuzz_any_text_is_read_or_refused(text, units):
    for read in (
        lambda: parse(text, where="Neuron 'q'", units=units),
        lambda: parse_program(text, where="Neuron 'q'"),
    ):
        try:
            found = read()
        except ArcuateError:
            continue
        found.emit("numba")
        found.emit("brian")


@given(st.lists(st.sampled_from(ALPHABET[:28]), min_size=1, max_size=12).map(" ".join))
def test_fuzz_what_is_read_can_be_computed(text):
    try:
        expression = parse(text, where="Neuron 'q'")
    except ExpressionError:
        return
    expression.evaluate(dict.fromkeys(expression.names, 0.5), finite=False)
    assert parse(text, where="elsewhere") == expression
