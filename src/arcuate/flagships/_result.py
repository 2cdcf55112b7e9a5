"""What a flagship comparison returns: claims with intervals, the verdicts computed from them, all numbers.

No verdict is written by hand. A claim says where its statistic should lie; the interval decides:

- ``supported``: the whole interval lies inside the claimed range, its bounds excluded;
- ``contradicted``: the whole interval lies outside it;
- ``undecided``: the interval reaches across a bound, or there is none.
"""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_choice

if TYPE_CHECKING:
    import xarray as xr

    from arcuate.compare import Comparison

__all__ = ["CONTRADICTED", "SCHEMA", "SUPPORTED", "UNDECIDED", "Claim", "FlagshipResult", "Hypothesis"]

SCHEMA = "arcuate.flagship/1"
SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One question, the statistic that answers it, its interval, and the verdict computed from the interval.

    Attributes
    ----------
    name : str
        Short and unique, such as ``"angle/transformer"``.
    question : str
        What is asked, with its question mark; "supported" means yes.
    statistic : str
        What was measured, such as ``"smallest principal angle"``.
    estimate, low, high : float
        The estimate and the ends of its interval; NaN where it could not be measured, infinite ends where
        there are too few values for an interval.
    above, below : float
        The claimed range, bounds excluded; infinite where there is none. At least one is finite.
    unit : str
    n : int
        How many seeds (or stimuli) the interval is taken over.
    null, ceiling : float
        What chance gives, and what repeats or seeds allow, of the same statistic; NaN where there is none.
    source : str
        Where the bounds come from.

    Raises
    ------
    SpecError
        If the bounds claim nothing or cross, or the estimate lies outside its own interval.

    Examples
    --------
    >>> claim = Claim(name="angle", question="Are they at right angles?", statistic="smallest angle",
    ...               estimate=82.0, low=78.0, high=86.0, above=75.0, unit="deg", n=5)
    >>> claim.verdict
    'supported'
    >>> print(claim.sentence)
    Are they at right angles? Supported: smallest angle 82 deg, interval 78 to 86 (n = 5), claimed > 75.
    """

    name: str
    question: str
    statistic: str
    estimate: float
    low: float
    high: float
    above: float = -math.inf
    below: float = math.inf
    unit: str = ""
    n: int = 1
    null: float = math.nan
    ceiling: float = math.nan
    source: str = ""

    def __post_init__(self) -> None:
        where = f"claim {self.name!r}"
        if not self.above < self.below or (math.isinf(self.above) and math.isinf(self.below)):
            raise SpecError.of(
                where=where,
                name="above, below",
                value=(self.above, self.below),
                bound="must claim a range: above < below, at least one of them finite",
            )
        if self.low > self.estimate or self.estimate > self.high:
            raise SpecError.of(
                where=where,
                name="estimate",
                value=self.estimate,
                bound=f"must lie within its interval, {self.low:.4g} to {self.high:.4g}",
            )

    @property
    def verdict(self) -> str:
        """``supported``, ``contradicted`` or ``undecided``, computed from the interval."""
        if math.isnan(self.low) or math.isnan(self.high) or math.isnan(self.estimate):
            return UNDECIDED
        if self.above < self.low and self.high < self.below:
            return SUPPORTED
        if self.high < self.above or self.low > self.below:
            return CONTRADICTED
        return UNDECIDED

    @property
    def bound(self) -> str:
        """The claimed range as a reader writes it, such as ``> 75``."""
        if math.isinf(self.below):
            return f"> {self.above:.4g}"
        if math.isinf(self.above):
            return f"< {self.below:.4g}"
        return f"{self.above:.4g} to {self.below:.4g}"

    @property
    def interval(self) -> str:
        """The interval as a reader writes it; with too few values, the reason that there is none."""
        if math.isnan(self.low) or math.isnan(self.high):
            return "none: not measured"
        if math.isinf(self.low) and math.isinf(self.high):
            return f"none: n = {self.n}"
        return f"{self.low:.4g} to {self.high:.4g}"

    @property
    def sentence(self) -> str:
        """Question, verdict and numbers in one sentence, computed."""
        unit = f" {self.unit}" if self.unit else ""
        extra = "".join(
            f", {word} {value:.4g}"
            for word, value in (("null", self.null), ("ceiling", self.ceiling))
            if not math.isnan(value)
        )
        return (
            f"{self.question} {self.verdict.capitalize()}: {self.statistic} {self.estimate:.4g}{unit}, "
            f"interval {self.interval} (n = {self.n}), claimed {self.bound}{extra}."
        )


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """What several claims together say.

    Attributes
    ----------
    name : str
        Such as ``"H1"``.
    text : str
        The hypothesis as one sentence without its full stop.
    claims : tuple of Claim
        What it consists of.
    rule : {"all", "any"}
        ``all``: supported if every claim is, contradicted if one is. ``any``: supported if one claim is,
        contradicted if every one is. Each claim's interval has its nominal coverage; that all of several
        claims hold needs no correction, that any does is shown without one.

    Raises
    ------
    SpecError
        If there is no claim, or the rule is another word.

    Examples
    --------
    >>> claim = Claim(name="a", question="Above?", statistic="value", estimate=2.0, low=1.0, high=3.0,
    ...               above=0.0)
    >>> Hypothesis(name="H1", text="both are above", claims=(claim, claim)).verdict
    'supported'
    """

    name: str
    text: str
    claims: tuple[Claim, ...]
    rule: str = "all"

    def __post_init__(self) -> None:
        where = f"hypothesis {self.name!r}"
        check_choice(self.rule, ("all", "any"), where=where, name="rule")
        if not self.claims:
            raise SpecError.of(where=where, name="claims", value=(), bound="must be one or more claims")

    @property
    def verdict(self) -> str:
        """``supported``, ``contradicted`` or ``undecided``, computed from the claims."""
        verdicts = [claim.verdict for claim in self.claims]
        decisive, other = (CONTRADICTED, SUPPORTED) if self.rule == "all" else (SUPPORTED, CONTRADICTED)
        if decisive in verdicts:
            return decisive
        return other if all(verdict == other for verdict in verdicts) else UNDECIDED

    @property
    def sentence(self) -> str:
        """Name, text, verdict and how many claims stand behind it."""
        verdicts = [claim.verdict for claim in self.claims]
        counts = ", ".join(
            f"{verdicts.count(word)} {word}"
            for word in (SUPPORTED, CONTRADICTED, UNDECIDED)
            if word in verdicts
        )
        needed = "all of" if self.rule == "all" else "any of"
        return f"{self.name}, {self.text}: {self.verdict} ({needed} {len(verdicts)} claims: {counts})."


@dataclass(frozen=True, kw_only=True)
class FlagshipResult:
    """All that a flagship comparison found.

    Attributes
    ----------
    name : str
        Name of the flagship.
    title : str
        What it asks, in one line.
    data : xarray.Dataset
        Every number behind the claims, by seed and system where they apply. `run` adds the attributes
        ``schema``, ``flagship``, ``seeds``, ``quick`` and ``versions``.
    claims : tuple of Claim
    hypotheses : tuple of Hypothesis
        Of some of the claims.
    plots : mapping of str to matplotlib.figure.Figure
        Pictures by title, which is also the name of the file.
    captions : mapping of str to str
        Sentence below each picture.
    comparisons : mapping of str to Comparison
        From `arcuate.compare`, saved beside the data.
    caveats : tuple of str
        What a reader must know before believing it.
    tables : mapping of str to table
        Further tables of the report, each a mapping of column to values.
    seeds : tuple of int
        Seeds that ran.
    quick : bool
        Whether it was the quick form.

    Raises
    ------
    SpecError
        If two claims have one name.

    Examples
    --------
    >>> import xarray as xr
    >>> claim = Claim(name="a", question="Above?", statistic="value", estimate=2.0, low=1.0, high=3.0,
    ...               above=0.0)
    >>> result = FlagshipResult(name="toy", title="A toy", data=xr.Dataset(), claims=(claim,))
    >>> print(result.verdict)
    Above? Supported: value 2, interval 1 to 3 (n = 1), claimed > 0.
    """

    name: str
    title: str
    data: xr.Dataset
    claims: tuple[Claim, ...]
    hypotheses: tuple[Hypothesis, ...] = ()
    plots: Mapping[str, Any] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    tables: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    quick: bool = False

    def __post_init__(self) -> None:
        names = [claim.name for claim in self.claims]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise SpecError.of(
                where=f"flagship {self.name!r}", name="claims", value=doubled[0], bound="must differ in name"
            )

    @property
    def verdict(self) -> str:
        """One line for each hypothesis, then one for each claim, all computed."""
        lines = [hypothesis.sentence for hypothesis in self.hypotheses]
        return "\n".join(lines + [claim.sentence for claim in self.claims])

    def claim(self, name: str) -> Claim:
        """Return the claim of a name.

        Parameters
        ----------
        name : str

        Returns
        -------
        Claim

        Raises
        ------
        UnknownNameError
            If there is none; the message names the nearest.
        """
        from arcuate.errors import unknown

        for claim in self.claims:
            if claim.name == name:
                return claim
        raise unknown(f"flagship {self.name!r}", name, [claim.name for claim in self.claims], kind="claim")

    def save(
        self, folder: str | os.PathLike[str], *, wall_seconds: float | None = None, force: bool = False
    ) -> Path:
        """Write ``result.nc``, ``claims.json``, ``verdict.txt``, comparisons, pictures and ``report.html``.

        Each file is written beside its place and renamed, so that a reader never sees half of it.

        Parameters
        ----------
        folder : path
            Made if it does not exist.
        wall_seconds : float, optional
            How long it took, s.
        force : bool
            Replace files of the same names in a folder that is not empty.

        Returns
        -------
        pathlib.Path
            The path of ``report.html``, one page that needs nothing beside it.

        Raises
        ------
        FileFormatError
            If the folder holds something and `force` is false.
        """
        from arcuate.flagships._report import render
        from arcuate.study.report import check_output, run_facts, write_file, write_pictures

        target = check_output(Path(folder), force=force)
        target.mkdir(parents=True, exist_ok=True)
        facts = {"flagship": self.name, **run_facts(self.seeds, quick=self.quick)}
        _write_dataset(self.data, target / "result.nc")
        for name, comparison in self.comparisons.items():
            comparison.save(target / f"comparison_{name}.nc", overwrite=True)
        write_pictures(self.plots, target)
        write_file(target / "claims.json", self._json(facts, wall_seconds).encode())
        write_file(target / "verdict.txt", f"{self.verdict}\n".encode())
        write_file(target / "report.html", render(self, facts, wall_seconds).encode())
        return target / "report.html"

    def _json(self, facts: Mapping[str, str], wall_seconds: float | None) -> str:
        """Return hypotheses and claims as JSON, what is not finite as text."""
        entries = [
            {**{key: _plain(value) for key, value in vars(claim).items()}, "verdict": claim.verdict}
            for claim in self.claims
        ]
        judged = [
            {
                "name": one.name,
                "text": one.text,
                "rule": one.rule,
                "claims": [claim.name for claim in one.claims],
                "verdict": one.verdict,
            }
            for one in self.hypotheses
        ]
        summary = {
            "flagship": self.name,
            "provenance": dict(facts),
            "wall_seconds": wall_seconds,
            "hypotheses": judged,
            "claims": entries,
        }
        return json.dumps(summary, indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Return what JSON can hold."""
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else str(float(value))
    return value


def _write_dataset(data: xr.Dataset, path: Path) -> None:
    """Write a NetCDF file beside its place and rename it."""
    partial = path.parent / f".{secrets.token_hex(8)}.partial"
    try:
        data.to_netcdf(partial, engine="h5netcdf")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
