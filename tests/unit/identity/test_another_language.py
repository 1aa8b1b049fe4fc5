"""An implementation in Go, written from the specification alone, gives the ids of the vectors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from specification import vectors

GO = shutil.which("go")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built once. Its one dependency is BLAKE3, by version and checksum."""
    if GO is None:
        pytest.skip("no Go on this machine")
    target = tmp_path_factory.mktemp("go") / "identity"
    subprocess.run(
        [GO, "build", "-mod=readonly", "-o", str(target), "."],
        cwd=vectors.FOLDER / "go",
        env={**os.environ, "GOTOOLCHAIN": "local"},
        check=True,
    )
    return target


def test_the_implementation_in_go_finds_every_vector_right(program: Path) -> None:
    done = subprocess.run([program, vectors.FOLDER], capture_output=True, text=True)
    assert done.stdout == f"{len(vectors.read_frozen())} right, 0 wrong\n", done.stderr
    assert done.returncode == 0


def test_it_would_say_so_if_one_were_wrong(program: Path, tmp_path: Path) -> None:
    for path in vectors.FOLDER.glob("*.json"):
        content = json.loads(path.read_text())
        changed = content["vectors"][-1]
        for key in ("id", "digest", "path"):
            if changed.get(key):
                changed[key] = changed[key][:-1] + ("0" if changed[key][-1] != "0" else "1")
        if changed.get("id", "") is None:
            changed["id"] = "table:" + "0" * 64
        (tmp_path / path.name).write_text(json.dumps(content))
    done = subprocess.run([program, tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    files = len(list(tmp_path.iterdir()))
    assert done.stdout.splitlines()[-1].endswith(f" right, {files} wrong")
