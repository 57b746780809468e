"""Which web addresses may be visited: names are resolved here, and every address is judged before a connection."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from alphalab.errors import ToolError

if TYPE_CHECKING:
    import httpx2

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a name, as text; raises OSError when there are none."""
MAX_URL = 8000
"""Characters of the longest URL; servers refuse longer ones themselves."""
SHOWN = 300
"""Characters of a URL in a message."""


def _networks(*written: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each) for each in written)


_NEVER = _networks(
    "0.0.0.0/8",  # this machine
    "169.254.0.0/16",  # link-local; 169.254.169.254 gives out a cloud machine's credentials
    "168.63.129.16/32",  # Azure's, a public address that is answered inside
    "100.100.100.200/32",  # Alibaba's
    "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is Oracle's
    "192.88.99.0/24",  # 6to4 relays
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "::/128",
    "64:ff9b::/96",  # NAT64: any IPv4 address, written as IPv6
    "64:ff9b:1::/48",
    "2001::/32",  # Teredo, likewise
    "2002::/16",  # 6to4, likewise
    "fd00:ec2::/32",  # Amazon's
    "fd20:ce::254/128",  # Google's
    "fe80::/10",  # link-local
    "fec0::/10",  # site-local, no longer used
    "ff00::/8",  # multicast
)
"""Refused even where private addresses are allowed: nothing to read there, or credentials."""
_PRIVATE = _networks("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "::1")
_UNICAST = IPv6Network("2000::/3")
"""All that is handed out of IPv6 (IANA's registry of the IPv6 address space)."""


def refusal(address: Address, *, allow_private: bool = False) -> str | None:
    """Why an address may not be visited; None when it may.

    Args:
        address: What a name resolved to.
        allow_private: Also loopback, RFC 1918, unique local and carrier-grade NAT addresses.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        if not allow_private:
            return "an IPv4 address written as IPv6"
        return refusal(address.ipv4_mapped, allow_private=True)
    if any(address in network for network in _NEVER):
        return "a reserved, link-local, multicast or cloud metadata address"
    if any(address in network for network in _PRIVATE):
        return None if allow_private else "a private or loopback address"
    if not address.is_global or (isinstance(address, IPv6Address) and address not in _UNICAST):
        return "not an address of the public internet"
    return None


def shown(url: httpx2.URL | str) -> str:
    """A URL as messages show it: quoted, and not at any length, since redirects choose it."""
    text = str(url)
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def parsed(url: str) -> httpx2.URL:
    """A URL that may be asked for, without its fragment.

    Raises:
        ToolError: It is malformed, not http or https, holds credentials, or names its host in a way that readers of
            URLs disagree about.
    """
    import httpx2  # noqa: PLC0415 - the HTTP client of the model SDKs, loaded when it is needed

    if len(url) > MAX_URL:
        raise ToolError(f"the URL has {len(url)} characters, more than {MAX_URL}; give a shorter one")
    try:
        found = httpx2.URL(url.strip()).copy_with(fragment=None)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ToolError(f"{shown(url)} is not a URL: {str(error)[:200]}") from error
    if found.scheme not in {"http", "https"}:
        raise ToolError(f"{shown(url)} does not start with http:// or https://; only those are fetched")
    if found.userinfo or "@" in found.netloc.decode("ascii", "replace"):
        raise ToolError("the URL holds a user name or password; give it without")
    if found.port is not None and not 1 <= found.port <= 65535:
        raise ToolError(f"{shown(url)} has port {found.port}; ports are 1 to 65535")
    _require_plain_host(found.raw_host.decode("ascii"))
    return found


_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def _require_plain_host(host: str) -> None:
    if literal(host) is not None:
        return
    labels = host.removesuffix(".").split(".")
    if not host or len(host) > 254 or not all(_NAME.fullmatch(label) for label in labels):
        raise ToolError(f"{host[:SHOWN]!r} is not a host name")
    if _NUMBER.fullmatch(labels[-1]):
        # 127.1, 0x7f000001 and 2130706433 are 127.0.0.1 to some readers and names to others.
        raise ToolError(f"{host!r} is an unusual way to write an address; write it as four decimal numbers")


def literal(host: str) -> Address | None:
    """The address that a host is; None when it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


async def checked_addresses(host: str, port: int, resolve: Resolver, *, allow_private: bool = False) -> list[Address]:
    """Addresses to connect to, all of which may be visited.

    Raises:
        ToolError: There are none, or one of them may not be visited: a name with public and private addresses is how
            a page reaches inside.
    """
    known = literal(host)
    found = [known] if known is not None else await _resolved(host, port, resolve)
    for address in found:
        why = "it has a zone" if "%" in str(address) else refusal(address, allow_private=allow_private)
        if why is not None:
            raise ToolError(f"{host!r} is at {str(address)!r}, which is refused: {why}; only public sites are fetched")
    return found


async def _resolved(host: str, port: int, resolve: Resolver) -> list[Address]:
    try:
        found = [ip_address(each) for each in await resolve(host, port)]
    except (OSError, UnicodeError, ValueError) as error:
        raise ToolError(f"the host name {host!r} could not be resolved: {error}; check its spelling") from error
    if not found:
        raise ToolError(f"the host name {host!r} has no address; check its spelling")
    return list(dict.fromkeys(found))


async def system_resolver(host: str, port: int) -> list[str]:
    """What the operating system says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
