"""Answering questions about digits: the numbers of the official class, forward, loss, gradients, batch norm.

The files hold weights, inputs and outputs of models.ctm_qamnist.ContinuousThoughtMachineQAMNIST
(https://github.com/SakanaAI/continuous-thought-machines, Apache-2.0, commit aecfb63); there each image and
each part of a question is repeated for its ticks, here it stands once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.nn import load_official, tick_loss  # noqa: E402

pytestmark = pytest.mark.torch

DATA = Path(__file__).resolve().parents[1] / "data" / "ctm"
CASES = ("ctm_questions_random", "ctm_questions_pairing_unet3")
TOLERANCE = {"": {"atol": 5e-5, "rtol": 1e-4}, "64": {"atol": 1e-7, "rtol": 0}}
GRADIENT = {"": (1e-6, 2e-5), "64": (1e-9, 1e-7)}
"""Absolute, and as a share of the array's maximum."""


def build(name: str, precision: str) -> tuple[Any, Any, dict[str, Any], dict[str, np.ndarray]]:
    """Return the model, its input, the configuration, and the arrays of a file."""
    with np.load(DATA / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    configuration = json.loads(arrays.pop("meta").item())["configuration"]
    weights = {key[2:]: value for key, value in arrays.items() if key.startswith("w/")}
    model = load_official(weights, configuration)
    images, question = (torch.as_tensor(arrays[f"in/{key}"]) for key in ("images", "question"))
    if precision:
        model, images = model.double(), images.double()
    return model, (images, question), configuration, arrays


@pytest.mark.parametrize("precision", ["", "64"])
@pytest.mark.parametrize("name", CASES)
def test_every_tick_of_images_question_and_answer(name: str, precision: str) -> None:
    model, x, configuration, arrays = build(name, precision)
    with torch.no_grad():
        thought = model.eval()(x)
    looking = x[0].shape[1] * configuration["iterations_per_digit"]
    told = looking + x[1].shape[1] * configuration["iterations_per_question_part"]
    found = {
        "predictions": thought.predictions,
        "certainties": thought.certainties,
        "sync_out_last": thought.sync_out[-1],
        "pre_activations": thought.pre_activations,
        "post_activations": thought.post_activations,
        "attention": thought.attention[:looking],
        "embedded": thought.reads[looking:told],
    }
    for key, value in found.items():
        expected = arrays[f"out{precision}/{key}"]
        assert value.shape == expected.shape, key
        np.testing.assert_allclose(value.numpy(), expected, **TOLERANCE[precision], err_msg=key)
    assert len(thought.reads) == told + configuration["iterations_for_answering"]
    assert not thought.reads[told:].any() and not thought.attention[looking:].any()


@pytest.mark.parametrize("precision", ["", "64"])
@pytest.mark.parametrize("name", CASES)
def test_loss_gradients_and_running_statistics(name: str, precision: str) -> None:
    model, x, configuration, arrays = build(name, precision)
    thought = model.train()(x)
    targets = torch.as_tensor(arrays["in/targets"])
    loss = tick_loss(thought.last(configuration["iterations_for_answering"]), targets)
    loss.backward()
    np.testing.assert_allclose(loss.item(), arrays[f"out{precision}/loss"].item(), **TOLERANCE[precision])
    expected = arrays[f"out{precision}/train_predictions"]
    np.testing.assert_allclose(thought.predictions.detach().numpy(), expected, **TOLERANCE[precision])
    absolute, share = GRADIENT[precision]
    compared = 0
    for key, parameter in model.named_parameters():
        expected = arrays[f"grad{precision}/{key}"]
        difference = np.abs(parameter.grad.numpy() - expected).max()
        assert difference <= absolute + share * np.abs(expected).max(), key
        compared += 1
    assert compared == sum(key.startswith(f"grad{precision}/") for key in arrays)
    buffers = dict(model.named_buffers())
    running = [key for key in arrays if key.startswith(f"after{precision}/")]
    assert len(running) == 4
    for key in running:
        value = buffers[key.partition("/")[2]].numpy()
        np.testing.assert_allclose(value, arrays[key], **TOLERANCE[precision], err_msg=key)
