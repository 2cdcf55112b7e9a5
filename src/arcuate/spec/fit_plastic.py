"""Does a rule of plasticity fit its projection, and a modulator its read-out?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, UnitsError, unknown
from arcuate.spec.distributions import Distribution
from arcuate.units import dimension

if TYPE_CHECKING:
    from arcuate.spec.network import Network
    from arcuate.spec.plasticity import Modulator, Plasticity
    from arcuate.spec.projection import Projection

__all__ = ["check_modulator", "check_plasticity", "plastic_times"]


def check_plasticity(network: Network, projection: Projection, unit: str, *, where: str) -> None:
    """Refuse a rule that does not fit its projection.

    Parameters
    ----------
    network : Network
        The network.
    projection : Projection
        Its plastic projection.
    unit : str
        Unit of the projection's weight.
    where : str
        For the message.

    Raises
    ------
    SpecError
        If a unit, a name or a bound does not fit, or the neuron lacks what the rule reads.
    """
    rule: Plasticity = projection.plasticity
    post = network.populations[projection.post].neuron.mechanism
    for key, value in rule.parameters.items():
        wanted = rule.mechanism.parameters[key].unit
        if wanted.startswith("w") and float(value) != 0.0:
            _check_unit(value, unit, wanted[1:], where=where, name=f"plasticity.{key}")
    for key in ("w_min", "w_max"):
        if getattr(rule, key) is not None and float(getattr(rule, key)) != 0.0:
            _check_unit(getattr(rule, key), unit, "", where=where, name=f"plasticity.{key}")
    for variable in rule.mechanism.needs:
        if variable not in post.variables:
            raise SpecError.of(
                where=where, name="plasticity", value=rule.model,
                bound=f"reads {variable!r} of the target, which {post.name!r} neurons do not have",
                fix="use another rule or another neuron",
            )  # fmt: skip
        if variable == "v" and post.variables["v"].unit != "V" and rule.model == "voltage_stdp":
            raise UnitsError.of(
                where=where, name="plasticity", value=rule.model,
                bound=f"reads v in V, and that of {post.name!r} neurons is in {post.variables['v'].unit}",
            )  # fmt: skip
    if rule.modulator is not None and rule.modulator not in network.modulators:
        raise unknown(f"{where}, plasticity", rule.modulator, network.modulators, kind="modulator")
    if projection.balance is not None:
        raise SpecError.of(
            where=where, name="balance", value=projection.balance,
            bound="is not kept by a plastic projection", fix="leave one of the two out",
        )  # fmt: skip
    _check_start(network, projection, where)


def _check_unit(value: Any, unit: str, rest: str, *, where: str, name: str) -> None:
    wanted = dimension(unit) * dimension(f"1{rest}" if rest else "1")
    if dimension(getattr(value, "unit", "1")) != wanted:
        raise UnitsError.of(
            where=where, name=name, value=value,
            bound=f"must be in the unit of the weight{rest and f' {rest}'}, {wanted}",
        )  # fmt: skip


def strength_bounds(network: Network, projection: Projection) -> tuple[float, float, float]:
    """Sign of a projection's weights, and the bounds of their strength.

    Parameters
    ----------
    network : Network
        The network.
    projection : Projection
        A plastic projection.

    Returns
    -------
    tuple of float
        ``(sign, low, high)``; a weight is ``sign`` times a strength in [low, high].
    """
    rule, sign = projection.plasticity, network.populations[projection.pre].sign
    low = -np.inf if rule.w_min is None else float(rule.w_min)
    high = np.inf if rule.w_max is None else float(rule.w_max)
    ohmic = bool(projection.synapse.mechanism.conductance)
    if ohmic or sign is not None:
        low = max(low, 0.0)
    return (-1.0 if sign == "inhibitory" and not ohmic else 1.0), low, high


def _check_start(network: Network, projection: Projection, where: str) -> None:
    """Refuse known weights outside the bounds; drawn ones are checked in the plan."""
    sign, low, high = strength_bounds(network, projection)
    if high < low:
        raise SpecError.of(
            where=where, name="plasticity.w_max", value=high,
            bound=f"must be >= {low:g}, since no strength of a source with a sign is negative",
        )  # fmt: skip
    weight = projection.weight
    if isinstance(weight, str):
        return
    edges = sign * np.asarray(weight.support if isinstance(weight, Distribution) else weight, dtype=float)
    if isinstance(weight, Distribution) and not np.isfinite(edges).all():
        return
    least, most = float(np.min(edges)), float(np.max(edges))
    if least < low or most > high:
        outside = "w_min" if least < low else "w_max"
        raise SpecError.of(
            where=where, name="weight", value=weight if isinstance(weight, Distribution) else sign * least,
            bound=f"must start inside the bounds of its rule: {outside} is {low if least < low else high:g}",
            fix=f"change the weight, or plasticity.{outside}",
        )  # fmt: skip


def check_modulator(network: Network, modulator: Modulator) -> None:
    """Refuse a modulator whose read-out is not there or has no error.

    Parameters
    ----------
    network : Network
        The network.
    modulator : Modulator
        One of its modulators.

    Raises
    ------
    SpecError
        If the read-out does not fit.
    """
    if modulator.readout is None:
        return
    where = f"Modulator {modulator.name!r}"
    if modulator.readout not in network.readouts:
        raise unknown(where, modulator.readout, network.readouts, kind="read-out")
    if network.readouts[modulator.readout].rule is None:
        raise SpecError.of(
            where=where, name="readout", value=modulator.readout,
            bound="must have a rule, since only a taught read-out has an error",
            fix="give it one; rule=Delta(learning_rate=0) leaves its weights alone",
        )  # fmt: skip


def plastic_times(network: Network) -> Iterator[tuple[str, str, float]]:
    """Time constants of rules and modulators: where, name and value.

    Parameters
    ----------
    network : Network
        The network.

    Yields
    ------
    tuple
    """
    for projection in network.projections.values():
        rule = projection.plasticity
        if rule is None:
            continue
        for name in rule.mechanism.time_constants:
            yield f"Projection {projection.name!r}", name, float(rule.parameters[name])
        if rule.tau_e is not None:
            yield f"Projection {projection.name!r}", "tau_e", float(rule.tau_e)
    for modulator in network.modulators.values():
        if modulator.tau is not None:
            yield f"Modulator {modulator.name!r}", "tau", float(modulator.tau)
