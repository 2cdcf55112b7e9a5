"""Compiled functions that a generated kernel may call: the learning rules of the mechanisms, unchanged.

The exponentials stand in the kernel's own file; of them only what needs the bits of a float is here. So is
the one instruction that Python has no word for: to ask for memory before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from arcuate._jit import compiled
from arcuate.engines._rls import rls_update_pending
from arcuate.mechanisms import plasticity

predict = compiled(plasticity.predict)
delta_update = compiled(plasticity.delta_update)
rls_reset = compiled(plasticity.rls_reset)
rls_update = compiled(plasticity.rls_update)
center_decay = compiled(plasticity.center_decay)
center_update = compiled(plasticity.center_update)
eligibility_add = compiled(plasticity.eligibility_add)
eligibility_finish = compiled(plasticity.eligibility_finish)
what_update = compiled(plasticity.what_update)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that is copied into the loops which call it, so that they can be vectorized.

    Parameters
    ----------
    function : callable
        Arithmetic on numbers.

    Returns
    -------
    callable
    """
    return numba.njit(forceinline=True, error_model="numpy", fastmath=False)(function)


def _scale(context: Any, builder: Any, value: Any, *, high: bool) -> Any:
    """Halve the low bits of a float, or take the other half, and move them to the exponent."""
    word = types.uint64
    one, exponent = context.get_constant(word, 1), context.get_constant(word, 52)
    bits = builder.bitcast(value, context.get_value_type(word))
    half = builder.lshr(bits, one)
    part = builder.sub(bits, half) if high else half
    return builder.bitcast(builder.shl(part, exponent), value.type)


@intrinsic
def scale_low(_typing: Any, _t: Any) -> Any:
    """2**floor(k/2) for the whole number k in the low bits of a float, counted from twice the bias."""
    return types.float64(types.float64), lambda c, b, _, args: _scale(c, b, args[0], high=False)


@intrinsic
def scale_high(_typing: Any, _t: Any) -> Any:
    """2**ceil(k/2) for the same k."""
    return types.float64(types.float64), lambda c, b, _, args: _scale(c, b, args[0], high=True)


@intrinsic
def prefetch(_typing: Any, array: Any, place: Any) -> Any:
    """Ask for the cache line of an element; nothing is computed, and a place past the end is no harm."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        address = builder.bitcast(builder.gep(data, [values[1]]), pointer)
        to_read, to_keep, is_data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(function, [address, to_read, to_keep, is_data])
        return context.get_dummy_value()

    return types.void(array, place), generate


__all__ = [
    "center_decay",
    "center_update",
    "delta_update",
    "eligibility_add",
    "eligibility_finish",
    "inlined",
    "predict",
    "prefetch",
    "rls_reset",
    "rls_update",
    "rls_update_pending",
    "scale_high",
    "scale_low",
    "what_update",
]
