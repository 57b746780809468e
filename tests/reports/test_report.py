import asyncio
import base64
import re
from html import unescape

import pytest

from alphalab.campaign import Campaign
from alphalab.commands import Access, Command
from alphalab.errors import AlphaLabError
from alphalab.events import AgentStarted, LessonChanged, Noticed
from alphalab.experiments import ExperimentState, Proposal, Score, Store
from alphalab.measurement import Failure, Measurement
from alphalab.models.offline import DISCLAIMER
from alphalab.reports import answer, gather, write_report
from alphalab.sandbox import get_sandbox
from alphalab.workspace import Workspace

S = ExperimentState


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<(style|svg).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)).split())


def html(campaign: Campaign) -> str:
    return write_report(campaign).read_text()


def store_of(campaign: Campaign) -> Store:
    return Store.open(campaign.workspace / "state.db")


# -- a campaign that was really run ----------------------------------------------------------------------------------


def test_the_report_answers_with_numbers_intervals_and_n(finished):
    board, final = finished.leaderboard(), finished.leaderboard(split="final")
    best, reference = finished.result().best, next(row for row in final.rows if row.name == "Seasonal naive")
    text = text_of(html(finished))
    row = next(row for row in final.rows if row.id == best.id)
    assert f"it scores {row.value:.5g} (95 % interval [{row.low:.5g}, {row.high:.5g}], n={row.n}, 1 seed)" in text
    assert f"better than the reference Seasonal naive ({reference.value:.5g}; paired difference" in text
    assert f"{best.id}, {best.name} ({best.family}), is the best of 4 scored experiments" in text
    assert "The runner-up" in text
    assert all(entry.name in text for entry in board.rows)


def test_it_says_that_no_language_model_took_part_and_that_the_data_are_made_up(finished):
    text = text_of(html(finished))
    assert DISCLAIMER in text
    assert "The data are synthetic" in text
    assert finished.result().report_path.is_file()


def test_it_shows_how_the_evaluation_earned_trust(finished):
    data, text = gather(finished), text_of(html(finished))
    assert data.seal.digest in text
    assert "4 of 4 canaries" in text
    assert "2 attacks were tried and 0 succeeded" in text
    assert "Answers with NaN rejected" in text
    assert "noise floor" in text
    assert data.certificate.sandbox in text


def test_pictures_are_inside_the_page_and_charts_are_drawn(finished):
    page = html(finished)
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) == 5
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)
    assert page.count("<svg") == 1 + len(gather(finished).panels) == 4
    assert "A blue square." in page


def test_the_markdown_links_to_files_that_are_there(finished):
    write_report(finished)
    folder = finished.workspace / "reports"
    links = re.findall(r"!\[[^]]*\]\(<([^>]+)>\)", (folder / "report.md").read_text())
    assert len(links) == 9
    assert all((folder / link).is_file() for link in links)


def test_writing_it_again_gives_the_same_bytes(finished):
    assert html(finished) == html(finished)


def test_cost_environment_and_the_way_back_are_there(finished):
    text = text_of(html(finished))
    assert "strategist" in text
    assert "numpy" in text
    assert f"alphalab run {finished.workspace}/campaign.toml --workspace NEW_FOLDER" in text
    assert 'objective = "Forecast the next 24 hours' in text


# -- campaigns that are not finished, or strange -----------------------------------------------------------------------


def test_a_campaign_that_just_began_has_a_report(begun):
    text = text_of(html(begun))
    assert "Nothing has been scored yet; the campaign is in phase 'adapt'" in text
    assert "No agent has run yet" in text
    assert answer(begun) == ("Nothing has been scored yet; the campaign is in phase 'adapt'.",)


def test_where_nothing_was_run_there_is_nothing_to_report(begun):
    (begun.workspace / "state.db").unlink()
    with pytest.raises(AlphaLabError, match=r"state\.db"):
        write_report(begun)


def test_texts_of_agents_are_never_markup(begun, add):
    evil = "<script>alert(1)</script>"
    add(begun, 3.0, name=evil)
    with store_of(begun) as store:
        store.append(LessonChanged(lesson="L-001", action="added", text=evil, evidence=("exp-0001",)))
        store.append(Noticed(message=evil, level="warning"))
    page = html(begun)
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert "<script" not in (begun.workspace / "reports" / "report.md").read_text()
    assert "<script" not in (begun.workspace / "reports" / "figures" / "convergence.svg").read_text()


