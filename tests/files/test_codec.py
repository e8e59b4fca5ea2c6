"""Files with damaged, foreign, hostile or newer bytes."""

from __future__ import annotations

import json
import re
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from golden.make import GOLDEN, figures
from hypothesis import given, settings
from hypothesis import strategies as st

import polarsprof as pp
from polarsprof.errors import CorruptProfile, UnsupportedVersion
from polarsprof.files import profile_pb2 as pb
from polarsprof.files.codec import (
    _PANES,
    MAJOR_VERSION,
    MAX_COLUMN_BYTES,
    MAX_COLUMNS,
    MAX_HEADER_BYTES,
    MINOR_VERSION,
    PREFIX_BYTES,
    Sections,
    _ends,
    encode,
)

GOLDEN_FILES = sorted(Path(__file__).parents[1].glob("golden/v*/*.bin"))
SMALL = pp.profile(pl.DataFrame({"a": [1, 2], "b": ["x", None]}), tags={"t": "1"}).to_bytes()


def sealed(head: bytes, bodies: bytes = b"", *, major: int = MAJOR_VERSION, minor: int = MINOR_VERSION) -> bytes:
    """A file with a valid checksum of any header."""
    size = PREFIX_BYTES + len(head) + len(bodies)
    prefix = struct.pack("<8sHHIQ", b"POLPROF\n", major, minor, len(head), size)
    return prefix + struct.pack("<I", zlib.crc32(head, zlib.crc32(prefix))) + head + bodies


def header(**fields: Any) -> pb.Header:
    return pb.Header(spec_json=pp.ProfileSpec().to_json(), **fields)


# ------------------------------------------------------------------------------------------------------------ accidents


def test_every_single_bit_flip_is_refused() -> None:
    for position in range(len(SMALL)):
        for bit in range(8):
            flipped = bytearray(SMALL)
            flipped[position] ^= 1 << bit
            with pytest.raises((CorruptProfile, UnsupportedVersion)):
                pp.Profile.from_bytes(bytes(flipped))


def test_every_truncation_and_every_extension_is_refused() -> None:
    for size in range(len(SMALL)):
        with pytest.raises(CorruptProfile):
            pp.Profile.from_bytes(SMALL[:size])
    for tail in (b"\x00", b"\n", SMALL, b"x" * 1_000):
        with pytest.raises(CorruptProfile, match="announces"):
            pp.Profile.from_bytes(SMALL + tail)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b'{"rows": 1}',
        b"WHY1\x00\x00\x00\x10" + bytes(100),
        b"PAR1" + bytes(100),
        b"POLPROF",
        b"POLPROF\n",
        b"POLPROF\r\n" + bytes(100),
        b"\xef\xbb\xbf" + SMALL,
        SMALL[::-1],
        bytes(1_000_000),
    ],
)
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptProfile, match="not a readable profile"):
        pp.read(data)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    for content in (data, SMALL[:8] + data, SMALL[:PREFIX_BYTES] + data):
        with pytest.raises((CorruptProfile, UnsupportedVersion)):
            pp.read(content)


def test_a_refused_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.bin"
    path.write_bytes(SMALL[:-1])
    with pytest.raises(CorruptProfile, match=r"broken\.bin.*announces"):
        pp.read(path)


def test_a_file_is_read_as_its_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "good.bin"
    pp.Profile.from_bytes(SMALL).write(path)
    assert path.read_bytes() == SMALL
    assert pp.read(path).to_bytes() == pp.read(str(path)).to_bytes() == pp.read(SMALL).to_bytes() == SMALL
    assert [entry.name for entry in tmp_path.iterdir()] == ["good.bin"]


def test_a_corrupt_column_does_not_hinder_the_others() -> None:
    entries = {entry.path: entry for entry in Sections.of_bytes(SMALL).header.columns}
    body = len(SMALL) - sum(entry.length for entry in entries.values())
    broken = bytearray(SMALL)
    broken[body + entries["b"].offset] ^= 1
    assert pp.read(bytes(broken), columns=["a"])["a"].sum == 3
    for columns in (["b"], None):
        with pytest.raises(CorruptProfile, match="checksum of column 'b'"):
            pp.read(bytes(broken), columns=columns)


