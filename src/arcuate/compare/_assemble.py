"""Scores of all measures as one labeled result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from arcuate._inputs import Floats
from arcuate.compare._comparison import SCHEMA, SEPARATOR, Comparison
from arcuate.compare._inputs import centered, warn
from arcuate.compare._scoring import Job, Scores
from arcuate.compare._states import Leaf
from arcuate.compare._within import samples_of
from arcuate.compare.inference import benjamini_hochberg

__all__ = ["assemble", "say"]

MOST_DISSIMILARITIES = 1 << 21
"""Entries of all matrices of dissimilarities that are kept with a result (chosen: 16 MiB)."""

_TIE = 1e-9


def assemble(scores: list[Scores], job: Job) -> Comparison:
    """Put scores into a Dataset, with p values corrected over all of them.

    Parameters
    ----------
    scores : list of Scores
        Of each measure.
    job : Job

    Returns
    -------
    Comparison
    """
    import xarray as xr

    grid = _Grid(scores, job)
    corrected = _corrected(scores, job.correction)
    parts: dict[str, list[Floats]] = {}
    for one in scores:
        cells = one.cells
        kinds: dict[str, Mapping[Any, Floats]] = {
            name: {pair: getattr(cell, name) for pair, cell in cells.items()}
            for name in ("value", "null_mean", "null_sd", "p")
        }
        kinds["p_corrected"] = corrected[one.measure.name]
        for k, end in enumerate(("low", "high")):
            kinds[end] = {pair: both[k] for pair, both in one.intervals.items()}
            kinds[f"ceiling_{end}"] = {pair: both[k] for pair, both in one.ceilings.items()}
        if job.plan.regress:
            kinds["value_raw"] = one.raw
        for name, values in kinds.items():
            parts.setdefault(name, []).append(grid.filled(values, one.measure.symmetric))
    data: dict[str, Any] = {name: (grid.dims, np.stack(values)) for name, values in parts.items()}
    data["n_samples"] = ("measure", [max(one.n_samples.values()) for one in scores])
    for side, names in zip("ab", job.sides, strict=True):
        data[f"n_units_{side}"] = (side, [scores[0].n_units[name] for name in names])
    notes = [{pair: SEPARATOR.join(found) for pair, found in one.notes.items()} for one in scores]
    for name, texts in (("warning", notes), ("ceiling_by", [one.ceiling_by for one in scores])):
        rows = [grid.texts(each, one.measure.symmetric) for each, one in zip(texts, scores, strict=True)]
        data[name] = (("measure", "a", "b"), np.array(rows, dtype=str))
    coords = grid.coords(scores)
    if (made := _dissimilarities(job)) is not None:
        data["rdm"] = (("system", "stimulus", "stimulus_2"), made)
        words = np.array([str(label) for label in job.labels])
        coords |= {"system": list(job.leaves), "stimulus": words, "stimulus_2": words}
    return Comparison(data=xr.Dataset(data, coords=coords, attrs=_attrs(scores, job)))


class _Grid:
    """Where each pair of leaves stands in the arrays."""

    def __init__(self, scores: list[Scores], job: Job) -> None:
        self.sides = job.sides
        self.matrix = job.plan.within == "matrix" and any(one.measure.takes != "trials" for one in scores)
        self.dims: tuple[str, ...] = ("measure", "a", "b")
        self.steps: list[np.ndarray] = [np.zeros(1), np.zeros(1)]
        if self.matrix:
            self.dims += ("within_a", "within_b")
            self.steps = [_steps([job.leaves[name] for name in names]) for names in job.sides]

    def coords(self, scores: list[Scores]) -> dict[str, Any]:
        """Names of measures and leaves, and the steps."""
        coords: dict[str, Any] = {
            "measure": [one.measure.name for one in scores],
            "a": self.sides[0],
            "b": self.sides[1],
        }
        if self.matrix:
            coords |= {"within_a": self.steps[0], "within_b": self.steps[1]}
        return coords

    def filled(self, values: Mapping[Any, Floats], symmetric: bool) -> Floats:
        """Values of pairs as (a, b), or (a, b, within_a, within_b); NaN where there are none."""
        out = np.full((len(self.sides[0]), len(self.sides[1]), *map(len, self.steps)), np.nan)
        for i, one in enumerate(self.sides[0]):
            for j, other in enumerate(self.sides[1]):
                found = values.get((one, other))
                if found is None and symmetric and (other, one) in values:
                    found = values[other, one].T
                if found is not None:
                    out[i, j, : found.shape[0], : found.shape[1]] = found
        return out if self.matrix else out[:, :, 0, 0]

    def texts(self, words: Mapping[Any, str], symmetric: bool) -> list[list[str]]:
        """Texts of pairs as (a, b)."""
        turned = {(y, x): text for (x, y), text in words.items()} if symmetric else {}
        both = turned | dict(words)
        return [[both.get((x, y), "") for y in self.sides[1]] for x in self.sides[0]]


def _steps(leaves: list[Leaf]) -> np.ndarray:
    """Steps that all leaves share, or their numbers."""
    first = leaves[0].steps
    if all(leaf.steps.shape == first.shape and (leaf.steps == first).all() for leaf in leaves):
        return first
    return np.arange(max(len(leaf.steps) for leaf in leaves))


def _corrected(scores: list[Scores], correction: str | None) -> dict[str, dict[Any, Floats]]:
    """P values corrected over all scores of the call."""
    tested = [
        (one.measure.name, pair, cell)
        for one in scores
        for pair, cell in one.cells.items()
        if cell.top is not None
    ]
    out: dict[str, dict[Any, Floats]] = {one.measure.name: {} for one in scores}
    if not tested or correction is None:
        return out
    if correction == "fdr":
        flat = benjamini_hochberg(np.concatenate([cell.p.ravel() for _, _, cell in tested]))
        ends = np.cumsum([cell.p.size for _, _, cell in tested])[:-1]
        for (name, pair, cell), values in zip(tested, np.split(flat, ends), strict=True):
            out[name][pair] = values.reshape(cell.p.shape)
        return out
    top = np.sort(np.max([cell.top for _, _, cell in tested if cell.top is not None], axis=0))
    for name, pair, cell in tested:
        above = len(top) - np.searchsorted(top, cell.z - _TIE, side="left")
        out[name][pair] = np.where(np.isnan(cell.z), np.nan, (1 + above) / (1 + len(top)))
    return out


def _dissimilarities(job: Job) -> Floats | None:
    """Squared distances of the stimuli by number of units, where there are few enough."""
    n, leaves = len(job.labels), job.leaves
    large = len(leaves) * n * n > MOST_DISSIMILARITIES
    if large or job.plan.within in ("samples", "matrix", "dynamics"):
        return None
    out = np.empty((len(leaves), n, n))
    for row, leaf in enumerate(leaves.values()):
        x = centered(samples_of(leaf, job.plan, "samples")[0])
        gram = x @ x.T
        squared = np.diag(gram)[:, None] + np.diag(gram)[None, :] - 2 * gram
        out[row] = np.maximum(squared, 0) / x.shape[1]
        np.fill_diagonal(out[row], 0)
    return out


def _attrs(scores: list[Scores], job: Job) -> dict[str, Any]:
    import scipy
    import xarray as xr

    from arcuate import __version__

    measures = {
        one.measure.name: {
            "kind": one.measure.kind,
            "low": one.measure.low,
            "high": one.measure.high,
            "symmetric": one.measure.symmetric,
            "invariances": list(one.measure.invariances),
            "options": one.measure.options,
        }
        for one in scores
    }
    samples = f"stimulus, {job.axis}" if job.plan.within == "samples" else "stimulus"
    null, n_null = ("none", 0) if job.orders is None else (job.orders.null, job.orders.count)
    regressed = job.axis if job.plan.regress else None
    correction = job.correction or "none"
    spec = {"samples": samples, "within": job.plan.text, "null": null, "n_null": n_null, "seed": job.seed,
            "correction": correction, "join": job.join, "ceiling": job.ceiling, "n_boot": job.n_boot,
            "regress_out": regressed, "n_stimuli": len(job.labels), "measures": measures}  # fmt: skip
    return {
        "schema": SCHEMA,
        "spec_json": json.dumps(spec, default=str),
        "seed": str(job.seed),
        "samples": samples,
        "within": job.plan.text,
        "null": null,
        "n_null": n_null,
        "correction": correction,
        "ceiling": "; ".join(dict.fromkeys(f"none: {one.no_ceiling}" for one in scores if one.no_ceiling))
        or "yes",
        "arcuate_version": __version__,
        "numpy_version": np.__version__,
        "scipy_version": scipy.__version__,
        "xarray_version": xr.__version__,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def say(result: Comparison) -> None:
    """Warn once of what speaks against the scores.

    Parameters
    ----------
    result : Comparison

    Warns
    -----
    ArcuateWarning
    """
    notes = result.notes
    if notes:
        first = "\n  ".join(notes[:4])
        more = (
            f"\n  and {len(notes) - 4} more, in the variable warning of the result" if len(notes) > 4 else ""
        )
        warn(f"compare:\n  {first}{more}")
