"""One tree, the same numbers: NumPy values, Numba source and Brian2 source against Python itself."""

from __future__ import annotations

import ast
import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from arcuate.errors import ExpressionError, NonFiniteError, SpecError, UnitsError, UnknownNameError
from arcuate.mechanisms.expressions import FUNCTIONS, Expression, check_name, parse, parse_program
from arcuate.units import UNITS, dimension

W = {"where": "Neuron 'q'"}


def keep_nan(choose):
    """A choice of two numbers that keeps a NaN of either, written with Python's own comparison."""
    return lambda a, b: a if math.isnan(a) else b if math.isnan(b) else choose(a, b)


# What the functions mean, for Python's evaluator on Python's floats.
MEANING = {
    "where": lambda condition, a, b: a if condition else b,
    "min": keep_nan(lambda a, b: a if a < b else b),
    "max": keep_nan(lambda a, b: a if a > b else b),
    "clip": lambda x, low, high: low if x < low else high if x > high else x,
    "abs": math.fabs,
    "floor": lambda x: np.float64(np.floor(x)),
    "sqrt": np.sqrt,
    "pi": math.pi,
}
BRIAN = {f"arc_{name}": MEANING[name] for name in ("where", "min", "max", "clip", "floor")}


def same(a, b):
    """Whether two floats have the same bits, any NaN being equal to any other."""
    return (math.isnan(a) and math.isnan(b)) or np.float64(a).tobytes() == np.float64(b).tobytes()


LEAVES = st.sampled_from(["a", "b", "c", "0.1", "3", "1e-3", "pi", "0.0", "7.25"])


def _grow(numbers):
    comparison = st.builds("({} {} {})".format, numbers, st.sampled_from("< <= > >= == !=".split()), numbers)
    condition = comparison | st.builds(
        "({} {} {})".format, comparison, st.sampled_from(["and", "or"]), comparison
    )
    condition |= st.builds("(not {})".format, comparison)
    return st.one_of(
        st.builds("{} {} {}".format, numbers, st.sampled_from("+-*/"), numbers),
        st.builds("({} {} {})".format, numbers, st.sampled_from("+-*/"), numbers),
        st.builds("-{}".format, numbers),
        st.builds("{}({})".format, st.sampled_from(["abs", "floor", "sqrt"]), numbers),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), numbers, numbers),
        st.builds("clip({}, {}, {})".format, numbers, numbers, numbers),
        st.builds("where({}, {}, {})".format, condition, numbers, numbers),
    )


TEXTS = st.recursive(LEAVES, _grow, max_leaves=12)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64) | st.sampled_from([0.0, -0.0, 1.0, -1.0])


@given(TEXTS, NUMBERS, NUMBERS, NUMBERS)
def test_all_three_have_the_bits_of_python(text, a, b, c):
    """Python evaluates the text by its own precedence; NumPy floats divide by zero as IEEE says."""
    names = {"a": np.float64(a), "b": np.float64(b), "c": np.float64(c)}
    numbers = ast.parse(text, mode="eval")
    for node in ast.walk(numbers):  # 3/0.0 is an error for Python's own floats
        if isinstance(node, ast.Constant):
            node.value = np.float64(node.value)
    with np.errstate(all="ignore"):
        truth = _walk(numbers.body, {**MEANING, **names})
        expression = parse(text, **W)
        values = [expression.evaluate(names, finite=False)]
        scope = {**names, "math": _NumpyMath, "np": np}
        values.append(eval(_floats(expression.emit("numba")), scope))
        values.append(eval(_floats(expression.emit("brian")), {**scope, **BRIAN, "sqrt": np.sqrt}))
        arrays = expression.evaluate({name: np.full(9, value) for name, value in names.items()}, finite=False)
    values += list(np.atleast_1d(arrays))
    assert all(same(value, truth) for value in values), (truth, values)


class _NumpyMath:
    """The functions of ``math`` as Numba compiles them: no exception outside the domain."""

    sqrt = staticmethod(np.sqrt)


def _floats(source):
    """Turn the numbers of a source into NumPy's, which follow IEEE in a division by zero."""
    tree = ast.parse(source, mode="eval")

    class Wrap(ast.NodeTransformer):
        def visit_Constant(self, node):
            wrapped = ast.parse(f"np.float64({node.value!r})", mode="eval").body
            return ast.copy_location(wrapped, node)

    return compile(ast.fix_missing_locations(Wrap().visit(tree)), "<emitted>", "eval")


