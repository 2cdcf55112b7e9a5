"""Measures of the comparison of memories: which pointer answers follow, how much they mix, what fits in."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate.flagships._memories_systems import N_GROUPS, RULES, TASK, Binder, binder, presented
from arcuate.rng import stream

__all__ = [
    "MECHANISMS",
    "SHOWN",
    "SOURCES",
    "STAGES",
    "WRITTEN",
    "Sizes",
    "alike",
    "binding",
    "capacity",
    "gain",
    "pairs_of",
]

Floats = NDArray[np.float64]

MECHANISMS = ("positional", "lexical", "reflexive")
SOURCES = (*MECHANISMS, "original", "other")
STAGES = ("question", "read", "memory", "question and slots", "question and matrix")
"""What is taken over from the second context: what is asked, what was read, all that came before."""

FITTED = STAGES[:2]
"""Those to which the mixture is fitted: it has no pointer to what the first context asks."""

WIDTHS = (16, 32, 64, 128)
GROWN = (32, 64, 128, 256)
"""Widths at which recall is looked at, and those over which the capacity grows."""

LOADS = (0.125, 0.25, 0.5, 1.0, 1.5, 2.0)
"""Pairs over the width; the square root of the width is added."""

WRITTEN, SHOWN, DRIVEN = ("hebb", "delta"), 64, 2.0
"""How synapses of the reservoir are written, the width of the keys it is shown, and the factor of these."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured.

    Attributes
    ----------
    pairs : int
        Pairs of contexts.
    sessions : int
        Sessions of conditioning in each group.
    memories : int
        Memories for each number of pairs of the capacity.
    n_null : int
        Permutations of each null.
    trials : int
        From which the read-out of the reservoir is fitted.
    """

    pairs: int
    sessions: int
    memories: int
    n_null: int
    trials: int = 3000


def binding(system: str, seed: int, sizes: Sizes, *, train: bool = True) -> dict[str, Any]:
    """Measure which pointers the answers of a system follow.

    Parameters
    ----------
    system : str
    seed : int
    sizes : Sizes
    train : bool
        False: a network as it begins.

    Returns
    -------
    dict
        ``right`` (n_groups - 1,) for 2 pairs and more; ``place`` (n_groups,), mean probability of the group
        at each place among questions about others; of each stage, NaN where the system has none, ``share``
        (stage, index, source), ``share_null`` (stage, source), and of those in `FITTED` ``agreement`` (stage,
        mixture: all and each alone), ``gain`` and ``gain_null`` (stage,).
    """
    made = binder(system, seed, train=train, trials=sizes.trials)
    tested = 2**32 + seed
    trials = TASK.draw(sizes.pairs, seed=tested)
    right = []
    for groups in range(2, N_GROUPS + 1):
        drawn = trials if groups == N_GROUPS else _of(groups).draw(sizes.pairs, seed=tested)
        right.append(drawn.score(made.answer(drawn).argmax(axis=1)).mean())
    pairs = trials.interchanged(seed=seed)
    both = [
        made.answer(part).argmax(axis=1) == part.answers for part in (pairs.original, pairs.counterfactual)
    ]
    kept = np.flatnonzero(both[0] & both[1])
    learned = len(kept) >= sizes.pairs / 2
    found = _stages(made, pairs.chosen(kept) if learned else pairs, sizes, seed=seed)
    return found | {"right": np.array(right), "place": _by_place(made.answer(trials), trials)}


def _of(groups: int) -> Any:
    return replace(TASK, n_groups=groups)


def _by_place(probability: Floats, trials: Any) -> Floats:
    """Return the mean probability of the group at each place, among the groups, asked about another."""
    each = np.take_along_axis(probability, trials.names, axis=1)
    each = each / np.maximum(each.sum(axis=1, keepdims=True), 1e-12)
    others = trials.asked[:, None] != np.arange(trials.n_groups)
    return np.array([each[others[:, place], place].mean() for place in range(trials.n_groups)])


def _stages(made: Binder, pairs: Any, sizes: Sizes, *, seed: int) -> dict[str, Any]:
    """Swap at each site, and fit the mixture."""
    from arcuate import probes

    answers = probes.binding_answers(made.swap, pairs, sites=made.sites)
    shares = probes.answer_sources(answers).share
    n, draw = len(STAGES), stream(seed, "flagship/three_memories/pointers")
    out: dict[str, Any] = {
        "share": np.full((n, N_GROUPS, len(SOURCES)), np.nan),
        "share_null": np.full((n, len(SOURCES)), np.nan),
        "agreement": np.full((n, 4), np.nan),
        "gain": np.full(n, np.nan),
        "gain_null": np.full(n, np.nan),
    }
    pointers = pairs.sources()
    for site in made.sites:
        stage = STAGES.index(site)
        out["share"][stage] = shares.sel(site=site).values
        probability = answers.probability.sel(site=site).values
        permuted = np.array([draw.permutation(len(pointers)) for _ in range(sizes.n_null)])
        named = np.array(
            [_named(probability, pointers[order], pairs.original.asked[order]) for order in permuted]
        )
        out["share_null"][stage] = named.mean(axis=0)
        if site not in FITTED:
            continue
        out["agreement"][stage], out["gain"][stage] = gain(probability, pointers, seed=seed)
        out["gain_null"][stage] = gain(probability, pointers[permuted[0]], seed=seed)[1]
    return out


def _named(probability: Floats, pointers: NDArray[np.int64], original: NDArray[np.int64]) -> Floats:
    """Return the mean probability of what each source points to."""
    rows = np.arange(len(probability))
    each = [probability[rows, column].mean() for column in (*pointers.T, original)]
    return np.array([*each, 1 - sum(each)])


def gain(probability: Floats, pointers: NDArray[np.int64], *, seed: int) -> tuple[Floats, float]:
    """Return the agreement of the mixture and of each pointer alone, and what the mixture gains.

    Parameters
    ----------
    probability : ndarray, (n_trials, n_groups)
    pointers : ndarray, (n_trials, 3)
    seed : int
        Of the split into what is fitted and what judges.

    Returns
    -------
    agreement : ndarray, (4,)
        Of all three, then each alone.
    gain : float
        That of all less the best alone; below 0 where three fit worse to what was left out.
    """
    from arcuate.probes import fit_binding

    parts: list[tuple[str, ...]] = [MECHANISMS, *((name,) for name in MECHANISMS)]
    found = [fit_binding(probability, pointers, mechanisms=part, seed=seed).agreement for part in parts]
    return np.array(found), float(found[0] - max(found[1:]))


def alike(profiles: Floats, *, n_null: int, seed: int) -> dict[str, Any]:
    """Compare profiles of several systems with those of several seeds of one.

    Parameters
    ----------
    profiles : ndarray, (n_systems, n_seeds, n_features)
        Shares; the distance of two is half of the mean absolute difference of their sources.
    n_null : int
        Permutations of all profiles among systems and seeds.
    seed : int

    Returns
    -------
    dict
        ``between`` and ``within`` (n_seeds,), mean distance of the profiles with that seed from those of
        other systems, and from other seeds of the same; ``null``, the 95 % quantile of the mean difference
        when profiles are permuted; ``p``.
    """
    between, within = _apart(profiles)
    draw = stream(seed, "flagship/three_memories/systems")
    flat = profiles.reshape(-1, profiles.shape[2])
    null = []
    for _ in range(n_null):
        far, near = _apart(flat[draw.permutation(len(flat))].reshape(profiles.shape))
        null.append(float(np.mean(far - near)))
    observed = float(np.mean(between - within))
    return {
        "between": between,
        "within": within,
        "null": float(np.quantile(null, 0.95)),
        "p": (1 + sum(one >= observed - 1e-12 for one in null)) / (1 + n_null),
    }


def _apart(profiles: Floats) -> tuple[Floats, Floats]:
    """Return the mean distances of each seed's profiles from other systems and from other seeds."""
    n, many, width = profiles.shape
    each = np.abs(profiles[:, :, None, None] - profiles[None, None]).sum(axis=-1)
    each *= len(SOURCES) / (2 * width)
    between = [each[a, s, b].mean() for s in range(many) for a, b in itertools.permutations(range(n), 2)]
    within = [
        each[a, s, a, [t for t in range(many) if t != s]].mean() if many > 1 else np.nan
        for s in range(many)
        for a in range(n)
    ]
    return (
        np.reshape(between, (many, -1)).mean(axis=1),
        np.reshape(within, (many, -1)).mean(axis=1),
    )


