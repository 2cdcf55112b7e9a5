"""The step contract once more, in plain NumPy and for the eye: what every engine is measured against.

Written from the contract (slots S0 to S7) and the mechanisms' programs; it shares no code with an engine.
It looks every spike up in a history of all spikes and adds every synapse one by one, so it is slow.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from arcuate._philox import standard_normals
from arcuate.engines.plan import Plan
from arcuate.mechanisms.expressions import Expression, Program
from arcuate.mechanisms.expressions import parse as parse_text
from arcuate.mechanisms.expressions import parse_program as parse_lines
from arcuate.spec import RLS, Delta

State = dict[str, dict[str, np.ndarray]]


@cache
def parse(text: str) -> Expression:
    """Parse an expression once."""
    return parse_text(text, where="reference")


@cache
def parse_program(text: str) -> Program:
    """Parse a program once."""
    return parse_lines(text, where="reference")


def ascending(products: np.ndarray) -> float:
    """Sum from the first to the last, one at a time."""
    return float(np.add.accumulate(products)[-1])


class Reference:
    """One plan, its state, and a step that follows the contract to the letter.

    Parameters
    ----------
    plan : Plan
        Without a task.
    swapped : str
        What to run in the wrong place: ``"synapses"`` before the neurons, ``"delivery"`` after the next
        update. Empty for the contract.
    """

    def __init__(self, plan: Plan, *, swapped: str = "") -> None:
        self.plan, self.swapped, self.n = plan, swapped, 0
        self.cells: State = {}
        self.programs: dict[str, tuple[Program, Any, Program]] = {}
        self.normals: dict[str, np.ndarray] = {}
        for name, cell in plan.populations.items():
            self.cells[name] = {key: np.full(cell.n, value) for key, value in cell.initial.items()}
            self.programs[name] = (
                parse_program(cell.model.updates[cell.method]),
                parse(cell.model.threshold),
                parse_program(cell.model.reset),
            )
            if cell.noise is not None:
                self.normals[name] = standard_normals(plan.seed, f"{name}/noise", 0, plan.n_steps, n=cell.n)
        size = {name: plan.populations[current.post].n for name, current in plan.currents.items()}
        self.currents: State = {
            name: {key: np.zeros(size[name]) for key in current.model.variables}
            for name, current in plan.currents.items()
        }
        self.features: State = {
            name: {key: np.zeros(bank.n) for key in bank.model.variables}
            for name, bank in plan.features.items()
        }
        self.weights = {name: np.array(readout.initial) for name, readout in plan.readouts.items()}
        self.z = {name: np.zeros(readout.n_outputs) for name, readout in plan.readouts.items()}
        self.p = {
            name: np.eye(readout.n_units) / readout.spec.rule.alpha
            for name, readout in plan.readouts.items()
            if isinstance(readout.spec.rule, RLS)
        }
        self.history: dict[str, list[np.ndarray]] = {
            name: []
            for name in [*plan.populations, *(n for n, x in plan.inputs.items() if x.kind == "spikes")]
        }
        self.rows = {name: self._rows(name) for name, j in plan.projections.items() if j.left is None}

    def _rows(self, name: str) -> dict[int, dict[int, tuple[np.ndarray, np.ndarray]]]:
        """Delay -> presynaptic neuron -> (targets in ascending order, weights)."""
        projection = self.plan.projections[name]
        pre, delay = projection.edges()
        table: dict[int, dict[int, tuple[np.ndarray, np.ndarray]]] = {}
        for d in np.unique(delay):
            for j in np.unique(pre[delay == d]):
                chosen = np.flatnonzero((delay == d) & (pre == j))
                chosen = chosen[np.argsort(projection.index[chosen], kind="stable")]
                table.setdefault(int(d), {})[int(j)] = projection.index[chosen], projection.weight[chosen]
        return table

    def run(self, n_steps: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Run and give (neuron, step) of the spikes of each population."""
        for _ in range(n_steps):
            self.step()
        return {
            name: (
                np.concatenate([np.flatnonzero(row) for row in self.history[name]]),
                np.repeat(np.arange(self.n), [np.count_nonzero(row) for row in self.history[name]]),
            )
            for name in self.plan.populations
        }

    def step(self) -> None:
        totals = {name: self._input(name) for name in self.cells}  # S0, S1, and the currents of n - 1
        if self.swapped == "synapses":
            self._decay()
            totals = {name: self._input(name) for name in self.cells}
        for name, sums in totals.items():  # S2
            self._assign(self.cells[name], self.programs[name][0], self._names(name) | sums)
        if self.swapped != "synapses":
            self._decay()
        fired = {  # S3
            name: np.broadcast_to(self.programs[name][1].evaluate(self._names(name)), cell.n)
            for name, cell in self.plan.populations.items()
        }
        for name, drive in self.plan.inputs.items():
            if drive.kind == "spikes":
                fired[name] = drive.values[self.n] != 0.0
        for name, flags in fired.items():
            self.history[name].append(np.array(flags))
        for name in self.plan.projections:  # S4
            self._deliver(name, self.n - (self.swapped == "delivery"))
        self._reset(fired)  # S5
        for name in self.plan.readouts:  # S6
            self._learn(name)
        self.n += 1

    def _names(self, name: str) -> dict[str, Any]:
        return {**self.plan.populations[name].values, **self.cells[name]}

    @staticmethod
    def _assign(state: dict[str, np.ndarray], program: Program, names: dict[str, Any]) -> None:
        found = program.evaluate(names)
        for key, value in state.items():
            if key in found:
                state[key] = np.array(np.broadcast_to(found[key], value.shape), dtype=float)

    def _input(self, name: str) -> dict[str, np.ndarray]:
        """Total input I, its exact part P for a leaky membrane, and the conductance G."""
        plan, cell = self.plan, self.plan.populations[name]
        total = np.full(cell.n, cell.bias)
        for drive in plan.inputs.values():
            if drive.kind == "current" and name in drive.weight:
                for channel, value in enumerate(drive.values[self.n]):
                    total = total + drive.weight[name][channel] * value
        for key, readout in plan.readouts.items():
            if name in readout.feedback:
                for k in range(readout.n_outputs):
                    total = total + readout.feedback[name][k] * self.z[key][k]
        if cell.noise is not None:
            total = total + cell.noise.scale * self.normals[name][self.n]
        sums = {"I": total, "P": np.zeros(cell.n), "G": np.zeros(cell.n)}
        for key, current in plan.currents.items():
            for target, text in current.outputs if current.post == name else ():
                names = {**current.values, **self.currents[key], "v": self.cells[name]["v"]}
                sums[target] = sums[target] + parse(text).evaluate(names)
        return sums

    def _decay(self) -> None:
        for table, plans in ((self.currents, self.plan.currents), (self.features, self.plan.features)):
            for key, state in table.items():
                part = plans[key]
                program = parse_program(part.model.updates[part.method])
                self._assign(state, program, {**part.values, **state})

    def _deliver(self, name: str, n: int) -> None:
        projection = self.plan.projections[name]
        history = self.history[projection.pre]
        if projection.left is not None:
            d = int(projection.delays[0])
            if n >= d and history[n - d].any():
                spikes = np.flatnonzero(history[n - d])
                latent = np.zeros(projection.left.shape[1])
                for j in spikes:
                    latent = latent + projection.right[j]
                weight = np.array([ascending(row * latent) for row in projection.left])
                self._jump(projection, np.arange(weight.size), weight)
            return
        rows = self.rows[name]
        for d in sorted(rows, reverse=True):
            if n >= d:
                for j in np.flatnonzero(history[n - d]):
                    if int(j) in rows[d]:
                        self._jump(projection, *rows[d][int(j)])

    def _jump(self, projection: Any, post: np.ndarray, weight: np.ndarray) -> None:
        current = self.plan.currents[projection.current]
        variable, amount = current.model.on_spike
        names = {key: value[post] if np.ndim(value) else value for key, value in current.values.items()}
        size = np.broadcast_to(parse(amount).evaluate({**names, "w": weight}), post.shape)
        if not variable.startswith("post."):
            np.add.at(self.currents[projection.current][variable], post, size)
            return
        cells = self.cells[projection.post]
        free = cells["ref"][post] <= 0.0 if "ref" in cells else np.ones(post.size, bool)
        np.add.at(cells[variable.removeprefix("post.")], post[free], size[free])

    def _reset(self, fired: dict[str, np.ndarray]) -> None:
        for name, state in self.cells.items():
            old = {key: value.copy() for key, value in state.items()}
            self._assign(state, self.programs[name][2], self._names(name))
            for key in state:
                state[key] = np.where(fired[name], state[key], old[key])
        for key, state in self.features.items():
            bank = self.plan.features[key]
            old = {name: value.copy() for name, value in state.items()}
            self._assign(state, parse_program(bank.model.on_spike), {**bank.values, **state})
            for name in state:
                state[name] = np.where(fired[bank.population], state[name], old[name])

    def _learn(self, name: str) -> None:
        readout = self.plan.readouts[name]
        sample = np.flatnonzero(readout.sample_steps == self.n)
        if not sample.size and not readout.feedback:
            return
        banks = [self.features[key][self.plan.features[key].model.output] for key in readout.features]
        x, weights = np.concatenate(banks), self.weights[name]
        self.z[name] = np.array([ascending(row * x) for row in weights])
        rule = readout.spec.rule
        if not sample.size or rule is None or not readout.gate[sample[0]]:
            return
        error = readout.target[sample[0]] - self.z[name]
        if isinstance(rule, Delta):
            norm = 1.0 if rule.normalization is None else rule.normalization + ascending(x * x)
            step = rule.learning_rate * readout.gate[sample[0]] / norm if norm else 0.0
            low = -np.inf if rule.w_min is None else rule.w_min
            high = np.inf if rule.w_max is None else rule.w_max
            # in this order: fed back for 10 000 steps, another rounding of one product moves spikes
            self.weights[name] = np.clip(weights + np.outer(step * error, x), low, high)
        elif isinstance(rule, RLS):
            k = self.p[name] @ x
            scale = rule.forgetting + x @ k
            gain = k / scale if rule.normalized else k
            self.weights[name] = weights + np.outer(error, gain)
            self.p[name] = (self.p[name] - np.outer(k, k) / scale) / rule.forgetting

    def state(self) -> dict[str, np.ndarray]:
        """Everything that moves, by the names that an engine uses."""
        table = {f"{a}/{b}": v for part in (self.cells, self.currents, self.features)
                 for a, row in part.items() for b, v in row.items()}  # fmt: skip
        table |= {f"{name}/weights": value for name, value in self.weights.items()}
        return table | {f"{name}/z": value for name, value in self.z.items()}
