"""What each role must have done before it may finish, and what it is told until then."""

import json
import shutil

import pytest
import tomli_w
from toy_domain import MANIFEST, PNG, ToyAdapter, answer

from alphalab.events import AgentFinished
from alphalab.experiments import ExperimentState
from alphalab.measurement import Failure, Finding
from alphalab.models import ScriptedModel
from alphalab.roles import exploration_problems
from alphalab.roles.explorer import LEARNINGS_LIMIT
from alphalab.workspace import write_atomic

S = ExperimentState
call = ScriptedModel.call
FINISH = call("finish", summary="done")


def write(path, content):
    return call("write_file", path=path, content=content)


async def play(bench, role, *steps, **extra):
    """Runs a role on a script; what it was told after each of its own turns, and the run's result."""
    model = ScriptedModel(steps, name=role)
    bench.context.models = {"default": (model,)}
    agent = bench.agent(role, **extra)
    result = await agent.run("Do your work.", task=bench.context.task)
    model.assert_done()
    told = ["\n".join(_texts(request.messages[-1])) for request in model.requests[1:]]
    return agent, result, told


def _texts(message):
    return [getattr(block, "text", "") for block in message.content]


# -- all ---------------------------------------------------------------------------------------------------------------


async def test_only_finish_ends_the_work(bench):
    _, result, told = await play(bench, "strategist", "I think that is all.", FINISH)
    assert result.stop_reason == "finished"
    assert "nothing happens until you call a tool" in told[0]


async def test_a_run_is_on_record_under_its_role(bench):
    await play(bench, "strategist", FINISH)
    (event,) = [item.event for item in bench.context.store.events() if isinstance(item.event, AgentFinished)]
    assert (event.agent, event.role, event.text) == ("strategist-campaign-000", "strategist", "done")
    assert set(bench.context.store.usage("role")) == {"strategist"}
    assert (bench.space.transcripts / "strategist-campaign-000.jsonl").is_file()


async def test_the_system_prompt_holds_the_rules_the_role_and_the_knowledge(bench):
    bench.context.models = {"default": (ScriptedModel([call("abandon", reason="x"), FINISH]),)}
    agent = bench.agent("implementer", experiment=bench.propose())
    await agent.run("Do it.", task=bench.context.task)
    system = agent.model.requests[0].system
    assert system.startswith("You work inside an autonomous research campaign.")
    assert (
        "You are the implementer. Name the hidden number; a smaller distance is better. (distance, minimize)" in system
    )
    assert "exp-0001" in system
    assert system.rstrip().endswith("There is one hidden number.")


async def test_mended_knowledge_is_read_by_the_next_run(bench):
    write_atomic(bench.space.adapter / "domain_knowledge.md", "It is three.")
    agent = bench.agent("critic")
    assert agent.build_system(None).endswith("It is three.")


# -- explorer ----------------------------------------------------------------------------------------------------------


def furnish_exploration(folder, plots=5):
    write_atomic(folder / "plan.md", "- [x] one\n")
    for number in range(plots):
        write_atomic(folder / f"plots/{number}.png", PNG)
    write_atomic(folder / "report.md", "# Report\n")
    write_atomic(folder / "learnings.md", "# Learnings\n")


def test_a_complete_exploration(tmp_path):
    furnish_exploration(tmp_path)
    assert exploration_problems(tmp_path) == ()


def test_an_empty_exploration_lacks_everything(tmp_path):
    assert [line.split()[0] for line in exploration_problems(tmp_path)] == [
        "plan.md",
        "plots/",
        "report.md",
        "learnings.md",
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda folder: write_atomic(folder / "plan.md", "- [x] a\n- [ ] b\n"),
            "plan.md has items that are not ticked",
        ),
        (lambda folder: (folder / "plots/0.png").unlink(), "plots/ holds fewer than 5 PNG plots"),
        (lambda folder: write_atomic(folder / "report.md", " \n"), "report.md is missing or empty"),
        (lambda folder: (folder / "learnings.md").unlink(), "learnings.md is missing or empty"),
        (
            lambda folder: write_atomic(folder / "learnings.md", "x" * (LEARNINGS_LIMIT + 1)),
            "learnings.md is longer than",
        ),
    ],
)
def test_what_an_exploration_lacks(tmp_path, change, told):
    furnish_exploration(tmp_path)
    change(tmp_path)
    (problem,) = exploration_problems(tmp_path)
    assert problem.startswith(told)


