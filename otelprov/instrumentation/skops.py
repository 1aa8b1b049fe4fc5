"""skops: models of scikit-learn in files that hold no pickles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from otelprov.instrumentation._table import Entry, read, write

RECORDS: Final = "**read**: `load`<br>**write**: `dump`"
ODDITIES: Final = (
    "What `dumps` gives and `loads` takes is a string of bytes that nobody follows. Models in it "
    "are known by their content, within a run.",
)


def _files() -> Iterable[Entry]:
    yield write("dump", target="file", data="obj")
    yield read("load", source="file")


TABLES = {"skops.io._persist": _files}
