"""Real servers: one to start as a command, one on loopback."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphalab.tools.mcp import McpServer

SAMPLE = Path(__file__).parent / "sample_server.py"


@pytest.fixture
def stdio():
    return McpServer(command=sys.executable, args=(str(SAMPLE), "stdio"))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def serve(port: int) -> subprocess.Popen:
    """The sample server on loopback, ready."""
    process = subprocess.Popen([sys.executable, str(SAMPLE), "http", str(port)], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    return process


@pytest.fixture(scope="session")
def http():
    port = free_port()
    process = serve(port)
    yield McpServer(url=f"http://127.0.0.1:{port}/mcp")
    process.terminate()
    process.wait()


@pytest.fixture(params=["stdio", "http"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def mortal_http():
    """A URL, and two functions that kill the server behind it and start it again."""
    port = free_port()
    running = [serve(port)]

    def kill():
        running[-1].kill()
        running[-1].wait()

    yield McpServer(url=f"http://127.0.0.1:{port}/mcp"), kill, lambda: running.append(serve(port))
    kill()
