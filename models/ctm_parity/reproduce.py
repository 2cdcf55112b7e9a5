"""Measure the figures of expected.toml: a Continuous Thought Machine counts signs, answering by synchrony."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from arcuate import nn
from arcuate.errors import CapabilityError
from arcuate.models import load_training, model_folder
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import Parity

NAME, SMALL = "ctm_parity", "Reduced sizes; the published one, of 64 signs, needs a GPU: --full."


def tested(task, seed, device="cpu"):
    """Return a function that tells the accuracy of a model on 2048 new rows."""
    x, targets = (torch.tensor(part, device=device) for part in task.draw(2048, seed=2**32 + seed).frames())
    return lambda model: nn.accuracy(model(x), targets)


def trained(seeds, out, progress, names=("parity_8", "parity_8_state", "parity_16"), device="cpu"):
    """Train every machine with every seed: shares of whole rows by name, seed and step, and a picture."""
    axes, shares = Figure(figsize=(7, 3), layout="constrained").subplots(), {name: {} for name in names}
    for k, (name, seed) in enumerate((name, seed) for name in names for seed in seeds):
        table = load_training(NAME)
        settings, rule = (table[key] | table.get(name, {}).get(key, {}) for key in ("parameters", "training"))
        settings, task = settings | {"seed": seed}, Parity(length=rule.pop("length"))
        model = nn.ContinuousThoughtMachine(**settings).to(device)
        history = nn.fit(model, task.batches(rule.pop("batch")), nn.tick_loss, **rule, seed=seed, every=250,
            evaluate=tested(task, seed, device), folder=out / f"{name}-{seed}",
            progress=lambda done, of, k=k: progress(k + done / of, len(names) * len(seeds), ""))  # fmt: skip
        nn.write_weights(model, out / f"{name}-{seed}.safetensors", told={"settings": settings})
        shares[name][seed] = history["whole"]
        history["whole"].plot(ax=axes, color=f"C{names.index(name)}", label=f"{name}, seed {seed}")
    axes.legend(fontsize="x-small")
    return shares, {"learning": axes.figure}


def reproduce(seeds, quick, out, progress):
    """Test the weights that come with the package; unless quick, train anew."""
    shares, plots = ({}, {}) if quick else trained(seeds, out, progress)
    measured = {name: {seed: float(of[seed][-1]) for seed in seeds} for name, of in shares.items()}
    if shares:
        ours, other = shares["parity_8"], shares["parity_8_state"]
        measured["gain"] = {seed: 100 * float((ours[seed] - other[seed]).sel(step=500)) for seed in seeds}
    for n, model in ((length, nn.shipped(f"ctm_parity_{length}")) for length in (8, 16)):
        measured[f"shipped_{n}"] = {s: tested(Parity(length=n), s)(model)["whole"] for s in seeds}
    return Reproduction(model=NAME, caveats=(SMALL,), figures=judge(NAME, measured, quick=quick), plots=plots)


def reproduce_full(seeds, quick, out, progress):  # noqa: ARG001
    """Train the published size."""
    if not torch.cuda.is_available():
        raise CapabilityError.of(where=f"{NAME} --full", bound="needs a GPU", fix="leave out --full")
    shares, plots = trained(seeds, out, progress, ("parity_64",), "cuda")
    got = {"parity_64": {seed: float(shares["parity_64"][seed][-1]) for seed in seeds}}
    expected = str(model_folder(NAME) / "full" / "expected.toml")
    return Reproduction(model=NAME, figures=judge(expected, got), plots=plots)
