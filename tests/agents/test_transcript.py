"""Transcripts: complete, one message a line, without secrets, and readable after a kill."""

import json

from hypothesis import given
from hypothesis import strategies as st

from alphalab._clock import ManualClock
from alphalab._redaction import REDACTED, Redaction
from alphalab.agents import Agent, read_transcript, transcript_messages
from alphalab.agents.transcript import Transcript
from alphalab.messages import ImageBlock, Message, TextBlock, Usage
from alphalab.models import ScriptedModel
from alphalab.tools import tool

call = ScriptedModel.call


@tool
async def leak(text: str) -> str:
    """Say it."""
    return text


async def test_every_message_is_there(tmp_path):
    path = tmp_path / "deep/t.jsonl"
    subject = Agent(
        model=ScriptedModel([call("leak", text="a\u2028b"), "end"]),
        tools=[leak],
        transcript=path,
        clock=ManualClock(),
        instructions="Be.",
        labels={"phase": "explore"},
    )
    result = await subject.run("q")
    header, *messages, end = read_transcript(path)
    assert (header["kind"], header["model"], header["tools"], header["system"]) == (
        "header",
        "scripted",
        ["leak"],
        "Be.",
    )
    assert header["labels"] == {"role": "agent", "agent": "agent", "phase": "explore"}
    assert header["at"] == "2026-01-01T00:00:00+00:00"
    assert [line["kind"] for line in messages] == ["message", "message", "result", "message", "message"]
    assert (end["stop_reason"], end["turns"], end["usage"]["calls"]) == ("text", 2, 2)
    assert transcript_messages(path) == result.messages


async def test_lines_are_written_before_the_next_step(tmp_path):
    path = tmp_path / "t.jsonl"
    seen = []

    def look(_request):
        seen.append([line["kind"] for line in read_transcript(path)])
        return "end"

    await Agent(model=ScriptedModel([call("leak", text="a"), look]), tools=[leak], transcript=path).run("q")
    assert seen == [["header", "message", "message", "result", "message"]]


async def test_secrets_are_taken_out_of_transcript_and_events(tmp_path, monkeypatch):
    secret = 'pa"ss-word\\1'
    monkeypatch.setenv("SERVICE_API_KEY", secret)
    key = "sk-" + "a1B2" * 10
    events = []
    subject = Agent(
        model=ScriptedModel([call("leak", text=f"{secret} {key}"), f"it is {secret}"]),
        tools=[leak],
        transcript=tmp_path / "t.jsonl",
        emit=events.append,
    )
    result = await subject.run(f"use {secret}")
    text = (tmp_path / "t.jsonl").read_text()
    assert secret not in text
    assert json.dumps(secret)[1:-1] not in text
    assert key not in text
    assert text.count(REDACTED) >= 5
    assert not any(secret in repr(event) or key in repr(event) for event in events[1:])
    assert secret in result.text


def test_which_variables_are_secret():
    environment = {
        "A_API_KEY": "12345678",
        "HF_TOKEN": "abcdefgh",
        "SHORT_KEY": "1234",
        "KEYBOARD": "not-secret-at-all",
        "SSH_KEY": "/home/me/.ssh/id_rsa",
        "db_password": "hunter2hunter2",
    }
    redaction = Redaction.of_environment(environment)
    assert set(redaction.secrets) == {"12345678", "abcdefgh", "hunter2hunter2"}
    assert redaction.text("Authorization: Bearer abcdefghijklmnopqrstuvwxyz") == f"Authorization: Bearer {REDACTED}"
    picture = {"type": "image", "data": "12345678", "extra": {"note": "12345678"}}
    assert redaction.json([picture]) == [{"type": "image", "data": "12345678", "extra": {"note": REDACTED}}]


def test_a_killed_run_costs_one_line_at_most(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"kind": "header"}\n{"kind": "message", "mess')
    transcript = Transcript(path=path, clock=ManualClock())
    transcript.header(agent="a", role="r", model="m", labels={}, tools=[], system="")
    transcript.message(Message.user("\ud800 broken"))
    transcript.message(Message.assistant(TextBlock(text="hi")))
    transcript.end("text", turns=1, usage=Usage())
    assert [line["kind"] for line in read_transcript(path)] == ["header", "header", "message", "message", "end"]
    assert transcript_messages(path)[1].text == "hi"


@given(text=st.text(), data=st.binary(max_size=50))
def test_messages_survive(tmp_path_factory, text, data):
    path = tmp_path_factory.mktemp("t") / "t.jsonl"
    transcript = Transcript(path=path, clock=ManualClock(), redaction=Redaction(()))
    picture = ImageBlock(data=data, media_type="image/png", width=1, height=1)
    message = Message(role="user", content=(TextBlock(text=text), picture))
    transcript.message(message)
    assert transcript_messages(path) == (message,)


async def test_what_a_model_writes_beyond_json_does_not_stop_the_run(tmp_path):
    events = []
    subject = Agent(
        model=ScriptedModel([call("leak", text="half \ud83d"), call("leak", text=float("nan")), "end"]),
        tools=[leak],
        transcript=tmp_path / "t.jsonl",
        emit=events.append,
    )
    result = await subject.run("q")
    assert result.stop_reason == "text"
    repr(events).encode()
    lines = read_transcript(tmp_path / "t.jsonl")
    assert lines[2]["message"]["content"][0]["input"] == {"text": "half ?"}
    assert lines[5]["message"]["content"][0]["input"] == {"text": "nan"}
