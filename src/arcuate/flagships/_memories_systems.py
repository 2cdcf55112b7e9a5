"""Eight systems that bind names to objects: three rules, three transformers, a PMI memory and a reservoir."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate.rng import stream
from arcuate.tasks import Bindings, BindingTrials

__all__ = [
    "ATTENTION",
    "N_GROUPS",
    "RULES",
    "SETTINGS",
    "SYSTEMS",
    "TASK",
    "TRAINED",
    "Binder",
    "binder",
    "pmi_config",
    "presented",
    "reservoir",
    "rows_of",
    "with_question",
]

Floats = NDArray[np.float64]

SYSTEMS = {
    "hebb": "Hebbian matrix",
    "delta": "matrix by the delta rule",
    "lookup": "softmax over stored pairs",
    "transformer": "transformer, softmax attention",
    "linear": "transformer, linear (Hebbian) attention",
    "deltanet": "transformer, delta attention",
    "pmi": "PMI net",
    "reservoir": "spiking reservoir with a read-out",
}
RULES = {"hebb": "hebb", "delta": "delta", "lookup": "softmax"}
ATTENTION = {"transformer": "softmax", "linear": "linear", "deltanet": "delta"}
TRAINED = (*ATTENTION, "pmi")

N_GROUPS = 6
TASK = Bindings(n_groups=N_GROUPS, n_names=12, n_objects=12)
N = TASK.n_names

# Chosen on seeds 50 to 58: sizes with which each network answers nearly every question after some five
# seconds of one core. Linear attention learned far later with learned positions, or, at some seeds and a
# rate of 0.003, not at all.
SETTINGS: dict[str, Any] = {
    "transformer": {"d_model": 64, "n_layers": 3, "n_heads": 2},
    "positions": {"transformer": "learned", "linear": "rotary", "deltanet": "rotary"},
    "pmi": {
        "d_model": 48, "n_heads": 4, "n_slots": 4, "top_k": 1, "d_key": 12, "mlp_layers": 1,
        "initialization": "unit", "input_projection": False, "ltm_rule": "delta", "ltm_source": "tokens",
        "ltm_features": "softmax", "n_segments": 1, "d_ltm": 48, "gate": "none", "integration": "direct",
    },
    "steps": 800,
    "watched": 25,
    "enough": 0.98,
    "learning_rate": {"transformer": 3e-3, "linear": 1.5e-3, "deltanet": 3e-3, "pmi": 1e-2},
    "batch": {"transformer": 64, "linear": 64, "deltanet": 64, "pmi": 48},
    "d_rule": 32,
    "presented": {"hold_ms": 30, "rests": 3},
    "reservoir": {"n": 300, "hold_ms": 10, "tau_ms": 20, "penalty": 0.01},
}  # fmt: skip

INNER = {"question": "blocks.0.resid_post", "read": "blocks.1.resid_post"}
"""Sites of a transformer at the last word, of three blocks: only those before the last one tell something."""

LEAST = 1e-3
"""Least estimate of a probability by a linear read-out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Binder:
    """A system that has been shown how to answer.

    Attributes
    ----------
    answer : callable
        From trials to probabilities (n_trials, n_answers).
    swap : callable
        From pairs and the name of a site to the same, with what stands there taken from the second context.
    sites : tuple of str
        What can be swapped.
    """

    answer: Callable[[BindingTrials], Floats]
    swap: Callable[[Any, str], Floats]
    sites: tuple[str, ...]


def binder(system: str, seed: int, *, train: bool = True, trials: int = 600) -> Binder:
    """Return a system that answers questions about pairs.

    Parameters
    ----------
    system : str
        One of `SYSTEMS`.
    seed : int
    train : bool
        False: a network as it begins.
    trials : int
        From which the read-out of the reservoir is fitted.

    Returns
    -------
    Binder
    """
    if system in RULES:
        return _rule(system, seed)
    if system == "reservoir":
        return _reservoir(seed, trials)
    return _network(system, seed, train=train)


