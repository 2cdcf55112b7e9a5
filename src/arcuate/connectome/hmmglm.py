"""Switching states of coupled neurons: the HMM-GLM, fitted to spike counts."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from arcuate._estimator import Parameters
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.connectome import _hmm_fit as em
from arcuate.connectome._hmm_start import first_posteriors, pooled_coupling
from arcuate.connectome._one_hot import OneHotBelief, OneHotPrior
from arcuate.connectome.glm import (
    NONLINEARITIES,
    check_sequences,
    emissions,
    exponential_basis,
    log_factorials,
)
from arcuate.connectome.hmm import run_chain, viterbi
from arcuate.errors import (
    ArcuateWarning,
    FitError,
    MemoryLimitError,
    SpecError,
    check_array,
    check_choice,
    check_int,
    check_real,
)
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["HMMGLM", "PRIORS"]

PRIORS = ("onehot", "gaussian", "none")
"""What ties the weights of the states together."""

START_BINS = 20_000
"""Bins on which starts are compared (chosen: ten sequences of the published simulation)."""

START_EPOCHS = 3
"""Epochs that each start gets before the best goes on (chosen)."""

STAY = 0.98
"""Probability that a state stays, at the start of a fit (Li and others 2024)."""

DENSE_TOL = 20
"""How much coarser the dense fit before the one-hot prior stops (chosen)."""

MOST_BYTES = 8 << 30
"""Memory that a fit may take (chosen: half of a laptop's)."""

SIGNIFICANT = 1.96
"""Standard errors from zero where a dense fit calls a pair connected (5 %, two-sided)."""


class HMMGLM(Parameters):
    """Coupling of neurons that switches between hidden states, fitted to spike counts.

    In state s a neuron gives Poisson counts with the mean ``f(bias + weights[s] @ history)``, and the states
    are a Markov chain (Li, Kim, Rodgers, Choi and Wu, ICLR 2024, arXiv 2310.15263). Fitted by generalized EM:
    exact posteriors of the states, then one step of Fisher scoring over all weights, halved until the
    objective rises.

    Parameters
    ----------
    n_states : int
        Number of states; 1 is a generalized linear model that does not switch.
    prior : {"onehot", "gaussian", "none"}
        ``onehot``: each weight is inhibitory, absent or excitatory, with probabilities per pair that all
        states share: the connectome; the expectation over the three is exact, where the paper draws
        Gumbel-softmax samples. ``gaussian``: around one mean per pair. ``none``: each state by itself.
    nonlinearity : {"sigmoid", "softplus", "exp"}
        From drive to spikes per bin.
    basis : array_like, (K,), or None
        Weight of the last K bins in the history; None for ``exponential_basis(5)``, the paper's.
    shared_bias : bool
        Whether the states share each neuron's bias, as in the paper.
    prior_std : float
        Standard deviation of the Gaussian prior; the paper's is 1/3.
    n_starts : int
        Starts, of which the best after a few epochs goes on.
    max_iter : int
        Most epochs.
    tol : float
        Gain per bin in nats at which a fit has converged.
    seed : int or None
        Seed of the starts.
    progress : bool, callable or None
        See `arcuate.simulate`.

    Attributes
    ----------
    weights_ : ndarray, (S, N, N)
        Weight by state, neuron that receives, neuron that sends (posterior means with ``onehot``). States are
        in the order of their share of time, largest first.
    bias_ : ndarray, (S, N)
    transition_ : ndarray, (S, S)
        Probability of a step from each state (rows) to each.
    occupancy_ : ndarray, (S,)
        Share of time in each state.
    objectives_ : list of float
        Log posterior at first and after each epoch. ``onehot``: an approximation to it, no bound, since the
        likelihood is expanded to second order anew in each epoch; one value need not lie above the last.
    log_likelihood_ : float
        Exact log-likelihood of the training data, in nats.
    converged_ : bool
    connectome_ : Dataset
        ``adjacency`` (receiver, sender) of -1, 0, 1 shared by the states, its ``confidence``, the mean
        ``weight``; by state ``state_adjacency`` and ``state_weight``. With ``onehot``, ``confidence`` is the
        probability of the category that ``adjacency`` gives. With the others a pair is connected whose weight
        is 1.96 standard errors from zero, and ``confidence``, 0.5 to 1, is the probability that the mean
        weight has its sign, also where ``adjacency`` is 0.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(0.3, (2, 300, 3))
    >>> model = HMMGLM(2, prior="gaussian", max_iter=3).fit(list(counts))
    >>> model.weights_.shape, model.posterior(counts)[0].shape
    ((2, 3, 3), (300, 2))
    """

    def __init__(
        self,
        n_states: int,
        *,
        prior: str = "onehot",
        nonlinearity: str = "sigmoid",
        basis: ArrayLike | None = None,
        shared_bias: bool = True,
        prior_std: float = 1 / 3,
        n_starts: int = 3,
        max_iter: int = 100,
        tol: float = 1e-6,
        seed: int | None = 0,
        progress: ProgressOption = None,
    ) -> None:
        self.n_states, self.prior, self.nonlinearity, self.basis = n_states, prior, nonlinearity, basis
        self.shared_bias, self.prior_std = shared_bias, prior_std
        self.n_starts, self.max_iter, self.tol = n_starts, max_iter, tol
        self.seed, self.progress = seed, progress

    def _check(self) -> np.ndarray:
        """Check the parameters; the basis."""
        where = "HMMGLM"
        check_int(self.n_states, where=where, name="n_states", high=1000)
        check_choice(self.prior, PRIORS, where=where, name="prior")
        check_choice(self.nonlinearity, NONLINEARITIES, where=where, name="nonlinearity")
        shared: object = self.shared_bias
        if not isinstance(shared, bool):
            bound = "must be True or False"
            raise SpecError.of(where=where, name="shared_bias", value=shared, bound=bound)
        check_real(self.prior_std, where=where, name="prior_std", low=0, low_open=True)
        check_int(self.n_starts, where=where, name="n_starts")
        check_int(self.max_iter, where=where, name="max_iter")
        check_real(self.tol, where=where, name="tol", low=0)
        check_progress(self.progress, where=where, unit="epochs")
        basis = exponential_basis(5) if self.basis is None else self.basis
        basis = check_array(basis, where=where, name="basis", shape=(None,))
        if not basis.size or not basis.any():
            raise SpecError.of(where=where, name="basis", value=basis, bound="must have a bin that counts")
        return basis

    def fit(self, spikes: Any, y: object = None) -> Self:
        """Fit to sequences of counts.

        Parameters
        ----------
        spikes : sequence of array_like, (T, N), or DataArray
            Counts by bin and neuron; sequences may differ in length. Axes of a DataArray go by name, ``time``
            (or ``bin``) and ``neuron``; one alone, as from `arcuate.analysis.spike_counts`, is one sequence.
        y : object
            Ignored.

        Returns
        -------
        HMMGLM
            The estimator itself.

        Raises
        ------
        SpecError
            If a parameter is not valid, or something is no array of counts.
        FitError
            If there are more states than bins.
        MemoryLimitError
            If second derivatives of so many neurons would take more than 8 GiB.
        NonFiniteError
            If the fit leaves the numbers; it names the epoch.
        """
        basis = self._check()
        counts = check_sequences(spikes, "HMMGLM.fit")
        _check_memory(self.n_states, counts[0].shape[1])
        data = em.Sequences.of(counts, basis)
        if self.n_states > min(map(len, counts)):
            raise FitError.of(
                where="HMMGLM.fit",
                name="n_states",
                value=self.n_states,
                bound=f"must be at most {min(map(len, counts))}, the bins of the shortest sequence",
                fix="ask for fewer states",
            )
        total = sum(each.sum(0) for each in counts)
        if (total == 0).any():
            silent = ", ".join(map(str, np.flatnonzero(total == 0)[:8]))
            text = (
                f"HMMGLM.fit: neurons that never fire ({silent}) say nothing of their weights; leave them out"
            )
            warnings.warn(ArcuateWarning(text), stacklevel=2)
        seed = check_seed(self.seed)
        epochs = self.n_starts * START_EPOCHS + self.max_iter
        with progress_bar(self.progress, epochs, title="HMM-GLM", unit="epoch") as advance:
            self._keep(self._maximize(data, seed, advance), data, total / data.n_bins)
        return self

    def _maximize(self, data: em.Sequences, seed: int, advance: Callable[[int], None] | None) -> em.Fit:
        dense = self._dense()
        options: dict[str, Any] = {"kind": self.nonlinearity, "where": "HMMGLM.fit", "advance": advance}
        best = self._best_start(data, dense, seed, options)
        fit = em.begin(data, dense.start(best.belief.coupling), best.transition, self.nonlinearity)
        tol = self.tol * (1 if self.prior != "onehot" else DENSE_TOL)
        fit = em.run(data, dense, fit, max_iter=self.max_iter, tol=tol, **options)
        if self.prior == "onehot":
            one_hot = OneHotPrior(shared_bias=self.shared_bias)
            fit = replace(fit, belief=one_hot.start(fit.belief.coupling), objectives=(), converged=False)
            fit = em.run(data, one_hot, fit, max_iter=self.max_iter, tol=self.tol, **options)
        return fit

    def _dense(self) -> em.GaussianPrior:
        """The prior without categories: that of the fit, or of the fit before the one-hot one."""
        return em.GaussianPrior(
            std=em.WEAK if self.prior == "none" else float(self.prior_std),
            learn_mean=self.prior != "none",
            shared_bias=self.shared_bias,
        )

    def _best_start(
        self, data: em.Sequences, prior: em.GaussianPrior, seed: int, options: dict[str, Any]
    ) -> em.Fit:
        """Best of several starts after a few epochs, on part of the data."""
        part = data.part(START_BINS)
        pooled = pooled_coupling(part, self.nonlinearity)
        fits = []
        for start in range(self.n_starts if self.n_states > 1 else 1):
            rng = stream(seed, f"hmmglm/start/{start}")
            posteriors = first_posteriors(
                part, pooled, self.n_states, kind=self.nonlinearity, start=start, rng=rng
            )
            belief = prior.start(np.repeat(pooled, self.n_states, axis=0))
            belief = prior.step(belief, *em.curvature(part, posteriors, belief.coupling, self.nonlinearity))
            fit = em.begin(part, belief, _staying(self.n_states), self.nonlinearity)
            fits.append(em.run(part, prior, fit, max_iter=START_EPOCHS, tol=self.tol, **options))
        self.starts_ = [fit.objective for fit in fits]
        return fits[int(np.argmax(self.starts_))]

    def _keep(self, fit: em.Fit, data: em.Sequences, rates: np.ndarray) -> None:
        """Put the states in order, and take what the fit found."""
        share = sum(each.sum(0) for each in fit.expectation.posteriors) / data.n_bins
        order = np.lexsort((np.arange(self.n_states), -share))
        coupling = fit.belief.coupling[order]
        self.weights_, self.bias_ = coupling[..., :-1].copy(), coupling[..., -1].copy()
        self.transition_ = fit.transition[np.ix_(order, order)].copy()
        self.occupancy_, self.rates_ = np.asarray(share)[order], np.asarray(rates)
        self.objectives_, self.converged_ = list(fit.objectives), fit.converged
        self.log_likelihood_ = fit.expectation.log_likelihood
        self.n_features_in_ = len(rates)
        if isinstance(fit.belief, OneHotBelief):
            share_of = fit.belief.counts / fit.belief.counts.sum(-1, keepdims=True)
            adjacency, confidence = share_of.argmax(-1) - 1, share_of.max(-1)
            by_state = fit.belief.category[order].argmax(-1) - 1
        else:
            _, information = em.curvature(
                data, fit.expectation.posteriors, fit.belief.coupling, self.nonlinearity
            )
            variances = self._dense().variances(information[order])
            adjacency, confidence, by_state = _significant(self.weights_, *variances)
        self.connectome_ = _connectome(self.weights_, adjacency, confidence, by_state)
        meaning = "category" if self.prior == "onehot" else "sign of the mean weight"
        self.connectome_["confidence"].attrs["long_name"] = f"probability of the {meaning}"

    def _fitted(self, where: str) -> None:
        if not hasattr(self, "weights_"):
            raise FitError.of(where=where, bound="the model is not fitted", fix="call fit first")

    def _prepared(self, spikes: Any, where: str) -> list[np.ndarray]:
        self._fitted(where)
        return check_sequences(spikes, where, n_neurons=self.n_features_in_)

    def _emissions(self, spikes: Any, where: str) -> list[np.ndarray]:
        counts = self._prepared(spikes, where)
        data = em.Sequences.of(counts, self._check())
        coupling = np.concatenate([self.weights_, self.bias_[..., None]], axis=2)
        return [
            emissions(rows, each, coupling, kind=self.nonlinearity) - log_factorials(each).sum(1)[:, None]
            for rows, each in zip(data.rows, counts, strict=True)
        ]

    def log_likelihood(self, spikes: Any) -> np.ndarray:
        """Exact log-likelihood of each sequence.

        Parameters
        ----------
        spikes : sequence of array_like, (T, N)

        Returns
        -------
        ndarray, (n_sequences,)
            In nats.

        Raises
        ------
        FitError
            If the model is not fitted.
        SpecError
            If something is no array of counts of as many neurons.
        """
        first = np.full(self.n_states, 1 / self.n_states)
        parts = self._emissions(spikes, "HMMGLM.log_likelihood")
        return np.array([run_chain(part, self.transition_, first).log_likelihood for part in parts])

    def score(self, spikes: Any, y: object = None) -> float:
        """Log-likelihood per bin, in nats.

        Parameters
        ----------
        spikes : sequence of array_like, (T, N)
        y : object
            Ignored.

        Returns
        -------
        float
        """
        counts = self._prepared(spikes, "HMMGLM.score")
        return float(self.log_likelihood(counts).sum() / sum(map(len, counts)))

    def bits_per_spike(self, spikes: Any) -> float:
        """Gain per spike over a homogeneous Poisson model with the rates of the training data.

        Parameters
        ----------
        spikes : sequence of array_like, (T, N)

        Returns
        -------
        float
            In bits; 0 is no better than constant rates.
        """
        counts = self._prepared(spikes, "HMMGLM.bits_per_spike")
        total = self.log_likelihood(spikes).sum()
        rates = np.maximum(self.rates_, 1e-8)
        constant = sum(float(np.sum(each * np.log(rates) - rates - log_factorials(each))) for each in counts)
        return float((total - constant) / np.log(2) / max(sum(each.sum() for each in counts), 1))

    def posterior(self, spikes: Any) -> list[xr.DataArray]:
        """Probability of each state in each bin.

        Parameters
        ----------
        spikes : sequence of array_like, (T, N)

        Returns
        -------
        list of DataArray, (bin, state)
        """
        import xarray as xr

        first = np.full(self.n_states, 1 / self.n_states)
        return [
            xr.DataArray(
                run_chain(part, self.transition_, first).posterior,
                dims=("bin", "state"),
                coords={"state": np.arange(self.n_states)},
                name="posterior",
            )
            for part in self._emissions(spikes, "HMMGLM.posterior")
        ]

    def viterbi(self, spikes: Any) -> list[np.ndarray]:
        """Most probable path through the states.

        Parameters
        ----------
        spikes : sequence of array_like, (T, N)

        Returns
        -------
        list of ndarray of int, (T,)
        """
        return [viterbi(part, self.transition_) for part in self._emissions(spikes, "HMMGLM.viterbi")]

    def sample(
        self, n_bins: int, *, n_sequences: int = 1, seed: int | None = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw states and counts from the fitted model.

        Parameters
        ----------
        n_bins : int
        n_sequences : int
        seed : int or None

        Returns
        -------
        spikes : ndarray of int, (n_sequences, n_bins, N)
        states : ndarray of int, (n_sequences, n_bins)

        Raises
        ------
        FitError
            If the model is not fitted.
        NonFiniteError
            If the counts blow up, which the nonlinearities without a bound allow.
        """
        from arcuate.connectome.hmm_simulation import sample_counts

        self._fitted("HMMGLM.sample")
        return sample_counts(
            self.weights_,
            self.bias_,
            self.transition_,
            basis=self._check(),
            nonlinearity=self.nonlinearity,
            n_bins=n_bins,
            n_sequences=n_sequences,
            seed=seed,
        )


def _check_memory(n_states: int, n_neurons: int) -> None:
    """Refuse what cannot be held: second derivatives (S, N, N + 1, N + 1) four times, windows of a start."""
    per_neuron = 4 * n_states * (n_neurons + 1) ** 2 + START_BINS // 10 * n_neurons
    size = 8 * n_neurons * per_neuron
    if size > MOST_BYTES:
        bound = f"{n_states} states of {n_neurons} neurons would take {size / 2**30:.0f} GiB"
        fix = "leave neurons out, such as those that rarely fire, or ask for fewer states"
        raise MemoryLimitError.of(where="HMMGLM.fit", bound=f"{bound}, more than {MOST_BYTES >> 30}", fix=fix)


def _staying(n_states: int) -> np.ndarray:
    """Transition matrix (S, S) that every start begins with."""
    if n_states == 1:
        return np.ones((1, 1))
    matrix = np.full((n_states, n_states), (1 - STAY) / (n_states - 1))
    np.fill_diagonal(matrix, STAY)
    return matrix


def _significant(
    weights: np.ndarray, variance: np.ndarray, of_mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signs of weights that are far from zero for their standard errors: shared, confidence, by state."""
    from scipy.special import ndtr

    z, shared = weights / np.sqrt(variance), weights.mean(0) / np.sqrt(of_mean)
    signs = [np.where(np.abs(each) >= SIGNIFICANT, np.sign(each), 0).astype(int) for each in (shared, z)]
    return signs[0], np.asarray(ndtr(np.abs(shared))), signs[1]


def _connectome(
    weights: np.ndarray, adjacency: np.ndarray, confidence: np.ndarray, by_state: np.ndarray
) -> xr.Dataset:
    import xarray as xr

    pair = ("receiver", "sender")
    return xr.Dataset(
        {
            "adjacency": (pair, adjacency),
            "confidence": (pair, confidence),
            "weight": (pair, weights.mean(0)),
            "state_adjacency": (("state", *pair), by_state),
            "state_weight": (("state", *pair), weights),
        },
        coords={"state": np.arange(len(weights))},
    )
