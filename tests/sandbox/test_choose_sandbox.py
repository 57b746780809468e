"""From a setting to a sandbox, and what one running command costs its caller."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from alphalab.commands import Access, Command
from alphalab.errors import ConfigError, SandboxError
from alphalab.sandbox import BubblewrapSandbox, ProcessSandbox, get_sandbox


@pytest.fixture
def no_bubblewrap(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def broken_bubblewrap(monkeypatch, tmp_path):
    """A program that claims to be bubblewrap and cannot make a namespace, as where user namespaces are forbidden."""
    program = tmp_path / "bwrap"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 0.8.0 && exit\n'
        'echo "bwrap: No permissions to create new namespace" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.parametrize("setting", ["none", "process"])
def test_none_means_limits_only(setting):
    assert isinstance(get_sandbox(setting), ProcessSandbox)


@pytest.mark.bubblewrap
@pytest.mark.parametrize("setting", ["auto", "bubblewrap"])
def test_auto_isolates_where_it_can(setting):
    sandbox = get_sandbox(setting, allow_fallback=True)
    assert sandbox.isolates
    assert sandbox.tier == "bubblewrap"


def test_unknown_setting():
    with pytest.raises(ConfigError, match="'docker' is unknown"):
        get_sandbox("docker")


@pytest.mark.parametrize("setting", ["auto", "bubblewrap"])
def test_missing_bubblewrap_is_an_error_that_says_what_to_do(no_bubblewrap, setting):
    with pytest.raises(SandboxError, match=r"apt-get install bubblewrap.*sandbox=\"none\""):
        get_sandbox(setting)


def test_forbidden_namespaces_are_reported_with_the_reason(broken_bubblewrap):
    with pytest.raises(SandboxError, match="No permissions to create new namespace"):
        get_sandbox("auto")


async def test_a_sandbox_that_cannot_be_set_up_is_no_result(broken_bubblewrap, tmp_path):
    with pytest.raises(SandboxError, match="No permissions"):
        await BubblewrapSandbox().run(Command(argv=("true",), cwd=tmp_path))


def test_fallback_only_where_it_was_allowed(no_bubblewrap):
    assert get_sandbox("auto", allow_fallback=True).tier == "process"
    with pytest.raises(SandboxError):
        get_sandbox("bubblewrap", allow_fallback=True)


@pytest.mark.parametrize("sandbox", [ProcessSandbox(), pytest.param(BubblewrapSandbox(), marks=pytest.mark.bubblewrap)])
class TestRunning:
    def test_missing_folders_are_named(self, sandbox, tmp_path):
        command = Command(argv=("true",), cwd=tmp_path, access=Access(writable=(tmp_path / "absent",)))
        with pytest.raises(SandboxError, match="absent: no such folder"):
            sandbox.launch(command)

    def test_survives_the_thread_that_launched_it(self, sandbox, tmp_path):
        started = []
        command = Command(argv=("cat",), cwd=tmp_path)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        thread = threading.Thread(target=lambda: started.append(sandbox.launch(command, **pipes)))
        thread.start()
        thread.join()
        with started[0].process.stdin as stdin, started[0].process.stdout as stdout:
            time.sleep(0.05)
            stdin.write(b"still here\n")
            stdin.flush()
            assert stdout.readline() == b"still here\n"
            started[0].kill()

    def test_killing_at_any_moment_leaves_nothing(self, sandbox, tmp_path):
        before = settled_files()
        mark = f"61.{os.getpid()}"  # tests in other processes sleep too
        for delay in range(20):
            running = sandbox.launch(Command(argv=("sleep", mark), cwd=tmp_path))
            time.sleep(delay * 0.001)
            running.kill()
            running.kill()
            assert running.process.returncode is not None
        assert settled_files() == before
        assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if f"\0{mark}\0".encode() in _read(path)]

    async def test_many_commands_leak_nothing(self, sandbox, tmp_path):
        await sandbox.run(Command(argv=("true",), cwd=tmp_path))
        descriptors, threads = settled_files(), threading.active_count()
        for _ in range(20):
            await sandbox.run(Command(argv=("true",), cwd=tmp_path))
        assert settled_files() == descriptors
        assert threading.active_count() <= threads + 1


def open_files():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def settled_files():
    """Open files once they stay the same: an earlier command's watcher may just be closing its own."""
    seen = open_files()
    for _ in range(100):
        time.sleep(0.02)
        now = open_files()
        if now == seen:
            break
        seen = now
    return seen


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""
