"""Pictures and tables of an experiment on prediction, from what `arcuate.study.prediction` measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arcuate import analysis, plot
from arcuate.study.prediction import Scores

__all__ = ["CAPTIONS", "Found", "caveats_of"]

MILLI = 1e3
Results = Mapping[int, Mapping[str, Any]]

CAPTIONS: Mapping[str, str] = {
    "F1a_raster": "Spikes of the first seconds.",
    "F1b_states": "Filtered spikes after the response to the cue, in which all units fire; each comes back "
    "at its own time.",
    "F2_prediction": "Probe output of each outcome at the end of each block, mean over seeds, and its "
    "target, the teacher times the probability.",
    "F3_probability": "Amplitude of the predicted outcome against its probability, one learner for each.",
    "F4_timing": "Absolute timing error of probes, running median over 10 trials; quartiles over seeds.",
    "F5_trials": "Median over seeds with its 95 % bootstrap interval. Block 2 is later, 3 less likely, "
    "4 changes both.",
    "F6_angle": "Smallest angle between the weights of when and those of what, and both nulls.",
    "F7_modulators": "Size of the errors in the 10 trials after the first switch. That their phases do not "
    "overlap is by design, not a finding.",
    "F8a_ablations": "Pulses at five latencies, decoded by ridge regression from networks without a part.",
    "F8b_two_streams": "Two segregated streams of cues whose exclusive-or decides the latency.",
    "F9_omission": "The outcome is withheld in the shaded trials.",
    "overview": "The same on one page.",
}
"""Sentence below each picture."""


def caveats_of(card: str | Path) -> tuple[str, ...]:
    """Read the caveats of a model card: the numbered list under its heading "Before you believe it".

    Parameters
    ----------
    card : str or pathlib.Path
        The card, Markdown.

    Returns
    -------
    tuple of str
        Plain text, without emphasis.

    Examples
    --------
    >>> from arcuate.models import model_folder
    >>> len(caveats_of(model_folder("what_when_reservoir") / "README.md"))
    4
    """
    text = Path(card).read_text(encoding="utf-8")
    section = re.split(r"^## ", text.partition("## Before you believe it")[2], flags=re.MULTILINE)[0]
    items = re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]
    return tuple(" ".join(item.replace("*", "").replace("`", "").split()) for item in items)


class Found:
    """Everything that was measured, as figures, tables and pictures.

    Parameters
    ----------
    results : mapping of (function, variant, seed) to object
        From `arcuate.study.session.run_jobs` of `arcuate.study.prediction.job_table`.
    protocol : Protocol

    Examples
    --------
    >>> Found({}, None).values()
    {}
    """

    def __init__(self, results: Mapping[tuple[str, str, int], Any], protocol: Any) -> None:
        self._protocol = protocol
        self._groups: dict[str, dict[str, dict[int, Any]]] = {}
        for (function, variant, seed), result in results.items():
            self._groups.setdefault(function, {}).setdefault(variant, {})[seed] = result

    def _of(self, function: str) -> dict[str, dict[int, Any]]:
        return self._groups.get(function, {})

    @property
    def sessions(self) -> dict[int, Any]:
        """Result of `measure_session` by seed."""
        return next(iter(self._of("measure_session").values()), {})

    def values(self) -> dict[str, dict[int, float]]:
        """Value of every figure by seed, for `arcuate.study.reproduction.judge`."""
        found = measured(self.sessions, self._protocol) if self.sessions else {}
        for variant, runs in self._of("decode_times").items():
            if variant in _DECODED:
                found[_DECODED[variant]] = {
                    seed: round(float(run["median"].mean()) * MILLI, 6) for seed, run in runs.items()
                }
        for variant, runs in self._of("measure_streams").items():
            found[_STREAMS[variant]] = {seed: 100 * run["both"] for seed, run in runs.items()}
            for seed, run in runs.items():
                control = found.setdefault("streams_control", {})
                control[seed] = min(control.get(seed, 100.0), 100 * run["one"])
        return found

    def pictures(self) -> dict[str, Any]:
        """Pictures by name: F1b to F9, as far as they were measured, and the overview of the README."""
        drawn = pictures(self.sessions, self._protocol)
        decoded, streams = self._of("decode_times"), self._of("measure_streams")
        if decoded and streams:
            drawn |= ablation_pictures(
                {name: list(runs.values()) for name, runs in decoded.items()},
                {name: list(runs.values()) for name, runs in streams.items()},
            )
        return dict(sorted(drawn.items()))

    def tables(self) -> dict[str, Any]:
        """Tables by title, as far as they were measured."""
        made = tables(self.sessions, self._protocol)
        decoded, streams, fed = (
            self._of(f"{word}") for word in ("decode_times", "measure_streams", "measure_feedback")
        )
        if decoded:
            rows = {name: list(runs.values()) for name, runs in decoded.items()}
            made["Time decoded by ridge regression, median error (ms)"] = decoding_table(rows, self._protocol)
        if streams:
            made["Two streams: test trials within 20 ms (%)"] = _stream_table(streams)
        if fed:
            made["Feedback and gate"] = _part_table(fed, self.sessions)
        return made


_DECODED = {
    "complete": "decoded_complete",
    "no recurrence": "decoded_no_recurrence",
    "equal cells, 50 ms, no recurrence": "decoded_equal_cells",
}
_STREAMS = {
    "complete": "streams_complete",
    "no recurrence": "streams_no_recurrence",
    "streams apart": "streams_no_cross",
}


def _stream_table(streams: Mapping[str, Mapping[int, Any]]) -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = {"seed": list(next(iter(streams.values())))}
    for name, runs in streams.items():
        table[name] = [100 * run["both"] for run in runs.values()]
        table[f"{name}, first cue alone"] = [100 * run["one"] for run in runs.values()]
    return table


def _part_table(fed: Mapping[str, Mapping[int, Any]], sessions: Results) -> dict[str, list[Any]]:
    """Timing error of a single bank with its output fed back, and of a rule whose gate stays shut."""
    rows = {
        f"feedback, {name}": (
            [run["error"] * MILLI for run in runs.values()],
            [run["peak"] for run in runs.values()],
        )
        for name, runs in fed.items()
    }
    closed = [result["closed gate"] * MILLI for result in sessions.values()]
    rows["gate of when stays shut (nothing is learned)"] = (closed, [0.0])
    return {
        "network": list(rows),
        "median timing error (ms)": [float(np.median(errors)) for errors, _ in rows.values()],
        "worst seed (ms)": [float(np.max(errors)) for errors, _ in rows.values()],
        "peak of the output": [float(np.mean(peaks)) for _, peaks in rows.values()],
    }


def _stack(results: Results, *path: str | int) -> np.ndarray:
    """One row for each seed: the part of its result at a path of keys, attributes and indices."""

    def follow(part: Any) -> Any:
        for step in path:
            part = getattr(part, step) if isinstance(part, Scores) else part[step]  # type: ignore[arg-type]
        return part

    return np.array([follow(result) for result in results.values()])


def _first(results: Results) -> Mapping[str, Any]:
    return next(iter(results.values()))


def pictures(results: Results, protocol: Any) -> dict[str, Any]:
    """Draw what the sessions alone show: F1 to F7 and F9, without the raster."""
    import xarray as xr

    first = _first(results)
    late = first["times"] >= 2 * protocol.exclude - 1e-9
    states = xr.DataArray(
        first["states"][:, late], dims=("trial", "time", "unit"), coords={"time": first["times"][late]}
    )
    axes = {
        "F1b_states": plot.state_map(states),
        "F2_prediction": _predictions(results),
        "F3_probability": _amplitudes(results, protocol),
        "F4_timing": _timing(results),
        "F5_trials": _trials(results),
        "F6_angle": _angles(results),
        "F7_modulators": _modulators(results),
        "F9_omission": _omission(results, protocol),
    }
    drawn = {name: ax.figure for name, ax in axes.items()}
    return drawn | {"overview": overview(results, protocol)}


def overview(results: Results, protocol: Any) -> Any:
    """One page: prediction by block, timing error, amplitude against probability, trials to criterion."""
    a, b, c, d = plot.panels(2, 2, width=13.0, height=8.0)
    _predictions(results, ax=a)
    _timing(results, ax=b)
    _amplitudes(results, protocol, ax=c)
    _trials(results, ax=d)
    # Above the axes a legend would take room from its neighbors.
    corners: Any = {"upper right": (a,), "upper left": (b, c, d)}
    for ax, corner in ((ax, corner) for corner, both in corners.items() for ax in both):
        ax.legend(*ax.get_legend_handles_labels(), loc=corner, fontsize="x-small", framealpha=0.8)
    d.set_ylim(top=1.3 * d.get_ylim()[1])
    return a.figure


def _predictions(results: Results, ax: Any = None) -> Any:
    first = _first(results)
    prediction = _stack(results, "rules", "two banks", "prediction").mean(axis=0)
    words = {"block": first["blocks"], "outcome": ["outcome A", "outcome B"]}
    return plot.prediction_by_block(
        {"time": first["times"], "prediction": prediction, "target": first["targets"], **words}, ax=ax
    )


def _amplitudes(results: Results, protocol: Any, ax: Any = None) -> Any:
    amplitude = _stack(results, "amplitude")
    return plot.amplitude_vs_probability(
        {"probability": np.array(protocol.probabilities), "amplitude": amplitude}, ax=ax
    )


def _timing(results: Results, ax: Any = None) -> Any:
    names = ("two banks", "FORCE", "FORCE, reset", "RLS, forgetting")
    curves = {name: _stack(results, "rules", name, "error") for name in names}
    return plot.timing_error(curves, switches=_first(results)["switches"], ax=ax)


def _trials(results: Results, ax: Any = None) -> Any:
    table = {}
    for name in _first(results)["rules"]:
        in_time = _stack(results, "rules", name, "latency_trials")
        in_size = _stack(results, "rules", name, "probability_trials")
        table[name] = {
            "latency,\nblock 2": in_time[:, 1],
            "latency,\nblock 4": in_time[:, 3],
            "probability,\nblock 3": in_size[:, 2],
            "probability,\nblock 4": in_size[:, 3],
        }
    longest = len(_first(results)["rules"]["FORCE"].error) // len(_first(results)["blocks"])
    return plot.trials_to_criterion(
        table, limit=longest, ax=ax or plot.panels(1, 1, width=10.0, height=4.2)[0]
    )


def _angles(results: Results) -> Any:
    first = _first(results)
    kinds = ("cue", "post", "trace", "event")
    curves = {f"eligibility {k}": _stack(results, "angles", k, "history") for k in kinds}
    names = first["angles"]["nulls"]
    nulls = {n: _stack(results, "angles", "nulls", n).mean(axis=0) for n in names}
    return plot.angle(curves, nulls=nulls, switches=first["switches"])


def _modulators(results: Results) -> Any:
    first = _first(results)["modulators"]
    end = _first(results)["times"][-1]
    phases = {"response window": (0.0, end), "interval": (end, first["time"][-1])}
    rows = {
        name: np.concatenate([r["modulators"][name] for r in results.values()]) for name in ("when", "what")
    }
    return plot.modulators({"time": first["time"], **rows}, phases=phases)


def _omission(results: Results, protocol: Any) -> Any:
    before, without, _ = protocol.omission
    names = {"when": "peak of z", "what": "q of outcome A", "delta": "error of when at the latency"}
    curves = {word: _stack(results, "omission", name) for name, word in names.items()}
    return plot.omission(curves, withheld=(before, before + without))


def measured(results: Results, protocol: Any) -> dict[str, dict[int, float]]:
    """Value of every figure that the sessions decide, by seed."""
    values: dict[str, dict[int, float]] = {}

    def add(name: str, pick: Callable[[Mapping[str, Any]], float]) -> None:
        values[name] = {seed: float(pick(result)) for seed, result in results.items()}

    def trials(rule: str, kind: str, block: int) -> Callable[[Mapping[str, Any]], float]:
        return lambda r: getattr(r["rules"][rule], f"{kind}_trials")[block]

    add("timing_error", lambda r: r["latencies"].max() * MILLI)
    fits = {
        s: analysis.amplitude_vs_probability(r["amplitude"], protocol.probabilities)
        for s, r in results.items()
    }
    values["slope"] = {seed: fit.slope for seed, fit in fits.items()}
    values["r_squared"] = {seed: fit.r_squared for seed, fit in fits.items()}
    pooled = analysis.amplitude_vs_probability(_stack(results, "amplitude"), protocol.probabilities)
    values["r_squared_pooled"] = {0: pooled.pooled_r_squared}
    for rule, short in (("two banks", "ours"), ("FORCE", "force"), ("FORCE, reset", "reset")):
        add(f"{short}_latency_block2", trials(rule, "latency", 1))
        if rule != "FORCE":
            add(f"{short}_latency_block4", trials(rule, "latency", 3))
    add("ours_probability_block3", trials("two banks", "probability", 2))
    add("ours_probability_block4", trials("two banks", "probability", 3))
    between = ("two banks", "RLS, forgetting", "FORCE")
    add(
        "forgetting_between",
        lambda r: bool(np.all(np.diff([min(r["rules"][n].latency_trials[1], 1e6) for n in between]) > 0)),
    )
    add("angle", lambda r: r["angles"]["cue"]["final"])
    add("null_isotropic", lambda r: r["angles"]["nulls"]["isotropic"][1])
    add("null_matched", lambda r: r["angles"]["nulls"]["covariance-matched"][1])
    add("signal_correlation", lambda r: abs(r["angles"]["cue"]["correlation"]))
    before, without, _ = protocol.omission
    add("omission_dip", lambda r: r["omission"]["delta"][before : before + 3].mean())
    add("omission_fades", lambda r: r["omission"]["when"][before + without - 1])
    return values


def tables(results: Results, protocol: Any) -> dict[str, dict[str, list[Any]]]:
    """Tables of the report: rules by block, each seed, latencies, probabilities, eligibilities."""
    return {
        "Rules, median over seeds": _rule_table(results),
        "Each seed": _seed_table(results, protocol),
        "Median timing error at each latency (ms)": _latency_table(results, protocol),
        "Amplitude at each probability": _amplitude_table(results, protocol),
        "Weights of when and what, by eligibility, at the end": _eligibility_table(results),
    }


def _rule_table(results: Results) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"rule": [], "block": []}
    names = (
        "timing error (ms)",
        "trials to latency",
        "p-hat(A)",
        "trials to probability",
        "seeds that got to both",
    )
    columns |= {name: [] for name in names}
    for rule in _first(results)["rules"]:
        for block, words in enumerate(_first(results)["blocks"]):
            scores = [r["rules"][rule] for r in results.values()]
            time = np.array([s.latency_trials[block] for s in scores])
            size = np.array([s.probability_trials[block] for s in scores])
            row = (
                np.median([s.median_error[block] for s in scores]) * MILLI,
                np.median(time),
                np.median([s.mean_estimate[block] for s in scores]),
                np.median(size),
                f"{np.sum(np.isfinite(time) & np.isfinite(size))} of {len(scores)}",
            )
            columns["rule"].append(rule)
            columns["block"].append(words)
            for name, value in zip(names, row, strict=True):
                columns[name].append(value)
    return columns


def _seed_table(results: Results, protocol: Any) -> dict[str, list[Any]]:
    values = measured(results, protocol)
    table: dict[str, list[Any]] = {"seed": list(results)}
    for name, by_seed in values.items():
        if set(by_seed) == set(results):
            table[name] = list(by_seed.values())
    realized = {
        seed: analysis.amplitude_vs_probability(r["amplitude"], r["realized"]).r_squared
        for seed, r in results.items()
    }
    table["r_squared against the realized frequency"] = list(realized.values())
    return table


def _latency_table(results: Results, protocol: Any) -> dict[str, list[Any]]:
    errors = _stack(results, "latencies") * MILLI
    table: dict[str, list[Any]] = {"latency (ms)": [latency * MILLI for latency in protocol.latencies]}
    return table | {f"seed {seed}": list(row) for seed, row in zip(results, errors, strict=True)}


def _amplitude_table(results: Results, protocol: Any) -> dict[str, list[Any]]:
    amplitude, realized = _stack(results, "amplitude"), _stack(results, "realized")
    return {
        "probability": list(protocol.probabilities),
        "amplitude": list(amplitude.mean(axis=0)),
        "least": list(amplitude.min(axis=0)),
        "most": list(amplitude.max(axis=0)),
        "realized frequency": list(realized.mean(axis=0)),
    }


def _eligibility_table(results: Results) -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = {"eligibility": ["cue", "post", "trace", "event"]}
    columns = {
        "angle (degrees)": "final",
        "correlation of outputs": "correlation",
        "the same without the cue response": "late",
        "cosine of V_A and V_B": "collinearity",
    }
    for name, key in columns.items():
        table[name] = [float(np.median(_stack(results, "angles", k, key))) for k in table["eligibility"]]
    table["trials to probability, block 3"] = [
        float(np.median(_stack(results, "angles", k, "probability_trials", 2))) for k in table["eligibility"]
    ]
    return table


def ablation_pictures(
    decoded: Mapping[str, Sequence[Mapping[str, Any]]], streams: Mapping[str, Sequence[Mapping[str, float]]]
) -> dict[str, Any]:
    """F8: the time code without its parts, and the task that needs recurrence."""
    bars = {
        name: [round(float(np.mean(run["median"])) * MILLI, 6) for run in runs]
        for name, runs in decoded.items()
    }
    shares = {name: [100 * run["both"] for run in runs] for name, runs in streams.items()}
    return {
        "F8a_ablations": plot.ablations(
            bars, label="median error of decoded time, mean of five latencies (ms)"
        ).figure,
        "F8b_two_streams": plot.ablations(shares, label="test trials within 20 ms of the latency (%)").figure,
    }


def decoding_table(decoded: Mapping[str, Sequence[Mapping[str, Any]]], protocol: Any) -> dict[str, list[Any]]:
    """Median over seeds of the median error at each latency, the share of late trials and the peak."""
    table: dict[str, list[Any]] = {"network": list(decoded)}
    for index, latency in enumerate(protocol.decoded):
        table[f"{latency * MILLI:.0f} ms"] = [
            float(np.median([run["median"][index] for run in runs])) * MILLI for runs in decoded.values()
        ]
    table["share off by > 20 ms"] = [
        float(np.mean([run["late"] for run in runs])) for runs in decoded.values()
    ]
    table["peak"] = [float(np.mean([run["peak"] for run in runs])) for runs in decoded.values()]
    table["seeds"] = [len(runs) for runs in decoded.values()]
    return table
