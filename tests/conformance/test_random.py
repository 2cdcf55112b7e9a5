"""Random specifications: whatever a network is made of, two engines give the same spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance.cases import compared, plan_of

import arcuate as arc

pytestmark = pytest.mark.brian

N_STEPS = 1000

#: Neuron, range of its bias, unit of its input, scale of a synaptic current, scale and unit of a step of v.
MODELS: dict[str, tuple[Any, tuple[float, float], str, float, tuple[float, str]]] = {
    "izh2003": (arc.izh2003, (3.0, 12.0), "", 3.0, (2.0, "")),
    "izh2007": (arc.izh2007, (60.0, 200.0), "pA", 30.0, (2.0, "mV")),
    "lif": (arc.lif, (300.0, 600.0), "pA", 60.0, (2.0, "mV")),
    "theta": (arc.theta, (0.5, 3.0), "", 0.5, (0.1, "")),
}
METHODS = {
    "izh2003": ("euler", "legacy2003"), "izh2007": ("euler",), "lif": ("exact", "euler"), "theta": ("euler",),
}  # fmt: skip


def quantity(value: float, unit: str) -> float | str:
    return f"{value!r} {unit}" if unit else value


def random_population(rng: np.random.Generator, name: str, model: str) -> arc.Population:
    make, (low, high), unit, _, _ = MODELS[model]
    more: dict[str, Any] = {"tau": "10 ms"} if model == "theta" else {}
    if model == "lif":
        more = {"t_ref": f"{rng.choice([0.0, 0.1, 0.7, 2.0])} ms", "tau_m": arc.Uniform("8 ms", "20 ms")}
    noise = None
    if model == "izh2003" and rng.random() < 0.5:
        noise = arc.Noise(sigma=0.5, mode=str(rng.choice(["native", "frozen"])))
    return arc.Population(
        name=name, n=int(rng.integers(5, 40)), neuron=make(method=str(rng.choice(METHODS[model])), **more),
        bias=arc.Uniform(quantity(low, unit), quantity(high, unit)), noise=noise,
    )  # fmt: skip


def random_projection(rng: np.random.Generator, pre: str, post: str, model: str) -> arc.Projection:
    _, _, unit, scale, (step, step_unit) = MODELS[model]
    kind = rng.choice(["delta", "exponential", "double_exponential"])
    if kind == "delta":
        synapse, size, unit = arc.delta(), step, step_unit
    elif kind == "exponential":
        synapse, size = arc.exponential(f"{rng.uniform(2, 20)} ms"), scale
    else:
        synapse, size = arc.double_exponential("1 ms", f"{rng.uniform(2, 20)} ms"), 5 * scale
        unit = f"{unit}*ms" if unit else "ms"
    return arc.Projection(
        pre=pre, post=post, connectivity=arc.Sparse(float(rng.uniform(0.1, 0.5))), synapse=synapse,
        weight=arc.Normal(quantity(0.0, unit), quantity(size, unit)),
        delay=arc.Uniform("0 ms", f"{rng.choice([0.05, 1.0, 3.0])} ms"),
    )  # fmt: skip


def random_network(seed: int) -> tuple[arc.Network, dict[str, Any]]:
    """A network of one to three populations, and what it must be given to run."""
    rng = np.random.default_rng(seed)
    models = {f"p{k}": str(rng.choice(list(MODELS))) for k in range(rng.integers(1, 4))}
    populations = [random_population(rng, name, model) for name, model in models.items()]
    projections = [
        random_projection(rng, pre, post, models[post])
        for pre in models
        for post in models
        if rng.random() < 0.7
    ]
    parts: dict[str, Any] = {"inputs": [], "readouts": []}
    given: dict[str, Any] = {}
    target = str(rng.choice(list(models)))
    _, _, unit, scale, (step, step_unit) = MODELS[models[target]]
    if rng.random() < 0.5:
        weight = arc.Uniform(-scale, scale) if not unit else arc.Uniform(-1, 1)
        parts["inputs"].append(
            arc.Input(name="drive", target=target, n_channels=2, weight=weight, unit=unit or "1")
        )
        given["inputs"] = {"drive": (scale if unit else 1.0) * rng.normal(size=(N_STEPS, 2))}
    if rng.random() < 0.5:
        parts["inputs"].append(
            arc.Input(
                name="pushes", target=target, n_channels=3, kind="spikes", weight=quantity(step, step_unit)
            )
        )
        given.setdefault("inputs", {})["pushes"] = (rng.random((N_STEPS, 3)) < 0.02).astype(float)
    if rng.random() < 0.6:
        feedback = arc.Feedback(
            target=target, scale=arc.Uniform(quantity(-scale, unit), quantity(scale, unit))
        )
        parts["readouts"].append(
            arc.Readout(
                name="out", source=list(models), n_outputs=2, period="1.3 ms", feedback=feedback,
                filter=arc.Filter(model=str(rng.choice(["exponential", "two_stage", "double_exponential"]))),
                rule=arc.Delta(learning_rate=0.1, normalization=float(rng.uniform(0, 5)), w_min=-0.5),
            )
        )  # fmt: skip
        given["targets"] = {"out": rng.normal(size=(-(-N_STEPS // 13), 2))}
    network = arc.Network(
        name="random", dt="0.1 ms", populations=populations, projections=projections, **parts
    )
    return network, given


def agree(seed: int) -> int:
    network, given = random_network(seed)
    verification = compared(plan_of(network, "100 ms", seed=seed, everything=True, **given))
    assert verification.identical, f"specification {seed}: {verification}"
    assert max(verification.max_abs_diff.values()) <= 1e-12, dict(verification.max_abs_diff)
    return verification.n_spikes


def test_a_few_random_specifications() -> None:
    assert sum(agree(seed) for seed in range(3)) >= 100


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_random_specifications() -> None:
    assert sum(agree(seed) for seed in range(50)) >= 5000
