"""Tools over the board: what gets on it, what is refused and why, and what everybody reads."""

import json
import math

import pytest
from toy_domain import answer

from alphalab.budget import Budget
from alphalab.errors import ToolError
from alphalab.events import LessonChanged
from alphalab.experiments import ExperimentState, Score
from alphalab.measurement import Failure, Measurement
from alphalab.models import ScriptedModel
from alphalab.roles import board_view

S = ExperimentState
IDEA = {"name": "near", "family": "guess", "hypothesis": "it is near", "recipe": "near", "parameters": {"x": 0.5}}


def scored(bench, experiment, value, seed=0):
    outcome = Measurement(value=value, low=value - 0.1, high=value + 0.1, seconds=1.5)
    bench.context.store.record_score(
        Score(
            subject=experiment,
            split="search",
            seed=seed,
            attempt=1,
            outcome=outcome,
            evaluation="e",
            submission="s",
            at=bench.context.clock.now(),
        )
    )


# -- proposing ---------------------------------------------------------------------------------------------------------


async def test_a_proposal_comes_onto_the_board(bench):
    agent = bench.agent("strategist")
    said = await bench.call(agent, "propose_experiment", **IDEA, kind="exploit", expected_effect="a tenth")
    assert said == "exp-0001 is on the board."
    experiment = bench.context.store.experiment("exp-0001")
    assert (experiment.state, experiment.author) == (S.PROPOSED, "offline")
    assert experiment.proposal.kind == "exploit"
    assert experiment.proposal.parameters == {"x": 0.5}


async def test_a_repetition_is_refused_with_the_id_of_the_first(bench):
    agent = bench.agent("strategist")
    await bench.call(agent, "propose_experiment", **IDEA)
    again = {**IDEA, "name": "other words", "hypothesis": "another reason", "family": "else"}
    with pytest.raises(ToolError, match="exp-0001"):
        await bench.call(agent, "propose_experiment", **again)
    await bench.call(agent, "propose_experiment", **again, kind="replicate", parents=["exp-0001"])
    assert len(bench.context.store.experiments()) == 2


async def test_what_was_cancelled_may_be_proposed_again(bench):
    agent = bench.agent("strategist")
    await bench.call(agent, "propose_experiment", **IDEA)
    await bench.call(agent, "cancel_experiment", experiment_id="exp-0001", reason="not now")
    assert await bench.call(agent, "propose_experiment", **IDEA) == "exp-0002 is on the board."


async def test_a_proposal_beyond_the_budget_is_refused(make_bench):
    bench = make_bench(budget=Budget(experiments=2))
    agent = bench.agent("strategist")
    for x in (0.1, 0.2):
        await bench.call(agent, "propose_experiment", **{**IDEA, "parameters": {"x": x}})
    with pytest.raises(ToolError, match="2"):
        await bench.call(agent, "propose_experiment", **IDEA)
    assert len(bench.context.store.experiments()) == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"recipe": None}, "give a spec, or name a recipe"),
        ({"recipe": None, "spec": "  "}, "give a spec, or name a recipe"),
        ({"recipe": "nearest"}, "no recipe is named 'nearest'; known: near, far, moody, needy"),
        ({"name": " "}, "a proposal's name is empty"),
        ({"parameters": {"x": math.nan}}, "not JSON"),
        ({"parents": ["exp-0009"]}, "no experiment exp-0009 to follow from; known: none yet"),
        ({"kind": "whim"}, "kind"),
        ({"colour": "red"}, "colour"),
        ({"parameters": [1]}, "parameters"),
        ({"hypothesis": None}, "hypothesis"),
    ],
)
async def test_a_proposal_that_cannot_be_run_is_refused_with_what_would_work(bench, change, told):
    with pytest.raises(ToolError, match=told):
        await bench.call(bench.agent("strategist"), "propose_experiment", **{**IDEA, **change})
    assert bench.context.store.experiments() == ()


async def test_without_a_recipe_the_spec_says_what_to_build(bench):
    idea = {**IDEA, "recipe": None, "spec": "Answer 0.25."}
    await bench.call(bench.agent("strategist"), "propose_experiment", **idea)
    assert bench.context.store.experiment("exp-0001").proposal.spec == "Answer 0.25."


