"""The Continuous Thought Machine against the official implementation, tick by tick.

Files of tests/data/ctm; see the README there. Tolerances are those that the official code keeps with itself
in another precision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcuate import ctm

FOLDER = Path(__file__).parents[1] / "data" / "ctm"
CASES = (
    "ctm_feat2d_pairing_unet3_lnnlm",
    "ctm_feat_firstlast_unet4_linear",
    "ctm_parity_pairing_unet6_nopos",
    "ctm_parity_random",
    "ctm_sort_noheads",
    "ctm_sort_noheads_unet5_random_linear",
)
TOLERANCES = {
    "float32": ("out", {"atol": 5e-5, "rtol": 1e-4}),
    "float64": ("out64", {"atol": 1e-7, "rtol": 0}),
}
FIELDS = {"kv": "key_values", "attn_out": "reads"}


def load(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Configuration and arrays of a file."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    return json.loads(arrays.pop("meta").item())["configuration"], arrays


def below(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}


def think(name: str, precision: str, engine: str = "numpy") -> tuple[ctm.Thought, dict[str, np.ndarray]]:
    configuration, arrays = load(name)
    thought = ctm.forward(
        arrays["in/x"],
        below(arrays, "w/"),
        ticks=configuration["iterations"],
        heads=max(configuration["heads"], 1),
        shape=configuration["prediction_reshaper"],
        precision=precision,
        engine=engine,
    )
    return thought, arrays


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_thought_is_the_official_one(name: str, precision: str, engine: str) -> None:
    thought, arrays = think(name, precision, engine)
    where, tolerance = TOLERANCES[precision]
    expected = below(arrays, f"{where}/")
    query = expected.pop("q", None)
    assert len(expected) >= 5
    for key, value in expected.items():
        found = getattr(thought, FIELDS.get(key, key))
        assert found.dtype == precision
        np.testing.assert_allclose(found, value, **tolerance, err_msg=key)
    if query is not None:
        w = below(arrays, "w/")
        asked = thought.sync_action @ w["q_proj.weight"].T + w["q_proj.bias"]
        np.testing.assert_allclose(asked, query, **tolerance)


@pytest.mark.parametrize("name", CASES)
def test_compiled_loops_give_the_same_thought(name: str) -> None:
    # sums in another order: in float32 they part as far as the official code does from its float64
    for precision, tolerance in (
        ("float64", {"rtol": 0, "atol": 1e-11}),
        ("float32", TOLERANCES["float32"][1]),
    ):
        plain, fused = think(name, precision)[0], think(name, precision, "numba")[0]
        for key, value in vars(plain).items():
            if value is not None:
                found = getattr(fused, key)
                assert found.dtype == value.dtype
                np.testing.assert_allclose(found, value, **tolerance, err_msg=key)


@pytest.mark.parametrize("precision", TOLERANCES)
def test_a_window_is_the_official_one(precision: str) -> None:
    configuration, arrays = load("ctm_rl_window")
    where, tolerance = TOLERANCES[precision]
    state = None
    for step, x in enumerate(arrays["in/x"]):
        state = ctm.forward_window(
            x, below(arrays, "w/"), state, ticks=configuration["iterations"], precision=precision
        )
        for key in ("sync_out", "pre_activations", "post_activations"):
            expected = arrays[f"{where}/{key}"][step]
            np.testing.assert_allclose(getattr(state, key), expected, **tolerance, err_msg=key)
    assert state is not None
    np.testing.assert_allclose(state.trace, arrays[f"{where}/final_state_trace"], **tolerance)
    np.testing.assert_allclose(state.activated_trace, arrays[f"{where}/final_activated_trace"], **tolerance)


SHAPES = {
    "backbone.embedding.weight": (2, 4),
    "positional_embedding.projection.weight": (4, 2),
    "positional_embedding.projection.bias": (4,),
    "kv_proj.0.weight": (4, 4),
    "kv_proj.0.bias": (4,),
    "kv_proj.1.weight": (4,),
    "kv_proj.1.bias": (4,),
    "q_proj.weight": (4, 3),
    "q_proj.bias": (4,),
    "attention.in_proj_weight": (12, 4),
    "attention.in_proj_bias": (12,),
    "attention.out_proj.weight": (4, 4),
    "attention.out_proj.bias": (4,),
    "synapses.1.weight": (12, 10),
    "synapses.1.bias": (12,),
    "synapses.3.weight": (6,),
    "synapses.3.bias": (6,),
    "trace_processor.0.0.w1": (3, 4, 6),
    "trace_processor.0.0.b1": (1, 6, 4),
    "trace_processor.0.0.T": (1,),
    "trace_processor.0.2.w1": (2, 2, 6),
    "trace_processor.0.2.b1": (1, 6, 2),
    "trace_processor.0.2.T": (1,),
    "start_activated_state": (6,),
    "start_trace": (6, 3),
    "decay_params_action": (3,),
    "decay_params_out": (5,),
    "output_projector.0.weight": (8, 5),
    "output_projector.0.bias": (8,),
}
NEAR_ONE = {"kv_proj.1.weight", "synapses.3.weight", "trace_processor.0.0.T", "trace_processor.0.2.T"}


def tiny() -> dict[str, np.ndarray]:
    """The model of the specification: parameter c, element i is 0.5 sin(1.7 i + 0.3 c)."""
    w: dict[str, np.ndarray] = {}
    for c, (name, shape) in enumerate(SHAPES.items(), start=1):
        v = 0.5 * np.sin(1.7 * np.arange(np.prod(shape)) + 0.3 * c).reshape(shape)
        w[name] = 1 + 0.2 * v if name in NEAR_ONE else np.abs(v) if name.startswith("decay") else v
    out, action = np.array([[0, 5], [1, 4], [2, 3], [3, 3], [4, 0]]), np.array([[0, 1], [2, 2], [5, 3]])
    for role, pairs in (("out", out), ("action", action)):
        w[f"{role}_neuron_indices_left"], w[f"{role}_neuron_indices_right"] = pairs.T
    return w


TINY = {
    "y1": "0.36734697 -0.48327387 -0.17717423 0.48383733 0.04114860 -0.43568754 0.01172895 0.44542397",
    "y4": "0.38177044 -0.45052756 -0.23102504 0.51592868 0.05636066 -0.48609458 0.05720816 0.44107296",
    "entropy": "0.93318482 0.93182908 0.92927384 0.92846030",
    "a4": "-0.32951512 -0.28110762 1.19672916 1.23485391 -1.63298695 -0.18731179",
    "z4": "0.13402295 -0.20260774 0.11586003 -0.09669274 0.30368599 -0.16932735",
    "action1": "0.09941104 0.21287862 -0.00052404",
    "action4": "0.00496101 0.12081846 0.03963283",
    "out1": "-0.00246013 0.05984166 0.00855606 0.06380513 0.13544582",
    "out4": "-0.03164593 -0.02010256 -0.02281770 0.07194134 0.08511686",
    "attention4": "0.25144688 0.25023533 0.24920047 0.24911732",
}


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_the_tiny_model_of_the_specification(engine: str) -> None:
    t = ctm.forward(np.array([[1, -1, -1, 1]]), tiny(), ticks=4, heads=2, shape=(4, 2), engine=engine)
    assert t.sync_action is not None
    assert t.attention is not None
    found = {
        "y1": t.predictions[0, :, 0],
        "y4": t.predictions[0, :, 3],
        "entropy": t.certainties[0, 0],
        "a4": t.pre_activations[3, 0],
        "z4": t.post_activations[3, 0],
        "action1": t.sync_action[0, 0],
        "action4": t.sync_action[3, 0],
        "out1": t.sync_out[0, 0],
        "out4": t.sync_out[3, 0],
        "attention4": t.attention[3, 0, 1, 0],
    }
    for name, text in TINY.items():
        expected = np.array(text.split(), float)
        # the official code keeps certainties in float32, whose neighbors are 6e-8 apart here
        atol = 6e-8 if name == "entropy" else 1e-8
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=atol, err_msg=name)
    np.testing.assert_array_equal(t.certainties[:, 1], 1 - t.certainties[:, 0])
