"""How a Recording shows itself: a line of text, or a card in a notebook."""

from __future__ import annotations

import html as markup
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arcuate.recording.container import Recording


def _rate(rec: Recording, population: str) -> float | None:
    """Mean rate, Hz, where the length of the run is known."""
    spikes = rec.spikes(population)
    n = int(spikes.attrs.get("n_selected", rec.n_neurons(population)))
    if not n or not rec.duration:
        return None
    return float(spikes.sizes["spike"] / (n * rec.duration))


def _head(rec: Recording) -> list[tuple[str, str]]:
    rows = [("source", rec.source)]
    if rec.seed is not None:
        rows.append(("seed", str(rec.seed)))
    if rec.duration is not None:
        rows.append(("duration", f"{rec.duration:g} s"))
    if rec.spec_sha256:
        rows.append(("specification", rec.spec_sha256[:12]))
    status = rec.outcome.get("status")
    if status is not None:
        rows.append(("outcome", str(status)))
    return rows


def text(rec: Recording) -> str:
    """Return a few lines of plain text.

    Parameters
    ----------
    rec : Recording

    Returns
    -------
    str
    """
    lines = ["<Recording: " + ", ".join(f"{key} {value}" for key, value in _head(rec))]
    for name in rec.populations:
        rate = _rate(rec, name)
        count = rec.spikes(name).sizes["spike"]
        lines.append(f"  spikes {name}: {count}" + ("" if rate is None else f" ({rate:.3g} Hz)"))
    for site in rec.sites:
        dataset = rec.states(site)
        shape = ", ".join(f"{dim} {size}" for dim, size in dataset.sizes.items())
        lines.append(f"  states {site}: {', '.join(map(str, dataset.data_vars))} ({shape})")
    for name in rec.weight_names:
        sizes = rec.weights(name).sizes
        lines.append(f"  weights {name}: {sizes['synapse']} synapses, {sizes['snapshot']} snapshots")
    if rec.events.sizes.get("event"):
        lines.append(f"  events: {rec.events.sizes['event']}")
    return "\n".join(lines) + ">"


def _table(title: str, header: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    cell = "padding:1px 10px 1px 0;text-align:left"
    head = "".join(f'<th style="{cell};font-weight:500;opacity:.7">{markup.escape(h)}</th>' for h in header)
    body = "".join(
        "<tr>" + "".join(f'<td style="{cell}">{markup.escape(value)}</td>' for value in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div style="margin-top:6px;font-weight:600">{markup.escape(title)}</div>'
        f'<table style="border-collapse:collapse"><tr>{head}</tr>{body}</table>'
    )


def html(rec: Recording) -> str:
    """Return a compact card.

    Parameters
    ----------
    rec : Recording

    Returns
    -------
    str
        HTML; every name is escaped.
    """
    head = " &middot; ".join(
        f'<span style="opacity:.7">{markup.escape(key)}</span> {markup.escape(value)}'
        for key, value in _head(rec)
    )
    spikes = []
    for name in rec.populations:
        rate = _rate(rec, name)
        count = rec.spikes(name).sizes["spike"]
        spikes.append(
            [name, str(rec.n_neurons(name)), f"{count:,}", "" if rate is None else f"{rate:.3g} Hz"]
        )
    states = []
    for site in rec.sites:
        dataset = rec.states(site)
        shape = " × ".join(f"{dim} {size}" for dim, size in dataset.sizes.items())
        units = ", ".join(f"{name} [{dataset[name].attrs['units']}]" for name in dataset.data_vars)
        states.append([site, units, shape])
    weights = [
        [name, f"{rec.weights(name).sizes['synapse']:,}", str(rec.weights(name).sizes["snapshot"])]
        for name in rec.weight_names
    ]
    events = rec.events.sizes.get("event", 0)
    foot = f'<div style="margin-top:6px">{events:,} events</div>' if events else ""
    return (
        '<div style="border:1px solid #8886;border-radius:6px;padding:8px 12px;display:inline-block">'
        f"<div><b>Recording</b> &middot; {head}</div>"
        + _table("Spikes", ["population", "neurons", "spikes", "rate"], spikes)
        + _table("States", ["site", "quantities", "shape"], states)
        + _table("Weights", ["name", "synapses", "snapshots"], weights)
        + foot
        + "</div>"
    )
