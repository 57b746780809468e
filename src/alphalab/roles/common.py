"""Tools that roles have beside files, search and the shell: a word to people, and agents of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alphalab._redaction import Redaction
from alphalab.agents.spawning import sub_agents
from alphalab.budget import Limits
from alphalab.events import Noticed
from alphalab.messages import Message, ToolResultBlock
from alphalab.tools import Tool, ToolContext, tool

if TYPE_CHECKING:
    from alphalab.roles.base import RoleAgent

_SUB_AGENT_TURNS = 40
SAID = 2000
"""Characters of one message to people."""


@tool
async def report_to_user(ctx: ToolContext, message: str) -> str:
    """Tell the people who follow the campaign something they should know now; nobody answers.

    Args:
        message: A few sentences, with numbers and experiment ids.
    """
    said = Redaction.of_environment().text(message)[:SAID]
    ctx.emit(Noticed(message=f"{ctx.agent}: {said}", facts={"agent": ctx.agent, "role": ctx.role}))
    return "It was shown to them; go on."


def last_call(messages: Sequence[Message], name: str) -> dict[str, Any] | None:
    """Arguments of the last call of a tool that succeeded; None when there was none."""
    succeeded = set[str]()
    for message in reversed(messages):
        for use in reversed(message.tool_uses):
            if use.name == name and use.id in succeeded:
                return use.input
        results = (block for block in message.content if isinstance(block, ToolResultBlock))
        succeeded = {block.tool_use_id for block in results if not block.is_error}
    return None


def spawning_tool(agent: RoleAgent, tools: Sequence[Tool]) -> Tool:
    """The tool that gives a part of the work to an agent with a conversation of its own.

    Args:
        agent: Who asks; its model, its limits and its access hold for the others, and its ledger counts them.
        tools: What they work with.
    """
    turns = agent.limits.turns
    return sub_agents(
        model=agent.model,
        tools=tools,
        limits=Limits(
            turns=_SUB_AGENT_TURNS if turns is None else min(turns, _SUB_AGENT_TURNS),
            tokens=agent.limits.tokens,
            cost_usd=agent.limits.cost_usd,
            time=agent.limits.time,
        ),
        transcripts=agent.campaign.workspace.transcripts,
        labels=agent.labels,
        on_response=agent.on_response,
        clock=agent.clock,
    )
