"""An index over the journal: who made an artifact, who used it, what belongs to a trace.

``index.sqlite`` stands beside the journal's files and can be thrown away at any time: it holds
where each operation's line begins, not the operation. It is brought up to date when it is opened,
by reading only what was appended since. Where it cannot be kept (a directory without write
permission), it is built in memory.
"""

# ruff: noqa: S608 - the parts that questions are put together from are this module's own

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from otelprov._record import record
from otelprov.journal import reader
from otelprov.journal.indexing import bring_up_to_date
from otelprov.journal.locks import Lock
from otelprov.journal.places import Place, Segments
from otelprov.journal.reader import Damage, Lost, Span
from otelprov.journal.segment import is_open, process_of
from otelprov.model import PREFIXES

_PLACE = (
    "operations.trace, operations.span, files.name, "
    "operations.offset, operations.length, operations.position"
)
_AT = "operations JOIN files ON files.id = operations.file"
_RUN = "(SELECT id FROM runs WHERE runs.run = ?)"
_LATEST = (1 << 63) - 1


@record
class RunEntry:
    """A run that the journal knows of; ``place`` is None when its run span is not in it."""

    run: str
    started: int
    operations: int
    place: Place | None


@record
class Totals:
    """How much there is: files, their bytes, and all their spans."""

    files: int
    bytes: int
    spans: int
    lost_lines: int
    """What processes say that they could not write."""
    lost_bytes: int
    oldest: int | None
    """When the oldest operation began, nanoseconds since the epoch."""


@record
class Cut:
    """What was left out for a limit, summed up, or put into another trace."""

    attribute: str
    """Which says so on the spans: ``otelprov.dropped.used``."""
    spans: int
    """How many say so."""
    number: int
    """How much it is in all of them."""


