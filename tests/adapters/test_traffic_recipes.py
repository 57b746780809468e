"""The traffic adapter's recipes, baselines and exploration scripts are programs that run."""

import ast
import importlib.util
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alphalab.adapters.base import DomainAdapter
from alphalab.adapters.prompts import PLACEHOLDERS, render_prompt
from alphalab.adapters.registry import built_in_folder, load_adapter
from alphalab.adapters.traffic.simulate import simulate

FOLDER = built_in_folder("traffic")
CATALOGUE = DomainAdapter.from_folder(FOLDER).catalogue
RECIPES = {recipe.file.removesuffix(".py"): recipe for recipe in CATALOGUE.recipe}
RUNNABLE = [
    pytest.param(name, marks=[getattr(pytest.mark, module) for module in recipe.requires])
    for name, recipe in RECIPES.items()
]
BASELINES = {Path(entry.folder).name: entry for entry in CATALOGUE.baseline}
EXPLORE = sorted((FOLDER / "recipes/explore").glob("*.py"))
DRAWS = 3
HORIZON, CONTEXT = 24, 672


def history_with_gaps(days: int = 91, sensors: int = 8) -> np.ndarray:
    """A simulated network in which a whole day, a whole sensor's month and a holiday are unlike the rest."""
    values = simulate(sensors=sensors, days=days, seed=3).values.copy()
    values[40 * 24 : 41 * 24] = np.nan
    values[20 * 24 : 50 * 24, 2] = np.nan
    values[80 * 24 : 81 * 24] = np.nan  # within the contexts
    return values


def load(path: Path, parameters: dict[str, object] | None = None):
    """A forecaster class, its parameters changed as a campaign changes them: in the source."""
    source = path.read_text()
    if parameters is not None:
        source = re.sub(
            r"^PARAMETERS = .*$", lambda _: f"PARAMETERS = {parameters!r}", source, count=1, flags=re.MULTILINE
        )
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("candidate", loader=None))
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module.Forecaster


def forecasts(
    forecaster_class, values: np.ndarray, *, horizon: int = HORIZON, context: int = CONTEXT, train: float = 0.7
):
    """Fit on the first days and forecast the next ones, as the scorer does."""
    cut = int(len(values) * train) // 24 * 24
    forecaster = forecaster_class()
    forecaster.fit(values[:cut].copy(), horizon=horizon, seed=0)
    origins = range(max(cut, context), len(values) - horizon + 1, horizon)
    return origins, [np.asarray(forecaster.predict(values[o - context : o].copy())) for o in origins]


def rmse(values, origins, answers) -> float:
    errors = np.concatenate(
        [(answer - values[o : o + len(answer)]).ravel() for o, answer in zip(origins, answers, strict=True)]
    )
    return float(np.sqrt(np.nanmean(errors**2)))


def draw(recipe, seed: int) -> dict[str, object]:
    """Parameters drawn from a recipe's space, with a way of filling gaps."""
    rng, drawn = random.Random(seed), {}
    for name, space in recipe.parameters.items():
        if space.kind == "choice":
            drawn[name] = rng.choice([choice for choice in space.choices if choice != "none"])
        elif space.log:
            drawn[name] = float(np.exp(rng.uniform(np.log(space.low), np.log(space.high))))
        else:
            drawn[name] = rng.uniform(space.low, space.high)
        drawn[name] = round(drawn[name]) if space.kind == "int" else drawn[name]
    return drawn


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return history_with_gaps()


# -- catalogue ---------------------------------------------------------------------------------------------------------


def test_the_adapter_has_no_problem():
    assert not load_adapter("traffic").check()


def test_the_first_five_recipes_are_of_different_families():
    assert len({recipe.family for recipe in CATALOGUE.recipe[:5]}) == 5


def test_baselines_have_one_floor_and_one_reference():
    roles = [baseline.role for baseline in CATALOGUE.baseline]
    assert roles.count("floor") == roles.count("reference") == 1


@pytest.mark.parametrize("name", RECIPES)
def test_parameters_in_the_source_are_the_catalogues_defaults(name):
    (line,) = re.findall(r"^PARAMETERS = (\{.*\})$", (FOLDER / f"recipes/{name}.py").read_text(), re.MULTILINE)
    assert ast.literal_eval(line) == {key: space.default for key, space in RECIPES[name].parameters.items()}


@pytest.mark.parametrize("name", RECIPES)
def test_defaults_lie_inside_the_space_and_remedies_change_known_parameters(name):
    recipe = RECIPES[name]
    for space in recipe.parameters.values():
        assert space.default in space.choices if space.kind == "choice" else space.low <= space.default <= space.high
    for remedy in recipe.remedies:
        assert {*remedy.set, *remedy.scale} <= set(recipe.parameters)


