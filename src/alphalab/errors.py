"""Every error the library raises, in one tree.

```
AlphaLabError
├── ConfigError (ValueError)      what the caller passed cannot work; all problems together
│   └── AdapterError              an adapter folder is incomplete or contradicts itself
├── ModelError
│   ├── RateLimited               the provider asks to wait
│   ├── ContextOverflow           the request is larger than the window
│   ├── Refused                   the model declined to answer
│   ├── AuthenticationFailed      the key is missing, wrong or not allowed to do this
│   └── ModelUnavailable          no answer for now: overloaded, unreachable, too slow, or broken off
├── ToolError                     read by the model: says what would work
├── LimitExceeded                 turns, tokens, cost or time of one agent run
├── SandboxError                  isolation that was asked for is not to be had
├── ExecutorError
│   ├── SubmitError
│   └── JobLost
├── StoreError
│   ├── NotFound (KeyError)
│   ├── StaleState                somebody else moved the experiment first
│   ├── DuplicateProposal         the board already has that experiment
│   └── BoardFull                 the budget of experiments is on the board
├── EvaluationUnsealed            an evaluation did not pass; experiments do not start
├── EvaluationTampered            a sealed evaluation changed
└── ReplayMismatch                a recorded run and this one differ
```

Messages say what happened, with the value, and what to do next. Facts are attributes.
"""

from __future__ import annotations

from typing import Any, Self


class AlphaLabError(Exception):
    """Root of the tree: catch this to catch everything the library raises on purpose.

    Args:
        message: What happened and what to do next.
        facts: Set as attributes, so that callers need not parse the message.
    """

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.__dict__.update(facts)

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(cls: type[AlphaLabError], args: tuple[Any, ...], facts: dict[str, Any]) -> AlphaLabError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class ConfigError(AlphaLabError, ValueError):
    """What the caller passed cannot work.

    Attributes:
        problems: One sentence each; the message joins them.
    """

    problems: tuple[str, ...]

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), **facts: Any) -> None:
        super().__init__(message, problems=problems or (message,), **facts)

    @classmethod
    def of(cls, subject: str, problems: list[str] | tuple[str, ...]) -> Self:
        """One error for several problems with one subject."""
        if len(problems) == 1:
            return cls(f"{subject}: {problems[0]}", problems=tuple(problems))
        lines = "".join(f"\n  - {problem}" for problem in problems)
        return cls(f"{subject}: {len(problems)} problems{lines}", problems=tuple(problems))


class AdapterError(ConfigError):
    """An adapter folder is incomplete or contradicts itself."""


class ModelError(AlphaLabError):
    """A language model did not give a usable answer.

    Attributes:
        usage: What the attempt is billed for all the same (a `Usage`), or None when nothing is known.
    """

    usage: Any = None


class RateLimited(ModelError):
    """The provider asks to wait.

    Attributes:
        retry_after: Seconds the provider named, or None.
    """

    retry_after: float | None = None


class ContextOverflow(ModelError):
    """The request is larger than the model's context window."""


class Refused(ModelError):
    """The model declined to answer."""


class AuthenticationFailed(ModelError):
    """The key is missing, wrong, or not allowed to do this; trying again does not help."""


class ModelUnavailable(ModelError):
    """No answer for now: the provider is overloaded, unreachable or too slow, or its answer broke off.

    Attributes:
        retry_after: Seconds the provider named, or None.
    """

    retry_after: float | None = None


class ToolError(AlphaLabError):
    """A tool could not do what the model asked; the message is read by the model."""


class LimitExceeded(AlphaLabError):
    """One agent run reached its limit of turns, tokens, cost or time."""


class SandboxError(AlphaLabError):
    """The isolation that was asked for is not to be had on this machine."""


class ExecutorError(AlphaLabError):
    """A job could not be run or observed."""


class SubmitError(ExecutorError):
    """The executor did not accept a job."""


class JobLost(ExecutorError):
    """A job that was submitted cannot be found any more."""


class StoreError(AlphaLabError):
    """The campaign's record on disk cannot be used as asked."""


class NotFound(StoreError, KeyError):
    """Nothing is stored under that id."""


class StaleState(StoreError):
    """The experiment is no longer in the state the caller expected.

    Attributes:
        experiment_id: Which experiment.
        expected: State the caller expected.
        actual: State it is in.
    """

    experiment_id: str
    expected: str
    actual: str


class DuplicateProposal(StoreError):
    """An experiment on the board would run the same thing.

    Attributes:
        experiment_id: The one that is there already.
    """

    experiment_id: str


class BoardFull(StoreError):
    """The board holds as many experiments as the campaign may run.

    Attributes:
        limit: How many that is.
    """

    limit: int


class EvaluationUnsealed(AlphaLabError):
    """The evaluation did not pass its review, tests, attacks or canaries; experiments do not start."""


class EvaluationTampered(AlphaLabError):
    """A sealed evaluation changed after it was sealed.

    Attributes:
        path: The file that differs.
    """

    path: str


class ReplayMismatch(AlphaLabError):
    """A recorded run and this one differ."""
