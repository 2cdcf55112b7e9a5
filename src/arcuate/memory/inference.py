"""A PMI memory to be used: parameters and inputs checked by name, states that begin and go on, recordings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._inputs import check_bytes
from arcuate.errors import NonFiniteError, SpecError, check_choice, check_int
from arcuate.memory.pmi import Attention, PMIConfig, PMIState, PMIStep, pmi_step
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    from arcuate.recording import Recording

__all__ = [
    "PMIMemory",
    "check_state",
    "draw_parameters",
    "initial_state",
    "parameter_shapes",
    "record_steps",
]

PRECISIONS = ("float64", "float32")

_PROJECTIONS = tuple(
    f"{name}.weight"
    for name in ("input_projector", "query_proj", "key_proj", "value_proj", "output_projector")
)

_NORMS = ("attended_memory_layernorm", "attended_memory_layernorm2")


class PMIMemory:
    """A working memory and a long-term memory with their parameters.

    Parameters
    ----------
    config : PMIConfig
    parameters : mapping of str to array, or None
        By the official names, see `parameter_shapes`; None draws them.
    seed : int
        Address of the draws: ``pmi/<name>``.
    precision : {"float64", "float32"}

    Raises
    ------
    SpecError
        If a parameter is missing or has another shape.
    NonFiniteError
        If a parameter is not finite.

    Examples
    --------
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5), seed=1)
    >>> steps = memory.run(np.ones((3, 2, 4, 8)))
    >>> len(steps), steps[-1].understanding.shape
    (3, (2, 4, 8))
    """

    def __init__(
        self,
        config: PMIConfig,
        parameters: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        precision: str = "float64",
    ) -> None:
        if not isinstance(config, PMIConfig):
            raise SpecError.of(where="PMIMemory", name="config", value=config, bound="must be a PMIConfig")
        self.config = config
        self.precision = check_choice(precision, PRECISIONS, where="PMIMemory", name="precision")
        given = draw_parameters(config, seed=seed) if parameters is None else parameters
        self.parameters = _checked(given, config, precision)

    def __repr__(self) -> str:
        n = sum(value.size for value in self.parameters.values())
        return f"PMIMemory({self.config.ltm_rule}, {self.config.integration}, {n} parameters)"

    def initial_state(self, batch: int, *, seed: int = 0) -> PMIState:
        """Begin: the working memory is an identity, padded with zeros; what is kept for long is empty.

        The official rule begins with numbers drawn evenly from [0, 1).

        Parameters
        ----------
        batch : int
        seed : int
            Address of the draws of the official rule: ``pmi/long_term_memory``.

        Returns
        -------
        PMIState

        Examples
        --------
        >>> memory = PMIMemory(PMIConfig(d_model=4, n_heads=2, n_slots=2, top_k=1, ltm_rule="none"))
        >>> memory.initial_state(1).working_memory
        array([[[1., 0., 0., 0.],
                [0., 1., 0., 0.]]])
        """
        return initial_state(self.config, batch, seed=seed, precision=self.precision)

    def step(self, tokens: Any, state: PMIState) -> PMIStep:
        """Take in tokens of a batch, and say what is understood.

        Parameters
        ----------
        tokens : array_like, (B, T, d_input)
        state : PMIState

        Returns
        -------
        PMIStep

        Raises
        ------
        SpecError
            If tokens or state do not fit the configuration.
        NonFiniteError
            If tokens are not finite, or what comes of them.

        Examples
        --------
        >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5), seed=1)
        >>> step = memory.step(np.ones((1, 3, 8)), memory.initial_state(1))
        >>> step.state.step, step.write.probabilities.shape
        (1, (1, 2, 5, 3))
        """
        x = self._tokens(tokens)
        check_state(state, self.config, len(x), where=repr(self), kind=np.ndarray)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is named below
            step = pmi_step(x, state, self.parameters, config=self.config)
        found = (step.understanding, step.state.working_memory, step.state.long_term_memory)
        if not all(part is None or np.isfinite(part).all() for part in found):
            bound = f"is not finite after step {step.state.step}"
            raise NonFiniteError.of(where=repr(self), name="activity", bound=bound, fix="scale the tokens")
        return step

    def run(self, chunks: Any, state: PMIState | None = None, *, seed: int = 0) -> list[PMIStep]:
        """Take in several chunks of tokens, one a step; the memories go on from one to the next.

        Parameters
        ----------
        chunks : array_like, (steps, B, T, d_input), or sequence of (B, T, d_input)
        state : PMIState or None
            Where to go on; None begins.
        seed : int
            As for `initial_state`.

        Returns
        -------
        list of PMIStep

        Examples
        --------
        >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5, ltm_rule="ring"), seed=1)
        >>> chunks = np.ones((4, 1, 3, 8))
        >>> first = memory.run(chunks[:2])
        >>> memory.run(chunks[2:], first[-1].state)[-1].state.step
        4
        """
        parts = [self._tokens(chunk) for chunk in chunks]
        if not parts:
            raise SpecError.of(where=repr(self), name="chunks", bound="must be at least one")
        state = self.initial_state(len(parts[0]), seed=seed) if state is None else state
        steps = []
        for part in parts:
            steps.append(self.step(part, state))
            state = steps[-1].state
        return steps

    def _tokens(self, tokens: Any) -> np.ndarray:
        try:
            x = np.asarray(tokens)
        except (TypeError, ValueError, RuntimeError) as error:
            raise SpecError.of(where=repr(self), name="tokens", bound="are no array") from error
        width = self.config.d_input or self.config.d_model
        if x.dtype.kind not in "fiu" or x.ndim != 3 or x.shape[2] != width or not x.size:
            bound = f"must be real numbers of shape (batch, tokens, {width}), none of them 0; it is {x.shape}"
            raise SpecError.of(where=repr(self), name="tokens", bound=bound)
        if not np.isfinite(x).all():
            raise NonFiniteError.of(where=repr(self), name="tokens", bound="must be finite")
        return x.astype(self.precision, copy=False)


def initial_state(config: PMIConfig, batch: int, *, seed: int = 0, precision: str = "float64") -> PMIState:
    """Begin, as `PMIMemory.initial_state` says.

    Parameters
    ----------
    config : PMIConfig
    batch : int
    seed : int
    precision : {"float64", "float32"}

    Returns
    -------
    PMIState
    """
    check_int(batch, where="PMIMemory", name="batch")
    long_shape = config.ltm_shape(batch) or (0,)
    need = 16 * (batch * config.n_slots * config.d_model + math.prod(long_shape))
    check_bytes(need, where="PMIMemory", fix="use a smaller batch")
    identity = np.eye(config.n_slots, config.d_model, dtype=precision)
    shape, long = config.ltm_shape(batch), None
    if shape is not None:
        long = np.zeros(shape, precision)
    if config.ltm_rule == "official" and shape is not None:
        drawn = stream(check_seed(seed), "pmi/long_term_memory").random(shape)
        long = drawn.astype(precision)
    return PMIState(working_memory=np.repeat(identity[None], batch, axis=0), long_term_memory=long)


def check_state(state: object, config: PMIConfig, batch: int, *, where: str, kind: Any) -> None:
    """Refuse a state that is not one of a configuration and a batch.

    Parameters
    ----------
    state : object
    config : PMIConfig
    batch : int
    where : str
    kind : type
        Of the arrays.

    Raises
    ------
    SpecError
        The first memory that does not fit is named.
    """
    if not isinstance(state, PMIState):
        fix = "begin with initial_state(batch)"
        raise SpecError.of(where=where, name="state", value=state, bound="must be a state", fix=fix)
    check_int(state.step, where=where, name="state.step", low=0)
    expected = {
        "working_memory": (batch, config.n_slots, config.d_model),
        "long_term_memory": config.ltm_shape(batch),
    }
    for name, shape in expected.items():
        found: Any = getattr(state, name)
        if found is not None and not isinstance(found, kind):
            bound = f"must be a {kind.__name__}, not {type(found).__name__}"
            fix = "begin with initial_state(batch)"
            raise SpecError.of(where=where, name=f"state.{name}", bound=bound, fix=fix)
        if (None if found is None else tuple(found.shape)) != shape:
            bound = f"must have shape {shape}, as this configuration has with a batch of {batch}"
            raise SpecError.of(where=where, name=f"state.{name}", value=found, bound=bound)


def parameter_shapes(config: PMIConfig) -> dict[str, tuple[int, ...]]:
    """Say which parameters a memory has, and their shapes.

    Parameters
    ----------
    config : PMIConfig

    Returns
    -------
    dict of str to tuple of int

    Examples
    --------
    >>> parameter_shapes(PMIConfig(d_model=8, n_heads=2))["key_proj.weight"]
    (64, 8)
    """
    d, n, e, h = config.d_model, config.n_slots, config.key_width, config.n_heads
    shapes: dict[str, tuple[int, ...]] = {}
    layers = range(1 if config.mlp_shared else config.mlp_layers)
    maps = {"input_projector": (d, config.d_input or d)} if config.input_projection else {}
    maps["value_proj"] = (d, d)
    if config.output_projection:
        maps["output_projector"] = (d, d)
    maps |= dict.fromkeys(("query_proj", "key_proj"), (h * config.d_key, d))
    maps |= {f"attention_mlp.{layer}": (d, d) for layer in layers}
    if config.gate != "none":
        both = 2 * d if config.gate == "unit" else 2
        maps["input_gate_projector.linear"] = (both, d)
        shapes["input_gate_projector.w"] = (d,)
        shapes |= {"memory_gate_projector.weight": (n, d, both), "memory_gate_projector.bias": (n, both)}
        shapes |= {"input_bias": (), "forget_bias": ()}
    if config.ltm_rule in ("hebb", "delta"):
        maps["ltm_rate"] = (1, d)
        shapes |= dict.fromkeys(("ltm_key.weight", "ltm_query.weight"), (config.n_segments, e, d))
        shapes |= {"ltm_value.weight": (d, d), "ltm_out.weight": (d, config.n_segments * d)}
    if config.ltm_rule == "stm":
        shapes |= {"stm_query.weight": (e, d), "stm_key.weight": (e, d), "stm_value.weight": (d, d)}
        shapes |= {
            "stm_slots.weight": (h * n, d),
            "stm_read.weight": (h * e, d),
            "stm_out.weight": (d, h * d),
        }
        shapes["stm_rate"] = ()
    for name, (rows, columns) in maps.items():
        shapes |= {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
    norms = (*_NORMS, "attended_memory_layernorm3") if config.ltm_rule == "official" else _NORMS
    return shapes | {f"{name}.{part}": (d,) for name in norms for part in ("weight", "bias")}


def draw_parameters(config: PMIConfig, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw parameters as the official code does.

    Linear maps evenly within ``1 / sqrt(inputs)`` (projections as `PMIConfig.initialization` says), the
    memory's gates within ``1 / sqrt(outputs)``, the input gate's factors from a normal law; norms are the
    identity, the forget bias is 1, the rate of relations 1.

    Parameters
    ----------
    config : PMIConfig
    seed : int
        Address of the draws: ``pmi/<name>``.

    Returns
    -------
    dict of str to ndarray

    Examples
    --------
    >>> float(draw_parameters(PMIConfig(d_model=8, n_heads=2))["forget_bias"])
    1.0
    """
    shapes, drawn = parameter_shapes(config), {}
    need = 16 * sum(math.prod(shape) for shape in shapes.values())
    check_bytes(need, where="PMIMemory", fix="use smaller widths or fewer slots")
    for name, shape in shapes.items():
        rng = stream(check_seed(seed), f"pmi/{name}")
        if "layernorm" in name:
            drawn[name] = np.full(shape, float(name.endswith("weight")))
        elif not shape:
            drawn[name] = np.array(float(name != "input_bias"))
        elif config.initialization == "unit" and name in ("ltm_out.weight", "stm_out.weight"):
            drawn[name] = np.zeros(shape)
        elif name == "input_gate_projector.w":
            drawn[name] = rng.standard_normal(shape)
        else:
            inputs = shapes[name.replace(".bias", ".weight")][-1]  # for the memory's gates: outputs, as there
            wide = config.initialization == "unit" and name in _PROJECTIONS
            drawn[name] = rng.uniform(-1, 1, shape) / math.sqrt(inputs / (3 if wide else 1))
    return drawn


