"""Networks on which engines are compared, and the comparison itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

import arcuate as arc
from arcuate.engines import get_engine
from arcuate.engines.build import build_plan
from arcuate.engines.plan import Plan
from arcuate.engines.result import RawRun
from arcuate.verify import Verification, compare, watched

BOTH = ("numba", "brian2")


def plan_of(network: arc.Network, duration: str | None = None, **given: Any) -> Plan:
    """Plan that records every spike, every weight, and every state variable at every step if asked to."""
    everything = given.pop("everything", False)
    plan = watched(build_plan(network, seed=given.pop("seed", 1), duration=duration, **given))
    if not everything:
        return plan
    sites: list[tuple[str, Any, int]] = [(name, p.model, p.n) for name, p in plan.populations.items()]
    sites += [(name, c.model, plan.populations[c.post].n) for name, c in plan.currents.items()]
    sites += [(name, f.model, f.n) for name, f in plan.features.items()]
    states = tuple((name, key, np.arange(n)) for name, model, n in sites for key in model.variables)
    record = dataclasses.replace(
        plan.record, states=states, steps=np.arange(plan.n_steps), readouts=("z", "features", "weights")
    )
    return dataclasses.replace(plan, record=record)


def run(plan: Plan, engine: str, amend: Callable[[Any], None] | None = None) -> RawRun:
    """Run all steps of a plan; `amend` changes what Brian2 is given."""
    running = get_engine(engine).start(plan)
    if amend is not None:
        running.amend.append(amend)
    return running.advance(plan.n_steps)


def compared(plan: Plan, engines: tuple[str, ...] = BOTH) -> Verification:
    """Run a plan on several engines and compare them with the first."""
    return compare(plan, [run(plan, engine) for engine in engines], engines)


def assert_identical(plan: Plan, engines: tuple[str, ...] = BOTH, *, n_spikes: int = 1) -> Verification:
    """Engines give the same spikes, at least so many, and the same bits in every variable."""
    verification = compared(plan, engines)
    assert_same_bits(verification)
    assert verification.n_spikes >= n_spikes
    return verification


def assert_same_bits(verification: Verification) -> None:
    """All spikes and all bits of the state are the same."""
    assert verification.identical, str(verification)
    assert verification.max_abs_diff
    assert set(verification.max_abs_diff.values()) == {0.0}, dict(verification.max_abs_diff)


def izh2007_network(n: int = 300, *, gain: str = "5000 pA*ms", **parts: Any) -> arc.Network:
    """Heterogeneous izh2007 cells with double exponential currents and delays of 0, 1 and 7 steps."""
    rng = np.random.default_rng(7)
    pre, post = np.nonzero(rng.random((n, n)) < 0.1)
    delay = rng.choice([0.0, 1e-4, 7e-4], pre.size)
    return arc.Network(
        name="chaotic",
        dt="0.1 ms",
        populations=[
            arc.Population(
                name="exc",
                n=n,
                bias=arc.Normal("1000 pA", "100 pA"),
                neuron=arc.izh2007(
                    c_m="250 pF", k="2.5 nS/mV", v_r="-60 mV", v_t="v_r + 40*mV - b/k", v_peak="30 mV",
                    a=arc.Uniform("5 Hz", "20 Hz"), b="-2 nS", c="-65 mV", d="200 pA",
                    initial={"v": arc.Uniform("-60 mV", "-30 mV")},
                ),
            )
        ],
        projections=[
            arc.Projection(
                pre="exc", post="exc", connectivity=arc.Edges(pre, post), synapse=arc.double_exponential(),
                latents={"xi": arc.Normal(0, 1)}, constants={"g": gain}, weight="g*xi/(0.1*sqrt(n_pre))",
                delay=arc.spec.Values(delay, "s"),
            )
        ],
        **parts,
    )  # fmt: skip


def izh2003_network(method: str, *, n_exc: int = 40, n_inh: int = 10, **parts: Any) -> arc.Network:
    """Two populations of izh2003 cells under Dale's law with noise and single exponential currents."""
    populations = [
        arc.Population(
            name="exc", n=n_exc, sign="excitatory", bias=arc.Normal(6, 1), noise=arc.Noise(sigma=0.2),
            latents={"rho": arc.Uniform(0, 1)},
            neuron=arc.izh2003(
                method=method, a=arc.LogUniform(0.002, 0.02), c="-65 + 15*rho**2", d="8 - 6*rho**2"
            ),
        ),
        arc.Population(
            name="inh", n=n_inh, sign="inhibitory", bias=arc.Normal(6, 1), latents={"rho": arc.Uniform(0, 1)},
            noise=arc.Noise(sigma=0.2, mode="frozen"),
            neuron=arc.izh2003(method=method, a="0.02 + 0.08*rho", b="0.25 - 0.05*rho", d=2.0),
        ),
    ]  # fmt: skip
    projections = [
        arc.Projection(
            pre=pre, post=post, connectivity=arc.Sparse(0.3), latents={"xi": arc.Normal(0, 1)},
            weight="0.4*abs(xi)" if pre == "exc" else "-1.6*abs(xi)", delay=arc.Uniform("0 ms", "4 ms"),
            synapse=arc.exponential("50 ms" if pre == "exc" else "10 ms"),
        )
        for pre in ("exc", "inh")
        for post in ("exc", "inh")
    ]  # fmt: skip
    return arc.Network(name="dale", dt="0.5 ms", populations=populations, projections=projections, **parts)


