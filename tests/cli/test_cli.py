"""The command line: output, one-line errors, exit codes, and the figures of the library."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import polars as pl
import pytest
from click.testing import CliRunner, Result

import polarsprof
from polarsprof.cli import COMMANDS, main
from polarsprof.cli.console import CommandGroup
from polarsprof.engines.one_shot import profile
from polarsprof.profiles.merging import merge, read
from polarsprof.profiles.profile import Profile
from polarsprof.store import ProfileStore
from polarsprof.testing import assert_profile_equal

SLOW = {"polars", "numpy", "pyarrow", "rich"}
FRAME = pl.DataFrame({"n": [3, 1, None, 2], "s": ["a", "b", "a", "ü"]})


def run(*arguments: object, data: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=data)


def printed_json(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def assert_fails(result: Result, *parts: str, code: int = 1) -> None:
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    if code == 1:
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr


def ndjson(rows: int, start_hour: int = 0) -> bytes:
    lines = (f'{{"at": "2026-01-01T{start_hour + i // 60:02}:{i % 60:02}:00Z", "price": {i}}}\n' for i in range(rows))
    return "".join(lines).encode()


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "data.parquet"
    FRAME.write_parquet(path)
    return path


# ------------------------------------------------------------------------------------------------------------- profile


def test_profile_prints_every_column(parquet: Path) -> None:
    result = run("profile", parquet)
    assert result.exit_code == 0
    assert "4 rows · 2 columns" in result.stdout
    assert result.stderr == ""


def test_profile_as_json_has_the_summary_of_the_library(parquet: Path) -> None:
    found = printed_json(run("profile", parquet, "--json"))
    assert found["rows"] == 4
    assert found["window"] is None
    assert found["columns"] == profile(FRAME).summary().to_dicts()


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".parquet", pl.DataFrame.write_parquet),
        (".csv", pl.DataFrame.write_csv),
        (".ndjson", pl.DataFrame.write_ndjson),
        (".arrow", pl.DataFrame.write_ipc),
    ],
)
def test_profile_reads_each_format_alike(tmp_path: Path, suffix: str, write: Callable[..., object]) -> None:
    path = tmp_path / f"data{suffix}"
    write(FRAME, path)
    assert printed_json(run("profile", path, "--json"))["columns"] == profile(FRAME).summary().to_dicts()


def test_profile_writes_files_that_show_reads(parquet: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.bin"
    assert run("profile", parquet, parquet, "-o", out).exit_code == 0
    assert_profile_equal(read(out), profile(pl.concat([FRAME, FRAME])))
    assert printed_json(run("show", out, "--json"))["rows"] == 8


def test_profile_never_overwrites_its_input(parquet: Path) -> None:
    before = parquet.read_bytes()
    assert_fails(run("profile", parquet, "-o", parquet), "--output", code=2)
    assert parquet.read_bytes() == before


def test_json_has_only_finite_numbers(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"x": [float("nan"), float("inf"), float("-inf"), 1.0]}).write_parquet(path)
    result = run("profile", path, "--json")
    column = json.loads(result.stdout, parse_constant=pytest.fail)["columns"][0]
    assert (column["nan_count"], column["infinite_count"], column["max"], column["q99"]) == (1, 2, "inf", None)


# -------------------------------------------------------------------------------------------------------------- stream


def test_stream_reads_standard_input_into_windows(tmp_path: Path) -> None:
    store = tmp_path / "store"
    result = run(
        "stream", "-", "--dataset", "d", "--rotate", "1h", "--timestamp", "at", "--store", store, data=ndjson(150)
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == f"150 rows, 0 rejected → 3 window files in {store}\n"
    windows = ProfileStore(store).windows("d")
    assert [ProfileStore(store).read("d", w.start, w.end).rows for w in windows] == [60, 60, 30]
    assert ProfileStore(store).read("d")["price"].sum == sum(range(150))


def test_stream_counts_rejected_rows_and_warns(tmp_path: Path) -> None:
    data = b'{"n": 1}\nnot json\n[1]\n{"n": 2}'
    result = run("stream", "-", "--dataset", "d", "--store", tmp_path, "--json", data=data)
    found = printed_json(result)
    assert (found["rows_logged"], found["rows_profiled"], found["rows_rejected"]) == (4, 2, 2)
    assert result.stderr.count("warning: ") == result.stderr.count("\n") >= 1
    assert ProfileStore(tmp_path).read("d")["n"].sum == 3


def test_stream_of_files_equals_stream_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(ndjson(150))
    options = ("--dataset", "d", "--rotate", "1h", "--timestamp", "at", "--tag", "from=test", "--tag", "k=a=b")
    assert run("stream", path, *options, "--store", tmp_path / "files").exit_code == 0
    assert run("stream", "-", *options, "--store", tmp_path / "lines", data=path.read_bytes()).exit_code == 0
    one, other = (ProfileStore(tmp_path / name).read("d") for name in ("files", "lines"))
    assert one.tags == other.tags == {"from": "test", "k": "a=b"}
    assert_profile_equal(one, other)


def test_stream_reads_epoch_numbers_in_the_unit_of_the_option(tmp_path: Path) -> None:
    data = b'{"at": 7200, "n": 1}\n{"at": 10, "n": 2}\n'
    options = ("--dataset", "d", "--rotate", "1h", "--timestamp", "at", "--timestamp-unit", "s", "--store", tmp_path)
    kept = printed_json(run("stream", "-", *options, "--json", data=data))
    assert kept["rows_rejected"] == 0
    assert [w.start.year for w in ProfileStore(tmp_path).windows("d")] == [1970, 1970]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stream_cleanly(tmp_path: Path, number: int) -> None:
    store = tmp_path / "store"
    command = [sys.executable, "-m", "polarsprof", "stream", "-", "--dataset", "d", "--store", str(store), "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        # More than any pipe holds: after the write, the command has read most of it.
        process.stdin.write(b'{"n": 1, "text": "some text that fills the pipe"}\n' * 100_000)
        process.stdin.flush()
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stderr is not None
        out, error = process.stdout.read(), process.stderr.read()
        assert process.wait(60) == 128 + number
    assert error == b""
    found = json.loads(out)
    assert found["rows_logged"] == found["rows_profiled"] > 50_000
    assert ProfileStore(store).read("d").rows == found["rows_logged"]


# ---------------------------------------------------------------------------------------------------------------- show


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    options = ("--rotate", "1h", "--timestamp", "at", "--store", folder)
    assert run("stream", "-", "--dataset", "prices", *options, data=ndjson(150)).exit_code == 0
    assert run("stream", "-", "--dataset", "others", *options, data=ndjson(10)).exit_code == 0
    return folder


def test_show_lists_data_sets_and_windows_with_rows(store: Path) -> None:
    listed = {entry["dataset"]: entry["windows"] for entry in printed_json(run("show", store, "--json"))["datasets"]}
    assert [window["rows"] for window in listed["prices"]] == [60, 60, 30]
    assert [window["rows"] for window in listed["others"]] == [10]
    shown = run("show", store).stdout
    assert "prices" in shown
    assert "2026-01-01 02:00Z" in shown


def test_show_counts_a_copied_file_once(store: Path) -> None:
    file = ProfileStore(store).files("others")[0]
    file.with_name("others_profile.copy.bin").write_bytes(file.read_bytes())
    listed = {entry["dataset"]: entry["windows"] for entry in printed_json(run("show", store, "--json"))["datasets"]}
    assert [window["rows"] for window in listed["others"]] == [10]


def test_show_merges_a_range(store: Path) -> None:
    options = ("--dataset", "prices", "--from", "2026-01-01T01:00Z", "--to", "2026-01-01T02:00Z", "--json")
    found = printed_json(run("show", store, *options))
    assert found["rows"] == 60
    assert found["window"] == {"start": "2026-01-01T01:00:00+00:00", "end": "2026-01-01T02:00:00+00:00"}


def test_show_reads_only_selected_columns(store: Path) -> None:
    found = printed_json(run("show", store, "--dataset", "prices", "--column", "price", "--json"))
    assert [column["column"] for column in found["columns"]] == ["price"]


def test_show_reports_an_empty_folder(tmp_path: Path) -> None:
    assert run("show", tmp_path).stdout == f"{tmp_path}: no profiles\n"


# --------------------------------------------------------------------------------------------------------------- merge


def test_merge_of_files_equals_that_of_the_library(store: Path, tmp_path: Path) -> None:
    files = ProfileStore(store).files("prices")
    out = tmp_path / "merged.bin"
    result = run("merge", *files, "-o", out)
    assert result.stdout == f"3 files, 150 rows → {out}\n"
    assert_profile_equal(read(out), merge(map(read, files)))


def test_compact_of_a_store_equals_that_of_the_library(store: Path) -> None:
    before = ProfileStore(store).read("prices")
    facts = printed_json(run("compact", store, "--dataset", "prices", "--into", "d", "--json"))
    assert facts["dataset"] == "prices"
    assert facts["windows"] == len(ProfileStore(store).windows("prices")) == len(ProfileStore(store).files("prices"))
    assert_profile_equal(ProfileStore(store).read("prices"), before)
    done = run("compact", store, "--dataset", "prices", "--keep", "1d")
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"{before.rows} rows deleted" in done.stdout
    assert_fails(run("compact", store, "--dataset", "prices"), "name: got 'prices'")


def test_compact_answers_wrong_usage_by_name(store: Path, tmp_path: Path) -> None:
    assert_fails(run("compact", tmp_path / "nothing", "--dataset", "prices"), "no such file or folder")
    for option in ("--into", "--keep", "--grace", "--zone"):
        assert_fails(run("compact", store, "--dataset", "prices", option, "soon"), option, code=2)


def test_merge_counts_no_pane_twice(store: Path, tmp_path: Path) -> None:
    file = ProfileStore(store).files("prices")[0]
    assert_fails(run("merge", file, file, "-o", tmp_path / "out.bin"), "pane 1")
    assert not (tmp_path / "out.bin").exists()


# -------------------------------------------------------------------------------------------------------------- errors


def test_unreadable_input_is_one_line_of_error(tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt.bin"
    corrupt.write_bytes(b"no profile")
    no_parquet = tmp_path / "x.parquet"
    no_parquet.write_bytes(b"no parquet")
    assert_fails(run("show", corrupt), "corrupt.bin")
    assert_fails(run("show", tmp_path / "missing"), "missing")
    assert_fails(run("profile", no_parquet))
    assert_fails(run("profile", tmp_path / "*.csv"), "*.csv")
    assert_fails(run("profile", corrupt), ".parquet")
    assert_fails(run("show", tmp_path, "--dataset", "x"), "'x'")


def test_an_error_cannot_control_the_terminal(tmp_path: Path) -> None:
    result = run("profile", tmp_path / "\x1b[2J\u202e\n.csv")
    assert_fails(result)
    assert "\x1b" not in result.stderr
    assert "\u202e" not in result.stderr


def test_an_unknown_column_is_named(store: Path) -> None:
    assert_fails(run("show", store, "--dataset", "prices", "--column", "nope"), "'nope'")


@pytest.mark.parametrize(
    "arguments",
    [
        ("stream", "-"),
        ("profile",),
        ("merge", "-o", "x"),
        ("stream", "-", "--dataset", "d", "--tag", "novalue"),
        ("stream", "-", "--dataset", "d", "--timestamp-unit", "weeks"),
        ("show", ".", "--from", "2026-01-01"),
        ("nonsense",),
    ],
)
def test_wrong_usage_exits_with_two(arguments: tuple[str, ...]) -> None:
    assert_fails(run(*arguments), "Error: " if len(arguments) > 1 else "", code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("stream", "-", "--dataset", "d", "--rotate", "soon"),
        ("stream", "-", "--dataset", "d", "--max-out-of-orderness", "soon"),
        ("stream", "-", "--dataset", "d", "--allowed-lateness", "soon"),
        ("stream", "-", "--dataset", ""),
        ("show", "{store}", "--dataset", "prices", "--from", "soon"),
        ("show", "{store}", "--dataset", "prices", "--from", "2026-01-02", "--to", "2026-01-01"),
    ],
)
def test_a_wrong_value_of_an_option_is_wrong_usage(store: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    given = [argument.format(store=store) for argument in arguments]
    where = ("--store", tmp_path / "new") if given[0] == "stream" else ()
    assert_fails(run(*given, *where, data=b""), f"Error: {given[-2]}: ", "got", "expected", code=2)


def test_a_store_that_cannot_be_written_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code = "import sys; from polarsprof.cli import main; main(sys.argv[1:])"
    arguments = ["stream", "-", "--dataset", "d", "--store", str(tmp_path / "file" / "store")]
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], input=b'{"a": 1}\n', capture_output=True, check=False
    )
    lines = ran.stderr.decode().splitlines()
    assert ran.returncode == 1
    assert [line.partition(": ")[0] for line in lines] in (["error"], ["warning", "error"], ["error", "warning"])


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_file_of_another_format_than_its_suffix_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"broken.{suffix}"
    path.write_bytes(b"neither of the two formats")
    assert_fails(run("profile", path, "--json"), f"broken.{suffix}")


def test_a_failed_merge_names_the_output_file(store: Path, tmp_path: Path) -> None:
    result = run("merge", *ProfileStore(store).files("prices"), "-o", tmp_path / "missing" / "out.bin")
    assert_fails(result, "out.bin")
    assert ".tmp" not in result.stderr


def test_a_limited_encoding_prints_question_marks(store: Path) -> None:
    command = [sys.executable, "-m", "polarsprof", "show", str(store), "--dataset", "prices"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "price" in ran.stdout
    assert "?" in ran.stdout
    assert ran.stderr == ""


def test_a_folder_is_its_readable_files_and_others_are_named(tmp_path: Path) -> None:
    pl.DataFrame({"x": [1]}).write_csv(tmp_path / "a.csv")
    pl.DataFrame({"x": [2]}).write_parquet(tmp_path / "b.parquet")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "deeper.csv").mkdir()
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".hidden").touch()
    result = run("profile", tmp_path, "--json")
    assert printed_json(result)["columns"][0]["sum"] == 3
    assert result.stderr.startswith("warning: ")
    assert result.stderr.count("\n") == 1
    assert "left out 2 entries" in result.stderr
    assert "deeper.csv, notes.txt" in result.stderr
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "notes.txt").touch()
    assert_fails(run("profile", tmp_path / "only"), "only", ".csv")


def test_a_range_of_a_file_is_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "p.bin"
    Profile().write(path)
    assert_fails(run("show", path, "--from", "2026-01-01"), code=2)


@click.group(cls=CommandGroup)
def failing() -> None:
    """Fails in ways that no input of the real commands does."""


@failing.command()
def interrupted() -> None:
    raise KeyboardInterrupt


@failing.command()
def broken() -> None:
    raise ZeroDivisionError


def test_an_interrupt_exits_with_130_and_a_bug_is_raised() -> None:
    assert CliRunner().invoke(failing, ["interrupted"]).exit_code == 130
    assert isinstance(CliRunner().invoke(failing, ["broken"]).exception, ZeroDivisionError)


# ---------------------------------------------------------------------------------------------------------------- demo


def test_the_demo_is_correct_and_keeps_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("january [x]")
    result = run("demo", "--store", folder)
    assert result.exit_code == 0, result.output
    assert "32 windows in 33 files" in result.stdout
    assert "✗" not in result.stdout
    assert result.stdout.count("✓") == 7
    assert result.stdout.count("within bounds") == 1
    assert max(map(len, result.stdout.replace(str(folder), "").splitlines())) <= 100
    flights = pl.read_parquet(Path(polarsprof.__file__).parent / "data" / "flights.parquet")
    held_back = flights.filter(pl.col("origin") == "JFK", pl.col("time_hour").dt.date() == pl.date(2013, 1, 9))
    kept = ProfileStore(folder).read("flights")
    assert (kept.rows, kept.late_rows) == (flights.height, held_back.height)
    assert kept["dep_delay"].sum == flights["dep_delay"].sum()
    assert_fails(run("demo", "--store", folder), "--store")


# ------------------------------------------------------------------------------------------------------------- startup


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_help_needs_no_slow_import() -> None:
    code = "import sys; from polarsprof.cli import main; main(['--help'], standalone_mode=False)"
    loaded = python(f"{code}; print(sorted({SLOW} & set(sys.modules)))")
    assert loaded.splitlines()[-1] == "[]"


def test_help_of_a_command_needs_no_slow_import() -> None:
    names = sorted(set(COMMANDS) - {"demo"})
    calls = f"[main([name, '--help'], standalone_mode=False) for name in {names}]"
    code = f"import sys; from polarsprof.cli import main; {calls}"
    loaded = python(f"{code}; print(sorted({SLOW} & set(sys.modules)))")
    assert loaded.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_shows_the_help_of_each(name: str) -> None:
    with click.Context(main) as context:
        command = main.get_command(context, name)
    assert command is not None
    assert command.name == name
    assert command.help is not None
    assert command.help.splitlines()[0] == COMMANDS[name][1]
    assert f" {COMMANDS[name][1]}\n" in run("--help").stdout


def test_the_module_is_the_command(parquet: Path) -> None:
    command = [sys.executable, "-m", "polarsprof", "profile", str(parquet), "--json"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(ran.stdout)["rows"] == 4
    assert ran.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_closed_pipe_is_not_an_error(parquet: Path) -> None:
    command = [sys.executable, "-m", "polarsprof", "profile", str(parquet)]
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert ran.returncode == 1
    assert ran.stderr == ""
