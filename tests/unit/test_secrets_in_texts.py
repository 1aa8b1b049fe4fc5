"""What a secret looks like, for any text."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelprov import redaction, statements
from otelprov.recording import exceptions
from otelprov.redaction import clean, redact, redact_command, redact_uri, values_of

SECRET = "hunter2SECRETvalue99"
PIECES = st.sampled_from(
    ["password", "=", ": ", "'", '"', "://", "@", "{", "}}", ";", "&", "Bearer ", "--token ", "eyJ",
     "-----BEGIN RSA PRIVATE KEY-----", "[REDACTED]", "%3D", "PWD", "\n", " ", ",", "/", "sig", "?",
     "\\", "$$", "/*", "--", "AKIA", "x1Y2z3W4x1Y2z3W4", "select ", "from "]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join))


@given(TEXTS)
def test_what_is_redacted_once_stays_as_it_is(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(TEXTS)
def test_nothing_raises(text: str) -> None:
    redact(text)
    redact_uri("file://" + text)
    redact_command(text.split(" "))
    statements.mask_literals(text)
    exceptions.masked(text)
    clean({text: [text, {"password": text}, 1, None]})


WORDS = st.lists(
    # Not 30 alone: five in a row are a long number.
    st.sampled_from(
        [*"the table has columns price and year for each country over".split(), "30 days"]
    ),
    max_size=30,
).map(" ".join)


@given(WORDS)
def test_harmless_text_stays(text: str) -> None:
    assert redact(text) == text
    assert exceptions.masked(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=100 tokens: 12 token_count=3",
        "basic understanding of bearer bonds",
        "password=None, token=null, pwd=''",
        "git@github.com:owner/repo.git",
        "file.csv:12: error: key=value",
        "ratio: 0.5, secretary: Ann",
        "https://example.org:8080/a?page=2#top",
        "key 'price' not found",
    ],
)
def test_what_only_resembles_a_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "piece",
    ["a.", "password=", "://a:b", "--token ", "eyJaaaaaaaa.", "{", "'", "a=,b", "[parameters: ",
     "%3D", "-----BEGIN RSA PRIVATE KEY-----", "/*", "$a$", "password={", ":x", "\\'", "a-",
     "Bearer ", "(a)=("],
)  # fmt: skip
@pytest.mark.parametrize(
    "look", [redact, statements.mask_literals, statements.is_statement, exceptions.masked]
)
def test_time_grows_with_the_length_only(look: object, piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        begun = time.process_time()
        look(text)  # type: ignore[operator]
        return time.process_time() - begun

    # Twenty times as long: four hundred times as much if it were quadratic.
    short = max(min(seconds(2_000) for _ in range(2)), 5e-4)
    assert seconds(40_000) < 120 * short


def test_a_value_of_the_environment_is_a_secret_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redaction, "_seen", -1)
    monkeypatch.setenv("SHOP_DB_PASSWORD", SECRET)
    assert redact(f"connecting as {SECRET}!") == "connecting as [REDACTED]!"
    monkeypatch.setattr(redaction, "_seen", -1)


def test_values_of_the_environment_that_are_plain_words_or_paths_are_none() -> None:
    assert values_of({"TOKEN": "production", "SECRET_PATH": "/run/secrets/x", "PIN": "x1"}) is None
    assert values_of({"API_TOKEN": "12345678901"}) is None


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["-pX9hunter"], ["-p[REDACTED]"]),
        (["-p8080", "-parallel"], ["-p8080", "-parallel"]),
        (["-u", "etl:s3cret"], ["-u", "etl:[REDACTED]"]),
        (["PGPASSWORD=x1", "psql"], ["PGPASSWORD=[REDACTED]", "psql"]),
        (["--token", "-x", "--n", "1"], ["--token", "[REDACTED]", "--n", "1"]),
        (["-H", "X-Api-Key: abc"], ["-H", "X-Api-Key: [REDACTED]"]),
    ],
)
def test_an_option_is_hidden_however_it_is_given(command: list[str], expected: list[str]) -> None:
    assert redact_command(command) == expected


def test_a_file_uri_keeps_its_other_parts() -> None:
    uri = "file:///data/password%3Dhunter2/part%201.csv"
    assert redact_uri(uri) == "file:///data/password%3D[REDACTED]/part%201.csv"
    assert redact_uri("file:///data/a%20b.csv") == "file:///data/a%20b.csv"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT a FROM t WHERE b = 'x''y' IN (1, 2.5e3)", "SELECT a FROM t WHERE b = ? IN (?, ?)"),
        ('SELECT "a b" FROM s."t1" WHERE n = "Bob"', 'SELECT "a b" FROM s."t1" WHERE n = ?'),
        ('SELECT "a-b" AS "c d", "é" FROM "x.csv"', 'SELECT "?" AS "c d", "?" FROM "?"'),
        ("SELECT $$x$$, $q$y$q$, :name, %s, $1", "SELECT ?, ?, :name, %s, $1"),
        ("SELECT 1 -- Bob\n/* Bob */ FROM t", "SELECT ? --?\n/*?*/ FROM t"),
        (r"SELECT 'C:\' , 'Bob'", "SELECT ?"),
        ("SELECT 'Bob", "SELECT ?"),
    ],
)  # fmt: skip
def test_a_statement_keeps_its_form_without_its_literals(statement: str, expected: str) -> None:
    assert statements.mask_literals(statement) == expected
    assert statements.mask_literals(expected) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("could not convert string to float: 'Alice'", "could not convert string to float: '…'"),
        ("'price'", "'price'"),
        ("\"['price'] not in index\"", "\"['price'] not in index\""),
        ("'alice@example.com'", "'…'"),
        ("no such file: '/data/2024/x.csv'", "no such file: '/data/2024/x.csv'"),
        ("saw 4111 1111 1111 1111 here", "saw … here"),
        ("unsupported for +: 'int' and 'str'", "unsupported for +: 'int' and 'str'"),
        ("[SQL: select 'Bob']\n[parameters: ('Ann',)]", "[SQL: select ?]\n[parameters: …]"),
        ("Key (email)=(ann@x.org) exists", "Key (email)=(…) exists"),
    ],
)  # fmt: skip
def test_a_message_keeps_names_and_loses_values(message: str, expected: str) -> None:
    assert exceptions.masked(message) == expected


_PARTS = (
    "password", "PassWord", "pwd", "=", ":", " ", "\t", "'x y'", '"secret"', "-", "--token", "-pX9",
    "bearer", "Basic", "abc123DEF456", "ghp_" + "a" * 25, "AKIA" + "Q" * 16, "sk-" + "b" * 24,
    "https://u:p@h/x?sig=abc", "%3D", "max_tokens", "API_KEY", "key", "SG." + 2 * ("b" * 20 + "."),
    "-----BEGIN RSA PRIVATE KEY-----", "hooks.slack.com/services/" + "A" * 24, "identified by",
    "\u212aey", "\u017fecret", "\u0130dentified", "{", "}", "session_id", "otp", "conn_str",
    "ba\u017fic", "dapi" + "a1" * 16, "rk_live_" + "a" * 12, "glpat-" + "x" * 20, "uid_pwd", "/",
)  # fmt: skip


@given(st.lists(st.sampled_from(_PARTS), max_size=9).map("".join))
def test_what_is_looked_for_first_never_hides_a_secret(text: str) -> None:
    found = redaction.redact(text), redaction.is_secret_name(text)
    redaction.is_secret_name.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redaction, "_has_any", lambda text, parts: True)
        assert (redaction.redact(text), redaction.is_secret_name(text)) == found
    redaction.is_secret_name.cache_clear()


def test_no_pattern_is_compiled_for_what_every_start_looks_at() -> None:
    program = (
        "from otelprov import redaction, statements\n"
        "def compiled(*_): raise AssertionError(_)\n"
        "statements._Later.__getattr__ = compiled\n"
        "redaction.redact('run pipeline-2.py')\n"
        "redaction.redact('unknown_service:python')\n"
        "redaction.redact_path('/tmp/project-x/data of mine')\n"
        "redaction.redact_command(['python', '-c', 'pass', '--rows', '3'])\n"
    )
    environment = {"PATH": os.environ["PATH"], "PWD": "/tmp/somewhere", "LANG": "C.UTF-8"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
