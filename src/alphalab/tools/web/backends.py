"""Search services, each as one class with a `search`.

Sources: SearXNG, "Search API"; arXiv, "API User's Manual"; Semantic Scholar, "Academic Graph API"; Brave, "Web Search
API"; Tavily, "Search".
"""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any, cast
from xml.etree import ElementTree as ET

from attrs import frozen

from alphalab.errors import ToolError
from alphalab.tools.web.service import Service

_ATOM = "{http://www.w3.org/2005/Atom}"
_TAGS = re.compile(r"</?[a-zA-Z][^<>]*>")  # and not what stands between two comparisons
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
        found = _objects(
            self.service, await self.service.get("/search", q=query, format="json"), "results", whole="results"
        )
        return tuple(_hit(each, text="content", date="publishedDate") for each in found[:limit])


@frozen(kw_only=True)
class Arxiv:
    """Preprints of arXiv."""

    service: Service

    async def search(self, query: str, limit: int) -> tuple[Hit, ...]:
        """The most relevant preprints for a query's words."""
        words = arxiv_query(query)
        if not words:
            raise ToolError(f"the query {query!r} has no words; give a few")
        body = await self.service.get("/api/query", search_query=words, max_results=limit, sortBy="relevance")
        if b"<!DOCTYPE" in body or b"<!ENTITY" in body:  # entities may expand without end
            raise ToolError(f"{self.service.name} answered with a document type, which its format does not have")
        try:
            feed = ET.fromstring(body)  # noqa: S314 - without a document type there are no entities to expand
        except ET.ParseError as error:
            raise ToolError(f"{self.service.name} answered with no Atom feed ({error}); try again later") from error
        if (feed.tag, feed.findtext(f"{_ATOM}entry/{_ATOM}title")) == (f"{_ATOM}feed", "Error"):  # with status 200
            raise ToolError(f"{self.service.name} does not understand the query; use fewer, plainer words")
        return tuple(
            Hit(
                title=_one_line(_child(entry, "title")),
                url=_child(entry, "id").strip(),
                snippet=_one_line(_child(entry, "summary"))[:_SNIPPET],
                published=_child(entry, "published")[:10],
            )
            for entry in feed.iter(f"{_ATOM}entry")
        )


_FIELDS = re.compile(r"\b(?:ti|au|abs|co|jr|cat|rn|id|all):")
_OPERATORS = frozenset({"AND", "OR", "ANDNOT"})


def arxiv_query(words: str) -> str:
    """Words in arXiv's own language, which ORs words without a field; a query that is written in it stays as it is."""
    if _FIELDS.search(words):
        return words
    found, operator = "", "AND"
    for each in re.findall(r'"[^"]*\w[^"]*"|[\w-]*\w', words):
        if each in _OPERATORS:
            operator = each
        else:
            found, operator = f"{found} {operator} all:{each}" if found else f"all:{each}", "AND"
    return found


@frozen(kw_only=True)
class SemanticScholar:
    """Papers with their abstracts; works without a key, more slowly."""

    service: Service

    async def search(self, query: str, limit: int) -> tuple[Hit, ...]:
        """The most relevant papers."""
        fields = "title,url,abstract,publicationDate,year"
        plain = query.replace("-", " ")  # "Hyphenated query terms yield no matches"
        body = await self.service.get("/graph/v1/paper/search", query=plain, limit=limit, fields=fields)
        found = _objects(self.service, body, "data", whole="total")
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
        found = _objects(self.service, body, "web", "results", whole="type")
        return tuple(_hit(each, text="description", date="page_age") for each in found[:limit])


@frozen(kw_only=True)
class Tavily:
    """Tavily's search for agents."""

    service: Service

    async def search(self, query: str, limit: int) -> tuple[Hit, ...]:
        """The first hits of a query."""
        body = await self.service.post("/search", {"query": query, "max_results": min(limit, 20)})
        found = _objects(self.service, body, "results", whole="results")
        return tuple(_hit(each, text="content", date="published_date") for each in found[:limit])


def _objects(service: Service, body: bytes, *path: str, whole: str) -> list[dict[str, Any]]:
    """The list of hits in a JSON answer.

    Args:
        service: Whose answer it is.
        body: The answer.
        path: Where the list is.
        whole: What an answer holds that found nothing, where the list may be left out.
    """
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ToolError(f"{service.name} answered with no JSON; try again later") from error
    found = answer
    for name in path:
        found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
    if isinstance(found, list):
        return [cast("dict[str, Any]", each) for each in cast("list[Any]", found) if isinstance(each, dict)]
    if isinstance(answer, dict) and found is None and whole in answer:
        return []
    where = ".".join(path)
    raise ToolError(f"{service.name} answered without {where!r}; its address {service.address!r} may be wrong")


def _hit(each: dict[str, Any], *, text: str, date: str) -> Hit:
    def said(name: str) -> str:
        return _one_line(unescape(_TAGS.sub("", str(each.get(name) or ""))))

    return Hit(title=said("title"), url=said("url"), snippet=said(text)[:_SNIPPET], published=said(date)[:10])


def _child(entry: ET.Element, name: str) -> str:
    return entry.findtext(f"{_ATOM}{name}") or ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
