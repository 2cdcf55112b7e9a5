"""What the memories refuse, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from arcuate import memory, tasks
from arcuate.errors import ArcuateError, FitError, NonFiniteError, SpecError, UnknownNameError

AM = memory.AssociativeMemory
K, V = np.eye(3), np.ones((3, 2))
WORLD, RNG = memory.SceneWorld(seed=1), np.random.default_rng(1)
STORE, SLOW = memory.HippocampalStore(2, 1).write([[1.0, 0.0]], [[2.0]]), memory.SlowLearner(2, 1)


def refusal(call: Callable[[], Any], kind: type[ArcuateError] = SpecError) -> str:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert text.count("\n") < 4
    return text


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: AM(0, 2), "d_key = 0"),
        (lambda: AM(3, 2.5), "d_value = 2.5"),
        (lambda: AM(3, 2, rule="delat"), "'delta'"),
        (lambda: AM(3, 2, learning_rates=1.0), "'learning_rate'"),
        (lambda: AM(3, 2, rule="softmax", degree=3), "degree"),
        (lambda: AM(3, 2, learning_rate=0.0), "must be > 0"),
        (lambda: AM(3, 2, decay=1.5), "decay = 1.5"),
        (lambda: AM(3, 2, eligibility=1.0), "must be >= 0 and < 1"),
        (lambda: AM(3, 2, rule="dense", degree=1), "degree = 1"),
        (lambda: AM(3, 2, rule="softmax", beta=np.nan), "must be finite"),
        (lambda: AM(3, 2).write(np.ones((4, 2)), np.ones((4, 2))), "must have shape (any, 3)"),
        (lambda: AM(3, 2).write(K, V[:2]), "must fit 3 keys"),
        (lambda: AM(3, 2).write(K), "must fit 3 keys: (3, 2)"),
        (lambda: AM(3, 2).write(np.empty((0, 3)), np.empty((0, 2))), "at least one row"),
        (lambda: AM(3, 2).write(np.full((1, 3), np.nan), V[:1]), "must be finite"),
        (lambda: AM(3, 2).write(K, V, gain=[1.0]), "gain"),
        (lambda: AM(3, 2, rule="softmax").write(K, V, gain=[1, 1, -1]), "gain = -1"),
        (lambda: AM(3, 2).write(np.zeros((1, 3)), V[:1]), "row 0 is zero"),
        (lambda: AM(3, 2).read(np.ones((1, 2))), "queries"),
        (lambda: AM(3, 2).read(K, steps=2), "steps = 2"),
        (lambda: AM(3, 3).read(K, steps=0), "steps = 0"),
        (lambda: AM(3, 2, rule="dense").write(K, V).weights, "weights"),
        (lambda: memory.hebb_error(0, 3), "n_items = 0"),
        (lambda: memory.delta_error_by_age(5, 5, d_key=3), "< 5"),
        (lambda: memory.retrieval_error("dense", [3], d_key=4), "dense"),
        (lambda: memory.mean_capacity("hebb", [64], error=1.0), "error = 1"),
        (lambda: memory.condition([]), "phases"),
        (lambda: memory.condition(tasks.EXPERIMENTS["blocking"], rule="ridge"), "rule"),
        (lambda: memory.trace_conditioning([1], eligibility=0.0), "eligibility = 0"),
        (lambda: memory.trace_conditioning([-1], eligibility=0.5), "delays = -1"),
        (lambda: memory.heads_needed(1.0, layers=3, failure=0.1), "p = 1"),
        (lambda: memory.acquisition(-1), "trials = -1"),
        (lambda: memory.retrieval_error("delta", [3], d_key=4, passes=0), "passes = 0"),
        (
            lambda: memory.retrieval_error(lambda k, v: v, [3], d_key=4, passes=2),
            "passes, earlier and options",
        ),
        (lambda: memory.retrieval_error(lambda k, v: v[:2], [3], d_key=4), "what rule returns"),
        (lambda: memory.retrieval_error(lambda k, v: v * np.nan, [3], d_key=4), "what rule returns"),
        (lambda: memory.retrieval_error("delta", [3], d_key=4, correlation=1.0), "correlation = 1"),
        (lambda: memory.retrieval_error("delta", [3], d_key=4, earlier=-1), "earlier = -1"),
        (lambda: memory.lookup_chain(0), "heads = 0"),
        (lambda: memory.lookup_chain(1, n_items=1), "n_items = 1"),
        (lambda: memory.lookup_chain(1, d_key=0), "d_key = 0"),
        (lambda: memory.retrieval_error("hebb", 5, d_key=4), "n_items=[5]"),  # type: ignore[arg-type]
        (lambda: memory.retrieval_error("hebb", [], d_key=4), "at least one"),
        (lambda: memory.retrieval_error("hebb", [2.0], d_key=4), "n_items = 2"),
        (lambda: memory.mean_capacity("hebb", 64), "d_key=[64]"),  # type: ignore[arg-type]
        (lambda: memory.mean_capacity("hebb", [15]), "must be >= 16"),
        (lambda: memory.error_free_capacity("64"), "d_key"),  # type: ignore[arg-type]
        (lambda: memory.trace_conditioning(3, eligibility=0.5), "delays=[3]"),  # type: ignore[arg-type]
        (lambda: memory.condition(tasks.Phase(trials=("A+",))), "phases"),  # type: ignore[arg-type]
        (lambda: memory.condition(None), "phases"),  # type: ignore[arg-type]
        (lambda: memory.SequenceStore(4).replay([1, 1, 1, 1], 2), "nothing to bring back"),
        (lambda: WORLD.divergence(-WORLD.p_color), "none below 0"),
        (lambda: WORLD.divergence(5 * WORLD.p_color), "one in sum"),
        (lambda: memory.replay(None, 3, rng=RNG), "store = None"),  # type: ignore[arg-type]
        (lambda: memory.replay(STORE, 3, rng=0), "rng = 0"),  # type: ignore[arg-type]
        (lambda: memory.consolidate(STORE, SLOW, events=1, batch=0), "batch = 0"),
        (lambda: memory.consolidate(STORE, SLOW, events=1, noise=-1), "consolidate: noise = -1"),
        (lambda: memory.consolidate(STORE, None, events=1), "learner"),  # type: ignore[arg-type]
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_it_is_refused_by_name(call: Callable[[], Any], words: str) -> None:
    assert words in refusal(call)


def test_a_rule_that_does_not_exist_is_named_with_the_nearest() -> None:
    assert "Did you mean 'hopfield'?" in refusal(lambda: AM(2, 2, rule="hopfeld"), UnknownNameError)


def test_a_strength_that_grows_beyond_all_bounds_is_told() -> None:
    assert "must be < 2" in refusal(lambda: memory.acquisition(5000, learning_rate=5), NonFiniteError)


def test_growth_beyond_all_bounds_is_told_and_nothing_is_lost() -> None:
    stored = AM(1, 1, learning_rate=0.5).write([[1.0]], [[2.0]])
    before = stored.weights.copy()
    text = refusal(lambda: stored.write(np.full((2000, 1), 10.0), np.ones((2000, 1))), NonFiniteError)
    assert "at pair" in text
    assert "must be < 2" in text
    np.testing.assert_array_equal(stored.weights, before)


SMALL = memory.PMIConfig(d_model=8, n_heads=2, n_slots=5, n_segments=2)
TOKENS = np.ones((2, 3, 8))


def pmi(**changes: Any) -> memory.PMIMemory:
    return memory.PMIMemory(replace(SMALL, **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"top_k": 6}, "top_k = 6: must be <= n_slots = 5"),
        ({"top_k": 0}, "top_k = 0"),
        ({"d_model": 9}, "multiple of n_heads = 2"),
        ({"n_heads": 0}, "n_heads = 0"),
        ({"n_segments": 2.0}, "Use n_segments=2"),
        ({"alpha": 1.1}, "alpha = 1.1"),
        ({"alpha": np.nan}, "finite"),
        ({"ltm_rule": "detla"}, "'delta'"),
        ({"integration": "resid"}, "'residual'"),
        ({"gate": "units"}, "'unit'"),
        ({"scale_scores": 1}, "True or False"),
        ({"initialization": "wide"}, "'wide'"),
        ({"read_tokens": 1}, "True or False"),
        ({"output_projection": "yes"}, "True or False"),
        ({"input_projection": None}, "True or False"),
        ({"input_projection": False, "d_input": 3}, "without an input projection"),
        ({"d_ltm": 0}, "d_ltm = 0"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_configuration_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(lambda: replace(SMALL, **changes))


def test_the_official_rule_masks_nothing_where_slots_are_few() -> None:
    """As the official code, which then reads all slots."""
    assert replace(SMALL, ltm_rule="official", top_k=6).top_k == 6
    assert "tokens" in refusal(lambda: replace(SMALL, ltm_source="token"))
    assert 'ltm_rule="delta"' in refusal(lambda: replace(SMALL, ltm_rule="ring", ltm_source="tokens"))
    assert "ltm_features" in refusal(lambda: replace(SMALL, ltm_rule="none", ltm_features="softmax"))
    assert "sort_of_clevr" in refusal(lambda: memory.PMIConfig.official("sort-of-clevr"))


@pytest.mark.parametrize(
    ("tokens", "kind", "words"),
    [
        (np.ones((2, 3, 7)), SpecError, "(batch, tokens, 8)"),
        (np.ones((3, 8)), SpecError, "(batch, tokens, 8)"),
        (np.ones((0, 3, 8)), SpecError, "none of them 0"),
        (np.ones((2, 0, 8)), SpecError, "none of them 0"),
        (np.full((2, 3, 8), np.nan), NonFiniteError, "must be finite"),
        (np.full((2, 3, 8), "a"), SpecError, "real numbers"),
        (np.full((2, 3, 8), 1j), SpecError, "real numbers"),
    ],
    ids=["width", "axes", "no trial", "no token", "nan", "text", "complex"],
)
def test_tokens(tokens: np.ndarray, kind: type[ArcuateError], words: str) -> None:
    made = pmi(ltm_rule="ring")
    assert words in refusal(lambda: made.step(tokens, made.initial_state(max(len(tokens), 1))), kind)


def test_what_grows_beyond_all_bounds_is_told_with_the_step() -> None:
    w = {**pmi().parameters, "input_projector.weight": np.full((8, 8), 1e300)}
    made = memory.PMIMemory(SMALL, w)
    refuse = refusal(lambda: made.run([0 * TOKENS, 1e10 * TOKENS]), NonFiniteError)
    assert "not finite after step 2" in refuse


def test_a_state_of_another_configuration() -> None:
    made = pmi()
    step = made.step(TOKENS, made.initial_state(2))
    others = {
        "slots": pmi(n_slots=6),
        "segments": pmi(n_segments=3),
        "rule": pmi(ltm_rule="ring"),
        "none": pmi(ltm_rule="none"),
    }
    for other in others.values():
        assert "must have shape" in refusal(lambda other=other: other.step(TOKENS, step.state))
    assert "batch of 1" in refusal(lambda: made.step(TOKENS[:1], step.state))
    assert "initial_state" in refusal(lambda: made.step(TOKENS, None))  # type: ignore[arg-type]
    assert "batch = 0" in refusal(lambda: made.initial_state(0))
    assert "step = -1" in refusal(lambda: made.step(TOKENS, replace(step.state, step=-1)))
    listed = replace(step.state, working_memory=step.state.working_memory.tolist())
    assert "must be a ndarray, not list" in refusal(lambda: made.step(TOKENS, listed))
    ring = pmi(ltm_rule="ring")
    with pytest.raises(SpecError, match="holds nothing"):
        memory.retrieve(TOKENS, ring.initial_state(2), ring.parameters, config=ring.config)
    assert "at least one" in refusal(lambda: made.run([]))


def test_weights_of_another_shape() -> None:
    w = pmi().parameters
    for name in w:
        less = {key: value for key, value in w.items() if key != name}
        assert f"{name}: is missing" in refusal(lambda less=less: memory.PMIMemory(SMALL, less))
        odd = {**w, name: np.zeros((2, 9))}
        assert name in refusal(lambda odd=odd: memory.PMIMemory(SMALL, odd))
        nan = {**w, name: np.full_like(w[name], np.nan)}
        assert name in refusal(lambda nan=nan: memory.PMIMemory(SMALL, nan), NonFiniteError)
    assert "mapping" in refusal(lambda: memory.PMIMemory(SMALL, [1]))  # type: ignore[arg-type]
    assert "PMIConfig" in refusal(lambda: memory.PMIMemory(8))  # type: ignore[arg-type]
    assert "fits the configuration" in refusal(lambda: memory.PMIMemory(replace(SMALL, d_key=7), w))


def test_steps_that_make_no_recording() -> None:
    made = pmi()
    steps = made.run([TOKENS, TOKENS[:, :2]])
    refusal(lambda: memory.record_steps(steps))
    refusal(lambda: memory.record_steps([]))
    assert "'tick'" in refusal(lambda: memory.record_steps(steps[:1], axis="ticks"))


def test_an_encoder_with_too_few_states() -> None:
    state = pmi().initial_state(2)
    call = {"config": SMALL, "n_layers": 3, "states": [state, state]}
    assert "3 layers" in refusal(lambda: memory.encode(TOKENS, {}, **call))
    assert "even" in refusal(lambda: memory.positions(4, 5))


STORE = memory.HippocampalStore(2, 1)
TOKENIZER = memory.SpikeStateTokenizer(3, 4)
THOUGHT = memory.ConsciousBottleneck(k=1).fit([[0, 0], [1, 1]], targets=[1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: memory.HippocampalStore(2, 1, n_units=10, n_active=11), "n_active = 11"),
        (lambda: STORE.write([[1.0]], [[1.0]]), "must have shape (any, 2)"),
        (lambda: STORE.write([[1.0, np.nan]], [[1.0]]), "must be finite"),
        (lambda: STORE.write(np.empty((0, 2)), np.empty((0, 1))), "at least one row"),
        (lambda: memory.replay(STORE, 1, rng=np.random.default_rng(0)), "holds nothing"),
        (lambda: memory.consolidate(STORE, memory.SlowLearner(2, 1), events=0), "events = 0"),
        (lambda: memory.SlowLearner(2, 1, learning_rate=-1.0), "must be > 0"),
        (lambda: memory.SlowLearner(2, 1).write([[1.0, 2.0]], [[1.0, 2.0]]), "must have shape (1, 1)"),
        (lambda: memory.SpikeStateTokenizer(3, 4, tau=20), "20 ms"),
        (lambda: memory.SpikeStateTokenizer(3, 1), "d_out = 1"),
        (lambda: TOKENIZER.tokens([0.2, 0.1], [0, 0], duration="1 s"), "ascend"),
        (lambda: TOKENIZER.tokens([0.1], [3], duration="1 s"), "neurons = 3"),
        (lambda: TOKENIZER.tokens([0.1], [0], duration="10 ms"), "shorter sample_every"),
        (lambda: TOKENIZER.tokens([0.1], [0], duration="-1 s"), "duration"),
        (lambda: memory.bursts([-0.1], duration="1 s"), "must be >= 0"),
        (lambda: memory.ConsciousBottleneck(k=0), "k = 0"),
        (lambda: memory.ConsciousBottleneck(k=2).fit([[0, 1]], targets=[1]), "k = 2"),
        (lambda: memory.ConsciousBottleneck(k=1).fit([[0, 2]], targets=[1]), "0 and 1"),
        (lambda: memory.ConsciousBottleneck(k=1).fit([[0, 1]], targets=[2]), "targets = 2"),
        (lambda: memory.ConsciousBottleneck(k=8).fit(np.eye(60), targets=[2]), "more than"),
        (lambda: THOUGHT.predict_proba([[1]], query=1), "more than 1 variables"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_stores_tokens_and_thoughts(call: Callable[[], Any], words: str) -> None:
    assert words in refusal(call)


BRAIN = memory.TensorBrain({"entity": 3, "color": 2}, d_sensory=2, d_model=4)
ASK = ["feed entity", "measure color"]
LABELS = {"entity": [0, 1], "color": [1, 0]}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: memory.TensorBrain({}, d_sensory=2), "must name a group"),
        (lambda: memory.TensorBrain({"entity": 0}, d_sensory=2), "groups['entity'] = 0"),
        (lambda: memory.TensorBrain({"a b": 1}, d_sensory=2), "without spaces"),
        (lambda: memory.TensorBrain({"a": 1}, d_sensory=0), "d_sensory = 0"),
        (lambda: BRAIN.start(0), "n = 0"),
        (lambda: BRAIN.evolve(np.ones((2, 5))), "state"),
        (lambda: BRAIN.sense(BRAIN.start(1), [[1.0, np.nan]]), "must be finite"),
        (lambda: BRAIN.sense(BRAIN.start(1), [[1.0]]), "must have shape (1, 2)"),
        (lambda: BRAIN.measure(BRAIN.start(1), "colour"), "'color'"),
        (lambda: BRAIN.feed(BRAIN.start(1), "color", [2]), "must be >= 0 and < 2"),
        (lambda: BRAIN.feed(BRAIN.start(1), "color", [[1.0]]), "must have shape (1, 2)"),
        (lambda: BRAIN.recall([0]), "must be >= 0 and < 0"),
        (lambda: BRAIN.run("evolve"), "must be a list of operations"),
        (lambda: BRAIN.run([]), "must be a list of operations"),
        (lambda: BRAIN.run(["evolv"]), "'evolve'"),
        (lambda: BRAIN.run([3]), "operation"),  # type: ignore[list-item]
        (lambda: BRAIN.run(["measure"]), "'measure GROUP as LABEL'"),
        (lambda: BRAIN.run(["sense entity"]), "must be 'sense'"),
        (lambda: BRAIN.run(["feed entity"]), "neither given nor measured"),
        (lambda: BRAIN.run(["sense"]), "sensory: is needed"),
        (lambda: BRAIN.run(["feed entity"], {"entity": []}), "n = 0"),
        (lambda: BRAIN.fit(ASK, LABELS), "list of programs"),
        (lambda: BRAIN.fit([["evolve"]], LABELS), "must measure something"),
        (lambda: BRAIN.fit([["feed entity"]], LABELS), "must measure something"),
        (lambda: BRAIN.fit([ASK], {**LABELS, "color": [1]}), "must have shape (2,)"),
        (lambda: BRAIN.fit([ASK], {"entity": [0]}), "labels['color']"),
        (lambda: BRAIN.fit([ASK], LABELS, batch=0), "batch = 0"),
        (lambda: BRAIN.fit([ASK], LABELS, learning_rate=0), "must be > 0"),
        (lambda: BRAIN.loss(["sense", "measure color"], LABELS), "sensory: is needed"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_symbols_and_programs(call: Callable[[], Any], words: str) -> None:
    assert words in refusal(call)


def test_a_brain_that_grows_beyond_all_bounds() -> None:
    brain = memory.TensorBrain({"entity": 3, "color": 2}, d_sensory=2, d_model=4)
    call = lambda: brain.fit([ASK], LABELS, n_steps=9, learning_rate=1e308)  # noqa: E731
    assert "step 2" in refusal(call, NonFiniteError)


def test_a_question_that_was_not_learned() -> None:
    assert "was no target" in refusal(lambda: THOUGHT.select(0), FitError)
