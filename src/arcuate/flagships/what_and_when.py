"""What and when in four systems: are identity and time of what is expected kept apart in the same way?

Each of 24 cues foretells which of two outcomes is likelier, with what probability, and when. A spiking
reservoir with a three-factor read-out, a transformer, a Continuous Thought Machine and a PMI net live through
the same cues. H1: in every system what and when are read from near-orthogonal subspaces. Against it: in the
transformer they are entangled, since attention gives it "when" for free from position.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.flagships._result import Claim, FlagshipResult, Hypothesis
from arcuate.flagships._statistics import claim_over_seeds
from arcuate.flagships._steps import Progress
from arcuate.flagships._what_and_when_measures import (
    FACTORS,
    WINDOW,
    geometry,
    readout,
    readout_angle,
    subspaces,
)
from arcuate.flagships._what_and_when_systems import (
    CUES,
    N_TICKS,
    REPEATS,
    SYSTEMS,
    Response,
    Sizes,
    described,
    respond,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FULL", "QUICK", "QUICK_SEEDS", "SEEDS", "Sizes", "compare_systems", "flagship"]

NAME = "what_and_when"

SEEDS, QUICK_SEEDS = (1, 2, 3, 4, 5), (1, 2, 3)
"""Settings were chosen on seed 0."""

FULL = Sizes(reservoir=24, transformer=600, ctm=600, pmi=800, n_null=499)
QUICK = Sizes(reservoir=12, transformer=300, ctm=300, pmi=350, n_null=199)

NEAR = 75.0
"""Smallest principal angle, degrees, above which two subspaces are called near-orthogonal."""

_COSTS = {"reservoir": 15.0, "transformer": 7.0, "ctm": 9.0, "pmi": 19.0, "measure": 8.0}
_MEASURES = ("cka", "rsa", "ridge", "dsa")
_WORDS = {"reservoir": "reservoir", "transformer": "transformer", "ctm": "CTM", "pmi": "PMI net"}
_PAIRS = ("identity, delay", "identity, probability", "delay, probability")
_KEPT = ("value", "ceiling_low", "ceiling_high", "null_mean", "p_corrected")


def flagship(seeds: tuple[int, ...], quick: bool, progress: Progress) -> FlagshipResult:
    """Run the comparison.

    Parameters
    ----------
    seeds : tuple of int
        Of every system.
    quick : bool
        Shorter training and smaller nulls.
    progress : callable
        Called as ``progress(done, total, label)``.

    Returns
    -------
    FlagshipResult
    """
    return compare_systems(seeds, QUICK if quick else FULL, progress=progress)


def compare_systems(
    seeds: tuple[int, ...], sizes: Sizes, *, progress: Progress, workers: int | None = None
) -> FlagshipResult:
    """Run the comparison at any size.

    Parameters
    ----------
    seeds : tuple of int
    sizes : Sizes
        How long each system learns.
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

    training = sum(_COSTS[system] for system in SYSTEMS) * len(seeds)
    total = training + _COSTS["measure"] * len(seeds)

    def say(before: float, label: str, done: float, *_: Any) -> None:
        progress(before + done, total, label)

    say(0.0, "training four systems", 0.0)
    keys = [(system, seed) for seed in seeds for system in SYSTEMS]
    responses = run_jobs(
        {key: partial(respond, *key, sizes) for key in keys},
        workers=workers,
        progress=partial(say, 0.0, "training four systems"),
        costs={key: _COSTS[key[0]] for key in keys},
    )
    by_seed = {seed: {system: responses[system, seed] for system in SYSTEMS} for seed in seeds}
    say(training, "measuring", 0.0)
    found = run_jobs(
        {seed: partial(measure, by_seed[seed], seed, sizes.n_null) for seed in seeds},
        workers=workers,
        progress=partial(say, training, "measuring"),
        costs=dict.fromkeys(seeds, _COSTS["measure"]),
    )
    data = _dataset(found, sizes)
    claims = _claims(data)
    return FlagshipResult(
        name=NAME,
        title="Do four systems keep apart what is expected and when?",
        data=data,
        claims=tuple(claims.values()),
        hypotheses=_hypotheses(claims),
        plots={"what_and_when": plot.what_and_when(data)[0].figure},
        captions={"what_and_when": _CAPTION},
        comparisons={
            f"{kind}_seed{seed}": found[seed][kind] for seed in seeds for kind in ("geometry", "dynamics")
        },
        caveats=_caveats(data),
        tables={"How well each system learned, mean over seeds": _learned(data)},
    )


