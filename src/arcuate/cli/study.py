"""``arcuate study FILE.toml`` and what one does with its folder afterwards."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arcuate.cli.console import Group, Progress, console, say, show_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcuate.study.forecast import Forecast
    from arcuate.study.study import Study

_SHOWN = 40
_REASONS = 5
_NAMES = {"wall_seconds": "time (s)"}


class StudyGroup(Group):
    """The commands of a study; a file takes the place of a command and is run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read ``study FILE.toml`` as ``study run FILE.toml``."""
        first = args[0] if args else ""
        names_file = first.endswith(".toml") or "/" in first
        if names_file or (first.startswith("-") and first != "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=StudyGroup,
    no_args_is_help=True,
    help="Run a parameter study described in a TOML file, and look at what it found.",
)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a study.")]
Jobs = Annotated[
    str | None, typer.Option("--n-jobs", metavar="N", help="Processes; default every processor.")
]
TimeLimit = Annotated[
    str | None, typer.Option(metavar="TIME", help='Time that one point may take, such as "60 s".')
]
Retries = Annotated[
    str | None,
    typer.Option(metavar="N", help="How often a point is tried again whose worker died; default 2."),
]
Changed = Annotated[
    str,
    typer.Option(
        metavar="refuse|keep|recompute",
        help="What to do with results that another model, measure, option or version made.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]


@app.command()
def run(
    source: Annotated[
        str, typer.Argument(metavar="FILE.toml", help="A study, or the name of a published one.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where results are kept; default out/NAME.")
    ] = None,
    n_jobs: Jobs = None,
    time_limit: TimeLimit = None,
    retries: Retries = None,
    changed: Changed = "refuse",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=V", help="Change a field, by dotted path; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run one point, say what all would take, keep nothing.")
    ] = False,
) -> None:
    """Run a study; the word 'run' may be left out.

    What is done is kept at once. The same command goes on where it was stopped. Exits with 0 only if every
    point is done.
    """
    from arcuate.cli.settings import parse_settings
    from arcuate.study.files import load_study

    study = load_study(source, changes=parse_settings(settings or ()))
    options = _options(n_jobs, time_limit, retries)
    folder = _check_folder(out if out is not None else _usual_folder(study.name))
    if dry_run:
        say(str(_forecast(study, folder, options.get("n_jobs"))))
        return
    _run(study, folder, {**options, "changed": changed})


@app.command()
def resume(
    folder: Folder,
    *,
    n_jobs: Jobs = None,
    time_limit: TimeLimit = None,
    retries: Retries = None,
    changed: Changed = "refuse",
) -> None:
    """Go on with a study that was stopped, and try again what failed.

    Exits with 0 only if every point is done.
    """
    from arcuate.study.store import Store
    from arcuate.study.study import study_from_description

    study = study_from_description(Store.read(folder).description)
    _run(study, folder, {**_options(n_jobs, time_limit, retries), "changed": changed})


@app.command()
def verify(
    folder: Folder,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put damaged files aside and remove those without a result.")
    ] = False,
) -> None:
    """Read all that a study keeps and list what is damaged.

    Exits with 0 only if nothing is. The next run computes damaged points again.
    """
    from arcuate.study.store import verify as check

    with Progress(f"reading {folder.name}"):
        damages = check(folder, keys=_keys(folder), repair=repair)
    for damage in damages:
        say(str(damage))
    lost = sum(damage.key is not None for damage in damages)
    done = ", put aside" if repair else ""
    say(f"{len(damages)} found{done}; {_points(lost)} to compute again" if damages else "nothing is damaged")
    raise typer.Exit(1 if damages else 0)


@app.command()
def table(
    folder: Folder,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only the points that failed, and why.")] = False,
    every: Annotated[bool, typer.Option("--all", help=f"Every point, not the first {_SHOWN} alone.")] = False,
) -> None:
    """Print what a study has found."""
    from arcuate.study.html_report import short_names, usual_unit
    from arcuate.study.results import Results

    results = Results.open(folder)
    frame = results.failed() if failed else results.table()
    shown = (frame if every else frame.head(_SHOWN)).drop(columns=["traceback", "recording"], errors="ignore")
    units, short = results.table().attrs["units"], short_names(results.design.names)
    names, columns = ["point"], [[str(index) for index in shown.index]]
    for name in map(str, shown):
        scale, unit = usual_unit(list(frame[name]), units[name]) if name in units else (1.0, "")
        names.append({**_NAMES, **short}.get(str(name), str(name)) + (f" ({unit})" if unit else ""))
        columns.append([_cell(value / scale if unit else value) for value in shown[name]])
    show_table(names, list(zip(*columns, strict=True)))
    if len(shown) < len(frame):
        say(f"{len(frame) - len(shown)} more; --all shows them, 'arcuate study export' writes a file")


@app.command()
def export(
    folder: Folder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="It ends in .csv or .parquet.")],
    *,
    force: Force = False,
) -> None:
    """Write what a study has found to a CSV or Parquet file."""
    from arcuate.cli.settings import check_output_file
    from arcuate.study.results import Results

    check_output_file(file, force=force)
    results = Results.open(folder)
    say(f"wrote {results.export(file, overwrite=force)}")


@app.command()
def report(
    folder: Folder,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page; default FOLDER/report.html.")
    ] = None,
    force: Force = False,
) -> None:
    """Write a page with maps, courses, points and failures of a study, to be read in a browser."""
    from arcuate.cli.settings import check_output_file
    from arcuate.study.html_report import write_page

    page = out if out is not None else folder / "report.html"
    check_output_file(page, force=force)
    say(f"report: {write_page(folder, page, overwrite=force)}")


def _options(n_jobs: str | None, time_limit: str | None, retries: str | None) -> dict[str, Any]:
    """Return what was given of the options of a run; `Study.run` checks their bounds."""
    from arcuate.cli.settings import parse_whole

    found: dict[str, Any] = {}
    if n_jobs is not None:
        found["n_jobs"] = parse_whole(n_jobs, "n-jobs", low=1)
    if time_limit is not None:
        found["time_limit"] = time_limit
    if retries is not None:
        found["retries"] = parse_whole(retries, "retries")
    return found


def _forecast(study: Study, folder: Path, n_jobs: int | None) -> Forecast:
    """Say what a study would take; a point that fails tells no time."""
    from arcuate.errors import ArcuateError

    try:
        with Progress(f"trying one point of {study.name}"):
            return study.dry_run(folder, n_jobs=n_jobs)
    except ArcuateError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the function of the study raises
        say(f"the point that was tried failed: {type(error).__name__}: {error}", error=True)
        return study.dry_run(folder, n_jobs=n_jobs, probe=False)


def _usual_folder(name: str) -> Path:
    """Return the folder of a study in ``out``; a name that leads elsewhere is refused."""
    from arcuate.errors import SpecError

    if name != Path(name).name or name == "..":
        raise SpecError.of(
            where="arcuate study",
            name="name",
            value=name,
            bound="is no name of a folder",
            fix="use --out FOLDER",
        )
    return Path("out") / name


def _check_folder(folder: Path) -> Path:
    """Refuse a folder that holds other things than a study."""
    from arcuate.study.report import check_output

    holds_study = folder.is_dir() and any((folder / name).exists() for name in ("index.sqlite", "recordings"))
    return check_output(folder, force=holds_study)


def _run(study: Study, folder: Path, options: Mapping[str, Any]) -> None:
    """Run a study, show how far it is, and say how it ended."""
    start = time.monotonic()
    progress: Any = None
    if not console(error=True).is_terminal:
        progress = Progress(study.name)
    try:
        frame = study.run(folder, progress=progress, **options)
    except (KeyboardInterrupt, SystemExit):  # Ctrl-C, or a scheduler's signal
        say(f"what is done is kept; 'arcuate study resume {folder}' goes on", error=True)
        raise
    failed = frame[frame["status"] == "failed"]
    left = len(study.design) - len(frame)
    say(
        f"{study.name}: {_points(len(frame) - len(failed))} done"
        + (f", {len(failed)} failed" if len(failed) else "")
        + (f", {left} left to another run" if left else "")
        + f" in {time.monotonic() - start:.3g} s"
    )
    if len(failed):
        reasons = study.results().failed()["reason"].value_counts()
        show_table(("points", "reason"), [(str(n), reason) for reason, n in reasons.head(_REASONS).items()])
    say(f"results: {folder}; 'arcuate study report {folder}' writes a page")
    raise typer.Exit(1 if len(failed) or left else 0)


def _keys(folder: Path) -> list[str] | None:
    """Return the keys of all points, if the store still knows what the study was."""
    import warnings

    from arcuate.errors import ArcuateWarning, SpecError
    from arcuate.study._identity import PointKeys
    from arcuate.study.design import Design
    from arcuate.study.store import Store

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ArcuateWarning)  # says what will be listed
        description = Store.read(folder).description
    try:
        design, keys = Design.from_description(description["design"]), PointKeys.of(description)
    except (KeyError, TypeError, SpecError):
        return None
    return [keys.key(point) for point in design]


def _points(count: int) -> str:
    """Return a number of points in words."""
    return f"{count} point{'' if count == 1 else 's'}"


def _cell(value: Any) -> Any:
    """Return what a table shows of a value: nothing where there is none."""
    return "" if value is None or value != value else value


__all__ = ["app"]
