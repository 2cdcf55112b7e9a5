"""Communities of a weighted graph by a stochastic block model whose parameters are integrated out.

Model: C. Aicher, A. Jacobs and A. Clauset 2015 (weighted blocks), T. Peixoto 2017 and 2018 (priors of
partitions), L. Zhang and T. Peixoto 2020 (planted partitions). What is ours: the correction for strengths,
the groups of blocks that share rates, and the evidence over all partitions.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from arcuate._estimator import Parameters
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.connectome._block_likelihood import EDGES, WEIGHTS, Likelihood, likelihood
from arcuate.connectome._block_search import Found, Workspace, climb, nested_groups, temper, warm_starts
from arcuate.connectome._graphs import Floats, Labels, as_graph, relabel
from arcuate.connectome.partitions import align, consensus
from arcuate.errors import ArcuateWarning, SpecError, check_choice, check_int, check_real
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BlockModel"]

PRIORS = ("planted", "nested", "flat")

QUASI_MARGIN = math.log(1000.0)
"""Evidence that the family "strength", whose likelihood is approximate, must have beyond one block (chosen:
graphs without blocks, with 125 nodes and heavy-tailed degrees and strengths, reached 4.6 nats at most, in 12
of them).
"""

SPREAD = 1.3
"""Squared coefficient of variation within blocks, over that of the family, above which the weights are said
not to be of it (chosen: exponential graphs with 20 and 60 nodes and up to 5 blocks had 0.77 to 1.06,
log-normal ones with a deviation of 1.5 had 1.37 and 2.19).
"""


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """One family of weights: the best partition of each prior, evidence less that of one block, samples."""

    family: str
    data: Likelihood
    best: dict[str, Found]
    joint: dict[str, float]
    evidence: dict[str, float]
    samples: Labels

    @property
    def prior(self) -> str:
        return max(self.evidence, key=lambda name: self.evidence[name])

    @property
    def factor(self) -> float:
        return self.evidence[self.prior] - (QUASI_MARGIN if self.family == "strength" else 0.0)


class BlockModel(Parameters):
    """Communities of a weighted, undirected graph, and whether to believe them.

    Weights between two blocks share a rate that is integrated out, and so the evidence of a partition has a
    closed form. Three priors say which pairs of blocks share rates: ``planted``, all pairs within blocks and
    all between (assortative or the reverse); ``flat``, none; ``nested``, pairs of the same groups of blocks,
    where groups are found too. The prior with the largest evidence is taken. For the planted prior the
    evidence is that of all partitions together, by exchange Monte Carlo, because weak communities show in
    many partitions at once and in none of them clearly.

    Evidence holds for pairs that are independent and have weights of the chosen family. Heavier tails look
    like blocks: of such weights take logarithms, and ``normal``; a warning tells where they are plain. Pairs
    of correlations depend on each other and give blocks without any structure: compare their evidence with
    that of surrogates.

    Parameters
    ----------
    weights : {"auto", "exponential", "strength", "normal", "poisson"}
        ``exponential``: weights of edges are exponential (gamma for another `shape`), after they were divided
        by a factor of each node such that all nodes have the same mean weight. ``strength``: weights of all
        pairs, absent ones being 0, as counts in units of their dispersion, around what degrees and strengths
        let expect; approximate, for sparse graphs. ``normal``: values as they are, signed too, such as
        logarithms of weights; a pair of value 0 is no edge. ``poisson``: counts. ``auto``:
        exponential, and where that finds no evidence for blocks and some pairs have no edge, strength.
    edges : {"auto", "none", "bernoulli", "poisson"}
        Whether edges carry information beside their weights: Bernoulli with a beta prior, or Poisson around
        the probability that degrees let expect. ``auto``: Poisson (Bernoulli without `corrected`), none if
        all pairs have an edge.
    prior : {"auto", "planted", "nested", "flat"}
    shape : float
        Shape of gamma weights; 1 is exponential.
    corrected : bool
        Whether degrees and strengths of nodes are taken out. Without it, hubs make blocks.
    n_starts : int
        Starts of a search: modular, spectral and random ones.
    n_sweeps : int
        Gibbs sweeps of each start, before it climbs.
    n_rounds : int
        Rounds of exchange Monte Carlo; 0 leaves it out, and judges by the best partition alone.
    max_blocks : int or None
        Most blocks; None: 2 + the square root of the number of nodes. A priori any number of blocks from 1 to
        n is as probable, whatever the most: evidence leaves out partitions with more, and gains nothing.
    seed : int
    n_jobs : int
        Threads; the result is the same for any number.
    progress : bool, callable or None
        Progress bar: True, False, None (on a terminal), or a function of (starts done, starts in all).

    Attributes
    ----------
    labels_ : ndarray, (n,), int64
        Community of each node, the largest first: the consensus of posterior samples if the evidence speaks
        for more than one block, else all 0.
    map_labels_ : ndarray, (n,), int64
        The most probable single partition under the prior that was taken.
    n_blocks_ : int
        Number of communities in `labels_`.
    prior_, weights_, edges_ : str
        What was taken.
    log_evidence_ : dict of str to float
        For each prior, logarithm of its evidence over that of one block, in nats; of "planted" over all
        partitions, of the others that of the best partition, which is a lower bound.
    log_joint_ : dict of str to float
        For each prior, the same for its most probable partition.
    log_bayes_factor_ : float
        Evidence for structure: the largest of `log_evidence_`, less a margin of ln 1000 for "strength".
    coassignment_ : ndarray, (n, n)
        Probability that two nodes are together.
    entropy_ : ndarray, (n,)
        How uncertain the community of each node is, in nats.
    result_ : xarray.Dataset
        All of it with labels of the nodes, and ``block_weight`` and ``block_density`` between communities.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import BlockModel
    >>> rng = np.random.default_rng(0)
    >>> upper = np.triu(rng.exponential(np.kron([[4.0, 1.0], [1.0, 4.0]], np.ones((10, 10)))), 1)
    >>> model = BlockModel(n_starts=4).fit(upper + upper.T)
    >>> model.n_blocks_, model.log_bayes_factor_ > 10
    (2, True)
    """

    labels_: Labels
    map_labels_: Labels
    n_blocks_: int
    prior_: str
    weights_: str
    edges_: str
    log_evidence_: dict[str, float]
    log_joint_: dict[str, float]
    log_bayes_factor_: float
    coassignment_: Floats
    entropy_: Floats
    result_: xr.Dataset

    def __init__(
        self,
        *,
        weights: str = "auto",
        edges: str = "auto",
        prior: str = "auto",
        shape: float = 1.0,
        corrected: bool = True,
        n_starts: int = 20,
        n_sweeps: int = 10,
        n_rounds: int = 30,
        max_blocks: int | None = None,
        seed: int = 0,
        n_jobs: int = 1,
        progress: ProgressOption = None,
    ) -> None:
        self.weights = weights
        self.edges = edges
        self.prior = prior
        self.shape = shape
        self.corrected = corrected
        self.n_starts = n_starts
        self.n_sweeps = n_sweeps
        self.n_rounds = n_rounds
        self.max_blocks = max_blocks
        self.seed = seed
        self.n_jobs = n_jobs
        self.progress = progress

    def fit(self, graph: Any, y: object = None) -> Self:
        """Find the communities of a graph.

        Parameters
        ----------
        graph : array_like or DataArray, (n, n)
            Symmetric weights, 0 where there is no edge; the diagonal is 0. Each pair counts once.
        y : None
            Ignored.

        Returns
        -------
        BlockModel
            Itself.

        Raises
        ------
        SpecError
            If the graph or a parameter is not valid: weights that are not finite, negative (but for
            "normal"), asymmetric or of nodes with themselves; less than two nodes, no edge; counts that are
            not integers.
        """
        matrix = self._checked(graph)
        families = self._families(matrix)
        priors = PRIORS if self.prior == "auto" else (self.prior,)
        total = (self.n_starts + 1) * len(families) * len(set(priors) - {"nested"} or {"flat"})
        with progress_bar(self.progress, total, title="communities", unit="start") as tell:
            outcomes: list[_Outcome] = []
            for family in families:
                outcomes.append(self._family(matrix, family, priors, tell))
                if outcomes[-1].factor > 0:
                    break
        taken = outcomes[-1] if outcomes[-1].factor > 0 else outcomes[0]
        self.prior_, self.weights_, self.edges_ = taken.prior, taken.family, taken.data.edges
        self.log_evidence_, self.log_joint_ = taken.evidence, taken.joint
        self.log_bayes_factor_ = taken.factor
        self.map_labels_ = relabel(taken.best[taken.prior].labels)
        structured = self.log_bayes_factor_ > 0
        rows = taken.samples if structured else np.zeros((1, len(matrix)), dtype=np.int64)
        typical = max(1, round(float(np.median([len(np.unique(row)) for row in rows]))))
        found = consensus(list(rows), max_blocks=typical)
        self.labels_, self.n_blocks_ = found.labels, found.n_blocks
        self.coassignment_ = found.coassignment
        self.entropy_ = _node_entropy(list(rows), found.labels)
        self.result_ = self._dataset(graph, matrix, found.persistence)
        if structured and self.weights_ == "exponential":
            self._warn_of_tails(taken.data)
        return self

    def _checked(self, graph: Any) -> Floats:
        where = "BlockModel"
        check_choice(self.weights, ("auto", *WEIGHTS), where=where, name="weights")
        check_choice(self.edges, EDGES, where=where, name="edges")
        check_choice(self.prior, ("auto", *PRIORS), where=where, name="prior")
        check_real(self.shape, where=where, name="shape", low=0.0, low_open=True)
        if not isinstance(self.corrected, bool):
            raise SpecError.of(
                where=where, name="corrected", value=self.corrected, bound="must be True or False"
            )
        check_int(self.n_starts, where=where, name="n_starts")
        check_int(self.n_sweeps, where=where, name="n_sweeps", low=0)
        check_int(self.n_rounds, where=where, name="n_rounds", low=0)
        check_int(self.n_jobs, where=where, name="n_jobs")
        check_seed(self.seed)
        check_progress(self.progress, where=where, unit="starts")
        matrix = as_graph(graph, where=where, signed=self.weights == "normal")
        if self.max_blocks is not None:
            check_int(self.max_blocks, where=where, name="max_blocks", low=2, high=len(matrix))
        if self.weights == "poisson" and np.any(matrix != np.round(matrix)):
            i, j = (int(k) for k in np.argwhere(matrix != np.round(matrix))[0])
            bound = f'must hold integers for weights="poisson", at pair ({i}, {j})'
            fix = 'use weights="auto" for real weights'
            raise SpecError.of(where=where, name="graph", value=float(matrix[i, j]), bound=bound, fix=fix)
        return matrix

    def _families(self, matrix: Floats) -> tuple[str, ...]:
        if self.weights != "auto":
            return (self.weights,)
        full = np.count_nonzero(matrix) == len(matrix) * (len(matrix) - 1)
        return ("exponential",) if full else ("exponential", "strength")

    def _family(
        self, matrix: Floats, family: str, priors: tuple[str, ...], tell: Callable[[int], None] | None
    ) -> _Outcome:
        """Search under each prior, then weigh all partitions of the planted one."""
        n = len(matrix)
        slots = min(n, self.max_blocks or 2 + math.ceil(math.sqrt(n)))
        data = likelihood(matrix, family, self.edges, shape=self.shape, corrected=self.corrected)
        space = Workspace(data, slots)
        groups = {"planted": np.zeros(slots, dtype=np.int64), "flat": np.arange(slots, dtype=np.int64)}
        zero = np.zeros(n, dtype=np.int64)
        one = space.joint(zero, groups["planted"]) - space.log_prior(zero)
        best: dict[str, Found] = {}
        for name in ("planted", "flat"):
            if name in priors or ("nested" in priors and not best and name == "flat"):
                found = climb(
                    data,
                    groups[name],
                    n_starts=self.n_starts,
                    n_sweeps=self.n_sweeps,
                    seed=self.seed,
                    name=f"connectome/blocks/{family}/{name}",
                    threads=self.n_jobs,
                    progress=tell,
                )
                best[name] = found[0]
        if "nested" in priors:
            start = max(best.values(), key=lambda b: b.value)
            best["nested"], _ = nested_groups(
                space, start, seed=self.seed, name=f"connectome/blocks/{family}"
            )
        best = {name: best[name] for name in priors}
        joint = {name: found.value - one for name, found in best.items()}
        evidence = dict(joint)
        samples: Labels | None = None
        if "planted" in priors and self.n_rounds:
            evidence["planted"], samples = self._weigh(
                space, best["planted"], one, evidence["planted"], family
            )
        taken = max(evidence, key=lambda name: evidence[name])
        if taken != "planted" or samples is None:
            samples = self._sample(space, best[taken], family)
        return _Outcome(family=family, data=data, best=best, joint=joint, evidence=evidence, samples=samples)

    def _weigh(
        self, space: Workspace, best: Found, one: float, bound: float, family: str
    ) -> tuple[float, Labels]:
        """Evidence of the planted prior over all partitions, at least that of the best, and samples of it."""
        name = f"connectome/blocks/{family}/planted"
        warm = warm_starts(space, best.group, n_starts=self.n_starts, seed=self.seed, name=name)
        states = [*warm[:2], best.labels]
        log_z, samples, _ = temper(
            space, states, best.group, rounds=max(self.n_rounds, 3), seed=self.seed, name=name
        )
        held = math.log(space.slots / space.n)  # prior of having no more blocks than there is room for
        return max(bound, log_z + held - one), samples[::2]

    def _sample(self, space: Workspace, best: Found, family: str) -> Labels:
        """Samples around the best partition of a prior."""
        draw = stream(self.seed, f"connectome/blocks/{family}/samples")
        labels = best.labels.copy()
        opens = bool(best.group.max() == 0 or len(np.unique(best.group)) == len(best.group))
        _, kept, _ = space.run(labels, best.group, np.ones(60), draw, opens=opens)
        return kept[20::2]

    def _warn_of_tails(self, data: Likelihood) -> None:
        """Say where weights spread more within blocks than the family does, which makes blocks of its own."""
        present, x = data.pairs[..., 0], data.pairs[..., 1]
        one = np.eye(self.n_blocks_)[self.labels_]
        mean = one.T @ x @ one / np.maximum(one.T @ present @ one, 1.0)
        on = present > 0
        spread = self.shape * float((x[on] / mean[np.ix_(self.labels_, self.labels_)][on]).var())
        if spread > SPREAD:
            warnings.warn(
                f"BlockModel: weights within blocks vary {spread:.1f} times as much as the family does, and "
                'such tails look like blocks; take logarithms and weights="normal".',
                ArcuateWarning,
                stacklevel=3,
            )

    def _dataset(self, graph: Any, matrix: Floats, persistence: Floats) -> xr.Dataset:
        import xarray as xr

        names = np.arange(len(matrix))
        if isinstance(graph, xr.DataArray) and graph.dims[0] in graph.coords:
            names = np.asarray(graph.coords[graph.dims[0]].values)
        one = np.eye(self.n_blocks_)[self.labels_]
        pairs = one.T @ (1.0 - np.eye(len(matrix))) @ one
        edges = one.T @ (matrix != 0) @ one
        with np.errstate(invalid="ignore", divide="ignore"):
            weight, density = one.T @ matrix @ one / pairs, edges / pairs
        return xr.Dataset(
            {
                "label": ("node", self.labels_),
                "map_label": ("node", self.map_labels_),
                "entropy": ("node", self.entropy_),
                "persistence": ("node", persistence),
                "coassignment": (("node", "other"), self.coassignment_),
                "block_weight": (("block", "other_block"), weight),
                "block_density": (("block", "other_block"), density),
                "log_evidence": ("prior", list(self.log_evidence_.values())),
            },
            coords={"node": names, "other": names, "prior": list(self.log_evidence_)},
            attrs={
                "prior": self.prior_,
                "weights": self.weights_,
                "edges": self.edges_,
                "log_bayes_factor": self.log_bayes_factor_,
                "seed": self.seed,
            },
        )


def _node_entropy(rows: list[Labels], labels: Labels) -> Floats:
    """Entropy of the community of each node over samples that are aligned with the consensus."""
    aligned = np.array([align(row, labels) for row in rows])
    shares = np.array([(aligned == k).mean(axis=0) for k in range(int(aligned.max()) + 1)])
    return np.asarray(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=0), dtype=np.float64)