def measure(responses: Mapping[str, Response], seed: int, n_null: int) -> dict[str, Any]:
    """Measure all systems of one seed, each by itself and all with each other.

    Parameters
    ----------
    responses : mapping of str to Response
    seed : int
    n_null : int
        Draws of each null.

    Returns
    -------
    dict
        ``systems``, what was measured of each; ``geometry`` and ``dynamics``, comparisons.
    """
    import warnings

    import xarray as xr

    from arcuate.compare import compare, dsa_measure, ridge_measure
    from arcuate.errors import ArcuateWarning

    systems = {}
    for name, response in responses.items():
        systems[name] = {
            **readout(response),
            **readout_angle(response, n_null=n_null, seed=seed),
            **subspaces(response, n_null=n_null, seed=seed),
            **geometry(response, n_null=min(n_null, 99), seed=seed),
        }
    coords = {"stimulus": CUES.names, "tick": np.arange(N_TICKS)}
    dims = ("stimulus", "repeat", "tick", "unit")
    states = {
        name: xr.DataArray(response.states.astype(np.float64), dims=dims, coords=coords)
        for name, response in responses.items()
    }
    options: dict[str, Any] = {"n_boot": 0, "seed": seed, "progress": False}
    with warnings.catch_warnings():  # the report has them as notes of the comparisons
        warnings.simplefilter("ignore", ArcuateWarning)
        static = compare(
            states,
            measure=["cka", "rsa", ridge_measure(folds=6)],
            within=slice(*WINDOW),
            n_null=n_null,
            **options,
        )
        moving = compare(
            states,
            measure=dsa_measure(n_delays=2, rank=6, n_components=10),
            within="dynamics",
            null=None,
            **options,
        )
    return {"systems": systems, "geometry": static, "dynamics": moving}


def _dataset(found: Mapping[int, Any], sizes: Sizes) -> xr.Dataset:
    """Put everything that was measured into labeled arrays."""
    import xarray as xr

    seeds, names = list(found), list(SYSTEMS)

    def each(name: str) -> Any:
        return np.array([[found[seed]["systems"][system][name] for system in names] for seed in seeds])

    axes: dict[str, tuple[str, ...]] = {"rdm": ("cue", "cue_2"), "amplitude": ("probability",)}
    axes |= {"demixed": ("pair",), "itself": ("what_when",)}
    axes |= dict.fromkeys(("share", "share_null", "weight"), ("factor",))
    single: tuple[str, ...] = ("timed", "slope", "angle", "regressed", "isotropic", "matched", "correlation")
    single += ("dimensions", "shuffled", "fit", "fit_null")
    variables: dict[str, Any] = {
        name: (("seed", "system", *dims), each(name))
        for name, dims in {**dict.fromkeys(single, ()), **axes}.items()
    }
    for kept in _KEPT:
        table = np.full((len(seeds), len(_MEASURES), len(names), len(names)), np.nan)
        for i, seed in enumerate(seeds):
            for kind in ("geometry", "dynamics"):
                data = found[seed][kind].data
                for name in set(map(str, data["measure"].values)) & set(_MEASURES):
                    if kept in data:
                        place = data[kept].sel(measure=name, a=names, b=names)
                        table[i, _MEASURES.index(name)] = place.values
        variables[kept] = (("seed", "measure", "a", "b"), table)
    coords = {
        "seed": seeds, "system": names, "a": names, "b": names, "measure": list(_MEASURES),
        "factor": list(FACTORS), "pair": list(_PAIRS), "what_when": ["identity", "delay"],
        "probability": np.unique(CUES.probability), "cue": CUES.names, "cue_2": CUES.names,
    }  # fmt: skip
    data = xr.Dataset(variables, coords, {"spec_json": json.dumps(described(sizes)), "near": NEAR})
    for name in ("angle", "regressed", "isotropic", "matched", "demixed", "shuffled", "itself"):
        data[name].attrs["units"] = "degree"
    return data


