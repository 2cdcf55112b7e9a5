"""PMI memories: shapes, masks, gates, every rule against a slow loop, and what the official rule keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from arcuate.memory import (
    AssociativeMemory,
    PMIConfig,
    PMIMemory,
    PMIState,
    attend,
    draw_parameters,
    pmi_step,
    recall,
    record_steps,
    remember,
)
from arcuate.memory.pmi import INTEGRATIONS, LTM_RULES, _largest

SMALL = PMIConfig(d_model=12, n_heads=3, n_slots=4, n_segments=3, d_key=5, top_k=2, d_input=7, d_ltm=6)
X = np.random.default_rng(0).standard_normal((4, 2, 6, 7))


def softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("gate", ["unit", "memory", "none"])
@pytest.mark.parametrize("rule", LTM_RULES)
def test_shapes_and_gates(rule: str, gate: str) -> None:
    config = replace(SMALL, ltm_rule=rule, gate=gate)
    for step in PMIMemory(config, seed=1).run(X):
        assert step.understanding.shape == (2, 6, 12)
        assert step.state.working_memory.shape == step.candidate.shape == (2, 4, 12)
        assert getattr(step.state.long_term_memory, "shape", None) == config.ltm_shape(2)
        assert step.write.probabilities.shape == (2, 3, 4, 6)
        assert (step.long_read is None) == (rule == "none")
        if gate == "none":
            assert step.input_gate is step.forget_gate is None
        else:
            for part in (step.input_gate, step.forget_gate):
                assert part is not None
                assert part.shape == (2, 4, 12 if gate == "unit" else 1)
                assert ((part > 0) & (part < 1)).all()


@pytest.mark.parametrize(("top_k", "n_tokens", "kept"), [(2, 6, 2), (4, 3, 3), (1, 6, 1), (None, 6, 6)])
def test_a_slot_reads_as_many_tokens_as_it_may(top_k: int | None, n_tokens: int, kept: int) -> None:
    memory = PMIMemory(replace(SMALL, top_k=top_k), seed=2)
    step = memory.step(X[0][:, :n_tokens], memory.initial_state(2))
    mask = np.ones_like(step.write.probabilities) if step.write.mask is None else step.write.mask
    assert ((step.write.probabilities * mask > 0).sum(axis=-1) == kept).all()
    if step.write.mask is not None:
        dropped = np.where(mask, -1.0, step.write.probabilities).max(axis=-1)
        assert (np.where(mask, step.write.probabilities, 2.0).min(axis=-1) >= dropped).all()


def test_equal_tokens_leave_no_more_than_may_be() -> None:
    memory = PMIMemory(SMALL, seed=3)
    step = memory.step(np.ones((1, 6, 7)), memory.initial_state(1))
    assert step.write.mask is not None
    assert (step.write.mask.sum(axis=-1) == 2).all()


def test_a_fresh_memory_keeps_three_quarters() -> None:
    config = PMIConfig(d_model=64, n_heads=4)
    for seed in range(3):
        memory = PMIMemory(config, seed=seed)
        step = memory.step(np.random.default_rng(seed).standard_normal((8, 9, 64)), memory.initial_state(8))
        assert step.forget_gate is not None
        assert step.forget_gate.mean() == pytest.approx(0.73, abs=0.1)


@pytest.mark.parametrize("integration", INTEGRATIONS)
@pytest.mark.parametrize("rule", LTM_RULES)
def test_the_first_tokens_alone_are_understood_as_among_all(rule: str, integration: str) -> None:
    config = replace(SMALL, ltm_rule=rule, integration=integration, read_tokens=True)
    memory = PMIMemory(config, seed=6)
    x, state = X[0], memory.initial_state(2)
    whole = pmi_step(x, state, memory.parameters, config=config)
    few = pmi_step(x, state, memory.parameters, config=config, n_read=2)
    assert few.understanding.shape == (2, 2, 12)
    np.testing.assert_allclose(few.understanding, whole.understanding[:, :2], rtol=0, atol=1e-14)
    np.testing.assert_array_equal(few.state.working_memory, whole.state.working_memory)


def test_tokens_that_read_each_other() -> None:
    """Written out anew: keys and values are the slots and the tokens; an affine map joins the heads."""
    config = replace(SMALL, ltm_rule="none", read_tokens=True, output_projection=True)
    memory = PMIMemory(config, seed=5)
    w, step = memory.parameters, memory.run(X[:1])[0]
    for b in range(2):
        x = X[0, b] @ w["input_projector.weight"].T + w["input_projector.bias"]
        rows = np.concatenate((step.state.working_memory[b], x))
        q = (x @ w["query_proj.weight"].T + w["query_proj.bias"]) / np.sqrt(5)
        k, v = (rows @ w[f"{name}_proj.weight"].T + w[f"{name}_proj.bias"] for name in ("key", "value"))
        heads = [
            softmax(q[:, 5 * j : 5 * j + 5] @ k[:, 5 * j : 5 * j + 5].T) @ v[:, 4 * j : 4 * j + 4]
            for j in range(3)
        ]
        joined = np.concatenate(heads, axis=1) @ w["output_projector.weight"].T + w["output_projector.bias"]
        np.testing.assert_allclose(step.understanding[b], joined, atol=1e-12)


@pytest.mark.parametrize("rule", ["none", "delta", "ring", "official", "stm"])
def test_without_an_input_projection_it_is_as_with_the_identity(rule: str) -> None:
    config = replace(SMALL, ltm_rule=rule, input_projection=False, d_input=None)
    x = np.random.default_rng(4).standard_normal((2, 2, 6, 12))
    bare = PMIMemory(config, seed=5)
    assert not any(name.startswith("input_projector") for name in bare.parameters)
    same = {"input_projector.weight": np.eye(12), "input_projector.bias": np.zeros(12)}
    full = PMIMemory(replace(config, input_projection=True), {**bare.parameters, **same})
    for one, other in zip(bare.run(x), full.run(x), strict=True):
        np.testing.assert_array_equal(one.understanding, other.understanding)
        np.testing.assert_array_equal(one.state.working_memory, other.state.working_memory)


def test_start_values_that_keep_the_variance() -> None:
    config = PMIConfig(d_model=64, n_heads=4, output_projection=True)
    official, unit = (
        draw_parameters(replace(config, initialization=name), seed=3) for name in ("official", "unit")
    )
    x = np.random.default_rng(0).standard_normal((4000, 64))
    for name in official:
        projects = name.endswith(("_proj.weight", "input_projector.weight", "output_projector.weight"))
        factor = np.sqrt(3) if projects else 0.0 if name == "ltm_out.weight" else 1.0
        np.testing.assert_allclose(unit[name], factor * official[name], rtol=1e-12)
        if projects:
            assert (x @ unit[name].T).var() == pytest.approx(1, abs=0.1)


def test_of_equal_weights_the_first_are_kept() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(2).integers(4, size=(50, 3, 9)) / 4
    order = np.argsort(-x, axis=-1, kind="stable")
    expected = np.argsort(order, axis=-1) < 4
    np.testing.assert_array_equal(_largest(x, 4), expected)
    np.testing.assert_array_equal(_largest(torch.from_numpy(x), 4).numpy(), expected)


@pytest.mark.parametrize("repaired", [False, True])
@pytest.mark.parametrize("integration", INTEGRATIONS)
@pytest.mark.parametrize("rule", LTM_RULES)
def test_torch_gives_the_same(rule: str, integration: str, repaired: bool) -> None:
    torch = pytest.importorskip("torch")
    options = {"read_tokens": repaired, "output_projection": repaired}
    memory = PMIMemory(replace(SMALL, ltm_rule=rule, integration=integration, **options), seed=4)
    weights = {name: torch.from_numpy(value).float() for name, value in memory.parameters.items()}
    start = memory.initial_state(2, seed=1)
    long = None if start.long_term_memory is None else torch.from_numpy(start.long_term_memory).float()
    state = PMIState(working_memory=torch.from_numpy(start.working_memory).float(), long_term_memory=long)
    for x, expected in zip(X, memory.run(X, start), strict=True):
        step = pmi_step(torch.from_numpy(x).float(), state, weights, config=memory.config)
        state = step.state
        np.testing.assert_allclose(step.understanding.numpy(), expected.understanding, rtol=0, atol=1e-5)


def test_without_a_long_term_memory_it_is_a_shared_workspace() -> None:
    """Written out anew: slots read the two best tokens, and all tokens read the slots (Goyal et al. 2022)."""
    memory = PMIMemory(replace(SMALL, ltm_rule="none"), seed=5)
    w, step = memory.parameters, memory.run(X[:1])[0]

    def lin(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: np.ndarray) -> np.ndarray:
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)

    def read(q: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
        out = np.zeros((len(q), 12))
        for i, j in np.ndindex(len(q), 3):
            asked = lin(q, "query_proj")[i, 5 * j : 5 * j + 5]
            p = softmax(lin(rows, "key_proj")[:, 5 * j : 5 * j + 5] @ asked / np.sqrt(5))
            best = np.argsort(p)[::-1][:k]
            out[i, 4 * j : 4 * j + 4] = p[best] @ lin(rows, "value_proj")[best, 4 * j : 4 * j + 4]
        return out

    for b in range(2):
        x, m = lin(X[0, b], "input_projector"), np.eye(4, 12)
        z = norm(m + read(m, x, 2))
        y = z
        for _ in range(4):
            y = np.maximum(lin(y, "attention_mlp.0"), 0)
        candidate = norm(z + y)
        seen = np.maximum(w["input_gate_projector.w"] * x, 0).mean(axis=0)
        both = lin(seen, "input_gate_projector.linear") + w["memory_gate_projector.bias"]
        both = both + np.einsum("nd,nde->ne", np.tanh(m), w["memory_gate_projector.weight"])
        opened, kept = 1 / (1 + np.exp(-both[:, :12])), 1 / (1 + np.exp(-both[:, 12:] - 1))
        slots = opened * np.tanh(candidate) + kept * m
        np.testing.assert_allclose(step.state.working_memory[b], slots, atol=1e-12)
        np.testing.assert_allclose(step.understanding[b], read(x, slots, 4), atol=1e-12)


def test_fast_weights_of_tokens_by_cells() -> None:
    """One step, written out: what is stored are the tokens, and keys are softmax codes of length one."""
    config = replace(SMALL, ltm_rule="delta", ltm_source="tokens", ltm_features="softmax")
    memory = PMIMemory(replace(config, integration="direct", alpha=0), seed=6)
    w = memory.parameters
    step = memory.run(X[:1])[0]
    x = X[0, 0] @ w["input_projector.weight"].T + w["input_projector.bias"]

    def code(name: str, c: int) -> np.ndarray:
        cells = softmax(x @ w[name][c].T)
        return cells / np.linalg.norm(cells, axis=-1, keepdims=True)

    rate = 1 / (1 + np.exp(-(x @ w["ltm_rate.weight"].T + w["ltm_rate.bias"])))
    values = x @ w["ltm_value.weight"].T
    held = [2 / 6 * (rate * code("ltm_key.weight", c)).T @ values for c in range(3)]
    np.testing.assert_allclose(step.state.long_term_memory[0], held, atol=1e-12)
    read = np.concatenate([code("ltm_query.weight", c) @ held[c] for c in range(3)], axis=-1)
    np.testing.assert_allclose(step.understanding[0], read @ w["ltm_out.weight"].T, atol=1e-12)


@pytest.mark.parametrize(("features", "most"), [("linear", 5), ("softmax", 24)])
def test_a_softmax_has_more_keys_than_the_width_of_a_token(features: str, most: int) -> None:
    """Thirty tokens of width 5: linear keys have rank 5, cells as many as there are."""
    config = PMIConfig(d_model=5, n_heads=1, n_slots=5, d_ltm=24, n_segments=1, ltm_features=features)
    w = dict(PMIMemory(config, seed=1).parameters)
    w["ltm_key.weight"] = 5 * np.random.default_rng(2).standard_normal((1, 24, 5))
    state = PMIMemory(config).initial_state(1)
    tokens = np.random.default_rng(3).standard_normal((30, 5))
    written = [remember(state, token[None, None], w, config=config)[0, 0].sum(axis=1) for token in tokens]
    assert np.linalg.matrix_rank(np.array(written), tol=1e-9) == most


@pytest.mark.parametrize("rule", ["hebb", "delta"])
def test_fast_weights_are_pairs_stored_side_by_side(rule: str) -> None:
    memory = PMIMemory(replace(SMALL, ltm_rule=rule), seed=6)
    w, rng = memory.parameters, np.random.default_rng(6)
    state, x = memory.initial_state(1), rng.standard_normal((1, 5, 12))
    expected = np.zeros((3, 6, 12))
    for step in range(3):
        m = rng.standard_normal((1, 4, 12))
        new = remember(state, m, w, config=memory.config)
        state = PMIState(working_memory=m, long_term_memory=new, step=step + 1)
        before = expected.copy()
        for c, n in np.ndindex(3, 4):
            a = w["ltm_key.weight"][c] @ m[0, n]
            a /= np.linalg.norm(a)
            rate = 1 / (1 + np.exp(-(w["ltm_rate.weight"][0] @ m[0, n] + w["ltm_rate.bias"][0])))
            v = w["ltm_value.weight"] @ m[0, n] - (before[c].T @ a if rule == "delta" else 0)
            expected[c] += 2 / 4 * rate * np.outer(a, v)
        np.testing.assert_allclose(new[0], expected, atol=1e-12)
    asked = np.einsum("td,ced->cte", x[0], w["ltm_query.weight"])
    asked /= np.linalg.norm(asked, axis=-1, keepdims=True)
    read = np.concatenate([q @ part for q, part in zip(asked, expected, strict=True)], axis=-1)
    found, attention = recall(x, state, w, config=memory.config)
    np.testing.assert_allclose(found[0], read @ w["ltm_out.weight"].T, atol=1e-9)
    assert attention is None


def test_relations_are_products_of_slots_with_slots() -> None:
    memory = PMIMemory(replace(SMALL, ltm_rule="stm"), seed=7)
    w, rng = memory.parameters, np.random.default_rng(7)
    m, start = rng.standard_normal((1, 4, 12)), memory.initial_state(1)
    parts = [m[0] @ w[f"stm_{name}.weight"].T for name in ("query", "key", "value")]
    q, k, v = ((p - p.mean(-1, keepdims=True)) / np.sqrt(p.var(-1, keepdims=True) + 1e-5) for p in parts)
    expected = np.zeros((4, 6, 12))
    for s, j in np.ndindex(4, 4):
        expected[s] += np.outer(np.tanh(q[s] * k[j]), v[j]) / 4
    found = remember(start, m, w, config=memory.config)
    np.testing.assert_allclose(found[0], expected, atol=1e-12)
    x = rng.standard_normal((1, 2, 12))
    state = PMIState(working_memory=m, long_term_memory=found, step=1)
    read = []
    for token in x[0]:
        e = softmax((w["stm_slots.weight"] @ token).reshape(3, 4))
        f = (w["stm_read.weight"] @ token).reshape(3, 6)
        f = f / np.linalg.norm(f, axis=1, keepdims=True)
        heads = [sum(e[h, n] * f[h] @ expected[n] for n in range(4)) for h in range(3)]
        read.append(w["stm_out.weight"] @ np.concatenate(heads))
    np.testing.assert_allclose(recall(x, state, w, config=memory.config)[0][0], read, atol=1e-9)


def test_a_ring_keeps_the_last_candidates() -> None:
    memory = PMIMemory(replace(SMALL, ltm_rule="ring"), seed=8)
    steps = memory.run(np.concatenate((X, X[::-1])))
    kept = {c: steps[t].candidate for c, t in ((0, 6), (1, 7), (2, 5))}
    last = steps[-1]
    for c, candidate in kept.items():
        np.testing.assert_array_equal(last.state.long_term_memory[:, c], candidate)
    assert [step.long_attention.probabilities.shape[-1] for step in steps[:4]] == [4, 8, 12, 12]
    rows = last.state.long_term_memory.reshape(2, 12, 12)
    x = X[0] @ memory.parameters["input_projector.weight"].T + memory.parameters["input_projector.bias"]
    expected = attend(x, rows, memory.parameters, config=memory.config)
    np.testing.assert_allclose(last.long_read, expected.read, atol=1e-12)


def test_the_official_long_term_memory_is_one_frozen_candidate() -> None:
    """At its first weights: all segments are the first candidate, and later writes change nothing."""
    memory = PMIMemory(PMIConfig.official("sort_of_clevr", d_model=64), seed=9)
    steps = memory.run(np.random.default_rng(9).standard_normal((3, 2, 9, 64)), seed=9)
    first, second, third = (step.state.long_term_memory for step in steps)
    unit = first / np.linalg.norm(first, axis=-1, keepdims=True)
    assert (unit[:, :1] * unit).sum(axis=-1).min() > 0.999
    candidate = steps[0].candidate / np.linalg.norm(steps[0].candidate, axis=-1, keepdims=True)
    assert (unit * candidate[:, None]).sum(axis=-1).min() > 0.999
    for before, after in ((first, second), (second, third)):
        assert np.linalg.norm(after - before) < 1e-4 * np.linalg.norm(before)


@pytest.mark.parametrize("integration", INTEGRATIONS)
def test_a_correction_can_only_say_what_the_working_memory_says(integration: str) -> None:
    """With the published correction, whatever is in the long-term memory, what comes out lies, in each head,
    among the values of the working memory's reads."""
    config = replace(SMALL, ltm_rule="delta", integration=integration, alpha=0.0)
    memory = PMIMemory(config, seed=10)
    w, state = memory.parameters, memory.run(X[:2])[-1].state
    escaped = []
    for scale in (0.0, 1.0, 50.0):
        other = replace(state, long_term_memory=scale * np.sign(state.long_term_memory))
        step = memory.step(X[2], other)
        values = step.working_read.read @ w["value_proj.weight"].T + w["value_proj.bias"]
        for head in range(3):
            part = slice(4 * head, 4 * head + 4)
            low, high = (f(values[..., part], axis=1, keepdims=True) for f in (np.min, np.max))
            out = step.understanding[..., part]
            escaped.append(((out < low - 1e-12) | (out > high + 1e-12)).any())
    assert any(escaped) == (integration != "correction")


