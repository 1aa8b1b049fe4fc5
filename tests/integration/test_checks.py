"""Data contracts: a check is an operation that says what it looked at and what it has found."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import edges
import great_expectations as gx
import pandas as pd
import pandera.errors
import pandera.pandas as pa
import polars as pl
import pytest
import strangers
from pandera.typing import DataFrame
from support import BIN, Spans, environment, instrumented

import otelprov

ORDERS = pd.DataFrame({"order": [1, 2, 3], "amount": [5.0, 7.5, 1234567.5]})
WRONG = pd.DataFrame({"order": [1, 1, 3], "amount": [-41234567.5, 7.5, -2.0]})


class Orders(pa.DataFrameModel):
    order: int = pa.Field(unique=True)
    amount: float = pa.Field(gt=0)


SCHEMA = pa.DataFrameSchema(
    {"order": pa.Column(int, unique=True), "amount": pa.Column(float, pa.Check.gt(0))},
    name="orders",
)


@pytest.fixture(autouse=True)
def _patched(_recording: object) -> None:
    """Every test here is about functions that are stood in for."""


@pytest.fixture
def orders(spans: Spans, tmp_path: Path) -> pd.DataFrame:
    """As read from a file: what it is, is known."""
    ORDERS.to_parquet(tmp_path / "orders.parquet")
    found = pd.read_parquet(tmp_path / "orders.parquet")
    spans.clear()
    return found


def said(spans: Spans, name: str) -> dict[str, Any]:
    """What a check says of itself."""
    span = spans.one(name)
    assert span.attributes["otelprov.operation.kind"] == "check"
    prefix = "otelprov.check."
    return {
        key.removeprefix(prefix): value
        for key, value in span.attributes.items()
        if key.startswith(prefix)
    }


def test_a_pipeline_with_a_contract(spans: Spans, orders: pd.DataFrame, tmp_path: Path) -> None:
    valid = SCHEMA.validate(orders)
    large = valid[valid["amount"] > 6]
    large.to_csv(tmp_path / "large.csv", index=False)
    names = {
        "orders": otelprov.artifact(ORDERS).id,
        "large.csv": edges.file_id(tmp_path / "large.csv"),
    }
    assert edges.found(spans.all(), names) == edges.expected(
        """
        orders -> pandera.validate -> [pandera.validate]
        [pandera.validate] -> pandas.getitem -> [pandas.getitem]
        [pandas.getitem] -> pandas.to_csv -> large.csv
        """
    )
    assert said(spans, "pandera.validate") == {"outcome": "passed", "failures": 0}
    assert spans.one("pandera.validate").parameter("schema") == "orders"
    pd.testing.assert_frame_equal(valid, ORDERS)


@pytest.mark.parametrize("lazy", [True, False])
def test_a_failed_check_says_its_name_and_no_data(spans: Spans, lazy: bool) -> None:
    expected = pandera.errors.SchemaErrors if lazy else pandera.errors.SchemaError
    with pytest.raises(expected) as caught:
        SCHEMA.validate(WRONG, lazy=lazy)
    places = str([str(entry.path) for entry in caught.traceback])
    assert "<otelprov" not in places and "otelprov/instrumentation" not in places
    assert lazy is ("-2.0" in str(caught.value))
    names = ["order: series_contains_duplicates", "amount: greater_than"] if lazy else None
    found = said(spans, "pandera.validate")
    if names is None:
        names = found["failed"]
        assert names == ["order: series_contains_duplicates"]
    assert found == {"outcome": "failed", "failures": len(names), "failed": names}
    (span,) = spans.all()
    assert span.generated == [] and span.status["code"] == 2
    assert span.attributes["error.type"] == f"pandera.errors.{expected.__name__}"
    assert "41234567" not in json.dumps([span.attributes, span.events, span.status], default=str)


def test_models_and_decorators_check_as_well(spans: Spans, orders: pd.DataFrame) -> None:
    @pa.check_types
    def double(frame: DataFrame[Orders]) -> DataFrame[Orders]:
        return frame.assign(amount=frame["amount"] * 2)

    @pa.check_io(frame=SCHEMA, out=SCHEMA)
    def half(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(amount=frame["amount"] / 2)

    Orders.validate(orders)
    half(double(orders))
    checks = [one for one in spans.all() if one.name == "pandera.validate"]
    assert [one.parameter("schema") for one in checks] == [
        "Orders", "Orders", "Orders", "orders", "orders",
    ]  # fmt: skip
    assert {one.attributes["otelprov.check.outcome"] for one in checks} == {"passed"}
    assert {one.attributes["code.file.path"] for one in checks} == {__file__}
    first, second, third, fourth, _ = checks
    read = otelprov.artifact(ORDERS).id
    assert first.used_ids == second.used_ids == {read}
    assign = next(one for one in spans.all() if one.name == "pandas.assign")
    assert assign.used_ids & second.generated_ids and third.used_ids == assign.generated_ids
    assert fourth.used_ids <= third.generated_ids | assign.generated_ids
    with pytest.raises(pandera.errors.SchemaError):
        double(WRONG)
    assert spans.all()[-1].attributes["otelprov.check.outcome"] == "failed"


def test_a_schema_that_is_called_checks_as_well(spans: Spans, orders: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(SCHEMA(orders), ORDERS)
    pa.SeriesSchema(float, name="amount")(orders["amount"])
    with pytest.raises(pandera.errors.SchemaError):
        SCHEMA(WRONG)
    checks = [one for one in spans.all() if one.name == "pandera.validate"]
    outcomes = [one.attributes["otelprov.check.outcome"] for one in checks]
    assert outcomes == ["passed", "passed", "failed"]
    assert {one.attributes["code.file.path"] for one in checks} == {__file__}
    assert checks[0].used_ids == {otelprov.artifact(ORDERS).id}


def test_a_check_that_is_handed_to_another_library_is_one(
    spans: Spans, orders: pd.DataFrame
) -> None:
    orders.pipe(SCHEMA.validate)
    orders.pipe(SCHEMA)
    checks = [one for one in spans.all() if one.name == "pandera.validate"]
    assert [one.attributes["otelprov.check.outcome"] for one in checks] == ["passed"] * 2
    assert {one.attributes["code.file.path"] for one in checks} == {__file__}
    assert checks[0].used_ids == checks[1].used_ids == {otelprov.artifact(ORDERS).id}


KEPT = """
    import pandas as pd, pandera.pandas as pa
    frame = pd.read_csv("in.csv")
    pa.DataFrameSchema({"a": pa.Column(int)}, strict="filter")(frame).to_csv("a.csv", index=False)
    coerced = pa.DataFrameSchema({"b": pa.Column(float, coerce=True)})
    coerced.validate(frame).to_csv("b.csv", index=False)
    double = pa.Parser(lambda table: table.assign(a=table["b"]))
    pa.DataFrameSchema(parsers=double).validate(frame).to_csv("c.csv", index=False)
    more = pa.DataFrameSchema(
        {"a": pa.Column(int), "d": pa.Column(int, default=1)}, add_missing_columns=True
    )
    more.validate(frame).to_csv("d.csv", index=False)
