"""One training loop for all torch models: seeded, resumable, without pickle.

Step k of a training depends on the seed, on k and on the state after step k - 1 alone: its batch comes from
the stream ``train/batch/k``, its dropout from ``train/step/k``. A training that was stopped and goes on from
its checkpoint therefore ends in the same bits.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

import arcuate
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import (
    CapabilityError,
    FileFormatError,
    NonFiniteError,
    SpecError,
    StoreError,
    check_choice,
    check_int,
    check_real,
)
from arcuate.nn._layers import as_tensor
from arcuate.recording.files import publish
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit"]

CHECKPOINT = "checkpoint.safetensors"
SCHEMA = "arcuate-training/1"
OPTIMIZERS = ("adamw", "muon")
SCHEDULES = ("cosine", "constant")

Batches = Callable[[np.random.Generator], tuple[Any, Any]]
Loss = Callable[[Any, torch.Tensor], torch.Tensor]
Row = dict[str, float]


def fit(
    model: nn.Module,
    batches: Batches,
    loss: Loss,
    *,
    steps: int,
    seed: int,
    optimizer: str = "adamw",
    learning_rate: float = 1e-3,
    warmup: int = 0,
    schedule: str = "cosine",
    weight_decay: float = 0.0,
    clip_norm: float | None = 1.0,
    every: int = 100,
    evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    stop: Callable[[Sequence[Mapping[str, float]]], bool] | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Train a model in place: a linear warm-up, then a cosine down to zero or a rate that stays.

    Parameters
    ----------
    model : torch.nn.Module
        Trained where it is; a method ``constrain_()``, if it has one, is called after each step.
    batches : callable
        Makes a batch (input, targets) from a NumPy generator; each an array or a tuple of arrays.
    loss : callable
        A scalar from what the model gave and the targets.
    steps : int
        Steps in all, those before a resumption included.
    seed : int
        Of batches and dropout; start values are the model's own.
    optimizer : {"adamw", "muon"}
        "muon" gives each parameter with two axes, embeddings apart, a step whose singular values are all
        alike, as large as a usual step of AdamW; AdamW moves the rest. Needs PyTorch 2.9.
    learning_rate : float
        At the end of the warm-up.
    warmup : int
        Steps of the warm-up.
    schedule : {"cosine", "constant"}
        After the warm-up: down to zero, or as it is. What is learned abruptly and late comes later still
        while the rate falls.
    weight_decay : float
        Of either optimizer, apart from the gradient.
    clip_norm : float or None
        Largest norm of the gradient; None: any.
    every : int
        Steps between two rows of the history, which are also the moments of evaluation and checkpoint.
    evaluate : callable or None
        Figures of the model, which it gets in evaluation mode without gradients.
    stop : callable or None
        Gets the rows so far, each with ``step``, ``loss`` and the figures of ``evaluate``; true ends the
        training.
    folder : path or None
        Where the checkpoint is kept. If one is there, the training goes on from it.
    progress : bool, callable or None
        True: a bar; None: a bar on a terminal; False: nothing; a function of (steps done, steps in all).

    Returns
    -------
    xarray.Dataset
        Along ``step``: ``loss`` (mean since the row before), ``gradient_norm``, ``learning_rate``, and the
        figures of ``evaluate``.

    Raises
    ------
    SpecError
        If an option is out of bounds, or the checkpoint is of other options or another model; the first that
        differs is named.
    NonFiniteError
        If the loss or the gradient is not finite; the step is named, and the checkpoint before it is kept.
    FileFormatError
        If the checkpoint cannot be read or is damaged.
    StoreError
        If the checkpoint cannot be written.
    CapabilityError
        For "muon" with a PyTorch before 2.9.

    Notes
    -----
    AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101. Muon: Jordan et al. 2024, with the length of a step
    of Liu et al. 2025, arXiv 2502.16982, eq. 4, so that one rate serves both.

    Examples
    --------
    >>> from arcuate.nn import ContinuousThoughtMachine, tick_loss
    >>> model = ContinuousThoughtMachine(
    ...     n_outputs=2, n_ticks=3, n_neurons=16, width=2, heads=0, n_out=4, history=3, hidden=2, seed=1
    ... )
    >>> def batches(rng):
    ...     x = rng.normal(size=(32, 2))
    ...     return x, (x[:, 0] > 0).astype(int)
    >>> history = fit(model, batches, tick_loss, steps=20, seed=1, every=10, progress=False)
    >>> history.sizes["step"], bool(history["loss"][-1] < history["loss"][0])
    (2, True)
    """
    settings = _settings(
        steps=steps, seed=seed, optimizer=optimizer, learning_rate=learning_rate, warmup=warmup,
        schedule=schedule, weight_decay=weight_decay, clip_norm=clip_norm, every=every,
    )  # fmt: skip
    check_progress(progress, where="fit")
    run = _Training(model, settings, None if folder is None else Path(folder))
    was_training = model.training
    try:
        with progress_bar(progress, steps, title="training") as report:
            if report is not None and run.step:
                report(run.step)
            while run.step < steps and not run.stopped:
                run.advance(batches, loss)
                if run.step % every == 0 or run.step == steps:
                    run.close_row(evaluate)
                    run.stopped = stop is not None and bool(stop(list(run.rows)))
                    run.save()
                if report is not None:
                    report(1)
    finally:
        model.train(was_training)
    return run.history()


