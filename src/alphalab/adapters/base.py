"""A domain: a folder of 11 files, and optionally a class for what must not be left to prompts."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import attrs
from attrs import define, field, frozen

from alphalab._serde import load
from alphalab.adapters.manifest import Attack, Baseline, Canary, Catalogue, Manifest, Recipe
from alphalab.adapters.prompts import PROMPT_NAMES, check_prompt
from alphalab.candidates import CandidateHost
from alphalab.errors import AdapterError, ConfigError
from alphalab.measurement import Finding, Outcome
from alphalab.task import Task
from alphalab.workspace import Workspace

MANIFEST = "manifest.toml"
KNOWLEDGE = "domain_knowledge.md"
CATALOGUE = "recipes/catalogue.toml"
FILES = (MANIFEST, KNOWLEDGE, *(f"prompts/{name}.md" for name in PROMPT_NAMES))


@frozen
class Problems:
    """What is wrong with something, all of it."""

    subject: str
    items: tuple[str, ...] = field(converter=tuple)

    def __bool__(self) -> bool:
        return bool(self.items)

    def require(self) -> None:
        """Raise one `AdapterError` that lists every problem, or return."""
        if self.items:
            raise AdapterError.of(self.subject, self.items)


@define(kw_only=True, eq=False)
class DomainAdapter:
    """Knows one domain: its metric, its words, its scorer, its known approaches.

    The manifest is the one source for metric, splits and submission layout. A subclass adds behaviour:
    `prepare`, `score`, `inspect_submission`.
    """

    folder: Path
    manifest: Manifest
    domain_knowledge: str
    prompts: dict[str, str]
    catalogue: Catalogue = field(factory=Catalogue)
    options: dict[str, Any] = field(factory=dict[str, Any])
    """The adapter's own settings, defaults filled in."""
    workspace: Workspace | None = None
    """Where the prepared data are; set by `attach`."""
    host: CandidateHost | None = None
    """Starts candidates; set by `attach`."""
    trace: Path | None = None
    """Where `score` leaves its per-unit losses for later comparison; private to the harness."""

    # -- reading and writing the folder ------------------------------------------------------------------------------

    @classmethod
    def from_folder(cls, folder: str | Path, *, options: Mapping[str, Any] | None = None) -> Self:
        """Read an adapter's files.

        Args:
            folder: Holds the 11 files, and `recipes/catalogue.toml` when it ships approaches.
            options: Settings by name; unknown names and wrong values are problems.

        Raises:
            AdapterError: One error that lists every problem.
        """
        root = Path(folder)
        problems = check_folder(root)
        if problems:
            raise AdapterError.of(f"adapter {str(folder)!r}", problems)
        manifest: Manifest = load(_toml(root / MANIFEST), Manifest, subject=str(root / MANIFEST), strict=True)
        option_problems, values = _options(manifest, options or {})
        if option_problems:
            raise AdapterError.of(f"adapter {manifest.name!r}", option_problems)
        return cls(
            folder=root,
            manifest=manifest,
            domain_knowledge=(root / KNOWLEDGE).read_text(),
            prompts={name: (root / f"prompts/{name}.md").read_text() for name in PROMPT_NAMES},
            catalogue=_catalogue(root),
            options=values,
        )

    def check(self) -> Problems:
        """All problems of the folder as it is on disk now."""
        return Problems(f"adapter {self.manifest.name!r}", check_folder(self.folder))

    def save(self, folder: str | Path) -> Path:
        """Copy the 11 files and what ships beside them, data as they are, into another folder."""
        target = Path(folder)
        for name in FILES:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / name, target / name)
        for extra in ("recipes", "baselines", "canaries", "attacks", "tests"):
            if (self.folder / extra).is_dir():
                shutil.copytree(
                    self.folder / extra,
                    target / extra,
                    dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__"),
                )
        return target

    def attach(self, workspace: Workspace, host: CandidateHost, *, trace: Path | None = None) -> Self:
        """The same adapter, ready to score what was prepared in a workspace."""
        return attrs.evolve(self, workspace=workspace, host=host, trace=trace)

    # -- behaviour a subclass adds -----------------------------------------------------------------------------------

    @property
    def scores(self) -> bool:
        """Whether this adapter has an executable scorer."""
        return type(self).score is not DomainAdapter.score

    def check_task(self, task: Task) -> tuple[str, ...]:
        """Problems of a task that can be seen before anything is written, e.g. data that cannot be read."""
        _ = task
        return ()

    def prepare(self, task: Task, workspace: Workspace) -> dict[str, Any]:
        """Read the task's data, split them, write `data/` for everyone and `private/` for the harness.

        Running it again on the same input writes the same bytes.

        Returns:
            Measured facts of the data, JSON, also written to `data/facts.json`; nothing about the held-out part.
            `train.missing_share` is read by the rule-based Critic when it is there.

        Raises:
            ConfigError: The data cannot be used; says why and what would help.
        """
        _ = task, workspace
        raise AdapterError(f"adapter {self.manifest.name!r} has no prepare(); subclass DomainAdapter and add it")

    def protocol(self) -> dict[str, Any]:
        """What the scorer does on the prepared data, as JSON: what `evaluation/evaluation.json` must say.

        Includes `metric`, `goal`, the bounds of the splits, and `units`: independent units per split.
        """
        return {"metric": self.manifest.metric.name, "goal": self.manifest.metric.goal}

    async def score(self, submission: Path, *, split: str, seed: int) -> Outcome:
        """Score one submission folder; the candidate runs in a child process of `host`."""
        _ = submission, split, seed
        raise AdapterError(f"adapter {self.manifest.name!r} has no score(); subclass DomainAdapter and add it")

    def inspect_submission(self, submission: Path) -> tuple[Finding, ...]:
        """Look at a submission without running it; a blocking finding rejects it."""
        missing = [name for name in self.manifest.submission.required if not (submission / name).is_file()]
        return tuple(
            Finding(severity="blocking", message=f"required file {name!r} is missing", file=name) for name in missing
        )

    def recipes(self) -> tuple[Recipe, ...]:
        """Approaches that ship with the adapter."""
        return self.catalogue.recipe

    def baselines(self) -> tuple[Baseline, ...]:
        """Submissions to compare with."""
        return self.catalogue.baseline

    def canaries(self) -> tuple[Canary, ...]:
        """Submissions whose outcome is known."""
        return self.catalogue.canary

    def attacks(self) -> tuple[Attack, ...]:
        """Submissions that must not succeed."""
        return self.catalogue.attack


