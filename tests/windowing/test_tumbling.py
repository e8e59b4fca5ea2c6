"""Durations, windows and the watermark, against Python's datetime and zoneinfo."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polarsprof.errors import ArgumentError
from polarsprof.windowing.durations import Interval, duration_us
from polarsprof.windowing.instants import MAX_US, MIN_US, utc_datetime, utc_us
from polarsprof.windowing.tumbling import Tumbling, Window, label_of_instant
from polarsprof.windowing.watermark import Watermark

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

any_time = st.integers(MIN_US, MAX_US) | st.integers(-10, 10)
# Near midnights and full hours, on both sides of the epoch.
near_hours = st.builds(
    lambda hours, off_us: hours * HOUR_US + off_us, st.integers(-500_000, 1_000_000), st.integers(-2, 2)
)
times = any_time | near_hours
intervals = st.builds(
    lambda number, unit: Interval.parse(f"{number}{unit}"), st.integers(1, 9_999), st.sampled_from("smhd")
)
origins = st.just(0) | st.integers(-(10**10), 10**10).map(lambda seconds: seconds * 1_000_000)
tumblings = st.builds(Tumbling, intervals, origins)

# Common ones, and clocks that skip midnight or show it twice, a missing day, an offset of a quarter of an hour.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Toronto",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
]
zoned = st.builds(
    lambda days, zone: Tumbling(Interval.parse(timedelta(days=days)), zone=zone),
    st.just(1) | st.integers(2, 400),
    st.sampled_from(ZONES),
)
# zoneinfo has rules from the 19th century on.
modern = st.integers(utc_us(datetime(1850, 1, 1)), utc_us(datetime(2150, 1, 1)))


class Failing(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        raise RuntimeError("no offset today")


# ----------------------------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize(
    ("value", "seconds", "text", "suffix_format"),
    [
        ("s", 1, "s", "%Y-%m-%d_%H-%M-%S"),
        ("1S", 1, "s", "%Y-%m-%d_%H-%M-%S"),
        ("90s", 90, "90s", "%Y-%m-%d_%H-%M-%S"),
        ("60s", 60, "m", "%Y-%m-%d_%H-%M"),
        ("007M", 420, "7m", "%Y-%m-%d_%H-%M"),
        ("90m", 5_400, "90m", "%Y-%m-%d_%H-%M"),
        ("1h", 3_600, "h", "%Y-%m-%d_%H"),
        ("36h", 129_600, "36h", "%Y-%m-%d_%H"),
        ("24h", 86_400, "d", "%Y-%m-%d"),
        ("86400s", 86_400, "d", "%Y-%m-%d"),
        ("D", 86_400, "d", "%Y-%m-%d"),
        ("10000d", 864_000_000, "10000d", "%Y-%m-%d"),
        ("0" * 50 + "2d", 172_800, "2d", "%Y-%m-%d"),
        (timedelta(minutes=15), 900, "15m", "%Y-%m-%d_%H-%M"),
        (pd.Timedelta(days=1), 86_400, "d", "%Y-%m-%d"),
    ],
)
def test_an_interval_says_its_length_in_the_coarsest_unit(value, seconds, text, suffix_format):
    interval = Interval.parse(value)
    assert (interval.length_us, interval.text, interval.suffix_format) == (seconds * 1_000_000, text, suffix_format)


REFUSED_TEXT = ["", "1", "5w", "-1s", "+1s", "1.5h", " 1h", "1h ", "1h\n", "1hh", "h1", "1 h", "ſ", "１h", "10001d"]


@pytest.mark.parametrize("value", [*REFUSED_TEXT, "0s", "000d", "9" * 5_000 + "s", "864000001s"])
def test_other_text_is_no_interval(value):
    with pytest.raises(ArgumentError, match=r"^with_rotation_time: got '"):
        Interval.parse(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        60,
        1.5,
        True,
        b"1h",
        timedelta(0),
        timedelta(-1),
        timedelta(milliseconds=1_500),
        timedelta(days=10_001),
        pd.NaT,
    ],
)
def test_other_values_are_no_interval(value):
    with pytest.raises(ArgumentError, match=r"^rotate: got .* expected "):
        Interval.parse(value, "rotate")


@pytest.mark.parametrize("length_us", [0, -1_000_000, 1, 1_500_000, 10_001 * DAY_US])
def test_an_interval_is_never_built_with_a_length_that_none_has(length_us):
    with pytest.raises(ArgumentError, match=r"^length_us: got"):
        Interval(length_us)


@given(number=st.integers(1, 10_000), unit=st.sampled_from("smhdSMHD"))
def test_an_interval_is_the_same_through_its_text(number, unit):
    interval = Interval.parse(f"{number}{unit}")
    assert interval.length_us == number * SECONDS[unit.lower()] * 1_000_000
    assert Interval.parse(interval.text) == interval == Interval.parse(timedelta(microseconds=interval.length_us))
    assert len(interval.text) <= len(f"{number}{unit}")


@pytest.mark.parametrize(
    ("value", "expected_us"),
    [("0s", 0), ("90s", 90_000_000), ("d", DAY_US), (timedelta(0), 0), (timedelta(microseconds=1), 1), ("00h", 0)],
)
def test_a_duration_may_be_zero_or_a_fraction_of_a_second(value, expected_us):
    assert duration_us(value, "every") == expected_us


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (timedelta(microseconds=-1), "not negative"),
        (timedelta.max, "at most 10000 days"),
        (None, "a timedelta or text"),
        (5, "a timedelta or text"),
        *((text, "at most 10000 days" if text == "10001d" else "s, m, h and d are") for text in REFUSED_TEXT),
    ],
)
def test_the_error_names_what_a_duration_is(value, expected):
    with pytest.raises(ArgumentError, match=rf"^every: got .*{expected}"):
        duration_us(value, "every")


# ------------------------------------------------------------------------------------------------------------- moments


@given(time_us=any_time)
@example(time_us=MIN_US)
@example(time_us=MAX_US)
@example(time_us=253_402_300_799_999_999)
@example(time_us=-1)
def test_a_time_is_the_same_through_its_datetime(time_us):
    moment = utc_datetime(time_us)
    assert moment.tzinfo is UTC
    assert moment == EPOCH + timedelta(microseconds=time_us)
    assert utc_us(moment) == time_us == utc_us(moment.replace(tzinfo=None))


@given(
    moment=st.datetimes(
        timezones=st.timezones() | st.none(), min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)
    )
)
def test_a_moment_is_its_time_in_utc(moment):
    expected = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    assert utc_datetime(utc_us(moment)) == expected


def test_the_two_hours_of_one_name_are_an_hour_apart():
    first = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert utc_us(first) == utc_us(datetime(2024, 10, 27, 0, 30))
    assert utc_us(first.replace(fold=1)) - utc_us(first) == HOUR_US


def test_a_pandas_timestamp_is_cut_to_microseconds():
    assert utc_us(pd.Timestamp("1969-12-31T23:59:59.999999999Z")) == -1


@pytest.mark.parametrize(
    "moment",
    [
        date(2024, 1, 1),
        "2024-01-01",
        1_700_000_000,
        None,
        pd.NaT,
        datetime(2024, 1, 1, tzinfo=Failing()),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_what_utc_cannot_say_is_no_moment(moment):
    with pytest.raises(ArgumentError, match=r"^start: got"):
        utc_us(moment, "start")


@pytest.mark.parametrize("time_us", [MIN_US - 1, MAX_US + 1, 2**63, 1.5, None, "0"])
def test_times_outside_the_years_1_to_9999_are_refused(time_us):
    hourly = Tumbling(Interval.parse("h"))
    for refusing in (utc_datetime, label_of_instant, hourly.window_of):
        with pytest.raises(ArgumentError, match=r"^time_us: got"):
            refusing(time_us)


@given(time_us=any_time)
def test_an_instant_is_named_to_its_second(time_us):
    named = datetime.strptime(label_of_instant(time_us), "%Y-%m-%d_%H-%M-%S").replace(tzinfo=UTC)
    assert timedelta(0) <= utc_datetime(time_us) - named < timedelta(seconds=1)


# ------------------------------------------------------------------------------------------------------------- windows


@given(tumbling=tumblings, time_us=times)
@example(tumbling=Tumbling(Interval.parse("h")), time_us=-1)
@example(tumbling=Tumbling(Interval.parse("h")), time_us=0)
@example(tumbling=Tumbling(Interval.parse("10000d")), time_us=MIN_US)
@example(tumbling=Tumbling(Interval.parse("10000d")), time_us=MAX_US)
def test_a_time_lies_in_its_window_which_is_aligned(tumbling, time_us):
    window, length_us = tumbling.window_of(time_us), tumbling.interval.length_us
    assert MIN_US <= window.start_us <= time_us < window.end_us <= MAX_US + 1
    assert window.contains(time_us)
    if window.start_us > MIN_US:
        assert (window.start_us - tumbling.origin_us) % length_us == 0
    if window.end_us <= MAX_US:
        assert (window.end_us - tumbling.origin_us) % length_us == 0
    if window.start_us > MIN_US and window.end_us <= MAX_US:
        assert window.end_us - window.start_us == length_us


@given(tumbling=tumblings | zoned, time_us=times)
@example(tumbling=Tumbling(Interval.parse("d"), zone="America/St_Johns"), time_us=1_257_001_200_000_000)
def test_windows_lie_side_by_side(tumbling, time_us):
    window = tumbling.window_of(time_us)
    assert window.contains(time_us)
    assert tumbling.window_of(window.start_us) == window == tumbling.window_of(window.end_us - 1)
    if window.end_us <= MAX_US:
        assert tumbling.window_of(window.end_us).start_us == window.end_us
    if window.start_us > MIN_US:
        assert tumbling.window_of(window.start_us - 1).end_us == window.start_us


@given(tumbling=tumblings | zoned, sample=st.lists(times, max_size=30))
def test_all_starts_at_once_are_those_of_the_single_windows(tumbling, sample):
    starts = tumbling.starts(np.array(sample, dtype=np.int64))
    assert starts.dtype == np.int64
    assert starts.tolist() == [tumbling.window_of(time_us).start_us for time_us in sample]


@given(tumbling=tumblings, time_us=any_time)
@example(tumbling=Tumbling(Interval.parse("h"), origin_us=1_000_000), time_us=0)
def test_the_name_of_a_window_says_its_start(tumbling, time_us):
    window = tumbling.window_of(time_us)
    named = datetime.strptime(tumbling.label(window), tumbling.suffix_format).replace(tzinfo=UTC)
    assert named == window.start


@pytest.mark.parametrize(
    ("interval", "label"),
    [("s", "2023-11-14_22-13-20"), ("15m", "2023-11-14_22-00"), ("6h", "2023-11-14_18"), ("24h", "2023-11-14")],
)
def test_a_name_is_as_fine_as_the_interval(interval, label):
    tumbling = Tumbling(Interval.parse(interval))
    assert tumbling.suffix_format == tumbling.interval.suffix_format
    assert tumbling.label(tumbling.window_of(1_700_000_000_000_000)) == label


def test_windows_of_nothing_are_none():
    for zone in (None, "Europe/Berlin"):
        starts = Tumbling(Interval.parse("d"), zone=zone).starts(np.array([], dtype=np.int64))
        assert (starts.dtype, starts.size) == (np.int64, 0)


@pytest.mark.parametrize("wrong", [np.array([1.5]), np.array([1], dtype=np.int32), [1], None])
def test_starts_takes_int64_only(wrong):
    with pytest.raises(ArgumentError, match=r"^times_us: got .*int64"):
        Tumbling(Interval.parse("h")).starts(wrong)


@pytest.mark.parametrize("wild_us", [MIN_US - 1, MAX_US + 1, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_starts_refuses_times_outside_the_years_1_to_9999(wild_us, zone):
    with pytest.raises(ArgumentError, match=r"years 1 to 9999"):
        Tumbling(Interval.parse("d"), zone=zone).starts(np.array([0, wild_us]))


# --------------------------------------------------------------------------------------------------------- local days


def local_block(time_us: int, tumbling: Tumbling) -> int:
    """The number of the window by the date that a clock in the zone shows."""
    shown = (EPOCH + timedelta(microseconds=time_us)).astimezone(ZoneInfo(tumbling.zone or "UTC")).date()
    return (shown - date(1970, 1, 1)).days // (tumbling.interval.length_us // DAY_US)


@given(tumbling=zoned, time_us=modern | near_hours)
@example(tumbling=Tumbling(Interval.parse("d"), zone="Pacific/Apia"), time_us=utc_us(datetime(2011, 12, 30, 10)))
@example(tumbling=Tumbling(Interval.parse("d"), zone="America/Havana"), time_us=utc_us(datetime(2023, 11, 5, 4, 30)))
def test_a_zoned_window_holds_whole_local_days(tumbling, time_us):
    window, block = tumbling.window_of(time_us), local_block(time_us, tumbling)
    assert local_block(window.start_us, tumbling) == block == local_block(window.end_us - 1, tumbling)
    assert local_block(window.start_us - 1, tumbling) < block < local_block(window.end_us, tumbling)


@given(tumbling=zoned, time_us=modern)
def test_a_zoned_window_is_named_by_its_first_local_date(tumbling, time_us):
    window = tumbling.window_of(time_us)
    first = (EPOCH + timedelta(microseconds=window.start_us)).astimezone(ZoneInfo(tumbling.zone or "UTC")).date()
    assert tumbling.label(window) == first.isoformat()


@pytest.mark.parametrize(
    ("zone", "day", "start", "minutes"),
    [
        ("Europe/Berlin", "2024-03-31", "2024-03-30T23:00", 23 * 60),
        ("Europe/Berlin", "2024-10-27", "2024-10-26T22:00", 25 * 60),
        ("Europe/Berlin", "1970-01-01", "1969-12-31T23:00", 24 * 60),
        ("America/New_York", "2024-03-10", "2024-03-10T05:00", 23 * 60),
        ("America/New_York", "2024-11-03", "2024-11-03T04:00", 25 * 60),
        ("Asia/Kathmandu", "2024-03-31", "2024-03-30T18:15", 24 * 60),
        ("Asia/Kathmandu", "1986-01-01", "1985-12-31T18:30", 23 * 60 + 45),  # +05:30 became +05:45
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00", 23 * 60),  # from 00:00 to 01:00
        ("America/Havana", "2023-11-05", "2023-11-05T04:00", 25 * 60),  # from 01:00 to 00:00
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30", 23 * 60 + 30),  # from 23:30 to 00:30
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00", 24 * 60),  # 30 December is missing
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00", 24 * 60),
    ],
)
def test_a_local_day_is_as_long_as_its_clock_says(zone, day, start, minutes):
    daily, start_us = Tumbling(Interval.parse("d"), zone=zone), utc_us(datetime.fromisoformat(start))
    window = daily.window_of(start_us)
    assert window == Window(start_us, start_us + minutes * 60_000_000)
    assert daily.label(window) == day
    assert daily.window_of(start_us - 1).end_us == start_us


@pytest.mark.parametrize("zone", [*ZONES, "America/St_Johns", "UTC"])
@pytest.mark.parametrize("days", [1, 7, 10_000])
def test_zoned_windows_are_cut_at_the_ends_of_time(zone, days):
    tumbling = Tumbling(Interval.parse(timedelta(days=days)), zone=zone)
    first, last = tumbling.window_of(MIN_US), tumbling.window_of(MAX_US)
    assert (first.start_us, last.end_us) == (MIN_US, MAX_US + 1)
    assert tumbling.label(first) == "0001-01-01"
    second = tumbling.window_of(first.end_us)
    assert tumbling.label(second) > tumbling.label(first)
    assert tumbling.starts(np.array([MAX_US, MIN_US])).tolist() == [last.start_us, MIN_US]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"interval": Interval.parse("h"), "zone": "Europe/Berlin"},
            "^zone: got 'Europe/Berlin' .* windows of h; .*days",
        ),
        ({"interval": Interval.parse("36h"), "zone": "UTC"}, "^zone: got 'UTC'"),
        ({"interval": Interval.parse("d"), "zone": "Mars/Olympus"}, "^zone: got 'Mars/Olympus' .*tzdata"),
        ({"interval": Interval.parse("d"), "zone": "../../etc/passwd"}, "^zone: got"),
        ({"interval": Interval.parse("d"), "zone": ""}, "^zone: got ''"),
        ({"interval": Interval.parse("d"), "zone": "Europe"}, "^zone: got 'Europe'"),
        ({"interval": Interval.parse("d"), "zone": "a\0b"}, "^zone: got"),
        ({"interval": Interval.parse("d"), "zone": 7}, "^zone: got 7"),
        ({"interval": Interval.parse("d"), "zone": "UTC", "origin_us": HOUR_US}, "^origin_us: got 3600000000"),
        ({"interval": Interval.parse("d"), "origin_us": 1}, "^origin_us: got 1 .*whole seconds"),
        ({"interval": Interval.parse("d"), "origin_us": 0.5}, "^origin_us: got 0.5"),
        ({"interval": Interval.parse("d"), "origin_us": 2**60}, "^origin_us: got"),
    ],
)
def test_zones_and_origins_that_say_no_windows_are_refused(options, expected):
    with pytest.raises(ArgumentError, match=expected):
        Tumbling(**options)


# -------------------------------------------------------------------------------------------------------------- window


@given(
    start_us=st.integers(-5, 5),
    length_us=st.integers(1, 5),
    from_us=st.none() | st.integers(-12, 12),
    to_us=st.none() | st.integers(-12, 12),
)
def test_windows_overlap_where_they_share_a_time(start_us, length_us, from_us, to_us):
    window = Window(start_us, start_us + length_us)
    shared = [
        time_us
        for time_us in range(-20, 20)
        if window.contains(time_us) and (from_us is None or from_us <= time_us) and (to_us is None or time_us < to_us)
    ]
    assert window.overlaps(from_us, to_us) == bool(shared)


def test_windows_sort_by_start_and_then_by_end():
    assert sorted([Window(5, 6), Window(-1, 9), Window(5, 5)]) == [Window(-1, 9), Window(5, 5), Window(5, 6)]


def test_a_window_shows_its_span_in_utc():
    window = Window(0, HOUR_US + 1)
    assert str(window) == "[1970-01-01T00:00:00Z, 1970-01-01T01:00:00.000001Z)"
    assert (window.start, window.end) == (EPOCH, EPOCH + timedelta(hours=1, microseconds=1))


def test_a_window_beyond_the_calendar_shows_the_nearest_moment():
    window = Window(-(2**63), 2**63 - 1)
    assert window.start == datetime.min.replace(tzinfo=UTC)
    assert window.end == datetime.max.replace(tzinfo=UTC)


# ----------------------------------------------------------------------------------------------------------- watermark


@given(
    batches=st.lists(st.tuples(st.lists(st.integers(-1_000, 1_000)), st.integers(-1_000, 1_000))),
    disorder_us=st.integers(0, 500),
    max_future_us=st.none() | st.integers(0, 500),
)
def test_the_watermark_follows_the_latest_credible_time(batches, disorder_us, max_future_us):
    watermark, seen, before_us = Watermark(disorder_us, max_future_us), [], None
    for sample, now_us in batches:
        credible = [time_us for time_us in sample if max_future_us is None or time_us <= now_us + max_future_us]
        seen += credible
        assert watermark.observe(np.array(sample, dtype=np.int64), now_us) == len(sample) - len(credible)
        assert watermark.value_us == (max(seen) - disorder_us if seen else None)
        assert before_us is None or (watermark.value_us is not None and watermark.value_us >= before_us)
        before_us = watermark.value_us


def test_a_watermark_resumes_from_the_latest_time_of_another():
    watermark = Watermark(10)
    watermark.observe(np.array([500]), now_us=500)
    resumed = Watermark(10, latest_us=watermark.latest_us)
    resumed.observe(np.array([400]), now_us=500)
    assert resumed.value_us == watermark.value_us == 490


def test_a_wild_clock_moves_nothing_by_default():
    watermark = Watermark()
    assert watermark.observe(np.array([HOUR_US, HOUR_US + 1, MAX_US]), now_us=0) == 2
    assert watermark.value_us == HOUR_US


@pytest.mark.parametrize("options", [{"max_out_of_orderness_us": -1}, {"max_future_us": -1}])
def test_a_watermark_refuses_negative_durations(options):
    with pytest.raises(ArgumentError, match=r"got -1 .*not negative"):
        Watermark(**options)