def _checked(parameters: Any, config: PMIConfig, precision: str) -> dict[str, np.ndarray]:
    """Take the parameters in one precision; the first that is missing, misshapen or not finite is named."""
    where = "PMIMemory parameters"
    if not isinstance(parameters, Mapping):
        bound = f"must be a mapping of names to arrays, not {type(parameters).__name__}"
        raise SpecError.of(where="PMIMemory", name="parameters", bound=bound)
    checked = {}
    for name, shape in parameter_shapes(config).items():
        if name not in parameters:
            fix = "give those below relational_memory., without that prefix"
            raise SpecError.of(where=where, name=name, bound="is missing", fix=fix)
        try:
            value = np.asarray(parameters[name])
        except (TypeError, ValueError, RuntimeError) as error:  # a tensor with a gradient, or elsewhere
            fix = "take the state dict, on the CPU"
            raise SpecError.of(where=where, name=name, bound="is no array", fix=fix) from error
        if value.dtype.kind not in "fiu":
            raise SpecError.of(where=where, name=name, bound=f"must be real numbers, not {value.dtype}")
        if value.shape != shape and not (shape == () and value.shape == (1,)):
            bound = f"has shape {value.shape}; {shape} fits the configuration"
            raise SpecError.of(where=where, name=name, bound=bound)
        if not np.isfinite(value).all():
            raise NonFiniteError.of(where=where, name=name, bound="must be finite")
        checked[name] = value.astype(precision)
    return checked


