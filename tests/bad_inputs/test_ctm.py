"""What a Continuous Thought Machine refuses, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arcuate import ctm
from arcuate.errors import ArcuateError, CapabilityError, NonFiniteError, SpecError

Weights = dict[str, np.ndarray]


def weights(*, attention: bool = True, windowed: bool = False) -> Weights:
    """A small model of 6 neurons with a history of 3 and a width of 4, its numbers at random."""
    shapes: dict[str, tuple[int, ...]] = {
        "start_trace": (6, 3),
        "decay_params_out": (3,),
        "synapses.1.weight": (12, 10),
        "synapses.1.bias": (12,),
        "synapses.3.weight": (6,),
        "synapses.3.bias": (6,),
        "trace_processor.0.0.w1": (3, 2, 6),
        "trace_processor.0.0.b1": (1, 6, 2),
        "trace_processor.0.0.T": (1,),
    }
    shapes |= {"start_activated_trace": (6, 3)} if windowed else {"start_activated_state": (6,)}
    if not windowed:
        shapes |= {"output_projector.0.weight": (4, 3), "output_projector.0.bias": (4,)}
    if attention:
        shapes |= {
            "kv_proj.0.weight": (4, 5),
            "kv_proj.0.bias": (4,),
            "kv_proj.1.weight": (4,),
            "kv_proj.1.bias": (4,),
            "q_proj.weight": (4, 3),
            "q_proj.bias": (4,),
            "decay_params_action": (3,),
            "attention.in_proj_weight": (12, 4),
            "attention.in_proj_bias": (12,),
            "attention.out_proj.weight": (4, 4),
            "attention.out_proj.bias": (4,),
        }
    rng = np.random.default_rng(1)
    w: Weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    for role in ("out", "action") if attention else ("out",):
        w[f"{role}_neuron_indices_left"] = np.array([0, 1, 2])
        w[f"{role}_neuron_indices_right"] = np.array([3, 4, 5])
    return w


X = np.linspace(-1.0, 1.0, 2 * 5 * 7).reshape(2, 5, 7)


def refusal(call: Callable[[], Any], kind: type[ArcuateError]) -> str:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert text.count("\n") < 4
    return text


@pytest.mark.parametrize("ticks", [0, -1, 2.5, True, None])
def test_ticks(ticks: Any) -> None:
    assert "ticks" in refusal(lambda: ctm.forward(X, weights(), ticks=ticks), SpecError)
    window = weights(attention=False, windowed=True)
    assert "ticks" in refusal(lambda: ctm.forward_window(np.ones((1, 4)), window, ticks=ticks), SpecError)


@pytest.mark.parametrize(
    ("selection", "n", "fix"),
    [("random-pairing", 22, "n <= 21"), ("random", 7, "n <= 6"), ("first-last", 7, "n <= 6")],
)
def test_more_pairs_than_exist(selection: str, n: int, fix: str) -> None:
    text = refusal(lambda: ctm.draw_neurons(selection, n, n_neurons=6), SpecError)
    assert "6 neurons have 21" in text
    assert fix in text
    assert ctm.draw_neurons(selection, n - 1, n_neurons=6)[0].shape == (n - 1,)


def test_other_selections() -> None:
    assert "random-pairing" in refusal(lambda: ctm.draw_neurons("random-pair", 2, n_neurons=6), SpecError)
    refusal(lambda: ctm.draw_neurons("random", 0, n_neurons=6), SpecError)
    refusal(lambda: ctm.draw_neurons("random-pairing", 3, n_neurons=6, n_self=3), SpecError)
    refusal(lambda: ctm.draw_neurons("first-last", 3, n_neurons=6, n_self=1), SpecError)
    assert "3 or 6" in refusal(lambda: ctm.pair_list(np.arange(3), np.arange(3), 4), SpecError)
    refusal(lambda: ctm.windowed_synchrony(np.ones((1, 2, 0)), np.zeros(1), (0, 1)), SpecError)


def test_decays_out_of_range_are_taken_for_the_nearest_in_it() -> None:
    """As in the official code: synchrony neither grows without bound nor overflows."""
    w, clipped = weights(), weights()
    w["decay_params_out"][:] = -3.0, 1e30, 0.5
    clipped["decay_params_out"][:] = 0.0, 15.0, 0.5
    np.testing.assert_array_equal(
        ctm.forward(X, w, ticks=30).sync_out, ctm.forward(X, clipped, ticks=30).sync_out
    )
    for value in (np.nan, np.inf, -np.inf):
        w["decay_params_out"][0] = value
        assert "decay_params_out" in refusal(lambda: ctm.forward(X, w, ticks=1), NonFiniteError)


@pytest.mark.parametrize("length", [2, 4])
def test_a_history_of_another_length(length: int) -> None:
    w = weights()
    w["start_trace"] = np.ones((6, length))
    text = refusal(lambda: ctm.forward(X, w, ticks=1), SpecError)
    assert "trace_processor.0.0.w1" in text
    assert f"({length}, 2, 6)" in text
    window = weights(attention=False, windowed=True)
    x = np.ones((1, 4))
    before = ctm.forward_window(x, window, ticks=1)
    short = ctm.WindowThought(**{**vars(before), "trace": np.ones((1, 6, length))})
    assert "trace" in refusal(lambda: ctm.forward_window(x, window, short, ticks=1), SpecError)
    assert "trace" in refusal(lambda: ctm.forward_window(np.ones((2, 4)), window, before, ticks=1), SpecError)


def test_features_of_another_width() -> None:
    text = refusal(lambda: ctm.forward(X[:, :4], weights(), ticks=1), SpecError)
    assert "4 features" in text
    assert "takes 5" in text
    plain = weights(attention=False)
    assert "takes 4" in refusal(lambda: ctm.forward(np.ones((2, 3)), plain, ticks=1), SpecError)
    refusal(lambda: ctm.forward(np.ones((2, 3, 4)), plain, ticks=1), SpecError)
    refusal(lambda: ctm.forward(np.ones(4), plain, ticks=1), SpecError)
    refusal(lambda: ctm.forward(np.ones((0, 4)), plain, ticks=1), SpecError)
    refusal(lambda: ctm.forward(np.array([["a"]]), plain, ticks=1), SpecError)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_input_that_is_not_finite(value: float) -> None:
    x = X.copy()
    x[1, 2, 3] = value
    text = refusal(lambda: ctm.forward(x, weights(), ticks=5), NonFiniteError)
    assert "[1, 2, 3]" in text
    assert "tick 1" in text


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_activity_that_overflows_names_the_tick(engine: str) -> None:
    w = weights(attention=False)
    w["start_activated_state"][:] = 0.0  # so that the first tick is spared
    w["synapses.1.weight"][:, 4:] = 1e308
    w["trace_processor.0.0.w1"][:] = 0.0
    w["trace_processor.0.0.b1"][:] = 5.0
    w["trace_processor.0.0.T"][:] = 1.0
    text = refusal(lambda: ctm.forward(np.ones((2, 4)), w, ticks=5, engine=engine), NonFiniteError)
    assert "at tick 2, trial 0, neuron 0" in text


@pytest.mark.parametrize("name", sorted(weights()))
def test_the_first_parameter_that_does_not_fit_is_named(name: str) -> None:
    missing = {key: value for key, value in weights().items() if key != name}
    if name != "kv_proj.0.weight":  # without it, it is a model that reads no tokens
        text = refusal(lambda: ctm.forward(X, missing, ticks=1), SpecError)
        assert name.split(".")[0] in text
    other = weights()
    other[name] = np.ones((7, *other[name].shape[1:]), other[name].dtype)
    refusal(lambda: ctm.forward(X, other, ticks=1), SpecError)
    if other[name].dtype.kind == "f":
        other = weights()
        other[name].flat[0] = np.nan
        assert name in refusal(lambda: ctm.forward(X, other, ticks=1), NonFiniteError)
    else:
        other[name] = np.array([0, 1, 6])
        assert name in refusal(lambda: ctm.forward(X, other, ticks=1), SpecError)


@pytest.mark.parametrize("parameters", [None, [1.0], "weights", {}, {"start_trace": "text"}])
def test_what_is_no_set_of_parameters(parameters: Any) -> None:
    refusal(lambda: ctm.forward(X, parameters, ticks=1), SpecError)


def test_a_parameter_that_numpy_cannot_read() -> None:
    class Elsewhere:
        def __array__(self, *_: Any, **__: Any) -> np.ndarray:
            raise RuntimeError("not here")

    text = refusal(lambda: ctm.forward(X, weights() | {"q_proj.bias": Elsewhere()}, ticks=1), SpecError)
    assert "q_proj.bias" in text


@pytest.mark.parametrize("heads", [0, 3, 5, 1.0])
def test_heads(heads: Any) -> None:
    assert "heads" in refusal(lambda: ctm.forward(X, weights(), ticks=1, heads=heads), SpecError)


@pytest.mark.parametrize("shape", [(3,), (4, 1), (2, 3), (), "ab", None])
def test_shapes_of_a_prediction(shape: Any) -> None:
    assert "shape" in refusal(lambda: ctm.forward(X, weights(), ticks=1, shape=shape), SpecError)


def test_what_is_for_torch_alone() -> None:
    w = weights() | {"backbone.0.weight": np.ones(1)}
    assert "backbone" in refusal(lambda: ctm.forward(X, w, ticks=1), CapabilityError)
    w = weights() | {"positional_embedding.table": np.ones((5, 4))}
    assert "positions" in refusal(lambda: ctm.forward(X, w, ticks=1), CapabilityError)
    w = weights() | {"backbone.embedding.weight": np.ones((2, 5))}
    assert "+1 and -1" in refusal(lambda: ctm.forward(np.full((1, 5), 3), w, ticks=1), SpecError)
    assert "float64" in refusal(lambda: ctm.forward(X, weights(), ticks=1, precision="float16"), SpecError)
    assert "numba" in refusal(lambda: ctm.forward(X, weights(), ticks=1, engine="torch"), SpecError)


ONE = np.ones(1)
PAIR = np.zeros(1, int), np.zeros(1, int)
MODELS = {"0.0.w1": np.ones((3, 2, 6)), "0.0.b1": np.ones((1, 6, 2)), "0.0.T": ONE}
BLOCK = {"1.weight": np.ones((4, 5)), "1.bias": np.ones(4), "3.weight": np.ones(2), "3.bias": np.ones(2)}
READ = {
    "in_proj_weight": np.ones((12, 4)),
    "in_proj_bias": np.ones(12),
    "out_proj.weight": np.ones((4, 4)),
    "out_proj.bias": np.ones(4),
}
TOKENS = np.ones((2, 3, 4)), np.ones((2, 3, 4))
EQUATIONS: dict[str, tuple[Callable[[], Any], str]] = {
    "a list for an array": (lambda: ctm.certainty([[1.0, 2.0]]), "list"),
    "a gate without a half": (lambda: ctm.glu(np.ones(3)), "even"),
    "a scale of another width": (lambda: ctm.layer_norm(np.ones(3), np.ones(2), np.ones(3)), "scale"),
    "synapses of another width": (lambda: ctm.synapse(np.ones((2, 4)), BLOCK), "(5,)"),
    "synapses without parameters": (lambda: ctm.synapse(np.ones((2, 5)), {}), "1.weight"),
    "synapses without a norm": (
        lambda: ctm.synapse(np.ones((2, 5)), {k: v for k, v in BLOCK.items() if k[0] == "1"}),
        "3.weight",
    ),
    "a history that is too short": (lambda: ctm.neuron_models(np.ones((1, 6, 2)), MODELS), "(6, 3)"),
    "a history that is too long": (lambda: ctm.neuron_models(np.ones((1, 6, 4)), MODELS), "(6, 3)"),
    "models of other neurons": (lambda: ctm.neuron_models(np.ones((1, 5, 3)), MODELS), "(6, 3)"),
    "no models": (lambda: ctm.neuron_models(np.ones((1, 5, 3)), {}), "0.0.w1"),
    "models without a temperature": (
        lambda: ctm.neuron_models(np.ones((1, 6, 3)), {k: v for k, v in MODELS.items() if k != "0.0.T"}),
        "0.0.T",
    ),
    "an activation of other neurons": (
        lambda: ctm.update_trace(np.ones((1, 6, 3)), np.ones((1, 5))),
        "(1, 6)",
    ),
    "a pair of a neuron that is not there": (
        lambda: ctm.pair_products(np.ones((1, 3)), (np.array([0]), np.array([3]))),
        "3 neurons",
    ),
    "a decay that is no number": (lambda: ctm.decay_factor(np.array([0.1, np.nan])), "nan"),
    "a largest decay below zero": (lambda: ctm.decay_factor(ONE, maximum=-1.0), "maximum"),
    "decays of another number of pairs": (
        lambda: ctm.step_synchrony(None, np.ones((1, 2)), np.ones(3)),
        "(2,)",
    ),
    "products of another number of trials": (
        lambda: ctm.step_synchrony(ctm.SynchronyState(np.ones((2, 1)), ONE), np.ones((3, 1)), ONE),
        "(2, 1)",
    ),
    "a window with decays of other pairs": (
        lambda: ctm.windowed_synchrony(np.ones((1, 2, 3)), np.ones(2), PAIR),
        "(1,)",
    ),
    "one class": (lambda: ctm.certainty(np.ones((2, 4)), (4, 1)), "two classes"),
    "a shape of other outputs": (lambda: ctm.certainty(np.ones((2, 4)), (3, 2)), "4 outputs"),
    "tokens of another width": (
        lambda: ctm.key_values(np.ones((2, 3, 4)), {"0.weight": np.ones((4, 5)), "0.bias": np.ones(4)}),
        "(5,)",
    ),
    "keys of another width": (lambda: ctm.project_keys_values(np.ones((2, 3, 5)), READ), "(15, 5)"),
    "heads that do not divide": (
        lambda: ctm.attention_read(np.ones((2, 4)), TOKENS, READ, heads=3),
        "divide the width 4",
    ),
    "keys of other trials": (
        lambda: ctm.attention_read(np.ones((3, 4)), TOKENS, READ, heads=2),
        "keys",
    ),
    "no tokens": (lambda: ctm.rotational_positions(0), "n_tokens"),
    "a row where an image is coded": (
        lambda: ctm.positional_code((4,), {"projection.0.weight": np.ones((2, 4)), "start_vector": ONE}),
        "square image",
    ),
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_equations_refuse_what_does_not_fit(name: str) -> None:
    call, word = EQUATIONS[name]
    with pytest.raises(ArcuateError) as caught:
        call()
    text = str(caught.value)
    assert word in text and text.count("\n") < 4
