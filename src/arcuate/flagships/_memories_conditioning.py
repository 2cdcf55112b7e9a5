"""A battery of conditioning for eight systems: what each expects of a cue after sessions of several kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate.flagships._memories_systems import (
    ATTENTION,
    RULES,
    pmi_config,
    presented,
)
from arcuate.rng import stream
from arcuate.tasks import EXPERIMENTS, Conditioning, Phase

__all__ = ["EFFECTS", "GROUPS", "LETTERS", "SETTINGS", "battery", "effects", "training_batch"]

Floats = NDArray[np.float64]

LENGTH = 13
"""Trials of a session from which a network learns; no group of the battery has more, with the question."""

LETTERS = "ABCD"
"""C is never followed by the outcome; D is what a control group meets in the place of A."""

SETTINGS: dict[str, Any] = {
    "rate": 0.4,  # of the rules and of the reservoir's read-out
    "d_rule": 64,
    "transformer": {"d_model": 32, "n_layers": 2, "n_heads": 2, "positions": "none"},
    "pmi": {"d_model": 32, "d_key": 8, "d_ltm": 16},
    "steps": 800,
    "watched": 50,
    "enough": 0.98,
    "learning_rate": {"transformer": 5e-3, "linear": 5e-3, "deltanet": 5e-3, "pmi": 1e-2},
    "batch": {"transformer": 64, "linear": 64, "deltanet": 64, "pmi": 32},
    "reservoir": {"repeats": 12, "cues": 12},
}

GROUPS: dict[str, tuple[tuple[tuple[str, ...], int], ...]] = {
    "acquisition": ((("A+",), 3),),
    "extinction": tuple((phase.trials, 3) for phase in EXPERIMENTS["extinction"]),
    "blocking": tuple((phase.trials, 3) for phase in EXPERIMENTS["blocking"]),
    "blocking control": ((("D+",), 3), (("AB+",), 3)),
    "compound": tuple((phase.trials, 3) for phase in EXPERIMENTS["control"]),
    "alone": ((("B+",), 3),),
    "preexposed": ((("A-",), 3), (("A+",), 1)),
    "preexposed control": ((("D-",), 3), (("A+",), 1)),
}
"""What each group of sessions meets: kinds of trials and how often; each phase also has as many ``C-``."""

EFFECTS = ("extinction", "blocking", "overshadowing", "latent inhibition")


def phases_of(group: str) -> tuple[Phase, ...]:
    """Return the phases of a group of sessions, with trials in which nothing follows between the others."""
    return tuple(Phase(trials=(*trials, "C-"), n=n) for trials, n in GROUPS[group])


def effects(expected: Mapping[str, Floats]) -> dict[str, float]:
    """Return the size of each effect, in units of what acquisition is.

    Parameters
    ----------
    expected : mapping of str to ndarray, (n_sessions, 4)
        What is expected of each letter at the end of the sessions of each group.

    Returns
    -------
    dict
        ``learned``, how much more is expected of A than of C after acquisition; ``extinction``, how much of
        it is gone after trials without the outcome; ``blocking``, ``overshadowing`` and ``latent
        inhibition``, how much less is expected than in the group beside it. 0 is no effect. The effects are
        NaN where nothing was learned.
    """

    def above(group: str, letter: str) -> float:
        mean = expected[group].mean(axis=0)
        return float(mean[LETTERS.index(letter)] - mean[LETTERS.index("C")])

    learned = above("acquisition", "A")
    unit = learned if learned > 0 else np.nan
    return {
        "learned": learned,
        "extinction": (learned - above("extinction", "A")) / unit,
        "blocking": (above("blocking control", "B") - above("blocking", "B")) / unit,
        "overshadowing": (above("alone", "B") - above("compound", "B")) / unit,
        "latent inhibition": (above("preexposed control", "A") - above("preexposed", "A")) / unit,
    }


def battery(system: str, seed: int, *, sessions: int, train: bool = True) -> dict[str, dict[str, float]]:
    """Take a system through all groups of sessions, in their order and in shuffled orders.

    Parameters
    ----------
    system : str
    seed : int
    sessions : int
        Of each group; cues are drawn anew for each.
    train : bool
        False: a network as it begins.

    Returns
    -------
    dict
        ``ordered`` and ``shuffled``, each as `effects` gives it.
    """
    if system in RULES:
        expect: Any = partial(_by_rule, RULES[system], seed)
    elif system == "reservoir":
        expect = _reservoir_expects(seed)
    else:
        expect = _trained(system, seed, train=train)
    draw = stream(seed, "flagship/three_memories/shuffled")
    found = {}
    for name in ("ordered", "shuffled"):
        expected = {}
        for group in GROUPS:
            shown, outcomes = _sessions(group, sessions)
            if name == "shuffled":
                order = draw.permuted(np.tile(np.arange(shown.shape[1]), (sessions, 1)), axis=1)
                shown = np.take_along_axis(shown, order[..., None], axis=1)
                outcomes = np.take_along_axis(outcomes, order, axis=1)
            expected[group] = expect(shown, outcomes)
        found[name] = effects(expected)
    return found


def _sessions(group: str, n: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which letters each trial shows (n, length, 4), and what follows (n, length)."""
    what = Conditioning(phases=phases_of(group)).what
    shown = np.array([[letter in trial for letter in LETTERS] for trial in what])
    outcomes = np.array([int(trial.endswith("+")) for trial in what])
    return np.tile(shown, (n, 1, 1)), np.tile(outcomes, (n, 1))


