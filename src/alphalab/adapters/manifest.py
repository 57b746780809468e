"""What an adapter declares: the manifest and the recipes, as values read from TOML."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from attrs import field, frozen

from alphalab.errors import AdapterError
from alphalab.measurement import FailureKind, Metric
from alphalab.resources import Resources

Scalar = bool | int | float | str


@frozen(kw_only=True)
class Splits:
    """Shares of the data, in order; together they make 1."""

    train: float = 0.7
    search: float = 0.15
    final: float = 0.15


@frozen(kw_only=True)
class SubmissionLayout:
    """What a Worker writes into `submission/`."""

    entry: str
    """File or command that the harness loads, e.g. `forecaster.py`."""
    required: tuple[str, ...] = field(default=(), converter=tuple)
    """Files that must be there, relative to the folder."""
    max_mib: float = 16.0
    """Largest size of the whole folder."""
    contract: str = ""
    """The interface in a few lines, for prompts."""


@frozen(kw_only=True)
class Option:
    """One setting of an adapter that a caller may give."""

    kind: Literal["bool", "int", "float", "str"]
    default: Scalar
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = field(default=(), converter=tuple)

    def problem(self, name: str, value: Any) -> str | None:
        """Why a value does not fit, or None."""
        kinds: dict[str, tuple[type, ...]] = {"bool": (bool,), "int": (int,), "float": (int, float), "str": (str,)}
        if type(value) not in kinds[self.kind]:
            return f"option {name}={value!r} must be {self.kind}"
        if self.choices and value not in self.choices:
            return f"option {name}={value!r} must be one of {', '.join(self.choices)}"
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return f"option {name}={value!r} must lie between {self.low} and {self.high}"
        return None


@frozen(kw_only=True)
class Manifest:
    """`manifest.toml`: the one source of metric, splits, layout, resources and options."""

    name: str
    version: int
    summary: str
    metric: Metric
    submission: SubmissionLayout
    splits: Splits = field(factory=Splits)
    resources: Resources = field(factory=lambda: Resources(memory_gib=4.0, time_limit=timedelta(minutes=10)))
    seeds: int = 3
    """Seeds each finalist is run with."""
    options: dict[str, Option] = field(factory=dict[str, Option])


@frozen(kw_only=True)
class Parameter:
    """One dimension of a recipe's search space."""

    kind: Literal["float", "int", "choice"]
    default: Any
    low: float | None = None
    high: float | None = None
    log: bool = False
    """Draw uniformly in the logarithm."""
    choices: tuple[Any, ...] = field(default=(), converter=tuple)

    def __attrs_post_init__(self) -> None:
        problem = self._problem()
        if problem is not None:
            raise AdapterError(f"a parameter of kind {self.kind!r} cannot be drawn: {problem}")

    def _problem(self) -> str | None:
        if self.kind == "choice":
            return None if self.choices else "choices is empty; list what may be chosen"
        if self.low is None or self.high is None:
            return "low and high are both needed"
        if self.low > self.high:
            return f"low={self.low!r} lies above high={self.high!r}"
        if self.log and self.low <= 0:
            return f"log needs low above zero, not {self.low!r}"
        return None


@frozen(kw_only=True)
class Remedy:
    """How to repair a submission of a recipe after a failure of some kind."""

    when: tuple[FailureKind, ...] = field(converter=tuple[FailureKind, ...])
    set: dict[str, Any] = field(factory=dict[str, Any])
    """Parameters to set."""
    scale: dict[str, float] = field(factory=dict[str, float])
    """Parameters to multiply."""
    text: str = ""
    """What the repair does, for the record."""


@frozen(kw_only=True)
class Recipe:
    """A worked approach that ships with an adapter: a source file and the space around it."""

    name: str
    family: str
    file: str
    """Source below `recipes/`; a line `PARAMETERS = {...}` holds its parameters as a dict literal."""
    summary: str
    hypothesis: str
    parameters: dict[str, Parameter] = field(factory=dict[str, Parameter])
    requires: tuple[str, ...] = field(default=(), converter=tuple)
    """Importable modules without which it cannot run."""
    remedies: tuple[Remedy, ...] = field(default=(), converter=tuple)


@frozen(kw_only=True)
class Baseline:
    """A submission that ships with an adapter as a point of comparison."""

    name: str
    folder: str
    """Relative to the adapter's folder."""
    summary: str
    role: Literal["floor", "reference", "baseline"] = "baseline"
    """`floor`: what any useful submission beats. `reference`: what improvement is measured against."""


@frozen(kw_only=True)
class Canary:
    """A submission whose outcome is known beforehand; an evaluation that disagrees is wrong."""

    name: str
    folder: str
    summary: str
    expect: Literal["rejected", "not_better_than_floor", "passes", "worse_than_reference", "better_than_reference"]


@frozen(kw_only=True)
class Attack:
    """A submission that tries to score without solving the task.

    It must be rejected or score no better than the floor.
    """

    name: str
    folder: str
    summary: str
    quick: bool = True
    """Runs in a few seconds, so it is tried before every sealing."""
    isolation: bool = False
    """Only isolation keeps it from succeeding; where a sandbox only limits, it is left out, and that is certified."""


@frozen(kw_only=True)
class Catalogue:
    """`recipes/catalogue.toml`: recipes, baselines, canaries and attacks."""

    recipe: tuple[Recipe, ...] = field(default=(), converter=tuple)
    baseline: tuple[Baseline, ...] = field(default=(), converter=tuple)
    canary: tuple[Canary, ...] = field(default=(), converter=tuple)
    attack: tuple[Attack, ...] = field(default=(), converter=tuple)
