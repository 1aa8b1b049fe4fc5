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
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from otelprov import semconv
from otelprov.journal import reader
from otelprov.journal.reader import Damage, Span
from otelprov.model import PREFIXES

try:
    import fcntl
except ImportError:  # Windows has none: there the index is built in memory
    fcntl = None  # type: ignore[assignment]

VERSION = 2

_SCHEMA = f"""
CREATE TABLE files (
  id INTEGER PRIMARY KEY, name TEXT UNIQUE, inode INTEGER, size INTEGER, changed INTEGER,
  offset INTEGER, lines INTEGER, spans INTEGER, tail BLOB
);
CREATE TABLE spans (
  id INTEGER PRIMARY KEY, file INTEGER, offset INTEGER, length INTEGER, position INTEGER,
  trace TEXT, span TEXT, run TEXT, kind TEXT, started INTEGER, ended INTEGER
);
-- The maker is kept where a write says what content the artifact had that it wrote.
CREATE TABLE artifacts (
  span INTEGER, made INTEGER, artifact TEXT, content TEXT, uri TEXT, maker TEXT
);
CREATE TABLE damage (file INTEGER, line INTEGER, reason TEXT);
CREATE INDEX spans_id ON spans (trace, span);
CREATE INDEX spans_file ON spans (file);
CREATE INDEX spans_started ON spans (started);
CREATE INDEX spans_run ON spans (run);
CREATE INDEX artifacts_span ON artifacts (span);
CREATE INDEX artifacts_id ON artifacts (artifact, made);
CREATE INDEX artifacts_content ON artifacts (content) WHERE content IS NOT NULL;
CREATE INDEX artifacts_uri ON artifacts (uri) WHERE uri IS NOT NULL;
-- A long operation may stand in the journal twice: as it began and as it ended. The end counts.
CREATE VIEW operations AS SELECT * FROM spans AS one WHERE NOT EXISTS (
  SELECT 1 FROM spans AS other WHERE other.trace = one.trace AND other.span = one.span
  AND (other.ended > 0, other.id) > (one.ended > 0, one.id)
);
PRAGMA user_version = {VERSION};
"""
_PLACE = (
    "operations.trace, operations.span, files.name, "
    "operations.offset, operations.length, operations.position"
)
_AT = "operations JOIN files ON files.id = operations.file"
_TAIL = 64  # bytes before the offset that must be unchanged for a file to be read on from there


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation's line stands in the journal."""

    trace_id: str
    span_id: str
    file: str
    offset: int
    length: int
    position: int
    """The span's place among those of its line."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run that the journal knows of; ``place`` is None when its run span is not in it."""

    run: str
    started: int
    operations: int
    place: Place | None


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is: files, their bytes, and all their spans."""

    files: int
    bytes: int
    spans: int


class JournalIndex:
    """The index of the journal in ``directory``, up to date as of its creation.

    Raises:
        OSError: the directory cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._memory: sqlite3.Connection | None = None
        self._unreadable: list[Damage] = []
        self.update()

    # --- questions ---------------------------------------------------------------------------

    def generating(self, ids: Iterable[str]) -> dict[str, list[Place]]:
        """The operations that made each artifact, oldest first."""
        return self._by_artifact(ids, made=1)

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

    def runs(self, limit: int) -> list[RunEntry]:
        """The newest runs."""
        rows = self.ask(
            "SELECT run, MIN(started), SUM(kind <> 'run') FROM operations "
            "WHERE run IS NOT NULL GROUP BY run ORDER BY MIN(started) DESC, run LIMIT ?",
            (limit,),
        )
        return [
            RunEntry(run, started, operations, self.span(*_split(run)))
            for run, started, operations in rows
        ]

    def runs_beginning(self, prefix: str, limit: int) -> list[str]:
        """The ids of runs that begin so."""
        rows = self.ask(
            "SELECT DISTINCT run FROM spans WHERE run >= ? AND run < ? ORDER BY run LIMIT ?",
            (prefix, prefix + "\x7f", limit),
        )
        return [row[0] for row in rows]

    def operations_of(self, run: str) -> int:
        """How many operations a run carried out."""
        # A run spans several traces when it is long: its operations are found by its own id.
        rows = self.ask("SELECT COUNT(*) FROM operations WHERE run = ? AND kind <> 'run'", (run,))
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
            "SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(spans), 0) FROM files"
        )
        return Totals(*rows[0])

    def read(self, place: Place) -> Span | None:
        """The span at a place; None when its file has gone or changed meanwhile."""
        try:
            with (self.directory / place.file).open("rb") as file:
                file.seek(place.offset)
                span = reader.spans(file.read(place.length))[place.position]
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
        except sqlite3.DatabaseError:  # damaged where the update did not look
            with suppress(OSError), _Lock(self.directory, exclusive=True):
                self._remove()
            self.update()
            return self._answer(question, values)

    def _answer(self, question: str, values: Sequence[Any]) -> list[Any]:
        if self._memory is not None:
            return self._memory.execute(question, values).fetchall()
        # A connection for one question, under a shared lock: nobody writes meanwhile.
        with _Lock(self.directory, exclusive=False):
            database = self._connect()
            try:
                return database.execute(question, values).fetchall()
            finally:
                database.close()

    # --- keeping up --------------------------------------------------------------------------

    def update(self) -> None:
        """Read what was appended since the index was last up to date."""
        paths = reader.files(self.directory)
        try:
            with _Lock(self.directory, exclusive=True):
                try:
                    self._update_file(paths)
                except sqlite3.DatabaseError as error:
                    if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
                        raise  # locked, or the disk is full: the file itself may be sound
                    self._remove()
                    self._update_file(paths)
        except (OSError, sqlite3.Error):
            self._memory = sqlite3.connect(":memory:", isolation_level=None)
            self._bring_up_to_date(self._memory, paths)

    def _update_file(self, paths: list[Path]) -> None:
        # Created here and not by SQLite, so that nobody else can ever read it.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        database = self._connect()
        try:
            self._bring_up_to_date(database, paths)
        finally:
            database.close()

    def _bring_up_to_date(self, database: sqlite3.Connection, paths: list[Path]) -> None:
        if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            for kind, name in database.execute(
                "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')"
            ).fetchall():
                database.execute(f'DROP {kind} "{name}"')
            database.executescript(_SCHEMA)
        self._unreadable = []
        database.execute("BEGIN IMMEDIATE")
        try:
            known = {row[1]: row for row in database.execute("SELECT * FROM files")}
            for path in paths:
                row = known.pop(path.name, None)
                try:
                    _bring_file_up_to_date(database, path, row)
                except OSError as error:
                    reason = f"cannot be read: {error.strerror or error}"
                    self._unreadable.append(Damage(path, 0, reason))
                    if row is not None:
                        _forget(database, row[0])
            for row in known.values():
                _forget(database, row[0])
            database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise

    @property
    def _path(self) -> Path:
        return self.directory / "index.sqlite"

    def _remove(self) -> None:
        for name in ("index.sqlite", "index.sqlite-journal"):
            (self.directory / name).unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        database.execute("PRAGMA cell_size_check = ON")
        return database


