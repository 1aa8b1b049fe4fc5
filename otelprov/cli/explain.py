"""``otelprov id A B --explain``: whether two pieces of data are equal, and where they differ."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from otelprov._record import record

if TYPE_CHECKING:
    from otelprov.artifacts.compare import TableDifference
    from otelprov.artifacts.differences import Cells, Shift
    from otelprov.lineage.sources import Source
    from otelprov.model import Artifact

Verdict = Literal["same bytes", "same table", "different table", "different bytes"]
FileState = Literal["same bytes", "same table", "different", "moved", "only in A", "only in B"]
EQUAL: tuple[Verdict, ...] = ("same bytes", "same table")
_CHUNK = 1 << 20


class Failed(click.ClickException):
    """The two cannot be compared. As ``diff`` and ``cmp``: 1 means that they differ."""

    exit_code = 2


@record
class Side:
    """One of the two: where it is, and what it is."""

    path: Path
    artifact: Artifact
    asked: str | None = None
    """The id that was asked for, where the journal told the path."""
    table: str | None = None
    """The id of the table in it."""


@record
class FileDifference:
    """A file below two directories: its path in A, or in B where only that has it."""

    path: str
    state: FileState
    to: str | None = None
    """Its path in B, where that is another."""


@record
class Explanation:
    """Everything that is said about two files or directories."""

    a: Side
    b: Side
    verdict: Verdict
    table: TableDifference | None = None
    cells: Cells | None = None
    shift: Shift | None = None
    first_byte: int | None = None
    """The first byte that differs, for files of bytes; the first is 0."""
    files: tuple[FileDifference, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def equal(self) -> bool:
        """Whether both hold the same data."""
        return self.verdict in EQUAL


def explain(
    first: str, second: str, *, source: str | None = None, rows: int = 5, values: bool = False
) -> Explanation:
    """Compare two files or directories, or what an id in the journal was written to.

    ``rows`` is the number of differing rows to tell one by one, ``values`` whether with values.

    Raises:
        Failed: they cannot be compared; the message says why.
    """
    a, b = _side(first, source), _side(second, source)
    if a.artifact.id == b.artifact.id:
        return Explanation(a, b, "same bytes")
    directories = a.path.is_dir(), b.path.is_dir()
    if all(directories):
        return _directories(a, b, rows, values)
    if any(directories) or (_format(a.path) and _format(b.path)):
        return _tables(a, b, rows, values)
    notes = []
    for side, other in ((a, b), (b, a)):
        if _format(side.path) and not _format(other.path):
            notes.append(f"{side.path} holds a table; {other.path} is a file of bytes")
    if any(one.path.suffix.lower() in _TEXT_TABLES for one in (a, b)):
        notes.append(
            "a CSV file is bytes: what table it is depends on how it is read. To compare the "
            "tables, read both as your program does and write them to Parquet"
        )
    return Explanation(
        a, b, "different bytes", first_byte=_first_byte(a.path, b.path), notes=tuple(notes)
    )


_TEXT_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".gz", ".zip")


def _format(path: Path) -> str | None:
    from otelprov.artifacts.formats import detect

    return detect(path)


# --- what A and B mean ---------------------------------------------------------------------------


def _side(text: str, source: str | None) -> Side:
    from otelprov.artifacts import identify_path

    path, asked = (Path(text), None) if os.path.lexists(text) else (_written(text, source), text)
    artifact = identify_path(path)
    if artifact.coverage == "none":
        raise Failed(f"cannot read {path}: {artifact.reason}")
    return Side(path, artifact, asked)


def _written(target: str, address: str | None) -> Path:
    """A file that still holds the data with this id."""
    from otelprov.cli.common import opened
    from otelprov.cli.targets import resolve

    if not _looks_like_an_id(target):
        raise Failed(f"there is no file {target}, and it is no id either")
    try:
        with opened(address) as place:
            found = resolve(target, place)
            if found.artifact is None:
                raise Failed(
                    f"{target} is no data; name an artifact that it used or made "
                    f"(otelprov show {target})"
                )
            contents, places = _places(found.artifact, place)
    except Failed:
        raise
    except click.ClickException as error:
        raise Failed(error.message) from None
    if len(contents) > 1:
        listed = "\n  ".join(sorted(contents))
        raise Failed(f"{target} had {len(contents)} contents; name one of them:\n  {listed}")
    for path, holds in places:
        if holds():
            return path
    at = f" (known places: {', '.join(str(path) for path, _ in places[:3])})" if places else ""
    raise Failed(
        f"the journal knows {target}, but not its values, and no file that still has this content "
        f"was found{at}"
    )


def _looks_like_an_id(text: str) -> bool:
    kind, _, digits = text.rpartition(":")
    return bool(kind or len(digits) >= 4) and all(c in "0123456789abcdefABCDEF-" for c in digits)


def _places(artifact_id: str, source: Source) -> tuple[set[str], list[tuple[Path, _Holds]]]:
    """The contents that an artifact had, and the files that may have them."""
    from urllib.parse import unquote, urlsplit

    contents = {one.content_id for one in _mentions([artifact_id], source) if one.content_id}
    if not artifact_id.startswith("derived:"):
        contents = set()
    ids = {artifact_id}
    for content in (*contents, artifact_id):
        ids.update(source.holding(content))
    places = []
    for one in _mentions(sorted(ids), source):
        if one.uri and one.uri.startswith("file://") and one.kind in ("file", "directory"):
            path = Path(unquote(urlsplit(one.uri).path))
            places.append((path, _holding(path, one.id)))
    return contents, list({str(path): (path, holds) for path, holds in places}.values())


_Holds = Callable[[], bool]


def _holding(path: Path, artifact_id: str) -> _Holds:
    def holds() -> bool:
        from otelprov.artifacts import identify_path

        return identify_path(path).id == artifact_id

    return holds


def _mentions(ids: list[str], source: Source) -> list[Artifact]:
    makers, users = source.producers(ids), source.consumers(ids)
    return [
        usage.artifact
        for id_ in ids
        for usages in (
            [one.generated for one in makers[id_]],
            [one.used for one in users[id_]],
        )
        for several in usages
        for usage in several
        if usage.artifact.id == id_
    ]


# --- tables --------------------------------------------------------------------------------------


def _tables(a: Side, b: Side, rows: int, values: bool) -> Explanation:
    from dataclasses import replace

    from otelprov.artifacts import compare, differences, stored
    from otelprov.artifacts.digest import NoCanonicalForm

    sides = [a, b]
    before = [_stamp(one.path) for one in sides]
    try:
        with stored.opened(a.path) as one, stored.opened(b.path) as other, _bar() as bar:
            digests = []
            for number, table in enumerate((one, other)):
                found = stored.digest(table, bar("reading " + "AB"[number], table.rows))
                digests.append(found)
                sides[number] = replace(sides[number], table=found.id)
            difference = compare.compare(*digests)
            cells = shift = None
            if not difference.equal:
                shift = differences.shift(one, other, difference, bar("comparing", None))
                if shift is None and difference.differing:
                    cells = differences.look(
                        one,
                        other,
                        difference,
                        examples=rows,
                        values=values,
                        progress=bar("comparing", _to_look_at(difference)),
                    )
    except (stored.Unreadable, NoCanonicalForm) as error:
        raise Failed(f"cannot compare {a.path} and {b.path} as tables: {error}") from None
    for stamp, side in zip(before, sides, strict=True):
        if _stamp(side.path) != stamp:
            raise Failed(f"{side.path} changed while it was read")
    verdict: Verdict = "same table" if difference.equal else "different table"
    a, b = sides
    return Explanation(a, b, verdict, table=difference, cells=cells, shift=shift)


def _to_look_at(difference: TableDifference) -> int:
    return max(
        (sum(one.stop - one.start for one in pair.blocks) for pair in difference.differing),
        default=0,
    )


def _stamp(path: Path) -> object:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


_Bar = Callable[[str, int | None], Callable[[int], object] | None]


@contextmanager
def _bar() -> Iterator[_Bar]:
    """A progress bar on stderr, when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda text, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:

        def start(text: str, total: int | None) -> Callable[[int], object]:
            task = progress.add_task(text, total=total)
            return lambda rows: progress.advance(task, rows)

        yield start


