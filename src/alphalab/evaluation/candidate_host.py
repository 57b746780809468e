"""The scorer's side: candidates in sandboxed children, spoken to in frames.

Nothing of a candidate is imported or unpickled here, and nothing it does, short of answering in time and in form,
gets further than a `CandidateFailed`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any, Self, cast

from attrs import define, field

from alphalab.candidates import Arrays, CandidateFailed, CandidateSpec
from alphalab.commands import Access, Command, Launcher, Sandboxed
from alphalab.errors import ConfigError
from alphalab.evaluation.candidate_copy import copy_submission
from alphalab.evaluation.candidate_pipe import CandidatePipe, Ended, Flooded, Late
from alphalab.evaluation.frames import MAX_ANSWER_BYTES, FrameError, encode
from alphalab.measurement import Failure, FailureKind
from alphalab.workspace import remove_folder

_CHILD = Path(__file__).with_name("candidate_child.py")
_FRAMES = Path(__file__).with_name("frames.py")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_OWN_KINDS = ("crashed", "import_failed", "out_of_memory", "protocol", "wrong_dtype")
"""Kinds of failure that the child may report of itself."""
_KIND_OF_LIMIT: Mapping[str, FailureKind] = {
    "time": "timed_out",
    "memory": "out_of_memory",
    "processes": "resource_limit",
    "disk": "resource_limit",
    "output": "resource_limit",
}
_EXIT_PATIENCE_S = 1.0


@define(eq=False)
class SandboxedCandidateHost:
    """Starts candidates under a sandbox, each with a private copy of its submission and an empty folder to write."""

    launcher: Launcher
    """The sandbox."""

    @property
    def tier(self) -> str:
        """Isolation tier candidates run under."""
        return self.launcher.tier

    def open(self, spec: CandidateSpec) -> SandboxedCandidate:
        """Load a submission in a fresh child.

        Raises:
            CandidateFailed: It could not be loaded.
            SandboxError: The sandbox could not be started.
        """
        for name in (spec.module, spec.attribute):
            if not name.isidentifier():
                raise ConfigError(f"{name!r} is not a Python name; a candidate is a class in a file of its submission")
        folder = Path(tempfile.mkdtemp(prefix="alphalab-candidate-")).resolve()
        try:
            return self._started(spec, folder)
        except BaseException:
            remove_folder(folder)
            raise

    def _started(self, spec: CandidateSpec, folder: Path) -> SandboxedCandidate:
        submission, scratch = folder / "submission", folder / "scratch"
        copy_submission(spec.submission, submission)
        if not (submission / f"{spec.module}.py").is_file():
            raise CandidateFailed.because("missing_file", f"the submission has no file {spec.module + '.py'!r}")
        scratch.mkdir()
        running = self.launcher.launch(
            _command(spec, submission, scratch),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        pipe = CandidatePipe(running.process, output_bytes=spec.limits.output_bytes)
        candidate = SandboxedCandidate(tier=self.tier, folder=folder, running=running, pipe=pipe)
        try:
            candidate.load(submission, spec)
        except BaseException:
            candidate.close()
            raise
        return candidate


def _command(spec: CandidateSpec, submission: Path, scratch: Path) -> Command:
    return Command(
        argv=(sys.executable, "-I", "-B", str(_CHILD)),
        cwd=scratch,
        access=Access(readable=(submission, _CHILD, _FRAMES, *spec.readable), writable=(scratch,)),
        env=dict.fromkeys(_THREAD_VARIABLES, str(spec.threads)),
        limits=spec.limits,
        time_limit_s=spec.time_limit_s,
    )


@define(kw_only=True, eq=False)
class SandboxedCandidate:
    """A loaded submission in its child process; a context manager that ends it."""

    tier: str
    folder: Path
    """Its copy and its scratch folder; removed when it is closed."""
    running: Sandboxed
    pipe: CandidatePipe
    _seconds: float = field(default=0.0, init=False)
    _failure: Failure | None = field(default=None, init=False)
    _busy: threading.Lock = field(factory=threading.Lock, init=False)
    _closed: bool = field(default=False, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        """Wall-clock seconds spent waiting for the candidate so far, by the scorer's clock."""
        return self._seconds

    def load(self, submission: Path, spec: CandidateSpec) -> None:
        """Import the submission and create its object.

        Raises:
            CandidateFailed: It could not be loaded.
        """
        request = {"kind": "load", "folder": str(submission), "module": spec.module, "attribute": spec.attribute}
        self._ask(f"loading {spec.module}.{spec.attribute}", request, {}, spec.start_limit_s)

    def call(
        self,
        method: str,
        *,
        arrays: Arrays | None = None,
        options: Mapping[str, Any] | None = None,
        time_limit_s: float,
    ) -> Arrays:
        """Run one method: arrays positionally, in order, options as keywords.

        Args:
            method: Name of a method of the loaded object.
            arrays: Positional arguments, by name, in order.
            options: Keyword arguments; JSON scalars only.
            time_limit_s: Seconds for this call.

        Returns:
            `{"result": array}`, or `{}` when the method returned None.

        Raises:
            CandidateFailed: It raised, died, took too long, or answered in another form.
        """
        for name, value in (options or {}).items():
            if value is not None and not isinstance(value, str | int | float):
                raise ConfigError(f"option {name}={value!r} is no JSON scalar; send arrays as arrays")
        request = {"kind": "call", "method": method, "options": dict(options or {})}
        results = self._ask(f"{method}()", request, arrays or {}, time_limit_s)
        if set(results) - {"result"}:
            raise self._fatal(
                "protocol", f"{method}() answered with arrays {sorted(results)}; one 'result' is expected"
            )
        return results

    def close(self) -> None:
        """End the child and everything it started, and remove its folders."""
        self.running.kill()
        with self._busy:  # a call in another thread sees the end of the pipe and leaves
            if not self._closed:
                self._closed = True
                self.pipe.close()
                remove_folder(self.folder)

    def _ask(self, what: str, request: Mapping[str, Any], arrays: Arrays, limit_s: float) -> Arrays:
        token = token_hex(16)
        try:
            frame = encode({**request, "token": token}, arrays)
        except ValueError as error:
            raise ConfigError(f"{what} cannot be asked for: {error}") from error
        with self._busy:
            if self._failure is not None or self._closed:
                raise self._again(what)
            answer, results = self._exchange(what, frame, limit_s)
            self._check(what, answer, token)
        return results

    def _exchange(self, what: str, frame: list[memoryview], limit_s: float) -> tuple[dict[str, Any], Arrays]:
        began = time.monotonic()
        try:
            return self.pipe.exchange(frame, deadline=began + limit_s, max_bytes=MAX_ANSWER_BYTES)
        except Late:
            reason: tuple[FailureKind, str] = "timed_out", f"{what} took longer than {limit_s:g} s"
        except Flooded:
            reason = "resource_limit", f"{what} printed without end"
        except FrameError as error:
            reason = "protocol", f"{what} was answered with something that is not a frame: {error}"
        except Ended:
            reason = self._why_it_ended(what)
        finally:
            self._seconds += time.monotonic() - began
        raise self._fatal(*reason)

    def _check(self, what: str, answer: dict[str, Any], token: str) -> None:
        if answer.get("token") != token:  # written before it was asked for, or by somebody else
            raise self._fatal("protocol", f"{what} was answered with a frame that belongs to no request")
        if "failure" not in answer:
            return
        kind, message, trace = (answer.get(name) for name in ("failure", "message", "traceback"))
        if kind not in _OWN_KINDS or not isinstance(message, str) or not isinstance(trace, str):
            raise self._fatal("protocol", f"{what} was answered with a failure in another form")
        raise self._failed(cast("FailureKind", kind), f"{what}: {message}", traceback=trace)

    def _why_it_ended(self, what: str) -> tuple[FailureKind, str]:
        try:
            self.running.process.wait(_EXIT_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return "protocol", f"the candidate closed its pipe before {what} was answered"
        self.running.kill()
        limit = self.running.limit_hit()
        if limit is not None:
            kind = _KIND_OF_LIMIT.get(limit, "infrastructure")
            return kind, f"{what}: the candidate was ended at its limit of {limit}"
        code = self.running.process.returncode
        return "crashed", f"the candidate's process ended with code {code} before {what} was answered"

    def _fatal(self, kind: FailureKind, message: str) -> CandidateFailed:
        self.running.kill()
        error = self._failed(kind, message)
        self._failure = error.failure
        return error

    def _failed(self, kind: FailureKind, message: str, **details: str) -> CandidateFailed:
        failure = Failure(
            kind=kind,
            message=message,
            seconds=self._seconds,
            sandbox=self.tier,
            details={**details, "stderr": self.pipe.stderr()},
        )
        return CandidateFailed(message, failure=failure)

    def _again(self, what: str) -> CandidateFailed:
        if self._failure is not None:
            return CandidateFailed(self._failure.message, failure=self._failure)
        message = f"{what} was asked of a candidate that is closed"
        failure = Failure(kind="cancelled", message=message, seconds=self._seconds, sandbox=self.tier)
        return CandidateFailed(message, failure=failure)
