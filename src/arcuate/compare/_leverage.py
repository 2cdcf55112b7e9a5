"""Stimuli that decide a score other than the alignment: distances in proportion, correlations of units."""

from __future__ import annotations

import numpy as np

from arcuate._inputs import Floats
from arcuate.compare._cka import high_leverage, leverage
from arcuate.compare._inputs import LEAST, listed, warn

__all__ = ["warn_of_leverage"]


def warn_of_leverage(
    states: Floats, *, where: str, name: str = "", labels: np.ndarray | None = None, fix: str = ""
) -> None:
    """Warn of stimuli that decide the score by themselves: any two systems that have them look alike.

    Parameters
    ----------
    states : ndarray, (n_samples, n_units)
        Checked, of which some vary.
    where, name : str
        Who asks, and for which argument.
    labels : ndarray, (n_samples,), optional
        Else stimuli are told by row.
    fix : str
        Another way out than to leave them out.

    Warns
    -----
    ArcuateWarning
        With their labels and their share.
    """
    if len(states) < LEAST or not (high := high_leverage(states)).size:
        return
    which = listed(high if labels is None else labels[high])
    noun, verb = ("sample", "s") if high.size == 1 else (f"{high.size} of {len(states)} samples:", "")
    share = 100 * leverage(states)[high].sum()
    warn(
        f"{where}: {name and name + ': '}{noun} {which} hold{verb} {share:.3g} % of the squared norm of the "
        f"centered Gram and decide{verb} the score; leave out of both systems{fix and ', or ' + fix}"
    )
