"""A small world for the Tensor Brain: entities of some classes, each with its own probabilities of colors."""

from __future__ import annotations

from typing import Any

import numpy as np

from arcuate._inputs import check_bytes
from arcuate.errors import SpecError, check_array, check_int, check_real
from arcuate.rng import check_seed, stream

__all__ = ["SceneWorld"]

WHERE = "SceneWorld"


class SceneWorld:
    """Scenes of one entity each: its class is fixed, its color drawn; all three are sensed in one noisy sum.

    Colors of an entity follow a Dirichlet law; every symbol has a vector of normal numbers.

    Parameters
    ----------
    entities, classes, colors : int
        Numbers of symbols; entity k is of class k modulo classes (24, 6 and 8, chosen).
    d_sensory : int
        Width of what is sensed (40, chosen).
    concentration : float
        Of the Dirichlet law; small for few colors of each entity (0.3, chosen).
    seed : int
        Addresses of the world, ``memory/scene_world``, and of what is drawn from it, ``memory/scenes``.

    Raises
    ------
    SpecError
        If a number is out of bounds.
    MemoryLimitError
        If the vectors would not fit into memory.

    Examples
    --------
    >>> world = SceneWorld(seed=1)
    >>> world.groups, world.p_color.shape
    ({'entity': 24, 'class': 6, 'color': 8}, (24, 8))
    """

    def __init__(
        self,
        *,
        entities: int = 24,
        classes: int = 6,
        colors: int = 8,
        d_sensory: int = 40,
        concentration: float = 0.3,
        seed: int = 0,
    ) -> None:
        self.groups = {"entity": entities, "class": classes, "color": colors}
        for name, value in (("entities", entities), ("classes", classes), ("colors", colors)):
            check_int(value, where=WHERE, name=name)
        check_int(d_sensory, where=WHERE, name="d_sensory")
        check_real(concentration, where=WHERE, name="concentration", low=0, low_open=True)
        need = 8 * (entities * (colors + 1) + (entities + classes + colors) * d_sensory)
        check_bytes(need, where=WHERE, fix="use fewer symbols or a smaller d_sensory")
        rng = stream(check_seed(seed), "memory/scene_world")
        self.p_color = rng.dirichlet(np.full(colors, float(concentration)), size=entities)
        self.class_of = np.arange(entities) % classes
        self.vectors = {group: rng.standard_normal((n, d_sensory)) for group, n in self.groups.items()}
        self.rng = stream(seed, "memory/scenes")

    def draw(self, n: int, *, noise: float = 0.5) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Draw scenes, other ones at each call.

        Parameters
        ----------
        n : int
        noise : float
            Standard deviation of what is added to each number that is sensed (0.5, chosen).

        Returns
        -------
        tuple of dict and ndarray
            Labels ``entity``, ``class`` and ``color``, each (n,), and what is sensed, (n, d_sensory).

        Raises
        ------
        SpecError
            If a number is out of bounds.
        MemoryLimitError
            If the scenes would not fit into memory.

        Examples
        --------
        >>> labels, sensory = SceneWorld(seed=1).draw(5)
        >>> sorted(labels), sensory.shape
        (['class', 'color', 'entity'], (5, 40))
        """
        check_int(n, where=WHERE, name="n")
        check_real(noise, where=WHERE, name="noise", low=0)
        colors, d_sensory = self.p_color.shape[1], self.vectors["color"].shape[1]
        need = n * (8 * (3 + 2 * colors) + 8 * 4 * d_sensory)
        check_bytes(need, where=f"{WHERE}.draw", fix="draw fewer scenes at once")
        entity = self.rng.integers(len(self.class_of), size=n)
        below = self.p_color[entity].cumsum(axis=1)[:, :-1]
        color = (self.rng.random((n, 1)) > below).sum(axis=1)
        labels = {"entity": entity, "class": self.class_of[entity], "color": color}
        sensed = sum(self.vectors[group][label] for group, label in labels.items())
        return labels, sensed + noise * self.rng.standard_normal((n, d_sensory))

    def divergence(self, known: Any) -> float:
        """Say how far what is known of colors is from the truth: mean Kullback-Leibler divergence.

        Parameters
        ----------
        known : array_like, (entities, colors)
            Probabilities: each row is one in sum.

        Returns
        -------
        float
            Nats; zero if all is known, infinite if a color that occurs is thought impossible.

        Raises
        ------
        SpecError
            If the shape does not fit, or a row holds no probabilities.

        Examples
        --------
        >>> world = SceneWorld(seed=1)
        >>> world.divergence(world.p_color)
        0.0
        """
        q = check_array(known, where=WHERE, name="known", shape=self.p_color.shape)
        if (q < 0).any() or (abs(q.sum(axis=1) - 1) > 1e-4).any():  # sums of single precision are off by less
            bound = "must be probabilities: none below 0, each row one in sum"
            raise SpecError.of(where=WHERE, name="known", value=known, bound=bound)
        p = self.p_color
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(p > 0, p * np.log(p / q), 0.0)
        return float(terms.sum(axis=1).mean())