async def test_several_models_take_turns_and_each_is_credited(make_bench):
    call, finish = ScriptedModel.call, ScriptedModel.call("finish", summary="done")

    def script(name, *xs):
        ideas = [{**IDEA, "parameters": {"x": x}} for x in xs]
        steps = [step for idea in ideas for step in (call("propose_experiment", **idea), finish)]
        return ScriptedModel(steps, name=name)

    one, two = script("one", 0.1, 0.3), script("two", 0.2, 0.4)
    bench = make_bench(models={"strategist": (one, two), "default": (one,)})
    for _ in range(4):
        await bench.agent("strategist").run("Propose one.")
    one.assert_done()
    two.assert_done()
    authors = {item.proposal.parameters["x"]: item.author for item in bench.context.store.experiments()}
    assert authors == {0.1: "one", 0.2: "two", 0.3: "one", 0.4: "two"}


# -- cancelling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.PROPOSED, S.READY])
async def test_what_has_not_begun_can_be_cancelled(bench, state):
    experiment = bench.propose(state=state)
    await bench.call(bench.agent("strategist"), "cancel_experiment", experiment_id=experiment, reason="dull")
    assert bench.context.store.experiment(experiment).state is S.CANCELLED


@pytest.mark.parametrize("state", [S.IMPLEMENTING, S.QUEUED, S.RUNNING, S.SCORING])
async def test_what_has_begun_cannot(bench, state):
    experiment = bench.propose(state=state)
    with pytest.raises(ToolError, match=f"{experiment} is {state}; only proposed and ready ones can be cancelled"):
        await bench.call(bench.agent("strategist"), "cancel_experiment", experiment_id=experiment, reason="dull")
    assert bench.context.store.experiment(experiment).state is state


async def test_cancelling_what_is_not_there_names_what_is(bench):
    bench.propose()
    with pytest.raises(ToolError, match=r"exp-0009.*exp-0001"):
        await bench.call(bench.agent("strategist"), "cancel_experiment", experiment_id="exp-0009", reason="dull")


# -- the playbook ------------------------------------------------------------------------------------------------------


async def test_a_lesson_is_an_event_and_a_file_and_read_by_all(bench):
    experiment = bench.propose()
    said = await bench.call(
        bench.agent("analyst", experiment=experiment),
        "update_playbook",
        action="add",
        text="Near is better: 0.5.",
        evidence=[experiment],
        confidence="high",
        scope="small numbers",
    )
    assert said == "L-001 added."
    (event,) = [item.event for item in bench.context.store.events() if isinstance(item.event, LessonChanged)]
    assert (event.author, event.evidence, event.confidence) == ("analyst", (experiment,), "high")
    assert "Near is better: 0.5." in bench.space.playbook.read_text()
    assert "Near is better: 0.5." in await bench.call(bench.agent("strategist"), "read_playbook")


async def test_a_lesson_is_revised_and_retired(bench):
    agent = bench.agent("strategist")
    experiment = bench.propose()
    await bench.call(agent, "update_playbook", action="add", text="Perhaps.", evidence=[experiment])
    await bench.call(agent, "update_playbook", action="revise", lesson="L-001", text="Surely.", evidence=[experiment])
    assert [lesson.text for lesson in bench.context.playbook.active] == ["Surely."]
    await bench.call(agent, "update_playbook", action="retire", lesson="L-001")
    assert bench.context.playbook.active == ()
    assert "Surely." not in bench.space.playbook.read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"evidence": ["exp-0009"]}, "evidence 'exp-0009' is no experiment on the board; known: exp-0001"),
        ({"evidence": ["exp-0001", "exp-0001"]}, "named twice"),
        ({"evidence": []}, "names no experiment; cite at least one"),
        ({"text": " "}, "text is empty"),
        ({"text": "x" * 3000}, "has 3000 characters"),
        ({"action": "revise", "lesson": "L-009"}, "no lesson 'L-009'; known: none yet"),
        ({"action": "retire", "lesson": ""}, "no lesson ''"),
        ({"action": "burn"}, "action"),
        ({"kind": "rumour"}, "kind"),
    ],
)
async def test_a_lesson_that_rests_on_nothing_is_refused(bench, change, told):
    bench.propose()
    arguments = {"action": "add", "text": "Near is better.", "evidence": ["exp-0001"], **change}
    with pytest.raises(ToolError, match=told):
        await bench.call(bench.agent("strategist"), "update_playbook", **arguments)
    assert bench.context.playbook.lessons == ()
    assert not bench.space.playbook.exists()


