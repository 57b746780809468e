"""A final answer with a form: JSON that fits a class."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from alphalab.tools.validation import Validator

_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL)


@frozen(kw_only=True, eq=False)
class OutputForm:
    """The form that a run's final answer must have."""

    validator: Validator

    @classmethod
    def of(cls, record: type) -> OutputForm:
        """The form of an attrs class or a TypedDict.

        Raises:
            ConfigError: It is neither, or a field has no JSON form.
        """
        from alphalab.tools.validation import Validator  # noqa: PLC0415 - loads pydantic

        return cls(validator=Validator.of_class(record))

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the answer, with what it refers to."""
        whole = self.validator.schema
        value = whole["properties"]["value"]
        definitions = whole.get("$defs", {})
        if "$ref" in value:
            value = definitions[value["$ref"].rsplit("/", 1)[1]]
        return {**value, "$defs": definitions} if definitions else value

    def problems(self, text: str) -> str:
        """What the model is told about an answer that does not fit; empty when it does."""
        _, found = self._checked(text)
        if not found:
            return ""
        listed = "".join(f"\n- {problem.replace('value.', '', 1)}" for problem in found)
        return f"Your answer must be one JSON object that fits the schema, and nothing else:{listed}"

    def parse(self, text: str) -> Any:
        """The answer as an instance of the class; None when it does not fit."""
        values, found = self._checked(text)
        return None if found else values["value"]

    def _checked(self, text: str) -> tuple[dict[str, Any], list[str]]:
        fenced = _FENCE.match(text)
        try:
            answer = json.loads(fenced.group(1) if fenced else text)
        except (ValueError, RecursionError) as error:  # brackets by the hundred thousand are no answer either
            return {}, [f"it is not JSON: {error}"]
        return self.validator.check(json.dumps({"value": answer}))
