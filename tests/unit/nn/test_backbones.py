"""Backbones: what a feature sees, where zeros begin, and seeds."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from arcuate.errors import SpecError  # noqa: E402
from arcuate.nn import ContinuousThoughtMachine, residual_backbone  # noqa: E402
from arcuate.tasks import Maze  # noqa: E402

pytestmark = pytest.mark.torch


def seen(backbone, size, place):
    """Cells of which a feature depends."""
    x = torch.rand(2, 4, size, size, requires_grad=True)
    backbone.eval()(x)[0, :, *place].square().sum().backward()
    return {tuple(cell) for cell in (x.grad[0] != 0).any(0).nonzero().tolist()}


@pytest.mark.parametrize(("stride", "blocks"), [(1, 0), (1, 1), (2, 0), (2, 1)])
def test_a_feature_sees_its_surroundings(stride, blocks):
    """Each convolution sees one place further, which stride 2 makes two cells."""
    backbone = residual_backbone(4, 16, blocks=blocks, stride=stride)
    cell, reach = (4, 1 + 2 * blocks) if stride == 1 else (3, 1 + 4 * blocks)
    place = (4, 4) if stride == 1 else (1, 1)
    expected = {(r, c) for r in range(9) for c in range(9) if max(abs(r - cell), abs(c - cell)) <= reach}
    assert seen(backbone, 9, place) == expected


def test_stride_2_gives_a_feature_per_room_and_sees_every_wall():
    backbone = residual_backbone(4, 8, blocks=0, stride=2)
    assert backbone(torch.zeros(1, 4, 13, 13)).shape == (1, 8, 6, 6)
    assert set.union(*(seen(backbone, 9, (r, c)) for r in range(4) for c in range(4))) == {
        (r, c) for r in range(9) for c in range(9)
    }


def test_a_block_adds_to_its_input():
    backbone = residual_backbone(4, 8, blocks=1).eval()
    x = torch.rand(1, 4, 5, 5)
    features = backbone[:3](x)
    torch.nn.init.zeros_(backbone[3].conv2.weight)
    assert torch.equal(backbone(x), features)


def test_a_seed_gives_its_start_values_and_leaves_the_global_generator():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, again, other = (residual_backbone(4, 8, blocks=1, seed=seed) for seed in (1, 1, 2))
    assert torch.rand(1) == expected
    x = torch.rand(1, 4, 5, 5)
    assert torch.equal(first.eval()(x), again.eval()(x)) and not torch.equal(first(x), other.eval()(x))


def test_a_model_reads_mazes_of_other_sizes_through_it():
    model = ContinuousThoughtMachine(
        n_outputs=50, n_ticks=2, n_neurons=16, width=8, heads=2, n_out=4, n_action=4, shape=(10, 5),
        backbone=residual_backbone(4, 8, blocks=1, stride=2), n_features=8,
    )  # fmt: skip
    for size in (9, 13):
        x, _ = Maze(size=size).draw(3, seed=0).frames()
        thought = model(torch.as_tensor(x))
        assert thought.predictions.shape == (3, 50, 2) and thought.attention.shape[-1] == (size // 2) ** 2


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"channels": 0}, "channels"),
        ({"blocks": -1}, "blocks"),
        ({"stride": 3}, "stride"),
        ({"n_inputs": 2.5}, "n_inputs"),
    ],
)
def test_what_is_no_backbone_is_refused_by_name(change, name):
    with pytest.raises(SpecError) as caught:
        residual_backbone(**{"n_inputs": 4, "channels": 8, "blocks": 1} | change)
    assert caught.value.name == name
