"""Tools: what a model may do."""

from alphalab.errors import ToolError
from alphalab.tools.ask import Asker, ask_human, console_asker
from alphalab.tools.base import Tool, ToolContext, ToolFunction, ToolOutput, tool
from alphalab.tools.collection import check_tools, file_tools
from alphalab.tools.files import edit_file, list_files, read_file, write_file
from alphalab.tools.images import view_image
from alphalab.tools.output import shorten
from alphalab.tools.search import grep
from alphalab.tools.shell import shell
from alphalab.tools.subagent import spawn_agent
from alphalab.tools.web import Hit, SearchBackend, fetch_url, web_search

__all__ = [
    "Asker",
    "Hit",
    "SearchBackend",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolFunction",
    "ToolOutput",
    "ask_human",
    "check_tools",
    "console_asker",
    "edit_file",
    "fetch_url",
    "file_tools",
    "grep",
    "list_files",
    "read_file",
    "shell",
    "shorten",
    "spawn_agent",
    "tool",
    "view_image",
    "web_search",
    "write_file",
]
