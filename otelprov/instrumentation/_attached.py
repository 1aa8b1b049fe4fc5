"""``ATTACH`` and ``DETACH`` of SQLite: which file a schema of a connection is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from otelprov.statements import later

_NAME: Final = r"""("(?:[^"]|"")+"|'(?:[^']|'')+'|\[[^\]]+\]|`[^`]+`|\w+)"""
_ATTACH: Final = later(
    r"""\bATTACH\s+(?:DATABASE\s+)?(?:('(?:[^']|'')*'|"(?:[^"]|"")*")|([?:@$]\w*)|[^;]*?)\s*\bAS\s+"""
    + _NAME,
    re.IGNORECASE,
)
_DETACH: Final = later(r"\bDETACH\s+(?:DATABASE\s+)?" + _NAME, re.IGNORECASE)


def attachments(text: str, given: object) -> Iterator[tuple[str, str | None]]:
    """Of each ``ATTACH`` in a text: the name of the schema, and what it is given for a file: None
    where that is an expression."""
    for match in _ATTACH.finditer(text):
        quoted, marker, name = match.groups()
        if quoted is not None:
            file: str | None = _plain(quoted)
        else:
            file = None if marker is None else _given(marker, given)
        yield _plain(name).lower(), file


def detachments(text: str) -> Iterator[str]:
    """The names of the schemas that a text detaches."""
    for match in _DETACH.finditer(text):
        yield _plain(match[1]).lower()


def _given(marker: str, given: Any) -> str | None:
    value: object = None
    if isinstance(given, Mapping):
        value = given.get(marker[1:])
    elif isinstance(given, (tuple, list)) and marker[0] == "?":
        number = int(marker[1:] or 1) - 1 if marker[1:].isdecimal() or marker == "?" else -1
        value = given[number] if 0 <= number < len(given) else None
    return value if isinstance(value, str) else None


def _plain(text: str) -> str:
    first = text[0]
    if first in "\"'`":
        return text[1:-1].replace(first * 2, first)
    return text[1:-1] if first == "[" else text
