"""What a command in the shell cannot do, in both sandboxes: fill memory, outlive its call, hang or confuse."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid

import pytest

from alphalab.commands import Access
from alphalab.errors import ToolError
from alphalab.resources import ProcessLimits
from alphalab.sandbox import get_sandbox
from alphalab.testing.sandbox_suite import running_with
from alphalab.tools import ToolContext, read_file, shell
from alphalab.workspace import Workspace


@pytest.fixture(params=[pytest.param("bubblewrap", marks=pytest.mark.bubblewrap), "none"])
def ctx(tmp_path, request):
    (tmp_path / "work").mkdir()
    (tmp_path / "outputs").mkdir()
    return ToolContext(
        workspace=Workspace(tmp_path),
        cwd=tmp_path,
        access=Access(readable=(tmp_path / "outputs",), writable=(tmp_path / "work",)),
        launcher=get_sandbox(request.param),
        outputs=tmp_path / "outputs",
    )


async def run(ctx, command, **more):
    return await shell().call(ctx, {"command": command, **more})


async def test_every_command_has_a_session_of_its_own_without_a_terminal(ctx):
    session = (await run(ctx, "cut -d' ' -f6 /proc/$$/stat")).split()[0]
    assert int(session) != os.getsid(0)
    assert "exit code 1," in await run(ctx, "exec 3</dev/tty 2>/dev/null || exit 1")


async def test_the_folder_lasts_in_both_sandboxes(ctx, tmp_path):
    await run(ctx, "mkdir -p 'work/a b' && cd 'work/a b'")
    assert (await run(ctx, "pwd")).startswith(f"{tmp_path}/work/a b\n")


async def test_the_folder_lasts_after_more_output_than_is_kept(ctx, tmp_path):
    text = await run(ctx, "cd work; head -c 12000000 /dev/zero | tr '\\0' x")
    assert f"now in {tmp_path}/work]" in text
    assert (await run(ctx, "pwd")).startswith(f"{tmp_path}/work\n")


async def test_a_command_that_reads_its_input_ends_at_once(ctx):
    started = time.monotonic()
    assert (await run(ctx, "cat; read -r line || echo nothing")).startswith("nothing\n[exit code 0")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("command", "words"), [("kill -SEGV $$", "11 (SIGSEGV)"), ("sh -c 'kill -9 $$'", "9 (SIGKILL)")]
)
async def test_an_end_by_a_signal_is_said(ctx, command, words):
    assert f"as by signal {words}, " in await run(ctx, command)


async def test_other_large_exit_codes_are_no_signals(ctx):
    assert "[exit code 200, " in await run(ctx, "exit 200")


@pytest.mark.parametrize(
    "command",
    [
        "sleep 60 & sleep 60 & echo {mark}; wait",
        "setsid sh -c 'exec -a {mark} sleep 60' & setsid sh -c ': {mark}; sleep 60' & sleep 60",
        "trap '' TERM INT HUP; : {mark}; while true; do sleep 0.1; done",
        "nohup sh -c ': {mark}; trap \"\" TERM; sleep 60' >/dev/null 2>&1 & sleep 60",
        "({{ setsid setsid sh -c ': {mark}; sleep 60'; }} >/dev/null 2>&1 </dev/null &) ; sleep 60",
    ],
    ids=["children", "sessions", "deaf", "nohup", "daemon"],
)
async def test_a_time_limit_ends_everything(ctx, command):
    mark = f"mark-{uuid.uuid4().hex}"
    started = time.monotonic()
    with pytest.raises(ToolError, match="ended at its time limit"):
        await run(ctx, command.format(mark=mark), timeout_s=1)
    assert time.monotonic() - started < 10
    assert running_with(mark) == []


async def test_what_is_left_in_the_background_ends_with_the_command(ctx):
    mark = f"mark-{uuid.uuid4().hex}"
    started = time.monotonic()
    text = await run(ctx, f"setsid sh -c ': {mark}; sleep 60' & sleep 0.1; echo done")
    assert text.startswith("done\n[exit code 0")
    assert time.monotonic() - started < 10
    assert running_with(mark) == []


async def test_cancelling_ends_the_command(ctx, tmp_path):
    mark = f"mark-{uuid.uuid4().hex}"
    task = asyncio.create_task(run(ctx, f"touch work/ready; : {mark}; sleep 60"))
    while not (tmp_path / "work/ready").exists():  # noqa: ASYNC110, another process sets it
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert running_with(mark) == []


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (r"printf 'a\xff\xfe\x80b'", "a\ufffd\ufffd\ufffdb\n["),
        (r"printf 'a\0b'", "a\0b\n["),
        (r"printf '\033[31mred\033[0m\a\b'", "\033[31mred\033[0m\a\b\n["),
        (r"printf 'one\r\ntwo\rthree'", "one\r\ntwo\rthree\n["),
        (r"printf '\xf0\x9f'", "\ufffd\n["),
    ],
)
async def test_bytes_of_any_kind_come_through(ctx, command, shown):
    assert (await run(ctx, command)).startswith(shown)


async def test_a_line_without_end_is_cut_and_kept_whole(ctx, tmp_path):
    text = await run(ctx, "head -c 5000000 /dev/zero | tr '\\0' x; printf end")
    assert len(text) < 13_000
    assert "end\n[exit code 0" in text
    (kept,) = (tmp_path / "outputs").iterdir()
    assert kept.stat().st_size == 5_000_003
    assert "x" * 100 in await read_file.call(ctx, {"path": f"outputs/{kept.name}"})


_FLOOD = """import asyncio, sys, time
from pathlib import Path
from alphalab.commands import Access
from alphalab.sandbox import get_sandbox
from alphalab.tools import ToolContext, shell
from alphalab.workspace import Workspace

