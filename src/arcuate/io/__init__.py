"""One's own recordings: files and objects of other programs become Recordings, and Recordings become those.

What is read is what the file holds: times as they are, missing values as NaN. `arcuate.connectome.as_traces`
takes the Recordings, one or many, and says what does not fit. Nothing is ever unpickled.
"""

from __future__ import annotations

from arcuate.io.arrays import read_arrays
from arcuate.io.csv import read_csv
from arcuate.io.nwb import read_nwb
from arcuate.io.nwb_write import write_nwb
from arcuate.io.objects import from_neo, from_pynapple, to_neo
from arcuate.io.suite2p import read_suite2p
from arcuate.io.tables import (
    read_parquet,
    read_spikes,
    write_arrays,
    write_csv,
    write_parquet,
    write_spikes,
)
from arcuate.io.worms import read_worm_graph, read_wormwideweb, read_yemini

__all__ = [
    "from_neo",
    "from_pynapple",
    "read_arrays",
    "read_csv",
    "read_nwb",
    "read_parquet",
    "read_spikes",
    "read_suite2p",
    "read_worm_graph",
    "read_wormwideweb",
    "read_yemini",
    "to_neo",
    "write_arrays",
    "write_csv",
    "write_nwb",
    "write_parquet",
    "write_spikes",
]