@pytest.mark.parametrize("name", RECIPES)
def test_one_draw_in_six_leaves_gaps_and_has_a_remedy(name):
    recipe = RECIPES[name]
    assert recipe.parameters["fill"].choices.count("none") * 6 == len(recipe.parameters["fill"].choices)
    repaired = {kind for remedy in recipe.remedies if remedy.set.get("fill") == "seasonal" for kind in remedy.when}
    assert repaired >= {"non_finite", "crashed"}


def test_prompts_render_with_the_known_placeholders():
    adapter = DomainAdapter.from_folder(FOLDER)
    for text in adapter.prompts.values():
        rendered = render_prompt(text, dict.fromkeys(PLACEHOLDERS, "VALUE"))
        assert "$" not in rendered
        assert 200 <= len(rendered.split()) <= 500


# -- recipes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_recipe_beats_the_weekly_naive_on_a_series_with_gaps(name, values):
    origins, answers = forecasts(load(FOLDER / f"recipes/{name}.py"), values)
    for answer in answers:
        assert answer.shape == (HORIZON, values.shape[1])
        assert np.isfinite(answer).all()
        assert (answer >= 0).all()
    naive = forecasts(load(FOLDER / "baselines/seasonal_naive/forecaster.py"), values)
    assert rmse(values, origins, answers) < rmse(values, *naive)


@pytest.mark.parametrize("seed", range(DRAWS))
@pytest.mark.parametrize("name", RUNNABLE)
def test_drawn_parameters_give_finite_forecasts(name, seed, values):
    _, answers = forecasts(load(FOLDER / f"recipes/{name}.py", draw(RECIPES[name], seed)), values, train=0.85)
    assert all(answer.shape == (HORIZON, values.shape[1]) and np.isfinite(answer).all() for answer in answers)


@pytest.mark.parametrize("name", RUNNABLE)
def test_gaps_left_open_really_fail(name, values):
    defaults = {key: space.default for key, space in RECIPES[name].parameters.items()}
    try:
        _, answers = forecasts(load(FOLDER / f"recipes/{name}.py", {**defaults, "fill": "none"}), values)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError):
        return
    assert not all(np.isfinite(answer).all() for answer in answers)


@pytest.mark.parametrize("name", RUNNABLE)
def test_the_same_seed_gives_the_same_forecast(name, values):
    once, again = (forecasts(load(FOLDER / f"recipes/{name}.py"), values[: 80 * 24])[1] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


SHAPES = {
    "two days ahead": (48, 672),
    "half days": (12, 336),
    "odd horizon": (30, 168),
    "one day of context": (24, 24),
    "a week ahead": (168, 672),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*RUNNABLE, *BASELINES])
def test_other_horizons_and_contexts_work(name, shape, values):
    path = FOLDER / (f"recipes/{name}.py" if name in RECIPES else f"baselines/{name}/forecaster.py")
    horizon, context = SHAPES[shape]
    _, answers = forecasts(load(path), values[: 60 * 24, :4], horizon=horizon, context=context)
    assert answers
    assert all(answer.shape == (horizon, 4) and np.isfinite(answer).all() for answer in answers)


@pytest.mark.parametrize("name", [*RUNNABLE, *BASELINES])
def test_a_quarter_hourly_series_and_an_empty_context_work(name):
    path = FOLDER / (f"recipes/{name}.py" if name in RECIPES else f"baselines/{name}/forecaster.py")
    values = np.repeat(simulate(sensors=3, days=31, seed=1).values, 4, axis=0) / 4
    forecaster = load(path)()
    forecaster.fit(values[: 24 * 96].copy(), horizon=96, seed=0)
    empty = np.full((672, 3), np.nan, np.float32)
    for context in (values[24 * 96 - 672 : 24 * 96], empty):
        answer = np.asarray(forecaster.predict(context))
        assert answer.shape == (96, 3)
        assert np.isfinite(answer).all()


def test_the_adaptive_recipe_joins_contexts_to_its_history_and_keeps_the_week_over_a_gap():
    values = simulate(sensors=6, days=70, seed=5, holidays=0).values
    forecaster = load(FOLDER / "recipes/adaptive.py")()
    forecaster.fit(values[: 42 * 24].copy(), horizon=24, seed=0)
    for day in (42, 43, 43, 46):
        forecaster.predict(values[day * 24 - 672 : day * 24].copy())
    assert np.array_equal(forecaster.history, values[: 46 * 24].astype(np.float32), equal_nan=True)
    forecaster.fit(values[: 35 * 24].copy(), horizon=24, seed=0)
    forecaster.predict(values[38 * 24 : 66 * 24].copy())  # three days were never shown
    assert len(forecaster.history) == 66 * 24
    assert np.isnan(forecaster.history[35 * 24 : 38 * 24]).all()