def record_steps(steps: Sequence[PMIStep], *, axis: str = "tick", source: str = "numpy") -> Recording:
    """Arrange what steps did as a Recording: memories, gates, attention and reads by name.

    Parameters
    ----------
    steps : sequence of PMIStep
        All with the same numbers of trials and tokens; of NumPy arrays or detached tensors.
    axis : {"tick", "layer"}
        What a step is: a chunk of an episode, or a layer of a network.
    source : str
        What made them.

    Returns
    -------
    Recording
        Sites ``pmi/working_memory``, ``pmi/gates`` (units are slots and features), ``pmi/long_term_memory``,
        ``pmi/write``, ``pmi/working_read``, ``pmi/long_read``, ``pmi/correction`` (probability and mask;
        units are heads, queries and rows), and ``pmi/understanding`` (tokens and features; with the reads).

    Raises
    ------
    SpecError
        If there is no step, or their shapes differ.

    Examples
    --------
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5), seed=1)
    >>> recording = record_steps(memory.run(np.ones((3, 2, 4, 8))))
    >>> recording.states("pmi/working_memory")["M_w"].shape
    (2, 3, 40)
    """
    from arcuate.recording import Recording

    check_choice(axis, ("tick", "layer"), where="record_steps", name="axis")
    if not steps or len({step.understanding.shape for step in steps}) > 1:
        bound = "must be at least one, all with the same trials and tokens"
        raise SpecError.of(where="record_steps", name="steps", value=len(steps), bound=bound)
    sites: dict[str, tuple[dict[str, list[Any]], tuple[str, ...]]] = {
        "working_memory": (
            {"M_w": [s.state.working_memory for s in steps], "candidate": [s.candidate for s in steps]},
            ("slot", "feature"),
        ),
        "gates": (
            {"input": [s.input_gate for s in steps], "forget": [s.forget_gate for s in steps]},
            ("slot", "feature"),
        ),
        "long_term_memory": (
            {"M_l": [s.state.long_term_memory for s in steps]},
            ("segment", "row", "feature"),
        ),
        "understanding": (
            {
                "U": [s.understanding for s in steps],
                "U_w": [s.working_read.read for s in steps],
                "U_l": [s.long_read for s in steps],
                "U_wl": [None if s.correction is None else s.correction.read for s in steps],
            },
            ("token", "feature"),
        ),
    }
    for name, field in {"write": "write", "working_read": "working_read"}.items():
        sites[name] = _attention([getattr(s, field) for s in steps])
    sites["long_read"] = _attention([s.long_attention for s in steps])
    sites["correction"] = _attention([s.correction for s in steps])
    states = {}
    for name, (quantities, units) in sites.items():
        tables = {
            key: _table(parts, units, axis) for key, parts in quantities.items() if parts[0] is not None
        }
        if tables:
            states[f"pmi/{name}"] = tables
    return Recording.build(source=source, states=states)


