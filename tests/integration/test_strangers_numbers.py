"""Numbers that end up in files: the score of a model, a mean; and values in JSON."""

from __future__ import annotations

import json
import random

import programs
import pytest
import strangers
from support import Recorded

WRITES = """
    import atexit, gzip, io, json, os, sqlite3, traceback
    from pathlib import Path
    import duckdb, numpy as np, pandas as pd, polars as pl, pyarrow as pa, pyarrow.csv
    import sqlalchemy, yaml
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.metrics import accuracy_score, classification_report, f1_score
    from sklearn.model_selection import GridSearchCV, cross_val_score
    train, test, more = (pd.read_csv(f"{name}.csv") for name in ("train", "test", "more"))
    large_table = pd.read_json("large.json")

    model = LogisticRegression().fit(train[["a", "b"]], train["y"])  # @fit
    predicted = model.predict(test[["a", "b"]])
    accuracy = accuracy_score(test["y"], predicted)  # @accuracy
    with open("metrics.json", "w") as file:
        json.dump({"accuracy": accuracy, "rows": len(test)}, file, indent=2)  # @metrics
        file.write("\\n")
    results = []
    for name, data in {"test": test, "more": more}.items():
        score = model.score(data[["a", "b"]], data["y"])
        results.append({"name": name, "score": score})
    pd.DataFrame(results).to_csv("results.csv", index=False)
    pl.DataFrame({"name": ["f1"], "value": [f1_score(test["y"], predicted)]}).write_csv("pl.csv")
    report = classification_report(test["y"], predicted, output_dict=True)
    pd.Series({"recall": report["macro avg"]["recall"]}).to_csv("report.csv")

    means = {"pandas": train["a"].mean(), "polars": pl.read_csv("more.csv")["a"].mean()}
    pyarrow.csv.write_csv(pa.table({"mean": list(means.values())}), "means.csv")
    values = test["b"].to_numpy()
    with open("numpy.json", "w") as file:
        json.dump([[values.max()], {"std": np.std(train["b"].to_numpy())}], file)
    with open("item.json", "w") as file:
        json.dump(obj=[pl.read_csv("more.csv").select(pl.sum("a")).item()], fp=file)
    with open("rounded.json", "w") as file:
        json.dump({"accuracy": round(accuracy, 2)}, file)
    with open("some.json", "w") as file:
        json.dump({"mean": means["pandas"], "double": 2 * means["pandas"]}, file)
    empty = test[test["a"] > 1e9]["a"].mean()
    with open("nan.json", "w") as file:
        json.dump({"of the program": np.nan}, file)

    def dump(name, value):
        with open(name, "w") as file:
            json.dump({"value": value}, file)

    dump("cell.json", train.describe().loc["mean", "a"])
    dump("group.json", more.groupby("y")["a"].mean().iloc[0])
    dump("long.json", large_table.loc[3, "x"])
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2).fit(train[["a"]], train["b"])
    dump("search.json", search.best_score_)
    dump("folds.json", cross_val_score(Ridge(), more[["a"]], more["b"], cv=2).mean())
    dump("both.json", np.mean([means["pandas"], means["polars"]]))
    np.savetxt("array.txt", np.array([accuracy, means["polars"]]))

    mean, deviation = train["a"].mean(), train["a"].std()
    scaled = test.assign(k=1)
    scaled["a"] = (scaled["a"] - mean) / deviation
    scaled.to_csv("scaled.csv")
    more[more["a"] > mean].to_csv("above.csv")
    share = more.assign(share=more["a"] / more["a"].sum())
    share.to_csv("share.csv")
    half = more.assign(a=more["a"] * 0.5)
    half.to_csv("half.csv")
    for name, put in {
        "item": lambda table: table.__setitem__("mean", mean),
        "row": lambda table: table.loc.__setitem__(len(table), ["", mean]),
        "cell": lambda table: table.at.__setitem__((0, "v"), mean),
        "list": lambda table: table.insert(0, "both", [mean, means["polars"]]),
    }.items():
        table = more.head(2)[["y", "a"]].rename(columns={"y": "name", "a": "v"}).astype(object)
        put(table)
        table.to_csv(f"{name}.csv")

    database = sqlite3.connect("numbers.db")
    train.to_sql("train", database, index=False)
    database.execute("CREATE TABLE scores (name TEXT, value REAL)")
    database.execute("CREATE TABLE others (name TEXT, value REAL)")
    for name, value in means.items():
        database.execute("INSERT INTO scores VALUES (?, ?)", (name, value))
    rows = [("accuracy", accuracy), ("rounded", round(accuracy, 2))]
    database.executemany("INSERT INTO others VALUES (?, ?)", rows)
    database.commit()
    pd.read_sql("SELECT * FROM scores", database).to_csv("scores.csv", index=False)
    pd.read_sql("SELECT * FROM others", database).to_csv("others.csv", index=False)
    dump("sqlite.json", database.execute("SELECT avg(a) FROM train").fetchall()[0][0])
    dump("duckdb.json", duckdb.sql("SELECT avg(a) FROM more").fetchall()[0][0])
    total = duckdb.sql("SELECT sum(a::DECIMAL(10, 4)) FROM more").fetchall()[0][0]
    pd.DataFrame({"total": [total]}).to_csv("decimal.csv")
    with sqlalchemy.create_engine("sqlite:///numbers.db").connect() as connection:
        asked = connection.execute(sqlalchemy.text("SELECT sum(b) FROM train"))
        dump("scalar.json", asked.scalar())

    with open("lines.jsonl", "w") as file:
        for row in test.to_dict("records"):
            json.dump(row, file)
            file.write("\\n")
        json.dump({"more": more["a"].sum(), "text": "the end"}, file)
    with open("part.json", "w") as file:
        json.dump(test.to_dict("list"), file)
    os.replace("part.json", "moved.json")
    with gzip.open("packed.json.gz", "wt") as file:
        json.dump({"rows": more.to_dict("records")}, file)
    text = io.StringIO()
    json.dump(train.to_dict("records"), text)
    pd.read_json(io.StringIO(text.getvalue())).to_csv("text.csv")

    Path("dumped.json").write_text(json.dumps({"f1": f1_score(test["y"], predicted)}, indent=2))
    with open("dumped.jsonl", "w") as file:
        for row in more.to_dict("records"):
            file.write(json.dumps(row) + "\\n")
    try:
        json.dumps({"mean": means["pandas"], "frame": train})
    except TypeError:
        traceback.print_exc()
    for text, file in (("{", None), (None, "train.csv")):
        try:
            json.loads(text) if text else json.load(open(file))
        except ValueError:
            traceback.print_exc()
    atexit.register(json.dumps, {"mean": means["pandas"]})
    pd.DataFrame(json.loads(Path("large.json").read_text())).to_csv("loaded.csv")
    pd.DataFrame(json.loads(test.to_json(orient="records"))).to_csv("from text.csv")
    pd.DataFrame(json.loads(Path("rows.json").read_text())).to_csv("small text.csv")

    with open("parameters.yaml") as file:
        parameters = yaml.safe_load(file)
    with open("metrics.yaml", "w") as file:
        yaml.safe_dump({"mean": float.__add__(0.0, 1.0), "polars": means["polars"]}, file)
    pl.DataFrame(parameters["limits"]).write_csv("limits.csv")

    with open("rows.json") as file:
        rows = json.load(file)  # @load
    pd.DataFrame(rows).to_csv("frame.csv")
    with open("nested.json", "rb") as file:
        nested = json.load(file)
    pd.json_normalize(nested["items"]).to_csv("normalized.csv")
    pl.DataFrame([{"x": one["a"]} for one in nested["items"][:3]]).write_csv("picked.csv")
    with open("large.json") as file:
        large = json.load(file)
    pd.DataFrame(large).to_csv("from large.csv")
    pd.DataFrame([*large, *rows]).to_csv("unknown.csv")
"""
RAW = {
    "metrics.json": {"train.csv", "test.csv"},
    "results.csv": {"train.csv", "test.csv", "more.csv"},
    "pl.csv": {"train.csv", "test.csv"},
    "report.csv": {"train.csv", "test.csv"},
    "means.csv": {"train.csv", "more.csv"},
    "numpy.json": {"train.csv", "test.csv"},
    "item.json": {"more.csv"},
    "rounded.json": {"?"},
    "some.json": {"train.csv", "?"},
    "nan.json": {"?"},
    "cell.json": {"train.csv"},
    "group.json": {"more.csv"},
    "long.json": {"?"},
    "search.json": {"train.csv"},
    "folds.json": {"more.csv"},
    "both.json": {"train.csv", "more.csv"},
    "scaled.csv": {"train.csv", "test.csv"},
    "above.csv": {"train.csv", "more.csv"},
    "share.csv": {"more.csv"},
    "half.csv": {"more.csv"},
    "item.csv": {"train.csv", "more.csv"},
    "row.csv": {"train.csv", "more.csv"},
    "cell.csv": {"train.csv", "more.csv"},
    "list.csv": {"train.csv", "more.csv"},
    "array.txt": {"train.csv", "test.csv", "more.csv"},
    "scores.csv": {"train.csv", "more.csv"},
    "others.csv": {"train.csv", "test.csv", "?"},
    "sqlite.json": {"train.csv"},
    "duckdb.json": {"more.csv"},
    "decimal.csv": {"more.csv"},
    "scalar.json": {"train.csv"},
    "lines.jsonl": {"test.csv", "more.csv"},
    "moved.json": {"test.csv"},
    "packed.json.gz": {"more.csv"},
    "text.csv": {"train.csv"},
    "dumped.json": {"train.csv", "test.csv"},
    "from text.csv": {"test.csv"},
    "small text.csv": {"?"},
    "metrics.yaml": {"more.csv", "?"},
    "limits.csv": {"parameters.yaml"},
    "frame.csv": {"rows.json"},
    "normalized.csv": {"nested.json"},
    "picked.csv": {"nested.json"},
    "from large.csv": {"large.json"},
    "unknown.csv": {"?"},
}


