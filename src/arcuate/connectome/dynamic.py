"""The dynamic functional connectome: graphs and communities of the components of a factorization, over
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from arcuate._inputs import as_real
from arcuate.connectome._graphs import Floats, Labels, as_graph
from arcuate.connectome.blocks import BlockModel
from arcuate.connectome.ntf import NTF
from arcuate.connectome.partitions import align, ami
from arcuate.errors import FitError, SpecError, check_int, check_real
from arcuate.rng import check_seed, stream

__all__ = ["Anatomy", "DynamicConnectome"]


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """How a component agrees with an anatomical matrix.

    Attributes
    ----------
    rank_correlation : float
        Spearman's, over pairs.
    auroc : float
        Chance that a connected pair has a larger weight than an unconnected one.
    p_rank, p_auroc : float
        Share of rewired matrices that agree as well, (1 + number) / (1 + all), one-sided.
    n_null : int
        Rewired matrices with the same degrees.

    Examples
    --------
    >>> Anatomy(rank_correlation=0.2, auroc=0.7, p_rank=0.01, p_auroc=0.01, n_null=99).auroc
    0.7
    """

    rank_correlation: float
    auroc: float
    p_rank: float
    p_auroc: float
    n_null: int


class DynamicConnectome:
    """Graphs of pairs, one for each component, with the times and animals where they are active.

    Parameters
    ----------
    graphs : array_like, (component, n, n)
        Symmetric weights >= 0 of each component; one without edges has no communities.
    times : array_like, (time, component)
        Loading of each component at each time, >= 0.
    animals : array_like, (animal, component), or None
        Loading in each animal; None: one animal with loadings 1.
    neurons : sequence of str or None
        Names.
    time : array_like, (time,), s, or None
        Times, ascending; None: 0, 1, 2, ...
    animal : sequence of str or None
        Names of animals.

    Raises
    ------
    SpecError
        If shapes do not fit, something is negative or not finite, times do not ascend, or a name stands
        twice.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import DynamicConnectome
    >>> pair = np.kron(np.diag([1.0, 0.0]), np.ones((2, 2))) * (1 - np.eye(4))
    >>> connectome = DynamicConnectome([pair, pair[::-1, ::-1]], [[1.0, 0.0], [0.0, 2.0]])
    >>> connectome.at(1.0).values[2, 3], connectome.at(0.0).values[2, 3]
    (np.float64(2.0), np.float64(0.0))
    """

    def __init__(
        self,
        graphs: Any,
        times: Any,
        animals: Any = None,
        *,
        neurons: Sequence[str] | None = None,
        time: Any = None,
        animal: Sequence[str] | None = None,
    ) -> None:
        where = "DynamicConnectome"
        stack = _stack(graphs, where)
        loadings = _loadings(times, len(stack), where, "times")
        shares = (
            np.ones((1, len(stack))) if animals is None else _loadings(animals, len(stack), where, "animals")
        )
        names = _names(neurons, stack.shape[1], where, "neurons")
        who = _names(animal, len(shares), where, "animal")
        when = as_real(np.arange(len(loadings)) if time is None else time, where=where, name="time")
        if when.shape != (len(loadings),):
            bound = f"must have shape ({len(loadings)},)"
            raise SpecError.of(where=where, name="time", value=f"shape {when.shape}", bound=bound)
        if (np.diff(when) <= 0).any():
            raise SpecError.of(where=where, name="time", value=when, bound="must ascend")
        self.graphs = xr.DataArray(
            stack, dims=("component", "neuron", "other"), coords={"neuron": names, "other": names}
        )
        self.times = xr.DataArray(loadings, dims=("time", "component"), coords={"time": when})
        self.animals = xr.DataArray(shares, dims=("animal", "component"), coords={"animal": who})
        self.labels_: np.ndarray | None = None
        self.models_: tuple[BlockModel | None, ...] = ()

    @classmethod
    def from_ntf(cls, model: Any) -> DynamicConnectome:
        """Take graphs, times and animals from a fitted `NTF`.

        Parameters
        ----------
        model : NTF
            Of a tensor with a mode of pairs (or two of neurons), one of times, and perhaps one of animals.

        Returns
        -------
        DynamicConnectome
            Weights of the components are in the graphs.

        Raises
        ------
        SpecError
            If it is no `NTF`, or there is no mode of times.
        FitError
            If it is not fitted.
        """
        where = "DynamicConnectome.from_ntf"
        if not isinstance(model, NTF):
            raise SpecError.of(where=where, name="model", value=model, bound="must be an NTF")
        if not hasattr(model, "result_"):
            raise FitError.of(where=where, name="model", bound="is not fitted", fix="call fit first")
        result = model.result_
        if "factor_time" not in result:
            bound = 'has no mode "time"'
            raise SpecError.of(where=where, name="model", value=list(result), bound=bound)
        graphs = [model.graph(r) for r in range(result.sizes["component"])]
        names = graphs[0].coords[graphs[0].dims[0]].values if graphs[0].dims[0] in graphs[0].coords else None
        stack = [np.array(graph.values, dtype=float) for graph in graphs]
        for matrix in stack:
            np.fill_diagonal(matrix, 0.0)
        animals = (
            result["factor_animal"].transpose("animal", "component") if "factor_animal" in result else None
        )
        times = result["factor_time"].transpose("time", "component")
        return cls(
            stack,
            times.values,
            None if animals is None else animals.values,
            neurons=None if names is None else list(names),
            time=times.coords["time"].values if "time" in times.coords else None,
            animal=None
            if animals is None or "animal" not in animals.coords
            else list(animals.coords["animal"].values),
        )

    @property
    def n_components(self) -> int:
        """Number of components."""
        return int(self.graphs.sizes["component"])

    def find_communities(self, model: BlockModel | None = None) -> DynamicConnectome:
        """Find the communities of every component, with numbers that agree from one component to the next.

        Parameters
        ----------
        model : BlockModel or None
            Parameters of the block model; None: its defaults, but ``corrected=False``, as the members of a
            component are its hubs.

        Returns
        -------
        DynamicConnectome
            Itself; `labels_` (component, n) has the communities, `models_` the fits. A component without
            edges has one community and the fit None.

        Raises
        ------
        SpecError
            If it is no `BlockModel`, or a parameter of it is not valid.
        """
        if not isinstance(model, BlockModel | None):
            raise SpecError.of(
                where="find_communities", name="model", value=model, bound="must be a BlockModel or None"
            )
        template = BlockModel(corrected=False) if model is None else model
        rows, fits = np.zeros(self.graphs.shape[:2], dtype=np.int64), []
        last: Labels | None = None
        for row, graph in zip(rows, self.graphs, strict=True):
            fits.append(BlockModel(**template.get_params()).fit(graph) if graph.values.any() else None)
            if fits[-1] is not None:
                row[:] = fits[-1].labels_ if last is None else align(fits[-1].labels_, last)
                last = row
        self.labels_, self.models_ = rows, tuple(fits)
        return self

    def at(self, t: float, *, animal: str | None = None) -> xr.DataArray:
        """Graph at a time, sum_r f_r(t) f_r(animal) A_r; the nearest time of the grid is taken.

        Parameters
        ----------
        t : float, s
        animal : str or None
            None: the mean over animals.

        Returns
        -------
        DataArray, (neuron, other)

        Raises
        ------
        SpecError
            If the time lies outside the grid, or the animal is not there.
        """
        when = self.times.time.values
        check_real(t, where="at", name="t", low=float(when.min()), high=float(when.max()))
        loading = self.times.values[int(np.abs(when - t).argmin())]
        if animal is None:
            share = self.animals.values.mean(axis=0)
        elif animal in self.animals.animal.values:
            share = self.animals.sel(animal=animal).values
        else:
            known = ", ".join(self.animals.animal.values[:8])
            raise SpecError.of(
                where="at", name="animal", value=animal, bound="is not there", fix=f"use {known}"
            )
        return (self.graphs * xr.DataArray(loading * share, dims="component")).sum("component")

    def motifs(self) -> xr.Dataset:
        """Communities of all components that the evidence speaks for, with their strength within and times.

        Every block is there: of a component with one community, the rest too, whose contrast is below 1.

        Returns
        -------
        Dataset
            Over ``motif``: ``component``, ``block``, ``member`` (motif, neuron), ``within`` (mean weight
            within), ``contrast`` (over the mean weight to others), ``peak`` (time of the largest loading, s).

        Raises
        ------
        SpecError
            Before `find_communities`.
        """
        labels, rows = self._labels("motifs"), []
        for r in range(self.n_components):
            graph = self.graphs.values[r]
            for block in np.unique(labels[r]) if len(np.unique(labels[r])) > 1 else ():
                inside = labels[r] == block
                k = int(inside.sum())
                if k < 2:
                    continue
                within = graph[np.ix_(inside, inside)].sum() / (k * (k - 1))
                outside = graph[np.ix_(inside, ~inside)].mean()
                contrast = within / outside if outside > 0 else np.inf
                rows.append((r, int(block), inside, within, contrast))
        rows.sort(key=lambda row: -row[3])
        peaks = self.times.time.values[self.times.values.argmax(axis=0)]
        members = np.array([row[2] for row in rows], dtype=bool).reshape(
            len(rows), self.graphs.sizes["neuron"]
        )
        return xr.Dataset(
            {
                "component": ("motif", [row[0] for row in rows]),
                "block": ("motif", [row[1] for row in rows]),
                "member": (("motif", "neuron"), members),
                "within": ("motif", [float(row[3]) for row in rows]),
                "contrast": ("motif", [float(row[4]) for row in rows]),
                "peak": ("motif", [float(peaks[row[0]]) for row in rows]),
            },
            coords={"neuron": self.graphs.neuron.values},
        )

    def overlap(self, r: int, s: int) -> xr.Dataset:
        """How alike two components are.

        Parameters
        ----------
        r, s : int
            Components.

        Returns
        -------
        Dataset
            ``graph``, ``time`` and ``animal``: cosines of their weights and loadings; ``ami`` of their
            communities, once those were found.

        Raises
        ------
        SpecError
            If there is no such component.
        """
        for name, value in (("r", r), ("s", s)):
            check_int(value, where="overlap", name=name, low=0, high=self.n_components - 1)
        pairs = np.triu_indices(self.graphs.sizes["neuron"], 1)
        found = {
            "graph": _cosine(self.graphs.values[r][pairs], self.graphs.values[s][pairs]),
            "time": _cosine(self.times.values[:, r], self.times.values[:, s]),
            "animal": _cosine(self.animals.values[:, r], self.animals.values[:, s]),
        }
        if self.labels_ is not None:
            found["ami"] = ami(self.labels_[r], self.labels_[s])
        return xr.Dataset({name: ((), value) for name, value in found.items()})

    def interval(self, *, n_draws: int = 1000, level: float = 0.95, seed: int = 0) -> xr.Dataset:
        """Bootstrap over animals of the mean loading of every component.

        Parameters
        ----------
        n_draws : int
            Sets of animals drawn with replacement.
        level : float
            Coverage of the interval.
        seed : int

        Returns
        -------
        Dataset
            Over ``component``: ``mean``, ``low``, ``high`` (percentiles), and ``share``, of the animals in
            which the component has a tenth of its largest loading or more.

        Raises
        ------
        SpecError
            With less than two animals.
        """
        draws = check_int(n_draws, where="interval", name="n_draws", low=10)
        check_real(level, where="interval", name="level", low=0.0, high=1.0, low_open=True, high_open=True)
        loads = self.animals.values
        if len(loads) < 2:
            raise SpecError.of(where="interval", name="animals", value=len(loads), bound="must be at least 2")
        rows = stream(check_seed(seed), "connectome/bootstrap").integers(0, len(loads), (draws, len(loads)))
        means = loads[rows].mean(axis=1)
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
        share = (loads >= 0.1 * np.maximum(loads.max(axis=0), np.finfo(float).tiny)).mean(axis=0)
        parts = {"mean": loads.mean(axis=0), "low": low, "high": high, "share": share}
        return xr.Dataset({name: ("component", value) for name, value in parts.items()})

    def compare_with_anatomy(
        self, component: int, anatomy: Any, *, n_null: int = 500, seed: int = 0
    ) -> Anatomy:
        """Compare the graph of a component with a matrix of connections, against rewired matrices.

        The null exchanges ends of connections so that every neuron keeps its number of them (Maslov and
        Sneppen 2002), and carries the weights along.

        Parameters
        ----------
        component : int
        anatomy : array_like or DataArray, (n, n)
            Symmetric weights >= 0; sum both directions of a directed connectome. A DataArray with names as
            coordinates is brought into the order of the neurons, others must be in it.
        n_null : int
            Rewired matrices.
        seed : int

        Returns
        -------
        Anatomy

        Raises
        ------
        SpecError
            If the matrix does not fit or lacks a neuron by name, or all pairs or none are connected.
        """
        where = "compare_with_anatomy"
        r = check_int(component, where=where, name="component", low=0, high=self.n_components - 1)
        count = check_int(n_null, where=where, name="n_null")
        ordered = _in_order(anatomy, [str(k) for k in self.graphs.neuron.values], where)
        matrix = as_graph(ordered, where=where, name="anatomy")
        weights = self.graphs.values[r]
        if matrix.shape != weights.shape:
            raise SpecError.of(
                where=where, name="anatomy", value=matrix.shape, bound=f"must be {weights.shape}"
            )
        pairs = np.triu_indices(len(matrix), 1)
        if (matrix[pairs] > 0).all():
            raise SpecError.of(where=where, name="anatomy", bound="connects all pairs; set a threshold")
        ranks = rankdata(weights[pairs])
        rank, area = _agreement(ranks, matrix[pairs])
        draw = stream(check_seed(seed), "connectome/rewire")
        nulls = np.array([_agreement(ranks, _rewired(matrix, draw)[pairs]) for _ in range(count)])
        p = (1 + (nulls >= np.array([rank, area]) - 1e-12).sum(axis=0)) / (1 + count)
        return Anatomy(
            rank_correlation=rank, auroc=area, p_rank=float(p[0]), p_auroc=float(p[1]), n_null=count
        )

    def _labels(self, where: str) -> np.ndarray:
        if self.labels_ is None:
            fix = "call find_communities first"
            raise SpecError.of(where=where, name="communities", bound="were not found yet", fix=fix)
        return self.labels_


def _stack(graphs: Any, where: str) -> Floats:
    """Graphs of all components, (component, n, n)."""
    stack = [as_graph(g, where=where, name=f"graphs[{k}]", empty=True) for k, g in enumerate(graphs)]
    if not stack:
        raise SpecError.of(where=where, name="graphs", bound="must hold at least one component")
    for k, graph in enumerate(stack):
        if graph.shape != stack[0].shape:
            bound = f"must have {len(stack[0])} nodes, as graphs[0]"
            raise SpecError.of(where=where, name=f"graphs[{k}]", value=f"{len(graph)} nodes", bound=bound)
    return np.asarray(stack)


def _names(given: Sequence[str] | None, n: int, where: str, name: str) -> list[str]:
    names = [str(k) for k in (range(n) if given is None else given)]
    if len(names) != n:
        raise SpecError.of(where=where, name=name, value=f"{len(names)} of them", bound=f"must be {n}")
    if len(set(names)) < n:
        twice = next(k for k in names if names.count(k) > 1)
        raise SpecError.of(where=where, name=name, value=twice, bound="stands twice; names must differ")
    return names


def _in_order(anatomy: Any, neurons: list[str], where: str) -> Any:
    """Rows and columns of a labeled matrix in the order of the neurons; others as they are."""
    if not isinstance(anatomy, xr.DataArray) or anatomy.ndim != 2:
        return anatomy
    labels = [[str(k) for k in anatomy[dim].values] for dim in anatomy.dims if dim in anatomy.coords]
    if not labels:
        return anatomy
    order = []
    for names in (labels[0], labels[-1]):
        missing = [k for k in neurons if names.count(k) != 1]
        if missing:
            bound = f"must name every neuron once; not so: {', '.join(missing[:6])}"
            fix = "name the neurons alike, or give anatomy.values in their order"
            raise SpecError.of(where=where, name="anatomy", bound=bound, fix=fix)
        order.append([names.index(k) for k in neurons])
    return anatomy.values[np.ix_(*order)]


def _loadings(value: Any, components: int, where: str, name: str) -> Floats:
    array = as_real(value, where=where, name=name).astype(np.float64)
    if array.ndim != 2 or array.shape[1] != components or not len(array):
        bound = f"must have one column for each of {components} components"
        raise SpecError.of(where=where, name=name, value=f"shape {array.shape}", bound=bound)
    if (array < 0).any():
        raise SpecError.of(where=where, name=name, value=float(array.min()), bound="must be >= 0")
    return array


def _cosine(a: Floats, b: Floats) -> float:
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0


def _agreement(ranks: Floats, anatomy: Floats) -> tuple[float, float]:
    """Spearman's correlation, and the area under the curve of connected against unconnected pairs."""
    spearman = float(np.corrcoef(ranks, rankdata(anatomy))[0, 1]) if np.ptp(ranks) > 0 else 0.0
    on = anatomy > 0
    m = int(on.sum())
    area = (ranks[on].sum() - m * (m + 1) / 2) / (m * (len(ranks) - m))
    return spearman, float(area)


def _rewired(matrix: Floats, draw: np.random.Generator) -> Floats:
    """Exchange the ends of random pairs of edges, ten tries for each edge."""
    first, second = (ends.copy() for ends in np.nonzero(np.triu(matrix, 1)))
    values = matrix[first, second]
    taken = matrix > 0
    for k, m, turn in zip(
        draw.integers(0, len(first), 10 * len(first)),
        draw.integers(0, len(first), 10 * len(first)),
        draw.random(10 * len(first)) < 0.5,
        strict=True,
    ):
        a, b, c, d = first[k], second[k], first[m], second[m]
        if turn:
            c, d = d, c
        if len({a, b, c, d}) < 4 or taken[a, d] or taken[c, b]:
            continue
        taken[a, b] = taken[b, a] = taken[c, d] = taken[d, c] = False
        taken[a, d] = taken[d, a] = taken[c, b] = taken[b, c] = True
        second[k], first[m], second[m] = d, c, b
    new = np.zeros_like(matrix)
    new[first, second] = new[second, first] = values
    return new