def kib(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

async def main(folder, sandbox, command):
    (folder / "work").mkdir(exist_ok=True)
    ctx = ToolContext(workspace=Workspace(folder), cwd=folder, access=Access(writable=(folder / "work",)),
                      launcher=get_sandbox(sandbox), outputs=folder / "work/outputs")
    await shell().call(ctx, {"command": "seq 100000"})
    open("/proc/self/clear_refs", "w").write("5")
    before, started = kib("VmRSS"), time.monotonic()
    text = await shell().call(ctx, {"command": command})
    print((kib("VmHWM") - before) // 1024, time.monotonic() - started, len(text))
    print(text[-400:])

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


@pytest.mark.parametrize("sandbox", [pytest.param("bubblewrap", marks=pytest.mark.bubblewrap), "none"])
@pytest.mark.parametrize(
    "command",
    [
        "yes line | head -c 200000000",
        "head -c 200000000 /dev/zero",
        "head -c 200000000 /dev/zero | tr '\\0' '\\377'",
        "printf '\\xf0\\x9f\\x98\\x80'; yes line | head -c 200000000",
    ],
    ids=["lines", "nul", "not-text", "wide"],
)
def test_two_hundred_megabytes_of_output_cost_little_memory_and_time(tmp_path, sandbox, command):
    done = subprocess.run(
        [sys.executable, "-c", _FLOOD, str(tmp_path), sandbox, command],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    growth_mib, seconds, characters = done.stdout.split("\n", 1)[0].split()
    assert int(growth_mib) < 60
    assert float(seconds) < 30
    assert int(characters) < 13_000
    assert "what came after the first 10000000 bytes of output was dropped; write it to a file" in done.stdout
    assert (tmp_path / "work/outputs/agent-shell-0002.txt").stat().st_size >= 10_000_000


async def test_output_past_the_limit_ends_an_endless_command(ctx):
    limits = ProcessLimits(output_bytes=20_000)
    with pytest.raises(ToolError, match=r"first 20000 bytes of output was dropped.*\n\[ended at its limit of output"):
        await shell(limits=limits).call(ctx, {"command": "yes"})


async def test_words_written_past_the_shell_are_bounded(ctx):
    text = await run(
        ctx, "for fd in /proc/$$/fd/*; do n=${fd##*/}; [ $n -gt 2 ] && yes | head -c 500000 >&$n; done 2>/dev/null"
    )
    assert len(text) < 15_000