def _values(array: Any) -> dict[int, float]:
    """Return the value of each seed."""
    return {int(seed): float(value) for seed, value in zip(array["seed"].values, array.values, strict=True)}


def _claims(data: xr.Dataset) -> dict[str, Claim]:
    """Ask all questions."""
    asked: list[Claim] = []

    def ask(array: Any, name: str, question: str, statistic: str, **more: Any) -> None:
        asked.append(
            claim_over_seeds(_values(array), name=name, question=question, statistic=statistic, **more)
        )

    chosen = f"{NEAR:g} degrees: the bound of near-orthogonal"
    for name in SYSTEMS:
        one = data.sel(system=name)
        words = _WORDS[name]
        ask(
            one["angle"], f"angle/{name}",
            f"Are the weights of what and when near-orthogonal in the {words}?",
            "smallest principal angle", unit="deg", above=NEAR, within=(0, 90), source=chosen,
            null=float(one["isotropic"].mean()),
        )  # fmt: skip
        ask(
            one["angle"] - one["matched"], f"chance/{name}",
            f"Are they further apart in the {words} than random weights that follow its activity?",
            "angle above the median of random weights with the covariance of the states",
            unit="deg", above=0.0, within=(-90, 90),
        )  # fmt: skip
        ask(
            one["demixed"].sel(pair=_PAIRS[0]) - one["shuffled"], f"demixed/{name}",
            f"Does the {words} keep identity and delay further apart than with shuffled identities?",
            "angle of the demixed subspaces above the median of shuffled identities",
            unit="deg", above=0.0, within=(-90, 90),
        )  # fmt: skip
        ask(
            one["slope"], f"scaling/{name}", f"Does the read-out of the {words} grow with the probability?",
            "slope of its size against the probability", above=0.0, ceiling=1.0,
        )  # fmt: skip
        ask(
            one["fit"] - one["fit_null"], f"geometry/{name}",
            f"Do identity, delay and probability explain which cues are alike in the {words}?",
            "rank correlation with dissimilarities of cues left out, above that of cues in other orders",
            above=0.0, within=(-2, 2),
        )  # fmt: skip
    ask(
        data["regressed"].sel(system="reservoir"), "regressed/reservoir",
        "Are they so in the reservoir too, if found by the regression that finds those of the networks?",
        "smallest principal angle of weights by ridge regression", unit="deg", above=NEAR, within=(0, 90),
        source=chosen, null=float(data["isotropic"].sel(system="reservoir").mean()),
    )  # fmt: skip
    ridge = data.sel(measure="ridge")
    for a, b in (("reservoir", "transformer"), ("transformer", "reservoir")):
        one = ridge.sel(a=a, b=b)
        best = float((one["ceiling_high"] - one["null_mean"]).mean())
        ask(
            one["value"] - one["null_mean"], f"ridge/{a}->{b}",
            f"Can the {b} be predicted from the {a} for cues left out?",
            "correlation above that of cues in other orders", above=0.0, within=(-2, 2), ceiling=best,
        )  # fmt: skip
    return {claim.name: claim for claim in asked}


