"""A recurrent language model of letters: two LSTM layers and attention over the last forty letters.

The network of textgenrnn (M. Woolf, 2017 to 2020), of which trained weights are published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from arcuate.errors import SpecError, check_int

__all__ = ["CharacterLSTM"]

START = "<s>"
"""Symbol of the beginning of a text."""


class CharacterLSTM(torch.nn.Module):  # type: ignore[misc]
    """Tell the next letter from those before.

    Letters are embedded; two LSTM layers run over them, the second on the first; the three activities of each
    position are set side by side, and their mean, weighted by a softmax of one product per position, is read
    out.

    Parameters
    ----------
    symbols : sequence of str
        Each a letter, but ``"<s>"``, the beginning of a text. Their numbers are 1 and on; 0 is a pad.
    context : int
        Letters that are seen.
    embedding, units : int
        Width of the embedding, and of each LSTM layer.

    Attributes
    ----------
    symbols : tuple of str
    context : int
    embed, lstm_1, lstm_2, attention, readout : torch.nn.Module
        Sites of `arcuate.probes`, as ``"lstm_1:out"``.

    Raises
    ------
    SpecError
        If symbols are missing, doubled, or not letters.

    Examples
    --------
    >>> model = CharacterLSTM([*"abc ", "<s>"], embedding=4, units=8)
    >>> model(model.tokens(["a cab", "b"])).shape  # each text, each symbol and the pad
    torch.Size([2, 6])
    >>> tokens, letters = model.contexts("a cab")
    >>> loss = torch.nn.functional.cross_entropy(model(tokens), letters)  # in nats per letter
    """

    def __init__(
        self, symbols: Sequence[str], *, context: int = 40, embedding: int = 100, units: int = 128
    ) -> None:
        super().__init__()
        where = "CharacterLSTM"
        known = tuple(symbols)
        for one in known:
            if not isinstance(one, str) or (len(one) != 1 and one != START):
                raise SpecError.of(
                    where=where, name="symbols", value=one, bound=f"must be letters, or {START!r}"
                )
        if len(set(known)) != len(known) or START not in known:
            bound = f"must differ from each other and hold {START!r}"
            raise SpecError.of(where=where, name="symbols", bound=bound)
        self.symbols = known
        self.context = check_int(context, where=where, name="context")
        embedding = check_int(embedding, where=where, name="embedding")
        units = check_int(units, where=where, name="units")
        self._number = {one: i for i, one in enumerate(known, start=1)}
        n_symbols, width = len(known) + 1, embedding + 2 * units
        self.embed = torch.nn.Embedding(n_symbols, embedding)
        self.lstm_1 = torch.nn.LSTM(embedding, units, batch_first=True)
        self.lstm_2 = torch.nn.LSTM(units, units, batch_first=True)
        self.attention = torch.nn.Linear(width, 1, bias=False)
        self.readout = torch.nn.Linear(width, n_symbols)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the log-odds of the next symbol.

        Parameters
        ----------
        tokens : torch.Tensor of int, (trial, token)
            By `tokens` or `contexts`.

        Returns
        -------
        torch.Tensor, (trial, symbol)
            Before the softmax; symbol 0 is the pad.
        """
        embedded = self.embed(tokens)
        first = self.lstm_1(embedded)[0]
        second = self.lstm_2(first)[0]
        states = torch.cat([embedded, first, second], dim=2)
        weights = self.attention(states).softmax(dim=1)
        logits: torch.Tensor = self.readout((weights * states).sum(dim=1))
        return logits

    def tokens(self, texts: str | Sequence[str]) -> torch.Tensor:
        """Return the last letters of texts, after which the model is asked for the next.

        Parameters
        ----------
        texts : str or sequence of str
            One row each.

        Returns
        -------
        torch.Tensor of int, (text, token)
            ``context`` tokens, pads on the left and the beginning of the text where it is shorter.

        Raises
        ------
        SpecError
            If something is no text, or holds a letter that the model does not know.
        """
        given = [texts] if isinstance(texts, str) else texts
        if not isinstance(given, Sequence) or not given or not all(isinstance(one, str) for one in given):
            raise SpecError.of(where="tokens", name="texts", value=texts, bound="must be one or more texts")
        rows = torch.zeros(len(given), self.context, dtype=torch.int64)
        for row, text in zip(rows, given, strict=True):
            numbers = torch.tensor(self._numbers(text)[-self.context :])
            row[self.context - len(numbers) :] = numbers
        return rows.to(self.embed.weight.device)

    def contexts(self, text: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the model sees before each letter of a text, and that letter.

        Parameters
        ----------
        text : str

        Returns
        -------
        tokens : torch.Tensor of int, (letter, token)
            One trial per letter.
        letters : torch.Tensor of int, (letter,)
            Number of the letter that comes: `torch.nn.functional.cross_entropy` of the answers and these is
            in nats per letter.

        Raises
        ------
        SpecError
            If there is no letter, or one that the model does not know.
        """
        if not isinstance(text, str) or not text:
            raise SpecError.of(where="contexts", name="text", value=text, bound="must be a text with letters")
        padded = torch.tensor([0] * (self.context - 1) + self._numbers(text))
        device = self.embed.weight.device
        return padded.unfold(0, self.context, 1)[:-1].to(device), padded[self.context :].to(device)

    def _numbers(self, text: str) -> list[int]:
        """Return the symbols of a text, from its beginning."""
        for at, letter in enumerate(text):
            if letter not in self._number:
                bound = f"holds {letter!r} at {at}, which the model does not know"
                raise SpecError.of(where="CharacterLSTM", name="text", bound=bound)
        return [self._number[START], *(self._number[letter] for letter in text)]


def from_keras(weights: Mapping[str, Any], symbols: Mapping[str, int]) -> CharacterLSTM:
    """Build the model around the weights of textgenrnn.

    Its LSTM weights are those of cuDNN: the numbers of each gate's matrix are in the order that torch has
    too, written as if it were of the shape of Keras; and there are two vectors of biases.

    Parameters
    ----------
    weights : mapping of str to array_like
        By their paths in the HDF5 file.
    symbols : mapping of str to int
        Number of each symbol, from 1.

    Returns
    -------
    CharacterLSTM
        In evaluation mode.
    """
    table = np.asarray(weights["embedding/embedding/embeddings:0"])
    units = len(weights["rnn_1/rnn_1/recurrent_kernel:0"])
    ordered = sorted(symbols, key=symbols.__getitem__)
    model = CharacterLSTM(ordered, embedding=table.shape[1], units=units)
    state = {
        "embed.weight": table,
        "attention.weight": np.asarray(weights["attention/attention/attention_W:0"]).T,
        "readout.weight": np.asarray(weights["output/output/kernel:0"]).T,
        "readout.bias": np.asarray(weights["output/output/bias:0"]),
    }
    for name in ("1", "2"):
        place = f"rnn_{name}/rnn_{name}"
        for ours, theirs in (("ih", "kernel"), ("hh", "recurrent_kernel")):
            gates = np.split(np.asarray(weights[f"{place}/{theirs}:0"]), 4, axis=1)
            laid = [gate.reshape(gate.shape[::-1]) for gate in gates]
            state[f"lstm_{name}.weight_{ours}_l0"] = np.concatenate(laid)
        biases = np.split(np.asarray(weights[f"{place}/bias:0"]), 2)
        state[f"lstm_{name}.bias_ih_l0"], state[f"lstm_{name}.bias_hh_l0"] = biases
    model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in state.items()})
    return model.eval()
