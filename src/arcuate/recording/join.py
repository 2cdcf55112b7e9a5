"""Joining recordings: consecutive pieces of one run, or separate runs as trials."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import RecordingError, check_choice
from arcuate.recording import schema

if TYPE_CHECKING:
    import xarray as xr

_WHERE = "Recording.concatenate"


def _refuse(name: str, value: Any, bound: str, fix: str = "") -> RecordingError:
    return RecordingError.of(where=_WHERE, name=name, value=value, bound=bound, fix=fix)


def concatenate(trees: Sequence[xr.DataTree], *, dim: str) -> xr.DataTree:
    """Join trees; see `Recording.concatenate`.

    Parameters
    ----------
    trees : sequence of DataTree
        At least one.
    dim : {"time", "trial"}
        Along what.

    Returns
    -------
    xarray.DataTree
    """
    import xarray as xr

    check_choice(dim, ("time", "trial"), where=_WHERE, name="dim")
    if not trees:
        raise _refuse("recordings", [], "must hold at least one")
    if len(trees) == 1:
        return trees[0]
    _check_alike(trees, dim)
    offsets = [0] * len(trees)
    if dim == "time":
        _check_clock(trees)
    else:
        offsets = [int(sum(map(_n_trials, trees[:k]))) for k in range(len(trees))]
    groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=_root(trees, dim))}
    joins = {"spikes": _join_spikes, "states": _join_states, "weights": _join_weights}
    for group, join in joins.items():
        for name in schema.leaves(trees[0], group):
            parts = [schema.leaves(tree, group)[name] for tree in trees]
            groups[f"/{group}/{name}"] = join(parts, offsets, dim=dim, name=f"/{group}/{name}")
    groups["/events"] = _join_events(trees, offsets)
    outcomes = [schema.unpack(schema.group(tree, "outcome").attrs) for tree in trees]
    groups["/outcome"] = xr.Dataset(attrs=schema.pack(_join_outcomes(outcomes, trees), where="outcome"))
    return xr.DataTree.from_dict(groups)


def _check_alike(trees: Sequence[xr.DataTree], dim: str) -> None:
    for group in ("spikes", "states", "weights"):
        names = [tuple(schema.leaves(tree, group)) for tree in trees]
        for k, mine in enumerate(names):
            if set(mine) != set(names[0]):
                raise _refuse(
                    f"recordings[{k}]",
                    sorted(mine),
                    f"must have the {group} of the first, {sorted(names[0])}",
                )
    fields = ("spec_sha256", "dt_s", *(("seed", "source") if dim == "time" else ()))
    for field in fields:
        for k, tree in enumerate(trees):
            if tree.attrs.get(field) != trees[0].attrs.get(field):
                raise _refuse(
                    f"recordings[{k}].{field}",
                    tree.attrs.get(field),
                    f"must be that of the first, {str(trees[0].attrs.get(field))[:80]!r}",
                    "" if dim == "trial" else 'use dim="trial" for separate runs',
                )


def _check_clock(trees: Sequence[xr.DataTree]) -> None:
    """Pieces of one run must follow one another; half a step is allowed for rounding."""
    for k, (before, after) in enumerate(pairwise(trees)):
        if "duration_s" not in before.attrs or "start_s" not in after.attrs:
            continue
        end = float(before.attrs.get("start_s", 0.0)) + float(before.attrs["duration_s"])
        slack = 0.5 * float(before.attrs.get("dt_s", 0.0)) + 1e-9 * abs(end)
        if abs(float(after.attrs["start_s"]) - end) > slack:
            raise _refuse(
                f"recordings[{k + 1}].start",
                float(after.attrs["start_s"]),
                f"must be the end of the piece before, {end:.9g} s",
                'use dim="trial" for separate runs',
            )


def _n_trials(tree: xr.DataTree) -> int:
    """One more than the highest trial that anything in the tree names."""
    highest = 0
    for dataset in schema.leaves(tree, "spikes").values():
        highest = max(highest, int(dataset["trial"].max()) if dataset.sizes["spike"] else 0)
    for dataset in schema.leaves(tree, "states").values():
        highest = max(highest, int(dataset["trial"].max()) if dataset.sizes["trial"] else 0)
    events = schema.group(tree, "events")
    if "trial" in events and events.sizes["event"]:
        highest = max(highest, int(events["trial"].max()))
    return highest + 1


def _shift(dataset: xr.Dataset, offset: int) -> xr.Dataset:
    """Renumber trials; -1 (before the first) stays."""
    if not offset or "trial" not in dataset:
        return dataset
    trial = dataset["trial"]
    moved = np.where(trial.values >= 0, trial.values + offset, trial.values).astype(trial.dtype)
    return (
        dataset.assign(trial=(trial.dims, moved))
        if "trial" not in dataset.coords
        else dataset.assign_coords(trial=(trial.dims, moved))
    )


def _join_spikes(parts: Sequence[xr.Dataset], offsets: Sequence[int], *, dim: str, name: str) -> xr.Dataset:
    columns: dict[str, Any] = {
        key: np.concatenate([_shift(p, k)[key].values for p, k in zip(parts, offsets, strict=True)])
        for key in ("time", "neuron", "trial")
    }
    if dim == "time":
        ends = [p["time"].values for p in parts if p.sizes["spike"]]
        for before, after in pairwise(ends):
            if after.min() < before.max():
                raise _refuse(
                    name,
                    float(after.min()),
                    f"must not come before the last spike of the piece before, {before.max():g} s",
                )
    sizes = [p.attrs.get("n_neurons") for p in parts]
    if len(set(sizes)) > 1:
        raise _refuse(f"{name}.n_neurons", sizes, "must be the same in all")
    columns["n"] = sizes[0]
    return schema.spikes_dataset(schema.sorted_spikes(name, columns))


def _join_states(parts: Sequence[xr.Dataset], offsets: Sequence[int], *, dim: str, name: str) -> xr.Dataset:
    import xarray as xr

    parts = [_shift(part, offset) for part, offset in zip(parts, offsets, strict=True)]
    along = "trial"
    if dim == "time":
        # a piece in which no sample fell adds nothing
        parts = [p for p in parts if all(p.sizes.values())] or parts[:1]
        _check_cuts(parts, name)
        trials = [tuple(p["trial"].values.tolist()) for p in parts]
        if "time" in parts[0].dims and len(set(trials)) == 1:
            along = "time"
        elif len({t for row in trials for t in row}) < sum(map(len, trials)):
            raise _refuse(
                f"{name}.trial", trials, "must be the same trials in all pieces, or different ones in each"
            )
    try:
        joined = xr.concat(
            parts,
            dim=along,
            data_vars="all" if along == "trial" else "minimal",
            coords="minimal",
            compat="override" if along == "time" else "equals",
            join="exact",
            combine_attrs="override",
        )
    except ValueError as error:
        raise _refuse(
            name, str(error).splitlines()[0][:80], "must have the same variables, units and axis in all"
        ) from error
    joined = joined.transpose("trial", *[d for d in joined.dims if d not in ("trial", "unit")], "unit")
    if along == "time" and np.any(np.diff(joined["time"].values) <= 0):
        raise _refuse(f"{name}.time", "overlapping", "must ascend from piece to piece")
    if along == "trial" and dim == "trial":
        labels = joined["stimulus"].values
        joined = joined.assign_coords(repeat=("trial", schema.repeats(labels)))
    return joined


def _check_cuts(parts: Sequence[xr.Dataset], name: str) -> None:
    """Refuse pieces that end within a trial: some are cut into trials, others run on."""
    cut = ["start" in part.coords for part in parts]
    if any(cut) and not all(cut):
        raise _refuse(
            name,
            "cut into trials in some pieces only",
            "must be cut alike: a piece ends within a trial",
            "end each piece where a trial ends, or record continuously",
        )
    if all(cut):
        seen: dict[int, float] = {}
        for part in parts:
            for trial, start in zip(
                part["trial"].values.tolist(), part["start"].values.tolist(), strict=True
            ):
                if seen.setdefault(trial, start) != start:
                    raise _refuse(f"{name}.trial", trial, f"must start at {seen[trial]:g} s in all pieces")


def _join_weights(parts: Sequence[xr.Dataset], offsets: Sequence[int], *, dim: str, name: str) -> xr.Dataset:  # noqa: ARG001
    import xarray as xr

    for key in ("pre", "post", "delay"):
        for part in parts:
            if not np.array_equal(part[key].values, parts[0][key].values):
                raise _refuse(f"{name}.{key}", "different", "must be the same synapses in all")
    timed = all("time" in part.coords for part in parts)
    kept = [parts[0]]
    for part in parts[1:]:
        again = timed and part.sizes["snapshot"] and kept[-1].sizes["snapshot"]
        if again and part["time"].values[0] == kept[-1]["time"].values[-1]:
            part = part.isel(snapshot=slice(1, None))
        kept.append(part)
    return xr.concat(
        kept,
        dim="snapshot",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )


def _join_events(trees: Sequence[xr.DataTree], offsets: Sequence[int]) -> xr.Dataset:
    import xarray as xr

    parts = []
    for tree, offset in zip(trees, offsets, strict=True):
        events = schema.group(tree, "events")
        if events.sizes.get("event"):
            parts.append(_shift(events, offset))
    if not parts:
        return schema.group(trees[0], "events")
    columns = {tuple(sorted(map(str, part.variables))) for part in parts}
    if len(columns) > 1:
        raise _refuse("events", sorted(columns)[1], "must have the same columns in all")
    return xr.concat(
        parts,
        dim="event",
        combine_attrs="override",
        join="exact",
        data_vars="minimal",
        coords="minimal",
        compat="override",
    )


def _root(trees: Sequence[xr.DataTree], dim: str) -> dict[Any, Any]:
    attrs = dict(trees[0].attrs)
    seeds = [str(tree.attrs.get("seed", "")) for tree in trees]
    sources = list(dict.fromkeys(str(tree.attrs.get("source", "")) for tree in trees))
    attrs["source"] = "+".join(sources)
    if len(set(seeds)) > 1:
        attrs |= {"seed": "", "seeds": " ".join(seeds)}
    if not all("duration_s" in tree.attrs for tree in trees):
        attrs.pop("duration_s", None)
    elif dim == "time":
        last = trees[-1].attrs
        end = float(last.get("start_s", 0.0)) + float(last["duration_s"])
        attrs["duration_s"] = end - float(attrs.get("start_s", 0.0))
    else:
        attrs["duration_s"] = sum(float(tree.attrs["duration_s"]) for tree in trees)
    return attrs


def _join_outcomes(outcomes: Sequence[dict[str, Any]], trees: Sequence[xr.DataTree]) -> dict[str, Any]:
    """Keep what agrees; the first status that is not "ok"; all notes; sum of wall times; mean of rates."""
    joined: dict[str, Any] = {}
    for key in dict.fromkeys(key for outcome in outcomes for key in outcome):
        values = [outcome[key] for outcome in outcomes if key in outcome]
        if key == "status":
            joined[key] = next((value for value in values if value != "ok"), "ok")
        elif key.startswith("wall") and all(isinstance(value, (int, float)) for value in values):
            joined[key] = sum(values)
        elif all(value == values[0] for value in values):
            joined[key] = values[0]
        elif key == "notes" and all(isinstance(v, list) for v in values):
            joined[key] = list(dict.fromkeys(str(note) for notes in values for note in notes))
        elif (
            key.startswith("rates") and len(values) == len(trees) and all(isinstance(v, dict) for v in values)
        ):
            joined[key] = _mean_rates(values, [float(tree.attrs.get("duration_s", 0.0)) for tree in trees])
        else:
            joined[key] = values
    return joined


def _mean_rates(rates: Sequence[dict[str, Any]], durations: Sequence[float]) -> dict[str, Any]:
    total = sum(durations)
    shares = [d / total if total else 1.0 / len(rates) for d in durations]
    names = [name for name in rates[0] if all(isinstance(r.get(name), (int, float)) for r in rates)]
    return {name: sum(r[name] * share for r, share in zip(rates, shares, strict=True)) for name in names}
