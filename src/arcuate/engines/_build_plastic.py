"""The plan's rules of plasticity and modulators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from arcuate import rng
from arcuate.engines._build_io import check_rows
from arcuate.engines._resolve import Resolver
from arcuate.engines.plan import Array, ModulatorPlan, PlasticityPlan, PopulationPlan, ProjectionPlan
from arcuate.errors import SpecError, check_array
from arcuate.spec import Distribution, Modulator, Network, Projection, to_steps
from arcuate.spec.fit_plastic import strength_bounds


def build_plasticity(
    network: Network, projection: Projection, plan: ProjectionPlan, post: PopulationPlan
) -> PlasticityPlan:
    """Resolve the rule of a projection.

    Parameters
    ----------
    network : Network
        The specification.
    projection : Projection
        A plastic projection of it.
    plan : ProjectionPlan
        Its synapses.
    post : PopulationPlan
        The population that it ends on.

    Returns
    -------
    PlasticityPlan

    Raises
    ------
    SpecError
        If a drawn weight is outside the rule's bounds.
    """
    spec, rule = projection.plasticity, projection.plasticity.mechanism
    where = f"Projection {projection.name!r}"
    every = 0 if spec.every is None else max(1, to_steps(spec.every, network.dt))
    known = {"dt": network.dt, "period": every * network.dt}
    resolver = Resolver(0, f"{projection.name}/plasticity", post.n, known, where=where)
    values = resolver.draw("parameters", spec.parameters)
    values |= {key: resolver.namespace[key] for key in known} | resolver.constants(rule.constants)
    if spec.tau_e is not None:
        values |= _eligibility(network, spec)
    resolver.namespace |= {f"post_{key}": value for key, value in post.initial.items()}
    initial = {
        key: np.array(np.broadcast_to(resolver.one("traces", key, variable.initial), post.n))
        for key, variable in rule.post.variables.items()
    }
    sign, low, high = strength_bounds(network, projection)
    _check_bounds(plan, sign * plan.weight, low, high, where)
    edge = np.argsort(plan.index, kind="stable").astype(np.int32)
    counts = np.diff(plan.indptr, axis=1)
    n_delays, n_pre = counts.shape
    source = np.tile(np.arange(n_pre, dtype=np.int32), n_delays)
    row = np.arange(n_delays, dtype=np.int32)
    return PlasticityPlan(
        spec=spec,
        rule=rule,
        values=values,
        initial=initial,
        sign=sign,
        low=low,
        high=high,
        column=np.concatenate([[0], np.cumsum(np.bincount(plan.index, minlength=post.n))]).astype(np.int64),
        edge=edge,
        source=np.repeat(source, counts.ravel())[edge],
        row=np.repeat(row, counts.sum(axis=1))[edge] if n_delays > 1 else np.empty(0, np.int32),
        epoch=1 if spec.tau_e is None else max(1, to_steps(spec.tau_e, network.dt)),
        every=every,
        norm=_norm(spec.normalize, plan, post.n),
    )


def _eligibility(network: Network, spec: Any) -> dict[str, Array]:
    """Decay of the eligibility over a step, and what a step gives the weight per unit of eligibility.

    Both eligibility and level decay within the step, so that the sum over steps is the integral: with
    taus = (tau_e + tau)/(tau_e tau), the level counts (1 - exp(-taus dt))/taus and the baseline
    tau_e (1 - exp(-dt/tau_e)). The same integral is taken by Potjans, Morrison and Diesmann 2010,
    Front. Comput. Neurosci. 4:141, doi:10.3389/fncom.2010.00141.
    """
    modulator, dt, rate = network.modulators[spec.modulator], network.dt, spec.learning_rate
    constant = -spec.tau_e * np.expm1(-dt / spec.tau_e)
    level = constant
    if modulator.tau is not None:
        taus = (spec.tau_e + modulator.tau) / (spec.tau_e * modulator.tau)
        level = -np.expm1(-taus * dt) / taus
    return {
        "decay_e": np.asarray(np.exp(-dt / spec.tau_e)),
        "gain_level": np.asarray(rate * level),
        "gain_base": np.asarray(rate * constant * modulator.baseline),
    }


def _check_bounds(plan: ProjectionPlan, strength: Array, low: float, high: float, where: str) -> None:
    outside = (strength < low) | (strength > high)
    if outside.any():
        place = int(np.flatnonzero(outside)[0])
        name, bound = ("w_min", low) if strength[place] < low else ("w_max", high)
        raise SpecError.of(
            where=where, name="weight", value=float(plan.weight[place]),
            bound=f"must start inside the bounds of its rule; synapse {place} is beyond {name}, {bound:g}",
            fix=f"draw it from a distribution with bounds, such as Uniform, or change plasticity.{name}",
        )  # fmt: skip


def _norm(kind: str | None, plan: ProjectionPlan, n_post: int) -> Array:
    """Norm of the weights onto each target, summed in stored order."""
    if kind is None:
        return np.empty(0)
    power = np.abs(plan.weight) if kind == "l1" else plan.weight * plan.weight
    total = np.bincount(plan.index, power, n_post)
    return total if kind == "l1" else np.sqrt(total)


def build_modulators(
    network: Network, seed: int, n_steps: int, *, given: Mapping[str, Any], gates: Mapping[str, Any]
) -> dict[str, ModulatorPlan]:
    """Resolve the modulators: their values from the caller, their gates, their fixed feedback.

    Parameters
    ----------
    network : Network
        The specification.
    seed : int
        Seed of the plan.
    n_steps : int
        Length of the run.
    given, gates : mapping of str to array
        Values and gates by name, one for each step.

    Returns
    -------
    dict of str to ModulatorPlan

    Raises
    ------
    SpecError
        If values are missing or do not fit.
    """
    return {
        modulator.name: _modulator(network, modulator, seed, n_steps, given, gates)
        for modulator in network.modulators.values()
    }


def _modulator(
    network: Network,
    modulator: Modulator,
    seed: int,
    n_steps: int,
    given: Mapping[str, Any],
    gates: Mapping[str, Any],
) -> ModulatorPlan:
    where = f"Modulator {modulator.name!r}"
    values = np.empty((0, 1))
    if modulator.readout is None:
        if modulator.name not in given:
            raise SpecError.of(
                where=where, name="values", value=None, bound="must be given, one for each step",
                fix=f'pass inputs={{"{modulator.name}": array of shape (n_steps,)}}',
            )  # fmt: skip
        values = check_rows(given[modulator.name], 1, n_steps, where=where)
    targets = {
        p.post
        for p in network.projections.values()
        if p.plasticity is not None and p.plasticity.modulator == modulator.name
    }
    feedback = {}
    for name in sorted(targets) if modulator.readout is not None else ():
        shape = (network.readouts[modulator.readout].n_outputs, network.populations[name].n)
        scale = modulator.feedback
        if isinstance(scale, Distribution):
            stream = rng.stream(seed, f"{modulator.name}/feedback/{name}")
            feedback[name] = np.ascontiguousarray(scale.sample(stream, shape))
        else:
            feedback[name] = np.full(shape, float(scale))
    return ModulatorPlan(
        name=modulator.name,
        spec=modulator,
        values=values,
        decay=0.0 if modulator.tau is None else float(np.exp(-network.dt / modulator.tau)),
        gate=_gate(modulator, network.dt, n_steps, gates.get(modulator.name), where),
        feedback=feedback,
    )


def _gate(modulator: Modulator, dt: float, n_steps: int, given: Any, where: str) -> Array:
    if given is not None and modulator.active is not None:
        raise SpecError.of(
            where=where, name="gate", value="an array", bound="must be left out, since active has times",
            fix="drop the gate, or active",
        )  # fmt: skip
    if given is not None:
        return np.array(check_array(given, where=where, name="gate", shape=(n_steps,)), dtype=float)
    gate = np.ones(n_steps)
    if modulator.active is not None:
        gate[:] = 0.0
        for low, high in modulator.active:
            gate[to_steps(low, dt) : to_steps(high, dt)] = 1.0
    return gate
