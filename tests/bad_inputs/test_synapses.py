"""Bad synapses: conductances that cannot be, in our words and before any work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.engines.build import build_plan
from arcuate.errors import ArcuateError, SpecError, UnitsError, UnknownNameError

NAN = float("nan")
OPENING = arc.exponential("5 ms", e_rev="0 mV")


def net(neuron: Any = None, *, sign: str | None = None, **link: Any) -> arc.Network:
    """Ten cells connected to themselves."""
    parts = {"connectivity": arc.Sparse(0.5), "weight": "2 nS", "synapse": OPENING} | link
    cells = arc.Population(name="exc", n=10, neuron=neuron or arc.lif(), sign=sign)
    return arc.Network(
        name="bad",
        dt="0.1 ms",
        populations=[cells],
        projections=[arc.Projection(pre="exc", post="exc", **parts)],
    )


def train(**parts: Any) -> arc.Network:
    """Ten cells driven by spikes."""
    cells = arc.Population(name="exc", n=10, neuron=parts.pop("neuron", arc.lif()))
    drive = arc.Input(name="train", target="exc", kind="spikes", synapse=OPENING, **parts)
    return arc.Network(name="bad", dt="0.1 ms", populations=[cells], inputs=[drive])


CASES: dict[str, tuple[Callable[[], Any], type[ArcuateError], tuple[str, ...]]] = {
    "a neuron without volts": (lambda: net(arc.izh2003()), SpecError, ("izh2003", "potential in V", "e_rev")),
    "a phase": (lambda: net(arc.theta(tau="10 ms")), SpecError, ("theta", "no potential in V")),
    "an input onto a neuron without volts": (
        lambda: train(neuron=arc.izh2003(), weight="2 nS"), SpecError, ("Input 'train'", "izh2003"),
    ),
    "weight in A": (lambda: net(weight="20 pA"), UnitsError, ("weight", "in S")),
    "weight without a unit": (lambda: net(weight=2.0), UnitsError, ("weight", "in S")),
    "weight by an expression in A": (
        lambda: net(weight="2*g", constants={"g": "1 pA"}), UnitsError, ("weight", "2*g"),
    ),
    "current weight in S": (lambda: net(synapse=arc.alpha("2 ms")), UnitsError, ("weight", "A*s")),
    "34 negative": (lambda: net(weight="-2 nS"), SpecError, ("weight", ">= 0", "e_rev")),
    "34 inhibitory and negative": (
        lambda: net(weight="-2 nS", sign="inhibitory"), SpecError, ("weight", ">= 0", "conductance"),
    ),
    "34 drawn": (lambda: net(weight=arc.Normal("2 nS", "1 nS")), SpecError, ("weight", ">= 0", "a cond")),
    "34 an array": (
        lambda: net(connectivity=arc.Edges([0, 1], [1, 2]), weight=arc.spec.Values([1e-9, -1e-9], "S")),
        SpecError, ("weight", "-1e-09", ">= 0"),
    ),
    "34 of an input": (lambda: train(weight="-2 nS"), SpecError, ("Input 'train'", "weight", ">= 0")),
    "34 low rank": (
        lambda: net(connectivity=arc.LowRank(1, arc.Normal(0, 1), arc.Normal(0, 1))),
        SpecError, ("connectivity", "low_rank", "both signs"),
    ),
    "34 balanced": (lambda: net(balance="row"), SpecError, ("balance", "both signs")),
    "36 nan": (lambda: net(weight=NAN), SpecError, ("weight", "finite")),
    "e_rev without a unit": (lambda: arc.exponential("5 ms", e_rev=-80), UnitsError, ("e_rev", "mV")),
    "e_rev in A": (lambda: arc.alpha("5 ms", e_rev="3 pA"), UnitsError, ("e_rev", "V")),
    "e_rev of -80 V": (lambda: arc.exponential("5 ms", e_rev="-80 V"), SpecError, ("-80 V", ">= -500 mV")),
    "e_rev is nan": (lambda: arc.exponential("5 ms", e_rev=f"{NAN} mV"), ArcuateError, ("e_rev",)),
    "e_rev missing": (
        lambda: arc.Synapse(model="exponential_conductance"), SpecError, ("e_rev", "is missing", "reversal"),
    ),
    "e_rev misspelt": (
        lambda: arc.Synapse(model="alpha_conductance", parameters={"erev": 0}), UnknownNameError, ("e_rev",),
    ),
    "semi-exact conductance": (
        lambda: arc.double_exponential(e_rev="0 mV", method="semi_exact"), SpecError, ("semi_exact", "exact"),
    ),
    "U of 1.2": (lambda: arc.TsodyksMarkram(U=1.2), SpecError, ("U", "1.2", "<= 1")),
    "U below 0": (lambda: arc.TsodyksMarkram(U=-0.1), SpecError, ("U", "-0.1", ">= 0")),
    "U nan": (lambda: arc.TsodyksMarkram(U=NAN), SpecError, ("U", "finite")),
    "U drawn above 1": (lambda: arc.TsodyksMarkram(U=arc.Uniform(0, 1.5)), SpecError, ("U", "1.5", "<= 1")),
    "U as text": (lambda: arc.TsodyksMarkram(U="much"), ArcuateError, ("much",)),
    "U of other neurons": (
        lambda: net(short_term=arc.TsodyksMarkram(U=[0.1, 0.2])), SpecError, ("short_term.U", "(10,)"),
    ),
    "tau_rec 0": (lambda: arc.TsodyksMarkram(tau_rec="0 ms"), SpecError, ("tau_rec", "> 0")),
    "tau_rec without a unit": (lambda: arc.TsodyksMarkram(tau_rec=100), UnitsError, ("tau_rec", "100 ms")),
    "tau_facil below 0": (lambda: arc.TsodyksMarkram(tau_facil="-1 ms"), SpecError, ("tau_facil", ">= 0")),
    "tau_facil misspelt": (
        lambda: arc.TsodyksMarkram(tau_fac="1 ms"), UnknownNameError, ("tau_fac", "tau_facil"),
    ),
    "unknown short-term plasticity": (
        lambda: net(short_term={"kind": "tsodyks"}), UnknownNameError, ("tsodyks", "tsodyks_markram"),
    ),
    "short-term plasticity as text": (
        lambda: net(short_term="tsodyks_markram"), SpecError, ("short_term", "tsodyks_markram"),
    ),
    "tau 0": (lambda: arc.alpha("0 ms"), SpecError, ("tau_syn", "> 0")),
    "tau nan": (lambda: arc.alpha("nan ms"), ArcuateError, ("tau_syn",)),
    "tau below dt": (lambda: net(synapse=arc.alpha("0.05 ms", e_rev="0 mV")), SpecError, ("dt", "tau_syn")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_synapses_are_refused(case: str) -> None:
    call, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert type(caught.value).__module__ == "arcuate.errors"


def test_a_weight_drawn_below_zero_is_named_by_its_synapse() -> None:
    network = net(weight="g*xi", constants={"g": "1 nS"}, latents={"xi": arc.Normal(0, 1)})
    with pytest.raises(SpecError, match=r"must be >= 0, since it is a conductance; synapse \d+"):
        build_plan(network, seed=1, duration="1 ms")


def test_a_drawn_utilization_above_one_is_refused_in_the_plan() -> None:
    network = net(short_term=arc.TsodyksMarkram(U=arc.Normal(0.9, 0.3)))
    with pytest.raises(SpecError, match="short_term: U") as caught:
        build_plan(network, seed=1, duration="1 ms")
    assert "<= 1" in str(caught.value)


def test_inhibitory_cells_have_conductances_without_sign() -> None:
    network = net(synapse=arc.exponential("5 ms", e_rev="-80 mV"), sign="inhibitory")
    plan = build_plan(network, seed=1, duration="1 ms")
    assert np.all(plan.projections["exc->exc"].weight == 2e-9)
