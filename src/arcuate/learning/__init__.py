"""Recurrent networks trained trial by trial by a local rule with a third factor, as estimators."""

from __future__ import annotations

__all__: list[str] = []
