"""Search services, each as one class with a `search`.

Sources: SearXNG, "Search API"; arXiv, "API User's Manual"; Semantic Scholar, "Academic Graph API"; Brave, "Web Search
API"; Tavily, "Search".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any, cast
from xml.etree import ElementTree as ET

from attrs import field, frozen

from alphalab.errors import ConfigError, ToolError
from alphalab.tools.web.service import Service

_ATOM = "{http://www.w3.org/2005/Atom}"
_TAGS = re.compile(r"<[^>]+>")
_SNIPPET = 600
"""Characters of a hit's text."""


@frozen(kw_only=True)
class Hit:
    """One thing that was found."""

    title: str
    url: str
    snippet: str = ""
    published: str = ""
    """As the service says it, mostly `YYYY-MM-DD`; empty when it does not."""


@frozen(kw_only=True)
class SearXNG:
    """A SearXNG instance that allows the JSON format."""

    service: Service

    async def search(self, query: str, limit: int) -> tuple[Hit, ...]:
        """The first hits of a query."""
        found = _objects(self.service, await self.service.get("/search", q=query, format="json"), "results")
        return tuple(_hit(each, text="content", date="publishedDate") for each in found[:limit])


@frozen(kw_only=True)
class Arxiv:
    """Preprints of arXiv."""

    service: Service

    async def search(self, query: str, limit: int) -> tuple[Hit, ...]:
        """The most relevant preprints for a query's words."""
        words = " AND ".join(f"all:{word}" for word in re.findall(r"[\w-]+", query)) or "all:none"
        body = await self.service.get("/api/query", search_query=words, max_results=limit, sortBy="relevance")
        if b"<!DOCTYPE" in body or b"<!ENTITY" in body:  # entities may expand without end
            raise ToolError(f"{self.service.name} answered with a document type, which its format does not have")
        try:
            feed = ET.fromstring(body)  # noqa: S314 - without a document type there are no entities to expand
        except ET.ParseError as error:
            raise ToolError(f"{self.service.name} answered with no Atom feed ({error}); try again later") from error
        return tuple(
            Hit(
                title=_one_line(_child(entry, "title")),
                url=_child(entry, "id").strip(),
                snippet=_one_line(_child(entry, "summary"))[:_SNIPPET],
                published=_child(entry, "published")[:10],
            )
            for entry in feed.iter(f"{_ATOM}entry")
        )


@frozen(kw_only=True)
class SemanticScholar:
    """Papers with their abstracts; works without a key, more slowly."""

    service: Service

    async def search(self, query: str, limit: int) -> tuple[Hit, ...]:
        """The most relevant papers."""
        fields = "title,url,abstract,publicationDate,year"
        body = await self.service.get("/graph/v1/paper/search", query=query, limit=limit, fields=fields)
        found = _objects(self.service, body, "data")
        return tuple(
            _hit({**each, "date": each.get("publicationDate") or each.get("year")}, text="abstract", date="date")
            for each in found[:limit]
        )


@frozen(kw_only=True)
class Brave:
    """Brave's index of the web."""

    service: Service

    async def search(self, query: str, limit: int) -> tuple[Hit, ...]:
        """The first hits of a query."""
        body = await self.service.get("/res/v1/web/search", q=query, count=min(limit, 20))
        found = _objects(self.service, body, "web", "results")
        return tuple(_hit(each, text="description", date="page_age") for each in found[:limit])


@frozen(kw_only=True)
class Tavily:
    """Tavily's search for agents."""

    service: Service

    async def search(self, query: str, limit: int) -> tuple[Hit, ...]:
        """The first hits of a query."""
        body = await self.service.post("/search", {"query": query, "max_results": min(limit, 20)})
        found = _objects(self.service, body, "results")
        return tuple(_hit(each, text="content", date="published_date") for each in found[:limit])


@frozen(kw_only=True)
class _Kind:
    """How a named service is made."""

    make: Callable[..., Any]
    title: str
    base_url: str = ""
    """Empty when there is none that everybody uses."""
    key_variable: str = ""
    key_needed: bool = False
    header: Callable[[str], dict[str, str]] = field(default=lambda key: {"Authorization": f"Bearer {key}"})


KINDS: dict[str, _Kind] = {
    "searxng": _Kind(make=SearXNG, title="SearXNG"),
    "arxiv": _Kind(make=Arxiv, title="arXiv", base_url="https://export.arxiv.org"),
    "semanticscholar": _Kind(
        make=SemanticScholar,
        title="Semantic Scholar",
        base_url="https://api.semanticscholar.org",
        key_variable="S2_API_KEY",
        header=lambda key: {"x-api-key": key},
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
    if kind.key_needed and not key:
        problems.append(f"{kind.key_variable} is not set; set it to a key, or pass api_key")
    if problems:
        raise ConfigError.of(f"web_search({name!r})", problems)
    service = Service(
        name=kind.title,
        base_url=base_url or kind.base_url,
        key_variable=kind.key_variable,
        headers=kind.header(key) if key else {},
    )
    return kind.make(service=service)


def _objects(service: Service, body: bytes, *path: str) -> list[dict[str, Any]]:
    """The list of hits in a JSON answer; no list means that nothing was found."""
    try:
        found: Any = json.loads(body)
    except ValueError as error:
        raise ToolError(f"{service.name} answered with no JSON: {body[:100]!r}; try again later") from error
    for name in path:
        found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
    listed = cast("list[Any]", found) if isinstance(found, list) else []
    return [cast("dict[str, Any]", each) for each in listed if isinstance(each, dict)]


def _hit(each: dict[str, Any], *, text: str, date: str) -> Hit:
    def said(name: str) -> str:
        return _one_line(_TAGS.sub("", str(each.get(name) or "")))

    return Hit(title=said("title"), url=said("url"), snippet=said(text)[:_SNIPPET], published=said(date)[:10])


def _child(entry: ET.Element, name: str) -> str:
    return entry.findtext(f"{_ATOM}{name}") or ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
