"""What the sites of a model give, batch by batch, in memory or in a stream."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from arcuate._inputs import check_bytes
from arcuate.errors import ArcuateWarning, CapabilityError, NonFiniteError, SpecError
from arcuate.probes._adapters import Site
from arcuate.probes._given import Given, Places
from arcuate.probes._hooks import Flat
from arcuate.recording.streams import Stream

__all__ = ["Keep", "Reduce", "Room", "Store"]

Reduce = str | Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor] | None
HALF_MAX = 65504.0
HALF_STEP = 2.0**-11  # largest relative error of rounding to float16


@dataclass(frozen=True)
class Keep:
    """What is kept of what a site gives."""

    places: Places
    reduce: Reduce
    dtype: torch.dtype | None


class Room:
    """Where the arrays of all sites are, in memory or in a stream, and how much they take."""

    def __init__(self, n_trials: int, n_batch: int, stream: Stream | None) -> None:
        self.n_trials, self.n_batch, self.stream, self.needed = n_trials, n_batch, stream, 0

    def reserve(self, n_bytes: int, n_rows: int) -> None:
        """Count what a site gave for some trials of the first batch; refuse what will not fit."""
        self.needed += n_bytes * self.n_trials // n_rows
        fix = "choose fewer sites or trials, give reduce= or positions=, or stream with to="
        if self.stream is None:
            check_bytes(self.needed, where="capture", fix=fix)
        else:
            check_bytes(self.needed * self.n_batch // self.n_trials, where="capture", fix="give batch_size=")
            self.stream.check_space(self.needed)

    def array(self, path: str, value: torch.Tensor, axis: str) -> Any:
        """Make the array of a site, for all trials, from what one batch gave."""
        shape, dtype = (self.n_trials, *value.shape[1:]), value.numpy().dtype
        if self.stream is None:
            return np.empty(shape, dtype)
        names = ("trial", axis, "unit")
        more = {"dimension_names": names, "attributes": {"units": "1"}}
        return self.stream.array(path, shape, dtype, rows=self.n_batch, **more)

    def put(self, array: Any, rows: slice, value: torch.Tensor) -> None:
        """Put what a batch gave where its trials belong."""
        try:
            array[rows] = value.numpy()
        except OSError as error:
            assert self.stream is not None
            raise self.stream.error(f"could not be written ({error})") from error


class Store:
    """What one site gave."""

    def __init__(self, site: Site, keep: Keep, room: Room, *, axis: str) -> None:
        self.site, self.room, self.reduce, self.places = site, room, keep.reduce, keep.places
        self.dtype = keep.dtype
        self.array: Any = None
        self.heads: int | None = None
        self.word, self.axis = axis, axis
        self.quantity = "weight" if site.weights else "activation"
        self.kept: np.ndarray | None = None
        self.extended = False
        self.lossy = (0.0, 0.0)

    def start(self, batch: Given) -> None:
        """Begin a batch."""
        self.batch, self.calls = batch, list[torch.Tensor]()

    def see(self, flat: Flat) -> None:
        """Take in what one call gave."""
        value, n = flat.value.detach(), self.batch.n_trials
        if len(value) != n:
            bound = f"must have one row for each of the {n} trials of a batch, not shape {tuple(value.shape)}"
            raise CapabilityError.of(where="capture", name=self.site.name, bound=bound)
        self.heads = flat.heads
        mask = self._mask(value)
        self.kept, self.extended = None, value.ndim == 3
        if self.extended:
            self.kept = self.places.among(value.shape[1], self.site.name)
            value, mask = self.places.take(value, self.kept), self.places.take(mask, self.kept)
        self._check_finite(value, mask)
        if self.extended and self.reduce is not None:
            value, mask, self.kept = self._reduced(value, mask), None, None
        if value.is_floating_point():
            value = self._rounded(value, mask)
        if self.array is None:
            self.room.reserve(value.numel() * value.dtype.itemsize, n)
        if mask is not None and value.is_floating_point():
            value = value.masked_fill(~mask[:, :, None], float("nan"))
        mine = value.untyped_storage().data_ptr() != flat.value.untyped_storage().data_ptr()
        self.calls.append(value.to("cpu", copy=not mine))

    def _mask(self, value: torch.Tensor) -> torch.Tensor | None:
        """Return the mask of these values, if it speaks of their axis."""
        mask = self.batch.mask
        if mask is None or value.ndim != 3:
            return None
        if mask.shape[1] != value.shape[1]:
            if self.reduce is None:
                return None
            bound = f"is for {mask.shape[1]} tokens, but {self.site.name} has {value.shape[1]}"
            raise SpecError.of(where="capture", name="mask", bound=bound)
        return mask

    def _check_finite(self, value: torch.Tensor, mask: torch.Tensor | None) -> None:
        if not value.is_floating_point() or bool(torch.isfinite(value.sum())):
            return
        bad = ~torch.isfinite(value)
        if mask is not None:
            bad &= mask[:, :, None]
        if bad.any():
            place = tuple(int(k) for k in bad.nonzero()[0])
            bound = f"is not finite, at index {place} of a batch"
            raise NonFiniteError.of(where="capture", name=self.site.name, bound=bound)

    def _rounded(self, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return the values in the type of the recording; tell what float16 would lose."""
        if self.dtype is None:
            return value if value.dtype == torch.float64 else value.float()
        if self.dtype == torch.float16 and value.numel():
            size = value.abs() if mask is None else value.abs()[mask]
            most, typical = float(size.max()), float(size.float().median())
            if most > HALF_MAX:
                bound = f"reaches {most:.3g} at {self.site.name}, more than the {HALF_MAX:g} of float16"
                fix = "record float32"
                raise SpecError.of(where="capture", name="dtype", value="float16", bound=bound, fix=fix)
            if most * HALF_STEP > max(typical, self.lossy[1]):
                self.lossy = (most, typical)
        return value.to(self.dtype)

    def warn(self) -> None:
        """Warn of a site whose largest numbers are rounded by more than a typical one."""
        most, typical = self.lossy
        if most:
            text = (
                f"capture: dtype = 'float16' rounds the largest activations of {self.site.name}, {most:.3g}, "
                f"by up to {most * HALF_STEP:.2g}, more than the typical {typical:.2g}; record float32"
            )
            warnings.warn(text, ArcuateWarning, stacklevel=4)

    @property
    def made(self) -> bool:
        """Tell whether the site was reached."""
        return self.array is not None

    def _reduced(self, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if callable(self.reduce):
            found = self.reduce(value, mask)
            if not isinstance(found, torch.Tensor) or found.ndim != 2 or len(found) != len(value):
                shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
                bound = f"must give (trial, unit) with {len(value)} trials, not {shape}"
                raise SpecError.of(where="capture", name="reduce", bound=bound)
            return found
        if mask is not None and not mask.any(1).all():
            bound = f"keep no real token of a trial at {self.site.name}"
            raise SpecError.of(where="capture", name="positions", bound=bound, fix="give positions of all")
        if mask is None:
            return value[:, -1] if self.reduce == "last" else value.mean(1)
        if self.reduce == "last":
            place = torch.arange(mask.shape[1], device=mask.device)
            last = torch.where(mask, place, 0).amax(1)
            return value[torch.arange(len(value), device=value.device), last]
        real = mask[:, :, None]
        return torch.where(real, value, 0).sum(1) / real.sum(1)

    def keep(self, rows: slice) -> None:
        """Put the calls of a batch where its trials belong."""
        if not self.calls:
            return
        value = self._joined()
        self.calls = []
        if self.array is None:
            path = f"states/{self.site.name}/{self.quantity}"
            self.array = self.room.array(path, value, self.axis)
        if self.array.shape[1:] != value.shape[1:]:
            bound = f"has shape {tuple(value.shape[1:])} in a batch and {self.array.shape[1:]} before"
            raise CapabilityError.of(where="capture", name=self.site.name, bound=bound)
        self.room.put(self.array, rows, value)

    def _joined(self) -> torch.Tensor:
        """Return the calls of a batch as (trial, axis, unit)."""
        if len(self.calls) == 1:
            value = self.calls[0]
            self.axis = self.word if value.ndim == 3 else "layer"
            return value if value.ndim == 3 else value[:, None]
        if any(one.ndim != 2 or one.shape != self.calls[0].shape for one in self.calls):
            bound = f"is called {len(self.calls)} times in one pass, each with an axis or other shape"
            raise CapabilityError.of(
                where="capture", name=self.site.name, bound=bound, fix="give reduce=, or the site around it"
            )
        self.axis = "tick"
        value = torch.stack(self.calls, dim=1)
        if self.extended:  # each call had an axis, which was reduced: all of them stay
            return value
        self.kept = self.places.among(len(self.calls), self.site.name)
        return self.places.take(value, self.kept)

    def state(self, trial: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values with their names, as `Recording.build` takes them."""
        n, units = self.array.shape[1:]
        block = re.match(r"blocks\.(\d+)\.", self.site.name)
        place = np.arange(n) if self.kept is None else self.kept
        if self.axis == "tick":
            place = place + 1
        elif self.axis == "layer" and block and n == 1:
            place = place + int(block[1])
        coords = {**trial, self.axis: place}
        if self.heads and units % self.heads == 0:
            coords["head"] = ("unit", np.repeat(np.arange(self.heads), units // self.heads))
            if self.site.weights:
                coords["key"] = ("unit", np.tile(np.arange(units // self.heads), self.heads))
        streamed = self.room.stream is not None
        data = np.broadcast_to(np.zeros((), self.array.dtype), self.array.shape) if streamed else self.array
        return {self.quantity: (data, ("trial", self.axis, "unit"), coords, "1")}
