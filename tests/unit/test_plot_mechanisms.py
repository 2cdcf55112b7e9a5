"""Pictures of mechanisms: the numbers that are drawn, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from arcuate import plot, probes
from arcuate.errors import SpecError, UnknownNameError
from arcuate.tasks import Bindings


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def answers(sites=("first", "second")):
    pairs = Bindings(n_groups=4).draw(120, seed=1).interchanged(seed=1)

    def swap(pairs, site):
        odds = np.ones((120, 24))
        np.put_along_axis(odds, pairs.original.names[np.arange(120), pairs.lexical][:, None], 50.0, axis=1)
        return odds

    return probes.binding_answers(swap, pairs, sites=sites)


def test_shares_are_stacked_up_to_one(tmp_path):
    found = probes.answer_sources(answers())
    ax = plot.answer_sources(found, site="second")
    tops = [layer.get_paths()[0].vertices[:, 1].max() for layer in ax.collections]
    np.testing.assert_allclose(tops, found.share.sel(site="second").cumsum("source").max("index"), atol=1e-9)
    assert tops[-1] == pytest.approx(1)
    assert ax.get_xlabel() == "place of the group asked about, second"
    ax.figure.savefig(tmp_path / "sources.png")
    assert (tmp_path / "sources.png").stat().st_size > 1000


def test_bars_are_the_weights_with_their_intervals():
    fitted = probes.binding_mechanisms(answers(), n_resamples=5)
    ax = plot.pointer_weights(fitted)
    heights = np.array([[bar.get_height() for bar in group] for group in ax.containers[::2]])
    np.testing.assert_allclose(heights.T, fitted.weight)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["first", "second"]
    assert len(ax.get_legend().get_texts()) == 3
    assert plot.pointer_weights(probes.binding_mechanisms(answers(["one"]), n_resamples=0)).patches


def test_lesions_are_drawn_beside_random_sets():
    draw, whole = np.random.default_rng(0), np.ones(40)
    sets = [(draw.random((50, 40)) < 0.9).astype(float) for _ in range(2)]
    cut = (np.arange(40) < 10).astype(float)
    found = probes.double_dissociation((whole, whole), (cut, whole), (whole, cut), random=sets)
    ax = plot.dissociation(found)
    bars = [bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(bars[:4], [0.75, 0, 0, 0.75])
    low, high = np.percentile(found.random_effect, (2.5, 97.5), axis=0)
    np.testing.assert_allclose(bars[4:], np.repeat(high - low, 2))
    assert "95 % of random sets" in [text.get_text() for text in ax.get_legend().get_texts()]
    alone = probes.double_dissociation((whole, whole), (cut, whole), (whole, cut))
    assert len(plot.dissociation(alone).patches) == 4


def test_what_has_no_such_parts_is_refused():
    found = probes.answer_sources(answers())
    with pytest.raises(SpecError, match="must be named"):
        plot.answer_sources(found)
    with pytest.raises(UnknownNameError, match="second"):
        plot.answer_sources(found, site="secnd")
    for draw in (plot.answer_sources, plot.pointer_weights, plot.dissociation):
        with pytest.raises(SpecError):
            draw({})
        with pytest.raises(SpecError):
            draw(None)
