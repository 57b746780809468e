"""A page cannot lead inside, and cannot keep or fill us."""

import asyncio
import gzip
import ssl
import time
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from web_site import answer, sent_to, site

from alphalab.commands import Access
from alphalab.errors import ToolError
from alphalab.tools import ToolContext
from alphalab.tools.web.fetch import Fetcher, tool_of
from alphalab.workspace import Workspace


@pytest.fixture
async def pages():
    async with site() as here:
        here.pages["/"] = answer("inside", "text/plain")
        yield here


class Names:
    """A resolver that gives the next of the addresses each time, and the last one ever after."""

    def __init__(self, *addresses):
        self.addresses = list(addresses)
        self.asked = []

    async def __call__(self, host, port):
        self.asked.append((host, port))
        return [self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]]


@pytest.fixture
def public(monkeypatch):
    """Let 127.0.0.1 stand for a public site, and leave every other address refused."""
    from alphalab.tools.web import addresses

    real = addresses.refusal
    monkeypatch.setattr(
        addresses,
        "refusal",
        lambda address, **rest: None if str(address) == "127.0.0.1" else real(address, **rest),
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "[::]"])
async def test_loopback_is_refused_by_default(pages, host):
    with pytest.raises(
        ToolError, match=r"which is refused|could not be resolved"
    ):  # a last dot is not known everywhere
        await Fetcher().fetch(pages.url("/", host))
    assert pages.asked == []


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/"])
async def test_cloud_credentials_are_refused_even_with_private_addresses(url):
    with pytest.raises(ToolError, match="cloud metadata"):
        await Fetcher(allow_private=True).fetch(url)


async def test_a_public_name_with_an_address_inside_is_refused(pages):
    with pytest.raises(ToolError, match=r"'site\.example' is at '127\.0\.0\.1'"):
        await Fetcher(resolve=Names("127.0.0.1")).fetch(pages.url("/", "site.example"))
    assert pages.asked == []


@pytest.mark.parametrize(
    "inside", ["http://127.0.0.9/", "http://10.0.0.1/", "http://[::1]/", "//192.168.0.1/", "http://inside.example/"]
)
async def test_a_redirect_inside_is_refused(pages, public, inside):
    async def resolve(host, port):
        return ["127.0.0.1" if host == "site.example" else "10.0.0.9"]

    pages.pages["/go"] = sent_to(inside)
    with pytest.raises(ToolError, match="which is refused: a private"):
        await Fetcher(resolve=resolve).fetch(pages.url("/go", "site.example"))
    assert len(pages.asked) == 1


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("file:///etc/passwd", "only those are fetched"),
        ("http://[x/", "is not a URL"),
        ("http://me:word@a.example/", "user name or password"),
        ("http://0x7f.1/", "four decimal numbers"),
        ("", "in a circle"),
    ],
)
async def test_a_redirect_to_what_is_no_page_is_refused(pages, location, words):
    pages.pages["/go"] = sent_to(location)
    with pytest.raises(ToolError, match=words):
        await Fetcher(allow_private=True).fetch(pages.url("/go"))


async def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked(pages, public):
    names = Names("127.0.0.1", "10.0.0.1")
    address, document = await Fetcher(resolve=names).fetch(pages.url("/", "site.example"))
    assert document.text == "inside"
    assert names.asked == [("site.example", pages.port)]
    assert address == pages.url("/", "site.example")


async def test_a_name_that_turns_inside_between_two_hops_is_refused(pages, public):
    pages.pages["/go"] = sent_to("/")
    with pytest.raises(ToolError, match=r"10\.0\.0\.1.*refused"):
        await Fetcher(resolve=Names("127.0.0.1", "10.0.0.1")).fetch(pages.url("/go", "site.example"))
    assert len(pages.asked) == 1


async def test_the_next_address_is_tried_where_nobody_answers(pages):
    async def resolve(host, port):
        return ["::1", "127.0.0.1"]  # the site listens on the second only

    fetcher = Fetcher(allow_private=True, resolve=resolve)
    assert (await fetcher.fetch(pages.url("/", "site.example")))[1].text == "inside"


async def test_nobody_answering_is_told(pages):
    with pytest.raises(ToolError, match=r"cannot be connected to at ::1 port"):
        await Fetcher(allow_private=True, resolve=Names("::1")).fetch(pages.url("/", "site.example"))


async def test_the_site_is_asked_under_its_name_and_no_cookie_goes_along(pages):
    pages.pages["/go"] = answer(status="302 Found", Location="/", Set_Cookie="a=b")
    await Fetcher(allow_private=True, resolve=Names("127.0.0.1")).fetch(pages.url("/go", "Site.example"))
    (_, first), (_, second) = pages.asked
    assert first["host"] == second["host"] == f"site.example:{pages.port}"
    assert "cookie" not in second
    assert "referer" not in second


async def test_proxies_and_passwords_of_the_environment_are_not_used(pages, monkeypatch, tmp_path):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    await Fetcher(allow_private=True).fetch(pages.url("/"))
    assert "authorization" not in pages.asked[0][1]