class JournalIndex:
    """The index of the journal in ``directory``, up to date as of its creation.

    Raises:
        OSError: the directory cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._memory: sqlite3.Connection | None = None
        self._kept: sqlite3.Connection | None = None
        self._inode = 0
        self._lock = Lock(directory)
        self._segments = Segments(directory)
        self._unreadable: list[Damage] = []
        self.update()

    # --- questions ---------------------------------------------------------------------------

    def generating(self, ids: Iterable[str]) -> dict[str, list[Place]]:
        """The operations that made each artifact, oldest first."""
        return self._by_artifact(ids, made=1)

    def ancestors(self, ids: Iterable[str], limit: int) -> dict[str, list[Place]]:
        """The operations that made these artifacts and those that they were made from, and so on.

        Over all makers, the nearest artifacts first, and about ``limit`` of them: in one question
        what a walk asks level by level. Those of one artifact stand with the oldest first.
        """
        wanted = sorted(set(ids))
        if len(wanted) >= min(limit, 500):  # SQLite before 3.32 takes 999 values
            return self.generating(wanted)
        rows = self.ask(
            f"WITH RECURSIVE ahead (artifact) AS (VALUES {', '.join(['(?)'] * len(wanted))} "
            # CROSS: in this order, by the indexes.
            "UNION SELECT used.artifact FROM ahead CROSS JOIN artifacts AS made "
            "ON made.artifact = ahead.artifact AND made.made = 1 CROSS JOIN artifacts AS used "
            "ON used.span = made.span AND used.made = 0 LIMIT ?) "
            f"SELECT ahead.artifact, operations.ended, operations.id, {_PLACE} FROM ahead "
            "LEFT JOIN artifacts ON artifacts.artifact = ahead.artifact AND artifacts.made = 1 "
            "LEFT JOIN operations ON operations.id = artifacts.span "
            "LEFT JOIN files ON files.id = operations.file",
            (*wanted, limit),
        )
        found: dict[str, list[Any]] = {}
        for row in rows:
            found.setdefault(row[0], []).append(row)
        return {artifact: _by_end(several) for artifact, several in found.items()}

    def using(self, ids: Iterable[str]) -> dict[str, list[Place]]:
        """The operations that used each artifact, oldest first."""
        return self._by_artifact(ids, made=0)

    def span(self, trace_id: str, span_id: str) -> Place | None:
        """One operation or run."""
        found = self._places("trace = ? AND span = ?", (trace_id, span_id))
        return found[0] if found else None

    def trace(self, trace_id: str) -> list[Place]:
        """The operations and runs of a trace, oldest first."""
        return self._places("trace = ?", (trace_id,))

    def runs_of(self, trace_id: str) -> list[Place]:
        """The runs of a trace, oldest first."""
        return self._places("trace = ? AND kind = 'run'", (trace_id,))

    def beginning(self, prefix: str, limit: int) -> list[str]:
        """The artifact ids that begin with ``prefix``, with the kind (``table:4f``) or without."""
        # From, up to, and how it goes on: an id of a later version has its number before the colon.
        ranges = [(prefix, prefix + "\x7f", "*")]
        if ":" not in prefix:
            ranges = [(f"{kind}:{prefix}", f"{kind}:{prefix}\x7f", "*") for kind in PREFIXES]
            ranges += [(f"{kind}.v", f"{kind}.w", f"*:{prefix}*") for kind in PREFIXES]
        found: set[str] = set()
        for start, end, pattern in ranges:
            for column in ("artifact", "content"):
                rows = self.ask(
                    f"SELECT DISTINCT {column} FROM artifacts "
                    f"WHERE {column} >= ? AND {column} < ? AND {column} GLOB ? LIMIT ?",
                    (start, end, pattern, limit),
                )
                found.update(row[0] for row in rows)
        return sorted(found)[:limit]

    def holding(self, content_id: str) -> list[str]:
        """The ids of artifacts whose content has this id, newest first."""
        return self._artifacts("content", [content_id])

    def at(self, uris: Sequence[str]) -> list[str]:
        """The ids of artifacts read from or written to one of these places, newest first."""
        return self._artifacts("uri", uris)

    def tables_of(self, database: str) -> list[str]:
        """The URIs of the tables in the database of this URI."""
        found = self.ask(
            "SELECT DISTINCT uri FROM artifacts WHERE uri > ? AND uri < ? ORDER BY uri",
            (f"{database}#", f"{database}$"),  # the sign after #
        )
        return [row[0] for row in found]

    def runs(
        self,
        limit: int,
        *,
        since: int = 0,
        name: str | None = None,
        operation: str | None = None,
    ) -> list[RunEntry]:
        """The newest runs that began at ``since`` (nanoseconds since the epoch) or later.

        ``name`` is a part of the run's name, ``operation`` the name of one that it carried out.
        """
        found = self.ask(
            "SELECT run, started FROM runs WHERE started >= ?1 AND (?2 IS NULL OR id IN ("
            "SELECT spans.run FROM spans JOIN names ON names.id = spans.name "
            "WHERE names.name = ?2)) ORDER BY started DESC, run",
            (since, operation),
        )
        entries: list[RunEntry] = []
        for run, started in found:
            if len(entries) == limit:
                break
            if name is not None and not self._has_name(run, name):
                continue
            place = self.span(*_split(run))
            entries.append(RunEntry(run, started, self.operations_of(run), place))
        return entries

    def named(self, name: str, since: int | None, until: int | None, limit: int) -> list[Place]:
        """The newest operations of this name that began in a time, in nanoseconds."""
        rows = self.ask(
            f"SELECT {_PLACE} FROM {_AT} WHERE operations.name = "
            "(SELECT id FROM names WHERE names.name = ?) "
            "AND operations.started >= ? AND operations.started < ? "
            "ORDER BY operations.started DESC LIMIT ?",
            (name, since or 0, _LATEST if until is None else until, limit),
        )
        return [Place(*row) for row in rows]

    def unfinished(self, run: str) -> list[Place]:
        """The operations of a run that began, and whose end is not recorded."""
        return self._places(
            f"operations.run = {_RUN} AND operations.rank = 0 AND operations.kind <> 'run'", (run,)
        )

    def is_open(self, run: str) -> bool | None:
        """Whether the process of this run still has a segment open.

        That of the run's own beginning counts: a child may write for the same run.
        """
        first = (
            "SELECT files.name FROM spans JOIN files ON files.id = spans.file WHERE spans.run = "
        )
        rows = self.ask(f"{first}{_RUN} AND spans.kind = 'run' ORDER BY started LIMIT 1", (run,))
        rows = rows or self.ask(f"{first}{_RUN} ORDER BY started LIMIT 1", (run,))
        if not rows:
            return None
        process = process_of(rows[0][0])
        if process is None:
            return None
        # The last segment may hold nothing of this run yet, but never something of another.
        names = self.ask(
            "SELECT files.name FROM files WHERE files.name GLOB ? "
            f"AND NOT EXISTS (SELECT 1 FROM spans WHERE spans.file = files.id AND run < {_RUN}) "
            f"AND NOT EXISTS (SELECT 1 FROM spans WHERE spans.file = files.id AND run > {_RUN})",
            (f"*-{process}-*", run, run),
        )
        states = [self._state(name) for (name,) in {*rows, *names}]
        return True if True in states else None if None in states else False

    def _state(self, name: str) -> bool | None:
        try:
            return is_open(self.directory / name)
        except OSError:
            return False  # deleted meanwhile: only what is closed is

    def _has_name(self, run: str, part: str) -> bool:
        rows = self.ask(
            "SELECT names.name FROM spans JOIN names ON names.id = spans.name "
            "WHERE spans.trace = ? AND spans.span = ?",
            _split(run),
        )
        return any(part in name for (name,) in rows)

    def runs_beginning(self, prefix: str, limit: int) -> list[str]:
        """The ids of runs that begin so."""
        rows = self.ask(
            "SELECT run FROM runs WHERE run >= ? AND run < ? ORDER BY run LIMIT ?",
            (prefix, prefix + "\x7f", limit),
        )
        return [row[0] for row in rows]

    def operations_of(self, run: str) -> int:
        """How many operations a run carried out."""
        # A run spans several traces when it is long: its operations are found by its own id.
        rows = self.ask(
            f"SELECT COUNT(*) FROM operations WHERE run = {_RUN} AND kind <> 'run'", (run,)
        )
        return int(rows[0][0])

    def damage(self) -> list[Damage]:
        """The lines that could not be read, by file and line."""
        rows = self.ask(
            "SELECT name, line, reason FROM damage JOIN files ON files.id = damage.file "
            "ORDER BY name, line"
        )
        found = [Damage(self.directory / name, line, reason) for name, line, reason in rows]
        return [*self._unreadable, *found]

    def totals(self) -> Totals:
        """How much the journal holds."""
        rows = self.ask(
            "SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(spans), 0), "
            "(SELECT COALESCE(SUM(lines), 0) FROM lost), "
            "(SELECT COALESCE(SUM(bytes), 0) FROM lost), "
            "(SELECT MIN(started) FROM spans WHERE started > 0) FROM files"
        )
        return Totals(*rows[0])

    def lost(self) -> list[Lost]:
        """What processes say that they could not write, oldest first."""
        rows = self.ask("SELECT lines, bytes, reason, said FROM lost ORDER BY said")
        return [Lost(*row) for row in rows]

    def cut(self) -> list[Cut]:
        """What spans of the journal say that was cut, by attribute."""
        rows = self.ask(
            "SELECT attribute, SUM(spans), SUM(number) FROM cut GROUP BY attribute "
            "ORDER BY attribute"
        )
        return [Cut(*row) for row in rows]

    def read(self, place: Place) -> Span | None:
        """The span at a place; None when its file has gone or changed meanwhile."""
        try:
            data = self._segments.read(place.file, place.offset, place.length)
            span = reader.spans(data)[place.position]
        except (OSError, reader.DamagedLine, IndexError):
            return None
        return span if (span.trace_id, span.span_id) == (place.trace_id, place.span_id) else None

    def _by_artifact(self, ids: Iterable[str], made: int) -> dict[str, list[Place]]:
        wanted = sorted(set(ids))
        found: dict[str, list[Place]] = {id_: [] for id_ in wanted}
        for start in range(0, len(wanted), 500):  # SQLite before 3.32 takes 999 values
            part = wanted[start : start + 500]
            rows = self.ask(
                f"SELECT artifacts.artifact, {_PLACE} FROM artifacts "
                "JOIN operations ON operations.id = artifacts.span "
                "JOIN files ON files.id = operations.file "
                f"WHERE artifacts.made = ? AND artifacts.artifact IN ({_marks(part)}) "
                "GROUP BY artifacts.artifact, operations.id "
                "ORDER BY operations.ended, operations.id",
                (made, *part),
            )
            for artifact, *place in rows:
                found[artifact].append(Place(*place))
        return found

    def _places(self, where: str, values: tuple[str, ...]) -> list[Place]:
        rows = self.ask(
            f"SELECT {_PLACE} FROM {_AT} WHERE {where} ORDER BY operations.started, operations.id",
            values,
        )
        return [Place(*row) for row in rows]

    def _artifacts(self, column: str, values: Sequence[str]) -> list[str]:
        rows = self.ask(
            "SELECT artifact FROM artifacts JOIN spans ON spans.id = artifacts.span "
            f"WHERE {column} IN ({_marks(values)}) "
            # What was made with this content comes before what was only used with it.
            "GROUP BY artifact ORDER BY MAX(spans.started) DESC, MAX(made) DESC, artifact",
            tuple(values),
        )
        return [row[0] for row in rows]

    def ask(self, question: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows that answer a question in SQL."""
        try:
            return self._answer(question, values)
        except (sqlite3.DatabaseError, FileNotFoundError):  # damaged where no update looked
            self._repair()
            return self._answer(question, values)

    def _answer(self, question: str, values: Sequence[Any]) -> list[Any]:
        if self._memory is not None:
            return self._memory.execute(question, values).fetchall()
        with self._lock.shared():  # nobody writes, or puts another file in its place, meanwhile
            inode = self._path.stat().st_ino
            if self._kept is None or inode != self._inode:
                self._disconnect()
                self._kept, self._inode = self._connect(), inode
            return self._kept.execute(question, values).fetchall()

    def _repair(self) -> None:
        damaged = self._inode
        self._disconnect()
        with suppress(OSError), self._lock.exclusive():
            if self._path.stat().st_ino == damaged:  # nobody else has done it
                self._remove()
        self.update()

    def _disconnect(self) -> None:
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    # --- keeping up --------------------------------------------------------------------------

    def update(self) -> None:
        """Read what was appended since the index was last up to date."""
        paths = reader.files(self.directory)
        try:
            with self._lock.exclusive():
                try:
                    self._update_file(paths)
                except sqlite3.DatabaseError as error:
                    if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
                        raise  # locked, or the disk is full: the file itself may be sound
                    self._remove()
                    self._update_file(paths)
        except (OSError, sqlite3.Error):
            self._memory = sqlite3.connect(":memory:", isolation_level=None)
            self._unreadable = bring_up_to_date(self._memory, paths)

    def _update_file(self, paths: list[Path]) -> None:
        # Created here and not by SQLite, so that nobody else can ever read it.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        database = self._connect()
        try:
            self._unreadable = bring_up_to_date(database, paths)
        finally:
            database.close()

    @property
    def _path(self) -> Path:
        return self.directory / "index.sqlite"

    def _remove(self) -> None:
        for name in ("index.sqlite", "index.sqlite-journal"):
            (self.directory / name).unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            self._path, timeout=10, isolation_level=None, check_same_thread=False
        )
        database.execute("PRAGMA cell_size_check = ON")
        return database


def _is_damage(error: sqlite3.OperationalError) -> bool:
    # A table or column that is not there: a file of our version number with another content.
    return "no such" in str(error) or "has no column" in str(error)


def _by_end(rows: list[Any]) -> list[Place]:
    """The places of the makers of one artifact: rows with end, id and place."""
    if len(rows) > 1:  # one may have made an artifact in two roles
        rows = sorted({row[2]: row for row in rows}.values(), key=_end)
    # An operation that is not the latest of its id is no row of operations.
    return [Place._make(row[3:]) for row in rows if row[2] is not None]


def _end(row: Any) -> tuple[int, int]:
    return (row[1] or 0, row[2] or 0)


def _split(run: str) -> tuple[str, str]:
    trace_id, _, span_id = run.partition("-")
    return trace_id, span_id


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
