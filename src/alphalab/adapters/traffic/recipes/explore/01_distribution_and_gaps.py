"""How are the values distributed, and where are they missing?"""

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
    x, _, _ = load(data)
    missing = np.isnan(x)
    measured = x[~missing]
    per_sensor, per_row = missing.mean(0), missing.mean(1)
    silent = per_row == 1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(int), [0]])))
    runs = edges[1::2] - edges[::2]
    means = np.nanmean(x, axis=0)
    numbers = {
        "mean": number(measured.mean()),
        "standard_deviation": number(measured.std()),
        "maximum": number(measured.max()),
        "zero_share": number((measured == 0).mean()),
        "missing_share": number(missing.mean()),
        "sensors_with_more_than_5_percent_missing": int((per_sensor > 0.05).sum()),
        "steps_missing_everywhere": int(silent.sum()),
        "longest_outage_of_everything_steps": int(runs.max()) if len(runs) else 0,
        "largest_over_median_sensor_mean": number(np.nanmax(means) / max(np.nanmedian(means), 1e-9)),
        "share_of_variance_in_top_tenth_of_sensors": number(top_share(np.nanvar(x, axis=0))),
    }
    figure, axes = canvas(2, 2)
    if figure is not None:
        a, b, c, d = axes.ravel()
        a.hist(measured[:: max(1, len(measured) // 200_000)], bins=80, color=INK)
        a.set(title="All values", xlabel="value [data units]", ylabel="count", yscale="log")
        b.plot(np.sort(means)[::-1], color=INK)
        b.set(title="Mean of each sensor", xlabel="sensors by rank", ylabel="mean [data units]")
        c.plot(np.arange(len(x)) / 24 if len(x) > 24 else np.arange(len(x)), 100 * per_row, color=SECOND, lw=0.6)
        c.set(title="Missing at each step", xlabel="steps / 24", ylabel="sensors missing [%]")
        d.plot(np.sort(100 * per_sensor)[::-1], color=SECOND)
        d.set(title="Missing in each sensor", xlabel="sensors by rank", ylabel="steps missing [%]")
    finding = (
        f"{share(missing.mean())} of the values are missing; {int(silent.sum())} steps are missing for every sensor at once, "
        f"the longest run {numbers['longest_outage_of_everything_steps']} steps. The busiest tenth of the sensors holds "
        f"{share(numbers['share_of_variance_in_top_tenth_of_sensors'])} of the variance."
    )
    advice = (
        "Fill gaps from the weekly profile and the sensor's own level, never with zero; mask missing targets in training; "
        + ("expect contexts with whole days missing. " if len(runs) and runs.max() >= 24 else "")
        + "Pooled squared error is decided by the busiest sensors."
    )
    finish(figure, out, {"title": "Distribution and gaps", "finding": finding, "numbers": numbers, "advice": advice})


def top_share(variance):
    ordered = np.sort(np.nan_to_num(variance))[::-1]
    return ordered[: max(1, len(ordered) // 10)].sum() / max(ordered.sum(), 1e-12)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("exploration"))
    given = parser.parse_args()
    main(given.data, given.out)
