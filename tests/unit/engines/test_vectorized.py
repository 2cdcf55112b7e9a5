"""The loop over neurons is one that LLVM vectorizes, for every neuron and synapse model.

The compiler says so itself. Kernels are compiled without recorders and read-outs, so that the loop over
neurons is the only one that could be meant: delivery and reset touch single neurons, which no compiler
vectorizes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

pytest.importorskip("llvmlite")

COMPILE = """
import sys
import llvmlite.binding
llvmlite.binding.set_option("", "-pass-remarks=loop-vectorize")
import numba
import arcuate as arc
from arcuate.engines._compile import _HEADER, python_kernel
from arcuate.engines._emit import emit_kernel
from arcuate.engines.build import build_plan
from arcuate.engines.numba_engine import NumbaRun
from arcuate.mechanisms import _elementary
from arcuate.mechanisms.neurons import MODELS
from arcuate.mechanisms.synapses import SYNAPSES
from arcuate.spec.population import Neuron
from arcuate.spec.projection import Synapse

def network(neuron, synapse=None):
    weight = {"input": "0 pA", "input*s": "0 pA*ms", "v": "0 mV"}
    cells = arc.Population(name="exc", n=64, neuron=neuron)
    arriving = [
        arc.Projection(pre="exc", post="exc", connectivity=arc.Dense(), synapse=s,
                       weight=weight.get(s.mechanism.weight_unit, "0 nS"))
        for s in ([synapse] if synapse else [])
    ]
    return arc.Network(
        name="one", dt="0.01 ms", populations=[cells], projections=arriving, record=arc.Record(spikes=()),
    )

cases = {f"{m} {method}": (network(Neuron(model=m, method=method)), "float64")
         for m, model in MODELS.items() for method in model.updates}
cases |= {f"lif {s}": (network(arc.lif(), Synapse(
    model=s, parameters={"e_rev": "0 mV"} if "e_rev" in model.parameters else {}
)), "float64") for s, model in SYNAPSES.items()}
cases["single"] = (network(arc.lif(), Synapse(model="exponential")), "float32")
for name, (net, precision) in cases.items():
    print("CASE", name, file=sys.stderr, flush=True)
    plan = build_plan(net, seed=1, duration="0.02 ms")
    run = NumbaRun(plan, precision=precision)
    text = emit_kernel(plan, precision=precision).text
    functions = [_elementary.source(name, "numba") for name in _elementary.used(text)]
    kernel = python_kernel(text, "\\n\\n".join([_HEADER, *functions]))
    run._kernel = numba.njit(error_model="numpy", fastmath=False, boundscheck=False, nogil=True)(kernel)
    run.advance(2)
"""


@pytest.fixture(scope="module")
def remarks() -> dict[str, str]:
    """What the compiler said about each case."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr[-2000:]
    cases = re.split(r"^CASE (.*)$", done.stderr, flags=re.MULTILINE)
    return dict(zip(cases[1::2], cases[2::2], strict=True))


def test_the_loop_over_neurons_is_vectorized(remarks: dict[str, str]) -> None:
    assert len(remarks) > 10
    assert {"izh2003 euler", "lif exact", "lif exponential"} <= remarks.keys()
    scalar = [name for name, text in remarks.items() if "vectorized loop (vectorization width" not in text]
    assert scalar == []
