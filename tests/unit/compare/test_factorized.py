"""The factorized read-out: parts that are known are found, and no round makes it worse."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.compare import FactorizedReadout, RidgeEncoder
from arcuate.errors import ArcuateWarning


def trials(seed: int = 0, *, n: int = 150, noise: float = 0.5) -> tuple[np.ndarray, ...]:
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((n, 12, 8)) * np.linspace(0.5, 3, 8) + 4.0
    mask = np.zeros(12)
    mask[4:8] = [0.1, 0.4, 0.4, 0.1]
    weights = draw.standard_normal((2, 8))
    y = np.einsum("ntu,t,ku->nk", x, mask, weights) + 7.0 + noise * draw.standard_normal((n, 2))
    return x, y, mask, weights


def test_weights_mask_and_intercept_are_found() -> None:
    x, y, mask, weights = trials(noise=0.01)
    found = FactorizedReadout(alpha=1e-4, tol=1e-12, max_iter=2000).fit(x, y)
    np.testing.assert_allclose(found.mask_, [mask, mask], atol=0.01)
    np.testing.assert_allclose(found.coef_, weights, atol=0.02)
    np.testing.assert_allclose(found.intercept_, 7.0, atol=0.2)
    assert found.predict(x).shape == (150, 2)


def test_it_predicts_new_trials_better_than_a_weight_for_every_unit_and_time() -> None:
    x, y, _, _ = trials(1, n=240, noise=2.0)
    (x, fresh), (y, wanted) = np.split(x, 2), np.split(y, 2)
    small = FactorizedReadout(alpha=1.0).fit(x, y).predict(fresh)
    flat = RidgeEncoder().fit(x.reshape(120, -1), y).predict(fresh.reshape(120, -1))
    for unit in range(2):
        r = [np.corrcoef(part[:, unit], wanted[:, unit])[0, 1] for part in (small, flat)]
        assert r[0] > r[1]


def test_no_round_raises_the_objective() -> None:
    x, y, _, _ = trials(2, noise=3.0)
    found = FactorizedReadout(alpha=20.0, tol=0.0, max_iter=5)
    with pytest.warns(ArcuateWarning, match="not converged after 5 rounds"):
        found.fit(x, np.column_stack([y, np.random.default_rng(0).standard_normal(150)]))
    for path in found.objective_:
        values = path[~np.isnan(path)]
        assert (np.diff(values) <= 1e-9 * values[:-1]).all()
    assert (found.mask_ >= 0).all()
    np.testing.assert_allclose(found.mask_.sum(axis=1), 1.0)


def test_a_stronger_penalty_leaves_out_more_times() -> None:
    x, y, _, _ = trials(3, noise=4.0)
    used = [int((FactorizedReadout(alpha=a).fit(x, y[:, 0]).mask_ > 1e-9).sum()) for a in (1e-3, 3e3)]
    assert used[0] > used[1]


def test_what_cannot_be_predicted_is_the_mean_and_it_clones() -> None:
    x = trials()[0]
    still = FactorizedReadout().fit(x, np.full(150, 3.0))
    np.testing.assert_allclose(still.predict(x), 3.0)
    base = pytest.importorskip("sklearn.base")
    assert base.clone(FactorizedReadout(alpha=2.0)).alpha == 2.0
