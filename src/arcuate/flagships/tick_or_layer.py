"""Is a tick a layer? Thought machine, transformer and reservoir count the same noisy signs.

The task is running parity: of each beginning of a row of signs, whether the number of -1 is even or odd. A
Continuous Thought Machine sees a row at once and thinks for some ticks, a causal transformer passes it
through its layers, a reservoir is shown sign after sign. Each state is one vector for each row, so that no
ramp of positions is shared: the samples are rows alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from arcuate.flagships._result import Claim, FlagshipResult, Hypothesis
from arcuate.flagships._statistics import claim_over_seeds
from arcuate.flagships._steps import Progress, Steps
from arcuate.flagships._tick_systems import HOLD, NOISE, System, reservoir, stimuli_of, systems_of

SEEDS = (2, 3, 4, 5, 6)
QUICK_SEEDS = (0, 1)
"""Settings and claims were chosen with these two; the full form is judged on others."""

SETTINGS: dict[str, Any] = {
    "lengths": (6, 8),
    "stimuli": 256,
    "orders": 200,
    "learning_rate": 2e-3,
    "ctm_steps": {6: 1200, 8: 2000},
    "transformer_steps": {6: 600, 8: 800},
    "ctm": {
        "n_neurons": 96,
        "width": 32,
        "heads": 4,
        "n_out": 32,
        "n_action": 32,
        "selection": "random",
        "history": 8,
        "hidden": 8,
        "n_features": 32,
        "positions": "rotational",
    },
    "transformer": {"d_model": 32, "n_layers": 6, "n_heads": 2},
}
"""Chosen so that a thought machine and a transformer learn the task in a minute or two of one core."""

LEARNERS = {"ctm": "thought machine", "transformer": "transformer", "reservoir": "reservoir"}
PAIR = "ctm_transformer"
PAIRS = (("ctm", "transformer"), ("ctm", "reservoir"), ("transformer", "reservoir"))

_LAYERS = SETTINGS["transformer"]["n_layers"] + 1
_RIGHT = {"statistic": "share of rows wholly right", "within": (0, 1), "above": 0.9}
_RANK = {"statistic": "partial rank correlation over rows", "within": (-1, 1), "above": 0.0, "null": 0.0}
_AREA = {
    "statistic": "area under the ROC curve of the net change for right rows",
    "within": (0, 1),
    "above": 0.5,
    "null": 0.5,
}
_QUESTIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{
        f"whole_{name}": (f"learned/{name}", f"Does the {words} count", _RIGHT)
        for name, words in LEARNERS.items()
    },
    f"diagonality_{PAIR}": (
        "order",
        "Are later ticks like later layers",
        {"statistic": "rank correlation of tick and most alike layer", "within": (-1, 1), "above": 0.5},
    ),
    f"beyond_stimuli_{PAIR}": (
        "order beyond chance",
        "Is that order beyond chance among permuted stimuli",
        {
            "statistic": "rank correlation less what chance passes in 1 of 20 cases",
            "within": (-2, 2),
            "above": 0.0,
        },
    ),
    f"path_beyond_steps_{PAIR}": (
        "path",
        "Do ticks in their order fit the layers better than ticks in random order",
        {
            "statistic": "path cost that random orders undercut in 1 of 20 cases, less that of the order",
            "within": (-1, 1),
            "above": 0.0,
        },
    ),
    f"late_{PAIR}": (
        "at once",
        "Are nearly all ticks most like the last third of the layers",
        {
            "statistic": "share of ticks",
            "within": (0, 1),
            "above": 0.8,
            "null": max(_LAYERS // 3, 1) / _LAYERS,
        },
    ),
    "effort_certain_beyond": (
        "effort/certain",
        "Do rows that need more ticks need more layers, beyond their difficulty",
        _RANK,
    ),
    "effort_active_beyond": (
        "effort/active",
        "Are more layers active for rows that need more ticks, beyond their difficulty",
        _RANK,
    ),
    **{
        f"auroc_{name}:net": (
            f"trajectory/{name}",
            f"Does the state of the {words} go farther where a row is answered right",
            _AREA,
        )
        for name, words in LEARNERS.items()
        if name != "reservoir"
    },
}
"""What is asked of each length: the variable of the data, the name of the claim, question and range."""

CAVEATS = (
    "A vector of a transformer's layer holds its states at all signs of the row, one after the other; that "
    "of a thought machine holds all neurons; that of the reservoir all traces at the end of a sign.",
    "Certainty has one threshold for both: entropies of all answers below a tenth of a bit. Of the "
    "transformer it is read by the logit lens.",
    "The transformer is causal and sees no sign before its turn; the thought machine sees all at every tick.",
    "Intervals are Student's t over seeds, which share the stimuli; five seeds are few.",
)


def flagship(seeds: tuple[int, ...], quick: bool, progress: Progress) -> FlagshipResult:
    """Train and run all systems with every seed, compare their steps, and judge.

    Parameters
    ----------
    seeds : tuple of int
    quick : bool
        Rows of 6 signs alone.
    progress : callable

    Returns
    -------
    FlagshipResult
    """
    lengths = SETTINGS["lengths"][:1] if quick else SETTINGS["lengths"]
    cost = sum(0.04 * SETTINGS["ctm_steps"][n] + 0.03 * SETTINGS["transformer_steps"][n] + 8 for n in lengths)
    steps = Steps(progress, len(seeds) * cost + 5)
    parts, states = [], {}
    for length in lengths:
        rows = []
        for seed in seeds:
            systems = systems_of(SETTINGS, length, seed=seed, steps=steps)
            states[length, seed] = {one.name: one for one in systems}
            steps(f"{length} signs, seed {seed}: comparing", cost=5)
            rows.append(_measured(states[length, seed], length, seed))
        parts.append(_joined(rows, seed=seeds))
    data = _joined(parts, length=lengths)
    steps("seeds beside each other", cost=5)
    data = data.merge(_yardstick(states, lengths, seeds))
    data.attrs["spec_json"] = json.dumps(
        SETTINGS | {"noise": NOISE, "hold_ms": HOLD, "network": reservoir().to_dict()}
    )
    comparisons = {
        f"{length}_signs": _compared({seed: states[length, seed] for seed in seeds}) for length in lengths
    }
    claims = _claims(data)
    return FlagshipResult(
        name="tick_or_layer",
        title="Is a tick a layer?",
        data=data,
        claims=tuple(claims.values()),
        hypotheses=_hypotheses(claims, lengths),
        comparisons=comparisons,
        plots={"ticks_and_layers": _page(data)},
        captions={"ticks_and_layers": _CAPTION},
        caveats=CAVEATS + _ceiling(data) + _unlearned(data),
    )


_CAPTION = (
    "Debiased CKA of every step of one system with every step of another, mean over seeds; circles: the most "
    "alike step of the second. Below: rank correlation of step and most alike step, with what chance passes "
    "in 1 of 20 cases (gray); steps to certainty of both; area under the ROC curve of signals of the "
    "trajectory for rows answered right."
)


def _measured(systems: Mapping[str, System], length: int, seed: int) -> Any:
    """Return all of one seed: what is right, how steps correspond, effort, signals of the trajectory."""
    import xarray as xr

    shown, _, _ = stimuli_of(SETTINGS["stimuli"], length)
    data = xr.Dataset(coords={"place": np.arange(1, length + 1), "stimulus": np.arange(len(shown))})
    for name, one in systems.items():
        data[f"whole_{name}"] = one.right.all(1).mean()
        data[f"right_{name}"] = ("place", one.right.mean(0))
        for key, values in one.effort.items():
            data[f"{key}_{name}"] = ("stimulus", values)
    found = [
        _correspondence(systems[first].states, systems[second].states, (first, second), seed)
        for first, second in PAIRS
    ]
    return xr.merge([data, *found, _effort(systems, shown), _trajectories(systems)])


def _correspondence(first: Any, second: Any, names: tuple[str, str], seed: int) -> Any:
    """Return how the steps of two systems go together, and the share of steps most like the late ones."""
    from arcuate.compare import step_correspondence

    found = step_correspondence(first, second, n_null=SETTINGS["orders"], seed=seed)
    late = found.best >= found.sizes["step_y"] - max(found.sizes["step_y"] // 3, 1)
    found["late"] = late.mean()
    for null in ("stimuli", "steps"):
        found[f"beyond_{null}"] = found.diagonality - found.diagonality_bound.sel(null=null, drop=True)
    found["path_beyond_steps"] = found.path_cost_bound.sel(null="steps", drop=True) - found.path_cost
    axes = {f"step_{name}": one[one.dims[1]].values for name, one in zip(names, (first, second), strict=True)}
    found = found.rename(dict(zip(("step_x", "step_y"), axes, strict=True))).assign_coords(axes)
    return found.rename({name: f"{name}_{'_'.join(names)}" for name in found.data_vars}).drop_attrs()


def _effort(systems: Mapping[str, System], shown: np.ndarray) -> Any:
    """Return how ticks until rows are decided go with layers, also with their difficulty taken out."""
    import xarray as xr

    ticks, other = systems["ctm"].effort["certain"], systems["transformer"].effort
    difficulty = np.stack(
        [np.abs(shown).min(1), (shown < 0).sum(1), (np.diff(np.sign(shown)) != 0).sum(1)], 1
    )
    out = xr.Dataset()
    for key in ("certain", "active"):
        out[f"effort_{key}"] = _partial(ticks, other[key], np.empty((len(ticks), 0)))
        out[f"effort_{key}_beyond"] = _partial(ticks, other[key], difficulty)
    return out


def _partial(x: np.ndarray, y: np.ndarray, others: np.ndarray) -> float:
    """Return Spearman's partial correlation of x and y, given the others; NaN where one does not vary."""
    from scipy.stats import rankdata

    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    ranks = rankdata(np.column_stack([x, y, others]), axis=0)
    ranks -= ranks.mean(0)
    rest = ranks[:, :2] - ranks[:, 2:] @ np.linalg.lstsq(ranks[:, 2:], ranks[:, :2], rcond=None)[0]
    return float(np.corrcoef(rest.T)[0, 1])


