"""Measure the figures of expected.toml: a Continuous Thought Machine sees digits and works with them."""

from __future__ import annotations

import torch

from arcuate import nn
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import DigitQuestions

NAME, FRESH = "ctm_digits", 2**32
SMALL = "Digits of 8 x 8 pixels, at most three, 128 neurons; published are MNIST, at most five, 1024 neurons."
SAME_HANDS = "The people who wrote the test images also wrote training images."


def shares(model, images, seed, n=1000):
    """Return the share of right answers to new questions, by numbers of digits and of operations."""
    found = {}
    for task in DigitQuestions(digits=(1, 3), operations=(1, 2), images=images).each():
        (shown, question), answers = task.draw(n, seed=FRESH + seed).frames()
        with torch.no_grad():
            thought = model((torch.from_numpy(shown), torch.from_numpy(question))).last(model.n_ticks)
        name = f"{task.digits[0]} digits, {task.operations[0]} operations"
        found[name] = nn.accuracy(thought, torch.from_numpy(answers))["whole"]
    return {"right": sum(found.values()) / len(found), **found}


def learn(seed, out, progress):
    """Train in stages, each with an optimizer of its own; write the weights."""
    table = load_training(NAME)
    settings, stages = {**table["parameters"], "seed": seed}, table["stages"].values()
    model = nn.QuestionThoughtMachine(**settings)
    error = lambda thought, answers: nn.tick_loss(thought.last(model.n_ticks), answers)  # noqa: E731
    batches = lambda kinds: DigitQuestions(**table["images"], **kinds).batches(table["batch"])  # noqa: E731
    every = batches(table["all"])
    for k, stage in enumerate(stages):
        p, until, own = stage.pop("share"), stage.pop("until"), batches(stage.pop("questions"))
        draw = lambda rng, p=p, own=own: own(rng) if p and rng.random() >= 1 - p else every(rng)  # noqa: E731
        nn.fit(model, draw, error, **stage, seed=seed + 1000 * k, every=250,
            stop=lambda rows, until=until: rows[-1]["step"] >= until,
            progress=lambda done, of, k=k: progress(k + done / of, len(stages)))  # fmt: skip
    nn.write_weights(model, out / f"digits-{seed}.safetensors", told={"settings": settings})
    return model.eval()


def reproduce(seeds, quick, out, progress):
    """Test the weights that come with the package; unless quick, train anew as well."""
    rows = {}
    for k, seed in enumerate(seeds):
        tested = {f"shipped_{images}": shares(nn.shipped(NAME), images, seed) for images in ("test", "train")}
        if not quick:
            model = learn(seed, out, lambda done, of, k=k: progress(k + done / of, len(seeds), "learning"))
            tested["trained_test"] = shares(model, "test", seed)
        rows |= {(name, seed): found for name, found in tested.items()}
    measured = {name: {s: rows[n, s]["right"] for n, s in rows if n == name} for name, _ in rows}
    table = {"weights": [f"{name}, seed {seed}" for name, seed in rows]}
    table |= {key: [found[key] for found in rows.values()] for key in next(iter(rows.values()))}
    figures = judge(NAME, measured, quick=quick)
    return Reproduction(model=NAME, figures=figures, caveats=(SMALL, SAME_HANDS), tables={"kinds": table})
