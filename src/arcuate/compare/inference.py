"""What stands beside a score: p values, corrections for a family, orders of the null, halves of the stimuli.

A p value is (1 + number of null scores at least as extreme) / (1 + number of null scores), one-sided: more
alike than chance. It can be no smaller than 1 / (1 + number).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, as_real, as_samples
from arcuate.compare._inputs import centered, plain_array
from arcuate.errors import SpecError, check_choice, check_int, check_real
from arcuate.rng import stream

__all__ = [
    "Orders",
    "autocorrelation_time",
    "benjamini_hochberg",
    "half_samples",
    "p_value",
    "spearman_brown",
]

_TIE = 1e-12
_BLOCK = 1 << 20


def p_value(value: float, null: ArrayLike, *, kind: str = "similarity") -> float:
    """Share of the null that is at least as extreme, the value itself counted in.

    Parameters
    ----------
    value : float
        What was observed.
    null : array_like, (n_null,)
        Scores under the null.
    kind : {"similarity", "distance"}
        Whether large or small is extreme.

    Returns
    -------
    float
        Between 1 / (1 + n_null) and 1; NaN if the value or part of the null is. What differs from the value
        by no more than rounding counts as equal.

    Raises
    ------
    SpecError
        If the null is empty.

    References
    ----------
    B. Phipson & G. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39, doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> from arcuate.compare.inference import p_value
    >>> p_value(0.9, [0.1, 0.2, 0.95])
    0.5
    """
    check_choice(kind, ("similarity", "distance"), where="p_value", name="kind")
    value = float(_numbers(value, where="p_value", name="value", size=1).reshape(-1)[0])
    scores = _numbers(null, where="p_value", name="null").reshape(-1)
    if not scores.size:
        raise SpecError.of(where="p_value", name="null", bound="must hold one or more scores")
    if not np.isfinite(value) or not np.isfinite(scores).all():
        return float("nan")
    sign = 1.0 if kind == "similarity" else -1.0
    slack = _TIE * max(1.0, abs(value))
    return float((1 + np.sum(sign * scores >= sign * value - slack)) / (1 + scores.size))


def _numbers(value: ArrayLike, *, where: str, name: str, size: int | None = None) -> Floats:
    """Real numbers, which need not be finite."""
    array = plain_array(value, where=where, name=name)
    if array.dtype.kind not in "fiub" or size not in (None, array.size):
        bound = "must hold real numbers" if size is None else "must be a real number"
        raise SpecError.of(where=where, name=name, value=f"{array.dtype} {array.shape}", bound=bound)
    return array.astype(np.float64)


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Adjusted p values that control the false discovery rate.

    Parameters
    ----------
    p : array_like
        Of any shape; NaN are no tests and stay.

    Returns
    -------
    ndarray, same shape

    Raises
    ------
    SpecError
        If one is not between 0 and 1.

    References
    ----------
    Y. Benjamini & Y. Hochberg, J. R. Stat. Soc. B 57 (1995) 289.

    Examples
    --------
    >>> from arcuate.compare.inference import benjamini_hochberg
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    raw = _numbers(p, where="benjamini_hochberg", name="p")
    flat = raw.reshape(-1)
    tested = np.flatnonzero(~np.isnan(flat))
    if np.any((flat[tested] < 0) | (flat[tested] > 1)):
        raise SpecError.of(where="benjamini_hochberg", name="p", value=raw, bound="must be from 0 to 1")
    order = tested[np.argsort(-flat[tested], kind="stable")]
    ranks = np.arange(len(order), 0, -1)
    out = np.full(flat.shape, np.nan)
    out[order] = (
        np.minimum(1.0, np.minimum.accumulate(flat[order] * len(order) / ranks)) if len(order) else []
    )
    return out.reshape(raw.shape)


def spearman_brown(r: ArrayLike, factor: float = 2.0) -> Floats:
    """Reliability of a measurement that is `factor` times as long.

    Parameters
    ----------
    r : array_like
        Reliability of one part, such as the correlation of two halves.
    factor : float
        Length of the whole over that of the part.

    Returns
    -------
    ndarray
        factor r / (1 + (factor - 1) r); 0 where r is negative.

    Raises
    ------
    SpecError
        If `r` is not finite, or `factor` not above 0.

    References
    ----------
    C. Spearman, Br. J. Psychol. 3 (1910) 271; W. Brown, Br. J. Psychol. 3 (1910) 296.

    Examples
    --------
    >>> from arcuate.compare.inference import spearman_brown
    >>> float(spearman_brown(0.5).round(3))
    0.667
    """
    factor = check_real(factor, where="spearman_brown", name="factor", low=0, low_open=True)
    part = np.maximum(as_real(r, where="spearman_brown", name="r"), 0.0)
    return np.asarray(factor * part / (1 + (factor - 1) * part))


def autocorrelation_time(states: ArrayLike) -> int:
    """Steps after which a recording has forgotten itself.

    Parameters
    ----------
    states : array_like, (n_steps, n_units)

    Returns
    -------
    int
        First lag at which the autocorrelation, averaged over units by their variance, is below 1/e. At least
        1, and less than half of the steps.

    Raises
    ------
    SpecError
        If there are fewer than 4 steps or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare.inference import autocorrelation_time
    >>> autocorrelation_time(np.sin(2 * np.pi * np.arange(1000) / 100)[:, None])
    20
    """
    x = centered(as_samples(states, where="autocorrelation_time", name="states", least=4))
    n = len(x)
    size = 1 << (2 * n - 1).bit_length()
    power = np.zeros(size // 2 + 1)
    for first in range(0, x.shape[1], 256):
        power += (np.abs(np.fft.rfft(x[:, first : first + 256], size, axis=0)) ** 2).sum(axis=1)
    full = np.fft.irfft(power, size)[:n]
    if full[0] <= 0:
        return 1
    below = np.flatnonzero(full / full[0] < np.exp(-1))
    return max(1, int(below[0]))  # there is one: the autocorrelation sums to 0 over all lags


def half_samples(n: int, n_boot: int, seed: int) -> np.ndarray:
    """Halves of the stimuli, drawn without replacement.

    A resample with doubled stimuli would find every double alike in both systems. For a mean, the spread over
    halves drawn without replacement is that of the bootstrap.

    Parameters
    ----------
    n : int
        Number of stimuli.
    n_boot : int
        Number of halves.
    seed : int

    Returns
    -------
    ndarray of int, (n_boot, n // 2)
        Ascending in each row.

    Raises
    ------
    SpecError
        If there are fewer than 2 stimuli, or no half is asked for.

    References
    ----------
    J. Shao & C. F. J. Wu, Annals of Statistics 17 (1989) 1176, doi:10.1214/aos/1176347263: the jackknife that
    leaves out many.

    Examples
    --------
    >>> from arcuate.compare.inference import half_samples
    >>> half_samples(9, 3, seed=0).shape
    (3, 4)
    """
    n = check_int(n, where="half_samples", name="n", low=2)
    n_boot = check_int(n_boot, where="half_samples", name="n_boot")
    rng = stream(seed, "compare/halves")
    return np.sort(np.array([rng.permutation(n)[: n // 2] for _ in range(n_boot)]), axis=1)


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Orders of the second system's samples under the null.

    Parameters
    ----------
    null : {"permute", "shift"}
        Whole stimuli permuted, or one long recording shifted in a circle.
    n_stimuli : int
    n_null : int
        How many orders. Of shifts there may be fewer.
    n_steps : int
        Length of the recording that is shifted.
    seed : int
    apart : bool
        Whether the two sides have no leaf in common. Then all of the second side is permuted as one;
        else each leaf by itself, so that the orders of all pairs fit together.
    lag : int
        Least shift, in samples.
    """

    null: str
    n_stimuli: int
    n_null: int
    n_steps: int = 1
    seed: int = 0
    apart: bool = True
    lag: int = 1

    @property
    def count(self) -> int:
        """How many orders there are."""
        return self.n_null if self.null == "permute" else min(self.n_null, self.n_steps - 2 * self.lag + 1)

    @property
    def distinct(self) -> int:
        """How many orders there can be that differ from each other and from the one observed."""
        if self.null == "shift":
            return self.count
        return min(self.count, math.factorial(min(self.n_stimuli, 12)) - 1)

    def blocks(self, a: str, b: str, *, each: int) -> Iterator[np.ndarray]:
        """Orders for one pair of leaves, some at a time.

        Parameters
        ----------
        a, b : str
            Names of the leaves.
        each : int
            Samples of each stimulus, which stay together.

        Yields
        ------
        ndarray of int, (some, n_samples)
            The first that are given are the same however many there are.
        """
        size = min(128, max(1, _BLOCK // (self.n_stimuli * each)))
        shifts = self._shifts() if self.null == "shift" else np.empty(0, dtype=np.intp)
        for first in range(0, self.count, size):
            some = min(size, self.count - first)
            if self.null == "shift":
                yield (np.arange(each) + shifts[first : first + some, None]) % each
                continue
            order = self._drawn("b" if self.apart else b, first, some)
            if not self.apart:  # a and b by their own orders: what matters is b's relative to a's
                order = np.take_along_axis(order, np.argsort(self._drawn(a, first, some), axis=1), axis=1)
            yield _spread(order, each)

    def _drawn(self, name: str, first: int, some: int) -> np.ndarray:
        rng = stream(self.seed, f"compare/null/{first}/{name}")
        return rng.permuted(np.tile(np.arange(self.n_stimuli), (some, 1)), axis=1)

    def _shifts(self) -> np.ndarray:
        allowed = np.arange(self.lag, self.n_steps - self.lag + 1)
        return stream(self.seed, "compare/null/shift").permutation(allowed)[: self.count]


def _spread(order: np.ndarray, each: int) -> np.ndarray:
    """Orders of samples from orders of stimuli."""
    if each == 1:
        return order
    return (order[:, :, None] * each + np.arange(each)).reshape(len(order), -1)
