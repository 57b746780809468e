"""The small values at the bottom: what they refuse, what they add up to, and what files do on disk."""

import math
import os
import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab._ids import derive_seed, digest, experiment_id, tree_digests
from alphalab.budget import Budget, Limits
from alphalab.commands import Access
from alphalab.errors import ConfigError, ToolError
from alphalab.measurement import MAX_MESSAGE, Failure, Measurement, Metric
from alphalab.messages import ImageBlock, Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from alphalab.provenance import environment, machine, package_digest, scoring_sources, sources
from alphalab.resources import ProcessLimits, Resources
from alphalab.task import Task
from alphalab.workspace import Workspace, read_text_within, remove_folder, write_atomic

PIXEL = ImageBlock(data=b"x", media_type="image/png", width=1, height=1)

# -- messages ----------------------------------------------------------------------------------------------------------


def test_a_message_joins_its_texts_and_lists_its_calls_in_order():
    first, second = (ToolUseBlock(id=str(n), name="shell", input={}) for n in range(2))
    message = Message.assistant(TextBlock(text="a"), first, TextBlock(text="b"), second)
    assert message.text == "a\nb"
    assert message.tool_uses == (first, second)
    assert Message.user("hi").content == (TextBlock(text="hi"),)


def test_the_text_of_a_result_leaves_pictures_out():
    result = ToolResultBlock(tool_use_id="1", content=[TextBlock(text="a"), PIXEL, TextBlock(text="b")])
    assert result.text == "a\nb"
    assert isinstance(result.content, tuple)


USAGES = st.builds(
    Usage,
    calls=st.integers(0, 9),
    input_tokens=st.integers(0, 10**9),
    cached_tokens=st.integers(0, 10**9),
    output_tokens=st.integers(0, 10**9),
    reasoning_tokens=st.integers(0, 10**9),
    cost_usd=st.none() | st.integers(0, 4000).map(lambda eighths: eighths / 8),
)


@given(st.lists(USAGES, max_size=5))
def test_usage_adds_up_and_an_unknown_price_makes_the_sum_unknown(parts):
    total = sum(parts, Usage())
    for name in ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"):
        assert getattr(total, name) == sum(getattr(part, name) for part in parts)
    costs = [part.cost_usd for part in parts]
    assert total.cost_usd == (None if None in costs else sum(costs))


def test_values_do_not_change():
    for value in (Message.user("x"), Usage(), Task(objective="x"), Budget(), Resources(), Measurement(value=1.0)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, attrs.fields(type(value))[0].name, 1)


# -- metric and outcomes -----------------------------------------------------------------------------------------------

LOWER, HIGHER = Metric(name="rmse", goal="minimize"), Metric(name="accuracy", goal="maximize")


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_better_gain_and_order_agree(a, b):
    for metric in (LOWER, HIGHER):
        assert metric.better(a, b) == (metric.sort_key(a) < metric.sort_key(b))
        if b and a != b:
            assert (metric.gain(a, b) > 0) == metric.better(a, b)
    assert LOWER.better(a, b) == HIGHER.better(b, a)


def test_gain_is_a_share_of_the_reference():
    assert LOWER.gain(8.0, 10.0) == pytest.approx(0.2)
    assert HIGHER.gain(8.0, 10.0) == pytest.approx(-0.2)
    assert LOWER.gain(-3.0, -2.0) == pytest.approx(0.5)
    assert LOWER.gain(1.0, 0.0) == -math.inf
    assert HIGHER.gain(1.0, 0.0) == math.inf
    assert LOWER.gain(0.0, 0.0) == 0.0


def test_the_plausible_range_holds_its_ends():
    metric = Metric(name="share", goal="maximize", low=0.0, high=1.0)
    assert [metric.plausible(value) for value in (-0.1, 0.0, 0.5, 1.0, 1.1)] == [False, True, True, True, False]
    assert LOWER.plausible(-1e300)


def test_an_unknown_goal_is_named():
    with pytest.raises(ConfigError, match="metric goal 'lower' is unknown; use 'minimize' or 'maximize'"):
        Metric(name="rmse", goal="lower")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["value", "low", "high"])
def test_a_measurement_is_finite(number, field):
    with pytest.raises(ConfigError, match=f"{field} is .*a Failure, not a Measurement"):
        Measurement(**{"value": 1.0, field: number})
    with pytest.raises(ConfigError, match="secondary is"):
        Measurement(value=1.0, secondary={"mae": number})


@given(st.text(max_size=200))
def test_a_failure_cannot_steer_a_terminal(text):
    message = Failure(kind="crashed", message=text).message
    assert all(character.isprintable() or character in "\n\t" for character in message)
    assert len(message) == len(text)
    message.encode()


