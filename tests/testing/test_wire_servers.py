import anthropic
import openai
import pytest

from alphalab.testing.wire import Answer, Call, Say, Status, Think, WireServer

TURN = Answer(content=(Think("hm"), Say("hello world"), Call("look", {"at": "it"}), Call("none")), reasoning_tokens=3)


async def test_anthropics_typed_client_reads_a_stream():
    async with WireServer(respond=[TURN]) as server:
        client = anthropic.AsyncAnthropic(base_url=server.base_url("anthropic"), api_key=server.key, max_retries=0)
        ask = [{"role": "user", "content": "hi"}]
        async with client, client.messages.stream(model="x", max_tokens=99, messages=ask) as stream:
            message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert [block.input for block in message.content[2:]] == [{"at": "it"}, {}]
    assert (message.content[0].thinking, message.content[1].text) == ("hm", "hello world")
    assert message.stop_reason == "tool_use"


async def test_openais_typed_client_reads_a_stream_of_responses():
    async with WireServer(respond=[TURN]) as server:
        client = openai.AsyncOpenAI(base_url=server.base_url("openai"), api_key=server.key, max_retries=0)
        async with client, client.responses.stream(model="x", input="hi") as stream:
            response = await stream.get_final_response()
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call", "function_call"]
    assert response.output_text == "hello world"
    assert [item.arguments for item in response.output[2:]] == ['{"at": "it"}', "{}"]


async def test_openais_typed_client_reads_a_stream_of_chunks():
    async with WireServer(respond=[TURN]) as server:
        client = openai.AsyncOpenAI(base_url=server.base_url("openai-chat"), api_key=server.key, max_retries=0)
        async with (
            client,
            client.chat.completions.stream(
                model="x", messages=[{"role": "user", "content": "hi"}], stream_options={"include_usage": True}
            ) as stream,
        ):
            done = await stream.get_final_completion()
    message = done.choices[0].message
    assert (message.content, done.choices[0].finish_reason) == ("hello world", "tool_calls")
    assert [call.function.arguments for call in message.tool_calls] == ['{"at": "it"}', "{}"]
    assert done.usage.completion_tokens_details.reasoning_tokens == 3


async def test_a_wrong_key_and_an_unanswered_call_are_refused():
    call = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    ask = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": "?"},
    ]
    async with WireServer(respond=[], faults={2: Status(429, headers={"retry-after": "2"})}) as server:
        url = server.base_url("anthropic")
        async with anthropic.AsyncAnthropic(base_url=url, api_key="wrong", max_retries=0) as client:
            with pytest.raises(anthropic.AuthenticationError):
                await client.messages.create(model="x", max_tokens=9, messages=ask)
        async with anthropic.AsyncAnthropic(base_url=url, api_key=server.key, max_retries=0) as client:
            with pytest.raises(anthropic.BadRequestError, match="without `tool_result`"):
                await client.messages.create(model="x", max_tokens=9, messages=ask)
            with pytest.raises(anthropic.RateLimitError) as caught:
                await client.messages.create(model="x", max_tokens=9, messages=ask)
    assert caught.value.response.headers["retry-after"] == "2"
