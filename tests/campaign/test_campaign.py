"""Whole campaigns on the toy domain: run, run again, extended, steered, stopped, watched and shared."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from attrs import define
from toy_domain import RECIPES, InlineExecutor, ToyAdapter, make_campaign, recipe, write_adapter

import alphalab as al
from alphalab._clock import ManualClock
from alphalab._sync import run_blocking
from alphalab.errors import AdapterError, AlphaLabError, ConfigError, EvaluationTampered, NotFound, StoreError
from alphalab.events import (
    AgentStarted,
    CampaignStarted,
    ExperimentMoved,
    ExperimentScored,
    Noticed,
    PhaseStarted,
    SplitOpened,
    Steered,
)
from alphalab.experiments import ExperimentState
from alphalab.roles import Critic, Strategist
from alphalab.workspace import write_atomic

S = ExperimentState
SLOW = (recipe("slow", "guess", {"x": {"kind": "float", "default": 0.8, "low": 0.0, "high": 1.0},
                                 "pause": {"kind": "choice", "default": 30, "choices": [30]}}),)  # fmt: skip
PATIENCE_S = 60.0
BUSY = {S.IMPLEMENTING, S.QUEUED, S.RUNNING, S.SCORING, S.ANALYZING}


def events_of(campaign, kind, since=0):
    return [recorded.event for recorded in campaign.events(since=since) if isinstance(recorded.event, kind)]


def last_number(campaign):
    return campaign.events()[-1].number


def eventually(condition):
    """Waits for what another thread or process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@define(eq=False)
