"""The command line: ``arcuate run | reproduce | compare | verify | models | study | doctor | bench``."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; the entry point of the ``arcuate`` script.

    Examples
    --------
    >>> callable(main)
    True
    """
    try:
        from arcuate.cli.app import app

        app()
    except KeyboardInterrupt:  # before the commands themselves could answer it
        raise SystemExit(130) from None
