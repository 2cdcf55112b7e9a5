"""What logits say, of NumPy or torch alike: divergence from the final ones, entropy, rank and probability."""

from __future__ import annotations

from typing import Any

__all__ = ["SCORES", "log_softmax", "scores"]

SCORES = {"kl": "nat", "entropy": "nat", "rank": "1", "probability": "1", "top": "1"}
"""Names of the scores and their units."""


def log_softmax(xp: Any, logits: Any) -> Any:
    """Return log-probabilities (n, K) of logits, in the numbers of `xp`, numpy or torch."""
    shifted = logits - xp.amax(logits, -1)[:, None]
    return shifted - xp.log(xp.exp(shifted).sum(-1))[:, None]


def scores(xp: Any, told: Any, final: Any, target: Any) -> dict[str, Any]:
    """Score distributions against the final ones.

    Parameters
    ----------
    xp : module
        numpy or torch.
    told, final : array or tensor, (n, K)
        Log-probabilities.
    target : array or tensor of int, (n,)

    Returns
    -------
    dict of str to (n,)
        ``kl``, sum p_final (log p_final - log p) in nats; ``entropy`` in nats; ``rank`` of the target, 0 for
        the first; its ``probability``; ``top``, the first.
    """
    chance = xp.exp(told)
    of_target = told[xp.arange(len(told)), target]
    return {
        "kl": (xp.exp(final) * (final - told)).sum(-1),
        "entropy": -(chance * told).sum(-1),
        "rank": (told > of_target[:, None]).sum(-1),
        "probability": xp.exp(of_target),
        "top": told.argmax(-1),
    }
