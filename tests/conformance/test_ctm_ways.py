"""One model, three ways: the torch module, the plain pass in NumPy, and the compiled one."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate import ctm  # noqa: E402
from arcuate.nn import ContinuousThoughtMachine  # noqa: E402

pytestmark = pytest.mark.torch
FIELDS = (
    "predictions",
    "certainties",
    "sync_out",
    "sync_action",
    "pre_activations",
    "post_activations",
    "attention",
)


@pytest.mark.parametrize("case", range(16))
def test_three_ways_agree(case: int) -> None:
    """A configuration drawn at random, perturbed weights with decays on both sides of 0, one batch."""
    rng = np.random.default_rng(case)
    heads, selection = int(rng.choice([0, 1, 2, 4])), rng.choice(["random", "random-pairing", "first-last"])
    width, batch, ticks = 4 * int(rng.integers(1, 5)), int(rng.integers(1, 5)), int(rng.integers(1, 12))
    n_out, n_action = rng.integers(2, 10, size=2).tolist()
    parity = heads > 0 and bool(rng.random() < 0.5)
    model = ContinuousThoughtMachine(
        n_outputs=6,
        n_ticks=ticks,
        n_neurons=int(rng.integers(19, 40)),
        width=width,
        heads=heads,
        n_out=n_out,
        n_action=n_action if heads else 0,
        selection=str(selection),
        n_self=int(rng.integers(2)) if selection == "random-pairing" else 0,
        synapse_depth=int(rng.integers(1, 6)),
        history=int(rng.integers(1, 9)),
        hidden=int(rng.integers(1, 7)) if rng.random() < 0.7 else None,
        layer_norm=bool(rng.random() < 0.4),
        backbone="parity" if parity else "features",
        n_features=None if parity else 5 if heads else width,
        positions="rotational" if heads and rng.random() < 0.5 else "none",
        shape=(3, 2) if rng.random() < 0.5 else (-1,),
        seed=case,
    ).double()
    generator = torch.Generator().manual_seed(case)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    x = rng.normal(size=(batch, 5, 7) if heads else (batch, width))
    x = rng.choice([-1.0, 1.0], (batch, 7)) if parity else x
    with torch.no_grad():
        expected = model.eval()(torch.tensor(x))
    options = {"ticks": ticks, "heads": max(heads, 1), "shape": model.shape}
    for engine in ("numpy", "numba"):
        thought = ctm.forward(x, model.state_dict(), engine=engine, **options)
        for field in FIELDS:
            found, wanted = getattr(thought, field), getattr(expected, field)
            assert (found is None) == (wanted is None)
            if found is not None:
                np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=1e-9, err_msg=field)
