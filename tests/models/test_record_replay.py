"""Recording a model's calls and playing them again, one by one and for whole campaigns."""

import asyncio
import json
import re
import socket
from datetime import timedelta

import pytest
from attrs import evolve
from toy_domain import make_campaign

from alphalab import agents
from alphalab.errors import ConfigError, ModelUnavailable, RateLimited, ReplayMismatch
from alphalab.messages import Delta, ImageBlock, Message, TextBlock, ToolResultBlock, ToolSpec, ToolUseBlock, Usage
from alphalab.models import (
    IGNORED,
    Capabilities,
    Model,
    ModelRequest,
    ModelResponse,
    OfflineModel,
    RecordingModel,
    ReplayModel,
    ScriptedModel,
)
from alphalab.models.cassette import read_cassette
from alphalab.tools import tool

SECRET = "sk-ant-" + "0123456789abcdef" * 2
AT_ONCE = timedelta()


def ask(*messages, conversation="", system="Be short.", tools=(), **labels):
    return ModelRequest(system=system, messages=messages, conversation=conversation, labels=labels, tools=tools)


def said(text):
    return Message.user(text)


def recorder(path, *steps, **more):
    return RecordingModel(ScriptedModel(steps, "s", usage=Usage(calls=1, output_tokens=3, cost_usd=0.5)), path, **more)


@pytest.fixture
def tape(tmp_path):
    return tmp_path / "tape.jsonl"


# -- call by call ------------------------------------------------------------------------------------------------------


async def test_answers_usage_and_deltas_are_played_again(tape):
    answer = ModelResponse(
        message=Message.assistant(
            TextBlock(text="look", extra={"s": {"id": 1}}),
            ToolUseBlock(id="call-7", name="grep", input={"n": [1.5, None]}),
        ),
        stop_reason="max_tokens",
        usage=Usage(calls=1, input_tokens=9, cached_tokens=4, cost_usd=None),
        model="s",
        served="s-2026",
        request_id="r",
    )
    recording, heard = recorder(tape, "one", answer), []
    requests = [ask(said("a")), ask(said("b"))]
    live = [await recording.generate(request, on_delta=heard.append) for request in requests]
    replay, again = ReplayModel(tape), []
    assert [await replay.generate(request, on_delta=again.append) for request in requests] == live
    assert again == heard
    assert replay.name == "s"
    assert replay.capabilities == recording.capabilities
    assert replay.check() == ()
    replay.assert_done()


async def test_pieces_of_one_kind_are_played_as_one(tape):
    class Talker(Model):
        name = "talker"

        async def generate(self, request, *, on_delta=None):
            for kind, text in (("thinking", "h"), ("thinking", "m"), ("text", "a"), ("restart", "x"), ("restart", "y")):
                on_delta(Delta(kind=kind, text=text))
            return ModelResponse(message=Message.assistant(), stop_reason="end_turn", usage=Usage(calls=1), model="t")

    await RecordingModel(Talker(), tape).generate(ask(said("a")))
    heard = []
    await ReplayModel(tape).generate(ask(said("a")), on_delta=heard.append)
    assert [(delta.kind, delta.text) for delta in heard] == [
        ("thinking", "hm"),
        ("text", "a"),
        ("restart", "x"),
        ("restart", "y"),
    ]


async def test_failed_calls_are_played_again_as_failures(tape):
    error = RateLimited("slow down", retry_after=3.5, usage=Usage(calls=1, cost_usd=0.1))
    recording = recorder(tape, error, "then")
    request = ask(said("a"), conversation="c")
    with pytest.raises(RateLimited):
        await recording.generate(request)
    await recording.generate(request)
    replay = ReplayModel(tape)
    with pytest.raises(RateLimited, match="slow down") as caught:
        await replay.generate(request)
    assert (caught.value.retry_after, caught.value.usage) == (3.5, error.usage)
    assert (await replay.generate(request)).message.text == "then"
    replay.assert_done()


class OwnError(ModelUnavailable):
    """A provider's package may define its own."""


async def test_an_error_of_another_package_is_played_as_the_nearest_known_one(tape):
    with pytest.raises(OwnError):
        await recorder(tape, OwnError("down")).generate(ask(said("a")))
    with pytest.raises(ModelUnavailable, match="down") as caught:
        await ReplayModel(tape).generate(ask(said("a")))
    assert type(caught.value) is ModelUnavailable


