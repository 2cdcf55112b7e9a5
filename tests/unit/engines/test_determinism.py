"""The same bits whatever the repeats, threads, pieces, recorders and additions (reliability D1 to D5)."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from networks import reservoir

import arcuate as arc
from arcuate.engines.build import build_plan


@pytest.fixture(scope="module")
def reference() -> arc.Recording:
    return arc.simulate(reservoir(), seed=3)


def final(network: arc.Network, pieces: list[float], **options: object) -> dict[str, np.ndarray]:
    simulation = arc.Simulation(network, seed=3, **options)
    for piece in pieces:
        simulation.advance(f"{piece!r} s")
    if simulation.remaining > 0:
        simulation.advance()
    return simulation.state


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(a[key].tobytes() == b[key].tobytes() for key in a)


def test_twenty_runs_of_one_call_are_equal(reference: arc.Recording) -> None:
    digests = {arc.simulate(reservoir(), seed=3).digest() for _ in range(20)}
    assert digests == {reference.digest()}
    assert arc.simulate(reservoir(), seed=4).digest() != reference.digest()


@pytest.mark.parametrize("threads", [2, 4, 8])
def test_threads_change_nothing(reference: arc.Recording, threads: int) -> None:
    assert arc.simulate(reservoir(), seed=3, threads=threads).digest() == reference.digest()


@pytest.mark.parametrize("pieces", [2, 7, 100])
def test_pieces_change_nothing(pieces: int) -> None:
    network = reservoir()
    cuts = np.random.default_rng(pieces).dirichlet(np.ones(pieces)) * 6.0
    assert same(final(network, []), final(network, [float(cut) for cut in cuts if cut > 1e-3]))


def test_spikes_of_the_pieces_join_to_those_of_the_whole(reference: arc.Recording) -> None:
    simulation = arc.Simulation(reservoir(), seed=3)
    parts = [simulation.advance("1.2345 s"), simulation.advance("2 s"), simulation.advance()]
    for name in reference.populations:
        for key in ("time", "neuron", "trial"):
            joined = np.concatenate([part.spikes(name)[key].values for part in parts])
            np.testing.assert_array_equal(joined, reference.spikes(name)[key].values)


def test_pieces_join_to_the_whole(reference: arc.Recording) -> None:
    network = reservoir().replace({"record.epochs": "continuous"})
    simulation = arc.Simulation(network, seed=3)
    parts = [simulation.advance("1.2345 s"), simulation.advance("2 s"), simulation.advance()]
    joined, whole = arc.Recording.concatenate(parts), arc.simulate(network, seed=3)
    for site in whole.sites:
        for name, values in whole.states(site).items():
            np.testing.assert_array_equal(joined.states(site)[name].values, values.values)
    assert not np.array_equal(whole.states("exc")["v"].shape, reference.states("exc")["v"].shape)


@pytest.mark.parametrize(
    "record",
    [
        arc.Record(spikes=True, readouts=()),
        arc.Record(
            readouts=("z", "features", "weights"), every="0.5 ms", states={"exc": ["v"], "inh": ["v"]}
        ),
    ],
)
def test_recording_changes_nothing(reference: arc.Recording, record: arc.Record) -> None:
    other = arc.simulate(reservoir(), seed=3, record=record)
    for name in reference.populations:
        np.testing.assert_array_equal(other.spikes(name)["time"], reference.spikes(name)["time"])
        np.testing.assert_array_equal(other.spikes(name)["neuron"], reference.spikes(name)["neuron"])


def test_an_unrelated_population_and_another_order_change_nothing(reference: arc.Recording) -> None:
    network = reservoir()
    extra = arc.Population(name="extra", n=7, neuron=arc.izh2003(), bias=10.0, noise=arc.Noise(sigma=1.0))
    populations = [extra, *reversed(list(network.populations.values()))]
    other = arc.simulate(network.replace(populations=populations), seed=3)
    for name in reference.populations:
        np.testing.assert_array_equal(other.spikes(name)["time"], reference.spikes(name)["time"])
        np.testing.assert_array_equal(other.spikes(name)["neuron"], reference.spikes(name)["neuron"])


def test_frozen_noise_has_the_bits_of_native_noise() -> None:
    network = reservoir()
    frozen = network.replace({"populations.exc.noise.mode": "frozen"})
    assert same(final(network, []), final(frozen, []))


@pytest.mark.parametrize("number", range(20))
def test_checkpoint_and_resume_give_the_same_bits(number: int, tmp_path: Path) -> None:
    network = reservoir()
    cut = float(np.random.default_rng(number).uniform(0.01, 5.5))
    first = arc.Simulation(network, seed=3)
    first.advance(f"{cut!r} s")
    first.checkpoint(tmp_path / "run.npz")
    again = arc.Simulation.resume(tmp_path / "run.npz", network)
    assert again.time == first.time
    again.advance()
    assert same(again.state, final(network, []))


def test_resume_in_another_process_gives_the_same_bits(tmp_path: Path) -> None:
    network = reservoir()
    (tmp_path / "net.json").write_text(network.to_json())
    simulation = arc.Simulation(network, seed=3)
    simulation.advance("1.7 s")
    simulation.checkpoint(tmp_path / "run.npz")
    script = """
        import sys, numpy as np, arcuate as arc
        from pathlib import Path
        network = arc.Network.from_json(Path("net.json"))
        run = arc.Simulation.resume("run.npz", network)
        run.advance()
        np.savez("state.npz", **{key.replace("/", "|"): value for key, value in run.state.items()})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, check=True)
    with np.load(tmp_path / "state.npz") as saved:
        state = {key.replace("|", "/"): saved[key] for key in saved.files}
    assert same(state, final(network, []))


def test_the_plan_draws_what_the_streams_give() -> None:
    plan = build_plan(reservoir(), seed=3)
    drawn = arc.rng.stream(3, "exc/latents/rho").random(48)
    np.testing.assert_array_equal(plan.populations["exc"].values["c"], -65.0 + 15.0 * (drawn * drawn))
