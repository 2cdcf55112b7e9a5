"""Measure the figures of expected.toml: a Continuous Thought Machine counts signs, answering by synchrony."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from arcuate import nn
from arcuate.errors import CapabilityError
from arcuate.models import load_training, model_folder
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import Parity

NAME, FRESH, TRAINED = "ctm_parity", 2**32, ("parity_8", "parity_8_state", "parity_16")
SMALL = "Reduced sizes; the published one, 64 signs and 75 ticks, needs a GPU: --full."


def tested(length, seed, device="cpu"):
    """Return a function that tells the accuracy of a model on 2048 new rows."""
    frames = Parity(length=length).draw(2048, seed=FRESH + seed).frames()
    x, targets = (torch.tensor(part, device=device) for part in frames)
    return lambda model: nn.accuracy(model(x), targets)


def trained(names, seeds, out, progress, device="cpu"):
    """Train every machine with every seed: shares of whole rows by name and seed, and a picture."""
    labels, shares = {"xlabel": "step", "ylabel": "whole rows right"}, {name: {} for name in names}
    axes = Figure(figsize=(7, 3), layout="constrained").subplots(subplot_kw=labels)
    for k, (name, seed) in enumerate((name, seed) for name in names for seed in seeds):
        table = load_training(NAME)
        settings, rule = (table[key] | table.get(name, {}).get(key, {}) for key in ("parameters", "training"))
        settings, task = settings | {"seed": seed}, Parity(length=rule.pop("length"))
        model = nn.ContinuousThoughtMachine(**settings).to(device)
        history = nn.fit(model, task.batches(rule.pop("batch")), nn.tick_loss, **rule, seed=seed, every=250,
            evaluate=tested(task.length, seed, device), folder=out / f"{name}-{seed}",
            progress=lambda done, of, k=k: progress(k + done / of, len(names) * len(seeds), ""))  # fmt: skip
        nn.write_weights(model, out / f"{name}-{seed}.safetensors", told={"settings": settings})
        shares[name][seed] = float(history["whole"][-1])
        axes.plot(history["step"], history["whole"], f"C{names.index(name)}", label=f"{name}, seed {seed}")
    axes.legend(fontsize="x-small")
    return shares, {"learning": axes.figure}


def reproduce(seeds, quick, out, progress):
    """Test the weights that come with the package; unless quick, train anew."""
    shares, plots = ({}, {}) if quick else trained(TRAINED, seeds, out, progress)
    for name, length in (("shipped_8", 8), ("shipped_16", 16)):
        model = nn.shipped(f"ctm_parity_{length}")
        shares[name] = {seed: tested(length, seed)(model)["whole"] for seed in seeds}
    return Reproduction(model=NAME, caveats=(SMALL,), figures=judge(NAME, shares, quick=quick), plots=plots)


def reproduce_full(seeds, quick, out, progress):
    """Train the published size."""
    if not torch.cuda.is_available():
        fix = "leave out --full for the reduced sizes"
        raise CapabilityError.of(where=f"{NAME} --full", bound="needs a GPU that torch can use", fix=fix)
    shares, plots = trained(("parity_64",), seeds, out, progress, "cuda")
    figures = judge(str(model_folder(NAME) / "full" / "expected.toml"), shares, quick=quick)
    return Reproduction(model=NAME, figures=figures, plots=plots)
