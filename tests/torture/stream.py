"""A stream of distinguishable rows, a process that logs it, and the check of the result.

Each row has its own number in column `x`. Rows of `log` are even and can be lost if they were not flushed when their
process died. Rows of the source "topic" are odd: position p holds 2p + 1. The next process continues at
`logger.positions`, so each row counts exactly once. `Ledger` records the promises, and `check` compares them with the
store.
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
# The frequent items are exact up to 3,072 values; the other sketches only cost time here.
SPEC = pp.ProfileSpec(lg_items=12, quantiles=False, distinct=False)
MOST_ROWS = SPEC.max_items
DATASETS = ("dataset", "late")

# Ways to cut a stream that keep different state: event time or arrival, late rows, a single window.
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
    """Promises about the rows of a store."""

    durable: set[int] = field(default_factory=set)  # even rows that were flushed
    logged: set[int] = field(default_factory=set)  # even rows that are allowed to count
    position: int = 0  # the source is durable up to here


@dataclass(slots=True)
class Verdict:
    """Differences between the store and the ledger; all zero if they agree."""

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
    """Rows with advancing event times, some of them late, and numbers that never repeat."""

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
        """Rows that no source can replay."""
        first, self.next_row = self.next_row, self.next_row + rows
        return [self.row(2 * number) for number in range(first, first + rows)]

    def replayed(self, position: int, rows: int) -> list[dict[str, int]]:
        """Rows of the source from a position on."""
        return [self.row(2 * at + 1) for at in range(position, position + rows)]


def logger_of(session: pp.Session, way: int) -> Logger:
    """The logger of the data set, with the options of one way."""
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
    """Log, flush, wait, close and reopen at random until a number of rows is logged.

    `report` is called with "logged" before rows are logged and with "durable" after a flush, both with the end of their
    numbers, and with "position" for the position up to which the source is durable.
    """
    opened = session()
    logger = logger_of(opened, way)
    source = Source(chance, first)
    position = logger.positions.get("topic", 0)
    report("position", position)
    rows_left = most_rows
    while rows_left > 0:
        action = chance.choices(("log", "source", "flush", "wait", "close"), (30, 20, 30, 18, 2))[0]
        rows = min(chance.randrange(1, 8), rows_left)
        if action == "log":
            report("logged", source.next_row + rows)
            for record in source.plain(rows):
                logger.log(record)
            rows_left -= rows
        elif action == "source":
            position += rows
            logger.log_records(source.replayed(position - rows, rows), positions={"topic": position})
            rows_left -= rows
        elif action == "flush":
            logger.flush()
            report("durable", source.next_row)
        elif action == "wait" and clock is not None:
            clock.advance(timedelta(seconds=chance.choice((1, 3, 11))))
        elif action == "close":
            opened.close()
            report("durable", source.next_row)
            opened = session()
            logger = logger_of(opened, way)
        report("position", logger.positions.get("topic", 0))
    return opened


def finish(session: Callable[[], pp.Session], way: int, position: int) -> int:
    """Recover, read the rest of the source up to a position and close; returns the position that was durable.

    A second session follows: after this next start no orphan file is allowed.
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
    """Compare a closed store with the ledger; each of the first `source_rows` of the source must count once."""
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
            assert all(item.lower == item.upper for item in items), "the test logged more rows than it can distinguish"
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
    """Files that a closed store does not need: all except panes and one state with positions."""
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