def raw_files() -> dict[str, str]:
    drawn = random.Random(7)
    files = {}
    for number, name in enumerate(("train", "test", "more")):
        rows = [(drawn.random() + number, drawn.random()) for _ in range(60)]
        lines = [f"{a:.6f},{b:.6f},{int(a - number > 0.4)}\n" for a, b in rows]
        files[f"{name}.csv"] = "a,b,y\n" + "".join(lines)
    made = [{"a": drawn.random(), "k": str(n)} for n in range(200)]
    limits = "- {name: low, value: 0.25}\n- {name: high, value: 0.75}\n"
    files["parameters.yaml"] = f"alpha: 0.5\nlimits:\n{limits}"
    files["rows.json"] = json.dumps(made[:100])
    files["nested.json"] = json.dumps({"n": 2, "items": made[100:]})
    files["large.json"] = json.dumps([{"v": "x" * 500, "x": n / 7} for n in range(3000)])
    return files


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> programs.Outcome:
    return programs.compared(tmp_path_factory.mktemp("numbers"), WRITES, files=raw_files())


@pytest.fixture(scope="module")
def recording(outcome: programs.Outcome) -> strangers.Recording:
    return strangers.Recording(outcome.directory, outcome.journal, {}, [])


@pytest.mark.parametrize("name", RAW)
def test_a_file_of_numbers_goes_back_to_what_they_were_computed_of(
    recording: strangers.Recording, name: str
) -> None:
    assert recording.roots(name) == RAW[name]


