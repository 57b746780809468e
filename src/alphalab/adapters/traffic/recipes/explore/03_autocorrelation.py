"""How long do departures from the weekly profile last?"""

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
    z = x - np.nanmean(x, axis=0)
    rest = x - profile(x, week)[np.arange(len(x)) % week]
    lags = [
        lag for lag in sorted({*range(1, day + 1), *range(day, 4 * week + 1, max(1, day // 2))}) if lag < len(x) // 2
    ]
    picks = np.argsort(-np.nan_to_num(np.nanvar(x, axis=0)))[:40]  # the sensors that decide the error
    raw = np.array([correlation(z[:, picks], lag) for lag in lags])
    left = np.array([correlation(rest[:, picks], lag) for lag in lags])
    at = {lag: index for index, lag in enumerate(lags)}
    pick = lambda values, lag: number(values[at[lag]]) if lag in at else None
    numbers = {
        "raw_one_step": pick(raw, 1),
        "raw_one_day": pick(raw, day),
        "raw_one_week": pick(raw, week),
        "departure_one_step": pick(left, 1),
        "departure_six_hours": pick(left, max(1, day // 4)),
        "departure_one_day": pick(left, day),
        "departure_two_days": pick(left, 2 * day),
        "departure_one_week": pick(left, week),
        "departure_four_weeks": pick(left, 4 * week),
    }
    figure, axes = canvas(2, 1)
    if figure is not None:
        for axis, values, name in (
            (axes[0, 0], raw, "Values"),
            (axes[1, 0], left, "Departures from the weekly profile"),
        ):
            axis.plot(np.array(lags) / day, values, color=INK)
            axis.set(title=name, xlabel="lag [days]", ylabel="autocorrelation", ylim=(min(-0.1, values.min()), 1))
            for lag in (day, week):
                axis.axvline(lag / day, color=SECOND, lw=0.8, ls="--")
    finding = (
        f"Values correlate {numbers['raw_one_day']} with the day and {numbers['raw_one_week']} with the week before. Departures from the "
        f"weekly profile correlate {numbers['departure_one_step']} after one step, {numbers['departure_one_day']} after one day and "
        f"{numbers['departure_one_week']} after one week."
    )
    advice = (
        "Departures carry over: feed a model the departures at the same hour of the last days and weeks, the latest hours, and a slow "
        "level; the latest hours matter for the first steps only."
    )
    finish(figure, out, {"title": "Autocorrelation", "finding": finding, "numbers": numbers, "advice": advice})


def profile(x, period):
    pad = np.full((-len(x) % period, x.shape[1]), np.nan)
    return np.nanmean(np.concatenate([x, pad]).reshape(-1, period, x.shape[1]), axis=0)


def correlation(z, lag):
    both = np.isfinite(z[lag:]) & np.isfinite(z[:-lag])
    a, b = np.where(both, z[lag:], 0), np.where(both, z[:-lag], 0)
    return (a * b).sum() / max(np.sqrt((a**2).sum() * (b**2).sum()), 1e-12)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("exploration"))
    given = parser.parse_args()
    main(given.data, given.out)
