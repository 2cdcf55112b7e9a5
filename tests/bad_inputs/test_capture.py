"""Rows 103 to 108 of the table of bad inputs: looking into a torch module."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.errors import ArcuateError, NonFiniteError, SpecError, UnknownNameError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

capture, intervene, Edit = arc.probes.capture, arc.probes.intervene, arc.probes.Edit


def model() -> Any:
    return arc.nn.TinyTransformer(n_tokens=5, n_outputs=5, d_model=4, n_layers=2, max_tokens=6, seed=1)


def hooks(module: Any) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def refusal(call: Any, kind: type[ArcuateError] = SpecError) -> str:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert text.count("\n") < 4
    return text


TOKENS = np.zeros((2, 3), int)


@pytest.mark.parametrize("use", ["capture", "intervene"])
def test_103_a_site_that_is_not_there(use: str) -> None:
    one, site = model(), "blocks.1.resid_pots"

    def call() -> None:
        if use == "capture":
            capture(one, TOKENS, sites=site)
        else:
            with intervene(one, Edit(site, "zero")):
                pass

    assert "'blocks.1.resid_post'" in refusal(call, UnknownNameError)


class Breaks(torch.nn.Module):
    """Fails, in the way it is told."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.first, self.error = torch.nn.Identity(), error

    def forward(self, x: Any) -> Any:
        self.first(x)
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("broken"), SpecError),
        (ValueError("broken"), ValueError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (MemoryError(), MemoryError),
    ],
    ids=lambda part: getattr(part, "__name__", type(part).__name__),
)
def test_104_no_hook_is_left_after_an_exception(error: BaseException, kind: type[BaseException]) -> None:
    one = Breaks(error).train()
    with pytest.raises(kind):
        capture(one, np.zeros((2, 3)), sites="first:out")
    assert hooks(one) == 0 and one.training
    with pytest.raises(type(error)), intervene(one, Edit("first:out", "zero")):
        one(torch.zeros(2, 3))
    assert hooks(one) == 0
    with pytest.raises(kind):  # and it may be looked into again
        capture(one, np.zeros((2, 3)), sites="first:out")


def test_104_no_hook_is_left_after_numbers_that_are_not_finite() -> None:
    one = model()
    torch.nn.init.constant_(next(one.parameters()), torch.inf)
    refusal(lambda: capture(one, TOKENS, sites="blocks.*.resid_post"), NonFiniteError)
    assert hooks(one) == 0


def test_105_a_model_in_training_is_looked_at_without_dropout_and_left_in_training() -> None:
    one = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(3, 3))
    one[1].eval()
    found = capture(one.train(False).train(), np.ones((2, 3)), sites="0:out").states("0:out")["activation"]
    assert (found.values == 1).all()
    assert one.training and one[0].training


@pytest.mark.parametrize("wrap", [lambda part: part, lambda part: torch.nn.Sequential(part)])
def test_106_half_precision_on_the_cpu(wrap: Any) -> None:
    one = wrap(torch.nn.Linear(3, 3)).half()
    text = refusal(lambda: capture(one, np.ones((2, 3)), sites=":out"))
    assert "half precision on the CPU" in text and "model.float()" in text


def test_107_tokens_beyond_the_context() -> None:
    text = refusal(lambda: capture(model(), np.zeros((2, 7), int), sites="logits"))
    assert "7" in text and "6" in text
    one = torch.nn.Sequential(torch.nn.Embedding(5, 2))
    one.config = SimpleNamespace(max_position_embeddings=6, vocab_size=5)
    text = refusal(lambda: capture(one, {"input_ids": np.zeros((2, 7), int)}, sites="0:out"))
    assert "have 7 tokens, more than the 6 of the model's context" in text and "shorter pieces" in text
    text = refusal(lambda: capture(one, np.full((2, 3), 5), sites="0:out"))
    assert "from 0 to 4, not 5 to 5" in text


def test_108_what_is_on_no_device_of_this_machine() -> None:
    with torch.device("meta"):
        empty, nothing = torch.nn.Linear(3, 3), torch.zeros(2, 3)
    assert "has no weights yet" in refusal(lambda: capture(empty, np.ones((2, 3)), sites=":out"))
    assert "holds no numbers" in refusal(lambda: capture(torch.nn.Linear(3, 3), nothing, sites=":out"))


def test_padded_batches() -> None:
    one = torch.nn.Sequential(torch.nn.Embedding(5, 2))
    real = np.array([[True, True, False], [True, True, True]])
    text = refusal(lambda: capture(one, np.zeros((2, 3), int), sites="0:out", mask=real, reduce="mean"))
    assert 'reduce="mask-mean"' in text
    text = refusal(
        lambda: capture(one, np.zeros((2, 3), int), sites="0:out", mask=real[:, 1:], reduce="last")
    )
    assert "is for 2 tokens, but 0:out has 3" in text
    text = refusal(lambda: capture(one, np.zeros((2, 3), int), sites="0:out", mask=real & False))
    assert "no real token in trial 0" in text
