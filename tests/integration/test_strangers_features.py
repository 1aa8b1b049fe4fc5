"""Features as strangers make them of tables, and what they ask fitted models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import strangers

UNKNOWN = """
    import numpy as np, pandas as pd
    a = pd.read_csv("a.csv")  # @a
    known = np.load("known.npy")  # @known
    noise = np.random.default_rng(0).normal(size=len(a))
    (a["v"] * known).to_csv("known.csv")  # @by_known
    (a["v"] * noise).to_csv("right.csv")  # @right
    (noise - a["v"]).to_csv("left.csv")  # @left
    np.add(a["v"], noise).to_csv("ufunc.csv")  # @ufunc
    (pd.Series(noise) + a["v"]).to_csv("series.csv")  # @series
    a["v"].add(noise).to_csv("method.csv")  # @method
    (a[["v", "w"]] > noise[:2]).to_csv("compared.csv")  # @compared
    a["v"][noise > 0].to_csv("masked.csv")  # @masked
    a["v"].where(noise > 0, 0).to_csv("where.csv")  # @where
    a.groupby(noise > 0)["v"].sum().to_csv("grouped.csv")  # @grouped
    a.assign(z=lambda table: table["v"] * noise).to_csv("assigned.csv")  # @assigned
    a.eval("v * @noise").to_csv("evaluated.csv")  # @evaluated
    a.query("v > @noise").to_csv("chosen.csv")  # @chosen
    b = a.copy()
    b["v"] += noise  # @added
    b.to_csv("added.csv")  # @out
    (a["v"] * 2 + a["w"]).to_csv("plain.csv")  # @plain
    np.log1p(a["w"].abs()).clip(0, 1).to_csv("log.csv")  # @log
    a["v"].quantile(np.linspace(0, 1, 5)).to_csv("levels.csv")  # @levels
    pd.DataFrame(a[["v"]].to_numpy(), columns=np.array(["v"])).to_csv("named.csv")  # @named
"""
UNKNOWN_DRAWN = """
    pandas.read_csv@a: a.csv -> return
    numpy.load@known: known.npy -> return
    pandas.to_csv@by_known: pandas.read_csv@a, numpy.load@known -> known.csv
    pandas.to_csv@right: ?, pandas.read_csv@a -> right.csv
    pandas.to_csv@left: ?, pandas.read_csv@a -> left.csv
    pandas.to_csv@ufunc: ?, pandas.read_csv@a -> ufunc.csv
    pandas.to_csv@series: ?, pandas.read_csv@a -> series.csv
    pandas.to_csv@method: ?, pandas.read_csv@a -> method.csv
    pandas.to_csv@compared: ?, pandas.read_csv@a -> compared.csv
    pandas.to_csv@masked: ?, pandas.read_csv@a -> masked.csv
    pandas.to_csv@where: ?, pandas.read_csv@a -> where.csv
    pandas.groupby.sum@grouped: ?, pandas.read_csv@a -> return
    pandas.to_csv@grouped: pandas.groupby.sum@grouped -> grouped.csv
    pandas.assign@assigned: ?, pandas.read_csv@a -> return
    pandas.to_csv@assigned: pandas.assign@assigned -> assigned.csv
    pandas.eval@evaluated: ?, pandas.read_csv@a -> return
    pandas.to_csv@evaluated: pandas.eval@evaluated -> evaluated.csv
    pandas.query@chosen: ?, pandas.read_csv@a -> return
    pandas.to_csv@chosen: pandas.query@chosen -> chosen.csv
    pandas.setitem@added: ?, pandas.read_csv@a -> self
    pandas.to_csv@out: pandas.setitem@added -> added.csv
    pandas.to_csv@plain: pandas.read_csv@a -> plain.csv
    pandas.to_csv@log: pandas.read_csv@a -> log.csv
    pandas.to_csv@levels: pandas.read_csv@a -> levels.csv
    pandas.to_numpy@named: pandas.read_csv@a -> return
    pandas.to_csv@named: pandas.to_numpy@named -> named.csv
