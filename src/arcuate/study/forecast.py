"""What a study will take, said before it runs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Forecast"]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a study will take; made by `Study.dry_run`.

    Attributes
    ----------
    points, done : int
        Points of the design, and how many the store holds already.
    n_jobs : int
        Processes.
    probe_seconds : float or None
        Time of one point, s.
    memory : int or None
        Bytes that one process needs.
    disk : int or None
        Bytes that the store will need.

    Examples
    --------
    >>> Forecast(points=10, done=4, n_jobs=2, probe_seconds=1.0, memory=None, disk=None).seconds
    3.0
    """

    points: int
    done: int
    n_jobs: int
    probe_seconds: float | None
    memory: int | None
    disk: int | None

    @property
    def seconds(self) -> float | None:
        """Predicted time of what is left, s."""
        if self.probe_seconds is None:
            return None
        return self.probe_seconds * (self.points - self.done) / self.n_jobs
