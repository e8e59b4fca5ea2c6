"""Wrong arguments of every public entry point raise an `ArgumentError` that names the given and the expected value."""

from __future__ import annotations

from collections import UserDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import polarsprof as pp
from polarsprof.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME = pl.DataFrame({"a": [1, 2]})
PROFILE = pp.profile(FRAME)


def pandas_frame() -> Any:
    return pytest.importorskip("pandas").DataFrame({"a": [1]})


OF_LOGGER: dict[str, Callable[[pp.Logger], object]] = {
    "log_records polars": lambda logger: logger.log_records(FRAME),
    "log_records lazy": lambda logger: logger.log_records(FRAME.lazy()),
    "log_records pandas": lambda logger: logger.log_records(pandas_frame()),
    "log_records UserDict": lambda logger: logger.log_records(UserDict(a=1)),
    "log_records dict": lambda logger: logger.log_records({"a": 1}),
    "log_records text": lambda logger: logger.log_records("abc"),
    "log_records bytes": lambda logger: logger.log_records(b"ab"),
    "log_records bytearray": lambda logger: logger.log_records(bytearray(b"ab")),
    "log_records memoryview": lambda logger: logger.log_records(memoryview(b"ab")),
    "log_records path": lambda logger: logger.log_records(Path("x.csv")),
    "log_records None": lambda logger: logger.log_records(None),
    "log nothing": lambda logger: logger.log(),
    "log record and value": lambda logger: logger.log({"a": 1}, value=3),
    "log record and name": lambda logger: logger.log({"a": 1}, feature_name="b"),
    "log value alone": lambda logger: logger.log(value=3),
    "log name alone": lambda logger: logger.log(feature_name="a"),
    "log name that is no text": lambda logger: logger.log(feature_name=5, value=3),
    "log_frame records": lambda logger: logger.log_frame([{"a": 1}]),
    "log_frame None": lambda logger: logger.log_frame(None),
    "log_json dict": lambda logger: logger.log_json({"a": 1}),
}
OF_SESSION: dict[str, Callable[[pp.Session], object]] = {
    "tags number": lambda session: session.logger(tags=5),
    "tags text": lambda session: session.logger(tags="ab"),
    "tags of numbers": lambda session: session.logger(tags={"a": 1}),
    "metadata list": lambda session: session.logger(metadata=["a"]),
    "dataset_name": lambda session: session.logger(5),
    "get_logger list": lambda session: session.get_logger([]),
    "get_logger None": lambda session: session.get_logger(None),
}
OF_STORE: dict[str, Callable[[pp.ProfileStore], object]] = {
    "read number": lambda store: store.read(5),
    "read columns text": lambda store: store.read("dataset", columns="a"),
    "read columns number": lambda store: store.read("dataset", columns=5),
    "read start": lambda store: store.read("dataset", 5),
    "read missing": lambda store: store.read("missing"),
    "windows number": lambda store: store.windows(5),
    "windows missing": lambda store: store.windows("missing"),
    "files number": lambda store: store.files(5),
}
ALONE: dict[str, Callable[[], object]] = {
    "Session number": lambda: pp.Session(5),
    "Session NUL": lambda: pp.Session("a\0b"),
    "Session spec": lambda: pp.Session(spec=5),
    "Session clock": lambda: pp.Session(clock=5),
    "Session default": lambda: pp.Session(logger_defaults={"with_rotation_time": "0s"}),
    "Session default name": lambda: pp.Session(logger_defaults={"rotation": "h"}),
    "Session default zone": lambda: pp.Session(logger_defaults={"zone": "Europe/Atlantis"}),
    "ProfileStore None": lambda: pp.ProfileStore(None),
    "config number": lambda: pp.get_or_create_session(5),
    "config interval": lambda: pp.get_or_create_session({"logger": {"with_rotation_time": "0s"}}),
    "config windows": lambda: pp.get_or_create_session({"logger": {"max_open_windows": "5"}}),
    "config spec": lambda: pp.get_or_create_session({"spec": {"columns": 5}}),
    "Profile": lambda: pp.Profile(5),
    "Profile dataset": lambda: pp.Profile(dataset=5),
    "from_bytes text": lambda: pp.Profile.from_bytes("x"),
    "from_bytes None": lambda: pp.Profile.from_bytes(None),
    "merge number": lambda: pp.merge(5),
    "merge numbers": lambda: pp.merge([5]),
    "merge one": lambda: pp.merge(PROFILE),
    "Profile.merge": lambda: pp.Profile().merge(5),
    "Profile.write number": lambda: PROFILE.write(5),
    "Profile.write empty": lambda: PROFILE.write(""),
    "read number": lambda: pp.read(5),
    "read columns text": lambda: pp.read(PROFILE.to_bytes(), columns="abc"),
    "read columns numbers": lambda: pp.read(PROFILE.to_bytes(), columns=[1]),
    "read columns number": lambda: pp.read("missing", columns=5),
    "profile number": lambda: pp.profile(5),
    "profile dict": lambda: pp.profile({"a": 1}),
    "profile spec": lambda: pp.profile(FRAME, spec={}),
    "profile tags": lambda: pp.profile(FRAME, tags=5),
    "ProfileSpec columns": lambda: pp.ProfileSpec(columns=5),
    "ProfileSpec knobs": lambda: pp.ProfileSpec(columns={"a": 5}),
    "ProfileSpec k": lambda: pp.ProfileSpec(k="a"),
    "quantile": lambda: PROFILE["a"].quantile("x"),
    "quantiles number": lambda: PROFILE["a"].quantiles(0.5),
    "quantiles None": lambda: PROFILE["a"].quantiles(None),
    "frequent_items text": lambda: PROFILE["a"].frequent_items("x"),
    "frequent_items negative": lambda: PROFILE["a"].frequent_items(-1),
    "cdf": lambda: PROFILE["a"].cdf("x"),
    "group": lambda: PROFILE["a"].group(5),
}
REFUSAL = r"(?s)got .*expected "


@pytest.mark.parametrize("name", OF_LOGGER)
def test_a_logger_refuses_and_logs_nothing(tmp_path, name):
    with pp.Session(tmp_path) as session, session.logger() as logger:
        with pytest.raises(ArgumentError, match=REFUSAL):
            OF_LOGGER[name](logger)
        assert logger.counters["rows_logged"] == 0


@pytest.mark.parametrize("name", OF_SESSION)
def test_a_session_refuses_and_makes_no_logger(tmp_path, name):
    with pp.Session(tmp_path) as session:
        with pytest.raises(ArgumentError, match=REFUSAL):
            OF_SESSION[name](session)
        assert "loggers=[]" in repr(session)


@pytest.mark.parametrize("name", OF_STORE)
def test_a_store_refuses(tmp_path, name):
    with pp.Session(tmp_path) as session:
        session.logger().log({"a": 1})
    with pytest.raises(ArgumentError, match=REFUSAL):
        OF_STORE[name](session.store)


@pytest.mark.parametrize("name", ALONE)
def test_every_other_entry_refuses(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=REFUSAL):
        ALONE[name]()
    assert list(tmp_path.iterdir()) == []


def test_a_default_zone_may_wait_for_the_interval_of_a_logger(tmp_path):
    with pp.Session(tmp_path, logger_defaults={"zone": "Europe/Berlin"}) as session:
        session.logger(with_rotation_time="d").log({"a": 1})
    assert session.store.windows("dataset")
