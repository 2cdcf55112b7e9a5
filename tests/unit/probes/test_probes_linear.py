"""Linear probes: fits equal to scikit-learn's, chance on noise, no selectivity of what is known by heart."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate.compare._ridge import Split
from arcuate.errors import ArcuateWarning, SpecError
from arcuate.probes import control_task, linear_probe, online_code_length
from arcuate.probes._softmax import fit
from arcuate.recording import Recording


def clouds(n: int, *, n_classes: int = 3, width: int = 8, far: float = 3.0, seed: int = 0) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    kind = draw.permutation(np.arange(n) % n_classes)
    return draw.standard_normal((n, width)) + far * np.eye(n_classes, width)[kind], kind


@pytest.mark.parametrize(("n", "width"), [(120, 6), (40, 90)])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("penalty", [1e-3, 0.3])
def test_a_fit_is_that_of_scikit_learn(n: int, width: int, n_classes: int, penalty: float) -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason='needs pip install "arcuate[sklearn]"')
    x, y = clouds(n, n_classes=n_classes, width=width, far=1.0)
    x = x * np.linspace(0.1, 30, width)
    split = Split.of(x)
    ours = fit(split, split.components(x), y, n_classes=n_classes, penalty=penalty)
    # of two classes, their model has one vector: ours twice, which is penalized half
    scale = 2 if n_classes == 2 else 1
    z = (x - x.mean(0)) / x.std(0)
    model = linear.LogisticRegression(C=scale / (n * penalty), tol=1e-9, max_iter=5000).fit(z, y)
    np.testing.assert_allclose(np.exp(ours(x)), model.predict_proba(z), atol=2e-5)
    weight, intercept = ours.of_units()
    logits = x @ weight + intercept
    np.testing.assert_allclose(logits - logits.mean(1, keepdims=True), _centered(ours(x)), atol=1e-8)


def _centered(told: Any) -> Any:
    return told - told.mean(1, keepdims=True)


def test_noise_is_at_chance_and_a_direction_is_found() -> None:
    x, kind = clouds(300, far=0.0)
    noise = linear_probe(x, kind, groups=np.arange(300) // 2, n_controls=0, penalties=[0.01, 1.0])
    assert float(noise.score_low) < 1 / 3 < float(noise.score_high)
    assert float(noise.chance) == pytest.approx(1 / 3, abs=0.08)
    x, kind = clouds(300, far=6.0)
    clear = linear_probe(x, kind, groups=np.arange(300) // 2, n_controls=0, penalties=[0.01, 1.0])
    assert float(clear.score) > 0.97
    told = (x @ clear.weight.values.T + clear.intercept.values).argmax(1)
    assert (clear["class"].values[told] == kind).mean() > 0.98
    assert np.isnan(clear.selectivity)


@pytest.mark.slow
def test_the_interval_covers_the_true_accuracy() -> None:
    """Two clouds d apart are told with accuracy Phi(d / 2)."""
    from scipy.stats import norm

    inside = 0
    for seed in range(10):
        x, kind = clouds(240, n_classes=2, width=2, far=np.sqrt(2), seed=seed)
        found = linear_probe(x, kind, groups=np.arange(240), n_controls=0, penalties=[1e-2], seed=seed)
        inside += float(found.score_low) <= norm.cdf(1.0) <= float(found.score_high)
    assert inside >= 8


def test_values_are_read_by_ridge() -> None:
    draw = np.random.default_rng(3)
    x = draw.standard_normal((200, 5))
    y = x @ np.array([1.0, -2.0, 0.0, 0.5, 0.0]) + draw.standard_normal(200) * np.sqrt(5.25)
    found = linear_probe(x, y, groups=np.arange(200), n_controls=0)
    assert found.attrs["score"] == "R2"
    assert float(found.score) == pytest.approx(0.5, abs=0.08)  # half of the variance is noise
    assert float(found.chance) == 0
    np.testing.assert_allclose(found.weight.values[0], [1.0, -2.0, 0.0, 0.5, 0.0], atol=0.4)


def test_weights_of_values_are_those_of_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    draw = np.random.default_rng(4)
    x = draw.standard_normal((90, 4)) * [1.0, 3.0, 0.5, 2.0] + [0.0, 1.0, -2.0, 5.0]
    y = x @ np.array([1.0, -2.0, 0.0, 0.5]) + 7.0 + draw.standard_normal(90)
    found = linear_probe(x, y, groups=np.arange(90), penalties=[0.2], n_controls=0)
    mean, spread = x.mean(0), x.std(0)
    model = linear.Ridge(alpha=0.2 * 90).fit((x - mean) / spread, y)
    np.testing.assert_allclose(found.weight.values[0], model.coef_ / spread, rtol=1e-6)
    expected = model.intercept_ - (model.coef_ / spread) @ mean
    np.testing.assert_allclose(found.intercept.values, [expected], rtol=1e-6)


def words(seed: int = 0, n_texts: int = 60, length: int = 6) -> tuple[Any, Any, Any, Any]:
    """Texts of 20 words whose states tell the word, in 40 units, and, in two of them, its class."""
    draw = np.random.default_rng(seed)
    word = draw.integers(20, size=(n_texts, length))
    code = draw.standard_normal((20, 40))
    states = code[word] + 0.3 * draw.standard_normal((n_texts, length, 40))
    return states, word, word % 2, draw.integers(2, size=20)[word]


def test_what_is_known_by_heart_has_no_selectivity() -> None:
    states, word, _, random = words()
    found = linear_probe(states, random, groups=np.arange(60), types=word, penalties=[0.01, 0.1])
    assert float(found.score) > 0.95  # the same words stand in other texts
    assert abs(float(found.selectivity)) < 0.1
    assert float(found.new_types) < 0.8  # and say nothing of others


def test_what_is_in_the_states_is_selective() -> None:
    states, word, kind, _ = words()
    states = (
        0.15 * states
        + 2.0 * kind[..., None] * np.eye(40)[0]
        + np.random.default_rng(1).normal(size=states.shape)
    )
    found = linear_probe(states, kind, groups=np.arange(60), types=word)
    assert float(found.score) > 0.75
    assert float(found.selectivity_low) > 0.1
    assert float(found.new_types) > 0.6
    assert float(found.selectivity) == pytest.approx(float(found.instances - found.control))


def test_repeats_of_a_stimulus_are_its_instances() -> None:
    """Of stimuli with repeats, whole trials are held out for the control task, else stimuli."""
    draw = np.random.default_rng(5)
    code = draw.standard_normal((24, 40))
    stimulus = np.repeat(np.arange(24), 4)
    states = xr.DataArray(
        (code[stimulus] + 0.2 * draw.standard_normal((96, 40)))[:, None],
        dims=("trial", "time", "unit"),
        coords={"stimulus": ("trial", stimulus)},
    )
    found = linear_probe(states, draw.permutation(np.arange(24) % 2)[stimulus], penalties=[0.01, 0.1])
    assert found.attrs["n_groups"] == 24
    assert float(found.instances) > 0.95
    assert float(found.control) > 0.95
    assert float(found.score) < 0.8
    assert np.isnan(found.new_types)


def test_a_profile_has_a_row_for_each_site_and_pads_are_left_out() -> None:
    x, kind = clouds(60)
    cube = x.reshape(20, 3, 8).copy()
    labels = kind.reshape(20, 3)
    cube[:5, 2] = np.nan
    found = linear_probe(
        {"a": cube, "b": cube[..., :1] * 0 + 1.0 + np.zeros(8)}, labels, groups=range(20), n_controls=0
    )
    assert found.site.values.tolist() == ["a", "b"]
    assert found.attrs["n_samples"] == 55
    assert float(found.score[0]) > float(found.score[1])
    told: list[tuple[int, int]] = []
    alone = linear_probe(
        cube, labels, groups=range(20), n_controls=0, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(1, 1)]
    assert float(alone.score) == float(found.score[0])


def test_a_recording_of_a_reservoir_is_taken_whole() -> None:
    x, kind = clouds(40)
    time = np.arange(2) * 1e-3
    states = {
        "rate": (
            x[:, None].repeat(2, 1),
            ("trial", "time", "unit"),
            {"time": time, "stimulus": ("trial", list(range(40)))},
            "1",
        )
    }
    recording = Recording.build(source="numba", states={"exc": states, "inh": states})
    found = linear_probe(recording, kind, n_controls=0, penalties=[0.1])
    assert found.site.values.tolist() == ["exc", "inh"]
    assert float(found.score[0]) > 0.8


def test_labels_say_nothing_in_the_control_task() -> None:
    types = np.repeat(np.arange(100), 3)
    labels = np.array(["a", "b", "b", "c"])[types % 4]
    given = control_task(labels, types, seed=1)
    assert all(len(set(given[types == k])) == 1 for k in range(100))
    for name in "abc":
        assert abs((given == name).mean() - (labels == name).mean()) <= 0.01
    assert (given == labels).mean() < 0.6
    assert (control_task(labels, types, seed=1) == given).all()


def test_a_code_is_as_long_as_its_blocks() -> None:
    """Two blocks: N/2 bits, then what scikit-learn's model of the first half gives for the second."""
    linear = pytest.importorskip("sklearn.linear_model", reason='needs pip install "arcuate[sklearn]"')
    x, kind = clouds(400, n_classes=2, far=2.0)
    found = online_code_length(x, kind, groups=np.arange(400), fractions=[0.5, 1.0], penalties=[0.01], seed=2)
    assert float(found.block_length[0]) == 200
    from arcuate.rng import stream

    order = np.argsort(stream(2, "probes/code").permutation(400))
    x, kind = x[order], kind[order]
    mean, spread = x[:200].mean(0), x[:200].std(0)
    model = linear.LogisticRegression(C=2 / (200 * 0.01), tol=1e-9, max_iter=1000)
    model.fit((x[:200] - mean) / spread, kind[:200])
    told = model.predict_log_proba((x[200:] - mean) / spread)[np.arange(200), kind[200:]]
    assert float(found.block_length[1]) == pytest.approx(-told.sum() / np.log(2), rel=0.02)


