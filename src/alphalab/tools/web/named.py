"""Search services by name: where they are, and the keys they want."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from alphalab.errors import ConfigError
from alphalab.tools.web.backends import Arxiv, Brave, SearXNG, SemanticScholar, Tavily
from alphalab.tools.web.service import Pace, Service


@frozen(kw_only=True)
class _Kind:
    """How a named service is made."""

    make: Callable[..., Any]
    title: str
    base_url: str = ""
    """Empty when there is none that everybody uses."""
    key_variable: str = ""
    key_needed: bool = False
    takes_key: bool = True
    refused: str = ""
    gap_s: float = 0.0
    """Seconds between the requests of one machine that the service's terms ask for."""
    header: Callable[[str], dict[str, str]] = field(default=lambda key: {"Authorization": f"Bearer {key}"})


KINDS: dict[str, _Kind] = {
    "searxng": _Kind(
        make=SearXNG,
        title="SearXNG",
        refused="it may not offer JSON, which 'json' below search.formats in its settings.yml changes",
    ),
    "arxiv": _Kind(make=Arxiv, title="arXiv", base_url="https://export.arxiv.org", takes_key=False, gap_s=3.0),
    "semanticscholar": _Kind(
        make=SemanticScholar,
        title="Semantic Scholar",
        base_url="https://api.semanticscholar.org",
        key_variable="S2_API_KEY",
        header=lambda key: {"x-api-key": key},
        gap_s=1.0,
    ),
    "brave": _Kind(
        make=Brave,
        title="Brave",
        base_url="https://api.search.brave.com",
        key_variable="BRAVE_API_KEY",
        key_needed=True,
        header=lambda key: {"X-Subscription-Token": key},
    ),
    "tavily": _Kind(
        make=Tavily,
        title="Tavily",
        base_url="https://api.tavily.com",
        key_variable="TAVILY_API_KEY",
        key_needed=True,
    ),
}
"""Services by the name that a caller gives."""
PACES = {name: Pace(gap_s=kind.gap_s) for name, kind in KINDS.items() if kind.gap_s}
"""Shared by all tools of this process."""


def named_backend(name: str, *, base_url: str | None, api_key: str | None) -> Any:
    """The service behind a name.

    Args:
        name: One of `KINDS`.
        base_url: Where it is; None for its usual place.
        api_key: None for what the service's environment variable holds.

    Raises:
        ConfigError: The name is unknown, or a key or an address is missing; all problems together.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise ConfigError(f"search backend {name!r} is unknown; use one of provider, {', '.join(KINDS)}, or an object")
    key = (api_key or os.environ.get(kind.key_variable or "", "") or "").strip()
    problems = list[str]()
    if not (base_url or kind.base_url):
        problems.append(f"there is no usual {kind.title}; pass base_url, e.g. 'http://localhost:8888'")
    elif base_url and not _is_address(base_url):
        problems.append("base_url must be http:// or https:// and a host, with no query")
    if kind.key_needed and not key:
        problems.append(f"{kind.key_variable} is not set; set it to a key, or pass api_key")
    if api_key and not kind.takes_key:
        problems.append(f"{kind.title} has no keys; leave api_key out")
    if not (key.isascii() and key.isprintable()) or " " in key:  # the HTTP client would show it in its error
        problems.append(f"the key ({kind.key_variable or 'api_key'}) holds characters that no key has; copy it again")
    if problems:
        raise ConfigError.of(f"web_search({name!r})", problems)
    service = Service(
        name=kind.title,
        base_url=base_url or kind.base_url,
        key_variable=kind.key_variable,
        headers=kind.header(key) if key else {},
        refused=kind.refused,
        pace=None if base_url else PACES.get(name),
    )
    return kind.make(service=service)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query and parts.port != 0
    except ValueError:
        return False
