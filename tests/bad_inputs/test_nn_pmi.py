"""What PMI modules refuse, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from arcuate.errors import ArcuateError, NonFiniteError, SpecError, UnknownNameError  # noqa: E402
from arcuate.memory import PMIConfig, PMIMemory  # noqa: E402
from arcuate.nn import (  # noqa: E402
    CNNPMI,
    PMIModule,
    PMITransformer,
    load_official_cnn_pmi,
    load_official_pmi,
)

pytestmark = pytest.mark.torch

SMALL = PMIConfig(d_model=8, n_heads=2, n_slots=4, top_k=2)
OFFICIAL = PMIConfig.official("sort_of_clevr", d_model=8, n_heads=2)
TOLD: dict[str, Any] = {"embed_dim": 8, "num_heads": 2, "num_layers": 1, "patch_size": 2, "ffn_dim": 6}


def module(**changes: Any) -> PMIModule:
    return PMIModule(replace(SMALL, **changes))


def model(config: Any = SMALL, **changes: Any) -> PMITransformer:
    options: dict[str, Any] = {"n_outputs": 2, "n_features": 3, "n_layers": 1, "d_hidden": 6}
    return PMITransformer(config, **{**options, **changes})


def official(**weights: Any) -> dict[str, Any]:
    state = dict(model(OFFICIAL, patch=2, n_question=4).state_dict())
    for name, value in weights.items():
        place = name.replace("__", ".")
        state.pop(place, None)
        if value is not None:
            state[place] = value
    return state


def blown() -> PMIModule:
    broken = module()
    broken.get_parameter("value_proj.weight").data.fill_(float("inf"))
    return broken


def convolutions(**weights: Any) -> dict[str, Any]:
    config = PMIConfig.official("cifar10", d_model=8, n_heads=8)
    state = dict(CNNPMI(config, n_outputs=2).state_dict())
    return {name: value for name, value in {**state, **weights}.items() if value is not None}


CASES: dict[str, tuple[Callable[[], Any], type[ArcuateError], str, tuple[str, ...]]] = {
    "no configuration": (lambda: PMIModule({}), SpecError, "config", ("PMIConfig",)),
    "tokens of another width": (
        lambda: module()(torch.ones(1, 3, 7)),
        SpecError,
        "tokens",
        ("8", "(1, 3, 7)"),
    ),
    "no tokens": (lambda: module()(torch.ones(1, 0, 8)), SpecError, "tokens", ("none of them 0",)),
    "tokens that are not finite": (
        lambda: module()(torch.full((1, 2, 8), float("nan"))),
        NonFiniteError,
        "tokens",
        ("[0, 0, 0]", "nan"),
    ),
    "tokens that are words": (
        lambda: module()([["a"]]),
        SpecError,
        "tokens",
        ("must be a tensor", "not list"),
    ),
    "no state": (lambda: module()(torch.ones(1, 2, 8), 3), SpecError, "state", ("initial_state",)),
    "state of another batch": (
        lambda: module()(torch.ones(1, 2, 8), module().initial_state(2)),
        SpecError,
        "working_memory",
        ("(1, 4, 8)",),
    ),
    "state of another rule": (
        lambda: module()(torch.ones(1, 2, 8), module(ltm_rule="ring").initial_state(1)),
        SpecError,
        "long_term_memory",
        ("(1, 5, 32, 8)",),
    ),
    "state of arrays": (
        lambda: module()(torch.ones(1, 2, 8), PMIMemory(SMALL).initial_state(1)),
        SpecError,
        "working_memory",
        ("Tensor", "ndarray"),
    ),
    "state before the first step": (
        lambda: module()(torch.ones(1, 2, 8), replace(module().initial_state(1), step=-1)),
        SpecError,
        "state.step",
        (">= 0",),
    ),
    "an empty ring": (
        lambda: (ring := module(ltm_rule="ring")).retrieve(torch.ones(1, 2, 8), ring.initial_state(1)),
        SpecError,
        "state",
        ("holds nothing", "memorize"),
    ),
    "a batch of none": (lambda: module().initial_state(0), SpecError, "batch", (">= 1",)),
    "a batch in words": (lambda: module().initial_state("a"), SpecError, "batch", ("integer",)),
    "weights that blow up": (
        lambda: blown()(torch.ones(1, 2, 8)),
        NonFiniteError,
        "working memory",
        ("step 1",),
    ),
    "no memory to take over": (lambda: PMIModule.from_numpy(3), SpecError, "memory", ("PMIMemory",)),
    "no layers": (lambda: model(n_layers=0), SpecError, "n_layers", (">= 1",)),
    "unknown mixing": (lambda: model(mixing="memoir"), UnknownNameError, "memoir", ("memory",)),
    "dropout of all": (lambda: model(dropout=1.0), SpecError, "dropout", ("< 1",)),
    "shared induced attention": (lambda: model(mixing="induced attention"), SpecError, "shared", ("False",)),
    "shared, perhaps": (lambda: model(shared=1), SpecError, "shared", ("True or False",)),
    "an odd width": (lambda: model(PMIConfig(d_model=9, n_heads=3)), SpecError, "d_model", ("even",)),
    "tokens not embedded": (lambda: model(replace(SMALL, d_input=5)), SpecError, "d_input", ("None", "8")),
    "unknown baseline": (
        lambda: PMITransformer.baseline("TR+HS", SMALL),
        UnknownNameError,
        "TR+HS",
        ("TR+HSW",),
    ),
    "baseline that is not itself": (
        lambda: PMITransformer.baseline("TR", SMALL, shared=False),
        SpecError,
        "shared",
        ("Leave it out",),
    ),
    "more tokens than positions": (
        lambda: model(max_tokens=3)(torch.ones(1, 3, 3)),
        SpecError,
        "x",
        ("4 tokens", "3"),
    ),
    "an image of another size": (
        lambda: model(patch=4)(torch.ones(1, 3, 8, 6)),
        SpecError,
        "x",
        ("multiples", "4", "(8, 6)"),
    ),
    "no question": (lambda: model(n_question=4)(torch.ones(1, 3, 3)), SpecError, "x", ("two",)),
    "too few questions": (
        lambda: model(n_question=4)((torch.ones(2, 3, 3), torch.ones(1, 4))),
        SpecError,
        "question",
        ("2", "1"),
    ),
    "a memory that is not there": (
        lambda: PMITransformer.baseline("TR", SMALL, n_outputs=2, n_features=3).encode(torch.ones(1, 2, 3)),
        SpecError,
        "model",
        ("no memory",),
    ),
    "features of another number": (
        lambda: CNNPMI(SMALL, n_outputs=2)(torch.ones(1, 1, 9, 9)),
        SpecError,
        "x",
        ("3", "(1, 1, 9, 9)"),
    ),
    "unknown official argument": (
        lambda: load_official_pmi(official(), {**TOLD, "mem_slot": 3}),
        UnknownNameError,
        "mem_slot",
        ("mem_slots",),
    ),
    "what is not built": (
        lambda: load_official_pmi(official(), {**TOLD, "functional": True}),
        SpecError,
        "functional",
        ("baseline",),
    ),
    "weights of another width": (
        lambda: load_official_pmi(official(), {**TOLD, "ffn_dim": 7}),
        SpecError,
        "fc1.weight",
        ("(7, 8)", "(6, 8)"),
    ),
    "a weight that is missing": (
        lambda: load_official_pmi(official(cls_token=None), TOLD),
        SpecError,
        "cls_token",
        ("missing",),
    ),
    "no head": (
        lambda: load_official_pmi(official(mlp_head__weight=None), TOLD),
        SpecError,
        "mlp_head.weight",
        ("missing",),
    ),
    "a weight too many": (
        lambda: load_official_pmi(official(more=torch.ones(2)), TOLD),
        SpecError,
        "more",
        ("not part",),
    ),
    "unknown argument of the convolutions": (
        lambda: load_official_cnn_pmi(convolutions(), {"h_dims": 8}),
        UnknownNameError,
        "h_dims",
        ("h_dim",),
    ),
    "convolutions of another width": (
        lambda: load_official_cnn_pmi(convolutions(), {"h_dim": 16}),
        SpecError,
        "weight",
        ("16", "8"),
    ),
    "convolutions with gates between": (
        lambda: load_official_cnn_pmi(convolutions(), {"h_dim": 8, "null_attention": True}),
        SpecError,
        "null_attention",
        ("False",),
    ),
    "convolutions without the last layer": (
        lambda: load_official_cnn_pmi(convolutions(**{"fcout.fc3.weight": None}), {"h_dim": 8}),
        SpecError,
        "fcout.fc3.weight",
        ("missing",),
    ),
    "a first convolution that is flat": (
        lambda: load_official_cnn_pmi(convolutions(**{"conv.conv1.weight": torch.ones(2)}), {"h_dim": 8}),
        SpecError,
        "conv.conv1.weight",
        ("4 axes", "1"),
    ),
    "a weight that is not finite": (
        lambda: load_official_pmi(official(cls_token=torch.full((1, 1, 8), float("inf"))), TOLD),
        NonFiniteError,
        "cls_token",
        ("finite",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refused_by_name(name: str) -> None:
    act, error, argument, words = CASES[name]
    with pytest.raises(error) as caught:
        act()
    message = str(caught.value)
    assert argument in message
    assert all(word in message for word in words), message
    assert len(message.splitlines()) <= 4
