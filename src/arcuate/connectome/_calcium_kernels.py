"""Compiled loop of the deconvolution: plain function over arrays, see `arcuate._jit`."""

from __future__ import annotations

import numpy as np

__all__ = ["pool_violators"]


def pool_violators(traces: np.ndarray, calcium: np.ndarray, penalty: np.ndarray, decay: float) -> int:
    """Least-squares calcium that never falls faster than its decay, by pools of samples; the pools merged.

    ``calcium`` (n, T) is filled: the c that minimizes ``sum((traces - penalty[:, None] * share - c)**2)``
    subject to ``c[0] >= 0`` and ``c[t] >= decay * c[t - 1]``, where the shares, ``1 - decay`` and at the end
    1, are what a unit of penalty on the sum of jumps amounts to.
    """
    n, length = traces.shape
    power = np.empty(length + 1)
    power[0] = 1.0
    for t in range(length):
        power[t + 1] = power[t] * decay
    value = np.empty(length)
    weight = np.empty(length)
    size = np.empty(length, np.int64)
    merged = 0
    for i in range(n):
        last = -1
        for t in range(length):
            share = 1.0 - decay if t < length - 1 else 1.0
            last += 1
            value[last] = traces[i, t] - penalty[i] * share
            weight[last] = 1.0
            size[last] = 1
            while last > 0 and value[last] < power[size[last - 1]] * value[last - 1]:
                fall = power[size[last - 1]]
                total = weight[last - 1] + fall * fall * weight[last]
                value[last - 1] = (
                    weight[last - 1] * value[last - 1] + fall * weight[last] * value[last]
                ) / total
                weight[last - 1] = total
                size[last - 1] += size[last]
                last -= 1
                merged += 1
        t = 0
        for pool in range(last + 1):
            begin = max(value[pool], 0.0)
            for k in range(size[pool]):
                calcium[i, t] = begin * power[k]
                t += 1
    return merged
