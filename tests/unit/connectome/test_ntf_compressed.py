"""A fit through a basis ends where a fit of the whole tensor ends."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.connectome import NTF, ProductTensor, factor_match_score
from arcuate.connectome._ntf import input as ntf_input
from arcuate.connectome._ntf.compressed import Compressed, compress
from arcuate.connectome._ntf.input import as_tensor


def planted(shape: tuple[int, ...], noise: float) -> np.ndarray:
    rng = np.random.default_rng(5)
    x = np.einsum("ir,jr,kr->ijk", *(rng.random((n, 4)) ** 3 for n in shape), optimize=True)
    return np.maximum(x + noise * np.sqrt((x**2).mean()) * rng.normal(size=shape), 0)


def spiky() -> np.ndarray:
    """Affinities of noise: no basis of few vectors holds them."""
    return ProductTensor(
        np.sqrt(np.maximum(np.random.default_rng(6).normal(size=(2, 70, 300)), 0))
    ).to_dense()


@pytest.mark.parametrize(
    "x",
    [planted((250, 60, 40), 0.5), planted((30, 40, 500), 0.5), spiky()],
    ids=["first", "last", "symmetric"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_ends_where_the_whole_does(x: np.ndarray, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = as_tensor(x, None, where="test", dtype=np.dtype(dtype))
    assert isinstance(compress(tensor.operator, 4, 0), Compressed)
    options = {"n_starts": 3, "seed": 1, "dtype": dtype, "tol": 1e-6}
    quick = NTF(4, **options).fit(x)
    monkeypatch.setattr(ntf_input, "compress", lambda *_: None)
    whole = NTF(4, **options).fit(x)
    assert quick.error_ == pytest.approx(whole.error_, rel=3e-4)
    assert factor_match_score(quick, whole) > (0.99 if quick.error_ < 0.5 else 0.7)  # the last is noise
    assert (np.diff(quick.errors_) <= 1e-10).all()
    model = np.einsum("r,ir,jr,kr->ijk", quick.weights_, *quick.factors_, optimize=True)
    assert quick.error_ == pytest.approx(np.linalg.norm(x - model) / np.linalg.norm(x), rel=1e-5)


def test_small_or_hidden_tensors_are_not_compressed() -> None:
    small = as_tensor(planted((20, 20, 20), 0.1), None, where="test", dtype=np.dtype("float32"))
    assert compress(small.operator, 4, 0) is None
    x = planted((250, 60, 40), 0.5)
    seen = np.random.default_rng(0).random(x.shape) > 0.1
    assert compress(as_tensor(x, seen, where="test", dtype=np.dtype("float32")).operator, 4, 0) is None
