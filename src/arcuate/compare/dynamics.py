"""Dynamical similarity: do two systems move alike, whatever their coordinates.

After Ostrow, Eisen, Kozachkov and Fiete 2023 (arXiv 2306.10168): linear dynamics are fitted to the delayed
states of each system, and their operators compared up to an orthogonal change of basis.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.compare._alignment import Alignment, best_alignment, least_distance
from arcuate.compare._dmd import Delays, LinearDynamics, as_inputs, delays, regress
from arcuate.compare._dynamics_inputs import ascending, both_inputs, both_systems
from arcuate.compare._embedding import choose_embedding, chosen_embedding
from arcuate.compare._inputs import as_trials
from arcuate.compare._measure import Measure
from arcuate.compare.inference import p_value
from arcuate.errors import CapabilityError, SpecError, check_choice, check_int, check_real
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "SCORES",
    "DynamicalSimilarity",
    "SurrogateTest",
    "dsa",
    "dsa_grid",
    "dsa_measure",
    "dsa_surrogates",
    "operator_distance",
]

SCORES = ("angular", "euclidean", "wasserstein_squared")
"""``angular``: the angle (rad) between the operators in the best basis; ``euclidean``: the Frobenius norm of
their difference there; ``wasserstein_squared``: the mean squared distance of matched eigenvalues."""

N_STARTS = 100
N_SPLITS = 10


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """How both systems are fitted, and compared."""

    n_delays: int
    rank: int
    n_components: int | None
    ridge: float
    center: bool
    score: str
    n_starts: int
    seed: int

    @classmethod
    def checked(cls, where: str, **given: Any) -> _Fit:
        """Check the options of a fit."""
        for name in ("n_delays", "rank", "n_starts"):
            check_int(given[name], where=where, name=name)
        if given["n_components"] is not None:
            check_int(given["n_components"], where=where, name="n_components")
        check_real(given["ridge"], where=where, name="ridge", low=0.0)
        check_choice(given["score"], SCORES, where=where, name="score")
        return cls(**given)

    def __call__(self, cube: Floats, inputs: Floats | None, *, where: str, name: str) -> LinearDynamics:
        return regress(self.delays(cube, inputs, where=where, name=name), self.rank, self.ridge)

    def delays(self, cube: Floats, inputs: Floats | None, *, where: str, name: str) -> Delays:
        return delays(
            cube,
            n_delays=self.n_delays,
            where=where,
            name=name,
            n_components=self.n_components,
            center=self.center,
            inputs=inputs,
            rank=self.rank,
        )

    def distance(self, x: LinearDynamics, y: LinearDynamics) -> float:
        return operator_distance(
            x.operator, y.operator, score=self.score, n_starts=self.n_starts, seed=self.seed
        )

    def quick(self) -> _Fit:
        """With fewer starts, for distances of which many are averaged."""
        return replace(self, n_starts=max(1, self.n_starts // 10))


@dataclass(frozen=True, kw_only=True, repr=False)
class DynamicalSimilarity:
    """How far the dynamics of two systems are apart, and how far each is from itself.

    Attributes
    ----------
    score : str
        One of ``SCORES``.
    value : float
        The distance. ``float(result)`` is the same.
    self_x, self_y : ndarray, (n_splits,)
        Distance of each system from itself: between fits to one half of its trials and to the other.
    halves : ndarray, (n_splits,)
        Distance of half the trials of x from half those of y: beside `self_x` and `self_y`, which were
        fitted to as little, the fair comparison.
    least : float
        A distance that no orthogonal matrix can go below; for `value` at it the search is known to be done.
        It equals the value for ``wasserstein_squared``.
    starts : ndarray, (n_starts,)
        What each start of the search led to.
    x, y : LinearDynamics
        The fits to all trials.
    axis : str
        What a step is.
    dt : float or None
        Length of a step in s, where the axis is time and says so.
    """

    score: str
    value: float
    self_x: Floats
    self_y: Floats
    halves: Floats
    least: float
    starts: Floats
    x: LinearDynamics
    y: LinearDynamics
    axis: str
    dt: float | None

    def __float__(self) -> float:
        return self.value

    @property
    def self_distance(self) -> float:
        """Mean distance of the two systems from themselves, of half their trials from the other half."""
        return float(np.mean([self.self_x.mean(), self.self_y.mean()]))

    def __repr__(self) -> str:
        lines = [
            f"DSA, {self.score}: {self.value:.4g} over {self.axis} "
            f"(n_delays {self.x.n_delays}, rank {self.x.rank})",
            f"  half of the trials: x to y {_spread(self.halves)}, "
            f"x to itself {_spread(self.self_x)}, y to itself {_spread(self.self_y)}",
        ]
        if self.starts.size:
            best = self.starts.min()
            hits = int(np.sum(self.starts <= best + 1e-6))
            lines.append(
                f"  {hits} of {self.starts.size} starts at the minimum, the others up to "
                f"{self.starts.max():.4g}; nothing below {self.least:.4g} is possible"
            )
        return "\n".join(lines)

    def spectra(self) -> xr.Dataset:
        """Modulus and angle of the eigenvalues of both systems, sorted by modulus.

        Returns
        -------
        Dataset, (system, mode)
            With frequency and time constant where the length of a step is known.
        """
        import xarray as xr

        both = [fit.spectrum(dt=self.dt) for fit in (self.x, self.y)]
        return xr.concat(both, dim="system").assign_coords(system=["x", "y"])


def _spread(values: Floats) -> str:
    return f"{values.mean():.4g} ({values.min():.4g} to {values.max():.4g})"


def operator_distance(
    a: ArrayLike, b: ArrayLike, *, score: str = "angular", n_starts: int = N_STARTS, seed: int = 0
) -> float:
    """Distance of two operators, whatever their coordinates.

    Parameters
    ----------
    a, b : array_like, (r, r)
    score : {"angular", "euclidean", "wasserstein_squared"}
        ``angular`` is arccos of the normalized inner product in the best basis, in rad; twice the sine of its
        half is the Euclidean distance of the operators at unit norm. ``euclidean`` is
        ``min |a - C b C'|_F`` as they are. ``wasserstein_squared`` is the mean squared distance of
        eigenvalues, matched at the least; it does not see what lies outside of the spectrum, transients of
        non-normal operators for one.
    n_starts : int
        Random starts of the search for C, besides five guesses.
    seed : int

    Returns
    -------
    float

    Raises
    ------
    SpecError
        If they are not square matrices of one size.

    Examples
    --------
    >>> from arcuate.compare import operator_distance
    >>> operator_distance([[0.9, 0.5], [0.0, 0.2]], [[0.2, 0.0], [0.5, 0.9]]) < 1e-8
    True
    """
    where = "operator_distance"
    left, right = (as_trials(m, where=where, name=k, least_steps=1)[0] for m, k in ((a, "a"), (b, "b")))
    if left.shape != right.shape or left.shape[0] != left.shape[1]:
        bound = "must be square matrices of one size"
        raise SpecError.of(where=where, name="b", value=f"shapes {left.shape}, {right.shape}", bound=bound)
    check_choice(score, SCORES, where=where, name="score")
    if score == "wasserstein_squared":
        return _wasserstein_squared(np.linalg.eigvals(left), np.linalg.eigvals(right))
    return _aligned(left, right, score, check_int(n_starts, where=where, name="n_starts"), seed)[0]


def _wasserstein_squared(x: np.ndarray, y: np.ndarray) -> float:
    from scipy.optimize import linear_sum_assignment

    costs = np.abs(x[:, None] - y[None, :]) ** 2
    return float(costs[linear_sum_assignment(costs)].mean())


def _aligned(a: Floats, b: Floats, score: str, n_starts: int, seed: int) -> tuple[float, Alignment, float]:
    """Score, search, and least score possible; the same for either order of the two."""
    if score == "angular":
        a, b = (m / (np.linalg.norm(m) or 1.0) for m in (a, b))
    if a.tolist() > b.tolist():
        a, b = b, a
    found, least = best_alignment(a, b, n_starts=n_starts, seed=seed), least_distance(a, b)
    return float(_scored(found.distance, score)), found, float(_scored(least, score))


def _scored(distance: Any, score: str) -> Any:
    """Angle of unit vectors at a distance; exact near 0, where arccos is not."""
    return 2.0 * np.arcsin(np.minimum(distance / 2.0, 1.0)) if score == "angular" else distance


def dsa(
    x: ArrayLike,
    y: ArrayLike,
    *,
    n_delays: int | None = None,
    rank: int | None = None,
    score: str = "angular",
    inputs: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
    n_components: int | None = None,
    ridge: float = 1e-6,
    center: bool = True,
    n_splits: int = N_SPLITS,
    n_starts: int = N_STARTS,
    seed: int = 0,
    progress: ProgressOption = None,
) -> DynamicalSimilarity:
    """Dynamical similarity analysis of two systems.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_trials, n_steps, n_units)
        At least two trials each, all with as many steps. The second dimension of a DataArray names the
        axis (``time``, ``tick``, ``token``, ``layer``, ...), which must be the same for both, as must be
        the distance of its coordinates where it is ``time``.
    n_delays, rank : int, optional
        Of the fit, the same for both systems; both by default from `choose_embedding`.
    score : {"angular", "euclidean", "wasserstein_squared"}
        See `operator_distance`.
    inputs : array_like, (n_trials, n_steps, n_inputs), or a pair of them, optional
        What drives the systems: both alike, or (of x, of y). The operators compared are then those of the
        systems without their inputs (DMD with control).
    n_components, ridge, center
        As in `fit_dynamics`.
    n_splits : int
        Random halves of the trials for the distance of each system from itself.
    n_starts : int
        Random starts of the search for the common basis, besides five guesses; a tenth of them for halves.
    seed : int
        Of starts and halves.
    progress : bool, callable or None
        A bar (by default after two seconds on a terminal), or a function of (done, in all).

    Returns
    -------
    DynamicalSimilarity
        A score is read beside `DynamicalSimilarity.self_distance`: two recordings of one system are not at 0.

    Raises
    ------
    SpecError
        If trials are too few, too short or of unequal length, axes or steps differ, or the data hold fewer
        dimensions than `rank`.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import dsa
    >>> rng = np.random.default_rng(0)
    >>> def trials(angle, n=10):
    ...     turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    ...     states = [rng.standard_normal((n, 2))]
    ...     for _ in range(99):
    ...         states.append(0.95 * states[-1] @ turn.T + 0.1 * rng.standard_normal((n, 2)))
    ...     return np.stack(states, axis=1)
    >>> same = dsa(trials(0.5), trials(0.5), n_delays=1, rank=2)
    >>> other = dsa(trials(0.5), trials(1.0), n_delays=1, rank=2)
    >>> bool(float(same) < 0.02), bool(float(other) > 0.4), bool(other.self_distance < 0.05)
    (True, True, True)
    """
    where = "dsa"
    cubes, axis, dt = both_systems(x, y, where=where, least=2)
    drives = both_inputs(inputs, cubes, where=where)
    if n_delays is None or rank is None:
        best = choose_embedding(
            *cubes, n_delays=n_delays, ranks=rank, inputs=None if inputs is None else drives,
            n_components=n_components, ridge=ridge, center=center,
            progress=progress,
        )  # fmt: skip
        n_delays, rank = best.attrs["n_delays"], best.attrs["rank"]
    fit = _Fit.checked(
        where, n_delays=n_delays, rank=rank, n_components=n_components, ridge=ridge, center=center,
        score=score, n_starts=n_starts, seed=seed,
    )  # fmt: skip
    splits = check_int(n_splits, where=where, name="n_splits")
    check_progress(progress, where=where, unit="halves")
    names = ("x", "y")
    whole = [fit(c, u, where=where, name=k) for c, u, k in zip(cubes, drives, names, strict=True)]
    value = fit.distance(*whole)
    least, starts = value, np.empty(0)
    if score != "wasserstein_squared":
        value, search, least = _aligned(whole[0].operator, whole[1].operator, score, n_starts, seed)
        starts = np.asarray(_scored(search.distances, score))
    selves, across = _halves(fit.quick(), cubes, drives, splits, progress)
    return DynamicalSimilarity(
        score=score,
        value=value,
        self_x=selves[0],
        self_y=selves[1],
        halves=across,
        least=least,
        starts=starts,
        x=whole[0],
        y=whole[1],
        axis=axis,
        dt=dt,
    )


def _halves(
    fit: _Fit, cubes: list[Floats], drives: list[Floats | None], n_splits: int, progress: ProgressOption
) -> tuple[list[Floats], Floats]:
    """Distances of halves of the trials: of each system, and across."""
    rng = stream(fit.seed, "compare/dsa/halves")
    selves, across = [np.empty(n_splits), np.empty(n_splits)], np.empty(n_splits)
    with progress_bar(progress, n_splits, title="dsa", unit="split") as advance:
        for split in range(n_splits):
            firsts = []
            for which, (cube, drive) in enumerate(zip(cubes, drives, strict=True)):
                order, half = rng.permutation(len(cube)), len(cube) // 2
                pair = [
                    fit(
                        cube[part],
                        None if drive is None else drive[part],
                        where="dsa",
                        name=f"half of {name}",
                    )
                    for part, name in ((order[:half], "xy"[which]), (order[half : 2 * half], "xy"[which]))
                ]
                selves[which][split] = fit.distance(*pair)
                firsts.append(pair[0])
            across[split] = fit.distance(*firsts)
            if advance is not None:
                advance(1)
    return selves, across


def dsa_grid(
    x: ArrayLike,
    y: ArrayLike,
    *,
    n_delays: Sequence[int],
    ranks: Sequence[int],
    score: str = "angular",
    inputs: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
    n_components: int | None = None,
    ridge: float = 1e-6,
    center: bool = True,
    n_splits: int = 3,
    n_starts: int = N_STARTS,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """The score for several numbers of delays and ranks: does the conclusion hang on them.

    Parameters
    ----------
    x, y : array_like, (n_trials, n_steps, n_units)
    n_delays, ranks : sequence of int
        For example three around the chosen ones each.
    score, inputs, n_components, ridge, center, n_splits, n_starts, seed
        As in `dsa`.
    progress : bool, callable or None
        A bar (by default after two seconds on a terminal), or a function of (done, in all).

    Returns
    -------
    Dataset, (n_delays, rank)
        ``value``, ``self_x``, ``self_y`` and ``halves`` (means over splits).

    Raises
    ------
    SpecError
        As `dsa`.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import dsa_grid
    >>> x = np.random.default_rng(0).standard_normal((4, 50, 3))
    >>> dict(dsa_grid(x, x, n_delays=[1, 2], ranks=[2, 3]).sizes)
    {'n_delays': 2, 'rank': 2}
    """
    import xarray as xr

    tries = ascending(n_delays, (), 0, "dsa_grid", "n_delays")
    sizes = ascending(ranks, (), 0, "dsa_grid", "ranks")
    names = ("value", "self_x", "self_y", "halves")
    out = np.empty((len(names), len(tries), len(sizes)))
    check_progress(progress, where="dsa_grid", unit="cells")
    with progress_bar(progress, out[0].size, title="dsa_grid", unit="cell") as advance:
        for row, column in itertools.product(range(len(tries)), range(len(sizes))):
            found = dsa(
                x, y, n_delays=tries[row], rank=sizes[column], score=score, inputs=inputs,
                n_components=n_components, ridge=ridge, center=center, n_splits=n_splits, n_starts=n_starts,
                seed=seed, progress=False,
            )  # fmt: skip
            out[:, row, column] = [float(np.mean(getattr(found, name))) for name in names]
            if advance is not None:
                advance(1)
    return xr.Dataset(
        {name: (("n_delays", "rank"), values) for name, values in zip(names, out, strict=True)},
        coords={"n_delays": tries, "rank": sizes},
        attrs={"score": score},
    )


@dataclass(frozen=True, kw_only=True)
class SurrogateTest:
    """A distance beside those of surrogates.

    Attributes
    ----------
    value : float
    null : ndarray, (n_surrogates,)
    p : float
        Share of surrogates that are at least as near, the observed one counted (`inference.p_value`).
    """

    value: float
    null: Floats
    p: float


def dsa_surrogates(
    x: ArrayLike,
    y: ArrayLike,
    *,
    n_delays: int,
    rank: int,
    n_surrogates: int = 99,
    score: str = "angular",
    n_components: int | None = None,
    ridge: float = 1e-6,
    center: bool = True,
    n_starts: int = 20,
    seed: int = 0,
    progress: ProgressOption = None,
) -> SurrogateTest:
    """Is y nearer to x than the same components when they do not act on each other.

    The order of whole trials does not enter the fit, so permuting stimuli is no null for dynamics. Here
    the trials of each principal component of y are put into an order of its own: every component keeps its
    course, its time constants and their distribution, and loses what it shares with the others within a
    trial (the shift predictor of Perkel, Gerstein and Moore 1967). A small p says that this is like x, and
    not the time constants alone; it does not say that the two systems are the same, which
    `DynamicalSimilarity.self_distance` is for. What components share in the mean over trials, locked to a
    stimulus, stays.

    Parameters
    ----------
    x, y : array_like, (n_trials, n_steps, n_units)
        At least 8 trials of y: with 5 of them p was too small in a simulation, with 8 and 10 uniform.
    n_delays, rank : int
    n_surrogates : int
    score, n_components, ridge, center
        As in `dsa`.
    n_starts : int
        Random starts of each search, of the observed pair and of the surrogates alike.
    seed : int
        Of starts and orders.
    progress : bool, callable or None
        As in `dsa_grid`.

    Returns
    -------
    SurrogateTest

    Raises
    ------
    SpecError
        As `dsa`.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import dsa_surrogates
    >>> t = 0.4 * np.arange(60)[:, None] + np.random.default_rng(0).uniform(0, 6, (10, 1, 1))
    >>> x = 0.97 ** np.arange(60)[:, None] * np.concatenate([np.cos(t), np.sin(t)], axis=2)
    >>> dsa_surrogates(x, x[:, :, ::-1], n_delays=1, rank=2, n_surrogates=19).p
    0.05
    """
    where = "dsa_surrogates"
    cubes, _, _ = both_systems(x, y, where=where, least=1)
    if len(cubes[1]) < 8:
        bound = "needs >= 8 trials, to be put into other orders"
        raise SpecError.of(where=where, name="y", value=len(cubes[1]), bound=bound)
    fit = _Fit.checked(
        where, n_delays=n_delays, rank=rank, n_components=n_components, ridge=ridge, center=center,
        score=score, n_starts=n_starts, seed=seed,
    )  # fmt: skip
    n = check_int(n_surrogates, where=where, name="n_surrogates")
    first, second = (fit(cube, None, where=where, name=name) for cube, name in zip(cubes, "xy", strict=True))
    value = fit.distance(first, second)
    rng = stream(seed, "compare/dsa/surrogates")
    null = np.empty(n)
    check_progress(progress, where=where, unit="surrogates")
    with progress_bar(progress, n, title=where, unit="surrogate") as advance:
        for draw in range(n):
            surrogate = fit(_apart(cubes[1], rng), None, where=where, name="a surrogate of y")
            null[draw] = fit.distance(first, surrogate)
            if advance is not None:
                advance(1)
    return SurrogateTest(value=value, null=null, p=p_value(value, null, kind="distance"))


def _apart(cube: Floats, rng: np.random.Generator) -> Floats:
    """Principal components, each with its trials in an order of its own."""
    flat = cube.reshape(-1, cube.shape[2])
    mean = flat.mean(axis=0)
    axes = np.linalg.svd(flat - mean, full_matrices=False)[2].T
    parts = (cube - mean) @ axes
    orders = np.argsort(rng.random((len(cube), parts.shape[2])), axis=0)
    return np.asarray(np.take_along_axis(parts, orders[:, None, :], axis=0) @ axes.T + mean)


def dsa_measure(
    *,
    n_delays: int | None = None,
    rank: int | None = None,
    score: str = "angular",
    inputs: ArrayLike | None = None,
    n_components: int | None = None,
    ridge: float = 1e-6,
    center: bool = True,
    n_starts: int = N_STARTS,
    seed: int = 0,
) -> Measure:
    """Dynamical similarity analysis as a measure.

    Parameters
    ----------
    n_delays, rank : int, optional
        Of the fits, the same for all systems. `compare` chooses those that are left out as `choose_embedding`
        does, for all systems of a call together.
    score, n_components, ridge, center, n_starts, seed
        As in `dsa`.
    inputs : array_like, (n_trials, n_steps, n_inputs), optional
        What drives all systems alike.

    Returns
    -------
    Measure
        A distance of trials. Its ``null`` raises: no order of trials changes a fit, so there is nothing to
        permute; see `dsa_surrogates`.

    Raises
    ------
    SpecError
        If an option is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import dsa_measure
    >>> measure = dsa_measure(n_delays=1, rank=2)
    >>> x = np.random.default_rng(0).standard_normal((4, 50, 2))
    >>> one, turned = measure.prepare(x), measure.prepare(x[:, :, ::-1])
    >>> measure.score(one, turned) < 1e-6
    True
    """
    where = "dsa_measure"
    left_open = n_delays is None or rank is None
    fit = _Fit.checked(
        where, n_delays=1 if n_delays is None else n_delays, rank=1 if rank is None else rank,
        n_components=n_components, ridge=ridge, center=center, score=score, n_starts=n_starts, seed=seed,
    )  # fmt: skip
    drive = None if inputs is None else as_trials(inputs, where=where, name="inputs", least_steps=1)

    def prepare(states: Floats) -> LinearDynamics:
        if left_open:
            bound = "must be given: what is left out is chosen by compare, for all systems together"
            fix = "give both, such as choose_embedding finds"
            raise SpecError.of(where="dsa", name="n_delays, rank", bound=bound, fix=fix)
        cube = as_trials(states, where="dsa", name="states", least_steps=2)
        shared = None if drive is None else as_inputs(drive, cube.shape, where="dsa")
        return fit(cube, shared, where="dsa", name="states")

    return Measure(
        name="dsa",
        kind="distance",
        low=0.0,
        high=float(np.pi) if score == "angular" else float(np.inf),
        symmetric=True,
        invariances=("rotation", "scale", "permutation", *(("shift",) if center else ())),
        takes="trials",
        prepare=prepare,
        score=fit.distance,
        null=_no_null,
        options={**asdict(fit), "n_delays": n_delays, "rank": rank, "inputs": drive is not None},
        choose=partial(_chosen, {
            "n_delays": n_delays, "rank": rank, "score": score, "inputs": inputs, "ridge": ridge,
            "n_components": n_components, "center": center, "n_starts": n_starts, "seed": seed,
        }) if left_open else None,
    )  # fmt: skip


def _chosen(options: dict[str, Any], systems: list[Floats], progress: ProgressOption) -> Measure:
    """The measure with delays and rank that predict all systems."""
    cubes = [as_trials(one, where="dsa", name="states", least=2, least_steps=2) for one in systems]
    if len(lengths := {cube.shape[1] for cube in cubes}) > 1:
        bound, fix = f"must have trials of one length, have {sorted(lengths)} steps", "cut the longer ones"
        raise SpecError.of(where="dsa", name="states", bound=bound, fix=fix)
    drive = options["inputs"]
    drives = [None if drive is None else as_inputs(drive, cube.shape, where="dsa") for cube in cubes]
    about = {key: options[key] for key in ("n_delays", "n_components", "ridge", "center")}
    best = chosen_embedding(cubes, drives, ranks=options["rank"], progress=progress, **about).attrs
    made = dsa_measure(**options | {"n_delays": best["n_delays"], "rank": best["rank"]})
    return replace(made, options={**made.options, "embedding": "chosen"})


def _no_null(*_: Any) -> NoReturn:
    bound = "has no null by permutation: no order of trials changes fitted dynamics"
    fix = "use dsa_surrogates for a null, and dsa(...).self_distance to see what no difference looks like"
    raise CapabilityError.of(where="dsa", name="null", bound=bound, fix=fix)
