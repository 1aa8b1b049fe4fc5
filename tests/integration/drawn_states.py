"""Files and tables of databases that are written again, added to, changed and given up.

What is read comes from all that the place has been written from since it was last replaced, and
from nothing that was rolled back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from drawing import Drawing, Program, Sources

START = (
    "lite = sqlite3.connect('lite.sqlite')",
    "duck = duckdb.connect('duck.duckdb')",
    "engine = sqlalchemy.create_engine('sqlite:///alchemy.sqlite')",
)
WAYS = (
    "pd.read_csv('{}')",
    "pl.read_csv('{}').to_pandas()",
    "duckdb.sql(\"select * from '{}'\").df()",
)


@dataclass
class States(Drawing):
    """What places hold comes from, by the name that the program has for each."""

    files: dict[str, Sources] = field(default_factory=dict)
    duck: dict[str, Sources] = field(default_factory=dict)
    lite: dict[str, Sources] = field(default_factory=dict)
    alchemy: dict[str, Sources] = field(default_factory=dict)
    lakes: dict[str, list[Sources]] = field(default_factory=dict)
    """Of a Delta Lake table, what each version comes from."""
    models: dict[str, Sources] = field(default_factory=dict)

    def some(self, template: str, **names: str) -> str:
        """Add a line about a table, and say which table."""
        a = self.table()
        self.lines.append(template.format(a=a, c=self.fraction(), **names))
        return a


Step = Callable[[States], None]

# --- DuckDB ---------------------------------------------------------------------------------------


def duck_replaced(states: States) -> None:
    t = f"t{states.random.randrange(3)}"
    text = "duck.execute('create or replace table {t} as select k, v + {c} as v, s from {a}')"
    states.duck[t] = states.tables[states.some(text, t=t)]


_CHANGES = (
    "duck.execute('insert into {t} select k, v * {c}, s from {a} where v > 0.2')",
    "duck.execute('update {t} set v = {t}.v + x.w from"
    " (select k, max(v) w from {a} group by k) x where {t}.k = x.k')",
    "duck.execute('delete from {t} where k in (select k from {a} where v > 8.5)')",
    "duck.execute('merge into {t} using (select k, max(v) v, min(s) s from {a} group by k) x"
    " on {t}.k = x.k when matched then update set v = {t}.v + x.v"
    " when not matched then insert values (x.k, x.v, x.s)')",
)


def duck_changed(states: States) -> None:
    if states.duck:
        t = states.pick(states.duck)
        states.duck[t] |= states.tables[states.some(states.pick(_CHANGES), t=t)]


def duck_rolled_back(states: States) -> None:
    if states.duck:
        states.lines.append("duck.begin()")
        states.some(states.pick(_CHANGES), t=states.pick(states.duck))
        states.lines.append("duck.rollback()")


def duck_read(states: States) -> None:
    if states.duck:
        t = states.pick(states.duck)
        form = states.pick(("df()", "pl().to_pandas()"))
        states.add(f"duck.sql('select k, v, s from {t}').{form}", states.duck[t])


# --- SQLite, by itself and by SQLAlchemy ----------------------------------------------------------


def lite_replaced(states: States) -> None:
    t = f"t{states.random.randrange(3)}"
    a = states.some("{a}.to_sql('{t}', lite, index=False, if_exists='replace')", t=t)
    states.lite[t] = states.tables[a]


def lite_added(states: States) -> None:
    if states.lite:
        t = states.pick(states.lite)
        a = states.some("{a}.to_sql('{t}', lite, index=False, if_exists='append')", t=t)
        states.lite[t] |= states.tables[a]


def lite_copied(states: States) -> None:
    if len(states.lite) > 1:
        source, target = states.random.sample(sorted(states.lite), 2)
        text = f"insert into {target} select k, v + {states.fraction()}, s from {source}"
        end = states.pick(("commit", "rollback"))
        states.lines += ["lite.commit()", f"lite.execute('{text}')", f"lite.{end}()"]
        if end == "commit":
            states.lite[target] |= states.lite[source]


def lite_read(states: States) -> None:
    if states.lite:
        t = states.pick(states.lite)
        text = f"pd.read_sql('select k, v + {states.fraction()} v, s from {t}', lite)"
        states.add(text, states.lite[t])


def alchemy_replaced(states: States) -> None:
    t = f"t{states.random.randrange(3)}"
    a = states.some("{a}.to_sql('{t}', engine, index=False, if_exists='replace')", t=t)
    states.alchemy[t] = states.tables[a]


def alchemy_changed(states: States) -> None:
    if states.alchemy:
        t = states.pick(states.alchemy)
        text = f"update {t} set v = v + {states.fraction()} where k = 1"
        states.lines += [
            "with engine.begin() as connection:",
            f"    connection.execute(sqlalchemy.text('{text}'))",
        ]
        a = states.some("{a}.to_sql('{t}', engine, index=False, if_exists='append')", t=t)
        states.alchemy[t] |= states.tables[a]


def alchemy_read(states: States) -> None:
    if states.alchemy:
        t = states.pick(states.alchemy)
        ways = (
            f"pd.read_sql_table('{t}', engine)",
            f"pl.read_database('select * from {t}', engine).to_pandas()",
        )
        states.add(states.pick(ways), states.alchemy[t])


# --- files ----------------------------------------------------------------------------------------


def file_written(states: States) -> None:
    name = f"kept{states.random.randrange(3)}.csv"
    ways = (
        "{a}.assign(v={a}.v * {c}).to_csv('{f}', index=False)",
        "pl.from_pandas({a}).with_columns(v=pl.col('v') - {c}).write_csv('{f}')",
    )
    states.files[name] = states.tables[states.some(states.pick(ways), f=name)]


def file_added(states: States) -> None:
    if states.files:
        name = states.pick(states.files)
        a = states.some("{a}.to_csv('{f}', index=False, header=False, mode='a')", f=name)
        states.files[name] |= states.tables[a]


def file_moved(states: States) -> None:
    if states.files:
        name, other = states.pick(states.files), f"moved{states.random.randrange(3)}.csv"
        if other != name:
            states.lines.append(f"os.replace('{name}', '{other}')")
            states.files[other] = states.files.pop(name)


def file_copied(states: States) -> None:
    if states.files:
        name, other = states.pick(states.files), f"copied{states.random.randrange(2)}.csv"
        if other != name:
            states.lines.append(f"shutil.copy('{name}', '{other}')")
            states.files[other] = states.files[name]


def file_read(states: States) -> None:
    if states.files:
        name = states.pick(states.files)
        states.add(states.pick(WAYS).format(name), states.files[name])


def directory_read(states: States) -> None:
    a, b, name = states.table(), states.table(), states.name("parts")
    states.lines += [
        f"os.makedirs('{name}')",
        f"{a}.astype({{'k': 'f8'}}).to_parquet('{name}/1.parquet', index=False)",
        f"{b}.assign(k={b}.k + 0.0, v={b}.v - 1).to_parquet('{name}/2.parquet', index=False)",
    ]
    ways = (
        f"pd.read_parquet('{name}')",
        f"pl.read_parquet('{name}/*.parquet').to_pandas()",
        f"duckdb.sql(\"select k, v, s from '{name}/*.parquet'\").df()",
        f"pq.read_table('{name}').to_pandas()",
        f"pl.scan_parquet('{name}').collect().to_pandas()",
    )
    states.add(states.pick(ways), states.tables[a] | states.tables[b])


# --- Delta Lake, models, and tables that are changed in place -------------------------------------


def lake_written(states: States) -> None:
    name = f"lake{states.random.randrange(2)}"
    mode = states.pick(("overwrite", "append")) if name in states.lakes else "overwrite"
    a = states.some(
        "deltalake.write_deltalake('{t}', arrow({a}.astype({{'k': 'f8', 's': str}})), mode='{m}')",
        t=name,
        m=mode,
    )
    versions = states.lakes.setdefault(name, [])
    versions.append(states.tables[a] | (versions[-1] if mode == "append" else frozenset()))


def lake_read(states: States) -> None:
    if states.lakes:
        name = states.pick(states.lakes)
        versions = states.lakes[name]
        version = states.random.randrange(len(versions))
        ways = {
            f"deltalake.DeltaTable('{name}').to_pandas()": versions[-1],
            f"pl.read_delta('{name}').to_pandas()": versions[-1],
            f"pl.scan_delta('{name}').filter(pl.col('v') > -99).collect().to_pandas()": versions[
                -1
            ],
            f"deltalake.DeltaTable('{name}', version={version}).to_pandas()": versions[version],
        }
        way = states.pick(ways)
        states.add(way, ways[way])


def model_kept(states: States) -> None:
    name = f"model{states.random.randrange(2)}.joblib"
    ways = (
        "joblib.dump(LinearRegression().fit({a}[['k']], {a}.v), '{f}')",
        "joblib.dump(make_pipeline(StandardScaler(), Ridge({c})).fit({a}[['k']], {a}.v), '{f}')",
    )
    states.models[name] = states.tables[states.some(states.pick(ways), f=name)]


def model_used(states: States) -> None:
    if states.models:
        name, a = states.pick(states.models), states.table()
        text = f"{a}.assign(v=joblib.load('{name}').predict({a}[['k']])).iloc[1:]"
        states.add(text, states.tables[a] | states.models[name])


_IN_PLACE = (
    "{t}.loc[{t}.index[:3], 'v'] = {a}.v.to_numpy()[:3]",
    "{t}.iloc[:2, 1] = {a}.v.iloc[:2].values",
    "{t}['v'] += {a}.v.reindex({t}.index).fillna({c})",
    "{t}.update({a}[['v']] + 0.001)",
    "{t}.loc[{t}.k.isin({a}.k), 'v'] = -{c}",
)


def changed_in_place(states: States) -> None:
    before = states.table()
    name = states.add(f"{before}.copy()", states.tables[before])
    a = states.some(states.pick(_IN_PLACE), t=name)
    states.tables[name] = states.tables[before] | states.tables[a]


STEPS: tuple[Step, ...] = (
    *(duck_replaced, duck_changed, duck_changed, duck_rolled_back, duck_read, duck_read),
    *(lite_replaced, lite_added, lite_copied, lite_copied, lite_read),
    *(alchemy_replaced, alchemy_changed, alchemy_read),
    *(file_written, file_written, file_added, file_moved, file_copied, file_read, file_read),
    *(directory_read, lake_written, lake_written, lake_read, model_kept, model_used),
    *(changed_in_place, changed_in_place),
)


def drawn(seed: int) -> Program:
    states = States(seed, list(START))
    states.begin(WAYS)
    return states.draw(STEPS, 24)
