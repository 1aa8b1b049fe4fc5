"""What is carried out later or elsewhere: plans, views and relations, threads and processes.

A plan reads what there is when it is carried out, and not what there was when it was made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from drawing import Drawing, Program, Sources

WAYS = ("pd.read_csv('{}')", "pl.read_csv('{}').to_pandas()")
START = ("duck = duckdb.connect()",)


@dataclass
class Later(Drawing):
    """The files and tables that there are, and what stands for some of them."""

    files: dict[str, Sources] = field(default_factory=dict)
    duck: dict[str, Sources] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    relations: dict[str, str] = field(default_factory=dict)
    plans: dict[str, tuple[str | Sources, ...]] = field(default_factory=dict)
    """The files of a plan, by name, and what the tables in it come from."""
    opened: set[str] = field(default_factory=set)
    """Files of plans that were carried out: Polars remembers where what is in them."""

    def of_plan(self, name: str) -> Sources:
        """What it gives when it is carried out now."""
        found: Sources = frozenset()
        for part in self.plans[name]:
            if isinstance(part, str):
                self.opened.add(part)
            found |= self.files[part] if isinstance(part, str) else part
        return found

    def two_files(self) -> list[str]:
        return self.random.sample(sorted(self.files), 2)

    def plan(self, text: str, *parts: str | Sources) -> None:
        name = self.name("plan")
        self.lines.append(f"{name} = {text}")
        self.plans[name] = parts

    def two(self, text: str, sources: tuple[Sources, Sources]) -> None:
        """Two tables that one line gives."""
        names = [self.name("given"), self.name("given")]
        self.lines.append(f"{', '.join(names)} = {text}")
        for name, its in zip(names, sources, strict=True):
            self.add(name, its)


Step = Callable[[Later], None]


def file_written(later: Later) -> None:
    a, name = later.table(), f"file{later.random.randrange(3)}.parquet"
    text = f"{a}.assign(v={a}.v + {later.fraction()}, k={a}.k.astype('f8'))"
    later.lines.append(f"{text}.to_parquet('{name}', index=False)")
    later.files[name] = later.tables[a]
    if name in later.opened:
        later.opened.remove(name)
        later.plans = {plan: parts for plan, parts in later.plans.items() if name not in parts}


# --- Polars' plans --------------------------------------------------------------------------------


def plan_of_file(later: Later) -> None:
    if later.files:
        name = later.pick(later.files)
        later.plan(f"pl.scan_parquet('{name}')", name)


_GOES_ON = (
    ".filter(pl.col('v') > {c} / 9)",
    ".with_columns(v=pl.col('v') * {c})",
    ".group_by('k').agg(pl.sum('v'), pl.first('s')).sort('k')",
    ".select('k', 'v', 's').head(25)",
    ".with_columns(v=pl.col('v').rolling_mean(2).fill_null({c}))",
)


def plan_goes_on(later: Later) -> None:
    if later.plans:
        before = later.pick(later.plans)
        more = later.pick(_GOES_ON).format(c=later.fraction())
        later.plan(before + more, *later.plans[before])


def plans_become_one(later: Later) -> None:
    if not later.plans:
        return
    one, other, a = later.pick(later.plans), later.pick(later.plans), later.table()
    largest = "group_by(pl.col('k').cast(pl.Float64)).agg(w=pl.max('v')), on='k', how='left')"
    added = ".with_columns(v=pl.col('v') + pl.col('w').fill_null(0)).select('k', 'v', 's')"
    ways: dict[str, tuple[str | Sources, ...]] = {
        f"{one}.join({other}.{largest}{added}": later.plans[other],
        f"pl.concat([{one}.select('k', 'v', 's'), {other}.select('k', 'v', 's')])": later.plans[
            other
        ],
        f"{one}.join(pl.from_pandas({a}).lazy().{largest}{added}": (later.tables[a],),
    }
    way = later.pick(ways)
    later.plan(way, *later.plans[one], *ways[way])


def plan_carried_out(later: Later) -> None:
    if later.plans:
        name = later.pick(later.plans)
        engine = later.pick(("", "engine='streaming'"))
        text = f"{name}.select('k', 'v', 's').collect({engine}).to_pandas()"
        later.add(text, later.of_plan(name))


def plans_carried_out(later: Later) -> None:
    if len(later.plans) > 1:
        one, other = later.random.sample(sorted(later.plans), 2)
        text = f"[table.to_pandas() for table in pl.collect_all([{one}, {other}])]"
        later.two(text, (later.of_plan(one), later.of_plan(other)))


# --- DuckDB's views and relations -----------------------------------------------------------------


def duck_written(later: Later) -> None:
    a, t = later.table(), f"t{later.random.randrange(2)}"
    if t in later.duck and later.random.random() < 0.5:
        later.lines.append(f"duck.execute('insert into {t} select k, v, s from {a}')")
        later.duck[t] |= later.tables[a]
    else:
        made = f"select k::double k, v + {later.fraction()} as v, s from {a}"
        later.lines.append(f"duck.execute('create or replace table {t} as {made}')")
        later.duck[t] = later.tables[a]


def view_made(later: Later) -> None:
    if later.duck:
        t, name = later.pick(later.duck), f"view{later.random.randrange(2)}"
        text = f"create or replace view {name} as select k, v * 2 as v, s from {t} where v > 0.01"
        later.lines.append(f"duck.execute('{text}')")
        later.views[name] = t


def view_read(later: Later) -> None:
    if later.views:
        name = later.pick(later.views)
        later.add(f"duck.execute('select * from {name}').df()", later.duck[later.views[name]])


def relation_made(later: Later) -> None:
    if later.duck:
        t, name = later.pick(later.duck), later.name("relation")
        more = later.pick(
            ("", ".filter('v > 0.01')", ".project('k, v + 0.5 as v, s')", ".order('v')")
        )
        start = later.pick((f"duck.table('{t}')", f"duck.sql('select * from {t}')"))
        later.lines.append(f"{name} = {start}{more}")
        later.relations[name] = t


def relation_read(later: Later) -> None:
    if later.relations:
        name = later.pick(later.relations)
        ways = (f"{name}.df()", f"{name}.pl().to_pandas()", f"pd.DataFrame({name}.fetchnumpy())")
        later.add(later.pick(ways), later.duck[later.relations.pop(name)])


# --- pieces ---------------------------------------------------------------------------------------


def in_chunks(later: Later) -> None:
    a, name = later.table(), later.name("chunks")
    later.lines.append(f"{a}.to_csv('{name}.csv', index=False)")
    chunks = f"pd.read_csv('{name}.csv', chunksize=7)"
    text = f"pd.concat(part.assign(v=part.v + {later.fraction()}) for part in {chunks})"
    later.add(text, later.tables[a])


def in_batches(later: Later) -> None:
    if later.files:
        name = later.pick(later.files)
        ways = (
            f"pa.Table.from_batches(list(pq.ParquetFile('{name}').iter_batches(9))).to_pandas()",
            f"pyarrow.dataset.dataset('{name}').to_table(filter=pc.field('v') > -99).to_pandas()",
        )
        later.add(later.pick(ways), later.files[name])


# --- threads, tasks and processes -----------------------------------------------------------------


def in_threads(later: Later) -> None:
    if len(later.files) > 1:
        one, other = later.two_files()
        text = f"ThreadPoolExecutor(2).map(pd.read_parquet, ['{one}', '{other}'])"
        later.two(text, (later.files[one], later.files[other]))


def in_tasks(later: Later) -> None:
    if len(later.files) > 1:
        one, other = later.two_files()
        name = later.name("tasks")
        tasks = ", ".join(f"later('{file}', {later.fraction()})" for file in (one, other))
        later.lines += [f"async def {name}():", f"    return await asyncio.gather({tasks})"]
        text = f"[table.to_pandas() for table in asyncio.run({name}())]"
        later.two(text, (later.files[one], later.files[other]))


def by_joblib(later: Later) -> None:
    a, b = later.table(), later.table()
    each = f"joblib.delayed(pd.DataFrame.assign)(table, w=1) for table in ({a}, {b})"
    later.two(f"joblib.Parallel(n_jobs=2)({each})", (later.tables[a], later.tables[b]))


def in_processes(later: Later) -> None:
    if len(later.files) > 1:
        names, mark = later.two_files(), later.name("cleaned")
        calls = ", ".join(f"('{name}', '{mark}{at}.parquet', 1.5)" for at, name in enumerate(names))
        context = "multiprocessing.get_context('spawn')"  # Polars does not bear a fork
        later.lines.append(f"with {context}.Pool(2) as pool: pool.starmap(cleaned, [{calls}])")
        at = later.random.randrange(2)
        later.add(f"pd.read_parquet('{mark}{at}.parquet')", later.files[names[at]])


def in_a_program(later: Later) -> None:
    a, name = later.table(), later.name("sent")
    text = (
        f"import polars as pl; pl.scan_parquet('{name}.parquet')"
        f".with_columns(v=pl.col('v') + {later.fraction()}).sink_parquet('{name}.out')"
    )
    later.lines += [
        f"{a}.to_parquet('{name}.parquet', index=False)",
        f'subprocess.run([sys.executable, "-c", "{text}"], check=True)',
    ]
    later.add(f"pd.read_parquet('{name}.out')", later.tables[a])


STEPS: tuple[Step, ...] = (
    *(file_written, file_written, file_written),
    *(plan_of_file, plan_of_file, plan_goes_on, plans_become_one, plan_carried_out),
    *(plan_carried_out, plan_carried_out, plans_carried_out),
    *(duck_written, duck_written, view_made, view_read, view_read, relation_made, relation_read),
    *(in_chunks, in_batches, in_threads, in_tasks, by_joblib, in_processes, in_a_program),
)


def drawn(seed: int) -> Program:
    later = Later(seed, list(START))
    later.begin(WAYS)
    return later.draw(STEPS, 32)
