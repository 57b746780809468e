"""How large are the errors of naive forecasts, by horizon and by day of the week?"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore", message="Mean of empty slice|Degrees of freedom|All-NaN")  # sensors can be silent
INK, SECOND, MUTED = "#1f5a99", "#d1622b", "#9aa4af"


def load(folder):
    """Values [hours, sensors] with NaN, the time of each row or None, and the facts of the data."""
    facts = json.loads((folder / "facts.json").read_text()) if (folder / "facts.json").is_file() else {}
    with np.load(folder / "train.npz", allow_pickle=False) as stored:
        time = stored["time"] if "time" in stored.files else None
        return stored["values"].astype(np.float64), time, facts


def canvas(rows, columns):
    """A figure of 1200 x 700 pixels, or None where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None, None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "font.size": 10}
    )
    figure, axes = plt.subplots(rows, columns, figsize=(12, 7), dpi=100, layout="constrained", squeeze=False)
    return figure, axes


def finish(figure, out, result):
    """Save the plot and print what was found."""
    plot = None
    if figure is not None:
        plot = out / "plots" / f"{Path(__file__).stem}.png"
        plot.parent.mkdir(parents=True, exist_ok=True)
        figure.suptitle(result["title"], fontweight="bold")
        figure.savefig(plot)
    print(json.dumps({**result, "plot": None if plot is None else str(plot)}))


def share(value):
    return f"{100 * value:.1f} %"


def number(value):
    """A finite float with four digits, or None."""
    return float(f"{float(value):.4g}") if np.isfinite(value) else None


def main(data, out):
    x, _, facts = load(data)
    day, horizon = int(facts.get("steps_per_day", 24)), int(facts.get("horizon", 24))
    week = 7 * day
    start = len(x) - len(x) // 5
    start -= start % day
    average = profile(x[:start], week)
    origins = np.arange(max(start, week), len(x) - horizon + 1, horizon)
    errors = {"daily naive": [], "weekly naive": [], "weekly profile": []}
    for o in origins:
        rows = np.arange(o, o + horizon)
        back = lambda season: x[rows - season * (1 + (rows - o) // season)]
        errors["daily naive"].append(x[rows] - back(day))
        errors["weekly naive"].append(x[rows] - back(week))
        errors["weekly profile"].append(x[rows] - average[rows % week])
    errors = {name: np.stack(value) for name, value in errors.items() if value}  # [origins, horizon, sensors]
    rmse = {name: np.sqrt(np.nanmean(value**2)) for name, value in errors.items()}
    sensors = np.nansum(errors["weekly naive"] ** 2, axis=(0, 1))
    worst = np.sort(sensors)[::-1]
    numbers = {
        **{f"rmse_{name.replace(' ', '_')}": number(value) for name, value in rmse.items()},
        "weekly_naive_error_share_of_worst_sensor": number(worst[0] / max(worst.sum(), 1e-9)),
        "weekly_naive_error_share_of_worst_tenth": number(
            worst[: max(1, len(worst) // 10)].sum() / max(worst.sum(), 1e-9)
        ),
        "origins": len(origins),
    }
    figure, axes = canvas(1, 2)
    if figure is not None:
        left, right = axes[0]
        for (name, value), color in zip(errors.items(), (MUTED, INK, SECOND)):
            left.plot(np.arange(1, horizon + 1), np.sqrt(np.nanmean(value**2, axis=(0, 2))), label=name, color=color)
            kind = origins // day % 7
            by_day = [np.sqrt(np.nanmean(value[kind == d] ** 2)) if (kind == d).any() else np.nan for d in range(7)]
            right.plot(np.arange(1, 8), by_day, marker="o", label=name, color=color)
        left.set(title="By step of the forecast", xlabel="steps ahead", ylabel="RMSE [data units]", ylim=(0, None))
        right.set(
            title="By day of the week of the origin",
            xlabel="day, counted from the first row's weekday",
            ylabel="RMSE [data units]",
            ylim=(0, None),
        )
        left.legend(frameon=False)
    finding = (
        f"On the last fifth of the train split repeating the week has RMSE {rmse['weekly naive']:.4g}, repeating the day "
        f"{rmse['daily naive']:.4g}, the fixed weekly profile {rmse['weekly profile']:.4g}; the worst sensor makes "
        f"{share(numbers['weekly_naive_error_share_of_worst_sensor'])} of the weekly naive's squared error."
    )
    advice = (
        "Judge a model against the weekly naive, not the daily one. Where one faulty sensor holds much of the error, shrink its "
        "forecast to a robust profile instead of following its spikes."
    )
    finish(
        figure, out, {"title": "Errors of naive forecasts", "finding": finding, "numbers": numbers, "advice": advice}
    )


def profile(x, period):
    pad = np.full((-len(x) % period, x.shape[1]), np.nan)
    mean = np.nanmean(np.concatenate([x, pad]).reshape(-1, period, x.shape[1]), axis=0)
    return np.where(np.isfinite(mean), mean, np.nanmean(x, axis=0))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("exploration"))
    given = parser.parse_args()
    main(given.data, given.out)
