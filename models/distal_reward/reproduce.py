"""Measure the figures of expected.toml: pairs of one synapse are rewarded seconds later, in a closed loop."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from arcuate import Record, Simulation, load_model, rng
from arcuate.study.reproduction import Reproduction, judge

NAME, HOUR, LAST = "distal_reward", 3600, 60  # s; LAST samples of 10 s are ten minutes; a step is 1 ms
PULSE, WITHIN, WAIT = 0.5, 20, (1000, 2000)  # script: a pair within 20 ms, a reward after 1 to 3 s


def closed_loop(network, seed, seconds, report):
    """Strengths every 10 s of all synapses that leave neuron 0, the rewarded one first; all at the end."""
    sim = Simulation(network, f"{seconds} s", seed=seed, inputs={"dopamine": np.zeros(1000 * seconds)})
    own = {name: sim.plan.projections[name].edges()[0] == 0 for name in ("exc->exc", "exc->inh")}
    target, wait = sim.plan.projections["exc->exc"].index[own["exc->exc"]][0], rng.stream(seed, "reward")
    last, due, kept, fired = -WITHIN, [], [], 0
    for second in range(seconds):
        spikes = sim.advance("1 s", progress=False).spikes("exc")
        neuron, step = np.asarray(spikes["neuron"]), np.rint(np.asarray(spikes["time"]) * 1e3).astype(int)
        fired += neuron.size
        for who, when in zip(neuron, step, strict=True):
            if who == target and 0 < when - last < WITHIN:
                due.append(when + WAIT[0] + int(np.ceil(WAIT[1] * wait.random())))
            last = when if who == 0 else last
        if second % 10 == 9:
            state = sim.state
            kept.append(np.concatenate([state[f"{name}/weight"][mask] for name, mask in own.items()]))
        if sim.remaining > 0:
            ahead = [when % 1000 for when in due if when // 1000 == second + 1]
            sim.set_input("dopamine", PULSE * np.bincount(np.array(ahead, int), minlength=1000))
        report(second + 1, seconds)
    every = np.concatenate([sim.state[f"{name}/weight"] for name in own])
    rate = fired / network.populations["exc"].n / seconds
    return np.array(kept), every, rate, sim.plan.modulators["dopamine"].values.ravel()


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Run an hour for each seed; a quick run has ten minutes, too few to judge."""
    network, rows = load_model(NAME).replace(record=Record(spikes=["exc"])), {}
    axes = Figure(figsize=(7, 3), layout="constrained").subplots()
    for number, seed in enumerate(seeds):
        report = lambda done, of, n=number: progress(n + done / of, len(seeds), "spiking")  # noqa: E731
        kept, every, rate, dopamine = closed_loop(network, seed, HOUR // 6 if quick else HOUR, report)
        late, end = kept[-LAST:].mean(axis=0), kept[-1]
        rows[seed] = {"rank": 1.0 + (late[1:] >= late[0]).sum(), "strength": late[0], "rate": rate,
            "others": late[1:].mean(), "best other": late[1:].max(), "rewards": dopamine.sum() / PULSE,
            "at the end": end[0], "rank then": 1 + (end > end[0]).sum(), "of": end.size,
            "among all": 1 + (every > end[0]).sum(), "of all": every.size}  # fmt: skip
        axes.plot(10 * (1 + np.arange(len(kept))), kept[:, 0], label=f"seed {seed}")
    axes.plot(10 * (1 + np.arange(len(kept))), kept[:, 1:].mean(axis=1), "k", label="others, mean")
    axes.set(xlabel="time (s)", ylabel="strength")
    axes.legend()
    measured = {name: {s: row[name] for s, row in rows.items()} for name in list(rows[seed])[:4]}
    table = {"seed": list(rows), **{name: [row[name] for row in rows.values()] for name in rows[seed]}}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), tables={"seeds": table},
        plots={"strength": axes.figure}, captions={"strength": "Black: the others, mean."})  # fmt: skip
