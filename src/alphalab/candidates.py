"""The seam between a scorer and the code it scores.

A scorer in the trusted process asks a candidate, which lives in a sandboxed child, to run one of its methods on
plain arrays. Nothing else passes between them: no pickles, no objects, no shared memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from attrs import field, frozen

from alphalab.errors import AlphaLabError
from alphalab.measurement import Failure, FailureKind
from alphalab.resources import ProcessLimits

Arrays = Mapping[str, np.ndarray[Any, np.dtype[Any]]]


class CandidateFailed(AlphaLabError):
    """The candidate did not answer as agreed; carries the `Failure` that becomes its result."""

    failure: Failure

    @classmethod
    def because(cls, kind: FailureKind, message: str, **details: Any) -> CandidateFailed:
        """An error whose failure has this kind and message."""
        return cls(message, failure=Failure(kind=kind, message=message, details=details))


@frozen(kw_only=True)
class CandidateSpec:
    """What to load from a submission, and what it may use."""

    submission: Path
    module: str
    """File stem inside the submission, e.g. `forecaster`."""
    attribute: str
    """Class that is created without arguments, e.g. `Forecaster`."""
    readable: tuple[Path, ...] = field(default=(), converter=tuple)
    """Further files the candidate may read."""
    limits: ProcessLimits = field(factory=ProcessLimits)
    start_limit_s: float = 60.0
    """For imports and construction."""
    time_limit_s: float = 600.0
    """For the whole life of the candidate."""
    threads: int = 1
    """BLAS and torch threads."""


class Candidate(Protocol):
    """A loaded submission in its child process."""

    tier: str

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
        ...

    def close(self) -> None:
        """End the child and everything it started."""
        ...

    @property
    def seconds(self) -> float:
        """Wall-clock seconds spent inside the candidate so far."""
        ...


class CandidateHost(Protocol):
    """Starts candidates."""

    @property
    def tier(self) -> str:
        """Isolation tier candidates run under."""
        ...

    def open(self, spec: CandidateSpec) -> Candidate:
        """Load a submission in a fresh child.

        Raises:
            CandidateFailed: It could not be loaded.
        """
        ...
