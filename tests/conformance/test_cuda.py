"""Brian2 on a GPU: the code written for it, what is refused without one, and runs where there is one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from conformance.cases import izh2003_network, learning_network, lif_network

import arcuate as arc
from arcuate.engines import brian_cuda, get_engine
from arcuate.errors import EngineError, MissingExtraError, SpecError

HAVE = importlib.util.find_spec("brian2cuda") is not None
needs_brian2cuda = pytest.mark.skipif(not HAVE, reason="needs brian2cuda (make cuda)")
pytestmark = pytest.mark.brian


def test_the_engine_is_known_by_name() -> None:
    assert get_engine("brian2-cuda").target == "cuda_standalone"


@pytest.mark.skipif(HAVE, reason="brian2cuda is installed")
def test_without_the_package_it_says_what_to_install() -> None:
    with pytest.raises(MissingExtraError, match=r"brian2cuda.*Python 3.12[\s\S]*arcuate\[cuda\]"):
        arc.simulate(lif_network(arc.delta(), "3 mV"), "10 ms", seed=1, engine="brian2-cuda")


@needs_brian2cuda
@pytest.mark.skipif(brian_cuda.find_gpu() is not None, reason="there is a GPU")
def test_without_a_gpu_a_run_is_refused_before_any_work() -> None:
    with pytest.raises(EngineError, match=r"(GPU|nvcc)"):
        arc.simulate(lif_network(arc.delta(), "3 mV"), "10 ms", seed=1, engine="brian2-cuda")


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(SpecError, match="not empty"):
        brian_cuda.write_cuda_project(lif_network(arc.delta(), "3 mV"), tmp_path, "10 ms")
    assert (tmp_path / "mine").read_text() == "keep"


def test_another_brian2_than_the_one_that_brian2cuda_wants_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(brian_cuda.metadata, "version", lambda name: "2.11.0")
    monkeypatch.setattr(brian_cuda.metadata, "requires", lambda name: ["brian2==2.10.1", "numpy"])
    with pytest.raises(EngineError, match=r"2\.11\.0[\s\S]*2\.10\.1"):
        brian_cuda.check_cuda(run=False)


@needs_brian2cuda
@pytest.mark.parametrize(
    "network",
    [
        pytest.param(lif_network(arc.exponential("5 ms"), "100 pA"), id="lif"),
        pytest.param(izh2003_network("euler"), id="izh2003"),
        pytest.param(learning_network(arc.Delta(learning_rate=1e-4), feedback=True), id="learning"),
    ],
)
def test_the_code_holds_the_step_program(network: arc.Network, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    targets = {name: np.zeros((10, readout.n_outputs)) for name, readout in network.readouts.items()}
    files = brian_cuda.write_cuda_project(
        network, folder, "20 ms", compute_capability=8.0, targets=targets or None
    )
    names = {file.name for file in files}
    assert {"main.cu", "p0_update_codeobject.cu", "p0_spike_thresholder_codeobject.cu"} <= names
    update = (folder / "code_objects" / "p0_update_codeobject.cu").read_text()
    statements = [line.strip() for line in update.splitlines() if "p0_v" in line and "=" in line]
    assert any(line.startswith(("p0_v_new = ", "p0_v = ")) for line in statements)
    assert "__global__" in update
    makefile = (folder / "makefile").read_text()
    assert "-fmad=false" in makefile
    assert makefile.rindex("-std=c++17") > makefile.index("-std=c++11")  # the last one counts
    assert "sm_80" in makefile


@pytest.mark.gpu
@needs_brian2cuda
def test_rates_on_a_gpu_are_those_of_the_other_engines() -> None:
    network = izh2003_network("euler")
    counts = {
        engine: [
            arc.simulate(network, "2 s", seed=seed, engine=engine, progress=False)
            .spikes("exc")
            .sizes["spike"]
            for seed in range(5)
        ]
        for engine in ("numba", "brian2-cuda")
    }
    mine, theirs = (np.mean(counts[engine]) for engine in ("numba", "brian2-cuda"))
    error = np.sqrt(sum(np.var(counts[engine], ddof=1) / 5 for engine in counts))
    assert abs(mine - theirs) <= 4.0 * error
