"""The suite for agents, run on the library's own and on subclasses as callers write them."""

import pytest
from attrs import define

from alphalab.agents import Agent, Continue
from alphalab.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock
from alphalab.models import ScriptedModel
from alphalab.testing.agent_suite import AgentSuite, assert_valid


class TestAgent(AgentSuite):
    @pytest.fixture
    def make_agent(self):
        return lambda model, **fields: Agent(model=model, **fields)


@define(kw_only=True, eq=False)
class Doubting(Agent):
    """Takes no answer the first time."""

    asked: int = 0
    needs_finish: bool = True

    async def review_turn(self, turn):
        self.asked += turn.finishes
        return Continue("Are you sure?") if turn.finishes and self.asked == 1 else await super().review_turn(turn)


class TestDoubtingAgent(AgentSuite):
    @pytest.fixture
    def make_agent(self):
        return lambda model, **fields: Doubting(model=model, **fields)

    @pytest.fixture
    def ending(self):
        return (ScriptedModel.call("finish", summary="maybe"), ScriptedModel.call("finish", summary="sure"))


@pytest.mark.parametrize(
    "messages",
    [
        (Message.user("a"), Message.user("b")),
        (Message.assistant(TextBlock(text="a")),),
        (Message.user("a"), Message.assistant(ToolUseBlock(id="1", name="t", input={})), Message.user("b")),
        (Message.user("a"), Message.assistant()),
        (
            Message(role="user", content=(ToolResultBlock(tool_use_id="1", content=()),)),
            Message.assistant(TextBlock(text="a")),
        ),
    ],
)
def test_conversations_that_no_provider_takes_are_seen(messages):
    with pytest.raises(AssertionError):
        assert_valid(messages)
