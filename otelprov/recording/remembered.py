"""What takes long to find out and is the same each time, kept beside the journal for the processes
that come after.

One small file, to which every process appends whole lines: a checksum, a key and a value. It may be
removed at any time, and what cannot be read or written of it is found out once more.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from zlib import crc32

from blake3 import blake3

from otelprov.journal.segment import is_of_the_system, tolerated
from otelprov.recording.run import run
from otelprov.redaction import redact

MAX_BYTES: Final = 1 << 20
"""Of the file, which is begun anew then."""
MAX_KEPT: Final = 200
"""Values that one process adds: texts that a program makes up come once each."""


class Remembered:
    """Values of one kind, by the text that they follow from, in ``<journal>/<name>``.

    ``version`` names all that a value depends on besides. Nothing is kept where there is no
    journal, or where rules say what of the data may be written down.
    """

    def __init__(self, name: str, version: bytes) -> None:
        self._name = name
        self._version = blake3(version).digest()
        self._path: Path | None = None
        self._values: dict[bytes, bytes] = {}
        self._kept = 0

    def find(self, text: str) -> bytes | None:
        """What was kept for ``text``."""
        path = self._place()
        if path is None:
            return None
        if path != self._path:
            self._path, self._values, self._kept = path, _read(path), 0
        return self._values.get(self._key(text))

    def keep(self, text: str, value: bytes) -> None:
        """Keep a value (JSON on one line) for ``text``, but for one with a secret in it."""
        path = self._place()
        if path is None or self._kept >= MAX_KEPT:
            return
        shown = value.decode()
        if redact(shown) != shown:
            return
        self._kept += 1
        line = b"%s %s" % (self._key(text), value)
        with tolerated:
            _append(path, b"%08x %s\n" % (crc32(line), line))

    def _place(self) -> Path | None:
        journal = run.settings.journal
        return None if journal is None or run.policy is not None else journal / self._name

    def _key(self, text: str) -> bytes:
        whole = self._version + text.encode("utf-8", "surrogatepass")
        return blake3(whole).hexdigest(16).encode()


def _read(path: Path) -> dict[bytes, bytes]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        if not is_of_the_system(error):
            raise
        return {}
    found: dict[bytes, bytes] = {}
    for line in lines:
        checksum, _, rest = line.partition(b" ")
        key, _, value = rest.partition(b" ")
        if value and checksum == b"%08x" % crc32(rest):
            found[key] = value
    return found


def _append(path: Path, line: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        if os.fstat(descriptor).st_size > MAX_BYTES:
            os.unlink(path)  # whoever comes next begins it anew
        else:
            os.write(descriptor, line)
    finally:
        os.close(descriptor)
