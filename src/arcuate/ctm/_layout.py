"""Which parameters a Continuous Thought Machine has, and whether those given are of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from arcuate.errors import NonFiniteError, SpecError, check_choice

__all__ = ["PRECISIONS", "Arrays", "Tick", "Ticks", "Walk", "checked", "layout"]

PRECISIONS = ("float64", "float32")

NARROWEST = 16
"""Width of the lowest level of a U-Net."""

Arrays = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ticks:
    """What all ticks did: (T, B, features).

    Parameters
    ----------
    pre, post, out : ndarray
        Pre-activations, post-activations, output synchrony.
    action, reads : ndarray or None
        Action synchrony, and what the attention gave.
    attention : ndarray or None
        (T, B, heads, 1, L).
    key_values : ndarray or None
        (B, L, E).
    trace : ndarray
        Last history (B, D, M).
    """

    pre: np.ndarray
    post: np.ndarray
    out: np.ndarray
    action: np.ndarray | None
    reads: np.ndarray | None
    attention: np.ndarray | None
    key_values: np.ndarray | None
    trace: np.ndarray


class Tick(NamedTuple):
    """What one tick gave: post-activations (B, D) and output synchrony (B, P)."""

    post: np.ndarray
    out: np.ndarray


class Walk(Protocol):
    """A thought under way, as each engine has it."""

    def step(self) -> Tick:
        """Take one tick."""
        ...

    def keep(self, rows: np.ndarray) -> None:
        """Go on with some trials alone, of a walk without record."""
        ...

    def look(self, x: np.ndarray | None) -> None:
        """Go on with another input, checked like the first; None: with none."""
        ...

    def ticks(self) -> Ticks:
        """Return what all ticks gave, of a walk with record."""
        ...


def checked(parameters: Mapping[str, Any], precision: str) -> Arrays:
    """Take parameters in one precision; the first that is missing, misshapen or not finite is named."""
    check_choice(precision, PRECISIONS, where="CTM", name="precision")
    given: object = parameters
    if not isinstance(given, Mapping):
        bound = f"must be a mapping of names to arrays, not {type(given).__name__}"
        raise SpecError.of(where="CTM", name="parameters", bound=bound, fix="pass the state dict of a model")
    w: Arrays = {str(name): _array(str(name), value) for name, value in given.items()}
    for name, shape in layout(w).items():
        if name not in w:
            raise SpecError.of(where="CTM parameters", name=name, bound="is missing")
        if w[name].shape != shape:
            bound = f"has shape {w[name].shape}; {shape} would fit the others"
            raise SpecError.of(where="CTM parameters", name=name, bound=bound)
        if name.endswith(("_left", "_right")):
            _check_indices(w, name)
            continue
        if w[name].dtype.kind not in "fiu":
            bound = f"must be real numbers, not {w[name].dtype}"
            raise SpecError.of(where="CTM parameters", name=name, bound=bound)
        if not np.isfinite(w[name]).all():
            raise NonFiniteError.of(where="CTM parameters", name=name, bound="must be finite")
        w[name] = w[name].astype(precision, copy=False)
    return w


def _array(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor with a gradient, or elsewhere
        fix = "take the state dict, on the CPU"
        raise SpecError.of(where="CTM parameters", name=name, bound="is no array", fix=fix) from error


def layout(w: Arrays) -> Shapes:
    """Say what shape every parameter should have, from the names and a few shapes that stand for the rest."""
    d, m = _shape(w, "start_trace", 2)
    windowed = "start_activated_trace" in w
    shapes: Shapes = {"start_trace": (d, m)}
    shapes |= {"start_activated_trace": (d, m)} if windowed else {"start_activated_state": (d,)}
    shapes |= _pairs(w, "out")
    shapes |= _neuron_models(w, d, m)
    unet = "synapses.first_projection.0.weight" in w
    width = _shape(w, "synapses.first_projection.0.weight" if unet else "synapses.1.weight", 2)[1] - d
    if "kv_proj.0.weight" in w:
        width, features = _shape(w, "kv_proj.0.weight", 2)
        shapes |= _pairs(w, "action")
        asked = shapes["decay_params_action"][0]
        shapes |= _reader(width, features, asked)
        if "backbone.embedding.weight" in w:
            shapes["backbone.embedding.weight"] = (2, features)
        shapes |= _positions(w, "positional_embedding.", features)
    if "backbone.input_projector.1.weight" in w:
        observed = _shape(w, "backbone.input_projector.1.weight", 2)[1]
        shapes |= _blocks("backbone.input_projector.", width, observed, second=True)
    shapes |= (
        _unet(w, d, width) if unet else _blocks("synapses.", d, width + d, second="synapses.4.weight" in w)
    )
    if not windowed:
        outputs = _shape(w, "output_projector.0.weight", 2)[0]
        shapes["output_projector.0.weight"] = outputs, shapes["decay_params_out"][0]
        shapes["output_projector.0.bias"] = (outputs,)
    return shapes


def _shape(w: Arrays, name: str, axes: int, *, empty: bool = False) -> tuple[int, ...]:
    if name not in w:
        raise SpecError.of(where="CTM parameters", name=name, bound="is missing")
    shape = w[name].shape
    if len(shape) != axes or (0 in shape and not empty):
        bound = f"must have {axes} axes, none of length 0, not shape {shape}"
        raise SpecError.of(where="CTM parameters", name=name, bound=bound)
    return shape


def _pairs(w: Arrays, role: str) -> Shapes:
    empty = role == "action"  # where nobody asks, the query is the bias
    (n,) = _shape(w, f"{role}_neuron_indices_left", 1, empty=empty)
    (p,) = _shape(w, f"decay_params_{role}", 1, empty=empty)
    p = p if p in (n, n * (n + 1) // 2) else n
    return {
        f"decay_params_{role}": (p,),
        f"{role}_neuron_indices_left": (n,),
        f"{role}_neuron_indices_right": (n,),
    }


def _neuron_models(w: Arrays, d: int, m: int) -> Shapes:
    stem = "trace_processor.0."
    deep = f"{stem}2.w1" in w
    hidden = _shape(w, f"{stem}2.w1", 3)[0] if deep else 1
    shapes: Shapes = {}
    for layer, before, after in ((f"{stem}0.", m, 2 * hidden), (f"{stem}2.", hidden, 2))[: 1 + deep]:
        shapes |= {f"{layer}w1": (before, after, d), f"{layer}b1": (1, d, after), f"{layer}T": (1,)}
        if f"{layer}layernorm.weight" in w:
            shapes |= {f"{layer}layernorm.weight": (before,), f"{layer}layernorm.bias": (before,)}
    return shapes


def _reader(width: int, features: int, asked: int) -> Shapes:
    shapes = _affine("kv_proj.0", width, features) | _norm("kv_proj.1", width)
    shapes |= _affine("q_proj", width, asked) | _affine("attention.out_proj", width, width)
    return shapes | {
        "attention.in_proj_weight": (3 * width, width),
        "attention.in_proj_bias": (3 * width,),
    }


def _blocks(stem: str, after: int, before: int, *, second: bool) -> Shapes:
    """One or two blocks of an affine map to twice the width, a gated linear unit and a layer norm."""
    shapes = _affine(f"{stem}1", 2 * after, before) | _norm(f"{stem}3", after)
    return shapes | _affine(f"{stem}4", 2 * after, after) | _norm(f"{stem}6", after) if second else shapes


def _positions(w: Arrays, stem: str, features: int) -> Shapes:
    if f"{stem}projection.weight" in w:
        return _affine(f"{stem}projection", features, 2)
    if f"{stem}projection.0.weight" in w:
        return _affine(f"{stem}projection.0", features, 4) | {f"{stem}start_vector": (2,)}
    if f"{stem}Wr.weight" in w:
        waves = _shape(w, f"{stem}Wr.weight", 2)[0]
        hidden = _shape(w, f"{stem}mlp.2.weight", 2)[1]
        shapes = {f"{stem}Wr.weight": (waves, 2)} | _affine(f"{stem}mlp.0", 2 * hidden, 2 * waves)
        return shapes | _affine(f"{stem}mlp.2", features, hidden) | _norm(f"{stem}mlp.3", features)
    if f"{stem}combination" in w:
        (n,) = _shape(w, f"{stem}combination", 1)
        shapes = {f"{stem}combination": (n,)}
        for k in range(n):
            shapes[f"{stem}embedders.{k}.Wr.weight"] = (_shape(w, f"{stem}embedders.{k}.Wr.weight", 2)[0], 2)
            shapes |= _positions(w, f"{stem}embedders.{k}.", features)
        return shapes
    return {}


def _unet(w: Arrays, d: int, width: int) -> Shapes:
    levels = sum(name.startswith("synapses.skip_lns.") and name.endswith(".weight") for name in w)
    widths = [int(value) for value in np.linspace(d, NARROWEST, levels + 1)]
    shapes = _affine("synapses.first_projection.0", d, width + d) | _norm("synapses.first_projection.1", d)
    for level, (wide, narrow) in enumerate(pairwise(widths)):
        down, up = (f"synapses.{way}_projections.{level}." for way in ("down", "up"))
        shapes |= _affine(f"{down}1", narrow, wide) | _norm(f"{down}2", narrow)
        shapes |= _affine(f"{up}1", wide, narrow) | _norm(f"{up}2", wide)
        shapes |= _norm(f"synapses.skip_lns.{level}", wide)
    return shapes


def _affine(name: str, after: int, before: int) -> Shapes:
    return {f"{name}.weight": (after, before), f"{name}.bias": (after,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _check_indices(w: Arrays, name: str) -> None:
    chosen, last = w[name], len(w["start_trace"]) - 1
    if chosen.dtype.kind not in "iu" or (chosen < 0).any() or (chosen > last).any():
        bound = f"must be whole numbers from 0 to {last}"
        raise SpecError.of(where="CTM parameters", name=name, bound=bound)
