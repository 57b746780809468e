"""Every error of the library travels between processes, speaks plainly, and stands in the tree that is drawn."""

import copy
import inspect
import pickle
import re

import pytest

from alphalab import errors
from alphalab.candidates import CandidateFailed
from alphalab.errors import AdapterError, AlphaLabError, ConfigError, NotFound, RateLimited, StaleState
from alphalab.measurement import Failure


def descendants(kind):
    return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))


LIBRARY = sorted(
    (kind for kind in descendants(AlphaLabError) if kind.__module__.startswith("alphalab.")), key=lambda k: k.__name__
)


@pytest.mark.parametrize("kind", LIBRARY, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("through", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_survives_a_journey_with_its_facts_and_notes(kind, through):
    error = kind("it broke: 'x'; mend it", path="a/b", retry_after=1.5, found={"n": [1]})
    error.add_note("while testing")
    arrived = through(error)
    assert type(arrived) is kind
    assert str(arrived) == "it broke: 'x'; mend it"
    assert (arrived.path, arrived.retry_after, arrived.found) == ("a/b", 1.5, {"n": [1]})
    assert arrived.__notes__ == ["while testing"]
    assert arrived.args == error.args


@pytest.mark.parametrize("kind", LIBRARY, ids=lambda kind: kind.__name__)
def test_the_message_is_what_str_says(kind):
    assert str(kind("no 'x' here")) == "no 'x' here"


def test_a_failure_arrives_inside_its_error():
    error = CandidateFailed.because("crashed", "it raised", line=3)
    arrived = pickle.loads(pickle.dumps(error))
    assert arrived.failure == Failure(kind="crashed", message="it raised", details={"line": 3})


def test_not_found_is_a_key_error_without_its_quotes():
    with pytest.raises(KeyError) as caught:
        raise NotFound("no experiment 'exp-0009'; known: exp-0001")
    assert str(caught.value) == "no experiment 'exp-0009'; known: exp-0001"


def test_what_the_caller_passed_is_a_value_error():
    with pytest.raises(ValueError, match="cannot work"):
        raise ConfigError("this cannot work")


def test_facts_that_were_not_given():
    assert RateLimited("wait").retry_after is None
    assert StaleState("moved", experiment_id="exp-0001", expected="ready", actual="queued").actual == "queued"


@pytest.mark.parametrize("kind", [ConfigError, AdapterError])
def test_several_problems_make_one_error(kind):
    error = kind.of("adapter 'x'", ["no manifest", "no prompts"])
    assert error.problems == ("no manifest", "no prompts")
    assert str(error) == "adapter 'x': 2 problems\n  - no manifest\n  - no prompts"
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


def test_one_problem_is_told_in_one_line():
    error = ConfigError.of("campaign", ("workers=0 must be at least 1",))
    assert str(error) == "campaign: workers=0 must be at least 1"
    assert error.problems == ("workers=0 must be at least 1",)


def test_without_a_list_the_message_is_the_problem():
    assert ConfigError("too small").problems == ("too small",)


def drawn_tree():
    """Name, parent and mixed-in built-in of every error in the module's picture."""
    picture = inspect.getdoc(errors).split("```")[1]
    found, path = {}, []
    for line in picture.strip().splitlines():
        match = re.match(r"(?P<lead>[│├└─ ]*)(?P<name>\w+)(?: \((?P<mixin>\w+)\))?", line)
        level = len(match["lead"]) // 4
        path = [*path[:level], match["name"]]
        found[match["name"]] = (path[level - 1] if level else None, match["mixin"])
    return found


def real_tree():
    found = {}
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, AlphaLabError):
            own = [base.__name__ for base in kind.__bases__ if issubclass(base, AlphaLabError)]
            mixed = [base.__name__ for base in kind.__bases__ if not issubclass(base, AlphaLabError)]
            found[kind.__name__] = (own[0] if own else None, mixed[0] if mixed and own else None)
    return found


def test_the_picture_is_the_tree():
    assert drawn_tree() == real_tree()
