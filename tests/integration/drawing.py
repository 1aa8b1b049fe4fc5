"""Programs that are drawn at random, and of which it is known what each output comes from.

A step is a line of Python in which ``{a}`` and ``{b}`` stand for tables that are there, and ``{c}``
for a number. That what it makes comes from the tables it names, all of them and no other, holds of
every step by itself; so the sources of a table are known while the program is drawn, and nobody has
to read it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from strangers import record

SEEDS = range(int(os.environ.get("OTELPROV_DRAWN", "3")))
"""Of the programs of each kind: they are always the same ones."""
SOURCES = 4
"""Files of raw data: ``source0.csv`` and so on, each with the columns ``k``, ``v`` and ``s``."""
MAX_TABLES = 9
OUTPUTS = 4

Sources = frozenset[str]
Origin = TypeVar("Origin")

ARROW = """\
def arrow(table):
    return pa.Table.from_pandas(table, preserve_index=False)


"""

_START = '''\
import asyncio, copy, io, json, multiprocessing, os, pickle, shutil, sqlite3, subprocess, sys
import threading, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import deltalake, duckdb, joblib, numpy as np, pandas as pd, polars as pl, pyarrow as pa
import pyarrow.compute as pc, pyarrow.csv, pyarrow.dataset, pyarrow.parquet as pq
import sqlalchemy
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

warnings.simplefilter("ignore")


def tidy(table, *made_of):
    """As the next step wants it: a few rows at the least, and not ever more."""
    if len(table) < 6:
        table = pd.concat([table, *made_of])
    return table[["k", "v", "s"]].astype({"v": "f8"}).reset_index(drop=True).iloc[:200]


def dump(value, path):
    with open(path, "w") as file:
        json.dump(value, file)


def load(path):
    with open(path) as file:
        return json.load(file)


def cleaned(source, target, by):
    table = pd.read_parquet(source)
    table["v"] = table.v * by + 1
    table.to_parquet(target, index=False)


async def later(source, more):
    await asyncio.sleep(0)
    table = pl.read_parquet(source)
    await asyncio.sleep(0)
    return table.with_columns(v=pl.col("v") + more)


'''


@dataclass
class Program:
    """What was drawn."""

    text: str
    sources: dict[str, Sources]
    """Of each output, the names of the files of raw data."""


@dataclass
class Unfinished(Generic[Origin]):
    """A program while it is drawn."""

    seed: int
    lines: list[str] = field(default_factory=list)
    tables: dict[str, Origin] = field(default_factory=dict)
    """The variables that hold a table, and what each comes from."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def pick(self, choices: Iterable[str]) -> str:
        return self.random.choice(sorted(choices))

    def table(self) -> str:
        return self.pick(self.tables)

    def fraction(self) -> float:
        return round(self.random.random() + 0.01, 4)

    def forget(self) -> None:
        """The program goes on with few tables, or each would soon come from all raw data."""
        while len(self.tables) > MAX_TABLES:
            del self.tables[self.random.choice(sorted(self.tables)[:-3])]


@dataclass
class Drawing(Unfinished[Sources]):
    """One of which the sources of each table are known."""

    number: int = 0

    def begin(self, ways: Sequence[str]) -> None:
        """Read the raw data, each file in one of these ways."""
        for index in range(SOURCES):
            name = f"source{index}.csv"
            self.add(self.pick(ways).format(name), frozenset({name}))

    def name(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    def add(self, expression: str, sources: Sources, *made_of: str) -> str:
        """A table that the expression gives, and that comes from ``sources``."""
        name = self.name("table")
        self.lines.append(f"{name} = tidy({', '.join([expression, *made_of])})")
        self.tables[name] = sources
        self.forget()
        return name

    def step(self, templates: Sequence[str]) -> None:
        """A table made of one or two others."""
        template = self.random.choice(templates)
        a, b = self.random.sample(sorted(self.tables), 2)
        made_of = [a, b] if "{b}" in template else [a]
        sources = frozenset[str]().union(*map(self.tables.__getitem__, made_of))
        self.add(template.format(a=a, b=b, c=self.fraction()), sources, *made_of)

    def draw(self, steps: Sequence[Callable[[Any], None]], count: int) -> Program:
        """So many of these steps, and the end."""
        for _ in range(count):
            self.random.choice(steps)(self)
        return self.end()

    def end(self) -> Program:
        """Write the last tables, with different values: else two might be one by content."""
        written = {}
        for index, name in enumerate(list(self.tables)[-OUTPUTS:], 1):
            file = f"output{index}.csv"
            self.lines.append(
                f"{name}.assign(v={name}.v + {index} * 0.015625).to_csv('{file}', index=False)"
            )
            written[file] = self.tables[name]
        # A process that is started anew imports the program as a module.
        body = "".join(f"    {line}\n" for line in self.lines)
        return Program(f'{_START}{ARROW}if __name__ == "__main__":\n{body}', written)


def rows(seed: int) -> dict[str, str]:
    """The files of raw data."""
    chance = random.Random(seed)
    return {
        f"source{index}.csv": "k,v,s\n"
        + "".join(
            f"{chance.randrange(12)},{chance.random() * 9 + 0.01:.5f},"
            f"{chance.choice('abcdef')}{index}\n"
            for _ in range(60)
        )
        for index in range(SOURCES)
    }


def check(program: Program, seed: int, directory: Path, **environment: str) -> None:
    """Record it: what it writes comes from what it was made of, all of that and nothing else."""
    directory.mkdir()
    recording = record(directory, program.text, modules=rows(seed), **environment)
    found = {
        name: {one for one in recording.roots(name) if one.startswith("source")}
        for name in program.sources
    }
    assert found == {name: set(sources) for name, sources in program.sources.items()}
