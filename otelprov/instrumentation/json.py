"""json of the standard library.

As with pickle, it is patched only in programs that import a library whose data is recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from otelprov.instrumentation import _documents
from otelprov.instrumentation._documents import dumping, loading
from otelprov.instrumentation._table import Entry

RECORDS: Final = (
    "**read**: `load` of a file, `loads` of a large text<br>"
    "**write**: `dump` to a file and `dumps`, of the numbers, dicts and lists that recorded "
    "operations have made"
)
ODDITIES: Final = _documents.ODDITIES


def _functions() -> Iterable[Entry]:
    of = "json", sys.version.split()[0]
    yield loading("load", "fp", *of)
    yield loading("loads", "s", *of)
    yield dumping("dump", "fp", *of, "indent", "sort_keys")
    yield dumping("dumps", None, *of, "indent", "sort_keys")


TABLES = {"json": _functions}
