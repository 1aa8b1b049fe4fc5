"""A program with a secret in each of many places; ``tests/e2e/test_secrets.py`` looks for them.

Each is ``PREFIX + two digits``. The prefix is put together here, so that no line of this program,
which a stack trace may show, has it in it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import sys

import pandas as pd
import structlog
from opentelemetry import trace

import otelprov

PREFIX = "".join(chr(ord(c) - 1) for c in "Qmboufe")


def secret(number: int) -> str:
    return f"{PREFIX}9x{number:02}Zq7"


class Connection:
    def __init__(self, password: str) -> None:
        self.password = password

    def __repr__(self) -> str:
        return f"<Connection {self.password}>"


@otelprov.operation
def parameters(password, *args, options=None, api_key=secret(2), **more):  # noqa: B008
    return 1


@otelprov.operation
def dsn(where, also=None, third=None, fourth=None):
    return 1


@otelprov.operation
def statement(sql, query=None, text=None):
    return 1


@otelprov.operation
def generator(client_secret, dsn):
    yield 1


def raising(*make):
    for one in make:
        with contextlib.suppress(Exception):
            one()


def chained():
    with otelprov.operation("chained"):
        try:
            raise ValueError(f"could not parse '{secret(20)} or so'")
        except ValueError as error:
            raise RuntimeError(f"password={secret(21)}") from error


def noted():
    with otelprov.operation("noted"):
        error = KeyError(f"{secret(22)}@example.com")
        if hasattr(error, "add_note"):
            error.add_note(f"token: {secret(23)}")
        raise error


def args():
    with otelprov.operation("args"):
        raise ValueError(f"postgres://u:{secret(24)}@h/d", {"api_key": secret(25)})


parameters(
    secret(1),
    secret_tuple := ("--password", secret(3)),
    options={
        "storage_options": {"key": "x", "secret": secret(4), "deep": {"token": secret(5)}},
        "headers": [("Authorization", f"Bearer {secret(6)}"), ("X-Api-Key", secret(7))],
        "cookies": {"session_id": secret(8)},
        "con": Connection(secret(9)),
        "body": secret(10).encode(),
    },
    connection_string=f"Server=x;Pwd={secret(11)};",
    harmless="shown",
)
dsn(
    f"postgresql://etl:{secret(12)}@db.example:5432/sales",
    f"host=db user=etl password='{secret(13)}' dbname=sales",
    f"DRIVER={{x}};UID=etl;PWD={{{secret(14)};more}};DATABASE=sales",
    f"https://bucket.example/part.csv?X-Amz-Signature={secret(15)}&part=1",
)
statement(
    f"SELECT * FROM people WHERE name = '{secret(16)}' AND n = 4711",
    query=f'DELETE FROM people WHERE name = "{secret(17)}" -- {secret(18)}',
    text=f"ALTER ROLE etl PASSWORD '{secret(19)}'",
)
list(generator(secret(26), f"mssql:///?odbc_connect=UID%3Dx%3BPWD%3D{secret(27)}%3BA%3Db"))
raising(chained, noted, args)

# Files, databases, and what pandas says of them.
directory = f"password={secret(28)}"
os.makedirs(directory, exist_ok=True)
pd.DataFrame({"n": [1, 2]}).to_csv(f"{directory}/token={secret(29)}.csv", index=False)
table = pd.read_csv(f"{directory}/token={secret(29)}.csv")
con = sqlite3.connect("shop.db")
table.to_sql("people", con, index=False, if_exists="replace")
pd.read_sql(f"SELECT * FROM people WHERE n > 0 AND 'x' <> '{secret(30)}'", con)
pd.read_sql("SELECT * FROM people WHERE 'x' <> ?", con, params=(secret(31),))
raising(
    lambda: pd.read_sql(f"SELECT nothing FROM people WHERE 'x' = '{secret(32)}'", con),
    lambda: pd.Series([f"{secret(33)} 1111"]).astype(float),
    lambda: pd.read_csv(f"https://u:{secret(34)}@127.0.0.1:9/x.csv?sig={secret(35)}"),
)

# What the program adds to our span, and a span of its own.
with otelprov.operation("touched"):
    span = trace.get_current_span()
    span.set_attribute("db.password", secret(36))
    span.set_attribute("db.statement", f"SELECT '{secret(37)}'")
    span.add_event("connected", {"url": f"amqp://u:{secret(38)}@mq"})
    span.record_exception(ValueError(f"Bearer {secret(39)}00"))
    span.update_name(f"touched token={secret(40)}")
    with trace.get_tracer("shop").start_as_current_span("own") as own:
        own.set_attribute("http.request.header.authorization", f"Basic {secret(41)}==")

# Log lines.
structlog.configure(
    processors=[structlog.processors.JSONRenderer(default=str)],
    logger_factory=structlog.PrintLoggerFactory(file=open(os.devnull, "w")),  # noqa: SIM115
)
log = structlog.get_logger("shop")
log.info(f"connecting with password={secret(42)}", token=secret(43), url=f"ftp://u:{secret(44)}@h")
log.info("nested", options={"auth": {"api_key": secret(45)}}, items=[{"pwd": secret(46)}])
plain = logging.getLogger("shop.plain")
plain.warning("token=%s for %s", secret(47), {"password": secret(48)}, extra={"secret": secret(49)})
try:
    raise ValueError(f"could not convert string to float: '{secret(50)} 1'")
except ValueError:
    plain.error("failed", exc_info=True)
    log.error("failed", exc_info=True)

# In the environment and on the command line: 51 to 60 are the test's.
log.info(f"the variable holds {os.environ['SHOP_DB_PASSWORD']} here", argv=sys.argv)
parameters("x", os.environ["SHOP_DB_PASSWORD"], dict(os.environ))
raise OSError(f"cannot open amqp://u:{secret(61)}@mq/")