# -- baselines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_answers_gaps_with_finite_numbers(name, values):
    _, answers = forecasts(load(FOLDER / f"baselines/{name}/forecaster.py"), values)
    assert all(answer.shape == (HORIZON, values.shape[1]) and np.isfinite(answer).all() for answer in answers)


def test_the_seasonal_naive_repeats_the_week_and_falls_back_to_the_week_before():
    clean = simulate(sensors=3, days=60, seed=2, gaps=False).values
    forecaster = load(FOLDER / "baselines/seasonal_naive/forecaster.py")()
    forecaster.fit(clean[: 40 * 24], horizon=24, seed=0)
    context = clean[:672].copy()
    assert np.array_equal(forecaster.predict(context), context[-168:-144])
    context[-168:-144, 1] = np.nan
    assert np.array_equal(forecaster.predict(context)[:, 1], context[-336:-312, 1])


def test_the_historical_average_finds_the_day_of_the_week():
    values = simulate(sensors=12, days=70, seed=4, holidays=0).values
    forecaster = load(FOLDER / "baselines/historical_average/forecaster.py")()
    forecaster.fit(values[: 42 * 24], horizon=24, seed=0)
    for day in range(56, 63):
        expected = forecaster.profile[np.arange(day * 24, day * 24 + 24) % 168]
        assert np.array_equal(forecaster.predict(values[day * 24 - 672 : day * 24]), expected)


# -- exploration and evaluation tests ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, values) -> Path:
    root = tmp_path_factory.mktemp("workspace")
    (root / "data").mkdir()
    (root / "evaluation/tests").mkdir(parents=True)
    cut = 60 * 24
    time = np.datetime64("2024-01-01T00", "h") + np.arange(cut)
    np.savez(root / "data/train.npz", values=values[:cut], sensor=np.array([f"s{i}" for i in range(8)]), time=time)
    (root / "data/facts.json").write_text(json.dumps({"steps_per_day": 24, "horizon": HORIZON}))
    return root


@pytest.mark.parametrize("script", EXPLORE, ids=lambda path: path.stem)
def test_an_exploration_script_prints_a_finding_and_draws_a_plot(script, workspace):
    pytest.importorskip("matplotlib")
    command = [sys.executable, "-W", "error", str(script), "--data", "data", "--out", "exploration"]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {"title", "finding", "numbers", "advice", "plot"} == set(result)
    assert re.search(r"\d", result["finding"])
    assert (workspace / f"exploration/plots/{script.stem}.png").read_bytes().startswith(b"\x89PNG")
    assert script.read_text().splitlines()[0].endswith('?"""')


def test_an_exploration_script_reports_without_matplotlib(workspace, tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not installed')")
    command = [sys.executable, str(EXPLORE[0]), "--data", "data", "--out", str(tmp_path / "out")]
    env = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, timeout=60, check=True, env=env)
    assert json.loads(done.stdout)["plot"] is None


PROTOCOL = {
    "metric": "rmse",
    "goal": "minimize",
    "train": [0, 60 * 24],
    "search": [60 * 24, 75 * 24],
    "final": [75 * 24, 91 * 24],
    "horizon": 24,
    "context": 672,
    "stride": 24,
    "period": 24,
}


def run_evaluation_tests(workspace: Path, protocol: dict[str, object]) -> subprocess.CompletedProcess[str]:
    (workspace / "evaluation/evaluation.json").write_text(json.dumps(protocol))
    (workspace / "evaluation/tests/test_evaluation.py").write_text((FOLDER / "tests/test_evaluation.py").read_text())
    command = [sys.executable, "-B", "-m", "unittest", "discover", "-s", "evaluation/tests", "-t", "evaluation/tests"]
    return subprocess.run(command, cwd=workspace, capture_output=True, text=True, timeout=60, check=False)


def test_the_evaluation_tests_pass_on_a_sound_evaluation(workspace):
    done = run_evaluation_tests(workspace, PROTOCOL)
    assert done.returncode == 0, done.stderr
    assert "Ran 0 tests" not in done.stderr


@pytest.mark.parametrize(
    "broken",
    [
        {"stride": 12},
        {"goal": "maximize"},
        {"train": [0, 59 * 24]},
        {"search": [59 * 24, 75 * 24]},
        {"final": [75 * 24, 75 * 24 + 12]},
        {"context": 61 * 24},
    ],
    ids=str,
)
def test_the_evaluation_tests_fail_on_a_broken_evaluation(workspace, broken):
    assert run_evaluation_tests(workspace, {**PROTOCOL, **broken}).returncode != 0
