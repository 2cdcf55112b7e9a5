"""Packed and never multiplied out: the same updates and errors as the explicit tensor."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.connectome import NTF, PackedTensor, ProductTensor, factor_match_score
from arcuate.connectome._ntf.dense import Dense
from arcuate.connectome._ntf.solver import Rule, solve
from arcuate.connectome._ntf.symmetric import WIDE, Packed, Product


def parts(n: int, n_times: int, seed: int = 0) -> np.ndarray:
    return np.maximum(np.random.default_rng(seed).normal(size=(2, n, n_times)), 0)


def packed(x: np.ndarray) -> Packed:
    return Packed(PackedTensor.from_dense(x).values, norm2=float((x**2).sum()))


@pytest.mark.parametrize("n_times", [WIDE // 2, WIDE + 9], ids=["across", "along"])
@pytest.mark.parametrize("extrapolate", [False, True])
def test_three_forms_take_the_same_steps(n_times: int, extrapolate: bool) -> None:
    product = parts(13, n_times)
    x = ProductTensor(product).to_dense()
    start = [np.random.default_rng(1).random((3, n)) for n in x.shape]
    rule = Rule(max_iter=8, extrapolate=extrapolate)
    dense, *others = (solve(op, start, rule) for op in (Dense(x, x.dtype), packed(x), Product(product)))
    for other in others:
        np.testing.assert_allclose(other.errors, dense.errors, rtol=1e-12)
        for f, g in zip(other.factors, dense.factors, strict=True):
            np.testing.assert_allclose(f, g, rtol=0, atol=1e-11 * g.max())


def test_errors_of_fits_agree_to_eight_digits() -> None:
    product = parts(20, 150, seed=2)
    x = ProductTensor(product).to_dense()
    options = {"n_starts": 3, "seed": 1, "dtype": "float64", "tol": 1e-9}
    forms = (x, PackedTensor.from_dense(x), ProductTensor(product))
    fits = [NTF(4, **options).fit(form) for form in forms]
    error = [np.linalg.norm(_full(fit) - x) / np.linalg.norm(x) for fit in fits]
    for fit, true in zip(fits, error, strict=True):
        assert fit.error_ == pytest.approx(true, abs=1e-10)
        assert true == pytest.approx(error[0], rel=1e-8)
        assert np.array_equal(fit.factors_[0], fit.factors_[1])
        assert fit.error_ == pytest.approx(fit.errors_[-1], rel=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_diagonal_that_does_not_count_is_a_mask(dtype: str) -> None:
    product = parts(15, 40, seed=3)
    x = ProductTensor(product).to_dense()
    seen = np.broadcast_to(~np.eye(15, dtype=bool)[:, :, None], x.shape)
    options = {"n_starts": 3, "seed": 1, "dtype": dtype, "tol": 1e-8}
    masked = NTF(3, **options).fit(x, mask=seen)
    values = PackedTensor.from_dense(x).values
    for form in (PackedTensor(values, diagonal=False), ProductTensor(product, diagonal=False)):
        fit = NTF(3, **options).fit(form)
        assert fit.error_ == pytest.approx(masked.error_, rel=1e-8 if dtype == "float64" else 1e-5)
        assert factor_match_score(fit, masked) > 0.999
        assert (np.diff(fit.errors_) <= 1e-10).all()
        residual = (_full(fit) - x)[seen]
        true = np.linalg.norm(residual) / np.linalg.norm(x[seen])
        assert fit.error_ == pytest.approx(true, rel=1e-9 if dtype == "float64" else 1e-5)


def test_planted_neurons_are_found() -> None:
    rng = np.random.default_rng(4)
    neurons, times = rng.gamma(0.4, size=(30, 4)), rng.gamma(0.4, size=(200, 4))
    x = np.einsum("ir,jr,tr->ijt", neurons, neurons, times)
    fit = NTF(4, n_starts=5, seed=2, tol=1e-7).fit((x + x.transpose(1, 0, 2)) / 2)
    assert factor_match_score(fit, [neurons, neurons, times]) > 0.99
    assert set(fit.result_.data_vars) == {"weight", "factor_neuron", "factor_time"}
    new = fit.transform(PackedTensor.from_dense(2 * x[:, :, :7]))
    assert np.allclose(new, 2 * fit.factors_[2][:7] * fit.weights_, rtol=0.02, atol=0.02 * new.max())


def test_threads_within_a_start_give_the_same_bits() -> None:
    product = parts(90, 300, seed=5)
    for form in (ProductTensor(product).to_dense(), ProductTensor(np.tile(product, (1, 3, 8)))):
        one, two = (NTF(3, n_starts=1, seed=1, max_iter=5, n_jobs=n).fit(form) for n in (1, 2))
        assert all(np.array_equal(f, g) for f, g in zip(one.factors_, two.factors_, strict=True))
        assert one.error_ == two.error_


def test_graph_and_labels() -> None:
    names, times = ("AVA", "AVB", "RIM"), np.arange(50) * 0.25
    fit = NTF(2, n_starts=2, seed=1).fit(ProductTensor(parts(3, 50), labels=names, times=times))
    graph = fit.graph(1)
    assert tuple(graph["neuron"].values) == names
    assert np.allclose(graph, fit.weights_[1] * np.outer(fit.factors_[0][:, 1], fit.factors_[1][:, 1]))
    assert np.array_equal(fit.result_["time"], times)


def test_an_array_that_is_almost_symmetric_is_not_packed() -> None:
    x = ProductTensor(parts(6, 30)).to_dense()
    x[1, 2, 7] += 0.5
    fit = NTF(2, n_starts=1, seed=1, dtype="float64").fit(x)
    assert not np.array_equal(fit.factors_[0], fit.factors_[1])


def test_packing_is_undone() -> None:
    x = ProductTensor(parts(5, 8)).to_dense()
    assert np.array_equal(PackedTensor.from_dense(x).to_dense(), x)
    assert PackedTensor.from_dense(x).shape == ProductTensor(parts(5, 8)).shape == (5, 5, 8)


def _full(fit: NTF) -> np.ndarray:
    return np.einsum("r,ir,jr,tr->ijt", fit.weights_, *fit.factors_)
