"""What is measured, what came out, and how a submission can fail.

A `Measurement` is finite by construction: a diverged run is a `Failure`, because JSON has no NaN, SQLite turns
it into NULL, and `max` over it depends on order.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from attrs import field, frozen

from alphalab.errors import ConfigError

Goal = Literal["minimize", "maximize"]
Split = Literal["train", "search", "final"]
FailureKind = Literal[
    "missing_file",  # the submission lacks a required file, or holds one it must not
    "import_failed",  # the submission could not be loaded
    "crashed",  # it raised, or its process died
    "timed_out",
    "out_of_memory",
    "resource_limit",  # too many processes, too much disk or output
    "protocol",  # an answer that is not in the agreed form
    "wrong_shape",
    "wrong_dtype",
    "non_finite",
    "implausible",  # outside the metric's plausible range
    "diverged",
    "forbidden",  # inspection found something a submission must not do
    "infrastructure",  # the machine or the cluster failed, not the submission
    "cancelled",
]


def _finite(_instance: Any, attribute: Any, value: float | None) -> None:
    if value is not None and not math.isfinite(value):
        raise ConfigError(f"{attribute.name} is {value!r}; a number that is not finite is a Failure, not a Measurement")


def _all_finite(instance: Any, attribute: Any, value: dict[str, float]) -> None:
    for number in value.values():
        _finite(instance, attribute, number)


def _goal(_instance: Any, _attribute: Any, value: str) -> None:
    if value not in ("minimize", "maximize"):
        raise ConfigError(f"metric goal {value!r} is unknown; use 'minimize' or 'maximize'")


@frozen(kw_only=True)
class Metric:
    """The number a campaign improves."""

    name: str
    goal: Goal = field(validator=_goal)
    unit: str = ""
    low: float | None = None
    """Smallest plausible value; a score below it is rejected as implausible."""
    high: float | None = None
    """Largest plausible value."""
    secondary: tuple[str, ...] = field(default=(), converter=tuple)
    """Names of further metrics that are reported but not optimised."""

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is strictly better than `b`."""
        return a < b if self.goal == "minimize" else a > b

    def gain(self, value: float, reference: float) -> float:
        """Improvement over a reference as a fraction of it; positive is better."""
        difference = reference - value if self.goal == "minimize" else value - reference
        return difference / abs(reference) if reference else math.copysign(math.inf, difference) if difference else 0.0

    def sort_key(self, value: float) -> float:
        """Ascending order of this key is best first."""
        return value if self.goal == "minimize" else -value

    def plausible(self, value: float) -> bool:
        """Whether the value lies in the declared range."""
        return not (self.low is not None and value < self.low) and not (self.high is not None and value > self.high)


@frozen(kw_only=True)
class Measurement:
    """One trusted score of one submission on one split with one seed."""

    value: float = field(validator=_finite)
    """The primary metric, in its unit."""
    low: float | None = field(default=None, validator=_finite)
    """Lower end of a 95 % interval over the split's independent units."""
    high: float | None = field(default=None, validator=_finite)
    """Upper end of that interval."""
    n: int = 1
    """Independent units the interval rests on, e.g. forecast origins."""
    secondary: dict[str, float] = field(factory=dict[str, float], validator=_all_finite)
    seconds: float = 0.0
    """Wall-clock time of the candidate."""
    sandbox: str = "none"
    """Isolation tier the candidate ran under."""
    details: dict[str, Any] = field(factory=dict[str, Any])
    """Plain facts for reports: counts of units, origins, masked values."""


MAX_MESSAGE = 4000
"""Characters of a failure's message; the rest of a long one is in the logs."""


def _printable(text: str) -> str:
    """Candidates write parts of these messages: what would steer a terminal is replaced, what is endless is cut."""
    shown = "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)
    return shown if len(shown) <= MAX_MESSAGE else f"{shown[:MAX_MESSAGE]} …"


@frozen(kw_only=True)
class Failure:
    """Why a submission has no score. A failed experiment is a result."""

    kind: FailureKind
    message: str = field(converter=_printable)
    """One or two sentences for the author of the submission."""
    seconds: float = 0.0
    sandbox: str = "none"
    details: dict[str, Any] = field(factory=dict[str, Any])


Outcome = Measurement | Failure
OUTCOME_TAGS = {"scored": Measurement, "rejected": Failure}


@frozen(kw_only=True)
class Finding:
    """Something a review, an inspection or an attack found."""

    severity: Literal["blocking", "warning", "note"]
    message: str
    file: str | None = None
    line: int | None = None
    evidence: str = ""
