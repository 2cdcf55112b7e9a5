"""What is of another type altogether is refused by name in all of `arcuate.compare`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate import compare
from arcuate.compare import inference
from arcuate.errors import ArcuateError, SpecError

X = np.random.default_rng(0).normal(size=(12, 5))
RDM = compare.rdm(X).values
RAGGED: Any = [[1, 2], [3]]
TABLE: Any = xr.Dataset({"a": ("x", [1, 2])})
ARRAY: Any = X > 0
ODD: dict[str, tuple[Callable[[Any], object], list[Any]]] = {
    "batches": (compare.cka_minibatch, [None, 3, X, np.array(1.0), "ab", [(X,)], [{"a": X, "b": X}], TABLE]),
    "x": (lambda bad: compare.encode(bad, X), [RAGGED, TABLE, None, "abc", {1, 2}, len]),
    "y": (lambda bad: compare.encode_both(X, bad), [RAGGED, TABLE]),
    "ridge: x": (lambda bad: compare.ridge(bad, X), [RAGGED, TABLE]),
    "folds": (lambda bad: compare.encode(X, X, folds=bad), [RAGGED, TABLE, None, "abc"]),
    "ridge: folds": (lambda bad: compare.ridge(X, X, folds=bad), [RAGGED, TABLE]),
    "groups": (lambda bad: compare.encode(X, X, groups=bad), [RAGGED, TABLE, 3]),
    "models": (lambda bad: compare.fit_rdm(RDM, bad), [None, 3, [RDM], xr.DataArray(RDM), RAGGED, "abc", {}]),
    "fit_rdm: folds": (
        lambda bad: compare.fit_rdm(RDM, {"a": RDM}, folds=bad),
        [RAGGED, None, TABLE, [None, 1] * 3],
    ),
    "values": (lambda bad: compare.model_rdm(bad, kind="identity"), [RAGGED, TABLE, 3]),
    "states": (compare.rdm, [TABLE, RAGGED, None, 3]),
    "rdm_similarity: x": (lambda bad: compare.rdm_similarity(bad, RDM), [TABLE, RAGGED, None]),
    "remove_mean": (lambda bad: compare.rdm(X, remove_mean=bad), [ARRAY, None, "yes"]),
    "dissimilarity": (lambda bad: compare.rsa(X, X, dissimilarity=bad), [ARRAY, None, 3]),
    "rdms": (compare.rdm_noise_ceiling, [None, 3, (m for m in [RDM, RDM]), np.array(1.0)]),
    "tuning": (compare.scalar_law, [None, X, 3, RAGGED, xr.DataArray(X)]),
    "quantiles": (lambda bad: compare.topological_rsa(RDM, RDM, quantiles=bad), [None, 0.5, np.array(0.5)]),
    "trajectory_signals: states": (compare.trajectory_signals, [np.array(1.0), None, 3]),
    "n_delays": (
        lambda bad: compare.dsa_grid(X[:, :, None], X[:, :, None], n_delays=bad, ranks=[1]),
        [np.array(1.5), "a"],
    ),
    "corrected": (lambda bad: compare.mutual_knn(X, X, k=2, corrected=bad), [ARRAY, None, 1]),
    "center": (lambda bad: compare.shape_distance(X, X, center=bad), [ARRAY, None]),
    "samples": (
        lambda bad: compare.compare({"a": X, "b": X + 1}, samples=bad, n_null=9),
        [ARRAY, None, 3, RAGGED, (X, X), "unit"],
    ),
    "p_value: value": (lambda bad: inference.p_value(bad, [1.0]), ["a", None, X, TABLE]),
    "null": (lambda bad: inference.p_value(0.5, bad), ["a", None, RAGGED, []]),
    "p": (inference.benjamini_hochberg, ["a", RAGGED, [2.0]]),
    "factor": (lambda bad: inference.spearman_brown(0.5, bad), ["a", 0.0, X]),
    "n": (lambda bad: inference.half_samples(bad, 2, 0), ["a", 1, 2.5]),
    "n_boot": (lambda bad: inference.half_samples(9, bad, 0), ["a", 0]),
    "train": (lambda bad: compare.shape_distance(X, X, train=bad), [RAGGED, TABLE, 3]),
}
CASES = [(name, place) for name, (_, bad) in ODD.items() for place in range(len(bad))]


@pytest.mark.parametrize(("name", "place"), CASES)
def test_other_types_are_refused_by_name(name: str, place: int) -> None:
    call, bad = ODD[name]
    with pytest.raises(ArcuateError) as caught:
        call(bad[place])
    assert isinstance(caught.value, SpecError)
    assert name.rpartition(": ")[2] in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4
