"""What every estimator of this package shares: its parameters, as scikit-learn expects them."""

from __future__ import annotations

import inspect
from typing import Any, Self

from arcuate.errors import unknown

__all__ = ["Parameters"]


class Parameters:
    """Parameters and repr of an estimator; works with ``sklearn.base.clone`` and pipelines.

    Parameters are the keywords of ``__init__``, kept as they were given and checked in ``fit``.
    """

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters as they were given.

        Parameters
        ----------
        deep : bool
            Without effect: no parameter is an estimator.

        Returns
        -------
        dict of str to object
        """
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters; they are checked at the next ``fit``.

        Parameters
        ----------
        **params : object
            New values by name.

        Returns
        -------
        Parameters
            The estimator itself.

        Raises
        ------
        UnknownNameError
            If a name is not a parameter.
        """
        names = self._names()
        for name in params:
            if name not in names:
                raise unknown(type(self).__name__, name, names)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = (
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name].default)
        )
        return f"{type(self).__name__}({', '.join(changed)})"
