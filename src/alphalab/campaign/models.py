"""The models of a campaign: by name or table, checked without a call, each made once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast, get_args

from attrs import asdict, fields, frozen

from alphalab._redaction import Redaction
from alphalab.errors import ConfigError
from alphalab.models import Effort, Model, get_model
from alphalab.models.offline import OfflineModel
from alphalab.roles import ROLES

KEY_VARIABLES = {
    "anthropic": "ANTHROPIC_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openai-chat": "OPENAI_API_KEY",
}
"""Environment variables of keys, by prefix."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORM = "a name or a list of names, or a table such as {name = ..., base_url = ...}"


@frozen(kw_only=True)
class ModelChoice:
    """One model as a configuration names it."""

    name: str
    base_url: str | None = None
    """Of a compatible server; None for the provider's own."""
    effort: Effort | None = None
    context_tokens: int | None = None
    """Size of the window; None for what is known of it."""
    images: bool | None = None
    """False for a model that cannot look at pictures."""
    patience: float | None = None
    """Seconds for which one call is tried while the provider is down; None for half an hour."""
    key_variable: str | None = None
    """Environment variable that holds the key; None for the provider's usual one."""

    @property
    def usual_variable(self) -> str | None:
        """Environment variable of the key; None for models without one."""
        return self.key_variable or KEY_VARIABLES.get(self.name.partition(":")[0])

    def make(self, *, seed: int = 0) -> Model:
        """The model; nothing is called.

        Raises:
            ConfigError: The name or an option is wrong.
        """
        if self == ModelChoice(name="offline"):
            return OfflineModel(seed=seed)
        return get_model(
            self.name,
            base_url=self.base_url,
            key_variable=self.key_variable,
            effort=self.effort,
            context_tokens=self.context_tokens,
            images=self.images,
            patience=None if self.patience is None else timedelta(seconds=self.patience),
        )


KEYS = tuple(attribute.name for attribute in fields(ModelChoice))
"""What the table of one model may hold."""


def check_models(models: Any) -> list[str]:
    """Problems with the form of `models`; values of tables are never repeated, one may be a key."""
    if _is_roles(models):
        table = cast("Mapping[str, Any]", models)
        return [problem for role, value in table.items() for problem in _several_problems(f"models.{role}", value)]
    if isinstance(models, str | Model | Mapping | Sequence):
        return _several_problems("models", models)
    return [f"models={models!r} must be a name or a table of roles"]


def described(models: Any) -> Any:
    """Models as they are written to a file: names, and tables where there are options."""
    if isinstance(models, Model):
        settings = models.settings()
        return settings["name"] if set(settings) == {"name"} else settings
    if isinstance(models, Mapping):
        return {key: described(value) for key, value in cast("Mapping[str, Any]", models).items()}
    if isinstance(models, Sequence) and not isinstance(models, str):
        return [described(value) for value in cast("Sequence[Any]", models)]
    return models  # a name, or not a model at all, which the check of the configuration says


def make_models(models: Any, *, seed: int = 0) -> tuple[dict[str, tuple[Model, ...]], list[str]]:
    """Models by role, one object for each different model, and everything that shows that they cannot answer."""
    given = cast("Mapping[str, Any]", models) if _is_roles(models) else {"default": models}
    made: dict[ModelChoice | int, Model] = {}
    by_role: dict[str, tuple[Model, ...]] = {}
    told: dict[str, list[str]] = {}
    for role, value in given.items():
        known = role in {*ROLES, "default"}  # what stands under another word may be a key, and is not repeated
        if known and not _several_problems(role, value):  # the form is the configuration's matter
            by_role[role] = tuple(_made(value, made, seed, told, role))
    problems = [f"models, {', '.join(dict.fromkeys(roles))}: {problem}" for problem, roles in told.items()]
    return by_role, problems + _role_problems(given)


def choices(models: Any) -> tuple[ModelChoice, ...]:
    """The different models that a well-formed configuration names, in its order."""
    values = cast("Mapping[str, Any]", models).values() if _is_roles(models) else [models]
    return tuple(dict.fromkeys(_choice(item) for value in values for item in _several(value)))


