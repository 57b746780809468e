"""What roles and phases share: the campaign's services, in one place, made by the campaign."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from alphalab._clock import Clock, SystemClock
from alphalab._serde import dump
from alphalab.adapters import DomainAdapter
from alphalab.budget import Budget, Limits
from alphalab.commands import Launcher
from alphalab.errors import ConfigError
from alphalab.events import Event, LessonChanged, ModelStreamed, Noticed
from alphalab.experiments import Store
from alphalab.measurement import Failure, Measurement, Metric
from alphalab.models import Model
from alphalab.playbook import Playbook
from alphalab.resources import Resources
from alphalab.scorer import submission_digest
from alphalab.task import Task
from alphalab.tools import Tool
from alphalab.workspace import Workspace

if TYPE_CHECKING:
    from alphalab.roles.base import RoleAgent


@define(kw_only=True, eq=False)
class CampaignContext:
    """The services of one running campaign."""

    task: Task
    workspace: Workspace
    adapter: DomainAdapter
    store: Store
    launcher: Launcher
    """Sandbox for every command an agent or a candidate runs."""
    sandbox: str
    """The setting that `launcher` came from, for jobs that make their own."""
    models: Mapping[str, tuple[Model, ...]]
    """Models by role; `default` for the rest. Several take turns."""
    roles: Mapping[str, type[RoleAgent]]
    budget: Budget
    resources: Resources
    limits: Limits = field(factory=Limits)
    """Of each agent run."""
    looking_up: Sequence[Tool] = ()
    """Tools of roles that look things up outside."""
    tools: Sequence[Tool] = ()
    """The caller's own, for every role."""
    clock: Clock = field(factory=SystemClock)
    seed: int = 0
    phase: str = ""
    cancel: Callable[[str, str], None] | None = None
    """Takes an experiment off the board for a reason; set while the board is at work."""

    @property
    def metric(self) -> Metric:
        """The adapter's metric."""
        return self.adapter.manifest.metric

    @property
    def playbook(self) -> Playbook:
        """The lessons so far, replayed from the record."""
        events = (recorded.event for recorded in self.store.events(kinds=("lesson_changed",)))
        return Playbook.replay(event for event in events if isinstance(event, LessonChanged))

    def emit(self, event: Event) -> None:
        """Append one event to the record."""
        self.store.append(event)

    def stream(self, piece: ModelStreamed) -> None:
        """Hand what a model is writing to those who watch; it is not recorded."""
        if self.store.bus is not None and (trouble := self.store.bus.stream(piece)):
            self.emit(Noticed(level="warning", message=trouble))

    def model_for(self, role: str) -> Model:
        """The model whose turn it is for a role."""
        models = self._models(role)
        return models[0] if len(models) == 1 else models[self.count(f"turns/{role}") % len(models)]

    def uses_language_model(self, role: str) -> bool:
        """Whether any model that plays a role is one."""
        return any(model.capabilities.is_language_model for model in self._models(role))

    def _models(self, role: str) -> tuple[Model, ...]:
        models = self.models.get(role, self.models.get("default"))
        if models is None:
            raise ConfigError(f"no model is set for role {role!r} and there is no 'default'; add one to models")
        return models

    def count(self, name: str) -> int:
        """Value of a counter that survives restarts; starts at 0 and grows by one with each call."""
        value = int(self.store.get(f"count/{name}") or 0)
        self.store.put(f"count/{name}", value + 1)
        return value

    @property
    def identity(self) -> str:
        """A short random name of this record, part of every job's key; a record that is made again gets another."""
        known = self.store.get("identity")
        if known is None:
            known = uuid.uuid4().hex[:6]
            self.store.put("identity", known)
        return str(known)

    def hand_in(self, experiment_id: str) -> None:
        """Put on record what was handed in; a submission that changes afterwards is not scored."""
        self.store.put(f"submission/{experiment_id}", submission_digest(self.workspace.submission(experiment_id)))

    def handed_in(self, experiment_id: str) -> str:
        """Digest of the submission that was handed in for an experiment."""
        known = self.store.get(f"submission/{experiment_id}")
        if known is None:
            self.hand_in(experiment_id)
            known = self.store.get(f"submission/{experiment_id}")
        return str(known)

    def parameters(self, experiment_id: str) -> dict[str, Any]:
        """Parameters an experiment runs with: the proposed ones, or those a repair recorded."""
        recorded = self.store.get(f"parameters/{experiment_id}")
        return recorded if recorded is not None else self.store.experiment(experiment_id).proposal.parameters

    def remember_failure(self, experiment_id: str, failure: Failure) -> None:
        """Keep a failure beyond its repair, so that it can still be learned from."""
        self.store.put(f"failures/{experiment_id}", [*self.failures(experiment_id), dump(failure)])

    def failures(self, experiment_id: str) -> list[dict[str, Any]]:
        """Every failure of an experiment's attempts, oldest first, as JSON."""
        return self.store.get(f"failures/{experiment_id}") or []

    def baseline(self, role: str, split: str = "search") -> tuple[str, Measurement] | None:
        """Name and score of the baseline that plays a role (`floor`, `reference`), once scored."""
        for baseline in self.adapter.baselines():
            if baseline.role == role:
                for score in self.store.scores(subject=f"baseline:{baseline.name}", split=split):
                    if isinstance(score.outcome, Measurement):
                        return baseline.name, score.outcome
        return None
