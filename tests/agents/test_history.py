"""A conversation stays valid whatever happens to it."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from alphalab.agents import History
from alphalab.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock


def use(number, name="t"):
    return ToolUseBlock(id=f"u{number}", name=name, input={})


def result(number, *, failed=False):
    return ToolResultBlock(tool_use_id=f"u{number}", content=(TextBlock(text="ok"),), is_error=failed)


def assert_valid(messages):
    assert all(message.content for message in messages)
    assert all(a.role != b.role for a, b in itertools.pairwise(messages))
    for message, after in zip(messages, (*messages[1:], None), strict=True):
        wanted = [block.id for block in message.tool_uses]
        if wanted:
            assert after is not None
            answered = [block.tool_use_id for block in after.content if isinstance(block, ToolResultBlock)]
            assert answered == wanted


@given(st.lists(st.sampled_from(["say", "answer", "call", "record", "close"]), max_size=30), st.randoms())
def test_valid_at_every_moment(actions, random):
    history, number, seen = History(), 0, []
    history.say("start")
    history.on_message = seen.append
    pending = []
    for action in actions:
        ends_with_user = history.messages[-1].role == "user"
        if action == "say":
            history.say("words")
            pending = []
        elif action == "answer" and ends_with_user and not pending:
            history.answer(Message.assistant(TextBlock(text="text")))
        elif action == "call" and ends_with_user and not pending:
            pending = list(range(number, number + random.randint(1, 3)))
            number += len(pending)
            history.answer(Message.assistant(*map(use, pending)))
        elif action == "record" and pending:
            history.record(result(random.choice(pending)))
        elif action == "close":
            history.close()
            pending = []
        assert_valid(history.messages)


def test_calls_are_counted_with_the_turn_in_progress():
    history = History()
    history.say("go")
    history.answer(Message.assistant(use(1, "score"), use(2, "score"), use(3, "read")))
    history.record(result(1))
    history.record(result(2, failed=True))
    assert history.calls("score") == 1
    assert history.calls("score", failed=True) == 2
    assert history.calls("read") == 0
    assert history.messages[-1].content[2].is_error
    history.say("next")
    assert history.calls("score") == 1
    assert history.calls("read", failed=True) == 1
    assert [block.text for block in history.messages[-1].content][-1] == "next"


def test_ids_that_a_provider_uses_again_are_counted_apart():
    history = History()
    history.say("go")
    for name in ("a", "b"):
        history.answer(Message.assistant(use(1, name)))
        history.record(result(1))
        history.close()
    assert (history.calls("a"), history.calls("b")) == (1, 1)


def test_each_message_is_told_once_when_complete():
    seen = []
    history = History(on_message=seen.append)
    history.say("go")
    history.answer(Message.assistant(use(1)))
    history.record(result(1))
    assert len(seen) == 2
    history.close()
    history.close()
    assert tuple(seen) == history.messages


def test_a_conversation_can_be_taken_up_again():
    history = History(messages=[Message.user("a"), Message.assistant(use(1))])
    history.say("b")
    assert_valid(history.messages)
    assert [message.role for message in history.messages] == ["user", "assistant", "user"]
