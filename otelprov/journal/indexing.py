"""How the index keeps up with the journal: what was appended since is read, and written to tables.

The tables hold where each line begins and what is asked for, not the operations themselves.
"""

# ruff: noqa: S608 - the number in the schema is this module's own

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from otelprov.journal import reader
from otelprov.journal.entries import Entry, found_in
from otelprov.journal.reader import Damage

VERSION = 5

_TABLES = f"""
CREATE TABLE files (
  id INTEGER PRIMARY KEY, name TEXT UNIQUE, inode INTEGER, size INTEGER, changed INTEGER,
  offset INTEGER, lines INTEGER, spans INTEGER, tail BLOB
);
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE runs (id INTEGER PRIMARY KEY, run TEXT UNIQUE, started INTEGER);
-- An operation may stand in the journal several times: as it began, when its call was over, and as
-- it ended. The rank says how much is known: 0 the beginning, 1 that the call was over, 2 all. What
-- says most counts, and is the latest.
CREATE TABLE spans (
  id INTEGER PRIMARY KEY, file INTEGER, offset INTEGER, length INTEGER, position INTEGER,
  trace TEXT, span TEXT, run INTEGER, kind TEXT, name INTEGER, rank INTEGER, started INTEGER,
  ended INTEGER, latest INTEGER DEFAULT 1
);
-- The maker is kept where a write says what content the artifact had that it wrote.
CREATE TABLE artifacts (
  span INTEGER, number INTEGER, made INTEGER, artifact TEXT, content TEXT, uri TEXT, maker TEXT,
  PRIMARY KEY (span, number)
) WITHOUT ROWID;
-- What was cut, by file and attribute: on how many spans, and how much in all.
CREATE TABLE cut (
  file INTEGER, attribute TEXT, spans INTEGER, number INTEGER, PRIMARY KEY (file, attribute)
) WITHOUT ROWID;
CREATE TABLE damage (file INTEGER, line INTEGER, reason TEXT);
CREATE TABLE lost (file INTEGER, lines INTEGER, bytes INTEGER, reason TEXT, said INTEGER);
CREATE VIEW operations AS SELECT * FROM spans WHERE latest;
PRAGMA user_version = {VERSION};
"""
_INDEXES = (
    "spans_id ON spans (trace, span)",
    "spans_file ON spans (file, run)",
    "spans_name ON spans (name, started, run)",
    "spans_run ON spans (run, latest, kind)",
    "spans_begun ON spans (run) WHERE rank = 0",
    "spans_started ON spans (started)",
    "artifacts_id ON artifacts (artifact, made)",
    "artifacts_content ON artifacts (content) WHERE content IS NOT NULL",
    "artifacts_uri ON artifacts (uri) WHERE uri IS NOT NULL",
    "runs_started ON runs (started)",
)
"""Made after the first filling: ids are random, and a million of them put into place one by one
take many times as long as sorting them once."""
_CACHE = 64 << 10  # KiB, while it is brought up to date
_BATCH = 2000  # spans
_TAIL = 64  # bytes before the offset that must be unchanged for a file to be read on from there


def bring_up_to_date(database: sqlite3.Connection, paths: list[Path]) -> list[Damage]:
    """Read what was appended to these files, forget the others; the files that cannot be read.

    Raises:
        sqlite3.Error: the database is damaged, or cannot be written.
    """
    if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        for kind, name in database.execute(
            "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')"
        ).fetchall():
            database.execute(f'DROP {kind} "{name}"')
        database.executescript(_TABLES)
    unreadable: list[Damage] = []
    database.execute(f"PRAGMA cache_size = -{_CACHE}")
    database.execute("BEGIN IMMEDIATE")
    try:
        update = _Update(database)
        known = {row[1]: row for row in database.execute("SELECT * FROM files")}
        for path in paths:
            row = known.pop(path.name, None)
            try:
                update.file(path, row)
            except FileNotFoundError:  # deleted since the directory was read
                if row is not None:
                    update.forget(row[0])
            except OSError as error:
                reason = f"cannot be read: {error.strerror or error}"
                unreadable.append(Damage(path, 0, reason))
                if row is not None:
                    update.forget(row[0])
        for row in known.values():
            update.forget(row[0])
        update.finish()
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    return unreadable


