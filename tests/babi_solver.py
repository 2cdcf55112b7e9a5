"""Answers to questions about stories of the twenty bAbI types, from the sentences alone, step by step."""

from __future__ import annotations

import re
from collections import deque

MOVE = r"(?:went back|went|journeyed|travelled|moved) to the (\w+)"
GET = re.compile(r"(\w+) (?:grabbed|took|got|picked up) the (\w+)")
DROP = re.compile(r"(\w+) (?:dropped|discarded|left|put down) the (\w+)")
GIVE = re.compile(r"(\w+) (?:gave|handed|passed) the (\w+) to (\w+)")
STEPS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
STEPS |= {"above": (0, 1), "below": (0, -1), "right": (1, 0), "left": (-1, 0)}
SINGULAR = {"mice": "mouse", "sheep": "sheep", "wolves": "wolf", "cats": "cat"}


def solve(kind: int, story: list[str], question: str) -> str:
    """Read a story, in small letters and without stops, and answer."""
    told = [sentence.lower().rstrip(" .") for sentence in story]
    return SOLVERS[kind](told, question.lower().rstrip(" ?"))


def found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    assert match, text
    return match.groups()


def follow(told: list[str]) -> tuple[dict[str, str], dict[str, list[str]], dict[str, list[str]]]:
    """Rooms of actors, things they hold in order, and rooms that things were in, one after the other."""
    room: dict[str, str] = {}
    held: dict[str, list[str]] = {}
    trail: dict[str, list[str]] = {}

    def seen(thing: str, where: str | None) -> None:
        if where and trail.setdefault(thing, [where])[-1] != where:
            trail[thing].append(where)

    subjects: list[str] = []
    for sentence in told:
        if move := re.search(rf"^(?:(?:then|afterwards|after that|following that) )?(.*?) {MOVE}", sentence):
            if move[1] not in ("he", "she", "they"):
                subjects = move[1].split(" and ")
            for actor in subjects:
                room[actor] = move[2]
                for thing in held.get(actor, []):
                    seen(thing, move[2])
        elif give := GIVE.search(sentence):
            giver, thing, receiver = give.groups()
            if thing in held.get(giver, []):
                held[giver].remove(thing)
            held.setdefault(giver, [])
            held.setdefault(receiver, []).append(thing)
        elif get := GET.search(sentence):
            held.setdefault(get[1], []).append(get[2])
            seen(get[2], room.get(get[1]))
        elif drop := DROP.search(sentence):
            held[drop[1]] = [thing for thing in held.get(drop[1], []) if thing != drop[2]]
            seen(drop[2], room.get(drop[1]))
    return room, held, trail


def where_actor(told: list[str], question: str) -> str:
    return follow(told)[0][found(r"where is (\w+)", question)[0]]


def where_object(told: list[str], question: str) -> str:
    return follow(told)[2][found(r"where is the (\w+)", question)[0]][-1]


def where_was_object(told: list[str], question: str) -> str:
    thing, room = found(r"where was the (\w+) before the (\w+)", question)
    rooms = follow(told)[2][thing]
    return rooms[max(k for k, name in enumerate(rooms) if name == room) - 1]


def two_arguments(told: list[str], question: str) -> str:
    known = {}
    for sentence in told:
        a, way, b = found(r"the (\w+) is (\w+) of the (\w+)", sentence)
        back = {"north": "south", "south": "north", "east": "west", "west": "east"}[way]
        known[way, b], known[back, a] = a, b
    if match := re.search(r"what is (\w+) of the (\w+)", question):
        return known[match[1], match[2]]
    a, way = found(r"what is the (\w+) (\w+) of", question)
    return next(b for (w, b), other in known.items() if w == way and other == a)


def three_arguments(told: list[str], question: str) -> str:
    gifts = [match.groups() for sentence in told if (match := GIVE.search(sentence))]
    forms = (
        (r"what did (\w+) give to (\w+)", (0, 2), 1),
        (r"who gave the (\w+) to (\w+)", (1, 2), 0),
        (r"who gave the (\w+)$", (1,), 0),
        (r"who did (\w+) give the (\w+) to", (0, 1), 2),
        (r"who received the (\w+)", (1,), 2),
    )
    for pattern, places, wanted in forms:
        if match := re.search(pattern, question):
            fitting = [gift for gift in gifts if tuple(gift[p] for p in places) == match.groups()]
            return str(fitting[-1][wanted])
    raise AssertionError(question)


def whether_there(told: list[str], question: str) -> str:
    actor, room = found(r"is (\w+) in the (\w+)", question)
    return "yes" if follow(told)[0][actor] == room else "no"


def counting(told: list[str], question: str) -> str:
    held = follow(told)[1].get(found(r"is (\w+) carrying", question)[0], [])
    return ("none", "one", "two", "three")[len(held)]


def listing(told: list[str], question: str) -> str:
    return ",".join(follow(told)[1].get(found(r"is (\w+) carrying", question)[0], [])) or "nothing"


def possible(told: list[str], question: str) -> str:
    """Types 9 and 10: rooms where the actor may be, by the last that was told."""
    actor, room = found(r"is (\w+) in the (\w+)", question)
    rooms: set[str] = set()
    excluded: set[str] = set()
    for sentence in told:
        if not sentence.startswith(f"{actor} "):
            continue
        excluded = set()
        if match := re.search(r"(?:not|no longer) in the (\w+)", sentence):
            rooms, excluded = set(), {match[1]}
        elif match := re.search(r"either in the (\w+) or the (\w+)", sentence):
            rooms = {match[1], match[2]}
        else:
            rooms = {found(r"(?:in|to) the (\w+)", sentence)[0]}
    if room in excluded or (rooms and room not in rooms):
        return "no"
    return "yes" if rooms == {room} else "maybe"


