"""Splits are in order of time, and no context holds a target still to be answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphalab.adapters import Splits
from alphalab.adapters.traffic.splits import length_problem, make_plan, needed_hours, stride_problem
from alphalab.errors import ConfigError


def test_shares_of_two_years():
    plan = make_plan(17544, Splits(), period=24, horizon=24, context=672)
    assert (plan.train_end, plan.search_end) == (12264, 14904)
    assert plan.train_end % 24 == plan.search_end % 24 == 0
    assert plan.origins("search") == range(12264, 14881, 24)
    assert plan.origins("final")[-1] + 24 == 17544


def test_only_scored_splits_have_origins():
    plan = make_plan(17544, Splits(), period=24, horizon=24, context=672)
    with pytest.raises(ConfigError, match="split 'train' is not scored; use one of search, final"):
        plan.origins("train")


@given(
    hours=st.integers(200, 5000),
    period=st.sampled_from([1, 24, 96]),
    horizon=st.integers(1, 50),
    context=st.integers(24, 400),
    extra=st.integers(0, 30),
)
def test_targets_come_after_every_context_shown_before(hours, period, horizon, context, extra):
    plan = make_plan(hours, Splits(), period=period, horizon=horizon, context=context, stride=horizon + extra)
    if length_problem(plan, Splits(), period=period):
        return
    assert 0 < plan.train_end < plan.search_end < hours
    shown = plan.train_end
    for split in ("search", "final"):
        start, end = plan.bounds(split)
        for origin in plan.origins(split):
            assert origin - context >= 0
            assert start <= origin
            assert origin + horizon <= end
            assert shown <= origin  # nothing shown so far is a target of this forecast
            shown = origin


@given(period=st.sampled_from([1, 24, 96]), horizon=st.integers(1, 100), context=st.integers(24, 700))
def test_needed_length_is_the_smallest_that_fits(period, horizon, context):
    needed = needed_hours(Splits(), period=period, horizon=horizon, context=context)
    fits = make_plan(needed, Splits(), period=period, horizon=horizon, context=context)
    short = make_plan(needed - 1, Splits(), period=period, horizon=horizon, context=context)
    assert length_problem(fits, Splits(), period=period) is None
    assert f"need at least {needed} " in str(length_problem(short, Splits(), period=period))


def test_a_stride_below_the_horizon_would_leak():
    assert "option stride=12 is below horizon=24" in str(stride_problem(24, 12))
    assert stride_problem(24, 0) is None
    assert stride_problem(24, 24) is None