def _trajectories(systems: Mapping[str, System]) -> Any:
    """Return how well signals of the trajectory tell right rows; NaN where all or none are right."""
    import xarray as xr

    from arcuate.compare import signal_auroc, trajectory_signals

    out = xr.Dataset()
    for name, one in systems.items():
        signals, right = trajectory_signals(one.states.values), one.right.all(1)
        mixed = 0 < right.mean() < 1
        values = signal_auroc(signals, right).auroc.values if mixed else np.full(len(signals), np.nan)
        out[f"auroc_{name}"] = ("signal", values)
        out = out.assign_coords(signal=list(signals))
    return out


def _compared(states: Mapping[int, Mapping[str, System]]) -> Any:
    """Compare the mean states of all systems; seeds of one system say how alike two could be."""
    from arcuate.compare import compare

    leaves = {
        f"{name}/seed{seed}": one.states for seed, systems in states.items() for name, one in systems.items()
    }
    return compare(leaves, measure="cka", n_null=SETTINGS["orders"], n_boot=0, progress=False)


def _yardstick(states: Mapping[tuple[int, int], Mapping[str, System]], lengths: Any, seeds: Any) -> Any:
    """Return how the ticks of one seed follow those of the next: what two thought machines have in common."""
    import xarray as xr

    from arcuate.compare import step_correspondence

    rows = []
    for length in lengths:
        row: dict[str, list[float]] = {name: [] for name in ("diagonality", "path_cost")}
        for seed, after in zip(seeds, (*seeds[1:], seeds[0]), strict=True):
            found = (
                {}
                if seed == after
                else step_correspondence(
                    states[length, seed]["ctm"].states,
                    states[length, after]["ctm"].states,
                    n_null=19,
                    seed=seed,
                )
            )
            for name, values in row.items():
                values.append(float(found[name]) if len(found) else math.nan)
        rows.append(xr.Dataset({f"{name}_ctm_ctm": ("seed", values) for name, values in row.items()}))
    return xr.concat(rows, dim="length").assign_coords(length=list(lengths), seed=list(seeds))


