"""The factorization: planted components, objectives, invariances, masks, labels, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from arcuate.connectome import NTF, align_components, factor_match_score

RNG = np.random.default_rng(20)
PLANTED = [RNG.gamma(0.5, size=(n, 3)) for n in (12, 15, 20)]
CLEAN = np.einsum("ir,jr,kr->ijk", *PLANTED)
NOISY = np.maximum(CLEAN + 0.5 * CLEAN.std() * RNG.normal(size=CLEAN.shape), 0)


def full(model: NTF) -> np.ndarray:
    names = "abcd"[: len(model.factors_)]
    terms = ",".join(f"{n}r" for n in names)
    return np.einsum(f"r,{terms}->{names}", model.weights_, *model.factors_)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(30, 25), (12, 15, 20), (6, 7, 8, 5)], ids=["two", "three", "four"])
def test_planted_components_are_found(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(3)
    planted = [np.maximum(rng.normal(-0.5 * (len(shape) == 2), 1, (n, 3)), 0) for n in shape]
    names = "abcd"[: len(shape)]
    data = np.einsum(",".join(f"{n}r" for n in names) + "->" + names, *planted)
    model = NTF(3, n_starts=5, tol=1e-7, dtype=dtype, seed=1).fit(data)
    if len(shape) > 2:  # a matrix may have several factorizations
        assert factor_match_score(model, planted) > 0.99
    assert np.linalg.norm(full(model) - data) < 3e-3 * np.linalg.norm(data)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_small_errors_are_not_lost_to_cancellation(dtype: str, symmetric: bool) -> None:
    data = np.einsum("ir,jr,kr->ijk", PLANTED[0], PLANTED[0], PLANTED[2]) if symmetric else CLEAN
    model = NTF(3, n_starts=2, tol=1e-9, dtype=dtype, seed=1).fit(data)
    true = np.linalg.norm(full(model) - data) / np.linalg.norm(data)
    assert 0 < true < 1e-3
    assert model.error_ == pytest.approx(true, rel=1e-2 if dtype == "float64" else 0.2)


@pytest.mark.parametrize("extrapolate", [True, False])
def test_the_error_never_rises(extrapolate: bool) -> None:
    for seed in range(5):
        options = {"n_starts": 1, "extrapolate": extrapolate, "dtype": "float64", "tol": 0.0, "max_iter": 80}
        model = NTF(4, seed=seed, **options).fit(NOISY)
        assert (np.diff(model.errors_) <= 1e-10).all()
        true = np.linalg.norm(full(model) - NOISY) / np.linalg.norm(NOISY)
        assert model.error_ == pytest.approx(true, abs=1e-12)


def test_extrapolation_gets_further_in_as_many_iterations() -> None:
    """Components that are nearly alike in every mode make plain updates slow."""
    base = [np.ones((n, 1)) + 0.3 * np.random.default_rng(n).random((n, 4)) for n in (12, 15, 20)]
    data = np.einsum("ir,jr,kr->ijk", *base)
    options = {"n_starts": 5, "seed": 2, "tol": 0.0, "dtype": "float64", "max_iter": 300}
    fast, plain = (NTF(4, extrapolate=e, **options).fit(data).starts_["error"] for e in (True, False))
    assert float(fast.mean()) < 0.8 * float(plain.mean())


def test_float32_and_float64_agree() -> None:
    errors = [NTF(3, n_starts=3, dtype=d, seed=4, tol=1e-7).fit(NOISY).error_ for d in ("float32", "float64")]
    assert errors[0] == pytest.approx(errors[1], rel=1e-4)


def test_order_of_modes_and_scale_do_not_matter() -> None:
    model = NTF(3, n_starts=4, seed=5, tol=1e-8, dtype="float64").fit(NOISY)
    turned = NTF(3, n_starts=4, seed=6, tol=1e-8, dtype="float64").fit(NOISY.transpose(2, 0, 1))
    scaled = NTF(3, n_starts=4, seed=5, tol=1e-8, dtype="float64").fit(1e6 * NOISY)
    assert turned.error_ == pytest.approx(model.error_, rel=1e-5)
    assert factor_match_score([turned.factors_[k] for k in (1, 2, 0)], model) > 0.999
    assert scaled.error_ == pytest.approx(model.error_, rel=1e-6)
    assert np.allclose(scaled.weights_, 1e6 * model.weights_, rtol=1e-3)


def test_threads_and_seed_decide_nothing_else() -> None:
    one = NTF(3, n_starts=4, seed=7).fit(NOISY)
    two = NTF(3, n_starts=4, seed=7, n_jobs=2).fit(NOISY)
    for f, g in zip(one.factors_, two.factors_, strict=True):
        assert np.array_equal(f, g)
    more = NTF(3, n_starts=6, seed=7).fit(NOISY)
    assert np.array_equal(more.starts_["error"][:4], one.starts_["error"])


def test_hidden_entries_are_filled_by_the_model() -> None:
    seen = np.random.default_rng(8).random(CLEAN.shape) > 0.3
    model = NTF(3, n_starts=4, seed=8, tol=1e-8, dtype="float64").fit(
        np.where(seen, CLEAN, np.nan), mask=seen
    )
    assert factor_match_score(model, PLANTED) > 0.999
    assert np.abs(full(model) - CLEAN)[~seen].max() < 1e-3 * CLEAN.max()


def test_the_masked_error_is_of_what_was_observed_and_never_rises() -> None:
    seen = np.random.default_rng(9).random(NOISY.shape) > 0.3
    model = NTF(3, n_starts=2, seed=9, dtype="float64").fit(NOISY, mask=seen)
    residual = (full(model) - NOISY)[seen]
    assert model.error_ == pytest.approx(np.linalg.norm(residual) / np.linalg.norm(NOISY[seen]), rel=1e-9)
    assert (np.diff(model.errors_) <= 1e-10).all()
    other = NTF(3, n_starts=2, seed=9, dtype="float64").fit(np.where(seen, NOISY, -7.0), mask=seen)
    assert other.error_ == model.error_


@pytest.mark.parametrize("whole", [0, 1, 2])
def test_missing_fibres_need_no_filling_in(whole: int) -> None:
    """What is missing all along one mode is left out of every row's own problem: as exact as filling in."""
    rng = np.random.default_rng(11)
    there = np.expand_dims(rng.random([n for m, n in enumerate(NOISY.shape) if m != whole]) > 0.25, whole)
    seen = np.broadcast_to(there, NOISY.shape)
    speckled = seen.copy()
    speckled[np.unravel_index(rng.permutation(np.flatnonzero(seen))[:1], seen.shape)] = False
    options = {"n_starts": 4, "seed": 3, "tol": 1e-9, "dtype": "float64"}
    exact = NTF(3, **options).fit(np.where(seen, NOISY, np.nan), mask=seen)
    filled = NTF(3, **options).fit(NOISY, mask=speckled)  # one entry more is missing: no longer fibres
    residual = (full(exact) - NOISY)[seen]
    assert exact.error_ == pytest.approx(np.linalg.norm(residual) / np.linalg.norm(NOISY[seen]), rel=1e-9)
    assert (np.diff(exact.errors_) <= 1e-10).all()
    assert exact.error_ == pytest.approx(filled.error_, rel=2e-3)
    assert factor_match_score(exact, filled) > 0.99
    assert int(exact.starts_["n_iter"].sum()) < int(filled.starts_["n_iter"].sum())


