"""The conditioning battery: the same sessions in every form, and what a learner makes of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from arcuate.memory import AssociativeMemory, condition
from arcuate.tasks import EXPERIMENTS, Conditioning, Phase

TURNS = (Phase(trials=("A+",), n=3), Phase(trials=("AB-", "C+"), n=2))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_memory_that_goes_through_a_session_learns_what_the_theory_says(experiment: str) -> None:
    phases = EXPERIMENTS[experiment]
    sessions = Conditioning(phases=phases).draw(4, seed=2)
    x, targets = sessions.frames()
    theory = condition(phases)
    for session in range(4):
        memory = AssociativeMemory(x.shape[2] - 1, 1, rule="delta", learning_rate=0.2)
        memory.write(x[session, :, :-1], targets[session][:, None])
        np.testing.assert_allclose(memory.weights[sessions.cues[session], 0], theory[-1], atol=1e-6)


def test_a_session_is_its_phases_in_turn() -> None:
    sessions = Conditioning(phases=TURNS).draw(20, seed=1)
    assert sessions.what == ("A+", "A+", "A+", "AB-", "C+", "AB-", "C+")
    for session in range(20):
        cue = dict(zip(sessions.stimuli, sessions.cues[session], strict=True))
        for trial, name in enumerate(sessions.what):
            shown = {int(k) for k in np.flatnonzero(sessions.shown[session, trial])}
            assert shown == {cue[letter] for letter in name[:-1]}
            assert sessions.outcomes[session, trial] == (name[-1] == "+")


def test_cues_play_stimuli_equally_often() -> None:
    cues = Conditioning(phases=TURNS).draw(6000, seed=1).cues
    counts = Counter(map(tuple, cues.tolist()))
    assert len(counts) == 6
    assert all(abs(count / 6000 - 1 / 6) < 0.02 for count in counts.values())


def test_the_forms_have_the_same_sessions_in_the_same_order() -> None:
    sessions = Conditioning(phases=TURNS).draw(5, seed=3)
    x, targets = sessions.frames()
    assert (x[:, 1:, -1] == targets[:, :-1]).all()
    assert not x[:, 0, -1].any()
    read, shown = sessions.tokens(), sessions.drive("1 ms", hold="3 ms")
    for session in range(5):
        words = [read.vocabulary[k] for k in read.tokens[session]]
        asked, place = read.targets[session], 0
        for trial in range(7):
            expected = [f"cue {k}" for k in np.flatnonzero(x[session, trial, :-1])]
            followed = "outcome" if targets[session, trial] else "nothing"
            n = len(expected)
            assert words[place : place + n + 1] == [*expected, followed]
            assert asked[place : place + n + 1].tolist() == [-1] * (n - 1) + [targets[session, trial], -1]
            place += n + 1
            alone, outcome, pause = shown.inputs[session, 9 * trial + np.array([1, 4, 7])]
            assert (alone[:-1] == x[session, trial, :-1]).all()
            assert (outcome[:-1] == alone[:-1]).all()
            assert [alone[-1], outcome[-1]] == [0, targets[session, trial]]
            assert not pause.any()
            assert shown.targets[session, 9 * trial, 0] == targets[session, trial]
        assert place == len(words)
    assert shown.asked[0].reshape(7, 9).sum(axis=1).tolist() == [3] * 7
    assert shown.asked[0].reshape(7, 9)[:, :3].all()


def test_scores_are_of_the_end_and_of_every_trial() -> None:
    sessions = Conditioning(phases=TURNS).draw(3, seed=0)
    answers = sessions.outcomes.copy()
    answers[0, 0] = 0  # not known yet
    answers[1, -2] = 1  # the last AB-
    assert sessions.score(answers).tolist() == [True, False, True]
    assert np.argwhere(~sessions.score_items(answers)).tolist() == [[0, 0], [1, 5]]


def test_draws_are_seeded_and_cannot_be_changed() -> None:
    one, again, other = (Conditioning(phases=TURNS).draw(9, seed=seed) for seed in (1, 1, 2))
    assert (one.cues == again.cues).all()
    assert (one.cues != other.cues).any()
    with pytest.raises(ValueError, match="read-only"):
        one.shown[0, 0, 0] = True


def test_batches_are_new_draws() -> None:
    batches = Conditioning(phases=TURNS).batches(16)
    generator = np.random.default_rng(0)
    (x, targets), (y, _) = batches(generator), batches(generator)
    assert x.shape == (16, 7, 4)
    assert (x != y).any()
    assert x.flags.writeable and targets.flags.writeable  # torch warns of others
