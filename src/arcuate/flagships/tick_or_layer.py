"""Is a tick a layer? Thought machine, transformer and reservoir count the same noisy signs.

The task is running parity: of each beginning of a row of signs, whether the number of -1 is even or odd. A
Continuous Thought Machine sees a row at once and thinks for some ticks, a causal transformer passes it through
its layers, a reservoir is shown sign after sign. Each state is one vector for each row, so that no ramp of
positions is shared: the samples are rows alone.
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

SEEDS = (0, 1, 2, 3, 4)
QUICK_SEEDS = (0, 1)

SETTINGS: dict[str, Any] = {
    "lengths": (6, 8),
    "stimuli": 256,
    "orders": 200,
    "learning_rate": 2e-3,
    "ctm_steps": {6: 1000, 8: 1800},
    "transformer_steps": {6: 600, 8: 800},
    "ctm": {
        "n_neurons": 96, "width": 32, "heads": 4, "n_out": 32, "n_action": 32, "selection": "random",
        "history": 8, "hidden": 8, "n_features": 32, "positions": "rotational",
    },  # fmt: skip
    "transformer": {"d_model": 32, "n_layers": 6, "n_heads": 2},
}
"""Chosen so that a thought machine and a transformer learn the task in a minute or two of one core."""

PAIRS = (("ctm", "transformer"), ("ctm", "reservoir"), ("transformer", "reservoir"))

CAVEATS = (
    "A vector of a transformer's layer holds its states at all signs of the row, one after the other; that of a "
    "thought machine holds all neurons; that of the reservoir all traces at the end of a sign.",
    "Certainty has one threshold for both: entropies of all answers below a tenth of a bit. Of the transformer it is "
    "read by the logit lens.",
    "The transformer is causal and sees no sign before its turn, the thought machine sees all at every tick.",
    "Intervals are Student's t over seeds; five seeds are few.",
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
    data.attrs["spec_json"] = json.dumps(SETTINGS | {"noise": NOISE, "hold_ms": HOLD, "network": reservoir().to_dict()})
    claims = _claims(data)
    return FlagshipResult(
        name="tick_or_layer",
        title="Is a tick a layer?",
        data=data,
        claims=tuple(claims.values()),
        hypotheses=_hypotheses(claims, lengths),
        plots={"ticks_and_layers": _page(data)},
        captions={"ticks_and_layers": _CAPTION},
        caveats=CAVEATS + _unlearned(data),
    )


_CAPTION = (
    "Debiased CKA of every step of one system with every step of another, mean over seeds; circles: the most alike step "
    "of the second. Below: rank correlation of step and most alike step, bars chance passes in 1 of 20 cases (gray); "
    "steps to certainty of both; area under the ROC curve of signals of the trajectory for rows answered right."
)


def _measured(systems: Mapping[str, System], length: int, seed: int) -> Any:
    """Return everything of one seed: what is right, how steps correspond, effort, signals of the trajectory."""
    import xarray as xr

    shown, _, _ = stimuli_of(SETTINGS["stimuli"], length)
    data = xr.Dataset(coords={"place": np.arange(1, length + 1), "stimulus": np.arange(len(shown))})
    for name, one in systems.items():
        data[f"whole_{name}"] = one.right.all(1).mean()
        data[f"right_{name}"] = ("place", one.right.mean(0))
        for key, values in one.effort.items():
            data[f"{key}_{name}"] = ("stimulus", values)
    found = [_correspondence(systems[first].states, systems[second].states, (first, second), seed) for first, second in PAIRS]
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


def _effort(systems: Mapping[str, System], shown: np.ndarray) -> dict[str, Any]:
    """Return rank correlations of ticks with layers until rows are decided, without and with difficulty taken out."""
    import xarray as xr

    ticks, other = systems["ctm"].effort["certain"], systems["transformer"].effort
    difficulty = np.stack([np.abs(shown).min(1), (shown < 0).sum(1), (np.diff(np.sign(shown)) != 0).sum(1)], 1)
    out = xr.Dataset()
    for key in ("certain", "active"):
        out[f"effort_{key}"] = _partial(ticks, other[key], np.empty((len(ticks), 0)))
        out[f"effort_{key}_beyond"] = _partial(ticks, other[key], difficulty)
    return out


def _partial(x: np.ndarray, y: np.ndarray, others: np.ndarray) -> float:
    """Return Spearman's partial correlation of x and y, given the others; NaN where one of both does not vary."""
    from scipy.stats import rankdata

    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    ranks = rankdata(np.column_stack([x, y, others]), axis=0)
    ranks -= ranks.mean(0)
    rest = ranks[:, :2] - ranks[:, 2:] @ np.linalg.lstsq(ranks[:, 2:], ranks[:, :2], rcond=None)[0]
    return float(np.corrcoef(rest.T)[0, 1])