def test_a_pair_that_no_animal_has_gets_zero() -> None:
    seen = np.ones(NOISY.shape, bool)
    seen[4], seen[2, :, 5:] = False, False
    model = NTF(3, n_starts=2, seed=1).fit(NOISY, mask=seen.transpose(0, 1, 2))
    assert not model.factors_[0][4].any()


def test_transform_finds_the_loadings_of_new_data() -> None:
    model = NTF(3, n_starts=4, seed=1, dtype="float64", tol=1e-8).fit(CLEAN)
    new = np.random.default_rng(10).random((9, 3))
    data = np.einsum("ir,jr,kr->ijk", model.factors_[0], model.factors_[1], new)
    assert np.allclose(model.transform(data), new, atol=1e-5)
    first = np.einsum("ir,jr,kr->ijk", new, model.factors_[1], model.factors_[2])
    assert np.allclose(model.transform(first, mode=0), new, atol=1e-5)


def test_sparsity_makes_zeros() -> None:
    shares = []
    for sparsity in (0.0, 2.0):
        model = NTF(3, n_starts=3, seed=1, sparsity=sparsity).fit(NOISY)
        shares.append(np.mean([(f == 0).mean() for f in model.factors_]))
        assert (np.diff(model.errors_) <= 1e-10).all()
    assert shares[1] > shares[0]


