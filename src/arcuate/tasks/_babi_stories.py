"""Stories of the twenty bAbI types of questions: a small world, and tables where nothing moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import TypeVar

import numpy as np

__all__ = ["LONGEST", "N_WORDS", "WORDS", "Asked", "Script", "draw_story"]

LONGEST = {1: 10, 2: 70, 3: 130, 4: 2, 5: 70, 6: 10, 7: 70, 8: 70, 9: 10, 10: 10}
LONGEST |= {11: 10, 12: 10, 13: 10, 14: 12, 15: 8, 16: 9, 17: 2, 18: 11, 19: 4, 20: 12}
"""Most sentences of a story of each type; one that grows longer is drawn again."""

N_WORDS = 11
"""Most words of a sentence and of a question."""

ACTORS = ("John", "Daniel", "Mary", "Sandra")
ROOMS = ("bedroom", "kitchen", "garden", "hallway", "bathroom", "office")
OBJECTS = ("apple", "football", "milk")
GIVERS = ("Mary", "Fred", "Bill", "Jeff")  # type 5
VISITORS = ("Mary", "Fred", "Bill", "Julie")  # types 10 and 14
PLACES = ("bedroom", "kitchen", "office", "school", "park", "cinema")
PRONOUNS = {"John": "he", "Daniel": "he", "Mary": "she", "Sandra": "she"}

MOVES = ("went", "journeyed", "travelled", "moved", "went back")
GETS = ("grabbed", "took", "got", "picked up")
DROPS = ("dropped", "discarded", "left", "put down")
GIVES = ("gave", "handed", "passed")
THENS = ("After that", "Following that", "Then", "Afterwards")
CARRYING = {"get": 1.0, "drop": 1.0, "give": 2.0, "move": 2.5}
"""How often each is done in types 7 and 8 where it can be, such that shares come near those of the files."""

MAYBE = 0.6
"""Share of maybe where the last that was told of somebody names two rooms (0.584 in the published file)."""

NUMBERS = ("none", "one", "two", "three")
TIMES = ("yesterday", "this morning", "this afternoon", "this evening")

COMPASS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
SIDES = {"to the left of": (-1, 0), "to the right of": (1, 0), "above": (0, 1), "below": (0, -1)}
SHAPES = ("triangle", "pink rectangle", "red sphere", "red square", "blue square", "yellow square")

SPECIES = {"mouse": "mice", "sheep": "sheep", "wolf": "wolves", "cat": "cats"}
FEARFUL = ("Winona", "Jessica", "Emily", "Gertrude")
KINDS = ("swan", "lion", "frog", "rhino")
COLORS = ("green", "white", "gray", "yellow")
COLORED = ("Lily", "Bernhard", "Greg", "Julius", "Brian")
CONTAINERS = ("box", "chest", "container", "suitcase", "box of chocolates")
MOTIVES = {
    "hungry": ("kitchen", "apple"),
    "thirsty": ("kitchen", "milk"),
    "bored": ("garden", "football"),
    "tired": ("bedroom", "pajamas"),
}
MOTIVATED = ("Sumit", "Yann", "Jason", "Antoine")

N_QUESTIONS = 5

T = TypeVar("T")


def _vocabulary() -> tuple[str, ...]:
    """Every word and every answer, in the order of the alphabet; first the padding and the signs."""
    said = (*ACTORS, *ROOMS, *OBJECTS, *GIVERS, *VISITORS, *PLACES, *PRONOUNS.values(), *MOVES, *GETS)
    said += (*DROPS, *GIVES, *THENS, *NUMBERS, *TIMES, *COMPASS, *SIDES, *SHAPES, *SPECIES, *SPECIES.values())
    said += (*FEARFUL, *KINDS, *COLORS, *COLORED, *CONTAINERS, *MOTIVES, "pajamas", *MOTIVATED)
    said += ("the a is are was in not no longer either or of and they there before what where who why how",)
    said += (
        "which is it did will does go get give to received many objects carrying afraid color do you from",
    )
    said += ("bigger than fits fit inside chocolate yes maybe nothing",)
    lists = [",".join(some) for n in (2, 3) for some in permutations(OBJECTS, n)]
    back = {("n", "s"), ("s", "n"), ("e", "w"), ("w", "e")}
    ways = [",".join(way) for way in product("nsew", repeat=2) if way not in back]
    words = {word for text in said for word in text.lower().split()}
    return ("", ".", "?", *sorted(words.union(lists, ways)))


WORDS = _vocabulary()
"""Vocabulary of all types: the padding, two signs, words and answers, which share their numbers."""


@dataclass(frozen=True)
class Asked:
    """A question, asked after some sentences, and the numbers of those that answer it."""

    after: int
    text: str
    answer: str
    support: tuple[int, ...]


@dataclass
class Script:
    """A story as it is told."""

    sentences: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def say(self, sentence: str) -> int:
        """Tell a sentence; return its number."""
        self.sentences.append(f"{sentence[0].upper()}{sentence[1:]}.")
        return len(self.sentences) - 1

    def ask(self, question: str, answer: str, support: Iterable[int]) -> None:
        """Ask about what was told so far."""
        self.asked.append(Asked(len(self.sentences), f"{question}?", answer, tuple(support)))


def draw_story(generator: np.random.Generator, kind: int) -> Script:
    """Draw a story with its questions.

    Parameters
    ----------
    generator : numpy.random.Generator
    kind : int
        Type of the questions, 1 to 20.

    Returns
    -------
    Script
    """
    while True:
        script = _STORIES[kind](generator)
        if len(script.sentences) <= LONGEST[kind]:
            return script


def _pick(rng: np.random.Generator, among: Sequence[T]) -> T:
    return among[int(rng.integers(len(among)))]


def _some(rng: np.random.Generator, among: Sequence[T], n: int) -> list[T]:
    """Pick n different ones, in random order."""
    return [among[k] for k in rng.permutation(len(among))[:n].tolist()]


def _coin(rng: np.random.Generator) -> bool:
    return bool(rng.random() < 0.5)


def _say_in_any_order(rng: np.random.Generator, script: Script, facts: Sequence[str]) -> dict[str, int]:
    """Tell facts in random order; return the number of each."""
    return {fact: script.say(fact) for fact in _some(rng, facts, len(facts))}


# The world of types 1 to 14: actors in rooms, and objects that they take along.


class _World:
    """Who is where, and who holds what."""

    def __init__(
        self,
        rng: np.random.Generator,
        actors: Sequence[str] = ACTORS,
        rooms: Sequence[str] = ROOMS,
        objects: Sequence[str] = OBJECTS,
    ) -> None:
        self.rng, self.actors, self.rooms, self.objects = rng, actors, rooms, objects
        self.place = {name: _pick(rng, rooms) for name in (*actors, *objects)}
        self.holder: dict[str, str] = {}

    def carried(self, actor: str) -> list[str]:
        """What an actor holds, in the order in which it was taken."""
        return [thing for thing, holder in self.holder.items() if holder == actor]

    def company(self, actor: str) -> list[str]:
        """Who else is in the room of an actor."""
        return [who for who in self.actors if who != actor and self.place[who] == self.place[actor]]

    def any_verb(self, often: Mapping[str, float]) -> str:
        """Choose what is done, by how often, among all that can be done."""
        can = [verb for verb in often if self._is_possible(verb)]
        weights = np.array([often[verb] for verb in can])
        return can[int(self.rng.choice(len(can), p=weights / weights.sum()))]

    def _is_possible(self, verb: str) -> bool:
        """Whether anybody can do something now."""
        if verb == "get":
            here = {self.place[actor] for actor in self.actors}
            return any(what not in self.holder and self.place[what] in here for what in self.objects)
        if verb == "give":
            return any(self.company(who) for who in self.holder.values())
        return verb == "move" or bool(self.holder)

    def act(self, verbs: Sequence[str]) -> tuple[str, str, str, str]:
        """Do something that can be done: verb, actor, object or room, receiver."""
        while True:
            verb, actor = _pick(self.rng, verbs), _pick(self.rng, self.actors)
            what = _pick(self.rng, self.rooms if verb == "move" else self.objects)
            other = _pick(self.rng, self.actors) if verb == "give" else ""
            if self._can(verb, actor, what, other):
                self._do(verb, actor, what, other)
                return verb, actor, what, other

    def go(self, *actors: str) -> str:
        """Send actors together to a room where none of them is."""
        room = _pick(self.rng, [room for room in self.rooms if room not in {self.place[a] for a in actors}])
        self.place.update(dict.fromkeys(actors, room))
        return room

    def _can(self, verb: str, actor: str, what: str, other: str) -> bool:
        if verb == "move":
            return self.place[actor] != what
        if verb == "get":
            return what not in self.holder and self.place[what] == self.place[actor]
        held = self.holder.get(what) == actor
        return held and (verb == "drop" or (other != actor and self.place[other] == self.place[actor]))

    def _do(self, verb: str, actor: str, what: str, other: str) -> None:
        if verb == "move":
            self.place[actor] = what
            return
        self.holder.pop(what, None)
        if verb == "drop":
            self.place[what] = self.place[actor]
        else:
            self.holder[what] = other or actor


def _told(rng: np.random.Generator, verb: str, actor: str, what: str, other: str = "") -> str:
    """Sentence for what was done, without its full stop."""
    if verb == "move":
        return f"{actor} {_pick(rng, MOVES)} to the {what}"
    if verb == "give":
        return f"{actor} {_pick(rng, GIVES)} the {what} to {other}"
    there = " there" if _coin(rng) else ""
    return f"{actor} {_pick(rng, GETS if verb == 'get' else DROPS)} the {what}{there}"


_Known = dict[str, tuple[str, tuple[int, ...]]]
_Turn = Callable[[np.random.Generator, _World, Script, _Known], None]


def _in_turns(rng: np.random.Generator, turn: _Turn, *, whether: bool = False) -> Script:
    """Types 1, 6, 11, 12, 13: five times a turn of moves, then where somebody is who was told of."""
    script, world, known = Script(), _World(rng), _Known()
    for _ in range(N_QUESTIONS):
        turn(rng, world, script, known)
        actor = _pick(rng, list(known))
        room, support = known[actor]
        if whether:
            yes = _coin(rng)
            asked = room if yes else _pick(rng, [other for other in ROOMS if other != room])
            script.ask(f"Is {actor} in the {asked}", "yes" if yes else "no", support)
        else:
            script.ask(f"Where is {actor}", room, support)
    return script


def _two_moves(rng: np.random.Generator, world: _World, script: Script, known: _Known) -> None:
    for _ in range(2):
        verb, actor, room, _ = world.act(("move",))
        known[actor] = room, (script.say(_told(rng, verb, actor, room)),)


def _then_again(rng: np.random.Generator, world: _World, script: Script, known: _Known) -> None:
    actor = _pick(rng, ACTORS)
    first = script.say(_told(rng, "move", actor, world.go(actor)))
    room = world.go(actor)
    then = f"{_pick(rng, THENS)} {_told(rng, 'move', PRONOUNS[actor], room)}"
    known[actor] = room, (first, script.say(then))


def _two_pairs(rng: np.random.Generator, world: _World, script: Script, known: _Known) -> None:
    for _ in range(2):
        pair = _some(rng, ACTORS, 2)
        room = world.go(*pair)
        line = script.say(_told(rng, "move", " and ".join(pair), room))
        known.update(dict.fromkeys(pair, (room, (line,))))


def _pair_then_they(rng: np.random.Generator, world: _World, script: Script, known: _Known) -> None:
    pair = _some(rng, ACTORS, 2)
    first = script.say(_told(rng, "move", " and ".join(pair), world.go(*pair)))
    room = world.go(*pair)
    second = script.say(f"{_pick(rng, THENS)} {_told(rng, 'move', 'they', room)}")
    known.update(dict.fromkeys(pair, (room, (first, second))))


def _where_is_object(rng: np.random.Generator) -> Script:
    """Type 2: who holds the object and where that actor went, or who left it and where."""
    script, world = Script(), _World(rng)
    moved: dict[str, int] = {}
    got: dict[str, int] = {}
    left: _Known = {}
    while len(script.asked) < N_QUESTIONS:
        verb, actor, what, _ = world.act(("get", "drop", "move"))
        line = script.say(_told(rng, verb, actor, what))
        if verb == "move":
            moved[actor] = line
        elif verb == "get":
            got[what] = line
            left.pop(what, None)
        elif actor in moved:
            left[what] = world.place[actor], (moved[actor], line)
        held = {thing: who for thing, who in world.holder.items() if who in moved}
        known = left | {
            thing: (world.place[who], tuple(sorted((got[thing], moved[who])))) for thing, who in held.items()
        }
        if known and len(script.sentences) > 2 and _coin(rng):
            thing = _pick(rng, list(known))
            script.ask(f"Where is the {thing}", *known[thing])
    return script


def _where_was_object(rng: np.random.Generator) -> Script:
    """Type 3: an object was carried into a room by somebody who was told to be in another before."""
    script, world = Script(), _World(rng)
    moved: dict[str, int] = {}
    got: dict[str, int] = {}
    before: dict[tuple[str, str], tuple[str, tuple[int, ...]]] = {}
    while len(script.asked) < N_QUESTIONS:
        here = dict(world.place)
        verb, actor, what, _ = world.act(("get", "drop", "move"))
        line = script.say(_told(rng, verb, actor, what))
        if verb == "get":
            got[what] = line
        elif verb == "move":
            for thing in world.carried(actor):
                before.pop((thing, what), None)
                if actor in moved:
                    support = sorted((got[thing], moved[actor], line))
                    before[thing, what] = here[actor], tuple(support)
            moved[actor] = line
        if before and len(script.sentences) > 2 and _coin(rng):
            thing, room = _pick(rng, list(before))
            script.ask(f"Where was the {thing} before the {room}", *before[thing, room])
    return script


def _who_gave_what(rng: np.random.Generator) -> Script:
    """Type 5: something is given, up to five other things happen, and a part of the giving is asked."""
    script, world = Script(), _World(rng, GIVERS)
    while len(script.asked) < N_QUESTIONS:
        can_give = any(world.company(holder) for holder in world.holder.values())
        verbs = ("give",) if can_give and _coin(rng) else ("get", "move")
        verb, giver, thing, receiver = world.act(verbs)
        line = script.say(_told(rng, verb, giver, thing, receiver))
        if verb != "give":
            continue
        for _ in range(rng.integers(6)):
            script.say(_told(rng, *world.act(("get", "move"))))
        part = _pick(rng, ("object", "giver", "receiver"))
        if part == "object":
            script.ask(f"What did {giver} give to {receiver}", thing, [line])
        elif part == "giver":
            to = f" to {receiver}" if _coin(rng) else ""
            script.ask(f"Who gave the {thing}{to}", giver, [line])
        else:
            asks = f"Who did {giver} give the {thing} to" if _coin(rng) else f"Who received the {thing}"
            script.ask(asks, receiver, [line])
    return script


def _carrying(rng: np.random.Generator, *, count: bool) -> Script:
    """Types 7 and 8: how many objects, or which, somebody holds who was told to take or to get one."""
    script, world = Script(), _World(rng)
    lines: dict[str, list[int]] = {}
    while len(script.asked) < N_QUESTIONS:
        for _ in range(2):
            verb, actor, what, other = world.act((world.any_verb(CARRYING),))
            line = script.say(_told(rng, verb, actor, what, other))
            if verb != "move":
                for who in filter(None, (actor, other)):
                    lines.setdefault(who, []).append(line)
        if lines:
            actor = _pick(rng, list(lines))
            things = world.carried(actor)
            if count:
                script.ask(f"How many objects is {actor} carrying", NUMBERS[len(things)], lines[actor])
            else:
                script.ask(f"What is {actor} carrying", ",".join(things) or "nothing", lines[actor])
    return script


def _ask_evenly(
    rng: np.random.Generator, script: Script, choices: dict[str, list[tuple[str, str, int]]]
) -> None:
    """Pick an answer that can be given, then somebody and a room (actor, room, line) that have it."""
    answer = _pick(rng, [answer for answer, some in choices.items() if some])
    actor, room, line = _pick(rng, choices[answer])
    script.ask(f"Is {actor} in the {room}", answer, [line])


def _negation(rng: np.random.Generator) -> Script:
    """Type 9: the last that was told of somebody says where they are, or where they are not."""
    script = Script()
    last: dict[str, tuple[str, bool, int]] = {}
    for step in range(2 * N_QUESTIONS):
        actor = _pick(rng, ACTORS)
        room, is_there, _ = last.get(actor, ("", False, 0))
        move, negated = _coin(rng), _coin(rng)
        if not move and negated and is_there:
            text, new = f"{actor} is {_pick(rng, ('no longer', 'not'))} in the {room}", room
        else:
            new = _pick(rng, [other for other in ROOMS if other != room or not is_there])
            text = f"{actor} is {'not ' if negated else ''}in the {new}"
        line = script.say(_told(rng, "move", actor, new) if move else text)
        last[actor] = new, move or not negated, line
        if step % 2:
            yes = [(who, where, at) for who, (where, there, at) in last.items() if there]
            no = [(who, where, at) for who, (where, there, at) in last.items() if not there]
            no += [(who, _pick(rng, [r for r in ROOMS if r != where]), at) for who, where, at in yes]
            _ask_evenly(rng, script, {"yes": yes, "no": no})
    return script


def _indefinite(rng: np.random.Generator) -> Script:
    """Type 10: the last that was told of somebody names one room, or two of which it is one."""
    script = Script()
    last: dict[str, tuple[list[str], int]] = {}
    for step in range(2 * N_QUESTIONS):
        actor = _pick(rng, VISITORS)
        told = last[actor][0] if actor in last else []
        rooms = _some(rng, [room for room in PLACES if [room] != told], 1 if rng.random() < 0.75 else 2)
        if len(rooms) == 2:
            text = f"{actor} is either in the {rooms[0]} or the {rooms[1]}"
        elif rng.random() < 2 / 3:
            text = _told(rng, "move", actor, rooms[0])
        else:
            text = f"{actor} is in the {rooms[0]}"
        last[actor] = rooms, script.say(text)
        if step % 2:
            who = _pick(rng, list(last))
            some, line = last[who]
            named = bool(rng.random() < (MAYBE if len(some) == 2 else 0.5))
            room = _pick(rng, some if named else [one for one in PLACES if one not in some])
            answer = ("maybe" if len(some) == 2 else "yes") if named else "no"
            script.ask(f"Is {who} in the {room}", answer, [line])
    return script


def _before(rng: np.random.Generator) -> Script:
    """Type 14: three actors at four times, told in any order; where one was at the time before."""
    script = Script()
    plan = {who: _some(rng, PLACES, len(TIMES)) for who in _some(rng, VISITORS, 3)}
    events = [(who, time) for who in plan for time in range(len(TIMES))]
    told: dict[tuple[str, int], int] = {}
    for k, (who, time) in enumerate(_some(rng, events, len(events)), start=1):
        text = _told(rng, "move", who, plan[who][time])
        text = f"{TIMES[time]} {text}" if _coin(rng) else f"{text} {TIMES[time]}"
        told[who, time] = script.say(text)
        while k % 2 == 0 and len(script.asked) < max(0, k // 2 - 1):
            pairs = [(a, t) for a, t in told if (a, t + 1) in told]
            if not pairs:
                break
            a, t = _pick(rng, pairs)
            script.ask(f"Where was {a} before the {plan[a][t + 1]}", plan[a][t], (told[a, t], told[a, t + 1]))
    return script


# Types in which nothing moves.


def _related(rng: np.random.Generator, a: str, relation: str, b: str, opposite: str) -> str:
    """Tell that a stands in a relation to b, from either side."""
    return f"the {a} {relation} the {b}" if _coin(rng) else f"the {b} {opposite} the {a}"


def _opposite(relation: str, steps: dict[str, tuple[int, int]]) -> str:
    x, y = steps[relation]
    return next(other for other, step in steps.items() if step == (-x, -y))


def _two_argument(rng: np.random.Generator) -> Script:
    """Type 4: three rooms on a line, and the neighbor of one."""
    script = Script()
    rooms, way = _some(rng, ROOMS, 3), _pick(rng, list(COMPASS))
    back = _opposite(way, COMPASS)
    facts = [_related(rng, rooms[k], f"is {way} of", rooms[k + 1], f"is {back} of") for k in (0, 1)]
    lines = _say_in_any_order(rng, script, facts)
    k = int(rng.integers(2))
    a, b, way = _pick(rng, [(rooms[k], rooms[k + 1], way), (rooms[k + 1], rooms[k], back)])
    if _coin(rng):
        script.ask(f"What is {way} of the {b}", a, [lines[facts[k]]])
    else:
        script.ask(f"What is the {a} {way} of", b, [lines[facts[k]]])
    return script


def _deduction(rng: np.random.Generator) -> Script:
    """Type 15: somebody's species, and what that species is afraid of."""
    script = Script()
    species = {who: _pick(rng, list(SPECIES)) for who in FEARFUL}
    feared = {one: _pick(rng, [other for other in SPECIES if other != one]) for one in SPECIES}
    is_a = {who: f"{who} is a {one}" for who, one in species.items()}
    fears = {one: f"{SPECIES[one]} are afraid of {SPECIES[feared[one]]}" for one in SPECIES}
    lines = _say_in_any_order(rng, script, [*is_a.values(), *fears.values()])
    for who in _some(rng, FEARFUL, len(FEARFUL)):
        one = species[who]
        script.ask(f"What is {who} afraid of", feared[one], (lines[is_a[who]], lines[fears[one]]))
    return script


