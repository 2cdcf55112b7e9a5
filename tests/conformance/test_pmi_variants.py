"""Configurations of the official PMI code: answers, loss and gradients.

Widths, heads, slots, segments, depths, competition, ablations, and the network of convolutions;
tests/pmi_variants.py made the numbers.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from ctm_variants import summary
from pmi_variants import CASES, FILE, LAYERED, SEEN, arguments, inputs, starts, targets, weight

torch = pytest.importorskip("torch")

from arcuate.memory import PMIConfig, PMIState, positions  # noqa: E402
from arcuate.nn import CNNPMI, PMITransformer, load_official_cnn_pmi, load_official_pmi  # noqa: E402
from arcuate.nn import pmi_models as models  # noqa: E402

pytestmark = pytest.mark.torch
ATOL = {torch.float32: 2e-5, torch.float64: 1e-9}


def blank(name: str) -> torch.nn.Module:
    """A model of the configuration, from which names and shapes of weights are taken."""
    kind, c = CASES[name][0], arguments(name)
    told = {
        "n_slots": c["mem_slots"],
        "n_segments": c["long_mem_segs"],
        "top_k": c["topk"] if c["use_topk"] else None,
        "integration": "correction" if c["long_mem_aggre"] else "direct",
    }
    if kind == "cnn":
        return CNNPMI(PMIConfig.official("cifar10", d_model=c["h_dim"], n_heads=8, **told), n_outputs=10)
    config = PMIConfig.official("sort_of_clevr", d_model=c["embed_dim"], n_heads=c["num_heads"], **told)
    return PMITransformer(
        config, n_outputs=10, n_features=3, patch=c["patch_size"], n_question=18, n_layers=c["num_layers"],
        shared=c["share_vanilla_parameters"],
    )  # fmt: skip


def ours(name: str, precision: torch.dtype, patch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Our model with the official weights, beginning as the official one, and its input."""
    made = {}
    for key, value in blank(name).state_dict().items():
        array = weight(key, tuple(value.shape))
        made[key] = value if array is None else torch.as_tensor(array)
    if "net.pe.pe" in made:
        made["net.pe.pe"] = torch.as_tensor(positions(*made["net.pe.pe"].shape[1:]))
    load = load_official_cnn_pmi if CASES[name][0] == "cnn" else load_official_pmi
    model = load(made, arguments(name)).to(precision).eval()
    model.dropout = 0.0
    pairs = [tuple(torch.as_tensor(part, dtype=precision) for part in pair) for pair in starts(name)]
    states = [PMIState(working_memory=wm, long_term_memory=ltm) for wm, ltm in pairs]
    if CASES[name][0] == "cnn":
        model.relational_memory.initial_state = lambda _: states[0]
    else:
        again = itertools.cycle(states)
        patch.setattr(models, "beginning", lambda *_, **__: next(again))
    x = tuple(torch.as_tensor(part, dtype=precision) for part in inputs(name))
    return model, x if len(x) > 1 else x[0]


@pytest.mark.parametrize("precision", ATOL, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_answers(name: str, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = ours(name, precision, monkeypatch)
    with np.load(FILE, allow_pickle=False) as file:
        expected = file[f"{list(CASES).index(name)}/out"]
    with torch.no_grad():
        answers = torch.log_softmax(model(x), dim=1)
    np.testing.assert_allclose(answers, expected, rtol=0, atol=ATOL[precision])


@pytest.mark.parametrize("name", LAYERED)
def test_what_the_memory_of_every_layer_did(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = ours(name, torch.float64, monkeypatch)
    with torch.no_grad():
        if CASES[name][0] == "cnn":
            steps: list[Any] = []
            model.relational_memory.register_forward_hook(lambda *given: steps.append(given[2]))
            model(x)
        else:
            steps = list(model.encode(x).steps)
    stem = f"{list(CASES).index(name)}/"
    with np.load(FILE, allow_pickle=False) as file:
        expected = {key.removeprefix(stem): file[key] for key in file.files if key.startswith(stem)}
    assert sum(key.endswith("candidate") for key in expected) == len(steps)
    for layer, step in enumerate(steps):
        for key in SEEN:
            found = getattr(step if key in ("candidate", "understanding") else step.state, key)
            message = f"{layer} {key}"
            np.testing.assert_allclose(
                found[0], expected[f"{layer}/{key}"], rtol=0, atol=1e-9, err_msg=message
            )


@pytest.mark.parametrize("name", CASES)
def test_loss_and_every_gradient(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = ours(name, torch.float64, monkeypatch)
    model.train(CASES[name][0] == "cnn")  # batch norm by the batch; its dropout is 0 on both sides
    number = list(CASES).index(name)
    with np.load(FILE, allow_pickle=False) as file:
        expected, gradients = file[f"{number}/loss"], file[f"{number}/grad"]
    loss = torch.nn.functional.cross_entropy(model(x), torch.as_tensor(targets(name)))
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=0, abs=1e-9)
    names = sorted(key for key, _ in model.named_parameters() if key != "net.pe.pos_emb_weight")
    assert len(names) == len(gradients)  # weights of positions are learned here, without a gradient there
    for key, row in zip(names, gradients, strict=True):
        found = summary(key, model.get_parameter(key).grad.numpy())
        np.testing.assert_allclose(found, row, rtol=1e-7, atol=1e-10, err_msg=key)
