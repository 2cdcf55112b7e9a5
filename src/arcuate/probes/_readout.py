"""What a model makes of the last state of its residual stream: a norm, if it has one, and its read-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from arcuate.errors import CapabilityError
from arcuate.probes._adapters import Site, canonical

__all__ = ["Readout", "readout_of", "tolerance"]


TOLERANCE = 1e-3
"""Difference of logits, over the largest, up to which they count as the same (chosen)."""


def tolerance(logits: torch.Tensor) -> float:
    """Return the tolerance for logits of some precision: no less than eight of its steps."""
    return max(TOLERANCE, 8 * torch.finfo(logits.dtype).eps)


@dataclass(frozen=True, kw_only=True)
class Readout:
    """Norm and read-out of a model.

    Attributes
    ----------
    norm : torch.nn.Module or None
    head : torch.nn.Module
    last : Site
        The last residual stream.
    logits : Site
    sites : dict of str to Site
        All canonical sites.
    """

    norm: torch.nn.Module | None
    head: torch.nn.Module
    last: Site
    logits: Site
    sites: dict[str, Site]

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Return logits (..., K) of states (..., D)."""
        states = states.to(next(self.head.parameters(), states).dtype)
        output: torch.Tensor = self.head(states if self.norm is None else self.norm(states))
        return output

    def check(self, last: torch.Tensor, logits: torch.Tensor, *, where: str) -> None:
        """Refuse a model whose logits are not these of its last residual stream.

        Parameters
        ----------
        last, logits : tensor, (n, D) and (n, K)
            As the model computed them.
        where : str
            For the message.

        Raises
        ------
        CapabilityError
        """
        own = self(last[:1])
        far = float((own - logits[:1]).abs().max()) if own.shape == logits[:1].shape else float("inf")
        if far > tolerance(logits) * max(float(logits[:1].abs().max()), 1.0):
            bound = f"does more to its last state than norm and read-out: logits differ by {far:.3g}"
            raise CapabilityError.of(where=where, name="model", bound=bound)


def readout_of(model: Any, *, where: str) -> Readout:
    """Find the norm and the read-out of a model.

    Parameters
    ----------
    model : torch.nn.Module
    where : str
        For the message.

    Returns
    -------
    Readout

    Raises
    ------
    CapabilityError
        If the model has none, or its layout is not known.
    """
    sites = canonical(model)
    last = [site for name, site in sites.items() if name.endswith(".resid_post")]
    if "logits" not in sites or not last:
        bound = f"has no read-out (logits) that is known: {type(model).__name__}"
        fix = "take the model with its head, as a ...ForCausalLM, or readout_lens for states of any system"
        raise CapabilityError.of(where=where, name="model", bound=bound, fix=fix)
    norm = sites.get("final_norm")
    return Readout(
        norm=None if norm is None else model.get_submodule(norm.path),
        head=model.get_submodule(sites["logits"].path),
        last=last[-1],
        logits=sites["logits"],
        sites=sites,
    )
