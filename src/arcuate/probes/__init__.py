"""What happens inside any torch module, recorded and changed by plain hooks, and what can be read from it.

Probes of states take arrays, those of a reservoir as those of a transformer, and need no torch. The others
import it when they are first used; without it they raise `MissingExtraError`.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BindingFit",
    "Edit",
    "GrowthFit",
    "IntervalCode",
    "NestedLogit",
    "PairTable",
    "Question",
    "SetOverlap",
    "StepDictionary",
    "StrategyAccount",
    "TunedLens",
    "WordPredictor",
    "ablate",
    "activation_patching",
    "activation_ratio",
    "answer_sources",
    "attribution_patching",
    "binding_answers",
    "binding_mechanisms",
    "capture",
    "control_task",
    "crossing",
    "distance_profile",
    "double_dissociation",
    "find_voids",
    "fit_account",
    "fit_binding",
    "fit_growth",
    "head_scores",
    "induction_progress",
    "interval_code",
    "intervene",
    "label_margin",
    "largest_dose",
    "linear_probe",
    "locality_scores",
    "logit_attribution",
    "logit_difference",
    "logit_lens",
    "match_features",
    "online_code_length",
    "patch_bindings",
    "path_patching",
    "pattern_scores",
    "predict_account",
    "random_voids",
    "rank_components",
    "readout_lens",
    "regression_predictors",
    "relative_distance",
    "repeated_tokens",
    "set_overlap",
    "site_names",
    "skip_blocks",
    "skip_curve",
    "steer_curve",
    "steering_vector",
    "step_by_step",
    "step_dictionary",
    "strategy_gaps",
    "symmetrized_kl",
    "time_preference",
    "tuned_lens",
    "urn_predictors",
    "value_orientation",
]

_NAMES = {
    "Edit": "patch",
    "TunedLens": "lens",
    "ablate": "ablation",
    "activation_patching": "patching",
    "attribution_patching": "patching",
    "capture": "record",
    "head_scores": "heads",
    "intervene": "patch",
    "largest_dose": "dose",
    "logit_attribution": "logits",
    "logit_difference": "patching",
    "logit_lens": "lens",
    "patch_bindings": "binding",
    "path_patching": "paths",
    "rank_components": "ablation",
    "site_names": "sites",
    "skip_blocks": "skipping",
    "skip_curve": "skipping",
    "steer_curve": "dose",
    "tuned_lens": "lens",
}

_ARRAYS = {
    "BindingFit": "binding",
    "GrowthFit": "massive",
    "IntervalCode": "temporal",
    "NestedLogit": "in_context",
    "PairTable": "locality",
    "Question": "locality",
    "SetOverlap": "dissociation",
    "StepDictionary": "dictionary",
    "StrategyAccount": "predictors",
    "WordPredictor": "locality",
    "activation_ratio": "massive",
    "answer_sources": "binding",
    "binding_answers": "binding",
    "binding_mechanisms": "binding",
    "control_task": "linear",
    "crossing": "in_context",
    "distance_profile": "temporal",
    "double_dissociation": "dissociation",
    "find_voids": "voids",
    "fit_account": "predictors",
    "fit_binding": "binding",
    "fit_growth": "massive",
    "induction_progress": "in_context",
    "interval_code": "temporal",
    "label_margin": "in_context",
    "linear_probe": "linear",
    "locality_scores": "locality",
    "match_features": "dictionary",
    "online_code_length": "linear",
    "pattern_scores": "heads",
    "random_voids": "voids",
    "readout_lens": "readouts",
    "predict_account": "predictors",
    "regression_predictors": "predictors",
    "relative_distance": "predictors",
    "repeated_tokens": "heads",
    "set_overlap": "dissociation",
    "steering_vector": "steering",
    "step_by_step": "locality",
    "step_dictionary": "dictionary",
    "strategy_gaps": "predictors",
    "symmetrized_kl": "predictors",
    "time_preference": "temporal",
    "urn_predictors": "predictors",
    "value_orientation": "temporal",
}
"""Names whose modules need no torch."""


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use."""
    import importlib

    from arcuate._optional import require

    if name not in _NAMES and name not in _ARRAYS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _NAMES:
        require("torch", extra="torch", purpose=f"arcuate.probes.{name}")
    return getattr(importlib.import_module(f"{__name__}.{(_NAMES | _ARRAYS)[name]}"), name)