def _settings(**options: Any) -> dict[str, Any]:
    """Return the checked options that a resumption must share."""
    for name, low in (("steps", 1), ("warmup", 0), ("every", 1)):
        options[name] = check_int(options[name], where="fit", name=name, low=low)
    options["seed"] = check_seed(options["seed"])
    check_choice(options["optimizer"], OPTIMIZERS, where="fit", name="optimizer")
    check_choice(options["schedule"], SCHEDULES, where="fit", name="schedule")
    for name, strict in (("learning_rate", True), ("weight_decay", False), ("clip_norm", True)):
        if options[name] is not None:
            options[name] = check_real(options[name], where="fit", name=name, low=0, low_open=strict)
    return options


class _Training:
    """A training under way: the model, its optimizer, the rows so far, and the file that keeps them."""

    def __init__(self, model: nn.Module, settings: dict[str, Any], folder: Path | None) -> None:
        self.model, self.settings, self.folder = model, settings, folder
        self.trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
        if not self.trained:
            raise SpecError.of(where="fit", name="model", bound="has no parameter to train")
        self.optimizers = _optimizers(model, settings)
        self.device = next(iter(self.trained.values())).device
        self.step, self.stopped, self.rows = 0, False, list[Row]()
        self._losses, self._norms = list[float](), list[float]()
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise _cannot_write(folder, error) from error
            if (folder / CHECKPOINT).exists():
                self.load(folder / CHECKPOINT)

    @property
    def learning_rate(self) -> float:
        """Of the step that comes next."""
        peak, warmup, steps = (self.settings[name] for name in ("learning_rate", "warmup", "steps"))
        if self.step < warmup:
            return peak * (self.step + 1) / warmup
        if self.settings["schedule"] == "constant":
            return peak
        return peak * (1 + math.cos(math.pi * (self.step - warmup) / max(1, steps - warmup))) / 2

    def advance(self, batches: Batches, loss: Loss) -> None:
        """Take one step."""
        seed, step = self.settings["seed"], self.step + 1
        x, targets = (_as_tensors(part, self.device) for part in batches(stream(seed, f"train/batch/{step}")))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate
        self.model.train()
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(int(stream(seed, f"train/step/{step}").integers(2**63)))
            value = loss(self.model(x), targets)
            for optimizer in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
            value.backward()
        limit = self.settings["clip_norm"]
        norm = nn.utils.clip_grad_norm_(self.trained.values(), math.inf if limit is None else limit)
        for name, number in (("loss", value.item()), ("gradient", norm.item())):
            if not math.isfinite(number):
                fix = "use a smaller learning_rate or clip_norm"
                raise NonFiniteError.of(
                    where=f"fit, step {step}", name=name, value=number, bound="must be finite", fix=fix
                )
        for optimizer in self.optimizers:
            optimizer.step()
        if hasattr(self.model, "constrain_"):
            self.model.constrain_()
        self._losses.append(value.item())
        self._norms.append(norm.item())
        self.step = step

    def close_row(self, evaluate: Callable[[nn.Module], Mapping[str, float]] | None) -> None:
        """Add what happened since the last row to the history."""
        row = {
            "step": self.step,
            "loss": float(np.mean(self._losses)),
            "gradient_norm": float(np.mean(self._norms)),
            "learning_rate": float(self.optimizers[0].param_groups[0]["lr"]),
        }
        self._losses.clear()
        self._norms.clear()
        if evaluate is not None:
            self.model.eval()
            with torch.no_grad():
                row |= {str(name): float(value) for name, value in evaluate(self.model).items()}
        self.rows.append(row)

    def history(self) -> xr.Dataset:
        """Return the rows as a Dataset along ``step``."""
        import xarray as xr

        names = list(dict.fromkeys(name for row in self.rows for name in row if name != "step"))
        columns = {name: ("step", [row.get(name, math.nan) for row in self.rows]) for name in names}
        kept = {name: value for name, value in self.settings.items() if value is not None}
        kept["seed"] = str(kept["seed"])  # it may have 128 bits
        attributes = {**kept, "stopped_early": int(self.stopped), "arcuate_version": arcuate.__version__}
        return xr.Dataset(columns, {"step": [int(row["step"]) for row in self.rows]}, attributes)

    # -------------------------------------------------------------- the checkpoint

    def _states(self) -> Iterator[tuple[str, nn.Parameter, dict[str, Any]]]:
        """Each trained parameter with its name and what its optimizer keeps of it."""
        names = {parameter: name for name, parameter in self.trained.items()}
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    yield names[parameter], parameter, optimizer.state[parameter]

    def _tensors(self) -> dict[str, torch.Tensor]:
        """All numbers that move, by name; parameters that are shared stand once."""
        found = {f"model/{name}": value for name, value in self.model.named_parameters()}
        found |= {f"buffer/{name}": value for name, value in self.model.named_buffers()}
        for name, _, state in self._states():
            for kind, value in state.items():
                found[f"optimizer/{kind}/{name}"] = value
        return {name: value.detach().cpu().contiguous().clone() for name, value in found.items()}

    def save(self) -> None:
        """Write the checkpoint under another name and rename it, so that there is always a whole one."""
        if self.folder is None:
            return
        from safetensors.torch import save

        tensors = self._tensors()
        told = {
            "schema": SCHEMA, "step": self.step, "stopped": self.stopped, "rows": self.rows,
            "settings": self.settings,
        }  # fmt: skip
        told["sha256"] = _digest(tensors, told)
        partial = self.folder / f".{secrets.token_hex(8)}.partial"
        try:
            with partial.open("xb") as file:
                file.write(save(tensors, {"arcuate": json.dumps(told)}))
                file.flush()
                os.fsync(file.fileno())
            publish(partial, self.folder / CHECKPOINT, overwrite=True)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise _cannot_write(self.folder, error) from error

    def load(self, path: Path) -> None:
        """Go back to where a checkpoint was written."""
        tensors, told = _read(path)
        for name, value in self.settings.items():
            if told["settings"].get(name) != value:
                bound = f"is {told['settings'].get(name)!r} in the checkpoint of this folder"
                fix = "use the same options, or another folder"
                raise SpecError.of(where="fit", name=name, value=value, bound=bound, fix=fix)
        own = self._tensors()
        fix = "build the same model, or use another folder"
        for name, value in own.items():
            if (
                name not in tensors
                or tensors[name].shape != value.shape
                or tensors[name].dtype != value.dtype
            ):
                found = (
                    f"{tuple(tensors[name].shape)}, {tensors[name].dtype}" if name in tensors else "not there"
                )
                bound = f"is {found} in the checkpoint, and {tuple(value.shape)}, {value.dtype} in the model"
                raise SpecError.of(where="fit", name=name, bound=bound, fix=fix)
        for name in tensors:
            if not name.startswith("optimizer/") and name not in own:
                raise SpecError.of(where="fit", name=name, bound="is not part of the model", fix=fix)
        with torch.no_grad():
            for name, value in self.model.named_parameters():
                value.copy_(tensors[f"model/{name}"])
            for name, value in self.model.named_buffers():
                value.copy_(tensors[f"buffer/{name}"])
        for name, parameter, state in self._states():
            for kind in ("step", "exp_avg", "exp_avg_sq", "momentum_buffer"):
                value = tensors.get(f"optimizer/{kind}/{name}")
                if value is not None:
                    state[kind] = value.to("cpu" if kind == "step" else parameter.device)
        self.step, self.stopped, self.rows = told["step"], told["stopped"], told["rows"]