# --- bytes and directories ----------------------------------------------------------------------


def _first_byte(a: Path, b: Path) -> int | None:
    """The place of the first byte that differs; the size of the shorter file if none does."""
    at = 0
    try:
        with a.open("rb") as one, b.open("rb") as other:
            while True:
                first, second = one.read(_CHUNK), other.read(_CHUNK)
                if first != second:
                    shorter = min(len(first), len(second))
                    for place in range(shorter):
                        if first[place] != second[place]:
                            return at + place
                    return at + shorter
                if not first:
                    return None
                at += len(first)
    except OSError as error:
        raise Failed(f"cannot compare {a} and {b}: {error.strerror or error}") from None


def _directories(a: Side, b: Side, rows: int, values: bool) -> Explanation:
    from dataclasses import replace

    from otelprov.artifacts import stored

    files = _files(a.path, b.path)
    data = {side: bool(stored.data_files(side.path)) for side in (a, b)}
    states = {one.state for one in files}
    if not all(data.values()):
        note = "the files are the same; empty folders or links differ"
        notes = (note,) if states <= {"same bytes"} else ()
        return Explanation(a, b, "different bytes", files=files, notes=notes)
    # The tables that the Parquet files make up; what else lies there must be equal by itself.
    found = replace(_tables(a, b, rows, values), files=files)
    others = [one for one in files if one.state != "same bytes" and not _is_data(one, a, b)]
    if found.equal and others:
        note = "as tables the data sets are the same; other files below them differ"
        return replace(found, verdict="different bytes", notes=(note,))
    return found


