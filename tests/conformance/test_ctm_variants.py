"""Rarer configurations of the official Continuous Thought Machine: every tick, loss and gradient.

Residual networks and other backbones, codes of images, odd sizes, one tick and a history of one, decays out
of bounds, lists, and the variant that acts. tests/ctm_variants.py made the numbers, in float64.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from ctm_variants import CASES, FILE, MAIN, WINDOW, inputs, summary, targets, weight

torch = pytest.importorskip("torch")

from arcuate import ctm  # noqa: E402
from arcuate.nn import (  # noqa: E402
    ContinuousThoughtMachine,
    WindowedThoughtMachine,
    ctc_loss,
    load_official,
    load_official_window,
    tick_loss,
)

pytestmark = pytest.mark.torch
OUT = {"float32": {"atol": 5e-5, "rtol": 1e-4}, "float64": {"atol": 1e-9, "rtol": 0}}
GRADIENT = {"float32": 5e-4, "float64": 1e-9}
"""As a share of the norm of the parameter's gradient, or of 1 if that is smaller."""
PURE = [name for name, case in CASES.items() if "backbone" not in str(case[1]) or "parity" in str(case[1])]


@functools.cache
def read(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the weights, drawn, and what the official code gave."""
    number, (kind, changes, *_) = list(CASES).index(name), CASES[name]
    with np.load(FILE, allow_pickle=False) as file:
        stem = f"{number}/"
        arrays = {key.removeprefix(stem): file[key] for key in file.files if key.startswith(stem)}
    pairs = {key.removeprefix("w/"): arrays.pop(key) for key in list(arrays) if key.startswith("w/")}
    blank = blank_model(kind, changes, inputs(name).shape).double()
    weights = {}
    for key, value in blank.state_dict().items():
        made = weight(key, tuple(value.shape))
        weights[key] = pairs[key] if key in pairs else value.numpy() if made is None else made
    return weights, arrays


def blank_model(kind: str, changes: dict[str, Any], shape: tuple[int, ...]) -> Any:
    """Return a model of the configuration, from which names and shapes of weights are taken."""
    c = {**WINDOW, **changes} if kind == "window" else {**MAIN, **changes}
    common = {
        "n_ticks": c["iterations"],
        "n_neurons": c["d_model"],
        "width": c["d_input"],
        "n_out": c["n_synch_out"],
        "synapse_depth": c["synapse_depth"],
        "history": c["memory_length"],
        "hidden": c["memory_hidden_dims"] if c["deep_nlms"] else None,
        "layer_norm": c["do_layernorm_nlm"],
    }
    if kind == "window":
        grid = c["backbone_type"] == "navigation-backbone"
        seen = {"backbone": "grid"} if grid else {"n_observations": shape[2]}
        return WindowedThoughtMachine(**common, **seen)
    heads = c["heads"] if kind == "main" else 0
    names = {"none": "features", "parity_backbone": "parity"}
    positions = {
        "none": "none",
        "custom-rotational-1d": "rotational",
        "custom-rotational": "rotational-2d",
        "learnable-fourier": "fourier",
        "multi-learnable-fourier": "fourier-mixture",
    }
    return ContinuousThoughtMachine(
        **common,
        n_outputs=c["out_dims"],
        heads=heads,
        n_action=c["n_synch_action"] if heads else 0,
        selection=c["neuron_select_type"],
        backbone=names.get(c["backbone_type"], c["backbone_type"]),
        n_features=shape[1],
        positions=positions[c["positional_embedding_type"]],
        shape=c["prediction_reshaper"],
    )


def configuration(name: str) -> dict[str, Any]:
    kind, changes, *_ = CASES[name]
    if kind == "window":
        return {**WINDOW, **changes}
    return {**MAIN, **changes} | ({"heads": 0, "n_synch_action": 0} if kind == "sort" else {})


SLOW = ("resnet18-2", "resnet34-3", "resnet152-2")
"""Seconds of learning or of building; resnet50-1 is there in each run."""


@pytest.mark.parametrize("precision", OUT)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name.startswith(SLOW) else ()) for name in CASES]
)
def test_every_number_is_the_official_one(name: str, precision: str) -> None:
    kind, _, _, sort = CASES[name]
    weights, expected = read(name)
    dtype = getattr(torch, precision)
    x = torch.as_tensor(inputs(name), dtype=dtype)
    load = load_official_window if kind == "window" else load_official
    model = load(weights, configuration(name)).to(dtype).train(sort != "evaluated")
    if kind == "window":
        thought, found = None, []
        for seen in x:
            thought = model(seen, thought)
            found.append(thought.sync_out)
        loss = torch.stack(found).sin().sum()
        out = {"sync_out": torch.stack(found)}
    else:
        thought = model(x)
        t = torch.as_tensor(targets(name))
        loss = ctc_loss(thought, t) if sort == "list" else tick_loss(thought, t)
        out = {key: getattr(thought, key) for key in ("predictions", "certainties")}
        out["sync_out"] = thought.sync_out[-1]
    for key, value in {**out, "loss": loss}.items():
        np.testing.assert_allclose(
            value.detach().numpy(), expected[f"out/{key}"], **OUT[precision], err_msg=key
        )
    loss.backward()
    compared = 0
    for key, parameter in model.named_parameters():
        if f"grad/{key}" not in expected:  # a decay that one tick does not use
            assert parameter.grad is None or not parameter.grad.any(), key
        else:
            norm, along = expected[f"grad/{key}"]
            found_norm, found_along = summary(key, parameter.grad.numpy())
            bound = GRADIENT[precision] * max(1.0, norm)
            assert abs(found_norm - norm) <= bound and abs(found_along - along) <= 4 * bound, key
            compared += 1
    assert compared == sum(key.startswith("grad/") for key in expected)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("name", PURE)
def test_without_torch_as_well(name: str, engine: str) -> None:
    kind = CASES[name][0]
    weights, expected = read(name)
    c, x = configuration(name), inputs(name)
    if kind == "window":
        if engine == "numba":
            pytest.skip("the window has one way")
        step, found = None, []
        for seen in x:
            step = ctm.forward_window(seen, weights, step, ticks=c["iterations"])
            found.append(step.sync_out)
        np.testing.assert_allclose(found, expected["out/sync_out"], rtol=0, atol=1e-9)
        return
    told = {"heads": max(1, c["heads"]), "shape": c["prediction_reshaper"]}
    thought = ctm.forward(x, weights, ticks=c["iterations"], engine=engine, **told)
    np.testing.assert_allclose(thought.predictions, expected["out/predictions"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(thought.certainties, expected["out/certainties"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(thought.sync_out[-1], expected["out/sync_out"], rtol=0, atol=1e-9)
