"""The result of a comparison: labeled arrays, a table, a file."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcuate.compare._inputs import listed
from arcuate.errors import FileFormatError, SpecError
from arcuate.recording.files import publish

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["SCHEMA", "SEPARATOR", "Comparison"]

SCHEMA = "arcuate.comparison/1"
SEPARATOR = " | "
_COLUMNS = ("value", "low", "high", "ceiling_low", "ceiling_high", "null_mean", "null_sd", "p", "p_corrected")
_ROWS = 12


@dataclass(frozen=True)
class Comparison:
    """Scores of pairs of systems, each with its null, its ceiling and what speaks against it.

    Parameters
    ----------
    data : xarray.Dataset
        Dimensions measure, a, b, and within_a, within_b where each step was compared with each. Variables:
        ``value``, of which ``low`` and ``high`` are the ends of a 95 % interval over stimuli; ``ceiling_low``
        and ``ceiling_high``, and ``ceiling_by``, a text: by what, or why there is none; ``null_mean``,
        ``null_sd``, ``p``, ``p_corrected``; ``n_samples``, ``n_units_a``, ``n_units_b``; ``warning``, a text.
        With ``regress_out``, ``value_raw`` is the score without it. Where there are few enough stimuli,
        ``rdm`` (system, stimulus, stimulus_2) holds the squared distances by number of units. Attributes tell
        the call, the seed and the versions.

    Examples
    --------
    >>> import numpy as np
    >>> import arcuate as arc
    >>> from arcuate.compare import Measure, refit
    >>> score = lambda x, y: float(np.corrcoef(x[:, 0], y[:, 0])[0, 1])
    >>> first_unit = Measure(name="first_unit", kind="similarity", low=-1, high=1, symmetric=True,
    ...                      invariances=("scale",), prepare=np.asarray, score=score,
    ...                      null=refit(score, lambda x, order: x[order]))
    >>> x = np.random.default_rng(0).standard_normal((20, 3))
    >>> result = arc.compare({"x": x, "y": -x}, measure=first_unit, n_null=99, n_boot=0)
    >>> round(float(result.data["value"].sel(measure="first_unit", a="x", b="y")), 6)
    -1.0
    """

    data: xr.Dataset

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures."""
        return tuple(map(str, self.data["measure"].values))

    @property
    def spec(self) -> dict[str, Any]:
        """The call: measures with their options, samples, null, correction, join, seed."""
        return json.loads(self.data.attrs["spec_json"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What speaks against scores: all of the variable ``warning``, each once."""
        texts = SEPARATOR.join(self.data["warning"].values.ravel().tolist())
        return tuple(dict.fromkeys(note for note in texts.split(SEPARATOR) if note))

    @property
    def rdms(self) -> xr.DataArray:
        """Squared distances between stimuli by number of units: (system, stimulus, stimulus_2).

        Raises
        ------
        SpecError
            If none are held: too many stimuli, or steps as samples.
        """
        if "rdm" not in self.data:
            bound = "holds no dissimilarities: too many stimuli, or other samples than stimuli"
            raise SpecError.of(
                where="Comparison", name="rdms", bound=bound, fix="compute them by compare.rdm"
            )
        return self.data["rdm"]

    def to_frame(self) -> pd.DataFrame:
        """One row for each score.

        Returns
        -------
        pandas.DataFrame
            Columns measure, a, b, within_a, within_b where there are such, and the variables. Of a measure
            for which the order of the two does not matter, each pair stands once.
        """
        keys = [dim for dim in ("measure", "a", "b", "within_a", "within_b") if dim in self.data.dims]
        names = [name for name in self.data.data_vars if name != "rdm"]
        table = self.data[names].to_dataframe(dim_order=keys).reset_index()
        place = {name: row for row, name in enumerate(dict.fromkeys([*self._names("a"), *self._names("b")]))}
        once = {name for name, about in self.spec["measures"].items() if about["symmetric"]}
        turned = table["a"].map(place) > table["b"].map(place)
        both = table["a"].isin(self._names("b")) & table["b"].isin(self._names("a"))
        doubled = turned & both & table["measure"].isin(once)
        kept = table[(table["a"] != table["b"]) & table["value"].notna() & ~doubled]
        first = [*keys, *(name for name in _COLUMNS if name in names)]
        rest = [name for name in kept.columns if name not in first]
        return kept[[*first, *rest]].reset_index(drop=True)

    def _names(self, dim: str) -> list[str]:
        return [str(name) for name in self.data[dim].values]

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write a NetCDF file, beside its place and then renamed.

        Parameters
        ----------
        path : path
            File to make.
        overwrite : bool
            Whether a file that exists may be replaced.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        SpecError
            If the file exists, its folder does not, or it cannot be written. Nothing partial is left.

        Examples
        --------
        >>> path = result.save("ctm_and_transformer.nc")  # doctest: +SKIP
        >>> Comparison.load(path).measures  # doctest: +SKIP
        ('cka',)
        """
        target = Path(path).expanduser()
        if target.exists() and not overwrite:
            raise _refused(target, "exists", "choose another name or overwrite=True")
        if not target.parent.is_dir():
            raise _refused(target, "its folder does not exist", "make the folder first")
        partial = target.parent / f".{secrets.token_hex(8)}.partial"
        try:
            self.data.to_netcdf(partial, engine="h5netcdf")
            publish(partial, target, overwrite=overwrite)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise _refused(target, f"could not be written ({str(error)[:200]})") from error
        finally:
            partial.unlink(missing_ok=True)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Comparison:
        """Read what `save` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        Comparison

        Raises
        ------
        FileFormatError
            If there is no such file, or it is none of a comparison.
        """
        import xarray as xr

        fault = ""
        try:
            with xr.open_dataset(path, engine="h5netcdf") as stored:
                data = stored.load()
            if data.attrs.get("schema") != SCHEMA or "value" not in data:
                fault = f"is no {SCHEMA}"
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            fault = f"cannot be read: {str(error)[:200]}"
        if fault:
            raise FileFormatError.of(where="Comparison.load", name="path", value=str(path), bound=fault)
        for name in ("measure", "a", "b", "system"):
            if name in data.coords:
                data = data.assign_coords({name: data[name].values.astype(str)})
        return cls(data=data)

    def __repr__(self) -> str:
        table = self.to_frame()
        head = [
            f"Comparison of {listed(dict.fromkeys([*self._names('a'), *self._names('b')]), 4)}",
            "  samples: {samples}; within: {within}; null: ".format_map(self.data.attrs)
            + _null(self.data.attrs),
        ]
        shown = [name for name in ("measure", "a", "b", "within_a", "within_b", *_COLUMNS) if name in table]
        shown = [name for name in shown if name not in _COLUMNS or table[name].notna().any()]
        if len(table) > _ROWS:
            table = table.loc[table["value"].sort_values(ascending=False).index[:_ROWS]]
            head.append(f"  {_ROWS} largest of {len(self.to_frame())} scores:")
        if len(table):
            body = table[shown].to_string(index=False, float_format=lambda x: f"{x:.3g}")
            head += ["  " + line for line in body.splitlines()]
        notes = self.notes
        head += [f"  warning: {note}" for note in notes[:4]]
        head += [f"  and {len(notes) - 4} more warnings"] if len(notes) > 4 else []
        return "\n".join(head)

    def __eq__(self, other: object) -> bool:
        """Whether all is the same but the time at which it was computed."""
        if not isinstance(other, Comparison):
            return False
        mine, theirs = (one.data.assign_attrs(created_utc="") for one in (self, other))
        return mine.identical(theirs)

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash


def _null(attrs: Mapping[Any, Any]) -> str:
    if attrs["null"] == "none":
        return "none"
    return f"{attrs['null']}, {attrs['n_null']} orders, corrected by {attrs['correction']}"


def _refused(target: Path, bound: str, fix: str = "") -> SpecError:
    return SpecError.of(where="Comparison.save", name="path", value=str(target), bound=bound, fix=fix)
