"""Three systems that count signs: how they are trained, and their states for the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from arcuate.flagships._steps import Steps
from arcuate.rng import stream

__all__ = ["HOLD", "NOISE", "System", "reservoir", "rows_of", "stimuli_of", "systems_of"]

NOISE = 0.4
"""Standard deviation of what is added to a sign of +1 or -1."""

HOLD, REST = 20, 60
"""How long the reservoir sees a sign, and how long nothing before the next row, ms."""

CERTAIN = 0.1
"""Normalized entropy below which an answer counts as decided, in ticks as in layers."""

STIMULI = 0
"""Seed of the stimuli: they are the same for every seed, so that seeds can be compared with each other."""

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class System:
    """States of one system for all stimuli, its answers, and when they were decided.

    Attributes
    ----------
    name : str
    states : xarray.DataArray, (stimulus, AXIS, unit)
        AXIS is ``tick``, ``layer`` or ``time``.
    right : ndarray, (n_stimuli, length), bool
        Which answers are right.
    effort : mapping of str to ndarray, (n_stimuli,)
        Ticks or layers until the answers are certain, and layers that do something.
    """

    name: str
    states: Any
    right: np.ndarray
    effort: dict[str, np.ndarray]


def rows_of(generator: np.random.Generator, n: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows of noisy signs and the parity of each beginning, of the signs as they are shown."""
    shown = 1.0 - 2.0 * generator.integers(0, 2, (n, length))
    shown += NOISE * generator.standard_normal((n, length))
    return shown.astype(np.float32), (shown < 0).cumsum(1) % 2


