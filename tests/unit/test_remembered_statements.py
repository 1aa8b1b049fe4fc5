"""What a text was parsed to is there for the processes that come after, and is not false by it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_duckdb_statements import READS

from otelprov.instrumentation import _statement_trees, _statements
from otelprov.instrumentation._statement import Statement
from otelprov.instrumentation._statements import statements
from otelprov.recording import remembered
from otelprov.recording.run import run
from otelprov.settings import load

QUERY = "SELECT a FROM b JOIN 'c.parquet' USING (d)"


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(run, "settings", load({"OTELPROV_JOURNAL": str(tmp_path)}))
    monkeypatch.setattr(run, "policy", None)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    """As another process."""
    _statements._kept.cache_clear()
    _statements._remembered.cache_clear()


def parsed(text: str) -> tuple[tuple[Statement, ...], bool]:
    """The statements, and whether they had to be parsed."""
    forget()
    before = _statement_trees.parser.used
    return statements(text), _statement_trees.parser.used != before


def kept(journal: Path) -> bytes:
    path = journal / "statements"
    return path.read_bytes() if path.exists() else b""


def test_the_next_process_parses_nothing_and_knows_the_same(journal: Path) -> None:
    first = {text: parsed(text)[0] for text in READS}
    assert len(kept(journal).splitlines()) > 0.8 * len(READS)
    for text, before in first.items():
        again, anew = parsed(text)
        assert again == before
        assert not anew, text


def test_a_program_that_says_the_same_again_does_not_load_the_parser(tmp_path: Path) -> None:
    program = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect('')\n"
        "connection.execute('CREATE TABLE t (a)')\n"
        "print(connection.execute('SELECT a FROM t').fetchall(), 'sqlglot' in sys.modules)\n"
    )
    command = [str(Path(sys.executable).with_name("otelprov")), "run", "--"]
    said = [
        subprocess.run(
            [*command, sys.executable, "-c", program],
            env={"PATH": str(Path(sys.executable).parent), "OTELPROV_JOURNAL": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert said == ["[] True\n", "[] False\n"]


def test_what_needs_no_parser_is_not_kept(journal: Path) -> None:
    parsed("BEGIN")
    parsed("INSERT INTO t VALUES (1, 'x')")
    assert not kept(journal)


def test_the_same_text_of_another_dialect_is_another(journal: Path) -> None:
    assert parsed("SELECT * FROM T")[0][0].reads == (("T",),)
    assert statements("SELECT * FROM T", "postgres")[0].reads == (("t",),)
    forget()
    assert statements("SELECT * FROM T", "postgres")[0].reads == (("t",),)


@pytest.mark.parametrize(
    "text",
    [
        "FROM 'https://me:hunter2@example.com/x.parquet'",
        "FROM read_csv('https://example.com/x.csv?X-Amz-Signature=0123456789abcdef0123')",
        "this is (no statement",
    ],
)
def test_secrets_and_what_could_not_be_parsed_are_not_kept(journal: Path, text: str) -> None:
    parsed(text)
    assert not kept(journal)


def test_nothing_is_kept_without_a_journal_or_under_rules(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "policy", object())
    parsed(QUERY)
    monkeypatch.setattr(run, "policy", None)
    monkeypatch.setattr(run, "settings", load({"OTELPROV_JOURNAL": "off"}))
    parsed(QUERY)
    assert not kept(journal)


def test_another_version_of_the_parser_parses_anew(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed(QUERY)
    monkeypatch.setattr(_statements, "version", lambda name: "0.0")
    assert parsed(QUERY)[1]
    assert len(kept(journal).splitlines()) == 2


def test_lines_that_are_torn_or_changed_are_parsed_anew(journal: Path) -> None:
    before, _ = parsed(QUERY)
    path = journal / "statements"
    whole = path.read_bytes()
    for broken in (whole[:-20], whole.replace(b'"b"', b'"x"'), b"\xff\n", whole[9:], b""):
        path.write_bytes(broken)
        assert parsed(QUERY) == (before, True)
    path.write_bytes(b"torn" + whole)
    assert parsed(QUERY)[0] == before


def test_the_file_is_begun_anew_when_it_is_full(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "MAX_BYTES", 1000)
    for number in range(10):
        parsed(f"SELECT a FROM t{number}")
        assert len(kept(journal)) < 2000
    monkeypatch.setattr(remembered, "MAX_KEPT", 3)
    (journal / "statements").unlink(missing_ok=True)
    forget()
    for number in range(10):
        statements(f"SELECT a FROM t{number}")
    assert len(kept(journal).splitlines()) == 3


def test_a_journal_that_cannot_be_written_is_passed_by(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = journal / "nowhere"
    monkeypatch.setattr(run, "settings", load({"OTELPROV_JOURNAL": str(missing)}))
    assert parsed(QUERY)[0][0].reads == (("b",), ("c.parquet",))
    (journal / "statements").mkdir()
    monkeypatch.setattr(run, "settings", load({"OTELPROV_JOURNAL": str(journal)}))
    assert parsed(QUERY)[1]


SHAPES = (
    ("sqlite", "SELECT * FROM t JOIN u1 USING (k) WHERE a = {0} AND b LIKE '{0}' LIMIT {0}"),
    ("sqlite", "UPDATE [t 1] SET a = '{0}' WHERE b IN ({0}, -{0}.5) -- it's = 5"),
    ("sqlite", 'DELETE FROM "t2" WHERE a>\'{0}\' AND "b""1" BETWEEN {0} AND {0};'),
    ("postgres", "WITH c AS (SELECT a FROM u WHERE d = 'it''s {0}') SELECT * FROM c, v"),
    ("postgres", "SELECT * INTO made FROM t WHERE a->>'{0}' = '{0}' OFFSET {0}"),
)


@pytest.mark.parametrize(("dialect", "text"), SHAPES)
def test_statements_that_differ_in_their_values_are_parsed_once(dialect: str, text: str) -> None:
    one, other = (text.format(value) for value in (7, 4711))
    forget()
    found = statements(one, dialect)
    before = _statement_trees.parser.used
    assert statements(other, dialect) == found
    assert _statement_trees.parser.used == before
    for said in (one, other):
        assert _statements._statements(said, dialect) == found


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("duckdb", "SELECT * FROM read_csv('a.csv', skip = 7) WHERE b = 'c'"),
        ("postgres", "SELECT $x$it's$x$ FROM t WHERE a = 'b'"),
        ("postgres", r"SELECT * FROM t WHERE a = E'it\'s' AND b = 7"),
        ("postgres", "SELECT /* it's */ * FROM t WHERE a = 'b'"),
        ("sqlite", "SELECT 7; SELECT a FROM t"),
        ("sqlite", "INSERT INTO t SELECT 7 FROM u"),
        ("sqlite", "SELECT ?7, a7 FROM 't' WHERE a = :7 AND b = 'c' || \"7\""),
    ],
)
def test_what_may_be_no_value_stands_as_it_is(dialect: str, text: str) -> None:
    expected = text.replace("'c'", "'1'") if dialect == "sqlite" else text
    assert _statements._shape(text, dialect) == expected
