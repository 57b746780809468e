"""The reference is complete: every public name, every verb, every key of a configuration, with its default."""

import argparse
import inspect
import re

import attrs
import pytest
from doc_pages import ROOT

import alphalab
from alphalab.budget import Budget, Limits
from alphalab.campaign import CampaignConfig
from alphalab.campaign.config import EXECUTORS
from alphalab.cli.main import make_parser
from alphalab.executors import LocalExecutor
from alphalab.resources import Resources
from alphalab.task import Task
from alphalab.workspace import Workspace

REFERENCE = ROOT / "docs/reference"


def sections(path, level):
    """Text below each heading of a level, by the first name in backticks or the heading itself."""
    parts = re.split(rf"^{'#' * level} (.+)$", path.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


NAMES = {heading.strip("`"): text for heading, text in sections(REFERENCE / "python.md", 3).items()}


def test_every_public_name_is_listed():
    assert sorted(NAMES) == sorted(alphalab.__all__)


def parameters(value):
    if inspect.isclass(value) and (issubclass(value, Exception) or hasattr(value, "__members__")):
        return []
    if not callable(value) or "UnionType" in type(value).__name__:
        return []
    return [name for name in inspect.signature(value).parameters if name != "self"]


@pytest.mark.parametrize("name", alphalab.__all__)
def test_signatures_name_every_parameter(name):
    shown = re.search(r"```text\n(.*?)```", NAMES[name], re.DOTALL)
    assert shown, f"{name} has no signature"
    assert NAMES[name].replace(shown[0], "").strip(), f"{name} has no description"
    missing = [each for each in parameters(getattr(alphalab, name)) if not re.search(rf"\b{each}\b", shown[1])]
    assert missing == []


def verbs(parser, prefix="alphalab"):
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield prefix, parser
    for name, sub in inner[0].choices.items() if inner else ():
        yield from verbs(sub, f"{prefix} {name}")


VERBS = dict(verbs(make_parser()))


def test_every_verb_is_listed():
    listed = {heading.strip("`") for heading in sections(REFERENCE / "cli.md", 2) if heading.startswith("`alphalab")}
    assert listed == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_is_listed(verb):
    text = sections(REFERENCE / "cli.md", 2)[f"`{verb}`"]
    for action in VERBS[verb]._actions:
        names = action.option_strings or [action.metavar or action.dest]
        assert any(f"`{name}" in text for name in names if name != "-h") or "--help" in names, f"{verb}: {names}"


def documented_keys():
    """Key and default of every row, by section."""
    found = {}
    for heading, text in sections(ROOT / "docs/how-to/configuration.md", 2).items():
        rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]+) \|", text, re.MULTILINE)
        found[heading.strip("`")] = {key: default.strip().strip("`") for key, default in rows}
    return found


def default_of(attribute):
    if isinstance(attribute.default, bool):  # as TOML writes it
        return str(attribute.default).lower()
    if attribute.default is attrs.NOTHING:
        return "required"
    if attribute.default is None:
        return "none"
    if isinstance(attribute.default, attrs.Factory):
        return "a table"
    return f'"{attribute.default}"' if isinstance(attribute.default, str) else str(attribute.default)


TABLES = {
    "Top level": CampaignConfig,
    "[task]": Task,
    "[budget]": Budget,
    "[limits]": Limits,
    "[resources]": Resources,
    "[executor]": LocalExecutor,
}


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_of_a_configuration_is_listed_with_its_default(heading):
    kind = TABLES[heading]
    expected = {each.name: default_of(each) for each in attrs.fields(kind) if each.init}
    if kind is LocalExecutor:
        expected["kind"] = f'"{next(name for name, cls in EXECUTORS.items() if cls is kind)}"'
    assert documented_keys()[heading] == expected


def test_the_workspace_page_names_every_path():
    text = (REFERENCE / "workspace.md").read_text()
    space = Workspace(".")
    values = [getattr(space, name) for name, value in vars(Workspace).items() if isinstance(value, property)]
    for path in [path for value in values for path in (value if isinstance(value, tuple) else (value,))]:
        assert path.name in text, f"{path.relative_to(space.root)} is not described"