"""


def test_what_is_computed_with_an_unknown_array_is_of_unknown_origin_in_part(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(1)
    table = pd.DataFrame({"v": random.normal(size=100), "w": random.random(100)})
    table.to_csv(directory / "a.csv", index=False)
    np.save(directory / "known.npy", random.random(100))
    recording = strangers.record(directory, UNKNOWN)
    assert recording.graph() == strangers.drawn(UNKNOWN_DRAWN)
    assert recording.roots("right.csv") == {"a.csv", "?"}
    assert recording.roots("known.csv") == {"a.csv", "known.npy"}


LABELS = {
    "a field of the labels": "s.assign(h=s.index.hour, d=s.index.day_name())",
    "a week": "s.assign(week=s.index.isocalendar().week)",
    "labels computed with": "s.assign(days=(s.index - s.index[0]).days)",
    "rows chosen by labels": "s[s.index.day_of_week < 3]",
    "groups by labels": "s.groupby([s.index.month, 'g'])['v'].sum()",
    "a wave": "s.assign(wave=np.sin(s.index.hour / 24))",
    "values of labels": "pd.DataFrame({'at': s.index.values})",
    "texts of labels": "pd.DataFrame({'g': s.set_index('g').index.str.upper()})",
    "periods": "s.assign(month=s.index.to_period('M').astype(str))",
    "codes": "s['g'].astype('category').cat.codes",
    "renamed categories": "s['g'].astype('category').cat.rename_categories(str.upper).to_frame()",
    "the categories": "pd.Series(s['g'].astype('category').cat.categories)",
    "codes of a categorical": "pd.DataFrame({'c': pd.Categorical(s['g']).codes})",
    "bins": "pd.cut(s['v'], 3).cat.codes",
    "labels of a column": "pd.DataFrame({'n': 1}, index=pd.Index(s['v']))",
    "labels of two columns": "s.set_index(pd.MultiIndex.from_frame(s[['g', 'v']]))",
}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> strangers.Recording:
    directory = tmp_path_factory.mktemp("labels")
    times = pd.date_range("2024-01-01", periods=80, freq="5h")
    table = pd.DataFrame({"at": times, "g": list("abcd") * 20, "v": range(80)})
    table.to_csv(directory / "s.csv", index=False)
    lines = [f'({form}).to_csv("{name}.csv")' for name, form in LABELS.items()]
    program = [
        "import numpy as np, pandas as pd",
        's = pd.read_csv("s.csv", parse_dates=["at"], index_col="at")',
        *lines,
    ]
    return strangers.record(directory, "\n".join(program))


@pytest.mark.parametrize("name", LABELS)
def test_what_is_made_of_labels_and_categories_goes_back_to_the_raw_data(
    labelled: strangers.Recording, name: str
) -> None:
    assert labelled.roots(f"{name}.csv") == {"s.csv"}


NAMES = """
    import pandas as pd
    a = pd.read_csv("a.csv")  # @a
    a.columns = a.columns.str.strip().str.lower()  # @lower
    b = pd.read_csv("b.csv")  # @b
    b.columns = a.columns  # @same
    b.reindex(columns=a.columns[::-1]).to_csv("turned.csv")  # @turned
    a.drop(columns=a.columns[1:]).to_csv("first.csv")  # @first
    a.melt(value_vars=a.columns[:70]).to_csv("long.csv")  # @long
    values = a[a.columns[:-1]].to_numpy()  # @values
    pd.DataFrame(values, columns=a.columns[:-1]).to_csv("again.csv")  # @again
"""
NAMES_DRAWN = """
    pandas.read_csv@a: a.csv -> return
    pandas.setattr@lower: pandas.read_csv@a -> self
    pandas.read_csv@b: b.csv -> return
    pandas.setattr@same: pandas.read_csv@b -> self
    pandas.reindex@turned: pandas.setattr@same -> return
    pandas.to_csv@turned: pandas.reindex@turned -> turned.csv
    pandas.drop@first: pandas.setattr@lower -> return
    pandas.to_csv@first: pandas.drop@first -> first.csv
    pandas.melt@long: pandas.setattr@lower -> return
    pandas.to_csv@long: pandas.melt@long -> long.csv
    pandas.to_numpy@values: pandas.setattr@lower -> return
    pandas.to_csv@again: pandas.to_numpy@values -> again.csv
"""


def test_names_of_columns_are_no_data_however_many_there_are(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name in "ab":
        values = np.random.default_rng(ord(name)).random((3, 80))
        table = pd.DataFrame(values, columns=[f" C{number}" for number in range(80)])
        table.to_csv(directory / f"{name}.csv", index=False)
    recording = strangers.record(directory, NAMES)
    assert recording.graph() == strangers.drawn(NAMES_DRAWN)
