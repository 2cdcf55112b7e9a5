"""Reading GGUF files, version 2 and 3: settings, places of tensors, and their values.

Every number in the file is held against the size of the file before anything is allocated, and nothing in it
is run. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; blocks of the quantized types: the
structures in ggml-common.h of the same project.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from arcuate.datasets import open_checked
from arcuate.errors import CapabilityError, FileFormatError

__all__ = ["GGUF", "TYPES", "Place", "dequantized"]

MAGIC = b"GGUF"
MOST_ALIGNMENT = 1 << 16
MOST_DIMENSIONS = 4
MOST_NAME = 1 << 16
MOST_DEPTH = 2  # of arrays within arrays
_SCALARS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_LENGTH = struct.Struct("<Q")
_QUANTIZED = 256  # values of a block of the K types
_PIECE = 1 << 17  # values dequantized at a time, so that they stay in the processor's cache


@dataclass(frozen=True)
class Place:
    """Where a tensor is in the file.

    Attributes
    ----------
    type : int
        Number of its type, a key of `TYPES`.
    shape : tuple of int
        Rows first, as in numpy and torch; the file holds it the other way round.
    start, bytes : int
        First byte, counted from the beginning of the file, and how many.
    """

    type: int
    shape: tuple[int, ...]
    start: int
    bytes: int


class GGUF:
    """A GGUF file: `settings` by name, `places` of tensors by name, and `tensor(name)` in float32.

    Parameters
    ----------
    path : path
        File.
    where : str
        For messages.

    Raises
    ------
    FileFormatError
        If it is no GGUF file, is cut short, or tells of more than it holds.
    CapabilityError
        If a tensor is of a type that is not read.
    """

    def __init__(self, path: str | os.PathLike[str], *, where: str):
        self.path = Path(path)
        self._where = where
        try:
            with open_checked(self.path, where=where, limit=1 << 60) as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise self._refuse(f"cannot be read ({error})") from error
        self._at = 0
        if self._take(len(MAGIC)) != MAGIC:
            raise self._refuse("is no GGUF file: it does not begin with 'GGUF'")
        version = self._number("I")
        if version not in (2, 3):
            raise self._refuse(f"is of GGUF version {version}, not 2 or 3")
        n_tensors, n_settings = self._count("tensors", least=24), self._count("settings", least=13)
        self.settings: Mapping[str, Any] = dict(self._setting() for _ in range(n_settings))
        if len(self.settings) != n_settings:
            raise self._refuse("tells the same setting twice")
        told = [self._told() for _ in range(n_tensors)]
        self.places: Mapping[str, Place] = self._placed(told)

    def tensor(self, name: str) -> np.ndarray:
        """Return the values of a tensor, dequantized.

        Parameters
        ----------
        name : str
            One of `places`.

        Returns
        -------
        numpy.ndarray
            float32, rows first.
        """
        place = self.places[name]
        raw = np.frombuffer(self._bytes, np.uint8, place.bytes, place.start)
        return dequantized(raw, place.type).reshape(place.shape)

    def _refuse(self, bound: str) -> FileFormatError:
        return FileFormatError.of(where=self._where, name="path", value=os.fspath(self.path), bound=bound)

    def _take(self, n: int) -> bytes:
        """Return the next bytes."""
        if n > len(self._bytes) - self._at:
            raise self._refuse(f"is cut short: {n} bytes are to come after byte {self._at}")
        self._at += n
        return self._bytes[self._at - n : self._at]

    def _number(self, code: str) -> Any:
        return struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))[0]

    def _count(self, of: str, *, least: int) -> int:
        """Return a count of things that take at least so many bytes each."""
        count = int(self._number("Q"))
        if count > (len(self._bytes) - self._at) // least:
            raise self._refuse(f"tells of {count} {of}, more than fit into its {len(self._bytes)} bytes")
        return count

    def _texts(self, count: int) -> list[str]:
        """Return the next texts, of which a vocabulary has very many."""
        data, at, end, texts = self._bytes, self._at, len(self._bytes), []
        for _ in range(count):
            length = _LENGTH.unpack_from(data, at)[0] if at <= end - _LENGTH.size else end
            at += _LENGTH.size
            if length > end - at:
                raise self._refuse(f"is cut short: a text of {length} bytes is to come after byte {at}")
            try:
                texts.append(data[at : at + length].decode("utf-8"))
            except UnicodeDecodeError as error:
                raise self._refuse(f"holds a text that is not UTF-8, after byte {at}") from error
            at += length
        self._at = at
        return texts

    def _setting(self) -> tuple[str, Any]:
        (name,) = self._texts(1)
        return name, self._value(int(self._number("I")), depth=0)

    def _value(self, kind: int, *, depth: int) -> Any:
        if kind in _SCALARS:
            return self._number(_SCALARS[kind])
        if kind == _TEXT:
            return self._texts(1)[0]
        if kind != _ARRAY or depth == MOST_DEPTH:
            raise self._refuse(f"holds a setting of an unknown type ({kind}), before byte {self._at}")
        of = int(self._number("I"))
        if of in _SCALARS:
            size = struct.calcsize("<" + _SCALARS[of])
            count = self._count("numbers", least=size)
            return list(struct.unpack(f"<{count}{_SCALARS[of]}", self._take(count * size)))
        count = self._count("values", least=8)
        if of == _TEXT:
            return self._texts(count)
        return [self._value(of, depth=depth + 1) for _ in range(count)]

    def _told(self) -> tuple[str, tuple[int, ...], int, int]:
        """Return name, shape, type and offset of a tensor, as told."""
        (name,), n_dimensions = self._texts(1), int(self._number("I"))
        if not 1 <= n_dimensions <= MOST_DIMENSIONS or not 0 < len(name) <= MOST_NAME:
            raise self._refuse(f"holds a tensor of {n_dimensions} dimensions, before byte {self._at}")
        shape = tuple(int(self._number("Q")) for _ in range(n_dimensions))
        return name, shape[::-1], int(self._number("I")), int(self._number("Q"))

    def _placed(self, told: list[tuple[str, tuple[int, ...], int, int]]) -> dict[str, Place]:
        """Check where tensors are told to be."""
        alignment = self.settings.get("general.alignment", 32)
        if type(alignment) is not int or not 1 <= alignment <= MOST_ALIGNMENT or alignment & (alignment - 1):
            raise self._refuse(f"tells of an alignment of {alignment!r}, not a power of two")
        first = -(-self._at // alignment) * alignment
        places: dict[str, Place] = {}
        for name, shape, kind, offset in told:
            if name in places:
                raise self._refuse(f"holds two tensors of the name {name[:60]!r}")
            if kind not in TYPES:
                bound = f"holds the tensor {name[:60]!r} of type {kind}, which is not read"
                known = ", ".join(one.name for one in TYPES.values())
                fix = f"types that are read: {known}"
                raise CapabilityError.of(
                    where=self._where, name="path", value=os.fspath(self.path), bound=bound, fix=fix
                )
            block = TYPES[kind]
            values = math.prod(shape)
            if values == 0 or shape[-1] % block.values:
                raise self._refuse(f"holds {name[:60]!r} of shape {shape}, no whole blocks of {block.name}")
            size, start = values // block.values * block.bytes, first + offset
            if offset % alignment or start + size > len(self._bytes):
                bound = f"holds {name[:60]!r} of shape {shape} from byte {start}, beyond its end or unaligned"
                raise self._refuse(f"{bound} ({len(self._bytes)} bytes)")
            places[name] = Place(kind, shape, start, size)
        ordered = sorted(places.items(), key=lambda item: item[1].start)
        for (one, before), (other, after) in pairwise(ordered):
            if before.start + before.bytes > after.start:
                raise self._refuse(f"holds {one[:60]!r} and {other[:60]!r} in the same place")
        return places


def dequantized(raw: np.ndarray, kind: int) -> np.ndarray:
    """Return the numbers that blocks stand for.

    Parameters
    ----------
    raw : numpy.ndarray of uint8
        Whole blocks.
    kind : int
        Type, a key of `TYPES`.

    Returns
    -------
    numpy.ndarray of float32
        All values, in their order.

    Examples
    --------
    >>> dequantized(np.array([1.5, -2.0], np.float16).view(np.uint8), 1)
    array([ 1.5, -2. ], dtype=float32)
    """
    block = TYPES[kind]
    blocks = raw.reshape(-1, block.bytes)
    values = np.empty((len(blocks), block.values), np.float32)
    step = _PIECE // block.values
    for first in range(0, len(blocks), step):
        piece = block.values_of(blocks[first : first + step])
        values[first : first + step] = piece.reshape(-1, block.values)
    return values.reshape(-1)


def _half(part: np.ndarray) -> np.ndarray:
    """Two bytes each, as float32."""
    return np.ascontiguousarray(part).view(np.float16).astype(np.float32)


def _nibbles(part: np.ndarray) -> np.ndarray:
    """Lower halves of all bytes of a block, then upper ones."""
    return np.concatenate([part & 15, part >> 4], axis=1)


def _fifth_bits(part: np.ndarray) -> np.ndarray:
    """Thirty-two bits, the least first, each as 16 or 0."""
    return np.unpackbits(part, axis=1, bitorder="little") << 4


def _f32(block: np.ndarray) -> np.ndarray:
    return block.view(np.float32).copy()


def _bf16(block: np.ndarray) -> np.ndarray:
    return (block.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def _q4_0(block: np.ndarray) -> np.ndarray:
    return _half(block[:, :2]) * (_nibbles(block[:, 2:]).astype(np.float32) - 8)


def _q4_1(block: np.ndarray) -> np.ndarray:
    values = _nibbles(block[:, 4:]).astype(np.float32)
    values *= _half(block[:, :2])
    values += _half(block[:, 2:4])
    return values


def _q5_0(block: np.ndarray) -> np.ndarray:
    values = _nibbles(block[:, 6:]) | _fifth_bits(block[:, 2:6])
    return _half(block[:, :2]) * (values.astype(np.float32) - 16)


def _q5_1(block: np.ndarray) -> np.ndarray:
    values = _nibbles(block[:, 8:]) | _fifth_bits(block[:, 4:8])
    return _half(block[:, :2]) * values.astype(np.float32) + _half(block[:, 2:4])


def _q8_0(block: np.ndarray) -> np.ndarray:
    return _half(block[:, :2]) * block[:, 2:].view(np.int8).astype(np.float32)


def _scales_and_bases(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eight scales and eight bases of six bits, packed into twelve bytes."""
    low, mid, rest = part[:, :4], part[:, 4:8], part[:, 8:]
    scales = np.concatenate([low & 63, (rest & 15) | (low >> 6 << 4)], axis=1)
    bases = np.concatenate([mid & 63, (rest >> 4) | (mid >> 6 << 4)], axis=1)
    return scales.astype(np.float32), bases.astype(np.float32)


