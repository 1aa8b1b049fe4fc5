"""Rows that a program gives a statement: the frame or the file that they are from, else unknown."""

from __future__ import annotations

from pathlib import Path

import strangers

ORDERS = "id,customer,amount\n1,ann,2.5\n2,bob,1.5\n3,cid,7.25\n"

LITE = """
    import csv, sqlite3
    from itertools import islice
    import pandas as pd
    orders = pd.read_csv("orders.csv")  # @orders
    other = pd.read_csv("other.csv")  # @other
    connection = sqlite3.connect("shop.db")
    connection.execute("CREATE TABLE t (id, customer, amount)")  # @create
    INSERT = "INSERT INTO t VALUES (?, ?, ?)"
    connection.executemany(INSERT, orders.itertuples(index=False))  # @itertuples
    connection.executemany(INSERT, orders.itertuples(index=False, name=None))  # @tuples
    connection.executemany(INSERT, list(orders.itertuples(index=False)))  # @listed
    connection.executemany(INSERT, zip(orders["id"], orders["customer"], other["amount"]))  # @zip
    connection.executemany(INSERT, orders.to_numpy())  # @numpy
    connection.executemany(INSERT, (tuple(row) for row in orders.itertuples(index=False)))  # @made
    connection.executemany(INSERT, orders.values.tolist())  # @tolist
    connection.executemany(INSERT, [(4, "dan", 1.0)])  # @literal
    with open("orders.csv", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        while batch := list(islice(rows, 2)):
            connection.executemany(INSERT, batch)  # @batches
    with open("orders.csv", newline="") as file:
        rows = csv.reader(file)
        connection.executemany(INSERT, islice(rows, 1, None))  # @csv
    with open("other.csv", newline="") as file:
        rows = ((row["id"], row["customer"], row["amount"]) for row in csv.DictReader(file))
        connection.executemany(INSERT, rows)  # @dicts
    for row in orders.itertuples(index=False):
        connection.execute(INSERT, row)  # @loop
    for row in other.values.tolist():
        connection.execute(INSERT, row)  # @lists
    for table in (orders, other):
        connection.executemany(INSERT, table.itertuples(index=False))  # @both
    connection.execute(INSERT, (1, "one", 1.0))  # @one
    connection.commit()
"""
LITE_DRAWN = """
    pandas.read_csv@orders: orders.csv -> return
    pandas.read_csv@other: other.csv -> return
    sqlite3.execute@create: -> #t
    sqlite3.executemany@itertuples: #t, pandas.read_csv@orders -> #t
    sqlite3.executemany@tuples: #t, pandas.read_csv@orders -> #t
    sqlite3.executemany@listed: #t, pandas.read_csv@orders -> #t
    sqlite3.executemany@zip: #t, pandas.read_csv@orders, pandas.read_csv@other -> #t
    pandas.to_numpy@numpy: pandas.read_csv@orders -> return
    sqlite3.executemany@numpy: #t, pandas.to_numpy@numpy -> #t
    sqlite3.executemany@made: #t, pandas.read_csv@orders -> #t
    sqlite3.executemany@tolist: #t, ? -> #t
    sqlite3.executemany@literal: #t, ? -> #t
    sqlite3.executemany@batches: #t, ? -> #t
    sqlite3.executemany@csv: #t, orders.csv -> #t
    sqlite3.executemany@dicts: #t, other.csv -> #t
    sqlite3.execute@loop: #t, pandas.read_csv@orders -> #t
    sqlite3.execute@lists: #t, ? -> #t
    sqlite3.executemany@both: #t, pandas.read_csv@orders, pandas.read_csv@other -> #t
    sqlite3.execute@one: #t -> #t
"""


