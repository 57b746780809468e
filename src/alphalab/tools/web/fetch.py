"""Reading a page of the public web, without being led inside: every hop is resolved, judged and connected to by us."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from attrs import define, field, frozen

from alphalab._version import __version__
from alphalab.errors import ConfigError, ToolError
from alphalab.tools.base import Tool, ToolContext, tool
from alphalab.tools.output import show
from alphalab.tools.untrusted import untrusted
from alphalab.tools.web.addresses import Address, Resolver, checked_addresses, parsed, shown, system_resolver
from alphalab.tools.web.documents import Document, kind_named, read_document

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 20_000_000
"""Bytes of a document after decompression; papers with pictures stay below it."""
TIME_LIMIT_S = 60.0
HOPS = 8
"""Redirects that are followed; browsers follow 20, real pages need one or two."""
TRIED = 3
"""Addresses of one name that are tried."""
CONNECT_S = 10.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/pdf,text/*;q=0.9,application/json;q=0.9,*/*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"alphalab/{__version__}",
}
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""Those that httpx2 unpacks in pieces of bounded size; chains of them are refused."""


def fetch_url(*, allow_private: bool = False, max_bytes: int = MAX_BYTES, time_limit_s: float = TIME_LIMIT_S) -> Tool:
    """A tool that reads a web page, PDF or text file.

    Args:
        allow_private: Also visit loopback and private addresses, e.g. a wiki inside a company. Link-local, multicast
            and cloud metadata addresses stay refused.
        max_bytes: Largest document after decompression, in bytes.
        time_limit_s: For all of one call, redirects and reading included, in seconds.

    Raises:
        ConfigError: A limit is not positive.
    """
    return tool_of(Fetcher(allow_private=allow_private, max_bytes=max_bytes, time_limit_s=time_limit_s))


def tool_of(fetcher: Fetcher) -> Tool:
    """The tool that a fetcher is to a model."""

    # The outer limit is only for what a cancelled call leaves undone.
    @tool(parallel=True, time_limit_s=fetcher.time_limit_s + 30)
    async def fetch_url(ctx: ToolContext, url: str) -> str:
        """Read a web page, PDF, or text, JSON or CSV file on the public web; a long one is shown in part.

        Args:
            url: Starting with http:// or https://.
        """
        address, document = await fetcher.fetch(url)
        text = f"Title: {document.title}\n\n{document.text}" if document.title else document.text
        note = f"\n[{document.note}]" if document.note else ""
        return show(ctx, "fetch_url", untrusted(text, source=address)) + note

    return fetch_url


@frozen(kw_only=True)
class Answer:
    """What came back from one hop."""

    data: bytes = b""
    content_type: str = ""
    location: str | None = None
    """Where it sends us instead."""


