"""Many networks on a GPU: the kernel in Numba's simulator, its machine code, and runs on a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conformance.cases import learning_network, many_synapses

import arcuate as arc
from arcuate.engines import cuda_engine, get_engine
from arcuate.engines._compile import python_kernel
from arcuate.engines._emit_cuda import emit_cuda_kernel
from arcuate.engines.build import build_plan
from arcuate.engines.cuda_engine import _HEADER, check_batch, explain_cuda, host_arrays, run_on_gpu
from arcuate.engines.plan import Plan
from arcuate.engines.result import RawRun
from arcuate.errors import CapabilityError, EngineError, SpecError

STEPS = 16


def mixed_network(n: int = 12) -> arc.Network:
    """Two kinds of cells, delays of 0 to 3 steps, noise, an input, a read-out that learns and feeds back."""
    return arc.Network(
        name="mixed",
        dt="0.5 ms",
        populations=[
            arc.Population(
                name="exc", n=n, neuron=arc.izh2003(initial={"v": arc.Uniform(-60, 20)}), bias=20.0,
                noise=arc.Noise(sigma=1.0),
            ),
            arc.Population(
                name="inh", n=5, neuron=arc.lif(t_ref="1 ms"), bias=arc.Normal("600 pA", "50 pA"),
            ),
        ],
        projections=[
            arc.Projection(
                pre="exc", post="inh", connectivity=arc.Sparse(0.5), weight="100 pA",
                synapse=arc.exponential("5 ms"), delay=arc.Uniform("0 ms", "1.5 ms"),
            ),
            arc.Projection(
                pre="inh", post="exc", connectivity=arc.Dense(), weight="-3 ms",
                synapse=arc.double_exponential("1 ms", "4 ms"),
            ),
            arc.Projection(
                pre="inh", post="inh", connectivity=arc.Dense(), weight="1 mV", synapse=arc.delta()
            ),
        ],
        inputs=[arc.Input(name="drive", target="exc", n_channels=2, weight=arc.Uniform(0, 5))],
        readouts=[
            arc.Readout(
                name="out", source=["exc", "inh"], n_outputs=2, period="1 ms",
                feedback=arc.Feedback(target="exc", scale=arc.Uniform(-2, 2)),
                rule=arc.Delta(learning_rate=0.2, normalization=1.0, w_max=0.05),
            )
        ],
        record=arc.Record(readouts=("z",)),
    )  # fmt: skip


def plans_of(network: arc.Network, seeds: tuple[int, ...] = (1, 2)) -> list[Plan]:
    rng = np.random.default_rng(0)
    given = {}
    if network.inputs:
        given["inputs"] = {"drive": rng.random((STEPS, 2))}
    if network.readouts:
        given["targets"] = {"out": rng.random((STEPS // 2, 2))}
    return [build_plan(network, seed=seed, duration=f"{STEPS * network.dt!r} s", **given) for seed in seeds]


def in_the_simulator(folder: Path) -> dict[str, np.ndarray]:
    """Run the batch in a process whose Numba simulates a GPU."""
    code = (
        "import sys, numpy as np; sys.path.insert(0, sys.argv[2]);"
        "from conformance.test_cuda_batch import mixed_network, plans_of;"
        "from arcuate.engines.cuda_engine import run_on_gpu;"
        "runs = run_on_gpu(plans_of(mixed_network()), width=2);"
        "np.savez(sys.argv[1], **{f'{key}/{k}': value for k, run in enumerate(runs) for key, value in "
        "{**run.final, 'z': run.outputs['out'], 'exc': np.stack(run.spikes['exc']), "
        "'inh': np.stack(run.spikes['inh'])}.items()})"
    )
    path = folder / "out.npz"
    tests = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    subprocess.run([sys.executable, "-c", code, str(path), str(tests)], env=environment, check=True)
    with np.load(path, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def test_the_kernel_gives_the_spikes_and_states_of_the_processors(tmp_path: Path) -> None:
    found = in_the_simulator(tmp_path)
    for number, plan in enumerate(plans_of(mixed_network())):
        run = get_engine("numba").start(plan).advance(plan.n_steps)
        assert min(run.spikes[name][0].size for name in ("exc", "inh")) >= 5
        for name in ("exc", "inh"):
            np.testing.assert_array_equal(found[f"{name}/{number}"], np.stack(run.spikes[name]))
        np.testing.assert_allclose(found[f"z/{number}"], run.outputs["out"], rtol=1e-12, atol=1e-14)
        assert np.ptp(run.outputs["out"]) > 0.0
        for key in ("exc/v", "exc/u", "inh/v", "out/weights"):
            np.testing.assert_allclose(found[f"{key}/{number}"], run.final[key], rtol=1e-11, atol=1e-13)


def test_the_kernel_compiles_for_a_gpu_that_is_not_here() -> None:
    numba = pytest.importorskip("numba")
    from numba import cuda
    from numba.cuda.cudadrv.error import NvvmSupportError

    plans = plans_of(mixed_network())
    source = emit_cuda_kernel(plans[0], width=256)
    arrays = host_arrays(plans, source.arguments)
    arrays |= {"p0_noise": np.zeros((2, STEPS, 12)), "n_noise": np.zeros(2, np.int64)}
    types = [numba.int64, numba.typeof(np.zeros(2, np.int64))]
    types += [numba.typeof(arrays[name]) for name in source.arguments]
    try:
        code, _ = cuda.compile_ptx(python_kernel(source.text, _HEADER), tuple(types), cc=(9, 0))
    except (NvvmSupportError, OSError) as error:
        pytest.skip(f"no CUDA toolkit: {error}")
    assert "bar.sync" in code
    assert ".shared" in code
    assert "atom." not in code  # sums have one order


def test_what_it_cannot_run_is_refused_by_name() -> None:
    assert explain_cuda(mixed_network()) == []
    (obstacle,) = explain_cuda(learning_network(arc.RLS(alpha=1.0), feedback=False))
    assert "RLS" in obstacle
    network = many_synapses("exact")
    assert all("short-term plasticity" in obstacle for obstacle in explain_cuda(network))
    assert len(explain_cuda(network)) == 2
    twice = arc.Projection(pre="exc", post="inh", connectivity=arc.Edges([0, 0], [1, 1]), weight="1 pA")
    network = mixed_network()
    doubled = network.replace({"projections": [*list(network.projections.values())[1:], twice]})
    with pytest.raises(CapabilityError, match="two synapses"):
        check_batch(plans_of(doubled))


def test_networks_of_another_size_are_refused_by_number() -> None:
    plans = [*plans_of(mixed_network()), *plans_of(mixed_network(13))]
    with pytest.raises(SpecError, match=r"number 2"):
        check_batch(plans)


def test_without_a_gpu_it_says_so() -> None:
    from numba import cuda

    if cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(EngineError, match="GPU"):
        run_on_gpu(plans_of(mixed_network()))
    cells = arc.Population(name="exc", n=3, neuron=arc.lif())
    network = arc.Network(name="three", dt="0.1 ms", populations=[cells])
    with pytest.raises(EngineError, match=r"GPU[\s\S]*numba-cuda"):
        arc.simulate_many(network, "10 ms", seeds=[1, 2], engine="cuda", progress=False)


def test_a_batch_is_cut_into_calls_that_fit_and_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def on_the_processor(plans: list[Plan]) -> list[RawRun]:
        calls.append(len(plans))
        return [get_engine("numba").start(plan).advance(plan.n_steps) for plan in plans]

    monkeypatch.setattr(cuda_engine, "run_on_gpu", on_the_processor)
    monkeypatch.setattr(cuda_engine, "networks_per_call", lambda plan: 2)
    cells = arc.Population(name="exc", n=3, neuron=arc.lif(), bias=arc.Uniform("0.4 nA", "0.6 nA"))
    network = arc.Network(name="three", dt="0.1 ms", populations=[cells])
    seen: list[int] = []
    batch = arc.simulate_many(
        network, "50 ms", seeds=range(5), engine="cuda", progress=lambda done, total: seen.append(done)
    )
    assert calls == [2, 2, 1]
    assert seen == [1, 2, 3, 4, 5]
    assert batch[0].source == "cuda"
    for seed in range(5):
        assert batch[seed].spikes("exc").equals(arc.simulate(network, "50 ms", seed=seed).spikes("exc"))


def test_a_misspelt_engine_of_a_batch_gets_the_nearest() -> None:
    cells = arc.Population(name="exc", n=3, neuron=arc.lif())
    network = arc.Network(name="three", dt="0.1 ms", populations=[cells])
    with pytest.raises(SpecError, match="cuda"):
        arc.simulate_many(network, "10 ms", seeds=[1], engine="cud", progress=False)


@pytest.mark.gpu
def test_on_a_gpu_repeats_have_equal_bits_and_rates_are_those_of_the_processor() -> None:
    from arcuate.study.workloads import learning_reservoir, sines

    network = learning_reservoir(500)
    plans = [
        build_plan(network, seed=seed, duration="500 ms", targets={"out": sines(5000, network.dt)})
        for seed in range(16)
    ]
    first, second = run_on_gpu(plans), run_on_gpu(plans)
    for a, b in zip(first, second, strict=True):
        for x, y in zip(a.spikes["reservoir"], b.spikes["reservoir"], strict=True):
            np.testing.assert_array_equal(x, y)
    mine = [run.spikes["reservoir"][0].size for run in first]
    theirs = [
        get_engine("numba").start(plan).advance(plan.n_steps).spikes["reservoir"][0].size for plan in plans
    ]
    assert abs(np.mean(mine) - np.mean(theirs)) <= 4.0 * np.std(np.subtract(mine, theirs), ddof=1) / 4.0