async def test_a_request_that_differs_is_shown_beside_the_closest_one(tape):
    recording = recorder(tape, "x", "y")
    await recording.generate(ask(said("first line\ncount the sheep\nlast line"), role="worker"))
    await recording.generate(ask(said("quite something else"), role="worker"))
    replay = ReplayModel(tape)
    with pytest.raises(ReplayMismatch) as caught:
        await replay.generate(ask(said("first line\ncount the goats\nlast line"), role="worker"))
    assert "a call (role 'worker') asks what is not on cassette" in str(caught.value)
    assert (
        str(caught.value).splitlines()[-8:]
        == [
            "--- recorded",
            "+++ now",
            "@@ -3,5 +3,5 @@",
            " # tools",
            " # 1 user",
            " first line",
            *["-count the sheep", "+count the goats"],
            " last line",
        ][-8:]
    )
    with pytest.raises(ReplayMismatch, match=r"2 of 2 recorded calls .* were not asked for; first: a call \(role 'wor"):
        replay.assert_done()


@pytest.mark.parametrize(
    "change",
    [
        {"system": "Be long."},
        {"tools": (ToolSpec(name="t", description="d", parameters={"type": "object"}),)},
        {"output_schema": {"type": "object"}},
        {"labels": {"role": "critic"}},
        {"messages": (said("a"), Message.assistant(TextBlock(text="b")), said("c"))},
        {
            "messages": (
                Message(role="user", content=(ImageBlock(data=b"1", media_type="image/png", width=1, height=1),)),
            )
        },
    ],
)
async def test_every_part_of_a_request_counts(tape, change):
    request = ask(said("a"), role="worker")
    await recorder(tape, "x").generate(request)
    with pytest.raises(ReplayMismatch):
        await ReplayModel(tape).generate(evolve(request, **change))
    await ReplayModel(tape).generate(evolve(request, labels={"role": "worker", "agent": "another", "phase": ""}))


async def test_each_answer_is_given_once(tape):
    await recorder(tape, "x").generate(ask(said("a")))
    replay = ReplayModel(tape)
    await replay.generate(ask(said("a")))
    with pytest.raises(ReplayMismatch, match=r"no recorded conversation of that kind is left.*\na"):
        await replay.generate(ask(said("a")))


async def test_a_conversation_that_goes_on_longer_says_so(tape):
    await recorder(tape, "x").generate(ask(said("a"), conversation="c"))
    replay = ReplayModel(tape)
    await replay.generate(ask(said("a"), conversation="d"))
    longer = ask(said("a"), Message.assistant(TextBlock(text="x")), said("more"), conversation="d")
    with pytest.raises(ReplayMismatch, match=r"the recorded conversation ended before this call.*\nmore"):
        await replay.generate(longer)


async def test_equal_requests_of_two_conversations_are_kept_apart(tape):
    recording = recorder(tape, "for one", "for two", "one goes on", "two goes on")
    for conversation in ("one", "two"):
        await recording.generate(ask(said("a"), conversation=conversation, agent=conversation))
    for conversation, text in (("one", "for one"), ("two", "for two")):
        messages = (said("a"), Message.assistant(TextBlock(text=text)), said("on"))
        await recording.generate(ask(*messages, conversation=conversation, agent=conversation))
    replay = ReplayModel(tape, order_patience=AT_ONCE)
    second = (await replay.generate(ask(said("a"), conversation="x", agent="two"))).message
    assert second.text == "for two"
    assert (await replay.generate(ask(said("a"), second, said("on"), conversation="x"))).message.text == "two goes on"
    assert (await replay.generate(ask(said("a"), conversation="y", agent="one"))).message.text == "for one"


# -- what may differ ---------------------------------------------------------------------------------------------------


async def test_durations_times_and_random_ids_may_differ(tape):
    text = "done in {} at {}, job {}, in /x/{}"
    before = text.format("1.3 s", "2026-01-31T12:00:00+00:00", "0b9e7e2c-6f2d-4d1c-8f43-0a4be2f2ad11", "tmpab12cd_9")
    after = text.format("25 ms", "2026-02-01 08:00", "7" * 32, "tmpzzzzzzzz")
    await recorder(tape, "x", "x").generate(ask(said(before)))
    with pytest.raises(ReplayMismatch):
        await ReplayModel(tape, ignore=()).generate(ask(said(after)))
    await ReplayModel(tape).generate(ask(said(after)))
    with pytest.raises(ReplayMismatch):
        await ReplayModel(tape).generate(ask(said(after.replace("done", "over"))))
    await ReplayModel(tape, ignore=[*IGNORED, "done|over"]).generate(ask(said(after.replace("done", "over"))))


