"""Checks that need more than one part: do names, units, sizes and times fit together?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, UnitsError, unknown
from arcuate.spec.checks import check_expression
from arcuate.spec.distributions import Distribution
from arcuate.spec.fit_plastic import check_modulator, check_plasticity, plastic_times
from arcuate.spec.paths import all_paths, has_path
from arcuate.spec.population import Population
from arcuate.spec.projection import LowRank, Projection
from arcuate.spec.readout import RLS, Input, Readout, TwoBank
from arcuate.spec.record import to_steps
from arcuate.spec.values import Quantity, Values, same_unit
from arcuate.units import dimension

if TYPE_CHECKING:
    from arcuate.spec.network import Network

__all__ = ["check_fit", "rounding_notes", "synapse_weight_unit"]


def check_fit(network: Network) -> None:
    """Refuse parts that do not fit together.

    Parameters
    ----------
    network : Network
        Parts that are each valid.

    Raises
    ------
    SpecError
        If a name, a unit, a size or a time of one does not fit another.
    """
    for projection in network.projections.values():
        _check_projection(network, projection)
    for drive in network.inputs.values():
        _check_input(network, drive)
    for readout in network.readouts.values():
        _check_readout(network, readout)
    for modulator in network.modulators.values():
        check_modulator(network, modulator)
    _check_record(network)
    _check_dt(network)
    _check_names(network)
    for path in network.sources:
        if not isinstance(network.sources[path], str) or not has_path(network, path):
            raise unknown(f"Network {network.name!r}, sources", path, all_paths(network), kind="path")


def _check_names(network: Network) -> None:
    """Refuse a name that two parts share: random streams, synapses and recorded states go by it."""
    owners: dict[str, str] = {}
    for kind, parts in (
        ("a population", network.populations),
        ("an input", network.inputs),
        ("a read-out", network.readouts),
        ("a modulator", network.modulators),
        ("a projection", network.projections),
    ):
        for name, part in parts.items():
            own = (name,)
            if isinstance(part, Input) and part.kind == "spikes":
                own += tuple(f"{name}->{target}" for target in part.target)
            for word in own:
                if word in owners:
                    raise SpecError.of(
                        where=f"{type(part).__name__} {name!r}",
                        name="name",
                        value=word,
                        bound=f"is also {owners[word]}",
                        fix="choose another name",
                    )
                owners[word] = kind if word == name else f"a projection, that of the input {name!r}"


def _population(network: Network, name: str, where: str) -> Population:
    if name not in network.populations:
        raise unknown(where, name, network.populations, kind="population")
    found: Population = network.populations[name]
    return found


def _check_projection(network: Network, projection: Projection) -> None:
    where = f"Projection {projection.name!r}"
    pre, post = _population(network, projection.pre, where), _population(network, projection.post, where)
    same = projection.pre == projection.post
    projection.connectivity._fit_sizes(pre.n, post.n, same=same, where=where)
    _check_voltage(projection.synapse, post, where)
    unit = synapse_weight_unit(projection.synapse, post)
    weight = projection.weight
    if isinstance(weight, str):
        check_expression(weight, projection.weight_names, unit, where=where, name="weight")
    else:
        _check_unit(weight, unit, where=where, name="weight")
    for key in ("weight", "delay"):
        value = getattr(projection, key)
        if isinstance(value, Values) and len(value.shape) == 2 and value.shape != (pre.n, post.n):
            turned = value.shape == (post.n, pre.n)
            raise SpecError.of(
                where=where,
                name=key,
                value=value.shape,
                bound=f"must have shape (n_pre, n_post) = {(pre.n, post.n)}",
                fix=f"transpose it: {key}.T" if turned else "rows are sources, columns are targets",
            )
    for name in projection.short_term.mechanism.parameters if projection.short_term else ():
        value = getattr(projection.short_term, name)
        if isinstance(value, Values) and value.shape != (pre.n,):
            raise SpecError.of(
                where=where,
                name=f"short_term.{name}",
                value=value.shape,
                bound=f"must have one element per presynaptic neuron, shape {(pre.n,)}",
            )
    if projection.synapse.mechanism.conductance:
        _check_conductance(projection, where)
    elif pre.sign is not None:
        _check_sign(projection, pre.sign, where)
    if projection.plasticity is not None:
        check_plasticity(network, projection, unit, where=where)


def _check_voltage(synapse: Any, post: Population, where: str) -> None:
    """Refuse a conductance onto a neuron whose membrane potential is not in volts."""
    model = post.neuron.mechanism
    if synapse.mechanism.conductance and (model.input_unit != "A" or model.variables["v"].unit != "V"):
        raise SpecError.of(
            where=where,
            name="synapse",
            value=synapse.model,
            bound=f"is a conductance, and {model.name!r} of {post.name!r} has no potential in V",
            fix="leave e_rev out, which sends a current, or use a neuron in V and A, such as izh2007 or lif",
        )


def _check_conductance(part: Projection | Input, where: str) -> None:
    """Refuse a conductance that is known to be negative; drawn weights are checked in the plan."""
    weight = part.weight
    for name in ("connectivity", "balance"):
        value = getattr(part, name, None)
        if value is not None and (name == "balance" or isinstance(value, LowRank)):
            raise SpecError.of(
                where=where,
                name=name,
                value="low_rank" if name == "connectivity" else value,
                bound="gives weights of both signs, and a conductance is >= 0",
                fix="leave the synapse's e_rev out, which sends a current",
            )
    if isinstance(weight, str):
        return
    low = float(np.min(np.asarray(weight.support if isinstance(weight, Distribution) else weight, float)))
    if low < 0.0:
        raise SpecError.of(
            where=where,
            name="weight",
            value=weight if isinstance(weight, Distribution) else low,
            bound="must be >= 0, since it is a conductance",
            fix="give inhibition a low reversal potential, e_rev, and a weight without sign",
        )


def _check_sign(projection: Projection, sign: str, where: str) -> None:
    """Refuse a weight that is known to break Dale's law; drawn weights are checked in the plan."""
    weight = projection.weight
    if projection.balance is not None or isinstance(projection.connectivity, LowRank):
        name = "balance" if projection.balance is not None else "connectivity"
        raise SpecError.of(
            where=where,
            name=name,
            value=projection.balance or "low_rank",
            bound=f"gives weights of both signs, but {projection.pre!r} is {sign}",
            fix="leave its sign unset",
        )
    if isinstance(weight, str):
        return
    edges = np.asarray(weight.support if isinstance(weight, Distribution) else weight, dtype=float)
    low, high = float(np.min(edges)), float(np.max(edges))
    if (low < 0 and sign == "excitatory") or (high > 0 and sign == "inhibitory"):
        bound = ">= 0" if sign == "excitatory" else "<= 0"
        raise SpecError.of(
            where=where,
            name="weight",
            value=weight if isinstance(weight, Distribution) else (low, high)[sign == "inhibitory"],
            bound=f"must be {bound} since {projection.pre!r} is {sign} (Dale's law)",
            fix="change the sign of the weight, or leave the population's sign unset",
        )


