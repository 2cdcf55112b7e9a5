"""Measure the figures of expected.toml: states and anatomy of switching networks, under three priors."""

from __future__ import annotations

import numpy as np

from arcuate import plot
from arcuate.connectome import HMMGLM, forward_backward, log_emission, match_states, switching_network
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge

NAME, PRIORS = "onehot_hmm_glm", ("none", "gaussian", "onehot")


def draw(table, size, seed):
    """A network, its counts for fitting and for testing, the states behind the latter, and its own score."""
    network = switching_network(**table["network"], seed=seed)
    many = size["train"] + size["test"]
    spikes, states = network.sample(size["n_bins"], n_sequences=many, seed=seed)
    test = list(spikes[size["train"] :])
    emissions = (log_emission(x, network.weights, network.bias, basis=network.basis) for x in test)
    total = sum(forward_backward(each, network.transition).log_likelihood for each in emissions)
    own = total / len(test) / size["n_bins"]
    return network, list(spikes[: size["train"]]), test, states[size["train"] :], own


def recovered(model, network, test, states):
    """Share of bins in the right state, balanced accuracy of the signs, and which state is which."""
    truth = states.ravel()
    found = np.concatenate([each.values.argmax(axis=1) for each in model.posterior(test)])
    match = match_states(truth, found, n_states=model.n_states)
    signs, wanted = model.connectome_["state_adjacency"].values[match], network.adjacency
    balanced = np.mean([(signs[wanted == sign] == sign).mean() for sign in (-1, 0, 1)])
    return (match[truth] == found).mean(), balanced, match


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Draw a network for each seed and fit it under three priors; a quick run has less data."""
    table, rows = load_training(NAME), {}
    for number, seed in enumerate(seeds):
        network, train, test, states, own = draw(table, table["quick" if quick else "data"], seed)
        models, score = {}, {}
        for index, prior in enumerate(PRIORS):
            progress(number + index / len(PRIORS), len(seeds), f"prior {prior}")
            models[prior] = HMMGLM(**table["parameters"], prior=prior, seed=seed, progress=False).fit(train)
            score[prior] = models[prior].score(test)
        accuracy, balanced, match = recovered(models["onehot"], network, test, states)
        rows[seed] = {"onehot_gain": score["onehot"] - score["gaussian"],
            "gaussian_gain": score["gaussian"] - score["none"], "to_truth": own - score["onehot"],
            "accuracy": accuracy, "adjacency": balanced}  # fmt: skip
    shown = slice(0, 600)
    posterior = models["onehot"].posterior(test[:1])[0].values[shown]
    plots = {"states": plot.state_posterior(posterior, truth=match[states[0, shown]]).figure,
        "weights": plot.state_weights(models["onehot"].connectome_).figure}  # fmt: skip
    measured = {name: {seed: float(row[name]) for seed, row in rows.items()} for name in rows[seed]}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots=plots)
