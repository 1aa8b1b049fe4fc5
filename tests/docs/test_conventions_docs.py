"""docs/conventions.md, the code and what is really written say the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Any, get_args

import doc_tables
import pytest
import support

from otelprov import model, semconv
from otelprov.artifacts import carrier
from otelprov.recording import edges, policy
from otelprov.recording import run as run_module

PAGE = (support.ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
TYPES: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "int": int,
    "double": float,
    "string[]": list,
    "map[]": list,
    "any": (str, bool, int, float),
}

Found = tuple[str, str, Any]
"""Place, attribute, value."""


def attribute(name: str) -> semconv.Attribute | None:
    for prefix in (semconv.PARAMETER_PREFIX, semconv.METRIC_PREFIX):
        if name.startswith(prefix):
            name = f"{prefix}<name>"
    return semconv.ATTRIBUTES.get(name)


def written(spans: list[support.Recorded]) -> list[Found]:
    """Every attribute of otelprov's own in recorded spans."""
    found: list[Found] = []
    for span in spans:
        place = "run" if span.attributes.get(semconv.OPERATION_KIND) == "run" else "span"
        found.extend((place, name, value) for name, value in span.attributes.items())
        for link in span.links:
            found.extend(("link", name, value) for name, value in link["attributes"].items())
        for event, attributes in span.events:
            if event != "exception":  # OpenTelemetry's own, as it defines it
                assert event in semconv.EVENTS
                found.extend(("event", name, value) for name, value in attributes.items())
    return found


@pytest.fixture(scope="session")
def spans(flights: Any, everything: Any) -> list[support.Recorded]:
    return [*flights.spans(), *everything.spans()]


