"""What a model would answer if it went straight from each layer to its read-out.

The logit lens applies the final norm and the read-out to every layer (nostalgebraist 2020); the tuned lens
puts an affine map of each layer before them, which learns what later layers do on average (Belrose and
others 2023).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from arcuate._inputs import check_bytes
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.ctm._recording import trial_labels
from arcuate.errors import CapabilityError, NonFiniteError, SpecError, check_int, check_real
from arcuate.probes._adapters import Site
from arcuate.probes._given import Given, given
from arcuate.probes._hooks import Flat
from arcuate.probes._readout import Readout, readout_of
from arcuate.probes._run import passes
from arcuate.probes._scores import SCORES, log_softmax, scores
from arcuate.probes.sites import check_module, resolve
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["TunedLens", "logit_lens", "tuned_lens"]

CHUNK = 2**26
"""Bytes of log-probabilities that are looked at at a time (chosen)."""

NO_TARGET = -1


def logit_lens(
    model: Any,
    inputs: Any,
    *,
    sites: str | Sequence[str] = "blocks.*.resid_post",
    target: ArrayLike | None = None,
    lens: TunedLens | None = None,
    log_probabilities: bool = False,
    mask: Any = None,
    batch_size: int = 8,
    stimulus: Any = None,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Read every layer as if it were the last.

    With h of a layer, N the final norm, where there is one, and W the read-out: softmax(W N(h)), or, with a
    tuned lens, softmax(W N(h + A h + b)).

    Parameters
    ----------
    model : torch.nn.Module
        With the canonical sites of its residual stream and its logits: `arcuate.nn.TinyTransformer`, and the
        layouts of GPT-2, Llama and BERT (whose head is applied as it is) with their heads.
    inputs : array, tensor, tuple or mapping
        As `arcuate.probes.capture` takes them.
    sites : str or sequence of str
        Names or patterns of places in the residual stream.
    target : array_like of int, (trial,) or (trial, token), optional
        The class or word whose rank and probability are asked for; -1 for none. By default the one that the
        model itself puts first there.
    lens : TunedLens, optional
        Made for this model and these sites.
    log_probabilities : bool
        Whether to keep those of the whole vocabulary, of every layer and token.
    mask : array_like of bool, (trial, token), optional
        As in `arcuate.probes.capture`: results at pads are NaN.
    batch_size : int
        Trials at a time. The vocabulary is looked at in pieces of 64 MB.
    stimulus : sequence, optional
        Labels of the trials.
    progress : bool, callable or None
        A bar over trials; None shows it on a terminal after two seconds.

    Returns
    -------
    Dataset, (trial, token, layer)
        ``kl`` (nat), of the model's answer from the layer's, sum p_final log(p_final / p); ``entropy`` (nat);
        ``rank`` of the target, 0 for the first; its ``probability``; ``top``, the first (-1 at pads).
        ``target`` is (trial, token). ``log_probability`` (nat) also has ``word``. Along ``layer``, the number
        of the block, stands the name of the ``site``. The attribute ``bytes`` is the size of the result.

    Raises
    ------
    SpecError
        If a target is outside the vocabulary, or an argument does not fit.
    UnknownNameError
        If there is no such site; the nearest is named.
    CapabilityError
        If the model has no read-out, or one that does not take what is at a site.
    MemoryLimitError
        If the result would not fit into memory.
    NonFiniteError
        If a state is not finite.

    References
    ----------
    nostalgebraist, "interpreting GPT: the logit lens", LessWrong (2020).

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import logit_lens
    >>> model = TinyTransformer(n_outputs=11, n_tokens=11, d_model=16, n_layers=3, seed=1)
    >>> found = logit_lens(model, np.arange(10).reshape(2, 5))
    >>> dict(found.kl.sizes), bool(abs(found.kl[..., -1]).max() < 1e-5)
    ({'trial': 2, 'token': 5, 'layer': 3}, True)
    """
    where = "logit_lens"
    size = check_int(batch_size, where=where, name="batch_size")
    check_progress(progress, where=where, unit="trials")
    check_module(model, where=where)
    readout = readout_of(model, where=where)
    chosen = _chosen(model, sites, where)
    if lens is not None:
        _check_lens(lens, chosen, where)
    data = given(model, inputs, mask, batch_first=True)
    trial = trial_labels({"stimulus": stimulus}, data.n_trials, where=where)
    table = _Table(readout, chosen, target, data, whole=log_probabilities, lens=lens)
    asked = list({site.name: site for site in [*chosen, readout.last, readout.logits]}.values())
    passes(model, data, asked, table.see, size=size, where=where, progress=progress)
    return table.result(trial)