def test_rows_that_sqlite_is_given_come_from_their_frame_or_file(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text(ORDERS)
    (directory / "other.csv").write_text(ORDERS.replace("1", "9"))
    recording = strangers.record(directory, LITE)
    assert recording.graph() == strangers.drawn(LITE_DRAWN)


CURSORS = """
    import sqlite3
    import pandas as pd
    orders = pd.read_csv("orders.csv")  # @orders
    source = sqlite3.connect("source.db")
    orders.to_sql("raw", source, index=False)  # @raw
    target = sqlite3.connect("target.db")
    target.execute("CREATE TABLE t (id, customer, amount)")  # @create
    INSERT = "INSERT INTO t VALUES (?, ?, ?)"
    target.executemany(INSERT, source.execute("SELECT * FROM raw"))  # @whole
    cursor = source.cursor()
    cursor.execute("SELECT id, customer, amount FROM raw WHERE amount > 2")  # @some
    next(cursor)
    target.executemany(INSERT, map(tuple, cursor))  # @map
    rows = ((a, b, 2 * c) for a, b, c in source.execute("SELECT * FROM raw"))  # @read
    target.executemany(INSERT, rows)  # @made
    cursor.execute("SELECT 4, 'dan', 1.0")
    target.executemany(INSERT, cursor)  # @constants
    for row in source.execute("SELECT * FROM raw ORDER BY id"):  # @each
        target.execute(INSERT, row)  # @loop
    target.commit()
    print(target.execute("SELECT count(*) FROM t").fetchall())  # @count
"""
CURSORS_DRAWN = """
    pandas.read_csv@orders: orders.csv -> return
    pandas.to_sql@raw: pandas.read_csv@orders -> #raw
    sqlite3.execute@create: -> #t
    sqlite3.execute@whole: #raw -> return
    sqlite3.executemany@whole: #t, sqlite3.execute@whole -> #t
    sqlite3.execute@some: #raw -> return
    sqlite3.executemany@map: #t, sqlite3.execute@some -> #t
    sqlite3.execute@read: #raw -> return
    sqlite3.executemany@made: #t, sqlite3.execute@read -> #t
    sqlite3.executemany@constants: #t, ? -> #t
    sqlite3.execute@each: #raw -> return
    sqlite3.execute@loop: #t, ? -> #t
    sqlite3.execute@count: #t -> return
"""


def test_rows_that_are_drawn_from_a_cursor_come_from_its_statement(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text(ORDERS)
    recording = strangers.record(directory, CURSORS)
    assert recording.outputs == ["[(11,)]\n"]
    assert recording.graph() == strangers.drawn(CURSORS_DRAWN)


SERVER = """
    import io, os
    import pandas as pd, psycopg, psycopg2
    from psycopg2.extras import execute_batch, execute_values
    orders = pd.read_csv("orders.csv")  # @orders
    INSERT = "INSERT INTO t VALUES (%s, %s, %s)"
    with psycopg.connect(os.environ["DSN"]) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id int, customer text, amount float)")  # @create
        cursor.executemany(INSERT, orders.itertuples(index=False))  # @psycopg
        with cursor.copy("COPY t FROM STDIN") as copy:  # @copy
            copy.write_row((1, "ann", 2.5))
        rows = connection.execute("SELECT * FROM t LIMIT 1")  # @some
        cursor.executemany(INSERT, rows)  # @drawn
    connection = psycopg2.connect(os.environ["DSN"])
    with connection, connection.cursor() as cursor:
        cursor.executemany(INSERT, orders.itertuples(index=False))  # @psycopg2
        rows = list(orders.itertuples(index=False))
        execute_values(cursor, "INSERT INTO t VALUES %s", rows)  # @values
        execute_batch(cursor, INSERT, rows)  # @batch
        with open("orders.csv") as file:
            cursor.copy_expert("COPY t FROM STDIN WITH CSV HEADER", file)  # @file
        buffer = io.StringIO()
        orders.to_csv(buffer, index=False, header=False)  # @buffer
        buffer.seek(0)
        cursor.copy_from(buffer, "t", sep=",")  # @from
        out = io.StringIO()
        cursor.copy_expert("COPY t TO STDOUT WITH CSV HEADER", out)  # @out
        out.seek(0)
        pd.read_csv(out).to_csv("out.csv")  # @read
        with open("copied.tsv", "w") as file:
            cursor.copy_to(file, "t")  # @to
    pd.read_csv("copied.tsv", sep="\t").to_json("copied.json")  # @json
"""
SERVER_DRAWN = """
    pandas.read_csv@orders: orders.csv -> return
    psycopg.execute@create: -> #public.t
    psycopg.executemany@psycopg: #public.t, pandas.read_csv@orders -> #public.t
    psycopg.copy@copy: #public.t, ? -> #public.t
    psycopg.execute@some: #public.t -> return
    psycopg.executemany@drawn: #public.t, psycopg.execute@some -> #public.t
    psycopg2.executemany@psycopg2: #public.t, pandas.read_csv@orders -> #public.t
    psycopg2.execute@values: #public.t, pandas.read_csv@orders -> #public.t
    psycopg2.execute@batch: #public.t, pandas.read_csv@orders -> #public.t
    psycopg2.copy_expert@file: #public.t, orders.csv -> #public.t
    pandas.to_csv@buffer: pandas.read_csv@orders -> path_or_buf
    psycopg2.copy_from@from: #public.t, pandas.to_csv@buffer -> #public.t
    psycopg2.copy_expert@out: #public.t -> file
    pandas.read_csv@read: psycopg2.copy_expert@out -> return
    pandas.to_csv@read: pandas.read_csv@read -> out.csv
    psycopg2.copy_to@to: #public.t -> copied.tsv
    pandas.read_csv@json: copied.tsv -> return
    pandas.to_json@json: pandas.read_csv@json -> copied.json
"""


def test_rows_that_postgresql_is_given_come_from_their_frame_or_file(
    tmp_path: Path, dsn: str
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text(ORDERS)
    recording = strangers.record(directory, SERVER, DSN=dsn)
    assert recording.graph() == strangers.drawn(SERVER_DRAWN)
