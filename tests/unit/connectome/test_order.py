"""How many components: planted numbers are found, and each criterion is its formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from arcuate import connectome, plot
from arcuate.connectome import NTF, core_consistency, model_order
from arcuate.connectome.order import _autocorrelation, _held_out, _mirrored, _one_standard_error, _symmetric
from arcuate.errors import ArcuateError, SpecError


def planted(rank: int, seed: int, *, noise: float = 0.3, shape: tuple[int, ...] = (40, 80, 5)) -> np.ndarray:
    """Return a tensor of smooth components; the last is a constant, so that no noise is clipped."""
    rng = np.random.default_rng(seed)
    factors = [rng.random((n, rank - 1)) ** 3 for n in shape]
    factors[1] = np.maximum(gaussian_filter1d(rng.normal(size=(shape[1], rank - 1)), 3, axis=0), 0)
    whole = np.einsum("ir,jr,kr->ijk", *factors)
    noise = noise * float(whole.std())
    return np.maximum(whole + 4 * noise + noise * rng.normal(size=shape), 0)


@pytest.mark.parametrize("rank", [2, 4])
def test_the_planted_number_is_found(rank: int) -> None:
    order = model_order(planted(rank, rank), range(1, 6), n_starts=3, n_folds=4, seed=1, max_iter=200)
    assert order.choice.sel(criterion="bic").item() == rank
    assert order.choice.sel(criterion="cross_validation").item() == rank
    assert order["match"].sel(rank=rank).min() > 0.95
    assert (np.diff(order.error) < 1e-4).all()


def test_information_is_its_formula() -> None:
    X = planted(2, 0)
    order = model_order(X, [1, 2], n_starts=2, n_folds=0)
    for rank in (1, 2):
        model = NTF(rank, n_starts=2, max_iter=500, seed=0).fit(X)
        rss = ((X - np.einsum("r,ir,jr,kr->ijk", model.weights_, *model.factors_)) ** 2).sum()
        wanted = X.size * np.log(rss / X.size) + rank * (40 + 80 + 5 - 2) * np.log(X.size)
        assert order.bic.sel(rank=rank).item() == pytest.approx(wanted, rel=1e-4)


def test_core_consistency_is_a_least_squares_core() -> None:
    rng = np.random.default_rng(0)
    factors = [rng.random((n, 2)) for n in (4, 5, 3)]
    X = np.einsum("ir,jr,kr->ijk", *factors) + 0.1 * rng.random((4, 5, 3))
    design = np.kron(np.kron(factors[0], factors[1]), factors[2])
    core = np.linalg.lstsq(design, X.ravel(), rcond=None)[0].reshape(2, 2, 2)
    ideal = np.zeros((2, 2, 2))
    ideal[0, 0, 0] = ideal[1, 1, 1] = 1
    assert core_consistency(X, factors) == pytest.approx(100 * (1 - ((core - ideal) ** 2).sum() / 2))
    with pytest.raises(SpecError, match="dimensions of the tensor"):
        core_consistency(X, factors[:2])
    with pytest.raises(SpecError, match=r"X.*must be finite"):
        core_consistency(np.full_like(X, np.nan), factors)
    for odd in (3, "no", [[1, 2], [3]]):
        with pytest.raises(SpecError, match="must be a fitted NTF or factors"):
            core_consistency(X, odd)


def test_too_many_components_lose_core_consistency() -> None:
    X = planted(2, 5)
    fitted = {rank: NTF(rank, n_starts=5, seed=0).fit(X) for rank in (2, 4)}
    assert core_consistency(X, fitted[2]) > 90 > core_consistency(X, fitted[4])


def test_held_out_blocks_are_long_and_folds_share_no_entry() -> None:
    folds = [_held_out((30, 100, 4), 1, 8, 10, k, 3) for k in range(10)]
    assert (np.sum(folds, axis=0) == 1).all()
    for fold in folds:
        assert 0.07 < fold.mean() < 0.13
        inner = fold[:, 8:92]
        edges = np.diff(inner.astype(int), axis=1)
        runs = inner.sum() / max((edges == 1).sum() + inner[:, 0].sum(), 1)
        assert 7 < runs < 12


def test_time_is_found_by_name_wherever_it_stands() -> None:
    X = xr.DataArray(planted(2, 1, shape=(12, 60, 4)), dims=("pair", "time", "animal"))
    turned = X.transpose("pair", "animal", "time")
    ours, theirs = (model_order(data, [2], n_starts=2, n_folds=0) for data in (X, turned))
    assert ours.attrs["block"] == theirs.attrs["block"] > 1
    assert ours.attrs["correlation_time"] == pytest.approx(theirs.attrs["correlation_time"], rel=0.05)


def test_autocorrelation_of_a_known_process() -> None:
    rng = np.random.default_rng(0)
    x = np.zeros((300, 500))
    for t in range(1, 500):
        x[:, t] = 0.8 * x[:, t - 1] + rng.normal(size=300)
    np.testing.assert_allclose(_autocorrelation(x, 1)[:6], 0.8 ** np.arange(6), atol=0.03)
    x[0] = np.nan
    np.testing.assert_allclose(_autocorrelation(x, 1)[:6], 0.8 ** np.arange(6), atol=0.03)


def test_one_standard_error_takes_the_smallest_that_is_not_worse() -> None:
    errors = xr.DataArray(
        [[0.5, 0.6, 0.7], [0.301, 0.40, 0.499], [0.30, 0.401, 0.498], [0.31, 0.41, 0.51]],
        dims=("rank", "fold"),
        coords={"rank": [1, 2, 3, 4]},
    )
    assert _one_standard_error(errors) == 2


def test_hidden_entries_do_not_matter() -> None:
    X = planted(2, 3, shape=(20, 50, 4))
    mask = np.random.default_rng(0).random((20, 4)) > 0.2
    seen = np.broadcast_to(mask[:, None], X.shape)
    one, two = (
        model_order(np.where(seen, X, other), [1, 2, 3], mask=seen, n_starts=2, n_folds=2, max_iter=100)
        for other in (0.0, np.nan)
    )
    xr.testing.assert_allclose(one, two)
    assert one.choice.sel(criterion="bic").item() == 2


def test_surrogates_have_larger_errors_than_what_is_structured() -> None:
    task = connectome.SharedEvents(n_neurons=16, size=6, n_communities=2, n_animals=3, n_frames=240)
    traces = task.draw(1).traces
    order = model_order(
        connectome.affinity(traces),
        [2, 3],
        n_starts=2,
        n_folds=0,
        null=lambda k: connectome.affinity(connectome.circular_shift(traces, seed=1, number=k)),
        n_null=3,
        max_iter=100,
    )
    assert (order.null_error > order.error).all()
    assert "cross_validation" not in order.criterion


def test_the_picture_shows_what_there_is() -> None:
    order = model_order(planted(2, 0, shape=(12, 40, 3)), [1, 2, 3], n_starts=2, n_folds=2, max_iter=50)
    ax = plot.model_order(order)
    assert ax.get_xlabel() == "components" and ax.get_ylabel() == "relative error"
    labels = ax.get_legend_handles_labels()[1]
    assert labels[:2] == ["all entries", "held out"] and "surrogates" not in labels
    assert "no ranks" in plot.model_order({"rank": [], "error": []}).texts[0].get_text()
    with pytest.raises(ArcuateError, match="error"):
        plot.model_order({"rank": [1]})


def test_surrogates_get_as_many_starts_as_the_data() -> None:
    X = planted(3, 1, shape=(12, 40, 4))
    order = model_order(X, [3], n_starts=4, n_folds=0, null=lambda _: X, n_null=1, max_iter=5, seed=2)
    assert order.null_error.item() == order.error.item()
    fewer = NTF(3, n_starts=2, max_iter=5, seed=2).fit(X).error_
    assert order.error.item() < fewer


@pytest.mark.parametrize("dims", [(8, 8, 40), (8, 40, 8)])
def test_a_fold_of_a_symmetric_tensor_is_symmetric(dims: tuple[int, ...]) -> None:
    X = np.einsum(
        "ir,jr,tr->ijt", *(np.random.default_rng(k).random((n, 2)) for k, n in ((0, 8), (0, 8), (1, 40)))
    )
    time = dims.index(40)
    X = np.moveaxis(X, 2, time)
    modes = tuple(k for k in range(3) if k != time)
    seen = np.ones(X.shape, bool)
    assert _symmetric(X, seen, time) == modes
    assert _symmetric(X + np.random.default_rng(2).random(X.shape), seen, time) is None
    folds = [_mirrored(_held_out(X.shape, time, 5, 10, k, 0), modes) for k in range(10)]
    assert (np.sum(folds, axis=0) == 1).all()
    for fold in folds:
        assert (fold == fold.swapaxes(*modes)).all() and 0.03 < fold.mean() < 0.2


def test_an_entry_is_held_out_with_its_mirror_image(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: list[np.ndarray] = []

    def keep(*args: Any) -> float:
        hidden.append(args[2])
        return 0.5

    monkeypatch.setattr("arcuate.connectome.order._held_out_error", keep)
    X = np.random.default_rng(0).random((6, 6, 30))
    model_order(X + X.swapaxes(0, 1), [1], axis=2, n_starts=2, n_folds=2, max_iter=5)
    model_order(X, [1], axis=2, n_starts=2, n_folds=2, max_iter=5)
    mirrored = [(fold == fold.swapaxes(0, 1)).all() for fold in hidden]
    assert mirrored == [True, True, False, False]


@pytest.mark.parametrize("kind", ["constant", "hidden"])
def test_a_tensor_without_autocorrelation_has_blocks(kind: str) -> None:
    X, mask = np.ones((4, 40, 3)), None
    if kind == "hidden":
        X, mask = planted(2, 3, shape=(10, 60, 3)), np.ones((10, 60, 3), bool)
        mask[:, 7] = False
    order = model_order(X, [1], mask=mask, n_starts=2, n_folds=2, max_iter=50)
    if kind == "hidden":
        whole = model_order(X, [1], n_starts=2, n_folds=0, max_iter=50)
        assert abs(order.attrs["block"] - whole.attrs["block"]) <= 3 < whole.attrs["block"]
    else:
        assert order.attrs["block"] == 1 and order.error.item() < 1e-3


WRONG: dict[str, Any] = {
    "ranks": {"ranks": [2, 1]},
    "n_starts": {"n_starts": 1},
    "held_out": {"held_out": 0.0},
    "n_folds": {"n_folds": 11},
    "block": {"block": 100},
    "axis": {"axis": 3},
    "mask": {"mask": np.ones(3, bool)},
    "progress": {"progress": 3},
    "ranks = 3": {"ranks": 3},
    "rank = 99": {"ranks": [1, 99]},
    "null": {"null": np.ones((4, 20, 3))},
    r"null\(0\).*shape \(4, 20, 2\)": {"null": lambda _: np.ones((4, 20, 2))},
    r"null\(0\): X: must be finite": {"null": lambda _: np.full((4, 20, 3), np.nan)},
    "booleans": {"mask": np.ones((4, 20, 3))},
    "model_order: X: must be finite": {"X": np.full((4, 20, 3), np.nan)},
    "zero throughout": {"X": np.zeros((4, 20, 3))},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_refused_by_name(name: str) -> None:
    with pytest.raises(ArcuateError, match=name):
        model_order(**({"X": np.ones((4, 20, 3)), "ranks": [1]} | WRONG[name]))


def test_products_are_no_array() -> None:
    product = connectome.affinity_product(connectome.SharedEvents(n_animals=1).draw(1).traces)
    with pytest.raises(SpecError, match="X"):
        model_order(product, [1])