def _made(
    value: Any, made: dict[ModelChoice | int, Model], seed: int, told: dict[str, list[str]], role: str
) -> Iterator[Model]:
    for item in _several(value):
        key = id(item) if isinstance(item, Model) else _choice(item)
        try:
            model = made.setdefault(
                key, made.get(key) or (item if isinstance(item, Model) else _choice(item).make(seed=seed))
            )
        except ConfigError as error:
            problems: Sequence[str] = error.problems
        else:
            yield model
            problems = [f"{model.name}: {problem}" for problem in model.check()]
        for problem in problems:
            told.setdefault(problem, []).append(role)


def _role_problems(given: Mapping[str, Any]) -> list[str]:
    known = f"known: default, {', '.join(ROLES)}"
    problems = [f"models: role {role!r} is unknown; {known}" for role in given if role not in {*ROLES, "default"}]
    missing = [role for role in ROLES if role not in given]
    if "default" not in given and missing:
        problems.append(f"models: no model for {', '.join(missing)}; add them or a 'default'")
    return problems


def _is_roles(models: Any) -> bool:
    """A table is that of one model when it has a key which belongs to one, first of all `name`."""
    return isinstance(models, Mapping) and not {*KEYS, "api_key"} & set(cast("Mapping[str, Any]", models))


def _several(value: Any) -> Sequence[Any]:
    return [value] if isinstance(value, str | Model | Mapping) else value


def _choice(item: Any) -> ModelChoice:
    return ModelChoice(name=item) if isinstance(item, str) else ModelChoice(**item)


def choice_table(choice: ModelChoice) -> dict[str, Any]:
    """A choice as a table, without what it leaves open."""
    return {key: value for key, value in asdict(choice).items() if value is not None}


def _several_problems(where: str, value: Any) -> list[str]:
    if not isinstance(value, str | Model | Mapping | Sequence) or isinstance(value, bytes):
        return [
            f"{where}={value!r} must be a name or a list of names, or a table such as {{name = ..., base_url = ...}}"
        ]
    several = _several(value)
    if not several:
        return [f"{where}=[] must be a name or a list of names with at least one"]
    return [problem for item in several for problem in _item_problems(where, item)]


def _item_problems(where: str, item: Any) -> list[str]:
    if isinstance(item, str | Model):
        return []
    if not isinstance(item, Mapping):
        return [
            f"{where}={item!r} must be a name or a list of names, or a table such as {{name = ..., base_url = ...}}"
        ]
    return [f"{where}: {problem}" for problem in _table_problems(cast("Mapping[str, Any]", item))]


def _table_problems(table: Mapping[str, Any]) -> Iterator[str]:
    name = table.get("name")
    if not isinstance(name, str) or not name.strip():
        yield "the table of a model needs a name, e.g. name = 'openai-chat:qwen3'"
    if "api_key" in table:
        usual = KEY_VARIABLES.get(str(name).partition(":")[0], "the provider's variable")
        yield f"api_key is refused, because files are copied and shown; set {usual}, or name another with key_variable"
    unknown = sorted(str(key) for key in table if key not in {*KEYS, "api_key"})
    if unknown:
        yield f"unknown key(s) {', '.join(unknown)}; known: {', '.join(KEYS)}"
    yield from _value_problems(table)


def _value_problems(table: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(table.get("base_url", ""), str):
        yield "base_url must be an address such as 'http://localhost:8000/v1'"
    if "effort" in table and table["effort"] not in get_args(Effort):
        yield f"effort={table['effort']!r} is unknown; use one of {', '.join(get_args(Effort))} or leave it out"
    tokens = table.get("context_tokens", 1)
    if type(tokens) is not int or tokens < 1:
        yield f"context_tokens={tokens!r} must be a whole number above zero"
    if not isinstance(table.get("images", False), bool):
        yield f"images={table['images']!r} must be true or false"
    patience = table.get("patience", 0)
    if type(patience) not in {int, float} or not 0 <= patience < float("inf"):
        yield f"patience={patience!r} must be a number of seconds; 0 means a single attempt"
    variable = table.get("key_variable", "A_KEY")
    if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
        yield "key_variable must be the name of an environment variable, not a key"
    elif not Redaction.of_environment({variable: "x" * 8}).secrets:
        yield f"key_variable={variable!r} must end in _KEY or _TOKEN, by which values are known that are kept secret"