def _check_input(network: Network, drive: Input) -> None:
    where = f"Input {drive.name!r}"
    targets = [_population(network, name, where) for name in drive.target]
    for target in targets:
        if drive.synapse is not None:
            _check_voltage(drive.synapse, target, where)
            if drive.synapse.mechanism.conductance:
                _check_conductance(drive, where)
            unit = synapse_weight_unit(drive.synapse, target)
            _check_unit(drive.weight, unit, where=where, name="weight")
            continue
        unit = target.neuron.mechanism.input_unit
        found = dimension(getattr(drive.weight, "unit", "1")) * dimension(drive.unit)
        if found != dimension(unit):
            raise UnitsError.of(
                where=where,
                name="weight",
                value=drive.weight,
                bound=f"times {drive.unit!r} must be {'a plain number' if unit == '1' else f'in {unit}'}",
                fix=f'give the weight in {unit}, or unit="{unit}"' if unit != "1" else "drop the unit",
            )
    size = sum(target.n for target in targets)
    if isinstance(drive.weight, Values) and drive.weight.shape != (size, drive.n_channels):
        raise SpecError.of(
            where=where,
            name="weight",
            value=drive.weight.shape,
            bound=f"must have shape {(size, drive.n_channels)}",
        )


def _check_readout(network: Network, readout: Readout) -> None:
    where = f"Readout {readout.name!r}"
    size = sum(_population(network, name, where).n for name in readout.source)
    if isinstance(readout.initial_weight, Values) and readout.initial_weight.shape[1] != size:
        raise SpecError.of(
            where=where,
            name="initial_weight",
            value=readout.initial_weight.shape,
            bound=f"must have shape {(readout.n_rows, size)}",
        )
    if readout.feedback is not None:
        target = _population(network, readout.feedback.target, f"{where}, feedback")
        scale = readout.feedback.scale
        _check_unit(scale, target.neuron.mechanism.input_unit, where=f"{where}, feedback", name="scale")
        if isinstance(scale, Values) and scale.shape != (target.n, readout.n_outputs):
            raise SpecError.of(
                where=f"{where}, feedback",
                name="scale",
                value=scale.shape,
                bound=f"must have shape {(target.n, readout.n_outputs)}",
            )
    if network.task is None:
        needs = isinstance(readout.rule, TwoBank) or (isinstance(readout.rule, RLS) and readout.rule.reset_at)
        if needs or readout.center is not None:
            name = "rule" if needs else "center"
            raise SpecError.of(
                where=where,
                name=name,
                value=type(getattr(readout, name)).__name__,
                bound="needs the trials of a task, and the network has none",
                fix='give the network a task, such as {"kind": "what_when"}',
            )


