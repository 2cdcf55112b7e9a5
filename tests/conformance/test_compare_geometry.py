"""Alignment, canonical correlations and shapes against the numbers of other packages."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcuate import compare

pytestmark = pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")
FOLDER = Path(__file__).resolve().parents[1] / "data" / "compare"
CASES = range(6)
DEGENERATE = {1, 4, 5}
"""Cases with fewer independent units than units, or more units than samples."""


@cache
def stored(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def pair(case: int) -> tuple[np.ndarray, np.ndarray]:
    found = stored("cka")
    return found[f"c{case}/in/X"], found[f"c{case}/in/Y"]


def close(value: Any, official: Any, case: int) -> None:
    np.testing.assert_allclose(value, official, rtol=1e-9, atol=2e-8 if case in DEGENERATE else 0)


@pytest.mark.parametrize("debiased", [False, True], ids=["biased", "debiased"])
@pytest.mark.parametrize("case", CASES)
def test_linear_alignment(case: int, debiased: bool) -> None:
    official = stored("cka")[f"c{case}/out/linear/{'debiased' if debiased else 'biased'}"]
    np.testing.assert_allclose(compare.cka(*pair(case), debiased=debiased), official, rtol=1e-9)


def width(states: np.ndarray, threshold: float) -> float:
    """Their width in our words: the median there is over all pairs, those of a sample with itself too."""
    squares = np.sum((states[:, None] - states) ** 2, axis=-1)
    theirs = np.sort(squares.ravel())[(squares.size - 1) // 2]
    return threshold * float(np.sqrt(theirs / np.median(squares[np.triu_indices(len(states), 1)])))


@pytest.mark.parametrize("debiased", [False, True], ids=["biased", "debiased"])
@pytest.mark.parametrize("threshold", [0.5, 1.0])
@pytest.mark.parametrize("case", CASES)
def test_rbf_alignment(case: int, threshold: float, debiased: bool) -> None:
    first, second = (
        compare.cka_measure(kernel="rbf", debiased=debiased, width=width(x, threshold)).prepare(x)
        for x in pair(case)
    )
    got = compare.cka_measure(kernel="rbf", debiased=debiased).score(first, second)
    official = stored("cka")[f"c{case}/out/rbf{threshold}/{'debiased' if debiased else 'biased'}"]
    np.testing.assert_allclose(got, official, rtol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_alignment_by_batches(case: int) -> None:
    x, y = pair(case)
    n = len(x) // 4
    four = [(x[k * n : k * n + n], y[k * n : k * n + n]) for k in range(4)]
    official = stored("cka")
    np.testing.assert_allclose(
        compare.cka_minibatch([(x, y)]), official[f"c{case}/out/minibatch/one"], rtol=1e-9
    )
    np.testing.assert_allclose(
        compare.cka_minibatch(four), official[f"c{case}/out/minibatch/four"], rtol=1e-9
    )


@pytest.mark.parametrize("case", CASES)
def test_canonical_correlations(case: int) -> None:
    x, y = pair(case)
    found = stored("cca")
    official = found[f"c{case}/out/canonical_correlations"]
    got = compare.canonical_correlations(x, y)
    assert got.size == min(found[f"c{case}/out/rank"])
    close(got, official[: got.size], case)
    close(compare.cca(x, y), official[: got.size].mean(), case)
    close(compare.cca(x, y, summary="mean_square"), (official[: got.size] ** 2).mean(), case)
    if f"c{case}/out/sklearn_cca_corr" in found:
        theirs = found[f"c{case}/out/sklearn_cca_corr"]
        np.testing.assert_allclose(got[: theirs.size], theirs, rtol=1e-5)  # it iterates


@pytest.mark.parametrize("case", CASES)
def test_procrustes(case: int) -> None:
    found, similarity = stored("cca"), compare.procrustes(*pair(case))
    (disparity,) = (key for key in found if key.startswith(f"c{case}/out/procrustes_disparity"))
    close(1 - similarity**2, found[disparity], case)
    spread = np.prod([np.sqrt(np.var(states, axis=0, ddof=1).sum()) for states in pair(case)])
    close(similarity, found[f"c{case}/out/cross_cov_singular_values"].sum() / spread, case)


def shape_keys() -> list[str]:
    """Names of the distances; without those that hang on how directions nobody saw were turned."""
    kept = []
    for key in stored("shape"):
        parts = key.split("/")
        undefined = parts[0] == "c5" and parts[-1] == "heldout"
        if len(parts) > 3 and parts[1] == "out" and parts[2] in ("linear", "permutation") and not undefined:
            kept.append(key)
    return sorted(kept)


@pytest.mark.parametrize("key", shape_keys())
def test_shape_distances(key: str) -> None:
    parts = key.split("/")
    case, group = int(parts[0][1:]), parts[2]
    alpha = float(parts[3][5:]) if group == "linear" else 1.0
    metric, way = parts[4:6] if group == "linear" else parts[3:5]
    part = parts[6] if len(parts) > 6 else ""
    options: dict[str, Any] = {"metric": metric, "alpha": alpha, "center": way == "centred"}
    options["group"] = "orthogonal" if group == "linear" else "permutation"
    x, y = pair(case)
    half = len(x) // 2
    if part == "train":
        x, y = x[:half], y[:half]
    elif part == "heldout":
        options["train"] = range(half)
    value, official = compare.shape_distance(x, y, **options), float(stored("shape")[key])
    close(value, official, case)


@pytest.mark.parametrize("case", CASES)
def test_angle_of_alignment(case: int) -> None:
    official = stored("shape")[f"c{case}/out/cka_angle/centred"]
    close(np.arccos(compare.cka(*pair(case), debiased=False)), official, case)
