"""The adapter comes into the workspace once, its words may be fitted, and what decides about scores stays."""

import shutil

import pytest
import tomli_w
from attrs import define
from toy_domain import MANIFEST, ToyAdapter, answer, make_context

from alphalab._ids import tree_digests
from alphalab.errors import AdapterError, EvaluationUnsealed
from alphalab.events import KnowledgePatched
from alphalab.models import ScriptedModel
from alphalab.phases import adapt, adopt
from alphalab.roles import ROLES, Customiser
from alphalab.workspace import write_atomic

FINISH = ScriptedModel.call("finish", summary="done")


@define(kw_only=True, eq=False)
class Careless(Customiser):
    """Finishes with whatever it has written."""

    async def review_turn(self, turn):
        return None


@pytest.fixture
def context(tmp_path):
    """A context as it is before anything is prepared: the adapter outside, the workspace empty."""
    context = make_context(tmp_path)
    shutil.rmtree(context.workspace.root)
    context.workspace.root.mkdir()
    host = context.adapter.host
    context.adapter = ToyAdapter.from_folder(tmp_path / "adapter").attach(context.workspace, host)
    return context


async def test_folder_data_and_history_are_there_afterwards(context, tmp_path):
    before = tree_digests(tmp_path / "adapter")
    told = await adapt(context)
    assert told == 'Prepared "toy"; adapted the domain knowledge to it.'
    space = context.workspace
    assert context.adapter.folder == space.adapter
    assert (space.adapter / "history/0000-domain_knowledge.md").read_text().startswith("# Numbers")
    assert "Measured on this data" in context.adapter.domain_knowledge
    assert (space.private / "hidden.json").is_file()
    assert tree_digests(tmp_path / "adapter") == before
    assert any(isinstance(item.event, KnowledgePatched) for item in context.store.events())


async def test_doing_it_again_changes_nothing(context):
    await adapt(context)
    before = tree_digests(context.workspace.adapter), tree_digests(context.workspace.private)
    await adapt(context)
    assert (tree_digests(context.workspace.adapter), tree_digests(context.workspace.private)) == before


CHANGES = {
    "manifest.toml": tomli_w.dumps({**MANIFEST, "seeds": 9}),
    "baselines/reference/answer.py": answer(x=50.0),
    "canaries/known/answer.py": answer(x=0.3),
    "canaries/known/more.py": "",
    "attacks/loud/answer.py": answer(mode="fail"),
    "tests/test_evaluation.py": "",
    "recipes/catalogue.toml": "",
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_copy_that_departs_from_the_adapter_is_not_adopted(context, name):
    write = ScriptedModel.call("write_file", path=f"adapter/{name}", content=CHANGES[name])
    context.models = {"default": (ScriptedModel([write, FINISH]),)}
    context.roles = {**ROLES, "adapter": Careless}
    with pytest.raises(EvaluationUnsealed, match=f"{name} must stay as it was") as caught:
        await adapt(context)
    assert "Restore it from" in str(caught.value)


async def test_a_copy_that_is_broken_is_not_adopted(context):
    write = ScriptedModel.call("write_file", path="adapter/prompts/critic.md", content="$nonsense")
    context.models = {"default": (ScriptedModel([write, FINISH]),)}
    context.roles = {**ROLES, "adapter": Careless}
    with pytest.raises(AdapterError, match="unknown placeholder"):
        await adapt(context)


async def test_a_canary_that_went_missing_later_is_noticed_when_the_campaign_goes_on(context, tmp_path):
    await adapt(context)
    shutil.rmtree(context.workspace.adapter / "attacks/loud")
    context.adapter = ToyAdapter.from_folder(tmp_path / "adapter").attach(context.workspace, context.adapter.host)
    with pytest.raises((AdapterError, EvaluationUnsealed), match="loud"):
        adopt(context)


async def test_recipes_and_words_may_be_fitted(context):
    await adapt(context)
    write_atomic(context.workspace.recipes / "near.py", answer(x=0.1))
    write_atomic(context.workspace.adapter / "prompts/critic.md", "Be strict.")
    adopt(context)
    assert context.adapter.prompts["critic"] == "Be strict."
