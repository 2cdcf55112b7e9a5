"""What a reward is compared with: nothing, a running mean of each stimulus, or a critic.

With a third factor ``M = R - baseline`` and an eligibility ``e``, the mean change of a weight is::

    E[dw] = E[(R - baseline) e] = Cov(R, e) + E[R - baseline] E[e]

The first term follows the reward. The second moves the weight whatever the reward does, as soon as the
mean of M is not zero: the unsupervised bias (Fremaux, Sprekeler and Gerstner 2010, J. Neurosci. 30:13326;
Fremaux and Gerstner 2016, Front. Neural Circuits 9:85, doi:10.3389/fncir.2015.00085). A baseline that has
learned to expect the reward takes it away; one for each stimulus also takes away what the stimuli differ
in.

A baseline is a frozen description. What it has learned so far is an array that the caller keeps: `start`
makes it, `expect` reads it, `learn` changes it in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arcuate.errors import SpecError, check_int, check_real
from arcuate.spec.part import Part, tagged

__all__ = ["Baseline", "Critic", "NoBaseline", "RunningMean", "as_baseline"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline(Part):
    """Base of the baselines; the features of a trial select or weigh what is expected."""

    def start(self, n_features: int) -> Floats:
        """State before the first trial.

        Parameters
        ----------
        n_features : int
            Number of features, for a running mean one for each stimulus.

        Returns
        -------
        ndarray, (n_features,)

        Raises
        ------
        SpecError
            If the number is below 1.
        """
        return np.zeros(check_int(n_features, where=type(self).__name__, name="n_features"))

    def expect(self, state: Floats, features: Floats) -> float:
        """Reward that is expected.

        Parameters
        ----------
        state : ndarray, (n_features,)
            As `start` made it and `learn` left it.
        features : ndarray, (n_features,)
            Features of the trial; 1 for its stimulus and 0 elsewhere for a running mean.

        Returns
        -------
        float
        """
        return float(state @ features)

    def learn(
        self, state: Floats, features: Floats, reward: float, *, following: Floats | None = None
    ) -> float:
        """Learn from a reward.

        Parameters
        ----------
        state : ndarray, (n_features,)
            Changed in place.
        features : ndarray, (n_features,)
            Features of the trial.
        reward : float
            What came.
        following : ndarray, (n_features,), optional
            Features of the moment after; only a critic looks at them.

        Returns
        -------
        float
            Reward less what was expected before: the modulator.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, eq=False)
class NoBaseline(Baseline):
    """Nothing: the reward itself is the modulator, so the unsupervised bias is ``E[R] E[e]``.

    Examples
    --------
    >>> import numpy as np
    >>> none = NoBaseline()
    >>> none.learn(none.start(1), np.ones(1), 0.8)
    0.8
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "none")

    def learn(
        self, state: Floats, features: Floats, reward: float, *, following: Floats | None = None
    ) -> float:
        """Return the reward; nothing is learned.

        Parameters
        ----------
        state, features : ndarray, (n_features,)
            Not looked at.
        reward : float
            What came.
        following : ndarray, optional
            Not looked at.

        Returns
        -------
        float
            The reward.
        """
        return reward


@dataclass(frozen=True, kw_only=True, eq=False)
class RunningMean(Baseline):
    """Exponential running mean of the reward, one for each stimulus.

    Parameters
    ----------
    rate : float
        Weight of the newest reward, in (0, 1]. 0.25 as in the program of Miconi 2017, eLife 6:e20899.

    Raises
    ------
    SpecError
        If the rate is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> mean, second = RunningMean(rate=0.25), np.array([0.0, 1.0])
    >>> state = mean.start(2)
    >>> mean.learn(state, second, 0.8), state.tolist(), mean.expect(state, second)
    (0.8, [0.0, 0.2], 0.2)
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "running_mean")
    rate: float = 0.25

    def __post_init__(self) -> None:
        rate = check_real(self.rate, where="RunningMean", name="rate", low=0.0, high=1.0, low_open=True)
        self._set(rate=rate)

    def learn(
        self, state: Floats, features: Floats, reward: float, *, following: Floats | None = None
    ) -> float:
        """Move the mean of the stimulus: ``mean <- (1 - rate) mean + rate R``.

        Parameters
        ----------
        state : ndarray, (n_features,)
            Means, changed in place.
        features : ndarray, (n_features,)
            1 for the stimulus, 0 elsewhere.
        reward : float
            What came.
        following : ndarray, optional
            Not looked at.

        Returns
        -------
        float
            Reward less the mean before.
        """
        surprise = reward - self.expect(state, features)
        state += self.rate * surprise * features
        return surprise


