"""Description lengths against those of graph-tool 2.45, and our search against its five seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arcuate.connectome import description_length, shortest_description

GOLDEN = Path(__file__).parents[1] / "data" / "connectome" / "sbm_graph_tool.npz"
COPIES = {"single": 1, "doubled": 2}
PARTITIONS = ("true", "one", "merged", "random3")


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("level", ["flat", "nested"])
@pytest.mark.parametrize("degrees", ["deg_corr", "plain"])
@pytest.mark.parametrize("weights", ["real-exponential", "none"])
@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("case", ["c0", "c1", "c2"])
def test_description_length_of_a_partition(
    golden: dict[str, np.ndarray], case: str, copies: str, weights: str, degrees: str, level: str
) -> None:
    found = []
    for name in PARTITIONS:
        labels = golden[f"{case}/in/partition/{name}"]
        found.append(
            description_length(
                golden[f"{case}/in/W"],
                labels,
                upper=[np.zeros(len(set(labels)), int)] if level == "nested" else None,
                degree_corrected=degrees == "deg_corr",
                weights=weights.removeprefix("real-"),
                copies=COPIES[copies],
                counting="graph-tool",
            )
        )
    official = golden[f"{case}/out/{copies}/{weights}/{degrees}/entropy_{level}"]
    np.testing.assert_allclose(found, official, rtol=1e-12)


def test_counting_all_sums_of_degrees_is_longer_by_little(golden: dict[str, np.ndarray]) -> None:
    labels = golden["c2/in/partition/true"]
    exact = description_length(golden["c2/in/W"], labels, weights="none")
    official = golden["c2/out/single/none/deg_corr/entropy_flat"][0]
    assert 0.05 < exact - official < 0.7


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("case", ["c0", "c1", "c2"])
def test_our_search_is_not_worse_than_the_worst_of_five(
    golden: dict[str, np.ndarray], case: str, copies: str
) -> None:
    found = shortest_description(golden[f"{case}/in/W"], copies=COPIES[copies], counting="graph-tool")
    worst = golden[f"{case}/out/{copies}/search/dl_degcorr_plain_chosen_ncomm"][:, :2].min(axis=1).max()
    assert found.length <= worst + 1e-6
    again = description_length(
        golden[f"{case}/in/W"],
        found.labels,
        upper=[np.zeros(found.n_blocks, int)],
        degree_corrected=found.degree_corrected,
        copies=COPIES[copies],
        counting="graph-tool",
    )
    assert again == pytest.approx(found.length, rel=1e-12)