"""


def test_columns_go_through_a_check_to_those_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "in.csv").write_text("a,b\n1,2\n3,4\n")
    recording = strangers.record(tmp_path / "work", KEPT)
    assert recording.columns("a.csv#a") == recording.columns("d.csv#a") == {"in.csv#a"}
    assert recording.columns("b.csv#a") == {"in.csv#a"}
    assert recording.columns("b.csv#b") == {"in.csv#b"}
    assert recording.columns("c.csv#a") == {"in.csv#a", "in.csv#b", "opaque"}
    assert recording.columns("d.csv#d") == {"memory#d"}  # made here


def test_frames_of_polars_and_their_plans_are_checked(spans: Spans) -> None:
    import pandera.polars as pla

    schema = pla.DataFrameSchema({"amount": pla.Column(float, pla.Check.gt(0))})
    frame = pl.from_pandas(ORDERS)
    spans.clear()
    valid = schema.validate(frame)
    frame.pipe(schema.validate)
    lazy = schema.validate(frame.lazy())
    assert valid.equals(frame) and lazy.collect().equals(frame)
    first = spans.all()[0]
    assert first.used_ids == {otelprov.artifact(frame).id}
    checks = [one for one in spans.all() if one.name == "pandera.validate"]
    assert [one.attributes["otelprov.check.outcome"] for one in checks] == ["passed"] * 3
    (query,) = [one for one in spans.all() if one.name == "polars.collect"]
    assert query.used_ids == {otelprov.artifact(frame).id}
    with pytest.raises(pandera.errors.SchemaErrors):
        schema.validate(pl.from_pandas(WRONG), lazy=True)
    assert spans.all()[-1].attributes["otelprov.check.failed"] == ["amount: greater_than"]


def test_a_wrong_call_is_no_failed_check(spans: Spans) -> None:
    with pytest.raises((TypeError, pandera.errors.BackendNotFoundError)):
        SCHEMA.validate([1, 2])
    assert said(spans, "pandera.validate") == {}


def test_what_stands_in_pickles(spans: Spans) -> None:
    for function in (pa.DataFrameSchema.validate, Orders.validate, gx.Checkpoint.run):
        assert pickle.loads(pickle.dumps(function)) == function


# --- Great Expectations ---------------------------------------------------------------------------


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("GX_ANALYTICS_ENABLED", "false")
    yield gx.get_context(mode="ephemeral")


def suite_of(context: Any) -> Any:
    """A suite of its own: expectations belong to one."""
    return context.suites.add(gx.ExpectationSuite("orders", expectations=[*map(copy.copy, SUITE)]))


SUITE = (
    gx.expectations.ExpectColumnValuesToNotBeNull(column="order"),
    gx.expectations.ExpectColumnValuesToBeBetween(column="amount", min_value=0),
    gx.expectations.ExpectTableRowCountToEqual(value=3),
)


def test_frames_are_validated(spans: Spans, context: Any, orders: pd.DataFrame) -> None:
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("orders")
    definition = asset.add_batch_definition_whole_dataframe("all")
    suite = suite_of(context)
    validation = context.validation_definitions.add(
        gx.ValidationDefinition(name="orders", data=definition, suite=suite)
    )
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(name="orders", validation_definitions=[validation])
    )
    spans.clear()
    batch = definition.get_batch(batch_parameters={"dataframe": orders})
    assert batch.validate(SUITE[0]).success
    assert batch.validate(suite).success
    assert validation.run(batch_parameters={"dataframe": orders}).success
    assert not checkpoint.run(batch_parameters={"dataframe": WRONG}).success
    checks = spans.all()
    assert [one.name for one in checks] == [
        "great_expectations.Batch.validate",
        "great_expectations.Batch.validate",
        "great_expectations.ValidationDefinition.run",
        "great_expectations.Checkpoint.run",
    ]
    read, wrong = otelprov.artifact(ORDERS).id, otelprov.artifact(WRONG).id
    assert [one.used_ids for one in checks] == [{read}, {read}, {read}, {wrong}]
    assert [one.generated for one in checks] == [[], [], [], []]
    assert [one.attributes["otelprov.check.outcome"] for one in checks] == [
        "passed", "passed", "passed", "failed",
    ]  # fmt: skip
    last = said(spans, "great_expectations.Checkpoint.run")
    assert last["failed"] == ["amount: expect_column_values_to_be_between"]
    assert last["failures"] == 1
    assert checks[-1].status.get("code", 0) != 2
    assert "41234567" not in json.dumps(checks[-1].attributes, default=str)


def test_files_are_validated(spans: Spans, context: Any, tmp_path: Path) -> None:
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    source = context.data_sources.add_pandas_filesystem("files", base_directory=tmp_path)
    batch_definition = source.add_csv_asset("orders").add_batch_definition_path("one", "orders.csv")
    suite = suite_of(context)
    validation = context.validation_definitions.add(
        gx.ValidationDefinition(name="orders", data=batch_definition, suite=suite)
    )
    spans.clear()
    assert validation.run().success
    (span,) = spans.all()
    assert span.used_ids == {edges.file_id(tmp_path / "orders.csv")}
    batch = context.data_sources.pandas_default.read_csv(tmp_path / "orders.csv")
    spans.clear()
    assert batch.validate(suite).success
    (span,) = spans.all()
    assert span.used_ids == {edges.file_id(tmp_path / "orders.csv")}


# --- what people see ------------------------------------------------------------------------------

PROGRAM = """
import pandas as pd
import pandera.pandas as pa