def _optimizers(model: nn.Module, settings: Mapping[str, Any]) -> list[torch.optim.Optimizer]:
    """Return the optimizers, which share the trained parameters between them."""
    if settings["optimizer"] == "muon" and not hasattr(torch.optim, "Muon"):
        bound = f"needs PyTorch 2.9, and this is {torch.__version__}"
        raise CapabilityError.of(where="fit", name="optimizer", value="muon", bound=bound)
    matrices, others = list[nn.Parameter](), list[nn.Parameter]()
    embeddings = {part.weight for part in model.modules() if isinstance(part, nn.Embedding)}
    for parameter in model.parameters():
        is_matrix = settings["optimizer"] == "muon" and parameter.ndim == 2 and parameter not in embeddings
        if parameter.requires_grad:
            (matrices if is_matrix else others).append(parameter)
    options = {"lr": settings["learning_rate"], "weight_decay": settings["weight_decay"]}
    made: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, **options)] if others else []
    if matrices:
        made.append(torch.optim.Muon(matrices, **options, adjust_lr_fn="match_rms_adamw"))
    return made


def _as_tensors(part: Any, device: torch.device) -> Any:
    """Return an array, or each of a tuple, as a tensor."""
    if isinstance(part, tuple):
        return tuple(_as_tensors(one, device) for one in part)
    return as_tensor(part, device, where="fit", name="batches")


def _cannot_write(folder: Path, error: OSError) -> StoreError:
    return StoreError.of(where="fit", name="folder", value=str(folder), bound=f"cannot be written ({error})")


def _digest(tensors: Mapping[str, torch.Tensor], told: Mapping[str, Any]) -> str:
    """Sha256 over what a checkpoint says of itself, and the names and bytes of its tensors."""
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors of a checkpoint and what it says of itself, after checking both."""
    from safetensors import SafetensorError, safe_open

    def refuse(bound: str) -> FileFormatError:
        return FileFormatError.of(
            where="fit", name="checkpoint", value=str(path), bound=bound, fix="use another folder"
        )

    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("arcuate", "")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        told = json.loads(text)
    except (SafetensorError, OSError, ValueError) as error:
        raise refuse(f"cannot be read ({error})") from error
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise refuse(f"must be of schema {SCHEMA}")
    if told.pop("sha256", None) != _digest(tensors, told):
        raise refuse("is damaged: its checksum does not fit")
    return tensors, told
