"""What a neuron model is, as data: parameters, state variables, programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Constraint", "NeuronModel", "Parameter", "Preset", "Variable"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a mechanism.

    Parameters
    ----------
    unit : str
        SI unit; ``"1"`` for a dimensionless number.
    default : float or str or None
        Value used when none is given; ``None`` makes the parameter required.
    doc : str
        What it is, in one line.
    source : str
        Where the default, or the parameter itself, comes from.
    low, high : float or None
        Bounds in SI.
    low_open, high_open : bool
        Whether a bound itself is excluded.

    Examples
    --------
    >>> from arcuate.mechanisms.neurons import MODELS
    >>> MODELS["lif"].parameters["tau_m"].unit
    's'
    """

    unit: str
    default: float | str | None
    doc: str
    source: str
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One state variable of a mechanism.

    Parameters
    ----------
    unit : str
        SI unit of the variable.
    initial : str
        Expression of the starting value in parameters, constants and the variables listed before it.
    doc : str
        What it is, in one line.

    Examples
    --------
    >>> from arcuate.mechanisms.neurons import MODELS
    >>> MODELS["izh2003"].variables["u"].initial
    'b*v'
    """

    unit: str
    initial: str
    doc: str


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A relation that the parameters of one neuron must satisfy.

    Parameters
    ----------
    name : str
        Parameter that an error message names.
    expression : str
        Condition over the parameters.
    bound : str
        The condition in words.
    fix : str
        The way out.

    Examples
    --------
    >>> from arcuate.mechanisms.neurons import MODELS
    >>> MODELS["lif"].constraints[0].expression
    'v_reset < v_thresh'
    """

    name: str
    expression: str
    bound: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class NeuronModel:
    """A neuron model as data.

    Parameters
    ----------
    name : str
        Key in `MODELS`.
    doc : str
        One line for people.
    parameters : mapping of str to Parameter
        Parameters; each may differ from neuron to neuron.
    variables : mapping of str to Variable
        State variables, in the order in which they start.
    constants : mapping of str to str
        Expressions over parameters, earlier constants, ``dt`` (s) and ``dt_ms`` (a number), evaluated
        once per network.
    input_unit : str
        Unit of ``I``.
    time_unit : float
        Seconds in the unit of time that the model's own noise counts in.
    updates : mapping of str to str
        Update program per method; runs in slot S2.
    threshold : str
        Condition for a spike, checked in S3 after the update.
    reset : str
        Program run in S5 for the neurons that fired.
    ode : str
        The differential equations, for readers.
    source : str
        Publication.
    default_method : str
        Method used when none is named.
    leak : tuple of str or None
        Names of the membrane time constant and the input resistance of a linear membrane.
    constraints : tuple of Constraint
        Relations between parameters.
    time_constants : tuple of str
        Parameters that are times which the step must resolve.
    max_dt : float or None
        Longest step, s, where the time constants of the equations are no parameters.

    Examples
    --------
    >>> from arcuate.mechanisms.neurons import MODELS
    >>> sorted(MODELS["izh2003"].updates)
    ['euler', 'legacy2003']
    """

    name: str
    doc: str
    parameters: Mapping[str, Parameter]
    variables: Mapping[str, Variable]
    constants: Mapping[str, str]
    input_unit: str
    updates: Mapping[str, str]
    threshold: str
    reset: str
    ode: str
    source: str
    default_method: str
    time_unit: float = 1.0
    leak: tuple[str, str] | None = None
    constraints: tuple[Constraint, ...] = ()
    time_constants: tuple[str, ...] = ()
    max_dt: float | None = None


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A published set of parameters of one model.

    Parameters
    ----------
    model : str
        Key in `MODELS`.
    parameters : mapping of str to float or str
        Values; parameters left out keep their default.
    doc : str
        Name of the firing pattern.
    source : str
        Publication.

    Examples
    --------
    >>> from arcuate.mechanisms.neurons import PRESETS
    >>> PRESETS["izh2003"]["CH"].parameters["c"]
    -50.0
    """

    model: str
    parameters: Mapping[str, float | str] = field(default_factory=dict)
    doc: str
    source: str
