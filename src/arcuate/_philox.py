"""White noise by counter: a standard normal for every (stream, step, neuron), in any order.

NumPy draws normals one after the other, 12 ns each with its Philox generator; a reservoir of a few
hundred neurons then spends more time on noise than on neurons. Here the counter is the address: Philox
4x32-10 turns (block of neurons, step) into 128 random bits, Box and Muller turn those into four normals.
Both are written so that the loops vectorize (2 ns a number), use only operations that IEEE 754 rounds
exactly, and so give the same bits on every machine, for any number of threads and any cut of a run.

References
----------
Salmon, Moraes, Dror and Shaw 2011, Parallel random numbers: as easy as 1, 2, 3, SC'11,
doi:10.1145/2063384.2063405; Box and Muller 1958, Ann. Math. Stat. 29:610, doi:10.1214/aoms/1177706645.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from arcuate._jit import compiled

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLY_0, _MULTIPLY_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_UNIT = 2.0**-32
_LN2 = 0.6931471805599453
_HALF_PI = 1.5707963267948966
_SQRT_HALF = 0.7071067811865476
_FRACTION, _HALF = np.int64(0x000FFFFFFFFFFFFF), np.int64(0x3FE0000000000000)


def fill_normals(
    out: npt.NDArray[np.float64], first: int, key: npt.NDArray[np.uint64], words: npt.NDArray[np.uint64]
) -> None:
    """Fill rows with the normals of steps `first`, `first + 1`, ...

    Philox runs over the counters (block, step low, step high, key[2]); its four words make two pairs of
    normals. The logarithm (atanh series, to 3e-14) and the sine and cosine (Taylor series on an eighth of
    a turn, to 1e-10) are written out, because calls into the mathematical library would not vectorize.

    Parameters
    ----------
    out : (n_steps, 4 * n_blocks) array
        Written; normal number `lane` of block b stands in column ``lane * n_blocks + b``.
    first : int
        Step of the first row, >= 0.
    key : (3,) array of uint64
        Key of the stream, 32 bits each.
    words : (4, n_blocks) array of uint64
        Work space; holds the random bits of the last row afterwards.
    """
    blocks = words.shape[1]
    one, two, shift = np.int64(1), np.int64(2), np.int64(52)
    key0, key1, key2 = key[0], key[1], key[2]
    for row in range(out.shape[0]):
        n = np.uint64(first + row)
        for b in range(blocks):
            c0 = np.uint64(b)
            c1 = n & _MASK
            c2, c3 = n >> _SHIFT, key2
            k0, k1 = key0, key1
            for _ in range(10):
                p0 = _MULTIPLY_0 * c0
                p1 = _MULTIPLY_1 * c2
                c0 = (p1 >> _SHIFT) ^ c1 ^ k0
                c1 = p1 & _MASK
                c2 = (p0 >> _SHIFT) ^ c3 ^ k1
                c3 = p0 & _MASK
                k0 = (k0 + _WEYL_0) & _MASK
                k1 = (k1 + _WEYL_1) & _MASK
            words[0, b] = c0
            words[1, b] = c1
            words[2, b] = c2
            words[3, b] = c3
        for half in range(2):
            for_radius, for_angle = words[2 * half], words[2 * half + 1]
            start = 2 * half * blocks
            first_lane, second_lane = (
                out[row, start : start + blocks],
                out[row, start + blocks : start + 2 * blocks],
            )
            for b in range(blocks):
                u = (np.float64(np.int64(for_radius[b])) + 1.0) * _UNIT
                bits = np.float64(u).view(np.int64)
                exponent = np.float64((bits >> shift) - np.int64(1022))
                mantissa = np.int64((bits & _FRACTION) | _HALF).view(np.float64)
                low = mantissa < _SQRT_HALF
                exponent = exponent - (1.0 if low else 0.0)
                mantissa = mantissa * (2.0 if low else 1.0)
                f = (mantissa - 1.0) / (mantissa + 1.0)
                s = f * f
                series = 1 / 9 + s * (1 / 11 + s * (1 / 13 + s * (1 / 15 + s * (1 / 17))))
                series = 1.0 + s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * series)))
                radius = np.sqrt(-2.0 * (2.0 * f * series + exponent * _LN2))
                turns = 4.0 * (np.float64(np.int64(for_angle[b])) * _UNIT)
                quadrant = np.int64(turns + 0.5)
                t = (turns - np.float64(quadrant)) * _HALF_PI
                q = t * t
                sine = t * (
                    1.0 + q * (-1 / 6 + q * (1 / 120 + q * (-1 / 5040 + q * (1 / 362880 - q / 39916800))))
                )
                cosine = 1.0 + q * (-1 / 2 + q * (1 / 24 + q * (-1 / 720 + q * (1 / 40320 - q / 3628800))))
                odd = (quadrant & one) == one
                x = sine if odd else cosine
                y = cosine if odd else sine
                first_lane[b] = radius * (-x if ((quadrant + one) & two) != 0 else x)
                second_lane[b] = radius * (-y if (quadrant & two) != 0 else y)


def stream_key(seed: int, name: str) -> npt.NDArray[np.uint64]:
    """Key of a named stream: three 32-bit words of a hash of seed and name.

    Parameters
    ----------
    seed : int
        Seed of the run.
    name : str
        Name of the stream.

    Returns
    -------
    (3,) array of uint64

    Examples
    --------
    >>> stream_key(1, "exc/noise").shape
    (3,)
    """
    digest = hashlib.sha256(f"arcuate/normals/1\0{seed}\0{name}".encode()).digest()
    return np.frombuffer(digest[:12], dtype="<u4").astype(np.uint64)


def standard_normals(seed: int, name: str, first: int, stop: int, *, n: int) -> npt.NDArray[np.float64]:
    """White noise of a named stream for steps first to stop - 1.

    Parameters
    ----------
    seed : int
        Seed of the run.
    name : str
        Name of the stream.
    first, stop : int
        Steps.
    n : int
        Neurons.

    Returns
    -------
    (stop - first, n) array
        The same numbers whichever steps are asked for together.

    Examples
    --------
    >>> whole = standard_normals(1, "exc/noise", 0, 10, n=5)
    >>> bool((whole[4:] == standard_normals(1, "exc/noise", 4, 10, n=5)).all())
    True
    """
    return padded_normals(seed, name, first, stop, n=n)[:, :n]


def padded_normals(seed: int, name: str, first: int, stop: int, *, n: int) -> npt.NDArray[np.float64]:
    """The same, with up to three columns more, so that rows are contiguous.

    Parameters
    ----------
    seed : int
        Seed of the run.
    name : str
        Name of the stream.
    first, stop : int
        Steps.
    n : int
        Neurons.

    Returns
    -------
    (stop - first, n rounded up to a multiple of 4) array
    """
    blocks = -(-n // 4)
    out = np.empty((stop - first, 4 * blocks))
    compiled(fill_normals)(out, first, stream_key(seed, name), np.empty((4, blocks), np.uint64))
    return out