async def test_folders_may_lie_elsewhere(tape, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    there.mkdir()
    (tmp_path / "link").symlink_to(there)
    recording = recorder(tape, ScriptedModel.call("read", path=f"{here}/a.txt"), f"{here} is read", folders={"w": here})
    response = await recording.generate(ask(said(f"read {here}/a.txt")))
    heard = []
    await recording.generate(ask(said("b")))
    assert response.message.tool_uses[0].input == {"path": f"{here}/a.txt"}
    assert str(here) not in tape.read_text()
    replay = ReplayModel(tape, folders={"w": tmp_path / "link"})
    played = await replay.generate(ask(said(f"read {there}/a.txt")))
    assert played.message.tool_uses[0].input["path"] in {f"{there}/a.txt", f"{tmp_path}/link/a.txt"}
    await replay.generate(ask(said("b")), on_delta=heard.append)
    assert str(here) not in heard[0].text


async def test_answers_of_tools_may_be_left_out_of_the_comparison(tape):
    def conversation(board, prompt="go"):
        call = ToolUseBlock(id="call-1", name="read_board", input={})
        result = ToolResultBlock(tool_use_id="call-1", content=[TextBlock(text=board)])
        return ask(said(prompt), Message.assistant(call), Message(role="user", content=[result]))

    await recorder(tape, "x").generate(conversation("1 running"))
    with pytest.raises(ReplayMismatch, match="1 running"):
        await ReplayModel(tape).generate(conversation("2 running"))
    await ReplayModel(tape, compare="prompts").generate(conversation("2 running"))
    with pytest.raises(ReplayMismatch):
        await ReplayModel(tape, compare="prompts").generate(conversation("1 running", prompt="stop"))
    await ReplayModel(tape, compare="course").generate(conversation("2 running", prompt="stop"))
    with pytest.raises(ReplayMismatch):
        await ReplayModel(tape, compare="course").generate(ask(said("go")))
    with pytest.raises(ConfigError, match="compare='nothing' is unknown"):
        ReplayModel(tape, compare="nothing")


# -- order -------------------------------------------------------------------------------------------------------------


async def overlapping(tape):
    """Records `a` and `b` such that `b` is answered while `a` is still being asked."""
    gate = asyncio.Event()

    async def slow(_request):
        await gate.wait()
        return "slow"

    recording = recorder(tape, slow, "quick")
    first = asyncio.create_task(recording.generate(ask(said("a"))))
    await asyncio.sleep(0)
    await recording.generate(ask(said("b")))
    gate.set()
    await first


async def test_answers_come_in_the_recorded_order(tape):
    await overlapping(tape)
    replay, ended = ReplayModel(tape, order_patience=timedelta(minutes=5)), []

    async def play(text):
        await replay.generate(ask(said(text)))
        ended.append(text)

    await asyncio.gather(play("a"), play("b"))
    assert ended == ["b", "a"]


async def test_an_order_that_cannot_be_had_is_given_up(tape):
    await overlapping(tape)
    replay = ReplayModel(tape, order_patience=timedelta(milliseconds=1))
    assert (await replay.generate(ask(said("a")))).message.text == "slow"
    assert (await replay.generate(ask(said("b")))).message.text == "quick"
    replay.assert_done()


async def test_a_wait_for_ones_turn_can_be_cancelled(tape):
    await overlapping(tape)
    replay = ReplayModel(tape, order_patience=timedelta(minutes=5))
    waiting = asyncio.create_task(replay.generate(ask(said("a"))))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await replay.generate(ask(said("b")))).message.text == "quick"


# -- the file ----------------------------------------------------------------------------------------------------------


async def test_no_secret_is_written(tape, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "correct-horse")

    class Leaky(Model):
        name = "leaky"

        async def generate(self, request, *, on_delta=None):
            for piece in (SECRET[:9], SECRET[9:], " correct-", "horse"):
                on_delta(Delta(kind="text", text=piece))
            if "fail" in request.messages[0].text:
                raise ModelUnavailable(f"{SECRET} correct-horse")
            use = ToolUseBlock(id="1", name="t", input={"k": [SECRET, "correct-horse"]}, extra={"leaky": {"a": SECRET}})
            return ModelResponse(message=Message.assistant(use), stop_reason="tool_use", usage=Usage(), model="leaky")

    recording = RecordingModel(Leaky(), tape)
    spec = ToolSpec(name="t", description=f"correct-horse {SECRET}", parameters={"default": SECRET})
    await recording.generate(ask(said(f"{SECRET} correct-horse"), system=SECRET, tools=(spec,), role="correct-horse"))
    with pytest.raises(ModelUnavailable):
        await recording.generate(ask(said("fail correct-horse")))
    assert "correct-horse" not in tape.read_text()
    assert SECRET not in tape.read_text()
    monkeypatch.setenv("SOME_API_KEY", "another-horse")
    request = ask(said(f"{SECRET} another-horse"), system=SECRET, tools=(spec,))
    spec = evolve(spec, description=f"another-horse {SECRET}")
    played = await ReplayModel(tape).generate(evolve(request, tools=(spec,), labels={"role": "another-horse"}))
    assert played.message.tool_uses[0].input == {"k": ["[redacted]", "[redacted]"]}


