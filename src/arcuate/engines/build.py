"""Build a plan: resolve every value and every random number of a specification into arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from arcuate import rng
from arcuate._philox import padded_normals
from arcuate.engines._build_io import build_inputs, build_readouts, build_record
from arcuate.engines._build_plastic import build_modulators, build_plasticity
from arcuate.engines._connect import draw_edges
from arcuate.engines._resolve import BLOCK, Resolver
from arcuate.engines.memory import check_memory, weight_type
from arcuate.engines.plan import (
    Array,
    CurrentPlan,
    FeaturePlan,
    InputPlan,
    NoisePlan,
    Plan,
    PopulationPlan,
    ProjectionPlan,
    ShortTermPlan,
)
from arcuate.errors import SpecError
from arcuate.mechanisms.noise import noise_gain
from arcuate.spec import (
    FixedInDegree,
    LowRank,
    Network,
    Population,
    Projection,
    Sparse,
    Synapse,
    Values,
    check_parameters,
)
from arcuate.spec.checks import check_parameter
from arcuate.spec.projection import MAX_DELAY
from arcuate.units import to_si


def build_plan(
    network: Network,
    *,
    seed: int | None = None,
    duration: object = None,
    inputs: Mapping[str, Any] | None = None,
    targets: Mapping[str, Any] | None = None,
    gates: Mapping[str, Any] | None = None,
    memory_limit: int | None = None,
    precision: str = "float64",
) -> Plan:
    """Resolve a specification and a seed into the arrays that an engine runs.

    Parameters
    ----------
    network : Network
        The specification.
    seed : int or None
        Seed of every random number; None draws one, which the recording keeps.
    duration : str, quantity or None
        Length of the run; by default that of the network's task.
    inputs : mapping of str to array, optional
        Values of the network's inputs, (n_steps, n_channels) or (n_steps,).
    targets : mapping of str to array, optional
        Teachers of read-outs, (n_samples, n_outputs), one row for each sample; the task's by default.
    gates : mapping of str to array, optional
        Attention gates of read-outs, (n_samples,); the task's, or 1, by default.
    memory_limit : int, optional
        Bytes that plan and run may need; 80 % of what is free by default.
    precision : {"float64", "float32"}
        Precision of the run that the plan is for. In single precision, weights that nothing changes are kept
        in single precision alone.

    Returns
    -------
    Plan

    Raises
    ------
    SpecError
        If a value cannot be resolved, or does not fit the network.
    MemoryLimitError
        If plan and run would not fit; raised before anything is allocated.

    Examples
    --------
    >>> from arcuate.spec import Network, Population, lif
    >>> net = Network(name="one", dt="0.1 ms", populations=[Population(name="exc", n=1, neuron=lif())])
    >>> build_plan(net, seed=1, duration="10 ms").n_steps
    100
    """
    seed = rng.check_seed(seed)
    n_steps, task = run_length(network, duration, seed)
    memory = check_memory(network, n_steps, task, limit=memory_limit, precision=precision)
    inputs, targets, gates = (
        _table(name, given) for name, given in (("inputs", inputs), ("targets", targets), ("gates", gates))
    )
    known = {"dt": network.dt, "dt_ms": network.dt * 1e3}
    populations, resolvers = {}, {}
    for population in network.populations.values():
        resolvers[population.name] = Resolver(
            seed,
            population.name,
            population.n,
            {**known, "n": population.n},
            where=f"Population {population.name!r}",
        )
        populations[population.name] = _population(population, resolvers[population.name], seed, n_steps)
    drives = build_inputs(network, seed, n_steps, given=inputs, task=task)
    currents, projections = _synapses(network, seed, populations, drives, known, precision)
    features: dict[str, FeaturePlan] = {}
    readouts = build_readouts(
        network,
        seed,
        n_steps,
        task=task,
        targets=targets,
        gates=gates,
        add_feature=_adder(network, features, known),
    )
    modulators = build_modulators(network, seed, n_steps, given=inputs, gates=gates)
    return Plan(
        network=network,
        seed=seed,
        dt=network.dt,
        n_steps=n_steps,
        populations=populations,
        currents=currents,
        projections=projections,
        inputs=drives,
        features=features,
        readouts=readouts,
        record=build_record(network, populations, n_steps, task),
        trial_start=np.asarray(task.start if task is not None else [], dtype=np.int64),
        trials=task,
        modulators=modulators,
        memory=memory,
    )


def run_length(network: Network, duration: object, seed: int) -> tuple[int, Any]:
    """Steps of a run, and the trials that its task has.

    Parameters
    ----------
    network : Network
        The specification.
    duration : str, quantity or None
        Length of the run; by default that of the network's task.
    seed : int
        Seed of the run.

    Returns
    -------
    tuple of int and (Trials or None)

    Raises
    ------
    SpecError
        If the duration is not valid, or there is neither duration nor task.
    """
    task = None
    if network.task is not None:
        from arcuate import tasks

        task = tasks.build(network.task).trials(network.dt, seed)
    return _n_steps(network, duration, task), task


def _synapses(
    network: Network,
    seed: int,
    populations: Mapping[str, PopulationPlan],
    drives: Mapping[str, InputPlan],
    known: Mapping[str, float],
    precision: str,
) -> tuple[dict[str, CurrentPlan], dict[str, ProjectionPlan]]:
    """Projections, those of spike inputs included, and the currents that they share."""
    currents: dict[str, CurrentPlan] = {}
    projections: dict[str, ProjectionPlan] = {}
    sources = {name: population.n for name, population in network.populations.items()}
    for projection in network.projections.values():
        current = _current(projection.synapse, populations[projection.post], currents, known)
        dtype = weight_type(projection, precision, recorded=projection.name in network.record.weights)
        plan = _projection(projection, current, sources, network, seed, dtype=dtype)
        if projection.short_term is not None:
            plan = replace(plan, short_term=_short_term(projection, sources[projection.pre], seed, known))
        if projection.plasticity is not None:
            rule = build_plasticity(network, projection, plan, populations[projection.post])
            plan = replace(plan, plasticity=rule)
        projections[projection.name] = plan
    for drive in network.inputs.values():
        for target in drive.target if drive.kind == "spikes" else ():
            current = _current(drive.synapse, populations[target], currents, known)
            name = f"{drive.name}->{target}"
            weight = drives[drive.name].weight[target]
            projections[name] = _fan_out(name, drive.name, target, current, weight)
    return currents, projections


def _table(name: str, given: object) -> Mapping[str, Any]:
    """What the caller gave by name, or nothing."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise SpecError.of(
            where="simulate",
            name=name,
            value=given,
            bound="must be a mapping from name to array",
            fix=f'use {name}={{"name": array}}',
        )
    return given


