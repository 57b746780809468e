"""Candidates in real sandboxed children: what an honest one gives, and what a hostile one gets."""

import os
import socket
import subprocess
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from alphalab.candidates import CandidateFailed, CandidateSpec
from alphalab.errors import ConfigError
from alphalab.evaluation.candidate_copy import MAX_BYTES, MAX_FILES
from alphalab.evaluation.candidate_host import SandboxedCandidateHost
from alphalab.resources import ProcessLimits
from alphalab.sandbox import BubblewrapSandbox, ProcessSandbox

BUBBLEWRAP = pytest.param(BubblewrapSandbox(), id="bubblewrap", marks=pytest.mark.bubblewrap)
# What a submission can know of its process: the private descriptor of answers, and the token of the open request.
FORGE = """
import os, sys, json, struct, time
import numpy as np

def answers():
    return [int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and pipe(fd, "w")]

def pipe(fd, mode):
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:") and (
            int(open(f"/proc/self/fdinfo/{fd}").read().split("flags:")[1].split()[0], 8) & 3 == (mode == "w"))
    except OSError:
        return False

def say(data):
    for fd in answers():
        os.write(fd, data)

def frame(header, body=b""):
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + body

def token():
    at = sys._getframe()
    while "request" not in at.f_locals:
        at = at.f_back
    return at.f_locals["request"]["token"]
"""


@pytest.fixture(params=[BUBBLEWRAP, pytest.param(ProcessSandbox(), id="process")])
def host(request):
    return SandboxedCandidateHost(request.param)


@pytest.fixture
def isolated():
    return SandboxedCandidateHost(BubblewrapSandbox())


@pytest.fixture
def spec(tmp_path):
    def write(code, **options):
        folder = tmp_path / "submission"
        folder.mkdir(exist_ok=True)
        (folder / "model.py").write_text(textwrap.dedent(code))
        return CandidateSpec(submission=folder, module="model", attribute="Model", **options)

    return write


@pytest.fixture
def predict(spec):
    """A submission whose `predict` has this body."""

    def write(body, before="", **options):
        code = (
            f"{before}\nimport numpy as np, os, sys, time\nclass Model:\n    def predict(self, *arrays, **options):\n"
        )
        return spec(code + textwrap.indent(textwrap.dedent(body), " " * 8), **options)

    return write


def failure(host, spec, *, time_limit_s=10.0, calls=1, arrays=None):
    """The failure that loading or one of some calls ends with; afterwards nothing of the candidate is left."""
    try:
        candidate = host.open(spec)
    except CandidateFailed as error:
        return error.failure
    with candidate, pytest.raises(CandidateFailed) as caught:  # noqa: PT012, one of the calls fails
        for _ in range(calls):
            candidate.call("predict", arrays=arrays, time_limit_s=time_limit_s)
    assert candidate.running.process.returncode is not None
    assert not candidate.folder.exists()
    return caught.value.failure


