"""The PMI memory that reads a series: equal to its parts row by row, causal, seeded, trained."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.errors import NonFiniteError, SpecError
from arcuate.memory import PMIConfig

torch = pytest.importorskip("torch")
F = torch.nn.functional

from arcuate.nn import SeriesMemory, fit  # noqa: E402

CONFIG = PMIConfig(d_model=8, n_heads=2, n_slots=4, top_k=2, d_key=4)


@pytest.mark.torch
class TestSeriesMemory:
    def test_it_is_the_memory_asked_after_each_row(self) -> None:
        """The answer of each row from a memory without torch that took in the rows before."""
        model = SeriesMemory(CONFIG, n_features=3, n_outputs=2, seed=4).double().eval()
        x = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        answers, tokens = model(x), model.embed(x)
        memory = model.memory.to_numpy()
        state = memory.initial_state(2)
        for row in range(5):
            step = memory.step(tokens[:, row : row + 1].detach().numpy(), state)
            state = step.state
            z = tokens[:, row] + torch.from_numpy(step.understanding[:, 0])
            z = z + model.fc2(F.relu(model.fc1(model.norm(z))))
            assert torch.allclose(answers[:, row], model.head(model.final_norm(z)), atol=1e-10)

    def test_no_row_sees_what_comes_later(self) -> None:
        model = SeriesMemory(CONFIG, n_features=3, n_outputs=2, seed=4)
        x = torch.randn(2, 5, 3)
        changed = x.clone()
        changed[:, 3:] += 1.0
        assert torch.equal(model(x)[:, :3], model(changed)[:, :3])
        assert not torch.equal(model(x)[:, 3:], model(changed)[:, 3:])

    def test_start_values_come_from_the_seed(self) -> None:
        first, again, other = (
            SeriesMemory(CONFIG, n_features=3, n_outputs=2, seed=seed) for seed in (1, 1, 2)
        )
        x = torch.ones(1, 4, 3)
        assert torch.equal(first(x), again(x)) and not torch.equal(first(x), other(x))

    def test_hooks_see_the_working_memory(self) -> None:
        from arcuate.probes import capture

        model = SeriesMemory(CONFIG, n_features=3, n_outputs=2, seed=1)
        recording = capture(model, torch.ones(2, 5, 3), sites="slots:out", progress=False)
        (states,) = recording.states(recording.sites[0]).data_vars.values()
        assert states.shape == (2, 5, CONFIG.n_slots * CONFIG.d_model)

    def test_it_learns_what_was_shown_before(self) -> None:
        """The class of the first row, asked three rows later; chance is a half."""

        def batch(generator):
            kind = generator.integers(0, 2, 16)
            x = (generator.random((16, 4, 1)) * 0.01).astype("float32")
            x[:, 0, 0] = 2.0 * kind - 1
            return x, kind

        model = SeriesMemory(CONFIG, n_features=1, n_outputs=2, seed=1)

        def loss(y, kind):
            return F.cross_entropy(y[:, -1], kind)

        fit(model, batch, loss, steps=60, seed=1, learning_rate=0.01, progress=False)
        x, kind = batch(np.random.default_rng(5))
        right = model(x)[:, -1].argmax(dim=1).numpy() == kind
        assert right.mean() > 0.9

    @pytest.mark.parametrize(
        ("given", "named"),
        [({"config": 3}, "config"), ({"n_features": 0}, "n_features"), ({"d_hidden": 1.5}, "d_hidden"),
         ({"config": PMIConfig(d_model=8, n_heads=2, d_input=3)}, "d_input")],
        ids=["no config", "no features", "half a neuron", "own width"],
    )  # fmt: skip
    def test_bad_arguments_are_named(self, given: dict, named: str) -> None:
        options = {"n_features": 3, "n_outputs": 2, **given}
        with pytest.raises(SpecError, match=named):
            SeriesMemory(options.pop("config", CONFIG), **options)

    def test_bad_input_is_named(self) -> None:
        model = SeriesMemory(CONFIG, n_features=3, n_outputs=2)
        with pytest.raises(SpecError, match="shape"):
            model(torch.ones(2, 5, 4))
        with pytest.raises(NonFiniteError, match=r"x\[0, 1, 2\]"):
            model(torch.tensor([[[0.0, 0, 0], [0, 0, float("nan")]]]))
