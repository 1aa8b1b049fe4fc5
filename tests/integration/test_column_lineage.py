"""Where columns come from: real pipelines, each with all edges of its columns written by hand."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import support

from otelprov.artifacts import identify_path
from otelprov.lineage import column_walk
from otelprov.lineage.sources.journal import JournalSource
from otelprov.lineage.walk import upstream
from otelprov.render.columns import to_dict

pytest.importorskip("duckdb")

Edge = tuple[str, str, str]
"""From a column, to a column, how. A column is ``maker.column``: of data in memory the operation
that made it, of a file its name."""


def program(directory: Path, text: str, name: str = "pipeline.py") -> None:
    """Write a program and run it, recorded."""
    (directory / name).write_text(textwrap.dedent(text))
    support.instrumented(name, journal_directory=directory / "journal", cwd=directory)


def cli(directory: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["otelprov", "lineage", *arguments],
        env=support.environment(directory / "journal"),
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def walked(directory: Path, target: str, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli(directory, target, "--format", "json", *arguments))
    assert found["schema"] == "otelprov.columns/1"
    return found


def edges(found: dict[str, Any]) -> set[Edge]:
    """The edges in the words of a person; of operations of one name each has its line."""
    names = [one["name"].rpartition(".")[2] for one in found["operations"]]
    operations = {
        one["id"]: f"{name}:{one['code']['line']}" if names.count(name) > 1 else name
        for one, name in zip(found["operations"], names, strict=True)
    }
    labels = {one["id"]: one["name"] for one in found["artifacts"] if one["name"]}
    for edge in found["edges"]:
        labels.setdefault(edge["to"]["artifact"], operations[edge["operation"]])

    def said(column: dict[str, Any]) -> str:
        return f"{labels.get(column['artifact'], 'memory')}.{column['column']}"

    return {
        (said(edge["from"]), said(edge["to"]), (edge["subtype"] or "opaque").lower())
        for edge in found["edges"]
    }


def rows(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(row["from"]["column"], (row["subtype"] or "opaque").lower()) for row in found["rows"]}


def expected(text: str) -> set[Edge]:
    """From lines ``to <- from, from`` (identity), ``<~`` (transformation), ``<+`` (aggregation),
    ``<?`` (opaque)."""
    kinds = {"<-": "identity", "<~": "transformation", "<+": "aggregation", "<?": "opaque"}
    found = set()
    for line in filter(None, map(str.strip, text.strip().splitlines())):
        to, sign, sources = re.split(r" (<[-~+?]) ", line)
        found |= {(one.strip(), to, kinds[sign]) for one in sources.split(",")}
    return found


ORDERS = "order,customer,price,quantity\n1,10,5.0,2\n2,11,7.5,1\n3,10,1.5,4\n4,12,9.0,1\n"
CUSTOMERS = "customer,name,country\n10,Ada,CH\n11,Bo,DE\n12,Cy,CH\n"


def filled(directory: Path) -> Path:
    (directory / "orders.csv").write_text(ORDERS)
    (directory / "customers.csv").write_text(CUSTOMERS)
    return directory


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return filled(tmp_path)


Case = tuple[str, str, str]
"""Lines that make ``result``, the columns that are asked for, and the edges."""


class Cases:
    """Cases that one program carries out, each with its result in a file of its own."""

    def __init__(self, directory: Path, head: str, cases: dict[str, Case], writes: str) -> None:
        self.directory = filled(directory)
        self.cases = cases
        self.first: dict[str, int] = {}
        text = head
        for number, (name, (body, _, _)) in enumerate(cases.items()):
            self.first[name] = text.count("\n")
            text += textwrap.dedent(body).strip("\n") + "\n"
            text += writes.format(file=f"result{number}") + "\n"
        program(directory, text)
        self.source = JournalSource(directory / "journal")

    def edges(self, name: str) -> set[Edge]:
        """Without what reads the two files, and what writes the result."""
        _, columns, _ = self.cases[name]
        number = list(self.cases).index(name)
        (path,) = self.directory.glob(f"result{number}.*")
        found = column_walk.columns(
            upstream(self.source, identify_path(path).id), next(csv.reader([columns]))
        )
        return _of_the_result(to_dict(found), path.name, self.first[name])


def test_pandas_then_duckdb_then_polars_in_two_processes(shop: Path) -> None:
    program(
        shop,
        """
        import pandas as pd

        orders = pd.read_csv("orders.csv")
        orders["total"] = orders["price"] * orders["quantity"]
        orders = orders[orders["total"] > 6]
        people = pd.read_csv("customers.csv").rename(columns={"name": "who"})
        joined = orders.merge(people, on="customer", how="left")
        joined.to_parquet("joined.parquet")
        """,
        "first.py",
    )
    program(
        shop,
        """
        import duckdb
        import polars as pl

        by_country = duckdb.sql(
            "SELECT country, sum(total) AS total, max(who) AS last, count(*) AS n "
            "FROM 'joined.parquet' WHERE quantity < 9 GROUP BY country"
        ).pl()
        result = by_country.lazy().with_columns((pl.col("total") / pl.col("n")).alias("mean"))
        result.sort("mean").select("country", "mean", person="last").sink_parquet("result.parquet")
        """,
        "second.py",
    )
    found = walked(shop, "result.parquet#mean,person")
    assert edges(found) == expected(
        """
        result.parquet.mean <~ pl.total, pl.n
        result.parquet.person <- pl.last
        pl.total <+ joined.parquet.total
        pl.last <+ joined.parquet.who
        joined.parquet.total <- merge.total
        joined.parquet.who <- merge.who
        merge.total <- getitem.total
        merge.who <- rename.who
        getitem.total <- setitem.total
        setitem.total <~ read_csv:4.price, read_csv:4.quantity
        read_csv:4.price <- orders.csv.price
        read_csv:4.quantity <- orders.csv.quantity
        rename.who <- read_csv:7.name
        read_csv:7.name <- customers.csv.name
        """
    )
    assert found["opaque"] == []
    assert rows(found) == {
        ("total", "filter"),
        ("quantity", "filter"),
        ("customer", "join"),
        ("country", "group_by"),
        ("total", "sort"),
        ("n", "sort"),
    }


def test_on_from_a_raw_column_are_the_same_edges_as_back_to_it(shop: Path) -> None:
    program(
        shop,
        """
        import duckdb
        import pandas as pd
        import polars as pl

        orders = pd.read_csv("orders.csv")
        orders["total"] = orders["price"] * orders["quantity"]
        other = pl.DataFrame({"customer": [10, 11], "rebate": [0.1, 0.2]})
        joined = duckdb.sql(
            "SELECT o.*, rebate * total AS r FROM orders o JOIN other USING (customer)"
        )
        lazy = joined.pl().lazy().select("order", "r").filter(pl.col("order") > 1)
        lazy.collect().write_csv("r.csv")
        """,
    )
    back = edges(walked(shop, "r.csv#r"))
    on = edges(walked(shop, "orders.csv#price", "--downstream"))
    assert back == expected(
        """
        r.csv.r <- collect.r
        collect.r <- pl.r
        pl.r <~ setitem.total, memory.rebate
        setitem.total <~ read_csv.price, read_csv.quantity
        read_csv.price <- orders.csv.price
        read_csv.quantity <- orders.csv.quantity
        """
    )
    assert on == expected(
        """
        read_csv.price <- orders.csv.price
        setitem.price <- read_csv.price
        setitem.total <~ read_csv.price
        pl.price <- setitem.price
        pl.total <- setitem.total
        pl.r <~ setitem.total
        collect.r <- pl.r
        r.csv.r <- collect.r
        """
    )
    passed = {edge for edge in back if edge[0].rpartition(".")[2] in ("price", "total", "r")}
    assert passed <= on


def test_through_the_tables_of_a_database(shop: Path) -> None:
    program(
        shop,
        """
        import sqlite3
        import pandas as pd

        con = sqlite3.connect("shop.db")
        pd.read_csv("orders.csv").to_sql("orders", con, index=False)
        con.execute(
            "CREATE TABLE sums AS SELECT customer, sum(price * quantity) AS total FROM orders "
            "WHERE quantity > 0 GROUP BY customer"
        )
        con.commit()
        report = pd.read_sql("SELECT customer, total * 2 AS twice FROM sums", con)
        report.to_csv("report.csv", index=False)
        """,
    )
    found = walked(shop, "report.csv#twice,customer")
    assert edges(found) == expected(
        """
        report.csv.twice <- read_sql.twice
        report.csv.customer <- read_sql.customer
        read_sql.twice <~ sums.total
        read_sql.customer <- sums.customer
        sums.total <+ orders.price, orders.quantity
        sums.customer <- orders.customer
        orders.price <- read_csv.price
        orders.quantity <- read_csv.quantity
        orders.customer <- read_csv.customer
        read_csv.price <- orders.csv.price
        read_csv.quantity <- orders.csv.quantity
        read_csv.customer <- orders.csv.customer
        """
    )
    assert found["opaque"] == []
    assert rows(found) == {("quantity", "filter"), ("customer", "group_by")}
    address = next(one["uri"] for one in found["artifacts"] if one["name"] == "sums")
    assert edges(walked(shop, f"{address}#total")) <= edges(found)


# --- pandas ---------------------------------------------------------------------------------------

PANDAS: dict[str, tuple[str, str, str]] = {
    "named figures": (
        "o.groupby('customer').agg(sold=('price', 'sum'), n=('order', 'count')).reset_index()",
        "sold,n,customer",
        """
        result.sold <- agg.sold
        result.n <- agg.n
        result.customer <- agg.customer
        agg.sold <+ o.price
        agg.n <+ o.order
        agg.customer <- o.customer
        """,
    ),
    "figures by a dict": (
        "o.groupby('customer', as_index=False).agg({'price': 'max', 'order': 'min'})",
        "price,order,customer",
        """
        result.price <+ o.price
        result.order <+ o.order
        result.customer <- o.customer
        """,
    ),
    "figures of several kinds": (
        "o.groupby('customer').agg({'price': ['min', 'max']})",
        "\"('price', 'min')\"",
        "result.('price', 'min') <+ o.price",
    ),
    "a figure of one column": (
        "o.groupby(['customer'])['price'].sum().reset_index()",
        "price,customer",
        """
        result.price <- sum.price
        result.customer <- sum.customer
        sum.price <+ o.price
        sum.customer <- o.customer
        """,
    ),
    "rows chosen, ordered and without doubles": (
        "o[o['price'] > 2].sort_values('order').drop_duplicates('customer').head(2)",
        "quantity",
        """
        result.quantity <- drop_duplicates.quantity
        drop_duplicates.quantity <- sort_values.quantity
        sort_values.quantity <- getitem.quantity
        getitem.quantity <- o.quantity
        """,
    ),
    "names by a function": (
        "o.rename(columns=str.upper)",
        "PRICE",
        "result.PRICE <- o.price",
    ),
    "two tables with one name in both": (
        "o.merge(o[['customer', 'price']], on='customer', suffixes=('', '_other'))",
        "price",
        "result.price <? o.price, o.order, o.customer, o.quantity",
    ),
    "suffixes": (
        "o.merge(p.rename(columns={'name': 'price'}), left_on='customer', right_on='customer')",
        "price_x,price_y,country",
        """
        result.price_x <- o.price
        result.price_y <- rename.price
        result.country <- rename.country
        rename.price <- p.name
        rename.country <- p.country
        """,
    ),
    "an outer join has the keys of both": (
        "o.merge(p, on='customer', how='outer')",
        "customer",
        "result.customer <- o.customer, p.customer",
    ),
    "rows of several tables": (
        "pd.concat([o, o.rename(columns={'price': 'cost'})])",
        "order,cost",
        """
        result.order <- o.order, rename.order
        result.cost <- rename.cost
        rename.order <- o.order
        rename.cost <- o.price
        """,
    ),
    "columns that are set": (
        "o.assign(double=o['price'] * 2, kind='x', both=lambda t: t.price + t.order)",
        "double,kind,both,price",
        """
        result.double <~ o.price
        result.both <~ o.price, o.order
        result.price <- o.price
        """,
    ),
    "a column that replaces another": (
        "o.assign(price=o['quantity'] * 1.0)",
        "price",
        "result.price <~ o.quantity",
    ),
    "cell by cell": (
        "o.astype({'price': 'float32'}).fillna(0)",
        "price",
        """
        result.price <~ astype.price
        astype.price <~ o.price
        """,
    ),
    "a table that was computed": (
        "(o * 2).head(3)",
        "price",
        "result.price <? o.order, o.customer, o.price, o.quantity",
    ),
    "a function of the program's": (
        "o.apply(lambda row: row * 2, axis=1)",
        "price",
        "result.price <? o.order, o.customer, o.price, o.quantity",
    ),
    "cells that are set": (
        "o\no.loc[o['price'] > 2, 'quantity'] = o['order']",
        "quantity,price",
        "result.quantity <- o.quantity, o.order\nresult.price <- o.price",
    ),
    "cells that are set by their places": (
        "o\no.iloc[0, 0] = 9",
        "quantity,price",
        "result.quantity <? o.quantity\nresult.price <? o.price",
    ),
    "some cells": (
        "o.astype({'price': 'int64'})",
        "price,order",
        "result.price <~ o.price\nresult.order <- o.order",
    ),
    "a pivot": (
        "o.pivot_table(index='customer', columns='quantity', values='price').reset_index()",
        "customer,2",
        """
        result.customer <- pivot_table.customer
        result.2 <- pivot_table.2
        pivot_table.customer <- o.customer
        pivot_table.2 <+ o.price
        """,
    ),
    "columns below each other": (
        "o.melt(id_vars=['order'], value_vars=['price', 'quantity'], var_name='what')",
        "order,value,what",
        "result.order <- o.order\nresult.value <- o.price, o.quantity",
    ),
    "a figure of the group in each row": (
        "o.assign(mean=o.groupby('customer')['price'].transform('mean'))",
        "mean",
        "result.mean <~ transform.price\ntransform.price <+ o.price",
    ),
    "sums that go on": (
        "o.groupby('customer')[['price']].cumsum()",
        "price",
        "result.price <~ o.price",
    ),
    "groups of some columns": (
        "o[['customer', 'price']].groupby('customer').max().reset_index()",
        "price",
        "result.price <- max.price\nmax.price <+ o.price",
    ),
    "a window": (
        "o[['price', 'quantity']].rolling(2).mean()",
        "price",
        "result.price <+ o.price",
    ),
    "a text that is converted": (
        "o.assign(when=pd.to_datetime(o['order']))",
        "when",
        "result.when <~ to_datetime.order\nto_datetime.order <~ o.order",
    ),
    "a condition in words": (
        "o.query('price > 2 and quantity < 9')[['order']].reset_index()",
        "order",
        "result.order <- query.order\nquery.order <- o.order",
    ),
}


@pytest.fixture(scope="module")
def pandas_cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    cases = {
        name: (f"o, p = read()\nresult = {call}", columns, text)
        for name, (call, columns, text) in PANDAS.items()
    }
    head = "import pandas as pd\n\n" + READ.replace("LIBRARY", "pd")
    writes = "result.to_pickle('{file}.pickle')"
    return Cases(tmp_path_factory.mktemp("pandas"), head, cases, writes)


READ = """
def read():
    return LIBRARY.read_csv("orders.csv"), LIBRARY.read_csv("customers.csv")


