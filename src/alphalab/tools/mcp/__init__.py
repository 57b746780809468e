"""Tools of servers that speak the Model Context Protocol."""

from alphalab.tools.mcp.offer import mcp_tools
from alphalab.tools.mcp.server import McpServer

__all__ = ["McpServer", "mcp_tools"]
