"""A matrix whose gradient is made once for all ticks gets the gradient that autograd would add up."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from arcuate.nn import ContinuousThoughtMachine  # noqa: E402
from arcuate.nn._product import Product  # noqa: E402

pytestmark = pytest.mark.torch


def tensors() -> tuple[Any, ...]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((3, 3), (3,), (4, 3))
    return tuple(
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes
    )


def loop(weight: Any, bias: Any, x: Any, *, once: bool) -> list[Any]:
    """Return the states of five ticks of a recurrent map."""
    product = Product(weight.t(), bias)
    states = [x]
    for _ in range(5):
        y = product(states[-1]) if once else states[-1] @ weight.t() + bias
        states.append(torch.tanh(y))
    return states[1:]


@pytest.mark.parametrize("ticks", [slice(None), slice(2, 3), slice(4, None)])
def test_gradients_are_those_of_autograd(ticks: slice) -> None:
    leaves = tensors()
    expected = torch.autograd.grad(torch.stack(loop(*leaves, once=False)[ticks]).sin().sum(), leaves)
    found = torch.autograd.grad(torch.stack(loop(*leaves, once=True)[ticks]).sin().sum(), leaves)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-14)


def test_passes_over_one_graph_do_not_mix() -> None:
    """A pass that asks for the input alone, or for a later state, leaves nothing behind for the next."""
    leaves = tensors()
    expected = torch.autograd.grad(loop(*leaves, once=False)[-1].sum(), leaves)
    states = loop(*leaves, once=True)
    torch.autograd.grad(states[-1].sum(), leaves[2], retain_graph=True)
    torch.autograd.grad(states[-1].sum(), states[2], retain_graph=True)
    for _ in range(2):
        found = torch.autograd.grad(states[-1].sum(), leaves, retain_graph=True)
        assert all(torch.allclose(a, b, rtol=0, atol=1e-14) for a, b in zip(found, expected, strict=True))


def test_leading_axes_and_no_bias() -> None:
    right = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    inputs = [torch.randn(2, 1, 3, dtype=torch.float64) for _ in range(4)]
    product = Product(right)
    (found,) = torch.autograd.grad(sum(product(x).sin().sum() for x in inputs), right)
    (expected,) = torch.autograd.grad(sum((x @ right).sin().sum() for x in inputs), right)
    assert torch.allclose(found, expected, rtol=0, atol=1e-14)


def test_a_weight_that_changed_between_forward_and_backward_is_noticed() -> None:
    weight, bias, x = tensors()
    total = loop(weight, bias, x, once=True)[-1].sum()
    with torch.no_grad():
        weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@pytest.mark.parametrize("depth", [1, 3])
def test_the_gradient_of_a_whole_model_is_its_slope(depth: int) -> None:
    model = ContinuousThoughtMachine(
        n_outputs=3, n_ticks=4, n_neurons=18, width=4, heads=2, n_out=4, n_action=3, history=3, hidden=2,
        backbone="features", n_features=2, synapse_depth=depth, layer_norm=True, seed=1,
    ).double()  # fmt: skip
    x = torch.randn(2, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def value() -> Any:
        return model(x).predictions.sin().sum()

    value().backward()
    for name, parameter in model.named_parameters():
        direction = torch.randn(
            parameter.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
        )
        sides = []
        for step in (1e-6, -2e-6):
            parameter.data.add_(direction, alpha=step)
            sides.append(value().item())
        parameter.data.add_(direction, alpha=1e-6)
        if name.startswith("decay_params"):
            continue  # at 0, their bound: the slope there is that of one side
        slope = (sides[0] - sides[1]) / 2e-6
        assert (parameter.grad * direction).sum().item() == pytest.approx(slope, rel=1e-5, abs=1e-7), name