def _n_steps(network: Network, duration: object, task: Any) -> int:
    if duration is None:
        if task is None:
            raise SpecError.of(
                where=f"Network {network.name!r}",
                name="duration",
                value=None,
                bound="must be given, since the network has no task",
                fix='use duration="1 s"',
            )
        duration = f"{task.n_steps * network.dt!r} s"
    seconds = to_si(duration, "s", where="simulate", name="duration", low=0.0, low_open=True)
    if seconds < network.dt * (1 - 1e-9):
        raise SpecError.of(
            where="simulate",
            name="duration",
            value=duration,
            bound=f"must be at least one step, dt = {network.dt:g} s",
            fix="run for longer, or lower dt",
        )
    n_steps = seconds / network.dt
    if n_steps > 2**31:
        raise SpecError.of(
            where="simulate",
            name="duration",
            value=duration,
            bound=f"gives {n_steps:.3g} steps of {network.dt:g} s; at most 2**31 run at once",
            fix="run for less, or raise dt",
        )
    nearest = round(n_steps)  # what is a whole number of steps but for rounding is not rounded up
    return nearest if abs(n_steps - nearest) <= 1e-9 + 1e-12 * n_steps else int(np.ceil(n_steps))


def _population(population: Population, resolver: Resolver, seed: int, n_steps: int) -> PopulationPlan:
    model, method = population.neuron.mechanism, population.neuron.method
    resolver.draw("latents", population.latents)
    values = resolver.draw("parameters", population.neuron.parameters)
    check_parameters(model, values, where=f"Population {population.name!r}")
    values |= resolver.constants(model.constants)
    values |= {key: resolver.namespace[key] for key in ("dt", "dt_ms")}
    start = {key: variable.initial for key, variable in model.variables.items()} | dict(
        population.neuron.initial
    )
    initial = {}
    for key in model.variables:
        initial[key] = resolver.full("initial", key, start[key])
    noise = None
    if population.noise is not None:
        sigma = resolver.one("noise", "sigma", population.noise.sigma)
        if float(sigma.min()) < 0.0:
            raise SpecError.of(
                where=f"Population {population.name!r}",
                name="noise.sigma",
                value=float(sigma.min()),
                bound="must be >= 0",
                fix="draw it from a distribution without negative values",
            )
        stream = f"{population.name}/noise"
        frozen = None
        if population.noise.mode == "frozen":
            frozen = padded_normals(seed, stream, 0, n_steps, n=population.n)
        scale = np.asarray(noise_gain(sigma, float(resolver.namespace["dt"]), time_unit=model.time_unit))
        noise = NoisePlan(scale=scale, stream=stream, frozen=frozen)
    return PopulationPlan(
        name=population.name,
        n=population.n,
        model=model,
        method=method,
        values=values,
        initial=initial,
        bias=resolver.one("bias", "bias", population.bias),
        noise=noise,
    )


