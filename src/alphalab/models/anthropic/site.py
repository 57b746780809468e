"""Where Anthropic's models are reached and with which key; the only file that imports `anthropic`."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from alphalab.errors import AuthenticationFailed
from alphalab.messages import Usage
from alphalab.models.anthropic.encode import PROVIDER
from alphalab.models.prices import price_usage
from alphalab.models.wire.client import key_problems
from alphalab.models.wire.transport import Endpoint

KEY_VARIABLE = "ANTHROPIC_API_KEY"
URL_VARIABLE = "ANTHROPIC_BASE_URL"
_TOKEN_VARIABLE = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - the name of a variable
_OFFICIAL_HOST = "api.anthropic.com"
OFFICIAL = f"https://{_OFFICIAL_HOST}"


@frozen(kw_only=True)
class AnthropicSite:
    """A server that speaks the Messages interface."""

    base_url: str
    given_key: str | None = field(default=None, repr=False)
    """None: what the variable holds at the first call."""
    key_variable: str = KEY_VARIABLE
    """Environment variable of the key; beside the usual one, `ANTHROPIC_AUTH_TOKEN` may hold a token."""

    def problems(self) -> tuple[str, ...]:
        """What already shows that no call can succeed; empty when nothing does."""
        return key_problems(self._credential()[1], self.key_variable)

    def endpoint(self) -> Endpoint:
        """The way there, through the SDK.

        Raises:
            AuthenticationFailed: The key is missing, or is none.
        """
        problems = self.problems()
        if problems:
            raise AuthenticationFailed(f"{PROVIDER} cannot be called: {problems[0]}")
        import anthropic  # noqa: PLC0415 - takes most of a second, and only callers of this provider need it
        import httpx2  # noqa: PLC0415 - what the SDK stands on, loaded with it

        argument, key = self._credential()

        def make_client() -> Any:
            credential: dict[str, Any] = {argument: key}
            return anthropic.AsyncAnthropic(base_url=self.base_url, max_retries=0, **credential)

        return Endpoint(
            provider=PROVIDER,
            key_variable=self.key_variable,
            make_client=make_client,
            sdk=anthropic,
            response=httpx2.Response,
            secrets=(key,),
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
        """What a call cost at the list price; unpriced behind any other address.

        Args:
            usage: Of one call.
            model: As the provider names it.
            tier: How the provider says it served the call.
            web_searches: Searches it ran itself.
            cache_write_hour_tokens: Of those written to the cache, the ones for an hour.
        """
        if urlsplit(self.base_url).hostname != _OFFICIAL_HOST:
            return evolve(usage, cost_usd=None)
        return price_usage(
            usage,
            provider=PROVIDER,
            model=model,
            service_tier=tier,
            web_searches=web_searches,
            cache_write_hour_tokens=cache_write_hour_tokens,
        )

    def _credential(self) -> tuple[str, str]:
        """Name of the SDK's argument, and the key or token for it."""
        if self.given_key is not None:
            return "api_key", self.given_key.strip()
        key = os.environ.get(self.key_variable, "").strip()
        token = os.environ.get(_TOKEN_VARIABLE, "").strip() if self.key_variable == KEY_VARIABLE else ""
        return ("auth_token", token) if token and not key else ("api_key", key)
