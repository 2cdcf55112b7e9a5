"""What states are made of, step by step: few directions at a time out of many, and which of them mean what.

A sparse autoencoder whose code keeps the k largest features (Makhzani and Frey 2013; Gao and others 2024), or
a non-negative factorization for states that are, with the core that factorizes the connectome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, check_bytes
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.compare._trajectory import area_of_ranks, signal_auroc
from arcuate.errors import NonFiniteError, SpecError, check_choice, check_int, check_real
from arcuate.probes._samples import as_cube, per_sample
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["StepDictionary", "match_features", "step_dictionary"]

METHODS = ("sae", "nmf")

REVIVE = 10
"""Times in the first three quarters of a training that features which never speak are given a new start."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StepDictionary:
    """Directions of which every state is a sum of few.

    Attributes
    ----------
    atoms : DataArray, (feature, unit)
        Of length one: directions for an `Edit` of mode "add" or "steer". The feature with the largest sum of
        squares stands first.
    activations : DataArray, (trial, step, feature)
        How much of each atom is in each state; NaN at pads. Steps keep their name.
    offset : ndarray, (unit,)
        What is added to the sum; 0 for "nmf".
    r2 : float
        1 - squared residual / variance around the mean.
    n_active : float
        Features above 0 in a step, on average.
    n_dead : int
        Features that are never above 0.
    method : str
    encoder : ndarray, (feature, unit), or None
        W_e of "sae".
    bias : ndarray, (feature,), or None
        b_e of "sae".

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import step_dictionary
    >>> states = np.eye(4)[np.random.default_rng(0).integers(4, size=(20, 10))] @ np.eye(4, 6)
    >>> found = step_dictionary(states, 4, method="nmf", seed=1)
    >>> round(found.r2, 3), found.n_active
    (1.0, 1.0)
    """

    atoms: xr.DataArray
    activations: xr.DataArray
    offset: Floats
    r2: float
    n_active: float
    n_dead: int
    method: str
    encoder: Floats | None
    bias: Floats | None


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Atoms (feature, unit), code (n, feature), and what makes it."""

    atoms: Floats
    code: Floats
    offset: Floats
    encoder: Floats | None = None
    bias: Floats | None = None


def step_dictionary(
    states: Any,
    n_features: int,
    *,
    method: str = "sae",
    k: int = 4,
    steps: int = 2000,
    samples_per_step: int = 256,
    rate: float = 3e-3,
    n_starts: int = 3,
    seed: int = 0,
    progress: ProgressOption = None,
) -> StepDictionary:
    r"""Find directions of which each state is a sum of few.

    "sae" lowers the squared residual of

    .. math:: z = \mathrm{TopK}(W_e (x - b) + b_e)_+, \qquad \hat x = W_d z + b

    with columns of W_d of length one, by Adam with a rate that falls to 0. Features that never speak start
    anew at the states that are met worst. "nmf" is a factorization of states >= 0 into atoms and activations
    >= 0 (`arcuate.connectome.NTF`).

    Parameters
    ----------
    states : Dataset, DataArray or array_like, (trial, step, unit) or (sample, unit)
        As `Recording.states` gives them, of any system; NaN at pads.
    n_features : int
        Atoms.
    method : {"sae", "nmf"}
    k : int
        Features that may be above 0 in a step, for "sae".
    steps, samples_per_step : int
        Of Adam, for "sae".
    rate : float
        Of Adam at the start (chosen).
    n_starts : int
        Random starts, for "nmf".
    seed : int
        The streams are ``probes/dictionary/...``.
    progress : bool, callable or None
        A bar; None shows it on a terminal after two seconds.

    Returns
    -------
    StepDictionary

    Raises
    ------
    SpecError
        If states are not finite, all the same, negative for "nmf", or fewer than features.
    NonFiniteError
        If the training leaves the numbers, with its step.
    MemoryLimitError
        If the activations would not fit into memory.

    References
    ----------
    A. Makhzani and B. Frey, arXiv 1312.5663 (2013); L. Gao et al., arXiv 2406.04093 (2024).

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import step_dictionary
    >>> draw = np.random.default_rng(0)
    >>> which = draw.integers(3, size=(40, 10))
    >>> states = 3 * draw.standard_normal((3, 8))[which] + 0.1 * draw.standard_normal((40, 10, 8))
    >>> found = step_dictionary(states, 3, k=1, steps=200, seed=1)
    >>> found.r2 > 0.9, dict(found.atoms.sizes)
    (True, {'feature': 3, 'unit': 8})
    """
    where = "step_dictionary"
    check_choice(method, METHODS, where=where, name="method")
    n = check_int(n_features, where=where, name="n_features")
    numbers = {"k": k, "steps": steps, "samples_per_step": samples_per_step, "n_starts": n_starts}
    most, count, rows, starts = (check_int(v, where=where, name=name) for name, v in numbers.items())
    pace = check_real(rate, where=where, name="rate", low=0.0, low_open=True)
    check_progress(progress, where=where, unit="steps")
    labeled, cube, there = as_cube(states, where=where)
    x = cube[there]
    if len(x) < n or n < 2:
        bound = f"must be from 2 to the {len(x)} states"
        raise SpecError.of(where=where, name="n_features", value=n, bound=bound)
    if method == "sae" and most > n:
        raise SpecError.of(where=where, name="k", value=most, bound=f"must be at most the {n} features")
    if not x.var(axis=0).any():
        raise SpecError.of(where=where, name="states", bound="are all the same")
    check_bytes(8 * there.size * n, where=where, fix="give fewer states or features")
    if method == "nmf":
        found = _factorized(x, n, starts, check_seed(seed), progress, where)
    else:
        learner = _Learner(x, n, most, stream(check_seed(seed), "probes/dictionary/sae"))
        found = learner.learn(count, rows, pace, progress, where)
    return _named(found, x, labeled, there, method)


def _factorized(x: Floats, n: int, n_starts: int, seed: int, progress: ProgressOption, where: str) -> _Found:
    from arcuate.connectome import NTF

    if x.min() < 0:
        fix = 'use method="sae", or states that are, such as rates'
        bound = f'must be >= 0 for method="nmf", not {x.min():.3g}'
        raise SpecError.of(where=where, name="states", bound=bound, fix=fix)
    if n > x.shape[1]:
        bound = f'must be at most the {x.shape[1]} units for method="nmf"'
        raise SpecError.of(where=where, name="n_features", value=n, bound=bound)
    model = NTF(n, n_starts=n_starts, dtype="float64", seed=seed, progress=progress).fit(x)
    code = model.factors_[0] * model.weights_
    return _Found(atoms=model.factors_[1].T, code=code, offset=np.zeros(x.shape[1]))


class _Learner:
    """A sparse autoencoder of states that are centered and have variance 1 on average over units."""

    def __init__(self, x: Floats, n: int, k: int, draw: np.random.Generator) -> None:
        self.mean = x.mean(axis=0)
        self.size = float(np.sqrt(((x - self.mean) ** 2).mean()))
        self.x, self.k, self.draw = (x - self.mean) / self.size, k, draw
        self.atoms = np.empty((n, x.shape[1]))
        self._place(np.arange(n), draw.choice(len(x), n, replace=False))
        self.encoder = self.atoms.copy()
        self.bias, self.offset = np.zeros(n), np.zeros(x.shape[1])

    def _place(self, features: np.ndarray, rows: np.ndarray) -> None:
        """Point atoms to some states; where these are at the mean, anywhere."""
        atoms = self.x[rows] + 1e-3 * self.draw.standard_normal((len(rows), self.x.shape[1]))
        self.atoms[features] = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)

    def code(self, x: Floats) -> Floats:
        """Return the features of states: the k largest, if above 0."""
        full = (x - self.offset) @ self.encoder.T + self.bias
        if self.k < full.shape[1]:
            least = np.partition(full, -self.k, axis=1)[:, -self.k, None]
            full = np.where(full >= least, full, 0.0)
        return np.maximum(full, 0.0)

    def learn(self, steps: int, rows: int, rate: float, progress: ProgressOption, where: str) -> _Found:
        """Go down the squared residual."""
        names = ("atoms", "encoder", "bias", "offset")
        first = {name: np.zeros_like(getattr(self, name)) for name in names}
        second = {name: np.zeros_like(getattr(self, name)) for name in names}
        spoke = np.zeros(len(self.atoms), bool)
        every = max(1, 3 * steps // (4 * REVIVE))
        with progress_bar(progress, steps, title=where, unit="step") as tell:
            for step in range(1, steps + 1):
                x = self.x[self.draw.integers(len(self.x), size=rows)]
                slopes, code = self._slopes(x)
                spoke |= (code > 0).any(axis=0)
                pace = rate * (1 - (step - 1) / steps)
                for name, slope in slopes.items():
                    first[name] += 0.1 * (slope - first[name])
                    second[name] += 0.001 * (slope**2 - second[name])
                    scale = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
                    setattr(self, name, getattr(self, name) - pace * first[name] / (1 - 0.9**step) / scale)
                self.atoms /= np.linalg.norm(self.atoms, axis=1, keepdims=True)
                if not np.isfinite(self.offset).all() or not np.isfinite(self.atoms).all():
                    bound = f"are not finite at step {step}"
                    raise NonFiniteError.of(where=where, name="atoms", bound=bound, fix="use a smaller rate")
                if step % every == 0 and step <= every * REVIVE:
                    self._revive(np.flatnonzero(~spoke), first, second)
                    spoke[:] = False
                if tell is not None:
                    tell(1)
        return _Found(
            atoms=self.atoms,
            code=self.code(self.x) * self.size,
            offset=self.mean + self.size * self.offset,
            encoder=self.encoder,
            bias=(self.bias * self.size),
        )

    def _slopes(self, x: Floats) -> tuple[dict[str, Floats], Floats]:
        """Return the slopes of half the mean squared residual, and the code."""
        code = self.code(x)
        rest = (code @ self.atoms + self.offset - x) / len(x)
        of_code = np.where(code > 0, rest @ self.atoms.T, 0.0)
        slopes = {
            "atoms": code.T @ rest,
            "encoder": of_code.T @ (x - self.offset),
            "bias": of_code.sum(axis=0),
            "offset": rest.sum(axis=0) - of_code.sum(axis=0) @ self.encoder,
        }
        return slopes, code

    def _revive(self, dead: np.ndarray, first: dict[str, Floats], second: dict[str, Floats]) -> None:
        """Give features that never spoke the directions of states that are met worst."""
        if not dead.size:
            return
        rest = self.x - self.code(self.x) @ self.atoms - self.offset
        error = np.einsum("ij,ij->i", rest, rest)
        if not error.any():
            return
        picked = self.draw.choice(len(rest), dead.size, p=error / error.sum())
        atoms = rest[picked] + 1e-9 * self.draw.standard_normal((dead.size, rest.shape[1]))
        self.atoms[dead] = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
        self.encoder[dead], self.bias[dead] = self.atoms[dead], 0.0
        for moments in (first, second):
            for name in ("atoms", "encoder", "bias"):
                moments[name][dead] = 0.0


def _named(found: _Found, x: Floats, labeled: Any, there: np.ndarray, method: str) -> StepDictionary:
    """Order the features by their share, and give everything its names."""
    import xarray as xr

    order = np.argsort(-(found.code**2).sum(axis=0), kind="stable")
    code, atoms = found.code[:, order], found.atoms[order]
    rest = x - code @ atoms - found.offset
    filled = np.full((*there.shape, len(order)), np.nan)
    filled[there] = code
    dims = tuple(str(dim) for dim in getattr(labeled, "dims", ()))
    dims = dims[:2] if len(dims) == 3 else ("trial", "step")
    coords = getattr(labeled, "coords", {})
    kept = {str(key): c for key, c in coords.items() if set(c.dims) <= set(dims)}
    unit = {str(key): c for key, c in coords.items() if c.dims == ("unit",)}
    return StepDictionary(
        atoms=xr.DataArray(atoms, dims=("feature", "unit"), coords=unit, attrs={"units": "1"}),
        activations=xr.DataArray(filled, dims=(*dims, "feature"), coords=kept, name="activation"),
        offset=found.offset,
        r2=float(1 - (rest**2).sum() / ((x - x.mean(axis=0)) ** 2).sum()),
        n_active=float((code > 0).sum(axis=1).mean()),
        n_dead=int((~(code > 0).any(axis=0)).sum()),
        method=method,
        encoder=None if found.encoder is None else found.encoder[order],
        bias=None if found.bias is None else found.bias[order],
    )


def match_features(
    dictionary: StepDictionary | ArrayLike, labels: ArrayLike, *, level: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """Which feature tells each label best, and how well on trials on which it was not chosen.

    Parameters
    ----------
    dictionary : StepDictionary, or DataArray or array_like, (trial, step, feature) or (sample, feature)
        Activations; NaN at pads.
    labels : array_like, (trial,) or (trial, step)
        Two or more.
    level : float
        Of the intervals, in which steps count as independent.
    seed : int
        Of the half of the trials on which features are chosen; the stream is ``probes/match``.

    Returns
    -------
    Dataset, (label,)
        ``feature``, and its area under the ROC curve for steps of this label against all others, ``auroc``,
        ``low`` and ``high``, in the other half of the trials.

    Raises
    ------
    SpecError
        If shapes do not fit, or a label does not stand in both halves beside others.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import match_features
    >>> label = np.random.default_rng(0).integers(3, size=(20, 8))
    >>> found = match_features(np.eye(3)[label][..., ::-1], label)
    >>> found.feature.values.tolist(), found.auroc.values.tolist()
    ([2, 1, 0], [1.0, 1.0, 1.0])
    """
    import xarray as xr
    from scipy.stats import rankdata

    where = "match_features"
    given = dictionary.activations if isinstance(dictionary, StepDictionary) else dictionary
    _, cube, there = as_cube(given, where=where, name="dictionary")
    shape = (int(there.shape[0]), int(there.shape[1]))
    label = per_sample(labels, shape, where=where, name="labels")[there]
    kinds = np.unique(label)
    if len(kinds) < 2 or shape[0] < 2:
        bound = f"must be two or more, in two trials or more, not {len(kinds)} in {shape[0]}"
        raise SpecError.of(where=where, name="labels", bound=bound)
    half = stream(check_seed(seed), "probes/match").permutation(shape[0]) < shape[0] // 2
    chosen = half[np.nonzero(there)[0]]
    for kind in kinds:
        if len({bool(part) for part in chosen[label == kind]}) < 2:
            bound = f"have {kind!s} in one half of the trials only"
            raise SpecError.of(where=where, name="labels", bound=bound, fix="give more trials")
    code = cube[there]
    ranks, rows = rankdata(code[chosen], axis=0), []
    for kind in kinds:
        best = int(area_of_ranks(ranks, label[chosen] == kind).argmax())
        judged = xr.Dataset({str(best): ("trial", code[~chosen][:, best])})
        area = signal_auroc(judged, label[~chosen] == kind, level=level).isel(signal=0)
        rows.append((best, float(area.auroc), float(area.low), float(area.high)))
    columns = zip(("feature", "auroc", "low", "high"), zip(*rows, strict=True), strict=True)
    values = {name: ("label", np.array(column)) for name, column in columns}
    return xr.Dataset(values, coords={"label": kinds}, attrs={"level": level})
