"""Every statistic: the bulk methods of its class equal those one by one, and refuse the same messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

import polarsprof as pp
from polarsprof.errors import CorruptProfile
from polarsprof.files import profile_pb2 as pb
from polarsprof.profiles.value_groups import GROUPS, STATISTICS
from polarsprof.sketches import Statistic

if TYPE_CHECKING:
    from polarsprof.sketches import AnyStatistic

CASES = [(group.name, kind) for group in GROUPS.values() for kind in group.statistics]
IDS = [f"{name}-{kind.field}" for name, kind in CASES]


def frame(number: int) -> pl.DataFrame:
    ticks = pl.Series([3 * number, 7, -5, None])
    return pl.DataFrame(
        {
            "number": [number, 1.5, -2, 0.0],
            "datetime_utc": ticks.cast(pl.Datetime("us", "UTC")),
            "datetime": ticks.cast(pl.Datetime("ns")),
            "date": ticks.cast(pl.Int32).cast(pl.Date),
            "time": ticks.abs().cast(pl.Time),
            "duration": ticks.cast(pl.Duration("us")),
            "string": [f"k{number}", "", "a", None],
            "boolean": [True, False, None, True],
            "binary": [b"", b"\xff", bytes([number]), None],
            "list": [[1], [], [number, 2], None],
            "struct": [{"a": 1}, {"a": number}, None, {"a": 2}],
            "object": pl.Series([object(), None, object(), None], dtype=pl.Object),
        },
        strict=False,
    )


@pytest.fixture(scope="module")
def parts() -> list[pp.Profile]:
    return [pp.profile(frame(number)) for number in range(3)] + [pp.Profile()]


def state(statistic: AnyStatistic) -> bytes:
    message = getattr(pb.Group(), statistic.field)
    statistic.to_message(message)
    return bytes(message.SerializeToString(deterministic=True))


def statistics(parts: list[pp.Profile], name: str, kind: type[AnyStatistic]) -> list[AnyStatistic]:
    return [part.column(name).group(name).statistics[kind] for part in parts]


def messages(found: list[AnyStatistic]) -> list[object]:
    groups = [pb.Group() for _ in found]
    written = [getattr(group, found[0].field) for group in groups]
    type(found[0]).to_messages(list(zip(found, written, strict=True)))
    return written


def empty(name: str, kind: type[AnyStatistic]) -> AnyStatistic:
    return pp.GroupProfile(name, pp.ProfileSpec()).statistics[kind]


@pytest.mark.parametrize(("name", "kind"), CASES, ids=IDS)
def test_bulk_writing_equals_writing_one_by_one(parts, name, kind) -> None:
    found = statistics(parts, name, kind)
    assert [message.SerializeToString(deterministic=True) for message in messages(found)] == list(map(state, found))


@pytest.mark.parametrize(("name", "kind"), CASES, ids=IDS)
def test_bulk_reading_restores_every_state(parts, name, kind) -> None:
    found = statistics(parts, name, kind)
    back = [empty(name, kind) for _ in found]
    kind.from_messages(list(zip(back, messages(found), strict=True)))
    assert list(map(state, back)) == list(map(state, found))
    assert [statistic.exact for statistic in back] == [statistic.exact for statistic in found]


@pytest.mark.parametrize(("name", "kind"), CASES, ids=IDS)
def test_merging_messages_equals_merging_states(parts, name, kind) -> None:
    found = statistics(parts, name, kind)
    own, default, expected = (empty(name, kind) for _ in range(3))
    own.merge_messages(messages(found), [4] * len(found))
    Statistic.merge_messages(default, messages(found), [4] * len(found))
    expected.merge(*found)
    assert state(own) == state(default) == state(expected)


@pytest.mark.parametrize("field", ["moments", "quantiles", "frequent_items"])
def test_a_message_of_more_values_than_its_group_is_refused(parts, field) -> None:
    kind = next(kind for kind in STATISTICS if kind.field == field)
    found = statistics(parts, "number", kind)
    for merge in (kind.merge_messages, Statistic.merge_messages):
        with pytest.raises(CorruptProfile, match=r"were counted"):
            merge(empty("number", kind), messages(found), [4, 3, 4, 0])
