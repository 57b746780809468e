import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alphalab.reports.charts import Point, Series, line_chart, ticks

SVG = "{http://www.w3.org/2000/svg}"


def chart(*series, **options):
    return ET.fromstring(line_chart(series, title="Title", **options))


def points(*values):
    return [Point(x=number, y=value) for number, value in enumerate(values)]


def texts(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def test_a_chart_says_what_it_is():
    root = chart(Series(name="loss", points=points(1, 2)), x_label="step", y_label="nats", description="It rises.")
    assert root.find(f"{SVG}title").text == "Title"
    assert root.find(f"{SVG}desc").text == "It rises."
    assert root.get("role") == "img"
    assert {"step", "nats", "loss"} <= set(texts(root))


def test_every_dot_is_drawn_with_its_interval_and_its_words():
    dots = [Point(x=1, y=2.0, low=1.0, high=3.0, title="exp-0001"), Point(x=2, y=2.5)]
    root = chart(Series(name="", points=dots, mark="dots", colour="#123456"))
    circles = [circle for circle in root.iter(f"{SVG}circle") if circle.get("cy") != "10"]
    assert [circle.findtext(f"{SVG}title") for circle in circles] == ["exp-0001", None]
    assert len([line for line in root.iter(f"{SVG}line") if line.get("stroke") == "#123456"]) == 1


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_a_line_breaks_where_nothing_was_measured(missing):
    path = next(chart(Series(name="a", points=points(1, 2, missing, 3, 4))).iter(f"{SVG}path"))
    assert path.get("d").count("M") == 2
    assert path.get("d").count("L") == 2


def test_steps_hold_a_value_until_the_next():
    path = next(chart(Series(name="best", points=points(3, 2), mark="steps")).iter(f"{SVG}path"))
    start, corner, end = [tuple(part.split()) for part in path.get("d")[2:].split(" L ")]
    assert corner == (end[0], start[1])


def test_a_level_goes_across():
    root = chart(
        Series(name="a", points=points(1, 5)), Series(name="reference", points=[Point(x=0, y=3)], mark="level")
    )
    level = next(path for path in root.iter(f"{SVG}path") if path.get("stroke-dasharray"))
    (left, low), (right, high) = [part.split() for part in level.get("d")[2:].split(" L ")]
    assert (low, left, right) == (high, "62.0", "706.0")


@pytest.mark.parametrize("values", [(), (None,), (math.nan, None)])
def test_an_empty_chart_says_so(values):
    assert "nothing to show yet" in texts(chart(Series(name="a", points=points(*values))))


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-9, 1e300])
def test_one_point_is_a_chart(value):
    assert len(list(chart(Series(name="a", points=points(value), mark="dots")).iter(f"{SVG}circle"))) == 2


def test_the_same_input_gives_the_same_bytes():
    series = [Series(name="a", points=points(1, 2, 3))]
    assert line_chart(series, title="t") == line_chart(series, title="t")


@given(st.text(max_size=40))
def test_any_name_gives_well_formed_xml(name):
    svg = line_chart([Series(name=name, points=points(1, 2), mark="dots")], title=name, description=name, x_label=name)
    assert not list(ET.fromstring(svg).iter("script"))
    svg.encode()


finite = st.floats(-1e9, 1e9, allow_subnormal=False)


@given(st.lists(finite, min_size=1, max_size=30))
def test_everything_stays_on_the_picture(values):
    root = chart(Series(name="", points=points(*values), mark="dots"), width=400, height=200)
    for circle in root.iter(f"{SVG}circle"):
        assert 0 <= float(circle.get("cx")) <= 400
        assert 0 <= float(circle.get("cy")) <= 200


@given(finite, st.floats(1e-6, 1e9), st.integers(2, 10))
@example(low=1.0, span=400400401.0, count=2)
def test_ticks_are_round_and_inside(low, span, count):
    high = low + span
    if (high - low) < 1e-6 * max(abs(low), abs(high)):  # a range that floats barely resolve has no round numbers
        return
    marks = ticks(low, high, count)
    slack = 1e-6 * span + 1e-9 * max(abs(low), abs(high))
    assert 2 <= len(marks) <= 2 * count + 1
    assert all(low - slack <= mark <= high + slack for mark in marks)
    assert list(marks) == sorted(marks)
