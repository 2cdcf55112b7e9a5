"""A Continuous Thought Machine that acts: histories go on from one step of an environment to the next.

The variant for reinforcement learning (Darlow et al. 2025, arXiv 2505.05522, section 8): no attention, the
observation goes to the synapses, and synchrony is that of the last M post-activations. The equations are
those of `arcuate.ctm`; parameters have the names of the official implementation
(https://github.com/SakanaAI/continuous-thought-machines, Apache-2.0).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from arcuate.ctm import WindowThought, neuron_models, synapse, update_trace, windowed_synchrony
from arcuate.ctm.dynamics import WINDOW_DECAY_MAX
from arcuate.errors import NonFiniteError, SpecError, check_choice, check_int, check_real
from arcuate.nn._layers import NeuronModels, SynapseUNet, as_tensor, initialize
from arcuate.nn.backbones import ControlBackbone, GridBackbone
from arcuate.nn.ctm import load_weights, read_weights
from arcuate.rng import check_seed, stream

__all__ = ["AgentStep", "ThoughtAgent", "WindowedThoughtMachine", "load_official_window"]

OFFICIAL_ARGUMENTS: dict[str, str] = {
    "iterations": "n_ticks",
    "d_model": "n_neurons",
    "d_input": "width",
    "n_synch_out": "n_out",
    "synapse_depth": "synapse_depth",
    "memory_length": "history",
    "memory_hidden_dims": "hidden",
    "do_layernorm_nlm": "layer_norm",
    "dropout": "dropout",
}
"""Arguments of the official class, and what they are called here; ``deep_nlms=False`` is ``hidden=None``."""

_OFFICIAL_BACKBONES = {"classic-control-backbone": "control", "navigation-backbone": "grid"}


class WindowedThoughtMachine(nn.Module):  # type: ignore[misc]
    """A Continuous Thought Machine whose synchrony is that of a sliding window.

    Parameters
    ----------
    n_ticks : int
        T, internal ticks in a step of the environment.
    n_neurons : int
        D.
    width : int
        E, features of an observation; those of all cells together for a grid.
    n_out : int
        Neurons whose synchrony is read: the last ones, each with each.
    n_observations : int or None
        Numbers in an observation, for the backbone ``"control"``.
    backbone : {"control", "grid"}
        Two gated layers, or embedded cells of a grid world of 7 by 7 (`arcuate.nn.backbones`).
    synapse_depth : int
        1: two gated layers; more: a U-Net with so many widths.
    history : int
        M, pre-activations that a neuron sees, and post-activations whose synchrony is read.
    hidden : int or None
        H, hidden width of a neuron-level model; None: one layer.
    layer_norm : bool
        Layer norm before each layer of the neuron-level models.
    dropout : float
        Share that is dropped while training.
    seed : int
        Start values come from streams of this seed, named ``ctm/...``.

    Raises
    ------
    SpecError
        If an argument is out of bounds or does not fit another.

    Examples
    --------
    >>> import torch
    >>> machine = WindowedThoughtMachine(
    ...     n_ticks=2, n_neurons=16, width=4, n_out=5, n_observations=2, history=3, hidden=4
    ... )
    >>> first = machine(torch.tensor([[0.1, -0.2]]))
    >>> machine(torch.tensor([[0.2, 0.0]]), first).sync_out.shape
    torch.Size([1, 15])
    """

    def __init__(
        self,
        *,
        n_ticks: int,
        n_neurons: int,
        width: int,
        n_out: int,
        n_observations: int | None = None,
        backbone: str = "control",
        synapse_depth: int = 1,
        history: int = 10,
        hidden: int | None = 4,
        layer_norm: bool = False,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        where = "CTM with a window"
        numbers = {
            "n_ticks": n_ticks, "n_neurons": n_neurons, "width": width, "synapse_depth": synapse_depth,
            "history": history,
        }  # fmt: skip
        for name, value in numbers.items():
            check_int(value, where=where, name=name)
        if hidden is not None:
            check_int(hidden, where=where, name="hidden")
        check_int(n_out, where=where, name="n_out", high=n_neurons)
        check_choice(backbone, ("control", "grid"), where=where, name="backbone")
        check_real(dropout, where=where, name="dropout", low=0, high=1, high_open=True)
        seed = check_seed(seed)
        self.n_ticks, self.n_neurons, self.history, self.dropout = n_ticks, n_neurons, history, dropout
        with torch.random.fork_rng(devices=[]):  # start values come from streams of their own, below
            self.start_trace = nn.Parameter(torch.zeros(n_neurons, history))
            self.start_activated_trace = nn.Parameter(torch.zeros(n_neurons, history))
            if backbone == "grid":
                self.backbone: nn.Module = GridBackbone(width)
                features = width * self.backbone.position_embedding.num_embeddings
            else:
                n = check_int(n_observations, where=where, name="n_observations")
                self.backbone, features = ControlBackbone(n, width), width
            self.synapses = _synapses(features + n_neurons, n_neurons, synapse_depth, dropout)
            self.trace_processor = NeuronModels(
                n_neurons, history=history, hidden=hidden, layer_norm=layer_norm, dropout=dropout
            )
        self._n_features = features
        self.decay_params_out = nn.Parameter(torch.zeros(n_out * (n_out + 1) // 2))
        for side in ("left", "right"):  # the official code keeps the first neurons, and reads the last
            self.register_buffer(f"out_neuron_indices_{side}", torch.arange(n_out))
        self.register_buffer("diagonal_mask_out", torch.ones(n_out, n_out, dtype=torch.bool).triu())
        initialize(self, seed)

    def forward(
        self,
        x: torch.Tensor,
        previous: WindowThought | None = None,
        *,
        done: torch.Tensor | None = None,
        n_ticks: int | None = None,
    ) -> WindowThought:
        """Think about one observation of each environment.

        Parameters
        ----------
        x : tensor
            Observations (B, ...), or cells (B, 7, 7, 3) of object, color and state.
        previous : WindowThought or None
            The step before, whose histories go on; None begins anew.
        done : tensor or None, (B,)
            Where an episode ended before this step: there the histories begin anew.
        n_ticks : int or None
            Ticks; None: those of the model.

        Returns
        -------
        WindowThought
            Synchrony, activations and histories, as tensors.

        Raises
        ------
        SpecError
            If the input, the histories or the number of ticks does not fit.
        NonFiniteError
            If the input or the activity is not finite; the tick is named.

        Examples
        --------
        >>> machine = WindowedThoughtMachine(n_ticks=2, n_neurons=16, width=4, n_out=5, n_observations=2)
        >>> one = machine(torch.zeros(3, 2))
        >>> two = machine(torch.zeros(3, 2), one, done=torch.tensor([True, False, False]))
        >>> torch.equal(two.sync_out[0], one.sync_out[0]), torch.equal(two.sync_out[1], one.sync_out[1])
        (True, False)
        """
        ticks = check_int(self.n_ticks if n_ticks is None else n_ticks, where="CTM", name="n_ticks")
        features = self._features(x)
        trace, activated = self._histories(previous, done, len(features))
        parts = dict(self.synapses.named_parameters()), dict(self.trace_processor.named_parameters())
        before, after = [], []
        for _ in range(ticks):
            joined = torch.cat((features, activated[..., -1]), dim=1)
            before.append(synapse(joined, parts[0], drop=self._drop))
            trace = update_trace(trace, before[-1])
            after.append(neuron_models(trace, parts[1], drop=self._drop))
            activated = update_trace(activated, after[-1])
        post = torch.stack(after)
        bad = torch.nonzero(~torch.isfinite(post))
        if len(bad):
            tick, trial, unit = bad[0].tolist()
            bound = f"is {post[tick, trial, unit].item()} at tick {tick + 1}, trial {trial}, unit {unit}"
            raise NonFiniteError.of(
                where="CTM", name="post-activation", bound=bound, fix="look at the weights"
            )
        return WindowThought(
            sync_out=windowed_synchrony(activated, self.decay_params_out, self._pairs()),
            pre_activations=torch.stack(before),
            post_activations=post,
            trace=trace,
            activated_trace=activated,
        )

    def _pairs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return neurons i and j of all pairs: the last ones, the upper triangle row by row."""
        first = self.n_neurons - len(self.diagonal_mask_out)
        rows, columns = torch.nonzero(self.diagonal_mask_out, as_tuple=True)
        return first + rows, first + columns

    def _drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        own = self.start_trace
        x = as_tensor(x, own.device, where="CTM")
        if not torch.isfinite(x).all():
            place = torch.nonzero(~torch.isfinite(x))[0].tolist()
            bound = f"must be finite; x{place} is {x[tuple(place)].item()}, and tick 1 would read it"
            raise NonFiniteError.of(where="CTM", name="x", bound=bound)
        if x.ndim < 2 or not x.numel():
            bound = f"must hold an observation for each trial, not shape {tuple(x.shape)}"
            raise SpecError.of(where="CTM", name="x", bound=bound)
        features = self.backbone(x.to(own.dtype)).flatten(1)
        if features.shape[1] != self._n_features:
            bound = f"gives {features.shape[1]} features, but the model takes {self._n_features}"
            raise SpecError.of(where="CTM", name="x", value=tuple(x.shape), bound=bound)
        return features

    def _histories(
        self, previous: WindowThought | None, done: torch.Tensor | None, batch: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the histories before and after the neurons' models with which a step begins."""
        starts = {"trace": self.start_trace, "activated_trace": self.start_activated_trace}
        first, second = (start.expand(batch, -1, -1) for start in starts.values())
        if previous is None:
            return first, second
        for name, start in starts.items():
            found, wanted = tuple(getattr(previous, name).shape), (batch, *start.shape)
            if found != wanted:
                bound = f"of the step before must have shape {wanted}, not {found}"
                raise SpecError.of(where="CTM", name=name, bound=bound)
        if done is None:
            return previous.trace, previous.activated_trace
        done = as_tensor(done, first.device, where="CTM", name="done")
        if done.shape != (batch,):
            bound = f"must have shape {(batch,)}, not {tuple(done.shape)}"
            raise SpecError.of(where="CTM", name="done", bound=bound)
        ended = done.bool()[:, None, None]
        return (
            torch.where(ended, first, previous.trace),
            torch.where(ended, second, previous.activated_trace),
        )

    def constrain_(self) -> None:
        """Put decays that left their bounds back; the trainer calls it after every step.

        Examples
        --------
        >>> machine = WindowedThoughtMachine(n_ticks=1, n_neurons=16, width=4, n_out=5, n_observations=2)
        >>> _ = machine.decay_params_out.data.fill_(7.0)
        >>> machine.constrain_()
        >>> machine.decay_params_out.max().item()
        4.0
        """
        self.decay_params_out.data.clamp_(0, WINDOW_DECAY_MAX)


def _synapses(n_in: int, n_neurons: int, depth: int, dropout: float) -> nn.Module:
    """Two gated layers for depth 1, which the authors found better than one; else a U-Net."""
    if depth > 1:
        return SynapseUNet(n_in, n_neurons, depth=depth, dropout=dropout)
    blocks: list[nn.Module] = [nn.Dropout(dropout)]
    for before in (n_in, n_neurons):
        blocks += [nn.Linear(before, 2 * n_neurons), nn.GLU(), nn.LayerNorm(n_neurons)]
    return nn.Sequential(*blocks)


@dataclass(frozen=True, kw_only=True, eq=False)
class AgentStep:
    """What an agent made of one observation, or of a row of them.

    Parameters
    ----------
    logits : tensor, (..., B, A)
        Of the actions.
    values : tensor, (..., B)
        Reward that is expected from here on.
    thought : WindowThought
        Of the last step; the next one goes on from it.

    Examples
    --------
    >>> machine = WindowedThoughtMachine(n_ticks=2, n_neurons=16, width=4, n_out=5, n_observations=2)
    >>> step: AgentStep = ThoughtAgent(machine, n_actions=3)(torch.zeros(4, 2))
    >>> step.logits.argmax(-1).shape
    torch.Size([4])
    """

    logits: torch.Tensor
    values: torch.Tensor
    thought: WindowThought


class ThoughtAgent(nn.Module):  # type: ignore[misc]
    """An actor and a critic that read the synchrony of a machine: two hidden layers of 64 rectifiers each.

    Parameters
    ----------
    machine : WindowedThoughtMachine
    n_actions : int
        A.
    seed : int
        Orthogonal start weights come from streams of this seed; biases begin at 0.

    Raises
    ------
    SpecError
        If an argument is out of bounds.

    Examples
    --------
    >>> machine = WindowedThoughtMachine(n_ticks=2, n_neurons=16, width=4, n_out=5, n_observations=2)
    >>> agent = ThoughtAgent(machine, n_actions=3)
    >>> step = agent(torch.zeros(4, 2))
    >>> step.logits.shape, step.values.shape
    (torch.Size([4, 3]), torch.Size([4]))
    """

    def __init__(self, machine: WindowedThoughtMachine, *, n_actions: int, seed: int = 0) -> None:
        super().__init__()
        given: object = machine
        if not isinstance(given, WindowedThoughtMachine):
            bound = f"must be a WindowedThoughtMachine, not {type(machine).__name__}"
            raise SpecError.of(where="ThoughtAgent", name="machine", bound=bound)
        n_actions, seed = check_int(n_actions, where="ThoughtAgent", name="n_actions"), check_seed(seed)
        read = machine.decay_params_out.numel()
        self.recurrent_model = machine
        with torch.random.fork_rng(devices=[]):  # start values come from streams of their own, below
            self.actor, self.critic = _head(read, n_actions), _head(read, 1)
        for name in ("actor", "critic"):
            for place, layer in getattr(self, name).named_children():
                if isinstance(layer, nn.Linear):
                    drawn = stream(seed, f"ctm/init/{name}.{place}.weight").integers(2**62)
                    generator = torch.Generator().manual_seed(int(drawn))
                    nn.init.orthogonal_(layer.weight, generator=generator)
                    nn.init.zeros_(layer.bias)

    def forward(
        self, x: torch.Tensor, previous: WindowThought | None = None, *, done: torch.Tensor | None = None
    ) -> AgentStep:
        """Make one step; arguments are those of `WindowedThoughtMachine.forward`.

        Parameters
        ----------
        x : tensor
            Observations (B, ...).
        previous : WindowThought or None
            The step before.
        done : tensor or None, (B,)
            Where an episode ended before this step.

        Returns
        -------
        AgentStep

        Examples
        --------
        >>> machine = WindowedThoughtMachine(n_ticks=2, n_neurons=16, width=4, n_out=5, n_observations=2)
        >>> agent = ThoughtAgent(machine, n_actions=3)
        >>> step = agent(torch.zeros(4, 2))
        >>> agent(torch.zeros(4, 2), step.thought).logits.shape
        torch.Size([4, 3])
        """
        thought = self.recurrent_model(x, previous, done=done)
        read = thought.sync_out
        return AgentStep(logits=self.actor(read), values=self.critic(read).squeeze(-1), thought=thought)

    def unroll(
        self, x: torch.Tensor, previous: WindowThought | None = None, *, done: torch.Tensor | None = None
    ) -> AgentStep:
        """Make many steps, one after the other, as they were observed.

        Parameters
        ----------
        x : tensor, (S, B, ...)
            Observations of S steps.
        previous : WindowThought or None
            The step before the first.
        done : tensor or None, (S, B)
            Where an episode ended before a step.

        Returns
        -------
        AgentStep
            Logits (S, B, A) and values (S, B) of all steps, and the last thought.

        Raises
        ------
        SpecError
            If there is no step, or not one row of ``done`` for each.

        Examples
        --------
        >>> machine = WindowedThoughtMachine(n_ticks=2, n_neurons=16, width=4, n_out=5, n_observations=2)
        >>> ThoughtAgent(machine, n_actions=3).unroll(torch.zeros(6, 4, 2)).logits.shape
        torch.Size([6, 4, 3])
        """
        if not len(x) or (done is not None and len(done) != len(x)):
            rows = "None" if done is None else len(done)
            bound = f"must hold at least one step, and done as many: {len(x)} and {rows}"
            raise SpecError.of(where="ThoughtAgent", name="x", bound=bound)
        steps: list[AgentStep] = []
        for k, seen in enumerate(x):
            steps.append(self(seen, previous, done=None if done is None else done[k]))
            previous = steps[-1].thought
        return AgentStep(
            logits=torch.stack([step.logits for step in steps]),
            values=torch.stack([step.values for step in steps]),
            thought=steps[-1].thought,
        )

    def constrain_(self) -> None:
        """Put decays that left their bounds back; the trainer calls it after every step.

        Examples
        --------
        >>> machine = WindowedThoughtMachine(n_ticks=2, n_neurons=16, width=4, n_out=5, n_observations=2)
        >>> ThoughtAgent(machine, n_actions=3).constrain_()
        """
        self.recurrent_model.constrain_()


def _head(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, n_out))


