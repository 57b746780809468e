"""The suite for models, run on the three clients through their real SDKs."""

import asyncio
import os

import pytest
from attrs import evolve

from alphalab.errors import ModelUnavailable
from alphalab.models.anthropic import AnthropicModel
from alphalab.models.openai import OpenAIModel
from alphalab.models.openai_chat import OpenAIChatModel
from alphalab.models.wire.transport import Transport
from alphalab.testing.model_fault_suite import HELLO
from alphalab.testing.model_suite import ModelSuite
from alphalab.testing.wire import Answer, Drip, Silence, WireServer


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "ANTHROPIC_"))]:
        monkeypatch.delenv(name)


class TestAnthropic(ModelSuite):
    wire_format = "anthropic"

    @pytest.fixture
    def make_client(self):
        return lambda base_url, key: AnthropicModel("m", base_url=base_url, api_key=key)


class TestResponses(ModelSuite):
    wire_format = "openai"

    @pytest.fixture
    def make_client(self):
        return lambda base_url, key: OpenAIModel("m", base_url=base_url, api_key=key)


class TestChat(ModelSuite):
    wire_format = "openai-chat"

    @pytest.fixture
    def make_client(self):
        return lambda base_url, key: OpenAIChatModel("m", base_url=base_url, api_key=key)


FORMATS = {"anthropic": AnthropicModel, "openai": OpenAIModel, "openai-chat": OpenAIChatModel}


@pytest.mark.parametrize("after_events", [0, 2])
@pytest.mark.parametrize("provider", FORMATS)
async def test_a_server_that_falls_silent_is_left_after_a_while(provider, after_events):
    async with WireServer(respond=lambda _: Answer(), faults={0: Silence(after_events=after_events)}) as server:
        model = FORMATS[provider]("m", base_url=server.base_url(provider), api_key=server.key)
        model._transport = Transport(endpoint=evolve(model._site.endpoint(), idle_s=0.2))
        with pytest.raises(ModelUnavailable, match=r"sent nothing for 0\.2 s"):
            await model.generate(HELLO)
        async with asyncio.timeout(5):
            while not server.gone:  # noqa: ASYNC110 - what the server keeps are lists
                await asyncio.sleep(0.005)
        assert (await model.generate(HELLO)).message.text == "ok"
        await model.aclose()


@pytest.mark.parametrize("provider", FORMATS)
async def test_a_stream_that_drips_on_for_ever_ends_too(provider):
    async with WireServer(respond=lambda _: Answer(), faults={0: Drip(pause_s=0.02, size=1)}) as server:
        model = FORMATS[provider]("m", base_url=server.base_url(provider), api_key=server.key)
        model._transport = Transport(endpoint=evolve(model._site.endpoint(), whole_s=0.3))
        with pytest.raises(ModelUnavailable, match=r"still writing after 0\.3 s"):
            await model.generate(HELLO)
        assert (await model.generate(HELLO)).message.text == "ok"
        await model.aclose()
