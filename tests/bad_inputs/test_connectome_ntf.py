"""What the factorization refuses, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcuate.connectome import NTF, PackedTensor, ProductTensor, factor_match_score
from arcuate.errors import (
    ArcuateError,
    CapabilityError,
    FileFormatError,
    FitError,
    SpecError,
    UnknownNameError,
)

X = np.random.default_rng(0).random((6, 7, 8))
MISSING = np.where(X < 0.1, np.nan, X)
FITTED = NTF(2, n_starts=1).fit(X)
SEEN = np.ones(X.shape, bool)


def refusal(call: Callable[[], Any], kind: type[ArcuateError] = SpecError) -> str:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert text.count("\n") < 4
    return text


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: NTF(2).fit(MISSING), "mask=np.isfinite(X)"),
        (lambda: NTF(2).fit(np.where(X < 0.1, np.inf, X)), "must be finite"),
        (lambda: NTF(2).fit(X - 0.5), "must be >= 0"),
        (lambda: NTF(2).fit(MISSING, mask=SEEN), "must be finite"),
        (lambda: NTF(2).fit(0 * X), "zero throughout"),
        (lambda: NTF(2).fit(X > 0.5), "real numbers"),
        (lambda: NTF(2).fit("abc"), "real numbers"),
        (lambda: NTF(2).fit([[1.0], [1.0, 2.0]]), "array of numbers"),
        (lambda: NTF(2).fit(X[0, 0]), "two modes or more"),
        (lambda: NTF(2).fit(X[:0]), "none of them empty"),
        (lambda: NTF(0).fit(X), "rank = 0"),
        (lambda: NTF(43).fit(X), "must be >= 1 and <= 42"),
        (lambda: NTF(2.5).fit(X), "rank = 2.5"),
        (lambda: NTF(True).fit(X), "rank = True"),
        (lambda: NTF(2).fit(X, mask=SEEN[0]), "shape (6, 7, 8)"),
        (lambda: NTF(2).fit(X, mask=~SEEN), "leaves out every entry"),
        (lambda: NTF(2).fit(X, mask=SEEN.astype(float)), "booleans"),
        (lambda: NTF(2, n_starts=0).fit(X), "n_starts = 0"),
        (lambda: NTF(2, max_iter=1.5).fit(X), "max_iter"),
        (lambda: NTF(2, tol=-1.0).fit(X), "tol"),
        (lambda: NTF(2, n_jobs=0).fit(X), "n_jobs"),
        (lambda: NTF(2, seed=-1).fit(X), "seed"),
        (lambda: NTF(2, extrapolate="yes").fit(X), "extrapolate"),
        (lambda: NTF(2, sparsity=-1.0).fit(X), "sparsity"),
        (lambda: NTF(2, progress="yes").fit(X), "progress"),
        (lambda: NTF(2).fit(X, init=[np.ones((6, 2))]), "init"),
        (lambda: NTF(2).fit(X, init=[-np.ones((n, 2)) for n in X.shape]), "finite and >= 0"),
        (lambda: PackedTensor(np.ones((4, 5))), "n (n + 1) / 2 rows"),
        (lambda: PackedTensor(-np.ones((3, 5))), "15 entries are not"),
        (lambda: PackedTensor(np.ones(3)), "2 axes"),
        (lambda: PackedTensor(np.ones((1, 5))), "two neurons or more"),
        (lambda: PackedTensor.from_dense(X), "shape (n, n, T)"),
        (lambda: PackedTensor.from_dense(X[:, :6]), "symmetric"),
        (lambda: PackedTensor(np.ones((3, 5)), labels=("a", "a")), "2 different names"),
        (lambda: PackedTensor(np.ones((3, 5)), times=np.arange(4)), "times"),
        (lambda: PackedTensor(np.ones((3, 5)), diagonal=0), "diagonal"),
        (lambda: ProductTensor(MISSING), "must be finite"),
        (lambda: ProductTensor(X.astype(str)), "real numbers"),
        (lambda: NTF(2).fit(ProductTensor(0 * X)), "zero throughout"),
        (lambda: NTF(2).fit(ProductTensor(X), mask=SEEN), "diagonal=False"),
        (lambda: NTF(1).fit(PackedTensor(np.eye(2)[[0, 1, 0], :1], diagonal=False)), "zero throughout"),
        (lambda: FITTED.transform(X[:5]), "shape (6, 7, 8) but for mode 2"),
        (lambda: FITTED.transform(X, mode=3), "mode = 3"),
        (lambda: FITTED.graph(2), "component = 2"),
        (lambda: factor_match_score([np.eye(3)], [np.eye(4)]), "same dimensions"),
        (lambda: factor_match_score(3, [np.eye(4)]), "one (dimension, component) array per mode"),
    ],
)
def test_refused_with_a_way_out(call: Callable[[], Any], words: str) -> None:
    assert words in refusal(call)


def test_refused_by_kind(tmp_path: Path) -> None:
    assert "'float32'" in refusal(lambda: NTF(2, dtype="float23").fit(X), UnknownNameError)
    assert "unknown dtype 'float16'" in refusal(
        lambda: PackedTensor.from_dense(np.ones((3, 3, 2)), dtype="float16"), UnknownNameError
    )
    assert "'mean'" in refusal(lambda: factor_match_score(FITTED, FITTED, kind="meen"), UnknownNameError)
    assert "Call fit first" in refusal(lambda: NTF(2).transform(X), FitError)
    assert "Name the modes" in refusal(lambda: FITTED.graph(0), CapabilityError)
    (tmp_path / "bad.nc").write_bytes(b"not a file of ours")
    assert "bad.nc" in refusal(lambda: NTF.load(tmp_path / "bad.nc"), FileFormatError)
    assert "bad" in refusal(lambda: NTF.load(tmp_path / "missing_bad.nc"), FileFormatError)
    assert "exists" in refusal(lambda: FITTED.save(tmp_path / "bad.nc"))
    assert (tmp_path / "bad.nc").read_bytes() == b"not a file of ours"


def test_a_slice_of_zeros_and_one_trial_are_fitted() -> None:
    data = X.copy()
    data[2] = 0
    model = NTF(2, n_starts=2, seed=1).fit(data)
    assert np.isfinite(model.error_)
    assert not model.factors_[0][2].any()
    assert NTF(2, n_starts=2, seed=1).fit(X[:, :, :1]).factors_[2].shape == (1, 2)


def test_more_components_than_the_data_have_stay_finite() -> None:
    model = NTF(6, n_starts=3, seed=1).fit(np.ones((6, 7, 8)))
    assert model.error_ < 1e-3
    assert all(np.isfinite(f).all() for f in model.factors_)
    assert (np.diff(model.weights_) <= 0).all()
