"""The PMI memory and its transformer against the official implementation, layer by layer.

Files of tests/data/memory; see the README there. Tolerances are those that the official code keeps with
itself in another precision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcuate import memory
from arcuate.ctm.dynamics import below, linear

FOLDER = Path(__file__).parents[1] / "data" / "memory"
CASES = (
    "pmi_correction_d32",
    "pmi_correction_d32_asinit",
    "pmi_grad_d32",
    "pmi_soft_d32",
    "pmi_wo1_d32",
    "pmi_wo2_d64",
    "pmi_wo3_d32",
)
KINDS = ("numpy-float32", "numpy-float64", "torch-float32", "torch-float64")
MEMORY = "self_attn.relational_memory."


def load(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Configuration and arrays of a file."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    return json.loads(arrays.pop("meta").item())["configuration"], arrays


def configuration(c: dict[str, Any]) -> memory.PMIConfig:
    return memory.PMIConfig.official(
        "sort_of_clevr",
        d_model=c["embed_dim"],
        n_slots=c["mem_slots"],
        n_segments=c["long_mem_segs"],
        n_heads=c["num_heads"],
        d_key=c["key_size"],
        top_k=c["topk"] if c["use_topk"] else None,
        alpha=c["alpha"] if c["use_wm_inference"] else 0.0,
        integration="correction" if c["long_mem_aggre"] else "direct",
    )


def converter(kind: str) -> Any:
    package, precision = kind.split("-")
    if package == "numpy":
        return lambda x: x.astype(precision)
    torch = pytest.importorskip("torch")
    return lambda x: torch.from_numpy(x.astype(precision))


def tolerance(key: str, kind: str) -> float:
    if kind.endswith("float64"):
        return 1e-6
    return 5e-5 if key == "ltm" else 2e-5


def seen(step: memory.PMIStep) -> dict[str, Any]:
    """What a step did, by the names of the files."""
    found: dict[str, Any] = {
        "candidate": step.candidate,
        "input_gate": step.input_gate,
        "forget_gate": step.forget_gate,
        "wm": step.state.working_memory,
        "ltm": step.state.long_term_memory,
        "u": step.understanding,
    }
    attentions = {"write": step.write, "wm_read": step.working_read, "ltm_read": step.long_attention}
    for name, attention in {**attentions, "corrected_read": step.correction}.items():
        if attention is not None:
            found[name] = attention.read
            found[f"{name}_probs"] = attention.probabilities
            if attention.mask is not None:
                found[f"{name}_mask"] = attention.mask
    return found


def compare(step: memory.PMIStep, arrays: dict[str, np.ndarray], kind: str, layer: int) -> None:
    expected = below(arrays, f"{'out64' if kind.endswith('float64') else 'out'}/layer{layer}/")
    expected.pop("module_input", None)
    found = seen(step)
    assert len(expected) >= 9
    for key, value in expected.items():
        got = np.asarray(found[key])
        if key.endswith("_mask"):
            np.testing.assert_array_equal(got, value.astype(bool), err_msg=key)
        else:
            assert got.dtype == kind.split("-")[1], key
            np.testing.assert_allclose(got, value, rtol=0, atol=tolerance(key, kind), err_msg=key)
    if kind.endswith("float32"):
        assert {key for key in found if key.endswith("mask")} == {k for k in expected if k.endswith("mask")}


@pytest.mark.parametrize("kind", ["numpy-float32", "torch-float32"])
@pytest.mark.parametrize("name", CASES)
def test_every_memory_is_the_official_one(name: str, kind: str) -> None:
    """Each layer from the input that the official layer had, memories going on from layer to layer."""
    c, arrays = load(name)
    convert = converter(kind)
    state = None
    for layer in range(c["num_layers"]):
        shared = c["share_vanilla_parameters"]
        if state is None or not shared:
            start = [arrays[f"out/{part}_init"][0 if shared else layer] for part in ("wm", "ltm")]
            state = memory.PMIState(working_memory=convert(start[0]), long_term_memory=convert(start[1]))
        prefix = f"w/net.enc.{MEMORY}" if shared else f"w/net.layers.{layer}.{MEMORY}"
        weights = {key: convert(value) for key, value in below(arrays, prefix).items()}
        tokens = convert(arrays[f"out/layer{layer}/module_input"])
        step = memory.pmi_step(tokens, state, weights, config=configuration(c))
        compare(step, arrays, kind, layer)
        state = step.state


def tokens_of(arrays: dict[str, np.ndarray], convert: Any) -> np.ndarray:
    """Summary token, question, and 5 x 5 patches as rows, columns and channels."""
    image, question = (arrays[f"in/{key}"].astype(float) for key in ("img", "qst"))
    n = len(image)
    patches = image.reshape(n, 3, 5, 15, 5, 15).transpose(0, 2, 4, 3, 5, 1).reshape(n, 25, 675)
    weights = {key: value.astype(float) for key, value in below(arrays, "w/").items()}
    rows = [np.repeat(weights["cls_token"], n, axis=0)]
    for name, part in (("question", question[:, None]), ("patch", patches)):
        rows.append(
            linear(part, weights[f"{name}_to_embedding.weight"], weights[f"{name}_to_embedding.bias"])
        )
    return convert(np.concatenate(rows, axis=1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_the_encoder_is_the_official_one(name: str, kind: str) -> None:
    """From an image and a question to the logarithms of the answers' probabilities."""
    c, arrays = load(name)
    convert = converter(kind)
    tokens = tokens_of(arrays, convert)
    np.testing.assert_allclose(np.asarray(tokens), arrays["out/tokens"], atol=2e-5)
    weights = {key: convert(value) for key, value in below(arrays, "w/net.").items()}
    states = [
        memory.PMIState(working_memory=convert(wm), long_term_memory=convert(ltm))
        for wm, ltm in zip(arrays["out/wm_init"], arrays["out/ltm_init"], strict=True)
    ]
    found = memory.encode(tokens, weights, config=configuration(c), n_layers=c["num_layers"], states=states)
    for layer, step in enumerate(found.steps):
        compare(step, arrays, kind, layer)
    place = "out64" if kind.endswith("float64") else "out"
    atol = tolerance("encoded", kind)
    np.testing.assert_allclose(np.asarray(found.encoded), arrays[f"{place}/encoded"], rtol=0, atol=atol)
    head = {key: value.astype(float) for key, value in below(arrays, "w/mlp_head.").items()}
    answers = linear(np.asarray(found.encoded).astype(float)[:, 0], head["weight"], head["bias"])
    answers = answers - np.log(np.exp(answers).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(answers, arrays["out/log_probs"], atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_positions_are_the_official_ones(name: str) -> None:
    table = load(name)[1]["w/net.pe.pe"]
    np.testing.assert_allclose(memory.positions(*table.shape[1:]), table, atol=1e-5)


def test_the_checked_memory_gives_the_same() -> None:
    c, arrays = load("pmi_correction_d32")
    weights = below(arrays, f"w/net.enc.{MEMORY}")
    checked = memory.PMIMemory(configuration(c), weights, precision="float32")
    assert set(memory.parameter_shapes(configuration(c))) == set(weights)
    state = memory.PMIState(
        working_memory=arrays["out/wm_init"][0], long_term_memory=arrays["out/ltm_init"][0]
    )
    for layer in range(2):
        step = checked.step(arrays[f"out/layer{layer}/module_input"], state)
        compare(step, arrays, "numpy-float32", layer)
        state = step.state
    start = checked.initial_state(1, seed=1)
    np.testing.assert_array_equal(start.working_memory, arrays["out/wm_init"][0])
    assert 0 <= start.long_term_memory.min() < 0.05 < 0.95 < start.long_term_memory.max() < 1
