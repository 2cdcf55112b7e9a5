"""The twenty bAbI types: stories answered by a reader of their sentences, and files in and out."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from babi_solver import solve

from arcuate.errors import MemoryLimitError
from arcuate.tasks import BABI_KINDS, BABI_WORDS, Babi, BabiTrials, read_babi

KINDS = range(1, 21)
PER_STORY = {4: 1, 15: 4, 16: 1, 17: 8, 19: 1, 20: 12}
N_STORIES = 200
STABLE = (
    (
        (
            "John moved to the office.",
            "Sandra journeyed to the office.",
            "Daniel went back to the office.",
            "Daniel went to the bathroom.",
            "John went back to the hallway.",
            "Sandra went to the bedroom.",
        ),
        (
            "The bedroom is east of the garden.",
            "The bedroom is south of the hallway.",
            "The office is north of the kitchen.",
            "The kitchen is west of the garden.",
        ),
    ),
    ("Where is Daniel?", "How do you go from the garden to the office?"),
    ("bathroom", "w,n"),
)


@cache
def drawn(kind: int) -> BabiTrials:
    trials = Babi(kinds=(kind,)).draw(N_STORIES * PER_STORY.get(kind, 5), seed=kind)
    assert np.unique(trials.story_numbers).size == N_STORIES
    return trials


@pytest.mark.parametrize("kind", KINDS)
def test_answers_follow_from_what_was_told(kind: int):
    trials = drawn(kind)
    rows = zip(trials.stories, trials.questions, trials.answers, strict=True)
    wrong = [
        (story, asked, said) for story, asked, said in rows if solve(kind, list(story), asked) != said.lower()
    ]
    assert not wrong


@pytest.mark.parametrize("kind", KINDS)
def test_answers_follow_from_their_support(kind: int):
    trials = drawn(kind)
    for story, asked, said, support in zip(
        trials.stories, trials.questions, trials.answers, trials.supports, strict=True
    ):
        assert len(set(support)) == len(support) > 0
        assert solve(kind, [story[place] for place in sorted(support)], asked) == said.lower()


FACTS = {2: 2, 3: 3, 11: 2, 13: 2, 14: 2, 15: 2, 16: 3, 17: 2, 18: 2, 19: 2}


@pytest.mark.parametrize("kind", FACTS)
def test_one_supporting_sentence_is_not_enough(kind: int):
    """There are as many as the type has, and without one of them the answer is none, or another."""
    trials = drawn(kind)
    for story, asked, said, support in zip(
        trials.stories, trials.questions, trials.answers, trials.supports, strict=True
    ):
        assert len(support) == FACTS[kind]
        answers = set()
        for left_out in support:
            try:
                answers.add(solve(kind, [story[k] for k in sorted(support) if k != left_out], asked))
            except (AssertionError, LookupError, ValueError, StopIteration):
                answers.add("none")
        assert answers != {said.lower()}


def test_labels_are_balanced():
    share = {kind: Counter(drawn(kind).answers) for kind in KINDS}
    for kind in (1, 2, 4, 11, 12, 13, 14):
        counts = np.array(list(share[kind].values())) / share[kind].total()
        assert len(counts) == 6
        assert np.abs(counts - 1 / 6).max() < 0.08
    for kind in (6, 9, 17, 18):
        assert set(share[kind]) == {"yes", "no"}
        assert abs(share[kind]["yes"] / share[kind].total() - 0.5) < 0.05
    assert set(share[10]) == {"yes", "no", "maybe"}
    published = {"no": 0.474, "yes": 0.377, "maybe": 0.148}, {"none": 0.471, "one": 0.485, "two": 0.042}
    for kind, shares in zip((10, 7), published, strict=True):
        answers = Counter(Babi(kinds=(kind,)).draw(4000, seed=11).answers)
        for answer, there in shares.items():
            assert abs(answers[answer] / 4000 - there) < 0.04, (kind, answer)
    assert len(share[19]) == 12  # pairs of ways but there and back
    assert set(share[7]) == {"none", "one", "two", "three"}
    assert {"nothing", "milk"} <= set(share[8])
    assert max(map(len, (answer.split(",") for answer in share[8]))) >= 2
    assert set(share[5]) == {"Mary", "Fred", "Bill", "Jeff", "apple", "milk", "football"}


def test_sizes_cannot_be_guessed_from_the_names():
    """Type 18: "bigger" is said of a pair as often as the reverse."""
    trials = Babi(kinds=(18,)).draw(4000, seed=3)
    right = Counter[str]()
    asked = Counter[str]()
    for question, answer in zip(trials.questions, trials.answers, strict=True):
        asked[question] += 1
        right[question] += answer == "yes"
    assert max(abs(right[one] / asked[one] - 0.5) for one in asked) < 0.2


def test_kinds_are_equally_frequent_and_their_questions_from_all_of_a_story():
    trials = Babi(kinds=(3, 1, 20)).draw(601, seed=5)
    counts = Counter(trials.kinds.tolist())
    assert sorted(counts.values()) == [200, 200, 201]
    assert trials.kinds[0] == 3
    assert trials.kinds[-1] == 20
    lengths = Counter(len(Babi(kinds=(1,)).draw(1, seed=seed).stories[0]) for seed in range(200))
    assert set(lengths) == {2, 4, 6, 8, 10}
    assert min(lengths.values()) > 20


def test_there_is_a_name_for_each_kind():
    assert len(BABI_KINDS) == 20
    assert BABI_KINDS[18] == "path finding"


def test_every_word_has_its_number_and_every_sentence_its_room():
    assert len(set(BABI_WORDS)) == len(BABI_WORDS)
    assert BABI_WORDS[0] == ""
    used = set()
    for kind in KINDS:
        x, targets = drawn(kind).frames()
        assert x.shape[1:] == (Babi(kinds=(kind,)).draw(1, seed=0).n_sentences + 1, 11)
        used |= set(np.unique(x)) | set(targets)
    unused = {BABI_WORDS[k] for k in set(range(len(BABI_WORDS))) - used}
    assert {word for word in unused if "," not in word} <= {".", "?", "it", "which", "chocolate"}


def test_frames_are_the_sentences_before_the_question():
    trials = Babi(kinds=(2,), n_sentences=6).draw(50, seed=2)
    x, targets = trials.frames()
    assert x.shape == (50, 7, 11)
    for k in range(50):
        lines = [" ".join(BABI_WORDS[word] for word in line if word) for line in x[k]]
        told = [line.lower().rstrip(".?") for line in (*trials.stories[k][-6:], trials.questions[k])]
        assert lines == [""] * (7 - len(told)) + told
        assert BABI_WORDS[targets[k]] == trials.answers[k]
    assert Babi().draw(20, seed=1).frames()[0].shape == (20, 131, 11)


def test_tokens_and_currents_are_the_same_words():
    trials = Babi(kinds=(1, 17)).draw(6, seed=4)
    x, targets = trials.frames()
    read, shown = trials.tokens(), trials.drive("1 ms", hold="2 ms")
    for k in range(6):
        words = [word for word in read.tokens[k] if BABI_WORDS[word] not in ("", ".", "?")]
        assert words == x[k][x[k] > 0].tolist()
        assert BABI_WORDS[read.tokens[k, -1]] == "?"
        assert np.argwhere(read.asked[k]).tolist() == [[read.tokens.shape[1] - 1]]
        assert read.targets[k, -1] == targets[k]
        current = shown.inputs[k, ::2]
        assert (np.where(current.any(axis=1), current.argmax(axis=1) + 1, 0) == read.tokens[k]).all()
        assert shown.outputs[int(shown.targets[k, -1].argmax())] == trials.answers[k]
    assert np.flatnonzero(shown.asked[0]).tolist() == [shown.asked.shape[1] - 2, shown.asked.shape[1] - 1]
    assert (trials.tokens(length=5).tokens == read.tokens[:, -5:]).all()
    longer = trials.tokens(length=200).tokens
    assert longer.shape == (6, 200)
    assert (longer[:, -read.tokens.shape[1] :] == read.tokens).all()


def test_currents_that_would_not_fit_are_refused_before_they_are_made():
    trials = Babi(kinds=(3,)).draw(2000, seed=0)
    tracemalloc.start()
    with pytest.raises(MemoryLimitError, match="GiB"):
        trials.drive("1 ms", hold="1 s")
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_draws_are_seeded():
    one, again, other = (Babi().draw(40, seed=seed) for seed in (1, 1, 2))
    assert one.to_text() == again.to_text()
    assert one.to_text() != other.to_text()
    with pytest.raises(ValueError, match="read-only"):
        one.kinds[0] = 3


def test_draws_stay_as_they_are():
    """The first question of each kind by seed 0; a change here is a change of everybody's data."""
    trials = Babi(kinds=(1, 19)).draw(2, seed=0)
    assert (trials.stories, trials.questions, trials.answers) == STABLE