def check_folder(folder: Path) -> tuple[str, ...]:
    """Every problem of an adapter folder."""
    if not folder.is_dir():
        return (f"folder {str(folder)!r} does not exist",)
    problems = [f"file {name} is missing" for name in FILES if not (folder / name).is_file()]
    problems += [f"file {name} is a link; put the file itself there" for name in FILES if (folder / name).is_symlink()]
    problems += [f"file {name} is not UTF-8 text" for name in FILES if not _is_text(folder / name)]
    for name in PROMPT_NAMES:
        path = folder / f"prompts/{name}.md"
        problems += check_prompt(name, path.read_text(errors="replace")) if path.is_file() else ()
    problems += _check_toml(folder / MANIFEST, Manifest)
    problems += _check_toml(folder / CATALOGUE, Catalogue)
    return tuple(problems or _check_references(folder))


def _is_text(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    except OSError:
        return True  # that it is missing is another problem
    return True


def _check_toml(path: Path, kind: type) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    try:
        load(_toml(path), kind, subject=path.name, strict=True)
    except ConfigError as error:
        return tuple(f"{path.name}: {problem}" for problem in error.problems)
    return ()


def _check_references(folder: Path) -> tuple[str, ...]:
    catalogue = _catalogue(folder)
    named = [f"recipes/{recipe.file}" for recipe in catalogue.recipe]
    named += [entry.folder for entry in (*catalogue.baseline, *catalogue.canary, *catalogue.attack)]
    inside = {name: (folder / name).resolve().is_relative_to(folder.resolve()) for name in named}
    outside = [f"{CATALOGUE} names {name!r}, which lies outside the folder" for name in named if not inside[name]]
    absent = [f"{CATALOGUE} names {name!r}, which is not there" for name in named if not (folder / name).exists()]
    return (*outside, *absent)


def _catalogue(folder: Path) -> Catalogue:
    path = folder / CATALOGUE
    return load(_toml(path), Catalogue, subject=str(path), strict=True) if path.is_file() else Catalogue()


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(errors="replace"))
    except tomllib.TOMLDecodeError as error:
        raise AdapterError(f"{path}: not TOML: {error}") from error


def _options(manifest: Manifest, given: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    known = ", ".join(sorted(manifest.options)) or "none"
    problems = [f"unknown option {name!r}; known: {known}" for name in given if name not in manifest.options]
    values = {name: option.default for name, option in manifest.options.items()} | dict(given)
    checks = (option.problem(name, values[name]) for name, option in manifest.options.items())
    return problems + [problem for problem in checks if problem], values