@dataclass(frozen=True, kw_only=True, eq=False)
class Critic(Baseline):
    """Linear critic: the expected reward is a weighted sum of features, learned by TD(0).

    Parameters
    ----------
    learning_rate : float
        Step size, > 0. Chosen: 0.1, ten trials with one feature, slow against the noise of single trials.
    discount : float
        Weight of the value that follows, in [0, 1]. Chosen: 0, the delta rule, for rewards that end a trial.

    Raises
    ------
    SpecError
        If a value is out of range.

    References
    ----------
    R. S. Sutton, Machine Learning 3 (1988), doi:10.1007/BF00115009.

    Examples
    --------
    >>> import numpy as np
    >>> critic = Critic(learning_rate=0.5, discount=0.9)
    >>> state = critic.start(2)
    >>> before, after = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    >>> critic.learn(state, after, 1.0), critic.learn(state, before, 0.0, following=after), state.tolist()
    (1.0, 0.45, [0.225, 0.5])
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "critic")
    learning_rate: float = 0.1
    discount: float = 0.0

    def __post_init__(self) -> None:
        rate = check_real(self.learning_rate, where="Critic", name="learning_rate", low=0.0, low_open=True)
        discount = check_real(self.discount, where="Critic", name="discount", low=0.0, high=1.0)
        self._set(learning_rate=rate, discount=discount)

    def learn(
        self, state: Floats, features: Floats, reward: float, *, following: Floats | None = None
    ) -> float:
        """Move the weights: ``w += learning_rate delta x``, ``delta = R + discount V(x') - V(x)``.

        Parameters
        ----------
        state : ndarray, (n_features,)
            Weights of the features, changed in place.
        features : ndarray, (n_features,)
            Features x.
        reward : float
            What came.
        following : ndarray, (n_features,), optional
            Features x' of the moment after; none at the end of an episode.

        Returns
        -------
        float
            The prediction error delta.
        """
        ahead = 0.0 if following is None else self.discount * self.expect(state, following)
        surprise = reward + ahead - self.expect(state, features)
        state += self.learning_rate * surprise * features
        return surprise


_KINDS: Mapping[str, type[Baseline]] = {cls.tag[1]: cls for cls in (NoBaseline, RunningMean, Critic)}


def as_baseline(value: Any, *, where: str) -> Baseline:
    """Read a baseline: one of the objects, its kind, or its table.

    Parameters
    ----------
    value : Baseline, str or mapping
        The baseline, its kind (none, running_mean or critic, with the defaults), or a table with the entry
        ``kind`` and the other fields.
    where : str
        For the message.

    Returns
    -------
    Baseline

    Raises
    ------
    SpecError
        If it is something else.

    Examples
    --------
    >>> as_baseline({"kind": "running_mean", "rate": 0.5}, where="example").rate
    0.5
    """
    table = {"kind": value} if isinstance(value, str) else value
    baseline: Baseline = tagged(table, _KINDS, Baseline, where=where, name="baseline")
    if type(baseline) is Baseline:
        raise SpecError.of(
            where=where, name="baseline", value=value, bound="must be one of " + ", ".join(_KINDS)
        )
    return baseline
