"""Pictures of learning in context: the numbers that are drawn, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from arcuate import plot
from arcuate.errors import SpecError, UnknownNameError
from arcuate.probes import NestedLogit


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


HISTORY = xr.Dataset(
    {
        name: ("step", values)
        for name, values in {
            "loss": [2.0, 1.0, 0.5],
            "novel": [0.1, 0.5, 1.0],
            "weights": [0.1, 0.1, 0.2],
            "ila1": [0.1, 0.8, 0.9],
        }.items()
    },
    {"step": [100, 200, 300]},
)


def test_a_transition_has_its_curves(tmp_path: Path) -> None:
    ax = plot.transition(HISTORY)
    drawn = {line.get_label(): line.get_ydata().tolist() for line in ax.lines}
    assert drawn["loss / 2 nats"] == [1.0, 0.5, 0.25]
    assert drawn["ICL, novel classes"] == [0.1, 0.5, 1.0] and drawn["ILA1"] == [0.1, 0.8, 0.9]
    assert "TILA2" not in drawn
    ax.figure.savefig(tmp_path / "transition.png")
    assert (tmp_path / "transition.png").stat().st_size > 1000


def test_a_transition_without_steps() -> None:
    assert "no steps" in plot.transition(HISTORY.isel(step=slice(0, 0))).texts[0].get_text()
    with pytest.raises(UnknownNameError, match="step"):
        plot.transition({"loss": [1.0]})


def test_paths_lie_on_the_surface_of_the_loss() -> None:
    model = NestedLogit(n_context=4, n_labels=16, n_others=8)
    course = model.flow(np.linspace(0, 60, 31))
    fitted = model.fit([0.2, 0.8], [0.3, 0.9], [0.1, 0.9])
    ax = plot.logit_trajectory(model, {"flow": course, "network": fitted})
    np.testing.assert_allclose(ax.lines[0].get_xdata(), course["beta"])
    np.testing.assert_allclose(ax.lines[2].get_ydata(), fitted["kappa"])
    assert "nats" in ax.figure.axes[1].get_ylabel() and "β" in ax.get_xlabel()
    assert "no path" in plot.logit_trajectory(model, {}).texts[0].get_text()
    with pytest.raises(SpecError, match="NestedLogit"):
        plot.logit_trajectory(3, {})


def test_maps_of_strategies_share_their_scale(tmp_path: Path) -> None:
    seen = xr.DataArray(
        [[0.2, 0.1], [0.9, 0.1], [1.0, 0.0]], {"step": [10, 100, 1000], "tasks": [8, 512]}, name="distance"
    )
    axs = plot.strategies({"model": seen, "account": seen.transpose()})
    for ax in axs:
        np.testing.assert_allclose(ax.images[0].get_array(), seen.values.T)
        assert ax.images[0].get_clim() == (0, 1) and ax.get_xlabel() == "step of training"
    assert [text.get_text() for text in axs[0].get_yticklabels()] == ["8", "512"]
    axs[0].figure.savefig(tmp_path / "strategies.png")
    assert (tmp_path / "strategies.png").stat().st_size > 1000
    assert "no distances" in plot.strategies({})[0].texts[0].get_text()
    with pytest.raises(SpecError, match="axs"):
        plot.strategies({"model": seen}, axs=axs)
