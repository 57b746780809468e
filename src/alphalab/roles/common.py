"""Tools that roles have beside files, search and the shell: a word to people, and agents of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alphalab.agents.spawning import sub_agents
from alphalab.budget import Limits
from alphalab.events import Noticed
from alphalab.tools import Tool, ToolContext, tool

if TYPE_CHECKING:
    from alphalab.roles.base import RoleAgent

_SUB_AGENT_TURNS = 40
_SAID = 2000
"""Characters of one message to people."""


@tool
async def report_to_user(ctx: ToolContext, message: str) -> str:
    """Tell the people who follow the campaign something they should know now; nobody answers.

    Args:
        message: A few sentences, with numbers and experiment ids.
    """
    ctx.emit(Noticed(message=f"{ctx.agent}: {message[:_SAID]}", facts={"agent": ctx.agent, "role": ctx.role}))
    return "It was shown to them; go on."


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
