"""An agent that is killed at a point of its run, and taken up again; `python kill_agent.py FOLDER POINTS`.

Each run is a process of its own, forked before anything was started. Writes what the last process of each point said,
and which calls were made more than once although their results were on disk.
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
from pathlib import Path

from alphalab.agents import Agent, read_transcript
from alphalab.agents.transcript import Transcript
from alphalab.budget import Limits
from alphalab.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from alphalab.models import Capabilities, Model, ModelResponse
from alphalab.tools import ToolContext, tool

TURNS, CALLS = 8, 3


class Points:
    """Counts points of a run and ends the process at one of them."""

    def __init__(self, fatal):
        self.seen, self.fatal = 0, fatal

    def __call__(self):
        self.seen += 1
        if self.seen == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


class Researcher(Model):
    """Decides from the conversation alone, so that it says the same whenever it is asked the same."""

    name, capabilities = "researcher", Capabilities()

    def __init__(self, point):
        self.point = point

    async def generate(self, request, *, on_delta=None):
        self.point()
        blocks = [block for message in request.messages for block in message.content]
        results = [block for block in blocks if isinstance(block, ToolResultBlock)]
        turn = sum(isinstance(block, ToolUseBlock) for block in blocks) // CALLS
        if turn < TURNS:
            content = [
                ToolUseBlock(
                    id=f"call-{turn}-{number}", name="note" if turn % 2 else "count", input={"word": f"{turn}.{number}"}
                )
                for number in range(CALLS)
            ]
        else:
            digest = hashlib.sha256("".join(block.text for block in results).encode()).hexdigest()
            content = [TextBlock(text=f"{len(results)} results, {digest}")]
        self.point()
        stopped = "tool_use" if turn < TURNS else "end_turn"
        usage = Usage(calls=1, input_tokens=100, output_tokens=10)
        return ModelResponse(message=Message.assistant(*content), stop_reason=stopped, usage=usage, model=self.name)


def make_agent(folder, point):
    def effect(ctx, word):
        point()
        with (folder / "effects").open("a") as stream:
            stream.write(f"{word}\n")
        point()
        ctx.state["count"] = ctx.state.get("count", 0) + 1

    @tool(parallel=True)
    async def note(ctx: ToolContext, word: str) -> str:
        """Write a word down; may run beside others."""
        await asyncio.sleep(0)
        effect(ctx, word)
        return f"noted {word}" + "é" * 40  # a line that is cut in two is cut inside a character every other time

    @tool
    async def count(ctx: ToolContext, word: str) -> str:
        """Write a word down and say how many there were."""
        effect(ctx, word)
        return f"word {word}, {ctx.state['count']} so far"

    return Agent(
        model=Researcher(point), tools=[note, count], transcript=folder / "t.jsonl", limits=Limits(turns=TURNS + 2)
    )


def write_by_halves(point):
    def write(self, kind, **fields):
        at = self.path.stat().st_size if self.path.exists() else 0
        whole(self, kind, **fields)
        line = self.path.read_bytes()[at:]
        os.truncate(self.path, at + len(line) // 2)
        point()
        with self.path.open("ab") as stream:
            stream.write(line[len(line) // 2 :])
        point()

    whole = Transcript._write
    Transcript._write = write


def in_a_process(folder, fatal):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    point = Points(fatal)
    write_by_halves(point)
    result = asyncio.run(make_agent(folder, point).run("Count.", resume=True))
    said = {"text": result.text, "turns": result.turns, "calls": result.usage.calls, "points": point.seen}
    (folder / "said.json").write_text(json.dumps(said))
    os._exit(0)


def recorded(folder):
    path = folder / "t.jsonl"
    lines = read_transcript(path) if path.exists() else ()
    return {line["result"]["tool_use_id"].removeprefix("call-").replace("-", ".") for line in lines if "result" in line}


def effects(folder):
    path = folder / "effects"
    return path.read_text().split() if path.exists() else []


def killed_at(folder, fatal):
    """Kill at a point, then again and again after as many points, until a process gets through."""
    folder.mkdir()
    kills, repeated = 0, []
    while True:
        known, before = recorded(folder), len(effects(folder))
        code = in_a_process(folder, fatal)
        repeated += [word for word in effects(folder)[before:] if word in known]
        if code == 0:
            return {**json.loads((folder / "said.json").read_text()), "kills": kills, "repeated": repeated}
        assert code == -signal.SIGKILL, code
        kills += 1
        fatal += 7  # further than the last process came, or nothing would ever end


if __name__ == "__main__":
    root = Path(sys.argv[1])
    whole = killed_at(root / "whole", 0)
    step = max(1, whole["points"] // int(sys.argv[2]))
    runs = [killed_at(root / f"at-{number}", 1 + number * step) for number in range(int(sys.argv[2]))]
    sys.stdout.write(json.dumps({"whole": whole, "runs": runs}))
