"""Which URLs and addresses may be visited."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab.errors import ToolError
from alphalab.tools.web.addresses import checked_addresses, parsed, refusal

NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "ff02::1",
    "fec0::1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "2001:db8::1",
    "::127.0.0.1",
    "100::1",
]
PRIVATE = [
    "127.0.0.1",
    "127.255.0.9",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.254",
    "::1",
    "fc00::1",
    "fd12::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
]
PUBLIC = ["8.8.8.8", "172.32.0.1", "100.128.0.1", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450::1"]


def resolver(*addresses):
    async def resolve(host, port):
        return addresses

    return resolve


@pytest.mark.parametrize("address", [*NEVER, *PRIVATE])
def test_addresses_inside_are_refused(address):
    assert refusal(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NEVER)
def test_credentials_and_nonsense_stay_refused_where_private_addresses_are_allowed(address):
    assert refusal(ipaddress.ip_address(address), allow_private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_can_be_allowed(address):
    assert refusal(ipaddress.ip_address(address), allow_private=True) is None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_fine(address):
    assert refusal(ipaddress.ip_address(address)) is None


@given(st.ip_addresses())
def test_nothing_passes_that_python_calls_private(address):
    if refusal(address) is None:
        assert address.is_global
        assert not any((address.is_multicast, address.is_reserved, address.is_loopback, address.is_link_local))


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_passes_in_the_clothes_of_ipv6(address):
    value = int(address)
    worn = [value, 0xFFFF << 32 | value, 0x64FF9B << 96 | value, 0x2002 << 112 | value << 80]
    assert all(refusal(ipaddress.IPv6Address(each)) for each in worn)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://a.example/", "only those are fetched"),
        ("file:///etc/passwd", "only those are fetched"),
        ("a.example/page", "only those are fetched"),
        ("javascript:alert(1)", "only those are fetched"),
        ("http://me:word@a.example/", "user name or password"),
        ("http://127.0.0.1\\@a.example/", "user name or password"),
        ("http:///page", "not a host name"),
        ("http://a..example/", "not a host name"),
        ("http://a b.example/", "not a host name"),
        ("http://-a.example/", "not a host name"),
        ("http://%31%32%37.0.0.1/", "is not a|unusual"),
        ("http://a.example:99999/", "ports are 1 to 65535"),
        ("http://a.example:0/", "ports are 1 to 65535"),
        ("http://a.example:x/", "is not a URL"),
        ("http://[::1/", "is not a URL"),
        ("http://a.exa\nmple/", "is not a URL"),
        ("http://\uff11\uff12\uff17.0.0.1/", "is not a URL"),
        ("http://2130706433/", "four decimal numbers"),
        ("http://0x7f000001/", "four decimal numbers"),
        ("http://0x7f.0.0.1/", "four decimal numbers"),
        ("http://127.1/", "four decimal numbers"),
        ("http://127.0.0.1./", "four decimal numbers"),
        ("http://0177.0.0.1/", "is not a URL"),
        ("http://a.example/" + "x" * 9000, "more than 8000"),
        ("", "only those are fetched"),
    ],
)
def test_urls_that_are_none_or_ambiguous_are_refused(url, words):
    with pytest.raises(ToolError, match=words):
        parsed(url)


def test_a_password_is_not_repeated():
    with pytest.raises(ToolError) as failed:
        parsed("http://me:secret@a.example/")
    assert "secret" not in str(failed.value)


def test_names_of_other_alphabets_are_written_as_dns_has_them():
    assert parsed("HTTP://Bücher.example/ä b#part").raw_host == b"xn--bcher-kva.example"
    assert str(parsed(" http://a.example/x#part ")) == "http://a.example/x"


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_a_tool_error(text):
    for url in (text, f"http://{text}", f"http://a.example:{text}", f"http://[{text}]/"):
        try:
            found = parsed(url)
        except ToolError:
            continue
        assert found.scheme in {"http", "https"}
        assert found.raw_host


async def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(ToolError, match=r"'10\.0\.0\.1', which is refused: a private"):
        await checked_addresses("a.example", 80, resolver("8.8.8.8", "10.0.0.1"))


async def test_an_address_with_a_zone_is_refused():
    with pytest.raises(ToolError, match="refused"):
        await checked_addresses("a.example", 80, resolver("fe80::1%eth0"), allow_private=True)


@pytest.mark.parametrize("found", [(), ("no address",)])
async def test_a_name_without_an_address_is_told(found):
    with pytest.raises(ToolError, match=r"'a\.example'.*check its spelling"):
        await checked_addresses("a.example", 80, resolver(*found))


async def test_every_checked_address_is_given_once_and_in_order():
    found = await checked_addresses("a.example", 80, resolver("8.8.8.8", "2606::1", "8.8.8.8"))
    assert [str(each) for each in found] == ["8.8.8.8", "2606::1"]
