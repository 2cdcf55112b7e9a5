"""Neurons, synapses, learning rules and noise, each written once, and the language they are written in."""

from __future__ import annotations
