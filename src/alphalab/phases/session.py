"""One run of a campaign: the phases in order, each once, the rest taken up where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from attrs import define, field

from alphalab.errors import AlphaLabError
from alphalab.events import CampaignStopped, PhaseFinished, PhaseStarted, Recorded
from alphalab.executors import Executor
from alphalab.phases.adapt import adapt, adopt
from alphalab.phases.evaluate import evaluate
from alphalab.phases.experiment import Dispatcher, JobWatcher, Rules, confirm
from alphalab.phases.explore import explore
from alphalab.phases.spending import active_time, overspent
from alphalab.roles import CampaignContext

Phase = Callable[[CampaignContext], Awaitable[str]]
PREPARING: dict[str, Phase] = {"adapt": adapt, "explore": explore, "evaluate": evaluate}


@define(kw_only=True, eq=False)
class Session:
    """Runs what is left of a campaign and takes requests while it does."""

    campaign: CampaignContext
    executor: Executor
    workers: int
    dispatcher: Dispatcher | None = field(default=None, init=False)
    _stop: str | None = field(default=None, init=False)
    _paused: bool = field(default=False, init=False)

    async def run(self) -> str:
        """Go through the phases; returns the stop reason.

        Raises:
            AlphaLabError: The machinery failed; what is on record stays, and running again goes on from it.
        """
        try:
            for name, phase in PREPARING.items():
                await self._once(name, phase)
            return await self._experiments()
        except BaseExceptionGroup as group:
            raise _first(group) from group

    def stop(self, reason: str) -> None:
        """End after what runs now."""
        self._stop = self._stop or reason
        if self.dispatcher is not None:
            self.dispatcher.stop(reason)

    def pause(self, *, paused: bool) -> None:
        """Hold new work back, or let it go again."""
        self._paused = paused
        if self.dispatcher is not None:
            self.dispatcher.pause(paused=paused)

    def cancel(self, experiment_id: str) -> None:
        """Take an experiment off the board; its job ends."""
        if self.dispatcher is None:
            raise AlphaLabError(
                f"{experiment_id} cannot be cancelled in phase {self.campaign.phase!r}: the board is not running"
            )
        self.dispatcher.cancel(experiment_id)

    async def _once(self, name: str, phase: Phase) -> None:
        campaign = self.campaign
        campaign.phase = name
        if campaign.store.get(f"phase/{name}") is not None:
            if name == "adapt":
                adopt(campaign)
            return
        campaign.emit(PhaseStarted(phase=name))
        started = campaign.clock.monotonic()
        summary = await phase(campaign)
        seconds = campaign.clock.monotonic() - started
        with campaign.store.transaction():
            campaign.store.put(f"phase/{name}", summary)
            campaign.emit(PhaseFinished(phase=name, summary=summary, seconds=seconds))

    async def _experiments(self) -> str:
        campaign = self.campaign
        campaign.phase = "experiment"
        finished = campaign.store.get("phase/experiment")
        if finished is not None and not self._extended(finished):
            return str(finished["reason"])
        campaign.emit(PhaseStarted(phase="experiment"))
        started = campaign.clock.monotonic()
        reason = await self._run_board()
        with campaign.store.transaction():
            campaign.store.put("phase/experiment", {"reason": reason, "limit": campaign.budget.experiments})
            seconds = campaign.clock.monotonic() - started
            campaign.emit(PhaseFinished(phase="experiment", summary=f"ended: {reason}", seconds=seconds))
            campaign.emit(CampaignStopped(reason=reason))
        return reason

    def _extended(self, finished: dict[str, object]) -> bool:
        """A larger budget of experiments, or a campaign somebody stopped, goes on; its finalists are chosen again."""
        limit, before = self.campaign.budget.experiments, finished["limit"]
        larger = isinstance(before, int) and (limit is None or limit > before)
        if larger or finished["reason"] in ("stopped", "budget"):
            self.campaign.store.put("finalists", None)
            return True
        return False

    async def _run_board(self) -> str:
        watcher = JobWatcher(executor=self.executor)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watcher.run(), name="jobs")
            self.dispatcher = Dispatcher(
                campaign=self.campaign, executor=self.executor, rules=await self._rules(), watcher=watcher
            )
            alarm = self._limit_spending(self.dispatcher)
            try:
                reason = await self._dispatch(self.dispatcher)
                await confirm(self.campaign, self.executor, watcher)
            finally:
                self.dispatcher = None
                alarm()
                watching.cancel()
        return reason

    async def _dispatch(self, dispatcher: Dispatcher) -> str:
        if self._stop is not None:
            dispatcher.stop(self._stop)
        if self._paused:
            dispatcher.pause(paused=True)
        return await dispatcher.run()

    async def _rules(self) -> Rules:
        capacity = await self.executor.capacity()
        sealed: dict[str, Any] = self.campaign.store.get("evaluation") or {}
        return Rules(
            metric=self.campaign.metric,
            limit=self.campaign.budget.experiments,
            slots=max(1, capacity.slots),
            workers=self.workers,
            noise_floor=float(sealed.get("noise_floor", 0.0)),
        )

    def _limit_spending(self, dispatcher: Dispatcher) -> Callable[[], None]:
        """Stop when the budget is used up in any unit; returns what ends the watch."""
        campaign, budget = self.campaign, self.campaign.budget
        bus = campaign.store.bus

        def look(recorded: Recorded | None = None) -> None:
            _ = recorded
            if overspent(campaign.store, budget, gpus=campaign.resources.gpus) is not None:
                dispatcher.stop("budget")

        if bus is not None:
            bus.sinks.append(look)
        look()
        timer = None
        if budget.wall_time is not None:
            left = budget.wall_time - active_time(campaign.store, campaign.clock.now())
            timer = asyncio.get_running_loop().call_later(
                max(left, timedelta(0)).total_seconds(), dispatcher.stop, "budget"
            )

        def end() -> None:
            if bus is not None:
                bus.sinks.remove(look)
            if timer is not None:
                timer.cancel()

        return end


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error a caller can act upon: the first of the library's own, else the first of all."""
    leaves: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending += list(error.exceptions)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, AlphaLabError)), leaves[0])
