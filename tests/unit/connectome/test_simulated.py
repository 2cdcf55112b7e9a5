"""Traces with known communities: what was promised is there, and silencing changes one neuron only."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.connectome import SharedEvents
from arcuate.errors import ArcuateError

SMALL = {"n_neurons": 12, "n_animals": 3, "n_frames": 400, "n_communities": 2, "size": 4}


def test_the_same_seed_gives_the_same_traces() -> None:
    first, second, other = (SharedEvents(**SMALL).draw(seed) for seed in (1, 1, 2))
    assert first.traces.equals(second.traces)
    assert not first.traces.equals(other.traces)


def test_members_move_together_while_their_community_is_active() -> None:
    drawn = SharedEvents(noise=0.05, private_rate=0.0).draw(1)
    slopes = drawn.traces.values[:, :, 8:] - drawn.traces.values[:, :, :-8]
    for k in range(5):
        animal = int(np.argmax(drawn.present[k]))
        during = np.corrcoef(slopes[animal][drawn.members[k]][:, drawn.active[k, 8:]])
        outside = np.corrcoef(slopes[animal][~drawn.members[k]][:, drawn.active[k, 8:]])
        upper = np.triu_indices(10, 1)
        assert during[upper].mean() > 0.4 > 0.2 > outside[np.triu_indices(len(outside), 1)].mean()


def test_without_communities_neurons_are_independent() -> None:
    traces = SharedEvents(event_rate=0.0, private_rate=0.05, n_animals=1, n_frames=4000).draw(1).traces
    upper = np.corrcoef(traces.values[0])[np.triu_indices(40, 1)]
    assert abs(upper.mean()) < 0.02


def test_a_transient_has_its_peak_and_its_decay() -> None:
    task = SharedEvents(rate_hz=100.0, n_frames=2000)
    impulses = np.zeros((1, 2000))
    impulses[0, 100] = 2.0
    shape = task._transients(impulses)[0]
    t = np.arange(1900) / 100
    kernel = np.exp(-t / 3) - np.exp(-t / 0.3)
    np.testing.assert_allclose(shape[100:], 2 * kernel / kernel.max(), rtol=1e-4, atol=1e-12)
    assert (shape[:100] == 0).all()


def test_amount_of_noise_and_of_activity() -> None:
    noise = SharedEvents(event_rate=0.0, private_rate=0.0, noise=0.3).draw(1).traces
    assert float(noise.std()) == pytest.approx(0.3, rel=0.01)
    drawn = SharedEvents().draw(1)
    np.testing.assert_allclose(drawn.active.mean(axis=1), 0.22, atol=0.001)
    assert (drawn.members.sum(axis=1) == 10).all()
    assert (drawn.pairs.sum(axis=1) == 45).all()
    there = [SharedEvents(n_frames=8).draw(seed).present.mean() for seed in range(50)]
    assert np.mean(there) == pytest.approx(0.7, abs=0.05)


def test_silencing_changes_one_neuron_and_noise_stays() -> None:
    whole, silent = (SharedEvents(silenced=who).draw(5) for who in ((), (3,)))
    same = (whole.traces == silent.traces).all(("animal", "time")).values
    assert np.flatnonzero(~same).tolist() == [3]
    assert (whole.members == silent.members).all()


def test_a_stimulus_drives_the_first_community_alone() -> None:
    epochs = ((20.0, 40.0), (70.0, 80.0))
    plain, driven = (SharedEvents(stimulus=s).draw(5) for s in ((), epochs))
    time = driven.traces.time.values
    inside = ((time >= 20) & (time < 40)) | ((time >= 70) & (time < 80))
    assert (driven.active[0] == inside).all()
    assert driven.present[0].all()
    assert (driven.active[1:] == plain.active[1:]).all()
    assert (driven.present[1:] == plain.present[1:]).all()


def test_missing_neurons_are_nan_throughout() -> None:
    traces = SharedEvents(missing=0.6, n_animals=3).draw(1).traces
    holes = np.isnan(traces.values)
    assert (holes.any(axis=2) == holes.all(axis=2)).all()
    assert not holes.all(axis=(0, 2)).any()
    assert 0.4 < holes.mean() < 0.75


def test_recovery_is_one_for_the_truth_in_any_order_and_half_for_noise() -> None:
    drawn = SharedEvents().draw(1)
    truth = [rows.T.astype(float) for rows in (drawn.pairs, drawn.active, drawn.present)]
    order = [3, 0, 4, 1, 2]
    found = drawn.recovery([3 * factor[:, order] for factor in truth])
    assert found.component.values.tolist() == [1, 3, 4, 0, 2]
    for name in ("pair", "time", "animal", "auc"):
        np.testing.assert_allclose(found[name], 1)
    noise = np.random.default_rng(0)
    pairs = noise.random(truth[0].shape)
    found = drawn.recovery([pairs, *truth[1:]])
    assert abs(float(found.auc.mean()) - 0.5) < 0.1
    first = int(found.component[0])
    inside, outside = pairs[drawn.pairs[0], first], pairs[~drawn.pairs[0], first]
    assert float(found.auc[0]) == pytest.approx((inside[:, None] > outside).mean())
    with pytest.raises(ArcuateError, match="5 communities"):
        drawn.recovery([factor[:, :3] for factor in truth])


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 13},
        {"n_animals": 0},
        {"rate_hz": 0.0},
        {"decay": 0.2},
        {"noise": -1.0},
        {"join": 1.5},
        {"missing": 1.0},
        {"silenced": (12,)},
        {"stimulus": ((5.0, 4.0),)},
        {"stimulus": ((5.0, 500.0),)},
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused_by_name(wrong: dict) -> None:
    with pytest.raises(ArcuateError, match=next(iter(wrong))):
        SharedEvents(**(SMALL | wrong))
