"""What a campaign has learned, as lessons that cite the experiments they rest on.

A playbook is a value; changing it gives a new one. It is kept as `LessonChanged` events, from which `Playbook.replay`
builds it again.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from attrs import evolve, field, frozen

from alphalab.errors import ConfigError, NotFound
from alphalab.events import Event, LessonChanged, Recorded

LessonKind = Literal["finding", "do_not_attempt", "method", "open_question"]
Confidence = Literal["low", "medium", "high"]
LessonStatus = Literal["active", "retired"]
Change = Literal["added", "revised", "retired"]

MAX_LESSON_CHARS = 2000
"""A lesson is a paragraph; details belong into the experiment's debrief."""
HEADINGS: dict[LessonKind, str] = {
    "finding": "Findings",
    "do_not_attempt": "Do not attempt",
    "method": "Methods that work",
    "open_question": "Open questions",
}


def _one_of(kind: Any) -> Any:
    def check(_instance: Any, attribute: Any, value: str) -> None:
        if value not in get_args(kind):
            raise ConfigError(
                f"a lesson's {attribute.name} {value!r} is unknown; use one of {', '.join(get_args(kind))}"
            )

    return check


def _text(_instance: Any, _attribute: Any, value: str) -> None:
    if not value.strip():
        raise ConfigError("a lesson's text is empty; say what was learned")
    if len(value) > MAX_LESSON_CHARS:
        raise ConfigError(
            f"a lesson's text has {len(value)} characters and may have {MAX_LESSON_CHARS}; "
            "keep the lesson and leave the details in the experiment's debrief"
        )


@frozen(kw_only=True)
class Lesson:
    """One thing that was learned."""

    id: str
    """`L-001` and so on, in the order in which they were added."""
    kind: LessonKind = field(validator=_one_of(LessonKind))
    text: str = field(validator=_text)
    evidence: tuple[str, ...] = field(default=(), converter=tuple)
    """Experiments it rests on, by id; only an open question may do without."""
    confidence: Confidence = field(default="medium", validator=_one_of(Confidence))
    scope: str = ""
    """Where it holds; empty: everywhere in this campaign."""
    author: str = ""
    """Model or person that wrote it."""
    status: LessonStatus = field(default="active", validator=_one_of(LessonStatus))

    def __attrs_post_init__(self) -> None:
        if not self.evidence and self.kind != "open_question":
            raise ConfigError(
                f"lesson {self.id} ({self.kind}) names no experiment; cite at least one, or make it an open_question"
            )

    def changed(self, action: Change) -> LessonChanged:
        """The event that says that this lesson was added, revised or retired."""
        return LessonChanged(
            lesson=self.id,
            action=action,
            kind=self.kind,
            text=self.text,
            evidence=self.evidence,
            confidence=self.confidence,
            scope=self.scope,
            author=self.author,
        )

    def line(self) -> str:
        """One Markdown list item with what it rests on."""
        facts = [f"{self.confidence} confidence", *([f"scope: {self.scope}"] if self.scope else [])]
        return f"- **{self.id}** {' '.join(self.text.split())} ({'; '.join([*facts, *self.evidence])})"


def check_evidence(evidence: Sequence[str], known_ids: Iterable[str]) -> tuple[str, ...]:
    """Problems of a lesson's evidence: experiments that do not exist, or are named twice."""
    known = set(known_ids)
    shown = ", ".join(sorted(known)[:20]) + (" ..." if len(known) > 20 else "") if known else "none yet"
    named = tuple(dict.fromkeys(evidence))
    problems = [
        f"evidence {name!r} is no experiment on the board; known: {shown}" for name in named if name not in known
    ]
    problems += [f"evidence {name!r} is named twice" for name in named if evidence.count(name) > 1]
    return tuple(problems)


