"""The files that this process was seen to write, as long as they are what they were then.

A digest is kept with its file only when that had been still for a while before it was taken, which
a file that was just written has not. It is moved to its place (a temporary file, ``os.replace``)
in the next millisecond all the same, and keeps its story.
"""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from typing import Final

from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.model import Artifact

MAX_FILES: Final = 1024

_Key = tuple[int, int, int, int]
_given: OrderedDict[str, Artifact] = OrderedDict()
_files: OrderedDict[str, tuple[_Key, Artifact]] = OrderedDict()
names: Counter[str] = Counter()
"""Of the files, without their directories: what is not among them is not looked for."""


def keep(path: str, artifact: Artifact) -> None:
    """The file at this path was just written, and is this artifact."""
    status = _status(path)
    if status is not None:
        if path not in _files:
            names[os.path.basename(path)] += 1
        _files[path] = (status, artifact)
        _files.move_to_end(path)
        if len(_files) > MAX_FILES:
            gone = os.path.basename(_files.popitem(last=False)[0])
            names[gone] -= 1
            if not names[gone]:
                del names[gone]


def known(path: str) -> Artifact | None:
    """What the file at this path is, if this process wrote it and nobody has since."""
    found = _files.get(path)
    return found[1] if found is not None and found[0] == _status(path) else None


def give(artifact: Artifact) -> None:
    """An operation has given the program a text, or bytes, that a file may hold."""
    if artifact.kind == "file" and artifact.coverage == "full":
        _given[artifact.id] = artifact
        _given.move_to_end(artifact.id)
        if len(_given) > MAX_FILES:
            _given.popitem(last=False)


def given(artifact_id: str) -> Artifact | None:
    """The text, or the bytes, that an operation of this process has given the program."""
    return _given.get(artifact_id)


def is_known(path: str | bytes) -> bool:
    """Whether this process has written a file at this path."""
    if isinstance(path, bytes) or path.rpartition(os.sep)[2] not in names:
        return False
    return os.path.abspath(path) in _files


def _status(path: str) -> _Key | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        if is_of_the_program(error):
            raise
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
