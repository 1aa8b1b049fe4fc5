"""joblib: objects in files. Its parallel calls and its caches call what the program gave them."""

from __future__ import annotations

from collections.abc import Iterable

from otelprov.instrumentation._table import Entry, read, write

ODDITIES = (
    "Files that `joblib.Memory` keeps for itself are not recorded; a function that it calls is, "
    "and a pandas table or a model that it gives once more is known by its content, within a run.",
)


def _files() -> Iterable[Entry]:
    yield write("dump", target="filename", data="value")
    yield read("load", source="filename")


TABLES = {"joblib.numpy_pickle": _files}