def _bring_file_up_to_date(database: sqlite3.Connection, path: Path, row: Any) -> None:
    status = path.stat()
    offset = lines = spans = 0
    file: int | None = None
    tail = b""
    if row is not None:
        file, _, inode, size, changed, offset, lines, spans, tail = row
        if (inode, size, changed) == (status.st_ino, status.st_size, status.st_mtime_ns):
            return
        # An append makes a file longer. Anything else is another file under the same name.
        grown = inode == status.st_ino and status.st_size > size
        if not grown or not _ends_with(path, offset, tail):
            _forget(database, file)
            file, offset, lines, spans, tail = None, 0, 0, 0, b""
    if file is None:
        file = database.execute("INSERT INTO files (name) VALUES (?)", (path.name,)).lastrowid
    # The last line may have been torn when it was seen first, and have its end now.
    database.execute("DELETE FROM damage WHERE file = ? AND line > ?", (file, lines))
    size = offset
    for line in reader.lines(path, offset, lines):
        size = line.offset + len(line.data)
        if not line.complete:
            _damage(database, file, line.number, reader.TORN)
            break
        offset, lines = size, line.number
        tail = (tail + line.data[-_TAIL:])[-_TAIL:]
        if not line.data.strip():
            continue
        try:
            found = reader.spans(line.data)
        except reader.DamagedLine as error:
            _damage(database, file, line.number, str(error))
            continue
        spans += len(found)
        for position, span in enumerate(found):
            _add(database, (file, line.offset, len(line.data), position), span)
    # The size is what was read: a line appended meanwhile is found the next time.
    database.execute(
        "UPDATE files SET inode = ?, size = ?, changed = ?, offset = ?, lines = ?, spans = ?, "
        "tail = ? WHERE id = ?",
        (status.st_ino, size, status.st_mtime_ns, offset, lines, spans, tail, file),
    )


