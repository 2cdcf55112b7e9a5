"""The stream of cues of "what and when", and the four systems that live through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate.rng import stream

__all__ = [
    "CUES",
    "N_TICKS",
    "REPEATS",
    "SETTINGS",
    "SYSTEMS",
    "TICK",
    "Cues",
    "Response",
    "Sizes",
    "described",
    "draw_stream",
    "respond",
]

Floats = NDArray[np.float64]

TICK = 0.05
"""Length of a tick, s: that of a cue in the reservoir's published task."""

N_TICKS, REPEATS = 11, 4
"""Ticks from a cue to after the longest delay; repeats of each cue that are measured."""

SYSTEMS = {
    "reservoir": "Izhikevich reservoir, filtered spikes",
    "transformer": "transformer, residual stream after the last block",
    "ctm": "Continuous Thought Machine, post-activations",
    "pmi": "PMI net, working memory",
}
"""Systems and the site of each that is looked at."""

# All chosen on seed 0, which no form runs: sizes with which a network soon told the delay of every cue; the
# reservoir's rate of "what" is five times the model's, for each cue comes about twenty times.
SETTINGS: dict[str, dict[str, Any]] = {
    "reservoir": {"eta_what": 0.3},
    "transformer": {"d_model": 32, "n_layers": 2, "n_heads": 2, "max_tokens": 16},
    "ctm": {"n_neurons": 64, "n_out": 16, "history": 8, "hidden": 8},
    "pmi": {
        "d_model": 32, "n_heads": 4, "n_slots": 4, "top_k": 1, "d_key": 16, "mlp_layers": 1,
        "initialization": "unit", "input_projection": False, "ltm_rule": "none",
    },
}  # fmt: skip
_RATES = {"transformer": 0.003, "ctm": 0.01, "pmi": 0.01}
_BATCHES = {"transformer": 64, "ctm": 64, "pmi": 32}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How long each system learns, and how many orders a null has.

    Attributes
    ----------
    reservoir : int
        How often the reservoir lives through each cue before it is measured.
    transformer, ctm, pmi : int
        Steps of training.
    n_null : int
        Draws of each null.
    """

    reservoir: int
    transformer: int
    ctm: int
    pmi: int
    n_null: int


@dataclass(frozen=True, kw_only=True)
class Cues:
    """What each cue foretells; all combinations, the last property fastest.

    Attributes
    ----------
    identity : ndarray, (n_cues,), int
        The likelier outcome, 0 or 1.
    delay : ndarray, (n_cues,), int
        Ticks from the cue to the outcome.
    probability : ndarray, (n_cues,)
        Of the likelier outcome.
    shape : tuple of int
        Levels of the three.
    """

    identity: NDArray[np.int64]
    delay: NDArray[np.int64]
    probability: Floats
    shape: tuple[int, int, int]

    @property
    def names(self) -> list[str]:
        """Label of each cue, such as ``"A 200 ms 0.60"``."""
        rows = zip(self.identity, self.delay, self.probability, strict=True)
        return [f"{'AB'[k]} {1000 * TICK * delay:.0f} ms {p:.2f}" for k, delay, p in rows]


def _cues(delays: tuple[int, ...], probabilities: tuple[float, ...]) -> Cues:
    """Return all combinations of two outcomes, delays and probabilities."""
    identity, delay, probability = np.array(list(product((0, 1), delays, probabilities))).T
    return Cues(
        identity=identity.astype(np.int64),
        delay=delay.astype(np.int64),
        probability=probability,
        shape=(2, len(delays), len(probabilities)),
    )


CUES = _cues((4, 6, 8, 10), (0.6, 0.8, 1.0))
"""Delays of 200 to 500 ms; the other outcome comes in the rest of the trials."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Response:
    """What a system did after each cue, and what it expected.

    Attributes
    ----------
    states : ndarray, (n_cues, n_repeats, n_ticks, n_units), float32
        Tick 0 is that of the cue.
    expected : ndarray, (n_cues, n_repeats, n_ticks, 2)
        How much each outcome is expected to come next.
    when, what : ndarray, (n_units,) and (n_outcomes, n_units), or None
        Weights of a read-out that the system itself learned on these states.
    """

    states: NDArray[np.float32]
    expected: Floats
    when: Floats | None = None
    what: Floats | None = None