def stored_and_recalled(rule: str, n: int, seed: int) -> float:
    """Blocks of 8 rows, a key and a value each, are stored; the share of values that keys find again."""
    rng, d = np.random.default_rng(seed), 64
    rows = rng.standard_normal((n, 2, d))
    rows = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).reshape(n, 2 * d)
    blocks = rows.reshape(-1, 8, 2 * d)
    if rule in ("hebb", "delta"):
        said = AssociativeMemory(d, d, rule=rule).write(rows[:, :d], rows[:, d:]).read(rows[:, :d])
        return float(((said @ rows[:, d:].T).argmax(axis=1) == np.arange(n)).mean())
    kept = blocks[-1]
    if rule != "working":
        config = PMIConfig(d_model=2 * d, n_heads=1, ltm_rule=rule)
        norm = "attended_memory_layernorm3"
        identity = {f"{norm}.weight": np.ones(2 * d), f"{norm}.bias": np.zeros(2 * d)}
        state = PMIMemory(config).initial_state(1, seed=seed)
        for step, block in enumerate(blocks):
            new = remember(state, block[None], identity, config=config)
            state = replace(state, long_term_memory=new, step=step + 1)
        memory: Any = state.long_term_memory
        kept = memory.mean(axis=1)[0] if rule == "official" else memory.reshape(-1, 2 * d)
    nearest = (rows[:, :d] @ kept[:, :d].T).argmax(axis=1)
    return float(((kept[nearest, d:] @ rows[:, d:].T).argmax(axis=1) == np.arange(n)).mean())


