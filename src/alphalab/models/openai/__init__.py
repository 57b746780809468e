"""OpenAI's Responses interface."""

from alphalab.models.openai.client import OpenAIModel

__all__ = ["OpenAIModel"]
