"""Short-term plasticity: how much of a synapse's weight a spike delivers, given the spikes before it.

The variables belong to the presynaptic neuron of one projection. Between spikes they are exponentials, so
they are brought up to date when the neuron fires and at no other time; this is exact for any time step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arcuate.mechanisms.neurons import Parameter, Variable

__all__ = ["SHORT_TERM", "ShortTermModel"]


@dataclass(frozen=True, kw_only=True)
class ShortTermModel:
    """A model of short-term plasticity as data.

    Parameters
    ----------
    name : str
        Key in `SHORT_TERM`.
    doc : str
        One line for people.
    parameters : mapping of str to Parameter
        Parameters, one value for each presynaptic neuron or one for all.
    variables : mapping of str to Variable
        Variables per presynaptic neuron, as its last spike left them.
    constants : mapping of str to str
        Expressions over parameters and earlier constants.
    on_spike : str
        Program run when the neuron fires; reads ``elapsed``, the time since its spike before (s), and sets
        ``release``, the share of the weight that this spike delivers.
    ode : str
        The equations, for readers.
    source : str
        Publication.

    Examples
    --------
    >>> sorted(SHORT_TERM["tsodyks_markram"].variables)
    ['u', 'x']
    """

    name: str
    doc: str
    parameters: Mapping[str, Parameter]
    variables: Mapping[str, Variable]
    constants: Mapping[str, str]
    on_spike: str
    ode: str
    source: str


_TSODYKS = "Tsodyks, Pawelzik and Markram 1998, Neural Comput. 10:821, doi:10.1162/089976698300017502"
_TSODYKS_2000 = (
    "Tsodyks, Uziel and Markram 2000, J. Neurosci. 20:RC50, doi:10.1523/JNEUROSCI.20-01-j0003.2000"
)

_tsodyks_markram = ShortTermModel(
    name="tsodyks_markram",
    doc="Resources x are used up by spikes, their utilization u is raised by them; both recover.",
    parameters={
        "U": Parameter(
            unit="1",
            default=0.5,
            doc="utilization of a spike after long silence",
            source=f"{_TSODYKS_2000}, excitatory synapses onto excitatory cells",
            low=0.0,
            high=1.0,
        ),
        "tau_rec": Parameter(
            unit="s",
            default=0.8,
            doc="time constant of the recovery of resources",
            source=f"{_TSODYKS_2000}, excitatory synapses onto excitatory cells",
            low=0.0,
            high=1000.0,
            low_open=True,
        ),
        "tau_facil": Parameter(
            unit="s",
            default=0.0,
            doc="time constant of facilitation; 0 for none",
            source=f"{_TSODYKS_2000}, excitatory synapses onto excitatory cells",
            low=0.0,
            high=1000.0,
        ),
    },
    variables={
        "u": Variable(unit="1", initial="0.0", doc="utilization"),
        "x": Variable(unit="1", initial="1.0", doc="resources left"),
    },
    constants={
        "rate_rec": "1.0/tau_rec",
        "rate_facil": "where(tau_facil > 0.0, 1.0/where(tau_facil > 0.0, tau_facil, 1.0), 1e300)",
    },
    on_spike="""
        u_left = u*exp(-(elapsed*rate_facil))
        x_left = 1.0 + (x - 1.0)*exp(-(elapsed*rate_rec))
        u = u_left + U*(1.0 - u_left)
        release = u*x_left
        x = x_left - release
    """,
    ode="""
        du/dt = -u/tau_facil,      a spike: u = u + U*(1 - u)
        dx/dt = (1 - x)/tau_rec,   then:    w*u*x is delivered, x = x - u*x
    """,
    source=f"{_TSODYKS}, equations 2.1 to 2.3",
)

#: Models of short-term plasticity by name.
SHORT_TERM: Mapping[str, ShortTermModel] = {_tsodyks_markram.name: _tsodyks_markram}
