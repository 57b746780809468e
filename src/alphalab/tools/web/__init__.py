"""Reading the web."""

from alphalab.tools.web.fetch import fetch_url

__all__ = ["fetch_url"]
