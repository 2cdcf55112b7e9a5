"""The torch model gives what the official implementation gave: every tick, loss and gradient.

The files hold weights, inputs and outputs of https://github.com/SakanaAI/continuous-thought-machines
(Apache-2.0, commit aecfb63). Its float32 and float64 runs differ by up to 2e-5, which sets the tolerances.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.ctm import forward  # noqa: E402
from arcuate.nn import ctc_loss, load_official, tick_loss  # noqa: E402
from arcuate.nn.losses import errors_per_tick  # noqa: E402

pytestmark = pytest.mark.torch

DATA = Path(__file__).resolve().parents[1] / "data" / "ctm"
FORWARD = (
    "ctm_parity_random",
    "ctm_feat_firstlast_unet4_linear",
    "ctm_feat2d_pairing_unet3_lnnlm",
    "ctm_parity_pairing_unet6_nopos",
    "ctm_sort_noheads",
    "ctm_sort_noheads_unet5_random_linear",
)
TRAINING = ("ctm_train_parity", "ctm_train_class_linear", "ctm_train_sort_ctc")
TOLERANCE = {"out": {"atol": 5e-5, "rtol": 1e-4}, "out64": {"atol": 1e-7, "rtol": 0}}
GRADIENT = {"grad": (1e-6, 2e-5), "grad64": (1e-9, 1e-7)}
"""Absolute, and as a share of the array's maximum (the official code against itself: 6e-7 and 1e-5)."""
NAMES = {
    "predictions": "predictions",
    "certainties": "certainties",
    "sync_out": "sync_out",
    "sync_action": "sync_action",
    "pre_activations": "pre_activations",
    "post_activations": "post_activations",
    "attention": "attention",
    "kv": "key_values",
    "attn_out": "reads",
}


