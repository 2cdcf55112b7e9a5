"""Read-outs against closed forms and against loops written out from the equations."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from arcuate.analysis import gaussian_pulse
from arcuate.readout import RLS, Delta, Ridge, TwoBankPredictor, eligibility_weights, prediction_targets


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(6, 40, 12)) + rng.normal(size=12)
    y = X @ rng.normal(size=(12, 2)) + 0.3 * rng.normal(size=(6, 40, 2))
    return X, y


def flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1, array.shape[-1])


# ---------------------------------------------------------------- ridge
def test_ridge_solves_the_normal_equations(data):
    X, y = data
    x, t = flat(X), flat(y)
    expected = np.linalg.inv(x.T @ x + 0.7 * np.eye(12)) @ x.T @ t
    model = Ridge(alpha=0.7).fit(X, y)
    np.testing.assert_allclose(model.coef_.T, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.predict(X), X @ expected, rtol=1e-9, atol=1e-12)
    assert np.all(model.intercept_ == 0)


def test_ridge_with_intercept_is_regression_on_a_column_of_ones(data):
    X, y = data
    model = Ridge(alpha=0.0, fit_intercept=True).fit(X, y + 5.0)
    design = np.column_stack([flat(X), np.ones(240)])
    expected = np.linalg.lstsq(design, flat(y) + 5.0, rcond=None)[0]
    np.testing.assert_allclose(model.predict(X), (design @ expected).reshape(y.shape), rtol=1e-9)


def test_ridge_gate_counts_samples(data):
    X, y = data
    gate = np.zeros((6, 40))
    gate[:3], gate[4] = 1.0, 2.0
    twice = np.concatenate([X[:3], X[4:5], X[4:5]]), np.concatenate([y[:3], y[4:5], y[4:5]])
    np.testing.assert_allclose(
        Ridge(alpha=0.3).fit(X, y, gate=gate).coef_, Ridge(alpha=0.3).fit(*twice).coef_, rtol=1e-9
    )


def test_ridge_does_not_depend_on_the_order_or_the_split_of_samples(data):
    X, y = data
    order = np.random.default_rng(0).permutation(240)
    together = Ridge().fit(flat(X)[order], flat(y)[order])
    np.testing.assert_allclose(together.coef_, Ridge().fit(X, y).coef_, rtol=1e-10)


# ---------------------------------------------------------------- recursive least squares
@pytest.mark.parametrize("alpha", [0.01, 1.0, 30.0])
def test_rls_is_ridge_after_every_sample(data, alpha):
    X, y = data
    x, t = flat(X), flat(y)
    model = RLS(alpha=alpha, every=1, keep_weights=True).fit(x[:, None, :], t[:, None, :])
    weights = np.concatenate([model.weights_, model.coef_[None]])
    assert np.all(weights[0] == 0)
    for n in (1, 2, 13, 100, 240):
        expected = np.linalg.solve(x[:n].T @ x[:n] + alpha * np.eye(12), x[:n].T @ t[:n])
        np.testing.assert_allclose(weights[n].T, expected, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(model.p_, np.linalg.inv(x.T @ x + alpha * np.eye(12)), rtol=1e-8, atol=1e-8)


def test_rls_with_forgetting_is_discounted_least_squares(data):
    X, y = data
    x, t = flat(X), flat(y)
    model = RLS(alpha=2.0, forgetting=0.98, every=1).fit(X, y)
    weight = 0.98 ** np.arange(239, -1, -1.0)
    gram = (x * weight[:, None]).T @ x + 2.0 * 0.98**240 * np.eye(12)
    expected = np.linalg.solve(gram, (x * weight[:, None]).T @ t)
    np.testing.assert_allclose(model.coef_.T, expected, rtol=1e-8, atol=1e-8)


def test_rls_updates_at_every_so_many_samples_and_where_the_gate_is_open(data):
    X, y = data
    gate = np.ones(40)
    gate[30:] = 0
    model = RLS(alpha=0.5, every=4).fit(X, y, gate=gate)
    np.testing.assert_allclose(
        model.coef_, Ridge(alpha=0.5).fit(X[:, :30:4], y[:, :30:4]).coef_, rtol=1e-8, atol=1e-9
    )


def test_rls_reset_starts_least_squares_again_from_the_weights_it_has(data):
    X, y = data
    model = RLS(alpha=0.5, every=1, reset_at=[4]).fit(X, y)
    before = Ridge(alpha=0.5).fit(X[:4], y[:4]).coef_.T
    x, t = flat(X[4:]), flat(y[4:])
    # argmin |t - x w|^2 + alpha |w - before|^2
    expected = np.linalg.solve(x.T @ x + 0.5 * np.eye(12), x.T @ t + 0.5 * before)
    np.testing.assert_allclose(model.coef_.T, expected, rtol=1e-8, atol=1e-9)


def test_the_memory_of_force_grows_so_that_it_averages_over_a_switch():
    """One constant feature: least squares is the running mean, with reset the mean since the switch."""
    X = np.ones((400, 1, 1))
    y = np.repeat([0.8, 0.2], 200)[:, None]
    tiny = 1e-9
    assert RLS(alpha=tiny, every=1).fit(X, y).coef_[0, 0] == pytest.approx(0.5, abs=1e-9)
    assert RLS(alpha=tiny, every=1, reset_at=[200]).fit(X, y).coef_[0, 0] == pytest.approx(0.2, abs=1e-9)
    forgetting = RLS(alpha=tiny, every=1, forgetting=0.99).fit(X, y).coef_[0, 0]
    kept = 0.99**200
    expected = (0.8 * kept * (1 - kept) + 0.2 * (1 - kept)) / (1 - kept**2)
    assert forgetting == pytest.approx(expected, rel=1e-6)


def test_unnormalized_rls_moves_weights_by_the_gain_of_the_published_code():
    model = RLS(alpha=0.5, every=1, normalized=False).fit([[3.0]], [0.1])
    assert model.coef_[0, 0] == pytest.approx(2.0 * 3.0 * 0.1, rel=1e-15)


# ---------------------------------------------------------------- delta rule
@pytest.mark.parametrize("c", [None, 0.0, 7.0])
def test_one_step_of_the_delta_rule(c):
    x, error = np.array([1.0, -2.0, 0.5]), np.array([0.3, -1.0])
    model = Delta(learning_rate=0.1, normalization=c).fit(x[None, None], error[None, None], gate=[0.5])
    divisor = 1.0 if c is None else c + x @ x
    np.testing.assert_allclose(model.coef_, 0.05 * np.outer(error, x) / divisor, rtol=1e-15)


def test_normalized_delta_with_rate_one_meets_each_target_exactly():
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(30, 1, 5)), rng.normal(size=(30, 1))
    model = Delta(learning_rate=1.0, normalization=0.0, keep_weights=True).fit(X, y)
    after = np.concatenate([model.weights_[1:], model.coef_[None]])[:, 0]
    np.testing.assert_allclose(np.einsum("ti,ti->t", after, X[:, 0]), y[:, 0], rtol=1e-12, atol=1e-13)


def test_delta_stays_within_bounds_and_learns_nothing_where_the_gate_is_shut(data):
    X, y = data
    model = Delta(learning_rate=1.0, normalization=1.0, w_min=-0.1, w_max=0.2).fit(X, y)
    assert model.coef_.min() == -0.1
    assert model.coef_.max() == 0.2
    shut = Delta().fit(X, y, gate=np.zeros(40))
    assert np.all(shut.coef_ == 0)


def test_delta_starts_from_the_weights_it_is_given(data):
    X, y = data
    start = np.arange(24.0).reshape(2, 12)
    model = Delta(learning_rate=1e-12, initial_weight=start, keep_weights=True).fit(X, y)
    np.testing.assert_array_equal(model.weights_[0], start)
    np.testing.assert_allclose(model.probe_[0], X[0] @ start.T, rtol=1e-12)


# ---------------------------------------------------------------- the two-bank rule, written out
def two_bank_reference(X, s, outcome, n_outcomes, *, window, tau=None, eta=(0.3, 0.06), c=(30.0, 1.0)):
    """Spec section 1.3, line by line, with numpy vectors."""
    n_trials, n_samples, n = X.shape
    w, V, mu = np.zeros(n), np.zeros((n_outcomes, n)), np.zeros(n)
    z_probe, q_probe = np.zeros((n_trials, n_samples)), np.zeros((n_trials, n_outcomes))
    for t in range(n_trials):
        x_trial = X[t] - mu
        z_probe[t] = x_trial @ w
        e = x_trial[window].mean(axis=0)
        for x, target in zip(x_trial, s[t], strict=True):
            w = w + eta[0] * (target - w @ x) * x / (c[0] + x @ x)
        q_probe[t] = V @ e
        V = V + eta[1] * np.outer((np.arange(n_outcomes) == outcome[t]) - q_probe[t], e) / (c[1] + e @ e)
        if tau is not None:
            mu = mu + max(1.0 / (t + 1), 1.0 / tau) * (X[t].mean(axis=0) - mu)
    return w, V, z_probe, q_probe


@pytest.fixture
def what_when() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    times = np.arange(60) * 0.01
    code = gaussian_pulse(times, np.linspace(0, 0.6, 20), width="50 ms").T
    X = code + 0.05 * rng.normal(size=(30, 60, 20)) + 1.0
    latency = np.repeat([0.2, 0.4], 15)
    outcome = (rng.random(30) > 0.8).astype(int)
    outcome[[4, 20]] = -1
    s = gaussian_pulse(times, np.where(outcome < 0, np.nan, latency))
    return X, s, outcome


@pytest.mark.parametrize("tau", [None, 5.0])
def test_two_banks_follow_the_equations(what_when, tau):
    X, s, outcome = what_when
    w, V, z, q = two_bank_reference(X, s, outcome, 2, window=slice(0, 30), tau=tau)
    model = TwoBankPredictor(center_tau=tau).fit(X, s, outcome=outcome)
    np.testing.assert_allclose(model.when_coef_, w, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(model.what_coef_, V, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(model.probe_when_, z, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(model.probe_what_, q, rtol=1e-10, atol=1e-12)
    target = outcome[:, None] == np.arange(2)
    np.testing.assert_allclose(model.modulator_what_, target - q, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(model.modulator_when_, abs(s - model.online_when_), rtol=1e-12)


def test_single_precision_states_are_not_copied_into_another_answer(what_when):
    X, s, outcome = what_when
    narrow = X.astype(np.float32)
    a = TwoBankPredictor().fit(narrow, s, outcome=outcome)
    b = TwoBankPredictor().fit(narrow.astype(np.float64), s, outcome=outcome)
    np.testing.assert_array_equal(a.when_coef_, b.when_coef_)
    np.testing.assert_array_equal(a.what_coef_, b.what_coef_)


def test_probability_is_learned_with_the_variance_of_the_rule():
    """Constant eligibility: q is a running mean of coin tosses with rate eta |e|^2 / (c + |e|^2)."""
    n, p, e2, c, eta = 300_000, 0.3, 4.0, 1.0, 0.2
    outcome = (np.random.default_rng(4).random(n) >= p).astype(int)
    X = np.full((n, 1, 1), np.sqrt(e2))
    model = TwoBankPredictor(eta_what=eta, c_what=c, n_outcomes=2).fit(X, np.zeros((n, 1)), outcome=outcome)
    rate = eta * e2 / (c + e2)
    q = model.probe_what_[1000:, 0]
    assert q.mean() == pytest.approx(p, abs=0.005)
    assert q.var() == pytest.approx(rate / (2 - rate) * p * (1 - p), rel=0.05)
    np.testing.assert_allclose(model.probe_what_[1000:].sum(axis=1), 1.0, rtol=1e-9)


def test_omissions_let_the_prediction_decay_geometrically():
    X = np.full((30, 1, 1), 2.0)
    outcome = np.r_[np.zeros(10, int), np.full(20, -1)]
    model = TwoBankPredictor(eta_what=0.25, n_outcomes=1).fit(X, np.zeros((30, 1)), outcome=outcome)
    keep = 1 - 0.25 * 4 / 5
    expected = (1 - keep**10) * keep ** np.arange(20)
    np.testing.assert_allclose(model.probe_what_[10:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("cue", [1, 1, 1, 0, 0, 0, 0]),
        ("event", [0, 0, 0, 0.5, 1, 0.5, 0]),
        ("trace", [*np.exp([-4 / 3, -1, -2 / 3, -1 / 3, 0]), 0, 0]),
        ("post", [0, 0, 0, 0, 0, 1, 1]),
    ],
)
def test_eligibility_weighs_the_samples(kind, expected, what_when):
    times = np.arange(7) * 0.1
    s = np.array([[0, 0, 0, 0.5, 1, 0.5, 0]])
    weights = eligibility_weights(kind, times, latency=[0.4], teacher=s)
    np.testing.assert_allclose(weights.ravel(), expected, rtol=1e-12, atol=1e-15)
    # and the what-bank reads that mean: one trial, V = eta e / (1 + e e)
    X = what_when[0][:1, :7]
    model = TwoBankPredictor(eligibility=kind, n_outcomes=1, eta_what=1.0)
    model.fit(X, s, outcome=[0], latency=[0.4], times=times)
    e = np.average(X[0], axis=0, weights=expected)
    np.testing.assert_allclose(model.what_coef_[0], e / (1 + e @ e), rtol=1e-12)
    z = np.maximum(X[0] @ model.when_coef_, 0)
    prediction = model.predict(X, y=s, latency=[0.4], times=times)
    np.testing.assert_allclose(prediction[0, :, 0], z * (e @ model.what_coef_[0]), rtol=1e-11)


def test_no_event_leaves_no_eligibility():
    for kind in ("trace", "post"):
        assert not eligibility_weights(kind, [0.0, 0.2, 0.6], latency=[np.nan]).any()


def test_times_of_each_trial_move_the_windows(what_when):
    X, s, outcome = what_when
    times = np.arange(60) * 0.01 + np.linspace(0, 0.3, 30)[:, None]
    model = TwoBankPredictor(when_window=("0 ms", "500 ms")).fit(X, s, outcome=outcome, times=times)
    assert np.all((model.modulator_when_ == 0) == (times >= 0.5 - 1e-9))


# ---------------------------------------------------------------- probes
RULES = [Delta(), Delta(center_tau=3.0), RLS(every=1), RLS(every=2, center_tau=3.0, reset_at=[10])]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_probe_is_the_output_of_the_weights_before_the_trial(rule, what_when):
    X, s, _ = what_when
    whole = type(rule)(**rule.get_params()).set_params(keep_weights=True).fit(X, s)
    assert np.all(whole.probe_[0] == 0)
    for trial in (1, 14, 29):
        before = type(rule)(**rule.get_params()).fit(X[:trial], s[:trial])
        np.testing.assert_array_equal(whole.weights_[trial], before.coef_)
        np.testing.assert_array_equal(whole.probe_[trial], before.predict(X[trial]))


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_no_teacher_reaches_the_probe_of_its_own_trial(rule, what_when):
    X, s, _ = what_when
    changed = s.copy()
    changed[20] = s[20, ::-1] + 1.0
    one, two = (type(rule)(**rule.get_params()).fit(X, y) for y in (s, changed))
    np.testing.assert_array_equal(one.probe_[:21], two.probe_[:21])
    assert np.abs(one.probe_[21] - two.probe_[21]).max() > 1e-6
    assert np.abs(one.online_[20] - two.online_[20]).max() > 1e-6


def test_online_output_tracks_a_teacher_that_cannot_be_predicted():
    """The trap: slow features and a random latency; online peaks near it, the probe cannot."""
    rng = np.random.default_rng(5)
    times = np.arange(100) * 0.01
    X = gaussian_pulse(times, np.linspace(0, 1, 60), width="60 ms").T + np.zeros((80, 1, 1))
    latency = rng.choice(np.arange(0.2, 0.9, 0.01), size=80)
    s = gaussian_pulse(times, latency)
    model = TwoBankPredictor(eta_when=1.0, c_when=0.1, n_outcomes=1).fit(X, s, outcome=np.zeros(80, int))
    online, probe = (
        np.median(np.abs(times[output.argmax(axis=1)] - latency)[20:])
        for output in (model.online_when_, model.probe_when_)
    )
    assert online <= 0.05
    assert probe >= 0.1


def test_two_bank_probes_do_not_see_their_own_trial(what_when):
    X, s, outcome = what_when
    other = outcome.copy()
    other[20] = 1
    changed = s.copy()
    changed[20] = 0.0
    one = TwoBankPredictor(n_outcomes=2).fit(X, s, outcome=outcome)
    two = TwoBankPredictor(n_outcomes=2).fit(X, changed, outcome=other)
    np.testing.assert_array_equal(one.probe_when_[:21], two.probe_when_[:21])
    np.testing.assert_array_equal(one.probe_what_[:21], two.probe_what_[:21])
    assert np.abs(one.probe_what_[21] - two.probe_what_[21]).max() > 1e-6


# ---------------------------------------------------------------- learning on
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_trial_by_trial_is_the_same_as_at_once(rule, what_when):
    X, s, _ = what_when
    whole = type(rule)(**rule.get_params()).fit(X, s)
    parts = type(rule)(**rule.get_params())
    for x, y in zip(X, s, strict=True):
        parts.partial_fit(x, y)
    np.testing.assert_array_equal(parts.coef_, whole.coef_)
    np.testing.assert_array_equal(parts.mean_, whole.mean_)
    assert parts.n_trials_ == 30


def test_two_banks_trial_by_trial_are_the_same_as_at_once(what_when):
    X, s, outcome = what_when
    whole = TwoBankPredictor(center_tau=4.0, n_outcomes=2, keep_weights=True).fit(X, s, outcome=outcome)
    parts = TwoBankPredictor(center_tau=4.0, n_outcomes=2)
    for t in range(30):
        if t:
            np.testing.assert_array_equal(parts.when_coef_, whole.when_weights_[t])
            np.testing.assert_array_equal(parts.what_coef_, whole.what_weights_[t])
        parts.partial_fit(X[t], s[t], outcome=outcome[t])
        np.testing.assert_array_equal(parts.probe_when_[0], whole.probe_when_[t])
        np.testing.assert_array_equal(parts.probe_what_[0], whole.probe_what_[t])
    np.testing.assert_array_equal(parts.when_coef_, whole.when_coef_)
    np.testing.assert_array_equal(parts.what_coef_, whole.what_coef_)


def test_a_second_fit_forgets_the_first(what_when):
    X, s, _ = what_when
    model = RLS(center_tau=3.0).fit(X[15:], s[15:])
    np.testing.assert_array_equal(model.fit(X, s).coef_, RLS(center_tau=3.0).fit(X, s).coef_)


def test_data_are_left_alone(what_when):
    X, s, outcome = what_when
    for array in (X, s, outcome):
        array.flags.writeable = False
    TwoBankPredictor(center_tau=2.0).fit(X, s, outcome=outcome)
    RLS(center_tau=2.0).fit(X, s)
    Delta(center_tau=2.0).fit(X, s)
    Ridge(fit_intercept=True).fit(X, s)


def test_prediction_targets_put_the_pulse_on_the_row_of_the_outcome(what_when):
    _, s, outcome = what_when
    target = prediction_targets(s, outcome, n_outcomes=3)
    for trial, k in enumerate(outcome):
        for row in range(3):
            np.testing.assert_array_equal(target[trial, :, row], s[trial] if row == k else 0 * s[trial])


# ---------------------------------------------------------------- manners of scikit-learn
ESTIMATORS = [Ridge(alpha=2.0), Delta(w_min=-1.0), RLS(reset_at=(3,)), TwoBankPredictor(eligibility="post")]


@pytest.mark.parametrize("model", ESTIMATORS, ids=repr)
def test_parameters_are_kept_as_they_were_given(model):
    params = model.get_params()
    again = type(model)(**params)
    assert all(again.get_params()[name] is value for name, value in params.items())
    assert all(getattr(model, name) is value for name, value in params.items())
    assert repr(again) == repr(model)
    assert not any(name.endswith("_") for name in vars(model))


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(Delta(learning_rate=0.1, w_max=1.0)) == "Delta(learning_rate=0.1, w_max=1.0)"
    assert repr(Ridge()) == "Ridge()"


def test_score_is_one_for_a_linear_target_and_zero_for_the_mean(data):
    X, y = data
    exact = X @ np.arange(12.0)
    assert Ridge(alpha=1e-9).fit(X, exact).score(X, exact) == pytest.approx(1.0, abs=1e-9)
    constant = Ridge(alpha=1e12, fit_intercept=True).fit(X, y)
    assert constant.score(X, y) == pytest.approx(0.0, abs=1e-6)


def test_clone_and_pipeline_and_search(data):
    sklearn = pytest.importorskip("sklearn")
    from sklearn.base import clone, is_regressor
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    assert sklearn is not None
    X, y = data
    for model in ESTIMATORS:
        assert clone(model).get_params() == model.get_params()
        assert is_regressor(model)
    fitted = Ridge(alpha=0.5).fit(X, y)
    assert not hasattr(clone(fitted), "coef_")
    for last in (Ridge(), RLS(every=1), Delta()):
        pipe = make_pipeline(StandardScaler(), last).fit(flat(X), flat(y))
        assert pipe.predict(flat(X)).shape == (240, 2)
        scaled = (flat(X) - flat(X).mean(axis=0)) / flat(X).std(axis=0)
        np.testing.assert_allclose(pipe[-1].coef_, clone(last).fit(scaled, flat(y)).coef_, rtol=1e-9)
    assert cross_val_score(Ridge(), X, y, cv=3).min() > 0.8  # folds of whole trials
    search = GridSearchCV(Ridge(), {"alpha": [1e-3, 1e6]}, cv=3).fit(X, y)
    assert search.best_params_ == {"alpha": 1e-3}


def test_ridge_is_that_of_scikit_learn(data):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = data
    for intercept in (False, True):
        theirs = linear_model.Ridge(alpha=3.0, fit_intercept=intercept).fit(flat(X), flat(y))
        ours = Ridge(alpha=3.0, fit_intercept=intercept).fit(X, y)
        np.testing.assert_allclose(flat(ours.predict(X)), theirs.predict(flat(X)), rtol=1e-9)


def test_importing_the_estimators_loads_nothing_heavy():
    code = (
        "import sys, arcuate.readout, arcuate.analysis;"
        "print(sorted({'numba','sklearn','scipy','xarray','pandas','brian2','torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
