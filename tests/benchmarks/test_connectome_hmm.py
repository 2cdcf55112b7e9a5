"""Fits of the HMM-GLM and its forward-backward pass against the official code's.

The environment variable ARCUATE_HMMGLM_OFFICIAL names the folder that holds the package ``hmmglm`` of
https://github.com/JerrySoybean/onehot-hmmglm; without it this is skipped. Both run in turns in one process,
one thread, in processor seconds. The official schedule is 10 epochs over 30 sequences with 50 steps each; its
cost is measured on a few sequences and scaled, since every sequence costs the same.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.connectome import HMMGLM, forward_backward, switching_network  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1800)]

OFFICIAL = "ARCUATE_HMMGLM_OFFICIAL"
SEQUENCES, EPOCHS, STEPS = 30, 10, 50


@pytest.fixture
def official() -> Any:
    """Return the official modules."""
    folder = os.environ.get(OFFICIAL)
    if not folder:
        pytest.skip(f"{OFFICIAL} does not name the folder of the official package")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escapes in its docstrings
        patch.syspath_prepend(folder)
        try:
            from hmmglm import inference
            from hmmglm.deprecated import model
        except ImportError as error:
            pytest.skip(f"{OFFICIAL} = {folder}: {error}")
        yield model, inference


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def test_the_forward_backward_pass_is_200_times_as_fast(official: Any) -> None:
    rng = np.random.default_rng(0)
    emission = rng.normal(0, 3, (2000, 5))
    transition = np.full((5, 5), 0.005) + 0.975 * np.eye(5)
    there = torch.tensor(emission).float(), torch.tensor(transition).float()
    forward_backward(emission, transition)
    ours, theirs = [], []
    for _ in range(5):
        ours.append(seconds(lambda: [forward_backward(emission, transition) for _ in range(50)]) / 50)
        theirs.append(seconds(lambda: official[1].forward_backward(*there, algorithm="scaling")))
    print(f"\nforward-backward: {min(theirs) * 1e3:.1f} ms against {min(ours) * 1e3:.3f} ms")
    print(f"  {min(theirs) / min(ours):.0f} times as fast")
    assert min(theirs) >= 200 * min(ours)


def train(official: Any, kind: str, spikes: Any, basis: Any) -> None:
    """Train on each sequence once, as the official demonstration does."""
    classes = {"none": "NaiveHMMGLM", "gaussian": "GaussianHMMGLM", "onehot": "OnehotHMMGLM"}
    net = getattr(official, classes[kind])(5, spikes.shape[2], basis)
    net._bias.data = spikes.mean(dim=(0, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    past = torch.nn.functional.pad(spikes, (0, 0, len(basis), 0))
    history = sum(basis[k] * past[:, len(basis) - 1 - k : len(past[0]) - 1 - k] for k in range(len(basis)))
    for counts, seen in zip(spikes, history, strict=True):
        found = net.forward_backward(counts, seen)
        if kind == "onehot":
            net.set_adjacency_type("gumbel_softmax")
        for _ in range(STEPS):
            loss = -net.m_step(counts, seen, *found)
            if kind == "gaussian":
                net.update_weight_prior_mean()
                loss = loss - net.weight_prior_log_likelihood()
            elif kind == "onehot":
                loss = loss - net.adjacency_prior_log_likelihood()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if kind == "onehot":
                net.correct_extreme_onehot()
        if kind == "onehot":
            net.set_adjacency_type("softmax")


@pytest.mark.parametrize("kind", ["none", "gaussian", "onehot"])
def test_a_fit_takes_a_twentieth(official: Any, kind: str) -> None:
    network = switching_network(seed=0)
    counts, _ = network.sample(2000, n_sequences=SEQUENCES, seed=0)
    spikes = torch.tensor(counts[:2], dtype=torch.float32)
    basis = torch.tensor(network.basis, dtype=torch.float32)
    HMMGLM(5, prior=kind, max_iter=1, progress=False).fit(list(counts[:2]))
    before = seconds(lambda: train(official[0], kind, spikes, basis))
    ours = seconds(lambda: HMMGLM(5, prior=kind, progress=False).fit(list(counts)))
    after = seconds(lambda: train(official[0], kind, spikes, basis))
    theirs = min(before, after) / len(spikes) * SEQUENCES * EPOCHS
    print(f"\n{kind}: {theirs:.0f} processor s against {ours:.2f} s, {theirs / ours:.0f} times as fast")
    assert theirs >= 20 * ours