async def test_the_explorer_cannot_finish_without_plots(bench):
    furnish_exploration(bench.space.exploration, plots=4)
    plot = call("shell", command="cp exploration/plots/0.png exploration/plots/4.png")
    _, result, told = await play(bench, "explorer", FINISH, plot, FINISH)
    assert "plots/ holds fewer than 5 PNG plots" in told[0]
    assert result.stop_reason == "finished"


# -- builder, critic, tester, hacker -----------------------------------------------------------------------------------


async def test_the_builder_cannot_finish_while_package_and_scorer_disagree(bench):
    right = bench.context.adapter.protocol()
    steps = [
        FINISH,
        write("evaluation/evaluation.json", json.dumps({**right, "goal": "maximize"})),
        FINISH,
        write("evaluation/evaluation.json", json.dumps({name: right[name] for name in ("metric", "goal")})),
        FINISH,
        write("evaluation/evaluation.json", json.dumps({**right, "note": "more is allowed"})),
        FINISH,
    ]
    _, result, told = await play(bench, "builder", *steps)
    assert "it is missing" in told[0]
    assert "goal is 'maximize', but the scorer uses 'minimize'" in told[2]
    assert "search is None, but the scorer uses [10, 50]" in told[4]
    assert result.stop_reason == "finished"


async def test_a_builder_that_never_gets_it_right_ends_at_its_nudges(bench):
    _, result, _ = await play(bench, "builder", *[FINISH] * 4)
    assert result.stop_reason == "nudges"
    assert not result.completed


async def test_the_critic_cannot_finish_without_a_verdict(bench):
    finding = {"severity": "blocking", "message": "it leaks", "file": "evaluation/evaluation.json", "line": 3}
    verdict = call("submit_review", findings=[finding], summary="bad")
    agent, result, told = await play(bench, "critic", FINISH, verdict, FINISH)
    assert "Hand in your verdict with submit_review first" in told[0]
    assert agent.findings == (
        Finding(severity="blocking", message="it leaks", file="evaluation/evaluation.json", line=3),
    )
    assert result.stop_reason == "finished"


async def test_an_empty_verdict_is_one_and_a_later_one_replaces_it(bench):
    first = call("submit_review", findings=[{"severity": "note", "message": "hm"}], summary="hm")
    agent, _, _ = await play(bench, "critic", first, call("submit_review", findings=[], summary="fine"), FINISH)
    assert agent.findings == ()


@pytest.mark.parametrize("finding", [{"severity": "fatal", "message": "x"}, {"severity": "note"}, "bad", {}])
async def test_a_verdict_in_another_form_is_refused(bench, finding):
    wrong = call("submit_review", findings=[finding], summary="x")
    right = call("submit_review", findings=[], summary="x")
    agent, _, told = await play(bench, "critic", wrong, right, FINISH)
    assert "findings" in told[0]
    assert agent.findings == ()


async def test_the_tester_cannot_finish_without_a_test(bench):
    steps = [FINISH, write("evaluation/tests/conftest.py", ""), FINISH, write("evaluation/tests/test_a.py", ""), FINISH]
    _, result, told = await play(bench, "tester", *steps)
    assert "holds no test_*.py" in told[0]
    assert "holds no test_*.py" in told[2]
    assert result.stop_reason == "finished"


async def test_the_hacker_tries_what_is_there_and_nothing_else(bench):
    tried = []

    async def attempt(name):
        tried.append(name)
        raise AssertionError

    steps = [call("try_attack", name=name) for name in ("absent", "../../adapter/attacks/loud", ".", "..", "")]
    _, _, told = await play(bench, "hacker", *steps, FINISH, try_attack=attempt)
    assert tried == []
    assert all("is not a folder; write the attack there first" in text for text in told)


# -- workers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["implementer", "fixer"])
async def test_an_author_hands_in_something_complete(bench, role):
    experiment = bench.propose()
    path = f"experiments/{experiment}/submission/answer.py"
    _, result, told = await play(bench, role, FINISH, write(path, answer(x=0.5)), FINISH, experiment=experiment)
    assert "required file 'answer.py' is missing" in told[0]
    assert result.stop_reason == "finished"


@pytest.mark.parametrize("role", ["implementer", "fixer"])
async def test_an_author_may_give_up_with_a_reason(bench, role):
    experiment = bench.propose()
    agent, result, _ = await play(bench, role, call("abandon", reason="too hard"), FINISH, experiment=experiment)
    assert agent.abandoned == "too hard"
    assert result.stop_reason == "finished"