async def long_conversation(path, turns):
    recording = recorder(path, *[f"answer {number}" for number in range(turns)])
    messages, sizes = [said("begin")], []
    for number in range(turns):
        response = await recording.generate(ask(*messages, conversation="c", system="s" * 5000))
        messages += [response.message, said(f"result {number} " + "x" * 200)]
        sizes.append(path.stat().st_size)
    return sizes, messages


async def test_the_file_grows_with_what_is_said_and_not_with_what_is_sent(tape):
    sizes, _ = await long_conversation(tape, 200)
    early, late = sizes[20] - sizes[10], sizes[190] - sizes[180]
    assert late < 1.1 * early
    assert tape.read_text().count("s" * 5000) == 1


async def test_a_conversation_whose_middle_was_shortened_is_played_too(tape):
    recording = recorder(tape, "1", "2", "3")
    a, b, c, short = said("a"), Message.assistant(TextBlock(text="1")), said("c" * 1000), said("c…")
    requests = [ask(*messages, conversation="x") for messages in ((a,), (a, b, c), (a, b, short, b, a))]
    for request in requests:
        await recording.generate(request)
    replay = ReplayModel(tape)
    assert [(await replay.generate(request)).message.text for request in requests] == ["1", "2", "3"]


async def test_a_file_cut_anywhere_loses_no_complete_call(tape, tmp_path):
    await long_conversation(tape, 3)
    data = tape.read_bytes()
    ends = [number + 1 for number, byte in enumerate(data) if byte == ord("\n")]
    header = ends[0]
    for cut in [*range(header, len(data), 37), *ends]:
        short = tmp_path / "short.jsonl"
        short.write_bytes(data[:cut])
        complete = sum(
            json.loads(line)["kind"] == "call" for line in data[: max(e for e in ends if e <= cut)].splitlines()
        )
        assert len(read_cassette(short).calls) == complete


async def test_recording_goes_on_in_a_file_that_was_cut_off(tape):
    await recorder(tape, "one").generate(ask(said("a"), conversation="x"))
    with tape.open("a") as stream:
        stream.write('{"kind": "call", "thre')
    await recorder(tape, "two", "three").generate(ask(said("b"), conversation="x"))
    replay = ReplayModel(tape, order_patience=AT_ONCE)
    assert (await replay.generate(ask(said("b")))).message.text == "two"
    assert (await replay.generate(ask(said("a")))).message.text == "one"
    replay.assert_done()
    assert [(call.thread, call.began, call.ended) for call in read_cassette(tape).calls] == [(1, 1, 2), (2, 3, 4)]


async def test_a_run_that_begins_in_the_middle_is_found_there(tape):
    _, messages = await long_conversation(tape, 4)
    replay = ReplayModel(tape)
    response = await replay.generate(ask(*messages[:5], conversation="resumed", system="s" * 5000))
    assert response.message.text == "answer 2"
    assert (
        await replay.generate(ask(*messages[:7], conversation="resumed", system="s" * 5000))
    ).message.text == "answer 3"
    replay.assert_done()


async def test_concurrent_calls_are_all_recorded(tape):
    async def late(request):
        for _ in range(int(request.messages[0].text) % 5):
            await asyncio.sleep(0)
        return request.messages[0].text

    recording = recorder(tape, *[late] * 40)
    await asyncio.gather(*(recording.generate(ask(said(str(number)))) for number in range(40)))
    replay = ReplayModel(tape)
    answers = await asyncio.gather(*(replay.generate(ask(said(str(number)))) for number in reversed(range(40))))
    assert [answer.message.text for answer in answers] == [str(number) for number in reversed(range(40))]


async def test_a_cancelled_call_is_not_recorded(tape):
    async def never(_request):
        await asyncio.Event().wait()

    recording = recorder(tape, never, "x")
    call = asyncio.create_task(recording.generate(ask(said("a"))))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await recording.generate(ask(said("b")))
    replay = ReplayModel(tape, order_patience=timedelta(minutes=5))
    assert (await replay.generate(ask(said("b")))).message.text == "x"
    replay.assert_done()


