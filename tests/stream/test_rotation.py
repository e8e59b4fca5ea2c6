"""Windows of a stream, driven by a clock that is set: what lands where, what is sealed when, what is counted."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polarsprof as pp
from polarsprof.errors import DataWarning, StoreError
from polarsprof.testing import SettableClock

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock():
    return SettableClock(NOON)


@pytest.fixture
def session(tmp_path, clock):
    with pp.Session(tmp_path, clock=clock) as session:
        yield session


def panes(store: pp.ProfileStore, name: str = "dataset") -> list[tuple[str, int]]:
    """(file name without writer and number, rows) of every pane."""
    return [(".".join(path.name.split(".")[:2]), pp.read(path).rows) for path in store.files(name)]


def rows_per_window(store: pp.ProfileStore, name: str = "dataset") -> dict[datetime, int]:
    windows = store.windows(name) if store.files(name) else []
    return {window.start: store.read(name, window.start, window.end).rows for window in windows}


def test_rows_on_either_side_of_midnight_lie_in_two_days(session, clock):
    logger = session.logger(with_rotation_time="24H")
    clock.set(datetime(2026, 1, 31, 23, 59, 59, 999_999))
    logger.log({"x": 1})
    clock.advance(timedelta(microseconds=1))
    logger.log({"x": 2})
    logger.close()
    assert panes(session.store) == [("dataset_profile.2026-01-31", 1), ("dataset_profile.2026-02-01", 1)]
    assert session.store.read("dataset", date(2026, 2, 1))["x"].min == 2


def test_a_quiet_stream_seals_its_window_on_time_without_another_record(session, clock):
    logger = session.logger(with_rotation_time="m")
    logger.log({"x": 1})
    clock.advance(timedelta(seconds=59, microseconds=999_999))
    assert panes(session.store) == []
    clock.advance(timedelta(microseconds=1))
    assert panes(session.store) == [("dataset_profile.2026-01-31_12-00", 1)]


def test_a_timer_that_runs_late_skips_no_window_and_moves_no_row(session, clock):
    logger = session.logger(with_rotation_time="m")
    for _ in range(5):
        logger.log({"x": 1})
        clock.advance(timedelta(seconds=61))
    logger.close()
    starts = [NOON + timedelta(minutes=minute) for minute in range(5)]
    assert rows_per_window(session.store) == dict.fromkeys(starts, 1)


def test_windows_without_rows_leave_no_file(session, clock):
    logger = session.logger(with_rotation_time="s")
    logger.log({"x": 1})
    clock.advance(timedelta(hours=1))
    logger.log({"x": 2})
    logger.close()
    assert len(panes(session.store)) == 2


def test_a_clock_set_back_loses_no_row_and_overwrites_no_file(session, clock):
    logger = session.logger(with_rotation_time="h")
    clock.advance(timedelta(hours=1))
    logger.log({"x": 1})
    clock.advance(timedelta(hours=-1))
    logger.log({"x": 2})
    clock.advance(timedelta(hours=1))
    logger.log({"x": 3})
    logger.close()
    assert rows_per_window(session.store) == {NOON: 1, NOON + timedelta(hours=1): 2}


def test_a_logger_without_rotation_has_one_window_named_by_its_opening_to_the_second(session, clock):
    logger = session.logger()
    logger.log({"x": 1})
    clock.advance(timedelta(days=40))
    logger.log({"x": 2})
    logger.close()
    assert panes(session.store) == [("dataset_profile.2026-01-31_12-00-00", 2)]
    assert session.store.read("dataset").window.end == NOON + timedelta(days=40)


def test_dataset_timestamp_names_the_window_of_a_logger_without_rotation(session):
    with session.logger("orders", dataset_timestamp=datetime(1999, 12, 31, 23, 59, 58)) as logger:
        logger.log({"x": 1})
    assert panes(session.store, "orders") == [("orders_profile.1999-12-31_23-59-58", 1)]


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 30, 7, 30),
        datetime(2026, 1, 30, 9, 30, tzinfo=ZoneInfo("Europe/Athens")),
        "2026-01-30T07:30:00Z",
        "2026-01-30 08:30:00+01:00",
        1_769_758_200,
        1_769_758_200.5,
        1_769_758_200_000,
        1_769_758_200_000_000,
        1_769_758_200_000_000_000,
    ],
    ids=str,
)
def test_every_form_of_event_time_finds_its_window(session, value):
    with session.logger(with_rotation_time="h", timestamp="at") as logger:
        logger.log({"at": value})
    assert panes(session.store) == [("dataset_profile.2026-01-30_07", 1)]


def test_event_time_is_found_on_a_dotted_path_in_records_and_frames(session):
    record = {"meta": {"time": {"at": datetime(2026, 1, 30, 7)}}}
    with session.logger(with_rotation_time="d", timestamp="meta.time.at") as logger:
        logger.log(record)
        logger.log_frame(pl.DataFrame([record]))
    assert panes(session.store) == [("dataset_profile.2026-01-30", 2)]


@pytest.mark.parametrize("bad", [None, float("nan"), "yesterday", 42, True, [1]], ids=repr)
def test_rows_without_usable_time_go_to_the_window_of_their_arrival_and_are_counted(session, bad):
    with session.logger(with_rotation_time="d", timestamp="at") as logger:
        logger.log({"at": bad, "x": 1})
        logger.log({"x": 2})
    profile = session.store.read("dataset")
    assert profile.window.start == datetime(2026, 1, 31, tzinfo=UTC)
    assert (profile.rows, profile.untimed_rows) == (2, 2)


def test_a_late_row_finds_its_window_as_a_pane_of_its_own(session, clock):
    logger = session.logger(with_rotation_time="h", timestamp="at", idle_timeout=None)
    logger.log({"at": NOON, "x": 1})
    logger.log({"at": NOON + timedelta(hours=1), "x": 2})
    clock.advance(SECOND)  # the buffer is a second old: the first window is sealed
    assert panes(session.store) == [("dataset_profile.2026-01-31_12", 1)]
    logger.log({"at": NOON + timedelta(minutes=59), "x": 3})
    logger.close()
    profile = session.store.read("dataset", NOON, NOON + timedelta(hours=1))
    assert (profile.rows, profile.late_rows, profile["x"].sum) == (2, 1, 4)
    assert len(session.store.files("dataset")) == 3


def test_out_of_orderness_keeps_a_window_open_for_that_much_event_time(session, clock):
    logger = session.logger(with_rotation_time="h", timestamp="at", max_out_of_orderness="10m", idle_timeout=None)
    logger.log({"at": NOON})
    logger.log({"at": NOON + timedelta(minutes=69, seconds=59)})
    clock.advance(SECOND)
    assert panes(session.store) == []
    logger.log({"at": NOON + timedelta(minutes=70)})
    clock.advance(SECOND)
    assert panes(session.store) == [("dataset_profile.2026-01-31_12", 1)]


def test_rows_beyond_the_allowed_lateness_are_rejected_and_counted(session, clock):
    logger = session.logger(with_rotation_time="h", timestamp="at", allowed_lateness="1h", idle_timeout=None)
    logger.log({"at": NOON + timedelta(hours=3)})
    clock.advance(SECOND)
    logger.log_records([{"at": NOON + timedelta(minutes=minutes)} for minutes in (0, 59, 60, 119, 120)])
    with pytest.warns(DataWarning, match="too late"):
        logger.close()
    assert rows_per_window(session.store) == {NOON + timedelta(hours=2): 1, NOON + timedelta(hours=3): 1}
    whole = session.store.read("dataset")
    assert (whole.rows, whole.rejected) == (2, {"too late": 4})


def test_a_row_with_a_wild_clock_seals_nothing(session, clock):
    logger = session.logger(with_rotation_time="h", timestamp="at", idle_timeout=None)
    logger.log({"at": NOON})
    logger.log({"at": datetime(9999, 12, 31, 23, 59, 59)})
    logger.log({"at": datetime(1, 1, 1)})
    clock.advance(SECOND)
    logger.log({"at": NOON})
    logger.close()
    assert rows_per_window(session.store)[NOON] == 2
    assert session.store.read("dataset", NOON, NOON + timedelta(hours=1)).late_rows == 0
    assert session.store.read("dataset").future_rows == 1


def test_a_stream_gone_idle_seals_its_windows(session, clock):
    logger = session.logger(with_rotation_time="h", timestamp="at", idle_timeout="30s")
    logger.log({"at": NOON})
    clock.advance(timedelta(seconds=29))
    assert panes(session.store) == []
    clock.advance(timedelta(seconds=2))
    assert panes(session.store) == [("dataset_profile.2026-01-31_12", 1)]


def test_the_number_of_open_windows_is_bounded_and_no_row_is_lost(session, clock):
    logger = session.logger(with_rotation_time="h", timestamp="at", max_open_windows=3, max_out_of_orderness="10000d")
    for hours in [*range(10), 0]:
        logger.log({"at": NOON + timedelta(hours=hours)})
        clock.advance(SECOND)
    assert logger.profile.rows == 3
    assert len(panes(session.store)) == 8
    logger.close()
    assert rows_per_window(session.store) == {NOON + timedelta(hours=h): 2 if h == 0 else 1 for h in range(10)}


def test_days_of_a_zone_have_23_and_25_hours_around_daylight_saving(session):
    berlin = ZoneInfo("Europe/Berlin")
    hours = [datetime(2026, 3, 28, tzinfo=berlin).astimezone(UTC) + timedelta(hours=h) for h in range(72)]
    hours += [datetime(2026, 10, 24, tzinfo=berlin).astimezone(UTC) + timedelta(hours=h) for h in range(72)]
    with session.logger(with_rotation_time="d", timestamp="at", zone="Europe/Berlin") as logger:
        logger.log_records({"at": at} for at in hours)
    expected = Counter(at.astimezone(berlin).date() for at in hours)
    assert expected[date(2026, 3, 29)] == 23
    assert expected[date(2026, 10, 25)] == 25
    profiles = [pp.read(path) for path in session.store.files("dataset")]
    found = {profile.window.start.astimezone(berlin).date(): profile.rows for profile in profiles}
    assert found == expected


def test_hours_around_a_folded_hour_stay_apart(session):
    berlin = ZoneInfo("Europe/Berlin")
    twice = [datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1)]
    with session.logger(with_rotation_time="h", timestamp="at") as logger:
        logger.log_records({"at": at} for at in twice)
    assert [rows for _, rows in panes(session.store)] == [1, 1]


EDGES = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    NOON,
]


@settings(max_examples=60)
@given(
    events=st.lists(
        st.tuples(st.sampled_from(EDGES), st.integers(-7_200_000_001, 7_200_000_001), st.integers(0, 3)), max_size=60
    ),
    interval=st.sampled_from([("s", 1), ("90s", 90), ("15m", 900), ("1h", 3600), ("2D", 172_800)]),
    orderness=st.sampled_from(["0s", "1h", "10000d"]),
    max_open=st.integers(1, 5),
)
def test_a_window_holds_exactly_the_rows_of_its_time_and_no_row_is_lost(
    tmp_path_factory, events, interval, orderness, max_open
):
    text, seconds = interval
    clock = SettableClock(NOON)
    folder = tmp_path_factory.mktemp("store")
    options = {"max_out_of_orderness": orderness, "max_open_windows": max_open}
    with (
        pp.Session(folder, clock=clock) as session,
        session.logger(with_rotation_time=text, timestamp="at", **options) as logger,
    ):
        for edge, shift_us, wait in events:
            logger.log({"at": edge + timedelta(microseconds=shift_us), "x": shift_us})
            clock.advance(timedelta(seconds=wait))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    expected: Counter[datetime] = Counter()
    for edge, shift_us, _ in events:
        whole = (edge + timedelta(microseconds=shift_us) - epoch) // timedelta(seconds=seconds)
        expected[epoch + whole * timedelta(seconds=seconds)] += 1
    assert rows_per_window(session.store) == expected
    for path in session.store.files("dataset"):
        pane = pp.read(path)
        assert pane.window.start <= pane.first_event <= pane.last_event < pane.window.end
    if events:
        assert session.store.read("dataset")["x"].sum == sum(shift_us for _, shift_us, _ in events)


def test_frames_are_cut_by_event_time_like_records(session):
    frame = pl.DataFrame({"at": [NOON + timedelta(minutes=17 * i) for i in range(1_000)], "x": range(1_000)})
    with session.logger("frames", with_rotation_time="6h", timestamp="at") as logger:
        logger.log_frame(frame)
    with session.logger("records", with_rotation_time="6h", timestamp="at") as logger:
        logger.log_records(frame.to_dicts())
    by_polars = frame.group_by_dynamic("at", every="6h").agg(pl.len(), pl.col("x").sum())
    expected = {at: (rows, total) for at, rows, total in by_polars.iter_rows()}
    for name in ("frames", "records"):
        found = {}
        for window in session.store.windows(name):
            profile = session.store.read(name, window.start, window.end)
            found[window.start] = (profile.rows, profile["x"].sum)
        assert found == expected


def test_out_of_orderness_delays_the_seal_of_arrival_windows_too(session, clock):
    logger = session.logger(with_rotation_time="m", max_out_of_orderness="10s")
    logger.log({"x": 1})
    clock.advance(timedelta(seconds=69, microseconds=999_999))
    assert panes(session.store) == []
    clock.advance(timedelta(microseconds=1))
    assert panes(session.store) == [("dataset_profile.2026-01-31_12-00", 1)]


class UnreadableRecord(Mapping):
    """A mapping whose own methods raise."""

    def __getitem__(self, key):
        raise RuntimeError(key)

    __iter__ = __len__ = __contains__ = __getitem__


class UnequalKey(str):
    """A key that does not want to be compared."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other):
        raise RuntimeError(other)