def lif_network(synapse: Any, weight: str, *, n: int = 60, **neuron: Any) -> arc.Network:
    """Refractory LIF cells with signed weights and delays of up to 1 ms."""
    return arc.Network(
        name="lif",
        dt="0.1 ms",
        populations=[
            arc.Population(
                name="exc", n=n, neuron=arc.lif(t_ref="1.5 ms", **neuron),
                bias=arc.Uniform("300 pA", "500 pA"),
            )
        ],
        projections=[
            arc.Projection(
                pre="exc", post="exc", connectivity=arc.Sparse(0.2), latents={"xi": arc.Normal(0, 1)},
                constants={"g": weight}, weight="g*xi", synapse=synapse, delay=arc.Uniform("0 ms", "1 ms"),
            )
        ],
    )  # fmt: skip


def many_synapses(method: str) -> arc.Network:
    """LIF cells that reach one another by every kind of synapse at once."""
    network = lif_network(arc.pulse(), "1 nA", method=method)
    more: list[tuple[Any, ...]] = [
        (arc.alpha("3 ms"), "900 pA*ms", arc.TsodyksMarkram(U=0.2, tau_rec="9 ms", tau_facil="30 ms")),
        (arc.exponential("5 ms", e_rev="0 mV"), "1 nS"),
        (arc.alpha(e_rev="-80 mV"), "2 nS", arc.TsodyksMarkram(U=arc.Uniform(0.2, 0.8), tau_rec="50 ms")),
        (arc.double_exponential(e_rev="-40 mV"), "2 nS"),
    ]
    links = list(network.projections.values())
    for number, (synapse, weight, *short_term) in enumerate(more):
        links.append(
            arc.Projection(
                name=f"link{number}", pre="exc", post="exc", connectivity=arc.Sparse(0.2), synapse=synapse,
                latents={"xi": arc.Normal(0, 1)}, constants={"g": weight}, weight="g*abs(xi)",
                delay=arc.Uniform("0 ms", "1 ms"), short_term=short_term[0] if short_term else None,
            )
        )  # fmt: skip
    return network.replace({"projections": links})


def reservoir_of_all_kinds() -> arc.Network:
    """Excitatory and inhibitory cells with random, low-rank and fed-back input at once, all heterogeneous."""
    exc = arc.lif(tau_m=arc.Uniform("15 ms", "25 ms"), t_ref=arc.Uniform("1 ms", "3 ms"))
    inh = arc.lif(tau_m=arc.LogNormal("10 ms", "2 ms"), v_thresh=arc.Normal("-52 mV", "1 mV"))
    populations = [
        arc.Population(
            name="exc",
            n=60,
            neuron=exc,
            bias=arc.Normal("550 pA", "60 pA"),
            noise=arc.Noise(sigma="2 pA*s**0.5"),
        ),
        arc.Population(name="inh", n=20, neuron=inh, sign="inhibitory", bias="450 pA"),
    ]
    structured = [
        arc.Projection(
            name=name,
            pre="exc",
            post="exc",
            connectivity=arc.LowRank(2, arc.Normal(0, 1), arc.Uniform(-1, 1)),
            weight=weight,
            delay=delay,
            synapse=synapse,
            short_term=short_term,
        )
        for name, weight, delay, synapse, short_term in (
            ("kicks", "0.2 mV", "0 ms", arc.delta(), None),
            ("waves", "40 pA", "0.7 ms", arc.exponential("8 ms"), arc.TsodyksMarkram(tau_rec="90 ms")),
        )
    ]
    random = [
        arc.Projection(
            pre="exc",
            post=post,
            connectivity=arc.Sparse(0.2),
            weight=arc.LogNormal("30 pA", "15 pA"),
            synapse=arc.exponential("4 ms"),
            delay=arc.Uniform("0 ms", "2 ms"),
        )
        for post in ("exc", "inh")
    ]
    brake = arc.Projection(
        pre="inh",
        post="exc",
        connectivity=arc.FixedInDegree(8),
        weight="1 nS",
        synapse=arc.alpha("4 ms", e_rev="-75 mV"),
    )
    readout = arc.Readout(
        name="z",
        source=["exc", "inh"],
        n_outputs=2,
        initial_weight=np.full((2, 80), 0.02),
        feedback=arc.Feedback(target="exc", scale=arc.Uniform("-80 pA", "80 pA")),
    )
    return arc.Network(
        name="all_kinds", dt="0.1 ms", populations=populations,
        projections=[random[0], *structured, random[1], brake], readouts=[readout],
    )  # fmt: skip


def theta_network(n: int = 40) -> arc.Network:
    """Theta cells, whose update calls the cosine of the mathematical library."""
    return arc.Network(
        name="theta",
        dt="0.01 ms",
        populations=[
            arc.Population(
                name="exc", n=n, neuron=arc.theta(tau="10 ms", initial={"v": arc.Uniform(-3, 3)}),
                bias=arc.Uniform(1, 4),
            )
        ],
        projections=[
            arc.Projection(
                pre="exc", post="exc", connectivity=arc.Sparse(0.2), weight=arc.Normal(0, 0.5),
                synapse=arc.exponential("5 ms"), delay=arc.Uniform("0 ms", "0.1 ms"),
            )
        ],
    )  # fmt: skip


def learning_network(rule: Any, *, feedback: bool, **parts: Any) -> arc.Network:
    """Two populations of izh2003 cells whose read-out of two outputs learns and may be fed back."""
    start = np.random.default_rng(2).normal(0, 0.01, (2, 50))
    readout = arc.Readout(
        name="out", source=["exc", "inh"], n_outputs=2, period="2 ms", initial_weight=start,
        feedback=arc.Feedback(target="exc", scale=arc.Uniform(-2, 2)) if feedback else None,
        rule=rule, **parts,
    )  # fmt: skip
    return izh2003_network("euler", readouts=[readout])
