"""What a call costs, from the table of the genai-prices package; an unknown price is None, never 0.

The table's own arithmetic takes 94 µs a call (`genai_prices.calc_price`, 0.2.3); here a model's prices are worked out
once and a call is a handful of multiplications (about 7 µs). The rules are the table's: the most specific price counts,
so cached tokens are billed as ordinary input where the table has no price for them; a long prompt moves *all* tokens of
the call to the higher tier; prices may start on a date or change with the hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

from alphalab.messages import Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

_KEPT = 4096
"""Prices remembered at once; one model whose price changes with the hour uses one place per minute."""


@frozen(kw_only=True)
class Price:
    """USD per token, of calls whose prompt has more than `above_tokens` tokens; None where there is no price."""

    above_tokens: int = 0
    """The tier starts above this many input tokens, cached ones included; 0 for the first."""
    input_usd: float | None = None
    """Neither read from the cache nor written to it."""
    cached_usd: float | None = None
    cache_write_usd: float | None = None
    cache_write_hour_usd: float | None = None
    """Written to be kept for an hour, where that is billed apart."""
    output_usd: float | None = None
    web_search_usd: float | None = None
    """Per search, not per token."""
    call_usd: float | None = None
    """Per call, where a provider bills calls as such."""


@frozen(kw_only=True)
class ModelFacts:
    """What the table knows of one model at one moment."""

    provider: str
    """The table's id, e.g. `anthropic`."""
    model: str
    """The table's id, which may stand for several dated versions."""
    context_tokens: int | None
    """Size of the window; None when the table does not say."""
    prices: tuple[Price, ...] = field(converter=tuple)
    """Tiers, the first one first; empty when the model is known and its price is not."""
    source: str
    """Where the prices come from, with the version."""
    prices_checked: date | None
    """A day on which the table was up to date: the start of its newest price, or the day it was downloaded where
    genai-prices was told to update itself. The package carries no other date."""


def price_usage(
    usage: Usage,
    *,
    provider: str,
    model: str,
    at: datetime | None = None,
    service_tier: str | None = None,
    web_searches: int = 0,
    cache_write_hour_tokens: int = 0,
) -> Usage:
    """The usage of one call with its cost.

    Args:
        usage: Of one call: tiers depend on the length of its prompt. `input_tokens` includes cached and written ones.
        provider: Id in the table, e.g. `anthropic` or `openai`.
        model: As the provider names it; dated versions are found.
        at: When the call was made, aware; None for now.
        service_tier: `flex`, `priority` and the like, as the provider said it served the call.
        web_searches: Searches the provider ran itself.
        cache_write_hour_tokens: How many of `usage.cache_write_tokens` are to be kept for an hour.

    Returns:
        The same usage; `cost_usd` is None when any part of it has no known price.
    """
    entry = _table().entry(provider, model)
    prices = () if entry is None else _table().prices(entry, at, service_tier)
    return evolve(usage, cost_usd=_cost(prices, usage, web_searches, cache_write_hour_tokens))


def model_facts(provider: str, model: str, *, at: datetime | None = None) -> ModelFacts | None:
    """What the table knows of a model; None when it does not know it.

    Args:
        provider: Id in the table.
        model: As the provider names it.
        at: For which moment, aware; None for now.
    """
    table = _table()
    entry = table.entry(provider, model)
    if entry is None:
        return None
    return ModelFacts(
        provider=entry.provider,
        model=entry.model.id,
        context_tokens=entry.model.context_window,
        prices=table.prices(entry, at, None),
        source=table.source,
        prices_checked=table.checked,
    )


def _cost(prices: tuple[Price, ...], usage: Usage, web_searches: int, hour_tokens: int) -> float | None:
    if not prices:
        return None
    price = next((tier for tier in reversed(prices) if usage.input_tokens > tier.above_tokens), prices[0])
    write_tokens = usage.cache_write_tokens - hour_tokens
    plain_tokens = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    cost = 0.0 if price.call_usd is None else price.call_usd * usage.calls
    for count, each in (
        (plain_tokens, price.input_usd),
        (usage.cached_tokens, price.cached_usd),
        (write_tokens, price.cache_write_usd),
        (hour_tokens, price.cache_write_hour_usd),
        (usage.output_tokens, price.output_usd),
        (web_searches, price.web_search_usd),
    ):
        if count < 0 or (count and each is None):
            return None  # counts that contradict each other have no price either
        cost += count * (each or 0.0)
    return cost


@frozen(kw_only=True, eq=False)
class _Entry:
    """One model in the table."""

    provider: str
    model: ModelInfo
    own: bool
    """Whether the provider lists it itself; service tiers of a model lent by another provider do not count."""
    varies: str
    """What its price depends on: `no`, `date` or `minute`."""