def test_batches_are_new_draws():
    batches = Babi(kinds=(1, 2, 6)).batches(9)
    generator = np.random.default_rng(0)
    (x, targets), (y, _) = batches(generator), batches(generator)
    assert x.shape == (9, 71, 11)
    assert (x != y).any()
    assert x.flags.writeable and targets.flags.writeable  # torch warns of others
    assert (x == batches(np.random.default_rng(0))[0]).all()


def test_scores_take_numbers_and_text():
    trials = Babi(kinds=(5, 8)).draw(30, seed=7)
    numbers = trials.frames()[1]
    numbers[4] = (numbers[4] + 1) % len(BABI_WORDS)
    said = [answer.upper() for answer in trials.answers]
    said[6] = "nobody"
    assert np.flatnonzero(~trials.score(numbers)).tolist() == [4]
    assert np.flatnonzero(~trials.score(said)).tolist() == [6]


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_read_back(kind: int):
    trials = drawn(kind)
    again = read_babi({kind: trials.to_text()}, like=trials)
    for name in ("stories", "questions", "answers", "supports", "vocabulary", "n_sentences", "n_words"):
        assert getattr(again, name) == getattr(trials, name)
    assert (again.kinds == trials.kinds).all()
    assert (again.story_numbers == trials.story_numbers).all()
    assert again.to_text() == trials.to_text()


