"""Pavlovian conditioning: linear attention read as an animal that learns which stimulus brings which outcome.

A key is a conditioned stimulus, a value the outcome, a query the test. Hebbian writes are those of linear
attention; the delta rule is that of Rescorla and Wagner (1972). After Qiao 2025, arXiv 2508.08289; the closed
forms are derived here and tested against simulation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from arcuate._inputs import check_bytes
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import NonFiniteError, SpecError, check_choice, check_int, check_real
from arcuate.memory._rows import check_counts
from arcuate.memory.associative import AssociativeMemory
from arcuate.rng import check_seed, stream
from arcuate.tasks.conditioning import EXPERIMENTS, Conditioning, Phase

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "acquisition",
    "condition",
    "heads_needed",
    "kamin",
    "lookup_chain",
    "trace_conditioning",
]


def condition(
    phases: Sequence[Phase],
    *,
    rule: str = "delta",
    learning_rate: float = 0.2,
    outcome: float = 1.0,
    progress: ProgressOption = None,
) -> xr.DataArray:
    """Strength of every stimulus after each trial.

    Parameters
    ----------
    phases : sequence of Phase
    rule : {"delta", "hebb"}
        Rescorla and Wagner's, in which what is expected teaches nothing, or plain association.
    learning_rate : float
        Salience times rate, 0 < learning_rate (0.2, chosen).
    outcome : float
        What follows in a trial with ``+``.
    progress : bool, callable or None
        A bar after two seconds on a terminal, by default.

    Returns
    -------
    xarray.DataArray, (trial, stimulus)
        Trial 0 is before the first.

    Raises
    ------
    SpecError
        If there is no phase, or the rule or a number is not valid.

    Examples
    --------
    >>> strength = condition(EXPERIMENTS["blocking"])
    >>> strength[-1].values.round(2)
    array([1., 0.])
    """
    import xarray as xr

    if not isinstance(phases, Sequence) or not phases or not all(isinstance(one, Phase) for one in phases):
        bound = "must be phases, at least one"
        raise SpecError.of(where="condition", name="phases", value=phases, bound=bound)
    check_choice(rule, ("delta", "hebb"), where="condition", name="rule")
    check_real(outcome, where="condition", name="outcome")
    check_progress(progress, where="condition", unit="trials")
    task = Conditioning(phases=tuple(phases))
    trials, stimuli = task.what, list(task.stimuli)
    memory = AssociativeMemory(len(stimuli), 1, rule=rule, learning_rate=learning_rate)
    strength = np.zeros((len(trials) + 1, len(stimuli)))
    with progress_bar(progress, len(trials), title="conditioning", unit="trial") as tell:
        for t, trial in enumerate(trials):
            key = [[float(letter in trial[:-1]) for letter in stimuli]]
            memory.write(key, [[outcome if trial[-1] == "+" else 0.0]])
            strength[t + 1] = memory.weights[:, 0]
            if tell:
                tell(1)
    coords = {"trial": np.arange(len(trials) + 1), "stimulus": stimuli, "what": ("trial", ["", *trials])}
    return xr.DataArray(strength, dims=("trial", "stimulus"), coords=coords, name="strength")


def kamin(*, learning_rate: float = 0.2) -> xr.DataArray:
    """Strengths of A and B at the end of each of the `EXPERIMENTS`, by both rules.

    Parameters
    ----------
    learning_rate : float

    Returns
    -------
    xarray.DataArray, (experiment, rule, stimulus)
        A stimulus that does not occur has strength 0.

    Examples
    --------
    >>> kamin().sel(experiment="inhibition", rule="delta").values.round(2)
    array([ 0.75, -0.75])
    """
    import xarray as xr

    rules, stimuli = ("hebb", "delta"), ("A", "B")
    table = np.zeros((len(EXPERIMENTS), len(rules), len(stimuli)))
    for i, phases in enumerate(EXPERIMENTS.values()):
        for j, rule in enumerate(rules):
            last = condition(phases, rule=rule, learning_rate=learning_rate)[-1]
            table[i, j, : last.size] = last.values
    coords = {"experiment": list(EXPERIMENTS), "rule": list(rules), "stimulus": list(stimuli)}
    return xr.DataArray(table, dims=tuple(coords), coords=coords, name="strength")


def acquisition(trials: int, *, learning_rate: float = 0.2, stimuli: int = 1, start: float = 0.0) -> float:
    """Strength of each of the stimuli that are shown together, in closed form (Rescorla and Wagner 1972).

    With n stimuli and an outcome of 1, ``1 - n V`` shrinks by ``1 - n rate`` a trial: the stimuli share what
    is to be expected.

    Parameters
    ----------
    trials : int
        Trials with the outcome.
    learning_rate : float
        0 < learning_rate.
    stimuli : int
        n, how many are shown together.
    start : float
        Strength of each before.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        If a number is out of bounds.
    NonFiniteError
        If the strength grows beyond all bounds.

    Examples
    --------
    >>> acquisition(3, learning_rate=0.5), acquisition(40, learning_rate=0.2, stimuli=2)
    (0.875, 0.4999999993...)
    """
    check_int(trials, where="acquisition", name="trials", low=0)
    n = check_int(stimuli, where="acquisition", name="stimuli")
    rate = check_real(learning_rate, where="acquisition", name="learning_rate", low=0, low_open=True)
    lacking = 1 - n * check_real(start, where="acquisition", name="start")
    try:
        strength = (1 - lacking * (1 - n * rate) ** trials) / n
    except OverflowError:
        strength = math.inf
    if not math.isfinite(strength):
        bound, fix = "grows beyond all bounds", "learning_rate times stimuli must be < 2"
        raise NonFiniteError.of(where="acquisition", name="strength", bound=bound, fix=fix)
    return strength


def trace_conditioning(
    delays: Sequence[int], *, eligibility: float, learning_rate: float = 0.2
) -> xr.DataArray:
    """Strength of a stimulus after one trial in which its outcome comes some steps later.

    The stimulus leaves an eligibility that decays by a factor a step: the strength is
    ``learning_rate * eligibility^delay``.

    Parameters
    ----------
    delays : sequence of int
        Steps from stimulus to outcome, 0 for the same step.
    eligibility : float
        Factor a step, 0 < eligibility < 1.
    learning_rate : float

    Returns
    -------
    xarray.DataArray, (delay,)

    Examples
    --------
    >>> trace_conditioning([0, 1, 2], eligibility=0.5, learning_rate=1.0).values
    array([1.  , 0.5 , 0.25])
    """
    import xarray as xr

    _open_unit(eligibility, where="trace_conditioning", name="eligibility")
    memory = AssociativeMemory(1, 1, rule="hebb", learning_rate=learning_rate, eligibility=eligibility)
    later = check_counts(delays, "trace_conditioning", name="delays", low=0)
    check_bytes(64 * (max(later) + 1), where="trace_conditioning", fix="use shorter delays")
    strength = np.zeros(len(later))
    for i, delay in enumerate(later):
        steps = np.arange(delay + 1)[:, None]
        memory.reset().write(1.0 * (steps == 0), 1.0 * (steps == delay))
        strength[i] = memory.weights[0, 0]
    return xr.DataArray(strength, dims="delay", coords={"delay": later}, name="strength")


def heads_needed(p: float, *, layers: int, failure: float) -> int:
    """Redundant heads a layer needs, so that a chain of look-ups fails no more often than wanted.

    A head fails with probability p, all of h together with ``p^h``, a chain of L layers with
    ``1 - (1 - p^h)^L``: h is at least ``ln(L / failure) / ln(1 / p)``, so redundancy grows with the logarithm
    of depth only.

    Parameters
    ----------
    p : float
        Probability that one head fails, 0 < p < 1.
    layers : int
        L.
    failure : float
        Largest probability that the chain may fail with, 0 < failure < 1.

    Returns
    -------
    int

    Examples
    --------
    >>> heads_needed(0.1, layers=16, failure=0.01)
    4
    """
    _open_unit(p, where="heads_needed", name="p")
    _open_unit(failure, where="heads_needed", name="failure")
    check_int(layers, where="heads_needed", name="layers")
    return math.ceil(math.log(layers / failure) / math.log(1 / p))


def lookup_chain(
    heads: int,
    *,
    n_items: int = 16,
    d_key: int = 16,
    layers: int = 16,
    chains: int = 200,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.DataArray:
    """Follow an item through look-ups in a row, and see when it is lost.

    Every layer has, in each of its heads, a Hebbian memory of random unit keys and values of its own. What
    the heads recall for the item at hand is compared with their values, the similarities are added, and the
    item that is most alike goes on to the next layer.

    Parameters
    ----------
    heads : int
        Redundant memories of a layer.
    n_items : int
        Pairs in each memory, at least 2 (16, chosen).
    d_key : int
        Width of a key and of a value (16, chosen).
    layers : int
        Look-ups in a row.
    chains : int
        How many chains are followed.
    seed : int
        Address of the draws: ``memory/lookup_chain``.
    progress : bool, callable or None
        A bar after two seconds on a terminal, by default.

    Returns
    -------
    xarray.DataArray of int, (chain, layer)
        The item after each layer; layer 0 is the start, item 0.

    Raises
    ------
    SpecError
        If a number is out of bounds.
    MemoryLimitError
        If the items or the pairs of a memory would not fit into memory.

    Examples
    --------
    >>> item = lookup_chain(1, n_items=2, d_key=64, layers=3, chains=5)
    >>> item.shape, float((item[:, -1] == 0).mean())
    ((5, 4), 1.0)
    """
    import xarray as xr

    where = "lookup_chain"
    check_int(n_items, where=where, name="n_items", low=2)
    for name, value in (("heads", heads), ("layers", layers), ("chains", chains)):
        check_int(value, where=where, name=name)
    check_int(d_key, where=where, name="d_key")
    check_progress(progress, where=where, unit="chains")
    need = 8 * (chains * (layers + 1) + 4 * n_items * d_key + 3 * d_key**2)
    check_bytes(need, where=where, fix="use fewer chains, layers or items, or a smaller d_key")
    memory = AssociativeMemory(d_key, d_key, rule="hebb")
    rng = stream(check_seed(seed), "memory/lookup_chain")
    item = np.zeros((chains, layers + 1), dtype=int)
    with progress_bar(progress, chains, title="look-ups", unit="chain") as tell:
        for chain in range(chains):
            for layer in range(layers):
                score = np.zeros(n_items)
                for _ in range(heads):
                    pairs = rng.standard_normal((2, n_items, d_key))
                    k, v = pairs / np.linalg.norm(pairs, axis=2, keepdims=True)
                    score += v @ memory.reset().write(k, v).read(k[item[chain, layer]][None])[0]
                item[chain, layer + 1] = score.argmax()
            if tell:
                tell(1)
    coords = {"layer": np.arange(layers + 1)}
    return xr.DataArray(item, dims=("chain", "layer"), coords=coords, name="item")


def _open_unit(value: float, *, where: str, name: str) -> None:
    check_real(value, where=where, name=name, low=0, high=1, low_open=True, high_open=True)