def test_noise_is_not_compressed_and_order_is() -> None:
    x, kind = clouds(400, n_classes=4, far=0.0)
    assert 0.8 < float(online_code_length(x, kind, groups=np.arange(400)).compression) < 1.02
    found = online_code_length(*clouds(400, n_classes=4, far=8.0), groups=np.arange(400))
    assert float(found.compression) > 4
    assert float(found.uniform) == 800
    assert float(found.block_length.sum()) == pytest.approx(float(found.code_length))
    texts = online_code_length(*clouds(400, far=2.0), groups=np.arange(400) // 7)
    assert all(end % 7 in (0, 1) for end in texts.end.values)  # one text of 1, the others of 7


def test_blocks_end_where_the_method_has_them_and_the_first_costs_a_label_each() -> None:
    """Ends of Voita and Titov: 0.1, 0.2, ..., 100 % of 1600; two bits for each of the first labels."""
    found = online_code_length(*clouds(1600, n_classes=4, width=4), groups=np.arange(1600), penalties=[0.1])
    assert found.end.values.tolist() == [2, 4, 7, 13, 26, 52, 100, 200, 400, 800, 1600]
    assert float(found.block_length[0]) == 4.0


X, KIND = clouds(60)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "groups: must tell the text"),
        ({"groups": np.arange(59)}, "groups: must have shape"),
        ({"groups": np.arange(60) // 40}, "groups"),
        ({"groups": np.arange(60), "labels": KIND[:50]}, "labels: must have shape"),
        ({"groups": np.arange(60), "labels": np.zeros(60, int)}, "two classes or more, all are 0"),
        ({"groups": np.arange(60), "labels": np.zeros(60)}, "two values or more, all are 0"),
        ({"groups": np.arange(60), "labels": np.where(KIND == 1, np.nan, 1.0)}, "must be finite; 20 are not"),
        ({"groups": np.arange(60), "labels": [*"ab" * 29, "a", "c"]}, "class c in one group"),
        ({"groups": np.arange(60), "states": np.where(X > 2, np.nan, X)}, "must be finite, at index"),
        ({"groups": np.arange(60), "states": np.full((60, 2, 3), np.nan)}, "nothing but NaN"),
        ({"groups": np.arange(60), "n_folds": 2}, "n_folds"),
        ({"groups": np.arange(60), "penalties": [0.0]}, "above 0"),
        (
            {"groups": np.arange(60).reshape(20, 3), "states": X.reshape(20, 3, 8), "labels": KIND[:20]},
            "put trial 0 into 3 groups",
        ),
    ],
    ids=("none length few labels class value nan rare states pads folds penalty torn".split()),
)
def test_what_cannot_be_probed_is_refused(more: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"states": X, "labels": KIND} | more
    with pytest.raises(SpecError, match=message):
        linear_probe(given.pop("states"), given.pop("labels"), **given)


