"""Measure the figures of expected.toml: what, when and with what probability, and what each part is for."""

from __future__ import annotations

import os
from pathlib import Path

from arcuate import load_model, plot, simulate
from arcuate.study import ablation
from arcuate.study.prediction import Protocol, measure_session
from arcuate.study.prediction_report import CAPTIONS, Found, caveats_of
from arcuate.study.reproduction import Reproduction, judge
from arcuate.study.session import run_jobs

NAME = "what_when_reservoir"
PROTOCOL = Protocol(
    latencies=[k / 20 for k in range(3, 21)], probabilities=[k / 10 for k in range(11)], sweep_latency=0.5,
    sweep_trials=150, scored_trials=75, last_trials=50, omission=(150, 40, 40), settled_trials=50, every=2,
    alpha=1.0, forgetting=0.9998, decoded=(0.2, 0.3, 0.5, 0.7, 1), ridge_alpha=10, exclude=0.15, n_null=1000,
)  # fmt: skip
COMPLETE, CELLS, RATIO = {"complete": {}}, "populations.exc", 4.0  # gain of inhibition over excitation


def ablations(network):
    """Settings of networks without a part, and of other gains g and time constants of the excitation."""
    same = {f"{CELLS}.neuron.c": -61.25, f"{CELLS}.neuron.d": 6.5, f"{CELLS}.bias": 6.0}  # those of rho = 1/2
    slow, fast = {f"{CELLS}.neuron.a": 0.00316}, {f"{CELLS}.neuron.a": 0.02}
    table = {
        **COMPLETE, "no recurrence": (none := ablation.gain(network, 0, ratio=RATIO)), "equal 1/a only": slow,
        "noise x 5": {f"populations.{name}.noise.sigma": 1.0 for name in network.populations},
        "equal cells, 316 ms": same | slow, "equal cells, 316 ms, no recurrence": same | slow | none,
        "equal cells, 50 ms": same | fast, "equal cells, 50 ms, no recurrence": same | fast | none,
    }  # fmt: skip
    for g, ms in ((0.05, 50), (0.2, 50), (0.3, 50), (0.6, 50), (0.1, 20), (0.1, 100), (0.3, 100)):
        times = {f"projections.exc->{post}.synapse.tau_syn": f"{ms} ms" for post in network.populations}
        table[f"g = {g}, {ms} ms"] = ablation.gain(network, g, ratio=RATIO) | times
    return table


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Run the protocol for each seed; a quick run leaves out the ablations and the variant."""
    network, streams, few, jobs = load_model(NAME), load_model(f"{NAME}/two_streams"), seeds[:3], {}
    alone = {"threads": os.cpu_count(), "progress": progress} if quick and len(seeds) == 1 else {}

    def add(function, net, variants, chosen, **options):
        jobs.update(ablation.job_table(function, net, PROTOCOL, variants=variants, seeds=chosen, **options))

    add(measure_session, network, COMPLETE, seeds, **alone)
    if not quick:
        cut = ablation.gain(streams, 0, ratio=RATIO, keep=lambda p: p.pre[-1] == p.post[-1])
        parts = COMPLETE | {"no recurrence": ablation.gain(streams, 0, ratio=RATIO), "streams apart": cut}
        add(ablation.measure_streams, streams, parts, seeds, n_test=150)
        add(ablation.decode_times, network, ablations(network), few, n_trials=250)
        for scale in (0.0, 2.0, 10.0):
            add(ablation.measure_feedback, network, {f"+-{scale:g}": {}}, few, target="exc", scale=scale)
    spikes = plot.raster(simulate(network, "5 s", seed=seeds[0], progress=False)).figure
    found = Found(run_jobs(jobs, progress=progress), PROTOCOL)
    text = {"captions": CAPTIONS, "caveats": caveats_of(Path(__file__).with_name("README.md"))}
    text |= {"figures": judge(NAME, found.values(), quick=quick), "tables": found.tables()}
    return Reproduction(model=NAME, plots={"F1a_raster": spikes} | found.pictures(), **text)