@define(kw_only=True, eq=False)
class Fetcher:
    """Fetches documents within limits."""

    allow_private: bool = False
    max_bytes: int = MAX_BYTES
    time_limit_s: float = TIME_LIMIT_S
    resolve: Resolver = system_resolver
    tls: ssl.SSLContext | None = field(default=None)
    """Whom to believe about a site's name; None means the system's authorities."""

    def __attrs_post_init__(self) -> None:
        limits = {"max_bytes": self.max_bytes, "time_limit_s": self.time_limit_s}
        problems = [f"{name} is {value!r}; it must be positive" for name, value in limits.items() if not value > 0]
        if problems:
            raise ConfigError.of("fetch_url", problems)

    async def fetch(self, url: str) -> tuple[str, Document]:
        """Where a document is in the end, and what it says.

        Raises:
            ToolError: It may not be visited, could not be fetched within the limits, or cannot be read as text.
        """
        try:
            async with asyncio.timeout(self.time_limit_s):
                end = asyncio.get_running_loop().time() + self.time_limit_s
                address, answer = await self._followed(parsed(url))
                left = end - asyncio.get_running_loop().time()
                found = await read_document(answer.data, answer.content_type, address=address, seconds=left * 0.9 - 0.5)
        except TimeoutError as error:
            raise ToolError(f"{shown(url)} took longer than {self.time_limit_s:g} s; try another source") from error
        return address, found

    async def _followed(self, url: httpx2.URL) -> tuple[str, Answer]:
        visited: list[str] = []
        while len(visited) <= HOPS:
            visited.append(str(url))
            answer = await self._hop(url)
            if answer.location is None:
                return str(url), answer
            url = _next(url, answer.location)
            if str(url) in visited:
                raise ToolError(f"{shown(visited[0])} redirects in a circle, back to {shown(url)}; it may want a login")
        raise ToolError(f"{shown(visited[0])} redirects more than {HOPS} times; the last was to {shown(url)}")

    async def _hop(self, url: httpx2.URL) -> Answer:
        import httpx2  # noqa: PLC0415 - the HTTP client of the model SDKs, loaded when it is needed

        port = url.port or (443 if url.scheme == "https" else 80)
        host = _host(url)
        addresses = await checked_addresses(host, port, self.resolve, allow_private=self.allow_private)
        failed: httpx2.HTTPError | None = None
        for address in addresses[:TRIED]:
            try:
                async with self._response(url, address) as response:
                    return await self._answer(url, response)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failed = error
            except httpx2.HTTPError as error:
                raise ToolError(f"{shown(url)} could not be fetched: {_told(error)}") from error
        raise ToolError(f"{host!r} cannot be connected to at {addresses[0]} port {port}: {_told(failed)}") from failed

    @asynccontextmanager
    async def _response(self, url: httpx2.URL, address: Address) -> AsyncGenerator[httpx2.Response]:
        """The answer of exactly this address, asked under the URL's name.

        The URL that goes to the client holds the address, so that nothing is resolved a second time with another
        result; the `Host` header and the name in TLS, which the certificate must be for, stay those of the URL. One
        client a hop: no connection is shared between names, no cookie goes along.
        """
        import httpx2  # noqa: PLC0415 - as above

        # Without trust_env a proxy or ~/.netrc from the environment would come in: a proxy resolves names itself, past
        # the check, and a stranger's page is no place for a password.
        client = httpx2.AsyncClient(
            trust_env=False,
            verify=self.tls or _authorities(),
            follow_redirects=False,
            timeout=httpx2.Timeout(self.time_limit_s, connect=min(CONNECT_S, self.time_limit_s)),
        )
        asked = client.build_request(
            "GET",
            url.copy_with(host=str(address)),
            headers=_HEADERS | {"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": _host(url).removesuffix(".")},
        )
        async with client, aclosing(await client.send(asked, stream=True)) as response:
            yield response

    async def _answer(self, url: httpx2.URL, response: httpx2.Response) -> Answer:
        status, headers = response.status_code, response.headers
        if status in _REDIRECTS and "location" in headers:
            return Answer(location=headers["location"])
        if not response.is_success:
            raise ToolError(f"{shown(url)} answers {status} {_phrase(status)}")
        content_type = headers.get("content-type", "")
        kind_named(content_type)  # a film is refused before it is loaded
        if headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
            raise ToolError(f"{shown(url)} is packed as {headers['content-encoding'][:100]!r}, which was not asked for")
        return Answer(data=await self._body(url, response), content_type=content_type)

    async def _body(self, url: httpx2.URL, response: httpx2.Response) -> bytes:
        data = bytearray()
        async with aclosing(response.aiter_bytes()) as pieces:
            async for piece in pieces:
                data += piece
                if len(data) > self.max_bytes:
                    raise ToolError(f"{shown(url)} is larger than {self.max_bytes} bytes; look for a smaller version")
        return bytes(data)


def _next(url: httpx2.URL, location: str) -> httpx2.URL:
    try:
        target = urljoin(str(url), location)
    except ValueError as error:
        raise ToolError(f"{shown(url)} redirects to {shown(location)}, which is not a URL") from error
    return parsed(target)


@cache
def _authorities() -> ssl.SSLContext:
    import httpx2  # noqa: PLC0415 - as above

    return httpx2.create_ssl_context()  # reads a few hundred certificates, 30 ms


def _host(url: httpx2.URL) -> str:
    return url.raw_host.decode("ascii")


def _told(error: Exception | None) -> str:
    # Some repeat what the server sent.
    return f"{type(error).__name__} {str(error)[:200]!r}"


def _phrase(status: int) -> str:
    # The server's own words for it are not shown: they would stand outside the marks of outside text.
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        return ""
    more = {401: "; it wants a login", 403: "; it may want a login", 404: "; check the address", 429: "; try later"}
    return phrase + more.get(status, "")
