"""Paired associates: answers looked up pair by pair, and the same trials in every form."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.tasks import PairedAssociates


def looked_up(chunks, queries) -> list[int]:
    """Write each pair into a dictionary as it is shown, then read the keys that are asked."""
    known: dict[int, int] = {}
    for chunk in chunks:
        for key, value in chunk:
            assert key not in known
            known[key] = value
    return [known[key] for key in queries]


@pytest.mark.parametrize("n_chunks", [1, 4, 16])
def test_answers_are_those_of_the_pairs_that_were_shown(n_chunks):
    x, targets = PairedAssociates(n_chunks=n_chunks).draw(200, seed=4).frames()
    for trial, wanted in zip(x.tolist(), targets.tolist(), strict=True):
        *chunks, asked = trial
        assert {value for _, value in asked} == {16}
        queries = [key for key, _ in asked]
        assert len(set(queries)) == 4
        assert looked_up(chunks, queries) == wanted


def test_every_pair_is_asked_equally_often_and_every_value_shown_equally_often():
    trials = PairedAssociates(n_chunks=8, n_values=5).draw(20_000, seed=0)
    shown = trials.keys.reshape(20_000, 32)
    place = (shown[:, None] == trials.queries[..., None]).argmax(axis=2)
    for drawn, n in ((place, 32), (trials.answers, 5), (trials.keys[:, 0, 0], 64)):
        share = np.bincount(drawn.ravel(), minlength=n) / drawn.size
        assert np.abs(share - 1 / n).max() < 5 * np.sqrt(1 / n / drawn.size)


def test_every_form_has_the_same_trials_in_the_same_order():
    trials = PairedAssociates(n_chunks=3, chunk=2, n_keys=9, n_values=4).draw(20, seed=2)
    x, targets = trials.frames()
    read, shown = trials.tokens(), trials.drive("1 ms", hold="5 ms")
    words = np.array(read.vocabulary)
    for trial in range(20):
        pairs = x[trial, :-1].reshape(-1, 2)
        sentence = [word for key, value in pairs for word in (f"key {key}", f"value {value}")]
        sentence += [f"key {key}" for key in x[trial, -1, :, 0]]
        assert words[read.tokens[trial]].tolist() == sentence
        asked = read.asked[trial]
        assert np.flatnonzero(asked).tolist() == [12, 13]
        assert words[read.targets[trial, asked]].tolist() == [f"value {k}" for k in targets[trial]]
        for item, (key, value) in enumerate(x[trial].reshape(-1, 2)):
            on = [shown.channels[k] for k in np.flatnonzero(shown.inputs[trial, 5 * item + 2])]
            assert on == [f"key {key}", "answer" if item >= 6 else f"value {value}"]
        assert np.flatnonzero(shown.asked[trial]).tolist() == list(range(30, 40))
        assert shown.targets[trial, 32::5].argmax(axis=1).tolist() == targets[trial].tolist()


def test_draws_are_seeded_and_cannot_be_changed():
    one, again, other = (PairedAssociates().draw(50, seed=seed) for seed in (1, 1, 2))
    assert (one.keys == again.keys).all() and (one.answers == again.answers).all()
    assert (one.keys != other.keys).any()
    with pytest.raises(ValueError, match="read-only"):
        one.values[0, 0, 0] = 0


def test_batches_are_new_draws_of_one_of_the_lengths():
    batches = PairedAssociates().batches(8, n_chunks=(1, 2, 4))
    generator = np.random.default_rng(0)
    drawn = [batches(generator) for _ in range(60)]
    assert {x.shape[1] for x, _ in drawn} == {2, 3, 5}
    for x, targets in drawn:
        assert x.flags.writeable and targets.flags.writeable  # torch warns of others
        assert looked_up(x[0, :-1].tolist(), x[0, -1, :, 0].tolist()) == targets[0].tolist()
    assert (drawn[0][0] == batches(np.random.default_rng(0))[0]).all()


def test_scores_tell_keys_and_whole_trials_apart():
    trials = PairedAssociates().draw(3, seed=0)
    answers = trials.answers.copy()
    answers[1, 2] = (answers[1, 2] + 1) % 16
    assert trials.score(answers).tolist() == [True, False, True]
    assert np.argwhere(~trials.score_items(answers)).tolist() == [[1, 2]]
