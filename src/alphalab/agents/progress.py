"""Whether a run goes on after a turn, and what the model is told; no clock, no files, no model."""

from __future__ import annotations

import json

from attrs import define, frozen

from alphalab.agents.result import AgentStop
from alphalab.agents.turn import Call, Continue, Next, Turn
from alphalab.budget import Limits

CUT_OFF = "Your answer was cut off at its maximum length. Go on exactly where it stopped."
EMPTY = "Your answer was empty. Go on with the work, or say what you found."


@frozen
class Stop:
    """The run ends."""

    reason: AgentStop


@define(kw_only=True, eq=False)
class Progress:
    """Counts turns without work and failing calls that repeat."""

    limits: Limits
    finishing: tuple[str, ...]
    """Names of the tools that end a run."""
    needs_finish: bool
    _idle: int = 0
    _failing: str = ""
    _streak: int = 0

    def finishes(self, text: str, calls: tuple[Call, ...]) -> bool:
        """Whether a turn ends the run unless its review objects."""
        if calls:
            return any(call.name in self.finishing and call.ok for call in calls)
        return not self.needs_finish and bool(text.strip())

    def after(self, turn: Turn, said: Next, *, cut_off: bool = False) -> Stop | Next:
        """What follows from a turn and its review.

        Args:
            turn: The turn, its tools run.
            said: What the review said.
            cut_off: Whether the model's output reached its maximum length.
        """
        self.count(turn)
        if turn.finishes and said is None:
            return Stop("finished" if turn.calls else "text")
        if self._streak >= self.limits.repeats:
            return Stop("repeats")
        if self._idle > self.limits.nudges:
            return Stop("nudges")
        if said is not None or turn.calls:
            return said
        return Continue(CUT_OFF if cut_off else self._nudge())

    def _nudge(self) -> str:
        if not self.needs_finish:
            return EMPTY
        return (
            "That was text only; nothing happens until you call a tool. Go on with the work, "
            f"and call `{self.finishing[0]}` when all of it is done."
        )

    def count(self, turn: Turn) -> None:
        """Note whether a turn did any work, and which of its calls failed."""
        worked = any(call.name not in self.finishing for call in turn.calls)
        self._idle = 0 if worked else self._idle + 1
        previous = ""
        for call in turn.calls:
            key = json.dumps([call.name, call.use.malformed or call.use.input], sort_keys=True, default=str)
            if key != previous:  # the same call twice in one turn was made without knowing how the first one went
                self._note(call, key)
            previous = key

    def _note(self, call: Call, key: str) -> None:
        if call.ok:
            self._failing, self._streak = "", 0
        else:
            self._streak = self._streak + 1 if key == self._failing else 1
            self._failing = key