def _induction(rng: np.random.Generator) -> Script:
    """Type 16: the color of somebody whose like has been shown; all of a species have one color."""
    script = Script()
    color = {one: _pick(rng, COLORS) for one in KINDS}
    asked, like, *others = _some(rng, COLORED, len(COLORED))
    species = {who: _pick(rng, KINDS) for who in (like, *others)}
    species[asked] = species[like]
    is_a = {who: f"{who} is a {one}" for who, one in species.items()}
    has = {who: f"{who} is {color[species[who]]}" for who in (like, *others)}
    lines = _say_in_any_order(rng, script, [*is_a.values(), *has.values()])
    support = (lines[is_a[asked]], lines[is_a[like]], lines[has[like]])
    script.ask(f"What color is {asked}", color[species[asked]], support)
    return script


def _position(rng: np.random.Generator) -> Script:
    """Type 17: three shapes, each beside the one before; eight questions about the first and the last."""
    script = Script()
    shapes, first = _some(rng, SHAPES, 3), _pick(rng, list(SIDES))
    second = _pick(rng, [side for side in SIDES if side != _opposite(first, SIDES)])
    ways = (first, second)
    is_by = [(f"is {way}", f"is {_opposite(way, SIDES)}") for way in ways]
    facts = [_related(rng, shapes[k], is_by[k][0], shapes[k + 1], is_by[k][1]) for k in (0, 1)]
    lines = _say_in_any_order(rng, script, facts)
    for _ in range(8):
        way, yes, turned = _pick(rng, ways), _coin(rng), _coin(rng)
        a, b = (shapes[2], shapes[0]) if turned else (shapes[0], shapes[2])
        side = way if yes != turned else _opposite(way, SIDES)
        script.ask(f"Is the {a} {side} the {b}", "yes" if yes else "no", [lines[fact] for fact in facts])
    return script