@pytest.mark.parametrize("timestamp", [None, "at", "at.time"])
@pytest.mark.parametrize("bad", [UnreadableRecord(), {UnequalKey("at"): 1}, {"at": UnreadableRecord()}, 42], ids=type)
def test_a_record_whose_own_methods_raise_costs_itself_alone(session, timestamp, bad):
    logger = session.logger(with_rotation_time="d", timestamp=timestamp)
    logger.log_records([{"x": 1}, bad, {"x": 2}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        logger.close()
    profile = session.store.read("dataset")
    assert profile["x"].sum == 3
    assert profile.rows + profile.rejected_rows == 3


def test_a_window_that_cannot_be_handed_over_is_kept_and_keeps_no_other(session, clock, monkeypatch):
    logger = session.logger(with_rotation_time="m", timestamp="at", idle_timeout=None, max_open_windows=3)
    written = pp.Profile.to_bytes

    def broken(profile):
        if profile.window.start == NOON + 60 * SECOND:
            raise OverflowError("on purpose")
        return written(profile)

    with monkeypatch.context() as patch:
        patch.setattr(pp.Profile, "to_bytes", broken)
        logger.log_records({"at": NOON + minute * 60 * SECOND, "x": minute} for minute in range(5))
        with pytest.raises(OverflowError, match="on purpose"):
            logger.close()
    assert rows_per_window(session.store) == {NOON + minute * 60 * SECOND: 1 for minute in (0, 2, 3, 4)}
    assert logger.counters["rows_profiled"] == 5
    logger.close()
    assert rows_per_window(session.store)[NOON + 60 * SECOND] == 1
    assert session.store.read("dataset")["x"].sum == 10


def test_no_error_of_a_store_loses_a_pane(session, clock, monkeypatch):
    logger = session.logger(with_rotation_time="m")
    with monkeypatch.context() as patch, pytest.warns(DataWarning, match="will try again: too large"):
        patch.setattr(pp.ProfileStore, "put", lambda *_: (_ for _ in ()).throw(OverflowError("too large")))
        for number in range(3):
            logger.log({"x": number})
            clock.advance(60 * SECOND)
        with pytest.raises(StoreError, match="3 panes of 3 rows"):
            logger.close()
    logger.close()
    assert session.store.read("dataset")["x"].sum == 3