def _claims(data: Any) -> dict[str, Claim]:
    """Return all claims from the values of the seeds; of what did not learn, only that it did not."""
    found: dict[str, Claim] = {}
    for n in data.length.values:
        at = data.sel(length=n)
        told = {
            "diagonality": {
                "null": float(at[f"diagonality_mean_{PAIR}"].mean(("seed", "null"))),
                "ceiling": float(at["diagonality_ctm_ctm"].mean()),
            },
            "learned": {"null": 2.0**-n},
        }
        for key, (name, question, claim) in _QUESTIONS.items():
            values, _, signal = key.partition(":")
            one = at[values].sel(signal=signal) if signal else at[values]
            more = claim | told.get(
                values.partition("_")[0] if name == "order" else name.partition("/")[0], {}
            )
            found[f"{name}/{n}"] = claim_over_seeds(
                {int(seed): float(one.sel(seed=seed)) for seed in at.seed},
                name=f"{name}/{n}",
                question=f"{question} ({n} signs)?",
                **more,
            )
    return found


def _hypotheses(claims: Mapping[str, Claim], lengths: Any) -> tuple[Hypothesis, ...]:
    """Return both hypotheses and the one on effort."""

    def of(*names: str) -> tuple[Claim, ...]:
        return tuple(claims[f"{name}/{n}"] for n in lengths for name in names)

    return (
        Hypothesis(
            name="H1",
            text="ticks follow layers one after the other",
            claims=of("order", "order beyond chance", "path"),
        ),
        Hypothesis(name="H2", text="a thought is like the last layers at once", claims=of("at once")),
        Hypothesis(
            name="H3",
            text="rows that take many ticks take many layers",
            claims=of("effort/certain", "effort/active"),
        ),
    )


