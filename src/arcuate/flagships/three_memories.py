"""One equation, three memories: do fast weights, PMI, a transformer and a reservoir bind in the same way?

Groups of a name and an object, then an object: whose is it? Rules that write a matrix, transformers whose
attention is such a rule, a PMI memory and a spiking reservoir answer. What is asked, or what was read, is
then taken over from a second context in which place, question and answer point to different groups. A battery
of conditioning asks which rule each of them follows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from arcuate.flagships._memories_conditioning import EFFECTS, GROUPS, battery, phases_of
from arcuate.flagships._memories_conditioning import SETTINGS as CONDITIONING
from arcuate.flagships._memories_measures import (
    LOADS,
    MECHANISMS,
    SHOWN,
    SOURCES,
    STAGES,
    WIDTHS,
    WRITTEN,
    Sizes,
    alike,
    binding,
    capacity,
    pairs_of,
)
from arcuate.flagships._memories_systems import N_GROUPS, RULES, SYSTEMS, TASK, TRAINED
from arcuate.flagships._memories_systems import SETTINGS as BINDING
from arcuate.flagships._result import Claim, FlagshipResult, Hypothesis
from arcuate.flagships._statistics import claim_over_seeds
from arcuate.flagships._steps import Progress

__all__ = ["FULL", "QUICK", "QUICK_SEEDS", "SEEDS", "Sizes", "compare_memories", "flagship"]

NAME = "three_memories"
TITLE = "One equation, three memories: do they bind in the same way?"

SEEDS, QUICK_SEEDS = (1, 2, 3, 4, 5), (50, 51)
CHOSEN_ON = range(50, 59)
"""Settings and bounds were chosen on these; the full form is judged on others."""

FULL = Sizes(pairs=400, sessions=100, memories=10, n_null=499)
QUICK = Sizes(pairs=200, sessions=60, memories=5, n_null=199)

RIGHT, LEARNED = 0.8, 0.5
"""The gates: share of questions about six pairs answered right; what more is expected after acquisition."""

LITTLE = 0.05
"""Gain in agreement, or share of answers, below which there is no mixing, or no pointer."""

PURE, BLOCKED = 0.9, 0.1
_COSTS = {"transformer": 8.0, "linear": 12.0, "deltanet": 9.0, "pmi": 14.0, "reservoir": 5.0}
_OUTER = ("hebb", "delta", "linear", "deltanet", "pmi")


def flagship(seeds: tuple[int, ...], quick: bool, progress: Progress) -> FlagshipResult:
    """Run the comparison.

    Parameters
    ----------
    seeds : tuple of int
        Of every system.
    quick : bool
        Fewer pairs, sessions and permutations; the training is the same.
    progress : callable
        Called as ``progress(done, total, label)``.

    Returns
    -------
    FlagshipResult
    """
    return compare_memories(seeds, QUICK if quick else FULL, progress=progress)


def compare_memories(
    seeds: tuple[int, ...], sizes: Sizes, *, progress: Progress, workers: int | None = None
) -> FlagshipResult:
    """Run the comparison at any size.

    Parameters
    ----------
    seeds : tuple of int
    sizes : Sizes
        How much is measured.
    progress : callable
        Called as ``progress(done, total, label)``.
    workers : int, optional
        Processes at a time; by default one for each processor, at most 8.

    Returns
    -------
    FlagshipResult
    """
    from arcuate import plot
    from arcuate.study.session import run_jobs

    label = "training and asking eight systems"
    keys = [(system, seed) for seed in seeds for system in sorted(SYSTEMS, key=lambda one: -_cost(one))]
    total = sum(_cost(system) for system, _ in keys) + 2.0 * len(seeds)
    progress(0.0, total, label)
    jobs: dict[Any, Any] = {key: partial(measure, *key, sizes) for key in keys}
    jobs |= {("capacity", seed): partial(capacity, seed, sizes) for seed in seeds}
    found = run_jobs(
        jobs,
        workers=workers,
        progress=lambda done, *_: progress(done, total, label),
        costs={key: _cost(key[0]) for key in jobs},
    )
    data = _dataset(found, seeds, sizes)
    claims = _claims(data)
    return FlagshipResult(
        name=NAME,
        title=TITLE,
        data=data,
        claims=tuple(claims.values()),
        hypotheses=_hypotheses(claims),
        plots={NAME: plot.three_memories(data)[0].figure},
        captions={NAME: _CAPTION},
        caveats=_caveats(data),
        tables=_tables(data),
    )


def _cost(name: str) -> float:
    return _COSTS.get(name, 2.0)


def measure(system: str, seed: int, sizes: Sizes) -> dict[str, Any]:
    """Measure one system with one seed, networks also as they begin.

    Parameters
    ----------
    system : str
    seed : int
    sizes : Sizes

    Returns
    -------
    dict
        ``binding`` and ``battery``, and the same ``untrained``, NaN for what is not trained.
    """
    from arcuate._optional import require

    threads = None
    if system in TRAINED:  # on one thread, so that the numbers are the same in any process
        torch = require("torch", extra="torch", purpose="the flagship three_memories")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
    try:
        return {
            name: {
                "binding": binding(system, seed, sizes, train=train),
                "battery": battery(system, seed, sessions=sizes.sessions, train=train),
            }
            for name, train in (("trained", True), ("untrained", False))
            if train or system in TRAINED
        }
    finally:
        if threads is not None:
            torch.set_num_threads(threads)


def _dataset(found: Mapping[Any, Any], seeds: tuple[int, ...], sizes: Sizes) -> Any:
    """Put everything that was measured into labeled arrays."""
    import xarray as xr

    def each(state: str, part: str, name: str, *rest: str) -> Any:
        rows = [
            [_entry(found[system, seed].get(state), part, name, *rest) for system in SYSTEMS]
            for seed in seeds
        ]
        shape = next(one.shape for row in rows for one in row if one is not None)
        return np.array([[np.full(shape, np.nan) if one is None else one for one in row] for row in rows])

    dims: dict[str, tuple[str, ...]] = {
        "share": ("stage", "index", "source"), "share_null": ("stage", "source"),
        "agreement": ("stage", "mixture"), "gain": ("stage",), "gain_null": ("stage",),
        "right": ("n_pairs",), "place": ("index",),
    }  # fmt: skip
    variables: dict[str, Any] = {}
    for name, axes in dims.items():
        for state, suffix in (("trained", ""), ("untrained", "_untrained")):
            variables[name + suffix] = (("seed", "system", *axes), each(state, "binding", name))
    names = ("learned", *EFFECTS)
    for order, state, variable in (
        ("ordered", "trained", "effect"),
        ("shuffled", "trained", "effect_shuffled"),
        ("ordered", "untrained", "effect_untrained"),
    ):
        table = np.stack([each(state, "battery", order, name) for name in names], axis=-1)
        variables[variable] = (("seed", "system", "effect_name"), table)
    for name, axes in {
        "fidelity": ("rule", "width", "load"),
        "theory": ("rule", "width", "load"),
        "named": ("rule", "width", "load"),
        "exponent": ("rule",),
        "synapses": ("written", "load"),
        "synapses_named": ("written", "load"),
    }.items():
        variables[name] = (("seed", *axes), np.array([found["capacity", seed][name] for seed in seeds]))
    variables["pairs"] = (("width", "load"), np.array([pairs_of(width) for width in WIDTHS]))
    coords = {
        "seed": list(seeds), "system": list(SYSTEMS), "stage": list(STAGES), "source": list(SOURCES),
        "index": np.arange(1, N_GROUPS + 1), "mixture": ["all", *MECHANISMS],
        "n_pairs": np.arange(2, N_GROUPS + 1), "effect_name": list(names), "rule": list(RULES),
        "written": list(WRITTEN), "width": list(WIDTHS),
        "load": ["sqrt(d)", *(f"{load:g} d" for load in LOADS)],
    }  # fmt: skip
    spec = {
        "binding": BINDING,
        "conditioning": CONDITIONING,
        "groups": GROUPS,
        "sizes": vars(sizes),
        "task": vars(TASK),
    }
    attrs = {"spec_json": json.dumps(spec), "gate_right": RIGHT, "gate_learned": LEARNED}
    data = xr.Dataset(variables, coords, attrs)
    data["answers"] = data["right"].isel(n_pairs=-1).min("seed") >= RIGHT
    data["conditioned"] = data["effect"].sel(effect_name="learned").min("seed") >= LEARNED
    return data.merge(_alike(data, sizes.n_null))


def _entry(found: Any, *keys: str) -> Any:
    """Return what stands in nested dicts, None if there is nothing."""
    for key in keys:
        if found is None:
            return None
        found = found[key]
    return np.asarray(found, dtype=float)


def _alike(data: Any, n_null: int) -> Any:
    """Compare sources of the trained systems with those of seeds, of all that learned."""
    import xarray as xr

    out = xr.Dataset()
    for name, systems in (("all", TRAINED), ("attention", TRAINED[:-1])):
        chosen = [one for one in systems if bool(data["answers"].sel(system=one))]
        empty = np.full(data.sizes["seed"], np.nan)
        made: dict[str, Any] = {"between": empty, "within": empty, "null": np.nan, "p": np.nan}
        if len(chosen) > 1 and data.sizes["seed"] > 1:
            share = data["share"].sel(system=chosen, stage=["question", "read"])
            profiles = share.transpose("system", "seed", "stage", "index", "source").values
            made = alike(profiles.reshape(*profiles.shape[:2], -1), n_null=n_null, seed=0)
        out[f"between_{name}"], out[f"within_{name}"] = ("seed", made["between"]), ("seed", made["within"])
        out[f"alike_null_{name}"], out[f"alike_p_{name}"] = made["null"], made["p"]
    return out


# ---------------------------------------------------------------- claims


def _claims(data: Any) -> dict[str, Claim]:
    """Ask all questions; of a system that did not learn, what it is asked stays undecided."""
    asked: dict[str, Claim] = {}

    def ask(name: str, array: Any, question: str, statistic: str, *, gate: bool = True, **more: Any) -> None:
        per_seed = {int(seed): float(array.sel(seed=seed)) if gate else math.nan for seed in data.seed}
        asked[name] = claim_over_seeds(per_seed, name=name, question=question, statistic=statistic, **more)

    for group in (_gates, _capacities, _bindings, _blockings):
        group(data, ask)
    return asked


def _gates(data: Any, ask: Any) -> None:
    """Ask what each system has learned."""
    for name, words in SYSTEMS.items():
        one = data.sel(system=name)
        ask(f"answers/{name}", one["right"].isel(n_pairs=-1),
            f"Does it answer questions about {N_GROUPS} pairs ({words})?", "share right",
            above=RIGHT, within=(0, 1), null=1 / N_GROUPS,
            source="chosen: the gate of what is asked of binding")  # fmt: skip
        ask(f"acquisition/{name}", one["effect"].sel(effect_name="learned"),
            f"Does it come to expect what follows a cue ({words})?",
            "what is expected of a cue with the outcome, less that of one without", above=LEARNED,
            null=_mean(one["effect_untrained"].sel(effect_name="learned")),
            source="chosen: the gate of what is asked of conditioning")  # fmt: skip


def _capacities(data: Any, ask: Any) -> None:
    """Ask how much the rules hold."""
    for name in ("hebb", "delta"):
        one = data.sel(rule=name)
        ask(f"exponent/{name}", one["exponent"],
            f"Does what a {SYSTEMS[name]} holds grow as its width?",
            "exponent of the capacity over the width", above=0.9, below=1.1, null=0.5,
            source="chosen; 0.5 is that of recall without any error")  # fmt: skip
        off = abs(one["fidelity"] - one["theory"]).sel(width=list(WIDTHS[1:])).max(("width", "load"))
        ask(f"form/{name}", off, f"Does the recall of a {SYSTEMS[name]} follow its closed form?",
            f"largest distance of 1 / sqrt(1 + error), widths from {WIDTHS[1]}", below=0.05, within=(0, 1),
            source="chosen")  # fmt: skip

    one = data["synapses"] - data["theory"].sel(width=SHOWN, rule=list(WRITTEN)).values
    for name in WRITTEN:
        ask(f"synapses/{name}", one.sel(written=name, load="1 d"),
            f"Do synapses of a reservoir ({SYSTEMS[name]}) recall as many pairs as its input has numbers as "
            "well as a matrix on that input?", "1 / sqrt(1 + error) less the closed form", above=-0.05,
            within=(-1, 1), null=0.0, source="chosen")  # fmt: skip


def _bindings(data: Any, ask: Any) -> None:
    """Ask which pointers answers follow."""
    for name in _OUTER:
        one = data.sel(system=name, stage="question", source="lexical")
        ask(f"lexical/{name}", one["share"].mean("index"),
            f"Do answers follow the question that is taken over ({SYSTEMS[name]})?", "share of answers",
            above=PURE, within=(0, 1), null=_mean(one["share_null"]), ceiling=1.0,
            gate=bool(data["answers"].sel(system=name)), source="chosen: purely lexical")  # fmt: skip
    for name in TRAINED:
        one, gate = data.sel(system=name), bool(data["answers"].sel(system=name))
        best = one["gain"].sel(stage=["question", "read"]).max("stage")
        ask(f"mixing/{name}", best, f"Do pointers mix ({SYSTEMS[name]})?",
            "agreement of the mixture less the best pointer alone, at the site where that is most",
            above=LITTLE, within=(-1, 1), gate=gate, source="chosen: the least that is called mixing",
            null=_mean(one["gain_null"].sel(stage=["question", "read"]).max("stage")))  # fmt: skip
    place = data["share"].sel(system="transformer", source="positional", stage=["question", "read"])
    ends = place.isel(index=[0, -1]).mean("index") - place.isel(index=slice(1, -1)).mean("index")
    ask("ends/transformer", ends.max("stage"), "Is the transformer positional at the ends?",
        "positional share for the first and last group less that for the others", above=LITTLE,
        within=(-1, 1), null=0.0, gate=bool(data["answers"].sel(system="transformer")),
        source="chosen")  # fmt: skip
    one = data.sel(system="reservoir")
    ask("recency/reservoir", one["place"].isel(index=-1),
        "Does the reservoir name the last group when asked about others?",
        "share of answers among the groups", above=1 / N_GROUPS, within=(0, 1),
        null=1 / N_GROUPS)  # fmt: skip
    positional = one["share"].sel(stage="question", source="positional").mean("index")
    ask("positional/reservoir", positional - one["share_null"].sel(stage="question", source="positional"),
        "Do answers of the reservoir follow the place that is taken over?",
        "share of answers above that with pointers permuted", above=0.0, within=(-1, 1),
        null=0.0)  # fmt: skip
    matrix = data.sel(system="pmi", stage="question and matrix", source="reflexive")["share"].mean("index")
    ask("matrix/pmi", matrix, "Is the answer of the PMI net in its long-term memory, not in its slots?",
        "share of answers that come along with the question and the matrix", above=0.5, within=(0, 1),
        null=_mean(data.sel(system="pmi", stage="question and slots", source="reflexive")["share"]),
        gate=bool(data["answers"].sel(system="pmi")), source="chosen")  # fmt: skip
    for name, words in (("all", "trained systems"), ("attention", "three kinds of attention")):
        ask(f"alike/{name}", data[f"between_{name}"] - data[f"within_{name}"] - data[f"alike_null_{name}"],
            f"Do the {words} bind as much alike as seeds of one of them?",
            "distance of sources between systems, less that between seeds and what permuted labels reach "
            "in 1 of 20 cases",
            below=0.0, within=(-2, 2), null=-float(data[f"alike_null_{name}"]))  # fmt: skip


def _blockings(data: Any, ask: Any) -> None:
    """Ask which systems block."""
    reference = blocking_of_delta()
    for name, words in SYSTEMS.items():
        if name == "lookup":
            continue
        one, other = data.sel(system=name, effect_name="blocking"), name in ("hebb", "linear")
        bound = {"below": BLOCKED} if other else {"above": BLOCKED}
        ask(f"blocking/{name}", one["effect"],
            f"{'Does it fail to block' if other else 'Does it block'} ({words})?",
            "what is expected of B in the control group less that after A, in units of acquisition",
            **bound, null=_mean(one["effect_shuffled"]), gate=bool(data["conditioned"].sel(system=name)),
            ceiling=math.nan if other else reference, source="chosen")  # fmt: skip


def blocking_of_delta() -> float:
    """Return the blocking of the delta rule with cues that have nothing in common: the ceiling of others.

    Returns
    -------
    float
        In units of what is acquired in a phase.
    """
    from arcuate.memory import condition

    def at_end(group: str, letter: str) -> float:
        strength = condition(phases_of(group), rule="delta", learning_rate=CONDITIONING["rate"])
        return float(strength.sel(stimulus=letter)[-1])

    whole = at_end("acquisition", "A")
    return (at_end("blocking control", "B") - at_end("blocking", "B")) / whole


def _mean(array: Any) -> float:
    """Return the mean of what there is, NaN if there is nothing."""
    numbers = np.asarray(array.values, dtype=float)
    return float(numbers[np.isfinite(numbers)].mean()) if np.isfinite(numbers).any() else math.nan


def _hypotheses(claims: Mapping[str, Claim]) -> tuple[Hypothesis, ...]:
    """Put the claims together."""

    def of(*names: str) -> tuple[Claim, ...]:
        return tuple(claims[name] for name in names)

    return (
        Hypothesis(
            name="H1a",
            text="matrices of outer products are purely lexical, and hold more in proportion to their width",
            claims=of("lexical/hebb", "lexical/delta", "exponent/hebb", "exponent/delta"),
        ),
        Hypothesis(
            name="H1a after training",
            text="so are networks whose memory is such a matrix, behind their first look at the question",
            claims=of(*(f"lexical/{name}" for name in _OUTER if name in TRAINED)),
        ),
        Hypothesis(
            name="H1b",
            text="the transformer mixes pointers, and is positional at the ends",
            claims=of("mixing/transformer", "ends/transformer"),
        ),
        Hypothesis(
            name="H1c",
            text="the reservoir goes by place or by what came last",
            claims=of("recency/reservoir", "positional/reservoir"),
            rule="any",
        ),
        Hypothesis(
            name="H2",
            text="training makes all systems mix, and mix alike",
            claims=of("alike/all", *(f"mixing/{name}" for name in TRAINED)),
        ),
        Hypothesis(
            name="H3",
            text="blocking tells a Hebbian matrix from one by the delta rule",
            claims=of("blocking/hebb", "blocking/delta"),
        ),
        Hypothesis(
            name="H3 after training",
            text="transformers with Hebbian and with delta attention differ in the same way",
            claims=of("blocking/linear", "blocking/deltanet"),
        ),
        Hypothesis(
            name="H3 for the transformer", text="softmax attention blocks", claims=of("blocking/transformer")
        ),
    )


# ---------------------------------------------------------------- words


def _tables(data: Any) -> dict[str, dict[str, list[Any]]]:
    """Return what was learned, and the battery, mean over seeds."""
    mean = data.mean("seed")
    learned: dict[str, list[Any]] = {"system": list(SYSTEMS.values())}
    for n in data.n_pairs.values:
        learned[f"{n} pairs right"] = [float(value) for value in mean["right"].sel(n_pairs=n)]
    learned["six pairs, not trained"] = [float(value) for value in mean["right_untrained"].isel(n_pairs=-1)]
    effects: dict[str, list[Any]] = {"system": list(SYSTEMS.values())}
    for name in data.effect_name.values:
        effects[str(name)] = [float(value) for value in mean["effect"].sel(effect_name=name)]
        effects[f"{name}, shuffled"] = [
            float(value) for value in mean["effect_shuffled"].sel(effect_name=name)
        ]
    effects["judged"] = ["yes" if one else "not learned" for one in data["conditioned"].values]
    return {
        "Share of questions answered right, mean over seeds": learned,
        "Conditioning, mean over seeds": effects,
    }


_CAPTION = (
    "Points are seeds, all else means over seeds. a: recall of random pairs by the rules, widths 16 to 128; "
    "lines are closed forms; crosses, "
    "synapses of the reservoir. b: questions answered right; dotted, one of the names at random. c: what the "
    "mixture of three pointers gains over the best one alone, where the question (circles) or what was read "
    "(squares) is taken over; gray, with pointers permuted. d: the battery, in units of acquisition; a cross "
    "marks a system that has not learned, which is not judged. Below: what answers follow, by the place of "
    "the group that the second context asks about, if the question is taken over, and in networks, if what "
    "was read is."
)


def _caveats(data: Any) -> tuple[str, ...]:
    """Say what a reader must know before believing it."""
    dull = [name for name in SYSTEMS if not bool(data["answers"].sel(system=name))]
    slow = [name for name in SYSTEMS if not bool(data["conditioned"].sel(system=name))]
    chosen = [str(seed) for seed in data.seed.values if seed in CHOSEN_ON]
    told = [
        f"Seeds: {data.sizes['seed']}. These are few, intervals are wide, and what is undecided is not "
        "refuted.",
        "Rules, the PMI net and the reservoir are shown a pair at once, so that there is no place of a name "
        "apart from its object to be positional by; transformers read it as two words.",
        "What is taken over: of a rule, of the PMI net and of the reservoir the question, so that lexical "
        "answers there are no more than right ones; of transformers the residual stream at the question "
        "behind the first block, and, as what was read, behind the second of three; of the PMI net what it "
        "understood. Behind the last block every network gives the answer of the second context.",
        "A state that holds the answer itself counts as reflexive. Transformers look it up in different "
        f"blocks: in the first{_reads(data, 'question', 'reflexive')}, which makes them reflexive behind it; "
        f"not before the last{_reads(data, 'read', 'lexical')}, which leaves them lexical behind the second.",
        "That rules are lexical, and block or do not, follows from how they are written; what is found out "
        "is whether networks that are trained follow them.",
        "Networks learn to expect from sessions in which a cue is never alone before it comes in a compound, "
        "so that blocking is not trained in this order; that parts of a compound share is, and that one of "
        "them, once known, tells of the other. By the law of these sessions B is expected by 2/3 after AB, "
        "and by 1/2 if A is known to bring the outcome: 0.17 less, which is beyond the bound. Networks are "
        "trained until nearly all that can be known is told; longer training may make others of them.",
        "The read-out of the reservoir is least squares for pairs, and the delta rule for conditioning: that "
        "it blocks follows from the rule as far as its states of different cues differ. Each cue and each "
        "pair of cues is shown to it several times beforehand, and trials draw from these.",
        "What stands as the null of blocking is that with trials in shuffled order; the delta rule blocks "
        "with A and AB in turn, too, so that it is no chance level, and no verdict is taken against it.",
        "How often permuted labels make sources of trained systems differ as much as they do: "
        f"p = {float(data['alike_p_all']):.3f} (all), {float(data['alike_p_attention']):.3f} (attention); "
        f"their mean distance is {_far(data)}.",
    ]
    if chosen:
        told.insert(
            1, f"Settings and bounds were chosen on seeds {', '.join(chosen)}: no test of the claims."
        )
    if dull:
        words = ", ".join(SYSTEMS[name] for name in dull)
        told.append(
            f"Not judged as to binding, for at a seed it answers too few questions: {words}. What the "
            "reservoir goes by instead is asked all the same; how alike systems are is asked of the others."
        )
    if slow:
        words = ", ".join(SYSTEMS[name] for name in slow)
        told.append(f"Not judged as to conditioning, for at a seed it does not learn what follows: {words}.")
    return tuple(told)


def _reads(data: Any, stage: str, source: str) -> str:
    """Name the transformers, with their seeds, whose answers mostly follow a source at a stage."""
    share = data["share"].sel(stage=stage, source=source).mean("index")
    seeds = {
        name: [str(seed) for seed in data.seed.values if float(share.sel(system=name, seed=seed)) > 0.5]
        for name in TRAINED[:-1]
    }
    said = "; ".join(f"{SYSTEMS[name]}, seeds {', '.join(some)}" for name, some in seeds.items() if some)
    return f" ({said})" if said else " (none)"


def _far(data: Any) -> str:
    near, far = (_mean(data[f"{name}_all"]) for name in ("within", "between"))
    return f"{near:.3f} between seeds of one system and {far:.3f} between systems"
