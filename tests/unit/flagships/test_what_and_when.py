"""The flagship of what and when: its stream, its measures on states of known geometry, a whole small run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from arcuate.errors import SpecError
from arcuate.flagships import NAMES, run
from arcuate.flagships._what_and_when_measures import demixed, geometry, readout, readout_angle, subspaces
from arcuate.flagships._what_and_when_systems import (
    CUES,
    N_TICKS,
    REPEATS,
    TICK,
    Response,
    Sizes,
    _block,
    draw_stream,
)
from arcuate.flagships.what_and_when import FULL, QUICK, QUICK_SEEDS, SEEDS, compare_systems
from arcuate.tasks import WhatWhen

N = len(CUES.delay)


def _response(axes: dict[str, np.ndarray], *, noise: float = 0.0, n_units: int = 40) -> Response:
    """States that are sums of directions, each times a property of the cue (identity as -1 and 1)."""
    rng = np.random.default_rng(0)
    values = {
        "identity": 2.0 * CUES.identity - 1,
        "delay": (CUES.delay - CUES.delay.mean()) / CUES.delay.std(),
        "probability": CUES.probability,
    }
    flat = sum(np.outer(values[name], axis) for name, axis in axes.items())
    ramp = 1.0 + 0.1 * np.arange(N_TICKS)
    states = flat[:, None, None, :] * ramp[:, None] + noise * rng.standard_normal(
        (N, REPEATS, N_TICKS, n_units)
    )
    expected = np.zeros((N, REPEATS, N_TICKS, 2))
    expected[np.arange(N), :, CUES.delay - 1, CUES.identity] = CUES.probability[:, None]
    return Response(states=states.astype(np.float32), expected=expected)


class TestStream:
    def test_it_is_the_task_of_the_reservoir(self) -> None:
        """Frames of `WhatWhen`, with outcomes that are certain, are the stream without lead."""
        sure = np.flatnonzero(CUES.probability == 1.0)
        blocks = [_block(int(cue)) for cue in sure]
        task = WhatWhen(blocks=blocks, window=f"{1000 * TICK * N_TICKS:.0f} ms")
        x, targets = task.trials("10 ms", seed=0).frames("50 ms")
        ours, answers = draw_stream(np.random.default_rng(0), sure, np.zeros(len(sure), int))
        assert (ours[:, :N_TICKS][:, :, sure] == x).all()
        assert (answers[:, :N_TICKS] == targets).all()
        assert not ours[:, N_TICKS:].any() and not answers[:, N_TICKS:].any()

    def test_outcomes_come_as_often_as_foretold(self) -> None:
        cue = np.repeat(np.arange(N), 2000)
        _, targets = draw_stream(np.random.default_rng(1), cue, np.zeros(len(cue), int))
        likely = (targets.max(axis=1) == CUES.identity[cue] + 1).reshape(N, -1).mean(axis=1)
        assert likely == pytest.approx(CUES.probability, abs=0.05)  # more than four standard errors
        assert (targets.astype(bool).sum(axis=1) == 1).all()

    def test_a_lead_moves_everything(self) -> None:
        cue = np.arange(N)
        for lead in range(REPEATS):
            x, targets = draw_stream(np.random.default_rng(2), cue, np.full(N, lead))
            assert (x.any(axis=2).argmax(axis=1) == lead).all()
            assert (targets.argmax(axis=1) == lead + CUES.delay - 1).all()

    def test_all_combinations_stand_once(self) -> None:
        rows = set(zip(CUES.identity, CUES.delay, CUES.probability, strict=True))
        assert len(rows) == N == np.prod(CUES.shape) == len(set(CUES.names))


class TestMeasures:
    def test_marginal_means_hold_their_property_alone(self) -> None:
        rng = np.random.default_rng(0)
        a, b = rng.standard_normal((2, 40))
        states = _response({"identity": a, "delay": b}).states.mean(axis=1).astype(float)
        _, (identity, delay, probability) = demixed(states, np.arange(N))
        assert np.abs(probability).max() < 1e-5
        for mean, axis in ((identity, a), (delay, b)):
            rows = mean.reshape(-1, 40)
            assert np.allclose(rows, np.outer(rows @ axis, axis) / (axis @ axis), atol=1e-5)

    @pytest.mark.parametrize("degrees", [20.0, 55.0, 90.0])
    def test_the_angle_is_the_one_that_was_built(self, degrees: float) -> None:
        a, b = np.eye(40)[:2]
        turned = np.cos(np.radians(degrees)) * a + np.sin(np.radians(degrees)) * b
        response = _response({"identity": 3 * a, "delay": 3 * turned}, noise=1e-4)
        found = subspaces(response, n_null=19, seed=0)
        # noise fills the second dimension of each subspace, far from the first in 40 dimensions
        assert found["demixed"][0] == pytest.approx(degrees, abs=2.0) or degrees == 90.0
        assert found["demixed"][0] <= degrees + 1e-3
        assert (found["share"][:2] > found["share_null"][:2]).all()
        assert found["share"][2] < 1e-6

    def test_read_out_weights_find_shared_directions(self) -> None:
        rng = np.random.default_rng(0)
        response = _response(
            {"identity": rng.standard_normal(40), "delay": rng.standard_normal(40)}, noise=0.1
        )
        apart = readout_angle(response, n_null=50, seed=0)
        assert 0 <= apart["matched"] < apart["isotropic"] <= 90
        one = rng.standard_normal(40)
        own = Response(
            states=response.states, expected=response.expected, when=one, what=np.stack((one, -one))
        )
        found = readout_angle(own, n_null=50, seed=0)
        assert found["angle"] == pytest.approx(0.0, abs=1e-4)
        assert found["regressed"] == apart["regressed"] == apart["angle"]

    def test_the_read_out_is_scored_by_its_time_and_size(self) -> None:
        found = readout(_response({"delay": np.ones(40)}))
        assert found["timed"] == 1.0 and found["slope"] == pytest.approx(1.0)
        assert found["amplitude"] == pytest.approx(np.unique(CUES.probability))

    def test_dissimilarities_are_explained_by_what_makes_them(self) -> None:
        a, b = np.eye(40)[:2]
        found = geometry(_response({"identity": 2 * a, "delay": b}, noise=0.01), n_null=19, seed=0)
        assert found["fit"] > 0.9 > found["fit_null"] + 0.5
        assert found["weight"][2] < 0.05 < found["weight"][:2].min()


def test_the_full_form_has_five_seeds_and_none_on_which_settings_were_chosen() -> None:
    assert NAMES[0] == "what_and_when"
    assert len(SEEDS) >= 5 and set(QUICK_SEEDS) < set(SEEDS) and 0 not in SEEDS
    assert all(getattr(QUICK, name) <= getattr(FULL, name) for name in vars(QUICK))


@pytest.mark.slow
@pytest.mark.torch
def test_a_whole_small_run(tmp_path: Path) -> None:
    sizes = Sizes(reservoir=2, transformer=150, ctm=20, pmi=10, n_null=19)
    labels: list[str] = []
    result = compare_systems((0,), sizes, progress=lambda done, total, label: labels.append(label), workers=1)
    assert {"training four systems", "measuring"} <= set(labels)
    assert all(claim.verdict == "undecided" for claim in result.claims)  # one seed decides nothing
    assert float(result.data["timed"].sel(system="transformer")[0]) > 0.3
    assert result.data["value"].sel(measure="ridge").notnull().sum() >= 12
    assert result.save(tmp_path / "out").stat().st_size > 50_000
    assert (tmp_path / "out" / "comparison_geometry_seed0.nc").is_file()


@pytest.mark.slow
@pytest.mark.torch
def test_quick_form_learns_and_decides_by_its_intervals(tmp_path: Path) -> None:
    result = run("what_and_when", quick=True, progress=False)
    assert (result.data["timed"].sel(system=["transformer", "ctm", "pmi"]) > 0.9).all()
    assert result.claim("scaling/transformer").verdict == "supported"


def test_the_page_has_a_panel_for_each_question() -> None:
    from arcuate import plot

    rng, names = np.random.default_rng(0), ["reservoir", "transformer", "ctm", "pmi"]
    dims = {
        "angle": (), "isotropic": (), "matched": (), "shuffled": (), "demixed": ("pair",),
        "amplitude": ("probability",), "weight": ("factor",),
    }  # fmt: skip
    sizes = {"seed": 2, "system": 4, "pair": 3, "probability": 3, "factor": 3, "measure": 2, "a": 4, "b": 4}
    shapes = {name: ("seed", "system", *rest) for name, rest in dims.items()}
    shapes |= dict.fromkeys(("value", "ceiling_high", "null_mean"), ("seed", "measure", "a", "b"))
    data = xr.Dataset(
        {name: (axes, rng.random([sizes[axis] for axis in axes])) for name, axes in shapes.items()},
        {
            "system": names, "a": names, "b": names, "measure": ["ridge", "dsa"],
            "factor": ["identity", "delay", "probability"], "probability": [0.6, 0.8, 1.0],
        },
        {"near": 75.0},
    )  # fmt: skip
    panels = plot.what_and_when(data)
    assert [ax.get_title(loc="left")[0] for ax in panels] == list("abcdef")
    assert all(ax.get_ylabel() for ax in panels[:5])
    assert "degrees" in panels[0].get_ylabel()
    with pytest.raises(SpecError, match="demixed"):
        plot.what_and_when(data.drop_vars("demixed"))
