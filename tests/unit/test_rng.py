"""Every random number has an address, and a stream can be put down and taken up again."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcuate.errors import FileFormatError, SpecError
from arcuate.rng import check_seed, restore, state, stream


def test_the_key_is_what_the_documentation_says():
    """Built here from the definition: Philox keyed by 16 bytes of a sha256."""
    key = hashlib.sha256(b"arcuate/1\x007\x00exc/noise").digest()[:16]
    words = np.frombuffer(key, dtype="<u8").astype(np.uint64)
    truth = np.random.Generator(np.random.Philox(key=words))
    assert np.array_equal(stream(7, "exc/noise").random(100), truth.random(100))


def test_a_stream_never_changes():
    """Numbers written down once; a change would silently change every seeded result."""
    assert stream(1, "task").integers(0, 2**32, 4).tolist() == PINNED_INTEGERS
    assert [x.hex() for x in stream(1, "task").random(2)] == PINNED_FLOATS


PINNED_INTEGERS = [1979261371, 2167137114, 485775117, 3022511555]
PINNED_FLOATS = ["0x1.0257c6b4ebf24p-1", "0x1.684fbb8639e8ap-1"]


def test_streams_are_independent_of_each_other():
    names = [f"population_{k}/noise" for k in range(40)]
    draws = np.array([stream(3, name).standard_normal(2000) for name in names])
    correlations = np.corrcoef(draws)[np.triu_indices(40, 1)]
    # 780 correlations of independent series of length 2000: standard error 1/sqrt(2000), bound at 5.
    assert np.abs(correlations).max() < 5 / math.sqrt(2000)


def test_seed_and_name_both_count():
    first = {
        stream(seed, name).random() for seed in (0, 1, 2**64, 2**128 - 1) for name in ("a", "b", "a/b", "ä")
    }
    assert len(first) == 16
    assert stream(np.int64(5), "a").random() == stream(5, "a").random()


@pytest.mark.parametrize("seed", [-1, 1.5, "a", 2**128, 2**200, True, math.nan, [1], 3.0])
def test_bad_seeds(seed):
    with pytest.raises(SpecError, match=r"seed = .*must be"):
        check_seed(seed)
    with pytest.raises(SpecError, match=r"seed = "):
        stream(seed, "a")


def test_no_seed_draws_a_fresh_one():
    drawn = {check_seed(None) for _ in range(20)}
    assert len(drawn) == 20
    assert all(0 <= seed < 2**63 for seed in drawn)
    with pytest.raises(SpecError, match="check_seed"):
        stream(None, "a")


@pytest.mark.parametrize("name", ["", 3, None, b"a"])
def test_bad_names(name):
    with pytest.raises(SpecError, match="stream name"):
        stream(1, name)


@given(st.integers(0, 2**128 - 1), st.integers(0, 50), st.booleans())
def test_a_stream_resumes_anywhere(seed, drawn, half):
    generator = stream(seed, "x")
    generator.standard_normal(drawn)
    if half:
        generator.integers(0, 2**32, dtype=np.uint32)  # leaves half a word behind
    again = restore(json.loads(json.dumps(state(generator))))
    assert np.array_equal(
        generator.integers(0, 2**32, 5, dtype=np.uint32), again.integers(0, 2**32, 5, dtype=np.uint32)
    )
    assert np.array_equal(generator.standard_normal(9), again.standard_normal(9))


GOOD = state(stream(1, "a"))


@pytest.mark.parametrize(
    "saved",
    [
        None, [], {}, "Philox", {**GOOD, "bit_generator": "PCG64"}, {**GOOD, "key": [1]},
        {**GOOD, "key": [-1, 0]}, {**GOOD, "counter": [2**64, 0, 0, 0]}, {**GOOD, "buffer_pos": 9},
        {**GOOD, "buffer_pos": 1.5}, {**GOOD, "uinteger": -1}, {**GOOD, "buffer": "abcd"},
        {k: v for k, v in GOOD.items() if k != "buffer"}, {**GOOD, "key": [0.5, 1]},
        {**GOOD, "has_uint32": None}, {**GOOD, "has_uint32": 2},
    ],
)  # fmt: skip
def test_a_damaged_state_is_refused(saved):
    with pytest.raises(FileFormatError, match="state of a random stream"):
        restore(saved)


def test_only_our_streams_have_a_state():
    with pytest.raises(SpecError, match="Philox"):
        state(np.random.default_rng(0))