def test_a_score_without_an_interval_is_a_score(begun, add):
    add(begun, 3.0)
    assert "is the best of 1 scored experiment: rmse 3 (n=1, 1 seed)" in text_of(html(begun))


def test_without_losses_the_noise_floor_decides_between_leader_and_runner_up(begun, add):
    add(begun, 3.0)
    add(begun, 3.5)
    with store_of(begun) as store:
        store.put("evaluation", {"noise_floor": 0.6})
    assert "is 0.5 behind on the search split (noise floor 0.6): a tie" in text_of(html(begun))
    with store_of(begun) as store:
        store.put("evaluation", {"noise_floor": 0.4})
    assert "(noise floor 0.4): more than noise" in text_of(html(begun))


def test_a_baseline_that_is_better_is_not_passed_over(begun, add):
    add(begun, 3.0)
    with store_of(begun) as store:
        outcome = Measurement(value=2.0, sandbox="process")
        subject = "baseline:Seasonal naive"
        base = {"split": "search", "seed": 0, "attempt": 0, "evaluation": "e", "submission": "s"}
        store.record_score(Score(subject=subject, outcome=outcome, at=store.clock.now(), **base))
    text = text_of(html(begun))
    assert "It does not beat the baseline Seasonal naive, which scores 2." in text
    assert "50.0% worse than the reference Seasonal naive (2)" in text
    assert "sandbox tier process: the submissions were not isolated" in text


def test_failures_and_repairs_are_listed(begun):
    failure = Failure(kind="non_finite", message="gave NaN")
    with store_of(begun) as store:
        experiment = store.propose(Proposal(name="bad", family="f", hypothesis="h"))
        store.move(experiment.id, S.PROPOSED, S.IMPLEMENTING)
        store.move(experiment.id, S.IMPLEMENTING, S.FAILED, reason="given up", failure=failure)
    text = text_of(html(begun))
    assert "non_finite: gave NaN failed for good" in text


@pytest.mark.parametrize(("models", "alert"), [(("m:x",), False), (("m:x", "offline"), False), (("offline",), True)])
def test_who_took_part_is_told_from_the_agents_that_ran(begun, models, alert):
    with store_of(begun) as store:
        for number, model in enumerate(models):
            store.append(AgentStarted(agent=f"a-{number}", role="explorer", model=model))
    text = text_of(html(begun))
    assert (DISCLAIMER in text) is alert
    assert ("Some roles were played by the rule-based offline researcher" in text) is (len(models) == 2)


def test_a_link_among_the_plots_shows_nothing_private(begun):
    plots = begun.workspace / "exploration" / "plots"
    plots.mkdir(parents=True)
    secret = begun.workspace / "private" / "secret.png"
    secret.parent.mkdir()
    secret.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (plots / "a.png").symlink_to(secret)
    (plots / "b.png").write_bytes(b"no picture")
    (plots / "c.png").write_bytes(secret.read_bytes())
    assert [plot.file for plot in gather(begun).plots] == ["exploration/plots/c.png"]


def test_files_of_agents_may_hold_anything(begun):
    for name in ("evaluation/evaluation.json", "evaluation/certificate.json", "evaluation/review.json"):
        path = begun.workspace / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"findings": [1]}')
    (begun.workspace / "evaluation" / "evaluation.json").write_text("[1, 2")
    plots, notes = begun.workspace / "exploration" / "plots", begun.workspace / "exploration" / "notes"
    plots.mkdir(parents=True)
    notes.mkdir()
    (plots / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (notes / "a.json").write_text('["not", "an object"]')
    assert "has not been certified yet" in text_of(html(begun))


def test_agents_cannot_read_what_tells_of_the_final_split(finished):
    """A campaign that goes on must not choose by the final split, and the report shows it."""
    write_report(finished)
    space = Workspace(finished.workspace)
    access = Access(readable=(space.reports,), hidden=(space.private, *space.conclusions))
    command = Command(argv=("grep", "-rl", "final split", str(space.reports)), cwd=space.reports, access=access)
    assert "Opened once for each of 3 experiments" in (space.reports / "report.md").read_text()
    assert not access.may_read(space.reports / "report.html")
    assert asyncio.run(get_sandbox("auto").run(command)).stdout == ""