async def test_an_open_question_may_do_without_evidence(bench):
    await bench.call(
        bench.agent("strategist"), "update_playbook", action="add", kind="open_question", text="What about zero?"
    )
    assert bench.context.playbook.active[0].kind == "open_question"


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_recipes_are_listed_with_what_they_lack(bench):
    listed = await bench.json(bench.agent("strategist"), "read_recipe")
    assert {item["name"]: item["missing"] for item in listed} == {
        "near": [],
        "far": [],
        "moody": [],
        "needy": ["no_such_module_anywhere"],
    }
    assert all("source" not in item for item in listed)


async def test_one_recipe_comes_with_its_source(bench):
    read = await bench.json(bench.agent("implementer", experiment=bench.propose()), "read_recipe", name="near")
    assert (read["entry"], read["source"]) == ("answer.py", answer(x=0.0))


async def test_an_unknown_recipe_names_the_known_ones(bench):
    with pytest.raises(ToolError, match="no recipe is named 'none'; known: near, far, moody, needy"):
        await bench.call(bench.agent("strategist"), "read_recipe", name="none")


async def test_a_recipe_below_a_package_that_is_not_there(make_bench, tmp_path):
    """`requires = ["torch.nn"]` must not fail where torch itself is missing."""
    from toy_domain import recipe, write_adapter

    deep = recipe("deep", "guess", {}, requires=["no_such_package_anywhere.part"])
    write_adapter(tmp_path / "adapter", recipes=(deep,))
    bench = make_bench()
    (listed,) = await bench.json(bench.agent("strategist"), "read_recipe")
    assert listed["missing"] == ["no_such_package_anywhere.part"]


async def test_the_board_shows_scores_leaders_and_what_is_left(bench):
    values = {bench.propose(x=x, state=S.SCORING): abs(x - 0.3) for x in (0.9, 0.2, 0.35, 0.6, 0.7, 0.8)}
    for experiment, value in values.items():
        scored(bench, experiment, value)
    cancelled = bench.propose(x=0.99)
    bench.context.store.move(cancelled, S.PROPOSED, S.CANCELLED)
    board = await bench.json(bench.agent("strategist", wanted=3), "read_board")
    assert board["wanted"] == 3
    assert board["budget"] == {"experiments": 8, "used": 6, "remaining": 2}
    assert [card["id"] for card in board["leaders"]] == sorted(values, key=values.get)[:5]
    assert board["metric"] == {"name": "distance", "goal": "minimize", "unit": "steps"}
    assert board["reference"] is None
    assert board["experiments"][0]["seconds"] == 1.5
    assert board["experiments"][-1]["state"] == "cancelled"


def test_a_board_without_a_limit_has_no_remaining(make_bench):
    bench = make_bench(budget=Budget(cost_usd=1.0))
    assert board_view(bench.context)["budget"] == {"experiments": None, "used": 0, "remaining": None}


def test_a_card_shows_the_repaired_parameters_and_the_last_failure(bench):
    experiment = bench.propose(x=0.5)
    bench.context.store.put(f"parameters/{experiment}", {"x": 0.25})
    bench.context.remember_failure(experiment, Failure(kind="crashed", message="first"))
    bench.context.remember_failure(experiment, Failure(kind="timed_out", message="second"))
    (card,) = board_view(bench.context)["experiments"]
    assert card["parameters"] == {"x": 0.25}
    assert card["last_failure"] == "timed_out"
    assert [failure["message"] for failure in bench.context.failures(experiment)] == ["first", "second"]


async def test_the_board_is_json_whatever_the_model_wrote(bench):
    bench.propose(name="\u202eeman", hypothesis='"quoted"\n')
    text = await bench.call(bench.agent("strategist"), "read_board")
    assert json.loads(text)["experiments"][0]["name"] == "\u202eeman"
