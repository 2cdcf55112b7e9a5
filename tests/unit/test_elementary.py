"""Exponentials of the expression language: accuracy against decimal arithmetic, bits, vectorized loops."""

from __future__ import annotations

import decimal
import platform
from decimal import Decimal

import numpy as np
import pytest

from arcuate.mechanisms._elementary import ELEMENTARY, source, used
from arcuate.mechanisms.expressions import FUNCTIONS, parse

EDGES = [
    0.0, -0.0, 5e-324, -5e-324, 1e-310, -1e-310, 1e-17, 0.5, -0.5, 1.0, 20.0, -20.0, 700.0, 709.0, 709.5,
    709.78, -700.0, -708.3, -708.5, -740.0, -745.1,
]  # fmt: skip


def points(count: int = 2500) -> np.ndarray:
    rng = np.random.default_rng(3)
    tiny = rng.normal(size=count) * 10.0 ** rng.uniform(-300, 0, count)
    return np.concatenate([EDGES, rng.uniform(-1, 1, count), rng.uniform(-745, 709.7, count), tiny])


def truth(name: str, x: float) -> Decimal:
    """With 60 digits, or as many more as x is small."""
    number = Decimal(x)
    with decimal.localcontext() as context:
        context.prec = 60 + max(0, -2 * number.adjusted() if number else 0)
        if name == "exp":
            return number.exp()
        if name == "exprel":
            return (number.exp() - 1) / number if number else Decimal(1)
        twice = (2 * number).exp()
        return (twice - 1) / (twice + 1)


@pytest.mark.parametrize(("name", "ulps"), [("exp", 1.0), ("exprel", 2.0), ("tanh", 3.0)])
def test_accuracy(name: str, ulps: float) -> None:
    worst = 0.0
    for x, value in zip(points().tolist(), ELEMENTARY[name](points()).tolist(), strict=True):
        wanted = truth(name, x)
        if wanted:
            error = abs(Decimal(value) - wanted) / Decimal(np.spacing(abs(float(wanted))).item())
            worst = max(worst, float(error))
        else:
            assert value == 0.0
    assert worst <= ulps


@pytest.mark.parametrize(
    ("name", "limits"),
    [("exp", (0.0, np.inf)), ("exprel", (0.0, np.inf)), ("tanh", (-1.0, 1.0))],
)
def test_limits(name: str, limits: tuple[float, float]) -> None:
    function = ELEMENTARY[name]
    assert (function(-np.inf), function(np.inf)) == limits
    assert np.isnan(function(np.nan))
    assert function(0.0) == (0.0 if name == "tanh" else 1.0)
    if name == "exp":
        assert (function(-746.5), function(710.5)) == limits
        assert function(-745.1) == 5e-324
    assert isinstance(function(1), float)


def loop(name: str) -> str:
    return f"def kernel(n0, n1, x, out):\n    for i in range(x.size):\n        out[i] = arc_{name}(x[i])\n"


@pytest.mark.parametrize("name", ELEMENTARY)
def test_numba_has_the_bits_of_numpy_in_a_vectorized_loop(name: str) -> None:
    import numba

    from arcuate.engines._compile import load_kernel

    x = np.concatenate([points(), [np.nan, np.inf, -np.inf]])
    out = np.empty_like(x)
    kernel = numba.njit(error_model="numpy")(load_kernel(loop(name)).py_func)  # compiled, not cached
    kernel(0, 0, x, out)
    assert np.array_equal(out, ELEMENTARY[name](x), equal_nan=True)
    if platform.machine() in ("x86_64", "AMD64"):
        (machine_code,) = kernel.inspect_asm().values()
        assert machine_code.count("mulpd") > 8


def test_they_belong_to_the_language() -> None:
    assert set(ELEMENTARY) <= set(FUNCTIONS)
    text = parse("exp(a) + exprel(b)*tanh(exp(a))", where="Example")
    assert used(text.emit("numba")) == used(text.emit("brian")) == ["exp", "exprel", "tanh"]
    assert text.evaluate({"a": 0.0, "b": 0.0}) == 1.0 + np.tanh(1.0)
    for name in ELEMENTARY:
        for dialect in ("numba", "cpp", "cython"):
            assert f"arc_{name}(" in source(name, dialect)
