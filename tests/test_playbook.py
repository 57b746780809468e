import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab._serde import dumps, loads
from alphalab.errors import ConfigError, NotFound
from alphalab.events import Event, LessonChanged, Noticed, Recorded
from alphalab.experiments import Store
from alphalab.playbook import MAX_LESSON_CHARS, Lesson, Playbook, check_evidence


def three():
    return (
        Playbook()
        .add(kind="finding", text="Deeper trees help.", evidence=("exp-0001",), confidence="high", author="m")
        .add(kind="do_not_attempt", text="Plain SGD diverges.", evidence=("exp-0002", "exp-0003"), scope="lr > 0.1")
        .add(kind="open_question", text="Does weather matter?", confidence="low")
    )


def test_lessons_are_numbered():
    assert [lesson.id for lesson in three().lessons] == ["L-001", "L-002", "L-003"]


def test_changing_gives_a_new_value():
    before = three()
    after = before.revise("L-001", confidence="low", text="Deeper trees help a little.").retire("L-002")
    assert before == three()
    assert after.get("L-001").text == "Deeper trees help a little."
    assert after.get("L-001").evidence == ("exp-0001",)
    assert [lesson.id for lesson in after.active] == ["L-003", "L-001"]
    assert after.get("L-002").status == "retired"


def test_a_retired_id_is_not_used_again():
    assert three().retire("L-003").add(kind="open_question", text="?").lessons[-1].id == "L-004"


def test_revising_brings_a_lesson_back():
    assert three().retire("L-001").revise("L-001", confidence="low").get("L-001").status == "active"


def test_a_claim_needs_evidence_and_a_question_does_not():
    for kind in ("finding", "do_not_attempt", "method"):
        with pytest.raises(ConfigError, match="names no experiment"):
            Playbook().add(kind=kind, text="x")
    with pytest.raises(ConfigError, match="names no experiment"):
        three().revise("L-003", kind="finding")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "rumour"}, "kind 'rumour' is unknown; use one of finding"),
        ({"confidence": "total"}, "use one of low, medium, high"),
        ({"text": " "}, "text is empty"),
        ({"text": "x" * (MAX_LESSON_CHARS + 1)}, "may have 2000"),
    ],
)
def test_what_is_not_a_lesson_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Playbook().add(**{"kind": "finding", "text": "x", "evidence": ("exp-0001",), **fields})


def test_unknown_lessons_and_fields_are_named():
    with pytest.raises(NotFound, match="no lesson 'L-009'; known: L-001, L-002, L-003"):
        three().retire("L-009")
    with pytest.raises(ConfigError, match="has no status to revise"):
        three().revise("L-001", status="retired")


def test_evidence_is_checked_against_the_board():
    assert check_evidence(("exp-0001",), ["exp-0001", "exp-0002"]) == ()
    problems = check_evidence(("exp-0001", "exp-0001", "exp-0009"), ["exp-0001"])
    assert problems == (
        "evidence 'exp-0009' is no experiment on the board; known: exp-0001",
        "evidence 'exp-0001' is named twice",
    )
    assert "known: none yet" in check_evidence(("exp-0001",), [])[0]


def test_markdown_is_by_kind_and_cites():
    text = three().render()
    assert text == (
        "# Playbook\n\n"
        "## Findings\n\n- **L-001** Deeper trees help. (high confidence; exp-0001)\n\n"
        "## Do not attempt\n\n"
        "- **L-002** Plain SGD diverges. (medium confidence; scope: lr > 0.1; exp-0002; exp-0003)\n\n"
        "## Open questions\n\n- **L-003** Does weather matter? (low confidence)\n"
    )
    assert Playbook().render() == "# Playbook\n\nNo lessons yet.\n"
    assert "L-001" not in three().retire("L-001").render()


def test_a_lesson_is_one_line_whatever_it_contains():
    text = Playbook().add(kind="open_question", text="a\n# Heading\n- item").render()
    assert "- **L-001** a # Heading - item" in text


LESSONS = st.lists(
    st.tuples(
        st.sampled_from(["finding", "method", "open_question", "do_not_attempt"]),
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=200).filter(str.strip),
        st.sampled_from(["low", "medium", "high"]),
    ),
    max_size=25,
)


def built(lessons):
    playbook = Playbook()
    for kind, text, confidence in lessons:
        playbook = playbook.add(kind=kind, text=text, evidence=("exp-0001",), confidence=confidence)
    return playbook


@given(LESSONS, st.integers(200, 3000))
def test_the_rendering_is_bounded_and_the_surest_go_last(lessons, limit):
    playbook = built(lessons)
    text = playbook.render(limit)
    assert len(text) <= limit
    missing = [lesson for lesson in playbook.active if f"**{lesson.id}**" not in text]
    assert (f"{len(missing)} of {len(lessons)} lessons are left out" in text) == bool(missing)


def test_the_least_sure_and_oldest_are_left_out_first():
    same = "x" * 100
    playbook = built([("finding", same, confidence) for confidence in ("low", "high", "medium", "medium")])
    sizes = {len(text): text for text in (playbook.render(limit) for limit in range(100, 900, 20))}
    shown = [[name for name in ("L-001", "L-002", "L-003", "L-004") if name in sizes[size]] for size in sorted(sizes)]
    assert shown == [
        [],
        ["L-002"],
        ["L-002", "L-004"],
        ["L-002", "L-003", "L-004"],
        ["L-001", "L-002", "L-003", "L-004"],
    ]


def test_html_is_escaped():
    page = Playbook().add(kind="open_question", text="<script>", scope="<b>", author="x")._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page.replace("<b>L-001</b>", "")
    assert "No lessons yet" in Playbook()._repr_html_()


def history():
    playbook, events = Playbook(), []

    def record(changed, action):
        nonlocal playbook
        playbook = changed
        events.append(playbook.lessons[-1].changed(action))

    record(playbook.add(kind="finding", text="a", evidence=("exp-0001",), scope="s", author="m"), "added")
    record(playbook.add(kind="open_question", text="b", confidence="low"), "added")
    record(playbook.revise("L-001", text="c", evidence=("exp-0001", "exp-0002"), confidence="high"), "revised")
    record(playbook.retire("L-002"), "retired")
    return playbook, events


def test_events_give_the_playbook_back():
    playbook, events = history()
    assert Playbook.replay([Noticed(message="x"), *events]) == playbook
    assert [loads(dumps(event, Event), Event) for event in events] == events


def test_the_store_gives_the_playbook_back(tmp_path):
    playbook, events = history()
    with Store.open(tmp_path / "state.db") as store:
        for event in events:
            store.append(event)
    with Store.open(tmp_path / "state.db", read_only=True) as store:
        recorded = store.events(kinds=("lesson_changed",))
    assert all(isinstance(item, Recorded) for item in recorded)
    assert Playbook.replay(recorded) == playbook


def test_an_event_that_does_not_fit_is_refused():
    lesson = Lesson(id="L-001", kind="open_question", text="x")
    with pytest.raises(ConfigError, match="cannot be 'revised'"):
        Playbook().apply(lesson.changed("revised"))
    with pytest.raises(ConfigError, match="cannot be 'added'"):
        Playbook(lessons=(lesson,)).apply(lesson.changed("added"))
    with pytest.raises(ConfigError, match="cannot be 'eaten'"):
        Playbook(lessons=(lesson,)).apply(LessonChanged(lesson="L-001", action="eaten", text="x"))