class TestHonest:
    def test_arrays_go_and_come_as_they_are(self, host, spec):
        code = """
            import numpy as np
            class Model:
                def fit(self, history, targets, *, horizon, name, flag, nothing):
                    assert history.dtype == np.float32 and history.shape == (5, 3) and not history.flags.writeable
                    assert (targets == np.arange(4)).all() and targets.dtype == np.int64
                    assert (horizon, name, flag, nothing) == (24, "a", True, None)
                def predict(self, x):
                    return x.T
                def nested(self):
                    return [[1, 2], [3, 4]]
                def empty(self):
                    return np.zeros((0, 7), dtype=np.float16)
                def scalar(self):
                    return 2.5
        """
        history = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
        history[0, 0] = np.nan
        with host.open(spec(code)) as candidate:
            options = {"horizon": 24, "name": "a", "flag": True, "nothing": None}
            arrays = {"history": history, "targets": np.arange(4)}
            assert candidate.call("fit", arrays=arrays, options=options, time_limit_s=5) == {}
            for array in (history, history[::2], np.asfortranarray(history), history.astype(">f8"), history > 0):
                result = candidate.call("predict", arrays={"x": array}, time_limit_s=5)["result"]
                np.testing.assert_array_equal(result, array.T)
                assert result.dtype.name == array.dtype.name
            assert candidate.call("nested", time_limit_s=5)["result"].tolist() == [[1, 2], [3, 4]]
            assert candidate.call("empty", time_limit_s=5)["result"].shape == (0, 7)
            assert candidate.call("scalar", time_limit_s=5)["result"] == 2.5
            assert candidate.tier == host.tier

    def test_prints_do_not_disturb_and_are_kept_for_failures(self, host, predict):
        body = """
            print("on standard output")
            os.system("echo from a child; cat")
            print("x" * 300_000, file=sys.stderr)
            if arrays: raise ValueError("wrong")
            return np.ones(2)
        """
        with host.open(predict(body)) as candidate:
            assert candidate.call("predict", time_limit_s=5)["result"].tolist() == [1, 1]
            with pytest.raises(CandidateFailed) as caught:
                candidate.call("predict", arrays={"x": np.ones(1)}, time_limit_s=5)
        kept = caught.value.failure.details["stderr"]
        assert "x" * 1000 in kept
        assert len(kept) <= 20_000

    def test_an_exception_is_told_and_the_candidate_lives_on(self, host, predict):
        body = "if arrays: raise ValueError('the message')\nreturn 1"
        with host.open(predict(body)) as candidate:
            with pytest.raises(CandidateFailed, match="the message") as caught:
                candidate.call("predict", arrays={"x": np.ones(1)}, time_limit_s=5)
            told = caught.value.failure
            assert (told.kind, told.sandbox) == ("crashed", host.tier)
            assert "model.py" in told.details["traceback"]
            assert candidate.call("predict", time_limit_s=5)["result"] == 1

    def test_submission_files_and_scratch_folder(self, host, predict, tmp_path):
        given = tmp_path / "given.txt"
        given.write_text("given")
        body = f"""
            import beside
            open("scratch.txt", "w").write("x")
            assert open({str(given)!r}).read() == "given"
            return beside.VALUE
        """
        spec = predict(body, readable=(given,))
        (spec.submission / "beside.py").write_text("VALUE = 7")
        with host.open(spec) as candidate:
            assert candidate.call("predict", time_limit_s=5)["result"] == 7
        assert not (spec.submission / "scratch.txt").exists()
        assert not (spec.submission / "__pycache__").exists()

    def test_threads_are_set_before_numpy_loads(self, host, predict):
        with host.open(predict("return int(os.environ['OMP_NUM_THREADS'])", threads=2)) as candidate:
            assert candidate.call("predict", time_limit_s=5)["result"] == 2

    @pytest.mark.torch
    def test_torch_results_become_arrays(self, isolated, predict):
        body = "return torch.full((2,), 1.5, dtype=getattr(torch, options['dtype']), requires_grad=True)"
        with isolated.open(predict(body, before="import torch")) as candidate:
            for dtype in ("float32", "bfloat16"):
                result = candidate.call("predict", options={"dtype": dtype}, time_limit_s=20)["result"]
                assert result.dtype == np.float32
                assert result.tolist() == [1.5, 1.5]

    def test_seconds_are_time_spent_waiting(self, host, predict):
        with host.open(predict("time.sleep(0.2)\nreturn 1")) as candidate:
            before = candidate.seconds
            began = time.monotonic()
            candidate.call("predict", time_limit_s=5)
            assert 0.2 <= candidate.seconds - before <= time.monotonic() - began

    def test_misuse_by_the_scorer_is_the_scorers_error(self, host, spec, predict):
        with pytest.raises(ConfigError, match="is not a Python name"):
            host.open(CandidateSpec(submission=Path("/x"), module="../x", attribute="Model"))
        with host.open(predict("return 1")) as candidate:
            with pytest.raises(ConfigError, match="no JSON scalar"):
                candidate.call("predict", options={"x": [1]}, time_limit_s=5)
            with pytest.raises(ConfigError, match="dtype object"):
                candidate.call("predict", arrays={"x": np.array([None])}, time_limit_s=5)
            assert candidate.call("predict", time_limit_s=5)["result"] == 1
        with pytest.raises(CandidateFailed) as caught:
            candidate.call("predict", time_limit_s=5)
        assert caught.value.failure.kind == "cancelled"

    def test_closing_from_another_thread_ends_a_call(self, host, predict):
        candidate = host.open(predict("time.sleep(60)"))
        closer = threading.Timer(0.2, candidate.close)
        closer.start()
        with pytest.raises(CandidateFailed):
            candidate.call("predict", time_limit_s=30)
        closer.join()
        assert not candidate.folder.exists()


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("import no_such_module", "import_failed", "no_such_module"),
        ("class Model:\n  def broken(:", "import_failed", "SyntaxError"),
        ("raise SystemExit(0)", "import_failed", "SystemExit"),
        ("x = 1", "import_failed", "no attribute 'Model'"),
        ("class Model:\n  def __init__(self): 1 / 0", "import_failed", "ZeroDivisionError"),
        ("import os; os._exit(0)", "crashed", "code 0"),
        ("import os; os.kill(os.getpid(), 11)", "crashed", "ended with code"),
        ("while True: pass", "timed_out", "longer than 0.5 s"),
        ("import numpy as np\nx = np.ones(10**11, dtype='u1')", "out_of_memory", "MemoryError"),
    ],
)
def test_loading_that_fails(host, spec, code, kind, words):
    told = failure(host, spec(code, start_limit_s=0.5 if kind == "timed_out" else 20.0))
    assert told.kind == kind, told
    assert words in told.message


