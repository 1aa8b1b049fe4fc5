"""Databases that are one file, copied or moved as a file: their tables are those of the first.

Which tables a file of SQLite's holds, it says itself: the copy is looked into, without a lock and
as it is, so nothing is written beside it. One of DuckDB's is not opened for that; its tables are
those that this process knows of.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from otelprov.artifacts import contents
from otelprov.artifacts.locations import DATABASE_HEAD, database_in, named
from otelprov.recording.recorder import OpenOperation


def copied(operation: OpenOperation, source: str, target: str) -> None:
    """An operation has copied or moved what stood at one path to another."""
    try:
        # Anything but a regular file may wait for its writer when it is opened.
        if not stat.S_ISREG(os.stat(target).st_mode):
            return
        with io.FileIO(target, opener=contents.quiet) as file:
            kind = database_in(file.read(DATABASE_HEAD))
    except OSError:
        return
    if kind == "sqlite":
        _of_sqlite(operation, source, target)
    elif kind == "duckdb" and "duckdb" in sys.modules:
        _of_duckdb(operation, source, target)


def _of_sqlite(operation: OpenOperation, source: str, target: str) -> None:
    import sqlite3

    from otelprov.instrumentation import _databases
    from otelprov.instrumentation.sqlite3 import held

    try:
        name = f"file:{quote(os.fsencode(target))}?mode=ro&immutable=1"
        with closing(sqlite3.Connection(name, timeout=0, uri=True)) as own:
            tables = [name for kind, name, _ in held(own) if kind == "table"]
    except sqlite3.Error:  # it is encrypted, or broken
        return
    before, after = (_databases.sqlite_place(os.path.realpath(one)) for one in (source, target))
    makers = _databases.makers_of(before)
    known = _databases.makers_of(after)
    known.clear()
    for name in tables:
        uri = f"{after.uri}#{name.lower()}"
        first = f"{before.uri}#{name.lower()}"
        _hand_on(operation, first, uri, name, makers.get(first))
        known[uri] = operation.id


def _of_duckdb(operation: OpenOperation, source: str, target: str) -> None:
    from otelprov.instrumentation.duckdb.names import moved

    before, after = (f"duckdb:///{os.path.abspath(one)}" for one in (source, target))
    tables: Iterable[tuple[str, str, Any]] = moved(before, after, operation.id)
    for rest, name, maker in tables:
        _hand_on(operation, before + rest, after + rest, name, maker)


def _hand_on(
    operation: OpenOperation, source: str, target: str, name: str, maker: str | None
) -> None:
    """A table is that of another file."""
    before = named(source, "identified by name only", name)
    operation.use_content("table", replace(before, maker=maker))
    operation.generate("table", named(target, "identified by name only", name))
