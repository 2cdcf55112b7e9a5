"""Engines: what runs a plan. All give the same numbers; they differ in speed and in what they can do."""

from __future__ import annotations

from typing import Any

from arcuate.errors import CapabilityError, check_choice, unknown

ENGINES = ("numba", "brian2", "brian2-cython", "brian2-cpp", "brian2-cuda")
"""Names of the engines; ``"brian2"`` is Brian2 with its NumPy target."""

ORDERS = ("strict", "fast")
"""``"strict"`` sums as every engine does, in ascending index at every step; ``"fast"`` as is quickest."""

PRECISIONS = ("float64", "float32")
"""Precisions of neurons, synapses and filters."""


def get_engine(name: str) -> Any:
    """Give the engine of a name.

    Parameters
    ----------
    name : str
        One of :data:`ENGINES`.

    Returns
    -------
    Engine
        With ``name``, ``capabilities()``, ``explain(network)`` and ``start(plan)``.

    Raises
    ------
    UnknownNameError
        For another name, with the nearest one.

    Examples
    --------
    >>> get_engine("numba").name
    'numba'
    """
    if name == "numba":
        from arcuate.engines.numba_engine import NumbaEngine

        return NumbaEngine()
    if name in ENGINES:
        from arcuate.engines.brian_engine import BrianEngine

        return BrianEngine(name)
    raise unknown("simulate", name, list(ENGINES), kind="engine")


def check_capabilities(engine: Any, network: Any) -> None:
    """Refuse a network that an engine cannot run.

    Parameters
    ----------
    engine : Engine
        As :func:`get_engine` gives it.
    network : Network
        The specification.

    Raises
    ------
    CapabilityError
        Naming the first feature that the engine lacks.

    Examples
    --------
    >>> from arcuate.spec import Network, Population, lif
    >>> net = Network(name="one", dt="0.1 ms", populations=[Population(name="exc", n=1, neuron=lif())])
    >>> check_capabilities(get_engine("numba"), net)
    """
    obstacles = engine.explain(network)
    if obstacles:
        raise CapabilityError.of(
            where=f"Engine {engine.name!r}",
            name="network",
            value=network.name,
            bound=obstacles[0],
            fix='use engine="numba", which runs every specification',
        )


def check_arithmetic(engine: Any, *, order: str, precision: str) -> None:
    """Refuse an order of sums or a precision that is not there, or that an engine lacks.

    Parameters
    ----------
    engine : Engine
        As :func:`get_engine` gives it.
    order : str
        One of :data:`ORDERS`.
    precision : str
        One of :data:`PRECISIONS`.

    Raises
    ------
    UnknownNameError
        If there is no such order or precision.
    CapabilityError
        If the engine has the first of them alone.

    Examples
    --------
    >>> check_arithmetic(get_engine("numba"), order="fast", precision="float32")
    """
    for name, value, choices in (("order", order, ORDERS), ("precision", precision, PRECISIONS)):
        check_choice(value, choices, where="simulate", name=name)
        if value != choices[0] and f"{name}:{value}" not in engine.capabilities():
            raise CapabilityError.of(
                where=f"Engine {engine.name!r}",
                name=name,
                value=value,
                bound=f"must be {choices[0]!r}, the only {name} that it has",
                fix=f'use {name}={choices[0]!r}, or engine="numba"',
            )