def _ceiling(data: Any) -> tuple[str, ...]:
    """Say how well the measure finds an order that is there: that of two seeds of the machine."""
    found = ", ".join(f"{float(value):.2f}" for value in data["diagonality_ctm_ctm"].mean("seed"))
    lengths = ", ".join(map(str, data.length.values))
    return (
        f"Ticks of two seeds of the thought machine go together with a rank correlation of {found} "
        f"(rows of {lengths} signs): a weaker order cannot be told.",
    )


def _unlearned(data: Any) -> tuple[str, ...]:
    """Say of which system nothing is judged, since it does not do the task."""
    places = data["right_reservoir"].mean("seed").max("length")
    said = ", ".join(f"{float(value):.2f}" for value in places)
    shares = data["whole_reservoir"].mean("seed")
    if float(shares.max()) > 0.9:
        return ()
    return (
        "The reservoir does not count: of the answers after sign 1, 2, ... are right "
        f"{said} (chance .5). Its correspondence is in the data; nothing is judged of it.",
    )


def _page(data: Any) -> Any:
    from arcuate.plot import ticks_and_layers

    return ticks_and_layers(data)[0].figure


def _joined(parts: list[Any], **coords: Any) -> Any:
    """Put data sets side by side along a new dimension, shorter ones filled up with NaN."""
    import xarray as xr

    ((dim, values),) = coords.items()
    return xr.concat(parts, dim=dim, join="outer").assign_coords({dim: list(values)})
