"""Does thinking in steps help, and only after local experience? Conditionals by four ways of asking.

A predictor that has seen pieces of a Bayes net is asked for the probability of a variable given one it never
saw beside it. Asked at once it can do no better than the marginal; led over the variables between them it
chains what it has seen.

References
----------
Prystawski, Li and Goodman, Why think step by step? Reasoning emerges from the locality of experience,
NeurIPS 2023, arXiv 2304.03843: estimators, and the proof for chains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from arcuate import rng
from arcuate._inputs import Floats
from arcuate.errors import NonFiniteError, SpecError, check_int, check_real
from arcuate.tasks import BayesNet, LocalTrials

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ESTIMATORS", "PairTable", "Question", "WordPredictor", "locality_scores", "step_by_step"]

ESTIMATORS = ("direct", "scaffolded", "negative", "free")
Whole = np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """What a predictor is asked, many draws at once: given values, in the order in which they were said.

    Parameters
    ----------
    goal : int
        The variable that is wanted in the end, named before all others.
    names : ndarray, (n_draws, n_given), int
        Variables that were said; in a row of free generation they differ from draw to draw.
    values : ndarray, (n_draws, n_given), int
        Their values, 0 and 1.
    variable : int or ndarray, (n_draws,)
        Whose value comes next.

    Examples
    --------
    >>> Question(goal=2, names=np.array([[0]]), values=np.array([[1]]), variable=2).n_draws
    1
    """

    goal: int
    names: Whole
    values: Whole
    variable: int | Whole

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return len(self.names)


Predict = Callable[[Question], np.ndarray]
Propose = Callable[[Question], np.ndarray]


def step_by_step(
    predict: Predict,
    net: BayesNet,
    pairs: Sequence[tuple[int, int]],
    *,
    propose: Propose | None = None,
    n_draws: int = 100,
    max_steps: int | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Estimate conditionals at once, and over variables in between that the predictor fills in itself.

    For each pair (X, Y), in both directions and for both values of Y, P(X = 1 given Y = y) is estimated
    ``direct``; ``scaffolded``, over the variables of the path from Y to X in this order; ``negative``, over
    as many variables that are not on it, NaN where there are not so many; and ``free``, over variables that
    the predictor names itself until it names X. Values in between are drawn from what it says of each, and
    the last answer is averaged.

    Parameters
    ----------
    predict : callable
        Gets a `Question`, gives the probability (n_draws,) that the variable asked for is 1.
    net : BayesNet
        What is true.
    pairs : sequence of (int, int)
        Such as the pairs that were never shown together.
    propose : callable, optional
        Gets a `Question` whose variable is not looked at, gives the probability (n_draws, n_variables) with
        which each variable is named next. Without it there is no free estimate.
    n_draws : int
        Of the values in between.
    max_steps : int, optional
        Free generation that has not named X after so many variables asks for it; as many as there are, less
        two, by default. Variables that were said are not named again.
    seed : int
        Of the draws, stream ``"locality"``.

    Returns
    -------
    Dataset, (question, estimator)
        ``estimate``; over questions ``true``, ``marginal`` (of X), ``weight`` (P(Y = y)), the coordinates
        ``target``, ``given``, ``value``, and ``distance``, edges between them.

    Raises
    ------
    SpecError
        If no path joins a pair, or there is no pair.
    NonFiniteError
        If a predictor gives what is no probability.

    Examples
    --------
    >>> net = BayesNet.chain(5, flip=0.12)
    >>> from arcuate.tasks import LocalExperience
    >>> seen = LocalExperience(net=net, p=1.0, drop=0.0, held_out=net.far_pairs(6)).draw(20000, seed=1)
    >>> found = step_by_step(PairTable(seen), net, [(0, 4)], n_draws=4000)
    >>> found.estimate.sel(question=1).round(2).values.tolist()[:2], found.true.values.round(2)[1].item()
    ([0.51, 0.69], 0.67)
    >>> bool(found.estimate.sel(estimator="negative").isnull().all())  # three are on the path, none is off it
    True
    """
    where, n = "step_by_step", net.n_variables
    draws = check_int(n_draws, where=where, name="n_draws")
    most = check_int(
        n - 2 if max_steps is None else max_steps, where=where, name="max_steps", low=0, high=n - 2
    )
    if len(pairs) == 0:
        raise SpecError.of(where=where, name="pairs", value=list(pairs), bound="must hold a pair")
    generator = rng.stream(rng.check_seed(seed), "locality")
    asker = _Asker(predict, propose, draws, generator)
    rows = []
    for target, given in ((*pair[::order],) for pair in pairs for order in (1, -1)):
        path = net.path(given, target)
        if len(path) < 2:
            bound = "must be of two variables that a path joins"
            raise SpecError.of(where=where, name="pairs", value=(target, given), bound=bound)
        between = path[1:-1]
        other = generator.permutation(np.setdiff1d(np.arange(n), path))[: len(between)]
        for value in (0, 1):
            first = (target, given, value)
            row = [asker.over(first, ()), asker.over(first, between)]
            row.append(asker.over(first, other) if len(other) == len(between) else np.nan)
            row.append(asker.free(first, most) if propose is not None else np.nan)
            rows.append((first, len(path) - 1, row))
    return _told(net, rows)


