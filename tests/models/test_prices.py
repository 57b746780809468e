"""Prices of calls, against numbers computed by hand and against the table's own arithmetic."""

import datetime as dt
import subprocess
import sys
import time
from decimal import Decimal

import pytest
from genai_prices import Usage as TableUsage
from genai_prices import calc_price
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from hypothesis import given
from hypothesis import strategies as st

from alphalab.messages import Usage
from alphalab.models.prices import Price, model_facts, price_usage

D = Decimal
LATE = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def usage(**counts):
    return Usage(calls=1, **counts)


def cost(counted, model, provider="anthropic", **more):
    return price_usage(counted, provider=provider, model=model, **more).cost_usd


def made(name, prices, **more):
    return ModelInfo(id=name, match=ClauseEquals(equals=name), prices=prices, **more)


@pytest.fixture
def table():
    """A table that a test writes itself, so that its numbers do not change with the package."""

    def use(*models, updated=False, timestamp=None):
        provider = Provider(id="maker", name="Maker", api_pattern="x", models=list(models))
        more = {"timestamp": timestamp} if timestamp else {}
        set_custom_snapshot(DataSnapshot(providers=[provider], from_auto_update=updated, **more))

    yield use
    set_custom_snapshot(None)


def test_input_tokens_include_cached_and_written_ones(table):
    table(
        made("m", ModelPrice(input_mtok=D(3), cache_read_mtok=D("0.3"), cache_write_mtok=D("3.75"), output_mtok=D(15)))
    )
    counted = usage(input_tokens=1000, cached_tokens=600, cache_write_tokens=300, output_tokens=200, reasoning_tokens=9)
    by_hand = (100 * 3 + 600 * 0.3 + 300 * 3.75 + 200 * 15) / 1e6
    priced = price_usage(counted, provider="maker", model="m")
    assert priced.cost_usd == pytest.approx(by_hand, rel=1e-12)
    assert priced == Usage(**{**{name: getattr(counted, name) for name in Usage.__slots__ if name[0] != "_"},
                              "cost_usd": priced.cost_usd})  # fmt: skip


def test_writing_for_an_hour_and_searching_have_prices_of_their_own(table):
    table(
        made(
            "m",
            ModelPrice(
                input_mtok=D(3),
                cache_write_mtok=D(4),
                cache_write_1h_mtok=D(6),
                output_mtok=D(15),
                web_searches_kcount=D(10),
                requests_kcount=D(5),
            ),
        ),
        made("no searches", ModelPrice(input_mtok=D(1), output_mtok=D(1))),
    )
    counted = usage(input_tokens=1000, cache_write_tokens=500)
    assert cost(counted, "m", "maker", cache_write_hour_tokens=200, web_searches=2) == pytest.approx(
        (500 * 3 + 300 * 4 + 200 * 6) / 1e6 + 2 * 10 / 1000 + 5 / 1000, rel=1e-12
    )
    assert cost(counted, "no searches", "maker") == pytest.approx(1e-3, rel=1e-12)
    assert cost(counted, "no searches", "maker", web_searches=1) is None


def test_cached_tokens_without_a_price_of_their_own_are_ordinary_input(table):
    table(made("m", ModelPrice(input_mtok=D(2), output_mtok=D(8))))
    assert cost(usage(input_tokens=10, cached_tokens=4, cache_write_tokens=5), "m", "maker") == pytest.approx(2e-5)


def test_a_long_prompt_moves_all_tokens_to_the_higher_tier(table):
    tiers = [Tier(start=400, price=D(5)), Tier(start=200, price=D(2))]
    table(made("m", ModelPrice(input_mtok=TieredPrices(base=D(1), tiers=tiers), output_mtok=D(10))))
    at_start, above, far_above = (cost(usage(input_tokens=n, output_tokens=1), "m", "maker") for n in (200, 201, 401))
    assert at_start == pytest.approx((200 * 1 + 10) / 1e6, rel=1e-12)
    assert above == pytest.approx((201 * 2 + 10) / 1e6, rel=1e-12)
    assert far_above == pytest.approx((401 * 5 + 10) / 1e6, rel=1e-12)
    facts = model_facts("maker", "m")
    assert [(price.above_tokens, price.input_usd, price.output_usd) for price in facts.prices] == [
        (0, 1e-6, 1e-5),
        (200, 2e-6, 1e-5),
        (400, 5e-6, 1e-5),
    ]


def test_prices_that_start_on_a_date_count_from_that_day_on(table):
    new = StartDateConstraint(start_date=dt.date(2026, 5, 2))
    table(
        made(
            "m",
            [
                ConditionalPrice(prices=ModelPrice(input_mtok=D(10), output_mtok=D(1))),
                ConditionalPrice(new, prices=ModelPrice(input_mtok=D(2), output_mtok=D(1))),
            ],
        )
    )
    before = dt.datetime(2026, 5, 1, 23, 59, tzinfo=dt.UTC)
    after = dt.datetime(2026, 5, 2, tzinfo=dt.UTC)
    elsewhere = after.astimezone(dt.timezone(dt.timedelta(hours=-8)))
    counted = usage(input_tokens=1_000_000)
    assert [cost(counted, "m", "maker", at=at) for at in (before, after, elsewhere, before)] == [10, 2, 2, 10]
    assert model_facts("maker", "m").prices_checked == dt.date(2026, 5, 2)


