"""How do a typical day and a typical week look, and how much do they explain?"""

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
    day = int(facts.get("steps_per_day", 24))
    week = 7 * day
    daily, weekly = profile(x, day), profile(x, week)
    place = np.arange(len(x))
    total = np.nanmean((x - np.nanmean(x, axis=0)) ** 2)
    rest_day = np.nanmean((x - daily[place % day]) ** 2)
    rest_week = np.nanmean((x - weekly[place % week]) ** 2)
    level = np.nanmean(weekly, axis=1)
    totals = level.reshape(7, day).mean(1)
    numbers = {
        "variance_explained_by_hour_of_day": number(1 - rest_day / total),
        "variance_explained_by_hour_of_week": number(1 - rest_week / total),
        "quietest_over_busiest_day": number(totals.min() / totals.max()),
        "peak_step_of_day": int(np.nanargmax(np.nanmean(daily, axis=1))),
        "quietest_step_of_day": int(np.nanargmin(np.nanmean(daily, axis=1))),
        "rmse_of_weekly_profile_in_sample": number(np.sqrt(rest_week)),
    }
    figure, axes = canvas(2, 1)
    if figure is not None:
        top, low = axes[0, 0], axes[1, 0]
        scaled = weekly / np.maximum(np.nanmean(weekly, axis=0), 1e-9)
        low_band, middle, high_band = np.nanpercentile(scaled, [10, 50, 90], axis=1)
        days = np.arange(week) / day
        top.fill_between(days, low_band, high_band, color=INK, alpha=0.2, label="10 to 90 % of sensors", lw=0)
        top.plot(days, middle, color=INK, label="median sensor")
        top.set(
            title="Week, each sensor over its own mean",
            xlabel="days since the first row's weekday",
            ylabel="share of mean",
        )
        top.legend(frameon=False)
        for index in range(7):
            low.plot(np.arange(day) * 24 / day, level.reshape(7, day)[index], label=f"day {index + 1}", lw=1.5)
        low.set(
            title="Mean over sensors by day of the week",
            xlabel="hours since the first row's hour",
            ylabel="mean [data units]",
        )
        low.legend(frameon=False, ncols=7)
    finding = (
        f"The hour of the day explains {share(1 - rest_day / total)} of the variance, the hour of the week "
        f"{share(1 - rest_week / total)}. The quietest day of the week carries {share(totals.min() / totals.max())} of the busiest."
    )
    advice = (
        "Model departures from a weekly profile per sensor rather than raw values, and find the place in the week by correlating "
        "the context with that profile, since forecasts are asked for without a clock."
    )
    finish(figure, out, {"title": "Daily and weekly profile", "finding": finding, "numbers": numbers, "advice": advice})


def profile(x, period):
    pad = np.full((-len(x) % period, x.shape[1]), np.nan)
    return np.nanmean(np.concatenate([x, pad]).reshape(-1, period, x.shape[1]), axis=0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("exploration"))
    given = parser.parse_args()
    main(given.data, given.out)