@define(kw_only=True, eq=False)
class _Table:
    """The prices of one state of genai-prices, as far as they have been asked for."""

    snapshot: DataSnapshot
    source: str
    checked: date | None
    entries: dict[tuple[str, str], _Entry | None] = field(factory=dict[tuple[str, str], "_Entry | None"])
    known: dict[Any, tuple[Price, ...]] = field(factory=dict[Any, "tuple[Price, ...]"])

    def entry(self, provider: str, model: str) -> _Entry | None:
        """A model in the table, or None."""
        key = (provider, model)
        if key not in self.entries:
            self.entries[key] = _found(self.snapshot, provider, model)
        return self.entries[key]

    def prices(self, entry: _Entry, at: datetime | None, service_tier: str | None) -> tuple[Price, ...]:
        """Tiers of a model at a moment."""
        moment = None if entry.varies == "no" else _to_the(entry.varies, at or datetime.now(UTC))
        key = (entry, moment, service_tier)
        found = self.known.get(key)
        if found is None:
            if len(self.known) >= _KEPT:
                self.known.clear()
            context = {"service_tier": service_tier} if service_tier and entry.own else None
            found = _tiers(entry.model.get_prices(at or datetime.now(UTC), context))
            self.known[key] = found
        return found


@cache
def _tables() -> list[_Table]:
    return []


def _table() -> _Table:
    """The table as it is now; it is another one after genai-prices has updated itself."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 170 ms, and only priced models need it

    snapshot, tables = get_snapshot(), _tables()
    if not tables or tables[0].snapshot is not snapshot:
        tables[:] = [_Table(snapshot=snapshot, source=_source(snapshot), checked=_checked(snapshot))]
    return tables[0]


def _source(snapshot: DataSnapshot) -> str:
    from genai_prices import __version__  # noqa: PLC0415 - see `_table`

    return f"genai-prices {__version__}" + (", updated" if snapshot.from_auto_update else "")


def _checked(snapshot: DataSnapshot) -> date | None:
    if snapshot.from_auto_update:
        return snapshot.timestamp.date()
    today = datetime.now(UTC).date()
    constraints = [each for one in snapshot.providers for model in one.models for each in _constraints(model)]
    starts = [each.start_date for each in constraints if hasattr(each, "start_date") and each.start_date <= today]
    return max(starts, default=None)


def _constraints(model: ModelInfo) -> list[Any]:
    conditional: list[Any] = model.prices if isinstance(model.prices, list) else []
    return [each.constraint for each in (*conditional, *(model.price_variants or ())) if each.constraint is not None]


def _found(snapshot: DataSnapshot, provider: str, model: str) -> _Entry | None:
    try:
        owner, facts = snapshot.find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    constraints = _constraints(facts)
    dated = all(hasattr(each, "start_date") for each in constraints)
    varies = "no" if not constraints else "date" if dated else "minute"
    own = any(facts is each for each in owner.models)
    return _Entry(provider=owner.id, model=facts, own=own, varies=varies)


def _to_the(unit: str, at: datetime) -> Any:
    moment = at.astimezone(UTC)
    return moment.date() if unit == "date" else moment.replace(second=0, microsecond=0)


def _tiers(stored: ModelPrice) -> tuple[Price, ...]:
    """Prices tier by tier; a token without a price of its own is billed as the more general kind it belongs to."""
    fields: dict[str, Any] = {
        "input_usd": stored.input_mtok,
        "cached_usd": _first(stored.cache_read_mtok, stored.input_mtok),
        "cache_write_usd": _first(stored.cache_write_5m_mtok, stored.cache_write_mtok, stored.input_mtok),
        "cache_write_hour_usd": _first(stored.cache_write_1h_mtok, stored.cache_write_mtok, stored.input_mtok),
        "output_usd": stored.output_mtok,
    }
    starts = {tier.start for price in fields.values() for tier in getattr(price, "tiers", ())}
    thousands = {
        "web_search_usd": _per(stored.web_searches_kcount, 0, 1000),
        "call_usd": _per(stored.requests_kcount, 0, 1000),
    }
    if all(price is None for price in fields.values()):
        return ()
    return tuple(
        Price(
            above_tokens=start,
            **thousands,
            **{name: _per(price, start, 1_000_000) for name, price in fields.items()},
        )
        for start in sorted({0, *starts})
    )


def _first(*prices: Any) -> Any:
    return next((price for price in prices if price is not None), None)


def _per(price: Decimal | TieredPrices | None, start: int, unit: int) -> float | None:
    if price is None:
        return None
    if isinstance(price, Decimal):
        return float(price / unit)
    return float(_at(price, start) / unit)


def _at(price: TieredPrices, start: int) -> Decimal:
    reached: Iterable[Decimal] = (tier.price for tier in reversed(price.tiers) if tier.start <= start)
    return next(iter(reached), price.base)