TEXT = """\
1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary? \tbathroom\t1
4 Daniel went back to the hallway.
5 Mary took the milk to Paris.

6 Where is Daniel? \thallway\t4
7 What is Mary carrying?\tmilk,bread\t5 1
1 John is either in the office or the park.
2 Is John in the park?\tMaybe
"""


def test_a_text_by_hand(tmp_path: Path):
    trials = read_babi(TEXT)
    assert [len(story) for story in trials.stories] == [2, 4, 4, 1]
    assert trials.stories[2][3] == "Mary took the milk to Paris."
    assert trials.questions[0] == "Where is Mary?"
    assert trials.answers == ("bathroom", "hallway", "milk,bread", "Maybe")
    assert trials.supports == ((0,), (2,), (3, 0), ())
    assert trials.story_numbers.tolist() == [0, 0, 0, 1]
    assert trials.kinds.tolist() == [0] * 4
    assert trials.vocabulary == (*BABI_WORDS, "milk,bread", "paris")
    x, targets = trials.frames()
    assert x.shape == (4, 5, 11)
    assert trials.vocabulary[targets[3]] == "maybe"
    assert (x[3, :3] == 0).all()
    file = tmp_path / "qa1_test.txt"
    file.write_text(trials.to_text())
    assert (
        read_babi(file).to_text()
        == trials.to_text()
        == TEXT.replace(" \t", "\t").replace("\n\n", "\n").replace("Maybe\n", "Maybe\t\n")
    )


def test_files_of_several_kinds_are_joined(tmp_path: Path):
    for kind in (1, 4):
        (tmp_path / f"qa{kind}.txt").write_text(drawn(kind).to_text())
    joined = read_babi({kind: tmp_path / f"qa{kind}.txt" for kind in (1, 4)}, n_sentences=4)
    assert joined.questions == drawn(1).questions + drawn(4).questions
    assert Counter(joined.kinds.tolist()) == {1: 1000, 4: 200}
    assert joined.story_numbers[-1] == 399
    assert joined.frames()[0].shape == (1200, 5, 11)


def test_a_mark_of_the_byte_order_is_no_word(tmp_path: Path):
    text = "1 Mary went home.\n2 Where is Mary?\thome\t1\n"
    (tmp_path / "marked.txt").write_text(text, encoding="utf-8-sig")
    assert read_babi(tmp_path / "marked.txt").stories == read_babi(text).stories