def _chosen(model: Any, sites: str | Sequence[str], where: str) -> list[Site]:
    groups = resolve(model, sites, where=where)
    return list({site.name: site for group in groups.values() for site in group}.values())


def _layers(sites: Sequence[Site]) -> dict[str, Any]:
    """Return the coordinates of sites: the number of the block, -1 before the first."""
    number = [re.match(r"blocks\.(\d+)\.", site.name) for site in sites]
    return {
        "layer": [int(found[1]) if found else -1 for found in number],
        "site": ("layer", [site.name for site in sites]),
    }


class _Table:
    """Results of the lens, filled batch by batch."""

    where = "logit_lens"

    def __init__(
        self, readout: Readout, sites: list[Site], target: Any, data: Given, *, whole: bool,
        lens: TunedLens | None,
    ) -> None:  # fmt: skip
        self.readout, self.sites, self.data, self.lens = readout, sites, data, lens
        self.given, self.whole = target, whole
        self.values: dict[str, np.ndarray] = {}

    def _start(self, logits: torch.Tensor) -> None:
        """Make the arrays, once it is known how many tokens and words there are."""
        n, (length, n_words) = self.data.n_trials, logits.shape[1:]
        shape = (n, length, len(self.sites))
        self.bytes = 4 * n * length * (len(self.sites) * (len(SCORES) + (n_words if self.whole else 0)) + 1)
        fix = "give fewer trials or sites" + (", or log_probabilities=False" if self.whole else "")
        check_bytes(self.bytes, where=self.where, fix=fix)
        self.target = _targets(self.given, (n, length), n_words, self.where)
        for name in SCORES:
            self.values[name] = np.full(shape, np.nan, np.float32)
        self.values["top"] = np.full(shape, NO_TARGET, np.int32)
        if self.whole:
            self.values["log_probability"] = np.full((*shape, n_words), np.nan, np.float32)

    def see(self, rows: slice, batch: Given, held: Mapping[str, Flat]) -> None:
        """Score one batch, in pieces of the vocabulary's size."""
        logits = held[self.readout.logits.name].value
        real = _real(batch, logits)
        if not self.values:
            self._start(logits)
            self.readout.check(held[self.readout.last.name].value[real], logits[real], where=self.where)
        place = real.nonzero()
        step = max(1, CHUNK // (4 * logits.shape[2]))
        for first in range(0, len(place), step):
            i, t = place[first : first + step].T
            final = log_softmax(torch, logits[i, t].float())
            self._score(rows, i, t, final, held)

    def _score(
        self, rows: slice, i: torch.Tensor, t: torch.Tensor, final: torch.Tensor, held: Mapping[str, Flat]
    ) -> None:
        at = (rows.start + i.cpu().numpy(), t.cpu().numpy())
        if self.given is None:
            self.target[at] = final.argmax(-1).cpu().numpy()
        wanted = self.target[at]
        target = torch.as_tensor(np.maximum(wanted, 0), device=final.device)
        for k, site in enumerate(self.sites):
            state = held[site.name].value[i, t]
            if self.lens is not None:
                state = self.lens.translate(site.name, state)
            told = log_softmax(torch, _read(self.readout, state, site, self.where).float())
            for name, value in scores(torch, told, final, target).items():
                self.values[name][(*at, k)] = value.cpu().numpy()
            if self.whole:
                self.values["log_probability"][(*at, k)] = told.cpu().numpy()
            for name in ("rank", "probability"):
                self.values[name][(at[0][wanted < 0], at[1][wanted < 0], k)] = np.nan

    def result(self, trial: Mapping[str, Any]) -> xr.Dataset:
        """Return everything with its names."""
        import xarray as xr

        dims = ("trial", "token", "layer")
        found: dict[str, Any] = {name: (dims, self.values[name], {"units": u}) for name, u in SCORES.items()}
        found["target"] = (dims[:2], self.target)
        if self.whole:
            found["log_probability"] = ((*dims, "word"), self.values["log_probability"], {"units": "nat"})
        coords = {**trial, "token": np.arange(self.target.shape[1]), **_layers(self.sites)}
        attrs = {"lens": "logit" if self.lens is None else "tuned", "bytes": self.bytes}
        return xr.Dataset(found, coords=coords, attrs=attrs)


def _real(batch: Given, value: torch.Tensor) -> torch.Tensor:
    """Return which places (trial, token) are no pads."""
    if batch.mask is not None and batch.mask.shape == value.shape[:2]:
        return batch.mask
    return torch.ones(value.shape[:2], dtype=torch.bool, device=value.device)


def _read(readout: Readout, state: torch.Tensor, site: Site, where: str) -> torch.Tensor:
    try:
        return readout(state)
    except (RuntimeError, TypeError, ValueError) as error:
        bound = f"holds {state.shape[-1]} units, which the read-out does not take ({error})"
        raise CapabilityError.of(
            where=where, name=site.name, bound=bound, fix="choose sites of the residual stream"
        ) from error


def _targets(target: Any, shape: tuple[int, int], n_words: int, where: str) -> np.ndarray:
    """Return the target of each place, -1 where there is none."""
    if target is None:
        return np.full(shape, NO_TARGET, np.int64)
    array = np.asarray(target.cpu() if isinstance(target, torch.Tensor) else target)
    if array.dtype.kind not in "iu" or array.shape not in ((), shape[:1], shape):
        bound = f"must be whole numbers ({shape[0]},) or {shape}, not {array.dtype} {array.shape}"
        raise SpecError.of(where=where, name="target", bound=bound)
    low, high = int(array.min()), int(array.max())
    if low < NO_TARGET or high >= n_words:
        bound = f"must be from 0 to {n_words - 1}, the vocabulary, or -1 for none, not {low} to {high}"
        raise SpecError.of(where=where, name="target", bound=bound)
    array = array[:, None] if array.ndim == 1 else array
    return np.array(np.broadcast_to(array, shape), dtype=np.int64)


@dataclass(frozen=True, eq=False, kw_only=True)
class TunedLens:
    """An affine map before the final norm for each of some sites.

    Parameters
    ----------
    matrix : mapping of str to tensor, (D, D)
        A of each site.
    bias : mapping of str to tensor, (D,)
        b of each site.
    evaluation : Dataset, (lens, layer)
        ``kl`` (nat) of the model's answer from the "logit" and the "tuned" lens, in texts that were held out.
    history : Dataset, (step, layer)
        ``kl`` (nat) of each step of the training.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import tuned_lens
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_layers=2, seed=1)
    >>> texts = np.random.default_rng(0).integers(7, size=(20, 6))
    >>> tuned_lens(model, texts, steps=2).matrix["blocks.0.resid_post"].shape
    torch.Size([8, 8])
    """

    matrix: Mapping[str, torch.Tensor]
    bias: Mapping[str, torch.Tensor]
    evaluation: xr.Dataset
    history: xr.Dataset

    def translate(self, site: str, states: torch.Tensor) -> torch.Tensor:
        """Return h + A h + b.

        Parameters
        ----------
        site : str
        states : tensor, (..., D)

        Returns
        -------
        tensor, (..., D)
        """
        matrix, bias = (part[site].to(states.device, states.dtype) for part in (self.matrix, self.bias))
        return states + states @ matrix.T + bias


def _check_lens(lens: TunedLens, sites: list[Site], where: str) -> None:
    if not isinstance(lens, TunedLens):
        raise SpecError.of(where=where, name="lens", value=lens, bound="must be a TunedLens")
    missing = [site.name for site in sites if site.name not in lens.matrix]
    if missing:
        bound = f"was not tuned for {', '.join(missing[:3])}"
        raise SpecError.of(where=where, name="lens", bound=bound, fix=f"choose sites of {list(lens.matrix)}")


def tuned_lens(
    model: Any,
    inputs: Any,
    *,
    sites: str | Sequence[str] = "blocks.*.resid_post",
    groups: Sequence[Any] | None = None,
    held_out: float = 0.2,
    steps: int = 250,
    tokens_per_step: int = 256,
    rate: float = 3e-3,
    mask: Any = None,
    batch_size: int = 8,
    seed: int = 0,
    progress: ProgressOption = None,
) -> TunedLens:
    """Learn, for each layer, the affine map after which the read-out says most nearly what the model does.

    A and b start at 0, as the logit lens, and go down the divergence ``kl`` by Adam, with a rate that falls
    to 0. They are learned for states of mean 0 and variance 1 in each unit, and folded back; where what they
    were learned from is read no better with them, they are 0 again.

    Parameters
    ----------
    model, inputs, sites, mask, batch_size
        As in `logit_lens`.
    groups : sequence, (trial,), optional
        The text of each trial. Whole texts are held out; by default trials of equal inputs are one text.
    held_out : float
        Share of the texts on which the lens is judged, not learned.
    steps : int
        Of Adam, for each site.
    tokens_per_step : int
        Drawn in each step, with replacement.
    rate : float
        Of Adam at the start (chosen).
    seed : int
        Of the split and the draws; the streams are ``probes/tuned_lens/...``.
    progress : bool, callable or None
        A bar over all steps.

    Returns
    -------
    TunedLens

    Raises
    ------
    SpecError, UnknownNameError, CapabilityError, MemoryLimitError, NonFiniteError
        As `logit_lens`; also if there are fewer than two texts.

    References
    ----------
    N. Belrose et al., arXiv 2303.08112 (2023).

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import logit_lens, tuned_lens
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_layers=2, seed=1)
    >>> texts = np.random.default_rng(0).integers(7, size=(60, 8))
    >>> lens = tuned_lens(model, texts, steps=60)
    >>> bool(lens.evaluation.kl.sel(lens="tuned")[0] < lens.evaluation.kl.sel(lens="logit")[0])
    True
    >>> dict(logit_lens(model, texts[:2], lens=lens).kl.sizes)
    {'trial': 2, 'token': 8, 'layer': 2}
    """
    where = "tuned_lens"
    numbers = {"steps": steps, "tokens_per_step": tokens_per_step, "batch_size": batch_size}
    count, rows, size = (check_int(value, where=where, name=name) for name, value in numbers.items())
    share = check_real(
        held_out, where=where, name="held_out", low=0.0, high=1.0, low_open=True, high_open=True
    )
    pace = check_real(rate, where=where, name="rate", low=0.0, low_open=True)
    check_progress(progress, where=where, unit="steps")
    check_module(model, where=where)
    readout, chosen, start = readout_of(model, where=where), _chosen(model, sites, where), check_seed(seed)
    data = given(model, inputs, mask, batch_first=True)
    test = _held_out(groups, data, share, start, where)
    states, of_test = _states(model, data, readout, chosen, test, size=size)
    last = states.pop(f":{readout.last.name}")
    matrix, bias, history, judged = {}, {}, [], []
    with progress_bar(progress, count * len(chosen), title=where, unit="step") as tell:
        for site in chosen:
            learner = _Learner(readout, states[site.name][~of_test], last[~of_test], site, where)
            draw = stream(start, f"probes/tuned_lens/{site.name}")
            history.append(learner.learn(draw, steps=count, rows=rows, rate=pace, tell=tell))
            learner.keep_the_better()
            matrix[site.name], bias[site.name] = learner.folded()
            judged.append(learner.judge(states[site.name][of_test], last[of_test]))
    return _tuned(matrix, bias, np.array(judged), np.array(history), chosen)


def _tuned(
    matrix: dict[str, Any], bias: dict[str, Any], judged: np.ndarray, history: np.ndarray, sites: list[Site]
) -> TunedLens:
    import xarray as xr

    nat, coords = {"units": "nat"}, _layers(sites)
    evaluation = xr.Dataset(
        {"kl": (("lens", "layer"), judged.T, nat)}, coords={"lens": ["logit", "tuned"], **coords}
    )
    steps = xr.Dataset({"kl": (("step", "layer"), history.T, nat)}, coords=coords)
    return TunedLens(matrix=matrix, bias=bias, evaluation=evaluation, history=steps)


def _held_out(groups: Any, data: Given, share: float, seed: int, where: str) -> np.ndarray:
    """Tell which trials are of texts that are held out."""
    if groups is None:
        parts = [p for p in (*data.args, *data.kwargs.values()) if isinstance(p, torch.Tensor)]
        table = [b"".join(p[row].cpu().numpy().tobytes() for p in parts) for row in range(data.n_trials)]
        names = np.unique(np.array(table, dtype=object), return_inverse=True)[1].reshape(-1)
    else:
        array = np.asarray(groups)
        if array.shape != (data.n_trials,):
            bound = f"must be one for each of {data.n_trials} trials, not shape {array.shape}"
            raise SpecError.of(where=where, name="groups", bound=bound)
        names = np.unique(array, return_inverse=True)[1].reshape(-1)
    n = int(names.max()) + 1
    if n < 2:
        bound = "must be two texts or more, one to learn from and one to judge by"
        raise SpecError.of(where=where, name="inputs", value=n, bound=bound)
    order = stream(seed, "probes/tuned_lens/split").permutation(n)
    return np.asarray(order[names] < min(max(1, round(share * n)), n - 1))


def _states(
    model: Any, data: Given, readout: Readout, sites: list[Site], test: np.ndarray, *, size: int
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return the states of all real tokens at each site, and which are of texts that are held out."""
    found: dict[str, list[torch.Tensor]] = {site.name: [] for site in sites} | {f":{readout.last.name}": []}
    of_test: list[torch.Tensor] = []

    def keep(rows: slice, batch: Given, held: Mapping[str, Flat]) -> None:
        last = held[readout.last.name].value
        real = _real(batch, last)
        if not of_test:
            need = 4 * last[0].numel() * data.n_trials * len(found)
            check_bytes(need, where="tuned_lens", fix="give fewer trials or sites")
            readout.check(last[real], held[readout.logits.name].value[real], where="tuned_lens")
        for name, parts in found.items():
            parts.append(held[name.removeprefix(":")].value[real].float())
        of_test.append(torch.as_tensor(test[rows], device=last.device)[:, None].expand(real.shape)[real])

    asked = list({site.name: site for site in [*sites, readout.last, readout.logits]}.values())
    passes(model, data, asked, keep, size=size, where="tuned_lens", progress=False)
    return {name: torch.cat(parts) for name, parts in found.items()}, torch.cat(of_test)


class _Learner:
    """The affine map of one site, in standardized units."""

    def __init__(
        self, readout: Readout, states: torch.Tensor, last: torch.Tensor, site: Site, where: str
    ) -> None:
        self.readout, self.states, self.last, self.site, self.where = readout, states, last, site, where
        self.mean, spread = states.mean(0), states.std(0, correction=0)
        self.spread = torch.where(spread > 0, spread, 1.0)
        self.size = spread.square().mean().sqrt().clamp_min(1e-12)
        width = states.shape[1]
        self.matrix = torch.zeros(width, width, device=states.device, requires_grad=True)
        self.bias = torch.zeros(width, device=states.device, requires_grad=True)

    def folded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return A and b for states as they come."""
        matrix = self.size * self.matrix.detach() / self.spread
        return matrix, self.size * self.bias.detach() - matrix @ self.mean

    def _divergence(self, states: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            final = log_softmax(torch, self.readout(last).float())
        told = log_softmax(torch, _read(self.readout, states, self.site, self.where).float())
        return (final.exp() * (final - told)).sum(-1)

    def learn(
        self, draw: np.random.Generator, *, steps: int, rows: int, rate: float, tell: Any
    ) -> list[float]:
        """Go down the divergence; return that of every step."""
        optimizer, history = torch.optim.Adam([self.matrix, self.bias], lr=rate), []
        for step in range(steps):
            picked = torch.as_tensor(draw.integers(len(self.states), size=rows), device=self.states.device)
            states = self.states[picked]
            moved = (states - self.mean) / self.spread @ self.matrix.T + self.bias
            loss = self._divergence(states + self.size * moved, self.last[picked]).mean()
            if not bool(torch.isfinite(loss)):
                bound = f"is not finite at step {step} of {self.site.name}"
                raise NonFiniteError.of(where=self.where, name="kl", bound=bound, fix="use a smaller rate")
            loss_of_both = torch.autograd.grad(loss, [self.matrix, self.bias])
            self.matrix.grad, self.bias.grad = loss_of_both
            optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
            optimizer.step()
            history.append(float(loss.detach()))
            if tell is not None:
                tell(1)
        return history

    def keep_the_better(self) -> None:
        """Go back to A and b of 0 where the states learned from are read no better with those learned."""
        plain, tuned = self.judge(self.states, self.last)
        if tuned >= plain:
            with torch.no_grad():
                self.matrix.zero_()
                self.bias.zero_()

    def judge(self, states: torch.Tensor, last: torch.Tensor) -> tuple[float, float]:
        """Return the mean divergence of held-out states with the logit lens and the tuned lens."""
        matrix, bias = self.folded()
        totals = np.zeros(2)
        with torch.no_grad():
            for part, end in zip(states.split(256), last.split(256), strict=True):
                for k, seen in enumerate((part, part + part @ matrix.T + bias)):
                    totals[k] += float(self._divergence(seen, end).sum())
        plain, tuned = totals / len(states)
        return float(plain), float(tuned)