def _current(
    synapse: Synapse, post: PopulationPlan, currents: dict[str, CurrentPlan], known: Mapping[str, float]
) -> CurrentPlan:
    """The synaptic current of a synapse; equal synapses onto one population share it."""
    model, method = synapse.mechanism, synapse.method
    resolver = Resolver(0, f"{post.name}/synapse", post.n, known)
    values = resolver.draw("parameters", synapse.parameters)
    values |= resolver.constants(model.constants[method])
    leaky = post.leaky and bool(model.leak_contribution)
    if leaky and post.model.leak is not None:
        tau, resistance = post.model.leak
        resolver.namespace |= {"leak_tau": post.values[tau], "leak_resistance": post.values[resistance]}
        values |= resolver.constants(model.leak_constants)
    for current in currents.values():
        same = current.post == post.name and current.model is model and current.method == method
        if same and all(np.array_equal(current.values[key], values[key]) for key in values):
            return current
    number = sum(current.post == post.name for current in currents.values())
    name = f"{post.name}/{model.name}{number}"
    currents[name] = CurrentPlan(
        name=name, post=post.name, model=model, method=method, values=values, leaky=leaky,
        ohmic=bool(model.conductance) and post.takes_conductance,
    )  # fmt: skip
    return currents[name]


def _short_term(projection: Projection, n_pre: int, seed: int, known: Mapping[str, float]) -> ShortTermPlan:
    """Parameters of the presynaptic neurons, drawn and checked."""
    model, where = projection.short_term.mechanism, f"Projection {projection.name!r}, short_term"
    resolver = Resolver(seed, f"{projection.name}/short_term", n_pre, known, where=where)
    values = resolver.draw(
        "parameters", {key: getattr(projection.short_term, key) for key in model.parameters}
    )
    for key, parameter in model.parameters.items():
        check_parameter(parameter, values[key], where=where, name=key)
    return ShortTermPlan(model=model, values=values | resolver.constants(model.constants))


