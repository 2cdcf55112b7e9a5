"""An episode in chunks: memories that are carried, read without being written, and answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn.functional import cross_entropy  # noqa: E402

from arcuate.errors import SpecError  # noqa: E402
from arcuate.memory import PMIConfig, memorize, retrieve  # noqa: E402
from arcuate.memory.pmi import LTM_RULES  # noqa: E402
from arcuate.nn import EpisodeMemory, PMIModule, fit  # noqa: E402
from arcuate.tasks import PairedAssociates  # noqa: E402

pytestmark = pytest.mark.torch

SMALL = PMIConfig(d_model=12, n_heads=3, n_slots=4, n_segments=3, d_key=4, top_k=2, d_ltm=6)
SIZES: dict[str, Any] = {"n_keys": 10, "n_values": 5, "d_hidden": 16}
X, TARGETS = (
    torch.tensor(part)
    for part in PairedAssociates(n_chunks=2, n_keys=10, n_values=5).draw(6, seed=1).frames()
)


@pytest.mark.parametrize("rule", LTM_RULES)
def test_writing_and_reading_are_what_a_step_does(rule: str) -> None:
    module = PMIModule(replace(SMALL, ltm_rule=rule), seed=1).double().eval()
    one, two = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 5, 12)))
    first = module(one)
    step, state = module(two, first.state), module.memorize(two, module.memorize(one))
    assert torch.equal(state.working_memory, step.state.working_memory)
    if rule != "none":
        assert torch.equal(state.long_term_memory, step.state.long_term_memory)
    assert torch.equal(module.retrieve(two, state), step.understanding)
    plain, begun = module.to_numpy(), replace(first.state, working_memory=first.state.working_memory.detach())
    if begun.long_term_memory is not None:
        begun = replace(begun, long_term_memory=begun.long_term_memory.detach().numpy())
    begun = replace(begun, working_memory=begun.working_memory.numpy())
    held = memorize(two.numpy(), begun, plain.parameters, config=plain.config)
    read = retrieve(two.numpy(), held, plain.parameters, config=plain.config)
    np.testing.assert_allclose(read, step.understanding.detach(), atol=1e-12)


def test_answers_are_in_the_order_of_questions() -> None:
    model = EpisodeMemory(SMALL, **SIZES, seed=2).eval()
    turned = X.clone()
    turned[:, -1] = X[:, -1].flip(1)
    torch.testing.assert_close(model(turned), model(X).flip(1))


def test_questions_do_not_see_each_other_without_correction() -> None:
    alone = torch.cat((X[:, :-1], X[:, -1:, :1].expand(-1, -1, 4, -1)), dim=1)  # one question four times
    for integration, same in (("direct", True), ("residual", False)):
        model = EpisodeMemory(replace(SMALL, integration=integration), **SIZES, seed=2).eval()
        assert torch.allclose(model(alone)[:, 0], model(X)[:, 0], atol=1e-6) == same


@pytest.mark.parametrize("mixing", ["memory", "attention"])
def test_trials_do_not_see_each_other(mixing: str) -> None:
    model = EpisodeMemory(SMALL, **SIZES, mixing=mixing, seed=2).eval()
    torch.testing.assert_close(model(X)[:2], model(X[:2]))


def test_a_transformer_sees_a_set() -> None:
    model = EpisodeMemory(SMALL, **SIZES, mixing="attention", seed=3).eval()
    turned = torch.cat((X[:, :-1].flip(1, 2), X[:, -1:]), dim=1)
    torch.testing.assert_close(model(turned), model(X))


def test_one_seed_one_model() -> None:
    one, two, other = (EpisodeMemory(SMALL, **SIZES, seed=seed)(X) for seed in (4, 4, 5))
    assert torch.equal(one, two) and not torch.allclose(one, other)


def test_states_are_those_of_chunks() -> None:
    model = EpisodeMemory(SMALL, **SIZES, seed=1).eval()
    states = model.memorize(X)
    assert [state.step for state in states] == [1, 2]
    alone = model.memorize(X[:, [0, 2]])
    assert torch.equal(alone[0].long_term_memory, states[0].long_term_memory)


@pytest.mark.parametrize("mixing", ["memory", "attention"])
def test_one_chunk_of_pairs_is_learned(mixing: str) -> None:
    """Two pairs of six keys; chance is one in three."""
    task = PairedAssociates(n_chunks=1, chunk=2, n_keys=6, n_values=3)
    model = EpisodeMemory(
        replace(SMALL, integration="direct"), n_keys=6, n_values=3, d_hidden=16, mixing=mixing, seed=1
    )
    fit(
        model, task.batches(64), lambda scores, targets: cross_entropy(scores.mT, targets), steps=150, seed=1,
        learning_rate=1e-2, warmup=20, progress=False,
    )  # fmt: skip
    trials = task.draw(200, seed=9)
    answers = model(torch.tensor(trials.frames()[0])).argmax(-1).numpy()
    assert trials.score_items(answers).mean() > 0.8


def bad(name: str) -> Any:
    x = X.clone()
    if name == "a key that is none":
        x[0, 0, 0, 0] = 10
    if name == "a negative value":
        x[0, 0, 0, 1] = -1
    if name == "numbers with a point":
        return x.double()
    if name == "no chunk but the question":
        return x[:, -1:]
    if name == "no trial":
        return x[:0]
    if name == "no array":
        return "pairs"
    return x


@pytest.mark.parametrize(
    "name",
    [
        "a key that is none",
        "a negative value",
        "numbers with a point",
        "no chunk but the question",
        "no trial",
        "no array",
    ],
)
def test_bad_episodes_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match="EpisodeMemory: x"):
        EpisodeMemory(SMALL, **SIZES)(bad(name))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"n_keys": 0}, "n_keys"),
        ({"n_values": 2.5}, "n_values"),
        ({"mixing": "atention"}, "attention"),
        ({"config": {}}, "PMIConfig"),
        ({"config": replace(SMALL, d_input=3)}, "d_input"),
        ({"n_layers": -1}, "n_layers"),
    ],
    ids=["no keys", "half a value", "misspelled", "no configuration", "another width", "negative layers"],
)
def test_bad_models_are_refused(changes: dict[str, Any], word: str) -> None:
    options = {"config": SMALL, **SIZES, **changes}
    with pytest.raises(SpecError, match=word):
        EpisodeMemory(options.pop("config"), **options)


def test_a_transformer_has_no_memory_to_show() -> None:
    with pytest.raises(SpecError, match="no memory"):
        EpisodeMemory(SMALL, **SIZES, mixing="attention").memorize(X)
