"""The rule-based researcher: stateless, deterministic, within its search space, and honest about what it is."""

import json
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_domain import answer, make_context, recipe, write_adapter

from alphalab.budget import Budget
from alphalab.errors import ModelUnavailable
from alphalab.experiments import ExperimentState, Score
from alphalab.measurement import Failure, Measurement
from alphalab.messages import Message, TextBlock, ToolResultBlock
from alphalab.models import ModelRequest
from alphalab.models.offline import DISCLAIMER, OfflineModel
from alphalab.models.offline.model import SCRIPTS
from alphalab.models.offline.strategy import EXPLORE_SHARE, _number, _place, _step
from alphalab.phases.trials import Trials
from alphalab.roles import ROLES

S = ExperimentState


class Listening(OfflineModel):
    """Keeps what it was asked and what it answered."""

    def __init__(self, seed=0):
        super().__init__(seed=seed)
        self.heard = []

    async def generate(self, request, *, on_delta=None):
        response = await super().generate(request, on_delta=on_delta)
        self.heard.append((request, response))
        return response


def make(tmp_path, model=None, **changes):
    return make_context(tmp_path, model=model or Listening(), **changes)


def run(context, role, experiment=None, **extra):
    if role == "hacker":
        extra["try_attack"] = Trials(campaign=context).attack
    agent = ROLES[role].for_campaign(context, experiment=experiment, **extra)
    prompt = "Write milestone report 1 to `reports/milestone-001.md`." if role == "reporter" else "Do your work."
    return agent.run(prompt, task=context.task)


def propose(context, recipe_name="near", state=S.PROPOSED, failure=None, **parameters):
    from alphalab.experiments import Proposal

    words = {"name": recipe_name, "family": "guess", "hypothesis": "it is near", "recipe": recipe_name}
    experiment = context.store.propose(Proposal(parameters=parameters, **words))
    path = [S.IMPLEMENTING, S.READY, S.QUEUED, S.RUNNING, S.SCORING, S.FIXING if failure else S.SCORED]
    source = S.PROPOSED
    for target in path[: path.index(state) + 1] if state in path else []:
        last = target is S.FIXING
        context.store.move(experiment.id, source, target, failure=failure if last else None)
        source = target
    return experiment.id


def score(context, experiment, value):
    outcome = Measurement(value=value, seconds=1.0)
    words = {"split": "search", "seed": 0, "evaluation": "e", "submission": "s", "at": context.clock.now()}
    attempt = 0 if experiment.startswith("baseline:") else 1
    context.store.record_score(Score(subject=experiment, outcome=outcome, attempt=attempt, **words))


def submission(context, experiment):
    return (context.workspace.submission(experiment) / "answer.py").read_text()


# -- statelessness -----------------------------------------------------------------------------------------------------


async def stage(tmp_path, role):
    """A context in which a role has something to do, and the experiment it is about."""
    context = make(tmp_path)
    experiment = None
    if role in ("implementer", "analyst"):
        experiment = propose(context, state=S.SCORED if role == "analyst" else S.PROPOSED, x=0.5)
    if role == "fixer":
        failure = Failure(kind="crashed", message="this mode fails")
        experiment = propose(context, "moody", state=S.FIXING, failure=failure, x=0.5, mode="fail")
    if role in ("analyst", "reporter"):
        score(context, "baseline:reference", 1.0)
    if role == "analyst":
        score(context, experiment, 0.2)
    if role == "critic":
        await run(context, "builder")
        context.models["default"][0].heard.clear()
    return context, experiment


@pytest.mark.parametrize("role", SCRIPTS)
async def test_a_conversation_cut_off_anywhere_goes_on_where_it_stopped(tmp_path, role):
    context, experiment = await stage(tmp_path, role)
    result = await run(context, role, experiment)
    assert result.stop_reason == "finished"
    heard = context.models["default"][0].heard
    assert len(heard) == result.turns >= 2
    for request, response in heard:
        fresh = await OfflineModel().generate(request)
        assert fresh == response
    for _, response in heard[1:]:
        assert response.message != heard[0][1].message


@pytest.mark.parametrize("role", SCRIPTS)
async def test_every_finish_says_that_no_language_model_was_involved(tmp_path, role):
    context, experiment = await stage(tmp_path, role)
    result = await run(context, role, experiment)
    assert result.text.endswith(DISCLAIMER)
    assert not OfflineModel().capabilities.is_language_model
    assert result.usage.cost_usd == 0.0
    assert result.usage.input_tokens == result.usage.output_tokens == 0


def test_every_role_has_a_script():
    assert set(SCRIPTS) == set(ROLES)