def test_one_start_goes_on_from_given_factors() -> None:
    model = NTF(3, n_starts=3, seed=1, dtype="float64", tol=1e-8).fit(NOISY)
    again = NTF(3, dtype="float64").fit(NOISY, init=model)
    assert len(again.starts_["start"]) == 1
    assert again.errors_[0] == pytest.approx(model.error_, rel=1e-5)


def test_labels_go_through() -> None:
    first, second = np.triu_indices(5, 1)
    names = np.array(["AVA", "AVB", "AWB", "RIM", "RIV"])
    pairs = np.random.default_rng(1).random((10, 12, 3))
    data = xr.DataArray(
        pairs,
        dims=("pair", "time", "animal"),
        coords={
            "first": ("pair", names[first]),
            "second": ("pair", names[second]),
            "time": np.arange(12) * 0.25,
            "animal": ["a", "b", "c"],
        },
    )
    model = NTF(2, n_starts=2, seed=1).fit(data)
    assert model.result_["factor_time"].dims == ("time", "component")
    assert model.result_["factor_animal"].sel(animal="b").shape == (2,)
    graph = model.graph(0)
    assert list(graph["neuron"].values) == list(names)
    assert np.array_equal(graph, graph.T)
    pair = model.result_["factor_pair"][4, 0]
    found = graph.sel(neuron=str(pair["first"].item()), other=str(pair["second"].item()))
    assert float(found) == pytest.approx(model.weights_[0] * float(pair))


def test_files_and_tensorly_keep_everything(tmp_path: Path) -> None:
    model = NTF(3, n_starts=2, seed=1, sparsity=0.1).fit(NOISY)
    model.save(tmp_path / "a.nc")
    again = NTF.load(tmp_path / "a.nc")
    assert again.result_.identical(model.result_)
    assert again.starts_.identical(model.starts_)
    assert repr(again) == repr(model)
    assert np.array_equal(again.transform(NOISY), model.transform(NOISY))
    back = NTF.from_tensorly(model.to_tensorly())
    assert np.allclose(back.weights_, model.weights_, rtol=1e-12)
    assert np.allclose(model.to_tensorly().to_tensor(), full(model))
    assert align_components(back, model).tolist() == [0, 1, 2]


def test_it_is_an_estimator() -> None:
    sklearn = pytest.importorskip("sklearn.base")
    model = NTF(3, n_starts=2, seed=1)
    copy = sklearn.clone(model.fit(NOISY))
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "factors_")


def test_a_torch_tensor_is_taken() -> None:
    torch = pytest.importorskip("torch")
    model = NTF(3, n_starts=1, seed=1)
    assert model.fit(torch.tensor(NOISY)).error_ == NTF(3, n_starts=1, seed=1).fit(NOISY).error_


def test_a_real_tensor_is_fitted_as_tensorly_fits_it() -> None:
    """IL-2 responses of cells: from tensorly's start as good as its own solver, from ours better or equal."""
    datasets = pytest.importorskip("tensorly.datasets")
    decomposition = pytest.importorskip("tensorly.decomposition")
    data = np.asarray(datasets.load_IL2data().tensor, float)
    data = np.maximum(np.nan_to_num(data), 0)
    _, errors = decomposition.non_negative_parafac_hals(
        data, rank=3, init="svd", n_iter_max=200, return_errors=True
    )
    model = NTF(3, n_starts=5, seed=1, dtype="float64", tol=1e-7).fit(data)
    assert model.error_ <= float(errors[-1]) * (1 + 1e-4)
