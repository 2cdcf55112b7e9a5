"""The recurrent model of letters: contexts, words that it does not know, and the published weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from arcuate.errors import SpecError

torch = pytest.importorskip("torch")

from arcuate.nn import CharacterLSTM  # noqa: E402
from arcuate.nn.character_lstm import from_keras  # noqa: E402

pytestmark = pytest.mark.torch
SYMBOLS = [*"abc ", "<s>"]


@pytest.fixture
def model() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CharacterLSTM(SYMBOLS, context=4, embedding=3, units=5).eval()


def test_a_text_is_seen_from_its_beginning(model: Any) -> None:
    assert model.tokens(["a", "", "abca c"]).tolist() == [[0, 0, 5, 1], [0, 0, 0, 5], [3, 1, 4, 3]]


def test_contexts_stand_before_their_letters(model: Any) -> None:
    text = "cab a"
    tokens, letters = model.contexts(text)
    assert letters.tolist() == [3, 1, 2, 4, 1]
    for n, row in enumerate(tokens):
        assert torch.equal(row, model.tokens(text[:n])[0])


def test_the_answer_is_the_weighted_mean_of_all_positions(model: Any) -> None:
    tokens = model.tokens(["ab c"])
    embedded = model.embed(tokens)[0].detach().numpy()

    def lstm(layer: Any, x: np.ndarray) -> np.ndarray:
        w, u = (getattr(layer, f"weight_{kind}_l0").detach().numpy() for kind in ("ih", "hh"))
        bias = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()
        h, c, rows = np.zeros(5), np.zeros(5), []
        for row in x:
            i, f, g, o = np.split(w @ row + u @ h + bias, 4)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
            rows.append(h)
        return np.array(rows)

    first = lstm(model.lstm_1, embedded)
    states = np.hstack([embedded, first, lstm(model.lstm_2, first)])
    odds = states @ model.attention.weight.detach().numpy()[0]
    mean = np.exp(odds) @ states / np.exp(odds).sum()
    expected = model.readout.weight.detach().numpy() @ mean + model.readout.bias.detach().numpy()
    np.testing.assert_allclose(model(tokens)[0].detach(), expected, atol=1e-6)


def test_weights_of_cudnn_are_laid_as_torch_has_them() -> None:
    """Each matrix of the file lies flat as cuDNN has it, in the shape of Keras."""
    rng = np.random.default_rng(0)
    wanted = {name: rng.normal(size=(4, 5, 3 if name == "rnn_1" else 5)) for name in ("rnn_1", "rnn_2")}
    again = {name: rng.normal(size=(4, 5, 5)) for name in wanted}
    weights: dict[str, np.ndarray] = {
        "embedding/embedding/embeddings:0": rng.normal(size=(6, 3)),
        "attention/attention/attention_W:0": rng.normal(size=(13, 1)),
        "output/output/kernel:0": rng.normal(size=(13, 6)),
        "output/output/bias:0": rng.normal(size=6),
    }
    for name, gates in wanted.items():
        laid = [gate.reshape(-1).reshape(gate.shape[::-1]) for gate in gates]
        weights[f"{name}/{name}/kernel:0"] = np.hstack(laid)
        weights[f"{name}/{name}/recurrent_kernel:0"] = np.hstack(list(again[name]))
        weights[f"{name}/{name}/bias:0"] = rng.normal(size=40)
    model = from_keras(weights, {symbol: i for i, symbol in enumerate(SYMBOLS, start=1)})
    for layer, name in ((model.lstm_1, "rnn_1"), (model.lstm_2, "rnn_2")):
        np.testing.assert_allclose(layer.weight_ih_l0.detach(), wanted[name].reshape(20, -1), rtol=1e-6)
        np.testing.assert_allclose(layer.weight_hh_l0.detach(), again[name].reshape(20, 5), rtol=1e-6)
        np.testing.assert_allclose(
            layer.bias_hh_l0.detach(), weights[f"{name}/{name}/bias:0"][20:], rtol=1e-6
        )


@pytest.mark.parametrize("text", ["ax", "<s>", 3, None, [3], []])
def test_texts_that_it_does_not_know(model: Any, text: Any) -> None:
    with pytest.raises(SpecError, match=r"text"):
        model.tokens(text)


@pytest.mark.parametrize("text", ["", 3])
def test_no_letters_to_tell(model: Any, text: Any) -> None:
    with pytest.raises(SpecError, match="with letters"):
        model.contexts(text)


@pytest.mark.parametrize("symbols", [["ab", "<s>"], ["a"], ["a", "a", "<s>"], [3, "<s>"]])
def test_symbols_that_are_none(symbols: Any) -> None:
    with pytest.raises(SpecError, match="symbols"):
        CharacterLSTM(symbols)


TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "The best way to learn a new language is to speak it every day with friends.",
    "What is the best thing that happened to you this year?",
    "I have been working on a new project for the last few weeks and I think it's time to share it with you.",
    "the president of the united states said today that he would not be able to attend the meeting",
)


@pytest.mark.weights
def test_textgenrnn_knows_english(textgenrnn: CharacterLSTM) -> None:
    """With the gates laid otherwise it tells less than chance would."""
    nats, n = 0.0, 0
    for text in TEXTS:
        tokens, letters = textgenrnn.contexts(text)
        with torch.no_grad():
            nats += float(torch.nn.functional.cross_entropy(textgenrnn(tokens), letters, reduction="sum"))
        n += len(letters)
    assert nats / n / math.log(2) < 1.5
