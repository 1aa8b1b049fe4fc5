"""Tables of a server that several drivers read and write by turns, and commit or give up."""

from __future__ import annotations

from dataclasses import dataclass, field

from drawing import Drawing, Program, Sources

WAYS = ("pd.read_csv('{}')", "pl.read_csv('{}').to_pandas()")
COLUMNS = "columns=['k', 'v', 's']"


@dataclass(frozen=True)
class Driver:
    """How a driver is used; ``{q}`` stands for a statement, ``{t}`` for what is read."""

    opens: str
    executes: str
    commits: str
    undoes: str
    closes: str
    reads: tuple[str, ...]


def _cursor(name: str, opens: str, *reads: str) -> Driver:
    """A driver with connections and cursors, as PEP 249 has them."""
    rows = f"{name}.execute({{q}}); rows = {name}.fetchall()"
    return Driver(
        f"{name}_connection = {opens}; {name} = {name}_connection.cursor()",
        f"{name}.execute({{q}})",
        f"{name}_connection.commit()",
        f"{name}_connection.rollback()",
        f"{name}.close(); {name}_connection.close()",
        (f"{rows}; {name}_connection.commit(); {{t}} = pd.DataFrame(rows, {COLUMNS})", *reads),
    )


def _alchemy(driver: str) -> Driver:
    return Driver(
        f"engine = sqlalchemy.create_engine(URL.replace(':', '+{driver}:', 1));"
        " alchemy = engine.connect()",
        "alchemy.execute(sqlalchemy.text({q}))",
        "alchemy.commit()",
        "alchemy.rollback()",
        "alchemy.close(); engine.dispose()",
        (
            "{t} = pd.read_sql({q}, engine)",
            "{t} = pl.read_database({q}, engine).to_pandas()",
            "rows = alchemy.execute(sqlalchemy.text({q})).all(); alchemy.commit();"
            f" {{t}} = pd.DataFrame(rows, {COLUMNS})",
        ),
    )


DRIVERS: dict[str, tuple[Driver, ...]] = {
    "postgresql": (
        _alchemy("psycopg"),
        _cursor("psycopg3", "psycopg.connect(URL)"),
        _cursor(
            "psycopg_2",
            "psycopg2.connect(URL)",
            "{t} = pd.read_sql({q}, psycopg_2_connection); psycopg_2_connection.commit()",
        ),
        _cursor(
            "adbc",
            "adbc_driver_postgresql.dbapi.connect(URL)",
            "adbc.execute({q}); rows = adbc.fetch_arrow_table(); adbc_connection.commit();"
            " {t} = rows.to_pandas()",
        ),
        Driver(
            "loop = asyncio.new_event_loop(); wait = loop.run_until_complete;"
            " pg = wait(asyncpg.connect(URL)); block = pg.transaction(); wait(block.start())",
            "wait(pg.execute({q}))",
            "wait(block.commit()); block = pg.transaction(); wait(block.start())",
            "wait(block.rollback()); block = pg.transaction(); wait(block.start())",
            "wait(block.rollback()); wait(pg.close()); loop.close()",
            (
                "rows = wait(pg.fetch({q})); wait(block.commit()); block = pg.transaction();"
                f" wait(block.start()); {{t}} = pd.DataFrame(rows, {COLUMNS})",
            ),
        ),
    ),
    "mysql": (
        _alchemy("pymysql"),
        _cursor("maria", "pymysql.connect(**SERVER)"),
        _cursor(
            "connector",
            "mysql.connector.connect(**SERVER, use_pure=True)",
            "{t} = pd.read_sql({q}, connector_connection); connector_connection.commit()",
        ),
    ),
}
IMPORTS = {
    "postgresql": "import adbc_driver_postgresql.dbapi, asyncpg, connectorx, psycopg, psycopg2",
    "mysql": "import pymysql, mysql.connector",
}
BY_URL = (
    "{t} = connectorx.read_sql(URL, {q})",
    "{t} = pl.read_database_uri({q}, URL, engine='connectorx').to_pandas()",
)
CHANGES = (
    "insert into {t} select k, v + {c}, s from {u}",
    "insert into {t} select x.k, x.v + y.w, x.s from {u} x"
    " join (select k, max(v) w from {u} group by k) y on x.k = y.k where x.v > 0.2",
    "update {t} set v = v + (select max(v) from {u}) where k = 1",
    "delete from {t} where k in (select k from {u} where k < 2)",
)


@dataclass
class Servers(Drawing):
    """What the tables of the server come from."""

    dialect: str = "postgresql"
    kept: dict[str, Sources] = field(default_factory=dict)

    @property
    def drivers(self) -> tuple[Driver, ...]:
        return DRIVERS[self.dialect]

    def open(self) -> None:
        self.lines += [
            IMPORTS[self.dialect],
            "URL = os.environ['URL']",
            "parts = sqlalchemy.make_url(URL)",
            "SERVER = dict(host=parts.host, port=parts.port, user=parts.username,"
            " database=parts.database)",
            *(one.opens for one in self.drivers),
        ]
        self.begin(WAYS)

    def replace(self) -> None:
        name, a = f"t{self.random.randrange(4)}", self.table()
        self.lines.append(f"{a}.to_sql('{name}', engine, index=False, if_exists='replace')")
        self.kept[name] = self.tables[a]

    def change(self) -> None:
        """One or two changes, in one transaction or in one each."""
        if len(self.kept) < 2:
            return
        driver = self.random.choice(self.drivers)
        after = dict(self.kept)
        for _ in range(self.random.randrange(1, 3)):
            u, t = self.random.sample(sorted(self.kept), 2)
            text = self.pick(CHANGES).format(t=t, u=u, c=self.fraction())
            self.lines.append(driver.executes.format(q=repr(text)))
            after[t] |= after[u]
            if self.random.random() < 0.3:
                self._end(driver, after)
                after = dict(self.kept)
        self._end(driver, after)

    def _end(self, driver: Driver, after: dict[str, Sources]) -> None:
        if self.random.random() < 0.7:
            self.lines.append(driver.commits)
            self.kept = after
        else:
            self.lines.append(driver.undoes)

    def read(self) -> None:
        if self.kept:
            t = self.pick(self.kept)
            reads = [way for driver in self.drivers for way in driver.reads]
            if self.dialect == "postgresql":
                reads.extend(BY_URL)
            text = f"select k, v + {self.fraction()} as v, s from {t} where v > -99"
            name = self.name("given")
            self.lines.append(self.pick(reads).format(q=repr(text), t=name))
            self.add(name, self.kept[t])


def drawn(seed: int, dialect: str) -> Program:
    servers = Servers(seed, dialect=dialect)
    servers.open()
    for _ in range(3):
        servers.replace()
    steps = (servers.replace, servers.change, servers.change, servers.read, servers.read)
    for _ in range(24):
        servers.random.choice(steps)()
    servers.lines.extend(one.closes for one in servers.drivers)
    return servers.end()
