"""A small writer of kernel source, and the names that a plan's parts go by in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcuate.engines._orders import per_spike_readouts
from arcuate.engines._pending import pending_readouts
from arcuate.engines._precision import single_literals

if TYPE_CHECKING:
    from arcuate.engines.plan import Plan


class Source:
    """Lines of a function body with their indentation, and the arguments that they use."""

    def __init__(self, precision: str = "float64") -> None:
        self._single = precision == "float32"
        self._lines: list[str] = []
        self._depth = 1
        self._used: dict[str, None] = {}

    def line(self, text: str) -> None:
        """Append one line at the present depth."""
        self._lines.append("    " * self._depth + (single_literals(text) if self._single else text))

    def scalar(self, text: str) -> str:
        """Text of a number read from a table in double precision, in the precision of the neurons."""
        return f"np.float32({text})" if self._single else text

    @contextmanager
    def block(self) -> Iterator[None]:
        """Indent what is written inside."""
        self._depth += 1
        yield
        self._depth -= 1

    @contextmanager
    def loop(self, index: str, size: str) -> Iterator[None]:
        """Write a loop whose rounds are independent of one another, and indent what is written inside."""
        self.line(f"for {index} in range({self.rounds(size)}):")
        with self.block():
            yield

    def rounds(self, size: str) -> str:
        """Range of the rounds that this thread takes of an independent loop."""
        return size

    def use(self, *arguments: str) -> None:
        """Note names that the kernel must be given."""
        self._used.update(dict.fromkeys(arguments))

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names used so far, in a fixed order."""
        return tuple(sorted(self._used))

    def text(self) -> str:
        """The whole function."""
        head = f"def kernel(n0, n1, {', '.join(self.arguments)}):"
        return "\n".join([head, *self._lines]) + "\n"


@dataclass(frozen=True, kw_only=True)
class Names:
    """Short identifiers for the parts of a plan, by kind, and which read-outs are kept per spike.

    Attributes
    ----------
    per_spike : tuple of str
        Read-outs of the plan that the fast order keeps up to date at spikes alone.
    lazy : tuple of str
        Feature banks that only those read, so that their traces decay by one common factor.
    pending : tuple of str
        Read-outs whose least squares keeps half a matrix and writes it every few updates.
    """

    population: Mapping[str, str]
    current: Mapping[str, str]
    projection: Mapping[str, str]
    input: Mapping[str, str]
    feature: Mapping[str, str]
    readout: Mapping[str, str]
    modulator: Mapping[str, str]
    per_spike: tuple[str, ...] = ()
    lazy: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan, order: str = "strict") -> Names:
        """Number the parts in the order of the plan."""

        def numbered(letter: str, parts: Mapping[str, object]) -> dict[str, str]:
            return {name: f"{letter}{k}" for k, name in enumerate(parts)}

        per_spike = per_spike_readouts(plan, order)
        lazy = {name: None for readout in per_spike for name in plan.readouts[readout].features}
        return cls(
            population=numbered("p", plan.populations),
            current=numbered("c", plan.currents),
            projection=numbered("j", plan.projections),
            input=numbered("x", plan.inputs),
            feature=numbered("f", plan.features),
            readout=numbered("o", plan.readouts),
            modulator=numbered("m", plan.modulators),
            per_spike=per_spike,
            lazy=tuple(lazy),
            pending=pending_readouts(plan, order),
        )

    def source(self, name: str) -> str:
        """Identifier of a spike source: a population or a spike input."""
        return self.population[name] if name in self.population else self.input[name]

    def any(self, site: str) -> str:
        """Identifier of a recorded site: a population, a synaptic current or a feature bank."""
        for table in (self.population, self.current, self.feature):
            if site in table:
                return table[site]
        raise KeyError(site)
