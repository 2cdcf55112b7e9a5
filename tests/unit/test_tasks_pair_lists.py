"""AB-AC lists: responses looked up in what was said, and the same trials in every form."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.tasks import PairLists


def looked_up(words) -> list[list[str]]:
    """Learn pairs word by word the first time a list is named, answer the second time."""
    known: dict[str, dict[str, str]] = {}
    answers: list[list[str]] = []
    name, item, asking = "", "", False
    for word in words:
        if word.startswith("list"):
            name, asking = word, word in known
            if asking:
                answers.append([])
            else:
                known[name] = {}
        elif asking:
            answers[-1].append(known[name][word])
        elif word.startswith("item"):
            item = word
        else:
            assert item not in known[name]
            known[name][item] = word
    return answers


def test_answers_are_those_that_were_said():
    trials = PairLists(n_items=7).draw(100, seed=4)
    read = trials.tokens()
    words = np.array(read.vocabulary)
    for sentence, targets, responses in zip(read.tokens, read.targets, trials.responses, strict=True):
        answers = looked_up(words[sentence])
        assert answers == [[f"response {k}" for k in row] for row in responses.tolist()]
        assert words[targets[targets >= 0]].tolist() == answers[0] + answers[1]


def test_the_lists_agree_by_chance_only():
    trials = PairLists().draw(2000, seed=0)
    same = (trials.responses[:, 0] == trials.responses[:, 1]).mean()
    assert abs(same - 1 / 20) < 0.005
    assert np.abs(np.bincount(trials.order[:, 0, 0], minlength=20) / 2000 - 1 / 20).max() < 0.025


def test_items_stay_and_contexts_change():
    x, _ = PairLists(n_items=6, n_features=4, n_context=3).draw(10, seed=1).frames()
    assert (x[:, 0, :, :4] == x[:, 1, :, :4]).all()
    assert (x[..., 4:] == x[:, :, :1, 4:]).all()
    assert (x[:, 0, :, 4:] != x[:, 1, :, 4:]).all()


def test_currents_have_the_same_trials_in_the_same_order():
    trials = PairLists(n_items=6, n_features=4, n_context=3).draw(10, seed=2)
    x, targets = trials.frames()
    shown, read = trials.drive("1 ms", hold="5 ms"), trials.tokens()
    assert shown.inputs.shape[2] == len(shown.channels) == 4 + 3 + 6 + 1
    words = np.array(read.vocabulary)
    for trial in range(10):
        said = [word for word in words[read.tokens[trial]] if not word.startswith("list")]
        for place in range(12):
            which, item = place // 6, int(said[2 * place].split()[1])
            current = shown.inputs[trial, 5 * place + 2]
            assert (current[:7] == x[trial, which, item]).all()
            assert f"response {current[7:13].argmax()}" == said[2 * place + 1]
            assert current[13] == 0
            asked = shown.inputs[trial, 60 + 5 * place + 2]
            assert (asked[:7] == x[trial, which, place % 6]).all()
            assert not asked[7:13].any() and asked[13] == 1
            assert shown.targets[trial, 60 + 5 * place].argmax() == targets[trial, which, place % 6]
    assert (np.flatnonzero(shown.asked[0]) == np.arange(60, 120)).all()


def test_draws_are_seeded_and_cannot_be_changed():
    one, again, other = (PairLists().draw(5, seed=seed) for seed in (1, 1, 2))
    assert (one.items == again.items).all() and (one.responses == again.responses).all()
    assert (one.items != other.items).any()
    with pytest.raises(ValueError, match="read-only"):
        one.items[0, 0, 0] = 0


def test_batches_are_new_draws():
    batches = PairLists().batches(8)
    generator = np.random.default_rng(0)
    (x, targets), (y, _) = batches(generator), batches(generator)
    assert (x != y).any()
    assert x.flags.writeable and targets.flags.writeable  # torch warns of others
    assert (x == batches(np.random.default_rng(0))[0]).all()


def test_scores_tell_items_and_whole_trials_apart():
    trials = PairLists().draw(3, seed=0)
    answers = trials.responses.copy()
    answers[1, 0, 2] = (answers[1, 0, 2] + 1) % 20
    assert trials.score(answers).tolist() == [True, False, True]
    assert np.argwhere(~trials.score_items(answers)).tolist() == [[1, 0, 2]]
