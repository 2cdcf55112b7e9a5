"""What the tasks of memory and reasoning refuse, and how."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from arcuate.errors import ArcuateError, SpecError, TaskError
from arcuate.tasks import NthFarthest, PairedAssociates, PairLists, SortOfClevr, Triangles

SCENES = SortOfClevr().draw(3, seed=0)
VECTORS = NthFarthest().draw(3, seed=0)
IMAGES = Triangles().draw(3, seed=0)
LISTS = PairLists().draw(3, seed=0)
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
]


@pytest.mark.parametrize(("call", "kind", "name"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_it_is_refused_by_name(call: Callable[[], object], kind: type[ArcuateError], name: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.name == name
    assert name in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4