def draw_stream(generator: np.random.Generator, cue: NDArray[np.int64], lead: NDArray[np.int64]) -> Any:
    """Draw outcomes and show cues tick by tick: silence, the cue for a tick, silence.

    Parameters
    ----------
    generator : numpy.random.Generator
        Of the outcomes.
    cue, lead : ndarray, (n,), int
        Number of the cue of each trial, and ticks before it, below `REPEATS`.

    Returns
    -------
    x : ndarray, (n, n_ticks, n_cues), float32
    targets : ndarray, (n, n_ticks), int64
        Outcome that begins in the tick after: 0 nothing, 1 the first, 2 the second.
    """
    n, trial = len(cue), np.arange(len(cue))
    x = np.zeros((n, REPEATS - 1 + N_TICKS, len(CUES.delay)), np.float32)
    targets = np.zeros(x.shape[:2], np.int64)
    x[trial, lead, cue] = 1.0
    likely = generator.random(n) < CUES.probability[cue]
    came = np.where(likely, CUES.identity[cue], 1 - CUES.identity[cue])
    targets[trial, lead + CUES.delay[cue] - 1] = came + 1
    return x, targets


def respond(system: str, seed: int, sizes: Sizes) -> Response:
    """Let a system learn the cues, and record it.

    Parameters
    ----------
    system : str
        One of `SYSTEMS`.
    seed : int
    sizes : Sizes

    Returns
    -------
    Response
    """
    return _reservoir(seed, sizes) if system == "reservoir" else _network(system, seed, sizes)


# ---------------------------------------------------------------- the reservoir


def _reservoir(seed: int, sizes: Sizes) -> Response:
    """The published reservoir with one channel for each cue; its two-bank rule is read by probes."""
    from arcuate import analysis
    from arcuate.models import load_model
    from arcuate.study.session import predictor_of, record_session

    network = load_model("what_when_reservoir")
    order = _order(seed, sizes.reservoir + REPEATS)
    window = f"{1000 * TICK * N_TICKS:.0f} ms"
    task = {**network.to_dict()["task"], "window": window, "blocks": [_block(cue) for cue in order]}
    network = network.with_("inputs.cue.n_channels", len(CUES.delay)).with_("task", task)
    session = record_session(network, seed=seed)
    trials = session.trials
    rule = predictor_of(network, n_outcomes=2, when_window=("0 ms", window), **SETTINGS["reservoir"])
    rule.fit(
        session.states,
        trials.teachers(session.times),
        outcome=trials.outcome,
        latency=trials.latency,
        times=session.times,
    )
    last = slice(-REPEATS * len(CUES.delay), None)
    expected = analysis.predicted_outcomes(rule.probe_when_[last], rule.probe_what_[last])
    each = session.times.size // N_TICKS
    ticks = session.states[last].reshape(-1, N_TICKS, each, session.states.shape[2]).mean(axis=2)
    peaks = expected.reshape(-1, N_TICKS, each, 2).max(axis=2)
    place = np.argsort(order[last], kind="stable")  # by cue, repeats in the order in which they came
    shape = (len(CUES.delay), REPEATS, N_TICKS, -1)
    return Response(
        states=ticks[place].reshape(shape).astype(np.float32),
        expected=peaks[place].reshape(shape),
        when=rule.when_coef_,
        what=rule.what_coef_,
    )


def _order(seed: int, times: int) -> NDArray[np.int64]:
    """Return all cues in an order drawn anew, so many times."""
    generator = stream(seed, "flagship/what_and_when/order")
    return np.concatenate([generator.permutation(len(CUES.delay)) for _ in range(times)])