def _trajectories(systems: Mapping[str, System]) -> Any:
    """Return how well signals of the trajectory tell rows that are answered right; NaN where all or none are."""
    import xarray as xr

    from arcuate.compare import signal_auroc, trajectory_signals

    out = xr.Dataset()
    for name, one in systems.items():
        signals, right = trajectory_signals(one.states.values), one.right.all(1)
        mixed = 0 < right.sum() < len(right)
        values = signal_auroc(signals, right).auroc.values if mixed else np.full(len(signals), np.nan)
        out[f"auroc_{name}"] = ("signal", values)
        out = out.assign_coords(signal=list(signals))
    return out


def _yardstick(states: Mapping[tuple[int, int], Mapping[str, System]], lengths: Any, seeds: Any) -> Any:
    """Return how the ticks of one seed follow those of the next: what two thought machines have in common."""
    import xarray as xr

    from arcuate.compare import step_correspondence

    rows = []
    for length in lengths:
        row = {name: [] for name in ("diagonality", "path_cost")}
        for seed, after in zip(seeds, (*seeds[1:], seeds[0]), strict=True):
            found = {} if seed == after else step_correspondence(
                states[length, seed]["ctm"].states, states[length, after]["ctm"].states, n_null=19, seed=seed
            )  # fmt: skip
            for name, values in row.items():
                values.append(float(found[name]) if len(found) else math.nan)
        rows.append(xr.Dataset({f"{name}_ctm_ctm": ("seed", values) for name, values in row.items()}))
    return xr.concat(rows, dim="length").assign_coords(length=list(lengths), seed=list(seeds))


def _claims(data: Any) -> dict[str, Claim]:
    """Return all claims, from the values of the seeds; none about a system that has not learned but that it has not."""
    found: dict[str, Claim] = {}
    for n in data.length.values:
        at = data.sel(length=n)

        def claim(name: str, key: str, *, n: int = n, at: Any = at, **more: Any) -> None:
            values = {int(seed): float(at[key].sel(seed=seed)) for seed in at.seed}
            found[f"{name}/{n}"] = claim_over_seeds(values, name=f"{name}/{n}", **more)

        for system, words in (("ctm", "thought machine"), ("transformer", "transformer"), ("reservoir", "reservoir")):
            claim(f"learned/{system}", f"whole_{system}", question=f"Does the {words} count {n} signs?",
                  statistic="share of rows wholly right", within=(0, 1), above=0.9, null=2.0**-n)  # fmt: skip
        pair = "ctm_transformer"
        ceiling = float(at["diagonality_ctm_ctm"].mean())
        claim("order", f"diagonality_{pair}", question=f"Are later ticks like later layers ({n} signs)?",
              statistic="rank correlation of tick and most alike layer", within=(-1, 1), above=0.5,
              null=float(at[f"diagonality_mean_{pair}"].mean(("seed", "null"))), ceiling=ceiling)  # fmt: skip
        claim("order beyond chance", f"beyond_stimuli_{pair}",
              question=f"Is that order beyond chance among permuted stimuli ({n} signs)?",
              statistic="rank correlation less what chance passes in 1 of 20 cases", within=(-2, 2), above=0.0)  # fmt: skip
        claim("path", f"path_beyond_steps_{pair}",
              question=f"Do ticks in their order fit the layers better than ticks in random order ({n} signs)?",
              statistic="path cost that random orders undercut in 1 of 20 cases, less that of the order",
              within=(-1, 1), above=0.0)  # fmt: skip
        claim("at once", f"late_{pair}", question=f"Are nearly all ticks most like the last third of the layers ({n} signs)?",
              statistic="share of ticks", within=(0, 1), above=0.8, null=_share_late())  # fmt: skip
        for key, words in (("certain", "Do rows that need more ticks need more layers"), ("active", "Are more layers active for rows that need more ticks")):
            claim(f"effort/{key}", f"effort_{key}_beyond", question=f"{words}, beyond their difficulty ({n} signs)?",
                  statistic="partial rank correlation over rows", within=(-1, 1), above=0.0, null=0.0)  # fmt: skip
        for system in ("ctm", "transformer"):
            values = at.assign(x=at[f"auroc_{system}"].sel(signal="cumulative"))
            claim(f"trajectory/{system}", "x", at=values, question=f"Is the path of the {system} longer for rows answered wrongly ({n} signs)?",
                  statistic="area under the ROC curve of the length of the path for right rows", within=(0, 1), below=0.5, null=0.5)  # fmt: skip
    return found


def _share_late() -> float:
    n = SETTINGS["transformer"]["n_layers"] + 1
    return max(n // 3, 1) / n


def _hypotheses(claims: Mapping[str, Claim], lengths: Any) -> tuple[Hypothesis, ...]:
    """Return both hypotheses and the one on effort."""

    def of(*names: str) -> tuple[Claim, ...]:
        return tuple(claims[f"{name}/{n}"] for n in lengths for name in names)

    return (
        Hypothesis(name="H1", text="ticks follow layers one after the other", claims=of("order", "order beyond chance", "path")),
        Hypothesis(name="H2", text="a thought is like the last layers at once", claims=of("at once")),
        Hypothesis(name="H3", text="rows that take many ticks take many layers", claims=of("effort/certain", "effort/active")),
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
