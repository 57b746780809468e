"""Where nothing isolates, the offline researcher still works and says so; a language model does not start."""

import json

import pytest

import alphalab as al
from alphalab.errors import SandboxError
from alphalab.events import Noticed
from alphalab.models import Capabilities, ScriptedModel
from alphalab.testing.campaigns import small_campaign


@pytest.fixture
def no_bubblewrap(monkeypatch, tmp_path):
    monkeypatch.setattr("alphalab.sandbox.choose.BubblewrapSandbox.check", lambda _self: ("bwrap is not installed",))


@pytest.mark.slow
def test_the_offline_researcher_falls_back_and_says_so(tmp_path, no_bubblewrap):
    campaign = small_campaign(tmp_path, experiments=2)
    result = campaign.run_sync()
    assert result.best is not None
    assert {row.sandbox for row in result.leaderboard.rows} == {"process"}
    certificate = json.loads((campaign.workspace / "evaluation" / "certificate.json").read_text())
    assert certificate["sandbox"] == "process"
    assert "Reads the held-out series" in certificate["untried"]
    assert all(attack["verdict"] != "succeeded" for attack in certificate["attacks"])
    warnings = [recorded.event.message for recorded in campaign.events() if isinstance(recorded.event, Noticed)]
    assert any("nothing is isolated" in message for message in warnings)
    assert any("attacks were left out" in message for message in warnings)
    assert "process" in result.report_path.read_text()


def test_a_language_model_is_refused_with_both_ways_out(tmp_path, no_bubblewrap):
    campaign = small_campaign(tmp_path, models=ScriptedModel([], capabilities=Capabilities()))
    with pytest.raises(SandboxError) as caught:
        campaign.run_sync()
    assert "apt-get install bubblewrap" in str(caught.value)
    assert 'sandbox="none"' in str(caught.value)
    assert not campaign.workspace.exists()


def test_no_campaign_calls_itself_isolated_when_it_is_not(tmp_path):
    assert al.sandbox.get_sandbox("none").isolates is False