def test_an_endless_failure_is_cut():
    assert len(Failure(kind="crashed", message="x" * 10**6).message) == MAX_MESSAGE + 2
    assert Failure(kind="crashed", message="x" * MAX_MESSAGE).message == "x" * MAX_MESSAGE


# -- resources, budget, task -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Resources(cpus=0), "cpus=0"),
        (lambda: Resources(gpus=-1), "gpus=-1"),
        (lambda: Resources(memory_gib=0.0), "memory_gib=0.0"),
        (lambda: Resources(memory_gib=math.nan), "memory_gib=nan"),
        (lambda: Resources(gpus=math.nan), "gpus=nan"),
        (lambda: Resources(time_limit=timedelta(0)), "time_limit="),
        (lambda: ProcessLimits(processes=0), "processes=0"),
        (lambda: ProcessLimits(file_gib=-1), "file_gib=-1"),
        (lambda: ProcessLimits(output_bytes=0), "output_bytes=0"),
        (lambda: Budget(experiments=0), "experiments=0"),
        (lambda: Budget(cost_usd=-1.0), r"cost_usd=-1\.0"),
        (lambda: Budget(cost_usd=math.nan), "cost_usd=nan"),
        (lambda: Budget(wall_time=timedelta(seconds=-1)), "wall_time="),
        (lambda: Limits(turns=0), "turns=0"),
        (lambda: Limits(time=timedelta(0)), "time="),
    ],
)
def test_what_is_not_above_zero_is_named(make, name):
    with pytest.raises(ConfigError, match=f"{name}.*must (be above zero|not be negative)"):
        make()


def test_a_budget_limits_something():
    assert "limits nothing" in Budget().check()[0]
    for name in ("experiments", "cost_usd", "tokens", "gpu_hours"):
        assert Budget(**{name: 1}).check() == ()
    assert Budget(wall_time=timedelta(hours=1)).check() == ()


@pytest.mark.parametrize("objective", ["", "  \n"])
def test_a_task_says_what_should_improve(objective):
    with pytest.raises(ConfigError, match="objective is empty"):
        Task(objective=objective)


def test_a_tasks_data_are_text():
    assert Task(objective="x", data=Path("a/b")).data == "a/b"
    assert Task(objective="x", data="s3://bucket/key").data == "s3://bucket/key"
    assert Task(objective="x").data is None