async def test_an_unknown_role_is_refused_with_those_it_knows():
    request = ModelRequest(system="", messages=[Message.user("hi")], labels={"role": "poet"})
    with pytest.raises(ModelUnavailable, match="no rules for role 'poet'; it knows adapter, explorer"):
        await OfflineModel().generate(request)


async def test_reminders_and_objections_do_not_confuse_it(tmp_path):
    context, experiment = await stage(tmp_path, "implementer")
    await run(context, "implementer", experiment)
    request, response = context.models["default"][0].heard[2]
    *messages, last = request.messages
    remark = Message(role="user", content=[*last.content, TextBlock(text="Go on, please.")])
    said = await OfflineModel().generate(ModelRequest(system="", messages=[*messages, remark], labels=request.labels))
    assert said == response


async def test_a_finish_that_was_objected_to_is_no_answer_to_anything(tmp_path):
    context, experiment = await stage(tmp_path, "implementer")
    await run(context, "implementer", experiment)
    request, response = context.models["default"][0].heard[-1]
    (use,) = response.message.tool_uses
    objection = Message(
        role="user",
        content=[ToolResultBlock(tool_use_id=use.id, content=[TextBlock(text="ok")]), TextBlock(text="No.")],
    )
    again = ModelRequest(system="", messages=[*request.messages, response.message, objection], labels=request.labels)
    assert (await OfflineModel().generate(again)).message.tool_uses[0].name == "finish"


# -- strategist --------------------------------------------------------------------------------------------------------


async def test_every_recipe_that_can_run_comes_first_once_at_its_defaults(tmp_path):
    context = make(tmp_path, budget=Budget(experiments=20))
    await run(context, "strategist", wanted=2)
    await run(context, "strategist", wanted=3)
    proposals = [experiment.proposal for experiment in context.store.experiments()]
    assert len(proposals) == 5
    assert [(item.recipe, item.parameters) for item in proposals[:3]] == [
        ("near", {"x": 0.8}),
        ("far", {"x": 1.2}),
        ("moody", {"x": 0.6, "mode": "fail"}),
    ]
    assert all(item.recipe != "needy" for item in proposals)


@pytest.mark.parametrize("wanted", [1, 2, 5])
async def test_as_many_as_wanted_and_no_more(tmp_path, wanted):
    context = make(tmp_path, budget=Budget(experiments=20))
    await run(context, "strategist", wanted=wanted)
    assert len(context.store.experiments()) == wanted


async def test_the_budget_ends_it(tmp_path):
    context = make(tmp_path, budget=Budget(experiments=3))
    await run(context, "strategist", wanted=5)
    assert len(context.store.experiments()) == 3


async def test_one_seed_makes_one_sequence_and_another_seed_another(tmp_path):
    sequences = []
    for number, seed in enumerate([4, 4, 5]):
        context = make(tmp_path / str(number), Listening(seed=seed), budget=Budget(experiments=30))
        await run(context, "strategist", wanted=9)
        sequences.append([experiment.proposal for experiment in context.store.experiments()])
    assert sequences[0] == sequences[1] != sequences[2]


async def test_what_cannot_run_is_never_proposed(tmp_path):
    write_adapter(
        tmp_path / "adapter",
        recipes=(recipe("needy", "none", {"x": {"kind": "float", "default": 0.3, "low": 0.0, "high": 1.0}},
                        requires=["no_such_module_anywhere"]),),
    )  # fmt: skip
    context = make(tmp_path)
    result = await run(context, "strategist", wanted=3)
    assert context.store.experiments() == ()
    assert "no recipe that can run here" in result.text


async def test_later_proposals_refine_leaders_and_stay_in_range(tmp_path):
    context = make(tmp_path, budget=Budget(experiments=40))
    kinds = []
    for _ in range(6):
        before = len(context.store.experiments())
        await run(context, "strategist", wanted=6)
        for experiment in context.store.experiments()[before:]:
            proposal = experiment.proposal
            kinds.append(proposal.kind)
            assert 0 <= proposal.parameters["x"] <= (3 if proposal.recipe == "far" else 1)
            assert proposal.recipe != "far" or proposal.parameters["x"] >= 1
            if proposal.kind == "exploit":
                (parent,) = proposal.parents
                assert context.store.experiment(parent).proposal.recipe == proposal.recipe
                assert parent in proposal.hypothesis
            _through(context, experiment.id, abs(proposal.parameters["x"] - 0.3))
    exploring = int(EXPLORE_SHARE * 40)
    assert kinds[:exploring].count("exploit") == 0
    assert kinds[exploring:].count("exploit") > 0.6 * len(kinds[exploring:])
    signatures = [experiment.proposal.signature for experiment in context.store.experiments()]
    assert len(signatures) == len(set(signatures)) == 36


