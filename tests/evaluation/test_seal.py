"""Once sealed, nothing that a score depends on can change without being named."""

import os
import stat
from datetime import UTC, datetime

import attrs
import pytest

from alphalab._ids import digest
from alphalab._serde import dumps
from alphalab.errors import EvaluationTampered, EvaluationUnsealed
from alphalab.evaluation import make_seal, read_seal, verify_seal
from alphalab.evaluation import seal as seal_module
from alphalab.workspace import Workspace, write_atomic

AT = datetime(2026, 3, 1, tzinfo=UTC)
FILES = {
    "evaluation/evaluation.json": b'{"metric": "rmse"}',
    "evaluation/tests/test_metric.py": b"import unittest\n",
    "evaluation/attacks/loud/answer.py": b"PARAMETERS = {}\n",
    "data/train.npz": b"\0\1\2\3",
    "data/facts.json": b"{}",
    "private/series.npz": b"\4\5\6",
    "adapter/manifest.toml": b'name = "toy"\n',
    "adapter/baselines/floor/answer.py": b"PARAMETERS = {'x': 2.3}\n",
}


@pytest.fixture
def space(tmp_path):
    space = Workspace(tmp_path / "run")
    for name, content in FILES.items():
        write_atomic(space.root / name, content)
    make_seal(space, {"horizon": 24}, at=AT)
    return space


def rewritten(path, content):
    path.chmod(0o644)
    path.write_bytes(content)


def named_by(space, expected=None):
    with pytest.raises(EvaluationTampered) as caught:
        verify_seal(space, expected)
    assert caught.value.path in str(caught.value)
    assert "scores of two evaluations cannot be compared" in str(caught.value)
    return caught.value.path


def test_an_untouched_evaluation_passes_again_and_again(space):
    seal = read_seal(space)
    assert verify_seal(space) == verify_seal(space, seal.digest) == seal
    assert set(seal.files) == set(FILES)
    assert (seal.options, seal.sealed_at) == ({"horizon": 24}, AT)


def test_everything_sealed_is_read_only(space):
    for name in FILES:
        assert stat.S_IMODE((space.root / name).stat().st_mode) == 0o444


@pytest.mark.parametrize("name", sorted(FILES))
def test_one_byte(space, name):
    content = bytearray(FILES[name])
    content[-1] ^= 1
    rewritten(space.root / name, bytes(content))
    assert named_by(space) == name


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file(space, name):
    (space.root / name).unlink()
    assert named_by(space) == name


@pytest.mark.parametrize(
    "name", ["evaluation/more.py", "evaluation/tests/deep/x", "data/leak.csv", "private/targets", "adapter/baselines/x"]
)
def test_a_new_file(space, name):
    write_atomic(space.root / name, "x")
    assert named_by(space) == name


@pytest.mark.parametrize("name", sorted(set(FILES) - {"adapter/manifest.toml"}))
def test_a_file_that_became_a_link_to_the_same_content(space, name, tmp_path):
    (tmp_path / "copy").write_bytes(FILES[name])
    (space.root / name).unlink()
    (space.root / name).symlink_to(tmp_path / "copy")
    assert named_by(space) == name


@pytest.mark.parametrize("name", ["evaluation/evaluation.json", "private/series.npz"])
def test_two_files_that_changed_places(space, name):
    other = {"evaluation/evaluation.json": "data/facts.json", "private/series.npz": "data/train.npz"}[name]
    first, second = space.root / name, space.root / other
    contents = first.read_bytes(), second.read_bytes()
    rewritten(first, contents[1])
    rewritten(second, contents[0])
    assert named_by(space) in (name, other)


def test_the_same_bytes_written_again_are_no_change(space):
    for name, content in FILES.items():
        write_atomic(space.root / name, content)
    os.utime(space.root / "data/train.npz", (0, 0))
    verify_seal(space)


def test_what_scoring_itself_writes_does_not_count(space):
    for name in ("private/traces/exp-0001-search-0.npz", "private/confirm/exp-0001-final-s0/outcome.json"):
        write_atomic(space.root / name, "x")
        verify_seal(space)
    write_atomic(space.root / "private/traces.npz", "x")
    assert named_by(space) == "private/traces.npz"


