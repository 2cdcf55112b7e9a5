"""The Continuous Thought Machine as a module: what follows from its equations, start values, bad input."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import arcuate as arc  # noqa: E402
from arcuate.errors import ArcuateError, FileFormatError, NonFiniteError, SpecError, UnknownNameError  # noqa: E402
from arcuate.nn import ContinuousThoughtMachine, accuracy, ctc_loss, load_official, tick_loss  # noqa: E402
from arcuate.nn.losses import errors_per_tick  # noqa: E402

pytestmark = pytest.mark.torch

PARITY: dict[str, Any] = {
    "n_outputs": 10,
    "n_ticks": 6,
    "n_neurons": 24,
    "width": 8,
    "heads": 2,
    "n_out": 5,
    "n_action": 4,
    "selection": "random",
    "history": 4,
    "hidden": 3,
    "backbone": "parity",
    "positions": "rotational",
    "shape": (5, 2),
    "seed": 1,
}
PLAIN: dict[str, Any] = {
    "n_outputs": 3,
    "n_ticks": 6,
    "n_neurons": 16,
    "width": 4,
    "heads": 0,
    "n_out": 6,
    "history": 3,
    "hidden": 2,
}


def parity(**options: Any) -> Any:
    return ContinuousThoughtMachine(**{**PARITY, **options})


def plain(**options: Any) -> Any:
    return ContinuousThoughtMachine(**{**PLAIN, **options})


def signs(batch: int = 4, length: int = 5) -> Any:
    return torch.as_tensor(np.random.default_rng(0).choice([-1.0, 1.0], size=(batch, length)))


class TestEquations:
    def test_the_first_ticks_do_not_know_how_many_follow(self) -> None:
        model = parity().double()
        short, long = model(signs(), n_ticks=3), model(signs(), n_ticks=9)
        assert torch.equal(short.predictions, long.predictions[..., :3])

    def test_the_recursion_is_the_weighted_sum_over_ticks(self) -> None:
        model = parity().double()
        model.decay_params_out.data.uniform_(0, 2, generator=torch.Generator().manual_seed(1))
        thought = model(signs())
        z = torch.cat((model.start_activated_state.expand(1, 4, -1), thought.post_activations))
        rows, columns = np.triu_indices(5)
        i, j = model.out_neuron_indices_left[rows], model.out_neuron_indices_right[columns]
        ticks = len(z) - 1
        weight = torch.exp(-model.decay_params_out * torch.arange(ticks, -1, -1)[:, None])
        expected = (weight[:, None] * z[..., i] * z[..., j]).sum(0) / weight.sum(0).sqrt()
        assert torch.allclose(thought.sync_out[-1], expected, rtol=0, atol=1e-12)

    def test_with_the_largest_decay_synchrony_is_the_product_of_the_moment(self) -> None:
        model = parity().double()
        model.decay_params_out.data.fill_(15.0)
        thought = model(signs())
        rows, columns = np.triu_indices(5)
        i, j = model.out_neuron_indices_left[rows], model.out_neuron_indices_right[columns]
        z = thought.post_activations
        assert torch.allclose(thought.sync_out, z[..., i] * z[..., j], rtol=0, atol=1e-6)

    def test_neurons_may_change_places(self) -> None:
        model, x = (
            plain(selection="first-last", synapse_depth=1).double(),
            torch.randn(3, 4, dtype=torch.float64),
        )
        before = model(x).predictions
        d = 16
        order = torch.from_numpy(np.random.default_rng(1).permutation(d))
        place = torch.argsort(order)
        state = model.state_dict()
        for name, value in state.items():
            if "neuron_indices" in name:
                state[name] = place[value]
            elif name.startswith(("start_", "synapses.3")):
                state[name] = value[order]
            elif name == "synapses.1.weight":
                both = torch.cat((order, d + order))
                state[name] = torch.cat((value[:, :4], value[:, 4:][:, order]), 1)[both]
            elif name == "synapses.1.bias":
                state[name] = value[torch.cat((order, d + order))]
            elif name.endswith("w1"):
                state[name] = value[..., order]
            elif name.endswith("b1"):
                state[name] = value[:, order]
        model.load_state_dict(state)
        assert torch.allclose(model(x).predictions, before, rtol=0, atol=1e-12)

    def test_a_decay_of_zero_learns(self) -> None:
        model = parity()
        tick_loss(model(signs()), torch.zeros(4, 5, dtype=torch.long)).backward()
        assert (model.decay_params_action.grad != 0).any() and (model.decay_params_out.grad != 0).any()

    @pytest.mark.parametrize("selection", ["random", "random-pairing", "first-last"])
    def test_where_nobody_asks_every_tick_reads_the_same(self, selection: str) -> None:
        model, x = parity(n_action=0, selection=selection).double(), signs().double()
        with torch.no_grad():
            model.q_proj.bias += torch.linspace(-1, 1, 8)
        thought = model(x)
        assert thought.sync_action.shape == (6, 4, 0)
        assert torch.allclose(thought.attention, thought.attention[:1].expand(6, -1, -1, -1, -1))
        assert thought.attention.std() > 0.01
        thought.predictions.square().sum().backward()
        assert model.q_proj.bias.grad.any() and model.decay_params_out.grad.any()
        for engine in ("numpy", "numba"):
            told = arc.ctm.forward(
                x.numpy(), model.state_dict(), ticks=6, heads=2, shape=(5, 2), engine=engine
            )
            expected = thought.predictions.detach().numpy()
            np.testing.assert_allclose(told.predictions, expected, rtol=0, atol=1e-10)

    @pytest.mark.parametrize(
        ("d", "e", "m", "h", "pairs_asked", "pairs_read", "o"),
        [(24, 8, 4, 3, 10, 15, 10), (17, 6, 1, 1, 3, 6, 4), (40, 32, 9, 8, 1, 21, 6)],
    )
    def test_the_number_of_parameters_by_its_formula(
        self, d: int, e: int, m: int, h: int, pairs_asked: int, pairs_read: int, o: int
    ) -> None:
        n_action, n_out = (round(((8 * pairs + 1) ** 0.5 - 1) / 2) for pairs in (pairs_asked, pairs_read))
        model = parity(
            n_neurons=d, width=e, history=m, hidden=h, n_action=n_action, n_out=n_out, n_outputs=o,
            shape=(-1, 2),
        )  # fmt: skip
        expected = (
            2 * e + 3 * e + (e * e + e + 2 * e) + (pairs_asked * e + e) + (4 * e * e + 4 * e)
            + ((e + d) * 2 * d + 2 * d + 2 * d) + (2 * m * h * d + 2 * h * d + 1) + (2 * h * d + 2 * d + 1)
            + (d + d * m) + (pairs_asked + pairs_read) + (pairs_read * o + o)
        )  # fmt: skip
        assert sum(value.numel() for value in model.parameters()) == expected

    def test_quirks_that_are_not_kept(self, capfd: pytest.CaptureFixture[str]) -> None:
        """Nothing is printed, no generator is moved, weights need no first pass, precision stays."""
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002 - the official code draws its pairs from it
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        model = parity(seed=3)
        fresh = parity(seed=4)
        fresh.load_state_dict(model.state_dict())
        x = signs()
        assert torch.equal(fresh(x).predictions, model(x).predictions)
        thought = model.double()(x.double())
        assert thought.predictions.dtype == thought.certainties.dtype == torch.float64
        assert torch.equal(torch.get_rng_state(), before[0])
        assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
        assert capfd.readouterr() == ("", "")
        kept = [value for value in vars(model).values() if isinstance(value, torch.Tensor)]
        assert not any(value.requires_grad for value in kept)  # no graph is kept alive by the model

    def test_the_published_number_of_parameters(self) -> None:
        model = ContinuousThoughtMachine(
            n_outputs=128,
            n_ticks=1,
            n_neurons=512,
            width=512,
            heads=8,
            n_out=32,
            n_action=32,
            selection="random",
            history=25,
            hidden=16,
            backbone="parity",
            positions="rotational",
            shape=(64, 2),
        )
        assert sum(value.numel() for value in model.parameters()) == 3_163_810

    @pytest.mark.parametrize(
        ("options", "x"),
        [
            ({"backbone": "tokens", "n_features": 7, "positions": "none"}, torch.tensor([[0, 6, 3]])),
            ({"backbone": "pixels", "n_features": 1, "positions": "none"}, torch.ones(1, 1, 8, 8)),
            (
                {"backbone": "pixels", "n_features": 1, "positions": "rotational-2d"},
                torch.arange(256.0).view(1, 1, 16, 16) % 7,
            ),
            (
                {"backbone": "features", "n_features": 3, "positions": "fourier"},
                torch.ones(1, 3, 4, 5),
            ),
            (
                {"backbone": "features", "n_features": 3, "positions": "fourier-mixture"},
                torch.ones(1, 3, 4, 5),
            ),
            ({"backbone": torch.nn.Conv1d(2, 3, 1), "n_features": 3}, torch.ones(1, 2, 6)),
            (
                {"backbone": "features", "n_features": 3, "synapse_depth": 3, "layer_norm": True},
                torch.ones(1, 3, 6),
            ),
            ({"selection": "first-last", "hidden": None}, torch.ones(1, 5)),
            ({"selection": "random-pairing", "n_self": 2}, torch.ones(1, 5)),
        ],
    )
    def test_every_kind_of_input_reaches_every_parameter(self, options: dict[str, Any], x: Any) -> None:
        model = parity(**options)
        thought = model(x)
        assert thought.predictions.shape == (1, 10, 6) and thought.attention.shape[:4] == (6, 1, 2, 1)
        thought.predictions.square().sum().backward()
        assert not [name for name, value in model.named_parameters() if value.grad is None]

    def test_dropout_is_for_training_alone(self) -> None:
        model, x = parity(dropout=0.5), signs()
        assert not torch.equal(model(x).predictions, model(x).predictions)
        model.eval()
        assert torch.equal(model(x).predictions, model(x).predictions)


class TestStart:
    def test_a_seed_gives_the_same_model_and_leaves_the_global_generator_alone(self) -> None:
        torch.manual_seed(5)
        first = parity(seed=3).state_dict()
        drawn = torch.rand(1)
        torch.manual_seed(5)
        assert torch.equal(torch.rand(1), drawn)
        again, other = parity(seed=3).state_dict(), parity(seed=4).state_dict()
        assert all(torch.equal(value, again[name]) for name, value in first.items())
        assert not torch.equal(first["synapses.1.weight"], other["synapses.1.weight"])
        assert not torch.equal(first["out_neuron_indices_left"], other["out_neuron_indices_left"])

    def test_a_part_more_moves_no_other(self) -> None:
        short, long = parity().state_dict(), parity(n_outputs=20, shape=(10, 2)).state_dict()
        assert torch.equal(short["synapses.1.weight"], long["synapses.1.weight"])

    def test_start_values_have_the_official_scales(self) -> None:
        model = ContinuousThoughtMachine(**{**PARITY, "n_neurons": 256, "width": 64})
        for value, bound in (
            (model.start_activated_state, 256**-0.5),
            (model.start_trace, 260**-0.5),
            (model.synapses[1].weight, 320**-0.5),
            (model.trace_processor.layers[0].w1, 10**-0.5),
            (model.attention.in_proj_weight, (6 / 256) ** 0.5),
        ):
            assert 0.9 * bound < value.abs().max() <= bound
        assert not model.attention.out_proj.bias.any() and not model.decay_params_out.any()

    def test_waves_of_position_start_at_the_official_scales(self) -> None:
        model = parity(backbone="features", n_features=3, positions="fourier-mixture")
        parts = model.positional_embedding.embedders
        for part, gamma in ((parts[0], 1.0), (parts[-1], 0.1)):
            assert part.Wr.weight.std().item() == pytest.approx(gamma**-2, rel=0.15)


def test_the_read_out_of_the_state_is_a_linear_map_of_it() -> None:
    model = parity(readout="state").double()
    thought = model(signs().double())
    weight, bias = model.output_projector[0].weight, model.output_projector[0].bias
    assert weight.shape == (10, 24)
    torch.testing.assert_close(
        thought.predictions, torch.einsum("tbd,od->bot", thought.post_activations, weight) + bias[:, None]
    )
    same = parity().double()
    weights = {name: value for name, value in model.state_dict().items() if "output_" not in name}
    same.load_state_dict(weights, strict=False)
    torch.testing.assert_close(same(signs().double()).post_activations, thought.post_activations)


def test_a_model_is_copied_and_travels_to_other_processes() -> None:
    model, x = parity(), signs()
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(again(x).predictions, model(x).predictions)
        again.load_state_dict(parity(seed=2).state_dict())
        assert torch.equal(again(x).predictions, parity(seed=2)(x).predictions)
        assert not torch.equal(again(x).predictions, model(x).predictions)


class TestLosses:
    def test_one_tick_is_cross_entropy(self) -> None:
        model, targets = plain(), torch.tensor([0, 2, 1])
        thought = model(torch.randn(3, 4), n_ticks=1)
        expected = torch.nn.functional.cross_entropy(thought.predictions[..., 0], targets)
        assert torch.allclose(tick_loss(thought, targets), expected)

    def test_the_loss_is_half_the_best_and_half_the_most_certain_tick(self) -> None:
        thought, targets = parity()(signs()), torch.randint(2, (4, 5))
        errors, certain = errors_per_tick(thought, targets), thought.certainties[:, 1]
        expected = np.mean(
            [(e[e.argmin()] + e[c.argmax()]).item() / 2 for e, c in zip(errors, certain, strict=True)]
        )
        assert tick_loss(thought, targets).item() == pytest.approx(expected)
        last = np.mean([(e.min() + e[-1]).item() / 2 for e in errors])
        assert tick_loss(thought, targets, most_certain=False).item() == pytest.approx(last)

    def test_accuracy_is_read_at_the_most_certain_tick(self) -> None:
        thought = parity()(signs())
        tick = thought.certainties[:, 1].argmax(1)
        answer = torch.stack([thought.predictions[b, :, t].view(5, 2).argmax(1) for b, t in enumerate(tick)])
        assert accuracy(thought, answer) == {"element": 1.0, "whole": 1.0}
        answer[0, 0] = 1 - answer[0, 0]
        assert accuracy(thought, answer) == {"element": pytest.approx(0.95), "whole": 0.75}


OFFICIAL = {
    "iterations": 6,
    "d_model": 16,
    "d_input": 4,
    "heads": 0,
    "n_synch_out": 6,
    "n_synch_action": 0,
    "synapse_depth": 1,
    "memory_length": 3,
    "memory_hidden_dims": 2,
    "out_dims": 3,
    "prediction_reshaper": [-1],
}


def with_weight(name: str, value: float) -> Any:
    model = plain()
    model.get_parameter(name).data.fill_(value)
    return model


def tamper(**changes: Any) -> dict[str, Any]:
    state = dict(plain().state_dict())
    for name, value in changes.items():
        state.pop(name.replace("__", "."), None)
        if value is not None:
            state[name.replace("__", ".")] = value
    return state


NAN = float("nan")
CASES: dict[str, tuple[Callable[[], Any], type[ArcuateError], str, tuple[str, ...]]] = {
    "no ticks": (lambda: plain(n_ticks=0), SpecError, "n_ticks", (">= 1",)),
    "no ticks in a pass": (lambda: plain()(torch.ones(1, 4), n_ticks=0), SpecError, "n_ticks", (">= 1",)),
    "half a tick": (lambda: plain()(torch.ones(1, 4), n_ticks=1.5), SpecError, "n_ticks", ("integer",)),
    "more pairs than exist": (lambda: plain(n_out=137), SpecError, "n", ("137", "136")),
    "more neurons than exist": (lambda: plain(n_out=17, selection="random"), SpecError, "n", ("<= 16",)),
    "first meets last": (
        lambda: parity(n_out=20, n_action=5, selection="first-last"),
        SpecError,
        "n_out",
        ("24", "first-last"),
    ),
    "fewer than nobody asks": (lambda: parity(n_action=-1), SpecError, "n", (">= 0",)),
    "a read-out of something else": (
        lambda: parity(readout="both"),
        SpecError,
        "both",
        ("readout", "synchrony"),
    ),
    "more pairs with itself than pairs": (
        lambda: parity(selection="random-pairing", n_self=6),
        SpecError,
        "n_self",
        (),
    ),
    "unknown selection": (lambda: plain(selection="randon"), UnknownNameError, "randon", ("random",)),
    "unknown backbone": (lambda: parity(backbone="pariti"), UnknownNameError, "pariti", ("parity",)),
    "unknown positions": (
        lambda: parity(positions="rotation"),
        UnknownNameError,
        "rotation",
        ("rotational",),
    ),
    "heads that do not divide": (lambda: parity(heads=3), SpecError, "heads", ("8",)),
    "features of unknown width": (lambda: parity(backbone="features"), SpecError, "n_features", ("integer",)),
    "dropout of all": (lambda: plain(dropout=1.0), SpecError, "dropout", ("< 1",)),
    "a shape that does not hold the outputs": (lambda: plain(shape=(2, 2)), SpecError, "shape", ("3",)),
    "features of another width": (
        lambda: plain()(torch.ones(2, 5)),
        SpecError,
        "x",
        ("(trials, 4)", "(2, 5)"),
    ),
    "tokens of another width": (
        lambda: parity(backbone="features", n_features=3)(torch.ones(2, 4, 6)),
        SpecError,
        "x",
        ("3", "(2, 4, 6)"),
    ),
    "features of another width from a module": (
        lambda: parity(backbone=torch.nn.Identity(), n_features=3)(torch.ones(2, 4, 6)),
        SpecError,
        "backbone",
        ("3", "(2, 4, 6)"),
    ),
    "a sequence in three axes": (
        lambda: parity()(torch.ones(2, 4, 6)),
        SpecError,
        "x",
        ("(trials, length)",),
    ),
    "a sequence where a code of images is added": (
        lambda: parity(positions="fourier")(torch.ones(2, 5)),
        SpecError,
        "grid",
        ("image", "(5,)"),
    ),
    "no trial": (lambda: plain()(torch.ones(0, 4)), SpecError, "x", ("(0, 4)",)),
    "a token that is not in the vocabulary": (
        lambda: parity(backbone="tokens", n_features=3)(torch.tensor([[0, 3]])),
        SpecError,
        "token",
        ("0 to 2",),
    ),
    "nan in the input": (
        lambda: plain()(torch.tensor([[1.0, 1, 1, 1], [1, NAN, 1, 1]])),
        NonFiniteError,
        "x",
        ("tick 1", "[1, 1]"),
    ),
    "nan in the weights": (
        lambda: with_weight("synapses.1.bias", NAN)(torch.ones(1, 4)),
        NonFiniteError,
        "post-activation",
        ("tick 1",),
    ),
    "a weight is missing": (
        lambda: load_official(tamper(start_trace=None), OFFICIAL),
        SpecError,
        "start_trace",
        ("missing",),
    ),
    "a weight of another shape": (
        lambda: load_official(tamper(synapses__3__weight=torch.ones(15)), OFFICIAL),
        SpecError,
        "synapses.3.weight",
        ("(16,)", "(15,)"),
    ),
    "a weight that is not part": (
        lambda: load_official(tamper(q_proj__weight=torch.ones(15)), OFFICIAL),
        SpecError,
        "q_proj.weight",
        ("not part",),
    ),
    "a weight that is not finite": (
        lambda: load_official(tamper(start_trace=torch.full((16, 3), NAN)), OFFICIAL),
        NonFiniteError,
        "start_trace",
        ("finite",),
    ),
    "a pair of a neuron that is not there": (
        lambda: load_official(tamper(out_neuron_indices_left=torch.full((6,), 16)), OFFICIAL),
        SpecError,
        "out_neuron_indices_left",
        ("0 to 15",),
    ),
    "weights of another configuration": (
        lambda: load_official(plain().state_dict(), {**OFFICIAL, "memory_length": 5}),
        SpecError,
        "start_trace",
        ("(16, 5)", "(16, 3)"),
    ),
    "a configuration with a name of nobody": (
        lambda: load_official(plain().state_dict(), {**OFFICIAL, "iteration": 5}),
        UnknownNameError,
        "iteration",
        ("iterations",),
    ),
    "a configuration without a needed name": (
        lambda: load_official(plain().state_dict(), {}),
        SpecError,
        "out_dims",
        ("missing",),
    ),
    "weights in a file that is not there": (
        lambda: load_official("nowhere.safetensors", OFFICIAL),
        FileFormatError,
        "weights",
        ("nowhere",),
    ),
    "targets of another number": (
        lambda: tick_loss(plain()(torch.ones(2, 4)), torch.zeros(3, dtype=torch.long)),
        SpecError,
        "targets",
        ("(2, 3, 6)",),
    ),
    "a target that is no class": (
        lambda: tick_loss(plain()(torch.ones(1, 4)), torch.tensor([3])),
        SpecError,
        "targets",
        ("0 to 2",),
    ),
    "more items than ticks": (
        lambda: ctc_loss(plain()(torch.ones(1, 4)), torch.zeros(1, 7, dtype=torch.long)),
        SpecError,
        "targets",
        ("6",),
    ),
    "the blank as a target": (
        lambda: ctc_loss(plain()(torch.ones(1, 4)), torch.tensor([[2]])),
        SpecError,
        "targets",
        ("blank",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_named(name: str) -> None:
    call, kind, culprit, words = CASES[name]
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert caught.value.name == culprit
    assert len(text.splitlines()) <= 4 and all(word in text for word in words), text


def test_activity_that_overflows_is_named_at_its_tick() -> None:
    model = plain()
    with torch.no_grad():
        model.trace_processor.layers[-1].b1.fill_(1e30)  # products of the activations are beyond float32
    with pytest.raises(NonFiniteError, match=r"at tick \d"):
        model(torch.ones(1, 4))


def test_weights_from_a_file(tmp_path: Any) -> None:
    from safetensors.torch import save_file

    model, x = plain(seed=2), torch.ones(2, 4)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    again = load_official(tmp_path / "weights.safetensors", OFFICIAL)
    assert torch.equal(again(x).predictions, model(x).predictions)


def test_torch_is_loaded_at_first_use_and_its_absence_names_the_extra() -> None:
    code = (
        "import sys, arcuate; arcuate.nn; assert 'torch' not in sys.modules; sys.modules['torch'] = None\n"
        "try: arcuate.nn.ContinuousThoughtMachine\n"
        "except arcuate.errors.MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "arcuate[torch]"' in done.stdout
    assert "nn" in dir(arc)
