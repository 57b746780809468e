"""One real call to each configured model, made as a campaign makes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import evolve

from alphalab.campaign import read_config
from alphalab.campaign.models import ModelChoice, choices
from alphalab.cli.checks import Check
from alphalab.errors import AuthenticationFailed, ConfigError, ModelError, ModelUnavailable
from alphalab.messages import Delta, Message, Usage
from alphalab.models import Model, ModelRequest, ModelResponse, model_facts
from alphalab.tools import tool

_PATIENCE_S, _LONGEST_S = 10.0, 120.0
"""Seconds for which a call is tried again, and for all of it; a campaign waits longer."""
_ROOM = 4000
"""Tokens of the answer: models that think need some before they say a word."""
_SYSTEM = "This is a check that a model can be reached. Be brief."
_PROMPT = "Call the tool `report` once, with the word 'ready'."


@tool
async def report(word: str) -> str:
    """Say that you can be reached.

    Args:
        word: The word you were asked for.
    """
    return word


def named_models(config: str | None, names: Sequence[str], base_url: str | None) -> tuple[ModelChoice, ...]:
    """The models of a configuration file and those named beside it.

    Raises:
        ConfigError: The file has problems, or an address was given without a model that it belongs to.
    """
    found: tuple[ModelChoice, ...] = ()
    if config is not None:
        read = read_config(Path(config))
        problems = read.check()
        if problems:
            raise ConfigError.of(config, problems)
        found = choices(read.models)
    if base_url is not None and not names:
        raise ConfigError(f"--base-url {base_url!r} belongs to no model; name one with --model")
    return (*found, *(ModelChoice(name=name, base_url=base_url) for name in names))


def check_models(named: Sequence[ModelChoice]) -> Iterator[Check]:
    """What each model says."""
    for choice in dict.fromkeys(named):
        yield asyncio.run(_check(choice))


async def _check(choice: ModelChoice) -> Check:
    name = f"model {choice.name}"
    if choice.name == "offline":
        return Check(name=name, state="ok", found="rule-based; there is nobody to call")
    try:
        model = evolve(choice, patience=_PATIENCE_S).make()
    except ConfigError as error:
        return Check(name=name, state="broken", found=str(error), remedy="correct it in the configuration")
    try:
        return await _called(name, choice, model)
    finally:
        await model.aclose()


async def _called(name: str, choice: ModelChoice, model: Model) -> Check:
    deltas = list[Delta]()
    request = ModelRequest(
        system=_SYSTEM, messages=(Message.user(_PROMPT),), tools=(report.spec,), max_tokens=_ROOM, conversation="doctor"
    )
    began = time.monotonic()
    try:
        async with asyncio.timeout(_LONGEST_S):
            response = await model.generate(request, on_delta=deltas.append)
    except ModelError as error:
        return Check(name=name, state="broken", found=f"{type(error).__name__}: {error}", remedy=_remedy(error, choice))
    except TimeoutError:
        found = f"no answer within {_LONGEST_S:g} s"
        return Check(name=name, state="broken", found=found, remedy="see whether the server is busy, and try again")
    seconds = time.monotonic() - began
    streamed = any(delta.kind != "restart" for delta in deltas)
    return Check(
        name=name,
        state="ok" if response.message.tool_uses else "missing",
        found=", ".join(_told(response, choice, seconds, streamed=streamed, window=model.capabilities.context_tokens)),
        remedy=""
        if response.message.tool_uses
        else "it answered without calling the tool; an agent cannot work with a model that calls none",
    )


def _told(
    response: ModelResponse, choice: ModelChoice, seconds: float, *, streamed: bool, window: int
) -> Iterator[str]:
    yield f"answered in {seconds:.1f} s" + (" with a tool call" if response.message.tool_uses else " in words only")
    yield "streamed" if streamed else "not streamed"
    if response.served:
        yield f"served as {response.served}"
    yield _tokens(response.usage)
    yield _price(choice, response.usage)
    yield f"window {window} tokens"


def _tokens(usage: Usage) -> str:
    thought = f", {usage.reasoning_tokens} of them thinking" if usage.reasoning_tokens else ""
    return f"{usage.input_tokens} tokens in and {usage.output_tokens} out{thought}"


def _price(choice: ModelChoice, usage: Usage) -> str:
    if usage.cost_usd is None:
        return "unpriced"
    prefix, _, name = choice.name.partition(":")
    facts = model_facts(prefix.removesuffix("-chat"), name)
    source = "" if facts is None else f" (prices of {facts.prices_checked}, {facts.source})"
    return f"${usage.cost_usd:.4f}{source}"


def _remedy(error: ModelError, choice: ModelChoice) -> str:
    if isinstance(error, AuthenticationFailed):
        return f"set {choice.usual_variable} to a key that may use this model"
    if isinstance(error, ModelUnavailable):
        where = choice.base_url or "the provider's status page"
        return f"see whether the server is up and reachable from here ({where}), and try again"
    return "see what the provider says; the name of the model, base_url and effort are the usual reasons"
