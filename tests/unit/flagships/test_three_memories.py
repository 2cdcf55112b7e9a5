"""The flagship of memories: its sessions, its measures on systems whose answer is known, a whole small run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from arcuate.flagships import _memories_conditioning as conditioning
from arcuate.flagships import _memories_measures as measures
from arcuate.flagships import _memories_systems as systems
from arcuate.flagships import run, three_memories
from arcuate.flagships._memories_systems import N_GROUPS, TASK, Binder
from arcuate.memory import condition

SMALL = measures.Sizes(pairs=60, sessions=4, memories=1, n_null=19, trials=60)


def _binder(follow: str, *, sharp: float = 1.0) -> Binder:
    """Return a system whose answers follow one pointer of the pairs, even answers mixed in."""

    def even(trials) -> np.ndarray:
        return np.full((trials.n_trials, trials.n_answers), 1 / trials.n_answers)

    def swap(pairs, site: str) -> np.ndarray:
        rows = np.arange(pairs.n_trials)
        chosen = np.eye(pairs.original.n_answers)[pairs.original.names[rows, getattr(pairs, follow)]]
        return sharp * chosen + (1 - sharp) * even(pairs.original)

    return Binder(answer=even, swap=swap, sites=("question",))


class TestSessions:
    def test_no_cue_is_alone_before_it_is_in_a_compound(self) -> None:
        x, targets = conditioning.training_batch(200, np.random.default_rng(0))
        assert x.shape == (200, 26, 6) and (targets[:, 1::2] == -1).all()
        shown, came = x[:, ::2, :4], targets[:, ::2]
        together = shown.sum(axis=2) == 2
        assert together.any() and (shown.sum(axis=2) <= 2).all()
        for row, both in zip(shown, together, strict=True):
            for t in np.flatnonzero(both):
                alone = row[:t][row[:t].sum(axis=1) == 1].any(axis=0)
                assert not (alone & row[t].astype(bool)).any()
        assert (x[:, ::2, 4:] == 0).all()  # the question does not hold its answer
        assert (x[:, 1::2, 4:].argmax(axis=2) == came).all()
        assert 0.3 < came.mean() < 0.7

    def test_questions_that_can_be_answered_are_those_of_what_was_shown(self) -> None:
        x, targets, kept = conditioning._drawn(300, np.random.default_rng(1))
        for row, answer, known in zip(x, targets, kept, strict=True):
            for t in np.flatnonzero(known)[:4]:
                before = [s for s in range(0, t, 2) if (row[s, :4] == row[t, :4]).all()]
                assert before and answer[before[-1]] == answer[t]

    def test_effects_of_rules_are_those_of_cues_without_overlap(self) -> None:
        """Orthogonal cues by `condition`; random cues of 64 numbers overlap by an eighth."""
        for rule in ("hebb", "delta"):
            found = conditioning.battery(rule, 0, sessions=40)["ordered"]
            expected = {}
            for group in conditioning.GROUPS:
                last = condition(
                    conditioning.phases_of(group), rule=rule, learning_rate=conditioning.SETTINGS["rate"]
                )[-1]
                expected[group] = np.array(
                    [[float(last.sel(stimulus=k)) if k in last.stimulus else 0.0 for k in "ABCD"]]
                )
            exact = conditioning.effects(expected)
            assert found == pytest.approx(exact, abs=0.06)
            assert (exact["blocking"] > 0.4) == (rule == "delta")
        assert three_memories.blocking_of_delta() == pytest.approx(exact["blocking"])

    def test_what_was_not_learned_has_no_effects(self) -> None:
        nothing = {group: np.full((3, 4), 0.5) for group in conditioning.GROUPS}
        found = conditioning.effects(nothing)
        assert found["learned"] == 0 and all(np.isnan(found[name]) for name in conditioning.EFFECTS)


class TestMeasures:
    @pytest.mark.parametrize("follow", ["positional", "lexical", "reflexive"])
    def test_one_pointer_is_found_and_does_not_mix(self, follow: str) -> None:
        pairs = TASK.draw(200, seed=1).interchanged(seed=1)
        found = measures._stages(_binder(follow, sharp=0.9), pairs, SMALL, seed=0)
        share = found["share"][0].mean(axis=0)
        assert measures.SOURCES[int(share.argmax())] == follow and share.max() > 0.9
        assert found["share_null"][0, :3] == pytest.approx(np.full(3, 1 / N_GROUPS), abs=0.04)
        assert abs(found["gain"][0]) < 0.02
        assert np.isnan(found["gain"][1:]).all()

    def test_two_pointers_mix(self) -> None:
        pairs = TASK.draw(200, seed=2).interchanged(seed=2)
        rows = np.arange(200)
        probability = np.zeros((200, N_GROUPS))
        probability[rows, pairs.positional], probability[rows, pairs.lexical] = 0.5, 0.5
        agreement, gain = measures.gain(probability, pairs.sources(), seed=0)
        assert gain > 0.2 and gain == pytest.approx(agreement[0] - agreement[1:].max())

    def test_the_distance_of_profiles_is_that_by_hand(self) -> None:
        even = np.tile([1.0, 0, 0, 0, 0], 4)
        other = np.tile([0.0, 1, 0, 0, 0], 4)
        apart = measures.alike(np.array([[even] * 3, [other] * 3]), n_null=99, seed=0)
        assert apart["between"] == pytest.approx(np.ones(3)) and apart["within"] == pytest.approx(np.zeros(3))
        assert apart["null"] < 1 and apart["p"] < 0.25  # of 20 ways to share out six profiles two are as far
        same = measures.alike(np.array([[even] * 3, [even] * 3]), n_null=99, seed=0)
        assert same["p"] == 1 and same["between"] == pytest.approx(np.zeros(3))

    def test_another_question_asks_about_another_group(self) -> None:
        trials = TASK.draw(30, seed=3)
        pairs = trials.interchanged(seed=3)
        asked = systems.with_question(trials, pairs.lexical)
        assert (asked.queries == pairs.counterfactual.queries).all()
        assert (np.sort(asked.order, axis=1) == np.arange(N_GROUPS)).all()
        x, targets = systems.rows_of(asked)
        assert (x[:, -1, 12:24].argmax(axis=1) == asked.queries).all()
        assert (targets[:, -1] == asked.answers).all() and (targets[:, :-1] == -1).all()

    @pytest.mark.parametrize("system", ["hebb", "delta", "lookup"])
    def test_rules_follow_the_question(self, system: str) -> None:
        found = measures.binding(system, 0, SMALL)
        assert found["right"].min() > 0.9
        assert np.nanmean(found["share"][0, :, 1]) > 0.9
        assert np.nanmean(found["share"][2, :, 3]) > 0.9  # the memory of another context, the own question


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run of the smallest size: nothing that is trained has learned anything."""
    pytest.importorskip("torch")
    patch = pytest.MonkeyPatch()
    patch.setitem(systems.SETTINGS, "steps", 1)
    patch.setitem(conditioning.SETTINGS, "steps", 1)
    try:
        yield three_memories.compare_memories((50, 51), SMALL, progress=lambda *_: None, workers=1)
    finally:
        patch.undo()


