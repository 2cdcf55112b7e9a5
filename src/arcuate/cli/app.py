"""The commands."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcuate.cli.console import Group, Progress, say, show_table
from arcuate.cli.study import app as study_app

if TYPE_CHECKING:
    from arcuate.recording import Recording

app = typer.Typer(
    name="arcuate",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Spiking networks that learn, described once and run on engines that agree.",
)
bench_app = typer.Typer(no_args_is_help=True, help="Measure speed, as ratios in one run.")
app.add_typer(bench_app, name="bench")
app.add_typer(study_app, name="study")

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A published model (see 'arcuate models'), or a TOML file.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=V", help="Change a field, by dotted path; may be repeated."),
]
Duration = Annotated[
    str | None, typer.Option(metavar="TIME", help='Such as "10 s"; default the length of the task.')
]
Seed = Annotated[str, typer.Option(metavar="NUMBER", help="Seed of every random number.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]


def _version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from arcuate import __version__

        say(f"arcuate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Spiking networks that learn, described once and run on engines that agree."""


@app.command()
def run(
    model: Model,
    *,
    settings: Settings = None,
    engine: Annotated[
        str, typer.Option(help="numba, brian2, brian2-cython, brian2-cpp or brian2-cuda.")
    ] = "numba",
    duration: Duration = None,
    seed: Seed = "0",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the Recording (NetCDF, .nc).")
    ] = None,
    force: Force = False,
) -> None:
    """Simulate a model and say what came out."""
    from arcuate.cli.settings import check_output_file, find_network, parse_seed
    from arcuate.simulate import simulate

    number = parse_seed(seed)
    check_output_file(out, force=force)
    network = find_network(model, settings or ())
    with Progress(f"running {network.name}") as progress:
        rec = simulate(network, duration, seed=number, engine=engine, progress=progress)
    _show_recording(rec, network.name, engine, number)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        say(f"saved {rec.save(out, overwrite=force)}")


def _show_recording(rec: Recording, name: str, engine: str, seed: int) -> None:
    """Print the rates of every population and the outcome."""
    length = rec.duration
    rows = []
    for population in rec.populations:
        count, n = int(rec.spikes(population).sizes["spike"]), rec.n_neurons(population)
        rate = f"{count / n / length:.3g} Hz" if length and n else ""
        rows.append((population, str(n), f"{count}", rate))
    took = f", {length:g} s" if length else ""
    say(f"{name} on {engine}, seed {seed}{took}: {rec.outcome.get('status', 'finished')}")
    if rows:
        show_table(("population", "neurons", "spikes", "rate"), rows)


@app.command()
def reproduce(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A published model (see 'arcuate models').")],
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer seeds; what needs them all is not judged.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The published size, of a model that is shown at a smaller one.")
    ] = False,
    seeds: Annotated[
        str | None, typer.Option(metavar="0-9", help="Seeds; default those of expected.toml.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Default out/MODEL.")] = None,
    force: Force = False,
) -> None:
    """Measure what a model must show.

    Prints each figure with what was expected; exits with 0 only if all hold.
    """
    from arcuate.errors import SpecError
    from arcuate.models import model_folder
    from arcuate.study.report import check_output, write_report
    from arcuate.study.reproduction import default_seeds, load_reproduce, parse_seeds

    name = model_folder(model).name
    if full and quick:
        raise SpecError.of(where="reproduce", name="--full", bound="cannot be quick", fix="leave out --quick")
    function = load_reproduce(name, full=full)
    chosen = parse_seeds(seeds) if seeds is not None else default_seeds(name, quick=quick, full=full)
    folder = check_output(out if out is not None else Path("out") / name, force=force)
    os.environ.setdefault("MPLBACKEND", "agg")
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with Progress(f"reproducing {name}") as progress:
        result = function(chosen, quick, folder, progress)
    wall = time.monotonic() - start
    report = write_report(result, folder, seeds=chosen, quick=quick, wall_seconds=wall, force=True)
    show_table(
        ("figure", "expected", "got", "verdict"),
        [(figure.name, figure.expected, figure.measured, figure.verdict) for figure in result.figures],
        title=f"{name}, {len(chosen)} seed{'s' if len(chosen) != 1 else ''}, {wall:.0f} s",
    )
    for caveat in result.caveats:
        say(f"note: {caveat}")
    say("every judged figure holds" if result.holds else "not every figure holds")
    say(f"report: {report}")
    raise typer.Exit(0 if result.holds else 1)