def _projection(
    projection: Projection,
    current: CurrentPlan,
    sources: Mapping[str, int],
    network: Network,
    seed: int,
    *,
    dtype: type,
) -> ProjectionPlan:
    n_pre, n_post = sources[projection.pre], sources[projection.post]
    where = f"Projection {projection.name!r}"
    rule = projection.connectivity
    names = {**dict(projection.constants), "n_pre": n_pre, "n_post": n_post}
    names |= (
        {"p": rule.p}
        if isinstance(rule, Sparse)
        else {"k": rule.k}
        if isinstance(rule, FixedInDegree)
        else {}
    )
    if isinstance(rule, LowRank):
        return _low_rank(projection, current, Resolver(seed, projection.name, 1, names, where=where), network)
    pre, post = draw_edges(
        rule,
        n_pre,
        n_post,
        same=projection.pre == projection.post,
        generator=rng.stream(seed, f"{projection.name}/connectivity"),
        where=where,
    )
    resolver = Resolver(seed, projection.name, pre.size, names, where=where)
    resolver.draw("latents", projection.latents)
    weight, delay = _matrix(projection.weight, pre, post), _matrix(projection.delay, pre, post)
    if weight is None:
        weight = resolver.full("weight", "weight", projection.weight, dtype=dtype)
    if delay is None:
        delay = resolver.one("delay", "delay", projection.delay)
    del resolver  # latents are large
    _check_edges(projection, network, weight, delay, pre, where=where)
    if projection.balance == "row":
        weight = (
            weight
            - (np.bincount(post, weight, n_post) / np.maximum(np.bincount(post, minlength=n_post), 1))[post]
        )
    steps = (delay / network.dt + 0.5).astype(np.int64)
    delays, indptr, post, weight = _rows(pre, post, weight, steps, n_pre=n_pre)
    return ProjectionPlan(
        name=projection.name,
        pre=projection.pre,
        post=projection.post,
        current=current.name,
        delays=delays,
        indptr=indptr,
        index=post.astype(np.int32, copy=False),
        weight=weight.astype(dtype, copy=False),
    )


def _rows(
    pre: Array, post: Array, weight: Array, steps: Array, *, n_pre: int
) -> tuple[Array, Array, Array, Array]:
    """Distinct delays, row pointers, targets and weights of edges, sorted as a plan has them."""
    if steps.ndim == 0 and _ascending(pre, post):  # as most rules draw them: nothing to sort
        delays = steps[None] if pre.size else np.zeros(1, np.int64)
        return delays, np.searchsorted(pre, np.arange(n_pre + 1, dtype=np.int32))[None], post, weight
    steps = np.broadcast_to(steps, pre.shape)
    order = np.lexsort((post, pre, -steps))
    pre, post, weight, steps = pre[order], post[order], weight[order], steps[order]
    first = np.flatnonzero(np.diff(steps, prepend=-1))
    delays = steps[first] if pre.size else np.zeros(1, np.int64)
    row = np.repeat(np.arange(first.size), np.diff(first, append=steps.size))
    counts = np.bincount(row * n_pre + pre, minlength=delays.size * n_pre)
    ends = np.cumsum(counts).reshape(delays.size, n_pre)
    indptr = np.concatenate([ends[:, :1] - counts.reshape(ends.shape)[:, :1], ends], axis=1)
    return delays, indptr, post, weight


def _ascending(pre: Array, post: Array) -> bool:
    """Whether edges are sorted by (pre, post)."""
    for first in range(0, pre.size, BLOCK):
        part = slice(first, first + BLOCK + 1)
        step = np.diff(pre[part])
        if (step < 0).any() or (np.diff(post[part])[step == 0] < 0).any():
            return False
    return True


def _matrix(value: Any, pre: Array, post: Array) -> Array | None:
    """A value given as a matrix (n_pre, n_post), read at the edges."""
    if not isinstance(value, Values) or value.array.ndim != 2:
        return None
    return np.asarray(value.array[pre, post], dtype=float)


def _fan_out(name: str, source: str, target: str, current: CurrentPlan, weight: Array) -> ProjectionPlan:
    """All channels of a spike input onto all neurons of a target; weight (n_channels, n)."""
    channels, n = weight.shape
    return ProjectionPlan(
        name=name,
        pre=source,
        post=target,
        current=current.name,
        delays=np.zeros(1, np.int64),
        indptr=n * np.arange(channels + 1, dtype=np.int64)[None],
        index=np.tile(np.arange(n, dtype=np.int32), channels),
        weight=weight.ravel(),
    )