def _told(net: BayesNet, rows: list[tuple[tuple[int, int, int], int, list[float]]]) -> xr.Dataset:
    """The estimates beside what is true."""
    import xarray as xr

    target, given, value = np.array([first for first, _, _ in rows]).T
    table = np.array([row for _, _, row in rows])
    one = net.marginal[given]
    return xr.Dataset(
        {
            "estimate": (("question", "estimator"), table),
            "true": ("question", net.conditional[target, given, value]),
            "marginal": ("question", net.marginal[target]),
            "weight": ("question", np.where(value == 1, one, 1 - one)),
        },
        coords={
            "estimator": list(ESTIMATORS),
            "target": ("question", target),
            "given": ("question", given),
            "value": ("question", value),
            "distance": ("question", [distance for _, distance, _ in rows]),
        },
    )


@dataclass(frozen=True, eq=False)
class _Asker:
    """Asks a predictor, and draws what it says."""

    predict: Predict
    propose: Propose | None
    n_draws: int
    generator: np.random.Generator

    def over(self, first: tuple[int, int, int], between: Sequence[int] | Whole) -> float:
        """The estimate over given variables, in their order."""
        goal, given, value = first
        n = self.n_draws if len(between) else 1
        names, values = np.full((n, 1), given), np.full((n, 1), value)
        for variable in (int(v) for v in between):
            one = self.answer(Question(goal=goal, names=names, values=values, variable=variable))
            drawn = (self.generator.random(n) < one).astype(np.int64)
            names = np.column_stack([names, np.full(n, variable)])
            values = np.column_stack([values, drawn])
        return float(self.answer(Question(goal=goal, names=names, values=values, variable=goal)).mean())

    def free(self, first: tuple[int, int, int], most: int) -> float:
        """The estimate over variables that the predictor names."""
        assert self.propose is not None
        goal, given, value = first
        n = self.n_draws
        names, values = np.full((n, 1), given), np.full((n, 1), value)
        found = np.full(n, np.nan)
        left = np.arange(n)
        for step in range(most + 1):
            question = Question(goal=goal, names=names, values=values, variable=goal)
            following = np.full(left.size, goal)
            if step < most:
                chance = _probabilities(self.propose(question), (left.size, None), "propose").copy()
                np.put_along_axis(chance, names, 0.0, axis=1)
                chance[chance.sum(axis=1) == 0, goal] = 1.0
                steps = chance.cumsum(axis=1)
                at = self.generator.random(left.size) * steps[:, -1]
                following = np.minimum((steps <= at[:, None]).sum(axis=1), chance.shape[1] - 1)
            one = self.answer(Question(goal=goal, names=names, values=values, variable=following))
            done = following == goal
            found[left[done]] = one[done]
            drawn = (self.generator.random(left.size) < one).astype(np.int64)
            names = np.column_stack([names, following])[~done]
            values = np.column_stack([values, drawn])[~done]
            left = left[~done]
            if left.size == 0:
                break
        return float(found.mean())

    def answer(self, question: Question) -> Floats:
        """What the predictor says, checked."""
        return _probabilities(self.predict(question), (question.n_draws,), "predict")