def test_texts_are_not_torn_by_groups() -> None:
    states = xr.DataArray(
        X[:, None], dims=("trial", "token", "unit"), coords={"stimulus": ("trial", np.arange(60) // 2)}
    )
    with pytest.raises(SpecError, match="put stimulus 0 into 2 groups"):
        linear_probe(states, KIND, groups=np.arange(60))


def test_types_that_come_once_have_no_control_task() -> None:
    with pytest.warns(ArcuateWarning, match="each type stands in one trial only"):
        found = linear_probe(X, KIND, groups=np.arange(60))
    assert np.isnan(found.control)


def test_values_have_no_code() -> None:
    with pytest.raises(SpecError, match="must be classes"):
        online_code_length(X, X[:, 0], groups=np.arange(60))
    with pytest.raises(SpecError, match="must rise from above 0"):
        online_code_length(X, KIND, groups=np.arange(60), fractions=[0.5, 0.4, 1.0])


@pytest.mark.slow
def test_no_torch_is_needed() -> None:
    program = (
        "import sys; import arcuate as arc; arc.probes.linear_probe, arc.probes.online_code_length;"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_control_labels_are_as_frequent_over_samples_where_types_are_of_many_sizes() -> None:
    counts = np.maximum(200 // np.arange(1, 51), 1)
    types = np.repeat(np.arange(50), counts)
    labels = np.random.default_rng(0).permutation(50)[types] < 20
    share = labels.mean()
    for seed in range(20):
        given = control_task(labels, types, seed=seed)
        assert abs(given.mean() - share) <= counts[0] / len(types)  # by one type at most
    assert np.mean([control_task(labels, types, seed=k).mean() for k in range(20)]) == pytest.approx(
        share, abs=0.05
    )


@pytest.mark.parametrize(("n_types", "share"), [(2, 0.5), (5, 0.09)], ids=["two", "rare"])
def test_too_few_types_have_no_control_task(n_types: int, share: float) -> None:
    kind = np.arange(200) % n_types
    labels = kind > 0 if n_types == 2 else np.arange(200) < share * 200
    x = np.random.default_rng(1).standard_normal((200, 4))
    with pytest.warns(ArcuateWarning, match="too few"):
        found = linear_probe(x, labels, groups=np.arange(200), types=kind, penalties=[0.1])
    assert np.isnan(found.control) and np.isnan(found.selectivity) and np.isfinite(found.instances)
