"""When the size of the journal is to be looked at: each process asks, and few have to look."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from otelprov.journal.segment import is_of_the_system

LOCK: Final = "pruned.lock"
"""Held by who looks; its time is that of the last look, and it says the size found."""
_EVERY: Final = 60.0  # seconds


def due(directory: Path, limit: int, written: int) -> bool:
    """Whether the journal's size is to be looked at, which costs a look at every file.

    Not within a minute of the last look, by whichever process, unless the journal was so close to
    its limit then that the ``written`` bytes of this process alone may bring it there.
    """
    try:
        with (directory / LOCK).open("rb") as lock:
            age = time.time() - os.fstat(lock.fileno()).st_mtime
            said = lock.read(32).strip() or b"0"
    except OSError as error:
        if not is_of_the_system(error):
            raise
        return True
    if not said.isdigit():
        return True
    size = int(said)
    # A clock that jumped counts as a minute.
    return not 0 <= age < _EVERY or size + written > limit
