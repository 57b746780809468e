"""The scorer: what it shows, what it counts, and what it refuses."""

import asyncio

import numpy as np
import pytest

from alphalab.adapters.traffic.scorer import check_forecast, seasonal_scale
from alphalab.candidates import CandidateFailed
from alphalab.errors import AdapterError, ConfigError
from alphalab.measurement import Failure, Measurement

WEEK = "return np.nan_to_num(context[-168:][: self.horizon], nan=100.0)"


async def score(adapter, submission, split="search", seed=0):
    return await adapter.score(submission, split=split, seed=seed)


def series_of(adapter):
    with np.load(adapter.workspace.private / "series.npz") as stored:
        return stored["values"], stored["splits"].tolist()


async def test_the_numbers_are_those_of_the_definition(prepared, submit):
    outcome = await score(prepared, submit(WEEK), split="final")
    values, (train_end, search_end) = series_of(prepared)
    errors, scaled = [], []
    scale = seasonal_scale(values[:train_end], 24)
    for origin in range(search_end, len(values) - 23, 24):
        forecast = np.nan_to_num(values[origin - 168 : origin - 144], nan=100.0)
        error = (forecast.astype(float) - values[origin : origin + 24]).ravel()
        errors.append(error)
        scaled.append((np.abs(error).reshape(24, -1) / scale).ravel())
    errors, scaled = np.concatenate(errors), np.concatenate(scaled)
    assert isinstance(outcome, Measurement)
    assert outcome.value == pytest.approx(np.sqrt(np.nanmean(errors**2)))
    assert outcome.secondary["mae"] == pytest.approx(np.nanmean(np.abs(errors)))
    assert outcome.secondary["mase"] == pytest.approx(np.nanmean(scaled))
    assert outcome.low < outcome.value < outcome.high
    assert outcome.n == outcome.details["origins"] == len(range(search_end, len(values) - 23, 24))
    assert outcome.details["masked"] == np.isnan(errors).sum()
    assert outcome.details["targets"] == np.isfinite(errors).sum()
    assert outcome.sandbox == "none"


async def test_a_perfect_forecast_scores_zero_and_nothing_else_does(prepared, submit):
    values, _ = series_of(prepared)
    np.save(prepared.workspace.root / "all.npy", values)
    cheat = (
        f"values = np.load({str(prepared.workspace.root / 'all.npy')!r}); n = len(context); "
        "end = next(e for e in range(n, len(values)) if np.array_equal(values[e - n : e], context, equal_nan=True)); "
        "return np.nan_to_num(values[end : end + 24])"
    )
    assert (await score(prepared, submit(cheat))).value == 0.0
    assert (await score(prepared, submit("return np.zeros((24, 5))"))).value > 0


@pytest.mark.parametrize("split", ["search", "final"])
async def test_nothing_shown_holds_a_target_still_to_be_answered(prepared, submit, split):
    """Every context equals the series up to its origin, in order of time, and history is the train split only."""
    await score(prepared, submit(WEEK), split=split)
    values, (train_end, search_end) = series_of(prepared)
    calls = prepared.host.opened[-1].calls
    assert [method for method, _ in calls] == ["fit"] + ["predict"] * (len(calls) - 1)
    np.testing.assert_array_equal(calls[0][1]["history"], values[:train_end])
    origin = {"search": train_end, "final": search_end}[split]
    for _, arrays in calls[1:]:
        np.testing.assert_array_equal(arrays["context"], values[origin - 168 : origin])
        origin += 24


async def test_a_submission_cannot_change_the_truth_through_its_inputs(prepared, submit):
    zeros = await score(prepared, submit("context[...] = 0; return np.zeros((24, 5))", "history[...] = 0"))
    assert zeros.value == (await score(prepared, submit("return np.zeros((24, 5))"))).value


async def test_memory_that_is_used_again_is_judged_as_it_was_returned(prepared, submit):
    kept = submit(
        f"self.out[...] = {WEEK[7:]}; return self.out", "self.horizon = horizon; self.out = np.zeros((24, 5))"
    )
    assert (await score(prepared, kept)).value == (await score(prepared, submit(WEEK, name="plain"))).value


async def test_the_same_seed_gives_the_same_score(prepared, submit):
    noisy = submit("return self.rng.normal(size=(24, 5))", "self.rng = np.random.default_rng(seed)")
    first, again, other = [await score(prepared, noisy, seed=seed) for seed in (3, 3, 4)]
    assert (first.value, first.low, first.high) == (again.value, again.low, again.high)
    assert first.value != other.value


