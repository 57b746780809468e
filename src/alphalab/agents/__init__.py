"""Agents: a model that works with tools, in a loop with limits."""

from alphalab.agents.agent import Agent
from alphalab.agents.finish import finish
from alphalab.agents.history import History
from alphalab.agents.result import AgentResult, AgentStop
from alphalab.agents.spawning import sub_agents
from alphalab.agents.transcript import read_transcript, transcript_messages
from alphalab.agents.turn import Call, Continue, Next, Turn

__all__ = [
    "Agent",
    "AgentResult",
    "AgentStop",
    "Call",
    "Continue",
    "History",
    "Next",
    "Turn",
    "finish",
    "read_transcript",
    "sub_agents",
    "transcript_messages",
]
