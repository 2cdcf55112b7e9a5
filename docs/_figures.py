"""Pictures of the pages on concepts, made by the library itself when the documentation is built."""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import arcuate as arc

DT = 0.1e-3
SYNAPSES = {
    "delta": (arc.delta(), "1 mV"),
    "pulse": (arc.pulse(), "2.5 nA"),
    "exponential": (arc.exponential("5 ms"), "60 pA"),
    "alpha": (arc.alpha("3 ms"), "300 pA*ms"),
    "double_exponential": (arc.double_exponential("1 ms", "8 ms"), "400 pA*ms"),
    "exponential_conductance": (arc.exponential("5 ms", e_rev="0 mV"), "1 nS"),
    "alpha_conductance": (arc.alpha("3 ms", e_rev="0 mV"), "1 nS"),
    "double_exponential_conductance": (arc.double_exponential("1 ms", "8 ms", e_rev="-80 mV"), "4 nS"),
}
"""What is drawn: a synapse and its weight."""

SHORT_TERM = {
    "no short-term plasticity": None,
    "depressing, U = 0.5, tau_rec = 800 ms": arc.TsodyksMarkram(),
    "facilitating, U = 0.1, tau_rec = 100 ms, tau_facil = 1 s": arc.TsodyksMarkram(
        U=0.1, tau_rec="100 ms", tau_facil="1 s"
    ),
}


def potentials(network: arc.Network, train: np.ndarray) -> dict[str, np.ndarray]:
    """Potential of each listener in mV above rest, at every step."""
    inputs = dict.fromkeys(network.inputs, train[:, None])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", arc.errors.ArcuateWarning)  # listeners are meant to be silent
        recording = arc.simulate(network, f"{train.size * DT!r} s", seed=1, inputs=inputs, progress=False)
    return {
        name: 1e3 * np.asarray(recording.states(name)["v"]).ravel() + 65.0 for name in network.record.states
    }


def listeners() -> arc.Network:
    """One cell for each synapse, all of which hear the same train."""
    return arc.Network(
        name="listeners",
        dt="0.1 ms",
        populations=[arc.Population(name=name, n=1, neuron=arc.lif(v_thresh="1 V")) for name in SYNAPSES],
        inputs=[
            arc.Input(name=f"to_{name}", target=name, kind="spikes", synapse=synapse, weight=weight)
            for name, (synapse, weight) in SYNAPSES.items()
        ],
        record=arc.Record(states={name: ["v"] for name in SYNAPSES}, every="0.1 ms"),
    )


def depression() -> arc.Network:
    """One source that fires with its train, and a cell for each kind of short-term plasticity."""
    cells = [f"cell{number}" for number in range(len(SHORT_TERM))]
    return arc.Network(
        name="depression",
        dt="0.1 ms",
        populations=[
            arc.Population(name="source", n=1, neuron=arc.lif()),
            *(arc.Population(name=name, n=1, neuron=arc.lif(v_thresh="1 V")) for name in cells),
        ],
        projections=[
            arc.Projection(
                pre="source", post=name, connectivity=arc.Dense(), weight="100 pA", short_term=part,
                synapse=arc.exponential("5 ms"),
            )
            for name, part in zip(cells, SHORT_TERM.values(), strict=True)
        ],
        inputs=[arc.Input(name="train", target="source", kind="spikes", weight="50 mV")],
        record=arc.Record(states={name: ["v"] for name in cells}, every="0.1 ms"),
    )  # fmt: skip


def draw_eprop(path: Path) -> None:
    """Write what a network puts out before and after it was trained by e-prop."""
    spikes = np.random.default_rng(0).random((1, 1000, 100)) < 0.05
    target = np.sin(np.arange(1000) / 1000 * 4 * np.pi)[None]
    inputs = np.concatenate([spikes[0], np.zeros((1, 100))])
    axes = Figure(figsize=(6.4, 2.2), layout="constrained").subplots()
    axes.plot(target[0], color="0.6", linewidth=3, label="target")
    for label, count in (("before", 0), ("after", 200)):
        model = arc.learning.EProp(n_inputs=100, n_neurons=100, n_outputs=1, n_iterations=count)
        network = model.fit(spikes, target, progress=False).network()
        run = arc.simulate(network, "1001 ms", seed=1, inputs={"inputs": inputs}, progress=False)
        axes.plot(run.states("output/output")["z"].values[0, 1:, 0], label=label)
    axes.set(xlabel="time (ms)", ylabel="output")
    axes.legend(loc="upper right", fontsize="small")
    axes.figure.savefig(path, metadata={"Date": None})


def draw_thought(path: Path) -> None:
    """Write what a trained machine does in ten ticks: attention, neurons, synchrony, accuracy."""
    trials = arc.tasks.Parity(length=8).draw(256, seed=0)
    signs, odd = trials.frames()
    weights = arc.datasets.load("ctm_parity_8")
    thought = arc.ctm.forward(signs, weights, ticks=10, heads=4, shape=(8, 2))
    rec = thought.recording(weights, source="numpy")
    figure = Figure(figsize=(8.0, 5.2), layout="constrained")
    rows = figure.subplots(2, 2)
    arc.plot.attention_path(rec, trial=0, ax=rows[0, 0])
    arc.plot.neuron_traces(rec.select(trial=range(40)), ax=rows[0, 1])
    synchrony = arc.analysis.synchrony(rec.states("ctm/post")["z"][:32])
    arc.plot.synchrony_matrices(synchrony, steps=[0, 9], ax=rows[1, 0])
    accuracy = arc.ctm.accuracy_by_tick(thought, odd)
    arc.plot.accuracy_by_tick(accuracy, readouts=["last", "mean probability"], ax=rows[1, 1])
    figure.savefig(path, metadata={"Date": None})


def draw(folder: Path) -> None:
    """Write one picture for each synapse, and one each of short-term plasticity, e-prop and a thought."""
    mpl.rcParams["svg.hashsalt"] = "arcuate"  # the same file from every build
    folder.mkdir(exist_ok=True)
    train = np.zeros(800)
    train[[50, 300, 340]] = 1.0
    for name, v in potentials(listeners(), train).items():
        axes = Figure(figsize=(4.2, 1.6), layout="constrained").subplots()
        axes.plot(np.arange(train.size) * DT * 1e3, v)
        axes.set(xlabel="time (ms)", ylabel="v - v_rest (mV)")
        axes.figure.savefig(folder / f"synapse_{name}.svg", metadata={"Date": None})
    train = np.zeros(10_000)
    train[500:5000:500] = 1.0
    train[9500] = 1.0
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    rows = figure.subplots(len(SHORT_TERM), 1, sharex=True)
    for axes, title, v in zip(rows, SHORT_TERM, potentials(depression(), train).values(), strict=True):
        axes.plot(np.arange(train.size) * DT * 1e3, v)
        axes.set_title(title, fontsize="small")
        axes.set_ylabel("mV")
    axes.set_xlabel("time (ms)")
    figure.savefig(folder / "short_term.svg", metadata={"Date": None})
    draw_eprop(folder / "eprop_output.svg")
    draw_thought(folder / "thought.svg")
