"""Windows that are too small, counts that are wrong, and summaries that fail."""

import pytest
from attrs import evolve, frozen

from alphalab.agents import Agent
from alphalab.agents.clearing import size
from alphalab.agents.summary import QUESTION
from alphalab.budget import Limits
from alphalab.errors import ContextOverflow, ModelError
from alphalab.messages import ImageBlock, Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from alphalab.models import Capabilities, Model, ModelResponse
from alphalab.tools import ToolContext, tool
from alphalab.workspace import Workspace


class Odd(Model):
    """Works for a number of turns, counts tokens as it is told to, and keeps what it was sent."""

    name = "odd"

    def __init__(self, turns, context_tokens, *, step, count=lambda characters, _turn: characters // 3, real=10**9):
        self.capabilities = Capabilities(context_tokens=context_tokens)
        self.turns, self.step, self.count, self.real = turns, step, count, real
        self.requests, self.asked, self.done, self.refused = [], [], 0, 0

    async def generate(self, request, *, on_delta=None):
        characters = sum(map(size, request.messages)) + len(request.system)
        if characters // 3 > self.real:
            self.refused += 1
            raise ContextOverflow("too long")
        assert all(message.content for message in request.messages)
        for message, answer in zip(request.messages[1::2], request.messages[2::2], strict=True):
            answered = [block.tool_use_id for block in answer.content if isinstance(block, ToolResultBlock)]
            assert [use.id for use in message.tool_uses] == answered
        if request.messages[-1].text.endswith(QUESTION):
            self.asked.append(self.done)
            return self.said(request, characters)
        self.requests.append(request)
        self.done += 1
        content = self.step(self.done) if self.done <= self.turns else (TextBlock(text="done"),)
        return self.answer(Message.assistant(*content), characters)

    def said(self, request, characters):
        return self.answer(Message.assistant(TextBlock(text=f"summary {len(self.asked)}")), characters)

    def answer(self, message, characters, stop_reason=None):
        stopped = stop_reason or ("tool_use" if message.tool_uses else "end_turn")
        usage = Usage(calls=1, input_tokens=self.count(characters, self.done), output_tokens=10)
        return ModelResponse(message=message, stop_reason=stopped, usage=usage, model=self.name)


@tool
async def produce(characters: int) -> str:
    """Give a text."""
    return ("a line of numbers 0.123\n" * (characters // 24 + 1))[:characters]


@tool
async def look() -> ImageBlock:
    """Give a picture."""
    return ImageBlock(data=b"1234", media_type="image/png", width=8, height=8)


def outputs(characters):
    return lambda n: (ToolUseBlock(id=f"u{n}", name="produce", input={"characters": characters}),)


def words(n):
    return (TextBlock(text=f"thought {n} " * 150), ToolUseBlock(id=f"u{n}", name="produce", input={"characters": 20}))


def pictures(n):
    return (ToolUseBlock(id=f"u{n}", name="look", input={}),)


COUNTS = {
    "honest": lambda characters, _: characters // 3,
    "nothing": lambda _c, _t: 0,
    "five times": lambda characters, _: characters * 5 // 3,
    "a fifth": lambda characters, _: characters // 15,
    "now this, now that": lambda characters, turn: characters // 3 * (1 + 2 * (turn // 20 % 2)),
    "much that is not seen": lambda characters, _: 30_000 + characters // 3,
}


@pytest.mark.parametrize("step", [outputs(6000), words, pictures])
@pytest.mark.parametrize("count", COUNTS)
async def test_whatever_is_counted_little_is_summarised_and_the_prefix_mostly_stays(count, step):
    model = Odd(200, 40_000, step=step, count=COUNTS[count])
    await Agent(model=model, tools=[produce, look], limits=Limits(turns=None)).run("the question")
    assert len(model.asked) <= 200 / 4
    assert changes_of(model) <= 200 / 3


def changes_of(model):
    return sum(
        any(one is not two for one, two in zip(before.messages[:-1], after.messages, strict=False))
        for before, after in zip(model.requests, model.requests[1:], strict=False)
    )


@pytest.mark.parametrize("context_tokens", [2000, 40_000])
@pytest.mark.parametrize("step", [outputs(900), words])
async def test_a_system_prompt_beyond_the_limits_does_not_lead_to_a_summary_each_turn(context_tokens, step):
    model = Odd(200, context_tokens, step=step)
    agent = Agent(
        model=model, tools=[produce], limits=Limits(turns=None), instructions="s" * round(0.7 * 3 * context_tokens)
    )
    await agent.run("the question")
    assert len(model.asked) <= 200 / 4


async def test_a_provider_that_overflows_again_and_again_is_not_asked_for_ever():
    model = Odd(60, 200_000, step=outputs(3000), real=4000)
    with pytest.raises(ContextOverflow):
        await Agent(model=model, tools=[produce], limits=Limits(turns=None)).run("q" * 11_990)
    assert model.refused <= 10


@frozen
class Answer:
    value: int


async def test_a_summary_need_not_have_the_form_of_the_answer():
    forms = []

    class Formed(Odd):
        def said(self, request, characters):
            forms.append(request.output_schema)
            return super().said(request, characters)

    model = Formed(60, 16_000, step=words)
    await Agent(model=model, tools=[produce], output=Answer, limits=Limits(turns=61)).run("q")
    assert forms
    assert set(map(str, forms)) == {"None"}
    assert all(request.output_schema for request in model.requests)


@pytest.mark.parametrize("how", ["error", "refusal"])
async def test_a_summary_that_fails_keeps_the_one_before(how):
    class Once(Odd):
        def said(self, request, characters):
            if len(self.asked) == 1:
                return self.answer(Message.assistant(TextBlock(text="THE FIRST")), characters)
            if how == "error":
                raise ModelError("no")
            return self.answer(Message.assistant(TextBlock(text="I cannot help with that")), characters, "refusal")

    model = Once(120, 16_000, step=words)
    await Agent(model=model, tools=[produce], limits=Limits(turns=None)).run("the question")
    assert len(model.asked) > 3
    first = model.requests[-1].messages[0].text
    assert "THE FIRST" in first
    assert "I cannot help" not in first
    assert "produce(" in first
    assert len(first) < 40_000


async def test_what_is_cleared_is_written_without_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICE_API_KEY", "very-secret-value")
    context = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path, outputs=tmp_path / "outputs", agent="a")

    @tool
    async def leak(characters: int) -> str:
        """Give a text with a key in it."""
        return "very-secret-value " * (characters // 18)

    def step(n):
        use = outputs(60_000 if n == 1 else 9000)(n)[0]
        return (TextBlock(text="thinking " * 60), evolve(use, name="leak"))

    model = Odd(60, 16_000, step=step)
    await Agent(model=model, tools=[leak], context=context).run("q")
    files = sorted(path.name for path in (tmp_path / "outputs").iterdir())
    assert {"a-leak-0001.txt", "a-cleared-0001.txt", "a-cleared-0002.txt"} <= set(files)
    assert model.asked
    assert len(files) < 2 + 60 + len(model.asked)
    for path in (tmp_path / "outputs").iterdir():
        assert "very-secret-value" not in path.read_text()
        assert "[redacted]" in path.read_text()