async def test_redirects_in_a_circle_end(pages):
    pages.pages |= {"/a": sent_to("/b"), "/b": sent_to("/a")}
    with pytest.raises(ToolError, match=r"/a' redirects in a circle, back to '.*/a'"):
        await Fetcher(allow_private=True).fetch(pages.url("/a"))


async def test_redirects_without_end_end(pages):
    pages.pages |= {f"/{number}": sent_to(f"/{number + 1}") for number in range(50)}
    with pytest.raises(ToolError, match="more than 8 times"):
        await Fetcher(allow_private=True).fetch(pages.url("/0"))
    assert len(pages.asked) == 9


async def test_a_redirect_of_any_length_makes_a_short_message(pages):
    pages.pages["/go"] = sent_to("http://a.example/" + "x" * 20_000)
    with pytest.raises(ToolError) as failed:
        await Fetcher(allow_private=True).fetch(pages.url("/go"))
    assert len(str(failed.value)) < 500


async def endless(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def dripping(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_an_endless_answer_ends_at_the_size_limit(pages):
    pages.pages["/"] = endless
    with pytest.raises(ToolError, match="larger than 1000000 bytes"):
        await Fetcher(allow_private=True, max_bytes=1_000_000).fetch(pages.url("/"))


async def test_a_dripping_answer_ends_at_the_time_limit(pages):
    pages.pages["/"] = dripping
    before = time.monotonic()
    with pytest.raises(ToolError, match=r"took longer than 0\.3 s"):
        await Fetcher(allow_private=True, time_limit_s=0.3).fetch(pages.url("/"))
    assert time.monotonic() - before < 5


async def test_a_slow_resolver_ends_at_the_time_limit():
    async def resolve(host, port):
        await asyncio.Event().wait()

    with pytest.raises(ToolError, match=r"took longer than 0\.1 s"):
        await Fetcher(resolve=resolve, time_limit_s=0.1).fetch("http://site.example/")


async def test_a_bomb_does_not_go_off(pages):
    bomb = gzip.compress(bytes(300_000_000), 9)
    assert len(bomb) < 400_000
    pages.pages["/"] = answer(bomb, "text/plain", Content_Encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(ToolError, match="larger than 5000000 bytes"):
            await Fetcher(allow_private=True, max_bytes=5_000_000).fetch(pages.url("/"))
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd"])
async def test_packings_that_were_not_asked_for_are_refused(pages, encoding):
    pages.pages["/"] = answer(b"x", "text/plain", Content_Encoding=encoding)
    with pytest.raises(ToolError, match=f"packed as '{encoding}'"):
        await Fetcher(allow_private=True).fetch(pages.url("/"))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    ],
)
async def test_answers_that_are_not_http_are_told(pages, sent):
    pages.pages["/"] = sent
    with pytest.raises(ToolError, match="could not be fetched") as failed:
        await Fetcher(allow_private=True).fetch(pages.url("/"))
    assert len(str(failed.value)) < 500


async def test_a_cancelled_call_leaves_no_connection(pages, tmp_path):
    started, ended = asyncio.Event(), asyncio.Event()

    async def waiting(writer):
        started.set()
        try:
            await dripping(writer)
        finally:
            ended.set()

    pages.pages["/"] = waiting
    context = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path, access=Access())
    call = asyncio.create_task(tool_of(Fetcher(allow_private=True)).call(context, {"url": pages.url("/")}))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    async with asyncio.timeout(5):
        await ended.wait()


@pytest.fixture
def certificate(tmp_path):
    """A certificate for site.example that signs itself."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "site.example")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("site.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "site.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
async def secure(certificate):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    names = []
    tls.sni_callback = lambda _, name, __: names.append(name)
    async with site(tls) as here:
        here.names = names
        here.pages["/"] = answer("over TLS", "text/plain")
        yield here


async def test_tls_is_with_the_name_though_the_connection_is_to_the_address(secure, certificate):
    tls = ssl.create_default_context(cafile=certificate)
    fetcher = Fetcher(allow_private=True, resolve=Names("127.0.0.1"), tls=tls)
    for host in ("site.example", "site.example."):
        assert (await fetcher.fetch(secure.url("/", host, "https")))[1].text == "over TLS"
    assert secure.names == ["site.example", "site.example"]


async def test_a_certificate_for_another_name_is_refused(secure, certificate):
    tls = ssl.create_default_context(cafile=certificate)
    fetcher = Fetcher(allow_private=True, resolve=Names("127.0.0.1"), tls=tls)
    with pytest.raises(ToolError, match="certificate"):
        await fetcher.fetch(secure.url("/", "other.example", "https"))
    assert secure.asked == []


async def test_a_certificate_of_nobody_we_know_is_refused(secure):
    with pytest.raises(ToolError, match="certificate"):
        await Fetcher(allow_private=True, resolve=Names("127.0.0.1")).fetch(secure.url("/", "site.example", "https"))
