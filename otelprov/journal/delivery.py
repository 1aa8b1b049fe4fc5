"""What was delivered: the state of delivery on disk, beside the segments.

Each destination of each signal has a directory ``delivery/<digest of signal and address>``:

- ``destination.json``: which it is.
- ``cursors/<segment>``: how far a segment is acknowledged. Who sends a segment holds the ``flock``
  on its cursor, so no two ever send the same one.
- ``delivered``: one line for each segment that is closed and acknowledged as a whole.
- ``trouble.json``: what went wrong last; gone when the destination took something again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any, Final, Literal

import orjson
from blake3 import blake3

from otelprov._record import record
from otelprov.journal.cursors import Cursor, Progress, newest, progress_of

try:
    import fcntl
except ImportError:  # Windows has none: there two shippers are not told apart
    fcntl = None  # type: ignore[assignment]

Signal = Literal["traces", "logs"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "logs")
PREFIX: Final[dict[Signal, bytes]] = {"traces": b'{"resourceSpans":[', "logs": b'{"resourceLogs":['}
"""How each line of a signal begins."""
SUFFIX: Final = b"]}\n"
"""How it ends."""

_HEAD = 1 << 16  # bytes of a first line that tell a segment from another of the same name
_FORGOTTEN = 1000  # segments that are gone and still listed one by one


@record
class Trouble:
    """Why a destination takes nothing."""

    at: int
    """Nanoseconds since the epoch."""
    text: str


@record
class Entry:
    """A segment that was delivered as a whole."""

    size: int
    changed: int
    inode: int
    progress: Progress


class Delivery:
    """The state of one destination of one signal."""

    def __init__(self, journal: Path, signal: Signal, address: str) -> None:
        self.journal = journal
        self.signal: Signal = signal
        self.address = address
        """The URL without user and password."""
        digest = blake3(f"{signal} {address}".encode()).hexdigest(length=8)
        self.directory = journal / "delivery" / digest
        self._entries: dict[str, Entry] = {}
        self._earlier = Progress()
        self._read: tuple[int, int] = (0, 0)

    # --- sending -----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the directory.

        Raises:
            OSError: it cannot be made.
        """
        cursors = self.directory / "cursors"
        # One by one: with `parents` only the last would be its owner's alone.
        for path in (self.directory.parent, self.directory, cursors):
            path.mkdir(mode=0o700, exist_ok=True)
        path = self.directory / "destination.json"
        if not path.exists():
            _write(path, {"signal": self.signal, "address": self.address})

    def claim(self, segment: Path) -> Cursor | None:
        """The cursor of a segment, unless somebody else has it or it is delivered already."""
        cursor = Cursor.claim(self.directory / "cursors" / segment.name)
        if cursor is None:
            return None
        try:
            return self._begin(segment, cursor)
        except BaseException:
            cursor.release()
            raise

    def finish(self, segment: Path, cursor: Cursor) -> None:
        """A closed segment is delivered as a whole."""
        found = segment.stat()
        entry = Entry(found.st_size, found.st_mtime_ns, found.st_ino, cursor.progress)
        self._add(segment.name, entry)
        cursor.release(finished=True)

    def trouble(self, trouble: Trouble | None) -> None:
        """Remember what is wrong with the destination, or that nothing is."""
        path = self.directory / "trouble.json"
        if trouble is not None:
            _write(path, asdict(trouble))
        else:
            path.unlink(missing_ok=True)

    # --- looking -----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read what was added to the list of delivered segments."""
        try:
            with (self.directory / "delivered").open("rb") as file:
                found = os.fstat(file.fileno())
                inode, offset = self._read
                if inode != found.st_ino or found.st_size < offset:
                    self._entries, self._earlier, offset = {}, Progress(), 0
                file.seek(offset)
                for line in file:
                    if line.endswith(b"\n"):
                        self._take(line)
                        offset += len(line)
                self._read = (found.st_ino, offset)
        except FileNotFoundError:
            self._entries, self._earlier, self._read = {}, Progress(), (0, 0)

    def is_delivered(self, name: str, found: os.stat_result) -> bool:
        """Whether a segment is delivered as it is now; as of the last refresh."""
        entry = self._entries.get(name)
        return entry is not None and (entry.size, entry.changed, entry.inode) == (
            found.st_size,
            found.st_mtime_ns,
            found.st_ino,
        )

    def delivered_size(self, name: str) -> int | None:
        """Bytes of a segment that was delivered as a whole; None for others."""
        entry = self._entries.get(name)
        return None if entry is None else entry.size

    def progress(self, segment: Path) -> Progress:
        """How far a segment is, without a claim on it."""
        self.refresh()
        entry = self._entries.get(segment.name)
        found = entry.progress if entry is not None else Progress()
        with suppress(OSError):
            descriptor = os.open(self.directory / "cursors" / segment.name, os.O_RDONLY)
            try:
                sequence, written = newest(descriptor)
                found = written if sequence else found
            finally:
                os.close(descriptor)
        return found if found.head == head_of(segment) else Progress()

    def counts(self) -> Progress:
        """The sum over all segments, those that are gone among them."""
        self.refresh()
        cursors: dict[str, Progress] = {}
        with suppress(OSError):
            for path in (self.directory / "cursors").iterdir():
                with path.open("rb") as file:
                    cursors[path.name] = newest(file.fileno())[1]
        total = self._earlier
        for progress in cursors.values():
            total = _sum(total, progress)
        for name, entry in self._entries.items():
            open_ = cursors.get(name)
            if open_ is None or open_.head != entry.progress.head:
                total = _sum(total, entry.progress)
        return total

    def last_trouble(self) -> Trouble | None:
        """What went wrong last, if nothing was taken since."""
        try:
            return Trouble(**orjson.loads((self.directory / "trouble.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def _begin(self, segment: Path, cursor: Cursor) -> Cursor | None:
        # Looked up under the lock: until now another process may have been at work on it.
        self.refresh()
        entry = self._entries.get(segment.name)
        if cursor.progress == Progress() and entry is not None:
            cursor.progress = entry.progress
        head = head_of(segment)
        if cursor.progress.head != head:
            if cursor.progress.head:  # another segment of this name: its own counts are kept
                self._add(segment.name, Entry(0, 0, 0, cursor.progress))
            cursor.progress = Progress(head=head)
        if entry is not None and cursor.progress.offset == segment.stat().st_size:
            self.finish(segment, cursor)
            return None
        return cursor

    # --- the list ----------------------------------------------------------------------------

    def tidy(self, present: set[str]) -> None:
        """Sum up what is known of segments that are gone, so that the state stays small."""
        with suppress(OSError):
            for path in (self.directory / "cursors").iterdir():
                if path.name not in present and not (self.journal / path.name).exists():
                    self._forget(path)
        gone = [name for name in self._entries if name not in present]
        if len(gone) <= max(_FORGOTTEN, len(present)):
            return
        with self._list_locked():
            self.refresh()
            for name in gone:
                entry = self._entries.pop(name, None)
                if entry is not None:
                    self._earlier = _sum(self._earlier, entry.progress)
            path, draft = self.directory / "delivered", self.directory / "delivered.new"
            with _private(draft, "wb") as file:
                file.write(_line({"earlier": asdict(self._earlier)}))
                for name, entry in self._entries.items():
                    file.write(_line({"segment": name, **asdict(entry)}))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)

    def _forget(self, path: Path) -> None:
        cursor = Cursor.claim(path)
        if cursor is None:
            return
        if cursor.progress != Progress():
            self._add(path.name, Entry(0, 0, 0, cursor.progress))
        cursor.release(finished=True)

    def _add(self, name: str, entry: Entry) -> None:
        with (
            self._list_locked(),
            _private(self.directory / "delivered", "ab") as file,
        ):
            # After a crash in the middle of a line, the next one begins on a line of its own.
            torn = b"" if file.tell() == 0 or _ends_whole(self.directory / "delivered") else b"\n"
            file.write(torn + _line({"segment": name, **asdict(entry)}))
            file.flush()
            os.fsync(file.fileno())

    def _take(self, line: bytes) -> None:
        try:
            record = orjson.loads(line)
            if "earlier" in record:
                self._earlier = progress_of(record["earlier"])
                return
            progress = progress_of(record.pop("progress"))
            name = record.pop("segment")
            entry = Entry(**record, progress=progress)
        except (ValueError, TypeError, KeyError, AttributeError):
            return  # torn by a crash: the segment is sent again at the worst
        before = self._entries.get(name)
        if before is not None and before.progress.head != progress.head:
            self._earlier = _sum(self._earlier, before.progress)
        self._entries[name] = entry

    @contextmanager
    def _list_locked(self) -> Iterator[None]:
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def destinations(journal: Path) -> list[Delivery]:
    """Every destination that something of this journal was meant for."""
    found = []
    for path in sorted((journal / "delivery").glob("*/destination.json")):
        try:
            record = orjson.loads(path.read_bytes())
            found.append(Delivery(journal, record["signal"], record["address"]))
        except (OSError, ValueError, KeyError):
            continue
    return found


class KnownDeliveries:
    """Says whether a segment was delivered to every destination; looked up at the first question.

    That is what the bound on the journal's size asks before it deletes (``retention.Delivered``).
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._known: list[Delivery] | None = None

    def __call__(self, name: str, size: int) -> bool | None:
        """None where nothing delivers."""
        if self._known is None:
            self._known = destinations(self._journal)
            for delivery in self._known:
                delivery.refresh()
        if not self._known:
            return None
        return all(delivery.delivered_size(name) == size for delivery in self._known)


def head_of(segment: Path) -> str:
    """What tells a segment from another of the same name: a digest of its first line.

    That line holds a trace and a span id. Empty while the line is not complete.

    Raises:
        OSError: it cannot be read.
    """
    with segment.open("rb") as file:
        line = file.readline(_HEAD)
    return blake3(line).hexdigest(length=16) if line.endswith(b"\n") or len(line) == _HEAD else ""


def _sum(one: Progress, other: Progress) -> Progress:
    return replace(
        one,
        lines=one.lines + other.lines,
        rejected=one.rejected + other.rejected,
        refused=one.refused + other.refused,
        skipped=one.skipped + other.skipped,
    )


def _line(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def _write(path: Path, record: dict[str, Any]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with _private(draft, "wb") as file:
        file.write(_line(record))
    draft.replace(path)


def _private(path: Path, mode: str) -> IO[bytes]:
    """A file that only its owner can read, from its first moment on."""
    return open(path, mode, opener=_owned)


def _owned(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