# ---------------------------------------------------------------- rules and the reservoir


def _by_rule(
    rule: str, seed: int, shown: NDArray[np.bool_], outcomes: NDArray[np.int64], *, cues: Any = None
) -> Floats:
    """Learn online, trial by trial: keys are sums of the cues' vectors, or what a reservoir makes of them."""
    from arcuate.memory import AssociativeMemory

    d, draw = SETTINGS["d_rule"], stream(seed, "flagship/three_memories/cues")
    options = {} if rule == "softmax" else {"learning_rate": SETTINGS["rate"]}
    expected = np.empty((len(shown), len(LETTERS)))
    for k, (trials, came) in enumerate(zip(shown, outcomes, strict=True)):
        if cues is None:
            vectors = draw.standard_normal((len(LETTERS), d))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            keys, asked = trials @ vectors, vectors
        else:
            keys, asked = cues(k, trials)
        memory = AssociativeMemory(keys.shape[1], 1, rule=rule, **options)
        expected[k] = memory.write(keys, came[:, None].astype(float)).read(asked)[:, 0]
    return expected


def _reservoir_expects(seed: int) -> Callable[..., Floats]:
    """Read spiking neurons out by the delta rule.

    A key is what a presentation changes in their rates, as long as one on average over single cues. Each
    presentation was simulated several times, and each trial takes one of them.
    """
    n_cues, repeats = int(SETTINGS["reservoir"]["cues"]), int(SETTINGS["reservoir"]["repeats"])
    kinds = [*((a,) for a in range(n_cues)), *((a, b) for a in range(n_cues) for b in range(a))]
    rows = np.zeros((len(kinds), n_cues))
    for k, kind in enumerate(kinds):
        rows[k, list(kind)] = 1.0
    states = presented(rows, repeats=repeats, seed=seed)
    states /= np.sqrt((states[:, :n_cues] ** 2).sum(axis=2).mean())
    index = {frozenset(kind): k for k, kind in enumerate(kinds)}
    draw = stream(seed, "flagship/three_memories/cues")

    def cues(_: int, trials: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        chosen = draw.permutation(n_cues)[: len(LETTERS)]
        which = [index[frozenset(chosen[trial].tolist())] for trial in trials]
        which += [index[frozenset([cue])] for cue in chosen.tolist()]
        drawn = states[draw.integers(repeats, size=len(which)), which]
        return drawn[: len(trials)], drawn[len(trials) :]

    return partial(_by_rule, "delta", seed, cues=cues)


# ---------------------------------------------------------------- networks in torch


def _rows(shown: NDArray[np.bool_], outcomes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return two rows for each trial: the cues, which ask, then the cues with what followed."""
    n, length, width = shown.shape
    x = np.zeros((n, length, 2, width + 2), np.float32)
    x[..., :width] = shown[:, :, None]
    x[:, :, 1, width:] = np.eye(2)[outcomes]
    return x.reshape(n, 2 * length, width + 2)


def training_batch(size: int, generator: np.random.Generator) -> tuple[Any, Any]:
    """Draw sessions from which a network learns to expect: none has a cue alone before it is in a compound.

    Parameters
    ----------
    size : int
        Sessions.
    generator : numpy.random.Generator

    Returns
    -------
    x : ndarray, (size, 26, 6), float32
        Two rows for each trial: cues, then cues with what followed.
    targets : ndarray, (size, 26), int64
        Whether the outcome follows, asked where cues are shown without it; -1 elsewhere.

    Notes
    -----
    Each of four cues brings the outcome or not, by a toss. First two cues are shown alone and the other two
    together; from some trial on all four are shown alone, and each of the first two has changed by a toss.
    The outcome follows if any cue that is shown brings it.
    """
    x, targets, _ = _drawn(size, generator)
    return x, targets


def _drawn(size: int, generator: np.random.Generator) -> tuple[Any, Any, Any]:
    """Return what `training_batch` does, and which questions can be answered: the cue was alone before."""
    cue = generator.permuted(np.tile(np.arange(4), (size, 1)), axis=1)
    brings = generator.random((size, 4)) < 0.5
    later = brings ^ ((generator.random((size, 4)) < 0.5) & (np.arange(4) < 2))
    second = np.arange(LENGTH) >= generator.integers(3, 10, (size, 1))
    kinds = np.concatenate((np.eye(4, dtype=bool), [[False, False, True, True]]))
    one = np.where(second, generator.integers(0, 4, (size, LENGTH)), 0)
    other = np.array([0, 1, 4])[generator.integers(0, 3, (size, LENGTH))]
    chosen = np.where(second, one, other)
    shown = kinds[chosen]
    outcomes = (shown & np.where(second[..., None], later[:, None], brings[:, None])).any(axis=2)
    kept = np.zeros((size, LENGTH, 2), bool)
    kept[:, :, 0] = [
        [(row[:t][part[:t] == part[t]] == row[t]).any() for t in range(LENGTH)]
        for row, part in zip(chosen, second, strict=True)
    ]
    places = np.empty_like(shown)
    np.put_along_axis(places, np.broadcast_to(cue[:, None], shown.shape), shown, axis=2)
    targets = np.full((size, LENGTH, 2), -1)
    targets[:, :, 0] = outcomes
    return _rows(places, outcomes.astype(np.int64)), targets.reshape(size, -1), kept.reshape(size, -1)


def _trained(system: str, seed: int, *, train: bool) -> Callable[..., Floats]:
    """Train a network on whole sessions, and return what it expects of each letter behind a session."""
    from arcuate import nn
    from arcuate._optional import require

    torch = require("torch", extra="torch", purpose="the flagship three_memories")
    width = len(LETTERS) + 2
    if system == "pmi":
        model = nn.SeriesMemory(pmi_config(**SETTINGS["pmi"]), n_features=width, n_outputs=2, seed=seed)
    else:
        model = nn.TinyTransformer(
            n_outputs=2, n_features=width, attention=ATTENTION[system], seed=seed, **SETTINGS["transformer"]
        )

    def loss(scores: Any, targets: Any) -> Any:
        flat = scores.flatten(0, 1), targets.flatten()
        return torch.nn.functional.cross_entropy(*flat, ignore_index=-1)

    if train:
        x, targets, kept = _drawn(200, stream(seed, "flagship/three_memories/watched"))

        def right(model: Any) -> dict[str, float]:
            said = model(torch.from_numpy(x)).argmax(dim=-1).numpy()
            return {"right": float((said == targets)[kept].mean())}

        nn.fit(
            model, partial(training_batch, SETTINGS["batch"][system]), loss, steps=SETTINGS["steps"],
            seed=seed, warmup=SETTINGS["watched"], every=SETTINGS["watched"], schedule="constant",
            learning_rate=SETTINGS["learning_rate"][system], evaluate=right,
            stop=lambda rows: min([0.0, *(row["right"] for row in rows)][-2:]) >= SETTINGS["enough"],
            progress=False,
        )  # fmt: skip
    model.eval()
    draw = stream(seed, "flagship/three_memories/cues")

    def expect(shown: NDArray[np.bool_], outcomes: NDArray[np.int64]) -> Floats:
        (n, length), k = outcomes.shape, len(LETTERS)
        cue = draw.permuted(np.tile(np.arange(k), (n, 1)), axis=1)
        asked = np.tile(np.eye(k, dtype=bool)[:, None, None], (1, n, 1, 1))
        whole = np.concatenate((np.tile(shown, (k, 1, 1, 1)), asked), axis=2).reshape(k * n, -1, k)
        places = np.empty_like(whole)
        np.put_along_axis(places, np.broadcast_to(np.tile(cue, (k, 1))[:, None], whole.shape), whole, axis=2)
        x = _rows(places, np.pad(np.tile(outcomes, (k, 1)), ((0, 0), (0, 1))))[:, : 2 * length + 1]
        with torch.no_grad():
            scores = model(torch.from_numpy(x.copy()))[:, -1]
            return np.asarray(torch.softmax(scores.double(), dim=-1)[:, 1].numpy().reshape(k, n).T)

    return expect
