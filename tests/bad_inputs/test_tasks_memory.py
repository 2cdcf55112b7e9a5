"""What the tasks of memory and reasoning refuse, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arcuate.errors import ArcuateError, FileFormatError, MemoryLimitError, SpecError, TaskError
from arcuate.tasks import (
    Babi,
    Bindings,
    Conditioning,
    NthFarthest,
    PairedAssociates,
    PairLists,
    Phase,
    SortOfClevr,
    Triangles,
    TwoHop,
    read_babi,
)

SCENES = SortOfClevr().draw(3, seed=0)
VECTORS = NthFarthest().draw(3, seed=0)
IMAGES = Triangles().draw(3, seed=0)
LISTS = PairLists().draw(3, seed=0)
GROUPS = Bindings().draw(3, seed=0)
HOPS = TwoHop().draw(3, seed=0)
STORIES = Babi(kinds=(1, 4)).draw(4, seed=0)
SESSIONS = Conditioning().draw(2, seed=0)
PAIRS = PairedAssociates().draw(3, seed=0)

ROWS: list[tuple[str, Callable[[], object], type[ArcuateError], str]] = [
    ("no chunks", lambda: PairedAssociates(n_chunks=0), SpecError, "n_chunks"),
    ("chunks of 4.0", lambda: PairedAssociates(chunk=4.0), SpecError, "chunk"),
    ("one value", lambda: PairedAssociates(n_values=1), SpecError, "n_values"),
    ("more pairs than keys", lambda: PairedAssociates(n_chunks=17), TaskError, "n_keys"),
    ("no pairs", lambda: PairedAssociates().draw(0, seed=1), SpecError, "n_trials"),
    ("too many pairs", lambda: PairedAssociates().draw(10**9, seed=1), SpecError, "n_trials"),
    ("pairs of seed -1", lambda: PairedAssociates().draw(3, seed=-1), ArcuateError, "seed"),
    ("batch of no pairs", lambda: PairedAssociates().batches(0), SpecError, "size"),
    ("no lengths", lambda: PairedAssociates().batches(8, n_chunks=()), TaskError, "n_chunks"),
    ("a length of 17", lambda: PairedAssociates().batches(8, n_chunks=(1, 17)), TaskError, "n_keys"),
    ("pairs held in between", lambda: PAIRS.drive("1 ms", hold="1.5 ms"), TaskError, "hold"),
    ("answers of 2 trials", lambda: PAIRS.score(PAIRS.answers[:2]), TaskError, "answers"),
    ("probabilities of values", lambda: PAIRS.score(PAIRS.answers * 0.5), TaskError, "answers"),
    ("value 16", lambda: PAIRS.score_items(PAIRS.answers * 0 + 16), TaskError, "answers"),
    ("value -1", lambda: PAIRS.score_items(PAIRS.answers * 0 - 1), TaskError, "answers"),
    ("view of words", lambda: SortOfClevr(view="words"), SpecError, "words"),
    ("no family", lambda: SortOfClevr(families=()), TaskError, "families"),
    ("family as text", lambda: SortOfClevr(families="unary"), TaskError, "families"),
    ("family twice", lambda: SortOfClevr(families=("unary", "unary")), TaskError, "families"),
    ("unknown family", lambda: SortOfClevr(families=("quaternary",)), SpecError, "quaternary"),
    ("family as a list", lambda: SortOfClevr(families=(["unary"],)), ArcuateError, "['unary']"),
    ("no scenes", lambda: SortOfClevr().draw(0, seed=1), SpecError, "n_trials"),
    ("too many scenes", lambda: SortOfClevr().draw(10**9, seed=1), SpecError, "n_trials"),
    ("scenes of seed 0.5", lambda: SortOfClevr().draw(3, seed=0.5), ArcuateError, "seed"),
    ("batch of no scenes", lambda: SortOfClevr().batches(0), SpecError, "size"),
    ("scenes held in between", lambda: SCENES.drive("1 ms", hold="1.5 ms"), TaskError, "hold"),
    ("answers to 2 scenes", lambda: SCENES.score(SCENES.answers[:2]), TaskError, "answers"),
    ("answer 10", lambda: SCENES.score(SCENES.answers * 0 + 10), TaskError, "answers"),
    ("one vector", lambda: NthFarthest(n_vectors=1), SpecError, "n_vectors"),
    ("no dimension", lambda: NthFarthest(n_dims=0), SpecError, "n_dims"),
    ("dimensions True", lambda: NthFarthest(n_dims=True), SpecError, "n_dims"),
    ("no vectors", lambda: NthFarthest().draw(0, seed=1), SpecError, "n_trials"),
    ("too many vectors", lambda: NthFarthest().draw(10**9, seed=1), SpecError, "n_trials"),
    ("vectors of seed -1", lambda: NthFarthest().draw(3, seed=-1), ArcuateError, "seed"),
    ("batch of no vectors", lambda: NthFarthest().batches(0), SpecError, "size"),
    ("vectors held in between", lambda: VECTORS.drive("1 ms", hold="1.5 ms"), TaskError, "hold"),
    ("labels of 2 trials", lambda: VECTORS.score(VECTORS.answers[:2]), TaskError, "answers"),
    ("label 8", lambda: VECTORS.score(VECTORS.answers * 0 + 8), TaskError, "answers"),
    ("images of 8", lambda: Triangles(size=8), SpecError, "size"),
    ("images of 64.0", lambda: Triangles(size=64.0), SpecError, "size"),
    ("no images", lambda: Triangles().draw(0, seed=1), SpecError, "n_trials"),
    ("too many images", lambda: Triangles().draw(10**9, seed=1), SpecError, "n_trials"),
    ("images of seed -1", lambda: Triangles().draw(3, seed=-1), ArcuateError, "seed"),
    ("batch of no images", lambda: Triangles().batches(0), SpecError, "size"),
    ("images held in between", lambda: IMAGES.drive("1 ms", hold="1.5 ms"), TaskError, "hold"),
    ("kinds of 2 images", lambda: IMAGES.score(IMAGES.answers[:2]), TaskError, "answers"),
    ("kind 2", lambda: IMAGES.score(IMAGES.answers * 0 + 2), TaskError, "answers"),
    ("no type", lambda: Babi(kinds=()), TaskError, "kinds"),
    ("types as a list", lambda: Babi(kinds=[1, 2]), TaskError, "kinds"),
    ("a type alone", lambda: Babi(kinds=3), TaskError, "kinds"),
    ("type twice", lambda: Babi(kinds=(1, 1)), TaskError, "kinds"),
    ("type 21", lambda: Babi(kinds=(1, 21)), SpecError, "kinds"),
    ("type 0", lambda: Babi(kinds=(0,)), SpecError, "kinds"),
    ("type NaN", lambda: Babi(kinds=(float("nan"),)), SpecError, "kinds"),
    ("type by name", lambda: Babi(kinds=("counting",)), SpecError, "kinds"),
    ("type True", lambda: Babi(kinds=(True,)), SpecError, "kinds"),
    ("no sentences", lambda: Babi(n_sentences=0), SpecError, "n_sentences"),
    ("sentences 2.5", lambda: Babi(n_sentences=2.5), SpecError, "n_sentences"),
    ("no questions", lambda: Babi().draw(0, seed=1), SpecError, "n_trials"),
    ("too many questions", lambda: Babi().draw(10**9, seed=1), SpecError, "n_trials"),
    ("questions of seed -1", lambda: Babi().draw(3, seed=-1), ArcuateError, "seed"),
    ("batch of no questions", lambda: Babi().batches(0), SpecError, "size"),
    ("type twice, by NumPy", lambda: Babi(kinds=(1, np.int64(1))), TaskError, "kinds"),
    ("no places", lambda: STORIES.tokens(length=0), SpecError, "length"),
    ("words held in between", lambda: STORIES.drive("1 ms", hold="1.5 ms"), TaskError, "hold"),
    ("answers to 3 questions", lambda: STORIES.score(STORIES.answers[:3]), TaskError, "answers"),
    ("answer -1", lambda: STORIES.score([-1] * 4), TaskError, "answers"),
    ("answer 181", lambda: STORIES.score([181] * 4), TaskError, "answers"),
    ("answers NaN", lambda: STORIES.score([float("nan")] * 4), TaskError, "answers"),
    ("text of None", lambda: read_babi(None), TaskError, "source"),
    ("no texts", lambda: read_babi({}), TaskError, "source"),
    ("text of type 21", lambda: read_babi({21: STORIES.to_text()}), SpecError, "source"),
    ("text for no sentences", lambda: read_babi(STORIES.to_text(), n_sentences=0), SpecError, "n_sentences"),
    ("text like a task", lambda: read_babi(STORIES.to_text(), like=Babi()), TaskError, "like"),
    ("empty text", lambda: read_babi(""), FileFormatError, "source"),
    ("text of blanks", lambda: read_babi(" \n \n"), FileFormatError, "source"),
    ("text without a question", lambda: read_babi("1 A is in B.\n2 C is in D.\n"), FileFormatError, "source"),
    ("no phase", lambda: Conditioning(phases=()), TaskError, "phases"),
    ("one phase alone", lambda: Conditioning(phases=Phase(trials=("A+",))), TaskError, "phases"),
    ("phases by name", lambda: Conditioning(phases=("blocking",)), TaskError, "phases"),
    ("endless phase", lambda: Conditioning(phases=(Phase(trials=("A+",), n=10**7),)), TaskError, "phases"),
    ("trial without a sign", lambda: Phase(trials=("A",)), SpecError, "trials"),
    ("letter twice", lambda: Phase(trials=("AA+",)), SpecError, "trials"),
    ("trials as text", lambda: Phase(trials="A+"), SpecError, "trials"),
    ("trial NaN", lambda: Phase(trials=(float("nan"),)), SpecError, "trials"),
    ("phase of no trials", lambda: Phase(trials=("A+",), n=0), SpecError, "n"),
    ("no sessions", lambda: Conditioning().draw(0, seed=1), SpecError, "n_trials"),
    ("too many sessions", lambda: Conditioning().draw(10**9, seed=1), SpecError, "n_trials"),
    ("batch of no sessions", lambda: Conditioning().batches(0), SpecError, "size"),
    ("cues held in between", lambda: SESSIONS.drive("1 ms", hold="1.5 ms"), TaskError, "hold"),
    ("answers to one session", lambda: SESSIONS.score(SESSIONS.outcomes[:1]), TaskError, "answers"),
    ("outcome 2", lambda: SESSIONS.score_items(SESSIONS.outcomes * 0 + 2), TaskError, "answers"),
    ("expectation 0.5", lambda: SESSIONS.score(SESSIONS.outcomes * 0.5), TaskError, "answers"),
    ("one item", lambda: PairLists(n_items=1), SpecError, "n_items"),
    ("no feature", lambda: PairLists(n_features=0), SpecError, "n_features"),
    ("no context", lambda: PairLists(n_context=0), SpecError, "n_context"),
    ("no lists", lambda: PairLists().draw(0, seed=1), SpecError, "n_trials"),
    ("too many lists", lambda: PairLists().draw(10**9, seed=1), SpecError, "n_trials"),
    ("lists of seed -1", lambda: PairLists().draw(3, seed=-1), ArcuateError, "seed"),
    ("batch of no lists", lambda: PairLists().batches(0), SpecError, "size"),
    ("lists held in between", lambda: LISTS.drive("1 ms", hold="1.5 ms"), TaskError, "hold"),
    ("one of two lists", lambda: LISTS.score(LISTS.responses[:, 0]), TaskError, "answers"),
    ("response 20", lambda: LISTS.score_items(LISTS.responses * 0 + 20), TaskError, "answers"),
    ("no groups", lambda: Bindings(n_groups=0), SpecError, "n_groups"),
    ("more groups than names", lambda: Bindings(n_names=7), TaskError, "n_names"),
    ("more groups than objects", lambda: Bindings(n_objects=7), TaskError, "n_objects"),
    ("asked for a place", lambda: Bindings(ask="place"), SpecError, "place"),
    ("batch of no groups", lambda: Bindings().batches(0), SpecError, "size"),
    ("batch of no numbers of groups", lambda: Bindings().batches(4, n_groups=()), TaskError, "n_groups"),
    ("batch of currents", lambda: Bindings().batches(4, form="drive"), SpecError, "drive"),
    (
        "pointers among 3",
        lambda: Bindings(n_groups=3).draw(2, seed=0).interchanged(seed=0),
        TaskError,
        "n_groups",
    ),
    ("9 questions about 8 groups", lambda: GROUPS.tokens(n_questions=9), SpecError, "n_questions"),
    (
        "no fresh answers",
        lambda: Bindings(n_groups=4, n_names=5).draw(2, seed=0).interchanged(seed=0, fresh=True),
        TaskError,
        "n_names",
    ),
    ("pair 3 of 3", lambda: GROUPS.interchanged(seed=0).chosen([3]), TaskError, "index"),
    ("pointers of seed -1", lambda: GROUPS.interchanged(seed=-1), ArcuateError, "seed"),
    ("groups held in between", lambda: GROUPS.drive("1 ms", hold="1.5 ms"), TaskError, "hold"),
    ("name 24", lambda: GROUPS.score([24, 0, 0]), TaskError, "answers"),
    ("one entity", lambda: TwoHop(n_entities=1), SpecError, "n_entities"),
    ("no relation", lambda: TwoHop(n_relations=0), SpecError, "n_relations"),
    ("all held out", lambda: TwoHop(held_out=1.0), TaskError, "held_out"),
    ("share of two hops 2", lambda: TwoHop(two_hop=2), SpecError, "two_hop"),
    ("world -1", lambda: TwoHop(world=-1), ArcuateError, "seed"),
    ("questions of three hops", lambda: TwoHop().questions("three_hop"), SpecError, "three_hop"),
    ("batch of no hops", lambda: TwoHop().batches(0), SpecError, "size"),
    ("batch of hops as text", lambda: TwoHop().batches(4, form="text"), SpecError, "text"),
    ("hops held in between", lambda: HOPS.drive("1 ms", hold="1.5 ms"), TaskError, "hold"),
    ("question 3 of 3", lambda: HOPS.chosen([3]), TaskError, "index"),
    ("entity 24", lambda: HOPS.score([24, 0, 0]), TaskError, "answers"),
]


@pytest.mark.parametrize(("call", "kind", "name"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_it_is_refused_by_name(call: Callable[[], object], kind: type[ArcuateError], name: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.name == name
    assert name in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4


TOLD = "1 Mary is in the garden.\n"
LINES = [
    ("no number", TOLD + "Where is Mary?\tgarden\t1\n", "line 2", "must be a number"),
    ("number alone", TOLD + "2\n", "line 2", "must be a number"),
    ("number NaN", TOLD + "nan Where is Mary?\tgarden\t1\n", "line 2", "must be a number"),
    ("number 3 after 1", TOLD + "3 Where is Mary?\tgarden\t1\n", "line 2", "2, or 1 in a new story"),
    ("number 2 first", "2 Mary is in the garden.\n3 Where?\tgarden\t2\n", "line 1", "must be 1"),
    ("no answer", TOLD + "2 Where is Mary?\n", "line 2", "without an answer"),
    ("empty answer", TOLD + "2 Where is Mary?\t\t1\n", "line 2", "without an answer"),
    ("four parts", TOLD + "2 Where is Mary?\tgarden\t1\t1\n", "line 2", "more than"),
    ("nothing told", "1 Where is Mary?\tgarden\t1\n", "line 1", "before anything was told"),
    ("support that comes later", TOLD + "2 Where?\tgarden\t3\n3 John is.\n", "line 2", "names 3"),
    ("support that is a question", TOLD + "2 Who?\tMary\n\n3 Where?\tgarden\t2\n", "line 4", "names 2"),
    ("number of 5000 digits", TOLD + "9" * 5000 + " Where?\tgarden\t1\n", "line 2", "must be a number"),
    ("support of 5000 digits", TOLD + "2 Where?\tgarden\t" + "9" * 5000 + "\n", "line 2", "as support"),
    ("support by a word", TOLD + "2 Where?\tgarden\tone\n", "line 2", "names one"),
    ("no word", TOLD + "2 ...\n", "line 2", "no word"),
]


@pytest.mark.parametrize(("text", "name", "says"), [row[1:] for row in LINES], ids=[row[0] for row in LINES])
def test_a_line_that_is_wrong_is_named(text: str, name: str, says: str) -> None:
    with pytest.raises(FileFormatError, match=says) as caught:
        read_babi(text)
    assert name in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="does not exist"):
        read_babi(tmp_path / "qa1_train.txt")
    (tmp_path / "qa1.txt").write_bytes(b"1 Mary \xff\n")
    with pytest.raises(FileFormatError, match="UTF-8"):
        read_babi(str(tmp_path / "qa1.txt"))
    (tmp_path / "qa2.txt").write_text("1 Mary went home.\n2 Where is Mary?\n")
    with pytest.raises(FileFormatError, match=r"qa2\.txt line 2"):
        read_babi({2: tmp_path / "qa2.txt"})


def test_a_story_without_end_and_words_that_would_not_fit_are_refused() -> None:
    told = "".join(f"{k} Mary is in the garden.\n" for k in range(1, 10_002))
    with pytest.raises(FileFormatError, match=r"line 10001.*more than 10000 sentences"):
        read_babi(told + "10002 Where is Mary?\tgarden\n")
    with pytest.raises(MemoryLimitError, match="n_sentences"):
        replace(STORIES, n_sentences=10**9).frames()
    with pytest.raises(MemoryLimitError, match="length"):
        STORIES.tokens(length=10**12)


def test_what_the_other_trials_do_not_know_is_named() -> None:
    with pytest.raises(FileFormatError, match=r"line 1.*'paris'"):
        read_babi("1 Mary is in Paris.\n2 Where is Mary?\tgarden\n", like=STORIES)
    with pytest.raises(FileFormatError, match=r"line 2.*'rome'"):
        read_babi(TOLD + "2 Where is Mary?\tRome\n", like=STORIES)
    with pytest.raises(FileFormatError, match=r"line 1.*12 words"):
        read_babi("1 " + "the " * 12 + ".\n2 Where is Mary?\tgarden\n", like=STORIES)
