"""A stream whose rows can be told apart, someone who logs it, and the sum that has to come out.

Each row has a number of its own in column `x`. Rows of `log` are even; what was not flushed when their process died may
be lost. Rows of the source "topic" are odd: position p holds 2p + 1, and whoever comes next reads on from
`logger.positions`, so each counts exactly once. `Ledger` notes what was promised; `check` compares it with the store.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polarsprof as pp
from polarsprof.stream.logger import Logger
from polarsprof.testing import SettableClock

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_S = int(NOON.timestamp())
# The summary of frequent items keeps 3,072 values and is exact below that; the other sketches would only cost time.
SPEC = pp.ProfileSpec(lg_items=12, quantiles=False, distinct=False)
MOST_ROWS = SPEC.max_items
DATASETS = ("dataset", "late")

# The ways to cut a stream that differ in what has to be kept: event time or arrival, late rows, one window for all.
WAYS: tuple[dict[str, object], ...] = (
    {"with_rotation_time": "10s", "timestamp": "t"},
    {"with_rotation_time": "10s", "timestamp": "t", "max_out_of_orderness": "15s", "checkpoint_every": "1s"},
    {"with_rotation_time": "10s", "timestamp": "t", "allowed_lateness": "10s", "late_dataset": "late"},
    {"with_rotation_time": "5s", "timestamp": "t", "max_open_windows": 2, "checkpoint_every": "1s"},
    {"with_rotation_time": "s", "checkpoint_every": "2s"},
    {},
)


@dataclass(slots=True)
class Ledger:
    """What was promised of the rows of a store."""

    durable: set[int] = field(default_factory=set)  # even rows that were flushed
    logged: set[int] = field(default_factory=set)  # even rows that may count
    position: int = 0  # the source is durable up to here


@dataclass(slots=True)
class Verdict:
    """How the store differs from the ledger; all zero where it does not."""

    rows: int = 0
    lost: int = 0
    doubled: int = 0
    unknown: int = 0
    torn: int = 0
    orphans: int = 0
    details: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.unknown or self.torn or self.orphans)


class Source:
    """Event times that move on, with some that are late; numbers that never come twice."""

    def __init__(self, chance: random.Random, first: int) -> None:
        self._chance = chance
        self._at_s = NOON_S + first % 4_096
        self.next_row = first

    def row(self, number: int) -> dict[str, int]:
        chance = self._chance
        self._at_s += chance.random() < 0.5
        late_s = chance.randrange(1, 100) if chance.random() < 0.15 else 0
        return {"x": number, "t": self._at_s - late_s}

    def plain(self, rows: int) -> list[dict[str, int]]:
        """Rows that nobody can read again."""
        first, self.next_row = self.next_row, self.next_row + rows
        return [self.row(2 * number) for number in range(first, first + rows)]

    def replayed(self, position: int, rows: int) -> list[dict[str, int]]:
        """Rows of the source from a position on."""
        return [self.row(2 * at + 1) for at in range(position, position + rows)]


def logger_of(session: pp.Session, way: int) -> Logger:
    """The logger of the data set, cut in one of the ways."""
    return session.logger("dataset", **WAYS[way % len(WAYS)])  # type: ignore[arg-type]


def live(
    session: Callable[[], pp.Session],
    clock: SettableClock | None,
    *,
    chance: random.Random,
    way: int,
    first: int,
    most_rows: int,
    report: Callable[[str, int], None],
) -> pp.Session:
    """Log, flush, wait, close and come again at random, until so many rows were logged or something ends it all.

    `report` hears of "logged" before a row is, of "durable" after a flush (both with the first number above), and of
    "position" that the source is durable up to.
    """
    opened = session()
    logger = logger_of(opened, way)
    source = Source(chance, first)
    position = logger.positions.get("topic", 0)
    report("position", position)
    rows_left = most_rows
    while rows_left > 0:
        what = chance.choices(("log", "source", "flush", "wait", "close"), (30, 20, 30, 18, 2))[0]
        rows = min(chance.randrange(1, 8), rows_left)
        if what == "log":
            report("logged", source.next_row + rows)
            for record in source.plain(rows):
                logger.log(record)
            rows_left -= rows
        elif what == "source":
            position += rows
            logger.log_records(source.replayed(position - rows, rows), positions={"topic": position})
            rows_left -= rows
        elif what == "flush":
            logger.flush()
            report("durable", source.next_row)
        elif what == "wait" and clock is not None:
            clock.advance(timedelta(seconds=chance.choice((1, 3, 11))))
        elif what == "close":
            opened.close()
            report("durable", source.next_row)
            opened = session()
            logger = logger_of(opened, way)
        report("position", logger.positions.get("topic", 0))
    return opened


def finish(session: Callable[[], pp.Session], way: int, position: int) -> int:
    """Come back, read what is left of the source up to a position, close, and come and go once more; what was durable.

    The second visit is the "next start" after which nothing may lie about.
    """
    with session() as opened:
        logger = logger_of(opened, way)
        durable = logger.positions.get("topic", 0)
        if durable < position:
            rows = Source(random.Random(0), 0).replayed(durable, position - durable)
            logger.log_records(rows, positions={"topic": position})
    with session() as opened:
        logger_of(opened, way)
    return durable


def check(folder: Path, ledger: Ledger, source_rows: int) -> Verdict:
    """Compare a store at rest with what was promised: `source_rows` of the source, each once."""
    verdict = Verdict()
    store = pp.ProfileStore(folder)
    counted: Counter[int] = Counter()
    for path in sorted(folder.glob("*.bin")):
        try:
            pp.read(path)
        except pp.errors.PolarsprofError as error:
            verdict.torn += 1
            verdict.details.append(f"torn: {error}")
    for dataset in DATASETS:
        if store.files(dataset):
            profile = store.read(dataset)
            items = profile["x"].frequent_items(MOST_ROWS)
            assert all(item.lower == item.upper for item in items), "the test logged more rows than it can tell apart"
            counted.update({int(item.value): item.estimate for item in items})
            if profile.rows != sum(item.estimate for item in items):
                verdict.details.append(f"{dataset}: {profile.rows} rows, but values of {sum(counted.values())}")
                verdict.unknown += 1
    expected = {2 * at + 1 for at in range(source_rows)}
    verdict.rows = sum(counted.values())
    _note(verdict, "lost", (ledger.durable | expected) - counted.keys())
    _note(verdict, "doubled", (number for number, times in counted.items() if times > 1))
    _note(verdict, "unknown", counted.keys() - expected - ledger.logged)
    _note(verdict, "orphans", orphans(folder))
    return verdict


def orphans(folder: Path) -> list[str]:
    """Files that nobody needs in a store that no process has open: all but panes and one state of positions."""
    left = [path for path in folder.rglob("*") if path.is_file()]
    bad = [path for path in left if path.suffix in (".tmp", ".pane")]
    bad += [path for path in left if path.parent == folder and path.suffix not in (".bin", ".tmp")]
    writers = {path.name.split(".")[1] for path in left if path.parent.name == ".writers"}
    if len(writers) > 1:
        bad += [path for path in left if path.parent.name == ".writers"]
    return [str(path.relative_to(folder)) for path in bad]


def _note(verdict: Verdict, kind: str, found: Iterable[object]) -> None:
    listed = sorted(map(str, found))
    setattr(verdict, kind, getattr(verdict, kind) + len(listed))
    if listed:
        verdict.details.append(f"{kind}: {len(listed)}, such as {', '.join(listed[:8])}")
