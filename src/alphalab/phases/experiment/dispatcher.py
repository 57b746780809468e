"""The thin shell around `decide`: takes an event, decides, performs the commands, reports back.

Reacts to events alone; there is no tick. An exception in a command ends the campaign: what failed is not an experiment
but the machinery, and everything that is on record stays there for the next run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, field

from alphalab.executors import Executor
from alphalab.experiments import Experiment
from alphalab.measurement import Measurement
from alphalab.phases.experiment.attempts import Attempts
from alphalab.phases.experiment.decide import decide
from alphalab.phases.experiment.engine import (
    Analyse,
    BoardChanged,
    Cancel,
    CancelAsked,
    Card,
    Command,
    EngineEvent,
    EngineState,
    Finish,
    Finished,
    Fix,
    Implement,
    PauseChanged,
    Propose,
    Report,
    Rules,
    Score,
    StopAsked,
    Submit,
)
from alphalab.phases.experiment.watcher import JobWatcher
from alphalab.phases.experiment.work import Work
from alphalab.roles import CampaignContext


@define(kw_only=True, eq=False)
class Dispatcher:
    """Runs the experiment phase of one campaign."""

    campaign: CampaignContext
    executor: Executor
    rules: Rules
    watcher: JobWatcher
    _events: asyncio.Queue[EngineEvent] = field(factory=asyncio.Queue["EngineEvent"], init=False)

    def stop(self, reason: str) -> None:
        """End the campaign after what runs now; call from the loop's thread."""
        self._events.put_nowait(StopAsked(reason=reason))

    def pause(self, *, paused: bool) -> None:
        """Hold new work back, or let it go again; call from the loop's thread."""
        self._events.put_nowait(PauseChanged(paused=paused))

    def cancel(self, experiment_id: str, reason: str = "asked for") -> None:
        """Take one experiment off the board; call from the loop's thread."""
        self._events.put_nowait(CancelAsked(id=experiment_id, reason=reason))

    def refresh(self) -> None:
        """Take notice of changes on the board that came from outside; call from the loop's thread."""
        self._events.put_nowait(BoardChanged(cards=self._cards()))

    async def run(self) -> str:
        """Go on until the experiments are over; returns the stop reason."""
        attempts = Attempts(campaign=self.campaign, executor=self.executor, watcher=self.watcher, changed=self._changed)
        attempts.rewind()
        state = self._opening()
        async with asyncio.TaskGroup() as group:
            await attempts.adopt()
            self._events.put_nowait(BoardChanged(cards=()))
            actions = self._actions(attempts, Work(campaign=self.campaign))
            while True:
                state, commands = decide(state, await self._events.get())
                for command in commands:
                    if isinstance(command, Finish):
                        return command.reason
                    group.create_task(self._perform(command, actions[type(command)]), name=str(command))

    def _opening(self) -> EngineState:
        store = self.campaign.store
        scores = sorted(store.scores(split="search"), key=lambda score: score.at)
        # Confirmation runs with further seeds are not experiments.
        own = [score.outcome for score in scores if not score.is_baseline and score.seed == self.campaign.seed]
        return EngineState(
            rules=self.rules,
            cards={card.id: card for card in self._cards()},
            history=tuple(outcome.value for outcome in own if isinstance(outcome, Measurement)),
            reports=int(store.get("reports") or 0),
            patient_since=int(store.get("patient_since") or 0),
        )

    def _cards(self) -> tuple[Card, ...]:
        return tuple(card_of(experiment) for experiment in self.campaign.store.experiments())

    def _changed(self, experiment_id: str) -> None:
        self._events.put_nowait(BoardChanged(cards=(card_of(self.campaign.store.experiment(experiment_id)),)))

    async def _perform(self, command: Any, action: Callable[[Any], Awaitable[bool | None]]) -> None:
        fruitful = await action(command)
        if isinstance(command, Propose):
            self.refresh()
        elif not isinstance(command, Report):
            self._changed(command.id)
        self._events.put_nowait(Finished(command=command, fruitful=fruitful is not False))

    def _actions(self, attempts: Attempts, work: Work) -> dict[type[Command], Callable[[Any], Awaitable[bool | None]]]:
        return {
            Propose: work.propose,
            Implement: work.implement,
            Fix: work.fix,
            Analyse: work.analyse,
            Report: work.report,
            Submit: attempts.submit,
            Score: attempts.score,
            Cancel: attempts.cancel,
        }


def card_of(experiment: Experiment) -> Card:
    """An experiment as the decision sees it."""
    return Card(
        id=experiment.id,
        state=experiment.state,
        priority=experiment.priority,
        fixes=experiment.fixes,
        value=experiment.value("search"),
    )
