"""What a campaign does next: a pure function of its state and of what just happened.

`decide(state, event) -> (state, commands)` has no clock, no files and no model. The dispatcher performs the commands
and reports back with events. A command that was given out stays in `working` until `Finished` comes back for it, so
nothing is started twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import attrs

from alphalab.experiments import ExperimentState
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
    Score,
    StopAsked,
    Submit,
)
from alphalab.phases.experiment.stopping import converged

S = ExperimentState
_WAITING = (S.PROPOSED, S.IMPLEMENTING, S.READY, S.FIXING)
"""Not yet with the executor: what keeps slots full next."""
_WITH_EXECUTOR = (S.QUEUED, S.RUNNING)


def decide(state: EngineState, event: EngineEvent) -> tuple[EngineState, tuple[Command, ...]]:
    """The state after an event, and what is to be done now."""
    after = _stop_when_converged(_apply(state, event))
    commands = tuple(_commands(after))
    return attrs.evolve(after, working=after.working | set(commands)), commands


def _apply(state: EngineState, event: EngineEvent) -> EngineState:
    match event:
        case BoardChanged(cards=cards):
            return _with_cards(state, cards)
        case Finished(command=command, fruitful=fruitful):
            return _without(state, command, fruitful=fruitful)
        case StopAsked(reason=reason):
            return attrs.evolve(state, stop=state.stop or reason)
        case PauseChanged(paused=paused):
            return attrs.evolve(state, paused=paused)
        case CancelAsked(id=about, reason=reason):
            return attrs.evolve(state, unwanted={**state.unwanted, about: reason})
        case _:
            assert_never(event)


def _with_cards(state: EngineState, cards: tuple[Card, ...]) -> EngineState:
    known = state.cards
    scored = [
        card.value
        for card in cards
        if card.value is not None and (card.id not in known or known[card.id].value is None)
    ]
    done = sum(card.state is S.DONE and (card.id not in known or known[card.id].state is not S.DONE) for card in cards)
    return attrs.evolve(
        state,
        cards={**known, **{card.id: card for card in cards}},
        history=(*state.history, *scored),
        analysed=state.analysed + done,
    )


def _without(state: EngineState, command: Command, *, fruitful: bool) -> EngineState:
    after = attrs.evolve(state, working=state.working - {command})
    match command:
        case Propose():
            return attrs.evolve(after, analysed=0, barren=0 if fruitful else after.barren + 1)
        case Report(number=number):
            return attrs.evolve(after, reports=max(after.reports, number))
        case _:
            return after


def _stop_when_converged(state: EngineState) -> EngineState:
    rules = state.rules
    earlier, recent = state.history[: state.patient_since], state.history[state.patient_since :]
    best = sorted(earlier, key=rules.metric.sort_key)[:1]
    if state.stop is None and converged((*best, *recent), rules.metric, rules.patience, rules.noise_floor):
        return attrs.evolve(state, stop="converged")
    return state


def _commands(state: EngineState) -> Iterator[Command]:
    yield from _scoring(state)
    yield from _cancellations(state)
    if state.stop is not None:
        yield from _wind_down(state)
    if not state.paused or state.stop is not None:
        yield from _submissions(state)
        yield from _work(state)
        yield from _proposals(state)
        yield from _reports(state)
    yield from _ending(state)


def _scoring(state: EngineState) -> Iterator[Command]:
    busy = {getattr(command, "id", None) for command in state.working}
    yield from (Score(card.id) for card in _wanted(state, S.SCORING) if card.id not in busy)


def _cancellations(state: EngineState) -> Iterator[Command]:
    """What an agent or the harness is busy with is left until it comes back; a job is ended at once."""
    busy = {getattr(command, "id", None) for command in state.working}
    for card in state.cards.values():
        if card.id in state.unwanted and not card.state.is_final and card.id not in busy:
            yield Cancel(card.id, state.unwanted[card.id])


def _wind_down(state: EngineState) -> Iterator[Command]:
    """After a stop nothing new starts: what has not run is cancelled, what runs is scored and analysed."""
    busy = {getattr(command, "id", None) for command in state.working}
    for card in _wanted(state, S.PROPOSED, S.READY, S.FIXING, S.QUEUED):
        if card.id not in busy:
            yield Cancel(card.id, state.stop or "")


def _submissions(state: EngineState) -> Iterator[Command]:
    if state.stop is not None:
        return
    handed = sum(isinstance(command, Submit) and state.cards[command.id].state is S.READY for command in state.working)
    free = state.rules.slots - state.count(*_WITH_EXECUTOR) - handed
    waiting = [card for card in _wanted(state, S.READY) if Submit(card.id) not in state.working]
    yield from (Submit(card.id) for card in waiting[: max(0, free)])


def _work(state: EngineState) -> Iterator[Command]:
    """Fix before analyse before implement: what is closest to a result comes first."""
    free = state.rules.workers - sum(isinstance(command, Fix | Analyse | Implement) for command in state.working)
    started = state.stop is None
    wanted: list[Command] = [Fix(card.id) for card in _wanted(state, S.FIXING) if started]
    wanted += [Analyse(card.id) for card in _wanted(state, S.SCORED)]
    wanted += [Implement(card.id) for card in _wanted(state, S.PROPOSED) if started]
    busy = {command.id for command in state.working if isinstance(command, Fix | Analyse | Implement | Cancel)}
    yield from [command for command in wanted if command.id not in busy][: max(0, free)]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def _proposals(state: EngineState) -> Iterator[Command]:
    if state.stop is not None or state.barren >= 2 or any(isinstance(command, Propose) for command in state.working):
        return
    waiting = state.count(*_WAITING)
    room = 2 * state.rules.slots - waiting
    wanted = room if state.remaining is None else min(room, state.remaining)
    if wanted > 0 and (waiting < state.rules.slots or state.analysed >= state.rules.strategist_after):
        yield Propose(wanted)


def _reports(state: EngineState) -> Iterator[Command]:
    due = len(state.history) // state.rules.report_every
    busy = any(isinstance(command, Report) for command in state.working)
    if due > state.reports and not busy:
        yield Report(due)


def _ending(state: EngineState) -> Iterator[Command]:
    if state.working or any(not card.state.is_final for card in state.cards.values()):
        return
    if state.stop is not None:
        yield Finish(state.stop)
    elif state.remaining == 0 or state.barren >= 2:
        yield Finish("experiments")


def _wanted(state: EngineState, *states: ExperimentState) -> list[Card]:
    """Cards in these states that nobody asked to take off the board."""
    return [card for card in _in(state, *states) if card.id not in state.unwanted]


def _in(state: EngineState, *states: ExperimentState) -> list[Card]:
    """Cards in these states, by priority and then by age."""
    return sorted(
        (card for card in state.cards.values() if card.state in states), key=lambda card: (-card.priority, card.id)
    )