def test_prices_that_change_with_the_hour(table):
    night = TimeOfDateConstraint(start_time=dt.time(22, 30), end_time=dt.time(6))
    table(
        made(
            "m",
            [
                ConditionalPrice(prices=ModelPrice(input_mtok=D(10), output_mtok=D(1))),
                ConditionalPrice(night, prices=ModelPrice(input_mtok=D(5), output_mtok=D(1))),
            ],
        )
    )
    hours = [dt.datetime(2026, 5, 1, *time_, tzinfo=dt.UTC) for time_ in ((22, 29), (22, 30), (5, 59), (6,))]
    assert [cost(usage(input_tokens=1_000_000), "m", "maker", at=at) for at in hours] == [10, 5, 5, 10]


@pytest.mark.parametrize(
    ("provider", "model"), [("anthropic", "no-such-model"), ("nobody", "claude-sonnet-4-5"), ("openai", "moderation")]
)
def test_the_unknown_is_unpriced_and_not_free(provider, model):
    assert cost(usage(input_tokens=1), model, provider, at=LATE) is None


def test_a_kind_of_token_without_a_price_leaves_the_call_unpriced(table):
    table(made("m", ModelPrice(input_mtok=D(1))), made("free", ModelPrice(input_mtok=D(0), output_mtok=D(0))))
    assert cost(usage(input_tokens=1_000_000), "m", "maker") == 1
    assert cost(usage(input_tokens=1, output_tokens=1), "m", "maker") is None
    assert cost(usage(input_tokens=1, output_tokens=1), "free", "maker") == 0
    assert cost(usage(input_tokens=1, cached_tokens=2), "m", "maker") is None


def test_the_table_in_use_is_the_newest_one(table):
    table(made("m", ModelPrice(input_mtok=D(1), output_mtok=D(1))))
    assert cost(usage(input_tokens=1_000_000), "m", "maker") == 1
    table(
        made("m", ModelPrice(input_mtok=D(7), output_mtok=D(1)), context_window=99),
        updated=True,
        timestamp=dt.datetime(2026, 7, 8, 9),  # noqa: DTZ001 - as genai-prices writes it
    )
    assert cost(usage(input_tokens=1_000_000), "m", "maker") == 7
    facts = model_facts("maker", "m")
    assert facts.prices_checked == dt.date(2026, 7, 8)
    assert facts.source.endswith(", updated")
    assert facts.context_tokens == 99


def test_facts_of_real_models():
    facts = model_facts("anthropic", "claude-sonnet-4-5-20250929", at=LATE)
    assert (facts.provider, facts.model, facts.context_tokens) == ("anthropic", "claude-sonnet-4-5", 200_000)
    assert facts.source.startswith("genai-prices ")
    assert dt.date(2026, 1, 1) < facts.prices_checked <= dt.datetime.now(dt.UTC).date()
    assert facts.prices[0] == Price(
        input_usd=3e-6,
        cached_usd=3e-7,
        cache_write_usd=3.75e-6,
        cache_write_hour_usd=6e-6,
        output_usd=1.5e-5,
        web_search_usd=0.01,
    )
    assert facts.prices[1].above_tokens == 200_000
    assert model_facts("anthropic", "no-such-model") is None


def test_a_faster_or_slower_service_tier_has_its_own_price():
    counted = usage(input_tokens=1000, output_tokens=100)
    plain, flex = (cost(counted, "gpt-5", "openai", at=LATE, service_tier=tier) for tier in ("default", "flex"))
    assert plain == pytest.approx((1000 * 1.25 + 100 * 10) / 1e6, rel=1e-12)
    assert flex == pytest.approx(plain / 2, rel=1e-12)


MODELS = [
    (provider.id, model.id)
    for provider in get_snapshot().providers
    if provider.id in {"anthropic", "openai", "deepseek", "google"}
    for model in provider.models
    if model_facts(provider.id, model.id) is not None and model_facts(provider.id, model.id).prices
]
COUNTS = st.integers(min_value=0, max_value=400_000)


@given(
    which=st.sampled_from(MODELS),
    counts=st.tuples(COUNTS, COUNTS, COUNTS, COUNTS),
    hours=st.integers(min_value=0, max_value=24 * 900),
    tier=st.sampled_from([None, "default", "flex", "priority"]),
)
def test_the_same_as_the_tables_own_arithmetic(which, counts, hours, tier):
    provider, model = which
    plain, cached, written, output = counts
    at = dt.datetime(2024, 6, 1, 0, 17, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
    counted = usage(
        input_tokens=plain + cached + written, cached_tokens=cached, cache_write_tokens=written, output_tokens=output
    )
    ours = cost(counted, model, provider, at=at, service_tier=tier)
    if ours is None:
        return  # where a direction has no price, the table counts it as free
    theirs = calc_price(
        TableUsage(
            input_tokens=counted.input_tokens,
            cache_read_tokens=cached,
            cache_write_tokens=written,
            output_tokens=output,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=at,
        price_context={"service_tier": tier} if tier else None,
    )
    assert ours == pytest.approx(float(theirs.total_price), rel=1e-9, abs=1e-15)


def test_a_call_after_the_first_takes_less_than_15_microseconds():
    counted = usage(input_tokens=50_000, cached_tokens=40_000, cache_write_tokens=5_000, output_tokens=700)
    for model in ("claude-opus-4-6", "claude-sonnet-4-5"):
        cost(counted, model)
        best = min(_seconds(lambda model=model: cost(counted, model)) for _ in range(20))
        assert best < 15e-6, f"{model}: {best * 1e6:.1f} µs"


def _seconds(work, times=200):
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def test_the_table_is_not_loaded_with_the_library():
    program = "import sys, alphalab, alphalab.models, alphalab.models.prices; sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