# -- access ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rooms(tmp_path):
    for name in ("open", "mine", "open/secret", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path, Access(
        readable=(tmp_path / "open",), writable=(tmp_path / "mine",), hidden=(tmp_path / "open/secret",)
    )


def test_writable_is_readable_and_readable_is_not_writable(rooms):
    root, access = rooms
    assert access.may_read(root / "open/a")
    assert access.may_read(root / "mine/new/b")
    assert access.may_write(root / "mine/new/b")
    assert not access.may_write(root / "open/a")
    assert not access.may_read(root / "elsewhere/c")
    assert not access.may_read(root)


def test_hidden_wins_over_everything(rooms):
    root, access = rooms
    assert not access.may_read(root / "open/secret")
    assert not access.may_read(root / "open/secret/deep/er")
    assert not attrs.evolve(access, writable=(root,)).may_write(root / "open/secret/x")


def test_links_are_followed_before_anything_is_allowed(rooms):
    root, access = rooms
    (root / "mine/out").symlink_to(root / "elsewhere")
    (root / "mine/in").symlink_to(root / "open/secret")
    assert not access.may_write(root / "mine/out/x")
    assert not access.may_read(root / "mine/in/x")
    assert not access.may_read(root / "mine/../elsewhere")


def test_a_name_that_begins_alike_is_another_folder(rooms):
    root, access = rooms
    assert not access.may_write(root / "mine-too/x")


def test_a_granted_folder_may_itself_be_a_link(rooms):
    root, _ = rooms
    (root / "alias").symlink_to(root / "mine")
    access = Access(writable=(root / "alias",))
    assert access.may_write(root / "mine/x")
    assert access.may_write(root / "alias/x")


# -- workspace ---------------------------------------------------------------------------------------------------------


def test_all_paths_lie_below_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = Workspace("run")
    names = [name for name, value in vars(Workspace).items() if isinstance(value, property)]
    assert len(names) == 14
    paths = [space.conclusions if name == "conclusions" else (getattr(space, name),) for name in names]
    assert all(path.is_relative_to(tmp_path / "run") for several in paths for path in several)
    assert space.submission("exp-0001") == tmp_path / "run/experiments/exp-0001/submission"
    assert space.relative(Path("run/a/b")) == "a/b"
    assert not (tmp_path / "run").exists()


def test_a_home_folder_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Workspace("~/run").root == tmp_path / "run"


def test_experiment_ids_in_order(tmp_path):
    space = Workspace(tmp_path)
    assert space.experiment_ids() == ()
    for name in ("exp-0010", "exp-0002", ".exp-0003", "other"):
        (space.experiments / name).mkdir(parents=True)
    assert space.experiment_ids() == ("exp-0002", "exp-0010")


@pytest.mark.parametrize("content", ["zwölf\r\n", b"\0\xff", ""])
def test_what_is_written_is_there(tmp_path, content):
    path = tmp_path / "deep/er/file"
    write_atomic(path, content)
    write_atomic(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_what_cannot_be_written_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "\ud800")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomic(tmp_path / "folder", "new")
    assert path.read_text() == "old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_a_reader_sees_the_old_or_the_new_and_never_a_part(tmp_path):
    path, contents = tmp_path / "file", {letter * 200_000 for letter in "ab"}
    write_atomic(path, "a" * 200_000)
    done = threading.Event()

    def write():
        for _ in range(50):
            for content in sorted(contents):
                write_atomic(path, content)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(path.read_text())
    writer.join()
    assert seen <= contents


def test_a_killed_writer_leaves_the_old_content(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, "old")
    code = (
        "import os, signal, pathlib\n"
        "from alphalab import workspace\n"
        "workspace.os.fsync = lambda _fd: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"workspace.write_atomic(pathlib.Path({str(path)!r}), 'new')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert path.read_text() == "old"


def test_any_folder_can_be_removed(tmp_path):
    folder = tmp_path / "candidate"
    remove_folder(folder)
    folder.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_text("x")
    (folder / "link").symlink_to(outside)
    deep = os.open(folder, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    (folder / "shut").mkdir()
    (folder / "shut/file").write_text("x")
    (folder / "shut").chmod(0)
    remove_folder(folder)
    assert not folder.exists()
    assert (outside / "keep").read_text() == "x"


def test_text_of_agents_is_read_within_bounds(tmp_path):
    root = tmp_path / "theirs"
    write_atomic(root / "plain", "zw\u00f6lf" * 1000)
    write_atomic(root / "bytes", b"\xff\xfe ok")
    write_atomic(tmp_path / "outside", "secret")
    (root / "inner").symlink_to(root / "plain")
    (root / "outer").symlink_to(tmp_path / "outside")
    (root / "nowhere").symlink_to(tmp_path / "absent")
    os.mkfifo(root / "pipe")
    assert read_text_within(root / "plain", root, limit=5) == "zw\u00f6lf"
    assert read_text_within(root / "inner", root, limit=2) == "zw"
    assert read_text_within(root / "bytes", root).endswith(" ok")
    for name in ("outer", "nowhere", "absent", "pipe", ".", "../outside"):
        with pytest.raises(ToolError, match="is not a plain file inside"):
            read_text_within(root / name, root)


# -- ids and provenance ------------------------------------------------------------------------------------------------


def test_ids_sort_as_they_count():
    assert experiment_id(7) == "exp-0007"
    assert sorted(experiment_id(number) for number in range(1, 200)) == [experiment_id(n) for n in range(1, 200)]


def test_a_digest_depends_on_the_content_and_not_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})
    with pytest.raises(ValueError, match="JSON compliant"):
        digest(math.nan)


@given(st.integers(0, 2**32), st.lists(st.text(max_size=4) | st.integers(0, 99), max_size=3))
def test_seeds_are_32_bit_and_depend_on_every_label(seed, labels):
    drawn = derive_seed(seed, *labels)
    assert 0 <= drawn < 2**32
    assert drawn == derive_seed(seed, *labels)
    assert drawn != derive_seed(seed, *labels, "more")


def test_every_file_of_a_tree_has_a_digest(tmp_path):
    (tmp_path / "a/__pycache__").mkdir(parents=True)
    for name in ("a/one", "two", "a/__pycache__/three.pyc"):
        (tmp_path / name).write_text("x")
    assert set(tree_digests(tmp_path)) == {"a/one", "two"}
    assert tree_digests(tmp_path / "absent") == {}


def test_provenance_is_the_same_on_every_call():
    assert environment() == environment()
    assert environment()["packages"]["numpy"]
    assert package_digest() == package_digest()
    assert len(package_digest()) == 64
    assert machine()["cpus"] >= 1


def test_what_a_score_depends_on_is_a_part_of_the_sources():
    scoring = set(scoring_sources())
    assert {"scorer.py", "evaluation/seal.py", "sandbox/bubblewrap.py", "adapters/traffic/scorer.py"} < scoring
    assert scoring < set(sources())
    assert not scoring & {"campaign/campaign.py", "playbook.py", "models/base.py"}