@app.command()
def compare(
    flagship: Annotated[
        str,
        typer.Argument(metavar="FLAGSHIP", help="what_and_when, tick_or_layer or three_memories."),
    ],
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer seeds and shorter training: minutes on two cores.")
    ] = False,
    seeds: Annotated[
        str | None, typer.Option(metavar="0-4", help="Seeds of every system; default those of the flagship.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Default out/FLAGSHIP.")] = None,
    force: Force = False,
) -> None:
    """Run a flagship comparison of several systems.

    Prints each claim with its interval and the verdict computed from it; any verdict exits with 0.
    """
    from arcuate.flagships import default_seeds, run
    from arcuate.study.report import check_output
    from arcuate.study.reproduction import parse_seeds

    chosen = default_seeds(flagship, quick=quick) if seeds is None else parse_seeds(seeds)
    folder = check_output(out if out is not None else Path("out") / flagship, force=force)
    os.environ.setdefault("MPLBACKEND", "agg")
    start = time.monotonic()
    with Progress(f"comparing, {flagship}") as progress:
        result = run(flagship, seeds=chosen, quick=quick, progress=progress)
    wall = time.monotonic() - start
    report = result.save(folder, wall_seconds=wall, force=True)
    show_table(
        ("claim", "estimate", "interval", "claimed", "null", "verdict"),
        [
            (
                claim.name,
                f"{claim.estimate:.4g} {claim.unit}".rstrip(),
                claim.interval,
                claim.bound,
                "" if claim.null != claim.null else f"{claim.null:.4g}",
                claim.verdict,
            )
            for claim in result.claims
        ],
        title=f"{flagship}, {len(chosen)} seed{'s' if len(chosen) != 1 else ''}, {wall:.0f} s",
    )
    for caveat in result.caveats:
        say(f"note: {caveat}")
    for hypothesis in result.hypotheses:
        say(hypothesis.sentence)
    say(f"report: {report}")


@app.command()
def verify(
    model: Model,
    *,
    engines: Annotated[
        str, typer.Option(help="Separated by commas; the first is the reference.")
    ] = "numba,brian2",
    settings: Settings = None,
    duration: Duration = None,
    seed: Seed = "0",
) -> None:
    """Run a model on two engines and compare.

    Exits with 0 only if every spike is the same.
    """
    from arcuate.cli.settings import find_network, parse_seed
    from arcuate.verify import verify as compare

    names, number = _words(engines, "engines"), parse_seed(seed)
    network = find_network(model, settings or ())
    with Progress(f"{network.name} on {engines}"):
        result = compare(network, names, duration=duration, seed=number)
    say(str(result))
    raise typer.Exit(0 if result.identical else 1)


@app.command()
def models() -> None:
    """List the published models."""
    from arcuate.models import list_models, list_trainings, load_model, load_training, model_folder

    rows = []
    for name in list_models():
        network = load_model(name)
        neurons = sum(population.n for population in network.populations.values())
        checked = (model_folder(name) / "reproduce.py").is_file() and "/" not in name
        rows.append((name, str(neurons), network.description, "yes" if checked else ""))
    for name in list_trainings():
        table = load_training(name)
        rows.append((name, str(table["parameters"]["n_neurons"]), table["description"], "yes"))
    show_table(("model", "neurons", "what it is", "reproduce"), rows)


@app.command()
def doctor(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also the engines that compile C++ first (a minute).")
    ] = False,
) -> None:
    """Say what is installed and what works.

    Versions, engines (each runs ten neurons), compiler, threads, memory, disk and the cache.
    """
    from arcuate.cli.doctor import examine

    with Progress("looking") as progress:
        findings = examine(every=every, progress=progress)
    show_table(("what", "found", ""), [(finding.what, finding.found, finding.mark) for finding in findings])
    bad = [finding for finding in findings if finding.mark == "fails"]
    for finding in findings:
        if finding.advice:
            say(f"{finding.what}: {finding.advice}")
    say("something needed does not work" if bad else "all that is needed works")
    raise typer.Exit(1 if bad else 0)


@bench_app.command("spiking")
def bench_spiking(
    *,
    workloads: Annotated[str, typer.Option(help="Names, separated by commas, or all.")] = "all",
    against: Annotated[str, typer.Option(help="Peers, separated by commas, or all.")] = "all",
    quick: Annotated[bool, typer.Option("--quick", help="Shorter and fewer runs.")] = False,
    python: Annotated[
        list[str] | None,
        typer.Option(metavar="PEER=PATH", help="Interpreter that has a peer; may be repeated."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page of all that was measured.")
    ] = None,
    force: Force = False,
) -> None:
    """Time the spiking workloads beside their peers, in one run."""
    from arcuate.cli.settings import check_output_file, parse_pythons
    from arcuate.study._bench_report import page, tables
    from arcuate.study.bench import Measurement, run_benchmarks

    names, peers, pythons = (
        _words(workloads, "workloads"),
        _words(against, "against"),
        parse_pythons(python or ()),
    )
    check_output_file(write, force=force)
    command = f"arcuate bench spiking --workloads {workloads} --against {against}" + quick * " --quick"

    def keep(result: Measurement, name: str) -> None:
        if write is not None:
            write.write_text(page(result, command=command), encoding="utf-8")
        for title, head, rows in tables(result.only(name)):
            show_table(head, rows, title=f"{name}: {title}")

    with Progress("measuring") as progress:
        run_benchmarks(names, peers, quick, pythons=pythons, progress=progress, done=keep)
    if write is not None:
        say(f"wrote {write}")


def _words(text: str, name: str) -> tuple[str, ...]:
    """Return words separated by commas, at least one."""
    from arcuate.errors import SpecError

    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if not words:
        raise SpecError.of(where=f"--{name}", name=name, value=text, bound="must name at least one")
    return words
