"""A parameter study: what is run, at which points, and what is kept of each."""

from __future__ import annotations

import html
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcuate import __version__
from arcuate._progress import ProgressOption
from arcuate.errors import ArcuateError, FileFormatError, SpecError, UnknownNameError, check_choice
from arcuate.rng import check_seed
from arcuate.simulate import usable_processors
from arcuate.spec import Network, Record
from arcuate.spec.checks import check_flag
from arcuate.spec.part import plain
from arcuate.study._axes import plain_value
from arcuate.study._given import (
    at_point,
    check_call,
    check_defaults,
    check_target,
    default_measure,
    describe_function,
    described_function,
    parameters_of,
    run_options,
    study_name,
)
from arcuate.study._identity import (
    CallKeys,
    NetworkKeys,
    PointKeys,
    arithmetic_of,
    code_sha256,
    path_of,
    sha256_of,
)
from arcuate.study._metrics import Metric, measured, name_of
from arcuate.study.design import SEED, Design, Point
from arcuate.units import to_si

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from arcuate.study.forecast import Forecast
    from arcuate.study.results import Results

__all__ = ["Study", "study_from_description"]

FORMAT = 1
"""Version of the description that a store keeps."""

CHECKED = 100
"""Points that are built before a study begins, to see that the specification takes their values."""

RUN_LIMIT = 10_000_000
"""Points that one study may run (chosen: their keys fill 1 GB)."""

Target = Network | Callable[..., Any]


