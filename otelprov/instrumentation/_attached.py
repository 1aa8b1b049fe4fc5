"""``ATTACH`` and ``DETACH`` of SQLite: which file a schema of a connection is; and into which file
``VACUUM`` copies one."""

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
_VACUUM: Final = later(
    r"""\s*VACUUM\s+(?:"""
    + _NAME
    + r"""\s+)?INTO\s+(?:('(?:[^']|'')*'|"(?:[^"]|"")*")\s*;?\s*\Z|([?:@$]\w*)\s*;?\s*\Z)?""",
    re.IGNORECASE,
)


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


def vacuums(text: str) -> bool:
    """Whether a text may copy a database: nearly always it does not."""
    return text[:64].lstrip()[:6].upper() == "VACUUM"


def vacuumed(text: str, given: object) -> tuple[str, str | None] | None:
    """The schema that ``VACUUM … INTO`` copies, and the file that it makes: None where that is an
    expression."""
    match = _VACUUM.match(text)
    if match is None:
        return None
    name, quoted, marker = match.groups()
    schema = "main" if name is None else _plain(name).lower()
    if quoted is not None:
        return schema, _plain(quoted)
    return schema, None if marker is None else _given(marker, given)


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
