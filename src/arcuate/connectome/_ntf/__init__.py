"""The inside of the factorization: operators, their kernels, and the solver over them."""

from __future__ import annotations
