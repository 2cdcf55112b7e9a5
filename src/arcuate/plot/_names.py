"""Names of systems as they stand in pictures: short, and still different from each other."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["shared_path", "shorten"]

LONGEST = 22
"""Letters of a name beside an axis at most."""


def shared_path(names: Iterable[str]) -> str:
    """Return the leading parts that all names have in common, up to the last slash before they differ."""
    paths = [name.split("/") for name in dict.fromkeys(names)]
    if len(paths) < 2:
        return ""
    same = 0
    while all(len(path) > same + 1 for path in paths) and len({path[same] for path in paths}) == 1:
        same += 1
    return "".join(f"{part}/" for part in paths[0][:same])


def shorten(names: Iterable[str], *, among: Iterable[str] = (), most: int = LONGEST) -> list[str]:
    """Return each name without the path that all of `among` share, long parts cut.

    Different names stay different: where a cut would make two alike, all are cut less.
    """
    rows = [str(name) for name in names]
    every = list(dict.fromkeys([*rows, *map(str, among)]))
    start = len(shared_path(every))
    while len({_cut(name[start:], most) for name in every}) < len(every):
        most += 2
    return [_cut(name[start:], most) for name in rows]


def _cut(name: str, most: int) -> str:
    """Cut the longest parts of a path until it is short enough; a number at the end of a part stays."""
    parts = name.split("/")
    width = max(map(len, parts))
    while width > 5 and sum(min(len(one), width) for one in parts) + len(parts) - 1 > most:
        width -= 1
    return "/".join(_cut_part(one, width) for one in parts)


def _cut_part(one: str, width: int) -> str:
    if len(one) <= width:
        return one
    number = len(one) - len(one.rstrip("0123456789"))
    tail = min(number, width - 2)
    return f"{one[: width - 1 - tail]}…{one[len(one) - tail :]}"