def with_question(trials: BindingTrials, group: NDArray[np.int64]) -> BindingTrials:
    """Return the same contexts, asked about another group each."""
    order, rows = trials.order.copy(), np.arange(trials.n_trials)
    place = (order == group[:, None]).argmax(axis=1)
    order[rows, place], order[:, 0] = order[:, 0], group
    return replace(trials, order=order)


def _swapped(pairs: Any, site: str) -> BindingTrials:
    """Return trials in which the question, or all that came before it, is that of the second context."""
    if site == "question":  # the second context asks what the lexical group of the first would be asked
        return with_question(pairs.original, pairs.lexical)
    return with_question(pairs.counterfactual, pairs.original.asked.copy())


# ---------------------------------------------------------------- rules


def _rule(system: str, seed: int) -> Binder:
    """Write each context into an empty memory, and read it by the object that is asked."""
    from arcuate.memory import AssociativeMemory

    d = SETTINGS["d_rule"]
    draw = stream(seed, "flagship/three_memories/symbols").standard_normal((2, N, d))
    names, objects = draw / np.linalg.norm(draw, axis=2, keepdims=True)
    memory = AssociativeMemory(d, d, rule=RULES[system])

    def answer(trials: BindingTrials) -> Floats:
        read = np.array(
            [
                memory.reset().write(objects[what], names[whose]).read(objects[[asked]])[0]
                for what, whose, asked in zip(trials.objects, trials.names, trials.queries, strict=True)
            ]
        )
        return _softmax(4 * np.sqrt(d) * read @ names.T)

    return Binder(
        answer=answer,
        swap=lambda pairs, site: answer(_swapped(pairs, site)),
        sites=("question", "memory"),
    )


def _softmax(scores: Floats) -> Floats:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


# ---------------------------------------------------------------- networks in torch


def pmi_config(**changes: Any) -> Any:
    """Return what the PMI memory is: a working memory of four slots, and fast weights of tokens."""
    from arcuate.memory import PMIConfig

    return PMIConfig(**SETTINGS["pmi"] | changes)


