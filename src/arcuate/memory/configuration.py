"""What a PMI memory is: its sizes and rules, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arcuate.errors import SpecError, check_choice, check_int, check_real

__all__ = ["GATES", "INITIALIZATIONS", "INTEGRATIONS", "LTM_RULES", "PMIConfig"]

LTM_RULES = ("official", "ring", "hebb", "delta", "stm", "none")
"""Ways to keep candidates for long."""

INTEGRATIONS = ("correction", "direct", "residual")
"""Ways to join what both memories say."""

LTM_SOURCES, LTM_FEATURES = ("slots", "tokens"), ("linear", "softmax")
"""Rows that fast weights store, and what their keys are made by."""

GATES = ("unit", "memory", "none")
"""One gate for each element, for each slot, or none."""

INITIALIZATIONS = ("official", "unit")
"""Start values of projections as in the official code, or such that the variance stays."""

_OFFICIAL: dict[str, dict[str, Any]] = {
    "sort_of_clevr": {"d_model": 256, "n_heads": 4, "alpha": 0.7},
    "babi": {"d_model": 256, "n_heads": 8, "alpha": 0.7, "integration": "direct"},
    "triangles": {"d_model": 128, "n_heads": 4, "alpha": 0.55},
    "cifar10": {"d_model": 256, "n_heads": 4, "alpha": 0.55},
}


@dataclass(frozen=True, kw_only=True)
class PMIConfig:
    """What a PMI memory is.

    Parameters
    ----------
    d_model : int
        D, a multiple of ``n_heads``.
    n_slots, n_segments : int
        N = 8 and C = 5 (official code).
    n_heads, d_key : int
        H, and the width of a key for each (32, official code).
    top_k : int or None
        How many tokens a slot may read at a write, and, in the official rule, how many slots a token may read
        (5, official code); None masks nothing.
    alpha : float
        Share of the working memory's read in what comes out (0.7, official code); 0 leaves it out.
    ltm_rule : {"delta", "hebb", "ring", "stm", "official", "none"}
        Long-term memory: fast weights by the delta rule or without its correction; the last C candidates;
        products of slots with slots; the official code's; none, which is a shared workspace.
    integration : {"residual", "correction", "direct"}
        What is done with the long-term read U_l, given the working read U_w: ``U_l + attend(U_l, U_w)``,
        ``attend(U_l, U_w)`` as published, or U_l itself.
    scale_scores : bool
        Whether scores are divided by sqrt(d_key); the official code does not.
    mlp_layers, mlp_shared : int, bool
        Layers of the write's network (4), and whether all are the first one, as in the official code.
    gate : {"unit", "memory", "none"}
    n_blocks : int
        How often tokens compete in a write (1).
    d_input, d_ltm : int or None
        Width of a token (D if None) and of a long-term key, E (``d_key`` if None).
    ltm_source : {"slots", "tokens"}
        Whose rows fast weights store: the slots' candidates, as published, or the tokens themselves. A slot
        mixes the tokens that it reads, and no slot need read a token; what was not bound one by one cannot be
        asked for one by one.
    ltm_features : {"linear", "softmax"}
        Of the keys of fast weights. Linear keys span no more than D dimensions, which keys and values share;
        a softmax over E numbers gives each symbol cells of its own, so that keys hardly overlap (expansion
        and competition: Willshaw, Buneman and Longuet-Higgins 1969; feature maps: Schlag, Irie and
        Schmidhuber 2021, arXiv 2102.11174).
    read_tokens : bool
        Whether tokens read each other beside the slots, as more keys and values of the same reading. In the
        official code they see each other through the slots alone.
    input_projection : bool
        Whether an affine map stands before the projections, as in the official code. Behind a layer whose
        tokens come in as wide as they are needed it adds nothing that the projections could not do, and a
        product of two maps learns far more slowly than one: with it, a plain transformer does not learn
        Sort-of-CLEVR either (``models/pmi_sort_of_clevr``).
    output_projection : bool
        Whether an affine map joins the heads of what comes out; the official code has none.
    initialization : {"official", "unit"}
        Start values of the projections: even within ``1 / sqrt(inputs)``, which divides the variance by three
        in each of two maps in a row, so that first weights of attention are nearly equal; or within
        ``sqrt(3 / inputs)``, which keeps it; fast weights and relations then begin silent, with ``ltm_out``
        and ``stm_out`` 0.

    Raises
    ------
    SpecError
        If a value is out of bounds or two do not fit each other.

    Examples
    --------
    >>> PMIConfig(d_model=32, n_heads=4, ltm_rule="ring").ltm_shape(2)
    (2, 5, 8, 32)
    """

    d_model: int
    n_slots: int = 8
    n_segments: int = 5
    n_heads: int = 4
    d_key: int = 32
    top_k: int | None = 5
    alpha: float = 0.7
    ltm_rule: str = "delta"
    integration: str = "residual"
    scale_scores: bool = True
    mlp_layers: int = 4
    mlp_shared: bool = True
    gate: str = "unit"
    n_blocks: int = 1
    d_input: int | None = None
    d_ltm: int | None = None
    ltm_source: str = "slots"
    ltm_features: str = "linear"
    read_tokens: bool = False
    input_projection: bool = True
    output_projection: bool = False
    initialization: str = "official"

    def __post_init__(self) -> None:
        for name in ("d_model", "n_slots", "n_segments", "n_heads", "d_key", "mlp_layers", "n_blocks"):
            check_int(getattr(self, name), where="PMIConfig", name=name)
        for name in ("top_k", "d_input", "d_ltm"):
            if getattr(self, name) is not None:
                check_int(getattr(self, name), where="PMIConfig", name=name)
        check_real(self.alpha, where="PMIConfig", name="alpha", low=0, high=1)
        check_choice(self.ltm_rule, LTM_RULES, where="PMIConfig", name="ltm_rule")
        check_choice(self.integration, INTEGRATIONS, where="PMIConfig", name="integration")
        check_choice(self.gate, GATES, where="PMIConfig", name="gate")
        for name, choices in (("ltm_source", LTM_SOURCES), ("ltm_features", LTM_FEATURES)):
            value = check_choice(getattr(self, name), choices, where="PMIConfig", name=name)
            if value != choices[0] and self.ltm_rule not in ("hebb", "delta"):
                bound = f"must be {choices[0]!r} with ltm_rule={self.ltm_rule!r}"
                fix = 'use ltm_rule="delta" or "hebb"'
                raise SpecError.of(where="PMIConfig", name=name, value=value, bound=bound, fix=fix)
        check_choice(self.initialization, INITIALIZATIONS, where="PMIConfig", name="initialization")
        for name in ("scale_scores", "mlp_shared", "read_tokens", "input_projection", "output_projection"):
            if not isinstance(getattr(self, name), bool):
                value = getattr(self, name)
                raise SpecError.of(where="PMIConfig", name=name, value=value, bound="must be True or False")
        if self.d_model % self.n_heads:
            bound = f"must be a multiple of n_heads = {self.n_heads}"
            raise SpecError.of(where="PMIConfig", name="d_model", value=self.d_model, bound=bound)
        if not self.input_projection and self.d_input not in (None, self.d_model):
            bound = f"must be None or d_model = {self.d_model} without an input projection"
            raise SpecError.of(where="PMIConfig", name="d_input", value=self.d_input, bound=bound)
        if self.top_k is not None and self.top_k > self.n_slots and self.ltm_rule != "official":
            bound = f"must be <= n_slots = {self.n_slots}"
            fix = "use top_k=None to mask nothing"
            raise SpecError.of(where="PMIConfig", name="top_k", value=self.top_k, bound=bound, fix=fix)

    @classmethod
    def official(cls, task: str, **changes: Any) -> PMIConfig:
        """Take the settings of the official code for a task.

        Parameters
        ----------
        task : {"sort_of_clevr", "babi", "triangles", "cifar10"}
        **changes : object
            Fields that differ.

        Returns
        -------
        PMIConfig

        Examples
        --------
        >>> PMIConfig.official("triangles").alpha
        0.55
        """
        check_choice(task, tuple(_OFFICIAL), where="PMIConfig.official", name="task")
        base: dict[str, Any] = {"ltm_rule": "official", "integration": "correction", "scale_scores": False}
        return cls(**{**base, **_OFFICIAL[task], **changes})

    @property
    def key_width(self) -> int:
        """E, width of a long-term key."""
        return self.d_key if self.d_ltm is None else self.d_ltm

    def ltm_shape(self, batch: int) -> tuple[int, ...] | None:
        """Shape of the long-term memory of a batch.

        Parameters
        ----------
        batch : int

        Returns
        -------
        tuple of int or None
            None if there is no such memory.

        Examples
        --------
        >>> PMIConfig(d_model=8, n_heads=2, d_ltm=3).ltm_shape(1)
        (1, 5, 3, 8)
        """
        d = self.d_model
        return {
            "official": (batch, self.n_segments, self.n_slots, d),
            "ring": (batch, self.n_segments, self.n_slots, d),
            "hebb": (batch, self.n_segments, self.key_width, d),
            "delta": (batch, self.n_segments, self.key_width, d),
            "stm": (batch, self.n_slots, self.key_width, d),
            "none": None,
        }[self.ltm_rule]
