"""Cutting long outputs, and reading docstrings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab.tools import shorten
from alphalab.tools.docstring import parse_docstring


@given(text=st.text(alphabet="ab\n", max_size=3000), limit=st.integers(30, 1000))
def test_shortened_text_keeps_beginning_and_end(text, limit):
    short = shorten(text, limit)
    assert len(short) <= max(len(text), 0) or len(short) <= limit + 60
    if len(text) <= limit:
        assert short == text
    else:
        head, _, rest = short.partition("\n[... ")
        assert text.startswith(head)
        assert text.endswith(rest.partition(" ...]\n")[2])


@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_nothing_said(text):
    assert parse_docstring(text).description == ""


def test_sections_and_continuation_lines():
    said = parse_docstring(
        """Do it.

        Twice: once is not enough.

        Args:
            first (int): One
                line more.
            second: Two: with colon.

        Returns:
            text: not a parameter.

        Afterwards.
        """
    )
    assert said.description == "Do it.\n\nTwice: once is not enough.\n\nAfterwards."
    assert said.parameters == {"first": "One line more.", "second": "Two: with colon."}