class Background:
    """A campaign that runs in a thread of its own."""

    campaign: al.Campaign
    thread: threading.Thread = None
    result: object = None
    error: BaseException = None

    def __enter__(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self):
        try:
            self.result = self.campaign.run_sync()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            self.error = error

    def __exit__(self, *_exc):
        if _exc[0] is not None:
            self._stop_quietly()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        if self.error is not None and _exc[0] is None:
            raise self.error

    def _stop_quietly(self):
        while self.thread.is_alive():
            try:
                self.campaign.stop()
                for experiment in self.campaign.experiments():
                    self.campaign.cancel(experiment.id)
            except AlphaLabError:
                pass
            self.thread.join(0.1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which a campaign of four experiments has ended, and its result."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, make_campaign(folder).run_sync()


def reopened(folder, **changes):
    adapter = ToyAdapter.from_folder(folder / "adapter")
    return al.Campaign.open(folder / "run", adapter=adapter, executor=InlineExecutor(), **changes)


# -- one run -----------------------------------------------------------------------------------------------------------


def test_the_product(finished):
    folder, result = finished
    assert result.stop_reason == "experiments"
    assert result.best.value() == min(experiment.value() for experiment in result.finalists)
    assert len(result.finalists) == 3
    assert {row.id for row in result.leaderboard.rows if row.baseline} == {
        "baseline:floor",
        "baseline:reference",
        "baseline:other",
    }
    assert {row.id for row in result.final.rows} == {
        *(experiment.id for experiment in result.finalists),
        *(row.id for row in result.leaderboard.rows if row.baseline),
    }
    assert result.playbook.active
    assert result.report_path == folder / "run/reports/report.html"
    assert result.report_path.is_file()
    assert result.usage.calls > 50
    assert result.usage.cost_usd == 0.0


def test_finalists_meet_other_seeds_and_the_final_split_once(finished):
    folder, result = finished
    for experiment in result.finalists:
        places = sorted(
            (score.split, score.seed) for score in experiment.scores if score.attempt == experiment.attempts
        )
        assert places == [("final", 0), ("search", 0), ("search", 1)]
    opened = events_of(reopened(folder), SplitOpened)
    assert len(opened) == len({event.experiment for event in opened}) == 6
    assert {event.split for event in opened} == {"final"}


def test_everything_lies_where_the_design_says(finished):
    root = finished[0] / "run"
    for name in (
        *("campaign.toml", "state.db", "adapter/manifest.toml", "data/facts.json", "private/hidden.json"),
        *("exploration/report.md", "exploration/learnings.md", "evaluation/seal.json", "evaluation/certificate.json"),
        *("experiments/exp-0001/proposal.json", "experiments/exp-0001/submission/answer.py", "playbook.md"),
        *("experiments/exp-0001/result.json", "experiments/exp-0001/debrief.md", "reports/report.html"),
    ):
        assert (root / name).is_file(), name


def test_a_failed_attempt_was_repaired(finished):
    folder, _ = finished
    campaign = reopened(folder)
    (moody,) = [experiment for experiment in campaign.experiments() if experiment.proposal.recipe == "moody"]
    assert (moody.state, moody.fixes, moody.attempts) == (S.DONE, 1, 2)
    assert moody.value() == pytest.approx(0.3, abs=0.01)


def test_real_jobs_find_the_adapters_own_class(tmp_path):
    result = make_campaign(tmp_path, executor=None, budget=al.Budget(experiments=1)).run_sync()
    assert result.best.value() == pytest.approx(0.5, abs=0.01)
    assert len(result.final.rows) == 4


# -- again -------------------------------------------------------------------------------------------------------------


def test_running_a_finished_campaign_again_does_nothing(finished):
    folder, result = finished
    campaign = make_campaign(folder)
    before = last_number(campaign)
    again = campaign.run_sync()
    assert campaign.executor.jobs == {}
    assert again.best == result.best
    assert again.finalists == result.finalists
    assert (again.stop_reason, again.usage) == (result.stop_reason, result.usage)
    assert str(again) == str(result)
    assert {type(item.event) for item in campaign.events(since=before)} <= {CampaignStarted, Noticed}
    assert events_of(campaign, CampaignStarted, since=before)[0].resumed


def test_a_smaller_budget_changes_nothing_either(finished, tmp_path):
    folder, result = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    assert make_campaign(tmp_path, adapter=folder / "adapter", budget=al.Budget(experiments=2)).run_sync().best == (
        result.best
    )


def test_a_larger_budget_goes_on(tmp_path):
    first = make_campaign(tmp_path, budget=al.Budget(experiments=2)).run_sync()
    campaign = make_campaign(tmp_path, budget=al.Budget(experiments=4))
    before = last_number(campaign)
    second = campaign.run_sync()
    assert second.stop_reason == "experiments"
    assert len(campaign.experiments()) == 4
    assert [event.phase for event in events_of(campaign, PhaseStarted, since=before)] == ["experiment"]
    kept = {experiment.id: experiment.scores for experiment in first.finalists}
    for experiment in campaign.experiments():
        assert all(score in experiment.scores for score in kept.get(experiment.id, ()))
    finals = [event.experiment for event in events_of(campaign, SplitOpened)]
    assert len(finals) == len(set(finals))


def test_a_changed_evaluation_stops_what_would_build_on_it(tmp_path):
    make_campaign(tmp_path, budget=al.Budget(experiments=1)).run_sync()
    scores = make_campaign(tmp_path).experiments()
    write_atomic(tmp_path / "run/data/facts.json", '{"hint": 0.3}')
    campaign = make_campaign(tmp_path, budget=al.Budget(experiments=3))
    with pytest.raises(EvaluationTampered, match=r"data/facts\.json") as caught:
        campaign.run_sync()
    assert caught.value.path == "data/facts.json"
    assert [item.scores for item in campaign.experiments() if item.scores] == [item.scores for item in scores]


def test_one_seed_makes_one_campaign(tmp_path):
    boards = []
    for number in range(2):
        campaign = make_campaign(tmp_path / str(number), workers=1, executor=InlineExecutor(slots=1))
        campaign.run_sync()
        boards.append([(item.proposal, item.value()) for item in campaign.experiments()])
    assert boards[0] == boards[1]


def test_time_between_runs_is_not_spent(tmp_path):
    clock = ManualClock()
    make_campaign(tmp_path, budget=al.Budget(experiments=1), clock=clock).run_sync()
    campaign = make_campaign(tmp_path, budget=al.Budget(experiments=1), clock=clock)
    clock.advance(1000)
    campaign.steer("A note, left while nothing runs.")
    clock.advance(1000)
    campaign.run_sync()
    assert campaign.status()["seconds"] == 0.0


# -- looking -----------------------------------------------------------------------------------------------------------


def test_opening_writes_nothing(finished):
    folder, result = finished
    campaign = al.Campaign.open(folder / "run")
    files = {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*") if path.is_file()}
    assert [item.id for item in campaign.experiments()] == [f"exp-{n:04d}" for n in range(1, 5)]
    assert campaign.result().best == result.best
    assert campaign.leaderboard(n=2).rows == result.leaderboard.rows[:2]
    assert campaign.playbook == result.playbook
    assert campaign.budget.experiments == 4
    unchanged = {name: moment for name, moment in files.items() if "state.db-" not in name.name}
    assert {name: name.stat().st_mtime_ns for name in unchanged} == unchanged


def test_filters(finished):
    campaign = al.Campaign.open(finished[0] / "run")
    assert len(campaign.experiments(state="done")) == 4
    assert campaign.experiments(state=S.FAILED) == ()
    assert {item.family for item in campaign.experiments(family="mood")} == {"mood"}
    with pytest.raises(ValueError, match="finished"):
        campaign.experiments(state="finished")
    with pytest.raises(NotFound, match=r"exp-0099.*exp-0001"):
        campaign.experiment("exp-0099")


def test_usage_adds_up_however_it_is_split(finished):
    campaign = al.Campaign.open(finished[0] / "run")
    total = campaign.usage()
    for by in ("role", "model", "experiment", "phase"):
        parts = campaign.usage(by=by)
        assert sum(parts.values(), al.Usage()) == total
    assert set(campaign.usage(by="phase")) == {"adapt", "explore", "evaluate", "experiment"}
    roles = campaign.usage(by="role")
    assert {"adapter", "explorer", "builder", "critic", "tester", "hacker", "strategist", "implementer"} <= set(roles)
    assert set(campaign.usage(by="model")) == {"offline"}
    assert campaign.usage(by="experiment")["exp-0001"].calls > 0


def test_status_is_one_json_object(finished):
    status = json.loads(json.dumps(al.Campaign.open(finished[0] / "run").status()))
    assert (status["phase"], status["stop_reason"]) == ("finished", "experiments")
    assert status["experiments"] == {"done": 4}
    assert status["best"]["metric"] == "distance"
    assert status["cost_usd"] == 0.0
    assert status["seconds"] > 0


async def test_events_can_be_followed(finished):
    campaign = al.Campaign.open(finished[0] / "run")
    known = campaign.events()
    assert [item.number for item in known] == list(range(1, len(known) + 1))
    assert campaign.events(since=known[-3].number) == known[-2:]
    followed = campaign.events(since=known[-3].number, follow=True)
    assert [await anext(followed), await anext(followed)] == list(known[-2:])
    await followed.aclose()


# -- notebooks and scripts ---------------------------------------------------------------------------------------------


async def test_in_a_running_loop(finished):
    folder, result = finished
    assert (await make_campaign(folder).run()).best == result.best
    assert make_campaign(folder).run_sync().best == result.best


def test_in_the_librarys_own_loop_it_refuses(finished):
    async def inside():
        return make_campaign(finished[0]).run_sync()

    with pytest.raises(ConfigError, match="await the async one there"):
        run_blocking(inside())


def test_an_overridden_run_is_what_run_sync_runs(finished):
    class Counting(al.Campaign):
        async def run(self):
            return f"{self.workspace.name} would run"

    campaign = Counting(task=al.Task(objective="x"), adapter="traffic", workspace=finished[0] / "run")
    assert campaign.run_sync() == "run would run"


# -- at the wheel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["stop", "pause", "unpause"])
def test_nothing_can_be_held_that_does_not_run(finished, verb):
    with pytest.raises(AlphaLabError, match=f"{verb}: the campaign is not running in this process; run it first"):
        getattr(make_campaign(finished[0]), verb)()


def test_cancelling_in_a_campaign_that_does_not_run(finished):
    campaign = make_campaign(finished[0])
    with pytest.raises(AlphaLabError, match="cancel: the campaign is not running"):
        campaign.cancel("exp-0001")
    with pytest.raises(NotFound):
        campaign.cancel("exp-0099")


def test_stop_scores_what_runs_and_a_later_run_goes_on(tmp_path):
    heard = threading.Event()

    def stop_at_first_score(recorded):
        if isinstance(recorded.event, ExperimentScored) and not recorded.event.experiment.startswith("baseline"):
            heard.set()

    campaign = make_campaign(tmp_path, sinks=[stop_at_first_score], budget=al.Budget(experiments=30))
    with Background(campaign) as running:
        assert heard.wait(PATIENCE_S)
        campaign.stop()
    assert running.result.stop_reason == "stopped"
    experiments = campaign.experiments()
    assert all(item.state.is_final for item in experiments)
    assert 0 < len(experiments) < 30
    again = make_campaign(tmp_path, budget=al.Budget(experiments=5)).run_sync()
    assert again.stop_reason == "experiments"
    board = make_campaign(tmp_path).experiments()
    assert sum(item.state is not S.CANCELLED for item in board) == 5


def test_stop_before_the_board_is_at_work(tmp_path):
    heard = threading.Event()

    def notice(recorded):
        if recorded.event == PhaseStarted(phase="explore"):
            heard.set()

    campaign = make_campaign(tmp_path, sinks=[notice])
    with Background(campaign) as running:
        assert heard.wait(PATIENCE_S)
        campaign.stop()
    assert running.result.stop_reason == "stopped"
    phases = [event.phase for event in events_of(campaign, PhaseStarted)]
    assert "experiment" not in phases
    assert running.result.best is None
    assert make_campaign(tmp_path).run_sync().stop_reason == "experiments"


def test_pause_starts_nothing_new_until_it_is_lifted(tmp_path):
    scored = threading.Event()

    def notice(recorded):
        if isinstance(recorded.event, ExperimentScored) and not recorded.event.experiment.startswith("baseline"):
            scored.set()

    campaign = make_campaign(
        tmp_path, sinks=[notice], budget=al.Budget(experiments=6), executor=InlineExecutor(slots=1)
    )
    with Background(campaign) as running:
        assert scored.wait(PATIENCE_S)
        campaign.pause()
        seen = []

        def settles():
            before, seen[:] = list(seen), events_of(campaign, ExperimentMoved)
            time.sleep(0.5)
            return before == seen and not {item.state for item in campaign.experiments()} & BUSY

        eventually(settles)
        assert not all(item.state.is_final for item in campaign.experiments())
        time.sleep(0.5)
        assert events_of(campaign, ExperimentMoved) == seen
        assert running.thread.is_alive()
        campaign.unpause()
    assert running.result.stop_reason == "experiments"
    assert len(campaign.experiments()) == 6


def test_a_stop_ends_a_pause(tmp_path):
    scored = threading.Event()

    def notice(recorded):
        if isinstance(recorded.event, ExperimentScored) and not recorded.event.experiment.startswith("baseline"):
            scored.set()

    campaign = make_campaign(tmp_path, sinks=[notice], budget=al.Budget(experiments=6))
    with Background(campaign) as running:
        assert scored.wait(PATIENCE_S)
        campaign.pause()
        campaign.stop()
    assert running.result.stop_reason == "stopped"


def test_a_running_experiment_can_be_cancelled(tmp_path):
    write_adapter(tmp_path / "adapter", recipes=(*SLOW, *RECIPES))
    campaign = make_campaign(tmp_path, budget=al.Budget(experiments=3))

    def runs():
        try:
            return campaign.experiment("exp-0001").state is S.RUNNING
        except AlphaLabError:
            return False

    with Background(campaign) as running:
        eventually(runs)
        campaign.cancel("exp-0001")
        eventually(lambda: campaign.experiment("exp-0001").state is S.CANCELLED)
    assert running.result.stop_reason == "experiments"
    assert sum(item.state is not S.CANCELLED for item in campaign.experiments()) == 3
    assert campaign.experiment("exp-0001").scores == ()


def test_a_note_reaches_the_next_strategist_and_only_that_one(tmp_path):
    make_campaign(tmp_path, budget=al.Budget(experiments=1)).run_sync()
    campaign = make_campaign(tmp_path, budget=al.Budget(experiments=3))
    campaign.steer("Try the second half of the range.")
    assert events_of(campaign, Steered) == [Steered(note="Try the second half of the range.")]
    campaign.run_sync()
    texts = [path.read_text() for path in sorted((campaign.workspace / "transcripts").glob("strategist-*.jsonl"))]
    assert [("second half of the range" in text) for text in texts].count(True) == 1
    assert "second half of the range" in texts[1]


def test_a_note_left_while_it_runs(tmp_path):
    heard = threading.Event()

    def notice(recorded):
        if recorded.event == PhaseStarted(phase="explore"):
            heard.set()

    campaign = make_campaign(tmp_path, sinks=[notice], budget=al.Budget(experiments=1))
    with Background(campaign):
        assert heard.wait(PATIENCE_S)
        campaign.steer("Mind the gap.")
    (transcript,) = (campaign.workspace / "transcripts").glob("strategist-campaign-000.jsonl")
    assert "Mind the gap." in transcript.read_text()


@pytest.mark.parametrize("note", ["", "  \n"])
def test_an_empty_note(finished, note):
    with pytest.raises(ConfigError, match="the note is empty"):
        make_campaign(finished[0]).steer(note)


def test_a_note_before_anything_was_run_does_not_spoil_the_workspace(tmp_path):
    campaign = make_campaign(tmp_path, budget=al.Budget(experiments=1))
    try:
        campaign.steer("Begin with zero.")
    except AlphaLabError:
        assert not campaign.workspace.exists()
    assert campaign.run_sync().stop_reason == "experiments"


def test_one_object_runs_once_at_a_time(tmp_path):
    heard = threading.Event()
    campaign = make_campaign(tmp_path, sinks=[lambda _recorded: heard.set()], budget=al.Budget(experiments=1))
    with Background(campaign):
        assert heard.wait(PATIENCE_S)
        with pytest.raises(AlphaLabError, match="already"):
            campaign.run_sync()


async def test_cancelling_the_task_leaves_a_campaign_that_goes_on(tmp_path):
    write_adapter(tmp_path / "adapter")
    started = asyncio.Event()

    def notice(recorded):
        if isinstance(recorded.event, AgentStarted) and recorded.event.role == "implementer":
            started.set()

    campaign = make_campaign(tmp_path, sinks=[notice])
    running = asyncio.ensure_future(campaign.run())
    await asyncio.wait_for(started.wait(), PATIENCE_S)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await make_campaign(tmp_path).run()).stop_reason == "experiments"
    assert len(make_campaign(tmp_path).experiments()) == 4


# -- budgets -----------------------------------------------------------------------------------------------------------


def test_time_runs_out(tmp_path):
    result = make_campaign(tmp_path, budget=al.Budget(experiments=90, wall_time=timedelta(seconds=3))).run_sync()
    assert result.stop_reason == "budget"
    assert all(item.state.is_final for item in make_campaign(tmp_path).experiments())


def test_a_price_that_nobody_knows_is_not_spent_without_limit(tmp_path):
    class Unpriced(al.Model):
        name = "unpriced"

        def __init__(self, inner):
            self.inner = inner
            self.capabilities = inner.capabilities

        async def generate(self, request, *, on_delta=None):
            import attrs

            response = await self.inner.generate(request, on_delta=on_delta)
            return attrs.evolve(response, usage=al.Usage(calls=1, input_tokens=10, cost_usd=None))

    model = Unpriced(al.get_model("offline"))
    result = make_campaign(tmp_path, models=model, budget=al.Budget(experiments=90, cost_usd=1.0)).run_sync()
    assert result.stop_reason == "budget"
    assert len(make_campaign(tmp_path).experiments()) < 90


# -- roles -------------------------------------------------------------------------------------------------------------


@define(kw_only=True, eq=False)
class Loud(Strategist):
    """Says so."""

    def build_system(self, task):
        return f"{super().build_system(task)}\n\nSpeak loudly."


@define(kw_only=True, eq=False)
class Hard(Critic):
    """Always finds something."""

    async def review_turn(self, turn):
        self.findings = (al.Finding(severity="blocking", message="I do not like it"),)


def test_a_subclass_of_a_role_plays_it(tmp_path):
    campaign = make_campaign(tmp_path, roles={"strategist": Loud}, budget=al.Budget(experiments=1))
    campaign.run_sync()
    first = json.loads((campaign.workspace / "transcripts/strategist-campaign-000.jsonl").read_text().splitlines()[0])
    assert first["system"].endswith("Speak loudly.")


def test_an_evaluation_that_does_not_pass_leaves_no_experiment(tmp_path):
    campaign = make_campaign(tmp_path, roles={"critic": Hard})
    with pytest.raises(AlphaLabError, match="I do not like it"):
        campaign.run_sync()
    assert campaign.experiments() == ()
    assert campaign.status()["phase"] == "evaluate"
    assert make_campaign(tmp_path, budget=al.Budget(experiments=1)).run_sync().stop_reason == "experiments"


def test_a_failing_sink_does_not_stop_it(tmp_path):
    def broken(_recorded):
        raise RuntimeError("the dashboard is gone")

    heard = []
    campaign = make_campaign(tmp_path, sinks=[broken, heard.append], budget=al.Budget(experiments=1))
    assert campaign.run_sync().stop_reason == "experiments"
    told = [item.event.message for item in heard if isinstance(item.event, Noticed)]
    assert sum("the dashboard is gone" in message for message in told) == 1


# -- several processes -------------------------------------------------------------------------------------------------


def test_one_process_runs_while_another_looks_on(tmp_path):
    write_adapter(tmp_path / "adapter", recipes=SLOW)
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from pathlib import Path\nimport alphalab as al\nfrom toy_domain import make_campaign\n"
        f"make_campaign(Path({str(tmp_path)!r}), budget=al.Budget(experiments=1)).run_sync()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    try:
        campaign = make_campaign(tmp_path, budget=al.Budget(experiments=1))

        def runs():
            assert process.poll() is None, process.stderr.read()
            try:
                return al.Campaign.open(campaign.workspace).experiments(state="running")
            except AlphaLabError:
                return False

        eventually(runs)
        config = (campaign.workspace / "campaign.toml").stat().st_mtime_ns
        with pytest.raises(StoreError, match=f"already open for writing by process {process.pid} on") as caught:
            campaign.run_sync()
        assert "open the campaign read-only" in str(caught.value)
        assert (campaign.workspace / "campaign.toml").stat().st_mtime_ns == config
        looking = al.Campaign.open(campaign.workspace)
        assert looking.status()["phase"] == "experiment"
        assert looking.leaderboard().rows
        with pytest.raises(StoreError, match="already open for writing"):
            looking.steer("Hurry.")
    finally:
        process.kill()
        process.communicate()
    assert looking.experiment("exp-0001").state is S.RUNNING


def test_an_adapters_class_is_not_forgotten(finished, tmp_path):
    """A campaign opened from its folder goes on with the class that scores."""
    workspace = shutil.copytree(finished[0] / "run", tmp_path / "run")
    campaign = al.Campaign.open(workspace, budget=al.Budget(experiments=5), executor=InlineExecutor())
    assert type(campaign.adapter) is ToyAdapter
    assert len(campaign.experiments()) == 4


def test_an_adapters_class_that_is_gone_is_named(finished, tmp_path):
    workspace = shutil.copytree(finished[0] / "run", tmp_path / "run")
    config = workspace / "campaign.toml"
    config.write_text(config.read_text().replace("toy_domain:ToyAdapter", "no_such_module:ToyAdapter"))
    with pytest.raises(AdapterError, match="'no_such_module:ToyAdapter' cannot be imported"):
        al.Campaign.open(workspace)
