"""Forecasting many series that repeat by day and by week, such as road traffic."""

from alphalab.adapters.traffic.adapter import TrafficAdapter
from alphalab.adapters.traffic.data import Series, load_series
from alphalab.adapters.traffic.scorer import ForecastScorer
from alphalab.adapters.traffic.simulate import simulate, write_simulated
from alphalab.adapters.traffic.splits import Plan, make_plan
from alphalab.adapters.traffic.tables import Reading

__all__ = [
    "ForecastScorer",
    "Plan",
    "Reading",
    "Series",
    "TrafficAdapter",
    "load_series",
    "make_plan",
    "simulate",
    "write_simulated",
]