def _ends_with(path: Path, offset: int, tail: bytes) -> bool:
    with path.open("rb") as file:
        file.seek(offset - len(tail))
        return file.read(len(tail)) == tail


def _add(database: sqlite3.Connection, place: tuple[Any, ...], span: Span) -> None:
    kind = span.attributes.get(semconv.OPERATION_KIND)
    if not isinstance(kind, str):
        return  # another library's span: none of the lineage's business
    run = span.attributes.get(semconv.RUN_ID)
    if kind == "run":
        run = f"{span.trace_id}-{span.span_id}"
    row = database.execute(
        "INSERT INTO spans (file, offset, length, position, trace, span, run, kind, started, ended)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*place, span.trace_id, span.span_id, run, kind, span.start, span.end),
    ).lastrowid
    for event in span.events:
        made = event.name == semconv.GENERATED
        if not made and event.name != semconv.USED:
            continue
        key = semconv.GENERATED_ID if made else semconv.USED_ID
        names = (key, semconv.ARTIFACT_CONTENT_ID, semconv.ARTIFACT_URI)
        values = tuple(event.attributes.get(name) for name in names)
        if isinstance(values[0], str):
            maker = None
            if kind == "write" and not made and isinstance(values[1], str):
                maker = event.attributes.get(semconv.ARTIFACT_MAKER)
            database.execute(
                "INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?)", (row, made, *values, maker)
            )


def _damage(database: sqlite3.Connection, file: int | None, line: int, reason: str) -> None:
    database.execute("INSERT INTO damage VALUES (?, ?, ?)", (file, line, reason))


def _forget(database: sqlite3.Connection, file: int | None) -> None:
    database.execute(
        "DELETE FROM artifacts WHERE span IN (SELECT id FROM spans WHERE file = ?)", (file,)
    )
    database.execute("DELETE FROM spans WHERE file = ?", (file,))
    database.execute("DELETE FROM damage WHERE file = ?", (file,))
    database.execute("DELETE FROM files WHERE id = ?", (file,))


def _is_damage(error: sqlite3.OperationalError) -> bool:
    # A table or column that is not there: a file of our version number with another content.
    return "no such" in str(error) or "has no column" in str(error)


def _split(run: str) -> tuple[str, str]:
    trace_id, _, span_id = run.partition("-")
    return trace_id, span_id


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


class _Lock:
    """A lock on the index for as long as the block runs.

    SQLite's own locks do not cover the replacement of a damaged file.

    Raises:
        OSError: the directory is read-only, or the file system has no locks.
    """

    def __init__(self, directory: Path, *, exclusive: bool) -> None:
        self._path = directory / "index.lock"
        self._exclusive = exclusive
        self._descriptor = -1

    def __enter__(self) -> None:
        if fcntl is None:
            raise OSError("no file locks on this platform")
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX if self._exclusive else fcntl.LOCK_SH)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)