def test_other_folders_do_not_count(space):
    write_atomic(space.root / "adapter/domain_knowledge.md", "x")
    write_atomic(space.experiments / "exp-0001/result.json", "x")
    verify_seal(space)


@pytest.mark.parametrize(
    "change", [{"options": {"horizon": 1}}, {"scorer": {"scorer.py": "0" * 64}}, {"digest": "0" * 64}]
)
def test_a_seal_that_was_edited(space, change):
    seal = attrs.evolve(read_seal(space), **change)
    write_atomic(space.evaluation / "seal.json", dumps(seal))
    named_by(space)


def test_a_seal_that_lost_a_file_from_its_list(space):
    seal = read_seal(space)
    files = {name: value for name, value in seal.files.items() if name != "data/facts.json"}
    write_atomic(space.evaluation / "seal.json", dumps(attrs.evolve(seal, files=files)))
    assert named_by(space) == "data/facts.json"


def test_a_forged_seal_is_consistent_and_still_not_the_one_on_record(space):
    recorded = read_seal(space).digest
    rewritten(space.root / "evaluation/evaluation.json", b'{"metric": "mine"}')
    (space.evaluation / "seal.json").unlink()
    make_seal(space, {"horizon": 24}, at=AT)
    verify_seal(space)  # by itself it cannot be told from an honest one
    assert named_by(space, recorded) == "evaluation/seal.json"


def test_the_time_is_no_part_of_the_digest(space):
    before = read_seal(space)
    again = make_seal(space, {"horizon": 24}, at=datetime(2027, 1, 1, tzinfo=UTC))
    assert again.digest == before.digest
    assert make_seal(space, {"horizon": 12}, at=AT).digest != before.digest


def test_the_digest_covers_files_sources_environment_and_options(space):
    seal = read_seal(space)
    assert seal.digest == digest([seal.files, seal.scorer, seal.environment, seal.options])


def test_other_sources_of_the_library(space, monkeypatch):
    changed = {**seal_module.scoring_sources(), "scorer.py": "0" * 64}
    monkeypatch.setattr(seal_module, "scoring_sources", lambda: changed)
    assert named_by(space) == "alphalab/scorer.py"


def test_another_environment(space, monkeypatch):
    facts = read_seal(space).environment
    changed = {**facts, "packages": {**facts["packages"], "numpy": "0.1"}}
    monkeypatch.setattr(seal_module, "environment", lambda: changed)
    assert named_by(space) == "the Python environment"


def test_without_a_seal(tmp_path):
    with pytest.raises(EvaluationUnsealed, match=r"seal\.json is missing.*run the evaluate phase first"):
        verify_seal(Workspace(tmp_path))


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b"\xff\xfe"])
def test_a_seal_that_cannot_be_read_is_tampering(space, content):
    rewritten(space.evaluation / "seal.json", content)
    assert named_by(space) == "evaluation/seal.json"


def test_caches_of_byte_code_do_not_count(space):
    write_atomic(space.root / "evaluation/tests/__pycache__/test_metric.cpython-311.pyc", "x")
    verify_seal(space)


@pytest.mark.parametrize("name", ["evaluation/sitecustomize.py", "data/more.csv", "private/more"])
@pytest.mark.parametrize("target", ["file", "folder", "nowhere"])
def test_a_new_link(space, name, target, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (space.root / name).symlink_to(tmp_path / target)
    assert named_by(space) == name


def test_what_a_sealed_link_leads_to_is_left_alone(space, tmp_path):
    (tmp_path / "outside").write_text("x")
    (space.evaluation / "link").symlink_to(tmp_path / "outside")
    (space.evaluation / "dangling").symlink_to(tmp_path / "nowhere")
    seal = make_seal(space, {}, at=AT)
    assert {"evaluation/link", "evaluation/dangling"} < set(seal.files)
    assert stat.S_IMODE((tmp_path / "outside").stat().st_mode) != 0o444


def test_a_workspace_below_a_cache_folder_is_sealed_too(tmp_path):
    space = Workspace(tmp_path / "__pycache__/run")
    for name, content in FILES.items():
        write_atomic(space.root / name, content)
    assert set(make_seal(space, {}, at=AT).files) == set(FILES)


def test_the_seal_itself_is_read_only(space):
    assert stat.S_IMODE((space.evaluation / "seal.json").stat().st_mode) == 0o444