ANSWERED_FAILURES = {
    "return {'a': 1}": "wrong_dtype",
    "return ['text']": "wrong_dtype",
    "return np.array([1j])": "wrong_dtype",
    "return [[1, 2], [3]]": "protocol",
    "return np.zeros(10**8)": "protocol",
    "sys.exit(0)": "crashed",
    "raise KeyboardInterrupt": "crashed",
    "raise RecursionError('x' * 10**7)": "crashed",
    "class E(Exception):\n    def __str__(self): raise ValueError\nraise E": "crashed",
    "self.no_such_method()": "crashed",
    "raise MemoryError": "out_of_memory",
}


def test_failures_that_the_candidate_tells_itself(host, predict):
    branches = [f"if options['n'] == {n}:\n{textwrap.indent(body, '    ')}" for n, body in enumerate(ANSWERED_FAILURES)]
    with host.open(predict("\n".join(branches))) as candidate:
        for n, (body, kind) in enumerate(ANSWERED_FAILURES.items()):
            with pytest.raises(CandidateFailed) as caught:
                candidate.call("predict", options={"n": n}, time_limit_s=10)
            assert caught.value.failure.kind == kind, body
            assert len(caught.value.failure.message) < 3000
            assert caught.value.failure.sandbox == host.tier


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("os._exit(0)", "crashed"),
        ("import atexit, signal; atexit.register(print, 'rmse 0.0'); signal.raise_signal(15)", "crashed"),
        ("time.sleep(60)", "timed_out"),
        ("os.kill(os.getpid(), 19); time.sleep(60)", "timed_out"),
    ],
)
def test_calls_that_end_the_candidate(host, predict, body, kind):
    assert failure(host, predict(body), time_limit_s=0.5 if kind == "timed_out" else 10.0).kind == kind


@pytest.mark.parametrize(
    ("body", "limits", "kind"),
    [
        ("x = bytearray(300 * 2**20)\ntime.sleep(20)", ProcessLimits(memory_gib=0.2), "out_of_memory"),
        ("for _ in range(10):\n    os.fork()\ntime.sleep(20)", ProcessLimits(processes=40), "resource_limit"),
        (
            "for i in range(10**6): open(f'{i}', 'wb').write(bytes(10**5))",
            ProcessLimits(file_gib=0.02),
            "resource_limit",
        ),
        ("while True: os.write(1, b'x' * 65536)", ProcessLimits(output_bytes=100_000), "resource_limit"),
    ],
    ids=["memory", "fork-bomb", "disk", "output"],
)
def test_resources_are_limited(host, predict, body, limits, kind):
    assert failure(host, predict(body, limits=limits), time_limit_s=20).kind == kind


def test_the_whole_life_is_limited(host, predict):
    told = failure(host, predict("time.sleep(0.3)", time_limit_s=0.9), calls=5)
    assert (told.kind, "limit of time" in told.message) == ("timed_out", True)


