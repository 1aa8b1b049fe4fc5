"""PyYAML: what programs read from files by it, and write to them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

from otelprov.instrumentation._documents import dumping, loading
from otelprov.instrumentation._table import Entry

RECORDS: Final = (
    "**read**: `load`, `safe_load`, `full_load` and `unsafe_load` of a file or a large text<br>"
    "**write**: `dump` and `safe_dump` to a file or a text, of the numbers, dicts and lists that "
    "recorded operations have made"
)
ODDITIES: Final = ("See json.", "Documents that stand in one file (`load_all`) are not read.")


def _functions() -> Iterable[Entry]:
    yaml: Any = sys.modules["yaml"]
    of = "yaml", yaml.__version__
    for name in ("load", "safe_load", "full_load", "unsafe_load"):
        yield loading(name, "stream", *of)
    for name in ("dump", "safe_dump"):
        yield dumping(name, "stream", *of)


TABLES = {"yaml": _functions}
