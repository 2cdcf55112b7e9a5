"""Random networks for the comparison with the reference: four structures, every number drawn.

The compiled loop depends on the structure, so many networks share four kernels. It also holds the sizes
of the populations, which is why those are drawn only on request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import arcuate as arc

Drawn = tuple[arc.Network, dict[str, Any]]

seeds = st.integers(0, 2**64 - 1)
steps_of_delay = st.integers(0, 9)


def ms(low: float, high: float) -> st.SearchStrategy[str]:
    return st.floats(low, high).map(lambda value: f"{value!r} ms")


def delays(dt: float) -> st.SearchStrategy[Any]:
    """One delay for all synapses, or several, none of them a multiple of the step."""
    one = st.floats(0.0, 9.0).map(lambda k: f"{k * dt!r} ms")
    return one | st.just(arc.Uniform("0 ms", f"{6.3 * dt!r} ms"))


def _projection(draw: Callable[..., Any], pre: str, post: str, dt: float, **options: Any) -> arc.Projection:
    given = {"connectivity": arc.Sparse(draw(st.floats(0.1, 1.0))), "delay": draw(delays(dt))}
    return arc.Projection(**{"pre": pre, "post": post, **given, **options})


@st.composite
def balanced(draw: Callable[..., Any], sizes: st.SearchStrategy[int]) -> Drawn:
    """Izhikevich 2003 cells of two signs, heterogeneous, noisy, driven through two channels."""
    dt = draw(st.sampled_from([0.2, 0.5, 1.0]))
    rho = {"rho": arc.Uniform(0, 1)}
    cells = [
        arc.Population(
            name="exc",
            n=draw(sizes),
            sign="excitatory",
            latents=rho,
            bias=arc.Normal(draw(st.floats(2, 9)), 1),
            noise=arc.Noise(sigma=draw(st.floats(0, 5)), mode="frozen"),
            neuron=arc.izh2003(
                method="legacy2003", a=arc.LogUniform(0.005, 0.02), c="-65 + 15*rho**2", d="8 - 6*rho**2"
            ),
        ),
        arc.Population(
            name="inh",
            n=draw(sizes),
            sign="inhibitory",
            latents=rho,
            noise=arc.Noise(sigma=draw(st.floats(0, 5))),
            neuron=arc.izh2003(a="0.02 + 0.08*rho", b="0.25 - 0.05*rho", d=2.0),
        ),
    ]
    xi = {"xi": arc.Normal(0, 1)}
    gain = draw(st.floats(0.1, 4.0))
    projections = [
        _projection(
            draw,
            pre,
            post,
            dt,
            latents=xi,
            constants={"g": gain if pre == "exc" else -gain},
            weight="g*abs(xi)",
            synapse=arc.exponential("20 ms" if pre == "exc" else "8 ms"),
        )
        for pre in ("exc", "inh")
        for post in ("exc", "inh")
    ]
    drive = arc.Input(name="drive", target=["exc", "inh"], n_channels=2, weight=arc.Uniform(0, 5))
    return arc.Network(
        name="balanced", dt=f"{dt} ms", populations=cells, projections=projections, inputs=[drive]
    ), {"inputs": {"drive": (2, "normal")}}


@st.composite
def integrators(draw: Callable[..., Any], sizes: st.SearchStrategy[int]) -> Drawn:
    """LIF cells with every kind of synapse and connectivity, refractory, driven by spikes too."""
    dt = draw(st.sampled_from([0.1, 0.25]))
    neuron = arc.lif(
        tau_m=draw(ms(2, 30)), t_ref=draw(ms(0, 3)), v_reset=draw(st.sampled_from(["-65 mV", "-70 mV"]))
    )
    n = [draw(sizes), draw(sizes)]
    cells = [
        arc.Population(name="a", n=n[0], neuron=neuron, bias=arc.Uniform("0.3 nA", "0.6 nA")),
        arc.Population(name="b", n=n[1], neuron=neuron, bias="0.2 nA", noise=arc.Noise(sigma="8 pA*s**0.5")),
    ]
    pA = arc.Normal("0 pA", f"{draw(st.floats(10, 200))!r} pA")
    count = draw(st.integers(1, 30))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    edges = arc.Edges(generator.integers(0, n[1], count), generator.integers(0, n[0], count))
    rank = arc.LowRank(2, arc.Normal(0, 1), arc.Normal(0, 1))
    rise, decay = draw(ms(0.5, 5)), draw(ms(0.5, 20))
    projections = [
        _projection(draw, "a", "b", dt, weight=pA, synapse=arc.exponential(draw(ms(1, 20)))),
        _projection(
            draw, "b", "a", dt, connectivity=edges, weight=arc.Normal("0 mV", "2 mV"), synapse=arc.delta()
        ),
        _projection(
            draw,
            "a",
            "a",
            dt,
            connectivity=arc.FixedInDegree(draw(st.integers(0, n[0] - 1))),
            weight=arc.Normal("0 pA*ms", "400 pA*ms"),
            synapse=arc.double_exponential(rise, decay),
            balance="row",
        ),
        arc.Projection(
            pre="b",
            post="b",
            connectivity=rank,
            weight="40 pA",
            delay=f"{draw(steps_of_delay) * dt!r} ms",
            synapse=arc.exponential(draw(ms(1, 20))),
        ),
    ]
    drive = arc.Input(
        name="train", target="a", n_channels=3, kind="spikes", weight=arc.Normal("0 mV", "4 mV")
    )
    return arc.Network(
        name="integrators", dt=f"{dt} ms", populations=cells, projections=projections, inputs=[drive]
    ), {"inputs": {"train": (3, "spikes")}}


@st.composite
def learners(draw: Callable[..., Any], sizes: st.SearchStrategy[int]) -> Drawn:
    """Izhikevich 2007 cells with a read-out that learns by the delta rule and is fed back."""
    dt = draw(st.sampled_from([0.1, 0.2]))
    n = draw(sizes)
    cells = [
        arc.Population(
            name="res",
            n=n,
            neuron=arc.izh2007(
                a=arc.Uniform("0.01 /ms", "0.05 /ms"), d=draw(st.sampled_from(["100 pA", "60 pA"]))
            ),
            bias=arc.Uniform("60 pA", "600 pA"),
        )
    ]
    synapse = arc.double_exponential(draw(ms(1, 4)), draw(ms(5, 20)), method="semi_exact")
    recurrent = _projection(
        draw,
        "res",
        "res",
        dt,
        weight=arc.Normal("0 pA*ms", f"{draw(st.floats(1, 900))!r} pA*ms"),
        synapse=synapse,
    )
    readout = arc.Readout(
        name="out",
        source="res",
        n_outputs=2,
        filter=arc.Filter(model="double_exponential", parameters={"area": "1 ms"}),
        period=f"{draw(st.integers(1, 20)) * dt!r} ms",
        feedback=arc.Feedback(target="res", scale=arc.Uniform("-100 pA", "100 pA")),
        rule=arc.Delta(learning_rate=draw(st.floats(0, 0.5)), normalization=draw(st.floats(0.01, 1.0))),
    )
    return arc.Network(
        name="learners", dt=f"{dt} ms", populations=cells, projections=[recurrent], readouts=[readout]
    ), {"targets": {"out": 2}}


@st.composite
def phases(draw: Callable[..., Any], sizes: st.SearchStrategy[int]) -> Drawn:
    """Theta cells and Euler LIF cells; two populations read out together by recursive least squares."""
    dt = draw(st.sampled_from([0.1, 0.5]))
    cells = [
        arc.Population(
            name="phase",
            n=draw(sizes),
            neuron=arc.theta(tau=draw(ms(5, 20)), initial={"v": arc.Uniform(-3, 3)}),
            bias=arc.Uniform(0.05, draw(st.floats(0.1, 1.0))),
        ),
        arc.Population(
            name="leak",
            n=draw(sizes),
            neuron=arc.lif(method="euler", tau_m=draw(ms(5, 30)), t_ref=draw(ms(0, 3))),
            bias=arc.Uniform("0.2 nA", "0.6 nA"),
            noise=arc.Noise(sigma="10 pA*s**0.5"),
        ),
    ]
    projections = [
        _projection(
            draw, "phase", "leak", dt, weight=arc.Normal("0 pA", "90 pA"), synapse=arc.exponential("5 ms")
        ),
        _projection(draw, "leak", "phase", dt, weight=arc.Normal(0, 0.05), synapse=arc.exponential("9 ms")),
    ]
    rule = arc.RLS(alpha=draw(st.floats(0.5, 5.0)), forgetting=draw(st.sampled_from([1.0, 0.99])))
    readout = arc.Readout(
        name="out",
        source=["phase", "leak"],
        n_outputs=1,
        filter=arc.Filter(model="exponential", parameters={"tau": draw(ms(5, 50))}),
        period=f"{draw(st.integers(2, 20)) * dt!r} ms",
        rule=rule,
    )
    return arc.Network(
        name="phases", dt=f"{dt} ms", populations=cells, projections=projections, readouts=[readout]
    ), {"targets": {"out": 1}}


STRUCTURES = {"balanced": balanced, "integrators": integrators, "learners": learners, "phases": phases}