def earlier(told: list[str], question: str) -> str:
    actor, room = found(r"where was (\w+) before the (\w+)", question)
    times = ("yesterday", "morning", "afternoon", "evening")
    visits = []
    for sentence in told:
        if re.search(rf"\b{actor}\b", sentence):
            (place,) = found(MOVE, sentence)
            visits.append((next(k for k, time in enumerate(times) if time in sentence), place))
    visits.sort()
    return visits[max(k for k, visit in enumerate(visits) if visit[1] == room) - 1][1]


def deduction(told: list[str], question: str) -> str:
    fears = dict(found(r"^(\w+) are afraid of (\w+)", one) for one in told if "afraid" in one)
    species = dict(found(r"^(\w+) is a (\w+)", one) for one in told if " is a " in one)
    fears = {SINGULAR[a]: SINGULAR[b] for a, b in fears.items()}
    return fears[species[found(r"what is (\w+) afraid", question)[0]]]


def induction(told: list[str], question: str) -> str:
    species = dict(found(r"^(\w+) is a (\w+)", one) for one in told if " is a " in one)
    color = dict(found(r"^(\w+) is (\w+)", one) for one in told if " is a " not in one)
    (asked,) = found(r"what color is (\w+)", question)
    seen = {color[who] for who in color if species.get(who) == species[asked]}
    (answer,) = seen  # all of a species have one color
    return answer


def placed(told: list[str], pattern: str) -> tuple[dict[str, tuple[int, int]], dict[str, list[str]]]:
    """Cells of things from what is beside what, and the neighbors that were told."""
    beside: dict[str, list[tuple[str, int, int]]] = {}
    for sentence in told:
        a, way, b = found(pattern, sentence)
        x, y = STEPS[way]
        beside.setdefault(b, []).append((a, x, y))
        beside.setdefault(a, []).append((b, -x, -y))
    first = next(iter(beside))
    cells = {first: (0, 0)}
    queue = deque([first])
    while queue:
        here = queue.popleft()
        for other, x, y in beside[here]:
            if other not in cells:
                cells[other] = cells[here][0] + x, cells[here][1] + y
                queue.append(other)
    return cells, {name: [other for other, _, _ in some] for name, some in beside.items()}


SIDE = r"(?:to the )?(left|right|above|below)(?: of)?"


def position(told: list[str], question: str) -> str:
    cells, _ = placed(told, rf"the (.+) is {SIDE} the (.+)")
    a, way, b = found(rf"is the (.+?) {SIDE} the (.+)", question)
    (ax, ay), (bx, by), (x, y) = cells[a], cells[b], STEPS[way]
    return "yes" if (ax - bx) * x + (ay - by) * y > 0 else "no"


def size(told: list[str], question: str) -> str:
    larger: dict[str, set[str]] = {}
    for sentence in told:
        if match := re.search(r"the (.+) fits inside the (.+)", sentence):
            larger.setdefault(match[1], set()).add(match[2])
        else:
            large, small = found(r"the (.+) is bigger than the (.+)", sentence)
            larger.setdefault(small, set()).add(large)
    if match := re.search(r"does the (.+) fit in the (.+)", question):
        small, large = match.groups()
    else:
        large, small = found(r"is the (.+) bigger than the (.+)", question)

    def above(one: str) -> set[str]:
        return larger.get(one, set()).union(*(above(other) for other in larger.get(one, set())))

    assert (large in above(small)) != (small in above(large))
    return "yes" if large in above(small) else "no"


def path(told: list[str], question: str) -> str:
    """All ways of two steps between rooms that stand side by side, told or not; there is one."""
    cells, _ = placed(told, r"the (\w+) is (\w+) of the (\w+)")
    start, end = found(r"from the (\w+) to the (\w+)", question)
    at = {cell: name for name, cell in cells.items()}
    assert len(at) == len(cells)
    ways = []
    for first in ("north", "south", "east", "west"):
        for second in ("north", "south", "east", "west"):
            x, y = cells[start]
            middle = x + STEPS[first][0], y + STEPS[first][1]
            last = middle[0] + STEPS[second][0], middle[1] + STEPS[second][1]
            if middle in at and at.get(last) == end:
                ways.append(f"{first[0]},{second[0]}")
    (way,) = ways
    return way


def motivation(told: list[str], question: str) -> str:
    felt = dict(found(r"^(\w+) is (\w+)", one) for one in told if " is " in one)
    if match := re.search(r"where will (\w+) go", question):
        return {"hungry": "kitchen", "thirsty": "kitchen", "bored": "garden", "tired": "bedroom"}[
            felt[match[1]]
        ]
    return felt[found(r"why did (\w+)", question)[0]]


SOLVERS = {
    1: where_actor,
    2: where_object,
    3: where_was_object,
    4: two_arguments,
    5: three_arguments,
    6: whether_there,
    7: counting,
    8: listing,
    9: possible,
    10: possible,
    11: where_actor,
    12: where_actor,
    13: where_actor,
    14: earlier,
    15: deduction,
    16: induction,
    17: position,
    18: size,
    19: path,
    20: motivation,
}
