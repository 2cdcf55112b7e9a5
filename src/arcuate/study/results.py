"""What a study has found: a read-only view of its store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from arcuate.recording import Recording

__all__ = ["Results"]


class Results:
    """What a study has found so far; opened by `Results.open`, which changes nothing.

    Attributes
    ----------
    folder : Path
        Of the store.
    description : mapping
        What the store keeps of the study.
    rows : list of Row
        What the store holds.
    """

    def __init__(self, folder: Path, description: Mapping[str, Any], rows: list[Any]) -> None:
        self.folder, self.description, self._rows = folder, description, rows

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Results:
        """Open the store of a study."""
        raise NotImplementedError

    def table(self) -> pd.DataFrame:
        """Return one row per point: varied fields, seed, metrics, status, wall_seconds, recording."""
        raise NotImplementedError

    def dataset(self) -> xr.Dataset:
        """Return the metrics over the varied fields, or over ``point`` where the design is no grid."""
        raise NotImplementedError

    def recording(self, index: int) -> Recording:
        """Load the Recording of a point."""
        raise NotImplementedError

    def failed(self) -> pd.DataFrame:
        """Return the failed points with their reasons."""
        raise NotImplementedError

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write the table as CSV or Parquet."""
        raise NotImplementedError
