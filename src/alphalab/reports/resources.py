"""The report's part on what was spent, on what, and how to do it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from alphalab.messages import Usage
from alphalab.reports.blocks import Block, Code, Paragraph, Table
from alphalab.reports.data import ReportData


def cost(data: ReportData) -> Iterator[Block]:
    """Calls, tokens and money by role and by phase, and time."""
    if data.usage_by_role:
        yield _usage("role", data.usage_by_role, data.usage)
        yield _usage("phase", data.usage_by_phase, data.usage)
    if data.began and data.ended:
        between = (data.ended - data.began).total_seconds()
        yield Paragraph(
            text=f"Some process ran the campaign for {data.status['seconds']:.1f} s; {between:.1f} s lie between its "
            f"first event ({data.began:%Y-%m-%d %H:%M:%S} UTC) and its last."
        )


def _usage(kind: str, parts: dict[str, Usage], total: Usage) -> Table:
    rows = [_usage_row(name or "none", usage) for name, usage in parts.items()]
    head = (kind, "calls", "input tokens", "of them cached", "output tokens", "cost, USD")
    return Table(head=head, rows=[*rows, _usage_row("all", total)], numbers=(1, 2, 3, 4, 5), strong=(len(rows),))


def _usage_row(name: str, usage: Usage) -> tuple[str, ...]:
    money = "unpriced" if usage.cost_usd is None else f"{usage.cost_usd:.4f}"
    return (name, str(usage.calls), str(usage.input_tokens), str(usage.cached_tokens), str(usage.output_tokens), money)


def environment(data: ReportData) -> Iterator[Block]:
    """Versions and machine; those the evaluation was sealed with, when it is sealed."""
    facts = data.seal.environment if data.seal else data.environment
    packages = facts.get("packages", {})
    rows = [(name, str(value)) for name, value in facts.items() if name != "packages"]
    rows += [("packages", ", ".join(f"{name} {version}" for name, version in packages.items()))]
    rows += [(name, str(value)) for name, value in data.machine.items()]
    yield Table(head=("", "this report and its scores" if data.seal else "this report"), rows=rows)


def reproduce(data: ReportData) -> Iterator[Block]:
    """The command, and the configuration it needs."""
    there = shlex.quote(str(data.workspace / "campaign.toml"))
    yield Paragraph(text="The same campaign in a new folder, from the configuration below:")
    yield Code(text=f"alphalab run {there} --workspace NEW_FOLDER")
    yield Paragraph(text="Go on with this one, or look at it:")
    where = shlex.quote(str(data.workspace))
    yield Code(text="\n".join(f"alphalab {verb} {where}" for verb in ("resume", "status", "leaderboard", "report")))
    if data.config:
        yield Code(text=data.config)
    if data.best:
        yield Paragraph(text=f"The best submission is in experiments/{data.best.id}/submission/.")
