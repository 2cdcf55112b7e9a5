"""Both Bayesian learners against closed forms, and distances between them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import xarray as xr

from arcuate.errors import FitError, SpecError
from arcuate.probes import (
    fit_account,
    predict_account,
    regression_predictors,
    relative_distance,
    strategy_gaps,
    symmetrized_kl,
    urn_predictors,
)
from arcuate.tasks import Urns

TASK = Urns(n_urns=5, n_symbols=4, length=20)


def test_counting_is_the_mean_over_all_laws():
    """The posterior mean under a flat law, integrated on a grid of laws of three symbols."""
    grid = np.array([(a, b, 60 - a - b) for a, b in product(range(61), repeat=2) if a + b <= 60]) / 60
    grid = (grid * 60 + 1 / 3) / 61
    balls = np.array([[0, 2, 2, 1, 2, 2]])
    found = urn_predictors(balls, [[0.2, 0.3, 0.5]])["generalizing"].values[0]
    for n in range(1, 7):
        likelihood = grid[:, balls[0, :n]].prod(axis=1)
        np.testing.assert_allclose(found[n - 1], likelihood @ grid / likelihood.sum(), atol=0.01)


def test_knowing_the_urns_is_bayes_over_them():
    trials = TASK.draw(30, seed=1)
    found = urn_predictors(trials.balls, TASK.laws)["memorizing"].values
    for trial in range(30):
        weights = np.ones(5)
        for token, ball in enumerate(trials.balls[trial]):
            weights = weights * TASK.laws[:, ball]
            expected = weights @ TASK.laws / weights.sum()
            np.testing.assert_allclose(found[trial, token], expected, rtol=1e-9)


def test_each_learner_is_best_where_its_law_holds():
    for task, better in (
        (TASK, "memorizing"),
        (Urns(n_symbols=4, length=20, source="prior"), "generalizing"),
    ):
        trials = task.draw(2000, seed=2)
        found = urn_predictors(trials.balls[:, :-1], TASK.laws)
        index = (*np.indices(trials.balls[:, 1:].shape), trials.balls[:, 1:])
        loss = {name: -np.log(np.maximum(found[name].values[index], 1e-12)).mean() for name in found}
        assert min(loss, key=loss.get) == better


def test_one_known_urn_is_never_doubted_and_many_are_as_good_as_none():
    balls = Urns(n_symbols=4, length=20, source="prior").draw(50, seed=3).balls
    one = urn_predictors(balls, TASK.laws[:1])["memorizing"]
    np.testing.assert_allclose(one, np.broadcast_to(TASK.laws[0], one.shape))
    apart = []
    for n in (10, 100, 5000):
        found = urn_predictors(balls, Urns(n_urns=n, n_symbols=4).laws)
        apart.append(symmetrized_kl(found["memorizing"], found["generalizing"]))
    assert apart[0] > 4 * apart[1] > 16 * apart[2]


def test_ridge_is_the_posterior_in_closed_form():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((6, 9, 4)), rng.standard_normal((6, 4))
    y = np.einsum("ntd,nd->nt", x, w) + 0.5 * rng.standard_normal((6, 9))
    found = regression_predictors(x, y, rng.standard_normal((3, 4)), noise=0.5, prior=2.0)
    for trial, token in product(range(6), range(9)):
        past, seen = x[trial, :token], y[trial, :token]
        covariance = 4 * past @ past.T + 0.25 * np.eye(token)  # as a Gaussian process, without weights
        cross = 4 * past @ x[trial, token]
        mean = cross @ np.linalg.solve(covariance, seen)
        variance = 4 * x[trial, token] @ x[trial, token] - cross @ np.linalg.solve(covariance, cross) + 0.25
        assert found["generalizing"][trial, token] == pytest.approx(mean)
        assert found["generalizing_variance"][trial, token] == pytest.approx(variance)


def test_known_weights_are_found_out():
    rng = np.random.default_rng(1)
    table = rng.standard_normal((8, 3))
    x = rng.standard_normal((40, 12, 3))
    w = table[rng.integers(8, size=40)]
    y = np.einsum("ntd,nd->nt", x, w) + 0.1 * rng.standard_normal((40, 12))
    found = regression_predictors(x, y, table, noise=0.1)
    np.testing.assert_allclose(found["memorizing"][:, 0], x[:, 0] @ table.mean(axis=0))
    off = {name: float(((found[name] - y)[:, 3:] ** 2).mean()) for name in ("memorizing", "generalizing")}
    assert off["memorizing"] == pytest.approx(0.01, rel=0.25) and off["generalizing"] > 0.013
    by_hand = np.zeros(8)
    for token in range(3):
        by_hand += -((y[0, token] - table @ x[0, token]) ** 2) / 0.02
    weights = np.exp(by_hand - by_hand.max())
    expected = weights @ (table @ x[0, 3]) / weights.sum()
    assert found["memorizing"][0, 3] == pytest.approx(expected)


def test_distances_have_their_closed_forms():
    p, q = np.array([[0.2, 0.8]]), np.array([[0.6, 0.4]])
    by_hand = (0.2 * np.log(0.2 / 0.6) + 0.8 * np.log(2) + 0.6 * np.log(3) + 0.4 * np.log(0.5)) / 2
    assert symmetrized_kl(p, q) == pytest.approx(by_hand) == symmetrized_kl(q, p)
    assert symmetrized_kl(p, p) == 0
    assert relative_distance([0.25], [1.0], [0.0], distance="squared") == pytest.approx(0.25)
    assert relative_distance([3.0], [1.0], [0.0], distance="squared") == pytest.approx(3.0)


def test_distances_rise_with_the_weight_of_memory():
    found = urn_predictors(Urns(source="prior", n_symbols=4).draw(30, seed=1).balls, TASK.laws)
    m, g = found["memorizing"].values, found["generalizing"].values
    rising = [relative_distance(w * m + (1 - w) * g, m, g) for w in np.linspace(0, 1, 11)]
    assert (np.diff(rising) > 0).all() and rising[0] == 0 and rising[-1] == 1


def grid():
    numbers, steps = (4, 16, 64), (100, 300, 1000, 3000)
    gaps, predictions = {}, {}
    for n in numbers:
        task = Urns(n_urns=n)
        gaps[n] = strategy_gaps(task.draw(200, seed=1).balls, task.laws)
        predictions[n] = urn_predictors(Urns(source="prior").draw(40, seed=2).balls, task.laws)
    return numbers, steps, gaps, predictions


def test_gains_fall_and_costs_rise_with_tasks():
    numbers, _, gaps, _ = grid()
    assert np.all(np.diff([gaps[n]["loss"] for n in numbers]) < 0)
    assert np.all(np.diff([gaps[n]["size"] for n in numbers]) > 0)
    table = Urns(n_urns=64).laws
    assert 0.5 < gaps[64]["size"] / (4 * table.size) < 1.1  # numbers of chance are hardly compressed


def made_up(gamma, alpha, beta):
    """Distances of a training that the account is right about, with gaps and predictions."""
    numbers, steps, gaps, predictions = grid()
    seen = np.empty((len(steps), len(numbers)))
    for (k, step), (j, n) in product(enumerate(steps), enumerate(numbers)):
        eta = gamma * step ** (1 - alpha) * gaps[n]["loss"] - gaps[n]["size"] ** beta
        w = 1 / (1 + np.exp(-eta))
        m, g = (predictions[n][name].values for name in ("memorizing", "generalizing"))
        seen[k, j] = relative_distance(w * m + (1 - w) * g, m, g)
    return xr.DataArray(seen.T, {"tasks": list(numbers), "step": list(steps)}), gaps, predictions


def test_a_made_up_training_is_fitted():
    gamma, alpha, beta = 0.6, 0.3, 0.25
    distance, gaps, predictions = made_up(gamma, alpha, beta)
    seen = distance.values.T
    account = fit_account(distance, gaps, predictions)
    assert account.r > 0.999 and account.explained > 0.998
    np.testing.assert_allclose(account.distance, seen, atol=0.02)
    assert account.gamma == pytest.approx(gamma, rel=0.3)
    assert account.alpha == pytest.approx(alpha, abs=0.05) and account.beta == pytest.approx(beta, abs=0.05)


def test_numbers_of_tasks_that_were_not_fitted_are_predicted():
    distance, gaps, predictions = made_up(0.6, 0.3, 0.25)
    found = predict_account(distance, gaps, predictions)
    assert found.dims == ("step", "tasks")
    np.testing.assert_allclose(found, distance.T, atol=0.05)
    moved = distance.copy()
    moved.loc[{"tasks": 16}] = 0.0  # what is left out says nothing about its own prediction
    again = predict_account(moved, gaps, predictions)
    np.testing.assert_array_equal(again.sel(tasks=16), found.sel(tasks=16))
    assert abs(again.sel(tasks=64) - found.sel(tasks=64)).max() > 0.05
    with pytest.raises(SpecError, match="three"):
        predict_account(distance[:2], gaps, predictions)


def regression(y, weights, *, noise) -> xr.Dataset:
    return regression_predictors(np.zeros((2, 3, 4)), np.zeros(y), np.zeros(weights), noise=noise)


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda: urn_predictors([[0, 4]], TASK.laws), "balls"),
        (lambda: urn_predictors([[0.5]], TASK.laws), "balls"),
        (lambda: urn_predictors([[0]], [[0.5, 0.6]]), "laws"),
        (
            lambda: regression((2, 4), (1, 4), noise=1),
            "y",
        ),
        (
            lambda: regression((2, 3), (1, 3), noise=1),
            "weights",
        ),
        (
            lambda: regression((2, 3), (1, 4), noise=0),
            "noise",
        ),
        (lambda: symmetrized_kl([0.5, 0.6], [0.5, 0.5]), "p"),
        (lambda: symmetrized_kl([0.5, 0.5], [[0.5, 0.5]]), "q"),
        (lambda: relative_distance([0.5, 0.5], [0.5, 0.5], [0.5, 0.5]), "memorizing"),
        (lambda: relative_distance([0.5], [0.5, 0.5], [0.5], distance="squared"), "memorizing"),
        (lambda: relative_distance([0.5], [0.1], [0.5], distance="cosine"), "distance"),
        (lambda: fit_account(xr.DataArray([0.1, 0.2]), {}, {}), "distance"),
    ],
    ids=["symbol", "half", "law", "y", "weights", "noise", "p", "q", "same", "shape", "kind", "grid"],
)
def test_bad_values_are_named(ask, name):
    with pytest.raises(SpecError, match=name):
        ask()


def test_an_account_needs_its_tasks_and_some_numbers():
    _, _, gaps, predictions = grid()
    seen = xr.DataArray(np.full((2, 3), 0.5), {"step": [1, 2], "tasks": [4, 16, 64]})
    with pytest.raises(FitError, match="alike"):
        fit_account(seen, gaps, predictions)
    with pytest.raises(SpecError, match="lacks 8 tasks"):
        fit_account(seen.assign_coords(tasks=[4, 8, 64]), gaps, predictions)
