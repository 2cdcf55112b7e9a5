"""The trained PMI memory of the package: more pairs than it was trained on, in a matrix of fixed size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.ctm.dynamics import linear  # noqa: E402
from arcuate.memory import PMIConfig, memorize, retrieve  # noqa: E402
from arcuate.models import load_training  # noqa: E402
from arcuate.nn import EpisodeMemory, shipped  # noqa: E402
from arcuate.study.reproduction import load_reproduce  # noqa: E402
from arcuate.tasks import PairedAssociates  # noqa: E402

pytestmark = pytest.mark.torch


def test_the_shipped_memory_has_its_figures(tmp_path: Path) -> None:
    result = load_reproduce("pmi_paired_associates")((1,), True, tmp_path, lambda *_: None)
    assert {figure.name: figure.verdict for figure in result.figures if figure.judged} == {
        "shipped_32": "holds",
        "shipped_48": "holds",
    }


def test_the_best_variant_has_fewer_numbers_than_the_transformer() -> None:
    table, size = load_training("pmi_paired_associates"), {}
    for name in ("cells", "transformer"):
        memory, settings = (table[key] | table[name].get(key, {}) for key in ("parameters", "network"))
        model = EpisodeMemory(PMIConfig(**memory), **settings)
        size[name] = sum(part.numel() for part in model.parameters())
    assert size["cells"] <= size["transformer"]


def test_what_was_trained_in_torch_answers_without() -> None:
    """Scores of the module, from the equations of NumPy arrays."""
    model = shipped("pmi_associates").double()
    x = torch.tensor(PairedAssociates(n_chunks=8).draw(20, seed=5).frames()[0])
    plain = model.memory.to_numpy()
    with torch.no_grad():
        tokens = (model.keys(x[..., 0]) + model.values(x[..., 1])).numpy()
        state = plain.initial_state(20)
        for chunk in tokens[:, :-1].swapaxes(0, 1):
            state = memorize(chunk, state, plain.parameters, config=plain.config)
        asked = tokens[:, -1]
        z = torch.from_numpy(asked + retrieve(asked, state, plain.parameters, config=plain.config))
        z = z + model.fc2(torch.relu(model.fc1(model.norm(z))))
        torch.testing.assert_close(model.head(model.final_norm(z)), model(x), atol=1e-10, rtol=0)


def test_why_64_pairs_fit() -> None:
    """Keys of 48 pairs span nearly all of 48 dimensions, and a question meets its own alone."""
    model = shipped("pmi_associates").double()
    plain = model.memory.to_numpy()
    x = torch.tensor(PairedAssociates(n_chunks=12).draw(100, seed=7).frames()[0])
    with torch.no_grad():
        tokens = (model.keys(x[..., 0]) + model.values(x[..., 1])).numpy()
    seen = linear(tokens, *(plain.parameters[f"input_projector.{part}"] for part in ("weight", "bias")))

    def address(rows: np.ndarray, name: str) -> np.ndarray:
        cells = np.exp(rows @ plain.parameters[f"ltm_{name}.weight"][0].T)
        return cells / np.linalg.norm(cells, axis=-1, keepdims=True)

    keys = address(seen[:, :-1].reshape(100, 48, -1), "key")
    overlap = address(seen[:, -1], "query") @ keys.swapaxes(1, 2)
    own = (x[:, -1, :, None, 0] == x[:, :-1, :, 0].reshape(100, 1, 48)).numpy()
    other = (overlap[~own] ** 2).mean()
    spread = np.linalg.eigvalsh(keys.swapaxes(1, 2) @ keys)
    dimensions = spread.sum(axis=1) ** 2 / (spread**2).sum(axis=1)
    assert dimensions.mean() == pytest.approx(47, abs=0.5)
    assert overlap[own].mean() == pytest.approx(0.985, abs=0.005)
    assert np.sqrt(other) == pytest.approx(0.018, abs=0.003)
    assert 47 * other / (overlap[own] ** 2).mean() < 0.025


def test_a_pair_that_was_not_shown_is_not_known() -> None:
    """The answer comes from the memory: without the chunk of a key it is a guess."""
    trials = PairedAssociates(n_chunks=8).draw(200, seed=6)
    x = torch.tensor(trials.frames()[0])
    gone = (x[:, -1, :, None, 0] != x[:, :1, :, 0]).all(-1)  # questions about other chunks than the first
    answers = shipped("pmi_associates")(x[:, [0, -1]]).argmax(-1).numpy()
    right = torch.from_numpy(trials.score_items(answers))
    assert right[gone].double().mean() < 0.12
    assert right[~gone].double().mean() > 0.9


@pytest.mark.slow
def test_a_full_run_judges_all_it_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From training to the page, with two steps instead of two thousand."""
    reproduce = load_reproduce("pmi_paired_associates")

    def short(name: str) -> dict[str, Any]:
        table = load_training(name)
        return table | {"training": table["training"] | {"steps": 2, "warmup": 1}}

    monkeypatch.setitem(reproduce.__globals__, "load_training", short)
    result = reproduce((1,), False, tmp_path, lambda *_: None)
    assert all(figure.judged and np.isfinite(figure.got) for figure in result.figures)
    assert len(result.figures) == 19
