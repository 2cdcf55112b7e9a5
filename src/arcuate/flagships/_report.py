"""The page of a flagship comparison, made of the same parts as that of a reproduction."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arcuate.flagships._result import Claim, FlagshipResult

__all__ = ["render"]

_CLASSES = {"supported": "holds", "contradicted": "fails", "undecided": "not"}


def render(result: FlagshipResult, facts: Mapping[str, str], wall_seconds: float | None) -> str:
    """Render a result as one HTML page: hypotheses, claims, caveats, pictures, tables, provenance.

    Parameters
    ----------
    result : FlagshipResult
    facts : mapping of str to str
        Where it came from.
    wall_seconds : float, optional
        How long it took, s.

    Returns
    -------
    str
        The page: pictures inlined, no script, no link to another file.
    """
    from arcuate.study.report import render_document

    took = "" if wall_seconds is None else f" It took {wall_seconds:.0f} s."
    form = "quick form" if result.quick else "full form"
    top = [f"<p>{html.escape(result.title)} ({form}, {_seeds(len(result.seeds))}).{took}</p>"]
    top += [
        f"<p class='verdict {_CLASSES[one.verdict]}'>{html.escape(one.sentence)}</p>"
        for one in result.hypotheses
    ]
    top += ["<h2>Claims</h2>", _claims(result.claims)]
    return render_document(f"{result.name}: comparison", result, top=top, facts=facts)


def _seeds(count: int) -> str:
    """Return a number of seeds in words."""
    return f"{count} seed{'' if count == 1 else 's'}"


def _claims(claims: tuple[Claim, ...]) -> str:
    """Return the table of claims, one row each, with the question above its numbers."""
    rows = []
    for claim in claims:
        unit = f" {claim.unit}" if claim.unit else ""
        cells = (
            f"{claim.estimate:.4g}{unit}",
            claim.interval,
            str(claim.n),
            claim.bound,
            _number(claim.null),
            _number(claim.ceiling),
        )
        rows.append(
            f"<tr><td>{html.escape(claim.question)}<br><span class='small'>{html.escape(claim.statistic)}"
            f"{'; ' + html.escape(claim.source) if claim.source else ''}</span></td>"
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            + f"<td class='{_CLASSES[claim.verdict]}'>{claim.verdict}</td></tr>"
        )
    names = ("question", "estimate", "interval", "n", "claimed", "null", "ceiling", "verdict")
    head = "".join(f"<th>{name}</th>" for name in names)
    return (
        f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _number(value: float) -> str:
    """Return a number, or a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:.4g}"
