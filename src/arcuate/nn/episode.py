"""A network that takes in an episode chunk by chunk into a PMI memory, and is then asked about it.

Equations of the memory are those of `arcuate.memory.memorize` and `retrieve`; those of the transformer that
reads the whole episode at once, of `arcuate.memory.transformer`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from arcuate.errors import NonFiniteError, SpecError, check_choice, check_int
from arcuate.memory import PMIConfig, PMIState
from arcuate.memory.transformer import encode_plain
from arcuate.nn._layers import as_tensor
from arcuate.nn.pmi import PMIModule, derived_seed, initialize_linear, named
from arcuate.nn.pmi_models import attention_layer
from arcuate.rng import check_seed

__all__ = ["EpisodeMemory"]

MIXINGS = ("memory", "attention")


class EpisodeMemory(nn.Module):  # type: ignore[misc]
    """A network that remembers an episode of pairs and answers what came with a key.

    A token is the sum of the codes of a key and a value. Chunks of tokens are written into a PMI memory, one
    after the other; the tokens of the last chunk, whose value is unknown, then ask it and write nothing:

    ``z = token + U;  z <- z + W_2 relu(W_1 LN(z));  scores = W_o LN(z)``

    with U what the memory understands. With ``mixing="attention"`` the network is a transformer instead, to
    which all tokens are present at once: an upper bound, not a memory.

    Parameters
    ----------
    config : PMIConfig
        Width, heads and memories; ``d_input`` must be None. Of a transformer, width and heads alone count.
    n_keys, n_values : int
        How many keys and values there are.
    d_hidden : int
        Width within the read-out, and within the layers of a transformer.
    mixing : {"memory", "attention"}
    n_layers : int
        Layers of a transformer, without positions, each with its own weights.
    seed : int
        Start values, from streams named ``pmi/...``.

    Raises
    ------
    SpecError
        If an argument is out of bounds.

    Examples
    --------
    >>> from arcuate.tasks import PairedAssociates
    >>> x, targets = PairedAssociates(n_chunks=2).draw(3, seed=1).frames()
    >>> config = PMIConfig(d_model=16, n_heads=4, n_slots=4, top_k=2)
    >>> model = EpisodeMemory(config, n_keys=64, n_values=16, seed=1)
    >>> model(torch.tensor(x)).shape
    torch.Size([3, 4, 16])
    """

    def __init__(
        self,
        config: PMIConfig,
        *,
        n_keys: int,
        n_values: int,
        d_hidden: int = 96,
        mixing: str = "memory",
        n_layers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        where = "EpisodeMemory"
        if not isinstance(config, PMIConfig):
            raise SpecError.of(where=where, name="config", value=config, bound="must be a PMIConfig")
        if config.d_input is not None:
            bound = "must be None: the width of a token is that of the memory"
            raise SpecError.of(where=where, name="config.d_input", value=config.d_input, bound=bound)
        numbers = {"n_keys": n_keys, "n_values": n_values, "d_hidden": d_hidden, "n_layers": n_layers}
        for name, value in numbers.items():
            check_int(value, where=where, name=name)
        self.mixing = check_choice(mixing, MIXINGS, where=where, name="mixing")
        self.config, self.n_keys, self.n_values = config, n_keys, n_values
        self.n_layers, self.seed = n_layers, check_seed(seed)
        d = config.d_model
        with torch.random.fork_rng(devices=[]):  # start values come from streams of their own, below
            self.keys, self.values = nn.Embedding(n_keys, d), nn.Embedding(n_values + 1, d)
            self.norm, self.final_norm = nn.LayerNorm(d), nn.LayerNorm(d)
            self.fc1, self.fc2, self.head = (
                nn.Linear(d, d_hidden),
                nn.Linear(d_hidden, d),
                nn.Linear(d, n_values),
            )
            if mixing == "attention":
                self.layers = nn.ModuleList(attention_layer(d, d_hidden) for _ in range(n_layers))
        initialize_linear(self, self.seed)
        if mixing == "memory":
            self.memory = PMIModule(config, seed=derived_seed(self.seed, "memory"))

    def forward(self, x: Any) -> torch.Tensor:
        """Take in an episode and answer.

        Parameters
        ----------
        x : tensor of int, (B, S, T, 2)
            Key and value of each token of each chunk; the last chunk asks, and its value is ``n_values``:
            what `arcuate.tasks.AssociateTrials.frames` gives.

        Returns
        -------
        tensor, (B, T, n_values)
            Scores of the values, not normalized.

        Raises
        ------
        SpecError
            If the input does not fit.
        NonFiniteError
            If the answer is not finite.

        Examples
        --------
        >>> model = EpisodeMemory(PMIConfig(d_model=8, n_heads=2), n_keys=5, n_values=3, mixing="attention")
        >>> model(torch.tensor([[[[1, 0], [2, 1]], [[2, 3], [1, 3]]]])).shape
        torch.Size([1, 2, 3])
        """
        x = self._checked(x)
        tokens = self.keys(x[..., 0]) + self.values(x[..., 1])
        asked = tokens[:, -1]
        if self.mixing == "memory":
            z = asked + self.memory.retrieve(asked, self._memorized(tokens)[-1])
        else:
            n, heads = asked.shape[1], self.config.n_heads
            z = encode_plain(tokens.flatten(1, 2), named(self), n_heads=heads, n_layers=self.n_layers)[:, -n:]
        z = z + self.fc2(F.relu(self.fc1(self.norm(z))))
        answers = self.head(self.final_norm(z))
        if not torch.isfinite(answers).all():
            fix = "look at the weights"
            raise NonFiniteError.of(where="EpisodeMemory", name="answer", bound="is not finite", fix=fix)
        return answers

    def memorize(self, x: Any) -> list[PMIState]:
        """Take in an episode and show what the memories held after each chunk.

        Parameters
        ----------
        x : tensor of int, (B, S, T, 2)
            As for `forward`; the last chunk is not taken in.

        Returns
        -------
        list of PMIState
            One for each of S - 1 chunks.

        Raises
        ------
        SpecError
            If the model has no memory, or the input does not fit.

        Examples
        --------
        >>> model = EpisodeMemory(PMIConfig(d_model=8, n_heads=2, d_ltm=4), n_keys=5, n_values=3)
        >>> states = model.memorize(torch.tensor([[[[1, 0]], [[2, 1]], [[2, 3]]]]))
        >>> len(states), states[-1].long_term_memory.shape
        (2, torch.Size([1, 5, 4, 8]))
        """
        if self.mixing != "memory":
            bound = f"has no memory to show, but {self.mixing}"
            raise SpecError.of(where="EpisodeMemory.memorize", name="model", bound=bound)
        x = self._checked(x)
        return self._memorized(self.keys(x[..., 0]) + self.values(x[..., 1]))

    def _memorized(self, tokens: torch.Tensor) -> list[PMIState]:
        states = [self.memory.initial_state(len(tokens))]
        for chunk in tokens[:, :-1].unbind(1):
            states.append(self.memory.memorize(chunk, states[-1]))
        return states[1:]

    def _checked(self, x: Any) -> torch.Tensor:
        """Return an episode of known keys and values, or refuse it."""
        x = as_tensor(x, self.keys.weight.device, where="EpisodeMemory", name="x")
        whole = not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool)
        if x.ndim != 4 or x.shape[-1] != 2 or x.shape[1] < 2 or not x.numel() or not whole:
            shape = "(batch, two chunks or more, tokens, 2)"
            bound = f"must be integers of shape {shape}, none of them 0; it is {x.dtype}, {tuple(x.shape)}"
            raise SpecError.of(where="EpisodeMemory", name="x", bound=bound)
        for place, (name, n) in enumerate({"key": self.n_keys, "value": self.n_values + 1}.items()):
            least, most = x[..., place].min().item(), x[..., place].max().item()
            if least < 0 or most >= n:
                value = least if least < 0 else most
                bound = f"must be within 0 to {n - 1} for a {name}"
                raise SpecError.of(where="EpisodeMemory", name="x", value=value, bound=bound)
        return x.long()
