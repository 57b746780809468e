"""A researcher that follows rules: every role, no key, no network, and no language model."""

from __future__ import annotations

from typing import Any

from alphalab.errors import ModelUnavailable
from alphalab.messages import Delta, Message, TextBlock, ToolUseBlock, Usage
from alphalab.models.base import Capabilities, Model, ModelRequest, ModelResponse, OnDelta
from alphalab.models.offline import evaluation, exploration, reporting, strategy, work
from alphalab.models.offline.script import Scene, ScriptFactory, next_call

DISCLAIMER = "Written by alphalab's rule-based offline researcher; no language model was involved."

SCRIPTS: dict[str, ScriptFactory] = {
    "adapter": exploration.customise,
    "explorer": exploration.explore,
    "builder": evaluation.build,
    "critic": evaluation.criticise,
    "tester": evaluation.test,
    "hacker": evaluation.attack,
    "strategist": strategy.propose,
    "implementer": work.implement,
    "fixer": work.fix,
    "analyst": work.analyse,
    "reporter": reporting.report,
}


class OfflineModel(Model):
    """Plays every role through the same tools as a language model, from what the adapter ships.

    It draws recipes at random first and refines around the leaders later. It understands no prose.

    Args:
        seed: Of its draws; one campaign with one seed makes the same proposals from the same results.
    """

    name = "offline"
    capabilities = Capabilities(is_language_model=False)

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    async def generate(self, request: ModelRequest, *, on_delta: OnDelta | None = None) -> ModelResponse:
        """The next tool call of the script for the role that asks.

        Raises:
            ModelUnavailable: No script for that role.
        """
        role = request.labels.get("role", "")
        if role not in SCRIPTS:
            raise ModelUnavailable(
                f"the offline researcher has no rules for role {role!r}; it knows {', '.join(SCRIPTS)}. "
                "Name a language model for this role"
            )
        scene = Scene(role, request.labels.get("experiment", ""), self.seed, request.messages[0].text)
        wanted = next_call(SCRIPTS[role](scene), request)
        if isinstance(wanted, str):
            name, arguments, say = "finish", {"summary": f"{wanted}\n\n{DISCLAIMER}"}, wanted
        else:
            name, arguments, say = wanted.name, wanted.input, ""
        if on_delta is not None and say:
            on_delta(Delta(kind="text", text=say))
        return self._response(request, name, arguments, say)

    def _response(self, request: ModelRequest, name: str, arguments: dict[str, Any], say: str) -> ModelResponse:
        number = sum(len(message.tool_uses) for message in request.messages)
        use = ToolUseBlock(id=f"call-{number}", name=name, input=arguments)
        blocks = (TextBlock(text=say), use) if say else (use,)
        return ModelResponse(
            message=Message(role="assistant", content=blocks),
            stop_reason="tool_use",
            usage=Usage(calls=1),
            model=self.name,
        )
