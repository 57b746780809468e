"""Candidates in this very process: fast, without any isolation, for submissions that are trusted."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Mapping
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from attrs import define, field

from alphalab.candidates import Arrays, CandidateFailed, CandidateSpec


@define(kw_only=True, eq=False)
class InProcessCandidate:
    """A submission's object, called directly."""

    tier: ClassVar[str] = "none"
    target: Any
    spent_s: float = 0.0
    closed: bool = False
    calls: list[tuple[str, dict[str, Any]]] = field(factory=list[tuple[str, dict[str, Any]]])
    """Methods and copies of the arrays they were called with, in order."""

    @property
    def seconds(self) -> float:
        """Wall-clock seconds spent in calls."""
        return self.spent_s

    def call(
        self,
        method: str,
        *,
        arrays: Arrays | None = None,
        options: Mapping[str, Any] | None = None,
        time_limit_s: float,
    ) -> Arrays:
        """Run one method; a limit is noticed afterwards, since nothing can interrupt it here.

        Raises:
            CandidateFailed: It raised, took too long, or was closed before.
        """
        if self.closed:
            raise CandidateFailed.because("crashed", "the candidate was closed")
        given = dict(arrays or {})
        self.calls.append((method, {name: np.array(array) for name, array in given.items()}))
        started = time.monotonic()
        try:
            result = getattr(self.target, method)(*given.values(), **dict(options or {}))
        except Exception as error:  # The submission's own errors are its result.
            raise CandidateFailed.because("crashed", f"{method} raised {type(error).__name__}: {error}") from error
        finally:
            self.spent_s += time.monotonic() - started
        if time.monotonic() - started > time_limit_s:
            raise CandidateFailed.because("timed_out", f"{method} took longer than {time_limit_s:g} s")
        return {} if result is None else {"result": np.asarray(result)}

    def close(self) -> None:
        """Refuse further calls."""
        self.closed = True


@define(kw_only=True, eq=False)
class InProcessCandidateHost:
    """Loads submissions into the calling process. Only for code that is trusted: nothing is isolated or interrupted."""

    tier: ClassVar[str] = "none"
    opened: list[InProcessCandidate] = field(factory=list[InProcessCandidate])
    """Every candidate so far, with the calls it was given."""

    def open(self, spec: CandidateSpec) -> InProcessCandidate:
        """Import the module under a name of its own and create the class without arguments.

        Raises:
            CandidateFailed: It could not be loaded.
        """
        try:
            target = getattr(self._load(spec), spec.attribute)()
        except Exception as error:  # Whatever stops an import is the submission's result.
            message = f"{spec.module}.py could not be loaded: {type(error).__name__}: {error}"
            raise CandidateFailed.because("import_failed", message) from error
        candidate = InProcessCandidate(target=target)
        self.opened.append(candidate)
        return candidate

    def _load(self, spec: CandidateSpec) -> ModuleType:
        name = f"_candidate_{len(self.opened)}_{spec.module}"
        found = importlib.util.spec_from_file_location(name, spec.submission / f"{spec.module}.py")
        if found is None or found.loader is None:
            raise ImportError(f"no module {spec.module!r} in {spec.submission}")
        module = importlib.util.module_from_spec(found)
        sys.modules[name] = module
        found.loader.exec_module(module)
        return module
