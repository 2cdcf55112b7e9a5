"""The ticks written out with their gradient give what the same ticks give as operations of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.nn import ContinuousThoughtMachine, tick_loss  # noqa: E402

pytestmark = pytest.mark.torch

FIELDS = (
    "predictions", "certainties", "sync_out", "sync_action", "pre_activations", "post_activations",
    "attention", "reads", "key_values", "trace",
)  # fmt: skip
PLAIN = {"heads": 0, "n_action": 0, "positions": "none"}
CASES: dict[str, dict[str, Any]] = {
    "a table of two kinds": {"backbone": "parity"},
    "fewer trials than kinds": {"backbone": "tokens", "n_features": 5, "batch": 3},
    "a table of tokens": {"backbone": "tokens", "n_features": 5, "batch": 20, "selection": "first-last"},
    "features": {"backbone": "features", "n_features": 3, "batch": 17, "selection": "random-pairing"},
    "no attention": {**PLAIN, "batch": 5},
    "no attention, many trials": {**PLAIN, "batch": 18, "selection": "first-last"},
    "nobody asks": {"backbone": "parity", "n_action": 0},
    "one trial, one tick": {"backbone": "parity", "batch": 1, "n_ticks": 1},
    "odd widths": {"backbone": "parity", "n_neurons": 19, "width": 6, "hidden": 1, "history": 1},
}


def build(batch: int = 7, **options: Any) -> tuple[Any, Any]:
    """Return a model in double precision with decays on both sides of 0, and its input."""
    given = {
        "n_outputs": 10, "n_ticks": 6, "n_neurons": 24, "width": 8, "heads": 2, "n_out": 5, "n_action": 4,
        "selection": "random", "history": 4, "hidden": 3, "positions": "rotational", "shape": (5, 2),
        "seed": 1,
    } | options  # fmt: skip
    model = ContinuousThoughtMachine(**given).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    rng, kind = np.random.default_rng(0), given.get("backbone", "none")
    if kind == "parity":
        return model, torch.tensor(rng.choice([-1.0, 1.0], size=(batch, 5)))
    if kind == "tokens":
        return model, torch.tensor(rng.integers(given["n_features"], size=(batch, 5)))
    return model, torch.tensor(rng.normal(size=(batch, 3, 5) if given["heads"] else (batch, given["width"])))


def value_and_gradients(model: Any, x: Any, *, fields: tuple[str, ...], plain: bool) -> tuple[Any, Any]:
    """Return a pass and the gradients of a sum over some of its fields; a part with a hook runs as it is."""
    handle = model.trace_processor.register_forward_hook(lambda *_: None) if plain else None
    thought = model(x)
    parts = [getattr(thought, name) for name in fields]
    total = sum((part * (1 + torch.sin(part))).sum() for part in parts if part is not None)
    leaves = [*model.parameters(), *([x] if x.requires_grad else [])]
    gradients = torch.autograd.grad(total, leaves, allow_unused=True)
    if handle is not None:
        handle.remove()
    return thought, gradients


@pytest.mark.parametrize("name", CASES)
def test_every_field_and_every_gradient(name: str) -> None:
    model, x = build(**CASES[name])
    if x.is_floating_point() and CASES[name].get("backbone") != "parity":
        x.requires_grad_()
    names = [*(name for name, _ in model.named_parameters()), "x"]
    for fields in (("predictions",), FIELDS):
        found, gradients = value_and_gradients(model, x, fields=fields, plain=False)
        expected, slopes = value_and_gradients(model, x, fields=fields, plain=True)
        assert "_RunBackward" in str(ancestors(found.post_activations))
        assert "_RunBackward" not in str(ancestors(expected.post_activations))
        for field in FIELDS:
            one, other = getattr(found, field), getattr(expected, field)
            assert (one is None) == (other is None)
            if one is not None:
                assert one.shape == other.shape
                assert torch.allclose(one, other, rtol=0, atol=1e-11), field
        for parameter, one, other in zip(names, gradients, slopes, strict=False):
            if one is None or one.numel() == 0:
                assert other is None or not other.numel() or not other.any(), parameter
                continue
            # what no field depends on gets a zero here, and nothing there
            expected = torch.zeros_like(one) if other is None else other
            assert (one - expected).abs().max() <= 1e-11 + 1e-10 * expected.abs().max(), parameter


def ancestors(tensor: Any) -> list[str]:
    """Return the names of what made a tensor."""
    names, queue = [], [tensor.grad_fn]
    while queue and len(names) < 50:
        node = queue.pop(0)
        if node is not None:
            names.append(type(node).__name__)
            queue += [parent for parent, _ in node.next_functions]
    return names


def test_single_precision_is_as_near_to_double_as_that_of_torch() -> None:
    model, x = build(backbone="parity", batch=32)
    _, exact = value_and_gradients(model, x, fields=("predictions",), plain=True)
    single, signs = model.float(), x.float()
    errors = []
    for plain in (False, True):
        _, found = value_and_gradients(single, signs, fields=("predictions",), plain=plain)
        errors.append(
            max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(found, exact, strict=True))
        )
    assert errors[0] < max(2 * errors[1], 1e-5)


def test_a_graph_that_is_kept_gives_the_same_twice() -> None:
    model, x = build(backbone="parity")
    total = model(x).predictions.sin().sum()
    first = torch.autograd.grad(total, model.start_trace, retain_graph=True)
    for _ in range(2):
        again = torch.autograd.grad(total, list(model.parameters()), retain_graph=True)
        names = [name for name, _ in model.named_parameters()]
        assert torch.equal(again[names.index("start_trace")], first[0])


def test_training_twice_gives_equal_bits_and_frozen_weights_get_nothing() -> None:
    gradients = []
    for _ in range(2):
        model, x = build(backbone="parity", batch=16)
        model.synapses[1].weight.requires_grad_(False)
        tick_loss(model(x), torch.zeros(16, 5, dtype=torch.long)).backward()
        assert model.synapses[1].weight.grad is None
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_a_weight_that_changed_between_forward_and_backward_is_noticed() -> None:
    model, x = build(backbone="parity")
    total = model(x).predictions.sum()
    with torch.no_grad():
        model.synapses[1].weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


def test_large_weights_that_are_laid_out_anew_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from arcuate.nn import _pass

    model, x = build(backbone="parity", n_ticks=10)
    model, x = model.float(), x.float()
    expected = value_and_gradients(model, x, fields=("predictions",), plain=False)[1]
    monkeypatch.setattr(_pass, "PACKED_WEIGHTS", 1)
    found = value_and_gradients(model, x, fields=("predictions",), plain=False)[1]
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5 * other.abs().max().item())
