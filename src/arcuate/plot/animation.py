"""A thought as a film: neurons, attention and certainty, one picture for each tick."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import CapabilityError, SpecError, check_int
from arcuate.plot._axes import COLORS, states_of
from arcuate.plot.thought import attention_of

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation

FORMATS = (".gif", ".html")


def animate_thought(
    rec: Any,
    path: str | os.PathLike[str],
    *,
    trial: int = 0,
    fps: int = 4,
    progress: ProgressOption = None,
) -> Path:
    """Write a film of one trial: neurons as a field of squares, where it looks, and how sure it is.

    Parameters
    ----------
    rec : Recording
        Of a thought; ``ctm/post`` is needed, ``ctm/attention`` and ``ctm/certainty`` are shown if there.
    path : path
        File to write, ``.gif``, or ``.html`` for a page with buttons that needs nothing else. A file that
        exists is replaced.
    trial : int
        By position.
    fps : int
        Ticks per second.
    progress : bool, callable or None
        Progress bar.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    SpecError
        If the file has another suffix, its folder does not exist, or there is no such trial.
    CapabilityError
        If nothing is installed that writes this format.
    UnknownNameError
        If the recording is of no thought.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from arcuate.recording import Recording
    >>> z = (np.random.default_rng(0).normal(size=(2, 3, 9)), ("trial", "tick", "unit"))
    >>> rec = Recording.build(source="numpy", states={"ctm/post": {"z": z}})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     animate_thought(rec, folder + "/thought.gif").stat().st_size > 0
    True
    """
    where = "plot.animate_thought"
    target = _target(path, where)
    check_progress(progress, where=where, unit="ticks")
    if not hasattr(rec, "sites"):
        raise SpecError.of(where=where, name="rec", value=rec, bound="must be a Recording")
    rate = check_int(fps, where=where, name="fps", high=100)
    post = states_of(rec, "ctm/post", "z", where)
    which = check_int(trial, where=where, name="trial", low=0, high=post.shape[0] - 1)
    writer = _writer(rate, where) if target.suffix == ".gif" else None
    film = _film(rec, post, which, where)
    with progress_bar(progress, post.shape[1], title=where, unit="tick") as step:

        def drawn(done: int, total: int) -> None:
            if step is not None and done < total:
                step(1)

        if writer is not None:
            film.save(target, writer=writer, progress_callback=drawn)
        else:
            target.write_text(film.to_jshtml(fps=rate), encoding="utf-8")
    return target


def _target(path: Any, where: str) -> Path:
    if not isinstance(path, (str, os.PathLike)) or Path(path).suffix not in FORMATS:
        bound = f"must be the path of a file that ends in {' or '.join(FORMATS)}"
        raise SpecError.of(where=where, name="path", value=path, bound=bound)
    target = Path(path).expanduser()
    if not target.parent.is_dir():
        fix = "make the folder first"
        raise SpecError.of(
            where=where, name="path", value=str(target), bound="its folder does not exist", fix=fix
        )
    return target


def _writer(fps: int, where: str) -> Any:
    from matplotlib.animation import writers

    if not writers.is_available("pillow"):
        fix = 'install pillow, or write a page: path="thought.html"'
        raise CapabilityError.of(where=where, bound="nothing is installed that writes a GIF", fix=fix)
    return writers["pillow"](fps=fps)


def _film(rec: Any, post: Any, trial: int, where: str) -> FuncAnimation:
    from matplotlib.animation import FuncAnimation
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = ["post", *(name for name in ("attention", "certainty") if f"ctm/{name}" in rec.sites)]
    figure = Figure(figsize=(3.4 * len(panels), 3.2), layout="constrained", dpi=90)
    FigureCanvasAgg(figure)
    axes = dict(zip(panels, np.atleast_1d(figure.subplots(1, len(panels))), strict=True))
    z, ticks = np.asarray(post.values[trial], dtype=float), post["tick"].values
    side = int(np.ceil(np.sqrt(z.shape[1])))
    limit = float(np.percentile(np.abs(z), 98)) or 1.0  # else a few loud neurons hide the others
    field = axes["post"].imshow(_field(z[0], side), cmap="RdBu_r", vmin=-limit, vmax=limit)
    figure.colorbar(field, ax=axes["post"], shrink=0.8).set_label("post-activation")
    axes["post"].set(xticks=[], yticks=[], xlabel="neurons")
    if "attention" in panels:
        looked = attention_of(rec, trial, head=None, where=where)[0]
        bars = axes["attention"].bar(np.arange(looked.shape[1]), looked[0], color=COLORS[4])
        axes["attention"].set(xlabel="token", ylabel="attention", ylim=(0, float(looked.max()) * 1.05))
    if "certainty" in panels:
        sure = np.asarray(states_of(rec, "ctm/certainty", "certainty", where).values)[trial, :, 0]
        (line,) = axes["certainty"].plot([], [], color=COLORS[0], marker="o", markersize=3)
        axes["certainty"].set(xlabel="tick", ylabel="certainty", ylim=(-0.02, 1.02))
        axes["certainty"].set_xlim(ticks[0] - 0.5, ticks[-1] + 0.5)

    def draw(k: int) -> list[Any]:
        field.set_data(_field(z[k], side))
        axes["post"].set_title(f"tick {ticks[k]}", fontsize="medium")
        if "attention" in panels:
            for bar, height in zip(bars, looked[k], strict=True):
                bar.set_height(height)
        if "certainty" in panels:
            line.set_data(ticks[: k + 1], sure[: k + 1])
        return []

    return FuncAnimation(figure, draw, frames=len(z), init_func=list)


def _field(values: np.ndarray, side: int) -> np.ndarray:
    """Arrange neurons row by row in a square; NaN where none is left."""
    field = np.full(side * side, np.nan)
    field[: len(values)] = values
    return field.reshape(side, side)