class Study:
    """A specification, the points at which it is run, and what is measured at each.

    Parameters
    ----------
    spec : Network or callable
        What is run. A function is called with the values of a point by name, and with ``seed`` if it has
        such a parameter.
    design : Design or mapping
        The points; a mapping from dotted path to values is a grid.
    measure : callable, optional
        Function of the Recording of a point (or of what the function of the study returned) that returns
        numbers, truths or texts by name, a single number, or a small Dataset, whose cells become
        ``rate.exc`` and the like. By default ``arcuate.analysis.summary`` for a network; for a function,
        what it returns holds the metrics.
    name : str, optional
        For reports; that of the specification or the function by default.
    duration : str or quantity, optional
        Length of every run; that of the network's task by default.
    seed : int
        Seed of the points that have none of their own.
    record : Record, optional
        What a run keeps, in place of ``spec.record``.
    keep : bool
        Whether the Recording of every point is stored as a file.
    engine, order, precision : str
        As in `simulate`.
    defaults : mapping, optional
        What `run` uses of ``n_jobs``, ``time_limit`` and ``retries`` where it is not told; a store keeps it.

    Attributes
    ----------
    spec, design, measure, name, duration, seed, record, keep, engine, order, precision, defaults
        As given; the duration in s.

    Raises
    ------
    UnknownNameError
        If a path leads nowhere; the message names the nearest.
    SpecError
        If an argument, or a value of a point, is refused.

    Examples
    --------
    >>> import arcuate as arc
    >>> cells = arc.Population(name="exc", n=5, neuron=arc.lif(), bias="0.5 nA")
    >>> net = arc.Network(name="five", dt="0.1 ms", populations=[cells])
    >>> arc.Study(net, {"populations.exc.bias": ["0.4 nA", "0.5 nA"]}, duration="100 ms")
    <Study 'five', 2 points: populations.exc.bias 2; measure summary>
    """

    def __init__(
        self,
        spec: Target,
        design: Design | Mapping[str, Any],
        measure: Callable[[Any], Any] | None = None,
        *,
        name: str | None = None,
        duration: str | float | None = None,
        seed: int = 0,
        record: Record | None = None,
        keep: bool = False,
        engine: str = "numba",
        order: str = "strict",
        precision: str = "float64",
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        check_target(spec, measure)
        if seed is None:
            raise SpecError.of(where="Study", name="seed", value=seed, bound="must be an integer")
        self.spec, self.design = spec, design if isinstance(design, Design) else Design.grid(design)
        self.measure = default_measure() if measure is None and isinstance(spec, Network) else measure
        self.name = study_name(spec if name is None else name)
        self.seed, self.keep = check_seed(seed), check_flag(keep, where="Study", name="keep")
        self.record = None if record is None else Record.from_tree(record, where="Study")
        self.engine, self.order, self.precision = engine, order, precision
        self.duration = duration
        if duration is not None:
            self.duration = to_si(duration, "s", where="Study", name="duration", low=0.0, low_open=True)
        self.defaults = check_defaults({} if defaults is None else defaults)
        self.folder: Path | None = None
        self._made: list[str] | None = None
        if isinstance(spec, Network):
            self._base = spec if self.record is None else spec.replace(record=self.record)
            self._check_network(self._base)
            content: NetworkKeys | CallKeys = NetworkKeys(self._base, self.design.names)
            model, seeded = self._base.sha256, True
        else:
            check_call(spec, self.design, vars(self))
            content = CallKeys(path_of(spec))
            model, seeded = code_sha256(spec), SEED in (*parameters_of(spec)[0], *self.design.names)
        self._code = model, "" if self.measure is None else code_sha256(self.measure)
        self._seeded = seeded
        self._keys = PointKeys(content, seed=self.seed if seeded else None, arithmetic=self._arithmetic())

    def network(self, point: Point) -> Network:
        """Return the specification that is run at a point.

        Parameters
        ----------
        point : Point
            One of the design.

        Returns
        -------
        Network

        Raises
        ------
        SpecError
            If it refuses a value; the message names the point.

        Examples
        --------
        >>> import arcuate as arc
        >>> study = arc.Study(arc.load_model("what_when_reservoir"), {"populations.exc.n": [100, 480]})
        >>> study.network(study.design[0]).populations["exc"].n
        100
        """
        if not isinstance(self.spec, Network):
            raise SpecError.of(
                where="Study", name="spec", value=self.spec, bound="is a function, not a network"
            )
        return point.apply(self._base)

    def arguments(self, point: Point) -> dict[str, Any]:
        """Return what a function is called with at a point.

        Parameters
        ----------
        point : Point
            One of the design.

        Returns
        -------
        dict of str to object
            The values, and ``seed`` if the function has such a parameter.

        Examples
        --------
        >>> import arcuate as arc
        >>> def train(rate, seed):
        ...     return {"loss": 1.0 / rate + seed}
        >>> study = arc.Study(train, {"rate": [0.1, 0.2]}, seed=7)
        >>> study.arguments(study.design[1])
        {'rate': 0.2, 'seed': 7}
        """
        return {**point.values, **({SEED: self.seed_at(point)} if self._seeded else {})}

    def seed_at(self, point: Point) -> int:
        """Return the seed of a point: its own, or that of the study.

        Parameters
        ----------
        point : Point
            One of the design.

        Returns
        -------
        int

        Examples
        --------
        >>> import arcuate as arc
        >>> study = arc.Study(arc.load_model("what_when_reservoir"), {"seed": range(5, 8)})
        >>> study.seed_at(study.design[2])
        7
        """
        return int(point.values.get(SEED, self.seed))

    def metrics(self, result: Any) -> dict[str, Metric]:
        """Measure what a point gave.

        Parameters
        ----------
        result : Recording or object
            Of the run, or what the function of the study returned.

        Returns
        -------
        dict of str to number, bool, str or None
            None for what is missing or not finite.

        Raises
        ------
        SpecError
            If the measure returns anything else.

        Examples
        --------
        >>> import arcuate as arc
        >>> study = arc.Study(lambda x: {"square": x * x}, {"x": [1, 2]})
        >>> study.metrics(study.spec(x=2))
        {'square': 4}
        """
        name = name_of(self.spec) if self.measure is None else ""
        return measured(self.measure, result, name=name, taken=self.design.names)

    def key(self, point: Point) -> str:
        """Return the hash by which a point is known in a store: equal for equal content.

        Parameters
        ----------
        point : Point
            One of the design.

        Returns
        -------
        str
            64 hexadecimal digits, of the network (or the function and its values), the seed, the duration
            and the arithmetic. The code of a function or a measure does not count: see `fingerprint`.

        Examples
        --------
        >>> import arcuate as arc
        >>> net = arc.load_model("what_when_reservoir")
        >>> first, second = (arc.Study(net, {"dt": [dt]}) for dt in ("0.5 ms", "0.0005 s"))
        >>> first.key(first.design[0]) == second.key(second.design[0])
        True
        """
        return self._keys.key(point)

    def keys(self) -> list[str]:
        """Return the keys of all points, in the order of the design.

        Returns
        -------
        list of str

        Raises
        ------
        SpecError
            If two points have the same content.

        Examples
        --------
        >>> import arcuate as arc
        >>> len(set(arc.Study(arc.load_model("what_when_reservoir"), {"seed": range(3)}).keys()))
        3
        """
        if self._made is None:
            if len(self.design) > RUN_LIMIT:
                raise SpecError.of(
                    where="Study",
                    name="points",
                    value=len(self.design),
                    bound=f"must be <= {RUN_LIMIT} to run",
                )
            made: dict[str, int] = {}
            for point in self.design:
                key = self.key(point)
                if key in made:
                    raise SpecError.of(
                        where="Study",
                        name=f"point {point.index}",
                        value=point.values,
                        bound=f"says the same as point {made[key]}",
                        fix="leave one out, or vary the seed to repeat a point",
                    )
                made[key] = point.index
            self._made = list(made)
        return self._made

    @property
    def fingerprint(self) -> dict[str, str]:
        """What made the rows of a store: hashes of model and measure, options, version of this package."""
        model, measure = self._code
        options = {**self._arithmetic(), "keep": self.keep}
        if SEED not in self.design.names:
            options[SEED] = self.seed if self._seeded else None
        return {"model": model, "measure": measure, "options": sha256_of(options), "version": __version__}

    def _arithmetic(self) -> dict[str, Any]:
        """Options that decide on the numbers."""
        return arithmetic_of(vars(self)) if isinstance(self.spec, Network) else {}

    def describe(self) -> dict[str, Any]:
        """Return what a store keeps of the study, as numbers, texts, lists and tables.

        Returns
        -------
        dict
            `study_from_description` makes the study again where its functions can be imported.

        Examples
        --------
        >>> import arcuate as arc
        >>> arc.Study(arc.load_model("what_when_reservoir"), {"seed": range(3)}).describe()["measure"]["path"]
        'arcuate.analysis.spikes:summary'
        """
        if isinstance(self.spec, Network):
            target: dict[str, Any] = {"kind": "network", "spec": self.spec.to_dict()}
        else:
            target = {"kind": "function", **describe_function(self.spec), "seeded": self._seeded}
        record = None if self.record is None else plain(self.record.tree())
        return {
            "format": FORMAT,
            "name": self.name,
            "target": target,
            "design": self.design.describe(),
            "measure": None if self.measure is None else describe_function(self.measure),
            "options": {
                "duration": self.duration,
                "seed": self.seed,
                "record": record,
                "keep": self.keep,
                "engine": self.engine,
                "order": self.order,
                "precision": self.precision,
            },
            "run": plain_value(self.defaults),
            "fingerprint": self.fingerprint,
        }

    def run(
        self,
        folder: str | os.PathLike[str],
        *,
        n_jobs: int | None = None,
        time_limit: str | float | None = None,
        retries: int | None = None,
        changed: str = "refuse",
        progress: ProgressOption = None,
    ) -> pd.DataFrame:
        """Run every point that the folder does not hold yet, and return the table of all.

        What is done is kept as soon as it is done: a run that was stopped goes on where it stopped, and a
        study with more points computes the new ones alone.

        Parameters
        ----------
        folder : path
            Of the store; made if it is not there.
        n_jobs : int, optional
            Processes; all processors that may be used by default, 1 for none but this one. Inside
            ``joblib.parallel_config("dask")`` the points run on a cluster.
        time_limit : str or quantity, optional
            Time that one point may take; no limit by default. One that takes longer is recorded as failed.
        retries : int, optional
            How often a point is tried again whose worker died or was stopped; 2 by default.
        changed : {"refuse", "keep", "recompute"}
            What to do with results that another model, measure, option or version of this package made.
        progress : bool or callable, optional
            As in `simulate`, but points are counted.

        Returns
        -------
        pandas.DataFrame
            As `table`.

        Raises
        ------
        SpecError
            If an argument is refused, or something changed; the store is left as it is.
        FileFormatError
            If the folder holds something else.
        """
        given = {"n_jobs": n_jobs, "time_limit": time_limit, "retries": retries}
        options = run_options(self.defaults, given, progress)
        check_choice(changed, ("refuse", "keep", "recompute"), where="Study.run", name="changed")
        from arcuate.study._changes import outdated, recover
        from arcuate.study.results import Results
        from arcuate.study.runner import check_run, run_points
        from arcuate.study.store import Store

        check_run(self, n_jobs=options["n_jobs"], time_limit=options["time_limit"])
        again = outdated(self, folder, changed=changed)
        with Store.open(folder, self.describe(), fingerprint=self.fingerprint) as store:
            self.folder = store.folder
            recover(self, store)
            run_points(self, store, again=again, **options)
        return Results.open(folder, keys=self._keys).table()

    def dry_run(
        self, folder: str | os.PathLike[str] | None = None, *, n_jobs: int | None = None, probe: bool = True
    ) -> Forecast:
        """Say what a run would take, after running one point.

        Parameters
        ----------
        folder : path, optional
            Of the store, to count what is done already; it is only read.
        n_jobs : int, optional
            As in `run`.
        probe : bool
            Whether one point is run to measure its time, twice if it is short; nothing of it is kept.

        Returns
        -------
        Forecast
            Its text tells points, time, memory and disk.

        Examples
        --------
        >>> import arcuate as arc
        >>> study = arc.Study(lambda x: {"square": x * x}, {"x": range(4)})
        >>> print(study.dry_run(n_jobs=2, probe=False))
        4 points, none done yet; 2 processes
        time not known (no point was run)
        memory not known
        disk 4 kB
        """
        from arcuate.study.forecast import forecast

        n_jobs = run_options(self.defaults, {"n_jobs": n_jobs})["n_jobs"]
        return forecast(self, folder, n_jobs=n_jobs or usable_processors(), probe=probe)

    def results(self, folder: str | os.PathLike[str] | None = None) -> Results:
        """Open what a run has stored.

        Parameters
        ----------
        folder : path, optional
            Of the store; that of the last run by default.

        Returns
        -------
        Results

        Raises
        ------
        SpecError
            If no folder is given and nothing was run.
        FileFormatError
            If the folder holds no store.
        """
        from arcuate.study.results import Results

        if folder is None and self.folder is None:
            raise SpecError.of(
                where="Study", name="folder", value=None, bound="nothing was run", fix="call run(folder)"
            )
        return Results.open(self.folder if folder is None else folder)  # type: ignore[arg-type]

    def table(self, folder: str | os.PathLike[str] | None = None) -> pd.DataFrame:
        """Return one row per point.

        Parameters
        ----------
        folder : path, optional
            Of the store; that of the last run by default.

        Returns
        -------
        pandas.DataFrame
            As `Results.table`.

        Raises
        ------
        SpecError
            If no folder is given and nothing was run.
        """
        return self.results(folder).table()

    def dataset(self, folder: str | os.PathLike[str] | None = None) -> xr.Dataset:
        """Return the metrics over the varied fields.

        Parameters
        ----------
        folder : path, optional
            Of the store; that of the last run by default.

        Returns
        -------
        xarray.Dataset
            As `Results.dataset`.

        Raises
        ------
        SpecError
            If no folder is given and nothing was run.
        """
        return self.results(folder).dataset()

    def _check_network(self, network: Network) -> None:
        """Refuse what the engine cannot run, unknown paths, and values that the specification refuses."""
        from arcuate.engines import check_arithmetic, check_capabilities, get_engine
        from arcuate.engines.build import run_length

        engine = get_engine(self.engine)
        check_arithmetic(engine, order=self.order, precision=self.precision)
        for path in self.design.names:
            if path != SEED:
                network.get(path)
        for place, point in enumerate(self._corners()):
            try:
                built = point.apply(network)
            except UnknownNameError:
                raise
            except SpecError as error:
                raise at_point(error, point) from error
            if place == 0:
                check_capabilities(engine, built)
                run_length(built, self._duration_text(), self.seed_at(point))

    def _corners(self) -> Iterator[Point]:
        """Points in which every value of every field occurs, the first hundred of them."""
        count = 0
        size = len(self.design)
        lengths = [len(block.rows) for block in self.design.blocks]
        if self.design.kept is not None:
            step = max(1, size // CHECKED)
            yield from (self.design[index] for index in range(0, size, step))
            return
        yield self.design[0]
        for place, length in enumerate(lengths):
            stride = math.prod(lengths[place + 1 :])
            for row in range(1, length):
                if count == CHECKED:
                    return
                count += 1
                yield self.design[row * stride]

    def _duration_text(self) -> str | None:
        return None if self.duration is None else f"{self.duration!r} s"

    def __repr__(self) -> str:
        measure = "" if self.measure is None else f"; measure {name_of(self.measure)}"
        return f"<Study {self.name!r}, {len(self.design)} points: {self.design.varied()}{measure}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self)[1:-1])}</p>{self.design._repr_html_()}"


def study_from_description(table: Mapping[str, Any]) -> Study:
    """Make a study again from what a store keeps of it.

    Parameters
    ----------
    table : mapping
        As `Study.describe` gave it.

    Returns
    -------
    Study

    Raises
    ------
    SpecError
        If a function cannot be imported, such as one of a notebook; the way out is to run the script again.
    FileFormatError
        If it is no description of a study.

    Examples
    --------
    >>> import arcuate as arc
    >>> study = arc.Study(arc.load_model("what_when_reservoir"), {"seed": range(3)})
    >>> study_from_description(study.describe()).keys() == study.keys()
    True
    """
    try:
        if table["format"] != FORMAT:
            raise FileFormatError.of(
                where="Study", name="format", value=table["format"], bound=f"must be {FORMAT}"
            )
        target, measure, options = table["target"], table["measure"], dict(table["options"])
        if target["kind"] == "network":
            spec: Any = Network.from_dict(target["spec"])
        else:
            spec = described_function(target, what="spec")
        if options["record"] is not None:
            options["record"] = Record.from_tree(options["record"], where="Study")
        if options["duration"] is not None:
            options["duration"] = f"{options['duration']!r} s"
        return Study(
            spec,
            Design.from_description(table["design"]),
            None if measure is None else described_function(measure, what="measure"),
            name=table["name"],
            defaults=table.get("run"),
            **options,
        )
    except ArcuateError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError.of(
            where="Study", name="description", bound=f"is not one that this package wrote ({error})"
        ) from error