def _attention(parts: Sequence[Attention | None]) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    probabilities = [None if part is None else part.probabilities for part in parts]
    kept = [None if part is None or part.mask is None else part.mask for part in parts]
    return {"probability": probabilities, "mask": kept}, ("head", "query", "row")


def _table(parts: list[Any], units: tuple[str, ...], axis: str) -> tuple[Any, ...]:
    """One quantity of all steps: trials, steps, and what is left in one axis, with coordinates for it.

    Rows that only some steps have (a ring that fills) are not a number in the others.
    """
    arrays = [np.asarray(part.detach().cpu() if hasattr(part, "detach") else part) for part in parts]
    shape = tuple(max(sizes) for sizes in zip(*(array.shape for array in arrays), strict=True))
    if any(array.shape != shape for array in arrays):
        padded = [np.full(shape, np.nan, array.dtype) for array in arrays]
        for whole, array in zip(padded, arrays, strict=True):
            whole[tuple(map(slice, array.shape))] = array
        arrays = padded
    data = np.stack(arrays, axis=1)
    index = np.unravel_index(np.arange(math.prod(shape[1:])), shape[1:])
    coords: dict[str, Any] = {axis: np.arange(1, len(arrays) + 1)}
    coords |= {name: ("unit", part) for name, part in zip(units[-len(index) :], index, strict=True)}
    return data.reshape(*data.shape[:2], -1), ("trial", axis, "unit"), coords, "1"
