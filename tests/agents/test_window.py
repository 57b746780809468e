"""The window: what a long conversation still sends, what is cleared, and that it can be had again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab.agents import Agent
from alphalab.agents.clearing import cleared, gain, size, without_pictures
from alphalab.agents.summary import QUESTION, digest
from alphalab.agents.window import LATEST, Window
from alphalab.budget import Limits
from alphalab.commands import Access
from alphalab.errors import ContextOverflow, ModelError
from alphalab.events import Noticed
from alphalab.messages import ImageBlock, Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock, Usage
from alphalab.models import Capabilities, Model, ModelResponse, ScriptedModel
from alphalab.tools import ToolContext, read_file, tool
from alphalab.workspace import Workspace

PER_TOKEN = 3.2
"""Characters of a token, as the models here count."""


def tokens_of(request):
    shown = sum(size(message) for message in request.messages)
    tools = sum(len(str(tool.parameters)) + len(tool.description) for tool in request.tools)
    return int((shown + tools + len(request.system)) / PER_TOKEN)


class Counting(Model):
    """Works for a number of turns and counts what it is sent as a provider would, refusing what is too large."""

    name = "counting"

    def __init__(self, turns, context_tokens, *, step, real=None):
        self.capabilities = Capabilities(context_tokens=context_tokens)
        self.real = real or context_tokens
        self.turns, self.step, self.sent, self.summaries, self.requests = turns, step, [], 0, []

    async def generate(self, request, *, on_delta=None):
        count = tokens_of(request)
        if count > self.real:
            raise ContextOverflow(f"prompt is too long: {count} tokens > {self.real}")
        self.sent.append(count)
        self.requests.append(request)
        assert_valid(request.messages)
        if request.messages[-1].text.endswith(QUESTION):
            self.summaries += 1
            content = (TextBlock(text=f"summary {self.summaries}: everything so far went well"),)
        else:
            content = self.step(len(self.sent)) if len(self.sent) - self.summaries <= self.turns else ()
            content = content or (TextBlock(text="done"),)
        message = Message.assistant(*content)
        usage = Usage(calls=1, input_tokens=count, output_tokens=sum(map(size, [message])) // 3)
        return ModelResponse(
            message=message, stop_reason="tool_use" if message.tool_uses else "end_turn", usage=usage, model=self.name
        )


def assert_valid(messages):
    assert [message.role for message in messages] == ["user", "assistant"] * (len(messages) // 2) + ["user"]
    for message, answer in zip(messages[1::2], messages[2::2], strict=True):
        asked = [use.id for use in message.tool_uses]
        answered = [block.tool_use_id for block in answer.content if isinstance(block, ToolResultBlock)]
        assert asked == answered


@tool(parallel=True)
async def produce(characters: int, seed: int) -> str:
    """Give a text.

    Args:
        characters: How long.
        seed: Which one.
    """
    line = f"{seed} result 0.{seed:04d} of the measurement, which is long\n"
    return (line * (characters // len(line) + 1))[:characters]


def using(seed, characters, calls=1, thought=""):
    uses = [
        ToolUseBlock(id=f"u{seed}-{number}", name="produce", input={"characters": characters, "seed": seed})
        for number in range(calls)
    ]
    return (*((ThinkingBlock(text=thought),) if thought else ()), TextBlock(text=f"step {seed}"), *uses)


@pytest.mark.parametrize(
    ("context_tokens", "characters", "calls", "thought"),
    [
        (200_000, 12_000, 1, ""),
        (32_000, 6_000, 1, "thinking " * 100),
        (128_000, 3_000, 4, "thinking " * 50),
        (16_000, 3_000, 1, ""),
    ],
)
async def test_a_thousand_turns_stay_inside_the_window(context_tokens, characters, calls, thought):
    model = Counting(1000, context_tokens, step=lambda n: using(n, characters, calls, thought))
    result = await Agent(model=model, tools=[produce], limits=Limits(turns=None)).run("the question")
    assert result.turns == 1001
    assert max(model.sent) <= 0.6 * context_tokens
    assert set(result.sent_tokens) <= set(model.sent)
    assert model.summaries <= 60
    assert len(result.messages) == 2 + 2 * 1000
    assert all(request.messages[0].text.startswith("the question") for request in model.requests)


async def test_most_turns_only_add_to_what_was_sent():
    model = Counting(300, 200_000, step=lambda n: using(n, 12_000))
    await Agent(model=model, tools=[produce], limits=Limits(turns=None)).run("q")
    grown = [
        after.messages[: len(before.messages)] == before.messages
        for before, after in zip(model.requests, model.requests[1:], strict=False)
    ]
    assert sum(grown) >= 0.9 * len(grown)


async def test_cleared_outputs_can_be_read_again(tmp_path):
    context = ToolContext(
        workspace=Workspace(tmp_path),
        cwd=tmp_path,
        access=Access(readable=(tmp_path,)),
        outputs=tmp_path / "outputs",
        agent="reader",
    )
    answers = {}

    def step(number):
        if number <= 40:
            return using(number, 12_000)
        stubs = [b for m in model.requests[-1].messages for b in m.content if isinstance(b, ToolResultBlock)]
        gone = [re.search(r"read (\S+) to see", b.text) for b in stubs if "cleared to save room" in b.text]
        if number - 41 >= len(gone):
            return ()
        answers[f"r{number}"] = int(stubs[number - 41].text.split()[0])
        return (ToolUseBlock(id=f"r{number}", name="read_file", input={"path": gone[number - 41].group(1)}),)

    model = Counting(45, 100_000, step=step)
    result = await Agent(model=model, tools=[produce, read_file], context=context).run("q")
    texts = {b.tool_use_id: b.text for m in result.messages for b in m.content if isinstance(b, ToolResultBlock)}
    assert len(answers) == 5
    for key, seed in answers.items():
        assert f"{seed} result 0.{seed:04d}" in texts[key]
        assert len(texts[key]) > 10_000


async def test_what_a_summary_replaces_is_on_disk(tmp_path):
    context = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path, outputs=tmp_path / "outputs", agent="long")
    model = Counting(120, 16_000, step=lambda n: (TextBlock(text=f"thought {n} " * 40), *using(n, 100)))
    result = await Agent(model=model, tools=[produce], context=context).run("the question")
    assert model.summaries
    first = model.requests[-1].messages[0].text
    assert f"summary {model.summaries}: everything" in first
    path = tmp_path / re.search(r"read (\S+) to see", first).group(1)
    assert "thought" in path.read_text()
    kept = "".join(found.read_text() for found in (tmp_path / "outputs").iterdir())
    sent = {message.text for message in model.requests[-1].messages}
    gone = [message.text for message in result.messages if message.text and message.text not in sent]
    assert len(gone) > 60
    assert all(line in kept for text in gone if "thought" in text for line in text.splitlines())


async def test_a_model_that_cannot_summarise_does_not_end_the_run():
    events = []

    class Mute(Counting):
        async def generate(self, request, *, on_delta=None):
            if request.messages[-1].text.endswith(QUESTION):
                self.summaries += 1
                raise ModelError("no")
            return await super().generate(request, on_delta=on_delta)

    model = Mute(60, 16_000, step=lambda n: (TextBlock(text=f"thought {n} " * 60), *using(n, 100)))
    result = await Agent(model=model, tools=[produce], emit=events.append).run("q")
    assert result.text == "done"
    assert model.summaries
    assert "produce(" in model.requests[-1].messages[0].text
    assert any(isinstance(event, Noticed) and "could not summarise" in event.message for event in events)


async def test_a_window_smaller_than_it_was_said_to_be_is_learned():
    model = Counting(200, 200_000, real=30_000, step=lambda n: using(n, 6_000))
    result = await Agent(model=model, tools=[produce]).run("q")
    assert result.stop_reason == "turns"
    assert max(model.sent) <= 30_000


async def test_a_request_that_cannot_be_made_smaller_is_an_error():
    with pytest.raises(ContextOverflow):
        await Agent(model=Counting(1, 200_000, real=100, step=lambda _: ())).run("q" * 4000)


async def test_many_calls_of_one_turn_share_its_room():
    model = Counting(3, 20_000, step=lambda n: using(n, 30_000, calls=20))
    result = await Agent(model=model, tools=[produce]).run("q")
    assert result.text == "done"
    assert max(model.sent) <= 0.6 * 20_000


async def test_pictures_go_before_outputs():
    picture = ImageBlock(data=b"1234", media_type="image/png", width=8, height=8)

    @tool
    async def look() -> tuple[TextBlock | ImageBlock, ...]:
        """Look."""
        return (TextBlock(text="seen " * 100), *[picture] * 3)

    def step(number):
        return (ToolUseBlock(id=f"u{number}", name="look", input={}),)

    model = Counting(9, 100_000, step=step)
    await Agent(model=model, tools=[look]).run("q")
    blocks = [block for message in model.requests[-1].messages for block in message.content]
    results = [block for block in blocks if isinstance(block, ToolResultBlock)]
    assert "a picture of 8x8 pixels, cleared" in results[0].text
    assert all("seen seen" in block.text and "cleared to save room" not in block.text for block in results)
    assert any(isinstance(each, ImageBlock) for each in results[-1].content)


@given(text=st.text(max_size=3000), argument=st.text(max_size=3000))
def test_clearing_keeps_ids_and_never_grows_much(text, argument):
    use = ToolUseBlock(id="a", name="t", input={"x": argument, "n": 3})
    result = ToolResultBlock(tool_use_id="a", content=(TextBlock(text=text),), is_error=True)
    for message in (Message.assistant(use), Message(role="user", content=(result,))):
        short = cleared(message, lambda _: "read it")
        assert size(short) <= size(message) + 100
        assert size(message) - size(short) >= gain(message) - 150
        assert cleared(short, lambda _: "read it") is short
        assert without_pictures(short) is short
        assert [getattr(block, "id", getattr(block, "tool_use_id", "")) for block in short.content] == ["a"]


def test_estimates_follow_what_the_provider_counts():
    window = Window(context_tokens=100_000, keep=str)
    messages = [Message.user("x" * 30_000)]
    window.view(messages)
    assert 8_000 < window.tokens < 10_000
    window.count(Usage(input_tokens=6_000))
    assert window.tokens == 6_000
    messages += [Message.assistant(TextBlock(text="y" * 15_000)), Message.user("go on")]
    window.view(messages)
    assert 8_900 < window.tokens < 9_200
    assert LATEST == 2


def test_a_digest_lists_calls_with_their_answers():
    failed = ToolResultBlock(tool_use_id="1", content=(TextBlock(text="a\nb"),), is_error=True)
    messages = [
        Message.user("q"),
        Message.assistant(TextBlock(text="let me see"), ToolUseBlock(id="1", name="grep", input={"pattern": "x"})),
        Message(role="user", content=(failed,)),
    ]
    assert digest(messages) == '- said: let me see\n- grep({"pattern": "x"}) -> failed: a b'


async def test_scripted_models_see_no_question_before_there_is_much_to_summarise():
    model = ScriptedModel([ScriptedModel.call("produce", characters=100, seed=n) for n in range(30)] + ["end"])
    await Agent(model=model, tools=[produce]).run("q")
    model.assert_done()