COLUMNS = {
    "scaled.csv#a": {"train.csv#a", "test.csv#a"},
    "scaled.csv#b": {"test.csv#b"},
    "above.csv#b": {"more.csv#b"},
    "share.csv#share": {"more.csv#a"},
    "item.csv#mean": {"train.csv#a"},
    "item.csv#v": {"more.csv#a"},
    "means.csv#mean": {"train.csv#a", "more.csv#a"},
}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_of_numbers_goes_back_to_the_columns_that_they_were_computed_of(
    recording: strangers.Recording, column: str
) -> None:
    assert recording.columns(column) - {"opaque"} == COLUMNS[column]


def named(recording: strangers.Recording, name: str, target: str = "") -> list[Recorded]:
    return [one for one in recording.spans if one.name == name and target in str(one.generated)]


def test_a_score_comes_from_its_operation(recording: strangers.Recording) -> None:
    (accuracy,) = named(recording, "sklearn.accuracy_score")
    (metrics,) = named(recording, "json.dump", "metrics.json")
    (made,), (used,) = accuracy.generated, metrics.used
    assert made["otelprov.artifact.kind"] == "object"
    assert used["otelprov.used.id"] == made["otelprov.generated.id"]


def test_a_text_is_known_by_the_content_of_the_file_that_it_is_from(
    recording: strangers.Recording,
) -> None:
    (read,) = (one for one in named(recording, "pandas.read_json") if "large.json" in str(one.used))
    (loaded, _) = named(recording, "json.loads")
    assert loaded.used_ids == read.used_ids
    assert "json.loads" in recording.operations("loaded.csv")


def test_what_the_program_writes_after_an_operation_is_part_of_the_file(
    recording: strangers.Recording,
) -> None:
    (written,) = named(recording, "io.write", "metrics.json")
    assert [one["otelprov.artifact.name"] for one in written.used] == ["metrics.json"]


def test_a_loop_that_writes_line_by_line_is_two_operations(
    recording: strangers.Recording,
) -> None:
    found = named(recording, "json.dump", "lines.jsonl")
    assert [one.attributes.get("otelprov.repeated.count", 1) for one in found] == [1, 60]


@pytest.mark.parametrize("name", [name for name in RAW if not name.endswith(".gz")])
def test_a_file_holds_what_it_holds_without_recording(outcome: programs.Outcome, name: str) -> None:
    plain = outcome.directory.with_name("plain") / name
    assert (outcome.directory / name).read_bytes() == plain.read_bytes()