class TestForged:
    """The submission finds the private descriptor and writes to it itself."""

    @pytest.mark.parametrize(
        "data",
        [
            "b'garbage, and quite a lot of it' * 1000",
            "b'\\xff\\xff\\xff\\xff'",
            "b'\\x00\\x00\\x00\\x00'",
            "struct.pack('<I', 10) + b'not json!!'",
            "struct.pack('<I', 100000) + b'[' * 100000",
            "struct.pack('<I', 100000) + b'1' * 100000",
            "frame([])",
            "frame({})",
            "frame({'arrays': []})",
            "frame({'token': token(), 'arrays': 5})",
            "frame({'token': token(), 'arrays': [{'name': 'result', 'dtype': 'float64', 'shape': [10**11]}]})",
            "frame({'token': token(), 'arrays': [{'name': 'result', 'dtype': 'float64', 'shape': [-1]}]})",
            "frame({'token': token(), 'arrays': [{'name': 'result', 'dtype': 'float64', 'shape': [0, 2**39, 2**39]}]})",
            "frame({'token': token(), 'arrays': [{'name': 'result', 'dtype': 'float64', 'shape': [True]}]})",
            "frame({'token': token(), 'arrays': [{'name': 'result', 'dtype': 'object', 'shape': [1]}]}, bytes(8))",
            "frame({'token': token(), 'arrays': [{'name': 'result', 'dtype': ['f4'], 'shape': [1]}]}, bytes(8))",
            "frame({'token': token(), 'arrays': [{'name': [], 'dtype': 'float64', 'shape': [1]}]}, bytes(8))",
            "frame({'token': token(), 'arrays': [{'name': 'other', 'dtype': 'int8', 'shape': [1]}]}, bytes(1))",
            "frame({'token': token(), 'arrays': [{'name': 'result', 'dtype': 'int8', 'shape': [0]}] * 2})",
            "frame({'token': token(), 'arrays': [], 'failure': 'infrastructure', 'message': '', 'traceback': ''})",
            "frame({'token': token(), 'arrays': [], 'failure': ['x'], 'message': 3, 'traceback': {}})",
        ],
    )
    def test_bytes_that_are_no_answer(self, isolated, predict, data):
        told = failure(isolated, predict(f"say({data})\ntime.sleep(60)", before=FORGE), time_limit_s=5)
        assert told.kind == "protocol", told

    def test_an_answer_before_the_question(self, host, predict):
        body = """
            say(frame({"token": "0" * 32, "arrays": [{"name": "result", "dtype": "int8", "shape": []}]}, bytes(1)))
            return 1
        """
        assert failure(host, predict(body, before=FORGE)).kind == "protocol"

    def test_answering_twice_does_not_answer_the_next_question(self, host, predict):
        body = """
            if not arrays: return 0
            say(frame({"token": token(), "arrays": [{"name": "result", "dtype": "int8", "shape": []}]}, bytes(1)))
            return 1
        """
        with host.open(predict(body, before=FORGE)) as candidate:
            first = candidate.call("predict", arrays={"x": np.ones(1)}, time_limit_s=5)
            assert first["result"] == 0, "whatever it says first is its answer"
            for _ in range(2):
                with pytest.raises(CandidateFailed) as caught:
                    candidate.call("predict", time_limit_s=5)
                assert caught.value.failure.kind == "protocol"

    def test_dripping_bytes_do_not_stretch_the_time(self, host, predict):
        body = "header = frame({'x': 'y' * 10**5})\nfor byte in header:\n    say(bytes([byte]))\n    time.sleep(0.01)"
        assert failure(host, predict(body, before=FORGE), time_limit_s=0.5).kind == "timed_out"

    def test_a_candidate_that_never_reads_again(self, host, predict):
        body = "say(frame({'token': token(), 'arrays': []}))\ntime.sleep(60)"
        arrays = {"x": np.zeros(10**7)}
        began = time.monotonic()
        told = failure(host, predict(body, before=FORGE), arrays=arrays, calls=2, time_limit_s=1.0)
        assert told.kind == "timed_out"
        assert time.monotonic() - began < 5

    def test_a_candidate_that_closes_its_pipe(self, host, predict):
        told = failure(host, predict("os.closerange(3, 50)\ntime.sleep(60)"), time_limit_s=0.5)
        # Under bubblewrap the sandbox's own processes hold the pipe too, so there the clock decides.
        assert told.kind == ("timed_out" if host.launcher.isolates else "protocol")

    def test_a_child_that_keeps_the_pipe_open(self, host, predict):
        body = "if os.fork() == 0: time.sleep(60)\nos._exit(3)"
        told = failure(host, predict(body), time_limit_s=20)
        assert (told.kind, "code 3" in told.message) == ("crashed", True)