def _probabilities(value: object, shape: tuple[int | None, ...], name: str) -> Floats:
    """Numbers from 0 to 1 of a shape."""
    found = np.asarray(value, dtype=np.float64)
    if found.ndim != len(shape) or any(a not in (None, b) for a, b in zip(shape, found.shape, strict=True)):
        bound = f"must give shape {shape}, not {found.shape}"
        raise SpecError.of(where="step_by_step", name=name, bound=bound)
    if not ((found >= -1e-9) & (found <= 1 + 1e-6)).all():
        bound = "must give probabilities, from 0 to 1"
        raise NonFiniteError.of(where="step_by_step", name=name, value=float(found.flat[0]), bound=bound)
    return found


def locality_scores(found: xr.Dataset) -> xr.Dataset:
    """Return how far estimates are from the true conditionals, and from the marginals.

    Parameters
    ----------
    found : Dataset
        As `step_by_step` gives.

    Returns
    -------
    Dataset, (estimator,)
        ``mse_true`` and ``mse_marginal``, means over questions of squared differences; ``slope``, of the
        estimates over the true values, both from the marginal: 1 for one who knows the conditionals, 0 for
        one who says marginals. Each is of the questions for which the estimator has an estimate, NaN if of
        none. ``marginal_mse``, without a dimension, is the distance of the marginals from
        the true values: what asking at once costs one who has seen the pieces alone.

    Raises
    ------
    SpecError
        If something is missing.

    Examples
    --------
    >>> net = BayesNet.chain(4, flip=0.1)
    >>> exact = step_by_step(lambda q: np.full(q.n_draws, 0.5), net, [(0, 3)])
    >>> scores = locality_scores(exact)
    >>> float(scores.mse_marginal.sel(estimator="direct")), round(float(scores.marginal_mse), 4)
    (0.0, 0.0655)
    """
    missing = {"estimate", "true", "marginal"} - set(getattr(found, "data_vars", ()))
    if missing:
        bound = f"must be as step_by_step gives; lacks {', '.join(sorted(missing))}"
        raise SpecError.of(where="locality_scores", name="found", bound=bound)
    moved, should = found.estimate - found.marginal, found.true - found.marginal
    scores = {
        "mse_true": ((found.estimate - found.true) ** 2).mean("question"),
        "mse_marginal": (moved**2).mean("question"),
        "slope": (moved * should).sum("question", min_count=1)
        / (should**2).where(moved.notnull()).sum("question", min_count=1),
        "marginal_mse": (should**2).mean("question"),
    }
    return found[[]].drop_dims("question", errors="ignore").assign(scores)