@pytest.mark.parametrize("n", [8, 16, 24, 40, 64, 128, 256])
def test_storage_without_training(n: int) -> None:
    """A working memory and the official rule keep one block, a ring keeps as many as it has segments."""
    for seed in range(3):
        assert stored_and_recalled("working", n, seed) == pytest.approx(8 / n)
        assert stored_and_recalled("official", n, seed) == pytest.approx(8 / n)
        assert stored_and_recalled("ring", n, seed) == pytest.approx(min(1, 40 / n))
    for rule, expected in {
        "hebb": {8: 1, 16: 1, 24: 1, 40: 1, 64: 1, 128: 0.98, 256: 0.77},
        "delta": {8: 1, 16: 1, 24: 1, 40: 0.98, 64: 0.9, 128: 0.55, 256: 0.26},
    }.items():
        found = np.mean([stored_and_recalled(rule, n, seed) for seed in range(10)])
        assert found == pytest.approx(expected[n], abs=0.03)


def test_steps_as_a_recording(tmp_path: Any) -> None:
    for rule in ("official", "none"):
        steps = PMIMemory(replace(SMALL, ltm_rule=rule), seed=11).run(X)
        recording = record_steps(steps, axis="layer", source="numpy")
        table = recording.states("pmi/working_memory")
        assert table["M_w"].dims == ("trial", "layer", "unit")
        slot = table["M_w"].isel(trial=1, layer=2).values[table["slot"].values == 3]
        np.testing.assert_array_equal(slot, steps[2].state.working_memory[1, 3])
        write = recording.states("pmi/write")
        assert write["probability"].shape == (2, 4, 3 * 4 * 6)
        assert write["mask"].values.sum() == 2 * 4 * 3 * 4 * 2
        assert ("pmi/long_term_memory" in recording.sites) == (rule != "none")
    recording.save(tmp_path / "steps.nc")
    last = record_steps(PMIMemory(replace(SMALL, ltm_rule="ring"), seed=11).run(X)).states("pmi/long_read")
    assert np.isnan(last["probability"].isel(tick=0)).sum() == 2 * 3 * 6 * 8
    assert not np.isnan(last["probability"].isel(tick=2)).any()


def test_draws_depend_on_the_seed_and_the_name_alone() -> None:
    one, two = (PMIMemory(replace(SMALL, ltm_rule=rule), seed=3).parameters for rule in ("delta", "none"))
    for name, value in two.items():
        np.testing.assert_array_equal(value, one[name])
    other = PMIMemory(SMALL, seed=4).parameters
    assert (other["key_proj.weight"] != one["key_proj.weight"]).all()