@pytest.mark.torch
def test_what_has_not_learned_is_not_judged(small) -> None:
    for name in systems.TRAINED:
        assert small.claim(f"answers/{name}").verdict == "contradicted"
        assert np.isnan(small.claim(f"mixing/{name}").estimate)
        assert small.claim(f"mixing/{name}").verdict == "undecided"
    assert small.claim("lexical/hebb").verdict == small.claim("lexical/delta").verdict == "supported"
    assert np.isnan(small.claim("blocking/transformer").estimate)
    assert np.isnan(small.claim("alike/all").estimate)
    assert any("Not judged as to binding" in caveat and "PMI net" in caveat for caveat in small.caveats)


@pytest.mark.torch
def test_every_number_is_there_and_the_page_is_saved(small, tmp_path: Path) -> None:
    data = small.data
    assert data.sizes["seed"] == 2 and list(data.system.values) == list(systems.SYSTEMS)
    assert np.isfinite(data["share"].sel(stage="question")).all()
    assert np.isfinite(data["share"].sel(stage="read", system=list(systems.TRAINED))).all()
    assert np.isfinite(data["right_untrained"].sel(system=list(systems.TRAINED))).all()
    assert set(json.loads(data.attrs["spec_json"])) >= {"binding", "conditioning", "groups", "sizes"}
    page = small.plots["three_memories"]
    assert [ax.get_title(loc="left")[0] for ax in page.axes[:4]] == list("abcd")
    assert all(ax.get_ylabel() for ax in page.axes[:3])
    assert "x" in {text.get_text() for text in page.axes[3].texts}
    assert small.save(tmp_path / "out").stat().st_size > 50_000


def test_settings_were_not_chosen_on_the_seeds_of_the_full_form() -> None:
    assert len(three_memories.SEEDS) >= 5 and not {50, 51, 52, 53} & set(three_memories.SEEDS)
    assert all(
        getattr(three_memories.QUICK, name) <= value for name, value in vars(three_memories.FULL).items()
    )


@pytest.mark.slow
@pytest.mark.torch
def test_the_quick_form_learns() -> None:
    result = run("three_memories", quick=True, progress=False)
    assert (result.data["right"].sel(system=list(systems.TRAINED)).isel(n_pairs=-1) > 0.9).all()
    assert (result.data["effect"].sel(system=list(systems.TRAINED), effect_name="learned") > 0.5).all()
    assert result.claim("blocking/hebb").verdict == "supported"