class PairTable:
    """A predictor that has counted pairs: the value of a variable from the last one seen beside it.

    It knows nothing of a net. Of the variables that were said, the last that it has ever seen together with
    the one asked for decides; where there is none, the share of ones it has seen.

    Parameters
    ----------
    trials : LocalTrials
        What it has seen.
    prior : float
        Added to each count.

    Raises
    ------
    SpecError
        If the prior is not above 0.

    Examples
    --------
    >>> from arcuate.tasks import LocalExperience
    >>> net = BayesNet.chain(3, flip=0.1)
    >>> table = PairTable(LocalExperience(net=net, held_out=[(0, 2)]).draw(5000, seed=0))
    >>> asked = Question(goal=2, names=np.array([[0, 1]]), values=np.array([[1, 1]]), variable=2)
    >>> table(asked).round(1).tolist()
    [0.9]
    """

    def __init__(self, trials: LocalTrials, *, prior: float = 1.0) -> None:
        prior = check_real(prior, where="PairTable", name="prior", low=0.0, low_open=True)
        is_at = np.stack([1 - trials.states, trials.states], axis=-1) * trials.shown[:, :, None]
        is_at = is_at.astype(np.float64)
        counts = np.einsum("tia,tjb->ijab", is_at, is_at, optimize=True)
        self.together = counts.sum(axis=(2, 3)) > 0
        self.given = (counts[:, :, 1] + prior) / (counts.sum(axis=2) + 2 * prior)
        alone = is_at.sum(axis=0)
        self.alone = (alone[:, 1] + prior) / (alone.sum(axis=1) + 2 * prior)

    def __call__(self, question: Question) -> Floats:
        """Return the probability that the variable is 1.

        Parameters
        ----------
        question : Question

        Returns
        -------
        ndarray, (n_draws,)

        Examples
        --------
        See the class.
        """
        asked = np.broadcast_to(np.asarray(question.variable), question.n_draws)
        found = self.alone[asked]
        for names, values in zip(question.names.T, question.values.T, strict=True):
            known = self.together[asked, names]
            found = np.where(known, self.given[asked, names, values], found)
        return found


class WordPredictor:
    """A predictor made of anything that says the next word of `arcuate.tasks.LocalTrials`.

    Parameters
    ----------
    logits : callable
        Gets words (n, length), gives logits (n, length, n_words), or (n, n_words) behind the last word. For a
        torch model ``lambda words: model(words).detach().numpy()``.
    n_variables : int

    Examples
    --------
    >>> flat = WordPredictor(lambda words: np.zeros((*words.shape, 10)), 3)
    >>> asked = Question(goal=2, names=np.array([[0]]), values=np.array([[1]]), variable=2)
    >>> flat(asked).tolist(), flat.propose(asked).round(2).tolist()
    ([0.5], [[0.33, 0.33, 0.33]])
    """

    def __init__(self, logits: Callable[[np.ndarray], np.ndarray], n_variables: int) -> None:
        self.logits, self.n_variables = (
            logits,
            check_int(n_variables, where="WordPredictor", name="n_variables"),
        )

    def __call__(self, question: Question) -> Floats:
        """Return the probability that the variable is 1, if it is said next.

        Parameters
        ----------
        question : Question

        Returns
        -------
        ndarray, (n_draws,)

        Examples
        --------
        See the class.
        """
        said = self._next(question)
        asked = np.broadcast_to(np.asarray(question.variable), question.n_draws)
        odds = said[np.arange(len(said)), asked]
        return np.asarray(1 / (1 + np.exp(odds[:, 0] - odds[:, 1])))

    def propose(self, question: Question) -> Floats:
        """Return the probability with which each variable is said next, of all variables.

        Parameters
        ----------
        question : Question

        Returns
        -------
        ndarray, (n_draws, n_variables)

        Examples
        --------
        See the class.
        """
        said = self._next(question)
        raised = np.exp(said - said.max(axis=(1, 2), keepdims=True)).sum(axis=2)
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def _next(self, question: Question) -> Floats:
        """Logits of each value of each variable behind what was said, (n_draws, n_variables, 2)."""
        n = question.n_draws
        goal = np.full((n, 1), 2 * self.n_variables + question.goal)
        words = np.concatenate([goal, 2 * question.names + question.values], axis=1)
        said = np.asarray(self.logits(words), dtype=np.float64)
        said = said[:, -1] if said.ndim == 3 else said
        if said.ndim != 2 or len(said) != n or said.shape[1] < 2 * self.n_variables:
            bound = f"must give a row of logits for each of {n} sequences, not shape {said.shape}"
            raise SpecError.of(where="WordPredictor", name="logits", bound=bound)
        return said[:, : 2 * self.n_variables].reshape(n, self.n_variables, 2)
