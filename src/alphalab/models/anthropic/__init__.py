"""Anthropic's Messages interface."""

from alphalab.models.anthropic.client import AnthropicModel

__all__ = ["AnthropicModel"]
