"""Named random streams: one seed, and an address for every random number.

A stream depends on the seed and its name alone, never on which other streams exist or in which order
they are used. The generator is Philox (Salmon et al. 2011, doi:10.1145/2063384.2063405), keyed by a
hash of seed and name.
"""

from __future__ import annotations

import hashlib
import numbers
import operator
import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np

from arcuate.errors import FileFormatError, SpecError

__all__ = ["check_seed", "restore", "state", "stream"]

_ARRAYS = ("counter", "key")
_SIZES = {"counter": 4, "key": 2, "buffer": 4}


def check_seed(seed: object) -> int:
    """Return a seed as an integer, or refuse it.

    Parameters
    ----------
    seed : int or None
        An integer from 0 to 2**128 - 1. ``None`` draws a fresh one below 2**63, to be recorded.

    Returns
    -------
    int

    Raises
    ------
    SpecError
        For anything else, a bool or a float included.

    Examples
    --------
    >>> check_seed(7)
    7
    """
    if seed is None:
        return secrets.randbits(63)
    fix = "use an integer such as seed=1, or seed=None for a fresh one"
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, numbers.Integral):
        raise SpecError.of(name="seed", value=seed, bound="must be an integer", fix=fix)
    number = operator.index(seed)
    if not 0 <= number < 2**128:
        raise SpecError.of(name="seed", value=number, bound="must be >= 0 and < 2**128", fix=fix)
    return number


def stream(seed: int, name: str) -> np.random.Generator:
    """Open the random stream of a name.

    Parameters
    ----------
    seed : int
        Seed of the run, 0 <= seed < 2**128.
    name : str
        Address of the numbers, such as ``"exc/noise"``.

    Returns
    -------
    numpy.random.Generator
        At its beginning; the same seed and name give the same numbers on every platform.

    Raises
    ------
    SpecError
        If the seed or the name is not valid.

    Examples
    --------
    >>> stream(1, "exc/noise").random() == stream(1, "exc/noise").random()
    True
    >>> stream(1, "exc/noise").random() == stream(1, "inh/noise").random()
    False
    """
    if not isinstance(name, str) or not name:
        raise SpecError.of(name="stream name", value=name, bound="must be text that is not empty")
    if seed is None:
        raise SpecError.of(name="seed", value=seed, bound="must be an integer", fix="call check_seed first")
    text = f"arcuate/1\0{check_seed(seed)}\0{name}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest, "<u8", count=2).astype(np.uint64)))


def state(generator: np.random.Generator) -> dict[str, Any]:
    """Describe where a stream stands, in numbers and lists that JSON can hold.

    Parameters
    ----------
    generator : numpy.random.Generator
        A generator made by `stream`.

    Returns
    -------
    dict

    Examples
    --------
    >>> sorted(state(stream(1, "a")))
    ['bit_generator', 'buffer', 'buffer_pos', 'counter', 'has_uint32', 'key', 'uinteger']
    """
    raw: Mapping[str, Any] = generator.bit_generator.state
    if raw["bit_generator"] != "Philox":
        raise SpecError.of(name="generator", value=raw["bit_generator"], bound="must be a Philox stream")
    flat = {**raw, **raw["state"]}
    return {
        "bit_generator": "Philox",
        **{name: [int(word) for word in flat[name]] for name in _SIZES},
        **{name: int(flat[name]) for name in ("buffer_pos", "has_uint32", "uinteger")},
    }


def restore(saved: Mapping[str, Any]) -> np.random.Generator:
    """Open a stream where `state` left it.

    Parameters
    ----------
    saved : mapping
        What `state` returned.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    FileFormatError
        If it is not such a description.

    Examples
    --------
    >>> generator = stream(1, "a")
    >>> again = restore(state(generator))
    >>> generator.random() == again.random()
    True
    """
    try:
        if saved["bit_generator"] != "Philox":
            raise ValueError("another generator")
        words = {
            name: np.array([operator.index(word) for word in saved[name]], dtype=np.uint64) for name in _SIZES
        }
        if any(words[name].shape != (size,) for name, size in _SIZES.items()):
            raise ValueError("words of another size")
        if not 0 <= saved["buffer_pos"] <= 4 or saved["has_uint32"] not in (0, 1):
            raise ValueError("position out of range")
        if not 0 <= saved["uinteger"] < 2**32:
            raise ValueError("position out of range")
        bits = np.random.Philox(key=0)
        position = {name: operator.index(saved[name]) for name in ("buffer_pos", "has_uint32", "uinteger")}
        restored: Any = {
            "bit_generator": "Philox",
            "state": {name: words[name] for name in _ARRAYS},
            "buffer": words["buffer"],
            **position,
        }
        bits.state = restored
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileFormatError.of(
            name="state of a random stream", value=saved, bound="is not one that this package saved"
        ) from error
    return np.random.Generator(bits)