def capacity(seed: int, sizes: Sizes) -> dict[str, Any]:
    """Measure how well each rule recalls random pairs, and how that grows with the width.

    Parameters
    ----------
    seed : int
    sizes : Sizes

    Returns
    -------
    dict
        ``fidelity`` (rule, width, load), ``1 / sqrt(1 + error)``, which for the Hebbian rule is the expected
        cosine of what is read with the value; ``theory``, the same by the closed form, NaN where there is
        none; ``named`` (rule, width, load), share of values that are the nearest; ``exponent`` (rule,), of
        the capacity over the width; ``synapses`` and ``synapses_named`` (written, load), the same of
        synapses of a reservoir that is shown keys of width `SHOWN`.
    """
    from arcuate import memory

    shape = (len(RULES), len(WIDTHS), len(LOADS) + 1)
    fidelity, theory, named = (np.full(shape, np.nan) for _ in range(3))
    exponent = np.full(len(RULES), np.nan)
    for i, rule in enumerate(RULES.values()):
        for j, width in enumerate(WIDTHS):
            found = memory.retrieval_error(
                rule, pairs_of(width), d_key=width, trials=sizes.memories, seed=seed, progress=False
            )
            fidelity[i, j] = 1 / np.sqrt(1 + found.error.mean("trial"))
            named[i, j] = found.top1.mean("trial")
            if "closed_form" in found:
                theory[i, j] = 1 / np.sqrt(1 + found.closed_form)
        if rule != "softmax":
            grown = memory.mean_capacity(rule, GROWN, trials=4 * sizes.memories, seed=seed, progress=False)
            exponent[i] = memory.capacity_exponent(grown)
    synapses, synapses_named = np.empty((2, len(WRITTEN), len(LOADS) + 1))
    for i, rule in enumerate(WRITTEN):
        found = memory.retrieval_error(
            partial(_by_synapses, rule, seed), pairs_of(SHOWN), d_key=SHOWN, trials=1, seed=seed,
            progress=False,
        )  # fmt: skip
        synapses[i], synapses_named[i] = 1 / np.sqrt(1 + found.error[:, 0]), found.top1[:, 0]
    return {
        "fidelity": fidelity, "theory": theory, "named": named, "exponent": exponent,
        "synapses": synapses, "synapses_named": synapses_named,
    }  # fmt: skip


def _by_synapses(rule: str, seed: int, keys: Floats, values: Floats) -> Floats:
    """Write values into the synapses of neurons that are shown keys, and read while keys are shown again."""
    from arcuate.memory import AssociativeMemory

    first, again = presented(DRIVEN * keys, repeats=2, seed=seed)
    first, again = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (first, again))
    memory = AssociativeMemory(first.shape[1], values.shape[1], rule=rule)
    return memory.write(first, values).read(again)


def pairs_of(width: int) -> list[int]:
    """Return the numbers of pairs at which a width is looked at: its square root, then those of `LOADS`."""
    return [round(width**0.5), *(max(1, round(load * width)) for load in LOADS)]
