"""Steps from table to table, in every library, and through files."""

from __future__ import annotations

from collections.abc import Callable

from drawing import Drawing, Program

WAYS = (
    "pd.read_csv('{}')",
    "pl.read_csv('{}').to_pandas()",
    "pyarrow.csv.read_csv('{}').to_pandas()",
    "duckdb.sql(\"select * from '{}'\").df()",
    "duckdb.read_csv('{}').df()",
    "pl.scan_csv('{}').filter(pl.col('v') > 0).collect().to_pandas()",
)

OF_ONE = (
    # pandas
    "{a}[{a}.v > {c}].copy()",
    "{a}.query('v > {c}')",
    "{a}.assign(v={a}.v * 1.5 + {a}.k)",
    "{a}.assign(v=lambda table: table.v + {c})",
    "{a}.groupby('k', as_index=False).agg({{'v': 'sum', 's': 'first'}})",
    "{a}.groupby('k').agg(v=('v', 'mean'), s=('s', 'last')).reset_index()",
    "{a}.groupby('s', as_index=False)[['k', 'v']].max()",
    "{a}.sort_values('v').reset_index(drop=True).iloc[3:]",
    "{a}.drop_duplicates('k').assign(v={a}.v + {c})",
    "{a}.assign(v={a}.v.rolling(2, min_periods=1).mean())",
    "{a}.assign(v={a}.groupby('s').v.transform('mean') + {a}.v)",
    "{a}.apply(lambda row: pd.Series({{'k': row.k, 'v': row.v + 1, 's': row.s}}), axis=1)",
    "{a}.pipe(lambda table: table[table.k % 2 == 0]).assign(v=lambda table: table.v - {c})",
    "{a}.melt(['k', 's'], ['v'], value_name='w').rename(columns={{'w': 'v'}})",
    "{a}.set_index('k').v.add({c}).to_frame().assign(s='x').reset_index()",
    "pd.concat([part.assign(v=part.v.cumsum()) for _, part in {a}.groupby('s')])",
    "pd.concat([{a}.iloc[:5], {a}.iloc[7:]])",
    "pd.DataFrame({a}.to_dict('records')).iloc[2:]",
    "pd.DataFrame({a}.to_dict('list')).iloc[:-2]",
    "pd.read_json(io.StringIO({a}.to_json(orient='records'))).iloc[1:]",
    "pickle.loads(pickle.dumps({a})).iloc[:-1]",
    "copy.deepcopy({a}).iloc[1:]",
    # NumPy and scikit-learn
    "pd.DataFrame({{'k': {a}.k.to_numpy(), 'v': {a}.v.to_numpy().astype('f4').copy(), 's': 'x'}})",
    "{a}.assign(v=StandardScaler().fit_transform({a}[['v', 'k']])[:, 0]).assign(k={a}.k + 1)",
    "{a}.assign(v=LinearRegression().fit({a}[['k']], {a}.v).predict({a}[['k']])).iloc[1:]",
    # Polars
    "pl.from_pandas({a}).filter(pl.col('v') > {c}).with_columns(v=pl.col('v') * 1.01).to_pandas()",
    "pl.from_pandas({a}).lazy().group_by('k').agg(pl.sum('v'), pl.first('s')).sort('k').collect()"
    ".to_pandas()",
    "pl.SQLContext(t=pl.from_pandas({a})).execute('select k, v + {c} as v, s from t').collect()"
    ".to_pandas()",
    "pl.DataFrame(pl.from_pandas({a}).to_dicts()).to_pandas().iloc[1:]",
    "pl.from_pandas({a}).group_by('s', maintain_order=True).map_groups(lambda part:"
    " part.with_columns(v=pl.col('v').cum_sum())).to_pandas()",
    # DuckDB
    "duckdb.sql('select k, v + {c} as v, s from {a} where k > 2').df()",
    "duckdb.from_df({a}).filter('v > 0.2').project('k, v + {c} as v, s').df()",
    "duckdb.execute('select k, sum(v) v, min(s) s from {a} group by k order by k').df()",
    # pyarrow
    "arrow({a}).sort_by('v').slice(2).to_pandas()",
    "(lambda table: table.filter(pc.greater(table['v'], {c})).to_pandas())(arrow({a}))",
    "pd.DataFrame(arrow({a}).to_pylist()).iloc[1:]",
    # numbers
    "pd.DataFrame({{'k': range(6), 'v': [{a}.v.sum(), {a}.v.to_numpy().max()] * 3, 's': 'x'}})",
    "pl.DataFrame([{{'k': k, 'v': pl.from_pandas({a}).get_column('v').mean(), 's': 'x'}}"
    " for k in range(6)]).to_pandas()",
    "pd.DataFrame({{'k': range(6), 's': 'x',"
    " 'v': [duckdb.sql('select avg(v) from {a}').fetchall()[0][0]] * 6}})",
)

