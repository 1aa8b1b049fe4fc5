"""Small programs, each a function: what a fault is put into by ``injector``.

They print what they see, and write files; both have to be the same whatever happens inside
otelprov.
"""

from __future__ import annotations

import io
import os
import pickle
import sqlite3
from collections.abc import Callable, Iterator

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
import sqlalchemy

import otelprov


def _orders() -> pd.DataFrame:
    return pd.DataFrame({"id": [1, 2, 3, 4], "kind": ["a", "b", "a", "c"], "n": [1.5, 2, None, 4]})


def reading_and_writing() -> None:
    with open("orders.csv", "w") as file:
        file.write("id,kind,n\n1,a,1.5\n2,b,2\n3,a,\n")
    orders = pd.read_csv("orders.csv")
    orders.to_parquet("orders.parquet", index=False)
    again = pd.read_parquet("orders.parquet")
    print(again.equals(orders), again.attrs)
    again.to_csv("again.csv", index=False)
    print(again.to_json(), again.to_csv() == orders.to_csv())
    print(pd.read_json(io.StringIO(again.to_json())).shape)
    for chunk in pd.read_csv("orders.csv", chunksize=2):
        print(len(chunk))


def transforming() -> None:
    orders = _orders()
    kinds = pd.DataFrame({"kind": ["a", "b"], "name": ["A", "B"]})
    merged = orders.merge(kinds, on="kind", how="left")
    merged["double"] = merged["n"] * 2
    merged.loc[merged["n"] > 1, "large"] = True
    merged.drop(columns="name", inplace=True)
    totals = merged.groupby("kind", as_index=False).agg(total=("n", "sum"))
    print(totals)
    limit = 1  # noqa: F841 - the query reads it
    print(merged.query("n > @limit").shape, pd.concat([orders, merged]).shape)
    print(merged["kind"].str.upper().tolist(), merged.pivot_table(index="kind", values="n"))
    for key, part in orders.groupby("kind"):
        print(key, len(part), type(part.pipe(lambda table: table.head(1))).__name__)


def functions_of_the_program() -> None:
    @otelprov.operation
    def score(orders: pd.DataFrame, limit: float) -> pd.DataFrame:
        """Its face."""
        return orders.assign(large=lambda table: table["n"] > limit)

    @otelprov.operation("parts", parameters={"how": "one by one"})
    def parts(orders: pd.DataFrame) -> Iterator[pd.DataFrame]:
        sent = yield orders.head(1)
        print("sent", sent)
        yield orders.tail(1)

    scored = score(_orders(), limit=2)
    print(scored, score.__doc__, scored.apply(lambda row: row["id"] * 2, axis=1).tolist())
    generator = parts(scored)
    print(next(generator).shape, generator.send("word").shape, next(generator, "end"))
    with otelprov.operation("publish") as op:
        op.used(scored)
        otelprov.used("nowhere.txt")
        with open("page.html", "w") as page:
            page.write("page")
        op.generated("page.html")
    print(pickle.loads(pickle.dumps(scored)).equals(scored), pickle.dumps(pd.read_csv))


def errors_of_the_program() -> None:
    for call in (
        lambda: pd.read_csv("missing.csv"),
        lambda: _orders().merge(_orders(), on="missing"),
        lambda: _orders()["n"].apply(lambda value: 1 // 0),
        lambda: _orders().to_parquet("no/such/place.parquet"),
        lambda: _failing(_orders()),
        _failing_block,
    ):
        try:
            call()
        except Exception as error:
            print(type(error), error, error.__cause__)


@otelprov.operation
def _failing(orders: pd.DataFrame) -> pd.DataFrame:
    raise ValueError(len(orders))


def _failing_block() -> None:
    with otelprov.operation("block"):
        raise LookupError("in a block")


def tables_of_arrow() -> None:
    table = pa.table({"a": [1, 2, 3], "b": ["x", "y", None]})
    pa.parquet.write_table(table, "table.parquet")
    again = pa.parquet.read_table("table.parquet")
    print(again.equals(table), again.schema.metadata, again.to_pandas())
    pa.csv.write_csv(again, "table.csv")
    pa.dataset.write_dataset(again, "set", format="parquet", partitioning=["b"])
    print(pa.dataset.dataset("set", partitioning=["b"]).to_table().num_rows)
    print(again.join(table, "a").num_rows, again.group_by("b").aggregate([("a", "sum")]).num_rows)
    print(pa.Table.from_pandas(_orders()).filter(pa.compute.field("n") > 1).num_rows)
    with pa.parquet.ParquetFile("table.parquet") as file:
        print([batch.num_rows for batch in file.iter_batches()])


def much_data() -> None:
    """Enough that it is digested in a thread."""
    table = pd.DataFrame({"a": range(200_000)})
    table.to_parquet("much.parquet")
    again = pd.read_parquet("much.parquet")
    again["b"] = again["a"] + 1
    again.to_csv("much.csv", index=False)
    print(again.sort_values("a").tail(1), os.path.getsize("much.csv"))


def databases() -> None:
    connection = sqlite3.connect("shop.db")
    connection.execute("CREATE TABLE orders (id INTEGER, kind TEXT, n REAL)")
    for row in _orders().itertuples(index=False):
        connection.execute("INSERT INTO orders VALUES (?, ?, ?)", tuple(row))
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(5, "d", 1.0), (6, "e", 2.0)])
    connection.commit()
    connection.execute("DELETE FROM orders")
    connection.rollback()
    rows = connection.execute("SELECT kind, n FROM orders WHERE id < ?", (9,)).fetchall()
    print(pd.DataFrame(rows, columns=["kind", "n"]))
    try:
        connection.execute("SELECT nothing FROM orders")
    except sqlite3.OperationalError as error:
        print(error)
    connection.close()
    engine = sqlalchemy.create_engine("sqlite:///shop.db")
    with engine.begin() as one:
        one.execute(sqlalchemy.text("CREATE TABLE more AS SELECT * FROM orders"))
        print(one.execute(sqlalchemy.text("SELECT count(*) FROM more")).all())
        try:
            with one.begin_nested():
                one.execute(sqlalchemy.text("DELETE FROM more"))
                raise KeyError
        except KeyError:
            pass
    try:
        with engine.connect() as one:
            one.execute(sqlalchemy.text("SELECT * FROM nowhere"))
    except sqlalchemy.exc.OperationalError as error:
        print(error.orig)
    print(_orders().to_sql("frames", engine, index=False))
    print(pd.read_sql("SELECT * FROM frames", engine).equals(_orders()))
    print([len(one) for one in pd.read_sql("SELECT * FROM more", engine, chunksize=4)])
    engine.dispose()


SCENES: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        reading_and_writing,
        transforming,
        functions_of_the_program,
        errors_of_the_program,
        tables_of_arrow,
        much_data,
        databases,
    )
}