def test_one_column_is_read_without_the_bytes_of_the_others() -> None:
    profile = pp.profile(pl.DataFrame({f"c{i}": ["text"] * 3 for i in range(200)}))
    data = profile.to_bytes()
    lengths = []

    def part(offset: int, length: int) -> bytes:
        lengths.append(length)
        return data[offset : offset + length]

    sections = Sections(part, len(data))
    assert list(pp.Profile.from_sections(sections, ["c7"]).columns) == ["c7"]
    assert sum(lengths) < len(data) / 3


def test_elements_are_read_with_the_lists_that_say_how_many_they_are(tmp_path: Path) -> None:
    rows = [{"a": [{"b": [1, None]}, {"b": [3]}], "a[x": 1, "c": [4, 5, 6]}, {"a": [], "c": []}]
    pp.profile(rows).write(tmp_path / "some.bin")
    for source in (tmp_path / "some.bin", (tmp_path / "some.bin").read_bytes()):
        some = pp.read(source, columns=["a[].b[]", "c[]", "missing[]"])
        assert list(some.columns) == ["a", "a[].b", "a[].b[]", "c", "c[]"]
        assert (some["a[].b[]"].rows, some["a[].b[]"].null_count, some["c[]"].rows) == (3, 1, 3)
        assert list(pp.read(source, columns=["c"]).columns) == ["c"]
        assert list(pp.read(source, columns=["a[].b", "a[x"]).columns) == ["a", "a[].b", "a[x"]


def test_a_column_of_many_empty_groups_is_refused_before_it_is_parsed() -> None:
    body = pb.Column(groups=[pb.Group() for _ in range(65)]).SerializeToString()
    head = header()
    head.columns.add(path="a", offset=0, length=len(body), crc32=zlib.crc32(body))
    with pytest.raises(CorruptProfile, match="more than 64 fields"):
        pp.Profile.from_bytes(sealed(head.SerializeToString(), body))


