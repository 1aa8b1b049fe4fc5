"""Imports follow the flow of the data: each room knows only the rooms before it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import support

import otelprov

PACKAGE = Path(otelprov.__file__).parent

FREE = {
    "_record", "semconv", "model", "memory_limit", "settings", "version", "redaction", "rules",
    "statements",
}  # fmt: skip
"""Rooms that import nothing of ours but one another."""
FORMAT = {"journal"}
ALLOWED: dict[str, set[str]] = {
    "_record": set(),
    "semconv": set(),
    "model": {"_record"},
    "memory_limit": set(),
    "settings": {"memory_limit", "rules"},
    "rules": {"_record"},
    "statements": set(),
    "redaction": {"semconv", "statements"},
    "version": set(),
    "artifacts": FREE,
    "journal": FREE,
    "recording": FREE | {"artifacts", "journal"},
    "logs": FREE | {"artifacts", "recording"},
    "metrics": FREE | {"artifacts", "journal", "recording", "shipping"},
    "shipping": FREE | {"journal", "recording"},
    "instrumentation": FREE | {"artifacts", "recording", "logs", "metrics"},
    "api": FREE | {"artifacts", "recording", "metrics"},
    "lineage": FREE | FORMAT,
    "render": FREE | {"lineage"},
    "cli": FREE | FORMAT | {"lineage", "render", "artifacts", "shipping"},
    "__init__": {"api", "version"},
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms that a file imports from, at any place in it; types only do not count."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = [ast.Pass()]
    found: set[str] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "otelprov" and len(parts) > 1:
                found.add(parts[1])
    return found


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_file_imports_only_what_lies_before_it(path: Path) -> None:
    own = room(path)
    assert imports(path) - {own} <= ALLOWED[own]


def test_wrapt_is_imported_in_one_room() -> None:
    users = {room(path) for path in PACKAGE.rglob("*.py") if "import wrapt" in path.read_text()}
    assert users == {"instrumentation"}


def test_settings_are_read_in_one_place() -> None:
    users = {
        path.name
        for path in PACKAGE.rglob("*.py")
        if re.search(r"(environ|getenv)\b.*OTELPROV_", path.read_text())
    }
    # `otelprov run` hands settings to the program it starts, `doctor` shows what they are set to.
    assert users <= {"settings.py", "run.py", "doctor.py"}


def test_attribute_names_are_written_in_one_place() -> None:
    from otelprov import semconv

    names = [name for name in semconv.ATTRIBUTES if "<" not in name]
    for path in PACKAGE.rglob("*.py"):
        if room(path) == "semconv":
            continue
        text = path.read_text()
        for name in names:
            assert f'"{name}"' not in text, f"{path.name} writes {name} out"


def test_a_library_waits_for_the_modules_that_its_tables_are_for() -> None:
    from otelprov.instrumentation.libraries import LIBRARIES

    for library in LIBRARIES:
        tables = import_module(f"otelprov.instrumentation.{library.name}").TABLES
        assert library.modules == tuple(tables), library.name


def test_importing_the_write_side_is_cheap() -> None:
    code = (
        "import sys, importlib; from otelprov.instrumentation.libraries import LIBRARIES;"
        "import otelprov.instrumentation.instrumentors;"
        # These make classes of the library's classes; they are loaded when the program loads it.
        "[importlib.import_module(f'otelprov.instrumentation.{one.name}') for one in LIBRARIES"
        " if one.name not in ('sqlite3', 'psycopg2')];"
        "theirs = {one.partition('.')[0] for library in LIBRARIES for one in library.modules"
        " if library.distributions != ('python',)};"
        "print([m for m in sorted({*theirs, 'networkx', 'rich', 'click', 'sqlite3'})"
        " if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=support.environment(),
    )
    assert result.stdout == "[]\n"


def test_a_start_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text("import sys; print(*sys.modules)\n")
    loaded = support.instrumented(script, journal_directory=tmp_path / "j").stdout.split()
    assert "otelprov.recording.run" in loaded
    # Each is loaded with the first data, at the first delivery, or when somebody asks.
    later = {"model", "journal.retention", "journal.delivery", "recording.recorder"}
    found = {name.removeprefix("otelprov.") for name in loaded if name.startswith("otelprov.")}
    assert not found & later
    assert {name for name in found if name.startswith("artifacts.")} == {
        "artifacts.deferred",
        "artifacts.interruptions",
    }
    assert "blake3" not in loaded
