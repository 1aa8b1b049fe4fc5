"""What is written down of parameters: short, and without secrets."""

from __future__ import annotations

import datetime
import enum
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelprov.recording.policy import (
    MAX_VALUE_BYTES,
    parameter_value,
    shorten,
)
from otelprov.redaction import redact, redact_command


class Colour(enum.Enum):
    RED = 1


class Rude:
    def __repr__(self) -> str:
        raise AssertionError("the repr of a user's object is never called")

    __str__ = __eq__ = __hash__ = __repr__  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (3, 3),
        (2**70, str(2**70)),
        (0.5, 0.5),
        ("left", "left"),
        (None, "None"),
        (["a", 1, None], "['a', 1, None]"),
        (("a",), "('a',)"),
        ({"a": 1}, "{'a': 1}"),
        ({1}, "{1}"),
        (set(), "set()"),
        (b"bytes", "<bytes of 5 bytes>"),
        (Colour.RED, "Colour.RED"),
        (Path("/tmp/x"), "/tmp/x"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (slice(1, None), "slice(1, None, None)"),
        (int, "int"),
        (len, "len"),
        (Path.exists, "pathlib.Path.exists"),
    ],
)
def test_a_value_has_a_form_that_people_read(value: object, expected: object) -> None:
    found = parameter_value("value", value, 512)
    assert found == expected
    assert type(found) is type(expected)


def test_a_lambda_is_named_by_its_place() -> None:
    text = parameter_value("function", lambda x: x, 512)
    assert isinstance(text, str)
    assert "<lambda>" in text
    assert "test_policy.py:" in text


def test_objects_that_are_not_known_are_named_by_their_class() -> None:
    assert parameter_value("value", Rude(), 512) == f"<{__name__}.Rude>"
    assert f"<{__name__}.Rude>" in str(parameter_value("value", [Rude()], 512))


def test_a_list_that_contains_itself_ends() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert "<list of 1>" in str(parameter_value("value", loop, 512))


@given(st.text(max_size=5000), st.integers(16, 2000))
def test_values_stay_within_what_backends_keep(text: str, length: int) -> None:
    value = parameter_value("value", text, length)
    assert isinstance(value, str)
    assert len(value.encode("utf-8", "backslashreplace")) <= MAX_VALUE_BYTES + 48


def test_what_was_cut_is_said() -> None:
    assert shorten("x" * 600, 512) == "x" * 512 + "… (+88 characters)"
    assert "(+9999488 characters)" in str(parameter_value("value", "x" * 10_000_000, 512))
    assert "more" in str(parameter_value("value", list(range(10_000)), 512))


SECRET = "hunter2SECRETvalue99"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "passwd",
        "token",
        "auth_token",
        "api_key",
        "apikey",
        "secret",
        "client_secret",
        "access_key",
        "aws_secret_access_key",
        "credentials",
        "private_key",
        "connection_string",
        "Authorization",
        "cookie",
    ],
)
def test_a_parameter_with_a_secret_name_is_replaced(name: str) -> None:
    assert parameter_value(name, SECRET, 512) == "[REDACTED]"
    nested = str(parameter_value("storage_options", {"outer": {name: SECRET}, "n": 1}, 512))
    assert SECRET not in nested
    assert "'n': 1" in nested


@pytest.mark.parametrize("name", ["sep", "keys", "key", "sort", "by", "on", "passes", "how"])
def test_ordinary_parameters_are_not_taken_for_secrets(name: str) -> None:
    assert parameter_value(name, "value", 512) == "value"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://user:{SECRET}@host:5432/db",
        f"https://{SECRET}@git.example/repo.git",
        f"Server=x;Password={SECRET};Database=y",
        f"password='{SECRET}'",
        f"https://bucket.example/key?X-Amz-Signature={SECRET}&part=1",
        f"https://account.example/c?sv=1&sig={SECRET}",
        f"Authorization: Bearer {SECRET}",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_secrets_in_text_are_replaced_wherever_they_stand(text: str) -> None:
    for found in (
        redact(f"before {text} after"),
        str(parameter_value("value", text, 512)),
        str(parameter_value("value", ["x", {"y": text}], 512)),
    ):
        assert SECRET not in found
        assert "[REDACTED]" in found


@pytest.mark.parametrize(
    "text",
    [
        "a > 3 and b == 'x'",
        "https://example.org/a?b=c",
        "file.csv",
        "SELECT token_count FROM usage",
        "2024-01-01",
        "s3://bucket/key",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@given(st.integers(0, 600))
def test_a_secret_at_the_edge_of_what_is_kept_does_not_show(position: int) -> None:
    text = "x" * position + f" password={SECRET} " + "y" * 3000
    assert SECRET[:8] not in str(parameter_value("value", text, 512))


def test_a_command_line_keeps_its_form_without_its_secrets() -> None:
    command = [
        "python",
        "x.py",
        "--password",
        SECRET,
        f"--token={SECRET}",
        "--verbose",
        "in.csv",
        f"https://u:{SECRET}@host/",
    ]
    found = redact_command(command)
    assert SECRET not in " ".join(found)
    assert found[:4] == ["python", "x.py", "--password", "[REDACTED]"]
    assert found[5:7] == ["--verbose", "in.csv"]


SCHEMA_OF_AN_EXTENSION = """
import pyarrow as pa
from otelprov.recording.policy import parameter_value

print(parameter_value("schema", pa.schema([("a", pa.int64())]), 512))

class Word(pa.ExtensionType):
    def __init__(self):
        super().__init__(pa.large_string(), "word")
    def __arrow_ext_serialize__(self):
        return b""
    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        raise ValueError("it cannot be made again")

schema = pa.schema([pa.field("a", Word())])
print(parameter_value("schema", schema, 512))
"""


def test_the_text_of_a_schema_does_not_end_the_process() -> None:
    """pyarrow's own `str` of it does (26.0)."""
    result = subprocess.run(
        [sys.executable, "-c", SCHEMA_OF_AN_EXTENSION], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == ["a: int64", "<pyarrow.lib.Schema>"]
