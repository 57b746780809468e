"""Is the level stationary, and do sensors change for good?"""

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
    usual = profile(x, week)[np.arange(len(x)) % week]
    seen, weeks = np.isfinite(x), len(x) // week
    fold = lambda values: values[: weeks * week].reshape(weeks, week, -1).sum(1)  # [weeks, sensors]
    expected = fold(np.where(seen, usual, 0))
    level = np.where(expected > 0, fold(np.where(seen, x, 0)) / np.maximum(expected, 1e-9), np.nan)
    network = np.nansum(level * expected, axis=1) / np.maximum(expected.sum(1), 1e-9)
    slope = np.polyfit(np.arange(weeks), network, 1)[0] if weeks > 2 else 0.0
    step = np.abs(np.diff(level, axis=0))
    jumps = step > 0.3
    half = max(1, weeks // 2)
    drift = np.nanmean(level[half:], axis=0) / np.maximum(np.nanmean(level[:half], axis=0), 1e-9)
    numbers = {
        "weeks": weeks,
        "network_slope_per_year": number(52 * slope),
        "network_level_standard_deviation": number(np.nanstd(network)),
        "typical_change_of_a_sensor_between_weeks": number(np.nanmedian(step)) if step.size else None,
        "sensors_with_a_jump_above_30_percent": int(jumps.any(0).sum()),
        "sensors_that_drift_more_than_20_percent": int((np.abs(drift - 1) > 0.2).sum()),
        "last_four_weeks_over_all": number(np.nanmean(network[-4:]) / max(np.nanmean(network), 1e-9)),
    }
    figure, axes = canvas(2, 1)
    if figure is not None:
        top, low = axes[0, 0], axes[1, 0]
        bands = np.nanpercentile(level, [10, 50, 90], axis=1)
        top.fill_between(
            np.arange(weeks), bands[0], bands[2], color=INK, alpha=0.2, lw=0, label="10 to 90 % of sensors"
        )
        top.plot(network, color=INK, label="network")
        top.set(
            title="Weekly level over the weekly profile", xlabel="weeks since the first row", ylabel="share of usual"
        )
        top.legend(frameon=False)
        low.hist(np.clip(drift, 0, 2), bins=40, color=SECOND)
        low.set(title="Second half over first half, each sensor", xlabel="ratio of mean levels", ylabel="sensors")
    finding = (
        f"The network's level varies by {share(np.nanstd(network))} between weeks with a slope of {share(52 * slope)} a year; "
        f"{numbers['sensors_with_a_jump_above_30_percent']} sensors jump by more than 30 % from one week to the next and "
        f"{numbers['sensors_that_drift_more_than_20_percent']} differ by more than 20 % between the halves."
    )
    advice = (
        "Let the level follow the last one to four weeks of the context instead of the whole history, per sensor; a fixed profile is "
        "out of date, and a trend extrapolated for months is not supported by the data."
    )
    finish(figure, out, {"title": "Trend and drift", "finding": finding, "numbers": numbers, "advice": advice})


def profile(x, period):
    pad = np.full((-len(x) % period, x.shape[1]), np.nan)
    return np.nanmean(np.concatenate([x, pad]).reshape(-1, period, x.shape[1]), axis=0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("exploration"))
    given = parser.parse_args()
    main(given.data, given.out)
