"""Where a model of OpenAI's family is reached and with which key; the only file that imports `openai`."""

from __future__ import annotations

import os
from typing import Any, get_args
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from alphalab.errors import AuthenticationFailed, ConfigError
from alphalab.messages import Usage
from alphalab.models.base import Effort
from alphalab.models.prices import price_usage
from alphalab.models.wire.client import key_problems, option_problems
from alphalab.models.wire.transport import Endpoint

KEY_VARIABLE = "OPENAI_API_KEY"
_URL_VARIABLE = "OPENAI_BASE_URL"
_OFFICIAL_HOST = "api.openai.com"
_OFFICIAL = f"https://{_OFFICIAL_HOST}/v1"
_PLACEHOLDER = "no-key"
"""Sent to servers that ask for none; the SDK refuses to send nothing."""


@frozen(kw_only=True)
class Site:
    """A server that speaks one of OpenAI's interfaces."""

    provider: str
    """As messages name it."""
    base_url: str
    """Ends in `/v1` for most servers."""
    given_key: str | None = field(default=None, repr=False)
    """None: what the variable holds at the first call."""
    key_variable: str = KEY_VARIABLE
    """Environment variable of the key."""
    key_optional: bool = False
    """Whether a call without a key makes sense."""

    @property
    def is_official(self) -> bool:
        """Whether OpenAI's own service answers, in any of its regions or at Azure."""
        return f".{urlsplit(self.base_url).hostname}".endswith((f".{_OFFICIAL_HOST}", ".openai.azure.com"))

    def problems(self) -> tuple[str, ...]:
        """What already shows that no call can succeed; empty when nothing does."""
        key = self._key()
        return () if self.key_optional and not key else key_problems(key, self.key_variable)

    def endpoint(self) -> Endpoint:
        """The way there, through the SDK.

        Raises:
            AuthenticationFailed: The key is missing, or is none.
        """
        problems = self.problems()
        if problems:
            raise AuthenticationFailed(f"{self.provider} cannot be called: {problems[0]}")
        import httpx2  # noqa: PLC0415 - what the SDK stands on, loaded with it
        import openai  # noqa: PLC0415 - takes most of a second, and only callers of this provider need it

        key, url = self._key() or _PLACEHOLDER, self.base_url

        def make_client() -> Any:
            return openai.AsyncOpenAI(api_key=key, base_url=url, max_retries=0)

        return Endpoint(
            provider=self.provider,
            key_variable=self.key_variable,
            make_client=make_client,
            sdk=openai,
            response=httpx2.Response,
            secrets=() if key == _PLACEHOLDER else (key,),
        )

    def priced(
        self,
        usage: Usage,
        model: str,
        *,
        tier: str | None = None,
        web_searches: int = 0,
        cache_write_hour_tokens: int = 0,
    ) -> Usage:
        """What a call cost at OpenAI's list price; unpriced elsewhere, and in regions and at Azure, which cost more.

        Args:
            usage: Of one call.
            model: As the provider names it.
            tier: How the provider says it served the call.
            web_searches: Searches it ran itself.
            cache_write_hour_tokens: None are known here.
        """
        if urlsplit(self.base_url).hostname != _OFFICIAL_HOST:
            return evolve(usage, cost_usd=None)
        return price_usage(
            usage,
            provider="openai",
            model=model,
            service_tier=tier,
            web_searches=web_searches,
            cache_write_hour_tokens=cache_write_hour_tokens,
        )

    def _key(self) -> str:
        # A line feed that came along with the key would be quoted, key and all, in the error about the bad header.
        return (self.given_key if self.given_key is not None else os.environ.get(self.key_variable, "")).strip()


def site_of(
    provider: str,
    name: str,
    *,
    base_url: str | None,
    api_key: str | None,
    key_variable: str | None,
    effort: Effort | None,
    context_tokens: int | None,
    key_optional: bool = False,
) -> Site:
    """The site that a caller's options stand for, once all of them make sense.

    Args:
        provider: As messages name it.
        name: Of the model.
        base_url: None for the one in `OPENAI_BASE_URL`, and without that OpenAI's own.
        api_key: None for the one in the variable.
        key_variable: None for `OPENAI_API_KEY`.
        effort: Checked here together with the rest; not every model takes each, which the provider says itself.
        context_tokens: Checked likewise.
        key_optional: Whether a server other than OpenAI's may do without a key.

    Raises:
        ConfigError: All problems together.
    """
    url = base_url or os.environ.get(_URL_VARIABLE) or _OFFICIAL
    problems = option_problems(name, url, effort=effort, efforts=get_args(Effort), context_tokens=context_tokens)
    if problems:
        raise ConfigError.of(f"{provider} model {name!r}", problems)
    site = Site(provider=provider, base_url=url, given_key=api_key, key_variable=key_variable or KEY_VARIABLE)
    return evolve(site, key_optional=key_optional and not site.is_official)