OF_TWO = (
    # pandas
    "{a}.merge({b}, on='k', suffixes=('', '_y')).assign(v=lambda table: table.v + table.v_y)",
    "{a}.merge({b}[['k', 'v']].rename(columns={{'v': 'w'}}), on='k', how='left')"
    ".assign(v=lambda table: table.v + table.w.fillna(0))",
    "pd.concat([{a}, {b}], ignore_index=True)",
    "{a}.assign(s={a}.k.map({b}.drop_duplicates('k').set_index('k').s).fillna('zz'))",
    "{a}[{a}.k.isin({b}.k)].assign(v=lambda table: table.v + {c})",
    "{a}.drop_duplicates('k').set_index('k')"
    ".combine_first({b}.drop_duplicates('k').set_index('k')).reset_index()",
    "pd.merge_asof({a}.sort_values('v'),"
    " {b}.sort_values('v').rename(columns={{'s': 't', 'k': 'j'}}), on='v')"
    ".assign(k=lambda table: table.k + 0)",
    # NumPy and scikit-learn
    "{a}.assign(v=np.where({a}.k.isin({b}.k.tolist()), {a}.v, {a}.v + 1))",
    "pd.DataFrame({{name: np.concatenate([{a}[name].to_numpy(object), {b}[name].to_numpy(object)])"
    " for name in ('k', 'v', 's')}}).infer_objects()",
    "{a}.assign(v=LinearRegression().fit({b}[['k']], {b}.v).predict({a}[['k']])).iloc[1:]",
    "{a}.assign(v=MinMaxScaler().fit({b}[['v']]).transform({a}[['v']])[:, 0]).iloc[1:]",
    # numbers
    "{a}.assign(v=({a}.v - {b}.v.mean()) / 2)",
    "{a}[{a}.v > {b}.v.min() - 9].assign(k=1)",
    "{a}.assign(v=pl.from_pandas({b}).get_column('v').max()).assign(k=2)",
    "pd.DataFrame([{{'k': k, 'v': v, 's': 'x'}}"
    " for k, v in enumerate([{a}.v.min(), {b}.describe().loc['max', 'v'], {a}.v.mean()] * 2)])",
    "pd.DataFrame({{'k': range(6), 's': 'x',"
    " 'v': [LinearRegression().fit({a}[['k']], {a}.v).score({b}[['k']], {b}.v)] * 6}})",
    # Polars
    "pl.from_pandas({a}.astype({{'k': 'f8'}})).join("
    "pl.from_pandas({b}).select(pl.col('k').cast(pl.Float64), w='v'), on='k')"
    ".with_columns(v=pl.col('v') + pl.col('w')).to_pandas()",
    "pl.concat([pl.from_pandas(table).select(pl.col('k').cast(pl.Float64), 'v', 's')"
    " for table in ({a}, {b})]).to_pandas()",
    # DuckDB
    "duckdb.sql('select a.k, a.v + b.v as v, a.s from {a} a join {b} b on a.k = b.k').df()",
    "duckdb.sql('select k, v, s from {a} union all select k, v + {c}, s from {b}').df()",
    "duckdb.sql('with means as (select k, avg(v) w from {b} group by k) select {a}.k,"
    " v + coalesce(w, 0) as v, s from {a} left join means using (k)').df()",
    # pyarrow
    "pa.concat_tables([arrow({a}.astype({{'k': 'f8'}})), arrow({b}.astype({{'k': 'f8'}}))],"
    " promote_options='permissive').to_pandas()",
)

THROUGH = (
    ("{a}.to_csv('{f}.csv', index=False)", "pd.read_csv('{f}.csv')"),
    ("{a}.to_csv('{f}.csv.gz', index=False)", "pd.read_csv('{f}.csv.gz')"),
    ("{a}.to_parquet('{f}.parquet')", "pd.read_parquet('{f}.parquet')"),
    (
        "{a}.to_parquet('{f}.parquet')",
        "pl.scan_parquet('{f}.parquet').filter(pl.col('v') > -99).collect().to_pandas()",
    ),
    (
        "pl.from_pandas({a}).write_parquet('{f}.parquet')",
        "duckdb.sql(\"select * from '{f}.parquet'\").df()",
    ),
    (
        "duckdb.sql(\"copy (select * from {a}) to '{f}.csv' (header)\")",
        "pl.read_csv('{f}.csv').to_pandas()",
    ),
    ("dump({a}.to_dict('records'), '{f}.json')", "pd.DataFrame(load('{f}.json'))"),
    ("dump({{'rows': {a}.to_dict('list')}}, '{f}.json')", "pd.DataFrame(load('{f}.json')['rows'])"),
    ("{a}.to_pickle('{f}.pickle')", "pd.read_pickle('{f}.pickle')"),
    ("joblib.dump({a}, '{f}.joblib')", "joblib.load('{f}.joblib')"),
    ("pl.from_pandas({a}).write_ipc('{f}.arrow')", "pl.read_ipc('{f}.arrow').to_pandas()"),
    ("{a}.to_json('{f}.json', orient='records')", "pd.read_json('{f}.json')"),
    (
        "pl.from_pandas({a}).lazy().sink_parquet('{f}.parquet')",
        "pq.read_table('{f}.parquet').to_pandas()",
    ),
    (
        "pq.write_table(arrow({a}), '{f}.parquet'); os.replace('{f}.parquet', '{f}.moved')",
        "pd.read_parquet('{f}.moved')",
    ),
)
"""What writes a table, and what reads it again."""


def through(drawing: Drawing) -> None:
    writes, reads = drawing.random.choice(THROUGH)
    a, file = drawing.table(), drawing.name("file")
    drawing.lines.append(writes.format(a=a, f=file))
    drawing.add(reads.format(f=file), drawing.tables[a])


def of_one(drawing: Drawing) -> None:
    drawing.step(OF_ONE)


def of_two(drawing: Drawing) -> None:
    drawing.step(OF_TWO)


STEPS: tuple[Callable[[Drawing], None], ...] = (of_one, of_one, of_two, of_two, through)


def drawn(seed: int) -> Program:
    drawing = Drawing(seed)
    drawing.begin(WAYS)
    return drawing.draw(STEPS, 14)