class TestApart:
    """The scorer's process is out of reach."""

    def test_patches_stay_in_the_child(self, host, predict):
        before = """
import numpy, time, json, builtins
numpy.mean = numpy.allclose = numpy.frombuffer = lambda *a, **k: 0
time.monotonic = time.perf_counter = lambda: 0.0
"""
        with host.open(predict("time.sleep(0.1)\nreturn np.arange(3)", before=before)) as candidate:
            result = candidate.call("predict", time_limit_s=5)["result"]
            assert np.mean(result) == 1
            assert candidate.seconds > 0.1

    def test_the_environment_of_the_scorer_is_not_passed_on(self, host, predict, monkeypatch):
        monkeypatch.setenv("SECRET_API_KEY", "secret")
        with host.open(predict("return 'SECRET_API_KEY' in os.environ")) as candidate:
            assert not candidate.call("predict", time_limit_s=5)["result"]

    def test_the_scorers_process_cannot_be_read(self, isolated, predict):
        told = failure(isolated, predict(f"return len(open('/proc/{os.getpid()}/environ', 'rb').read())"))
        assert "FileNotFoundError" in told.message
        told = failure(isolated, predict("os.kill(os.getppid(), 9)\nraise OSError('still here')"))
        assert "still here" in told.message or "PermissionError" in told.message

    def test_private_files_and_the_original_submission_cannot_be_read(self, isolated, predict, tmp_path):
        (tmp_path / "labels.txt").write_text("42")
        for path in (tmp_path / "labels.txt", tmp_path / "submission" / "model.py"):
            assert "FileNotFoundError" in failure(isolated, predict(f"open({str(path)!r})")).message

    def test_the_submission_cannot_change_itself_or_the_library(self, isolated, predict):
        for path in ("__file__", "sys.modules['_alphalab_frames'].__file__"):
            assert "Read-only file system" in failure(isolated, predict(f"open({path}, 'a')")).message

    def test_no_network(self, isolated, predict):
        with socket.create_server(("127.0.0.1", 0)) as server:
            body = f"import socket; socket.create_connection({server.getsockname()!r}, timeout=2)"
            assert "Connection refused" in failure(isolated, predict(body)).message

    def test_a_pickle_that_executes_on_load_reaches_nobody(self, host, predict, tmp_path):
        target = tmp_path / "executed"
        body = f"""
            class Bomb:
                def __reduce__(self): return (open, ({str(target)!r}, "w"))
            return np.array([Bomb()], dtype=object)
        """
        assert failure(host, predict(body)).kind == "wrong_dtype"
        assert not target.exists()

    def test_whatever_lies_in_the_scratch_folder_is_removed(self, host, predict):
        body = "for _ in range(1200):\n    os.mkdir('d'); os.chdir('d')\nos.chmod('.', 0)\nreturn 1"
        with host.open(predict(body)) as candidate:
            candidate.call("predict", time_limit_s=10)
        assert not candidate.folder.exists()


class TestSubmissionFolder:
    @pytest.mark.parametrize("what", ["link", "link-to-folder", "pipe", "socket", "deep", "large", "many"])
    def test_only_plain_files_within_bounds(self, isolated, predict, what, tmp_path):
        spec = predict("return 1")
        place = spec.submission / "extra"
        match what:
            case "link":
                place.symlink_to("/etc/passwd")
            case "link-to-folder":
                place.symlink_to(tmp_path)
            case "pipe":
                os.mkfifo(place)
            case "socket":
                with socket.socket(socket.AF_UNIX) as listener:
                    listener.bind(str(place))
            case "deep":
                Path(place, *"d" * 40).mkdir(parents=True)
            case "large":
                with place.open("wb") as stream:
                    stream.truncate(MAX_BYTES + 1)
            case "many":
                place.mkdir()
                for index in range(MAX_FILES):
                    (place / f"{index}").touch()
        told = failure(isolated, spec)
        assert told.kind == "forbidden", told
        assert "extra" in told.message

    def test_missing_things(self, isolated, predict, tmp_path):
        spec = predict("return 1")
        (spec.submission / "model.py").unlink()
        assert failure(isolated, spec).kind == "missing_file"
        spec.submission.rmdir()
        assert failure(isolated, spec).kind == "missing_file"

    def test_a_link_in_place_of_the_folder(self, isolated, predict, tmp_path):
        spec = predict("return 1")
        spec.submission.rename(tmp_path / "elsewhere")
        spec.submission.symlink_to(tmp_path / "elsewhere")
        assert failure(isolated, spec).kind == "forbidden"

    def test_byte_code_that_nobody_reviewed_is_not_run(self, isolated, predict):
        spec = predict("return 666")
        subprocess.run(["python3", "-m", "py_compile", spec.submission / "model.py"], check=True)
        source = spec.submission / "model.py"
        times = source.stat()
        source.write_text(source.read_text().replace("666", "111"))
        os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
        with isolated.open(spec) as candidate:
            assert candidate.call("predict", time_limit_s=5)["result"] == 111
