"""What goes into a model: tensors with one row per trial, checked before the model is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from arcuate.errors import ArcuateError, SpecError

__all__ = ["Given", "Places", "given"]


class Given(NamedTuple):
    """Arguments of a model, and which tokens are real."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    mask: torch.Tensor | None
    n_trials: int
    dim: int

    def batches(self, size: int) -> Iterator[tuple[slice, Given]]:
        """Give the trials in batches."""
        for first in range(0, self.n_trials, size):
            rows = slice(first, min(first + size, self.n_trials))
            args = tuple(self._rows(part, rows) for part in self.args)
            kwargs = {key: self._rows(part, rows) for key, part in self.kwargs.items()}
            mask = None if self.mask is None else self.mask[rows]
            yield rows, Given(args, kwargs, mask, rows.stop - rows.start, self.dim)

    def _rows(self, part: Any, rows: slice) -> Any:
        if not isinstance(part, torch.Tensor):
            return part
        return part.narrow(self.dim, rows.start, rows.stop - rows.start)

    def answer(self, model: torch.nn.Module, *, where: str) -> Any:
        """Run a model on them; inputs that do not go through are told as such."""
        try:
            return model(*self.args, **self.kwargs)
        except ArcuateError:
            raise
        except (RuntimeError, TypeError, IndexError) as error:
            bound = f"do not go through {type(model).__name__} ({error})"
            raise SpecError.of(where=where, name="inputs", bound=bound) from error

    def words(self) -> bool:
        """Tell whether the first input is one of whole numbers, as tokens are."""
        first = next(part for part in (*self.args, *self.kwargs.values()) if isinstance(part, torch.Tensor))
        return not first.is_floating_point()


class Places(NamedTuple):
    """Which tokens or ticks are kept."""

    chosen: slice | tuple[int, ...] | None

    @staticmethod
    def of(positions: Any) -> Places:
        """Check what the user gave: a number, several, a slice or None."""
        if positions is None or isinstance(positions, slice):
            return Places(positions)
        try:
            array = np.atleast_1d(np.asarray(positions))
        except ValueError:
            array = np.empty(0)
        if array.ndim != 1 or array.dtype.kind not in "iu" or not array.size:
            bound = "must be a whole number, several, or a slice"
            raise SpecError.of(where="capture", name="positions", value=positions, bound=bound)
        return Places(tuple(int(place) for place in array))

    def among(self, n: int, site: str) -> np.ndarray:
        """Return the places that are kept of n."""
        place = np.arange(n)
        if self.chosen is None:
            return place
        if isinstance(self.chosen, slice):
            place = place[self.chosen]
        elif all(-n <= one < n for one in self.chosen):
            place = place[list(self.chosen)]
        else:
            place = place[:0]
        if not place.size:
            bound = f"must be among the {n} of {site}"
            raise SpecError.of(where="capture", name="positions", value=self.chosen, bound=bound)
        return place

    def take(self, value: Any, place: np.ndarray) -> Any:
        """Take these places of (trial, place, ...), or of no mask."""
        if value is None or self.chosen is None:
            return value
        return value[:, torch.from_numpy(place).to(value.device)]


