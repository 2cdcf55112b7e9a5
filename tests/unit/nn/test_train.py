"""The training loop: the same bits after a resumption, whole checkpoints, words for what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.errors import (  # noqa: E402
    CapabilityError,
    FileFormatError,
    NonFiniteError,
    SpecError,
    StoreError,
    UnknownNameError,
)
from arcuate.nn import ContinuousThoughtMachine, accuracy, fit, tick_loss  # noqa: E402

pytestmark = pytest.mark.torch


def model(**options: Any) -> Any:
    """Return a small model with dropout, and batch norm in its backbone: all that a checkpoint must keep."""
    return ContinuousThoughtMachine(
        **{
            "n_outputs": 2,
            "n_ticks": 3,
            "n_neurons": 16,
            "width": 4,
            "heads": 2,
            "n_out": 6,
            "n_action": 4,
            "history": 3,
            "hidden": 2,
            "backbone": "pixels",
            "n_features": 1,
            "dropout": 0.1,
            "seed": 1,
            **options,
        }
    )


def batches(rng: np.random.Generator) -> tuple[Any, Any]:
    targets = rng.integers(2, size=8)
    return rng.normal(size=(8, 1, 4, 4)) + targets[:, None, None, None], targets


class Stop(Exception):
    pass


def until(step: int) -> Any:
    def report(done: int, total: int) -> None:
        if done == step:
            raise Stop

    return report


OPTIONS: dict[str, Any] = {"steps": 12, "seed": 3, "warmup": 2, "every": 3, "progress": False}


def figures(network: Any) -> dict[str, float]:
    parts = [batches(np.random.default_rng(k)) for k in range(32)]
    x, targets = (np.concatenate(part) for part in zip(*parts, strict=True))
    return accuracy(network(torch.as_tensor(x)), torch.as_tensor(targets))


def same(first: Any, second: Any) -> bool:
    states = first.state_dict(), second.state_dict()
    return all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_resumed_training_ends_in_the_same_bits(tmp_path: Path, optimizer: str) -> None:
    whole, pieces = model(), model()
    options = {**OPTIONS, "optimizer": optimizer}
    expected = fit(whole, batches, tick_loss, evaluate=figures, **options)
    with pytest.raises(Stop):
        fit(
            pieces, batches, tick_loss, evaluate=figures, folder=tmp_path, **{**options, "progress": until(7)}
        )
    assert not same(whole, pieces)
    torch.manual_seed(99)
    pieces = model(seed=7)  # everything comes from the checkpoint
    for name, value in model().named_buffers():
        pieces.get_buffer(name).copy_(value)
    pieces._list_pairs()
    history = fit(pieces, batches, tick_loss, evaluate=figures, folder=tmp_path, **options)
    assert same(whole, pieces)
    assert history.identical(expected)
    assert history["step"].values.tolist() == [3, 6, 9, 12]
    assert {"loss", "gradient_norm", "learning_rate", "element", "whole"} == set(history)


def test_the_global_generator_neither_matters_nor_moves(tmp_path: Path) -> None:
    first, second = model(), model()
    torch.manual_seed(1)
    fit(first, batches, tick_loss, **OPTIONS)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn)
    torch.manual_seed(2)
    fit(second, batches, tick_loss, **OPTIONS)
    assert same(first, second)


def test_another_seed_is_another_training() -> None:
    first, second = model(), model()
    fit(first, batches, tick_loss, **OPTIONS)
    fit(second, batches, tick_loss, **{**OPTIONS, "seed": 4})
    assert not same(first, second)


def test_a_rule_stops_early_and_a_stopped_training_stays_stopped(tmp_path: Path) -> None:
    network = model()
    history = fit(network, batches, tick_loss, stop=lambda rows: len(rows) == 2, folder=tmp_path, **OPTIONS)
    assert history.sizes["step"] == 2 and history.attrs["stopped_early"] == 1
    again = fit(model(), batches, tick_loss, stop=lambda rows: False, folder=tmp_path, **OPTIONS)
    assert again.identical(history)


def test_learning_rate_warms_up_and_goes_down_to_zero() -> None:
    rates = fit(model(), batches, tick_loss, **{**OPTIONS, "every": 1, "learning_rate": 0.1})[
        "learning_rate"
    ].values
    assert rates[:3] == pytest.approx([0.05, 0.1, 0.1])
    assert (np.diff(rates[2:]) < 0).all() and 0 < rates[-1] < 0.01


def test_a_constant_rate_stays_where_the_warm_up_ends() -> None:
    rates = fit(
        model(), batches, tick_loss, **{**OPTIONS, "every": 1, "learning_rate": 0.1, "schedule": "constant"}
    )["learning_rate"].values
    assert rates == pytest.approx([0.05] + 11 * [0.1])


def test_decays_stay_in_their_bounds() -> None:
    network = model()
    fit(network, batches, tick_loss, **{**OPTIONS, "learning_rate": 0.5})
    assert network.decay_params_out.min() >= 0 and network.decay_params_action.min() >= 0


def test_muon_turns_every_direction_of_a_matrix_alike_and_adamw_moves_the_rest() -> None:
    torch.manual_seed(5)
    network = torch.nn.Sequential(torch.nn.Embedding(7, 12), torch.nn.Linear(12, 20))
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    words, aims = torch.arange(7), torch.randn(7, 20)

    def loss(found: Any, _: Any) -> Any:
        return ((found - aims) ** 2).mean()

    gradient = torch.autograd.grad(loss(network(words), None), network[1].weight)[0]
    fit(
        network,
        lambda _: (words.numpy(), words.numpy()),
        loss,
        optimizer="muon",
        learning_rate=0.01,
        **{**OPTIONS, "steps": 1, "warmup": 0},
    )
    moved = {name: value.detach() - before[name] for name, value in network.named_parameters()}
    u, _, v = torch.linalg.svd(gradient, full_matrices=False)
    turned = -(u.T @ moved["1.weight"] @ v.T)[:7, :7] / (0.01 * 0.2 * 20**0.5)  # seven words: rank seven
    assert ((turned.diagonal() > 0.6) & (turned.diagonal() < 1.3)).all()
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 0.05  # the iteration is of bfloat16
    for name in ("0.weight", "1.bias"):  # a first step of AdamW is as long as the rate, whatever the gradient
        assert moved[name].abs().numpy() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_training_learns(optimizer: str) -> None:
    network = model(dropout=0.0)
    fit(
        network,
        batches,
        tick_loss,
        **{**OPTIONS, "steps": 100, "learning_rate": 0.01, "optimizer": optimizer},
    )
    network.eval()
    assert figures(network)["whole"] >= 0.75  # chance is 0.5


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"steps": 13}, "steps"),
        ({"learning_rate": 0.1}, "learning_rate"),
        ({"seed": 4}, "seed"),
        ({"optimizer": "muon"}, "optimizer"),
        ({"schedule": "constant"}, "schedule"),
    ],
)
def test_a_checkpoint_of_other_options_is_refused(tmp_path: Path, change: dict[str, Any], name: str) -> None:
    fit(model(), batches, tick_loss, folder=tmp_path, **OPTIONS)
    with pytest.raises(SpecError, match="checkpoint") as caught:
        fit(model(), batches, tick_loss, folder=tmp_path, **{**OPTIONS, **change})
    assert caught.value.name == name


def test_a_checkpoint_of_another_model_is_refused_by_the_first_that_differs(tmp_path: Path) -> None:
    fit(model(), batches, tick_loss, folder=tmp_path, **OPTIONS)
    with pytest.raises(SpecError, match=r"model/start_trace: is \(16, 3\)"):
        fit(model(history=4), batches, tick_loss, folder=tmp_path, **OPTIONS)


@pytest.mark.parametrize("place", [0.02, 0.5, 0.98])
def test_a_damaged_checkpoint_is_noticed(tmp_path: Path, place: float) -> None:
    fit(model(), batches, tick_loss, folder=tmp_path, **OPTIONS)
    file = tmp_path / "checkpoint.safetensors"
    data = bytearray(file.read_bytes())
    data[int(len(data) * place)] ^= 1
    file.write_bytes(data)
    with pytest.raises(FileFormatError, match="checkpoint"):
        fit(model(), batches, tick_loss, folder=tmp_path, **OPTIONS)
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileFormatError, match="cannot be read"):
        fit(model(), batches, tick_loss, folder=tmp_path, **OPTIONS)


def test_an_unknown_optimizer_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"fit.*optimizer 'adam'.*adamw"):
        fit(model(), batches, tick_loss, optimizer="adam", **OPTIONS)


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"fit.*schedule 'linear'.*cosine"):
        fit(model(), batches, tick_loss, schedule="linear", **OPTIONS)


def test_muon_needs_a_torch_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(CapabilityError, match=r"needs PyTorch 2\.9"):
        fit(model(), batches, tick_loss, optimizer="muon", **OPTIONS)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        fit(model(), batches, tick_loss, folder=tmp_path / "file", **OPTIONS)


def test_a_loss_that_is_not_finite_is_named_at_its_step() -> None:
    with pytest.raises(NonFiniteError, match="step 1: loss"):
        fit(model(), batches, lambda thought, targets: tick_loss(thought, targets) * float("nan"), **OPTIONS)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"steps": 0}, "steps"),
        ({"every": 0}, "every"),
        ({"warmup": -1}, "warmup"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"weight_decay": float("nan")}, "weight_decay"),
        ({"seed": 1.5}, "seed"),
        ({"progress": "yes"}, "progress"),
    ],
)
def test_bad_options_are_named(change: dict[str, Any], name: str) -> None:
    with pytest.raises(SpecError) as caught:
        fit(model(), batches, tick_loss, **{**OPTIONS, **change})
    assert caught.value.name == name
