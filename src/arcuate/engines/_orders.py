"""Which read-outs the fast order keeps up to date per spike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcuate.spec import Delta

if TYPE_CHECKING:
    from arcuate.engines.plan import Plan, ReadoutPlan

LINEAR_TRACE = "exponential"
"""The filter whose trace is one number that decays: what a read-out per spike needs."""


def per_spike_readouts(plan: Plan, order: str) -> tuple[str, ...]:
    """Read-outs that are kept up to date at spikes alone.

    A read-out of decaying traces decays itself, and a spike of neuron i adds the weight of i to it. Under
    the plain delta rule the change of that weight since the last spike of i is known in closed form, so
    nothing needs a loop over neurons. Bounds, a normalization, centering and other rules do.

    Parameters
    ----------
    plan : Plan
        What to run.
    order : {"strict", "fast"}
        Order of sums.

    Returns
    -------
    tuple of str
        Names, in the order of the plan; empty in the strict order.
    """
    if order == "strict":
        return ()
    names = [name for name, readout in plan.readouts.items() if _is_per_spike(plan, readout)]
    while True:  # a feature bank that somebody reads as an array is kept as one
        others = {f for name, readout in plan.readouts.items() if name not in names for f in readout.features}
        kept = [name for name in names if not others & set(plan.readouts[name].features)]
        if kept == names:
            return tuple(names)
        names = kept


def _is_per_spike(plan: Plan, readout: ReadoutPlan) -> bool:
    rule, center = readout.spec.rule, readout.spec.center
    plain = rule is None or (
        isinstance(rule, Delta) and rule.normalization is None and rule.w_min is None and rule.w_max is None
    )
    traces = all(plan.features[name].model.name == LINEAR_TRACE for name in readout.features)
    modulates = any(m.spec.readout == readout.name for m in plan.modulators.values())
    return plain and traces and center is None and not modulates
