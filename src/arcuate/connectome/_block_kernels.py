"""Compiled loops of the block models: plain functions over arrays, see `arcuate._jit`.

A graph comes as features of its pairs, ``pairs`` (n, n, 4), symmetric with an empty diagonal: whether a
weight is there, the weight, its square, and the exposure of the pair (its expected number of edges, or 1).
Pairs of blocks that share their parameters are one class; ``sums`` (class, 4) holds the features of each.
Groups of blocks ``group`` (slot,) make the classes: pairs within a block, pairs of two blocks of one group,
pairs of two groups.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["class_of", "class_score", "joint", "move_modular", "run_chain"]


def class_of(r: int, s: int, group: np.ndarray) -> int:
    """Class of the pairs between two blocks."""
    g, h, n = group[r], group[s], group.size
    if g == h:
        return g if r == s else n + g
    low, high = min(g, h), max(g, h)
    return 2 * n + low * n + high


def class_score(m: float, s: float, q: float, e: float, rule: np.ndarray, table: np.ndarray) -> float:
    """Logarithm of the evidence of one class, its parameters integrated out.

    ``rule`` holds the family of weights (0 none, 1 gamma, 2 normal, 3 Poisson) with its prior, and the model
    of edges (0 none, 1 Bernoulli, 2 Poisson) with its own; ``table`` the logarithms of gamma functions of
    counts.
    """
    total = 0.0
    k = int(m + 0.5)
    if rule[0] == 1.0:
        if k > 0:
            total += table[0, k] - (rule[1] + rule[3] * m) * math.log(1.0 + s / rule[2])
    elif rule[0] == 2.0:
        if k > 0:
            spread = rule[2] + 0.5 * (q - s * s / (rule[3] + m))
            total += table[0, k] - (rule[1] + 0.5 * m) * math.log(spread / rule[2])
    elif rule[0] == 3.0:
        total += math.lgamma(rule[1] + s) - math.lgamma(rule[1]) - s * math.log(rule[2])
        total -= (rule[1] + s) * math.log(1.0 + e / rule[2])
    if rule[4] == 1.0:
        p = int(e + 0.5)
        total += table[1, k] + table[2, p - k] - table[3, p]
    elif rule[4] == 2.0:
        total += table[1, k] - (rule[5] + m) * math.log(1.0 + e / rule[6])
    return total


def _log_partition(sizes: np.ndarray, n_blocks: int, n: int, table: np.ndarray) -> float:
    """Logarithm of the prior of a partition: number of blocks, sizes and labels uniform in turn, order of
    blocks aside.
    """
    total = -math.log(n) - (table[4, n - 1] - table[4, n_blocks - 1] - table[4, n - n_blocks]) - table[4, n]
    total += table[4, n_blocks]
    for r in range(sizes.size):
        total += table[4, sizes[r]]
    return total


def _fill(
    pairs: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    blocks: np.ndarray,
    sums: np.ndarray,
    sizes: np.ndarray,
) -> None:
    """Sums of features from each node to each block, of each class, and sizes, from the labels."""
    n = labels.size
    blocks[:] = 0.0
    sums[:] = 0.0
    sizes[:] = 0
    for i in range(n):
        sizes[labels[i]] += 1
        for j in range(n):
            for f in range(4):
                blocks[i, labels[j], f] += pairs[i, j, f]
        for j in range(i):
            c = class_of(labels[i], labels[j], group)
            for f in range(4):
                sums[c, f] += pairs[i, j, f]


def joint(
    pairs: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    blocks: np.ndarray,
    sums: np.ndarray,
    sizes: np.ndarray,
    rule: np.ndarray,
    table: np.ndarray,
) -> float:
    """Logarithm of the joint probability of weights and partition, up to what depends on the weights alone.

    ``blocks`` (n, slot, 4), ``sums`` and ``sizes`` are room to work in, and hold the sums afterwards.
    """
    _fill(pairs, labels, group, blocks, sums, sizes)
    return _total(sums, sizes, group, rule, table, labels.size)


def _total(
    sums: np.ndarray, sizes: np.ndarray, group: np.ndarray, rule: np.ndarray, table: np.ndarray, n: int
) -> float:
    """The same from the sums; a class counts once, however many pairs of blocks it has."""
    slots = sizes.size
    seen = np.zeros(sums.shape[0], dtype=np.bool_)
    total = 0.0
    used = 0
    for r in range(slots):
        if sizes[r] == 0:
            continue
        used += 1
        for s in range(r + 1):
            c = class_of(r, s, group)
            if sizes[s] > 0 and not seen[c]:
                seen[c] = True
                total += class_score(sums[c, 0], sums[c, 1], sums[c, 2], sums[c, 3], rule, table)
    return total + _log_partition(sizes, used, n, table)


def _shift(
    i: int,
    r: int,
    sign: float,
    group: np.ndarray,
    blocks: np.ndarray,
    sums: np.ndarray,
    sizes: np.ndarray,
) -> None:
    """Take the pairs of a node out of the classes of block r (sign -1), or put them in (sign 1)."""
    for t in range(sizes.size):
        if sizes[t] > 0:
            c = class_of(r, t, group)
            for f in range(4):
                sums[c, f] += sign * blocks[i, t, f]


def _place(i: int, r: int, s: int, pairs: np.ndarray, blocks: np.ndarray, labels: np.ndarray) -> None:
    """Let every other node know that node i went from block r to s."""
    labels[i] = s
    for j in range(labels.size):
        for f in range(4):
            x = pairs[i, j, f]
            blocks[j, r, f] -= x
            blocks[j, s, f] += x


def _move(
    i: int,
    s: int,
    pairs: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    blocks: np.ndarray,
    sums: np.ndarray,
    sizes: np.ndarray,
) -> None:
    """Put a node into block s."""
    r = labels[i]
    if r == s:
        return
    _shift(i, r, -1.0, group, blocks, sums, sizes)
    sizes[r] -= 1
    _shift(i, s, 1.0, group, blocks, sums, sizes)
    sizes[s] += 1
    _place(i, r, s, pairs, blocks, labels)


def _gain(
    i: int,
    s: int,
    group: np.ndarray,
    blocks: np.ndarray,
    sums: np.ndarray,
    sizes: np.ndarray,
    rule: np.ndarray,
    table: np.ndarray,
    added: np.ndarray,
    touched: np.ndarray,
) -> float:
    """What a node that is in no block adds to the likelihood in block s; ``added`` is zero before and
    after.
    """
    count = 0
    for t in range(sizes.size):
        if sizes[t] == 0:
            continue
        c = class_of(s, t, group)
        if added[c, 4] == 0.0:
            added[c, 4] = 1.0
            touched[count] = c
            count += 1
        for f in range(4):
            added[c, f] += blocks[i, t, f]
    total = 0.0
    for k in range(count):
        c = touched[k]
        m, w, q, e = sums[c, 0], sums[c, 1], sums[c, 2], sums[c, 3]
        total += class_score(
            m + added[c, 0], w + added[c, 1], q + added[c, 2], e + added[c, 3], rule, table
        ) - class_score(m, w, q, e, rule, table)
        for f in range(5):
            added[c, f] = 0.0
    return total


def _gain_planted(
    i: int,
    s: int,
    whole: np.ndarray,
    blocks: np.ndarray,
    sums: np.ndarray,
    rule: np.ndarray,
    table: np.ndarray,
) -> float:
    """Likelihood with a node in block s where all blocks share one class within and one between.

    ``whole`` (4,) holds the features of all pairs of the node.
    """
    slots = blocks.shape[1]
    total = 0.0
    for c in (0, slots):
        m, w, q, e = sums[c, 0], sums[c, 1], sums[c, 2], sums[c, 3]
        if c == 0:
            m += blocks[i, s, 0]
            w += blocks[i, s, 1]
            q += blocks[i, s, 2]
            e += blocks[i, s, 3]
        else:
            m += whole[0] - blocks[i, s, 0]
            w += whole[1] - blocks[i, s, 1]
            q += whole[2] - blocks[i, s, 2]
            e += whole[3] - blocks[i, s, 3]
        total += class_score(m, w, q, e, rule, table)
    return total


def _choose(gains: np.ndarray, r: int, draw: float) -> int:
    """Draw a block by its weight, or for ``draw`` < 0 take the best; of equal ones the present one, r."""
    best = r
    high = gains[r]
    for s in range(gains.size):
        if gains[s] > high + 1e-9:
            best, high = s, gains[s]
    if draw < 0.0:
        return best
    total = 0.0
    for s in range(gains.size):
        if gains[s] > -math.inf:
            total += math.exp(gains[s] - high)
    rest = draw * total
    for s in range(gains.size):
        if gains[s] > -math.inf:
            best = s
            rest -= math.exp(gains[s] - high)
            if rest < 0.0:
                break
    return best


def _sweep(
    pairs: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    blocks: np.ndarray,
    sums: np.ndarray,
    sizes: np.ndarray,
    rule: np.ndarray,
    table: np.ndarray,
    heat: float,
    draws: np.ndarray,
    opens: bool,
    one: int,
    other: int,
    added: np.ndarray,
    touched: np.ndarray,
    gains: np.ndarray,
) -> int:
    """One pass over the nodes; the number that moved.

    ``heat`` >= 0 draws with the likelihood to that power, one of ``draws`` for each node; below 0 takes the
    best. ``one`` and ``other`` confine it to the nodes of two blocks, unless ``one`` is below 0.
    """
    n, slots, moved = labels.size, sizes.size, 0
    planted = group.max() == 0
    power = 1.0 if heat < 0.0 else heat
    whole = np.zeros(4)
    for i in range(n):
        r = labels[i]
        if one >= 0 and r not in (one, other):
            continue
        _shift(i, r, -1.0, group, blocks, sums, sizes)
        sizes[r] -= 1
        used, empty = 0, -1
        whole[:] = 0.0
        for s in range(slots):
            if sizes[s] > 0:
                used += 1
                for f in range(4):
                    whole[f] += blocks[i, s, f]
            elif empty < 0 or s == r:
                empty = s
        for s in range(slots):
            gains[s] = -math.inf
            if one >= 0:
                allowed = s in (one, other)
            else:
                allowed = sizes[s] > 0 or (s == empty and (opens or s == r))
            if not allowed:
                continue
            prior = math.log(sizes[s] + 1.0)
            if sizes[s] == 0 and used > 0:  # one block more: C(n - 1, used) ways of sizes, and its order
                prior += math.log(used * (used + 1.0) / (n - used))
            if planted:
                gain = _gain_planted(i, s, whole, blocks, sums, rule, table)
            else:
                gain = _gain(i, s, group, blocks, sums, sizes, rule, table, added, touched)
            gains[s] = prior + power * gain
        best = _choose(gains, r, -1.0 if heat < 0.0 else draws[i])
        _shift(i, best, 1.0, group, blocks, sums, sizes)
        sizes[best] += 1
        if best != r:
            moved += 1
            _place(i, r, best, pairs, blocks, labels)
    return moved


def _merge(
    pairs: np.ndarray,
    labels: np.ndarray,
    kept: np.ndarray,
    group: np.ndarray,
    blocks: np.ndarray,
    sums: np.ndarray,
    sizes: np.ndarray,
    rule: np.ndarray,
    table: np.ndarray,
) -> int:
    """Merge pairs of blocks wherever the joint probability rises; how many did."""
    n, slots = labels.size, sizes.size
    now = _total(sums, sizes, group, rule, table, n)
    changed = 0
    for r in range(slots):
        for s in range(r):
            if sizes[r] == 0 or sizes[s] == 0:
                continue
            kept[:] = labels
            for i in range(n):
                if kept[i] == r:
                    _move(i, s, pairs, labels, group, blocks, sums, sizes)
            new = _total(sums, sizes, group, rule, table, n)
            if new > now + 1e-9:
                now = new
                changed += 1
            else:
                for i in range(n):
                    _move(i, kept[i], pairs, labels, group, blocks, sums, sizes)
    return changed


def _split(
    pairs: np.ndarray,
    labels: np.ndarray,
    kept: np.ndarray,
    group: np.ndarray,
    blocks: np.ndarray,
    sums: np.ndarray,
    sizes: np.ndarray,
    rule: np.ndarray,
    table: np.ndarray,
    draws: np.ndarray,
    added: np.ndarray,
    touched: np.ndarray,
    gains: np.ndarray,
) -> int:
    """Try to split the block of a random node in two, from random halves; 1 if the joint probability rose."""
    n, slots = labels.size, sizes.size
    r, free = labels[int(draws[0] * n)], -1
    for s in range(slots):
        if sizes[s] == 0 and group[s] == group[r]:
            free = s
    if free < 0 or sizes[r] < 2:
        return 0
    now = _total(sums, sizes, group, rule, table, n)
    kept[:] = labels
    for i in range(n):
        if labels[i] == r and draws[1 + i] < 0.5:
            _move(i, free, pairs, labels, group, blocks, sums, sizes)
    for _ in range(8):
        moved = _sweep(
            pairs, labels, group, blocks, sums, sizes, rule, table, -1.0, draws, False, r, free,
            added, touched, gains,
        )  # fmt: skip
        if moved == 0:
            break
    if _total(sums, sizes, group, rule, table, n) > now + 1e-9:
        return 1
    for i in range(n):
        _move(i, kept[i], pairs, labels, group, blocks, sums, sizes)
    return 0


def run_chain(
    pairs: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    blocks: np.ndarray,
    sums: np.ndarray,
    sizes: np.ndarray,
    rule: np.ndarray,
    table: np.ndarray,
    heats: np.ndarray,
    draws: np.ndarray,
    split_draws: np.ndarray,
    opens: bool,
    kept: np.ndarray,
    trace: np.ndarray,
) -> float:
    """Gibbs sweeps at given powers of the likelihood, then, if there are ``split_draws``, a climb to a
    maximum.

    ``labels`` is changed. ``kept`` (sweep, n) gets the labels and ``trace`` (sweep,) the likelihood after
    each sweep. The logarithm of the joint probability at the end is returned.
    """
    slots, n = sizes.size, labels.size
    added = np.zeros((sums.shape[0], 5))
    touched = np.empty(slots, dtype=np.int64)
    gains = np.empty(slots)
    _fill(pairs, labels, group, blocks, sums, sizes)
    for t in range(heats.size):
        _sweep(
            pairs, labels, group, blocks, sums, sizes, rule, table, heats[t], draws[t], opens, -1, -1,
            added, touched, gains,
        )  # fmt: skip
        kept[t] = labels
        used = 0
        for r in range(slots):
            used += sizes[r] > 0
        trace[t] = _total(sums, sizes, group, rule, table, n) - _log_partition(sizes, used, n, table)
    room = labels.copy()
    for k in range(split_draws.shape[0]):
        for _ in range(100):
            moved = _sweep(
                pairs, labels, group, blocks, sums, sizes, rule, table, -1.0, split_draws[k, 0], opens,
                -1, -1, added, touched, gains,
            )  # fmt: skip
            if moved == 0:
                break
        changed = _merge(pairs, labels, room, group, blocks, sums, sizes, rule, table)
        if opens:
            for j in range(split_draws.shape[1]):
                changed += _split(
                    pairs, labels, room, group, blocks, sums, sizes, rule, table, split_draws[k, j],
                    added, touched, gains,
                )  # fmt: skip
        if changed == 0:
            break
    return joint(pairs, labels, group, blocks, sums, sizes, rule, table)


def move_modular(excess: np.ndarray, labels: np.ndarray, order: np.ndarray) -> int:
    """Move nodes to the community whose pairs with them exceed expectation most, until none moves.

    ``excess`` (n, n) is symmetric; its diagonal does not matter. ``labels`` lie below n. The number of moves
    is returned.
    """
    n = labels.size
    tie = np.zeros(n)
    total, moved = 0, 1
    for _ in range(50):
        if moved == 0:
            break
        moved = 0
        for k in range(n):
            i = order[k]
            tie[:] = 0.0
            for j in range(n):
                if j != i:
                    tie[labels[j]] += excess[i, j]
            best = labels[i]
            for c in range(n):
                if tie[c] > tie[best] + 1e-12:
                    best = c
            if tie[best] < -1e-12:  # better alone
                for c in range(n):
                    used = False
                    for j in range(n):
                        if labels[j] == c and j != i:
                            used = True
                            break
                    if not used:
                        best = c
                        break
            if best != labels[i]:
                labels[i] = best
                moved += 1
        total += moved
    return total