def test_bad_files_are_refused_at_once(tape):
    with pytest.raises(ConfigError, match="there is no cassette"):
        ReplayModel(tape)
    tape.write_text("{}\n")
    with pytest.raises(ConfigError, match="first line must be a header"):
        ReplayModel(tape)
    tape.unlink()
    recorder(tape)
    good = tape.read_text()
    tape.write_text(good + "nonsense\n" + good)
    with pytest.raises(ConfigError, match="damaged in line 2"):
        ReplayModel(tape)
    tape.write_text(good + '{"kind": "call"}\n')
    with pytest.raises(ConfigError, match="damaged"):
        ReplayModel(tape)
    tape.write_text(good)
    with pytest.raises(ConfigError, match="a cassette of model 's', not of 'other'"):
        RecordingModel(ScriptedModel([], "other"), tape)


async def test_the_rest_is_the_models_own(tape):
    class Closing(ScriptedModel):
        closed = False

        def check(self):
            return ("no key",)

        async def aclose(self):
            self.closed = True

    inner = Closing([], "c", capabilities=Capabilities(context_tokens=5))
    recording = RecordingModel(inner, tape)
    assert (recording.name, recording.capabilities, recording.check()) == ("c", inner.capabilities, ("no key",))
    await recording.aclose()
    assert inner.closed


# -- agents and campaigns ----------------------------------------------------------------------------------------------


async def test_an_agent_is_played_again_with_its_tools(tape):
    @tool
    async def add(first: int, second: int) -> str:
        """Add two numbers."""
        return str(first + second)

    def agent(model, tool_=add):
        return agents.Agent(model=model, tools=[tool_])

    steps = (ScriptedModel.call("add", first=1, second=2), "It is 3.")
    live = await agent(recorder(tape, *steps)).run("Add 1 and 2.")
    replay = ReplayModel(tape)
    played = await agent(replay).run("Add 1 and 2.")
    assert (
        (played.text, played.usage)
        == (live.text, live.usage)
        == ("It is 3.", Usage(calls=2, output_tokens=6, cost_usd=1.0))
    )
    replay.assert_done()

    @tool(name="add")
    async def wrong(first: int, second: int) -> str:
        """Add two numbers."""
        return str(first - second)

    with pytest.raises(ReplayMismatch, match=r"(?s)-<- 3\n\+<- -1"):
        await agent(ReplayModel(tape), wrong).run("Add 1 and 2.")


def product(folder, result, campaign):
    """What came of a campaign, but for digests of files that hold times."""
    experiments = [
        (
            each.id,
            each.proposal,
            each.state,
            each.fixes,
            each.failure,
            sorted((score.split, score.seed, str(score.outcome), score.submission) for score in each.scores),
            (folder / f"run/experiments/{each.id}/submission/answer.py").read_text(),
        )
        for each in campaign.experiments()
    ]
    return {
        "experiments": experiments,
        "leaderboards": (result.leaderboard, result.final),
        "best": result.best.id,
        "finalists": [each.id for each in result.finalists],
        "playbook": (folder / "run/playbook.md").read_text(),
        "usage": result.usage,
    }


def refuse_connections(monkeypatch):
    connect = socket.socket.connect

    def refuse(self, address):
        assert self.family == socket.AF_UNIX, f"a replay connects to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


def record(folder, workers):
    """A cassette of a whole campaign, and what came of it."""
    model = RecordingModel(OfflineModel(), folder / "tape.jsonl", folders={"workspace": folder / "run"})
    campaign = make_campaign(folder, models=model, workers=workers)
    return product(folder, campaign.run_sync(), campaign)


def play(folder, tape, *, workers, **options):
    """What comes of a campaign in another folder with the recorded answers."""
    replay = ReplayModel(tape, folders={"workspace": folder / "run"}, **options)
    campaign = make_campaign(folder, models=replay, workers=workers)
    came = product(folder, campaign.run_sync(), campaign)
    replay.assert_done()
    return came


@pytest.mark.slow
def test_a_whole_campaign_is_played_in_another_folder(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    recorded = record(here, workers=2)
    refuse_connections(monkeypatch)
    assert play(there, here / "tape.jsonl", workers=2, compare="course") == recorded


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_with_other_turns_of_the_workers_the_same_is_found_out(tmp_path, workers):
    here, there = tmp_path / "here", tmp_path / "there"
    recorded = record(here, workers=2)
    again = play(there, here / "tape.jsonl", workers=workers, compare="course", order_patience=AT_ONCE)
    assert lessons(again) == lessons(recorded)
    assert {**again, "playbook": ""} == {**recorded, "playbook": ""}


def lessons(product):
    """Without their numbers, which follow the order in which they were written."""
    return sorted(re.sub(r"L-\d+", "L", line) for line in product["playbook"].splitlines())
