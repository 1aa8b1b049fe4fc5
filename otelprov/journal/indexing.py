"""How the index keeps up with the journal: what was appended since is read, and written to tables.

The tables hold where each line begins and what is asked for, not the operations themselves.
"""

# ruff: noqa: S608 - the number in the schema is this module's own

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from otelprov import semconv
from otelprov.journal import reader
from otelprov.journal.reader import Damage, Span

VERSION = 3

_TABLES = f"""
CREATE TABLE files (
  id INTEGER PRIMARY KEY, name TEXT UNIQUE, inode INTEGER, size INTEGER, changed INTEGER,
  offset INTEGER, lines INTEGER, spans INTEGER, tail BLOB
);
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
-- The rank says how much is known: 0 the beginning, 1 that the call was over, 2 all.
CREATE TABLE spans (
  id INTEGER PRIMARY KEY, file INTEGER, offset INTEGER, length INTEGER, position INTEGER,
  trace TEXT, span TEXT, run TEXT, kind TEXT, name INTEGER, rank INTEGER, started INTEGER,
  ended INTEGER
);
-- The maker is kept where a write says what content the artifact had that it wrote.
CREATE TABLE artifacts (
  span INTEGER, made INTEGER, artifact TEXT, content TEXT, uri TEXT, maker TEXT
);
CREATE TABLE damage (file INTEGER, line INTEGER, reason TEXT);
CREATE TABLE lost (file INTEGER, lines INTEGER, bytes INTEGER, reason TEXT, said INTEGER);
-- An operation may stand in the journal several times: as it began, when its call was over, and as
-- it ended. What says most counts.
CREATE VIEW operations AS SELECT * FROM spans AS one WHERE NOT EXISTS (
  SELECT 1 FROM spans AS other WHERE other.trace = one.trace AND other.span = one.span
  AND (other.rank, other.id) > (one.rank, one.id)
);
PRAGMA user_version = {VERSION};
"""
_INDEXES = (
    "spans_id ON spans (trace, span)",
    "spans_file ON spans (file)",
    "spans_name ON spans (name, started)",
    "spans_run ON spans (run, started)",
    "spans_started ON spans (started)",
    "artifacts_span ON artifacts (span)",
    "artifacts_id ON artifacts (artifact, made)",
    "artifacts_content ON artifacts (content) WHERE content IS NOT NULL",
    "artifacts_uri ON artifacts (uri) WHERE uri IS NOT NULL",
)
"""Made after the first filling: ids are random, and a million of them put into place one by one
take many times as long as sorting them once."""
_CACHE = 64 << 10  # KiB, while it is brought up to date
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
        known = {row[1]: row for row in database.execute("SELECT * FROM files")}
        names = {name: id_ for id_, name in database.execute("SELECT * FROM names")}
        for path in paths:
            row = known.pop(path.name, None)
            try:
                _bring_file_up_to_date(database, names, path, row)
            except FileNotFoundError:  # deleted since the directory was read
                if row is not None:
                    _forget(database, row[0])
            except OSError as error:
                reason = f"cannot be read: {error.strerror or error}"
                unreadable.append(Damage(path, 0, reason))
                if row is not None:
                    _forget(database, row[0])
        for row in known.values():
            _forget(database, row[0])
        for index in _INDEXES:
            database.execute(f"CREATE INDEX IF NOT EXISTS {index}")
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    return unreadable


def _bring_file_up_to_date(
    database: sqlite3.Connection, names: dict[str, int], path: Path, row: Any
) -> None:
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
        size = line.offset + line.length
        if not line.complete:
            _damage(database, file, line.number, reader.TORN)
            break
        offset, lines = size, line.number
        tail = (tail + line.data[-_TAIL:])[-_TAIL:] if line.data else b""
        if not line.data:
            _damage(database, file, line.number, reader.TOO_LONG)
            continue
        if not line.data.strip():
            continue
        try:
            found, lost = reader.contents(line.data)
        except reader.DamagedLine as error:
            _damage(database, file, line.number, str(error))
            continue
        spans += len(found)
        for position, span in enumerate(found):
            _add(database, names, (file, line.offset, line.length, position), span)
        for one in lost:
            database.execute(
                "INSERT INTO lost VALUES (?, ?, ?, ?, ?)",
                (file, one.lines, one.bytes, one.reason, one.time),
            )
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


def _add(
    database: sqlite3.Connection, names: dict[str, int], place: tuple[Any, ...], span: Span
) -> None:
    kind = span.attributes.get(semconv.OPERATION_KIND)
    if not isinstance(kind, str):
        return  # another library's span: none of the lineage's business
    run = span.attributes.get(semconv.RUN_ID)
    if kind == "run":
        run = f"{span.trace_id}-{span.span_id}"
    name = names.get(span.name)
    if name is None:
        database.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (span.name,))
        row = database.execute("SELECT id FROM names WHERE name = ?", (span.name,)).fetchone()
        name = names[span.name] = int(row[0])
    ids = (span.trace_id, span.span_id, run, kind, name)
    added = database.execute(
        "INSERT INTO spans (file, offset, length, position, trace, span, run, kind, name, rank, "
        "started, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*place, *ids, span.rank, span.start, span.end),
    ).lastrowid
    rows = []
    for event in span.events:
        made = event.name == semconv.GENERATED
        if not made and event.name != semconv.USED:
            continue
        said = event.attributes
        artifact = said.get(semconv.GENERATED_ID if made else semconv.USED_ID)
        content, uri = said.get(semconv.ARTIFACT_CONTENT_ID), said.get(semconv.ARTIFACT_URI)
        if isinstance(artifact, str):
            maker = None
            if kind == "write" and not made and isinstance(content, str):
                maker = said.get(semconv.ARTIFACT_MAKER)
            rows.append((added, made, artifact, content, uri, maker))
    database.executemany("INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?)", rows)


def _damage(database: sqlite3.Connection, file: int | None, line: int, reason: str) -> None:
    database.execute("INSERT INTO damage VALUES (?, ?, ?)", (file, line, reason))


def _forget(database: sqlite3.Connection, file: int | None) -> None:
    database.execute(
        "DELETE FROM artifacts WHERE span IN (SELECT id FROM spans WHERE file = ?)", (file,)
    )
    database.execute("DELETE FROM spans WHERE file = ?", (file,))
    database.execute("DELETE FROM damage WHERE file = ?", (file,))
    database.execute("DELETE FROM lost WHERE file = ?", (file,))
    database.execute("DELETE FROM files WHERE id = ?", (file,))
