"""The equations of the Continuous Thought Machine: closed forms, symmetries, and torch beside NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arcuate import ctm
from arcuate.ctm import dynamics

RNG = np.random.default_rng(3)
PAIRS = (np.array([0, 1, 2, 2]), np.array([3, 1, 0, 2]))


def run(z: np.ndarray, decay: np.ndarray) -> np.ndarray:
    """Synchrony after every row of z (T, B, D)."""
    r, state, seen = ctm.decay_factor(decay), None, []
    for row in z:
        state = ctm.step_synchrony(state, ctm.pair_products(row, PAIRS), r)
        seen.append(ctm.synchrony(state))
    return np.array(seen)


def test_the_recursion_is_the_closed_form() -> None:
    z, decay = RNG.normal(size=(20, 3, 4)), np.array([0.0, 0.1, 1.0, 3.0])
    products = z[..., PAIRS[0]] * z[..., PAIRS[1]]
    for t, found in enumerate(run(z, decay)):
        weight = np.exp(-decay * (t - np.arange(t + 1))[:, None])
        expected = (weight[:, None] * products[: t + 1]).sum(0) / np.sqrt(weight.sum(0))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_a_fast_decay_leaves_the_present_alone() -> None:
    z = RNG.normal(size=(5, 2, 4))
    np.testing.assert_allclose(run(z, np.full(4, 15.0))[-1], ctm.pair_products(z[-1], PAIRS), atol=5e-6)


def test_beta_is_a_geometric_sum() -> None:
    r, state = ctm.decay_factor(np.array([0.0, 0.2, 2.0, 15.0])), None
    for n in range(1, 30):
        state = ctm.step_synchrony(state, np.ones((1, 4)), r)
        with np.errstate(invalid="ignore"):
            expected = np.where(r == 1, n, (1 - r**n) / (1 - r))
        np.testing.assert_allclose(state.beta, expected, rtol=1e-13)
        np.testing.assert_allclose(state.alpha[0], state.beta, rtol=1e-13)


def test_a_window_is_the_recursion_over_it() -> None:
    z, decay = RNG.normal(size=(6, 3, 4)), np.array([0.0, 0.5, 2.0, 4.0])
    found = ctm.windowed_synchrony(np.moveaxis(z, 0, -1), decay, PAIRS)
    np.testing.assert_allclose(found, run(z, decay)[-1], rtol=1e-14)
    beyond = ctm.windowed_synchrony(np.moveaxis(z, 0, -1), np.array([-1.0, 0.5, 2.0, 9.0]), PAIRS)
    np.testing.assert_array_equal(beyond, found)


def test_certainty_at_its_ends() -> None:
    np.testing.assert_allclose(ctm.certainty(np.full((2, 6), 7.0), (3, 2)), [[1, 0]] * 2, atol=1e-15)
    np.testing.assert_allclose(ctm.certainty(np.array([[1e4, 0.0, -1e4, 0.0]])), [[0, 1]], atol=1e-15)
    p = np.array([0.2, 0.3, 0.5])
    entropy = -(p * np.log(p)).sum() / np.log(3)
    np.testing.assert_allclose(ctm.certainty(np.log(p)[None] + 5)[0], [entropy, 1 - entropy], rtol=1e-14)


def test_selections() -> None:
    for selection in dynamics.SELECTIONS:
        left, right = ctm.draw_neurons(selection, 5, n_neurons=12, seed=4)
        again = ctm.draw_neurons(selection, 5, n_neurons=12, seed=4)
        np.testing.assert_array_equal((left, right), again)
        assert left.shape == right.shape == (5,)
        assert 0 <= min(*left, *right) <= max(*left, *right) < 12
    np.testing.assert_array_equal(ctm.draw_neurons("first-last", 3, n_neurons=12), [[0, 1, 2]] * 2)
    last = ctm.draw_neurons("first-last", 3, n_neurons=12, action=True)
    np.testing.assert_array_equal(last, [[9, 10, 11]] * 2)
    left, right = ctm.draw_neurons("random-pairing", 40, n_neurons=50, n_self=7)
    assert (left == right)[:7].all()
    assert not (left == right)[7:].all()
    random = ctm.draw_neurons("random", 9, n_neurons=50)
    assert not np.array_equal(*random)
    assert not np.array_equal(random, ctm.draw_neurons("random", 9, n_neurons=50, action=True))
    assert not np.array_equal(random, ctm.draw_neurons("random", 9, n_neurons=50, seed=1))


def test_the_triangle_of_pairs_is_row_by_row() -> None:
    left, right = np.array([7, 8, 9]), np.array([1, 2, 3])
    i, j = ctm.pair_list(left, right, 6)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(7, 1), (7, 2), (7, 3), (8, 2), (8, 3), (9, 3)]
    assert ctm.pair_list(left, right, 3) == (left, right)


def test_neurons_do_not_see_each_other() -> None:
    """A permutation of neurons with their weights permutes what they do."""
    part = {
        "0.0.w1": RNG.normal(size=(5, 6, 8)),
        "0.0.b1": RNG.normal(size=(1, 8, 6)),
        "0.0.T": np.array([1.3]),
        "0.2.w1": RNG.normal(size=(3, 2, 8)),
        "0.2.b1": RNG.normal(size=(1, 8, 2)),
        "0.2.T": np.array([0.7]),
    }
    trace, order = RNG.normal(size=(4, 8, 5)), RNG.permutation(8)
    moved = {
        name: value if name.endswith("T") else value[..., order] if name.endswith("w1") else value[:, order]
        for name, value in part.items()
    }
    found = ctm.neuron_models(trace[:, order], moved)
    np.testing.assert_allclose(found, ctm.neuron_models(trace, part)[:, order], rtol=1e-13)


def test_dropout_is_where_it_is_asked_for() -> None:
    calls: list[tuple[int, ...]] = []

    def drop(x: Any) -> Any:
        calls.append(x.shape)
        return x

    block = {"1.weight": np.ones((6, 5)), "1.bias": np.ones(6), "3.weight": np.ones(3), "3.bias": np.ones(3)}
    block |= {"4.weight": np.ones((6, 3)), "4.bias": np.ones(6), "6.weight": np.ones(3), "6.bias": np.ones(3)}
    ctm.synapse(np.ones((2, 5)), block, drop=drop)
    assert calls == [(2, 5)]


def test_the_logistic_function_does_not_overflow() -> None:
    with np.errstate(all="raise"):
        found = dynamics.sigmoid(np.array([-1e30, -3.0, 0.0, 3.0, 1e30]))
    np.testing.assert_allclose(found, [0, 1 / (1 + np.e**3), 0.5, 1 / (1 + np.e**-3), 1], rtol=1e-14)
    small = np.array([-30.0, -12.0, -5.0])  # what is near 0 keeps its digits, in float32 as well
    expected = 1 / (1 + np.exp(-small))
    np.testing.assert_allclose(dynamics.sigmoid(small.astype(np.float32)), expected, rtol=1e-6)


@pytest.mark.torch
def test_torch_gives_the_same_and_a_gradient() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)

    def tensors(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: tensors(value) for name, value in part.items()}
        if isinstance(part, tuple):
            return tuple(map(tensors, part))
        return torch.tensor(part, requires_grad=part.dtype.kind == "f")

    attention = {
        "in_proj_weight": rng.normal(size=(12, 4)),
        "in_proj_bias": rng.normal(size=12),
        "out_proj.weight": rng.normal(size=(4, 4)),
        "out_proj.bias": rng.normal(size=4),
    }
    models = {
        "0.0.w1": rng.normal(size=(5, 2, 4)),
        "0.0.b1": rng.normal(size=(1, 4, 2)),
        "0.0.T": np.array([1.3]),
        "0.0.layernorm.weight": rng.normal(size=5),
        "0.0.layernorm.bias": rng.normal(size=5),
    }
    block = {"1.weight": rng.normal(size=(8, 4)), "1.bias": rng.normal(size=8)}
    block |= {"3.weight": rng.normal(size=4), "3.bias": rng.normal(size=4)}
    vector, trace, decay = rng.normal(size=(3, 4)), rng.normal(size=(3, 4, 5)), np.array([-1.0, 0, 0.5, 2])
    tokens = rng.normal(size=(3, 6, 4))
    cases = [
        (ctm.synapse, (vector, block)),
        (ctm.neuron_models, (trace, models)),
        (ctm.update_trace, (trace, vector)),
        (ctm.windowed_synchrony, (trace, decay, PAIRS)),
        (ctm.certainty, (vector,)),
        (
            lambda q, kv, p: ctm.attention_read(q, ctm.project_keys_values(kv, p), p, heads=2)[0],
            (vector, tokens, attention),
        ),
    ]
    for function, arguments in cases:
        given = tensors(arguments)
        found = function(*given)
        np.testing.assert_allclose(found.detach().numpy(), function(*arguments), rtol=1e-12, atol=1e-13)
        found.sum().backward()
        assert all(np.isfinite(x.grad.numpy()).all() for x in given if isinstance(x, torch.Tensor))
    zero = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    ctm.decay_factor(zero).sum().backward()
    assert (zero.grad == -1).all()  # a decay that came down to 0 can leave it again


def attentive(d: int = 12, e: int = 6) -> dict[str, np.ndarray]:
    """A model of the parity kind, its numbers at random."""
    rng = np.random.default_rng(8)
    shapes = {
        "backbone.embedding.weight": (2, e),
        "positional_embedding.projection.weight": (e, 2),
        "positional_embedding.projection.bias": (e,),
        "kv_proj.0.weight": (e, e),
        "kv_proj.0.bias": (e,),
        "kv_proj.1.weight": (e,),
        "kv_proj.1.bias": (e,),
        "q_proj.weight": (e, 5),
        "q_proj.bias": (e,),
        "attention.in_proj_weight": (3 * e, e),
        "attention.in_proj_bias": (3 * e,),
        "attention.out_proj.weight": (e, e),
        "attention.out_proj.bias": (e,),
        "synapses.1.weight": (2 * d, e + d),
        "synapses.1.bias": (2 * d,),
        "synapses.3.weight": (d,),
        "synapses.3.bias": (d,),
        "trace_processor.0.0.w1": (4, 6, d),
        "trace_processor.0.0.b1": (1, d, 6),
        "trace_processor.0.0.T": (1,),
        "trace_processor.0.2.w1": (3, 2, d),
        "trace_processor.0.2.b1": (1, d, 2),
        "trace_processor.0.2.T": (1,),
        "start_activated_state": (d,),
        "start_trace": (d, 4),
        "decay_params_action": (5,),
        "decay_params_out": (7,),
        "output_projector.0.weight": (10, 7),
        "output_projector.0.bias": (10,),
    }
    w = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    w["trace_processor.0.0.T"][:] = 1.2
    for role, n in (("out", 7), ("action", 5)):
        sides = ctm.draw_neurons("random-pairing", n, n_neurons=d, action=role == "action", n_self=1)
        w[f"{role}_neuron_indices_left"], w[f"{role}_neuron_indices_right"] = sides
    return w


BITS = np.random.default_rng(9).choice([-1, 1], (3, 5))


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_more_ticks_leave_the_first_ones_as_they_were(engine: str) -> None:
    few, many = (
        ctm.forward(BITS, attentive(), ticks=ticks, heads=2, shape=(5, 2), engine=engine) for ticks in (3, 9)
    )
    np.testing.assert_allclose(few.predictions, many.predictions[..., :3], rtol=1e-12)
    np.testing.assert_allclose(few.sync_action, many.sync_action[:3], rtol=1e-12)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_names_of_neurons_do_not_matter(engine: str) -> None:
    """Neurons in another order, with all that belongs to them, answer the same."""
    w, options = attentive(), {"ticks": 6, "heads": 2, "shape": (5, 2), "engine": engine}
    order = np.random.default_rng(4).permutation(12)
    moved = dict(w)
    for name in ("w1", "b1"):
        for layer in ("0.0", "0.2"):
            key = f"trace_processor.{layer}.{name}"
            moved[key] = w[key][..., order] if name == "w1" else w[key][:, order]
    for key in ("start_activated_state", "start_trace", "synapses.3.weight", "synapses.3.bias"):
        moved[key] = w[key][order]
    both = np.concatenate((order, 12 + order))
    columns = np.concatenate((np.arange(6), 6 + order))
    moved["synapses.1.weight"] = w["synapses.1.weight"][both][:, columns]
    moved["synapses.1.bias"] = w["synapses.1.bias"][both]
    place = np.argsort(order)
    for key in w:
        if "indices" in key:
            moved[key] = place[w[key]]
    before, after = (ctm.forward(BITS, weights, **options) for weights in (w, moved))
    np.testing.assert_allclose(after.predictions, before.predictions, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        after.post_activations, before.post_activations[..., order], rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_what_a_thought_holds_agrees_with_itself(engine: str) -> None:
    w = attentive()
    before = {name: value.copy() for name, value in w.items()}
    thought = ctm.forward(BITS, w, ticks=6, heads=2, shape=(5, 2), engine=engine)
    for name, value in w.items():
        np.testing.assert_array_equal(value, before[name])  # nothing is changed in place
    np.testing.assert_array_equal(thought.trace, np.moveaxis(thought.pre_activations[-4:], 0, -1))
    np.testing.assert_allclose(thought.attention.sum(-1), 1.0, rtol=1e-12)
    pairs = tuple(w[f"out_neuron_indices_{side}"] for side in ("left", "right"))
    z = np.concatenate(
        (np.repeat(w["start_activated_state"][None, None], 3, axis=1), thought.post_activations)
    )
    products = z[..., pairs[0]] * z[..., pairs[1]]
    weight = np.exp(-np.clip(w["decay_params_out"], 0, 15) * np.arange(6, -1, -1)[:, None])
    closed = (weight[:, None] * products).sum(0) / np.sqrt(weight.sum(0))
    np.testing.assert_allclose(thought.sync_out[-1], closed, rtol=1e-10, atol=1e-12)
    y = np.moveaxis(thought.predictions, -1, 0)
    np.testing.assert_allclose(np.moveaxis(thought.certainties, -1, 0)[2], ctm.certainty(y[2], (5, 2)))
