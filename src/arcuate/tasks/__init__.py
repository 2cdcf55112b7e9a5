"""Seeded tasks: one draw of trials gives a reservoir drive and teacher, and a recording its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from arcuate.errors import TaskError, unknown
from arcuate.tasks.associates import AssociateTrials, PairedAssociates
from arcuate.tasks.babi import BABI_KINDS, BABI_WORDS, Babi, BabiTrials, read_babi
from arcuate.tasks.bayes_net import BayesNet, LocalExperience, LocalTrials
from arcuate.tasks.bindings import BindingPairs, Bindings, BindingTrials
from arcuate.tasks.blocks import Block, Condition, Cue
from arcuate.tasks.conditioning import EXPERIMENTS, Conditioning, ConditioningTrials, Phase
from arcuate.tasks.delayed_match import DelayedNonMatch, StimulusTrials
from arcuate.tasks.digits import DigitQuestions, DigitTrials
from arcuate.tasks.evidence import EvidenceAccumulation, EvidenceTrials
from arcuate.tasks.forms import Drive, Tokens
from arcuate.tasks.interval_comparison import IntervalComparison, IntervalTrials
from arcuate.tasks.item_label import ItemLabel, ItemLabelTrials
from arcuate.tasks.maze import Maze, MazeTrials
from arcuate.tasks.nth_farthest import NthFarthest, NthFarthestTrials
from arcuate.tasks.occluded_ball import BallTrials, OccludedBall
from arcuate.tasks.pair_lists import PairLists, PairListTrials
from arcuate.tasks.parity import Parity, ParityTrials
from arcuate.tasks.sort import Sort, SortTrials
from arcuate.tasks.sort_of_clevr import (
    CLEVR_ANSWERS,
    CLEVR_COLORS,
    CLEVR_QUESTIONS,
    SortOfClevr,
    SortOfClevrTrials,
)
from arcuate.tasks.trials import Pulses, Trials
from arcuate.tasks.triangles import Triangles, TriangleTrials
from arcuate.tasks.two_hop import HopTrials, TwoHop
from arcuate.tasks.urns import Urns, UrnTrials
from arcuate.tasks.what_when import WhatWhen

__all__ = [
    "BABI_KINDS",
    "BABI_WORDS",
    "CLEVR_ANSWERS",
    "CLEVR_COLORS",
    "CLEVR_QUESTIONS",
    "EXPERIMENTS",
    "TASKS",
    "AssociateTrials",
    "Babi",
    "BabiTrials",
    "BallTrials",
    "BayesNet",
    "BindingPairs",
    "BindingTrials",
    "Bindings",
    "Block",
    "Condition",
    "Conditioning",
    "ConditioningTrials",
    "Cue",
    "DelayedNonMatch",
    "DigitQuestions",
    "DigitTrials",
    "Drive",
    "EvidenceAccumulation",
    "EvidenceTrials",
    "HopTrials",
    "IntervalComparison",
    "IntervalTrials",
    "ItemLabel",
    "ItemLabelTrials",
    "LocalExperience",
    "LocalTrials",
    "Maze",
    "MazeTrials",
    "NthFarthest",
    "NthFarthestTrials",
    "OccludedBall",
    "PairListTrials",
    "PairLists",
    "PairedAssociates",
    "Parity",
    "ParityTrials",
    "Phase",
    "Pulses",
    "Sort",
    "SortOfClevr",
    "SortOfClevrTrials",
    "SortTrials",
    "StimulusTrials",
    "Task",
    "Tokens",
    "Trials",
    "TriangleTrials",
    "Triangles",
    "TwoHop",
    "UrnTrials",
    "Urns",
    "WhatWhen",
    "build",
    "read_babi",
]


@runtime_checkable
class Task(Protocol):
    """What every task can do."""

    kind: str

    def trials(self, dt: float | str, seed: int) -> Trials:
        """Draw the trials on a grid of steps.

        Parameters
        ----------
        dt : float or str
            Step, s.
        seed : int
            Seed of the draws.

        Returns
        -------
        Trials
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and text that `build` reads.

        Returns
        -------
        dict
        """
        ...


TASKS: dict[str, type[WhatWhen]] = {"what_when": WhatWhen}


def build(table: Mapping[str, Any] | Task) -> Task:
    """Build a task from the table that stands in a model file.

    Parameters
    ----------
    table : mapping or Task
        With the key ``kind`` and the fields of that task; a task is handed back as it is.

    Returns
    -------
    Task

    Raises
    ------
    TaskError
        If the table has no ``kind``, or a value is out of bounds.
    UnknownNameError
        For an unknown kind or field; the message names the nearest.

    Examples
    --------
    >>> block = {"n_trials": 4, "latency": "400 ms", "probabilities": {"A": 0.8, "B": 0.2}}
    >>> build({"kind": "what_when", "blocks": [block]}).trials("1 ms", seed=3).n_trials
    4
    """
    if isinstance(table, Task):
        return table
    if not isinstance(table, Mapping):
        raise TaskError.of(where="tasks.build", name="table", value=table, bound="must be a table or a task")
    if "kind" not in table:
        raise TaskError.of(
            where="tasks.build", name="kind", value=None, bound=f"must be given, one of {sorted(TASKS)}"
        )
    kind = table["kind"]
    if not isinstance(kind, str) or kind not in TASKS:
        raise unknown("tasks.build", str(kind), sorted(TASKS), kind="task")
    return TASKS[kind].from_dict(table)