def _check_edges(
    projection: Projection, network: Network, weight: Array, delay: Array, pre: Array, *, where: str
) -> None:
    if delay.size and not 0.0 <= float(delay.min()) <= float(delay.max()) <= MAX_DELAY:
        raise SpecError.of(
            where=where,
            name="delay",
            value=f"{float(delay.min() if delay.min() < 0.0 else delay.max()):g} s",
            bound=f"must be >= 0 s and <= {MAX_DELAY:g} s",
            fix="draw it from a distribution with bounds, such as Uniform",
        )
    ohmic = bool(projection.synapse.mechanism.conductance)
    if ohmic and weight.size and float(weight.min()) < 0.0:
        raise SpecError.of(
            where=where, name="weight", value=float(weight.min()),
            bound=f"must be >= 0, since it is a conductance; synapse {int(weight.argmin())} is not",
            fix="use abs(...) in the weight's expression; inhibition has a low e_rev instead of a sign",
        )  # fmt: skip
    sign = None if ohmic else network.populations[projection.pre].sign
    bad = weight < 0.0 if sign == "excitatory" else weight > 0.0 if sign == "inhibitory" else None
    if bad is not None and bad.any():
        place = int(np.flatnonzero(bad)[0])
        raise SpecError.of(
            where=where,
            name="weight",
            value=float(weight[place]),
            bound=f"must be {'>=' if sign == 'excitatory' else '<='} 0, since {projection.pre!r} is {sign} "
            f"(Dale's law); synapse {place} of neuron {int(pre[place])} is not",
            fix="use abs(...) in the weight's expression, or drop the population's sign",
        )


def _low_rank(
    projection: Projection, current: CurrentPlan, resolver: Resolver, network: Network
) -> ProjectionPlan:
    rule, seed = projection.connectivity, resolver.seed
    n_pre, n_post = network.populations[projection.pre].n, network.populations[projection.post].n
    factors = {}
    for side, n in (("left", n_post), ("right", n_pre)):
        value = getattr(rule, side)
        if isinstance(value, Values):
            factors[side] = np.array(value.array, dtype=float).reshape(n, rule.rank)
        else:
            factors[side] = value.sample(
                rng.stream(seed, f"{projection.name}/connectivity/{side}"), (n, rule.rank)
            )
    resolver.draw("latents", projection.latents)
    scale = float(resolver.full("weight", "weight", projection.weight)[0])
    delay = float(resolver.full("delay", "delay", projection.delay)[0])
    return ProjectionPlan(
        name=projection.name,
        pre=projection.pre,
        post=projection.post,
        current=current.name,
        delays=np.array([int(delay / network.dt + 0.5)], np.int64),
        indptr=np.zeros((1, n_pre + 1), np.int64),
        index=np.empty(0, np.int32),
        weight=np.empty(0),
        left=np.ascontiguousarray(scale * factors["left"]),
        right=np.ascontiguousarray(factors["right"]),
    )


def _adder(network: Network, features: dict[str, FeaturePlan], known: Mapping[str, float]) -> Any:
    """A function that gives the feature bank of a population and a filter, making it once."""

    def add(population: str, spec: Any) -> FeaturePlan:
        model, method = spec.mechanism, spec.method
        resolver = Resolver(0, f"{population}/filter", 1, known)
        values = resolver.draw("parameters", spec.parameters)
        values |= resolver.constants(model.constants[method])
        for feature in features.values():
            same = feature.population == population and feature.model is model and feature.method == method
            if same and all(np.array_equal(feature.values[key], values[key]) for key in values):
                return feature
        number = sum(feature.population == population for feature in features.values())
        name = f"{population}/filter{number}"
        features[name] = FeaturePlan(
            name=name,
            population=population,
            n=network.populations[population].n,
            model=model,
            method=method,
            values=values,
        )
        return features[name]

    return add
