"""One self-contained HTML page of a reproduction: verdicts, pictures, tables and where it all came from."""

from __future__ import annotations

import base64
import html
import io
import json
import math
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from arcuate.errors import FileFormatError
from arcuate.study.reproduction import Figure, Reproduction, as_columns

_PACKAGES = ("arcuate", "numpy", "scipy", "numba", "brian2", "xarray", "matplotlib", "scikit-learn", "torch")

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff;
  margin: 2rem auto; max-width: 60rem;
  padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; border-bottom: 1px solid #d0d7de; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #d8dee4; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.holds { color: #005a8c; font-weight: 600; } .fails { color: #a63c00; font-weight: 600; }
.not { color: #57606a; }
.verdict { padding: .6rem .9rem; border-left: .35rem solid; background: #f6f8fa; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: #444c56; font-size: .92rem; }
.small { color: #57606a; font-size: .86rem; } .wide { overflow-x: auto; }
code { font-size: .9em; overflow-wrap: anywhere; }
"""


def provenance(model: str, *, seeds: Sequence[int] = (), quick: bool = False) -> dict[str, str]:
    """Say what made a result: specification, versions, seeds, machine, date.

    Parameters
    ----------
    model : str
        Name of the published model; its content hash is taken from the specification.
    seeds : sequence of int, optional
        Seeds that ran.
    quick : bool, optional
        Whether it was a quick run.

    Returns
    -------
    dict of str to str
        Fact and value, no path and no name of a person or machine.

    Examples
    --------
    >>> provenance("what_when_reservoir", seeds=[0, 1])["seeds"]
    '0, 1'
    """
    from arcuate.models import model_sha256

    named = {"model": model, "specification sha256": model_sha256(model)}
    return {**named, **run_facts(seeds, quick=quick)}


def run_facts(seeds: Sequence[int], *, quick: bool) -> dict[str, str]:
    """Say under what a run was made: seeds, protocol, versions, machine, date.

    Parameters
    ----------
    seeds : sequence of int
        Seeds that ran.
    quick : bool
        Whether it was a quick run.

    Returns
    -------
    dict of str to str
        Fact and value, no path and no name of a person or machine.

    Examples
    --------
    >>> run_facts([0, 1], quick=True)["protocol"]
    'quick'
    """
    facts = {
        "seeds": ", ".join(str(seed) for seed in seeds) or "none",
        "protocol": "quick" if quick else "full",
        "created_utc": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
    }
    for package in _PACKAGES:
        version = package_version(package)
        if version is not None:
            facts[package] = version
    return facts


def package_version(name: str) -> str | None:
    """Return the version of an installed package without importing it.

    Parameters
    ----------
    name : str
        Name as pip knows it.

    Returns
    -------
    str or None
        None if it is not installed.

    Examples
    --------
    >>> package_version("no-such-package-here") is None
    True
    """
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def render_report(
    reproduction: Reproduction, *, facts: Mapping[str, str], wall_seconds: float | None = None
) -> str:
    """Render a reproduction as one HTML page that needs nothing beside it.

    Parameters
    ----------
    reproduction : Reproduction
        Figures, pictures, caveats and tables.
    facts : mapping of str to str
        From `provenance`.
    wall_seconds : float, optional
        How long it took, s.

    Returns
    -------
    str
        The page: pictures inlined, no script, no link to another file.

    Examples
    --------
    >>> page = render_report(Reproduction(model="demo", figures=()), facts={"seeds": "0"})
    >>> page.startswith("<!doctype html>") and "demo" in page
    True
    """
    top = (
        _summary(reproduction, wall_seconds),
        "<h2>Expected and measured</h2>",
        _verdicts(reproduction.figures),
    )
    return render_document(f"{reproduction.model}: reproduction", reproduction, top=top, facts=facts)


class Shown(Protocol):
    """What a page shows below its verdicts: caveats, pictures with captions, tables."""

    @property
    def plots(self) -> Mapping[str, Any]:
        """Pictures by title."""

    @property
    def captions(self) -> Mapping[str, str]:
        """Sentence below each picture."""

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know before believing it."""

    @property
    def tables(self) -> Mapping[str, Any]:
        """Tables by title."""


def render_document(title: str, shown: Shown, *, top: Sequence[str], facts: Mapping[str, str]) -> str:
    """Render verdicts, caveats, pictures, tables and provenance as one HTML page.

    Parameters
    ----------
    title : str
        Title of the window; what stands before a colon is the heading.
    shown : Shown
        Caveats, pictures and tables.
    top : sequence of str
        HTML below the heading: the verdicts.
    facts : mapping of str to str
        From `run_facts` or `provenance`.

    Returns
    -------
    str
        The page: pictures inlined, no script, no link to another file.

    Examples
    --------
    >>> page = render_document("a: b", Reproduction(model="a", figures=()), top=["<p>c</p>"], facts={})
    >>> "<h1>a</h1>" in page and "<p>c</p>" in page
    True
    """
    parts = [
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{html.escape(title.partition(':')[0])}</h1>",
        *top,
    ]
    if shown.caveats:
        items = "".join(f"<li>{html.escape(text)}</li>" for text in shown.caveats)
        parts.append(f"<h2>Before you believe it</h2><ol>{items}</ol>")
    if shown.plots:
        parts.append("<h2>Pictures</h2>")
        parts.extend(
            _picture(name, figure, shown.captions.get(name, "")) for name, figure in shown.plots.items()
        )
    for name, table in shown.tables.items():
        parts.append(f"<h2>{html.escape(name)}</h2>{render_table(table)}")
    parts.append(f"{render_facts(facts)}</body></html>\n")
    return "\n".join(parts)


def render_facts(facts: Mapping[str, str]) -> str:
    """Render where a result came from as the last part of a page.

    Parameters
    ----------
    facts : mapping of str to str
        Fact and value.

    Returns
    -------
    str
        A heading and a table.

    Examples
    --------
    >>> "<code>0, 1</code>" in render_facts({"seeds": "0, 1"})
    True
    """
    rows = "".join(
        f"<tr><th scope='row'>{html.escape(key)}</th><td><code>{html.escape(value)}</code></td></tr>"
        for key, value in facts.items()
    )
    return f"<h2>Where it came from</h2><div class='wide'><table>{rows}</table></div>"


def check_output(folder: str | Path, *, force: bool = False) -> Path:
    """Refuse an output folder that already holds something, before anything is run.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where the report is to go; it need not exist.
    force : bool, optional
        Write into it all the same; only files of the same names are replaced.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    FileFormatError
        If it is a file, or holds something and `force` is false.

    Examples
    --------
    >>> check_output("no-such-folder-yet").name
    'no-such-folder-yet'
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FileFormatError.of(
            where="output", name="out", value=str(folder), bound="must be a folder", fix="name another folder"
        )
    if folder.is_dir() and not force and any(folder.iterdir()):
        raise FileFormatError.of(
            where="output",
            name="out",
            value=str(folder),
            bound="must be empty or not exist yet",
            fix="name another folder, or add --force (force=True) to replace the files there",
        )
    return folder


def write_report(
    reproduction: Reproduction,
    folder: str | Path,
    *,
    seeds: Sequence[int] = (),
    quick: bool = False,
    wall_seconds: float | None = None,
    force: bool = False,
) -> Path:
    """Write ``report.html``, ``figures.json`` and one PNG per picture into a folder.

    Each file is written beside its place and renamed, so that a reader never sees half of it.

    Parameters
    ----------
    reproduction : Reproduction
        What the model's ``reproduce`` returned.
    folder : str or pathlib.Path
        Made if it does not exist.
    seeds : sequence of int, optional
        Seeds that ran.
    quick : bool, optional
        Whether it was a quick run.
    wall_seconds : float, optional
        How long it took, s.
    force : bool, optional
        Replace files of the same names in a folder that is not empty.

    Returns
    -------
    pathlib.Path
        The path of ``report.html``.

    Raises
    ------
    FileFormatError
        If the folder holds something and `force` is false.

    Examples
    --------
    >>> import tempfile
    >>> figures = Reproduction(model="what_when_reservoir", figures=())
    >>> write_report(figures, tempfile.mkdtemp(), seeds=[0]).name
    'report.html'
    """
    folder = check_output(folder, force=force)
    folder.mkdir(parents=True, exist_ok=True)
    facts = provenance(reproduction.model, seeds=seeds, quick=quick)
    write_pictures(reproduction.plots, folder)
    summary = {
        "model": reproduction.model,
        "holds": reproduction.holds,
        "provenance": facts,
        "wall_seconds": wall_seconds,
        "figures": [_as_dict(figure) for figure in reproduction.figures],
    }
    write_file(folder / "figures.json", (json.dumps(summary, indent=1, allow_nan=False) + "\n").encode())
    page = render_report(reproduction, facts=facts, wall_seconds=wall_seconds)
    write_file(folder / "report.html", page.encode("utf-8"))
    return folder / "report.html"


def write_pictures(plots: Mapping[str, Any], folder: Path) -> None:
    """Write one PNG per picture.

    Parameters
    ----------
    plots : mapping of str to matplotlib.figure.Figure
        Pictures by title.
    folder : pathlib.Path
        A folder that exists.

    Examples
    --------
    >>> write_pictures({}, Path("."))
    """
    for title, picture in plots.items():
        write_file(folder / f"{_file_name(title)}.png", _png(picture, dpi=150))


def _summary(reproduction: Reproduction, wall_seconds: float | None) -> str:
    """Return the verdict in one sentence."""
    judged = [figure for figure in reproduction.figures if figure.judged]
    holding = sum(figure.holds for figure in judged)
    word = "holds" if reproduction.holds else "fails"
    took = f" It took {wall_seconds:.0f} s." if wall_seconds is not None else ""
    left = len(reproduction.figures) - len(judged)
    rest = f" {left} not judged by this run." if left else ""
    return f"<p class='verdict {word}'>{holding} of {len(judged)} judged figures hold.{rest}{took}</p>"


def _verdicts(figures: Sequence[Figure]) -> str:
    """Return the table of expected and measured values."""
    rows = []
    for figure in figures:
        word = figure.verdict
        cells = (figure.what, figure.expected, figure.measured)
        rows.append(
            f"<tr><td><code>{html.escape(figure.name)}</code></td>"
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            + f"<td class='{word.split()[0]}'>{word}</td>"
            + f"<td class='small'>{html.escape(figure.source)}</td></tr>"
        )
    head = "".join(f"<th>{word}</th>" for word in ("figure", "what", "expected", "got", "verdict", "source"))
    return (
        f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _picture(title: str, figure: Any, caption: str) -> str:
    """Return one picture, inlined."""
    data = base64.b64encode(_png(figure, dpi=110)).decode("ascii")
    text = html.escape(title)
    note = html.escape(caption)
    return (
        f"<figure><img alt='{html.escape(caption or title, quote=True)}' src='data:image/png;base64,{data}'>"
        f"<figcaption><strong>{text}</strong>{'. ' + note if note else ''}</figcaption></figure>"
    )


def render_table(table: Any) -> str:
    """Render a table, numbers with four significant digits.

    Parameters
    ----------
    table : mapping or pandas.DataFrame
        Columns of equal length.

    Returns
    -------
    str
        A table that scrolls where it is wide.

    Examples
    --------
    >>> "<th>p</th>" in render_table({"p": [0.5]})
    True
    """
    names, rows = as_columns(table)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(value: Any) -> str:
    """Return one table cell."""
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        return f"<td>{html.escape(str(value))}</td>"
    return f"<td class='number'>{float(value):.4g}</td>"


def _png(figure: Any, *, dpi: int) -> bytes:
    """Return a matplotlib figure as PNG bytes, without a date in them."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", dpi=dpi, bbox_inches="tight", facecolor="white", metadata={"Software": None}
    )
    return buffer.getvalue()


def _as_dict(figure: Figure) -> dict[str, Any]:
    """Return a figure as JSON, what is not finite as text."""

    def plain(value: float) -> float | str:
        return value if math.isfinite(value) else str(value)

    return {
        "name": figure.name,
        "what": figure.what,
        "statistic": figure.statistic,
        "low": plain(figure.low),
        "high": plain(figure.high),
        "unit": figure.unit,
        "got": plain(figure.got),
        "values": {str(seed): plain(value) for seed, value in figure.values.items()},
        "verdict": figure.verdict,
        "source": figure.source,
    }


def _file_name(title: str) -> str:
    """Return a title as a plain file name."""
    return "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in title
    )


def write_file(path: Path, data: bytes) -> None:
    """Write a file beside its place and rename it, so that a reader never sees half of it.

    Parameters
    ----------
    path : pathlib.Path
        In a folder that exists; a file there is replaced.
    data : bytes
        All of it.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "page.html"
    >>> write_file(path, b"whole")
    >>> path.read_bytes()
    b'whole'
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
