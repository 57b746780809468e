"""Language models, and things that answer like one."""

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
    from alphalab.models.offline import OfflineModel

__all__ = [
    "IGNORED",
    "PROVIDERS",
    "Capabilities",
    "Effort",
    "FallbackModel",
    "Model",
    "ModelFacts",
    "ModelRequest",
    "ModelResponse",
    "OfflineModel",
    "OnDelta",
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
    """`OfflineModel` is loaded when it is first asked for; campaigns with language models do not need its rules."""
    if name == "OfflineModel":
        from alphalab.models.offline import OfflineModel  # noqa: PLC0415 - lazily, see above

        return OfflineModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
