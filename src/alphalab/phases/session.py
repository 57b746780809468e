"""One run of a campaign: the phases in order, each once, the rest taken up where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

from alphalab.errors import AlphaLabError
from alphalab.events import CampaignStopped, PhaseFinished, PhaseStarted, Recorded
from alphalab.executors import Capacity, Executor
from alphalab.measurement import Measurement
from alphalab.phases.adapt import adapt, adopt
from alphalab.phases.evaluate import evaluate
from alphalab.phases.experiment import Dispatcher, JobWatcher, Rules, confirm
from alphalab.phases.explore import explore
from alphalab.phases.spending import active_time, overspent
from alphalab.resources import Resources
from alphalab.roles import CampaignContext

Phase = Callable[[CampaignContext], Coroutine[Any, Any, str]]
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
    _phase: asyncio.Future[str] | None = field(default=None, init=False)

    async def run(self) -> str:
        """Go through the phases; returns the stop reason.

        Raises:
            AlphaLabError: The machinery failed; what is on record stays, and running again goes on from it.
        """
        with self._limited_spending():
            try:
                for name, phase in PREPARING.items():
                    if await self._once(name, phase) is None:
                        return self._stopped_early()
                return await self._experiments()
            except BaseExceptionGroup as group:
                raise _first(group) from group

    def _stopped_early(self) -> str:
        reason = self._stop or "stopped"
        self.campaign.emit(CampaignStopped(reason=reason))
        return reason

    def stop(self, reason: str) -> None:
        """End after what runs now; before the board is at work, break off, to be taken up again."""
        self._stop = self._stop or reason
        if self.dispatcher is not None:
            self.dispatcher.stop(reason)
        if self._phase is not None:
            self._phase.cancel()

    def pause(self, *, paused: bool) -> None:
        """Hold new work back, or let it go again."""
        self._paused = paused
        if self.dispatcher is not None:
            self.dispatcher.pause(paused=paused)

    def cancel(self, experiment_id: str) -> None:
        """Take an experiment off the board; its job ends."""
        if self.dispatcher is not None:  # else the board closed between the request and now, and all is final
            self.dispatcher.cancel(experiment_id)

    def require_board(self, experiment_id: str) -> None:
        """Refuse to cancel while the board is not at work.

        Raises:
            AlphaLabError: Names the phase.
        """
        if self.dispatcher is None:
            phase = self.campaign.phase
            raise AlphaLabError(f"{experiment_id} cannot be cancelled in phase {phase!r}: the board is not at work")

    async def _once(self, name: str, phase: Phase) -> str | None:
        """Run a phase unless it is done; None when it was broken off by a stop."""
        campaign = self.campaign
        campaign.phase = name
        done: str | None = campaign.store.get(f"phase/{name}")
        if done is not None:
            if name == "adapt":
                adopt(campaign)
            return done
        if self._stop is not None:
            return None
        campaign.emit(PhaseStarted(phase=name))
        started = campaign.clock.monotonic()
        summary = await self._unless_stopped(phase)
        if summary is None:
            return None
        seconds = campaign.clock.monotonic() - started
        with campaign.store.transaction():
            campaign.store.put(f"phase/{name}", summary)
            campaign.emit(PhaseFinished(phase=name, summary=summary, seconds=seconds))
        return summary

    async def _unless_stopped(self, phase: Phase) -> str | None:
        self._phase = asyncio.ensure_future(phase(self.campaign))
        try:
            return await self._phase
        except asyncio.CancelledError:
            if self._stop is None:
                raise
            return None
        finally:
            self._phase.cancel()
            self._phase = None

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
            self.campaign.store.put("patient_since", self._scored())
            return True
        return False

    def _scored(self) -> int:
        scores = self.campaign.store.scores(split="search")
        own = [score for score in scores if not score.is_baseline and score.seed == self.campaign.seed]
        return sum(isinstance(score.outcome, Measurement) for score in own)

    async def _run_board(self) -> str:
        watcher = JobWatcher(executor=self.executor)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watcher.run(), name="jobs")
            self.dispatcher = Dispatcher(
                campaign=self.campaign, executor=self.executor, rules=await self._rules(), watcher=watcher
            )
            self.campaign.cancel = self.dispatcher.cancel
            try:
                reason = await self._dispatch(self.dispatcher)
                if reason != "stopped":  # who stops wants to leave; confirmation waits for the next run
                    await confirm(self.campaign, self.executor, watcher)
            finally:
                self.dispatcher = self.campaign.cancel = None
                watching.cancel()
        return reason

    async def _dispatch(self, dispatcher: Dispatcher) -> str:
        if self._stop is not None:
            dispatcher.stop(self._stop)
        if self._paused:
            dispatcher.pause(paused=True)
        return await dispatcher.run()

    async def _rules(self) -> Rules:
        slots = slots_for(self.campaign.resources, await self.executor.capacity())
        sealed: dict[str, Any] = self.campaign.store.get("evaluation") or {}
        return Rules(
            metric=self.campaign.metric,
            limit=self.campaign.budget.experiments,
            slots=slots,
            workers=self.workers,
            noise_floor=float(sealed.get("noise_floor", 0.0)),
        )

    @contextmanager
    def _limited_spending(self) -> Generator[None]:
        """Stop when the budget is used up in any unit."""
        campaign, budget, bus = self.campaign, self.campaign.budget, self.campaign.store.bus
        loop = asyncio.get_running_loop()

        def look(_recorded: Recorded | None = None) -> None:
            if self._stop is None and overspent(campaign.store, budget, gpus=campaign.resources.gpus) is not None:
                loop.call_soon_threadsafe(self.stop, "budget")

        if bus is not None:
            bus.sinks.append(look)
        look()
        timer = None
        if budget.wall_time is not None:
            left = budget.wall_time - active_time(campaign.store, campaign.clock.now())
            timer = loop.call_later(max(left.total_seconds(), 0.0), self.stop, "budget")
        try:
            yield
        finally:
            if bus is not None:
                bus.sinks.remove(look)
            if timer is not None:
                timer.cancel()


def slots_for(each: Resources, capacity: Capacity) -> int:
    """Jobs of this size that fit at once, at least one: the executor says itself when one can never fit."""
    fits = [capacity.slots]
    if capacity.cpus is not None:
        fits.append(capacity.cpus // each.cpus)
    if capacity.gpus is not None and each.gpus:
        fits.append(int(capacity.gpus / each.gpus))
    return max(1, min(fits))


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