def _size(rng: np.random.Generator) -> Script:
    """Type 18: five containers from small to large, and two that are two steps apart."""
    script = Script()
    by_size = _some(rng, CONTAINERS, len(CONTAINERS))
    facts = {
        (i, k): (
            f"the {by_size[i]} fits inside the {by_size[k]}",
            f"the {by_size[k]} is bigger than the {by_size[i]}",
        )
        for i in range(5)
        for k in range(i + 1, 5)
        if k - i != 2  # these are asked
    }
    chain = [_pick(rng, facts[k, k + 1]) for k in range(4)]
    others = [fact for both in facts.values() for fact in both if fact not in chain]
    extra = _some(rng, others, int(rng.integers(8)))
    lines = _say_in_any_order(rng, script, [*chain, *extra])
    for _ in range(N_QUESTIONS):
        k, yes = int(rng.integers(3)), _coin(rng)
        small, large = by_size[k], by_size[k + 2]
        a, b = (small, large) if yes else (large, small)
        asks = f"Does the {a} fit in the {b}" if _coin(rng) else f"Is the {b} bigger than the {a}"
        script.ask(asks, "yes" if yes else "no", (lines[chain[k]], lines[chain[k + 1]]))
    return script


def _path(rng: np.random.Generator) -> Script:
    """Type 19: five rooms on a grid, and the one way of two steps from the first to the third."""
    script = Script()
    rooms = _some(rng, ROOMS, 5)
    cells: list[tuple[int, int]] = [(0, 0)]
    facts: list[str] = []
    ways: list[str] = []
    for k in range(1, 5):
        while True:
            at = k - 1 if k < 3 else int(rng.integers(k))
            way = _pick(rng, list(COMPASS))
            cell = (cells[at][0] + COMPASS[way][0], cells[at][1] + COMPASS[way][1])
            if cell not in cells and (k < 3 or cell != _corner(cells)):
                break
        cells.append(cell)
        ways.append(way[0])
        facts.append(_related(rng, rooms[k], f"is {way} of", rooms[at], f"is {_opposite(way, COMPASS)} of"))
    lines = _say_in_any_order(rng, script, facts)
    asks = f"How do you go from the {rooms[0]} to the {rooms[2]}"
    script.ask(asks, ",".join(ways[:2]), [lines[fact] for fact in facts[:2]])
    return script


