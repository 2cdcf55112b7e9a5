"""Measure the figures of expected.toml: does chaining help a transformer, and only after local experience?"""

from __future__ import annotations

import torch

from arcuate import models, nn, plot, probes, rng
from arcuate.study.reproduction import Reproduction, judge_seeds
from arcuate.tasks import BayesNet, LocalExperience

NAME = "locality_of_experience"


def signed(size, seed):
    """A random tree in which every variable is its parent or the opposite of it, with errors."""
    parents = BayesNet.random(size["n_variables"], seed=seed).parents
    signs = rng.stream(seed, "locality_of_experience/signs").integers(2, size=len(parents))
    rows = [[abs(1 - same - size["flip"]), abs(same - size["flip"])] for same in signs]
    return BayesNet(parents=parents, tables=[0.5, *rows[1:]])


def asked(say, net, pairs, **options):
    """Scores of what a predictor says of pairs that were never shown together."""
    propose = getattr(say, "propose", None)
    return probes.locality_scores(probes.step_by_step(say, net, pairs, propose=propose, **options))


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Train a transformer on each experience; a quick run has neighborhoods alone, and fewer steps."""
    table, rows = models.load_training(NAME), {}
    size = table["experience"] | (table["quick"] if quick else {})
    table["training"]["steps"] = table["quick" if quick else "training"]["steps"]
    for number, seed in enumerate(seeds):
        net, scores = signed(table["net"], seed), {}
        pairs = net.far_pairs(size["pairs"])
        for k, kind in enumerate(size["kinds"]):
            task = LocalExperience(net=net, observed=kind, held_out=pairs, seed=seed, **table["task"])
            model = nn.TinyTransformer(**table["parameters"], seed=seed)
            say = probes.WordPredictor(
                lambda words, model=model: model.eval()(torch.tensor(words)).detach().numpy(), net.n_variables
            )
            if kind == "local":
                counted = probes.PairTable(task.draw(size["trials"], seed=seed))
                scores |= {name: asked(one, net, pairs, n_draws=size["draws"], seed=seed)
                    for name, one in (("counted", counted), ("untrained", say))}  # fmt: skip
            draw = task.batches(size["batch"])
            nn.fit(model, draw, nn.asked_loss, **table["training"], seed=seed, progress=False)
            scores[kind] = asked(say, net, pairs, n_draws=size["draws"], seed=seed)
            progress(number + (k + 1) / len(size["kinds"]), len(seeds), kind)
        slopes = {kind: found.slope.to_series() for kind, found in scores.items()}
        rows[seed] = {
            f"{kind}_{way}": float(slope[way]) for kind, slope in slopes.items() for way in slope.index
        }
        for kind, slope in slopes.items():
            rows[seed][f"{kind}_gap"] = float(slope["scaffolded"] - slope["direct"])
            rows[seed][f"{kind}_negative_gap"] = float(slope["negative"] - slope["direct"])
            errors = scores[kind].mse_true.to_series()
            rows[seed] |= {f"{kind}_{way}_error": float(errors[way]) for way in errors.index}
    told = judge_seeds(NAME, rows, quick=quick)
    return Reproduction(model=NAME, **told, plots={"errors": plot.locality(scores).figure})
