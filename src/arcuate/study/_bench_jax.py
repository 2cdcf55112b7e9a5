"""Reservoirs in JAX with the event-driven sparse rows of brainevent, for :mod:`arcuate.study.bench`.

Runs as a process. The time loop is one `jax.lax.scan`, compiled before it is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from arcuate.study._bench_serve import Case, Sample, serve, timed


def rows(case: Case) -> tuple[Any, Any, Any]:
    """Weights, columns and row pointers of the synapses by presynaptic neuron."""
    n = len(case["v"])
    order = np.argsort(case["pre"], kind="stable")
    pointers = np.concatenate([[0], np.cumsum(np.bincount(case["pre"], minlength=n))])
    return case["weight"][order], case["post"][order].astype(np.int32), pointers.astype(np.int32)


def prepare(case: Case) -> Callable[[], Sample]:
    """Compile the scan for the shapes of the case."""
    jax = import_module("jax")
    jax.config.update("jax_enable_x64", case.way == "f64")
    jnp, event = import_module("jax.numpy"), import_module("brainevent")
    kind, n, dt = getattr(jnp, f"float{case.way[1:]}"), len(case["v"]), float(case["dt_ms"])
    weight, index, pointers = rows(case)
    matrix = event.CSR((jnp.asarray(weight, kind), jnp.asarray(index), jnp.asarray(pointers)), shape=(n, n))
    a, b, c, d, bias = (jnp.asarray(case[key], kind) for key in ("a", "b", "c", "d", "bias"))
    learns = "feedback" in case
    back = jnp.asarray(case["feedback"], kind) if learns else None
    target = jnp.asarray(case["target"] if learns else np.zeros((case.n_steps, 0)), kind)

    def step(state: Any, wanted: Any) -> Any:
        v, u, s, r, phi = state
        drive = bias + s
        if learns:
            z = phi @ r
            phi = phi - 1e-5 * (z - wanted)[:, None] * r[None]
            drive = drive + z @ back
        new_v, new_u = v + dt * (0.04 * v * v + 5 * v + 140 - u + drive), u + dt * a * (b * v - u)
        fired = new_v >= 30
        s = s * (1 - dt / 10) + event.BinaryArray(fired) @ matrix
        r = r * (1 - dt / 20) + fired
        return (jnp.where(fired, c, new_v), jnp.where(fired, new_u + d, new_u), s, r, phi), fired.sum()

    zeros, outputs = jnp.zeros(n, kind), target.shape[1]
    potential, recovery = jnp.asarray(case["v"], kind), jnp.asarray(case["u"], kind)
    start = (potential, recovery, zeros, zeros, jnp.zeros((outputs, n), kind))
    scan = jax.jit(lambda state, wanted: jax.lax.scan(step, state, wanted)).lower(start, target).compile()

    def run() -> Sample:
        cpu, (_, fired) = timed(lambda: jax.block_until_ready(scan(start, target)))
        return Sample(cpu=cpu, count=int(fired.sum()))

    run()  # brainevent compiles its kernels at their first call
    return run


if __name__ == "__main__":
    serve(prepare, package="jax", imports=("jax",))