def _through(context, experiment, value):
    for source, target in zip(
        [S.PROPOSED, S.IMPLEMENTING, S.READY, S.QUEUED, S.RUNNING, S.SCORING],
        [S.IMPLEMENTING, S.READY, S.QUEUED, S.RUNNING, S.SCORING, S.SCORED],
        strict=True,
    ):
        context.store.move(experiment, source, target)
    score(context, experiment, value)


RANGES = st.tuples(st.floats(1e-3, 1e6), st.floats(1.001, 1e3)).map(lambda pair: (pair[0], pair[0] * pair[1]))


@given(RANGES, st.booleans(), st.floats(0, 1), st.integers(0, 99))
def test_every_float_lies_in_its_range(bounds, log, place, seed):
    low, high = bounds
    space = {"kind": "float", "low": low, "high": high, "log": log}
    value = _number(space, place)
    assert low <= value <= high
    for _ in range(5):
        value = _step(space, value, Random(seed))
        assert low <= value <= high


@given(st.integers(-50, 50), st.integers(1, 200), st.floats(0, 1), st.integers(0, 99))
def test_every_whole_number_lies_in_its_range(low, width, place, seed):
    space = {"kind": "int", "low": low, "high": low + width, "log": low > 0}
    value = _step(space, _number(space, place), Random(seed))
    assert isinstance(value, int)
    assert low <= value <= low + width


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True), st.integers(0, 99))
def test_a_neighbour_of_a_choice_is_another_choice(choices, seed):
    space = {"kind": "choice", "choices": choices}
    value = _step(space, choices[0], Random(seed))
    assert value in choices
    assert value != choices[0] or len(choices) == 1


def test_a_range_of_one_value_has_a_place():
    for log in (False, True):
        space = {"kind": "float", "low": 2.0, "high": 2.0, "log": log}
        assert math.isfinite(_place(space, 2.0))


async def test_a_repaired_leader_below_its_range_has_children_inside(tmp_path):
    window = recipe(
        "window",
        "guess",
        {
            "x": {"kind": "float", "default": 0.5, "low": 0.0, "high": 1.0},
            "size": {"kind": "int", "default": 4, "low": 3, "high": 9},
        },
        remedies=[{"when": ["crashed"], "scale": {"size": 0.5}}],
    )
    write_adapter(tmp_path / "adapter", recipes=(window,))
    context = make(tmp_path, budget=Budget(experiments=6))
    failure = Failure(kind="crashed", message="too large")
    experiment = propose(context, "window", state=S.FIXING, failure=failure, x=0.5, size=4)
    await run(context, "fixer", experiment)
    assert 3 <= context.parameters(experiment)["size"] <= 9


# -- workers -----------------------------------------------------------------------------------------------------------


async def test_the_implementer_writes_the_recipe_with_the_proposed_parameters(tmp_path):
    context = make(tmp_path)
    experiment = propose(context, "moody", x=0.125, mode='it\'s "good"')
    await run(context, "implementer", experiment)
    assert submission(context, experiment) == answer(x=0.125, mode='it\'s "good"')


async def test_the_implementer_gives_up_on_what_is_no_recipe(tmp_path):
    context = make(tmp_path)
    experiment = propose(context, "unheard of", x=0.5)
    agent = ROLES["implementer"].for_campaign(context, experiment=experiment)
    await agent.run("Do it.")
    assert "no recipe is named 'unheard of'" in agent.abandoned


@pytest.mark.parametrize(("kind", "repaired"), [("crashed", True), ("timed_out", False), ("non_finite", False)])
async def test_the_fixer_applies_the_remedy_of_that_failure_or_gives_up(tmp_path, kind, repaired):
    context = make(tmp_path)
    failure = Failure(kind=kind, message="it did not work")
    experiment = propose(context, "moody", state=S.FIXING, failure=failure, x=0.5, mode="fail")
    agent = ROLES["fixer"].for_campaign(context, experiment=experiment)
    await agent.run("Mend it.")
    if repaired:
        assert agent.abandoned is None
        assert submission(context, experiment) == answer(x=0.5, mode="good")
        assert context.parameters(experiment) == {"x": 0.5, "mode": "good"}
    else:
        assert kind in agent.abandoned
        assert "it did not work" in agent.abandoned
        assert context.parameters(experiment) == {"x": 0.5, "mode": "fail"}


