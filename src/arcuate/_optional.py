"""The only door to optional packages."""

from __future__ import annotations

import importlib
from types import ModuleType

from arcuate.errors import MissingExtraError

__all__ = ["require"]


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional package, or say which extra brings it.

    Parameters
    ----------
    module : str
        Name to import, such as ``"torch"`` or ``"dask.distributed"``.
    extra : str
        Extra of this package that installs it.
    purpose : str
        What needs it, as the subject of a sentence.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        If it is not installed or does not import.

    Examples
    --------
    >>> require("json", extra="io", purpose="reading tables").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name in (module, package)
        raise MissingExtraError.of(
            where=purpose,
            name=package,
            bound="is not installed" if missing else f"is installed but does not import ({error})",
            fix=f'install it with: pip install "arcuate[{extra}]"',
        ) from error
