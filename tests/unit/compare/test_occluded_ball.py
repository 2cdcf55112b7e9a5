"""Who follows a hidden ball as simulated neurons do: frames, a spiking reservoir, a predictor of frames.

``pytest -m slow -s tests/unit/compare/test_occluded_ball.py`` prints the figures of docs/concepts/compare.md.
"""

from __future__ import annotations

import numpy as np
import pytest

import arcuate as arc
from arcuate.compare import encode_over_time
from arcuate.tasks import OccludedBall

SEEDS = (101, 102, 103, 104, 105)
"""Fresh: sizes and bounds were chosen on seeds 0 to 3."""

TASK, WHOLE = OccludedBall(), OccludedBall(n_visible=24)


def predictor_states(x: np.ndarray, seed: int, *, steps: int) -> np.ndarray:
    """States of a recurrent network that was trained to say the next frame, the ball hidden or not."""
    torch = pytest.importorskip("torch")

    class Predictor(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.states = torch.nn.GRU(12, 64, batch_first=True)
            self.frame = torch.nn.Linear(64, 12)

        def forward(self, frames):
            return self.frame(self.states(frames)[0])

    def batches(rng):
        whole, _ = WHOLE.batches(64)(rng)
        shown = np.where(np.arange(24)[:, None] < rng.integers(4, 25, (64, 1, 1)), whole, 0)
        return shown[:, :-1], whole[:, 1:]

    torch.manual_seed(seed)
    model = Predictor()
    if steps:
        arc.nn.fit(
            model, batches, torch.nn.functional.mse_loss, steps=steps, seed=seed, learning_rate=1e-2,
            progress=False,
        )  # fmt: skip
    with torch.no_grad():
        return model.states(torch.tensor(x))[0].numpy()


def scores(seed: int) -> dict[str, np.ndarray]:
    """Corrected scores at each step of each system."""
    trials = TASK.draw(200, seed=seed)
    y = trials.population(seed=seed)
    frames = trials.frames()[0]
    shown = trials.drive("0.5 ms", hold="20 ms")
    ends = 40 * np.arange(1, 25) - 1
    net = arc.load_model("what_when_reservoir")
    systems = {
        "frames": frames,
        "reservoir": arc.study.driven_rates(net, shown, steps=[ends], seed=seed, progress=False).values,
        "untrained": predictor_states(frames, seed, steps=0),
        "predictor": predictor_states(frames, seed, steps=300),
    }
    found = {name: encode_over_time(x, y).r_corrected.values for name, x in systems.items()}
    for name, x in systems.items():
        as_seen = encode_over_time(x, y, train=(4, 12), n_components=64)
        found[f"{name}, read as when seen"] = as_seen.r_corrected.values
    other = systems["predictor"][np.random.default_rng(seed).permutation(200)]
    return found | {"predictor, trials exchanged": encode_over_time(other, y).r_corrected.values}


@pytest.mark.slow
def test_a_predictor_holds_on_where_frames_end_and_a_reservoir_fades():
    by_seed = [scores(seed) for seed in SEEDS]
    found = {name: np.stack([one[name] for one in by_seed]) for name in by_seed[0]}
    print("\nsteps since hidden, mean [least, most] of", len(SEEDS), "seeds")
    for name, values in found.items():
        shown = [f"{k - 12}: {v.mean():.2f} [{v.min():.2f}, {v.max():.2f}]" for k, v in enumerate(values.T)]
        print(f"{name:30}", *(shown[k] for k in (11, 12, 15, 19, 23)))
    hidden = {name: values[:, 12:] for name, values in found.items()}
    assert not hidden["frames"].any()
    assert not hidden["frames, read as when seen"].any()
    assert hidden["predictor"].min() > 0.9
    assert hidden["predictor, read as when seen"].min() > 0.75
    assert hidden["reservoir"][:, 0].min() > 0.85
    assert hidden["reservoir"][:, -1].max() < 0.6
    assert (hidden["predictor"][:, -1] - hidden["untrained"][:, -1]).min() > 0.2
    for name in ("reservoir", "untrained"):
        assert hidden[f"{name}, read as when seen"][:, -1].max() < 0.4
    assert abs(found["predictor, trials exchanged"].mean(axis=1)).max() < 0.1
