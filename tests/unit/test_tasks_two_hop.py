"""Two hops: answers that follow from the facts, and combinations that are never drawn."""

from __future__ import annotations

import numpy as np

from arcuate.tasks import TwoHop

TASK = TwoHop(n_entities=7, n_relations=3, held_out=0.2)


def asked(trials) -> set[tuple[int, int, int]]:
    return set(zip(trials.entities.tolist(), *trials.relations.T.tolist(), strict=True))


def test_every_relation_is_one_to_one():
    assert (np.sort(TASK.facts, axis=0) == np.arange(7)[:, None]).all()
    assert (TASK.facts == TwoHop(n_entities=7, n_relations=3).facts).all()
    assert (TASK.facts != TwoHop(n_entities=7, n_relations=3, world=1).facts).any()


def test_answers_follow_from_what_one_hop_tells():
    one = TASK.questions("one_hop")
    words = np.array(one.tokens().vocabulary)
    said = {
        tuple(words[row[:2]]): f"entity {k}" for row, k in zip(one.tokens().tokens, one.answers, strict=True)
    }
    assert len(said) == 21
    for which in ("two_hop", "held_out"):
        trials = TASK.questions(which)
        for row, answer in zip(trials.tokens().tokens, trials.answers, strict=True):
            entity, first, second, end = words[row]
            assert end == "leads to"
            assert said[said[entity, first], second] == f"entity {answer}"


def test_what_is_held_out_is_never_drawn():
    held, kept = asked(TASK.questions("held_out")), asked(TASK.questions("two_hop"))
    assert len(held) == round(0.2 * 63) and len(held | kept) == 63 and not held & kept
    trials = TASK.draw(5000, seed=1)
    drawn = asked(trials)
    assert drawn == kept | asked(TASK.questions("one_hop"))
    assert abs((trials.hops == 2).mean() - 0.8) < 0.03
    assert (trials.bridges[trials.hops == 1] == trials.answers[trials.hops == 1]).all()


def test_all_forms_hold_the_same_questions():
    trials = TASK.draw(20, seed=2)
    x, targets = trials.frames()
    read, shown = trials.tokens(), trials.drive("1 ms", hold="3 ms")
    assert (read.tokens[:, :3] == x).all() and (read.targets[:, -1:] == targets).all()
    assert (shown.inputs[:, ::3].argmax(-1) == read.tokens).all() and (shown.inputs.sum(-1) == 1).all()
    assert (shown.targets[:, -1].argmax(-1) == targets[:, 0]).all()
    assert shown.channels[:-1] == read.vocabulary[:-1]


def test_batches_are_new_draws():
    for form, width in (("frames", 3), ("tokens", 4)):
        x, targets = TASK.batches(8, form=form)(np.random.default_rng(0))
        assert x.shape == (8, width) and targets.shape == (8, 1 if form == "frames" else 4)
        assert x.flags.writeable


def test_questions_are_chosen_whole():
    trials = TASK.questions("two_hop")
    some = trials.chosen(trials.entities == 3)
    assert asked(some) == {row for row in asked(trials) if row[0] == 3}
    assert (some.answers == TASK.facts[some.bridges, some.relations[:, 1]]).all()