def _check_record(network: Network) -> None:
    record = network.record
    named = [
        *record.states,
        *record.neurons,
        *(record.spikes if isinstance(record.spikes, tuple) else ()),
    ]
    for name in named:
        _population(network, name, "Record")
    for name, variables in record.states.items():
        known = network.populations[name].neuron.mechanism.variables
        for variable in variables:
            if variable not in known:
                raise unknown(f"Record, states.{name}", variable, known, kind="state variable")
    for name, chosen in record.neurons.items():
        n = network.populations[name].n
        if max(chosen) >= n:
            raise SpecError.of(
                where="Record",
                name=f"neurons.{name}",
                value=max(chosen),
                bound=f"must be < {n}, the population's size",
            )
    for name in record.weights:
        if name not in network.projections:
            raise unknown("Record, weights", name, network.projections, kind="projection")
        if isinstance(network.projections[name].connectivity, LowRank):
            raise SpecError.of(
                where="Record", name="weights", value=name, bound="is low-rank and has no synapses to record"
            )


def _times(network: Network) -> Iterator[tuple[str, str, float]]:
    """Time constants that are known numbers: where, name and the smallest value."""
    for population in network.populations.values():
        for name in population.neuron.mechanism.time_constants:
            value = population.neuron.parameters[name]
            if isinstance(value, Distribution) and np.isfinite(value.support[0]) and value.support[0] > 0:
                value = value.support[0]
            if isinstance(value, (float, Values)):
                yield f"Population {population.name!r}", name, float(np.min(np.asarray(value)))
    for kind, parts in (("Projection", network.projections), ("Input", network.inputs)):
        for part in parts.values():
            if part.synapse is not None:
                for name in part.synapse.mechanism.time_constants:
                    yield f"{kind} {part.name!r}", name, float(part.synapse.parameters[name])
    yield from plastic_times(network)
    for readout in network.readouts.values():
        for name in readout.filter.mechanism.time_constants:
            yield f"Readout {readout.name!r}", name, float(readout.filter.parameters[name])


def _check_dt(network: Network) -> None:
    for population in network.populations.values():
        model = population.neuron.mechanism
        if model.max_dt is not None and network.dt > model.max_dt * (1 + 1e-9):
            longest = Quantity(model.max_dt, "s")
            raise SpecError.of(
                where=f"Network {network.name!r}",
                name="dt",
                value=network.dt,
                bound=f"must be <= {longest} for the model {model.name!r} of Population {population.name!r}",
                fix=f'use dt="{longest}"',
            )
    for where, name, value in _times(network):
        if network.dt > value:
            tau = Quantity(value, "s")
            raise SpecError.of(
                where=f"Network {network.name!r}",
                name="dt",
                value=network.dt,
                bound=f"must be <= {tau}, the {name} of {where}, or the step resolves nothing",
                fix=f'use dt="{Quantity(value / 10, "s")}" or a larger {name}',
            )


def rounding_notes(network: Network) -> tuple[str, ...]:
    """Times that are no multiple of the step, and what they are rounded to.

    Parameters
    ----------
    network : Network
        The network.

    Returns
    -------
    tuple of str
    """
    found = []

    def note(where: str, name: str, value: Any, least: int = 0) -> None:
        if not isinstance(value, float):
            return
        steps = max(to_steps(value, network.dt), least)
        if abs(steps * network.dt - value) > 1e-9 * max(value, network.dt):
            found.append(
                f"{where}: {name} = {value} is rounded to {steps} steps, {Quantity(steps * network.dt, 's')}"
            )

    for population in network.populations.values():
        if "ref_steps" in population.neuron.mechanism.constants:
            note(f"Population {population.name!r}", "t_ref", population.neuron.parameters["t_ref"])
    for projection in network.projections.values():
        note(f"Projection {projection.name!r}", "delay", projection.delay)
    for readout in network.readouts.values():
        note(f"Readout {readout.name!r}", "period", readout.period, 1)
    note("Record", "every", network.record.every, 1)
    return tuple(found)


def synapse_weight_unit(synapse: Any, post: Population) -> str:
    """Unit of the weight of a synapse onto a population.

    Parameters
    ----------
    synapse : Synapse
        The synapse.
    post : Population
        Its target.

    Returns
    -------
    str

    Examples
    --------
    >>> from arcuate.spec import double_exponential, lif
    >>> synapse_weight_unit(double_exponential(), Population(name="exc", n=1, neuron=lif()))
    'A*s'
    """
    unit = post.neuron.mechanism.input_unit
    kind = synapse.mechanism.weight_unit
    if kind == "v":
        return post.neuron.mechanism.variables["v"].unit
    if kind == "input*s":
        return "s" if unit == "1" else f"{unit}*s"
    return kind if kind != "input" else unit


def _check_unit(value: Any, unit: str, *, where: str, name: str) -> None:
    found = getattr(value, "unit", "1")
    if not same_unit(found, unit):
        raise UnitsError.of(
            where=where,
            name=name,
            value=value,
            bound=f"must be {'a plain number' if unit == '1' else f'in {unit}'}, not in {found}",
            fix=f'write it with a unit, such as "{Quantity(20e-12, unit)}"'
            if unit != "1"
            else "drop the unit",
        )
