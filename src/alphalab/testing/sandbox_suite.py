"""What every sandbox must keep: a public test class with one fixture to override."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphalab.commands import Access, Command, CommandResult
from alphalab.resources import ProcessLimits
from alphalab.sandbox import Sandbox

_VARIABLE = "ALPHALAB_SUITE_API_KEY"
_DETACH = """import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
"""
_SHARE = """import os, time
loaded = bytearray(120 * 2**20)
for _ in range(3):
    if not os.fork():
        break
time.sleep(0.5)
"""


class SandboxSuite:
    """Subclass it and override `sandbox`; the tests marked by `isolates` skip themselves on tiers without isolation."""

    @pytest.fixture
    def sandbox(self) -> Sandbox:
        """The sandbox under test."""
        raise NotImplementedError("override the fixture 'sandbox'")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The one folder that commands may write."""
        folder = tmp_path / "writable"
        folder.mkdir()
        return folder

    def command(
        self,
        folder: Path,
        *argv: str,
        readable: tuple[Path, ...] = (),
        hidden: tuple[Path, ...] = (),
        env: dict[str, str] | None = None,
        limits: ProcessLimits | None = None,
        time_limit_s: float = 20.0,
    ) -> Command:
        """A command in `folder`, which is writable."""
        return Command(
            argv=argv,
            cwd=folder,
            access=Access(readable=readable, writable=(folder,), hidden=hidden),
            env=env or {},
            limits=limits or ProcessLimits(),
            time_limit_s=time_limit_s,
        )

    def python(self, folder: Path, code: str, **options: object) -> Command:
        """A command that runs Python code in `folder`."""
        return self.command(folder, sys.executable, "-I", "-c", code, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    def need_isolation(self, sandbox: Sandbox) -> None:
        """Skip on tiers that only limit."""
        if not sandbox.isolates:
            pytest.skip(f"{sandbox.tier!r} does not isolate")

    def test_works_here(self, sandbox: Sandbox) -> None:
        """`check` has nothing to say on a machine where the suite runs."""
        assert sandbox.check() == ()

    async def test_reports_output_and_exit_code(self, sandbox: Sandbox, folder: Path) -> None:
        """Both streams and the exit code come back, with nothing on standard input."""
        result = await sandbox.run(self.command(folder, "sh", "-c", "cat; pwd; echo no >&2; exit 3"))
        assert (result.exit_code, result.stdout, result.stderr) == (3, f"{folder}\n", "no\n")
        assert result.limit is None
        assert not result.truncated

    async def test_signals_are_negative(self, sandbox: Sandbox, folder: Path) -> None:
        """A command that a signal ended has its negative number."""
        assert (await sandbox.run(self.command(folder, "sh", "-c", "kill -SEGV $$"))).exit_code == -11

    async def test_unknown_program_is_a_result(self, sandbox: Sandbox, folder: Path) -> None:
        """The shell's convention, 127, says that there is no such program."""
        assert (await sandbox.run(self.command(folder, "no-such-program"))).exit_code == 127

    async def test_bytes_that_are_not_text(self, sandbox: Sandbox, folder: Path) -> None:
        """Output in no known encoding is replaced, not refused."""
        result = await sandbox.run(self.command(folder, "printf", "a\\377b"))
        assert result.stdout == "a\ufffdb"

    async def test_environment_is_scrubbed(
        self, sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The caller's variables are absent, the command's own are there, and home is private."""
        monkeypatch.setenv(_VARIABLE, "secret")
        result = await sandbox.run(self.command(folder, "env", env={"OMP_NUM_THREADS": "2"}))
        names = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
        assert _VARIABLE not in names
        assert names["OMP_NUM_THREADS"] == "2"
        assert names["LC_ALL"] == "C.UTF-8"
        assert names["HOME"] != str(Path.home())

    async def test_home_and_temporary_folder_work(self, sandbox: Sandbox, folder: Path) -> None:
        """Both can be written, and go with the command."""
        code = "import os, tempfile; p = tempfile.mkdtemp(); os.makedirs(os.environ['HOME'] + '/x'); print(p)"
        result = await sandbox.run(self.python(folder, code))
        assert result.exit_code == 0, result.stderr
        assert not Path(result.stdout.strip()).exists()

    async def test_numpy_is_there(self, sandbox: Sandbox, folder: Path) -> None:
        """The running Python and its packages work inside."""
        result = await sandbox.run(self.python(folder, "import numpy as np; print(np.ones(3).sum())"))
        assert result.stdout == "3.0\n", result.stderr

    async def test_writes_where_it_may(self, sandbox: Sandbox, folder: Path) -> None:
        """What a command writes into a writable folder stays."""
        await sandbox.run(self.command(folder, "sh", "-c", "echo hello > out.txt"))
        assert (folder / "out.txt").read_text() == "hello\n"

    async def test_reads_what_it_may(self, sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
        """Readable files are where they are outside."""
        given = tmp_path / "given.txt"
        given.write_text("data")
        assert (await sandbox.run(self.command(folder, "cat", str(given), readable=(given,)))).stdout == "data"

    async def test_time_limit(self, sandbox: Sandbox, folder: Path) -> None:
        """A command that hangs is ended, and what it wrote until then is kept."""
        result = await sandbox.run(self.command(folder, "sh", "-c", "echo start; sleep 60", time_limit_s=0.3))
        assert (result.limit, result.timed_out, result.stdout) == ("time", True, "start\n")
        assert result.exit_code < 0
        assert result.seconds < 5

    async def test_single_huge_allocation_fails(self, sandbox: Sandbox, folder: Path) -> None:
        """100 GB at once is refused by the kernel, as a MemoryError of the command."""
        code = "import numpy as np\ntry: np.empty(100 * 10**9, dtype='u1')\nexcept MemoryError: print('refused')"
        result = await sandbox.run(self.python(folder, code, limits=ProcessLimits(memory_gib=1)))
        assert result.stdout == "refused\n"

    async def test_memory_of_one_process(self, sandbox: Sandbox, folder: Path) -> None:
        """Memory that is really used is limited to what was agreed."""
        code = "import time\nx = bytearray(400 * 2**20)\ntime.sleep(20)"
        result = await sandbox.run(self.python(folder, code, limits=ProcessLimits(memory_gib=0.2)))
        assert result.limit == "memory"

    async def test_memory_of_all_processes(self, sandbox: Sandbox, folder: Path) -> None:
        """Several processes share one allowance."""
        code = "import os, time\nos.fork(); os.fork()\nx = bytearray(os.urandom(1) * (100 * 2**20))\ntime.sleep(20)"
        result = await sandbox.run(self.python(folder, code, limits=ProcessLimits(memory_gib=0.3)))
        assert result.limit == "memory"

    async def test_shared_memory_counts_once(self, sandbox: Sandbox, folder: Path) -> None:
        """Forked workers that only read what their parent loaded are within the limit."""
        result = await sandbox.run(self.python(folder, _SHARE, limits=ProcessLimits(memory_gib=0.25)))
        assert (result.limit, result.exit_code) == (None, 0)

    async def test_fork_bomb(self, sandbox: Sandbox, folder: Path) -> None:
        """Too many processes end the command; all of them are gone when the result is there."""
        mark = f"bomb-{os.getpid()}-{time.monotonic_ns()}"
        code = (
            "import os, time\nfor _ in range(11):\n    try: os.fork()\n    except OSError: pass\n"
            f"time.sleep(20)  # {mark}"
        )
        result = await sandbox.run(self.python(folder, code, limits=ProcessLimits(processes=50)))
        assert result.limit == "processes"
        assert not running_with(mark)

    async def test_threads_count_as_processes(self, sandbox: Sandbox, folder: Path) -> None:
        """A thread is as good as a process for whoever wants many."""
        code = "import threading, time\nfor _ in range(40): threading.Thread(target=time.sleep, args=(5,)).start()"
        result = await sandbox.run(self.python(folder, code, limits=ProcessLimits(processes=20)))
        assert result.limit == "processes" or "can't start new thread" in result.stderr

    async def test_detached_grandchildren_go_too(self, sandbox: Sandbox, folder: Path) -> None:
        """A daemon does not outlive its command, whether that ends by itself or by a limit."""
        for index, tail in enumerate(("", "time.sleep(60)")):
            mark = f"daemon-{index}-{os.getpid()}-{time.monotonic_ns()}"
            code = f"{_DETACH}time.sleep(0.2)\n{tail}  # {mark}"
            result = await sandbox.run(self.python(folder, code, time_limit_s=0.6))
            assert result.limit == ("time" if tail else None), result.stderr
            assert not running_with(mark)

    async def test_one_large_file(self, sandbox: Sandbox, folder: Path) -> None:
        """A file cannot grow beyond the limit."""
        limits = ProcessLimits(file_gib=0.01)
        result = await sandbox.run(self.command(folder, "head", "-c", "50M", "/dev/zero", limits=limits))
        assert result.exit_code == 0, "a pipe is no file"
        result = await sandbox.run(
            self.command(folder, "dd", "if=/dev/zero", "of=big", "bs=1M", "count=50", limits=limits)
        )
        assert (result.exit_code != 0, result.limit) == (True, "disk")
        assert (folder / "big").stat().st_size <= 11 * 2**20

    async def test_many_small_files(self, sandbox: Sandbox, folder: Path) -> None:
        """All writable folders together are limited too, empty files and unlinked ones included."""
        filling = "for i in range(10**6): open(f'file-{i}', 'wb').write(b'x' * 100_000)"
        empty = "import os\nfor i in range(10**6): os.close(os.open(f'empty-{i}', os.O_CREAT))"
        unlinked = (
            "import os\nkept = []\nfor i in range(900):\n    kept.append(open('gone', 'wb'))\n    os.unlink('gone')\n"
            "    kept[-1].write(b'x' * 100_000)\nimport time; time.sleep(20)"
        )
        for code in (filling, empty, unlinked):
            result = await sandbox.run(self.python(folder, code, limits=ProcessLimits(file_gib=0.02)))
            assert result.limit == "disk", code
            shutil.rmtree(folder)
            folder.mkdir()

    async def test_a_full_folder_may_stay_full(self, sandbox: Sandbox, folder: Path) -> None:
        """What was there before the command started is not held against it."""
        (folder / "old").write_bytes(b"x" * 3 * 2**20)
        result = await sandbox.run(self.command(folder, "sleep", "0.3", limits=ProcessLimits(file_gib=0.001)))
        assert result.limit is None

    async def test_long_output_is_cut(self, sandbox: Sandbox, folder: Path) -> None:
        """The beginning is kept; the command goes on."""
        limits = ProcessLimits(output_bytes=10_000)
        result = await sandbox.run(
            self.command(folder, "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; exit 5", limits=limits)
        )
        assert (len(result.stdout), result.truncated, result.exit_code, result.limit) == (10_000, True, 5, None)

    async def test_flood_of_output_is_ended(self, sandbox: Sandbox, folder: Path) -> None:
        """Endless output ends the command, and never fills the caller's memory."""
        limits = ProcessLimits(output_bytes=10_000)
        result = await sandbox.run(self.command(folder, "yes", limits=limits))
        assert (len(result.stdout), result.truncated, result.limit) == (10_000, True, "output")

    async def test_cancelling_ends_everything(self, sandbox: Sandbox, folder: Path) -> None:
        """When the cancelled task is done, so is the command and all its descendants."""
        mark = f"cancelled-{os.getpid()}-{time.monotonic_ns()}"
        code = f"{_DETACH}open('ready', 'w').close()\ntime.sleep(60)  # {mark}"
        task = asyncio.create_task(sandbox.run(self.python(folder, code)))
        while not (folder / "ready").exists():  # noqa: ASYNC110, another process sets it
            await asyncio.sleep(0.01)
        assert running_with(mark)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not running_with(mark)

    async def test_commands_side_by_side(self, sandbox: Sandbox, folder: Path) -> None:
        """Commands do not get into each other's way."""
        results: list[CommandResult] = await asyncio.gather(
            *(sandbox.run(self.command(folder, "sh", "-c", f"sleep 0.1; echo {index}")) for index in range(12))
        )
        assert [result.stdout for result in results] == [f"{index}\n" for index in range(12)]

    def test_launch_gives_the_pipes(self, sandbox: Sandbox, folder: Path) -> None:
        """The caller reads and writes; `kill` returns when all is gone."""
        running = sandbox.launch(self.command(folder, "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        stdin, stdout = running.process.stdin, running.process.stdout
        assert stdin is not None
        assert stdout is not None
        with stdin, stdout:
            stdin.write(b"ping\n")
            stdin.flush()
            assert stdout.readline() == b"ping\n"
            running.kill()
        assert running.process.returncode is not None
        assert running.limit_hit() is None

    async def test_private_folders_cannot_be_read(self, sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
        """What was not given does not exist; a hidden folder below a given one is empty."""
        self.need_isolation(sandbox)
        private = tmp_path / "private"
        private.mkdir()
        (private / "labels.txt").write_text("42")
        (tmp_path / "hidden.txt").write_text("43")
        (folder / "link").symlink_to(private / "labels.txt")
        result = await sandbox.run(self.command(folder, "cat", str(private / "labels.txt"), "link"))
        assert (result.exit_code, result.stdout) == (1, "")
        hidden = (private, tmp_path / "hidden.txt")
        code = f"cat {private}/labels.txt link {tmp_path}/hidden.txt; ls -A {private}; ls {tmp_path}; rm -rf {private}"
        result = await sandbox.run(self.command(folder, "sh", "-c", code, readable=(tmp_path,), hidden=hidden))
        assert result.stdout.split() == ["hidden.txt", "private", "writable"]
        assert (private / "labels.txt").read_text() == "42"

    async def test_a_link_to_something_hidden_is_not_followed(
        self, sandbox: Sandbox, folder: Path, tmp_path: Path
    ) -> None:
        """Replacing a readable folder by a link does not open what is hidden."""
        self.need_isolation(sandbox)
        private = tmp_path / "private"
        private.mkdir()
        (private / "labels.txt").write_text("42")
        (tmp_path / "given").symlink_to(private)
        command = self.command(
            folder, "cat", str(tmp_path / "given" / "labels.txt"), readable=(tmp_path / "given",), hidden=(private,)
        )
        assert (await sandbox.run(command)).stdout == ""

    async def test_home_and_other_processes_are_absent(self, sandbox: Sandbox, folder: Path) -> None:
        """Neither the caller's home, nor its processes, nor their environments can be seen."""
        self.need_isolation(sandbox)
        result = await sandbox.run(
            self.command(folder, "sh", "-c", f"ls {Path.home()}/.bashrc {Path.home()}/.ssh; ls -d /proc/[0-9]*")
        )
        assert 0 < len(result.stdout.split()) < 8
        result = await sandbox.run(self.command(folder, "cat", f"/proc/{os.getpid()}/environ"))
        assert result.exit_code != 0

    async def test_writing_elsewhere_fails(self, sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
        """The system, the library, the root and readable folders are read-only; what lies beside them is not there."""
        self.need_isolation(sandbox)
        given = tmp_path / "given"
        given.mkdir()
        package = Path(sys.modules["alphalab"].__file__ or "").parent
        for place in (given, package, Path("/"), Path("/usr"), Path("/dev"), Path("/etc"), tmp_path):
            result = await sandbox.run(self.command(folder, "touch", str(place / "mark"), readable=(given,)))
            # A folder below /tmp exists as a part of the private /tmp; what is written there goes with the command.
            assert result.exit_code != 0 or place == tmp_path, place
            assert not (place / "mark").exists()

    async def test_writing_is_possible_below_a_readable_folder(
        self, sandbox: Sandbox, folder: Path, tmp_path: Path
    ) -> None:
        """A writable folder inside a readable one, and a readable one inside a writable one, as `Access` says."""
        inner = folder / "inner"
        inner.mkdir()
        result = await sandbox.run(self.command(folder, "touch", "mark", "inner/mark", readable=(tmp_path, inner)))
        assert result.exit_code == 0, result.stderr

    async def test_no_network(self, sandbox: Sandbox, folder: Path) -> None:
        """Not even a server of this machine can be reached, unless the command asks for the network."""
        self.need_isolation(sandbox)
        with socket.create_server(("127.0.0.1", 0)) as server:
            code = f"import socket; socket.create_connection({server.getsockname()!r}, timeout=5)"
            command = self.python(folder, code)
            assert (await sandbox.run(command)).exit_code != 0
            with_network = Command(argv=command.argv, cwd=folder, network=True)
            assert (await sandbox.run(with_network)).exit_code == 0

    async def test_memory_outside_processes_is_bounded(self, sandbox: Sandbox, folder: Path) -> None:
        """The private file systems in memory have a size."""
        self.need_isolation(sandbox)
        for place in ("/tmp", "/dev/shm"):  # noqa: S108
            code = f"for i in range(40): open(f'{place}/{{i}}', 'wb').write(bytes(2**20))"
            result = await sandbox.run(self.python(folder, code, limits=ProcessLimits(file_gib=0.02)))
            assert "No space left" in result.stderr


def running_with(mark: str) -> list[int]:
    """Pids of processes that have `mark` in their command line."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
