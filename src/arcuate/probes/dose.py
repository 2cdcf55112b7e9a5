"""What a push along a direction does to a model's answers, at which dose, beside random directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import SpecError, check_array, check_int, check_real
from arcuate.probes._hooks import evaluated
from arcuate.probes._outputs import Metric, activity, checked, outputs, score, unpadded
from arcuate.probes.patch import Edit, intervene
from arcuate.probes.sites import check_module, resolve
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["largest_dose", "steer_curve"]

DOSES = (-1.0, -0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 1.0)
FINEST = 1024
"""The search for a dose begins at this part of the largest."""


def steer_curve(
    model: Any,
    inputs: Any,
    vector: ArrayLike,
    *,
    site: str,
    metric: Metric,
    doses: Sequence[float] = DOSES,
    positions: Any = None,
    read: int | None = -1,
    off_target: tuple[Any, Metric] | None = None,
    n_random: int = 20,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    r"""Push the activity at a site along a direction, and read answers at every dose.

    A dose :math:`\lambda` adds :math:`\lambda\, s\, v / |v|` to the activity, where s is the mean length of
    a state there: at dose 1, the push is as long as what is pushed.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode meanwhile.
    inputs : array, tensor, tuple of them, or mapping of str to them
        As `arcuate.probes.capture` takes them; all trials go through at once.
    vector : array_like, (unit,)
        As `arcuate.probes.steering_vector` makes one, whose ``mean_norm`` is used; otherwise the mean length
        is that of the states at the site in these inputs.
    site : str
        One site.
    metric : callable
        One number for each trial, (trial,), of the outputs (trial, position, unit), or (trial, unit).
    doses : sequence of float
    positions : indices, optional
        Where is pushed; by default everywhere.
    read : int or None
        Position of the outputs at which divergence and entropy are taken; None: their mean over positions.
    off_target : (inputs, metric), optional
        Trials that should stay as they are, and what is measured on them.
    n_random : int
        Random directions of the same length; 0 for none.
    seed : int
        Of these, from the stream ``probes/steer/directions``.
    progress : bool, callable or None
        As everywhere.

    Returns
    -------
    xarray.Dataset
        Over (``dose``, ``trial``): ``metric``; ``kl`` (nat), the divergence of the answers from those without
        a push, :math:`\sum p_0 \log(p_0 / p)`; ``entropy`` (nat) of the answers. Over (``direction``,
        ``dose``), means over trials: ``random_metric``, ``random_kl``, ``random_entropy``. Over ``dose``,
        means over the other trials: ``off_target`` and ``off_target_kl``.

    Raises
    ------
    SpecError
        If an argument does not fit, or the direction has no length.
    UnknownNameError
        If there is no such site; the nearest is named.
    NonFiniteError
        If the metric is not finite; the trial is named.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import logit_difference
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=2, seed=1)
    >>> site, metric = "blocks.0.resid_post", logit_difference(5, 6)
    >>> found = steer_curve(model, [[1, 2, 3]], np.ones(8), site=site, metric=metric, doses=(0.0, 1.0))
    >>> found["kl"].values.round(6)[0].tolist(), dict(found["random_metric"].sizes)
    ([0.0], {'direction': 20, 'dose': 2})
    """
    import xarray as xr

    where = "steer_curve"
    n_random = check_int(n_random, where=where, name="n_random", low=0)
    check_progress(progress, where=where, unit="doses")
    levels = check_array(doses, where=where, name="doses", shape=(None,))
    if not len(levels):
        raise SpecError.of(where=where, name="doses", value=doses, bound="must be one or more")
    push = _Push(model, inputs, vector, site=site, positions=positions, read=read, where=where)
    other = _other(push, off_target, where)
    random = stream(check_seed(seed), "probes/steer/directions").standard_normal((n_random, len(push.unit)))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    rows = []
    with progress_bar(progress, (1 + n_random) * len(levels), title=where, unit="dose") as tell:
        for direction in (push.unit, *random):
            for dose in levels:
                rows.append(push.read_off(metric, dose * direction))
                if tell is not None:
                    tell(1)
    parts = {name: np.stack([getattr(row, name) for row in rows]) for name in _Answer._fields}
    n = len(levels)
    coords = {"dose": levels, "trial": np.arange(push.data.n_trials)}
    found = xr.Dataset({name: (("dose", "trial"), part[:n]) for name, part in parts.items()}, coords)
    for name, part in parts.items():
        if n_random:
            mean = part[n:].mean(-1).reshape(n_random, n)
            found[f"random_{name}"] = (("direction", "dose"), mean)
    if other is not None:
        beside = [other[0].read_off(other[1], dose * push.unit) for dose in levels]
        found["off_target"] = ("dose", np.array([row.metric.mean() for row in beside]))
        found["off_target_kl"] = ("dose", np.array([row.kl.mean() for row in beside]))
    return found.assign_attrs(site=push.site, mean_norm=push.norm, seed=seed)


def largest_dose(
    model: Any,
    inputs: Any,
    vector: ArrayLike,
    *,
    site: str,
    budget: float,
    most: float = 16.0,
    positions: Any = None,
    read: int | None = -1,
) -> float:
    """Find how far a push may go before the answers diverge by more than a budget on average.

    Parameters
    ----------
    model, inputs, vector, site, positions, read
        As `steer_curve` takes them.
    budget : float
        Largest mean divergence (nat) from the answers without a push.
    most : float
        Largest dose that is tried.

    Returns
    -------
    float
        The dose at which the divergence first goes beyond the budget, to a thousandth from below, where it
        grows up to there: doses are doubled from ``most / 1024`` on, then the last step is halved. `most`
        if the divergence stays within the budget.

    Raises
    ------
    SpecError, UnknownNameError, NonFiniteError
        As `steer_curve`.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=2, seed=1)
    >>> pushed = {"site": "blocks.0.resid_post", "read": None}
    >>> dose = largest_dose(model, [[1, 2, 3]], np.arange(8.0), budget=0.01, **pushed)
    >>> 0 < dose < 16
    True
    """
    where = "largest_dose"
    budget = check_real(budget, where=where, name="budget", low=0, low_open=True)
    most = check_real(most, where=where, name="most", low=0, low_open=True)
    push = _Push(model, inputs, vector, site=site, positions=positions, read=read, where=where)

    def within(dose: float) -> bool:
        return float(push.read_off(_nothing, dose * push.unit).kl.mean()) <= budget

    low, high = 0.0, most / FINEST
    while within(high):
        if high >= most:
            return most
        low, high = high, min(2 * high, most)
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle) else (low, middle)
    return low


def _nothing(logits: torch.Tensor) -> torch.Tensor:
    return logits.new_zeros(len(logits))


class _Answer(NamedTuple):
    """What is read off the outputs at one dose, each (trial,)."""

    metric: np.ndarray
    kl: np.ndarray
    entropy: np.ndarray


class _Push:
    """A model, trials, and a direction at a site."""

    def __init__(
        self,
        model: Any,
        inputs: Any,
        vector: ArrayLike,
        *,
        site: str,
        positions: Any,
        read: int | None,
        where: str,
    ) -> None:
        check_module(model, where=where)
        if not isinstance(site, str) or len(resolve(model, site, where=where)[site]) != 1:
            raise SpecError.of(where=where, name="site", value=site, bound="must be the name of one site")
        if read is not None:
            check_int(read, where=where, name="read", low=None)
        self.model, self.where = model, where
        self.site, self.positions, self.at = resolve(model, site, where=where)[site][0].name, positions, read
        self.data = checked(model, inputs, metric=_nothing, where=where)
        unpadded(self.data, where=where, name="inputs", fix="push trials of each length apart")
        x = activity(model, inputs, self.site, pads=False)[self.site].value
        array = check_array(vector, where=where, name="vector", shape=(x.shape[-1],))
        length = float(np.linalg.norm(array))
        if length == 0:
            raise SpecError.of(where=where, name="vector", bound="must have a length")
        norms = torch.linalg.vector_norm(x.double(), dim=-1)
        self.norm = float(getattr(vector, "attrs", {}).get("mean_norm", norms.nanmean()))
        self.unit = array / length
        with evaluated(model):
            self.before = self._log_p(outputs(model, self.data, where=where))

    def read_off(self, metric: Metric, step: np.ndarray) -> _Answer:
        """Return the answers to a push, in units of the mean length."""
        place = None if self.positions is None else {"positions": self.positions}
        edit = Edit(self.site, "add", step * self.norm, place)
        with evaluated(self.model), intervene(self.model, edit):
            logits = outputs(self.model, self.data, where=self.where)
            values, after = score(metric, logits, where=self.where), self._log_p(logits)
        kl = (self.before.exp() * (self.before - after)).sum(-1).mean(1)
        entropy = -(after.exp() * after).sum(-1).mean(1)
        return _Answer(*(part.cpu().numpy() for part in (values, kl, entropy)))

    def _log_p(self, logits: torch.Tensor) -> torch.Tensor:
        """Return log probabilities (trial, position, word), of the positions that are read."""
        if logits.ndim == 2:
            logits = logits[:, None]
        elif self.at is not None:
            if not -logits.shape[1] <= self.at < logits.shape[1]:
                bound = f"must be a position of the {logits.shape[1]} of the outputs"
                raise SpecError.of(where=self.where, name="read", value=self.at, bound=bound)
            logits = logits[:, self.at][:, None]
        return logits.double().log_softmax(-1)


def _other(push: _Push, off_target: Any, where: str) -> tuple[_Push, Metric] | None:
    """Return trials that should stay as they are, pushed by the same direction and length."""
    if off_target is None:
        return None
    if not isinstance(off_target, tuple) or len(off_target) != 2:
        raise SpecError.of(where=where, name="off_target", bound="must be a pair (inputs, metric)")
    inputs, metric = off_target
    checked(push.model, inputs, metric=metric, where=where)
    places: dict[str, Any] = {"site": push.site, "positions": push.positions, "read": push.at}
    other = _Push(push.model, inputs, push.unit, **places, where=where)
    other.norm = push.norm
    return other, metric
