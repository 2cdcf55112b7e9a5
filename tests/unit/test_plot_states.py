"""Pictures of switching states: what is drawn, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from arcuate import plot
from arcuate.connectome import HMMGLM
from arcuate.errors import FitError, SpecError, UnknownNameError


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def test_a_stripe_is_as_full_as_its_state_is_probable() -> None:
    ax = plot.state_posterior([[0.9, 0.1], [0.2, 0.8]], truth=[1, 0])
    pixels = np.asarray(ax.images[0].get_array())
    assert pixels.shape == (3, 2, 4)
    np.testing.assert_allclose(pixels[1:, :, 3], [[0.9, 0.2], [0.1, 0.8]])
    np.testing.assert_allclose(pixels[0, :, :3], [to_rgb("#D55E00"), to_rgb("#0072B2")])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["truth", "0", "1"]


def test_the_shared_adjacency_stands_before_the_weights_of_the_states() -> None:
    weights = np.arange(8.0).reshape(2, 2, 2) - 4
    result = {"adjacency": np.array([[1, 0], [-1, 0]]), "confidence": np.full((2, 2), 0.5)}
    ax = plot.state_weights(result | {"state_weight": weights})
    picture = np.ma.filled(ax.images[0].get_array(), np.nan)
    np.testing.assert_allclose(picture[:, :2], [[1.5, 0], [-1.5, 0]])
    np.testing.assert_allclose(picture[:, 3:5], weights[0])
    np.testing.assert_allclose(picture[:, 6:], weights[1])
    assert np.isnan(picture[:, [2, 5]]).all()
    assert [text.get_text() for text in ax.texts] == ["shared", "state 0", "state 1"]


def test_what_is_no_posterior_or_does_not_fit_is_refused() -> None:
    for result, options in (
        ([[2.0]], {}),
        ([1.0, 0.0], {}),
        ([["a"]], {}),
        ([[1.0]], {"truth": [0, 0]}),
        ([[1.0]], {"truth": [1]}),
        ([[1.0]], {"ax": "here"}),
    ):
        with pytest.raises(SpecError):
            plot.state_posterior(result, **options)
    with pytest.raises(UnknownNameError, match="state_weight"):
        plot.state_weights({"adjacency": [[0]], "confidence": [[1.0]]})
    with pytest.raises(SpecError, match="1 neurons"):
        plot.state_weights({"adjacency": [[0]], "confidence": [[1.0]], "state_weight": np.zeros((2, 3, 3))})


def test_a_fitted_model_is_drawn_and_what_is_none_is_said() -> None:
    counts = np.random.default_rng(0).poisson(0.5, (40, 2))
    model = HMMGLM(1, max_iter=1).fit([counts])
    np.testing.assert_array_equal(
        plot.state_weights(model).images[0].get_array(),
        plot.state_weights(model.connectome_).images[0].get_array(),
    )
    with pytest.raises(FitError, match=r"this HMMGLM is not fitted. Call fit first"):
        plot.state_weights(HMMGLM(1))
    for wrong, kind in ((np.zeros((2, 3, 3)), "ndarray"), ([1.0], "list"), (3, "int")):
        with pytest.raises(SpecError, match=f"has 'adjacency'; this {kind} has none") as caught:
            plot.state_weights(wrong)
        assert "Choose" not in str(caught.value)