async def test_the_analyst_writes_a_debrief(bench):
    experiment = bench.propose()
    steps = [FINISH, call("write_debrief", text="# It was near."), FINISH]
    _, _, told = await play(bench, "analyst", *steps, experiment=experiment)
    assert f"experiments/{experiment}/debrief.md is missing; call write_debrief first." in told[0]
    assert (bench.space.experiment(experiment) / "debrief.md").read_text() == "# It was near."


async def test_the_fixer_reads_how_it_failed_and_records_other_parameters(bench):
    experiment = bench.propose(x=0.5, state=S.SCORING)
    failure = Failure(kind="crashed", message="it raised", details={"line": 3})
    bench.context.store.move(experiment, S.SCORING, S.FIXING, failure=failure)
    agent = bench.agent("fixer", experiment=experiment)
    read = await bench.json(agent, "read_failure")
    assert (read["kind"], read["message"], read["parameters"]) == ("crashed", "it raised", {"x": 0.5})
    await bench.call(agent, "record_parameters", parameters={"x": 0.25}, reason="halved")
    assert bench.context.parameters(experiment) == {"x": 0.25}
    assert (await bench.json(agent, "read_proposal"))["parameters"] == {"x": 0.5}


async def test_a_worker_without_an_experiment_is_told_so(bench):
    _, _, told = await play(bench, "implementer", call("read_proposal"), call("abandon", reason="x"), FINISH)
    assert "started without an experiment" in told[0]


# -- customiser --------------------------------------------------------------------------------------------------------

CHANGES = {
    "metric": {"metric": {**MANIFEST["metric"], "goal": "maximize"}},
    "plausible range": {"metric": {**MANIFEST["metric"], "high": 1.0}},
    "layout": {"submission": {**MANIFEST["submission"], "entry": "other.py"}},
    "seeds": {"seeds": 1},
    "resources": {"resources": {"cpus": 4}},
    "splits": {"splits": {"train": 0.9, "search": 0.05, "final": 0.05}},
    "options": {"options": {}},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_the_customiser_cannot_change_the_manifest(bench, change):
    changed, original = tomli_w.dumps({**MANIFEST, **CHANGES[change]}), tomli_w.dumps(MANIFEST)
    steps = [write("adapter/manifest.toml", changed), FINISH, write("adapter/manifest.toml", original), FINISH]
    _, result, told = await play(bench, "adapter", *steps)
    assert "The adapter is not valid yet" in told[1]
    assert result.stop_reason == "finished"


async def test_the_customiser_hears_every_problem_of_the_folder(bench):
    steps = [
        write("adapter/prompts/critic.md", "Costs $5 $unknown"),
        write("adapter/prompts/tester.md", " "),
        FINISH,
        write("adapter/prompts/critic.md", "Criticise $metric."),
        write("adapter/prompts/tester.md", "Test."),
        FINISH,
    ]
    _, result, told = await play(bench, "adapter", *steps)
    assert told[2].count("\n- ") == 2
    assert result.stop_reason == "finished"


async def test_the_customiser_may_change_words(bench):
    steps = [write("adapter/domain_knowledge.md", "It is three."), FINISH]
    _, result, _ = await play(bench, "adapter", *steps)
    assert result.stop_reason == "finished"


@pytest.mark.parametrize(
    "path",
    [
        "adapter/baselines/reference/answer.py",
        "adapter/canaries/known/answer.py",
        "adapter/attacks/loud/answer.py",
        "adapter/recipes/catalogue.toml",
    ],
)
async def test_the_customiser_cannot_change_what_certifies_an_evaluation(bench, path, tmp_path):
    bench.context.adapter = ToyAdapter.from_folder(tmp_path / "adapter")
    content = (bench.space.root / path).read_text()
    changed = (
        content.replace("worse_than_reference", "passes").replace("1.3", "5.0").replace("0.4", "0.1") + "\n# mine\n"
    )
    steps = [write(path, changed), FINISH, write(path, content), FINISH]
    _, _, told = await play(bench, "adapter", *steps)
    assert "The adapter is not valid yet" in told[1]


def test_a_complete_folder_is_told_from_an_incomplete_one(bench):
    assert not bench.context.adapter.check()
    shutil.rmtree(bench.space.adapter / "canaries")
    assert len(bench.context.adapter.check().items) == 5
