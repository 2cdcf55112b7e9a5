"""The Recording: everything that has states, in one schema, with checked files."""

from __future__ import annotations

from arcuate.recording.container import Recording
from arcuate.recording.schema import AXES, SCHEMA, VERSION

__all__ = ["AXES", "SCHEMA", "VERSION", "Recording"]
