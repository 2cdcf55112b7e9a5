"""A machine that acts: histories over steps of an environment, and heads that read its synchrony."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate import ctm  # noqa: E402
from arcuate.nn import ThoughtAgent, WindowedThoughtMachine, load_official_window  # noqa: E402

pytestmark = pytest.mark.torch
GOLDEN = Path(__file__).parents[2] / "data" / "ctm" / "ctm_rl_window.npz"
SMALL: dict[str, Any] = {
    "n_ticks": 2,
    "n_neurons": 16,
    "width": 4,
    "n_out": 5,
    "n_observations": 3,
    "history": 4,
    "hidden": 3,
    "seed": 1,
}


def machine(**options: Any) -> Any:
    return WindowedThoughtMachine(**{**SMALL, **options})


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_steps_of_the_official_model(precision: str) -> None:
    """Four steps of an environment, histories carried, every tick."""
    with np.load(GOLDEN, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    configuration = json.loads(arrays["meta"].item())["configuration"]
    weights = {key[2:]: value for key, value in arrays.items() if key.startswith("w/")}
    model = load_official_window(weights, configuration).to(getattr(torch, precision))
    where, atol = ("out64", 1e-7) if precision == "float64" else ("out", 5e-5)
    thought = None
    for step, x in enumerate(arrays["in/x"]):
        with torch.no_grad():
            thought = model(torch.as_tensor(x), thought)
        for key in ("sync_out", "pre_activations", "post_activations"):
            expected = arrays[f"{where}/{key}"][step]
            np.testing.assert_allclose(getattr(thought, key), expected, rtol=1e-4, atol=atol, err_msg=key)
    np.testing.assert_allclose(thought.trace, arrays[f"{where}/final_state_trace"], rtol=1e-4, atol=atol)


@pytest.mark.parametrize(
    "options", [{}, {"synapse_depth": 3, "hidden": None}, {"layer_norm": True, "n_out": 16, "n_ticks": 5}]
)
def test_it_is_the_pure_function(options: dict[str, Any]) -> None:
    model, rng = machine(**options).double(), np.random.default_rng(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.as_tensor(rng.normal(size=parameter.shape))
    thought, told = None, None
    for x in rng.normal(size=(3, 2, 3)):
        with torch.no_grad():
            thought = model(torch.as_tensor(x), thought)
        told = ctm.forward_window(x, model.state_dict(), told, ticks=model.n_ticks)
        np.testing.assert_allclose(thought.sync_out, told.sync_out, rtol=0, atol=1e-12)
        np.testing.assert_allclose(thought.activated_trace, told.activated_trace, rtol=0, atol=1e-12)


def test_where_an_episode_ended_histories_begin_anew() -> None:
    model, x = machine(), torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    first = model(x[0])
    done = torch.tensor([0.0, 1.0, 0.0, 1.0])
    second = model(x[1], first, done=done)
    anew, on = model(x[1]), model(x[1], first)
    for b in range(4):
        wanted = (anew if done[b] else on).sync_out[b]
        assert torch.equal(second.sync_out[b], wanted)
        assert not torch.equal(anew.sync_out[b], on.sync_out[b])


def test_a_window_forgets_what_it_no_longer_holds() -> None:
    """After M ticks nothing is left in synchrony of the post-activations before them."""
    model = machine(n_ticks=4)
    one = model(torch.ones(1, 3))
    products = torch.stack([z[0, -5:, None] * z[0, None, -5:] for z in one.post_activations]).sum(0)
    expected = products[torch.ones(5, 5).triu().bool()] / 2  # decays are 0: sqrt(beta) = sqrt(4)
    assert torch.allclose(one.sync_out[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "x"),
    [
        ({}, torch.ones(2, 3)),
        ({"synapse_depth": 4, "hidden": None}, torch.ones(2, 3)),
        ({"backbone": "grid", "n_observations": None, "layer_norm": True}, torch.ones(2, 7, 7, 3)),
    ],
)
def test_every_parameter_gets_a_gradient_and_none_is_changed(options: dict[str, Any], x: Any) -> None:
    agent = ThoughtAgent(machine(**options), n_actions=2)
    before = {name: value.clone() for name, value in agent.state_dict().items()}
    step = agent.unroll(torch.stack((x, x)))
    (step.logits.square().sum() + step.values.square().sum()).backward()
    assert not [name for name, value in agent.named_parameters() if value.grad is None]
    assert all(torch.equal(value, before[name]) for name, value in agent.state_dict().items())


def test_many_steps_are_single_steps() -> None:
    agent, generator = ThoughtAgent(machine(), n_actions=2), torch.Generator().manual_seed(3)
    x, done = torch.randn(5, 2, 3, generator=generator), torch.rand(5, 2, generator=generator) < 0.4
    steps, thought = [], None
    for seen, ended in zip(x, done, strict=True):
        steps.append(agent(seen, thought, done=ended))
        thought = steps[-1].thought
    whole = agent.unroll(x, done=done)
    assert torch.equal(whole.logits, torch.stack([step.logits for step in steps]))
    assert torch.equal(whole.values, torch.stack([step.values for step in steps]))
    assert torch.equal(whole.thought.trace, thought.trace)


def test_heads_begin_orthogonal_and_a_seed_gives_the_same_agent() -> None:
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    agent = ThoughtAgent(machine(), n_actions=3, seed=2)
    assert torch.equal(torch.rand(1), expected)
    for head in (agent.actor, agent.critic):
        for layer in (head[0], head[2], head[4]):
            w = layer.weight if layer.weight.shape[0] <= layer.weight.shape[1] else layer.weight.t()
            assert torch.allclose(w @ w.t(), torch.eye(len(w)), atol=1e-5)
            assert not layer.bias.any()
    again, other = (ThoughtAgent(machine(), n_actions=3, seed=seed) for seed in (2, 3))
    assert torch.equal(agent.actor[0].weight, again.actor[0].weight)
    assert not torch.equal(agent.actor[0].weight, other.actor[0].weight)
    names = {name.partition(".")[0] for name in agent.state_dict()}
    assert names == {"recurrent_model", "actor", "critic"}


@pytest.mark.parametrize("seed", [0, 1])
def test_it_learns_to_remember_over_steps(seed: int) -> None:
    """A cue at the first of four steps tells the action that is right at the last: only a memory can know."""
    agent = ThoughtAgent(machine(history=10, n_ticks=2, seed=seed), n_actions=2, seed=seed)
    optimizer = torch.optim.Adam(agent.parameters(), lr=5e-3)
    cue = torch.tensor([0, 1])
    x = torch.zeros(4, 2, 3)
    x[0, :, 0] = 2.0 * cue - 1
    x[3, :, 1] = 1.0
    for _ in range(60):
        step = agent.unroll(x)
        loss = torch.nn.functional.cross_entropy(step.logits[-1], cue)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        agent.constrain_()
    assert loss.item() < 0.1
    alone = agent(x[3]).logits  # without the steps before, both cues look the same
    assert torch.allclose(alone[0], alone[1], rtol=0, atol=1e-5)
