"""Adapt: the adapter's files and the prepared data come into the workspace; the words are fitted to the data."""

from __future__ import annotations

import asyncio
import json
import shutil

from alphalab.adapters import load_adapter
from alphalab.errors import EvaluationUnsealed
from alphalab.events import KnowledgePatched
from alphalab.roles import CampaignContext, Customiser, changes_to_what_is_fixed
from alphalab.workspace import write_atomic

_PROMPT = """\
Objective: {objective}

The adapter {name!r} is in `adapter/`, the data are prepared in `data/`. Adapt the adapter's words to this data set.
"""


async def adapt(campaign: CampaignContext) -> str:
    """Prepare the data, copy the adapter, let the Customiser fit its words, and validate what came out.

    Returns:
        One sentence on what was done.
    """
    space, adapter = campaign.workspace, campaign.adapter
    if not space.adapter.is_dir():
        fresh = space.adapter.with_name(".adapter-new")
        shutil.rmtree(fresh, ignore_errors=True)
        adapter.save(fresh).rename(space.adapter)
    facts = await asyncio.to_thread(adapter.prepare, campaign.task, space)
    history = space.adapter / "history"
    original = history / "0000-domain_knowledge.md"
    if not original.is_file():
        write_atomic(original, adapter.domain_knowledge)
    role = campaign.roles[Customiser.role_name].for_campaign(campaign)
    prompt = _PROMPT.format(objective=campaign.task.objective, name=adapter.manifest.name)
    result = await role.run(prompt, task=campaign.task)
    adopt(campaign)
    campaign.emit(KnowledgePatched(version=1, reason=result.text[:300]))
    return f"Prepared {json.dumps(facts.get('name', adapter.manifest.name))}; adapted the domain knowledge to it."


def adopt(campaign: CampaignContext) -> None:
    """From here on, the workspace's copy of the adapter is the one in force.

    Raises:
        AdapterError: The copy is not valid.
        EvaluationUnsealed: The copy departs from the adapter that the caller named in what decides about scores.
    """
    original = campaign.adapter
    copy = load_adapter(campaign.workspace.adapter, options=original.options, kind=type(original))
    changes = changes_to_what_is_fixed(original, copy)
    if changes:
        raise EvaluationUnsealed(
            f"{campaign.workspace.adapter} differs from the adapter's own in what is not for agents to change: "
            f"{'; '.join(changes)}. Restore it from {original.folder}"
        )
    campaign.adapter = copy.attach(campaign.workspace, original.host) if original.host else copy