def _is_data(one: FileDifference, a: Side, b: Side) -> bool:
    root = b.path if one.state == "only in B" else a.path
    return _format(root / one.path) == "parquet"


def _files(a: Path, b: Path) -> tuple[FileDifference, ...]:
    """What became of each file, by path and content; a file with another path by content alone."""
    from otelprov.artifacts import identify_path

    listed_a, listed_b = _listed(a), _listed(b)
    found = []
    for path in sorted(listed_a & listed_b):
        if identify_path(a / path).id == identify_path(b / path).id:
            found.append(FileDifference(path, "same bytes"))
        elif (id_ := _table_id(a / path)) is not None and id_ == _table_id(b / path):
            found.append(FileDifference(path, "same table"))
        else:
            found.append(FileDifference(path, "different"))
    only_b: dict[str, list[str]] = {}
    for path in sorted(listed_b - listed_a, reverse=True):
        only_b.setdefault(identify_path(b / path).id, []).append(path)
    for path in sorted(listed_a - listed_b):
        same = only_b.get(identify_path(a / path).id)
        if same:
            found.append(FileDifference(path, "moved", same.pop()))
        else:
            found.append(FileDifference(path, "only in A"))
    left = sorted(path for paths in only_b.values() for path in paths)
    return (*found, *(FileDifference(path, "only in B") for path in left))


def _table_id(path: Path) -> str | None:
    from otelprov.artifacts import table_in_file

    table = table_in_file(path)
    return table.id if table is not None and table.coverage == "full" else None


def _listed(directory: Path) -> set[str]:
    found = set()
    for folder, folders, names in os.walk(directory):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*names, *links):
            found.add(str(Path(folder, name).relative_to(directory)))
    return found
