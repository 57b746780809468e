import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab._serde import dumps, loads
from alphalab.errors import ConfigError
from alphalab.experiments import Experiment, Proposal
from alphalab.measurement import Failure
from alphalab.testing.store_suite import make_proposal, make_score

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def proposal(**fields):
    return Proposal(**{"name": "n", "family": "f", "hypothesis": "h", **fields})


def test_the_signature_is_about_what_would_run():
    base = make_proposal(1)
    assert make_proposal(1, name="other", hypothesis="other", family="other").signature == base.signature
    assert make_proposal(2).signature != base.signature
    assert make_proposal(1, recipe="forest").signature != base.signature
    assert make_proposal(1, parameters={"depth": 1.0}).signature == base.signature
    assert make_proposal(1, parameters={"depth": True}).signature != base.signature


def test_the_order_of_parameters_does_not_matter():
    assert proposal(recipe="r", parameters={"a": 1, "b": [1.0]}).signature == (
        proposal(recipe="r", parameters={"b": [1], "a": 1.0}).signature
    )


def test_without_a_recipe_the_spec_counts_whatever_its_spacing():
    assert proposal(spec="A  graph\nnetwork").signature == proposal(name="m", spec="a Graph network").signature
    assert proposal(spec="a").signature != proposal(spec="b").signature
    assert proposal(spec="a", parameters={"x": 1}).signature != proposal(spec="a", parameters={"x": 2}).signature
    assert proposal(hypothesis="one").signature != proposal(hypothesis="two").signature


def test_a_replicate_is_not_a_duplicate_of_its_original():
    original = make_proposal(1)
    replicate = make_proposal(1, kind="replicate", parents=("exp-0001",))
    assert replicate.signature != original.signature
    assert replicate.signature == make_proposal(1, kind="replicate", parents=("exp-0001",), name="again").signature


@given(parameters=st.dictionaries(st.text(max_size=3), JSON, max_size=3))
def test_a_signature_survives_a_round_trip(parameters):
    made = proposal(recipe="r", parameters=parameters)
    assert loads(dumps(made), Proposal).signature == made.signature


def test_what_is_not_json_is_refused():
    with pytest.raises(ConfigError, match="not JSON"):
        proposal(parameters={"rate": float("inf")})
    with pytest.raises(ConfigError, match="name is empty"):
        proposal(name=" ")


def test_an_experiment_survives_a_round_trip():
    score = make_score("exp-0001", 1.5)
    failed = make_score("exp-0001", Failure(kind="crashed", message="x"), seed=1)
    experiment = Experiment(
        id="exp-0001",
        proposal=make_proposal(1, parents=("exp-0000",)),
        state="fixing",
        created_at=score.at,
        updated_at=score.at,
        failure=failed.outcome,
        scores=(score, failed),
    )
    again = loads(dumps(experiment), Experiment)
    assert again == experiment
    assert (again.name, again.family, again.hypothesis) == ("idea 1", "trees", "deeper is better")
    assert (again.value(), again.value("final")) == (1.5, None)