def _corner(cells: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Cell from which another way of two steps would lead."""
    (ax, ay), (bx, by), (cx, cy) = cells[:3]
    return ax + cx - bx, ay + cy - by


def _motivation(rng: np.random.Generator) -> Script:
    """Type 20: four actors, each of whom feels something, goes somewhere for it and takes something."""
    script = Script()
    motive = {who: _pick(rng, list(MOTIVES)) for who in MOTIVATED}
    felt: dict[str, int] = {}
    gone: set[str] = set()
    turns = [who for who in MOTIVATED for _ in range(3)]
    for who in _some(rng, turns, len(turns)):
        room, thing = MOTIVES[motive[who]]
        if who not in felt:
            felt[who] = script.say(f"{who} is {motive[who]}")
            script.ask(f"Where will {who} go", room, [felt[who]])
        elif who not in gone:
            gone.add(who)
            script.say(_told(rng, "move", who, room))
            script.ask(f"Why did {who} go to the {room}", motive[who], [felt[who]])
        else:
            script.say(_told(rng, "get", who, thing))
            script.ask(f"Why did {who} get the {thing}", motive[who], [felt[who]])
    return script


_STORIES: dict[int, Callable[[np.random.Generator], Script]] = {
    1: lambda rng: _in_turns(rng, _two_moves),
    2: _where_is_object,
    3: _where_was_object,
    4: _two_argument,
    5: _who_gave_what,
    6: lambda rng: _in_turns(rng, _two_moves, whether=True),
    7: lambda rng: _carrying(rng, count=True),
    8: lambda rng: _carrying(rng, count=False),
    9: _negation,
    10: _indefinite,
    11: lambda rng: _in_turns(rng, _then_again),
    12: lambda rng: _in_turns(rng, _two_pairs),
    13: lambda rng: _in_turns(rng, _pair_then_they),
    14: _before,
    15: _deduction,
    16: _induction,
    17: _position,
    18: _size,
    19: _path,
    20: _motivation,
}
