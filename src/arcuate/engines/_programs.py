"""Parsed step programs of the mechanisms, each parsed once."""

from __future__ import annotations

from functools import cache

from arcuate.mechanisms.expressions import Expression, Program, parse, parse_program


@cache
def program(text: str) -> Program:
    """Parse a step program of a mechanism.

    Parameters
    ----------
    text : str
        Assignments, one a line.

    Returns
    -------
    Program
    """
    return parse_program(text, where="step program")


@cache
def expression(text: str) -> Expression:
    """Parse an expression of a mechanism.

    Parameters
    ----------
    text : str
        One expression.

    Returns
    -------
    Expression
    """
    return parse(text, where="step program")


@cache
def constant(text: str) -> Expression:
    """Parse the expression of a mechanism's constant, in which units are numbers in SI.

    Parameters
    ----------
    text : str
        One expression.

    Returns
    -------
    Expression
    """
    return parse(text, where="step program", units=True)