def stimuli_of(n: int, length: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the rows that all systems of all seeds are shown, their answers, and their labels."""
    shown, odd = rows_of(stream(STIMULI, f"tick_or_layer/stimuli/{length}"), n, length)
    labels = [f"{k}:" + "".join("+" if x > 0 else "-" for x in row) for k, row in enumerate(shown)]
    return shown, odd, labels


def systems_of(settings: dict[str, Any], length: int, *, seed: int, steps: Steps) -> list[System]:
    """Train a thought machine and a transformer, run a reservoir; return what each does with the stimuli."""
    shown, odd, labels = stimuli_of(settings["stimuli"], length)
    given = (shown, odd, labels)
    steps(f"{length} signs, seed {seed}: thought machine", cost=settings["ctm_steps"][length] * 0.04)
    machine = _machine(settings, length, given, seed=seed, steps=steps)
    steps(f"{length} signs, seed {seed}: transformer", cost=settings["transformer_steps"][length] * 0.03)
    transformer = _transformer(settings, length, given, seed=seed, steps=steps)
    steps(f"{length} signs, seed {seed}: reservoir", cost=3)
    return [machine, transformer, _reservoir(given, seed=seed)]


def _machine(settings: dict[str, Any], length: int, given: Any, *, seed: int, steps: Steps) -> System:
    """Train a Continuous Thought Machine, which sees a row at once."""
    from arcuate import ctm, nn
    from arcuate._optional import require

    torch = require("torch", extra="torch", purpose="tick_or_layer")
    shown, odd, labels = given
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, "tick_or_layer/backbone").integers(2**31)))
        seen = torch.nn.Conv1d(1, 32, 1)  # a vector for each sign
    model = nn.ContinuousThoughtMachine(
        **settings["ctm"],
        n_outputs=2 * length,
        shape=(length, 2),
        n_ticks=length + 2,
        backbone=seen,
        seed=seed,
    )

    def batches(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x, y = rows_of(generator, BATCH, length)
        return x[:, None], y

    nn.fit(model, batches, nn.tick_loss, steps=settings["ctm_steps"][length], seed=seed, warmup=50,
           learning_rate=settings["learning_rate"], progress=steps.inner)  # fmt: skip
    with torch.no_grad():
        thought = model.eval()(torch.from_numpy(shown[:, None]))
    parts: dict[str, Any] = {
        key: None if part is None else part.numpy() for key, part in vars(thought).items()
    }
    seen = ctm.Thought(**parts)
    answers = ctm.answers_by_tick(seen, "most certain", positions=length)[..., -1]
    settled = ctm.thinking_time(seen, shape=(length, 2), threshold=CERTAIN).settled.values
    states = seen.post_activations.swapaxes(0, 1)
    return System(
        name="ctm",
        states=_named(states, "tick", labels, first=1),
        right=answers == odd,
        effort={"certain": np.where(np.isnan(settled), length + 3, settled).max(1)},
    )


def _transformer(settings: dict[str, Any], length: int, given: Any, *, seed: int, steps: Steps) -> System:
    """Train a transformer, whose answer at a sign comes from that sign and those before."""
    from arcuate import nn, probes
    from arcuate._optional import require

    torch = require("torch", extra="torch", purpose="tick_or_layer")
    shown, odd, labels = given
    model = nn.TinyTransformer(
        **settings["transformer"], n_outputs=2, n_features=1, max_tokens=length, seed=seed
    )

    def batches(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x, y = rows_of(generator, BATCH, length)
        return x[..., None], y

    def loss(logits: Any, targets: Any) -> Any:
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    nn.fit(model, batches, loss, steps=settings["transformer_steps"][length], seed=seed, warmup=50,
           learning_rate=settings["learning_rate"], progress=steps.inner)  # fmt: skip
    sites = ["embed", "blocks.*.resid_post"]
    recording = probes.capture(model, shown[..., None], sites=sites, stimulus=labels, progress=False)
    depth_states = np.stack([recording.states(site)["activation"].values for site in recording.sites], axis=1)
    lens = probes.logit_lens(model, shown[..., None], target=odd, progress=False)
    unsure = (lens.entropy.values / np.log(2) >= CERTAIN).max(1)  # (stimulus, layer): some sign is open
    depth = np.where(unsure.all(1), unsure.shape[1] + 1, unsure.argmin(1) + 1)
    voids = probes.find_voids(depth_states.swapaxes(1, 2))
    return System(
        name="transformer",
        states=_named(depth_states.reshape(len(shown), depth_states.shape[1], -1), "layer", labels, first=0),
        right=lens["rank"].values[:, :, -1] == 0,
        effort={"certain": depth.astype(float), "active": voids.active.values.mean((1, 2))},
    )


def _reservoir(given: Any, *, seed: int) -> System:
    """Show the rows to spiking neurons, sign after sign, and read every parity off their state then."""
    from arcuate import analysis
    from arcuate.simulate import simulate

    shown, odd, labels = given
    n, length = shown.shape
    trial = HOLD * length + REST
    current = np.zeros((n, trial, 1))
    current[:, : HOLD * length, 0] = np.repeat(shown, HOLD, axis=1)
    run = simulate(
        reservoir(), f"{n * trial} ms", seed=seed, inputs={"sign": current.reshape(-1, 1)}, progress=False
    )
    traces = analysis.spike_traces(run, dt="5 ms", tau="20 ms", trial=f"{trial} ms").values
    ends = np.arange(1, length + 1) * HOLD // 5 - 1
    states = traces[:, ends]
    return System(
        name="reservoir",
        states=_named(states, "time", labels, first=1, step=HOLD * 1e-3),
        right=_read_out(states, odd, seed=seed) == odd,
        effort={},
    )


def reservoir() -> Any:
    """Return the network: Izhikevich neurons with many time constants of recovery, sparsely connected."""
    import arcuate as arc

    cells = arc.Population(
        name="reservoir",
        n=200,
        neuron=arc.izh2003(a=arc.LogUniform(0.002, 0.05), c=-60.0, d=4.0),
        bias=4.0,
        noise=arc.Noise(sigma=0.5),
    )
    loop = arc.Projection(
        pre="reservoir", post="reservoir", connectivity=arc.Sparse(0.1), weight=arc.Normal(0, 0.5)
    )
    sign = arc.Input(name="sign", target="reservoir", n_channels=1, weight=arc.Uniform(-6, 6))
    return arc.Network(
        name="tick_or_layer",
        dt="1 ms",
        populations=[cells],
        projections=[loop],
        inputs=[sign],
        record=arc.Record(spikes=["reservoir"]),
    )


def _read_out(states: np.ndarray, odd: np.ndarray, *, seed: int) -> np.ndarray:
    """Answer every place from the state at its end, by ridge regression of the other half of the rows."""
    from arcuate.readout import Ridge

    halves = stream(seed, "tick_or_layer/halves").permutation(len(states)) % 2
    answers = np.empty(odd.shape, int)
    for place in range(odd.shape[1]):
        x, y = states[:, place], 2.0 * odd[:, place] - 1.0
        scale = x.std(0).mean() or 1.0
        for half in (0, 1):
            read = Ridge(alpha=float(len(x) * scale**2), fit_intercept=True).fit(
                x[halves != half], y[halves != half]
            )
            answers[halves == half, place] = np.ravel(read.predict(x[halves == half])) > 0
    return answers


def _named(states: np.ndarray, axis: str, labels: list[str], *, first: float, step: float = 1.0) -> Any:
    """Return states with their names, as comparisons take them."""
    import xarray as xr

    places = (
        first + np.arange(states.shape[1]) if step == 1.0 else step * (first + np.arange(states.shape[1]))
    )
    return xr.DataArray(states, dims=("stimulus", axis, "unit"), coords={"stimulus": labels, axis: places})
