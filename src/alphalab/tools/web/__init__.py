"""Reading and searching the web."""

from alphalab.tools.web.backends import Hit
from alphalab.tools.web.fetch import fetch_url
from alphalab.tools.web.search import SearchBackend, web_search

__all__ = ["Hit", "SearchBackend", "fetch_url", "web_search"]