def _block(cue: int) -> dict[str, Any]:
    """Return one trial of a cue, as a block of the task."""
    p, name = float(CUES.probability[cue]), f"c{cue:02d}"
    first = p if CUES.identity[cue] == 0 else 1 - p
    return {
        "n_trials": 1,
        "latency": f"{1000 * TICK * CUES.delay[cue]:.0f} ms",
        "probabilities": {"A": first, "B": 1 - first},
        "cues": name,
    }


# ---------------------------------------------------------------- networks in torch


def _network(system: str, seed: int, sizes: Sizes) -> Response:
    """Train a network on one thread, so that its numbers are the same in any process."""
    from arcuate._optional import require

    torch = require("torch", extra="torch", purpose="the flagship what_and_when")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _trained(system, seed, sizes, torch)
    finally:
        torch.set_num_threads(threads)


def _trained(system: str, seed: int, sizes: Sizes, torch: Any) -> Response:
    """Train a network to foretell what comes in the next tick, and record it at four leads."""
    from arcuate import nn, probes

    model, site, scores = _model(system, seed, nn)

    def batches(generator: np.random.Generator) -> tuple[Any, Any]:
        size = _BATCHES[system]
        cue = generator.integers(0, len(CUES.delay), size)
        return draw_stream(generator, cue, generator.integers(0, REPEATS, size))

    def loss(answer: Any, targets: Any) -> Any:
        return torch.nn.functional.cross_entropy(scores(answer), targets)

    steps = getattr(sizes, system)
    nn.fit(
        model, batches, loss, steps=steps, seed=seed, learning_rate=_RATES[system], warmup=steps // 8,
        every=steps, progress=False,
    )  # fmt: skip
    n = len(CUES.delay)
    cue, lead = np.repeat(np.arange(n), REPEATS), np.tile(np.arange(REPEATS), n)
    x, _ = draw_stream(stream(seed, "flagship/what_and_when/test"), cue, lead)
    if system == "ctm":
        recording = nn.capture(model, x, sites=[site])
    else:
        recording = probes.capture(model, x, sites=site, batch_size=len(x), progress=False)
    (states,) = recording.states(recording.sites[0]).data_vars.values()
    model.eval()
    with torch.no_grad():
        chances = torch.softmax(scores(model(torch.from_numpy(x))), dim=1).numpy()
    rows, ticks = np.arange(len(cue))[:, None], lead[:, None] + np.arange(N_TICKS)
    shape = (n, REPEATS, N_TICKS, -1)
    return Response(
        states=states.values.astype(np.float32)[rows, ticks].reshape(shape),
        expected=chances.transpose(0, 2, 1)[rows, ticks, 1:].reshape(shape).astype(float),
    )


def _model(system: str, seed: int, nn: Any) -> tuple[Any, str, Callable[[Any], Any]]:
    """Return a network, the site that is looked at, and what makes scores (n, classes, ticks) of answers."""
    from arcuate.memory import PMIConfig

    size, n = SETTINGS[system], len(CUES.delay)
    if system == "transformer":
        model = nn.TinyTransformer(n_outputs=3, n_features=n, seed=seed, **size)
        return model, f"blocks.{size['n_layers'] - 1}.resid_post", lambda answer: answer.transpose(1, 2)
    if system == "ctm":
        model = nn.SeriesThoughtMachine(n_outputs=3, width=n, seed=seed, **size)
        return model, "ctm/post", lambda answer: answer.predictions
    model = nn.SeriesMemory(PMIConfig(**size), n_features=n, n_outputs=3, seed=seed)
    return model, "slots:out", lambda answer: answer.transpose(1, 2)


def described(sizes: Sizes) -> dict[str, Any]:
    """Return all settings as plain numbers and text."""
    return {
        "tick_s": TICK,
        "cues": CUES.names,
        "repeats": REPEATS,
        "sizes": asdict(sizes),
        "systems": SETTINGS,
        "learning_rates": _RATES,
        "batches": _BATCHES,
    }
