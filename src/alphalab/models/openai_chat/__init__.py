"""Chat Completions, the interface that most servers of open models speak, too."""

from alphalab.models.openai_chat.client import OpenAIChatModel

__all__ = ["OpenAIChatModel"]
