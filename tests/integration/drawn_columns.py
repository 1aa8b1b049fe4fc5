"""Steps of which it is known, column by column, what the values depend on."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from drawing import ARROW, SOURCES, Unfinished

Origins = frozenset[str]
"""Columns of raw data, such as ``source1.csv#a1``."""
Columns = dict[str, Origins]

START = """\
import sqlite3, warnings

import duckdb, numpy as np, pandas as pd, polars as pl, pyarrow as pa, pyarrow.compute as pc
import pyarrow.parquet as pq

warnings.simplefilter("ignore")
lite = sqlite3.connect("lite.sqlite")
duck = duckdb.connect()


"""
WAYS = (
    "pd.read_csv('{}')",
    "pl.read_csv('{}').to_pandas()",
    "duckdb.sql(\"select * from '{}'\").df()",
)

ALL = "*"
"""In what follows: the other columns of the table, as they are."""

STEPS: tuple[tuple[str, Mapping[str, str]], ...] = (
    # pandas
    ("{a}.assign({z}={a}.{x} * {c} + {a}.{y})", {ALL: "", "z": "x y"}),
    ("{a}.assign({z}=lambda table: table['{x}'] - {c})", {ALL: "", "z": "x"}),
    ("{a}.eval('{z} = {x} + {y} * {c}')", {ALL: "", "z": "x y"}),
    ("{a}.rename(columns={{'{x}': '{z}'}})[['k', '{z}', '{y}']]", {"z": "x", "y": "y"}),
    ("{a}[['k', '{x}', '{y}']].drop_duplicates()", {"x": "x", "y": "y"}),
    ("{a}[{a}.{x} > -50].sort_values('{y}').reset_index(drop=True)", {ALL: ""}),
    ("{a}.groupby('k', as_index=False).agg({{'{x}': 'sum', '{y}': 'mean'}})", {"x": "x", "y": "y"}),
    (
        "{a}.groupby('k').agg({z}=('{x}', 'max'), {y}=('{y}', 'min')).reset_index()",
        {"z": "x", "y": "y"},
    ),
    ("{a}.assign({z}={a}.{x}.where({a}.{y} > 0, 0.5))", {ALL: "", "z": "x y"}),
    ("{a}.assign({z}={a}.{x}.fillna({a}.{y}))", {ALL: "", "z": "x y"}),
    ("{a}.assign({z}={a}.{x}.cumsum().shift(1).fillna(0))", {ALL: "", "z": "x"}),
    ("{a}.assign({z}=pd.cut({a}.{x}, 4, labels=False) + {a}.{x})", {ALL: "", "z": "x"}),
    ("{a}.assign({z}=np.where({a}.{x} > 0, {a}.{x}, {a}.{y}))", {ALL: "", "z": "x y"}),
    ("{a}.assign({z}={a}.{x}.apply(lambda value: value * {c} + 1))", {ALL: "", "z": "x"}),
    (
        "{a}.melt(['k'], ['{x}', '{y}'], value_name='{z}').drop(columns='variable')"
        ".assign({y}=lambda table: table.{z} * 2)",
        {"z": "x y", "y": "x y"},
    ),
    # Polars
    (
        "pl.from_pandas({a}).with_columns({z}=pl.col('{x}') * pl.col('{y}')).to_pandas()",
        {ALL: "", "z": "x y"},
    ),
    (
        "pl.from_pandas({a}).select('k', '{y}', (pl.col('{x}') + {c}).alias('{z}')).to_pandas()",
        {"y": "y", "z": "x"},
    ),
    (
        "pl.from_pandas({a}).group_by('k').agg({z}=pl.sum('{x}'), {y}=pl.mean('{y}')).sort('k')"
        ".to_pandas()",
        {"z": "x", "y": "y"},
    ),
    (
        "pl.from_pandas({a}).lazy().filter(pl.col('{x}') > -99)"
        ".with_columns({z}=pl.col('{y}').abs()).collect().to_pandas()",
        {ALL: "", "z": "y"},
    ),
    (
        "pl.from_pandas({a}).with_columns({z}=pl.when(pl.col('{x}') > 0).then(pl.col('{y}'))"
        ".otherwise({c})).to_pandas()",
        {ALL: "", "z": "x y"},
    ),
    (
        "pl.SQLContext(t=pl.from_pandas({a})).execute('select *, {x} - {y} as {z} from t')"
        ".collect().to_pandas()",
        {ALL: "", "z": "x y"},
    ),
    # DuckDB and SQLite
    (
        "duckdb.sql('select *, {x} + {y} * {c} as {z} from {a} where {x} > -80').df()",
        {ALL: "", "z": "x y"},
    ),
    (
        "duckdb.sql('select k, sum({x}) as {z}, avg({y}) as {y} from {a} group by k').df()",
        {"z": "x", "y": "y"},
    ),
    (
        "duckdb.sql('with q as (select k, {x}, {y}, {x} * 2 as w from {a})"
        " select k, w + {y} as {z}, {x} from q').df()",
        {"z": "x y", "x": "x"},
    ),
    (
        "duck.execute('create table {t} as select k, {x}, {y} + 1 as {z} from {a}');"
        " {g} = duck.table('{t}').df()",
        {"x": "x", "z": "y"},
    ),
    (
        "duck.execute('create table {t} as select k, {x}, {y} from {a}');"
        " duck.execute('update {t} set {x} = {x} + {y}'); {g} = duck.sql('select * from {t}').df()",
        {"x": "x y", "y": "y"},
    ),
    (
        "{a}.to_sql('{t}', lite, index=False);"
        " {g} = pd.read_sql('select *, {x} * {c} as {z} from {t}', lite)",
        {ALL: "", "z": "x"},
    ),
    # pyarrow, and files
    (
        "(lambda table: table.append_column('{z}', pc.add(table['{x}'], table['{y}'])).to_pandas())"
        "(arrow({a}))",
        {ALL: "", "z": "x y"},
    ),
    ("{a}.to_csv('{t}.csv', index=False); {g} = pd.read_csv('{t}.csv')", {ALL: ""}),
    ("{a}.to_csv('{t}.csv', index=False); {g} = pl.read_csv('{t}.csv').to_pandas()", {ALL: ""}),
    (
        "{a}.to_parquet('{t}.parquet');"
        " {g} = pl.scan_parquet('{t}.parquet').select('k', '{x}', '{y}').collect().to_pandas()",
        {"x": "x", "y": "y"},
    ),
    (
        "{a}.to_parquet('{t}.parquet');"
        " {g} = pq.read_table('{t}.parquet', columns=['k', '{x}', '{y}']).to_pandas()",
        {"x": "x", "y": "y"},
    ),
)
"""A step, and of each column that it makes, the columns that its values depend on. ``x`` and ``y``
are two columns of numbers, ``z`` is a new name, ``k`` a key that is not looked at."""