def section(title: str) -> str:
    """The text under a heading, down to the next one."""
    found = re.search(rf"^#+ {title}\n(.*?)(?=^#+ |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None, f"no section {title!r}"
    return found[1]


def table(head: str) -> str:
    """The table that begins with ``head``."""
    return PAGE[PAGE.index(head) :].split("\n\n")[0]


def cells(text: str) -> list[list[str]]:
    """The rows of the first table in a text, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


# --- the page and the code -----------------------------------------------------------------------


@pytest.mark.parametrize("name", doc_tables.PAGES)
def test_the_tables_of_a_page_are_what_the_code_says(name: str) -> None:
    page = (support.ROOT / name).read_text(encoding="utf-8")
    assert page == doc_tables.filled_in(page), "run: python tests/docs/doc_tables.py --write"


def test_the_program_that_writes_the_tables_finds_nothing_to_do() -> None:
    program = Path(doc_tables.__file__)
    result = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, check=False, cwd="/"
    )
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "", "")


def test_a_table_that_was_changed_by_hand_is_noticed() -> None:
    assert doc_tables.filled_in(PAGE.replace("{artifact}", "{thing}", 1)) == PAGE


def test_every_attribute_stands_in_exactly_one_table() -> None:
    assert sorted(doc_tables.names(PAGE)) == sorted(
        {*doc_tables.TABLES} - {"settings", "libraries", "oddities"}
    )
    tables = [make() for name, make in doc_tables.TABLES.items() if name.startswith("attributes")]
    listed = [row[0].strip("`") for rows in tables for row in cells(rows)]
    assert sorted(listed) == sorted(semconv.ATTRIBUTES)
    assert [row[0].strip("`") for row in cells(doc_tables.events())] == list(semconv.EVENTS)
    assert [row[0].strip("`") for row in cells(doc_tables.logs())] == list(semconv.LOGS)


def test_every_kind_of_coverage_is_explained() -> None:
    explained = [row[0].strip("`") for row in cells(table("| coverage |"))]
    assert sorted(explained) == sorted(get_args(model.Coverage))


@pytest.mark.parametrize("kind", get_args(model.ArtifactKind))
def test_every_kind_of_artifact_is_named(kind: str) -> None:
    assert f"`{kind}`" in semconv.ATTRIBUTES[semconv.ARTIFACT_KIND].brief


@pytest.mark.parametrize("kind", get_args(model.OperationKind))
def test_every_kind_of_operation_is_named(kind: str) -> None:
    assert f"`{kind}`" in semconv.ATTRIBUTES[semconv.OPERATION_KIND].brief


def test_the_keys_that_travel_are_those_of_the_code() -> None:
    keys = [row[0].strip("`") for row in cells(section("Ids that travel with the data"))]
    assert keys == [carrier.ID_KEY.decode(), carrier.TRACE_KEY.decode(), carrier.SCOPE_KEY.decode()]
    assert {*carrier.KEYS} == {key.encode() for key in keys}


# --- what is really written ----------------------------------------------------------------------


def test_everything_written_has_its_name_type_and_place(spans: list[support.Recorded]) -> None:
    for place, name, value in written(spans):
        known = attribute(name)
        assert known is not None, f"{name} is not in semconv"
        assert place in known.places, f"{name} on a {place}"
        assert isinstance(value, TYPES[known.type]), f"{name} is {value!r}"
        assert known.type != "int" or not isinstance(value, bool), f"{name} is {value!r}"
        if isinstance(value, list):
            assert all(isinstance(item, str) for item in value), f"{name} is {value!r}"


def test_every_attribute_is_really_written_in_every_place_it_names(
    spans: list[support.Recorded],
) -> None:
    seen = {(place, getattr(attribute(name), "name", name)) for place, name, _ in written(spans)}
    named = {(place, one.name) for one in semconv.ATTRIBUTES.values() for place in one.places}
    assert seen == {(place, name) for place, name in named if place not in ("log", "line")}


def test_no_text_is_longer_than_backends_keep(spans: list[support.Recorded]) -> None:
    for span in spans:
        everything = [span.attributes, *(attributes for _, attributes in span.events)]
        for attributes in everything:
            for name, value in attributes.items():
                for text in value if isinstance(value, list) else [value]:
                    assert not isinstance(text, str) or len(text.encode()) <= 2000, name


def test_the_sdk_dropped_nothing_and_otelprov_counted_what_it_left_out(everything: Any) -> None:
    for path in everything.journal.glob("*.jsonl"):
        assert b'"droppedEventsCount"' not in path.read_bytes()
        assert b'"droppedAttributesCount"' not in path.read_bytes()
    by_name = {span.name: span for span in everything.spans()}
    concat, split, publish = (by_name[name] for name in ("pandas.concat", "split", "publish"))
    assert len(concat.used) == 60
    assert concat.attributes[semconv.DROPPED_USED] == 10
    assert len(split.generated) == 60
    assert split.attributes[semconv.DROPPED_GENERATED] == 10
    kept = [name for name in publish.attributes if name.startswith(semconv.PARAMETER_PREFIX)]
    assert (len(kept), publish.attributes[semconv.DROPPED_PARAMETERS]) == (90, 10)


def test_a_long_uri_and_a_long_trace_keep_1900_characters() -> None:
    artifact = model.Artifact("file:00", "file", uri="file:///" + "x" * 5000)
    uri = edges._artifact("path", artifact)[semconv.ARTIFACT_URI]
    assert str(uri).startswith("file:///" + "x" * 1892 + "… (+")


def test_spans_have_the_names_that_the_page_gives(spans: list[support.Recorded]) -> None:
    names = {span.name for span in spans}
    assert {"pandas.merge", "run report.py", "run work.py", "split", "batches"} <= names
    assert {"pandas.groupby.agg", "pyarrow.ParquetWriter.write_table", "publish"} <= names


def test_every_span_has_its_kind_and_is_in_the_scope_of_its_library(everything: Any) -> None:
    for path in everything.journal.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            (resource,) = json.loads(line).get("resourceSpans") or [None]
            if resource is None:
                continue
            (scope,) = resource["scopeSpans"]
            (span,) = scope["spans"]
            asks_a_server = span["name"] == "urllib.urlopen"
            assert span["kind"] == (3 if asks_a_server else 1)
            library = span["name"].split(".")[0]
            declared = span["name"] in ("split", "batches", "publish")
            expected = "operation" if declared else "run" if " " in library else library
            assert scope["scope"]["name"] == f"otelprov.{expected}"


def test_times_are_whole_microseconds(spans: list[support.Recorded]) -> None:
    for span in spans:
        assert span.start % 1000 == span.end % 1000 == 0
        assert span.end >= span.start


def test_every_operation_belongs_to_its_run(spans: list[support.Recorded]) -> None:
    runs = {
        span.attributes[semconv.RUN_ID]: span
        for span in spans
        if span.attributes.get(semconv.OPERATION_KIND) == "run"
    }
    assert len(runs) == 5
    borders = [span for span in spans if semconv.TRACE_CONTINUES in span.attributes]
    assert borders
    after = {
        (border.attributes[semconv.TRACE_CONTINUES].partition("-")[0], border.trace_id)
        for border in borders
    }
    for span in spans:
        run = runs[span.attributes[semconv.RUN_ID]]
        assert span.trace_id == run.trace_id or (run.trace_id, span.trace_id) in after


def test_a_run_is_the_child_of_the_span_in_its_environment(everything: Any) -> None:
    (run,) = [span for span in everything.spans() if span.name == "run work.py"]
    assert (run.trace_id, run.parent) == ("ab" * 16, "cd" * 8)


def test_a_failed_operation_says_what_it_used_and_generated_nothing(everything: Any) -> None:
    expected = ("pandas.drop", "pandera.validate")  # which the program goes on from
    failed = [one for one in everything.spans() if one.status and one.name not in expected]
    assert [span.name for span in failed] == ["run work.py", "pandas.merge"]
    for span in failed:
        assert span.status == {"code": 2, "message": "KeyError: 'missing'"}
        assert span.attributes[semconv.ERROR_TYPE] == "KeyError"
    merge = failed[1]
    assert merge.used_roles == {"self", "right"}
    assert merge.generated == []
    (exception,) = [attributes for name, attributes in merge.events if name == "exception"]
    assert set(exception) == {"exception.type", "exception.message", "exception.stacktrace"}


def test_the_roles_of_the_page_are_those_that_are_written(everything: Any) -> None:
    explained = {
        name for row in cells(table("| role |")) for name in re.findall(r"`([^`]+)`", row[0])
    }
    spans = everything.spans()
    roles = {
        event["otelprov.artifact.role"] for span in spans for event in (*span.used, *span.generated)
    }
    for role in explained - {"return['key']"}:
        assert role in roles, role
    # What is not explained is the name of a parameter.
    for role in roles - explained:
        assert role.isidentifier() or re.fullmatch(r"return\[\d+\]", role), role


def test_what_is_nested_is_read_inside_and_makes_no_span(everything: Any) -> None:
    spans = everything.spans()
    assign = next(span for span in spans if span.name == "pandas.assign")
    assert assign.used_roles == {"self", "read inside"}
    inside = [span.name for span in spans if span.parent == assign.span_id]
    assert inside == []


def test_the_reader_of_a_recorded_file_is_linked_to_its_writer(flights: Any) -> None:
    spans = {f"{span.trace_id}{span.span_id}": span for span in flights.spans()}
    linked = [span for span in spans.values() if span.links]
    assert {span.name for span in linked} == {"pandas.read_parquet"}
    for span in linked:
        for link in span.links:
            writer = spans[link["traceId"] + link["spanId"]]
            assert link["attributes"][semconv.USED_ID] in writer.generated_ids & span.used_ids


# --- parameters and secrets ----------------------------------------------------------------------


def a_function() -> None: ...


PARAMETERS: list[tuple[object, object]] = [
    (True, True),
    (1.5, 1.5),
    (-(2**63), -(2**63)),
    ("text", "text"),
    (None, "None"),
    (1 + 2j, "(1+2j)"),
    (2**63, str(2**63)),
    (Path("a/b"), "a/b"),
    (b"twelve bytes", "<bytes of 12 bytes>"),
    (a_function, f"{__name__}.a_function"),
    (Path, "pathlib.Path"),
    ([1, "a", (2,), {"k": None}], "[1, 'a', (2,), {'k': None}]"),
    ([[[[[1]]]]], "[[[[<list of 1>]]]]"),
    (CodeType, "code"),
    (object(), "<object>"),
]


@pytest.mark.parametrize(("value", "expected"), PARAMETERS, ids=[str(b) for _, b in PARAMETERS])
def test_a_parameter_is_written_as_the_page_says(value: object, expected: object) -> None:
    assert policy.parameter_value("name", value, 512) == expected


def test_dates_enumerations_arrays_and_types_are_written_as_the_page_says() -> None:
    import datetime
    import decimal
    import enum

    import numpy as np
    import pandas as pd

    class Colour(enum.Enum):
        RED = 1

    for value, expected in (
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (decimal.Decimal("1.50"), "1.50"),
        (Colour.RED, "Colour.RED"),
        (np.arange(3), "[0, 1, 2]"),
        (pd.Index(["a"]), "['a']"),
        (np.arange(65), "<ndarray of 65>"),
        (np.dtype("int64"), "int64"),
        (pd.CategoricalDtype(["a"]), str(pd.CategoricalDtype(["a"]))),
    ):
        assert policy.parameter_value("name", value, 512) == expected


def test_a_lambda_is_written_with_its_place() -> None:
    shown = policy.parameter_value("name", lambda: None, 512)
    assert re.search(r"<lambda> \(test_conventions_docs\.py:\d+\)$", str(shown))


class Talkative:
    def __repr__(self) -> str:
        raise AssertionError("called")


def test_the_repr_of_an_unknown_object_is_never_called() -> None:
    shown = policy.parameter_value("name", [Talkative()], 512)
    assert shown == f"[<{__name__}.Talkative>]"


@pytest.mark.parametrize("row", cells(section("Secrets")), ids=lambda row: row[0])
def test_a_secret_is_written_as_the_page_says(row: list[str]) -> None:
    assert policy.redact(row[0].strip("`")) == row[1].strip("`")


@pytest.mark.parametrize("name", re.findall(r"`(\w+)`", section("Secrets").split(")")[0]))
def test_a_parameter_with_the_name_of_a_secret_is_replaced(name: str) -> None:
    assert policy.parameter_value(name, "hunter2", 512) == "[REDACTED]"


def test_no_secret_of_the_program_is_in_the_journal(everything: Any) -> None:
    for path in everything.journal.glob("*.jsonl"):
        text = path.read_text()
        assert "hunter2" not in text
        assert "user:secret" not in text
        assert "token=abc" not in text


# --- runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "report.py"], "report.py"),
        (["python", "-m", "package", "x"], "-m package"),
        (["python", "-c", "pass"], "-c"),
        (["python"], None),
        (["python", "/usr/bin/celery", "worker"], None),
        (["python", "-m", "ipykernel_launcher"], None),
        (["python", "/usr/bin/gunicorn", "app"], None),
    ],
)
def test_a_script_has_a_run_span_and_a_server_has_none(
    command: list[str], name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", command)
    monkeypatch.setattr(sys, "argv", command[1:2] or [""])
    program = run_module.current_program()
    assert program.has_root is (name is not None)
    assert name is None or program.name == name
