"""How many states: the log-likelihood of sequences that a fit has not seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.connectome.glm import check_sequences
from arcuate.connectome.hmmglm import HMMGLM
from arcuate.errors import SpecError, check_int, unknown

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["select_n_states"]


def select_n_states(
    spikes: Any,
    candidates: Iterable[int],
    *,
    n_folds: int = 3,
    progress: ProgressOption = None,
    **options: Any,
) -> xr.Dataset:
    """Held-out log-likelihood by number of states.

    Parameters
    ----------
    spikes : sequence of array_like, (T, N)
        Sequences of counts; each is held out once.
    candidates : iterable of int
        Numbers of states to try.
    n_folds : int
        Parts into which the sequences are dealt in turn.
    progress : bool, callable or None
        See `arcuate.simulate`.
    **options : object
        Parameters of `HMMGLM`.

    Returns
    -------
    Dataset
        ``score`` (n_states, fold) in nats per bin, its mean ``held_out`` and standard error ``error``
        (n_states,). Attributes: ``best``, the number with the largest mean, and ``simplest``, the smallest
        that is worse by at most one standard error of the difference between the two, fold by fold (not
        ``error``, in which what differs between folds counts too).

    Raises
    ------
    SpecError
        If there are fewer sequences than folds, or no candidate.
    UnknownNameError
        If an option is no parameter of `HMMGLM`.

    Examples
    --------
    >>> from arcuate.connectome import switching_network
    >>> spikes, _ = switching_network(1, 3, seed=0).sample(200, n_sequences=2)
    >>> select_n_states(list(spikes), [1, 2], n_folds=2, max_iter=3).sizes["n_states"]
    2
    """
    import xarray as xr

    where = "select_n_states"
    counts = check_sequences(spikes, where)
    known = set(HMMGLM(1).get_params()) - {"n_states"}
    for name, value in options.items():
        if name == "n_states":
            bound, fix = "is what is compared", "give the numbers as candidates"
            raise SpecError.of(where=where, name=name, value=value, bound=bound, fix=fix)
        if name not in known:
            raise unknown(where, name, known)
    given: object = candidates
    if not isinstance(given, Iterable):
        bound, fix = "must be several numbers of states", "give a list, such as [1, 2, 3]"
        raise SpecError.of(where=where, name="candidates", value=given, bound=bound, fix=fix)
    numbers = [check_int(each, where=where, name="candidates") for each in candidates]
    if not numbers or len(set(numbers)) < len(numbers):
        bound = "must be numbers of states, each once, at least one"
        raise SpecError.of(where=where, name="candidates", value=numbers, bound=bound)
    folds = check_int(n_folds, where=where, name="n_folds", low=2)
    check_progress(progress, where=where, unit="fits")
    if len(counts) < folds:
        bound = f"must be at least {folds} sequences, one for each fold"
        fix = "cut a long sequence into several, or use fewer folds"
        raise SpecError.of(where=where, name="spikes", value=len(counts), bound=bound, fix=fix)
    score = np.empty((len(numbers), folds))
    with progress_bar(progress, score.size, title="number of states", unit="fit") as advance:
        for i, n in enumerate(numbers):
            for fold in range(folds):
                kept = [each for k, each in enumerate(counts) if k % folds != fold]
                model = HMMGLM(n, progress=False, **options).fit(kept)
                score[i, fold] = model.score(counts[fold::folds])
                if advance is not None:
                    advance(1)
    mean, error = score.mean(1), score.std(1, ddof=1) / np.sqrt(folds)
    best = int(np.argmax(mean))
    paired = (score - score[best]).std(1, ddof=1) / np.sqrt(folds)
    good = [n for n, m, e in zip(numbers, mean, paired, strict=True) if m >= mean[best] - e]
    return xr.Dataset(
        {
            "score": (("n_states", "fold"), score, {"units": "nat/bin"}),
            "held_out": ("n_states", mean, {"units": "nat/bin"}),
            "error": ("n_states", error, {"units": "nat/bin"}),
        },
        coords={"n_states": numbers},
        attrs={"best": numbers[best], "simplest": min(good)},
    )
