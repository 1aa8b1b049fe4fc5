"""Tables that get another shape, and what is computed in groups: where each column comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import strangers

HEAD = """
import warnings
import numpy as np
import pandas as pd
warnings.simplefilter("ignore")
t = pd.read_csv("t.csv", parse_dates=["d"])
u = pd.read_csv("u.csv", parse_dates=["d"])
"""
Columns = Mapping[str, str]
"""By column of a file: those that it comes from, ``a`` of t.csv and ``u.p`` of u.csv."""


def _checked(work: Path, steps: Mapping[str, Columns]) -> None:
    (work / "t.csv").write_text(
        "k,g,h,a,b,c,s,d\n1,x,p,1,5,0.5,ab cd,2024-01-01\n2,y,q,-2,6,1.5,cd ef,2024-01-02\n"
        "3,x,q,3,7,,ef gh,2024-01-03\n4,y,p,4,8,3.5,gh,2024-02-01\n5,x,p,4,9,2.5,ij,2024-02-03\n"
    )
    (work / "u.csv").write_text("k,g,p,a,d\n1,x,10,100,2024-01-01\n2,y,20,200,2024-01-02\n")
    program = HEAD + "".join(
        f"{text}\nout.to_csv('{number}.csv', index=False)\n" for number, text in enumerate(steps)
    )
    recording = strangers.record(work, program)
    for number, (text, expected) in enumerate(steps.items()):
        found = {name: recording.columns(f"{number}.csv#{name}") for name in expected}
        assert found == {name: _named(text) for name, text in expected.items()}, text


def _named(text: str) -> set[str]:
    words = text.split()
    own = {f"u.csv#{word[2:]}" if word[:2] == "u." else f"t.csv#{word}" for word in words}
    return {word.removeprefix("t.csv#=") for word in own}


RESHAPED = {
    'out = t.set_index(["k", "g"])[["a", "b"]].stack().reset_index()': {
        "k": "k", "g": "g", "0": "a b",
    },
    'out = t.set_index(["d", "g"])["a"].unstack().reset_index()': {"d": "d", "x": "a", "y": "a"},
    'out = t.groupby(["d", "g"])["a"].sum().unstack(fill_value=0).reset_index()': {
        "d": "d", "x": "a",
    },
    'out = pd.get_dummies(t[["k", "g"]], columns=["g"], prefix="grp")': {"k": "k", "grp_x": "g"},
    'out = pd.get_dummies(t[["k", "g", "h"]], columns=["g", "h"], prefix=["G", "H"],'
    ' prefix_sep=".")': {"k": "k", "G.x": "g", "H.q": "h"},
    'out = pd.get_dummies(t[["g", "h"]], prefix={"g": "A", "h": "B"}, drop_first=True)': {
        "A_y": "g", "B_q": "h",
    },
    'out = t[["k"]].join(pd.get_dummies(t["g"], prefix="is"))': {"k": "k", "is_x": "g"},
    'out = t.pivot_table(index="g", values=["a", "b"], aggfunc={"a": "sum", "b": "mean"})\n'
    "out = out.reset_index()": {"g": "g", "a": "a", "b": "b"},
    'out = t.pivot_table(index="g", columns="h", values=["a", "b"])\n'
    'out.columns = [f"{one}|{two}" for one, two in out.columns]\nout = out.reset_index()': {
        "g": "g", "a|p": "a", "b|q": "b",
    },
    'out = t.pivot_table(index="g", columns="h", values="a", aggfunc=["sum", "mean"])\n'
    'out.columns = out.columns.map("_".join)\nout = out.reset_index()': {"g": "g", "sum_p": "a"},
    'out = t.pivot_table(index=["g", "h"], aggfunc={"a": ["min", "max"]})\n'
    'out.columns = out.columns.map("_".join)\nout = out.reset_index()': {
        "g": "g", "h": "h", "a_max": "a",
    },
    'out = t.pivot(index="k", columns="g", values=["a", "b"])\n'
    'out.columns = out.columns.map("_".join)': {"a_x": "a", "b_y": "b"},
    'out = t.set_index(["g", "k"])[["a", "b"]].melt(ignore_index=False).reset_index()': {
        "g": "g", "k": "k", "value": "a b",
    },
    'out = pd.crosstab(t["g"], t["h"], values=t["a"], aggfunc="sum").reset_index()': {
        "g": "g", "p": "a",
    },
    'out = t[["k", "a", "b"]].rename(columns={"a": "m1", "b": "m2"})\n'
    'out = pd.wide_to_long(out, stubnames="m", i="k", j="n").reset_index()': {"k": "k", "m": "a b"},
    'out = t["g"].value_counts().rename_axis("group").reset_index(name="n")': {"group": "g"},
    'out = t[["g", "h"]].value_counts().reset_index(name="n")': {"g": "g", "h": "h"},
    'out = t.set_index("k").combine_first(u.set_index("k")).reset_index()': {
        "k": "k u.k", "a": "a u.a", "p": "u.p", "b": "b",
    },
    'out = t.set_index("k")\nout.update(u.set_index("k"))\nout = out.reset_index()': {
        "k": "k", "a": "a u.a", "b": "b",
    },
    'out = pd.merge_asof(t.sort_values("d"), u.sort_values("d"), on="d", by="g",'
    ' suffixes=("", "_u"))': {"d": "d", "g": "g", "k": "k", "k_u": "u.k", "p": "u.p"},
    'out = pd.merge_ordered(t, u, on="k")': {
        "k": "k u.k", "a_x": "a", "a_y": "u.a", "p": "u.p", "b": "b",
    },
}  # fmt: skip


def test_columns_of_a_table_that_gets_another_shape_are_known(work: Path) -> None:
    _checked(work, RESHAPED)


GROUPED = {
    'out = t.groupby("g").agg(total=("a", "sum"), top=("b", lambda v: v.max()),'
    ' n=pd.NamedAgg("k", "count")).reset_index()': {
        "g": "g", "total": "a", "top": "b", "n": "k",
    },
    'out = t.groupby("g").agg({"a": "sum", "b": lambda v: v.nunique()}).reset_index()': {
        "g": "g", "a": "a", "b": "b",
    },
    'out = t.groupby("g")["a"].agg(["min", "max"]).reset_index()': {"g": "g", "min": "a"},
    'out = t.groupby("g")["a"].agg(lo="min", hi="max").reset_index()': {"lo": "a", "hi": "a"},
    'out = t.groupby("g")[["a", "b"]].agg(np.mean).reset_index()': {"g": "g", "a": "a", "b": "b"},
    'out = t.groupby("g")["a"].apply(list).reset_index(name="all")': {"g": "g", "all": "a"},
    'out = t.groupby("g")["a"].describe().reset_index()': {"g": "g", "mean": "a"},
    'out = t.groupby("g")["h"].value_counts().unstack(fill_value=0).reset_index()': {"g": "g"},
    'out = t.groupby(["g", pd.Grouper(key="d", freq="MS")]).agg(n=("a", "count")).reset_index()': {
        "g": "g", "d": "d", "n": "a",
    },
    'out = t.set_index("d").resample("MS").agg({"a": "sum", "b": "mean"}).reset_index()': {
        "d": "d", "a": "a", "b": "b",
    },
    'out = t.resample("MS", on="d")["a"].sum().to_frame("total").reset_index()': {
        "d": "d", "total": "a",
    },
    'out = t.set_index("d").resample("MS").size().reset_index(name="n")': {"d": "d"},
    'out = t[["a", "b"]].rolling(2).agg(["sum", "mean"])\n'
    'out.columns = ["_".join(one) for one in out.columns]': {"a_sum": "a", "b_mean": "b"},
    'out = t.set_index("d")["a"].expanding().agg(["min", "max"]).reset_index()': {
        "d": "d", "min": "a",
    },
    'out = t["a"].rolling(3).corr(t["b"]).rename("r").to_frame()': {"r": "a b"},
    'out = t.set_index("d").tz_localize("UTC").reset_index()': {"d": "d", "a": "a"},
    'out = t[["a", "b"]].cumsum().add_prefix("sum_")': {"sum_a": "a", "sum_b": "b"},
    'out = t.assign(share=t["a"] / t.groupby("g")["a"].transform("sum"))': {"share": "a"},
    'out = t.assign(z=t.groupby("g")["a"].transform(lambda v: v - v.mean()))': {"z": "a", "b": "b"},
    't2 = t.groupby("g")["a"]\nout = t.assign(range=t2.transform("max") - t2.transform("min"))': {
        "range": "a",
    },
    'out = t.groupby(t["d"].dt.month)["a"].sum().reset_index()': {"d": "d", "a": "a"},
    'out = t.groupby([t["d"].dt.month, "g"])["a"].mean().unstack().reset_index()': {
        "d": "d", "x": "a",
    },
    'out = t.set_index("d").groupby(pd.Grouper(freq="MS"))["a"].sum().reset_index()': {
        "d": "d", "a": "a",
    },
    'out = t.set_index(["g", "k"])[["a", "b"]]\n'
    'out = out.groupby(level=0).transform(lambda one: one / one.sum()).reset_index()': {
        "g": "g", "k": "k", "a": "a", "b": "b",
    },
    'out = t.groupby("g").get_group("x")': {"k": "k", "a": "a"},
    'out = t.groupby("g").filter(lambda one: len(one) > 2)': {"k": "k", "g": "g"},
}  # fmt: skip


def test_columns_that_are_computed_in_groups_are_known(work: Path) -> None:
    _checked(work, GROUPED)


COMPUTED = {
    'out = t.assign(r=lambda one: one.a / one.b, twice=lambda one: one["r"] * 2,\n'
    ' a=lambda one: one["c"] + 1, after=lambda one: one.a, first=lambda one: one.s.str[0],\n'
    ' month=lambda one: pd.to_datetime(one["d"]).dt.month)': {
        "r": "a b", "twice": "a b", "a": "c", "after": "c", "first": "s", "month": "d", "k": "k",
    },
    'out = t.assign(bin=pd.cut(t["a"], [-5, 0, 5]), half=pd.qcut(t["b"], 2, labels=False))': {
        "bin": "a", "half": "b",
    },
    'out = t.assign(ratio=t.eval("a / b"))': {"ratio": "a b"},
    'out = t.assign(week=t["d"].dt.isocalendar().week)': {"week": "d"},
    'out = t.assign(month=pd.to_datetime(t["d"].astype(str)).dt.month)': {"month": "d"},
    'out = t.assign(p=t["k"].map(u.set_index("k")["p"]))': {"p": "k u.p"},
    'out = t.assign(c=t["c"].fillna(t["a"]), w=t["a"].where(t["b"] > 6, t["c"]))': {
        "c": "c a", "w": "a b c",
    },
    'out = t.assign(v=t["a"].case_when([(t["a"] > 2, u["p"]), (t["a"] < 0, t["b"])]))': {
        "v": "a b u.p",
    },
    'out = t[["g", "s"]].agg("-".join, axis=1).to_frame("both")': {"both": "g s"},
    'out = t["c"].copy()\nout[out.isna()] = t["a"]\nout = out.to_frame()': {"c": "c a"},
    'out = t.copy()\nout["size"] = out["a"].apply(lambda v: "big" if v > 2 else "small")': {
        "size": "a",
    },
    'out = t.copy()\nout[["a", "b"]] = out[["b", "a"]].fillna(0).astype(float)': {
        "a": "b", "b": "a", "k": "k",
    },
    'n = t["g"].value_counts()\nout = pd.DataFrame({"group": n.index, "n": n.values})': {
        "group": "g",
    },
    'out = t.set_index("k")\nout["id"] = out["a"].index': {"id": "k", "a": "a"},
    'out = t.copy()\nout["x"] = t.iloc[:, 3] + t.loc[:, "b"]\nout["y"] = t.loc[t["c"] > 1, "k"]': {
        "x": "a b", "y": "k c",
    },
    'class Own(pd.DataFrame):\n    _constructor = property(lambda self: Own)\n'
    'out = Own(t)\nout.unit = "kg"\nout = out.nlargest(2, "a")': {"a": "a", "b": "b"},
    'out = t.merge(u, on="g", how="left", indicator=True)': {"p": "u.p", "k_x": "k"},
    'out = t.assign(y=lambda one: np.where(one["a"] > 0, one["b"], 0),\n'
    ' z=np.select([t["a"] > 2, t["c"] > 1], ["x", t["g"]], "y"))': {"y": "a b", "z": "a c g"},
    'out = t.copy()\nout["half"] = np.digitize(out["b"], np.quantile(out["b"], [0.5]))': {
        "half": "b",
    },
}  # fmt: skip


def test_a_column_that_is_computed_of_others_comes_from_these(work: Path) -> None:
    _checked(work, COMPUTED)


UNKNOWN = {
    # A function is given all columns of a group, or of a row.
    'out = t.groupby("g")[["a", "b"]].apply(lambda one: one.sum()).reset_index()': ("a", "b"),
    'out = t.assign(sum=t.apply(lambda row: row["a"] + row["b"], axis=1))': ("sum",),
    # A function names the table that it is given a column of.
    'out = t.assign(y=t["a"].apply(lambda v: t.loc[t["a"] == v, "b"].sum()))': ("y",),
    'def ratio(v):\n    return v / t["b"].sum()\n'
    'out = t[["g"]].assign(y=t.groupby("g")["a"].transform(ratio))': ("y",),
    # It may be computed of anything that the function was given.
    'def own(one):\n    one["x"] = one["a"]\n    return one["x"]\nout = t.assign(y=own)': ("y",),
    'out = t.assign(y=lambda one: (one["a"].to_numpy() > 0) * one["b"].to_numpy())': ("y",),
    # Two columns are encoded under one name.
    'out = pd.get_dummies(t[["g", "h"]], prefix=["x", "x"])': ("x_x", "x_p"),
    'out = t.T.reset_index()': ("index", "0"),
    'out = t.select_dtypes("number").corr()': ("a",),
}  # fmt: skip


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_column_of_which_nobody_knows_is_opaque(work: Path, text: str) -> None:
    (work / "t.csv").write_text("k,g,h,a,b,c\n1,x,p,1,5,0.5\n2,y,q,-2,6,1.5\n3,x,q,3,7,2.5\n")
    program = f"import pandas as pd\nt = pd.read_csv('t.csv')\n{text}\nout.to_csv('out.csv')\n"
    recording = strangers.record(work, program, PYTHONWARNINGS="ignore")
    for name in UNKNOWN[text]:
        assert "opaque" in recording.columns(f"out.csv#{name}"), name


WIDE = """
    import pandas as pd
    names = [f"c{i}" for i in range(150)]
    df = pd.read_csv("t.csv", dtype=dict.fromkeys(names, float), usecols=["k", *names])
    df = df.rename(columns={name: name.upper() for name in names})
    upper = [name.upper() for name in names]
    df[upper] = df[upper].round(1)
    df = df.drop(upper[140:], axis=1).dropna(subset=upper[:130]).sort_values(by=upper[:99])
    df.melt(id_vars=["k"], value_vars=upper[:120]).to_csv("long.csv", index=False)
    df.groupby("k").agg(dict.fromkeys(upper[:120], "mean")).reset_index().to_csv("mean.csv")
    df.columns = [f"d{i}" for i in range(141)]
    df.to_csv("out.csv", index=False, columns=[f"d{i}" for i in range(100)])
    df["computed"] = [number * 2 for number in range(200)]
    df.to_csv("computed.csv", index=False)
"""


def test_names_of_many_columns_are_no_data(work: Path) -> None:
    names = ",".join(f"c{i}" for i in range(150))
    rows = "".join(f"{row}{',1.5' * 150}\n" for row in range(200))
    (work / "t.csv").write_text(f"k,{names}\n{rows}")
    recording = strangers.record(work, WIDE, PYTHONWARNINGS="ignore")
    for name in ("long.csv", "mean.csv", "out.csv"):
        assert recording.roots(name) == {"t.csv"}, name
    assert recording.roots("computed.csv") == {"t.csv", "?"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The directory that a program runs in."""
    directory = tmp_path / "work"
    directory.mkdir()
    return directory
