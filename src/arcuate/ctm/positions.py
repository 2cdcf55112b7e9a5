"""Codes of position that a Continuous Thought Machine adds to its features, as pure functions of arrays."""

from __future__ import annotations

import math

import numpy as np

from arcuate.ctm.dynamics import (
    Array,
    Parameters,
    below,
    glu,
    layer_norm,
    linear,
    namespace,
)
from arcuate.errors import CapabilityError, SpecError, check_int

__all__ = ["positional_code", "rotational_positions"]


def rotational_positions(n_tokens: int) -> np.ndarray:
    """Vectors (-sin a, cos a) for angles from 0 to 180 degrees, both ends included.

    Parameters
    ----------
    n_tokens : int

    Returns
    -------
    ndarray, (L, 2)
        ``custom-rotational-1d`` before its projection.

    Examples
    --------
    >>> rotational_positions(3).round(3) + 0.0
    array([[ 0.,  1.],
           [-1.,  0.],
           [ 0., -1.]])
    """
    angle = np.deg2rad(np.linspace(0.0, 180.0, check_int(n_tokens, where="CTM", name="n_tokens")))
    return np.stack((-np.sin(angle), np.cos(angle)), axis=-1)


def positional_code(grid: tuple[int, ...], parameters: Parameters) -> Array:
    """Code every place of a row or an image; the parameters' names say which code it is.

    ``custom-rotational-1d`` is an affine map of the angles of `rotational_positions`. ``custom-rotational``
    takes row and column of a square image as such angles, of a start vector that is learned.
    ``learnable-fourier`` sends cosines and sines of learned directions through two layers;
    ``multi-learnable-fourier`` mixes several of them.

    Parameters
    ----------
    grid : tuple of int
        (L,), or rows and columns.
    parameters : mapping of str to array
        What stands below ``positional_embedding.`` in the official names.

    Returns
    -------
    array, (L, C)
        Rows one after the other.

    Raises
    ------
    SpecError
        If the code is not made for such a grid.
    CapabilityError
        If the names are of no code that is known.

    Examples
    --------
    >>> positional_code((3,), {"projection.weight": np.eye(2), "projection.bias": np.zeros(2)}).round(3) + 0.0
    array([[ 0.,  1.],
           [-1.,  0.],
           [ 0., -1.]])
    """
    if "projection.weight" in parameters:
        _check(grid, "a row of tokens", len(grid) == 1)
        weight = parameters["projection.weight"]
        return linear(_like(rotational_positions(*grid), weight), weight, parameters["projection.bias"])
    if "projection.0.weight" in parameters:
        return _rotational(grid, parameters)
    if "Wr.weight" in parameters:
        return _fourier(grid, parameters)
    if "combination" in parameters:
        return _mixture(grid, parameters)
    bound = f"has no code with parameters such as {next(iter(parameters), '')!r}"
    raise CapabilityError.of(where="CTM positions", bound=bound, fix="add it to the features")


def _check(grid: tuple[int, ...], wanted: str, fits: bool) -> None:
    if not fits:
        raise SpecError.of(where="CTM positions", name="grid", value=grid, bound=f"must be {wanted}")


def _like(values: np.ndarray, other: Array) -> Array:
    """Numbers as an array of the same package, precision and device as another."""
    return namespace(other).asarray(values, dtype=other.dtype, device=other.device)


def _rotational(grid: tuple[int, ...], parameters: Parameters) -> Array:
    _check(grid, "a square image", len(grid) == 2 and grid[0] == grid[1])
    n, start = grid[0], parameters["start_vector"]
    turned = rotational_positions(n)  # (-sin, cos)
    sine, cosine = (_like(column, start) for column in (-turned[:, :1], turned[:, 1:]))
    x, y = start[:1], start[1:]
    xp = namespace(start)
    vectors = xp.concatenate((cosine * x - sine * y, sine * x + cosine * y), axis=-1)
    row, column = np.divmod(np.arange(n * n), n)
    both = xp.concatenate((vectors[row], vectors[column]), axis=-1)
    return linear(both, parameters["projection.0.weight"], parameters["projection.0.bias"])


def _fourier(grid: tuple[int, ...], parameters: Parameters) -> Array:
    _check(grid, "an image of at least 2 by 2", len(grid) == 2 and min(grid) > 1)
    height, width = grid
    row, column = np.divmod(np.arange(height * width), width)
    weight = parameters["Wr.weight"]
    xp = namespace(weight)
    place = _like(np.stack((column / (width - 1), row / (height - 1)), axis=-1), weight)
    phase = place @ weight.T
    waves = xp.concatenate((xp.cos(phase), xp.sin(phase)), axis=-1) / math.sqrt(2 * len(weight))
    hidden = glu(linear(waves, parameters["mlp.0.weight"], parameters["mlp.0.bias"]))
    code = linear(hidden, parameters["mlp.2.weight"], parameters["mlp.2.bias"])
    return layer_norm(code, parameters["mlp.3.weight"], parameters["mlp.3.bias"])


def _mixture(grid: tuple[int, ...], parameters: Parameters) -> Array:
    mix = parameters["combination"]
    xp = namespace(mix)
    share = xp.exp(mix - xp.amax(mix))
    share = share / xp.sum(share)
    codes = [_fourier(grid, below(parameters, f"embedders.{k}.")) for k in range(len(mix))]
    return xp.sum(xp.stack(codes) * share[:, None, None], axis=0)
