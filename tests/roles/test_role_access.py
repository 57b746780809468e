"""What each role can read and write: asked of its file tools, and tried in its real shell."""

from pathlib import Path

import pytest

from alphalab._ids import tree_digests
from alphalab.errors import ToolError
from alphalab.roles import ROLES

WRITES = {
    "adapter": "adapter",
    "explorer": "exploration",
    "builder": "evaluation",
    "critic": None,
    "tester": "evaluation/tests",
    "hacker": "evaluation/attacks",
    "strategist": None,
    "implementer": "experiments/exp-0001/submission",
    "fixer": "experiments/exp-0001/submission",
    "analyst": None,
    "reporter": "reports",
}
PLACES = (
    *("adapter", "adapter/prompts", "data", "exploration", "evaluation", "evaluation/tests", "evaluation/attacks"),
    *("private", "experiments/exp-0001", "experiments/exp-0001/submission", "experiments/exp-0002/submission"),
    *("reports", "transcripts", "jobs"),
)
SECRET = (
    *("private/hidden.json", "private/traces/exp-0001-search-0.npz", "campaign.toml", "state.db", "jobs/exp-0001-1"),
    *("transcripts/critic-campaign-007.jsonl", "transcripts/outputs/critic-campaign-007/shell-1.txt"),
    *("reports/report.md", "reports/report.html", "reports/figures/final.png"),
)
OPEN = (
    *("adapter/domain_knowledge.md", "adapter/recipes/catalogue.toml", "data/facts.json", "exploration/learnings.md"),
    *(
        "evaluation/evaluation.json",
        "experiments/exp-0002/submission/answer.py",
        "reports/milestone-001.md",
        "playbook.md",
    ),
)


def may_write(role, folder):
    own = WRITES[role]
    hidden = role == "builder" and folder == "evaluation/attacks"
    return own is not None and not hidden and (folder == own or folder.startswith(f"{own}/"))


def about(role):
    return "exp-0001" if role in ("implementer", "fixer", "analyst") else None


def test_every_role_is_looked_at():
    assert set(WRITES) == set(ROLES)


@pytest.mark.parametrize("role", WRITES)
async def test_the_file_tools(role, furnished):
    bench = furnished()
    agent = bench.agent(role, experiment=about(role))
    for folder in (*PLACES, "."):
        path = f"{folder}/new.txt"
        if may_write(role, folder):
            await bench.call(agent, "write_file", path=path, content="mine")
            assert (bench.space.root / path).read_text() == "mine"
        else:
            with pytest.raises(ToolError, match="outside what you may write"):
                await bench.call(agent, "write_file", path=path, content="mine")
            assert not (bench.space.root / path).exists()
    for path in OPEN:
        assert await bench.call(agent, "read_file", path=path)
    for path in SECRET:
        with pytest.raises(ToolError, match="outside what you may read"):
            await bench.call(agent, "read_file", path=path)


@pytest.mark.parametrize("role", WRITES)
async def test_detours_of_the_file_tools(role, furnished, tmp_path):
    bench = furnished()
    agent = bench.agent(role, experiment=about(role))
    own = WRITES[role] or "."
    (tmp_path / "outside.txt").write_text("theirs")
    routes = [f"{own}/../../../../../../../..{tmp_path}/outside.txt", str(tmp_path / "outside.txt")]
    if WRITES[role]:
        (bench.space.root / own / "out").symlink_to(tmp_path)
        (bench.space.root / own / "in").symlink_to(bench.space.private)
        routes += [f"{own}/out/outside.txt", f"{own}/in/hidden.json"]
    for path in routes:
        for tool, arguments in (("read_file", {}), ("write_file", {"content": "mine"})):
            with pytest.raises(ToolError, match="outside what you may"):
                await bench.call(agent, tool, path=path, **arguments)
        with pytest.raises(ToolError, match="outside what you may"):
            await bench.call(agent, "edit_file", path=path, old="theirs", new="mine")
    assert (tmp_path / "outside.txt").read_text() == "theirs"
    listing = await bench.call(agent, "list_files", path=".", depth=3)
    for name in ("campaign.toml", "state.db", "hidden.json", "jobs"):
        assert name not in listing


@pytest.mark.bubblewrap
@pytest.mark.parametrize("role", WRITES)
async def test_the_shell(role, furnished, tmp_path):
    bench = furnished(sandbox="bubblewrap")
    agent = bench.agent(role, experiment=about(role))
    (tmp_path / "outside.txt").write_text("theirs")
    root = bench.space.root
    before = tree_digests(root)
    reads = "\n".join(f"grep -q . '{path}' 2>/dev/null && echo 'read {path}'" for path in (*SECRET, *OPEN))
    attempts = (f"(echo mine > {place}/new.txt) 2>/dev/null && echo wrote {place}" for place in PLACES)
    writes = "\n".join(attempts)
    more = f"""
ls private | sed 's/^/private holds /'
for path in {root}/../outside.txt /proc/1/root{tmp_path}/outside.txt; do
    cat $path 2>/dev/null && echo "read $path"
done
(echo mine > new.txt; echo mine > data/facts.json) 2>/dev/null && echo 'changed data/facts.json'
(rm -f evaluation/evaluation.json) 2>/dev/null; (mv private elsewhere) 2>/dev/null; (umount private) 2>/dev/null
true"""
    text = await bench.call(agent, "shell", command=f"{reads}\n{writes}\n{more}")
    lines = set(text.splitlines())
    assert {line for line in lines if line.startswith("read ")} == {f"read {path}" for path in OPEN}
    allowed = {folder for folder in PLACES if may_write(role, folder)}
    assert {line for line in lines if line.startswith("wrote ")} == {f"wrote {folder}" for folder in allowed}
    assert not any(line.startswith(("private holds", "changed")) for line in lines)
    after = tree_digests(root)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    expected = {str(Path(folder) / "new.txt") for folder in allowed}
    assert changed - {"evaluation/evaluation.json"} == expected
    assert ("evaluation/evaluation.json" in changed) == (role == "builder")
    assert (tmp_path / "outside.txt").read_text() == "theirs"
