"""The write side of the journal: one file a process, each line in one unbuffered write."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none: there an open segment cannot be told from a closed one
    fcntl = None  # type: ignore[assignment]

listeners: list[Callable[[Path], None]] = []
"""Called with every segment that a writer of this process begins."""


class JournalWriter:
    """Appends lines to this process's own file in ``directory``.

    The file is opened at the first line; a forked child opens its own. There is no lock: a line is
    one ``write`` to a descriptor opened with O_APPEND, and a lock could be held by another thread
    at the moment of a fork. Nothing raises: the first failure is told on stderr, all are counted.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lost = 0
        """Lines that could not be written."""
        self._descriptor = -1
        self._process = 0
        self._torn = False
        self._told = False

    def append(self, line: bytes) -> bool:
        """Write one line (newline included); whether it is in the file as a whole."""
        try:
            if self._process != os.getpid():
                self._open()
            # After a torn line (a full disk) a newline keeps the next one whole.
            data = b"\n" + line if self._torn else line
            written = os.write(self._descriptor, data)
            self._torn = written < len(data)
        except OSError as error:
            self._fail(error.strerror or str(error))
            return False
        if self._torn:
            self._fail("the disk took only a part of a line")
            return False
        return True

    def close(self) -> None:
        """Close the file; a later line opens a new one."""
        if self._descriptor >= 0 and self._process == os.getpid():
            os.close(self._descriptor)
        self._descriptor = -1
        self._process = 0

    def _open(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        started = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        process = os.getpid()
        name = f"{started}-{process}-{secrets.token_hex(4)}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self.directory / name, flags, 0o600)
        self._process = process
        self._torn = False
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for listener in listeners:
            listener(self.directory / name)

    def _fail(self, reason: str) -> None:
        self.lost += 1
        if not self._told:
            self._told = True
            print(
                f"otelprov: cannot write the journal in {self.directory}: {reason}; "
                "the program goes on, its provenance is not kept there (see 'otelprov doctor')",
                file=sys.stderr,
            )