def load_official_window(
    weights: Mapping[str, Any] | str | os.PathLike[str], configuration: Mapping[str, Any]
) -> WindowedThoughtMachine:
    """Build the official model for reinforcement learning and give it the official weights.

    Weights have the same names here as there; those of a whole official agent (``recurrent_model.*``,
    ``actor.*``, ``critic.*``) are those of a `ThoughtAgent`, whose ``load_state_dict`` takes them.

    Parameters
    ----------
    weights : mapping or path
        A state dict (tensors or arrays), or a safetensors file of one.
    configuration : mapping
        Arguments of the official class, such as ``iterations`` and ``d_model``.

    Returns
    -------
    WindowedThoughtMachine

    Raises
    ------
    SpecError
        If an argument is missing or not known, or weights are of another configuration: the first one that
        does not fit is named.
    FileFormatError
        If the file is not a safetensors file.

    Examples
    --------
    >>> configuration = {
    ...     "iterations": 2, "d_model": 16, "d_input": 4, "n_synch_out": 5, "synapse_depth": 1,
    ...     "memory_length": 3, "deep_nlms": False, "memory_hidden_dims": 4, "do_layernorm_nlm": False,
    ...     "backbone_type": "classic-control-backbone",
    ... }
    >>> machine = WindowedThoughtMachine(
    ...     n_ticks=2, n_neurons=16, width=4, n_out=5, n_observations=2, history=3, hidden=None
    ... )
    >>> again = load_official_window(machine.state_dict(), configuration)
    >>> torch.equal(again(torch.ones(1, 2)).sync_out, machine(torch.ones(1, 2)).sync_out)
    True
    """
    where = "load_official_window"
    given = read_weights(weights)
    options = dict(configuration)
    options.pop("prediction_reshaper", None)  # there is no prediction
    check_choice(
        options.pop("neuron_select_type", "first-last"), ("first-last",), where=where, name="selection"
    )
    deep = options.pop("deep_nlms", True)
    kind = options.pop("backbone_type", "classic-control-backbone")
    arguments: dict[str, Any] = {
        "backbone": _OFFICIAL_BACKBONES[check_choice(kind, _OFFICIAL_BACKBONES, where=where, name="backbone")]
    }
    for name, value in options.items():
        check_choice(name, OFFICIAL_ARGUMENTS, where=where, name="argument")
        arguments[OFFICIAL_ARGUMENTS[name]] = value
    for name in ("iterations", "d_model", "d_input", "n_synch_out", "memory_length"):
        if name not in options:
            raise SpecError.of(where=where, name=name, bound="is missing from the configuration")
    arguments["hidden"] = arguments.get("hidden", 4) if deep else None
    first = given.get("backbone.input_projector.1.weight")
    if first is not None:
        arguments["n_observations"] = first.shape[1]
    machine = WindowedThoughtMachine(**arguments)
    if "start_trace" in given:
        machine.to(given["start_trace"].dtype)
    load_weights(machine, given)
    return machine