async def test_a_remedy_that_changes_nothing_is_none(tmp_path):
    context = make(tmp_path)
    failure = Failure(kind="crashed", message="again")
    experiment = propose(context, "moody", state=S.FIXING, failure=failure, x=0.5, mode="good")
    agent = ROLES["fixer"].for_campaign(context, experiment=experiment)
    await agent.run("Mend it.")
    assert agent.abandoned


async def test_a_repair_that_was_cut_off_is_made_again(tmp_path):
    """A process that ends in the middle of a repair must not make the next one believe it had been tried."""
    context = make(tmp_path)
    failure = Failure(kind="crashed", message="this mode fails")
    experiment = propose(context, "moody", state=S.FIXING, failure=failure, x=0.5, mode="fail")
    await run(context, "fixer", experiment)
    changing = [
        number
        for number, (_, response) in enumerate(context.models["default"][0].heard)
        if response.message.tool_uses[0].name in ("write_file", "record_parameters")
    ]
    cut = context.models["default"][0].heard[min(changing)][1].message.tool_uses[0]
    again = make(tmp_path / "again")
    experiment = propose(again, "moody", state=S.FIXING, failure=failure, x=0.5, mode="fail")
    first = ROLES["fixer"].for_campaign(again, experiment=experiment)
    (tool,) = [tool for tool in first.build_tools(None) if tool.name == cut.name]
    await tool.call(first.context, cut.input)
    second = ROLES["fixer"].for_campaign(again, experiment=experiment)
    await second.run("Mend it.")
    assert second.abandoned is None
    assert submission(again, experiment) == answer(x=0.5, mode="good")


async def test_the_analyst_compares_with_reference_leader_and_relative(tmp_path):
    context = make(tmp_path)
    score(context, "baseline:reference", 1.0)
    first = propose(context, "near", state=S.SCORED, x=0.5)
    score(context, first, 0.5)
    await run(context, "analyst", first)
    second = propose(context, "near", state=S.SCORED, x=0.25)
    score(context, second, 0.25)
    await run(context, "analyst", second)
    debrief = (context.workspace.experiment(second) / "debrief.md").read_text()
    assert "distance 0.25 steps on the search split" in debrief
    assert "+75.0% against reference (1)." in debrief
    assert "+50.0% against the best other, exp-0001 (0.5)." in debrief
    assert "Against exp-0001 (0.5): x 0.5 → 0.25; +50.0%." in debrief
    lessons = context.playbook.active
    assert [lesson.evidence for lesson in lessons] == [("exp-0001",), ("exp-0001", "exp-0002")]


async def test_a_family_that_loses_to_the_reference_is_not_to_be_attempted(tmp_path):
    context = make(tmp_path)
    score(context, "baseline:reference", 0.1)
    experiment = propose(context, "near", state=S.SCORED, x=0.9)
    score(context, experiment, 0.6)
    await run(context, "analyst", experiment)
    assert context.playbook.active[0].kind == "do_not_attempt"


async def test_the_report_is_marked_and_lists_the_leaders(tmp_path):
    context = make(tmp_path)
    score(context, "baseline:reference", 1.0)
    experiment = propose(context, "near", state=S.SCORED, x=0.5)
    score(context, experiment, 0.2)
    await run(context, "reporter")
    text = (context.workspace.reports / "milestone-001.md").read_text()
    assert "no language model was involved" in text
    assert f"| 1 | {experiment} | near | 0.2 |" in text


async def test_the_knowledge_holds_the_measured_facts_once(tmp_path):
    context = make(tmp_path)
    for _ in range(2):
        await run(context, "adapter")
    text = (context.workspace.adapter / "domain_knowledge.md").read_text()
    assert text.startswith("# Numbers")
    assert text.count("## Measured on this data") == 1
    assert "- train, count: 12" in text


async def test_the_exploration_takes_up_an_interrupted_plan(tmp_path):
    context = make(tmp_path)
    await run(context, "explorer")
    folder = context.workspace.exploration
    done = json.loads((folder / "notes/00_question.json").read_text())
    (folder / "notes/00_question.json").write_text(json.dumps({**done, "finding": "Found before."}))
    plan = (folder / "plan.md").read_text()
    (folder / "plan.md").write_text(plan.replace("- [x] 04_question", "- [ ] 04_question"))
    (folder / "report.md").unlink()
    context.models["default"][0].heard.clear()
    await run(context, "explorer")
    commands = [
        response.message.tool_uses[0].input.get("command", "") for _, response in context.models["default"][0].heard
    ]
    assert [line for line in commands if line.startswith("python")] == [
        "python exploration/scripts/04_question.py --data data --out exploration"
    ]
    assert "Found before." in (folder / "report.md").read_text()