def _q4_q5_k(block: np.ndarray, low: np.ndarray, high: np.ndarray | None) -> np.ndarray:
    """Eight groups of 32 values: pairs of groups share the bytes of `low`; a fifth bit in `high`."""
    scales, bases = _scales_and_bases(block[:, 4:16])
    pairs = low.reshape(-1, 4, 1, 32) >> np.array([0, 4], np.uint8).reshape(1, 1, 2, 1)
    values = (pairs & 15).reshape(-1, 8, 32)
    if high is not None:
        values |= (high[:, None] >> np.arange(8, dtype=np.uint8)[:, None] & 1) << 4
    scaled = (_half(block[:, :2]) * scales)[:, :, None] * values.astype(np.float32)
    return scaled - (_half(block[:, 2:4]) * bases)[:, :, None]


def _q4_k(block: np.ndarray) -> np.ndarray:
    return _q4_q5_k(block, block[:, 16:], None)


def _q5_k(block: np.ndarray) -> np.ndarray:
    return _q4_q5_k(block, block[:, 48:], block[:, 16:48])


def _q6_k(block: np.ndarray) -> np.ndarray:
    """Sixteen groups of 16 values of six bits: four in `low`, two in `high`."""
    low = block[:, :128].reshape(-1, 2, 1, 64) >> np.array([0, 4], np.uint8).reshape(1, 1, 2, 1)
    high = block[:, 128:192].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8).reshape(1, 1, 4, 1)
    values = (low & 15).reshape(-1, 16, 16) | ((high & 3) << 4).reshape(-1, 16, 16)
    scales = block[:, 192:208].view(np.int8).astype(np.float32)
    return (_half(block[:, 208:]) * scales)[:, :, None] * (values.astype(np.float32) - 32)


@dataclass(frozen=True)
class _Block:
    """A type: how many values a block holds, in how many bytes, and how they are read."""

    name: str
    values: int
    bytes: int
    values_of: Callable[[np.ndarray], np.ndarray]


TYPES = {
    0: _Block("F32", 1, 4, _f32),
    1: _Block("F16", 1, 2, _half),
    2: _Block("Q4_0", 32, 18, _q4_0),
    3: _Block("Q4_1", 32, 20, _q4_1),
    6: _Block("Q5_0", 32, 22, _q5_0),
    7: _Block("Q5_1", 32, 24, _q5_1),
    8: _Block("Q8_0", 32, 34, _q8_0),
    12: _Block("Q4_K", _QUANTIZED, 144, _q4_k),
    13: _Block("Q5_K", _QUANTIZED, 176, _q5_k),
    14: _Block("Q6_K", _QUANTIZED, 210, _q6_k),
    30: _Block("BF16", 1, 2, _bf16),
}
