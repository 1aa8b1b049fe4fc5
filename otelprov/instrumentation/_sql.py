"""The place that a database connection and a statement name, without credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def query_place(parameters: Mapping[str, Any]) -> str:
    """Where a read comes from: the table, or the database when it is a query."""
    con = parameters.get("con")
    name = parameters.get("table_name")
    statement = parameters.get("sql")
    if name is None and isinstance(statement, str) and statement.strip().isidentifier():
        name = statement.strip()
    return _place(con, name, parameters.get("schema"))


def table_place(parameters: Mapping[str, Any]) -> str:
    """Where a table is written to."""
    return _place(parameters.get("con"), parameters.get("name"), parameters.get("schema"))


def _place(con: Any, table: Any, schema: Any) -> str:
    url = database_url(con)
    if not isinstance(table, str):
        return url
    return f"{url}#{schema}.{table}" if isinstance(schema, str) else f"{url}#{table}"


def database_url(con: Any) -> str:
    """The address of the database behind a connection, as far as the connection says."""
    if isinstance(con, str):
        return con if "://" in con else f"database://{con}"
    engine = getattr(con, "engine", con)  # SQLAlchemy: an Engine, or a Connection of one
    url = getattr(engine, "url", None)
    if url is not None and hasattr(url, "render_as_string"):
        return str(url.render_as_string(hide_password=True))
    kind = type(con)
    if kind.__module__ == "sqlite3" and kind.__name__ == "Connection":
        for _, name, path in con.execute("PRAGMA database_list"):
            if name == "main":
                return f"sqlite:///{path}" if path else "sqlite://"
    return f"database://{kind.__module__}.{kind.__qualname__}"