def _hypotheses(claims: Mapping[str, Claim]) -> tuple[Hypothesis, ...]:
    """Put the claims together."""

    def pick(*kinds: str, systems: Any = SYSTEMS) -> tuple[Claim, ...]:
        return tuple(claims[f"{kind}/{system}"] for system in systems for kind in kinds)

    return (
        Hypothesis(
            name="H1",
            text="every system reads what and when from near-orthogonal subspaces",
            claims=pick("angle", "chance"),
        ),
        Hypothesis(
            name="H1 for the transformer",
            text="it multiplexes what and when as the reservoir does",
            claims=pick("angle", "chance", systems=("reservoir", "transformer")),
        ),
        Hypothesis(
            name="H2",
            text="the probability scales the read-out of every system",
            claims=pick("scaling"),
        ),
        Hypothesis(
            name="H3",
            text="in every system identity and delay are further apart than with shuffled identities",
            claims=pick("demixed"),
        ),
    )


def _learned(data: xr.Dataset) -> dict[str, list[Any]]:
    """Say how well each system learned the task."""
    mean = data.mean("seed")
    return {
        "system": [SYSTEMS[name] for name in SYSTEMS],
        "timed within a tick": [float(mean["timed"].sel(system=name)) for name in SYSTEMS],
        "slope": [float(mean["slope"].sel(system=name)) for name in SYSTEMS],
        "dimensions": [float(mean["dimensions"].sel(system=name)) for name in SYSTEMS],
        **{
            f"{factor}, share of variance": [
                float(mean["share"].sel(system=name, factor=factor)) for name in SYSTEMS
            ]
            for factor in FACTORS
        },
    }


_CAPTION = (
    "Points are seeds, bars their mean. a: angle of the read-out weights; short lines are medians of random "
    "weights, even in all directions (gray) and with the covariance of the states (black). b: angle of the "
    "demixed subspaces of identity and delay; short lines with identities shuffled. c: size of the read-out "
    "of the likelier outcome. d: share of each property in the fitted dissimilarities. e: correlation for "
    "cues left out, in both directions; short lines are ceilings by repeats, gray ones cues in other orders. "
    "f: distance of the dynamics, mean over seeds; on the diagonal that of half of the repeats to the others."
)


def _caveats(data: xr.Dataset) -> tuple[str, ...]:
    """Say what a reader must know before believing it."""
    seeds, n = data.sizes["seed"], len(CUES.delay)
    timed = {name: float(data["timed"].sel(system=name).mean()) for name in SYSTEMS}
    poor = ", ".join(f"{_WORDS[name]} {100 * share:.0f} %" for name, share in timed.items() if share < 0.9)
    by_rule, by_regression = (
        float(data[name].sel(system="reservoir").mean()) for name in ("angle", "regressed")
    )
    late = (
        f"Of the trials, few are timed within a tick in: {poor}. What is said there is of a system that has "
        "not learned the whole task."
    )
    return (
        f"Number of seeds {seeds}, cues {n}, repeats {REPEATS}: these are few, intervals are wide, and what "
        "is undecided is not refuted.",
        "Repeats of the reservoir differ in noise and history; those of the networks only in the silence "
        "before the cue, for they are deterministic. Their ceilings are not of one kind.",
        "Weights of the reservoir are those that its three-factor rule learned; of the networks, those of "
        "ridge regression on the same two targets. The angle hangs on how weights are found: that of the "
        f"reservoir is {by_rule:.0f} degrees by its rule, {by_regression:.0f} by that regression.",
        "In many dimensions random weights are nearly at right angles: an angle is to be read beside both "
        "nulls.",
        "Cues of the reservoir are random patterns of input that nothing makes alike, and its recurrent "
        "weights do not learn: that cues of one delay or identity look alike in it, or that cues left out "
        "can be predicted from it, is not to be expected. The networks learn their states.",
        "The networks learn by cross-entropy, which asks for probabilities: that their read-out grows with "
        "them is what they are trained for. The rule of the reservoir estimates them by its own.",
        "The PMI net has its working memory alone: nothing has to be kept beyond a trial.",
        f"Dynamics are compared over {N_TICKS} ticks of 50 ms, with 2 delays and rank 6, chosen for so few.",
        *((late,) if poor else ()),
    )
