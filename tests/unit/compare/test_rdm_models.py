"""Model dissimilarities, their fitted mixture, and topological comparisons."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import nnls
from scipy.spatial.distance import squareform
from scipy.stats import kstest

from arcuate import compare

RNG = np.random.default_rng(5)
N = 18
TIME, WHAT = RNG.permutation(N).astype(float) + 1, np.arange(N) % 3
MODELS = {
    "time": compare.model_rdm(TIME, kind="time"),
    "weber": compare.model_rdm(TIME, kind="weber"),
    "identity": compare.model_rdm(WHAT, kind="identity"),
}


def test_models_are_what_they_say() -> None:
    np.testing.assert_array_equal(MODELS["time"], np.abs(TIME[:, None] - TIME))
    np.testing.assert_allclose(MODELS["weber"], np.abs(np.log(TIME[:, None] / TIME)), atol=1e-14)
    np.testing.assert_array_equal(MODELS["identity"], WHAT[:, None] != WHAT)
    text = compare.model_rdm(np.array(["a", "b", "a"]), kind="identity")
    np.testing.assert_array_equal(text, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    probability = xr.DataArray([0.25, 0.5, 1.0], dims="stimulus", coords={"stimulus": list("xyz")})
    got = compare.model_rdm(probability, kind="probability")
    assert float(got.sel(stimulus="x", stimulus_2="z")) == 0.75


def test_equal_ratios_are_equally_far() -> None:
    twice = compare.model_rdm(2 * TIME, kind="weber")
    np.testing.assert_allclose(twice, MODELS["weber"], atol=1e-14)


def test_a_mixture_is_found_again() -> None:
    data = 0.3 * MODELS["time"] + 2.0 * MODELS["identity"]
    fit = compare.fit_rdm(data, MODELS, comparator="corr")
    np.testing.assert_allclose(fit.weights, [0.3, 0, 2], atol=1e-8)
    np.testing.assert_allclose(fit.fold_weights, np.tile([0.3, 0, 2], (15, 1)), atol=1e-8)
    np.testing.assert_allclose(fit.predicted, data, atol=1e-8)
    assert fit.score == pytest.approx(1)
    assert fit.weights.model.values.tolist() == list(MODELS)


def test_no_pair_is_predicted_by_a_stimulus_of_its_own() -> None:
    data = compare.rdm(RNG.normal(size=(N, 4)))
    fold = np.repeat(np.arange(6), 3)
    fit = compare.fit_rdm(data, MODELS, folds=fold)
    for i, j in [(0, 1), (0, 17), (5, 9)]:
        left = (fold != fold[i]) & (fold != fold[j])
        first, second = np.triu_indices(left.sum(), 1)
        columns = [m.values[np.ix_(left, left)][first, second] for m in MODELS.values()]
        weights = nnls(np.stack(columns, axis=1), data.values[np.ix_(left, left)][first, second])[0]
        want = weights @ [m.values[i, j] for m in MODELS.values()]
        assert float(fit.predicted[i, j]) == pytest.approx(want)
    np.testing.assert_array_equal(
        fit.score, compare.rdm_similarity(fit.predicted, data, comparator=fit.comparator)
    )


def test_models_of_noise_predict_nothing() -> None:
    """Without relation the score is 0 on average; that of weights fitted to all stimuli is not."""
    held_out, fitted = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        models = {f"m{k}": compare.rdm(rng.normal(size=(10, 3))) for k in range(4)}
        data = compare.rdm(rng.normal(size=(10, 3)))
        fit = compare.fit_rdm(data, models, seed=seed)
        held_out.append(fit.score)
        whole = np.tensordot(fit.weights, [model.values for model in models.values()], axes=1)
        fitted.append(compare.rdm_similarity(whole, data))
    assert np.nanmean(held_out) < 0.02
    assert np.mean(fitted) > 0.1


def test_the_order_of_labels_does_not_matter() -> None:
    labels = [f"s{k}" for k in range(N)]
    data = compare.rdm(
        xr.DataArray(RNG.normal(size=(N, 4)), dims=("stimulus", "unit"), coords={"stimulus": labels})
    )
    time = compare.model_rdm(xr.DataArray(TIME, dims="stimulus", coords={"stimulus": labels}), kind="time")
    order = RNG.permutation(N)
    one = compare.fit_rdm(data, {"time": time})
    other = compare.fit_rdm(data, {"time": time[order][:, order]})
    assert one.score == other.score
    assert one.predicted.stimulus.values.tolist() == labels


def test_the_cut_is_between_quantiles() -> None:
    matrix = compare.rdm(RNG.normal(size=(N, 4)))
    pairs = squareform(matrix.values)
    low, high = np.quantile(pairs, [0.2, 0.7])
    got = squareform(compare.geo_topological(matrix, lower=0.2, upper=0.7).values)
    assert (got == 0).mean() == pytest.approx(0.2, abs=0.02)
    assert (got == 1).mean() == pytest.approx(0.3, abs=0.02)
    np.testing.assert_allclose(got, np.clip((pairs - low) / (high - low), 0, 1), atol=1e-14)
    ties = squareform(compare.geo_topological([1, 1, 1, 1, 1, 2], lower=0.1, upper=0.5).values)
    np.testing.assert_array_equal(ties, [0, 0, 0, 0, 0, 1])


def test_quantiles_are_chosen_on_other_stimuli() -> None:
    x = compare.rdm(RNG.normal(size=(24, 5)))
    y = compare.rdm(RNG.normal(size=(24, 5)))
    found = compare.topological_rsa(x, y, seed=3)
    held = found.held_out
    assert len(held) == 12
    parts = [m.values[np.ix_(held, held)] for m in (x, y)]
    cut = [compare.geo_topological(part, lower=found.lower, upper=found.upper) for part in parts]
    assert found.score == pytest.approx(compare.rdm_similarity(*cut, comparator="corr"))
    whole = [compare.geo_topological(m, lower=0.2, upper=0.6) for m in (x, y)]
    want = compare.rdm_similarity(*whole, comparator="corr")
    assert float(found.scan.sel(lower=0.2, upper=0.6)) == pytest.approx(want)
    assert np.isnan(found.scan.sel(lower=0.6, upper=0.6))


def test_the_score_of_the_half_that_chose_is_too_high() -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = (compare.rdm(rng.normal(size=(14, 4))) for _ in range(2))
        found.append(compare.topological_rsa(x, y, seed=seed))
    chosen, held_out = np.mean([[f.selected, f.score] for f in found], axis=0)
    assert chosen > 0.05
    assert abs(held_out) < 0.05


def test_topology_outlives_a_change_of_the_far() -> None:
    """Neighbors are kept, large dissimilarities are not."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = squareform(compare.rdm(np.stack([np.cos(angle), np.sin(angle)], axis=1)).values)
    far = ring > np.quantile(ring, 0.4)
    changed = np.where(far, ring.max() * RNG.uniform(1, 2, size=ring.size), ring)
    plain = compare.rdm_similarity(ring, changed, comparator="corr")
    cut = [compare.geo_topological(m, lower=0.0, upper=0.4) for m in (ring, changed)]
    assert plain < 0.9
    assert compare.rdm_similarity(*cut, comparator="corr") > 0.999


def test_noise_scores_below_0_and_its_p_is_uniform() -> None:
    when, what = np.arange(16), np.arange(16) % 4
    kinds = {"time": (when, "time"), "what": (what, "identity"), "constant": (when, "identity")}
    models = {name: compare.model_rdm(values, kind=kind) for name, (values, kind) in kinds.items()}
    noise = [compare.rdm(np.random.default_rng([3, seed]).normal(size=(16, 20))) for seed in range(60)]
    found = [compare.fit_rdm(data, models, comparator="corr", n_null=19) for data in noise]
    assert np.mean([fit.score for fit in found]) < -0.1
    assert kstest([fit.p for fit in found], "uniform").pvalue > 0.01
    assert compare.fit_rdm(noise[0] + models["time"] / 4, models, n_null=39).p == 1 / 40


def test_the_null_is_asked_for() -> None:
    time = compare.model_rdm(np.arange(12), kind="time")
    fit = compare.fit_rdm(time, {"time": time})
    assert fit.null.size == 0 and np.isnan(fit.p)