JOINS = (
    "{a}.merge({b}[['k', '{w}']].drop_duplicates('k').rename(columns={{'{w}': '{z}'}}), on='k',"
    " how='left')",
    "pl.from_pandas({a}).join(pl.from_pandas({b}).select('k', {z}=pl.col('{w}')).unique('k'),"
    " on='k', how='left').to_pandas()",
    "duckdb.sql('select l.*, r.{w} as {z} from {a} l left join"
    " (select k, max({w}) as {w} from {b} group by k) r on l.k = r.k').df()",
)
"""``z`` is the column ``w`` of the other table."""

ENDS = (
    "{a}.assign(mark={n}).to_csv('{f}.csv', index=False)",
    "{a}.assign(mark={n}).to_parquet('{f}.parquet')",
    "pl.from_pandas({a}).with_columns(mark=pl.lit({n})).write_parquet('{f}.parquet')",
    "duckdb.sql(\"copy (select *, {n} as mark from {a}) to '{f}.csv' (header)\")",
)


@dataclass
class Program:
    text: str
    origins: dict[str, Columns]
    """Of each output, what its columns come from."""


class Drawing(Unfinished[Columns]):
    """One of which it is known what each column comes from."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for index in range(SOURCES):
            file = f"source{index}.csv"
            columns = {f"{name}{index}": frozenset({f"{file}#{name}{index}"}) for name in "ab"}
            self._add(self.pick(WAYS).format(file), columns)

    def _add(self, text: str, columns: Columns) -> None:
        """The last of these statements makes a table; ``{g}`` in it is the name of that."""
        name = f"table{len(self.lines)}"
        *before, last = text.replace("{g}", name).split("; ")
        made = last if before else f"{name} = {last}"
        self.lines.append("\n".join([*before, made, f"{name} = {name}.iloc[:300]"]))
        self.tables[name] = columns
        self.forget()

    def step(self) -> None:
        a = self.table()
        columns = self.tables[a]
        x, y = self.random.sample(sorted(columns), 2)
        names = {"x": x, "y": y, "z": f"new{len(self.lines)}"}
        text, made = self.random.choice(STEPS)
        filled = text.format(
            a=a,
            c=self.fraction(),
            t=f"t{len(self.lines)}",
            g="{g}",
            **names,
        )
        result = dict(columns) if ALL in made else {}
        for name, used in made.items():
            if name != ALL:
                result[names[name]] = Origins().union(
                    *(columns[names[one]] for one in used.split())
                )
        self._add(filled, result)

    def join(self) -> None:
        a, b = self.table(), self.table()
        w, z = self.pick(self.tables[b]), f"new{len(self.lines)}"
        text = self.pick(JOINS).format(a=a, b=b, w=w, z=z)
        self._add(text, {**self.tables[a], z: self.tables[b][w]})

    def append(self) -> None:
        a, b = self.random.sample(sorted(self.tables), 2)
        one, other = self.tables[a], self.tables[b]
        columns = {
            name: one.get(name, Origins()) | other.get(name, Origins()) for name in [*one, *other]
        }
        self._add(f"pd.concat([{a}, {b}], ignore_index=True)", columns)

    def end(self) -> Program:
        origins = {}
        for index, a in enumerate(list(self.tables)[-2:], 1):
            text = self.pick(ENDS)
            self.lines.append(text.format(a=a, f=f"output{index}", n=index))
            suffix = "csv" if ".csv" in text else "parquet"
            origins[f"output{index}.{suffix}"] = self.tables[a]
        return Program(START + ARROW + "\n".join(self.lines) + "\n", origins)


def drawn(seed: int) -> Program:
    drawing = Drawing(seed)
    for _ in range(12):
        drawing.random.choice((*[drawing.step] * 6, drawing.join, drawing.append))()
    return drawing.end()


def rows(seed: int) -> dict[str, str]:
    """The files of raw data."""
    chance = random.Random(seed)
    return {
        f"source{index}.csv": f"k,a{index},b{index}\n"
        + "".join(
            f"{chance.randrange(9)},{chance.random() * 9 - 2:.5f},{chance.random() * 9 - 1:.5f}\n"
            for _ in range(40)
        )
        for index in range(SOURCES)
    }
