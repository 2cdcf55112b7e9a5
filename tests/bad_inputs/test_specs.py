"""Rows 1 to 37, 39, 62 to 67 and 72 of the table of bad inputs: specifications that must be refused.

Each case says what is built, the name that the message must have, and what else it must say: the value and
the bound or the way out. Rows that only a plan or a run can know are tested with the engines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arcuate.errors import ArcuateError, SpecError, UnitsError, UnknownNameError
from arcuate.spec import (
    RLS,
    Center,
    Delta,
    Dense,
    Distribution,
    Edges,
    Exponential,
    Feedback,
    Filter,
    FixedInDegree,
    Input,
    LogNormal,
    LogUniform,
    LowRank,
    Network,
    Neuron,
    Noise,
    Normal,
    Population,
    Projection,
    Readout,
    Record,
    Sparse,
    Synapse,
    TwoBank,
    Uniform,
    Values,
    double_exponential,
    exponential,
    izh2003,
    izh2007,
    lif,
)

NAN, INF = float("nan"), float("inf")


def cells(name: str = "exc", n: Any = 10, **options: Any) -> Population:
    return Population(**{"name": name, "n": n, "neuron": izh2003(), **options})


def link(connectivity: Any = None, **options: Any) -> Projection:
    given = {"pre": "exc", "post": "exc", "connectivity": connectivity or Dense(), "weight": 0.5}
    return Projection(**{**given, **options})


def net(*projections: Projection, **options: Any) -> Network:
    given: dict[str, Any] = {
        "name": "net",
        "dt": "0.5 ms",
        "populations": [cells()],
        "projections": projections,
    }
    return Network(**{**given, **options})


def two(*projections: Projection, sign: str | None = None) -> Network:
    return net(*projections, populations=[cells(sign=sign), cells("inh", 4)])


def out(**options: Any) -> Network:
    return net(readouts=[Readout(**{"name": "z", "source": "exc", **options})])


Case = tuple[Callable[[], Any], type[ArcuateError], str, tuple[str, ...]]

POPULATIONS: dict[str, Case] = {
    "1 n=0": (lambda: cells(n=0), SpecError, "n", ("0", ">= 1")),
    "2 n=-5": (lambda: cells(n=-5), SpecError, "n", ("-5", ">= 1")),
    "3 n=2.5": (lambda: cells(n=2.5), SpecError, "n", ("2.5", "integer")),
    "3 n=2.0": (lambda: cells(n=2.0), SpecError, "n", ("2.0", "n=2")),
    "4 n=True": (lambda: cells(n=True), SpecError, "n", ("True", "integer")),
    "5 n=10**12": (lambda: cells(n=10**12), SpecError, "n", ("1000000000000", "<=")),
    "5 n=10**400": (lambda: cells(n=10**400), SpecError, "n", ("bits", "<=")),
    "6 n='100'": (lambda: cells(n="100"), SpecError, "n", ("'100'", "integer")),
    "n=None": (lambda: cells(n=None), SpecError, "n", ("None", "integer")),
    "7 tau_m=0": (lambda: lif(tau_m="0 ms"), SpecError, "tau_m", ("0 ", "> 0")),
    "8 tau_m=-5 ms": (lambda: lif(tau_m="-5 ms"), SpecError, "tau_m", ("-5 ms", "> 0")),
    "9 tau_m=20": (lambda: lif(tau_m=20), UnitsError, "tau_m", ("20", '"20 ms"')),
    "10 tau_m=20 mV": (lambda: lif(tau_m="20 mV"), UnitsError, "tau_m", ("20 mV", "in s")),
    "10 misspelt unit": (lambda: lif(v_rest="20 mv"), UnitsError, "v_rest", ("20 mv", "unknown unit")),
    "11 tau_m=nan": (lambda: lif(tau_m=NAN), SpecError, "tau_m", ("nan", "finite")),
    "11 tau_m='nan ms'": (lambda: lif(tau_m="nan ms"), SpecError, "tau_m", ("nan ms",)),
    "11 a=nan": (lambda: izh2003(a=NAN), SpecError, "a", ("nan", "finite")),
    "12 tau_m=inf": (lambda: lif(tau_m=INF), SpecError, "tau_m", ("inf", "finite")),
    "12 tau_m='1e400 ms'": (lambda: lif(tau_m="1e400 ms"), SpecError, "tau_m", ("1e400", "finite")),
    "12 b=inf": (lambda: izh2003(b=-INF), SpecError, "b", ("-inf", "finite")),
    "13 v_reset=v_thresh": (
        lambda: lif(v_reset="-50 mV"),
        SpecError,
        "v_reset",
        ("-50 mV", "below v_thresh"),
    ),
    "13 v_reset>v_thresh": (
        lambda: lif(v_reset="-40 mV"),
        SpecError,
        "v_reset",
        ("-40 mV", "below v_thresh"),
    ),
    "13 c>v_peak": (lambda: izh2003(c=31), SpecError, "c", ("31", "below v_peak")),
    "13 in one element": (
        lambda: izh2007(c=["-50 mV", "40 mV"]),
        SpecError,
        "c",
        ("40 mV", "below v_peak"),
    ),
    "14 t_ref<0": (lambda: lif(t_ref="-1 ms"), SpecError, "t_ref", ("-1 ms", ">= 0")),
    "16 length": (lambda: cells(neuron=izh2003(a=[0.1, 0.2])), SpecError, "a", ("shape=(2,)", "(10,)")),
    "16 matrix": (lambda: cells(neuron=izh2003(a=np.ones((10, 1)))), SpecError, "a", ("(10,)",)),
    "16 empty": (lambda: izh2003(a=[]), SpecError, "a", ("at least one element",)),
    "16 ragged": (lambda: izh2003(a=[[1.0], [1.0, 2.0]]), SpecError, "a", ("rectangular",)),
    "17 complex": (lambda: izh2003(a=1j), SpecError, "a", ("1j", "real")),
    "17 complex array": (lambda: izh2003(a=np.ones(10) * 1j), SpecError, "a", ("complex", "real")),
    "17 object array": (lambda: izh2003(a=np.array([None] * 10)), SpecError, "a", ("object", "real")),
    "17 object": (lambda: izh2003(a=object()), SpecError, "a", ("object", "real")),
    "17 nan in an array": (lambda: izh2003(a=[0.1, NAN]), SpecError, "a", ("finite", "[1]")),
    "17 one element out of bounds": (lambda: izh2003(a=[0.1, -0.5]), SpecError, "a", ("-0.5", "element 1")),
    "18 tua_m": (lambda: lif(tua_m="20 ms"), UnknownNameError, "tua_m", ("'tau_m'",)),
    "18 field": (
        lambda: Network.from_dict({**net().to_dict(), "populatoins": {}}),
        UnknownNameError,
        "populatoins",
        ("'populations'",),
    ),
    "18 keyword": (lambda: cells(nn=5), UnknownNameError, "nn", ("Population", "'n'")),
    "keyword left out": (lambda: Population(name="exc"), SpecError, "n", ("missing",)),  # type: ignore[call-arg]
    "18 model": (lambda: Neuron(model="izh2033"), UnknownNameError, "izh2033", ("'izh2003'",)),
    "18 method": (lambda: izh2003(method="legacy"), UnknownNameError, "legacy", ("'legacy2003'",)),
    "18 preset": (lambda: izh2003(preset="RSS"), UnknownNameError, "RSS", ("'RS'",)),
    "18 variable": (lambda: izh2003(initial={"w": 1}), UnknownNameError, "w", ("u, v",)),
    "18 name in an expression": (
        lambda: cells(neuron=izh2003(c="-65 + roh"), latents={"rho": Uniform(0, 1)}),
        UnknownNameError,
        "roh",
        ("'rho'",),
    ),
    "18 sign": (lambda: cells(sign="excitatroy"), UnknownNameError, "excitatroy", ("'excitatory'",)),
    "19 same name": (
        lambda: net(populations=[cells(), cells()]),
        SpecError,
        "populations",
        ("'exc'", "different"),
    ),
    "19 same projection": (lambda: net(link(), link()), SpecError, "projections", ("exc->exc", "different")),
    "20 empty name": (lambda: cells(""), SpecError, "name", ("''", "ASCII")),
    "20 slash": (lambda: cells("a/b"), SpecError, "name", ("a/b", "ASCII")),
    "20 dot": (lambda: cells("a.b"), SpecError, "name", ("a.b", "ASCII")),
    "20 300 characters": (lambda: cells("a" * 300), SpecError, "name", ("aaa", "64")),
    "20 look-alike": (lambda: cells("\u0435xc"), SpecError, "name", ("ASCII",)),
    "20 newline": (lambda: cells("exc\n"), SpecError, "name", ("ASCII",)),
    "20 not text": (lambda: cells(5), SpecError, "name", ("5", "ASCII")),
    "20 projection": (lambda: link(name="a->b->c"), SpecError, "name", ("a->b->c",)),
    "20 network": (lambda: net(name="../x"), SpecError, "name", ("../x",)),
    "circle": (lambda: izh2003(a="b", b="2*a"), SpecError, "a", ("a -> b -> a",)),
    "constant expression out of bounds": (lambda: lif(tau_m="-5*ms"), SpecError, "tau_m", ("-5 ms", "> 0")),
    "constant expression that is not finite": (lambda: lif(tau_m="log(0)*ms"), SpecError, "tau_m", ("inf",)),
    "syntax of an expression": (lambda: lif(tau_m="2*("), SpecError, "tau_m", ("2*(", "not an expression")),
    "code in an expression": (lambda: lif(tau_m="__import__('os')"), SpecError, "tau_m", ("__import__",)),
    "latent named like a unit": (
        lambda: cells(latents={"ms": Uniform(0, 1)}),
        SpecError,
        "name",
        ("'ms'", "unit"),
    ),
    "expression in the wrong unit": (
        lambda: cells(neuron=lif(tau_m="5*mV")),
        UnitsError,
        "tau_m",
        ("in s", "V"),
    ),
    "plain number for a unit": (
        lambda: cells(neuron=lif(v_thresh="v_rest + 20")),
        UnitsError,
        "v_thresh",
        ("v_rest + 20",),
    ),
    "distribution out of bounds": (
        lambda: lif(tau_m=Uniform("-1 ms", "5 ms")),
        SpecError,
        "tau_m",
        ("-1 ms", "> 0"),
    ),
    "distribution in the wrong unit": (lambda: lif(tau_m=Uniform(1, 5)), UnitsError, "tau_m", ("in s",)),
    "latent that is a parameter": (
        lambda: cells(latents={"a": Uniform(0, 1)}),
        SpecError,
        "latents.a",
        ("parameter",),
    ),
    "latent that is an expression": (
        lambda: cells(latents={"x": "2*y"}),
        SpecError,
        "latents.x",
        ("distribution",),
    ),
    "noise below 0": (lambda: Noise(sigma=-0.1), SpecError, "sigma", ("-0.1", ">= 0")),
    "noise in the wrong unit": (
        lambda: cells(neuron=izh2007(), noise=Noise(sigma="5 pA")),
        UnitsError,
        "noise.sigma",
        ("pA*s**0.5",),
    ),
    "bias without a unit": (lambda: cells(neuron=lif(), bias=0.3), UnitsError, "bias", ("0.3", "A")),
    "no populations": (lambda: net(populations=[]), SpecError, "populations", ("at least one",)),
    "populations as text": (lambda: net(populations="exc"), SpecError, "populations", ("'exc'", "list")),
    "a population without n": (
        lambda: net(populations={"exc": {"neuron": {"model": "lif"}}}),
        SpecError,
        "n",
        ("missing",),
    ),
}

CONNECTIONS: dict[str, Case] = {
    "23 p=1.2": (lambda: Sparse(1.2), SpecError, "p", ("1.2", "<= 1")),
    "23 p=-0.1": (lambda: Sparse(-0.1), SpecError, "p", ("-0.1", ">= 0")),
    "23 p=nan": (lambda: Sparse(NAN), SpecError, "p", ("nan", "finite")),
    "23 p='0.1'": (lambda: Sparse("0.1"), SpecError, "p", ("'0.1'", "real")),  # type: ignore[arg-type]
    "25 delay=-1 ms": (lambda: link(delay="-1 ms"), SpecError, "delay", ("-1 ms", ">= 0", '"0 ms"')),
    "25 one delay": (
        lambda: link(Edges([0, 1], [1, 0]), delay=["1 ms", "-1 ms"]),
        SpecError,
        "delay",
        (">= 0",),
    ),
    "25 drawn delay": (lambda: link(delay=Uniform("-1 ms", "1 ms")), SpecError, "delay", (">= 0",)),
    "25 delay without a unit": (lambda: link(delay=1.5), UnitsError, "delay", ('"1.5 ms"',)),
    "26 delay=1e6 s": (lambda: link(delay="1e6 s"), SpecError, "delay", ("1e+06 s", "<= 60 s")),
    "delay as an expression": (lambda: link(delay="2*x"), SpecError, "delay", ("2*x", "time")),
    "27 index": (lambda: net(link(Edges([0, 10], [1, 2]))), SpecError, "pre", ("10", "< 10", "element 1")),
    "27 post index": (lambda: two(link(Edges([0], [4]), post="inh")), SpecError, "post", ("4", "< 4")),
    "28 negative": (lambda: Edges([0, -1], [1, 2]), SpecError, "pre", ("-1", ">= 0", "element 1")),
    "27 float index": (lambda: Edges([0.0, 1.0], [1, 2]), SpecError, "pre", ("integers",)),
    "27 lengths": (lambda: Edges([0, 1], [1]), SpecError, "post", ("as many",)),
    "30 self": (
        lambda: net(link(Edges([0, 3], [1, 3], allow_self=False))),
        SpecError,
        "pre",
        ("3", "allow_self", "element 1"),
    ),
    "31 target": (lambda: net(link(post="exx")), UnknownNameError, "exx", ("'exc'",)),
    "31 source": (lambda: net(link(pre="ex")), UnknownNameError, "ex", ("'exc'",)),
    "32 transposed": (
        lambda: two(link(post="inh", weight=np.ones((4, 10)))),
        SpecError,
        "weight",
        ("(4, 10)", "(10, 4)", "weight.T"),
    ),
    "32 another shape": (
        lambda: two(link(post="inh", weight=np.ones((3, 3)))),
        SpecError,
        "weight",
        ("(10, 4)",),
    ),
    "33 too few weights": (lambda: link(Edges([0, 1], [1, 2]), weight=[1.0]), SpecError, "weight", ("(2,)",)),
    "33 array for a drawn connectivity": (
        lambda: link(Sparse(0.1), weight=[1.0, 2.0]),
        SpecError,
        "weight",
        ("Edges",),
    ),
    "34 inhibitory": (
        lambda: two(link(weight=0.1), sign="inhibitory"),
        SpecError,
        "weight",
        ("0.1", "<= 0", "Dale"),
    ),
    "34 excitatory": (
        lambda: two(link(weight=-0.1), sign="excitatory"),
        SpecError,
        "weight",
        ("-0.1", ">= 0", "Dale"),
    ),
    "34 one element": (
        lambda: two(link(Edges([0, 1], [1, 2]), weight=[1.0, -2.0]), sign="excitatory"),
        SpecError,
        "weight",
        ("-2.0", "Dale"),
    ),
    "34 drawn": (lambda: two(link(weight=Normal(0, 1)), sign="excitatory"), SpecError, "weight", ("Dale",)),
    "34 balanced": (
        lambda: two(link(balance="row"), sign="excitatory"),
        SpecError,
        "balance",
        ("'row'", "both signs"),
    ),
    "35 in-degree": (lambda: net(link(FixedInDegree(11))), SpecError, "k", ("11", "<= 9")),
    "35 in-degree with itself": (
        lambda: net(link(FixedInDegree(11, allow_self=True))),
        SpecError,
        "k",
        ("11", "<= 10"),
    ),
    "35 negative in-degree": (lambda: FixedInDegree(-1), SpecError, "k", ("-1", ">= 0")),
    "36 nan weight": (lambda: link(weight=NAN), SpecError, "weight", ("nan", "finite")),
    "36 nan in an array": (lambda: link(Edges([0], [1]), weight=[NAN]), SpecError, "weight", ("finite",)),
    "36 inf weight": (lambda: link(weight=INF), SpecError, "weight", ("inf", "finite")),
    "weight without a unit": (
        lambda: net(link(), populations=[cells(neuron=lif())]),
        UnitsError,
        "weight",
        ("0.5", "in A"),
    ),
    "weight with a unit too many": (
        lambda: net(link(weight="5 pA")),
        UnitsError,
        "weight",
        ("5 pA", "plain number"),
    ),
    "weight of a double exponential": (
        lambda: net(link(weight="5 pA", synapse=double_exponential()), populations=[cells(neuron=lif())]),
        UnitsError,
        "weight",
        ("5 pA", "A*s"),
    ),
    "weight in the wrong unit by its expression": (
        lambda: net(link(weight="g*2", constants={"g": "1 mV"})),
        UnitsError,
        "weight",
        ("g*2", "plain number"),
    ),
    "weight with an unknown name": (
        lambda: link(Sparse(0.1), weight="gg/p", constants={"g": 1}),
        UnknownNameError,
        "gg",
        ("'g'",),
    ),
    "p of a connectivity without it": (lambda: link(weight="1/p"), UnknownNameError, "p", ()),
    "constant that shadows": (
        lambda: link(constants={"n_pre": 1}),
        SpecError,
        "constants.n_pre",
        ("meaning",),
    ),
    "latent that is no distribution": (
        lambda: link(latents={"x": 1.0}),
        SpecError,
        "latents.x",
        ("distribution",),
    ),
    "connectivity as text": (lambda: link("dense"), SpecError, "connectivity", ("'dense'", "sparse")),
    "unknown connectivity": (lambda: link({"kind": "spars"}), UnknownNameError, "spars", ("'sparse'",)),
    "unknown synapse": (
        lambda: Synapse(model="exponentail"),
        UnknownNameError,
        "exponentail",
        ("'exponential'",),
    ),
    "rank 0": (lambda: LowRank(0, Normal(0, 1), Normal(0, 1)), SpecError, "rank", ("0", ">= 1")),
    "rank above the size": (
        lambda: net(link(LowRank(11, Normal(0, 1), Normal(0, 1)))),
        SpecError,
        "rank",
        ("11", "<= 10"),
    ),
    "low rank, balanced": (
        lambda: link(LowRank(1, Normal(0, 1), Normal(0, 1)), balance="row"),
        SpecError,
        "balance",
        ("'row'", "LowRank"),
    ),
    "low rank, a draw per synapse": (
        lambda: link(LowRank(1, Normal(0, 1), Normal(0, 1)), weight=Normal(0, 1)),
        SpecError,
        "weight",
        ("Normal", "single synapses"),
    ),
    "low rank, latents": (
        lambda: link(LowRank(1, Normal(0, 1), Normal(0, 1)), latents={"xi": Normal(0, 1)}),
        SpecError,
        "latents",
        ("xi", "left and right"),
    ),
    "factor of another shape": (
        lambda: net(link(LowRank(1, np.ones((9, 1)), np.ones((10, 1))))),
        SpecError,
        "left",
        ("(9, 1)", "(10, 1)"),
    ),
}

SIGNALS: dict[str, Case] = {
    "39 dt=0": (lambda: net(dt="0 ms"), SpecError, "dt", ("> 0",)),
    "39 dt<0": (lambda: net(dt="-0.1 ms"), SpecError, "dt", ("-100 us", "> 0")),
    "39 dt=0.1": (lambda: net(dt=0.1), UnitsError, "dt", ('"0.1 ms"',)),
    "39 dt above tau_syn": (
        lambda: net(link(), dt="20 ms"),
        SpecError,
        "dt",
        ("20 ms", "10 ms", "tau_syn", "exc->exc"),
    ),
    "39 dt above tau_m": (
        lambda: net(populations=[cells(neuron=lif(tau_m="1 ms"))], dt="2 ms"),
        SpecError,
        "dt",
        ("2 ms", "1 ms", "tau_m"),
    ),
    "62 learning rate": (lambda: Delta(learning_rate=-0.1), SpecError, "learning_rate", ("-0.1", ">= 0")),
    "62 nan": (lambda: Delta(learning_rate=NAN), SpecError, "learning_rate", ("nan", "finite")),
    "62 unstable": (
        lambda: Delta(learning_rate=2.0, normalization=1),
        SpecError,
        "learning_rate",
        ("2", "< 2"),
    ),
    "62 two banks": (lambda: TwoBank(eta_when=-1), SpecError, "eta_when", ("-1", ">= 0")),
    "62 two banks, nan": (lambda: TwoBank(eta_what=NAN), SpecError, "eta_what", ("nan", "finite")),
    "62 text": (lambda: Delta(learning_rate="0.1"), SpecError, "learning_rate", ("'0.1'", "real")),  # type: ignore[arg-type]
    "63 trace_tau=0": (lambda: TwoBank(trace_tau="0 ms"), SpecError, "trace_tau", ("> 0",)),
    "63 tau of a filter": (lambda: Filter(parameters={"tau": "0 ms"}), SpecError, "tau", ("> 0",)),
    "63 tau_syn": (lambda: exponential("0 ms"), SpecError, "tau_syn", ("> 0",)),
    "63 tau_trials": (lambda: Center(tau_trials=0), SpecError, "tau_trials", ("0", ">= 1")),
    "64 w_min>w_max": (lambda: Delta(learning_rate=0.1, w_min=1, w_max=-1), SpecError, "w_min", ("1", "-1")),
    "64 two banks": (lambda: TwoBank(w_min=5, w_max=0), SpecError, "w_min", ("5", "<= w_max")),
    "65 weight above": (
        lambda: out(rule=Delta(learning_rate=0.1, w_max=1), initial_weight=2),
        SpecError,
        "initial_weight",
        ("2", "<= w_max (1)"),
    ),
    "65 weight below": (
        lambda: out(rule=Delta(learning_rate=0.1, w_min=0.5)),
        SpecError,
        "initial_weight",
        ("0.0", ">= w_min (0.5)"),
    ),
    "65 one element": (
        lambda: out(rule=Delta(learning_rate=0.1, w_max=1), initial_weight=np.full((1, 10), 3.0)),
        SpecError,
        "initial_weight",
        ("<= w_max (1)",),
    ),
    "66 weight of another length": (
        lambda: out(initial_weight=np.zeros((1, 9))),
        SpecError,
        "initial_weight",
        ("(1, 9)", "(1, 10)"),
    ),
    "66 rows of two banks": (
        lambda: Readout(
            name="z", source="exc", n_outputs=2, rule=TwoBank(), initial_weight=np.zeros((2, 10))
        ),
        SpecError,
        "initial_weight",
        ("(2, 10)", "(3, n_features)"),
    ),
    "67 two banks without trials": (lambda: out(rule=TwoBank()), SpecError, "rule", ("TwoBank", "task")),
    "67 reset without trials": (
        lambda: out(rule=RLS(alpha=1, reset_at=[3])),
        SpecError,
        "rule",
        ("RLS", "task"),
    ),
    "67 center without trials": (lambda: out(center=Center()), SpecError, "center", ("Center", "task")),
    "67 two banks with feedback": (
        lambda: out(rule=TwoBank(), feedback=Feedback(target="exc", scale=1)),
        SpecError,
        "feedback",
        ("two-bank",),
    ),
    "72 alpha=0": (lambda: RLS(alpha=0), SpecError, "alpha", ("0", "> 0")),
    "72 alpha<0": (lambda: RLS(alpha=-1), SpecError, "alpha", ("-1", "> 0")),
    "72 alpha=nan": (lambda: RLS(alpha=NAN), SpecError, "alpha", ("nan", "finite")),
    "72 forgetting=0": (lambda: RLS(alpha=1, forgetting=0), SpecError, "forgetting", ("0", "> 0")),
    "72 forgetting>1": (lambda: RLS(alpha=1, forgetting=1.01), SpecError, "forgetting", ("1.01", "<= 1")),
    "reset at a negative trial": (lambda: RLS(alpha=1, reset_at=[-1]), SpecError, "reset_at", ("-1", ">= 0")),
    "window without length": (
        lambda: TwoBank(cue_window=("1 ms", "1 ms")),
        SpecError,
        "cue_window",
        ("before",),
    ),
    "window of three": (
        lambda: TwoBank(cue_window=("1 ms", "2 ms", "3 ms")),
        SpecError,
        "cue_window",
        ("pair",),
    ),
    "active as one pair": (lambda: RLS(alpha=1, active=("5 s", "10 s")), SpecError, "active.0", ("pair",)),
    "active windows that overlap": (
        lambda: RLS(alpha=1, active=(("5 s", "10 s"), ("1 s", "6 s"))),
        SpecError,
        "active",
        ("5 s", "overlap"),
    ),
    "eligibility": (lambda: TwoBank(eligibility="cues"), UnknownNameError, "cues", ("'cue'",)),
    "unknown rule": (lambda: out(rule={"kind": "rsl", "alpha": 1}), UnknownNameError, "rsl", ("'rls'",)),
    "rule as text": (lambda: out(rule="rls"), SpecError, "rule", ("'rls'", "kind")),
    "unknown source": (lambda: out(source="ex"), UnknownNameError, "ex", ("'exc'",)),
    "source twice": (lambda: out(source=["exc", "exc"]), SpecError, "source", ("once",)),
    "feedback in the wrong unit": (
        lambda: out(feedback=Feedback(target="exc", scale="5 pA")),
        UnitsError,
        "scale",
        ("5 pA", "plain number"),
    ),
    "feedback of another shape": (
        lambda: out(feedback=Feedback(target="exc", scale=np.ones((1, 10)))),
        SpecError,
        "scale",
        ("(10, 1)",),
    ),
    "period 0": (lambda: out(period="0 ms"), SpecError, "period", ("> 0",)),
    "no outputs": (lambda: out(n_outputs=0), SpecError, "n_outputs", ("0", ">= 1")),
    "input target": (lambda: net(inputs=[Input(name="x", target="ex")]), UnknownNameError, "ex", ("'exc'",)),
    "input without a unit": (
        lambda: net(inputs=[Input(name="x", target="exc")], populations=[cells(neuron=lif())]),
        UnitsError,
        "weight",
        ("in A",),
    ),
    "input weights transposed": (
        lambda: Input(name="x", target="exc", n_channels=3, weight=np.ones((3, 10))),
        SpecError,
        "weight",
        ("(n_target, 3)",),
    ),
    "input named like a population": (
        lambda: net(inputs=[Input(name="exc", target="exc")]),
        SpecError,
        "name",
        ("'exc'", "population"),
    ),
    "read-out named like a population": (
        lambda: net(readouts=[Readout(name="exc", source="exc")]),
        SpecError,
        "name",
        ("'exc'", "a population"),
    ),
    "read-out named like an input": (
        lambda: net(inputs=[Input(name="x", target="exc")], readouts=[Readout(name="x", source="exc")]),
        SpecError,
        "name",
        ("'x'", "an input"),
    ),
    "projection named like the synapses of an input": (
        lambda: net(link(name="x->exc"), inputs=[Input(name="x", target="exc", kind="spikes")]),
        SpecError,
        "name",
        ("'x->exc'", "input 'x'"),
    ),
    "projection named like a population": (
        lambda: net(link(name="exc")),
        SpecError,
        "name",
        ("'exc'", "a population"),
    ),
    "synapse of a current": (
        lambda: Input(name="x", target="exc", synapse=exponential()),
        SpecError,
        "synapse",
        ('kind="spikes"',),
    ),
    "kind of an input": (
        lambda: Input(name="x", target="exc", kind="spike"),
        UnknownNameError,
        "spike",
        ("'spikes'",),
    ),
    "46 recorded variable": (
        lambda: net(record=Record(states={"exc": ["w"]})),
        UnknownNameError,
        "w",
        ("u, v",),
    ),
    "46 recorded population": (
        lambda: net(record=Record(states={"ex": ["v"]})),
        UnknownNameError,
        "ex",
        ("'exc'",),
    ),
    "46 recorded neuron": (
        lambda: net(record=Record(neurons={"exc": [10]})),
        SpecError,
        "neurons.exc",
        ("10", "< 10"),
    ),
    "recorded twice": (lambda: Record(neurons={"exc": [1, 1]}), SpecError, "neurons.exc", ("different",)),
    "recorded read-out": (lambda: Record(readouts=["weight"]), UnknownNameError, "weight", ("'weights'",)),
    "recorded never": (lambda: Record(every="0 ms"), SpecError, "every", ("> 0",)),
    "task without a kind": (lambda: net(task={"blocks": []}), SpecError, "task", ("kind",)),
    "task with nan": (lambda: net(task={"kind": "x", "p": [NAN]}), SpecError, "task.p.0", ("nan", "finite")),
    "task with a function": (lambda: net(task={"kind": "x", "f": len}), SpecError, "task.f", ("numbers",)),
    "uniform upside down": (lambda: Uniform(1, 0), SpecError, "low", ("1.0", "<= high (0.0)")),
    "misspelt bound": (lambda: Uniform(lo=0, high=1), UnknownNameError, "lo", ("Uniform", "'low'")),  # type: ignore[call-arg]
    "bound left out": (lambda: Uniform(0), SpecError, "high", ("Uniform", "missing")),  # type: ignore[call-arg]
    "uniform in two units": (lambda: Uniform("1 ms", "1 mV"), UnitsError, "", ("low in s", "high in V")),
    "negative sd": (lambda: Normal(0, -1), SpecError, "sd", ("-1", ">= 0")),
    "nan mean": (lambda: Normal(NAN, 1), SpecError, "mean", ("nan", "finite")),
    "log of 0": (lambda: LogUniform(0, 1), SpecError, "low", ("0.0", "> 0")),
    "negative log-normal": (lambda: LogNormal(-1, 1), SpecError, "mean", ("-1", "> 0")),
    "exponential of 0": (lambda: Exponential(0), SpecError, "scale", ("0.0", "> 0")),
    "distribution misspelt": (
        lambda: cells(bias={"dist": "unifrom"}),
        UnknownNameError,
        "unifrom",
        ("'uniform'",),
    ),
    "distribution without a bound": (
        lambda: cells(bias={"dist": "uniform", "low": 0}),
        SpecError,
        "bias.high",
        ("missing",),
    ),
    "values in an unknown unit": (lambda: Values([1], "msec"), UnitsError, "values", ("'msec'",)),
    "table that is no value": (lambda: cells(bias={"low": 0}), SpecError, "bias", ("dist=",)),
}

CASES = {**POPULATIONS, **CONNECTIONS, **SIGNALS}


@pytest.mark.parametrize("row", CASES)
def test_is_refused(row: str) -> None:
    build, kind, name, words = CASES[row]
    with pytest.raises(kind) as caught:
        build()
    error, message = caught.value, str(caught.value)
    assert isinstance(error, ValueError)
    assert (error.name or "") == name, message
    for word in words:
        assert word in message, message
    assert len(message) < 1000 and message.count("\n") < 4
    assert error.bound


def test_the_table_is_complete() -> None:
    rows = {int(word) for word in (row.split()[0] for row in CASES) if word.isdigit()}
    defined_or_elsewhere = {15, 21, 22, 24, 29, 37}
    assert rows >= set(range(1, 38)) - defined_or_elsewhere
    assert rows >= {62, 63, 64, 65, 66, 67, 72}


def test_row_15_refractory_time_between_steps_is_rounded_and_noted() -> None:
    network = net(populations=[cells(neuron=lif(t_ref="1.25 ms"))])
    assert "t_ref = 1.25 ms is rounded to 3 steps, 1.5 ms" in network.notes[0]


def test_row_21_nothing_can_be_changed_after_freezing() -> None:
    network = net(link(constants={"g": 1.0}))
    for part in (network, network.populations["exc"], network.projections["exc->exc"], network.record):
        for field in part.field_names():
            with pytest.raises(AttributeError):
                setattr(part, field, None)
    with pytest.raises(TypeError):
        network.projections["exc->exc"].constants["g"] = 2.0


def test_row_22_an_array_changed_by_the_caller_changes_nothing() -> None:
    values = np.full(10, 0.1)
    population = cells(neuron=izh2003(a=values))
    values[:] = 5.0
    assert population.neuron.parameters["a"].array.tolist() == [0.1] * 10


def test_row_24_delay_0_is_allowed() -> None:
    assert net(link(delay="0 ms")).projections["exc->exc"].delay == 0.0


def test_row_29_doubled_synapses_are_kept() -> None:
    network = net(link(Edges([0, 0], [1, 1]), weight=[0.5, 0.25]))
    assert network.projections["exc->exc"].connectivity.n_synapses == 2


def test_row_33_unsorted_edges_are_taken_as_they_are() -> None:
    edges = Edges(np.array([3, 0, 3], dtype=np.int32), np.array([1, 2, 1], dtype=np.uint8))
    assert edges.pre.tolist() == [3, 0, 3] and edges.post.dtype == np.int64


@pytest.mark.parametrize(
    "value", [0, 1, -1, 2.5, NAN, INF, True, None, "", "x", "1 ms", [], [1], {}, {"a": 1}, object(), len]
)
@pytest.mark.parametrize("path", net(link()).paths())
def test_any_value_anywhere_is_taken_or_refused_by_us(path: str, value: Any) -> None:
    try:
        changed = net(link()).with_(path, value)
    except ArcuateError as error:
        assert str(error)
    else:
        assert Network.from_json(changed.to_json()).sha256 == changed.sha256


def test_distributions_have_no_public_way_round_their_checks() -> None:
    with pytest.raises(AttributeError):
        Uniform(0, 1).low = 5
    assert Uniform(0, 0).support == (0.0, 0.0)
    with pytest.raises(NotImplementedError):
        Distribution().sample(np.random.default_rng(0), 1)
