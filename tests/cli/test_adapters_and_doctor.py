import json

from alphalab.adapters import load_adapter
from alphalab.cli import doctor
from alphalab.cli.doctor import Check


def test_list_names_what_ships(call, call_json):
    assert "traffic" in call("adapters", "list")[1]
    assert "traffic" in [entry["name"] for entry in call_json("adapters", "list")["adapters"]]


def test_show_tells_metric_contract_options_and_recipes(call, call_json):
    code, out, _ = call("adapters", "show", "traffic")
    assert code == 0
    for words in ("metric: rmse", "class Forecaster", "horizon = 24 (int)", "Seasonal naive (reference)", "attacks"):
        assert words in out
    told = call_json("adapters", "show", "traffic")
    assert told["manifest"]["metric"]["name"] == "rmse"
    assert told["recipes"][0]["family"]


def test_new_copies_an_adapter_that_then_passes_its_check(call, tmp_path):
    folder = tmp_path / "mine"
    assert call("adapters", "new", folder)[0] == 0
    code, out, _ = call("adapters", "check", folder)
    assert code == 0
    assert out.startswith("traffic: no problems")
    assert load_adapter(folder).manifest == load_adapter("traffic").manifest


def test_new_overwrites_nothing(call, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    code, _, err = call("adapters", "new", tmp_path)
    assert code == 2
    assert "not an empty folder" in err
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_check_lists_every_problem(call, tmp_path):
    folder = tmp_path / "mine"
    call("adapters", "new", folder)
    (folder / "domain_knowledge.md").unlink()
    manifest = folder / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('goal = "minimize"', 'goal = "sideways"'))
    code, _, err = call("adapters", "check", folder)
    assert code == 2
    assert "domain_knowledge.md is missing" in err
    assert "sideways" in err


def test_doctor_checks_what_every_campaign_needs(call_json):
    told = call_json("doctor")
    states = {check["name"]: check["state"] for check in told["checks"]}
    assert told["ok"] is True
    assert [states[name] for name in ("python", "packages", "limits", "executor")] == ["ok"] * 4
    assert all(check["remedy"] for check in told["checks"] if check["state"] != "ok")


def test_doctor_never_shows_a_key(call, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret-value")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    _, out, err = call("doctor")
    assert "sk-secret-value" not in out + err
    lines = {line.split()[1]: line for line in out.splitlines() if "API_KEY" in line}
    assert "is set" in lines["ANTHROPIC_API_KEY"]
    assert "is not set" in lines["OPENAI_API_KEY"]


def test_doctor_without_programs_says_what_to_install(call, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    _, out, _ = call("doctor", "--json")
    found = {check["name"]: check for check in json.loads(out)["checks"]}
    assert found["isolation"]["state"] == "missing"
    assert "apt-get install bubblewrap" in found["isolation"]["remedy"]
    assert found["gpu"]["state"] == found["slurm"]["state"] == "missing"


def test_doctor_fails_when_something_is_broken(call, monkeypatch):
    broken = [Check(name="python", state="broken", found="2.7", remedy="install Python 3.11 or later")]
    monkeypatch.setattr(doctor, "examine", lambda: iter(broken))
    code, out, _ = call("doctor")
    assert code == 1
    assert "install Python 3.11 or later" in out
