"""What pandas and Polars read from databases with a statement, and write there.

The statements that they send are seen where the driver, or SQLAlchemy below them, is recorded: then
the tables that those name are what was used and generated. Elsewhere the statement that the
program gave is parsed.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov import semconv
from otelprov.artifacts import classes
from otelprov.artifacts.locations import named, unknown
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import Observed
from otelprov.instrumentation._databases import (
    MAX_STATEMENT,
    Connection,
    Place,
    Table,
    parsed,
    place_of_driver,
    place_of_text,
    place_of_url,
    sqlite_place,
)
from otelprov.instrumentation._queries import Inside, inside
from otelprov.instrumentation._statement import Name, name_of
from otelprov.recording import faults, observation
from otelprov.recording.noted import with_content
from otelprov.recording.policy import shorten
from otelprov.recording.recorder import OpenOperation
from otelprov.statements import mask_literals

_unknown: Final[WeakKeyDictionary[Any, str]] = WeakKeyDictionary()
"""Tokens of connections that say nothing of their database: two may be to different ones."""


class Queried(Observed):
    """A call that reads the answer to a statement, or a table, from a database."""

    __slots__ = ()

    def _read(self, result: object) -> None:
        operation = self.operation
        found = inside.pop(operation, None)
        if found is None or not found.found:
            self._read_statement()
        else:
            _describe(operation, found)
            found.settle(operation)
        made = observation.outputs(operation, result, by_content=True)
        if not made and result is not None:
            # A generator of tables, whose chunks come from it.
            observation.adopt(operation, "return", result, "stream")

    def _read_statement(self) -> None:
        """What the statement names, where nobody has seen what was sent."""
        statement = _statement(self.parameters)
        handle = self.parameters.get("connection", self.parameters.get("con"))
        if statement is not None and type(handle).__name__ == "DuckDBPyConnection":
            from otelprov.instrumentation.duckdb.operations import use

            text = shorten(mask_literals(statement), MAX_STATEMENT)
            self.operation.state({semconv.DB_SYSTEM: "duckdb", semconv.DB_QUERY_TEXT: text})
            use(self.operation, handle, statement)
            return
        operation, connection = self.operation, Connection(_place_of(self.parameters))
        table = self.parameters.get("table_name")
        if isinstance(table, str):
            schema = self.parameters.get("schema")
            _use(operation, connection, (schema, table) if isinstance(schema, str) else (table,))
            return
        reads: list[Table | str] = []
        if statement is not None and statement.strip().isidentifier():
            _use(operation, connection, (statement.strip(),))
            return
        if statement is not None:
            text = shorten(mask_literals(statement), MAX_STATEMENT)
            operation.state({semconv.DB_QUERY_TEXT: text})
            for one in parsed(connection, statement):
                reads += connection.reads(one)
        for read in reads:
            if isinstance(read, Table):
                operation.use_content("table", read.artifact(_maker(connection, read)))
            else:
                operation.use_content("table", unknown(read))
        if not reads:
            operation.use_content("sql", named(connection.place.uri, "identified by name only"))


class Stored(Observed):
    """A call that writes a table to a database."""

    __slots__ = ()

    def _written(self, result: object) -> None:
        operation, data = self.operation, self._data()
        if operation.content is None and observation.data_kind(data) is not None:
            operation.content = observation.look_at(operation, data)
        known = registry.lookup(data)
        if known is not None and known.artifact is not None:
            operation.wrote(known.artifact)
        found = inside.pop(operation, None)
        if found is not None and found.found:
            _describe(operation, found)
            found.settle(operation)
            return
        parameters = self.parameters
        connection = Connection(_place_of(parameters))
        name = parameters.get("name") or parameters.get("table_name")
        schema = parameters.get("schema")
        parts = (schema, str(name)) if isinstance(schema, str) else name_of(str(name))
        table = connection.table(parts)
        if not isinstance(table, Table):
            return
        appends = "append" in (parameters.get("if_exists"), parameters.get("if_table_exists"))
        if appends:
            operation.use_content("target", table.artifact(_maker(connection, table)))
        artifact = table.artifact()
        operation.generate(
            "target", artifact if appends else with_content(artifact, operation.content)
        )
        connection.known.makers[table.uri] = operation.id


def _use(operation: OpenOperation, connection: Connection, name: Name) -> None:
    table = connection.table(name)
    if isinstance(table, Table):
        operation.use_content("table", table.artifact(_maker(connection, table)))


def _maker(connection: Connection, table: Table) -> str | None:
    return connection.known.makers.get(table.uri)


def _describe(operation: OpenOperation, found: Inside) -> None:
    """What the statements below an operation say of it."""
    place = found.place
    if place is None:
        return
    facts: dict[str, str | int | list[str]] = {semconv.DB_SYSTEM: place.system}
    if place.namespace:
        facts[semconv.DB_NAMESPACE] = place.namespace
    if len(found.texts) == 1:
        ((text, views),) = found.texts.items()
        if views:
            facts[semconv.QUERY_VIEWS] = views
        facts[semconv.DB_QUERY_TEXT] = shorten(mask_literals(text), MAX_STATEMENT)
    if len(found.tables) == 1:
        (name,) = found.tables.values()
        facts[semconv.DB_COLLECTION] = name
    operation.state(facts)


def _statement(parameters: Mapping[str, Any]) -> str | None:
    for name in ("sql", "query"):
        text = parameters.get(name)
        if isinstance(text, str):
            return text
        inner = getattr(text, "text", None)  # SQLAlchemy's text()
        if isinstance(inner, str):
            return inner
    return None


def _place_of(parameters: Mapping[str, Any]) -> Place:
    for name in ("con", "conn", "connection", "uri"):
        if parameters.get(name) is not None:
            con = parameters[name]
            return place_of_text(con) if isinstance(con, str) else _place_of_object(con)
    return Place("database", "database://")


def _place_of_object(con: Any) -> Place:
    """The database behind a connection, as far as that says."""
    with faults.contained("which database it is is not known"):
        engine = getattr(con, "engine", con)  # SQLAlchemy: an Engine, or a Connection of one
        url = getattr(engine, "url", None)
        if classes.module(type(url)).partition(".")[0] == "sqlalchemy":
            return place_of_url(url)
        kind = type(con)
        if kind.__module__ == "sqlite3" and kind.__name__ == "Connection":
            for _, name, path in con.execute("PRAGMA database_list"):
                if name == "main":
                    return sqlite_place(path)
        found = place_of_driver(con)
        if found is not None:
            return found
    return Place("database", f"database://{_name(con)}/{_token(con)}")


def _name(con: Any) -> str:
    return f"{type(con).__module__}.{type(con).__qualname__}"


def _token(con: Any) -> str:
    token = uuid.uuid4().hex[:16]
    try:
        return _unknown.setdefault(con, token)
    except TypeError:  # it cannot be held
        return token