"""


@pytest.mark.parametrize("name", PANDAS)
def test_columns_of_pandas(pandas_cases: Cases, name: str) -> None:
    assert pandas_cases.edges(name) == expected(PANDAS[name][2])


# --- DuckDB ---------------------------------------------------------------------------------------

DUCKDB: dict[str, tuple[str, str, str]] = {
    "a table of its own": (
        """
        con.execute("CREATE TABLE t AS SELECT *, price * quantity AS total FROM 'orders.csv'")
        result = con.execute("SELECT customer, sum(total) AS s FROM t GROUP BY customer").df()
        """,
        "customer,s",
        """
        result.customer <- execute:3.customer
        result.s <- execute:3.s
        execute:3.customer <- t.customer
        execute:3.s <+ t.total
        t.customer <- orders.csv.customer
        t.total <~ orders.csv.price, orders.csv.quantity
        """,
    ),
    "rows that are added": (
        """
        con.execute("CREATE TABLE t AS SELECT customer, price FROM 'orders.csv'")
        con.execute("INSERT INTO t SELECT customer, 0.0 FROM 'customers.csv'")
        result = con.execute("SELECT customer FROM t").df()
        """,
        "customer",
        """
        result.customer <- execute:4.customer
        execute:4.customer <- t.customer
        t.customer <- customers.csv.customer, orders.csv.customer
        """,
    ),
    "a variable, a relation and its steps": (
        """
        o = pd.read_csv("orders.csv")
        result = con.sql("FROM o SELECT customer AS c, price").filter("price > 2").df()
        """,
        "c",
        "result.c <- o.customer",
    ),
    "columns of a variable": (
        """
        o = pd.read_csv("orders.csv")[["customer", "price"]]
        result = con.sql("SELECT * FROM o").df()
        """,
        "price",
        "result.price <- o.price",
    ),
    "a variable that was computed": (
        """
        o = pd.read_csv("orders.csv") * 2
        result = con.sql("SELECT price FROM o").df()
        """,
        "price",
        "result.price <? o.order, o.customer, o.price, o.quantity",
    ),
    "queries with names, windows and unions": (
        """
        result = con.sql('''
            WITH big AS (SELECT customer, price FROM 'orders.csv' WHERE quantity > 1),
                 every AS (SELECT customer, price FROM big UNION ALL SELECT customer, 1 FROM
                           'customers.csv')
            SELECT price, row_number() OVER (PARTITION BY customer ORDER BY price) AS place
            FROM every
        ''').df()
        """,
        "price,place",
        """
        result.price <- orders.csv.price
        result.place <~ orders.csv.customer, orders.csv.price, customers.csv.customer
        """,
    ),
    "the names of tables, said": (
        """
        result = con.sql(
            "SELECT c.name, o.price * 2 AS p FROM 'orders.csv' o JOIN read_csv('customers.csv') c "
            "ON o.customer = c.customer WHERE c.country = 'CH' AND o.price BETWEEN 1.0 AND 10.0"
        ).df()
        """,
        "name,p",
        "result.name <- customers.csv.name\nresult.p <~ orders.csv.price",
    ),
    "what is written to a file": (
        """
        con.execute("COPY (SELECT customer, price + 1 AS p FROM 'orders.csv') TO 'c.parquet'")
        result = pd.read_parquet("c.parquet")
        """,
        "p",
        "result.p <- c.parquet.p\nc.parquet.p <~ orders.csv.price",
    ),
    "several files": (
        """
        open("more.csv", "w").write("order,customer,price,quantity\\n5,10,1.0,1\\n")
        result = con.sql("SELECT price FROM read_csv(['orders.csv', 'more.csv'])").df()
        """,
        "price",
        "result.price <- orders.csv.price, more.csv.price",
    ),
    "two raw files whose columns nobody knows": (
        """
        result = con.sql(
            "SELECT price, name FROM 'orders.csv' JOIN 'customers.csv' USING (customer)"
        ).df()
        """,
        "price",
        "result.price <? orders.csv.None, customers.csv.None",
    ),
    "a pivot": (
        """
        result = con.sql("PIVOT 'orders.csv' ON customer USING sum(price)").df()
        """,
        "quantity",
        "result.quantity <? orders.csv.None",
    ),
}


@pytest.fixture(scope="module")
def duckdb_cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    cases = {
        name: ("con = duckdb.connect()\n" + textwrap.dedent(body).strip("\n"), columns, text)
        for name, (body, columns, text) in DUCKDB.items()
    }
    writes = "result.to_pickle('{file}.pickle')"
    head = "import duckdb\nimport pandas as pd\n\n"
    return Cases(tmp_path_factory.mktemp("duckdb"), head, cases, writes)


@pytest.mark.parametrize("name", DUCKDB)
def test_columns_of_duckdb(duckdb_cases: Cases, name: str) -> None:
    assert duckdb_cases.edges(name) == expected(DUCKDB[name][2])


# --- Polars ---------------------------------------------------------------------------------------

POLARS: dict[str, tuple[str, str, str]] = {
    "expressions": (
        "o.with_columns((pl.col('price') * pl.col('quantity')).alias('total'), k=pl.lit(1))",
        "total,price",
        "result.total <~ o.price, o.quantity\nresult.price <- o.price",
    ),
    "a selection": (
        "o.select('order', cost='price', twice=pl.col('price') * 2)",
        "order,cost,twice",
        "result.order <- o.order\nresult.cost <- o.price\nresult.twice <~ o.price",
    ),
    "groups": (
        "o.group_by('customer').agg(pl.col('price').sum(), n=pl.len())",
        "customer,price",
        "result.customer <- o.customer\nresult.price <+ o.price",
    ),
    "a join": (
        "o.join(p, on='customer', how='left').filter(pl.col('country') == 'CH').sort('name')",
        "name,price,customer",
        """
        result.name <- filter.name
        result.price <- filter.price
        result.customer <- filter.customer
        filter.name <- join.name
        filter.price <- join.price
        filter.customer <- join.customer
        join.name <- p.name
        join.price <- o.price
        join.customer <- o.customer
        """,
    ),
    "a query of all": (
        "pl.scan_csv('orders.csv').with_columns(pl.col('price').rank().over('customer').alias('r'))"
        ".join(pl.scan_csv('customers.csv'), on='customer').group_by('country')"
        ".agg(pl.col('r').max(), (pl.col('price') * 2).sum().alias('s')).collect()",
        "country,r,s",
        """
        result.country <- customers.csv.country
        result.r <+ orders.csv.price, orders.csv.customer
        result.s <+ orders.csv.price
        """,
    ),
    "several columns at once": (
        "o.lazy().select(pl.all().exclude('order')).rename({'price': 'cost'}).collect()",
        "cost",
        "result.cost <- o.price",
    ),
    "SQL": (
        "pl.SQLContext(o=o, eager=True).execute('SELECT price + 1 AS q FROM o')",
        "q",
        "result.q <? o.order, o.customer, o.price, o.quantity",
    ),
    "a function of the program's": (
        "o.lazy().map_batches(lambda t: t.reverse()).collect()",
        "price",
        "result.price <? o.order, o.customer, o.price, o.quantity",
    ),
    "rows of several tables": (
        "pl.concat([o.select('customer'), p], how='diagonal')",
        "customer",
        """
        result.customer <- select.customer, p.customer
        select.customer <- o.customer
        """,
    ),
}


@pytest.fixture(scope="module")
def polars_cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    cases = {
        name: (f"o, p = read()\nresult = {call}", columns, text)
        for name, (call, columns, text) in POLARS.items()
    }
    head = "import polars as pl\n\n" + READ.replace("LIBRARY", "pl")
    writes = "result.write_ipc('{file}.arrow')"
    return Cases(tmp_path_factory.mktemp("polars"), head, cases, writes)


@pytest.mark.parametrize("name", POLARS)
def test_columns_of_polars(polars_cases: Cases, name: str) -> None:
    assert polars_cases.edges(name) == expected(POLARS[name][2])


def _of_the_result(found: dict[str, Any], result: str, first: int) -> set[Edge]:
    reads = {one["id"]: one for one in found["operations"] if one["name"].endswith(".read_csv")}
    files = {one["id"]: one["name"] for one in found["artifacts"]}
    short: dict[str, str] = {}
    for edge in found["edges"]:
        if edge["operation"] in reads:
            file = files[edge["from"]["artifact"]]
            short[edge["to"]["artifact"]] = {"orders.csv": "o", "customers.csv": "p"}[file]
        elif files.get(edge["to"]["artifact"]) == result:
            short[edge["from"]["artifact"]] = "result"
    names = [one["name"].rpartition(".")[2] for one in found["operations"]]
    operations = {
        one["id"]: f"{name}:{one['code']['line'] - first}" if names.count(name) > 1 else name
        for one, name in zip(found["operations"], names, strict=True)
    }
    for edge in found["edges"]:
        artifact = edge["to"]["artifact"]
        short.setdefault(artifact, files.get(artifact) or operations[edge["operation"]])

    def said(column: dict[str, Any]) -> str:
        artifact = column["artifact"]
        return f"{short.get(artifact) or files.get(artifact) or 'memory'}.{column['column']}"

    return {
        (said(edge["from"]), said(edge["to"]), (edge["subtype"] or "opaque").lower())
        for edge in found["edges"]
        if edge["operation"] not in reads and files.get(edge["to"]["artifact"]) != result
    }