@pytest.mark.parametrize(
    "bomb", [b"\x6a\x00", b"\x6a\x02\x10\x00", b"\x9a\x01\x00", b"\x3a\x00", b"\xa2\x01\x02\x12\x00"]
)
def test_a_header_of_many_small_fields_is_refused_before_it_is_parsed(bomb: bytes, monkeypatch: Any) -> None:
    head = header().SerializeToString()
    monkeypatch.setattr("polarsprof.files.codec.parse", lambda kind, data: pytest.fail("parsed"))
    with pytest.raises(CorruptProfile, match=r"a header with .* fields"):
        pp.Profile.from_bytes(sealed(head + bomb * (1_000_000 // len(bomb))))
    writer = bomb[3:] * 300_000 if bomb[0] == 0xA2 else b""
    if writer:
        with pytest.raises(CorruptProfile, match=r"a header with .* fields"):
            pp.Profile.from_bytes(sealed(head + b"\xa2\x01" + _varint(len(writer)) + writer))


@given(
    panes=st.lists(
        st.builds(
            pb.Pane,
            writer_id=st.sampled_from(["0123456789ab", "writer of 12", "", "w", "a longer id of a writer"]),
            number=st.sampled_from([0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 2**63]),
        ),
        max_size=40,
    ),
    names=st.lists(st.text(max_size=20), max_size=5),
)
def test_fields_of_a_header_are_counted_no_lower_than_they_are(panes: list[pb.Pane], names: list[str]) -> None:
    head = header(panes=panes)
    head.writers.add(id="w", counters=[pb.NamedCount(name=name, count=1) for name in names])
    head.versions.add(key="k", value="v")
    fields = len(panes) + len(names) + len(["spec", "version", "writer", "its id"])
    counted = list(_ends(head.SerializeToString()))
    assert fields <= sum(number for number, _ in counted) <= 1.3 * fields + 1
    ends = [end for _, end in counted]
    assert ends == sorted(ends)
    assert ends[-1] == head.ByteSize()


def test_panes_of_the_usual_form_hide_no_field() -> None:
    pane = pb.Header(panes=[pb.Pane(writer_id="0123456789ab", number=300)]).SerializeToString()
    short, long = bytearray(pane), bytearray(pane)
    short[1], long[1] = pane[1] - 1, pane[1] + 1
    for forged in (bytes(short), bytes(long), pane[:-1], pane[:4]):
        assert not list(re.finditer(_PANES, forged))
    assert _PANES.fullmatch(pane * 3)


def test_a_header_of_many_columns_or_of_many_panes_of_short_ids_is_read() -> None:
    head = header(panes=[pb.Pane(writer_id="w", number=number) for number in range(50_000)])
    for number in range(10_000):
        head.columns.add(path=f"{number:05}", crc32=zlib.crc32(b""))
    profile = pp.read(sealed(head.SerializeToString()))
    assert (len(profile.panes), len(profile.columns)) == (50_000, 10_000)


def test_a_file_beyond_the_limit_is_neither_read_nor_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polarsprof.files.codec.MAX_FILE_BYTES", len(SMALL) - 1)
    with pytest.raises(CorruptProfile, match="more than"):
        pp.read(SMALL)
    with pytest.raises(pp.errors.PolarsprofError, match="fits no file: the whole"):
        pp.profile(pl.DataFrame({"a": [1, 2], "b": ["x", None]}), tags={"t": "1"}).to_bytes()


def test_a_spec_that_would_take_long_is_refused() -> None:
    for text in (
        "[" * 200_000,
        '{"columns": ' + json.dumps({f"{n}*": {} for n in range(1_001)}) + "}",
        " " * (1 << 21),
    ):
        with pytest.raises(CorruptProfile, match="spec"):
            pp.Profile.from_bytes(sealed(pb.Header(spec_json=text).SerializeToString()))
    with pytest.raises(pp.errors.ArgumentError, match="at most 1,000"):
        pp.ProfileSpec(columns={f"{n}*": {"k": 100} for n in range(1_001)})


def test_counts_that_no_reader_would_take_are_not_written() -> None:
    rows = pp.profile([{"a": 1}])
    rows.rows = 2**48 + 1
    with pytest.raises(pp.errors.PolarsprofError, match="fits no file: a count"):
        rows.to_bytes()


@pytest.mark.parametrize("statistic", ["moments", "quantiles", "frequent_items"])
def test_statistics_of_more_values_than_were_counted_are_refused(statistic: str) -> None:
    data = pp.profile([{"a": 1.5}, {"a": 2.5}, {"a": 2.5}]).to_bytes()
    sections = Sections.of_bytes(data)
    column = sections.column(*sections.entries(["a"]))
    group = column.groups[0]
    group.counters.count = 2
    for name in {"moments", "quantiles", "frequent_items"} - {statistic}:
        group.ClearField(name)
    forged = encode(sections.header, [("a", column)])
    for reading in (pp.read, lambda data: pp.merge([SMALL, data]), lambda data: pp.merge([data, data])):
        with pytest.raises(CorruptProfile, match="counted"):
            reading(forged)


# --------------------------------------------------------------------------------------------- written files are read


@pytest.mark.slow
def test_the_largest_column_that_the_knobs_allow_is_read_back() -> None:
    spec = pp.ProfileSpec(k=65_535, lg_k=21, lg_items=16)
    rows = range(49_152)
    profile = pp.Profile(spec)
    for values in (
        pl.Series([10**300 + i for i in rows], dtype=pl.Object),
        pl.Series([chr(0x1F600 + i % 50) * 55 + f"{i:09d}" for i in rows]),
        pl.Series([b"\xf0" * 55 + b"%09d" % i for i in rows]),
        *(pl.Series(rows).cast(pl.Int64).cast(dtype) for dtype in (pl.Datetime("ns"), pl.Duration("ns"), pl.Time)),
        pl.Series(rows).cast(pl.Int32).cast(pl.Date),
        pl.Series(rows).cast(pl.Int64).cast(pl.Datetime("us", "UTC")),
    ):
        if values.dtype == pl.Object:
            profile.merge(pp.profile([{"a": value} for value in values], spec=spec))
        else:
            profile.merge(pp.profile(pl.DataFrame({"a": values}), spec=spec))
    data = profile.to_bytes()
    assert 16 << 20 < len(data) < MAX_COLUMN_BYTES
    assert pp.read(data)["a"].count == profile["a"].count == 8 * 49_152


def test_long_names_of_very_many_columns_stay_within_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polarsprof.profiles.column_set.MAX_PATHS_BYTES", 1 << 20)
    start = "\U0001f600" * 500
    profile = pp.Profile()
    for first in (0, 400, 800):
        columns = {f"{start}{number:06}": [True] for number in range(first, first + 400)}
        profile.merge(pp.read(pp.profile(pl.DataFrame(columns)).to_bytes()))
    assert 450 < len(profile.columns) < 530
    assert profile.degraded["too many columns"] == 1_200 - len(profile.columns)
    assert len(pp.read(profile.to_bytes()).columns) == len(profile.columns)


def test_text_that_no_header_holds_is_refused_where_it_is_given(tmp_path: Path) -> None:
    large = "x" * (1 << 20)
    for wrong in (
        lambda: pp.profile([], tags={"k": large}),
        lambda: pp.profile([], metadata={"k": "\U0001f600" * (1 << 18)}),
        lambda: pp.Session(tmp_path).logger("x", tags={"k": large}),
        lambda: pp.Session(tmp_path).logger(large),
        lambda: pp.ProfileSpec(columns={large: {"k": 100}}),
    ):
        with pytest.raises(pp.errors.ArgumentError, match="at most"):
            wrong()
    assert pp.read(pp.profile([], tags={"k": large[:-1]}).to_bytes()).tags["k"] == large[:-1]


def test_a_merge_that_no_reader_would_take_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polarsprof.files.codec.MAX_HEADER_BYTES", 1_000)
    with pytest.raises(pp.errors.PolarsprofError, match="fits no file: the header"):
        pp.profile([], tags={"k": "x" * 1_000}).to_bytes()


# ------------------------------------------------------------------------------------------------------------- versions


def test_a_newer_major_version_is_refused_by_naming_both() -> None:
    with pytest.raises(UnsupportedVersion, match=rf"version {MAJOR_VERSION + 1};.* version {MAJOR_VERSION}$"):
        pp.Profile.from_bytes(sealed(b"anything", major=MAJOR_VERSION + 1))
    with pytest.raises(CorruptProfile):
        pp.Profile.from_bytes(sealed(header().SerializeToString(), major=0))


UNKNOWN = b"\xfa\x3f\x03new" + b"\xf8\x3f\x05"  # field 1023 as text and, wrongly, as a number


def _with_unknown_fields(message: Any) -> bytes:
    """The message with an unknown field in it and in every nested message."""
    parts = [UNKNOWN]
    for field, value in message.ListFields():
        bare = type(message)()
        if field.message_type is None:
            if field.is_repeated:
                getattr(bare, field.name).extend(value)
            else:
                setattr(bare, field.name, value)
            parts.append(bare.SerializeToString())
            continue
        for inner in value if field.is_repeated else [value]:
            body = _with_unknown_fields(inner)
            parts.append(_varint(field.number << 3 | 2) + _varint(len(body)) + body)
    return b"".join(parts)


def _varint(number: int) -> bytes:
    low = b""
    while number > 127:
        low, number = low + bytes([number & 127 | 128]), number >> 7
    return low + bytes([number])


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: path.stem)
def test_fields_of_a_newer_minor_version_are_dropped_without_harm(path: Path) -> None:
    sections = Sections.of_bytes(path.read_bytes())
    head, bodies = sections.header, b""
    for entry in head.columns:
        body = _with_unknown_fields(sections.column(entry))
        entry.offset, entry.length, entry.crc32 = len(bodies), len(body), zlib.crc32(body)
        bodies += body
    newer = sealed(_with_unknown_fields(head), bodies, minor=MINOR_VERSION + 1)
    assert newer.count(b"\x03new") > len(head.columns)
    assert pp.Profile.from_bytes(newer).to_bytes() == path.read_bytes()


def test_groups_and_knobs_of_a_newer_minor_version_are_left_out() -> None:
    sections = Sections.of_bytes(SMALL)
    columns = [(entry.path, sections.column(entry)) for entry in sections.header.columns]
    for _, column in columns:
        column.groups.add(name="quaternion").counters.count = 5
    head = sections.header
    head.spec_json = json.dumps(json.loads(head.spec_json) | {"novelty": 3})
    assert pp.Profile.from_bytes(encode(head, columns)).to_bytes() == SMALL


# --------------------------------------------------------------------------------------------------------------- limits


def test_an_announced_size_is_refused_before_anything_is_read() -> None:
    asked = []

    def part(offset: int, length: int) -> bytes:
        asked.append(length)
        return prefix[offset : offset + length]

    for head_bytes, file_bytes in ((2**32 - 1, 2**62), (MAX_HEADER_BYTES + 1, 1 << 29), (101, PREFIX_BYTES + 100)):
        prefix = struct.pack("<8sHHIQI", b"POLPROF\n", MAJOR_VERSION, 0, head_bytes, file_bytes, 0)
        with pytest.raises(CorruptProfile):
            Sections(part, file_bytes)
    assert max(asked) == PREFIX_BYTES


def test_a_column_beyond_its_limit_is_refused_before_it_is_read() -> None:
    head = header()
    head.columns.add(path="a", offset=0, length=MAX_COLUMN_BYTES + 1)
    data = sealed(head.SerializeToString())
    with pytest.raises(CorruptProfile, match="wrong place"):
        pp.Profile.from_bytes(data)


def test_more_columns_than_the_limit_are_refused() -> None:
    entries = [pb.ColumnEntry(path=f"{i:06d}") for i in range(MAX_COLUMNS + 1)]
    with pytest.raises(CorruptProfile, match=f"more than {MAX_COLUMNS}"):
        pp.Profile.from_bytes(sealed(header(columns=entries).SerializeToString()))
    assert len(pp.Profile.from_bytes(sealed(header(columns=entries[:500]).SerializeToString())).columns) == 500


@pytest.mark.parametrize(
    "entries",
    [
        [("a", 1, 0)],
        [("a", 0, 4)],
        [("b", 0, 0), ("a", 0, 0)],
        [("a", 0, 0), ("a", 0, 0)],
        [("a", 2**64 - 1, 1), ("b", 0, 0)],
        [("a", 0, 2**64 - 1)],
    ],
)
def test_columns_at_the_wrong_place_are_refused(entries: list[tuple[str, int, int]]) -> None:
    listed = [pb.ColumnEntry(path=path, offset=offset, length=length) for path, offset, length in entries]
    with pytest.raises(CorruptProfile):
        pp.Profile.from_bytes(sealed(header(columns=listed).SerializeToString()))


@pytest.mark.parametrize(
    "fields",
    [
        {"spec_json": ""},
        {"spec_json": "[]"},
        {"spec_json": '{"k": 1}'},
        {"spec_json": '{"k": true}'},
        {"spec_json": "[" * 100_000},
        {"spec_json": '{"columns": {"a": {"max_columns": 5}}}'},
        {"window_start_us": 5, "window_end_us": 5},
        {"window_start_us": 5},
        {"first_event_us": 2, "last_event_us": 1},
        {"first_event_us": 2**62, "last_event_us": 2**62},
        {"rows": 2**63},
        {"rejected": [pb.NamedCount(name="x", count=2**63)]},
    ],
)
def test_a_header_that_no_writer_writes_is_refused(fields: dict[str, Any]) -> None:
    head = header()
    for name, value in fields.items():
        getattr(head, name).extend(value) if isinstance(value, list) else setattr(head, name, value)
    with pytest.raises(CorruptProfile):
        pp.Profile.from_bytes(sealed(head.SerializeToString()))


@pytest.mark.parametrize(
    "group",
    [
        pb.Group(name="number", counters=pb.Counters(count=1, nan=2)),
        pb.Group(name="boolean", counters=pb.Counters(count=1, true=2)),
        pb.Group(name="number", counters=pb.Counters(count=2**63)),
        pb.Group(name="number", extremes=pb.Extremes(minimum=pb.Value(text="a"), maximum=pb.Value(text="b"))),
        pb.Group(name="string", extremes=pb.Extremes(minimum=pb.Value(integer=1), maximum=pb.Value(integer=1))),
        pb.Group(name="date", extremes=pb.Extremes(minimum=pb.Value(integer=1), maximum=pb.Value(fractional=2.5))),
        pb.Group(name="time", quantiles=pb.Quantiles(kll_doubles=bytes.fromhex("02020f04c8000800000000000000f07f"))),
        pb.Group(name="number", moments=pb.Moments(n=2, m2=-1.0)),
    ],
)
def test_a_column_that_no_writer_writes_is_refused(group: pb.Group) -> None:
    with pytest.raises(CorruptProfile):
        pp.Profile.from_bytes(encode(header(rows=9), [("c", pb.Column(groups=[group]))]))


def test_a_group_that_stands_twice_is_refused() -> None:
    group = pb.Group(name="number", counters=pb.Counters(count=1))
    with pytest.raises(CorruptProfile, match="stands twice"):
        pp.Profile.from_bytes(encode(header(rows=9), [("c", pb.Column(groups=[group, group]))]))


EDITS = st.sampled_from([b"\x00", b"\xff", b"\x7f"]) | st.binary(min_size=1, max_size=8)


@pytest.mark.slow
@settings(max_examples=1_000)
@given(data=st.data())
def test_altered_content_with_right_checksums_is_refused_or_answers(data: st.DataObject) -> None:
    sections = Sections.of_bytes(data.draw(st.sampled_from(GOLDEN_FILES)).read_bytes())
    head, entries = sections.header, sections.header.columns
    bodies = [bytearray(sections.column(entry).SerializeToString(deterministic=True)) for entry in entries]
    parts = [part for part in bodies if part] or [bytearray(head.SerializeToString())]
    for _ in range(data.draw(st.sampled_from([1, 1, 1, 2]))):
        part = data.draw(st.sampled_from(parts))
        at = data.draw(st.integers(0, len(part) - 1))
        size = data.draw(st.sampled_from([1, 8]))
        part[at : at + size] = data.draw(EDITS)
    offset = 0
    for entry, body in zip(entries, bodies, strict=True):
        entry.offset, entry.length, entry.crc32 = offset, len(body), zlib.crc32(body)
        offset += len(body)
    altered = head.SerializeToString() if entries else bytes(parts[0])
    try:
        profile = pp.Profile.from_bytes(sealed(altered, b"".join(bodies)))
    except (CorruptProfile, UnsupportedVersion):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _answers(profile)


def _answers(profile: pp.Profile) -> None:
    profile.summary()
    profile._repr_html_()
    repr(profile)
    figures(profile)
    state = profile.to_bytes()
    again = pp.Profile.from_bytes(state)
    assert again.to_bytes() == state
    other = pp.Profile(profile.spec)
    other.merge(profile)
    again.panes = frozenset()
    other.merge(again)
    pp.Profile.from_bytes(other.to_bytes()).summary()


# --------------------------------------------------------------------------------------------------------------- golden

HOW_TO_PROCEED = (
    "the file format or its content has changed. Files of users are out there: never edit or rewrite a golden set. "
    "Keep reading the old bytes; if the written bytes must change, raise the version in codec.py, add a set for it "
    "with tests/golden/make.py, and keep this one."
)


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_golden_files_say_what_they_always_said(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    profile = pp.read(path)
    said = json.loads(json.dumps(figures(profile)))
    assert said == expected, HOW_TO_PROCEED
    assert profile.versions == {"polarsprof": f"format {path.parent.name[1:]}"}, HOW_TO_PROCEED


@pytest.mark.parametrize(
    "path", [p for p in GOLDEN_FILES if p.parent.name == f"v{MAJOR_VERSION}"], ids=lambda path: path.stem
)
def test_golden_files_are_written_again_byte_by_byte(path: Path) -> None:
    assert pp.read(path).to_bytes() == path.read_bytes(), HOW_TO_PROCEED


def test_every_version_up_to_now_has_its_golden_set() -> None:
    found = {(path.parent.name, path.stem) for path in GOLDEN_FILES}
    assert {(f"v{version}", name) for version in range(1, MAJOR_VERSION + 1) for name in GOLDEN} <= found


def test_reasons_come_back_as_they_were_written() -> None:
    profile = pp.Profile()
    profile.incomplete = {"a": "quantiles refused; distinct refused"}
    assert pp.Profile.from_bytes(profile.to_bytes()).incomplete == profile.incomplete
    assert pp.Profile.from_bytes(profile.to_bytes()).to_bytes() == profile.to_bytes()
