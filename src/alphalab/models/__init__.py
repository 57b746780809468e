"""Language models, and things that answer like one."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alphalab.models.base import Capabilities, Effort, Model, ModelRequest, ModelResponse, OnDelta
from alphalab.models.comparing import IGNORED
from alphalab.models.fallback import FallbackModel
from alphalab.models.prices import ModelFacts, Price, model_facts, price_usage
from alphalab.models.recording import RecordingModel
from alphalab.models.registry import PROVIDERS, get_model, known_models
from alphalab.models.replay import ReplayModel
from alphalab.models.retry import RetryingModel
from alphalab.models.scripted import ScriptedModel

if TYPE_CHECKING:
    from alphalab.models.anthropic import AnthropicModel
    from alphalab.models.offline import OfflineModel
    from alphalab.models.openai import OpenAIModel
    from alphalab.models.openai_chat import OpenAIChatModel

_LAZY = {
    "AnthropicModel": "alphalab.models.anthropic",
    "OfflineModel": "alphalab.models.offline",
    "OpenAIChatModel": "alphalab.models.openai_chat",
    "OpenAIModel": "alphalab.models.openai",
}

__all__ = [
    "IGNORED",
    "PROVIDERS",
    "AnthropicModel",
    "Capabilities",
    "Effort",
    "FallbackModel",
    "Model",
    "ModelFacts",
    "ModelRequest",
    "ModelResponse",
    "OfflineModel",
    "OnDelta",
    "OpenAIChatModel",
    "OpenAIModel",
    "Price",
    "RecordingModel",
    "ReplayModel",
    "RetryingModel",
    "ScriptedModel",
    "get_model",
    "known_models",
    "model_facts",
    "price_usage",
]


def __getattr__(name: str) -> Any:
    """Classes that not everybody needs are loaded when they are first asked for."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
