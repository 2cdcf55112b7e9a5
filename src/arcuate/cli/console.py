"""What a command shows: text, tables, progress and errors, on a terminal of any kind or none."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import IO, Any

import typer
from typer.core import TyperGroup

_SAY_EVERY = 10.0


class _Output:
    """Standard output or error that a reader may close: what cannot be delivered is dropped, nothing else."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def _stream(self) -> IO[str]:
        stream: IO[str] = getattr(sys, self._name)
        return stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, with a question mark for what the terminal's encoding lacks."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        with self._dropped_if_closed():
            self._stream.write(text.encode(encoding, errors="replace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        with self._dropped_if_closed():
            self._stream.flush()

    @contextlib.contextmanager
    def _dropped_if_closed(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def console(*, error: bool = False) -> Any:
    """Return a rich console on standard output or error.

    Parameters
    ----------
    error : bool, optional
        Standard error, for progress, warnings and errors.

    Returns
    -------
    rich.console.Console
        It wraps at the width of the terminal, and at 80 columns without one.

    Examples
    --------
    >>> console(error=True).file.writable()
    True
    """
    from rich.console import Console

    return Console(file=_Output("stderr" if error else "stdout"), highlight=False, emoji=False)  # type: ignore[arg-type]


def show_table(names: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "") -> None:
    """Print a table; text folds, nothing is cut.

    Parameters
    ----------
    names : sequence of str
        Head of every column.
    rows : sequence of sequences
        Cells; numbers with four significant digits.
    title : str, optional
        Line above the table.

    Examples
    --------
    >>> show_table(["rate"], [[1.5]])  # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
    rate ... 1.5
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left")
    for name in names:
        table.add_column(escape(name), overflow="fold")
    for row in rows:
        table.add_row(*(escape(f"{cell:.4g}" if isinstance(cell, float) else str(cell)) for cell in row))
    console().print(table)


def say(text: str, *, error: bool = False, style: str = "") -> None:
    """Print one line.

    Parameters
    ----------
    text : str
        Printed as it is; square brackets mean nothing.
    error : bool, optional
        To standard error.
    style : str, optional
        Color on a terminal that has any.

    Examples
    --------
    >>> say("[done]")
    [done]
    """
    console(error=error).print(text, markup=False, style=style or None, soft_wrap=True)


class Progress:
    """Progress with remaining time: a bar on a terminal, else a line every ten seconds.

    It is called as ``progress(done, total, label)``; until the first call, and with ``total`` zero, a bar
    only shows that something goes on. What it drew on a terminal is gone when it ends.

    Parameters
    ----------
    title : str
        What is going on.

    Examples
    --------
    >>> with Progress("counting") as progress:
    ...     progress(1, 2)
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Any = None
        self._task: Any = None
        self._start = self._said = time.monotonic()

    def __enter__(self) -> Progress:
        self._start = self._said = time.monotonic()
        screen = console(error=True)
        if screen.is_terminal:
            from rich import progress

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}", markup=False),
                progress.BarColumn(),
                progress.TaskProgressColumn(),
                progress.TimeElapsedColumn(),
                progress.TextColumn("left", style="dim"),
                progress.TimeRemainingColumn(),
                console=screen,
                transient=True,
            )
            self._task = self._bar.add_task(self._title, total=None)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: float, total: float = 1.0, label: str = "") -> None:
        """Say how far it is.

        Parameters
        ----------
        done, total : float
            In any unit.
        label : str, optional
            What is being done now; default the title.
        """
        text = label or self._title
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total or None, description=text)
            return
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY:
            self._said = now
            say(f"{text}: {self._remaining(done, total, now)}", error=True)

    def _remaining(self, done: float, total: float, now: float) -> str:
        """Return how far it is and how long it will take at the same pace."""
        if not 0 < done <= total:
            return f"{now - self._start:.0f} s so far"
        left = (now - self._start) * (total - done) / done
        return f"{100 * done / total:.0f} %, about {left:.0f} s left"


class Group(TyperGroup):
    """The commands, with errors as one clean message: exit 2 for a mistake, 130 for Ctrl-C."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept ``--debug`` before and after the command."""
        end = args.index("--") if "--" in args else len(args)
        if ctx.parent is None and "--debug" in args[:end]:
            args = ["--debug", *(word for word in args[:end] if word != "--debug"), *args[end:]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command and answer for its errors."""
        from arcuate.errors import ArcuateError

        if ctx.parent is not None:
            return super().invoke(ctx)
        debug = bool(ctx.params.get("debug"))
        try:
            with _plain_warnings():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            if debug:
                raise
            say("interrupted", error=True)
            raise typer.Exit(130) from None
        except (ArcuateError, OSError, MemoryError) as error:
            if debug:
                raise
            say(f"error: {error or type(error).__name__}", error=True, style="red")
            raise typer.Exit(2) from error


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show warnings of ours as one line each, without the place in the code."""
    import warnings

    from arcuate.errors import ArcuateWarning

    before = warnings.showwarning

    def show(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, ArcuateWarning):
            say(f"warning: {message}", error=True, style="yellow")
        else:
            before(message, category, *rest, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before