@pytest.mark.parametrize(
    ("predict", "kind", "words"),
    [
        ("return None", "protocol", "returned None"),
        ("return np.zeros((5, 24))", "wrong_shape", "(transposed?)"),
        ("return np.zeros((0, 5))", "wrong_shape", "shape (0, 5)"),
        ("return np.zeros((1, 5))", "wrong_shape", "expected [horizon, sensors] = (24, 5)"),
        ("return np.zeros((24, 5, 1))", "wrong_shape", "shape (24, 5, 1)"),
        ("return 0.0", "wrong_shape", "shape ()"),
        ("return np.zeros((24, 5), bool)", "wrong_dtype", "dtype bool"),
        ("return np.zeros((24, 5), complex)", "wrong_dtype", "dtype complex128"),
        ("return np.zeros((24, 5), object)", "wrong_dtype", "dtype object"),
        ("return np.zeros((24, 5)).astype(str)", "wrong_dtype", "dtype <U32"),
        ("return np.full((24, 5), np.nan)", "non_finite", "120 value(s) that are NaN or infinite, of 120"),
        ("return (np.full((24, 5), 1e6)).astype(np.float16)", "non_finite", "call 1"),
        ("return np.full((24, 5), 1e300)", "non_finite", "squared error overflows"),
        ("raise KeyError('gone')", "crashed", "KeyError: 'gone'"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
async def test_an_answer_in_another_form_is_a_failure(prepared, submit, predict, kind, words):
    outcome = await score(prepared, submit(predict))
    assert isinstance(outcome, Failure)
    assert outcome.kind == kind
    assert words in outcome.message


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8", ">f4"])
async def test_any_real_numbers_will_do(prepared, submit, dtype):
    assert isinstance(await score(prepared, submit(f"return np.full((24, 5), 100, {dtype!r})")), Measurement)


def test_array_subclasses_are_refused():
    class Odd(np.ndarray):
        pass

    with pytest.raises(CandidateFailed, match="returned Odd; it must return a plain NumPy array"):
        check_forecast({"result": np.zeros((2, 2)).view(Odd)}, shape=(2, 2), number=0)


async def test_a_failure_late_in_the_split_is_a_failure(prepared, submit):
    late = submit("self.n += 1; return np.full((24, 5), np.nan if self.n == 7 else 1.0)", "self.n = 0")
    outcome = await score(prepared, late)
    assert "call 7" in outcome.message


async def test_one_slow_call_and_a_slow_total_are_both_refused(prepared, submit, evolve):
    slow = submit("import time; time.sleep(0.03); return np.zeros((24, 5))")
    one = await score(evolve(prepared, call_limit_s=0.01), slow)
    assert (one.kind, one.message) == ("timed_out", "predict took longer than 0.01 s")
    together = await score(evolve(prepared, time_limit_s=0.1), slow)
    assert together.kind == "timed_out"
    assert together.seconds > 0.09


async def test_sensors_without_a_scale_leave_mase_out(prepared, submit):
    history = np.tile([[1.0, 2.0], [1.0, 5.0]], (4, 1))
    np.testing.assert_array_equal(seasonal_scale(history, 1), [np.nan, 3.0])
    history[:, 1] = np.nan
    assert np.isnan(seasonal_scale(history, 1)).all()


async def test_the_trace_holds_losses_per_origin_and_an_example(prepared, submit, evolve, tmp_path):
    path = tmp_path / "traces" / "search-0.npz"
    outcome = await score(evolve(prepared, trace=path), submit(WEEK))
    values, (train_end, _) = series_of(prepared)
    with np.load(path, allow_pickle=False) as trace:
        assert np.sqrt(trace["loss"].sum() / trace["weight"].sum()) == pytest.approx(outcome.value)
        assert len(trace["origin"]) == outcome.details["origins"]
        chosen, rows = trace["example_sensor"], slice(train_end, train_end + 168)
        assert len(chosen) == 3
        np.testing.assert_array_equal(trace["example_truth"], values[rows][:, chosen])
        assert trace["example_prediction"].shape == (168, 3)
        assert trace["example_time"][0] == np.datetime64("2024-01-01T00") + np.timedelta64(train_end, "h")
    await score(evolve(prepared, trace=tmp_path / "none.npz"), submit("return None"))
    assert not (tmp_path / "none.npz").exists()


async def test_what_is_not_scored_is_an_error_of_the_caller(prepared, submit, make_adapter, evolve, tmp_path):
    with pytest.raises(ConfigError, match="split 'train' is not scored"):
        await score(prepared, submit(WEEK), split="train")
    with pytest.raises(AdapterError, match="call attach"):
        await score(make_adapter(), submit(WEEK))
    empty = evolve(prepared, workspace=type(prepared.workspace)(tmp_path / "empty"))
    with pytest.raises(AdapterError, match="call prepare"):
        await score(empty, submit(WEEK))


async def test_cancelling_ends_the_candidate_before_it_returns(prepared, submit):
    endless = submit("import time; time.sleep(0.05); return np.zeros((24, 5))")
    running = asyncio.create_task(score(prepared, endless))
    while not (prepared.host.opened and prepared.host.opened[-1].calls):  # noqa: ASYNC110, another thread sets it
        await asyncio.sleep(0.005)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert prepared.host.opened[-1].closed
    assert len(prepared.host.opened[-1].calls) < 5
