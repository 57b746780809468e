"""The suite for models, run on the three clients through their real SDKs."""

import os

import pytest

from alphalab.models.anthropic import AnthropicModel
from alphalab.models.openai import OpenAIModel
from alphalab.models.openai_chat import OpenAIChatModel
from alphalab.testing.model_suite import ModelSuite


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
