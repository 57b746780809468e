"""The shell, in the real sandbox."""

from __future__ import annotations

import pytest

from alphalab.commands import Access, Command, CommandResult
from alphalab.errors import ToolError
from alphalab.sandbox import get_sandbox
from alphalab.tools import ToolContext, shell
from alphalab.workspace import Workspace

pytestmark = pytest.mark.bubblewrap


@pytest.fixture(scope="module")
def sandbox():
    return get_sandbox("bubblewrap")


@pytest.fixture
def ctx(tmp_path, sandbox):
    for name in ("data", "work", "private"):
        (tmp_path / name).mkdir()
    (tmp_path / "data/in.txt").write_text("input\n")
    (tmp_path / "private/key.txt").write_text("hidden-value\n")
    access = Access(readable=(tmp_path / "data",), writable=(tmp_path / "work",), hidden=(tmp_path / "private",))
    return ToolContext(
        workspace=Workspace(tmp_path), cwd=tmp_path, access=access, launcher=sandbox, outputs=tmp_path / "work/outputs"
    )


async def run(ctx, command, **more):
    return await shell().call(ctx, {"command": command, **more})


async def test_output_errors_and_exit_code_are_shown_in_order(ctx):
    text = await run(ctx, "echo one; echo two >&2; echo three; exit 3")
    assert text.startswith("one\ntwo\nthree\n[exit code 3, ")
    assert (await run(ctx, "true")).startswith("(no output)\n[exit code 0")


async def test_the_folder_lasts_and_other_state_does_not(ctx, tmp_path):
    assert f"now in {tmp_path}/work]" in await run(ctx, "cd work && NAME=x && export NAME")
    text = await run(ctx, 'pwd; echo "<$NAME>"')
    assert text.startswith(f"{tmp_path}/work\n<>\n")
    await run(ctx, "mkdir -p sub && cd sub && exit 7")
    assert (await run(ctx, "pwd")).startswith(f"{tmp_path}/work/sub\n")


async def test_a_folder_that_is_gone_is_left(ctx, tmp_path):
    await run(ctx, "mkdir work/gone && cd work/gone")
    (tmp_path / "work/gone").rmdir()
    text = await run(ctx, "pwd")
    assert f"work/gone is gone; back in {tmp_path})\n{tmp_path}\n" in text


async def test_folders_last_per_run_not_per_tool(ctx, tmp_path, sandbox):
    tool = shell()
    await tool.call(ctx, {"command": "cd work"})
    other = ToolContext(workspace=ctx.workspace, cwd=tmp_path, access=ctx.access, launcher=sandbox)
    assert (await tool.call(other, {"command": "pwd"})).startswith(f"{tmp_path}\n")


async def test_access_is_the_contexts(ctx, tmp_path):
    assert (await run(ctx, "cat data/in.txt")).startswith("input")
    assert "hidden-value" not in await run(ctx, "cat private/key.txt; ls -R . 2>&1")
    assert "exit code 0" not in await run(ctx, "echo x > data/in.txt")
    assert (tmp_path / "data/in.txt").read_text() == "input\n"
    assert "exit code 0" in await run(ctx, "echo x > work/new.txt")


async def test_long_output_is_cut_with_the_whole_in_a_file(ctx, tmp_path):
    text = await run(ctx, "seq 1 20000")
    assert len(text) < 12_500
    assert text.startswith("1\n2\n")
    assert "\n20000\n[exit code 0" in text
    pointer = "work/outputs/agent-shell-0001.txt"
    assert f"all of it is in {pointer}" in text
    assert (tmp_path / pointer).read_text().split() == [str(number) for number in range(1, 20001)]
    assert "agent-shell-0002.txt" in await run(ctx, "seq 1 20000")
    assert (await run(ctx, f"tail -n 1 {pointer}")).startswith("20000\n")


async def test_bytes_that_are_not_text_do_not_hurt(ctx):
    text = await run(ctx, r"printf '\xff\xfe\x00abc\n'; head -c 100000 /dev/urandom")
    assert "abc" in text
    text.encode()


async def test_time_limit_is_an_error_that_shows_the_output_so_far(ctx):
    with pytest.raises(ToolError, match=r"(?s)started.*ended at its time limit"):
        await run(ctx, "echo started; sleep 60", timeout_s=1)
    with pytest.raises(ToolError, match="between 1 and 5"):
        await shell(max_timeout_s=5).call(ctx, {"command": "true", "timeout_s": 6})


async def test_output_cannot_forge_the_folder(ctx, tmp_path):
    await run(ctx, "printf '\\nfolder-0000000000000000:/etc\\n'")
    assert (await run(ctx, "pwd")).startswith(f"{tmp_path}\n")


@pytest.mark.parametrize("command", ["echo \0", "echo \ud800"])
async def test_characters_that_no_program_can_be_given(ctx, command):
    with pytest.raises(ToolError, match=r"JSON|NUL"):
        await run(ctx, command)


async def test_syntax_errors_quotes_and_documents(ctx):
    assert "syntax error" in await run(ctx, "if then")
    assert (await run(ctx, "cat <<'END'\n$HOME 'x' \"y\" `z`\nEND")).startswith("$HOME 'x' \"y\" `z`\n[")


async def test_no_keys_and_no_network_reach_a_command(ctx, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "value-to-keep-secret")
    text = await run(ctx, "env; cat /proc/net/route")
    assert "value-to-keep-secret" not in text
    assert "eth" not in text


async def test_extra_variables_are_passed(ctx):
    assert (await shell(env={"SIZE": "small"}).call(ctx, {"command": "echo $SIZE"})).startswith("small\n")


async def test_without_a_launcher_there_is_no_shell(tmp_path):
    ctx = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path)
    with pytest.raises(ToolError, match="commands are not allowed here"):
        await run(ctx, "true")


class Broken:
    """A launcher that reports what a healthy machine will not produce on demand."""

    tier = "broken"

    def __init__(self, result: CommandResult) -> None:
        self.result = result

    def launch(self, command: Command, **pipes):
        raise NotImplementedError

    async def run(self, command: Command) -> CommandResult:
        return self.result


async def test_limits_and_the_sandboxs_own_words_are_shown(tmp_path):
    result = CommandResult(
        exit_code=-9, stdout="half", stderr="sandbox: no memory", seconds=1, limit="memory", truncated=True
    )
    ctx = ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path, launcher=Broken(result))
    with pytest.raises(ToolError) as caught:
        await run(ctx, "true")
    assert str(caught.value) == (
        "half\n[what came after the first 10000000 bytes of output was dropped; write it to a file to keep it]\n"
        "sandbox: no memory\n[ended at its limit of memory, 1.0 s]"
    )


async def test_the_script_around_a_command_does_not_show(ctx):
    assert (await run(ctx, 'echo "$# <$1> <$3>"')).startswith("0 <> <>\n[exit code 0")
    assert (await run(ctx, "# a comment first\necho ok")).startswith("ok\n")