orders = pd.read_csv("orders.csv")
schema = pa.DataFrameSchema({"amount": pa.Column(float, pa.Check.gt(0))})
try:
    schema.validate(orders, lazy=True)
except pa.errors.SchemaErrors:
    pass
valid = pa.DataFrameSchema({"amount": pa.Column(float)}).validate(orders)
valid.to_parquet("valid.parquet")
"""


def test_lineage_and_show_say_what_was_checked(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("amount\n5.0\n-2.0\n")
    (tmp_path / "check.py").write_text(PROGRAM)
    journal = tmp_path / "journal"
    instrumented("check.py", journal_directory=journal, cwd=tmp_path)

    def ask(*words: str) -> str:
        command = [str(BIN / "otelprov"), *words]
        done = subprocess.run(
            command, env=environment(journal), cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    tree = ask("lineage", "valid.parquet")
    assert "● pandera.validate" in tree and "✓ passed" in tree
    assert "was checked by pandera.validate (check.py:8): 1 check failed: amount: greater" in (
        " ".join(tree.split())
    )
    answer = json.loads(ask("lineage", "valid.parquet", "--format", "json"))
    (check,) = [one["check"] for one in answer["operations"] if one["kind"] == "check"]
    assert check == {"outcome": "passed", "failures": 0, "failed": []}
    (other,) = answer["checks"]
    assert other["operation"]["check"]["failed"] == ["amount: greater_than"]
    shown = ask("show", other["operation"]["id"])
    assert "1 check failed: amount: greater_than" in shown
    shown = ask("show", other["artifact"])
    assert "1 check failed: amount: greater_than" in shown
