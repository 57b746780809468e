"""alphalab: embed autonomous research.

The names below load their modules when they are first used, so that `import alphalab` costs milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from alphalab._version import __version__

if TYPE_CHECKING:
    from alphalab.adapters import DomainAdapter, load_adapter
    from alphalab.agents import Agent, AgentResult, Continue, Next, Turn
    from alphalab.budget import Budget, Limits
    from alphalab.campaign import Campaign, CampaignResult
    from alphalab.errors import AlphaLabError
    from alphalab.executors import Executor, Job, JobState, JobStatus, LocalExecutor
    from alphalab.experiments import Experiment, ExperimentState, Leaderboard
    from alphalab.measurement import Failure, Finding, Measurement, Metric
    from alphalab.messages import (
        ImageBlock,
        Message,
        TextBlock,
        ThinkingBlock,
        ToolResultBlock,
        ToolUseBlock,
        Usage,
    )
    from alphalab.models import Model, get_model
    from alphalab.playbook import Lesson, Playbook
    from alphalab.resources import Resources
    from alphalab.sandbox import Sandbox
    from alphalab.task import Task
    from alphalab.tools import Tool, ToolContext, ToolError, tool

_HOMES = {
    "adapters": ("DomainAdapter", "load_adapter"),
    "agents": ("Agent", "AgentResult", "Continue", "Next", "Turn"),
    "budget": ("Budget", "Limits"),
    "campaign": ("Campaign", "CampaignResult"),
    "errors": ("AlphaLabError",),
    "executors": ("Executor", "Job", "JobState", "JobStatus", "LocalExecutor"),
    "experiments": ("Experiment", "ExperimentState", "Leaderboard"),
    "measurement": ("Failure", "Finding", "Measurement", "Metric"),
    "messages": ("ImageBlock", "Message", "TextBlock", "ThinkingBlock", "ToolResultBlock", "ToolUseBlock", "Usage"),
    "models": ("Model", "get_model"),
    "playbook": ("Lesson", "Playbook"),
    "resources": ("Resources",),
    "sandbox": ("Sandbox",),
    "task": ("Task",),
    "tools": ("Tool", "ToolContext", "ToolError", "tool"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}
_SUBMODULES = ("adapters", "events", "executors", "models", "roles", "tools", "evaluation", "errors")


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(f"alphalab.{_MODULES[name]}"), name)
    if name in _SUBMODULES:
        return import_module(f"alphalab.{name}")
    raise AttributeError(f"module 'alphalab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "Agent",
    "AgentResult",
    "AlphaLabError",
    "Budget",
    "Campaign",
    "CampaignResult",
    "Continue",
    "DomainAdapter",
    "Executor",
    "Experiment",
    "ExperimentState",
    "Failure",
    "Finding",
    "ImageBlock",
    "Job",
    "JobState",
    "JobStatus",
    "Leaderboard",
    "Lesson",
    "Limits",
    "LocalExecutor",
    "Measurement",
    "Message",
    "Metric",
    "Model",
    "Next",
    "Playbook",
    "Resources",
    "Sandbox",
    "Task",
    "TextBlock",
    "ThinkingBlock",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolResultBlock",
    "ToolUseBlock",
    "Turn",
    "Usage",
    "__version__",
    "get_model",
    "load_adapter",
    "tool",
]
