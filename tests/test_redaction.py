"""Secrets leave no trace, in any place of a text, and ordinary words stay."""

import random
import re

import pytest

from alphalab._redaction import Redaction

PLAIN = Redaction(())
ALL_FORMS = re.compile(
    r"\bsk-[A-Za-z0-9_-]{20,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}|\bhf_[A-Za-z0-9]{30,}"
    r"|\bAKIA[0-9A-Z]{16}\b|(?<=[Bb]earer )[A-Za-z0-9._~+/-]{20,}=*"
)
"""The same forms as one expression, which is slow and plain."""
SECRETS = (
    "sk-" + "a1_-" * 6,
    "ghp_" + "a1" * 15,
    "github_pat_" + "a_1" * 10,
    "hf_" + "aB" * 15,
    "AKIA" + "A1" * 8,
)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("key=", "\n"), ('"', '"'), ("a high hf_ sk- gh AKIA ", " gh"), ("é/", ".")]
)
def test_known_forms_are_replaced_wherever_they_stand(secret, before, after):
    assert PLAIN.text(f"{before}{secret}{after}") == f"{before}[redacted]{after}"


@pytest.mark.parametrize("word", ["Bearer", "bearer"])
def test_what_follows_bearer_is_replaced(word):
    assert PLAIN.text(f"Authorization: {word} {'a.b' * 8}==\n") == f"Authorization: {word} [redacted]\n"


@pytest.mark.parametrize(
    "text", ["task-" + "a" * 30, "xAKIA" + "A" * 16, "AKIA" + "A" * 17, "sk-short", "BEARER " + "a" * 30]
)
def test_words_that_only_look_alike_stay(text):
    assert PLAIN.text(text) == text


def test_no_mixture_of_forms_leaves_more_than_one_expression_for_all_would():
    dice = random.Random(0)
    pieces = [
        "sk-",
        "ghp_",
        "github_pat_",
        "hf_",
        "AKIA",
        "Bearer ",
        "bearer ",
        "a" * 30,
        "A" * 16,
        "0" * 12,
        *"_- x.\né",
    ]
    for _ in range(20_000):
        text = "".join(dice.choice(pieces) for _ in range(dice.randint(1, 8)))
        assert len(PLAIN.text(text).replace("[redacted]", "")) <= len(ALL_FORMS.sub("", text)), text
