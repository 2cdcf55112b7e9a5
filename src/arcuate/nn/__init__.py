"""Models that are trained by gradient, as torch modules, and the one loop that trains them.

torch is imported when one of the names is first used; without it they raise `MissingExtraError`.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "CNNPMI",
    "AgentStep",
    "CharacterLSTM",
    "ContinuousThoughtMachine",
    "EpisodeMemory",
    "LanguageModel",
    "PMIModule",
    "PMITransformer",
    "QuestionThoughtMachine",
    "SentenceEmbedding",
    "SeriesMemory",
    "SeriesThoughtMachine",
    "ThoughtAgent",
    "TinyTransformer",
    "WindowedThoughtMachine",
    "accuracy",
    "asked_loss",
    "capture",
    "ctc_loss",
    "fit",
    "load_language_model",
    "load_official",
    "load_official_cnn_pmi",
    "load_official_pmi",
    "load_official_window",
    "residual_backbone",
    "route_loss",
    "series_loss",
    "shipped",
    "tick_loss",
    "write_weights",
]

_NAMES = {
    "AgentStep": "agent",
    "CNNPMI": "pmi_models",
    "CharacterLSTM": "character_lstm",
    "ContinuousThoughtMachine": "ctm",
    "EpisodeMemory": "episode",
    "LanguageModel": "language",
    "PMIModule": "pmi",
    "PMITransformer": "pmi_models",
    "QuestionThoughtMachine": "sequence",
    "SentenceEmbedding": "sentences",
    "SeriesMemory": "series_memory",
    "SeriesThoughtMachine": "sequence",
    "ThoughtAgent": "agent",
    "TinyTransformer": "transformer",
    "WindowedThoughtMachine": "agent",
    "accuracy": "losses",
    "asked_loss": "losses",
    "capture": "record",
    "ctc_loss": "losses",
    "fit": "train",
    "load_language_model": "language",
    "load_official": "ctm",
    "load_official_cnn_pmi": "official_pmi",
    "load_official_pmi": "official_pmi",
    "load_official_window": "agent",
    "residual_backbone": "backbones",
    "route_loss": "losses",
    "series_loss": "losses",
    "shipped": "weights",
    "tick_loss": "losses",
    "write_weights": "weights",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use."""
    import importlib

    from arcuate._optional import require

    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("torch", extra="torch", purpose=f"arcuate.nn.{name}")
    return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
