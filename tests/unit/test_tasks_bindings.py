"""Bindings: answers looked up in what was said, forms that agree, and pointers that disagree."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.tasks import Bindings, PairedAssociates


def looked_up(words, ask: str) -> str:
    """Read the groups word by word and find what goes with the word that is asked."""
    *groups, of, question = words
    assert of == "of"
    pairs = dict(zip(groups[::2], groups[1::2], strict=True))
    if ask == "name":
        pairs = {thing: name for name, thing in pairs.items()}
    return pairs[question]


@pytest.mark.parametrize("ask", ["name", "object"])
def test_answers_are_those_that_were_said(ask):
    trials = Bindings(n_groups=5, n_names=9, n_objects=7, ask=ask).draw(200, seed=4)
    read = trials.tokens()
    words = np.array(read.vocabulary)
    said = [looked_up(words[row], ask) for row in read.tokens]
    assert said == [f"{ask} {k}" for k in trials.answers]
    assert (read.targets[:, -1] == trials.answers).all() and (read.targets[:, :-1] == -1).all()


def test_many_questions_are_asked_one_after_the_other():
    trials = Bindings(n_groups=5).draw(50, seed=4)
    read, one = trials.tokens(n_questions=5), trials.tokens()
    words = np.array(read.vocabulary)
    for trial in range(50):
        groups, questions = words[read.tokens[trial, :10]], words[read.tokens[trial, 10:]].reshape(5, 2)
        said = [looked_up([*groups, *question], "name") for question in questions]
        assert said == [f"name {k}" for k in read.targets[trial, 11::2]] and len(set(said)) == 5
    assert (read.tokens[:, :12] == one.tokens).all() and (read.asked.sum(axis=1) == 5).all()


def test_draws_are_fair():
    trials = Bindings(n_groups=4, n_names=8, n_objects=8).draw(20_000, seed=0)
    for index, n in ((trials.asked, 4), (trials.answers, 8), (trials.queries, 8)):
        assert np.abs(np.bincount(index, minlength=n) / 20_000 - 1 / n).max() < 0.015
    assert all(len(set(row)) == 4 for row in trials.names[:100].tolist())


@pytest.mark.parametrize("ask", ["name", "object"])
def test_all_forms_hold_the_same_trials(ask):
    trials = Bindings(n_groups=3, n_names=6, n_objects=5, ask=ask).draw(10, seed=2)
    x, targets = trials.frames()
    shown = trials.drive("1 ms", hold="2 ms")
    key, value = (slice(6, 11), slice(0, 6)) if ask == "name" else (slice(0, 6), slice(6, 11))
    currents = shown.inputs[:, ::2]
    assert (currents[..., key].argmax(-1) == x[:, :, 0, 0]).all()
    assert (currents[:, :3, value].argmax(-1) == x[:, :3, 0, 1]).all()
    assert not currents[:, 3, value].any() and (x[:, 3, 0, 1] == trials.n_answers).all()
    assert (currents[:, :, -1] == [0, 0, 0, 1]).all() and (shown.asked[:, ::2] == [0, 0, 0, 1]).all()
    assert (shown.targets[:, -1].argmax(-1) == targets[:, 0]).all()


def test_frames_are_those_of_pairs_in_chunks_of_one():
    x, targets = Bindings(n_groups=5).draw(4, seed=1).frames()
    like, answers = PairedAssociates(n_chunks=5, chunk=1, n_keys=24, n_values=24).draw(4, seed=1).frames()
    assert x.shape == like.shape and targets.shape == answers.shape
    assert (x[:, -1, :, 1] == like[:, -1, :, 1]).all()


@pytest.mark.parametrize("ask", ["name", "object"])
@pytest.mark.parametrize("n_groups", [4, 8])
def test_the_second_context_names_three_groups_of_the_first(ask, n_groups):
    pairs = Bindings(n_groups=n_groups, ask=ask).draw(500, seed=3).interchanged(seed=5)
    first, second, rows = pairs.original, pairs.counterfactual, np.arange(500)
    p, k, i = pairs.sources().T
    assert all(len({*four}) == 4 for four in zip(p, k, i, first.asked, strict=True))
    questions = first.objects if ask == "name" else first.names
    assert (second.asked == p).all()
    assert (np.sort(second.order, axis=1) == np.arange(n_groups)).all()
    assert (second.queries == questions[rows, k]).all()
    assert (second.answers == first.candidates[rows, i]).all()
    words = np.array(second.tokens().vocabulary)
    assert [looked_up(words[row], ask) for row in second.tokens().tokens] == [
        f"{ask} {k}" for k in first.candidates[rows, i]
    ]
    for trial in range(20):  # the three groups lose their bindings, the others keep them
        were, are = (set(zip(one.names[trial], one.objects[trial], strict=True)) for one in (first, second))
        assert len(were & are) == n_groups - 3
        assert set(first.names[trial]) == set(second.names[trial])


@pytest.mark.parametrize("ask", ["name", "object"])
def test_fresh_answers_are_in_no_group_of_the_first_context(ask):
    trials = Bindings(n_groups=6, n_names=8, n_objects=9, ask=ask).draw(400, seed=3)
    pairs, plain = trials.interchanged(seed=5, fresh=True), trials.interchanged(seed=5)
    first, second, rows = pairs.original, pairs.counterfactual, np.arange(400)
    p, _, i = pairs.sources().T
    assert (pairs.sources() == plain.sources()).all() and (
        second.queries == plain.counterfactual.queries
    ).all()
    new = (second.candidates[:, :, None] != first.candidates[:, None]).all(axis=2)
    assert (new.sum(axis=1) == 2).all() and new[rows, p].all() and new[rows, i].all()
    assert all(len({*row}) == 6 for row in second.candidates)
    assert (second.answers == second.candidates[rows, p]).all()
    rest = ~new
    assert (second.candidates[rest] == first.candidates[rest]).all()


def test_pairs_are_chosen_whole():
    pairs = Bindings().draw(20, seed=1).interchanged(seed=2)
    some = pairs.chosen(np.arange(20) % 3 == 0)
    assert some.n_trials == 7 and (some.sources() == pairs.sources()[::3]).all()
    assert (some.original.answers == pairs.original.answers[::3]).all()
    assert (some.counterfactual.queries == pairs.counterfactual.queries[::3]).all()


def test_pointers_are_fair_and_seeded():
    trials = Bindings(n_groups=5).draw(20_000, seed=1)
    pairs, again = trials.interchanged(seed=2), trials.interchanged(seed=2)
    for pointer in pairs.sources().T:
        assert np.abs(np.bincount(pointer, minlength=5) / 20_000 - 0.2).max() < 0.015
    assert (pairs.sources() == again.sources()).all()
    assert (pairs.sources() != trials.interchanged(seed=3).sources()).any()


def test_batches_mix_the_numbers_of_groups():
    batches = Bindings(n_groups=4).batches(8, n_groups=(2, 3), form="tokens")
    shapes = {batches(np.random.default_rng(seed))[0].shape for seed in range(20)}
    assert shapes == {(8, 8), (8, 12)}
    x, targets = Bindings(n_groups=4).batches(8)(np.random.default_rng(0))
    assert x.shape == (8, 5, 1, 2) and targets.shape == (8, 1) and x.flags.writeable
