"""The code version: what git says, and what its files say where git does not answer."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from otelprov.recording.git import LIMIT, work_tree

URL = "https://example.org/team/repo.git"


def git(directory: Path, *arguments: str) -> str:
    who = {
        f"GIT_{one}_{what}": "x" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull}
    options = ["-c", "protocol.file.allow=always"]
    command = ["git", "-C", str(directory), *options, *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()


def repository(directory: Path) -> Path:
    directory.mkdir()
    git(directory, "init", "-q", "-b", "trunk")
    git(directory, "remote", "add", "origin", URL)
    (directory / "program.py").write_text("pass\n")
    (directory / "inner").mkdir()
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "first")
    return directory


def plain(base: Path) -> Path:
    return repository(base / "plain")


def below(base: Path) -> Path:
    return repository(base / "below") / "inner"


def packed(base: Path) -> Path:
    directory = repository(base / "packed")
    git(directory, "branch", "trunk-2")
    git(directory, "pack-refs", "--all")
    return directory


def slashed(base: Path) -> Path:
    directory = repository(base / "slashed")
    git(directory, "checkout", "-q", "-b", "feature/a.b")
    return directory


def detached(base: Path) -> Path:
    directory = repository(base / "detached")
    git(directory, "checkout", "-q", "--detach")
    return directory


def linked(base: Path) -> Path:
    directory = repository(base / "main")
    git(directory, "worktree", "add", "-q", "-b", "other", "../linked")
    return base / "linked"


def submodule(base: Path) -> Path:
    inner, outer = repository(base / "inner"), repository(base / "outer")
    git(outer, "submodule", "add", "-q", str(inner), "part")
    return outer / "part"


def included(base: Path) -> Path:
    directory = repository(base / "included")
    git(directory, "remote", "remove", "origin")
    (directory / "more").write_text(f'[remote "origin"]\n\turl = {URL}\n')
    git(directory, "config", "include.path", "../more")
    return directory


SHAPES = [plain, below, packed, slashed, detached, linked, submodule, included]


@pytest.fixture
def no_git(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_without_git_its_files_say_the_same(
    make: Callable[[Path], Path], tmp_path: Path, no_git: Callable[[], None]
) -> None:
    directory = make(tmp_path)
    branch = git(directory, "rev-parse", "--abbrev-ref", "HEAD")
    expected = (git(directory, "rev-parse", "HEAD"), None if branch == "HEAD" else branch)
    url = git(directory, "config", "--get", "remote.origin.url")
    asked = work_tree(str(directory))
    assert asked is not None
    assert (asked.revision, asked.branch, asked.url, asked.dirty) == (*expected, url, False)
    no_git()
    read = work_tree(str(directory))
    assert read is not None
    assert (read.revision, read.branch, read.dirty) == (*expected, None)
    assert read.url == (None if make is included else url)


def test_a_change_is_told_apart_from_another(tmp_path: Path) -> None:
    directory = repository(tmp_path / "r")
    changes = set()
    for text in ("a = 1\n", "a = 2\n"):
        (directory / "program.py").write_text(text)
        found = work_tree(str(directory))
        assert found is not None and found.dirty
        changes.add(found.change)
    git(directory, "checkout", "-q", ".")
    (directory / "new.py").write_text("pass\n")
    found = work_tree(str(directory / "inner"))
    assert found is not None and found.dirty
    changes.add(found.change)
    assert len(changes) == 3 and None not in changes


def a_git(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    directory.mkdir()
    (directory / "git").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")


def test_no_git_is_called_where_there_is_no_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_git(tmp_path / "bin", monkeypatch, f"touch {tmp_path}/called; exit 128")
    assert work_tree(str(tmp_path)) is None
    assert not (tmp_path / "called").exists()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert work_tree(str(tmp_path)) is None
    assert (tmp_path / "called").exists()


def test_a_git_that_takes_too_long_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = repository(tmp_path / "r")
    revision = git(directory, "rev-parse", "HEAD")
    a_git(tmp_path / "bin", monkeypatch, "exec sleep 60")
    begun = time.monotonic()
    found = work_tree(str(directory))
    assert time.monotonic() - begun < LIMIT + 5
    assert found is not None
    assert (found.revision, found.branch, found.dirty) == (revision, "trunk", None)


def test_a_git_that_says_nothing_has_not_said_that_all_is_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = repository(tmp_path / "r")
    a_git(tmp_path / "bin", monkeypatch, "exit 0")
    found = work_tree(str(directory))
    assert found is not None and found.dirty is None