def read(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the configuration, the weights, and the other arrays of a file."""
    with np.load(DATA / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    configuration = json.loads(arrays.pop("meta").item())["configuration"]
    weights = {key.removeprefix("w/"): arrays.pop(key) for key in list(arrays) if key.startswith("w/")}
    return configuration, weights, arrays


def build(name: str, kind: str) -> tuple[Any, Any, dict[str, np.ndarray]]:
    """Return the model in the precision of a kind of output, its input, and the arrays."""
    configuration, weights, arrays = read(name)
    model = load_official(weights, configuration)
    x = torch.as_tensor(arrays["in/x"])
    if kind.endswith("64"):
        model, x = model.double(), x.double()
    return model, x, arrays


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("name", FORWARD)
def test_every_tick_of_a_pass(name: str, kind: str) -> None:
    model, x, arrays = build(name, kind)
    with torch.no_grad():
        thought = model.eval()(x)
    compared = [key for key in NAMES if f"{kind}/{key}" in arrays]
    assert {"predictions", "certainties", "sync_out", "pre_activations", "post_activations"} <= set(compared)
    for key in compared:
        value = getattr(thought, NAMES[key]).numpy()
        expected = arrays[f"{kind}/{key}"]
        print(name, kind, key, f"{np.abs(value - expected).max():.1e}")
        np.testing.assert_allclose(value, expected, **TOLERANCE[kind], err_msg=key)


@pytest.mark.parametrize("kind", GRADIENT)
@pytest.mark.parametrize("name", TRAINING)
def test_loss_and_every_gradient(name: str, kind: str) -> None:
    model, x, arrays = build(name, kind)
    out = kind.replace("grad", "out")
    targets = torch.as_tensor(arrays["in/targets"])
    thought = model.train()(x)
    loss = (ctc_loss if name.endswith("ctc") else tick_loss)(thought, targets)
    loss.backward()
    print(name, kind, "loss", f"{abs(loss.item() - arrays[f'{out}/loss'].item()):.1e}")
    np.testing.assert_allclose(loss.item(), arrays[f"{out}/loss"].item(), **TOLERANCE[out])
    for key in ("predictions", "certainties"):
        value = getattr(thought, key).detach().numpy()
        np.testing.assert_allclose(value, arrays[f"{out}/{key}"], **TOLERANCE[out], err_msg=key)
    if f"{out}/ce_per_tick" in arrays:
        errors = errors_per_tick(thought, targets).detach().numpy()
        np.testing.assert_allclose(errors, arrays[f"{out}/ce_per_tick"], **TOLERANCE[out])
        assert (thought.certainties[:, 1].argmax(1).numpy() == arrays["out/most_certain_tick"]).all()
    absolute, share = GRADIENT[kind]
    compared = 0
    for key, parameter in model.named_parameters():
        expected = arrays[f"{kind}/{key}"]
        difference = np.abs(parameter.grad.numpy() - expected).max()
        print(name, kind, key, f"{difference:.1e}", f"{difference / np.abs(expected).max():.1e}")
        assert difference <= absolute + share * np.abs(expected).max(), key
        compared += 1
    assert compared == sum(key.startswith(f"{kind}/") for key in arrays)


@pytest.mark.parametrize("name", FORWARD)
def test_a_pass_does_not_change_the_model(name: str) -> None:
    """The official code clamps its decays in place; ours never writes to a parameter."""
    model, x, _ = build(name, "out")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()(x)
    model.eval()(x)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", FORWARD)
def test_the_torch_model_and_the_pure_functions_agree(name: str) -> None:
    """The equations stand twice, as pure functions and arranged for training: both give the same numbers."""
    configuration, _, arrays = read(name)
    model, x, _ = build(name, "out64")
    weights = {key: value.numpy() for key, value in model.eval().state_dict().items()}
    told = forward(
        arrays["in/x"],
        weights,
        ticks=configuration["iterations"] + 3,
        heads=max(1, configuration["heads"]),
        shape=configuration["prediction_reshaper"],
    )
    with torch.no_grad():
        thought = model(x, n_ticks=configuration["iterations"] + 3)
    for key in (
        "predictions",
        "certainties",
        "sync_out",
        "sync_action",
        "post_activations",
        "reads",
        "trace",
    ):
        if getattr(told, key) is not None:
            np.testing.assert_allclose(getattr(thought, key).numpy(), getattr(told, key), rtol=0, atol=1e-10)


TINY = {
    "iterations": 4,
    "d_model": 6,
    "d_input": 4,
    "heads": 2,
    "n_synch_out": 5,
    "n_synch_action": 3,
    "synapse_depth": 1,
    "memory_length": 3,
    "deep_nlms": True,
    "memory_hidden_dims": 2,
    "do_layernorm_nlm": False,
    "backbone_type": "parity_backbone",
    "positional_embedding_type": "custom-rotational-1d",
    "out_dims": 8,
    "prediction_reshaper": [4, 2],
    "dropout": 0.0,
    "neuron_select_type": "random-pairing",
}
ORDER = (
    "backbone.embedding.weight",
    "positional_embedding.projection.weight",
    "positional_embedding.projection.bias",
    "kv_proj.0.weight",
    "kv_proj.0.bias",
    "kv_proj.1.weight",
    "kv_proj.1.bias",
    "q_proj.weight",
    "q_proj.bias",
    "attention.in_proj_weight",
    "attention.in_proj_bias",
    "attention.out_proj.weight",
    "attention.out_proj.bias",
    "synapses.1.weight",
    "synapses.1.bias",
    "synapses.3.weight",
    "synapses.3.bias",
    "trace_processor.0.0.w1",
    "trace_processor.0.0.b1",
    "trace_processor.0.0.T",
    "trace_processor.0.2.w1",
    "trace_processor.0.2.b1",
    "trace_processor.0.2.T",
    "start_activated_state",
    "start_trace",
    "decay_params_action",
    "decay_params_out",
    "output_projector.0.weight",
    "output_projector.0.bias",
)


def test_the_tiny_model_of_closed_form_weights() -> None:
    """Weights 0.5 sin(1.7 i + 0.3 c), for a model that can be written down; official code, float64."""
    from arcuate.nn import ContinuousThoughtMachine

    blank = ContinuousThoughtMachine(
        n_outputs=8,
        n_ticks=4,
        n_neurons=6,
        width=4,
        heads=2,
        n_out=5,
        n_action=3,
        history=3,
        hidden=2,
        backbone="parity",
        positions="rotational",
        shape=(4, 2),
    )
    weights = {name: value.double().numpy() for name, value in blank.state_dict().items()}
    for c, name in enumerate(ORDER, start=1):
        v = 0.5 * np.sin(1.7 * np.arange(weights[name].size) + 0.3 * c).reshape(weights[name].shape)
        weights[name] = 1 + 0.2 * v if c in (6, 16, 20, 23) else np.abs(v) if c in (26, 27) else v
    sides = {"out": [(0, 1, 2, 3, 4), (5, 4, 3, 3, 0)], "action": [(0, 2, 5), (1, 2, 3)]}
    for kind, (left, right) in sides.items():
        weights[f"{kind}_neuron_indices_left"] = np.array(left)
        weights[f"{kind}_neuron_indices_right"] = np.array(right)
    model = load_official(weights, TINY)
    thought = model(torch.tensor([[1.0, -1.0, -1.0, 1.0]], dtype=torch.float64))
    told = {
        "y_1": (
            thought.predictions[0, :, 0],
            "0.36734697 -0.48327387 -0.17717423 0.48383733 0.04114860 -0.43568754 0.01172895 0.44542397",
        ),
        "y_4": (
            thought.predictions[0, :, 3],
            "0.38177044 -0.45052756 -0.23102504 0.51592868 0.05636066 -0.48609458 0.05720816 0.44107296",
        ),
        "entropy": (thought.certainties[0, 0], "0.93318482 0.93182908 0.92927384 0.92846030"),
        "a_4": (
            thought.pre_activations[3, 0],
            "-0.32951512 -0.28110762 1.19672916 1.23485391 -1.63298695 -0.18731179",
        ),
        "z_4": (
            thought.post_activations[3, 0],
            "0.13402295 -0.20260774 0.11586003 -0.09669274 0.30368599 -0.16932735",
        ),
        "asked_1": (thought.sync_action[0, 0], "0.09941104 0.21287862 -0.00052404"),
        "asked_4": (thought.sync_action[3, 0], "0.00496101 0.12081846 0.03963283"),
        "sync_4": (thought.sync_out[3, 0], "-0.03164593 -0.02010256 -0.02281770 0.07194134 0.08511686"),
        "attention_4": (thought.attention[3, 0, 1, 0], "0.25144688 0.25023533 0.24920047 0.24911732"),
    }
    for name, (value, text) in told.items():
        expected = np.array(text.split(), float)
        atol = 1e-7 if name == "entropy" else 1e-8  # the official log(classes) is a float32 constant
        np.testing.assert_allclose(value.detach().numpy(), expected, rtol=0, atol=atol, err_msg=name)
    loss = tick_loss(thought, torch.tensor([[0, 1, 0, 0]]))
    assert abs(loss.item() - 0.52767350) <= 1e-8
    assert thought.certainties[0, 1].argmax().item() == 3
