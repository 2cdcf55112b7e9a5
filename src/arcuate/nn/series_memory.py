"""A PMI memory that gets a row of numbers at a time and says in each what it expects."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from arcuate.errors import SpecError, check_int
from arcuate.memory import PMIConfig
from arcuate.nn.pmi import PMIModule, check_input, derived_seed, initialize_linear
from arcuate.rng import check_seed

__all__ = ["SeriesMemory"]


class SeriesMemory(nn.Module):  # type: ignore[misc]
    """A PMI memory that reads a series row by row.

    Each row becomes a token, is written into the memory, and asks it: with U what is understood of the token
    after it was written,

    ``z = token + U;  z <- z + W_2 relu(W_1 LN(z));  scores = W_o LN(z)``.

    What lies further back than the present row can be known from the memory alone.

    Parameters
    ----------
    config : PMIConfig
        Width, heads and memories; ``d_input`` must be None.
    n_features, n_outputs : int
        Numbers in a row, and classes.
    d_hidden : int
        Width within the read-out.
    seed : int
        Start values, from streams named ``pmi/...``.

    Raises
    ------
    SpecError
        If an argument is out of bounds.

    Notes
    -----
    Outputs of modules, which plain forward hooks see: ``slots`` (B, rows, N D), the working memory after
    each row; ``understood`` (B, rows, D); ``final_norm`` and ``head``.

    Examples
    --------
    >>> model = SeriesMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5), n_features=3, n_outputs=2, seed=1)
    >>> model(torch.zeros(4, 6, 3)).shape
    torch.Size([4, 6, 2])
    """

    def __init__(
        self, config: PMIConfig, *, n_features: int, n_outputs: int, d_hidden: int = 64, seed: int = 0
    ) -> None:
        super().__init__()
        where = "SeriesMemory"
        if not isinstance(config, PMIConfig):
            raise SpecError.of(where=where, name="config", value=config, bound="must be a PMIConfig")
        if config.d_input is not None:
            bound = "must be None: the width of a token is that of the memory"
            raise SpecError.of(where=where, name="config.d_input", value=config.d_input, bound=bound)
        for name, value in {"n_features": n_features, "n_outputs": n_outputs, "d_hidden": d_hidden}.items():
            check_int(value, where=where, name=name)
        self.config, self.n_features, self.seed = config, n_features, check_seed(seed)
        d = config.d_model
        with torch.random.fork_rng(devices=[]):  # start values come from streams of their own, below
            self.embed, self.head = nn.Linear(n_features, d), nn.Linear(d, n_outputs)
            self.norm, self.final_norm = nn.LayerNorm(d), nn.LayerNorm(d)
            self.fc1, self.fc2 = nn.Linear(d, d_hidden), nn.Linear(d_hidden, d)
        initialize_linear(self, self.seed)
        self.memory = PMIModule(config, seed=derived_seed(self.seed, "memory"))
        self.slots, self.understood = nn.Identity(), nn.Identity()

    def forward(self, x: Any) -> torch.Tensor:
        """Say what is expected after each row.

        Parameters
        ----------
        x : tensor, (B, rows, n_features)

        Returns
        -------
        tensor, (B, rows, n_outputs)
            Scores, not normalized.

        Raises
        ------
        SpecError
            If the input does not fit.
        NonFiniteError
            If the input or what the memory makes of it is not finite.

        Examples
        --------
        >>> model = SeriesMemory(PMIConfig(d_model=8, n_heads=2), n_features=1, n_outputs=2)
        >>> short, long = model(torch.ones(1, 2, 1)), model(torch.ones(1, 5, 1))
        >>> bool(torch.allclose(short, long[:, :2], atol=1e-6))
        True
        """
        x = check_input(
            x, (None, None, self.n_features), like=self.head.weight, name="x", where="SeriesMemory"
        )
        tokens = self.embed(x)
        state = self.memory.initial_state(len(x))
        slots, understood = [], []
        for token in tokens.unbind(1):
            step = self.memory(token.unsqueeze(1), state)
            state = step.state
            slots.append(state.working_memory)
            understood.append(step.understanding[:, 0])
        self.slots(torch.stack(slots, dim=1).flatten(2))
        z = tokens + self.understood(torch.stack(understood, dim=1))
        z = z + self.fc2(F.relu(self.fc1(self.norm(z))))
        return self.head(self.final_norm(z))
