"""The PMI-TR of torch gives what the official implementation gave: every layer, answer and gradient.

Weights, inputs and outputs of https://github.com/zengxyyu/PMI-TR (MIT, commit a094ee3); see tests/data.
Tolerances are those that the official code keeps with itself in another precision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.memory import PMIState  # noqa: E402
from arcuate.nn import PMITransformer, load_official_pmi  # noqa: E402
from arcuate.nn import pmi_models as models  # noqa: E402

pytestmark = pytest.mark.torch

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
GRADIENT = {"float32": (1e-7, 5e-6), "float64": (1e-12, 1e-9)}
"""Absolute, and as a share of the array's maximum, from the official float64 run, from which the official
float32 run is up to 1e-7 and 2e-6 away."""


def build(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...] = ()
) -> tuple[PMITransformer, Any, dict[str, np.ndarray]]:
    """The official model in the precision of a kind of output, beginning as the official run did."""
    arrays: dict[str, np.ndarray] = {}
    for part in (name, *more):
        with np.load(FOLDER / f"{part}.npz", allow_pickle=False) as file:
            arrays |= {key: file[key] for key in file.files}
    configuration = json.loads(arrays.pop("meta").item())["configuration"]
    weights = {key[2:]: arrays.pop(key) for key in list(arrays) if key.startswith("w/")}
    unread = (
        "pe_state.pe",
        "enc.self_attn.mem_att.w",
        "enc.self_attn.relational_memory.input_gate_projector.pe.pe",
    )
    weights |= {f"net.{key}": np.ones(1) for key in unread}
    model = load_official_pmi(weights, configuration).eval()
    x = tuple(torch.from_numpy(arrays[f"in/{key}"].astype("float32")) for key in ("img", "qst"))
    if kind.endswith("64"):
        model = model.double()
    pairs = zip(arrays["out/wm_init"], arrays["out/ltm_init"], strict=True)
    starts = iter([[torch.from_numpy(part).to(model.cls_token.dtype) for part in pair] for pair in pairs])

    def begin(*_: Any, **__: Any) -> PMIState:
        wm, ltm = next(starts)
        return PMIState(working_memory=wm, long_term_memory=ltm)

    monkeypatch.setattr(models, "beginning", begin)
    return model, x, arrays


@pytest.mark.parametrize("kind", ["out", "out64"])
@pytest.mark.parametrize("name", CASES)
def test_every_layer_and_the_answer(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, arrays = build(name, kind, monkeypatch)
    with torch.no_grad():
        found = model.encode(x)
        answers = torch.log_softmax(model.mlp_head(found.encoded[:, 0]), dim=1)
    atol = 1e-6 if kind == "out64" else 2e-5
    for layer, step in enumerate(found.steps):
        pairs = {"u": step.understanding, "wm": step.state.working_memory, "candidate": step.candidate}
        for key, value in {**pairs, "ltm": step.state.long_term_memory}.items():
            bound = 5e-5 if key == "ltm" and kind == "out" else atol
            expected = arrays[f"{kind}/layer{layer}/{key}"]
            np.testing.assert_allclose(value, expected, rtol=0, atol=bound, err_msg=f"{layer} {key}")
        if kind == "out" and step.write.mask is not None:
            expected = arrays[f"out/layer{layer}/write_mask"].astype(bool)
            np.testing.assert_array_equal(step.write.mask, expected)
    np.testing.assert_allclose(found.encoded, arrays[f"{kind}/encoded"], rtol=0, atol=atol)
    np.testing.assert_allclose(answers, arrays["out/log_probs"], rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", GRADIENT)
def test_loss_and_every_gradient(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, arrays = build("pmi_grad_d32", kind, monkeypatch, more=("pmi_gradients_d32",))
    loss = torch.nn.functional.cross_entropy(model(x), torch.from_numpy(arrays["in/targets"]))
    loss.backward()
    assert loss.item() == pytest.approx(arrays["out64/loss"].item(), rel=0, abs=2e-6)
    absolute, share = GRADIENT[kind]
    compared = set()
    for name, parameter in model.named_parameters():
        if name == "net.pe.pos_emb_weight":  # learned here, without a gradient there
            assert f"grad64/{name}" not in arrays
            assert parameter.grad[:, :27].abs().max() > 0
            continue
        expected = arrays[f"grad64/{name}"].reshape(parameter.shape)
        difference = np.abs(parameter.grad.numpy() - expected).max()
        largest = np.abs(expected).max()
        print(kind, name, f"{difference:.1e}", f"{largest:.1e}")
        assert difference <= absolute + share * largest, name
        compared.add(f"grad64/{name}")
    assert compared == {key for key in arrays if key.startswith("grad64/")}