def _walk(node, names):
    """Evaluate Python's own tree of the text, with NumPy's scalars."""
    binary = {ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__", ast.Div: "__truediv__"}
    compare = {ast.Lt: "__lt__", ast.LtE: "__le__", ast.Gt: "__gt__", ast.GtE: "__ge__", ast.Eq: "__eq__"}
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return np.float64(names[node.id])
        case ast.UnaryOp(op=ast.Not()):
            return not _walk(node.operand, names)
        case ast.UnaryOp():
            return -_walk(node.operand, names)
        case ast.BinOp():
            return getattr(_walk(node.left, names), binary[type(node.op)])(_walk(node.right, names))
        case ast.Compare(ops=[ast.NotEq()]):
            return _walk(node.left, names) != _walk(node.comparators[0], names)
        case ast.Compare():
            return getattr(_walk(node.left, names), compare[type(node.ops[0])])(
                _walk(node.comparators[0], names)
            )
        case ast.BoolOp():
            values = [_walk(value, names) for value in node.values]
            return all(values) if isinstance(node.op, ast.And) else any(values)
        case ast.Call():
            return np.float64(names[node.func.id](*(_walk(arg, names) for arg in node.args)))
    raise AssertionError(ast.dump(node))


@given(st.floats(-50, 50), st.integers(1, 16))
def test_a_power_is_a_product_from_left_to_right(x, n):
    assume(x != 0)
    product = x
    for _ in range(n - 1):
        product = product * x
    expression = parse(f"x**{n}", **W)
    assert same(expression.evaluate({"x": x}), product)
    assert expression.emit("numba") == expression.emit("brian")
    assert same(eval(expression.emit(), {"x": x}), product)
    inverse = 1.0 / product if product else math.copysign(math.inf, product)
    assert same(parse(f"x**-{n}", **W).evaluate({"x": x}, finite=False), inverse)


@pytest.mark.parametrize(
    ("text", "numba", "brian"),
    [
        ("0.04*v**2 + 5*v", "((0.04 * (v * v)) + (5.0 * v))", "((0.04 * (v * v)) + (5.0 * v))"),
        ("a - b - c", "((a - b) - c)", "((a - b) - c)"),
        ("a/b/c", "((a / b) / c)", "((a / b) / c)"),
        ("-x**2", "(-(x * x))", "(-(x * x))"),
        ("x**0.5", "math.sqrt(x)", "sqrt(x)"),
        ("x**1.5", "(x ** 1.5)", "(x ** 1.5)"),
        ("2**x**y", "(2.0 ** (x ** y))", "(2.0 ** (x ** y))"),
        ("2 + 3", "(2.0 + 3.0)", "(2.0 + 3.0)"),
        ("x + 0", "(x + 0.0)", "(x + 0.0)"),
        ("+x", "x", "x"),
        ("exp(-dt/tau)", "arc_exp(((-dt) / tau))", "arc_exp(((-dt) / tau))"),
        ("v >= v_peak and ref <= 0", "((v >= v_peak) and (ref <= 0.0))", "((v >= v_peak) and (ref <= 0.0))"),
        ("where(x > 0, x, 0)", "(x if (x > 0.0) else 0.0)", "arc_where((x > 0.0), x, 0.0)"),
        ("floor(x)", "np.floor(x)", "arc_floor(x)"),
        ("max(x, 0)", "(x if ((x > 0.0) or (x != x)) else 0.0)", "arc_max(x, 0.0)"),
        ("2*pi", "(2.0 * 3.141592653589793)", "(2.0 * 3.141592653589793)"),
    ],
)
def test_the_source_is_what_was_written(text, numba, brian):
    assert parse(text, **W).emit("numba") == numba
    assert parse(text, **W).emit("brian") == brian


def test_renaming_touches_variables_only():
    text = parse("max(exp, 1)" if "exp" not in FUNCTIONS else "max(e, exp(e)) + pi", **W)
    assert (
        text.emit("brian", lambda name: f"p0_{name}") == "(arc_max(p0_e, arc_exp(p0_e)) + 3.141592653589793)"
    )
    with pytest.raises(ExpressionError, match="'numba' or 'brian'"):
        text.emit("fortran")


TRANSCENDENTAL = ["log(abs(x) + 1)", "sin(x)", "cos(x)", "abs(x)**1.7", "2**x"]
EXACT = [
    "sqrt(abs(x))",
    "floor(x)",
    "min(x, y)",
    "max(x, y)",
    "clip(x, -y, y)",
    "where(x < y, x, y)/y",
    "x**3 - y**-2",
]


@pytest.mark.parametrize("ulps", [0, 2])
def test_numba_compiles_to_the_same_numbers(tmp_path, ulps):
    """Arithmetic has the same bits; a mathematical library may differ from another in the last digit."""
    pytest.importorskip("numba")
    from arcuate._jit import compiled

    texts = TRANSCENDENTAL if ulps else EXACT
    lines = "\n".join(
        f"        out[{k}, i] = {parse(t, **W).emit('numba', lambda n: n + '[i]')}"
        for k, t in enumerate(texts)
    )
    source = (
        f"import math\nimport numpy as np\ndef kernel(x, y, out):\n    for i in range(x.size):\n{lines}\n"
    )
    path = tmp_path / "emitted_kernel.py"
    path.write_text(source)
    import importlib.util

    spec = importlib.util.spec_from_file_location("emitted_kernel", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    x, y = np.random.default_rng(ulps).uniform(-5, 5, (2, 1000))
    y = np.abs(y)
    x[:4], y[:4] = [math.nan, 1.0, 0.0, -0.0], [1.0, math.nan, -0.0, 0.0]
    out = np.empty((len(texts), 1000))
    compiled(module.kernel)(x, y, out)
    for k, text in enumerate(texts):
        expression = parse(text, **W)
        names = {"x": x, "y": y}
        truth = expression.evaluate({n: names[n] for n in expression.names}, finite=False)
        if ulps:
            np.testing.assert_array_max_ulp(out[k][2:], truth[2:], maxulp=ulps)
        else:
            assert all(map(same, out[k], truth)), text


@pytest.mark.brian
def test_brian2_reads_what_is_emitted():
    """Brian2's own renderers turn it into C++ and NumPy source without a change of order."""
    rendering = pytest.importorskip("brian2.parsing.rendering")
    text = parse("where(not (v > 1 or u < 2) and v != u, clip(v, -1, 1), -v**3/(u - 2))", **W).emit("brian")
    cpp = rendering.CPPNodeRenderer().render_expr(text)
    assert cpp == (
        "arc_where((! ((v > 1.0) || (u < 2.0))) && (v != u), arc_clip(v, - 1.0, 1.0), "
        "1.0f*(- ((v * v) * v))/(u - 2.0))"
    )
    numpy = rendering.NumpyNodeRenderer().render_expr(text)
    v, u = np.random.default_rng(0).uniform(-4, 4, (2, 200))
    scope = {
        "v": v, "u": u, "logical_not": np.logical_not, "arc_where": np.where,
        "arc_clip": np.vectorize(MEANING["clip"]),
    }  # fmt: skip
    truth = parse("where(not (v > 1 or u < 2) and v != u, clip(v, -1, 1), -v**3/(u - 2))", **W).evaluate(
        {"v": v, "u": u}
    )
    assert np.array_equal(eval(numpy, scope), truth)


def test_values():
    heterogeneous = parse("-65 + 15*rho**2", **W)
    assert heterogeneous.evaluate({"rho": 0.0}) == -65.0
    assert isinstance(heterogeneous.evaluate({"rho": 1}), float)
    assert heterogeneous.evaluate({"rho": [0.0, 1.0]}).tolist() == [-65.0, -50.0]
    assert parse("a > b", **W).evaluate({"a": 1, "b": 0}) is True
    assert parse("a*b", **W).evaluate({"a": np.ones((2, 1)), "b": np.ones(3), "unused": "x"}).shape == (2, 3)
    assert parse("40*mV", **W, units=True).evaluate() == 0.04


def test_units_are_names_unless_asked_for():
    assert parse("mV", **W).names == {"mV"}
    assert parse("mV", **W, units=True).names == frozenset()
    for name, (factor, dim) in UNITS.items():
        if name != "1":
            assert parse(name, **W, units=True).evaluate() == factor
            assert parse(name, **W, units=True).dimension({}) == dim


def test_missing_and_odd_values():
    with pytest.raises(UnknownNameError, match=r"unknown name 'tua_m'\. Did you mean 'tau_m'"):
        parse("1/tua_m", **W).evaluate({"tau_m": 1.0})
    with pytest.raises(ExpressionError, match=r"shapes do not fit: a \(2,\), b \(3,\)"):
        parse("a + b", **W).evaluate({"a": [1, 2], "b": [1, 2, 3]})
    for value in (1j, "x", [object()], True, None):
        with pytest.raises(SpecError, match="a = "):
            parse("a", **W).evaluate({"a": value})


@pytest.mark.parametrize(
    ("text", "names", "unit"),
    [
        ("g*(v - v_r)", {"g": "S", "v": "V", "v_r": "V"}, "A"),
        ("sqrt(v*v)", {"v": "V"}, "V"),
        ("v**2/v**0.5", {"v": "V"}, "V**1.5"),
        ("max(v, 0)", {"v": "V"}, "V"),
        ("where(v > 0, v, 0)", {"v": "V"}, "V"),
        ("clip(v, 0, w)", {"v": "V", "w": "V"}, "V"),
        ("exp(-dt/tau)", {"dt": "s", "tau": "s"}, "1"),
        ("-abs(v)", {"v": "V"}, "V"),
        ("v > 0 and not v == 0", {"v": "V"}, "1"),
        ("0*v + i", {"v": "V", "i": "A"}, "A"),
        ("1/tau", {"tau": "s"}, "Hz"),
        ("tau**-2", {"tau": "s"}, "1/s/s"),
        ("0", {}, "1"),
        ("x**y", {"x": "1", "y": "1"}, "1"),
    ],
)
def test_dimensions(text, names, unit):
    assert parse(text, **W).dimension({k: dimension(u) for k, u in names.items()}) == dimension(unit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v + i", "combines V and A by '\\+'"),
        ("v + 1", "combines V and 1 by '\\+'"),
        ("v > i", "combines V and A by '>'"),
        ("where(v > 0, v, i)", "combines V and A by 'where'"),
        ("max(v, i)", "combines V and A by 'max'"),
        ("exp(v)", "gives 'exp' a quantity in V"),
        ("floor(v)", "gives 'floor' a quantity in V"),
        ("v**1.5", "gives 'pow' a quantity in V"),
        ("2**v", "gives 'pow' a quantity in V"),
    ],
)
def test_wrong_dimensions(text, message):
    with pytest.raises(UnitsError, match=message) as caught:
        parse(text, **W).dimension({"v": dimension("V"), "i": dimension("A")})
    assert text in str(caught.value)
    with pytest.raises(UnknownNameError, match="unknown name"):
        parse(text, **W).dimension({})


def test_expressions_are_values():
    expression = parse("a + b", **W)
    assert expression == parse("a + b", where="elsewhere")
    assert len({expression, parse("a + b", **W), parse("a - b", **W)}) == 2
    assert pickle.loads(pickle.dumps(expression)).evaluate({"a": 1, "b": 2}) == 3.0
    with pytest.raises(FrozenInstanceError):
        expression.text = "c"
    assert parse("mV", **W) != parse("mV", **W, units=True)
    assert isinstance(expression, Expression)


PROGRAM = """
    # Izhikevich, Jacobi order
    v_new = v + dt*(0.04*v**2 + 5*v + 140 - u + I)   # new v from the old u
    u = u + dt*a*(b*v - u)

    v = v_new
"""


def test_programs():
    program = parse_program(PROGRAM, **W)
    assert [target for target, _ in program.statements] == ["v_new", "u", "v"]
    assert program.assigned == {"v_new", "u", "v"}
    assert program.reads == {"v", "u", "dt", "I", "a", "b"}
    before = {"v": -65.0, "u": -13.0, "dt": 0.5, "I": 10.0, "a": 0.02, "b": 0.2}
    after = program.evaluate(before)
    v = -65.0 + 0.5 * (0.04 * (-65.0 * -65.0) + 5.0 * -65.0 + 140.0 - -13.0 + 10.0)
    assert (after["v"], after["u"]) == (v, -13.0 + 0.5 * 0.02 * (0.2 * -65.0 - -13.0))
    assert before["v"] == -65.0
    assert program.emit("brian").splitlines()[2] == "v = v_new"
    assert parse_program("", **W).statements == ()
    assert hash(program) == hash(parse_program(PROGRAM, **W))


@pytest.mark.parametrize(
    "text",
    [
        "v", "v += 1", "v = ", "= 3", "v == 3", "v = w = 3", "v, w = 3, 4", "v[0] = 1", "v: float = 1", 7,
        "v = a > b", "exp = 3", "_v = 3", "arc_v = 3", "if a: v = 3", "import os", "v = 1; w = 2", "pi = 3",
        "v = (1 +\n2)",
    ],
)  # fmt: skip
def test_bad_programs(text):
    with pytest.raises(ExpressionError, match="Neuron 'q'"):
        parse_program(text, **W)


def test_a_bad_line_is_numbered():
    with pytest.raises(ExpressionError, match="line 3: statement = 'oops'"):
        parse_program("a = 1\n\noops", **W)


@pytest.mark.parametrize(
    "name", ["", "2a", "a b", "a-b", "_a", "é", "exp", "pi", "print", "lambda", "arc_x", "a" * 65, 3, None]
)
def test_bad_names(name):
    with pytest.raises(ExpressionError, match="name = "):
        check_name(name, **W)


def test_names_of_units_are_taken_where_units_are_read():
    assert check_name("mV", **W) == "mV"
    with pytest.raises(ExpressionError, match="a unit"):
        check_name("mV", **W, units=True)


def test_non_finite_values_are_named():
    with pytest.raises(
        NonFiniteError, match=r"Neuron 'q': 1/x = inf: must be finite; element \[1\] is inf\. Look"
    ):
        parse("1/x", **W).evaluate({"x": [1.0, 0.0]})
    with pytest.raises(NonFiniteError, match=r"log\(x\) = nan: must be finite; is nan"):
        parse("log(x)", **W).evaluate({"x": -1.0})
    assert math.isinf(parse("1/x", **W).evaluate({"x": 0.0}, finite=False))
