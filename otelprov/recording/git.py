"""What git says of the code in a directory: one call of git, and its own files for the rest.

The call is made before the program's code runs: there is no handler for SIGCHLD yet, and nobody
who waits for a child, to find one that it does not know (docs/decisions/0017).
"""

from __future__ import annotations

import io
import os
import re
import time
from typing import Final, NamedTuple

LIMIT: Final = 2.0
"""Seconds that git may take in all. Where it takes longer, what its files say is known, and
whether the work tree differs from the revision is not."""

_OBJECT: Final = r"[0-9a-f]{40}(?:[0-9a-f]{24})?"


class WorkTree(NamedTuple):
    """The state of a work tree, as far as it is known."""

    revision: str | None = None
    branch: str | None = None
    url: str | None = None
    """Of the remote ``origin``, as it is configured."""
    dirty: bool | None = None
    change: str | None = None
    """A digest of what differs from the revision."""


def work_tree(directory: str) -> WorkTree | None:
    """The work tree that ``directory`` is in; None where there is none."""
    files = _find(directory)
    if files is None and "GIT_DIR" not in os.environ:
        return None  # nobody pays for a call of git where there is no repository
    end = time.monotonic() + LIMIT
    url = None if files is None else _url_in(files.common)
    if url is None:
        found = _git(directory, end, "config", "--get", "remote.origin.url")
        url = None if found is None else found.decode("utf-8", "replace").strip()
    status = _git(
        directory,
        end,
        "status",
        "--porcelain=v2",
        "--branch",
        "--no-ahead-behind",
        "--untracked-files=normal",
    )
    # Without the first line this is no answer, whatever git's exit code is: where SIGCHLD is
    # ignored nobody gets to know that.
    if status is None or not status.startswith(b"# branch.oid "):
        head = (None, None) if files is None else _head(files)
        return None if head == (None, None) else WorkTree(*head, url or None)
    revision, branch, changed, untracked = _parsed(status)
    dirty = changed or bool(untracked)
    change = _change(directory, end, files, untracked) if dirty else None
    return WorkTree(revision, branch, url or None, dirty, change)


def _parsed(status: bytes) -> tuple[str | None, str | None, bool, list[bytes]]:
    """Revision, branch, whether what git knows has changed, and the Python files it does not."""
    revision = branch = None
    changed = False
    untracked: list[bytes] = []
    for line in status.splitlines():
        if line.startswith(b"# branch.oid "):
            text = line.split(b" ", 2)[2].decode()
            revision = None if text == "(initial)" else text
        elif line.startswith(b"# branch.head "):
            text = line.split(b" ", 2)[2].decode("utf-8", "replace")
            branch = None if text == "(detached)" else text
        elif line.startswith(b"? "):
            # Data files beside the code are not code: of untracked files only Python counts.
            if line.endswith(b".py"):
                untracked.append(line[2:])
        elif not line.startswith(b"#"):
            changed = True
    return revision, branch, changed, untracked


def _change(directory: str, end: float, files: _Files | None, untracked: list[bytes]) -> str | None:
    difference = _git(directory, end, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv")
    if files is not None:
        top: bytes | None = os.fsencode(files.top)
    else:
        top = _git(directory, end, "rev-parse", "--show-toplevel")
    if top is None or time.monotonic() > end:
        return None
    from blake3 import blake3  # not at start: most work trees are clean

    digest = blake3(difference or b"")
    for name in sorted(untracked):
        digest.update(b"\0" + name + b"\0")
        try:
            with io.FileIO(os.path.join(top.strip(), name.strip(b'"'))) as file:
                digest.update(file.read())
        except OSError:
            continue
    return digest.hexdigest()


def _git(directory: str, end: float, *arguments: str) -> bytes | None:
    import subprocess  # not at start: many programs never get here

    # GIT_OPTIONAL_LOCKS: `git status` would otherwise rewrite the user's index.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        result = subprocess.run(
            ["git", "-C", directory, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=max(end - time.monotonic(), 0.001),
            env=environment,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout if result.returncode == 0 else None


# --- git's files ----------------------------------------------------------------------------------


class _Files(NamedTuple):
    top: str
    """The work tree."""
    own: str
    """Where the work tree's HEAD is."""
    common: str
    """Where the repository's references and its configuration are."""


def _find(directory: str) -> _Files | None:
    """The work tree that a directory is in, as git looks for it: upwards."""
    top = os.path.abspath(directory)
    while True:
        place = os.path.join(top, ".git")
        if os.path.isfile(os.path.join(place, "HEAD")):
            return _Files(top, place, place)
        text = _text(place)  # of a submodule, and of a linked work tree
        if text is not None and text.startswith("gitdir: "):
            own = os.path.join(top, text[len("gitdir: ") :].strip())
            shared = _text(os.path.join(own, "commondir"))
            return _Files(top, own, own if shared is None else os.path.join(own, shared.strip()))
        above = os.path.dirname(top)
        if above == top:
            return None
        top = above


def _head(files: _Files) -> tuple[str | None, str | None]:
    """Revision and branch; None for what the files do not say in a form that is known here."""
    head = (_text(os.path.join(files.own, "HEAD")) or "").strip()
    if re.fullmatch(_OBJECT, head):
        return head, None
    name = head.removeprefix("ref: ")
    if name == head or name.endswith("/.invalid"):  # references are in a table (reftable)
        return None, None
    branch = name.removeprefix("refs/heads/")
    for place in (files.own, files.common):
        text = (_text(os.path.join(place, name)) or "").strip()
        if re.fullmatch(_OBJECT, text):
            return text, branch
    packed = _text(os.path.join(files.common, "packed-refs")) or ""
    found = re.search(rf"^({_OBJECT}) {re.escape(name)}$", packed, re.MULTILINE)
    return (found[1] if found else None), branch


def _url_in(place: str) -> str | None:
    """The URL of ``origin``, empty without one; None where only git can tell."""
    text = _text(os.path.join(place, "config"))
    if text is None or "[include" in text or "worktreeconfig" in text.lower():
        return None
    section, url = "", ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line
        elif section == '[remote "origin"]':
            name, _, value = line.partition("=")
            if name.strip().lower() == "url":
                url = value.strip()
    return None if not re.fullmatch(_PLAIN_URL, url) else url


_PLAIN_URL: Final = r"""[^\s"\\;#]*"""


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None
