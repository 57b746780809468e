"""Rules for a milestone report."""

from __future__ import annotations

import re
from typing import Any

from alphalab.models.offline.script import Scene, Script, call


def report(scene: Scene) -> Script:
    """Write down where the campaign stands, from the board and the playbook."""
    board: dict[str, Any] = (yield from call("read_board")).json or {}
    playbook = (yield from call("read_playbook")).text
    named = re.search(r"reports/[\w-]+\.md", scene.prompt)
    path = named.group() if named else "reports/milestone.md"
    yield from call("write_file", path=path, content=_text(board, playbook))
    return f"Wrote {path}."


def _text(board: dict[str, Any], playbook: str) -> str:
    metric, reference = board["metric"], board["reference"]
    scored = [card for card in board["experiments"] if card["value"] is not None]
    failed = [card for card in board["experiments"] if card["state"] == "failed"]
    lines = [
        f"# After {len(scored)} scored experiments",
        "",
        "Written by rule, by the offline researcher; no language model was involved.",
        "",
        f"Metric: {metric['name']} ({metric['goal']}), {metric['unit']}.",
        f"Reference {reference['name']}: {reference['value']:.5g}.",
        "",
        "| rank | experiment | recipe | value |",
        "| --- | --- | --- | --- |",
        *(
            f"| {rank} | {card['id']} | {card['recipe']} | {card['value']:.5g} |"
            for rank, card in enumerate(board["leaders"], start=1)
        ),
        "",
        f"{len(failed)} failed for good; {sum(card['fixes'] > 0 for card in scored)} ran after a repair.",
        "",
        playbook,
        "",
    ]
    return "\n".join(lines)