@frozen(kw_only=True)
class Playbook:
    """Lessons of one campaign, in the order in which they were last changed."""

    lessons: tuple[Lesson, ...] = field(default=(), converter=tuple)

    @property
    def active(self) -> tuple[Lesson, ...]:
        """Lessons that still hold."""
        return tuple(lesson for lesson in self.lessons if lesson.status == "active")

    def get(self, lesson_id: str) -> Lesson:
        """One lesson.

        Raises:
            NotFound: Names the lessons there are.
        """
        for lesson in self.lessons:
            if lesson.id == lesson_id:
                return lesson
        known = ", ".join(sorted(lesson.id for lesson in self.lessons)) or "none yet"
        raise NotFound(f"no lesson {lesson_id!r}; known: {known}")

    def add(
        self,
        *,
        kind: LessonKind,
        text: str,
        evidence: Sequence[str] = (),
        confidence: Confidence = "medium",
        scope: str = "",
        author: str = "",
    ) -> Playbook:
        """A playbook with one more lesson, its last; check the evidence with `check_evidence` before.

        Raises:
            ConfigError: The text is empty or too long, or there is no evidence and it is not an open question.
        """
        lesson = Lesson(
            id=f"L-{len(self.lessons) + 1:03d}",
            kind=kind,
            text=text,
            evidence=tuple(evidence),
            confidence=confidence,
            scope=scope,
            author=author,
        )
        return Playbook(lessons=(*self.lessons, lesson))

    def revise(self, lesson_id: str, **changes: Any) -> Playbook:
        """A playbook in which one lesson reads differently and comes last.

        Args:
            lesson_id: Which lesson.
            **changes: Any of `kind`, `text`, `evidence`, `confidence`, `scope`, `author`.

        Raises:
            NotFound: There is no such lesson.
            ConfigError: A change names another field, or the result is not a lesson.
        """
        allowed = ("kind", "text", "evidence", "confidence", "scope", "author")
        unknown = sorted(set(changes) - set(allowed))
        if unknown:
            raise ConfigError(f"a lesson has no {', '.join(unknown)} to revise; it has {', '.join(allowed)}")
        return self._with(evolve(self.get(lesson_id), **{**changes, "status": "active"}))

    def retire(self, lesson_id: str) -> Playbook:
        """A playbook in which one lesson no longer holds; it stays on record and is not shown.

        Raises:
            NotFound: There is no such lesson.
        """
        return self._with(evolve(self.get(lesson_id), status="retired"))

    def _with(self, lesson: Lesson) -> Playbook:
        return Playbook(lessons=(*(other for other in self.lessons if other.id != lesson.id), lesson))

    @classmethod
    def replay(cls, events: Iterable[Recorded | Event]) -> Playbook:
        """The playbook that a log of events leads to; events about other things are passed over."""
        playbook = cls()
        for item in events:
            event = item.event if isinstance(item, Recorded) else item
            if isinstance(event, LessonChanged):
                playbook = playbook.apply(event)
        return playbook

    def apply(self, event: LessonChanged) -> Playbook:
        """The playbook after one more change.

        Raises:
            ConfigError: The event is not a change of this playbook.
        """
        known = {lesson.id for lesson in self.lessons}
        if event.action not in get_args(Change) or (event.action == "added") == (event.lesson in known):
            raise ConfigError(f"lesson {event.lesson} cannot be {event.action!r}; on record: {sorted(known)}")
        kind: Any = event.kind  # the lesson checks both
        confidence: Any = event.confidence
        return self._with(
            Lesson(
                id=event.lesson,
                kind=kind,
                text=event.text,
                evidence=event.evidence,
                confidence=confidence,
                scope=event.scope,
                author=event.author,
                status="retired" if event.action == "retired" else "active",
            )
        )

    def render(self, max_chars: int = 12000) -> str:
        """Markdown for people and prompts: active lessons by kind, the surest and newest first.

        Args:
            max_chars: Most characters of the result; the least sure and oldest lessons are left out first, and the
                text says how many.
        """
        ranked = self._ranked()
        text = _document([], len(ranked))
        for shown in range(1, len(ranked) + 1):
            longer = _document(ranked[:shown], len(ranked))
            if len(longer) > max_chars:
                break
            text = longer
        return text

    def _ranked(self) -> list[Lesson]:
        newest_first = list(reversed(self.active))
        return sorted(newest_first, key=lambda lesson: -get_args(Confidence).index(lesson.confidence))

    def _repr_html_(self) -> str:
        sections = [
            f"<h4>{heading}</h4><ul>"
            + "".join(f"<li>{_html_line(lesson)}</li>" for lesson in self._ranked() if lesson.kind == kind)
            + "</ul>"
            for kind, heading in HEADINGS.items()
            if any(lesson.kind == kind for lesson in self.active)
        ]
        return f'<div style="color:inherit">{"".join(sections) or "<p>No lessons yet.</p>"}</div>'


def _html_line(lesson: Lesson) -> str:
    facts = "; ".join([f"{lesson.confidence} confidence", *([lesson.scope] if lesson.scope else []), *lesson.evidence])
    return f"<b>{html.escape(lesson.id)}</b> {html.escape(lesson.text)} <small>({html.escape(facts)})</small>"


def _document(lessons: list[Lesson], total: int) -> str:
    sections = [
        f"## {heading}\n\n" + "\n".join(lesson.line() for lesson in lessons if lesson.kind == kind) + "\n"
        for kind, heading in HEADINGS.items()
        if any(lesson.kind == kind for lesson in lessons)
    ]
    if not total:
        sections = ["No lessons yet.\n"]
    elif len(lessons) < total:
        sections.append(f"{total - len(lessons)} of {total} lessons are left out here; they are on record.\n")
    return "\n".join(["# Playbook\n", *sections])
