"""Signals of trajectories: closed forms, and what they tell."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from arcuate.compare import combined_auroc, readout_signals, signal_auroc, trajectory_signals
from arcuate.errors import ArcuateWarning


def test_a_straight_path() -> None:
    states = np.arange(11.0)[None, :, None] * np.array([3.0, 4.0])
    found = trajectory_signals(states)
    assert found.net.item() == pytest.approx(5) and found["cumulative"].item() == pytest.approx(50)
    assert found.aligned.item() == pytest.approx(1) and found.straightness.item() == pytest.approx(1)
    assert found.curvature.item() == pytest.approx(0, abs=1e-6)


def test_a_circle_bends_by_its_step() -> None:
    angle = 2 * np.pi * np.arange(37) / 36
    found = trajectory_signals(np.stack([np.cos(angle), np.sin(angle)], axis=1)[None])
    assert found.curvature.item() == pytest.approx(2 * np.pi / 36)
    assert found["cumulative"].item() == pytest.approx(72 * np.sin(np.pi / 36))
    assert found.straightness.item() == pytest.approx(0, abs=1e-12)


def test_a_random_walk_is_aligned_as_the_root_of_its_steps() -> None:
    walks = np.cumsum(np.random.default_rng(0).standard_normal((200, 50, 100)), axis=1)
    found = trajectory_signals(walks)
    assert found.aligned.mean().item() == pytest.approx(1 / 7, abs=0.01)
    assert found.curvature.mean().item() == pytest.approx(np.pi / 2, abs=0.01)
    assert (found["cumulative"] >= 49 * found.net).all()


def test_segments_are_means_and_trials_may_be_unequal() -> None:
    rng = np.random.default_rng(1)
    trials = [rng.standard_normal((n, 3)) for n in (7, 10)]
    found = trajectory_signals(trials, n_segments=2)
    for k, trial in enumerate(trials):
        half = len(trial) // 2
        far = np.linalg.norm(trial[half:].mean(axis=0) - trial[:half].mean(axis=0))
        assert found.net[k].item() == pytest.approx(far)
    assert np.isnan(found.curvature).all()
    whole = trajectory_signals(trials)
    assert not np.isnan(whole.curvature).any()


def test_layers_are_trajectories_of_their_own() -> None:
    states = np.random.default_rng(2).standard_normal((4, 3, 9, 5))
    found = trajectory_signals(states)
    assert found.sizes == {"trial": 4, "layer": 3}
    np.testing.assert_allclose(found.net[:, 1], trajectory_signals(states[:, 1]).net)


def test_signals_do_not_depend_on_coordinates() -> None:
    rng = np.random.default_rng(3)
    states = rng.standard_normal((3, 9, 4))
    turned = states @ np.linalg.qr(rng.standard_normal((4, 4)))[0] + 5.0
    for name, signal in trajectory_signals(states).items():
        np.testing.assert_allclose(signal, trajectory_signals(turned)[name], rtol=1e-9)


def test_no_movement_has_no_direction() -> None:
    found = trajectory_signals(np.ones((1, 5, 2)))
    assert found.net.item() == 0 and found["cumulative"].item() == 0
    assert all(np.isnan(found[name].item()) for name in ("aligned", "straightness", "curvature"))


def test_readout_beside_scipy() -> None:
    from scipy.stats import entropy

    rng = np.random.default_rng(4)
    states, weights = rng.standard_normal((3, 2, 5, 4)), rng.standard_normal((4, 6))
    found = readout_signals(states, weights)
    logits = states @ weights
    chances = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found.entropy, entropy(chances, axis=-1))
    ranked = np.sort(logits, axis=-1)
    np.testing.assert_allclose(found.margin, ranked[..., -1] - ranked[..., -2])
    large = readout_signals(states, lambda x: 1e4 * x @ weights)
    assert np.isfinite(large.entropy).all() and found.sizes == {"trial": 3, "layer": 2, "segment": 5}


def test_areas_are_shares_of_pairs() -> None:
    rng = np.random.default_rng(5)
    values, yes = rng.integers(0, 5, (30, 2)).astype(float), rng.random(30) < 0.4
    signals = xr.Dataset({"net": (("trial", "layer"), values)})
    pairs = [(v[yes][:, None] > v[~yes]).mean() + 0.5 * (v[yes][:, None] == v[~yes]).mean() for v in values.T]
    found = signal_auroc({"a": signals, "b": -signals}, yes)
    assert found.auroc.sel(system="a").item() == pytest.approx(np.mean(pairs))
    assert found.auroc.sum().item() == pytest.approx(1)
    assert (found.low < found.auroc).all() and (found.auroc < found.high).all()


def test_drift_tells_net_change_but_not_length() -> None:
    """Trials that drift are told by where they end, hardly by how long their path is."""
    rng = np.random.default_rng(6)
    yes = np.arange(200) % 2 == 0
    steps = rng.standard_normal((200, 40, 3)) + 0.25 * yes[:, None, None] * np.array([1.0, 0.0, 0.0])
    found = signal_auroc(trajectory_signals(np.cumsum(steps, axis=1)), yes).sel(signal=["net", "cumulative"])
    assert found.low.sel(signal="net") > 0.5
    assert found.auroc.sel(signal="net") > found.auroc.sel(signal="cumulative") + 0.05


@pytest.mark.parametrize(("shift", "m", "n"), [(0.0, 15, 25), (1.5, 10, 10), (2.5, 20, 20)], ids=str)
def test_intervals_cover(shift: float, m: int, n: int) -> None:
    """Normal signals a known distance apart; the nominal coverage is 0.95."""
    from scipy.stats import norm

    rng = np.random.default_rng([7, m])
    true, yes = norm.cdf(shift / np.sqrt(2)), np.arange(m + n) < m
    data = rng.standard_normal((m + n, 150)) + shift * yes[:, None]
    signals = xr.Dataset({str(k): ("trial", column) for k, column in enumerate(data.T)})
    found = signal_auroc(signals, yes)
    hits = ((found.low <= true) & (true <= found.high)).mean().item()
    assert 0.9 <= hits <= 1.0


def test_perfect_separation_is_not_certain() -> None:
    found = signal_auroc(xr.Dataset({"net": ("trial", np.arange(10.0))}), np.arange(10) >= 5)
    assert found.auroc.item() == 1 and found.high.item() == 1 and 0.5 < found.low.item() < 0.95


def test_undefined_trials_are_told() -> None:
    values = np.arange(10.0)
    values[[0, 9]] = np.nan
    with pytest.warns(ArcuateWarning, match="aligned is not defined in 2 of 10 trials"):
        found = signal_auroc(xr.Dataset({"aligned": ("trial", values)}), np.arange(10) >= 5)
    assert (found.n_yes.item(), found.n_no.item()) == (4, 4)


def test_signals_together_tell_more_and_noise_tells_nothing() -> None:
    rng = np.random.default_rng(8)
    yes = np.arange(120) % 3 == 0
    x, y = rng.standard_normal((2, 120))
    signals = xr.Dataset({"net": ("trial", x + 1.2 * yes + y), "aligned": ("trial", y)})
    alone, both = signal_auroc(signals, yes), combined_auroc(signals, yes)
    assert both.auroc.item() > alone.auroc.max().item() and both.low.item() > 0.6
    none = combined_auroc(
        xr.Dataset({str(k): ("trial", v) for k, v in enumerate(rng.standard_normal((30, 120)))}), yes
    )
    assert none.low.item() < 0.5 and none.auroc.item() < 0.65


@pytest.mark.slow
def test_signals_of_noise_average_to_chance_together() -> None:
    rng = np.random.default_rng(9)
    yes = np.arange(60) % 2 == 0
    draws = [
        combined_auroc(
            xr.Dataset({"a": (("trial", "layer"), rng.standard_normal((60, 8)))}), yes
        ).auroc.item()
        for _ in range(60)
    ]
    assert np.mean(draws) == pytest.approx(0.5, abs=0.03)


def test_logistic_regression_beside_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    from arcuate.compare._trajectory import _logits

    rng = np.random.default_rng(10)
    table = rng.standard_normal((50, 4))
    yes = table[:, 0] + rng.standard_normal(50) > 0.3
    scaled = (table - table.mean(axis=0)) / table.std(axis=0)
    theirs = linear.LogisticRegression(C=1 / (0.05 * 50), tol=1e-10, max_iter=10_000).fit(scaled, yes)
    np.testing.assert_allclose(_logits(table, yes, table, 0.05), theirs.decision_function(scaled), atol=1e-4)