def given(model: torch.nn.Module, inputs: Any, mask: Any, *, batch_first: bool) -> Given:
    """Take the inputs of a model apart, put them on its device and check them.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : array, tensor, tuple of them, or mapping
        Arguments by position or by name.
    mask : array or None
        (trial, token), true for what is real; None: "attention_mask" of a mapping, if there is one.
    batch_first : bool

    Returns
    -------
    Given

    Raises
    ------
    SpecError
        If they do not fit each other or the model.
    """
    own = next(model.parameters(), torch.zeros(()))
    if own.device.type == "meta":
        bound = "has no weights yet (its device is 'meta')"
        raise SpecError.of(where="capture", name="model", bound=bound, fix="load weights before")
    if own.dtype == torch.float16 and own.device.type == "cpu":
        bound = "is of half precision on the CPU, where sums in float16 lose what one wants to see"
        raise SpecError.of(where="capture", name="model", bound=bound, fix="call model.float() before")
    named = isinstance(inputs, Mapping)
    parts = dict(inputs) if named else dict(enumerate(inputs if isinstance(inputs, tuple) else (inputs,)))
    tensors = {key: _tensor(part, own, key) for key, part in parts.items()}
    dim = 0 if batch_first else 1
    rows = {
        part.shape[dim] for part in tensors.values() if isinstance(part, torch.Tensor) and part.ndim > dim
    }
    if len(rows) != 1 or 0 in rows:
        bound = f"must have the same number of trials in every part, at least one, not {sorted(rows)}"
        raise SpecError.of(where="capture", name="inputs", bound=bound)
    n_trials = rows.pop()
    _check_tokens(model, tensors)
    real = tensors.get("attention_mask") if named and mask is None else mask
    kwargs = {str(key): part for key, part in tensors.items()} if named else {}
    checked = None if real is None else _mask(real, n_trials, own.device)
    return Given(() if named else tuple(tensors.values()), kwargs, checked, n_trials, dim)


def _tensor(part: Any, own: torch.Tensor, key: Any) -> Any:
    """Return a tensor where the model is; flags and None stay."""
    if part is None or isinstance(part, (bool, str)):
        return part
    try:
        tensor = part if isinstance(part, torch.Tensor) else torch.from_numpy(np.array(part))
    except (TypeError, ValueError) as error:
        raise SpecError.of(where="capture", name="inputs", bound=f"must be numbers ({error})") from error
    if tensor.device.type == "meta":
        bound = f"holds no numbers (part {key!r} is on the device 'meta')"
        raise SpecError.of(where="capture", name="inputs", bound=bound)
    if tensor.is_floating_point():
        if not torch.isfinite(tensor).all():
            raise SpecError.of(where="capture", name="inputs", bound=f"must be finite (part {key!r})")
        return tensor.to(own.device, own.dtype)
    return tensor.to(own.device, tensor.dtype if tensor.dtype == torch.bool else torch.int64)


def _check_tokens(model: torch.nn.Module, tensors: Mapping[Any, Any]) -> None:
    """Refuse tokens that a language model has no place or no word for."""
    config = getattr(model, "config", None)
    most = getattr(config, "max_position_embeddings", None)
    n_words = getattr(config, "vocab_size", None)
    tokens = tensors.get("input_ids", tensors.get(0))
    if not isinstance(tokens, torch.Tensor) or tokens.is_floating_point() or tokens.ndim != 2:
        return
    if isinstance(most, int) and tokens.shape[1] > most:
        bound = f"have {tokens.shape[1]} tokens, more than the {most} of the model's context"
        raise SpecError.of(where="capture", name="inputs", bound=bound, fix="give shorter pieces")
    if isinstance(n_words, int) and (int(tokens.min()) < 0 or int(tokens.max()) >= n_words):
        bound = f"must be tokens from 0 to {n_words - 1}, not {int(tokens.min())} to {int(tokens.max())}"
        raise SpecError.of(where="capture", name="inputs", bound=bound)


def _mask(mask: Any, n_trials: int, device: torch.device) -> torch.Tensor | None:
    """Return which tokens are real; None where all are."""
    real = torch.as_tensor(mask).to(device, torch.bool)
    if real.ndim != 2 or len(real) != n_trials:
        bound = f"must be (trial, token) with {n_trials} trials, not {tuple(real.shape)}"
        raise SpecError.of(where="capture", name="mask", bound=bound)
    if not real.any(1).all():
        bound = f"has no real token in trial {int((~real.any(1)).nonzero()[0])}"
        raise SpecError.of(where="capture", name="mask", bound=bound)
    return None if bool(real.all()) else real