def rows_of(trials: BindingTrials, *, n_questions: int = 1) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return trials as rows for a network that gets a pair at once: pairs, then objects that are asked.

    Parameters
    ----------
    trials : BindingTrials
    n_questions : int
        Groups that are asked about, one after the other.

    Returns
    -------
    x : ndarray, (n_trials, n_groups + n_questions, n_names + n_objects + 1), float32
        The last number is 1 with a question.
    targets : ndarray, (n_trials, n_groups + n_questions), int64
        Names that are asked for; -1 where nothing is asked.
    """
    n, groups = trials.names.shape
    x = np.zeros((n, groups + n_questions, 2 * N + 1), np.float32)
    asked = np.take_along_axis(trials.objects, trials.order[:, :n_questions], axis=1)
    x[:, :groups, :N], x[:, :groups, N : 2 * N] = np.eye(N)[trials.names], np.eye(N)[trials.objects]
    x[:, groups:, N : 2 * N], x[:, groups:, -1] = np.eye(N)[asked], 1.0
    targets = np.full((n, groups + n_questions), -1)
    targets[:, groups:] = np.take_along_axis(trials.names, trials.order[:, :n_questions], axis=1)
    return x, targets


def _network(system: str, seed: int, *, train: bool) -> Binder:
    """Train a network on contexts of two pairs and more, with a question about each."""
    from arcuate import nn
    from arcuate._optional import require

    torch = require("torch", extra="torch", purpose="the flagship three_memories")
    lengths = range(2, N_GROUPS + 1)
    if system == "pmi":
        model = nn.SeriesMemory(pmi_config(), n_features=2 * N + 1, n_outputs=N, seed=seed)
        batches: Any = partial(_row_batch, SETTINGS["batch"][system])
    else:
        model = nn.TinyTransformer(
            n_outputs=N,
            n_tokens=2 * N + 1,
            attention=ATTENTION[system],
            seed=seed,
            positions=SETTINGS["positions"][system],
            **SETTINGS["transformer"],
        )
        batches = TASK.batches(SETTINGS["batch"][system], n_groups=lengths, form="tokens")

    def loss(scores: Any, targets: Any) -> Any:
        flat = scores.flatten(0, 1), targets.flatten()
        return torch.nn.functional.cross_entropy(*flat, ignore_index=-1)

    made = _pmi(model, torch) if system == "pmi" else _transformer(model, torch)
    if train:
        watched = TASK.draw(200, seed=2**34 + seed)
        nn.fit(
            model, batches, loss, steps=SETTINGS["steps"], seed=seed, warmup=SETTINGS["watched"],
            every=SETTINGS["watched"], schedule="constant", learning_rate=SETTINGS["learning_rate"][system],
            evaluate=lambda _: {"right": float(watched.score(made.answer(watched).argmax(axis=1)).mean())},
            stop=lambda rows: rows[-1]["right"] >= SETTINGS["enough"], progress=False,
        )  # fmt: skip
    model.eval()
    return made


def _row_batch(size: int, generator: np.random.Generator) -> tuple[Any, Any]:
    n_groups = int(generator.integers(2, N_GROUPS + 1))
    task = replace(TASK, n_groups=n_groups)
    drawn = task.draw(size, seed=int(generator.integers(2**62)))
    return rows_of(drawn, n_questions=n_groups)


def _transformer(model: Any, torch: Any) -> Binder:
    """Answer behind the question; what stands there after a block is swapped as `patch_bindings` does it."""

    def answer(trials: BindingTrials) -> Floats:
        with torch.no_grad():
            scores = model(torch.from_numpy(trials.tokens().tokens.copy()))[:, -1]
            return np.asarray(torch.softmax(scores.double(), dim=-1))

    def swap(pairs: Any, site: str) -> Floats:
        from arcuate import probes

        first, second = (
            torch.from_numpy(part.tokens().tokens.copy()) for part in (pairs.original, pairs.counterfactual)
        )
        donor = probes.capture(model, second, sites=INNER[site], reduce="last", progress=False)
        given = donor.states(INNER[site])["activation"].values.reshape(len(second), 1, -1)
        with probes.intervene(model, probes.Edit(INNER[site], "replace", given, where={"positions": [-1]})):
            scores = model(first)[:, -1]
        return np.asarray(torch.softmax(scores.detach().double(), dim=-1))

    return Binder(answer=answer, swap=swap, sites=tuple(INNER))


def _pmi(model: Any, torch: Any) -> Binder:
    """Write pairs row by row, then ask: the question, what is read, and either memory can be swapped."""

    def remembered(trials: BindingTrials) -> tuple[Any, Any]:
        tokens = model.embed(torch.from_numpy(rows_of(trials)[0]))
        state = model.memory.initial_state(len(tokens))
        for token in tokens[:, :-1].unbind(1):
            state = model.memory.memorize(token.unsqueeze(1), state)
        return state, tokens[:, -1]

    def read(state: Any, token: Any) -> Any:
        return model.memory(token.unsqueeze(1), state).understanding[:, 0]

    def told(token: Any, understood: Any) -> Floats:
        z = token + understood
        z = z + model.fc2(torch.relu(model.fc1(model.norm(z))))
        return np.asarray(torch.softmax(model.head(model.final_norm(z)).double(), dim=-1))

    def answer(trials: BindingTrials) -> Floats:
        with torch.no_grad():
            state, token = remembered(trials)
            return told(token, read(state, token))

    def swap(pairs: Any, site: str) -> Floats:
        if site in ("question", "memory"):
            return answer(_swapped(pairs, site))
        with torch.no_grad():
            (own, token), (other, asked) = (
                remembered(part) for part in (pairs.original, pairs.counterfactual)
            )
            if site == "read":
                return told(token, read(other, asked))
            part = "working_memory" if site == "question and slots" else "long_term_memory"
            mixed = replace(own, **{part: getattr(other, part)})
            return told(asked, read(mixed, asked))

    return Binder(
        answer=answer,
        swap=swap,
        sites=("question", "read", "memory", "question and slots", "question and matrix"),
    )


# ---------------------------------------------------------------- the reservoir


def reservoir(n_neurons: int) -> Any:
    """Return the network: Izhikevich neurons with many time constants of recovery, sparsely connected."""
    import arcuate as arc

    cells = arc.Population(
        name="reservoir",
        n=n_neurons,
        neuron=arc.izh2003(a=arc.LogUniform(0.002, 0.05), c=-60.0, d=4.0),
        bias=4.0,
        noise=arc.Noise(sigma=0.5),
    )
    loop = arc.Projection(
        pre="reservoir", post="reservoir", connectivity=arc.Sparse(0.1), weight=arc.Normal(0, 0.5)
    )
    return arc.Network(
        name="three_memories",
        dt="1 ms",
        populations=[cells],
        projections=[loop],
        inputs=[
            arc.Input(name="symbols", target="reservoir", n_channels=1, weight=arc.Uniform(-6, 6)),
        ],
        record=arc.Record(spikes=["reservoir"]),
    )


def presented(patterns: Floats, *, repeats: int, seed: int) -> Floats:
    """Show patterns of current one by one, in random order with rests between them.

    Parameters
    ----------
    patterns : ndarray, (n, n_channels)
    repeats : int
        Presentations of each.
    seed : int

    Returns
    -------
    ndarray, (repeats, n, n_neurons)
        Rates at the end of each presentation less the mean rates at rest, Hz.
    """
    from arcuate.study import driven_rates
    from arcuate.tasks.forms import drive

    size, (n, width) = SETTINGS["presented"], patterns.shape
    last = int(size["rests"])
    rows = np.zeros((repeats * n + 20, 1 + last, width), np.float32)  # 20 with nothing but rest
    rows[: repeats * n, last] = np.tile(patterns, (repeats, 1))
    order = stream(seed, "flagship/three_memories/presentations").permutation(len(rows))
    series = drive(
        rows[order], "1 ms", hold=f"{size['hold_ms']} ms", channels=[f"channel {k}" for k in range(width)],
        targets=np.zeros((*rows.shape[:2], 1)), outputs=["none"],
        asked=np.broadcast_to(np.arange(1 + last) == last, rows.shape[:2]),
    )  # fmt: skip
    tau = f"{SETTINGS['reservoir']['tau_ms']} ms"
    network = reservoir(SETTINGS["reservoir"]["n"])
    rates = np.empty((len(rows), SETTINGS["reservoir"]["n"]))
    rates[order] = driven_rates(network, series, steps=-1, tau=tau, seed=seed, progress=False).values
    changed = rates[: repeats * n] - rates[repeats * n :].mean(axis=0)
    return np.asarray(changed.reshape(repeats, n, -1))


def _reservoir(seed: int, trials: int) -> Binder:
    """Show contexts to spiking neurons, and read the answer off their rates at the end of the question."""
    from arcuate.readout import Ridge
    from arcuate.study import driven_rates

    size = SETTINGS["reservoir"]
    network = reservoir(size["n"])

    def rates(drawn: BindingTrials) -> Floats:
        shown = drawn.drive("1 ms", hold=f"{size['hold_ms']} ms")
        return np.asarray(
            driven_rates(
                network, shown, steps=-1, tau=f"{size['tau_ms']} ms", seed=seed, progress=False
            ).values
        )

    drawn = TASK.draw(trials, seed=2**33 + seed)
    states = rates(drawn)
    spread = states.std() or 1.0
    penalty = float(size["penalty"] * len(states) * spread**2)
    ridge = Ridge(alpha=penalty, fit_intercept=True).fit(states, np.eye(N)[drawn.answers])

    def answer(drawn: BindingTrials) -> Floats:
        scores = np.maximum(ridge.predict(rates(drawn)), LEAST)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    return Binder(
        answer=answer,
        swap=lambda pairs, site: answer(_swapped(pairs, site)),
        sites=("question", "memory"),
    )