class _Update:
    """The tables on their way to what the files hold."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.names: dict[str, int] = {}
        self.runs: dict[str, int] = {}
        self.started: dict[int, int] = {}
        """By run: when its first operation began, of those that were added."""
        self.last = self.before = self._number("SELECT MAX(id) FROM spans")
        self.spans: list[tuple[Any, ...]] = []
        self.mentions: list[tuple[Any, ...]] = []
        self.gone_spans: set[tuple[str, str]] = set()
        self.gone_runs: set[int] = set()

    def file(self, path: Path, row: Any) -> None:
        """Read what was appended to a file; ``row`` is what was known of it."""
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
                self.forget(file)
                file, offset, lines, spans, tail = None, 0, 0, 0, b""
        if file is None:
            added = self.database.execute("INSERT INTO files (name) VALUES (?)", (path.name,))
            file = added.lastrowid
        # The last line may have been torn when it was seen first, and have its end now.
        self.database.execute("DELETE FROM damage WHERE file = ? AND line > ?", (file, lines))
        size = offset
        cut: list[tuple[int | None, str, int]] = []
        for line in reader.lines(path, offset, lines):
            size = line.offset + line.length
            if not line.complete:
                self._damage(file, line.number, reader.TORN)
                break
            offset, lines = size, line.number
            tail = (tail + line.data[-_TAIL:])[-_TAIL:] if line.data else b""
            if not line.data:
                self._damage(file, line.number, reader.TOO_LONG)
                continue
            if line.data.isspace():
                continue
            try:
                found = found_in(line.data)
            except reader.DamagedLine as error:
                self._damage(file, line.number, str(error))
                continue
            spans += found.spans
            cut += [(file, attribute, number) for attribute, number in found.cut]
            for entry in found.entries:
                self._add((file, line.offset, line.length), entry)
            for one in found.lost:
                self.database.execute(
                    "INSERT INTO lost VALUES (?, ?, ?, ?, ?)",
                    (file, one.lines, one.bytes, one.reason, one.time),
                )
        self.database.executemany(
            "INSERT INTO cut VALUES (?1, ?2, 1, ?3) ON CONFLICT (file, attribute) DO UPDATE "
            "SET spans = spans + 1, number = MIN(number + ?3, 1 << 60)",
            cut,
        )
        # The size is what was read: a line appended meanwhile is found the next time.
        self.database.execute(
            "UPDATE files SET inode = ?, size = ?, changed = ?, offset = ?, lines = ?, spans = ?, "
            "tail = ? WHERE id = ?",
            (status.st_ino, size, status.st_mtime_ns, offset, lines, spans, tail, file),
        )

    def forget(self, file: int | None) -> None:
        """Take out all that came from a file."""
        self._flush()
        of = self.database.execute(
            "SELECT trace, span, run FROM spans WHERE file = ?", (file,)
        ).fetchall()
        self.gone_spans.update((trace, span) for trace, span, _ in of)
        self.gone_runs.update(run for _, _, run in of if run is not None)
        self.database.execute(
            "DELETE FROM artifacts WHERE span IN (SELECT id FROM spans WHERE file = ?)", (file,)
        )
        for table in ("spans", "cut", "damage", "lost"):
            self.database.execute(f"DELETE FROM {table} WHERE file = ?", (file,))
        self.database.execute("DELETE FROM files WHERE id = ?", (file,))

    def finish(self) -> None:
        """Write what is left, and settle what depends on several lines."""
        self._flush()
        for index in _INDEXES:
            self.database.execute(f"CREATE INDEX IF NOT EXISTS {index}")
        several: list[tuple[str, str]] = []
        if self.last > self.before > 0:
            several = self.database.execute(
                # By the number: for DISTINCT, SQLite would look through the index of all (3.40).
                "SELECT DISTINCT trace, span FROM spans AS one NOT INDEXED WHERE one.id > ? "
                "AND EXISTS (SELECT 1 FROM spans AS other WHERE other.trace = one.trace "
                "AND other.span = one.span AND other.id <> one.id)",
                (self.before,),
            ).fetchall()
        elif self.last > self.before:
            several = self.database.execute(
                "SELECT trace, span FROM spans GROUP BY trace, span HAVING COUNT(*) > 1"
            ).fetchall()
        self.database.executemany(
            "UPDATE spans SET latest = NOT EXISTS (SELECT 1 FROM spans AS other "
            "WHERE other.trace = spans.trace AND other.span = spans.span "
            "AND (other.rank, other.id) > (spans.rank, spans.id)) WHERE trace = ? AND span = ?",
            self.gone_spans.union(several),
        )
        gone = [(run,) for run in self.gone_runs]
        self.database.executemany(
            "UPDATE runs SET started = (SELECT MIN(started) FROM spans WHERE run = runs.id) "
            "WHERE id = ?",
            gone,
        )
        self.database.executemany(
            "UPDATE runs SET started = MIN(COALESCE(started, ?1), ?1) WHERE id = ?2",
            [(started, run) for run, started in self.started.items()],
        )
        self.database.executemany("DELETE FROM runs WHERE id = ? AND started IS NULL", gone)

    def _add(self, place: tuple[Any, ...], entry: Entry) -> None:
        run = None
        if entry.run is not None:
            run = self.runs.get(entry.run) or self._id("runs", "run", entry.run)
            self.started[run] = min(self.started.get(run, entry.start), entry.start)
        name = self.names.get(entry.name) or self._id("names", "name", entry.name)
        self.last += 1
        self.spans.append((self.last, *place, *entry[:3], run, entry.kind, name, *entry[6:9]))
        for number, mention in enumerate(entry.mentions):
            self.mentions.append((self.last, number, *mention))
        if len(self.spans) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        self.database.executemany(
            "INSERT INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)", self.spans
        )
        self.database.executemany(
            "INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?)", self.mentions
        )
        self.spans.clear()
        self.mentions.clear()

    def _id(self, table: str, column: str, text: str) -> int:
        self.database.execute(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (text,))
        found = self._number(f"SELECT id FROM {table} WHERE {column} = ?", text)
        ids: dict[str, int] = getattr(self, table)
        ids[text] = found
        return found

    def _damage(self, file: int | None, line: int, reason: str) -> None:
        self.database.execute("INSERT INTO damage VALUES (?, ?, ?)", (file, line, reason))

    def _number(self, question: str, *values: Any) -> int:
        return int(self.database.execute(question, values).fetchone()[0] or 0)


def _ends_with(path: Path, offset: int, tail: bytes) -> bool:
    with path.open("rb") as file:
        file.seek(offset - len(tail))
        return file.read(len(tail)) == tail
