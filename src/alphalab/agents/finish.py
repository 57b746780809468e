"""The tool that ends a run."""

from __future__ import annotations

from alphalab.tools import tool


@tool(name="finish")
async def finish(summary: str) -> str:
    """End the work. Call it alone, when everything asked for is done.

    Args:
        summary: What was done, what came out, and what is left open.
    """
    return summary
