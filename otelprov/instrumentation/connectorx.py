"""ConnectorX: it opens the database itself, by a URI, and gives the answer to a statement.

Nothing of it can be asked which table a name stands for, so PostgreSQL is asked by a read of ours,
once for each name and URI.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any, Final
from urllib.parse import unquote

from otelprov.artifacts.locations import unknown
from otelprov.instrumentation._calls import add_library
from otelprov.instrumentation._databases import (
    Connection,
    parsed,
    place_of_libpq,
    place_of_text,
    sqlite_path,
    sqlite_place,
)
from otelprov.instrumentation._queries import Caller, Executing, caller_of, told
from otelprov.instrumentation._table import QUERIED, Entry, read, step
from otelprov.instrumentation._wrapping import recorded, site_of
from otelprov.recording import faults
from otelprov.recording.recorder import Call, OpenOperation, current_operation
from otelprov.recording.run import run

RECORDS: Final = (
    "**read**: `read_sql`, with the tables that its statements read, also where Polars calls it "
    "(`read_database_uri`)"
)
ODDITIES: Final = (
    "Which table of PostgreSQL a name stands for, and which tables a view reads, is asked of the "
    "server by a connection of its own, once for each name and URI, after the program has its "
    "answer. Of other servers a name is a table of the database that the URI names.",
    "What a query of several databases at once reads is of unknown origin, as is what statements "
    "of `pre_execution_query` change. `get_meta` and `partition_sql` read no data.",
)
OWN: Final = frozenset({"connectorx"})
MAX_URIS: Final = 64
"""URIs of which it is kept what their names stand for."""
_SHOWN: Final = ("query", "return_type", "partition_on", "partition_num", "index_col")

add_library("connectorx")

_known: Final[dict[str, tuple[Connection, int]]] = {}
"""What is known by URI, and how often names of that database had changed by then."""


def table() -> Iterable[Entry]:
    """The module."""
    yield step("read_sql", around=_reading)


def _reading(original: Callable[..., Any]) -> Callable[..., Any]:
    """``read_sql``: an operation where the program calls it."""

    def answer(*args: Any, **kwargs: Any) -> Any:
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            _tell(None, *args, **kwargs)
            raise
        _tell(original, *args, **kwargs)
        return result

    entry = read("read_sql", observed=QUERIED, client=True, shows=_SHOWN)
    site = site_of(entry, "connectorx", _version(), answer, original, method=False)

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        caller: Caller = None
        if run.active:
            try:
                caller = caller_of(sys._getframe(1), OWN)
            except BaseException as fault:
                told("a statement was not recorded", fault)
        try:
            if isinstance(caller, FrameType):
                return recorded(site, caller, args, kwargs)
            return (original if caller is None else answer)(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


def _tell(asks: Callable[..., Any] | None, *args: Any, **kwargs: Any) -> None:
    try:
        operation = current_operation()
        if operation is not None and operation.call.kind == "read":
            _use(asks, operation, *args, **kwargs)
    except BaseException as fault:
        told("the tables of a statement are not known", fault)


def _use(
    asks: Callable[..., Any] | None,
    operation: OpenOperation,
    conn: Any,
    query: Any,
    **_: Any,
) -> None:
    """An operation has read what these statements name. The server is asked afterwards, and by
    ``asks``, where the program has got its answer: nothing of it waits for a server that has none.
    """
    texts = query if isinstance(query, list) else [query]
    if not all(type(text) is str for text in texts):
        return
    if not isinstance(conn, str):
        operation.use_content("query", unknown("which database a table is in is not known"))
        return
    known = _known_of(str(conn))
    if known is None:
        operation.use_content("query", unknown("which server it is is not known"))
        return
    for text in texts:
        found = parsed(known, text)
        if asks is not None:
            with faults.contained("which tables names stand for is not known"):
                known.look_up(found, partial(_ask, asks, str(conn)))
        Executing(known, _call, operation, text, found, None)


def _known_of(uri: str) -> Connection | None:
    """What is known of the database that a URI names; None where it is not known which that is."""
    kept = _known.get(uri)
    if kept is not None and kept[0].known.changes == kept[1]:
        return kept[0]
    scheme, _, rest = uri.partition("://")
    kind = scheme.partition("+")[0]
    if kind == "sqlite":
        from otelprov.instrumentation.sqlite3 import held_by

        found = Connection(sqlite_place(sqlite_path(unquote(rest.partition("?")[0]))))
        found.looks(held_by)
    elif kind in ("postgres", "postgresql"):
        place = place_of_libpq(uri)
        if place is None:
            return None
        found = Connection(place, asks=True)
    else:
        found = Connection(place_of_text(uri))
    if len(_known) >= MAX_URIS:
        _known.clear()
    _known[uri] = (found, found.known.changes)
    return found


def _ask(original: Callable[..., Any], uri: str, question: str) -> list[Any]:
    """The answer to a question of ours."""
    # It panics where it does not know a type.
    text = (
        "SELECT a::int4, b::text, c::text, d::text, e::text, f::text, g::text "  # noqa: S608
        f"FROM ({question}) AS asked (a, b, c, d, e, f, g)"
    )
    if "pyarrow" in sys.modules or "pandas" not in sys.modules:  # 0.4 has pandas 3 warn of frames
        answer = original(uri, text, return_type="arrow")
        return list(zip(*answer.to_pydict().values(), strict=True))
    return [
        (int(number), *(one if isinstance(one, str) else None for one in texts))
        for number, *texts in original(uri, text).itertuples(index=False, name=None)
    ]


def _version() -> str:
    return str(sys.modules["connectorx"].__version__)


def _call() -> Call:
    return Call("connectorx", "read_sql", "read", _version(), client=True)


TABLES = {"connectorx": table}
